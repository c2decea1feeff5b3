"""A small example that an answer gets wrong, made from a large input that it got wrong.

The large input is cut down and its numbers made plain, as long as the right function still works on
it. What is left can be followed by hand, and it refutes the answer at hand, whatever is wrong with
it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nst_teach_checks import _values

COLOURS = 3
"""An axis of this length stays: it may hold the colours of a pixel."""

MOST_NUMBERS = 16
"""Numbers in an example, at most."""

TRIED = 24
"""Examples that are tried, the smallest first."""


def smaller(case: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Small and plain cases in place of a large one; none where it holds more than numbers.

    Sides of equal length are cut to equal lengths, because what fits together should still fit.
    """
    if not _arrays(case) or not all(_is_plain(value) for value in case):
        return
    lengths = sorted({side for part in _arrays(case) for side in part.shape} - {1, COLOURS})
    choices = itertools.product((1, 2), repeat=len(lengths))
    cuts = [dict(zip(lengths, choice, strict=True)) for choice in choices]
    made = [tuple(_cut(value, cut) for value in case) for cut in cuts]
    made = sorted((c for c in made if _count(c) <= MOST_NUMBERS), key=_count)
    for small in made[:TRIED]:
        yield tuple(_rounded(value) for value in small)


def words(function: Callable[..., Any], case: Sequence[Any]) -> str:
    """The inputs of a call in full."""
    names = _values.names(function, len(case))
    return _values.listed([f"{n} {_in_full(v)}" for n, v in zip(names, case, strict=True)])


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return False  # its entries have names, which an example in words would hide
    if isinstance(value, (list, tuple)):
        return all(isinstance(part, (int, float)) for part in value)
    return isinstance(value, (Tensor, np.ndarray, int, float))


def _arrays(case: Sequence[Any]) -> list[Any]:
    return [value for value in case if isinstance(value, (Tensor, np.ndarray))]


def _count(case: Sequence[Any]) -> int:
    return sum(part.numel() if isinstance(part, Tensor) else part.size for part in _arrays(case))


def _cut(value: Any, lengths: Mapping[int, int]) -> Any:
    if not isinstance(value, (Tensor, np.ndarray)):
        return value
    return value[tuple(slice(lengths.get(side, side)) for side in value.shape)]


def _rounded(value: Any) -> Any:
    """Whole numbers, or tenths if none exceeds 1, rounded away from 0, which may be a kink."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, float):
        return float(f"{value:.2g}")
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return value
    unit = 1 if value.abs().max() > 1 else 10
    plain = value.detach().sign() * (unit * value.detach().abs() - 1e-6).ceil() / unit
    return (plain + 0.0).requires_grad_(value.requires_grad)  # no zero with a minus


def _in_full(value: Any) -> str:
    if isinstance(value, Tensor) and not value.ndim:
        return f"= {value.item():.3g}"
    if isinstance(value, (Tensor, np.ndarray)):
        numbers = torch.as_tensor(value).detach().flatten().tolist()
        return f"of shape {tuple(value.shape)} with {', '.join(f'{n:.3g}' for n in numbers)}"
    return f"= {_values.describe(value)}"
