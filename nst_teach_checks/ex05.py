"""Checks of exercise 5: the total loss, total variation, an initial image, and the units of β."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nst_teach import losses
from nst_teach_checks._core import Answer, Mistake, task
from nst_teach_checks._oracles import total

__all__ = [
    "beta_at",
    "beta_for_share",
    "noise_start",
    "our_beta",
    "total_loss",
    "total_variation",
]

CHAPTER = "05_total_loss"

Parts = dict[str, Tensor]
Shape = tuple[int, int, int, int]

KINDS = ((1, torch.float32), (2, torch.float32), (1, torch.float64))
"""One picture, a batch, and double precision."""

CONTENT_LAYERS = ("relu3_1", "relu4_2")
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1")


# 1 The total loss


def _positive(answer: Answer) -> float:
    """A weight: a number that is neither 0 nor 1."""
    return 0.5 + answer.inputs.normal(1).abs().item()


def _parts(values: Tensor) -> tuple[Parts, Parts]:
    """Content and style losses by layer, out of a row of numbers."""
    split = len(CONTENT_LAYERS)
    content: Parts = dict(zip(CONTENT_LAYERS, values[:split], strict=True))
    return content, dict(zip(STYLE_LAYERS, values[split:], strict=True))


def _of_parts(function: Callable[..., Tensor], values: Tensor, weights: dict[str, float],
              alpha: float, beta: float) -> Tensor:  # fmt: skip
    return function(*_parts(values), weights, alpha, beta)


def _weighted(style: Parts, weights: dict[str, float]) -> Tensor:
    return total(weights[layer] * style[layer] for layer in style)


def _total(
    content: Parts, style: Parts, weights: dict[str, float], alpha: float, beta: float
) -> Tensor:
    return alpha * total(content.values()) + beta * _weighted(style, weights)


def _by_order(style: Parts, weights: dict[str, float]) -> Tensor:
    return total(w * E for w, E in zip(weights.values(), style.values(), strict=True))


BY_NAME = (
    "The weights may be listed in another order than the losses. What do a weight and its loss "
    "have in common?"
)
ONE_EACH = (
    "Set all losses to 0 except one, and look at your total. Then do the same with the next one."
)

TOTAL = (
    Mistake(
        "weights-forgotten",
        lambda c, s, w, a, b: a * sum(c.values()) + b * sum(s.values()),
        "Double the weight of one style layer. Does your total change?",
    ),
    Mistake(
        "weights-by-order",
        lambda c, s, w, a, b: a * sum(c.values()) + b * _by_order(s, w),
        BY_NAME,
    ),
    Mistake(
        "alpha-forgotten",
        lambda c, s, w, a, b: sum(c.values()) + b * _weighted(s, w),
        "Double α. Does your total change?",
    ),
    Mistake(
        "beta-forgotten",
        lambda c, s, w, a, b: a * sum(c.values()) + _weighted(s, w),
        "Double β. Does your total change?",
    ),
    Mistake("swapped", lambda c, s, w, a, b: _total(c, s, w, b, a), ONE_EACH),
    Mistake(
        "divided-by-layers",
        lambda c, s, w, a, b: _total(c, s, w, a, b / len(s)),
        "The weights already say how much each layer counts. What else do you divide by?",
    ),
    Mistake(
        "content-averaged",
        lambda c, s, w, a, b: _total(c, s, w, a / len(c), b),
        "Add a second content layer with the same loss. By how much should the total grow?",
    ),
    Mistake(
        "one-layer-only",
        lambda c, s, w, a, b: a * list(c.values())[-1] + b * list(_each(s, w))[-1],
        "Your total depends on the last layer only. What does each iteration of a loop keep from "
        "the one before?",
    ),
    Mistake(
        "alpha-for-all",
        lambda c, s, w, a, b: a * (sum(c.values()) + b * _weighted(s, w)),
        ONE_EACH,
    ),
)


def _each(style: Parts, weights: dict[str, float]) -> list[Tensor]:
    return [weights[layer] * E for layer, E in style.items()]


@task("The total loss", points=1, reread=(CHAPTER, "One number"))
def total_loss(answer: Answer) -> None:
    """`total_loss(content, style, weights, alpha, beta)`: all parts as one number."""
    rows = [_case_of_parts(answer, dtype) for dtype in (torch.float32, torch.float64)]
    cases = [(*_parts(values), *rest) for values, *rest in rows]
    answer.compare(_total, cases, mistakes=TOTAL, otherwise=ONE_EACH)
    answer.through(_of_parts).gradients(functools.partial(_of_parts, _total), rows[0])


def _case_of_parts(answer: Answer, dtype: torch.dtype) -> tuple[Any, ...]:
    count = len(CONTENT_LAYERS) + len(STYLE_LAYERS)
    values = answer.inputs.normal(count, dtype=dtype).abs() + 1
    weights = {layer: _positive(answer) for layer in reversed(STYLE_LAYERS)}
    return values, weights, _positive(answer), 10 * _positive(answer)


# 2 The same look at another size


def _number(output: Any) -> Any:
    """A plain number in place of a tensor without axes; anything else as it is."""
    if getattr(output, "ndim", None) == 0:
        output = output.item()
    return float(output) if isinstance(output, (int, float)) else output


def _at(function: Callable[..., Any], beta: float, was: Shape, now: Shape) -> Any:
    return _number(function(beta, was, now))


def _beta_at(beta: float, was: Shape, now: Shape) -> float:
    return beta * _count(now) / _count(was)


def _count(shape: Shape) -> int:
    return torch.Size(shape).numel()


COUNT = (
    "Which of the two losses is a sum over positions, and which is a mean? How many terms does the "
    "sum have now, and how many did it have before?"
)

BETA_AT = (
    Mistake("side-for-area", lambda beta, was, now: beta * now[2] / was[2], COUNT),
    Mistake("side-for-area", lambda beta, was, now: beta * now[3] / was[3], COUNT),
    Mistake(
        "unchanged",
        lambda beta, was, now: beta,
        "With the same β the larger image stays closer to the photograph. " + COUNT,
    ),
    Mistake(
        "turned-round",
        lambda beta, was, now: beta * _count(was) / _count(now),
        "A larger image has a larger content loss. Must β grow or shrink to keep the balance?",
    ),
    Mistake(
        "squared",
        lambda beta, was, now: beta * (_count(now) / _count(was)) ** 2,
        "The M² in the paper's formula cancels, because its Gram matrices are sums. " + COUNT,
    ),
    Mistake(
        "features-without-the-past",
        lambda beta, was, now: beta * _count(now),
        "The given β is right at the old size. If `now` equals `was`, it should stay the same.",
    ),
)


@task("The same look at another size", points=1,
      reread=(CHAPTER, "Why a setting fails at another size"))  # fmt: skip
def beta_at(answer: Answer) -> None:
    """`beta_at(beta, was, now)`: the β that keeps the balance at another size."""
    cases = [_two_shapes(answer) for _ in range(3)]
    answer.through(_at).compare(_beta_at, cases, mistakes=BETA_AT, otherwise=COUNT)


def _two_shapes(answer: Answer) -> tuple[float, Shape, Shape]:
    filters, h, w, new_h, new_w = answer.inputs.sides(5)
    return 1000 * _positive(answer), (1, filters, h, w), (1, filters, new_h, new_w)


# 3 Total variation


def _steps(image: Tensor) -> tuple[Tensor, Tensor]:
    """From each pixel to the one below it, and to the one on its right."""
    return image[..., 1:, :] - image[..., :-1, :], image[..., :, 1:] - image[..., :, :-1]


def _rolled(image: Tensor) -> tuple[Tensor, Tensor]:
    return image.roll(-1, 2) - image, image.roll(-1, 3) - image


def _squares(steps: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return steps[0].square(), steps[1].square()


def _across_colours(image: Tensor) -> Tensor:
    colours, rows = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
    return colours.square().mean() + rows.square().mean()


def _of_both(image: Tensor) -> Tensor:
    """The length of each pixel's step, down and to the right at once."""
    down, right = _squares(_steps(image))
    return (down[..., :, :-1] + right[..., :-1, :]).sqrt().mean()


