"""Arguments that are not what was expected: the checks that several functions share.

Each error says what was given, what was expected and, for a misspelt name, which one is nearest.
Python's own errors come from wherever a wrong value is first used, which may be minutes later.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

SHOWN = 80  # characters of a wrong value that are repeated
MOST_SEED = 2**64 - 1  # as for torch.manual_seed


def weight(name: str, value: Any) -> float:
    """The value as a float, if it is a finite number of 0 or more; otherwise a `ValueError`."""
    given = number(value)
    if not 0 <= given < math.inf:
        raise ValueError(f"{name}={shown(value)} was given; expected a finite number, 0 or more.")
    return given


def positive(name: str, value: Any) -> float:
    """The value as a float, if it is a finite number above 0; otherwise a `ValueError`."""
    given = number(value)
    if not 0 < given < math.inf:
        raise ValueError(f"{name}={shown(value)} was given; expected a number above 0.")
    return given


def whole(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """The value as an int, if it is a whole number in this range; otherwise a `ValueError`."""
    if (
        isinstance(value, bool)
        or not isinstance(value, Integral)
        or int(value) < least
        or (most is not None and int(value) > most)
    ):
        bounds = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name}={shown(value)} was given; expected a whole number, {bounds}.")
    return int(value)


def seed(value: Any) -> int:
    """The value as an int, if torch takes it for a seed; otherwise a `ValueError`."""
    return whole("seed", value, most=MOST_SEED)


def callable_or_none(name: str, value: Any) -> None:
    """Raise a `ValueError` unless the value is a function, or anything like one, or `None`."""
    if value is not None and not callable(value):
        raise ValueError(f"{name}={shown(value)} was given; expected a function, or None.")


def one_of(name: str, value: Any, names: Iterable[str]) -> str:
    """The value, if it is one of these names; otherwise a `ValueError`."""
    known = tuple(names)
    if not isinstance(value, str) or value not in known:
        raise ValueError(
            f"{name}={shown(value)} was given; expected one of {', '.join(known)}."
            f"{meant(value, known)}"
        )
    return value


def meant(given: object, names: Iterable[str]) -> str:
    """A sentence with the nearest of these names, such as " Did you mean 'relu4_2'?", or none."""
    known = {name.casefold(): name for name in names}
    word = given.casefold()[:SHOWN] if isinstance(given, str) else ""
    found = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {known[found[0]]!r}?" if found else ""


def shown(value: object) -> str:
    """A wrong value in a message: in one line, and not too long."""
    shape = getattr(value, "shape", None)
    if shape:
        return f"({type(value).__name__} of shape {tuple(shape)})"
    return " ".join(f"{value!r:.{SHOWN}}".split())


def number(value: Any) -> float:
    """The value as a float; NaN if it is no number, as text and True are none."""
    if not isinstance(value, Real) and getattr(value, "ndim", None) == 0:
        value = value.item()  # of a tensor or an array with a single value
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
