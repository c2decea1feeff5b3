"""What is compared: networks, pictures, and the ways to evaluate an image."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from usual import UsualLoop

from nst_teach import FeatureNetwork, StyleObjective, load_image, load_network
from nst_teach.calibration import Work
from nst_teach.networks import VGG16_PLAN, VGG19_PLAN, build_squeezenet, build_vgg

PHOTO, STYLE = "astronaut", "night_swirls"  # the photograph is square: side² pixels
STYLE_SIDE = 128  # pixels; the time of an evaluation does not depend on the size of the style
NETWORKS = ("petite", "squeezenet1_1", "vgg16", "vgg19")
SEED = 0
UNITS = ("avx512_bf16", "amx_bf16", "bf16")  # as /proc/cpuinfo names them, on Intel, AMD and Arm


@dataclass(frozen=True)
class Contender:
    """One way to evaluate an image: the usual loop, or ours in a precision and a memory mode."""

    kind: str  # "usual" or "ours"
    precision: str = "float32"
    memory: str = "normal"

    @property
    def name(self) -> str:
        if self.kind == "usual":
            return "usual"
        return f"ours {self.precision}" + (" low" if self.memory == "low" else "")


USUAL, OURS = Contender("usual"), Contender("ours")
HALF, LOW = Contender("ours", "bfloat16"), Contender("ours", memory="low")


def has_units() -> bool:
    """Whether the processor multiplies bfloat16 numbers itself."""
    information = Path("/proc/cpuinfo")
    flags = information.read_text().split() if information.exists() else []
    return any(unit in flags for unit in UNITS)


def is_available(contender: Contender) -> bool:
    """Whether this machine and this version of the package have this way."""
    known = inspect.signature(StyleObjective).parameters
    asked = {"precision": contender.precision != "float32", "memory": contender.memory != "normal"}
    if any(wanted and name not in known for name, wanted in asked.items()):
        return False
    return contender.precision == "float32" or has_units()


def contenders(network: str, side: int) -> list[Contender]:
    """Those that are compared for a network at a size; the first is the one to compare with."""
    rivals = [OURS, HALF]
    if network == "vgg19":
        rivals = [USUAL, OURS, HALF, LOW] if side >= 512 else [USUAL, OURS, HALF]
    elif network == "petite":
        rivals = [USUAL, OURS, HALF]
    return [rival for rival in rivals if is_available(rival)]


def make_network(name: str, weights: dict[str, str] | None = None) -> FeatureNetwork:
    """The network, with random weights where there is no file: they cost the same time.

    He et al. (2015): with a variance of 2 / (inputs of a filter), activations neither die away nor
    explode from layer to layer.
    """
    if weights and name in weights:
        return load_network(name, weights=weights[name])
    if name == "petite":
        return load_network(name)
    plans = {"vgg16": VGG16_PLAN, "vgg19": VGG19_PLAN}
    made = build_vgg(name, plans[name], "max") if name in plans else build_squeezenet("max")
    generator = torch.Generator().manual_seed(SEED)
    for module in made.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(module.bias)
    return made


def work(contender: Contender, network: FeatureNetwork) -> Work:
    """What `nst_teach.estimate` predicts."""
    layers = tuple(network.content_layers), tuple(network.style_weights)
    return Work(network, *layers, precision=contender.precision, memory=contender.memory)


def objective(
    contender: Contender, content: Tensor, style: Tensor, network: FeatureNetwork
) -> StyleObjective:
    """Ours, in the way of the contender."""
    return StyleObjective(content, style, network, **work(contender, network).modes)


def moved(network: FeatureNetwork, side: int) -> int:
    """Bytes that an evaluation in single precision reads and writes at least, layer by layer.

    Each layer reads its input and writes its output, and in the backward pass reads the gradient of
    the output and writes that of the input. What a cache saves is left out.
    """
    shapes, numbers = copy.deepcopy(network).to("meta"), [0]

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not any(True for _ in module.children()):
            numbers[0] += 2 * (inputs[0].numel() + output.numel())

    for module in shapes.stack.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        shapes(torch.empty(1, 3, side, side, device="meta"), network.style_layers)
    return numbers[0] * torch.float32.itemsize


def evaluation(contender: Contender, side: int, network: FeatureNetwork) -> Callable[[], None]:
    """A function that evaluates loss and gradient once."""
    photo, style = load_image(PHOTO, size=side), load_image(STYLE, size=STYLE_SIDE)
    image = photo.clone().requires_grad_(True)
    if contender.kind == "usual":
        loop = UsualLoop(photo, style, network, beta=1.0)
        return lambda: loop.evaluate(image)
    goal = objective(contender, photo, style, network)
    return lambda: torch.autograd.grad(goal(image).total, image)
