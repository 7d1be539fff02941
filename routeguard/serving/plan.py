"""Plans: what is decided once for a route, and the book in which a request finds its own.

A plan belongs to a route where no rule splits the route's paths. Everything that is kept by path
is bounded: paths are chosen by clients.
"""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import hdrs, web
from multidict import istr
from yarl import URL

from routeguard.bounded import Bounded
from routeguard.paths import is_plain, relative_path
from routeguard.policies.cors.policy import cors
from routeguard.policies.csrf import csrf
from routeguard.policies.errors.policy import errors
from routeguard.policies.https.policy import https
from routeguard.policies.order import OUTSIDE, WITHIN
from routeguard.policies.shield.policy import Shield
from routeguard.policies.timeout.policy import timeout
from routeguard.policies.use import Chain, use
from routeguard.policy import Handler, Policy, proxied_by
from routeguard.routes.resolution import Resolution, positions_of, resolve
from routeguard.routes.scope import SCOPE, scopes_of
from routeguard.running.clocks import Clocks
from routeguard.running.deadlines import NO_BOUNDS, Bounds, Clock
from routeguard.serving.unrouted_preflights import UnroutedMatch

__all__ = ["NOT_OURS", "NO_POLICY", "Plan", "PlanBook"]

NO_HEADER = istr("")
"""The name that no header has."""
KEPT_PATHS = 2048
KEPT_PLANS = 4096
KEPT_ROUTES = 100_000
LONGEST_KEY = 512

# A plan's fields bear the names of the policies, which hides these inside its class.
Https: TypeAlias = https
Cors: TypeAlias = cors
Errors: TypeAlias = errors


@dataclass(frozen=True, slots=True)
class Plan:
    """What applies to one route and method."""

    https: Https | None = None
    cors: Cors | None = None
    cors_source: str = ""
    errors: Errors | None = None
    errors_app: web.Application | None = None
    around: tuple[Policy, ...] = ()
    bounds: Bounds = NO_BOUNDS
    shield: Shield | None = None
    shields_websockets: bool = False
    limit: Bounds | None = None
    chain: Chain | None = None
    place: str = ""
    options: bool = False
    """Whether requests under this plan may be preflights."""
    hsts: Https | None = None
    is_marked_last: bool = False
    """Whether what is put on a returned response stays there: nobody else sees it any more."""
    plain_origins: frozenset[str] = frozenset()
    scheme_header: istr = NO_HEADER
    """The request header that may change the request's scheme."""
    proxy: Handler | None = None
    """The route's handler, where that is a function with policies on it, and the function: to
    call it through the proxy is no different, but takes longer."""
    proxied: Handler | None = None
    clock: Clock | None = None
    """For handlers that run under nothing but a bound on the start of their response, or none.

    `None` where more is to be done, or to be kept in mind, than cors, errors and that.
    """
    is_empty: bool = False


NO_POLICY: Plan = Plan(is_empty=True)
NOT_OURS: Plan = Plan(is_empty=True)
"""For requests that another dispatcher, outside this one, handles."""
ONLY_PREFLIGHTS: Plan = Plan(options=True)


