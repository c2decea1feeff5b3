"""`sweep`: order, places, what is kept and what is not, and what happens when something breaks."""

from __future__ import annotations

import functools
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import notebooks
import pytest
import torch
from conftest import ROOT
from joblib import parallel_config
from systems import needs_posix

from nst_teach import SweepError, sweep, transfer
from nst_teach.parallel import outcomes

CHAPTER = ROOT / "book" / "src" / "08_which_layers.md"
SMALL = {"photo_size": 48, "style_size": 64, "steps": 3}
RATIOS = (0.1, 1.0)
PATIENCE = 240  # seconds


@pytest.fixture
def one_process():
    """Most tests need no other process."""
    with parallel_config(n_jobs=1):
        yield


def cluster(**options):
    distributed = pytest.importorskip(
        "distributed", reason="Dask is not installed; pip install 'dask[distributed]' to run this."
    )
    return distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, **options
    )


@pytest.fixture
def dask_client():
    """A Dask cluster of two workers inside this process."""
    with cluster(processes=False) as workers, workers.get_client() as client:
        yield client


def pair(row, column):
    return row, column


def product(row, column):
    return row * column


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- the table -----------------------------------------------------------------------------------

PAIRS = [[("a", 1), ("a", 2), ("a", 3)], [("b", 1), ("b", 2), ("b", 3)]]


def test_cells_come_back_row_by_row(one_process):
    assert sweep(pair, "ab", (1, 2, 3)) == PAIRS


def test_rows_and_columns_may_be_read_only_once(one_process):
    assert sweep(pair, iter("ab"), iter([1, 2, 3])) == PAIRS
    assert sweep(pair, {"low": 1, "high": 2}.values(), (3,)) == [[(1, 3)], [(2, 3)]]


@pytest.mark.parametrize(("rows", "columns", "table"), [("", "ab", []), ("ab", "", [[], []])])
def test_an_empty_table_is_empty(tmp_path, rows, columns, table):
    assert sweep(pair, rows, columns, folder=tmp_path) == table


# --- where it runs -------------------------------------------------------------------------------


def place(row, column):
    time.sleep(0.05)  # so that one process does not do all the work
    return os.getpid(), torch.get_num_threads()


def test_one_job_runs_here_and_leaves_torch_alone(one_process):
    threads = torch.get_num_threads()
    assert sweep(place, [0], [0, 1]) == [[(os.getpid(), threads)] * 2]


def test_without_a_setting_all_cores_take_part_with_a_thread_each(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    monkeypatch.setattr("joblib.effective_n_jobs", lambda jobs: 2 if jobs == -1 else jobs)
    here = os.getpid()
    # A lambda travels by value: the processes need not import this file.
    (found,) = sweep(lambda row, column: (os.getpid(), torch.get_num_threads()), [0], range(4))
    assert here not in {process for process, _ in found}
    assert {threads for _, threads in found} == {1}


def test_fewer_jobs_than_cores_share_the_cores(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 6)
    with parallel_config(n_jobs=2):
        (found,) = sweep(lambda row, column: torch.get_num_threads(), [0], range(2))
    assert found == [3, 3]


def test_a_cluster_does_the_work_in_order(dask_client):
    from distributed import get_worker

    with parallel_config(backend="dask"):
        (addresses,) = sweep(lambda row, column: get_worker().address, [0], range(8))
        assert sweep(pair, "ab", (1, 2, 3)) == PAIRS
    assert set(addresses) <= set(dask_client.scheduler_info()["workers"])


# --- what is kept --------------------------------------------------------------------------------


@pytest.fixture
def counted(one_process, tmp_path):
    """Sweeps with a folder; says how many cells it computed."""

    def run(function, rows=(1, 2), columns=(10, 20), **options):
        count = []

        def watched(outcome):
            count.append(outcome)
            return outcome

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "nst_teach.sweeps.outcomes",
                lambda *args, **kwargs: map(watched, outcomes(*args, **kwargs)),
            )
            table = sweep(function, rows, columns, folder=tmp_path / "cells", **options)
        return table, len(count)

    return run


def test_finished_cells_are_not_computed_again(counted, tmp_path):
    assert counted(product) == ([[10, 20], [20, 40]], 4)
    assert counted(product) == ([[10, 20], [20, 40]], 0)
    assert counted(product, rows=(1, 2, 3)) == ([[10, 20], [20, 40], [30, 60]], 2)
    first = min(names(tmp_path / "cells"))
    assert first.startswith("1--10--")
    assert pickle.loads((tmp_path / "cells" / first).read_bytes()) == 10


def test_a_cell_without_a_value_is_kept_too(counted):
    assert counted(lambda row, column: None) == ([[None, None], [None, None]], 4)
    assert counted(lambda row, column: None) == ([[None, None], [None, None]], 0)


