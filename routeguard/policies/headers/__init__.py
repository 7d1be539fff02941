"""`headers` and `security_headers`: response headers on whatever leaves."""
