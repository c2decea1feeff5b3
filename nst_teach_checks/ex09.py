"""Checks of exercise 9: clouds of features, distances between them, and their blind spots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from nst_teach import losses
from nst_teach_checks._core import Answer, Mistake, task

__all__ = [
    "by_grams",
    "exchange",
    "mmd_squared",
    "sliced_distance",
    "statistics_distance",
]

CHAPTER = "09_why_gram_works"

TYPES = (torch.float32, torch.float64)

KINDS = ((1, torch.float32), (3, torch.float32), (2, torch.float64))
"""One picture, a batch, and double precision."""

EPSILON = 1e-4
"""Added to variances in task 4; the notebook gives the same number."""

LINES = 15
"""Directions in which task 5 looks at a cloud: more than any layer here has filters or points."""

LUCK = 1e-4
"""How far two means may be apart that ought to be the same."""

CROWD = (3, 20, 24)
"""Filters, rows and columns of a cloud in which pairs of points far outnumber everything else."""


def _clouds(answer: Answer, dtype: torch.dtype, *, equal: bool = False) -> tuple[Tensor, Tensor]:
    """Two clouds `(N, M)` and `(N, M')`, none below 0.

    No two points are equal: with ties, a sort's gradient would depend on who sorts.
    """
    filters, one, other = answer.inputs.sides(3)
    other = one if equal else other
    normal = answer.inputs.normal
    return normal(filters, one, dtype=dtype).abs(), normal(filters, other, dtype=dtype).abs()


def _layers(answer: Answer, batch: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Features of two batches of pictures; those of the style are larger."""
    (features,) = answer.inputs.features(1, batch, dtype)
    height, width = (side + more for side, more in zip(features.shape[2:], (3, 2), strict=True))
    style = answer.inputs.normal(batch, features.shape[1], height, width, dtype=dtype)
    return features, 0.5 + style.relu()


# 1 The distance between two clouds


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x.mT @ y).square()


def _mmd(
    f: Tensor, s: Tensor, kernel: Callable[[Tensor, Tensor], Tensor] = _kernel,
    middle: Callable[[Tensor], Tensor] = torch.mean, cross: float = -2.0,
) -> Tensor:  # fmt: skip
    """MMD² as the formula says; the options make it a wrong one."""
    return middle(kernel(f, f)) + middle(kernel(s, s)) + cross * middle(kernel(f, s))


def _mean_then_square(products: Tensor) -> Tensor:
    return products.mean().square()


def _without_itself(similarities: Tensor) -> Tensor:
    return similarities.mean() if similarities.shape[0] != similarities.shape[1] else (
        (similarities.sum() - similarities.diagonal().sum())
        / (len(similarities) * (len(similarities) - 1))
    )  # fmt: skip


TOY = (
    "Take one filter, with the single point 1 in the first cloud and the single point 2 in the "
    "second. What should the result be, and what is yours?"
)
NOTHING = "Pass the same cloud twice. What is the distance of a cloud from itself?"

MMD = (
    Mistake(
        "kernel-not-squared", lambda f, s: _mmd(f, s, lambda x, y: x.mT @ y),
        "That is the distance for another kernel, which sees only the means of the clouds.",
    ),
    Mistake(
        "squared-too-late",
        lambda f, s: _mmd(f, s, lambda x, y: x.mT @ y, _mean_then_square),
        "The kernel is applied to each pair of points. Which comes first in the formula, the "
        "square or the sum over the pairs?",
    ),
    Mistake("cross-term-once", lambda f, s: _mmd(f, s, cross=-1.0), NOTHING),
    Mistake("cross-term-added", lambda f, s: _mmd(f, s, cross=2.0), NOTHING),
    Mistake("cross-term-added", lambda f, s: _mmd(f, s, cross=1.0), NOTHING),
    Mistake("cross-term-missing", lambda f, s: _mmd(f, s, cross=0.0), NOTHING),
    Mistake(
        "sum-for-mean", lambda f, s: _mmd(f, s, middle=torch.sum),
        "List each point of one cloud twice. That does not change the mean over the pairs: does "
        "it change your distance?",
    ),
    Mistake(
        "pairs-with-itself-left-out", lambda f, s: _mmd(f, s, middle=_without_itself),
        "You leave out the similarity of each point to itself. Statisticians do so when a cloud "
        "is a sample of something larger. Does the formula?",
    ),
    Mistake(
        "root-taken", lambda f, s: _mmd(f, s).sqrt(),
        "Your result was right before the last step, which does not occur in the formula.",
    ),
)  # fmt: skip


