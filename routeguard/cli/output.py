"""Standard output: how wide it is, and what may go wrong with it."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence

from routeguard.cli.columns import Line
from routeguard.finding import Finding

__all__ = ["CommandError", "show_findings", "show_lines", "write"]

WIDTH_OF_PROSE = 100
LEAST_WIDTH = 20


class CommandError(Exception):
    """What a command cannot do, in one line."""


def show_lines(lines: Iterable[Line]) -> int:
    """Writes lines of two columns: folded in a terminal, whole in a pipe."""
    try:
        from routeguard.cli.rendering import printed, texts
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error
    width = _columns() if os.environ.get("COLUMNS") or sys.stdout.isatty() else None
    return write(printed(texts(lines, width), width))


def show_findings(findings: Sequence[Finding]) -> int:
    """Writes findings, which are prose: folded in a pipe too."""
    try:
        from routeguard.cli.check_report import check_report
        from routeguard.cli.rendering import printed
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error
    return write(printed(check_report(findings), _columns()))


def _columns() -> int:
    return max(shutil.get_terminal_size((WIDTH_OF_PROSE, 24)).columns, LEAST_WIDTH)


def _not_installed(error: ModuleNotFoundError) -> CommandError:
    return CommandError(
        f"{error.name} is not installed: pip install 'routeguard[cli]' (--json works without)"
    )


def write(text: str) -> int:
    """Writes the answer; returns the exit status.

    Raises:
        CommandError: it cannot be written.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # an ASCII terminal has no ellipsis
    try:
        print(text, flush=True)
    except OSError as error:
        # Python would try once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # `| head` has seen enough, which is no fault
            raise CommandError(f"writing failed: {error.strerror}") from error
    return 0
