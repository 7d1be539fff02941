"""`Expect: 100-continue`: no 100 for a body that is going to be refused."""

import pytest
from aiohttp import web

from routeguard import Policy, body, cors, errors, exempt, rule, setup, shield
from routeguard.routes.rules import Rule
from tests.server.body.sending import WAYS, Reading, head
from tests.support.serving import serving

READ = WAYS["read"].read


def expecting(length: int, *, expect: bytes = b"100-continue") -> bytes:
    return head(b"Expect: %s\r\nContent-Length: %d\r\n" % (expect, length))


@pytest.mark.parametrize("policies", [(), (shield,), (errors(), cors("*"))], ids=str)
async def test_what_is_too_large_gets_no_100(policies: tuple[Policy, ...]) -> None:
    reading = Reading(READ, (body(1000), *policies))
    async with serving(reading.app()) as server:
        client = (await server.dial()).send(expecting(1001))
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert b" 100 " not in client.received
    assert reading.outcomes == []


async def test_what_is_small_enough_gets_its_100() -> None:
    reading = Reading(READ, (body(1000),))
    async with serving(reading.app()) as server:
        client = (await server.dial()).send(expecting(1000))
        assert (await client.answer()).status == 100
        assert (await client.send(bytes(1000)).answer()).status == 200
        client.send(head(b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"))
        assert (await client.answer()).status == 100  # how large it will be nobody has said
        client.send(b"3e9\r\n" + bytes(1001) + b"\r\n0\r\n\r\n")
        assert (await client.answer()).status == 413


async def test_what_is_not_known_is_refused_as_ever() -> None:
    reading = Reading(READ, (body(1000),))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = (await server.dial()).send(expecting(10, expect=b"a-miracle"))
        assert (await client.answer()).status == 417


@pytest.mark.parametrize(
    ("entries", "limit"),
    [
        ((rule("POST /", body(2000)), body(1000)), 2000),
        ((rule("/elsewhere", body(2000)), body(1000)), 1000),
        ((rule("/", exempt(body)), body(1000)), None),
        ((), None),
    ],
    ids=["a rule", "another rule", "exempt", "nothing"],
)
async def test_the_policy_is_that_of_the_route(
    entries: tuple[Policy | Rule, ...], limit: int | None
) -> None:
    reading = Reading(READ, entries, client_max_size=10_000)
    async with serving(reading.app()) as server:
        for length in (1000, 1001, 2000, 2001):
            client = (await server.dial()).send(expecting(length))
            expected = 100 if limit is None or length <= limit else 413
            assert (await client.answer()).status == expected


async def test_a_routes_own_handler_stays() -> None:
    asked: list[int | None] = []

    async def own(request: web.Request) -> None:
        asked.append(request.content_length)
        await request.writer.write(b"HTTP/1.1 100 Continue\r\nX-Own: yes\r\n\r\n")

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    app = web.Application()
    app.router.add_post("/", handler, expect_handler=own)
    setup(app, body(1000))
    async with serving(app) as server:
        client = (await server.dial()).send(expecting(1001))
        assert (await client.answer()).headers["x-own"] == "yes"
    assert asked == [1001]


async def test_a_mounted_application_is_asked_too() -> None:
    """Set up by itself, or within one that is."""
    for inside, outside in ((body(1000),), ()), ((), (body(1000),)):
        inner = Reading(READ, inside)
        app = web.Application()
        app.add_subapp("/inner/", inner.app())
        setup(app, *outside)
        async with serving(app) as server:
            for length, status in (1000, 100), (1001, 413):
                message = expecting(length).replace(b"POST /", b"POST /inner/")
                client = (await server.dial()).send(message)
                assert (await client.answer()).status == status


async def test_what_matches_no_route_is_not_judged() -> None:
    """aiohttp sends its 100 before its 404."""
    reading = Reading(READ, (body(1000),))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = (await server.dial()).send(expecting(2000).replace(b"POST /", b"POST /nowhere"))
        assert (await client.answer()).status == 100
        assert (await client.answer()).status == 404


async def test_an_application_that_is_run_again_asks_its_new_policies() -> None:
    """The handlers for `Expect` of the run before are not left in place."""
    reading = Reading(READ, (body(1000),))
    app = reading.app()
    runner = web.AppRunner(app)
    await runner.setup()
    await runner.cleanup()
    async with serving(Reading(READ, (body(1000),)).app()) as server:
        client = (await server.dial()).send(expecting(1001))
        assert (await client.answer()).status == 413
