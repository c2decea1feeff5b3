"""The exercises as an nbgrader course: its metadata, and a class of three from start to grades."""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import handouts
import nbformat
import nbgrader_course
import notebooks
import pytest
from conftest import ROOT

import nst_teach_checks as checks
from nst_teach_checks.class_results.reading import ResultsError, read
from nst_teach_checks.class_results.summary import summarise

SOURCES = sorted((ROOT / "exercises" / "src").glob("ex*.md"))
POINTS = nbgrader_course.points()
QUESTIONS = nbgrader_course.concepts()


def marks(notebook) -> list[dict]:
    return [c.metadata.nbgrader for c in notebook.cells if "nbgrader" in c.metadata]


@pytest.fixture(scope="module")
def course_notebooks() -> dict[str, nbformat.NotebookNode]:
    return {source.stem: nbgrader_course.course_notebook(source) for source in SOURCES}


# What is written, with or without nbgrader


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_each_check_has_its_points_and_is_locked(source, course_notebooks):
    checked = {m.grade_id: m for m in marks(course_notebooks[source.stem]) if m.locked}
    tasks = {name: worth for name, worth in POINTS.items() if name.startswith(source.stem[:4])}
    assert {name: m.points for name, m in checked.items()} == {
        name.replace(".", "-"): worth for name, worth in tasks.items()
    }
    assert all(m.grade and not m.solution for m in checked.values())


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_solution_is_a_cell_that_students_may_write_in(source, course_notebooks):
    for cell in course_notebooks[source.stem].cells:
        if "BEGIN SOLUTION" in cell.source:
            assert cell.metadata.nbgrader.solution
            assert not cell.metadata.nbgrader.locked
            assert not cell.metadata.nbgrader.grade


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_written_answers_are_read_by_a_person(source, course_notebooks):
    words = [m for m in marks(course_notebooks[source.stem]) if "words" in m.grade_id]
    asked = source.read_text(encoding="utf-8").count('+++ {"tags": ["answer"]}')
    assert len(words) == asked >= 2
    assert all(m.grade and m.solution and m.points == 0 for m in words)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_ids_are_unique_and_plain(source, course_notebooks):
    ids = [m.grade_id for m in marks(course_notebooks[source.stem])]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", name) for name in ids)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_links_do_not_need_the_book_beside_the_notebook(source, course_notebooks):
    texts = [c.source for c in course_notebooks[source.stem].cells if c.cell_type == "markdown"]
    assert any("/blob/main/book/chapters/" in text for text in texts)
    assert not any("](../" in text for text in texts)


def test_hidden_test_calls_the_check_that_students_see():
    source = "ex03.f(f)\n### BEGIN HIDDEN TESTS\nassert f(2) == 4\n### END HIDDEN TESTS"
    lines = nbgrader_course._with_test(source).splitlines()
    assert lines[0] == "ex03.f(f)"
    assert "assert f(2) == 4" in lines
    assert "checks.require(checks.ex03.f, f)" in lines
    assert handouts.without_region("\n".join(lines), handouts.HIDDEN) == "ex03.f(f)"


def test_settings_of_a_teacher_are_left_alone(tmp_path):
    nbgrader_course.write(tmp_path, ["ex01"])
    config = tmp_path / "nbgrader_config.py"
    config.write_text("# mine")
    assert config not in nbgrader_course.write(tmp_path, ["ex01", "ex03"])
    assert config.read_text() == "# mine"
    assert len(list((tmp_path / "source").glob("*/*.ipynb"))) == 2


def test_unknown_exercise_is_named():
    with pytest.raises(SystemExit, match="no exercise ex99; there are: ex01"):
        nbgrader_course.main(["anywhere", "ex99"])


# The concept inventory

FORMS = nbgrader_course.INVENTORY
RIGHT = {
    name: {q.name: "abcd"[[o.right for o in q.options].index(True)] for q in QUESTIONS[form]}
    for name, form in FORMS.items()
}


