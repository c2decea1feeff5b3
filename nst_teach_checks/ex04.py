"""Checks of exercise 4: Gram matrices, the style loss, its gradient, and a texture's loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nst_teach import losses
from nst_teach.networks import FeatureNetwork
from nst_teach_checks._core import Answer, Mistake, task
from nst_teach_checks._oracles import by_nudges

__all__ = [
    "forget_positions",
    "gram_matrix",
    "style_gradient",
    "style_loss",
    "texture_loss",
]

CHAPTER = "04_gram_matrices"

BATCHES = ((1, torch.float32), (2, torch.float32), (3, torch.float64))
"""One picture, a batch, and double precision."""

KINK = 0.01
"""Values before a ReLU keep this far from 0, so that no nudge crosses it."""

PRECISIONS = (torch.float32, torch.float32, torch.float64)

STAY = 0.5
"""Share of the positions that may keep their features by chance: a random order keeps about one."""

SAME = 1e-4
"""Room for two Gram matrices that are summed in another order, relative to the largest entry."""


def _rows(features: Tensor) -> Tensor:
    return features.flatten(2)  # (B, N, M)


def _sums(features: Tensor) -> Tensor:
    return losses.gram_matrix(features, normalize=False)


# 1 The Gram matrix


def _folded(features: Tensor) -> Tensor:
    """The batch taken for filters, as in a well-known tutorial."""
    rows = features.flatten(0, 1).flatten(1)  # (B·N, M)
    return rows @ rows.T


def _dealt_anew(features: Tensor) -> Tensor:
    batch, filters, *_ = features.shape
    columns = features.reshape(batch, -1, filters)
    return columns.mT @ columns / columns.shape[1]


def _centred(features: Tensor) -> Tensor:
    rows = _rows(features)
    rows = rows - rows.mean(dim=2, keepdim=True)
    return rows @ rows.mT / rows.shape[2]


TOY = (
    "Try two filters at three positions, (1, 2, 0) and (0, 1, 3), and work out the entries by hand."
)
MEAN_OVER = (
    "A mean divides by the number of things that are averaged. What does the task ask you to "
    "average over, and how many of them are there?"
)
FOLDED = (
    "Print the shape of your result for a batch of two. Each image has a Gram matrix of its own, "
    "and images that merely share a batch must not be mixed."
)

GRAM = (
    Mistake(
        "not-divided", _sums,
        "Put two copies of the same image side by side: your matrix doubles, but it should stay "
        "the same.",
    ),
    Mistake(
        "divided-by-filters-too",
        lambda f: _sums(f) / f[0].numel(),
        MEAN_OVER,
    ),
    Mistake(
        "divided-by-filters-too",
        lambda f: _sums(f) / f.numel(),
        MEAN_OVER,
    ),
    Mistake("divided-by-filters", lambda f: _sums(f) / f.shape[1], MEAN_OVER),
    Mistake(
        "divided-twice",
        lambda f: _sums(f) / f[0, 0].numel() ** 2,
        "Put two copies of the same image side by side: your matrix is halved, but it should stay "
        "the same.",
    ),
    Mistake("batch-folded", _folded, FOLDED),
    Mistake("batch-folded", lambda f: _folded(f) / f[0, 0].numel(), FOLDED),
    Mistake("batch-folded", lambda f: _folded(f) / f.numel(), FOLDED),
    Mistake(
        "batch-summed",
        lambda f: _sums(f).sum(dim=0) / f[0, 0].numel(),
        FOLDED,
    ),
    Mistake(
        "batch-dropped",
        lambda f: losses.gram_matrix(f)[0],
        "You return a matrix for the first image only. Every image of the batch needs one.",
    ),
    Mistake(
        "positions-for-filters",
        lambda f: _rows(f).mT @ _rows(f) / f[0, 0].numel(),
        "Your matrix compares positions with positions. Over which axis should the sum run, and "
        "which axis should remain?",
    ),
    Mistake(
        "positions-for-filters",
        lambda f: _rows(f).mT @ _rows(f),
        "Your matrix compares positions with positions. Over which axis should the sum run, and "
        "which axis should remain?",
    ),
    Mistake(
        "dealt-anew", _dealt_anew,
        "The shape is right, but reshaping regroups numbers where axes should have been "
        "exchanged. Which row of your matrix is the map of one filter?",
    ),
    Mistake(
        "centred", _centred,
        "That is a covariance matrix: you subtract the mean of each filter, and the formula does "
        "not.",
    ),
    Mistake(
        "diagonal-only",
        lambda f: _rows(f).square().mean(dim=2),
        "You multiply each filter only with itself. What about the other pairs?",
    ),
)  # fmt: skip


@task("The Gram matrices of a batch", points=2, reread=(CHAPTER, "By hand"))
def gram_matrix(answer: Answer) -> None:
    """`gram_matrix(features)`: `(B, N, h, w)` to `(B, N, N)`, a mean over positions."""
    cases = [answer.inputs.features(1, batch, dtype) for batch, dtype in BATCHES]
    answer.compare(losses.gram_matrix, cases, mistakes=GRAM, otherwise=TOY)
    answer.gradients(losses.gram_matrix, cases[1])
    answer.on_another_device(*cases[0])


# 2 The style loss


def _two_sizes(answer: Answer, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Features of a picture and of a style: the same filters, other numbers of positions."""
    filters, *sides = answer.inputs.sides(5)
    shapes = ((1, filters, *sides[:2]), (1, filters, *sides[2:]))
    one, other = (answer.inputs.normal(*shape, dtype=dtype).relu() for shape in shapes)
    return one, other


