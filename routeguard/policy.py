"""Policies as values, and how they are attached to handlers and read back.

A decorated handler is put behind a transparent proxy, which looks like the handler in every way
and holds the policies; the function itself is not changed. A `web.View` class cannot be proxied,
since aiohttp asks `issubclass` of it: its policies stand in an attribute of the class.
"""

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast, final

import wrapt
from aiohttp import hdrs, web
from aiohttp.abc import AbstractView

from routeguard.asking import Asked, PlaceKind, Stated
from routeguard.configuration import ConfigError, shown
from routeguard.finding import Finding
from routeguard.running.application import Running
from routeguard.running.events import Action
from routeguard.running.state import Run, StateMark

__all__ = [
    "Attached",
    "Bound",
    "Guarded",
    "Handler",
    "Link",
    "Middleware",
    "Place",
    "PlaceKind",
    "Policy",
    "is_async",
    "kind_name",
    "kind_of",
    "layers",
    "misuse",
    "policies_of",
    "proxied_by",
]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
H = TypeVar("H", bound=Callable[..., object])

NO_CODES: Mapping[str, str] = MappingProxyType({})
VIEW_ATTRIBUTE = "__routeguard_policies__"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a policy is stated.

    Attributes:
        text: the place in words: `'rule 3 "/api/*"'`, `"fallback"`, `"decorator"`.
        kind: what it is: `"decorator"`, `"view method"`, `"view class"`, `"rule"` or
            `"fallback"`.
        app: the application that states it; of a decorator, the handler's own.
        handler: the name of the handler that it stands on; empty for a rule or fallback.
    """

    text: str
    kind: PlaceKind
    app: web.Application = field(repr=False)
    running: Running = field(repr=False, compare=False)
    """The run of the application for which the policy is bound."""
    handler: str = ""

    def __str__(self) -> str:
        return self.text

    def tell(
        self,
        request: web.BaseRequest,
        policy: str,
        action: Action,
        *,
        status: int | None = None,
        error: BaseException | None = None,
        seconds: float | None = None,
        bound: str | None = None,
    ) -> None:
        """Tells observers that the policy that stands here did something to a request.

        Call it in the request's own task: observers find the current span and the context
        variables of the request there.

        Args:
            request: the request.
            policy: the name of the policy's kind.
            action: what was done, as `Event` has it.
            status: the status of the answer that the policy gave.
            error: the exception that was answered, or that ended the work.
            seconds: the bound that was passed, or how long the work had run.
            bound: which bound was passed.
        """
        self.running.observers.tell(
            request,
            policy,
            action,
            place=self.text,
            status=status,
            error=error,
            seconds=seconds,
            bound=bound,
        )


class Policy:
    """The base of all kinds of policy: a value that decorates, stands in a rule, or is a fallback.

    A class derived directly from this one is a new *kind* of policy, with a decorator, precedence
    and `explain` line of its own. Derive a frozen, slotted dataclass and override `handle`::

        @dataclass(frozen=True, slots=True)
        class audited(Policy):
            async def handle(self, request, handler):
                response = await handler(request)
                log.info("%s %s", request.path, response.status)
                return response

    A kind may override `mark` as well, to write headers on whatever leaves, and `bind`, where it
    needs something while it serves: a value holds no state of a running application.

    Kinds of your own nest inside `errors` and `csrf` and outside `timeout`; among each other in
    the alphabetical order of their names. With `innermost = True` they nest inside `shield`, right
    around the handler's work.

    The names `bind`, `handle`, `mark`, `start`, `stop`, `covers`, `conflict`, `explain`,
    `findings`, `finding_codes`, `names_kind`, `on_every_route`, `adds_up`, `distinct` and
    `innermost` are the base class's: no field of a kind may be called so.
    """

    __slots__ = ()

    adds_up: ClassVar[bool] = False
    """Whether all statements of this kind apply to a request, instead of the nearest alone."""

    distinct: ClassVar[bool] = True
    """Whether equal values of a kind that adds up apply once, at the outermost place."""

    finding_codes: ClassVar[Mapping[str, str]] = NO_CODES
    """The codes of what `findings` of this kind finds, each with its title."""

    innermost: ClassVar[bool] = False
    """Whether a kind of your own nests inside `shield`, right around the handler's work."""

    def __call__(self, handler: H) -> H:
        """Decorates a handler (function, method, partial, callable object or `web.View` class).

        Args:
            handler: what aiohttp is going to be given as handler.

        Returns:
            The handler, of the same type, with this policy stated on it. The function that was
            decorated is not changed; a view class is returned itself.

        Raises:
            ConfigError: it is not something that handles requests.
        """
        return _attach(self, handler)

    def bind(self, place: Place) -> object:
        """Makes what serves requests for one statement of this policy.

        It is called once for each statement and run of an application, when the application
        starts.

        Args:
            place: where the policy is stated.

        Returns:
            An object with any of these methods, each of which is as described here: `handle`,
            `mark`, `start`, `stop`. Default: the policy itself.
        """
        return self

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Applies the policy to one request.

        Args:
            request: the request.
            handler: what to await with the request to go on inwards.

        Returns:
            The response.
        """
        return await handler(request)

    def __format__(self, spec: str) -> str:
        """The value as text; `f"{policy:full}"` leaves out nothing, as `repr` may of many items."""
        return repr(self) if spec == "full" else object.__format__(self, spec)

    def covers(self, method: str) -> bool:
        """Whether there is anything for this policy to do on requests with a method.

        `explain`, `routes` and `check` ask it. A policy that says no applies to none of them.

        Args:
            method: the method, in upper case.

        Returns:
            Whether it applies. Default: to every method.
        """
        return True

    def explain(self, asked: Asked) -> Iterable[tuple[str, str]]:
        """What `explain` tells of this policy for one request, beyond that it applies.

        Args:
            asked: the request.

        Returns:
            Rows of a name (`"scheme"`, `"origin"`, `"note"`) and a text of one or several lines.
            Default: none.
        """
        return ()

    def findings(self, stated: Stated) -> Iterable[Finding]:
        """What looks wrong about this policy where it is stated; `check` asks it.

        Args:
            stated: where it is stated, and the routes to which it applies.

        Returns:
            The findings, each with `stated.place` for its place, and a code from
            `finding_codes`. Default: none.
        """
        return ()

    def mark(self, request: web.Request, response: web.StreamResponse) -> Awaitable[None] | None:
        """Writes on a response that leaves, of whatever kind it is.

        It is called when the headers are about to be sent: for streams, files and WebSocket
        handshakes, for 404s, for the answers of error handlers, and for aiohttp's own 500.

        Args:
            request: the request.
            response: the response, whose headers may be changed.

        Returns:
            Something to await, or `None`.
        """
        return None

    async def start(self) -> None:
        """Is awaited when the application starts, before it serves any request."""

    async def stop(self) -> None:
        """Is awaited when the application is cleaned up, after the last request."""

    @classmethod
    def on_every_route(cls, running: Running, method: str) -> "Bound | None":
        """What a kind of the library does on every route, also where it is not stated.

        Args:
            running: the run of the application.
            method: the method of the requests, in upper case.

        Returns:
            What handles them; `None` where nothing is to be done. Default: `None`.
        """
        return None

    def conflict(self, other: "Policy") -> str | None:
        """Why this value and another of a kind that adds up cannot stand in one list.

        Args:
            other: a value of the same kind, in the same rule or among the same fallbacks.

        Returns:
            What is wrong with both, for an error message; `None` where nothing is.
        """
        return None

    def names_kind(self) -> bool:
        """Whether this very value stands for its whole kind, as in `exempt(shield)`."""
        return False


Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]

Link = Callable[[Run], Run]
"""Puts a policy around what is inside it."""


class Bound:
    """The base of what `bind` returns for the library's own kinds.

    It has `link` in place of `handle`, and `marks` in place of `mark`. Both are asked once for each
    plan, not for each request, and what they return is given the state of the request. That
    costs less than a handler that is made for each request.
    """

    __slots__ = ()

    owns_work: ClassVar[bool] = False
    """Whether what is inside goes on without the client, in a task of its own."""

    def for_method(self, method: str) -> "Bound | None":
        """What serves requests with a method; `None` where there is nothing to do for them."""
        return self

    def link(self, inner: Run) -> Run:
        """The chain with this policy around what is inside."""
        return inner

    def split(self) -> "tuple[Link, Link] | None":
        """The link in two, for where the work inside is owned (`owns_work`).

        The first stands in the link's place and awaits nothing by itself: a client that hangs up
        at once would be lost in it. The second stands inside the owned task. `None`: the link
        awaits nothing in any case.
        """
        return None

    def marks(self) -> StateMark | None:
        """What writes on responses that leave; `None` where there is nothing to write."""
        return None

    def refuses_body(self, request: web.Request) -> bool:
        """Whether `Expect: 100-continue` is not to be answered with a 100.

        aiohttp answers it before any middleware is asked. The policy is asked again, as part of
        the chain, and refuses the request there.
        """
        return False

    def beside_handler(self) -> tuple[Middleware, web.Application] | None:
        """A middleware to run inside the application's own, and the application that stated it."""
        return None

    def join(self, farther: "Sequence[Bound]") -> "Bound | None":
        """One object in place of this statement and all farther ones of a kind that adds up.

        Args:
            farther: the other statements that apply, nearest first.

        Returns:
            The object; `None` where each statement stands by itself.
        """
        return None

    async def start(self) -> None:
        """As `Policy.start`."""

    async def stop(self) -> None:
        """As `Policy.stop`."""


