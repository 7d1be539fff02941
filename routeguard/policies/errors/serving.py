"""What `errors` does to a request: answers what is raised inside it."""

from typing import TYPE_CHECKING

from aiohttp import web

from routeguard.policy import Bound, Place
from routeguard.running.started import can_be_answered
from routeguard.running.state import Run, State, begun_of
from routeguard.running.unfinished import Unfinished

if TYPE_CHECKING:
    from routeguard.policies.errors.policy import errors

__all__ = ["BoundErrors"]


class BoundErrors(Bound):
    """One `errors` in one run of the application."""

    __slots__ = ("_app", "_place", "_policy")

    def __init__(self, policy: "errors", place: Place) -> None:
        self._policy: errors = policy
        self._app = place.app
        self._place = place

    def link(self, inner: Run) -> Run:
        """The chain's link: what is inside, with its errors answered."""
        answer, answer_at_once = self.answer, self.answer_at_once

        async def run(request: web.Request, state: State) -> web.StreamResponse:
            try:
                return await inner(request, state)
            except Exception as error:
                answered = None if state.response is not None else answer_at_once(request, error)
                return await answer(request, error) if answered is None else answered

        return run

    def answer_at_once(self, request: web.Request, error: Exception) -> web.Response | None:
        """The answer to an error that takes no more than to write it; `None` for all else.

        Args:
            request: the request. No response to it has started, as far as its state tells.
            error: what was raised.
        """
        if not can_be_answered(request, None):
            return None
        response = self._policy.answer_at_once(error)
        if response is not None:
            self._tell(request, response.status, error)
        return response

    async def answer(self, request: web.Request, error: Exception) -> web.StreamResponse:
        """The error handler's answer, or the error again where it has none.

        The error handler sees as `request.app` the application that stated the policy.
        """
        match_info = request.match_info
        resource = match_info.route.resource
        place = "no route" if resource is None else resource.canonical
        before = match_info.current_app
        match_info.current_app = self._app
        try:
            response = await self._policy.answer(request, error, place)
            if response is not begun_of(request) and not isinstance(response, Unfinished):
                self._tell(request, response.status, error)
            return response
        except web.HTTPException as raised:
            if raised is not error:
                self._tell(request, raised.status, error)
            raise
        finally:
            match_info.current_app = before
            del error  # or error, traceback and this frame were a cycle

    def _tell(self, request: web.Request, status: int, error: Exception) -> None:
        if self._place.running.observers:
            self._place.tell(request, "errors", "answered", status=status, error=error)
