"""The sweep of chapter 8: its own lines, run on this machine's cores and on a Dask cluster."""

from __future__ import annotations

import functools
import os

import notebooks
import pytest
import torch
from conftest import ROOT
from joblib import parallel_config

CHAPTER = ROOT / "book" / "src" / "08_which_layers.md"
SMALL = {"photo_size": 48, "style_size": 64, "steps": 3}
RATIOS = (0.1, 1.0)


def cell_with(text: str) -> str:
    """The source of the one code cell of the chapter in which `text` stands."""
    cells = [c.source for c in notebooks.read_source(CHAPTER) if c.cell_type == "code"]
    (source,) = [source for source in cells if text in source]
    return source


@pytest.fixture(scope="module")
def chapter() -> dict:
    """What the chapter defines in the cells that choose the pictures, `paint` and `sweep`."""
    namespace = {"__name__": "__main__"}  # as in a notebook
    for text in ("PHOTO, PHOTO_SIZE =", "def equal_shares(", "def paint(", "def sweep("):
        code = compile(cell_with(text), f"<{CHAPTER.name}: {text}>", "exec", dont_inherit=True)
        exec(code, namespace)
    return namespace


@pytest.fixture
def dask_client():
    """A Dask cluster of two workers inside this process."""
    distributed = pytest.importorskip(
        "distributed", reason="Dask is not installed; pip install 'dask[distributed]' to run this."
    )
    cluster = distributed.LocalCluster(
        processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def pair(row, column):
    return row, column


def worker(row, column) -> str:
    from distributed import get_worker

    return get_worker().address


def test_cells_come_back_row_by_row(chapter):
    table = chapter["sweep"](pair, "ab", (1, 2, 3))
    assert table == [[("a", 1), ("a", 2), ("a", 3)], [("b", 1), ("b", 2), ("b", 3)]]


def test_rows_may_be_the_values_of_a_dict(chapter):
    assert chapter["sweep"](pair, {"low": 1, "high": 2}.values(), (3,)) == [[(1, 3)], [(2, 3)]]


def test_without_a_setting_it_runs_here(chapter):
    assert chapter["sweep"](lambda row, column: os.getpid(), [0], [0]) == [[os.getpid()]]


def test_processes_do_the_work(chapter):
    # A lambda travels by value: the processes need not import this file, and torch with it.
    with parallel_config(n_jobs=2):
        (pids,) = chapter["sweep"](lambda row, column: os.getpid(), [0], range(4))
    assert os.getpid() not in pids


def test_dask_workers_do_the_work_in_order(chapter, dask_client):
    with parallel_config(backend="dask"):
        (addresses,) = chapter["sweep"](worker, [0], range(8))
        table = chapter["sweep"](pair, "ab", (1, 2, 3))
    assert set(addresses) <= set(dask_client.scheduler_info()["workers"])
    assert table == [[("a", 1), ("a", 2), ("a", 3)], [("b", 1), ("b", 2), ("b", 3)]]


def test_dask_paints_the_same_pictures(chapter, dask_client):
    paint = functools.partial(chapter["paint"], **SMALL)
    layers = [("relu1_1",), ("relu3_1", "relu4_1")]
    here = chapter["sweep"](paint, layers, RATIOS)
    with parallel_config(backend="dask"):
        there = chapter["sweep"](paint, layers, RATIOS)
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
