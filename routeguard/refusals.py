"""What policies that refuse a request have in common."""

from aiohttp import web

__all__ = ["Refusal"]


class Refusal(web.HTTPException):
    """The base of what a limit raises for a request that it refuses.

    The limit has written its own line, at INFO. Error handlers write no other one, whatever the
    status of their answer: a flood must not fill the log.
    """
