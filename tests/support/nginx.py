"""A real nginx in front of an application, with a configuration of the test's own."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template

__all__ = ["free_port", "nginx_serving"]

PATIENCE = 20.0  # seconds; a bound for a proxy that does not start or end, not a speed

# One process in the foreground, which keeps everything in a directory of the test's.
AROUND = Template(
    """
daemon off;
master_process off;
worker_processes 1;
pid $directory/nginx.pid;
error_log stderr info;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $directory/body;
    proxy_temp_path $directory/proxy;
    fastcgi_temp_path $directory/fastcgi;
    uwsgi_temp_path $directory/uwsgi;
    scgi_temp_path $directory/scgi;
    $http
}
"""
)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@asynccontextmanager
async def nginx_serving(
    program: str, directory: Path, http: str, *ports: int
) -> AsyncIterator[None]:
    """An nginx that listens; ended, whatever the test did.

    Args:
        program: where nginx is.
        directory: for its files.
        http: what stands in the `http` block.
        ports: on which it listens, to be waited for.
    """
    configuration = directory / "nginx.conf"
    configuration.write_text(AROUND.substitute(directory=directory, http=http))
    process = await asyncio.create_subprocess_exec(
        program,
        *("-p", str(directory), "-c", str(configuration), "-e", "stderr"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    said: list[str] = []
    listening = asyncio.create_task(_listen(process, said))
    try:
        async with asyncio.timeout(PATIENCE):
            for port in ports:
                while not await _accepts(port):
                    if process.returncode is not None:
                        await listening
                        raise AssertionError(f"nginx did not start:\n{''.join(said)}")
                    await asyncio.sleep(0.01)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.wait()
            await listening


async def _listen(process: asyncio.subprocess.Process, said: list[str]) -> None:
    """Keeps what nginx says, so that its pipe is never full."""
    assert process.stderr is not None
    said.extend([line.decode(errors="replace") async for line in process.stderr])


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
