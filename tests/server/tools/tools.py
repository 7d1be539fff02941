"""The tools, each installed as its own documentation says, and what it has seen."""

import logging
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

__all__ = ["SHOWN", "TOOLS", "Seen", "Tool"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a tool has noted of one request.

    Attributes:
        status: the status; `None` where it has none.
        name: what it calls the request.
        more: what else there is to say, in words.
    """

    status: int | None
    name: str
    more: str = ""


class Tool(Protocol):
    """A tool that watches the requests of an application."""

    outside: tuple[Middleware, ...]
    """What is to be named in `setup(outside=...)`."""
    can_be_left_out: bool
    """Whether it works where it is named in `outside` and not in the application's list."""
    in_root: bool
    """Whether it works in root applications only."""

    def list_in(self, app: web.Application) -> None:
        """Puts it into an application as its users do."""

    def take(self) -> list[Seen]:
        """What it has seen since it was asked last."""


class OpenTelemetry:
    """opentelemetry-instrumentation-aiohttp-server, with the SDK."""

    can_be_left_out = False
    in_root = False

    def __init__(self) -> None:
        from opentelemetry import trace
        from opentelemetry.instrumentation import aiohttp_server
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._spans))
        trace.set_tracer_provider(provider)
        self.outside: tuple[Middleware, ...] = ()  # it is recognised
        self._library = aiohttp_server
        self._plain = web.Application
        aiohttp_server.AioHttpServerInstrumentor().instrument()

    def list_in(self, app: web.Application) -> None:
        # The instrumentation has put it into each application, which is as early as can be.
        middleware = next(one for one in app.middlewares if "opentelemetry" in one.__module__)
        app.middlewares.remove(middleware)
        app.middlewares.insert(0, middleware)

    def take(self) -> list[Seen]:
        spans = self._spans.get_finished_spans()
        self._spans.clear()
        return [
            Seen(
                status if isinstance(status, int) else None,
                span.name,
                " ".join([span.status.status_code.name, *(one.name for one in span.events)]),
            )
            for span in spans
            for status in [(span.attributes or {}).get("http.status_code")]
        ]


class Prometheus:
    """prometheus-client, with the middleware that many applications have."""

    can_be_left_out = True
    in_root = False

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter

        self._registry = CollectorRegistry()
        counter = Counter("requests", "", ["method", "route", "status"], registry=self._registry)

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            status = -1
            try:
                response = await handler(request)
                status = response.status
                return response
            except web.HTTPException as error:
                status = error.status
                raise
            finally:
                resource = request.match_info.route.resource
                route = "" if resource is None else resource.canonical
                counter.labels(request.method, route, str(status)).inc()

        self.outside: tuple[Middleware, ...] = (count,)
        self._before: dict[tuple[str, str, str], float] = {}

    def list_in(self, app: web.Application) -> None:
        app.middlewares.append(self.outside[0])

    def take(self) -> list[Seen]:
        seen = []
        for metric in self._registry.collect():
            for sample in metric.samples:
                if not sample.name.endswith("_total"):
                    continue
                key = (sample.labels["method"], sample.labels["route"], sample.labels["status"])
                more = sample.value - self._before.get(key, 0)
                self._before[key] = sample.value
                name = f"{key[0]} {key[1]}".strip()
                seen += [Seen(int(key[2]), name)] * int(more)
        return seen


REQUEST_ID: ContextVar[str] = ContextVar("REQUEST_ID", default="-")