@task("The distance between two clouds", points=2,
      reread=(CHAPTER, "The distance between two clouds"))  # fmt: skip
def mmd_squared(answer: Answer) -> None:
    """`mmd_squared(f, s)`: MMD² of two clouds of columns with the kernel (fᵀs)²."""
    cases = [_clouds(answer, dtype) for dtype in (*TYPES, torch.float32)]
    answer.compare(_mmd, cases, mistakes=MMD, otherwise=TOY)
    answer.gradients(_mmd, cases[0])


# 2 The same distance from Gram matrices


def _gram(features: Tensor, count: int | None = None) -> Tensor:
    """F Fᵀ over the number of positions, or over another count."""
    f = features.flatten(2)
    return f @ f.mT / (f.shape[-1] if count is None else count)


def _gram_distance(features: Tensor, style: Tensor) -> Tensor:
    return (_gram(features) - _gram(style)).square().sum((1, 2))


def _folded(features: Tensor) -> Tensor:
    """The whole batch as one picture with more positions, which it is not."""
    return features.transpose(0, 1).flatten(1)[None, :, :, None]


def _positions(x: Tensor) -> int:
    return x.shape[2] * x.shape[3]


COUNTS = (
    "Put two copies of the style one above the other. Its cloud is the same, with each point "
    "twice. What happens to your distance?"
)
CONSTANTS = "Compare with task 1, first for a layer of one filter, then for a layer of two."
BATCH = "Pass a batch of three different images. How many distances should you get?"

BY_GRAMS = (
    Mistake(
        "not-divided-by-positions",
        lambda f, s: (_gram(f, 1) - _gram(s, 1)).square().sum((1, 2)), COUNTS,
    ),
    Mistake(
        "one-count-for-both",
        lambda f, s: (_gram(f) - _gram(s, _positions(f))).square().sum((1, 2)), COUNTS,
    ),
    Mistake(
        "divided-twice",
        lambda f, s: (
            _gram(f, _positions(f) ** 2) - _gram(s, _positions(s) ** 2)
        ).square().sum((1, 2)), COUNTS,
    ),
    Mistake(
        "mean-for-sum",
        lambda f, s: (_gram(f) - _gram(s)).square().mean((1, 2)), CONSTANTS,
    ),
    Mistake(
        "style-loss-returned",
        lambda f, s: 0.25 * (_gram(f) - _gram(s)).square().mean((1, 2)),
        "That is E, the style loss. By which factor is it smaller than the distance, and on what "
        "does the factor depend?",
    ),
    Mistake(
        "style-loss-returned", lambda f, s: losses.style_loss(_gram(f), _gram(s)),
        "That is E, the style loss, as one number for the whole batch. The task asks for the "
        "distance, one for each image.",
    ),
    Mistake(
        "batch-folded", lambda f, s: _gram_distance(_folded(f), _folded(s)),
        "You have put the points of all images into one cloud. Each image has a cloud of its own.",
    ),
    Mistake(
        "batch-folded", lambda f, s: _gram_distance(_folded(f), _folded(s))[0],
        "You have put the points of all images into one cloud. Each image has a cloud of its own.",
    ),
    Mistake("batch-summed", lambda f, s: _gram_distance(f, s).sum(), BATCH),
    Mistake("batch-summed", lambda f, s: _gram_distance(f, s).mean(), BATCH),
    Mistake("batch-summed", lambda f, s: _gram_distance(f, s)[0], BATCH),
    Mistake(
        "root-taken", lambda f, s: _gram_distance(f, s).sqrt(),
        "Double all features of both. By what factor should the distance grow? (The kernel "
        "contains a square, and so does the Gram matrix.)",
    ),
    Mistake(
        "absolute-for-squared", lambda f, s: (_gram(f) - _gram(s)).abs().sum((1, 2)),
        "Double all features of both. By what factor should the distance grow? (The kernel "
        "contains a square, and so does the Gram matrix.)",
    ),
)  # fmt: skip


