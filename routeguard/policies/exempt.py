"""`exempt`: no policies of these kinds on this route, whatever rules and fallbacks state."""

from dataclasses import dataclass

from routeguard.configuration import Faults, shown
from routeguard.policy import Policy, kind_name, kind_of

__all__ = ["exempt", "kinds_of"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class exempt(Policy):
    """States that no policy of some kinds applies; the nearest statement wins, as for any policy.

    Args:
        kinds: one or several kinds (`exempt(cors, timeout, shield)`); of `use` also one value,
            which takes out that middleware alone (`exempt(use(audit))`).

    Raises:
        ConfigError: nothing is named; a value such as `timeout(5)` is given where the kind is
            meant; something that is no kind of policy.
    """

    kinds: frozenset[type[Policy]]
    values: tuple[Policy, ...]

    def __init__(self, *kinds: type[Policy] | Policy) -> None:
        faults = Faults("exempt(...)")
        named: set[type[Policy]] = set()
        values: list[Policy] = []
        if not kinds:
            faults.add("it names nothing: write exempt(timeout) or exempt(cors, errors)")
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, Policy) and kind is not Policy:
                if kind_of(kind) is exempt:
                    faults.add("exempt cannot be exempted: name the kinds that are to apply")
                named.add(kind_of(kind))
            elif not isinstance(kind, Policy):
                if isinstance(kind, str) and kind.isidentifier():
                    remedy = f"write exempt({kind})"
                elif callable(kind) and hasattr(kind, "__name__"):
                    remedy = f"write @exempt(timeout) above {kind.__name__}"
                else:
                    remedy = "write exempt(timeout)"
                faults.add(f"{shown(kind)} is no kind of policy: {remedy}")
            elif kind.names_kind():
                named.add(kind_of(type(kind)))
            elif kind.adds_up and kind.distinct:
                values.append(kind)
            else:
                name = kind_name(kind_of(type(kind)))
                faults.add(f"{kind!r} is a value, and exempt takes kinds: write exempt({name})")
        faults.raise_any()
        object.__setattr__(self, "kinds", frozenset(named))
        object.__setattr__(self, "values", tuple(values))

    def __repr__(self) -> str:
        names = sorted(kind_name(kind) for kind in self.kinds)
        return f"exempt({', '.join(names + sorted(map(repr, self.values)))})"


def kinds_of(policy: Policy) -> frozenset[type[Policy]]:
    """The kinds that a policy is a statement about: its own, or those that an `exempt` names."""
    if isinstance(policy, exempt):
        return policy.kinds | {kind_of(type(value)) for value in policy.values}
    return frozenset({kind_of(type(policy))})
