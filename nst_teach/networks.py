"""Feature networks: frozen stacks of named layers, and their trained weights.

A `FeatureNetwork` maps an image (RGB in [0, 1]) to the features of any of its layers; losses are
defined elsewhere. `conv4_2` is always the value before the ReLU and `relu4_2` the value after it,
because no ReLU works in place here. Chapter 2 of the course looks inside.
"""

from __future__ import annotations

import copy
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.utils import checkpoint as recomputation

from nst_teach import arguments, samples
from nst_teach.images import (
    CONVENTIONS,
    ImageError,
    check_image,
    device_advice,
    load_image,
    preprocess,
)
from nst_teach.outputs import promised
from nst_teach.weight_files import NetworkError as NetworkError
from nst_teach.weight_files import WeightFile, open_weights, plain_tensors, read_weights, reason

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
DEFAULT_NETWORK = "petite"
NETWORK_VARIABLE = "NST_TEACH_NETWORK"
NETWORK_ADVICE = f" (the environment variable {NETWORK_VARIABLE} sets the default)"
QUOTES = "'\""

MEMORY_FORMAT = torch.channels_last
"""How features are laid out in memory: convolutions on CPUs are faster in this format
(benchmarks/speed.py). Shapes and values do not change."""

Plan = tuple[tuple[int, ...], ...]
"""The widths (number of filters) of a VGG's convolutions, block by block."""

# Simonyan and Zisserman (2015), table 1, columns D and E.
VGG16_PLAN: Plan = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
VGG19_PLAN: Plan = ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)
# VGG-16 at about a quarter of its width, cut after relu5_1. The first convolution of each block,
# from which the style is taken, is a little wider: its features then span more of VGG-19's.
PETITE_PLAN: Plan = ((24, 24), (48, 48), (96, 64, 64), (128, 128, 128), (128,))

# Gatys et al. (2016), section 3: content conv4_2, style conv1_1 to conv5_1, after the ReLU.
VGG_CONTENT_LAYERS = ("relu4_2",)
VGG_STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
# The modules of SqueezeNet used in Stanford's CS231n, under torchvision's names.
SQUEEZENET_CONTENT_LAYERS = ("features.3",)
SQUEEZENET_STYLE_WEIGHTS = {
    "features.1": 0.9989,
    "features.4": 1.02e-3,
    "features.6": 3.70e-5,
    "features.7": 3.85e-6,
}
"""The reciprocal of ¼ mean G² of each layer, averaged over the samples at 128 pixels, so that all
layers contribute equally. The weights of CS231n have nearly the same ratios: 3e5, 1e3, 15, 3."""


PATIENCE = 30.0  # seconds without a byte, after which a download is given up

LAYER_KEY = re.compile(r"(conv\d_\d|features\.\d+|stack\.\d+)\.")
"""How the name of a convolution's weight begins in a file; the classifier's begin otherwise."""

MEASURED_SIZE = 96  # pixels: a fraction of a second for VGG-19
MEAN_RANGE = (0.4, 2.5)
"""Bounds of the middle half of a normalised layer's mean activations over the sample photographs.
For `petite`, and for the exact and normalised VGG-19 down to relu3_1, it is within 1.0 to 2.2; in
the wrong one of the two conventions it is about 58 times as high or as low."""

Modules = list[tuple[str, nn.Module]]
"""Some consecutive layers, by name."""


