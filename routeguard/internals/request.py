"""The request that aiohttp made, changed in place."""

from aiohttp import web

__all__ = ["change_request"]


class GuardedRequest(web.Request):
    """A request whose scheme can be changed."""

    def change(self, scheme: str) -> None:
        cache = self._cache
        cache["scheme"] = scheme
        cache.pop("secure", None)
        cache.pop("url", None)


def change_request(request: web.Request, *, scheme: str) -> web.Request:
    """A request with another scheme: the same object, or a clone of somebody else's class."""
    if type(request) is web.Request:
        object.__setattr__(request, "__class__", GuardedRequest)
    if not isinstance(request, GuardedRequest):
        return request.clone(scheme=scheme)
    request.change(scheme)
    return request
