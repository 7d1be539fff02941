"""What `body` costs on a small POST that the fast lane serves."""

import json

from aiohttp import web

from routeguard import body, cors, errors, https, timeout

from . import views
from .groups import Build, Entry, Group, always, answers, guarded_by, serving
from .scenarios import compose

_POST = compose(
    "POST",
    "/api/report",
    json.dumps({"title": "A new report"}).encode(),
    Content_Type="application/json",
)
_created = answers(201, {"id": 8, "title": "A new report"})


def _application() -> web.Application:
    return serving("/api/report", views.create, "POST")


def _by_hand() -> web.Application:
    """What plain aiohttp offers: a clone of the request with a limit of its own."""

    async def create(request: web.Request) -> web.StreamResponse:
        return await views.create(request.clone(client_max_size=100_000))

    return serving("/api/report", create, "POST")


def _four(*others: body) -> Build:
    four = (cors(views.ORIGINS), errors(), timeout(views.SECONDS), https())
    return lambda: guarded_by(_application(), *four, *others)


def _entry(title: str, build: Build) -> Entry:
    return Entry(title, build, always(_POST), _created)


BODIES = Group(
    "bodies",
    "POST of a small JSON document, not shielded",
    {
        "bare": _entry("bare application", _application),
        "clone": _entry("a clone with `client_max_size` by hand", _by_hand),
        "body": _entry(
            "routeguard, body", lambda: guarded_by(_application(), body(100_000, idle=10))
        ),
        "four": _entry("routeguard, cors, errors, timeout, https", _four()),
        "four, body": _entry(
            "routeguard, the same four and body", _four(body(100_000, idle=10, total=60))
        ),
    },
)
