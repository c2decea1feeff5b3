"""Reference networks: teachers for `train_petite.py`, judges for `evaluate_petite.py`.

A teacher takes pictures (RGB in [0, 1]) and returns the features that a student is to predict, at
any of relu1_1 … relu5_1. Three kinds of files are supported:

- torchvision's complete VGG-19 (`--teacher vgg19`, downloaded once),
- a VGG-19 cut short, under torchvision's key names (features.0.weight, …),
- a narrow VGG-19 with 1×1 heads `convXY_aux` that map it to the full width, as made by
  Collaborative Distillation (Wang et al., CVPR 2020); it pads by reflection.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nst_teach.images import CONVENTIONS
from nst_teach.networks import VGG19_PLAN, load_network
from nst_teach.weight_files import read_weights

TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
TAP_WIDTHS = dict(zip(TAPS, (64, 128, 256, 512, 512), strict=True))
IMAGENET_MEAN, IMAGENET_STD = CONVENTIONS["torchvision"].mean, CONVENTIONS["torchvision"].std


class Teacher(nn.Module):
    """A frozen stack of 3×3 convolutions that returns features at some of the taps."""

    def __init__(self, convolutions: dict[str, nn.Conv2d], taps: Sequence[str]):
        super().__init__()
        self.names = tuple(convolutions)
        self.taps = tuple(taps)
        self.convolutions = nn.ModuleList(convolutions.values())
        self.heads = nn.ModuleDict()
        self.entry: nn.Module = Standardise()

    def forward(self, image: Tensor, taps: Sequence[str]) -> dict[str, Tensor]:
        x = self.entry(image)
        features = {}
        for name, convolution in zip(self.names, self.convolutions, strict=True):
            if name.endswith("_1") and not name.startswith("1"):
                x = F.max_pool2d(x, 2)
            x = F.relu(convolution(x))
            tap = f"relu{name}"
            if tap in taps:
                features[tap] = self.heads[tap](x) if tap in self.heads else x
            if len(features) == len(taps):
                break
        return features


class Standardise(nn.Module):
    """torchvision's preprocessing; the constants follow the dtype of the picture."""

    def forward(self, image: Tensor) -> Tensor:
        mean, std = (image.new_tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        return (image - mean) / std


def load_teacher(source: str) -> Teacher:
    """A teacher from torchvision (`"vgg19"`) or from a file; the kind is read off its keys."""
    if source == "vgg19":
        network = load_network("vgg19")
        parameters = zip(network.layers, network.stack, strict=True)
        convolutions = {name[4:]: m for name, m in parameters if name.startswith("conv")}
        return _frozen(Teacher(convolutions, TAPS))
    state = read_weights(source)
    if "conv0.weight" in state:
        return _frozen(_narrow_teacher(state))
    if "features.0.weight" in state:
        return _frozen(_partial_teacher(state))
    raise SystemExit(f"{Path(source).name}: neither a VGG-19 (features.0.weight) nor a narrow one.")


def _partial_teacher(state: dict[str, Tensor]) -> Teacher:
    convolutions, index = {}, 0
    for block, widths in enumerate(VGG19_PLAN, start=1):
        for position in range(1, len(widths) + 1):
            key = f"features.{index}"
            if f"{key}.weight" in state:
                convolutions[f"{block}_{position}"] = _convolution(state, key)
            index += 2  # a convolution and its ReLU
        index += 1  # the pooling
    return Teacher(convolutions, [t for t in TAPS if t[4:] in convolutions])


def _narrow_teacher(state: dict[str, Tensor]) -> Teacher:
    names = [f"{b}_{p}" for b, ws in enumerate(VGG19_PLAN, 1) for p in range(1, len(ws) + 1)]
    convolutions = {
        name: _convolution(state, f"conv{name.replace('_', '')}", "reflect")
        for name in names
        if f"conv{name.replace('_', '')}.weight" in state
    }
    teacher = Teacher(convolutions, TAPS)
    teacher.entry = _convolution(state, "conv0")
    for tap in TAPS:
        teacher.heads[tap] = _convolution(state, f"conv{tap[4:].replace('_', '')}_aux")
    return teacher


def _convolution(state: dict[str, Tensor], key: str, padding_mode: str = "zeros") -> nn.Conv2d:
    weight, bias = state[f"{key}.weight"].float(), state[f"{key}.bias"].float()
    outputs, inputs, size, _ = weight.shape
    module = nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode=padding_mode)
    module.weight, module.bias = nn.Parameter(weight), nn.Parameter(bias)
    return module


def _frozen(teacher: Teacher) -> Teacher:
    return teacher.requires_grad_(False).eval()


@torch.no_grad()
def teach(teachers: Sequence[Teacher], image: Tensor) -> dict[str, Tensor]:
    """Features at all five taps; each tap is taught by the first teacher that has it."""
    features: dict[str, Tensor] = {}
    for teacher in teachers:
        taps = [t for t in teacher.taps if t not in features]
        if taps:
            features |= teacher(image, taps)
    return {tap: features[tap] for tap in TAPS if tap in features}
