"""The answers as text, in colour where a terminal shows it; rich comes with an extra."""

import io
from collections.abc import Iterable, Iterator

from rich.console import Console, RenderableType
from rich.text import Text

from routeguard.cli.columns import Line, laid_out

__all__ = ["printed", "texts"]


def printed(parts: Iterable[RenderableType], width: int | None) -> str:
    """Text for standard output, in colour if that is a terminal and nobody minds.

    Args:
        parts: what to print.
        width: the terminal's; `None` where nothing is to be folded.
    """
    written = io.StringIO()
    console = Console(
        file=written, width=width, highlight=False, force_terminal=Console().is_terminal
    )
    for part in parts:
        console.print(part, soft_wrap=width is None)
    return "\n".join(line.rstrip(" ") for line in written.getvalue().splitlines())


def texts(lines: Iterable[Line], width: int | None) -> Iterator[Text]:
    """Lines of two columns."""
    for pieces in laid_out(lines, width):
        yield Text.assemble(*((piece.text, piece.style) for piece in pieces), no_wrap=True)
