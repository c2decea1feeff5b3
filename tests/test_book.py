"""The book as its readers get it: built strictly from the sources, then read and opened.

One build serves all tests of this file; conftest.py keeps them on one pytest-xdist worker.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import assets
import labs
import lighter_pictures
import notebooks
import pages
import pytest
import serve
import slides
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT
from PIL import Image

from nst_teach import samples

THEMES = ("light", "dark")


def toc_files(node: object) -> list[str]:
    """Every page that a part of _toc.yml names, in order, without its extension."""
    if isinstance(node, list):
        return [name for child in node for name in toc_files(child)]
    if not isinstance(node, dict):
        return []
    own = [node[key] for key in ("root", "file") if key in node]
    return own + [name for child in node.values() for name in toc_files(child)]


TOC = toc_files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
PAGES = [f"{name}.html" for name in TOC]


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The built book. Building it runs every chapter and fails on the first warning.

    `NST_TEACH_BOOK` names an empty folder for those who want to look at it afterwards.
    """
    assets.install()
    output = Path(os.environ.get("NST_TEACH_BOOK") or tmp_path_factory.mktemp("book"))
    program = shutil.which("jupyter-book", path=Path(sys.executable).parent)
    options = ["-W", "-n", "--keep-going", "--path-output", str(output)]
    built = subprocess.run(
        [program, "build", str(ROOT), *options], capture_output=True, text=True, check=False
    )
    if built.returncode:
        pytest.fail(f"the strict build failed:\n{built.stdout}\n{built.stderr}", pytrace=False)
    slides.write(output / "_build" / "html")
    return output / "_build" / "html"


@pytest.fixture(scope="session")
def address(site):
    """Where the built book is served while the tests run."""
    with serve.served(site) as address:
        yield address


# The book


@pytest.mark.parametrize("page", PAGES)
def test_page_reads_well(page, site):
    assert pages.faults_in_text(site / page, site) == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("screen", pages.SCREENS)
@pytest.mark.parametrize("page", PAGES)
def test_page_opens_well(page, screen, theme, browser, address):
    use = labs.use_all
    assert pages.visit(browser, address, page, theme=theme, screen=screen, prepare=use) == []


def test_front_page_leads_to_the_first_chapter(site):
    assert PAGES[0] in (site / "index.html").read_text(encoding="utf-8")


def test_every_notebook_has_a_place_in_the_table_of_contents():
    folders = ("book/chapters", "exercises")
    pages = {f"{f}/{path.stem}" for f in folders for path in (ROOT / f).glob("*.ipynb")}
    assert pages - set(TOC) == set()


def test_table_of_contents_names_each_page_once():
    assert sorted(TOC) == sorted(set(TOC))


def test_chapters_are_notebooks_so_that_colab_and_binder_can_open_them(site):
    for name in TOC:
        if name.startswith("book/chapters/"):
            html = (site / f"{name}.html").read_text(encoding="utf-8")
            assert f"/blob/main/{name}.ipynb" in html, name
            assert f"tree/{name}.ipynb" in html, name


# The slides of the sessions


def test_slides_read_well(site):
    decks = sorted((site / slides.FOLDER).glob("*.html"))
    assert len(decks) == 13  # eleven sessions, the workshop, the page of links
    assert [fault for deck in decks for fault in pages.faults_in_text(deck, site)] == []


# What pages may do. A page that does what its policy forbids logs an error, which opening it sees.

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')


def test_every_page_has_a_strict_policy_before_its_first_script(site):
    rendered = [*PAGES, "search.html", "genindex.html", "py-modindex.html"]
    for page in rendered:
        before, policy, _ = POLICY.split((site / page).read_text("utf-8"))
        assert not re.search("<(script|link|style|img)", before), page
        scripts = next(rule for rule in policy.split("; ") if rule.startswith("script-src "))
        assert "'self'" in scripts, page
        assert not re.search("'unsafe-|https?:|data:|blob:|\\*", scripts), page


PRESSED = """() => {
    window.pressed = [];
    for (const name of ["print", "toggleFullScreen"]) window[name] = () => pressed.push(name);
}"""
"""Notes what the theme's buttons would do, in place of a printer's window."""


