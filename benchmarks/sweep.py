"""How does a sweep scale with the cores, and what would a thousand cells cost on ten machines?

    python benchmarks/sweep.py [--cells N] [--rounds N] [--steps N]

The cells are of the kind of chapter 8: a photograph of 144 pixels, and two or five style layers of
`petite`. The same cells are computed by one worker with one thread, by one worker for each core,
and by one worker with a thread for each core; in turn, round after round, and the fastest round
counts. The last lines calculate a larger sweep from the seconds that a cell takes while all cores
are busy. benchmarks/README.md says what they leave out.
"""

from __future__ import annotations

import argparse
import math
import pickle
import time
from dataclasses import dataclass
from functools import partial

import joblib
import torch
from speed import machine

from nst_teach import Result, load_network, sweep, transfer

PHOTO, PHOTO_SIZE, STYLE, STYLE_SIZE = "coffee", 144, "night_swirls", 216
STEPS, CELLS, ROUNDS = 60, 12, 3
NAMES = load_network().style_layers
SETS = (NAMES[:2], NAMES[-2:], NAMES)
MANY, MACHINES, CORES = 1000, 10, 8  # the sweep on paper


def paint(layers: tuple[str, ...], seed: int, steps: int) -> Result:
    """A cell; the seed changes nothing, but makes as many columns as are wanted."""
    return transfer(
        PHOTO, STYLE, size=PHOTO_SIZE, style_size=STYLE_SIZE, style_layers=layers, seed=seed,
        steps=steps, optimizer="scipy", progress=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """Worker processes, and threads in each; a single worker is this process."""

    workers: int
    threads: int

    def seconds(self, cells: int, steps: int) -> float:
        """The time of a sweep."""
        torch.set_num_threads(self.threads)
        columns = range(math.ceil(cells / len(SETS)))
        started = time.perf_counter()
        with joblib.parallel_config(n_jobs=self.workers):
            sweep(partial(paint, steps=steps), SETS, columns, progress=False)
        return time.perf_counter() - started


def main() -> None:
    """Print the table, and the sweep on paper."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=CELLS, help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="(%(default)s)")
    arguments = parser.parse_args()
    cells, steps = len(SETS) * math.ceil(arguments.cells / len(SETS)), arguments.steps
    cores = joblib.cpu_count()
    print(machine())

    settings = [Setting(1, 1), Setting(cores, 1), Setting(1, cores)]
    start = Setting(cores, 1).seconds(cores, 0)  # starts the workers, and warms them up
    rounds = [{s: s.seconds(cells, steps) for s in settings} for _ in range(arguments.rounds)]
    times = {s: min(row[s] for row in rounds) for s in settings}
    print(f"\n{cells} cells of {PHOTO_SIZE} px and {steps} steps, fastest of {arguments.rounds}")
    print("workers  threads  seconds  core-seconds a cell  speed-up")
    for s, seconds in times.items():
        each = seconds * s.workers * s.threads / cells
        speed_up = times[settings[0]] / seconds
        print(f"{s.workers:7} {s.threads:8} {seconds:8.1f} {each:20.2f} {speed_up:9.2f}")
    print(f"starting {cores} workers: {start:.1f} s")
    on_paper(times[settings[1]] * cores / cells, start, len(pickle.dumps(paint(NAMES, 0, steps))))


def on_paper(cell: float, start: float, size: int) -> None:
    """A larger sweep, calculated from the seconds and the bytes of a cell."""
    workers = MACHINES * CORES
    waves = math.ceil(MANY / workers)
    print(f"\nOn paper: {MANY} such cells on {MACHINES} machines of {CORES} cores")
    print(f"  work       {MANY} × {cell:.2f} s = {MANY * cell / 3600:.2f} core-hours")
    print(f"  cells      {MANY} / {workers} workers = {MANY / workers:g}, so {waves} in turn")
    print(f"  time       {waves} × {cell:.2f} s + {start:.1f} s for the start", end="")
    print(f" = {waves * cell + start:.0f} s; on one core {MANY * cell / 60:.0f} min")
    print(f"  results    {size / 1e6:.2f} MB a cell, {MANY * size / 1e9:.2f} GB in all", end="")
    print(f", {workers * size / cell / 1e6:.0f} MB/s to the machine that collects them")


if __name__ == "__main__":
    main()
