"""Fast networks: trained once for one style, they repaint any photograph in a single pass.

A `FastNetwork` maps an image to an image. It is trained on the losses of the course: what the
optimisation minimises for one photograph, the training minimises for all of them at once.
A `ConditionalNetwork` does the same for several styles, which share all of its convolutions.
Chapter 11 trains a fast network, measures its cost, and compares it with a conditional one.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from nst_teach import arguments
from nst_teach.images import device_advice
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
CONDITIONAL = "three_styles"  # the bundled network for several styles, in a file of that name
STYLE_KEY = re.compile(r"norms\.([^.]+)\.")  # in such a file, what belongs to one style

Style = str | Mapping[str, float]
"""The name of a style, or `{name: share}` for a style between several; the shares sum to 1."""
SUM_TOLERANCE = 1e-6  # of shares: 0.1 and 0.9 are not exact in binary


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


class ConditionalNetwork(nn.Module):
    """A fast network for several styles: only the scale γ and shift b of each filter differ.

    This is conditional instance normalisation. The convolutions are those of one `FastNetwork`,
    `painter`, whose normalisation layers have no parameters of their own. For each style, `norms`
    holds a normalisation layer for each of theirs. A style in between has the weighted means of
    these scales and shifts; with them, the network is a `FastNetwork` again (`single`).

    Dumoulin, Shlens and Kudlur (2017), equation 5; chapter 11.
    """

    def __init__(
        self,
        styles: Sequence[str],
        widths: tuple[int, int, int] = WIDTHS,
        blocks: int = BLOCKS,
    ):
        super().__init__()
        if not styles or isinstance(styles, str) or len(set(styles)) < len(styles):
            raise NetworkError(
                f"a conditional network got the styles {styles!r}; expected a list of different "
                "names, such as ['stained_glass', 'night_swirls']."
            )
        self.styles = tuple(styles)
        self.widths, self.blocks = widths, blocks
        self.painter = FastNetwork(widths, blocks)
        norms = _norms(self.painter)
        self.norms = nn.ModuleDict(
            {style: nn.ModuleList(copy.deepcopy(list(norms.values()))) for style in styles}
        )
        for norm in norms.values():
            norm.register_parameter("weight", None)
            norm.register_parameter("bias", None)

    def forward(self, image: Tensor, style: Style) -> Tensor:
        """Repaint an image of any size.

        Args:
            image: `(B, 3, H, W)`, RGB in [0, 1], at least 16 pixels high and wide.
            style: one of `styles`, or `{name: share}` with shares from 0 to 1 whose sum is 1; the
                same for the whole batch.

        Returns:
            `(B, 3, H, W)`, RGB in [0, 1].

        Raises:
            NetworkError: no such style, shares that do not sum to 1, or an image that is too small
                or does not have three channels.
        """
        painted: Tensor = functional_call(self.painter, self.scales(style), (image,))
        return painted

    def scales(self, style: Style) -> dict[str, Tensor]:
        """The scale and shift of each filter in a style, `(N,)`, as `FastNetwork` names them.

        Raises:
            NetworkError: no such style, or shares that do not sum to 1.
        """
        shares = self._shares(style)
        state = {name: self.norms[name].state_dict(keep_vars=True) for name in shares}
        mixed: dict[str, Tensor] = {}
        for index, place in enumerate(_norms(self.painter)):
            for kind in ("weight", "bias"):
                terms = [share * state[name][f"{index}.{kind}"] for name, share in shares.items()]
                mixed[f"{place}.{kind}"] = torch.stack(terms).sum(0)
        return mixed

    def single(self, style: Style) -> FastNetwork:
        """A `FastNetwork`, frozen and in evaluation mode, that paints as this one in a style.

        Raises:
            NetworkError: no such style, or shares that do not sum to 1.
        """
        network = FastNetwork(self.widths, self.blocks)
        state = {**self.painter.state_dict(), **self.scales(style)}
        network.load_state_dict({key: value.detach() for key, value in state.items()})
        device = next(self.parameters()).device
        return network.requires_grad_(False).eval().to(device)

    @torch.no_grad()
    def begin_with(self, network: FastNetwork) -> None:
        """Copy a fast network of the same size: all styles then paint as it does."""
        state = network.state_dict()
        for key, value in self.painter.state_dict().items():
            value.copy_(state[key])
        for norms in self.norms.values():
            for place, norm in zip(_norms(network), norms.children(), strict=True):
                norm.load_state_dict(network.get_submodule(place).state_dict())

    def _shares(self, style: Style) -> dict[str, float]:
        if not isinstance(cast(object, style), (str, Mapping)):
            raise NetworkError(
                f"{arguments.shown(style)} was given as a style; expected its name, or "
                "{name: share}."
            )
        shares = {style: 1.0} if isinstance(style, str) else dict(style)
        if unknown := [name for name in shares if name not in self.styles]:
            raise NetworkError(
                f"no style {unknown[0]!r} in this network; it has: {', '.join(self.styles)}."
                f"{arguments.meant(unknown[0], self.styles)}"
            )
        shares = {name: arguments.number(share) for name, share in shares.items()}
        total = sum(shares.values())
        if not abs(total - 1) <= SUM_TOLERANCE or min(shares.values()) < 0:
            raise NetworkError(
                f"the shares {shares} sum to {total:g}; expected shares from 0 to 1 whose sum is "
                "1. Divide each by their sum."
            )
        return shares


def _norms(network: FastNetwork) -> dict[str, nn.InstanceNorm2d]:
    """The normalisation layers of a fast network, by their names."""
    named = cast(Iterable[tuple[str, nn.Module]], network.named_modules())
    return {name: part for name, part in named if isinstance(part, nn.InstanceNorm2d)}


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
    """The styles for which a fast network of their own is bundled."""
    files = WEIGHTS_FOLDER.glob(f"{PREFIX}*.safetensors")
    names = sorted(path.stem.removeprefix(PREFIX) for path in files)
    return tuple(name for name in names if name != CONDITIONAL)


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
    origin = WEIGHTS_FOLDER / f"{PREFIX}{style!s:.40}.safetensors" if weights is None else weights
    if weights is None and style not in fast_styles():
        raise NetworkError(
            f"there is no fast network for {arguments.shown(style)}; bundled are: "
            f"{', '.join(fast_styles())}.{arguments.meant(style, fast_styles())} Train one with "
            "tools/train_fast.py and pass its file as weights='…'."
        )
    network, state = FastNetwork(), read_weights(origin)
    if styles := _styles_in(state):
        raise NetworkError(
            f"{origin} is a network for several styles ({', '.join(styles)}). Load it with "
            "load_conditional, and call single(style) for a fast network."
        )
    copy_weights(network, state, name=f"FastNetwork({style!r})", origin=str(origin))
    with device_advice(device, NetworkError):
        return network.requires_grad_(False).eval().to(device)


def load_conditional(
    weights: str | os.PathLike[str] | None = None,
    *,
    device: torch.device | str = "cpu",
) -> ConditionalNetwork:
    """Load a trained network for several styles, frozen and in evaluation mode.

    Args:
        weights: a `.safetensors` file from `tools/train_fast.py`, trained with several styles;
            `None` means the bundled one.
        device: where to put the network.

    Raises:
        NetworkError: a file that cannot be read, does not fit, or is for one style.
    """
    bundled = WEIGHTS_FOLDER / f"{PREFIX}{CONDITIONAL}.safetensors"
    path = bundled if weights is None else weights
    state = read_weights(path)
    styles = _styles_in(state)
    if not styles:
        raise NetworkError(
            f"{path} has no scales and shifts of several styles. If it is a fast network for one "
            "style, load it with load_fast."
        )
    network = ConditionalNetwork(styles)
    copy_weights(network, state, name="ConditionalNetwork", origin=str(path))
    with device_advice(device, NetworkError):
        return network.requires_grad_(False).eval().to(device)


def _styles_in(state: Mapping[str, Tensor]) -> list[str]:
    """The styles of a conditional network's file; none for any other file."""
    return sorted({match[1] for key in state if (match := STYLE_KEY.match(key))})


def _check(image: Tensor) -> None:
    if not isinstance(cast(object, image), Tensor):
        raise NetworkError(
            f"a fast network got {arguments.shown(image)}; expected a tensor (B, 3, H, W)."
        )
    if image.ndim != 4 or image.shape[1] != 3:
        raise NetworkError(
            f"a fast network got a tensor of shape {tuple(image.shape)}; expected (B, 3, H, W)."
        )
    if min(image.shape[-2:]) < SMALLEST:
        raise NetworkError(
            f"a picture of {image.shape[-2]}×{image.shape[-1]} pixels is too small for a fast "
            f"network; use {SMALLEST} pixels or more on each side."
        )
