"""What `until_shutdown` does to a request: knows of it while it is open, and ends it."""

import asyncio

from aiohttp import web

from routeguard.policies.until_shutdown.ending import Group, OpenResponse
from routeguard.policy import Bound, Place
from routeguard.running.state import Run, State

__all__ = ["BoundUntilShutdown"]


class BoundUntilShutdown(Bound):
    """One `until_shutdown` in one run of the application."""

    __slots__ = ("_group", "_place")

    def __init__(self, group: Group, place: Place) -> None:
        self._group = group
        self._place = place

    def link(self, inner: Run) -> Run:
        """The chain's link: what is inside is known of until it has ended."""
        group, place = self._group, self._place
        running = place.running
        loop = running.loop

        async def run(request: web.Request, state: State) -> web.StreamResponse:
            task = asyncio.current_task(loop)
            assert task is not None
            one = OpenResponse(group, request, state, task)
            group.open.add(one)
            state.watch(one)
            try:
                response = await inner(request, state)
            except asyncio.CancelledError:
                if not one.take_back() or one.response is None:
                    raise
                return await one.end(one.response)
            except BaseException as error:
                one.take_back()
                if one.response is None or not (
                    one.is_ending and isinstance(error, ConnectionError)
                ):
                    raise
                # It wanted to send on what was closed here, or its client has left meanwhile.
                return await one.end(one.response)
            finally:
                group.open.discard(one)
                state.unwatch(one)
                if one.is_ending:
                    place.tell(request, "until_shutdown", "ended")
            return await one.end(response) if one.take_back() else response

        return run
