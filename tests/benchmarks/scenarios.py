"""What is asked of every contender, and how its answer is judged before it is timed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import views
from .contenders import Ability, Contender
from .transport import Answer

Abilities = frozenset[Ability]
Judge = Callable[[Answer, Abilities], Iterator[str]]

BROWSER = {
    "Host": "api.example.com",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate, br",
    "Origin": views.ORIGIN,
}


def compose(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request as a browser sends it, as bytes; ``X_Name`` stands for the header ``X-Name``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (BROWSER | named).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Scenario:
    """One request, its judge, and what a contender must do for a whole comparison."""

    name: str
    title: str
    request: bytes
    judge: Judge
    needs: Abilities
    skip: frozenset[str] = frozenset()
    note: str = ""
    """What is to be known about the contenders that do only a part."""

    def faults(self, contender: Contender, answer: Answer) -> list[str]:
        """What is wrong with a contender's answer; empty where nothing is."""
        return [
            f"{contender.name}, {self.name}: {fault}"
            for fault in self.judge(answer, contender.abilities)
        ]

    def runs(self, contender: Contender) -> bool:
        """Whether the contender is timed in this scenario at all."""
        if contender.only is not None and self.name not in contender.only:
            return False
        return contender.name not in self.skip

    def lacks(self, contender: Contender) -> Abilities:
        """What the contender leaves undone here: its figure is that of less work."""
        return self.needs - contender.abilities


def _status(answer: Answer, *allowed: int) -> Iterator[str]:
    if answer.status not in allowed:
        yield f"status {answer.status} instead of {' or '.join(map(str, allowed))}"


def _granted(answer: Answer, expected: bool) -> Iterator[str]:
    granted = answer.headers.get_all("Access-Control-Allow-Origin", [])
    if granted != ([views.ORIGIN] if expected else []):
        yield f"Access-Control-Allow-Origin is {granted}"


def _report(answer: Answer, abilities: Abilities) -> Iterator[str]:
    yield from _status(answer, 200)
    yield from _granted(answer, Ability.CORS in abilities)
    if answer.json() != views.REPORT:
        yield f"the body is {answer.body!r}"


def _preflight(answer: Answer, abilities: Abilities) -> Iterator[str]:
    yield from _status(answer, 200, 204)
    yield from _granted(answer, Ability.PREFLIGHT in abilities)
    if answer.body:
        yield f"the body is {answer.body!r}"
    if Ability.PREFLIGHT not in abilities:
        return
    if "post" not in answer.tokens("Access-Control-Allow-Methods"):
        yield "POST is not allowed"
    if "content-type" not in answer.tokens("Access-Control-Allow-Headers"):
        yield "Content-Type is not allowed"
    if answer.headers.get("Access-Control-Max-Age") != str(views.MAX_AGE):
        yield "Access-Control-Max-Age is missing or another"


def _link(answer: Answer, abilities: Abilities) -> Iterator[str]:
    yield from _status(answer, 200)
    yield from _granted(answer, Ability.CORS in abilities)
    scheme = "https" if Ability.HTTPS in abilities else "http"
    if answer.json() != {"scheme": scheme}:
        yield f"the body is {answer.body!r}"


def _created(answer: Answer, abilities: Abilities) -> Iterator[str]:
    yield from _status(answer, 201)
    yield from _granted(answer, Ability.CORS in abilities)
    if answer.json() != {"id": 8, "title": "A new report"}:
        yield f"the body is {answer.body!r}"


def _locked(answer: Answer, abilities: Abilities) -> Iterator[str]:
    yield from _status(answer, 409)
    yield from _granted(answer, Ability.CORS in abilities)
    document = answer.json()
    as_json = isinstance(document, dict) and set(document) == {"detail"}
    if as_json is not (Ability.ERRORS in abilities):
        yield f"the body is {answer.body!r}"


def _streamed(answer: Answer, abilities: Abilities) -> Iterator[str]:
    yield from _status(answer, 200)
    yield from _granted(answer, Ability.STREAM_CORS in abilities)
    if answer.headers.get("Transfer-Encoding") != "chunked":
        yield "the answer is not chunked"
    if answer.body != b"".join(views.CHUNKS):
        yield f"the body is {answer.body!r}"


_EVERY_REQUEST = frozenset({Ability.CORS, Ability.ERRORS, Ability.TIMEOUT, Ability.SHIELD})

SCENARIOS = (
    Scenario(
        "get",
        "GET of a JSON document, its Origin allowed",
        compose("GET", "/api/report"),
        _report,
        _EVERY_REQUEST | {Ability.HTTPS},
    ),
    Scenario(
        "preflight",
        "preflight of a POST",
        compose(
            "OPTIONS",
            "/api/report",
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="content-type",
        ),
        _preflight,
        frozenset({Ability.PREFLIGHT}),
        # No policy governs the route: the preflight is the application's own, and it has none.
        skip=frozenset({"none"}),
        note="The bare application and the no-ops have an OPTIONS route that answers 204; where no "
        "policy governs the route, a preflight is no business of routeguard's.",
    ),
    Scenario(
        "https",
        "GET with X-Forwarded-Proto: https",
        compose("GET", "/api/link", X_Forwarded_Proto="https"),
        _link,
        _EVERY_REQUEST | {Ability.HTTPS},
    ),
    Scenario(
        "post",
        "POST of a JSON document under shield",
        compose(
            "POST",
            "/api/report",
            json.dumps({"title": "A new report"}).encode(),
            Content_Type="application/json",
        ),
        _created,
        _EVERY_REQUEST | {Ability.HTTPS},
    ),
    Scenario(
        "error",
        "GET that raises, answered as JSON",
        compose("GET", "/api/locked"),
        _locked,
        _EVERY_REQUEST | {Ability.HTTPS},
        note="Who leaves errors undone sends aiohttp's own text for the same HTTPException.",
    ),
    Scenario(
        "stream",
        "GET of a stream of four chunks",
        compose("GET", "/api/stream"),
        _streamed,
        (_EVERY_REQUEST | {Ability.HTTPS, Ability.STREAM_CORS}) - {Ability.CORS},
        note="aiohttp-middlewares sets its headers after the handler: too late for a stream.",
    ),
)
