"""What the page and the terminal say in the same words: the counts, the gain, the rule."""

from __future__ import annotations

from nst_teach_checks.class_results.statistics import FEWEST, Count, Interval
from nst_teach_checks.class_results.summary import QuestionResult, Summary, Tally, TaskResult

PRIVACY = (
    "No student is named here, and nothing has been sent anywhere. In a small class a count of one "
    "may still tell who it is: show the class what it needs, and not this page."
)

RULE = (
    "Repeat an outcome if fewer than two thirds of the students had its question right after the "
    "course, and a task if fewer than two thirds have passed it. A question is marked as clear if "
    "even the upper end of its interval lies below two thirds; of 24 questions, one may get this "
    "mark by chance. The others are marked as unclear: the class may be better than it looks here."
)

INTERVALS = (
    "The 95 % interval of a number holds the true values that are compatible with it: computed for "
    "many classes, such intervals contain the true value in about 95 of 100, or in more. "
    "Proportions have the exact interval of Clopper and Pearson, the gain of the class has "
    "Fieller's, and the mean of the individual gains has Student's."
)

FORMS = (
    "Nobody has compared the difficulty of the two forms so far. A gain compares one form with the "
    "other, so part of it may be a difference between the forms."
)

ATTEMPTS = (
    "A report holds the points, the attempts and the names of the mistakes of one session. The "
    "hints that were shown are not in it, and neither are attempts before the kernel was restarted."
)

HIGH, MEDIUM = 0.7, 0.3
"""Hake calls a gain of at least 0.7 high, and one below 0.3 low."""


def who(summary: Summary) -> str:
    """Who was counted, and who was left out, in numbers."""
    if not any(summary.forms.values()):
        return "No answers to the inventory were found."
    before, after = (sum(summary.forms[time].values()) for time in ("before", "after"))
    if summary.matched:
        words = f"{students(summary.matched)} took both forms"
        left = [f"{n} only the form {time}" for time, n in summary.only.items() if n]
        words += f"; {' and '.join(left)}, and {LEFT_OUT}" if left else ""
    else:
        words = f"Nobody took both forms: {before} before, {after} after"
    if summary.absent:
        words += f". Sheets without any answer, left out: {summary.absent}"
    return f"{words}. {taken(summary)}"


LEFT_OUT = "whoever lacks one of the two is left out of everything but the tasks"


def taken(summary: Summary) -> str:
    """Which form was taken when."""
    parts = [
        f"form {form} {time} ({number})"
        for time, forms in summary.forms.items()
        for form, number in sorted(forms.items())
    ]
    return f"Sheets: {', '.join(parts)}."


def gains(summary: Summary) -> list[tuple[str, str]]:
    """The scores and both gains: what each is, and its number with the interval."""
    gain = summary.gain
    if gain is None:
        return []
    few = f"no interval for fewer than {FEWEST} students"
    rows = [("mean score before", percent(gain.before)), ("mean score after", percent(gain.after))]
    if gain.of_means is None or gain.mean is None:
        return [*rows, ("normalised gain", "not defined: everything was right before")]
    why = few if gain.students < FEWEST else "no interval: nearly everything was right before"
    single = gain.students - gain.full
    note = f"; {students(gain.full)} with everything right before left out" if gain.full else ""
    return [
        *rows,
        (
            "gain of the class, from the two means",
            f"{gain.of_means:.2f} ({between(gain.of_means_interval, why)})",
        ),
        (
            f"mean of the gains of {students(single)}{note}",
            f"{gain.mean:.2f} ({between(gain.mean_interval, few)})",
        ),
    ]


def judged(summary: Summary) -> str:
    """What can be said of the class's gain, given its interval."""
    gain = summary.gain
    if gain is None or gain.of_means is None:
        return ""
    if gain.of_means_interval is None:
        return "Too little is known for a statement about the gain."
    if 0 in gain.of_means_interval:
        return "The interval contains 0: these numbers do not show that the class has learned."
    if gain.of_means_interval.high < 0:
        return "The whole interval lies below 0: were the forms or the files mixed up?"
    low, high = (_called(x) for x in (gain.of_means_interval.low, gain.of_means_interval.high))
    return f"In Hake's words, this gain is {low if low == high else f'{low} to {high}'}."


def _called(gain: float) -> str:
    if gain >= HIGH:
        return "high"
    return "medium" if gain >= MEDIUM else "low"


def between(interval: Interval | None, otherwise: str) -> str:
    """An interval in the unit of a gain, or why there is none."""
    return f"95 %: {interval.low:.2f} to {interval.high:.2f}" if interval else otherwise


def share(count: Count | None) -> str:
    """So many of so many, with the proportion and its interval."""
    return f"{short(count)} ({reach(count)})" if count else "–"


def short(count: Count | None) -> str:
    """So many of so many."""
    return f"{count.number} of {count.of}" if count else "–"


def percent(number: float) -> str:
    """A number in [0, 1], in whole per cent."""
    return f"{100 * number:.0f} %"


def reach(count: Count) -> str:
    """The interval of a proportion, in per cent."""
    return f"{100 * count.interval.low:.0f}–{100 * count.interval.high:.0f} %"


def tally(entries: Tally, most: int = 3) -> str:
    """What was chosen and by how many; the rest is counted."""
    shown = [f"{name} ({number})" for name, number in entries[:most]]
    more = sum(number for _, number in entries[most:])
    return "; ".join([*shown, f"others ({more})"] if more else shown)


def mistakes(task: TaskResult, most: int = 3) -> str:
    """The mistakes that were met in a task, in words, by students."""
    return tally(tuple((name.replace("-", " "), n) for name, n in task.mistakes), most)


def repeat(question: QuestionResult) -> str:
    """Why an outcome is to be repeated."""
    sure = "clear" if question.clear else "unclear"
    missed = tally(question.missed_after[:1])
    words = f"right after: {share(question.after)}, {sure}"
    return f"{words}; mostly chosen instead: {missed}" if missed else words


def attempts(task: TaskResult) -> str:
    """The median of the attempts; half of an attempt is possible, nought is not."""
    return f"{task.attempts:g}" if task.attempts else "–"


def students(number: int) -> str:
    """So many students."""
    return "1 student" if number == 1 else f"{number} students"


def nothing(summary: Summary) -> str:
    """Why there is nothing to repeat."""
    if summary.tasks or any(question.after for question in summary.questions):
        return "Nothing, by this rule."
    return "Not known yet: there are no answers from after the course."
