"""The settings of a run, as an immutable record, and the differences between two of them."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from nst_teach import arguments, samples
from nst_teach.images import ImageError, ImageSource, Size, load_image, to_pil
from nst_teach.interactive.words import control, mark
from nst_teach.networks import FeatureNetwork
from nst_teach.objective import StyleObjective
from nst_teach.optimizers import make_optimizer
from nst_teach.starts import STARTS

LEARNING_RATE = control("learning_rate")["default"]  # for Adam; faster than TensorFlow's 0.02
PICTURES_KEPT = 8  # tensors kept in memory, for switching back and forth
NOT_IN_LOSS = ("steps", "optimizer", "learning_rate", "start", "seed")  # no effect on the loss


@dataclass(frozen=True, eq=False)
class Picture:
    """A named picture; two are equal only if they are the same object.

    Attributes:
        name: the name of a sample, of a file, or of a variable.
        source: anything that `load_image` accepts.
        title: the title to display.
        alt: the alternative text.
        code: the Python expression for it.
    """

    name: str
    source: ImageSource
    title: str
    alt: str
    code: str

    @property
    def is_sample(self) -> bool:
        """Whether it is one of the bundled pictures."""
        return isinstance(self.source, str) and self.source in samples.names()


@cache
def sample(name: str) -> Picture:
    """The sample of this name as a `Picture`; always the same one."""
    found = samples.get(name)
    return Picture(name, name, found.title, found.alt, json.dumps(name))


def picture(source: ImageSource | Picture, role: str) -> Picture:
    """`source` as a `Picture`; an array or a tensor is named after its `role`."""
    if isinstance(source, Picture):
        return source
    if isinstance(source, str) and source in samples.names():
        return sample(source)
    if isinstance(source, (str, Path)):
        name = Path(source).name
        return Picture(name, source, name, f"Your own picture, {name}.", json.dumps(str(source)))
    return Picture(role, source, f"your {role}", f"Your own {role}.", role)


def uploaded(name: str, data: bytes) -> Picture:
    """An uploaded picture, from the bytes of its file.

    Raises:
        ImageError: the bytes are not a picture.
    """
    image = to_pil(load_image(_opened(name, data)))
    return Picture(name, image, name, f"Your own picture, {name}.", json.dumps(name))


def _opened(name: str, data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except (OSError, Image.DecompressionBombError) as error:
        raise ImageError(
            f"'{name}' cannot be read as a picture. Expected a complete JPEG, PNG, WebP or TIFF."
        ) from error


def start_of(start: str | ImageSource | Picture) -> str | Picture:
    """One of the four starts by name, or any other picture."""
    return start if isinstance(start, str) and start in STARTS else picture(start, "start")


@lru_cache(maxsize=PICTURES_KEPT)
def pixels(source: Picture, size: Size | None) -> Tensor:
    """The picture as a tensor `(1, 3, H, W)`, RGB in [0, 1]."""
    return load_image(source.source, size=size)


@dataclass(frozen=True)
class Settings:
    """All settings of a run, under the names of `transfer`."""

    content: Picture
    style: Picture
    content_layers: Mapping[str, float]
    style_layers: Mapping[str, float]
    alpha: float
    beta: float | None
    start: str | Picture
    optimizer: str
    learning_rate: float | None
    steps: int
    size: Size
    seed: int
    total_variation: float = 0.0
    style_size: Size | None = None

    def __post_init__(self) -> None:
        make_optimizer(
            self.optimizer, torch.zeros(1, requires_grad=True), self.rate
        )  # raises if invalid
        arguments.whole("steps", self.steps, least=1)
        arguments.seed(self.seed)
        for name in ("alpha", "beta", "total_variation"):
            weight = getattr(self, name)
            if weight is not None:
                arguments.weight(name, weight)

    @property
    def rate(self) -> float | None:
        """The effective learning rate; only for Adam does the studio have its own default."""
        default = LEARNING_RATE if self.optimizer == "adam" else None
        return default if self.learning_rate is None else self.learning_rate

    @property
    def content_pixels(self) -> Tensor:
        """The photograph at the run's size, `(1, 3, H, W)`, RGB in [0, 1]."""
        return pixels(self.content, self.size)

    @property
    def style_pixels(self) -> Tensor:
        """The style picture, `(1, 3, H, W)`, RGB in [0, 1]; by default of the photograph's size."""
        longer = max(self.content_pixels.shape[-2:])
        return pixels(self.style, longer if self.style_size is None else self.style_size)

    def objective(self, network: FeatureNetwork) -> StyleObjective:
        """The objective for these settings, without the layers of weight 0."""
        device = next(network.parameters()).device
        return StyleObjective(
            self.content_pixels.to(device),
            self.style_pixels.to(device),
            network,
            content_layers=_nonzero(self.content_layers),
            style_layers=_nonzero(self.style_layers),
            alpha=self.alpha,
            beta=self.beta,
            total_variation=self.total_variation,
        )


def _nonzero(layers: Mapping[str, float]) -> dict[str, float]:
    return {layer: weight for layer, weight in layers.items() if weight}


def same_settings(before: Settings, after: Settings) -> bool:
    """Whether all settings but the number of steps are the same."""
    return replace(before, steps=after.steps) == after


def same_objective(before: Settings, after: Settings) -> bool:
    """Whether the loss is the same, whatever the optimiser and the start."""
    others = {key: getattr(after, key) for key in NOT_IN_LOSS}
    return replace(before, **others) == after


def same_start(before: Settings, after: Settings) -> bool:
    """Whether the initial image is the same, so that the run can be continued."""
    return (before.start, before.seed) == (after.start, after.seed)


def changes(before: Settings, after: Settings, log_ratio: float) -> list[str]:
    """The differences between two settings, as short labels for the curves."""
    moved: list[tuple[str, Any]] = []
    if before.content is not after.content:
        moved.append(("content", after.content.title))
    if before.style is not after.style:
        moved.append(("style", after.style.title))
    if (before.alpha, before.beta) != (after.alpha, after.beta):
        moved.append(("ratio", f"{log_ratio:.1f}"))
    if before.content_layers != after.content_layers:
        moved.append(("content_layer", " ".join(_nonzero(after.content_layers))))
    if before.style_layers != after.style_layers:
        moved.append(("layers", _moved_layers(before.style_layers, after.style_layers)))
    if before.optimizer != after.optimizer:
        moved.append(("optimizer", option_label("optimizer", after.optimizer)))
    elif before.rate != after.rate and after.rate:
        moved.append(("learning_rate", f"{math.log10(after.rate):.1f}"))
    if before.size != after.size:
        moved.append(("size", f"{after.size}"))
    if before.total_variation != after.total_variation:
        moved.append(("total_variation", f"{after.total_variation:g}"))
    if before.style_size != after.style_size:
        moved.append(("style_size", f"{after.style_size}"))
    return [f"{mark(name)} {value}" for name, value in moved]


def option_label(name: str, value: Any) -> str:
    """The label of `value` in the control `name`."""
    labels: dict[Any, str] = {o["value"]: o["label"] for o in control(name)["options"]}
    return labels.get(value, str(value))


def _moved_layers(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    moved = [name for name in after if before.get(name, 0) != after[name]]
    moved += [name for name in before if name not in after]
    if len(moved) != 1:
        return ", ".join(_nonzero(after)) if len(_nonzero(after)) <= 2 else f"{len(moved)} changed"
    return f"{moved[0]} {after.get(moved[0], 0):.2g}"
