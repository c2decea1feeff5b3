"""What a run writes down: a record of each evaluation, and why it ended early."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Record:
    """One evaluation of the objective: what it said of the picture that it was shown.

    Attributes:
        step: the step that the picture belongs to: 0 is the start, and k is whatever step k tries
            or reaches; a line search tries several pictures in one step.
        evaluations: evaluations so far, this one included.
        seconds: since the run began; a continued run goes on counting.
        total: as in `Losses`, as numbers; so are the next three.
        content: per content layer.
        style: per style layer.
        total_variation: of the picture.
        objective: the number of the objective within its history. A run that goes on from another
            under other weights, layers or pictures counts one up: totals of two objectives cannot
            be compared.
    """

    step: int
    evaluations: int
    seconds: float
    total: float
    content: dict[str, float]
    style: dict[str, float]
    total_variation: float
    objective: int = 0

    def __hash__(self) -> int:
        return hash((self.evaluations, self.step, self.seconds, self.total))


class Stop(StrEnum):
    """Why a run ended before its last step."""

    CALLBACK = "the callback asked to stop"
    INTERRUPTED = "interrupted"
    NOT_FINITE = "the loss was not finite"
    OUT_OF_MEMORY = "memory ran out"
