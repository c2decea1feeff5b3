"""Three sheets of one page each, made of pages of the built book: `tools/pdf.py` prints them.

Notation and formulas come from the page of that name, the API from the first sentences of its
page, and the remedies from the page on troubleshooting. Nothing is written here a second time.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bs4 import Tag
from slide_pieces import Page, heading_of, sentences, text_of

NOTATION, API, TROUBLE = (
    "book/notation.html",
    "book/chapters/api.html",
    "book/troubleshooting.html",
)

IDENTITIES = "identities-to-check-against"
LEFT_OUT = ("letters-of-a-single-chapter", "references")
"""Sections of the page on notation that are for looking up in the book."""

OWN = "nst_teach."
MODULES = ("", "samples.", "plots.", "player.", "feedforward.", "video.", "clips.", "film.")
"""The package, and those of its modules whose functions a reader calls; others are its parts."""

LABEL = "<strong>Cure.</strong>"
SENTENCES = 2  # of a paragraph, as much as the sheets have room for

ARGUMENTS = 48  # characters; more than that are in the book

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="stylesheet" href="_static/print/print.css">
<script src="_static/print/print.js" defer></script>
<script src="_static/vendor/mathjax/tex-mml-chtml.js" defer></script>
</head>
<body>
<main class="sheet" style="--columns: {columns}">
<h1>{title}</h1>
<div class="columns">
{body}
</div>
<p class="imprint">Painting with Gradients. {note}</p>
</main>
</body>
</html>
"""


def pages(site: Path) -> Iterator[tuple[str, str]]:
    """The sheets: the name of each file, and the page to print."""
    yield (
        "notation.pdf",
        PAGE.format(
            title="Notation and formulas",
            columns=2,
            body=notation(Page(site, NOTATION)),
            note="The letters that a single chapter uses are in the book.",
        ),
    )
    yield (
        "api.pdf",
        PAGE.format(
            title="The package on one page",
            columns=3,
            body=api(Page(site, API)),
            note="All are imported from nst_teach, or from its module that stands before the name. "
            "All arguments are in the book, and in help(name).",
        ),
    )
    yield (
        "troubleshooting.pdf",
        PAGE.format(
            title="My result is …",
            columns=3,
            body=troubleshooting(Page(site, TROUBLE)),
            note="Reasons, and code for each remedy, are in the book.",
        ),
    )


def chapters(page: Page) -> Iterator[Tag]:
    """The sections of a page, below its title."""
    yield from page.article.select("article > section > section, article > .section > .section")


def listed(page: Page, entries: Callable[[Tag], Iterable[str]]) -> str:
    """The heading of each section that has entries, and these; an empty text is none."""
    found = []
    for section in chapters(page):
        if lines := list(filter(None, entries(section))):
            found += [f"<h2>{html.escape(heading_of(section))}</h2>", *lines]
    return "\n".join(found)


def notation(page: Page) -> str:
    """Tables and formulas; of the identities, each with the words that name it."""

    def entries(section: Tag) -> Iterator[str]:
        if section.get("id") in LEFT_OUT:
            return
        for part in section.find_all(True, recursive=False):
            if "math" in part.get("class", ()) or part.find("table") is not None:
                yield str(page.copy(part))
            elif part.name == "p" and section.get("id") == IDENTITIES and part.find("strong"):
                yield f"<p>{' '.join(sentences(page.copy(part))[:SENTENCES])}</p>"

    return listed(page, entries)


def api(page: Page) -> str:
    """Every function and class with the first sentence of its description."""
    return listed(page, lambda section: (described(page, e) for e in section.select("dl.py")))


def described(page: Page, entry: Tag) -> str:
    """A line about a function or a class; nothing about what belongs to a class."""
    if entry.find_parent("dl", class_="py") or not {"function", "class"} & set(entry["class"]):
        return ""
    name, module = entry.select_one(".descname"), entry.select_one(".descclassname")
    said = entry.select_one(":scope > dd > p")
    if name is None or said is None:
        return ""
    prefix = text_of(module).removeprefix(OWN) if module else ""
    if prefix not in MODULES:
        return ""
    call = f"({arguments(entry)})" if "function" in entry["class"] else ""
    first = sentences(page.copy(said))[0]
    return f"<p class='entry'><code>{prefix}<b>{text_of(name)}</b>{call}</code> {first}</p>"


def arguments(entry: Tag) -> str:
    """The names of a function's arguments, as far as there is room."""
    names = [text_of(one.select_one(".n") or one) for one in entry.select("dt em.sig-param")]
    shown = ", ".join(names)
    return shown if len(shown) <= ARGUMENTS else shown[:ARGUMENTS].rpartition(",")[0] + ", …"


def troubleshooting(page: Page) -> str:
    """Each symptom with the first sentence of its reason and of its cure."""
    return listed(page, lambda section: (remedy(page, s) for s in section.find_all("section")))


def remedy(page: Page, entry: Tag) -> str:
    """A symptom and its cure."""
    for paragraph in entry.find_all("p", recursive=False):
        words = sentences(page.copy(paragraph))
        if words and words[0].startswith(LABEL):
            said = words[: SENTENCES + (words[0] == LABEL)]
            if said[-1].endswith(":"):  # the code that follows is in the book
                said = said[:-1]
            cure = " ".join(said).removeprefix(LABEL).strip()
            symptom = html.escape(heading_of(entry), quote=False)
            return f"<p class='entry'><b>{symptom}</b> {cure}</p>"
    return ""
