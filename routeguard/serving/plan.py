"""Plans: what is decided once for a route, and the book in which a request finds its own."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import hdrs, web
from yarl import URL

from routeguard.bounded import LONGEST_KEY, Bounded
from routeguard.policies.order import order_of
from routeguard.policy import Handler, Link
from routeguard.routes.resolution import Resolution, positions_of, resolve
from routeguard.routes.scope import SCOPE
from routeguard.routes.splits import splits_of
from routeguard.running.application import Running
from routeguard.running.last_answer import last_answer
from routeguard.running.state import Run, State, StateMark, call_handler
from routeguard.serving.bindings import Binding, Bindings, joined
from routeguard.serving.fast_lane import FastLane, find_lane
from routeguard.serving.handler_chain import HandlerChain

__all__ = ["NOT_OURS", "NO_POLICY", "Plan", "PlanBook"]

KEPT_PLANS = 4096
KEPT_ROUTES = 100_000

Enter: TypeAlias = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is done to all requests to which the same policies apply.

    Attributes:
        enter: what is called in place of the handler.
        marks: what writes on the responses.
        bound: what the policies are bound to, outermost first.
        lane: the fast lane, where `enter` is its way in.
    """

    enter: Enter
    marks: tuple[StateMark, ...] = ()
    bound: tuple[object, ...] = ()
    lane: FastLane | None = None


