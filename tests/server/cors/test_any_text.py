"""Any text as `Origin`, asked method or asked headers: no failure, nothing granted wrongly.

The requests go over a socket as bytes. What may be granted is told by an oracle that shares no code
with the policy.
"""

import asyncio
import contextlib
import http.client
import logging
import socket
import string
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.http import HttpProcessingError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routeguard import setup
from tests.server.cors.oracle import ALLOWED, CASES, folded, may_read, may_send

# Never fewer than 500 examples, but where only a second set of versions is tried.
EXAMPLES = settings().max_examples
thoroughly = settings(max_examples=max(EXAMPLES, 500) if EXAMPLES >= 100 else EXAMPLES)

# --- the server, and a client that sends bytes ----------------------------------------------------


@dataclass(repr=False)
class Wire:
    """A server in a thread of its own, and one connection to it."""

    port: int
    complaints: list[str] = field(default_factory=list)
    connection: socket.socket | None = None

    def ask(self, method: bytes, path: str, fields: list[tuple[bytes, bytes]]) -> "Told":
        """Sends one request and reads its one answer."""
        lines = [method + b" /" + path.encode() + b" HTTP/1.1", b"Host: api.example"]
        lines += [name + b": " + value for name, value in fields]
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self.connection.sendall(b"\r\n".join([*lines, b"", b""]))
        response = http.client.HTTPResponse(self.connection, method=method.decode())
        response.begin()
        response.read()
        if response.will_close:
            self.close()
        complaints, self.complaints = self.complaints, []
        assert complaints == []
        found = [(name.lower(), value) for name, value in response.getheaders()]
        granted = {k: v for k, v in found if k.startswith("access-control-")}
        assert len(granted) == len([k for k, _ in found if k.startswith("access-control-")])
        return Told(response.status, granted)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


@dataclass(frozen=True)
class Told:
    status: int
    granted: dict[str, str]


