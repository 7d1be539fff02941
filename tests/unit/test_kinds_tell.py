"""A kind of policy tells of itself: rows for `explain`, findings for `check`, methods it covers."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest
from aiohttp import web

import routeguard
from routeguard import ConfigError, Finding, Policy, check, cors, exempt, explain, rule, survey
from routeguard.asking import Asked, Stated, at_once
from routeguard.cli.jsonable import explanation_data, findings_data
from routeguard.policy import Handler


@dataclass(frozen=True, slots=True)
class audited(Policy):  # noqa: N801  # it reads as a decorator
    """A kind with all that telling knows of: what is stated, where, and of whom it asks."""

    finding_codes: ClassVar[Mapping[str, str]] = {"SHOP1": "an audit of reading"}

    to: str = "ledger"
    asks: str = ""

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    def covers(self, method: str) -> bool:
        return method != "OPTIONS"

    def explain(self, asked: Asked) -> Iterator[tuple[str, str]]:
        yield "audit", f"{asked.method} {asked.request.path} to {self.to}\nby {asked.place}"
        yield "note", f"origin {asked.origin}, told {sorted(asked.told)}, routed {asked.routed}"
        if self.asks:
            yield "audit", str(getattr(asked.request, self.asks))

    def findings(self, stated: Stated) -> Iterator[Finding]:
        reading = [str(route) for route in stated.routes if "GET" in route.methods]
        if reading:
            yield Finding("SHOP1", "warning", stated.place, "it reads only", f"not {stated.kind}")


async def page(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


def make(*entries: Policy, **handlers: Handler) -> web.Application:
    app = web.Application()
    for name, handler in handlers.items():
        method, _, path = name.partition("_")
        app.router.add_route(method.upper(), f"/{path}", handler)
    routeguard.setup(app, *entries)
    return app


# --- explain --------------------------------------------------------------------------------------


def test_rows_of_an_own_kind_stand_with_those_of_the_librarys() -> None:
    app = make(cors("https://a.example"), get_x=audited()(page))
    told = explain(app, "get", "/x", origin="https://a.example")

    assert [name for name, _ in told.rows] == ["scheme", "origin", "preflight", "audit", "note"]
    assert told.rows[3] == ("audit", "GET /x to ledger\nby decorator")
    assert told.notes == (
        "origin https://a.example, told ['origin', 'preflight'], routed True",
    )  # fmt: skip
    assert (told.scheme, told.cors) == ("that of the connection", "allowed")
    assert "  audit      GET /x to ledger\n             by decorator\n" in str(told)
    assert json.loads(json.dumps(explanation_data(told)))["rows"] == [
        list(row) for row in told.rows
    ]


def test_what_does_not_apply_tells_nothing() -> None:
    app = make(audited(), get_x=exempt(audited)(page), options_y=page, get_y=audited("own")(page))

    assert [name for name, _ in explain(app, "GET", "/x").rows] == ["scheme"]
    options = explain(app, "OPTIONS", "/y")
    assert [name for name, _ in options.rows] == ["scheme"]
    assert options.policy("audited") is None
    assert options["audited"].note == "audited(to='ledger', asks='') is not for OPTIONS"
    assert ("audit", "GET /y to own\nby decorator") in explain(app, "GET", "/y").rows
    assert "routed False" in explain(app, "PUT", "/y").notes[0]


def test_what_only_a_server_can_tell_is_said() -> None:
    told = explain(make(audited(asks="transport"), get_x=page), "GET", "/x")
    assert told.notes[-1] == "audited reads request.transport: only a running server can tell"

    class broken(audited):  # noqa: N801
        def explain(self, asked: Asked) -> Iterator[tuple[str, str]]:
            yield "audit", asked.method.frobnicate()  # type: ignore[attr-defined]

    with pytest.raises(AttributeError, match="'str' object has no attribute 'frobnicate'"):
        explain(make(broken(), get_x=page), "GET", "/x")


def test_a_method_that_a_kind_does_not_cover_has_none_of_it_in_routes() -> None:
    app = make(audited(), get_x=page, options_x=page)
    told = {route.methods: route["audited"] for route in survey(app).routes}

    assert told["GET",].policies == (audited(),)
    assert told["OPTIONS",].policies == ()
    assert told["OPTIONS",].note.endswith("is not for OPTIONS")


async def waits() -> int:
    await asyncio.sleep(0)
    return 1


async def tells() -> int:
    return 1


def test_what_waits_for_something_cannot_be_told_at_once() -> None:
    assert at_once(tells()) == 1
    with pytest.raises(RuntimeError, match="only a running server can tell"):
        at_once(waits())


# --- check ----------------------------------------------------------------------------------------


def test_each_statement_is_asked_once_with_the_routes_to_which_it_applies() -> None:
    seen: list[Stated] = []

    class watched(audited):  # noqa: N801
        def findings(self, stated: Stated) -> Iterator[Finding]:
            seen.append(stated)
            return iter(())

    shared = watched("shared")(page)
    app = web.Application()
    app.router.add_get("/a", shared)
    app.router.add_post("/a/{id}", shared)
    app.router.add_route("*", "/b", page)
    app.router.add_get("/c", page, allow_head=False)
    app.router.add_get("/d", exempt(audited)(page))
    routeguard.setup(
        app,
        rule("POST /b", watched("ruled")),
        rule("/c", watched("first")),
        rule("/c", watched("never")),
        watched("last"),
    )
    check(app)

    told = {one.place: (one.kind, list(map(str, one.routes))) for one in seen}
    others = "GET,PUT,PATCH,DELETE,TRACE,CONNECT"  # OPTIONS is not covered
    assert len(seen) == 5
    assert told == {
        'rule 1 "POST /b"': ("rule", ["POST /b"]),
        'rule 2 "/c"': ("rule", ["GET /c"]),
        'rule 3 "/c"': ("rule", []),
        "fallback": ("fallback", [f"{others} /b"]),
        f"decorator of {__name__}.page": ("decorator", ["GET /a", "POST /a/{id}"]),
    }


def test_findings_of_an_own_kind_come_with_the_librarys_and_can_be_ignored() -> None:
    app = make(audited("all"), get_x=audited("x")(page), get_y=audited("y")(page), post_z=page)

    assert [(one.code, one.severity, one.place, one.remedy) for one in check(app)] == [
        ("RG302", "warning", f"POST /z ({__name__}.page)", check(app, ignore=["shop1"])[0].remedy),
        ("SHOP1", "warning", f"decorator of {__name__}.page", "not decorator"),
    ]
    assert [one.code for one in check(app, ignore=["SHOP1", "RG302"])] == []
    assert findings_data(check(app))["findings"][1]["places"] == [f"decorator of {__name__}.page"]


def test_codes_are_told_apart_from_typing_errors() -> None:
    for code in ("SHOP2", "RG999", "timeout", ""):
        with pytest.raises(ConfigError, match=r"is no code: there are RG101.*SHOP1"):
            check(make(get_x=page), ignore=[code])


def test_a_finding_with_a_code_that_its_kind_does_not_name_is_refused() -> None:
    class careless(Policy):  # noqa: N801
        def findings(self, stated: Stated) -> Iterator[Finding]:
            yield Finding("SHOP7", "info", stated.place, "something", "nothing")

    with pytest.raises(ConfigError, match=r"careless: it finds 'SHOP7'.*finding_codes = {'SHOP7'"):
        check(make(careless(), get_x=page))
