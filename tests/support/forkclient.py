"""A process that has the fork server make another, and stands for it: streams, signals, end.

It is started hundreds of times: of the standard library it imports next to nothing.
"""

import _signal  # type: ignore[import-not-found]  # of CPython
import _socket
import os
import sys


def main(address: str, *command: str) -> None:
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, 1_000_000)
    connection.connect(address)
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    asked = repr((command, os.getcwd(), dict(os.environ))).encode()
    connection.sendmsg([asked], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    child = int(connection.recv(100))
    for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"):
        _signal.signal(getattr(_signal, name), lambda number, frame: os.kill(child, number))
    code = int(connection.recv(100))
    if code < 0:
        if -code != _signal.SIGKILL:
            _signal.signal(-code, _signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


main(*sys.argv[1:])
