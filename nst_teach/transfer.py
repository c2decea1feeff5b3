"""Style transfer: start somewhere, walk downhill, keep a record.

`transfer` is the whole course in one call. It loads pictures, builds a `StyleObjective` and hands
it to `optimize`, which moves the picture under any objective you write yourself.
"""

from __future__ import annotations

import contextlib
import copy
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nst_teach.images import ImageError, ImageSource, Size, load_image, resize, save_image
from nst_teach.networks import FeatureNetwork, load_network
from nst_teach.objective import Layers, Losses, StyleObjective
from nst_teach.optimizers import Optimizer, make_optimizer

DEFAULT_SIZE = 256  # longer side in pixels: 100 L-BFGS steps take some 10 s on two CPU cores
DEFAULT_STEPS = 150  # where the picture hardly changes any more from a content start
STARTS = ("content", "noise", "grey", "style")
GREY = 0.5
PROGRESS_VARIABLE = "NST_TEACH_PROGRESS"
PROGRESS_DELAY = 2.0  # seconds; shorter work needs no bar

Objective = Callable[[Tensor], Losses]


@dataclass(frozen=True)
class Record:
    """One evaluation of the objective.

    Attributes:
        step: steps taken so far (0 is the start); a line search evaluates several times a step.
        evaluations: evaluations so far, this one included.
        seconds: since the run began; a continued run goes on counting.
        total: as in `Losses`, as numbers; so are the next three.
        content: per content layer.
        style: per style layer.
        total_variation: of the picture.
    """

    step: int
    evaluations: int
    seconds: float
    total: float
    content: dict[str, float]
    style: dict[str, float]
    total_variation: float


Callback = Callable[[Record, Tensor], Any]
"""Called after each evaluation with its record and the picture; return False to stop."""


@dataclass
class Result:
    """A finished, stopped or interrupted run.

    Attributes:
        image: `(1, 3, H, W)`, RGB in [0, 1].
        history: a `Record` per evaluation.
        steps: steps taken, over all runs that it continues.
        settings: what was asked for, with every default filled in.
        stopped: why the run ended early; empty if it did not.
        content: the photograph that went in (if any), for plots.
        style: the style picture that went in (if any), for plots.
    """

    image: Tensor
    history: list[Record]
    steps: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    stopped: str = ""
    content: Tensor | None = None
    style: Tensor | None = None
    _raw: Tensor | None = field(default=None, repr=False)
    _optimizer_state: dict | None = field(default=None, repr=False)

    def plot(self):
        """Draw the pictures and the loss curves; returns the matplotlib figure."""
        from nst_teach import plots

        return plots.result(self)

    def save(self, path: str | os.PathLike) -> Path:
        """Save the picture; the format follows the ending. Returns the path."""
        return save_image(self.image, path)

    def __repr__(self) -> str:
        height, width = self.image.shape[-2:]
        parts = [f"{width}×{height} px"]
        if self.history:
            first, last = self.history[0], self.history[-1]
            parts += [f"{self.steps} steps", f"{last.evaluations} evaluations"]
            parts += [f"{last.seconds:.1f} s", f"total {first.total:.3g} → {last.total:.3g}"]
        if self.stopped:
            parts.append(f"stopped: {self.stopped}")
        return f"Result({', '.join(parts)})"


class TransferError(RuntimeError):
    """A run that could not begin; the message says what to do."""


