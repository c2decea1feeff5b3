"""From one solved source to the notebooks of an exercise: the student's and the solution.

A source marks solutions as nbgrader does, and the tags of a cell state its purpose:

- `task`: code with a region between `### BEGIN SOLUTION` and `### END SOLUTION`. The student finds
  a stub there: `...  # your code here`.
- `check`: one call of a check, such as `ex03.content_loss(content_loss)`.
- `answer`: text, the model answer to a written question. The student finds an empty place.

What is between `### BEGIN HIDDEN TESTS` and `### END HIDDEN TESTS` is for automatic grading only.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

STUB = "...  # your code here"
"""The replacement for a solution, also configured for nbgrader."""

PLACE = "# your code here"
"""The same outside a function, where an ellipsis on its own line would be shown as a result."""

EMPTY_ANSWER = "*Write your answer here. Two sentences are enough.*"

SOLUTION, HIDDEN = "SOLUTION", "HIDDEN TESTS"
TASK, CHECK, ANSWER = "task", "check", "answer"
TAGS = {TASK, CHECK, ANSWER, "hide-input", "remove-cell", "setup"}

CALL = re.compile(r"^(?P<exercise>ex\d\d)\.(?P<task>\w+)\(.+\)$")
"""The one line of a check cell."""

CHAPTERS = re.compile(r"\]\(\.\./book/")
"""A link to a chapter, as it is written for the folder exercises/."""


class MarkerError(ValueError):
    """A cell whose markers are inconsistent; the message states which cell and why."""


def student(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells as a student gets them: stubs, empty answers, no hidden tests."""
    check(cells)
    return [_with_source(cell, _student_source(cell)) for cell in cells]


def solution(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells with everything in them, for the folder exercises/solutions/."""
    check(cells)
    return [_with_source(cell, _solution_source(cell)) for cell in cells]


def task_of(cell: NotebookNode) -> str:
    """The id of the task that a check cell checks, such as `"ex03.content_loss"`."""
    line = without_region(cell.source, HIDDEN).strip()
    if not (call := CALL.match(line)):
        raise MarkerError(
            f"the check cell '{line}' is not one call such as 'ex03.content_loss(content_loss)'."
        )
    return f"{call['exercise']}.{call['task']}"


def check(cells: list[NotebookNode]) -> None:
    """Raise `MarkerError` unless every cell fits its tags, and each task has its check."""
    for cell in cells:
        _check_cell(cell)
    marked = [kind for cell in cells for kind in (TASK, CHECK) if kind in tags(cell)]
    if marked != [TASK, CHECK] * (len(marked) // 2):
        raise MarkerError(f"each task needs a check right after it; the cells are {marked}.")


def tags(cell: NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", ()))


def _check_cell(cell: NotebookNode) -> None:
    start = cell.source.strip().partition("\n")[0]
    if unknown := tags(cell) - TAGS:
        raise MarkerError(
            f"the cell '{start}' has tags {sorted(unknown)}; known are {sorted(TAGS)}"
        )
    has_solution = re.search(rf"### (BEGIN|END) {SOLUTION}", cell.source) is not None
    if has_solution != (TASK in tags(cell)):
        raise MarkerError(f"the cell '{start}': a solution region and the tag 'task' go together.")
    if ANSWER in tags(cell) and cell.cell_type != "markdown":
        raise MarkerError(f"the cell '{start}' is tagged 'answer' but is no text.")
    if CHECK in tags(cell):
        task_of(cell)
    for region in (SOLUTION, HIDDEN):
        _regions(cell.source, region)


def _regions(source: str, name: str) -> list[tuple[int, int]]:
    """First and last line of each region, markers included."""
    found, begun = [], None
    for number, line in enumerate(source.splitlines()):
        if line.strip() == f"### BEGIN {name}" and begun is None:
            begun = number
        elif line.strip() == f"### END {name}" and begun is not None:
            found.append((begun, number))
            begun = None
        elif line.strip() in (f"### BEGIN {name}", f"### END {name}"):
            raise MarkerError(f"'{line.strip()}' has no partner, in: {source.strip()[:60]!r}")
    if begun is not None:
        raise MarkerError(f"'### BEGIN {name}' has no end, in: {source.strip()[:60]!r}")
    return found


def without_region(source: str, name: str, stand_in: str = "") -> str:
    """`source` with each region of this name replaced by one line, or by nothing."""
    lines = source.splitlines()
    for first, last in reversed(_regions(source, name)):
        indent = lines[first][: -len(lines[first].lstrip())]
        line = PLACE if stand_in == STUB and not indent else indent + stand_in
        lines[first : last + 1] = [line] if stand_in else []
    return "\n".join(lines).rstrip()


def without_markers(source: str, name: str) -> str:
    """`source` with what is in the regions, but without their first and last lines."""
    edges = {number for region in _regions(source, name) for number in region}
    kept = (line for number, line in enumerate(source.splitlines()) if number not in edges)
    return "\n".join(kept)


def _student_source(cell: NotebookNode) -> str:
    if ANSWER in tags(cell):
        return EMPTY_ANSWER
    return without_region(without_region(cell.source, SOLUTION, STUB), HIDDEN)


def _solution_source(cell: NotebookNode) -> str:
    if cell.cell_type == "markdown":
        return CHAPTERS.sub("](../../book/", cell.source)
    return without_region(without_markers(cell.source, SOLUTION), HIDDEN)


def _with_source(cell: NotebookNode, source: str) -> NotebookNode:
    return NotebookNode({**cell, "source": source})
