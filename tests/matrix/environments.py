"""Environments beside `.venv`, each with a stamp; while it is current, nothing is installed."""

import asyncio
import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.matrix.project import EXTRAS, ROOT

__all__ = ["MAIN", "Environment"]

WHOLE = f".[{','.join(EXTRAS)}]"
GROUPS = ("test", "peers", "tools")
SOURCES = ("pyproject.toml", "tests/matrix/environments.py")


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment.

    Attributes:
        folder: its folder in the checkout.
        base: the Python that it is made with.
        pins: constraints beside those of `pyproject.toml`, one requirement each.
    """

    folder: str
    base: Path
    pins: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        return ROOT / self.folder / "bin/python"

    async def prepare(self) -> None:
        """Makes it what it is to be.

        Raises:
            RuntimeError: that failed; with all that was said.
        """
        stamp = ROOT / self.folder / ".stamp"
        if self is MAIN or (stamp.exists() and stamp.read_text() == self._stamp()):
            return
        await _run(str(self.base), "-m", "venv", "--clear", "--without-pip", self.folder)
        pins = ROOT / self.folder / "pins.txt"
        pins.write_text("".join(f"{pin}\n" for pin in self.pins))
        groups = [part for group in GROUPS for part in ("--group", group)]
        what = ["--constraint", str(pins), "--editable", WHOLE, *groups, "pip"]
        try:
            uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--system-certs"]
            await _run(*uv, "--python", str(self.python), *what)
        except RuntimeError:
            # It takes a tenth of the time, but knows nothing of how pip is set up on a machine.
            pip = [sys.executable, "-m", "pip", "--python", str(self.python)]
            await _run(*pip, "install", "--quiet", *what)
        stamp.write_text(self._stamp())

    def _stamp(self) -> str:
        """A digest of all that decides whether what is installed is still right."""
        told = subprocess.run([self.base, "-VV"], capture_output=True, text=True, check=True)
        digest = hashlib.sha256(repr((str(ROOT), self, told.stdout)).encode())
        for name in SOURCES:
            digest.update((ROOT / name).read_bytes())
        return digest.hexdigest()


MAIN = Environment(".venv", Path(sys.executable))
"""What `tests/run` has made, and this runs in."""


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"$ {' '.join(command)}\n{said.decode(errors='replace')}")
