"""What the answers and reports of a class add up to. Students are counted, never named."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from statistics import median

from nst_teach_checks.class_results.inventory import Inventory, Question, load
from nst_teach_checks.class_results.reading import TIMES, Results, Sheet, TaskReport, Time
from nst_teach_checks.class_results.statistics import Count, Gain, gain

ENOUGH = 2 / 3
"""A question or a task that fewer students than this got right is worth repeating."""

Sheets = dict[Time, dict[str, Sheet]]
"""The sheets of a time by student."""

Tally = tuple[tuple[str, int], ...]
"""What was chosen or done, and by how many students, the most frequent first."""


@dataclass(frozen=True)
class QuestionResult:
    """How a question was answered before and after; `None` if the form was not taken.

    `missed_before` and `missed_after` name the misconceptions of the options that were chosen.
    """

    number: int
    concept: str
    chapter: int
    outcome: str
    before: Count | None
    after: Count | None
    missed_before: Tally
    missed_after: Tally

    @property
    def to_repeat(self) -> bool:
        """Whether too few had it right after the course."""
        return self.after is not None and self.after.share < ENOUGH

    @property
    def clear(self) -> bool:
        """Whether even the upper end of the interval is too low."""
        return self.after is not None and self.after.interval.high < ENOUGH


@dataclass(frozen=True)
class MisconceptionResult:
    """Students who chose an option that follows from a misconception, at least once in a form.

    `given_up` did so before only, `taken_up` after only; both count students with both forms.
    """

    name: str
    questions: tuple[int, ...]
    before: Count | None
    after: Count | None
    given_up: int
    taken_up: int


@dataclass(frozen=True)
class TaskResult:
    """How a task went, over the students whose reports hold its exercise.

    `attempts` is the median over those who tried, `mistakes` counts students for each mistake.
    """

    task: str
    title: str
    tried: Count
    passed: Count
    attempts: float
    mistakes: Tally


@dataclass(frozen=True)
class Summary:
    """One page's worth of numbers.

    Attributes:
        matched: students with both forms. If there are any, all but the tasks is about them alone.
        only: how many took one form only, by its time.
        absent: sheets without any answer, left out.
        forms: how many sheets of each form there are, by time.
        gain: `None` without a student who took both forms.
    """

    matched: int
    only: dict[Time, int]
    absent: int
    forms: dict[Time, dict[str, int]]
    gain: Gain | None
    questions: tuple[QuestionResult, ...]
    misconceptions: tuple[MisconceptionResult, ...]
    tasks: tuple[TaskResult, ...]
    reporting: int

    @property
    def to_repeat(self) -> list[QuestionResult]:
        """The questions that too few had right after the course, the worst first."""
        chosen = [q for q in self.questions if q.to_repeat]
        return sorted(chosen, key=lambda q: (q.after.share if q.after else 1.0, q.number))

    @property
    def tasks_to_repeat(self) -> list[TaskResult]:
        """The tasks that too few have passed, the worst first."""
        chosen = [t for t in self.tasks if t.passed.share < ENOUGH]
        return sorted(chosen, key=lambda t: (t.passed.share, t.task))


def summarise(results: Results, inventory: Inventory | None = None) -> Summary:
    """Count what was collected."""
    inventory = inventory or load()
    by_time: Sheets = {
        time: {s.student: s for s in results.sheets if s.time == time} for time in TIMES
    }
    before, after = by_time["before"], by_time["after"]
    matched = sorted(before.keys() & after.keys())
    only: dict[Time, int] = {time: len(by_time[time].keys() - set(matched)) for time in TIMES}
    forms: dict[Time, dict[str, int]] = {
        time: dict(Counter(s.form for s in by_time[time].values())) for time in TIMES
    }
    if matched:
        by_time = {time: {name: by_time[time][name] for name in matched} for time in TIMES}
    scores = [[_score(by_time[time][name], inventory) for name in matched] for time in TIMES]
    return Summary(
        matched=len(matched),
        only=only,
        absent=results.absent,
        forms=forms,
        gain=gain(*scores) if matched else None,
        questions=_questions(by_time, inventory),
        misconceptions=_misconceptions(by_time, matched, inventory),
        tasks=_tasks(results.reports),
        reporting=len({report.student for report in results.reports}),
    )


def _score(sheet: Sheet, inventory: Inventory) -> float:
    """The part of the questions that was answered right; what was left empty was not."""
    questions = inventory.forms[sheet.form]
    right = [a == q.right for a, q in zip(sheet.answers, questions, strict=True)]
    return sum(right) / len(right)


def _questions(sheets: Sheets, inventory: Inventory) -> tuple[QuestionResult, ...]:
    results = []
    for place, question in enumerate(next(iter(inventory.forms.values()))):
        counts: dict[Time, Count | None] = {}
        missed: dict[Time, Tally] = {}
        for time in TIMES:
            chosen = [_chosen(sheet, place, inventory) for sheet in sheets[time].values()]
            counts[time] = Count(chosen.count(RIGHT), len(chosen)) if chosen else None
            wrong = (key for key in chosen if key not in (RIGHT, NOTHING))
            missed[time] = _tally(inventory.misconceptions[key] for key in wrong)
        results.append(
            QuestionResult(
                place + 1,
                question.concept,
                question.chapter,
                question.outcome,
                counts["before"],
                counts["after"],
                missed["before"],
                missed["after"],
            )
        )
    return tuple(results)


RIGHT, NOTHING = "right", ""


def _chosen(sheet: Sheet, place: int, inventory: Inventory) -> str:
    """The key of the misconception that a student's answer follows from, `RIGHT` or `NOTHING`."""
    answer = sheet.answers[place]
    if answer is None:
        return NOTHING
    return inventory.forms[sheet.form][place].options[answer].misconception or RIGHT


