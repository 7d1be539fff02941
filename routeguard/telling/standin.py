"""The stand-in for a request that `explain` gives to policies: it was never sent."""

import re
from collections.abc import Mapping
from typing import Any

from multidict import CIMultiDict
from yarl import URL

from routeguard.asking import Seen
from routeguard.network.forwarded import QUOTED, TOKEN
from routeguard.routes.dry_run import Asked

__all__ = ["StandIn"]

PAIR_OR_COMMA = re.compile(rf"(?P<name>{TOKEN})=(?P<value>{TOKEN}|{QUOTED})|,")


class StandIn(Asked):
    """The attributes of a request that policies read, as far as they are known without a server."""

    __slots__ = ("_payload_writer", "_seen", "missed", "raw_path")

    def __init__(
        self, method: str, url: URL, headers: Mapping[str, str], seen: Seen | None = None
    ) -> None:
        fields = CIMultiDict(headers)
        if seen is not None and seen.host is not None:
            fields["Host"] = seen.host
        super().__init__(method, url, fields)
        self.missed: str = ""
        self._payload_writer: None = None
        """The state of a request is kept there; this one has none."""
        self.raw_path: str = str(url)
        self._seen = seen or Seen()

    @property
    def scheme(self) -> str:
        """The scheme that was reported."""
        return self._known("scheme", self._seen.scheme)

    @property
    def secure(self) -> bool:
        """Whether it came over HTTPS."""
        return self._known("secure", self._seen.scheme) == "https"

    @property
    def remote(self) -> str:
        """The client's address that was reported."""
        return self._known("remote", self._seen.remote)

    def _known(self, name: str, value: str | None) -> str:
        return self.__getattr__(name) if value is None else value

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
