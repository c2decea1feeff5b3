"""The notebooks as people open them: plain Markdown, in which nothing is left of MyST.

Each is parsed by a CommonMark parser with what Jupyter adds to it (tables, struck text, formulas),
and looked at as a reader would: words, links, pictures, numbers of figures.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import nbformat
import notebooks
import plain
import plain_citations
import plain_numbers
import plain_pictures
import plain_text
import pytest
from bs4 import BeautifulSoup, Tag
from conftest import ROOT
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat.v4 import new_code_cell, new_markdown_cell
from PIL import Image
from pybtex.database import parse_string

FOLDERS = ("book/chapters", "exercises", "exercises/solutions")
NOTEBOOKS = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.ipynb"))]

JUPYTER = MarkdownIt("commonmark").enable(["table", "strikethrough"]).use(dollarmath_plugin)

LEFTOVERS = {
    "fence": re.compile(r":::"),
    "role": re.compile(r"\{[a-zA-Z][\w:+-]*\}"),
    "attribute": re.compile(r"\{[.#][\w-]+"),
    "target": re.compile(r"^\([\w-]+\)=", re.M),
    "footnote": re.compile(r"\[\^[\w-]+\]"),
    "comment": re.compile(r"^% ", re.M),
    "cell break": re.compile(r"^\+\+\+", re.M),
    "definition": re.compile(r"^: ", re.M),
    "substitution": re.compile(r"\{\{"),
}
"""What MyST looks like where nobody understands it."""

NOT_SHOWN = ("script", "style", "iframe", "svg", "object", "form")
"""Elements that front ends take out."""

PICTURES = {"data:image/png": b"\x89PNG\r\n\x1a\n", "data:image/jpeg": b"\xff\xd8\xff"}
"""The kinds of pictures that all front ends show within the text, and how their bytes begin."""

FIGURE = re.compile(r"Fig\.\s(\d+(?:\.\d+)?)")


def html(text: str) -> BeautifulSoup:
    """A text as a front end shows it."""
    return BeautifulSoup(JUPYTER.render(text), "html.parser")


def texts(path: Path) -> list[str]:
    """The cells of text of a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def faults(text: str, path: Path) -> list[str]:
    """What is wrong with the text of the notebook at `path`."""
    page = html(text)
    return [
        *(f"directive: {t.info}" for t in JUPYTER.parse(text) if t.info.startswith("{")),
        *(f"not shown: <{tag.name}>" for tag in page.find_all(NOT_SHOWN)),
        *faults_of_quizzes(page),
        *faults_of_pictures(page),
        *faults_of_links(page, path),
        *faults_of_figures(page, path),
        *leftovers(page),
    ]


def leftovers(page: BeautifulSoup) -> Iterator[str]:
    """MyST in words that a reader sees. Code and formulas may look like it."""
    page = BeautifulSoup(str(page), "html.parser")
    for tag in page.find_all(["pre", "code"]) + page.select(".math"):
        tag.replace_with("…")
    for kind, pattern in LEFTOVERS.items():
        yield from (f"{kind}: {found[0]}" for found in pattern.finditer(page.get_text()))


def faults_of_quizzes(page: BeautifulSoup) -> Iterator[str]:
    """Answers that cannot be opened, or that show nothing."""
    for answer in page.find_all("details"):
        head = answer.find("summary", recursive=False)
        if head is None or answer.get_text().strip() == head.get_text().strip():
            yield f"answer without words: {answer.get_text()[:40]}"


def faults_of_pictures(page: BeautifulSoup) -> Iterator[str]:
    """Pictures without words, or that are not in the notebook itself."""
    for picture in page.find_all("img"):
        kind, _, code = picture["src"].partition(";base64,")
        if not picture.get("alt", "").strip():
            yield f"picture without an alternative text: {kind[:40]}"
        if kind not in PICTURES:
            yield f"picture elsewhere: {kind[:40]}"
        elif not base64.b64decode(code).startswith(PICTURES[kind]):
            yield "picture is broken"


def faults_of_links(page: BeautifulSoup, path: Path) -> Iterator[str]:
    """Links that lead nowhere."""
    for link in page.find_all("a", href=True):
        address = link["href"]
        if not link.get_text(strip=True):
            yield f"link without words: {address}"
        if urlsplit(address).scheme not in ("http", "https") and not leads(address, path):
            yield f"dead link: {address}"