def _style_loss(features: Tensor, style: Tensor) -> Tensor:
    return losses.style_loss(losses.gram_matrix(features), losses.gram_matrix(style))


def _gap(features: Tensor, style: Tensor) -> Tensor:
    return losses.gram_matrix(features) - losses.gram_matrix(style)


def _gap_of_sums(features: Tensor, style: Tensor) -> Tensor:
    return _sums(features) - _sums(style)


def _in_the_formula(gap: Tensor, features: Tensor) -> Tensor:
    """Σ gap² / (4 N² M²), whatever the gap is."""
    return 0.25 * gap.square().mean() / features[0, 0].numel() ** 2


ONE_PAIR = (
    "Take one filter at a single position, F = 2, and a style with F = 0 there. What does the "
    "formula give, and what does your function return?"
)
TWICE = (
    "Your loss depends on the size of the image. The formula divides by M² because its Gram "
    "matrices are sums. What are yours?"
)
DOUBLED = "Double G − A. By what factor should the loss grow, and by what factor does yours?"

STYLE_LOSS = (
    Mistake("quarter-missing", lambda f, s: _gap(f, s).square().mean(), ONE_PAIR),
    Mistake("quarter-missing", lambda f, s: 0.5 * _gap(f, s).square().mean(), ONE_PAIR),
    Mistake(
        "sum-for-mean",
        lambda f, s: 0.25 * _gap(f, s).square().sum(),
        "The formula divides by N². Where does your code do that?",
    ),
    Mistake(
        "sum-for-mean",
        lambda f, s: _gap(f, s).square().sum(),
        "The formula divides by N² and by one more number. Where does your code do that?",
    ),
    Mistake(
        "filters-once",
        lambda f, s: 0.25 * _gap(f, s).square().sum() / f.shape[1],
        "How many entries does a Gram matrix of N filters have?",
    ),
    Mistake("divided-twice", lambda f, s: _in_the_formula(_gap(f, s), f), TWICE),
    Mistake(
        "one-size-for-both",
        lambda f, s: _in_the_formula(_gap_of_sums(f, s), f),
        "The two images have different numbers of positions. By which number must the Gram matrix "
        "of the style be divided?",
    ),
    Mistake(
        "not-divided-by-positions",
        lambda f, s: 0.25 * _gap_of_sums(f, s).square().mean(),
        "Replace each image by two copies of it side by side. Your loss grows, although the "
        "styles are the same.",
    ),
    Mistake(
        "divided-by-filters-too",
        lambda f, s: 0.25 * (_gap(f, s) / f.shape[1]).square().mean(),
        "How often do you divide by the number of filters, and how often does the formula?",
    ),
    Mistake("absolute-for-squared", lambda f, s: 0.25 * _gap(f, s).abs().mean(), DOUBLED),
    Mistake("root-taken", lambda f, s: 0.25 * _gap(f, s).norm(), DOUBLED),
    Mistake("root-taken", lambda f, s: _gap(f, s).norm(), DOUBLED),
    Mistake(
        "not-squared",
        lambda f, s: 0.25 * _gap(f, s).mean(),
        "Your loss can be negative: entries that are too large and entries that are too small "
        "cancel.",
    ),
    Mistake(
        "not-summed",
        lambda f, s: 0.25 * _gap(f, s).square(),
        "You return one number for each pair of filters. The loss is a single number.",
    ),
    Mistake(
        "diagonal-only",
        lambda f, s: 0.25 * _gap(f, s).diagonal(dim1=1, dim2=2).square().mean(),
        "You compare only the diagonal entries. What about the pairs of different filters?",
    ),
)


