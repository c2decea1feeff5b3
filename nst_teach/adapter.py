"""Any module as a `FeatureNetwork`: the layers of a third-party model, by name.

torchvision traces the module with `torch.fx` and names each intermediate value after the layer that
computed it. Any module with feature maps can then be used in `transfer`.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from nst_teach import arguments
from nst_teach.networks import MEMORY_FORMAT, FeatureNetwork, NetworkError

OUT_OF_PLACE: dict[object, Callable[[Any, Any], Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}
"""`x += y` would overwrite the features of a requested layer; `x + y` does not."""

TOLERANCE = 4  # positions by which unpadded convolutions may change a map's proportions


def adapt_network(
    module: nn.Module,
    *,
    content_layers: Iterable[str],
    style_layers: Iterable[str],
    name: str | None = None,
    convention: str = "torchvision",
) -> FeatureNetwork:
    """Turn any module into a `FeatureNetwork`, for use in `transfer(network=…)`.

    Args:
        module: maps an image `(B, 3, H, W)` to anything. A copy of it is used, frozen and in
            evaluation mode, with all in-place operations replaced, so that a ReLU does not
            overwrite the layer before it.
        content_layers, style_layers: names of its layers, such as `"layer2.1.relu"`. The attribute
            `layers` of the result lists them all; a layer that is used several times has names
            ending in _1, _2 and so on.
        name: for messages; `None` takes the name of the class.
        convention: the preprocessing that the module expects, see `preprocess`.

    Returns:
        A network whose `forward` returns feature maps `(B, N, h, w)`. The tokens `(B, L, N)` of a
        vision transformer are rearranged into such maps if they form a grid with the proportions
        of the image.

    Raises:
        NetworkError: no module was given, or it cannot be traced, or has no layer of that name.

    Any network trained to recognise things can be used, but few work as well as a VGG: see
    chapter 2.
    """
    if not isinstance(cast(object, module), nn.Module):
        raise NetworkError(
            f"adapt_network got {arguments.shown(module)}; expected a module, such as "
            "torchvision.models.resnet18()."
        )
    return _Adapted(
        module,
        name or type(module).__name__,
        tuple(content_layers),
        tuple(style_layers),
        convention,
    )


class _Adapted(FeatureNetwork):
    """A module whose layers are found by tracing it."""

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
        self._extractors: dict[tuple[str, ...], Callable[[Tensor], dict[str, Any]]] = {}
        if content_layers or style_layers:
            self._check((*content_layers, *style_layers))

    def forward(self, image: Tensor, layers: str | Iterable[str]) -> dict[str, Tensor]:
        """As in `FeatureNetwork`; an image that the module rejects raises a `NetworkError`."""
        asked = self._check(layers)
        wanted = tuple(layer for layer in self.layers if layer in asked)
        x = self._input(image)
        try:
            values = self._extractor(wanted)(x)
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
        self._extractors = {}  # they hold tensors on the previous device
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # untyped in torch
        return self

    def _extractor(self, layers: tuple[str, ...]) -> Callable[[Tensor], dict[str, Any]]:
        """The part of the module that computes these layers."""
        if layers not in self._extractors:
            self._extractors[layers] = _traced(self.module, layers)
        return self._extractors[layers]

    def _map(self, layer: str, value: object, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if isinstance(value, Tensor) and value.ndim == 3:
            value = _on_a_grid(value, height, width)
        if isinstance(value, Tensor) and value.ndim == 4 and _fits(value, height, width):
            return value.to(image.dtype)
        given = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else str(type(value))
        raise NetworkError(
            f"{layer} of {self.name} gives no feature map of a {height}×{width} picture, but "
            f"{given}; expected (B, N, h, w). Choose another layer."
        )


def _frozen(module: nn.Module) -> nn.Module:
    module = copy.deepcopy(module).requires_grad_(False).eval().to(memory_format=MEMORY_FORMAT)
    for inner in module.modules():
        if getattr(inner, "inplace", False):
            setattr(inner, "inplace", False)  # noqa: B010 - only some modules have it
    return module


def _names(module: nn.Module, name: str) -> tuple[str, ...]:
    from torchvision.models.feature_extraction import get_graph_node_names

    try:
        _, names = get_graph_node_names(module, suppress_diff_warning=True)
    except Exception as error:  # a proxy for the image can break a module in many ways
        raise NetworkError(
            f"{name} cannot be traced ({type(error).__name__}: {error}). Its forward must not "
            "depend on the values of its input."
        ) from error
    return tuple(names[1:])  # the first is the image


def _traced(module: nn.Module, layers: tuple[str, ...]) -> Callable[[Tensor], dict[str, Any]]:
    from torchvision.models.feature_extraction import create_feature_extractor

    extractor = create_feature_extractor(module, list(layers), suppress_diff_warning=True).eval()
    for node in extractor.graph.nodes:
        node.target = OUT_OF_PLACE.get(node.target, node.target)
        if isinstance(node.target, str) and node.op == "call_method":
            node.target = node.target.removesuffix("_")
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
    extractor.recompile()
    traced: Callable[[Tensor], dict[str, Any]] = extractor
    return traced


def _on_a_grid(tokens: Tensor, height: int, width: int) -> Tensor:
    """Tokens `(B, L, N)` as `(B, N, h, w)`, without a leading class token; otherwise unchanged."""
    for first in (0, 1):
        count = tokens.shape[1] - first
        rows = round((count * height / width) ** 0.5)
        if rows and count % rows == 0 and rows * width == count // rows * height:
            batch, _, channels = tokens.shape
            return tokens[:, first:].mT.reshape(batch, channels, rows, count // rows)
    return tokens


def _fits(features: Tensor, height: int, width: int) -> bool:
    """Whether the last two axes have the proportions of the image, so that neither is channels."""
    rows, columns = features.shape[-2:]
    return features.numel() > 0 and abs(rows * width - columns * height) <= TOLERANCE * max(
        height, width
    )