def leads(address: str, path: Path) -> bool:
    """Whether a relative address leads to a file, and to a place that it has."""
    name, place = urldefrag(address)
    target = (path.parent / unquote(name)).resolve() if name else path
    if not target.is_file() or not target.is_relative_to(ROOT):
        return False
    return not place or place in (figures(target) if target.suffix == ".ipynb" else ())


def faults_of_figures(page: BeautifulSoup, path: Path) -> Iterator[str]:
    """Numbers of figures that are no link to a figure with this number, and no caption's."""
    for words in page.find_all(string=FIGURE):
        link, caption = words.find_parent("a"), words.find_parent("strong")
        for number in FIGURE.findall(words):
            if not (caption or (link and number_of(link, path) == number)):
                yield f"no such figure: {number}"


def number_of(link: Tag, path: Path) -> str | None:
    """The number of the figure to which a link leads."""
    name, place = urldefrag(link["href"])
    return figures((path.parent / name).resolve() if name else path).get(place)


@functools.cache
def figures(path: Path) -> dict[str, str]:
    """The places in a notebook that have a name, each with the number of its figure.

    Anchors stand before their captions, in the same order.
    """
    pages = [html(text) for text in texts(path)] if path.is_file() else []
    anchors = [tag["id"] for page in pages for tag in page.find_all("a", id=True)]
    bold = [tag.get_text() for page in pages for tag in page.find_all("strong")]
    numbers = [found[1] for found in map(FIGURE.match, bold) if found]
    return dict(zip(anchors, numbers, strict=True))


