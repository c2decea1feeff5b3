"""What every walk has to hand back: a picture, and the losses on the way as plain numbers."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nst_teach_checks._core import Answer


def must_be_a_walk(answer: Answer, output: Any) -> None:
    """End the examination unless `output` is a picture that is out of the graph, and a history."""
    if not isinstance(output, tuple) or len(output) != 2:
        answer.reject(
            "not-a-pair", f"your function returned a {type(output).__name__}",
            "Two things are asked for: the picture, and the list of losses, in this order.",
        )  # fmt: skip
    image, history = output
    if not isinstance(history, list) or any(isinstance(loss, Tensor) for loss in history):
        answer.reject(
            "history-of-tensors", "your history is not a list of plain numbers",
            "A loss that is kept as a tensor keeps its whole graph in memory, and its value may "
            "change under your hands. What turns a tensor of one number into a number?",
        )  # fmt: skip
    if isinstance(image, Tensor) and image.requires_grad:
        answer.reject(
            "still-in-the-graph", "the picture that you return still wants a gradient",
            "Your caller wants to show it and save it. Cut it loose.",
        )  # fmt: skip
