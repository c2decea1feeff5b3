"""Generate the notebooks from their MyST sources.

    python tools/notebooks.py            write the notebooks that changed
    python tools/notebooks.py --check    write nothing; fail if one is stale, missing or orphaned

People edit text (`book/src/NAME.md`); Jupyter, Colab and nbval need notebooks
(`book/chapters/NAME.ipynb`). The source of an exercise gives two: `exercises/NAME.ipynb` for the
student, and `exercises/solutions/NAME.ipynb` (see tools/handouts.py). These notebooks are in plain
Markdown (tools/plain.py). The book is built from the same sources, and reads them as they were
written (book/_extensions/from_sources.py).

The same sources always give the same bytes: cell ids come from the page's name and the cell's
position, and a notebook carries no outputs, counts or dates. A source whose name starts with "_" is
a template and makes no notebook.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import html
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import handouts
import jupytext
import nbformat
import plain
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]

Cells = list[NotebookNode]
Product = Callable[[Cells], Cells]


def as_written(cells: Cells) -> Cells:
    """The cells of a chapter: its notebook holds just what its source does."""
    return cells


PRODUCTS: tuple[tuple[str, str, Product], ...] = (
    ("book/src", "book/chapters", as_written),
    ("exercises/src", "exercises", handouts.student),
    ("exercises/src", "exercises/solutions", handouts.solution),
)
"""Where sources are, where their notebooks go, and what becomes of the cells on the way."""

FOLDERS = {folder: target for folder, target, _ in reversed(PRODUCTS)}
"""For each folder of sources, the folder of the notebooks that the book names."""

CELL_METADATA = {"tags", "mystnb"}
"""What a source may say about a cell: its tags, and how the book shows its output."""

CODE_WIDTH = 80
"""Characters that a line of code may have: what a page shows beside both sidebars, unscrolled."""

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

SUMMARY = re.compile(r"<summary>.*?</summary>", re.DOTALL)
FORMULA = re.compile(r"\$([^$]+)\$")

SETUP_TAGS = ["remove-cell", "setup"]
SETUP_SOURCE = """\
# Installs the course's package where it is missing, as on Colab.
from importlib.util import find_spec

if find_spec("nst_teach") is None:
    %pip install --quiet "git+{address}"
"""
GITHUB, COLAB = "https://github.com/", "https://colab.research.google.com/github/"
ON_COLAB = """
# On Colab, links to other notebooks lead nowhere. Here is a list of them:
# {address}
"""


class SourceError(ValueError):
    """A source that cannot become a notebook; the message names the file and the remedy."""


def repository_address(root: Path = ROOT) -> str:
    """The project's public address, from the one place where it is written: `_config.yml`."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"].rstrip("/")


@functools.lru_cache
def parsed(text: str) -> NotebookNode:
    """A MyST text as a notebook. Kept, for each source is needed several times."""
    return jupytext.reads(text, fmt="md:myst")


def read_source(source: Path) -> list[NotebookNode]:
    """The cells of a MyST source. Raises `SourceError` for what a notebook would lose."""
    notebook = copy.deepcopy(parsed(source.read_text(encoding="utf-8")))
    front_matter = set(notebook.metadata) - {"jupytext", "kernelspec"}
    if front_matter:
        raise SourceError(
            f"{source}: front matter {sorted(front_matter)} is not used; remove it and start the "
            "page with its title."
        )
    for cell in notebook.cells:
        check_cell(cell, source)
    return notebook.cells


def check_cell(cell: NotebookNode, source: Path) -> None:
    """Raise `SourceError` unless the book can show `cell` as it is meant."""
    start = cell.source.strip().partition("\n")[0]
    if cell.cell_type == "raw":
        raise SourceError(f"{source}: raw cell '{start}'; write text or a {{code-cell}} instead.")
    unknown = set(cell.metadata) - CELL_METADATA
    if unknown:
        raise SourceError(
            f"{source}: the cell '{start}' has metadata {sorted(unknown)}; a cell may have "
            f"{sorted(CELL_METADATA)}."
        )
    if cell.cell_type == "code":
        check_width(cell.source, source)


def check_width(code: str, source: Path) -> None:
    """Raise `SourceError` for a line that readers would have to scroll sideways."""
    for line in code.splitlines():
        if len(line) > CODE_WIDTH:
            raise SourceError(
                f"{source}: a line of code has {len(line)} characters, the page shows "
                f"{CODE_WIDTH}; break it: {line.strip()}"
            )


def setup_cell(address: str) -> NotebookNode:
    """The cell that makes a notebook work where the package is not installed."""
    source = SETUP_SOURCE.format(address=address)
    if address.startswith(GITHUB):
        source += ON_COLAB.format(address=address.replace(GITHUB, COLAB))
    source = source.rstrip("\n")
    return new_code_cell(source, metadata=plain.folded(list(SETUP_TAGS)))


