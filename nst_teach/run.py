"""The walk: move a picture downhill under any objective, keep a record, watch for trouble."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from nst_teach.images import ImageSource, load_image
from nst_teach.memory import lacks_memory, memory_advice, memory_reason
from nst_teach.objective import Losses, Objective, StyleObjective, fingerprint
from nst_teach.optimizers import Optimizer, make_optimizer
from nst_teach.records import Record, Stop
from nst_teach.results import Memory, Result
from nst_teach.starts import STARTS, as_start, make_start

DEFAULT_STEPS = 150  # where the picture hardly changes any more from a content start
PROGRESS_VARIABLE = "NST_TEACH_PROGRESS"
PROGRESS_DELAY = 2.0  # seconds; shorter work needs no bar

Callback = Callable[[Record, Tensor], Any]
"""Called after each evaluation with its record and the picture; return False to stop."""


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
) -> Result:
    """Move a picture under any objective: a function from a picture to `Losses`.

    Args:
        objective: a `StyleObjective`, or a function of your own.
        start: a picture, which is not changed, or an earlier `Result` to go on from. For a
            `StyleObjective` also `"content"`, `"noise"` (white, by `seed`), `"grey"` or `"style"`.
        settings: kept with the result.
        optimizer, learning_rate, steps, seed, callback, progress: as for `transfer`.

    A run goes on with the memory of the earlier one only under the same optimiser and an objective
    of the same fingerprint (`nst_teach.objective.fingerprint`); else it takes over the picture
    alone, and the records that follow count one objective more.

    Result and errors are those of `transfer`.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ValueError(f"steps={steps!r} was given; expected a whole number, 0 or more.")
    image, earlier = _beginning(objective, start, seed)
    walker = make_optimizer(optimizer, image, learning_rate)
    aim = fingerprint(objective)
    memory = earlier.memory if earlier and earlier.objective == aim else None
    if memory and memory.optimizer == optimizer:
        walker.load_state_dict(memory.state)
    run = _Run(objective, walker, _Past.of(earlier, aim, walker.step), callback)
    run.go(steps, progress)
    state = {} if run.broken else walker.state_dict()
    pictures = objective if isinstance(objective, StyleObjective) else None
    return Result(
        image=run.picture.image,
        history=run.history,
        steps=run.past.steps + walker.step,
        settings={**(settings or {}), "optimizer": optimizer, "learning_rate": learning_rate},
        stopped=run.stopped,
        reason=run.reason,
        content=pictures.content if pictures else None,
        style=pictures.style if pictures else None,
        record=run.picture.record,
        objective=aim,
        memory=Memory(optimizer, state) if state else None,
    )


def _beginning(
    objective: Objective, start: str | ImageSource | Result, seed: int
) -> tuple[Tensor, Result | None]:
    """A leaf to move, and the result whose history goes on."""
    if isinstance(objective, StyleObjective):
        if isinstance(start, Result) and start.image.shape != objective.content.shape:
            start = start.image  # another size: only the picture can be taken over
        source = start.image if isinstance(start, Result) else start
        image = make_start(source, objective.content, objective.style, seed)
    else:
        image = _bare_start(start.image if isinstance(start, Result) else start)
    return image.requires_grad_(True), start if isinstance(start, Result) else None


def _bare_start(start: str | ImageSource) -> Tensor:
    """For an objective that is a mere function."""
    if isinstance(start, str) and start in STARTS:
        raise ValueError(
            f"start={start!r} was given with an objective that does not know which pictures it is "
            "about; expected a picture, such as make_start('noise', content, style)."
        )
    return as_start(start if isinstance(start, Tensor) else load_image(start))


@dataclass(frozen=True)
class _Past:
    """What a run goes on from: records, steps before its own, and the number of its objective."""

    history: list[Record]
    steps: int = 0
    objective: int = 0

    @classmethod
    def of(cls, earlier: Result | None, aim: str, remembered: int) -> _Past:
        """`remembered` steps are known to the optimiser already."""
        if earlier is None:
            return cls([])
        number = 0
        if earlier.history:
            number = earlier.history[-1].objective + (earlier.objective != aim)
        return cls(list(earlier.history), earlier.steps - remembered, number)


@dataclass(frozen=True)
class _Seen:
    """A picture, and what was recorded of it."""

    image: Tensor
    record: Record | None = None
    total: float = float("inf")


class _Stopped(Exception):
    """Ends a run from inside an evaluation."""

    def __init__(self, stop: Stop, reason: str):
        super().__init__(reason)
        self.stop, self.reason = stop, reason


