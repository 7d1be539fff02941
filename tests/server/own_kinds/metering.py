"""A module of an application, with two kinds of policy of its own that live with it."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from aiohttp import web
from aiohttp.typedefs import Handler

import routeguard
from routeguard import (
    ConfigError,
    Finding,
    Place,
    Policy,
    deadline,
    exempt,
    rule,
    shielded_count,
)
from routeguard.asking import Asked, Stated

__all__ = ["LOG", "Meter", "metered", "metered_work"]

LOG = web.AppKey[list[str]]("log", list)
"""What has become of the application's meters."""


@dataclass(frozen=True, slots=True)
class metered(Policy):  # noqa: N801  # it reads as a decorator
    """Counts requests, one at a time, outside timeout and shield."""

    finding_codes: ClassVar[Mapping[str, str]] = {"METER1": "a meter without a name"}

    name: str

    def explain(self, asked: Asked) -> Iterator[tuple[str, str]]:
        yield "meter", f"{asked.request.path} counts for {self.name or 'nobody'}"

    def findings(self, stated: Stated) -> Iterator[Finding]:
        if not self.name:
            yield Finding("METER1", "warning", stated.place, "it has no name", "name it")

    def bind(self, place: Place) -> "Meter":
        return Meter(self.name, "X-Requests", place)


@dataclass(frozen=True, slots=True)
class metered_work(Policy):  # noqa: N801
    """Counts what handlers do, inside timeout and shield."""

    innermost: ClassVar[bool] = True

    name: str

    def bind(self, place: Place) -> "Meter":
        return Meter(self.name, "X-Work", place)


class Meter:
    """A counter with a lock, which no second event loop can use."""

    lock: asyncio.Lock

    def __init__(self, name: str, header: str, place: Place) -> None:
        self.name = name
        self.header = header
        self.app = place.app
        self.log = place.app[LOG]
        self.count = 0
        self.log.append(f"{name} bound to {place}")

    async def start(self) -> None:
        if self.name == "broken":
            raise ConnectionError("no counter")
        self.lock = asyncio.Lock()
        self.log.append(f"{self.name} starts")

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        limited = deadline(request).remaining is not None
        shielded = shielded_count(self.app) > 0
        async with self.lock:
            await asyncio.sleep(0)  # so that others have to wait
            self.count += 1
            self.log.append(f"{self.name} {self.count}: {limited=} {shielded=}")
        return await handler(request)

    def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers[self.header] = f"{self.name} {self.count}"

    async def stop(self) -> None:
        self.log.append(f"{self.name} stops at {self.count}")


class Shapeless:
    """What a policy cannot be bound to."""

    counts: ClassVar[Mapping[str, int]] = {}


@dataclass(frozen=True, slots=True)
class misbound(Policy):  # noqa: N801
    """Bound to something that has no method of a policy."""

    def bind(self, place: Place) -> object:
        return Shapeless()


@dataclass(frozen=True, slots=True)
class misnamed(Policy):  # noqa: N801
    """With a field that is called as a method of every policy is."""

    stop: float  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class unbound(Policy):  # noqa: N801
    """Refuses to be bound."""

    def bind(self, place: Place) -> object:
        raise ConfigError(f"unbound() cannot stand at {place}")


async def page(request: web.Request) -> web.Response:
    return web.Response()


def make_app() -> web.Application:
    app = web.Application()
    app[LOG] = []
    app.router.add_get("/decorated", metered("own")(page))
    app.router.add_get("/ruled", page)
    app.router.add_get("/exempt", exempt(metered)(page))
    app.router.add_get("/other", page)
    routeguard.setup(app, rule("/ruled", metered("")), metered("all"))
    return app
