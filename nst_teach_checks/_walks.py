"""What every optimisation has to return: an image, and the losses as plain numbers."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nst_teach_checks._core import Answer


def must_be_a_walk(answer: Answer, output: Any) -> None:
    """End the examination unless `output` is an image outside the graph, and a history."""
    if not isinstance(output, (tuple, list)) or len(output) != 2:
        answer.reject(
            "not-a-pair", f"your function returned a value of type {type(output).__name__}",
            "Return two things: the image and the list of losses, in this order.",
        )  # fmt: skip
    image, history = output
    listed = isinstance(history, (list, tuple))
    if not listed or any(isinstance(loss, Tensor) for loss in history):
        answer.reject(
            "history-of-tensors", "your history is not a list of plain numbers",
            "A loss stored as a tensor keeps its whole graph in memory. Which method turns a "
            "tensor with one element into a plain number?",
        )  # fmt: skip
    if isinstance(image, Tensor) and image.requires_grad:
        answer.reject(
            "still-in-the-graph", "the image that you return still requires a gradient",
            "The caller wants to display and save it. Detach it from the graph.",
        )  # fmt: skip
