"""What an error costs by the way in which it is answered: by policy, and by hand."""

import json

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_catcher import Catcher, catch  # type: ignore[import-untyped]
from aiohttp_middlewares.error import error_middleware

from routeguard import Policy, errors, problem_details

from .groups import Build, Entry, Group, Judge, always, answers, guarded_by, serving
from .scenarios import compose

_PATH = "/api/report"
_asked = always(compose("GET", _PATH))
LOCKED = {"detail": "Conflict"}
UNKNOWN = {"detail": "'unknown'"}
PROBLEM = {
    "type": "about:blank",
    "title": "Conflict",
    "status": 409,
    "instance": _PATH,
    "detail": "The report is locked",
}


async def returns(request: web.Request) -> web.StreamResponse:
    """A view that raises nothing."""
    return web.json_response(LOCKED, status=409)


async def conflict(request: web.Request) -> web.StreamResponse:
    """A view that raises an HTTPException."""
    raise web.HTTPConflict(text="The report is locked")


async def missing(request: web.Request) -> web.StreamResponse:
    """A view that raises an exception of its own."""
    raise KeyError("unknown")


async def too_many(request: web.Request) -> web.StreamResponse:
    """A view that raises an HTTPException with a header."""
    raise web.HTTPTooManyRequests(text="Later", headers={"Retry-After": "5"})


async def unauthorized(request: web.Request) -> web.StreamResponse:
    """Another one."""
    raise web.HTTPUnauthorized(text="Who?", headers={"WWW-Authenticate": "Bearer"})


async def conflict_by_hand(request: web.Request) -> web.StreamResponse:
    """Answers as `errors()` does."""
    try:
        return await conflict(request)
    except web.HTTPException as error:
        return web.json_response({"detail": str(error)}, status=error.status)


async def missing_by_hand(request: web.Request) -> web.StreamResponse:
    """Answers as `errors(on={KeyError: 404})` does."""
    try:
        return await missing(request)
    except KeyError as error:
        return web.json_response({"detail": str(error)}, status=404)


async def problem_by_hand(request: web.Request) -> web.StreamResponse:
    """Answers as `errors(problem_details)` does, to whoever accepts JSON."""
    try:
        return await conflict(request)
    except web.HTTPException as error:
        problem = {
            "type": "about:blank",
            "title": error.reason,
            "status": error.status,
            "instance": request.path,
            "detail": error.text,
        }
        return web.Response(
            body=json.dumps(problem).encode(),
            status=error.status,
            content_type="application/problem+json",
            headers={"Vary": "Accept"},
        )


async def too_many_by_hand(request: web.Request) -> web.StreamResponse:
    """Answers as `errors()` does, with the headers that the exception carried."""
    try:
        return await too_many(request)
    except web.HTTPException as error:
        response = web.json_response({"detail": str(error)}, status=error.status)
        for name, value in error.headers.items():
            if name not in ("Content-Type", "Content-Length"):
                response.headers.add(name, value)
        return response


def _middlewares() -> web.Application:
    app = serving(_PATH, conflict)
    app.middlewares.append(error_middleware())
    return app


def _catcher() -> web.Application:
    catcher = Catcher()

    async def prepare(app: web.Application) -> None:
        found = catch(KeyError).with_status_code(404).and_stringify()
        await catcher.add_scenario(found)

    app = serving(_PATH, missing)
    app.middlewares.append(catcher.middleware)
    app.on_startup.append(prepare)
    return app


def _entry(title: str, build: Build, judge: Judge, like: str | None = None) -> Entry:
    return Entry(title, build, _asked, judge, like)


def _plain(title: str, view: Handler, judge: Judge, like: str | None = None) -> Entry:
    return _entry(title, lambda: serving(_PATH, view), judge, like)


def _guarded(title: str, view: Handler, policy: Policy, judge: Judge) -> Entry:
    return _entry(title, lambda: guarded_by(serving(_PATH, view), policy), judge)


_locked = answers(409, LOCKED)
_unknown = answers(404, UNKNOWN)
_problem = answers(409, PROBLEM, Content_Type="application/problem+json", Vary="Accept")
_later = answers(429, {"detail": "Too Many Requests"}, Retry_After="5")
_who = answers(401, {"detail": "Unauthorized"}, WWW_Authenticate="Bearer")
_mapped = errors(on={KeyError: 404})

RAISING = Group(
    "raising",
    "GET that raises, under `errors` alone",
    {
        "bare": _plain("a view that returns the answer", returns, _locked),
        "own": _plain("HTTPException, aiohttp's own text", conflict, answers(409)),
        "plain by hand": _plain("HTTPException, by hand", conflict_by_hand, _locked, "plain"),
        "middlewares": _entry("HTTPException, aiohttp-middlewares", _middlewares, _locked, "plain"),
        "plain": _guarded("HTTPException, routeguard", conflict, errors(), _locked),
        "mapped by hand": _plain("KeyError to 404, by hand", missing_by_hand, _unknown, "mapped"),
        "catcher": _entry("KeyError to 404, aiohttp-catcher", _catcher, answers(404), "mapped"),
        "mapped": _guarded("KeyError to 404, routeguard", missing, _mapped, _unknown),
        "problem by hand": _plain("RFC 9457, by hand", problem_by_hand, _problem, "problem"),
        "problem": _guarded("RFC 9457, routeguard", conflict, errors(problem_details), _problem),
        "headers by hand": _plain(
            "429 with `Retry-After`, by hand", too_many_by_hand, _later, "headers"
        ),
        "headers": _guarded("429 with `Retry-After`, routeguard", too_many, errors(), _later),
        "challenge": _guarded(
            "401 with `WWW-Authenticate`, routeguard", unauthorized, errors(), _who
        ),
    },
)
