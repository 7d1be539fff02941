"""Takes the pictures of the three commands: what they really write about the tour, as SVG.

Run it from the root of the repository; it needs the extra `cli`::

    python docs/terminal_images.py
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
COLUMNS = 100
TOUR = "examples.tour.api:make_api"
COMMANDS = {
    "routes": ("routes", TOUR),
    "explain": (
        *("explain", TOUR, "PUT", "/ledger/7", "--origin", "https://evil.example"),
        *("--header", "X-Forwarded-Proto: https"),
    ),
    "check": ("check", TOUR),
}
LARGEST = 150_000  # bytes

# The sixteen colours of a light terminal, all of them readable on its background.
DARK = "1f2328 b01824 116329 7d4e00 0550ae 8250df 006875 424a53"
BRIGHT = "6a737d a40e26 1a7f37 633c01 218bff a375f9 3192aa 24292f"


def colours(text: str) -> list[tuple[int, int, int]]:
    return [(*bytes.fromhex(colour),) for colour in text.split()]


THEME = TerminalTheme((253, 253, 252), (31, 35, 40), colours(DARK), colours(BRIGHT))


def written(arguments: tuple[str, ...]) -> str:
    """What the command writes to a terminal of a hundred columns, with its colours."""
    done = subprocess.run(
        [sys.executable, "-m", "routeguard", *arguments],
        cwd=ROOT,
        env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": str(COLUMNS)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def picture(name: str, arguments: tuple[str, ...]) -> str:
    """The command and its output as an SVG that loads nothing from elsewhere."""
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, highlight=False)
        console.print(Text(f"$ python -m routeguard {shlex.join(arguments)}", "bold"))
        console.print(Text.from_ansi(written(arguments)))
    svg = console.export_svg(title="", theme=THEME, unique_id=f"routeguard-{name}")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return svg.replace("font-family: Fira Code, monospace", "font-family: monospace")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    for name, arguments in COMMANDS.items():
        path = IMAGES / f"command-{name}.svg"
        path.write_text(picture(name, arguments), "utf-8")
        size = path.stat().st_size
        print(f"{path.relative_to(ROOT)}: {size / 1000:.0f} kB")
        if size > LARGEST:
            raise SystemExit(f"more than {LARGEST / 1000:.0f} kB: show less")


if __name__ == "__main__":
    main()
