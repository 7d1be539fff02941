"""What pages get of cross-origin answers (headers, streams, files, redirects), and as whom."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from routeguard import cors, csrf, setup
from tests.browser.conftest import FETCH, REFUSED, Open, Serve

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.method} hello", headers={"X-Total": "7", "ETag": '"x"'})


@pytest.mark.parametrize(
    ("exposed", "seen_names"),
    [([], set()), (["X-Total"], {"x-total"}), (["*"], {"x-total", "etag"})],
)
async def test_headers_that_javascript_sees(
    serve: Serve, visit: Open, exposed: list[str], seen_names: set[str]
) -> None:
    page = await visit()
    app = web.Application()
    app.router.add_get("/", hello)
    setup(app, cors(page.origin, expose_headers=exposed))
    api = await serve(app)
    seen = await page.fetch(f"{api.origin}/")
    assert {"x-total", "etag"} & seen["headers"].keys() == seen_names
    assert "content-type" in seen["headers"]
    # The CORS headers themselves are nobody's to read, unless everything is.
    assert ("access-control-allow-origin" in seen["headers"]) == (exposed == ["*"])


async def test_a_stream_is_read_while_it_is_written(serve: Serve, visit: Open) -> None:
    read_first = asyncio.Event()

    async def streams(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one ")
        await read_first.wait()
        await response.write(b"two")
        return response

    async def go_on(request: web.Request) -> web.Response:
        read_first.set()
        return web.Response()

    page = await visit()
    app = web.Application()
    app.router.add_get("/stream", streams)
    app.router.add_get("/go-on", go_on)
    setup(app, cors(page.origin))
    api = await serve(app)
    async with asyncio.timeout(60):
        chunks = await page.page.evaluate(
            """
            async (api) => {
                const reader = (await fetch(api + "/stream")).body.getReader();
                const decoder = new TextDecoder();
                const chunks = [decoder.decode((await reader.read()).value)];
                await fetch(api + "/go-on");
                for (let part; !(part = await reader.read()).done;)
                    chunks.push(decoder.decode(part.value));
                return chunks;
            }
            """,
            api.origin,
        )
    assert chunks == ["one ", "two"]


async def test_modules_and_files(serve: Serve, visit: Open, tmp_path: Path) -> None:
    (tmp_path / "module.js").write_text("export const answer = 42;")
    allowed, other = await visit(), await visit()
    app = web.Application()
    app.router.add_static("/static", tmp_path)
    setup(app, cors(allowed.origin))
    api = await serve(app)
    load = "async url => { try { return (await import(url)).answer } catch { return 'refused' } }"
    assert await allowed.page.evaluate(load, f"{api.origin}/static/module.js") == 42
    assert await other.page.evaluate(load, f"{api.origin}/static/module.js") == "refused"
    assert (await allowed.fetch(f"{api.origin}/static/missing.js"))["status"] == 404
    part = await allowed.fetch(f"{api.origin}/static/module.js", headers={"Range": "bytes=0-5"})
    assert (part["status"], part["body"]) == (206, "export")


# --- who asks -------------------------------------------------------------------------------------

SANDBOXED = """
async ([fetching, url]) => {
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    const told = new Promise(resolve => addEventListener("message", event => resolve(event.data)));
    frame.srcdoc = `<script>
        (${fetching})([${JSON.stringify(url)}, {}]).then(seen => parent.postMessage(seen, "*"));
    </script>`;
    document.body.append(frame);
    const seen = await told;
    frame.remove();
    return seen;
}
"""


@pytest.mark.parametrize(
    ("origins", "readable"), [("null", True), ("*", True), ("http://localhost:*", False)]
)
async def test_a_sandboxed_frame_has_the_origin_null(
    serve: Serve, visit: Open, origins: str, readable: bool
) -> None:
    page = await visit()
    app = web.Application()
    app.router.add_get("/", hello)
    setup(app, cors(origins))
    api = await serve(app)
    seen = await page.page.evaluate(SANDBOXED, [FETCH.strip(), f"{api.origin}/"])
    assert api.answered[-1][2]["Origin"] == "null"
    if readable:
        assert seen["body"] == "GET hello"
    else:
        assert seen == REFUSED


TALK = """
url => new Promise(resolve => {
    const socket = new WebSocket(url);
    socket.onopen = () => socket.send("hello");
    socket.onmessage = event => { resolve(event.data); socket.close(); };
    socket.onerror = () => resolve("refused");
})
"""


async def test_websockets(serve: Serve, visit: Open) -> None:
    """Browsers let any page open them, whatever the CORS headers say; refusing is for `csrf`."""

    async def echo(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{message.data} {request.headers['Origin']}")
        return socket

    allowed, other = await visit(), await visit()
    app = web.Application()
    app.router.add_get("/open", echo)
    app.router.add_get("/guarded", csrf(trusted_origins=[allowed.origin])(echo))
    setup(app, cors(allowed.origin))
    api = await serve(app)
    url = api.origin.replace("http:", "ws:")
    assert await allowed.page.evaluate(TALK, f"{url}/open") == f"hello {allowed.origin}"
    assert await other.page.evaluate(TALK, f"{url}/open") == f"hello {other.origin}"
    assert await allowed.page.evaluate(TALK, f"{url}/guarded") == f"hello {allowed.origin}"
    assert await other.page.evaluate(TALK, f"{url}/guarded") == "refused"


# --- redirects ------------------------------------------------------------------------------------


async def test_redirects(serve: Serve, visit: Open) -> None:
    page = await visit()
    far = web.Application()
    far.router.add_get("/anyone", cors("*")(hello))
    far.router.add_get("/page", cors(page.origin)(hello))
    far.router.add_get("/null", cors("null")(hello))
    setup(far)
    far_site = await serve(far)

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["to"])

    near = web.Application()
    near.router.add_get("/go", cors(page.origin)(redirect))
    near.router.add_get("/bare", redirect)
    near.router.add_get("/hello", cors(page.origin)(hello))
    setup(near)
    api = await serve(near)

    seen = await page.fetch(f"{api.origin}/go?to=/hello")
    assert (seen["body"], seen["redirected"]) == ("GET hello", True)
    # Without CORS headers on the redirect itself it is not followed.
    assert await page.fetch(f"{api.origin}/bare?to=/hello") == REFUSED
    # Redirected on to a third origin, the request has the origin `null` (Fetch, redirect-tainted).
    assert (await page.fetch(f"{api.origin}/go?to={far_site.origin}/anyone"))["status"] == 200
    assert (await page.fetch(f"{api.origin}/go?to={far_site.origin}/null"))["status"] == 200
    assert await page.fetch(f"{api.origin}/go?to={far_site.origin}/page") == REFUSED
    assert far_site.answered[-1][2]["Origin"] == "null"
