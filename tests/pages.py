"""Checks of built pages. Each returns what is wrong, one line per fault, and nothing else.

`faults_in_text` reads the files; `visit` opens a page in a real browser.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import barriers
import chromium
from bs4 import BeautifulSoup, Tag

BROWSER_FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Chromium's own errands; the pages' requests are what is tested.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SCREENS = {"desk": (1280, 900), "phone": (390, 844)}
"""Width and height in CSS pixels of what the pages must fit."""

PAGE_LIMIT = 3_000_000
"""Bytes that a page may ask for until it can be read, and before a lab in it is started."""

SENT_PACKED = re.compile(r"text/|javascript|json|svg")  # content types that static hosts gzip

LOADING = {"script": "src", "img": "src", "iframe": "src", "video": "src", "source": "src"}
"""The tags with which a page loads something, and the attribute that says what."""

MARKUP = re.compile(
    r"\{(?:cite|footcite|numref|ref|doc|math)\S*\}|\[\^\w|(?<!\$)\$\$(?!\$)|\$[^$\n]+\$|^:::", re.M
)
"""MyST that was not understood and shows up as text."""


# Files


def faults_in_text(page: Path, site: Path) -> list[str]:
    """Faults of a built page that its file alone shows."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    return [
        *faults_of_images(soup),
        *outside_requests(soup),
        *dead_links(soup, page, site),
        *leftover_markup(soup),
    ]


def faults_of_images(soup: BeautifulSoup) -> list[str]:
    """Pictures without a text that says what they show; a file name is not such a text."""
    return [
        f"picture without an alternative text: {image.get('src')}"
        for image in soup.find_all("img")
        if not describes(image.get("alt"), image.get("src", ""))
    ]


def describes(text: str | None, source: str) -> bool:
    """Whether `text` could be read out in place of the picture `source`."""
    return bool(text and text.strip()) and Path(text).name != Path(source).name


def outside_requests(soup: BeautifulSoup) -> list[str]:
    """Scripts, style sheets and pictures that come from another site."""
    addresses = [tag[LOADING[tag.name]] for tag in soup.find_all(LOADING) if has_source(tag)]
    addresses += [link["href"] for link in soup.find_all("link", rel="stylesheet", href=True)]
    return [f"loads from outside: {address}" for address in addresses if urlsplit(address).netloc]


def has_source(tag: Tag) -> bool:
    """Whether the tag names a file to load."""
    return tag.has_attr(LOADING[tag.name])


def dead_links(soup: BeautifulSoup, page: Path, site: Path) -> list[str]:
    """Links within the site that lead to no file, or to no place in it."""
    links = [a["href"] for a in soup.find_all("a", href=True)]
    return [
        f"dead link: {link}"
        for link in dict.fromkeys(links)
        if not urlsplit(link).scheme and not urlsplit(link).netloc and not leads(link, page, site)
    ]


def leads(link: str, page: Path, site: Path) -> bool:
    """Whether the relative `link` on `page` has a target inside `site`."""
    path, anchor = urldefrag(link)
    target = (page.parent / unquote(urlsplit(path).path)).resolve() if path else page.resolve()
    if not target.is_file() or not target.is_relative_to(site.resolve()):
        return False
    return not anchor or target.suffix != ".html" or unquote(anchor) in anchors(target)


@functools.cache
def anchors(page: Path) -> frozenset[str]:
    """The ids that a link to `page` may name."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    return frozenset(tag["id"] for tag in soup.find_all(id=True))


def leftover_markup(soup: BeautifulSoup) -> list[str]:
    """MyST that a reader would see as it was typed. Code and formulas may look like it."""
    article = soup.find("article") or soup
    for tag in article.find_all(["pre", "code", "script", "style"]) + article.select(".math"):
        tag.extract()
    return [f"markup shown as text: {found[0]}" for found in MARKUP.finditer(article.get_text())]


# Browser


def find_browser() -> str | None:
    """The path of Chromium or Chrome: `CHROMIUM` if that is set, else what the machine has."""
    return chromium.find()


def browser_flags() -> list[str]:
    """Flags for Chromium; for root, which containers run as, it has no sandbox to offer."""
    return [*BROWSER_FLAGS, *chromium.flags()]


class Watch:
    """Collects what goes wrong while a browser shows a page of the site at `address`."""

    def __init__(self, page, address: str) -> None:
        self.address = address
        self.faults: list[str] = []
        self.answers: list = []
        page.on("console", self.heard)
        page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        page.on("response", self.answered)
        page.route("**/*", self.asked)

    def heard(self, message) -> None:
        """Note errors and warnings on the console."""
        if message.type in ("error", "warning"):
            self.faults.append(f"console {message.type}: {message.text}")

    def answered(self, response) -> None:
        """Note every answer, and requests that failed."""
        self.answers.append(response)
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            self.faults.append(f"request failed ({response.status}): {response.url}")

    def asked(self, route) -> None:
        """Note, and refuse, requests that leave the site."""
        url = route.request.url
        if url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.faults.append(f"request to outside: {url}")
            route.abort()

    def weight(self) -> int:
        """Bytes of all answers, as a static host would send them: text packed by gzip."""
        own = [answer for answer in self.answers if answer.url.startswith(self.address)]
        return sum(size_on_the_line(answer) for answer in own)


SIZES: dict[str, int] = {}


def size_on_the_line(answer) -> int:
    """Bytes of an answer's body. Most pages ask for the same scripts: pack each once."""
    if answer.url not in SIZES:
        body = answer.body() if answer.ok else b""
        packed = SENT_PACKED.search(answer.headers.get("content-type", ""))
        SIZES[answer.url] = len(gzip.compress(body) if packed else body)
    return SIZES[answer.url]


def visit(
    browser,
    address: str,
    page: str,
    *,
    theme: str,
    screen: str,
    prepare: Callable[[Any], None] = lambda _: None,
) -> list[str]:
    """Open `page` of the site at `address` and return its faults.

    They are looked for when it has been opened, and again when all of it is shown and `prepare` has
    done with the tab what a reader may do.
    """
    width, height = SCREENS[screen]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
    )
    with contextlib.closing(context):
        tab = context.new_page()
        watch = Watch(tab, address)
        tab.goto(address + page)
        tab.wait_for_load_state("networkidle")
        faults = faults_on_screen(tab)
        if (weight := watch.weight()) > PAGE_LIMIT:
            faults.append(f"page weighs {weight / 1e6:.2f} MB")
        reveal(tab)
        prepare(tab)
        faults += [*faults_on_screen(tab), *barriers.faults(tab), *watch.faults]
        return list(dict.fromkeys(faults))


def reveal(tab) -> None:
    """Show what a page shows on demand only: answers, folded code, the way back to its top."""
    tab.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    tab.add_style_tag(content="#pst-back-to-top { display: block !important }")


def faults_on_screen(tab) -> list[str]:
    """Faults of the page as it is laid out: too wide, pictures or formulas that did not come."""
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    broken = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    formulas = "[...document.querySelectorAll('.math')].filter(m => !m.querySelector('mjx-math'))"
    errors = "[...document.querySelectorAll('mjx-merror')].map(e => e.textContent)"
    faults = [f"picture is broken: {source}" for source in tab.evaluate(broken)]
    faults += [f"formula is wrong: {text}" for text in tab.evaluate(errors)]
    if missing := tab.evaluate(f"{formulas}.length"):
        faults.append(f"{missing} formulas are not typeset")
    if (excess := tab.evaluate(wide)) > 0:
        faults.append(f"page is {excess} px wider than the screen")
    return faults
