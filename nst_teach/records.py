"""Records of a run: one for each evaluation, and the reason if it ended early."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Record:
    """One evaluation of the objective: the losses of an image, and when it was evaluated.

    Attributes:
        step: the step that the image belongs to: 0 is the initial image, and k is any image that
            step k tries or reaches; a line search tries several images in one step.
        evaluations: the number of evaluations so far, including this one.
        seconds: the time since the run began; a continued run keeps counting.
        total: the total loss; this and the following three are those of `Losses`, as numbers.
        content: by content layer.
        style: by style layer.
        total_variation: of the image.
        objective: the number of the objective within the history. It increases by one when a run is
            continued with other weights, layers or pictures, because totals of different objectives
            cannot be compared.
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
    DEVICE_LOST = "the graphics card failed"
