"""What is kept on a request's writer does not make the writer slower to read.

CPython keeps the attributes of an object in line, beside the object, for names that the first
objects of its class had. Another name turns them into a dictionary.
"""

import subprocess
import sys

PROGRAM = """
import asyncio, gc
import aiohttp
from aiohttp import web
import routeguard
from routeguard import errors, timeout

async def plain(request):
    return web.Response()

async def kept(request):
    response = web.StreamResponse()
    await response.prepare(request)
    own = [one for one in gc.get_referents(request.writer) if type(one) is dict]
    await response.write(b"dictionary" if own else b"in line")
    return response

async def main():
    app = web.Application()
    app.router.add_get("/plain", plain)
    app.router.add_get("/kept", {decorated})
    routeguard.setup(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://127.0.0.1:%d" % runner.addresses[0][1]
    async with aiohttp.ClientSession() as client:
        # The first objects of the class, without anything of routeguard's.
        for _ in range(50):
            async with client.get(url + "/plain"):
                pass
        async with client.get(url + "/kept") as response:
            print(await response.text())
    await runner.cleanup()

asyncio.run(main())
"""


def _said(decorated: str) -> str:
    program = [sys.executable, "-c", PROGRAM.replace("{decorated}", decorated)]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_where_the_state_is_kept_late_the_writer_stays_as_quick() -> None:
    assert _said("kept") == "in line", "aiohttp alone"
    assert _said("timeout(5)(errors()(kept))") == "in line"
