"""What `check` answers: each finding with its place and remedy, and how many there are."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from routeguard.finding import SEVERITIES, Finding, few

__all__ = ["check_report"]

DIM = "bright_black"
INDENTED = (0, 0, 0, 2)
SEVERITY_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold blue"}
SHOWN_PLACES = 10


def check_report(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    """The findings, each with its place and remedy, and how many there are."""
    for finding in findings:
        style = SEVERITY_STYLES[finding.severity]
        # The same at several places, each of which has a line.
        several = finding.places if finding.place == few(finding.places) else ()
        place = finding.place if len(several) < 2 else f"{len(several)} places"
        yield Text.assemble((f"{finding.severity} {finding.code}", style), "  ", (place, "bold"))
        if len(several) > 1:
            yield from (Padding(Text(one, "bold"), INDENTED) for one in several[:SHOWN_PLACES])
            if (more := len(several) - SHOWN_PLACES) > 0:
                yield Padding(Text(f"and {more} more, which --json names", DIM), INDENTED)
        told = Text.assemble(finding.message, "\n", ("remedy: ", "green"), finding.remedy)
        yield Padding(told, (0, 0, 1, 2))
    counts = Counter(finding.severity for finding in findings)
    said = [f"{counts[one]} {_plural(one, counts[one])}" for one in SEVERITIES if counts[one]]
    yield Text(", ".join(said) or "nothing found", "bold")


def _plural(severity: str, count: int) -> str:
    return severity if count == 1 or severity == "info" else f"{severity}s"
