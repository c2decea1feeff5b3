"""Gains and proportions with 95 % intervals, so that a class of twelve is not over-read.

Numbers alone: nothing here knows a question, a student or a page, and nothing is drawn at random.
Proportions have the exact interval of Clopper and Pearson (Biometrika 26, 1934). Means have
Student's interval, and a ratio of means has Fieller's (J. R. Stat. Soc. B 16, 1954), which are
exact if what is averaged is normal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, stdtrit

CONFIDENCE = 0.95
FEWEST = 5
"""Students needed for the interval of a gain. Fewer may score alike by chance, and look certain."""

TAIL = (1 - CONFIDENCE) / 2


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, in the unit of the estimate."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Count:
    """So many of so many students, with `of` > 0."""

    number: int
    of: int

    @property
    def share(self) -> float:
        """The proportion, in [0, 1]."""
        return self.number / self.of

    @property
    def interval(self) -> Interval:
        """The exact interval for the proportion, whatever the number of students."""
        return proportion(self.number, self.of)


@dataclass(frozen=True)
class Gain:
    """The normalised gain of a class (Hake, Am. J. Phys. 66, 1998): the part of what was missing
    before that was there after.

    Attributes:
        students: who took both forms.
        before, after: their mean scores, in [0, 1].
        of_means: the gain of the class, (after - before) / (1 - before); `None` if before is 1.
        of_means_interval: Fieller's; `None` for fewer than `FEWEST` students, or if nearly all was
            right before, so that the denominator may be zero.
        mean: the mean of the students' own gains.
        mean_interval: Student's; `None` for fewer than `FEWEST` students.
        full: students who had everything right before. They have no gain, and no part in `mean`.
    """

    students: int
    before: float
    after: float
    of_means: float | None
    of_means_interval: Interval | None
    mean: float | None
    mean_interval: Interval | None
    full: int


def gain(before: ArrayLike, after: ArrayLike) -> Gain:
    """The gain of students whose scores, in [0, 1], are in the same order in both lists.

    Raises:
        ValueError: no student, or lists of different lengths.
    """
    first, second = np.asarray(before, float), np.asarray(after, float)
    if len(first) != len(second) or len(first) == 0:
        raise ValueError(
            f"{len(first)} scores before and {len(second)} after were given; expected the same "
            "number, at least one: leave out whoever lacks one of the two."
        )
    gained, missing = second - first, 1 - first
    open_ = missing > 0
    own = gained[open_] / missing[open_]
    return Gain(
        students=len(first),
        before=float(first.mean()),
        after=float(second.mean()),
        of_means=float(gained.mean() / missing.mean()) if open_.any() else None,
        of_means_interval=ratio_of_means(gained, missing),
        mean=float(own.mean()) if len(own) else None,
        mean_interval=mean(own),
        full=int((~open_).sum()),
    )


def proportion(number: int, of: int) -> Interval:
    """The interval of Clopper and Pearson for a proportion of which `number` in `of` were seen."""
    low = float(betaincinv(number, of - number + 1, TAIL)) if number else 0.0
    high = float(betaincinv(number + 1, of - number, 1 - TAIL)) if number < of else 1.0
    return Interval(low, high)


def mean(values: NDArray[np.float64]) -> Interval | None:
    """Student's interval for the mean of a sample; `None` for fewer than `FEWEST` values."""
    if len(values) < FEWEST:
        return None
    centre, reach = values.mean(), _quantile(len(values)) * values.std(ddof=1)
    half = reach / np.sqrt(len(values))
    return Interval(float(centre - half), float(centre + half))


def ratio_of_means(
    numerators: NDArray[np.float64], denominators: NDArray[np.float64]
) -> Interval | None:
    """Fieller's interval for the ratio of the means of two quantities measured on each student.

    It contains every g for which a t test does not reject that numerator - g · denominator has the
    mean 0. `None` for fewer than `FEWEST` students, or if the mean of the denominators is not
    distinguishable from 0: then the ratio may be anything.
    """
    number = len(numerators)
    if number < FEWEST:
        return None
    spread: NDArray[Any] = np.cov(numerators, denominators) * _quantile(number) ** 2 / number
    x, y = numerators.mean(), denominators.mean()
    a, b, c = y * y - spread[1, 1], x * y - spread[0, 1], x * x - spread[0, 0]
    if a <= 0:
        return None
    root = np.sqrt(max(0.0, b * b - a * c))
    return Interval(float((b - root) / a), float((b + root) / a))


def _quantile(number: int) -> float:
    """Of Student's distribution, for the mean of so many values."""
    return float(stdtrit(number - 1, 1 - TAIL))
