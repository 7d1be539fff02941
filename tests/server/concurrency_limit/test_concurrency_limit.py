"""`concurrency_limit` over real connections."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

import routeguard
from routeguard import (
    Event,
    HandlerTimeout,
    Overloaded,
    Policy,
    concurrency_limit,
    errors,
    exempt,
    rule,
    shield,
    shielded_count,
    timeout,
)
from routeguard.policies.concurrency_limit.serving import Limits
from routeguard.routes.rules import Rule
from routeguard.running.application import RUNNING
from tests.support.serving import PATIENCE, Client, Server, serving, until

LINE = "refused POST /work: too many requests at a time (fallback)"


class Work:
    """Handlers that wait until they are let go, and who is in them."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.finished: list[str] = []
        self.most = 0
        self._changed = asyncio.Condition()
        self._let_go: set[str] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.query_string
        await self._change(self.inside.append, name)
        self.most = max(self.most, len(self.inside))
        try:
            await self.until(lambda: name in self._let_go or "all" in self._let_go)
            return web.Response(text=name)
        finally:
            self.inside.remove(name)
            self.finished.append(name)
            async with self._changed:
                self._changed.notify_all()

    async def let_go(self, *names: str) -> None:
        await self._change(self._let_go.update, names)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)

    async def are_inside(self, *names: str) -> None:
        await self.until(lambda: sorted(self.inside) == sorted(names))

    async def _change(self, change: Callable[..., object], *arguments: object) -> None:
        async with self._changed:
            change(*arguments)
            self._changed.notify_all()


@pytest.fixture
def work() -> Work:
    return Work()


@asynccontextmanager
async def limited(work: Work, *policies: Policy | Rule, **options: object) -> AsyncIterator[Server]:
    app = web.Application()
    app.router.add_post("/work", work.handle)
    app.router.add_post("/other", work.handle)
    routeguard.setup(app, *policies, drain=5)
    async with serving(app, **options) as server:
        try:
            yield server
        finally:
            await work.let_go("all")


async def posting(server: Server, name: str, path: str = "/work") -> Client:
    return (await server.dial()).post(f"{path}?{name}", b"")


async def test_so_many_at_a_time_and_no_more(work: Work) -> None:
    async with limited(work, concurrency_limit(2, retry_after=7)) as server:
        first, second = await posting(server, "1"), await posting(server, "2")
        await work.are_inside("1", "2")
        refused = await (await posting(server, "3")).answer()
        assert refused.status == 503
        assert refused.headers["retry-after"] == "7"
        assert refused.body == b"too many requests at a time"
        await work.let_go("1")
        assert (await first.answer()).body == b"1"
        third = await posting(server, "3")
        await work.are_inside("2", "3")
        await work.let_go("2", "3")
        assert (await second.answer()).body == b"2"
        assert (await third.answer()).body == b"3"
    assert work.most == 2


async def test_a_statement_is_one_limit_and_two_are_two(work: Work) -> None:
    limit = concurrency_limit(1)
    async with limited(work, rule("/other", limit), limit) as server:
        await posting(server, "1")
        await work.are_inside("1")
        await posting(server, "2", "/other")
        await work.are_inside("1", "2")
        assert (await (await posting(server, "3")).answer()).status == 503
        assert (await (await posting(server, "4", "/other")).answer()).status == 503
        assert (await (await server.dial()).get("/nothing").answer()).status == 503


async def test_those_who_wait_are_served_in_order(work: Work) -> None:
    async with limited(work, concurrency_limit(1, waiting=3)) as server:
        clients = []
        for name in "1234":
            clients.append(await posting(server, name))
            await work.are_inside("1")
            await asyncio.sleep(0.02)  # so that the next comes after it, for sure
        refused = await (await posting(server, "5")).answer()
        assert refused.status == 503
        await work.let_go("all")
        assert [(await client.answer()).body for client in clients] == [b"1", b"2", b"3", b"4"]
    assert work.finished == ["1", "2", "3", "4"]
    assert work.most == 1


