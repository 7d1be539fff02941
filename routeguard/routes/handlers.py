"""Handlers: what they are called, and what else they may call.

A decorator that sets no `__wrapped__`, as `functools.wraps` does, leaves no way from the function
it returns to the handler below it. Such a function still holds the handler: in its closure, in its
defaults, in a `partial`, or as an attribute of a callable object.
"""

import functools
import inspect
import types
from collections.abc import Iterator

from aiohttp.abc import AbstractView

from routeguard.policy import Guarded, Policy, is_async

__all__ = ["bare_handler", "handler_name", "held_by", "own_name"]

DEEPEST = 20


def handler_name(handler: object) -> str:
    """A handler as a person knows it: its module and qualified name, or those of its class.

    A function that a decorator made goes by the name of what it wraps.
    """
    for _ in range(DEEPEST):
        inner = _wrapped_by(handler)
        if inner is None:
            break
        handler = inner
    return own_name(handler)


def bare_handler(handler: object) -> object:
    """The function at the bottom of what is wrapped around it."""
    try:
        bare = inspect.unwrap(handler) if callable(handler) else handler
    except ValueError:  # it wraps itself
        return handler
    return bare.__func__ if inspect.ismethod(bare) else bare


def held_by(holder: object) -> Iterator[object]:
    """The functions, views and callable objects that a handler holds, and so may call."""
    if type(holder) is Guarded:
        yield holder.__wrapped__
        return
    values: list[object] = []
    if isinstance(holder, functools.partial | functools.partialmethod):
        values = [holder.func, *holder.args, *holder.keywords.values()]
    elif isinstance(holder, types.MethodType):
        values = [holder.__func__]
        if hasattr(type(holder.__self__), "__get__"):
            values += _attributes(holder.__self__)  # a decorator that is a descriptor
    elif isinstance(holder, types.FunctionType):
        values = [*_closure(holder), *(holder.__defaults__ or ())]
        values += (holder.__kwdefaults__ or {}).values()
        values.append(getattr(holder, "__wrapped__", None))
    elif not isinstance(holder, type) and (callable(holder) or hasattr(type(holder), "__get__")):
        values = _attributes(holder)
    yield from (value for value in values if _may_handle(value))


def _attributes(value: object) -> list[object]:
    return list(getattr(value, "__dict__", {}).values())


def _closure(function: types.FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue  # the name has not been bound so far


def _may_handle(value: object) -> bool:
    if isinstance(value, type):
        return issubclass(value, AbstractView)
    return callable(value) and not isinstance(value, Policy)


def _wrapped_by(handler: object) -> object:
    """The handler one layer farther in; `None` at the innermost, or where that is not known."""
    if isinstance(handler, type):
        return None
    if type(handler) is not Guarded and isinstance(handler, functools.partial):
        return (_is_made(handler.func) and _only(handler)) or handler.func
    if (inner := getattr(handler, "__wrapped__", None)) is not None:
        return inner
    if isinstance(handler, types.MethodType):
        return handler.__func__ if _is_made(handler.__func__) else None
    if isinstance(handler, types.FunctionType) and not _is_made(handler):
        return None
    return _only(handler)


def _only(handler: object) -> object:
    """The one handler that a handler holds; `None` where it holds none, or several."""
    found: dict[int, object] = {}
    seen: set[int] = set()
    waiting = [handler]
    while waiting:
        holder = waiting.pop()
        for one in held_by(holder):
            if id(one) in seen:
                continue
            seen.add(id(one))
            if _beside(one, handler):
                waiting.append(one)
            elif _handles(one):
                found[id(one)] = one
    return next(iter(found.values())) if len(found) == 1 else None


def _is_made(function: object) -> bool:
    """Whether a call of another function made this one, as a decorator does."""
    return isinstance(function, types.FunctionType) and "<locals>." in function.__code__.co_qualname


def _handles(value: object) -> bool:
    """Whether something can be called as handlers are: with a request, or as a method with one."""
    if isinstance(value, type):
        return True
    if not callable(value) or not is_async(_innermost(value)):
        return False
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return False
    first = next(iter(signature.parameters), "")
    for count in (1, 2) if first == "self" else (1,):
        try:
            signature.bind(*(None,) * count)
        except TypeError:
            continue
        return True
    return False


def _innermost(value: object) -> types.FunctionType:
    bare = bare_handler(value)
    while isinstance(bare, functools.partial):
        bare = bare_handler(bare.func)
    return bare  # type: ignore[return-value]  # what is no function is asked for its __call__


def _beside(one: object, other: object) -> bool:
    """Whether two functions stand in the body of one: neither is what the other decorates."""
    mine = _enclosing(_innermost(one))
    return mine is not None and mine == _enclosing(_innermost(other))


def _enclosing(function: object) -> tuple[str, str] | None:
    if not isinstance(function, types.FunctionType):
        return None
    code = function.__code__
    outer, within, _ = code.co_qualname.rpartition(".<locals>.")
    return (code.co_filename, outer) if within else None


def own_name(handler: object) -> str:
    """The module and qualified name of something callable, or those of its class."""
    named = handler if hasattr(handler, "__qualname__") else type(handler)
    return f"{named.__module__}.{named.__qualname__}"
