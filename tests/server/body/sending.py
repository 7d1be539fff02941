"""Bodies of an exact size, in each framing, and handlers that read them in each way."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from routeguard import Policy, setup, use
from routeguard.routes.rules import Rule
from tests.support.messages import Answer, parse
from tests.support.serving import PATIENCE, Client

Read = Callable[[web.Request], Awaitable[object]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BOUNDARY = "x-boundary-x"
STOLEN = b"GET /stolen HTTP/1.1\r\nHost: localhost\r\n\r\n"


def filler(size: int) -> bytes:
    """Bytes that are a request, over and over, should anybody take them for one."""
    return (STOLEN * (size // len(STOLEN) + 1))[:size]


def as_is(size: int) -> bytes:
    return filler(size)


def as_json(size: int) -> bytes:
    return json.dumps("a" * (size - 2)).encode()


def as_form(size: int) -> bytes:
    return b"name=" + b"a" * (size - 5)


def as_part(disposition: str) -> Callable[[int], bytes]:
    """A multipart body of one part, of that size in all."""

    def made(size: int) -> bytes:
        before = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
        after = f"\r\n--{BOUNDARY}--\r\n".encode()
        content = filler(size - len(before) - len(after)).replace(b"\r\n", b"  ")
        return before + content + after

    return made


FIELD = as_part('name="one"')
FILE = as_part('name="one"; filename="a.bin"')
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


async def post_of(request: web.Request) -> object:
    form = await request.post()
    found = form.get("one", form.get("name"))
    if not isinstance(found, web.FileField):
        return found
    with found.file:  # aiohttp forgets the files of a clone's form
        return found.file.read()


async def parts_of(request: web.Request) -> object:
    parts: list[bytes] = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        parts.append(bytes(await part.read()))
    return parts


async def part_chunks_of(request: web.Request) -> object:
    chunks: list[bytes] = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        while chunk := await part.read_chunk(300):
            chunks.append(chunk)
    return chunks


async def any_of(request: web.Request) -> object:
    return [chunk async for chunk in request.content.iter_any()]


async def chunked_of(request: web.Request) -> object:
    return [chunk async for chunk in request.content.iter_chunked(301)]


async def chunks_of(request: web.Request) -> object:
    return [chunk async for chunk, _ in request.content.iter_chunks()]


async def lines_of(request: web.Request) -> object:
    return [line async for line in request.content]


async def all_at_once_of(request: web.Request) -> object:
    return await request.content.read()


async def few_of(request: web.Request) -> object:
    while await request.content.read(100):
        pass
    return None


async def nowait_of(request: web.Request) -> object:
    await request.content.wait_eof()
    return request.content.read_nowait()


@dataclass(frozen=True)
class Way:
    """A way of reading: what reads, what is sent for it, and as what."""

    read: Read
    body: Callable[[int], bytes] = as_is
    content_type: str = "application/octet-stream"


WAYS = {
    "read": Way(web.Request.read),
    "text": Way(web.Request.text, content_type="text/plain"),
    "json": Way(web.Request.json, as_json, "application/json"),
    "post of a form": Way(post_of, as_form, "application/x-www-form-urlencoded"),
    "post of a field": Way(post_of, FIELD, MULTIPART),
    "post of a file": Way(post_of, FILE, MULTIPART),
    "multipart": Way(parts_of, FILE, MULTIPART),
    "chunks of parts": Way(part_chunks_of, FILE, MULTIPART),
    "content.iter_any": Way(any_of),
    "content.iter_chunked": Way(chunked_of),
    "content.iter_chunks": Way(chunks_of),
    "content by lines": Way(lines_of),
    "content.read()": Way(all_at_once_of),
    "content.read(n)": Way(few_of),
    "content.read_nowait": Way(nowait_of),
}


def content_length(body: bytes) -> tuple[bytes, bytes]:
    return b"Content-Length: %d\r\n" % len(body), body


def in_chunks(body: bytes, size: int = 400) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def chunked(body: bytes) -> tuple[bytes, bytes]:
    return b"Transfer-Encoding: chunked\r\n", in_chunks(body)


def gzipped(body: bytes) -> tuple[bytes, bytes]:
    packed = gzip.compress(body)
    return b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(packed), packed


def gzipped_in_chunks(body: bytes) -> tuple[bytes, bytes]:
    fields = b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"
    return fields, in_chunks(gzip.compress(body), 40)


def deflated(body: bytes) -> tuple[bytes, bytes]:
    packed = zlib.compress(body)
    return b"Content-Encoding: deflate\r\nContent-Length: %d\r\n" % len(packed), packed


FRAMINGS: dict[str, Callable[[bytes], tuple[bytes, bytes]]] = {
    "Content-Length": content_length,
    "chunked": chunked,
    "gzip": gzipped,
    "gzip in chunks": gzipped_in_chunks,
    "deflate": deflated,
}


def head(fields: bytes, content_type: str = "text/plain", path: str = "/") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n".encode()
        + fields
        + b"\r\n"
    )


async def send_in(client: Client, message: bytes, cuts: Iterable[int]) -> None:
    """Sends a message in segments; the server, in this event loop, has each by itself."""
    places = sorted({cut for cut in cuts if 0 < cut < len(message)})
    for start, end in zip([0, *places], [*places, len(message)], strict=True):
        client.send(message[start:end])
        for _ in range(4):
            await asyncio.sleep(0)


async def clone(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request.clone())


@dataclass
class Reading:
    """An application whose handler reads its body in one way, and answers 200 if it can."""

    read: Read
    policies: tuple[Policy | Rule, ...] = ()
    by: str = "function"
    client_max_size: int = 1000
    stolen: int = 0
    outcomes: list[object] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=self.client_max_size)
        if self.by == "view":
            reading = self

            class View(web.View):
                async def post(self) -> web.Response:
                    return await reading.handle(self.request)

            app.router.add_view("/", View)
        else:
            app.router.add_post("/", self.handle)
        app.router.add_get("/stolen", self.steal)
        app.router.add_get("/next", self.next)
        cloning = (use(clone),) if self.by == "clone" else ()
        setup(app, *self.policies, *cloning, drain=0)
        return app

    async def handle(self, request: web.Request) -> web.Response:
        try:
            self.outcomes.append(await self.read(request))
        except BaseException as error:
            self.outcomes.append(error)
            raise
        return web.Response(text="read")

    async def steal(self, request: web.Request) -> web.Response:
        self.stolen += 1
        return web.Response(text="stolen")

    async def next(self, request: web.Request) -> web.Response:
        return web.Response(text="next")


async def goes_on(client: Client, answer: Answer) -> bool:
    """Whether the connection serves another request, as its answer has said.

    Raises:
        AssertionError: it does not do as the answer has said.
    """
    answers = len(list(parse(client.received)))
    client.get("/next")
    if answer.headers.get("connection") != "close":
        assert (await client.answer()).body == b"next"
        return True
    with suppress(OSError):  # it has been closed already, perhaps by a reset
        client.writer.write_eof()
        client.received += await client.reader.read()
    assert len(list(parse(client.received))) == answers
    return False


async def closes(client: Client) -> bool:
    """Whether the server closes the connection, with no more than the answers that were read."""
    answers = len(list(parse(client.received)))
    async with asyncio.timeout(PATIENCE):
        client.received += await client.reader.read()
    return len(list(parse(client.received))) == answers