class FeatureNetwork(nn.Module):
    """A frozen network that returns the features of any of its layers, by name.

    Attributes:
        name: the name of the network, such as `"petite"`.
        layers: the names of its layers, in order.
        pooling: `"max"` or `"average"`.
        content_layers: the layers from which the content is usually taken.
        style_layers: the layers from which the style is usually taken.
        convention: the input that its weights expect, see `preprocess`.
        normalised: whether the mean activation of each filter over photographs is about 1, as in
            the paper, so that layers and losses have comparable scales.
    """

    def __init__(
        self,
        name: str,
        modules: Mapping[str, nn.Module],
        *,
        pooling: str,
        content_layers: tuple[str, ...],
        style_layers: tuple[str, ...],
        style_weights: Mapping[str, float] | None = None,
        normalised: bool = False,
        convention: str = "torchvision",
    ):
        super().__init__()
        self.name, self.pooling, self.convention = name, pooling, convention
        self.content_layers, self.style_layers = content_layers, style_layers
        self.normalised, self._style_weights = normalised, style_weights
        self.layers = tuple(modules)
        self.stack = nn.ModuleList(modules.values())
        self.requires_grad_(False).eval().to(memory_format=MEMORY_FORMAT)

    @property
    def style_weights(self) -> dict[str, float]:
        """The default weights of the style layers, which sum to 1."""
        if self._style_weights is not None:
            return dict(self._style_weights)
        return {layer: 1 / len(self.style_layers) for layer in self.style_layers}

    def forward(self, image: Tensor, layers: str | Iterable[str]) -> dict[str, Tensor]:
        """Return `{layer: features}` for the given layers; deeper ones are not computed.

        Args:
            image: `(B, 3, H, W)`, RGB in [0, 1]; the network applies its own preprocessing.
            layers: one name or several, from `network.layers`.

        Returns:
            A dict in the order of the network; features have the shape `(B, N, h, w)`.

        Raises:
            NetworkError: an unknown layer, or an image so small that pooling leaves nothing.
        """
        wanted = self._check(layers)
        features: dict[str, Tensor] = {}
        x = self._input(image)
        for name, module in zip(self.layers, self.stack, strict=True):
            x = self._step(name, module, x, image)
            if name in wanted:
                features[name] = x.to(image.dtype)
                if len(features) == len(wanted):
                    break
        return features

    def measure(
        self,
        image: Tensor,
        layers: str | Iterable[str],
        measure: Callable[[str, Tensor], Mapping[str, Tensor]],
    ) -> dict[str, Mapping[str, Tensor]]:
        """What a function finds in the features of each layer, which are then forgotten.

        For the gradient they are computed again, block by block: a block ends with a pooling layer.
        So the features of one block exist at a time, at the price of a second forward pass.

        Args:
            image, layers: as for `forward`, as are the errors.
            measure: from a layer's name and its features to tensors that are small enough to keep,
                by name.

        Chen et al. (2016), "Training deep nets with sublinear memory cost".
        """
        wanted = self._check(layers)
        found: dict[str, Mapping[str, Tensor]] = {}

        def run(x: Tensor, block: Modules) -> tuple[Tensor, dict[str, Mapping[str, Tensor]]]:
            here: dict[str, Mapping[str, Tensor]] = {}
            for name, module in block:
                x = self._step(name, module, x, image)
                if name in wanted:
                    here[name] = measure(name, x.to(image.dtype))
            return x, here

        checkpoint: Callable[..., Any] = recomputation.checkpoint  # pyright: ignore
        x = self._input(image)
        for block in self._blocks(wanted):
            x, here = checkpoint(run, x, block, use_reentrant=False, preserve_rng_state=False)
            found |= here
        return found

    def _blocks(self, wanted: set[str]) -> Iterator[Modules]:
        """The layers up to the last one that is wanted, in blocks that end with a pooling layer."""
        block: Modules = []
        last = max(self.layers.index(name) for name in wanted)
        for name, module in zip(self.layers[: last + 1], self.stack, strict=False):
            block.append((name, module))
            if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
                yield block
                block = []
        if block:
            yield block

    def rounded(self) -> FeatureNetwork:
        """A copy that computes in bfloat16: with images in float32, and features in float32.

        Its weights and all values between two layers are rounded to 8 significant bits, which is
        several times faster on processors that have units for it (`nst_teach.precision`).
        """
        # A whole copy in float32 would come first without the memo, and triple the memory.
        memo: dict[int, Any] = {
            id(p): nn.Parameter(p.to(torch.bfloat16), requires_grad=False)
            for p in self.parameters()
        }
        return copy.deepcopy(self, memo).to(torch.bfloat16)

    def _input(self, image: Tensor) -> Tensor:
        """The input of the first layer: preprocessed, in the memory format of the network."""
        check_image(image)
        weight = next(self.parameters(), image)
        rounded = weight.dtype == torch.bfloat16  # see `rounded`
        if image.device != weight.device or not (rounded or image.dtype == weight.dtype):
            raise NetworkError(
                f"the image is of type {image.dtype} on '{image.device}', but {self.name} computes "
                f"with {weight.dtype} on '{weight.device}'. Convert one of them, as in "
                "image.to(device, dtype)."
            )
        x = preprocess(image, self.convention)
        x = x.to(torch.bfloat16) if rounded else x
        return x.contiguous(memory_format=MEMORY_FORMAT)

    def train(self, mode: bool = True) -> FeatureNetwork:
        """Stay in evaluation mode: the network is a fixed part of the loss and is never trained."""
        return super().train(False)

    def __repr__(self) -> str:
        parameters = sum(p.numel() for p in self.parameters())
        return (
            f"FeatureNetwork({self.name!r}, {len(self.layers)} layers {self.layers[0]} … "
            f"{self.layers[-1]}, {self.pooling} pooling, {parameters:,} parameters)"
        )

    def _check(self, layers: str | Iterable[str]) -> set[str]:
        wanted = _names(layers)
        unknown = sorted(map(repr, wanted - set(self.layers)))
        if unknown:
            raise NetworkError(
                f"{self.name} has no layer {', '.join(unknown)}. "
                f"Its layers are: {', '.join(self.layers)}."
                f"{arguments.meant(unknown[0].strip(QUOTES), self.layers)}"
            )
        if not wanted:
            raise NetworkError(f"no layer was asked for; choose from: {', '.join(self.layers)}.")
        return wanted

    def _step(self, name: str, module: nn.Module, x: Tensor, image: Tensor) -> Tensor:
        if min(x.shape[-2:]) < _fewest_positions(module):
            height, width = image.shape[-2:]
            raise NetworkError(
                f"a picture of {height}×{width} pixels is too small for {name}: {x.shape[-2]}×"
                f"{x.shape[-1]} positions are left before it. Use a larger picture or an earlier "
                "layer."
            )
        features: Tensor = module(x)
        return features


