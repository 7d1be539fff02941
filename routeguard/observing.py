"""What ready observers have in common: values of which there are only so many."""

from aiohttp import hdrs

__all__ = ["known_method", "type_name"]


def known_method(method: str) -> str:
    """A method of HTTP, or `_OTHER`, as OpenTelemetry's semantic conventions have it."""
    return method if method in hdrs.METH_ALL else "_OTHER"


def type_name(error: BaseException) -> str:
    """The name of an exception's class, with its module where that is not `builtins`."""
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"
