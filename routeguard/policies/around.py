"""Policies that wrap what is inside them by `handle`, csrf and an application's own kinds."""

from collections.abc import Sequence
from functools import partial

from routeguard.policy import Handler, Policy

__all__ = ["enclose"]


def enclose(policies: Sequence[Policy], handler: Handler) -> Handler:
    """A handler inside policies, the first of them outermost."""
    for policy in reversed(policies):
        handler = partial(policy.handle, handler=handler)
    return handler
