"""Routing without a request: `explain`, `check` and start-up ask what a path reaches."""

from collections.abc import Mapping
from typing import cast

from aiohttp import hdrs, web
from aiohttp.abc import AbstractView
from multidict import CIMultiDict, MultiDictProxy
from yarl import URL

from routeguard.configuration import ConfigError

__all__ = ["Asked", "is_routed", "resolve_now"]


class Asked:
    """The attributes of a request that a router reads."""

    __slots__ = ("headers", "host", "method", "path", "query", "query_string", "rel_url")

    def __init__(self, method: str, url: URL, headers: Mapping[str, str]) -> None:
        self.method: str = method
        self.rel_url: URL = url
        self.path: str = url.path
        self.query: MultiDictProxy[str] = url.query
        self.query_string: str = url.query_string
        self.headers: CIMultiDict[str] = CIMultiDict(headers)
        self.host: str = self.headers.get("Host", "")


def resolve_now(
    app: web.Application, method: str, url: URL, headers: Mapping[str, str] | None = None
) -> web.UrlMappingMatchInfo:
    """The match that a router makes for a request, without awaiting anything.

    Args:
        app: the application whose router is asked.
        method: the method.
        url: the URL, relative.
        headers: the headers, `Host` among them where domains are routed.

    Returns:
        The match, with the application among its `apps`.

    Raises:
        ConfigError: a resource asks more of the request, or waits for something outside, as none
            of aiohttp's own does.
    """
    # The router's type asks for a request; it reads only what a stand-in has.
    asked = cast(web.Request, Asked(method, url, headers or {}))
    routing = app.router.resolve(asked)
    only_running = f"{method} {url}: only a running server can tell what it reaches"
    try:
        routing.send(None)
    except StopIteration as done:
        match_info: web.UrlMappingMatchInfo = done.value
    except Exception as error:
        raise ConfigError(f"{only_running}, for a resource asks more of it: {error!r}") from error
    else:
        routing.close()
        raise ConfigError(f"{only_running}, for a resource waits for something outside")
    match_info.add_app(app)
    return match_info


def is_routed(match_info: web.UrlMappingMatchInfo, method: str) -> bool:
    """Whether a path routes a method; also where it routes nothing at all, and 404 is to be read.

    Args:
        match_info: what the path and method resolved to.
        method: the method, as it was asked for.
    """
    if match_info.http_exception is not None:
        return match_info.http_exception.status == web.HTTPNotFound.status_code
    handler: object = match_info.handler
    if isinstance(handler, type) and issubclass(handler, AbstractView):
        # A view has attributes that are no methods of HTTP, such as `request`.
        return method in hdrs.METH_ALL and hasattr(handler, method.lower())
    return True