@final
class Attached:
    """One policy on one handler.

    It is compared by identity: the same value on two handlers is two statements, and one
    decorated handler on two routes is one.
    """

    __slots__ = ("policy",)

    def __init__(self, policy: Policy) -> None:
        self.policy: Policy = policy

    def __repr__(self) -> str:
        return f"Attached({self.policy!r})"


def kind_of(policy_type: type[Policy]) -> type[Policy]:
    """The kind that a policy type belongs to: the ancestor derived directly from `Policy`."""
    below = [base for base in policy_type.__mro__ if issubclass(base, Policy)]
    return below[-2] if len(below) > 1 else policy_type


def kind_name(kind: type[Policy]) -> str:
    """The name of a kind in explanations and logs."""
    return kind.__name__.lower()


if TYPE_CHECKING:
    Proxy = wrapt.CallableObjectProxy[Callable[..., object]]
else:  # generic in the stubs only
    Proxy = wrapt.CallableObjectProxy


@final
class Guarded(Proxy):
    """A handler with policies stated on it; transparent but for its identity.

    aiohttp caches what it builds for a handler by the handler's equality. wrapt compares a proxy
    as what it wraps, so two routes that share a function would share what is built: hence
    equality by identity.
    """

    def __init__(self, wrapped: Callable[..., object], policies: tuple[Attached, ...]) -> None:
        super().__init__(wrapped)
        self._self_policies = policies

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    if TYPE_CHECKING:

        def __hash__(self) -> int: ...
    else:  # aiohttp asks for it at each request, and a call of our own would take as long again
        __hash__ = object.__hash__

    def __get__(self, instance: object, owner: type | None = None) -> object:
        bind = getattr(type(self.__wrapped__), "__get__", None)
        bound = self.__wrapped__ if bind is None else bind(self.__wrapped__, instance, owner)
        if bound is self.__wrapped__:
            return self
        # A view calls its own method for each request; its policies were read from the class.
        return bound if isinstance(instance, AbstractView) else Guarded(bound, self._self_policies)

    def __copy__(self) -> "Guarded":
        return self  # as a function is its own copy

    def __deepcopy__(self, memo: object) -> "Guarded":
        return self

    def __reduce_ex__(self, protocol: object) -> str | tuple[object, ...]:
        found: object = sys.modules.get(self.__module__)
        for part in self.__qualname__.split("."):
            found = getattr(found, part, None)
        # By its name, as a function is pickled; under another name with its policies.
        return (
            self.__qualname__
            if found is self
            else (Guarded, (self.__wrapped__, self._self_policies))
        )


