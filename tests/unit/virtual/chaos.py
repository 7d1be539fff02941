"""An application on virtual time under several policies, and what has become of each request."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from routeguard import (
    body,
    concurrency_limit,
    errors,
    rule,
    setup,
    shield,
    shielded_count,
    timeout,
    until_shutdown,
)
from tests.support.messages import request
from tests.support.virtual import VirtualLoop, Wire

SECONDS, LIMIT, IDLE, GRACE, DRAIN = 4.0, 9.0, 2.0, 2.0, 6.0
SEATS, PLACES = 2, 1
BODY = b"abc"


class Told(Exception):
    """A failure that was asked for."""


class Watched(Wire):
    """A wire that notes when the server has first written."""

    first: float | None = None

    def write(self, data: "bytes | bytearray | memoryview[bytes]") -> None:
        if self.first is None:
            self.first = asyncio.get_running_loop().time()
        super().write(data)


@dataclass(eq=False)
class Asked:
    """One request, and its course."""

    number: int
    route: str
    work: float
    ends: str
    pieces: int
    """How many of the body's three bytes have been sent; -1 where it has none."""
    at: float
    wire: Watched
    begun: float | None = None
    read: float | None = None
    """When the handler had its body."""
    ended: list[tuple[float, str]] = field(default_factory=list)
    left: float | None = None
    """When the client went away."""
    crowd: int = 0
    """How many others had a seat, or waited for one, when it came."""

    @property
    def shielded(self) -> bool:
        return self.route in ("shielded", "both")

    @property
    def limited(self) -> bool:
        return self.route in ("limited", "both")

    @property
    def whole(self) -> bool:
        return self.pieces in (-1, len(BODY))

    @property
    def path(self) -> str:
        return f"/{self.route}/{self.number}"

    def __str__(self) -> str:
        return f"{self.path} at {self.at}: {self.begun=} {self.ended=} {self.left=} {self.pieces=}"


