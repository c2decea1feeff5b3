"""What a class has learned: the statistics, the reading of files, and a class that is known."""

from __future__ import annotations

import csv
import dataclasses
import html
import itertools
import json
import math
import random
import shutil
import sys

import guide_parts
import inventory_formats as formats
import numpy as np
import pages
import pytest
import serve
import simulated_class
from bs4 import BeautifulSoup
from conftest import ROOT

import nst_teach_checks as checks
import nst_teach_command
from nst_teach_checks.class_results import command, reading, statistics, text, words
from nst_teach_checks.class_results.inventory import Inventory, Option, Question, bare, load
from nst_teach_checks.class_results.page import page
from nst_teach_checks.class_results.reading import Results, ResultsError, Sheet, read
from nst_teach_checks.class_results.statistics import Count, gain, proportion
from nst_teach_checks.class_results.summary import summarise
from nst_teach_checks.class_results.table import table

INVENTORY = load()
MODEL = simulated_class.model()
SIGMAS = 4.5
"""A correct estimate is further off once in 150,000 comparisons; here are some 200."""

MANY = 1500

# Five students, by hand


def questions(form: str) -> tuple[Question, ...]:
    """Four questions; the right option is the first, and "x" leads to wrong ones everywhere."""
    keys = (None, "x", "y", "z")
    return tuple(
        Question(f"{form}{n:02d}", f"concept {n}", n, f"outcome {n}",
                 tuple(Option(f"option {key}", key) for key in keys))
        for n in range(1, 5)
    )  # fmt: skip


SMALL = Inventory({key: key.upper() for key in "xyz"}, {form: questions(form) for form in "AB"})
LETTERS_OF_FIVE = {  # a is right
    "s1": ("bbbb", "aabb"),
    "s2": ("abbc", "aabc"),
    "s3": ("acdb", "aaab"),
    "s4": ("aabb", "aaaa"),
    "s5": ("aaaa", "aaaa"),
}


def five(**more: tuple[str, str]) -> Results:
    sheets = [
        Sheet(student, time, form, tuple("abcd".index(x) if x in "abcd" else None for x in answers))
        for student, pair in (LETTERS_OF_FIVE | more).items()
        for time, form, answers in zip(("before", "after"), "AB", pair, strict=True)
        if answers
    ]
    return Results(tuple(sheets), ())


def test_five_students_by_hand():
    """Right of four before: 0, 1, 1, 2, 4, and after: 2, 2, 3, 4, 4."""
    found = summarise(five(), SMALL).gain
    assert (found.before, found.after) == (8 / 20, 15 / 20)
    assert found.of_means == pytest.approx((15 - 8) / (20 - 8))
    assert found.mean == pytest.approx((2 / 4 + 1 / 3 + 2 / 3 + 2 / 2) / 4)
    assert (found.students, found.full) == (5, 1)
    assert found.mean_interval is None  # only four have a gain of their own


def test_fieller_by_hand():
    """Gained d and missing r of the five: means 0.35 and 0.6, variances 0.05 and 0.14375, and
    covariance 0.065625. With t² / n = 2.7764² / 5, the ends solve 0.13838 g² - 2 · 0.10882 g +
    0.04541 = 0."""
    interval = summarise(five(), SMALL).gain.of_means_interval
    assert interval.low == pytest.approx(0.2476, abs=1e-3)
    assert interval.high == pytest.approx(1.3252, abs=1e-3)


def test_questions_and_misconceptions_by_hand():
    found = summarise(five(), SMALL)
    assert [q.before.number for q in found.questions] == [4, 2, 1, 1]
    assert [q.after.number for q in found.questions] == [5, 5, 3, 2]
    assert found.questions[3].missed_before == (("X", 3), ("Y", 1))
    assert [q.number for q in found.to_repeat] == [4, 3]
    assert not any(q.clear for q in found.to_repeat)
    x = found.misconceptions[0]
    assert (x.name, x.questions) == ("X", (1, 2, 3, 4))
    assert (x.before.number, x.after.number) == (4, 3)
    assert (x.given_up, x.taken_up) == (1, 0)  # s4


def test_who_lacks_a_form_is_counted_and_left_out():
    found = summarise(five(s6=("dddd", ""), s7=("", "dddd"), s8=("", "dddd")), SMALL)
    assert (found.matched, found.only) == (5, {"before": 1, "after": 2})
    assert found.gain == summarise(five(), SMALL).gain
    assert found.questions == summarise(five(), SMALL).questions
    assert "5 students took both forms; 1 only the form before and 2 only the form after" in (
        words.who(found)
    )


