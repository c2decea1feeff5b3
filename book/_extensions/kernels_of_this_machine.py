"""Sphinx extension: kernels that run the pages stay on this machine, and the log stays short.

A kernel listens on TCP ports, without encryption, where any user of the machine can listen in, and
it warns of this once for each page. Here it needs no network: sockets in a folder of our own do.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.execute import direct
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util.logging import NAMESPACE
from traitlets.config import Config

SAID_BY_SPHINX = ("Executing notebook using", "Executed notebook in")
"""Lines about a page of which Sphinx has just written the name. The status page has the times."""


def run_here(notebook: NotebookNode, **settings: object) -> ExecutionResult:
    """Run a notebook as myst-nb would, but on sockets in a folder that only this user can open."""
    with tempfile.TemporaryDirectory(prefix="kernel-") as folder:
        place = {"transport": "ipc", "ip": str(Path(folder) / "kernel")}
        return single_nb_execution(notebook, config=Config(KernelManager=place), **settings)


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the log says more than the one before it."""
    return not any(words in record.getMessage() for words in SAID_BY_SPHINX)


def setup(app: Sphinx) -> dict:
    """Sphinx calls this when it loads the extension."""
    direct.single_nb_execution = run_here  # myst-nb has no setting for its kernels
    for handler in logging.getLogger(NAMESPACE).handlers:
        handler.addFilter(is_news)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
