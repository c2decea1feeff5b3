"""The slides of the sessions: from a small book whose every piece is known, and in a browser."""

from __future__ import annotations

import shutil

import assets
import pages
import pytest
import serve
import slide_pieces
import slide_plans
import slide_sheets
import slides
from bs4 import BeautifulSoup
from conftest import ROOT

GUIDE = """
<article><h1>Teacher's guide</h1>
<section id="eleven-sessions-of-90-minutes"><h2>Sessions</h2>
<section id="content"><h3>1 · Content<a class="headerlink" href="#content">#</a></h3>
<table><tbody>
<tr><td><p>0–15</p></td><td><p><em>Which is nearer?</em> Then
<a href="chapters/03_content.html#fig-three">Fig. 3.1</a>.
<!-- slides: 03_content#the-formula --></p></td></tr>
<tr><td><p>15–30</p></td><td><p><a href="chapters/03_content.html#fig-map">Fig. 3.2</a>:
<em>Where is it bright?</em></p></td></tr>
<tr><td><p>30–80</p></td><td><p>Exercise 3, after the film <em>Moving</em>.</p></td></tr>
<tr><td><p>80–90</p></td><td><p>Collect the sentences.</p></td></tr>
</tbody></table>
<p><strong>Answers.</strong></p>
<ol><li><p>The darker one.</p></li><li><p>In the square.</p></li></ol>
<p><em>Home:</em> read chapter 4; β by factors. <em>Watch for:</em> half a sum.</p>
</section></section>
<section id="a-workshop-of-two-days"><h2>Workshop</h2>
<table><thead><tr><th>time</th><th>day 1: how</th></tr></thead>
<tbody><tr><td>09:00</td><td>Chapter 3 and exercise 3</td></tr></tbody></table></section>
<section id="what-the-prompts-show"><h2>What the prompts show</h2>
<ul><li><p><em>What if <code>x</code> is turned?</em> Nothing changes.</p></li>
<li><p><em>And if it is cut?</em> Everything does.</p></li></ul></section>
</article>"""

CHAPTER = r"""
<article><section id="content-loss"><h1><span class="section-number">3. </span>Content</h1>
<p><em>You compare features.</em></p>
<div class="admonition">
<p><strong>You will be able to</strong> write the loss; and check it.</p></div>
<section id="start"><h2>The start</h2>
<p>First this. <strong>Predict:</strong> which of the three is nearer?</p>
<div class="cell"><figure id="fig-three"><img src="../../_images/a.png" alt="Three cats"
style="width: 20px"><figcaption><p><span class="caption-number">Fig. 3.1 </span><span
class="caption-text">Three cats. Compare them.</span></p></figcaption></figure></div>
<p>The darker one is nearer.</p>
<p><strong>Try it.</strong> Look again. What if <code>x</code>
is turned?</p></section>
<section id="the-formula"><h2>The formula</h2>
<p>Long ago. The loss is half a sum <a class="footnote-reference" href="#x">[1]</a>:</p>
<div class="math">\[L = \tfrac12 \sum (F - P)^2\]</div>
<p>It depends on the place. More follows.</p>
<p><strong>Predict:</strong> is there one target? Expand the squares:</p>
<div class="math">\[1 + 1 = 2\]</div>
<div class="cell"><div class="cell_input"><pre>from nst_teach import load_image</pre></div></div>
<div class="cell"><div class="cell_input"><pre>def loss(F, P):
    return 0.5 * ((F - P) ** 2).sum()</pre></div></div>
<figure id="fig-map"><img src="../../_images/b.png" alt="A map"></figure>
</section>
<section id="self-check"><h2>Self-check</h2><p><strong>How much is 1 + 1?</strong></p>
<details class="answer"><summary>1</summary><p>That is too little.</p></details>
<details class="answer right"><summary>2</summary><p>Yes.</p></details></section>
<section id="summary"><h2>Summary</h2><ul><li><p>A sum. Half of it.</p></li></ul></section>
</section></article>"""

EXERCISE = "<article><h1>Exercise 3: content</h1><h2>Task 1: the loss (1 point)</h2></article>"


@pytest.fixture
def site(tmp_path):
    """A built book with one session, one chapter and one exercise."""
    return small_book(tmp_path)


