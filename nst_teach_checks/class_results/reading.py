"""Read a folder of collected answers and reports. Nothing in it is run, changed or sent.

| in the folder | what it is |
| --- | --- |
| `before*.csv`, `after*.csv` | answers to the inventory, a line for each student |
| `reports/ID.json`, `reports/ID/*.json` | what the exercises' `checks.save_report` has written |
| `submitted/ID/…` | nbgrader's folder: the notebooks of the inventory, and reports beside others |

ID is whatever stands for a student; no names are needed. A CSV file has the columns `student` and
A01 … A24 or B01 … B24, and in them the letters a to d, the text of an option, or nothing.
"""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nst_teach_checks.class_results.inventory import LETTERS, Inventory, Question, load

Time = Literal["before", "after"]
TIMES: tuple[Time, Time] = ("before", "after")

STUDENT = "student"
"""The first column of a file of answers."""

REPORT_FORMAT = 1
"""Of the exercises' reports, as in `nst_teach_checks._session`."""

MOST_PROBLEMS = 20
"""That are listed; the rest is counted."""

LAYOUT = (
    "Expected before*.csv and after*.csv (answers to the inventory), reports/ (the exercises' "
    "reports) or nbgrader's submitted/"
)


class ResultsError(ValueError):
    """A folder that cannot be read; the message has a line for each problem."""


@dataclass(frozen=True)
class Sheet:
    """A student's answers to a form: the positions of the options, `None` where none was chosen."""

    student: str
    time: Time
    form: str
    answers: tuple[int | None, ...]


@dataclass(frozen=True)
class TaskReport:
    """What a student's report says of a task."""

    student: str
    task: str
    title: str
    passed: bool
    attempts: int
    mistakes: tuple[str, ...]


@dataclass(frozen=True)
class Results:
    """All that was collected. `absent` counts sheets without any answer, which are left out."""

    sheets: tuple[Sheet, ...]
    reports: tuple[TaskReport, ...]
    absent: int = 0


def read(folder: Path, inventory: Inventory | None = None) -> Results:
    """What the folder holds.

    Raises:
        ResultsError: no such folder, nothing in it, or anything in it that cannot be understood;
            all problems are named at once, each with its place.
    """
    if not folder.is_dir():
        raise ResultsError(f"'{folder}' is no folder. {LAYOUT}.")
    reader = _Reader(folder, inventory or load())
    reader.read()
    if reader.problems:
        more = len(reader.problems) - MOST_PROBLEMS
        rest = [f"… and {more} more"] if more > 0 else []
        raise ResultsError("\n".join([*reader.problems[:MOST_PROBLEMS], *rest]))
    if not reader.sheets and not reader.reports:
        raise ResultsError(f"'{folder}' holds no answers and no reports. {LAYOUT}.")
    reports = tuple(entry for entries in reader.reports.values() for entry in entries)
    return Results(tuple(reader.sheets.values()), reports, reader.absent)


