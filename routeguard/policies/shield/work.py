"""Shielded work: tasks that the application owns, counts, and waits for at shutdown."""

import asyncio
import contextvars
import logging
from typing import TypeAlias

from aiohttp import web

from routeguard.configuration import ConfigError
from routeguard.internals.bodies import abandon_body, keep_body, lose_body, refusal_of_body
from routeguard.internals.connection import forget_cancelled_drain
from routeguard.internals.request import close_files
from routeguard.internals.writer import DetachedError, guard_writer, is_own_connection
from routeguard.policy import Place
from routeguard.quoting import quoted
from routeguard.running.application import RUNNING, Running, Service
from routeguard.running.deadlines import Bounds, Deadline, HandlerTimeout
from routeguard.running.events import Action
from routeguard.running.started import GOING_AWAY, can_be_answered, cut_off
from routeguard.running.state import Run, State

__all__ = ["ShieldedWork", "shielded_count"]

CANCEL_GRACE = 1.0
"""Seconds for the `finally` blocks of work that is given up at shutdown."""

logger: logging.Logger = logging.getLogger("routeguard.shield")

Outcome: TypeAlias = tuple[web.StreamResponse | None, BaseException | None]
"""How work ended: the response that it returned, or the exception that it raised.

The work's task returns either. A task that ends with an exception is an unhandled failure to
whoever watches tasks, and every 404 is an exception.
"""


class _Job:
    """One piece of shielded work."""

    __slots__ = (
        "context",
        "given_up",
        "ignored",
        "place",
        "request",
        "started",
        "state",
        "task",
        "waiter",
    )

    def __init__(
        self,
        request: web.Request,
        state: State,
        place: Place,
        started: float,
        waiter: "asyncio.Future[None]",
    ) -> None:
        self.request = request
        self.state = state
        self.place = place
        self.context = contextvars.copy_context()
        self.started = started
        self.given_up: float | None = None
        """When it was cancelled at shutdown, by the loop's clock."""
        self.ignored = False
        """Whether it is known to have ignored that."""
        self.waiter: asyncio.Future[None] | None = waiter
        """What the request's own task waits for; `None` once it has stopped waiting."""
        self.task: asyncio.Task[Outcome] | None = None

    def __str__(self) -> str:
        return f"{self.request.method} {quoted(self.request.path)}"

    def tell(
        self,
        action: Action,
        error: BaseException | None = None,
        *,
        seconds: float | None = None,
        bound: str | None = None,
    ) -> None:
        """Tells observers what came of the work."""
        self.place.tell(self.request, "shield", action, error=error, seconds=seconds, bound=bound)


class ShieldedWork(Service):
    """The shielded work of one run of an application."""

    def __init__(self, running: Running) -> None:
        super().__init__(running)
        self._jobs: dict[asyncio.Task[Outcome], _Job] = {}
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return self._count

    async def run(
        self, request: web.Request, inner: Run, state: State, limit: Bounds | None, place: Place
    ) -> web.StreamResponse:
        """Runs what is inside the shield in a task of its own, and waits for it while it may.

        Nothing is awaited before the task exists: clients that hang up at once would be lost.
        """
        loop = self.running.loop or asyncio.get_running_loop()
        keep_body(request)
        state.shielded = True
        waiter = loop.create_future()
        job = _Job(request, state, place, loop.time(), waiter)
        work = (
            _work(request, inner, state)
            if limit is None
            else _bounded(request, inner, state, limit)
        )
        self._count += 1  # before the task exists: an eager one runs the handler at once
        task = job.task = loop.create_task(work, context=job.context)
        self._jobs[task] = job
        task.add_done_callback(self._finished)
        if self.running.drain_until is not None:
            self._began_late(job)
        try:
            await waiter
        except asyncio.CancelledError:
            job.waiter = None
            if task not in self._jobs:
                _report(job, task)
            elif not task.done():  # else its callback is about to report it
                state.work = task
                _detach(request, state, asyncio.current_task(loop))
                if request.transport is None:
                    job.tell("left", seconds=loop.time() - job.started)
            raise
        finally:
            _bring_out(job.context)
        if request.transport is None:
            job.tell("left", seconds=loop.time() - job.started)
            # aiohttp throws the answer away. An exception that is in the log it would log again.
            if _report(job, task):
                return web.Response(status=500)
        response, error = task.result()
        if error is None and response is not None:
            return response
        if isinstance(error, HandlerTimeout):
            if error.bound == "limit" and request.transport is not None:
                job.tell("given up", error, seconds=error.seconds, bound=error.bound)
            if not can_be_answered(request, state.response):
                await cut_off(request, state.response, GOING_AWAY)
        try:
            assert error is not None
            raise error
        finally:
            # The exception's traceback holds this frame.
            del error, task, job

    def _finished(self, task: "asyncio.Task[Outcome]") -> None:
        job = self._jobs.pop(task)
        self._count -= 1
        if task.cancelled() and job.given_up is None and self.running.shutting_down:
            _name(job)  # as by a second signal: whoever runs the application ends all tasks
        waiter = job.waiter
        if waiter is None:
            if job.state.work is task:
                job.state.work = None  # or task, failure, request and state were a cycle
            close_files(job.request)
            _report(job, task)
        elif not waiter.done():
            waiter.set_result(None)

    def begin_shutdown(self) -> None:
        """Starts the time of the drain, and fails bodies that can no longer arrive."""
        until = self.running.drain_until
        assert until is not None
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(until, self._give_up)
        for job in self._jobs.values():
            lose_body(job.request)

    def _began_late(self, job: _Job) -> None:
        """Work that begins during the shutdown has no more time than other work."""
        lose_body(job.request)
        loop, until = asyncio.get_running_loop(), self.running.drain_until
        if until is not None and until <= loop.time():
            loop.call_soon(self._give_up)

    async def drain(self, until: float) -> None:
        """Waits for all work; cancels what is not done in time, and names it in the log.

        Where the wait itself is cancelled, as by a second signal, the work's time is up.
        """
        loop = asyncio.get_running_loop()
        try:
            while self._jobs and (left := until - loop.time()) > 0:
                await asyncio.wait(list(self._jobs), timeout=left)
        finally:
            self._give_up()
            if self._jobs:
                latest = max(job.given_up or 0.0 for job in self._jobs.values())
                await asyncio.wait(list(self._jobs), timeout=latest + CANCEL_GRACE - loop.time())
            for job in self._jobs.values():
                if not job.ignored:
                    job.ignored = True
                    logger.error("shielded %s ignored its cancellation", job)

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        """Cancels all work that has not been cancelled yet."""
        now = asyncio.get_running_loop().time()
        for job in self._jobs.values():
            if job.given_up is None and job.task is not None:
                job.given_up = now
                _name(job)
                job.task.cancel()
                forget_cancelled_drain(job.request)


