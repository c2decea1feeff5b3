"""Does memory grow? Two hundred transfers and two hundred studio starts in one process, in a table.

    python tools/growth.py [--runs N] [--every N] [--size PIXELS] [--steps N]

The resident memory of the process is printed after every twenty runs, in megabytes, with the growth
for each run since the first row; the runs before that load what is loaded once. If a run leaves
more than 50 kB behind, the exit status is 1. It needs psutil.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import torch

from nst_teach import load_network, studio, transfer
from nst_teach.optimizers import OPTIMIZERS

MOST = 50_000  # bytes that a run may leave behind; one studio's curves alone are as large


def resident() -> float:
    """Resident memory in bytes, after everything that is not in use has been freed."""
    gc.collect()
    return float(psutil.Process().memory_info().rss)


def table(title: str, run: Callable[[int], None], runs: int, every: int) -> float:
    """Print the table of one kind of runs; returns the growth for each run, in bytes."""
    print(f"{title}\n  runs   MB   kB a run", flush=True)
    first, growth = 0.0, 0.0
    for number in range(1, runs + 1):
        run(number)
        if number % every == 0:
            now = resident()
            first = first or now
            growth = (now - first) / max(1, number - every)
            print(f"  {number:4d} {now / 1e6:6.1f} {growth / 1e3:8.1f}", flush=True)
    return growth


def main(argv: list[str] | None = None) -> int:
    """Print two tables; returns the exit status."""
    p = argparse.ArgumentParser(description="Measure whether memory grows with the runs.")
    p.add_argument("--runs", type=int, default=200)
    p.add_argument("--every", type=int, default=20)
    p.add_argument("--size", type=int, default=32)
    p.add_argument("--steps", type=int, default=3)
    arguments = p.parse_args(argv)
    torch.set_num_threads(1)
    network = load_network("petite")
    names = list(OPTIMIZERS)
    with tempfile.TemporaryDirectory() as folder:

        def paint(number: int) -> None:
            checkpoint = Path(folder) / f"{number}.npz" if number % 2 else None
            transfer(
                "chelsea", "dots", network=network, size=arguments.size, steps=arguments.steps,
                optimizer=names[number % len(names)], progress=False, checkpoint=checkpoint,
            )  # fmt: skip

        def start(number: int) -> None:
            shown = studio(size=arguments.size, network=network).run(arguments.steps)
            shown.start()  # in its thread
            shown.stop()

        title = f"{{}} at {arguments.size} pixels, {arguments.steps} steps each"
        grown = [
            table(title.format(kind), run, arguments.runs, arguments.every)
            for kind, run in (("transfers", paint), ("studio starts", start))
        ]
    return int(max(grown) > MOST)


if __name__ == "__main__":
    sys.exit(main())
