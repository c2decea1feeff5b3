"""Whether two builds of the book show the same pictures and numbers, timings excepted.

    python tools/reproducible.py _build/html ../other/_build/html
    python tools/reproducible.py executed_a executed_b      folders of executed notebooks

Prints what differs, one line for each output, and exits with 1; with 0 if nothing does.

Seconds and the memory of a process cannot be the same twice. The rule for them has two parts. A
cell whose code names a measurement (`MEASURES`) is *measured*, and its outputs are only counted: a
table may hold seconds in any column. In the output of every other cell, a number is left out if a
unit of time follows it (`TIME`). Pictures are compared pixel by pixel, not byte by byte: the name
of a file or a date in it is no difference.
"""

from __future__ import annotations

import argparse
import base64
import functools
import hashlib
import io
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup
from PIL import Image, UnidentifiedImageError

MEASURES = re.compile(
    r"\b(?:\w*seconds\w*|perf_counter|monotonic|time\.time|benchmark|estimate|peak\w*|check_memory)\b"
)
"""Names, in the code of a cell, of a clock or a measure of memory, and of what reads one."""

TIME = re.compile(r"\d[\d,.]*(?=\s*(?:s|ms|µs|min|h|seconds?|minutes?|hours?)\b)|\d[\d,.]*(?=/s)")
"""A number before a unit of time, or of so much a second."""

ADDRESS = re.compile(r"0x[0-9a-f]{6,}")  # where an object lies in memory

INLINE = re.compile(r"data:image/\w+;base64,([A-Za-z0-9+/=\s]+)")

SHOWN = 60  # characters of a line that differs


@dataclass
class Cell:
    """A cell's code and what it showed."""

    code: str = ""
    texts: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)

    @property
    def measured(self) -> bool:
        """Whether a measurement decides what it shows."""
        return MEASURES.search(self.code) is not None


# Reading


def look(data: bytes) -> str:
    """What a picture looks like: its size and a digest of its pixels."""
    try:
        image = Image.open(io.BytesIO(data)).convert("RGBA")
    except UnidentifiedImageError:  # an SVG: its text is what it looks like
        return hashlib.sha256(data).hexdigest()[:12]
    digest = hashlib.sha256(image.tobytes()).hexdigest()[:12]
    return f"{image.width}×{image.height} {digest}"