@pytest.mark.parametrize("cancels", [True, False])
async def test_whoever_hangs_up_leaves_the_queue(work: Work, cancels: bool) -> None:
    policy = concurrency_limit(1, waiting=2)
    async with limited(work, policy, handler_cancellation=cancels) as server:
        first = await posting(server, "1")
        await work.are_inside("1")
        gone = [await posting(server, name) for name in ("2", "3")]
        assert (await (await posting(server, "4")).answer()).status == 503  # the queue is full
        for client in gone:
            client.hang_up()
        await asyncio.sleep(0.05)  # for the server to hear of it
        stays = await posting(server, "5")
        await asyncio.sleep(0.05)
        await work.let_go("all")
        assert (await stays.answer()).body == b"5"
        assert (await first.answer()).body == b"1"
    assert work.finished == ["1", "5"]


@pytest.mark.parametrize("cancels", [True, False])
async def test_no_seat_is_given_to_who_has_gone(work: Work, cancels: bool) -> None:
    policy = concurrency_limit(1, waiting=9)
    async with limited(work, policy, handler_cancellation=cancels) as server:
        await posting(server, "1")
        await work.are_inside("1")
        gone = [await posting(server, name) for name in ("2", "3")]
        await asyncio.sleep(0.05)
        stays = await posting(server, "4")
        await asyncio.sleep(0.05)
        for client in gone:
            client.hang_up()
        await asyncio.sleep(0.05)
        await work.let_go("all")
        assert (await stays.answer()).body == b"4"
    assert work.finished == ["1", "4"]


async def test_whoever_hangs_up_leaves_although_no_seat_becomes_free(work: Work) -> None:
    events: list[Event] = []
    app = web.Application()
    app.router.add_post("/work", work.handle)
    routeguard.setup(app, concurrency_limit(1, waiting=5), observers=[events.append])
    async with serving(app, handler_cancellation=False) as server:
        await posting(server, "1")
        await work.are_inside("1")
        gone = [await posting(server, name) for name in ("2", "3")]
        await asyncio.sleep(0.05)
        for client in gone:
            client.hang_up()
        await until(lambda: [one.action for one in events] == ["left", "left"])
        assert work.inside == ["1"]
        await work.let_go("all")
    assert work.finished == ["1"]


@pytest.mark.parametrize("cancels", [True, False])
async def test_storms_of_clients_that_hang_up_leave_no_seat_behind(
    work: Work, cancels: bool
) -> None:
    policy = concurrency_limit(3, waiting=5)
    async with limited(work, policy, handler_cancellation=cancels) as server:
        for wave in range(10):
            clients = [await posting(server, f"{wave}.{i}") for i in range(12)]
            for client in clients[wave % 3 :: 2]:
                client.hang_up(reset=wave % 2 == 0)
            await work.let_go("all")
            for client in clients:
                client.hang_up(reset=True)
            await asyncio.sleep(0.01)
        await until(lambda: not work.inside)
        work._let_go.clear()
        for name in "abc":
            await posting(server, name)
        await work.are_inside("a", "b", "c")  # all three seats are there
        assert work.most <= 3


async def test_shielded_work_keeps_its_seat_when_the_client_has_gone(work: Work) -> None:
    async with limited(
        work, concurrency_limit(1, waiting=1), shield, handler_cancellation=True
    ) as server:
        client = await posting(server, "1")
        await work.are_inside("1")
        client.hang_up()
        await asyncio.sleep(0.05)
        waits = await posting(server, "2")
        await asyncio.sleep(0.05)
        assert work.inside == ["1"]
        await work.let_go("all")
        assert (await waits.answer()).body == b"2"
    assert work.most == 1


