"""What type checkers make of decorated handlers, and of wrong ones."""

import re
import subprocess
import sys

import pytest

RIGHT = """
from aiohttp import web
from routeguard import (
    Explanation, Policy, cors, csrf, deadline, errors, exempt, explain, https, rule, setup, shield,
    timeout, use,
)
from aiohttp.typedefs import Handler
from routeguard.routes.rules import Rule


async def one(request: web.Request, *, option: int = 1) -> web.Response:
    return web.Response()

@timeout(5)
@cors("*")
@errors()
async def two(request: web.Request, *, option: int = 1) -> web.Response:
    return web.Response()

reveal_type(one)
reveal_type(two)
reveal_type(one)
reveal_type(shield(one))
reveal_type(one)
reveal_type(shield(methods="POST", limit=5)(one))

class Page(web.View):
    @timeout(1)
    async def get(self) -> web.Response:
        return web.Response()

    async def post(self) -> web.Response:
        return web.Response()

reveal_type(Page)
reveal_type(https(redirect=True)(csrf()(exempt(timeout)(Page))))

class Shop:
    @timeout(1)
    async def method(self, request: web.Request) -> web.Response:
        return web.Response()

    async def other(self, request: web.Request) -> web.Response:
        return web.Response()

reveal_type(Shop().method)
reveal_type(Shop().other)

async def audit(request: web.Request, handler: Handler) -> web.StreamResponse:
    remaining: float | None = deadline(request).remaining
    return await handler(request)

app = web.Application()
setup(app, rule("GET /x", cors("*")), shield, timeout(5), use(audit), drain=5)
app.router.add_get("/x", two)
app.router.add_get("/method", Shop().method)
app.router.add_view("/page", Page)
explanation: Explanation = explain(app, "GET", "/x")
policy: Policy | None = explanation.policy(timeout)
policy = explanation.policy(shield)
policies: list[Policy] = [timeout(5), shield, shield(limit=5), use(audit)]
made: Rule = rule("/x", *policies)

class Declined(Exception): ...

async def declined(request: web.Request, error: Declined) -> web.Response:
    return web.Response()

async def no_key(request: web.Request, error: KeyError) -> web.Response:
    return web.Response()

async def failed(request: web.Request, error: Exception) -> web.Response:
    return web.Response()

async def plain(request: web.Request) -> web.Response:
    return web.Response()

errors(failed, on={Declined: declined})
errors(on={Declined: declined, KeyError: no_key, (OSError, ValueError): 404, EOFError: plain})
errors(on={IndexError: failed, LookupError: 404})
statuses = {KeyError: 404, ValueError: 400}
errors(on=statuses)
answers: dict[type[Exception], int] = {one: 400 for one in (KeyError, ValueError)}
errors(on=answers)
"""

WRONG = """
from aiohttp import web
from routeguard import cors, errors, exempt, rule, setup, shield, timeout, use

async def view(request: web.Request) -> web.Response:
    return web.Response()

async def no_key(request: web.Request, error: KeyError) -> web.Response:
    return web.Response()

def late(request: web.Request, error: KeyError) -> web.Response:
    return web.Response()

timeout("5")  # no seconds
timeout(view)  # bare
use(view)  # a view is no middleware
rule("/x", timeout)  # a kind
rule(5, timeout(5))  # no pattern
setup(web.Application(), "x")  # no entry
exempt("cors")  # no kind
shield(limit="x")  # no seconds
errors(on={KeyError: "x"})  # neither status nor handler
errors(lambda request: 5)  # no error handler
errors(no_key)  # it is given every exception
errors(on={KeyError: late})  # not async
errors(on={"KeyError": 404})  # no exception type
cors(5)  # no origin
timeout(5)(5)  # no handler
timeout(5).seconds = 6  # frozen
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy says of both modules, in strict mode."""
    folder = tmp_path_factory.mktemp("typing")
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text(WRONG)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "right.py", "wrong.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.stdout


def test_a_decorated_handler_keeps_its_type(said: str) -> None:
    assert not re.findall(r"right.py:.*error.*", said)
    revealed = re.findall(r'Revealed type is "(.*)"', said)
    assert len(revealed) == 10
    assert revealed[0::2] == revealed[1::2]


def test_each_misuse_is_an_error_on_its_own_line(said: str) -> None:
    found = {int(line) for line in re.findall(r"wrong.py:(\d+): error", said)}
    assert found == {n for n, line in enumerate(WRONG.splitlines(), 1) if "  # " in line}
