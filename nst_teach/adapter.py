"""Any network as a `FeatureNetwork`: the layers of a module that somebody else wrote, by name.

torchvision follows a picture through the module (`torch.fx`) and gives each value on the way the
name of the layer that made it. Whatever has feature maps can then be used in `transfer`.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from nst_teach.images import preprocess
from nst_teach.networks import MEMORY_FORMAT, FeatureNetwork, NetworkError

OUT_OF_PLACE: dict[object, Callable[[Any, Any], Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}
"""`x += y` writes into a layer that was asked for; `x + y` does not."""

TOLERANCE = 4  # positions by which convolutions without padding change a map's proportions


def adapt_network(
    module: nn.Module,
    *,
    content_layers: Iterable[str],
    style_layers: Iterable[str],
    name: str | None = None,
    convention: str = "torchvision",
) -> FeatureNetwork:
    """Make a `FeatureNetwork` of any module, to use in `transfer(network=…)`.

    Args:
        module: takes a picture `(B, 3, H, W)`. A copy is used: frozen, in evaluation mode, with
            nothing done in place, so that a layer before a ReLU is what it was there.
        content_layers, style_layers: names of its layers, such as `"layer2.1.relu"`. The result's
            `layers` lists them all; a value used twice has names that end with _1, _2 and so on.
        name: for messages; `None` takes the class's.
        convention: what the module expects, see `preprocess`.

    Returns:
        A network whose `forward` gives feature maps `(B, N, h, w)`. Tokens `(B, L, N)` of a vision
        transformer become such maps where they lie on a grid of the picture's proportions.

    Raises:
        NetworkError: the module cannot be followed, or has no layer of one of these names.

    Any network that recognises things will do, not every one as well as a VGG: chapter 2.
    """
    return _Adapted(
        module,
        name or type(module).__name__,
        tuple(content_layers),
        tuple(style_layers),
        convention,
    )


class _Adapted(FeatureNetwork):
    """A module whose layers are found by following a picture through it."""

    def __init__(
        self,
        module: nn.Module,
        name: str,
        content_layers: tuple[str, ...],
        style_layers: tuple[str, ...],
        convention: str,
    ):
        super().__init__(
            name,
            {},
            pooling="its own",
            content_layers=content_layers,
            style_layers=style_layers,
            convention=convention,
        )
        self.module = _frozen(module)
        self.layers = _names(self.module, name)
        self._ways: dict[tuple[str, ...], Callable[[Tensor], dict[str, Any]]] = {}
        if content_layers or style_layers:
            self._check((*content_layers, *style_layers))

    def forward(self, image: Tensor, layers: str | Iterable[str]) -> dict[str, Tensor]:
        """As in `FeatureNetwork`; a picture that the module refuses is a `NetworkError`."""
        asked = self._check(layers)
        wanted = tuple(layer for layer in self.layers if layer in asked)
        x = preprocess(image, self.convention).contiguous(memory_format=MEMORY_FORMAT)
        try:
            values = self._way(wanted)(x)
        except (RuntimeError, AssertionError, ValueError) as error:
            if isinstance(error, torch.OutOfMemoryError) or "memory" in str(error):
                raise
            reason = str(error).splitlines()[0].partition(" but got Proxy")[0]
            raise NetworkError(
                f"{self.name} cannot take a picture of {image.shape[-2]}×{image.shape[-1]} pixels "
                f"({reason}). Choose another size, or an earlier layer."
            ) from error
        return {layer: self._map(layer, values[layer], image) for layer in wanted}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> _Adapted:
        self._ways = {}  # they hold tensors of the device that is left
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return self

    def _way(self, layers: tuple[str, ...]) -> Callable[[Tensor], dict[str, Any]]:
        """The part of the module that leads to these layers."""
        if layers not in self._ways:
            self._ways[layers] = _followed(self.module, layers)
        return self._ways[layers]

    def _map(self, layer: str, value: object, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if isinstance(value, Tensor) and value.ndim == 3:
            value = _on_a_grid(value, height, width)
        if isinstance(value, Tensor) and value.ndim == 4 and _fits(value, height, width):
            return value
        given = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else str(type(value))
        raise NetworkError(
            f"{layer} of {self.name} gives no feature map of a {height}×{width} picture, but "
            f"{given}; expected (B, N, h, w). Choose another layer."
        )


def _frozen(module: nn.Module) -> nn.Module:
    module = copy.deepcopy(module).requires_grad_(False).eval().to(memory_format=MEMORY_FORMAT)
    for inner in module.modules():
        if getattr(inner, "inplace", False):
            setattr(inner, "inplace", False)  # noqa: B010 - a name that only some modules have
    return module


def _names(module: nn.Module, name: str) -> tuple[str, ...]:
    from torchvision.models.feature_extraction import get_graph_node_names

    try:
        _, names = get_graph_node_names(module, suppress_diff_warning=True)
    except Exception as error:  # whatever the module does with a value that stands for a picture
        raise NetworkError(
            f"{name} cannot be followed from layer to layer ({type(error).__name__}: {error}). "
            "Its forward must not depend on the values of its input."
        ) from error
    return tuple(names[1:])  # the first is the picture


def _followed(module: nn.Module, layers: tuple[str, ...]) -> Callable[[Tensor], dict[str, Any]]:
    from torchvision.models.feature_extraction import create_feature_extractor

    way = create_feature_extractor(module, list(layers), suppress_diff_warning=True).eval()
    for node in way.graph.nodes:
        node.target = OUT_OF_PLACE.get(node.target, node.target)
        if isinstance(node.target, str) and node.op == "call_method":
            node.target = node.target.removesuffix("_")
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
    way.recompile()
    followed: Callable[[Tensor], dict[str, Any]] = way
    return followed


def _on_a_grid(tokens: Tensor, height: int, width: int) -> Tensor:
    """Tokens `(B, L, N)` as `(B, N, h, w)`, without a class token before them; else unchanged."""
    for first in (0, 1):
        count = tokens.shape[1] - first
        rows = round((count * height / width) ** 0.5)
        if rows and count % rows == 0 and rows * width == count // rows * height:
            batch, _, channels = tokens.shape
            return tokens[:, first:].mT.reshape(batch, channels, rows, count // rows)
    return tokens


def _fits(features: Tensor, height: int, width: int) -> bool:
    """Whether the last two axes have the picture's proportions: else the channels are there."""
    rows, columns = features.shape[-2:]
    return features.numel() > 0 and abs(rows * width - columns * height) <= TOLERANCE * max(
        height, width
    )
