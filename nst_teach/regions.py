"""Several styles at once, each with its weight and its region."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from nst_teach import arguments, losses
from nst_teach.images import ImageError, ImageSource, check_image, load_image
from nst_teach.networks import FeatureNetwork
from nst_teach.objective import Layers, StyleObjective


@dataclass(frozen=True, eq=False)
class Style:
    """One of several style pictures.

    Attributes:
        picture: anything that `load_image` accepts.
        weight: its weight in the style term, 0 or more; the weights need not sum to 1.
        mask: the region of the result to which the style applies: a picture that is bright inside
            the region, or a tensor `(H, W)`, `(1, H, W)` or `(1, 1, H, W)` in [0, 1]. It is resized
            to the result. `None` means everywhere.
        name: used in the records of its losses; if empty, its number, from 1.
    """

    picture: ImageSource
    weight: float = 1.0
    mask: ImageSource | None = None
    name: str = ""


class RegionalObjective(StyleObjective):
    """A `StyleObjective` with several styles: Σ weight · E, each evaluated over its own region.

    In a region, the Gram matrix of the image is `guided_gram_matrix`; that of the style is computed
    from the whole style picture. Two styles without masks are equivalent to a blend of their Gram
    matrices (chapter 10).

    Args:
        content: `(1, 3, H, W)`, RGB in [0, 1].
        styles: one or more.
        network: computes the features.
        style_size: the size of the style pictures, a longer side or `(H, W)`; `None` means the
            longer side of the content.
        content_layers, style_layers, alpha, beta, total_variation, precision: as for
            `StyleObjective`.
        memory: `"normal"`; tiles are for a single style.

    Attributes:
        styles: the given styles, by name.
        masks: `(1, 1, H, W)` for each style with a mask, by name.

    Raises:
        ImageError: a style picture or a mask that cannot be read.
        ValueError: no style, two styles of the same name, a negative weight, only weights of 0, an
            empty mask, or any error of `StyleObjective`.

    Gatys et al. (2017), section 4; chapter 10.
    """

    def __init__(
        self,
        content: Tensor,
        styles: Sequence[Style],
        network: FeatureNetwork,
        *,
        style_size: int | tuple[int, int] | None = None,
        content_layers: Layers | None = None,
        style_layers: Layers | None = None,
        alpha: float = 1.0,
        beta: float | None = None,
        total_variation: float | None = 0.0,
        precision: str = "float32",
        memory: str = "normal",
    ):
        if memory == "low":
            raise ValueError("memory='low' was given with several styles; expected a single one.")
        check_image(content, "content")
        self.styles = _named(styles)
        longer = max(content.shape[-2:]) if style_size is None else style_size
        pictures = {
            name: load_image(style.picture, size=longer, device=content.device)
            for name, style in self.styles.items()
        }
        self.masks = {
            name: _mask(style.mask, content, name)
            for name, style in self.styles.items()
            if style.mask is not None
        }
        super().__init__(
            content,
            next(iter(pictures.values())),
            network,
            content_layers=content_layers,
            style_layers=style_layers,
            alpha=alpha,
            beta=beta,
            total_variation=total_variation,
            precision=precision,
            memory=memory,
        )
        self.style_targets = {
            f"{layer}, {name}": gram
            for name, picture in pictures.items()
            for layer, gram in self._grams(picture).items()
        }

    def fingerprint(self) -> str:
        shares = [(name, style.weight, name in self.masks) for name, style in self.styles.items()]
        return self._digest(shares, self.masks.values())

    def _style(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            f"{layer}, {name}": losses.style_loss(
                self._gram(features[layer], name), self.style_targets[f"{layer}, {name}"]
            )
            for name in self.styles
            for layer in self.style_layers
        }

    def _gram(self, features: Tensor, name: str) -> Tensor:
        if name in self.masks:
            return losses.guided_gram_matrix(features, self.masks[name])
        return losses.gram_matrix(features)

    def _style_weights(self) -> dict[str, float]:
        return {
            f"{layer}, {name}": weight * style.weight
            for name, style in self.styles.items()
            for layer, weight in self.style_layers.items()
        }


def _named(styles: Iterable[Style]) -> dict[str, Style]:
    try:
        given = list(styles)
    except TypeError:  # not a list at all
        given = []
    if not given or not all(isinstance(style, Style) for style in given):
        kinds = ", ".join(type(style).__name__ for style in given) or "none"
        raise ValueError(f"{kinds} given as styles; expected one Style or more: Style('dots').")
    named = {style.name or str(number): style for number, style in enumerate(given, start=1)}
    if len(named) < len(given):
        raise ValueError(
            f"two styles have one name, of {', '.join(named)}; expected different ones."
        )
    for name, style in named.items():
        arguments.weight(f"style {name}: weight", style.weight)
    if not any(style.weight for style in given):
        raise ValueError("the weights of all styles are 0; expected one above 0.")
    return named


def _mask(mask: ImageSource, content: Tensor, name: str) -> Tensor:
    """`(1, 1, H, W)` of the content's size."""
    height, width = content.shape[-2:]
    try:
        loaded = load_image(mask, size=(height, width), device=content.device)
    except ImageError as error:
        raise ImageError(f"the mask of style {name}: {error}") from error
    region = loaded.mean(dim=1, keepdim=True)
    if not region.any():
        raise ValueError(f"the mask of style {name} is 0 everywhere; expected a region of it.")
    return region