def _misconceptions(
    sheets: Sheets, matched: Collection[str], inventory: Inventory
) -> tuple[MisconceptionResult, ...]:
    """Each misconception that anybody showed, the most frequent after the course first."""
    holders: dict[Time, dict[str, set[str]]] = {
        time: _holders(sheets[time], inventory) for time in TIMES
    }
    asked = _asked(next(iter(inventory.forms.values())))
    results = []
    for key, name in inventory.misconceptions.items():
        first, second = (holders[time][key] for time in TIMES)
        if not first and not second:
            continue
        results.append(
            MisconceptionResult(
                name=name,
                questions=asked[key],
                before=Count(len(first), len(sheets["before"])) if sheets["before"] else None,
                after=Count(len(second), len(sheets["after"])) if sheets["after"] else None,
                given_up=len((first - second).intersection(matched)),
                taken_up=len((second - first).intersection(matched)),
            )
        )
    return tuple(sorted(results, key=_frequency, reverse=True))


def _frequency(result: MisconceptionResult) -> tuple[int, int]:
    counts = (result.after, result.before)
    after, before = (count.number if count else 0 for count in counts)
    return after, before


def _holders(sheets: dict[str, Sheet], inventory: Inventory) -> dict[str, set[str]]:
    """The students who chose an option of a misconception at least once, by its key."""
    holders: dict[str, set[str]] = defaultdict(set)
    for student, sheet in sheets.items():
        for place in range(len(sheet.answers)):
            holders[_chosen(sheet, place, inventory)].add(student)
    return holders


def _asked(questions: Collection[Question]) -> dict[str, tuple[int, ...]]:
    """The numbers of the questions with an option of a misconception, by its key."""
    asked: dict[str, tuple[int, ...]] = defaultdict(tuple)
    for number, question in enumerate(questions, start=1):
        for option in question.options:
            if option.misconception:
                asked[option.misconception] += (number,)
    return asked


def _tasks(reports: Collection[TaskReport]) -> tuple[TaskResult, ...]:
    by_task: dict[str, list[TaskReport]] = defaultdict(list)
    for report in reports:
        by_task[report.task].append(report)
    in_order = sorted(by_task.items(), key=lambda item: item[0].partition(".")[0])  # stable
    return tuple(_task(task, entries) for task, entries in in_order)


def _task(task: str, entries: list[TaskReport]) -> TaskResult:
    attempts = [entry.attempts for entry in entries if entry.attempts]
    return TaskResult(
        task=task,
        title=entries[0].title,
        tried=Count(len(attempts), len(entries)),
        passed=Count(sum(entry.passed for entry in entries), len(entries)),
        attempts=float(median(attempts)) if attempts else 0.0,
        mistakes=_tally(name for entry in entries for name in set(entry.mistakes)),
    )


def _tally(names: Iterable[str]) -> Tally:
    """How often each name occurs, the most frequent first, then by the alphabet."""
    counted = Counter(names)
    return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
