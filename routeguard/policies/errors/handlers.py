"""Error handlers and exception types, as `errors` takes them: checked when they are given."""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Never

from aiohttp import web

from routeguard.configuration import Faults, shown
from routeguard.policy import is_async

__all__ = [
    "ErrorHandler",
    "HandlerOf",
    "exception_types",
    "name_of",
    "note_handler",
    "type_name",
]

ErrorHandler = (
    Callable[[web.Request], Awaitable[web.StreamResponse]]
    | Callable[[web.Request, Exception], Awaitable[web.StreamResponse]]
)

HandlerOf = (
    Callable[[web.Request], Awaitable[web.StreamResponse]]
    | Callable[[web.Request, Never], Awaitable[web.StreamResponse]]
)
"""An error handler for some exceptions, as `on` of `errors` takes it: `(request, error: KeyError)`.

A parameter of type `Never` is one of any type. A mapping cannot say that a value's parameter
is what its key names.
"""


def exception_types(name: str, types: object, faults: Faults) -> Iterator[type[Exception]]:
    several = types if isinstance(types, tuple | list | set | frozenset) else (types,)
    for one in several:
        if isinstance(one, type) and issubclass(one, Exception):
            yield one
        elif isinstance(one, type) and issubclass(one, BaseException):
            faults.add(f"{name}: {one.__name__} is no Exception and never answered: leave it out")
        else:
            faults.add(f"{name}: {shown(one)} is no exception type: write {_type_meant(one)}")


def _type_meant(given: object) -> str:
    """The exception type that is meant by a status: what aiohttp raises of that status."""
    if isinstance(given, int) and given > 0:
        for name in dir(web):
            if getattr(getattr(web, name), "status_code", None) == given:
                return f"web.{name}"
    return "KeyError, for example"


def note_handler(
    name: str, handler: object, arity: dict[ErrorHandler, int], faults: Faults
) -> None:
    if isinstance(handler, type) or not callable(handler):
        remedy = "an async function"
        if isinstance(handler, type) and is_async(handler.__call__):
            remedy = f"{handler.__name__}()"
        faults.add(f"{name}: {shown(handler)} is no error handler: write {remedy}")
        return
    if not is_async(handler):
        faults.add(f"{name}: {name_of(handler)} is not async: write async def {name_of(handler)}")
        return
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        arity[handler] = 1
        return
    for count in (2, 1):
        try:
            signature.bind(*(None,) * count)
        except TypeError:
            continue
        arity[handler] = count
        return
    faults.add(
        f"{name}: {name_of(handler)}{signature} takes neither (request) nor (request, error): "
        f"write async def {name_of(handler)}(request, error)"
    )


def name_of(handler: object) -> str:
    name = getattr(handler, "__name__", None)
    return name if isinstance(name, str) else repr(handler)


def type_name(kind: type[BaseException]) -> str:
    """An exception type as it is written where it is used: `KeyError`, `web.HTTPNotFound`.

    Others have their module in front, since several packages have a `ConnectionError`.
    """
    if kind.__module__ == "builtins":
        return kind.__qualname__
    if getattr(web, kind.__name__, None) is kind:
        return f"web.{kind.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"
