"""Invent a class whose learning is known, and write what a teacher would have collected from it.

    python tools/simulated_class.py ~/results --students 12     before.csv, after.csv, reports/
    nst-teach class ~/results -o class.html
    python tools/simulated_class.py --guide                     the table in the teacher's guide

A model with few parameters, each of which the summary of a class has to recover. A student is weak,
middling or strong: `ability` is -SPREAD, 0 or +SPREAD, equally often. Question q is answered right
with the probability `right[time][q] + ability`, independently of the others. Whoever is wrong
chooses the option k of the wrong ones with the probability `wrong[q][k]`, before and after. A task
is tried again until it is passed, at most `MOST_ATTEMPTS` times; an attempt passes with a
probability of its own, and shows one of two mistakes otherwise.

Everything that the tests compare is a closed form of these parameters.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from guide_parts import GUIDE, with_part
from numpy.typing import NDArray

from nst_teach_checks.class_results import words
from nst_teach_checks.class_results.inventory import LETTERS, Inventory, load
from nst_teach_checks.class_results.reading import TIMES, read
from nst_teach_checks.class_results.summary import summarise

ROOT = Path(__file__).resolve().parents[1]

STUDENTS, SEED = 12, 1
"""The class of the guide."""

Array = NDArray[np.float64]

SPREAD = 0.12
ABILITIES = (-SPREAD, 0.0, SPREAD)
FORMS = {"before": "A", "after": "B"}

MOST_ATTEMPTS = 5
TASKS = {
    "ex03.content_loss": ("The content loss", 0.6, ("half-missing", "mean-for-sum")),
    "ex04.gram_matrix": ("The Gram matrices of a batch", 0.35, ("batch-folded", "wrong-shape")),
    "ex05.our_beta": ("Another tutorial's β", 0.15, ("half-forgotten", "filters-once")),
}
"""Of each task: its title, the probability that an attempt passes, and two mistakes it may show."""


@dataclass(frozen=True)
class Model:
    """Probabilities that are known.

    Attributes:
        right: by time, for each question, over all students; shape `(questions,)`.
        wrong: how the wrong answers are spread; shape `(questions, 3)`, rows that sum to 1.
    """

    right: dict[str, Array]
    wrong: Array

    def gain(self) -> float:
        """The class's normalised gain, from the mean scores."""
        before, after = (self.right[time].mean() for time in TIMES)
        return float((after - before) / (1 - before))

    def deviation_of_gain(self) -> float:
        """√n times the standard deviation of the gain of n students, by the delta method."""
        gain, ability = self.gain(), float(np.var(ABILITIES))
        variance = 0.0
        for time, factor in zip(TIMES, (1 - gain, 1.0), strict=True):
            p = self.right[time]
            within = np.mean([(p + a) * (1 - p - a) for a in ABILITIES]) / len(p)
            variance += factor**2 * (within + ability)
        variance -= 2 * (1 - gain) * ability  # what the two scores of a student have in common
        return float(np.sqrt(variance) / (1 - self.right["before"].mean()))

    def single_gain(self) -> tuple[float, float]:
        """Mean and standard deviation of a student's own gain, where it is defined.

        From the exact distribution of both scores, for each ability.
        """
        number = len(self.wrong)
        y, x = np.arange(number)[:, None], np.arange(number + 1)[None, :]  # before, after
        gains = (x - y) / (number - y)
        weight = np.zeros_like(gains)
        for ability in ABILITIES:
            before, after = (_scores(self.right[time] + ability) for time in TIMES)
            weight += np.outer(before[:-1], after)
        weight /= weight.sum()
        mean = float((weight * gains).sum())
        return mean, float(np.sqrt((weight * (gains - mean) ** 2).sum()))

    def holds(self, time: str, misconception: str, inventory: Inventory) -> float:
        """The probability that a student chooses options of a misconception at least once."""
        never = np.ones(len(ABILITIES))
        for place, question in enumerate(inventory.forms[FORMS[time]]):
            for option, share in zip(_wrong(question.options), self.wrong[place], strict=True):
                if option.misconception == misconception:
                    never *= 1 - (1 - self.right[time][place] - np.array(ABILITIES)) * share
        return float(1 - never.mean())

    def draw(self, students: int, seed: int) -> dict[str, NDArray[np.int64]]:
        """The answers of a class, `(students, questions)`: 0 is right, 1 to 3 are wrong."""
        random = np.random.default_rng(seed)
        ability = random.choice(ABILITIES, size=(students, 1))
        answers = {}
        for time in TIMES:
            shape = (students, len(self.wrong))
            right = random.random(shape) < self.right[time] + ability
            edges = self.wrong.cumsum(axis=1)[:, :-1]
            option = 1 + (random.random((*shape, 1)) > edges).sum(axis=-1)
            answers[time] = np.where(right, 0, option)
        return answers


