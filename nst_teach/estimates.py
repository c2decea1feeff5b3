"""The price of a run before it is paid: seconds, memory and evaluations."""

from __future__ import annotations

import bisect
import contextlib
import copy
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psutil
import torch
from torch import nn

from nst_teach import arguments, machine
from nst_teach.calibration import BOWL_STEPS, Work, arithmetic, calibration
from nst_teach.images import ImageSource, Size, load_image
from nst_teach.memory import TransferError
from nst_teach.networks import FeatureNetwork, NetworkError, load_network, on_device
from nst_teach.objective import Layers, StyleObjective
from nst_teach.optimizers import check_optimizer
from nst_teach.regions import Style
from nst_teach.run import DEFAULT_SIZE, DEFAULT_STEPS, Callback

if TYPE_CHECKING:
    from nst_teach.checkpoints import Checkpoint
    from nst_teach.results import Result

WORTH_SAYING = 10.0  # seconds; a shorter run is not announced
GIGABYTE, MEGABYTE, MINUTE, HOUR = 1e9, 1e6, 60, 3600

EVALUATIONS: dict[str, tuple[float, float]] = {
    "lbfgs": (1.02, 3.0),
    "lbfgs-unbounded": (1.035, 3.0),
    "lbfgs-plain": (1.0, 1.0),
    "scipy": (1.015, 2.5),
    "adam": (1.0, 1.0),
}
"""Evaluations per step, and how many come on top: of the initial image, and of the first line
searches, which try two or three images each. Measured with `petite` over five pairs of pictures,
after 20, 50 and 100 steps."""

LEAST_SIDE = 32  # pixels; a smaller size is no advice

RESERVE = 150_000_000
"""Bytes for libraries that are loaded during a run, and for what the allocator cannot reuse. Under
a limit of addresses (`ulimit -v`), a run of 1.35 GB needed 1.42."""

MOST_BYTES = 8000
"""Bytes per pixel that a run hardly exceeds: with L-BFGS, `petite` needs 1600 and VGG-19 3100."""