def load_network(
    name: str | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    pooling: str | None = None,
    device: torch.device | str | None = None,
    convention: str | None = None,
    last_layer: str | None = None,
) -> FeatureNetwork:
    """Load a trained network, frozen and in evaluation mode.

    Args:
        name: `"petite"` (bundled with the package), `"vgg16"`, `"vgg19"` or `"squeezenet1_1"`
            (torchvision's ImageNet weights). `None` means the value of the environment variable
            `NST_TEACH_NETWORK` or, if that is not set, `"petite"`.
        weights: a file: `.safetensors`, or a `.pth` state dict, with torchvision's names or those
            of `save_weights`, which are also Gatys'; or Keras' `.h5`. `None` means the bundled
            weights or torchvision's, which are downloaded once into torch's cache.
        pooling: `"max"` or `"average"`; `None` means the kind that the network was trained with.
        device: where to put the network; `None` means the CPU.
        convention: the input that the weights expect, see `preprocess`. `None` means the convention
            of the file if it can be recognised: by its format, its first filter or its name, or
            because the network is normalised only under this convention. Otherwise it means
            torchvision's, so give the convention of a file of unknown origin.
        last_layer: the layer after which the network ends, so that later ones are neither stored
            nor needed in the file. The usual style layers remain as far as they exist. The content
            is then taken from the second convolution of the deepest block that still has one, as
            in `relu4_2`; for a network that ends at `relu3_1`, this is `relu2_2`.

    Raises:
        NetworkError: an unknown name, pooling, convention or layer; weights that cannot be fetched
            or read, or that do not fit; a convention that is not the file's.

    Warns:
        UserWarning: the network is normalised, but under another convention than this one.

    Explained in chapter 2, and the conventions in chapter 1; the book has a model card of `petite`.
    """
    if name is None:
        name = os.environ.get(NETWORK_VARIABLE) or DEFAULT_NETWORK
    _must_be_one_of("network", name, _BUILDERS, NETWORK_ADVICE)
    if convention is not None:
        _must_be_one_of("convention", convention, CONVENTIONS)
    build, trained_with = _BUILDERS[name]
    whole = build(trained_with if pooling is None else pooling)
    network = whole if last_layer is None else _cut(whole, last_layer)
    file = _default_weights(name) if weights is None else open_weights(weights)
    origin = name if weights is None else str(weights)
    _fill(network, file.tensors, whole=whole, origin=origin)
    network.convention = _stated(file, convention, origin) or network.convention
    if weights is not None and file.normalised is None:
        _measure(network, trained_with, told=bool(file.convention or convention), origin=origin)
    device = "cpu" if device is None else device
    with device_advice(device, NetworkError):
        return network.to(device)


