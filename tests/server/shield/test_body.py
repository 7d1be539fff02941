"""The body of a request under `shield`: readable if it had arrived, failing if it had not."""

import pytest
from aiohttp import web

from routeguard import errors, shield, timeout
from tests.support.bodies import KINDS, LARGE, Late, disconnected, multipart, read_parts
from tests.support.messages import request
from tests.support.serving import serving, soon


@pytest.mark.parametrize("cancellation", [False, True], ids=["", "handler_cancellation"])
@pytest.mark.parametrize(
    ("kind", "reset"),
    # A reset throws away what the server has not taken from its socket.
    [(kind, reset) for kind in KINDS for reset in (False, True) if not (reset and kind == LARGE)],
)
async def test_a_body_that_had_arrived_is_read_after_the_client_has_gone(
    kind: str, reset: bool, cancellation: bool
) -> None:
    reader, content_type, body, expected = KINDS[kind]
    late = Late(reader, shield)
    async with serving(late.app, handler_cancellation=cancellation) as server:
        message = request("POST", "/", body=body, Content_Type=content_type)
        await disconnected(server, late, message=message, reset=reset)
        assert await late.read_now() == expected


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != LARGE])
async def test_a_body_that_had_arrived_is_read_after_a_504(kind: str) -> None:
    """The client is connected still, and has gone on to its next request."""
    reader, content_type, body, expected = KINDS[kind]
    late = Late(reader, shield, timeout(0.1), errors())
    async with serving(late.app) as server:
        client = await server.dial()
        client.send(request("POST", "/", body=body, Content_Type=content_type))
        assert (await client.answer()).status == 504
        assert (await client.get("/next").answer()).body == b"next"
        assert await late.read_now() == expected


TRUNCATED = {
    "content-length": request("POST", "/", body=b"", Content_Type="text/plain").replace(
        b"Content-Length: 0", b"Content-Length: 100"
    )
    + b"only some",
    "chunked": b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"9\r\nonly some\r\n",
    "no byte at all": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
    "multipart": request(
        "POST", "/", body=multipart(whole=False), Content_Type=KINDS["multipart"][1]
    ).replace(b"Content-Length: ", b"Content-Length: 1"),
}


@pytest.mark.parametrize("cancellation", [False, True], ids=["", "handler_cancellation"])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("how", TRUNCATED)
async def test_a_truncated_body_fails(how: str, reset: bool, cancellation: bool) -> None:
    """As aiohttp alone makes it fail: the same exception."""
    outcomes = []
    for policies, cancels in ([], False), ([shield], cancellation):
        late = Late(read_parts if how == "multipart" else web.Request.read, *policies)
        async with serving(late.app, handler_cancellation=cancels) as server:
            await disconnected(server, late, message=TRUNCATED[how], reset=reset)
            outcomes.append(await late.read_now())
    alone, shielded = outcomes
    assert isinstance(alone, ConnectionError)
    assert isinstance(shielded, ConnectionError)


@pytest.mark.parametrize("how", TRUNCATED)
async def test_a_body_that_has_not_arrived_by_the_504_fails(how: str) -> None:
    late = Late(read_parts if how == "multipart" else web.Request.read, shield, timeout(0.1))
    async with serving(late.app) as server:
        client = (await server.dial()).send(TRUNCATED[how])
        assert (await client.answer()).status == 504
        assert isinstance(await late.read_now(), ConnectionError)


async def test_a_reader_that_waits_at_the_408_fails_at_once() -> None:
    late = Late(web.Request.read, shield, timeout(0.1), errors())
    late.gate.set()
    async with serving(late.app) as server:
        client = (await server.dial()).send(TRUNCATED["content-length"])
        assert (await client.answer()).status == 408
        await soon(late.ended)
        assert isinstance(late.outcome, ConnectionError)
