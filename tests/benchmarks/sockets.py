"""End to end: every contender in a process of its own, behind real sockets, loaded by wrk."""

import operator
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from .contenders import BASELINE, CONTENDERS, Contender
from .measure import WrongAnswer
from .processes import CHECKOUT
from .results import Effort, Say
from .scenarios import Scenario
from .transport import Answer

CONNECTIONS = 16
DEFAULT = ("get", "preflight", "post")
_TICKS = os.sysconf("SC_CLK_TCK")


class WrkMissing(RuntimeError):
    """``wrk`` is not installed."""


@dataclass(frozen=True, slots=True)
class Load:
    """One short run of wrk against one server."""

    requests: int
    rate: float
    server_microseconds: float
    median_ms: float
    p99_ms: float


@contextmanager
def _server(contender: Contender, cpu: int | None) -> Iterator[tuple[int, int]]:
    command = [sys.executable, "-m", "tests.benchmarks.serve", contender.name]
    if cpu is not None:
        command += ["--cpu", str(cpu)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    try:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=30)


def _ask(port: int, request: bytes) -> Answer:
    request = request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        received = bytearray()
        while data := connection.recv(65_536):
            received += data
    return Answer.parse(bytes(received))


def _script(request: bytes) -> str:
    # wrk sends these bytes as they are.
    literal = "".join(f"\\x{byte:02x}" for byte in request)
    return f'local raw = "{literal}"\nfunction request() return raw end\n'


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _milliseconds(text: str) -> float:
    units = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    match = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    assert match is not None, text
    return float(match[1]) * units[match[2]]


def _load(pid: int, port: int, script: Path, seconds: float, cpu: int | None) -> Load:
    pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
    before = _cpu_seconds(pid)
    output = subprocess.run(
        [
            *pinned,
            *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency"),
            *("-s", str(script), f"http://127.0.0.1:{port}/"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 30,
    ).stdout
    spent = _cpu_seconds(pid) - before
    found = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    latencies = dict(re.findall(r"^\s+(\d+)%\s+(\S+)$", output, re.MULTILINE))
    assert found is not None and rate is not None, output
    if "Socket errors" in output:
        raise RuntimeError(output)
    requests = int(found[1])
    return Load(
        requests,
        float(rate[1]),
        spent / requests * 1e6,
        _milliseconds(latencies["50"]),
        _milliseconds(latencies["99"]),
    )


def measure(scenarios: Iterable[Scenario], effort: Effort, say: Say) -> dict[str, Any]:
    """Load every contender in short runs whose order changes; it ends after a fixed count.

    Raises:
        WrkMissing: wrk is not installed.
        WrongAnswer: a server's answer is not right.
    """
    if shutil.which("wrk") is None:
        raise WrkMissing("install wrk, or leave --sockets out")
    processors = sorted(os.sched_getaffinity(0))
    server_cpu, client_cpu = (processors[0], processors[1]) if processors[1:] else (None, None)
    results: dict[str, Any] = {}
    for scenario in scenarios:
        chosen = [contender for contender in CONTENDERS if scenario.runs(contender)]
        loads: dict[str, list[Load]] = {contender.name: [] for contender in chosen}
        with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
            script = Path(folder, "request.lua")
            script.write_text(_script(scenario.request))
            servers = {
                contender.name: stack.enter_context(_server(contender, server_cpu))
                for contender in chosen
            }
            for contender in chosen:
                answer = _ask(servers[contender.name][1], scenario.request)
                if faults := scenario.faults(contender, answer):
                    raise WrongAnswer("\n".join(faults))
            for turn in range(effort.socket_rounds):
                for contender in Random(turn).sample(chosen, len(chosen)):
                    pid, port = servers[contender.name]
                    seconds = effort.socket_seconds
                    loads[contender.name].append(_load(pid, port, script, seconds, client_cpu))
        results[scenario.name] = _table(scenario, chosen, loads, say)
    return results


def _table(
    scenario: Scenario, chosen: list[Contender], loads: dict[str, list[Load]], say: Say
) -> dict[str, Any]:
    say(f"\n{scenario.title}, over real sockets, {CONNECTIONS} connections")
    say(f"{'':32}{'requests/s':>12}{'server µs':>11}{'overhead':>10}{'p50 ms':>8}{'p99 ms':>8}")
    rows: dict[str, Any] = {}
    bare = [load.server_microseconds for load in loads[BASELINE]]
    for contender in chosen:
        runs = loads[contender.name]
        cpu = [load.server_microseconds for load in runs]
        row = {
            "rate": statistics.median(load.rate for load in runs),
            "server_microseconds": statistics.median(cpu),
            "low": min(cpu),
            "high": max(cpu),
            # Turn by turn: a machine that slows down slows down both.
            "overhead": statistics.median(map(operator.sub, cpu, bare)),
            "median_ms": statistics.median(load.median_ms for load in runs),
            "p99_ms": statistics.median(load.p99_ms for load in runs),
        }
        rows[contender.name] = row
        say(
            f"{contender.title:32}{row['rate']:12.0f}{row['server_microseconds']:11.1f}"
            f"{row['overhead']:10.1f}{row['median_ms']:8.2f}{row['p99_ms']:8.2f}"
        )
    return rows
