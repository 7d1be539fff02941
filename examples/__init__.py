"""Examples of routeguard: the tour, and one small file a use."""
