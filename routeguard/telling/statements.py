"""Every statement of a policy in an application, with the routes to which it applies."""

from collections.abc import Hashable, Iterable, Iterator

from routeguard.asking import Stated, StatedRoute
from routeguard.policy import Policy
from routeguard.routes.handlers import bare_handler, handler_name
from routeguard.routes.resolution import as_fallbacks, in_rules, on_handler
from routeguard.routes.scope import Statement
from routeguard.routes.walk import Visit, Walk, method_order

__all__ = ["by_route", "route_place", "statement_place", "statements"]


def statements(walk: Walk) -> Iterator[tuple[Policy, Stated]]:
    """Every statement once, also one that never applies: of rules, of fallbacks, of handlers."""
    places: dict[Hashable, tuple[Statement, str]] = {}
    for scope in walk.scopes:
        groups = [*in_rules(scope, range(len(scope.rules.rules))), as_fallbacks(scope)]
        for one in (one for group in groups for one in group):
            places[one.key] = (one, one.place)
    applying: dict[Hashable, list[Visit]] = {}
    for visit in walk.visits:
        handler = visit.route.handler
        for level in on_handler(handler, visit.method, visit.match_info.apps[-1]):
            for one in (one for group in level for one in group):
                places.setdefault(one.key, (one, statement_place(one, handler)))
        for decision in visit.resolution.decisions.values():
            for one in decision.winners:
                if one.policy.covers(visit.method):
                    applying.setdefault(one.key, []).append(visit)
    for key, (one, place) in places.items():
        routes = tuple(_as_route(visits) for visits in by_route(applying.get(key, ())))
        yield one.policy, Stated(place, one.kind, routes)


def statement_place(statement: Statement, handler: object) -> str:
    """Where a statement stands, as findings name it: on a handler, with the handler's name."""
    stands_alone = statement.kind in ("rule", "fallback")
    return statement.place if stands_alone else f"{statement.place} of {handler_name(handler)}"


def by_route(visits: Iterable[Visit]) -> Iterator[list[Visit]]:
    """The visits to each route; those to HEAD, which aiohttp adds, go with GET."""
    groups: dict[tuple[int, str, int], list[Visit]] = {}
    for visit in visits:
        method = "GET" if visit.route.method == "HEAD" else visit.route.method
        key = (id(visit.route.resource), method, id(bare_handler(visit.route.handler)))
        groups.setdefault(key, []).append(visit)
    yield from groups.values()


def _as_route(visits: list[Visit]) -> StatedRoute:
    methods = sorted({visit.method for visit in visits}, key=method_order)
    return StatedRoute(tuple(methods), visits[0].name, handler_name(visits[0].route.handler))


def route_place(visits: Iterable[Visit]) -> str:
    """A route, as findings name it: its methods, its path and its handler."""
    route = _as_route(list(visits))
    return f"{','.join(route.methods)} {route.path} ({route.handler})"
