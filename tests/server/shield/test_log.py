"""What is said on `routeguard.shield` of work that ends with nobody left to tell."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from routeguard import HandlerTimeout, Policy, errors, setup, shield, shielded_count, timeout
from tests.support.jobs import Job, abandoned
from tests.support.messages import request
from tests.support.serving import serving, soon, until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SHORT = 0.1


def app_of(handler: Handler, *policies: Policy, method: str = "*") -> web.Application:
    app = web.Application()
    app.router.add_route(method, "/", handler)
    setup(app, *policies, drain=0)
    return app


def shield_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in caplog.records if one.name == "routeguard.shield"]


FAILURES = [
    (ValueError("lost"), True),
    (web.HTTPInternalServerError(), True),
    (web.HTTPServiceUnavailable(), True),
    (web.HTTPNotFound(), False),
    (web.HTTPFound("/"), False),
    (None, False),
]


@pytest.mark.parametrize(("failure", "logged"), FAILURES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("cancellation", [False, True], ids=["", "handler_cancellation"])
async def test_a_failure_that_nobody_hears_of_is_logged(
    failure: Exception | None,
    logged: bool,
    cancellation: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = Job(failure)
    app = app_of(job.run, shield)
    async with serving(app, handler_cancellation=cancellation) as server:
        await abandoned(server, job, request("POST", "/?secret=1"))
        await (await server.dial()).get("/nowhere").answer()  # the hang-up has been met by now
        job.gate.set()
        await until(lambda: shielded_count(app) == 0)
        await asyncio.sleep(SHORT / 2)
    records = [one for one in shield_records(caplog) if one.levelno >= logging.ERROR]
    assert len(records) == logged
    for record in records:
        assert record.exc_info is not None
        assert record.exc_info[1] is failure
        assert "POST /" in record.getMessage()


@pytest.mark.parametrize("others", [[], [errors()]], ids=["", "errors"])
@pytest.mark.parametrize("cancellation", [False, True], ids=["", "handler_cancellation"])
async def test_a_failure_that_nobody_hears_of_is_logged_by_nobody_else(
    cancellation: bool, others: list[Policy], caplog: pytest.LogCaptureFixture
) -> None:
    job = Job(ValueError("lost"))
    app = app_of(job.run, shield, *others)
    async with serving(app, handler_cancellation=cancellation) as server:
        await abandoned(server, job)
        await (await server.dial()).get("/nowhere").answer()  # the hang-up has been met by now
        job.gate.set()
        await until(lambda: shielded_count(app) == 0)
        await asyncio.sleep(SHORT / 2)
    found = [record.name for record in caplog.records if record.exc_info]
    assert found == ["routeguard.shield"]


@pytest.mark.parametrize(("failure", "logged"), FAILURES, ids=lambda value: type(value).__name__)
async def test_a_failure_after_a_504_is_logged(
    failure: Exception | None, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    job = Job(failure)
    app = app_of(job.run, shield, timeout(SHORT), errors())
    async with serving(app) as server:
        assert (await (await server.dial()).get("/").answer()).status == 504
        job.gate.set()
        await until(lambda: shielded_count(app) == 0)
        await asyncio.sleep(SHORT / 2)
    records = [one for one in shield_records(caplog) if one.levelno >= logging.ERROR]
    assert len(records) == logged


async def test_a_limit_passed_after_the_client_has_gone_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = Job()
    app = app_of(job.run, shield(limit=3 * SHORT))
    async with serving(app, handler_cancellation=True) as server:
        await abandoned(server, job)
        await soon(job.cancelled)
        await until(lambda: shielded_count(app) == 0)
        await asyncio.sleep(SHORT / 2)
    [record] = shield_records(caplog)
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], HandlerTimeout)


async def test_a_failure_that_somebody_hears_of_is_not_logged_by_the_shield(
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = Job(ValueError("told"))
    job.gate.set()
    async with serving(app_of(job.run, shield, errors())) as server:
        assert (await (await server.dial()).get("/").answer()).status == 500
    assert shield_records(caplog) == []


@pytest.mark.parametrize("first", ["work", "client"])
async def test_work_that_fails_as_its_client_goes_is_logged_once(
    first: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Within one turn of the loop, in either order."""
    waiting: list[asyncio.Task[object]] = []
    begun = asyncio.Event()
    ends: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        waiting.append(task)
        return await handler(request)

    async def handler(request: web.Request) -> web.Response:
        begun.set()
        await ends
        raise ValueError("lost")

    app = web.Application(middlewares=[note])
    guarded = app_of(handler, shield)
    app.add_subapp("/of", guarded)
    async with serving(app) as server:
        (await server.dial()).get("/of/")
        await soon(begun)
        if first == "work":
            ends.set_result(None)
            waiting[0].cancel()
        else:
            waiting[0].cancel()
            ends.set_result(None)
        await until(lambda: shielded_count(guarded) == 0)
        await asyncio.sleep(SHORT / 2)
    assert len(shield_records(caplog)) == 1


async def test_a_file_that_is_cut_off_is_no_failure(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The event loop sends a file by itself, past the response's writer."""
    file = tmp_path / "large"
    with file.open("wb") as made:
        made.truncate(50_000_000)

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(file)
        await response.prepare(request)
        return response

    caplog.set_level(logging.INFO, logger="routeguard.shield")
    app = app_of(handler, shield, timeout(None, total=SHORT))
    async with serving(app) as server:
        client = (await server.dial()).get("/")  # it reads nothing
        await until(lambda: shielded_count(app) == 1)
        await until(lambda: shielded_count(app) == 0)
        client.hang_up()
    assert [one.levelname for one in shield_records(caplog)] == ["INFO"]