@task("The style loss of a layer", points=2, reread=(CHAPTER, "Is the Gram matrix divided twice?"))
def style_loss(answer: Answer) -> None:
    """`style_loss(features, style)`: E of one layer, for images of any two sizes."""
    cases = [_two_sizes(answer, dtype) for dtype in PRECISIONS]
    answer.compare(_style_loss, cases, mistakes=STYLE_LOSS, otherwise=ONE_PAIR)
    answer.gradients(_style_loss, cases[0])


# 3 Blind to position

TOGETHER = (
    "Each filter keeps its values, but the filters no longer respond together as they did. Look at "
    "one position: do the values of all filters move to the same new place?"
)


@task("Blind to position", points=1, reread=(CHAPTER, "Three properties"))
def forget_positions(answer: Answer) -> None:
    """`forget_positions(features)`: other features with the same Gram matrix."""
    layers = [answer.inputs.features(1, batch, dtype)[0] for batch, dtype in BATCHES]
    layers.append(0.5 + layers[0])  # no zeros, so that no value can be lost unnoticed
    for features in layers:
        scattered = answer(features)
        _must_look_like(answer, scattered, features)
        _must_have_its_gram(answer, scattered, features)
        _must_have_moved(answer, scattered, features)


def _must_look_like(answer: Answer, scattered: Any, features: Tensor) -> None:
    if not isinstance(scattered, Tensor):
        answer.reject(
            "not-a-tensor", f"your function returned a value of type {type(scattered).__name__}",
            "Return the features as a tensor.",
        )  # fmt: skip
    if scattered.shape != features.shape:
        answer.reject(
            "wrong-shape", f"yours has the shape {tuple(scattered.shape)}; "
            f"expected {tuple(features.shape)}",
            "Flatten the positions into one axis for the work, and restore the rows and columns "
            "afterwards.",
        )  # fmt: skip
    if scattered.dtype != features.dtype:
        answer.reject(
            "wrong-dtype", f"yours is {scattered.dtype}; expected {features.dtype}",
            "Which step changes the type? Print .dtype after each.",
        )  # fmt: skip
    if scattered.min() < 0:
        answer.reject(
            "below-zero", f"your smallest feature is {scattered.min():.3g}",
            "That is clever, but a ReLU cannot produce it. Keep the values and move them to other "
            "positions.",
        )  # fmt: skip


def _must_have_its_gram(answer: Answer, scattered: Tensor, features: Tensor) -> None:
    mine, expected = losses.gram_matrix(scattered), losses.gram_matrix(features)
    if _near(mine, expected):
        return
    seen = f"an entry of the Gram matrix is off by {(mine - expected).abs().max():.3g}"
    if _near(mine.diagonal(dim1=1, dim2=2), expected.diagonal(dim1=1, dim2=2)):
        answer.reject("each-filter-for-itself", seen, TOGETHER)
    if _near(_sorted(mine), _sorted(expected)):
        answer.reject(
            "filters-moved", seen,
            "The matrix has the same entries in other places, because you have reordered the "
            "filters. Which axis holds filters, and which hold positions?",
        )  # fmt: skip
    if _near(_sorted(scattered), _sorted(features)):
        answer.reject(
            "dealt-anew", seen,
            "All values are still there, but some have moved from one filter to another. Which "
            "axis holds filters, and which hold positions?",
        )  # fmt: skip
    answer.reject(
        "another-gram",
        seen,
        "A sum does not depend on the order of its terms. Over what does the "
        "sum in the Gram matrix run?",
    )


def _must_have_moved(answer: Answer, scattered: Tensor, features: Tensor) -> None:
    stayed = (scattered == features).all(dim=1).double().mean().item()
    if stayed > STAY:
        answer.reject(
            "nothing-moved", f"{stayed:.0%} of the positions hold the same values as before",
            "The Gram matrix is right because the features have hardly changed. Return other "
            "features.",
        )  # fmt: skip


def _near(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= SAME * other.abs().max())


def _sorted(values: Tensor) -> Tensor:
    return values.flatten().sort().values


# 4 The gradient


