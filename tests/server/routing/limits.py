"""Which timeout a handler ran under: asked by requests and by `explain`."""

from aiohttp import web
from pytest_aiohttp import AiohttpClient

from routeguard import explain, timeout
from tests.support.seen import Client


async def limit(client: Client, path: str, method: str = "GET") -> int | None:
    """The seconds of the timeout that the handler ran under."""
    async with client.request(method, path) as response:
        assert response.status == 200, (path, await response.text())
        left: int | None = (await response.json())["timeout"]
        return left


def told(app: web.Application, path: str, method: str = "GET") -> float | None:
    policy = explain(app, method, path).policy("timeout")
    return policy.seconds if isinstance(policy, timeout) else None


async def expect(
    aiohttp_client: AiohttpClient, app: web.Application, expected: dict[str, int | None]
) -> None:
    """Holds requests, and what `explain` tells, against the expected seconds by path."""
    explained = {path: told(app, path) for path in expected}
    client = await aiohttp_client(app)
    assert {path: await limit(client, path) for path in expected} == expected
    assert explained == expected
