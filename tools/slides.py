"""Make the slides of every session in the teacher's guide, from the built book.

    python tools/slides.py [SITE]    write them into the folder `slides` of a built book

There is nothing to edit here. A session's plan, its questions and their answers come from the
guide, and formulas, code, figures, predictions and self-checks from the pages that the plan names.
What a teacher says and hears is in the speaker's notes. `slide_plans` says how a plan names a
section.
"""

from __future__ import annotations

import html
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from slide_pieces import FOLDER, Slide, SlidesError
from slide_plans import GUIDE, Deck, decks

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} | Painting with Gradients</title>
<link rel="icon" href="../_static/mark.svg">
{styles}
<link rel="stylesheet" href="../_static/slides/slides.css">
<script src="../_static/slides/theme.js"></script>
{scripts}
</head>
<body>
{body}
</body>
</html>
"""

STYLES = ("vendor/reveal/reset.css", "vendor/reveal/reveal.css", "pygments.css")
SCRIPTS = ("slides/slides.js", "vendor/mathjax/tex-mml-chtml.js", "vendor/reveal/reveal.js",
           "vendor/reveal/notes.js")  # fmt: skip

INDEX = """\
<main class="index">
<h1>Slides</h1>
<p>One deck for each session of the <a href="../{guide}">teacher's guide</a>. Press <kbd>S</kbd> for
the speaker's notes (the question, the expected answers, the minutes), <kbd>F</kbd> for the whole
screen, <kbd>O</kbd> for an overview, <kbd>T</kbd> to change between light and dark, and
<kbd>?</kbd> for the other keys. To save a deck as PDF, open its last link and print that page
without margins.</p>
<table>
<tr><th>session</th><th>slides</th><th></th></tr>
{rows}
</table>
</main>
"""


def deck_html(deck: Deck) -> str:
    """A deck as a page."""
    styles = "\n".join(f'<link rel="stylesheet" href="../_static/{name}">' for name in STYLES)
    scripts = "\n".join(f'<script src="../_static/{name}" defer></script>' for name in SCRIPTS)
    inside = "\n".join(slide_html(slide, deck.title) for slide in deck.slides)
    body = f'<div class="reveal"><div class="slides">\n{inside}\n</div></div>'
    return PAGE.format(title=html.escape(deck.title), styles=styles, scripts=scripts, body=body)


def slide_html(slide: Slide, deck: str) -> str:
    """One slide."""
    level = "h1" if slide.kind == "title" else "h2"
    link = f' · <a href="{slide.source}">in the book</a>' if slide.source else ""
    foot = f"<footer>{html.escape(deck)}{link}</footer>"
    notes = f'<aside class="notes">{slide.notes}</aside>' if slide.notes else ""
    title = slide.title if "asked" in slide.kind else html.escape(slide.title, quote=False)
    return (f'<section class="{slide.kind}"><{level}>{title}</{level}>'
            f'<div class="body">{slide.body}</div>{foot}{notes}</section>')  # fmt: skip


def index_html(made: Iterable[Deck]) -> str:
    """The page of links to the decks."""
    listed = "\n".join(
        f'<tr><td><a href="{deck.name}.html">{html.escape(deck.title)}</a></td>'
        f"<td>{len(deck.slides)}</td>"
        f'<td><a href="{deck.name}.html?print-pdf">to print</a></td></tr>'
        for deck in made
    )
    body = INDEX.format(rows=listed, guide=GUIDE)
    return PAGE.format(title="Slides", styles="", scripts="", body=body)


def write(site: Path) -> list[Deck]:
    """Write all decks and their page of links into a built book; return the decks."""
    made = decks(site)
    folder = site / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for deck in made:
        (folder / f"{deck.name}.html").write_text(deck_html(deck), encoding="utf-8")
    (folder / "index.html").write_text(index_html(made), encoding="utf-8")
    return made


def main() -> None:
    """Write the slides and say where they are."""
    site = Path(sys.argv[1]) if sys.argv[1:] else SITE
    try:
        made = write(site)
    except SlidesError as error:
        raise SystemExit(str(error)) from error
    count = sum(len(deck.slides) for deck in made)
    print(f"{len(made)} decks, {count} slides: {site / FOLDER / 'index.html'}")


if __name__ == "__main__":
    main()
