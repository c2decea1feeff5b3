"""What all tests share: the project's root, a fair share of the processor, one browser a worker."""

from __future__ import annotations

import os
from pathlib import Path

import kept_runs
import pages
import pytest

ROOT = Path(__file__).resolve().parents[1]


def threads_per_worker() -> int:
    """Threads that each pytest-xdist worker may use without crowding out the others."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return max(1, (os.cpu_count() or 1) // workers)


# Read by torch when it is imported and by every kernel and book build that a test starts; so it
# must be set before the first test module is.
# A worker inherits what its controller set for itself, which would be too many: threads of two
# processes that wait for each other on one core slow both down fifty times.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = str(threads_per_worker())
else:
    os.environ.setdefault("OMP_NUM_THREADS", str(threads_per_worker()))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("NST_TEACH_PROGRESS", "0")  # no bars in the notebooks' output


def pytest_configure(config):
    """Watch the notebooks too, which lie outside this folder."""
    if not config.pluginmanager.has_plugin("kept_runs"):
        config.pluginmanager.register(kept_runs, "kept_runs")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Whatever `--dist` says, a file's tests share a worker: a notebook's cells need each other."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False  # keeps the order that the next hook makes
    return LoadScopeScheduling(config, log)


def pytest_collection_modifyitems(items):
    """The notebooks, the dearest first; then the book, which is built from what they showed."""

    from nst_teach import costs  # it imports torch, which has to find the number of threads set

    probes = {cost.notebook: cost.probes for cost in costs.table().notebooks}

    def place(item) -> tuple[int, float]:
        if item.path.suffix == ".ipynb":
            name = item.path.relative_to(ROOT).with_suffix("").as_posix()
            return 0, -probes.get(name, 0)
        return (1 if item.path.name == "test_book.py" else 2), 0

    items.sort(key=place)


@pytest.fixture(scope="session")
def browser():
    """A real browser, or a skip that says how to get one (a failure where one is required)."""
    path = pages.find_browser()
    if path is None:
        reason = (
            "no Chromium or Chrome found, so the pages were not opened. Install one "
            "(Debian: apt-get install chromium) or name it in the variable CHROMIUM."
        )
        required = os.environ.get("NST_TEACH_REQUIRE_BROWSER") == "1"
        pytest.fail(reason, pytrace=False) if required else pytest.skip(reason)
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=pages.browser_flags())
        yield chromium
        chromium.close()
