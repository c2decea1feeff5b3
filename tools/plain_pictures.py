"""Diagrams as pictures that a notebook can hold.

    python tools/plain_pictures.py      paint the diagrams that changed (needs Chromium or Chrome)

Colab shows no attachments, JupyterLab no SVG attachments, VS Code no SVG addresses, and a link to
a file beside the notebook leads nowhere on Colab. A PNG within the text is shown by all of them.
Each diagram `NAME.svg` in book/images has its PNG beside it, in which the SVG's checksum is
written: so a stale one is noticed without a browser.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import sys
from pathlib import Path

from PIL import Image, PngImagePlugin
from plain_text import PlainError

IMAGES = Path(__file__).resolve().parents[1] / "book" / "images"

WIDTH = 720
"""Pixels across: sharp enough at the width of a notebook's text, which a wider one would exceed."""

NARROW = 480
"""The same for a diagram that is higher than wide."""

COLOURS = 128  # a drawing has few
CHECKSUM = "source-sha256"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def address(svg: Path) -> str:
    """The picture of a diagram as a `data:` address. Raises `PlainError` if it is stale."""
    if not svg.is_file():
        raise PlainError(f"there is no picture {svg.name} in {svg.parent.name}")
    png = svg.with_suffix(".png")
    if is_stale(svg):
        raise PlainError(f"{png.name} is not what {svg.name} shows; run tools/plain_pictures.py")
    return f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode()}"


def is_stale(svg: Path) -> bool:
    """Whether a diagram has no picture yet, or changed since that was painted."""
    png = svg.with_suffix(".png")
    if not png.is_file():
        return True
    with Image.open(png) as picture:
        return picture.info.get(CHECKSUM) != checksum(svg)


def checksum(svg: Path) -> str:
    """The SHA-256 of a diagram, in hexadecimal."""
    return hashlib.sha256(svg.read_bytes()).hexdigest()


def paint(svgs: list[Path]) -> None:
    """Write the pictures of these diagrams with a browser, which knows all of SVG."""
    from playwright.sync_api import sync_playwright

    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        sys.exit("No Chromium or Chrome found. Install one, or name it in the variable CHROMIUM.")
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=flags)
        for svg in svgs:
            save(screenshot(browser, svg), svg)


def screenshot(browser, svg: Path) -> Image.Image:
    """A diagram as the browser shows it."""
    tab = browser.new_page(viewport={"width": WIDTH, "height": WIDTH})
    width = WIDTH if is_wide(svg) else NARROW
    code = base64.b64encode(svg.read_bytes()).decode()
    tab.set_content(
        f'<body style="margin: 0; background: transparent"><img style="display: block" '
        f'width="{width}" src="data:image/svg+xml;base64,{code}">'
    )
    shot = tab.locator("img").screenshot(omit_background=True)
    return Image.open(io.BytesIO(shot))


def is_wide(svg: Path) -> bool:
    """Whether a diagram is wider than high, by its view box."""
    box = svg.read_text(encoding="utf-8").partition('viewBox="')[2].partition('"')[0]
    _, _, width, height = map(float, box.split())
    return width > height


def save(picture: Image.Image, svg: Path) -> None:
    """Write a picture beside its diagram, with few colours and the diagram's checksum."""
    notes = PngImagePlugin.PngInfo()
    notes.add_text(CHECKSUM, checksum(svg))
    few = picture.convert("RGBA").quantize(COLOURS, method=Image.Quantize.FASTOCTREE)
    few.save(svg.with_suffix(".png"), pnginfo=notes, optimize=True)


def main() -> int:
    """Paint what is stale; the return value is the exit status."""
    stale = [svg for svg in sorted(IMAGES.glob("*.svg")) if is_stale(svg)]
    if stale:
        paint(stale)
    for svg in stale:
        print(f"painted {svg.with_suffix('.png').name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
