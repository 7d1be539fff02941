"""The whole run: static checks and every lane side by side, then what wants the machine alone."""

import argparse
import asyncio
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.matrix import pythons
from tests.matrix.environments import Environment
from tests.matrix.jobs import Counts, Done, Pool
from tests.matrix.lanes import EVERYTHING, THIS, Lane, lanes
from tests.matrix.page import COLUMNS, Row, record
from tests.matrix.project import ROOT, SUPPORTED

IN_CI = os.environ.get("CI") == "true"
SHARES = 2  # of a lane: each kind, what mostly waits and what does not

PYTHON = sys.executable
STATIC = {
    "ruff format": [PYTHON, "-m", "ruff", "format", "--check"],
    "ruff check": [PYTHON, "-m", "ruff", "check"],
    "mypy": [PYTHON, "-m", "mypy"],
    "pyright --verifytypes": [
        *(PYTHON, "-m", "pyright", "--verifytypes", "routeguard", "--ignoreexternal")
    ],
    "documentation": [
        *(PYTHON, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"),
        *("docs", "docs/_build/html"),
    ],
}

ALONE = "pytest.mark.alone"

# aiohttp has OpenSSL read them all when it is imported, which is a sixth of what it takes to start
# each of the servers of these tests; and nothing here is asked of a server elsewhere.
NO_AUTHORITIES = {"SSL_CERT_FILE": os.devnull}

VERSIONS = """
import platform
from importlib.metadata import version
print(platform.python_version(), *map(version, ("aiohttp", "yarl", "wrapt")))
"""


class Run:
    """One run: what was done, and what is to be said of it in the end."""

    def __init__(self, pool: Pool, waiting: Pool, notes: Sequence[str]) -> None:
        self.pool = pool
        self.waiting = waiting
        self.notes = list(notes)
        self.done: list[Done] = []
        self.counts: dict[str, Counts] = {}
        self._preparing: dict[Environment, asyncio.Task[None]] = {}
        self._preparations = asyncio.Semaphore(2)

    def found_pythons(self) -> dict[str, Path]:
        """The supported Pythons, got where they can be."""
        found: dict[str, Path] = {}
        for name in SUPPORTED:
            path, problem = pythons.find(name), ""
            if path is None:
                print(f"Looking for Python {name} in Debian's packages", flush=True)
                try:
                    path = pythons.obtain(name)
                except subprocess.CalledProcessError as error:
                    problem = f"{error}\n{error.stderr or ''}"
            if path is not None:
                found[name] = path
            elif problem:
                self.notes.append(f"Python {name} could not be had from Debian: not tested with it")
                self.report(Done(f"Python {name}", not IN_CI, 0, problem))
            else:
                self.notes.append(f"no Python {name} on this machine: not tested with it")
        return found

    def report(self, done: Done) -> None:
        self.done.append(done)
        print(done.line(), flush=True)
        if not done.ok:
            print(done.said, flush=True)

    async def static(self, name: str, command: Sequence[str]) -> None:
        # Here pyright looks at the python on PATH only, whatever --pythonpath says.
        path = os.pathsep.join([str(Path(PYTHON).parent), os.environ["PATH"]])
        self.report(await self.pool.run(name, command, {"PATH": path}))

    async def _prepared(self, lane: Lane) -> bool:
        environment = lane.environment
        if environment not in self._preparing:
            self._preparing[environment] = asyncio.create_task(self._prepare(environment))
        try:
            await self._preparing[environment]
        except (RuntimeError, OSError) as error:
            self.report(Done(lane.name, ok=False, seconds=0, said=str(error)))
            return False
        return True

    async def _prepare(self, environment: Environment) -> None:
        async with self._preparations:
            await environment.prepare()

    async def lane(self, lane: Lane) -> None:
        """Runs what of a lane can be run beside others."""
        self.counts.setdefault(lane.name, Counts())
        if not await self._prepared(lane):
            return
        waiting = lane.shares(SHARES, waiting=True)
        count = 3 * SHARES if tuple(lane.paths) == EVERYTHING else SHARES
        others = lane.shares(count, waiting=False)
        shares = [(self.waiting, files) for files in waiting]
        shares += [(self.pool, files) for files in others]
        async with asyncio.TaskGroup() as running:
            for number, (pool, files) in enumerate(shares, 1):
                name = f"{lane.name} ({number}/{len(shares)})"
                running.create_task(self._test(pool, lane, name, "not alone", files))

    async def alone(self, lane: Lane) -> None:
        """Runs what of a lane wants the machine to itself."""
        files = [file for file in lane.files() if ALONE in (ROOT / file).read_text()]
        if files and self._preparing[lane.environment].exception() is None:
            await self._test(self.pool, lane, f"{lane.name} (alone)", "alone", files)

    async def _test(
        self, pool: Pool, lane: Lane, name: str, marked: str, paths: Iterable[str]
    ) -> None:
        command = [*lane.command(*paths), "--continue-on-collection-errors", "-m", marked]
        everything = tuple(lane.paths) == EVERYTHING
        variables = {**({} if everything else NO_AUTHORITIES), **lane.variables}
        done = await pool.test(name, command, variables)
        self.counts[lane.name] += done.counts
        self.report(done)

    def of(self, name: str) -> list[Done]:
        """What was done for a lane."""
        return [done for done in self.done if done.name.partition(" (")[0] == name]

    def has_passed(self, lane: Lane) -> bool:
        return all(done.ok for done in self.of(lane.name))

    def rows(self, run: Iterable[Lane]) -> list[Row]:
        """What was run, with the versions it was run with."""
        rows = []
        for lane in run:
            command = [str(lane.environment.python), "-c", VERSIONS]
            told = subprocess.run(command, capture_output=True, text=True, check=True)
            versions = dict(zip(COLUMNS, told.stdout.split(), strict=True))
            rows.append(Row(lane.name, versions, tuple(lane.paths), self.counts[lane.name]))
        return rows


async def verify(run: Run, *, recording: bool, only: str, this: bool) -> bool:
    """Runs the lanes whose names contain a text, or the first; whether all of them have passed."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    print("Static checks and the lanes, side by side ...", flush=True)
    # The first lane is the longest, and needs nothing that is not there.
    found = {THIS: Path(sys.executable)}
    first, *_ = lanes(found)
    async with asyncio.TaskGroup() as running:
        for name, command in STATIC.items() if not only else ():
            running.create_task(run.static(name, command))
        if only in first.name:
            running.create_task(run.lane(first))
        if not this:
            found = await asyncio.to_thread(run.found_pythons)
        every = [first, *lanes(found)[1:]]
        chosen = [lane for lane in every if only in lane.name and (not this or lane is first)]
        for lane in chosen:
            if lane is not first:
                running.create_task(run.lane(lane))
    if not chosen:
        print(f"No lane's name contains {only!r}: {', '.join(lane.name for lane in every)}")
        return False
    print("What wants the machine to itself ...", flush=True)
    for lane in chosen:
        await run.alone(lane)
    if recording:
        missing = [note for note in run.notes if "not tested with" in note]
        passed = [lane for lane in chosen if run.has_passed(lane)]
        record(run.rows(passed), [lane.name for lane in every], missing)
    return all(done.ok for done in run.done)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__)
    parser.add_argument("--note", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument(
        "--record", action="store_true", help="write what was tested into the documentation"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=2 * (os.cpu_count() or 1),
        help="how many run side by side; beside one and a half times as many that mostly wait",
    )
    parser.add_argument(
        "--this",
        action="store_true",
        help="only everything on this Python, and not on every other, event loop and aiohttp",
    )
    parser.add_argument("--only", default="", help="only the lanes whose names contain this")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory() as waiting:

        async def everything() -> tuple[Run, bool]:
            pool = Pool(options.jobs, Path(work))
            beside = Pool(options.jobs * 3 // 2, Path(waiting))
            run = Run(pool, beside, options.note)
            recording, only, this = options.record, options.only, options.this
            return run, await verify(run, recording=recording, only=only, this=this)

        run, ok = asyncio.run(everything())
    print("\n=== summary")
    for done in run.done:
        if done.name in STATIC:
            print(done.line())
    total = Counts()
    for name, counts in run.counts.items():
        mine = run.of(name)
        seconds = sum(done.seconds for done in mine)
        print(Done(name, all(done.ok for done in mine), seconds, "", counts).line())
        total += counts
    for note in run.notes:
        print(f"Note: {note}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{'all of it':52} {'':7}{time.monotonic() - began:6.0f} s")
    print(f"{'of the processors':52} {'':7}{used.ru_utime + used.ru_stime:6.0f} s")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
