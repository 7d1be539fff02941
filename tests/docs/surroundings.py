"""What surrounds a page while it is followed: its log, and its modules."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["logging_into", "modules_of"]


@contextmanager
def logging_into(lines: list[str]) -> Iterator[None]:
    """Collects what is logged, as `logging.basicConfig(level=logging.INFO)` shows it."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler, root = Handler(), logging.getLogger()
    handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


@contextmanager
def modules_of(folder: Path) -> Iterator[None]:
    """Lets the modules of a folder be imported, and forgets them afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            path = getattr(sys.modules[name], "__file__", None) or ""
            if path.startswith(str(folder)):
                del sys.modules[name]
