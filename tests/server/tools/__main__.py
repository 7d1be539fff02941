"""`python -m tests.server.tools TOOL`: what a tool sees of every case, everywhere, as JSON.

It is a process of its own, since some tools change aiohttp for good.
"""

import asyncio
import json
import sys
from dataclasses import asdict

from aiohttp import web

from tests.server.tools.cases import ARRANGEMENTS, CASES, arranged
from tests.server.tools.tools import TOOLS, Tool
from tests.support.rawhttp import read_reply, talk


async def watched(tool: Tool, root: web.Application, prefix: str) -> dict[str, object]:
    """What is on the wire and what the tool sees, by case."""
    runner = web.AppRunner(root, access_log_format="%s")
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    found: dict[str, object] = {}
    try:
        tool.take()
        for case in CASES:
            reply = read_reply(await talk(case.request(prefix), port=port), method=case.method)
            seen = tool.take()
            for _ in range(100):  # the client may have its answer before the tool has finished
                if seen:
                    break
                await asyncio.sleep(0.01)
                seen = tool.take()
            found[case.name] = {
                "status": reply.status,
                "request id": "X-Request-Id" in reply.headers,
                "seen": [asdict(one) for one in seen],
            }
    finally:
        await runner.cleanup()
    return found


async def main(name: str) -> None:
    tool = TOOLS[name]()
    found: dict[str, object] = {}
    for arrangement in ARRANGEMENTS:
        for when in ("before", "after", "not listed"):
            if when == "not listed" and not tool.can_be_left_out:
                continue
            lister = None if when == "not listed" else tool.list_in
            root, prefix = arranged(
                arrangement,
                tool.outside,
                lister,
                before=when == "before",
                in_root=tool.in_root,
            )
            found[f"{arrangement}, {when}"] = await watched(tool, root, prefix)
    json.dump(found, sys.stdout)


asyncio.run(main(sys.argv[1]))