def test_a_result_of_transfer_is_kept(counted):
    def cell(photo, style):
        return transfer(photo, style, size=32, steps=1, progress=False)

    (((there,),), painted) = counted(cell, ["chelsea"], ["dots"])
    (((again,),), repeated) = counted(cell, ["chelsea"], ["dots"])
    assert (painted, repeated) == (1, 0)
    assert torch.equal(there.image, again.image)
    assert there.history == again.history


def test_another_function_gets_no_stale_cells(counted):
    assert counted(lambda row, column: row + column)[1] == 4
    assert counted(lambda row, column: row - column)[1] == 4
    assert counted(functools.partial(lambda row, column, n: row + column + n, n=1))[1] == 4
    assert counted(functools.partial(lambda row, column, n: row + column + n, n=2))[1] == 4
    assert counted(lambda row, column: row + column) == ([[11, 21], [12, 22]], 0)


def test_a_changed_helper_or_variable_leaves_no_stale_cells(counted, monkeypatch):
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "pair", lambda row, column: 0)
    assert counted(lambda row, column: pair(row, column))[1] == 4
    monkeypatch.setattr(module, "pair", lambda row, column: 1)
    assert counted(lambda row, column: pair(row, column)) == ([[1, 1], [1, 1]], 4)


def test_a_changed_photo_leaves_no_stale_cells(counted, tmp_path):
    photo = tmp_path / "photo.txt"
    for text in ("one", "two"):
        photo.write_text(text)
        ((found,),), computed = counted(lambda p, _: Path(p).read_text(), [str(photo)], [0])
        assert (found, computed) == (text, 1)


def test_names_that_look_alike_are_kept_apart(counted):
    rows = ["a/b", "a:b", "a b", 1, "1", 1.0, ".."]
    assert counted(pair, rows, [0]) == ([[(row, 0)] for row in rows], 7)
    assert counted(pair, rows, [0])[1] == 0


def test_a_damaged_file_is_computed_again(counted, tmp_path):
    counted(product)
    file = min((tmp_path / "cells").iterdir())
    file.write_bytes(file.read_bytes()[:3])
    assert counted(product) == ([[10, 20], [20, 40]], 1)
    assert counted(product)[1] == 0


def test_what_cannot_be_compared_is_refused_before_the_work(counted):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="a value of type lock was given"):
        counted(lambda row, column: lock.locked())


# --- what breaks ---------------------------------------------------------------------------------


def fragile(row, column):
    if column == 20:
        raise ValueError(f"no {column}")
    return row * column


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_cell_is_named_and_loses_no_other(tmp_path, jobs):
    function = eval("lambda row, column: 1 // (column - 20) + row")  # travels by value
    with parallel_config(n_jobs=jobs), pytest.raises(SweepError) as caught:
        sweep(function, (1, 2), (10, 20, 30), folder=tmp_path)
    error = caught.value
    first, *others = str(error).splitlines()
    assert first.startswith("2 of 6 cells failed")
    assert others == [
        f"row {row}, column 20: ZeroDivisionError: integer division or modulo by zero"
        for row in (1, 2)
    ]
    assert error.table == [[0, None, 1], [1, None, 2]]
    assert list(error.errors) == [(0, 1), (1, 1)]
    assert "<lambda>" in error.__cause__.__notes__[0]  # where it happened
    assert len(names(tmp_path)) == 4


def test_a_failed_cell_is_tried_again(counted):
    with pytest.raises(SweepError):
        counted(fragile)
    with pytest.raises(SweepError, match="2 of 4"):
        counted(fragile)
    assert counted(fragile, columns=[10]) == ([[10], [20]], 0)


class Stubborn(Exception):
    """Cannot be pickled."""

    def __init__(self, message):
        super().__init__(message)
        self.lock = threading.Lock()


def test_an_exception_that_cannot_travel_is_described(one_process):
    def cell(row, column):
        raise Stubborn(f"{row} and {column}")

    with pytest.raises(SweepError, match="RuntimeError: Stubborn: 1 and 2"):
        sweep(cell, [1], [2])


def test_a_result_that_cannot_be_kept_is_an_error(one_process, tmp_path):
    with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
        sweep(lambda row, column: threading.Lock(), [1], [2], folder=tmp_path)
    assert names(tmp_path) == []


@needs_posix
def test_ctrl_c_keeps_what_is_finished_and_nothing_else(one_process, tmp_path):
    """`transfer` ends with a result on Ctrl-C; that cell is not finished, and none follows it."""
    begun = []

    def cell(row, column):
        begun.append((row, column))
        try:
            if len(begun) == 3:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(5)
        except KeyboardInterrupt:
            return "half"
        return "whole"

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        sweep(cell, "ab", (1, 2), folder=tmp_path)
    assert len(begun) == 3
    assert [pickle.loads(path.read_bytes()) for path in tmp_path.iterdir()] == ["whole"] * 2
    assert signal.getsignal(signal.SIGINT) is before


PROGRAM = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path
from joblib import parallel_config
from nst_teach import sweep

@dataclass
class Product:
    value: int

