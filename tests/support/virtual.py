"""Exact times at full speed: a loop whose clock jumps, and connections without sockets.

The loop never sleeps. Where it would, its clock jumps to the next timer instead; so a test in
which hours pass takes no time, and "at the same instant" means just that.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Self, TypeVar, TypeVarTuple, cast

from aiohttp import web

from tests.support.loops import prepared
from tests.support.messages import Answer, parse, request

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

STUCK = 10.0  # seconds that the loop may wait for a thread, before it must be a deadlock


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is not None:
            self.now += timeout
            return []
        if not (ready := super().select(STUCK)):
            raise RuntimeError("deadlock: no timer is armed and nothing is ready")
        return ready


@dataclass(frozen=True, slots=True)
class Timer:
    """One timer that was armed."""

    handle: asyncio.TimerHandle
    module: str


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time that remembers which timers were armed, and by whom."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._timers: list[Timer] = []
        prepared(self)

    def time(self) -> float:
        return self._jumping.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = super().call_at(when, callback, *args, context=context)
        called = getattr(callback, "func", callback)
        self._timers.append(Timer(handle, str(getattr(called, "__module__", ""))))
        return handle

    def forget_timers(self) -> None:
        """Counts from here on."""
        self._timers.clear()

    def armed(self, package: str = "routeguard") -> int:
        """How many timers a package has armed so far."""
        return sum(timer.module.startswith(package) for timer in self._timers)

    def standing(self, package: str = "routeguard") -> list[float]:
        """When the timers of a package are due that are neither cancelled nor past."""
        now = self.time()
        return sorted(
            timer.handle.when()
            for timer in self._timers
            if timer.module.startswith(package)
            and not timer.handle.cancelled()
            and timer.handle.when() > now
        )


def run_virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Runs a coroutine function to its end in a virtual loop, which it is given."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        try:
            return runner.run(main(loop))
        finally:
            loop.forget_timers()  # aiohttp keeps applications, and with them their loops


class Wire(asyncio.Transport):
    """A client's connection to an aiohttp server, without a socket in between.

    What the server has sent lies in `received`; `closed` tells whether the server has closed it.
    """

    def __init__(self, server: web.Server) -> None:
        super().__init__(extra={"peername": ("127.0.0.1", 50_000)})
        self.received = bytearray()
        self.closed = False
        self._held = bytearray()
        self._reading = True
        self._protocol = cast("asyncio.Protocol", server())
        self._protocol.connection_made(self)

    def send(self, data: bytes) -> Self:
        """The client sends."""
        if self._reading:
            self._protocol.data_received(data)
        else:
            self._held += data
        return self

    def get(self, path: str) -> Self:
        """The client asks for a page."""
        return self.send(request("GET", path))

    def stall(self) -> None:
        """The client stops reading."""
        self._protocol.pause_writing()

    def go_on(self) -> None:
        """The client reads again."""
        self._protocol.resume_writing()

    def hang_up(self) -> None:
        """The client goes away."""
        if not self.closed:
            self.closed = True
            self._protocol.connection_lost(None)

    def answers(self) -> list[Answer]:
        """The answers that have come, the last of them perhaps incomplete."""
        return list(parse(bytes(self.received)))

    # --- what the server calls

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        assert not self.closed, "the server writes to a closed connection"
        self.received += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        held, self._held = bytes(self._held), bytearray()
        if held:
            self._protocol.data_received(held)

    def get_write_buffer_size(self) -> int:
        return 0


async def started(*apps: web.Application, **options: Any) -> list[web.Server]:
    """Starts applications for the rest of the loop's life; their servers, for `Wire`."""
    servers = []
    for app in apps:
        runner = web.AppRunner(app, access_log=None, **options)
        await runner.setup()
        assert runner.server is not None
        servers.append(runner.server)
    return servers
