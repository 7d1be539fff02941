"""`observer`: what policies do, counted for Prometheus.

Needs the extra: `pip install "routeguard[prometheus]"`.
"""

from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, CollectorRegistry, Counter

from routeguard.observing import known_method
from routeguard.running.events import Event, Observer

__all__ = ["observer"]

LABELS = ("policy", "action", "method", "route", "status")

_counters: WeakKeyDictionary[CollectorRegistry, Counter] = WeakKeyDictionary()
"""A registry takes one name once, and several applications may count in it."""


def observer(registry: CollectorRegistry | None = None) -> Observer:
    """An observer for `setup(..., observers=[...])`.

    It counts in `routeguard_policy_actions_total`, with the labels `policy`, `action`, `method`
    (`_OTHER` for what is no known method), `route` (the canonical pattern, empty without one)
    and `status` (empty where the policy gave no answer). No label takes a value that clients
    choose. Several applications may count in one registry.

    Args:
        registry: where to count. Default: that of `prometheus_client`.

    Returns:
        The observer.
    """
    if registry is None:
        registry = REGISTRY
    counter = _counters.get(registry)
    if counter is None:
        counter = _counters[registry] = Counter(
            "routeguard_policy_actions",
            "What routeguard's policies did to requests.",
            LABELS,
            registry=registry,
        )
    actions = counter

    def observe(event: Event) -> None:
        actions.labels(
            policy=event.policy,
            action=event.action,
            method=known_method(event.method),
            route="" if event.route is None else event.route,
            status="" if event.status is None else str(event.status),
        ).inc()

    return observe
