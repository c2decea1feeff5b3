"""The exercises in both directions: right answers pass, however written; wrong ones get their hint.

The answers are in tests/wrong_answers/, one file for each exercise.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import handouts
import notebooks
import pytest
import torch
from conftest import ROOT
from systems import needs_alarm
from wrong_answers import BANK, Entry

import nst_teach_checks as checks
from nst_teach import content_loss
from nst_teach_checks import _guard, ex03
from nst_teach_checks._core import TASKS, Mistake, Task, is_stub, judge
from nst_teach_checks._feedback import Feedback, Reread

SEEDS = range(3)
FEWEST_WRONG, FEWEST_RIGHT = 4, 2
"""Answers that the bank holds for each task, at least."""
SHORT = 0.5
"""Seconds to wait for an answer that never ends."""

SOURCES = sorted((ROOT / "exercises" / "src").glob("ex*.md"))
WRONG = [entry for entry in BANK if entry.expects]
RIGHT = [entry for entry in BANK if not entry.expects]


@pytest.fixture(autouse=True)
def fresh_session():
    checks.reset()
    yield
    checks.reset()


def seeds(entry: Entry) -> range:
    return SEEDS[:1] if entry.expects == "too-slow" else SEEDS


def verdict(task: Task, entry: Entry, seed: int) -> str:
    """What the check says: the name of the mistake, or the status where there is none."""
    feedback = judge(task, entry.answer, seed)
    return feedback.mistake or feedback.status


def faults(task: Task, bank: list[Entry]) -> list[str]:
    """Where a check does not say of the bank's answers what it should."""
    return [
        f"{entry.name}: {said}, expected {entry.expects or 'passed'}"
        for entry in bank
        if entry.task == task.id
        for seed in seeds(entry)
        if (said := verdict(task, entry, seed)) != (entry.expects or "passed")
    ]


# The bank


@pytest.mark.parametrize("entry", WRONG, ids=lambda entry: entry.name)
def test_wrong_answer_gets_the_hint_meant_for_it(entry, monkeypatch):
    if entry.expects == "too-slow":
        monkeypatch.setattr(_guard, "DEADLINE", SHORT)
    for seed in seeds(entry):
        feedback = judge(TASKS[entry.task], entry.answer, seed)
        assert (feedback.status, feedback.mistake) == ("rejected", entry.expects), feedback
        assert feedback.seen
        assert feedback.hint
        if seed == 0:
            assert is_refuted(entry, feedback.hint), feedback.hint


EXAMPLE = re.compile(r"A small example: (.+)\. Yours gives .+ Work out by hand")
INPUT = re.compile(r"\w+ (?:of shape \((.*?)\) with ((?:[-+.\de]+(?:, )?)+)|= ([-+.\de]+|\(\)))")


def is_refuted(entry: Entry, hint: str) -> bool:
    """Whether the bank's right answer gives another result for the example in a hint.

    The example is read from the hint's own words. True for a hint without one, or with one in
    other words.
    """
    example = EXAMPLE.search(hint)
    if not example or "of shape" not in example[1]:
        return True
    inputs = [as_input(entry.task, *found.groups()) for found in INPUT.finditer(example[1])]
    right = next(other.answer for other in RIGHT if other.task == entry.task)
    one, other = (as_tensor(answer(*inputs)) for answer in (entry.answer, right))
    return one.shape != other.shape or not torch.allclose(one, other, rtol=1e-4)


def as_input(task: str, shape: str | None, numbers: str | None, plain: str | None):
    if plain is not None:
        return [] if plain == "()" else float(plain)
    values = [float(number) for number in numbers.split(", ") if number]
    tensor = torch.tensor(values).reshape([int(side) for side in shape.split(",") if side])
    return tensor.byte().numpy() if task == "ex01.to_tensor" else tensor


def as_tensor(value) -> torch.Tensor:
    return torch.as_tensor(value).detach().double()


def test_example_that_refutes_nothing_is_noticed():
    hint = "A small example: features of shape (1,) with 1 and target of shape (1,) with {}. " \
           "Yours gives 0. Work out by hand what it should be."  # fmt: skip
    entry = next(entry for entry in WRONG if entry.name.startswith("ex03.content_loss-"))
    half = Entry(entry.task, half_missing, "half-missing")
    assert is_refuted(half, hint.format(3))
    assert not is_refuted(half, hint.format(1))  # both give 0


