"""What several policies raise for a request that they refuse."""

from aiohttp import web

__all__ = ["BodyTimeout", "Refusal"]


class Refusal(web.HTTPException):
    """The base of what a limit raises for a request that it refuses.

    The limit has written its own line, at INFO. Error handlers write no other one, whatever the
    status of their answer: a flood must not fill the log.
    """


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
            text=f"the request body did not arrive in time ({bound}: {seconds:g} s)",
        )
        self.force_close()
