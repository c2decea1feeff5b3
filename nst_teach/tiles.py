"""Large images in little memory: the objective and its gradient, tile by tile and exactly.

Almost all the memory of an evaluation is features that the backward pass needs. Here those of one
block of layers exist at a time: they are computed again when their gradient is due
(`FeatureNetwork.measure`). A large image is also cut into tiles, one of which is computed at a
time. A Gram matrix is a sum over positions, so it can be added up over the tiles; a content loss
likewise. Several tiles need two passes: the first finds the Gram matrices of the whole image and
with them the gradients of the style losses with respect to each Gram matrix. The second computes
each tile again and sends these gradients back through it. Every tile has a margin as wide as the
receptive field reaches, so that its features are those of the whole image.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nst_teach import losses
from nst_teach.networks import FeatureNetwork, NetworkError

if TYPE_CHECKING:
    from nst_teach.objective import Losses, StyleObjective

TILE = 1024  # pixels; the features of one tile then take about 1.5 GB with VGG-19

Parts = Mapping[str, Tensor]
"""What was found in the features of one layer, by name."""


@dataclass(frozen=True)
class Tile:
    """One axis of a tile: the pixels it covers, and those with its margin, which are computed."""

    start: int
    end: int
    first: int
    last: int
    edge: bool
    """Whether it ends where the image ends."""

    def positions(self, stride: int) -> slice:
        """The positions of the tile itself in features with this stride."""
        start = (self.start - self.first) // stride
        return slice(start, None if self.edge else start + (self.end - self.start) // stride)

    def whole(self, stride: int) -> slice:
        """The same positions in the features of the whole image."""
        return slice(self.start // stride, None if self.edge else self.end // stride)


Measure = Callable[[str, Tensor, Tile, Tile], Parts]
"""From a layer's name, its features and the two axes of a tile to what is found there."""
Found = tuple[dict[str, Parts], Tile, Tile]


@dataclass(frozen=True)
class Reach:
    """How far the layers of a network see.

    Attributes:
        strides: pixels from one position to the next, for each layer.
        margin: pixels that a tile needs around it, a multiple of the largest stride.
    """

    strides: dict[str, int]
    margin: int


