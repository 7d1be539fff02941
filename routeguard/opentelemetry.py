"""`observer`: what policies do, as OpenTelemetry metrics and as events of the current span.

Needs the extra: `pip install "routeguard[opentelemetry]"`.
"""

from opentelemetry import metrics, trace
from opentelemetry.util.types import AttributeValue

from routeguard.observing import known_method, type_name
from routeguard.running.events import Event, Observer

__all__ = ["observer"]


def observer(meter: metrics.Meter | None = None) -> Observer:
    """An observer for `setup(..., observers=[...])`.

    It counts in `routeguard.policy.actions` (a counter, unit `{action}`), with the attributes
    `routeguard.policy`, `routeguard.action` and, where there is one, `routeguard.bound`, and by
    the semantic conventions for HTTP `http.request.method` (`_OTHER` for what is no known
    method), `http.route`, `http.response.status_code` and `error.type`. No attribute takes a
    value that clients choose.

    While the current span is recording, each event is added to it as
    `routeguard.<policy>.<action>` with the same attributes, the place where the policy is stated,
    and the seconds. The exception is recorded where it is a fault of the server: shielded work
    that failed, and what was answered with 500 or above.

    Args:
        meter: where to count. Default: the meter `routeguard` of the global meter provider.

    Returns:
        The observer.
    """
    if meter is None:
        meter = metrics.get_meter("routeguard")
    counter = meter.create_counter(
        "routeguard.policy.actions",
        unit="{action}",
        description="What routeguard's policies did to requests.",
    )

    def observe(event: Event) -> None:
        attributes = _attributes(event)
        counter.add(1, attributes)
        span = trace.get_current_span()
        if not span.is_recording():
            return
        more = dict(attributes)
        if event.place:
            more["routeguard.place"] = event.place
        if event.seconds is not None:
            more["routeguard.seconds"] = event.seconds
        name = f"routeguard.{event.policy}.{event.action.replace(' ', '_')}"
        span.add_event(name, more)
        if event.error is not None and (event.status is None or event.status >= 500):
            span.record_exception(event.error)

    return observe


def _attributes(event: Event) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        "routeguard.policy": event.policy,
        "routeguard.action": event.action,
        "http.request.method": known_method(event.method),
    }
    if event.route is not None:
        attributes["http.route"] = event.route
    if event.status is not None:
        attributes["http.response.status_code"] = event.status
    if event.error is not None:
        attributes["error.type"] = type_name(event.error)
    if event.bound is not None:
        attributes["routeguard.bound"] = event.bound
    return attributes