class _Run:
    """One run: evaluates, records, watches for trouble, and remembers the best picture.

    Attributes:
        picture: what it returns, with its record.
        broken: whether the optimiser's own place cannot be trusted any more.
        stopped, reason: as in `Result`.
    """

    def __init__(
        self, objective: Objective, walker: Optimizer, past: _Past, callback: Callback | None
    ):
        self.objective, self.walker, self.callback, self.past = objective, walker, callback, past
        self.history = list(past.history)
        self.seconds_before = self.history[-1].seconds if self.history else 0.0
        self.started = time.perf_counter()
        start = walker.image.detach().clamp(0, 1)
        self.picture = self.last = self.lowest = _Seen(start)
        self.broken, self.reason = False, ""
        self.stopped: Stop | None = None

    def go(self, steps: int, progress: bool) -> None:
        """Run the optimiser; afterwards the attributes tell how it went."""
        with _progress_bar(steps, progress) as self.bar, _deterministic():
            try:
                if steps:
                    self.walker.run(self._evaluate, steps)
                self._arrive()
                return
            except _Stopped as stopped:
                self._end_early(stopped.stop, stopped.reason)
            except KeyboardInterrupt:
                self.broken = True  # it may have come in the middle of a line search
                self._end_early(Stop.INTERRUPTED)
            except (MemoryError, RuntimeError) as error:
                self._out_of_memory(error)
            self._clip_the_lowest()

    def _arrive(self) -> None:
        """The end of the last step: its picture is the result, evaluated if it was not yet."""
        end = self.walker.image.detach().clamp(0, 1)
        if not (self.last.record and torch.equal(end, self.last.image)):
            self._evaluate(end)
        self.picture = self.last

    def _clip_the_lowest(self) -> None:
        """An unbounded walk saw its best pictures outside [0, 1]: look at the best one, clipped."""
        if self.walker.bounded or self.lowest.total >= self.picture.total:
            return
        with contextlib.suppress(MemoryError, RuntimeError):  # then the best inside has to do
            image = self.lowest.image.clamp(0, 1)
            losses, _ = self._look(image)
            self._keep(_Seen(image, self._record(losses), self.history[-1].total))

    def _evaluate(self, image: Tensor) -> tuple[Tensor, Tensor]:
        losses, gradient = self._look(image)
        record = self._record(losses)
        self._watch(record, gradient)
        self._keep(_Seen(image.detach().clone(), record, record.total))
        self._tell(record, image)
        return losses.total.detach(), gradient

    def _look(self, image: Tensor) -> tuple[Losses, Tensor]:
        """Losses and gradient, in any grad mode of the caller; nobody's `.grad` is touched."""
        with torch.enable_grad():
            image = image.detach().requires_grad_(True)
            losses = self.objective(image)
            (gradient,) = torch.autograd.grad(losses.total, image)
        return losses, gradient

    def _record(self, losses: Losses) -> Record:
        names = ["total", "variation", *losses.content, *losses.style]
        parts = [losses.total, losses.total_variation]
        parts += [*losses.content.values(), *losses.style.values()]
        values = cast(list[float], torch.stack(parts).tolist())  # one wait for the device
        split = 2 + len(losses.content)
        record = Record(
            step=self.past.steps + self.walker.step,
            evaluations=len(self.history) + 1,
            seconds=self.seconds_before + time.perf_counter() - self.started,
            total=values[0],
            content=dict(zip(names[2:split], values[2:split], strict=True)),
            style=dict(zip(names[split:], values[split:], strict=True)),
            total_variation=values[1],
            objective=self.past.objective,
        )
        self.history.append(record)
        return record

    def _watch(self, record: Record, gradient: Tensor) -> None:
        if not (abs(record.total) < float("inf") and torch.isfinite(gradient).all()):
            self.broken = True
            raise _Stopped(Stop.NOT_FINITE, _warned(_diagnose(record, self.walker.advice)))

    def _keep(self, seen: _Seen) -> None:
        """Remember the last picture, the best one in [0, 1], and the best one anywhere."""
        self.last = seen
        if seen.total < self.lowest.total:
            self.lowest = seen
        if seen.total < self.picture.total and (self.walker.bounded or _in_range(seen.image)):
            self.picture = seen

    def _tell(self, record: Record, image: Tensor) -> None:
        self.bar.n = min(record.step - self.past.steps, self.bar.total or 0)
        self.bar.set_postfix_str(f"loss {record.total:.3g}", refresh=False)
        self.bar.update(0)
        if self.callback and _is_false(self.callback(record, image.detach().clamp(0, 1))):
            raise _Stopped(Stop.CALLBACK, str(Stop.CALLBACK))

    def _end_early(self, stop: Stop, reason: str = "") -> None:
        self.stopped, self.reason = stop, reason or str(stop)

    def _out_of_memory(self, error: BaseException) -> None:
        with memory_advice(self.walker.image):
            if self.picture.record is None or not lacks_memory(error):
                raise error
        self.broken = True
        self._end_early(Stop.OUT_OF_MEMORY, _warned(memory_reason(self.walker.image)))


def _in_range(image: Tensor) -> bool:
    return bool(image.min() >= 0 and image.max() <= 1)


def _is_false(answer: Any) -> bool:
    """Python's False or NumPy's; neither None nor a number that happens to be 0."""
    return isinstance(answer, bool | np.bool_) and not answer


def _warned(reason: str) -> str:
    warnings.warn(f"{reason} The best picture so far is kept.", RuntimeWarning, stacklevel=3)
    return reason


def _diagnose(record: Record, advice: str) -> str:
    """Why a loss or its gradient stopped being finite, as far as the parts tell."""
    parts = {**record.content, **record.style, "total variation": record.total_variation}
    bad = [name for name, value in parts.items() if not abs(value) < float("inf")]
    where = f"in {', '.join(bad)}" if bad else "in the total or its gradient"
    return (
        f"{Stop.NOT_FINITE} at evaluation {record.evaluations} ({where}; "
        f"total {record.total:.3g}). {advice}"
    )


def _progress_bar(steps: int, shown: bool) -> Any:
    from tqdm import tqdm

    hidden = not shown or os.environ.get(PROGRESS_VARIABLE) == "0"
    return tqdm(total=steps, unit="step", delay=PROGRESS_DELAY, leave=False, disable=hidden)


@contextlib.contextmanager
def _deterministic() -> Generator[None]:
    """On a GPU, convolutions whose result does not depend on the order of additions."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
