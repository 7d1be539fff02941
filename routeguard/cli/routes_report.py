"""What `routes` answers: the fallbacks once, and for each route what is stated nearer."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from routeguard.cli.columns import Line, Piece
from routeguard.policies.exempt import exempt
from routeguard.policy import Policy
from routeguard.telling.explain import Considered, PolicyExplanation
from routeguard.telling.survey import SurveyedApplication, SurveyedRoute

__all__ = ["routes_report"]

DIM = "bright_black"
EMPTY = Line(Piece(""))
PLACE_STYLES = {"rule": "yellow", "fallback": DIM}


def routes_report(
    routes: Sequence[SurveyedRoute],
    applications: Sequence[SurveyedApplication],
    kinds: Sequence[str],
    *,
    everything: bool,
) -> Iterator[Line]:
    """A line for each route, and below it a line for each policy.

    Args:
        routes: the routes to show.
        applications: the applications that were given to `setup`.
        kinds: the kinds of policy to show.
        everything: whether each route shows the fallbacks that apply to it; else they are
            stated once, above the routes of their application.
    """
    if not routes:
        yield Line(Piece("no route"))
        return
    fallbacks = {one.mounts: one.fallbacks for one in applications}
    entered: set[tuple[str, ...]] = set()
    mounts: tuple[str, ...] = ()
    for route in routes:
        for around in _around(route.mounts, entered, mounts):
            if around or entered:
                yield EMPTY
                yield Line(Piece(around[-1] if around else "/", "bold"))
            if around not in entered and not everything:
                yield from _fallbacks(fallbacks.get(around, ()), kinds)
            entered.add(around)
        mounts = route.mounts
        yield from _route(route, kinds, everything=everything)
    yield EMPTY
    yield from _summary(routes, kinds)


def _around(
    now: tuple[str, ...], entered: Collection[tuple[str, ...]], before: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """The applications to name above a route: new ones, and one that was left and goes on."""
    new = [now[:depth] for depth in range(len(now) + 1) if now[:depth] not in entered]
    return new or ([now] if now != before else [])


def _fallbacks(stated: Iterable[tuple[str, Policy]], kinds: Collection[str]) -> Iterator[Line]:
    shown: list[Policy] = []
    for kind, policy in stated:
        if kind in kinds and policy not in shown:  # one exempt stands for several kinds
            shown.append(policy)
    if shown:
        yield Line(Piece("fallbacks", DIM))
        yield from (Line(Piece(f"{policy:full}"), depth=1) for policy in shown)
        yield EMPTY


def _route(route: SurveyedRoute, kinds: Collection[str], *, everything: bool) -> Iterator[Line]:
    yield Line(Piece(route.path), Piece(route.handler, DIM), Piece(_methods(route), "bold"))
    if not route.set_up:
        yield _below("not set up", "", "red")
    for place in route.split_by:
        yield _below("split by", place, "red")
    for kind in route.kinds:
        if kind.kind in kinds:
            for text, place in _applying(kind):
                if everything or not place.startswith("fallback"):
                    yield _below(text, place, PLACE_STYLES.get(place.partition(" ")[0], "cyan"))


def _below(text: str, place: str, style: str) -> Line:
    return Line(Piece(text, "" if place else style), Piece(place, style), Piece(""), depth=1)


def _methods(route: SurveyedRoute) -> str:
    # aiohttp adds HEAD to every GET.
    return "GET" if route.methods == ("GET", "HEAD") else ",".join(route.methods)


def _applying(kind: PolicyExplanation) -> Iterator[tuple[str, str]]:
    """What has the last word about a kind, each with its place, outermost first."""
    deciding = [one for one in kind.considered if one.verdict == "applies"]
    order = {id(one): place for place, one in enumerate(kind.policies)}
    deciding.sort(key=lambda one: order.get(id(one.policy), len(order)))
    for one in deciding:
        applies = one.policy in kind.policies or isinstance(one.policy, exempt)
        # A policy that is not for the method matters where it keeps another one away.
        if applies or len(kind.considered) > 1:
            yield _text(one, kind), one.place


def _text(one: Considered, kind: PolicyExplanation) -> str:
    if isinstance(one.policy, exempt):
        return f"{one.policy!r}" if one.policy.values else f"exempt({kind.kind})"
    if one.policy not in kind.policies:
        return kind.note  # it is not for the method
    return f"{one.policy:full}"


def _summary(routes: Sequence[SurveyedRoute], kinds: Sequence[str]) -> Iterator[Line]:
    if any(route.split_by for route in routes):
        yield Line(
            Piece(
                "A route that is split may have paths to which the rule applies: see explain.", DIM
            )
        )
    stated = {kind.kind for route in routes for kind in route.kinds if kind.considered}
    unstated = [kind for kind in kinds if kind not in stated]
    count = f"{len(routes)} route{'' if len(routes) == 1 else 's'}"
    nowhere = f"; none of them has {', '.join(unstated)}" if unstated else ""
    yield Line(Piece(f"{count}{nowhere}", DIM))