class Complaints(logging.Handler):
    def __init__(self, wire: Wire) -> None:
        super().__init__(logging.DEBUG)
        self.wire = wire

    def emit(self, record: logging.LogRecord) -> None:
        # aiohttp logs as an error what its parser answers with 400.
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            self.wire.complaints.append(self.format(record))


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def serve(ready: Callable[[int], None], until: asyncio.Event) -> None:
    app = web.Application()
    for name, case in CASES.items():
        app.router.add_get(f"/{name}", case.policy(ok))
        app.router.add_put(f"/{name}", case.policy(ok))
        app.router.add_post(f"/{name}", case.policy(ok))
    setup(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ready(runner.addresses[0][1])
    await until.wait()
    await runner.cleanup()


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    started, until = threading.Event(), asyncio.Event()
    wire = Wire(0)
    loop = asyncio.new_event_loop()

    def ready(port: int) -> None:
        wire.port = port
        started.set()

    def run() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(serve(ready, until))

    thread = threading.Thread(target=run)
    handler = Complaints(wire)
    logging.getLogger("aiohttp.server").addHandler(handler)
    thread.start()
    try:
        assert started.wait(60)
        yield wire
    finally:
        wire.close()
        loop.call_soon_threadsafe(until.set)
        thread.join(60)
        logging.getLogger("aiohttp.server").removeHandler(handler)


# --- what is sent ---------------------------------------------------------------------------------


def as_bytes(text: str) -> bytes:
    """The text as a client may send it; lone surrogates become bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def as_read(value: bytes) -> str:
    """What a server makes of a header's bytes."""
    return value.strip(b" \t").decode("utf-8", "surrogateescape")


def is_header(value: bytes) -> bool:
    """Whether an HTTP parser must take it (RFC 9110, section 5.5); others may answer 400."""
    return len(value) < 8_000 and not any((one < 32 and one != 9) or one == 127 for one in value)


def spoilt(valid: st.SearchStrategy[str], junk: str) -> st.SearchStrategy[str]:
    """A valid text with something put in, taken out, or in another case."""
    return st.tuples(valid, st.integers(0, 60), st.integers(0, 3), st.text(junk, max_size=4)).map(
        lambda drawn: drawn[0][: drawn[1]] + drawn[3] + drawn[0][drawn[1] + drawn[2] :]
    )


LOOKALIKES = str.maketrans("ksi.a", "\u212a\u017f\u0130\uff0e\u0430")


def lookalike(valid: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A valid text in characters that look, or change case, or normalise, as the right ones."""
    return valid.map(lambda text: text.lower().translate(LOOKALIKES))


def one_line(value: bytes) -> bytes:
    return value.replace(b"\r", b"").replace(b"\n", b"")


VALID = st.sampled_from(
    [
        *ALLOWED.values(),
        "http://localhost:8080",
        "http://[::1]:8080",
        "https://a.b-c.example.com",
        "http://localhost",
        "http://x.tenant",
        "https://a_b.raise.tenant",
        "HTTPS://APP.EXAMPLE.COM",
    ]
)
ORIGIN = st.one_of(
    VALID,
    spoilt(VALID, ".:/@*-_ \t,\\%80443aeKn\u212a\u017f\uff0e\udc80"),
    lookalike(VALID),
    st.tuples(VALID, VALID).map(" ".join),
    st.text(),
).map(as_bytes)
ORIGINS = st.lists(st.one_of(ORIGIN, st.binary()).map(one_line), min_size=1, max_size=2)

METHODS = st.one_of(
    st.sampled_from("GET HEAD POST PUT DELETE PATCH OPTIONS * get Put CONNECT TRACE".split()),
    spoilt(st.sampled_from(["GET", "PUT", "POST"]), " ,*\t;PUT\u212a\udcff"),
    st.text(),
).map(as_bytes)
ASKED_METHODS = st.lists(st.one_of(METHODS, st.binary()).map(one_line), min_size=1, max_size=2)

NAMES = st.sampled_from(["accept", "Authorization", "x-key", "X-CSRFToken", "*", "content-type"])
HEADERS = st.one_of(
    st.lists(NAMES, max_size=4).map(",".join),
    st.lists(NAMES, max_size=4).map("\t, ".join),
    lookalike(NAMES),
    spoilt(NAMES, ",;: \t*xk\u212a\u0130\udcff"),
    st.text(),
).map(as_bytes)
ASKED_HEADERS = st.lists(st.one_of(HEADERS, st.binary()).map(one_line), max_size=2)

CASE_NAMES = st.sampled_from(sorted(CASES))


def fields(name: bytes, values: list[bytes]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for value in values]


# --- the properties -------------------------------------------------------------------------------


@thoroughly
@given(CASE_NAMES, ORIGINS)
@example("port", ["http://localho\u017ft:1".encode()])
@example("exact", [b"https://app.example.com\xff"])
def test_no_text_as_origin_is_granted_what_the_oracle_refuses(
    wire: Wire, name: str, origins: list[bytes]
) -> None:
    may = may_read(CASES[name], [as_read(value) for value in origins])
    told = wire.ask(b"GET", name, fields(b"Origin", origins))
    if told.status != 200:
        assert told.status == 400
        assert not all(map(is_header, origins))
        assert told.granted == {}
    elif told.granted:
        assert told.granted.pop("access-control-allow-origin") == may
        credentials = {"access-control-allow-credentials": "true"}
        assert told.granted == (credentials if CASES[name].policy.allow_credentials else {})


@thoroughly
@given(CASE_NAMES, ORIGINS, ASKED_METHODS, ASKED_HEADERS)
def test_no_preflight_is_granted_what_the_oracle_refuses(
    wire: Wire, name: str, origins: list[bytes], methods: list[bytes], headers: list[bytes]
) -> None:
    check_preflight(wire, name, origins, methods, headers)


@thoroughly
@given(CASE_NAMES, ASKED_METHODS, ASKED_HEADERS)
@example("exact", [b"PUT"], ["x-csrfto\u212aen".encode()])
@example("regex", [b"PUT"], [b"\xff"])
@example("exact", [b"PUT\xff"], [])
def test_no_method_or_header_is_granted_to_an_allowed_origin_that_the_oracle_refuses(
    wire: Wire, name: str, methods: list[bytes], headers: list[bytes]
) -> None:
    check_preflight(wire, name, [ALLOWED[name].encode()], methods, headers)


def check_preflight(
    wire: Wire, name: str, origins: list[bytes], methods: list[bytes], headers: list[bytes]
) -> None:
    case = CASES[name]
    told = wire.ask(
        b"OPTIONS",
        name,
        fields(b"Origin", origins)
        + fields(b"Access-Control-Request-Method", methods)
        + fields(b"Access-Control-Request-Headers", headers),
    )
    if told.status != 204:
        assert told.granted == {}
        # 405 where the path has no such method, and with it no policy.
        assert told.status in {403, 405} or (
            told.status == 400 and not all(map(is_header, [*origins, *methods, *headers]))
        )
        return
    asked = [as_read(value) for value in methods]
    names = [as_read(value) for value in headers]
    assert told.granted["access-control-allow-origin"] == may_read(
        case, [as_read(value) for value in origins]
    )
    assert told.granted["access-control-allow-methods"] == asked[0]
    assert len(asked) == 1 and asked[0] in case.methods
    assert may_send(case, names)
    listed = {one.strip() for one in ",".join(names).split(",")} - {""}
    granted = told.granted.get("access-control-allow-headers", "")
    if case.headers == {"*"} and not case.policy.allow_credentials:
        assert granted in {"", "*"}
    else:
        assert set(granted.split(", ")) - {""} <= {folded(one) for one in listed}


LABEL = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=20)


@thoroughly
@given(st.lists(LABEL, min_size=1, max_size=5), st.integers(1, 65535))
def test_what_the_policies_do_allow_is_granted(wire: Wire, labels: list[str], port: int) -> None:
    front = ".".join(labels)
    for name, origin in (
        ("subdomain", f"https://{front}.example.com"),
        ("port", f"http://localhost{'' if port == 80 else f':{port}'}"),
        ("regex", f"https://{front}.tenant"),
    ):
        told = wire.ask(b"GET", name, [(b"Origin", origin.encode())])
        assert told.granted["access-control-allow-origin"] == origin.lower()