def on_device(network: FeatureNetwork, device: torch.device | str | None) -> FeatureNetwork:
    """The network itself if it is there already, or for `None`; otherwise a copy on the device.

    Raises:
        NetworkError: a device that cannot be used; or what was given is no network.
    """
    if not isinstance(cast(object, network), FeatureNetwork):
        raise NetworkError(
            f"network={type(network).__name__} was given; expected a FeatureNetwork, a name such "
            "as 'petite', or None for the default."
        )
    if device is None:
        return network
    with device_advice(device, NetworkError):
        parameter = next(network.parameters(), None)
        if parameter is not None and parameter.device == torch.device(device):
            return network
        return copy.deepcopy(network).to(device)


def _stated(file: WeightFile, asked: str | None, origin: str) -> str | None:
    """The convention of the file or, if the file does not tell, the one that was asked for."""
    if file.convention and asked and asked != file.convention:
        raise NetworkError(
            f"{origin} expects images in the convention '{file.convention}' ({file.reason}), but "
            f"convention='{asked}' was given. Omit it. To feed the network wrongly on purpose, set "
            "network.convention afterwards."
        )
    return file.convention or asked


def _measure(network: FeatureNetwork, pooling: str, *, told: bool, origin: str) -> None:
    """Find out whether the network is normalised; if so, this also tells its convention."""
    measured = measured_convention(network, pooling)
    if measured is None:
        return
    if not told:
        network.convention = measured
    elif measured != network.convention:
        warnings.warn(
            f"{origin} is used with the convention '{network.convention}', but its filters have "
            f"mean activations of about 1, as in a normalised network, with '{measured}' only. Did "
            f"you mean convention='{measured}'?",
            stacklevel=3,
        )
    network.normalised = network.normalised or measured == network.convention


@torch.no_grad()
def measured_convention(network: FeatureNetwork, pooling: str) -> str | None:
    """The convention under which a VGG is normalised, or `None` if there is none.

    As the guard of chapter 1 tries to undo each convention in turn, this function tries to apply
    each. In a normalised network (Gatys et al., 2016, section 3) the mean activation of each filter
    over photographs is about 1. This can be true under one convention only, because the inputs of
    Caffe's are about 58 times as large as those of torchvision's. Other networks give no clue:
    their features may be of any size.

    Args:
        network: only its first three blocks are examined, and it may end earlier.
        pooling: the kind that it was trained and normalised with, `"max"` or `"average"`.
    """
    if "relu1_1" not in network.layers:
        return None
    size = (MEASURED_SIZE, MEASURED_SIZE)
    photos = torch.cat([load_image(name, size=size) for name in samples.names("photo")])
    photos = photos.to(next(network.parameters()))
    for convention in ("torchvision", "caffe"):
        if _is_normalised(network, preprocess(photos, convention), _pool(pooling, kernel=2)):
            return convention
    return None


def _is_normalised(network: FeatureNetwork, x: Tensor, pool: nn.Module) -> bool:
    """Whether every ReLU of the first three blocks has mean activations of about 1."""
    for layer, module in zip(network.layers, network.stack, strict=True):
        if re.fullmatch(r"(conv|relu)[4-9]_\d", layer):
            break
        x = pool(x) if layer.startswith("pool") else module(x)
        if layer.startswith("relu") and not _has_means_near_one(x):
            return False
    return True


def _has_means_near_one(features: Tensor) -> bool:
    means = features.float().mean((0, 2, 3))
    lower, upper = (torch.quantile(means, share).item() for share in (0.25, 0.75))
    return lower >= MEAN_RANGE[0] and upper <= MEAN_RANGE[1]


