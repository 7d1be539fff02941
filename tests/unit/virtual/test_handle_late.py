"""`deadline(request)` once a bound has been passed, and seen from around the handler."""

import asyncio
from dataclasses import dataclass

import pytest
from aiohttp import web

from routeguard import (
    ConfigError,
    Policy,
    deadline,
    errors,
    https,
    shield,
    timeout,
    use,
)
from tests.support.asking import Handler, asked


@pytest.mark.parametrize("act", ["extend", "lift"])
def test_once_passed_it_cannot_be_taken_back(act: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            await asyncio.sleep(1000)
        finally:
            running = deadline(request)
            assert running.remaining == 0
            if act == "extend":
                running.extend(50)
            else:
                running.lift()
            assert running.remaining == 0
        return web.Response()

    assert asked(handler, timeout(5)) == ([504], 5)


def test_an_error_handler_sees_that_a_bound_was_passed() -> None:
    seen: list[float | None] = []

    async def answer(request: web.Request) -> web.Response:
        running = deadline(request)
        seen.append(running.remaining)
        running.extend(5)
        running.lift()
        seen.append(running.remaining)
        await asyncio.sleep(10)  # no bound applies to it any more
        return web.Response(status=504)

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1000)
        return web.Response()

    assert asked(handler, timeout(5), errors(answer)) == ([504], 5)
    assert seen == [0, 0]


def test_an_error_handler_after_another_error_has_no_limit() -> None:
    seen: list[float | None] = []

    async def answer(request: web.Request) -> web.Response:
        deadline(request).extend(1)
        seen.append(deadline(request).remaining)
        await asyncio.sleep(50)
        return web.Response(status=418)

    async def handler(request: web.Request) -> web.StreamResponse:
        raise ValueError

    assert asked(handler, timeout(5), errors(answer)) == ([418], 0)
    assert seen == [None]


def test_a_middleware_may_extend_for_its_handler() -> None:
    async def generous(request: web.Request, handler: Handler) -> web.StreamResponse:
        assert deadline(request).remaining == 5
        deadline(request).extend(30)
        return await handler(request.clone())  # a clone has the same deadline

    async def handler(request: web.Request) -> web.StreamResponse:
        assert deadline(request).remaining == 30
        await asyncio.sleep(29)
        assert deadline(request).remaining == 1
        return web.Response()

    assert asked(handler, timeout(5), use(generous)) == ([200], 29)


def test_a_middleware_may_go_on_past_its_handler_within_the_bound() -> None:
    async def lingering(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        assert deadline(request).remaining == 3
        await asyncio.sleep(1000)
        return response

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(2)
        return web.Response()

    assert asked(handler, timeout(5), use(lingering)) == ([504], 2)


def test_a_shielded_handler_extends_the_wait_for_it() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert deadline(request).remaining == 5
        deadline(request).extend(30)
        await asyncio.sleep(20)
        return web.Response()

    assert asked(handler, timeout(5), shield) == ([200], 20)


def test_detached_work_learns_that_nobody_waits_any_more() -> None:
    seen: list[float | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(20)
        seen.append(deadline(request).remaining)
        deadline(request).extend(5)
        seen.append(deadline(request).remaining)
        return web.Response()

    assert asked(handler, timeout(5), shield) == ([504], 20)
    assert seen == [0, 0]


def test_the_clone_that_https_makes_has_the_deadline_too() -> None:
    @dataclass(frozen=True, slots=True)
    class Outside(Policy):
        async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
            # Own kinds stand outside the timeout: before it begins, and after it has ended.
            assert deadline(request).remaining is None
            try:
                return await handler(request)
            finally:
                assert deadline(request).remaining is None

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.scheme == "https"
        assert deadline(request).remaining == 5
        return web.Response()

    always = https({"Host": "localhost"}, trusted="*")
    assert asked(handler, timeout(5), always, Outside()) == ([200], 0)


@pytest.mark.parametrize("value", [0, -1, True, None, "5", float("inf"), float("nan")], ids=repr)
@pytest.mark.parametrize("policy", [timeout(5), timeout(None)], ids=repr)
def test_extending_by_what_is_no_time_is_refused(policy: timeout, value: object) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        with pytest.raises(ConfigError, match="seconds="):
            deadline(request).extend(value)  # type: ignore[arg-type]
        return web.Response()

    assert asked(handler, policy) == ([200], 0)


@pytest.mark.parametrize("how", ["extended", "lifted", "left alone"])
def test_once_the_handler_has_ended_no_limit_runs(how: str) -> None:
    """And none can be set running: there is nothing left to cancel, and no timer to leave."""
    seen: list[float | None] = []

    async def answer(request: web.Request) -> web.Response:
        running = deadline(request)
        seen.append(running.remaining)
        running.extend(500)
        seen.append(running.remaining)
        return web.Response(status=418)

    async def handler(request: web.Request) -> web.StreamResponse:
        if how == "extended":
            deadline(request).extend(50)
        elif how == "lifted":
            deadline(request).lift()
        raise ValueError

    assert asked(handler, timeout(5), errors(answer)) == ([418], 0)
    assert seen == [None, None]
