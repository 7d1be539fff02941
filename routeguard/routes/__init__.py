"""Which statements apply to a route."""