class _Largest(TorchDispatchMode):
    """Watches torch and remembers the size of the largest tensor that it makes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.numbers = 0

    def __torch_dispatch__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        if isinstance(output, Tensor):
            self.numbers = max(self.numbers, output.numel())
        return output


@task("Without pairs", points=2, reread=(CHAPTER, "The distance between two clouds"))
def by_grams(answer: Answer) -> None:
    """`by_grams(features, style)`: the same distance for `(B, N, h, w)`, without pairs."""
    cases = [_layers(answer, batch, dtype) for batch, dtype in KINDS]
    answer.compare(_by_pairs, cases, mistakes=BY_GRAMS, otherwise=CONSTANTS)
    answer.gradients(_gram_distance, cases[0])
    _must_not_make_pairs(answer)


def _by_pairs(features: Tensor, style: Tensor) -> Tensor:
    """The oracle knows no Gram matrix: it compares all pairs of points."""
    pairs = zip(features.flatten(2), style.flatten(2), strict=True)
    return torch.stack([_mmd(f.double(), s.double()).to(f.dtype) for f, s in pairs])


def _must_not_make_pairs(answer: Answer) -> None:
    filters, height, width = CROWD
    crowd, points = answer.inputs.normal(1, *CROWD), height * width
    with _Largest() as largest:
        answer.guarded(lambda: answer.value(crowd, crowd[..., 1:]))
    if largest.numbers >= points * (width - 1):
        answer.reject(
            "all-pairs", f"for {points} points you create a tensor of {largest.numbers} numbers",
            "The distance is right, but it costs too much: you store a number for each pair of "
            f"points. A Gram matrix of {filters} filters has only {filters ** 2} numbers, however "
            "many points there are.",
        )  # fmt: skip


# 3 The same Gram entry, another mean


def _two_levels(values: Tensor, mean: float) -> Tensor:
    """Half the values above the mean, half below, as far as the mean square asks for."""
    spread = (values.square().mean() - mean**2).sqrt()
    return _levels(values, mean, spread)


def _levels(values: Tensor, mean: float, spread: Any) -> Tensor:
    signs = torch.ones_like(values)
    signs[::2] = -1
    levels: Tensor = mean + spread * signs
    return levels


def _standardised(values: Tensor, mean: float, correction: int) -> Tensor:
    spread = (values.square().mean() - mean**2).sqrt()
    return (values - values.mean()) / values.std(correction=correction) * spread + mean


def _moments(function: Callable[..., Tensor], values: Tensor, mean: float) -> dict[str, Tensor]:
    made = function(values, mean)
    return {"mean": made.mean(), "mean square": made.square().mean()}


def _with_moments(name: str, make: Callable[..., Tensor], hint: str) -> Mistake:
    return Mistake(name, lambda values, mean: _moments(make, values, mean), hint)


def _moved_then_scaled(values: Tensor, mean: float) -> Tensor:
    moved = values - values.mean() + mean
    return moved * (values.square().mean() / moved.square().mean()).sqrt()


SPREAD = (
    "The Gram matrix contains neither the mean nor the deviation of a filter by itself. Which "
    "number does it contain?"
)

EXCHANGE = (
    _with_moments(
        "nothing-changed", lambda values, mean: values,
        "Mean and mean square are those of the input. The task asks for another mean.",
    ),
    _with_moments("spread-kept", lambda values, mean: values - values.mean() + mean, SPREAD),
    _with_moments(
        "only-scaled", lambda values, mean: values * (mean / values.mean()),
        "You multiply everything by one factor, which changes the mean square as well.",
    ),
    _with_moments(
        "scaled-after-all", _moved_then_scaled,
        "First you set the mean, then you scale until the mean square is right. What does the "
        "second step do to the mean?",
    ),
    _with_moments(
        "no-spread", lambda values, mean: torch.full_like(values, mean),
        "All your values are equal. What is the mean square of equal numbers?",
    ),
    _with_moments(
        "mean-square-for-spread",
        lambda values, mean: _levels(values, mean, values.square().mean().sqrt()),
        "You use the whole mean square for the spread. How much of it is already due to the mean?",
    ),
    _with_moments(
        "variance-for-deviation",
        lambda values, mean: _levels(values, mean, values.square().mean() - mean**2),
        "A distance from the mean has the same unit as the values. Which unit does yours have?",
    ),
    _with_moments(
        "mean-not-squared",
        lambda values, mean: _levels(values, mean, (values.square().mean() - mean).sqrt()),
        "Multiply all features, and the mean, by ten. By what factor does each term under your "
        "root grow?",
    ),
    _with_moments(
        "count-less-one", lambda values, mean: _standardised(values, mean, correction=1),
        "Very close. Unless told otherwise, torch's var() and std() do not divide by the number "
        "of values: look up the argument correction.",
    ),
    _with_moments(
        "unit-spread",
        lambda values, mean: mean + (values - values.mean()) / values.std(correction=0),
        "Your mean is right. Now work out which mean square your values have, and which they "
        "should have.",
    ),
)  # fmt: skip


@task("The same Gram entry, another mean", points=2, reread=(CHAPTER, "What it cannot see"))
def exchange(answer: Answer) -> None:
    """`exchange(values, mean)`: other values with this mean and the old mean square."""
    cases = [_filter_and_mean(answer, dtype) for dtype in (*TYPES, torch.float32)]
    for values, mean in cases:
        made = [answer(values, mean) for _ in range(2)]
        _must_be_like(answer, made[0], values)
        _must_not_be_luck(answer, *made)
    answer.through(_moments).compare(
        lambda values, mean: _moments(_two_levels, values, mean), cases, mistakes=EXCHANGE,
        otherwise="Work it out on paper for the two values 0 and 1 and a mean of 0.6.",
    )  # fmt: skip


def _must_not_be_luck(answer: Answer, one: Tensor, other: Tensor) -> None:
    means = [made.mean().item() for made in (one, other)]
    if abs(means[0] - means[1]) > LUCK:
        answer.reject(
            "only-on-average",
            f"called twice, your function gives means of {means[0]:.4g} and {means[1]:.4g}",
            "The mean of random numbers is right only on average. How can you change given "
            "numbers so that their mean is exact?",
        )  # fmt: skip


def _filter_and_mean(answer: Answer, dtype: torch.dtype) -> tuple[Tensor, float]:
    """One filter's features, of mean square 1.2 to 2, and a mean that they could have."""
    (half,) = answer.inputs.sides(1)
    values = answer.inputs.normal(2 * half, dtype=dtype).abs() + 0.1
    one, other = torch.rand(2, generator=answer.inputs.generator).tolist()
    return values * ((1.2 + 0.8 * one) / values.square().mean()).sqrt(), 0.2 + 0.7 * other


