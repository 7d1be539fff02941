"""Every card's requests from Python, over real sockets: does the page claim what is so?"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import aiohttp
from yarl import URL

from examples.tour.cards import CARDS
from examples.tour.serve import Tour, running

ASKED = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
PATIENCE = 20.0  # seconds; bounds a broken tour, a sound one needs three


class DiffersError(Exception):
    """What came is not what the page claims."""


class Client:
    """The page's part in the conversation: requests with its `Origin`."""

    def __init__(self, tour: Tour, session: aiohttp.ClientSession) -> None:
        self.tour = tour
        self.session = session

    async def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: object = None
    ) -> tuple[aiohttp.ClientResponse, float]:
        """The response, read to its end, and the seconds that it took."""
        start = time.monotonic()
        async with self.session.request(
            method,
            self.tour.api + path,
            headers={"Origin": self.tour.page, **(headers or {})},
            data=None if body is None else json.dumps(body),
        ) as response:
            await response.read()
            return response, time.monotonic() - start

    async def hang_up(self, path: str, reference: str) -> None:
        """POST a payment over a connection of its own, and leave without reading."""
        api = URL(self.tour.api)
        body = json.dumps({"reference": reference, "cents": 4900})
        _, writer = await asyncio.open_connection(api.host, api.port)
        head = f"POST {path} HTTP/1.1\r\nHost: {api.host}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def references(self) -> list[str]:
        response, _ = await self.ask("GET", "/payments")
        return list((await response.json())["references"])

    async def references_with(self, wanted: str) -> list[str]:
        """The stored payments, as soon as `wanted` is one of them."""
        for _ in range(100):
            if wanted in (references := await self.references()):
                return references
            await asyncio.sleep(0.1)
        raise DiffersError(f"the payment {wanted} is not stored")


