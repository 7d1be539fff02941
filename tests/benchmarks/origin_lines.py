"""How the cost of a request grows with the number of allowed origins."""

import re

from aiohttp import web

import routeguard

from . import guarded, peers, views
from .growing import Line, application

ORIGINS = "origins"
ORIGIN_LIMIT = 1.05


def _origins(size: int) -> web.Application:
    others = (f"https://tenant{n}.example.net" for n in range(size - 1))
    app = application()
    routeguard.setup(app, *guarded.five(*others, views.ORIGIN))
    return app


def _wildcards(size: int) -> web.Application:
    others = (f"https://*.tenant{n}.example.net" for n in range(size - 1))
    app = application()
    routeguard.setup(app, *guarded.five(*others, "https://*.example.com"))
    return app


def _middlewares_origins(size: int) -> web.Application:
    others = [f"https://tenant{n}.example.net" for n in range(size - 1)]
    return peers.five_middlewares(application(), [*others, views.ORIGIN])


def _middlewares_wildcards(size: int) -> web.Application:
    others = [re.compile(rf"https://[^.]+\.tenant{n}\.example\.net$") for n in range(size - 1)]
    wanted = re.compile(r"https://[^.]+\.example\.com$")
    return peers.five_middlewares(application(), [*others, wanted])


def _aiohttp_cors(size: int) -> web.Application:
    others = [f"https://tenant{n}.example.net" for n in range(size - 1)]
    return peers.aiohttp_cors_alone([*others, views.ORIGIN])


ORIGIN_LINES = (
    Line("origins", "exact origins", ORIGINS, _origins, limit=ORIGIN_LIMIT),
    Line("wildcards", "wildcard origins", ORIGINS, _wildcards, limit=ORIGIN_LIMIT),
    Line(
        "middlewares-origins",
        "aiohttp-middlewares, exact origins",
        ORIGINS,
        _middlewares_origins,
    ),
    Line(
        "middlewares-wildcards",
        "aiohttp-middlewares, a regex each",
        ORIGINS,
        _middlewares_wildcards,
    ),
    Line("aiohttp-cors-origins", "aiohttp-cors alone, exact origins", ORIGINS, _aiohttp_cors),
)
