"""The Pythons of this machine: on PATH, in pyenv, from Debian's packages, or taken from Debian.

Debian has one Python for each of its releases. Another one is taken from the release that has it,
without touching the system: its packages, down to the C library, are unpacked into a folder, and
the interpreter is told to look for its libraries there.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.matrix.project import ROOT

__all__ = ["find", "may_install", "obtain"]

FOLDER = ROOT / ".pythons"
RELEASE = "forky"  # the Debian release whose packages are unpacked
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

QUESTION = """
import sys, ssl, sqlite3, venv
print("%d.%d" % sys.version_info[:2], sys.executable)
"""

APT = """
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
"""


def find(version: str) -> Path | None:
    """Where a Python of this version is; `None` where there is none."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates = [
        *(path for place in os.get_exec_path() if (path := Path(place, name)).exists()),
        *sorted(pyenv.glob(f"{version}.*/bin/{name}"), key=_by_number, reverse=True),
        FOLDER / version / "usr/bin" / name,
    ]
    return next((found for path in candidates if (found := _is(version, path))), None)


def _by_number(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.parts[-3])]


def _is(version: str, path: Path) -> Path | None:
    """The interpreter itself, which a candidate may only lead to."""
    try:
        done = subprocess.run([path, "-c", QUESTION], capture_output=True, text=True, check=False)
    except OSError:
        return None
    told, _, where = done.stdout.strip().partition(" ")
    return Path(where) if told == version else None


# --- from Debian ----------------------------------------------------------------------------------


def may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def obtain(version: str) -> Path | None:
    """Installs or unpacks a Python; `None` where Debian has none of this version.

    Raises:
        subprocess.CalledProcessError: Debian has it, and it could not be had.
    """
    if not may_install():
        return None
    package = f"python{version}-venv"
    if _apt_knows(package):
        _apt("install", "-qq", "-y", "--no-install-recommends", package)
        return find(version)
    if not Path(KEYRING).exists():
        return None
    return _unpack(version, package)


def _apt(*arguments: str, config: Path | None = None) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if config is not None:
        environment["APT_CONFIG"] = str(config)
    command = ["apt-get", *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def _apt_knows(package: str) -> bool:
    done = subprocess.run(
        ["apt-cache", "show", package], capture_output=True, text=True, check=False
    )
    return done.returncode == 0


def _unpack(version: str, package: str) -> Path | None:
    folder = FOLDER / f"{version}.apt"
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    mirror = _mirror()
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {RELEASE} main\n")
    (folder / "status").touch()
    config = folder / "apt.conf"
    config.write_text(APT.format(folder=folder))
    _apt("update", "-qq", config=config)
    try:
        _apt("install", "--download-only", "-qq", "-y", package, config=config)
    except subprocess.CalledProcessError:
        return None
    root = FOLDER / version
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for archive in sorted((folder / "archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", archive, root], check=True)
    shutil.rmtree(folder)
    [loader] = root.glob("usr/lib/*/ld-linux*.so.*")
    python = root / "usr/bin" / f"python{version}"
    if shutil.which("patchelf") is None:
        _apt("install", "-qq", "-y", "--no-install-recommends", "patchelf")
    # An RPATH, not a RUNPATH: it holds for the libraries of extension modules, too.
    patch = ["patchelf", "--force-rpath", "--set-rpath", str(loader.parent)]
    subprocess.run([*patch, "--set-interpreter", str(loader), str(python)], check=True)
    return find(version)


def _mirror() -> str:
    """The mirror that this machine uses for Debian's packages."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian"],
        capture_output=True,
        text=True,
        check=False,
    )
    for uri in told.stdout.split():
        if uri.rstrip("/").endswith("/debian"):
            return uri
    return "http://deb.debian.org/debian"
