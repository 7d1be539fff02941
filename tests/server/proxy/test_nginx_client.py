"""The client as real nginxes report it: one hop and two, Unix sockets, TLS inside, a cache."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

import pytest
from aiohttp import web

import routeguard
from routeguard import csrf, errors, hosts, https, proxied
from tests.support.certificate import Certificate, make_certificate
from tests.support.nginx import free_port, nginx_serving
from tests.support.proxiedapp import Told, application, told_in
from tests.support.rawhttp import Reply, get, read_reply, talk

pytestmark = pytest.mark.nginx

# The addresses of the parties: all of the loopback interface, so that they can be told apart.
CLIENT, EDGE, INNER = "127.0.0.9", "127.0.0.2", "127.0.0.3"

TELLING = """
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
"""
PASSING_ON = """
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto;
    proxy_set_header X-Forwarded-Host $http_x_forwarded_host;
"""
OVERWRITING = TELLING.replace("$proxy_add_x_forwarded_for", "$remote_addr")
APPENDING = TELLING.replace(
    "X-Forwarded-Proto $scheme", 'X-Forwarded-Proto "$http_x_forwarded_proto, $scheme"'
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@dataclass(frozen=True, slots=True)
class Front:
    """What clients can reach: the outer nginx."""

    plain_port: int
    tls_port: int
    tls: ssl.SSLContext

    async def ask(self, *headers: str, secure: bool = False, request: bytes | None = None) -> Reply:
        asked = request or get("/x?y", *headers).replace(b"localhost", b"shop.example")
        port, tls = (self.tls_port, self.tls) if secure else (self.plain_port, None)
        return read_reply(await talk(asked, port=port, tls=tls, source=CLIENT))


@asynccontextmanager
async def behind(
    program: str,
    certificate: Certificate,
    directory: Path,
    app: web.Application,
    *servers: str,
    unix: bool = False,
    tls_inside: bool = False,
) -> AsyncIterator[Front]:
    """An application behind nginx.

    Args:
        servers: the directives of each nginx's location, the outer one first.
        unix: whether everything behind the outer nginx listens on Unix sockets.
        tls_inside: whether the application ends TLS, too.
    """
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        inside = certificate.server_context() if tls_inside else None
        site = (
            web.UnixSite(runner, str(directory / "app.sock"), ssl_context=inside)
            if unix
            else web.TCPSite(runner, "127.0.0.1", 0, ssl_context=inside)
        )
        await site.start()
        address = runner.addresses[0]
        scheme = "https" if tls_inside else "http"
        upstream = f"unix:{address}:" if unix else f"127.0.0.1:{address[1]}"
        blocks = [
            f"ssl_certificate {certificate.certificate}; ssl_certificate_key {certificate.key};"
        ]
        ports = free_port(), free_port(), free_port()
        for number, directives in reversed(list(enumerate(servers))):
            bind = "" if unix else f"proxy_bind {(EDGE, INNER)[number]};"
            location = f"location / {{ proxy_pass {scheme}://{upstream}; {bind} {directives} }}"
            if number:
                listened = f"unix:{directory}/inner.sock" if unix else f"127.0.0.1:{ports[2]}"
                blocks.append(f"server {{ listen {listened}; {location} }}")
                upstream = f"{listened}:" if unix else listened
                scheme = "http"
            else:
                blocks.append(f"server {{ listen 127.0.0.1:{ports[0]}; {location} }}")
                blocks.append(f"server {{ listen 127.0.0.1:{ports[1]} ssl; {location} }}")
        http = Template("proxy_cache_path $directory/cache keys_zone=kept:1m; $blocks")
        configuration = http.substitute(directory=directory, blocks="\n".join(blocks))
        await stack.enter_async_context(
            nginx_serving(program, directory, configuration, ports[0], ports[1])
        )
        yield Front(ports[0], ports[1], certificate.client_context())


def seen(scheme: str = "https", remote: str = CLIENT) -> Told:
    return Told(remote, scheme, "shop.example", f"{scheme}://shop.example/x?y")


FORGED = (
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-For: 127.0.0.2, 127.0.0.3",
    "X-Forwarded-For: , , , ,",
    "X-Forwarded-For: unix:",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Proto: https, https, https",
    "X-Forwarded-Host: evil.example",
    "Forwarded: for=1.2.3.4;proto=https;host=evil.example",
    "X-Real-IP: 1.2.3.4",
)


@pytest.mark.parametrize("policy", [proxied(EDGE, host=True), proxied("*", hops=1, host=True)])
async def test_one_hop(
    nginx: str, certificate: Certificate, tmp_path: Path, policy: proxied
) -> None:
    app = application(policy, https(hsts=60), errors())
    async with behind(nginx, certificate, tmp_path, app, TELLING) as front:
        for headers in ((), *((one,) for one in FORGED), FORGED):
            assert told_in(await front.ask(*headers)) == seen("http"), headers
            reply = await front.ask(*headers, secure=True)
            assert told_in(reply) == seen(), headers
            assert reply.headers["Strict-Transport-Security"] == "max-age=60"


@pytest.mark.parametrize("policy", [proxied("unix", host=True), proxied(hops=1, host=True)])
async def test_one_hop_over_a_unix_socket(
    nginx: str, certificate: Certificate, tmp_path: Path, policy: proxied
) -> None:
    app = application(policy, errors())
    async with behind(nginx, certificate, tmp_path, app, TELLING, unix=True) as front:
        for headers in ((), *((one,) for one in FORGED), FORGED):
            assert told_in(await front.ask(*headers, secure=True)) == seen(), headers
            assert told_in(await front.ask(*headers)) == seen("http"), headers


@pytest.mark.parametrize(
    ("inner", "scheme"),
    [(PASSING_ON, "https"), (APPENDING, "https"), (TELLING, "http")],
    ids=["passes the scheme on", "appends its own", "writes its own"],
)
@pytest.mark.parametrize(
    "policy", [proxied([EDGE, INNER]), proxied(INNER, hops=2)], ids=["a walk", "a count"]
)
async def test_two_hops(
    nginx: str,
    certificate: Certificate,
    tmp_path: Path,
    policy: proxied,
    inner: str,
    scheme: str,
) -> None:
    """Where every proxy adds an entry, the client's counts; an inner nginx that writes its own
    scheme has forgotten the client's."""
    app = application(policy, errors())
    async with behind(nginx, certificate, tmp_path, app, OVERWRITING, inner) as front:
        for headers in ((), ("X-Forwarded-For: 1.2.3.4",), ("X-Forwarded-For: , , ,",)):
            assert told_in(await front.ask(*headers, secure=True)) == seen(scheme), headers
            assert told_in(await front.ask(*headers)) == seen("http"), headers


