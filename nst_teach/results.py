"""What comes out of a run: a picture, the loss of that picture, and how it came about."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from nst_teach import plots
from nst_teach.images import save_image
from nst_teach.records import Record, Stop

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Memory:
    """What an optimiser knows at the end of a run, and the name under which it is loaded."""

    optimizer: str
    state: dict[str, Any]


@dataclass(eq=False)
class Result:
    """A finished, stopped or interrupted run.

    A finished run holds the picture that its last step reached; one that ended early holds the best
    picture that it had seen. Either lies in [0, 1], and `loss` is what the objective says of it.

    In this process a result also keeps the optimiser's memory, so that a run can go on from it as
    if it had never ended: 2 pictures for Adam, 40 for L-BFGS. `forget` drops it. Copying and
    pickling drop it, too: a run goes on from a copy with the picture, and a fresh optimiser.

    Attributes:
        image: `(1, 3, H, W)`, RGB in [0, 1].
        history: a `Record` per evaluation.
        steps: steps begun, over all runs that it continues.
        settings: what was asked for, with every default filled in.
        stopped: why the run ended early; `None` if it did not.
        reason: the same in a sentence, with what to do; empty if it did not.
        content: the photograph that went in (if any), for plots.
        style: the style picture that went in (if any), for plots.
        record: the record of the evaluation that saw `image`; `None` if there was none.
        objective: the fingerprint of the objective (`nst_teach.objective.fingerprint`).
    """

    image: Tensor
    history: list[Record]
    steps: int = 0
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    stopped: Stop | None = None
    reason: str = ""
    content: Tensor | None = None
    style: Tensor | None = None
    record: Record | None = None
    objective: str = ""
    memory: Memory | None = field(default=None, repr=False)

    @property
    def loss(self) -> float:
        """The objective's total for `image`; NaN where not a single evaluation was made."""
        return self.record.total if self.record else math.nan

    def forget(self) -> Result:
        """Drop the optimiser's memory; returns the same result, which weighs a few pictures now."""
        self.memory = None
        return self

    def plot(self) -> Figure:
        """Draw the pictures and the loss curves; returns the matplotlib figure."""
        return plots.result(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Save the picture; the format follows the ending. Returns the path."""
        return save_image(self.image, path)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"memory": None}

    def __repr__(self) -> str:
        height, width = self.image.shape[-2:]
        parts = [f"{width}×{height} px"]
        if self.history:
            last = self.history[-1]
            first = next(r for r in self.history if r.objective == last.objective)
            parts += [f"{self.steps} steps", f"{last.evaluations} evaluations"]
            parts += [f"{last.seconds:.1f} s", f"total {first.total:.3g} → {self.loss:.3g}"]
        if self.stopped:
            parts.append(f"stopped: {self.reason or self.stopped}")
        return f"Result({', '.join(parts)})"
