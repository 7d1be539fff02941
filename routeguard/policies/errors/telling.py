"""What looks wrong about an `errors`."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from routeguard.asking import Stated
from routeguard.finding import Finding
from routeguard.policies.errors.problem import ProblemDetails

if TYPE_CHECKING:
    from routeguard.policies.errors.policy import errors

__all__ = ["findings"]


def findings(policy: "errors", stated: Stated) -> Iterator[Finding]:
    """RG501: problem_details answers JSON to everyone without the extra."""
    handlers = [policy.handler, *(outcome for _, outcome in policy.on)]
    if find_spec("mimeparse") is None and any(isinstance(h, ProblemDetails) for h in handlers):
        yield Finding(
            "RG501",
            "info",
            stated.place,
            "problem_details answers JSON to browsers too, since python-mimeparse is not installed",
            "pip install 'routeguard[negotiation]'",
        )
