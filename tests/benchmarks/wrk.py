"""One short run of wrk against one server."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    """One short run of wrk against one server."""

    requests: int
    rate: float
    server_microseconds: float
    median_ms: float
    p99_ms: float


def script(request: bytes, folder: Path) -> Path:
    """Write what makes wrk send these bytes as they are."""
    literal = "".join(f"\\x{byte:02x}" for byte in request)
    path = folder / "request.lua"
    path.write_text(f'local raw = "{literal}"\nfunction request() return raw end\n')
    return path


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _milliseconds(text: str) -> float:
    units = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    match = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    assert match is not None, text
    return float(match[1]) * units[match[2]]


def load(
    pids: Sequence[int],
    port: int,
    script: Path,
    *,
    connections: int,
    seconds: int,
    cpu: int | None,
) -> Load:
    """Load the server on a port for some seconds, and see what its processes spend.

    Raises:
        RuntimeError: connections failed.
    """
    pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
    before = sum(map(_cpu_seconds, pids))
    output = subprocess.run(
        [
            *pinned,
            *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"),
            *("-s", str(script), f"http://127.0.0.1:{port}/"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 30,
    ).stdout
    spent = sum(map(_cpu_seconds, pids)) - before
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
