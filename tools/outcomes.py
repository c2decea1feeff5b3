"""Write the table "Outcome by outcome" of the teacher's guide: taught, practised and tested where.

    python tools/outcomes.py            write the table
    python tools/outcomes.py --check    write nothing; fail if the source or the table is not right

The one source is book/outcomes.yml. It is compared with the chapters' promises, headings and
self-checks, with the tasks of the exercises and with the concept inventory.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from guide_parts import GUIDE, GuideError, with_part

import nst_teach_checks as checks
from nst_teach_checks.class_results.inventory import load

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "book/outcomes.yml"

PROMISE = "**You will be able to**"
CHECK = "check"
"""Tested by the check of its task alone."""

TASK = re.compile(r"ex\d\d\.\w+")
BETWEEN = re.compile(r"[;,.\s]|\band\b")
"""What may stand between the outcomes of a promise."""


class OutcomesError(ValueError):
    """A source that does not fit the course; the message has a line for each problem."""


@dataclass(frozen=True)
class Outcome:
    """What students can do, and the names of where it is taught, practised and tested."""

    chapter: int
    can: str
    taught: tuple[str, ...]
    practised: tuple[str, ...]
    tested: tuple[str, ...]
    open: str


@dataclass(frozen=True)
class Course:
    """What there is: chapters, tasks and concepts, as far as an outcome can name them."""

    files: dict[int, Path]
    promises: dict[int, str]
    headings: dict[int, set[str]]
    questions: dict[int, int]
    tasks: dict[str, int]
    concepts: dict[str, int]
    wanted: frozenset[str]


def read(root: Path = ROOT) -> list[Outcome]:
    """The outcomes, in the order of the chapters."""
    data = yaml.safe_load((root / SOURCE).read_text(encoding="utf-8"))
    return [_outcome(chapter, entry) for chapter, entries in data.items() for entry in entries]


def _outcome(chapter: int, entry: dict[str, Any]) -> Outcome:
    names = {key: tuple(map(str, entry.get(key, ()))) for key in ("taught", "practised", "tested")}
    return Outcome(chapter, entry["can"], **names, open=entry.get("open", ""))


def course(root: Path = ROOT) -> Course:
    """The course, as its sources describe it."""
    files = {int(p.name[:2]): p for p in sorted((root / "book/src").glob("[0-9][0-9]_*.md"))}
    texts = {number: path.read_text(encoding="utf-8") for number, path in files.items()}
    concepts = yaml.safe_load((root / "book/inventory.yml").read_text(encoding="utf-8"))["concepts"]
    return Course(
        files=files,
        promises={number: promise(text) for number, text in texts.items()},
        headings={number: headings(text) for number, text in texts.items()},
        questions={number: self_checks(text) for number, text in texts.items()},
        tasks=tasks(),
        concepts={concept["key"]: place for place, concept in enumerate(concepts, start=1)},
        wanted=frozenset(question.outcome for question in load().forms["A"]),
    )


def promise(text: str) -> str:
    """What a chapter says that its readers will be able to do, on one line."""
    paragraph = text.partition(PROMISE)[2].partition("\n\n")[0]
    return " ".join(paragraph.split())


def headings(text: str) -> set[str]:
    """The headings of a chapter below its title."""
    without_code = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return set(re.findall(r"^##+ (.+)$", without_code, re.M))


def self_checks(text: str) -> int:
    """How many questions the self-check of a chapter has."""
    section = re.split(r"^## (?!Self-check)", text.partition("\n## Self-check")[2], flags=re.M)[0]
    return len(re.findall(r"^\*\*", section, re.M))


def tasks() -> dict[str, int]:
    """The number of each task within its exercise, by its id."""
    reports = [checks.report(name, machine=True)["exercises"][0] for name in checks.EXERCISES]
    return {task["id"]: number for e in reports for number, task in enumerate(e["tasks"], start=1)}


# Is anything missing?


def problems(outcomes: list[Outcome], known: Course) -> Iterator[str]:
    """What is wrong or missing, one line for each fault."""
    for outcome in outcomes:
        yield from _problems_of(outcome, known)
    for chapter, words in known.promises.items():
        rest = words
        for outcome in outcomes:
            if outcome.chapter == chapter:
                rest = rest.replace(outcome.can, "", 1)
        if left := BETWEEN.sub(" ", rest).strip():
            yield f"chapter {chapter} promises '{' '.join(left.split())}', which no outcome has."
    practised = {name for outcome in outcomes for name in outcome.practised}
    yield from (f"task {task}: no outcome has it." for task in known.tasks.keys() - practised)
    tested = {name for outcome in outcomes for name in outcome.tested}
    yield from (f"concept {key}: no outcome has it." for key in known.concepts.keys() - tested)


def _problems_of(outcome: Outcome, known: Course) -> Iterator[str]:
    """What is wrong with an outcome, or missing."""
    place = f"chapter {outcome.chapter}, '{outcome.can}'"
    if outcome.can not in known.promises[outcome.chapter] and outcome.can not in known.wanted:
        yield f"{place}: neither in the chapter's promise nor an outcome of the inventory."
    for part, names in (("taught", outcome.taught), ("practised", outcome.practised)):
        if not names:
            yield f"{place}: nowhere {part}."
        for name in names:
            if name not in known.headings[outcome.chapter] and name not in known.tasks:
                yield f"{place}: {part} at '{name}', which is no heading of the chapter, no task."
    if bool(outcome.tested) == bool(outcome.open):
        yield f"{place}: needs either 'tested' or 'open', which says what to ask."
    for name in outcome.tested:
        chapter, _, number = name.partition(".")
        if name == CHECK:
            if not any(map(TASK.fullmatch, outcome.practised)):
                yield f"{place}: tested by the check of a task, but it has no task."
        elif number:
            if not 1 <= int(number) <= known.questions.get(int(chapter), 0):
                yield f"{place}: the self-check of chapter {chapter} has no question {number}."
        elif name not in known.concepts:
            yield f"{place}: tested by '{name}', which is no concept of the inventory."


# The table


def table(outcomes: list[Outcome], known: Course) -> str:
    """The outcomes as a table in Markdown, a row for each."""
    rows = ["| they can | taught | practised | tested |", "| --- | --- | --- | --- |"]
    chapter = 0
    for outcome in outcomes:
        if outcome.chapter != chapter:
            chapter = outcome.chapter
            page = f"chapters/{known.files[chapter].stem}.ipynb"
            rows.append(f"| **[chapter {chapter}]({page})** | | | |")
        cells = (outcome.can, "; ".join(outcome.taught), practised(outcome, known),
                 tested(outcome, known))  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def practised(outcome: Outcome, known: Course) -> str:
    """Tasks by their numbers, and where on the page readers do it."""
    found: dict[int, list[int]] = defaultdict(list)
    for name in filter(TASK.fullmatch, outcome.practised):
        found[int(name[2:4])].append(known.tasks[name])
    parts = [
        f"exercise {exercise}, {counted('task', numbers)}" for exercise, numbers in found.items()
    ]
    if any(not TASK.fullmatch(name) for name in outcome.practised):
        sections = [name for name in outcome.practised if name not in outcome.taught]
        parts.append(f"on the page{': ' if sections else ''}{'; '.join(sections)}")
    return "; ".join(parts)


def tested(outcome: Outcome, known: Course) -> str:
    """Questions of the inventory and of self-checks by their numbers, or what to ask."""
    if outcome.open:
        return f"ask for {outcome.open}"
    parts = []
    if inventory := [known.concepts[name] for name in outcome.tested if name in known.concepts]:
        parts.append(f"inventory {', '.join(map(str, inventory))}")
    if own := [name for name in outcome.tested if "." in name]:
        parts.append(f"self-check {', '.join(own)}")
    if CHECK in outcome.tested:
        parts.append("the check of its task")
    return "; ".join(parts)


def counted(word: str, numbers: list[int]) -> str:
    """`task 2`, or `tasks 2, 3`."""
    return f"{word}{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


# Files


def expected(root: Path = ROOT) -> str:
    """The teacher's guide with the table of the source. Raises `OutcomesError` for a faulty one."""
    outcomes, known = read(root), course(root)
    if found := sorted(problems(outcomes, known)):
        raise OutcomesError("\n".join(f"{SOURCE}: {problem}" for problem in found))
    guide = (root / GUIDE).read_text(encoding="utf-8")
    return with_part(guide, Path(SOURCE).name, table(outcomes, known))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the return value is the exit status."""
    parser = argparse.ArgumentParser(description="Write the table of the outcomes.")
    parser.add_argument("--check", action="store_true", help="write nothing, report what is wrong")
    options = parser.parse_args(arguments)
    guide = ROOT / GUIDE
    try:
        text = expected()
    except (OutcomesError, GuideError) as error:
        print(error, file=sys.stderr)
        return 1
    if text == guide.read_text(encoding="utf-8"):
        return 0
    if options.check:
        print(f"{GUIDE}: not what {SOURCE} gives; run: python tools/outcomes.py", file=sys.stderr)
        return 1
    guide.write_text(text, encoding="utf-8")
    print(f"wrote {GUIDE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
