"""`survey`: every route of an application, and what applies to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import hdrs, web
from aiohttp.web_app import Application

from routeguard.configuration import ConfigError, shown
from routeguard.policies.exempt import kinds_of
from routeguard.policies.order import order_of
from routeguard.policy import Policy, kind_name
from routeguard.routes.handlers import handler_name
from routeguard.routes.resolution import Decision
from routeguard.routes.scope import Scope
from routeguard.routes.walk import Visit, method_order, place_of_rule, walk
from routeguard.telling.explain import PolicyExplanation, explain_decision

__all__ = ["Survey", "SurveyedApplication", "SurveyedRoute", "survey"]

Kinds: TypeAlias = tuple[PolicyExplanation, ...]


@dataclass(frozen=True, slots=True)
class SurveyedRoute:
    """A route, with those of its methods to which the same applies.

    Attributes:
        methods: the methods; `("*",)` where the route takes every method and all are alike.
        path: its canonical pattern, decoded: `/users/{id}`; its text in full,
            `/func/{path:saml/.*}`, where other resources share the canonical pattern.
        handler: the handler's name; for a static route its directory.
        mounts: where the applications around it are mounted, outermost first: prefixes, or
            `host` and a domain. Empty in the root application.
        set_up: whether any application around it was given to `setup`; where none was, its
            decorators have no effect.
        kinds: one entry for each kind of policy, in the order in which they nest.
        example: the path for which `kinds` tells what applies; `path` itself where it has no
            placeholder.
        split_by: the rules that match only some of its paths, to which therefore something else
            may apply; `explain` tells about each.
    """

    methods: tuple[str, ...]
    path: str
    handler: str
    mounts: tuple[str, ...]
    set_up: bool
    kinds: Kinds
    example: str
    split_by: tuple[str, ...] = ()

    def __getitem__(self, kind: str) -> PolicyExplanation:
        """The entry of a kind of policy, by its name."""
        for one in self.kinds:
            if one.kind == kind:
                return one
        raise KeyError(kind)

    @property
    def relative_path(self) -> str:
        """The path as the innermost application's rules see it."""
        prefix = next((one for one in reversed(self.mounts) if one.startswith("/")), "")
        return self.path.removeprefix(prefix) or "/"


@dataclass(frozen=True, slots=True)
class SurveyedApplication:
    """An application that was given to `setup`, with what it states for all its routes.

    Attributes:
        mounts: where it and the applications around it are mounted, as for `SurveyedRoute`.
        fallbacks: the name of a kind and the policy, in the order in which the kinds nest.
    """

    mounts: tuple[str, ...]
    fallbacks: tuple[tuple[str, Policy], ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """What applies to every route of an application.

    Attributes:
        kinds: the names of all the kinds of policy, in the order in which they nest.
        routes: the routes, in the order in which they were added.
        applications: the applications that were given to `setup`, those around others first.
    """

    kinds: tuple[str, ...]
    routes: tuple[SurveyedRoute, ...]
    applications: tuple[SurveyedApplication, ...]


def survey(app: web.Application) -> Survey:
    """Every route of an application, and what applies to it.

    It comes from the same resolution that serves requests. The application need not have
    started.

    Args:
        app: the application, as it is served: the outermost one.

    Returns:
        The kinds of policy and the routes; values that compare.

    Raises:
        ConfigError: it is no application.
    """
    if not isinstance(app, Application):
        raise ConfigError(f"survey({shown(app)}): the argument is the web.Application")
    walked = walk(app)
    visits = walked.visits
    kinds = order_of({kind for visit in visits for kind in visit.resolution.decisions})
    groups: dict[tuple[object, ...], list[tuple[Visit, Kinds]]] = {}
    for visit in visits:
        decisions = visit.resolution.decisions
        explained = tuple(
            explain_decision(decisions.get(kind, Decision(kind, (), ())), visit.method)
            for kind in kinds
        )
        # aiohttp adds a route for HEAD to every GET; to a reader they are one.
        route = visit.route
        method = "GET" if route.method == "HEAD" else route.method
        key = (visit.match_info.apps, id(route.resource), _handler(route), method)
        groups.setdefault(key, []).append((visit, explained))
    routes = [route for group in groups.values() for route in _alike(group)]
    applications = tuple(
        SurveyedApplication(mounts, _fallbacks(scope, kinds))
        for scope, mounts in walked.mounts.items()
    )
    return Survey(tuple(kind_name(kind) for kind in kinds), tuple(routes), applications)


def _fallbacks(scope: Scope, kinds: list[type[Policy]]) -> tuple[tuple[str, Policy], ...]:
    return tuple(
        (kind_name(kind), policy)
        for kind in kinds
        for policy in scope.fallbacks
        if kind in kinds_of(policy)
    )


def _alike(group: Iterable[tuple[Visit, Kinds]]) -> list[SurveyedRoute]:
    """One route for those methods to which the same applies."""
    found: list[tuple[object, list[tuple[Visit, Kinds]]]] = []
    for visit, kinds in sorted(group, key=lambda one: method_order(one[0].method)):
        # The notes name the method, and so are never alike.
        said = [(one.kind, one.policies, one.considered) for one in kinds]
        key = (said, visit.splitting)
        for known, members in found:
            if known == key:
                members.append((visit, kinds))
                break
        else:
            found.append((key, [(visit, kinds)]))
    return [_as_route(members, alone=len(found) == 1) for _, members in found]


def _as_route(members: list[tuple[Visit, Kinds]], *, alone: bool) -> SurveyedRoute:
    visit, kinds = members[0]
    methods = sorted((one.method for one, _ in members), key=method_order)
    everything = visit.route.method == hdrs.METH_ANY and not isinstance(visit.route.handler, type)
    return SurveyedRoute(
        methods=("*",) if everything and alone else tuple(methods),
        path=visit.name,
        handler=_handler(visit.route),
        mounts=visit.mounts,
        set_up=visit.is_set_up,
        kinds=kinds,
        example=visit.path,
        split_by=tuple(place_of_rule(scope, position) for scope, position in visit.splitting),
    )


def _handler(route: web.AbstractRoute) -> str:
    if isinstance(route.resource, web.StaticResource):
        return f"files in {route.resource.get_info()['directory']}"
    return handler_name(route.handler)