def test_an_open_question_is_not_right_and_shows_no_misconception():
    found = summarise(Results((Sheet("s", "after", "B", (0, None, None, None)),), ()), SMALL)
    assert [q.after.number for q in found.questions] == [1, 0, 0, 0]
    assert found.misconceptions == ()
    assert found.gain is None


def test_forms_in_the_other_order_are_paired_by_their_numbers():
    swapped = Results(
        tuple(
            Sheet(s.student, s.time, "B" if s.form == "A" else "A", s.answers)
            for s in five().sheets
        ),
        (),
    )
    found, usual = summarise(swapped, SMALL), summarise(five(), SMALL)
    assert (found.gain, found.questions) == (usual.gain, usual.questions)
    assert found.forms == {"before": {"B": 5}, "after": {"A": 5}}


# Statistics


def test_no_gain_without_room_for_one():
    full = gain([1.0] * 6, [1.0, 0.5, 1.0, 1.0, 1.0, 1.0])
    assert (full.of_means, full.mean, full.full) == (None, None, 6)
    assert full.of_means_interval is None


def test_no_interval_where_the_room_may_be_zero():
    assert gain([1.0] * 11 + [0.5], [1.0] * 12).of_means_interval is None


@pytest.mark.parametrize(("before", "after"), [([], []), ([0.5], [0.5, 0.6])])
def test_scores_that_are_no_pairs_are_refused(before, after):
    with pytest.raises(ValueError, match="expected the same number, at least one"):
        gain(before, after)


def test_ends_of_fiellers_interval_are_where_a_t_test_changes_its_mind():
    random_ = np.random.default_rng(3)
    before, after = random_.uniform(0.1, 0.6, 9), random_.uniform(0.4, 0.9, 9)
    interval = statistics.ratio_of_means(after - before, 1 - before)
    for end in (interval.low, interval.high):
        rest = (after - before) - end * (1 - before)
        t = rest.mean() / (rest.std(ddof=1) / math.sqrt(9))
        assert abs(t) == pytest.approx(2.306, abs=1e-3)  # of a table: 8 degrees of freedom, 95 %


def test_proportions_by_a_table():
    """Clopper and Pearson's own: 0 of 10, and 5 of 10."""
    assert proportion(0, 10).low == 0
    assert proportion(0, 10).high == pytest.approx(1 - 0.025 ** (1 / 10))
    assert proportion(5, 10).low == pytest.approx(0.187, abs=5e-4)
    assert proportion(5, 10).high == pytest.approx(0.813, abs=5e-4)
    assert proportion(10, 10) == statistics.Interval(pytest.approx(0.025 ** (1 / 10)), 1)


@pytest.mark.parametrize("students", [5, 12, 40])
def test_exact_intervals_cover_every_proportion(students):
    """Summed over all outcomes, without chance."""
    intervals = [proportion(k, students) for k in range(students + 1)]
    for p in np.linspace(0.01, 0.99, 50):
        covered = sum(
            math.comb(students, k) * p**k * (1 - p) ** (students - k)
            for k, interval in enumerate(intervals)
            if p in interval
        )
        assert covered >= 0.95


# A class that is known


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    simulated_class.write(folder, MODEL, MANY, seed=5)
    return read(folder)


@pytest.fixture(scope="module")
def many(collected):
    return summarise(collected)


def deviation(share: float, number: int = MANY) -> float:
    return math.sqrt(share * (1 - share) / number)


def off_by(count: Count, share: float) -> float:
    """How many standard deviations a count is off."""
    return abs(count.share - share) / deviation(share, count.of)


def test_gain_is_recovered(many):
    error = MODEL.deviation_of_gain() / math.sqrt(MANY)
    assert abs(many.gain.of_means - MODEL.gain()) < SIGMAS * error
    assert many.gain.of_means_interval.high - many.gain.of_means_interval.low == pytest.approx(
        2 * 1.96 * error, rel=0.1
    )


def test_mean_of_the_single_gains_is_recovered(many):
    mean, spread = MODEL.single_gain()
    assert abs(many.gain.mean - mean) < SIGMAS * spread / math.sqrt(MANY)
    assert abs(mean - MODEL.gain()) > 0.005  # the two gains are two numbers


def test_questions_are_recovered(many):
    for place, entry in enumerate(many.questions):
        assert off_by(entry.before, MODEL.right["before"][place]) < SIGMAS
        assert off_by(entry.after, MODEL.right["after"][place]) < SIGMAS


