"""Behind a real nginx that terminates TLS: on TCP and on a Unix socket, alone or with another."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

import routeguard
from routeguard import csrf, errors, exempt, https, problem_details
from tests.support.certificate import Certificate, make_certificate
from tests.support.nginx import free_port, nginx_serving
from tests.support.rawhttp import Reply, get, read_reply, talk

pytestmark = pytest.mark.nginx

OVERWRITE = "proxy_set_header X-Forwarded-Proto $scheme;"
APPEND = 'proxy_set_header X-Forwarded-Proto "$http_x_forwarded_proto, $scheme";'
PASS_ON = "proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto;"
FORWARDED = 'proxy_set_header Forwarded "$http_forwarded, for=\\"_hidden\\";proto=$scheme";'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@dataclass(frozen=True, slots=True)
class Front:
    """An nginx with one port for TLS and one without, and what is behind it."""

    certificate: Certificate
    plain_port: int
    tls_port: int

    async def plain(self, request: bytes) -> Reply:
        received = await talk(request, port=self.plain_port)
        assert received.count(b"HTTP/1.") == 1
        return read_reply(received)

    async def tls(self, request: bytes) -> Reply:
        context = self.certificate.client_context()
        received = await talk(request, port=self.tls_port, tls=context)
        assert received.count(b"HTTP/1.") == 1
        return read_reply(received)


async def tell(request: web.Request) -> web.Response:
    url = request.url.join(request.app.router["tell"].url_for())
    return web.json_response([request.scheme, request.secure, str(request.url), str(url)])


def application(*policies: routeguard.Policy) -> web.Application:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(request.scheme.encode())
        if "fail" in request.query:
            raise KeyError("in the middle")
        return response

    app = web.Application()
    app.router.add_route("*", "/tell", tell, name="tell")
    app.router.add_get("/stream", stream)
    app.router.add_get("/open", exempt(https)(tell))
    routeguard.setup(app, *policies, errors(problem_details))
    return app


@asynccontextmanager
async def serving(
    program: str,
    certificate: Certificate,
    directory: Path,
    app: web.Application,
    *,
    headers: str = OVERWRITE,
    between: str | None = None,
    unix: bool = False,
    more: str = "",
) -> AsyncIterator[Front]:
    """An application behind nginx.

    Args:
        headers: how the outer nginx sets its headers.
        between: how a second nginx between the first and the application does; `None` for none.
        unix: whether the application listens on a Unix socket.
        more: directives of the proxy next to the application.
    """
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = (
            web.UnixSite(runner, str(directory / "app.sock"))
            if unix
            else web.TCPSite(runner, "127.0.0.1", 0)
        )
        await site.start()
        address = runner.addresses[0]
        upstream = f"http://unix:{address}:" if unix else f"http://127.0.0.1:{address[1]}"
        names = "proxy_set_header Host $http_host;"
        inner = f"{headers} {names} {more}"
        if between is not None:
            second, own = free_port(), directory / "second"
            own.mkdir()
            server = (
                f"server {{ listen 127.0.0.1:{second}; location / {{ "
                f"proxy_pass {upstream}; {between} {names} {more} }} }}"
            )
            await stack.enter_async_context(nginx_serving(program, own, server, second))
            upstream, inner = f"http://127.0.0.1:{second}", f"{headers} {names}"
        plain_port, tls_port = free_port(), free_port()
        location = f"location / {{ proxy_pass {upstream}; {inner} }}"
        front = (
            f"ssl_certificate {certificate.certificate}; ssl_certificate_key {certificate.key};"
            f"server {{ listen 127.0.0.1:{plain_port}; {location} }}"
            f"server {{ listen 127.0.0.1:{tls_port} ssl; {location} }}"
        )
        await stack.enter_async_context(
            nginx_serving(program, directory, front, plain_port, tls_port)
        )
        yield Front(certificate, plain_port, tls_port)


SECURE = ["https", True, "https://a.example/tell", "https://a.example/tell"]
PLAIN = ["http", False, "http://a.example/tell", "http://a.example/tell"]


def asking(*headers: str, path: str = "/tell", method: str = "GET") -> bytes:
    return get(path, *headers, method=method).replace(b"Host: localhost", b"Host: a.example")


@pytest.mark.parametrize("unix", [False, True], ids=["TCP", "Unix socket"])
@pytest.mark.parametrize("between", [None, PASS_ON], ids=["one nginx", "two of them"])
async def test_the_scheme_of_the_client_reaches_the_handler(
    nginx: str, certificate: Certificate, tmp_path: Path, unix: bool, between: str | None
) -> None:
    app = application(https(hsts=60))
    async with serving(nginx, certificate, tmp_path, app, unix=unix, between=between) as front:
        reply = await front.tls(asking())
        assert json.loads(reply.body) == SECURE
        assert reply.headers["Strict-Transport-Security"] == "max-age=60"
        # The outer nginx overwrites what a client says of itself.
        for request in (asking(), asking("X-Forwarded-Proto: https"), asking("Forwarded: https")):
            reply = await front.plain(request)
            assert json.loads(reply.body) == PLAIN
            assert reply.headers["Strict-Transport-Security"] is None
        reply = await front.tls(asking(path="/stream"))
        assert (reply.body, reply.complete) == (b"https", True)
        assert reply.headers["Strict-Transport-Security"] == "max-age=60"
        reply = await front.tls(asking(path="/nowhere"))
        assert reply.status == 404
        assert reply.headers["Strict-Transport-Security"] == "max-age=60"


@pytest.mark.parametrize("unix", [False, True], ids=["TCP", "Unix socket"])
async def test_a_redirect_leads_to_https_and_does_not_loop(
    nginx: str, certificate: Certificate, tmp_path: Path, unix: bool
) -> None:
    app = application(https(redirect=True, hsts=60))
    async with serving(nginx, certificate, tmp_path, app, unix=unix) as front:
        target = "/tell?a=%26&b=+"
        reply = await front.plain(asking("X-Forwarded-Proto: https", path=target))
        assert reply.status == 308
        assert reply.headers["Location"] == f"https://a.example{target}"
        reply = await front.tls(asking(path=target))
        assert reply.status == 200
        assert json.loads(reply.body)[2] == f"https://a.example{target}"
        assert (await front.plain(asking(method="POST"))).status == 403
        assert (await front.tls(asking(method="POST"))).status == 200
        assert json.loads((await front.plain(asking(path="/open"))).body)[0] == "http"


async def test_a_client_cannot_fool_a_proxy_that_appends(
    nginx: str, certificate: Certificate, tmp_path: Path
) -> None:
    app = application(https(redirect=True))
    own = [
        "X-Forwarded-Proto: https",
        "X-Forwarded-Proto: https, https",
        "x-forwarded-proto: HTTPS",
    ]
    async with serving(nginx, certificate, tmp_path, app, headers=APPEND) as front:
        for header in own:
            assert (await front.plain(asking(header))).status == 308
            assert json.loads((await front.tls(asking(header))).body) == SECURE
        assert json.loads((await front.tls(asking("X-Forwarded-Proto: http"))).body) == SECURE


@pytest.mark.parametrize(
    "forged",
    [
        "Forwarded: proto=https",
        "Forwarded: https",
        'Forwarded: for="',
        'Forwarded: for="_a";proto=https;x="',
        "Forwarded: proto=https,",
        'Forwarded: proto="https", for="\\',
    ],
)
async def test_forwarded_as_a_proxy_appends_it(
    nginx: str, certificate: Certificate, tmp_path: Path, forged: str
) -> None:
    app = application(https({"Forwarded": "https"}))
    async with serving(nginx, certificate, tmp_path, app, headers=FORWARDED) as front:
        assert json.loads((await front.plain(asking(forged))).body) == PLAIN
        assert json.loads((await front.plain(asking())).body) == PLAIN
        assert json.loads((await front.tls(asking())).body) == SECURE


async def test_a_clients_own_forwarded_is_not_read_beside_the_proxys_header(
    nginx: str, certificate: Certificate, tmp_path: Path
) -> None:
    async with serving(nginx, certificate, tmp_path, application(https())) as front:
        assert json.loads((await front.plain(asking("Forwarded: proto=https"))).body) == PLAIN
        assert json.loads((await front.tls(asking("Forwarded: proto=http"))).body) == SECURE


async def test_the_word_of_the_nearest_proxy_counts(
    nginx: str, certificate: Certificate, tmp_path: Path
) -> None:
    """A second nginx that states its own scheme must be told to pass the first one's on."""
    for number, between in enumerate((OVERWRITE, APPEND)):
        directory = tmp_path / str(number)
        directory.mkdir()
        app = application(https())
        async with serving(nginx, certificate, directory, app, between=between) as front:
            assert json.loads((await front.tls(asking())).body) == PLAIN


