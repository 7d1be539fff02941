"""RFC 7239, section 4, read one character at a time: what the last element of `Forwarded` says."""

import string

__all__ = ["last_proto"]

TCHAR = frozenset("!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters)


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

    def token(self) -> str:
        start = self.at
        while self.next in TCHAR:
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
        while True:
            if self.next in TCHAR:
                name = self.token().lower()
                if self.next != "=":
                    if pairs or self.next == ";":
                        raise Malformed("a name without a value")
                    return {"": name}
                self.at += 1
                value = self.quoted() if self.next == '"' else self.token()
                if name in pairs:
                    raise Malformed(f"{name} twice in one element")
                pairs[name] = value
            if self.next != ";":
                return pairs
            self.at += 1

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


def last_proto(lines: list[str]) -> str | None:
    """The scheme in the last element of the last line, in lower case; `None` for what is none.

    An element that is one token alone counts as the scheme itself, as some proxies send it.
    """
    try:
        last = Line(lines[-1]).elements()[-1]
    except Malformed:
        return None
    proto = last.get("", last.get("proto"))
    return None if proto is None else proto.lower()
