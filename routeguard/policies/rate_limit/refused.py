"""What `rate_limit` raises."""

import math

from aiohttp import web

from routeguard.refusals import Refusal

__all__ = ["RateLimited"]


class RateLimited(web.HTTPTooManyRequests, Refusal):
    """A request was refused by `rate_limit`: 429 with `Retry-After` (RFC 6585, section 4).

    Attributes:
        seconds: in how many seconds the request may come again.
        name: the name of the limit, or where it is stated.
    """

    def __init__(self, seconds: float, name: str) -> None:
        self.seconds = seconds
        self.name = name
        whole = max(1, math.ceil(seconds))
        super().__init__(
            headers={"Retry-After": str(whole)},
            text=f"too many requests: try again in {whole} s",
        )
