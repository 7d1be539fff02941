"""Finds the application that a command line names as `module:attribute`."""

import asyncio
import difflib
import importlib
import inspect
import sys
import types
from collections.abc import Awaitable, Callable, Sequence
from contextlib import redirect_stdout

from aiohttp import web
from aiohttp.web_app import Application

__all__ = ["TargetError", "load_application"]


class TargetError(Exception):
    """The target names no application; the message says why, in one line.

    Where the user's own code failed, that error is the cause.
    """


def load_application(target: str, arguments: Sequence[str] = ()) -> web.Application:
    """The application that a target names.

    Args:
        target: `package.module:attribute`; the attribute is a `web.Application`, or a factory,
            async or not, that takes nothing or, as for `python -m aiohttp.web`, the list of
            arguments.
        arguments: what a factory that takes them gets.

    Raises:
        TargetError: there is no such thing, it is no application, or making it fails.
    """
    # What user code prints is no part of the answer, which may be JSON.
    with redirect_stdout(sys.stderr):
        found = _attribute(target)
        if not isinstance(found, Application):
            found = _made(target, found, arguments)
    if not isinstance(found, Application):
        raise TargetError(f"{target} made {_described(found)}, which is no web.Application")
    return found


def _attribute(target: str) -> object:
    name, colon, path = target.partition(":")
    if not name or not path or name.endswith(".py") or "/" in name or name.startswith("."):
        module = name.removesuffix(".py").strip("./").replace("/", ".") or "package.module"
        raise TargetError(
            f"{target!r} names no target: write {module}:{path or 'app'}"
            + ("" if colon else ", module and attribute")
        )
    found: object = _module(name)
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise TargetError(_missing(name, found, part)) from None
    return found


def _module(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # The target itself is missing, or something that it imports.
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise TargetError(
                f"there is no module {error.name!r} in the current directory or on Python's path"
            ) from error
        raise _failure(f"importing {name}", error) from error
    except (Exception, SystemExit) as error:
        raise _failure(f"importing {name}", error) from error


def _missing(module: str, owner: object, part: str) -> str:
    names = [name for name in dir(owner) if not name.startswith("_")]
    close = difflib.get_close_matches(part, names, n=1)
    apps = [name for name in names if isinstance(getattr(owner, name, None), Application)]
    hint = f": did you mean {(close or apps)[0]!r}?" if close or apps else ""
    return f"the module {module!r} has no attribute {part!r}{hint}"


def _made(target: str, factory: object, arguments: Sequence[str]) -> object:
    if not callable(factory) or isinstance(factory, type):
        raise TargetError(
            f"{target} is {_described(factory)}: name a web.Application, or a function that "
            f"returns one"
        )
    given = _fitting(target, factory, arguments)
    try:
        made = factory(*given)
        return asyncio.run(_awaited(made)) if inspect.isawaitable(made) else made
    except (Exception, SystemExit) as error:
        raise _failure(f"{target}()", error) from error


def _fitting(
    target: str, factory: Callable[..., object], arguments: Sequence[str]
) -> tuple[list[str], ...]:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return ()
    for given in ((list(arguments),), ()) if arguments else ((), (list(arguments),)):
        try:
            signature.bind(*given)
        except TypeError:
            continue
        return given
    raise TargetError(
        f"{target}{signature} takes more than the list of arguments: name a factory that takes "
        f"nothing, or only that"
    )


async def _awaited(made: Awaitable[object]) -> object:
    return await made


def _failure(doing: str, error: BaseException) -> TargetError:
    text = " ".join(str(error).split())
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return TargetError(f"{doing} failed: {said} (--traceback shows where)")


def _described(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "None" if value is None else f"an object of type {type(value).__name__}"
