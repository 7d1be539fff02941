"""What the API saw: its log, and what its policies did, passed on to the pages that watch."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

import routeguard

Event = dict[str, object]

BACKLOG = 500
SHOWN_HEADERS = ("Allow", "Content-Type", "RateLimit", "Retry-After", "X-Pieces")
QUIET = {("GET", "/payments")}  # the page asks for these every quarter of a second


class Wire(logging.Handler):
    """A logging handler that hands every record to all watchers, as it comes."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._watchers: set[asyncio.Queue[Event | None]] = set()
        self._counts: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        event: Event = {"source": record.name, "text": record.getMessage()}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            event["text"] = f"{event['text']} ({type(error).__name__}: {error})"
        for name in ("path", "status", "headers"):
            if hasattr(record, name):
                event[name] = getattr(record, name)
        self._tell(event)

    def count(self, event: routeguard.Event) -> None:
        """The API's observer: counts what its policies do."""
        self._counts[f"{event.policy} {event.action}"] += 1
        self._tell({"counts": dict(sorted(self._counts.items()))})

    def _tell(self, event: Event) -> None:
        for watcher in self._watchers:
            if watcher.qsize() < BACKLOG:
                watcher.put_nowait(event)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[asyncio.Queue[Event | None]]:
        watcher: asyncio.Queue[Event | None] = asyncio.Queue()
        if self._counts:
            watcher.put_nowait({"counts": dict(sorted(self._counts.items()))})
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def hang_up(self) -> None:
        """Tell the watchers that nothing more comes."""
        for watcher in self._watchers:
            watcher.put_nowait(None)


@contextmanager
def wired(*names: str) -> Iterator[Wire]:
    """A wire that takes over the named loggers: the page shows what the console would."""
    wire = Wire()
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addHandler(wire)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield wire
    finally:
        for logger in loggers:
            logger.removeHandler(wire)
            logger.setLevel(logging.NOTSET)
            logger.propagate = True


class AccessLogger(AbstractAccessLogger):
    """One record a request that the API answered, preflights among them."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if (request.method, request.path) in QUIET:
            return
        shown = {
            name: value
            for name, value in response.headers.items()
            if name in SHOWN_HEADERS or name.startswith("Access-Control-")
        }
        text = f"{request.method} {request.path} answered {response.status}"
        self.logger.info(
            "%s after %d ms",
            text,
            round(time * 1000),
            extra={"path": request.path, "status": response.status, "headers": shown},
        )


def as_event(event: Mapping[str, object]) -> bytes:
    """A server-sent event: JSON holds no newline, so one data line is enough."""
    return f"data: {json.dumps(event)}\n\n".encode()