def with_setup(cells: list[NotebookNode], address: str) -> list[NotebookNode]:
    """`cells` with the set-up cell before the first code; a page without code needs none."""
    for position, cell in enumerate(cells):
        if cell.cell_type == "code":
            return [*cells[:position], setup_cell(address), *cells[position:]]
    return cells


def clean_cell(cell: NotebookNode, identifier: str) -> NotebookNode:
    """A copy of `cell` that holds nothing but its source, its metadata and `identifier`."""
    make = new_code_cell if cell.cell_type == "code" else new_markdown_cell
    return make(cell.source, id=identifier, metadata=cell.metadata)


def pages(root: Path = ROOT) -> dict[str, Path]:
    """The sources by the names that their notebooks have in `_toc.yml`."""
    return {
        f"{target}/{source.stem}": source
        for folder, target in FOLDERS.items()
        for source in sorted((root / folder).glob("*.md"))
        if not source.name.startswith("_")
    }


def read_book(root: Path = ROOT) -> plain.Book:
    """What the plain notebooks need to know of one another."""
    with explained(root):
        cells = {name: read_source(source) for name, source in pages(root).items()}
        return plain.Book.read(root, cells)


def plain_cells(source: Path, book: plain.Book) -> Cells:
    """The cells of a source in plain Markdown, with everything of an exercise in them."""
    with explained(source):
        return plain.plain_cells(read_source(source), book, page_of(source))


def page_of(source: Path) -> str:
    """The name that the notebook of a source has in `_toc.yml`."""
    return f"{FOLDERS['/'.join(source.parts[-3:-1])]}/{source.stem}"


@contextlib.contextmanager
def explained(source: Path) -> Iterator[None]:
    """Tell of which source an error speaks."""
    try:
        yield
    except (plain.PlainError, handouts.MarkerError) as error:
        raise SourceError(f"{source}: {error}") from error


def notebook_text(source: Path, book: plain.Book, product: Product = as_written) -> str:
    """The notebook that people open, as the text of an .ipynb file."""
    with explained(source):
        cells = product(plain_cells(source, book))
    return as_notebook(cells, source.stem, book.root)


def book_text(source: Path) -> str:
    """The notebook that the book is built from: the same cells, their text as it was written."""
    product = next(make for folder, _, make in PRODUCTS if source.parent.match(folder))
    with explained(source):
        cells = product(read_source(source))
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = SUMMARY.sub(with_formulas, cell.source)
    return as_notebook(cells, source.stem)


def with_formulas(summary: re.Match[str]) -> str:
    """The heading of an answer, which is HTML, with its formulas as the book's pages have them."""
    return FORMULA.sub(
        lambda found: f'<span class="math">\\({html.escape(found[1])}\\)</span>', summary[0]
    )


def as_notebook(cells: Cells, name: str, root: Path = ROOT) -> str:
    """These cells as the text of an .ipynb file, with a set-up cell if there is code."""
    cells = with_setup(cells, repository_address(root))
    notebook = new_notebook(
        cells=[clean_cell(cell, f"{name}-{n:02d}") for n, cell in enumerate(cells)],
        metadata=NOTEBOOK_METADATA,
    )
    nbformat.validate(notebook)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def expected_notebooks(root: Path = ROOT) -> dict[Path, str]:
    """Every notebook that the sources stand for: its path and its text."""
    book = read_book(root)
    return {
        root / target / f"{source.stem}.ipynb": notebook_text(source, book, product)
        for folder, target, product in PRODUCTS
        for source in pages(root).values()
        if source.parent == root / folder
    }


def orphans(root: Path, expected: dict[Path, str]) -> list[Path]:
    """Notebooks beside the generated ones that no source stands for."""
    present = {path for _, target, _ in PRODUCTS for path in (root / target).glob("*.ipynb")}
    return sorted(present - expected.keys())


def stale(expected: dict[Path, str]) -> list[Path]:
    """Notebooks that are missing, or that differ from what their source gives."""
    return [
        path
        for path, text in expected.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def problems(root: Path = ROOT) -> list[str]:
    """What `--check` has to say: one line for each notebook that is not as it should be."""
    expected = expected_notebooks(root)
    changed = [f"{path.relative_to(root)}: not what its source gives" for path in stale(expected)]
    lone = [f"{path.relative_to(root)}: has no source" for path in orphans(root, expected)]
    return changed + lone


def write(root: Path = ROOT) -> list[Path]:
    """Write the notebooks that changed and return their paths. Orphans stay for you to judge."""
    expected = expected_notebooks(root)
    changed = stale(expected)
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(expected[path], encoding="utf-8", newline="\n")
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the return value is the exit status."""
    parser = argparse.ArgumentParser(description="Generate the notebooks from their MyST sources.")
    parser.add_argument("--check", action="store_true", help="write nothing, report what is wrong")
    options = parser.parse_args(arguments)
    try:
        if not options.check:
            for path in write():
                print(f"wrote {path.relative_to(ROOT)}")
        found = problems()
    except SourceError as error:
        found = [str(error)]
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print("Edit the sources, then run: python tools/notebooks.py", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
