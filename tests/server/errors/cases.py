"""What handlers of the error tests raise, with what is to become of it."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from routeguard import HandlerTimeout

__all__ = ["CASES", "Case", "Told", "http_exception_classes", "make_http_exception"]


@dataclass(frozen=True, slots=True)
class Case:
    """Something to raise.

    Attributes:
        name: what the case is called in paths and messages.
        make: makes what is raised.
        status: the status of its answer where nothing maps it; `None` where it is no error, and
            passes as it is; 0 where nothing is answered and the connection closes.
    """

    name: str
    make: Callable[[], BaseException]
    status: int | None


def http_exception_classes() -> list[type[web.HTTPException]]:
    """Every class that aiohttp exports, its abstract ones included."""
    found = (value for _, value in inspect.getmembers(web, inspect.isclass))
    return [one for one in found if issubclass(one, web.HTTPException)]


def make_http_exception(kind: type[web.HTTPException]) -> web.HTTPException:
    if issubclass(kind, web.HTTPMove):
        return kind("/elsewhere")
    if issubclass(kind, web.HTTPMethodNotAllowed):
        return kind("GET", ["POST", "PUT"])
    if issubclass(kind, web.HTTPRequestEntityTooLarge):
        return kind(max_size=1, actual_size=2)
    if issubclass(kind, web.HTTPUnavailableForLegalReasons):
        return kind("https://authority.example/")
    return kind()


def _status_of_class(kind: type[web.HTTPException]) -> int | None:
    code = kind.status_code
    if code < 0:
        return 500  # an abstract class has no status of its own
    return code if code >= 400 else None


class Told(Exception):
    def __init__(self, text: str = "told", **attributes: object) -> None:
        super().__init__(text)
        vars(self).update(attributes)


class Hostile(Exception):
    """Whose every attribute fails."""

    @property
    def status(self) -> int:
        raise RuntimeError("no status")

    @property
    def message(self) -> str:
        raise RuntimeError("no message")

    @property
    def data(self) -> dict[str, object]:
        raise RuntimeError("no data")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Sneaky(web.HTTPException):
    status_code = 700


CASES = [
    *(
        Case(kind.__name__, lambda kind=kind: make_http_exception(kind), _status_of_class(kind))  # type: ignore[misc]
        for kind in http_exception_classes()
    ),
    Case("exception", lambda: Exception("plain"), 500),
    Case("key", lambda: KeyError("missing"), 500),
    Case("no-arguments", lambda: ValueError(), 500),
    Case("timeout", lambda: TimeoutError("late"), 504),
    Case("handler-timeout", lambda: HandlerTimeout(5, "total"), 504),
    Case("os", lambda: FileNotFoundError(2, "no such file", "secret"), 500),
    Case("reset", lambda: ConnectionResetError("a database hung up"), 500),
    Case("stop", lambda: StopAsyncIteration(), 500),
    Case("memory", lambda: MemoryError(), 500),
    Case("recursion", lambda: RecursionError("too deep"), 500),
    Case("unicode", lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), 500),
    Case("surrogates", lambda: Told("caf\udce9", status=400), 400),
    Case("status", lambda: Told(status=418), 418),
    Case("status-599", lambda: Told(status=599), 599),
    Case("status-text", lambda: Told(status="404"), 500),
    Case("status-float", lambda: Told(status=404.0), 500),
    Case("status-true", lambda: Told(status=True), 500),
    Case("status-none", lambda: Told(status=None), 500),
    Case("status-200", lambda: Told(status=200), 500),
    Case("status-600", lambda: Told(status=600), 500),
    Case("status-700", lambda: Sneaky(), 500),
    Case("status-negative", lambda: Told(status=-404), 500),
    Case("message", lambda: Told(message="the message", status=422), 422),
    Case("message-bytes", lambda: Told(message=b"bytes"), 500),
    Case("data", lambda: Told(data={"code": 7, "when": object()}, status=422), 422),
    Case("data-list", lambda: Told(data=[1, 2]), 500),
    Case("data-text", lambda: Told(data="text"), 500),
    Case("hostile", lambda: Hostile(), 500),
    Case("mute", lambda: Mute(), 500),
    Case("group", lambda: ExceptionGroup("g", [KeyError("a"), OSError("b")]), 500),
    Case("group-agreeing", lambda: ExceptionGroup("g", [KeyError("a"), KeyError("b")]), 500),
    Case("group-http", lambda: ExceptionGroup("g", [web.HTTPNotFound()]), 500),
    Case(
        "group-nested",
        lambda: ExceptionGroup("g", [ExceptionGroup("h", [web.HTTPFound("/x")])]),
        500,
    ),
    Case("cancelled", lambda: asyncio.CancelledError("by the handler itself"), 0),
]