async def test_shielded_work_keeps_its_seat_after_a_timeout(work: Work) -> None:
    async with limited(work, timeout(0.05), concurrency_limit(1), shield) as server:
        assert (await (await posting(server, "1")).answer()).status == 504
        assert work.inside == ["1"]
        assert (await (await posting(server, "2")).answer()).status == 503
        await work.let_go("1")
        await work.until(lambda: work.finished == ["1"])
        await until(lambda: not work.inside)
        assert (await (await posting(server, "3")).answer()).status == 504  # it had the seat


async def test_a_timeout_ends_the_waiting(work: Work) -> None:
    seen: list[float] = []

    async def late(request: web.Request, error: Exception) -> web.Response:
        assert isinstance(error, HandlerTimeout)
        seen.append(error.seconds)
        return web.Response(status=504)

    async with limited(
        work,
        errors(on={HandlerTimeout: late}),
        rule("/work", timeout(0.1)),
        concurrency_limit(1, waiting=1),
    ) as server:
        await posting(server, "1", "/other")
        await work.are_inside("1")
        assert (await (await posting(server, "2")).answer()).status == 504
        await posting(server, "3")  # its place is free again
        await asyncio.sleep(0.02)
        await work.let_go("1")
        await work.are_inside("3")
    assert seen[0] == 0.1


@pytest.mark.parametrize("cancels", [True, False])
async def test_clients_that_post_and_hang_up_at_once_lose_nothing(
    work: Work, cancels: bool
) -> None:
    async with limited(
        work, concurrency_limit(400), shield, handler_cancellation=cancels
    ) as server:
        await work.let_go("all")
        clients = [await server.dial() for _ in range(400)]
        for number, client in enumerate(clients):
            client.post(f"/work?{number}", b"x" * 10)
            await client.writer.drain()
            client.writer.close()
        await work.until(lambda: len(work.finished) == 400)
    assert sorted(map(int, work.finished)) == list(range(400))


