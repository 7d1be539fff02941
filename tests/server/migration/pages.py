"""Reads the migration pages: what their Python prints, and what both sides answer to a request.

A page states its differences as it shows them to people. Python blocks build two applications,
`before` with the other library and `after` with routeguard; a text block that begins with `> ` is
one request and the answer of each:

    > GET /reports
    > Origin: https://shop.example

    aiohttp-middlewares
    < 200 OK

    routeguard
    < 200 OK
    < Vary: Origin

Any other text block is what the Python block above it prints.
"""

import asyncio
import contextlib
import http.client
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.rawhttp import PATIENCE, read_reply

__all__ = ["Shown", "answered", "printed", "shown_in"]

FENCE = re.compile(r"^```(?P<language>[^`\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(?P<marks>#+) (?P<title>.+)$", re.MULTILINE)

# What every response has, and what this reader has asked for.
UNTOLD = frozenset(
    "connection content-length content-type date server transfer-encoding keep-alive".split()
)
# Such lines stand in a body where a second response was written into it.
NEVER_THE_SAME = re.compile(r"(Date|Server): ")


@dataclass(frozen=True, slots=True)
class Shown:
    """A text block of a page, and the Python that leads to it."""

    page: str
    section: str
    text: str
    leading: tuple[str, ...]
    """The page's common Python, then that of the section, in order."""

    @property
    def is_exchange(self) -> bool:
        """Whether it shows a request and its answers, rather than what Python prints."""
        return self.text.startswith("> ")

    def __str__(self) -> str:
        return f"{self.page}: {self.section}"


def shown_in(path: Path) -> Iterator[Shown]:
    """The text blocks of a page that follow Python.

    What stands below a heading of the third level or deeper belongs to that heading alone; all
    other Python is common to the page.
    """
    page = path.read_text()
    fences = [(found.start(), found) for found in FENCE.finditer(page)]
    inside = [(found.start(), found.end()) for _, found in fences]
    headings = [
        (found.start(), found)
        for found in HEADING.finditer(page)
        if not any(start < found.start() < end for start, end in inside)
    ]
    common: list[str] = []
    own: list[str] = []
    section, deep = "", False
    for _, found in sorted([*fences, *headings], key=lambda one: one[0]):
        if "marks" in found.groupdict():
            section, deep, own = found["title"], len(found["marks"]) > 2, []
        elif found["language"] == "python":
            (own if deep else common).append(found["text"])
        elif found["language"] == "text" and (own or common):
            yield Shown(path.name, section, found["text"], (*common, *own))


def printed(shown: Shown) -> tuple[str, dict[str, Any]]:
    """What the last Python block before a text prints, and the names that are bound then."""
    names: dict[str, Any] = {"__name__": f"page_{shown.page.partition('.')[0]}"}
    output = io.StringIO()
    for source in shown.leading:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(source, shown.page, "exec"), names)
    return output.getvalue(), names


async def answered(shown: Shown, peer: str, names: dict[str, Any]) -> str:
    """The text block, with what the two applications answer now."""
    lines = shown.text.splitlines()
    request = [line.removeprefix(">").removeprefix(" ") for line in lines if line.startswith(">")]
    told = [line for line in lines if line.startswith(">")]
    for name, app in ((peer, names["before"]), ("routeguard", names["after"])):
        told += ["", name, *[f"< {line}".rstrip() for line in await _exchange(app, request)]]
    return "\n".join(told) + "\n"


async def _exchange(app: web.Application, request: list[str]) -> list[str]:
    split = request.index("") if "" in request else len(request)
    body = "\n".join(request[split + 1 :]).encode()
    method = request[0].partition(" ")[0]
    fields = ["Host: shop.example", "Connection: close", *request[1:split]]
    fields += [f"Content-Length: {len(body)}"] if body else []
    line = request[0] if "HTTP/" in request[0] else f"{request[0]} HTTP/1.1"
    head = "\r\n".join([line, *fields, "", ""]).encode("latin-1")
    async with TestServer(app) as server:
        assert server.port is not None
        received, was_reset = await _talk(head + body, server.port)
    return [*_told(received, method), *(["(the connection is reset)"] if was_reset else [])]


async def _talk(request: bytes, port: int) -> tuple[bytes, bool]:
    """Everything that comes until the server hangs up, and whether it did so by a reset."""
    received = b""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            while chunk := await reader.read(65536):
                received += chunk
        except ConnectionResetError:
            return received, True
        finally:
            writer.close()
    return received, False


def _told(received: bytes, method: str) -> list[str]:
    try:
        reply = read_reply(received, method=method)
    except http.client.HTTPException:
        return ["(the connection is closed without an answer)"]
    told = [f"{reply.status} {http.client.responses[reply.status]}"]
    told += [
        f"{name}: {value}" for name, value in reply.headers.items() if name.lower() not in UNTOLD
    ]
    if reply.body:
        lines = reply.body.decode("latin-1").splitlines()
        told += ["", *[line for line in lines if line and not NEVER_THE_SAME.match(line)]]
    if not reply.complete:
        told.append("(cut off)")
    return told
