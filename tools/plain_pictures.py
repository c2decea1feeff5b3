"""Pictures and diagrams in a form that a notebook can hold.

    python tools/plain_pictures.py      paint the diagrams that changed (needs Chromium or Chrome)

Colab shows no attachments, JupyterLab no SVG attachments, VS Code no SVG addresses, and links to
files next to the notebook do not work on Colab. All of them show a PNG or JPEG within the text.
Next to each diagram `NAME.svg` in book/images is its PNG, which contains the checksum of the SVG,
so that a stale PNG is detected without a browser.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
from pathlib import Path

import chromium
from PIL import Image, PngImagePlugin
from plain_text import PlainError

IMAGES = Path(__file__).resolve().parents[1] / "book" / "images"

WIDTH = 720
"""Pixels across: sharp enough at the width of a notebook's text, which a wider one would exceed."""

NARROW = 480
"""The same for a diagram that is higher than wide."""

KINDS = {".png": "image/png", ".jpg": "image/jpeg"}
"""The kinds of pictures that all front ends show within the text."""

COLOURS = 128  # a drawing has few
CHECKSUM = "source-sha256"


def address(file: Path) -> str:
    """A picture as a `data:` address; of a diagram, its PNG.

    Raises:
        PlainError: there is no such picture, or its PNG is stale, or not all front ends show it.
    """
    if not file.is_file():
        raise PlainError(f"there is no picture {file.name} in {file.parent.name}")
    shown = painted(file) if file.suffix == ".svg" else file
    if shown.suffix not in KINDS:
        raise PlainError(
            f"{file.name} is not an SVG, PNG or JPEG; other kinds are not shown by all"
        )
    return f"data:{KINDS[shown.suffix]};base64,{base64.b64encode(shown.read_bytes()).decode()}"


def painted(svg: Path) -> Path:
    """The PNG of a diagram. Raises `PlainError` if it is stale."""
    png = svg.with_suffix(".png")
    if is_stale(svg):
        raise PlainError(f"{png.name} is not what {svg.name} shows; run tools/plain_pictures.py")
    return png


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

    program = chromium.find()
    if program is None:
        sys.exit("No Chromium or Chrome found. Install one, or name it in the variable CHROMIUM.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=chromium.flags())
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