def test_misconceptions_are_recovered(many):
    keys = {name: key for key, name in INVENTORY.misconceptions.items()}
    assert {entry.name for entry in many.misconceptions} == set(keys)
    for entry in many.misconceptions:
        key = keys[entry.name]
        assert off_by(entry.before, MODEL.holds("before", key, INVENTORY)) < SIGMAS
        assert off_by(entry.after, MODEL.holds("after", key, INVENTORY)) < SIGMAS
        assert entry.given_up - entry.taken_up == entry.before.number - entry.after.number


def test_tasks_are_recovered(many):
    assert [entry.task for entry in many.tasks] == list(simulated_class.TASKS)
    for entry in many.tasks:
        title, passes, mistakes = simulated_class.TASKS[entry.task]
        assert entry.title == title
        in_time = 1 - (1 - passes) ** simulated_class.MOST_ATTEMPTS
        assert off_by(entry.passed, in_time) < SIGMAS
        assert {name for name, _ in entry.mistakes} == set(mistakes)


def test_what_is_repeated_is_what_is_below_two_thirds(many):
    true = {n + 1 for n, p in enumerate(MODEL.right["after"]) if p < 2 / 3 - 0.05}
    listed = {entry.number for entry in many.to_repeat}
    assert 3 <= len(true) <= 21
    assert true <= listed
    assert all(MODEL.right["after"][n - 1] < 2 / 3 + 0.05 for n in listed)
    assert {entry.number for entry in many.to_repeat if entry.clear} >= true


def test_a_wrong_key_would_be_noticed(collected):
    """The test of the tests: the same answers, read with two options of a question exchanged."""
    first, *others = INVENTORY.forms["B"]
    place = (first.right + 1) % 4
    options = list(first.options)
    options[first.right], options[place] = options[place], options[first.right]
    spoilt = Question(first.name, first.concept, first.chapter, first.outcome, tuple(options))
    forms = {"A": INVENTORY.forms["A"], "B": (spoilt, *others)}
    inventory = Inventory(INVENTORY.misconceptions, forms)
    entry = summarise(collected, inventory).questions[0]
    assert off_by(entry.after, MODEL.right["after"][0]) > SIGMAS


def test_the_order_of_the_students_does_not_matter(tmp_path):
    simulated_class.write(tmp_path, MODEL, 20, seed=2)
    found = summarise(read(tmp_path))
    path = tmp_path / "after.csv"
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    random.Random(1).shuffle(lines)
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    assert summarise(read(tmp_path)) == found


def scores(model, classes: int, students: int, seed: int):
    """Many small classes: the scores before and after, `(classes, students)` each."""
    answers = model.draw(classes * students, seed)
    return ((answers[t] == 0).mean(axis=1).reshape(classes, students) for t in ("before", "after"))


def coverage(model, students: int, classes: int = 800) -> tuple[float, float]:
    """How often the intervals of the two gains contain the true ones."""
    single, hits = model.single_gain()[0], np.zeros(2)
    for before, after in zip(*scores(model, classes, students, students), strict=True):
        found = gain(before, after)
        hits += (model.gain() in found.of_means_interval, single in found.mean_interval)
    return tuple(hits / classes)


@pytest.mark.parametrize("students", [6, 12])
def test_intervals_cover_the_true_gain_as_often_as_they_say(students):
    """95 %, give or take what 800 classes allow: 0.8 % is one standard deviation."""
    for found in coverage(MODEL, students):
        assert 0.95 - 0.03 < found < 0.95 + 0.03


def test_a_class_without_learning_shows_none():
    still = simulated_class.model(learning=False)
    assert still.gain() == 0
    assert coverage(still, 12)[0] > 0.95 - 0.03


def test_the_page_says_that_nothing_was_learned(tmp_path):
    simulated_class.write(tmp_path, simulated_class.model(learning=False), 12, seed=3)
    assert "do not show that the class has learned" in page(summarise(read(tmp_path)))


def test_the_guides_table_is_that_of_the_simulated_class():
    text = (ROOT / guide_parts.GUIDE).read_text(encoding="utf-8")
    expected = guide_parts.with_part(text, "simulated_class.py", simulated_class.excerpt())
    assert expected == text, "run: tools/simulated_class.py --guide"


# Files


def small_class(folder, students: int = 6):
    simulated_class.write(folder, MODEL, students, seed=1)
    return folder


