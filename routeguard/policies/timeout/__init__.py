"""`timeout`: bounds on the time of a handler."""
