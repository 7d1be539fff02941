"""What `concurrency_limit` raises."""

from aiohttp import web

from routeguard.refusals import Refusal

__all__ = ["Overloaded"]


class Overloaded(web.HTTPServiceUnavailable, Refusal):
    """A request was refused by `concurrency_limit`: 503 with `Retry-After`.

    Attributes:
        seconds: the seconds in `Retry-After`.
    """

    def __init__(self, seconds: int, reason: str) -> None:
        self.seconds = seconds
        super().__init__(headers={"Retry-After": str(seconds)}, text=reason)
