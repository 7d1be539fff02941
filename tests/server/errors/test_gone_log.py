"""A failure after the client has gone is in the log once, and a client that leaves is none."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from routeguard import Policy, errors, problem_details, shield, timeout
from tests.server.errors.failing import POLICIES, RAISED, again, logged, served
from tests.support.rawhttp import PATIENCE, get
from tests.support.serving import until


@contextlib.asynccontextmanager
async def abandoned(app: web.Application, *, cancelling: bool) -> AsyncIterator[None]:
    """A server whose only client has hung up after the handler has begun."""
    runner = web.AppRunner(app, handler_cancellation=cancelling)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        _, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(get("/"))
        async with asyncio.timeout(PATIENCE):
            await app[BEGUN].wait()
        writer.transport.abort()
        yield
    finally:
        await runner.cleanup()


BEGUN = web.AppKey("begun", asyncio.Event)


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("make", RAISED)
@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES)
async def test_after_the_client_has_gone(
    caplog: pytest.LogCaptureFixture,
    make: Callable[[], Exception],
    started: bool,
    policies: tuple[Policy, ...],
) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if started:
            await web.StreamResponse().prepare(request)
        request.app[BEGUN].set()
        await until(lambda: request.transport is None)
        ended.set()
        raise make()

    app = served(handler, *policies)
    app[BEGUN] = asyncio.Event()
    with caplog.at_level(logging.DEBUG):
        async with abandoned(app, cancelling=False), asyncio.timeout(PATIENCE):
            await ended.wait()
    records = logged(caplog)
    if started:
        assert [one.name for one in records] == ["routeguard.errors"]
    else:
        status = getattr(make(), "status", 504 if isinstance(make(), TimeoutError) else 500)
        is_left = policies not in (POLICIES["errors"], POLICIES["with a timeout"])
        is_quiet = isinstance(make(), web.HTTPException) if is_left else status < 500
        assert len(records) == (0 if is_quiet else 1)


SHIELDED: dict[str, tuple[Policy, ...]] = {
    "alone": (shield,),
    "errors": (shield, errors()),
    "again": (shield, errors(again)),
    "all": (shield(limit=20), timeout(20, idle=20), errors(problem_details)),
}


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("make", RAISED)
@pytest.mark.parametrize("policies", SHIELDED.values(), ids=SHIELDED)
@pytest.mark.parametrize("cancelling", [False, True])
async def test_of_shielded_work_after_the_client_has_gone(
    caplog: pytest.LogCaptureFixture,
    make: Callable[[], Exception],
    started: bool,
    policies: tuple[Policy, ...],
    cancelling: bool,
) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if started:
            await web.StreamResponse().prepare(request)
        request.app[BEGUN].set()
        await until(lambda: request.transport is None)
        ended.set()
        raise make()

    app = served(handler, *policies)
    app[BEGUN] = asyncio.Event()
    with caplog.at_level(logging.DEBUG):
        async with abandoned(app, cancelling=cancelling), asyncio.timeout(PATIENCE):
            await ended.wait()
    records = logged(caplog)
    is_refusal = isinstance(error := make(), web.HTTPException) and error.status < 500
    if is_refusal and (not started or cancelling):
        assert records == []
    elif is_refusal:
        assert len(records) <= 1  # by whoever is outside
    else:
        assert [one.name for one in records] == ["routeguard.shield"]
        assert records[0].levelno == logging.ERROR and records[0].exc_info is not None


@pytest.mark.parametrize(
    "policies", [(errors(),), (shield,), (shield, errors()), (shield, timeout(20), errors())]
)
async def test_a_stream_that_the_client_has_left_is_no_failure(
    caplog: pytest.LogCaptureFixture, policies: tuple[Policy, ...]
) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        request.app[BEGUN].set()
        try:
            while True:
                await response.write(b"tick")
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    app = served(handler, *policies)
    app[BEGUN] = asyncio.Event()
    with caplog.at_level(logging.DEBUG):
        async with abandoned(app, cancelling=False), asyncio.timeout(PATIENCE):
            await ended.wait()
    (record,) = logged(caplog)
    assert record.levelno == logging.INFO
    assert "the client left" in record.getMessage() or "client has left" in record.getMessage()