def transfer(
    content: ImageSource,
    style: ImageSource,
    *,
    network: FeatureNetwork | str | None = None,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    alpha: float = 1.0,
    beta: float | None = None,
    total_variation: float = 0.0,
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
) -> Result:
    """Repaint a photograph in the manner of another picture.

    Args:
        content, style: anything that `load_image` takes.
        network: a `FeatureNetwork`, a name for `load_network`, or `None` for the default.
        content_layers, style_layers: names, or `{name: weight}`; `None` takes the network's own.
        alpha, beta, total_variation: weights, see `StyleObjective`; `beta=None` is a balance that
            looks the same at every size.
        start: `"content"`, `"noise"` (white, by `seed`), `"grey"`, `"style"`, a picture, or an
            earlier `Result` to go on from: at the same size its history goes on too, and so does
            the optimiser's memory where the settings are the same.
        optimizer: `"lbfgs"` (strong Wolfe), `"lbfgs-plain"`, `"scipy"` or `"adam"`.
        learning_rate: `None` takes the optimiser's own.
        steps: optimiser steps; L-BFGS takes one to two evaluations for each.
        size: longer side of the result in pixels, `(H, W)`, or `None` for the content's own size.
        style_size: the same for the style; `None` gives it the result's longer side.
        callback: called after each evaluation with `(record, image)`; return False to stop.
        progress: show a bar once the work takes longer than two seconds (the environment variable
            `NST_TEACH_PROGRESS=0` turns all bars off).
        device: `None` stays with the network's.

    Returns:
        A `Result`. Ctrl-C, a loss that is not finite, and a lack of memory end the run early;
        the result then holds the best picture so far, and `stopped` says why.

    Raises:
        ImageError, NetworkError, ValueError: input that cannot be used.
        TransferError: memory did not suffice for a single evaluation.

    Gatys et al. (2016); the whole of chapters 1 to 7.
    """
    network = _network(network, device)
    device = next(network.parameters()).device
    content = load_image(content, size=size, device=device)
    style_size = max(content.shape[-2:]) if style_size is None else style_size
    style = load_image(style, size=style_size, device=device)
    with _memory_advice(content):
        objective = StyleObjective(
            content,
            style,
            network,
            content_layers=network.content_layers if content_layers is None else content_layers,
            style_layers=network.style_layers if style_layers is None else style_layers,
            alpha=alpha,
            beta=beta,
            total_variation=total_variation,
        )
    if isinstance(start, Result) and start.image.shape != content.shape:
        start = start.image  # another size: only the picture can be taken over
    earlier = start if isinstance(start, Result) else None
    result = optimize(
        objective,
        earlier or make_start(start, content, style, seed),
        optimizer=optimizer,
        learning_rate=learning_rate,
        steps=steps,
        callback=callback,
        progress=progress,
        settings=_settings(objective, earlier, start, seed),
    )
    result.content, result.style = content, style
    return result


def make_start(start: str | ImageSource, content: Tensor, style: Tensor, seed: int) -> Tensor:
    """The picture to begin with, of the content's size.

    Raises:
        ImageError: neither one of `STARTS` nor a picture.
    """
    if not isinstance(start, str) or start not in STARTS:
        return _start_picture(start, content)
    if start == "content":
        return content.clone()
    if start == "style":
        return cover(style, content.shape[-2:])
    if start == "grey":
        return torch.full_like(content, GREY)
    generator = torch.Generator().manual_seed(seed)  # on the CPU: the same noise on every device
    return torch.rand(content.shape, generator=generator).to(content)


def _start_picture(start: ImageSource, content: Tensor) -> Tensor:
    height, width = content.shape[-2:]
    try:
        return load_image(start, size=(height, width), device=content.device)
    except ImageError as error:
        raise ImageError(f"start: {error} Other starts are: {', '.join(STARTS)}.") from error


