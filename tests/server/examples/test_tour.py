"""The tour as its visitors meet it: a process, two ports, a page, and a check."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

import routeguard
from examples.tour import api
from examples.tour.cards import CARDS
from examples.tour.check import CHECKS, check
from examples.tour.highlight import highlight
from routeguard import cors, errors, problem_details, timeout
from tests.support.forkserver import command

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0  # seconds; a bound for a hanging process, not a speed


async def started(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command("examples/tour", *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    """Exit code, standard output and standard error, once the process is over."""
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@dataclass(frozen=True, slots=True)
class Running:
    process: asyncio.subprocess.Process
    page: str
    api: str


@asynccontextmanager
async def tour(*arguments: str, **environment: str) -> AsyncIterator[Running]:
    """A running tour; ended, whatever the test did."""
    process = await started(*arguments, **environment)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            page = (await process.stdout.readline()).split()[2].decode().rstrip("/")
            orders = (await process.stdout.readline()).split()[2].decode()
            await process.stdout.readline()
        yield Running(process, page, orders.removesuffix("/orders"))
    finally:
        if process.returncode is None:
            process.terminate()
            await ended(process)


def two_free_ports() -> int:
    """A free port whose next one is free too."""
    for _ in range(50):
        with socket.create_server(("127.0.0.1", 0)) as first:
            port = int(first.getsockname()[1])
            try:
                socket.create_server(("127.0.0.1", port + 1)).close()
            except (OSError, OverflowError):
                continue
            return port
    raise AssertionError("no two neighbouring ports are free")


class Outline(HTMLParser):
    """The cards of a page, their code, their buttons, and every address that it loads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cards: list[str] = []
        self.paths: list[str | None] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self.code: list[str] = []
        self._in_code = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        if tag == "article":
            self.cards.append(found["id"] or "")
        if "data-action" in found:
            self.paths.append(found["data-path"])
        if tag == "pre":
            self._in_code = found.get("class") == "code"
            if self._in_code:
                self.code.append("")
        if tag in ("link", "script", "img"):
            self.loads.append(found.get("href") or found.get("src") or "")

    def handle_data(self, data: str) -> None:
        if self._in_code:
            self.code[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre":
            self._in_code = False


async def test_check_performs_every_card_and_exits_with_0(tmp_path: Path) -> None:
    code, out, err = await ended(await started("--check", TMPDIR=str(tmp_path)))
    assert code == 0, out + err
    assert [line.split()[1] for line in out.splitlines() if line.startswith("ok ")] == [
        card.name for card in CARDS
    ]
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == []  # the database went with it


async def test_check_names_what_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_the_rule(app: web.Application, *observers: object) -> None:
        routeguard.setup(app, timeout(1.5), cors(origins=api.PAGES), errors(problem_details))

    monkeypatch.setattr(api, "protect", without_the_rule)
    assert await check(0) == 1
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("DIFFERS")] == ["rule"]
    assert "the import's status should be 201, but is 504" in out


def test_every_card_is_checked() -> None:
    assert sorted(CHECKS) == sorted(card.name for card in CARDS)


@pytest.mark.parametrize("taken", [0, 1], ids=["the API's port", "the page's port"])
async def test_a_busy_port_is_one_clear_line(taken: int) -> None:
    port = two_free_ports()
    with socket.create_server(("127.0.0.1", port + taken)):
        code, out, err = await ended(await started("--port", str(port)))
    assert code == 2
    assert len(err.splitlines()) == 1
    assert str(port + taken) in err
    assert "--port" in err
    assert out == ""


@pytest.mark.parametrize("port", ["65535", "-1", "http"])
async def test_a_port_that_is_none_is_refused(port: str) -> None:
    code, _, err = await ended(await started(f"--port={port}"))
    assert code == 2
    assert "--port" in err
    assert "Traceback" not in err


async def test_port_moves_the_api_there_and_the_page_to_the_next() -> None:
    port = two_free_ports()
    async with tour("--port", str(port)) as running, aiohttp.ClientSession() as session:
        assert running.api == f"http://127.0.0.1:{port}"
        assert running.page == f"http://127.0.0.1:{port + 1}"
        async with session.get(f"{running.api}/orders") as response:
            assert len(await response.json()) == 24
        async with session.get(running.page) as response:
            assert response.status == 200


async def test_the_page_shows_each_card_with_the_code_that_runs() -> None:
    async with tour("--port", "0") as running, aiohttp.ClientSession() as session:
        async with session.get(running.page) as response:
            html = await response.text()
            policy = response.headers["Content-Security-Policy"]
        outline = Outline(html)
        assert outline.cards == [card.name for card in CARDS]
        assert outline.paths == [action.path for card in CARDS for action in card.actions]
        # A parser reads back the very source: nothing was lost, and nothing became markup.
        assert [code.strip() for code in outline.code] == [card.code() for card in CARDS]
        shown = "".join(re.findall(r'<pre class="code".*?</pre>', html, re.DOTALL))
        assert shown.count("-&gt;") == sum(card.code().count("->") for card in CARDS) > 0
        assert "@shield" in outline.code[0]
        assert running.api in policy
        assert "'unsafe-inline'" not in policy
        assert "style=" not in html
        for address in outline.loads:
            async with session.get(running.page + address) as response:
                assert (response.status, bool(await response.read())) == (200, True), address


