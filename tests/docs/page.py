"""Does what a page says, in order: runs its code, serves its application, gives its commands.

The conventions by which a page is read:

- ``python``: executed in one namespace a page, where `await` is allowed. A block whose first
  line is a comment with a file name (``# service.py``) is that file: it is written to the page's
  own directory and imported, and its names are the page's from then on; ``test_*.py`` and
  ``conftest.py`` are written only.
- ``pycon``: a doctest in the same namespace.
- ``console``: what follows ``$ `` is given to bash in the page's directory, where the
  repository's ``docs`` and ``examples`` are too; what is shown below it must be what it prints,
  ``...`` standing for anything. A command must succeed, unless ``$ echo $?`` follows. ``$ python
  service.py`` serves what the file gives to `web.run_app`, until a block below defines another
  `app` or `make_app`; ``localhost:8080`` is a server of that, or of the page's `app` or
  `make_app()`.
- ``js``: run by Chromium in a page at another port, ``http://localhost:…``; `await` is allowed.
- ``text`` with the caption ``the log``: must have been logged since the page began; with the
  caption ``the browser's console``: must be what the last ``js`` block wrote there.
- ``json``, ``yaml``, ``toml``, ``nginx``: must be well-formed; ``toml`` can be a file, too. nginx
  finds a ``certificate.pem`` and its ``key.pem``.
"""

import ast
import asyncio
import contextlib
import doctest
import importlib
import inspect
import io
import json
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import tomllib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import yaml  # type: ignore[import-untyped]

from routeguard.cli.main import main
from tests.docs.blocks import ROOT, Block
from tests.docs.browser import console_of
from tests.docs.notrun import NOT_RUN
from tests.docs.served import Served
from tests.docs.surroundings import logging_into, modules_of
from tests.docs.transcript import Command, PageError, commands, difference
from tests.support.certificate import make_certificate

__all__ = ["Page"]

PATIENCE = 60.0  # seconds; bounds a command that hangs
TERMINAL = {"COLUMNS": "100", "NO_COLOR": "1"}
NGINX_AROUND = {"http": "{}", "server": "http {{ {} }}", "location": "http {{ server {{ {} }} }}"}


