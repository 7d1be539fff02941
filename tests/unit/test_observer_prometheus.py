"""The observer for Prometheus, with the real client."""

import gc
import weakref

import pytest
from aiohttp.test_utils import make_mocked_request
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest

from routeguard.prometheus import observer
from routeguard.running.events import Event


def refused(method: str = "POST", route: str | None = "/pay", status: int | None = 403) -> Event:
    return Event(
        "csrf", "refused", make_mocked_request(method, "/pay"), method, "rule 1", route, status
    )


def lines(registry: CollectorRegistry) -> list[str]:
    shown = generate_latest(registry).decode().splitlines()
    return [line for line in shown if line.startswith("routeguard_policy_actions_total{")]


def test_actions_are_counted() -> None:
    registry = CollectorRegistry()
    observe = observer(registry)
    observe(refused())
    observe(refused())
    (line,) = lines(registry)
    assert line == (
        'routeguard_policy_actions_total{action="refused",method="POST",policy="csrf",'
        'route="/pay",status="403"} 2.0'
    )


def test_two_applications_count_in_one_registry() -> None:
    registry = CollectorRegistry()
    observer(registry)(refused())
    observer(registry)(refused())
    (line,) = lines(registry)
    assert line.endswith("} 2.0")
    other = CollectorRegistry()
    observer(other)(refused())
    assert lines(other)[0].endswith("} 1.0")


def test_nothing_that_a_client_chooses_makes_a_series() -> None:
    registry = CollectorRegistry()
    observe = observer(registry)
    for number in range(100):
        observe(refused(method=f"M{number}", route=None, status=None))
    (line,) = lines(registry)
    assert line == (
        'routeguard_policy_actions_total{action="refused",method="_OTHER",policy="csrf",'
        'route="",status=""} 100.0'
    )


def test_the_default_is_the_clients_own_registry() -> None:
    observer()(refused(route="/default"))
    assert any('route="/default"' in line for line in lines(REGISTRY))


def test_a_registry_that_is_gone_is_not_kept() -> None:
    registry = CollectorRegistry()
    observer(registry)(refused())
    gone = weakref.ref(registry)
    del registry
    gc.collect()
    assert gone() is None


def test_a_name_that_is_taken_is_told() -> None:
    registry = CollectorRegistry()
    observer(registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Counter("routeguard_policy_actions", "mine", registry=registry)
