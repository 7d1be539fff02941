"""What `explain` answers: what applies to a request, kind by kind, and what was considered."""

from collections.abc import Iterator

from routeguard.cli.columns import Line, Piece
from routeguard.telling.explain import Explanation

__all__ = ["explain_report"]

DIM = "bright_black"
GOOD = ("allowed", "204")


def explain_report(explanation: Explanation) -> Iterator[Line]:
    """A line for the route, some for each kind of policy, and what the policies tell."""
    yield Line(Piece(f"{explanation.method} {explanation.path}", "bold"))
    place = (
        f"{explanation.status}: no route"
        if explanation.route is None
        else f"{explanation.route} -> {explanation.handler}"
    )
    yield from _row("route", place, "")
    for name, text in explanation.told:
        yield from _row(name, text, _style(name, text))


def _row(name: str, text: str, style: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n")):
        told = line.lstrip()
        depth = 1 if told != line else 0
        look = DIM if depth or name == "none" else style
        yield Line(
            Piece(told, look), first=Piece("" if number else f"  {name}", "bold"), depth=depth
        )


def _style(name: str, text: str) -> str:
    if name in ("origin", "preflight"):
        return "green" if text.startswith(GOOD) else "red"
    return "yellow" if name == "note" else ""