@pytest.mark.parametrize("entry", RIGHT, ids=lambda entry: entry.name)
def test_right_answer_passes_however_it_is_written(entry):
    for seed in SEEDS:
        feedback = judge(TASKS[entry.task], entry.answer, seed)
        assert feedback.passed, feedback


@pytest.mark.parametrize("task", TASKS)
def test_bank_has_enough_answers(task):
    assert sum(entry.task == task for entry in WRONG) >= FEWEST_WRONG
    assert sum(entry.task == task for entry in RIGHT) >= FEWEST_RIGHT


def test_bank_knows_the_tasks():
    assert {entry.task for entry in BANK} == set(TASKS)


@pytest.mark.parametrize("exercise", checks.EXERCISES)
def test_each_known_mistake_is_made_by_some_answer(exercise):
    made = {entry.expects for entry in WRONG if entry.task.startswith(exercise)}
    assert {mistake.name for mistake in known_mistakes(exercise)} - made == set()


def known_mistakes(exercise: str) -> list[Mistake]:
    values = vars(getattr(checks, exercise)).values()
    tuples = [value for value in values if isinstance(value, tuple)]
    return [item for value in tuples for item in value if isinstance(item, Mistake)]


def examined_by(examine) -> Task:
    task = TASKS["ex03.content_loss"]
    return Task(task.id, task.title, task.points, task.reread, examine)


def test_bank_catches_a_check_that_accepts_everything():
    assert len(faults(examined_by(lambda answer: None), WRONG)) >= FEWEST_WRONG


def test_bank_catches_a_check_that_rejects_everything():
    def reject(answer):
        answer.reject("any", "anything", "nothing")

    assert len(faults(examined_by(reject), RIGHT)) >= FEWEST_RIGHT


def test_bank_catches_a_check_that_looks_at_one_value_only():
    def golden(answer):
        ones = torch.ones(1, 1, 1, 1)
        answer.compare(content_loss, [(3 * ones, ones)])

    assert faults(examined_by(golden), WRONG)


# The notebooks


def run(cells: list) -> None:
    """Run the code of a notebook's cells, as a kernel would."""
    space = {"__name__": "notebook"}
    for number, cell in enumerate(cells):
        if cell.cell_type == "code":
            exec(compile(cell.source, f"<cell {number}>", "exec"), space)