@pytest.mark.parametrize("policy", [proxied([EDGE, INNER]), proxied(INNER, hops=2)])
async def test_two_hops_that_append(
    nginx: str, certificate: Certificate, tmp_path: Path, policy: proxied
) -> None:
    """Entries that a client has sent itself move nothing."""
    async with behind(
        nginx, certificate, tmp_path, application(policy), TELLING, PASSING_ON
    ) as front:
        for headers in ((), *((one,) for one in FORGED), FORGED):
            assert told_in(await front.ask(*headers, secure=True)) == seen(), headers
            assert told_in(await front.ask(*headers)) == seen("http"), headers


async def test_two_hops_of_which_one_is_trusted(
    nginx: str, certificate: Certificate, tmp_path: Path
) -> None:
    app = application(proxied(INNER))
    async with behind(nginx, certificate, tmp_path, app, TELLING, PASSING_ON) as front:
        assert told_in(await front.ask()).remote == EDGE


async def test_two_hops_over_unix_sockets(
    nginx: str, certificate: Certificate, tmp_path: Path
) -> None:
    """nginx calls the other end of a Unix socket `unix:`, which is passed where it is trusted."""
    app = application(proxied("unix", host=True), errors())
    async with behind(nginx, certificate, tmp_path, app, TELLING, PASSING_ON, unix=True) as front:
        for headers in ((), ("X-Forwarded-For: 1.2.3.4",), ("X-Forwarded-For: unix:, unix:",)):
            assert told_in(await front.ask(*headers, secure=True)) == seen(), headers


