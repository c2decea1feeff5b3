"""Measure time and memory of each notebook of the course, for `nst-teach doctor`'s predictions.

    python benchmarks/classroom.py [--again] [NOTEBOOK …]

Each notebook runs from beginning to end in its own kernel, on one thread. Time is processor time,
which depends little on other programs, divided by that of the probe: ten steps at 128 pixels,
measured in the same way, on Linux or macOS (Windows does not tell the time of ended processes).
Results are written to nst_teach/costs.json after each notebook; those already in the table are
skipped, unless you name them or pass --again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from speed import machine

from nst_teach import costs
from nst_teach.optimizers import LBFGS_HISTORY

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("book/chapters", "exercises/solutions")
MEMORY_SIDES = (256, 512)
MEMORY_STEPS = LBFGS_HISTORY + 2  # enough to fill the optimiser's memory
CELL_LIMIT = 3600  # seconds; ends only what hangs
SETUP_TAG = "setup"  # the cell that installs the package where it is missing

# Runs before the notebook's own cells, in its kernel: counts evaluations and their pixels.
WATCH = """
import time as _time
import torch as _torch
from nst_teach.networks import FeatureNetwork as _Network

_counts = {"evaluations": 0, "pixels": 0}
_forward, _started = _Network.forward, _time.process_time()

def _watched(self, image, layers):
    if _torch.is_grad_enabled() and image.requires_grad:
        _counts["evaluations"] += len(image)
        _counts["pixels"] += image[:, 0].numel()
    return _forward(self, image, layers)

_Network.forward = _watched
"""

# Runs after them. Workers that are still alive count too (chapter 8 has some).
READ = """
import json as _json, resource as _resource, psutil as _psutil
from nst_teach import machine as _machine

_seconds = _time.process_time() - _started
_seconds += sum(_resource.getrusage(_resource.RUSAGE_CHILDREN)[:2])
_peak = _machine.peak_memory()
for _child in _psutil.Process().children(recursive=True):
    _seconds += sum(_child.cpu_times()[:2])
    _peak += _child.memory_info().rss
print(_json.dumps(_counts | {"seconds": _seconds, "peak": _peak}))
"""


def watched(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook between the two cells that measure it, without the one that installs."""
    own = [cell for cell in notebook.cells if SETUP_TAG not in cell.metadata.get("tags", [])]
    notebook.cells = [new_code_cell(WATCH), *own, new_code_cell(READ)]
    return notebook


def run(path: Path) -> dict[str, float]:
    """Run a notebook; returns evaluations, pixels, processor seconds and peak bytes."""
    notebook = watched(nbformat.read(path, as_version=4))
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(
            notebook, timeout=CELL_LIMIT, kernel_name="python3", resources=resources
        ).execute()
    return json.loads(notebook.cells[-1].outputs[-1].text)


def cost(measured: dict[str, float], probe_seconds: float) -> dict[str, float]:
    """The entry of a notebook in the table."""
    return {
        "probes": round(measured["seconds"] / probe_seconds, 1),
        "peak": measured["peak"],
        "evaluations": measured["evaluations"],
        "megapixels": round(measured["pixels"] / 1e6, 1),
    }


def probe() -> dict[str, float]:
    """The reference: ten steps at 128 px in a process of its own, in processor seconds.

    The time of two steps more is taken off the time of many steps more, so that only steps count.
    """
    few, many = (processor_seconds(steps) for steps in (costs.PROBE_STEPS, 5 * costs.PROBE_STEPS))
    seconds = (many - few) / 4
    peak = costs.measure_apart().peak
    return asdict(costs.Probe(round(seconds, 4), peak))


def processor_seconds(steps: int) -> float:
    """What a process that makes `steps` steps takes of the processor, from start to end."""
    before = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    command = [sys.executable, "-m", "nst_teach.costs", f"--steps={steps}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - before


def pixel_bytes() -> float:
    """Bytes of peak memory for each pixel: the slope between two sizes, each in its own process."""
    small, large = (costs.measure_apart(side, MEMORY_STEPS, "lbfgs").peak for side in MEMORY_SIDES)
    return round((large - small) / (MEMORY_SIDES[1] ** 2 - MEMORY_SIDES[0] ** 2), 1)


def name_of(path: Path) -> str:
    """`book/chapters/05_total_loss`."""
    return path.relative_to(ROOT).with_suffix("").as_posix()


def has_code(path: Path) -> bool:
    """Whether there is anything to run."""
    cells = nbformat.read(path, as_version=4).cells
    return any(c.cell_type == "code" and SETUP_TAG not in c.metadata.get("tags", []) for c in cells)


def notebooks() -> list[Path]:
    """Every notebook with code."""
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.ipynb"))]
    return [path for path in found if has_code(path)]


def read_table(again: bool) -> dict:
    """The table so far, or one with the reference alone."""
    if costs.TABLE.exists() and not again:
        return json.loads(costs.TABLE.read_text(encoding="utf-8"))
    print("measuring the reference")
    return {
        "about": "Measured by benchmarks/classroom.py; read by nst_teach.costs, which explains it.",
        "machine": machine().partition("; load")[0],
        "probe": probe(),
        "pixel_bytes": pixel_bytes(),
        "notebooks": {},
    }


def write_table(table: dict) -> None:
    """Sorted by name, so that a change shows as a small difference."""
    table["notebooks"] = dict(sorted(table["notebooks"].items()))
    text = json.dumps(table, indent=2, ensure_ascii=False)
    costs.TABLE.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Measure the missing notebooks, and print a line for each."""
    parser = argparse.ArgumentParser(description="Time and memory of each notebook.")
    parser.add_argument("names", metavar="NOTEBOOK", nargs="*", help="stems; all by default")
    parser.add_argument("--again", action="store_true", help="measure everything anew")
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "NST_TEACH_PROGRESS": "0"}
    table = read_table(options.again)
    write_table(table)
    for path in notebooks():
        name = name_of(path)
        if path.stem in options.names or (not options.names and name not in table["notebooks"]):
            table["notebooks"][name] = cost(run(path), table["probe"]["seconds"])
            write_table(table)
            print(name, table["notebooks"][name], flush=True)


if __name__ == "__main__":
    main()
