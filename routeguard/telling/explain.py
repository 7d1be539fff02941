"""`explain`: what applies to a request, and why, told by what serves requests."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from routeguard.configuration import ConfigError, shown
from routeguard.policies.cors.policy import cors
from routeguard.policies.cors.preflight import REQUEST_METHOD, Refusal, judge
from routeguard.policies.csrf import csrf
from routeguard.policies.https.policy import https
from routeguard.policies.shield.policy import Shield
from routeguard.policy import Policy, kind_name
from routeguard.routes.dry_run import is_routed, resolve_now
from routeguard.routes.handlers import handler_name
from routeguard.routes.names import ambiguous, text_of
from routeguard.routes.resolution import Decision, positions_of, resolve
from routeguard.routes.scope import SCOPE, Statement
from routeguard.telling.standin import StandIn

__all__ = ["Considered", "Explanation", "PolicyExplanation", "explain", "explain_decision"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Considered:
    """One statement about a kind of policy.

    Attributes:
        policy: what is stated.
        place: where: `"decorator"`, `"view method"`, `"view class"`, `'rule 3 "/api/*"'` or
            `"fallback"`.
        verdict: what became of it: `"applies"`, or why it does not.
    """

    policy: Policy
    place: str
    verdict: str


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
        lines = [f"{one.policy!r}  ({one.place})" for one in applying]
        if not any(one.policy in self.policies for one in applying):
            lines = ["none" + "".join(f": {one.policy!r}  ({one.place})" for one in applying)]
        lines += [f"  not {one.policy!r}  ({one.place}): {one.verdict}" for one in others]
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
        scheme: the scheme that the application would see.
        cors: what becomes of the origin: `"allowed"`, or why it is refused; empty without one.
        preflight: what a preflight for this method would answer, and why.
        notes: what else there is to say, such as where cors and csrf disagree.
    """

    method: str
    path: str
    route: str | None
    handler: str
    status: int | None
    kinds: tuple[PolicyExplanation, ...]
    scheme: str
    cors: str
    preflight: str
    notes: tuple[str, ...]

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
        rows = [("route", f"{place}"), *((one.kind, str(one)) for one in self.kinds)]
        rows.append(("scheme", self.scheme))
        rows += [("origin", self.cors)] if self.cors else []
        rows += [("preflight", self.preflight)] if self.preflight else []
        rows += [("note", note) for note in self.notes]
        lines = [f"{self.method} {self.path}"]
        for name, text in rows:
            first, *rest = text.split("\n")
            lines += [f"  {name:<10} {first}", *(f"  {'':<10} {line}" for line in rest)]
        return "\n".join(lines)


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
        headers: further headers. Default: none.

    Returns:
        A value that prints well.

    Raises:
        ConfigError: no application in it was given to `setup`; the path is none.
    """
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
    asked = cast(web.Request, StandIn(method, url, fields))
    kinds = tuple(explain_decision(one, method) for one in resolution.decisions.values())
    sharing, secured = resolution.policy(cors), resolution.policy(https)
    own_csrf = resolution.policy(csrf)
    verdict, preflight = "", ""
    if isinstance(sharing, cors):
        routed = is_routed(match_info, method)
        verdict = _verdict(sharing, asked) if origin is not None else ""
        if origin is not None or sharing.everyone:
            preflight = _preflight(sharing, asked, method, routed=routed)
    elif origin is not None:
        verdict = "no cors policy: no CORS header is sent, and browsers refuse the page"
        preflight = "no cors policy: the application's own business"
    refusal = own_csrf.refusal(asked) if isinstance(own_csrf, csrf) else None
    notes = [] if refusal is None else [f"csrf refuses it with 403: {refusal}"]
    if refusal is not None and verdict == "allowed":
        notes.append(
            "cors allows this origin and csrf does not: list it in csrf(trusted_origins=…) if "
            "its pages are to change anything"
        )
    error = match_info.http_exception
    return Explanation(
        method=method,
        path=path,
        route=_route_name(match_info),
        handler="" if error is not None else handler_name(match_info.handler),
        status=None if error is None else error.status,
        kinds=kinds,
        scheme=_scheme(secured if isinstance(secured, https) else None, asked),
        cors=verdict,
        preflight=preflight,
        notes=tuple(notes),
    )


def _route_name(match_info: web.UrlMappingMatchInfo) -> str | None:
    resource = match_info.route.resource
    if resource is None:
        return None
    shared = ambiguous(match_info.apps[-1].router.resources())
    return text_of(resource) if resource.canonical in shared else resource.canonical


def explain_decision(decision: Decision, method: str) -> PolicyExplanation:
    """A decision, with a word on each statement that was considered."""
    policies: tuple[Policy, ...] = tuple(one.policy for one in decision.winners)
    note = ""
    shield = decision.policy
    if isinstance(shield, Shield) and not shield.covers(method):
        policies, note = (), f"{shield!r} is not for {method}"
    considered = tuple(
        Considered(one.policy, one.place, _verdict_on(one, decision)) for one in decision.considered
    )
    return PolicyExplanation(kind_name(decision.kind), policies, considered, note)


def _verdict_on(statement: Statement, decision: Decision) -> str:
    if statement in decision.winners or statement is decision.exempted:
        return "applies"
    nearest = decision.considered[0]
    if not decision.kind.adds_up:
        return f"{nearest.place} is nearer"
    if any(statement.policy == winner.policy for winner in decision.winners):
        return "runs once, at its outermost place"
    return "exempted nearer to the handler" if statement.policy.adds_up else "applies"


def _verdict(policy: cors, request: web.Request) -> str:
    try:
        origin = _drive(policy.allowed_origin(request))
    except RuntimeError as error:
        return str(error)
    if isinstance(request, StandIn) and request.missed:
        return f"the predicate reads request.{request.missed}: only a running server can tell"
    return "refused: the origin is not allowed" if origin is None else "allowed"


def _preflight(policy: cors, request: web.Request, method: str, *, routed: bool) -> str:
    request.headers.setdefault(REQUEST_METHOD, method)  # type: ignore[attr-defined]
    try:
        granted = _drive(judge(policy, request, method, routed=routed))
    except Refusal as refusal:
        if isinstance(request, StandIn) and request.missed:
            return _verdict(policy, request)
        return f"403: {refusal}"
    except RuntimeError as error:
        return str(error)
    return "204" + "".join(f"\n{name}: {value}" for name, value in granted.items())


def _scheme(policy: https | None, request: web.Request) -> str:
    if policy is None:
        return "that of the connection"
    if policy.matching_header(request) is None:
        return "http" + (", which is redirected or refused" if policy.redirect else "")
    return f"https, if the proxy is among {', '.join(policy.trusted)}"


def _drive(waiting: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        waiting.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    waiting.close()
    raise RuntimeError("the predicate waits for something: only a running server can tell")