def _cut(network: FeatureNetwork, last_layer: str) -> FeatureNetwork:
    """The layers of a network up to this one, with its weights."""
    if not isinstance(cast(object, last_layer), str) or last_layer not in network.layers:
        raise NetworkError(
            f"{network.name} has no layer {arguments.shown(last_layer)} to end at. "
            f"Its layers are: {', '.join(network.layers)}."
            f"{arguments.meant(last_layer, network.layers)}"
        )
    end = network.layers.index(last_layer) + 1
    modules = dict(zip(network.layers[:end], network.stack[:end], strict=True))
    style = {layer: w for layer, w in network.style_weights.items() if layer in modules}
    style = style or {last_layer: 1.0}
    second = [layer for layer in modules if re.fullmatch(r"relu\d_2", layer)]
    return FeatureNetwork(
        network.name,
        modules,
        pooling=network.pooling,
        content_layers=tuple(layer for layer in network.content_layers if layer in modules)
        or (second[-1] if second else last_layer,),
        style_layers=tuple(style),
        style_weights={layer: weight / sum(style.values()) for layer, weight in style.items()},
        normalised=network.normalised,
        convention=network.convention,
    )


def build_vgg(name: str, plan: Plan, pooling: str) -> FeatureNetwork:
    """A VGG with the given widths, 3×3 kernels and random weights: conv1_1, relu1_1, …, pool5."""
    modules: dict[str, nn.Module] = {}
    channels = 3
    for block, widths in enumerate(plan, start=1):
        for index, width in enumerate(widths, start=1):
            modules[f"conv{block}_{index}"] = nn.Conv2d(channels, width, 3, padding=1)
            modules[f"relu{block}_{index}"] = nn.ReLU(inplace=False)
            channels = width
        modules[f"pool{block}"] = _pool(pooling, kernel=2)
    return FeatureNetwork(
        name,
        modules,
        pooling=pooling,
        content_layers=VGG_CONTENT_LAYERS,
        style_layers=VGG_STYLE_LAYERS,
        normalised=name == DEFAULT_NETWORK,
    )


def build_squeezenet(pooling: str) -> FeatureNetwork:
    """SqueezeNet 1.1 (Iandola et al., 2016) with random weights and torchvision's module names."""
    from torchvision.models import squeezenet1_1

    modules: dict[str, nn.Module] = {}
    for index, module in squeezenet1_1(weights=None).features.named_children():
        for inner in module.modules():
            if isinstance(inner, nn.ReLU):
                inner.inplace = False
        if isinstance(module, nn.MaxPool2d):
            module = _pool(pooling, kernel=3, ceil_mode=True)
        modules[f"features.{index}"] = module
    return FeatureNetwork(
        "squeezenet1_1",
        modules,
        pooling=pooling,
        content_layers=SQUEEZENET_CONTENT_LAYERS,
        style_layers=tuple(SQUEEZENET_STYLE_WEIGHTS),
        style_weights=SQUEEZENET_STYLE_WEIGHTS,
    )


def _fewest_positions(module: nn.Module) -> int:
    """The smallest number of rows and columns for which a module has an output."""
    if isinstance(module, nn.Conv2d):
        padding = module.padding[0]  # or "same", which keeps the size
        return 1 if isinstance(padding, str) else module.kernel_size[0] - 2 * padding
    return 2 if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)) else 1


def _pool(pooling: str, kernel: int, ceil_mode: bool = False) -> nn.Module:
    if not isinstance(cast(object, pooling), str) or pooling not in ("max", "average"):
        raise NetworkError(
            f"unknown pooling {arguments.shown(pooling)}; choose 'max' or 'average'."
        )
    kind = nn.MaxPool2d if pooling == "max" else nn.AvgPool2d
    return kind(kernel, stride=2, ceil_mode=ceil_mode)


def _must_be_one_of(what: str, given: object, names: Iterable[str], advice: str = "") -> None:
    known = tuple(names)
    if not isinstance(given, str) or given not in known:
        raise NetworkError(
            f"unknown {what} {arguments.shown(given)}; choose one of {', '.join(known)}{advice}."
            f"{arguments.meant(given, known)}"
        )


def _names(layers: str | Iterable[str]) -> set[str]:
    """The names of layers, whether they exist or not."""
    try:
        return {layers} if isinstance(layers, str) else set(layers)
    except TypeError as error:
        raise NetworkError(
            f"{arguments.shown(layers)} was given as layers; expected a name, such as 'relu4_2', "
            "or a list of names."
        ) from error


_BUILDERS: dict[str, tuple[Callable[[str], FeatureNetwork], str]] = {
    "petite": (lambda pooling: build_vgg("petite", PETITE_PLAN, pooling), "average"),
    "vgg16": (lambda pooling: build_vgg("vgg16", VGG16_PLAN, pooling), "max"),
    "vgg19": (lambda pooling: build_vgg("vgg19", VGG19_PLAN, pooling), "max"),
    "squeezenet1_1": (build_squeezenet, "max"),
}
"""For each network, the function that builds it and the pooling that it was trained with."""


