"""Origins (RFC 6454): parsing and matching them, and what looks wrong about them."""