@functools.cache
def as_released(name: str) -> nbformat.NotebookNode:
    """A form as students get it, made by nbgrader's own steps."""
    steps = pytest.importorskip("nbgrader.preprocessors", reason="nbgrader is not installed.")
    notebook = nbgrader_course.inventory_notebook(FORMS[name])
    for step in (
        steps.ClearSolutions(code_stub={"python": handouts.STUB}),
        steps.ClearHiddenTests(),
    ):
        notebook, _ = step.preprocess(notebook, {})
    return notebook


def released(name: str) -> nbformat.NotebookNode:
    """... and a copy of it to write in."""
    return copy.deepcopy(as_released(name))


def fill_in(notebook, answers: dict[str, str]) -> None:
    """Write letters into the cells for the answers, as a student would."""
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").split("-")[1:]
        if name[1:] == ["answer"] and name[0] in answers:
            cell.source = cell.source.replace("...", f'"{answers[name[0]]}"', 1)


def points_for(name: str, notebook) -> int:
    """What autograding gives: the student's answers before the tests of the source version."""
    tests = {
        m.grade_id: c for c, m in cells_with_marks(nbgrader_course.inventory_notebook(FORMS[name]))
    }
    given, points = {}, 0
    for cell, mark in cells_with_marks(notebook):
        if mark.solution:
            exec(cell.source, given)
        else:
            with contextlib.suppress(AssertionError):
                exec(tests[mark.grade_id].source, given)
                points += mark.points
    return points


def cells_with_marks(notebook):
    return [(c, c.metadata.nbgrader) for c in notebook.cells if "nbgrader" in c.metadata]


@pytest.mark.parametrize("name", FORMS)
def test_every_question_of_the_inventory_is_a_graded_cell(name):
    found = marks(nbgrader_course.inventory_notebook(FORMS[name]))
    tests = [m for m in found if m.grade]
    assert [m.grade_id for m in tests] == [f"inventory-{question}" for question in RIGHT[name]]
    assert all(m.locked and m.points == 1 for m in tests)
    assert [m.grade_id for m in found if m.solution] == [f"{m.grade_id}-answer" for m in tests]
    ids = [m.grade_id for m in found]
    assert len(set(ids)) == len(ids) == 48


@pytest.mark.parametrize("name", FORMS)
def test_students_get_every_option_and_no_key(name):
    notebook = released(name)
    text = nbformat.writes(notebook)
    assert "BEGIN" not in text
    assert "another option" not in text
    for question in QUESTIONS[FORMS[name]]:
        (cell,) = [c for c in notebook.cells if c.source.startswith(f"**{question.name}.**")]
        assert question.stem in cell.source
        for letter, option in zip("abcd", question.options, strict=True):
            assert f"- {letter}) {option.text}" in cell.source
        assert not any(option.why in text for option in question.options)


@pytest.mark.parametrize("name", FORMS)
def test_points_of_the_inventory(name):
    notebook = released(name)
    assert points_for(name, notebook) == 0  # untouched
    half = dict(list(RIGHT[name].items())[:12])
    fill_in(notebook, half)
    assert points_for(name, notebook) == 12
    wrong = released(name)
    fill_in(wrong, {q: "abcd"[("abcd".index(x) + 1) % 4] for q, x in RIGHT[name].items()})
    assert points_for(name, wrong) == 0


def test_what_is_no_letter_is_said_to_the_student():
    notebook = released("inventory_before")
    fill_in(notebook, {"A01": "e"})
    (test,) = [c for c, m in cells_with_marks(notebook) if m.grade_id == "inventory-A01"]
    with pytest.raises(AssertionError, match='Write A01 = "a", "b", "c" or "d"'):
        exec(test.source, {"A01": "e"})
    exec(test.source, {"A01": ...})  # not answered yet


def hand_in_inventory(course: Path, student: str, name: str, answers: dict[str, str]) -> Path:
    path = course / "submitted" / student / name / f"{name}.ipynb"
    path.parent.mkdir(parents=True)
    notebook = released(name)
    fill_in(notebook, answers)
    nbformat.write(notebook, path)
    return path