def expect(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise DiffersError(f"{what} should be {wanted!r}, but is {got!r}")


async def shield(client: Client) -> str:
    lost, kept = f"lost-{uuid4()}", f"kept-{uuid4()}"
    before = len(await client.references())
    # Both take as long, and this one is begun first: when the other is stored, it would be.
    await client.hang_up("/payments/unshielded", lost)
    await client.hang_up("/payments", kept)
    now = await client.references_with(kept)
    expect("the unshielded payment is stored", lost in now, False)
    return f"client gone, payment stored: {before} rows before, {len(now)} now; unshielded: lost"


async def timeout(client: Client) -> str:
    # Against another request, not a clock: a busy machine slows both. Begun later, the report is
    # done before the fallback's 1.5 s are over, but only under its own half second.
    fallback = asyncio.create_task(client.ask("POST", "/imports/trial"))
    await asyncio.sleep(0.4)
    late, seconds = await client.ask("GET", "/reports/year")
    expect("the yearly report's status", late.status, 504)
    expect("the fallback's longer limit has passed too", fallback.done(), False)
    await fallback
    early, _ = await client.ask("GET", "/reports/week")
    expect("the weekly report's status", early.status, 200)
    return f"504 after {seconds:.2f} s instead of 5 s; the quick report 200"


async def allowed(client: Client) -> str:
    preflight, _ = await client.ask("OPTIONS", "/stock/lamp", ASKED)
    expect("the preflight's status", preflight.status, 204)
    header = "Access-Control-Allow-Origin"
    expect(f"its {header}", preflight.headers.get(header), client.tour.page)
    put, _ = await client.ask("PUT", "/stock/lamp", body=5)
    expect("the PUT's status", put.status, 204)
    expect(f"its {header}", put.headers.get(header), client.tour.page)
    exposed = put.headers.get("Access-Control-Expose-Headers", "").lower()
    expect("its exposed headers", exposed, "x-pieces")
    return f"preflight 204 for {client.tour.page}, PUT 204, X-Pieces exposed"


async def refused(client: Client) -> str:
    preflight, _ = await client.ask("OPTIONS", "/ledger/2026-01", ASKED)
    expect("the preflight's status", preflight.status, 403)
    granted = [name for name in preflight.headers if name.startswith("Access-Control-")]
    expect("its CORS headers", granted, [])
    books = {"Origin": "https://books.example.com"}
    other, _ = await client.ask("OPTIONS", "/ledger/2026-01", ASKED | books)
    expect("the preflight's status for the ledger's own page", other.status, 204)
    return "preflight 403 without CORS headers; 204 for https://books.example.com"


async def errors(client: Client) -> str:
    problem, _ = await client.ask("GET", "/orders/4711")
    plain, _ = await client.ask("GET", "/v1/orders/4711")
    expect("the status", (problem.status, plain.status), (404, 404))
    types = (problem.content_type, plain.content_type)
    expect("the content types", types, ("application/problem+json", "application/json"))
    expect("the plain body", await plain.json(), {"detail": "There is no order 4711."})
    told = json.loads(await problem.text())
    expect("the problem's detail", told.get("detail"), "There is no order 4711.")
    return "404 as application/problem+json, 404 as application/json"


async def rule(client: Client) -> str:
    (through, slow), (trial, quick) = await asyncio.gather(
        client.ask("POST", "/imports"), client.ask("POST", "/imports/trial")
    )
    expect("the import's status", through.status, 201)
    expect("the trial's status", trial.status, 504)
    return f"201 after {slow:.2f} s under the rule, 504 after {quick:.2f} s under the fallback"


async def stream(client: Client) -> str:
    response, seconds = await client.ask("GET", "/orders.csv")
    lines = (await response.text()).splitlines()
    expect("status and lines", (response.status, len(lines)), (200, 24))
    expect("it took longer than the limit", seconds > 1.5, True)
    return f"24 orders in {seconds:.2f} s under timeout(1.5)"


async def socket(client: Client) -> str:
    start = time.monotonic()
    async with client.session.ws_connect(client.tour.api + "/feed", origin=client.tour.page) as ws:
        ticks = [message.json()["tick"] async for message in ws]
    seconds = time.monotonic() - start
    expect("the messages", ticks, list(range(1, 9)))
    expect("the close code", ws.close_code, aiohttp.WSCloseCode.OK)
    expect("it took longer than the limit", seconds > 1.5, True)
    return f"8 messages in {seconds:.2f} s under timeout(1.5)"


async def deploy(client: Client) -> str:
    started, _ = await client.ask("POST", "/replicas")
    replica = await started.json()
    origin = replica["origin"]
    body = json.dumps({"reference": f"deployed-{uuid4()}", "cents": 4900})
    async with (
        client.session.get(f"{origin}/prices") as stream,
        client.session.ws_connect(f"{origin}/trades", origin=client.tour.page) as ws,
    ):
        await stream.content.readline()
        await ws.send_str("a lamp")
        await ws.receive()
        paying = asyncio.create_task(client.session.post(f"{origin}/payments", data=body))
        await asyncio.sleep(0.2)
        stopping = asyncio.create_task(client.ask("DELETE", f"/replicas/{replica['port']}"))
        await stream.content.read()  # raises where the stream is cut
        async for _ in ws:
            pass
        paid = await paying
        stopped, _ = await stopping
    expect("the socket's close code", ws.close_code, aiohttp.WSCloseCode.GOING_AWAY)
    expect("the payment's status", paid.status, 201)
    expect("the status of the stop", stopped.status, 200)
    seconds = (await stopped.json())["seconds"]
    return f"stream whole, socket 1001, payment 201, stopped in {seconds:.2f} s"


async def csrf(client: Client) -> str:
    forged, _ = await client.ask("POST", "/account/close", {"Sec-Fetch-Site": "same-site"})
    expect("the forged request's status", forged.status, 403)
    own, _ = await client.ask("POST", "/account/close", {"Sec-Fetch-Site": "same-origin"})
    expect("the API's own page's status", own.status, 200)
    return "403 from another origin, 200 from its own"


async def rate(client: Client) -> str:
    statuses, fields = [], []
    for _ in range(4):
        response, _ = await client.ask("GET", "/quotes/tea")
        statuses.append(response.status)
        fields.append(response.headers.get("RateLimit", ""))
    expect("the statuses", statuses, [200, 200, 200, 429])
    left = [field.partition(";t=")[0] for field in fields]
    expect("what remains", left, [f'"quotes";r={n}' for n in (2, 1, 0, 0)])
    await asyncio.sleep(int(response.headers["Retry-After"]))
    again, _ = await client.ask("GET", "/quotes/tea")
    expect("the status when the time has passed", again.status, 200)
    return f"three quotes, then 429; 200 again after {response.headers['Retry-After']} s"


async def queue(client: Client) -> str:
    six = [client.ask("GET", "/thumbnails/tea") for _ in range(6)]
    answers = await asyncio.gather(*six)
    statuses = sorted(response.status for response, _ in answers)
    expect("the statuses", statuses, [200, 200, 200, 200, 503, 503])
    waits = sorted(seconds for response, seconds in answers if response.status == 200)
    expect("two have waited for two others", waits[2] > waits[0] + 0.2, True)
    return f"two after {waits[0]:.2f} s, two after {waits[3]:.2f} s, two refused"


async def upload(client: Client) -> str:
    small, _ = await client.ask("POST", "/photos", body="x" * 1000)
    # It is refused before all of it is sent. On a busy machine, aiohttp 3.11.0 as a client has
    # waited in vain for the next answer on such a connection.
    large, _ = await client.ask("POST", "/photos", {"Connection": "close"}, "x" * 300_000)
    expect("the statuses", (small.status, large.status), (201, 413))
    header = "Access-Control-Allow-Origin"
    expect(f"the refusal's {header}", large.headers.get(header), client.tour.page)
    response, _ = await client.ask("POST", "/dripping-clients")
    dripped = await response.json()
    expect("the dripping client's status", dripped["status"], 408)
    return f"300 kB 413; a drip 408 after {dripped['bytes']} bytes and {dripped['seconds']:.2f} s"


DONE = (
    shield,
    timeout,
    allowed,
    refused,
    errors,
    rule,
    stream,
    socket,
    deploy,
    csrf,
    rate,
    queue,
    upload,
)

CHECKS: dict[str, Callable[[Client], Awaitable[str]]] = {check.__name__: check for check in DONE}


async def checked(name: str, client: Client) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(PATIENCE):
            return True, await CHECKS[name](client)
    except DiffersError as differs:
        return False, str(differs)
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"


async def check(port: int) -> int:
    """Start the tour, perform every card, print a line for each; 0 if all did as claimed."""
    names = [card.name for card in CARDS]
    async with running(port) as tour, aiohttp.ClientSession() as session:
        print(f"The page at {tour.page}, the API at {tour.api}.")
        client = Client(tour, session)
        results = await asyncio.gather(*(checked(name, client) for name in names))
    for name, (well, text) in zip(names, results, strict=True):
        print(f"{'ok     ' if well else 'DIFFERS'}  {name:<8} {text}")
    differing = [name for name, (well, _) in zip(names, results, strict=True) if not well]
    if differing:
        print(f"{len(differing)} of {len(names)} cards differ: {', '.join(differing)}.")
        return 1
    print(f"All {len(names)} cards do what they claim.")
    return 0
