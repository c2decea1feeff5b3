"""From the plans of the teacher's guide to the slides of its sessions.

The slides of a session follow the rows of its plan. What a row names becomes slides, in the order
of its words: a question in italics, a figure by its link, an exercise by its number, and a section
of a chapter by a comment that no page shows:

    <!-- slides: 03_content_loss#the-formula 03_content_loss#the-gradient-by-hand -->
"""

from __future__ import annotations

import functools
import html
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from bs4 import BeautifulSoup, Comment, NavigableString, Tag
from slide_pieces import (
    FIRST,
    Page,
    Slide,
    SlidesError,
    asked_before,
    bullets,
    capitalised,
    figure_slide,
    heading_of,
    outcomes,
    predicted,
    promise,
    question_of,
    section_slides,
    summary,
    text_of,
    votes,
)

GUIDE_NAME, GUIDE = "teaching", "book/teaching.html"
CHAPTERS = "book/chapters/"
EXERCISES = "exercises/"

SESSIONS, WORKSHOP = "eleven-sessions-of-90-minutes", "a-workshop-of-two-days"
"""The sections of the guide with the plans."""

PROMPTS = "what-the-prompts-show"
"""The section of the guide with the answers to the prompts, each after the words it quotes."""

MARK = re.compile(r"^\s*slides:\s*(.+?)\s*$", re.S)
EXERCISE = re.compile(r"[Ee]xercise (\d+)")
CHAPTER = re.compile(r"[Cc]hapters? (\d+)(?: and (\d+))?")

VOTES = Slide("title", "To vote on", "<p class='promise'>The self-check, for cards or fingers.</p>")
"""Before the questions that a session can end or the next one begin with."""


@dataclass(frozen=True)
class Deck:
    """The slides of a session: a file name without its ending, a title, and the slides."""

    name: str
    title: str
    slides: tuple[Slide, ...]


def decks(site: Path) -> list[Deck]:
    """The decks of all sessions, and the workshop's."""
    book = Book(site)
    made = [session_deck(book, section, n) for n, section in enumerate(book.sessions(), start=1)]
    return [*made, workshop_deck(book, made)]


# Plans


class Book:
    """The built book: its pages, each read once, and the plans in its guide."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.page = functools.cache(lambda name: Page(site, name))
        self.guide = self.page(GUIDE)

    def chapter(self, number: int) -> Page:
        """The chapter with this number."""
        return self.page(self.named(CHAPTERS, f"{number:02}_*.html"))

    def exercise(self, number: int) -> Page:
        """The exercise with this number."""
        return self.page(self.named(EXERCISES, f"ex{number:02}_*.html"))

    def named(self, folder: str, pattern: str) -> str:
        """The one page of a folder whose file name fits a pattern."""
        found = sorted((self.site / folder).glob(pattern))
        if len(found) != 1:
            raise SlidesError(f"{len(found)} pages are called {folder}{pattern}; expected one.")
        return folder + found[0].name

    def named_page(self, name: str) -> Page:
        """A page by the name in a comment: a chapter, or the guide itself."""
        return self.guide if name == GUIDE_NAME else self.page(f"{CHAPTERS}{name}.html")

    def sessions(self) -> list[Tag]:
        """The sections of the guide, one for each session."""
        return self.guide.find(SESSIONS).find_all("section", recursive=False)

    @functools.cached_property
    def prompts(self) -> list[tuple[str, str]]:
        """The guide's answers to prompts: the words that each quotes, and the whole as HTML."""
        section = self.guide.article.find(id=PROMPTS)
        items = section.find_all("li") if isinstance(section, Tag) else []
        return [(text_of(item.find("em")), self.guide.html(item)) for item in items]

    def linked(self, link: Tag, base: Page) -> tuple[Page, str] | None:
        """The page and the name to which a link of the guide leads, where it leads to a name."""
        path, anchor = urldefrag(link.get("href", ""))
        if not anchor or urlsplit(path).scheme:
            return None
        name = posixpath.normpath(posixpath.join(posixpath.dirname(base.name), path))
        return self.page(name), anchor


@dataclass(frozen=True)
class Row:
    """A row of a plan: its minutes, and the cell that says what happens."""

    minutes: str
    cell: Tag


def rows(section: Tag) -> list[Row]:
    """The plan of a session."""
    return [Row(text_of(row.find_all("td")[0]), row.find_all("td")[1])
            for row in section.select("tbody tr")[: plan_length(section)]]  # fmt: skip


def plan_length(section: Tag) -> int:
    """The number of rows in the first table of a section: session 11 has a second one."""
    table = section.find("table")
    return len(table.select("tbody tr")) if table else 0


def questions(section: Tag) -> list[Tag]:
    """The questions of a plan, in order."""
    return [question for row in rows(section) for question in questions_in(row.cell)]


def questions_in(cell: Tag) -> list[Tag]:
    """The questions of a row: what is in italics and asks."""
    return [emphasis for emphasis in cell.find_all("em") if is_question(emphasis)]