def test_submitted_notebooks_are_read_for_the_class(tmp_path):
    for student in ("ada", "ben"):
        for name in FORMS:
            right = student == "ada" or name == "inventory_after"
            letters = RIGHT[name] if right else dict.fromkeys(RIGHT[name], "a")
            hand_in_inventory(tmp_path, student, name, letters)
    hand_in_inventory(tmp_path, "cem", "inventory_before", {})  # untouched
    found = summarise(read(tmp_path))
    assert (found.matched, found.absent) == (2, 1)
    assert found.gain.before == pytest.approx((1 + 6 / 24) / 2)  # "a" is right in 6 of 24
    assert found.gain.after == 1
    assert found.gain.full == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"a"', '"f"', "A01: 'f' is no option; expected one of a, b, c, d"),
        ('"a"', "b", ""),
        ('"a"', '"a', "a cell is not valid Python"),
        ('A01 = "a"', 'B01 = "a"', "asks both forms"),
    ],
)
def test_faults_in_a_submitted_notebook(tmp_path, old, new, said):
    answers = dict.fromkeys(RIGHT["inventory_before"], "a")
    path = hand_in_inventory(tmp_path, "ada", "inventory_before", answers)
    notebook = nbformat.read(path, as_version=4)
    cell = next(c for c, m in cells_with_marks(notebook) if m.grade_id == "inventory-A01-answer")
    cell.source = cell.source.replace(old, new, 1)
    nbformat.write(notebook, path)
    if not said:  # a letter without its quotation marks
        assert read(tmp_path).sheets[0].answers[0] == 1
        return
    with pytest.raises(ResultsError) as caught:
        read(tmp_path)
    assert str(caught.value).startswith("submitted/ada/inventory_before/inventory_before.ipynb: ")
    assert said in str(caught.value)


# A class of three

EXERCISE, NOTEBOOK = "ex03", "ex03_content_loss.ipynb"
EXCHANGE = """
c.Exchange.root = {exchange!r}
c.ExchangeCollect.check_owner = False  # all of them are whoever runs the test
c.CourseDirectory.db_url = "sqlite:///" + {root!r} + "/gradebook.db"
"""

HALF_MISSING = "    return (features - target).square().sum()"
"""A wrong answer to the first task."""

GOES_ON_FOR_EVER = "    while True:\n        pass"
"""... and to the third."""


class Class:
    """A course folder, an exchange, and students with folders of their own."""

    def __init__(self, root: Path):
        self.root, self.course, self.exchange = root, root / "course", root / "exchange"
        self.exchange.mkdir()
        self.exchange.chmod(0o777)
        nbgrader_course.main([str(self.course), EXERCISE])
        text = EXCHANGE.format(exchange=str(self.exchange), root=str(root))
        self.config = self.course / "nbgrader_config.py"
        self.config.write_text(self.config.read_text() + text)

    def nbgrader(self, *arguments: str, folder: Path | None = None) -> str:
        """Run nbgrader in the course's folder or a student's; returns what it said."""
        folder = folder or self.course
        environment = os.environ | {
            "HOME": str(self.root),  # no settings of whoever runs the test
            # as in an activated environment: nbgrader calls alembic by its name
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "OMP_NUM_THREADS": "1",
            "NST_TEACH_PROGRESS": "0",
        }
        (folder / "nbgrader_config.py").write_text(self.config.read_text())
        run = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout + run.stderr

    def hand_in(self, student: str, answers: dict[str, str]) -> None:
        """Fetch the assignment as this student, write answers into it, and submit it."""
        folder = self.root / student
        folder.mkdir()
        self.nbgrader("fetch_assignment", EXERCISE, folder=folder)
        path = folder / EXERCISE / NOTEBOOK
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            cell.source = answers.get(name, cell.source)
        nbformat.write(notebook, path)
        # On a server a student is who is logged in there. Here all are the same person.
        self.nbgrader("submit", EXERCISE, f"--CourseDirectory.student_id={student}", folder=folder)


def solutions() -> dict[str, str]:
    """The solved cells of the exercise, by their ids."""
    notebook = nbgrader_course.course_notebook(SOURCES_BY_NAME[EXERCISE])
    return {
        c.metadata.nbgrader.grade_id: handouts.without_markers(c.source, handouts.SOLUTION)
        for c in notebook.cells
        if "-answer" in c.metadata.get("nbgrader", {}).get("grade_id", "")
    }


