"""`python -m routeguard check` and its exit status; and where and how the commands write."""

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.server.command.commandline import PATIENCE, ROOT, SHOP, TOUR, answer, environment, run
from tests.support.forkserver import command

# --- check ----------------------------------------------------------------------------------------


def test_check_on_the_tour_and_the_shop_finds_no_error() -> None:
    assert "RG204  POST /account/close" in answer("check", TOUR)
    assert re.search(r"^warning RG204  POST,DELETE /api/cart ", answer("check", SHOP))


FAULTY = """
from aiohttp import web
import routeguard
from routeguard import cors, rule, timeout

async def orders(request): ...

app = web.Application()
app.router.add_get("/orders", orders)
routeguard.setup(
    app,
    rule("/order", timeout(5)),
    timeout(90),
    cors("https://*.github.io", allow_credentials=True),
)
"""


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    (tmp_path / "faulty.py").write_text(FAULTY)
    return tmp_path


def test_check_fails_where_anything_is_an_error(faulty: Path) -> None:
    done = run("check", "faulty:app", cwd=faulty)

    assert (done.returncode, done.stderr) == (1, "")
    assert re.findall(r"^(\w+ RG\d+)  (.*)$", done.stdout, re.MULTILINE) == [
        ("error RG101", 'rule 1 "/order"'),
        ("error RG202", "fallback"),
        ("warning RG303", "fallback"),
    ]
    assert done.stdout.count("remedy: ") == 3
    assert done.stdout.splitlines()[-1] == "2 errors, 1 warning"
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_ignored_findings_do_not_fail(faulty: Path) -> None:
    one = run("check", "faulty:app", "--ignore", "RG101", cwd=faulty)
    both = run("check", "faulty:app", "--ignore", "rg101, RG202", "--json", cwd=faulty)

    assert (one.returncode, both.returncode) == (1, 0)
    (finding,) = json.loads(both.stdout)["findings"]
    assert finding.keys() == {"code", "severity", "place", "places", "message", "remedy"}
    assert (finding["code"], finding["severity"]) == ("RG303", "warning")


def test_strict_makes_warnings_fail_too(faulty: Path) -> None:
    ignoring = ("check", "faulty:app", "--ignore", "RG101,RG202")
    failed = run(*ignoring, "--strict", cwd=faulty)
    passed = run(*ignoring, "--strict", "--ignore=RG303", cwd=faulty)

    assert (failed.returncode, passed.returncode) == (1, 0)
    assert passed.stdout == "nothing found\n"


# --- how it writes --------------------------------------------------------------------------------


def on_terminal(*arguments: str, **changes: str) -> str:
    """What the command writes to a terminal of eighty columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("routeguard", *arguments),
        cwd=ROOT,
        env=environment(COLUMNS="80", **changes),
        stdout=theirs,
    )
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:
        pass  # how Linux says that the other end has been closed
    finally:
        os.close(ours)
        assert process.wait(PATIENCE) == 0
    return written.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colour_unless_somebody_minds() -> None:
    command = ("routes", SHOP, "--path", "/api")
    coloured = on_terminal(*command)
    plain = on_terminal(*command, NO_COLOR="1")
    dumb = on_terminal(*command, TERM="dumb")

    colour = re.compile(r"\x1b\[[0-9;]*[39]\d[0-9;]*m")
    assert colour.search(coloured)
    assert not colour.search(plain)
    assert "\x1b" not in dumb
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).replace(" ", "") == dumb.replace(" ", "")


def test_an_ascii_terminal_is_written_to_as_well() -> None:
    question = ("explain", TOUR, "POST", "/account/close", "--origin", "http://localhost:1")
    text = answer(*question, "--header", "Sec-Fetch-Site: cross-site", PYTHONIOENCODING="ascii")

    assert text.isascii()
    assert "csrf(trusted_origins=?)" in text


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)  # nobody reads at all: the first write fails
    with os.fdopen(writer, "w") as pipe:
        done = run("routes", SHOP, stdout=pipe)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = run("routes", TOUR, stdout=full)
    assert done.returncode == 2
    assert done.stderr == "python -m routeguard: writing failed: No space left on device\n"
