"""The command line: arguments are read, an application is loaded, a command answers."""

import os
import sys
import traceback
from collections.abc import Sequence

from routeguard.cli.arguments import PROG, make_parser
from routeguard.cli.loading import TargetError, load_application
from routeguard.cli.output import CommandError
from routeguard.configuration import ConfigError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    split = given.index("--") if "--" in given else len(given)
    options = make_parser().parse_args(given[:split])
    if sys.path[0] not in ("", os.getcwd()):
        sys.path.insert(0, os.getcwd())
    try:
        app = load_application(options.target, given[split + 1 :])
        status: int = options.run(app, options)
    except (TargetError, CommandError, ConfigError, ImportError) as error:
        if options.traceback and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        line = " ".join(str(error).split())
        print(f"{PROG}: {line}", file=sys.stderr)
        return 2
    return status
