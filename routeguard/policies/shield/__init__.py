"""`shield`: handlers that run to their end."""
