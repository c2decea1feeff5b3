"""What has happened in this session: every attempt, for the student's summary and the teacher's."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from nst_teach_checks._feedback import SIGNS, Feedback
from nst_teach_checks._tasks import TASKS, Task

FORMAT = 1
"""Version of the machine-readable report: raised when a reader would have to change."""

_attempts: dict[str, list[Feedback]] = {}


def remember(feedback: Feedback) -> None:
    """Add the result of a check to the session."""
    _attempts.setdefault(feedback.task, []).append(feedback)


def reset() -> None:
    """Forget every attempt of this session."""
    _attempts.clear()


@dataclass(frozen=True)
class Report:
    """Where a student stands. Shown as a table in a notebook, as text elsewhere."""

    exercises: tuple[dict[str, Any], ...]

    def __repr__(self) -> str:
        blocks = [
            "\n".join([_title(entry), *(f"  {_line(task)}" for task in entry["tasks"])])
            for entry in self.exercises
        ]
        return "\n\n".join(blocks)

    def _repr_html_(self) -> str:
        return "".join(_table(entry) for entry in self.exercises)


def report(exercise: str | None = None, *, machine: bool = False) -> Report | dict[str, Any]:
    """A summary of this session's attempts.

    Args:
        exercise: such as `"ex03"`; `None` takes those that were begun, or all if none was.
        machine: return plain data (what `save_report` writes) in place of a table.

    Raises:
        KeyError: there is no such exercise; the message lists those that there are.
    """
    summary = Report(tuple(_exercise(name) for name in _wanted(exercise)))
    return {"format": FORMAT, "exercises": list(summary.exercises)} if machine else summary


def save_report(path: str | os.PathLike[str], exercise: str | None = None) -> Path:
    """Write the machine-readable summary as JSON; returns the path. Arguments as in `report`."""
    path = Path(path)
    text = json.dumps(report(exercise, machine=True), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _wanted(exercise: str | None) -> list[str]:
    known = list(dict.fromkeys(task.exercise for task in _tasks()))
    if exercise is None:
        begun = {name.partition(".")[0] for name in _attempts}
        return [name for name in known if name in begun] or known
    if exercise not in known:
        raise KeyError(f"there is no exercise {exercise!r}; choose one of {', '.join(known)}.")
    return [exercise]


def _tasks() -> list[Task]:
    return sorted(TASKS.values(), key=lambda task: task.exercise)  # stable: as written within each


def _exercise(name: str) -> dict[str, Any]:
    tasks = [_task(task) for task in _tasks() if task.exercise == name]
    points, earned = (sum(task[key] for task in tasks) for key in ("points", "earned"))
    return {"exercise": name, "points": points, "earned": earned, "tasks": tasks}


def _task(task: Task) -> dict[str, Any]:
    tried = [f for f in _attempts.get(task.id, []) if f.status != "not attempted"]
    last = _attempts.get(task.id, [])[-1:]
    return {
        "id": task.id,
        "title": task.title,
        "points": task.points,
        "earned": last[0].earned if last else 0,
        "status": last[0].status if last else "not attempted",
        "attempts": len(tried),
        "mistakes": [f.mistake for f in tried if f.mistake],
    }


def _title(entry: dict[str, Any]) -> str:
    return f"Exercise {int(entry['exercise'][2:])}: {entry['earned']} of {entry['points']} points"


def _line(task: dict[str, Any]) -> str:
    sign, words = SIGNS[task["status"]]
    line = f"{sign} {words}: {task['title']} ({task['earned']} of {task['points']})"
    return f"{line}; on the way: {_met(task)}" if task["mistakes"] else line


def _met(task: dict[str, Any]) -> str:
    """The mistakes of a task in words, each once, with how often it was made."""
    counts = Counter(task["mistakes"])
    named = ((name.replace("-", " "), count) for name, count in counts.items())
    return ", ".join(f"{name} ({count} times)" if count > 1 else name for name, count in named)


CELL_STYLE = "padding:.2rem .8rem .2rem 0;text-align:left"
CAPTION_STYLE = "caption-side:top;color:inherit;font-weight:bold;text-align:left"


def _table(entry: dict[str, Any]) -> str:
    head = _row("th", ("Task", "Status", "Points", "Attempts", "Mistakes on the way"))
    body = "".join(_row("td", _columns(task)) for task in entry["tasks"])
    caption = f'<caption style="{CAPTION_STYLE}">{escape(_title(entry))}</caption>'
    table = f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"
    return f'<div class="nst-feedback">{table}</div>'


def _columns(task: dict[str, Any]) -> tuple[str, ...]:
    points = f"{task['earned']} of {task['points']}"
    return task["title"], " ".join(SIGNS[task["status"]]), points, str(task["attempts"]), _met(task)


def _row(tag: str, texts: tuple[str, ...]) -> str:
    cells = "".join(f'<{tag} style="{CELL_STYLE}">{escape(text)}</{tag}>' for text in texts)
    return f"<tr>{cells}</tr>"
