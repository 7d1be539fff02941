"""What an allowed origin costs by the way in which it was stated."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from aiohttp import web

from routeguard import cors, errors, https, shield, timeout

from . import views
from .groups import Build, Entry, Group, guarded_by, serving
from .scenarios import compose
from .transport import Answer

TENANTS = 64
HOSTS = tuple(f"https://tenant{n:02}.example.com" for n in range(TENANTS))
DEEP_HOSTS = tuple(f"https://eu.tenant{n:02}.example.com" for n in range(TENANTS))
PORTS = tuple(f"http://localhost:{8000 + n}" for n in range(TENANTS))


def _application() -> web.Application:
    return serving("/api/report", views.report)


def _five(origins: object) -> Build:
    policies = (
        cors(origins, max_age=views.MAX_AGE),  # type: ignore[arg-type]
        errors(),
        timeout(views.SECONDS),
        shield(methods=views.SHIELDED_METHODS),
        https(),
    )
    return lambda: guarded_by(_application(), *policies)


def _is_tenant(origin: str) -> bool:
    return origin.startswith("https://tenant") and origin.endswith(".example.com")


def _from(origins: Sequence[str]) -> Callable[[], Iterable[bytes]]:
    asked = [compose("GET", "/api/report", Origin=origin) for origin in origins]
    return lambda: itertools.cycle(asked)


def _granted(origin: str) -> Callable[[Answer], Iterator[str]]:
    def judge(answer: Answer) -> Iterator[str]:
        if answer.status != 200 or answer.json() != views.REPORT:
            yield f"status {answer.status}, the body is {answer.body!r}"
        granted = answer.headers.get_all("Access-Control-Allow-Origin", [])
        if granted != [origin]:
            yield f"Access-Control-Allow-Origin is {granted}"

    return judge


def _entry(title: str, origins: object, asking: Sequence[str]) -> Entry:
    return Entry(title, _five(origins), _from(asking), _granted(asking[0]))


def _bare(answer: Answer) -> Iterator[str]:
    if answer.status != 200 or "Access-Control-Allow-Origin" in answer.headers:
        yield f"status {answer.status}, headers {answer.headers.items()}"


ORIGIN_KINDS = Group(
    "origins",
    f"GET of a JSON document under five policies, {TENANTS} allowed origins taking turns",
    {
        "bare": Entry("bare application", _application, _from(HOSTS), _bare),
        "exact": _entry(f"{TENANTS} exact origins", HOSTS, HOSTS),
        "wildcard": _entry("`https://*.example.com`, one label", "https://*.example.com", HOSTS),
        "labels": _entry("the same, two labels", "https://*.example.com", DEEP_HOSTS),
        "port": _entry("`http://localhost:*`", "http://localhost:*", PORTS),
        "regex": _entry("a regex", re.compile(r"https://tenant\d+\.example\.com"), HOSTS),
        "predicate": _entry("a predicate", _is_tenant, HOSTS),
    },
)
