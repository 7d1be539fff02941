"""`Forwarded` (RFC 7239, section 4) read one character at a time, with what is read beyond it.

Beyond the grammar: blanks around `;` and `,`, and values without quotes that have the characters
of ports, IPv6 addresses and protocols.
"""

import string

__all__ = ["all_elements", "last_proto"]

TCHAR = frozenset("!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters)
BARE = TCHAR | frozenset(":/[]")


class Malformed(Exception):
    """The line is none of the grammar's."""


class Line:
    """A line, and how much of it has been read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def next(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def blanks(self) -> None:
        while self.next in (" ", "\t"):
            self.at += 1

    def token(self, characters: frozenset[str] = TCHAR) -> str:
        start = self.at
        while self.next in characters:
            self.at += 1
        if self.at == start:
            raise Malformed(f"no token at {start}")
        return self.text[start : self.at]

    def quoted(self) -> str:
        self.at += 1
        read = ""
        while self.next != '"':
            if self.next == "\\":
                self.at += 1
            elif self.next in ("", "\x7f") or (self.next < " " and self.next != "\t"):
                raise Malformed("no end of the quoted string")
            if not self.next or not (self.next == "\t" or " " <= self.next <= "~"):
                raise Malformed("no character of a quoted string")
            read += self.next
            self.at += 1
        self.at += 1
        return read

    def element(self) -> dict[str, str]:
        """The pairs of one element; a single token stands under the empty name."""
        pairs: dict[str, str] = {}
        separated = False
        while True:
            if self.next in TCHAR:
                token = self.token()
                name = token.lower()
                if self.next != "=":
                    self.blanks()
                    if pairs or separated or self.next == ";":
                        raise Malformed("a name without a value")
                    return {"": token}
                self.at += 1
                value = self.quoted() if self.next == '"' else self.token(BARE)
                if name in pairs:
                    raise Malformed(f"{name} twice in one element")
                pairs[name] = value
            self.blanks()
            if self.next != ";":
                return pairs
            separated = True
            self.at += 1
            self.blanks()

    def elements(self) -> list[dict[str, str]]:
        read = []
        while True:
            self.blanks()
            read.append(self.element())
            self.blanks()
            if not self.next:
                return read
            if self.next != ",":
                raise Malformed(f"neither end nor comma at {self.at}")
            self.at += 1


def all_elements(line: str) -> list[dict[str, str]] | None:
    """The elements of a line, each as its pairs; `None` for a malformed line.

    An element that is one token alone is a `proto`, as some proxies send it.
    """
    try:
        elements = Line(line).elements()
    except Malformed:
        return None
    return [{"proto": one[""]} if "" in one else one for one in elements]


def last_proto(lines: list[str]) -> str | None:
    """The scheme in the last element of the last line, in lower case; `None` for what is none."""
    elements = all_elements(lines[-1])
    proto = elements[-1].get("proto") if elements else None
    return None if proto is None else proto.lower()
