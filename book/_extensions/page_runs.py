"""Sphinx extension: run the pages several at once, on kernels that stay on this machine.

myst-nb runs a page when Sphinx reads it, one after the other. A page seldom keeps two cores busy:
it starts a kernel, draws, encodes pictures, computes on images too small for two threads. So all
pages that will be read are started here, as many at a time as there are cores and memory for, and
myst-nb gets the result of a run that may have finished long before. The dearest pages are run and
read first, so that no core is idle while another one is busy with a last long page.

A kernel listens on TCP ports, without encryption, where any user of the machine can listen in, and
it warns of this once for each page. Here it needs no network: sockets in a folder of our own do.
(Windows lacks those; there the ports are encrypted.)
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import queue
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path

import nbformat
import notebooks
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.execute import direct
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util.logging import NAMESPACE
from traitlets.config import Config

from nst_teach import costs, machine

SAID_BY_SPHINX = ("Executing notebook using", "Executed notebook in")
"""Lines about a page of which Sphinx has just written the name. The status page has the times."""

MEMORY_OF_A_PAGE = 3 * 2**30
"""Bytes to have free for a page; the largest was seen to take 2.6 GB in a build."""

KEEP_MEMORY = {"hugetlb": 1, "mmap_threshold": 2**30, "trim_threshold": 2**32, "top_pad": 2**28}
"""For glibc's malloc. By default, a large tensor's memory goes back to Linux when it is freed, and
Linux fills that of the next one with zeros first. It took a tenth of a transfer's seconds."""

KEPT_VARIABLE = "NST_TEACH_KEPT_RUNS"
"""Names a folder with pages that this very code has run: those that a test run began with."""

Run = Callable[..., ExecutionResult]


def run_here(notebook: NotebookNode, **settings: object) -> ExecutionResult:
    """Run a notebook as myst-nb would, but where nobody else can listen in."""
    with tempfile.TemporaryDirectory(prefix="kernel-") as folder:
        config = Config(KernelManager=place(Path(folder)))
        return single_nb_execution(notebook, config=config, **settings)


def place(folder: Path) -> dict[str, str]:
    """Where a kernel listens: on sockets in the folder or, on Windows, on encrypted TCP ports."""
    if os.name == "nt":  # there, ZeroMQ has no such sockets
        return {"transport_encryption": "auto"}
    return {"transport": "ipc", "ip": str(folder / "kernel")}


def key_of(notebook: NotebookNode) -> str:
    """What stands for a page's code, whatever its text is."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


def fill(notebook: NotebookNode, ran: NotebookNode) -> None:
    """Give the code of a notebook the outputs of another one, which ran with the same code."""
    code = [[cell for cell in nb.cells if cell.cell_type == "code"] for nb in (notebook, ran)]
    for cell, source in zip(*code, strict=True):
        cell.outputs, cell.execution_count = source.outputs, source.execution_count


def keep(folder: Path, notebook: NotebookNode, seconds: float) -> None:
    """Write a notebook that has run, and the seconds it took, for a later build to find."""
    notebook.metadata["seconds"] = seconds
    path = folder / f"{key_of(notebook)}.ipynb"
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(nbformat.writes(notebook), encoding="utf-8")
    part.replace(path)


def kept(notebook: NotebookNode) -> ExecutionResult | None:
    """The run that was kept of a notebook with this code, if there is one."""
    folder = os.environ.get(KEPT_VARIABLE)
    path = Path(folder or "") / f"{key_of(notebook)}.ipynb"
    if not folder or not path.is_file():
        return None
    ran = nbformat.read(path, as_version=4)
    fill(notebook, ran)
    return ExecutionResult(notebook, "", ran.metadata["seconds"])


class Ahead:
    """Notebooks that are run in the background, some at a time, in the order given.

    Args:
        pages: the notebooks; they receive their outputs.
        run: what runs one.
        at_once: how many run at the same time.
    """

    def __init__(self, pages: Iterable[NotebookNode], run: Run, at_once: int):
        self.run, self.waiting = run, queue.SimpleQueue[NotebookNode]()
        self.results: dict[str, Future[ExecutionResult]] = {}
        for page in pages:
            if self.results.setdefault(key_of(page), future := Future()) is future:
                self.waiting.put(page)
        for _ in range(at_once):  # daemons: a build that is broken off does not wait for them
            threading.Thread(target=self._work, daemon=True).start()

    def result(self, notebook: NotebookNode, **settings: object) -> ExecutionResult:
        """The result of a notebook's run, which has its outputs then; waits until it is there."""
        future = self.results.get(key_of(notebook))
        if future is None:
            return self.run(notebook, **settings)
        result = future.result()
        fill(notebook, result.nb)
        return result

    def _next(self) -> NotebookNode | None:
        try:
            return self.waiting.get_nowait()
        except queue.Empty:
            return None

    def _work(self) -> None:
        while (page := self._next()) is not None:
            future = self.results[key_of(page)]
            try:
                future.set_result(self.run(page))
            except BaseException as error:  # whoever waits for the page has to know
                future.set_exception(error)


def at_once() -> int:
    """How many pages this machine runs at a time: one a core, or fewer threads, or less memory."""
    given = int(os.environ.get("OMP_NUM_THREADS") or 1)
    return max(1, min(cores() // given, machine.memory().free // MEMORY_OF_A_PAGE))


def cores() -> int:
    """Processors that this process may use."""
    return max(1, int(machine.processors().usable))


def tunables() -> str:
    """`KEEP_MEMORY` as glibc reads it, when a process begins."""
    return ":".join(f"glibc.malloc.{name}={value}" for name, value in KEEP_MEMORY.items())


def dearest_first(docnames: list[str]) -> None:
    """Sort pages by what they cost, as measured once; those that cost nothing keep their order."""
    price = {cost.notebook: cost.probes for cost in costs.table().notebooks}
    docnames.sort(key=lambda name: -price.get(name, 0))


def start(app: Sphinx, env: object, docnames: list[str]) -> None:
    """Start all pages that Sphinx is about to read, in an order that it will keep to."""
    if app.config.nb_execution_mode != "force":
        return
    dearest_first(docnames)
    sources = notebooks.pages(Path(app.srcdir))
    texts = [notebooks.book_text(sources[name]) for name in docnames if name in sources]
    workers = at_once()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // workers)))
    os.environ.setdefault("GLIBC_TUNABLES", tunables())  # other systems do not read it
    settings = {
        "timeout": app.config.nb_execution_timeout,
        "allow_errors": app.config.nb_execution_allow_errors,
    }

    def run(notebook: NotebookNode, **more: object) -> ExecutionResult:
        if result := kept(notebook):
            return result
        with tempfile.TemporaryDirectory() as folder:
            return run_here(notebook, **{"cwd": folder} | settings | more)

    ahead = Ahead([nbformat.reads(text, as_version=4) for text in texts], run, workers)
    direct.single_nb_execution = ahead.result  # myst-nb has no setting for its kernels


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the log says more than the one before it."""
    return not any(words in record.getMessage() for words in SAID_BY_SPHINX)


def setup(app: Sphinx) -> dict:
    """Sphinx calls this when it loads the extension."""
    app.connect("env-before-read-docs", start)
    for handler in logging.getLogger(NAMESPACE).handlers:
        handler.addFilter(is_news)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
