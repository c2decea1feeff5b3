"""The studio's run, without widgets: `optimize` in a thread of its own, steered between two steps.

A run is made of legs. Each leg is one call of `optimize`, which goes on from the picture where the
last leg ended. A moved control ends the leg; the next one begins with the new settings. So nothing
here knows how a picture is optimised, and nothing changes in the middle of a step.
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

from nst_teach.images import resize
from nst_teach.interactive.frames import Frames
from nst_teach.interactive.settings import (
    Settings,
    changes,
    same_goal,
    same_start,
    same_wish,
)
from nst_teach.interactive.words import message
from nst_teach.networks import FeatureNetwork
from nst_teach.objective import StyleObjective, fingerprint
from nst_teach.records import Record, Stop
from nst_teach.results import Result
from nst_teach.run import optimize
from nst_teach.starts import make_start

OPEN_END = 10**9  # steps asked of `optimize`: the run itself says when a leg is over
# Their first evaluation in a step is a guess, not yet a step.
SEARCHING = ("lbfgs", "lbfgs-unbounded", "scipy")
PACE_WINDOW = 20  # steps over which the pace is taken


@dataclass(frozen=True)
class Point:
    """One place on the curves: the total and its parts, weighted as they enter it.

    `goal` counts the changes of the loss: only points of one goal can be compared.
    """

    step: int
    total: float
    parts: dict[str, float]
    goal: int


@dataclass(frozen=True)
class Mark:
    """The moment at which something was moved."""

    step: int
    text: str


class Engine:
    """A run that can be watched and steered from another thread.

    Attributes:
        settings: what is wished for; `change` sets it.
        state: "ready", "running", "paused", "finished" or "failed".
        picture: that of the last finished step, `(1, 3, H, W)`, RGB in [0, 1].
        step: finished steps.
        objective: the loss in use.
        points, marks, frames, history: what happened so far.
        note: a sentence for the reader; after a failure, its reason.
        error: the exception behind a failure, if there was one.
        listen: called after each step and each change of state, in the thread that works.
    """

    note: str
    error: Exception | None
    _halt_at: float
    _length: int

    def __init__(self, settings: Settings, network: FeatureNetwork):
        self.settings, self.network = settings, network
        self.listen: Callable[[], None] = lambda: None
        self._lock = threading.Condition()
        self._thread: threading.Thread | None = None
        self._working = self._leaving = False
        self._begin(settings)
        _engines.add(self)

    # What others may ask for

    def start(self, halt_after: int | None = None) -> None:
        """Begin, or go on; returns at once. `halt_after` pauses again after so many steps."""
        take_over(self)
        with self._lock:
            self._set_out(halt_after)
            if not self._working:
                self._working = True
                self._thread = threading.Thread(target=self._work, name="nst-studio", daemon=True)
                self._thread.start()

    def run(self, steps: int | None = None) -> None:
        """Begin, or go on; returns after so many steps (`None`: at the end of the run)."""
        self.stop()
        take_over(self)
        self._set_out(None)
        if steps is not None:
            self._base, self._length = self.step, steps
        self._working = True
        self._work()

    def pause(self) -> None:
        """Halt after the step in hand."""
        with self._lock:
            self._halt_at = self.step

    def stop(self, note: str = "") -> None:
        """End the thread, and return when it has ended; the run can go on later."""
        with self._lock:
            self._leaving = True
            self._lock.notify_all()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()
        self.note = note or self.note

    def reset(self) -> None:
        """Back to the start, with the settings as they are."""
        self.stop()
        self._begin(self.settings)
        self.listen()

    def change(self, **settings: Any) -> None:
        """Wish for other settings; they hold from the next step."""
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
        """Whether the run is at work, or halts between two steps."""
        return self._working

    @property
    def waiting(self) -> bool:
        """Whether something was moved that no step has seen yet."""
        return not same_wish(self.settings, self._used)

    @property
    def pace(self) -> float:
        """Steps a second, lately; 0 as long as nobody can say."""
        times = list(self._times)
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0

    @property
    def result(self) -> Result:
        """The run so far, as `transfer` would have returned it."""
        return Result(
            image=self.picture,
            history=list(self.history),
            steps=self.step,
            settings=self._wishes()
            | {"optimizer": self._used.optimizer, "learning_rate": self._used.rate},
            reason=self.note if self.state == "failed" else "",
            content=self._used.content_pixels,
            style=self._used.style_pixels,
        )

    # A run's first moment

    def _begin(self, settings: Settings) -> None:
        """Empty curves, and the picture to start with."""
        objective = settings.objective(self.network)
        self.picture = _first_picture(settings, self._device())
        self._used, self.objective = settings, objective
        self._place = Result(image=self.picture, history=[])
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
        """Start over in the middle of a run, and say so."""
        halts, length = self._halt_at < math.inf, self._length
        self._begin(settings)
        self.state, self.note = "running", message("restarted", reason=reason)
        self._halt_at, self._length = 1 if halts else math.inf, length

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _set_out(self, halt_after: int | None) -> None:
        self._leaving = False
        self._halt_at = math.inf if halt_after is None else self.step + halt_after
        if self.step >= self.target:  # finished before: so many steps more
            self._base, self._length = self.step, halt_after or self.settings.steps
        self.state, self.note, self.error = "running", "", None
        with self._lock:
            self._lock.notify_all()

    # Leg by leg

    def _work(self) -> None:
        """Until the target is reached or somebody asks to leave."""
        try:
            while self._goes_on():
                self._turn_to(self.settings)
                self._walk()
        except Exception as error:  # a thread has nobody to raise it to: the reader is shown it
            self._fail(str(error) or type(error).__name__, error)
        finally:
            self._working = False
        self.listen()

    def _goes_on(self) -> bool:
        """Whether there is another leg; if not, the state says why."""
        with self._lock:
            if self.state == "running" and self.step >= self.target:
                self.state = "finished"
            elif self.state == "running" and self._leaving:
                self.state = "paused"
            self._working = self.state == "running"
            return self._working

    def _walk(self) -> None:
        """One leg."""
        self._first, self._times = True, deque(maxlen=PACE_WINDOW)
        leg = optimize(
            self.objective,
            self._place,
            optimizer=self._used.optimizer,
            learning_rate=self._used.rate,
            steps=OPEN_END,
            callback=self._seen,
            progress=False,
            settings=self._wishes(),
        )
        keeps = self._used.optimizer == "adam" and leg.stopped is Stop.CALLBACK
        self._place = leg if keeps else self._bare_place()
        if leg.stopped is Stop.INTERRUPTED:
            self.state = "paused"
        elif leg.stopped is not Stop.CALLBACK:
            self._fail(leg.reason)

    def _seen(self, record: Record, image: Tensor) -> bool:
        """Called by `optimize` after each evaluation; False ends the leg."""
        first, self._first = self._first, False
        step = record.step
        searching = self._used.optimizer in SEARCHING
        if searching and step > self.step and not first and self._over():
            return False  # what was evaluated is a guess of a step that will not be taken
        self._take(record, step, image)
        return searching or not self._over()

    def _over(self) -> bool:
        """Whether the leg ends here. While the run is halted, nobody knows: wait."""
        with self._lock:
            while self._halt_at <= self.step < self.target and not self._leaving:
                self._rest()
            return self._leaving or self.step >= self.target or self.waiting

    def _rest(self) -> None:
        self.state = "paused"
        self._times.clear()
        self.listen()
        self._lock.wait()

    def _take(self, record: Record, step: int, image: Tensor) -> None:
        """Keep an evaluation. A line search evaluates several times a step: its best counts."""
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
        """The parts as they enter the total."""
        aim = self.objective
        parts: dict[str, float] = {}
        for layer, loss in record.content.items():
            parts[f"content {layer}"] = aim.alpha * aim.content_layers[layer] * loss
        for layer, loss in record.style.items():
            parts[f"style {layer}"] = aim.beta * aim.style_layers[layer] * loss
        if aim.total_variation:
            parts["total variation"] = aim.total_variation * record.total_variation
        return parts

    # From one leg to the next

    def _turn_to(self, wanted: Settings) -> None:
        """Take up what was wished for since the last leg."""
        used = self._used
        if not same_start(used, wanted):
            return self._begin_again(wanted, "another start")
        if not same_goal(used, wanted):
            shape = wanted.content_pixels.shape[-2:]
            if used.content is not wanted.content and shape != self.picture.shape[-2:]:
                return self._begin_again(wanted, "the photograph has another shape")
            self._aim(wanted, shape)
        texts = changes(used, wanted, log_ratio(self.objective))
        self.marks += [Mark(self.step, text) for text in texts]
        self._used = wanted
        self._carry_memory()

    def _aim(self, wanted: Settings, shape: Sequence[int]) -> None:
        """Another loss for the same picture; at another size, for the picture at that size."""
        self.objective = wanted.objective(self.network)
        self._goal += 1
        if shape != self.picture.shape[-2:]:
            self.picture = resize(self.picture, (shape[0], shape[1]))
            self._place = self._bare_place()

    def _carry_memory(self) -> None:
        """Adam's averages stay useful under another loss; L-BFGS's curvature would mislead."""
        if self._place.settings.get("optimizer") == "adam" == self._used.optimizer:
            self._place = replace(self._place, objective=fingerprint(self.objective))

    def _bare_place(self) -> Result:
        return Result(
            image=self.picture,
            history=list(self.history),
            steps=self.step,
            objective=self._place.objective,
        )

    def _wishes(self) -> dict[str, Any]:
        return {
            "network": self.network.name,
            "content_layers": self.objective.content_layers,
            "style_layers": self.objective.style_layers,
            "alpha": self.objective.alpha,
            "beta": self.objective.beta,
            "total_variation": self.objective.total_variation,
            "start": self._used.start if isinstance(self._used.start, str) else "picture",
            "seed": self._used.seed,
        }

    def _fail(self, reason: str, error: Exception | None = None) -> None:
        self.state, self.note, self.error = "failed", reason, error


def _first_picture(settings: Settings, device: torch.device) -> Tensor:
    start = settings.start if isinstance(settings.start, str) else settings.start.source
    pictures = settings.content_pixels, settings.style_pixels
    return make_start(start, *pictures, settings.seed).to(device)


def log_ratio(objective: StyleObjective) -> float:
    """log₁₀ β/α; where the content has no weight, log₁₀ β."""
    ratio = objective.beta / (objective.alpha or 1.0)
    return math.log10(ratio) if ratio else -math.inf


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def take_over(engine: Engine) -> None:
    """Stop every other run: one studio at a time has the processor."""
    for other in list(_engines):
        if other is not engine and other.busy:
            other.stop(message("replaced"))
            other.listen()
