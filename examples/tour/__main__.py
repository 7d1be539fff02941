"""Start the tour, or check that it does what its page claims.

The API listens on --port, the page on the next one.
"""

import argparse
import asyncio
import sys
from pathlib import Path

# Run as a directory, Python puts that directory first on the path; the package begins at the root.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from examples.tour.check import check  # noqa: E402
from examples.tour.serve import CannotListenError, serve  # noqa: E402

DEFAULT_PORT = 8080


def port_number(text: str) -> int:
    number = int(text)
    if not 0 <= number < 65535:
        raise argparse.ArgumentTypeError(f"{number} is not between 0 and 65534")
    return number


def main() -> int:
    parser = argparse.ArgumentParser(prog="examples/tour", description=__doc__)
    parser.add_argument(
        "--check",
        action="store_true",
        help="perform every card's requests, print what happened, and stop",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        help=f"the API's port (default {DEFAULT_PORT}; with --check any free one, like 0); "
        "the page's is the next",
    )
    options = parser.parse_args()
    try:
        if options.check:
            return asyncio.run(check(options.port or 0))
        asyncio.run(serve(DEFAULT_PORT if options.port is None else options.port))
    except CannotListenError as error:
        print(f"tour: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