def stands(exercise: str) -> dict:
    (entry,) = checks.report(exercise, machine=True)["exercises"]
    return entry


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_solution_passes_every_check(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(handouts.solution(notebooks.read_source(source)))
    entry = stands(source.stem[:4])
    assert [task for task in entry["tasks"] if task["status"] != "passed"] == []
    assert entry["earned"] == entry["points"] > 0


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_untouched_notebook_runs_and_nothing_is_attempted(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(handouts.student(notebooks.read_source(source)))
    tasks = stands(source.stem[:4])["tasks"]
    assert {task["status"] for task in tasks} == {"not attempted"}
    assert sum(task["attempts"] for task in tasks) == 0


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_has_each_task_of_its_exercise_once(source):
    cells = notebooks.read_source(source)
    checked = [handouts.task_of(cell) for cell in cells if "check" in handouts.tags(cell)]
    assert checked == [name for name in TASKS if name.startswith(source.stem[:4])]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_names_the_points_that_the_checks_give(source):
    text = source.read_text(encoding="utf-8")
    tasks = [task for task in TASKS.values() if task.exercise == source.stem[:4]]
    in_titles = [int(n) for n in re.findall(r"^## Task \d+: .*\((\d+) points?\)$", text, re.M)]
    assert in_titles == [task.points for task in tasks]
    assert f"**Points** {sum(in_titles)}." in text


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_source_is_plain_markdown_that_every_notebook_program_shows(source):
    text = re.sub(r"```\{code-cell\}.*?```", "", source.read_text(encoding="utf-8"), flags=re.S)
    assert re.findall(r"^:::|^```\{|\{[a-z:]+\}`", text, re.M) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_source_has_its_parts(source):
    text = source.read_text(encoding="utf-8")
    for part in ("**You need**", "**Time**", "## Recap", "## What you should see",
                 "## Stretch task", "## In your own words", "**A model answer.**"):  # fmt: skip
        assert part in text, part


def test_capstone_has_the_teachers_rubric():
    guide = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
    rubric = re.search(r"^\| criterion \|(?:.+\n)+", guide, re.M)[0]
    capstone = (ROOT / "exercises" / "src" / "ex12_capstone.md").read_text(encoding="utf-8")
    assert rubric in capstone


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_section_to_reread_exists(task):
    chapter = ROOT / "book" / "src" / f"{task.reread.chapter}.md"
    headings = re.findall(r"^#+ (.+)$", chapter.read_text(encoding="utf-8"), re.M)
    assert task.reread.heading in headings


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_hints_do_not_give_the_solution_away(source):
    cells = notebooks.read_source(source)
    lines = {line.strip() for cell in cells for line in solution_lines(cell.source)}
    hints = " ".join(mistake.hint for mistake in known_mistakes(source.stem[:4]))
    assert [line for line in lines if line in hints] == []


def solution_lines(source: str) -> list[str]:
    return [
        line
        for first, last in handouts._regions(source, handouts.SOLUTION)
        for line in source.splitlines()[first + 1 : last]
        if line.strip()
    ]


# Untouched stubs


def only_dots(a, b): ...


def documented_dots(a):
    """What to do."""
    ...  # noqa: PIE790


def passed(a):
    """What to do."""
    pass  # noqa: PIE790


def constant(a):
    return 1


def working(a):
    return a


@pytest.mark.parametrize("function", [only_dots, documented_dots, passed])
def test_stub_is_recognised(function):
    assert is_stub(function)
    assert ex03.content_loss(function).status == "not attempted"


@pytest.mark.parametrize("function", [constant, working, torch.nn.ReLU(), len])
def test_answer_is_no_stub(function):
    assert not is_stub(function)


def not_implemented(features, target):
    raise NotImplementedError


def result_left_open(features, target):
    result = ...
    return result


@pytest.mark.parametrize("answer", [..., not_implemented, result_left_open])
def test_other_ways_of_leaving_a_task_open(answer):
    assert ex03.content_loss(answer).status == "not attempted"


def test_value_in_place_of_a_function():
    feedback = ex03.content_loss(torch.zeros(3))
    assert feedback.mistake == "not-a-function"


# Nothing that a student's code does can hurt


def stubborn(*_):
    while True:
        try:
            while True:
                pass
        except Exception:
            continue


def very_stubborn(*_):
    for _ in range(3):
        try:
            while True:
                pass
        except:  # noqa: E722 - students do that
            pass
    while True:
        pass


@pytest.mark.parametrize("answer", [stubborn, very_stubborn])
def test_endless_loop_is_stopped(answer, monkeypatch):
    monkeypatch.setattr(_guard, "DEADLINE", SHORT)
    assert ex03.content_loss(answer).mistake == "too-slow"


def test_endless_loop_is_stopped_where_there_are_no_signals(monkeypatch):
    monkeypatch.setattr(_guard, "DEADLINE", SHORT)
    found = []
    work = threading.Thread(target=lambda: found.append(ex03.content_loss(stubborn)))
    work.start()
    work.join(timeout=60)
    assert [feedback.mistake for feedback in found] == ["too-slow"]


@needs_alarm
def test_alarm_clock_is_left_as_it_was():
    import signal

    before = signal.getsignal(signal.SIGALRM)
    ex03.content_loss(content_loss)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def chatty(features, target):
    print("x" * 10**6)
    return content_loss(features, target)


def test_output_is_cut(capsys):
    feedback = ex03.content_loss(chatty)
    assert feedback.passed
    assert 0 < len(feedback.printed) <= _guard.PRINTED_LIMIT
    assert capsys.readouterr().out == ""


def swallows_everything(*_):
    while True:
        try:
            while True:
                pass
        except:  # noqa: E722 - students do that
            pass


@needs_alarm
def test_loop_that_swallows_every_exception_is_stopped(monkeypatch):
    monkeypatch.setattr(_guard, "DEADLINE", SHORT)
    assert ex03.content_loss(swallows_everything).mistake == "too-slow"


def test_deadline_is_that_of_the_check_and_not_of_each_call(monkeypatch):
    monkeypatch.setattr(_guard, "DEADLINE", SHORT)

    def slow(features, target):
        time.sleep(0.8 * SHORT)
        return content_loss(features, target)

    assert ex03.content_loss(slow).mistake == "too-slow"


def test_import_is_not_broken_off(tmp_path, monkeypatch):
    """A module that is broken off while it is imported stays broken: torch loads parts late."""
    monkeypatch.setattr(_guard, "DEADLINE", SHORT)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "loaded_late.py").write_text(f"import time\ntime.sleep({1.5 * SHORT})\nwhole = 1\n")

    def imports(*_):
        import loaded_late

        return loaded_late.whole

    assert ex03.content_loss(imports).mistake == "too-slow"
    assert sys.modules.pop("loaded_late").whole == 1


def interrupts(*_):
    raise KeyboardInterrupt


def test_interrupt_of_an_answer_is_its_mistake():
    assert ex03.content_loss(interrupts).mistake == "raised"


@needs_alarm
def test_interrupt_from_the_keyboard_is_passed_on():
    import os
    import signal

    def slow(*_):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(SHORT)

    with pytest.raises(KeyboardInterrupt):
        ex03.content_loss(slow)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_settings_of_torch_are_left_as_they_were():
    def untidy(features, target):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return content_loss(features, target)

    ex03.content_loss(untidy)
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert ex03.content_loss(content_loss).passed


def test_executor_that_is_left_behind_does_no_harm():
    left = []

    def untidy(features, target):
        left.append(ThreadPoolExecutor(1))
        return left[-1].submit(content_loss, features, target).result()

    assert ex03.content_loss(untidy).passed
    assert ex03.content_loss(content_loss).passed
    for executor in left:
        executor.shutdown()


@pytest.mark.parametrize(
    "result",
    [torch.zeros(1, 3, 4, 4), "text", {"a": None}, object()],
    ids=lambda result: type(result).__name__,
)
def test_no_result_makes_a_check_fail(result):
    for task in TASKS.values():
        feedback = judge(task, lambda *_: result, 0)
        assert feedback.status == "rejected", task.id
        assert feedback.hint


def leaves(*_):
    raise SystemExit


def recurses(*arguments):
    return recurses(*arguments)


@pytest.mark.parametrize(
    ("answer", "mistake"), [(leaves, "raised"), (recurses, "endless-recursion")]
)
def test_every_way_out_is_caught(answer, mistake):
    assert ex03.content_loss(answer).mistake == mistake


def breaks(features, target):
    wrong = features.shape[7]
    return wrong


def test_error_names_the_students_own_line():
    feedback = ex03.content_loss(breaks)
    assert "IndexError at line" in feedback.seen
    assert "wrong = features.shape[7]" in feedback.seen


def test_students_random_numbers_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    ex03.content_loss(content_loss)
    assert torch.equal(torch.rand(1), expected)


# What a student sees


def half_missing(features, target):
    return (features - target).square().sum()


def test_seed_repeats_a_failure():
    first = ex03.content_loss(half_missing)
    again = ex03.content_loss(half_missing, seed=first.seed)
    assert again.seen == first.seen
    assert f"seed={first.seed}" in repr(first)
    assert ex03.content_loss(half_missing, seed=first.seed + 1).seen != first.seen


def test_feedback_is_text_and_html():
    feedback = ex03.content_loss(half_missing)
    for text in (repr(feedback), feedback._repr_html_()):
        assert "Not yet" in text
        assert feedback.hint.split("?")[0] in text
        assert "chapter 3" in text
    assert 'href="' in feedback._repr_html_()


def test_named_cases_say_which_of_them_were_right():
    def absolute(features):
        return features.abs()

    positive, mixed = torch.ones(2), torch.tensor([1.0, -1.0])
    named = {"a positive input": (positive,), "an input of both signs": (mixed,)}
    task = examined_by(lambda answer: answer.compare(absolute, named))
    seen = judge(task, torch.relu, 0).seen
    assert seen.startswith("right for a positive input; wrong for an input of both signs. For an ")
    assert judge(task, torch.neg, 0).seen.startswith("wrong in all 2 cases. For a positive input,")
    assert judge(task, torch.abs, 0).passed


def test_hint_shows_the_first_example_that_the_answer_gets_wrong():
    examples = {"the number 2": (torch.tensor(2.0),), "the number 3": (torch.tensor(3.0),)}

    def square(answer):
        answer.compare(torch.square, [(torch.tensor(5.0),)], examples=examples)

    hint = judge(examined_by(square), lambda x: 2 * x, 0).hint
    assert "the number 3. Yours gives 6." in hint  # 2 · 2 would refute nothing
    assert "the number 2" not in hint
    assert "9" not in hint  # what it should be is left to the student


# Each wrong answer to a task that has examples is refuted by one of them.
EXAMPLES_IN = ("ex11.warp", "ex11.visible", "ex11.temporal_loss", "ex11.flicker")
NO_NUMBERS = {
    "changed-input", "gradient-cut", "gradient-to-the-past", "many-answers", "not-a-tensor",
    "shapes-do-not-fit", "types-do-not-fit", "wrong-dtype",
}  # fmt: skip
"""Mistakes that are no matter of numbers, so that an example would show nothing."""


@pytest.mark.parametrize(
    "entry",
    [e for e in WRONG if e.task in EXAMPLES_IN and e.expects not in NO_NUMBERS],
    ids=lambda entry: entry.name,
)
def test_hint_refutes_the_wrong_answer_by_an_example(entry):
    hint = judge(TASKS[entry.task], entry.answer, 0).hint
    assert re.search(r"A small example: .+\. Yours gives .+\. Work out by hand", hint)


def test_example_is_made_of_an_input_that_the_answer_got_wrong():
    def all_but_a_half(features, target):
        return 0.49 * (features - target).square().sum()

    hint = judge(TASKS["ex03.content_loss"], all_but_a_half, 0).hint
    numbers = re.search(r"features of shape \(1, 1, 1, 1\) with (\S+) and target of shape "
                        r"\(1, 1, 1, 1\) with (\S+)\. Yours gives (\S+)\. Work", hint)  # fmt: skip
    f, p, yours = map(float, numbers.groups())
    assert yours == pytest.approx(0.49 * (f - p) ** 2, rel=1e-2)
    assert yours != 0


def test_html_is_escaped():
    feedback = Feedback("ex03.x", "<b>", 1, "rejected", "m", "<i>", "<u>", Reread("03_x", "<p>"))
    html = feedback._repr_html_()
    assert not re.search(r"<(i|u|p)>", html)
    assert "&lt;i&gt;" in html


def test_link_prefers_the_chapter_beside_the_notebook(tmp_path, monkeypatch):
    page = tmp_path / "book" / "chapters" / "03_content_loss.ipynb"
    page.parent.mkdir(parents=True)
    page.touch()
    (tmp_path / "exercises").mkdir()
    reread = Reread("03_content_loss", "The formula")
    monkeypatch.chdir(tmp_path / "exercises")
    assert reread.address == "../book/chapters/03_content_loss.ipynb#The-formula"
    monkeypatch.chdir("/")
    assert reread.address.startswith("https://")


def test_picture_has_an_empty_place_until_there_is_one():
    picture = torch.rand(1, 3, 8, 8)
    for make in (None, lambda: None, lambda: 1 / 0, lambda: torch.zeros(3)):
        axes = checks.beside(picture, make).axes
        assert "yours appears here" in axes[1].get_title()
        assert not any(image.get_visible() for image in axes[1].images)


def test_picture_comes_beside_the_expected_one():
    picture = torch.rand(1, 3, 8, 8)
    for make in (lambda: picture, lambda: (picture, [1.0])):
        axes = checks.beside(picture, make).axes
        assert [axis.get_title() for axis in axes] == ["expected", "yours"]


def test_picture_on_the_left_may_have_a_title_of_its_own():
    axes = checks.beside(torch.rand(1, 3, 8, 8), title="the painting").axes
    assert axes[0].get_title() == "the painting"


# Reports


def test_report_counts_attempts_points_and_mistakes():
    ex03.content_loss(only_dots)
    ex03.content_loss(half_missing)
    ex03.content_loss(content_loss)
    task = stands("ex03")["tasks"][0]
    assert task == {
        "id": "ex03.content_loss", "title": "The content loss", "points": 1, "earned": 1,
        "status": "passed", "attempts": 2, "mistakes": ["half-missing"],
    }  # fmt: skip
    assert stands("ex03")["earned"] == 1


def test_report_shows_what_was_begun():
    ex03.content_loss(content_loss)
    text = repr(checks.report())
    assert "Exercise 3: 1 of 10 points" in text
    assert "Exercise 1" not in text
    assert "✓ Passed: The content loss (1 of 1)" in text
    assert "<table>" in checks.report()._repr_html_()


def test_report_shows_the_mistakes_on_the_way():
    for answer in (half_missing, half_missing, breaks, content_loss):
        ex03.content_loss(answer)
    report = checks.report("ex03")
    met = "half missing (2 times), raised"
    assert f"Passed: The content loss (1 of 1); on the way: {met}" in repr(report)
    assert f">{met}</td>" in report._repr_html_()


def test_report_is_saved(tmp_path):
    ex03.content_loss(half_missing)
    path = checks.save_report(tmp_path / "report.json", "ex03")
    saved = json.loads(Path(path).read_text(encoding="utf-8"))
    assert saved == checks.report("ex03", machine=True)


def test_report_refuses_an_unknown_exercise():
    with pytest.raises(KeyError, match="ex03"):
        checks.report("ex99")


def test_require_is_silent_or_raises():
    checks.require(ex03.content_loss, content_loss)
    with pytest.raises(AssertionError, match="Not yet: The content loss"):
        checks.require(ex03.content_loss, half_missing)
    with pytest.raises(AssertionError, match="Not attempted"):
        checks.require(ex03.content_loss, only_dots)
    assert stands("ex03")["tasks"][0]["attempts"] == 0


# The hand-outs


def cell(source: str, *tags: str, kind: str = "code") -> SimpleNamespace:
    from nbformat.v4 import new_code_cell, new_markdown_cell

    make = new_code_cell if kind == "code" else new_markdown_cell
    return make(source, metadata={"tags": list(tags)} if tags else {})


TASK = cell(
    'def f(x):\n    """Doc."""\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION\n',
    "task",
)
CHECK = cell("ex03.f(f)\n### BEGIN HIDDEN TESTS\nassert f(2) == 4\n### END HIDDEN TESTS", "check")
WORDS = cell("**A model answer.** Because.", "answer", kind="markdown")
LINK = cell("[chapter](../book/chapters/03_content_loss.ipynb)", kind="markdown")
CELLS = [TASK, CHECK, WORDS, LINK]


def test_student_gets_stubs_and_empty_answers():
    assert [c.source for c in handouts.student(CELLS)] == [
        'def f(x):\n    """Doc."""\n    ...  # your code here',
        "ex03.f(f)",
        handouts.EMPTY_ANSWER,
        LINK.source,
    ]


def test_solution_keeps_everything_but_the_marks():
    task, check, words, link = handouts.solution(CELLS)
    assert task.source == 'def f(x):\n    """Doc."""\n    return 2 * x'
    assert check.source == "ex03.f(f)"
    assert words.source == WORDS.source
    assert link.source == "[chapter](../../book/chapters/03_content_loss.ipynb)"


def test_source_is_left_as_it_is():
    handouts.student(CELLS)
    assert "return 2 * x" in TASK.source


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ([cell("x = 1\n### BEGIN SOLUTION\ny = 1", "task"), CHECK], "no end"),
        ([cell("x = 1\n### END SOLUTION", "task"), CHECK], "no partner"),
        ([cell("### BEGIN SOLUTION\nx = 1\n### END SOLUTION"), CHECK], "go together"),
        ([cell("x = 1", "task"), CHECK], "go together"),
        ([TASK], "check right after"),
        ([CHECK, TASK], "check right after"),
        ([TASK, cell("print(f(1))", "check")], "not one call"),
        ([cell("x = 1", "aswer")], "known are"),
        ([cell("x = 1", "answer")], "is no text"),
    ],
)
def test_marks_that_do_not_fit_are_refused(cells, complaint):
    with pytest.raises(handouts.MarkerError, match=complaint):
        handouts.student(cells)


# The reference


def test_reference_lists_every_module_and_name_of_the_checks():
    page = (ROOT / "book" / "src" / "api.md").read_text(encoding="utf-8")
    for exercise in checks.EXERCISES:
        assert f".. automodule:: nst_teach_checks.{exercise}\n" in page
    for name in set(checks.__all__) - {"EXERCISES"}:
        assert re.search(rf"^\.\. auto\w+:: nst_teach_checks\.{name}(?:\(|$)", page, re.M), name