async def test_streams_and_websockets_hold_a_seat_as_long_as_they_last() -> None:
    ending = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        await ending.wait()
        return response

    async def socket(request: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.receive()
        return response

    app = web.Application()
    app.router.add_get("/stream", stream)
    app.router.add_get("/socket", socket)
    routeguard.setup(app, concurrency_limit(1))
    async with serving(app) as server:
        client = (await server.dial()).get("/stream")
        await client.begun()
        assert (await (await server.dial()).get("/stream").answer()).status == 503
        ending.set()
        await client.answer()
        upgrading = await server.dial()
        upgrading.send(
            b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert (await upgrading.begun()).status == 101
        assert (await (await server.dial()).get("/stream").answer()).status == 503
        upgrading.hang_up()

        async def free() -> bool:
            return (await (await server.dial()).get("/stream").answer()).status == 200

        async with asyncio.timeout(PATIENCE):
            while not await free():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def tenant_later(request: web.Request) -> str | None:
    await asyncio.sleep(0)
    return tenant(request)


def tenant(request: web.Request) -> str | None:
    found = request.query_string.partition("-")[0]
    return None if found == "free" else found


@pytest.mark.parametrize("key", [tenant, tenant_later])
async def test_seats_by_key(work: Work, key: Callable[[web.Request], str | None]) -> None:
    async with limited(work, concurrency_limit(1, waiting=1, key=key)) as server:
        await posting(server, "a-1")
        await posting(server, "b-1")
        await work.are_inside("a-1", "b-1")
        waits = await posting(server, "a-2")
        await asyncio.sleep(0.05)
        assert (await (await posting(server, "a-3")).answer()).status == 503
        await posting(server, "free-1")
        await posting(server, "free-2")
        await work.are_inside("a-1", "b-1", "free-1", "free-2")
        await work.let_go("a-1", "a-2")
        assert (await waits.answer()).body == b"a-2"


async def test_keys_without_requests_are_forgotten(work: Work) -> None:
    policy = concurrency_limit(1, key=tenant)
    app = web.Application()
    app.router.add_post("/work", work.handle)
    routeguard.setup(app, policy)
    await work.let_go("all")
    async with serving(app) as server:
        for number in range(50):
            assert (await (await posting(server, f"{number}-")).answer()).status == 200
        (limit,) = app[RUNNING].service(Limits)._limits
        assert limit._by_key == {}


async def test_exempt_and_the_nearest_statement(work: Work) -> None:
    app = web.Application()
    app.router.add_post("/work", concurrency_limit(2)(work.handle))
    app.router.add_post("/exempt", exempt(concurrency_limit)(work.handle))
    routeguard.setup(app, concurrency_limit(1))
    async with serving(app) as server:
        for name in "12":
            await posting(server, name)
        await work.are_inside("1", "2")
        for name in "345":
            await posting(server, name, "/exempt")
        await work.are_inside("1", "2", "3", "4", "5")
        assert (await (await posting(server, "6")).answer()).status == 503
        await work.let_go("all")


async def test_refusals_are_logged_at_info_whatever_answers_them(
    work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "routeguard")
    async with limited(work, errors(), concurrency_limit(1)) as server:
        await posting(server, "1")
        await work.are_inside("1")
        answer = await (await posting(server, "2")).answer()
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.body == b'{"detail": "Service Unavailable"}'
    told = [(one.name, one.levelname, one.message) for one in caplog.records]
    assert told == [("routeguard.concurrency_limit", "INFO", LINE)]


async def test_error_handlers_can_tell_it(work: Work) -> None:
    async def busy(request: web.Request, error: Exception) -> web.Response:
        assert isinstance(error, Overloaded)
        return web.Response(status=200, text=f"busy for {error.seconds} s")

    async with limited(
        work, errors(on={Overloaded: busy}), concurrency_limit(1, retry_after=0.2)
    ) as server:
        await posting(server, "1")
        await work.are_inside("1")
        assert (await (await posting(server, "2")).answer()).body == b"busy for 1 s"


async def test_report_only_refuses_nobody(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "routeguard")
    async with limited(work, concurrency_limit(1, waiting=1, report_only=True)) as server:
        for name in "1234":
            await posting(server, name)
        await work.are_inside("1", "2", "3", "4")
        await work.let_go("all")
        await work.until(lambda: len(work.finished) == 4)
        await until(lambda: not work.inside)
        await work.let_go("none")
        assert (await (await posting(server, "5")).answer()).status == 200
    assert caplog.messages == [LINE.replace("refused", "would refuse")] * 2


async def test_at_shutdown_the_queue_is_closed_first(work: Work) -> None:
    app = web.Application()
    app.router.add_post("/work", work.handle)
    routeguard.setup(app, concurrency_limit(1, waiting=5), shield, drain=10)
    async with serving(app) as server:
        first = await posting(server, "1")
        await work.are_inside("1")
        waiting = [await posting(server, name) for name in "234"]
        await asyncio.sleep(0.05)
        stopping = asyncio.create_task(server.stop())
        for client in waiting:
            answer = await client.answer()
            assert (answer.status, answer.body) == (503, b"the application is shutting down")
        assert not stopping.done()
        assert shielded_count(app) == 1
        await work.let_go("1")
        assert (await first.answer()).body == b"1"
        await stopping
    assert work.finished == ["1"]


async def test_a_kind_of_ones_own_may_call_inwards_twice(work: Work) -> None:
    class twice(Policy):  # noqa: N801
        async def handle(
            self,
            request: web.Request,
            handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
        ) -> web.StreamResponse:
            answers = await asyncio.gather(handler(request), handler(request))
            return answers[0]

    async with limited(work, twice(), concurrency_limit(2), shield) as server:
        client = await posting(server, "1")
        await work.are_inside("1", "1")
        assert (await (await posting(server, "2")).answer()).status == 503
        await work.let_go("1")
        assert (await client.answer()).body == b"1"
        await posting(server, "3")
        await work.are_inside("3", "3")
