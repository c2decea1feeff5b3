"""Write an nbgrader course from the sources of the exercises.

    python tools/nbgrader_course.py ~/course              every exercise
    python tools/nbgrader_course.py ~/course ex03 ex04    some of them

The tool writes `source/ex03/ex03_content_loss.ipynb` and so on, and `nbgrader_config.py` unless it
exists. nbgrader itself (`pip install --editable ".[teach]"`) then generates the students' version
and grades the submissions; exercises/README.md explains how.

The notebooks are the solved ones, with nbgrader's markers and metadata. Code to be written is a
solution cell. A check is locked, and has points and a hidden test that calls it several times with
fresh inputs. A written answer is graded by hand, with any number of points.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import handouts
import nbformat
import notebooks
from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from plain import Book

SOURCES = notebooks.ROOT / "exercises" / "src"

SCHEMA = 3
"""Version of nbgrader's cell metadata."""

HIDDEN_TEST = """\
### BEGIN HIDDEN TESTS
import nst_teach_checks as checks

checks.require(checks.{check}, {answer})
### END HIDDEN TESTS"""

CONFIG = f'''\
"""Settings of nbgrader for this course. Yours to change: it is not written again."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "painting-with-gradients"

# What stands in place of a solution. The checks know these dots: "not attempted yet".
c.ClearSolutions.code_stub = {{"python": {handouts.STUB!r}}}
c.ClearSolutions.text_stub = {handouts.EMPTY_ANSWER!r}

# Seconds for a cell. An endless loop of a student's is stopped by the check after ten.
c.ExecutePreprocessor.timeout = 300
'''


def points() -> dict[str, int]:
    """The points of each task, by its id."""
    import nst_teach_checks as checks

    known = [checks.report(name, machine=True)["exercises"][0] for name in checks.EXERCISES]
    return {task["id"]: task["points"] for entry in known for task in entry["tasks"]}


@functools.cache
def book() -> Book:
    """The data of the book that the notebooks need, such as the numbers of figures."""
    return notebooks.read_book()


def course_notebook(source: Path) -> NotebookNode:
    """The notebook of an exercise in the form of nbgrader's source version."""
    plain = notebooks.plain_cells(source, book())
    cells = list(graded(plain, points(), notebooks.repository_address()))
    notebook = new_notebook(
        cells=[notebooks.clean_cell(c, f"{source.stem}-{n:02d}") for n, c in enumerate(cells)],
        metadata=notebooks.NOTEBOOK_METADATA,
    )
    nbformat.validate(notebook)
    return nbformat.from_dict(notebook)


def graded(
    cells: list[NotebookNode], worth: dict[str, int], address: str
) -> Iterator[NotebookNode]:
    """The cells with nbgrader's metadata, a hidden test in each check, and public links."""
    handouts.check(cells)
    ids = [handouts.task_of(cell) for cell in cells if handouts.CHECK in handouts.tags(cell)]
    tasks, words = iter(ids), 0
    for cell in cells:
        kind = handouts.tags(cell)
        if handouts.TASK in kind:
            yield _marked(cell, cell.source, f"{_plain(next(tasks))}-answer", solution=True)
        elif handouts.CHECK in kind:
            task = handouts.task_of(cell)
            yield _marked(
                cell, _with_test(cell.source), _plain(task),
                grade=True, locked=True, points=worth[task],
            )  # fmt: skip
        elif handouts.ANSWER in kind:
            words += 1
            name = f"{_plain(ids[0].partition('.')[0])}-words-{words}"
            yield _marked(cell, cell.source, name, grade=True, solution=True, points=0)
        else:
            yield _unmarked(cell, address)


def _plain(task: str) -> str:
    """The id of a task in a form valid for nbgrader: letters, digits, hyphens and underscores."""
    return task.replace(".", "-")


def _with_test(source: str) -> str:
    line = handouts.without_region(source, handouts.HIDDEN).strip()
    check, _, answer = line.partition("(")
    return f"{source.rstrip()}\n{HIDDEN_TEST.format(check=check, answer=answer[:-1])}"


def _marked(
    cell: NotebookNode, source: str, name: str,
    *, grade: bool = False, solution: bool = False, locked: bool = False, points: int | None = None,
) -> NotebookNode:  # fmt: skip
    marks = {
        "schema_version": SCHEMA, "grade_id": name, "task": False,
        "grade": grade, "solution": solution, "locked": locked,
    }  # fmt: skip
    if points is not None:
        marks["points"] = points
    metadata = {**cell.metadata, "nbgrader": marks}
    return NotebookNode({**cell, "source": source, "metadata": NotebookNode(metadata)})


def _unmarked(cell: NotebookNode, address: str) -> NotebookNode:
    """A cell that is not graded. Its links to the book are replaced by public addresses."""
    if cell.cell_type != "markdown":
        return cell
    source = handouts.CHAPTERS.sub(f"]({address}/blob/main/book/", cell.source)
    return NotebookNode({**cell, "source": source})


def write(folder: Path, exercises: list[str]) -> list[Path]:
    """Write the course and return what was written; `exercises` are names such as `"ex03"`."""
    written = []
    for source in chosen(exercises):
        path = folder / "source" / source.stem[:4] / f"{source.stem}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(course_notebook(source), path)
        written.append(path)
    config = folder / "nbgrader_config.py"
    if not config.exists():
        config.write_text(CONFIG, encoding="utf-8")
        written.append(config)
    return written


def chosen(exercises: list[str]) -> list[Path]:
    """The sources of these exercises, or of all. Raises `SystemExit` for an unknown exercise."""
    known = {source.stem[:4]: source for source in sorted(SOURCES.glob("ex*.md"))}
    if unknown := [name for name in exercises if name not in known]:
        sys.exit(f"no exercise {', '.join(unknown)}; there are: {', '.join(known)}.")
    return [known[name] for name in exercises or known]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the return value is the exit status."""
    parser = argparse.ArgumentParser(description="Write an nbgrader course from the exercises.")
    parser.add_argument("folder", type=Path, help="where the course is, or shall be")
    parser.add_argument("exercise", nargs="*", help="such as ex03; all without a name")
    options = parser.parse_args(arguments)
    for path in write(options.folder, options.exercise):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