def reach(network: FeatureNetwork, layers: Iterable[str]) -> Reach:
    """How far the given layers see; chapter 2 derives the same recursion.

    Raises:
        NetworkError: a network with other modules than 3×3 convolutions, ReLUs and 2×2 pooling.
    """
    wanted, strides, stride, margin = set(layers), dict[str, int](), 1, 0
    for name, module in zip(network.layers, network.stack, strict=False):
        if isinstance(module, nn.Conv2d) and module.stride == (1, 1):
            margin += module.kernel_size[0] // 2 * stride
        elif isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)) and module.kernel_size == 2:
            stride *= 2  # two by two positions become one: it sees no further
        elif not isinstance(module, nn.ReLU):
            break
        strides[name] = stride
        if wanted <= set(strides):
            return Reach({name: strides[name] for name in wanted}, -(-margin // stride) * stride)
    raise NetworkError(
        f"memory='low' needs a network of convolutions, ReLUs and 2×2 pooling, such as petite or a "
        f"VGG; {network.name} has other layers. Use a smaller size= with memory='normal'."
    )


def tiles(size: int, margin: int, stride: int, tile: int = TILE) -> Iterator[Tile]:
    """The tiles of one axis; each begins at a multiple of the stride."""
    step = max(stride, tile // stride * stride)
    starts = range(0, size, step)
    if len(starts) > 1 and size - starts[-1] < stride:  # too narrow for one position
        starts = starts[:-1]
    for start, end in itertools.pairwise((*starts, size)):
        edge = end == size
        yield Tile(
            start, end, max(0, start - margin), size if edge else min(size, end + margin), edge
        )


class Tiled:
    """A network and layers whose features are computed tile by tile."""

    def __init__(self, network: FeatureNetwork, layers: Iterable[str], tile: int = TILE):
        self.network, self.layers, self.tile = network, tuple(layers), tile
        self.reach = reach(network, self.layers)

    def __call__(self, image: Tensor, measure: Measure) -> Iterator[Found]:
        """What is found in the features of each tile, without its margin, and its two axes."""
        for row, column in itertools.product(*self._axes(image)):
            part = image[..., row.first : row.last, column.first : column.last]

            def inner(layer: str, f: Tensor, row: Tile = row, column: Tile = column) -> Parts:
                stride = self.reach.strides[layer]
                here = f[..., row.positions(stride), column.positions(stride)]
                return measure(layer, here, row, column)

            yield self.network.measure(part, self.layers, inner), row, column

    def is_single(self, image: Tensor) -> bool:
        """Whether one tile covers the whole image."""
        return all(len(axis) == 1 for axis in self._axes(image))

    def _axes(self, image: Tensor) -> list[tuple[Tile, ...]]:
        stride = max(self.reach.strides.values())
        return [
            tuple(tiles(side, self.reach.margin, stride, self.tile)) for side in image.shape[-2:]
        ]

    @torch.no_grad()
    def features(self, image: Tensor) -> dict[str, Tensor]:
        """The features of the whole image; for layers that are small enough to keep."""
        kept: dict[str, dict[int, list[Tensor]]] = {layer: {} for layer in self.layers}
        for parts, row, _ in self(image, lambda layer, f, row, column: {"features": f}):
            for layer, part in parts.items():
                kept[layer].setdefault(row.start, []).append(part["features"])
        return {
            layer: torch.cat([torch.cat(row, dim=-1) for row in rows.values()], dim=-2)
            for layer, rows in kept.items()
        }

    @torch.no_grad()
    def grams(self, image: Tensor) -> dict[str, Tensor]:
        """The normalised Gram matrix of each layer, of the whole image."""
        sums = self.added(image, lambda layer, f, row, column: {"gram": _sum_of_products(f)})
        return {
            layer: found["gram"] / self.positions(layer, image) for layer, found in sums.items()
        }

    def added(self, image: Tensor, measure: Measure) -> dict[str, dict[str, Tensor]]:
        """What is found in each layer, added up over the tiles."""
        sums: dict[str, dict[str, Tensor]] = {layer: {} for layer in self.layers}
        for parts, _, _ in self(image, measure):
            for layer, part in parts.items():
                for name, value in part.items():
                    sums[layer][name] = sums[layer][name] + value if name in sums[layer] else value
        return sums

    def positions(self, layer: str, image: Tensor) -> int:
        """How many positions a layer has; pooling drops an incomplete last row or column."""
        stride = self.reach.strides[layer]
        return (image.shape[-2] // stride) * (image.shape[-1] // stride)


def tiled_losses(objective: StyleObjective, network: FeatureNetwork, image: Tensor) -> Losses:
    """The losses of a `StyleObjective`, tile by tile; only the total has a gradient.

    Args:
        objective: provides targets and weights.
        network: computes the features; the objective's own, or its copy in bfloat16.
        image: `(1, 3, H, W)`.
    """
    tiled = Tiled(network, objective.layers)
    if tiled.is_single(image):  # no need for two passes
        return objective.losses_of(*_content_and_grams(objective, tiled, image), image)
    with torch.no_grad():
        content, grams = _content_and_grams(objective, tiled, image)
    leaves = {layer: gram.requires_grad_(True) for layer, gram in grams.items()}
    with torch.enable_grad():
        whole = objective.losses_of(content, leaves, image)
    if not (torch.is_grad_enabled() and image.requires_grad):
        return whole.detach()
    inputs = tuple(leaves.values())
    pulls = torch.autograd.grad(whole.total, inputs, retain_graph=True) if inputs else ()
    pull = {
        layer: p / tiled.positions(layer, image) for layer, p in zip(leaves, pulls, strict=True)
    }
    gradient = _second_pass(objective, tiled, image.detach(), pull)
    smoothness = objective.total_variation * whole.total_variation
    (rough,) = torch.autograd.grad(smoothness, image)
    total: Tensor = _WithGradient.apply(image, whole.total.detach(), gradient + rough)
    return whole.detach(total)


def _content_and_grams(
    objective: StyleObjective, tiled: Tiled, image: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The content losses and the normalised Gram matrices."""

    def measure(layer: str, f: Tensor, row: Tile, column: Tile) -> Parts:
        found = dict[str, Tensor]()
        if layer in objective.content_layers:
            found["content"] = _content(objective, tiled, layer, f, row, column)
        if layer in objective.style_layers:
            found["gram"] = _sum_of_products(f)
        return found

    sums = tiled.added(image, measure)
    grams = {
        layer: sums[layer]["gram"] / tiled.positions(layer, image)
        for layer in objective.style_layers
    }
    return {layer: sums[layer]["content"] for layer in objective.content_layers}, grams


def _second_pass(
    objective: StyleObjective, tiled: Tiled, image: Tensor, pull: dict[str, Tensor]
) -> Tensor:
    """The gradient of content and style, for known gradients with respect to each F Fᵀ."""

    def measure(layer: str, f: Tensor, row: Tile, column: Tile) -> Parts:
        found = dict[str, Tensor]()
        if weight := objective.content_layers.get(layer):
            loss = _content(objective, tiled, layer, f, row, column)
            found["content"] = objective.alpha * weight * loss
        if layer in pull:
            found["style"] = (pull[layer] * _sum_of_products(f)).sum()
        return found

    gradient = torch.zeros_like(image)
    leaf = image.clone().requires_grad_(True)
    for parts, _, _ in tiled(leaf, measure):
        terms = [value for part in parts.values() for value in part.values()]
        (part,) = torch.autograd.grad(torch.stack(terms).sum(), leaf)
        gradient += part
    return gradient


def _sum_of_products(f: Tensor) -> Tensor:
    return losses.gram_matrix(f, normalize=False)


def _content(
    objective: StyleObjective, tiled: Tiled, layer: str, f: Tensor, row: Tile, column: Tile
) -> Tensor:
    stride = tiled.reach.strides[layer]
    target = objective.content_targets[layer][..., row.whole(stride), column.whole(stride)]
    return losses.content_loss(f, target)


class _WithGradient(torch.autograd.Function):
    """A known loss of an image, with its known gradient."""

    @staticmethod
    def forward(image: Tensor, total: Tensor, gradient: Tensor) -> Tensor:
        return total.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradients[0] * gradient, None, None