def is_question(emphasis: Tag) -> bool:
    """Whether italics are a question, and not the title of something."""
    return "?" in emphasis.get_text()


def answers(section: Tag) -> list[Tag]:
    """The answers of a plan: the list below the word *Answers*."""
    for paragraph in section.find_all("p", recursive=False):
        if paragraph.get_text().strip() == "Answers.":
            listed = paragraph.find_next_sibling()
            return listed.find_all("li", recursive=False) if listed is not None else []
    return []


def session_deck(book: Book, section: Tag, number: int) -> Deck:
    """The slides of a session, in the order of its plan."""
    title = heading_of(section).partition("·")[2].strip()
    asked, answered = questions(section), answers(section)
    if len(asked) != len(answered):
        raise SlidesError(
            f"session {number} of the guide has {len(asked)} questions and {len(answered)} "
            "answers; each question in italics needs a point in the list below *Answers*."
        )
    known = {id(question): answer for question, answer in zip(asked, answered, strict=True)}
    middle: list[Slide] = []
    for row in rows(section):
        middle += row_slides(book, row, known, title)
    chapters = chapters_of(book, section)
    ends = [slide for page in chapters if (slide := summary(page))]
    ballots = [slide for page in chapters for slide in votes(page)]
    slides = [opening(book, section, number, title, chapters),
              *filter(None, map(outcomes, chapters)), *once(middle), *ends,
              *home(book, section), *([VOTES] if ballots else []), *ballots]  # fmt: skip
    whole = tuple(with_answers(book, slide) for slide in slides)
    return Deck(f"session_{number:02}", f"{number} · {title}", whole)


def opening(book: Book, section: Tag, number: int, title: str, chapters: list[Page]) -> Slide:
    """The first slide: the title and the chapters' promises; the notes hold the plan."""
    body = "".join(f"<p class='promise'>{promise(page)}</p>" for page in chapters)
    plan = "".join(f"<li>{row.minutes}: {book.guide.html(row.cell)}</li>" for row in rows(section))
    source = book.guide.seen_from_slides(f"#{section['id']}")
    return Slide("title", f"{number} · {title}", body, f"<ul>{plan}</ul>", source)


def chapters_of(book: Book, section: Tag) -> list[Page]:
    """The numbered chapters of a plan, in order: those of its figures, sections and words."""
    names: list[str] = []
    for row in rows(section):
        targets = [
            found for link in row.cell.find_all("a") if (found := book.linked(link, book.guide))
        ]
        names += [page.name for page, _ in targets]
        names += [CHAPTERS + mark.partition("#")[0] + ".html" for mark in marks_in(row.cell)]
        for match in CHAPTER.finditer(row.cell.get_text()):
            names += [book.chapter(int(number)).name for number in match.groups() if number]
    numbered = (name for name in names if re.match(CHAPTERS + r"\d\d_", name))
    # The plan may show the studio or the intro; the session is about one chapter, or two.
    about = [name for name in dict.fromkeys(numbered) if not name.startswith(CHAPTERS + "07")]
    return [book.page(name) for name in about]


def marks_in(cell: Tag) -> list[str]:
    """The sections that the comments of a cell name, as `chapter#section`."""
    found = (
        MARK.match(comment) for comment in cell.find_all(string=lambda s: isinstance(s, Comment))
    )
    return [mark for match in found if match for mark in match[1].split()]


def row_slides(book: Book, row: Row, known: dict[int, Tag], title: str) -> list[Slide]:
    """The slides of a row: questions, figures and sections in the order of its words."""
    found: list[Slide] = []
    for part in parts_of(row.cell):
        if isinstance(part, Comment):
            for mark in marks_of(part):
                name, _, anchor = mark.partition("#")
                found += section_slides(book.named_page(name), anchor)
        elif part.name == "em" and is_question(part):
            answer = f"<p><strong>Expected.</strong> {book.guide.html(known[id(part)])}</p>"
            if follows_figure(part) and found:
                asked = replace(found[-1], kind="figure asked", title=book.guide.html(part))
                found[-1] = replace(asked, notes=answer + asked.notes)
                continue
            body = f"<p class='question'>{book.guide.html(part)}</p>"
            found.append(Slide("question", title, body, answer))
        elif part.name == "a" and (target := book.linked(part, book.guide)):
            page, anchor = target
            if anchor.startswith("fig-"):
                found += asked_figure(
                    page, page.find(anchor), by_guide=bool(questions_in(row.cell))
                )
    for number in EXERCISE.findall(row.cell.get_text()):
        found.append(exercise_slide(book.exercise(int(number))))
    found = found or [Slide("text", title, f"<p class='do'>{book.guide.html(row.cell)}</p>")]
    said = f"<p><strong>{row.minutes} min.</strong> {book.guide.html(row.cell)}</p>"
    return [replace(slide, notes=said + slide.notes) for slide in found]


def parts_of(cell: Tag) -> list[Tag | Comment]:
    """Comments, emphasised words and links of a cell, in order."""
    return [part for part in cell.descendants if isinstance(part, Comment) or is_named(part)]


