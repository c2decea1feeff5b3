"""The expected image, drawn beside the one that the student's function makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nst_teach_checks import _guard
from nst_teach_checks._core import is_stub

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PATIENCE = 120.0
"""Seconds for the student's function: here its inputs are real pictures."""

EMPTY = "yours appears here"


def beside(
    expected: Tensor, make: Callable[[], Any] | None = None, *, title: str = "expected"
) -> Figure:
    """The expected image, and beside it yours as soon as there is one.

    Args:
        expected: `(1, 3, H, W)`, RGB in [0, 1].
        make: makes your image, such as `lambda: my_function(photo)`; a place is left empty for
            one that is not written yet or does not run.
        title: above the image on the left, where it is not the one that yours should be like.
    """
    from nst_teach import plots

    yours, said = _yours(make)
    sheet = plots.images({title: expected, said: expected if yours is None else yours})
    if said != "yours":
        _empty(sheet.axes[1])
    return sheet


def _yours(make: Callable[[], Any] | None) -> tuple[Tensor | None, str]:
    if make is None or is_stub(make):
        return None, EMPTY
    try:
        made = _guard.run(make, _guard.BoundedText(), PATIENCE)
    except _guard.TooSlow:
        return None, f"yours took longer than {PATIENCE:g} s"
    made = made[0] if isinstance(made, tuple) and made else made
    if isinstance(made, Tensor) and made.ndim == 4 and made.shape[1] == 3:
        return torch.nan_to_num(made.detach().float()).clamp(0, 1), "yours"
    return None, EMPTY


def _empty(ax: Any) -> None:
    """Keep the place of a picture, and nothing in it."""
    for image in ax.images:
        image.set_visible(False)
    ax.spines[:].set_visible(True)
    ax.spines[:].set_linestyle("--")
    ax.spines[:].set_alpha(0.4)
