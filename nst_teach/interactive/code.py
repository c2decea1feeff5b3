"""The call of `transfer` that corresponds to the settings of the studio."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from nst_teach.interactive.engine import Mark
from nst_teach.interactive.settings import Picture, Settings
from nst_teach.networks import DEFAULT_NETWORK, FeatureNetwork


def transfer_call(
    settings: Settings,
    *,
    beta: float,
    steps: int,
    network: FeatureNetwork,
    marks: Sequence[Mark] = (),
) -> str:
    """A few lines of Python to paste into a cell.

    Args:
        settings: the settings of the run.
        beta: the current weight of the style.
        steps: the number of steps taken, or to be taken.
        network: the network of the run.
        marks: changes made during the run; a single call cannot repeat them, so they become a
            comment.
    """
    arguments = {
        "network": None if network.name == DEFAULT_NETWORK else _text(network.name),
        "content_layers": _layers(settings.content_layers),
        "style_layers": _layers(settings.style_layers),
        "alpha": f"{settings.alpha!r}",
        "beta": f"{beta!r}",
        "total_variation": repr(settings.total_variation) if settings.total_variation else None,
        "start": _start(settings.start),
        "optimizer": _text(settings.optimizer),
        "learning_rate": None if settings.rate is None else repr(settings.rate),
        "steps": repr(steps),
        "size": repr(settings.size),
        "style_size": None if settings.style_size is None else repr(settings.style_size),
        "seed": repr(settings.seed),
    }
    lines = [f"    {name}={value}," for name, value in arguments.items() if value is not None]
    return "\n".join(
        [
            "from nst_teach import transfer",
            "",
            *_comment(marks),
            "result = transfer(",
            f"    {settings.content.code},",
            f"    {settings.style.code},",
            *lines,
            ")",
            'result.save("result.png")',
            "",
        ]
    )


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _layers(layers: Mapping[str, float]) -> str:
    """A Python dictionary, one layer per line."""
    rows = [f"        {_text(name)}: {weight!r}," for name, weight in layers.items() if weight]
    return "\n".join(["{", *rows, "    }"]) if rows else "{}"


def _start(start: str | Picture) -> str:
    return start.code if isinstance(start, Picture) else _text(start)


def _comment(marks: Sequence[Mark]) -> list[str]:
    if not marks:
        return []
    moves = [f"#   step {mark.step}: {mark.text}" for mark in marks]
    return [
        "# The final settings from the start. During the studio's run, these were changed:",
        *moves,
    ]
