"""One application with an answer of every kind, in every arrangement of applications."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from routeguard import cors, csrf, errors, exempt, https, problem_details, setup, timeout
from tests.support.rawhttp import get
from tests.support.seen import PAGE

__all__ = ["ARRANGEMENTS", "CASES", "Case", "Lister", "arranged"]

ASKS = ("Origin: {}", "Access-Control-Request-Method: POST")


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of answer.

    Attributes:
        name: what the answer is, in words.
        status: its status on the wire.
        method: of the request.
        path: of the request, below where the application is mounted.
        headers: of the request.
        returned: the status that middlewares see, where it is another one.
        route: the canonical pattern of the matched resource; none where none matched.
    """

    name: str
    status: int
    method: str
    path: str
    headers: tuple[str, ...] = ()
    returned: int | None = None
    route: str | None = None

    @property
    def shown(self) -> int:
        """The status that middlewares outside can see."""
        return self.status if self.returned is None else self.returned

    def request(self, prefix: str) -> bytes:
        """The request, to the byte."""
        return get(prefix + self.path, *self.headers, method=self.method)


CASES = (
    Case("200", 200, "GET", "/fine", route="/fine"),
    Case("404, mapped from an exception", 404, "GET", "/items/7", route="/items/{id}"),
    Case("504 of a timeout", 504, "GET", "/slow", route="/slow"),
    Case("504 that an error handler answers", 504, "GET", "/slow/answered", route="/slow/answered"),
    Case("403 of csrf", 403, "POST", "/pay", ("Sec-Fetch-Site: cross-site",), route="/pay"),
    Case("preflight, granted", 204, "OPTIONS", "/pay", tuple(one.format(PAGE) for one in ASKS)),
    Case("the same again", 204, "OPTIONS", "/pay", tuple(one.format(PAGE) for one in ASKS)),
    Case(
        "preflight, refused",
        403,
        "OPTIONS",
        "/pay",
        tuple(one.format("https://evil.example") for one in ASKS),
    ),
    Case("308 to HTTPS", 308, "GET", "/secure", route="/secure"),
    Case("404, no route", 404, "GET", "/nowhere"),
    Case("a stream", 200, "GET", "/stream", route="/stream"),
    Case("a missing static file", 404, "GET", "/static/none", returned=200, route="/static"),
)

ARRANGEMENTS = {
    "root": "one application",
    "inside": "routes in an application that is mounted in it",
    "both": "the mounted application is set up as well",
    "alone": "the mounted application alone is set up",
}


async def fine(request: web.Request) -> web.Response:
    return web.Response(text="fine")


async def missing(request: web.Request) -> web.Response:
    raise LookupError(request.match_info["id"])


@timeout(0.05)
@exempt(errors)
async def slow(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


@timeout(0.05)
async def slow_and_answered(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"bit by bit")
    return response


def add_routes(app: web.Application) -> None:
    """The handlers of all cases."""
    app.router.add_get("/fine", fine)
    app.router.add_get("/items/{id}", missing)
    app.router.add_get("/slow", slow)
    app.router.add_get("/slow/answered", slow_and_answered)
    app.router.add_post("/pay", fine)
    app.router.add_get("/secure", https(redirect=True)(fine))
    app.router.add_get("/stream", stream)
    app.router.add_static("/static", Path(__file__).parent)


POLICIES = (
    errors(problem_details, on={LookupError: 404}),
    csrf(),
    cors(PAGE),
)

Lister = Callable[[web.Application], None]


def arranged(
    arrangement: str,
    outside: Sequence[Middleware],
    list_in: Lister | None,
    *,
    before: bool,
    in_root: bool,
) -> tuple[web.Application, str]:
    """The root application of an arrangement, and the path below which its routes are.

    Args:
        arrangement: one of `ARRANGEMENTS`.
        outside: what `setup` is told to leave outside.
        list_in: puts a tool into an application as its users do; `None` where it is not listed.
        before: whether it does so before `setup`.
        in_root: whether the tool can be in the root application only.
    """
    root = web.Application()
    inner = root if arrangement == "root" else web.Application()
    add_routes(inner)
    chosen = inner if arrangement == "alone" else root
    watched = root if in_root else chosen
    if before and list_in is not None:
        list_in(watched)
    policies = () if arrangement == "both" else POLICIES
    setup(chosen, *policies, outside=outside if watched is chosen else ())
    if arrangement == "both":
        setup(inner, *POLICIES)
    if not before and list_in is not None:
        list_in(watched)
    if inner is not root:
        root.add_subapp("/sub", inner)
    return root, "" if inner is root else "/sub"