# The notebooks


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_notebook_reads_well_without_any_extension(path):
    assert [fault for text in texts(path) for fault in faults(text, path)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_cells_of_code_keep_their_tags_and_are_folded_where_the_book_folds_them(path):
    for cell in nbformat.read(path, as_version=4).cells:
        hidden = {"hide-input", "remove-cell"} & set(cell.metadata.get("tags", ()))
        assert set(cell.metadata) <= {"tags", "jupyter"}
        assert cell.metadata.get("jupyter") == ({"source_hidden": True} if hidden else None)


def test_figures_are_counted_through_in_each_notebook():
    for path in NOTEBOOKS:
        number = CHAPTERS.get(f"book/chapters/{path.stem}")
        counted = [str(n) for n in range(1, len(figures(path)) + 1)]
        expected = [f"{number}.{n}" for n in counted] if number else counted
        assert list(figures(path).values()) == expected, path


def test_titles_have_the_numbers_of_their_files():
    assert list(CHAPTERS.values()) == list(range(1, 14))
    for page, number in CHAPTERS.items():
        assert Path(page).name.startswith(f"{number:02d}_")
        assert texts(ROOT / f"{page}.ipynb")[0].startswith(f"# {number}. ")


def test_every_diagram_is_in_a_notebook():
    shown = "".join(text for path in NOTEBOOKS for text in texts(path))
    for svg in (ROOT / "book" / "images").glob("*.svg"):
        assert plain_pictures.address(svg) in shown, svg.name


CHAPTERS = plain_numbers.chapters(
    plain.yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
)

# The look-out itself: it must see each thing that it is for

HERE = ROOT / "book" / "chapters" / "04_gram_matrices.ipynb"
FAULTS = {
    "fence: :::": ":::{admonition} Title\ntext\n:::",
    "fence: ::: four": "::::{grid}\n::::",
    "role: {admonition}": ":::{admonition} Title\ntext\n:::",
    "role: {numref}": "see {numref}`fig-gram-night`",
    "role: {footcite:p}": "in a list:\n\n- as in {footcite:p}`gatys2016`",
    "role: {term}": "| a |\n| --- |\n| {term}`word` |",
    "directive: {figure}": "```{figure} a.svg\n```",
    "directive: {footbibliography}": "text\n\n```{footbibliography}\n```",
    "target: (place)=": "(place)=\n## Title",
    "attribute: {.right": "[text](intro.ipynb){.right}",
    "footnote: [^one]": "text[^one]",
    "comment: % ": "% a note",
    "cell break: +++": "text\n\n+++\n\ntext",
    "definition: : ": "word\n: meaning",
    "substitution: {{": "{{ name }}",
    "not shown: <script>": "<script>1</script>",
    "answer without words": "<details>\n<summary>Yes</summary>\n\n</details>",
    "answer without words: ": "<details>\n\nno head\n\n</details>",
    "picture elsewhere": "![a diagram](../images/02_network.svg)",
    "picture elsewhere: attachment": "![a diagram](attachment:a.png)",
    "picture without an alternative text": "![](a.png)",
    "picture is broken": "![a diagram](data:image/png;base64,AAAA)",
    "dead link: gone.ipynb": "[text](gone.ipynb)",
    "dead link: 05_total_loss.ipynb#gone": "[text](05_total_loss.ipynb#gone)",
    "dead link: #gone": "[text](#gone)",
    "dead link: ../../../outside.md": "[text](../../../outside.md)",
    "link without words": "[](intro.ipynb)",
    "no such figure: 4.99": "see Fig. 4.99",
    "no such figure: 4.1": "see [Fig. 4.1](#fig-gram-night)",
    "no such figure: 4.6": "see Fig. 4.6, which exists but is no link",
}

GOOD = (
    "# Title\n\n> **Note**\n>\n> text\n\n$x_{a}$, `{numref}`, [Fig. 4.1](#fig-gram-fences), "
    "[a chapter](05_total_loss.ipynb), [a page](../notation.md), [a site](https://example.org)\n\n"
    "```python\n:::{x}\n```\n\n<details>\n<summary>Yes</summary>\n\nBecause.\n\n</details>"
)


@pytest.mark.parametrize(("fault", "text"), FAULTS.items(), ids=FAULTS)
def test_look_out_sees(fault, text):
    assert any(line.startswith(fault.removesuffix(" four")) for line in faults(text, HERE))


def test_look_out_accepts_what_is_good():
    assert faults(GOOD, HERE) == []


# From MyST to plain Markdown

WORKS = """
@article{one, author = {van Rossum, Guido}, title = {A Title}, journal = {J}, year = {1991},
  doi = {10.1/a_(b)}}
@article{two, author = {M{\\"u}ller, A. and Lee, B.}, title = {B}, journal = {J}, year = {2000},
  url = {https://example.org/b}}
@article{many, author = {Ng, A. and Lee, B. and Wu, C.}, title = {C}, journal = {J}, year = {2001}}
"""


@pytest.fixture
def page(tmp_path) -> plain.Page:
    """Chapter 3 of a small book."""
    found = {
        "fig-own": plain_numbers.Figure("book/chapters/03_c", "3.1"),
        "fig-other": plain_numbers.Figure("book/chapters/01_a", "1.2"),
        "fig-ex": plain_numbers.Figure("exercises/ex01", "1"),
    }
    works = plain_citations.Bibliography(parse_string(WORKS, "bibtex"))
    return plain.Page(
        plain.Book(tmp_path, {"book/chapters/03_c": 3}, found, works), "book/chapters/03_c"
    )


PLAIN = {
    "own figure": ("{numref}`fig-own`", "[Fig. 3.1](#fig-own)"),
    "figure elsewhere": ("{numref}`fig-other`", "[Fig. 1.2](01_a.ipynb#fig-other)"),
    "figure in another folder": ("{numref}`fig-ex`", "[Fig. 1](../../exercises/ex01.ipynb#fig-ex)"),
    "figure in words": ("{numref}`picture %s <fig-own>`", "[picture 3.1](#fig-own)"),
    "in brackets": (
        "{footcite:p}`two,many`",
        "([Müller and Lee, 2000](https://example.org/b); Ng et al., 2001)",
    ),
    "in the text": ("{footcite:t}`one`", "[van Rossum (1991)](<https://doi.org/10.1/a_(b)>)"),
    "two in the text": (
        "{footcite:t}`many, two`",
        "Ng et al. (2001) and [Müller and Lee (2000)](https://example.org/b)",
    ),
    "term": ("{term}`Gram\nmatrices <Gram matrix>`", "Gram matrices"),
    "in a list": ("- a\n  {term}`b`\n- {term}`b`", "- a\n  b\n- b"),
    "in a quotation": ("> {term}`a b`\n> {term}`c`", "> a b\n> c"),
    "in a table": (
        "| {term}`x` | {term}`x` |\n| --- | --- |\n| a | {term}`y` |",
        "| x | x |\n| --- | --- |\n| a | y |",
    ),
    "in a link": ("[see {term}`x`](https://example.org)", "[see x](https://example.org)"),
    "not in code": ("`` {term}`x` `` {term}`x`", "`` {term}`x` `` x"),
    "not in a block of code": ("```text\n{term}`x`\n```", "```text\n{term}`x`\n```"),
    "not in a formula": ("$\\text{term}`x`$", "$\\text{term}`x`$"),
    "admonition": (
        "a\n\n:::{admonition} The {term}`title`\n:class: note\nText.\n\n- {term}`x`\n:::\n\nb",
        "a\n\n> **The title**\n>\n> Text.\n>\n> - x\n\nb",
    ),
    "named admonition": ("```{tip}\nText.\n```", "> **Tip**\n>\n> Text."),
    "nested": (
        "::::{note}\n:::{tip}\n{term}`x`\n:::\n::::",
        "> **Note**\n>\n> > **Tip**\n> >\n> > x",
    ),
    "dropdown": (
        ":::{dropdown} Why?\nBecause.\n:::",
        "<details>\n<summary>Why?</summary>\n\nBecause.\n\n</details>",
    ),
    "comment": ("a\n\n% a note\n\nb", "a\n\n\nb"),
    "documentation": (
        "```{eval-rst}\n.. autofunction:: p.f\n.. autoclass:: p.C(x)\n   :members: a\n```",
        f"{plain.LISTED}\n\n- `p.f`\n- `p.C`",
    ),
    "documentation by hand": (
        "```{eval-rst}\n.. py:type:: T\n   :canonical: int | str\n\n   A `t`.\n   Or two.\n```",
        "- `T`: `int | str`: A `t`. Or two.",
    ),
}


@pytest.mark.parametrize(("source", "expected"), PLAIN.values(), ids=PLAIN)
def test_plain_form(page, source, expected):
    assert page.text_cell(source) == expected


def test_works_are_listed_in_the_order_in_which_they_are_cited(page):
    text = page.text_cell("{footcite:p}`two` {footcite:p}`one,two`\n\n```{footbibliography}\n```")
    listed = text.partition("\n\n")[2].splitlines()
    assert [re.search(r"\d{4}", line)[0] for line in listed] == ["2000", "1991"]
    assert listed[1].startswith("- Guido van Rossum. A title. *J*, 1991.")
    assert "(https://doi.org/10.1/a\\_(b))" in listed[1] or "10.1/a" in listed[1]


REFUSED = {
    "directive 'mermaid'": "```{mermaid}\n```",
    "role 'eq'": "{eq}`x`",
    "no figure has the name 'fig-gone'": "{numref}`fig-gone`",
    "'gone' is not in the bibliography": "{footcite:p}`gone`",
    "inside a list": "- a\n\n  :::{note}\n  b\n  :::",
    "a target": "(place)=\n\ntext",
    "a list of definitions": "word\n: meaning",
    "a footnote": "text[^a]\n\n[^a]: note",
    "a label on a formula": "$$\nx\n$$ (eq-x)",
    "no alternative text": ":::{figure} a.svg\n:::",
    "there is no picture gone.jpg": ":::{figure} gone.jpg\n:alt: Words.\n:::",
    "there is no picture gone.svg": ":::{figure} gone.svg\n:alt: Words.\n:::",
}


@pytest.mark.parametrize(("complaint", "source"), REFUSED.items(), ids=REFUSED)
def test_what_has_no_plain_form_is_refused_by_name(page, complaint, source):
    with pytest.raises(plain_text.PlainError, match=complaint):
        page.text_cell(source)


def test_diagram_is_kept_in_the_notebook_under_its_number(page):
    folder = page.book.root / "book" / "images"
    folder.mkdir(parents=True)
    (folder / "a.svg").write_text("<svg/>")
    plain_pictures.save(Image.new("RGB", (4, 2), "red"), folder / "a.svg")
    text = page.text_cell(
        "a\n\n:::{figure} ../images/a.svg\n:name: fig-own\n:alt: Red.\n\nWords.\n:::\n\nb"
    )
    shown = html(text)
    assert shown.img["alt"] == "Red."
    assert list(faults_of_pictures(shown)) == []
    assert [p.get_text() for p in shown.find_all("p")] == ["a", "", "Fig. 3.1. Words.", "b"]
    assert text.index("**Fig. 3.1.** Words.") < text.index("data:image")  # bytes come last


@pytest.mark.parametrize("kind", [".png", ".jpg"])
def test_other_pictures_are_kept_as_they_are(kind, tmp_path):
    file = tmp_path / f"a{kind}"
    Image.new("RGB", (4, 2), "red").save(file)
    shown = html(f"![Red.]({plain_pictures.address(file)})")
    assert list(faults_of_pictures(shown)) == []
    assert base64.b64decode(shown.img["src"].partition(",")[2]) == file.read_bytes()


def test_pictures_that_some_front_ends_do_not_show_are_refused(tmp_path):
    (tmp_path / "a.webp").touch()
    with pytest.raises(plain_text.PlainError, match=r"a\.webp is not an SVG, PNG or JPEG"):
        plain_pictures.address(tmp_path / "a.webp")


def test_diagram_that_changed_since_it_was_painted_is_refused(tmp_path):
    svg = tmp_path / "a.svg"
    svg.write_text("<svg/>")
    plain_pictures.save(Image.new("RGB", (4, 2), "red"), svg)
    assert plain_pictures.address(svg).startswith("data:image/png;base64,")
    svg.write_text("<svg />")
    with pytest.raises(plain_text.PlainError, match=r"a\.png is not what a\.svg shows; run"):
        plain_pictures.address(svg)


def drawing(name: str | None = "fig-own"):
    """A cell of code that draws a figure."""
    figure = {"caption": "Words.", **({"name": name} if name else {})}
    mystnb = {"figure": figure, "image": {"alt": "Red."}}
    return new_code_cell("draw()", metadata={"tags": ["hide-input"], "mystnb": mystnb})


ANCHOR = plain.anchor("fig-own")


def test_caption_follows_its_cell_and_links_lead_above_it(page):
    text, code, caption = page.cells([new_markdown_cell("# Title"), drawing()])
    assert text.source == f"# 3. Title\n\n{ANCHOR}"
    assert code.metadata == {"tags": ["hide-input"], "jupyter": {"source_hidden": True}}
    assert caption.source == "**Fig. 3.1.** Words."


def test_links_lead_to_the_caption_where_no_text_is_above_the_cell(page):
    assert page.cells([drawing()])[1].source == f"{ANCHOR}**Fig. 3.1.** Words."


def test_figure_without_a_name_is_refused(page):
    """Sphinx counts it; without a name the notebook could not."""
    with pytest.raises(plain_text.PlainError, match=r"the figure 'Words\.' has no name"):
        page.cells([drawing(name=None)])


def test_answers_of_students_are_left_alone(page):
    answer = new_markdown_cell("An answer.", metadata={"tags": ["answer"]})
    assert page.cells([answer, drawing()])[0].source == "An answer."


# Numbers


def test_chapters_are_counted_through_numbered_parts_alone():
    parts = [
        {"numbered": 1, "chapters": [{"file": "a"}, {"file": "b"}]},
        {"chapters": [{"file": "c"}]},
        {"numbered": 1, "chapters": [{"file": "d"}]},
    ]
    assert plain_numbers.chapters({"parts": parts}) == {"a": 1, "b": 2, "d": 3}


def test_figures_are_counted_in_the_order_of_the_page():
    nested = (
        ":::{note}\n```{figure} x.svg\n:name: two\n```\n:::\n\n```{figure} y.svg\n:name: three\n```"
    )
    cells = [drawing("one"), drawing(None), new_markdown_cell(nested), drawing("four")]
    found = plain_numbers.figures({"a": cells, "b": [drawing("five")]}, {"a": 7})
    assert {name: figure.number for name, figure in found.items()} == {
        "one": "7.1", "two": "7.2", "three": "7.3", "four": "7.4", "five": "1",
    }  # fmt: skip
    with pytest.raises(plain_text.PlainError, match="two figures have the name 'one'"):
        plain_numbers.figures({"a": [drawing("one")], "b": [drawing("one")]}, {})


def test_book_and_plain_notebook_run_the_same_code():
    for page, source in notebooks.pages().items():
        rich = nbformat.reads(notebooks.book_text(source), as_version=4)
        plain_one = nbformat.read(ROOT / f"{page}.ipynb", as_version=4)
        codes = [[c.source for c in n.cells if c.cell_type == "code"] for n in (rich, plain_one)]
        assert codes[0] == codes[1], page
