"""Bodies that may take longer to arrive than their handler may take."""

from collections.abc import Hashable, Iterator

from routeguard.finding import Finding
from routeguard.policies.body.policy import body
from routeguard.policies.timeout.policy import timeout
from routeguard.routes.walk import Walk
from routeguard.telling.statements import statement_place

__all__ = ["longer_than_timeout"]


def longer_than_timeout(walk: Walk) -> Iterator[Finding]:
    """RG605: a bound on the body that is never reached, as the handler's own passes before."""
    told: set[Hashable] = set()
    for visit in walk.visits:
        decided = [visit.resolution.decisions.get(kind) for kind in (body, timeout)]
        bodies, timeouts = [() if one is None else one.winners for one in decided]
        for one in bodies:
            arriving, around = one.policy, timeouts[0].policy if timeouts else None
            if not isinstance(arriving, body) or not isinstance(around, timeout):
                continue
            bounds = [each for each in (around.seconds, around.total) if each is not None]
            if arriving.total is None or not bounds or arriving.total <= min(bounds):
                continue
            key = one.key, timeouts[0].key
            if key not in told:
                told.add(key)
                yield Finding(
                    "RG605",
                    "warning",
                    statement_place(one, visit.route.handler),
                    f"{arriving!r} lets a body take longer than {around!r} lets its handler, which "
                    f"waits for it",
                    "give the route a longer timeout, or the body less time",
                )
