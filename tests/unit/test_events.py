"""Events: who is told, what an event says, and an observer that fails."""

import asyncio
import dataclasses
import gc
import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from routeguard.running.events import OBSERVERS, Event, Observer, Observers


async def nothing(request: web.Request) -> web.Response:
    return web.Response()


async def asked(app: web.Application, path: str, method: str = "GET") -> web.Request:
    """A request as the application's middlewares see it."""
    request = make_mocked_request(method, path, app=app)
    match_info = await app.router.resolve(request)
    match_info.add_app(app)
    request._match_info = match_info
    return request


def observed(*observers: Observer) -> web.Application:
    app = web.Application()
    app.router.add_get("/users/{id}", nothing)
    if observers:
        app[OBSERVERS] = observers
    return app


async def test_an_event_says_what_was_done_to_which_request() -> None:
    seen: list[Event] = []
    app = observed(seen.append)
    request = await asked(app, "/users/7")
    error = KeyError("x")
    Observers(app).tell(
        request,
        "timeout",
        "expired",
        place="rule 1",
        status=504,
        error=error,
        seconds=2.5,
        bound="total",
    )
    assert seen == [
        Event(
            policy="timeout",
            action="expired",
            request=request,
            method="GET",
            place="rule 1",
            route="/users/{id}",
            status=504,
            error=error,
            seconds=2.5,
            bound="total",
        )
    ]


async def test_a_request_without_a_route_has_none() -> None:
    seen: list[Event] = []
    app = observed(seen.append)
    Observers(app).tell(await asked(app, "/nowhere", "DELETE"), "csrf", "refused", status=403)
    assert (seen[0].route, seen[0].method, seen[0].status) == (None, "DELETE", 403)


def test_an_event_is_frozen_and_slotted() -> None:
    event = Event("csrf", "refused", make_mocked_request("GET", "/"), "GET")
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.status = 200  # type: ignore[misc]
    assert not hasattr(event, "__dict__")


async def test_the_observers_of_every_application_around_the_route_are_told() -> None:
    told: list[str] = []
    inner = observed(lambda event: told.append("inner"))
    middle, root = observed(), observed(lambda event: told.append("root"))
    middle.add_subapp("/inner", inner)
    root.add_subapp("/middle", middle)
    observers = Observers(root)
    observers.tell(await asked(root, "/middle/inner/users/1"), "csrf", "refused")
    assert told == ["root", "inner"]
    observers.tell(await asked(root, "/middle/users/1"), "csrf", "refused")
    assert told == ["root", "inner", "root"]


async def test_observers_of_an_inner_application_alone_are_told() -> None:
    seen: list[Event] = []
    inner, root = observed(seen.append), observed()
    root.add_subapp("/inner", inner)
    observers = Observers(root)
    observers.tell(await asked(root, "/inner/users/1"), "csrf", "refused")
    observers.tell(await asked(root, "/users/1"), "csrf", "refused")
    assert [event.route for event in seen] == ["/inner/users/{id}"]


async def test_an_observer_that_two_applications_name_hears_once() -> None:
    seen: list[Event] = []
    inner, root = observed(seen.append), observed(seen.append)
    root.add_subapp("/inner", inner)
    Observers(root).tell(await asked(root, "/inner/users/1"), "csrf", "refused")
    assert len(seen) == 1


async def test_one_that_raises_is_logged_once_and_the_others_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("no disk")

    def cancels(event: Event) -> None:
        raise asyncio.CancelledError

    app = observed(broken, cancels, seen.append)
    observers = Observers(app)
    request = await asked(app, "/users/1")
    with caplog.at_level(logging.ERROR, "routeguard"):
        for _ in range(3):
            observers.tell(request, "csrf", "refused")
    assert len(seen) == 3
    assert [record.name for record in caplog.records] == ["routeguard"] * 2
    assert "broken" in caplog.records[0].getMessage()
    assert caplog.records[0].exc_info is not None
    assert "cancels" in caplog.records[1].getMessage()


async def test_without_observers_nothing_is_looked_up() -> None:
    """A request of which nothing may be asked: each attribute would raise."""

    class Untouchable:
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

    observers = Observers(observed())
    request: web.Request = Untouchable()  # type: ignore[assignment]
    observers.tell(request, "csrf", "refused", status=403)
    gc.collect()
    before = gc.get_count()[0]
    for _ in range(50):
        observers.tell(request, "csrf", "refused", status=403)
    assert gc.get_count()[0] <= before + 1
