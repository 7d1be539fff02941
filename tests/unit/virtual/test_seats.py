"""A `concurrency_limit` looks for clients that have left its queue while somebody waits there."""

import asyncio
from collections.abc import Callable
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from routeguard.policies.concurrency_limit.seats import Seats
from tests.support.virtual import VirtualLoop, run_virtually


def asked() -> web.Request:
    transport = Mock()
    transport.is_closing.return_value = False
    return make_mocked_request("GET", "/", transport=transport)


def leaves(seats: Seats, waiting: "asyncio.Task[str]") -> None:
    seats.leave()


def cancels(seats: Seats, waiting: "asyncio.Task[str]") -> None:
    waiting.cancel()


def closes(seats: Seats, waiting: "asyncio.Task[str]") -> None:
    seats.close()


@pytest.mark.parametrize("ends", [leaves, cancels, closes])
def test_no_timer_stands_where_nobody_waits_any_more(
    ends: Callable[[Seats, "asyncio.Task[str]"], None],
) -> None:
    async def main(loop: VirtualLoop) -> None:
        seats = Seats(1, 2)
        seats.free -= 1
        requests = [asked(), asked()]
        waiting = [loop.create_task(seats.wait(one, loop)) for one in requests]
        await asyncio.sleep(0)
        assert len(loop.standing()) == 1

        ends(seats, waiting[0])
        await asyncio.wait(waiting[:1])
        if ends is not closes:
            assert len(loop.standing()) == 1  # one waits still
            ends(seats, waiting[1])
        await asyncio.wait(waiting)
        assert loop.standing() == []

    run_virtually(main)
