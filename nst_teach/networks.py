"""Feature networks: frozen stacks of named layers, and their trained weights.

A `FeatureNetwork` maps an image (RGB in [0, 1]) to the features of any of its layers; losses are
defined elsewhere. `conv4_2` is always the value before the ReLU and `relu4_2` the value after it,
because no ReLU works in place here. Chapter 2 of the course looks inside.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from nst_teach.images import device_advice, preprocess

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
DEFAULT_NETWORK = "petite"
NETWORK_VARIABLE = "NST_TEACH_NETWORK"

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


class NetworkError(ValueError):
    """A network, layer or weight file that cannot be used; the message explains what to do."""


class FeatureNetwork(nn.Module):
    """A frozen network that returns the features of any of its layers, by name.

    Attributes:
        name: the name of the network, such as `"petite"`.
        layers: the names of its layers, in order.
        pooling: `"max"` or `"average"`.
        content_layers: the layers from which the content is usually taken.
        style_layers: the layers from which the style is usually taken.
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
        x = preprocess(image, self.convention).contiguous(memory_format=MEMORY_FORMAT)
        for name, module in zip(self.layers, self.stack, strict=True):
            x = self._step(name, module, x, image)
            if name in wanted:
                features[name] = x
                if len(features) == len(wanted):
                    break
        return features

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
        wanted = {layers} if isinstance(layers, str) else set(layers)
        unknown = sorted(wanted - set(self.layers))
        if unknown:
            raise NetworkError(
                f"{self.name} has no layer {', '.join(map(repr, unknown))}. "
                f"Its layers are: {', '.join(self.layers)}."
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
) -> FeatureNetwork:
    """Load a trained network, frozen and in evaluation mode.

    Args:
        name: `"petite"` (bundled with the package), `"vgg16"`, `"vgg19"` or `"squeezenet1_1"`
            (torchvision's ImageNet weights). `None` means the value of the environment variable
            `NST_TEACH_NETWORK` or, if that is not set, `"petite"`.
        weights: a file (`.safetensors`, or a `.pth` state dict) with torchvision's names or those
            of `save_weights`; `None` means the bundled weights or torchvision's, which are
            downloaded once into torch's cache.
        pooling: `"max"` or `"average"`; `None` means the kind that the network was trained with.
        device: where to put the network; `None` means the CPU.

    Raises:
        NetworkError: an unknown name or pooling; weights that cannot be fetched or read, or that do
            not fit.

    Explained in chapter 2; the book has a model card of `petite`.
    """
    if name is None:
        name = os.environ.get(NETWORK_VARIABLE) or DEFAULT_NETWORK
    if name not in tuple(_BUILDERS):  # a tuple: `name` need not be hashable
        raise NetworkError(
            f"unknown network {name!r:.80}; choose one of {', '.join(_BUILDERS)} "
            f"(the environment variable {NETWORK_VARIABLE} sets the default)."
        )
    build, trained_with = _BUILDERS[name]
    network = build(trained_with if pooling is None else pooling)
    source = _bundled(name) if weights is None else Path(weights)
    state = _download(name) if source is None else read_weights(source)
    origin = str(source or f"torchvision's {name}")
    copy_weights(network, state, name=name, origin=origin, keys=_file_keys(network))
    with device_advice(device or "cpu", NetworkError):
        return network.to(device or "cpu")


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
    if pooling == "max":
        return nn.MaxPool2d(kernel, stride=2, ceil_mode=ceil_mode)
    if pooling == "average":
        return nn.AvgPool2d(kernel, stride=2, ceil_mode=ceil_mode)
    raise NetworkError(f"unknown pooling {pooling!r}; choose 'max' or 'average'.")


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
        path: with the extension `.safetensors`, or `.pth` or `.pt` for a state dict.

    Raises:
        NetworkError: another extension, or a file that cannot be written.
    """
    path = Path(path)
    state = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    if isinstance(network, FeatureNetwork):
        names = _file_keys(network)
        state = {names[key][0]: value for key, value in state.items()}
    packed = {key: value.contiguous() for key, value in state.items()}  # not in channels_last
    import safetensors.torch

    try:
        if path.suffix == ".safetensors":
            safetensors.torch.save_file(packed, path)
        elif path.suffix in (".pth", ".pt"):
            torch.save(packed, path)
        else:
            raise NetworkError(f"cannot save weights as '{path.name}': use .safetensors or .pth.")
    except (
        OSError,
        RuntimeError,
        safetensors.SafetensorError,
    ) as error:
        raise NetworkError(f"cannot write {path}: {error}. Choose another folder.") from error
    return path


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read a weight file, `.safetensors` or a `.pth` state dict, without executing code from it.

    Raises:
        NetworkError: the file is missing or corrupt, or contains anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise NetworkError(f"there is no weight file '{path}' (looked in {Path.cwd()}).")
    try:
        if path.suffix == ".safetensors":
            import safetensors.torch

            return safetensors.torch.load_file(path)
        state: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each reader raises its own kinds of errors
        raise NetworkError(
            f"'{path}' cannot be read as weights ({type(error).__name__}: {error}). Expected "
            ".safetensors or a .pth with a plain state dict; a download that broke off has to be "
            "fetched again."
        ) from error
    if not isinstance(state, Mapping):
        raise NetworkError(f"'{path}' holds no state dict (names and tensors); save one in it.")
    entries = cast(Mapping[object, object], state)
    tensors = {str(name): value for name, value in entries.items() if isinstance(value, Tensor)}
    if len(tensors) < len(entries):
        raise NetworkError(f"'{path}' holds no state dict (names and tensors); save one in it.")
    return tensors


def _bundled(name: str) -> Path | None:
    path = WEIGHTS_FOLDER / f"{name}.safetensors"
    return path if path.is_file() else None


def _download(name: str) -> dict[str, Tensor]:
    """torchvision's ImageNet weights, from torch's cache or fetched into it."""
    from torchvision import models

    weights: WeightsEnum = getattr(models.get_model_weights(name), "DEFAULT")  # noqa: B009 - an alias
    cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        state: dict[str, Tensor] = weights.get_state_dict(
            progress=True, check_hash=True, weights_only=True, map_location="cpu"
        )
        return state
    except Exception as error:  # there are many kinds of network errors and of corrupt files
        raise NetworkError(
            f"the weights of {name} are not here and could not be fetched "
            f"({type(error).__name__}: {error}).\n"
            f"  Fetch  {weights.url}\n"
            f"  into   {cache}\n"
            f"  or pass the file: load_network({name!r}, weights='…').\n"
            "  Or use the bundled network, which needs no download: load_network('petite')."
        ) from error


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
        if not torch.isfinite(given).all():
            raise NetworkError(
                f"{origin}: '{aliases[0]}' holds NaN or infinite values; fetch it again."
            )
        target.copy_(given)


def _file_keys(network: FeatureNetwork) -> dict[str, tuple[str, ...]]:
    """For each parameter, its names in a file: ours, torchvision's and that of the state dict."""
    keys: dict[str, tuple[str, ...]] = {}
    for key in network.state_dict():
        _, index, rest = key.split(".", 2)
        layer = network.layers[int(index)]
        keys[key] = (f"{layer}.{rest}", f"features.{index}.{rest}", key)
    return keys
