"""The result of a run: an image, its loss, and the history of the run."""

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
    """The state of an optimiser at the end of a run, and the name of the optimiser."""

    optimizer: str
    state: dict[str, Any]


@dataclass(eq=False)
class Result:
    """A finished, stopped or interrupted run.

    If the run finished, `image` is the image after its last step; if it ended early, the best image
    evaluated. Either lies in [0, 1], and `loss` is its loss.

    A result also keeps the optimiser's memory, so that a run can be continued as if it had never
    ended. The memory is as large as 2 images for Adam, 40 for L-BFGS. `forget` discards it, and so
    do copying and pickling: a run continued from a copy has the image, but a fresh optimiser.

    Attributes:
        image: `(1, 3, H, W)`, RGB in [0, 1].
        history: one `Record` per evaluation.
        steps: the steps begun, including those of the runs that this one continues.
        settings: the arguments of the run, with all defaults filled in.
        stopped: why the run ended early; `None` if it did not.
        reason: the same as a sentence, with advice; empty if the run finished.
        content: the content image, if any, for plots.
        style: the style image, if any, for plots.
        record: the record of the evaluation of `image`; `None` if it was not evaluated.
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
    memory: Memory | None = None

    @property
    def loss(self) -> float:
        """The total loss of `image`; NaN if there was no evaluation."""
        return self.record.total if self.record else math.nan

    def forget(self) -> Result:
        """Discard the optimiser's memory; returns the same result, now only a few images large."""
        self.memory = None
        return self

    def plot(self) -> Figure:
        """Draw the pictures and the loss curves; returns the matplotlib figure."""
        return plots.result(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Save the image in the format given by the file extension; returns the path."""
        return save_image(self.image, path)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"memory": None}

    def __repr__(self) -> str:
        height, width = self.image.shape[-2:]
        parts = [f"{width}×{height} px"]
        if self.settings.get("precision") == "bfloat16":
            parts.append("bfloat16")
        if self.history:
            last = self.history[-1]
            first = next(r for r in self.history if r.objective == last.objective)
            parts += [f"{self.steps} steps", f"{last.evaluations} evaluations"]
            parts += [f"{last.seconds:.1f} s", f"total {first.total:.3g} → {self.loss:.3g}"]
        if self.stopped:
            parts.append(f"stopped: {self.reason or self.stopped}")
        return f"Result({', '.join(parts)})"
