"""Compare what a function returned with what it should have, and put the difference into words."""

from __future__ import annotations

import contextlib
import copy
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

LARGEST = 1_000_000
"""Numbers that an output may hold in any case."""
GROWTH = 100
"""How many times the numbers of the inputs it may hold beyond that."""
SHOWN = 60
"""Characters of a plain value that are shown."""
SHOWN_NUMBERS = 160
"""Characters of a small result that is shown in full."""
FEW = 6
"""Whole numbers that are shown one by one: enough for a shape."""


def flat(value: Any) -> list[Any]:
    """The parts of nested tuples and lists, in order."""
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in flat(part)]
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in flat(part)]
    return [value]


def copied(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Inputs that may be spoilt: tensors and arrays are copied, whatever else is handed on."""
    return tuple(_copied(value) for value in inputs)


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return copy.deepcopy(value) if isinstance(value, (np.ndarray, list, dict)) else value


def changes(function: Any, before: Sequence[Any], after: Sequence[Any]) -> list[str]:
    """What a call has done to its inputs, in words."""
    called = names(function, len(before))
    told = [(name, _change(*pair)) for name, *pair in zip(called, before, after, strict=True)]
    return [f"{name} {change}" for name, change in told if change]


def _change(before: Any, after: Any) -> str:
    if isinstance(before, (list, dict, tuple)):
        return _change_of_parts(before, after)
    if isinstance(before, (str, bool)) and before != after:
        return "has other entries than before the call"
    one, other = as_tensor(before), as_tensor(after)
    if one is None or other is None:
        return ""
    if one.shape != other.shape or not _same_numbers(one, other):
        return "has other values than before the call"
    if getattr(before, "requires_grad", None) != getattr(after, "requires_grad", None):
        return f"has requires_grad = {after.requires_grad} after the call, unlike before"
    return ""


def _same_numbers(one: Tensor, other: Tensor) -> bool:
    """Whether all are equal; a NaN that stayed a NaN has not changed."""
    return bool(((one == other) | (one.isnan() & other.isnan())).all())


def _change_of_parts(before: Any, after: Any) -> str:
    one, other = flat(before), flat(after)
    if len(one) != len(other):
        return "has more or fewer entries than before the call"
    if isinstance(before, dict) and list(before) != list(after):
        return "has other names, or another order, than before the call"
    told = (_change(*pair) for pair in zip(one, other, strict=True))
    return next((change for change in told if change), "")


def is_huge(output: Any, inputs: Iterable[Any]) -> bool:
    """Whether an output is so large that comparing it would stop the notebook."""
    return _count(flat(output)) > LARGEST + GROWTH * _count(flat(list(inputs)))


def _count(values: Iterable[Any]) -> int:
    numbers = (v.numel() if isinstance(v, Tensor) else getattr(v, "size", 1) for v in values)
    return sum(n if isinstance(n, int) else 1 for n in numbers)


def as_tensor(value: Any) -> Tensor | None:
    """Numbers as a tensor; `None` for what is none."""
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, (bool, str)) or value is None:
        return None
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())  # torch warns of arrays that it may not write to
    return torch.tensor(value) if isinstance(value, (int, float)) else None


def alike(given: Any, expected: Any, *, rtol: float, atol: float) -> bool:
    """Whether values and shapes agree. What holds the numbers, and their type, does not matter."""
    if isinstance(expected, (tuple, list, dict)):
        return _parts_alike(given, expected, rtol=rtol, atol=atol)
    one, other = as_tensor(given), as_tensor(expected)
    if one is None or other is None:
        return type(given) is type(expected) and given == expected
    if one.shape != other.shape:
        return False
    return torch.allclose(one.double(), other.double(), rtol=rtol, atol=atol)


def _parts_alike(given: Any, expected: Any, *, rtol: float, atol: float) -> bool:
    if isinstance(given, dict) and isinstance(expected, dict):
        return given.keys() == expected.keys() and all(
            alike(given[key], other, rtol=rtol, atol=atol) for key, other in expected.items()
        )
    sequences = isinstance(given, (tuple, list)) and isinstance(expected, (tuple, list))
    if not sequences or len(given) != len(expected):
        return False
    pairs = zip(given, expected, strict=True)
    return all(alike(one, other, rtol=rtol, atol=atol) for one, other in pairs)


def dtype(value: Any) -> str:
    """The type of a value's numbers, without the library's name."""
    return str(getattr(value, "dtype", type(value).__name__)).removeprefix("torch.")


def describe(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, (tuple, list, dict)):
        return _described_parts(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    numbers = as_tensor(value)
    if numbers is None or not isinstance(value, (Tensor, np.ndarray)):
        return f"{value!r:.{SHOWN}}" if not callable(value) else f"a {type(value).__name__}"
    if numbers.ndim == 0:
        return f"the {dtype(value)} number {numbers.item():.6g}"
    kind = "a tensor" if isinstance(value, Tensor) else "an array"
    return f"{kind} of shape {tuple(numbers.shape)}, {dtype(value)}"


def _described_parts(value: tuple[Any, ...] | list[Any] | dict[Any, Any]) -> str:
    if isinstance(value, dict):
        return f"a dictionary of {', '.join(map(str, value))}"
    if value and all(isinstance(part, str) for part in value):
        return " ".join(value)
    if len(value) <= FEW and all(isinstance(part, int) for part in value):
        return str(tuple(value))
    return f"a {type(value).__name__} of {len(value)}"


def describe_inputs(function: Any, inputs: Sequence[Any]) -> str:
    """The inputs of a call by the names that the function gives them."""
    return ", ".join(map(_described, names(function, len(inputs)), inputs))


def names(function: Any, count: int) -> list[str]:
    """What a function calls its inputs."""
    with contextlib.suppress(TypeError, ValueError):  # some callables have no signature
        known = list(inspect.signature(function).parameters)
        if len(known) >= count:
            return known[:count]
    return [f"input {number}" for number in range(1, count + 1)]


def _described(name: str, value: Any) -> str:
    if isinstance(value, (Tensor, np.ndarray)):
        return f"{name} {tuple(value.shape)} {dtype(value)}"
    return name if callable(value) else f"{name} = {describe(value)}"


def difference(given: Any, expected: Any) -> str:
    """How an output differs from the right one, in words and numbers."""
    if isinstance(expected, (tuple, list)) and isinstance(given, (tuple, list)):
        return _difference_of_parts(given, expected)
    if isinstance(expected, dict) and isinstance(given, dict):
        return _difference_of_entries(given, expected)
    one, other = as_tensor(given), as_tensor(expected)
    if one is None or other is None or one.shape != other.shape:
        return f"yours is {describe(given)}; expected {describe(expected)}"
    if not torch.isfinite(one).all():
        bad = int((~torch.isfinite(one)).sum())
        return f"yours has {bad} values that are NaN or infinite"
    return _difference_of_numbers(one.double(), other.double())


def _difference_of_parts(given: Sequence[Any], expected: Sequence[Any]) -> str:
    if len(given) != len(expected):
        return f"yours has {len(given)} entries; expected {len(expected)}"
    for number, (one, other) in enumerate(zip(given, expected, strict=True), start=1):
        if not alike(one, other, rtol=1e-3, atol=1e-5):
            inner = difference(one, other).replace("of your result", "of that part", 1)
            return f"in part {number} of your result, {inner}"
    return "the entries differ slightly"


def _difference_of_entries(given: dict[Any, Any], expected: dict[Any, Any]) -> str:
    if given.keys() != expected.keys():
        return f"yours has the entries {list(given)}; expected {list(expected)}"
    for name, other in expected.items():
        if not alike(given[name], other, rtol=1e-3, atol=1e-5):
            return f"{name}: {difference(given[name], other)}"
    return "the entries differ slightly"


def _difference_of_numbers(given: Tensor, expected: Tensor) -> str:
    place = int((given - expected).abs().argmax()) if given.numel() > 1 else 0
    yours, right = given.flatten()[place].item(), expected.flatten()[place].item()
    where = f"at {_index(place, given)}, where they differ most, " if given.ndim else ""
    return f"{where}yours is {yours:.5g}; expected {right:.5g}"


def _index(place: int, like: Tensor) -> list[int]:
    return [int(i) for i in np.unravel_index(place, tuple(like.shape))]


def is_shown(value: Any) -> bool:
    """Whether `numbers` can show it."""
    tensor = as_tensor(value)
    return tensor is not None and tensor.numel() > 0


def can_be_compared(given: Any, expected: Any) -> bool:
    """Whether two results hold finite numbers in the same shape."""
    one, other = as_tensor(given), as_tensor(expected)
    if one is None or other is None or one.shape != other.shape or not one.numel():
        return False
    return bool(torch.isfinite(other).all() and torch.isfinite(one).all())


def numbers(value: Any) -> str:
    """A small result in full, without its axes of length 1 in front."""
    tensor = as_tensor(value)
    if tensor is None:
        return describe(value)
    while tensor.ndim > 1 and len(tensor) == 1:
        tensor = tensor[0]
    return textwrap.shorten(_nested(tensor.tolist()), SHOWN_NUMBERS, placeholder=" …")


def _nested(value: float | list[Any]) -> str:
    return f"({', '.join(map(_nested, value))})" if isinstance(value, list) else f"{value:.3g}"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def common_factor(givens: Sequence[Any], expecteds: Sequence[Any]) -> float | None:
    """The factor between all outputs and the right ones, if one number is enough."""
    pairs = [(as_tensor(a), as_tensor(b)) for a, b in zip(givens, expecteds, strict=True)]
    if any(a is None or b is None or a.shape != b.shape for a, b in pairs):
        return None
    sides = zip(*pairs, strict=True)
    given, expected = (torch.cat([part.flatten().double() for part in side]) for side in sides)
    if not (expected != 0).any():
        return None
    factor = ((given * expected).sum() / expected.square().sum()).item()
    fits = torch.allclose(given, factor * expected, rtol=1e-4, atol=1e-8)
    return factor if fits and abs(factor) > 1e-6 else None


TYPE_HINT = "The task asks for another type of result. Which step would convert yours?"
SHAPE_HINT = "Print the .shape after each step. Where is it no longer what you expected?"
KEYS_HINT = "Compare the names of your entries with those that the task asks for, letter by letter."
LENGTH_HINT = "Count what you return. What should each entry of it belong to?"
FINITE_HINT = (
    "Look for a division by zero, a root of a negative number, or a logarithm of a number that is "
    "not positive."
)


def kind_of_difference(given: Any, expected: Any) -> tuple[str, str]:
    """The general name of a difference that no known mistake explains, and a hint if there is."""
    if isinstance(expected, Tensor) and not isinstance(given, Tensor):
        return "not-a-tensor", TYPE_HINT
    if isinstance(expected, dict) and not isinstance(given, dict):
        return "wrong-type", TYPE_HINT
    if isinstance(given, dict) and isinstance(expected, dict) and set(given) != set(expected):
        return "wrong-keys", KEYS_HINT
    if isinstance(expected, (list, tuple)) and isinstance(given, (list, tuple)):
        return ("wrong-value", "") if len(given) == len(expected) else ("wrong-length", LENGTH_HINT)
    one, other = as_tensor(given), as_tensor(expected)
    if (one is None) != (other is None):
        return "wrong-type", TYPE_HINT
    if one is None or other is None:
        return "wrong-value", ""
    if one.shape != other.shape:
        return "wrong-shape", SHAPE_HINT
    return ("wrong-value", "") if torch.isfinite(one).all() else ("not-finite", FINITE_HINT)