WORKSPACE = 1.25
"""Memory of an evaluation relative to that of its tensors: convolutions need working space, and the
allocator loses some of it. Measured by `benchmarks/suite.py`."""


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to cost on this machine.

    Attributes:
        seconds: from the first evaluation's preparation to the last one's end.
        peak: bytes of this process at its peak, or of the GPU's memory if the run uses one.
        evaluations: of the loss and its gradient.
        size: rows and columns of the result.
        multiplications: of all evaluations together.
        needed: those bytes of `peak` that are not in use yet.
        network: the name of the network.
        memory: "normal" or "low", see `transfer`.
    """

    seconds: float
    peak: int
    evaluations: int
    size: tuple[int, int]
    multiplications: int
    needed: int
    network: str
    memory: str = "normal"

    def sentence(self) -> str:
        """Such as "about 40 s, 1.2 GB, 165 evaluations at 512×384 px"."""
        height, width = self.size
        number = f"{self.evaluations} evaluation{'s' if self.evaluations != 1 else ''}"
        return f"about {_time(self.seconds)}, {_bytes(self.peak)}, {number} at {width}×{height} px"

    def fits(self, free: int | None = None) -> bool:
        """Whether that much memory is free: bytes, or `None` for what is free now."""
        return self.needed <= (machine.memory().free if free is None else free)

    def largest_side(self, free: int | None = None) -> int:
        """The longer side, in pixels, of an image of this shape that would just fit."""
        free = machine.memory().free if free is None else free
        return math.floor(max(self.size) * math.sqrt(free / self.needed))

    def require(self, free: int | None = None) -> None:
        """Refuse a run that does not fit.

        Args:
            free: bytes of memory; `None` means what is free on this machine now.

        Raises:
            TransferError: more is needed than is free; the message suggests a size that fits.
        """
        free = machine.memory().free if free is None else free
        if self.fits(free):
            return
        height, width = self.size
        other = ' With memory="low", petite or a VGG takes a larger one.'
        other = "" if self.memory == "low" else other
        raise TransferError(
            f"{width}×{height} pixels need about {_bytes(self.needed)} with {self.network}; only "
            f"{_bytes(free)} of memory are free. Use size={self.largest_side(free)} or less, or a "
            f"smaller network.{other}"
        )

    def __repr__(self) -> str:
        return f"Estimate({self.sentence()})"


def estimate(
    content: ImageSource,
    style: ImageSource | list[Style] | tuple[Style, ...],
    *,
    network: FeatureNetwork | str | None = None,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    alpha: float = 1.0,
    beta: float | None = None,
    total_variation: float | None = 0.0,
    start: str | ImageSource | Result = "content",
    optimizer: str = "lbfgs",
    learning_rate: float | None = None,
    steps: int = DEFAULT_STEPS,
    size: Size | None = DEFAULT_SIZE,
    style_size: Size | None = None,
    seed: int = 0,
    callback: Callback | None = None,
    progress: bool = True,
    device: torch.device | str | None = None,
    precision: str = "float32",
    memory: str = "normal",
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
) -> Estimate:
    """Predict what `transfer` costs with the same arguments, without running it.

    The first call for a network and its settings times evaluations of small images for a second or
    two; later calls in the same process reuse these measurements. Other programs that run meanwhile
    make the machine look slower than it is.

    Args:
        content, style, network, content_layers, style_layers, optimizer, steps, size, style_size,
            device, precision, memory: as for `transfer`.
        alpha, beta, total_variation, start, learning_rate, seed, callback, progress, checkpoint:
            accepted, so that the arguments of `transfer` can be passed unchanged, but they change
            no cost. (The time that a callback itself takes is not predicted, and a checkpoint
            counts as little.)

    Returns:
        An `Estimate`. A run that is stopped early costs less.

    Raises:
        ImageError, NetworkError, ValueError: unusable input.

    The page on performance derives the formula, and `benchmarks/suite.py` compares it with runs.
    """
    net = _network(network, device)
    height, width = load_image(content, size=size).shape[-2:]
    longer = max(height, width) if style_size is None else style_size
    styles = style if isinstance(style, (list, tuple)) else [Style(style)]
    pictures = [load_image(each.picture, size=longer) for each in styles]
    work = Work.asked(net, content_layers, style_layers, precision, memory, style)
    return predict(
        work,
        (height, width),
        styles=[(picture.shape[-2], picture.shape[-1]) for picture in pictures],
        optimizer=optimizer,
        steps=steps,
    )


def predict(
    work: Work,
    size: tuple[int, int],
    *,
    styles: Sequence[tuple[int, int]],
    optimizer: str,
    steps: int,
) -> Estimate:
    """The estimate for a run whose network and sizes are known already.

    Args:
        work: what is evaluated, and how.
        size: rows and columns of the result.
        styles: rows and columns of each style picture.
        optimizer, steps: as for `transfer`.

    Raises:
        ValueError: an unknown optimiser, or a number of steps that is not one.
    """
    count, pixels = evaluations(optimizer, steps), size[0] * size[1]
    measured = calibration(work)
    measured.finish()
    own = arithmetic(optimizer, min(steps, BOWL_STEPS), work.device)
    setup = (measured.setup(size) + sum(map(measured.setup, styles))) / 2
    held = measured.bytes(size) * WORKSPACE + own.bytes * pixels
    return Estimate(
        seconds=setup + count * measured.evaluation(size) + own.seconds(steps, pixels),
        peak=round(_in_use(work.device) + held),
        evaluations=count,
        size=size,
        multiplications=count * multiplications(work, size),
        needed=round(held),
        network=work.network.name,
        memory=work.memory,
    )


def announcement(objective: StyleObjective, *, optimizer: str, steps: int) -> Estimate | None:
    """The estimate of a long run; `None` if it takes less than `WORTH_SAYING` seconds.

    A single small evaluation is enough to recognise most short runs, so that they begin at once. A
    network that has no features of small images cannot be timed with them; then it is `None`, too.

    Args:
        objective: of the run.
        optimizer, steps: as for `transfer`, as are the errors.
    """
    work, size = Work.of(objective), (objective.content.shape[-2], objective.content.shape[-1])
    try:
        point = calibration(work).first()
    except NetworkError:  # a network so deep that no small image is large enough
        return None
    each = point.evaluation * work.extent(size).computed / point.pixels
    if evaluations(optimizer, steps) * each < WORTH_SAYING:
        return None
    whole = expected(objective, optimizer=optimizer, steps=steps)
    return whole if whole.seconds >= WORTH_SAYING else None


def expected(objective: StyleObjective, *, optimizer: str, steps: int) -> Estimate:
    """The estimate for a run with an objective that exists already.

    Args:
        objective: of the run.
        optimizer, steps: as for `transfer`, as are the errors.
    """
    work, size = Work.of(objective), (objective.content.shape[-2], objective.content.shape[-1])
    style = (objective.style.shape[-2], objective.style.shape[-1])
    styles = [style] * max(1, len(work.masks))
    return predict(work, size, styles=styles, optimizer=optimizer, steps=steps)


def check_memory(work: Work, size: tuple[int, int], *, optimizer: str, steps: int) -> None:
    """Refuse a run for which there is too little memory, before the work.

    Linux kills a process whose memory runs out, without an error. What a run needs is counted with
    small images, which may take a second; so this is done only if memory might not suffice. Runs on
    a GPU are not checked, because its allocator raises an error in time.

    Args:
        work: what is evaluated, and how.
        size: rows and columns of the result.
        optimizer, steps: as for `transfer`.

    Raises:
        TransferError: more is needed than is free; the message names the largest size that fits.
    """
    pixels = size[0] * size[1]
    if work.device.type != "cpu" or pixels * MOST_BYTES <= machine.memory().free - RESERVE:
        return
    try:
        needed = bytes_needed(work, size, optimizer=optimizer, steps=steps)
    except NetworkError:  # layers that do not exist, or that small images are too small for
        return
    free = machine.memory().free - RESERVE  # only now: counting has loaded libraries
    if needed > free:
        raise TransferError(
            f"{size[1]}×{size[0]} pixels need about {_bytes(needed)} with {work.network.name}; "
            f"only {_bytes(max(0, free))} of memory are free. "
            f"{_what_fits(work, size, free, optimizer, steps)}"
        )


def bytes_needed(work: Work, size: tuple[int, int], *, optimizer: str, steps: int) -> int:
    """The bytes that a run adds to those in use; counted, not timed."""
    own = arithmetic(optimizer, min(steps, BOWL_STEPS), work.device)
    return round(calibration(work).bytes(size) * WORKSPACE + own.bytes * size[0] * size[1])


def _what_fits(work: Work, size: tuple[int, int], free: int, optimizer: str, steps: int) -> str:
    """Advice: the largest side of an image of this shape that fits, as it is and with tiles."""

    def largest(work: Work) -> int:
        def fits(side: int) -> bool:
            rows, columns = (max(1, round(s * side / max(size))) for s in size)
            needed = bytes_needed(work, (rows, columns), optimizer=optimizer, steps=steps)
            return needed <= free

        return bisect.bisect(range(1, max(size) + 1), False, key=lambda side: not fits(side))

    side = largest(work)
    words = [f"Use size={side} or less" if side >= LEAST_SIDE else "Close other programs"]
    if work.memory == "normal" and not work.masks:
        with contextlib.suppress(NetworkError):  # a network that cannot be tiled
            tiled = largest(replace(work, memory="low"))
            words += [f"memory='low' with size={tiled} or less"] if tiled > side else []
    return f"{', or '.join([*words, 'a smaller network'])}."


def evaluations(optimizer: str, steps: int) -> int:
    """How often a run evaluates the loss and its gradient.

    Raises:
        ValueError: an unknown optimiser, or a number of steps that is not one.
    """
    check_optimizer(optimizer)
    steps = arguments.whole("steps", steps)
    each, more = EVALUATIONS[optimizer]
    return round(each * steps + more) if steps else 1


def multiplications(work: Work, size: tuple[int, int]) -> int:
    """Multiplications of one evaluation of an image of these rows and columns.

    A convolution with N filters multiplies once for each position, filter, input channel and cell
    of its kernel. Its gradient with respect to the input needs as many again; there is none with
    respect to the weights, which are fixed. A Gram matrix of N filters and M positions needs N²·M,
    and so does its gradient (D + Dᵀ) F. What needs no multiplication of matrices (ReLU, pooling,
    differences) is left out.
    """
    layers = (*work.content_layers, *work.style_layers)
    if not layers:
        return 0
    network, counted = copy.deepcopy(work.network).to("meta"), [0]  # shapes without numbers

    def count(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            counted[0] += 2 * output.numel() * module.weight[0].numel()

    for module in network.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        features = network(torch.empty(1, 3, *size, device="meta"), layers)
    for layer in work.style_layers:
        _, filters, height, width = features[layer].shape
        counted[0] += 2 * max(1, len(work.masks)) * filters**2 * height * width
    return counted[0]


def _network(
    network: FeatureNetwork | str | None, device: torch.device | str | None
) -> FeatureNetwork:
    """The network on the device on which `transfer` would use it."""
    if network is None or isinstance(network, str):
        return load_network(network, device=device)
    return on_device(network, device)


def _in_use(device: torch.device) -> int:
    """Bytes in use before the run: of this process, or of the GPU's memory by it."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


def _time(seconds: float) -> str:
    if seconds < 1:
        return "1 s"
    if seconds < 2 * MINUTE:
        return f"{float(f'{seconds:.2g}'):.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h"


def _bytes(count: float) -> str:
    return f"{count / GIGABYTE:.1f} GB" if count >= GIGABYTE else f"{count / MEGABYTE:.0f} MB"
