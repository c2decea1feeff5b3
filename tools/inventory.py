"""Write the concept inventory: its page, its printable sheets, its files for Moodle and Canvas,
the key that `nst-teach class` reads, and examples of the files of answers that it takes.

    python tools/inventory.py            write the files that changed
    python tools/inventory.py --check    write nothing; fail if the source is faulty or a file stale

The one source is book/inventory.yml, and the formats are those of tools/inventory_formats.py and
tools/inventory_qti.py. In each form the correct options are spread equally over the four
positions, in an order that depends on the name of the form alone. The list of misconceptions in
book/teaching.md is written as well.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import inventory_formats as formats
import inventory_qti
import yaml
from guide_parts import GUIDE, GuideError, with_part
from inventory_formats import FORMS, Inventory, Misconception, Option, Question

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "book/inventory.yml"
DOWNLOADS = "book/_static/inventory"
KEY = "nst_teach_checks/class_results/inventory.json"
"""What `nst-teach class` reads: the options in the order of the forms, and what each stands for."""

RIGHT = "right"
OPTIONS = 4
CHAPTERS = range(1, 13)
"""The chapters that teach; each is the subject of a concept."""


class InventoryError(ValueError):
    """A source that is not a sound inventory; the message has a line for each problem."""


def read(root: Path = ROOT) -> Inventory:
    """The inventory in `root`. Raises `InventoryError`, which names everything that is wrong."""
    data = yaml.safe_load((root / SOURCE).read_text(encoding="utf-8"))
    if found := list(problems(data)):
        raise InventoryError("\n".join(f"{SOURCE}: {problem}" for problem in found))
    return inventory(data)


# What a sound source is


def problems(data: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a source, one line for each fault, with its place and the remedy."""
    concepts, known = data["concepts"], data["misconceptions"]
    for key, times in Counter(concept["key"] for concept in concepts).items():
        if times > 1:
            yield f"{key}: the key of {times} concepts; each needs its own."
    for concept in concepts:
        yield from _problems_of_concept(concept, set(known))
    for key in sorted(set(known) - used(concepts)):
        yield f"misconception {key}: no option leads to it; use it or remove it."
    for chapter in CHAPTERS:
        if all(concept["chapter"] != chapter for concept in concepts):
            yield f"chapter {chapter}: no concept; add one."
    if len(concepts) % OPTIONS:
        yield (
            f"{len(concepts)} concepts; their number must be a multiple of {OPTIONS}, so that each "
            "position has the same number of correct options."
        )


def _problems_of_concept(concept: dict[str, Any], known: set[str]) -> Iterator[str]:
    """What is wrong with the two questions of a concept, and with them as a pair."""
    key = concept["key"]
    if missing := {"concept", "chapter", "outcome"} - concept.keys():
        yield f"{key}: lacks {', '.join(sorted(missing))}."
    present = [form for form in FORMS if form in concept]
    for form in FORMS:
        if form not in present:
            yield f"{key}: has no question in form {form}; write one parallel to the other form."
    for form in present:
        yield from _problems_of_question(concept[form], f"{key}, form {form}", known)
    asked = [{option["is"] for option in concept[form]["options"]} for form in present]
    if any(keys != asked[0] for keys in asked):
        yield f"{key}: its forms test different misconceptions; parallel questions test the same."


def _problems_of_question(question: dict[str, Any], place: str, known: set[str]) -> Iterator[str]:
    """What is wrong with one question."""
    options = question["options"]
    if len(options) != OPTIONS:
        yield f"{place}: {len(options)} options; write {OPTIONS}."
    for option in options:
        for part in ("is", "text", "why"):
            if not isinstance(option.get(part), str) or not option[part].strip():
                yield f"{place}: an option without '{part}' as text; numbers need quotes."
    if (rights := sum(option.get("is") == RIGHT for option in options)) != 1:
        yield f"{place}: {rights} correct options; exactly one must be '{RIGHT}'."
    for part, what in (("text", "option"), ("is", "misconception")):
        for value, times in Counter(str(option.get(part)) for option in options).items():
            if times > 1 and value != RIGHT:
                yield f"{place}: {times} times the {what} '{value}'; each must differ."
    for option in options:
        if option.get("is") not in known | {RIGHT}:
            yield f"{place}: unknown misconception '{option.get('is')}'; add it or correct the key."


