"""How long handlers run, what may end them, and whom they believe."""

from collections.abc import Iterable, Iterator
from importlib.util import find_spec

from routeguard.policies.errors.policy import errors
from routeguard.policies.errors.problem import ProblemDetails
from routeguard.policies.https.policy import https
from routeguard.policies.shield.policy import Shield
from routeguard.policies.timeout.policy import timeout
from routeguard.routes.handlers import bare_handler
from routeguard.routes.scope import Statement
from routeguard.routes.walk import Visit, Walk
from routeguard.telling.checks.stated import few, route_place, stated
from routeguard.telling.finding import Finding

__all__ = [
    "everyone_believed",
    "long_fallbacks",
    "missing_negotiation",
    "shields_that_guard_nothing",
    "unguarded_side_effects",
]

READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
PROXIES_WAIT = 60.0
"""Seconds: nginx's `proxy_read_timeout`, and the idle timeout of the usual load balancers."""


def _routes(visits: Iterable[Visit]) -> Iterator[list[Visit]]:
    """The visits to each route; those to HEAD, which aiohttp adds, go with GET."""
    groups: dict[tuple[int, str, int], list[Visit]] = {}
    for visit in visits:
        method = "GET" if visit.route.method == "HEAD" else visit.route.method
        key = (id(visit.route.resource), method, id(bare_handler(visit.route.handler)))
        groups.setdefault(key, []).append(visit)
    yield from groups.values()


def _shielding(visit: Visit) -> Statement | None:
    winners = visit.resolution.decisions[Shield].winners
    for statement in winners:
        if isinstance(statement.policy, Shield) and statement.policy.covers(visit.method):
            return statement
    return None


def shields_that_guard_nothing(walk: Walk) -> Iterator[Finding]:
    """RG301: shields on routes that only read, which nobody misses when the client has gone."""
    found: dict[tuple[int, str], list[Visit]] = {}
    for visits in _routes(walk.visits):
        if all(visit.method in READING for visit in visits):
            for visit in visits:
                if (statement := _shielding(visit)) is not None:
                    key = (id(statement.policy), _place_of(statement, visits))
                    found.setdefault(key, []).append(visit)
    for (_, place), visits in found.items():
        names = few(f"{visit.method} {visit.name}" for visit in visits)
        yield Finding(
            "RG301",
            "info",
            place,
            f"shield keeps {names} running for clients that have gone; unless it is a WebSocket, "
            f"or stores something after all, nobody needs the result",
            "leave shield out here, or write shield(methods=NON_IDEMPOTENT_METHODS)",
        )


def _place_of(statement: Statement, visits: list[Visit]) -> str:
    if statement.place.startswith(("rule", "fallback")):
        return statement.place
    return f"{statement.place} of {route_place(visits)}"


def unguarded_side_effects(walk: Walk) -> Iterator[Finding]:
    """RG302: routes that change something, and about whose end nobody has said anything."""
    for visits in _routes(walk.visits):
        unguarded = [visit for visit in visits if _is_unguarded(visit)]
        if unguarded:
            yield Finding(
                "RG302",
                "warning",
                route_place(unguarded),
                "nothing bounds it, and a client that hangs up, or a shutdown, can end it half "
                "way through",
                "state @shield where the work must be finished, or @timeout(...)",
            )


def _is_unguarded(visit: Visit) -> bool:
    decisions = visit.resolution.decisions
    # timeout(None) and exempt(timeout) are answers too: somebody has thought of it.
    return (
        visit.method in WRITING
        and visit.is_set_up
        and not decisions[timeout].considered
        and _shielding(visit) is None
    )


def long_fallbacks(walk: Walk) -> Iterator[Finding]:
    """RG303: timeout fallbacks past which the proxy in front has given up already."""
    for one in stated(walk):
        if isinstance(one.policy, timeout) and one.place.startswith("fallback"):
            silent = [one.policy.seconds, one.policy.idle]
            longest = max((seconds for seconds in silent if seconds is not None), default=0.0)
            if longest > PROXIES_WAIT:
                yield Finding(
                    "RG303",
                    "warning",
                    one.place,
                    f"{one.policy!r}: the usual proxies wait {PROXIES_WAIT:.0f} s for a byte, so "
                    f"that clients get the proxy's 504 while the handler goes on",
                    f"stay below {PROXIES_WAIT:.0f} s, or set the proxy's limit as well and "
                    f"ignore this code",
                )


def everyone_believed(walk: Walk) -> Iterator[Finding]:
    """RG401: headers that any client may send are taken for the proxy's."""
    for one in stated(walk):
        if isinstance(one.policy, https):
            wide = [text for text in one.policy.trusted if text == "*" or text.endswith("/0")]
            if wide:
                headers = few(name for name, _ in one.policy.match_headers)
                yield Finding(
                    "RG401",
                    "warning",
                    one.place,
                    f"https trusts {few(map(repr, wide))}, so every client can claim HTTPS with "
                    f"{headers}",
                    "name the proxy's network: https(trusted='10.0.0.0/8')",
                )


def missing_negotiation(walk: Walk) -> Iterator[Finding]:
    """RG501: problem_details answers JSON to everyone without the extra."""
    if find_spec("mimeparse") is not None:
        return
    for one in stated(walk):
        if isinstance(one.policy, errors):
            handlers = [one.policy.handler, *(outcome for _, outcome in one.policy.on)]
            if any(isinstance(handler, ProblemDetails) for handler in handlers):
                yield Finding(
                    "RG501",
                    "info",
                    one.place,
                    "problem_details answers JSON to browsers too, since python-mimeparse is not "
                    "installed",
                    "pip install 'routeguard[negotiation]'",
                )
                return
