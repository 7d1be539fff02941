"""One contender as a server on a real socket; prints its port and runs until it is told to stop."""

import argparse
import asyncio
import logging
import os
import signal
from contextlib import nullcontext

from aiohttp import web

from .contenders import CONTENDERS, Contender
from .guarded import fast_lane_closed


async def serve(contender: Contender, port: int) -> None:
    """Serve a contender on a port of the loopback, which others may share, until SIGTERM."""
    runner = web.AppRunner(contender.build(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(runner.addresses[0][1], flush=True)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """Read the contender's name from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.serve")
    parser.add_argument("contender", choices=[contender.name for contender in CONTENDERS])
    parser.add_argument("--port", type=int, default=0, help="instead of any free one")
    parser.add_argument("--cpu", type=int, help="stay on this processor")
    options = parser.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    logging.disable(logging.CRITICAL)
    contender = next(known for known in CONTENDERS if known.name == options.contender)
    with fast_lane_closed() if contender.takes_chain else nullcontext():
        asyncio.run(serve(contender, options.port))


if __name__ == "__main__":
    main()
