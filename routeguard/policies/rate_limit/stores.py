"""What the rate limits of one run of an application share: their names, and their stores."""

import asyncio

from routeguard.configuration import ConfigError
from routeguard.policies.rate_limit.redis_store import RedisStore
from routeguard.policies.rate_limit.redis_url import RedisPlace
from routeguard.policy import Place
from routeguard.running.application import Running, Service

__all__ = ["Stores"]


class Stores(Service):
    """The names of the limits, and one Redis store for each URL."""

    def __init__(self, running: Running) -> None:
        super().__init__(running)
        self._stores: dict[RedisPlace, RedisStore] = {}
        self._known: dict[str, Place] = {}

    def know(self, name: str | None, place: Place) -> str:
        """What a limit is known by in its store: its name, else its place.

        Args:
            name: its name, if it has one.
            place: where it is stated.

        Raises:
            ConfigError: another limit has the name already.
        """
        if name is not None:
            other = self._known.setdefault(name, place)
            if other is not place:
                raise ConfigError(
                    f"rate_limit(name={name!r}): two limits have this name, at {other} and at "
                    f"{place}: name them differently"
                )
            return name
        text = f"{place} of {place.handler}" if place.handler else place.text
        # Two decorators of one handler, say: told apart in the order in which they are found.
        known, number = text, 1
        while known in self._known:
            number += 1
            known = f"{text} ({number})"
        self._known[known] = place
        return known

    def at(self, place: RedisPlace) -> RedisStore:
        """The store at a URL; it begins to connect when it is first asked for."""
        store = self._stores.get(place)
        if store is None:
            store = self._stores[place] = RedisStore(place, asyncio.get_running_loop())
            store.start()
        return store

    def status_of(self, policy: object) -> str:
        """How it is with the connection to a policy's store."""
        place = getattr(policy, "store", None)
        store = self._stores.get(place) if isinstance(place, RedisPlace) else None
        return "" if store is None else f"{place}: {store.state}"

    async def stop(self) -> None:
        await asyncio.gather(*(store.stop() for store in self._stores.values()))
