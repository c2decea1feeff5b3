"""The pieces of the built book that become slides: formulas, code, figures, predictions, answers.

A piece is copied as it is rendered on its page, with addresses that are right in the folder of the
slides. `slide_plans` puts the pieces in order.
"""

from __future__ import annotations

import copy
import html
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from bs4 import BeautifulSoup, Comment, NavigableString, Tag

FOLDER = "slides"
"""The folder of the slides in the built book."""

SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z“\"(])")
SENTENCE_OVER = re.compile(r"[.?!]\s+$")

SHOWS = re.compile(r"^(def|assert|class|    assert)\b", re.M)
"""What makes a cell without output worth a slide."""

CODE_LINES = 16  # what can be read from the last row
CODE_SLIDES = 2  # of a section; the others are on its page
TABLE_ROWS = 11
CAPTION = 240  # characters; what is left of a caption goes to the notes
KEY_SENTENCES = 4

LATER = "<p>The answer is further down in the chapter.</p>"

FIRST = "Look at this first"
"""The title of a figure that a question of a self-check speaks of."""


class SlidesError(RuntimeError):
    """The book lacks what a plan names; the message says what, and where it is named."""


@dataclass(frozen=True)
class Slide:
    """One slide: a kind (a CSS class), a title, and HTML for the screen and for the speaker."""

    kind: str
    title: str
    body: str
    notes: str = ""
    source: str = ""


# Pages


class Page:
    """A built page, whose pieces can be copied into a slide."""

    def __init__(self, site: Path, name: str) -> None:
        file = site / name
        if not file.is_file():
            raise SlidesError(f"there is no page {name} in {site}; run `make book` first.")
        self.name = name
        soup = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        self.article = soup.find("article") or soup

    def find(self, anchor: str) -> Tag:
        """The element with this id."""
        found = self.article.find(id=anchor)
        if not isinstance(found, Tag):
            raise SlidesError(f"{self.name} has nothing with the name '{anchor}'.")
        return found

    def title(self) -> str:
        """The page's title, without its number."""
        return text_of(self.article.find("h1"))

    def copy(self, tag: Tag) -> Tag:
        """A copy for a slide: addresses seen from there, no names, no marks of footnotes."""
        made = copy.copy(tag)
        for mark in made.select("a.footnote-reference"):
            before, after = mark.previous_sibling, mark.next_sibling
            if isinstance(before, NavigableString):
                stops_twice = before.endswith(". ") and str(after).startswith(".")
                before.replace_with(before.rstrip(" ." if stops_twice else None))
        for extra in made.select("a.headerlink, a.footnote-reference, .caption-number, script"):
            extra.decompose()
        for element in (made, *made.find_all(True)):
            element.attrs.pop("id", None)
            for attribute in ("src", "href", "poster"):
                if attribute in element.attrs:
                    element[attribute] = self.seen_from_slides(element[attribute])
        return made

    def html(self, tag: Tag) -> str:
        """The inside of an element, as HTML for a slide."""
        return self.copy(tag).decode_contents().strip()

    def seen_from_slides(self, address: str) -> str:
        """An address on this page, as it is written in the folder of the slides."""
        if urlsplit(address).scheme or urlsplit(address).netloc:
            return address
        path, anchor = urldefrag(address)
        target = posixpath.join(posixpath.dirname(self.name), path) if path else self.name
        seen = posixpath.relpath(target, FOLDER)
        return f"{seen}#{anchor}" if anchor else seen


def text_of(tag: Tag | None) -> str:
    """The words of a heading, without its number and its link."""
    if tag is None:
        return ""
    made = copy.copy(tag)
    for extra in made.select(".headerlink, .section-number"):
        extra.decompose()
    return " ".join(made.get_text().split())


def heading_of(tag: Tag) -> str:
    """The heading of the section around an element."""
    section = tag if tag.name == "section" else tag.find_parent("section")
    return text_of(section.find(re.compile("^h[1-4]$"))) if section else ""