def _wrong(options):
    """The wrong options, in an order that both forms share: by their misconceptions."""
    return sorted((o for o in options if o.misconception), key=lambda o: o.misconception)


def _scores(p: Array) -> Array:
    """The distribution of the number of right answers with these probabilities."""
    distribution = np.ones(1)
    for probability in p:
        distribution = np.convolve(distribution, (1 - probability, probability))
    return distribution


def model(learning: bool = True) -> Model:
    """The class of the teacher's guide. Without learning, nothing changes between the forms."""
    random = np.random.default_rng(7)
    number = len(load().forms["A"])
    before = random.uniform(0.2, 0.5, number)
    after = before + (0.85 - before) * random.uniform(0.1, 1.0, number)
    wrong = random.dirichlet((2.0, 2.0, 2.0), number)
    return Model({"before": before, "after": after if learning else before}, wrong)


def letters(answers: NDArray[np.int64], form: str, inventory: Inventory) -> list[list[str]]:
    """What the students mark on the sheets of a form."""
    orders = []
    for question in inventory.forms[form]:
        wrong = [question.options.index(option) for option in _wrong(question.options)]
        orders.append([LETTERS[place] for place in (question.right, *wrong)])
    return [[order[a] for a, order in zip(row, orders, strict=True)] for row in answers]


def reports(students: int, seed: int) -> list[dict[str, object]]:
    """The reports of a class, in the form of `nst_teach_checks.save_report`."""
    random = np.random.default_rng(seed)
    return [
        {
            "format": 1,
            "exercises": [
                {"exercise": task[:4], "tasks": [_task(task, title, passes, names, random)]}
                for task, (title, passes, names) in TASKS.items()
            ],
        }
        for _ in range(students)
    ]


def _task(
    task: str, title: str, passes: float, names: tuple[str, ...], random: np.random.Generator
) -> dict[str, object]:
    failed = min(MOST_ATTEMPTS, int(random.geometric(passes)) - 1)
    passed = failed < MOST_ATTEMPTS
    return {
        "id": task,
        "title": title,
        "points": 1,
        "earned": int(passed),
        "status": "passed" if passed else "rejected",
        "attempts": failed + passed,
        "mistakes": [str(random.choice(names)) for _ in range(failed)],
    }


def write(folder: Path, of: Model, students: int, seed: int) -> None:
    """Write before.csv, after.csv and reports/, as a teacher would have collected them."""
    inventory = load()
    names = [f"s{number:04d}" for number in range(1, students + 1)]
    (folder / "reports").mkdir(parents=True, exist_ok=True)
    for time, answers in of.draw(students, seed).items():
        form = FORMS[time]
        head = ["student", *(question.name for question in inventory.forms[form])]
        rows = zip(names, letters(answers, form, inventory), strict=True)
        with (folder / f"{time}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head, *([name, *row] for name, row in rows)])
    for name, report in zip(names, reports(students, seed), strict=True):
        path = folder / "reports" / f"{name}.json"
        path.write_text(json.dumps(report, indent=2), encoding="utf-8")


def excerpt() -> str:
    """A few lines of the page of the class of `STUDENTS`, as a table for the teacher's guide."""
    of = model()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), of, STUDENTS, SEED)
        summary = summarise(read(Path(folder)))
    held, task = summary.misconceptions[0], summary.tasks[-1]
    first = summary.to_repeat[0]
    rows = [
        ("of the simulated class", "the page says"),
        ("---", "---"),
        *words.gains(summary),
        (
            "to be repeated first",
            f"chapter {first.chapter}, {first.outcome}: {words.repeat(first)}",
        ),
        (
            "the most frequent misconception",
            f"{held.name}: {words.short(held.before)} before, {words.share(held.after)} after",
        ),
        (
            f"the task *{task.title}*",
            f"passed by {words.share(task.passed)}, median of the attempts {words.attempts(task)}, "
            f"mistakes {words.mistakes(task)}",
        ),
        ("*the true gain, which no page knows*", f"*{of.gain():.2f}*"),
    ]
    return "".join(f"| {name} | {value} |\n" for name, value in rows)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Write the results of an invented class.")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--guide", action="store_true", help="write the table of the guide instead")
    parser.add_argument("--students", type=int, default=STUDENTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--without-learning", action="store_true")
    options = parser.parse_args()
    if options.guide:
        guide = ROOT / GUIDE
        text = with_part(guide.read_text(encoding="utf-8"), Path(__file__).name, excerpt())
        guide.write_text(text, encoding="utf-8")
        return
    if options.folder is None:
        parser.error("name the folder that is to be written, or give --guide")
    truth = model(not options.without_learning)
    write(options.folder, truth, options.students, options.seed)
    print(f"The true gain of such a class is {truth.gain():.2f}.")


if __name__ == "__main__":
    main()
