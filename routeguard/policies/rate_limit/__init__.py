"""`rate_limit`: so many requests in so much time, for each key."""
