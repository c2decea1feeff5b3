"""Write an nbgrader course from the sources of the exercises and of the concept inventory.

    python tools/nbgrader_course.py ~/course                        everything
    python tools/nbgrader_course.py ~/course ex03 inventory_before  some of it

The tool writes `source/ex03/ex03_content_loss.ipynb` and so on, and `nbgrader_config.py` unless it
exists. nbgrader itself (`pip install --editable ".[teach]"`) then generates the students' version
and grades the submissions; exercises/README.md explains how.

The notebooks are the solved ones, with nbgrader's markers and metadata. Code to be written is a
solution cell. A check is locked, and has points and a hidden test that calls it several times with
fresh inputs. A written answer is graded by hand, with any number of points. The inventory's two
forms are assignments of their own. A hidden test of each question knows the right letter, and
`nst-teach class` reads the submitted notebooks.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import handouts
import inventory
import nbformat
import notebooks
from inventory_formats import FORMS, LETTERS, Question
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from plain import Book

SOURCES = notebooks.ROOT / "exercises" / "src"

SCHEMA = 3
"""Version of nbgrader's cell metadata."""

HIDDEN_TEST = """\
### BEGIN HIDDEN TESTS
import nst_teach_checks as checks

checks.require(checks.{check}, {answer})
### END HIDDEN TESTS"""

INVENTORY = {"inventory_before": "A", "inventory_after": "B"}
"""The assignments of the concept inventory, and their forms."""

HEAD = """\
# Concept inventory, form {form}: {when}

Each question has exactly one right option. Write its letter in quotation marks in place of the
first dots below the question, as in `{example} = "b"`. If you do not know, choose the option that
seems the most plausible. Run the cells below a question if you like: they only tell whether you
have written a letter. Work without books, and without a search. It takes about 40 minutes."""

LETTER_TEST = """\
assert {name} in (..., "a", "b", "c", "d"), 'Write {name} = "a", "b", "c" or "d".'
### BEGIN HIDDEN TESTS
assert {name} == "{letter}", "another option is right"
### END HIDDEN TESTS"""

CONFIG = f'''\
"""Settings of nbgrader for this course. Yours to change: it is not written again."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "painting-with-gradients"

# What stands in place of a solution. The checks know these dots: "not attempted yet".
c.ClearSolutions.code_stub = {{"python": {handouts.STUB!r}}}
c.ClearSolutions.text_stub = {handouts.EMPTY_ANSWER!r}

# Seconds for a cell. A check stops an endless loop of a student's by itself, and much earlier.
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


@functools.cache
def concepts() -> dict[str, list[Question]]:
    """The questions of the concept inventory, by their form."""
    return inventory.read().forms


def inventory_notebook(form: str) -> NotebookNode:
    """A form of the concept inventory in the form of nbgrader's source version, 1 point each."""
    questions = concepts()[form]
    head = HEAD.format(form=form, when=FORMS[form], example=questions[0].name)
    cells = [new_markdown_cell(head), *(c for q in questions for c in question_cells(q))]
    notebook = new_notebook(
        cells=[notebooks.clean_cell(c, f"inventory-{form}-{n:02d}") for n, c in enumerate(cells)],
        metadata=notebooks.NOTEBOOK_METADATA,
    )
    nbformat.validate(notebook)
    return nbformat.from_dict(notebook)


def question_cells(question: Question) -> Iterator[NotebookNode]:
    """A question, the cell for its answer, and its test."""
    name, right = question.name, [option.right for option in question.options].index(True)
    options = [f"- {x}) {o.text}" for x, o in zip(LETTERS, question.options, strict=True)]
    yield new_markdown_cell(f"**{name}.** {question.stem}\n\n" + "\n".join(options))
    answer = f'{name} = "{LETTERS[right]}"'
    source = f"{name} = ...\n### BEGIN SOLUTION\n{answer}\n### END SOLUTION"
    yield _marked(new_code_cell(), source, f"inventory-{name}-answer", solution=True)
    test = LETTER_TEST.format(name=name, letter=LETTERS[right])
    yield _marked(new_code_cell(), test, f"inventory-{name}", grade=True, locked=True, points=1)


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


def write(folder: Path, assignments: list[str]) -> list[Path]:
    """Write the course and return what was written; all of it if no assignment is named."""
    written = []
    for name, source in chosen(assignments).items():
        path = folder / "source" / name / f"{source.stem if source else name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        notebook = course_notebook(source) if source else inventory_notebook(INVENTORY[name])
        nbformat.write(notebook, path)
        written.append(path)
    config = folder / "nbgrader_config.py"
    if not config.exists():
        config.write_text(CONFIG, encoding="utf-8")
        written.append(config)
    return written


def chosen(assignments: list[str]) -> dict[str, Path | None]:
    """These assignments, or all, and the sources of those that are exercises.

    Raises `SystemExit` for an unknown one.
    """
    known: dict[str, Path | None] = {p.stem[:4]: p for p in sorted(SOURCES.glob("ex*.md"))}
    known |= dict.fromkeys(INVENTORY)
    if unknown := [name for name in assignments if name not in known]:
        sys.exit(f"no exercise {', '.join(unknown)}; there are: {', '.join(known)}.")
    return {name: known[name] for name in assignments or known}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the return value is the exit status."""
    parser = argparse.ArgumentParser(description="Write an nbgrader course from the exercises.")
    parser.add_argument("folder", type=Path, help="where the course is, or shall be")
    parser.add_argument("assignment", nargs="*", help="such as ex03 or inventory_before; or all")
    options = parser.parse_args(arguments)
    for path in write(options.folder, options.assignment):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
