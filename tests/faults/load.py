"""Mixed load: clients of every sort at once, none of which waits for another."""

import asyncio
import collections
import random
import struct
from collections.abc import Awaitable, Callable

import aiohttp

from tests.support.messages import request

PAGE = "https://page.example"
PATIENCE = 30.0  # seconds; a bound for a server that hangs, not a speed


class Load:
    """What clients do to a server, for a time; each sort is asked for as often as another.

    Attributes:
        port: the server's, on loopback.
        answered: how often which status came, or which error.
        did: how often each sort of client has come.
    """

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.answered: collections.Counter[str] = collections.Counter()
        self.did: collections.Counter[str] = collections.Counter()
        self._random = random.Random(seed)
        self._sorts: list[Callable[[aiohttp.ClientSession], Awaitable[None]]] = [
            self.gets,
            self.gets_many,
            self.asks_first,
            self.pays,
            self.pays_and_leaves,
            self.streams,
            self.chats,
            self.leaves_early,
            self.waits_too_long,
            self.fails,
            self.sends_slowly,
        ]

    async def run(self, seconds: float, clients: int) -> None:
        """So many clients, one after the other each, until the time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        connector = aiohttp.TCPConnector(limit=0)
        bound = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{self.port}", connector=connector, timeout=bound
        ) as session:

            async def client() -> None:
                while loop.time() < until:
                    sort = self._random.choice(self._sorts)
                    self.did[sort.__name__] += 1
                    await sort(session)

            async with asyncio.TaskGroup() as group:
                for _ in range(clients):
                    group.create_task(client())

    async def _ask(
        self, session: aiohttp.ClientSession, method: str, path: str, **options: object
    ) -> None:
        """One request, read to its end; what the server cuts off counts as that."""
        try:
            async with session.request(method, path, **options) as answer:  # type: ignore[arg-type]
                await answer.read()
                self.answered[str(answer.status)] += 1
        except aiohttp.ClientPayloadError:
            self.answered["cut off"] += 1
        except aiohttp.ServerDisconnectedError:
            self.answered["disconnected"] += 1

    # --- sorts of clients

    async def gets(self, session: aiohttp.ClientSession) -> None:
        origin = self._random.choice([PAGE, "https://evil.example", "null"])
        path = self._random.choice(["/quick", "/file", "/nowhere"])
        headers = {"Origin": origin, "X-Forwarded-Proto": self._random.choice(["http", "https"])}
        await self._ask(session, "GET", path, headers=headers)

    async def gets_many(self, session: aiohttp.ClientSession) -> None:
        """Paths that never come again."""
        number = self._random.getrandbits(60)
        path = self._random.choice([f"/things/{number}", f"/things/secret-{number}", f"/{number}"])
        await self._ask(session, "GET", path, headers={"Origin": f"https://x{number}.a.example"})

    async def asks_first(self, session: aiohttp.ClientSession) -> None:
        number = self._random.getrandbits(60)
        headers = {
            "Origin": self._random.choice([PAGE, f"https://x{number}.a.example"]),
            "Access-Control-Request-Method": self._random.choice(["PUT", "GET", f"M{number}"]),
            "Access-Control-Request-Headers": self._random.choice(["content-type", f"x-{number}"]),
        }
        path = self._random.choice([f"/things/{number}", "/quick", "/pays", f"/{number}"])
        await self._ask(session, "OPTIONS", path, headers=headers)

    async def pays(self, session: aiohttp.ClientSession) -> None:
        path = self._random.choice(["/pays", "/gives-up"])
        site = self._random.choice(["same-origin", "cross-site"])
        size = self._random.choice([0, 100, 200_000])
        await self._ask(session, "POST", path, data=bytes(size), headers={"Sec-Fetch-Site": site})

    async def streams(self, session: aiohttp.ClientSession) -> None:
        falls = self._random.choice(["silent", ""])
        params = {"chunks": str(self._random.randrange(10)), "falls": falls}
        await self._ask(session, "GET", "/streams", params=params)

    async def waits_too_long(self, session: aiohttp.ClientSession) -> None:
        params = {"seconds": self._random.choice(["0.01", "0.12", "0.5"])}
        if self._random.random() < 0.5:
            params["longer"] = "1"
        await self._ask(session, "GET", "/sleeps", params=params)

    async def fails(self, session: aiohttp.ClientSession) -> None:
        await self._ask(session, "GET", "/fails", headers={"Accept": "text/html"})

    async def chats(self, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/chats") as socket:
            for number in range(self._random.randrange(4)):
                await socket.send_str(str(number))
                assert await socket.receive_str() == str(number)
            if self._random.random() < 0.5:
                assert socket._response.connection is not None
                transport = socket._response.connection.transport
                assert transport is not None
                transport.abort()
                self.answered["socket dropped"] += 1
            else:
                self.answered["socket closed"] += 1

    async def pays_and_leaves(self, session: aiohttp.ClientSession) -> None:
        await self._leave(request("POST", "/pays", body=bytes(self._random.choice([0, 5_000]))))

    async def leaves_early(self, session: aiohttp.ClientSession) -> None:
        whole = self._random.choice(
            [
                request("GET", "/streams?chunks=9"),
                request("GET", "/sleeps?seconds=0.5"),
                request("POST", "/pays", body=bytes(50_000)),
                request("POST", "/gives-up", body=b"x"),
            ]
        )
        await self._leave(whole[: self._random.randint(1, len(whole))])

    async def sends_slowly(self, session: aiohttp.ClientSession) -> None:
        """A body in three pieces, the last of which may never come."""
        whole = request("POST", "/pays", body=bytes(30_000), Connection="close")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in (whole[:10_000], whole[10_000:20_000], whole[20_000:]):
                writer.write(piece)
                await asyncio.sleep(0.02)
                if self._random.random() < 0.2:
                    self.answered["left"] += 1
                    return
            async with asyncio.timeout(PATIENCE):
                self.answered[(await reader.read()).decode("latin-1")[9:12]] += 1
        finally:
            writer.transport.abort()

    async def _leave(self, data: bytes) -> None:
        """Sends, waits a little or not at all, and goes, with a reset or in good order."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        await asyncio.sleep(self._random.choice([0, 0, 0.01, 0.06]))
        if self._random.random() < 0.5:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(1, 13, linger)  # SOL_SOCKET, SO_LINGER
        writer.transport.abort()
        self.answered["left"] += 1