def test_a_reader_searches_prints_and_chooses_colours(address, tab):
    tab.goto(address + "book/chapters/05_total_loss.html")
    tab.evaluate(PRESSED)
    tab.locator("[data-click]").evaluate_all("all => all.forEach(button => button.click())")
    assert sorted(tab.evaluate("pressed")) == ["print", "toggleFullScreen"]
    before = tab.evaluate("document.documentElement.dataset.theme")
    modes = set()
    for _ in range(3):  # light, dark, the system's
        tab.locator(".theme-switch-button").first.click()
        modes.add(tab.evaluate("document.documentElement.dataset.mode"))
    assert modes == {"light", "dark", "auto"}
    assert tab.evaluate("document.documentElement.dataset.theme") == before
    tab.goto(address + "search.html?q=gram")
    tab.locator("#search-results li a").first.wait_for()
    tab.wait_for_load_state("networkidle")  # it reads the pages that it has found
    assert tab.watch.faults == []


# The labs in the pages


@pytest.fixture
def tab(browser, address):
    """A tab that collects what goes wrong, as `tab.watch`."""
    with contextlib.closing(browser.new_context()) as context:
        tab = context.new_page()
        tab.watch = pages.Watch(tab, address)
        yield tab


def test_pages_have_labs(site):
    """Each has been used by then: the page's attributes are ones that the lab understands."""
    with_labs = [page for page in PAGES if 'class="nst-lab"' in (site / page).read_text("utf-8")]
    assert {"book/chapters/intro.html", "book/chapters/07_the_studio.html"} <= set(with_labs)


def test_a_reader_steers_the_lab_of_the_studio_chapter(address, tab):
    tab.goto(address + "book/chapters/07_the_studio.html")
    reader = labs.Reader(tab)
    reader.press("Start")
    reader.reach(60)
    assert reader.totals[59] < reader.totals[0] / 2
    reader.turn("ratio", reader.ask("Math.log10(lab.resolved().beta)") + 1)
    reader.turn("layers", 0, index=1)
    reader.go_on()
    assert [mark.rpartition(" ")[0] for mark in labs.texts_of(reader.marks)] == [
        "log β/α", "layers relu2_1",
    ]  # fmt: skip
    turned = reader.ask("lab.past.marks[0].step")
    assert reader.totals[turned] > 2 * reader.totals[turned - 1]
    assert "relu2_1" not in reader.ask("lab.past.points.at(-1).losses.style")
    answers = len(tab.watch.answers)
    mine = {"name": "mine.png", "mimeType": "image/png", "buffer": labs.red_picture()}
    reader.figure.locator("[data-name=content] input[type=file]").set_input_files(mine)
    reader.wait(f"{reader.script}.run === 2")  # another shape: the run starts over
    reader.reach(2)
    assert reader.ask("lab.goal.content.pixels[0]") == pytest.approx(labs.RED[0] / 255, abs=0.01)
    assert len(tab.watch.answers) == answers  # the picture stays here: nothing was asked for at all
    assert tab.watch.faults == []  # and no request has left the site before


# The checks themselves: each must see the fault that it is for

FAULTS = {
    "picture without an alternative text": '<img src="a.png">',
    "picture without an alternative text: _images/a": '<img src="_images/a.png" alt="a.png">',
    "loads from outside": '<script src="https://cdn.example/x.js"></script>',
    "loads from outside: //cdn": '<link rel="stylesheet" href="//cdn.example/x.css">',
    "dead link: gone.html": '<a href="gone.html">gone</a>',
    "dead link: #gone": '<a href="#gone">gone</a>',
    "dead link: ../outside.html": '<a href="../outside.html">outside</a>',
    "markup shown as text: {cite:p}": "<p>as shown in {cite:p}`gatys2016`</p>",
    "markup shown as text: $\\beta": "<details><summary>the weight $\\beta$</summary></details>",
    "markup shown as text: [^n": "<p>a note[^note]</p>",
}

DARK = 'style="background: #222; color: #333; fill: #333"'
DARK_TEXT = f"<p {DARK}>dark on dark</p>"

