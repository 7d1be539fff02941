"""`hosts`: only requests for these hosts."""
