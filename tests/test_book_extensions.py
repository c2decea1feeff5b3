"""What the book's Sphinx extensions do, in a book of three pages."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import types
from pathlib import Path
from types import SimpleNamespace

import notebooks
import numbers_by_page
import page_runs
import plain_pictures
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from jupyter_cache.executors.utils import ExecutionResult
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

CONFIG = f"""
import sys
sys.path[:0] = [{str(ROOT / "book/_extensions")!r}]
extensions = [
    "myst_nb", "sphinx_external_toc", "sphinx_multitoc_numbering",
    "from_sources", "page_runs", "numbers_by_page", "content_policy",
]
project, html_theme, numfig = "small", "basic", True
myst_enable_extensions = ["colon_fence"]
exclude_patterns = ["book/src", "built"]
nb_execution_mode, nb_execution_in_temp, nb_execution_raise_on_error = "force", True, True
"""

TOC = """
root: book/chapters/intro
subtrees:
  - {caption: One, numbered: 1, entries: [{file: book/chapters/first}]}
  - {caption: Two, numbered: 1, entries: [{file: book/chapters/second}]}
  - {caption: Rest, entries: [{file: book/chapters/rest}]}
"""

PAGE = """\
# {title}

:::{{admonition}} Look
At {{numref}}`fig-{title}`.
:::
"""

DRAWN = """
```{{code-cell}}
---
mystnb:
  figure: {{name: fig-{title}, caption: Words.}}
---
from IPython.display import SVG

SVG('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
```
"""

KEPT = """
:::{{figure}} ../images/a.svg
:name: fig-{title}
:alt: A square.

Words.
:::
"""

PAGES = {"intro": "Fig. 1", "first": "Fig. 1.1", "second": "Fig. 2.1", "rest": "Fig. 1"}
"""The pages, each with the number of its figure."""


def build(root: Path) -> str:
    """Build the small book strictly and return the log."""
    folders = [str(root), str(root / "built" / "html")]
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "--no-color", *folders]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    built = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return built.stdout + built.stderr


def article(root: Path, name: str) -> BeautifulSoup:
    """A page of the built book."""
    html = (root / f"built/html/book/chapters/{name}.html").read_text(encoding="utf-8")
    return BeautifulSoup(html, "html.parser").find(class_="body")


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A book of four pages, and its first log in the file `log`."""
    root = tmp_path_factory.mktemp("small")
    (root / "book" / "src").mkdir(parents=True)
    (root / "book" / "references.bib").touch()
    (root / "_config.yml").write_text("repository: {url: https://example.org/a/b}")
    (root / "_toc.yml").write_text(TOC)
    (root / "conf.py").write_text(CONFIG)
    svg = root / "book" / "images" / "a.svg"
    svg.parent.mkdir()
    svg.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    plain_pictures.save(Image.new("RGB", (9, 9)), svg)
    for name in PAGES:
        text = PAGE + (DRAWN if name == "rest" else KEPT)
        (root / "book" / "src" / f"{name}.md").write_text(text.format(title=name))
    notebooks.write(root)
    (root / "log").write_text(build(root))
    return root


def test_each_page_has_a_policy_before_its_first_script(small):
    for path in (small / "built" / "html" / "book").glob("**/*.html"):
        before, _, after = path.read_text(encoding="utf-8").partition("Content-Security-Policy")
        assert "<script" not in before, path.name
        assert "default-src 'self'; script-src 'self'" in after, path.name


def test_pages_show_what_their_sources_say(small):
    for name in PAGES:
        title = article(small, name).find(class_="admonition-title")
        assert title.get_text() == "Look"
        assert "> **Look**" in (small / f"book/chapters/{name}.ipynb").read_text()


def test_figures_are_counted_by_chapter_and_elsewhere_by_page(small):
    for name, number in PAGES.items():
        page = article(small, name)
        assert page.find(class_="caption-number").get_text(strip=True) == number
        assert page.find(class_="std-numref").get_text() == number


def test_log_has_a_line_for_each_page_and_no_warning(small):
    log = (small / "log").read_text()
    assert "WARNING" not in log
    for name in PAGES:
        read = [line for line in log.splitlines() if line.endswith(f"] book/chapters/{name}")]
        phases = [line.partition("...")[0] for line in read]
        assert phases == ["reading sources", "writing output"]
        assert f"{name}.ipynb" not in log


def test_changed_source_is_noticed_although_its_notebook_is_not(small):
    """Where a figure is aligned, for instance, is in the source alone."""
    notebook = (small / "book/chapters/rest.ipynb").read_text()
    source = (PAGE + DRAWN).format(title="rest").replace("Words.}", "Words., align: left}")
    (small / "book/src/rest.md").write_text(source)
    notebooks.write(small)
    log = build(small)
    assert (small / "book/chapters/rest.ipynb").read_text() == notebook
    assert "book/chapters/rest" in log
    assert "book/chapters/first" not in log
    assert article(small, "rest").select("figure.align-left")


TELL = "from ipykernel.connect import get_connection_info\nprint(get_connection_info())"


def connection(capfd) -> dict:
    """How a kernel of a page is connected; it must not warn of anything."""
    notebook = new_notebook(cells=[new_code_cell(TELL)])
    result = page_runs.run_here(notebook, cwd=None, timeout=120, allow_errors=False)
    assert result.err is None
    assert not capfd.readouterr().err
    (output,) = notebook.cells[0].outputs
    return json.loads(output["text"])


@pytest.mark.skipif(os.name == "nt", reason="ZeroMQ has no sockets in folders on Windows")
def test_kernel_of_a_page_uses_no_network_and_warns_of_nothing(capfd):
    assert connection(capfd)["transport"] == "ipc"


