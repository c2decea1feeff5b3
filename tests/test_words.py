"""No page, exercise or module uses the words that CONTRIBUTING.md replaces (section "Words")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "CONTRIBUTING.md"
PLACES = (
    "README.md",
    "CONTRIBUTING.md",
    "book/*.md",
    "book/src/*.md",
    "exercises/README.md",
    "exercises/src/*.md",
    "nst_teach/**/*.py",
    "nst_teach/studio_controls.json",
    "nst_teach_checks/**/*.py",
)
ROW = re.compile(r"^\| (?P<words>.+?) \| .+ \|$", re.M)


def table(guide: str) -> str:
    """The table of the section "Words"."""
    section = re.search(r"^## Words\n(.*?)^## ", guide, re.M | re.S)
    assert section, f"{GUIDE.name} has no section 'Words'"
    rows = re.search(r"(^\|.*\|\n)+", section[1], re.M)
    assert rows, f"the section 'Words' of {GUIDE.name} has no table"
    return rows[0]


def replaced_words(guide: str) -> list[str]:
    """The left column of the table, without its head and its rule."""
    cells = [row["words"] for row in ROW.finditer(table(guide))][2:]
    return [word.strip() for cell in cells for word in cell.split(",")]


def pattern(words: list[str]) -> re.Pattern[str]:
    """Any of these words or phrases as a whole, whatever the case and the line breaks."""
    phrases = (r"\s+".join(map(re.escape, word.split())) for word in words)
    return re.compile(rf"\b({'|'.join(phrases)})\b", re.I)


def found(text: str, words: list[str]) -> Iterator[tuple[int, str]]:
    """Each replaced word in a text, with the number of its line."""
    for hit in pattern(words).finditer(text):
        yield text.count("\n", 0, hit.start()) + 1, " ".join(hit[0].split())


def readable(path: Path) -> str:
    """The text of a file; the table itself is blanked out."""
    text = path.read_text(encoding="utf-8")
    if path != GUIDE:
        return text
    rows = table(text)
    return text.replace(rows, "\n" * rows.count("\n"))


WORDS = replaced_words(GUIDE.read_text(encoding="utf-8"))
PATHS = sorted(path for place in PLACES for path in ROOT.glob(place))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_replaced_word_is_used(path):
    hits = [f"line {line}: {word}" for line, word in found(readable(path), WORDS)]
    assert not hits, f"replaced words (CONTRIBUTING.md, 'Words') in {path.name}: {'; '.join(hits)}"


def test_the_table_is_read():
    assert {"walker", "has no say", "chequered"} <= set(WORDS)
    assert not {"not", "---", ""} & set(WORDS)
    assert len(WORDS) == len(set(WORDS))


@pytest.mark.parametrize("word", WORDS)
def test_every_replaced_word_would_be_found(word):
    text = f"One line.\nHere {word.capitalize()}, again.\n"
    assert (2, word.capitalize()) in list(found(text, WORDS))


def test_words_are_found_whole_and_across_a_line_break():
    assert list(found("Content has\nno  say here.", ["has no say"])) == [(1, "has no say")]
    assert not list(found("walkers, sidewalk, a_walker", ["walker"]))


def test_the_table_may_name_what_it_replaces_but_nothing_else_in_the_guide_may():
    assert not list(found(readable(GUIDE), WORDS))
    assert "walker" in GUIDE.read_text(encoding="utf-8")
