"""Every outcome is taught, practised and tested somewhere, and nothing is left out."""

from __future__ import annotations

import dataclasses

import guide_parts
import outcomes
import pytest
from conftest import ROOT

KNOWN = outcomes.course()
FOUND = outcomes.read()


def test_nothing_is_missing():
    assert list(outcomes.problems(FOUND, KNOWN)) == []


def test_the_course_is_read():
    """The test above would pass on an empty course."""
    assert set(KNOWN.files) == set(KNOWN.promises) == set(range(1, 14))
    assert all(len(words) > 100 for words in KNOWN.promises.values())
    assert all(4 <= number <= 7 for number in KNOWN.questions.values())
    assert (len(KNOWN.tasks), len(KNOWN.concepts)) == (len(outcomes.tasks()), 24)
    assert "Three properties" in KNOWN.headings[4]
    assert "# ½ · (0.5² + 1² + 1²) = ½ · 2.25" not in KNOWN.headings[3]  # a comment in code


def test_the_table_is_what_the_source_gives():
    text = (ROOT / guide_parts.GUIDE).read_text(encoding="utf-8")
    assert outcomes.expected() == text, "run: python tools/outcomes.py"


def without(place: int) -> list[outcomes.Outcome]:
    return FOUND[:place] + FOUND[place + 1 :]


@pytest.mark.parametrize("place", range(len(FOUND)))
def test_an_outcome_left_out_would_be_noticed(place):
    """Words of a promise, a task or a concept would be without one."""
    found = list(outcomes.problems(without(place), KNOWN))
    assert found
    assert all("no outcome has" in problem for problem in found)


def changed(**values) -> list[outcomes.Outcome]:
    return [dataclasses.replace(FOUND[0], **values), *FOUND[1:]]


FAULTS = {
    "no section": ({"taught": ("Nowhere",)}, "taught at 'Nowhere', which is no heading"),
    "not taught": ({"taught": ()}, "nowhere taught"),
    "not practised": ({"practised": ()}, "nowhere practised"),
    "no such task": ({"practised": ("ex01.none",)}, "practised at 'ex01.none'"),
    "not tested": ({"tested": ()}, "needs either 'tested' or 'open'"),
    "tested and open": ({"open": "a proof"}, "needs either 'tested' or 'open'"),
    "no such question": ({"tested": ("1.9",)}, "self-check of chapter 1 has no question 9"),
    "no such concept": ({"tested": ("art",)}, "'art', which is no concept"),
    "no task to check": (
        {"tested": ("check",), "practised": ("The order of the axes",)},
        "but it has no task",
    ),
    "not promised": ({"can": "juggle"}, "'juggle': neither in the chapter's promise"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_an_outcome(fault):
    values, said = FAULTS[fault]
    assert any(said in problem for problem in outcomes.problems(changed(**values), KNOWN))


def test_a_new_promise_needs_an_outcome():
    promises = KNOWN.promises | {4: KNOWN.promises[4] + " and to juggle."}
    known = dataclasses.replace(KNOWN, promises=promises)
    (problem,) = outcomes.problems(FOUND, known)
    assert problem == "chapter 4 promises 'to juggle', which no outcome has."


def test_rows_name_tasks_and_questions_by_their_numbers():
    (row,) = [o for o in FOUND if o.can == "say what the loss has to be divided by and why"]
    assert outcomes.practised(row, KNOWN) == "exercise 4, task 2"
    assert outcomes.tested(row, KNOWN) == "self-check 4.7"


BEGIN, END = "<!-- from {} -->", "<!-- end of what is from {} -->"


@pytest.mark.parametrize("source", ["outcomes.yml", "inventory.yml", "simulated_class.py"])
@pytest.mark.parametrize("text", ["no marker", f"{BEGIN}\n{BEGIN}\n{END}", BEGIN, END])
def test_a_guide_without_its_markers_is_refused(text, source):
    with pytest.raises(guide_parts.GuideError, match="once each"):
        guide_parts.with_part(text.format(*[source] * 3), source, "| table |")