@pytest.mark.parametrize("policy", [proxied(EDGE), https(trusted=EDGE)], ids=repr)
async def test_tls_on_the_inner_hop(
    nginx: str, certificate: Certificate, tmp_path: Path, policy: routeguard.Policy
) -> None:
    """The proxy's own connection has TLS; the client's need not."""
    app = application(policy, errors())
    async with behind(nginx, certificate, tmp_path, app, TELLING, tls_inside=True) as front:
        assert told_in(await front.ask(secure=True)).scheme == "https"
        assert told_in(await front.ask()).scheme == "http"
        assert told_in(await front.ask("X-Forwarded-Proto: https")).scheme == "http"


async def test_tls_on_the_inner_hop_does_not_hide_plain_http(
    nginx: str, certificate: Certificate, tmp_path: Path
) -> None:
    app = application(proxied(EDGE), https(redirect=True, hsts=60))
    async with behind(nginx, certificate, tmp_path, app, TELLING, tls_inside=True) as front:
        reply = await front.ask()
        assert (reply.status, reply.headers["Location"]) == (308, "https://shop.example/x?y")
        assert reply.headers["Strict-Transport-Security"] is None
        assert (await front.ask(secure=True)).status == 200


CACHING = PASSING_ON + "proxy_cache kept; proxy_cache_valid any 1m; proxy_cache_key $request_uri;"


@pytest.mark.parametrize(
    "policies",
    [
        (https(trusted=INNER, redirect=True),),
        (https(trusted=INNER, redirect=True, hsts=60),),
        (proxied([EDGE, INNER]), https(redirect=True)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("first_secure", [True, False])
async def test_a_cache_in_between_keeps_the_two_apart(
    nginx: str,
    certificate: Certificate,
    tmp_path: Path,
    policies: tuple[routeguard.Policy, ...],
    first_secure: bool,
) -> None:
    """One redirect in a cache is a loop for everybody, one page in it a page over plain HTTP."""
    served: list[str] = []

    async def count(request: web.Request) -> web.Response:
        served.append(request.scheme)
        return web.Response(text=f"page {len(served)}")

    app = web.Application()
    app.router.add_get("/x", count)
    routeguard.setup(app, *policies)
    async with behind(nginx, certificate, tmp_path, app, TELLING, CACHING) as front:
        await front.ask(secure=first_secure)
        for _ in range(2):
            plain, secure = await front.ask(), await front.ask(secure=True)
            assert (plain.status, secure.status) == (308, 200)
            assert secure.body == b"page 1"
    assert served == ["https"]


@pytest.mark.parametrize("name", ["$http_host", "$host"])
async def test_the_port_that_the_host_is_passed_on_with(
    nginx: str, certificate: Certificate, tmp_path: Path, name: str
) -> None:
    """`$host` has no port: on any other port than the default, a page's own POST is refused."""
    telling = TELLING.replace("Host $http_host", f"Host {name}")
    app = application(https(trusted=EDGE), csrf(), errors())
    async with behind(nginx, certificate, tmp_path, app, telling) as front:
        own = f"shop.example:{front.tls_port}"
        request = get("/x", f"Origin: https://{own}", method="POST")
        reply = await front.ask(
            secure=True, request=request.replace(b"Host: localhost", f"Host: {own}".encode())
        )
        assert reply.status == (200 if name == "$http_host" else 403)


async def test_hosts_behind_a_proxy(nginx: str, certificate: Certificate, tmp_path: Path) -> None:
    app = application(proxied(EDGE, host=True), hosts("shop.example"))
    async with behind(nginx, certificate, tmp_path, app, TELLING) as front:
        assert (await front.ask()).status == 200
        other = get("/x").replace(b"localhost", b"evil.example")
        assert (await front.ask(request=other)).status == 421
        absolute = get("http://evil.example/x").replace(b"localhost", b"shop.example")
        # nginx passes on the Host that it was sent beside an absolute target.
        assert (await front.ask(request=absolute)).status == 200
        # aiohttp itself refuses HTTP/1.1 without Host, since 3.14.
        assert (await front.ask(request=b"GET /x HTTP/1.0\r\n\r\n")).status in (400, 421)
