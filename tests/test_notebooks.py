"""The generator: the same source gives the same bytes, and nothing stale or orphaned gets by."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import notebooks
import pytest
from conftest import ROOT
from nbclient import NotebookClient

ADDRESS = "https://example.org/owner/project"

SOURCE = """\
# A page

Some text.

```{code-cell}
---
tags: [hide-input]
mystnb:
  image:
    alt: What the picture shows.
  figure:
    name: fig-page
    caption: What to see.
---
x = 1
```

More text, about {numref}`fig-page`.

+++

A cell of its own.

```{code-cell} ipython3
x + 1
```
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """A small project: a configuration, one chapter and one template."""
    (tmp_path / "_config.yml").write_text(f"repository: {{url: {ADDRESS}}}\n")
    chapter = "{numbered: 1, chapters: [{file: book/chapters/page}]}"
    (tmp_path / "_toc.yml").write_text(f"parts: [{chapter}]\n")
    sources = tmp_path / "book" / "src"
    sources.mkdir(parents=True)
    (tmp_path / "book" / "references.bib").touch()
    (sources / "page.md").write_text(SOURCE)
    (sources / "_template.md").write_text("# Template\n")
    return tmp_path


@pytest.fixture
def notebook(project) -> nbformat.NotebookNode:
    """The notebook that the small project's page becomes."""
    return nbformat.reads(notebook_of(project / "book/src/page.md"), as_version=4)


def notebook_of(source: Path) -> str:
    """The text of the notebook that this source of a project stands for."""
    return notebooks.notebook_text(source, notebooks.read_book(source.parents[2]))


def add_page(project: Path, text: str, name: str = "broken") -> Path:
    """Add a page with this text to the project."""
    path = project / "book" / "src" / f"{name}.md"
    path.write_text(text)
    return path


# The notebook


def test_same_source_gives_same_bytes(project):
    source = project / "book/src/page.md"
    first = notebook_of(source)
    assert first == notebook_of(source)
    assert first.endswith("}\n")


def test_cells_keep_their_order_and_text(notebook):
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    place = '<a id="fig-page" name="fig-page"></a>'
    assert cells[0] == ("markdown", f"# 1. A page\n\nSome text.\n\n{place}")
    assert cells[2:] == [
        ("code", "x = 1"),
        ("markdown", "**Fig. 1.1.** What to see."),
        ("markdown", "More text, about [Fig. 1.1](#fig-page)."),
        ("markdown", "A cell of its own."),
        ("code", "x + 1"),
    ]


def test_set_up_is_the_first_code_and_installs_from_the_public_address(notebook):
    setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert setup.metadata.tags == ["remove-cell", "setup"]
    assert f'%pip install --quiet "git+{ADDRESS}"' in setup.source


def test_page_without_code_has_no_set_up(project):
    source = add_page(project, "# Only words\n")
    cells = json.loads(notebook_of(source))["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown"]


def test_ids_come_from_page_and_position(notebook):
    assert [cell.id for cell in notebook.cells] == [f"page-{n:02d}" for n in range(7)]


def test_tags_of_a_cell_are_kept(notebook):
    assert notebook.cells[2].metadata.tags == ["hide-input"]


def test_book_reads_the_source_as_it_was_written(project):
    book = nbformat.reads(notebooks.book_text(project / "book/src/page.md"), as_version=4)
    assert [cell.source for cell in book.cells if cell.cell_type == "markdown"] == [
        "# A page\n\nSome text.",
        "More text, about {numref}`fig-page`.",
        "A cell of its own.",
    ]
    assert book.cells[2].metadata == {
        "tags": ["hide-input"],
        "mystnb": {
            "image": {"alt": "What the picture shows."},
            "figure": {"name": "fig-page", "caption": "What to see."},
        },
    }


def test_set_up_on_colab_tells_where_the_other_notebooks_are():
    assert "# https://colab.research.google.com/github/a/b" in set_up("https://github.com/a/b")
    assert "colab.research" not in set_up(ADDRESS)


def set_up(address: str) -> list[str]:
    """The lines of the set-up cell of a project at this address."""
    return notebooks.setup_cell(address).source.splitlines()


