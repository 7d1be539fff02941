"""Commands and the output that a page shows for them."""

import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Command", "PageError", "commands", "difference"]

FLAGS = doctest.ELLIPSIS | doctest.REPORT_NDIFF


class PageError(AssertionError):
    """A page says what is not so."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, and the output shown below it: nothing, or all, with `...` for gaps."""

    line: str
    output: str


def commands(source: str) -> Iterator[Command]:
    """The commands of a console block: what follows `$ `, continued after a backslash."""
    for part in re.split(r"^\$ ", source, flags=re.MULTILINE)[1:]:
        line = re.match(r"(?:.*\\\n)*.*", part)
        assert line is not None
        yield Command(line[0], part[line.end() :].strip("\n"))


def difference(shown: str, got: str) -> str | None:
    """How what a page shows differs from what was printed; `None` where it does not."""
    shown, got = (_plain(text) for text in (shown, got))
    checker = doctest.OutputChecker()
    if checker.check_output(shown, got, FLAGS):
        return None
    return checker.output_difference(doctest.Example("", shown), got, FLAGS)


def _plain(text: str) -> str:
    lines = text.replace("\r", "").splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"
