"""The nginx configurations of the page "Behind a proxy", run as they stand there."""

import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.docs.blocks import ROOT, blocks_of
from tests.support.certificate import Certificate, make_certificate
from tests.support.nginx import free_port, nginx_serving
from tests.support.rawhttp import Reply, get, read_reply, talk

pytestmark = pytest.mark.nginx

BLOCKS = blocks_of(ROOT / "docs" / "how-to" / "behind-a-proxy.md")
CONFIGURATIONS = [block.source for block in BLOCKS if block.language == "nginx"]
NAMES = ["one nginx", "a Unix socket", "two of them", "TLS inside"]
CLIENT = "127.0.0.9"
SOCKET = "/run/shop/shop.sock"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def make_app() -> Callable[[], web.Application]:
    """The service of the page."""
    source = next(block.source for block in BLOCKS if block.file_name == "shop.py")
    namespace: dict[str, object] = {"__name__": "shop"}
    exec(compile(source, "shop.py", "exec"), namespace)
    made = namespace["make_app"]
    assert callable(made)
    return made


class Front:
    """The ports of the page, as they are here."""

    def __init__(self, ports: dict[str, int], certificate: Certificate) -> None:
        self.ports = ports
        self._tls = certificate.client_context()

    async def ask(self, port: str, *headers: str, host: str = "shop.example") -> Reply:
        tls = self._tls if port == "8443" else None
        request = get("/", *headers).replace(b"localhost", host.encode())
        received = await talk(request, port=self.ports[port], tls=tls, source=CLIENT)
        return read_reply(received)


@asynccontextmanager
async def serving(
    program: str, certificate: Certificate, directory: Path, app: web.Application, source: str
) -> AsyncIterator[Front]:
    """A configuration of the page, with other ports, its files in another folder."""
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        ports = {port: free_port() for port in ("8000", "8080", "8081", "8443")}
        if SOCKET in source:
            path = str(directory / "shop.sock")
            source = source.replace(SOCKET, path)
            await web.UnixSite(runner, path).start()
        else:
            context = certificate.server_context() if "https://127.0.0.1:8080" in source else None
            site = web.TCPSite(runner, "127.0.0.1", ports["8080"], ssl_context=context)
            await site.start()
        listened = re.findall(r"listen (\d+)", source)
        source = re.sub(r"\blisten (\d+)", r"listen 127.0.0.1:\1", source)
        source = re.sub(
            r"\b127\.0\.0\.1:(80..|8443)\b", lambda found: f"127.0.0.1:{ports[found[1]]}", source
        )
        shutil.copy(certificate.certificate, directory / "certificate.pem")
        shutil.copy(certificate.key, directory / "key.pem")
        await stack.enter_async_context(
            nginx_serving(program, directory, source, *(ports[one] for one in listened))
        )
        yield Front(ports, certificate)


def test_the_page_has_what_is_tested_here() -> None:
    assert len(CONFIGURATIONS) == len(NAMES)


@pytest.mark.parametrize("source", CONFIGURATIONS, ids=NAMES)
async def test_configuration(
    nginx: str,
    certificate: Certificate,
    tmp_path: Path,
    make_app: Callable[[], web.Application],
    source: str,
) -> None:
    async with serving(nginx, certificate, tmp_path, make_app(), source) as front:
        for forged in (
            (),
            ("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: http"),
            ("X-Forwarded-For: unix:, 127.0.0.1", "X-Forwarded-Proto: https, http"),
            ("Forwarded: for=1.2.3.4;proto=http",),
        ):
            reply = await front.ask("8443", *forged, host="shop.example:8443")
            assert (reply.status, reply.body) == (
                200,
                f"{CLIENT} came to https://shop.example:8443/\n".encode(),
            ), forged
            assert (await front.ask("8443", *forged, host="evil.example")).status == 421
            if "listen 8000" in source:
                reply = await front.ask("8000", "X-Forwarded-Proto: https", *forged[:1])
                assert reply.status == 308
                assert reply.headers["Location"] == "https://shop.example:8443/"
