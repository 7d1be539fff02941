"""Names and rules of HTTP that several parts of the library go by."""

from multidict import istr

__all__ = ["REQUEST_METHOD"]

REQUEST_METHOD = istr("Access-Control-Request-Method")
"""The header by which a preflight says what it asks about (Fetch, CORS-preflight request)."""
