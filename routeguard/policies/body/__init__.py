"""`body`: how large a request body may be, and how slow."""
