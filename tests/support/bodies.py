"""Bodies of every kind, and an application that reads them late."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from routeguard import Policy, setup
from routeguard.routes.rules import Rule
from tests.support.serving import Server, soon

Reader = Callable[[web.Request], Awaitable[object]]

FORM = b"name=Ada&field=engines"
BOUNDARY = "x-boundary-x"
FILE = bytes(range(256)) * 16


def multipart(*, file: bytes = FILE, whole: bool = True) -> bytes:
    parts = [
        b'--%s\r\nContent-Disposition: form-data; name="name"\r\n\r\nAda\r\n' % BOUNDARY.encode(),
        b"--%s\r\nContent-Disposition: form-data; " % BOUNDARY.encode()
        + b'name="file"; filename="a.bin"\r\n\r\n%s\r\n' % file,
    ]
    return b"".join(parts) + (b"--%s--\r\n" % BOUNDARY.encode() if whole else b"")


async def read_post(request: web.Request) -> object:
    return dict(await request.post())


async def read_files(request: web.Request) -> object:
    form = await request.post()
    file = form["file"]
    assert isinstance(file, web.FileField)
    with file.file:
        return {"name": form["name"], "file": file.file.read(), "filename": file.filename}


async def read_parts(request: web.Request) -> object:
    parts: dict[str, bytes] = {}
    async for part in await request.multipart():
        parts[part.name] = bytes(await part.read())  # type: ignore[union-attr,index]
    return parts


async def read_chunks(request: web.Request) -> object:
    return b"".join([chunk async for chunk in request.content.iter_chunked(700)])


LARGE = "larger than any buffer"
KINDS: dict[str, tuple[Reader, str, bytes, object]] = {
    "read": (web.Request.read, "application/octet-stream", FILE, FILE),
    "text": (web.Request.text, "text/plain; charset=utf-8", "Grüße".encode(), "Grüße"),
    "json": (web.Request.json, "application/json", json.dumps({"a": 1}).encode(), {"a": 1}),
    "post": (
        read_post,
        "application/x-www-form-urlencoded",
        FORM,
        {"name": "Ada", "field": "engines"},
    ),
    "post with files": (
        read_files,
        f"multipart/form-data; boundary={BOUNDARY}",
        multipart(),
        {"name": "Ada", "file": FILE, "filename": "a.bin"},
    ),
    "multipart": (
        read_parts,
        f"multipart/form-data; boundary={BOUNDARY}",
        multipart(),
        {"name": b"Ada", "file": FILE},
    ),
    "chunk by chunk": (read_chunks, "application/octet-stream", FILE, FILE),
    LARGE: (
        web.Request.read,
        "application/octet-stream",
        bytes(1_500_000),
        bytes(1_500_000),
    ),
}


class Late:
    """An application whose shielded handler reads its body only when the gate opens."""

    def __init__(self, reader: Reader, *policies: Policy | Rule) -> None:
        self.begun, self.gate, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.outcome: object = None
        self.reader = reader
        self.app = web.Application(client_max_size=64_000_000)
        self.app.router.add_post("/", self.handle)
        self.app.router.add_get("/next", self.next)
        setup(self.app, *policies, drain=0)

    async def handle(self, request: web.Request) -> web.Response:
        self.begun.set()
        await self.gate.wait()
        try:
            self.outcome = await self.reader(request)
        except BaseException as error:
            self.outcome = error
            raise
        finally:
            self.ended.set()
        return web.Response(text="read")

    async def next(self, request: web.Request) -> web.Response:
        return web.Response(text="next")

    async def read_now(self) -> object:
        self.gate.set()
        await soon(self.ended)
        return self.outcome


async def disconnected(server: Server, late: Late, *, message: bytes, reset: bool) -> None:
    """Sends a request and goes away as soon as its handler runs and the server has noticed."""
    client = await server.dial()
    client.send(message)
    await soon(late.begun)
    await client.writer.drain()
    client.hang_up(reset=reset)
    # The server meets the end of the connection in a turn of the loop before this one's end.
    probe = await server.dial()
    await probe.get("/next").answer()
