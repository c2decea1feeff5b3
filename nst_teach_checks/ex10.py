"""Checks of exercise 10: colours, sizes from coarse to fine, blended styles, regions, palettes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_teach.images import LUMA
from nst_teach_checks import _values
from nst_teach_checks._core import Answer, Mistake, task
from nst_teach_checks._oracles import total

__all__ = [
    "blend",
    "luminance",
    "match_palette",
    "pyramid",
    "region_gram",
    "with_luminance",
]

CHAPTER = "10_control"

KINDS = ((1, torch.float32), (2, torch.float32), (1, torch.float64))
"""One picture, a batch, and double precision."""


# 1 Luminance


def _weights(image: Tensor) -> Tensor:
    return image.new_tensor(LUMA).view(1, 3, 1, 1)


def _luminance(image: Tensor) -> Tensor:
    return (image * _weights(image)).sum(1, keepdim=True)


RED = "Try a pure red image, then a pure blue one. How bright should each be?"

LUMINANCE = (
    Mistake("plain-mean", lambda x: x.mean(1, keepdim=True), RED),
    Mistake(
        "weights-reversed", lambda x: _luminance(x.flip(1)),
        "Try a pure red image, then a pure blue one. Which is brighter in your result? Images in "
        "this course are RGB.",
    ),
    Mistake(
        "brightest-channel", lambda x: x.amax(1, keepdim=True),
        "That is the largest channel. It would make pure blue as bright as white.",
    ),
    Mistake(
        "axis-dropped", lambda x: _luminance(x)[:, 0],
        "The values are right. Keep the channel axis, with one channel in it, so that the result "
        "can be combined with an image.",
    ),
    Mistake(
        "axis-dropped", lambda x: _luminance(x)[0, 0],
        "The values are right for one image. Keep the batch axis and the channel axis.",
    ),
    Mistake(
        "not-summed", lambda x: x * _weights(x),
        "You still have three channels, each multiplied by its weight. How do you get one channel "
        "from them?",
    ),
    Mistake(
        "three-channels", lambda x: _luminance(x).expand_as(x),
        "A grey image has three equal channels, but luminance is a single channel.",
    ),
    Mistake(
        "mean-of-weighted", lambda x: (x * _weights(x)).mean(1, keepdim=True),
        "How bright is white in your result? The weights already add up to 1.",
    ),
)  # fmt: skip


@task("Luminance", points=1, reread=(CHAPTER, "Keep the colours: transfer the luminance alone"))
def luminance(answer: Answer) -> None:
    """`luminance(image)`: the luminance `(B, 1, H, W)` of images `(B, 3, H, W)`."""
    cases = [(answer.inputs.picture(batch, dtype),) for batch, dtype in KINDS]
    answer.compare(_luminance, cases, mistakes=LUMINANCE, otherwise=RED)
    answer.gradients(_luminance, cases[0])
    answer.on_another_device(*cases[0])


# 2 New luminance, same colour


def _with_luminance(photo: Tensor, y: Tensor) -> Tensor:
    return photo + (y - _luminance(photo))


TWICE = "Pass an image and its own luminance. What should you get back?"
DIFFERENCES = (
    "Colour here means the differences between the channels. Take one pixel and compare R − B "
    "before and after."
)

WITH_LUMINANCE = (
    Mistake("old-luminance-kept", lambda p, y: p + y, TWICE),
    Mistake("old-luminance-kept", lambda p, y: (p + y) / 2, TWICE),
    Mistake("scaled", lambda p, y: p * y / _luminance(p), DIFFERENCES),
    Mistake(
        "colour-lost", lambda p, y: y.expand_as(p),
        "Your result has the new luminance but is grey. Where has the colour of the photograph "
        "gone?",
    ),
    Mistake(
        "luminance-lost", lambda p, y: p - _luminance(p),
        "Your result has the right colour, but its luminance is 0 everywhere.",
    ),
    Mistake(
        "wrong-way", lambda p, y: p + _luminance(p) - y,
        "Where the new luminance is higher, your result is darker. What do you subtract from what?",
    ),
    Mistake(
        "shared-out", lambda p, y: p + (y - _luminance(p)) / 3,
        "Add 0.3 to all three channels. By how much does the luminance grow?",
    ),
    Mistake(
        "weighted-again", lambda p, y: p + _weights(p) * (y - _luminance(p)), DIFFERENCES,
    ),
    Mistake(
        "clamped", lambda p, y: _with_luminance(p, y).clamp(0, 1),
        "Everything is right up to the last step. Clipping changes the colour and the luminance "
        "of some pixels: leave it to the code that saves the image.",
    ),
    Mistake(
        "another-luminance", lambda p, y: p + (y - p.mean(1, keepdim=True)),
        "What is the luminance of your result? You remove the plain mean of the channels: is that "
        "what the task calls luminance?",
    ),
)  # fmt: skip


@task("New luminance, same colour", points=1,
      reread=(CHAPTER, "Keep the colours: transfer the luminance alone"))  # fmt: skip
def with_luminance(answer: Answer) -> None:
    """`with_luminance(photo, y)`: the photo's colour with the luminance `y`, `(B, 1, H, W)`."""
    photos = [answer.inputs.picture(batch, dtype) for batch, dtype in KINDS]
    cases = [(photo, _another_luminance(answer, photo)) for photo in photos]
    answer.compare(_with_luminance, cases, mistakes=WITH_LUMINANCE, otherwise=TWICE)


