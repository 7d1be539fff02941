"""`explain`: which policies apply to a request, and why. It asks what serves requests, too."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from routeguard.asking import Asked, Seen
from routeguard.configuration import ConfigError, shown
from routeguard.network.addresses import UNIX, read_address
from routeguard.policy import Policy, kind_name, kind_of
from routeguard.routes.dry_run import is_routed, resolve_now
from routeguard.routes.handlers import handler_name
from routeguard.routes.names import ambiguous, text_of
from routeguard.routes.resolution import Decision, Resolution, positions_of, resolve
from routeguard.routes.scope import SCOPE, Statement
from routeguard.running.application import RUNNING
from routeguard.telling.standin import StandIn

__all__ = ["Considered", "Explanation", "PolicyExplanation", "explain", "explain_decision"]

Row = tuple[str, str]

NO_CORS: tuple[Row, ...] = (
    ("origin", "no cors policy: no CORS header is sent, and browsers refuse the page"),
    ("preflight", "no cors policy: the application's own business"),
)
"""The rows for an origin where no policy gives any."""


@dataclass(frozen=True, slots=True)
class Considered:
    """One statement about a kind of policy.

    Attributes:
        policy: what is stated.
        place: where: `"decorator"`, `"view method"`, `"view class"`, `'rule 3 "/api/*"'` or
            `"fallback"`.
        verdict: what became of it: `"applies"`, or why it does not.
        status: what there is to tell of it while the application serves, such as
            `"redis://host:6379/0: connected"`; empty where there is nothing.
    """

    policy: Policy
    place: str
    verdict: str
    status: str = ""


@dataclass(frozen=True, slots=True)
class PolicyExplanation:
    """What applies of one kind of policy, and what else was considered.

    Attributes:
        kind: the name of the kind.
        policies: what applies, outermost first; at most one, but for `use`.
        considered: every statement about the kind, nearest first.
        note: what depends on the request beyond that; empty where nothing does.
    """

    kind: str
    policies: tuple[Policy, ...]
    considered: tuple[Considered, ...]
    note: str = ""

    def __str__(self) -> str:
        applying = [one for one in self.considered if one.verdict == "applies"]
        if all(one.policy in self.policies for one in applying):
            applying.sort(key=lambda one: self.policies.index(one.policy))
        others = [one for one in self.considered if one.verdict != "applies"]
        lines = [f"{one.policy:full}  ({one.place})" for one in applying]
        if not any(one.policy in self.policies for one in applying):
            lines = ["none" + "".join(f": {one.policy:full}  ({one.place})" for one in applying)]
        lines += [f"  not {one.policy:full}  ({one.place}): {one.verdict}" for one in others]
        lines += [f"  {self.note}"] if self.note else []
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What applies to a request, and why; `str()` of it is made for reading.

    Attributes:
        method: the method asked about.
        path: the path asked about.
        route: the canonical pattern of the route that matches, or its text in full where other
            resources share the canonical pattern; `None` where no route matches.
        handler: the handler's name; empty where no route matches.
        status: 404 or 405 where no route matches; `None` otherwise.
        kinds: one entry for each kind of policy, in the order in which they nest.
        rows: what the policies that apply tell of the request, each a name and a text.
    """

    method: str
    path: str
    route: str | None
    handler: str
    status: int | None
    kinds: tuple[PolicyExplanation, ...]
    rows: tuple[Row, ...]

    @property
    def address(self) -> str:
        """The client's address that the application would see."""
        return self._told("address")

    @property
    def scheme(self) -> str:
        """The scheme that the application would see."""
        return self._told("scheme")

    @property
    def host(self) -> str:
        """The host that the application would see; empty where no proxy may say another one."""
        return self._told("host")

    @property
    def cors(self) -> str:
        """`"allowed"`, or why the origin is refused; empty without an origin."""
        return self._told("origin")

    @property
    def preflight(self) -> str:
        """What a preflight for this method would answer, and why."""
        return self._told("preflight")

    @property
    def notes(self) -> tuple[str, ...]:
        """What else there is to say, such as where cors and csrf disagree."""
        return tuple(text for name, text in self.rows if name == "note")

    def _told(self, name: str) -> str:
        return next((text for one, text in self.rows if one == name), "")

    def __getitem__(self, kind: str | type[Policy] | Policy) -> PolicyExplanation:
        """The entry of a kind, by its name or by the kind: `explanation["timeout"]`."""
        name = kind if isinstance(kind, str) else _name_of(kind)
        for one in self.kinds:
            if one.kind == name:
                return one
        raise KeyError(name)

    def policy(self, kind: str | type[Policy] | Policy) -> Policy | None:
        """The policy of a kind that applies; `None` where none does."""
        applying = self[kind].policies
        return applying[0] if applying else None

    def __str__(self) -> str:
        place = f"{self.route} -> {self.handler}" if self.route is not None else self.status
        rows = [("route", f"{place}"), *self.told]
        width = max(len(name) for name, _ in rows)
        lines = [f"{self.method} {self.path}"]
        for name, text in rows:
            first, *rest = text.split("\n")
            lines += [f"  {name:<{width}}  {first}", *(f"  {'':<{width}}  {one}" for one in rest)]
        return "\n".join(lines)

    @property
    def told(self) -> tuple[Row, ...]:
        """Every row below the route, `rows` included."""
        stated = [(one.kind, str(one)) for one in self.kinds if one.considered]
        others = ", ".join(one.kind for one in self.kinds if not one.considered)
        return (*stated, *([("none", others)] if others else []), *self.rows)


def _name_of(kind: type[Policy] | Policy) -> str:
    return kind_name(kind if isinstance(kind, type) else type(kind))


