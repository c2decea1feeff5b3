"""`optimize`: minimise any objective over an image, record each evaluation, and handle failures."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, TypedDict, cast

import numpy as np
import torch
from torch import Tensor

from nst_teach import arguments
from nst_teach.checkpoints import (
    KEPT,
    Checkpoint,
    Keeper,
    Moment,
    Origin,
    lasting_fingerprint,
    start_fingerprint,
)
from nst_teach.images import ImageSource, load_image
from nst_teach.memory import lacks_memory, loses_device, memory_advice, memory_reason
from nst_teach.objective import Losses, Objective, StyleObjective, fingerprint
from nst_teach.optimizers import Optimizer, make_optimizer
from nst_teach.progress import progress_bar
from nst_teach.records import Record, Stop
from nst_teach.results import Memory, Result
from nst_teach.starts import STARTS, as_start, make_start

DEFAULT_SIZE = 256  # longer side in pixels; 100 L-BFGS steps take about 10 s on two CPU cores
SECURE_EVERY = 1.0  # seconds between two copies of the best image from a graphics card
DEFAULT_STEPS = 150  # from a content start, the image hardly changes after that

Callback = Callable[[Record, Tensor], Any]
"""Called after each evaluation with its record and the image; return False to stop."""


def optimize(
    objective: Objective,
    start: str | ImageSource | Result,
    *,
    optimizer: str = "lbfgs",
    learning_rate: float | None = None,
    steps: int = DEFAULT_STEPS,
    seed: int = 0,
    callback: Callback | None = None,
    progress: bool = True,
    settings: dict[str, Any] | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
) -> Result:
    """Minimise any objective, a function from an image to `Losses`, over the image.

    Args:
        objective: a `StyleObjective`, or any function from an image to `Losses`.
        start: the initial image, which is not modified, or an earlier `Result` to continue. For a
            `StyleObjective` also `"content"`, `"noise"` (white noise, from `seed`), `"grey"` or
            `"style"`.
        settings: stored with the result.
        optimizer, learning_rate, steps, seed, callback, progress, checkpoint: as for `transfer`.

    A run continues with the optimiser's memory of the earlier one only if the optimiser and the
    fingerprint of the objective (`nst_teach.objective.fingerprint`) are the same. Otherwise only
    the image is kept; under another objective, `Record.objective` then increases by one.

    Return value and errors are those of `transfer`.
    """
    steps, seed = arguments.whole("steps", steps), arguments.seed(seed)
    arguments.callable_or_none("callback", callback)
    image, earlier = _initial_image(objective, start, seed)
    minimiser = make_optimizer(optimizer, image, learning_rate)
    identity = fingerprint(objective)
    memory = earlier.memory if earlier and earlier.objective == identity else None
    if memory and memory.optimizer == optimizer:
        minimiser.load_state_dict(memory.state)
    described = {**(settings or {}), "optimizer": optimizer, "learning_rate": learning_rate}
    keeper = None
    if checkpoint is not None:
        begins = start_fingerprint(image, earlier)
        origin = Origin(lasting_fingerprint(objective), begins, optimizer, learning_rate)
        keeper = Keeper(checkpoint, origin, described, steps)
    run = _Run(objective, minimiser, _Past.of(earlier, identity, minimiser.step), callback)
    run.go(steps, progress, keeper)
    state = {} if run.broken else minimiser.state_dict()
    lost = run.stopped is Stop.DEVICE_LOST  # and with it the pictures of the objective
    pictures = objective if isinstance(objective, StyleObjective) and not lost else None
    return Result(
        image=run.best.image,
        history=run.history,
        steps=run.past.steps + minimiser.step,
        settings=described,
        stopped=run.stopped,
        reason=run.reason,
        content=pictures.content if pictures else None,
        style=pictures.style if pictures else None,
        record=run.best.record,
        objective=identity,
        memory=Memory(optimizer, state) if state else None,
    )


def _initial_image(
    objective: Objective, start: str | ImageSource | Result, seed: int
) -> tuple[Tensor, Result | None]:
    """The initial image, as a leaf tensor, and the earlier result if it is continued."""
    if isinstance(objective, StyleObjective):
        if isinstance(start, Result) and start.image.shape != objective.content.shape:
            start = start.image  # another size: only the image can be kept
        source = start.image if isinstance(start, Result) else start
        image = make_start(source, objective.content, objective.style, seed)
    else:
        image = _start_of_a_function(start.image if isinstance(start, Result) else start)
    return image.requires_grad_(True), start if isinstance(start, Result) else None


def _start_of_a_function(start: str | ImageSource) -> Tensor:
    """The initial image for an objective that is just a function."""
    if isinstance(start, str) and start in STARTS:
        raise ValueError(
            f"start={start!r} was given, but this objective has no content and no style; expected "
            "a picture, such as make_start('noise', content, style)."
        )
    return as_start(start if isinstance(start, Tensor) else load_image(start))


@dataclass(frozen=True)
class _Past:
    """The runs that a run continues: their records and steps, and the number of its objective."""

    history: list[Record]
    steps: int = 0
    objective: int = 0

    @classmethod
    def of(cls, earlier: Result | None, objective: str, counted: int) -> _Past:
        """The optimiser itself already counts `counted` of the earlier steps."""
        if earlier is None:
            return cls([])
        number = 0
        if earlier.history:
            number = earlier.history[-1].objective + (earlier.objective != objective)
        return cls(list(earlier.history), earlier.steps - counted, number)


@dataclass(frozen=True)
class _Evaluated:
    """An image, and the record of its evaluation."""

    image: Tensor
    record: Record | None = None
    total: float = float("inf")


class _Stopped(Exception):
    """Ends a run from within an evaluation."""

    def __init__(self, stop: Stop, reason: str):
        super().__init__(reason)
        self.stop, self.reason = stop, reason


class _Run:
    """One run: evaluates, records, handles failures, and keeps the best image.

    Attributes:
        safe: the best image of a moment ago, on the CPU.
        best: the image to return: the best so far in [0, 1] or, after the last step, its result.
        lowest: the image of the lowest loss so far, which may leave [0, 1].
        broken: whether the state of the optimiser has become unusable.
        stopped, reason: as in `Result`.
    """

    def __init__(
        self, objective: Objective, optimizer: Optimizer, past: _Past, callback: Callback | None
    ):
        self.objective, self.optimizer, self.callback = objective, optimizer, callback
        self.past = past
        self.history = list(past.history)
        self.seconds_before = self.history[-1].seconds if self.history else 0.0
        self.started = time.perf_counter()
        start = optimizer.image.detach().clamp(0, 1)
        self.best = self.last = self.lowest = _Evaluated(start)
        self.safe, self.secured = self.best, monotonic()
        self.broken, self.reason = False, ""
        self.stopped: Stop | None = None
        self.done = 0  # the steps before the moment in the checkpoint
        self.after_step: Callable[[], None] | None = None

    def go(self, steps: int, progress: bool, keeper: Keeper | None = None) -> None:
        """Run the optimiser; the outcome is in the attributes."""
        with contextlib.ExitStack() as stack:
            if keeper:
                self._keep_moments(keeper)
                stack.callback(keeper.end)
            self.bar = stack.enter_context(progress_bar(steps, progress))
            stack.enter_context(_deterministic())
            self._walk(steps)
            self._confirm()

    def _keep_moments(self, keeper: Keeper) -> None:
        """Continue from the moment in the checkpoint, if any, and write later ones into it."""
        if keeper.found:
            self._restore(keeper.found)
        begun = self.optimizer.step - self.done

        def moment() -> Moment:
            kept = zip(KEPT, (self.best, self.last, self.lowest), strict=True)
            return Moment(
                done=self.optimizer.step - begun,
                before=self.past.steps,
                number=self.past.objective,
                history=list(self.history),
                pictures={name: dict(vars(one)) for name, one in kept},
                state=self.optimizer.snapshot(),
            )

        keeper.begin(moment())
        self.after_step = lambda: keeper.between_steps(moment())

    def _restore(self, moment: Moment) -> None:
        self.optimizer.load_state_dict(moment.state)
        self.done, self.history = moment.done, list(moment.history)
        self.past = _Past(moment.history, moment.before, moment.number)
        self.seconds_before = self.history[-1].seconds if self.history else 0.0
        device = self.optimizer.image.device
        self.best, self.last, self.lowest = (
            _Evaluated(
                **(moment.pictures[name] | {"image": moment.pictures[name]["image"].to(device)})
            )
            for name in KEPT
        )
        self._secure()

    def _walk(self, steps: int) -> None:
        try:
            if steps > self.done:
                self.optimizer.run(
                    self._evaluate, steps - self.done, self.after_step, resumed=self.done > 0
                )
            self._finish()
            return
        except _Stopped as stopped:
            self._end_early(stopped.stop, stopped.reason)
        except KeyboardInterrupt:
            self.broken = True  # it may have interrupted a line search
            self._end_early(Stop.INTERRUPTED)
        except (MemoryError, RuntimeError) as error:
            self._end_by_fault(error)
        self._clip_the_lowest()

    def _finish(self) -> None:
        """After the last step, its image is the result; evaluate it unless that has been done."""
        end = self.optimizer.image.detach().clamp(0, 1)
        if not (self.last.record and torch.equal(end, self.last.image)):
            self._evaluate(end)
        self.best = self.last

    def _clip_the_lowest(self) -> None:
        """Without bounds, the lowest loss may lie outside [0, 1]: evaluate that image, clipped."""
        if self.optimizer.bounded or self.lowest.total >= self.best.total:
            return
        with contextlib.suppress(
            MemoryError, RuntimeError
        ):  # then keep the best image inside [0, 1]
            image = self.lowest.image.clamp(0, 1)
            losses, _ = self._losses(image)
            self._keep(_Evaluated(image, self._record(losses), self.history[-1].total))

    def _confirm(self) -> None:
        """After a run in bfloat16, the losses of the result are computed in float32.

        If that fails, the image is kept with the rounded losses, and the run counts as ended early.
        """
        objective, record = self.objective, self.best.record
        if not isinstance(objective, StyleObjective) or objective.precision == "float32":
            return
        if record is None or self.stopped is Stop.DEVICE_LOST:
            return
        try:
            with torch.no_grad():
                exact = replace(record, **_values(objective.in_float32(self.best.image)))
        except KeyboardInterrupt:
            self._end_early(Stop.INTERRUPTED)
        except (MemoryError, RuntimeError) as error:
            if not lacks_memory(error):
                raise
            self._end_early(Stop.OUT_OF_MEMORY, _warned(memory_reason(self.best.image)))
        else:
            self.history = [exact if r is record else r for r in self.history]
            self.best = _Evaluated(self.best.image, exact, exact.total)

    def _evaluate(self, image: Tensor) -> tuple[Tensor, Tensor]:
        losses, gradient = self._losses(image)
        record = self._record(losses)
        self._check(record, gradient)
        self._keep(_Evaluated(image.detach().clone(), record, record.total))
        self._report(record, image)
        return losses.total.detach(), gradient

    def _losses(self, image: Tensor) -> tuple[Losses, Tensor]:
        """Losses and gradient, whatever the caller's grad mode; no `.grad` is changed."""
        with torch.enable_grad():
            image = image.detach().requires_grad_(True)
            losses = _must_be_losses(self.objective(image))
            (gradient,) = torch.autograd.grad(losses.total, image)
        return losses, gradient.contiguous()  # as L-BFGS expects

    def _record(self, losses: Losses) -> Record:
        record = Record(
            step=self.past.steps + self.optimizer.step,
            evaluations=len(self.history) + 1,
            seconds=self.seconds_before + time.perf_counter() - self.started,
            objective=self.past.objective,
            **_values(losses),
        )
        self.history.append(record)
        return record

    def _check(self, record: Record, gradient: Tensor) -> None:
        if not (abs(record.total) < float("inf") and torch.isfinite(gradient).all()):
            self.broken = True
            raise _Stopped(Stop.NOT_FINITE, _warned(_diagnose(record, self.optimizer.advice)))

    def _keep(self, new: _Evaluated) -> None:
        """Update the last image, the best one in [0, 1], and the best one overall."""
        self.last = new
        if new.total < self.lowest.total:
            self.lowest = new
        if new.total < self.best.total and (self.optimizer.bounded or _in_range(new.image)):
            self.best = new
        self._secure()

    def _secure(self) -> None:
        """Copy the best image to the CPU, now and then: a graphics card that fails takes all."""
        now, on_cpu = monotonic(), self.best.image.device.type == "cpu"
        if on_cpu or now >= self.secured + SECURE_EVERY or self.safe.record is None:
            self.safe = replace(self.best, image=self.best.image.cpu())  # no copy if it is there
            self.secured = now

    def _report(self, record: Record, image: Tensor) -> None:
        self.bar.n = min(record.step - self.past.steps, self.bar.total or 0)
        self.bar.set_postfix_str(f"loss {record.total:.3g}", refresh=False)
        self.bar.update(0)
        if self.callback and _is_false(self.callback(record, image.detach().clamp(0, 1))):
            raise _Stopped(Stop.CALLBACK, str(Stop.CALLBACK))

    def _end_early(self, stop: Stop, reason: str = "") -> None:
        self.stopped, self.reason = stop, reason or str(stop)

    def _end_by_fault(self, error: BaseException) -> None:
        if loses_device(error) and self.safe.record is not None:
            self.broken, self.best = True, self.safe
            self.lowest = self.safe  # the others cannot be read
            reason = f"{Stop.DEVICE_LOST} ({str(error).splitlines()[0]}). Restart the kernel."
            self._end_early(Stop.DEVICE_LOST, _warned(reason))
        else:
            self._out_of_memory(error)

    def _out_of_memory(self, error: BaseException) -> None:
        with memory_advice(self.optimizer.image):
            if self.best.record is None or not lacks_memory(error):
                raise error
        self.broken = True
        self._end_early(Stop.OUT_OF_MEMORY, _warned(memory_reason(self.optimizer.image)))


