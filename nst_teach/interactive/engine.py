"""The studio's run, without widgets: `optimize` in its own thread, steered between two steps.

A run consists of segments. Each segment is one call of `optimize`, which continues from the last
image of the previous one. When a control is moved, the segment ends and the next one begins with
the new settings. The engine therefore does not depend on the optimiser, and no setting changes in
the middle of a step.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nst_teach.estimates import Estimate, announcement
from nst_teach.images import resize
from nst_teach.interactive.frames import Frames
from nst_teach.interactive.settings import (
    Settings,
    changes,
    same_objective,
    same_settings,
    same_start,
)
from nst_teach.interactive.words import message
from nst_teach.networks import FeatureNetwork
from nst_teach.objective import StyleObjective, fingerprint
from nst_teach.records import Record, Stop
from nst_teach.results import Result
from nst_teach.run import optimize
from nst_teach.starts import make_start

OPEN_END = 10**9  # steps requested from `optimize`; the callback ends the segment
# Optimisers whose first evaluation in a step is a trial of the line search.
SEARCHING = ("lbfgs", "lbfgs-unbounded", "scipy")
PACE_WINDOW = 20  # steps over which the pace is averaged


@dataclass(frozen=True)
class Point:
    """One point of the curves: the total loss and its weighted parts.

    `goal` counts the changes of the objective: only points of the same goal can be compared.
    """

    step: int
    total: float
    parts: dict[str, float]
    goal: int


@dataclass(frozen=True)
class Mark:
    """A change of a setting during the run, for the curves."""

    step: int
    text: str


class Engine:
    """A run that can be watched and steered from another thread.

    Attributes:
        settings: the requested settings, to be set with `change`.
        state: "ready", "running", "paused", "finished" or "failed".
        picture: the image after the last completed step, `(1, 3, H, W)`, RGB in [0, 1].
        step: the number of completed steps.
        objective: the current objective.
        points, marks, frames, history: the run so far.
        note: a message for the user; after a failure, its reason.
        error: the exception that caused a failure, if any.
        listen: called after each step and each change of state, in the thread of the run.
    """

    note: str
    error: Exception | None
    _halt_at: float
    _length: int
    _priced: tuple[tuple[StyleObjective, str, int] | None, Estimate | None] = (None, None)

    def __init__(self, settings: Settings, network: FeatureNetwork):
        self.settings, self.network = settings, network
        self.listen: Callable[[], None] = lambda: None
        self._lock = threading.Condition()
        self._thread: threading.Thread | None = None
        self._working = self._leaving = False
        self._begin(settings)
        _engines.add(self)

    # Public interface

    def start(self, halt_after: int | None = None) -> None:
        """Start or resume, and return at once; pause again after `halt_after` steps."""
        take_over(self)
        with self._lock:
            self._prepare(halt_after)
            if not self._working:
                self._working = True
                self._thread = threading.Thread(target=self._work, name="nst-studio", daemon=True)
                self._thread.start()

    def run(self, steps: int | None = None) -> None:
        """Start or resume, and return after so many steps (`None`: at the end of the run)."""
        self.stop()
        take_over(self)
        self._prepare(None)
        if steps is not None:
            self._base, self._length = self.step, steps
        self._working = True
        self._work()

    def pause(self) -> None:
        """Pause after the current step."""
        with self._lock:
            self._halt_at = self.step

    def stop(self, note: str = "") -> None:
        """End the thread, and return when it has ended; the run can be resumed later."""
        with self._lock:
            self._leaving = True
            self._lock.notify_all()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()
        self.note = note or self.note

    def reset(self) -> None:
        """Return to the initial image, with the current settings."""
        self.stop()
        self._begin(self.settings)
        self.listen()

    def change(self, **settings: Any) -> None:
        """Request other settings, which take effect at the next step."""
        self.settings = replace(self.settings, **settings)
        if not self.points and not self.busy:
            self._begin(self.settings)
        elif "steps" in settings:
            self._length = max(self.settings.steps, self.step - self._base)

    @property
    def target(self) -> int:
        """The step at which the run ends."""
        return self._base + self._length

    @property
    def busy(self) -> bool:
        """Whether the thread is running, or paused between two steps."""
        return self._working

    @property
    def waiting(self) -> bool:
        """Whether a setting was changed that has not taken effect yet."""
        return not same_settings(self.settings, self._used)

    @property
    def price(self) -> Estimate | None:
        """What the whole run costs; `None` if that is little (`nst_teach.estimates`)."""
        about = (self.objective, self.settings.optimizer, self.settings.steps)
        if self._priced[0] != about:
            objective, optimizer, steps = about
            self._priced = about, announcement(objective, optimizer=optimizer, steps=steps)
        return self._priced[1]

    @property
    def pace(self) -> float:
        """Recent steps per second; 0 while that is unknown."""
        times = list(self._times)
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0

    @property
    def result(self) -> Result:
        """The run so far, as `transfer` would have returned it."""
        return Result(
            image=self.picture,
            history=list(self.history),
            steps=self.step,
            settings=self._arguments()
            | {"optimizer": self._used.optimizer, "learning_rate": self._used.rate},
            reason=self.note if self.state == "failed" else "",
            content=self._used.content_pixels,
            style=self._used.style_pixels,
        )

    # The beginning of a run

    def _begin(self, settings: Settings) -> None:
        """Reset everything to the initial image and empty curves."""
        objective = settings.objective(self.network)
        self.picture = _initial_image(settings, self._device())
        self._used, self.objective = settings, objective
        self._last = Result(image=self.picture, history=[])
        self.step, self._base, self._length = 0, 0, settings.steps
        self.points: list[Point] = []
        self.marks: list[Mark] = []
        self.history: list[Record] = []
        self.frames = Frames()
        self.frames.add(0, self.picture)
        self.state, self.note, self.error = "ready", "", None
        self._goal, self._halt_at = 0, math.inf
        self._times: deque[float] = deque(maxlen=PACE_WINDOW)

    def _begin_again(self, settings: Settings, reason: str) -> None:
        """Start over during a run, with a note for the user."""
        halts, length = self._halt_at < math.inf, self._length
        self._begin(settings)
        self.state, self.note = "running", message("restarted", reason=reason)
        self._halt_at, self._length = 1 if halts else math.inf, length

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _prepare(self, halt_after: int | None) -> None:
        """Set the state and the target for the steps to come."""
        self._leaving = False
        self._halt_at = math.inf if halt_after is None else self.step + halt_after
        if self.step >= self.target:  # a finished run is extended
            self._base, self._length = self.step, halt_after or self.settings.steps
        self.state, self.note, self.error = "running", "", None
        with self._lock:
            self._lock.notify_all()

    # The segments of a run

    def _work(self) -> None:
        """Run segments until the target is reached or `stop` is called."""
        try:
            while self._continues():
                self._apply(self.settings)
                self._run_segment()
        except (
            Exception
        ) as error:  # shown to the user, because a thread cannot raise it to a caller
            self._fail(str(error) or type(error).__name__, error)
        finally:
            self._working = False
        self.listen()

    def _continues(self) -> bool:
        """Whether there is another segment; otherwise update the state."""
        with self._lock:
            if self.state == "running" and self.step >= self.target:
                self.state = "finished"
            elif self.state == "running" and self._leaving:
                self.state = "paused"
            self._working = self.state == "running"
            return self._working

    def _run_segment(self) -> None:
        self._first, self._times = True, deque(maxlen=PACE_WINDOW)
        segment = optimize(
            self.objective,
            self._last,
            optimizer=self._used.optimizer,
            learning_rate=self._used.rate,
            steps=OPEN_END,
            callback=self._evaluated,
            progress=False,
            settings=self._arguments(),
        )
        keeps = self._used.optimizer == "adam" and segment.stopped is Stop.CALLBACK
        self._last = segment if keeps else self._without_memory()
        if segment.stopped is Stop.INTERRUPTED:
            self.state = "paused"
        elif segment.stopped is not Stop.CALLBACK:
            self._fail(segment.reason)

    def _evaluated(self, record: Record, image: Tensor) -> bool:
        """Called by `optimize` after each evaluation; False ends the segment."""
        first, self._first = self._first, False
        step = record.step
        searching = self._used.optimizer in SEARCHING
        if searching and step > self.step and not first and self._over():
            return False  # the trial of a step that will not be taken
        self._take(record, step, image)
        return searching or not self._over()

    def _over(self) -> bool:
        """Whether the segment ends here; while the run is paused, wait."""
        with self._lock:
            while self._halt_at <= self.step < self.target and not self._leaving:
                self._wait()
            return self._leaving or self.step >= self.target or self.waiting

    def _wait(self) -> None:
        self.state = "paused"
        self._times.clear()
        self.listen()
        self._lock.wait()

    def _take(self, record: Record, step: int, image: Tensor) -> None:
        """Add an evaluation. Of the several evaluations of a line search, the best is kept."""
        self.history.append(record)
        last = self.points[-1] if self.points else None
        if last and (last.step, last.goal) == (step, self._goal):
            if record.total >= last.total:
                return
            self.points.pop()
        self.points.append(Point(step, record.total, self._weighted(record), self._goal))
        self.step, self.picture = step, image
        self.frames.add(step, image)
        self._times.append(time.perf_counter())
        self.listen()

    def _weighted(self, record: Record) -> dict[str, float]:
        """The parts of the loss, multiplied by their weights."""
        goal = self.objective
        parts: dict[str, float] = {}
        for layer, loss in record.content.items():
            parts[f"content {layer}"] = goal.alpha * goal.content_layers[layer] * loss
        for layer, loss in record.style.items():
            parts[f"style {layer}"] = goal.beta * goal.style_layers[layer] * loss
        if goal.total_variation:
            parts["total variation"] = goal.total_variation * record.total_variation
        return parts

    # From one segment to the next

    def _apply(self, wanted: Settings) -> None:
        """Apply the settings that were requested during the last segment."""
        used = self._used
        if not same_start(used, wanted):
            return self._begin_again(wanted, "another start")
        if not same_objective(used, wanted):
            shape = wanted.content_pixels.shape[-2:]
            if used.content is not wanted.content and shape != self.picture.shape[-2:]:
                return self._begin_again(wanted, "the photograph has another shape")
            self._set_objective(wanted, shape)
        texts = changes(used, wanted, log_ratio(self.objective))
        self.marks += [Mark(self.step, text) for text in texts]
        self._used = wanted
        self._carry_memory()

    def _set_objective(self, wanted: Settings, shape: Sequence[int]) -> None:
        """Change the objective, and the size of the image if necessary."""
        self.objective = wanted.objective(self.network)
        self._goal += 1
        if shape != self.picture.shape[-2:]:
            self.picture = resize(self.picture, (shape[0], shape[1]))
            self._last = self._without_memory()

    def _carry_memory(self) -> None:
        """Adam's averages remain useful under another loss; the curvature of L-BFGS does not."""
        if self._last.settings.get("optimizer") == "adam" == self._used.optimizer:
            self._last = replace(self._last, objective=fingerprint(self.objective))

    def _without_memory(self) -> Result:
        """The run so far, without the memory of the optimiser."""
        return Result(
            image=self.picture,
            history=list(self.history),
            steps=self.step,
            objective=self._last.objective,
        )

    def _arguments(self) -> dict[str, Any]:
        """The settings in use, under the names of `transfer`."""
        return {
            "network": self.network.name,
            "content_layers": self.objective.content_layers,
            "style_layers": self.objective.style_layers,
            "alpha": self.objective.alpha,
            "beta": self.objective.beta,
            "total_variation": self.objective.total_variation,
            "precision": self.objective.precision,
            "start": self._used.start if isinstance(self._used.start, str) else "picture",
            "seed": self._used.seed,
        }

    def _fail(self, reason: str, error: Exception | None = None) -> None:
        self.state, self.note, self.error = "failed", reason, error


def _initial_image(settings: Settings, device: torch.device) -> Tensor:
    start = settings.start if isinstance(settings.start, str) else settings.start.source
    pictures = settings.content_pixels, settings.style_pixels
    return make_start(start, *pictures, settings.seed).to(device)


def log_ratio(objective: StyleObjective) -> float:
    """log₁₀ β/α; if α = 0, log₁₀ β."""
    ratio = objective.beta / (objective.alpha or 1.0)
    return math.log10(ratio) if ratio else -math.inf


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def take_over(engine: Engine) -> None:
    """Stop every other run: only one studio may use the processor at a time."""
    for other in list(_engines):
        if other is not engine and other.busy:
            other.stop(message("replaced"))
            other.listen()