def _another_luminance(answer: Answer, photo: Tensor) -> Tensor:
    size = photo.shape[0], 1, *photo.shape[2:]
    return torch.rand(size, generator=answer.inputs.generator, dtype=photo.dtype)


# 3 A pyramid of sizes

EXAMPLES = ((1024, 256), (300, 40), (301, 64), (90, 60))
"""Sizes and smallest sizes: powers of two, an even size, an odd one, and one that stays alone."""


@task("A pyramid of sizes", points=1, reread=(CHAPTER, "A thousand pixels, coarse to fine"))
def pyramid(answer: Answer) -> None:
    """`pyramid(size, smallest)`: sizes from coarse to fine, each half of the next."""
    drawn = torch.randint(30, 2000, (4,), generator=answer.inputs.generator).tolist()
    for size, smallest in (*EXAMPLES, *((s, 1 + s // 7) for s in drawn)):
        _examine_sizes(answer, size, smallest, answer(size, smallest))


def _examine_sizes(answer: Answer, size: int, smallest: int, sizes: Any) -> None:
    seen = f"given size = {size}, smallest = {smallest}: yours is {sizes!r:.60}"
    if not isinstance(sizes, (list, tuple)) or not sizes:
        answer.reject("not-a-list", seen, "Return a list of sizes, even if there is only one.")
    if not all(isinstance(n, int) for n in sizes):
        answer.reject(
            "not-whole", seen, "A number of pixels is a whole number. Which division returns one?"
        )
    for name, wrong, hint in _faults_of_sizes(size, smallest, list(sizes)):
        if wrong:
            answer.reject(name, seen, hint)


def _faults_of_sizes(size: int, smallest: int, sizes: list[int]) -> list[tuple[str, bool, str]]:
    steps = list(itertools.pairwise(sizes))
    up = sorted(sizes)
    return [
        ("same-size-twice", len(set(sizes)) < len(sizes),
         "One size occurs twice. Each size is needed once."),
        ("coarse-last", len(sizes) > 1 and sizes == up[::-1],
         "Which size comes first, the large one or the small one?"),
        ("out-of-order", sizes != up, "Each size should be larger than the one before it."),
        ("from-below", sizes[-1] != size < 2 * sizes[-1] and sizes[0] == smallest,
         "Doubling the smallest size reaches `size` only by luck. From which end should you "
         "begin?"),
        ("size-missing", sizes[-1] != size, "The last size should be the one that was asked for."),
        ("too-small", sizes[0] < smallest,
         "Your first size is below the smallest. When should you stop?"),
        ("not-halved", any(abs(b - 2 * a) > 1 for a, b in steps),
         "Compare neighbouring sizes: each should be half of the next, up to rounding."),
        ("starts-too-large", sizes[0] >= 2 * smallest,
         "Your first size could be halved once more and would still be large enough."),
    ]  # fmt: skip


# 4 Several styles

Grams = dict[str, Tensor]


def _blend(targets: Sequence[Grams], weights: Sequence[float]) -> Grams:
    return _sum(targets, [w / sum(weights) for w in weights])


def _sum(targets: Sequence[Grams], weights: Sequence[float]) -> Grams:
    pairs = list(zip(targets, weights, strict=True))
    return {layer: total(w * t[layer] for t, w in pairs) for layer in targets[0]}


def _by_position(targets: Sequence[Grams], weights: Sequence[float]) -> Grams:
    """Trusts that all dictionaries have their layers in one order."""
    columns = zip(*(t.values() for t in targets), strict=True)
    return {
        layer: total(w * g for w, g in zip(weights, grams, strict=True)) / sum(weights)
        for layer, grams in zip(targets[0], columns, strict=True)
    }


SHARES = "Blend the same style twice, with weights of 2 and 2. What should you get?"

BLEND = (
    Mistake("weights-not-shared-out", _sum, SHARES),
    Mistake("divided-by-the-count", lambda t, w: _sum(t, [x / len(w) for x in w]), SHARES),
    Mistake("added-up", lambda t, w: _sum(t, [1.0] * len(w)), SHARES),
    Mistake(
        "weights-ignored", lambda t, w: _sum(t, [1 / len(w)] * len(w)),
        "That is the plain mean of all styles, whatever the weights. Try weights of 99 and 1: "
        "which style should dominate?",
    ),
    Mistake(
        "weights-reversed", lambda t, w: _blend(t, w[::-1]),
        "Try weights of 99 and 1. Which style should dominate, and which one does?",
    ),
    Mistake(
        "strongest-only", lambda t, w: t[max(range(len(w)), key=lambda i: w[i])],
        "You return one of the styles unchanged. A blend contains something of each.",
    ),
    Mistake(
        "softmax", lambda t, w: _sum(t, torch.softmax(torch.tensor(w), 0).tolist()),
        "Double all weights. Should the blend change, and does yours?",
    ),
    Mistake(
        "order-trusted", _by_position,
        "The dictionaries may list their layers in different orders. Which entries do you combine?",
    ),
)  # fmt: skip


@task("Several styles", points=2, reread=(CHAPTER, "Two styles by weight"))
def blend(answer: Answer) -> None:
    """`blend(targets, weights)`: one target `{layer: Gram}` for several styles."""
    cases = [
        (_targets(answer, 2, torch.float32), [1.0, 3.0]),
        (_targets(answer, 3, torch.float64), [0.2, 0.5, 0.1]),
        (_targets(answer, 2, torch.float32), [4.0, 1.5]),
    ]
    if not isinstance(mixed := answer(*cases[0]), dict):
        answer.reject(
            "not-a-dictionary", f"your function returned a value of type {type(mixed).__name__}",
            "Each entry of targets is a target. Look at one of them: your result should have the "
            "same form.",
        )  # fmt: skip
    answer.compare(_blend, cases, mistakes=BLEND, otherwise=SHARES)


def _targets(answer: Answer, count: int, dtype: torch.dtype) -> list[Grams]:
    """Gram matrices of so many styles; the second lists its layers from deep to shallow."""
    layers = ["relu1_1", "relu2_1", "relu3_1"]
    (filters,) = answer.inputs.sides(1)
    orders = [layers, layers[::-1], layers][:count]
    draw = answer.inputs.normal
    features = [{k: draw(1, filters, 20, dtype=dtype) for k in order} for order in orders]
    return [{k: f @ f.mT / 20 for k, f in style.items()} for style in features]


# 5 The Gram matrix of a region


def _shares(features: Tensor, mask: Tensor, **how: Any) -> Tensor:
    """The mask at the layer's size, `(1, 1, M)`; options make it a wrong one."""
    return F.interpolate(mask, features.shape[-2:], **(how or {"mode": "area"})).flatten(2)


def _weighted(features: Tensor, shares: Tensor, total: Any) -> Tensor:
    f = features.flatten(2)
    gram: Tensor = (f * shares) @ f.mT / total
    return gram


def _region_gram(features: Tensor, mask: Tensor, **how: Any) -> Tensor:
    shares = _shares(features, mask, **how)
    return _weighted(features, shares, shares.sum())


def _mask_squared(features: Tensor, mask: Tensor) -> Tensor:
    shares = _shares(features, mask)
    return _weighted(features, shares.square(), shares.sum())


def _gram_of_masked(features: Tensor, mask: Tensor) -> Tensor:
    shares = _shares(features, mask)
    return _weighted(features, shares.square(), shares.numel())


def _guidance_of_gatys(features: Tensor, mask: Tensor) -> Tensor:
    """Guidance channels that are scaled to length 1, which squares the mask."""
    shares = _shares(features, mask).square()
    return _weighted(features, shares, shares.sum())


def _folded(features: Tensor, mask: Tensor) -> Tensor:
    return _region_gram(features, mask).mean(0, keepdim=True)


ONES = "Try a mask of ones. Which matrix should you get, whatever the size of the mask?"
CUT_OUT = (
    "A position of the layer covers several pixels of the mask. How much should it count if half "
    "of these belong to the region?"
)

REGION = (
    Mistake(
        "mask-forgotten", lambda f, m: _weighted(f, torch.ones_like(_shares(f, m)),
                                                 _shares(f, m).numel()),
        "That is the Gram matrix of the whole layer. Where does the mask enter?",
    ),
    Mistake(
        "mask-squared", _mask_squared,
        "Follow a position that lies half inside, with a share of ½. How often does the share "
        "enter the product, and how often does it enter the sum that you divide by?",
    ),
    Mistake(
        "mask-squared", _guidance_of_gatys,
        "Follow a position that lies half inside, with a share of ½. How often does the share "
        "enter the product?",
    ),
    Mistake(
        "features-masked", _gram_of_masked,
        "You multiply the features by the mask and take the Gram matrix of the product. How often "
        "does the share of a position enter, and by what do you divide?",
    ),
    Mistake(
        "divided-by-all-positions",
        lambda f, m: _weighted(f, _shares(f, m), f.shape[-2] * f.shape[-1]),
        "Make the region smaller, with the same features in it. Should the matrix shrink?",
    ),
    Mistake("divided-by-pixels", lambda f, m: _weighted(f, _shares(f, m), m.sum()), ONES),
    Mistake("not-divided", lambda f, m: _weighted(f, _shares(f, m), 1), ONES),
    Mistake("pixels-left-out", lambda f, m: _region_gram(f, m, mode="nearest"), CUT_OUT),
    Mistake("pixels-left-out", lambda f, m: _region_gram(f, m, mode="nearest-exact"), CUT_OUT),
    Mistake("pixels-left-out", lambda f, m: _region_gram(f, m, mode="bilinear"), CUT_OUT),
    Mistake("pixels-left-out", lambda f, m: _region_gram(f, m, mode="bicubic"), CUT_OUT),
    Mistake(
        "cut-at-a-half",
        lambda f, m: _weighted(f, (_shares(f, m) > 0.5).to(f), (_shares(f, m) > 0.5).sum()),
        CUT_OUT,
    ),
    Mistake(
        "cut-at-a-half",
        lambda f, m: _weighted(f, _shares(f, m).round(), _shares(f, m).round().sum()), CUT_OUT,
    ),
    Mistake(
        "grown", lambda f, m: _weighted(
            f, F.adaptive_max_pool2d(m, f.shape[-2:]).flatten(2),
            F.adaptive_max_pool2d(m, f.shape[-2:]).sum()), CUT_OUT,
    ),
    Mistake(
        "outside-for-inside", lambda f, m: _region_gram(f, 1 - m),
        "That is the Gram matrix of everything outside the region. Which value does the mask have "
        "inside?",
    ),
    Mistake(
        "batch-folded", _folded,
        "You get one matrix for a batch of two images. Each image has a matrix of its own.",
    ),
)  # fmt: skip


@task("The Gram matrix of a region", points=2, reread=(CHAPTER, "A style for each region"))
def region_gram(answer: Answer) -> None:
    """`region_gram(features, mask)`: the mean of f fᵀ over the region of a mask `(1, 1, H, W)`."""
    first = _region(answer, 1, torch.float32)
    features, mask = _region(answer, 1, torch.float64)
    fading = torch.linspace(1, 0.2, mask.shape[-1]).to(mask)
    cases = {
        "a region with a sharp border": first,
        "a batch of two images": _region(answer, 2, torch.float32),
        "a mask with values between 0 and 1": (features, mask * fading),
    }
    exact = _values.alike(answer(*first), _exact_region_gram(*first), rtol=1e-4, atol=1e-8)
    right = _exact_region_gram if exact else _region_gram
    answer.compare(right, cases, mistakes=REGION, otherwise=ONES)
    answer.gradients(right, first)
    answer.on_another_device(*first)


def _exact_region_gram(features: Tensor, mask: Tensor) -> Tensor:
    """With shares by exact areas: a pixel that two positions share counts for both in part."""
    rows, columns = (
        _overlaps(small, large).to(mask)
        for small, large in zip(features.shape[-2:], mask.shape[-2:], strict=True)
    )
    shares = (rows @ mask @ columns.mT).flatten(2)
    return _weighted(features, shares, shares.sum())


def _overlaps(small: int, large: int) -> Tensor:
    """How much of each of `small` equal parts of a line each of `large` ones covers: sums of 1."""
    ends = torch.arange(small + 1, dtype=torch.float64) * large / small
    pixels = torch.arange(large, dtype=torch.float64)
    low = torch.maximum(ends[:-1, None], pixels)
    covered = (torch.minimum(ends[1:, None], pixels + 1) - low).clamp(min=0)
    return covered * small / large


def _region(answer: Answer, batch: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Features, and a mask at the size of their picture, with a ragged border."""
    (features,) = answer.inputs.features(1, batch, dtype)
    height, width = 4 * features.shape[-2] + 1, 4 * features.shape[-1]
    border = 0.35 + 0.3 * torch.rand(height, 1, generator=answer.inputs.generator)
    inside = torch.arange(width) < border * width
    return features, inside[None, None].to(dtype)


# 6 The photograph's palette


def _palette(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean `(3, 1)` and covariance `(3, 3)` of a picture's colours."""
    colours = image[0].flatten(1).double()
    return colours.mean(1, keepdim=True), torch.cov(colours, correction=0)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    power: Tensor = vectors @ torch.diag(values**exponent) @ vectors.mT
    return power


def _mapped(
    style: Tensor, photo: Tensor, matrix: Callable[[Tensor, Tensor], Tensor],
    *, centred: bool = True, moved: bool = True,
) -> Tensor:  # fmt: skip
    """The right map for the right matrix of two covariances; options leave steps out."""
    (mean, cov), (new_mean, new_cov) = _palette(style), _palette(photo)
    colours = style[0].flatten(1).double()
    colours = matrix(cov, new_cov) @ (colours - mean if centred else colours)
    return (colours + new_mean if moved else colours).view(style.shape).to(style.dtype)


def _roots(a: Tensor, p: Tensor) -> Tensor:
    return _power(p, 0.5) @ _power(a, -0.5)


def _by_one_mean(style: Tensor, photo: Tensor) -> Tensor:
    (mean, cov), (new_mean, new_cov) = _palette(style), _palette(photo)
    colours = _roots(cov, new_cov) @ (style[0].flatten(1).double() - mean.mean()) + new_mean.mean()
    return colours.view(style.shape)


def _upper_factors(a: Tensor, p: Tensor) -> Tensor:
    factor: Tensor = torch.linalg.cholesky(p).mT @ torch.linalg.inv(torch.linalg.cholesky(a).mT)
    return factor


def _channels_alone(a: Tensor, p: Tensor) -> Tensor:
    return torch.diag((p.diagonal() / a.diagonal()).sqrt())


def _described(function: Callable[..., Tensor], style: Tensor, photo: Tensor) -> dict[str, Tensor]:
    """The palette of what a function makes."""
    mean, cov = _palette(function(style, photo))
    return {"mean": mean[:, 0], "covariance": cov}


def _with_palette(name: str, hint: str, make: Callable[..., Tensor]) -> Mistake:
    return Mistake(name, lambda style, photo: _described(make, style, photo), hint)


def _by(matrix: Callable[[Tensor, Tensor], Tensor], **options: bool) -> Callable[..., Tensor]:
    return lambda style, photo: _mapped(style, photo, matrix, **options)


TRY_THE_MATRIX = (
    "Leave the images aside for a moment. What is the covariance of the colours T c, as a formula? "
    "Work it out for your T, and compare it with the photograph's, entry by entry."
)
ONE_CHANNEL = (
    "Work it out on paper for one channel, where the covariance is a plain variance: 1 in the "
    "painting, 4 in the photograph. By what factor must the deviations grow, and by what factor do "
    "yours?"
)

PALETTE = (
    _with_palette(
        "nothing-changed", "The palette is still that of the painting.", lambda style, photo: style,
    ),
    _with_palette(
        "only-the-mean", "The cloud of colours is in the right place. Does it have the right "
                         "shape?",
        _by(lambda a, p: torch.eye(3).to(a)),
    ),
    _with_palette(
        "channels-alone",
        "Each channel has the right mean and variance. Look at the other entries of the "
        "covariance: how strongly the channels vary together is wrong.",
        _by(_channels_alone),
    ),
    _with_palette("roots-missing", ONE_CHANNEL, _by(lambda a, p: p @ torch.linalg.inv(a))),
    _with_palette(
        "roots-of-entries",
        "You take the root of each entry separately. The root of a matrix, multiplied by itself, "
        "gives the matrix: does yours?",
        _by(lambda a, p: p.sqrt() @ torch.linalg.inv(a.sqrt())),
    ),
    _with_palette(
        "entries-divided",
        "Matrices are not numbers: dividing entry by entry does not undo a multiplication by a "
        "matrix.",
        _by(lambda a, p: (p / a).sqrt()),
    ),
    _with_palette(
        "one-mean-for-all", "A mean colour consists of three numbers. How many does yours have?",
        _by_one_mean,
    ),
    _with_palette(
        "order-reversed",
        "The rightmost matrix in a product acts first. Which has to come first: making the "
        "painting's cloud round, or stretching it?",
        _by(lambda a, p: _power(a, -0.5) @ _power(p, 0.5)),
    ),
    _with_palette(
        "never-rounded",
        "You stretch the cloud of the painting as if it were round. Which shape did it have "
        "before?", _by(lambda a, p: _power(p, 0.5)),
    ),
    _with_palette(
        "round",
        "Your cloud of colours is round. That is half of the work: which shape should it have?",
        _by(lambda a, p: _power(a, -0.5)),
    ),
    _with_palette(
        "other-way", "You map the photograph's palette to the painting's. The task asks for the "
                     "opposite direction.",
        _by(lambda a, p: _roots(p, a)),
    ),
    _with_palette(
        "transposed-factor",
        "A Cholesky factor L gives the covariance as L Lᵀ. Which of the two acts on the colours, "
        "and is yours the lower triangular one?",
        _by(_upper_factors),
    ),
    _with_palette(
        "mean-lost",
        "The shape of your cloud is right. Where is its centre, and where should it be?",
        _by(_roots, moved=False),
    ),
    _with_palette(
        "not-centred",
        "The shape of your cloud is right, but its centre is not. Was the painting's cloud "
        "centred at 0 when you multiplied it by the matrix?", _by(_roots, centred=False),
    ),
    _with_palette(
        "clamped",
        "Everything is right up to the last step. Clipping changes the palette: leave it to the "
        "code that saves the image.",
        lambda style, photo: _mapped(style, photo, _roots).clamp(0, 1),
    ),
)  # fmt: skip

DARKER = 3.0
"""Makes most of a photograph dark and some of it bright. An evenly coloured painting with that mean
and spread has colours below 0, so that clipping is noticed."""

ONE_MAP = 1e-3
"""How far a colour may be from what a single affine map makes of its original."""


@task("The photograph's palette", points=3,
      reread=(CHAPTER, "Keep the colours: repaint the painting first"))  # fmt: skip
def match_palette(answer: Answer) -> None:
    """`match_palette(style, photo)`: the painting with the photo's mean and covariance."""
    cases = [_painting_and_photo(answer) for _ in range(3)]
    for style, photo in cases:
        _must_be_a_picture(answer, answer(style, photo), style)
    answer.through(_described).compare(
        lambda style, photo: _described(_by(_roots), style, photo), cases,
        mistakes=PALETTE, otherwise=TRY_THE_MATRIX, rtol=1e-2, atol=1e-5,
    )  # fmt: skip
    _must_be_one_map(answer, *cases[0])


def _painting_and_photo(answer: Answer) -> tuple[Tensor, Tensor]:
    """Two pictures with palettes of their own.

    They have so many pixels that it makes no difference whether a covariance divides by their
    number or by one less.
    """
    height, width = (6 * side for side in answer.inputs.sides())
    bright = _with_own_palette(answer, height, width)
    return bright, _with_own_palette(answer, width, height, DARKER)


def _with_own_palette(answer: Answer, height: int, width: int, power: float = 1.0) -> Tensor:
    """Random colours whose channels go together in a random way; a power darkens most of them."""
    colours = torch.rand(3, height * width, generator=answer.inputs.generator) ** power
    shares = torch.softmax(answer.inputs.normal(3, 3), dim=1)
    return ((0.6 * torch.eye(3) + 0.4 * shares) @ colours).view(1, 3, height, width)


def _must_be_a_picture(answer: Answer, made: Any, like: Tensor) -> None:
    if not isinstance(made, Tensor) or made.shape != like.shape or made.dtype != like.dtype:
        is_tensor = isinstance(made, Tensor)
        seen = f"{tuple(made.shape)}, {made.dtype}" if is_tensor else type(made).__name__
        answer.reject(
            "not-such-a-picture",
            f"given a style {tuple(like.shape)}, {like.dtype}, yours is {seen}",
            "Return the painting in other colours, in the same shape and type.",
        )  # fmt: skip


def _must_be_one_map(answer: Answer, style: Tensor, photo: Tensor) -> None:
    """Each colour goes where one affine map takes it: anything else is no repainting."""
    made = answer(style, photo)[0].flatten(1).double().mT
    colours = style[0].flatten(1).double().mT
    colours = torch.cat([colours, torch.ones_like(colours[:, :1])], 1)
    fitted = colours @ torch.linalg.lstsq(colours, made).solution
    if (worst := (fitted - made).abs().max().item()) > ONE_MAP:
        answer.reject(
            "not-one-map",
            "the palette is right, but no single map takes the old colours to the new ones: one "
            f"colour is off by {worst:.2g}",
            "Two pixels of the same colour should have the same colour afterwards. Use the same "
            "matrix and the same shift for all pixels.",
        )  # fmt: skip
