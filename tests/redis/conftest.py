"""A redis-server for each test that wants one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.redis import RedisServer, redis_serving


@pytest.fixture
async def redis(redis_server: str, tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A server that has nothing in it."""
    async with redis_serving(redis_server, tmp_path) as server:
        yield server
