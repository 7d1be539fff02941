"""Takes the pictures of the documentation: the tour, after its buttons were pressed.

Run it from the root of the repository; it needs playwright and a Chromium::

    python docs/screenshots.py

The same script with ``--all DIRECTORY`` takes every state (before and after, light and dark,
wide and narrow), to look at after a change of the page.
"""

import argparse
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "tour.png"
LARGEST = 450_000  # bytes; the README loads it


@contextmanager
def tour() -> Iterator[str]:
    """The address of the page of a running tour."""
    command = [sys.executable, "examples/tour", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[2]
        finally:
            process.terminate()
            process.communicate()


def opened(browser: Browser, address: str, *, width: int, dark: bool) -> Page:
    page = browser.new_page(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page.goto(address)
    page.locator("#wire[data-state=on]").wait_for()
    return page


def press(page: Page) -> None:
    """Press every card's first button, and wait until all have ended as they claim."""
    page.locator("#all").click()
    unfinished = page.locator(".card[data-state=idle], .card[data-state=busy]")
    expect(unfinished).to_have_count(0, timeout=60_000)
    differing = page.locator(".card[data-state=failed]").all_text_contents()
    if differing:
        raise SystemExit("\n\n".join(["not as claimed:", *differing]))


def take_picture(browser: Browser, address: str, path: Path) -> None:
    """The page down to the end of its second row of cards."""
    page = opened(browser, address, width=1280, dark=False)
    press(page)
    box = page.locator(".card").nth(2).bounding_box()
    assert box is not None
    page.set_viewport_size({"width": 1280, "height": int(box["y"] + box["height"]) + 10})
    path.write_bytes(packed(page.screenshot()))
    page.close()


def packed(png: bytes) -> bytes:
    """The same picture, its pixels compressed as well as zlib can; browsers do it in haste."""
    signature, position = png[:8], 8
    pixels = b""
    before: list[bytes] = []
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        name = png[position + 4 : position + 8]
        data = png[position + 8 : position + 8 + length]
        position += length + 12
        if name == b"IDAT":
            pixels += data
        elif name in (b"IHDR", b"PLTE", b"sRGB"):
            before.append(chunk(name, data))
    body = chunk(b"IDAT", zlib.compress(zlib.decompress(pixels), 9))
    return b"".join((signature, *before, body, chunk(b"IEND", b"")))


def chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def take_all(browser: Browser, address: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, width, dark in (
        ("light", 1280, False),
        ("dark", 1280, True),
        ("wide", 1900, False),
        ("narrow", 390, False),
    ):
        page = opened(browser, address, width=width, dark=dark)
        page.screenshot(path=folder / f"{name}-before.png", full_page=True)
        press(page)
        page.screenshot(path=folder / f"{name}-after.png", full_page=True)
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the pictures of the documentation.")
    parser.add_argument("--all", type=Path, metavar="DIRECTORY", help="every state, to look at")
    options = parser.parse_args()
    with sync_playwright() as playwright, tour() as address:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--headless"]
        )
        if options.all is not None:
            take_all(browser, address, options.all)
        else:
            PICTURE.parent.mkdir(exist_ok=True)
            take_picture(browser, address, PICTURE)
            size = PICTURE.stat().st_size
            print(f"{PICTURE.relative_to(ROOT)}: {size / 1000:.0f} kB")
            if size > LARGEST:
                raise SystemExit(f"more than {LARGEST / 1000:.0f} kB: show less of the page")
        browser.close()


if __name__ == "__main__":
    main()