def sentences(paragraph: Tag) -> list[str]:
    """The sentences of a copied paragraph as HTML; what is inside an element is never divided."""
    found = [""]
    for part in paragraph.children:
        if isinstance(part, Comment):
            continue
        if not isinstance(part, NavigableString):
            found[-1] += str(part)
            continue
        first, *rest = SENTENCE_END.split(html.escape(str(part), quote=False))
        found[-1] += first
        found += rest
        if SENTENCE_OVER.search(part):
            found.append("")
    whole = [re.sub(r"(\bal\.(</\w+>)*)\s*\.$", r"\1", sentence.strip()) for sentence in found]
    return [sentence for sentence in whole if sentence]


def capitalised(words: str) -> str:
    """A phrase with a capital at its beginning."""
    first, rest = words.strip()[:1], words.strip()[1:]
    return (first.upper() if first.isascii() else first) + rest  # β is not the beginning of Β


# Pieces of a chapter


def is_predict(paragraph: Tag) -> bool:
    """Whether a paragraph asks its reader for a prediction."""
    return paragraph.name == "p" and "Predict" in paragraph.get_text()


def question_of(page: Page, paragraph: Tag) -> str:
    """The question in a paragraph: all that follows from the word *Predict*."""
    parts = sentences(page.copy(paragraph))
    asked = parts[next(n for n, part in enumerate(parts) if "Predict" in part) :]
    if not asked[-1].endswith(":"):
        question = " ".join(asked)
    elif listed := following(paragraph, ("ul", "ol")):
        question = " ".join(asked) + str(page.copy(listed))
    else:  # what comes then is the answer
        question = " ".join(asked[:-1] or asked)
    return capitalised(re.sub(r"^<strong>Predict[:.]</strong>", "", question))


def following(tag: Tag, names: Iterable[str]) -> Tag | None:
    """The next sibling, if it is one of these elements and no cell."""
    after = tag.find_next_sibling()
    if after is None or after.name not in names or "cell" in after.get("class", ()):
        return None
    return after


def is_figure(tag: Tag) -> bool:
    """Whether an element is, or shows, a figure with a name."""
    return tag.name == "figure" or tag.find("figure", id=True) is not None


def block_of(figure: Tag) -> Tag:
    """The child of the section in which a figure is shown: the whole cell, where a cell drew it."""
    block = figure
    while block.parent is not None and block.parent.name not in ("section", "article"):
        block = block.parent
    return block


def asked_before(figure: Tag) -> Tag | None:
    """The prediction that belongs to a figure: the last one between it and the previous figure."""
    for before in block_of(figure).find_previous_siblings():
        if is_figure(before):
            return None
        if is_predict(before):
            return before
    return None


def explained(page: Page, tag: Tag) -> str:
    """What the chapter says after a figure: up to two paragraphs, for the notes."""
    said: list[str] = []
    for after in block_of(tag).find_next_siblings():
        if after.name == "section" or is_figure(after) or len(said) == 2:
            break
        if after.name == "p" and not is_predict(after):
            said.append(str(page.copy(after)))
    return "".join(said)


def figure_slide(page: Page, figure: Tag, title: str = "") -> Slide:
    """A figure as large as the slide allows, and its caption."""
    shown = page.copy(figure)
    picture = shown.find(["img", "svg", "video"])
    for attribute in ("style", "class", "width", "height"):  # the size that suited a page
        picture.attrs.pop(attribute, None)
    caption = shown.select_one(".caption-text")
    said = sentences(caption) if caption else []
    short = said[:2] if sum(map(len, said[:2])) <= CAPTION else said[:1]
    words = f"<p class='caption'>{' '.join(short)}</p>" if short else ""
    more = f"<p>{' '.join(said[len(short) :])}</p>" if said[len(short) :] else ""
    body = f"<div class='picture'>{picture}</div>{words}"
    anchor = figure.get("id", "")
    source = page.seen_from_slides(f"#{anchor}")
    return Slide(
        "figure", title or heading_of(figure), body, more + explained(page, figure), source
    )


