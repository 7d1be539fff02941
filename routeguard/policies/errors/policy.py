"""`errors`: what a view raises becomes the right answer, and nothing it carried is lost."""

import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NoReturn

from aiohttp import hdrs, web

from routeguard.asking import Stated
from routeguard.configuration import Faults, shown
from routeguard.finding import Finding
from routeguard.paths import PathItem, match_path
from routeguard.policies.errors import telling
from routeguard.policies.errors.context import (
    default_error_handler,
    remember_error,
    status_of,
    valid_status,
)
from routeguard.policies.errors.handlers import (
    ErrorHandler,
    exception_types,
    name_of,
    note_handler,
    type_name,
)
from routeguard.policies.errors.serving import BoundErrors
from routeguard.policy import Place, Policy
from routeguard.quoting import quoted
from routeguard.running.started import INTERNAL_ERROR, can_be_answered, cut_off
from routeguard.running.state import begun_of

__all__ = ["ErrorHandler", "errors", "get_error_response"]

ExceptionTypes = type[Exception] | tuple[type[Exception], ...]

logger: logging.Logger = logging.getLogger("routeguard.errors")

# What belongs to one connection or one body (RFC 9110, sections 7.6.1 and 8), and what aiohttp
# stamps on every response anew.
NOT_CARRIED = frozenset(
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade date server "
    "set-cookie".split()
)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class errors(Policy):
    """Answers what a handler raises.

    It answers `Exception`, never `CancelledError` and its like; an `HTTPException` below 400 is
    no error and passes. The status is `on`'s, or the exception's own `status` where that is an
    int from 400 to 599, 504 for a `TimeoutError`, and 500 otherwise. Headers and cookies of an
    `HTTPException` reach the client unless the error handler set its own. Answers of 500 and
    more are logged once with traceback on `routeguard.errors`. A response that has started
    cannot be answered: the error is logged and the connection closed.

    Args:
        handler: `async (request)` or `async (request, error)`, returning the response. Default:
            `default_error_handler`, which shows the text of any exception.
        on: exception type, or tuple of types, to a status (int, 400 to 599; the handler then
            answers with it) or to a handler of its own. The most specific class in the
            exception's MRO wins. An `ExceptionGroup` is answered by the mapping on which all its
            leaves agree, with its first leaf as the error. Default: none.
        ignore: exception type, or tuple of types, left to whoever is around. `ignore` wins over
            `on`. Default: none.

    Raises:
        ConfigError: a handler that is not async or takes other arguments, a status that is no
            error's, or something that is no exception type.
    """

    finding_codes: ClassVar[Mapping[str, str]] = {
        "RG501": "problem_details without content negotiation"
    }

    handler: ErrorHandler
    on: tuple[tuple[type[Exception], int | ErrorHandler], ...]
    ignore: tuple[type[Exception], ...]
    _on: dict[type[Exception], int | ErrorHandler] = field(compare=False)
    _arity: dict[ErrorHandler, int] = field(compare=False)

    def __init__(
        self,
        handler: ErrorHandler = default_error_handler,
        *,
        on: Mapping[ExceptionTypes, int | ErrorHandler] | None = None,
        ignore: ExceptionTypes = (),
    ) -> None:
        faults = Faults("errors(...)")
        arity: dict[ErrorHandler, int] = {}
        note_handler("handler", handler, arity, faults)
        by_type: dict[type[Exception], int | ErrorHandler] = {}
        if on is not None and not isinstance(on, Mapping):
            faults.add(f"on={shown(on)} is no mapping: write on={{KeyError: 404}}")
            on = None
        for types, outcome in (on or {}).items():
            for one in exception_types("on", types, faults):
                if one in by_type:
                    faults.add(f"on: {one.__name__} stands in it twice: keep one")
                by_type[one] = outcome
            if not callable(outcome):
                if not valid_status(outcome):
                    faults.add(
                        f"on: {shown(outcome)} is neither an error's status nor an error "
                        f"handler: write an int from 400 to 599, or an async function"
                    )
            else:
                note_handler("on", outcome, arity, faults)
        ignored = tuple(exception_types("ignore", ignore, faults))
        faults.raise_any()
        object.__setattr__(self, "handler", handler)
        object.__setattr__(self, "on", tuple(by_type.items()))
        object.__setattr__(self, "ignore", ignored)
        object.__setattr__(self, "_on", by_type)
        object.__setattr__(self, "_arity", arity)

    def findings(self, stated: Stated) -> Iterable[Finding]:
        """What looks wrong about it."""
        return telling.findings(self, stated)

    def __repr__(self) -> str:
        given = [] if self.handler is default_error_handler else [name_of(self.handler)]
        if self.on:
            pairs = (
                f"{type_name(t)}: {o if isinstance(o, int) else name_of(o)}" for t, o in self.on
            )
            given.append(f"on={{{', '.join(pairs)}}}")
        if self.ignore:
            given.append(f"ignore=({', '.join(map(type_name, self.ignore))})")
        return f"errors({', '.join(given)})"

    def bind(self, place: Place) -> BoundErrors:
        """The policy with the application whose error handler it is."""
        return BoundErrors(self, place.app)

    def ignores(self, error: Exception) -> bool:
        """Whether an error is none of this policy's business."""
        if isinstance(error, web.HTTPException) and 100 <= error.status < 400:
            return True
        if isinstance(error, ExceptionGroup) and self.ignore:
            leaves = list(_leaves(error))
            return isinstance(error, self.ignore) or all(
                isinstance(leaf, self.ignore) for leaf in leaves
            )
        return isinstance(error, self.ignore)

    def resolve(self, error: Exception) -> tuple[Exception, int, ErrorHandler]:
        """What to answer: the error (a group's first leaf), the status, and who answers."""
        outcome = self._mapped(error)
        answered = error
        if outcome is None and isinstance(error, ExceptionGroup):
            leaves = list(_leaves(error))
            found = {self._mapped(leaf) for leaf in leaves}
            if len(found) == 1 and None not in found:
                outcome = found.pop()
                answered = leaves[0] if isinstance(leaves[0], Exception) else error
        if outcome is None:
            return error, status_of(error), self.handler
        if isinstance(outcome, int):
            return answered, outcome, self.handler
        return answered, status_of(answered), outcome

    def _mapped(self, error: BaseException) -> int | ErrorHandler | None:
        if not self._on:
            return None
        for ancestor in type(error).__mro__:
            if isinstance(error, BaseExceptionGroup) and not issubclass(
                ancestor, BaseExceptionGroup
            ):
                return None  # what is said of Exception at large says nothing of its leaves
            if (outcome := self._on.get(ancestor)) is not None:
                return outcome
        return None

    async def answer(
        self, request: web.Request, error: Exception, place: str
    ) -> web.StreamResponse:
        """The response for an error, or the error itself where it cannot be answered.

        Args:
            request: the request, not answered so far.
            error: what was raised.
            place: the route, for the log.
        """
        begun = begun_of(request)
        if not can_be_answered(request, begun):
            await _give_up(request, error, place, begun)
        if self.ignores(error):
            raise error
        answered, status, handler = self.resolve(error)
        if status >= 500:
            logger.error(
                "%s %s (%s) failed with %d",
                request.method,
                quoted(request.path),
                place,
                status,
                exc_info=error,
            )
        remember_error(request, answered, status)
        arity = self._arity[handler]
        return await _ask(request, answered, handler, arity)


