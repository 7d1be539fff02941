"""Policies under attack, all of which allow credentials, and requests sent to them as bytes."""

import asyncio
import logging
import re
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.test_utils import TestServer

from routeguard import cors, setup
from tests.server.cors.answers import ok


@dataclass(frozen=True)
class Answer:
    """What came back: one response, and the end of the connection."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def granted(self) -> list[tuple[bytes, bytes]]:
        return [field for field in self.fields if field[0].startswith(b"access-control-")]


def ends_well(origin: str) -> bool:
    return origin.startswith("https://") and origin.endswith(".example.com")


POLICIES = {
    "exact": cors(["https://app.example.com", "http://localhost:8080"], allow_credentials=True),
    "subdomains": cors("https://*.example.com", allow_credentials=True),
    "port": cors(["http://localhost:*", "https://app.example.com:*"], allow_credentials=True),
    "both": cors(["https://*.example.com:*", "http://*.localhost:*"], allow_credentials=True),
    "regex": cors(re.compile(r"https://(\w+\.)+example\.com(:\d+)?"), allow_credentials=True),
    "sloppy": cors(re.compile(r"https://.*\.example\.com"), allow_credentials=True),
    "predicate": cors(ends_well, allow_credentials=True),
}


def target() -> web.Application:
    """An application that has each of the policies on a path of its name."""
    app = web.Application()
    for name, policy in POLICIES.items():
        app.router.add_route("*", f"/{name}", policy(ok))
    setup(app)
    return app


async def send(server: TestServer, method: bytes, path: str, *fields: bytes) -> Answer:
    """Sends one request as bytes, on a connection of its own."""
    lines = [method + b" " + path.encode() + b" HTTP/1.1", b"Host: api.example", *fields]
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
        async with asyncio.timeout(60):
            received = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, body = received.partition(b"\r\n\r\n")
    status, *rest = head.split(b"\r\n")
    pairs = [line.partition(b":") for line in rest]
    return Answer(
        int(status.split(b" ")[1]),
        [(name.strip().lower(), value.strip()) for name, _, value in pairs],
        body,
    )


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Errors in the log, but for those by which aiohttp tells of a 400 that its parser gives."""
    return [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.levelno >= logging.ERROR
        and not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
    ]
