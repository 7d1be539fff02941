"""`errors`: what a handler raises is answered, with the headers and cookies that it carried."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar, cast

from aiohttp import web

from routeguard.asking import Stated
from routeguard.configuration import Faults, shown
from routeguard.finding import Finding
from routeguard.http import is_http_exception
from routeguard.paths import PathItem, match_path
from routeguard.policies.errors import telling
from routeguard.policies.errors.answering import Question, ask, log_unfinished
from routeguard.policies.errors.carried import carry_over
from routeguard.policies.errors.context import (
    default_error_handler,
    error_being_answered,
    plain_answer,
    remember_error,
    status_of,
    valid_status,
)
from routeguard.policies.errors.handlers import (
    ErrorHandler,
    HandlerOf,
    exception_types,
    name_of,
    note_handler,
    type_name,
)
from routeguard.policies.errors.serving import BoundErrors
from routeguard.policy import Place, Policy
from routeguard.running.started import INTERNAL_ERROR, can_be_answered, cut_off
from routeguard.running.state import begun_of
from routeguard.running.unfinished import end_unfinished

__all__ = ["ErrorHandler", "errors", "get_error_response"]

ExceptionTypes = type[Exception] | tuple[type[Exception], ...]

# A Mapping's keys are invariant: without this a dict[type[KeyError], int] would be refused.
ExceptionType = TypeVar("ExceptionType", bound=type[Exception])


@dataclass(frozen=True, slots=True, init=False, repr=False)
class errors(Policy):
    """Answers what a handler raises.

    It answers `Exception`, never `CancelledError` and its like; an `HTTPException` below 400 is
    no error and passes. The status is `on`'s, or the exception's own `status` where that is an
    int from 400 to 599, 504 for a `TimeoutError`, and 500 otherwise; the status of an exception
    of aiohttp's client is another server's and does not count. Headers and cookies of an
    `HTTPException` reach the client unless the error handler set its own.

    Answers of 500 and more are logged once with traceback on `routeguard.errors`, whichever
    handler gave them; other answers are not logged. A handler that raises the error again has
    answered nothing: the error is left to whoever is outside. A response that has started cannot
    be answered: the error is logged once and the connection closed.

    Args:
        handler: `async (request)` or `async (request, error)`, returning the response. `None`:
            what `on` does not name is left to whoever is outside. Default:
            `default_error_handler`, which shows the text of any exception.
        on: exception type, or tuple of types, to a status (int, 400 to 599; the handler then
            answers with it) or to a handler of its own, whose `error` may have the exception's
            own type. The most specific class in the exception's MRO wins. An `ExceptionGroup` is
            answered by the mapping on which all its leaves agree, with its first leaf as the
            error. Default: none.
        ignore: exception type, or tuple of types, left to whoever is outside. `ignore` wins over
            `on`. Default: none.

    Raises:
        ConfigError: a handler that is not async or takes other arguments, a status that is no
            error's or that no handler is there to answer with, something that is no exception
            type, or `handler=None` with nothing in `on`.
    """

    finding_codes: ClassVar[Mapping[str, str]] = {
        "RG501": "problem_details without content negotiation"
    }

    handler: ErrorHandler | None
    on: tuple[tuple[type[Exception], int | ErrorHandler], ...]
    ignore: tuple[type[Exception], ...]
    _on: dict[type[Exception], int | ErrorHandler] = field(compare=False)
    _arity: dict[ErrorHandler, int] = field(compare=False)

    def __init__(
        self,
        handler: ErrorHandler | None = default_error_handler,
        *,
        on: (
            Mapping[ExceptionTypes, int | HandlerOf]
            | Mapping[ExceptionType, int | HandlerOf]
            | None
        ) = None,
        ignore: ExceptionTypes = (),
    ) -> None:
        faults = Faults("errors(...)")
        arity: dict[ErrorHandler, int] = {}
        if handler is not None:
            note_handler("handler", handler, arity, faults)
        by_type: dict[type[Exception], int | ErrorHandler] = {}
        if on is not None and not isinstance(on, Mapping):
            faults.add(f"on={shown(on)} is no mapping: write on={{KeyError: 404}}")
            on = None
        for types, outcome in (on or {}).items():
            for one in exception_types("on", types, faults):
                if one in by_type:
                    faults.add(f"on: {one.__name__} stands in it twice: keep one")
                by_type[one] = cast(int | ErrorHandler, outcome)
            if not callable(outcome):
                if not valid_status(outcome):
                    faults.add(
                        f"on: {shown(outcome)} is neither an error's status nor an error "
                        f"handler: write an int from 400 to 599, or an async function"
                    )
                elif handler is None:
                    faults.add(
                        f"on: no handler answers with {outcome}, since handler=None: name a "
                        f"handler in its place, or write errors(problem_details, on=...)"
                    )
            else:
                note_handler("on", outcome, arity, faults)
        if handler is None and not by_type and not faults:
            faults.add(
                "handler: None is no error handler, and on names nothing: write "
                "on={KeyError: not_found}, or exempt(errors) where no error is to be answered"
            )
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
        return BoundErrors(self, place)

    def ignores(self, error: Exception) -> bool:
        """Whether this policy leaves an error alone."""
        if is_http_exception(error) and 100 <= error.status < 400:
            return True
        if isinstance(error, ExceptionGroup) and self.ignore:
            leaves = list(_leaves(error))
            return isinstance(error, self.ignore) or all(
                isinstance(leaf, self.ignore) for leaf in leaves
            )
        return isinstance(error, self.ignore)

    def resolve(self, error: Exception) -> tuple[Exception, int, ErrorHandler | None]:
        """What to answer: the error (a group's first leaf), the status, and who answers if any."""
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

    def answer_at_once(self, error: Exception) -> web.Response | None:
        """The answer of the default handler, where the log has nothing to say of it.

        Args:
            error: what was raised, before any response had started.

        Returns:
            The response; `None` where `answer` is to find out what becomes of the error.
        """
        outcome: tuple[Exception, int, ErrorHandler | None]
        if is_http_exception(error) and not self._on and not self.ignore:  # as most are
            outcome = error, error.status, self.handler
        elif self.ignores(error):
            return None
        else:
            outcome = self.resolve(error)
        answered, status, handler = outcome
        if handler is not default_error_handler or not 400 <= status < 500:
            return None
        try:
            response = plain_answer(answered, status)
        except Exception:
            return None  # what cannot be shown is in the log, too
        carry_over(answered, response)
        return response

    async def answer(
        self, request: web.Request, error: Exception, place: str
    ) -> web.StreamResponse:
        """The response for an error, or the error itself where it is left to whoever is outside.

        Args:
            request: the request.
            error: what was raised.
            place: the route, for the log.

        Returns:
            The error handler's response. Where a response has started before: that one, cut off.
        """
        begun = begun_of(request)
        if not can_be_answered(request, begun):
            log_unfinished(request, error, place)
            return await end_unfinished(request, begun)
        if (response := await self.ask(request, error, place)) is not None:
            return response
        try:
            raise error
        finally:
            del error  # or error, traceback and this frame were a cycle

    async def ask(
        self, request: web.Request, error: Exception, place: str, *, is_logged: bool = True
    ) -> web.StreamResponse | None:
        """The error handler's response; `None` for what is left to whoever is outside."""
        if self.ignores(error):
            return None
        answered, status, handler = self.resolve(error)
        if handler is None:
            return None
        arity = self._arity[handler]
        question = Question(error, answered, status, handler, arity, place, is_logged)
        return await ask(request, question)


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
            Default: none.
        ignore_exceptions: exception types that are raised again instead. Default: none.

    Returns:
        The error handler's response.

    Raises:
        ConfigError: a handler is none.
        Exception: `err` itself, where it is ignored or cannot be answered.
    """
    begun = begun_of(request)
    response = None
    if can_be_answered(request, begun):
        path = request.rel_url.path
        found = (handler for item, handler in (config or {}).items() if match_path(item, path))
        policy = errors(next(found, default_handler), ignore=ignore_exceptions or ())
        # Inside an error handler the log goes by that one's answer.
        outer = error_being_answered(request)
        is_logged = outer is None or outer[0] is not err
        try:
            response = await policy.ask(request, err, "get_error_response", is_logged=is_logged)
        finally:
            if outer is not None:
                remember_error(request, *outer)
            del outer
    else:
        await cut_off(request, begun, INTERNAL_ERROR)
        if is_http_exception(err):
            # aiohttp would write it out as a response.
            raise ConnectionResetError("the response has started already") from err
    if response is not None:
        return response
    try:
        raise err
    finally:
        del err  # or error, traceback and this frame were a cycle


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one
