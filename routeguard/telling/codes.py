"""The codes by which findings are known: each stands for one thing that may be wrong."""

from collections.abc import Iterable, Mapping

from routeguard.configuration import ConfigError
from routeguard.policies.order import order_of
from routeguard.policy import Policy

__all__ = ["CODES", "known_codes", "read_codes"]

ACROSS_KINDS = {
    "RG101": "a rule that matches no route",
    "RG102": "a rule that an earlier one shadows",
    "RG103": "a policy that a later decorator overrides",
    "RG104": "a policy above the route decorator",
    "RG105": "a policy in the handler's place",
    "RG106": "policies on a route that no setup covers",
    "RG107": "a canonical rule for several resources",
    "RG108": "a policy hidden under a decorator",
    "RG204": "cors allows what csrf refuses",
    "RG302": "side effects with neither shield nor timeout",
    "RG403": "a policy that takes the proxy for the client",
    "RG404": "hosts that refuses where a redirect leads",
    "RG601": "a limit by the proxy's address",
    "RG602": "a limit by a header that nothing has checked",
    "RG603": "a limit that pages cannot read",
    "RG605": "a body that may take longer than its handler",
}


def _of(kinds: Iterable[type[Policy]]) -> dict[str, str]:
    return {code: title for kind in kinds for code, title in kind.finding_codes.items()}


CODES: Mapping[str, str] = dict(sorted((ACROSS_KINDS | _of(order_of(()))).items()))
"""The library's codes, each with its title. A code keeps its meaning for ever."""


def known_codes() -> dict[str, str]:
    """The library's codes and those of all kinds that an application has defined."""
    return {**CODES, **_of(Policy.__subclasses__())}


def read_codes(given: Iterable[str], where: str) -> frozenset[str]:
    """Codes as they were given, in any case.

    Args:
        given: the codes.
        where: what they were given to, for the message.

    Raises:
        ConfigError: one is none.
    """
    known = {code.upper(): code for code in known_codes()}
    read: set[str] = set()
    for code in given:
        if code.upper() not in known:
            raise ConfigError(
                f"{where}: {code!r} is no code: there are {', '.join(known.values())}"
            )
        read.add(known[code.upper()])
    return frozenset(read)
