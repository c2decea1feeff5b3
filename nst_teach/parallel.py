"""Many calls of a function, on as many cores or machines as there are.

joblib decides where they run: on the cores of this machine or, inside
`with joblib.parallel_config(backend="dask")`, on a cluster.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import platform
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import FrameType
from typing import Generic, TypeVar

import psutil
import torch

from nst_teach.progress import PROGRESS_VARIABLE, progress_bar

Row = TypeVar("Row")
Column = TypeVar("Column")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Outcome(Generic[Value]):
    """What became of a cell: its place in the list of cells, and a value or an error."""

    cell: int
    value: Value | None = None
    error: Exception | None = None


def outcomes(
    function: Callable[[Row, Column], Value],
    cells: Sequence[tuple[Row, Column]],
    *,
    done: int = 0,
    unit: str = "cell",
    progress: bool = True,
) -> Generator[Outcome[Value]]:
    """Call `function(row, column)` for each cell; yields what becomes of them as they are finished.

    Args:
        function: takes a row and a column, and is pickled for other processes. A worker process
            gives torch its share of the cores: one thread if there are as many workers as cores,
            and on a cluster.
        cells: the rows and columns. Without a setting of joblib, they are distributed over the
            cores of this machine.
        done: for the progress bar, the number of cells that were finished earlier.
        unit: for the progress bar, the name of a cell.
        progress: show the bar, as in `transfer`.

    Exceptions of the function become outcomes. Ctrl-C raises `KeyboardInterrupt`, even if the
    function ends with a result on it, as `transfer` does.
    """
    joblib = import_module("joblib")  # here, because it takes a tenth of a second
    chosen = joblib.parallel.get_active_backend()[1]
    workers = min(joblib.effective_n_jobs(-1 if chosen is None else chosen), max(1, len(cells)))
    run = joblib.Parallel(
        n_jobs=workers, batch_size=1, pre_dispatch=workers, return_as="generator_unordered"
    )
    call = joblib.delayed(_Call(function, _process(), max(1, joblib.cpu_count() // workers)))
    with (
        progress_bar(done + len(cells), progress) as bar,
        _interruptions() as interrupted,
        contextlib.closing(run(call(k, *cell) for k, cell in enumerate(cells))) as finished,
    ):
        bar.unit, bar.initial, bar.n = unit, done, done
        for outcome in finished:
            if interrupted.is_set():  # `transfer` ends early on Ctrl-C; that is no finished cell
                raise KeyboardInterrupt
            yield outcome
            bar.update(1)


@dataclass(frozen=True)
class _Call(Generic[Row, Column, Value]):
    """The function, and what a worker has to know: who called, and its share of the cores."""

    function: Callable[[Row, Column], Value]
    caller: tuple[str, int]
    threads: int

    def __call__(self, cell: int, row: Row, column: Column) -> Outcome[Value]:
        if _process() != self.caller:
            _prepare(self.caller[1], self.threads)
        try:
            return Outcome(cell, self.function(row, column))
        except Exception as error:
            return Outcome(cell, error=_portable(error))


def _process() -> tuple[str, int]:
    return platform.node(), os.getpid()


def _prepare(caller: int, threads: int) -> None:
    """Make a worker leave cores, progress bar and Ctrl-C to others, and end with its caller."""
    ours = os.getppid() == caller  # on a cluster, it is not
    torch.set_num_threads(threads if ours else 1)
    os.environ[PROGRESS_VARIABLE] = "0"
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if ours:
        _end_with(caller)


@cache
def _end_with(parent: int) -> None:
    """End this process when its parent has ended: if that was killed, it could say nothing."""

    def watch() -> None:
        while os.getppid() == parent and psutil.pid_exists(parent):  # Windows keeps the number
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _portable(error: Exception) -> Exception:
    """The exception with its traceback as a note, so that another process can show it."""
    note = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # many classes cannot be pickled, each in its own way
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(note)
    return error


@contextlib.contextmanager
def _interruptions() -> Generator[threading.Event]:
    """An event that is set by Ctrl-C, which is handled as before."""
    seen, before = threading.Event(), signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        seen.set()
        if callable(before):
            before(number, frame)

    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield seen
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
