"""A pytest plugin: what nbval's notebooks showed is kept, and the book is built from it.

nbval runs every notebook, and the book is built from the same code. A page that has run once in a
test run need not run again: book/_extensions/page_runs.py finds what it showed in `KEPT_RUNS`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell

RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
KEPT_RUNS = Path(tempfile.gettempdir()) / f"nst-teach-{RUN}"
"""New for each test run, so that nothing old is ever found in it."""


def pytest_configure():
    """Tell the builds of the book where to look."""
    os.environ["NST_TEACH_KEPT_RUNS"] = str(KEPT_RUNS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Keep a notebook when its last cell has run without an error."""
    begin = time.monotonic()
    result = yield
    if isinstance(item, IPyNbCell):
        notebook = item.parent
        item.cell.outputs = item.test_outputs
        notebook.seconds = getattr(notebook, "seconds", 0) + time.monotonic() - begin
        notebook.ran = [*getattr(notebook, "ran", []), item.cell]
        code = [cell for cell in notebook.nb.cells if cell.cell_type == "code"]
        if notebook.ran == code:
            import page_runs  # it imports torch, which has to find the number of threads set

            KEPT_RUNS.mkdir(exist_ok=True)
            page_runs.keep(KEPT_RUNS, notebook.nb, notebook.seconds)
    return result


def pytest_sessionfinish():
    """Remove what was kept, when the last worker has ended."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(KEPT_RUNS, ignore_errors=True)
