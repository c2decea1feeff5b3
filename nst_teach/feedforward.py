"""Fast networks: trained once for one style, they repaint any photograph in a single pass.

A `FastNetwork` maps an image to an image. It is trained on the losses of the course: what the
optimisation minimises for one photograph, the training minimises for all of them at once.
Chapter 11 trains one and measures its cost.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nst_teach.losses import content_loss, gram_matrix, style_loss, total_variation
from nst_teach.networks import (
    MEMORY_FORMAT,
    WEIGHTS_FOLDER,
    FeatureNetwork,
    NetworkError,
    copy_weights,
)
from nst_teach.objective import STYLE_STRENGTH, layer_weights
from nst_teach.weight_files import read_weights

WIDTHS = (16, 32, 48)
"""Filters at full, half and quarter size: half as many as in Johnson et al. (2016) or fewer. A pass
therefore takes a fraction of a second on one CPU core, and the file has half a megabyte."""
BLOCKS = 5  # residual blocks at quarter size, as in Johnson et al. (2016)
OUTER_KERNEL = 9  # of the first and the last convolution, as in the paper
SMALLEST = 16  # pixels; in a smaller image a reflected border would be wider than what it reflects
PREFIX = "fast_"  # of the bundled weight files


class FastNetwork(nn.Module):
    """A small image-to-image network after Johnson et al. (2016).

    It halves the image twice, applies residual blocks at a quarter of the size, and doubles twice;
    a sigmoid keeps the result in [0, 1]. Three details avoid known artefacts: borders are padded by
    reflection, not with black; upsampling repeats pixels before the convolution, which avoids
    checkerboard patterns; and instance normalisation (Ulyanov et al., 2016) removes the contrast of
    the individual photograph.
    """

    def __init__(self, widths: tuple[int, int, int] = WIDTHS, blocks: int = BLOCKS):
        super().__init__()
        full, half, quarter = widths
        self.layers = nn.Sequential(
            Convolution(3, full, OUTER_KERNEL),
            Convolution(full, half, stride=2),
            Convolution(half, quarter, stride=2),
            *(Residual(quarter) for _ in range(blocks)),
            Convolution(quarter, half, enlarge=2),
            Convolution(half, full, enlarge=2),
            Convolution(full, 3, OUTER_KERNEL, last=True),
        )
        self.to(memory_format=MEMORY_FORMAT)

    def forward(self, image: Tensor) -> Tensor:
        """Repaint an image of any size.

        Args:
            image: `(B, 3, H, W)`, RGB in [0, 1], at least 16 pixels high and wide.

        Returns:
            `(B, 3, H, W)`, RGB in [0, 1].

        Raises:
            NetworkError: the image is too small, or does not have three channels.
        """
        _check(image)
        height, width = image.shape[-2:]
        # Halving twice needs sides that are multiples of 4; the padding is cropped again.
        padded = F.pad(image, (0, -width % 4, 0, -height % 4), mode="reflect")
        painted: Tensor = self.layers(padded.contiguous(memory_format=MEMORY_FORMAT))
        return painted.sigmoid()[..., :height, :width].contiguous()


class Convolution(nn.Module):
    """Upsample, pad by reflection, convolve; unless it is the `last`, also normalise and ReLU."""

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        enlarge: int = 1,
        last: bool = False,
    ):
        super().__init__()
        self.enlarge, self.last = enlarge, last
        self.convolution = nn.Conv2d(
            channels, filters, kernel, stride, padding=kernel // 2, padding_mode="reflect"
        )
        if not last:
            self.norm = nn.InstanceNorm2d(filters, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        if self.enlarge > 1:
            x = F.interpolate(x, scale_factor=self.enlarge, mode="nearest")
        x = self.convolution(x)
        return x if self.last else F.relu(self.norm(x))


class Residual(nn.Module):
    """Two convolutions whose result is added to their input (He et al., 2016)."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = Convolution(channels, channels)
        self.second = Convolution(channels, channels, last=True)
        self.norm = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.norm(self.second(self.first(x)))
        return x + change


def training_loss(
    pictures: Tensor,
    contents: Tensor,
    network: FeatureNetwork,
    style_targets: Mapping[str, Tensor],
    *,
    strength: float = STYLE_STRENGTH,
    smoothness: float = 0.0,
) -> Tensor:
    """The training loss of a batch: content, style and total variation, per content feature.

    For a batch of one this is the total of `StyleObjective`, at its default β, divided by the
    number of content features.

    Args:
        pictures: `(B, 3, H, W)`, the output of the fast network.
        contents: `(B, 3, H, W)`, the photographs.
        network: computes the features; its default content layers are used.
        style_targets: a normalised Gram matrix `(1, N, N)` for each style layer.
        strength: weight of the style.
        smoothness: weight of the total variation.

    Returns:
        A scalar.

    Johnson et al. (2016), section 3; chapter 11.
    """
    with torch.no_grad():
        targets = network(contents, network.content_layers)
    features = network(pictures, {*targets, *style_targets})
    content: Tensor = pictures.new_zeros(())
    for layer, target in targets.items():
        content = content + content_loss(features[layer], target)
    count = sum(target.numel() for target in targets.values())
    style: Tensor = pictures.new_zeros(())
    for layer, weight in layer_weights(tuple(style_targets), share=True).items():
        gram = gram_matrix(features[layer])
        style = style + weight * style_loss(gram, style_targets[layer].expand_as(gram))
    total: Tensor = content / count + strength * style
    return total + smoothness * total_variation(pictures)


def fast_styles() -> tuple[str, ...]:
    """The styles for which a fast network is bundled."""
    files = WEIGHTS_FOLDER.glob(f"{PREFIX}*.safetensors")
    return tuple(sorted(path.stem.removeprefix(PREFIX) for path in files))


def load_fast(
    style: str,
    *,
    weights: str | os.PathLike[str] | None = None,
    device: torch.device | str = "cpu",
) -> FastNetwork:
    """Load a trained fast network, frozen and in evaluation mode.

    Args:
        style: one of `fast_styles()`; with `weights`, any name, for use in messages.
        weights: a `.safetensors` file from `tools/train_fast.py`; `None` means the bundled one.
        device: where to put the network.

    Raises:
        NetworkError: no such style; a file that cannot be read or does not fit.
    """
    path = WEIGHTS_FOLDER / f"{PREFIX}{style}.safetensors" if weights is None else Path(weights)
    if weights is None and not path.is_file():
        raise NetworkError(
            f"there is no fast network for {style!r}; bundled are: {', '.join(fast_styles())}. "
            "Train one with tools/train_fast.py and pass its file as weights='…'."
        )
    network = FastNetwork()
    copy_weights(network, read_weights(path), name=f"FastNetwork({style!r})", origin=str(path))
    return network.requires_grad_(False).eval().to(device)


def _check(image: Tensor) -> None:
    if image.ndim != 4 or image.shape[1] != 3:
        raise NetworkError(
            f"a fast network got a tensor of shape {tuple(image.shape)}; expected (B, 3, H, W)."
        )
    if min(image.shape[-2:]) < SMALLEST:
        raise NetworkError(
            f"a picture of {image.shape[-2]}×{image.shape[-1]} pixels is too small for a fast "
            f"network; use {SMALLEST} pixels or more on each side."
        )
