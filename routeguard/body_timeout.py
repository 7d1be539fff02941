"""`BodyTimeout`: the client was too slow with the body of its request."""

from aiohttp import web

__all__ = ["BodyTimeout"]


class BodyTimeout(web.HTTPRequestTimeout):
    """The body of a request did not arrive in time: 408, and the connection closes.

    Raised where the body is read. RFC 9110, section 15.5.9.

    Attributes:
        seconds: the bound that was passed, in seconds.
        bound: which one: `"idle"` or `"total"` of `body`; or the bound of `timeout` or `shield`
            that passed while the handler waited for the body: `"start"`, `"idle"`, `"total"` or
            `"limit"`.
    """

    def __init__(self, seconds: float, bound: str) -> None:
        self.seconds: float = seconds
        self.bound: str = bound
        super().__init__(
            headers={"Connection": "close"},
            text=f"408: the request body did not arrive in time ({bound}: {seconds:g} s)",
        )
        self.force_close()
