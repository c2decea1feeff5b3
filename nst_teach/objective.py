"""Where the network meets the losses: one number that says how far a picture is from its goal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nst_teach import losses
from nst_teach.networks import FeatureNetwork

Layers = str | Iterable[str] | Mapping[str, float]
"""Layers by name; a mapping gives each a weight."""

STYLE_STRENGTH = 30.0
"""β per content feature where β is left open; tuned by eye on `petite` at 192 to 384 pixels."""


@dataclass(frozen=True)
class Losses:
    """One evaluation: the total, and every part before weights, α and β are applied.

    Attributes:
        total: α Σ w·content + β Σ w·style + weight·total_variation.
        content: ½ Σ (F − P)² per content layer.
        style: the paper's E per style layer.
        total_variation: of the picture.
    """

    total: Tensor
    content: dict[str, Tensor]
    style: dict[str, Tensor]
    total_variation: Tensor


class StyleObjective:
    """α·content + β·style + weight·total variation of a picture, Gatys et al. (2016), equation 7.

    Args:
        content, style: `(1, 3, H, W)`, RGB in [0, 1]; their sizes may differ.
        network: where the features come from.
        content_layers: a name, several names (weight 1 each) or `{name: weight}`; may be empty.
        style_layers: the same, but names without weights share a total of 1 (w = 1/5 for the
            paper's five layers); may be empty: then the style has no say.
        alpha: weight of the content.
        beta: weight of the style; `None` takes α · `STYLE_STRENGTH` · (number of content features),
            which looks the same at every size (chapter 5 explains why a fixed ratio does not).
        total_variation: weight of the total variation.

    Raises:
        NetworkError: an unknown layer.
        ValueError: a weight that is negative or not finite.

    Chapter 5 builds it step by step.
    """

    def __init__(
        self,
        content: Tensor,
        style: Tensor,
        network: FeatureNetwork,
        *,
        content_layers: Layers,
        style_layers: Layers,
        alpha: float = 1.0,
        beta: float | None = None,
        total_variation: float = 0.0,
    ):
        self.network = network
        self.content_layers = layer_weights(content_layers, share=False)
        self.style_layers = layer_weights(style_layers, share=True)
        self.layers = (*self.content_layers, *self.style_layers)
        with torch.no_grad():
            self.content_targets = self._features(content, self.content_layers)
            self.style_targets = losses.gram_of(self._features(style, self.style_layers))
        self.alpha = _weight("alpha", alpha)
        self.beta = _weight("beta", self.default_beta() if beta is None else beta)
        self.total_variation = _weight("total_variation", total_variation)

    def default_beta(self) -> float:
        """The β that gives the same balance at every picture size."""
        features = sum(f.numel() for f in self.content_targets.values())
        return (self.alpha or 1.0) * STYLE_STRENGTH * max(features, 1)

    def __call__(self, image: Tensor) -> Losses:
        """Evaluate a picture `(1, 3, H, W)`; differentiable with respect to it."""
        features = self._features(image, self.layers)
        content = {
            layer: losses.content_loss(features[layer], target)
            for layer, target in self.content_targets.items()
        }
        style = {
            layer: losses.style_loss(losses.gram_matrix(features[layer]), target)
            for layer, target in self.style_targets.items()
        }
        variation = losses.total_variation(image)
        total = (
            self.alpha * _weighted_sum(content, self.content_layers, image)
            + self.beta * _weighted_sum(style, self.style_layers, image)
            + self.total_variation * variation
        )
        return Losses(total, content, style, variation)

    def _features(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        wanted = tuple(layers)
        return self.network(image, wanted) if wanted else {}


def layer_weights(layers: Layers, *, share: bool) -> dict[str, float]:
    """`{layer: weight}`; names without weights get 1 each, or share a total of 1."""
    if isinstance(layers, Mapping):
        return {layer: _weight(layer, weight) for layer, weight in layers.items()}
    names = dict.fromkeys((layers,) if isinstance(layers, str) else layers)  # each once
    return {name: 1 / len(names) if share else 1.0 for name in names}


def _weighted_sum(parts: dict[str, Tensor], weights: dict[str, float], image: Tensor) -> Tensor:
    return sum((weights[layer] * part for layer, part in parts.items()), image.new_zeros(()))


def _weight(name: str, value: float) -> float:
    if not 0 <= value < float("inf"):  # also catches NaN
        raise ValueError(f"{name}={value} was given; expected a finite number, 0 or more.")
    return float(value)