async def _give_up(
    request: web.Request, error: Exception, place: str, begun: web.StreamResponse | None
) -> NoReturn:
    """The response has started: no second one may follow it into the same stream."""
    logger.error(
        "%s %s (%s) failed after its response had started",
        request.method,
        quoted(request.path),
        place,
        exc_info=error,
    )
    await cut_off(request, begun, INTERNAL_ERROR)
    if isinstance(error, web.HTTPException):
        # aiohttp would write it out as a response.
        raise ConnectionResetError("the response has started already") from error
    raise error


async def _ask(
    request: web.Request, error: Exception, handler: ErrorHandler, arity: int
) -> web.StreamResponse:
    arguments = (request, error)[:arity]
    try:
        response = await handler(*arguments)  # type: ignore[arg-type]
        if not isinstance(response, web.StreamResponse):
            raise TypeError(f"error handler {name_of(handler)} returned {shown(response)}")
    except web.HTTPException as answer:
        if request.writer.output_size > 0:
            await _give_up(request, answer, name_of(handler), begun_of(request))
        if answer is not error:
            _carry_over(error, answer)
        raise
    except Exception as failure:
        logger.error(
            "error handler %s failed for %s %s, answering\n%s",
            name_of(handler),
            request.method,
            quoted(request.path),
            "".join(traceback.format_exception(error)),
            exc_info=failure,
        )
        if request.writer.output_size > 0:
            await cut_off(request, begun_of(request), INTERNAL_ERROR)
        raise
    _carry_over(error, response)
    return response


def _carry_over(error: Exception, response: web.StreamResponse) -> None:
    """Headers and cookies that an `HTTPException` was given, on the answer made for it."""
    if not isinstance(error, web.HTTPException) or response.prepared or response is error:
        return
    carried, headers = error.headers, response.headers
    if len(carried) > 1 or hdrs.CONTENT_TYPE not in carried:  # most have no more than that
        own = {name.lower() for name in headers}
        named = carried.get(hdrs.CONNECTION, "").lower()
        left = own | NOT_CARRIED | {token.strip() for token in named.split(",")}
        for name, value in carried.items():
            lower = name.lower()
            if lower not in left and not lower.startswith("content-"):
                headers.add(name, value)
    cookies = error.cookies
    if not cookies and hdrs.SET_COOKIE not in carried:
        return
    set_by_handler = {line.partition("=")[0] for line in headers.getall(hdrs.SET_COOKIE, ())}
    set_by_handler |= response.cookies.keys()
    for line in carried.getall(hdrs.SET_COOKIE, ()):
        if line.partition("=")[0] not in set_by_handler | cookies.keys():
            headers.add(hdrs.SET_COOKIE, line)
    for cookie, morsel in cookies.items():
        if cookie not in set_by_handler:
            response.cookies[cookie] = morsel


async def get_error_response(
    request: web.Request,
    err: Exception,
    *,
    default_handler: ErrorHandler = default_error_handler,
    config: Mapping[PathItem, ErrorHandler] | None = None,
    ignore_exceptions: ExceptionTypes | None = None,
) -> web.StreamResponse:
    """The response for an error, for code that catches by itself.

    Args:
        request: the request during which the error occurred.
        err: the error.
        default_handler: the error handler, `async (request)` or `async (request, error)`.
        config: handlers by path, as `match_path` takes them; the first that matches answers.
        ignore_exceptions: exception types that are raised again instead.

    Returns:
        The error handler's response.

    Raises:
        ConfigError: a handler is none.
        Exception: `err` itself, where it is ignored or cannot be answered.
    """
    path = request.rel_url.path
    found = (handler for item, handler in (config or {}).items() if match_path(item, path))
    policy = errors(next(found, default_handler), ignore=ignore_exceptions or ())
    return await policy.answer(request, err, "get_error_response")


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one
