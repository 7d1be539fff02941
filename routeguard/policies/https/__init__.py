"""`https`: the scheme behind a proxy, and routes that demand HTTPS."""
