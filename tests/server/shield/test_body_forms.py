"""Forms with files under `shield`, and who may read them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiohttp import web

from routeguard import Policy, errors, rule, setup, shield, timeout, use
from routeguard.running.state import RequestKey
from tests.support.bodies import BOUNDARY, FILE, multipart
from tests.support.messages import request
from tests.support.serving import serving, soon

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

UPLOAD = request(
    "POST", "/", body=multipart(), Content_Type=f"multipart/form-data; boundary={BOUNDARY}"
)


async def test_a_form_with_files_that_was_parsed_before_stays_open_after_a_504() -> None:
    """aiohttp closes the files of a parsed form with the request that parsed it."""
    begun, gate, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    read: list[bytes] = []

    async def handler(request: web.Request) -> web.Response:
        file = (await request.post())["file"]
        assert isinstance(file, web.FileField)
        begun.set()
        await gate.wait()
        with file.file:
            read.append(file.file.read())
        ended.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    setup(app, shield, timeout(0.1), errors())
    async with serving(app) as server:
        client = await server.dial()
        assert (await client.send(UPLOAD).answer()).status == 504
        await soon(begun)
        gate.set()
        await soon(ended)
    assert read == [FILE]


FIELDS = request(
    "POST",
    "/",
    body=f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="name"\r\n\r\nAda\r\n'
    f"--{BOUNDARY}--\r\n".encode(),
    Content_Type=f"multipart/form-data; boundary={BOUNDARY}",
)


@pytest.mark.parametrize("policies", [[], [shield], [shield, timeout(0.1)]], ids=str)
async def test_the_files_of_a_form_are_closed_when_the_work_ends(policies: list[Policy]) -> None:
    """As aiohttp closes them when a request has been handled, so that nobody need remember to."""
    files: list[web.FileField] = []
    gate, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        file = (await request.post())["file"]
        assert isinstance(file, web.FileField)
        files.append(file)
        if len(policies) > 1:
            await gate.wait()
        assert not file.file.closed
        ended.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    setup(app, *policies, errors())
    async with serving(app) as server:
        client = await server.dial()
        await client.send(UPLOAD).answer()
        gate.set()
        await soon(ended)
        await (await server.dial()).get("/").answer()
    closed = [file.file.closed for file in files]
    for file in files:
        file.file.close()
    assert closed == [True]


async def names(request: web.Request) -> list[str]:
    return sorted(await request.post())


@pytest.mark.parametrize("policies", [[], [shield]], ids=str)
async def test_a_form_that_a_policy_outside_has_read_is_the_handlers_too(
    policies: list[Policy],
) -> None:
    """A check of a token in the form, say, which stands around the shield."""
    seen: list[list[str]] = []

    @dataclass(frozen=True, slots=True)
    class Token(Policy):
        async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
            seen.append(await names(request))
            return await handler(request)

    async def handler(request: web.Request) -> web.Response:
        seen.append(await names(request))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    setup(app, Token(), *policies)
    async with serving(app) as server:
        assert (await (await server.dial()).send(FIELDS).answer()).status == 200
    assert seen == [["name"]] * 2


@pytest.mark.parametrize("policies", [[], [shield]], ids=str)
async def test_a_form_that_the_handler_has_read_is_the_error_handlers_too(
    policies: list[Policy],
) -> None:
    seen: list[list[str]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(await names(request))
        raise ValueError

    async def answer(request: web.Request) -> web.Response:
        seen.append(await names(request))
        return web.Response(status=422)

    app = web.Application()
    app.router.add_post("/", handler)
    setup(app, *policies, errors(answer))
    async with serving(app) as server:
        assert (await (await server.dial()).send(FIELDS).answer()).status == 422
    assert seen == [["name"]] * 2


async def test_a_form_that_a_middleware_inside_has_read_is_the_handlers_too() -> None:
    seen: list[list[str]] = []

    async def reading(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(await names(request))
        return await handler(request)

    async def handler(request: web.Request) -> web.Response:
        seen.append(await names(request))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    setup(app, shield, use(reading))
    async with serving(app) as server:
        assert (await (await server.dial()).send(FIELDS).answer()).status == 200
    assert seen == [["name"]] * 2


USER = RequestKey("user", str)


@pytest.mark.parametrize("body", [FIELDS, request("POST", "/", body=b"text")], ids=["form", "text"])
async def test_what_the_handler_notes_on_the_request_is_seen_outside(body: bytes) -> None:
    """By error handlers and response hooks, for instance; clone or no clone."""
    seen: list[object] = []

    async def handler(request: web.Request) -> web.Response:
        request[USER] = "ada"
        raise ValueError

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.get(USER))
        return web.Response(status=422)

    async def hook(request: web.Request, response: web.StreamResponse) -> None:
        seen.append(request.get(USER))

    app = web.Application()
    app.router.add_post("/", handler)
    setup(app, rule("/*", shield, timeout(50)), errors(answer))
    app.on_response_prepare.append(hook)
    async with serving(app) as server:
        assert (await (await server.dial()).send(body).answer()).status == 422
    assert seen == ["ada", "ada"]
