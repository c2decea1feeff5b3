"""Every prompt of the chapters, *Try it*, has its answer in the teacher's guide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import guide_parts
import pytest
from conftest import ROOT

TITLE = "What the prompts show"
GUIDE = (ROOT / guide_parts.GUIDE).read_text(encoding="utf-8")
PAGES = {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "book" / "src").glob("*.md"))
    if path.stem == "intro" or path.stem[0].isdigit()
}

PROMPT = re.compile(
    r"^(?:\*\*Try it\.\*\*|:::\{admonition\} Try it\n:class: tip\n)(.+?)(?=\n\n|\n:::|\Z)",
    re.M | re.S,
)
ANSWER = re.compile(r"^- \*(.+?)\*\n? (.+?)(?=\n- |\n\n|\Z)", re.M | re.S)
SHORTEST = 25  # words: what is seen, why, and what a wrong answer shows


@dataclass(frozen=True)
class Answer:
    """An item of the guide: the page it is about, the words it quotes, and what it says."""

    page: str
    quoted: str
    said: str


def flat(text: str) -> str:
    """The words of a text, however its lines are broken."""
    return " ".join(text.split())


def prompts(text: str) -> list[str]:
    """What a page asks its reader to try."""
    return [flat(match[1]) for match in PROMPT.finditer(text)]


def answers(guide: str) -> list[Answer]:
    """The items of the guide's section, each below the heading that links to its page."""
    _, _, section = guide.partition(f"\n## {TITLE}\n")
    found = []
    for part in section.partition("\n## ")[0].split("\n### ")[1:]:
        page = re.match(r".*\]\(chapters/(\w+)\.ipynb\)", part)
        assert page, f"the heading links to no chapter: {part.splitlines()[0]}"
        found += [Answer(page[1], flat(m[1]), flat(m[2])) for m in ANSWER.finditer(part)]
    return found


def unanswered(pages: Mapping[str, str], known: Sequence[Answer]) -> Iterator[str]:
    """The prompts that no answer quotes, or more than one."""
    for page, text in pages.items():
        quoted = [answer.quoted for answer in known if answer.page == page]
        for prompt in prompts(text):
            if sum(words in prompt for words in quoted) != 1:
                yield f"{page}: {prompt}"


KNOWN = answers(GUIDE)


def test_every_prompt_has_its_answer():
    assert list(unanswered(PAGES, KNOWN)) == []


def test_all_prompts_are_read():
    """The test above would pass if prompts were written in another way."""
    for page, text in PAGES.items():
        written = text.count("**Try it") + text.count("{admonition} Try it")
        assert len(prompts(text)) == written, page
    assert sum(len(prompts(text)) for text in PAGES.values()) > 15


@pytest.mark.parametrize("answer", KNOWN, ids=lambda answer: answer.quoted[:40])
def test_an_answer_quotes_its_page(answer):
    """A prompt that is changed needs another look at its answer."""
    assert answer.quoted in flat(PAGES[answer.page])
    assert len(answer.said.split()) >= SHORTEST


NEW = {
    "a paragraph": "\n\n**Try it.** Turn the photograph\nupside down.\n",
    "a box": "\n\n:::{admonition} Try it\n:class: tip\nTurn the photograph\nupside down.\n:::\n",
}


@pytest.mark.parametrize("new", NEW)
def test_a_prompt_without_an_answer_would_be_noticed(new):
    page = next(iter(PAGES))
    pages = PAGES | {page: PAGES[page] + NEW[new]}
    assert list(unanswered(pages, KNOWN)) == [f"{page}: Turn the photograph upside down."]


@pytest.mark.parametrize("place", range(len(KNOWN)))
def test_an_answer_left_out_would_be_noticed(place):
    """Unless it answers a question that is no prompt, such as those about the intro's picture."""
    left_out = KNOWN[place]
    asked = any(left_out.quoted in prompt for prompt in prompts(PAGES[left_out.page]))
    assert len(list(unanswered(PAGES, KNOWN[:place] + KNOWN[place + 1 :]))) == asked