BOARD = (
    "Try a checkerboard of zeros and ones, where every difference is 1 or −1 in both directions. "
    "What should each of the two means be?"
)
HALF_STEP = (
    "Halve all differences. By what factor should the result shrink, and by what factor does yours?"
)

VARIATION = (
    Mistake(
        "one-direction",
        lambda x: _steps(x)[0].square().mean(),
        "Try vertical stripes: your result is 0. Should it be?",
    ),
    Mistake(
        "one-direction",
        lambda x: _steps(x)[1].square().mean(),
        "Try horizontal stripes: your result is 0. Should it be?",
    ),
    Mistake(
        "sum-for-mean",
        lambda x: sum(part.sum() for part in _squares(_steps(x))),
        "Put two copies of an image one above the other. The result is as smooth as before, but "
        "your value roughly doubles.",
    ),
    Mistake(
        "one-mean-for-both",
        lambda x: torch.cat([part.flatten() for part in _squares(_steps(x))]).mean(),
        BOARD,
    ),
    Mistake(
        "one-mean-for-both",
        lambda x: sum(part.sum() for part in _squares(_steps(x))) / x.numel(),
        "There are fewer pairs of neighbours than pixels. Over how many pairs is each mean taken?",
    ),
    Mistake(
        "absolute-for-squared",
        lambda x: sum(part.abs().mean() for part in _steps(x)),
        HALF_STEP,
    ),
    Mistake("root-taken", _of_both, HALF_STEP),
    Mistake(
        "not-squared",
        lambda x: sum(part.mean() for part in _steps(x)),
        "Your result can be negative: rising and falling values cancel.",
    ),
    Mistake(
        "squared-too-late",
        lambda x: sum(part.mean().square() for part in _steps(x)),
        "Try a checkerboard: rising and falling values cancel before you square.",
    ),
    Mistake(
        "wraps-round",
        lambda x: sum(part.square().mean() for part in _rolled(x)),
        "Is the left edge a neighbour of the right edge? Try a ramp from 0 to 1.",
    ),
    Mistake(
        "across-colours",
        _across_colours,
        "You subtract red from green. Which axes hold rows and columns?",
    ),
    Mistake(
        "not-summed",
        lambda x: list(_squares(_steps(x))),
        "You return two tables of numbers. The result is a single number.",
    ),
)


