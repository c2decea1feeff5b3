"""Print the whole book, and three sheets to have beside the keyboard, as PDF.

    python tools/pdf.py [SITE]    write them into the folder `pdf` of a built book

All pages are joined to one, in the order of _toc.yml, and Chromium prints it: twice, because the
table of contents needs to know on which pages the chapters begin. The sheets (`sheets`) are made of
the same pages. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import html
import posixpath
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urlsplit

import chromium
import sheets
import yaml
from bs4 import BeautifulSoup, Tag
from pypdf import PdfReader
from serve import served

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
FOLDER = "pdf"
BOOK = "painting-with-gradients.pdf"
JOINED = "joined.html"
"""The page that is printed; it lies at the root of the site while that is done."""

MINUTES = 60_000  # milliseconds

LEFT_OUT = (
    ".headerlink, script, button, input, select, .nst-player .controls, "
    ".cell.tag_hide-input > details"
)
"""What means nothing on paper; code that is folded in the book stays in the book."""


@dataclass(frozen=True)
class Part:
    """A part of the book: its caption, and the names of its pages."""

    caption: str
    pages: tuple[str, ...]


def parts(toc: dict[str, Any]) -> list[Part]:
    """The parts that _toc.yml lists, the first page before all of them."""
    listed = [Part("", (toc["root"],))]
    for part in toc["parts"]:
        listed.append(Part(part["caption"], tuple(page["file"] for page in part["chapters"])))
    return listed


def key(name: str) -> str:
    """The name of a page in the joined one."""
    return posixpath.basename(name)


def joined_article(site: Path, name: str, names: frozenset[str]) -> Tag:
    """The text of a page, with names and addresses that are right in the joined one."""
    soup = BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    article = soup.find("article")
    for extra in article.select(LEFT_OUT):
        extra.decompose()
    for tag in article.find_all(id=True):
        tag["id"] = f"{key(name)}--{tag['id']}"
    for tag in article.find_all(src=True):
        tag["src"] = from_root(name, tag["src"])
    for link in article.find_all("a", href=True):
        link["href"] = joined_link(name, link["href"], names)
    for details in article.find_all("details"):
        details["open"] = ""
    article["id"] = key(name)
    return article


def from_root(name: str, address: str) -> str:
    """An address on a page, as it is written at the root of the site."""
    if urlsplit(address).scheme or not address:
        return address
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), address))


def joined_link(name: str, address: str, names: frozenset[str]) -> str:
    """A link on a page, as it is written in the joined one."""
    path, anchor = urldefrag(address)
    if urlsplit(path).scheme:
        return address
    target = from_root(name, path).removesuffix(".html") if path else name
    if target not in names:  # a file beside the book: a notebook, a sheet, the slides
        return from_root(name, address)
    return f"#{key(target)}--{anchor}" if anchor else f"#{key(target)}"


PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Painting with Gradients</title>
<link rel="stylesheet" href="_static/pygments.css">
<link rel="stylesheet" href="_static/print/print.css">
<script src="_static/print/print.js" defer></script>
<script src="_static/vendor/mathjax/tex-mml-chtml.js" defer></script>
</head>
<body>
{body}
</body>
</html>
"""

TITLE = """\
<header class="cover">
<img src="_static/mark.svg" alt="Three painted contour lines">
<h1 class="unlisted">Painting with Gradients</h1>
<p class="subtitle">A course on neural style transfer</p>
<p>{author}</p>
<p class="imprint">Printed from the pages of the book, version {version}. Code that is folded there
is not printed; it is in the notebooks, as are the labs and the films, of which paper shows one
image.<br>Code under the MIT licence, text and pictures under CC BY 4.0.<br>{address}</p>
</header>
"""


def contents(listed: list[tuple[Part, list[Tag]]]) -> str:
    """The table of contents; the numbers of the pages are filled in later."""
    lines = ["<nav class='contents'><h1 class='unlisted'>Contents</h1>"]
    for part, articles in listed:
        if part.caption:
            lines.append(f"<p class='part'>{html.escape(part.caption)}</p>")
        for article in articles:
            title = article.find("h1").decode_contents()
            lines.append(
                f"<p><a href='#{article['id']}'>{title}</a><span class='dots'></span>"
                f"<span class='number' data-of='{article['id']}'>000</span></p>"
            )
    return "\n".join([*lines, "</nav>"])


def joined(site: Path) -> str:
    """The whole book as one page."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    names = frozenset(name for part in parts(toc) for name in part.pages)
    listed = [
        (part, [joined_article(site, name, names) for name in part.pages]) for part in parts(toc)
    ]
    title = TITLE.format(
        author=config["author"],
        version=metadata.version("nst-teach"),
        address=config["repository"]["url"],
    )
    articles = "\n".join(str(article) for _, found in listed for article in found)
    return PAGE.format(body=f"{title}\n{contents(listed)}\n{articles}")


def beginnings(file: Path) -> dict[str, int]:
    """The page on which each name of the joined page is found, counted from 1."""
    reader = PdfReader(file)
    places = reader.named_destinations.items()
    return {name.lstrip("/"): (reader.get_destination_page_number(at) or 0) + 1
            for name, at in places}  # fmt: skip


FILL = """(pages) => {
  for (const number of document.querySelectorAll(".contents .number"))
    number.textContent = pages[number.dataset.of] ?? "";
}"""

PAPER = {"format": "A4", "prefer_css_page_size": True, "print_background": True}


def print_book(tab: Any, address: str, file: Path) -> None:
    """Print the joined page with the numbers of its pages in the contents."""
    open_page(tab, address)
    tab.pdf(path=file, **PAPER)
    tab.evaluate(FILL, beginnings(file))
    tab.pdf(path=file, outline=True, tagged=True, **PAPER)


def open_page(tab: Any, address: str) -> None:
    """Open a page and wait for its formulas and pictures, laid out as on paper."""
    tab.emulate_media(media="print", color_scheme="light")
    tab.goto(address)
    tab.wait_for_selector("body[data-ready]", timeout=10 * MINUTES)


def write(site: Path) -> Iterator[Path]:
    """Print the book and the sheets; yields each file when it is written."""
    from playwright.sync_api import sync_playwright

    folder = site / FOLDER
    folder.mkdir(exist_ok=True)
    temporary = site / JOINED
    with served(site) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium.find(), args=chromium.flags())
        tab = browser.new_page()
        tab.set_default_timeout(10 * MINUTES)
        try:
            for name, page in sheets.pages(site):
                temporary.write_text(page, encoding="utf-8")
                open_page(tab, address + JOINED)
                tab.pdf(path=folder / name, **PAPER)
                yield folder / name
            temporary.write_text(joined(site), encoding="utf-8")
            print_book(tab, address + JOINED, folder / BOOK)
            yield folder / BOOK
        finally:
            temporary.unlink(missing_ok=True)
            browser.close()


def main() -> None:
    """Print everything and say how many pages there are."""
    site = Path(sys.argv[1]) if sys.argv[1:] else SITE
    if not (site / "index.html").is_file():
        raise SystemExit(f"there is no built book in {site}; run `make book` first.")
    if chromium.find() is None:
        raise SystemExit("Chromium or Chrome prints the book: install one, or set CHROMIUM.")
    for file in write(site):
        size = file.stat().st_size / 1e6
        print(f"{file}: {len(PdfReader(file).pages)} pages, {size:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