def cell(row, column):
    time.sleep(0.3)
    Path("log", f"{row} {column} {os.getpid()}").touch()
    return Product(row * column)

if __name__ == "__main__":
    with parallel_config(n_jobs=2):
        table = sweep(cell, (1, 2, 3), (1, 10, 100), folder="cells")
    assert all(isinstance(product, Product) for row in table for product in row)
    print([[product.value for product in row] for row in table])
"""


@needs_posix
def test_a_killed_sweep_goes_on(tmp_path):
    """SIGKILL leaves no time for farewells; the workers of the dead process end by themselves."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "log").mkdir()
    words = [sys.executable, "program.py"]
    options = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, **options)
    try:
        wait_for(lambda: len(list(tmp_path.glob("cells/[0-9]*"))) >= 2, process)
    finally:
        process.kill()
        process.wait()
    there = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cells/[0-9]*")}
    assert 2 <= len(there) < 9, "the program was killed too late for this test"
    first = {int(name.split()[2]) for name in names(tmp_path / "log")}
    wait_for(lambda: not any(is_alive(worker) for worker in first))

    done = subprocess.run(words, capture_output=True, text=True, check=True, **options)
    assert done.stdout == "[[1, 10, 100], [2, 20, 200], [3, 30, 300]]\n"
    assert {path: path.stat().st_mtime_ns for path in there} == there
    again = [name for name in names(tmp_path / "log") if int(name.split()[2]) not in first]
    kept = {tuple(path.name.split("--")[:2]) for path in there}
    assert len(again) == 9 - len(there)
    assert not kept & {tuple(name.split()[:2]) for name in again}


def wait_for(condition, process=None) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, "the program ended too early"
        assert time.monotonic() < end, "nothing happened for a long time"
        time.sleep(0.01)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@needs_posix
def test_a_killed_worker_of_a_cluster_loses_nothing(tmp_path):
    """Two processes share the cells; one is killed in the middle of the third."""
    log, cells = tmp_path / "log", tmp_path / "cells"
    log.mkdir()
    function = textwrap.dedent("""
        def cell(row, column):
            import os, pathlib, time
            begun = pathlib.Path(log, f"{row} {column} {os.getpid()}")
            begun.touch()
            time.sleep(0.4)
            begun.rename(begun.with_suffix(".done"))
            return row, column
    """)
    namespace = {"__name__": "__main__", "log": str(log)}
    exec(function, namespace)
    with cluster(processes=True) as workers, workers.get_client() as client:
        victim = min(client.run(os.getpid).values())

        def kill() -> None:
            wait_for(lambda: len(list(log.glob(f"* {victim}.done"))) >= 1)
            wait_for(lambda: list(log.glob(f"* {victim}")))
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        with parallel_config(backend="dask"):
            table = sweep(namespace["cell"], "abcd", (1, 2, 3), folder=cells)
        killer.join()
    assert table == [[(row, column) for column in (1, 2, 3)] for row in "abcd"]
    assert len(list(log.glob(f"* {victim}"))) == 1, "the worker was killed between two cells"
    assert len(names(cells)) == 12
    finished = {tuple(path.name.split()[:2]) for path in log.glob("*.done")}
    assert len(finished) == 12


# --- chapter 8 -----------------------------------------------------------------------------------


def cell_with(text: str) -> str:
    """The source of the one code cell of the chapter in which `text` stands."""
    cells = [c.source for c in notebooks.read_source(CHAPTER) if c.cell_type == "code"]
    (source,) = [source for source in cells if text in source]
    return source


@pytest.fixture(scope="module")
def chapter() -> dict:
    """What the chapter defines in the cells that choose the pictures, and `paint`."""
    namespace = {"__name__": "__main__"}  # as in a notebook
    for text in ("PHOTO, PHOTO_SIZE =", "def equal_shares(", "def paint("):
        code = compile(cell_with(text), f"<{CHAPTER.name}: {text}>", "exec", dont_inherit=True)
        exec(code, namespace)
    return namespace


def test_dask_paints_the_same_pictures(chapter, dask_client):
    paint = functools.partial(chapter["paint"], **SMALL)
    layers = [("relu1_1",), ("relu3_1", "relu4_1")]
    with parallel_config(n_jobs=1):
        here = sweep(paint, layers, RATIOS)
    with parallel_config(backend="dask"):
        there = sweep(paint, layers, RATIOS)
    for row_here, row_there in zip(here, there, strict=True):
        for a, b in zip(row_here, row_there, strict=True):
            assert torch.equal(a.image, b.image)
            assert a.price == b.price > 0
            assert a.left == b.left
    assert not torch.equal(here[0][0].image, here[1][0].image)


def test_more_style_costs_more(chapter):
    cheap, dear = (chapter["paint"](("relu3_1",), ratio, **SMALL) for ratio in (0.01, 10.0))
    assert 0 < cheap.price < dear.price
    assert dear.left["relu3_1"] < cheap.left["relu3_1"]
