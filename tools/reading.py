"""Count what a page asks of its reader: words, lines of prose, visible lines of code, minutes.

    python tools/reading.py                     every chapter
    python tools/reading.py book/src/NAME.md    one page

The minutes are an estimate: 200 words a minute, one minute for a figure, and half a minute for each
visible line of code that the page has not shown before. Folded cells count for nothing, because a
reader may skip them.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import jupytext
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "book" / "src").glob("[0-9]*.md"))

WORDS_A_MINUTE = 200
MINUTES_A_FIGURE = 1.0
MINUTES_A_LINE = 0.5

FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
"""Tags of a cell whose code the page does not show at once."""

FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.S)
WORD = re.compile(r"[^\W\d_][\w'’-]*")
FIGURE = re.compile(r"(?::::|```)\{figure\}")
PROMISE = re.compile(r"\*\*Time\*\* (\d+) minutes to read")


@dataclass(frozen=True)
class Load:
    """What a page holds: `code` are its visible lines, `new` those shown for the first time."""

    words: int
    prose: int
    code: int
    new: int
    folded: int
    figures: int

    @property
    def minutes(self) -> float:
        reading = self.words / WORDS_A_MINUTE
        return reading + MINUTES_A_FIGURE * self.figures + MINUTES_A_LINE * self.new


def load(text: str) -> Load:
    """Count a page given as MyST text."""
    cells = jupytext.reads(text, fmt="md:myst").cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    code = [cell for cell in cells if cell.cell_type == "code"]
    visible = [line for cell in code if not is_folded(cell) for line in lines_of(cell)]
    return Load(
        words=len(WORD.findall(FORMULA.sub(" formula ", prose))),
        prose=sum(bool(line.strip()) for line in prose.splitlines()),
        code=len(visible),
        new=len(set(visible)),
        folded=sum(len(lines_of(cell)) for cell in code if is_folded(cell)),
        figures=len(FIGURE.findall(prose)) + sum(draws(cell) for cell in code),
    )


def is_folded(cell: NotebookNode) -> bool:
    """Whether the page hides the cell's code behind a button, or leaves it out."""
    return bool(FOLDED & set(cell.metadata.get("tags", [])))


def lines_of(cell: NotebookNode) -> list[str]:
    """The lines of code that hold more than a comment."""
    stripped = (line.strip() for line in cell.source.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def draws(cell: NotebookNode) -> bool:
    """Whether the cell's output is a picture with a text in its place."""
    return "image" in cell.metadata.get("mystnb", {})


def promised(text: str) -> int | None:
    """The minutes that the head of a page names."""
    match = PROMISE.search(text)
    return int(match[1]) if match else None


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each page."""
    named = sys.argv[1:] if arguments is None else arguments
    print(
        f"{'page':28} {'words':>6} {'prose':>6} {'code':>5} {'folded':>6} {'figures':>7} {'min':>4}"
    )
    for path in [Path(name) for name in named] or CHAPTERS:
        page = load(path.read_text(encoding="utf-8"))
        counts = f"{page.words:6} {page.prose:6} {page.code:5} {page.folded:6} {page.figures:7}"
        print(f"{path.stem:28} {counts} {page.minutes:4.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