def cells_of_page(page: Path) -> Iterator[Cell]:
    """The cells of a built page; the last one stands for what no cell has drawn."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    article = soup.find("article") or soup
    for block in article.select("div.cell"):
        code = block.select_one(".cell_input")
        cell = Cell(code.get_text() if code else "")
        for output in block.select(".cell_output"):
            read_html(output, page, cell)
        yield cell
        block.extract()
    rest = Cell()
    rest.pictures = [look(data) for data in pictures_in(article, page)]
    yield rest


def read_html(output, page: Path, cell: Cell) -> None:
    """Add a piece of HTML to a cell."""
    cell.pictures += [look(data) for data in pictures_in(output, page)]
    for tag in output.find_all(["script", "style"]):
        tag.extract()
    cell.texts.append(output.get_text("\n"))


def pictures_in(tag, page: Path) -> Iterator[bytes]:
    """The pictures of a piece of HTML, from its own text or from the files beside it."""
    for image in tag.find_all("img"):
        source = image.get("src", "")
        if inline := INLINE.match(source):
            yield base64.b64decode(inline[1])
        elif (file := page.parent / unquote(urlsplit(source).path)).is_file():
            yield file.read_bytes()


def cells_of_notebook(page: Path) -> Iterator[Cell]:
    """The code cells of an executed notebook."""
    for source in json.loads(page.read_text(encoding="utf-8"))["cells"]:
        if source["cell_type"] != "code":
            continue
        cell = Cell("".join(source["source"]))
        for output in source["outputs"]:
            data = output.get("data", {})
            if "text" in output:
                cell.texts.append("".join(output["text"]))
            elif "image/png" in data:
                cell.pictures.append(look(base64.b64decode("".join(data["image/png"]))))
            elif "text/html" in data:
                html = BeautifulSoup("".join(data["text/html"]), "html.parser")
                read_html(html, page, cell)
            elif "text/plain" in data:
                cell.texts.append("".join(data["text/plain"]))
        yield cell


def pages_of(build: Path) -> dict[str, Path]:
    """The pages of a build that may hold outputs, by their names."""
    notebooks = sorted(build.rglob("*.ipynb"))
    html = [p for part in ("book", "exercises") for p in sorted((build / part).rglob("*.html"))]
    return {path.relative_to(build).as_posix(): path for path in html or notebooks}


@functools.cache
def cells_of(page: Path) -> list[Cell]:
    """The cells of a page or notebook."""
    return list(cells_of_notebook(page) if page.suffix == ".ipynb" else cells_of_page(page))


# Comparing


def plain(text: str) -> list[str]:
    """The lines of an output, without timings and without spaces that only align."""
    masked = ADDRESS.sub("0x…", TIME.sub("…", text))
    return [" ".join(line.split()) for line in masked.splitlines() if line.strip()]


def differences(one: Path, other: Path) -> Iterator[str]:
    """What differs between two builds, a line for each output."""
    first, second = pages_of(one), pages_of(other)
    for name in sorted(first.keys() ^ second.keys()):
        yield f"{name}: only in {one if name in first else other}"
    for name in sorted(first.keys() & second.keys()):
        before, after = cells_of(first[name]), cells_of(second[name])
        if len(before) != len(after):
            yield f"{name}: {len(before)} cells, {len(after)} in the other build"
            continue
        for number, (a, b) in enumerate(zip(before, after, strict=True), start=1):
            for fault in differences_of_cells(a, b):
                yield f"{name}, cell {number}: {fault}"


def differences_of_cells(a: Cell, b: Cell) -> Iterator[str]:
    """What differs between two cells."""
    if a.code != b.code:
        yield "other code"
    elif len(a.pictures) != len(b.pictures):
        yield f"{len(a.pictures)} pictures, {len(b.pictures)} in the other build"
    elif not (a.measured or b.measured):
        for x, y in zip(a.pictures, b.pictures, strict=True):
            if x != y:
                yield f"another picture: {x}; {y}"
        lines = plain("\n".join(a.texts)), plain("\n".join(b.texts))
        if len(lines[0]) != len(lines[1]):
            yield f"{len(lines[0])} lines, {len(lines[1])} in the other build"
        else:
            changed = [(x, y) for x, y in zip(*lines, strict=True) if x != y]
            if changed:
                x, y = (line[:SHOWN] for line in changed[0])
                yield f"{len(changed)} of {len(lines[0])} lines, the first: '{x}'; '{y}'"


def summary(build: Path) -> str:
    """How much there is to compare, and how much of it is measured."""
    cells = [cell for page in pages_of(build).values() for cell in cells_of(page)]
    pictures = sum(len(cell.pictures) for cell in cells)
    lines = sum(len(plain("\n".join(cell.texts))) for cell in cells)
    measured = [cell for cell in cells if cell.measured and (cell.texts or cell.pictures)]
    aside = sum(len(cell.pictures) for cell in measured)
    return (
        f"{len(pages_of(build))} pages, {pictures} pictures, {lines} lines; "
        f"{len(measured)} cells with {aside} pictures are measured"
    )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("builds", nargs=2, type=Path, metavar="BUILD")
    one, other = parser.parse_args().builds
    for build in (one, other):
        if not build.is_dir() or not pages_of(build):
            parser.error(f"'{build}' holds neither pages of a built book nor executed notebooks.")
    found = list(differences(one, other))
    print("\n".join([*found, f"{len(found)} differences in {summary(one)}."]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
