"""Texts made to fit: what is said of a route and a kind of policy, in as many cells as there are.

Nothing here knows of a terminal; widths are counted in characters.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from routeguard.policies.exempt import exempt
from routeguard.policy import Policy
from routeguard.telling.explain import PolicyExplanation

__all__ = ["Cell", "cell_of", "cut", "cut_in_the_middle", "last_parts", "short_place", "widths"]

RULE = re.compile(r'(rule \d+) ".*"(?P<of> of .*)?', re.DOTALL)
TEXTS = re.compile(r"\[((?:'[^']*'|… \d+ more)(?:, (?:'[^']*'|… \d+ more))*)\]")
FIRST_TEXT = re.compile(r"^'([^']*)'")
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Cell:
    """What applies of one kind of policy, in short, and where that was said."""

    value: str
    places: tuple[str, ...]
    style: str

    @property
    def place(self) -> str:
        """All the places; empty where nothing was said."""
        return ", ".join(self.places)

    @property
    def short_value(self) -> str:
        """The value, of origins without the scheme that is the rule."""
        return self.value.replace("https://", "")

    @property
    def short_place(self) -> str:
        """The places, of rules only the numbers."""
        return ", ".join(map(short_place, self.places))


def cell_of(kind: PolicyExplanation) -> Cell:
    """The cell for one kind of policy on one route."""
    deciding = [one for one in kind.considered if one.verdict == "applies"]
    if kind.policies:
        by_policy = {one.policy: one.place for one in deciding}
        places = list(dict.fromkeys(by_policy[policy] for policy in kind.policies))
        value = ", ".join(_brief(policy, kind.kind) for policy in kind.policies)
        return Cell(value, tuple(places), _style(places[0]))
    if deciding and isinstance(deciding[0].policy, exempt):
        return Cell("exempt", (deciding[0].place,), _style(deciding[0].place))
    if kind.note and deciding:
        return Cell(NOTHING, (f"not for {kind.note.rpartition(' ')[2]}",), "bright_black")
    return Cell(NOTHING, (), "bright_black")


def _style(place: str) -> str:
    if place.startswith("rule"):
        return "yellow"
    return "bright_black" if place.startswith("fallback") else "cyan"


def _brief(policy: Policy, kind: str) -> str:
    """A policy without the name of its kind, which stands above the column."""
    text = repr(policy)
    if text in (kind, f"{kind}()"):
        return "yes"
    if text.startswith(f"{kind}(") and text.endswith(")"):
        text = text[len(kind) + 1 : -1]
    return TEXTS.sub(lambda found: found[1].replace("'", ""), FIRST_TEXT.sub(r"\1", text))


def cut(text: str, width: int) -> str:
    """A text that is at most so wide; what is missing at its end is marked."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"[:width]


def cut_in_the_middle(text: str, width: int) -> str:
    """A path that is at most so wide; its end tells as much as its beginning."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    tail = width - 1 - head
    return f"{text[:head]}…{text[len(text) - tail :]}" if tail > 0 else cut(text, width)


def last_parts(name: str, width: int) -> str:
    """As many of the last parts of a dotted name as fit; of a directory both ends."""
    if "/" in name:
        return cut_in_the_middle(name, width)
    if "." not in name or "<" in name:
        return cut(name, width)
    parts = name.split(".")
    for count in range(len(parts), 1, -1):
        if len(shorter := ".".join(parts[-count:])) <= width:
            return shorter
    return cut(parts[-1], width)


def short_place(place: str) -> str:
    """A place in fewer words: a rule without its pattern, since it has a number too."""
    found = RULE.fullmatch(place)
    return place.removeprefix("view ") if found is None else f"{found[1]}{found['of'] or ''}"


def widths(
    natural: Sequence[int], least: Sequence[int], room: int, *, first: int
) -> list[int] | None:
    """How wide each column is to be; `None` where there is no room even for the least.

    Args:
        natural: how wide each column would like to be.
        least: what each cannot do without, where it would like so much at all.
        room: the sum to keep to.
        first: what the first column gets, up to a third of the room, before the others get
            more; what is then left is shared out evenly among those that could use more.
    """
    chosen = [min(n, m) for n, m in zip(natural, least, strict=True)]
    left = room - sum(chosen)
    if left < 0:
        return None
    more = min(left, max(min(first, room // 3) - chosen[0], 0))
    chosen[0] += more
    left -= more
    while left > 0 and (wanting := [i for i, w in enumerate(chosen) if w < natural[i]]):
        for i in wanting[:left]:
            chosen[i] += 1
        left -= len(wanting[:left])
    return chosen