def is_named(part: object) -> bool:
    """Whether a part of a cell is a question or a link."""
    return isinstance(part, Tag) and part.name in ("em", "a")


def marks_of(comment: Comment) -> list[str]:
    """The sections that one comment names."""
    match = MARK.match(comment)
    return match[1].split() if match else []


def follows_figure(question: Tag) -> bool:
    """Whether a question is about the figure named just before it, and asked while it is seen."""
    before = question.previous_sibling
    if not isinstance(before, NavigableString) or before.strip(" :.\n"):
        return False
    return isinstance(link := before.previous_sibling, Tag) and link.name == "a"


def asked_figure(page: Page, figure: Tag, by_guide: bool) -> list[Slide]:
    """A figure, after the prediction that its chapter asks for, unless the plan has its own."""
    slide = figure_slide(page, figure)
    before = asked_before(figure)
    if before is None:
        return [slide]
    if by_guide:
        asked = f"<p><strong>The chapter asks.</strong> {question_of(page, before)}</p>"
        return [replace(slide, notes=asked + slide.notes)]
    return [replace(predicted(page, before), notes=slide.notes), slide]


def exercise_slide(page: Page) -> Slide:
    """The tasks of an exercise."""
    tasks = [text_of(h) for h in page.article.find_all("h2") if text_of(h).startswith("Task")]
    source = page.seen_from_slides("")
    return Slide("text", page.title(), bullets(map(html.escape, tasks)), "", source)


def with_answers(book: Book, slide: Slide) -> Slide:
    """A slide whose notes, where they hold a prompt of the chapter, have the guide's answer too."""
    if "Try it." not in slide.notes:
        return slide
    said = text_of(BeautifulSoup(slide.notes, "html.parser"))
    answers = (answer for asked, answer in book.prompts if asked in said)
    expected = "".join(f"<p><strong>Expected.</strong> {answer}</p>" for answer in answers)
    return replace(slide, notes=slide.notes + expected)


def home(book: Book, section: Tag) -> Iterator[Slide]:
    """What is to be done at home; what to watch for is for the speaker."""
    for paragraph in section.find_all("p", recursive=False):
        if not paragraph.get_text().startswith("Home:"):
            continue
        task, _, watch = book.guide.html(paragraph).partition("<em>Watch for:</em>")
        task = task.replace("<em>Home:</em>", "").strip()
        notes = f"<p><strong>Watch for:</strong> {watch}</p>" if watch else ""
        yield Slide(
            "text", "At home", bullets(map(capitalised, task.rstrip(". ").split(";"))), notes
        )


def once(slides: Iterable[Slide]) -> list[Slide]:
    """The slides without repetitions: of a figure that comes twice, the one with a question."""
    found: dict[str, Slide] = {}
    for slide in slides:
        if slide.kind == "figure asked":
            found.pop(slide.body, None)  # the question belongs to where the plan asks it
        found.setdefault(slide.body, slide)
    return list(found.values())


# The workshop


def workshop_deck(book: Book, decks: list[Deck]) -> Deck:
    """Both days of the workshop: each slot, then the questions and figures of its chapters."""
    section = book.guide.find(WORKSHOP)
    table = section.find("table")
    days = [text_of(head) for head in table.find_all("th")[1:]]
    slides = [Slide("title", "A workshop of two days", "", str(book.guide.copy(table)))]
    for column, day in enumerate(days, start=1):
        slots = [(text_of(row.find_all("td")[0]), row.find_all("td")[column])
                 for row in table.select("tbody tr")]  # fmt: skip
        listed = (
            f"<tr><td>{time}</td><td>{book.guide.html(cell)}</td></tr>" for time, cell in slots
        )
        slides.append(Slide("table", capitalised(day), f"<table>{''.join(listed)}</table>"))
        for time, cell in slots:
            slides += slot_slides(
                book, decks, f"{capitalised(day.partition(':')[0])}, {time}", cell
            )
    return Deck("workshop", "A workshop of two days", tuple(slides))


def slot_slides(book: Book, decks: list[Deck], title: str, cell: Tag) -> list[Slide]:
    """A slot of the workshop, with what the sessions about its chapters ask and show."""
    words = cell.get_text()
    numbers = [int(n) for match in CHAPTER.finditer(words) for n in match.groups() if n]
    pages = [book.chapter(number) for number in numbers]
    said = "".join(f"<p class='promise'>{promise(page)}</p>" for page in pages)
    slides = [Slide("text", title, f"<p class='do'>{book.guide.html(cell)}</p>{said}")]
    for page in pages:
        about = (deck for deck in decks if any(page.name in s.source for s in deck.slides))
        for deck in about:
            slides += [
                s
                for s in deck.slides
                if s.kind.startswith("figure") and page.name in s.source and s.title != FIRST
            ]
    for number in EXERCISE.findall(words):
        slides.append(exercise_slide(book.exercise(int(number))))
    return once(slides) if pages or "xercise" in words else []
