"""Small programs of sleeping, failing, cancelling and nested timeouts, for two implementations.

A script is played by a handler inside the scope under test. What can be observed of it, from
within and from outside, is recorded so that two implementations can be compared.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from aiohttp import web

from routeguard import setup, timeout
from tests.support.virtual import VirtualLoop, Wire, started

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NOTHING_PENDS = "nothing pends"


class InnerTimeout(TimeoutError):
    """A nested `asyncio.timeout` was what ran out; told apart from the scope under test."""


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Fail:
    """Raises, a `TimeoutError` of the handler's own among others."""

    error: type[Exception]


@dataclass(frozen=True, slots=True)
class CancelSelf:
    """Asks for the cancellation of the very task that runs."""


@dataclass(frozen=True, slots=True)
class Nested:
    """An `asyncio.timeout` inside, whose expiry is caught or not."""

    seconds: float
    body: "Script"
    caught: bool


@dataclass(frozen=True, slots=True)
class Swallow:
    """Catches a cancellation, with or without `uncancel`, and goes on with something else."""

    body: "Script"
    uncancels: bool
    after: "Script"


@dataclass(frozen=True, slots=True)
class Finally:
    body: "Script"
    last: "Script"


@dataclass(frozen=True, slots=True)
class Group:
    """A task group."""

    children: "tuple[Script, ...]"


Step: TypeAlias = Sleep | Fail | CancelSelf | Nested | Swallow | Finally | Group
Script: TypeAlias = tuple[Step, ...]


async def play(script: Sequence[Step], trace: list[tuple[float, str]]) -> None:
    """Runs a script; the trace says what happened when."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for step in script:
        match step:
            case Sleep(seconds):
                await asyncio.sleep(seconds)
                trace.append((loop.time(), "slept"))
            case Fail(error):
                raise error("from the script")
            case CancelSelf():
                task.cancel()
            case Nested(seconds, body, caught):
                try:
                    async with asyncio.timeout(seconds):
                        await play(body, trace)
                except TimeoutError as error:
                    if type(error) is not TimeoutError:
                        raise
                    trace.append((loop.time(), "nested timeout"))
                    if not caught:
                        raise InnerTimeout from error
            case Swallow(body, uncancels, after):
                try:
                    await play(body, trace)
                except asyncio.CancelledError:
                    trace.append((loop.time(), "swallowed"))
                    if uncancels:
                        task.uncancel()
                    await play(after, trace)
            case Finally(body, last):
                try:
                    await play(body, trace)
                finally:
                    trace.append((loop.time(), "finally"))
                    await play(last, trace)
            case Group(children):
                async with asyncio.TaskGroup() as group:
                    for child in children:
                        group.create_task(play(child, trace))


@dataclass(frozen=True)
class Observed:
    """What a script did under one implementation."""

    outcome: str
    ended: float
    cancelling: int
    pending: str
    trace: list[tuple[float, str]] = field(default_factory=list)


def name_of(error: BaseException) -> str:
    """What was raised; ours is named as the standard library's, of which it is a subclass."""
    if isinstance(error, BaseExceptionGroup):
        return f"group({', '.join(sorted(map(name_of, error.exceptions)))})"
    if type(error).__name__ == "HandlerTimeout":
        return "TimeoutError"
    return type(error).__name__


async def observe(
    loop: VirtualLoop,
    script: Script,
    seconds: float,
    cancelled_at: Sequence[float],
    entered_with: int = 0,
) -> dict[str, Observed]:
    """Plays a script under our timeout and under the standard library's.

    Args:
        loop: the loop that runs.
        script: what the handler does.
        seconds: the timeout around it.
        cancelled_at: when somebody outside asks for the request's cancellation.
        entered_with: how many cancellations somebody outside has swallowed before, each of which
            is still on the task's count.
    """
    seen: dict[str, Observed] = {}
    trace: list[tuple[float, str]] = []
    finished = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await play(script, trace)
        return web.Response()

    @web.middleware
    async def standard(request: web.Request, handler: Handler) -> web.StreamResponse:
        async with asyncio.timeout(seconds):
            return await handler(request)

    @web.middleware
    async def observer(request: web.Request, handler: Handler) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        for _ in range(entered_with):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        start = loop.time()
        calls = [loop.call_at(start + when, task.cancel) for when in cancelled_at]
        try:
            response = await handler(request)
            # A timeout that nobody answers leaves the dispatcher as the response to it.
            outcome = "TimeoutError" if response.status == 504 else "returned"
        except BaseException as error:
            outcome = name_of(error)
        ended, cancelling = loop.time() - start, task.cancelling()
        for call in calls:
            call.cancel()
        while task.cancelling():
            task.uncancel()
        try:
            await asyncio.sleep(0)
            pending = NOTHING_PENDS
        except asyncio.CancelledError:
            pending = "a cancellation pends"
        relative = sorted((when - start, what) for when, what in trace)
        seen[request.path] = Observed(outcome, ended, cancelling, pending, relative)
        trace.clear()
        finished.set()
        return web.Response()

    ours = web.Application()
    setup(ours, timeout(None, total=seconds))
    theirs = web.Application(middlewares=[standard])
    root = web.Application(middlewares=[observer])
    for prefix, app in (("/ours", ours), ("/theirs", theirs)):
        app.router.add_get("/", handler)
        root.add_subapp(prefix, app)
    [server] = await started(root)
    for prefix in ("/ours", "/theirs"):
        finished.clear()
        wire = Wire(server).get(f"{prefix}/")
        await finished.wait()
        wire.hang_up()
    return seen
