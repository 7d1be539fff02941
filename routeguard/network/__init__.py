"""Who a request comes from and what it is for: addresses, hosts, and what proxies say of both."""
