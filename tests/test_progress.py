"""A bar in a notebook, drawn below a cell by a real kernel."""

from __future__ import annotations

import io

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

from nst_teach import progress
from nst_teach.progress import NotebookLine, progress_bar

LONG = """
import os
os.environ.pop("NST_TEACH_PROGRESS", None)
from nst_teach import load_image, optimize, progress
from nst_teach.objective import Losses
progress.PROGRESS_DELAY = 0

def bowl(x):
    loss = (x - 0.5).square().sum()
    return Losses(loss, {}, {}, loss)
"""
SEEN = """
lines, write = [], progress.NotebookLine.write
progress.NotebookLine.write = lambda self, text: lines.append(text) or write(self, text)
optimize(bowl, load_image("chelsea", size=16), optimizer="adam", steps=30).steps
"""


def test_a_notebook_keeps_nothing_of_a_bar():
    cells = [nbformat.v4.new_code_cell(source) for source in (LONG, SEEN, "lines")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": ROOT}}).execute()
    _, run, lines = (cell.outputs for cell in cells)
    bar, result = run
    assert bar.data == {"text/html": "", "text/plain": ""}
    assert result.data["text/plain"] == "30"
    assert "30/30" in lines[0].data["text/plain"] or "/30 [" in lines[0].data["text/plain"]


def test_outside_a_notebook_it_goes_to_stderr(capsys, monkeypatch):
    monkeypatch.delenv("NST_TEACH_PROGRESS", raising=False)
    monkeypatch.setattr("nst_teach.progress.PROGRESS_DELAY", 0)
    with progress_bar(10, shown=True) as bar:
        bar.update(5)
    out, err = capsys.readouterr()
    assert out == ""
    assert "/10 [" in err


@pytest.mark.parametrize("text", ["\r", "\r      \r", ""])
def test_a_line_that_never_showed_anything_shows_no_emptiness(text):
    line = NotebookLine()
    assert line.write(text) == len(text)
    assert line._shown is None


# --- what a run will cost ------------------------------------------------------------------------


def test_a_sentence_stays_in_a_terminal(capsys, monkeypatch):
    monkeypatch.delenv(progress.PROGRESS_VARIABLE, raising=False)
    with progress.announced(lambda: "About 40 s.", shown=True):
        pass
    assert capsys.readouterr().err == "About 40 s.\n"


@pytest.mark.parametrize("hidden", ["by the argument", "by the variable"])
def test_a_hidden_sentence_is_not_computed(monkeypatch, hidden):
    variable = "0" if hidden == "by the variable" else "1"
    monkeypatch.setenv(progress.PROGRESS_VARIABLE, variable)
    with progress.announced(lambda: pytest.fail("computed"), shown=variable == "0"):
        pass


def test_no_sentence_for_a_short_run(capsys, monkeypatch):
    monkeypatch.delenv(progress.PROGRESS_VARIABLE, raising=False)
    with progress.announced(lambda: None, shown=True):
        pass
    assert capsys.readouterr().err == ""


def test_a_sentence_leaves_a_notebook_at_the_end(monkeypatch):
    monkeypatch.delenv(progress.PROGRESS_VARIABLE, raising=False)
    written = []

    class Line(io.StringIO):
        def write(self, text):
            written.append(text)
            return len(text)

    monkeypatch.setattr(progress, "_line", Line)
    with pytest.raises(KeyboardInterrupt), progress.announced(lambda: "About 40 s.", shown=True):
        raise KeyboardInterrupt
    assert written == ["About 40 s.", "\n", ""]


def test_transfer_says_what_a_long_run_costs(capsys, monkeypatch):
    from nst_teach import estimates, transfer

    monkeypatch.delenv(progress.PROGRESS_VARIABLE, raising=False)
    monkeypatch.setattr(estimates, "WORTH_SAYING", 0.0)
    transfer("chelsea", "dots", size=32, steps=2)
    assert "evaluations at 32×21 px." in capsys.readouterr().err