def test_kernel_of_a_page_is_encrypted_where_it_needs_the_network(capfd, monkeypatch):
    """As on Windows."""
    monkeypatch.setattr(page_runs, "os", SimpleNamespace(name="nt"))
    encrypted = page_runs.place(Path())
    monkeypatch.undo()
    monkeypatch.setattr(page_runs, "place", lambda folder: encrypted)
    found = connection(capfd)
    assert found["transport"] == "tcp"
    assert found["curve_publickey"]


def test_numbers_of_chapters_are_left_as_they_are():
    env = type("Environment", (), {})()
    env.toc_secnumbers = {"chapter": {"": (8,)}}
    env.toc_fignumbers = {
        "chapter": {"figure": {"a": (8, 1), "b": (8, 2)}},
        "page": {"figure": {"c": (1,)}},
        "last": {"figure": {"d": (2,), "e": (3,)}, "table": {"f": (1,)}},
    }
    numbers_by_page.count_again(None, env)
    assert env.toc_fignumbers == {
        "chapter": {"figure": {"a": (8, 1), "b": (8, 2)}},
        "page": {"figure": {"c": (1,)}},
        "last": {"figure": {"d": (1,), "e": (2,)}, "table": {"f": (1,)}},
    }


# Pages run several at once, ahead of their being read


def page_of_code(*code: str) -> NotebookNode:
    return new_notebook(cells=[new_markdown_cell("Words."), *map(new_code_cell, code)])


def record(notebook: NotebookNode) -> ExecutionResult:
    """What a kernel does, without one: the output of a cell is its source, printed."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [new_output("stream", text=cell.source)]
    return ExecutionResult(notebook, "", 1.0)


def shown(notebook: NotebookNode) -> list[str]:
    return [cell.outputs[0].text for cell in notebook.cells if cell.cell_type == "code"]


def test_pages_run_at_the_same_time_and_each_gets_its_own_outputs():
    both = threading.Barrier(2, timeout=60)  # passed only by two at a time

    def run(notebook: NotebookNode) -> ExecutionResult:
        both.wait()
        return record(notebook)

    ahead = page_runs.Ahead([page_of_code("a", "b"), page_of_code("c")], run, at_once=2)
    for code in (["c"], ["a", "b"]):
        read = page_of_code(*code)
        assert ahead.result(read).time == 1.0
        assert shown(read) == code


def test_page_whose_run_fails_fails_when_it_is_read_and_no_other_does():
    def run(notebook: NotebookNode) -> ExecutionResult:
        if "b" in notebook.cells[-1].source:
            raise OSError("no kernel")
        return record(notebook)

    ahead = page_runs.Ahead([page_of_code("b"), page_of_code("c")], run, at_once=1)
    with pytest.raises(OSError, match="no kernel"):
        ahead.result(page_of_code("b"))
    assert ahead.result(page_of_code("c")).err is None


def test_page_that_was_not_started_is_run_when_it_is_read():
    read = page_of_code("late")
    page_runs.Ahead([], record, at_once=2).result(read)
    assert shown(read) == ["late"]


def test_kept_run_is_found_by_its_code_alone(tmp_path, monkeypatch):
    monkeypatch.setenv(page_runs.KEPT_VARIABLE, str(tmp_path))
    page_runs.keep(tmp_path, record(page_of_code("a", "b")).nb, 2.5)
    same = new_notebook(cells=[*map(new_code_cell, ("a", "b")), new_markdown_cell("Other words.")])
    assert page_runs.kept(same).time == 2.5
    assert shown(same) == ["a", "b"]
    assert page_runs.kept(page_of_code("a", "b + 1")) is None
    monkeypatch.delenv(page_runs.KEPT_VARIABLE)
    assert page_runs.kept(page_of_code("a", "b")) is None


@pytest.mark.parametrize(
    ("cores", "threads", "gigabytes", "pages"),
    [(2, None, 24, 2), (16, None, 24, 8), (2, "2", 24, 1), (8, "2", 24, 4), (4, None, 1, 1)],
)
def test_as_many_pages_run_as_there_are_cores_and_memory_for(
    cores, threads, gigabytes, pages, monkeypatch
):
    monkeypatch.setattr(page_runs, "cores", lambda: cores)
    free = types.SimpleNamespace(free=gigabytes * 2**30)
    monkeypatch.setattr(page_runs.machine, "memory", lambda: free)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if threads:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert page_runs.at_once() == pages


def test_the_dearest_pages_are_run_and_read_first():
    names = ["book/glossary", "book/chapters/01", "book/chapters/10", "exercises/ex01"]
    table = [("book/chapters/01", 20.0), ("book/chapters/10", 300.0)]
    costs = [SimpleNamespace(notebook=name, probes=probes) for name, probes in table]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_runs.costs, "table", lambda: SimpleNamespace(notebooks=costs))
        page_runs.dearest_first(names)
    assert names == ["book/chapters/10", "book/chapters/01", "book/glossary", "exercises/ex01"]


def test_known_pages_have_a_price():
    priced = {cost.notebook for cost in page_runs.costs.table().notebooks}
    assert len(priced & set(notebooks.pages(ROOT))) > 10


LARGE_ARRAYS = """
import resource
import numpy
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    numpy.ones(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="these are settings of glibc")
def test_large_arrays_reuse_the_memory_of_those_before(monkeypatch):
    def faults() -> int:
        """Pages of memory that Linux had to fill with zeros."""
        command = [sys.executable, "-c", LARGE_ARRAYS]
        return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    by_default = faults()
    monkeypatch.setenv("GLIBC_TUNABLES", page_runs.tunables())
    assert faults() < by_default / 2