def shielded_count(app: web.Application) -> int:
    """How many shielded handlers of an application run now.

    Args:
        app: an application given to `setup`; of several within each other, the outermost one.

    Returns:
        The number, also while the application shuts down.

    Raises:
        ConfigError: it was not given to `setup`.
    """
    running = app.get(RUNNING)
    if running is None:
        raise ConfigError(f"shielded_count({app!r}): the application was not given to setup")
    return len(running.service(ShieldedWork))


async def _work(request: web.Request, inner: Run, state: State) -> Outcome:
    try:
        return await inner(request, state), None
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        return None, error


async def _bounded(request: web.Request, inner: Run, state: State, bounds: Bounds) -> Outcome:
    limit = Deadline(bounds, asyncio.current_task(), request=request)
    for clock in bounds.running:
        clock.add(limit)
    try:
        try:
            return await inner(request, state), None
        finally:
            for clock in bounds.running:
                clock.discard(limit)
            limit.undo()
    except asyncio.CancelledError as error:
        if not limit.timed_out:
            raise
        told = not state.detached and can_be_answered(request, state.response)
        return None, limit.timeout(request, error, answerable=told)
    except BaseException as error:
        return None, error


def _name(job: _Job) -> None:
    """Names work that shutdown gives up."""
    age = asyncio.get_running_loop().time() - job.started
    logger.error("shielded %s given up at shutdown after %.1f s", job, age)
    job.context.run(job.tell, "given up", seconds=age)


def _bring_out(context: contextvars.Context) -> None:
    """Sets the context variables that the work has set, as if it had run in its caller's task."""
    for variable, value in context.items():
        if variable.get(context) is not value:  # the context itself stands for "not set"
            variable.set(value)


def _detach(request: web.Request, state: State, waiting: "asyncio.Task[object] | None") -> None:
    state.detached = True
    abandon_body(request)
    guard_writer(request, waiting)


def _report(job: _Job, task: "asyncio.Task[Outcome]") -> bool:
    """Logs work that ended with nobody left to tell.

    Returns:
        Whether nothing more is to be said of it.
    """
    if task.cancelled():
        return False
    _, error = task.result()
    if error is None:
        return False
    if isinstance(error, DetachedError):
        logger.info("shielded %s ended where it wanted to send: %s", job, error)
    elif isinstance(error, ConnectionError) and is_own_connection(job.request, error):
        logger.info("shielded %s ended, since its client has left: %s", job, error)
    elif isinstance(error, SystemExit | KeyboardInterrupt):
        raise error  # which ends the event loop, as it would without a shield
    elif (refusal := refusal_of_body(job.request)) is not None:
        logger.info("shielded %s ended without its body: %s", job, refusal.text)
        return False  # what has bounded the body says why
    elif isinstance(error, web.HTTPException) and error.status < 500:
        return False
    else:
        if isinstance(error, HandlerTimeout) and error.bound == "limit":
            job.tell("given up", error, seconds=error.seconds, bound=error.bound)
        else:
            job.tell("failed", error)
        logger.error("shielded %s failed with nobody left to tell", job, exc_info=error)
    return True