@pytest.mark.parametrize(
    ("source", "tags"),
    [
        ('x = "<script>alert(1)</script>" & y  # <b>\n', {"span"}),
        ("def f(a: int) -> int:\n    return a < 3 and a > 1\n", {"span"}),
        *((path.read_text("utf-8"), {"span"}) for path in sorted((ROOT / "examples").glob("*.py"))),
    ],
)
def test_highlighted_source_reads_back_as_itself(source: str, tags: set[str]) -> None:
    outline = Outline(f'<pre class="code">{highlight(source)}</pre>')
    assert outline.code == [source]
    assert outline.tags <= tags | {"pre"}


async def test_the_wire_tells_what_the_page_cannot_see() -> None:
    asked = {"Origin": "http://127.0.0.1:1", "Access-Control-Request-Method": "PUT"}
    sources: dict[str, dict[str, object]] = {}
    async with (
        tour("--port", "0") as running,
        aiohttp.ClientSession() as session,
        session.get(f"{running.page}/wire") as wire,
    ):
        assert await wire.content.readline() == b": watching\n"
        async with session.options(f"{running.api}/ledger/1", headers=asked) as response:
            assert response.status == 403
        async with asyncio.timeout(PATIENCE):
            while "tour.api" not in sources:
                line = await wire.content.readline()
                if line.startswith(b"data: "):
                    event = json.loads(line.removeprefix(b"data: "))
                    sources[event.get("source", "the observer")] = event
    assert sources["the observer"]["counts"] == {"cors refused": 1}
    assert sources["tour.api"]["status"] == 403
    assert sources["tour.api"]["path"] == "/ledger/1"
    assert "http://127.0.0.1:1" in str(sources["routeguard.cors"]["text"])


async def test_a_page_that_comes_later_finds_what_the_policies_did_before() -> None:
    async with tour("--port", "0") as running, aiohttp.ClientSession() as session:
        async with session.get(f"{running.api}/reports/year") as response:
            assert response.status == 504
        async with session.get(f"{running.page}/wire") as wire:
            assert await wire.content.readline() == b": watching\n"
            async with asyncio.timeout(PATIENCE):
                await wire.content.readline()
                line = await wire.content.readline()
    counts = json.loads(line.removeprefix(b"data: "))["counts"]
    assert counts == {"errors answered": 1, "timeout expired": 1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly_with_connections_open(
    number: signal.Signals, tmp_path: Path
) -> None:
    async with (
        tour("--port", "0", TMPDIR=str(tmp_path)) as running,
        aiohttp.ClientSession() as session,
        session.get(f"{running.page}/wire") as wire,
        session.ws_connect(f"{running.api}/feed") as feed,
    ):
        assert await wire.content.readline() == b": watching\n"
        await feed.receive_json()
        running.process.send_signal(number)
        code, out, err = await ended(running.process)
    assert code == 0, err
    assert out.splitlines()[-1] == "Stopped."
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == []


async def test_sigterm_waits_for_the_payment_of_a_client_that_left() -> None:
    body = b'{"reference": "late", "cents": 1}'
    async with tour("--port", "0") as running, aiohttp.ClientSession() as session:
        async with session.get(f"{running.page}/wire") as wire:
            assert await wire.content.readline() == b": watching\n"
            host, port = running.api.removeprefix("http://").split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            head = b"POST /payments HTTP/1.1\r\nHost: tour\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % len(body) + body)
            await writer.drain()
            async with session.get(f"{running.api}/orders") as response:
                assert response.status == 200  # so the payment, sent before, has begun
            writer.close()
            running.process.send_signal(signal.SIGTERM)
            events = (await asyncio.wait_for(wire.content.read(), PATIENCE)).decode()
        code, _, _ = await ended(running.process)
    assert code == 0
    assert "payment 1 stored, nobody is connected any more" in events


@pytest.mark.parametrize("asked", [("routes",), ("explain", "POST", "/payments"), ("check",)])
async def test_the_command_line_reads_the_api_without_starting_it(asked: tuple[str, ...]) -> None:
    name, *rest = asked
    process = await asyncio.create_subprocess_exec(
        *command("routeguard", name, "examples.tour.api:make_api", *rest),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    code, out, err = await ended(process)
    assert code == 0, out + err
    if name != "check":
        assert "/payments" in out
        assert "shield" in out
