"""Commands that run side by side, each with its output kept and its time taken."""

import asyncio
import os
import signal
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.matrix.project import ROOT

__all__ = ["Counts", "Done", "Pool"]

LONGEST = 1_800.0  # seconds after which a job is taken to hang
NO_TESTS = 5  # pytest's exit status where all that it was given was deselected

# What is compiled once is kept, whatever a machine prefers: dozens of runs of pytest would each
# compile all tests anew, and each of the hundreds of processes that these start, the library.
KEPT = {"PYTHONDONTWRITEBYTECODE": ""}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    @classmethod
    def read(cls, path: Path) -> "Counts":
        """From a report in JUnit's format; none where there is no report."""
        try:
            suites = ET.parse(path).getroot().iter("testsuite")
        except (OSError, ET.ParseError):
            return cls()
        total = cls()
        for suite in suites:
            tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            total += cls(tests - failed - skipped, failed, skipped)
        return total


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job."""

    name: str
    ok: bool
    seconds: float
    said: str
    counts: Counts = Counts()

    def line(self) -> str:
        verdict = "ok" if self.ok else "FAILED"
        tests = f"{self.counts.passed:6} passed" if self.counts.passed else ""
        tests += f", {self.counts.failed} failed" if self.counts.failed else ""
        tests += f", {self.counts.skipped} skipped" if self.counts.skipped else ""
        return f"{self.name:52} {verdict:7}{self.seconds:6.0f} s {tests}".rstrip()


class Pool:
    """Runs so many commands at a time, in the order in which they come."""

    def __init__(self, size: int, work: Path) -> None:
        self._seats = asyncio.Semaphore(size)
        self._work = work
        self._reports = 0

    async def run(
        self, name: str, command: Sequence[str], variables: Mapping[str, str] | None = None
    ) -> Done:
        """Runs a command when there is a seat for it."""
        async with self._seats:
            return await self._run(name, list(command), variables or {})

    async def test(
        self, name: str, command: Sequence[str], variables: Mapping[str, str] | None = None
    ) -> Done:
        """Runs pytest, and counts."""
        self._reports += 1
        report = self._work / f"{self._reports}.xml"
        return await self.run(name, [*command, f"--junitxml={report}"], variables)

    async def _run(self, name: str, command: list[str], variables: Mapping[str, str]) -> Done:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env={**os.environ, **KEPT, **variables},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(LONGEST):
                said, _ = await process.communicate()
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if not isinstance(error, TimeoutError):
                raise
            said = f"it did not end within {LONGEST:.0f} seconds".encode()
        report = next((a for a in command if a.startswith("--junitxml=")), None)
        counts = Counts() if report is None else Counts.read(Path(report.partition("=")[2]))
        code = process.returncode
        return Done(
            name,
            code == 0 or (code == NO_TESTS and report is not None),
            time.monotonic() - began,
            said.decode(errors="replace"),
            counts,
        )