def small_book(root):
    write(root, "book/teaching.html", GUIDE)
    write(root, "book/chapters/03_content.html", CHAPTER)
    write(root, "book/chapters/04_next.html", "<article><h1>Next</h1></article>")
    write(root, "exercises/ex03_content.html", EXERCISE)
    return root


def write(site, name, text):
    (site / name).parent.mkdir(parents=True, exist_ok=True)
    (site / name).write_text(text, encoding="utf-8")


@pytest.fixture
def deck(site):
    return slide_plans.decks(site)[0]


def shown(deck, kind):
    return [slide for slide in deck.slides if slide.kind == kind]


# The order and the questions


def test_a_deck_follows_its_plan(deck):
    """Question, figure and section come as the row says, and the self-check at the end."""
    kinds = [slide.kind for slide in deck.slides]
    assert kinds == ["title", "text", "question", "figure", "formula", "question", "formula",
                     "code", "figure asked", "text", "text", "text", "text", "title",
                     "vote"]  # fmt: skip
    assert deck.title == "1 · Content"


def test_a_question_has_its_answer_and_its_minutes_in_the_notes(deck):
    question = shown(deck, "question")[0]
    assert "Which is nearer?" in question.body
    assert "The darker one." in question.notes
    assert "0–15 min." in question.notes
    assert "The darker one." not in question.body


def test_a_question_about_a_figure_is_asked_above_it(deck):
    (asked,) = shown(deck, "figure asked")
    assert asked.title == "Where is it bright?"
    assert "In the square." in asked.notes


def test_the_plan_s_question_takes_the_place_of_the_chapter_s(deck):
    figure = shown(deck, "figure")[0]
    assert "Which of the three is nearer?" in figure.notes


def test_a_prompt_in_the_notes_has_the_guide_s_answer(deck):
    figure = shown(deck, "figure")[0]
    assert "Nothing changes." in figure.notes
    assert not any("Everything does." in slide.notes for slide in deck.slides)


def test_italics_that_ask_nothing_are_a_title():
    emphasis = BeautifulSoup("<em>Film, measured</em>", "html.parser").em
    assert not slide_plans.is_question(emphasis)


def test_a_question_without_an_answer_is_an_error(site):
    write(site, "book/teaching.html", GUIDE.replace("<li><p>In the square.</p></li>", ""))
    with pytest.raises(slide_pieces.SlidesError, match=r"session 1 .* 2 questions and 1 answers"):
        slide_plans.decks(site)


def test_a_plan_that_names_what_is_not_there_is_an_error(site):
    write(site, "book/teaching.html", GUIDE.replace("#the-formula", "#the-formulae"))
    with pytest.raises(slide_pieces.SlidesError, match=r"03_content.html .* 'the-formulae'"):
        slide_plans.decks(site)


# Pieces


def test_a_formula_stands_between_its_sentences(deck):
    first, second = shown(deck, "formula")
    assert "Long ago. The loss is half a sum:" in first.body  # the footnote and its gap are gone
    assert "It depends on the place." in first.body
    assert "More follows." not in first.body
    assert "Expand the squares:" in second.body


def test_a_formula_that_answers_a_prediction_is_not_shown_with_it(deck):
    predicted = shown(deck, "question")[1]
    assert predicted.body == "<p class='question'>Is there one target?</p>"
    assert slide_pieces.LATER in predicted.notes  # the chapter says nothing more here


def test_a_figure_is_seen_from_the_folder_of_the_slides(deck):
    figure = shown(deck, "figure")[0]
    assert 'src="../_images/a.png"' in figure.body
    assert figure.source == "../book/chapters/03_content.html#fig-three"
    assert "style" not in figure.body  # as large as the slide, not as on the page
    assert "Fig. 3.1" not in figure.body
    assert "The darker one is nearer." in figure.notes


def test_code_that_only_loads_is_left_out(deck):
    (code,) = shown(deck, "code")
    assert "def loss" in code.body


def test_votes_hide_which_answer_is_right(deck):
    (vote,) = shown(deck, "vote")
    assert "Yes" not in vote.body
    assert "<strong>Right.</strong> Yes." in vote.notes


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("One. Two? Three", ["One.", "Two?", "Three"]),
        ("A <b>bold. End.</b> word. Next.", ["A <b>bold. End.</b> word.", "Next."]),
        ("At 0.5 it falls, i.e. less. β grows.", ["At 0.5 it falls, i.e. less. β grows."]),
        ("First. <b>Then</b> more.", ["First.", "<b>Then</b> more."]),
    ],
)
def test_sentences(paragraph, expected):
    soup = BeautifulSoup(f"<p>{paragraph}</p>", "html.parser")
    assert slide_pieces.sentences(soup.p) == expected


