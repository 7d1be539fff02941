"""A deploy behind a real nginx that keeps connections open: no request hangs in one of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.faults.deploying import Setting
from tests.faults.deploys import all_open, deployed, stop, watch
from tests.support.messages import request
from tests.support.nginx import free_port, nginx_serving
from tests.support.processes import Server

pytestmark = [pytest.mark.faults, pytest.mark.nginx]

QUICK = 2.0
"""Seconds: half of the drain, and far more than an answer takes."""


@asynccontextmanager
async def behind_nginx(
    nginx: str, folder: Path, setting: Setting, replicas: int
) -> AsyncIterator[tuple[int, list[Server]]]:
    """The port of an nginx, and the servers behind it, to which it keeps connections open."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(deployed(setting, "run_app")) for _ in range(replicas)
        ]
        port = free_port()
        upstream = "".join(f"server 127.0.0.1:{one.port}; " for one in servers)
        http = (
            f"upstream replicas {{ {upstream} keepalive 16; }} "
            f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://replicas; "
            f'proxy_http_version 1.1; proxy_set_header Connection ""; }} }}'
        )
        await stack.enter_async_context(nginx_serving(nginx, folder, http, port))
        yield port, servers


async def ask(session: aiohttp.ClientSession, port: int) -> tuple[int, float]:
    """The status of an answer, and how long it took."""
    began = time.monotonic()
    async with session.get(f"http://127.0.0.1:{port}/quick") as response:
        await response.read()
        return response.status, time.monotonic() - began


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
@pytest.mark.parametrize("replicas", [1, 2])
async def test_no_request_hangs_while_work_drains(
    replicas: int, guarded: bool, nginx: str, tmp_path: Path
) -> None:
    setting = Setting(guarded=guarded, works=4)
    async with (
        behind_nginx(nginx, tmp_path, setting, replicas) as (port, servers),
        aiohttp.ClientSession() as session,
    ):
        for _ in range(8 * replicas):  # by now nginx keeps connections to each replica
            assert (await ask(session, port))[0] == 200
        leaving = servers[0]
        busy = await watch(leaving.port, request("POST", "/work", body=b""), begins=False)
        await all_open(leaving.port, 1)
        stopping = asyncio.ensure_future(stop(leaving))
        answers = []
        while not stopping.done():
            answers.append(await ask(session, port))
            await asyncio.sleep(0.05)
        told = await stopping
        answer = (await busy.end()).answer()
        for other in servers[1:]:
            await stop(other)
    assert answer is not None and answer.body == b"done"
    assert min(told.when("work done")) >= 4
    assert max(took for _, took in answers) < QUICK
    if replicas == 2:
        assert {status for status, _ in answers} == {200}
    else:
        assert {status for status, _ in answers} <= {200, 502}
