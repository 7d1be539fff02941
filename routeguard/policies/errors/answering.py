"""Asking an error handler, and what the log says of the error."""

import logging
import traceback
from typing import NamedTuple

from aiohttp import ClientConnectionResetError, web

from routeguard.configuration import shown
from routeguard.http import is_http_exception
from routeguard.policies.errors.carried import carry_over
from routeguard.policies.errors.context import forget_error, remember_error
from routeguard.policies.errors.handlers import ErrorHandler, name_of
from routeguard.quoting import quoted
from routeguard.refusals import Refusal
from routeguard.running.deadlines import HandlerTimeout
from routeguard.running.state import begun_of
from routeguard.running.unfinished import end_unfinished

__all__ = ["Question", "ask", "log_unfinished"]

logger: logging.Logger = logging.getLogger("routeguard.errors")


class Question(NamedTuple):
    """What an error handler is asked; a tuple, since one is made for each error.

    Attributes:
        error: what was raised.
        answered: the error that the handler is given: `error`, or the first leaf of a group.
        status: the status that the handler is told.
        handler: the error handler.
        arity: the number of its arguments.
        place: the route, for the log.
        is_logged: whether the log gets a line; a handler that asks another one gets its own.
    """

    error: Exception
    answered: Exception
    status: int
    handler: ErrorHandler
    arity: int
    place: str
    is_logged: bool = True


async def ask(request: web.Request, question: Question) -> web.StreamResponse | None:
    """The error handler's answer, or `None` where it raised the error again.

    The log goes by the answer: 500 and above is logged, whichever handler gave it.

    Args:
        request: the request, not answered so far.
        question: what the handler is asked.

    Raises:
        HTTPException: an answer that the handler gave by raising it.
        Exception: what made the handler fail.
    """
    error, answered = question.error, question.answered
    traced = error.__traceback__, answered.__traceback__
    remember_error(request, answered, question.status)
    try:
        arguments = (request, answered)[: question.arity]
        response = await question.handler(*arguments)  # type: ignore[arg-type]
        if type(response) is not web.Response and not isinstance(response, web.StreamResponse):
            raise TypeError(f"error handler {name_of(question.handler)} returned {shown(response)}")
    except Exception as raised:
        is_again = raised is error or raised is answered
        if request.writer.output_size > 0:
            if is_again:
                log_unfinished(request, error, question.place)
            else:
                _log_failure(request, question, raised)
            return await end_unfinished(request, begun_of(request))
        if is_again:
            # The handler's frame holds the error, and the error's traceback the frame.
            error.__traceback__, answered.__traceback__ = traced
            return None
        if is_http_exception(raised):
            carry_over(answered, raised)
            _log(request, question, raised.status)
        else:
            _log_failure(request, question, raised)
        raise
    except BaseException:  # cancelled: nothing is answered, and nobody else knows of the error
        _log(request, question, question.status)
        raise
    finally:
        forget_error(request)
    carry_over(answered, response)
    _log(request, question, response.status)
    return response


def log_unfinished(request: web.Request, error: Exception, place: str) -> None:
    """One line for an error that cannot be answered, since the response has started."""
    where = (request.method, quoted(request.path), place)
    if isinstance(error, ClientConnectionResetError) and is_gone(request):
        logger.info("%s %s (%s): the client left before the response had ended", *where)
    elif isinstance(error, HandlerTimeout):
        logger.error(
            "%s %s (%s) failed after its response had started: %s (%s bound of %g s)",
            *where,
            error,
            error.bound,
            error.seconds,
            exc_info=error,
        )
    else:
        logger.error("%s %s (%s) failed after its response had started", *where, exc_info=error)


def is_gone(request: web.BaseRequest) -> bool:
    """Whether the client has closed the connection."""
    return request.transport is None or request.transport.is_closing()


def _log(request: web.Request, question: Question, status: int) -> None:
    # A limit's refusal has a line of its own, at INFO: a flood must not fill the log.
    if status >= 500 and question.is_logged and not isinstance(question.error, Refusal):
        logger.error(
            "%s %s (%s) failed with %d",
            request.method,
            quoted(request.path),
            question.place,
            status,
            exc_info=question.error,
        )


def _log_failure(request: web.Request, question: Question, failure: Exception) -> None:
    if question.is_logged:
        logger.error(
            "error handler %s failed for %s %s, answering\n%s",
            name_of(question.handler),
            request.method,
            quoted(request.path),
            "".join(traceback.format_exception(question.error)),
            exc_info=failure,
        )