def used(concepts: list[dict[str, Any]]) -> set[str]:
    """The keys of the misconceptions that some option leads to."""
    return {
        option.get("is")
        for concept in concepts
        for form in FORMS
        for option in concept.get(form, {}).get("options", ())
    } - {RIGHT}


# From the source to questions in order


def inventory(data: dict[str, Any]) -> Inventory:
    """The inventory that a sound source describes, with its options in their final order."""
    misconceptions = {
        key: Misconception(key, entry["name"], entry["belief"])
        for key, entry in data["misconceptions"].items()
    }
    forms = {form: _questions(data["concepts"], form, misconceptions) for form in FORMS}
    return Inventory(misconceptions, forms)


def _questions(
    concepts: list[dict[str, Any]], form: str, misconceptions: dict[str, Misconception]
) -> list[Question]:
    """The questions of a form. Each position holds the correct option equally often."""
    order = random.Random(f"concept inventory, form {form}")
    positions = list(range(OPTIONS)) * (len(concepts) // OPTIONS)
    order.shuffle(positions)
    questions = []
    for number, (concept, position) in enumerate(zip(concepts, positions, strict=True), start=1):
        options = [
            Option(entry["text"], entry["why"], misconceptions.get(entry["is"]))
            for entry in concept[form]["options"]
        ]
        wrong = [option for option in options if not option.right]
        order.shuffle(wrong)
        wrong.insert(position, next(option for option in options if option.right))
        questions.append(
            Question(
                name=f"{form}{number:02d}",
                concept=concept["concept"],
                chapter=concept["chapter"],
                outcome=concept["outcome"],
                stem=concept[form]["stem"],
                options=tuple(wrong),
            )
        )
    return questions


# Files


def expected(root: Path = ROOT) -> dict[Path, bytes]:
    """Every file that the source stands for, and its content."""
    content = read(root)
    chapters = {
        int(path.name[:2]): f"chapters/{path.stem}.ipynb"
        for path in sorted((root / "book/src").glob("[0-9][0-9]_*.md"))
    }
    texts = {root / "book/inventory.md": formats.page(content, chapters)}
    packages = {}
    for form, questions in content.forms.items():
        stem = root / DOWNLOADS / f"form_{form.lower()}"
        texts[stem.with_suffix(".gift")] = formats.gift(questions, form)
        texts[stem.with_suffix(".html")] = formats.sheet(questions, form)
        packages[stem.with_suffix(".zip")] = inventory_qti.package(questions, form)
    for form, name in zip(content.forms, ("before", "after"), strict=True):
        texts[root / DOWNLOADS / f"{name}.csv"] = formats.answers(content.forms[form])
    texts[root / KEY] = formats.key(content)
    guide = root / GUIDE
    misconceptions = formats.misconceptions(content)
    name = Path(SOURCE).name
    texts[guide] = with_part(guide.read_text(encoding="utf-8"), name, misconceptions)
    return {path: text.encode() for path, text in texts.items()} | packages


def stale(root: Path = ROOT) -> list[Path]:
    """Files that are missing, or that differ from what the source gives."""
    return [
        path
        for path, content in expected(root).items()
        if not path.exists() or path.read_bytes() != content
    ]


def write(root: Path = ROOT) -> list[Path]:
    """Write the files that changed, and return their paths."""
    files, changed = expected(root), stale(root)
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[path])
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the return value is the exit status."""
    parser = argparse.ArgumentParser(description="Write the files of the concept inventory.")
    parser.add_argument("--check", action="store_true", help="write nothing, report what is wrong")
    options = parser.parse_args(arguments)
    try:
        changed = [path.relative_to(ROOT) for path in (stale() if options.check else write())]
    except (InventoryError, GuideError) as error:
        print(error, file=sys.stderr)
        return 1
    for path in changed:
        if options.check:
            print(f"{path}: not what {SOURCE} gives", file=sys.stderr)
        else:
            print(f"wrote {path}")
    if changed and options.check:
        print("Run: python tools/inventory.py", file=sys.stderr)
    return int(bool(changed) and options.check)


if __name__ == "__main__":
    sys.exit(main())