class _Reader:
    """Collects sheets and reports, and whatever is wrong with them."""

    def __init__(self, folder: Path, inventory: Inventory) -> None:
        self.folder, self.inventory = folder, inventory
        self.form_of = {q.name: form for form, qs in inventory.forms.items() for q in qs}
        self.sheets: dict[tuple[str, Time], Sheet] = {}
        self.reports: dict[tuple[str, str], list[TaskReport]] = {}
        self.places: dict[tuple[str, str], str] = {}
        self.problems: list[str] = []
        self.absent = 0

    def read(self) -> None:
        for path in self.found("*.csv"):
            self.answers(path)
        for path in self.found("*.json"):
            self.fault(path, "a report must lie in the folder reports/, under the student's id")
        for path in self.found("reports/*.json"):
            self.report(path.stem, path)
        for path in self.found("reports/*/*.json"):
            self.report(path.parent.name, path)
        for path in self.found("submitted/*/*/*.json"):
            self.report(path.parts[-3], path)
        for time in TIMES:
            for path in self.found(f"submitted/*/*/inventory_{time}.ipynb"):
                self.notebook(path.parts[-3], time, path)
        self.compare_forms()

    def found(self, pattern: str) -> list[Path]:
        """The files of a pattern, without hidden ones, which some systems leave behind."""
        paths = sorted(self.folder.glob(pattern))
        return [
            p
            for p in paths
            if not any(x.startswith(".") for x in p.parts[-pattern.count("/") - 1 :])
        ]

    def fault(self, path: Path, words: str) -> None:
        self.problems.append(f"{path.relative_to(self.folder).as_posix()}: {words}.")

    # Answers typed into a table

    def answers(self, path: Path) -> None:
        """The sheets of a CSV file, whose name says when the form was taken."""
        times: list[Time] = [time for time in TIMES if path.name.lower().startswith(time)]
        if not times:
            self.fault(
                path, "the name says neither 'before' nor 'after'; begin it with one of them"
            )
            return
        text = self.text(path)
        if text is None:
            return
        try:
            lines = list(csv.reader(text.splitlines(), delimiter=_delimiter(text)))
        except csv.Error as error:  # such as a cell without an end
            self.fault(path, f"is no table: {error}")
            return
        head = _trimmed([name.strip() for name in lines[0]], 0) if lines else []
        form = self.form(path, head)
        if form is None:
            return
        for number, line in enumerate(lines[1:], start=2):
            cells = _trimmed([cell.strip() for cell in line], len(head))
            if any(cells):
                self.line(path, f"line {number}", times[0], form, head, cells)

    def text(self, path: Path) -> str | None:
        """A file as text in UTF-8, with or without a mark of its encoding at the beginning."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            text = "\0"
        except OSError as error:
            self.fault(path, f"cannot be read: {error.strerror}")
            return None
        if "\0" in text:
            self.fault(path, "is not text in UTF-8; save it again, in Excel as 'CSV UTF-8'")
            return None
        return text

    def form(self, path: Path, head: list[str]) -> str | None:
        """The form that a table's first line asks for, if the line is as it must be."""
        columns = [name.upper() for name in head if name.upper() in self.form_of]
        forms = sorted({self.form_of[name] for name in columns})
        if not head or head[0].lower() != STUDENT:
            self.fault(path, f"the first column must be '{STUDENT}', and the first line name it")
        elif unknown := [name for name in head[1:] if name.upper() not in self.form_of]:
            hint = "there are A01 to A24 and B01 to B24; delete columns with names or addresses"
            self.fault(path, f"unknown question '{unknown[0]}'; {hint}")
        elif len(forms) > 1:
            self.fault(path, "has columns of both forms; give each form a file of its own")
        elif doubled := [name for name in columns if columns.count(name) > 1]:
            self.fault(path, f"has the column {doubled[0]} twice")
        elif not forms:
            self.fault(path, "has no questions; expected the columns A01 to A24, or B01 to B24")
        elif missing := [q.name for q in self.inventory.forms[forms[0]] if q.name not in columns]:
            self.fault(path, f"lacks {', '.join(missing)}; leave cells empty, but keep all columns")
        else:
            return forms[0]
        return None

    def line(
        self, path: Path, place: str, time: Time, form: str, head: list[str], cells: list[str]
    ) -> None:
        """A student's line in a table."""
        if len(cells) != len(head):
            self.fault(path, f"{place} has {len(cells)} cells; the first line has {len(head)}")
            return
        given = dict(zip((name.upper() for name in head), cells, strict=True))
        self.sheet(path, place, cells[0], time, form, given)

    def sheet(
        self, path: Path, place: str, student: str, time: Time, form: str, given: dict[str, str]
    ) -> None:
        """A student's answers to a form, as they were written."""
        if not student:
            self.fault(path, f"{place} has no student; any id will do, such as s01")
            return
        questions = self.inventory.forms[form]
        answers = tuple(self.option(path, place, q, given.get(q.name, "")) for q in questions)
        if all(not given.get(q.name) for q in questions):
            self.absent += 1
        elif (student, time) in self.sheets:
            first = self.places[student, time]
            self.fault(
                path, f"{place}: student '{student}' has answered {time} already, in {first}"
            )
        else:
            self.sheets[student, time] = Sheet(student, time, form, answers)
            self.places[student, time] = path.relative_to(self.folder).as_posix()

    def option(self, path: Path, place: str, question: Question, answer: str) -> int | None:
        """The position of the chosen option."""
        if not answer:
            return None
        position = question.position(answer)
        if position is None:
            expected = f"one of {', '.join(LETTERS)}, the text of an option, or nothing"
            self.fault(
                path, f"{place}, {question.name}: '{answer:.40}' is no option; expected {expected}"
            )
        return position

    # Answers in a notebook of nbgrader's

    def notebook(self, student: str, time: Time, path: Path) -> None:
        """The answers that a notebook assigns, as in `A07 = "b"`. Its code is read and not run."""
        data = self.json(path)
        if data is None:
            return
        given: dict[str, str] = {}
        for source in _code(data):
            for name, value in self.assigned(path, source):
                if name in self.form_of:
                    given[name] = value
        forms = sorted({self.form_of[name] for name in given})
        if len(forms) != 1:
            found = "both forms" if forms else "no question of the inventory"
            self.fault(path, f"asks {found}; expected the notebook of one form")
            return
        self.sheet(path, "the notebook", student, time, forms[0], given)

    def assigned(self, path: Path, source: str) -> Iterator[tuple[str, str]]:
        """The names that code gives a constant, and the constants; dots stand for no answer."""
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            self.fault(path, f"a cell is not valid Python: '{(error.text or source).strip():.40}'")
            return
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = ast.unparse(node.value)
                if isinstance(node.value, ast.Constant):
                    value = "" if node.value.value is ... else str(node.value.value).strip()
                yield node.targets[0].id, value

    # Reports

    def report(self, student: str, path: Path) -> None:
        """The tasks of a report, as `nst_teach_checks.save_report` writes it."""
        data = self.json(path)
        if data is None:
            return
        if not isinstance(data, dict) or data.get("format") != REPORT_FORMAT:
            self.fault(path, "is no report; expected what checks.save_report has written")
            return
        try:
            found = {
                e["exercise"]: [_task(student, t) for t in e["tasks"]] for e in data["exercises"]
            }
        except (KeyError, TypeError, ValueError):
            self.fault(path, "is a damaged report; let the student save it again")
            return
        for exercise, tasks in found.items():
            if (student, exercise) in self.reports:
                first = self.places[student, exercise]
                self.fault(
                    path,
                    f"student '{student}' has a report of {exercise} already, in {first}; keep one",
                )
            self.reports[student, exercise] = tasks
            self.places[student, exercise] = path.relative_to(self.folder).as_posix()

    def json(self, path: Path) -> Any:
        """What a JSON file holds, or `None` if it is none."""
        text = self.text(path)
        if text is None:
            return None
        try:
            return json.loads(text)
        except ValueError:
            self.fault(path, "is damaged: it is not JSON")
            return None

    # All together

    def compare_forms(self) -> None:
        """Nobody may have taken the same form twice: an answer could be remembered."""
        for (student, time), sheet in self.sheets.items():
            other = self.sheets.get((student, "after"))
            if time == "before" and other and other.form == sheet.form:
                places = f"{self.places[student, 'before']}, {self.places[student, 'after']}"
                self.problems.append(
                    f"{places}: student '{student}' has form {sheet.form} before and after; one "
                    "of the two must be the other form. Are the files mixed up?"
                )


def _task(student: str, entry: dict[str, Any]) -> TaskReport:
    return TaskReport(
        student=student,
        task=str(entry["id"]),
        title=str(entry["title"]),
        passed=entry["status"] == "passed",
        attempts=int(entry["attempts"]),
        mistakes=tuple(str(name) for name in entry["mistakes"]),
    )


def _code(notebook: Any) -> Iterator[str]:
    """The source of each answer in a notebook; other code is not needed."""
    cells = notebook.get("cells", []) if isinstance(notebook, dict) else []
    for cell in cells:
        name = cell.get("metadata", {}).get("nbgrader", {}).get("grade_id", "")
        if cell.get("cell_type") == "code" and name.endswith("-answer"):
            yield "".join(cell["source"])


def _trimmed(cells: list[str], least: int) -> list[str]:
    """The cells without empty ones at the end, which spreadsheets may add; at least so many."""
    while len(cells) > least and not cells[-1]:
        cells = cells[:-1]
    return cells


def _delimiter(text: str) -> str:
    """What separates the cells of a table: some languages' spreadsheets write semicolons."""
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)
