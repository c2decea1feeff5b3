"""Labels, messages and ranges, from a file shared by the studio and the page's lab."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "studio_controls.json"


@cache
def words() -> dict[str, Any]:
    """All of `studio_controls.json`: controls, tools, actions, curves and messages."""
    read: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return read


def control(name: str) -> dict[str, Any]:
    """The label, range, options, default and help of one control."""
    return _named("controls", name)


def mark(name: str) -> str:
    """The short name of a setting in the marks of the curves; some settings have no control."""
    marks: dict[str, str] = words()["marks"]
    return marks.get(name) or control(name)["mark"]


def control_names() -> tuple[str, ...]:
    """The names of all controls, in the order in which they are shown."""
    return tuple(c["name"] for c in words()["controls"])


def check_controls(names: tuple[str, ...]) -> tuple[str, ...]:
    """`names`, if each of them is a control.

    Raises:
        ValueError: one of them is not; the message lists all controls.
    """
    if unknown := [name for name in names if name not in control_names()]:
        raise ValueError(
            f"controls={names!r} was given; there is no {', '.join(map(repr, unknown))}. "
            f"Choose from: {', '.join(control_names())}."
        )
    return names


def action(name: str, **values: Any) -> str:
    """The label of a button."""
    text: str = words()["actions"][name]
    return text.format(**values)


def message(name: str, **values: Any) -> str:
    """A message for the user, with `values` filled in."""
    text: str = words()["messages"][name]
    return text.format(**values)


def tool(name: str) -> dict[str, Any]:
    """The label and help of one tool."""
    return _named("tools", name)


def _named(part: str, name: str) -> dict[str, Any]:
    entries: list[dict[str, Any]] = words()[part]
    return next(entry for entry in entries if entry["name"] == name)