def _must_be_like(answer: Answer, made: Any, values: Tensor) -> None:
    if not isinstance(made, Tensor) or made.shape != values.shape:
        shape = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
        answer.reject(
            "wrong-shape", f"given values {tuple(values.shape)}, yours is {shape}",
            "Return as many values as you were given, in a tensor of the same shape.",
        )  # fmt: skip


# 4 Means and deviations


def _statistics(x: Tensor, *, correction: int = 0, epsilon: float = EPSILON) -> Tensor:
    """The mean of each filter, and its deviation: `(2, B, N)`."""
    values = x.flatten(2)
    deviation = (values.var(-1, correction=correction) + epsilon).sqrt()
    return torch.stack([values.mean(-1), deviation])


def _statistics_distance(f: Tensor, s: Tensor) -> Tensor:
    return (_statistics(f) - _statistics(s)).square().sum(0).mean(-1)


def _by_variances(f: Tensor, s: Tensor) -> Tensor:
    (mean, variance), (other_mean, other_variance) = (
        (x.flatten(2).mean(-1), x.flatten(2).var(-1, correction=0)) for x in (f, s)
    )
    return ((mean - other_mean).square() + (variance - other_variance).square()).mean(-1)


def _of(one: Callable[[Tensor], Tensor], f: Tensor, s: Tensor) -> Tensor:
    """The mean squared difference of one statistic."""
    return (one(f) - one(s)).square().mean(-1)


