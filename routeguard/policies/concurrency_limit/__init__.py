"""`concurrency_limit`: so many requests at a time."""
