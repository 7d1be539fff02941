"""HTTP with nothing in between: what was sent, to the byte, and read with the standard library."""

import asyncio
import http.client
import io
import ssl
from dataclasses import dataclass
from email.message import Message

__all__ = ["PATIENCE", "Reply", "get", "read_reply", "talk"]

PATIENCE = 20.0  # seconds; a bound for a hanging server, not a speed


@dataclass(frozen=True, slots=True)
class Reply:
    """A response as a client reads it."""

    status: int
    headers: Message
    body: bytes
    complete: bool  # the body has reached its declared end
    rest: bytes  # what followed it on the connection


class _Kept(io.BytesIO):
    """Stays readable, so that one can see what has not been read."""

    def close(self) -> None:
        pass


class _Recorded:
    def __init__(self, file: _Kept) -> None:
        self.file = file

    def makefile(self, mode: str) -> _Kept:
        return self.file


def read_reply(received: bytes, *, method: str = "GET") -> Reply:
    """Reads one response.

    Raises:
        http.client.HTTPException: it is none.
    """
    file = _Kept(received)
    response = http.client.HTTPResponse(_Recorded(file), method=method)  # type: ignore[arg-type]
    response.begin()
    try:
        body, complete = response.read(), True
    except http.client.IncompleteRead as cut:
        body, complete = cut.partial, False
    rest = file.read()
    return Reply(response.status, response.headers, body, complete, rest)


async def talk(
    request: bytes,
    *,
    port: int | None = None,
    host: str = "127.0.0.1",
    path: str | None = None,
    tls: ssl.SSLContext | None = None,
    source: str | None = None,
) -> bytes:
    """Sends a request and returns everything that comes until the server hangs up.

    A connection that is reset ends it as one that is closed. `source` is the address that it
    comes from: the loopback interface has more than one.
    """
    name = "localhost" if tls else None
    if path is not None:
        reader, writer = await asyncio.open_unix_connection(path)
    else:
        local = None if source is None else (source, 0)
        reader, writer = await asyncio.open_connection(
            host, port, ssl=tls, server_hostname=name, local_addr=local
        )
    received = b""
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(request)
            while chunk := await reader.read(65536):
                received += chunk
    except ConnectionResetError:
        pass
    finally:
        writer.close()
    return received


def get(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body, after which the server is to hang up."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
