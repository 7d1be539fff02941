"""What `check` looks for, one module a subject."""