def cover(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale a picture until it covers `(H, W)` and cut out the middle."""
    height, width = image.shape[-2:]
    scale = max(size[0] / height, size[1] / width)
    covering = (max(size[0], round(height * scale)), max(size[1], round(width * scale)))
    scaled = resize(image, covering)
    top, left = ((s - t) // 2 for s, t in zip(scaled.shape[-2:], size, strict=True))
    return scaled[..., top : top + size[0], left : left + size[1]].clone()


def optimize(
    objective: Objective,
    start: Tensor | Result,
    *,
    optimizer: str = "lbfgs",
    learning_rate: float | None = None,
    steps: int = DEFAULT_STEPS,
    callback: Callback | None = None,
    progress: bool = True,
    settings: dict[str, Any] | None = None,
) -> Result:
    """Move a picture under any objective: a function from a picture to `Losses`.

    Arguments, result and errors are those of `transfer`; `start` is not changed. `settings` is kept
    with the result; a run goes on with the optimiser's memory only where the settings are the same.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ValueError(f"steps={steps!r} was given; expected a whole number, 0 or more.")
    earlier = start if isinstance(start, Result) else None
    pixels = start.image if earlier else start
    if earlier and earlier._raw is not None:
        pixels = earlier._raw  # L-BFGS may have left [0, 1]
    image = pixels.detach().clone(memory_format=torch.contiguous_format).requires_grad_(True)
    walker = make_optimizer(optimizer, image, learning_rate)
    settings = {**(settings or {}), "optimizer": optimizer, "learning_rate": learning_rate}
    if earlier and earlier._optimizer_state and earlier.settings == settings:
        walker.load_state_dict(copy.deepcopy(earlier._optimizer_state))  # `earlier` stays as it is
    run = _Run(objective, walker, earlier, callback)
    stopped = run.go(steps, progress)
    return Result(
        image=run.picture().clamp(0, 1),
        history=run.history,
        steps=run.steps_before + walker.step,
        settings=settings,
        stopped=stopped,
        _raw=run.picture(),
        _optimizer_state=None if run.broken else walker.state_dict(),
    )


class _Stop(Exception):
    """Ends a run from inside an evaluation."""


class _Run:
    """One run: evaluates, records, watches for trouble, and remembers the best picture."""

    def __init__(
        self,
        objective: Objective,
        walker: Optimizer,
        earlier: Result | None,
        callback: Callback | None,
    ):
        self.objective, self.walker, self.callback = objective, walker, callback
        self.history = list(earlier.history) if earlier else []
        self.steps_before = earlier.steps - walker.step if earlier else 0
        self.seconds_before = self.history[-1].seconds if self.history else 0.0
        self.best_total, self.best = float("inf"), walker.image.detach().clone()
        self.broken = False  # the picture itself cannot be trusted any more
        self.started = time.perf_counter()
        self.evaluated = 0

    def go(self, steps: int, progress: bool) -> str:
        """Run the optimiser; returns why it ended early, or nothing."""
        with _progress_bar(steps, progress) as self.bar, _deterministic():
            try:
                if steps:
                    self.walker.run(self._evaluate, steps)
            except _Stop as stop:
                return str(stop)
            except KeyboardInterrupt:
                self.broken = True  # it may have come in the middle of a line search
                return "interrupted"
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                return self._out_of_memory(error)
        return ""

    def picture(self) -> Tensor:
        return self.best if self.broken else self.walker.image.detach().clone()

    def _evaluate(self, image: Tensor) -> Tensor:
        image.grad = None
        losses = self.objective(image)
        losses.total.backward()
        self._record(losses)
        self._watch(image)
        self._tell(image)
        return losses.total.detach()

    def _record(self, losses: Losses) -> None:
        names = ["total", "variation", *losses.content, *losses.style]
        parts = [losses.total, losses.total_variation, *losses.content.values()]
        parts = torch.stack([*parts, *losses.style.values()]).tolist()  # one wait for the device
        split = 2 + len(losses.content)
        self.history.append(
            Record(
                step=self.steps_before + self.walker.step,
                evaluations=len(self.history) + 1,
                seconds=self.seconds_before + time.perf_counter() - self.started,
                total=parts[0],
                content=dict(zip(names[2:split], parts[2:split], strict=True)),
                style=dict(zip(names[split:], parts[split:], strict=True)),
                total_variation=parts[1],
            )
        )
        self.evaluated += 1

    def _watch(self, image: Tensor) -> None:
        record = self.history[-1]
        if not (abs(record.total) < float("inf") and torch.isfinite(image.grad).all()):
            self.broken = True
            raise _Stop(_warned(_diagnose(record, self.walker)))
        if record.total < self.best_total:
            self.best_total = record.total
            self.best.copy_(image.detach())

    def _tell(self, image: Tensor) -> None:
        record = self.history[-1]
        self.bar.n = min(record.step - self.steps_before, self.bar.total or 0)
        self.bar.set_postfix_str(f"loss {record.total:.3g}", refresh=False)
        self.bar.update(0)
        if self.callback and self.callback(record, image.detach().clamp(0, 1)) is False:
            raise _Stop("the callback asked to stop")

    def _out_of_memory(self, error: BaseException) -> str:
        with _memory_advice(self.walker.image):
            if not self.evaluated or not _lacks_memory(error):
                raise error
        self.broken = True
        return _warned(_memory_reason(self.walker.image))


def _lacks_memory(error: BaseException) -> bool:
    """torch's own error, Python's, or the plain RuntimeError of torch's allocator for the CPU."""
    signs = ("out of memory", "can't allocate", "alloc_cpu")
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or any(sign in str(error).lower() for sign in signs)


def _memory_reason(image: Tensor) -> str:
    height, width = image.shape[-2:]
    return (
        f"memory ran out at {width}×{height} pixels. Use a smaller size= (half the side needs "
        "a quarter of the memory), or a smaller network."
    )


@contextlib.contextmanager
def _memory_advice(image: Tensor) -> Iterator[None]:
    """Say what to do where memory runs out before there is anything to keep."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        raise TransferError(_memory_reason(image)) from error


def _warned(reason: str) -> str:
    warnings.warn(f"{reason} The best picture so far is kept.", RuntimeWarning, stacklevel=3)
    return reason


def _diagnose(record: Record, walker: Optimizer) -> str:
    """Why a loss or its gradient stopped being finite, as far as the parts tell."""
    parts = {**record.content, **record.style, "total variation": record.total_variation}
    bad = [name for name, value in parts.items() if not abs(value) < float("inf")]
    where = f"in {', '.join(bad)}" if bad else "in the total or its gradient"
    advice = {
        "LBFGS": "Lower beta, or check that the pictures lie in [0, 1].",
        "PlainLBFGS": "A step without a line search overshot: use optimizer='lbfgs'.",
        "ScipyLBFGSB": "Lower beta, or check that the pictures lie in [0, 1].",
        "Adam": "Lower learning_rate, or beta.",
    }[type(walker).__name__]
    return (
        f"the loss was not finite at evaluation {record.evaluations} ({where}; "
        f"total {record.total:.3g}). {advice}"
    )


def _network(network: FeatureNetwork | str | None, device) -> FeatureNetwork:
    if isinstance(network, FeatureNetwork):
        return network.to(device) if device is not None else network
    return load_network(network, device=device)


def _settings(
    objective: StyleObjective, earlier: Result | None, start: Any, seed: int
) -> dict[str, Any]:
    origin = start if isinstance(start, str) and start in STARTS else "picture"
    settings = {
        "network": objective.network.name,
        "content_layers": objective.content_layers,
        "style_layers": objective.style_layers,
        "alpha": objective.alpha,
        "beta": objective.beta,
        "total_variation": objective.total_variation,
        "start": origin,
        "seed": seed,
    }
    if earlier:
        settings |= {key: earlier.settings.get(key) for key in ("start", "seed")}
    return settings


def _progress_bar(steps: int, shown: bool):
    from tqdm import tqdm

    hidden = not shown or os.environ.get(PROGRESS_VARIABLE) == "0"
    return tqdm(total=steps, unit="step", delay=PROGRESS_DELAY, leave=False, disable=hidden)


def _deterministic():
    """On a GPU, convolutions whose result does not depend on the order of additions."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
