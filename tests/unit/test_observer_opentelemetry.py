"""The observer for OpenTelemetry, with the real SDK."""

from collections.abc import Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from routeguard.opentelemetry import observer
from routeguard.running.events import Action, Event, Observer


def event(
    policy: str = "csrf",
    action: Action = "refused",
    *,
    method: str = "POST",
    route: str | None = "/pay",
    status: int | None = 403,
    error: BaseException | None = None,
    place: str = "",
    seconds: float | None = None,
    bound: str | None = None,
) -> Event:
    request = make_mocked_request(method, "/pay")
    return Event(policy, action, request, method, place, route, status, error, seconds, bound)


class Counted:
    """A meter of its own, and what has been counted with it."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.meter = MeterProvider([self._reader]).get_meter("test")

    def metric(self) -> Metric:
        data = self._reader.get_metrics_data()
        assert data is not None
        ((metric,),) = [
            scope.metrics for one in data.resource_metrics for scope in one.scope_metrics
        ]
        return metric

    def points(self) -> list[tuple[dict[str, object], object]]:
        return [
            (dict(point.attributes or {}), getattr(point, "value", None))
            for point in self.metric().data.data_points
        ]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def traced(exporter: InMemorySpanExporter, observe: Observer, *events: Event) -> ReadableSpan:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("request"):
        for one in events:
            observe(one)
    (span,) = exporter.get_finished_spans()
    return span


def test_actions_are_counted_by_the_semantic_conventions() -> None:
    counted = Counted()
    observe = observer(counted.meter)
    observe(event())
    observe(event())
    observe(event("timeout", "expired", status=504, error=TimeoutError(), bound="total"))
    metric = counted.metric()
    assert (metric.name, metric.unit) == ("routeguard.policy.actions", "{action}")
    assert counted.points() == [
        (
            {
                "routeguard.policy": "csrf",
                "routeguard.action": "refused",
                "http.request.method": "POST",
                "http.route": "/pay",
                "http.response.status_code": 403,
            },
            2,
        ),
        (
            {
                "routeguard.policy": "timeout",
                "routeguard.action": "expired",
                "routeguard.bound": "total",
                "http.request.method": "POST",
                "http.route": "/pay",
                "http.response.status_code": 504,
                "error.type": "TimeoutError",
            },
            1,
        ),
    ]


def test_nothing_that_a_client_chooses_makes_a_series() -> None:
    counted = Counted()
    observe = observer(counted.meter)
    for number in range(100):
        observe(event(method=f"M{number}", route=None))
    ((attributes, count),) = counted.points()
    assert (attributes["http.request.method"], count) == ("_OTHER", 100)
    assert "http.route" not in attributes


def test_events_stand_on_the_current_span(exporter: InMemorySpanExporter) -> None:
    observe = observer(Counted().meter)
    told = event(
        "timeout", "expired", place='rule 1 "/pay"', seconds=2.5, bound="start", status=504
    )
    span = traced(exporter, observe, told, event(action="would refuse"))
    assert [one.name for one in span.events] == [
        "routeguard.timeout.expired",
        "routeguard.csrf.would_refuse",
    ]
    attributes: Mapping[str, object] = span.events[0].attributes or {}
    assert attributes["routeguard.place"] == 'rule 1 "/pay"'
    assert attributes["routeguard.seconds"] == 2.5
    assert attributes["http.route"] == "/pay"


@pytest.mark.parametrize(
    ("told", "recorded"),
    [
        (event("errors", "answered", status=500, error=KeyError("a")), True),
        (event("errors", "answered", status=404, error=KeyError("a")), False),
        (event("csrf", "refused", status=403, error=web.HTTPForbidden()), False),
        (event("shield", "failed", status=None, error=KeyError("a")), True),
        (event("timeout", "expired", status=504), False),
    ],
)
def test_faults_of_the_server_are_recorded_as_exceptions(
    exporter: InMemorySpanExporter, told: Event, recorded: bool
) -> None:
    span = traced(exporter, observer(Counted().meter), told)
    exceptions = [one for one in span.events if one.name == "exception"]
    assert len(exceptions) == recorded
    if recorded:
        assert (exceptions[0].attributes or {})["exception.type"] == "KeyError"


def test_a_span_that_is_not_recording_is_left_alone() -> None:
    counted = Counted()
    observe = observer(counted.meter)
    touched: list[str] = []

    class Silent(trace.NonRecordingSpan):
        def add_event(self, *args: object, **more: object) -> None:
            touched.append("event")

        def record_exception(self, *args: object, **more: object) -> None:
            touched.append("exception")

    with trace.use_span(Silent(trace.INVALID_SPAN_CONTEXT)):
        observe(event("errors", "answered", status=500, error=KeyError("a")))
    with TracerProvider(sampler=ALWAYS_OFF).get_tracer("t").start_as_current_span("request"):
        observe(event())
    observe(event())  # outside any span
    assert touched == []
    assert sum(int(str(count)) for _, count in counted.points()) == 3


def test_without_a_meter_it_counts_with_the_global_provider() -> None:
    observer()(event())