def _features_and_gram(answer: Answer, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Values before a ReLU, none near the kink, and the Gram matrix of a style."""
    features, style = _two_sizes(answer, dtype)
    z = answer.inputs.normal(*features.shape, dtype=dtype)
    z = torch.where(z.abs() < KINK, z.new_tensor(KINK), z)
    z[..., 0, 0], z[..., -1, -1] = z[..., 0, 0].abs(), z[..., -1, -1].abs()  # slopes, not zeros
    return z, losses.gram_matrix(style)


def _slope(z: Tensor, gram: Tensor) -> Tensor:
    target = gram.double()
    return by_nudges(lambda v: losses.style_loss(losses.gram_matrix(v.relu()), target), z)


def _by_hand(z: Tensor, gram: Tensor, *, divide: Callable[[int, int], float]) -> Tensor:
    """(G − A) F, divided by a number made of N and M; not masked."""
    rows = _rows(z)
    filters, positions = rows.shape[1:]
    slope = (rows @ rows.mT / positions - gram) @ rows
    return slope.reshape(z.shape) / divide(filters, positions)


def _right_number(filters: int, positions: int) -> float:
    return filters**2 * positions


def _divided(divide: Callable[[int, int], float]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda z, gram: _by_hand(z.relu(), gram, divide=divide) * (z > 0)


def _raw(z: Tensor, gram: Tensor) -> Tensor:
    """The paper's formula with a Gram matrix of sums, beside a target of means."""
    rows = _rows(z.relu())
    filters, positions = rows.shape[1:]
    slope = (rows @ rows.mT - gram) @ rows / (filters**2 * positions**2)
    return slope.reshape(z.shape) * (z > 0)


def _unmasked(z: Tensor, gram: Tensor) -> Tensor:
    return _by_hand(z.relu(), gram, divide=_right_number)


STUCK = "Change a value that is well below 0 a little. Does the loss change at all?"
COUNT = (
    "The direction is right, but the length is not. Write E in terms of your own G, which has been "
    "divided by M already, and count the powers of M and N again."
)
INNER = (
    "Take one filter at one position: G = F², so E = (F² − A)² / 4. What is the derivative at F = "
    "2 for A = 1, and what does your function return?"
)

GRADIENT = (
    Mistake("not-masked", _unmasked, STUCK),
    Mistake(
        "relu-forgotten",
        lambda z, gram: _by_hand(z, gram, divide=_right_number),
        "The Gram matrix is computed from the output of the ReLU. What is the output for z = −2?",
    ),
    Mistake(
        "relu-forgotten",
        lambda z, gram: _by_hand(z, gram, divide=_right_number) * (z > 0),
        "The Gram matrix is computed from the output of the ReLU. What is the output for z = −2?",
    ),
    Mistake("divided-twice", _divided(lambda n, m: n**2 * m**2), COUNT),
    Mistake("positions-forgotten", _divided(lambda n, m: n**2), COUNT),
    Mistake("filters-forgotten", _divided(lambda n, m: m), COUNT),
    Mistake("filters-once", _divided(lambda n, m: n * m), COUNT),
    Mistake("symmetry-forgotten", _divided(lambda n, m: 2 * n**2 * m), INNER),
    Mistake("quarter-forgotten", _divided(lambda n, m: n**2 * m / 4), INNER),
    Mistake(
        "gram-not-divided", _raw,
        "You subtract a matrix of means from a matrix of sums. Where does your own gram_matrix "
        "divide?",
    ),
    Mistake(
        "wrong-sign", _divided(lambda n, m: -(n**2) * m),
        "Take two filters that respond together too strongly. If one of them responds even more "
        "where both do, does the loss rise or fall?",
    ),
    Mistake(
        "transposed",
        lambda z, gram: _rows(_divided(_right_number)(z, gram)).mT,
        "In your result the rows are positions. The derivatives belong to z and have its shape.",
    ),
    Mistake(
        "not-folded-back",
        lambda z, gram: _rows(_divided(_right_number)(z, gram)),
        "The numbers are right, but the positions are still flattened. The derivatives have the "
        "shape of z.",
    ),
    Mistake(
        "stopped-at-the-gram",
        lambda z, gram: (losses.gram_matrix(z.relu()) - gram) / (2 * z.shape[1] ** 2),
        "That is the derivative with respect to each entry of G. How does G change with a feature?",
    ),
    Mistake(
        "loss-for-gradient",
        lambda z, gram: losses.style_loss(losses.gram_matrix(z.relu()), gram),
        "A gradient has one number for each value: how fast the loss changes with it.",
    ),
)  # fmt: skip


@task("The gradient of the style loss", points=3, reread=(CHAPTER, "The gradient"))
def style_gradient(answer: Answer) -> None:
    """`style_gradient(z, gram)`: the derivative of E with respect to each value of z."""
    cases = [_features_and_gram(answer, dtype) for dtype in PRECISIONS]
    answer.compare(_slope, cases, mistakes=GRADIENT, otherwise=INNER, atol=1e-7)


# 5 Several layers


def _layer_losses(
    network: FeatureNetwork, image: Tensor, grams: dict[str, Tensor], *, divide: bool = True
) -> list[Tensor]:
    features = network(image, grams)
    return [
        losses.style_loss(losses.gram_matrix(features[layer], normalize=divide), gram)
        for layer, gram in grams.items()
    ]


def _texture_loss(network: FeatureNetwork, image: Tensor, grams: dict[str, Tensor]) -> Tensor:
    return torch.stack(_layer_losses(network, image, grams)).mean()


def _in_one_pot(network: FeatureNetwork, image: Tensor, grams: dict[str, Tensor]) -> Tensor:
    features = network(image, grams)
    gaps = [losses.gram_matrix(features[layer]) - gram for layer, gram in grams.items()]
    return 0.25 * torch.cat([gap.flatten() for gap in gaps]).square().mean()


def _gram_of_gram(network: FeatureNetwork, image: Tensor, grams: dict[str, Tensor]) -> Tensor:
    """What comes out where a target is taken for features, and its Gram matrix taken once more."""
    features = network(image, grams)
    again = {layer: gram @ gram.mT / gram.shape[2] for layer, gram in grams.items()}
    pairs = [(losses.gram_matrix(features[layer]), again[layer]) for layer in grams]
    return torch.stack([losses.style_loss(*pair) for pair in pairs]).mean()


def _before_the_relu(network: FeatureNetwork, image: Tensor, grams: dict[str, Tensor]) -> Tensor:
    features = network(image, [layer.replace("relu", "conv") for layer in grams])
    pairs = zip(features.values(), grams.values(), strict=True)
    return torch.stack([losses.style_loss(losses.gram_matrix(f), g) for f, g in pairs]).mean()


COUNT_THEM = "Try a single layer first, then two. What weight should each layer have?"

TEXTURE = (
    Mistake("layers-not-weighted", lambda *case: sum(_layer_losses(*case)), COUNT_THEM),
    Mistake(
        "one-layer-only", lambda *case: _layer_losses(*case)[-1],
        "Your result depends on the last layer only. What does each iteration of the loop keep "
        "from the one before?",
    ),
    Mistake(
        "one-layer-only", lambda *case: _layer_losses(*case)[0],
        "Your result depends on the first layer only. How many iterations does the loop make?",
    ),
    Mistake(
        "one-layer-only", lambda *case: _layer_losses(*case)[-1] / len(case[2]),
        "Your result depends on the last layer only. What does each iteration of the loop keep "
        "from the one before?",
    ),
    Mistake(
        "layers-not-summed", _layer_losses,
        "You return one number for each layer. The loss is a single number.",
    ),
    Mistake("quarter-missing", lambda *case: 4 * _texture_loss(*case), ONE_PAIR),
    Mistake("quarter-missing", lambda *case: 4 * sum(_layer_losses(*case)), ONE_PAIR),
    Mistake(
        "in-one-pot", _in_one_pot,
        "A layer with more filters has more entries and therefore more weight in your mean. Every "
        "layer should have the same weight.",
    ),
    Mistake(
        "gram-not-divided",
        lambda *case: torch.stack(_layer_losses(*case, divide=False)).mean(),
        "The Gram matrices of the style are means over positions. Are yours?",
    ),
    Mistake(
        "gram-of-gram", _gram_of_gram,
        "Your style_loss computes a Gram matrix from whatever it receives. What does it receive "
        "here as the style?",
    ),
    Mistake(
        "conv-for-relu", _before_the_relu,
        "The name says which layer is meant. Do you use the values before the ReLU or after it?",
    ),
)  # fmt: skip


@task("Several layers at once", points=2, reread=(CHAPTER, "Textures out of noise"))
def texture_loss(answer: Answer) -> None:
    """`texture_loss(network, image, grams)`: the sum of the layers' losses with equal weights."""
    two = _texture(answer, "relu1_1", "relu2_1")
    cases = {
        "two layers": two,
        "three layers of another network": _texture(answer, "relu1_2", "relu2_1", "relu2_2"),
    }
    answer.compare(_texture_loss, cases, mistakes=TEXTURE, otherwise=COUNT_THEM)
    answer.gradients(_texture_loss, two, wrt=1)


def _texture(answer: Answer, *layers: str) -> tuple[FeatureNetwork, Tensor, dict[str, Tensor]]:
    """A network of its own, an image, and the Gram matrices of a style of another size."""
    network = answer.inputs.network(torch.float32)
    grams = losses.gram_of(network(answer.inputs.picture(), layers))
    return network, answer.inputs.picture(), grams
