"""What `explain` tells of `concurrency_limit`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routeguard.asking import Asked
from routeguard.keys import key_in_words

if TYPE_CHECKING:
    from routeguard.policies.concurrency_limit.policy import concurrency_limit

__all__ = ["rows"]


def rows(policy: "concurrency_limit", asked: Asked) -> Iterator[tuple[str, str]]:
    """How many run at a time, and how many wait."""
    key = "" if policy.key is None else f" {key_in_words(policy.key)}"
    waits = f", {policy.waiting} more wait" if policy.waiting else ""
    told = "" if not policy.report_only else ", only reported"
    yield "seats", f"{policy.running} at a time{key}{waits}{told} ({asked.place})"
