"""A policy is a value; this is how it rides on a handler and is found there again.

A handler that is decorated is put behind a transparent proxy, which looks like the handler in
every way and remembers the policies; the function itself is left untouched. A `web.View` class
cannot be proxied (aiohttp asks `issubclass` of it), so its policies stand in the class.
"""

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast, final

import wrapt
from aiohttp import hdrs, web
from aiohttp.abc import AbstractView

from routeguard.asking import Asked, Stated
from routeguard.configuration import ConfigError, shown
from routeguard.finding import Finding

__all__ = [
    "Guarded",
    "Handler",
    "Policy",
    "is_async",
    "kind_name",
    "kind_of",
    "misuse",
    "policies_of",
    "proxied_by",
]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
H = TypeVar("H", bound=Callable[..., object])

NO_CODES: Mapping[str, str] = MappingProxyType({})
VIEW_ATTRIBUTE = "__routeguard_policies__"


class Policy:
    """What every kind of policy is: a value that decorates, stands in a rule, or is a fallback.

    A class derived directly from this one is a new *kind* of policy, with a decorator, precedence
    and `explain` line of its own. Derive a frozen, slotted dataclass and override `handle`::

        @dataclass(frozen=True, slots=True)
        class audited(Policy):
            async def handle(self, request, handler):
                response = await handler(request)
                log.info("%s %s", request.path, response.status)
                return response

    Kinds of your own nest inside `errors` and `csrf` and outside `timeout`; among each other in
    the alphabetical order of their names.
    """

    __slots__ = ()

    adds_up: ClassVar[bool] = False
    """Whether all statements of this kind apply to a request, instead of the nearest alone."""

    finding_codes: ClassVar[Mapping[str, str]] = NO_CODES
    """The codes of what `findings` of this kind finds, each with its title."""

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

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Applies the policy to one request; a kind of your own overrides it.

        Args:
            request: the request.
            handler: what to await with the request to go on inwards.

        Returns:
            The response.
        """
        return await handler(request)

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

    def names_kind(self) -> bool:
        """Whether this very value stands for its whole kind, as in `exempt(shield)`."""
        return False


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

    def __init__(self, wrapped: Callable[..., object], policies: tuple[Policy, ...]) -> None:
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
        stated = (policy, *vars(handler).get(VIEW_ATTRIBUTE, ()))
        setattr(handler, VIEW_ATTRIBUTE, stated)
        return handler
    proxy: object = handler
    if type(proxy) is Guarded:
        # One layer, however many decorators: each further proxy would cost every request.
        stated = (policy, *proxy._self_policies)
        return cast(H, Guarded(proxy.__wrapped__, stated))
    if isinstance(handler, Policy) or not callable(handler):
        raise ConfigError(
            f"{policy!r} decorates {shown(handler)}, which handles no requests: "
            f"decorate a handler function, method, callable object or web.View"
        )
    return cast(H, Guarded(handler, (policy,)))


def policies_of(handler: object, method: str) -> list[tuple[str, str, Policy]]:
    """What is stated on a handler, nearest first, each with a word on where.

    Args:
        handler: a route's handler.
        method: the request's method, which chooses the method of a `web.View`.

    Returns:
        Triples of place (`"decorator"`, `"view method"`, `"view class"`), the class that states it
        where a class does, and policy. The outermost of several decorators comes first.
    """
    found: list[tuple[str, str, Policy]] = []
    for layer in _layers(handler):
        if type(layer) is Guarded:
            found.extend(("decorator", "", policy) for policy in layer._self_policies)
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
    for layer in _layers(handler):
        if isinstance(layer, Policy):
            return _missing_parentheses(layer)
        if isinstance(layer, type) and issubclass(layer, AbstractView):
            for name in hdrs.METH_ALL:
                member = inspect.getattr_static(layer, name.lower(), None)
                for inner in _layers(member):
                    if isinstance(inner, Policy):
                        return f"its method {name.lower()}: {_missing_parentheses(inner)}"
    return None


def _missing_parentheses(policy: Policy) -> str:
    name = kind_name(kind_of(type(policy)))
    return (
        f"the policy {policy!r} stands in the handler's place, so @{name} was written without "
        f"its parentheses: write @{name}(...) above the handler"
    )


def _layers(handler: object) -> Iterator[object]:
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


def _view_policies(view: type, method: str) -> Iterator[tuple[str, str, Policy]]:
    # A view's methods are found by lower-cased name; METH_ALL keeps "REQUEST" from being one.
    if method in hdrs.METH_ALL:
        member = inspect.getattr_static(view, method.lower(), None)
        for layer in _layers(member):
            if type(layer) is Guarded:
                for policy in layer._self_policies:
                    yield "view method", "", policy
    for base in view.__mro__:
        for policy in vars(base).get(VIEW_ATTRIBUTE, ()):
            yield "view class", base.__qualname__, policy
