"""What `cors` does to a request: answers preflights, and writes headers on whatever leaves."""

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from routeguard.http import VARY
from routeguard.policies.cors.answers import Preflights, grant_answer, question_of
from routeguard.policies.cors.fields import ALLOW_ORIGIN, ORIGIN, has_cors_headers
from routeguard.policies.cors.preflight import is_preflight, log_refused_origin
from routeguard.policy import Bound, Place
from routeguard.running.application import Running, Service
from routeguard.running.state import Run, State, StateMark

if TYPE_CHECKING:
    from routeguard.policies.cors.policy import cors

__all__ = ["AnswersPreflights", "BoundCors"]

IS_PREFLIGHT = object()
"""The note on a request that is a preflight."""


class BoundCors(Bound):
    """One `cors` in one run of the application."""

    __slots__ = ("place", "policy")

    def __init__(self, policy: "cors", place: Place) -> None:
        self.policy: cors = policy
        self.place: Place = place

    def marks(self) -> StateMark | None:
        """Writes the CORS headers of responses."""
        plain, mark = self.policy.plain_origins, self._mark

        def write(
            request: web.Request, response: web.StreamResponse, state: State
        ) -> Awaitable[None] | None:
            """Most pages have an exact origin, and most responses no CORS headers of their own."""
            if state.notes is None:
                headers = response.headers
                lines: Sequence[str] = request.headers.getall(ORIGIN, ())
                if (
                    len(lines) == 1
                    and lines[0] in plain
                    and VARY not in headers
                    and not has_cors_headers(headers)
                ):
                    headers[VARY] = "Origin"
                    headers[ALLOW_ORIGIN] = lines[0]
                    return None
            elif IS_PREFLIGHT in state.notes:
                return None  # its answer has its headers already
            return mark(request, response, state)

        return write

    def _mark(
        self, request: web.Request, response: web.StreamResponse, state: State
    ) -> Awaitable[None] | None:
        if self.policy.write_known(request, response.headers):
            return None
        return self.examine(request, response, state)

    async def examine(
        self, request: web.Request, response: web.StreamResponse, state: State
    ) -> None:
        """Writes the headers for an origin that is not among the exact ones."""
        if await self.policy.write(request, response.headers) or state.noted(self):
            return
        state.note(self, "the refusal is in the log")
        if log_refused_origin(request, self.place.text):
            self.place.tell(request, "cors", "refused")


class AnswersPreflights(Bound, Service):
    """Answers the preflights of every route, whether or not `cors` is stated for `OPTIONS`.

    A preflight asks about another method, and that method's policy decides.
    """

    def __init__(self, running: Running) -> None:
        super().__init__(running)
        self._preflights = Preflights(running)

    def link(self, inner: Run) -> Run:
        """The chain's link: preflights are answered, and come no further."""
        answer_anew, granted = self._preflights.answer, self._preflights.granted

        def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
            return asked(request, state) if is_preflight(request) else inner(request, state)

        async def asked(request: web.Request, state: State) -> web.StreamResponse:
            state.note(IS_PREFLIGHT, True)
            question = question_of(request)
            grant = granted(question)
            if grant is not None:
                return grant_answer(request, *grant)
            answer = await answer_anew(request, question, BoundCors)
            return await inner(request, state) if answer is None else answer

        return run
