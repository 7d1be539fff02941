"""A database that loses what is written to it after it has been closed."""

import asyncio
from collections import defaultdict

from aiohttp import web

__all__ = ["DATABASE", "Database"]


class Database:
    def __init__(self) -> None:
        self.rows: list[str] = []
        self.lost: list[str] = []
        self.asked = defaultdict[str, asyncio.Event](asyncio.Event)
        self.closed = asyncio.Event()

    async def write(self, row: str) -> None:
        self.asked[row].set()
        await asyncio.sleep(0.05)
        (self.lost if self.closed.is_set() else self.rows).append(row)


DATABASE = web.AppKey("database", Database)