def proxied_by(handler: Handler) -> Handler:
    """The function that carries policies, without them; a handler without policies is itself."""
    # A proxy is called as what it wraps.
    return handler.__wrapped__ if isinstance(handler, Guarded) else handler  # type: ignore[return-value]


def is_async(call: Callable[..., object]) -> bool:
    """Whether something callable is a coroutine function, a callable object of one included."""
    method = inspect.getattr_static(type(call), "__call__", None)
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(method)


def _attach(policy: Policy, handler: H) -> H:
    if isinstance(handler, type):
        if not issubclass(handler, AbstractView):
            raise ConfigError(
                f"{policy!r} decorates the class {handler.__qualname__}, which is no web.View: "
                f"decorate a handler function, a method of the class or a web.View"
            )
        if handler is web.View or handler is AbstractView:
            raise ConfigError(
                f"{policy!r} decorates {handler.__name__} itself, and so every view there is: "
                f"decorate a class derived from it"
            )
        stated = (Attached(policy), *vars(handler).get(VIEW_ATTRIBUTE, ()))
        setattr(handler, VIEW_ATTRIBUTE, stated)
        return handler
    proxy: object = handler
    if type(proxy) is Guarded:
        # One layer, however many decorators: each further proxy would cost every request.
        stated = (Attached(policy), *proxy._self_policies)
        return cast(H, Guarded(proxy.__wrapped__, stated))
    if isinstance(handler, Policy) or not callable(handler):
        raise ConfigError(
            f"{policy!r} decorates {shown(handler)}, which handles no requests: "
            f"decorate a handler function, method, callable object or web.View"
        )
    return cast(H, Guarded(handler, (Attached(policy),)))