@task("Total variation", points=2, reread=(CHAPTER, "Total variation"))
def total_variation(answer: Answer) -> None:
    """`total_variation(image)`: how much neighbouring pixels differ, as a single number."""
    cases = [(answer.inputs.picture(batch, dtype),) for batch, dtype in KINDS]
    answer.compare(losses.total_variation, cases, mistakes=VARIATION, otherwise=BOARD)
    answer.gradients(losses.total_variation, cases[0])


# 4 A chosen balance


def _odds(share: float) -> float:
    return share / (1 - share)


def _for_share(function: Callable[..., Any], content_gradient: Tensor, style_gradient: Tensor,
               alpha: float, share: float) -> Any:  # fmt: skip
    return _number(function(content_gradient, style_gradient, alpha, share))


def _beta_for_share(c: Tensor, s: Tensor, alpha: float, share: float) -> float:
    return alpha * float(c.norm() / s.norm()) * _odds(share)


BACK = (
    "Put your β back into the definition of the share, with α = 1, a content gradient of length 3 "
    "and a style gradient of length 1. Do you get the share that was asked for?"
)

SHARE = (
    Mistake(
        "share-for-odds",
        lambda c, s, a, share: a * (c.norm() / s.norm()) * share,
        BACK,
    ),
    Mistake(
        "share-ignored",
        lambda c, s, a, share: a * c.norm() / s.norm(),
        "Your β always gives a share of one half, whatever share is asked for.",
    ),
    Mistake(
        "share-of-the-content",
        lambda c, s, a, share: a * c.norm() / s.norm() / _odds(share),
        "For a share near 1 your β is nearly 0. Whose share have you computed?",
    ),
    Mistake(
        "lengths-turned-round",
        lambda c, s, a, share: a * s.norm() / c.norm() * _odds(share),
        "If the style gradient is short, must β be large or small?",
    ),
    Mistake(
        "alpha-forgotten",
        lambda c, s, a, share: c.norm() / s.norm() * _odds(share),
        "Double α. The weighted content gradient becomes twice as long: how must β change?",
    ),
    Mistake(
        "squared-lengths",
        lambda c, s, a, share: a * (c.norm() / s.norm()) ** 2 * _odds(share),
        "Double the style gradient. By what factor should β change, and by what factor does yours?",
    ),
    Mistake(
        "sum-for-length",
        lambda c, s, a, share: a * c.sum() / s.sum() * _odds(share),
        "In a sum, positive and negative entries cancel. The length of a gradient is its "
        "Euclidean norm.",
    ),
    Mistake(
        "sum-for-length",
        lambda c, s, a, share: a * c.abs().sum() / s.abs().sum() * _odds(share),
        "The length of a gradient is its Euclidean norm, the root of the sum of squares.",
    ),
)