SOURCES_BY_NAME = {source.stem[:4]: source for source in SOURCES}


def partly_wrong() -> dict[str, str]:
    """Two of the five answers are wrong."""
    answers = solutions()
    answers["ex03-content_loss-answer"] = "def content_loss(features, target):\n" + HALF_MISSING
    answers["ex03-gradient_before_relu-answer"] = (
        "def gradient_before_relu(z, target):\n" + GOES_ON_FOR_EVER
    )
    return answers


@pytest.fixture(scope="module")
def school(tmp_path_factory) -> Class:
    """Three students have handed in: all right, partly wrong, untouched. And all is graded."""
    pytest.importorskip(
        "nbgrader",
        reason="nbgrader is not installed; pip install --editable '.[teach]' to run this.",
    )
    school = Class(tmp_path_factory.mktemp("school"))
    school.nbgrader("generate_assignment", EXERCISE)
    school.nbgrader("release_assignment", EXERCISE)
    school.hand_in("ada", solutions() | {"ex03-content_loss": "# I have taken this check away."})
    school.hand_in("ben", partly_wrong())
    school.hand_in("cem", {})
    school.nbgrader("collect", EXERCISE)
    school.nbgrader("autograde", EXERCISE)
    return school


@pytest.fixture(scope="module")
def grades(school) -> dict[str, dict[str, float]]:
    """The points of each student, by the id of the check."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{school.root}/gradebook.db") as book:
        return {
            student.id: {
                grade.cell.name: grade.score
                for grade in book.find_submission_notebook(
                    NOTEBOOK.removesuffix(".ipynb"), EXERCISE, student.id
                ).grades
                if "-words-" not in grade.cell.name
            }
            for student in book.students
        }


WORTH = {name.replace(".", "-"): n for name, n in POINTS.items() if name.startswith(EXERCISE)}


def test_released_notebook_is_the_students(school):
    released = nbformat.read(school.course / "release" / EXERCISE / NOTEBOOK, as_version=4)
    text = nbformat.writes(released)
    assert "BEGIN" not in text
    assert "checks.require" not in text
    assert "A model answer" not in text
    student = handouts.student(notebooks.read_source(SOURCES_BY_NAME[EXERCISE]))
    code = [c.source for c in student if c.cell_type == "code"]
    assert [c.source.rstrip() for c in released.cells if c.cell_type == "code"] == code


def test_right_copy_earns_every_point(grades):
    assert grades["ada"] == WORTH
    assert sum(grades["ada"].values()) == sum(WORTH.values()) == 10


def test_partly_wrong_copy_earns_the_points_of_its_right_tasks(grades):
    wrong = {"ex03-content_loss", "ex03-gradient_before_relu"}
    assert grades["ben"] == {n: 0 if n in wrong else points for n, points in WORTH.items()}
    assert 0 < sum(grades["ben"].values()) < sum(WORTH.values())


def test_untouched_copy_earns_nothing(grades):
    assert grades["cem"] == dict.fromkeys(WORTH, 0)


def test_hidden_tests_say_what_is_wrong(school):
    path = school.course / "autograded" / "ben" / EXERCISE / NOTEBOOK
    graded = nbformat.read(path, as_version=4)
    said = [
        output.evalue
        for cell in graded.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    ]
    assert any("The content loss" in text and "(0 of 1 point)" in text for text in said)
    assert any("stopped after" in text for text in said)


def test_what_a_student_changes_in_a_check_is_undone(school):
    path = school.course / "autograded" / "ada" / EXERCISE / NOTEBOOK
    graded = nbformat.read(path, as_version=4)
    assert "taken this check away" not in nbformat.writes(graded)
    tests = [c.source for c in graded.cells if "checks.require(" in c.source]
    assert len(tests) == len(WORTH)


def test_exercises_that_are_graded_are_those_with_checks():
    assert sorted(SOURCES_BY_NAME) == list(checks.EXERCISES)