class PlanBook:
    """The plans of one application that was set up."""

    __slots__ = ("_app", "_by_path", "_clocks", "_is_outermost", "_plans", "_unsplit", "by_route")

    def __init__(
        self, app: web.Application, clocks: Clocks, is_outermost: Callable[[], bool]
    ) -> None:
        """A book without plans.

        Args:
            app: the application.
            clocks: its clocks.
            is_outermost: tells, once requests come, whether nobody else sees a response of the
                application between the dispatcher's middleware and its hook.
        """
        self._app = app
        self._clocks = clocks
        self._is_outermost = is_outermost
        self.by_route: dict[web.AbstractRoute, Plan] = {}
        """Plans that the route alone decides; for the dispatcher's first look."""
        self._unsplit: dict[web.AbstractRoute, dict[str, Plan]] = {}
        self._by_path: Bounded[Plan] = Bounded(KEPT_PATHS)
        self._plans: Bounded[Plan] = Bounded(KEPT_PLANS)

    def find(self, match_info: web.UrlMappingMatchInfo, method: str, url: URL) -> Plan:
        """The plan of a request, made if it is the first of its like.

        Args:
            match_info: the matched route, or that there is none.
            method: the request's method.
            url: the request's URL, relative.
        """
        route = match_info.route
        plan = self.by_route.get(route)
        if plan is not None:
            return plan
        if (by_method := self._unsplit.get(route)) is not None:
            plan = by_method.get(method)
            if plan is not None and is_plain(url.raw_path):
                return plan
        elif (plan := self._by_path.get((route, method, url.raw_path))) is not None:
            return plan
        return self._find_anew(match_info, method, url)

    def _find_anew(self, match_info: web.UrlMappingMatchInfo, method: str, url: URL) -> Plan:
        route = match_info.route
        ours = self._is_ours(match_info)
        if match_info.http_exception is not None:
            # aiohttp makes a route of its own for each request that matches none.
            of = route if isinstance(match_info, UnroutedMatch) else match_info.apps
            return self._by_its_path(match_info, method, url, of) if ours else NOT_OURS
        if not ours:
            plan = NOT_OURS
        else:
            span = _span(route)
            fixed = type(route.resource) is web.PlainResource
            if span is None or (not fixed and self._is_split(match_info, span)):
                return self._by_its_path(match_info, method, url, route)
            if fixed:
                plan = self._make(match_info, method, span, route)
            elif is_plain(url.raw_path) or not self._has_path_rules(match_info):
                plan = self._make(match_info, method, url.path, route)
            else:
                return self._by_its_path(match_info, method, url, route)
        self._keep(match_info, method, plan)
        return plan

    def _keep(self, match_info: web.UrlMappingMatchInfo, method: str, plan: Plan) -> None:
        """Keeps a plan by its route, where the route (with the method, if it has many) decides."""
        route = match_info.route
        if len(self._unsplit) + len(self.by_route) >= KEPT_ROUTES:
            return
        if plan is NOT_OURS:
            self.by_route[route] = plan
        elif route.method == hdrs.METH_ANY:
            if method in hdrs.METH_ALL:
                self._unsplit.setdefault(route, {})[method] = plan
        elif type(route.resource) is web.PlainResource or not self._has_path_rules(match_info):
            self.by_route[route] = plan
        else:
            self._unsplit.setdefault(route, {})[method] = plan

    def _by_its_path(
        self, match_info: web.UrlMappingMatchInfo, method: str, url: URL, of: Hashable
    ) -> Plan:
        raw_path = url.raw_path
        key = (of, method, raw_path)
        plan = self._by_path.get(key)
        if plan is None:
            plan = self._make(match_info, method, url.path, of)
            if len(raw_path) + len(method) <= LONGEST_KEY:
                self._by_path.put(key, plan)
        return plan

    def _is_ours(self, match_info: web.UrlMappingMatchInfo) -> bool:
        return next((app for app in match_info.apps if SCOPE in app), None) is self._app

    def _has_path_rules(self, match_info: web.UrlMappingMatchInfo) -> bool:
        return any(scope.rules.by_path for scope in scopes_of(match_info))

    def _is_split(self, match_info: web.UrlMappingMatchInfo, span: str) -> bool:
        return any(
            scope.rules.splits(relative_path(span, scope.mount.prefix))
            for scope in scopes_of(match_info)
        )

    def _make(
        self, match_info: web.UrlMappingMatchInfo, method: str, path: str, of: Hashable
    ) -> Plan:
        positions = positions_of(match_info, method, path)
        key = (of, method, positions)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._draw_up(resolve(match_info, method, positions), method, match_info)
            if len(method) <= LONGEST_KEY:
                self._plans.put(key, plan)
        return plan

    def _draw_up(
        self, resolution: Resolution, method: str, match_info: web.UrlMappingMatchInfo
    ) -> Plan:
        applying = {kind: one for kind, one in resolution.decisions.items() if one.winners}
        options = method == hdrs.METH_OPTIONS
        if not applying:
            return ONLY_PREFLIGHTS if options else NO_POLICY
        chosen = {kind: decision.winners[0] for kind, decision in applying.items()}
        policies = {kind: statement.policy for kind, statement in chosen.items()}
        shield = policies.get(Shield)
        if not isinstance(shield, Shield) or not shield.covers(method):
            shield = None
        limits = policies.get(timeout)
        own = [kind for kind in applying if kind not in OUTSIDE + WITHIN]
        around = tuple(
            statement.policy
            for kind in [csrf, *own]
            if kind in applying
            for statement in applying[kind].winners
        )
        uses = [
            (statement.policy.middleware, statement.app)
            for statement in (applying[use].winners if use in applying else ())
            if isinstance(statement.policy, use)
        ]
        resource, handler = match_info.route.resource, match_info.route.handler
        proxied = proxied_by(handler)
        answering = policies.get(errors)
        sharing = policies.get(cors)
        secured = policies.get(https)
        involved = isinstance(secured, https) and (
            secured.redirect or secured.hsts is not None or len(secured.names) > 1
        )
        is_last = match_info.apps[0] is self._app and self._is_outermost()
        bounds = self._bounds(limits) if isinstance(limits, timeout) else NO_BOUNDS
        ordinary = not (around or shield or uses or options or involved) and is_last
        return Plan(
            https=secured if isinstance(secured, https) else None,
            hsts=secured if isinstance(secured, https) and secured.hsts is not None else None,
            is_marked_last=is_last,
            plain_origins=sharing.plain_origins if isinstance(sharing, cors) else frozenset(),
            scheme_header=secured.names[0] if isinstance(secured, https) else NO_HEADER,
            proxy=None if proxied is handler else handler,
            proxied=proxied,
            clock=self._ordinary_clock(bounds) if ordinary else None,
            cors=sharing if isinstance(sharing, cors) else None,
            cors_source=chosen[cors].place if cors in chosen else "",
            errors=answering if isinstance(answering, errors) else None,
            errors_app=chosen[errors].app if errors in chosen else None,
            around=around,
            bounds=bounds,
            shield=shield,
            shields_websockets=shield is not None
            and chosen[Shield].place in ("decorator", "view method", "view class"),
            limit=None
            if shield is None or shield.limit is None
            else Bounds(total=self._clocks.of("limit", shield.limit)),
            chain=Chain(uses) if uses else None,
            place="no route" if resource is None else resource.canonical,
            options=options,
        )

    def _ordinary_clock(self, bounds: Bounds) -> Clock | None:
        if bounds is NO_BOUNDS:
            return self._clocks.of("start", math.inf)
        return bounds.start if bounds.total is bounds.idle is None else None

    def _bounds(self, limits: timeout) -> Bounds:
        if limits.seconds is limits.idle is limits.total is None:
            return NO_BOUNDS
        return Bounds(
            start=None if limits.seconds is None else self._clocks.of("start", limits.seconds),
            total=None if limits.total is None else self._clocks.of("total", limits.total),
            idle=None if limits.idle is None else self._clocks.of("idle", limits.idle),
        )


def _span(route: web.AbstractRoute) -> str | None:
    """What all paths of a route begin with, decoded; `None` where that cannot be told."""
    resource = route.resource
    # A resource of somebody else's making may serve what it likes, derived or not.
    if type(resource) is web.PlainResource:
        # aiohttp compares these with what is left encoded in a path.
        return resource.canonical.replace("%2F", "/").replace("%25", "%")
    if type(resource) is web.DynamicResource or type(resource) is web.StaticResource:
        fixed = resource.canonical.partition("{")[0]
        return URL.build(path=fixed, encoded=True).path
    return None
