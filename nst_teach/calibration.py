"""What an evaluation costs here: timed at small sizes, and its bytes counted.

Time and memory of an evaluation grow with the number of pixels. Two or more small sizes determine
the straight line, and `nst_teach.estimates` reads larger sizes from it. The book's page on
performance explains why this works.
"""

from __future__ import annotations

import itertools
import statistics
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nst_teach.networks import FeatureNetwork, NetworkError
from nst_teach.objective import Layers, Losses, StyleObjective, layer_weights
from nst_teach.optimizers import LBFGS_HISTORY
from nst_teach.precision import choose_precision
from nst_teach.regions import RegionalObjective, Style
from nst_teach.results import Result
from nst_teach.run import optimize
from nst_teach.tiles import reach, tiles

SIDES = (64, 96, 128, 192, 256, 384, 512)  # pixels; the sizes that may be timed, in order
BUDGET = 2.0  # seconds; larger sizes are left out as soon as they would exceed it
REPEATS = 3  # evaluations per size; the fastest counts, since other programs only slow one down
LEAST_POINTS = 2  # sizes that are always timed: they determine a line
COUNTED_SIDES = (64, 128)  # pixels; bytes depend on the size alone, so two sizes are enough

PASSES = 4 / 3
"""With `memory="low"` a single tile is computed forward, forward again, and backward; of several
tiles each is first computed forward once more (`nst_teach.tiles`). Both directions cost alike."""

IMAGE_BYTES = 3 * 4  # per pixel
WAITING_IMAGES = 6  # content, image, its copy, two gradients, the best image so far

BOWL_SIDE = 256  # pixels; the optimiser's own arithmetic is timed at this size ...
BOWL_STEPS = LBFGS_HISTORY + 10  # ... for as many steps as this at most
LATE_STEPS = 8  # the last of them, in which the history of L-BFGS is full
COUNTED_BOWL_SIDE = 32  # pixels; its bytes are counted at this size
SCIPY_BYTES = 1100
"""Bytes per pixel that SciPy's L-BFGS-B holds outside of torch: 2·10 + 5 vectors in float64 as its
workspace (Zhu et al., 1997), and copies of point, gradient and bounds."""


@dataclass(frozen=True)
class Point:
    """A size at which an objective was made and evaluated: pixels, and seconds for either."""

    pixels: int
    setup: float
    evaluation: float


@dataclass(frozen=True)
class Extent:
    """Pixels that an evaluation computes: all in all, and at once.

    With `memory="low"` a large image is computed tile by tile, and the margins of the tiles
    overlap. Their additional pass counts as a third of an evaluation of their pixels.
    """

    computed: int
    at_once: int


