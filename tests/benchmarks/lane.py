"""One application ready to be driven: its event loop, its server, its connections."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext

from aiohttp import web

from . import guarded, views
from .scenarios import compose
from .transport import Answer, Connection, Served, exchange

CONNECTIONS = 8
IN_FLIGHT = 4
_PARKED = compose("GET", "/api/parked")
_PATIENCE = 60.0
_PATIENCE_EACH = 0.01


class Lane:
    """A contender under way.

    Every lane has an event loop of its own, so that one contender's cancelled timers are not
    swept up at another's expense. Requests go out on all connections at once; meanwhile
    ``in_flight`` others, on connections of their own, are waiting in their handlers. With
    ``takes_chain`` routeguard's fast lane is closed to this application, and to no other;
    ``parked`` is the request that stays in flight.
    """

    def __init__(
        self,
        build: Callable[[], web.Application],
        requests: Iterable[bytes],
        *,
        connections: int = CONNECTIONS,
        in_flight: int = IN_FLIGHT,
        loop: asyncio.AbstractEventLoop | None = None,
        takes_chain: bool = False,
        parked: bytes = _PARKED,
    ) -> None:
        self.loop = loop or asyncio.new_event_loop()
        self.app = build()
        self._served = Served(self.app)
        self._requests = iter(requests)
        self._parked_request = parked
        self._in_flight = in_flight
        # The first requests of all paths that this lane will ask for.
        with guarded.fast_lane_closed() if takes_chain else nullcontext():
            self.answer, self.parked_answer = self.loop.run_until_complete(self._start())
        self._connections = self._connect(connections)
        self._parked = self._connect(in_flight)
        self._awaited = 0
        self._all_answered: asyncio.Future[None] = self.loop.create_future()

    async def _start(self) -> tuple[Answer, Answer | None]:
        self._server = await self._served.__aenter__()
        answer = await exchange(self._server, next(self._requests))
        if not self._in_flight:
            return answer, None
        gate = self.app[views.PARKING].gate
        gate.set()
        parked = await exchange(self._server, self._parked_request)
        gate.clear()
        return answer, parked

    def _connect(self, count: int) -> list[Connection]:
        async def connect() -> list[Connection]:
            found = [Connection(self._server, self._answered) for _ in range(count)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return found

        return self.loop.run_until_complete(connect())

    def _answered(self) -> None:
        self._awaited -= 1
        if not self._awaited:
            self._all_answered.set_result(None)

    def _expect(self, answers: int) -> "asyncio.Future[None]":
        self._awaited = answers
        self._all_answered = self.loop.create_future()
        return self._all_answered

    def __len__(self) -> int:
        """How many requests go out at once."""
        return len(self._connections)

    def batch(self, rounds: int, *, settling: int = 0) -> float:
        """Ask ``rounds`` times on every connection; microseconds of CPU for each request.

        Before, it asks ``settling`` times without timing it. A server runs one application; here,
        the lane before has filled the processor's caches, and has specialised the code that all
        share (asyncio's, aiohttp's, routeguard's) for its own handlers and policies.
        """
        return self.loop.run_until_complete(self._batch(rounds, settling))

    async def _batch(self, rounds: int, settling: int) -> float:
        try:
            patience = _PATIENCE + (rounds + settling) * len(self) * _PATIENCE_EACH
            async with asyncio.timeout(patience):
                await self.park()
                gc.collect()
                await self._ask(settling)
                started = time.process_time_ns()
                await self._ask(rounds)
                # Cycles that these requests left are theirs to pay for, not the next lane's.
                gc.collect(1)
                spent = time.process_time_ns() - started
                await self.release()
        except TimeoutError:
            self._complain()
            raise
        self._complain()
        return spent / 1000 / rounds / len(self._connections)

    async def _ask(self, rounds: int) -> None:
        connections, requests, size = self._connections, self._requests, self.answer.size
        for _ in range(rounds):
            all_answered = self._expect(len(connections))
            for connection in connections:
                connection.ask(next(requests), size)
            await all_answered
            # aiohttp goes back to waiting for a request: that is part of its price.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def park(self) -> None:
        """Send the requests that stay in flight, and see all of them inside their handlers."""
        if self.parked_answer is None:
            return
        parking = self.app[views.PARKING]
        for connection in self._parked:
            connection.ask(self._parked_request, self.parked_answer.size)
        while parking.inside < self._in_flight:  # noqa: ASYNC110 - an Event for each would cost
            await asyncio.sleep(0)

    async def release(self) -> None:
        """Open the gate and see all of them answered."""
        if not self._parked:
            return
        parking = self.app[views.PARKING]
        released = self._expect(len(self._parked))
        parking.gate.set()
        await released
        parking.gate.clear()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def reconnect(self) -> None:
        """Open new connections for the requests that stay in flight."""
        for connection in self._parked:
            connection.hang_up()
        self._parked = self._connect(len(self._parked))

    def _complain(self) -> None:
        for connection in (*self._connections, *self._parked):
            if fault := connection.fault():
                raise RuntimeError(fault)

    def close(self) -> None:
        """Hang up, stop the application, close the loop."""

        async def stop() -> None:
            for connection in (*self._connections, *self._parked):
                connection.hang_up()
            await asyncio.sleep(0)
            await self._served.__aexit__(None, None, None)
            # What a peer has left running ends with its loop.
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        self.loop.run_until_complete(stop())
        self.loop.close()
