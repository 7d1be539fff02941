"""Shows what the commands of a page really print, to be pasted into it::

python -m tests.docs docs/how-to/frontend.md
"""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.docs.blocks import ROOT, blocks_of
from tests.docs.page import Page
from tests.docs.transcript import Command


def show(command: Command, got: str) -> None:
    print(f"$ {command.line}\n{got.replace(chr(13), '')}", flush=True)


for name in sys.argv[1:]:
    with tempfile.TemporaryDirectory() as folder:
        page = Page(name, Path(folder), lambda program: shutil.which(program) or program)
        page.said = show
        page.follow(blocks_of(ROOT / name))
