"""Mistakes are found where they are made, all at once, and told with what to write instead."""

import contextlib
import functools
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

import routeguard
from routeguard import (
    ConfigError,
    Policy,
    ProblemDetails,
    cors,
    csrf,
    errors,
    exempt,
    explain,
    https,
    rule,
    shield,
    timeout,
    use,
)


async def audit(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


async def view(request: web.Request) -> web.Response:
    return web.Response()


def old_style(app: web.Application, handler: Handler) -> Handler:
    return handler


async def old_style_async(app: web.Application, handler: Handler) -> Handler:
    return handler


def sync(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
    return handler(request)


class SyncObject:
    def __call__(self, request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
        return handler(request)


def test_an_error_is_a_value_error_with_its_faults_as_data() -> None:
    with pytest.raises(ValueError, match="seconds") as raised:
        timeout(-1)
    assert isinstance(raised.value, ConfigError)
    assert len(raised.value.faults) == 1
    assert raised.value.faults[0] in str(raised.value)
    assert ConfigError("only this").faults == ("only this",)
    assert str(ConfigError("subject", "a", "b")) == "subject: 2 faults\n  - a\n  - b"


# Each: what was written, and what the message must say of it and of the remedy.
MISTAKES: list[tuple[str, Callable[[], object], list[str]]] = [
    ("timeout 0", lambda: timeout(0), ["seconds=0", "write seconds, such as 5"]),
    ("timeout negative", lambda: timeout(-0.5), ["seconds=-0.5", "positive"]),
    ("timeout nan", lambda: timeout(float("nan")), ["seconds=nan"]),
    ("timeout infinity", lambda: timeout(float("inf")), ["seconds=inf", "None for no limit"]),
    ("timeout too big", lambda: timeout(10**400), ["seconds=1000"]),
    ("timeout True", lambda: timeout(True), ["seconds=True", "is no number"]),
    ("timeout text", lambda: timeout("5"), ["seconds='5'", "or a timedelta"]),  # type: ignore[arg-type]
    ("timeout timedelta", lambda: timeout(timedelta(0)), ["seconds=datetime.timedelta(0)"]),
    ("timeout idle", lambda: timeout(1, idle=0), ["idle=0"]),
    ("timeout bare", lambda: timeout(view), ["@timeout without seconds", "write @timeout(5)"]),  # type: ignore[arg-type]
    ("shield methods", lambda: shield(methods=[]), ["methods is empty", "leave it out"]),
    ("shield method", lambda: shield(methods=["PO ST"]), ["'PO ST' is no HTTP method"]),
    ("shield limit", lambda: shield(limit=0), ["limit=0"]),
    ("exempt nothing", lambda: exempt(), ["names nothing", "write exempt(timeout)"]),
    ("exempt value", lambda: exempt(timeout(5)), ["timeout(5) is a value", "exempt(timeout)"]),
    ("exempt shield", lambda: exempt(shield(limit=1)), ["shield(limit=1)", "exempt(shield)"]),
    ("exempt cors", lambda: exempt(cors("*")), ["cors('*') is a value", "write exempt(cors)"]),
    ("exempt text", lambda: exempt("cors"), ["'cors' is no kind", "write exempt(cors)"]),  # type: ignore[arg-type]
    ("exempt bare", lambda: exempt(view), ["write @exempt(timeout) above view"]),  # type: ignore[arg-type]
    ("exempt exempt", lambda: exempt(exempt), ["exempt cannot be exempted"]),
    ("exempt rule", lambda: exempt(rule("/x", timeout(1))), ["is no kind"]),  # type: ignore[arg-type]
    ("exempt Policy", lambda: exempt(Policy), ["is no kind"]),
    ("use view", lambda: use(view), ["takes (request, handler)", "async def audit"]),  # type: ignore[arg-type]
    ("use sync", lambda: use(sync), ["use(sync): it is not async", "use(audit)"]),
    ("use sync object", lambda: use(SyncObject()), ["is not async"]),
    ("use lambda", lambda: use(lambda request, handler: handler(request)), ["is not async"]),
    ("use old style", lambda: use(old_style), ["old-style", "async def audit"]),  # type: ignore[arg-type]
    ("use old async", lambda: use(old_style_async), ["old-style"]),  # type: ignore[arg-type]
    ("use class", lambda: use(SyncObject), ["is no middleware"]),  # type: ignore[arg-type]
    ("use None", lambda: use(None), ["use(None)", "is no middleware"]),  # type: ignore[arg-type]
    ("use policy", lambda: use(timeout(1)), ["use(timeout(1))"]),  # type: ignore[arg-type]
    (
        "use partial",
        lambda: use(functools.partial(audit, handler=view)),
        ["takes (request, handler)"],
    ),
    ("errors sync", lambda: errors(sync), ["sync is not async"]),  # type: ignore[arg-type]
    ("errors class", lambda: errors(SyncObject), ["is no error handler"]),  # type: ignore[arg-type]
    ("errors of a class", lambda: errors(ProblemDetails), ["write ProblemDetails()"]),  # type: ignore[arg-type]
    ("errors status", lambda: errors(on={KeyError: 200}), ["200", "400 to 599"]),
    ("errors ignore", lambda: errors(ignore=KeyboardInterrupt), ["KeyboardInterrupt"]),  # type: ignore[arg-type]
    ("cors nothing", lambda: cors([]), ["origins is empty"]),
    ("cors credentials", lambda: cors("*", allow_credentials=True), ["'*'", "list the origins"]),
    (
        "https redirect",
        lambda: https(redirect="yes"),  # type: ignore[arg-type]
        ["redirect='yes' is neither a bool nor a port"],
    ),
    ("csrf text", lambda: csrf("https://a.example"), ["write csrf(trusted_origins=...)"]),  # type: ignore[call-arg]
    ("csrf bare", lambda: csrf(view), ["@csrf without parentheses above view"]),  # type: ignore[call-arg, arg-type]
    ("csrf everyone", lambda: csrf(trusted_origins="*"), ["'*'", "list the origins"]),
    ("setup nothing", lambda: routeguard.setup(None), ["setup(None)", "web.Application"]),  # type: ignore[arg-type]
    ("setup kind", lambda: routeguard.setup(web.Application(), timeout), ["write timeout(...)"]),  # type: ignore[arg-type]
    ("setup text", lambda: routeguard.setup(web.Application(), "x"), ["'x' is no policy"]),  # type: ignore[arg-type]
    (
        "setup list",
        lambda: routeguard.setup(web.Application(), [timeout(1)]),  # type: ignore[arg-type]
        ["is no policy", "write a * in front of it"],
    ),
    (
        "setup middleware",
        lambda: routeguard.setup(web.Application(), audit),  # type: ignore[arg-type]
        ["is no policy", "use(audit)", "errors(audit)"],
    ),
    (
        "setup twice one kind",
        lambda: routeguard.setup(web.Application(), timeout(1), errors(), timeout(2)),
        ["timeout is stated twice", "timeout(1)", "timeout(2)", "keep one"],
    ),
    (
        "setup value and exempt",
        lambda: routeguard.setup(web.Application(), timeout(1), exempt(timeout)),
        ["timeout is stated twice"],
    ),
    ("setup drain", lambda: routeguard.setup(web.Application(), drain=-1), ["drain=-1"]),
    ("setup no drain", lambda: routeguard.setup(web.Application(), drain=None), ["drain=None"]),  # type: ignore[arg-type]
    ("rule nothing", lambda: rule("/x"), ["it has no policy", 'write rule("/api/*", timeout(5))']),
    ("rule kind", lambda: rule("/x", timeout), ["timeout is a kind", "write timeout(...)"]),  # type: ignore[arg-type]
    ("rule twice", lambda: rule("/x", shield, shield(limit=1)), ["shield is stated twice"]),
    ("rule rule", lambda: rule("/x", rule("/y", shield)), ["is no policy", "given to setup"]),  # type: ignore[arg-type]
    ("rule methods", lambda: rule("/x", shield, methods=[]), ["methods is empty"]),
    ("rule star", lambda: rule("/x", shield, methods="*"), ['"*" is no HTTP method']),
    ("rule method", lambda: rule("/x", shield, methods="GET,PUT"), ["'GET,PUT' is no HTTP method"]),
    (
        "rule methods twice",
        lambda: rule("GET /x", shield, methods="PUT"),
        ["both before the path and in methods='PUT'", "say them once"],
    ),
    ("explain", lambda: explain(web.Application(), "GET", "x"), ["path='x'", "begins with /"]),
    ("explain none", lambda: explain(web.Application(), "GET", "/x"), ["given to setup"]),
    ("count", lambda: routeguard.shielded_count(web.Application()), ["not given to setup"]),
]


@pytest.mark.parametrize(
    ("mistake", "says"), [pytest.param(call, says, id=name) for name, call, says in MISTAKES]
)
def test_a_mistake_is_told_with_its_value_and_the_remedy(
    mistake: Callable[[], object], says: list[str]
) -> None:
    with pytest.raises(ConfigError) as raised:
        mistake()
    for part in says:
        assert part in str(raised.value)


def test_all_faults_of_one_policy_are_told_together() -> None:
    with pytest.raises(ConfigError) as raised:
        timeout(0, idle=-1, total=True)
    assert len(raised.value.faults) == 3
    assert [fault.partition("=")[0] for fault in raised.value.faults] == [
        "seconds",
        "idle",
        "total",
    ]
    with pytest.raises(ConfigError) as raised:
        rule("a*b%20c", timeout, timeout(1), timeout(2), "x", methods=["", "*"])  # type: ignore[arg-type]
    assert len(raised.value.faults) >= 6
    with pytest.raises(ConfigError) as raised:
        routeguard.setup(web.Application(), 5, timeout, shield, shield, drain="x")  # type: ignore[arg-type]
    assert len(raised.value.faults) == 4
    with pytest.raises(ConfigError) as raised:
        exempt(timeout(1), "x", exempt)  # type: ignore[arg-type]
    assert len(raised.value.faults) == 3


def test_a_faulty_setup_leaves_the_application_as_it_was() -> None:
    app = web.Application()
    with pytest.raises(ConfigError):
        routeguard.setup(app, timeout)  # type: ignore[arg-type]
    assert list(app.middlewares) == []
    assert list(app.router.resources()) == []
    routeguard.setup(app, timeout(1))
    assert len(app.middlewares) == 1


def test_use_may_be_stated_several_times() -> None:
    async def other(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    rule("/x", use(audit), use(other), exempt(use), timeout(1))
    routeguard.setup(web.Application(), use(audit), use(other), use(audit))


def test_what_may_stand_in_a_rule_or_be_exempted_of_every_kind() -> None:
    kinds = (timeout, cors, errors, https, csrf, use, shield)
    assert len(exempt(*kinds).kinds) == 7
    rule("/x", exempt(timeout), exempt(cors), shield)
    for kind in kinds:
        with pytest.raises(ConfigError, match="is stated twice"):
            rule("/x", exempt(kind), exempt(kind), *([] if kind is not use else [shield, shield]))


STRANGE: list[Any] = [
    None, True, 5, -1, 1.5, float("nan"), "", "x", "é", "\ud800", "*", b"x", (), [], {}, [None],
    [5], ["\ud800"], [b"x"], [[]], [{}], {"x": None}, {None: "x"}, {5: 5}, {"": ""}, object(),
    int, type, view, audit, sync, timeout, timeout(1), shield, Exception, KeyError("x"),
    re.compile("x"), re.compile(b"x"), URL("/x"), URL(""), URL("http://a.example/x?y#z"),
    timedelta(1), timedelta(-1), web.Response, lambda: None, range(3), iter("ab"), 10**400, {"*"},
]  # fmt: skip

TAKERS: dict[str, Callable[[Any], object]] = {
    "timeout seconds": lambda x: timeout(x),
    "timeout idle": lambda x: timeout(1, idle=x),
    "timeout total": lambda x: timeout(1, total=x),
    "shield methods": lambda x: shield(methods=x),
    "shield limit": lambda x: shield(limit=x),
    "shield handler": lambda x: shield(x),
    "cors origins": lambda x: cors(x),
    "cors allow_methods": lambda x: cors("*", allow_methods=x),
    "cors allow_headers": lambda x: cors("*", allow_headers=x),
    "cors expose_headers": lambda x: cors("*", expose_headers=x),
    "cors allow_credentials": lambda x: cors("https://a.example", allow_credentials=x),
    "cors max_age": lambda x: cors("*", max_age=x),
    "errors handler": lambda x: errors(x),
    "errors on": lambda x: errors(on=x),
    "errors on value": lambda x: errors(on={KeyError: x}),
    "errors ignore": lambda x: errors(ignore=x),
    "https match_headers": lambda x: https(x),
    "https header value": lambda x: https({"X-Proto": x}),
    "https trusted": lambda x: https(trusted=x),
    "https redirect": lambda x: https(redirect=x),
    "https hsts": lambda x: https(hsts=x),
    "csrf trusted_origins": lambda x: csrf(trusted_origins=x),
    "use": lambda x: use(x),
    "exempt": lambda x: exempt(x),
    "rule pattern": lambda x: rule(x, timeout(1)),
    "rule policy": lambda x: rule("/x", x),
    "rule methods": lambda x: rule("/x", timeout(1), methods=x),
    "setup app": lambda x: routeguard.setup(x),
    "setup entry": lambda x: routeguard.setup(web.Application(), x),
    "setup drain": lambda x: routeguard.setup(web.Application(), drain=x),
    "decorated": lambda x: timeout(1)(x),
}


@pytest.mark.parametrize("name", TAKERS)
def test_nothing_strange_gets_past_with_another_error(name: str) -> None:
    """A value is taken or refused with a ConfigError, whatever it is."""
    wrong = []
    for value in STRANGE:
        try:
            made = TAKERS[name](value)
        except ConfigError as error:
            if not str(error):
                wrong.append(f"{value!r}: no message")
        except Exception as error:
            wrong.append(f"{value!r}: {error!r}")
        else:
            assert repr(made)
    assert wrong == []


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_text_gets_past_with_another_error(one: str, other: str) -> None:
    for take in TAKERS.values():
        for value in (one, [one, other], {one: other}):
            with contextlib.suppress(ConfigError):
                take(value)