def predicted(page: Page, paragraph: Tag) -> Slide:
    """A prediction that a chapter asks for."""
    body = f"<p class='question'>{question_of(page, paragraph)}</p>"
    shown = next(filter(is_figure, paragraph.find_next_siblings()), None)
    notes = explained(page, paragraph) or (explained(page, shown) if shown else "") or LATER
    return Slide("question", "Predict", body, notes, page.seen_from_slides(""))


def section_slides(page: Page, anchor: str) -> list[Slide]:
    """What a section teaches: formulas with the sentences around them, short code, tables, figures.

    A section without any of these gives its key sentences.
    """
    section = page.find(anchor)
    title = heading_of(section)
    source = page.seen_from_slides(f"#{section['id']}")
    found: list[Slide] = []
    for part in section.find_all(True, recursive=False):
        found += part_slides(page, part)
    found = at_most(found, "code", CODE_SLIDES)
    if not any(slide.kind in ("formula", "code", "table", "figure") for slide in found):
        found = [*key_slides(page, section), *found]
    return [replace(slide, title=slide.title or title, source=slide.source or source)
            for slide in found]  # fmt: skip


def at_most(slides: list[Slide], kind: str, most: int) -> list[Slide]:
    """The slides, of which the first few are of this kind and none after them."""
    extra = {id(slide) for slide in [slide for slide in slides if slide.kind == kind][most:]}
    return [slide for slide in slides if id(slide) not in extra]


def part_slides(page: Page, part: Tag) -> list[Slide]:
    """The slides of one element of a section; its title is the section's where it is empty."""
    classes = part.get("class", ())
    if is_predict(part):
        return [predicted(page, part)]
    if is_figure(part):
        figure = part if part.name == "figure" else part.find("figure", id=True)
        return [figure_slide(page, figure)] if isinstance(figure, Tag) and figure.get("id") else []
    if "math" in classes:
        return [formula_slide(page, part)]
    if "cell" in classes:
        return code_slides(page, part)
    table = part if part.name == "table" else part.find("table")
    if table is not None and len(table.find_all("tr")) <= TABLE_ROWS:
        return [table_slide(page, part, table)]
    return []


def table_slide(page: Page, part: Tag, table: Tag) -> Slide:
    """A table. One with answers is shown without them, and whole in the notes."""
    shown, whole = page.copy(table), str(page.copy(table))
    heads = [text_of(head) for head in shown.find_all("th")]
    if "answer" not in heads:
        return Slide("table", "", lead_in(page, part) + whole)
    for row in shown.find_all("tr"):
        for cell in row.find_all(["th", "td"])[heads.index("answer") :]:
            cell.decompose()
    return Slide("table", "", str(shown), whole)


def formula_slide(page: Page, formula: Tag) -> Slide:
    """A formula between the sentence that leads to it and the one that follows."""
    after = formula.find_next_sibling()
    then = ""
    if (
        after is not None
        and after.name == "p"
        and not is_predict(after)
        and not leads_in(page, after)
    ):
        first = sentences(page.copy(after))[0]
        then = f"<p>{first}</p>" if first.endswith((".", "?", "!")) else ""
    return Slide("formula", "", lead_in(page, formula) + str(page.copy(formula)) + then)


def leads_in(page: Page, paragraph: Tag) -> bool:
    """Whether a paragraph begins the next slide, with a formula or code below it."""
    after = paragraph.find_next_sibling()
    return after is not None and any(
        s.kind in ("formula", "code") for s in part_slides(page, after)
    )


def lead_in(page: Page, part: Tag) -> str:
    """The last sentences before an element: two, as the first says what the second speaks of."""
    before = part.find_previous_sibling()
    if before is None or before.name != "p":
        return ""
    said = sentences(page.copy(before))
    if is_predict(before):
        said = said[-1:] if len(said) > 1 and said[-1].endswith(":") else []
    return f"<p>{' '.join(said[-2:])}</p>" if said else ""


