"""Processes that are forked from one that has imported the library, for a brief run.

Hundreds are started, and to import is most of what many of them do. `command` gives what starts
one: a whole run has Python itself do so, as users have it.
"""

import ast
import atexit
import functools
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from tests.support.extent import is_brief

__all__ = ["command"]

ROOT = Path(__file__).resolve().parents[2]
CLIENT = str(Path(__file__).with_name("forkclient.py"))
LARGEST = 1_000_000  # bytes of a request: arguments and environment

# The library under test is the installed one, or the first on PYTHONPATH; the tests are these.
BOOTSTRAP = """
import runpy, sys
import routeguard
root, module, *sys.argv[1:] = sys.argv[1:]
sys.path.insert(0, root)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
START = """
import sys
import routeguard
sys.path.insert(0, sys.argv[1])
from tests.support import forkserver
forkserver.serve(sys.argv[2])
"""
IMPORTED = (
    "aiohttp.web",
    "aiohttp.worker",
    "gunicorn.app.wsgiapp",
    "routeguard.cli.main",
    "rich.console",
    "sqlite3",
    "uvloop",
)


def command(module: str, *arguments: str, path: str | None = None) -> list[str]:
    """The command that runs a module, or a script.

    Args:
        module: the module, as `python -m` takes it; or the path of a file or folder.
        arguments: its arguments.
        path: what comes first on its path; nothing does with `None`.
    """
    if is_brief() and hasattr(os, "pidfd_open"):
        client = [sys.executable, "-I", "-S", CLIENT, _address(), path or "", module]
        return [*client, *arguments]
    if "/" in module:
        return [sys.executable, module, *arguments]
    if path is None:
        return [sys.executable, "-P", "-m", module, *arguments]
    return [sys.executable, "-P", "-c", BOOTSTRAP, path, module, *arguments]


@functools.cache
def _address() -> str:
    """The socket of the server, which serves until this process ends."""
    folder = tempfile.TemporaryDirectory()
    address = f"{folder.name}/socket"
    start = [sys.executable, "-P", "-c", START, str(ROOT), address]
    server = subprocess.Popen(start, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def end() -> None:
        with server:
            pass  # it ends with its standard input
        folder.cleanup()

    atexit.register(end)
    assert server.stdout is not None
    assert server.stdout.readline() == b"listening\n"
    return address


def serve(address: str) -> None:
    """Forks for each client; returns in the child, when that has run."""
    for name in IMPORTED:
        import_module(name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(100)
    watched = selectors.DefaultSelector()
    watched.register(0, selectors.EVENT_READ)
    watched.register(listener, selectors.EVENT_READ)
    children: dict[int, tuple[int, socket.socket]] = {}  # by the descriptor that tells of its end
    print("listening", flush=True)
    while True:
        for key, _ in watched.select():
            if key.fileobj == 0:
                for child, _ in children.values():
                    os.kill(child, signal.SIGKILL)
                os._exit(0)
            if key.fileobj is not listener:
                _ended(key.fd, children, watched)
                continue
            client, _ = listener.accept()
            request, streams, _, _ = socket.recv_fds(client, LARGEST, 3)
            if not request:
                client.close()
                continue
            if child := os.fork():
                for stream in streams:
                    os.close(stream)
                client.send(b"%d" % child)
                ended = os.pidfd_open(child)
                children[ended] = child, client
                watched.register(ended, selectors.EVENT_READ)
                watched.register(client, selectors.EVENT_READ)
                continue
            watched.close()
            for one in (listener, client, *(client for _, client in children.values())):
                one.close()
            for number in children:
                os.close(number)
            _run(request, streams)
            return


def _ended(
    number: int,
    children: dict[int, tuple[int, socket.socket]],
    watched: selectors.BaseSelector,
) -> None:
    """A child has ended, or its client has, and then the child is to."""
    if number not in children:
        [child] = [pid for pid, client in children.values() if client.fileno() == number]
        os.kill(child, signal.SIGKILL)
        watched.unregister(number)
        return
    child, client = children.pop(number)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    watched.unregister(number)
    os.close(number)
    if client.fileno() in watched.get_map():
        watched.unregister(client)
        client.send(b"%d" % code)
    client.close()


def _run(request: bytes, streams: list[int]) -> None:
    """Runs a module as its client would."""
    (path, module, *arguments), folder, environment = ast.literal_eval(request.decode())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    buffering = 1 if os.isatty(1) or environment.get("PYTHONUNBUFFERED") else -1
    sys.stdout = open(1, "w", buffering, encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding, "backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = [module, *arguments]
    sys.path.remove(str(ROOT))
    if path:
        sys.path.insert(0, path)
    if "/" in module:
        runpy.run_path(module, run_name="__main__")
    else:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
