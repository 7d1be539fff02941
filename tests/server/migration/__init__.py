"""Applications before and after a migration, and a reader of the pages that tell of it."""
