"""The numbers of chapters and figures, counted from `_toc.yml` and the sources.

The book counts for itself (Sphinx does); tests/test_book.py compares. Chapters of numbered parts
are counted through. Figures with a name are counted in each chapter ("8.3"), or in each page that
is no chapter ("3"), in the order in which they stand there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import plain_text
from nbformat import NotebookNode

Cells = list[NotebookNode]


@dataclass(frozen=True)
class Figure:
    """A figure with a name: the page that it is on, such as `book/chapters/intro`, its number."""

    page: str
    number: str


def chapters(toc: Mapping) -> dict[str, int]:
    """The pages of a table of contents that are numbered chapters, each with its number."""
    parts = [part for part in toc.get("parts", ()) if part.get("numbered")]
    files = [chapter["file"] for part in parts for chapter in part["chapters"]]
    return {name: number for number, name in enumerate(files, start=1)}


def figures(pages: Mapping[str, Cells], numbers: Mapping[str, int]) -> dict[str, Figure]:
    """All figures of these pages by their names. Raises `PlainError` for a name given twice."""
    found: dict[str, Figure] = {}
    for page, cells in pages.items():
        chapter = f"{numbers[page]}." if page in numbers else ""
        for count, name in enumerate(names(cells), start=1):
            if name in found:
                raise plain_text.PlainError(f"two figures have the name '{name}'")
            found[name] = Figure(page, f"{chapter}{count}")
    return found


def names(cells: Cells) -> Iterator[str]:
    """The names of a page's figures, in order."""
    for cell in cells:
        if cell.cell_type == "markdown":
            drawn = (d for d in plain_text.all_directives(cell.source) if d.name == "figure")
            yield from (figure.options["name"] for figure in drawn if "name" in figure.options)
        elif name := figure_of(cell).get("name"):
            yield name


def figure_of(cell: NotebookNode) -> dict[str, str]:
    """The name and the caption of the figure that a cell draws, where its header gives some."""
    return cell.metadata.get("mystnb", {}).get("figure", {})