def test_notebook_carries_no_outputs_and_no_counts(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("---\ntitle: A page\n---\n# A page\n", "front matter"),
        ("# A page\n\n```{raw-cell}\nraw\n```\n", "raw cell"),
        ('# A page\n\n+++ {"tag": ["hide-input"]}\n\ntext\n', "metadata"),
        (f"# A page\n\n```{{code-cell}}\n{'x' * 81}\n```\n", "81 characters"),
        ("# A page\n\n:::{mermaid}\n:::\n", "'mermaid' has no plain form"),
        ("# A page\n\n{numref}`fig-gone`\n", "no figure has the name 'fig-gone'"),
    ],
    ids=["front matter", "raw cell", "unknown metadata", "wide code", "directive", "figure"],
)
def test_source_that_would_lose_something_is_refused(project, text, complaint):
    source = add_page(project, text)
    with pytest.raises(notebooks.SourceError, match=complaint) as error:
        notebook_of(source)
    assert "broken.md" in str(error.value)


# The check


def test_written_notebooks_pass_the_check(project):
    assert notebooks.write(project) == [project / "book/chapters/page.ipynb"]
    assert notebooks.problems(project) == []
    assert notebooks.write(project) == []


def test_check_sees_a_missing_notebook(project):
    assert notebooks.problems(project) == ["book/chapters/page.ipynb: not what its source gives"]


def test_check_sees_an_edited_source(project):
    notebooks.write(project)
    source = project / "book/src/page.md"
    source.write_text(SOURCE.replace("x = 1", "x = 2"))
    assert notebooks.problems(project) == ["book/chapters/page.ipynb: not what its source gives"]


def test_check_sees_an_executed_notebook(project):
    (path,) = notebooks.write(project)
    path.write_text(path.read_text().replace('"execution_count": null', '"execution_count": 3', 1))
    assert notebooks.problems(project) == ["book/chapters/page.ipynb: not what its source gives"]


def test_check_sees_an_orphan(project):
    notebooks.write(project)
    shutil.copy(project / "book/chapters/page.ipynb", project / "book/chapters/left.ipynb")
    assert notebooks.problems(project) == ["book/chapters/left.ipynb: has no source"]


def test_template_makes_no_notebook(project):
    notebooks.write(project)
    assert [path.name for path in (project / "book/chapters").iterdir()] == ["page.ipynb"]


# The project's own sources


def test_committed_notebooks_are_what_their_sources_give():
    assert notebooks.problems() == []


def test_template_runs(tmp_path):
    text = notebooks.book_text(ROOT / "book/src/_template.md")
    template = nbformat.reads(text, as_version=4)
    NotebookClient(template, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()
    pictures = [
        output
        for cell in template.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert pictures, "the template shows how to show a picture"


def test_no_chapter_keeps_the_templates_notes():
    template = (ROOT / "book/src/_template.md").read_text(encoding="utf-8")
    first_note = template[: template.index("\n")]
    assert first_note.startswith("<!--")
    for source in (ROOT / "book/src").glob("[!_]*.md"):
        assert first_note not in source.read_text(encoding="utf-8"), source


def test_a_copy_of_the_template_becomes_a_plain_notebook(project):
    template = (ROOT / "book/src/_template.md").read_text(encoding="utf-8")
    shutil.copy(ROOT / "book/references.bib", project / "book/references.bib")
    text = notebook_of(add_page(project, template, name="copy"))
    assert "**Fig. 1.**" in text
    assert "[Johnson et al., 2016](" in text


def test_formulas_in_the_heading_of_an_answer_are_formulas_in_the_book_too(tmp_path):
    """It is HTML, in which MyST sees no formulas. Jupyter does, so the notebook stays as it is."""
    source = tmp_path / "book/src/page.md"
    source.parent.mkdir(parents=True)
    source.write_text("# Page\n\n<summary>Is $a < b$?</summary> That $c$ is MyST's.\n", "utf-8")
    (text,) = nbformat.reads(notebooks.book_text(source), as_version=4).cells
    heading = r'<summary>Is <span class="math">\(a &lt; b\)</span>?</summary>'
    assert text.source.endswith(f"{heading} That $c$ is MyST's.")
