"""Contenders as servers in processes of their own: one worker or several, alone or behind nginx."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from .contenders import Contender
from .processes import CHECKOUT
from .transport import Answer

PATIENCE = 30.0
_NGINX = Template(
    """
daemon off;
master_process off;
worker_processes 1;
pid $folder/nginx.pid;
error_log stderr error;
events { worker_connections 512; }
http {
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    upstream workers { server 127.0.0.1:$upstream; keepalive 64; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:$port;
        location / {
            proxy_pass http://workers;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $$http_host;
        }
    }
}
"""
)


@dataclass(frozen=True, slots=True)
class Server:
    """Where a contender is asked, and the processes that serve it, without the proxy."""

    port: int
    pids: tuple[int, ...]

    def ask(self, request: bytes) -> Answer:
        """Send one request and read the whole answer."""
        request = request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(request)
            received = bytearray()
            while data := connection.recv(65_536):
                received += data
        return Answer.parse(bytes(received))


@contextmanager
def workers(contender: Contender, cpus: Sequence[int | None]) -> Iterator[Server]:
    """As many processes as processors are named, which share one port."""
    with ExitStack() as stack:
        port, pids = 0, []
        for cpu in cpus:
            pid, port = stack.enter_context(_worker(contender, port, cpu))
            pids.append(pid)
        yield Server(port, tuple(pids))


@contextmanager
def _worker(contender: Contender, port: int, cpu: int | None) -> Iterator[tuple[int, int]]:
    command = [sys.executable, "-m", "tests.benchmarks.serve", contender.name]
    command += ["--port", str(port)]
    if cpu is not None:
        command += ["--cpu", str(cpu)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        try:
            assert process.stdout is not None
            yield process.pid, int(process.stdout.readline())
        finally:
            process.terminate()


@contextmanager
def behind_nginx(program: str, server: Server, folder: Path, cpu: int | None) -> Iterator[Server]:
    """The server behind an nginx that keeps its connections open."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.substitute(folder=folder, port=port, upstream=server.port))
    pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
    process = subprocess.Popen(
        [*pinned, program, "-p", str(folder), "-c", str(configuration), "-e", "stderr"],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield Server(port, server.pids)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError("nginx did not start")
