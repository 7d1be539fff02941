"""What is done to the body of a request: kept, abandoned, limited."""

from collections.abc import Callable

from aiohttp import StreamReader, web

from routeguard.internals.body_state import lost
from routeguard.internals.reader import GuardedReader, WholeReader, is_awaited
from routeguard.internals.request import (
    UnguardedError,
    client_max_size,
    guard_request,
    hold_files,
    is_form_with_files,
    is_served,
)
from routeguard.internals.writer import check_writer

__all__ = [
    "abandon_body",
    "guard_body",
    "is_waiting_for_body",
    "keep_body",
    "limit_body",
    "lose_body",
    "refusal_of_body",
    "refusal_of_lost",
    "whole_within",
]


def guard_body(request: web.BaseRequest) -> GuardedReader | None:
    """Exchanges the class of the reader that aiohttp made for the body of a request.

    Args:
        request: the request.

    Returns:
        The reader; `None` for a request without a body, or one that a test has mocked.

    Raises:
        UnguardedError: the server made a reader of another class.
    """
    body = request.content
    if isinstance(body, GuardedReader):
        return body
    is_kept = type(body) is WholeReader
    if is_kept or type(body) is StreamReader:
        # The one way in: aiohttp made it, and its methods cannot be replaced.
        body.__class__ = GuardedReader
        assert isinstance(body, GuardedReader)
        body.guard()
        if is_kept:
            body.keep(request.task)
        return body
    if request.body_exists and is_served(request):
        raise UnguardedError(body, "the body of a request is read by")
    return None


def keep_body(request: web.Request) -> None:
    """Makes the body of a request survive its connection, if it arrives in full.

    Raises:
        UnguardedError: the server made a reader or writer of another class.
    """
    check_writer(request)
    body = request.content
    if _has_arrived(body):
        body.__class__ = WholeReader
    else:
        guarded = guard_body(request)
        if guarded is None:
            return  # there is no body
        guarded.keep(request.task)
    if is_form_with_files(request):
        guard_request(request)


def abandon_body(request: web.Request) -> None:
    """Shielded work goes on alone: keeps what it has of the body, and fails the rest of it."""
    hold_files(request)
    body = request.content
    if isinstance(body, GuardedReader):
        body.abandon()


def lose_body(request: web.BaseRequest) -> None:
    """Fails what has not arrived of the body, since the server shuts down and reads no more."""
    body = request.content
    if isinstance(body, GuardedReader):
        body.lose()


def whole_within(max_size: int | None) -> Callable[[web.Request], bool]:
    """What tells whether a body has arrived in full and is small enough.

    Nothing can go wrong with it then but that its client leaves, after which aiohttp hands out no
    byte of it. aiohttp is told to let it by.

    Args:
        max_size: bytes, unpacked; `None` where the application's limit stays.
    """
    own_limit = 0 if max_size is None else client_max_size(max_size)

    def is_whole(request: web.Request) -> bool:
        body = request._payload  # `content` takes longer to find it than all else here together
        if not _has_arrived(body) or is_form_with_files(request):  # whose files are to be closed
            return False
        if max_size is not None:
            if body.total_bytes > max_size:
                return False
            request._client_max_size = own_limit
        return True

    return is_whole


def limit_body(
    request: web.Request,
    *,
    max_size: int | None = None,
    idle: float | None = None,
    total: float | None = None,
) -> GuardedReader | None:
    """Bounds the body of a request.

    Args:
        request: the request.
        max_size: bytes, unpacked; passed, whoever reads gets `HTTPRequestEntityTooLarge`. It takes
            the place of the application's `client_max_size`, which stays where it is `None`.
        idle: seconds that one wait for more may last; passed, whoever reads gets `BodyTimeout`.
        total: seconds that all waits may last together; passed, the same.

    Returns:
        The reader; `None` for a request without a body.

    Raises:
        UnguardedError: the server made a reader of another class.
    """
    body = guard_body(request)
    if body is None:
        return None
    if is_form_with_files(request):
        guard_request(request)
    if max_size is not None:
        request._client_max_size = client_max_size(max_size)
    is_compressed = request._message.compression is not None
    body.limit(max_size, idle, total, is_compressed=is_compressed, connection=request.task)
    return body


def refusal_of_body(request: web.BaseRequest) -> web.HTTPException | None:
    """What answers a request whose body failed by the client's doing.

    `None` where it did not, where nobody who read it has been told, or where it is not limited.
    """
    body = request.content
    return body.state.refusal() if isinstance(body, GuardedReader) else None


def refusal_of_lost(request: web.BaseRequest, error: Exception) -> web.HTTPException | None:
    """What answers a request whose client left before a whole body was read.

    Args:
        request: the request.
        error: what its handler raised.

    Returns:
        The refusal; `None` where the error has nothing to do with it.
    """
    failure = request.content.exception()
    if not isinstance(failure, OSError) or failure not in _all_of(error):
        return None
    answer = lost(failure).answer
    return None if answer is None else answer()


def _has_arrived(body: StreamReader) -> bool:
    """Whether a body has arrived in full and nothing has gone wrong with it; no bound guards it."""
    if type(body) is WholeReader:
        return True
    return type(body) is StreamReader and body._eof and body._exception is None


def _all_of(error: BaseException) -> list[BaseException]:
    """An error and all that led to it."""
    found = [error]
    for one in found:
        inner = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        before = (one.__cause__, one.__context__, *inner)
        found += [each for each in before if each is not None and each not in found]
    return found


def is_waiting_for_body(request: web.BaseRequest) -> bool:
    """Whether somebody waits for more of the body right now.

    Args:
        request: the request; its body need not have been guarded.
    """
    return is_awaited(request.content)