@dataclass(frozen=True, eq=False)
class Work:
    """What a run evaluates: everything but its pictures.

    Attributes:
        network: computes the features.
        content_layers: their names.
        style_layers: their names.
        masks: for several styles, whether each has a mask; empty for a single one.
        precision: as for `transfer`.
        memory: as for `transfer`.
    """

    network: FeatureNetwork
    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    masks: tuple[bool, ...] = ()
    precision: str = "float32"
    memory: str = "normal"

    @classmethod
    def asked(
        cls,
        network: FeatureNetwork,
        content_layers: Layers | None,
        style_layers: Layers | None,
        precision: str,
        memory: str,
        style: object = None,
    ) -> Work:
        """What a run with these arguments of `transfer` evaluates, on the network's device."""
        content = network.content_layers if content_layers is None else content_layers
        styles = network.style_weights if style_layers is None else style_layers
        several = cast(Sequence[object], style) if isinstance(style, (list, tuple)) else ()
        return cls(
            network,
            tuple(layer_weights(content, share=False)),
            tuple(layer_weights(styles, share=True)),
            tuple(getattr(each, "mask", None) is not None for each in several),
            choose_precision(precision, next(network.parameters()).device),
            memory,
        )

    @classmethod
    def of(cls, objective: StyleObjective) -> Work:
        """What a run with this objective evaluates."""
        masks: tuple[bool, ...] = ()
        if isinstance(objective, RegionalObjective):
            masks = tuple(style.mask is not None for style in objective.styles.values())
        layers = tuple(objective.content_layers), tuple(objective.style_layers)
        return cls(objective.network, *layers, masks, objective.precision, objective.memory)

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def modes(self) -> dict[str, Any]:
        """The arguments of the objective that say how it is evaluated, unless as usual."""
        asked, usual = (self.precision, self.memory), ("float32", "normal")
        named = zip(("precision", "memory"), asked, usual, strict=True)
        return {name: value for name, value, default in named if value != default}

    def objective(self, side: int) -> StyleObjective:
        """An objective of this kind for random images of `side` × `side` pixels."""
        content, style = (_random(side, self.device, seed) for seed in (0, 1))
        how: dict[str, Any] = {
            "content_layers": self.content_layers,
            "style_layers": self.style_layers,
            "beta": 1.0,
            "total_variation": 1.0,
            **self.modes,
        }
        if not self.masks:
            return StyleObjective(content, style, self.network, **how)
        styles = [Style(style, mask=content if mask else None) for mask in self.masks]
        return RegionalObjective(content, styles, self.network, style_size=side, **how)

    def extent(self, size: tuple[int, int]) -> Extent:
        """How many pixels an evaluation of an image of these rows and columns computes."""
        height, width = size
        if self.memory != "low" or not (layers := (*self.content_layers, *self.style_layers)):
            return Extent(height * width, height * width)
        seen = reach(self.network, layers)
        stride = max(seen.strides.values())
        rows, columns = (
            [tile.last - tile.first for tile in tiles(side, seen.margin, stride)] for side in size
        )
        computed = sum(rows) * sum(columns)
        several = len(rows) * len(columns) > 1
        return Extent(round(computed * PASSES) if several else computed, max(rows) * max(columns))

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for two of them only if they cost the same in this process."""
        shapes = tuple(tuple(p.shape) for p in self.network.parameters())
        network = (self.network.layers, shapes, self.network.pooling, str(self.device))
        layers = (self.content_layers, self.style_layers, self.masks)
        return (network, layers, self.precision, self.memory, torch.get_num_threads())


@dataclass
class Calibration:
    """Measurements of one kind of work, extended on demand.

    Attributes:
        work: what is measured.
        points: the sizes timed so far, in increasing order.
        complete: whether the budget of time is used up.
    """

    work: Work
    points: list[Point] = field(default_factory=list[Point])
    complete: bool = False
    _bytes: tuple[tuple[int, float], ...] = ()

    def first(self) -> Point:
        """The smallest size; timing it takes a fraction of a second."""
        if not self.points:
            self._extend(enough=1)
        return self.points[0]

    def finish(self, budget: float = BUDGET) -> None:
        """Time further sizes, as many as fit into the budget of seconds, at least two."""
        if not self.complete:
            self._extend(budget)
            self.complete = True

    def evaluation(self, size: tuple[int, int]) -> float:
        """Seconds of an evaluation of an image of these rows and columns."""
        points = [(p.pixels, p.evaluation) for p in self.points]
        return line(points, self.work.extent(size).computed)

    def setup(self, size: tuple[int, int]) -> float:
        """Seconds that the targets take for a content and a style of these rows and columns."""
        points = [(p.pixels, p.setup) for p in self.points]
        return line(points, self.work.extent(size).computed)

    def bytes(self, size: tuple[int, int]) -> float:
        """Bytes that torch holds at the peak of an evaluation, the targets included.

        Tiles that are not computed at the moment occupy only images and their content targets.
        """
        if not self._bytes:
            sides = _feasible(self.work, COUNTED_SIDES)
            self._bytes = tuple((side**2, live_bytes(self.work, side)) for side in sides)
        at_once = self.work.extent(size).at_once
        at_peak = line(list(self._bytes), at_once)
        waiting = size[0] * size[1] - at_once
        return at_peak + waiting * self._waiting() if waiting > 0 else at_peak

    def _waiting(self) -> float:
        """Bytes per pixel of a tile that is not computed at the moment."""
        side = _feasible(self.work, COUNTED_SIDES)[0]
        targets = self.work.objective(side).content_targets.values()
        return sum(target.nbytes for target in targets) / side**2 + WAITING_IMAGES * IMAGE_BYTES

    def _extend(self, budget: float = BUDGET, enough: int = len(SIDES)) -> None:
        started = time.perf_counter()
        sides = _feasible(self.work, SIDES)
        done = {point.pixels for point in self.points}
        for side, following in itertools.zip_longest(sides, sides[1:]):
            if side**2 in done:
                continue
            before = time.perf_counter()
            self.points.append(timed(self.work, side))
            now = time.perf_counter()
            expected = (now - before) * (following / side) ** 2 if following else float("inf")
            if len(self.points) >= enough:
                return
            if len(self.points) >= LEAST_POINTS and now - started + expected > budget:
                return


_calibrations: dict[tuple[Any, ...], Calibration] = {}


def calibration(work: Work) -> Calibration:
    """The measurements of this kind of work, kept as long as the process lives."""
    return _calibrations.setdefault(work.key, Calibration(work))


def timed(work: Work, side: int) -> Point:
    """Make an objective of this size and evaluate it: the seconds of both.

    An evaluation is timed between two records of a run with Adam, so that it includes all that a
    run does for each image. The first one is left out: it fills caches.
    """
    started = time.perf_counter()
    objective = work.objective(side)
    _wait(work.device)
    setup = time.perf_counter() - started
    run = optimize(objective, "content", optimizer="adam", steps=REPEATS, progress=False)
    gaps = [b.seconds - a.seconds for a, b in itertools.pairwise(run.history)]
    return Point(side**2, setup, min(gaps))


def line(points: list[tuple[int, float]], pixels: int) -> float:
    """The value at this number of pixels: between two points, or beyond the last two of them.

    More pixels never have a smaller value, although noise may have measured one: the line through
    the points rises or, where it would not, is proportional to the pixels.
    """
    xs, ys = [x for x, _ in points], list(itertools.accumulate((y for _, y in points), max))
    if pixels <= xs[0] or len(points) == 1:
        return ys[0] * pixels / xs[0]
    right = next((i for i, x in enumerate(xs) if pixels <= x), len(xs) - 1)
    slope = (ys[right] - ys[right - 1]) / (xs[right] - xs[right - 1])
    if pixels > xs[right] and slope == 0:
        return ys[right] * pixels / xs[right]
    return ys[right - 1] + (pixels - xs[right - 1]) * slope


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that come into being within the block, until they are freed.

    Attributes:
        now: bytes at this moment.
        peak: the most so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        self._held: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        returned = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(returned):
            if isinstance(leaf, Tensor):
                self._note(leaf.untyped_storage())
        return returned

    def _note(self, storage: torch.UntypedStorage) -> None:
        address = id(storage)  # torch keeps this object as long as the memory is in use
        if address not in self._held:
            self._held[address] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._freed, address).atexit = False

    def _freed(self, address: int) -> None:
        self.now -= self._held.pop(address)


def live_bytes(work: Work, side: int) -> int:
    """The most bytes that tensors occupy while an objective is made and evaluated."""
    with LiveBytes() as live:
        optimize(work.objective(side), "content", optimizer="adam", steps=0, progress=False)
    return int(live.peak)


@dataclass(frozen=True)
class Arithmetic:
    """What an optimiser costs beside its evaluations.

    Attributes:
        moments: seconds per pixel until each step of a run ends.
        late: seconds per pixel of a step when the optimiser's memory is full.
        bytes: per pixel.
    """

    moments: tuple[float, ...]
    late: float
    bytes: float

    def seconds(self, steps: int, pixels: int) -> float:
        """Of so many steps, for an image with this number of pixels."""
        known = min(steps, len(self.moments))
        early = self.moments[known - 1] if known else 0.0
        return (early + (steps - known) * self.late) * pixels


@cache
def arithmetic(optimizer: str, steps: int, device: torch.device) -> Arithmetic:
    """Measured on a quadratic function, whose evaluation costs next to nothing.

    Args:
        optimizer: its name.
        steps: of the run, at most `BOWL_STEPS`; a short run does not fill the optimiser's memory.
        device: where the image is.
    """
    counted, image = (_random(side, device, 0) for side in (COUNTED_BOWL_SIDE, BOWL_SIDE))
    with LiveBytes() as live:
        _descend(counted, optimizer, steps)
    held = live.peak / counted[0, 0].numel() + (SCIPY_BYTES if optimizer == "scipy" else 0)
    ends = {record.step: record.seconds for record in _descend(image, optimizer, steps).history}
    moments = tuple(seconds / image[0, 0].numel() for step, seconds in ends.items() if step)
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    return Arithmetic(moments, statistics.median(gaps[-LATE_STEPS:]) if gaps else 0.0, held)


def _descend(image: Tensor, optimizer: str, steps: int) -> Result:
    steepness = torch.linspace(1, 100, image.numel(), device=image.device).view_as(image)

    def bowl(x: Tensor) -> Losses:
        total = (steepness * (x - 0.5).square()).sum()
        return Losses(total, {}, {}, total)

    return optimize(bowl, image, optimizer=optimizer, steps=steps, progress=False)


def _feasible(work: Work, sides: tuple[int, ...]) -> list[int]:
    """Those of the sizes that are not too small for the network's layers."""
    layers = (*work.content_layers, *work.style_layers)
    if not layers:
        return list(sides)
    for smallest, side in enumerate(sides):
        try:
            with torch.no_grad():
                work.network(torch.zeros(1, 3, side, side, device=work.device), layers)
        except NetworkError:
            if side == sides[-1]:
                raise
            continue
        return list(sides[smallest:])
    return []


def _random(side: int, device: torch.device, seed: int) -> Tensor:
    """An image of noise, which leaves the caller's random numbers as they are."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, side, side, generator=generator).to(device)


def _wait(device: torch.device) -> None:
    """Until a GPU has done what it was asked to; a CPU has."""
    wait: Callable[..., None] | None = {
        "cuda": torch.cuda.synchronize,
        "mps": torch.mps.synchronize,
    }.get(device.type)
    if wait:
        wait()
