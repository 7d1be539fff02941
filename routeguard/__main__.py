"""`python -m routeguard`: see, explain and check what applies to the routes of an application."""

import sys

from routeguard.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
