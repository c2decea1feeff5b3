"""The book on paper: how its pages are joined, and what Chromium prints of a small one."""

from __future__ import annotations

import re
import shutil

import assets
import pdf
import pytest
import serve
import sheets
from bs4 import BeautifulSoup
from conftest import ROOT
from pypdf import PdfReader

TOC = {
    "root": "book/chapters/intro",
    "parts": [{"caption": "Losses", "chapters": [{"file": "book/chapters/03_content"}]},
              {"caption": "Exercises", "chapters": [{"file": "exercises/ex03"}]}],
}  # fmt: skip
NAMES = frozenset(name for part in pdf.parts(TOC) for name in part.pages)

CHAPTER = r"""
<article class="bd-article"><h1 id="top">3. Content<a class="headerlink" href="#top">#</a></h1>
<p>See <a href="intro.html">the intro</a>, <a href="#fig-cat">Fig. 3.1</a> and
<a href="../../exercises/ex03.html#task-1">task 1</a>. <span class="math">\(x^2\)</span></p>
<div class="cell tag_hide-input"><details><summary>Show code</summary><pre>hidden()</pre></details>
<figure id="fig-cat"><img src="../../_images/cat.png" alt="A cat"></figure></div>
<details class="answer right"><summary>Two</summary><p>Yes.</p></details>
</article>"""


def page(title: str, body: str = "") -> str:
    """A page of the book with a title."""
    return f'<article class="bd-article"><h1>{title}</h1>{body}</article>'


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A built book of three pages, with a long first one."""
    from PIL import Image

    write(tmp_path, "book/chapters/intro.html", page("Welcome", "<p>word </p>" * 120))
    write(tmp_path, "book/chapters/03_content.html", CHAPTER)
    write(tmp_path, "exercises/ex03.html", page("Exercise 3", "<h2 id='task-1'>Task 1</h2>"))
    (tmp_path / "_images").mkdir()
    Image.new("RGB", (300, 200), "teal").save(tmp_path / "_images" / "cat.png")
    monkeypatch.setattr(pdf.yaml, "safe_load", lambda text: CONFIG if "author:" in text else TOC)
    return tmp_path


CONFIG = {"author": "The authors", "repository": {"url": "https://example.org"}}


def write(site, name, text):
    (site / name).parent.mkdir(parents=True, exist_ok=True)
    (site / name).write_text(text, encoding="utf-8")


# Joining


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("intro.html", "#intro"),
        ("#fig-cat", "#03_content--fig-cat"),
        ("../../exercises/ex03.html#task-1", "#ex03--task-1"),
        ("https://doi.org/10.1", "https://doi.org/10.1"),
        ("../../slides/index.html", "slides/index.html"),  # no part of the printed book
    ],
)
def test_links_lead_to_places_in_the_joined_page(link, expected):
    assert pdf.joined_link("book/chapters/03_content", link, NAMES) == expected


def test_names_of_two_pages_cannot_meet(site):
    article = pdf.joined_article(site, "book/chapters/03_content", NAMES)
    assert article["id"] == "03_content"
    assert article.find("figure")["id"] == "03_content--fig-cat"


def test_paper_shows_answers_and_no_folded_code(site):
    article = pdf.joined_article(site, "book/chapters/03_content", NAMES)
    assert article.find("details", class_="answer").has_attr("open")
    assert "hidden()" not in article.get_text()
    assert article.find("img")["src"] == "_images/cat.png"


def test_contents_list_each_page_below_its_part(site):
    soup = BeautifulSoup(pdf.joined(site), "html.parser")
    lines = [line.get_text() for line in soup.select(".contents p")]
    assert lines == ["Welcome000", "Losses", "3. Content000", "Exercises", "Exercise 3000"]
    for link in soup.select("a[href^='#']"):
        assert soup.find(id=link["href"][1:]), link


# Sheets


def test_a_remedy_is_the_symptom_and_the_beginning_of_its_cure(tmp_path):
    entry = ("<article><section><h1>T</h1><section><h2>Layers</h2><section><h3>“x”</h3>"
             "<p><strong>Why.</strong> Because.</p><p><strong>Cure.</strong> Take y. Or z. Never w."
             "</p></section></section></section></article>")  # fmt: skip
    write(tmp_path, "t.html", entry)
    text = sheets.troubleshooting(sheets.Page(tmp_path, "t.html"))
    assert "<b>“x”</b> Take y. Or z.</p>" in text
    assert "Because" not in text


# In a browser


def test_the_numbers_in_the_contents_are_those_of_the_pages(browser, site):
    assets.install()
    for name in ("vendor", "print"):
        shutil.copytree(ROOT / "book" / "_static" / name, site / "_static" / name)
    (site / "_static" / "pygments.css").touch()
    shutil.copy(ROOT / "book" / "_static" / "mark.svg", site / "_static")
    write(site, pdf.JOINED, pdf.joined(site))
    file = site / "book.pdf"
    with serve.served(site) as address:
        tab = browser.new_page()
        pdf.print_book(tab, address + pdf.JOINED, file)
        assert tab.locator("mjx-math").count() == 1
        tab.close()
    pages = [text.extract_text() for text in PdfReader(file).pages]
    contents = re.sub(r"\s+", " ", pages[1])
    begins = {}
    for title in ("Welcome", "3. Content", "Exercise 3"):
        begins[title] = next(n for n, text in enumerate(pages, 1) if n > 2 and title in text)
        listed = re.search(rf"{re.escape(title)}\W*(\d+)", contents)
        assert listed, contents
        assert int(listed[1]) == begins[title]
    assert begins["3. Content"] > begins["Welcome"] + 1  # the first fills more than one page
    assert [entry.title for entry in PdfReader(file).outline if not isinstance(entry, list)]


def test_a_sheet_is_one_page_however_much_is_on_it(browser, site):
    assets.install()
    for name in ("vendor", "print"):
        shutil.copytree(ROOT / "book" / "_static" / name, site / "_static" / name)
    body = "<p class='entry'><b>Symptom</b> " + "cure " * 20 + "</p>"
    with serve.served(site) as address:
        tab = browser.new_page()
        for count in (3, 120):
            write(site, pdf.JOINED, sheets.PAGE.format(title="T", columns=3, note="",
                                                       body=body * count))  # fmt: skip
            pdf.open_page(tab, f"{address}{pdf.JOINED}?{count}")  # none that the browser keeps
            tab.pdf(path=site / "sheet.pdf", **pdf.PAPER)
            text = PdfReader(site / "sheet.pdf").pages
            assert len(text) == 1
            assert text[0].extract_text().count("Symptom") == count
        tab.close()
