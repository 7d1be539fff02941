"""HTTP/1 as bytes: requests made, and answers read as strictly as a client should."""

from collections.abc import Iterator
from dataclasses import dataclass


def request(method: str, path: str, /, *, body: bytes | None = None, **headers: str) -> bytes:
    """The bytes of a request; underscores in the names of headers stand for hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, as far as it has come."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool


def parse(raw: bytes) -> Iterator[Answer]:
    """Reads one response after the other, as a client must that has sent several requests.

    Raises:
        ValueError: the bytes are no response, for example because something was written between
            two of them.
    """
    while raw:
        if not raw.startswith(b"HTTP/1."[: len(raw)]):
            raise ValueError(f"this is no response: {raw[:80]!r}")
        head, parted, rest = raw.partition(b"\r\n\r\n")
        if not parted:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        headers = {name.lower(): value.strip() for name, _, value in map(_field, lines)}
        body, complete, raw = _body(status, headers, rest)
        yield Answer(status, headers, body, complete)


def _field(line: str) -> tuple[str, str, str]:
    return line.partition(":")


def _body(status: int, headers: dict[str, str], rest: bytes) -> tuple[bytes, bool, bytes]:
    """The body, whether it is all there, and what follows it (RFC 9112, section 6.3)."""
    if "transfer-encoding" in headers:
        body = b""
        while True:
            size_line, parted, after = rest.partition(b"\r\n")
            if not parted:
                return body, False, b""
            size = int(size_line, 16)
            if len(after) < size + 2:
                return body + after, False, b""
            if not size:
                return body, True, after[2:]
            body, rest = body + after[:size], after[size + 2 :]
    if status in (100, 204, 304):
        return b"", True, rest
    if "content-length" in headers:
        size = int(headers["content-length"])
        return rest[:size], len(rest) >= size, rest[size:]
    return rest, False, b""
