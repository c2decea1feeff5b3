"""Make the README's contact sheet: real photographs × painted styles, with the bundled network.

    python tools/contact_sheet.py [--photos NAME …] [--styles NAME …] [--size PX] [--out FILE]

The left column shows the photographs, the upper row the styles; every other picture is the result
of one `transfer` with the default β and weak smoothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image

from nst_teach import load_image, to_pil, transfer
from nst_teach.starts import cover

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ("chelsea", "astronaut", "coffee")
STYLES = ("night_swirls", "oil_harbour", "woodcut_wave", "stained_glass", "composition")
GAP = 8  # pixels between pictures
CELL = (3, 4)  # height : width of every picture
STEPS = 150
QUALITY = 90


def cell(name: str, width: int) -> torch.Tensor:
    """A picture, cut to the sheet's aspect ratio."""
    height = width * CELL[0] // CELL[1]
    return cover(load_image(name, size=2 * width), (height, width))


def table(photos: list[str], styles: list[str], width: int) -> list[list[torch.Tensor | None]]:
    """Rows of pictures; the corner is empty."""
    rows: list[list[torch.Tensor | None]] = [[None, *(cell(style, width) for style in styles)]]
    for photo in photos:
        content = cell(photo, width)
        row = [content]
        for style in styles:
            result = transfer(
                content,
                style,
                size=None,
                steps=STEPS,
                total_variation=None,
                precision="auto",
            )
            print(photo, style, result, flush=True)
            row.append(result.image)
        rows.append(row)
    return rows


def sheet(rows: list[list[torch.Tensor | None]], width: int) -> Image.Image:
    """All pictures on white."""
    height = width * CELL[0] // CELL[1]
    columns = len(rows[0])
    size = (columns * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP)
    page = Image.new("RGB", size, "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            if picture is not None:
                page.paste(to_pil(picture), (x * (width + GAP), y * (height + GAP)))
    return page


def main() -> None:
    """Make the sheet and save it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", nargs="+", default=PHOTOS)
    parser.add_argument("--styles", nargs="+", default=STYLES)
    parser.add_argument("--size", type=int, default=512, help="width of a picture (%(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "book/images/contact_sheet.jpg")
    options = parser.parse_args()
    rows = table(list(options.photos), list(options.styles), options.size)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(rows, options.size).save(options.out, quality=QUALITY)
    print(options.out)


if __name__ == "__main__":
    main()