def save_weights(network: nn.Module, path: str | os.PathLike[str]) -> Path:
    """Write a network's weights for `load_network(weights=…)` or `load_fast`; returns the path.

    Args:
        network: the weights of a `FeatureNetwork` are named after its layers (`conv1_1.weight`),
            those of any other module as in its state dict.
        path: with the extension `.safetensors`, or `.pth` or `.pt` for a state dict. Only a
            `.safetensors` file also records the convention of a `FeatureNetwork`.

    Raises:
        NetworkError: no network, another extension, or a file that cannot be written.
    """
    if not isinstance(cast(object, network), nn.Module):
        raise NetworkError(
            f"save_weights got {arguments.shown(network)}; expected a network, and then a path."
        )
    path = _target(path)
    state = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    notes: dict[str, str] | None = None
    if isinstance(network, FeatureNetwork):
        names, notes = _file_keys(network), {"format": "pt", "convention": network.convention}
        state = {names[key][0]: value for key, value in state.items()}
    packed = {key: value.contiguous() for key, value in state.items()}  # not in channels_last
    import safetensors.torch

    try:
        with promised(path) as hidden:
            if path.suffix == ".safetensors":
                safetensors.torch.save_file(packed, hidden, notes)
            else:
                torch.save(packed, hidden)
    except ImageError as error:  # of `promised`; it says what to do
        raise NetworkError(str(error)) from error
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        raise NetworkError(f"cannot write {path}: {error}. Choose another folder.") from error
    return path


def _target(path: str | os.PathLike[str]) -> Path:
    """The path of a weight file to be written."""
    try:
        target = Path(path)
    except TypeError as error:
        raise NetworkError(f"path={path!r:.80} was given; expected the name of a file.") from error
    if target.suffix not in (".safetensors", ".pth", ".pt"):
        raise NetworkError(f"cannot save weights as '{target.name}': use .safetensors or .pth.")
    return target


def _default_weights(name: str) -> WeightFile:
    path = WEIGHTS_FOLDER / f"{name}.safetensors"
    if path.is_file():
        return WeightFile(read_weights(path), "torchvision", "it comes with the package")
    return WeightFile(_download(name), "torchvision", "the weights are torchvision's")


def _download(name: str) -> dict[str, Tensor]:
    """torchvision's ImageNet weights, from torch's cache or fetched into it."""
    from torchvision import models

    weights: WeightsEnum = getattr(models.get_model_weights(name), "DEFAULT")  # noqa: B009 - an alias
    return fetched(
        weights,
        name,
        f"or pass the file: load_network({name!r}, weights='…').\n"
        "  Or use the bundled network, which needs no download: load_network('petite').",
    )


def fetched(weights: WeightsEnum, name: str, otherwise: str) -> dict[str, Tensor]:
    """Weights of torchvision, from torch's cache or fetched into it; code in them is never run.

    What is fetched is kept only if its checksum is the one in its name. A server that falls silent
    is given up after `PATIENCE` seconds.

    Args:
        weights: names the file, and its address.
        name: of the network, for messages.
        otherwise: for messages, what else to do.

    Raises:
        NetworkError: the weights cannot be fetched, stored or read.
    """
    cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)  # torch itself would wait for ever
    try:
        state: object = weights.get_state_dict(
            progress=True, check_hash=True, weights_only=True, map_location="cpu"
        )
        return plain_tensors(state, cache)
    except Exception as error:  # there are many kinds of network errors and of corrupt files
        why, place = reason(error), f"  Fetch  {weights.url}\n  into   {cache}\n"
        found = f"the weights of {name} are not here and could not be fetched ({why}).\n"
        if cache.is_file():
            found = f"the weights of {name} in torch's cache cannot be read ({why}).\n"
            place = f"  Delete {cache}\n  and call this again, which fetches them again,\n"
        raise NetworkError(f"{found}{place}  {otherwise}") from error
    finally:
        socket.setdefaulttimeout(before)