def _hand_on(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
    return handler(request)


NO_POLICY: Plan = Plan(_hand_on)
NOT_OURS: Plan = Plan(_hand_on)
"""For requests that another dispatcher, outside this one, handles."""


class PlanBook:
    """The plans of one run of an application that was set up."""

    __slots__ = (
        "_alike",
        "_app",
        "_bindings",
        "_by_rules",
        "_by_spot",
        "_is_first",
        "_usual",
        "by_route",
        "running",
    )

    def __init__(self, running: Running, bindings: Bindings, is_first: Callable[[], bool]) -> None:
        """A book without plans.

        Args:
            running: the run of the application.
            bindings: its policies.
            is_first: tells, once requests come, whether no other middleware or hook runs between
                the dispatcher's own.
        """
        self._app = running.app
        self.running: Running = running
        self._bindings = bindings
        self._is_first = is_first
        self.by_route: dict[web.AbstractRoute, Plan] = {}
        """Plans that the route alone decides; for the dispatcher's first look."""
        self._usual: dict[Hashable, _Usual] = {}
        """Of routes that rules split, and of those that take several methods."""
        scope = running.app.get(SCOPE)
        stated = 0 if scope is None else len(scope.rules.rules)
        self._by_spot: Bounded[Plan] = Bounded(KEPT_PLANS + stated)
        """By route, method and what rules name of a path: one for each rule, and some more."""
        self._by_rules: Bounded[Plan] = Bounded(KEPT_PLANS)
        self._alike: Bounded[Plan] = Bounded(KEPT_PLANS)
        """By what applies: the plans that routes share."""

    def find(self, match_info: web.UrlMappingMatchInfo, method: str, url: URL) -> Plan:
        """The plan of a request, made if it is the first of its like.

        Args:
            match_info: the matched route, or that there is none.
            method: the request's method.
            url: the request's URL, relative.
        """
        plan = self.by_route.get(match_info.route)
        if plan is not None:
            return plan
        usual = self._usual.get(_usual_key(match_info.route, method))
        if usual is None:
            return self._find_anew(match_info, method, url)
        spot = usual.spot_of(url.path_safe)
        return usual.plan if spot == "" else self._find_at(spot, match_info, method, url)

    def find_by_path(self, route: web.AbstractRoute, request: web.Request) -> Plan:
        """The plan of a request whose route alone does not decide it.

        Args:
            route: the matched route, or what stands for it where there is none.
            request: the request.
        """
        usual = self._usual.get(route)
        if usual is None:
            return self.find(request.match_info, request.method, request.rel_url)
        url = request.rel_url
        # aiohttp has asked for this form of the path, too, to find the route.
        spot = usual.spot_of(url.path_safe)
        if spot == "":
            return usual.plan
        return self._find_at(spot, request.match_info, request.method, url)

    def keep(self, route: web.AbstractRoute, plan: Plan) -> None:
        """Has a route served by a plan, without a look at the path, as far as there is room."""
        if len(self.by_route) < KEPT_ROUTES:
            self.by_route[route] = plan

    def _find_anew(self, match_info: web.UrlMappingMatchInfo, method: str, url: URL) -> Plan:
        if next((app for app in match_info.apps if SCOPE in app), None) is not self._app:
            if match_info.http_exception is None:
                self.keep(match_info.route, NOT_OURS)
            return NOT_OURS
        if match_info.http_exception is not None:
            return self._by_rules_of(match_info, method, url)
        route = match_info.route
        splits = splits_of(match_info)
        if splits is None:  # what it serves cannot be told from outside
            return self._by_rules_of(match_info, method, url)
        full = len(self.by_route) + len(self._usual) >= KEPT_ROUTES
        if full or (method != route.method and method not in hdrs.METH_ALL):
            return self._by_rules_of(match_info, method, url)
        plan = self._draw_up(match_info, method, positions_of(match_info, method, splits.path))
        # "*" is a method that clients may ask about, and no route's own.
        if splits.is_decided and method == route.method != hdrs.METH_ANY:
            self.by_route[route] = plan
            return plan
        self._usual[_usual_key(route, method)] = _Usual(splits.spot_of, plan)
        return self.find(match_info, method, url)

    def _find_at(
        self, spot: str | None, match_info: web.UrlMappingMatchInfo, method: str, url: URL
    ) -> Plan:
        """The plan for the paths of a split route that rules name in the same way."""
        if spot is None:
            return self._by_rules_of(match_info, method, url)
        key = (match_info.route, method, spot)
        plan = self._by_spot.get(key)
        if plan is None:
            plan = self._by_rules_of(match_info, method, url)
            self._by_spot.put(key, plan)
        return plan

    def _by_rules_of(self, match_info: web.UrlMappingMatchInfo, method: str, url: URL) -> Plan:
        """The plan for a path that rules look at by itself."""
        positions = positions_of(match_info, method, url.path, url)
        key: Hashable = (_route_of(match_info), method, positions)
        plan = self._by_rules.get(key)
        if plan is None:
            plan = self._draw_up(match_info, method, positions)
            if len(method) <= LONGEST_KEY:
                self._by_rules.put(key, plan)
        return plan

    def _draw_up(
        self,
        match_info: web.UrlMappingMatchInfo,
        method: str,
        positions: tuple[tuple[int, ...], ...],
    ) -> Plan:
        bindings = self._bind(resolve(match_info, method, positions), method)
        if not bindings:
            return NO_POLICY
        alike: Hashable = tuple(map(id, bindings))
        if any(one.beside is not None for one in bindings):
            alike = (alike, _route_of(match_info))  # each route has a chain of its own
        plan = self._alike.get(alike)
        if plan is None:
            plan = self._make(joined(bindings), is_root=match_info.apps[0] is self._app)
            self._alike.put(alike, plan)
        return plan

    def _bind(self, resolution: Resolution, method: str) -> list[Binding]:
        found: list[Binding | None] = []
        for kind in order_of(resolution.decisions):
            found.append(self._bindings.of_kind(kind, method))
            decision = resolution.decisions.get(kind)
            if decision is not None:
                found += self._bindings.of_decision(decision, method)
        return [one for one in found if one is not None]

    def _make(self, bindings: list[Binding], *, is_root: bool) -> Plan:
        marks = tuple(one.mark for one in bindings if one.mark is not None)
        beside = [one.beside for one in bindings if one.beside is not None]
        run: Run = HandlerChain(beside).run if beside else call_handler
        for link in reversed(_links(bindings)):
            run = link(run)
        enter = _way_in(run, marks, self)
        bound = tuple(one.target for one in bindings)
        lane = None
        if is_root:
            is_alone = self._is_first()
            lane = find_lane(bound, marks, enter, self.running, self, is_alone=is_alone)
        return Plan(enter if lane is None else lane.enter, marks, bound, lane)


@dataclass(frozen=True, slots=True, eq=False)
class _Usual:
    """What applies to most paths of a route to whose paths not all the same applies.

    Attributes:
        spot_of: what rules name of a path, as of `Splits`.
        plan: what applies where that is nothing.
    """

    spot_of: Callable[[str], str | None]
    plan: Plan


def _usual_key(route: web.AbstractRoute, method: str) -> Hashable:
    """By what the plan for most paths of a route is kept; by the route, for its own method."""
    return route if method == route.method != hdrs.METH_ANY else (route, method)


def _route_of(match_info: web.UrlMappingMatchInfo) -> Hashable:
    """What stands for a route; aiohttp makes one of its own for each request that matches none."""
    return match_info.route if match_info.http_exception is None else match_info.apps


def _links(bindings: Sequence[Binding]) -> list[Link]:
    """The links of a chain, outermost first."""
    owner = next((i for i, one in enumerate(bindings) if one.owns_work), -1)
    links: list[Link] = []
    inside: list[Link] = []
    for position, one in enumerate(bindings):
        halves = one.split() if position < owner else None
        if halves is not None:
            links.append(halves[0])
            inside.append(halves[1])
        elif one.link is not None:
            links.append(one.link)
        if position == owner:
            links += inside
    return links


def _way_in(run: Run, marks: tuple[StateMark, ...], owner: object) -> Enter:
    """What is called in place of the handler: the chain, and the last answer to its errors."""

    async def enter(request: web.Request, handler: Handler) -> web.StreamResponse:
        state = State(request, handler, marks, owner)
        try:
            return await run(request, state)
        except Exception as error:
            answer = last_answer(request, error, state.response)
            if answer is None:
                raise
            return answer
        finally:
            state.end()

    return enter