def test_examples_of_the_inventory_can_be_read(tmp_path):
    for name in ("before", "after"):
        shutil.copy(ROOT / f"book/_static/inventory/{name}.csv", tmp_path)
    found = read(tmp_path)
    assert len(found.sheets) == 6
    assert found.sheets[2].answers[-1] is None


@pytest.mark.parametrize("delimiter", ";\t")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_of_other_spreadsheets(tmp_path, delimiter, encoding):
    found = read(small_class(tmp_path))
    path = tmp_path / "before.csv"
    rows = path.read_text(encoding="utf-8").upper().replace(",", delimiter)
    rows = rows.replace("S000", "s000").replace("\n", 2 * delimiter + "\n")  # empty columns
    path.write_text(rows + delimiter * 24 + "\n", encoding=encoding)
    assert read(tmp_path) == found


def test_an_option_may_be_given_by_its_text(tmp_path):
    """As Moodle's report of responses has it, which shows what the GIFT file gave it as text."""
    found = read(small_class(tmp_path))
    for name, form in (("before", "A"), ("after", "B")):
        path = tmp_path / f"{name}.csv"
        head, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
        for row in rows:
            for place, question in enumerate(INVENTORY.forms[form], start=1):
                option = question.options["abcd".index(row[place])]
                shown = formats.with_formulas(option.text, lambda formula: rf"\({formula}\)")
                row[place] = html.unescape(shown).replace(" ", "\n", 1)
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head, *rows])
    assert read(tmp_path) == found


def test_texts_of_options_differ_without_their_marks():
    for form in INVENTORY.forms.values():
        for question in form:
            texts = {bare(option.text) for option in question.options}
            assert len(texts) == 4
            assert not texts & set("abcd")


def test_a_sheet_without_any_answer_is_counted_as_absent(tmp_path):
    path = small_class(tmp_path) / "after.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:-1], "s0006" + 24 * ","]), encoding="utf-8")
    found = summarise(read(tmp_path))
    assert (found.matched, found.absent, found.only["before"]) == (5, 1, 1)
    assert "without any answer, left out: 1" in words.who(found)


def test_real_reports_are_read(tmp_path):
    checks.reset()
    (tmp_path / "reports" / "s2").mkdir(parents=True)
    checks.ex03.content_loss(lambda f, p: (f - p).square().sum())
    checks.ex03.content_loss(lambda f, p: 0.5 * (f - p).square().sum())
    checks.save_report(tmp_path / "reports" / "s1.json", "ex03")
    checks.reset()
    for exercise in ("ex03", "ex04"):
        checks.save_report(tmp_path / "reports" / "s2" / f"{exercise}.json", exercise)
    found = summarise(read(tmp_path))
    task = found.tasks[0]
    assert (task.task, task.title) == ("ex03.content_loss", "The content loss")
    assert (task.passed, task.tried, task.attempts) == (Count(1, 2), Count(1, 2), 2)
    assert task.mistakes == (("half-missing", 1),)
    assert found.reporting == 2
    assert {entry.task[:4] for entry in found.tasks} == {"ex03", "ex04"}
    assert "What to repeat next" in page(found)


def test_reports_in_nbgraders_folder(tmp_path):
    small_class(tmp_path)
    target = tmp_path / "submitted" / "s0001" / "ex03"
    target.mkdir(parents=True)
    shutil.move(tmp_path / "reports" / "s0001.json", target / "report.json")
    (tmp_path / "reports" / "._s0002.json").write_text("left behind by a file manager")
    assert summarise(read(tmp_path)).reporting == 6


# Files that cannot be understood


def edit(name, old, new, count=1):
    def spoil(folder):
        path = folder / name
        content = path.read_text(encoding="utf-8")
        assert old in content
        path.write_text(content.replace(old, new, count), encoding="utf-8")

    return spoil


def put(name, content):
    def spoil(folder):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return spoil