class RequestIds:
    """A request id in a context variable, which every line of the log carries."""

    can_be_left_out = True
    in_root = False

    def __init__(self) -> None:
        seen: list[Seen] = []
        self._seen = seen
        lines: list[logging.LogRecord] = []
        self._lines = lines

        class Collect(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                record.request_id = REQUEST_ID.get()
                lines.append(record)

        for name in ("routeguard", "aiohttp"):
            logging.getLogger(name).addHandler(Collect(logging.INFO))
            logging.getLogger(name).setLevel(logging.INFO)

        @web.middleware
        async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
            number = uuid.uuid4().hex
            REQUEST_ID.set(number)
            lines.clear()
            try:
                response = await handler(request)
            except web.HTTPException as error:
                error.headers["X-Request-Id"] = number
                seen.append(Seen(error.status, number))
                raise
            response.headers["X-Request-Id"] = number
            seen.append(Seen(response.status, number))
            return response

        self.outside: tuple[Middleware, ...] = (identify,)

    def list_in(self, app: web.Application) -> None:
        app.middlewares.insert(1, self.outside[0])

    def take(self) -> list[Seen]:
        """Each request, and the loggers that had lines with its id and without."""
        seen, self._seen[:] = list(self._seen), []
        lines, self._lines[:] = list(self._lines), []
        with_id = sorted(
            {
                line.name
                for line in lines
                if getattr(line, "request_id", "-") in [one.name for one in seen]
            }
        )
        without = [line.name for line in lines if line.name not in with_id]
        return [
            Seen(one.status, "", " ".join([*with_id, *(f"lost:{name}" for name in without)]))
            for one in seen
        ]


class Sentry:
    """sentry-sdk with its integration for aiohttp, which watches around all middlewares."""

    can_be_left_out = False
    in_root = False

    style = "method_and_path_pattern"

    def __init__(self) -> None:
        import sentry_sdk
        from sentry_sdk.envelope import Envelope
        from sentry_sdk.integrations.aiohttp import AioHttpIntegration
        from sentry_sdk.transport import Transport

        items: list[dict[str, object]] = []
        self._items = items

        class Kept(Transport):
            def capture_envelope(self, envelope: Envelope) -> None:
                items.extend(
                    {"type": item.type, **item.payload.json}
                    for item in envelope.items
                    if item.payload.json is not None and item.type in ("transaction", "event")
                )

        sentry_sdk.init(
            "http://key@127.0.0.1:9/1",
            transport=Kept,
            traces_sample_rate=1.0,
            integrations=[AioHttpIntegration(transaction_style=self.style)],
        )
        self.outside: tuple[Middleware, ...] = ()

    def list_in(self, app: web.Application) -> None:
        pass  # it has replaced what handles requests in every application

    def take(self) -> list[Seen]:
        items, self._items[:] = list(self._items), []
        events = [one for one in items if one["type"] == "event"]
        told = [f"{one['level']} event of {one.get('logger', '')}".strip() for one in events]
        seen = []
        for item in items:
            if item["type"] == "transaction":
                contexts = item["contexts"]
                assert isinstance(contexts, dict)
                data = contexts["trace"].get("data", {})
                status = data.get("http.response.status_code")
                seen.append(Seen(status, str(item["transaction"]), "; ".join(told)))
        return seen


class SentryByHandler(Sentry):
    """The same, as it names requests by default."""

    style = "handler_name"


class Span(Protocol):
    """What is asked of a span of Datadog's."""

    resource: str
    error: int

    def get_tag(self, name: str) -> str | None: ...


class Datadog:
    """ddtrace, installed by its `trace_app`."""

    can_be_left_out = False
    in_root = True

    def __init__(self) -> None:
        # It is no package that everybody who checks types has.
        import_module("ddtrace.contrib.internal.aiohttp.patch")  # where its settings are
        aiohttp = import_module("ddtrace.contrib.internal.aiohttp.middlewares")
        trace = import_module("ddtrace.trace")
        spans: list[Span] = []
        self._spans = spans
        self._trace_app = aiohttp.trace_app

        def process_trace(self: object, trace: list[Span]) -> None:
            spans.extend(trace)

        kept = type("Kept", (trace.TraceFilter,), {"process_trace": process_trace})
        trace.tracer.configure(trace_processors=[kept()])
        self.outside: tuple[Middleware, ...] = (aiohttp.trace_middleware,)

    def list_in(self, app: web.Application) -> None:
        self._trace_app(app)

    def take(self) -> list[Seen]:
        spans, self._spans[:] = list(self._spans), []
        return [
            Seen(
                int(status) if (status := span.get_tag("http.status_code")) else None,
                span.resource,
                "error" if span.error else "",
            )
            for span in spans
        ]


SHOWN = ("OpenTelemetry", "Prometheus", "request ids", "Sentry", "Datadog")
"""Those that the documentation shows."""

TOOLS: dict[str, Callable[[], Tool]] = {
    "OpenTelemetry": OpenTelemetry,
    "Prometheus": Prometheus,
    "request ids": RequestIds,
    "Sentry": Sentry,
    "Sentry, by handler": SentryByHandler,
    "Datadog": Datadog,
}