def code_slides(page: Page, cell: Tag) -> list[Slide]:
    """A cell whose code is shown in the book, and short, with what it printed."""
    code = cell.select_one(":scope > .cell_input pre")
    printed = cell.select_one(".cell_output .output.stream pre, .cell_output .text_plain pre")
    if code is None or len(code.get_text().strip().splitlines()) > CODE_LINES:
        return []
    if printed is None and not SHOWS.search(code.get_text()):  # it loads what the page needs
        return []
    shown = page.copy(cell.select_one(":scope > .cell_input"))
    body = lead_in(page, cell) + f"<div class='code'>{shown.decode_contents()}</div>"
    if printed is not None and len(printed.get_text().splitlines()) < CODE_LINES // 2:
        body += f"<pre class='printed'>{html.escape(printed.get_text().strip())}</pre>"
    return [Slide("code", "", body)]


def key_slides(page: Page, section: Tag) -> list[Slide]:
    """The first sentence of each paragraph; the others are for the speaker."""
    paragraphs = [page.copy(p) for p in section.find_all("p", recursive=False) if not is_predict(p)]
    first = [sentences(p)[0] for p in paragraphs if sentences(p)]
    if not first:
        return []
    body = bullets(words for words in first[:KEY_SENTENCES])
    return [Slide("text", "", body, "".join(map(str, paragraphs)))]


def bullets(items: Iterable[str]) -> str:
    """A list, as HTML."""
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


# What a chapter begins and ends with


def outcomes(page: Page) -> Slide | None:
    """What the chapter promises: the outcomes, each a point."""
    for paragraph in page.article.select(".admonition p"):
        if paragraph.get_text().startswith("You will be able to"):
            words = page.html(paragraph).removeprefix("<strong>You will be able to</strong>")
            points = [re.sub(r"^and\s+", "", point.strip(" .")) for point in words.split(";")]
            return Slide("text", "Afterwards you will be able to", bullets(points))
    return None


def promise(page: Page) -> str:
    """The line below a chapter's title."""
    paragraph = page.article.select_one("h1 ~ p")
    return page.html(paragraph) if paragraph is not None else ""


def summary(page: Page) -> Slide | None:
    """The first sentence of each point of the summary, the whole of it in the notes."""
    points = [page.copy(item.find("p") or item) for item in page.article.select("#summary li")]
    first = [sentences(point)[0] for point in points]
    notes = bullets(point.decode_contents() for point in points)
    source = page.seen_from_slides("#summary")
    return Slide("text", "To take home", bullets(first), notes, source) if first else None


def votes(page: Page) -> Iterator[Slide]:
    """The self-check, to vote on with cards: the right answer and the reasons are in the notes."""
    section = page.article.find(id="self-check")
    if not isinstance(section, Tag):
        return
    for question in section.find_all("p", recursive=False):
        answers = list(answers_to(question))
        if not answers:
            continue
        options = "".join(f"<li>{page.html(a.find('summary'))}</li>" for a in answers)
        notes = [f"<strong>{'Right' if 'right' in a.get('class', ()) else 'Wrong'}.</strong> "
                 + page.html(a.find("p")) for a in answers]  # fmt: skip
        body = f"<div>{page.html(question)}</div><ol>{options}</ol>"
        for link in question.find_all("a", href=re.compile("^#fig-")):
            yield figure_slide(page, page.find(link["href"][1:]), FIRST)
        yield Slide("vote", "Vote", body, f"<ol>{''.join(f'<li>{n}</li>' for n in notes)}</ol>",
                    page.seen_from_slides("#self-check"))  # fmt: skip


def answers_to(question: Tag) -> Iterator[Tag]:
    """The answers below a question of a self-check."""
    for after in question.find_next_siblings():
        if after.name != "details":
            return
        yield after