def _must_be_losses(returned: object) -> Losses:
    if not isinstance(returned, Losses):
        raise ValueError(
            f"the objective returned {arguments.shown(returned)}; expected Losses, as from a "
            "StyleObjective."
        )
    return returned


class _Values(TypedDict):
    """The losses in a `Record`."""

    total: float
    content: dict[str, float]
    style: dict[str, float]
    total_variation: float


def _values(losses: Losses) -> _Values:
    """The losses as numbers, with a single synchronisation with the device."""
    parts = [losses.total, losses.total_variation]
    parts += [*losses.content.values(), *losses.style.values()]
    values = cast(list[float], torch.stack(parts).tolist())
    split = 2 + len(losses.content)
    return {
        "total": values[0],
        "content": dict(zip(losses.content, values[2:split], strict=True)),
        "style": dict(zip(losses.style, values[split:], strict=True)),
        "total_variation": values[1],
    }


def _in_range(image: Tensor) -> bool:
    return bool(image.min() >= 0 and image.max() <= 1)


def _is_false(answer: Any) -> bool:
    """Whether this is the False of Python or NumPy, and not None or 0."""
    return isinstance(answer, bool | np.bool_) and not answer


def _warned(reason: str) -> str:
    warnings.warn(f"{reason} The best picture so far is kept.", RuntimeWarning, stacklevel=3)
    return reason


def _diagnose(record: Record, advice: str) -> str:
    """Which parts of the loss are not finite, and what to do."""
    parts = {**record.content, **record.style, "total variation": record.total_variation}
    bad = [name for name, value in parts.items() if not abs(value) < float("inf")]
    where = f"in {', '.join(bad)}" if bad else "in the total or its gradient"
    return (
        f"{Stop.NOT_FINITE} at evaluation {record.evaluations} ({where}; "
        f"total {record.total:.3g}). {advice}"
    )


@contextlib.contextmanager
def _deterministic() -> Generator[None]:
    """Use deterministic convolutions on a GPU."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
