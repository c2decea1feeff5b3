"""Generate the notebooks from their MyST sources.

    python tools/notebooks.py            write the notebooks that changed
    python tools/notebooks.py --check    write nothing; fail if one is stale, missing or orphaned

People edit text (`book/src/NAME.md`); Colab, Binder and nbval need notebooks
(`book/chapters/NAME.ipynb`). The source of an exercise gives two: `exercises/NAME.ipynb` for the
student, and `exercises/solutions/NAME.ipynb` (see tools/handouts.py). The same source always gives
the same bytes: cell ids come from the page's name and the cell's position, and a notebook carries
no outputs, counts or dates. A source whose name starts with "_" is a template and makes no
notebook.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import handouts
import jupytext
import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]

Cells = list[NotebookNode]


def as_written(cells: Cells) -> Cells:
    """The cells of a chapter: its notebook holds just what its source does."""
    return cells


PRODUCTS: tuple[tuple[str, str, Callable[[Cells], Cells]], ...] = (
    ("book/src", "book/chapters", as_written),
    ("exercises/src", "exercises", handouts.student),
    ("exercises/src", "exercises/solutions", handouts.solution),
)
"""Where sources are, where their notebooks go, and what becomes of the cells on the way."""

CELL_METADATA = {"tags", "mystnb"}
"""What a source may say about a cell: its tags, and how the book shows its output."""

CODE_WIDTH = 80
"""Characters that a line of code may have: what a page shows beside both sidebars, unscrolled."""

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

SETUP_TAGS = ["remove-cell", "setup"]
SETUP_SOURCE = """\
# Where the course's package is missing (on Colab, for instance), install it.
from importlib.util import find_spec

if find_spec("nst_teach") is None:
    %pip install --quiet "git+{address}"
"""


class SourceError(ValueError):
    """A source that cannot become a notebook; the message names the file and the remedy."""


def repository_address(root: Path = ROOT) -> str:
    """The project's public address, from the one place where it is written: `_config.yml`."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"].rstrip("/")


def read_source(source: Path) -> list[NotebookNode]:
    """The cells of a MyST source. Raises `SourceError` for what a notebook would lose."""
    notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="md:myst")
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
    source = SETUP_SOURCE.format(address=address).rstrip("\n")
    return new_code_cell(source, metadata={"tags": list(SETUP_TAGS)})


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


def notebook_text(
    source: Path, address: str, product: Callable[[Cells], Cells] = as_written
) -> str:
    """The notebook that `source` stands for, as the text of an .ipynb file."""
    try:
        cells = with_setup(product(read_source(source)), address)
    except handouts.MarkerError as error:
        raise SourceError(f"{source}: {error}") from error
    notebook = new_notebook(
        cells=[clean_cell(cell, f"{source.stem}-{n:02d}") for n, cell in enumerate(cells)],
        metadata=NOTEBOOK_METADATA,
    )
    nbformat.validate(notebook)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def expected_notebooks(root: Path = ROOT) -> dict[Path, str]:
    """Every notebook that the sources stand for: its path and its text."""
    address = repository_address(root)
    return {
        root / target / f"{source.stem}.ipynb": notebook_text(source, address, product)
        for folder, target, product in PRODUCTS
        for source in sorted((root / folder).glob("*.md"))
        if not source.name.startswith("_")
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
        path.write_text(expected[path], encoding="utf-8")
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
