"""Lines of two columns: aligned, folded where a terminal is too narrow, and never cut.

Nothing here knows of a terminal; widths are counted in characters.
"""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Line", "Piece", "laid_out"]

GAP = 2
STEP = 2
"""By how much a line stands farther to the right than the one it belongs to."""
WIDEST_FIRST = 20
WIDEST_LEFT = 64
"""What is longer stands out of its column; else one long value would move all the others."""
LEAST_RIGHT = 24


@dataclass(frozen=True, slots=True)
class Piece:
    """A text and how it looks, as rich names styles."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a word in front, and two columns.

    Attributes:
        left: what the line is about.
        right: what is said of it.
        first: the word in front; `None` for a line that begins where these do.
        depth: how many steps farther to the right the left column begins.
    """

    left: Piece
    right: Piece = Piece("")
    first: Piece | None = None
    depth: int = 0

    @property
    def reach(self) -> int:
        """How many characters of the left column it takes."""
        return self.depth * STEP + len(self.left.text)


Pieces = tuple[Piece, ...]


def laid_out(lines: Iterable[Line], width: int | None) -> Iterator[Pieces]:
    """The lines as they are written, each as its pieces from left to right.

    Args:
        lines: the lines.
        width: how many characters there is room for; `None` where nothing is to be folded.
    """
    several = list(lines)
    words = [len(line.first.text) for line in several if line.first is not None]
    first = max((length for length in words if length <= WIDEST_FIRST), default=0)
    first += GAP if first else 0
    room = WIDEST_LEFT if width is None else (width - first) * 6 // 10
    reaches = [line.reach for line in several if line.right.text]
    column = max((reach for reach in reaches if reach <= room), default=0)
    for line in several:
        yield from _written(line, first, column, width)


def _written(line: Line, first: int, column: int, width: int | None) -> Iterator[Pieces]:
    begin = line.depth * STEP + (0 if line.first is None else first)
    head = Piece(" " * begin)
    if line.first is not None and line.first.text:
        if len(line.first.text) + GAP <= first:
            head = Piece(line.first.text.ljust(begin), line.first.style)
        else:
            yield (line.first,)
    left, right = line.left, line.right
    gap = Piece(" " * (max(column - line.reach, 0) + GAP)) if right.text else Piece("")
    length = begin + len(left.text) + len(gap.text) + len(right.text)
    if width is None or length <= width:
        yield head, left, gap, right
        return
    start = first + column + GAP
    if line.reach <= column and width - start >= LEAST_RIGHT:
        above, *below = _folded(right.text, width, start, start)
        yield head, left, gap, Piece(above.lstrip(), right.style)
    else:
        above, *more = _folded(left.text, width, begin, begin + STEP)
        yield head, Piece(above.lstrip(), left.style)
        yield from ((Piece(one, left.style),) for one in more)
        below = _folded(right.text, width, begin + STEP, begin + 2 * STEP)
    yield from ((Piece(one, right.style),) for one in below)


def _folded(text: str, width: int, indent: int, later: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=" " * min(indent, width - 1),
        subsequent_indent=" " * min(later, width - 1),
        break_on_hyphens=False,
    )