def _fill(
    network: FeatureNetwork, state: Mapping[str, Tensor], *, whole: FeatureNetwork, origin: str
) -> None:
    """Copy weights into a network; the errors say which network the file seems to belong to.

    `whole` is the network without a cut. A layer of the file that it lacks is an error as well:
    under the names of the course, VGG-16 could be filled from a file of VGG-19.
    """
    name, known = network.name, {key for keys in _file_keys(whole).values() for key in keys}
    strangers = [key for key in state if LAYER_KEY.match(key) and key not in known]
    try:
        if strangers:
            raise NetworkError(
                f"{origin} does not fit {name}: it also holds '{strangers[0]}', which {name} lacks."
            )
        copy_weights(network, state, name=name, origin=origin, keys=_file_keys(network))
    except NetworkError as error:
        raise NetworkError(f"{error}{_likely(name, state)}") from error


def _likely(name: str, state: Mapping[str, Tensor]) -> str:
    """Advice for a file that does not fit: which network it fits, or how much of this one."""
    with torch.device("meta"):
        built = {each: build(pooling) for each, (build, pooling) in _BUILDERS.items()}
    for each, network in built.items():
        if each != name and len(_layers_in(state, network)) == len(network.layers):
            return f" It looks like a file of {each}: load_network({each!r}, weights=…)."
    layers = _layers_in(state, built[name])
    if any(layer.startswith(("conv", "features")) for layer in layers):
        return (
            f" It holds {name} as far as {layers[-1]}: "
            f"load_network({name!r}, weights=…, last_layer={layers[-1]!r})."
        )
    return ""


def _layers_in(state: Mapping[str, Tensor], network: FeatureNetwork) -> tuple[str, ...]:
    """The layers up to which a file fits a network; none if it also holds something behind them."""
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    keys = _file_keys(network)
    found = {
        key: alias
        for key, aliases in keys.items()
        for alias in aliases
        if alias in state and state[alias].shape == shapes[key]
    }
    lacking = [int(key.split(".")[1]) for key in keys if key not in found]
    end = min(lacking, default=len(network.layers))
    used = {alias for key, alias in found.items() if int(key.split(".")[1]) < end}
    others = [key for key in state if LAYER_KEY.match(key) and key not in used]
    return () if others else network.layers[:end]


def copy_weights(
    module: nn.Module,
    state: Mapping[str, Tensor],
    *,
    name: str,
    origin: str,
    keys: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    """Copy weights into a module, or report the first mismatch. Half precision is converted.

    Args:
        module: the module whose weights are replaced.
        state: `{name in the file: tensor}`.
        name: of the module, for messages.
        origin: where the state came from, for messages.
        keys: for each parameter, the names it may have in the file; `None` means its own name.

    Raises:
        NetworkError: a weight is missing, has another shape or kind of number, or is not finite.
    """
    for key, target in module.state_dict().items():
        aliases = keys[key] if keys else (key,)
        given = next((state[alias] for alias in aliases if alias in state), None)
        expected = tuple(target.shape)
        if given is None:
            raise NetworkError(
                f"{origin} does not fit {name}: it has no '{aliases[0]}' (shape {expected}). "
                f"It begins with {', '.join(list(state)[:3])}."
            )
        if tuple(given.shape) != expected:
            raise NetworkError(
                f"{origin} does not fit {name}: '{aliases[0]}' has the shape "
                f"{tuple(given.shape)}, expected {expected}."
            )
        if given.is_floating_point() != target.is_floating_point() or given.is_complex():
            raise NetworkError(
                f"{origin} does not fit {name}: '{aliases[0]}' is of type {given.dtype}, expected "
                f"{target.dtype} or another width of it."
            )
        converted = given.to(target.dtype)  # first: a float64 may be too large for a float32
        if not torch.isfinite(converted).all():
            raise NetworkError(
                f"{origin}: '{aliases[0]}' holds NaN or infinite values; fetch it again."
            )
        target.copy_(converted)


def _file_keys(network: FeatureNetwork) -> dict[str, tuple[str, ...]]:
    """For each parameter, its names in a file: ours, torchvision's and that of the state dict."""
    keys: dict[str, tuple[str, ...]] = {}
    for key in network.state_dict():
        _, index, rest = key.split(".", 2)
        layer = network.layers[int(index)]
        keys[key] = (f"{layer}.{rest}", f"features.{index}.{rest}", key)
    return keys