DEAD = (
    "One filter never responds. What is its deviation, how steep is the square root there, and "
    "what is the small constant for?"
)

STATISTICS = (
    Mistake(
        "variance-for-deviation", _by_variances,
        "Double all features. By what factor does each of your two terms grow?",
    ),
    Mistake(
        "variance-for-deviation",
        lambda f, s: _of(lambda x: x.flatten(2).mean(-1), f, s)
        + _of(lambda x: x.flatten(2).var(-1, correction=0) + EPSILON, f, s),
        "Double all features. By what factor does each of your two terms grow?",
    ),
    Mistake(
        "count-less-one",
        lambda f, s: (
            _statistics(f, correction=1) - _statistics(s, correction=1)
        ).square().sum(0).mean(-1),
        "Unless told otherwise, torch's var() and std() do not divide by the number of positions: "
        "look up the argument correction.",
    ),
    Mistake(
        "count-less-one",
        lambda f, s: (
            _statistics(f, correction=1, epsilon=0) - _statistics(s, correction=1, epsilon=0)
        ).square().sum(0).mean(-1),
        "Unless told otherwise, torch's std() does not divide by the number of positions: look up "
        "the argument correction. And what happens for a filter that never responds?",
    ),
    Mistake(
        "dead-filter",
        lambda f, s: (_statistics(f, epsilon=0) - _statistics(s, epsilon=0)).square().sum(0)
        .mean(-1), DEAD,
    ),
    Mistake(
        "deviation-missing", lambda f, s: _of(lambda x: _statistics(x)[0], f, s),
        "Your distance depends on the means only. Which half of the formula is missing?",
    ),
    Mistake(
        "mean-missing", lambda f, s: _of(lambda x: _statistics(x)[1], f, s),
        "Add 1 to all features of one of the two. Should the distance change, and does yours?",
    ),
    Mistake(
        "sum-for-mean",
        lambda f, s: (_statistics(f) - _statistics(s)).square().sum((0, 2)),
        "List each filter twice. The mean over the filters stays the same: does your distance?",
    ),
    Mistake(
        "mean-of-both", lambda f, s: (_statistics(f) - _statistics(s)).square().mean((0, 2)),
        "By what does the formula divide: by the number of filters, or by the number of means and "
        "deviations?",
    ),
    Mistake(
        "absolute-for-squared",
        lambda f, s: (_statistics(f) - _statistics(s)).abs().sum(0).mean(-1),
        "Double all features. By what factor should the distance grow, and by what factor does "
        "yours?",
    ),
    Mistake(
        "filters-mixed",
        lambda f, s: _statistics_distance(f.flatten(1)[:, None, None], s.flatten(1)[:, None, None]),
        "You compute one mean over all filters. Each filter has a mean of its own.",
    ),
    Mistake(
        "batch-folded",
        lambda f, s: _statistics_distance(_folded(f), _folded(s)),
        "You have put the points of all images into one cloud. Each image has a cloud of its own.",
    ),
    Mistake(
        "batch-folded",
        lambda f, s: _statistics_distance(_folded(f), _folded(s))[0],
        "You have put the points of all images into one cloud. Each image has a cloud of its own.",
    ),
    Mistake("batch-summed", lambda f, s: _statistics_distance(f, s).sum(), BATCH),
    Mistake("batch-summed", lambda f, s: _statistics_distance(f, s).mean(), BATCH),
)  # fmt: skip


