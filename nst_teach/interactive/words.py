"""The studio's words and ranges, from the one file that the widgets and the page's lab share."""

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
    """The word beside the curve where this setting was moved; some have no control."""
    marks: dict[str, str] = words()["marks"]
    return marks.get(name) or control(name)["mark"]


def control_names() -> tuple[str, ...]:
    """The controls that there are, in the order in which they are shown."""
    return tuple(c["name"] for c in words()["controls"])


def check_controls(names: tuple[str, ...]) -> tuple[str, ...]:
    """`names`, if each is a control.

    Raises:
        ValueError: one of them is not; the message lists those that are.
    """
    if unknown := [name for name in names if name not in control_names()]:
        raise ValueError(
            f"controls={names!r} was given; there is no {', '.join(map(repr, unknown))}. "
            f"Choose from: {', '.join(control_names())}."
        )
    return names


def action(name: str, **values: Any) -> str:
    """What a button says."""
    text: str = words()["actions"][name]
    return text.format(**values)


def message(name: str, **values: Any) -> str:
    """A sentence for the reader, with `values` filled in."""
    text: str = words()["messages"][name]
    return text.format(**values)


def tool(name: str) -> dict[str, Any]:
    """The label and help of one tool."""
    return _named("tools", name)


def _named(part: str, name: str) -> dict[str, Any]:
    entries: list[dict[str, Any]] = words()[part]
    return next(entry for entry in entries if entry["name"] == name)
