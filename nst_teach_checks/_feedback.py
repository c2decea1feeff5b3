"""What a student is told: friendly HTML in a notebook, plain text elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Literal

from nst_teach import source

Status = Literal["passed", "rejected", "not attempted"]

SIGNS: dict[Status, tuple[str, str]] = {
    "passed": ("✓", "Passed"),
    "rejected": ("✗", "Not yet"),
    "not attempted": ("○", "Not attempted yet"),
}
"""A sign and words for each status, so that colour is never the only difference."""

# Mid-tones: seen on a white page and on a dark one. The words keep the page's own colour.
COLOURS: dict[Status, str] = {
    "passed": "#2f8f5b",
    "rejected": "#d0563c",
    "not attempted": "#8a8f98",
}

REREAD = "Reread"
BOX = "border-left:.3rem solid {};padding:.3rem .9rem;margin:.3rem 0;color:inherit;line-height:1.5"
PRINTED_STYLE = "margin:.2rem 0;padding:0;background:none;color:inherit;white-space:pre-wrap"


@dataclass(frozen=True)
class Reread:
    """A section of a chapter: the stem of its file, such as "03_content_loss", and its heading."""

    chapter: str
    heading: str

    def __str__(self) -> str:
        return f"chapter {int(self.chapter.partition('_')[0])}, “{self.heading}”"

    @property
    def address(self) -> str:
        """The chapter beside this notebook where there is one, else in the public repository."""
        page = f"book/chapters/{self.chapter}.ipynb"
        beside = (folder for folder in ("..", "../..") if Path(folder, page).exists())
        root = next(beside, f"{source.address()}/blob/main" if source.address() else "..")
        return f"{root}/{page}#{self.heading.replace(' ', '-')}"


@dataclass(frozen=True)
class Feedback:
    """What a check has found.

    Attributes:
        task: which task, such as `"ex03.content_loss"`.
        title: its title.
        points: what it is worth.
        status: `"passed"`, `"rejected"` or `"not attempted"`.
        mistake: the name of the mistake, for a rejected answer.
        seen: what the check saw.
        hint: what to think about.
        reread: the section of the book that explains it.
        seed: of the random inputs; hand it to the check to get the same ones again.
        printed: what the student's function printed.
    """

    task: str
    title: str
    points: int
    status: Status
    mistake: str = ""
    seen: str = ""
    hint: str = ""
    reread: Reread | None = field(default=None, repr=False)
    seed: int = 0
    printed: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.status == "passed"

    @property
    def earned(self) -> int:
        """Points for this answer, all or none."""
        return self.points if self.passed else 0

    def __repr__(self) -> str:
        sign, words = SIGNS[self.status]
        lines = [f"{sign} {words}: {self.title} ({self._score()})"]
        lines += [f"  {name}: {text}" for name, text in self._rows()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        sign, words = SIGNS[self.status]
        rows = "".join(
            f"<div><b>{name}:</b> {self._link() if name == REREAD else _html(text)}</div>"
            for name, text in self._rows()
        )
        return (
            f'<div class="nst-feedback" role="status" style="{BOX.format(COLOURS[self.status])}">'
            f'<div><b><span aria-hidden="true">{sign}</span> {words}:</b> {escape(self.title)} '
            f"<small>({self._score()})</small></div>{rows}</div>"
        )

    def _link(self) -> str:
        address = escape(self.reread.address if self.reread else "")
        name = escape(str(self.reread))
        return f'<a href="{address}" style="color:inherit;text-decoration:underline">{name}</a>'

    def _score(self) -> str:
        unit = "point" if self.points == 1 else "points"
        return f"{self.points} {unit}" if self.passed else f"{self.earned} of {self.points} {unit}"

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("Your function printed", self.printed.rstrip())]
        if self.status == "rejected":
            again = f"add seed={self.seed} to the call of the check"
            rows = [("What the check saw", self.seen), ("Hint", self.hint), *rows]
            rows += [(REREAD, str(self.reread or "")), ("To repeat it with the same inputs", again)]
        return [(name, text) for name, text in rows if text]


def _html(text: str) -> str:
    if "\n" not in text:
        return escape(text)
    return f'<pre style="{PRINTED_STYLE}">{escape(text)}</pre>'