@task("A chosen balance", points=2, reread=(CHAPTER, "The gradient is a sum, too"))
def beta_for_share(answer: Answer) -> None:
    """`beta_for_share(content_gradient, style_gradient, alpha, share)`: β for a chosen balance."""
    cases = [_pulls(answer, share) for share in (0.2, 0.7, 0.9)]
    answer.through(_for_share).compare(_beta_for_share, cases, mistakes=SHARE, otherwise=BACK)


def _pulls(answer: Answer, share: float) -> tuple[Tensor, Tensor, float, float]:
    shape = (1, 3, *answer.inputs.sides())
    content, style = (answer.inputs.normal(*shape) * _positive(answer) for _ in range(2))
    return content, style / 100, _positive(answer), share


# 5 Start from noise

LEAST_SPREAD = 0.2
"""Standard deviation of white noise between 0 and 1 is 0.29; of about a hundred numbers, hardly
less than this."""

LARGE = (2, 3, 64, 96)
"""A batch with so many pixels that chance hardly matters."""

FARTHEST, CORRELATED = 0.02, 0.04
"""The largest difference allowed between the distribution of the noise and the uniform one, and the
largest correlation with its neighbours or with the photograph. White noise of the size of `LARGE`
exceeds them less than once in a billion checks."""


@task("Start from noise", points=2, reread=(CHAPTER, "Where to start"))
def noise_start(answer: Answer) -> None:
    """`noise_start(photo, seed)`: white noise that an optimiser can change."""
    pictures = [answer.inputs.picture(dtype=kind) for kind in (torch.float32, torch.float64)]
    large = torch.rand(LARGE, generator=answer.inputs.generator)
    for photo in (*pictures, large):
        seed = int(1000 * _positive(answer))
        dice = _dice()
        start = answer(photo, seed)
        disturbed = dice != _dice()
        _must_fit(answer, start, photo)
        _must_be_movable(answer, start)
        _must_be_white(answer, start, photo)
        _must_follow_the_seed(answer, start, photo, seed, disturbed)
        if photo is large:
            _must_be_even(answer, start.detach(), photo)


def _dice() -> tuple[Any, ...]:
    """The state of every random number generator that the caller may use."""
    return torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())


def _must_be_even(answer: Answer, noise: Tensor, photo: Tensor) -> None:
    """What only many pixels can tell."""
    if torch.equal(noise[0], noise[1]):
        answer.reject(
            "one-for-the-batch", "given two photographs, both of your images are the same",
            "A random number for each colour of each pixel, in every image of the batch.",
        )  # fmt: skip
    if abs(follows := _correlation(noise, photo)) > CORRELATED:
        tone = "bright" if follows > 0 else "dark"
        answer.reject(
            "photo-in-the-noise", f"where the photograph is bright, your image tends to be {tone}",
            "That is another of the initialisations in the chapter. This one should contain "
            "nothing of the photograph.",
        )  # fmt: skip
    numbers, levels = noise.flatten(), noise.unique()
    beside = [_correlation(noise.narrow(axis, 1, noise.shape[axis] - 1),
                           noise.narrow(axis, 0, noise.shape[axis] - 1))
              for axis in (1, 2, 3)]  # fmt: skip
    unrelated, repeated = max(map(abs, beside)) < CORRELATED, len(levels) < len(numbers) // 2
    if unrelated and repeated and _are_steps(levels):
        answer.reject(
            "few-values", f"your image has only {len(levels)} different values",
            "White noise may take any value between 0 and 1. Are the numbers that you draw whole "
            "ones, or rounded?",
        )  # fmt: skip
    if repeated or not unrelated:
        answer.reject(
            "not-white", "some of your pixels can be predicted from others",
            "In white noise each number is drawn by itself: no blocks, no blur, no tiles. How many "
            "numbers do you draw, and how many does the image have?",
        )  # fmt: skip
    even = (torch.arange(len(numbers)) + 0.5) / len(numbers)
    if (numbers.sort().values - even).abs().max() > FARTHEST:
        tenths = [(numbers < limit).double().mean().item() for limit in (0.1, 0.9)]
        answer.reject(
            "not-even", f"{tenths[0]:.0%} of your numbers are below 0.1, and {1 - tenths[1]:.0%} "
                        "are 0.9 or more",
            "Every value between 0 and 1 should be equally likely. Which of torch's random "
            "functions draws from such a distribution?",
        )  # fmt: skip