def test_a_table_with_answers_is_shown_without_them(site):
    table = ("<article><section id='t'><h2>T</h2><table><tr><th>statement</th><th>answer</th></tr>"
             "<tr><td>noise</td><td>letter</td></tr></table></section></article>")  # fmt: skip
    write(site, "t.html", table)
    (slide,) = slide_pieces.section_slides(slide_pieces.Page(site, "t.html"), "t")
    assert "noise" in slide.body
    assert "letter" not in slide.body
    assert "letter" in slide.notes


def test_a_greek_letter_is_no_capital():
    assert slide_pieces.capitalised(" read on") == "Read on"
    assert slide_pieces.capitalised("β by factors") == "β by factors"


# The workshop, and the files


def test_the_workshop_takes_figures_and_exercises_of_its_chapters(site):
    workshop = slide_plans.decks(site)[-1]
    titles = [slide.title for slide in workshop.slides]
    assert titles[:3] == ["A workshop of two days", "Day 1: how", "Day 1, 09:00"]
    assert "Exercise 3: content" in titles
    assert shown(workshop, "figure")


def test_a_deck_lists_no_answer_outside_the_notes(site):
    slides.write(site)
    soup = BeautifulSoup((site / "slides/session_01.html").read_text("utf-8"), "html.parser")
    for notes in soup.select("aside.notes"):
        notes.decompose()
    assert "In the square." not in soup.get_text()
    assert "session_01.html" in (site / "slides/index.html").read_text("utf-8")


# In a browser


@pytest.fixture(scope="module")
def tab(browser, tmp_path_factory):
    """A tab with the deck of the small book, whose pictures are as large as real ones."""
    from PIL import Image

    assets.install()
    site = small_book(tmp_path_factory.mktemp("slides"))
    (site / "_static").mkdir()
    for name in ("vendor", "slides"):
        shutil.copytree(ROOT / "book" / "_static" / name, site / "_static" / name)
    (site / "_static" / "pygments.css").touch()
    shutil.copy(ROOT / "book" / "_static" / "mark.svg", site / "_static")
    (site / "_images").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (900, 300), "teal").save(site / "_images" / f"{name}.png")
    slides.write(site)
    width, height = slide_sheets.SIZE
    context = browser.new_context(viewport={"width": width, "height": height})
    with serve.served(site) as address:
        tab = context.new_page()
        tab.watch = pages.Watch(tab, address)
        slide_sheets.open_deck(tab, f"{address}slides/session_01.html")
        yield tab
        context.close()


def test_slides_fit_and_ask_no_other_site(tab):
    assert slide_sheets.faults(tab) == []
    assert tab.watch.faults == []


def test_notes_hold_formulas_that_every_window_can_draw(tab):
    """The window of the notes has no MathJax: what it is sent must be MathML."""
    assert tab.evaluate("document.querySelectorAll('aside.notes mjx-container').length") == 0


def test_the_theme_can_be_changed(tab):
    colour = "getComputedStyle(document.body).backgroundColor"
    before = tab.evaluate(colour)
    tab.keyboard.press("t")
    assert tab.evaluate(colour) != before


@pytest.mark.parametrize(
    ("asked", "expected"), [("", "dark"), ("?theme=light", "light"), ("?print-pdf", "light")]
)
def test_the_theme_is_the_systems_unless_asked_for(tab, asked, expected):
    page = tab.context.new_page()
    page.emulate_media(color_scheme="dark")
    page.goto(tab.url.partition("session_01")[0] + f"index.html{asked}")
    assert page.evaluate("document.documentElement.dataset.theme") == expected
    page.close()


def test_what_does_not_fit_would_be_found(tab):
    """Also text that has become too small: half of a long list does not fit at any size."""
    tab.evaluate("""() => {
      const body = document.querySelector(".text .body");
      body.innerHTML = "<p>word </p>".repeat(90);
      fitAll();
    }""")
    found = slide_sheets.faults(tab)
    assert any("too large" in fault for fault in found)
    assert any("has text of" in fault for fault in found)
