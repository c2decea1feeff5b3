"""The summary of a class as CSV, one line for each question, misconception and task."""

from __future__ import annotations

import csv
import io

from nst_teach_checks.class_results.statistics import Count
from nst_teach_checks.class_results.summary import Summary

COLUMNS = (
    *("what", "id", "name", "before", "before_of", "after", "after_of", "after_low", "after_high"),
    *("attempts", "missed_for"),
)
"""`before` and `after` count students: who was right, who chose the misconception, who passed."""


def table(summary: Summary) -> str:
    """The table, with commas between cells; counts as they are, intervals in [0, 1]."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for q in summary.questions:
        missed = "; ".join(f"{name} ({number})" for name, number in q.missed_after)
        row = ("question", q.number, q.concept, *_counts(q.before, q.after), "", missed)
        writer.writerow(row)
    for m in summary.misconceptions:
        numbers = " ".join(map(str, m.questions))
        writer.writerow(("misconception", numbers, m.name, *_counts(m.before, m.after), "", ""))
    for t in summary.tasks:
        missed = "; ".join(f"{name} ({number})" for name, number in t.mistakes)
        counts = _counts(None, t.passed)
        writer.writerow(("task", t.task, t.title, *counts, f"{t.attempts:g}", missed))
    return buffer.getvalue()


def _counts(before: Count | None, after: Count | None) -> tuple[object, ...]:
    first = (before.number, before.of) if before else ("", "")
    if after is None:
        return (*first, "", "", "", "")
    ends = (f"{after.interval.low:.3f}", f"{after.interval.high:.3f}")
    return (*first, after.number, after.of, *ends)
