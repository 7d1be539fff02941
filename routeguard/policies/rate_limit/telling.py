"""What `explain` tells of `rate_limit`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routeguard.asking import Asked
from routeguard.keys import key_in_words

if TYPE_CHECKING:
    from routeguard.policies.rate_limit.policy import rate_limit

__all__ = ["rows"]


def rows(policy: "rate_limit", asked: Asked) -> Iterator[tuple[str, str]]:
    """One line for each statement: how many, for whom, and where they are counted."""
    rates = " and ".join(map(str, policy.rates))
    where = "in each process" if policy.store is None else f"by all processes in {policy.store}"
    told = "" if not policy.report_only else ", only reported"
    yield "limit", f"{rates} {key_in_words(policy.key)}, counted {where}{told} ({asked.place})"