SIGHTS = {
    "console error: paint": "<script>console.error('paint')</script>",
    "script error: spilt": "<script>throw new Error('spilt')</script>",
    "request failed (404)": '<img src="missing.png" alt="A picture that is not there">',
    "picture is broken": '<img src="missing.png" alt="A picture that is not there">',
    "request to outside": '<img src="http://outside.invalid/a.png" alt="A picture elsewhere">',
    "Content Security Policy": '<meta http-equiv="Content-Security-Policy" content="script-src '
    "'none'\"><script>document.title = 'ran'</script>",
    "wider than the screen": '<div style="width: 500px">wide</div>',
    "barrier color-contrast (1)": DARK_TEXT,
    "barrier color-contrast (1) in drawings": f"<svg {DARK}><text y='20'>dark</text></svg>",
    "barrier color-contrast (1): Elements": f"<details><summary>?</summary>{DARK_TEXT}</details>",
    "barrier label": "<input>",
    "barrier image-alt": '<img src="data:,">',
    "barrier button-name": "<button></button>",
    "barrier link-name": '<a href="#top"></a>',
    "barrier aria-toggle-field-name": '<div role="checkbox" aria-checked="true"></div>',
    "formulas are not typeset": '<span class="math">x</span>',
    "page weighs": f"<!-- {random.Random(0).randbytes(4_000_000).hex()} -->",
}

GOOD = '<h1 id="top">Good</h1><p>Text <a href="#top">up</a> <a href="page.html#top">again</a></p>'


HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width"></head>"""


def bad_site(folder: Path, body: str) -> Path:
    """A page with `body` in a site of its own, beside a file that the site must not link to."""
    (folder / "outside.html").write_text("outside")
    page = folder / "site" / "page.html"
    page.parent.mkdir()
    page.write_text(f"{HEAD}<body>{body}</body></html>")
    return page


@pytest.mark.parametrize(("fault", "body"), FAULTS.items(), ids=FAULTS)
def test_reading_sees(fault, body, tmp_path):
    page = bad_site(tmp_path, body)
    assert any(line.startswith(fault) for line in pages.faults_in_text(page, page.parent))


@pytest.mark.parametrize(("fault", "body"), SIGHTS.items(), ids=SIGHTS)
def test_opening_sees(fault, body, tmp_path, browser):
    page = bad_site(tmp_path, body)
    with serve.served(page.parent) as address:
        found = pages.visit(browser, address, "page.html", theme="light", screen="phone")
    assert any(fault in line for line in found)


def test_checks_accept_a_good_page(tmp_path, browser):
    page = bad_site(tmp_path, GOOD)
    assert pages.faults_in_text(page, page.parent) == []
    with serve.served(page.parent) as address:
        assert pages.visit(browser, address, "page.html", theme="dark", screen="phone") == []


def test_photographs_are_sent_as_jpeg_and_charts_as_they_are(tmp_path):
    """Brush strokes are what PNG cannot shorten; an area of one colour is what it can."""
    rough, flat = tmp_path / "rough.png", tmp_path / "flat.png"
    samples.open_sample("night_swirls").resize((192, 144)).save(rough)
    Image.new("RGBA", (96, 64), (255, 0, 0, 0)).save(flat)
    convert = functools.partial(lighter_pictures.LighterPictures.convert, None)
    assert convert(rough, tmp_path / "rough.jpg")
    assert (tmp_path / "rough.jpg").stat().st_size < rough.stat().st_size
    assert not convert(flat, tmp_path / "flat.jpg")
    assert not (tmp_path / "flat.jpg").exists()
    sent = Image.open(io.BytesIO(lighter_pictures.as_jpeg(flat)))
    assert (sent.format, sent.size, sent.getpixel((5, 5))) == ("JPEG", (96, 64), (255, 255, 255))


def test_book_and_plain_notebooks_give_the_same_numbers(site):
    """The generator counts from _toc.yml and the sources, Sphinx counts for itself."""
    book = notebooks.read_book()
    for name in TOC:
        html = (site / f"{name}.html").read_text(encoding="utf-8")
        article = BeautifulSoup(html, "html.parser").find("article")
        number = book.chapters.get(name)
        title = article.h1.get_text()
        assert title.startswith(f"{number}. ") if number else not title[0].isdigit()
        shown = {
            figure["id"]: figure.find(class_="caption-number").get_text(strip=True)
            for figure in article.find_all("figure", id=True)
        }
        own = {k: f"Fig. {f.number}" for k, f in book.figures.items() if f.page == name}
        assert shown == own, name
        for link in article.select("a.reference .std-numref"):
            place = link.find_parent("a")["href"].partition("#")[2]
            assert link.get_text() == f"Fig. {book.figures[place].number}"
