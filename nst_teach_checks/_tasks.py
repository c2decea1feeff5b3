"""Every graded task of every exercise, in one list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nst_teach_checks._feedback import Reread


@dataclass(frozen=True)
class Task:
    """One graded task; `id` is `"ex03.content_loss"`."""

    id: str
    title: str
    points: int
    reread: Reread
    examine: Callable[..., None]

    @property
    def exercise(self) -> str:
        """The exercise it belongs to, such as `"ex03"`."""
        return self.id.partition(".")[0]


TASKS: dict[str, Task] = {}
"""Every task by its id, in the order of the exercises."""
