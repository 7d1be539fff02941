"""`proxied`: the client's address, scheme and host, as trusted proxies report them."""