def emptied(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def removed(folder):
    shutil.rmtree(folder)


def wrong_encoding(folder):
    path = folder / "before.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))


def latin(folder):
    path = folder / "before.csv"
    path.write_bytes(path.read_text(encoding="utf-8").replace("s0001", "Zoë").encode("latin-1"))


def twice(folder):
    path = folder / "before.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[1]]), encoding="utf-8")


def in_two_files(folder):
    shutil.copy(folder / "before.csv", folder / "before_group_2.csv")


def same_form_twice(folder):
    shutil.copy(folder / "before.csv", folder / "after.csv")


def report_twice(folder):
    (folder / "reports" / "s0001").mkdir()
    shutil.copy(folder / "reports/s0001.json", folder / "reports/s0001/again.json")


FAULTS = {
    "no folder": (removed, "is no folder. Expected before"),
    "empty folder": (emptied, "holds no answers and no reports. Expected before"),
    "unknown question": (edit("before.csv", "A07", "A25"), "unknown question 'A25'; there are A01"),
    "a name": (edit("before.csv", "A07", "e-mail"), "unknown question 'e-mail'"),
    "a column missing": (
        lambda folder: [edit("before.csv", "A24", "A23")(folder)],
        "before.csv: has the column A23 twice",
    ),
    "no student's column": (
        edit("before.csv", "student", "name"),
        "first column must be 'student'",
    ),
    "no questions": (put("before.csv", "student\ns1\n"), "has no questions; expected the columns"),
    "a question missing": (put("before.csv", "student,A01\ns1,a\n"), "lacks A02, A03"),
    "nothing in it": (put("before.csv", ""), "first column must be 'student'"),
    "no table": (put("before.csv", 'student,"' + "A" * 200_000), "is no table: field larger"),
    "both forms in one": (edit("before.csv", "A07", "B07"), "columns of both forms"),
    "same form twice": (same_form_twice, "'s0001' has form A before and after"),
    "no such option": (edit("after.csv", ",a,", ",e,"), "'e' is no option; expected one of a, b"),
    "too many cells": (edit("after.csv", ",a,", ",a,a,"), "has 26 cells; the first line has 25"),
    "student without id": (edit("after.csv", "s0001", ""), "line 2 has no student; any id"),
    "doubled student": (
        twice,
        "line 8: student 's0001' has answered before already, in before.csv",
    ),
    "in two files": (in_two_files, "before_group_2.csv: line 2: student 's0001' has answered"),
    "UTF-16": (wrong_encoding, "before.csv: is not text in UTF-8; save it again, in Excel as"),
    "Latin 1": (latin, "before.csv: is not text in UTF-8"),
    "name of a file": (put("answers.csv", "student,A01\n"), "says neither 'before' nor 'after'"),
    "report misplaced": (put("s1.json", "{}"), "must lie in the folder reports/"),
    "report doubled": (report_twice, "report of ex03 already, in reports/s0001.json; keep one"),
    "no report": (put("reports/s1.json", "[1]"), "is no report; expected what checks.save_report"),
    "cut report": (put("reports/s1.json", '{"format": 1, "ex'), "is damaged: it is not JSON"),
    "hollow report": (put("reports/s1.json", '{"format": 1, "exercises": [{}]}'), "damaged report"),
    "newer report": (put("reports/s1.json", '{"format": 2, "exercises": []}'), "is no report"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named_with_their_place(tmp_path, fault):
    spoil, said = FAULTS[fault]
    spoil(small_class(tmp_path))
    with pytest.raises(ResultsError) as caught:
        read(tmp_path)
    assert said in str(caught.value)


def test_all_faults_are_named_at_once_and_many_are_counted(tmp_path):
    path = small_class(tmp_path) / "after.csv"
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([head, *(x.split(",")[0] + ",?" * 24 for x in lines)]))
    with pytest.raises(ResultsError) as caught:
        read(tmp_path)
    said = str(caught.value).splitlines()
    assert len(said) == reading.MOST_PROBLEMS + 1
    assert said[-1] == f"… and {6 * 24 - reading.MOST_PROBLEMS} more"


# The page, the text and the table


def test_nobody_is_named(tmp_path):
    found = summarise(read(small_class(tmp_path)))
    for shown in (page(found), "\n".join(text.lines(found)), table(found)):
        assert "s0001" not in shown


def test_page_says_what_the_table_says(many):
    soup = BeautifulSoup(page(many), "html.parser")
    rows = list(csv.DictReader(table(many).splitlines()))
    asked = [row for row in rows if row["what"] == "question"]
    assert len(asked) == 24
    shown = soup.find_all("table")[1].tbody.find_all("tr")
    for row, line in zip(asked, shown, strict=True):
        cells = [cell.get_text() for cell in line.find_all("td")]
        assert cells[1].startswith(f"{row['before']} of {row['before_of']}")
        assert cells[2].startswith(f"{row['after']} of {row['after_of']}")
        assert row["name"] in line.th.get_text()
    kinds = [row["what"] for row in rows]
    assert kinds.count("misconception") == len(INVENTORY.misconceptions)
    assert kinds.count("task") == 3


def test_page_needs_no_other_file(many):
    soup = BeautifulSoup(page(many), "html.parser")
    assert not soup.find_all(["script", "link", "img", "iframe"])
    assert "url(" not in page(many)
    assert "http" not in page(many)


def test_text_that_looks_like_html_is_shown_as_text(tmp_path):
    small_class(tmp_path)
    path = tmp_path / "reports" / "s0001.json"
    path.write_text(path.read_text().replace("The content loss", "<script>alert(1)</script>"))
    assert not BeautifulSoup(page(summarise(read(tmp_path))), "html.parser").find("script")


def test_text_fits_a_terminal_and_lists_what_to_repeat(many):
    lines = list(text.lines(many))
    assert max(map(len, lines)) <= 120
    assert sum(line.startswith("  chapter ") for line in lines) == len(many.to_repeat)


@pytest.mark.parametrize("name", ["before.csv", "after.csv"])
def test_a_class_with_one_form_alone_has_a_page_too(tmp_path, name):
    (small_class(tmp_path) / name).unlink()
    found = summarise(read(tmp_path))
    assert found.gain is None
    assert "Nobody took both forms" in page(found)
    assert bool(found.to_repeat) == (name == "before.csv")
    assert ("there are no answers from after" in page(found)) == (
        name == "after.csv" and not found.tasks_to_repeat and not found.tasks
    )


def test_what_was_chosen_before_is_not_shown_as_chosen_after(tmp_path):
    """A question that everybody had right after the course has nothing that was chosen instead."""
    found = summarise(read(small_class(tmp_path)))
    students = found.questions[0].after.of
    learned = dataclasses.replace(
        found.questions[0],
        before=Count(0, students),
        after=Count(students, students),
        missed_before=(("A misconception given up", students),),
        missed_after=(),
    )
    found = dataclasses.replace(found, questions=(learned, *found.questions[1:]))
    assert "A misconception given up" not in page(found)
    early = dataclasses.replace(learned, after=None)
    shown = page(dataclasses.replace(found, questions=(early,)))
    assert "Chosen instead, before" in shown
    assert f"A misconception given up ({students})" in shown


def test_text_ends_its_lists_where_they_end(many):
    few = dataclasses.replace(many, misconceptions=many.misconceptions[:3], tasks=())
    lines = list(text.lines(few))
    assert not any(line == after == "" for line, after in itertools.pairwise(lines))


@pytest.mark.parametrize(("screen", "theme"), [("desk", "light"), ("phone", "dark")])
def test_page_in_a_browser(browser, tmp_path, theme, screen):
    results = tmp_path / "results"
    (tmp_path / "page").mkdir()
    shown = page(summarise(read(small_class(results, 12))))
    (tmp_path / "page" / "class.html").write_text(shown, encoding="utf-8")
    with serve.served(tmp_path / "page") as address:
        assert pages.visit(browser, address, "class.html", theme=theme, screen=screen) == []


# The command


@pytest.fixture
def program(monkeypatch, tmp_path):
    """Runs `nst-teach class …` as the shell does."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["nst-teach", "class", *arguments])
        return nst_teach_command.main()

    return run


def test_program_prints_and_writes(program, tmp_path, capsys):
    small_class(tmp_path / "results")
    assert program("results", "-o", "class.html", "--csv", "class.csv") == 0
    said = capsys.readouterr().out
    assert "gain of the class, from the two means" in said
    assert "class.html: written" in said
    assert (tmp_path / "class.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "class.csv").read_text(encoding="utf-8").startswith("what,id,name")
    assert program("results", "-o", "class.html") == 2
    assert "give --force" in capsys.readouterr().err
    assert program("results", "-o", "class.html", "--force") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "'nowhere' is no folder"),
        (["results", "-o", "class.pdf"], "expected a name that ends in .html"),
        (["results", "--csv", "results/class.csv"], "into the folder that is read"),
        (["results", "--csv", "results/../results/class.csv"], "into the folder that is read"),
        (["results", "-o", "none/class.html"], "there is no folder 'none'"),
    ],
)
def test_program_refuses(program, tmp_path, capsys, arguments, said):
    small_class(tmp_path / "results")
    assert program(*arguments) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("*.html"))


def test_help_explains_the_folder(capsys):
    with pytest.raises(SystemExit):
        command.main(["--help"])
    said = capsys.readouterr().out
    for name in ("before*.csv", "reports/ID.json", "submitted/ID"):
        assert name in said
    assert json.dumps("no names are needed")[1:-1] in said
