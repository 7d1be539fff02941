"""`cors`: cross-origin access by the Fetch standard."""