@task("Means and deviations", points=2, reread=(CHAPTER, "Four statistics"))
def statistics_distance(answer: Answer) -> None:
    """`statistics_distance(features, style)`: one distance for each image."""
    cases = [_layers(answer, batch, dtype) for batch, dtype in KINDS]
    for features, _ in cases:
        features[:, 0] = 0  # a filter that never fires
    answer.compare(
        _statistics_distance, cases, mistakes=STATISTICS,
        otherwise="Try one filter with the values 0 and 2, against one with 1 and 1.",
    )  # fmt: skip
    answer.gradients(_statistics_distance, cases[0], mistakes=STATISTICS)


# 5 Sorted projections


def _sliced(f: Tensor, s: Tensor, lines: Tensor) -> Tensor:
    return _shadows(f, lines).sub(_shadows(s, lines)).square().mean()


def _shadows(cloud: Tensor, lines: Tensor) -> Tensor:
    return (lines @ cloud).sort(-1).values


ORDER = "Put the points of one cloud in another order. Should the distance change, and does yours?"

SLICED = (
    Mistake("not-sorted", lambda f, s, lines: (lines @ (f - s)).square().mean(), ORDER),
    Mistake(
        "sorted-before-projecting",
        lambda f, s, lines: (lines @ (f.sort(-1).values - s.sort(-1).values)).square().mean(),
        "You sort each filter separately, which tears the points apart: a point is a column, and "
        "its coordinates belong together.",
    ),
    Mistake(
        "wrong-axis-sorted",
        lambda f, s, lines: ((lines @ f).sort(0).values - (lines @ s).sort(0).values)
        .square().mean(),
        "Each row of your projections belongs to one line. Along which axis do you sort?",
    ),
    Mistake(
        "sum-for-mean",
        lambda f, s, lines: (_shadows(f, lines) - _shadows(s, lines)).square().sum(),
        "List each line twice. The mean over the lines stays the same: does your distance?",
    ),
    Mistake(
        "sum-for-mean",
        lambda f, s, lines: (_shadows(f, lines) - _shadows(s, lines)).square().sum(-1).mean(),
        "List each point of both clouds twice. Should the distance change, and does yours?",
    ),
    Mistake(
        "absolute-for-squared",
        lambda f, s, lines: (_shadows(f, lines) - _shadows(s, lines)).abs().mean(),
        "Double all features. By what factor should the distance grow, and by what factor does "
        "yours?",
    ),
    Mistake(
        "root-taken", lambda f, s, lines: _sliced(f, s, lines).sqrt(),
        "Double all features. By what factor should the distance grow, and by what factor does "
        "yours?",
    ),
    Mistake(
        "projection-forgotten",
        lambda f, s, lines: (f.sort(-1).values - s.sort(-1).values).square().mean(),
        "Your result does not depend on the lines. You project onto the axes only, along which "
        "two different clouds may look alike.",
    ),
    Mistake(
        "means-compared",
        lambda f, s, lines: ((lines @ f).mean(-1) - (lines @ s).mean(-1)).square().mean(),
        "You compare only the means of the projections. What else can differ between two sets of "
        "numbers?",
    ),
)  # fmt: skip


@task("Sorted projections", points=2, reread=(CHAPTER, "Four statistics"))
def sliced_distance(answer: Answer) -> None:
    """`sliced_distance(f, s, lines)`: the distance of two clouds from their projections."""
    cases = [_clouds_and_lines(answer, dtype) for dtype in (*TYPES, torch.float32)]
    answer.compare(
        _sliced, cases, mistakes=SLICED,
        otherwise="Try a single filter and the line 1: two clouds of two numbers, by hand.",
    )  # fmt: skip
    answer.gradients(_sliced, cases[0])


def _clouds_and_lines(answer: Answer, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Two clouds of as many points, and unit vectors `(K, N)` to look along."""
    f, s = _clouds(answer, dtype, equal=True)
    lines = answer.inputs.normal(LINES, len(f), dtype=dtype)
    return f, s, lines / lines.norm(dim=1, keepdim=True)
