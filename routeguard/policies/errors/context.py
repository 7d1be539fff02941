"""The error being answered: what an error handler may ask of it, and the plain JSON answer."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from aiohttp import ClientError, web
from aiohttp.hdrs import CONTENT_TYPE
from multidict import CIMultiDict

from routeguard.running.state import RequestKey

__all__ = [
    "AS_TEXT",
    "ErrorContext",
    "context_of",
    "default_error_handler",
    "error_being_answered",
    "error_context",
    "forget_error",
    "own_status",
    "plain_answer",
    "remember_error",
    "status_of",
    "valid_status",
]


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """The error that an error handler is to answer.

    Attributes:
        err: the exception itself.
        message: its `message`, where it has a text of that name; else `str(err)`.
        status: the status of the answer: by `errors(on=…)`, by the exception's `status` where
            that is an int from 400 to 599 and no other server's, 504 for a `TimeoutError`, 500
            otherwise.
        data: its `data`, where it has a mapping of that name; else `{"detail": message}`.
    """

    err: Exception
    message: str
    status: int
    data: dict[str, object]


ERROR = RequestKey("error", tuple[Exception, int])
NO_ERROR = Exception("no error is being answered")
JSON_TYPE = {CONTENT_TYPE: "application/json; charset=utf-8"}
AS_TEXT = json.JSONEncoder(default=str).encode
"""JSON, in which values that JSON does not know are texts."""


def remember_error(request: web.Request, error: Exception, status: int) -> None:
    """Notes the error and the status of its answer for the error handler."""
    request[ERROR] = (error, status)


def forget_error(request: web.Request) -> None:
    """Frees what has been answered: error, traceback, frames and request are a cycle else."""
    with suppress(KeyError):  # where an error handler asked another one, that has been answered
        del request[ERROR]


def error_being_answered(request: web.Request) -> tuple[Exception, int] | None:
    """The error that an error handler is being asked about, and the status; `None` for none."""
    return request.get(ERROR)


@contextmanager
def error_context(request: web.Request) -> Iterator[ErrorContext]:
    """The error being answered, inside an error handler::

        async def api_error(request):
            with error_context(request) as context:
                return web.json_response(context.data, status=context.status)

    Args:
        request: the request that the error handler was given.

    Returns:
        A context manager that yields an `ErrorContext`. Where no error is being answered, its
        `err` says so and the status is 500.
    """
    yield context_of(request)


def context_of(request: web.Request) -> ErrorContext:
    """The error being answered, as far as its attributes are what their names promise."""
    error, status = request.get(ERROR, (NO_ERROR, 500))
    message = message_of(error)
    return ErrorContext(error, message, status, data_of(error, message))


def message_of(error: Exception) -> str:
    """The `message` of an error, where it has a text of that name; else its own text."""
    given = attribute(error, "message")
    return given if isinstance(given, str) and given else str(error)


def data_of(error: Exception, message: str) -> dict[str, object]:
    """The `data` of an error, where it has a mapping of that name; else its message."""
    data = attribute(error, "data")
    if data is not None and isinstance(data, Mapping) and data:
        return dict(data)
    return {"detail": message}


def attribute(error: BaseException, name: str) -> object:
    """An attribute of an exception; `None` where it has none, or fails to tell it."""
    try:
        found: object = getattr(error, name, None)
    except Exception:
        return None
    return found


def valid_status(status: object) -> bool:
    """Whether a value is the status of an error: an int from 400 to 599."""
    return isinstance(status, int) and not isinstance(status, bool) and 400 <= status <= 599


def own_status(error: BaseException) -> int | None:
    """The status that an exception says it is to be answered with; `None` where it says none.

    That of an exception of aiohttp's client is the status of another server's answer.
    """
    if isinstance(error, ClientError):
        return None
    status = attribute(error, "status")
    return int(status) if isinstance(status, int) and valid_status(status) else None


def status_of(error: BaseException) -> int:
    """The status with which an exception is answered where nothing maps it to another."""
    own = own_status(error)
    if own is not None:
        return own
    return 504 if isinstance(error, TimeoutError) else 500


async def default_error_handler(request: web.Request) -> web.Response:
    """Answers `{"detail": "…"}` as JSON, with the status and data of `error_context`.

    It shows the text of *any* exception to the client, as the middleware does from which it is
    known. Where that may tell too much, use `problem_details`.

    Args:
        request: the request whose handler failed.

    Returns:
        The response. Values that JSON does not know are shown as text.
    """
    return plain_answer(*request.get(ERROR, (NO_ERROR, 500)))


def plain_answer(error: Exception, status: int) -> web.Response:
    """The answer of `default_error_handler`."""
    text = AS_TEXT(data_of(error, message_of(error)))
    # As `web.json_response` makes it, which takes half as long again.
    return web.Response(body=text.encode(), status=status, headers=CIMultiDict(JSON_TYPE))
