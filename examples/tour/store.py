"""The orders database: a temporary SQLite file, spoken to by one worker thread."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SCHEMA = """
CREATE TABLE orders (number INTEGER PRIMARY KEY, customer TEXT, item TEXT, cents INTEGER);
CREATE TABLE payments (number INTEGER PRIMARY KEY, reference TEXT, cents INTEGER);
CREATE TABLE stock (item TEXT PRIMARY KEY, pieces INTEGER);
CREATE TABLE ledger (entry TEXT PRIMARY KEY, cents INTEGER);
INSERT INTO stock VALUES ('lamp', 40), ('chair', 12), ('table', 7);
INSERT INTO ledger VALUES ('2026-01', 1250000);
"""

CUSTOMERS = ("Ada", "Brendan", "Chidi", "Dagny", "Emre", "Farah", "Gül", "Hanna")
PRICES = {"lamp": 4900, "chair": 12900, "table": 34900}

Row = tuple[Any, ...]


class OrderNotFoundError(LookupError):
    """There is no order with that number; `status` is what an error handler answers."""

    status = 404

    def __init__(self, number: int) -> None:
        super().__init__(f"There is no order {number}.")


class Orders:
    """Orders and payments; every statement waits its turn on the one worker thread."""

    def __init__(self, database: sqlite3.Connection, worker: ThreadPoolExecutor) -> None:
        self._database = database
        self._worker = worker

    async def listed(self, first: int = 0, count: int = 100) -> list[Row]:
        return await self._run(
            "SELECT number, customer, item, cents FROM orders ORDER BY number LIMIT ? OFFSET ?",
            count,
            first,
        )

    async def order(self, number: int) -> Row:
        rows = await self._run(
            "SELECT number, customer, item, cents FROM orders WHERE number = ?", number
        )
        if not rows:
            raise OrderNotFoundError(number)
        return rows[0]

    async def turnover(self) -> int:
        return int((await self._run("SELECT coalesce(sum(cents), 0) FROM orders"))[0][0])

    async def pay(self, reference: str, cents: int) -> int:
        rows = await self._run(
            "INSERT INTO payments (reference, cents) VALUES (?, ?) RETURNING number",
            reference,
            cents,
        )
        return int(rows[0][0])

    async def payments(self) -> list[str]:
        """The references of all payments, oldest first."""
        return [row[0] for row in await self._run("SELECT reference FROM payments ORDER BY number")]

    async def restock(self, item: str, pieces: int) -> int:
        rows = await self._run(
            "INSERT INTO stock VALUES (?, ?) "
            "ON CONFLICT DO UPDATE SET pieces = pieces + excluded.pieces RETURNING pieces",
            item,
            pieces,
        )
        return int(rows[0][0])

    async def book(self, entry: str, cents: int) -> None:
        await self._run(
            "INSERT INTO ledger VALUES (?, ?) ON CONFLICT DO UPDATE SET cents = excluded.cents",
            entry,
            cents,
        )

    async def booked(self, entry: str) -> int | None:
        rows = await self._run("SELECT cents FROM ledger WHERE entry = ?", entry)
        return int(rows[0][0]) if rows else None

    async def _run(self, statement: str, *values: object) -> list[Row]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._execute, statement, values)

    def _execute(self, statement: str, values: Sequence[object]) -> list[Row]:
        with self._database:
            return self._database.execute(statement, values).fetchall()


@asynccontextmanager
async def opened() -> AsyncIterator[Orders]:
    """A freshly filled database, removed again with its directory at the end."""
    with (
        TemporaryDirectory(prefix="routeguard-tour-") as folder,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="orders") as worker,
    ):
        loop = asyncio.get_running_loop()
        database = await loop.run_in_executor(worker, _create, Path(folder) / "orders.sqlite3")
        try:
            yield Orders(database, worker)
        finally:
            await loop.run_in_executor(worker, database.close)


def _create(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.executescript(SCHEMA)
    items = tuple(PRICES)
    with database:
        database.executemany(
            "INSERT INTO orders (customer, item, cents) VALUES (?, ?, ?)",
            (
                (customer, item, PRICES[item])
                for number, customer in enumerate(CUSTOMERS * 3)
                for item in (items[number % len(items)],)
            ),
        )
    return database
