"""Anything in any order: bodies, deadlines, disconnects, queues and the shutdown, against a model.

On virtual time, so that much of it happens at the same instant.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.support.virtual import VirtualLoop
from tests.unit.virtual.chaos import (
    DRAIN,
    GRACE,
    LIMIT,
    PLACES,
    SEATS,
    SECONDS,
    Asked,
    World,
)

T = TypeVar("T")

ROUTES = ("plain", "shielded", "limited", "both", "stream")
PARTS = ("routeguard.running", "routeguard.policies")
LOGGERS = ("routeguard", "aiohttp.server", "asyncio")
CANCEL_GRACE = 1.0


class Chaos(RuleBasedStateMachine):
    """One run of the application."""

    world: World

    @initialize(
        cancellation=st.booleans(), routes=st.sets(st.sampled_from(ROUTES), min_size=1, max_size=2)
    )
    def start(self, cancellation: bool, routes: set[str]) -> None:
        self.routes = sorted(routes)  # few of them, so that their requests meet
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        loop = self.runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop = loop
        self.world = World(loop, cancellation=cancellation)
        self.levels = {name: logging.getLogger(name).level for name in LOGGERS}
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self.world)
            logging.getLogger(name).setLevel(logging.INFO)
        self.run(self.world.start())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    # --- what happens

    @rule(
        route=st.sampled_from(ROUTES),
        work=st.sampled_from([0.0, 1.0, 2.0, 4.0, 5.0, 8.0, 12.0]),
        ends=st.sampled_from(["well", "fails", "conflict"]),
        pieces=st.sampled_from([-1, -1, 3, 2, 0]),
    )
    def a_client_asks(self, route: str, work: float, ends: str, pieces: int) -> None:
        if route not in self.routes:
            route = self.routes[ROUTES.index(route) % len(self.routes)]
        one = self.run(self.world.ask(route, work, ends, -1 if route == "stream" else pieces))
        if one is None:
            return
        if one.limited and one.crowd >= SEATS + PLACES:
            assert one.begun is None, f"there was no seat: {one}"
        elif not one.limited or one.crowd < SEATS:
            # Whoever finds a free seat has it at once: no seat has been lost before.
            assert one.begun == one.at, f"it was not begun at once: {one}"

    @precondition(lambda self: self.world.asked)
    @rule(data=st.data())
    def more_of_a_body_arrives(self, data: st.DataObject) -> None:
        self.on_one(data, World.more)

    @precondition(lambda self: self.world.asked)
    @rule(data=st.data())
    def a_client_hangs_up(self, data: st.DataObject) -> None:
        self.on_one(data, World.hang_up)

    def on_one(self, data: st.DataObject, do: Any) -> None:
        one = data.draw(st.sampled_from(self.world.asked[-6:]))

        async def doing() -> None:
            do(self.world, one)
            if data.draw(st.booleans()):
                await self.world.turn()

        self.run(doing())

    @precondition(lambda self: self.world.asked)
    @rule(data=st.data(), seconds=st.sampled_from([0.0, 1.0, 2.0, 4.0]), turns=st.integers(0, 8))
    def a_client_hangs_up_later(self, data: st.DataObject, seconds: float, turns: int) -> None:
        """At the instant of something else, so many turns of the loop after its beginning."""
        one = data.draw(st.sampled_from(self.world.asked[-6:]))

        async def arrange() -> None:
            self.loop.call_later(seconds, turn, turns)

        def turn(left: int) -> None:
            if left:
                self.loop.call_soon(turn, left - 1)
            else:
                self.world.hang_up(one)

        self.run(arrange())

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @precondition(lambda self: len(self.world.asked) > 3)
    @rule(really=st.integers(0, 4))
    def the_application_shuts_down(self, really: int) -> None:
        if not really:

            async def stopping() -> None:
                self.world.shut_down()

            self.run(stopping())

    # --- what holds

    @invariant()
    def no_more_run_than_there_are_seats(self) -> None:
        for route in ("limited", "both"):
            running = [
                one
                for one in self.world.asked
                if one.route == route and one.begun is not None and not one.ended
            ]
            assert len(running) <= SEATS, [str(one) for one in running]

    @invariant()
    def no_timer_stands_for_nobody(self) -> None:
        if self.world.shut is None and not any(map(self.world.is_going_on, self.world.asked)):
            self.run(self.world.turn())
            assert [self.loop.standing(part) for part in PARTS] == [[]] * len(PARTS)
            # A connection that is cut has a second for what was written before, and one that waits
            # for the rest of a body looks once a second whether its client is there.
            assert all(when <= self.loop.time() + 1 for when in self.loop.standing())

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.run(self.world.finish())
            left = self.run(self.asked_in_the_loop())
            assert not any(left.values()), left
            for one in self.world.asked:
                self.holds(one)
        finally:
            for name, level in self.levels.items():
                logging.getLogger(name).removeHandler(self.world)
                logging.getLogger(name).setLevel(level)
            self.loop.forget_timers()
            self.runner.close()

    async def asked_in_the_loop(self) -> dict[str, object]:
        return self.world.left_over()

    def holds(self, one: Asked) -> None:
        """What must have become of a request."""
        self.is_answered_once_or_cut(one)
        if one.begun is not None:
            self.has_ended_as_promised(one)
            self.has_failed_once(one)

    def is_answered_once_or_cut(self, one: Asked) -> None:
        answers = one.wire.answers()  # strictly parsed: nothing may stray into the connection
        assert len(answers) <= 1, one
        whole = bool(answers) and answers[0].complete
        assert whole or one.wire.closed, f"its client waits for ever: {one}"
        before_the_end = self.world.shut is None or one.at + LIMIT < self.world.shut
        if one.left is None and before_the_end and one.route != "stream":
            assert whole, f"its client is owed an answer: {one}"
        if not answers:
            return
        how = one.ended[-1][1] if one.ended else ""
        match answers[0].status:
            case 200:
                assert one.route == "stream" or (how, one.ends) == ("done", "well"), one
            case 409:
                assert (how, one.ends) == ("done", "conflict"), one
            case 500:
                assert (how, one.ends) == ("done", "fails"), one
            case 504:
                assert one.wire.first in (one.at + SECONDS, (one.begun or 0) + LIMIT), one
            case 408:
                assert not one.ended or how in ("body", "cancelled"), one
                assert one.read is None, one
            case 503 if how == "body":
                assert self.world.shut is not None and one.read is None, one
            case 503:
                assert one.limited and one.begun is None, one
                assert one.crowd >= SEATS or self.world.shut is not None, one
            case 400:
                assert one.read is None, one
            case other:
                raise AssertionError(f"nobody answers {other}: {one}")

    def has_ended_as_promised(self, one: Asked) -> None:
        assert len(one.ended) == 1, f"it was lost, or ended twice: {one}"
        [(ended, how)] = one.ended
        shut = self.world.shut
        assert shut is not None
        assert self.world.closed is not None
        if one.limited:
            assert one.begun is not None and one.begun <= shut, f"the queue was not closed: {one}"
        if one.shielded:
            assert how != "body" or not one.whole or one.read is None, one
            assert how != "body" or one.pieces >= 0, one
            limit = one.begun + LIMIT if one.route == "both" and one.begun is not None else 1e9
            if how == "cancelled":
                assert ended >= min(limit, shut + DRAIN), f"work was lost: {one}"
            assert ended <= max(self.world.closed, shut), f"its resources had closed: {one}"
            assert self.world.given_up(one) <= 1, one
        elif one.route == "stream" and shut <= ended:
            assert ended <= max(shut + GRACE, one.at) + CANCEL_GRACE, f"it went on: {one}"

    def has_failed_once(self, one: Asked) -> None:
        raised = one.ends == "fails" and one.ended and one.ended[-1][1] == "done"
        expected = 1 if raised else 0
        assert len(self.world.failures(one)) == expected, (str(one), self.world.failures(one))


TestChaos = Chaos.TestCase
TestChaos.settings = settings(max_examples=settings().max_examples, stateful_step_count=30)