def explain(
    app: web.Application,
    method: str,
    path: str,
    *,
    origin: str | None = None,
    host: str | None = None,
    headers: Mapping[str, str] | None = None,
    peer: str | None = None,
) -> Explanation:
    """What applies to a request, and why.

    It comes from the same resolution that serves requests. The application need not have
    started.

    Args:
        app: the application, as it is served: the outermost one.
        method: the request's method.
        path: its path, percent-encoded as a client sends it; a query is allowed.
        origin: the `Origin` of the page that sends it. Default: none is sent.
        host: its `Host`, where domains are routed or csrf is to be asked. Default: none.
        headers: further headers, such as those that a proxy adds. Default: none.
        peer: the address that the connection comes from, such as a proxy's, or `"unix"`.
            Default: not said, so that what depends on it is told with its condition.

    Returns:
        A value that prints well.

    Raises:
        ConfigError: no application in it was given to `setup`; the path, or the peer, is none.
    """
    seen = _seen_from(peer)
    if not isinstance(path, str) or not path.startswith("/"):
        raise ConfigError(f"explain(path={shown(path)}): a path begins with /: write '/api/orders'")
    method = method.upper()
    fields = CIMultiDict(headers or {})
    if origin is not None:
        fields["Origin"] = origin
    if host is not None:
        fields["Host"] = host
    raw_path, _, query = path.partition("?")
    url = URL.build(path=raw_path, query_string=query, encoded=True)
    match_info = resolve_now(app, method, url, fields)
    if not any(SCOPE in one for one in match_info.apps):
        raise ConfigError(f"explain: no application around {path} was given to setup")
    resolution = resolve(match_info, method, positions_of(match_info, method, url.path, url))
    kinds = tuple(explain_decision(one, method) for one in resolution.decisions.values())
    error = match_info.http_exception
    return Explanation(
        method=method,
        path=path,
        route=_route_name(match_info),
        handler="" if error is not None else handler_name(match_info.handler),
        status=None if error is None else error.status,
        kinds=kinds,
        rows=_rows(resolution, match_info, method, url, fields, seen),
    )


def _seen_from(peer: str | None) -> Seen:
    """How a request from a peer is seen before any policy has seen it."""
    if peer is None:
        return Seen()
    if peer == UNIX:
        return Seen(peer=UNIX, remote="", scheme="http")
    address = read_address(peer) if isinstance(peer, str) else None
    if address is None:
        raise ConfigError(f"explain(peer={shown(peer)}): no address: write '10.0.0.7', or 'unix'")
    return Seen(peer=address, remote=str(address), scheme="http")


def _rows(
    resolution: Resolution,
    match_info: web.UrlMappingMatchInfo,
    method: str,
    url: URL,
    headers: CIMultiDict[str],
    seen: Seen,
) -> tuple[Row, ...]:
    """What the policies that apply tell of a request, those outside first; notes last."""
    origin = headers.get("Origin")
    routed = is_routed(match_info, method)
    rows: list[Row] = []
    for decision in resolution.decisions.values():
        for one in decision.winners:
            if one.policy.covers(method):  # each has a stand-in of its own to do with as it likes
                request = cast(web.BaseRequest, StandIn(method, url, headers, seen))
                asked = Asked(request, method, origin, routed, one.place, dict(rows), seen)
                rows += _told_by(one.policy, asked)
    told = {name for name, _ in rows}
    if "scheme" not in told:
        rows.insert(0, ("scheme", "that of the connection"))
    if "address" not in told and seen.peer is not None:
        rows.insert(0, ("address", seen.remote or "none, on a Unix socket"))
    if origin is not None:
        rows += [row for row in NO_CORS if row[0] not in told]
    return tuple(sorted(rows, key=lambda row: row[0] == "note"))


def _told_by(policy: Policy, asked: Asked) -> Iterator[Row]:
    try:
        yield from policy.explain(asked)
    except AttributeError:
        if not asked.missed:
            raise
        name = kind_name(kind_of(type(policy)))
        yield "note", f"{name} reads request.{asked.missed}: only a running server can tell"


def _route_name(match_info: web.UrlMappingMatchInfo) -> str | None:
    resource = match_info.route.resource
    if resource is None:
        return None
    shared = ambiguous(match_info.apps[-1].router.resources())
    return text_of(resource) if resource.canonical in shared else resource.canonical


def explain_decision(decision: Decision, method: str) -> PolicyExplanation:
    """A decision, with a word on each statement that was considered."""
    winners = [one.policy for one in decision.winners]
    policies = tuple(policy for policy in winners if policy.covers(method))
    left = [policy for policy in winners if not policy.covers(method)]
    note = f"{', '.join(map(repr, left))} is not for {method}" if left else ""
    considered = tuple(
        Considered(one.policy, one.place, _verdict_on(one, decision), _status_of(one))
        for one in decision.considered
    )
    return PolicyExplanation(kind_name(decision.kind), policies, considered, note)


def _status_of(statement: Statement) -> str:
    running = statement.app.get(RUNNING)
    while running is not None and running.part_of is not None:
        running = running.part_of
    if running is None:
        return ""
    told = (service.status_of(statement.policy) for service in running.services)
    return next((status for status in told if status), "")


def _verdict_on(statement: Statement, decision: Decision) -> str:
    if statement in decision.winners or statement is decision.exempted:
        return "applies"
    nearest = decision.considered[0]
    if not decision.kind.adds_up:
        return f"{nearest.place} is nearer"
    if decision.kind.distinct and any(
        statement.policy == winner.policy for winner in decision.winners
    ):
        return "runs once, at its outermost place"
    return "exempted nearer to the handler" if statement.policy.adds_up else "applies"
