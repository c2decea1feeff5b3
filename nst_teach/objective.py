"""The objective: the weighted sum of content loss, style loss and total variation of an image."""

from __future__ import annotations

import hashlib
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from nst_teach import arguments, losses
from nst_teach.images import check_image
from nst_teach.networks import FeatureNetwork, on_device
from nst_teach.precision import choose_precision
from nst_teach.tiles import Tiled, tiled_losses

Layers = str | Iterable[str] | Mapping[str, float]
"""Layers by name, or `{name: weight}`."""

STYLE_STRENGTH = 30.0
"""The default β per content feature, tuned by eye on `petite` at 192 to 384 pixels."""

WEAK_SMOOTHING = 0.1
"""A weight of the total variation, per β, that lowers the grain at no cost in style or content, as
VGG-19 judges twelve pairs at four sizes (tools/defaults.py; the model card)."""

MEMORIES = ("normal", "low")

UNIT_BALANCE = 1.85
"""The ratio of ½ mean P² of the content to Σ w·¼ mean A² of the style in a network whose filters
have a mean activation of 1: `petite`, averaged over the bundled photographs at 128 pixels."""


@dataclass(frozen=True)
class Losses:
    """One evaluation: the total, and its parts before they are multiplied by their weights.

    Attributes:
        total: α Σ w·content + β Σ w·style + weight·total_variation.
        content: ½ Σ (F − P)² per content layer.
        style: the paper's E per style layer.
        total_variation: of the image.
    """

    total: Tensor
    content: dict[str, Tensor]
    style: dict[str, Tensor]
    total_variation: Tensor

    def detach(self, total: Tensor | None = None) -> Losses:
        """The same values without gradients; the total may be given."""
        content, style = (
            {layer: part.detach() for layer, part in parts.items()}
            for parts in (self.content, self.style)
        )
        kept = self.total.detach() if total is None else total
        return Losses(kept, content, style, self.total_variation.detach())


Objective = Callable[[Tensor], Losses]
"""Any function from an image to `Losses`."""


