"""What stands in for a request where policies are asked about one that nobody has sent."""

import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from yarl import URL

from routeguard.forwarded import QUOTED, TOKEN
from routeguard.routes.dry_run import Asked

__all__ = ["StandIn"]

PAIR_OR_COMMA = re.compile(rf"(?P<name>{TOKEN})=(?P<value>{TOKEN}|{QUOTED})|,")


class StandIn(Asked):
    """What policies read of a request beyond what a router does, as far as it can be told."""

    __slots__ = ("missed", "writer")

    def __init__(self, method: str, url: URL, headers: Mapping[str, str]) -> None:
        super().__init__(method, url, headers)
        self.missed: str = ""
        self.writer: SimpleNamespace = SimpleNamespace()
        """Where the state of a request is kept; this one has none."""

    @property
    def forwarded(self) -> tuple[dict[str, str], ...]:
        """The elements of `Forwarded`, of lines that are well-formed (RFC 7239, section 4)."""
        elements: list[dict[str, str]] = []
        for line in self.headers.getall("Forwarded", ()):
            elements.append({})
            for found in PAIR_OR_COMMA.finditer(line):
                if found["name"] is None:
                    elements.append({})
                else:
                    value = found["value"].removeprefix('"').removesuffix('"')
                    elements[-1][found["name"].lower()] = value
        return tuple(elements)

    def __getattr__(self, name: str) -> Any:
        # Python itself looks for special names, for example to suggest another in a traceback.
        if name != "missed" and not name.startswith("__"):
            self.missed = name
        raise AttributeError(f"explain has no request, and so no request.{name}")
