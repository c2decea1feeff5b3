"""The summary of a class for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from nst_teach_checks.class_results import words
from nst_teach_checks.class_results.summary import Summary

WIDTH = 96
MOST = 12
"""Misconceptions that a terminal shows; the page and the table have all."""


def lines(summary: Summary) -> Iterator[str]:
    """The whole text, line by line."""
    yield from wrap(words.who(summary), WIDTH)
    for name, value in words.gains(summary):
        yield f"  {name}: {value}"
    if judged := words.judged(summary):
        yield f"  {judged}"
    if summary.matched or any(summary.forms.values()):
        yield from _questions(summary)
        yield from _misconceptions(summary)
    if summary.tasks:
        yield from _tasks(summary)
    yield from _repeat(summary)
    yield ""
    yield from wrap(words.INTERVALS, WIDTH)


def _questions(summary: Summary) -> Iterator[str]:
    yield from ("", "Questions, right before and after (95 % interval)")
    for entry in summary.questions:
        counts = f"{words.short(entry.before):>8}  {words.share(entry.after)}"
        yield f"  {entry.number:2}  {entry.concept:36} {counts}"


def _misconceptions(summary: Summary) -> Iterator[str]:
    yield from ("", "Misconceptions, by students who chose them before and after")
    for entry in summary.misconceptions[:MOST]:
        counts = f"{words.short(entry.before):>8}  {words.share(entry.after)}"
        yield f"  {entry.name:52} {counts}"
    if (more := len(summary.misconceptions) - MOST) > 0:
        yield f"  … and {more} less frequent ones, on the page"


def _tasks(summary: Summary) -> Iterator[str]:
    yield from ("", f"Tasks of the exercises, reports of {words.students(summary.reporting)}")
    for entry in summary.tasks:
        counts = f"{words.short(entry.passed):>8} passed, attempts {words.attempts(entry):>3}"
        yield f"  {entry.task:34} {counts}  {words.mistakes(entry, 2)}".rstrip()


def _repeat(summary: Summary) -> Iterator[str]:
    yield from ("", "What to repeat next")
    yield from wrap(words.RULE, WIDTH, initial_indent="  ", subsequent_indent="  ")
    for entry in summary.to_repeat:
        yield f"  chapter {entry.chapter}: {entry.outcome}"
        yield from wrap(words.repeat(entry), WIDTH, initial_indent="      ",
                        subsequent_indent="      ")  # fmt: skip
    for task in summary.tasks_to_repeat:
        yield f"  {task.task}: {task.title}, passed by {words.share(task.passed)}"
    if not summary.to_repeat and not summary.tasks_to_repeat:
        yield f"  {words.nothing(summary)}"
