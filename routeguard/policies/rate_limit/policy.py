"""`rate_limit`: so many requests in so much time, for each key."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from routeguard.asking import Asked
from routeguard.configuration import Faults, shown
from routeguard.keys import KeyFunction, check_key, client_address, shown_key
from routeguard.policies.rate_limit import telling
from routeguard.policies.rate_limit.fields import read_name
from routeguard.policies.rate_limit.rates import Rate, read_rates
from routeguard.policies.rate_limit.redis_url import RedisPlace, read_store
from routeguard.policies.rate_limit.serving import BoundRateLimit
from routeguard.policy import Place, Policy

__all__ = ["OnFailure", "rate_limit"]

OnFailure = Literal["local", "allow", "refuse"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class rate_limit(Policy):
    """So many requests in so much time, for each key; more are refused with 429.

    Never are more requests let through than the rate says, in any window of its length, wherever
    it begins. Up to 1,000 requests a window this is exact; above, a place becomes free up to a
    hundredth of the window late. What is refused consumes nothing.

    One statement is one limit, wherever it applies: a rule's for all routes that it matches, a
    fallback's for the whole application. All statements that apply to a route count, those of
    fallbacks first; `exempt(rate_limit)` takes away what is stated farther out. A preflight that
    `cors` answers never counts.

    Every answer tells what the limit is and what remains of it, in the header fields
    `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11). A refused
    request gets `RateLimited`, 429 with `Retry-After`, through the error handler. It is logged at
    INFO on `routeguard.rate_limit`.

    Without a store each process counts for itself, and remembers the last 100,000 keys at most.
    With one, all processes share the counts. A request waits for the store for a quarter of a
    second at most. Where the store is slow, full, gone or read-only, `on_failure` decides, and
    one line in the log says so; one more when it is back.

    Args:
        rates: one or several of `count/unit`, separated by semicolons: `"10/second; 1000/hour"`,
            `"100/5 minutes"`. A unit is second, minute, hour or day. A request has to be within
            all of them.
        key: by what is counted: `client_address`, `header_key("X-Api-Key")`, or a callable of the
            request, which may be async. Where it returns `None`, the request is not limited.
            Default: the client's address.
        name: what the limit is known by, in the store and to clients; no two limits of an
            application have one name. Default: in the store the place of the statement, so that
            another order of rules begins new counts; to clients the rate as it is written.
        store: where all processes count together: `"redis://host:6379/0"`, `"rediss://…"`,
            `"unix:///run/redis.sock"`, `"redis+cluster://a:6379,b:6379"` or
            `"redis+sentinel://a:26379,b:26379/mymaster/0"`. It needs the extra `redis`.
            Default: this process.
        on_failure: what happens while the store is away: each process counts for itself
            (`"local"`), all requests pass (`"allow"`), or all are refused (`"refuse"`).
        report_only: let everything pass without header fields, and only tell observers and the
            log what would have been refused. Default: false.

    Raises:
        ConfigError: rates that are none, a key that cannot be called, a name or a store that
            cannot be used; a store without redis-py. When the application starts: a name that
            another limit has.
    """

    adds_up: ClassVar[bool] = True
    distinct: ClassVar[bool] = False  # each statement counts by itself

    rates: tuple[Rate, ...]
    key: KeyFunction
    name: str | None
    store: RedisPlace | None
    on_failure: OnFailure
    report_only: bool

    def __init__(
        self,
        rates: str,
        *,
        key: KeyFunction = client_address,
        name: str | None = None,
        store: str | None = None,
        on_failure: OnFailure = "local",
        report_only: bool = False,
    ) -> None:
        faults = Faults("rate_limit(...)")
        object.__setattr__(self, "rates", read_rates(rates, faults))
        check_key(key, faults)
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "name", read_name(name, faults))
        object.__setattr__(self, "store", read_store(store, faults))
        if on_failure not in get_args(OnFailure):
            faults.add(
                f"on_failure={shown(on_failure)} is none of {', '.join(get_args(OnFailure))}"
            )
        elif on_failure != "local" and store is None:
            faults.add(
                f"on_failure={on_failure!r} says what happens without the store, and there is "
                f"none: write store='redis://…', or leave it out"
            )
        object.__setattr__(self, "on_failure", on_failure)
        if not isinstance(report_only, bool):
            faults.add(f"report_only={shown(report_only)} is neither True nor False")
        object.__setattr__(self, "report_only", report_only)
        faults.raise_any()

    def bind(self, place: Place) -> BoundRateLimit:
        """The limit with the counts of one run of the application."""
        return BoundRateLimit(self, place)

    def explain(self, asked: Asked) -> Iterable[tuple[str, str]]:
        """How many requests are let through."""
        return telling.rows(self, asked)

    def __repr__(self) -> str:
        given = [repr("; ".join(map(str, self.rates)))]
        given += [] if self.key is client_address else [f"key={shown_key(self.key)}"]
        given += [] if self.name is None else [f"name={self.name!r}"]
        given += [] if self.store is None else [f"store={self.store.shown!r}"]
        given += [] if self.on_failure == "local" else [f"on_failure={self.on_failure!r}"]
        given += ["report_only=True"] if self.report_only else []
        return f"rate_limit({', '.join(given)})"