def policies_of(handler: object, method: str) -> list[tuple[PlaceKind, str, Attached]]:
    """What is stated on a handler, nearest first, each with a word on where.

    Args:
        handler: a route's handler.
        method: the request's method, which chooses the method of a `web.View`.

    Returns:
        Triples of place (`"decorator"`, `"view method"`, `"view class"`), the class that states it
        where a class does, and policy. The outermost of several decorators comes first.
    """
    found: list[tuple[PlaceKind, str, Attached]] = []
    for layer in layers(handler):
        if type(layer) is Guarded:
            found.extend(("decorator", "", attached) for attached in layer._self_policies)
        elif isinstance(layer, type):
            found.extend(_view_policies(layer, method))
    return found


def misuse(handler: object) -> str | None:
    """A policy standing where a handler should, as `@errors` without parentheses leaves it.

    Args:
        handler: a route's handler.

    Returns:
        What is wrong and what to write instead; `None` where nothing is.
    """
    for layer in layers(handler):
        if isinstance(layer, Policy):
            return _missing_parentheses(layer)
        if isinstance(layer, type) and issubclass(layer, AbstractView):
            for name in hdrs.METH_ALL:
                member = inspect.getattr_static(layer, name.lower(), None)
                for inner in layers(member):
                    if isinstance(inner, Policy):
                        return f"its method {name.lower()}: {_missing_parentheses(inner)}"
    return None


def _missing_parentheses(policy: Policy) -> str:
    name = kind_name(kind_of(type(policy)))
    return (
        f"the policy {policy!r} stands in the handler's place, so @{name} was written without "
        f"its parentheses: write @{name}(...) above the handler"
    )


def layers(handler: object) -> Iterator[object]:
    """The handler and all that it wraps, outermost first: proxies, decorators, partials, methods.

    Somebody else's decorator on top of ours hides the proxy; `functools.wraps` leaves a way in.
    """
    seen: set[int] = set()
    layer = handler
    while layer is not None and id(layer) not in seen:
        seen.add(id(layer))
        yield layer
        if isinstance(layer, type):
            return
        if type(layer) is not Guarded and isinstance(layer, functools.partial):
            layer = layer.func
        elif type(layer) is not Guarded and inspect.ismethod(layer):
            layer = layer.__func__
        else:
            inner = getattr(layer, "__wrapped__", None)
            layer = inner if inner is not None else _call_method(layer)


def _call_method(layer: object) -> object:
    if inspect.isroutine(layer) or isinstance(layer, Policy):
        return None
    return inspect.getattr_static(type(layer), "__call__", None)


def _view_policies(view: type, method: str) -> Iterator[tuple[PlaceKind, str, Attached]]:
    # A view's methods are found by lower-cased name; METH_ALL keeps "REQUEST" from being one.
    if method in hdrs.METH_ALL:
        member = inspect.getattr_static(view, method.lower(), None)
        for layer in layers(member):
            if type(layer) is Guarded:
                for attached in layer._self_policies:
                    yield "view method", "", attached
    for base in view.__mro__:
        for attached in vars(base).get(VIEW_ATTRIBUTE, ()):
            yield "view class", base.__qualname__, attached