def _are_steps(levels: Tensor) -> bool:
    """Whether sorted values are equally far apart, as whole or rounded numbers are."""
    gaps = levels.diff()
    return bool(gaps.max() < 1.5 * gaps.min())


def _correlation(one: Tensor, other: Tensor) -> float:
    return torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].item()


def _must_fit(answer: Answer, start: Any, photo: Tensor) -> None:
    if not isinstance(start, Tensor):
        answer.reject(
            "not-a-tensor", f"your function returned a value of type {type(start).__name__}",
            "An optimiser of torch works on tensors.",
        )  # fmt: skip
    if start.shape != photo.shape:
        answer.reject(
            "wrong-shape", f"yours has the shape {tuple(start.shape)}, the photograph "
                           f"{tuple(photo.shape)}",
            "The initial image has the size of the photograph, and three colours.",
        )  # fmt: skip
    if start.dtype != photo.dtype:
        answer.reject(
            "wrong-dtype", f"yours is {start.dtype}, the photograph {photo.dtype}",
            "Which type do random numbers have if you do not ask for another?",
        )  # fmt: skip


def _must_be_movable(answer: Answer, start: Tensor) -> None:
    if not start.requires_grad:
        answer.reject(
            "no-gradient-wanted", "your image has requires_grad = False",
            "An optimiser would have no gradient to follow. How do you tell torch that this "
            "tensor requires one?",
        )  # fmt: skip
    if start.grad_fn is not None:
        answer.reject(
            "not-a-leaf", f"your image is the result of an operation ({start.grad_fn.name()})",
            "An optimiser accepts only leaf tensors, which are not the result of an operation. At "
            "which point do you ask for a gradient, and what happens to the tensor after that?",
        )  # fmt: skip


def _must_be_white(answer: Answer, start: Tensor, photo: Tensor) -> None:
    noise = start.detach()
    if torch.equal(noise, photo):
        answer.reject(
            "photo-for-noise", "your image is the photograph",
            "That is another of the initialisations in the chapter. This one should contain "
            "nothing of the photograph.",
        )  # fmt: skip
    low, high = noise.min().item(), noise.max().item()
    if low < 0 or high > 1:
        answer.reject(
            "outside-the-range", f"your values go from {low:.3g} to {high:.3g}",
            "Pixels lie between 0 and 1. Which of torch's random functions stays in this range?",
        )  # fmt: skip
    if torch.equal(noise[:, 0], noise[:, 1]):
        answer.reject(
            "grey-noise", "your three colours are the same",
            "White noise has a random number for each colour of each pixel.",
        )  # fmt: skip
    if noise.std() < LEAST_SPREAD:
        answer.reject(
            "not-noise", f"your values have a standard deviation of {noise.std():.3g} around a "
                         f"mean of {noise.mean():.3g}",
            "White noise, as the task defines it, fills the whole range from 0 to 1 evenly.",
        )  # fmt: skip


def _must_follow_the_seed(
    answer: Answer, start: Tensor, photo: Tensor, seed: int, disturbed: bool
) -> None:
    if not torch.equal(start, answer(photo, seed)):
        answer.reject(
            "seed-ignored", "with the same seed, the second call gave different noise",
            "A run should be repeatable. Which function uses the seed, and before which line must "
            "it be called?",
        )  # fmt: skip
    if torch.equal(start, answer(photo, seed + 1)):
        answer.reject(
            "always-the-same", "with another seed, the noise is the same",
            "The caller wants to try different noise. Where does your code use the seed?",
        )  # fmt: skip
    if disturbed:
        answer.reject(
            "dice-disturbed", "your call has changed the state of the caller's random numbers",
            "The caller's next random numbers are different because your function was called. A "
            "generator of your own would not affect them: look up torch.Generator.",
        )  # fmt: skip


# 6 Another tutorial's β


def _ours(function: Callable[..., Any], alpha: float, beta: float, content_shape: Shape,
          style_shape: Shape) -> Any:  # fmt: skip
    return _number(function(alpha, beta, content_shape, style_shape))


def _measured(alpha: float, beta: float, content_shape: Shape, style_shape: Shape) -> float:
    """Both losses on the same features, theirs and ours: no algebra."""
    return beta * _style_unit(style_shape) / (alpha * _content_unit(content_shape))


