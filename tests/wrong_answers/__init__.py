"""A bank of answers as students write them: wrong ones with the mistake meant, and right ones.

One file for each exercise. `@wrong("content_loss", expects="half-missing")` says which task the
function answers and which mistake the check has to name; `@right("content_loss")` marks a correct
answer that is written in another way than ours. An answer that is a value and no function is named
in full: `wrong("ex03.guess", expects="…")("caffe")`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One answer: the task's id, the answer, and the mistake it makes (none for a right one)."""

    task: str
    answer: Any
    expects: str | None

    @property
    def name(self) -> str:
        """A name for the test."""
        return f"{self.task}-{getattr(self.answer, '__name__', type(self.answer).__name__)}"


BANK: list[Entry] = []


def wrong(task: str, *, expects: str) -> Callable[[Any], Any]:
    """Mark the answer below as wrong: the check must name the mistake `expects`."""
    return lambda answer: _add(task, answer, expects)


def right(task: str) -> Callable[[Any], Any]:
    """Mark the answer below as right: the check must accept it. Classes are instantiated."""
    return lambda answer: _add(task, answer() if isinstance(answer, type) else answer, None)


def _add(task: str, answer: Any, expects: str | None) -> Any:
    module = getattr(answer, "__module__", "")
    full = task if "." in task else f"{module.rpartition('.')[2]}.{task}"
    BANK.append(Entry(full, answer, expects))
    return answer


for _path in sorted(Path(__file__).parent.glob("ex*.py")):
    import_module(f"{__name__}.{_path.stem}")
