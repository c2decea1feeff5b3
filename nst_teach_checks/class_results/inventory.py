"""The questions of the concept inventory, with their key: what an answer stands for."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("inventory.json")

LETTERS = "abcd"
"""The options of a question, as on the printed sheet."""


@dataclass(frozen=True)
class Option:
    """An option: its text, and the key of the misconception that leads to it; none if right."""

    text: str
    misconception: str | None


@dataclass(frozen=True)
class Question:
    """A question, such as `A07`, which has the same concept and misconceptions as `B07`."""

    name: str
    concept: str
    chapter: int
    outcome: str
    options: tuple[Option, ...]

    @property
    def right(self) -> int:
        """The position of the right option."""
        return [option.misconception for option in self.options].index(None)

    def position(self, answer: str) -> int | None:
        """The option that an answer names by its letter or its text; `None` if it names none."""
        if letter := re.fullmatch(r"([a-d])[.)]?", answer, re.I):
            return LETTERS.index(letter[1].lower())
        texts = [bare(option.text) for option in self.options]
        return texts.index(bare(answer)) if bare(answer) in texts else None


@dataclass(frozen=True)
class Inventory:
    """The names of the misconceptions by their keys, and the questions of each form."""

    misconceptions: dict[str, str]
    forms: dict[str, tuple[Question, ...]]


def bare(text: str) -> str:
    """A text without what programs change in it: spaces, case, marks of formulas and of lists.

    A minus sign is kept: it may be all that tells two options apart.
    """
    text = re.sub(r"^\s*[a-dA-D][).]\s", "", text).replace("−", "-")
    text = re.sub(r"\\(?:tfrac12|sum)", lambda command: {"\\sum": "Σ"}.get(command[0], "½"), text)
    return re.sub(r"[^\w½Σ<>=/.,-]|_", "", text).casefold().rstrip(".")


@functools.cache
def load() -> Inventory:
    """The inventory that this version of the course has."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    forms = {form: tuple(map(_question, entries)) for form, entries in data["forms"].items()}
    return Inventory(data["misconceptions"], forms)


def _question(entry: dict[str, object]) -> Question:
    fields = dict(entry)
    options = fields.pop("options")
    assert isinstance(options, list)
    return Question(options=tuple(Option(*option) for option in options), **fields)  # type: ignore[arg-type]