class World(logging.Handler):
    """The application, its requests, and what it has said."""

    def __init__(self, loop: VirtualLoop, *, cancellation: bool) -> None:
        super().__init__(logging.INFO)
        self.loop = loop
        self.asked: list[Asked] = []
        self.said: list[logging.LogRecord] = []
        self.shut: float | None = None
        self.closed: float | None = None
        self.app = web.Application()
        for route in ("plain", "shielded", "limited", "both"):
            self.app.router.add_post(f"/{route}/{{number}}", self.read_and_work)
        self.app.router.add_post("/stream/{number}", self.stream)
        self.app.cleanup_ctx.append(self.resources)
        seats = concurrency_limit(SEATS, waiting=PLACES)
        setup(
            self.app,
            rule("/shielded/*", shield),
            rule("/limited/*", concurrency_limit(SEATS, waiting=PLACES)),
            rule("/both/*", shield(limit=LIMIT), seats, body(idle=IDLE)),
            rule("/stream/*", until_shutdown(GRACE), timeout(SECONDS, total=LIMIT)),
            timeout(SECONDS),
            errors(),
            drain=DRAIN,
        )
        self.runner = web.AppRunner(
            self.app, access_log=None, handler_cancellation=cancellation, shutdown_timeout=1
        )
        self.stopping: asyncio.Task[None] | None = None
        self.before: set[asyncio.Task[object]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record)

    async def resources(self, app: web.Application) -> AsyncIterator[None]:
        yield
        self.closed = self.loop.time()

    async def start(self) -> None:
        await self.runner.setup()
        self.before = asyncio.all_tasks()

    # --- handlers

    async def read_and_work(self, request: web.Request) -> web.StreamResponse:
        one = self.asked[int(request.match_info["number"])]
        assert one.begun is None, "a request is handled twice"
        one.begun = self.loop.time()
        try:
            assert (await request.read()) == (b"" if one.pieces < 0 else BODY)
            one.read = self.loop.time()
            await asyncio.sleep(one.work)
        except asyncio.CancelledError:
            one.ended.append((self.loop.time(), "cancelled"))
            raise
        except Exception:
            one.ended.append((self.loop.time(), "body"))
            raise
        one.ended.append((self.loop.time(), "done"))
        if one.ends == "fails":
            raise Told(one.path)
        if one.ends == "conflict":
            raise web.HTTPConflict
        return web.Response(text="done")

    async def stream(self, request: web.Request) -> web.StreamResponse:
        one = self.asked[int(request.match_info["number"])]
        one.begun = self.loop.time()
        response = web.StreamResponse()
        try:
            await response.prepare(request)
            for _ in range(int(one.work) + 1):
                await response.write(b"piece")
                await asyncio.sleep(1)
        except asyncio.CancelledError:
            one.ended.append((self.loop.time(), "cancelled"))
            raise
        except Exception:
            one.ended.append((self.loop.time(), "cut"))
            raise
        one.ended.append((self.loop.time(), "done"))
        if one.ends == "fails":
            raise Told(one.path)
        return response

    # --- what happens

    async def ask(self, route: str, work: float, ends: str, pieces: int) -> Asked | None:
        """A new client asks; `None` once the application shuts down."""
        await self.turn()
        if self.runner.server is None or self.shut is not None:
            return None  # nobody listens any more
        crowd = [one for one in self.asked if one.route == route and self.has_seat_or_place(one)]
        wire = Watched(self.runner.server)
        one = Asked(len(self.asked), route, work, ends, pieces, self.loop.time(), wire)
        one.crowd = len(crowd)
        self.asked.append(one)
        if pieces < 0:
            wire.send(request("POST", one.path, body=b""))
        else:
            wire.send(request("POST", one.path, body=BODY)[: pieces - len(BODY) or None])
        await self.turn()
        return one

    def has_seat_or_place(self, one: Asked) -> bool:
        """Whether a request takes up a seat still, or a place in the queue."""
        if one.begun is not None:
            return not one.ended
        return not one.wire.received and not one.wire.closed

    def is_going_on(self, one: Asked) -> bool:
        """Whether a request is handled still, or its answer or the rest of its body awaited."""
        if one.begun is not None and not one.ended:
            return True
        answered = any(answer.complete for answer in one.wire.answers())
        return not one.wire.closed and not (answered and one.whole)

    def more(self, one: Asked) -> None:
        if 0 <= one.pieces < len(BODY) and not one.wire.closed:
            one.wire.send(BODY[one.pieces : one.pieces + 1])
            one.pieces += 1

    def hang_up(self, one: Asked) -> None:
        if one.left is None and not one.wire.closed:
            one.left = self.loop.time()
            one.wire.hang_up()

    def shut_down(self) -> None:
        if self.shut is None:
            self.shut = self.loop.time()
            self.stopping = self.loop.create_task(self.runner.cleanup())

    async def turn(self) -> None:
        """Lets everything happen that happens now."""
        for _ in range(30):
            await asyncio.sleep(0)

    async def finish(self) -> None:
        """Waits until all is over, and shuts down if nobody has."""
        await asyncio.sleep(60)
        self.shut_down()
        assert self.stopping is not None
        await self.stopping
        await asyncio.sleep(60)

    # --- what must hold in the end

    def left_over(self) -> dict[str, object]:
        """What is there still and should not be."""
        return {
            "tasks": asyncio.all_tasks() - self.before - {asyncio.current_task()},
            "timers": self.loop.standing(),
            "shielded": shielded_count(self.app),
        }

    def failures(self, one: Asked) -> list[str]:
        """The lines of the log about the failure of one request."""
        return [
            record.name
            for record in self.said
            if record.levelno >= logging.ERROR
            and record.exc_info
            and isinstance(record.exc_info[1], Told)
            and str(record.exc_info[1]) == one.path
        ]

    def given_up(self, one: Asked) -> int:
        """How often the log says that work was given up at shutdown."""
        lines = [record.getMessage() for record in self.said]
        return sum(f"{one.path} given up" in line for line in lines)
