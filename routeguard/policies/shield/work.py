"""Shielded work: tasks that the application owns, counts, and waits for at shutdown."""

import asyncio
import logging

from aiohttp import web

from routeguard.internals.reader import abandon_body, close_files, keep_body
from routeguard.internals.writer import DetachedError, guard_writer
from routeguard.policy import Handler
from routeguard.quoting import quoted
from routeguard.running.deadlines import Bounds, Deadline, HandlerTimeout
from routeguard.running.exchange import Exchange, begun_of
from routeguard.running.started import GOING_AWAY, can_be_answered, cut_off

__all__ = ["ShieldedWork"]

CANCEL_GRACE = 1.0
"""Seconds for the `finally` blocks of work that is given up at shutdown."""

logger: logging.Logger = logging.getLogger("routeguard.shield")


class _Job:
    """One piece of shielded work."""

    __slots__ = (
        "alone",
        "exchange",
        "given_up",
        "method",
        "path",
        "request",
        "started",
        "task",
        "waiter",
    )

    def __init__(self, request: web.Request, exchange: Exchange, started: float) -> None:
        self.method = request.method
        self.path = quoted(request.path)
        self.request = request
        self.exchange = exchange
        self.started = started
        self.alone = False
        self.given_up = False
        self.task: asyncio.Task[web.StreamResponse] | None = None
        self.waiter: asyncio.Future[None] | None = None


class ShieldedWork:
    """The shielded work of one application."""

    __slots__ = ("_jobs",)

    def __init__(self) -> None:
        self._jobs: dict[asyncio.Task[web.StreamResponse], _Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    async def run(
        self,
        request: web.Request,
        handler: Handler,
        exchange: Exchange,
        limit: Bounds | None,
    ) -> web.StreamResponse:
        """Runs a handler in a task of its own and waits for it as long as it is let.

        Nothing is awaited before the task exists: clients that hang up at once would be lost.
        """
        loop = asyncio.get_running_loop()
        task_waiting = asyncio.current_task(loop)
        keep_body(request)
        job = _Job(request, exchange, loop.time())
        job.waiter = loop.create_future()
        task = job.task = loop.create_task(_work(request, handler, limit))
        self._jobs[task] = job
        task.add_done_callback(self._finished)
        try:
            await job.waiter
        except asyncio.CancelledError:
            job.alone = True
            if task not in self._jobs:
                _report(job, task)
            elif not task.done():
                _detach(request, exchange, task_waiting)
            raise
        if request.transport is None:
            _report(job, task)  # aiohttp is going to throw the answer away
        late = not task.cancelled() and isinstance(task.exception(), HandlerTimeout)
        if late and not can_be_answered(request, begun_of(request)):
            await cut_off(request, begun_of(request), GOING_AWAY)
        return task.result()

    def _finished(self, task: "asyncio.Task[web.StreamResponse]") -> None:
        job = self._jobs.pop(task)
        if job.alone:
            close_files(job.request)
            _report(job, task)
        elif job.waiter is not None and not job.waiter.done():
            job.waiter.set_result(None)

    async def drain(self, until: float) -> None:
        """Waits for all work; cancels and names in the log what is not done in time.

        Args:
            until: when the waiting ends, by the event loop's clock.
        """
        loop = asyncio.get_running_loop()
        while self._jobs and (left := until - loop.time()) > 0:
            await asyncio.wait(list(self._jobs), timeout=left)
        given_up = [job for job in self._jobs.values() if not job.given_up]
        for job in given_up:
            job.given_up = True
            logger.error(
                "shielded %s %s given up at shutdown after %.1f s",
                job.method,
                job.path,
                loop.time() - job.started,
            )
            if job.task is not None:
                job.task.cancel()
        if given_up:
            cancelled = [job.task for job in given_up if job.task is not None]
            await asyncio.wait(cancelled, timeout=CANCEL_GRACE)
        for job in given_up:
            if job.task not in self._jobs:
                continue
            logger.error("shielded %s %s ignored its cancellation", job.method, job.path)


async def _work(
    request: web.Request,
    handler: Handler,
    bounds: Bounds | None,
) -> web.StreamResponse:
    # A view's call is an awaitable and no coroutine, which a task must have.
    if bounds is None:
        return await handler(request)
    limit = Deadline(bounds, asyncio.current_task())
    for clock in bounds.running:
        clock.add(limit)
    try:
        try:
            return await handler(request)
        finally:
            for clock in bounds.running:
                clock.discard(limit)
            limit.undo()
    except asyncio.CancelledError as error:
        if limit.timed_out:
            raise limit.timeout() from error
        raise


def _detach(
    request: web.Request, exchange: Exchange, waiting: "asyncio.Task[object] | None"
) -> None:
    exchange.detached_from = waiting
    abandon_body(request)
    guard_writer(request, waiting)


def _report(job: _Job, task: "asyncio.Task[web.StreamResponse]") -> None:
    """Logs work that ended with nobody left to tell."""
    if task.cancelled():
        return
    error = task.exception()
    if isinstance(error, DetachedError):
        logger.info("shielded %s %s ended where it wanted to send: %s", job.method, job.path, error)
    elif error is not None and not (isinstance(error, web.HTTPException) and error.status < 500):
        logger.error(
            "shielded %s %s failed with nobody left to tell", job.method, job.path, exc_info=error
        )