class Page:
    """One page, being followed from top to bottom."""

    def __init__(self, name: str, folder: Path, program: Callable[[str], str]) -> None:
        self.name = name
        self.folder = folder
        self.namespace: dict[str, Any] = {"__name__": "page"}
        self.left_out: set[tuple[str, str]] = set()
        self.said: Callable[[Command, str], None] = _check_output
        self._program = program
        self._console: list[str] = []
        self._runner = asyncio.Runner()
        self._log: list[str] = []
        self._served = Served(self.namespace)
        self._status = 0

    def follow(self, blocks: list[Block]) -> None:
        """Does what each block says.

        Raises:
            PageError: something is not as the page says, and on which line.
        """
        for name in ("docs", "examples"):
            (self.folder / name).symlink_to(ROOT / name)
        with (
            contextlib.chdir(self.folder),  # as somebody who saves the page's files and starts them
            logging_into(self._log),
            modules_of(self.folder),
            self._runner,
        ):
            try:
                for block in blocks:
                    try:
                        self._follow(block)
                    except (Exception, SystemExit) as error:
                        place = f"{self.name}, line {block.line}"
                        raise PageError(f"{place}: {error}") from error
            finally:
                self._runner.run(self._served.stop())

    def _follow(self, block: Block) -> None:
        match block.language:
            case "python":
                self._python(block)
            case "pycon":
                self._doctest(block)
            case "console":
                for command in commands(block.source):
                    self._command(command)
                self._expect_success()
            case "text":
                if block.caption == "the log":
                    self._compare("...\n{}...", block.source, ["begin", *self._log, "end"])
                elif block.caption == "the browser's console":
                    self._compare("{}", block.source, self._console)
            case "js":
                self._console = self._runner.run(self._in_browser(block.source))
            case "json":
                json.loads(block.source)
            case "toml":
                tomllib.loads(block.source)
                if block.file_name is not None:
                    (self.folder / block.file_name).write_text(block.source, encoding="utf-8")
            case "yaml":
                list(yaml.safe_load_all(block.source))
            case "nginx":
                self._nginx_accepts(block.source)
            case other:
                raise PageError(f"nothing can run the language {other!r}: use another, or text")

    # --- Python -----------------------------------------------------------------------------------

    def _python(self, block: Block) -> None:
        before = self._served.names()
        if (name := block.file_name) is not None:
            self._file(name, block.source)
        else:
            self._execute(block)
        if before != self._served.names():
            self._served.forget_started()

    def _execute(self, block: Block) -> None:
        # Padded, so that a traceback names the page's own line.
        source = "\n" * block.line + block.source
        code = compile(
            source, self.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
        result = types.FunctionType(code, self.namespace)()
        if inspect.iscoroutine(result):
            self._runner.run(result)

    def _file(self, name: str, source: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        if path.name.startswith(("test_", "conftest")):
            compile(source, name, "exec")
            return
        module = name.removesuffix(".py").replace("/", ".")
        known = getattr(sys.modules.pop(module, None), "__file__", None)
        if known is not None and known != str(path):
            raise PageError(f"{name} hides {known}: choose another name")
        importlib.invalidate_caches()
        found = (
            vars(importlib.import_module(module))
            if "." not in path.stem
            else runpy.run_path(str(path))  # such as gunicorn.conf.py
        )
        self.namespace.update({key: found[key] for key in found if not key.startswith("__")})

    def _doctest(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(
            block.source, self.namespace, self.name, self.name, block.line
        )
        test.globs = self.namespace
        said: list[str] = []
        options = doctest.ELLIPSIS | doctest.REPORT_NDIFF
        runner = doctest.DocTestRunner(optionflags=options, verbose=False)
        runner.run(test, out=said.append, clear_globs=False)
        if runner.failures:
            raise PageError("".join(said))

    # --- the console ------------------------------------------------------------------------------

    def _command(self, command: Command) -> None:
        key = (self.name, command.line)
        if key in NOT_RUN:
            self.left_out.add(key)
        elif (program := self._program_of(command)) and "run_app(" in program.read_text():
            self._served.start(program)
        elif command.line == "echo $?":
            self.said(command, str(self._status))
            self._status = 0
        else:
            self._expect_success()
            ours = command.line.startswith("python -m routeguard ")
            plain = ours and not re.search("[|>]", command.line)
            printed = self._routeguard(command) if plain else self._bash(command)
            self.said(command, printed)

    def _program_of(self, command: Command) -> Path | None:
        named = re.fullmatch(r"python (\S+\.py)", command.line)
        return self.folder / named[1] if named is not None else None

    def _expect_success(self) -> None:
        if self._status:
            raise PageError(f"a command ended with status {self._status}, which is not shown")

    def _routeguard(self, command: Command) -> str:
        """Our own command, in this process, which spares the imports."""
        printed = io.StringIO()
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            mock.patch.dict(os.environ, TERMINAL),
            mock.patch.object(sys, "path", list(sys.path)),
        ):
            self._status = main(shlex.split(command.line)[3:])
        return printed.getvalue()

    def _bash(self, command: Command) -> str:
        return self._runner.run(self._in_bash(command.line))

    async def _in_bash(self, line: str) -> str:
        line = await self._served.addressed(line)
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", line),
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
                **TERMINAL,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if "curl" not in line else subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise PageError(f"$ {line}\nnot done after {PATIENCE:g} s") from None
        assert process.returncode is not None
        self._status = process.returncode
        printed = out.decode()
        if self._status and not printed and err:
            printed = err.decode().splitlines()[-1]
        return self._served.unaddressed(printed)

    # --- everything else --------------------------------------------------------------------------

    def _compare(self, template: str, shown: str, lines: list[str]) -> None:
        if (found := difference(template.format(shown), "\n".join(lines))) is not None:
            raise PageError(f"this was not written:\n{found}")

    async def _in_browser(self, source: str) -> list[str]:
        script = await self._served.addressed(source)
        return await console_of(self._program("chromium"), script)

    def _nginx_accepts(self, source: str) -> None:
        kind = source.split(None, 1)[0]
        whole = self.folder / "nginx.conf"
        around = NGINX_AROUND.get(kind, NGINX_AROUND["location"])
        whole.write_text(f"pid {self.folder}/pid; events {{}}\n{around.format(source)}\n")
        if "ssl_certificate" in source and not (self.folder / "certificate.pem").exists():
            make_certificate(self.folder)
        command = [self._program("nginx"), "-t", "-q", "-p", str(self.folder), "-c", str(whole)]
        command += ["-g", "error_log stderr;"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise PageError(f"nginx: {done.stderr}")


def _check_output(command: Command, got: str) -> None:
    if command.output and (found := difference(command.output, got)) is not None:
        raise PageError(f"$ {command.line}\n{found}")