class StyleObjective:
    """α·content + β·style + weight·total variation of an image; Gatys et al. (2016), equation 7.

    Args:
        content, style: `(1, 3, H, W)`, RGB in [0, 1]; their sizes may differ.
        network: computes the features.
        content_layers: a name, several names (of weight 1 each) or `{name: weight}`; `None` means
            the network's defaults. With an empty list there is no content loss.
        style_layers: the same, except that names without weights share a total of 1 (w = 1/5 for
            the paper's five layers).
        alpha: weight of the content.
        beta: weight of the style; `None` means α · `STYLE_STRENGTH` · (number of content features),
            which looks the same at every size, unlike a fixed ratio (chapter 5). For a network
            whose filters are not normalised, the scale of its activations is compensated.
        total_variation: weight of the total variation. 0, as in the paper, leaves it out; `None`
            means `WEAK_SMOOTHING` · β, which lowers fine grain.
        precision: of the network's arithmetic: `"float32"`, `"bfloat16"`, or `"auto"`, the faster
            of the two on the device (`nst_teach.precision`). The targets are always computed in
            float32.
        memory: `"normal"`, or `"low"`: features are computed again when their gradient is due and,
            of an image larger than 1024 pixels, tile by tile: the same losses and gradient, in
            less memory and more time (`nst_teach.tiles`).

    Attributes:
        precision: `"float32"` or `"bfloat16"`.

    Raises:
        NetworkError: an unknown layer; or tiles of a network that is not like a VGG.
        ValueError: a weight that is negative or not finite; a layer named twice; layers whose
            weights are all 0; or nothing to minimise, because every term has weight 0.

    Chapter 5 builds it step by step.
    """

    def __init__(
        self,
        content: Tensor,
        style: Tensor,
        network: FeatureNetwork,
        *,
        content_layers: Layers | None = None,
        style_layers: Layers | None = None,
        alpha: float = 1.0,
        beta: float | None = None,
        total_variation: float | None = 0.0,
        precision: str = "float32",
        memory: str = "normal",
    ):
        check_image(content, "content")
        on_device(network, None)  # raises if it is no network
        if content_layers is None:
            content_layers = network.content_layers
        if style_layers is None:
            style_layers = network.style_weights
        self.network, self.content, self.style = network, content, style
        self.content_layers = layer_weights(content_layers, share=False)
        self.style_layers = layer_weights(style_layers, share=True)
        self.layers = (*self.content_layers, *self.style_layers)
        self.precision = choose_precision(precision, content.device)
        self.memory = arguments.one_of("memory", memory, MEMORIES)
        self._rounded = network.rounded() if self.precision == "bfloat16" else None
        self.content_targets = self._content_targets(content)
        self.style_targets = self._grams(style)
        self.alpha = arguments.weight("alpha", alpha)
        self.beta = arguments.weight("beta", self.default_beta() if beta is None else beta)
        if total_variation is None:
            total_variation = WEAK_SMOOTHING * self.beta
        self.total_variation = arguments.weight("total_variation", total_variation)
        self._check_that_something_counts()

    def default_beta(self) -> float:
        """The β that gives the same balance at every image size and scale of the activations.

        The content loss grows with the square of the activations, the style loss with their fourth
        power. If the filters are not normalised, each loss is measured in units of its value for
        activations of zero: ½ Σ P² for the content, Σ w·¼ mean A² for the style.
        """
        features = sum(f.numel() for f in self.content_targets.values())
        scale = 1.0 if self.network.normalised else self._balance(features) / UNIT_BALANCE
        return (self.alpha or 1.0) * STYLE_STRENGTH * max(features, 1) * scale

    def _balance(self, features: int) -> float:
        contents = [losses.content_loss(f, 0 * f) for f in self.content_targets.values()]
        styles = {layer: losses.style_loss(a, 0 * a) for layer, a in self.style_targets.items()}
        content = sum(loss.item() for loss in contents) / max(features, 1)
        style = sum(self.style_layers[layer] * loss.item() for layer, loss in styles.items())
        return content / style if content and style else UNIT_BALANCE

    def __call__(self, image: Tensor) -> Losses:
        """Evaluate an image `(1, 3, H, W)`; the total is differentiable with respect to it."""
        return self._evaluate(self._rounded or self.network, image)

    def in_float32(self, image: Tensor) -> Losses:
        """The same in float32, whatever the precision of the objective."""
        return self._evaluate(self.network, image)

    def losses_of(
        self, content: dict[str, Tensor], grams: dict[str, Tensor], image: Tensor
    ) -> Losses:
        """The losses, for the content loss and the Gram matrix of each layer."""
        return self._sum(content, self._style_of(grams), image)

    def _evaluate(self, network: FeatureNetwork, image: Tensor) -> Losses:
        if self.memory == "low" and self.layers:
            return tiled_losses(self, network, image)
        features: dict[str, Tensor] = network(image, self.layers) if self.layers else {}
        content = {
            layer: losses.content_loss(features[layer], target)
            for layer, target in self.content_targets.items()
        }
        return self._sum(content, self._style(features), image)

    def _sum(self, content: dict[str, Tensor], style: dict[str, Tensor], image: Tensor) -> Losses:
        variation = losses.total_variation(image)
        total = (
            self.alpha * _weighted_sum(content, self.content_layers, image)
            + self.beta * _weighted_sum(style, self._style_weights(), image)
            + self.total_variation * variation
        )
        return Losses(total, content, style, variation)

    def fingerprint(self) -> str:
        """A hash that is equal for two objectives only if they are equal for every image.

        It is computed from the targets, which depend on the pictures, the network, its weights and
        its pooling, and from the weights of all terms. A subclass may have additional terms, so
        each of its instances has a fingerprint of its own.
        """
        own = "" if type(self) is StyleObjective else _identity(self)
        return self._digest(own, ())

    def _digest(self, more: object, tensors: Iterable[Tensor]) -> str:
        weights = (self.alpha, self.beta, self.total_variation)
        layers = (self.network.name, self.content_layers, self.style_layers)
        settings = (*layers, weights, more, self.precision)
        sha = hashlib.sha256(repr(settings).encode())
        targets = (*self.content_targets.values(), *self.style_targets.values())
        for tensor in (*targets, *tensors):
            sha.update(repr(tuple(tensor.shape)).encode())
            sha.update(tensor.contiguous().cpu().numpy().tobytes())
        return sha.hexdigest()

    def _style(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """The style loss E of each layer."""
        return self._style_of(
            {layer: losses.gram_matrix(features[layer]) for layer in self.style_layers}
        )

    def _style_of(self, grams: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            layer: losses.style_loss(g, self.style_targets[layer]) for layer, g in grams.items()
        }

    def _style_weights(self) -> dict[str, float]:
        """The weight of each style loss."""
        return self.style_layers

    def _check_that_something_counts(self) -> None:
        content, style = self.content_layers and self.alpha, self.style_layers and self.beta
        if not (content or style or self.total_variation):
            raise ValueError(
                f"alpha={self.alpha}, beta={self.beta} and total_variation={self.total_variation} "
                f"with content_layers={list(self.content_layers)} and "
                f"style_layers={list(self.style_layers)} leave nothing to lower: every picture has "
                "a loss of 0. Give one of them a layer and a weight above 0."
            )

    @torch.no_grad()
    def _content_targets(self, picture: Tensor) -> dict[str, Tensor]:
        layers = tuple(self.content_layers)
        if not layers:
            return {}
        tiled = self.memory == "low"
        return (
            Tiled(self.network, layers).features(picture)
            if tiled
            else self.network(picture, layers)
        )

    @torch.no_grad()
    def _grams(self, picture: Tensor) -> dict[str, Tensor]:
        """The Gram matrices of a style picture."""
        layers = tuple(self.style_layers)
        if not layers:
            return {}
        if self.memory == "low":
            return Tiled(self.network, layers).grams(picture)
        return losses.gram_of(self.network(picture, layers))


def given_layers(
    content_layers: Layers | None, style_layers: Layers | None
) -> tuple[dict[str, float] | None, dict[str, float] | None]:
    """Both with their weights, so that they can be read more than once; `None` remains `None`."""
    return (
        None if content_layers is None else layer_weights(content_layers, share=False),
        None if style_layers is None else layer_weights(style_layers, share=True),
    )


def layer_weights(layers: Layers, *, share: bool) -> dict[str, float]:
    """`{layer: weight}`; names without weights get 1 each or, with `share`, a total of 1."""
    if isinstance(layers, Mapping):
        given = cast(Mapping[str, float], layers)
        _must_be_names(given)
        weights = {layer: arguments.weight(layer, weight) for layer, weight in given.items()}
        if weights and not any(weights.values()):
            raise ValueError(
                f"the weights of {', '.join(weights)} are all 0; expected one above 0."
            )
        return weights
    names = (layers,) if isinstance(layers, str) else _must_be_names(layers)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"{', '.join(twice)} is named twice; expected each layer once. Weights are given as "
            "{layer: weight}."
        )
    return {name: 1 / len(names) if share else 1.0 for name in names}


def _weighted_sum(parts: dict[str, Tensor], weights: dict[str, float], image: Tensor) -> Tensor:
    return sum((weights[layer] * part for layer, part in parts.items()), image.new_zeros(()))


def _must_be_names(layers: Any) -> tuple[str, ...]:
    """The names in a list or in `{name: weight}`."""
    try:
        names: tuple[Any, ...] = tuple(layers)
    except TypeError:  # not a list at all
        names = (None,)
    if not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"{arguments.shown(layers)} was given as layers; expected a name, such as 'relu4_2', a "
            "list of names, or {name: weight}."
        )
    return names


_identities: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def fingerprint(objective: Objective) -> str:
    """A text that is equal for two objectives only if they are equal for every image.

    An objective of your own may define a method `fingerprint` that returns such a text. Otherwise
    the fingerprint belongs to the object, which must then not be changed between two runs.
    """
    own = getattr(objective, "fingerprint", None)
    return str(own()) if callable(own) else _identity(objective)


def _identity(objective: Objective) -> str:
    try:
        return _identities.setdefault(objective, uuid.uuid4().hex)
    except TypeError:  # not hashable, or no weak references: treated as unique
        return uuid.uuid4().hex
