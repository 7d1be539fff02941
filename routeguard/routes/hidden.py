"""Policies that a foreign decorator hides: they are stated, and no request would have them."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from aiohttp import hdrs, web

from routeguard.policies.exempt import kinds_of
from routeguard.policy import Guarded, Policy, layers, policies_of
from routeguard.routes.handlers import handler_name, held_by, own_name
from routeguard.routes.names import decoded
from routeguard.routes.walk import method_order

__all__ = ["Hidden", "hidden_faults", "hidden_policies"]


@dataclass(frozen=True, slots=True)
class Hidden:
    """A handler below a foreign decorator, with the policies that are lost there.

    Attributes:
        policies: the policies whose kinds the handler outside does not state, outermost first.
        on: the name of the handler that they decorate.
        under: the name of the function that hides it.
    """

    policies: tuple[Policy, ...]
    on: str
    under: str

    def __str__(self) -> str:
        listed = ", ".join(map(repr, self.policies))
        return (
            f"{listed} on {self.on} never applies: {self.under} around it has no __wrapped__, so "
            f"that policies below it are not found"
        )

    @property
    def remedy(self) -> str:
        """What to write instead."""
        listed = ", ".join(f"@{policy!r}" for policy in self.policies)
        return f"put {listed} above the decorator, or functools.wraps into it"


def hidden_faults(routes: Iterable[web.AbstractRoute]) -> list[str]:
    """For each route whose handler hides policies: the route, the policies, and the remedy."""
    found: dict[tuple[int, str], list[web.AbstractRoute]] = {}
    for route in routes:
        for hidden in hidden_policies(route.handler):
            key = (id(route.resource), f"{hidden}: {hidden.remedy}")
            found.setdefault(key, []).append(route)
    return [f"{_route(several)}: {fault}" for (_, fault), several in found.items()]


def _route(several: list[web.AbstractRoute]) -> str:
    methods = ",".join(sorted((route.method for route in several), key=method_order))
    resource = several[0].resource
    return methods if resource is None else f"{methods} {decoded(resource.canonical)}"


def hidden_policies(handler: object) -> list[Hidden]:
    """What a handler, or a method of a view, hides under decorators without `__wrapped__`.

    Policies whose kinds the handler outside states itself are left out.

    Args:
        handler: a route's handler.
    """
    if not isinstance(handler, type):
        return _below(handler, lambda: [one.policy for *_, one in policies_of(handler, "GET")])
    found: list[Hidden] = []
    for method in sorted(hdrs.METH_ALL):
        member = inspect.getattr_static(handler, method.lower(), None)
        if member is None:
            continue
        for hidden in _below(member, functools.partial(_on_method, handler, method)):
            if hidden not in found:
                found.append(hidden)
    return found


def _on_method(view: type, method: str) -> list[Policy]:
    # What the class states is farther out, and no substitute for what the method states.
    return [one.policy for place, _, one in policies_of(view, method) if place == "view method"]


def _below(handler: object, stated: Callable[[], Iterable[Policy]]) -> list[Hidden]:
    visible = list(layers(handler))
    seen = {id(layer) for layer in visible}
    found: list[Hidden] = []
    waiting = [(layer, held) for layer in visible for held in held_by(layer)]
    while waiting:
        holder, held = waiting.pop(0)
        if id(held) in seen:
            continue
        seen.add(id(held))
        policies = list(_stated_on(held))
        kinds = _kinds(stated()) if policies else set()
        if lost := tuple(one for one in policies if _kinds([one]) - kinds):
            found.append(Hidden(lost, handler_name(held), own_name(holder)))
        outer = holder if isinstance(held, Guarded) else held
        waiting += [(outer, inner) for inner in held_by(held)]
    return found


def _stated_on(held: object) -> Iterator[Policy]:
    if type(held) is Guarded:
        yield from (attached.policy for attached in held._self_policies)
    elif isinstance(held, type):
        seen: set[int] = set()
        for method in sorted(hdrs.METH_ALL):
            for *_, attached in policies_of(held, method):
                if id(attached) not in seen:
                    seen.add(id(attached))
                    yield attached.policy


def _kinds(policies: Iterable[Policy]) -> set[type[Policy]]:
    return {kind for policy in policies for kind in kinds_of(policy)}
