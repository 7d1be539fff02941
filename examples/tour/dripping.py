"""A client that sends its upload byte by byte, which no page can be."""

import asyncio
import time

from aiohttp import web

GAP = 0.1  # seconds


def offer_dripping(api: web.Application) -> None:
    """Has pages send such a client to the application itself."""

    async def drip(request: web.Request) -> web.Response:
        assert request.transport is not None
        host, port = request.transport.get_extra_info("sockname")[:2]
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /photos HTTP/1.1\r\nHost: drip\r\nContent-Length: 1000\r\n\r\n")
        began, sent = time.monotonic(), 0
        answer = asyncio.ensure_future(reader.readline())
        while not answer.done() and sent < 1000:
            writer.write(b"x")
            sent += 1
            await asyncio.wait([answer], timeout=GAP)
        status = int((await answer).split()[1])
        writer.close()
        seconds = round(time.monotonic() - began, 2)
        return web.json_response({"status": status, "bytes": sent, "seconds": seconds})

    api.router.add_post("/dripping-clients", drip)
