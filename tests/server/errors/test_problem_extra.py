"""Without the library that negotiates, everyone gets JSON, and the log says so once."""

import json
import subprocess
import sys

WITHOUT_IT = """
import asyncio, json, logging, sys

sys.modules["mimeparse"] = None  # importing it fails, as where it is not installed

from aiohttp import ClientSession, web
from routeguard import errors, problem_details, setup

records = []
handler = logging.Handler()
handler.emit = records.append
logging.getLogger("routeguard").addHandler(handler)
ACCEPTED = ["", "application/json", "*/*", "text/html", "text/html", "text/plain", "garbage"]


async def missing(request):
    raise web.HTTPNotFound(text="No report 7")


async def main():
    app = web.Application()
    app.router.add_get("/", missing)
    setup(app, errors(problem_details))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    told = []
    async with ClientSession() as client:
        for accept in ACCEPTED:
            url = "http://127.0.0.1:%d/" % runner.addresses[0][1]
            async with client.get(url, headers={"Accept": accept}) as answer:
                problem = json.loads(await answer.text())
                told.append([answer.headers["Content-Type"], problem["detail"], len(records)])
    await runner.cleanup()
    log = [[one.name, one.levelname, one.getMessage()] for one in records]
    json.dump({"told": told, "log": log}, sys.stdout)


asyncio.run(main())
"""


def test_json_for_all_and_one_warning() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", WITHOUT_IT],
        check=True,
        capture_output=True,
        timeout=60,
        text=True,
    )
    seen = json.loads(done.stdout)
    json_problem = ["application/problem+json", "No report 7"]
    # The first three prefer JSON anyway: there is nothing to warn of yet.
    assert seen["told"] == [[*json_problem, warned] for warned in (0, 0, 0, 1, 1, 1, 1)]
    ((logger, level, message),) = seen["log"]
    assert (logger, level) == ("routeguard.errors", "WARNING")
    assert "routeguard[negotiation]" in message