async def test_a_proxy_that_is_not_trusted_is_not_believed(
    nginx: str, certificate: Certificate, tmp_path: Path
) -> None:
    app = application(https(trusted=["10.0.0.0/8", "unix"], hsts=60))
    async with serving(nginx, certificate, tmp_path, app) as front:
        reply = await front.tls(asking())
        assert json.loads(reply.body) == PLAIN
        assert reply.headers["Strict-Transport-Security"] is None


async def test_a_proxy_with_a_header_of_its_own(
    nginx: str, certificate: Certificate, tmp_path: Path
) -> None:
    app = application(https({"X-Scheme": "https"}))
    header = "proxy_set_header X-Scheme $scheme;"
    async with serving(nginx, certificate, tmp_path, app, headers=header) as front:
        assert json.loads((await front.tls(asking("X-Scheme: http"))).body) == SECURE
        assert json.loads((await front.plain(asking("X-Scheme: https"))).body) == PLAIN


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_stream_that_failed_is_not_passed_on_as_whole(
    nginx: str, certificate: Certificate, tmp_path: Path, version: str
) -> None:
    """nginx speaks HTTP/1.0 to what is behind it, where only a reset tells a body cut off."""
    more = f"proxy_http_version {version};"
    async with serving(nginx, certificate, tmp_path, application(https()), more=more) as front:
        whole = await front.tls(asking(path="/stream"))
        assert (whole.body, whole.complete) == (b"https", True)
        failed = await front.tls(asking(path="/stream?fail"))
        assert not (failed.status == 200 and failed.complete)


async def test_csrf_compares_the_host_as_the_browser_saw_it(
    nginx: str, certificate: Certificate, tmp_path: Path
) -> None:
    app = application(https(), csrf())
    async with serving(nginx, certificate, tmp_path, app) as front:
        for origin, status in (
            ("https://a.example", 200),
            ("https://a.example.evil.example", 403),
            ("https://a.example:8443", 403),
            ("null", 403),
        ):
            request = asking(f"Origin: {origin}", method="POST")
            assert (await front.tls(request)).status == status
        assert (await front.tls(asking(method="POST"))).status == 200