def _pair(shape: Shape) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)  # any two features give the same unit
    one, other = torch.rand(2, *shape, generator=generator, dtype=torch.float64)
    return one, other


def _content_unit(shape: Shape) -> float:
    features, target = _pair(shape)
    theirs = torch.nn.functional.mse_loss(features, target)
    return (theirs / losses.content_loss(features, target)).item()


def _style_unit(shape: Shape) -> float:
    sums = [losses.gram_matrix(features, normalize=False) for features in _pair(shape)]
    size = _count(shape)
    theirs = torch.nn.functional.mse_loss(sums[0] / size, sums[1] / size)
    means = [losses.gram_matrix(features) for features in _pair(shape)]
    return (theirs / losses.style_loss(*means)).item()


Units = Callable[[int, int, int, int], float]


def _with_factor(factor: Units) -> Callable[..., float]:
    """β/α times a number made of N and M of the content layer, then of the style layer."""

    def beta_of(alpha: float, beta: float, content_shape: Shape, style_shape: Shape) -> float:
        sizes = [(n, h * w) for _, n, h, w in (content_shape, style_shape)]
        return beta / alpha * factor(*sizes[0], *sizes[1])

    return beta_of


TWO_UNITS = (
    "Take it apart. First, how many of our units is one unit of their content loss? Second, the "
    "same for the style loss. Only then put in α and β."
)
CONTENT = (
    "Write their content loss as a sum, and ours beside it. Which factor stands in front of each "
    "of the two?"
)
STYLE = (
    "Write both style losses with the same undivided Gram matrices. Which powers of N, and which "
    "numbers, stand in front of the sums?"
)

OUR_BETA = (
    Mistake("ratio-kept", _with_factor(lambda n, m, N, M: 1), TWO_UNITS),
    Mistake("style-unit-forgotten", _with_factor(lambda n, m, N, M: n * m / 2), STYLE),
    Mistake("content-unit-forgotten", _with_factor(lambda n, m, N, M: 4 / N**2), CONTENT),
    Mistake(
        "alpha-forgotten",
        lambda a, b, c, s: _measured(1.0, b, c, s),
        "Double both of their weights: the image stays the same. Does your β?",
    ),
    Mistake("half-forgotten", _with_factor(lambda n, m, N, M: 4 * n * m / N**2), CONTENT),
    Mistake("quarter-forgotten", _with_factor(lambda n, m, N, M: n * m / 2 / N**2), STYLE),
    Mistake("filters-once", _with_factor(lambda n, m, N, M: 2 * n * m / N), STYLE),
    Mistake(
        "turned-round", _with_factor(lambda n, m, N, M: N**2 / (2 * n * m)),
        "If their unit is small, their β has to be large for the same image. In which direction "
        "do you convert?",
    ),
    Mistake(
        "turned-round", _with_factor(lambda n, m, N, M: n * m * N**2 / 8),
        "If their unit is small, their β has to be large for the same image. In which direction "
        "do you convert the style?",
    ),
    Mistake(
        "layers-mixed-up", _with_factor(lambda n, m, N, M: 2 * n * m / n**2),
        "The content layer and the style layer have different sizes. Which numbers belong to "
        "which?",
    ),
    Mistake(
        "layers-mixed-up", _with_factor(lambda n, m, N, M: 2 * N * M / N**2),
        "The content layer and the style layer have different sizes. Which numbers belong to "
        "which?",
    ),
    Mistake(
        "positions-left", _with_factor(lambda n, m, N, M: 2 * n * m / (N**2 * M**2)),
        "Both losses divide the Gram matrix by the number of positions once. Does M still appear "
        "in their quotient?",
    ),
)  # fmt: skip


@task("Another tutorial's β", points=3, reread=(CHAPTER, "A converter"))
def our_beta(answer: Answer) -> None:
    """`our_beta(alpha, beta, content_shape, style_shape)`: our β for α = 1."""
    cases = [_their_setting(answer, scale) for scale in (1e4, 1e4, 1.0)]
    answer.through(_ours).compare(_measured, cases, mistakes=OUR_BETA, otherwise=TWO_UNITS)


def _their_setting(answer: Answer, scale: float) -> tuple[float, float, Shape, Shape]:
    deep, h, w = answer.inputs.sides(3)
    shallow, wide_h, wide_w = answer.inputs.sides(3)
    shapes = (1, deep, h, w), (1, shallow + deep, wide_h, wide_w)
    return _positive(answer), scale * _positive(answer), *shapes
