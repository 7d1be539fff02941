"""`errors`: what a view raises becomes the right answer."""
