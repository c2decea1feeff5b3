"""The cost of a run: timed on this machine, and predicted for every page of the course.

Ten steps at 128 pixels, the *probe*, measure how fast a machine is. `costs.json`, which
`benchmarks/classroom.py` measured, records each notebook's time in probes and its memory. The
book's page on performance explains why this works: time is proportional to pixels × evaluations,
memory to pixels.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from nst_teach import machine
from nst_teach.estimates import Estimate, estimate
from nst_teach.facade import transfer

TABLE = Path(__file__).parent / "costs.json"
PROBE_SIDE, PROBE_STEPS = 128, 10
PROBE_OPTIMIZER = "adam"  # one evaluation a step, always
WARM_UP = 2  # the first steps are slower: they fill caches
PHOTO, STYLE = "astronaut", "night_swirls"  # this photograph is square: side² pixels
PROBE_LIMIT = 600  # seconds; a slower machine is of no use


class ProbeError(RuntimeError):
    """The timed run failed; the message explains what happened and what to do."""


@dataclass(frozen=True)
class Probe:
    """A measured run: the time of its steps in seconds, and its peak memory in bytes."""

    seconds: float
    peak: int
    side: int = PROBE_SIDE
    steps: int = PROBE_STEPS


@dataclass(frozen=True)
class Cost:
    """A notebook's time, in probes, and the peak memory of its kernel, in bytes."""

    notebook: str
    probes: float
    peak: int
    evaluations: int
    megapixels: float
    """Pixels of all evaluations together, in millions."""


@dataclass(frozen=True)
class Table:
    """The measurements of `benchmarks/classroom.py`, and the machine they were made on."""

    machine: str
    probe: Probe
    pixel_bytes: float
    """Bytes of memory per pixel of the image, for L-BFGS with its history."""
    notebooks: tuple[Cost, ...]


@dataclass(frozen=True)
class Prediction:
    """The predicted time, in seconds, and memory, in bytes, on this machine."""

    name: str
    seconds: float
    bytes: int


@cache
def table() -> Table:
    """The measured costs that are bundled with the package."""
    data = json.loads(TABLE.read_text(encoding="utf-8"))
    notebooks = tuple(Cost(name, **cost) for name, cost in sorted(data["notebooks"].items()))
    return Table(data["machine"], Probe(**data["probe"]), data["pixel_bytes"], notebooks)


def measure(
    side: int = PROBE_SIDE, steps: int = PROBE_STEPS, optimizer: str = PROBE_OPTIMIZER
) -> Probe:
    """Run a transfer of `side` × `side` pixels in this process, and time `steps` steps of it.

    The time is `steps` times that of the median step, so that a short disturbance has no effect.
    """
    result = transfer(
        PHOTO, STYLE, network="petite", size=side, steps=steps + WARM_UP, optimizer=optimizer
    )
    moments = {record.step: record.seconds for record in result.history}
    marks = list(moments.values())[WARM_UP - 1 :]
    each = [later - earlier for earlier, later in itertools.pairwise(marks)]
    return Probe(statistics.median(each) * steps, machine.peak_memory(), side, steps)


def measure_apart(
    side: int = PROBE_SIDE, steps: int = PROBE_STEPS, optimizer: str = PROBE_OPTIMIZER
) -> Probe:
    """`measure` in a separate process, whose memory is that of the run alone.

    Raises:
        ProbeError: it took too long, ended with an error, or was killed because memory ran out.
    """
    words = [f"--side={side}", f"--steps={steps}", f"--optimizer={optimizer}"]
    command = [sys.executable, "-m", "nst_teach.costs", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_LIMIT)
    except subprocess.TimeoutExpired as error:
        raise ProbeError(
            f"{steps} steps at {side} px did not end within {PROBE_LIMIT} s. Close other programs, "
            "set OMP_NUM_THREADS=1 if this is a container, and try again."
        ) from error
    if done.returncode:
        raise ProbeError(_why_it_failed(done.returncode, done.stderr, side))
    return Probe(**json.loads(done.stdout.splitlines()[-1]))


def _why_it_failed(status: int, errors: str, side: int) -> str:
    if status < 0:
        return (
            f"the run at {side} px was killed by the system (signal {-status}), most likely "
            "because memory ran out. Close other programs, or raise the container's limit."
        )
    last = errors.strip().splitlines()[-1] if errors.strip() else f"exit status {status}"
    return f"the run at {side} px failed: {last}. Solve the problems above first."


def predict_notebook(cost: Cost, probe: Probe) -> Prediction:
    """Time and memory of a notebook on the machine where `probe` was measured.

    Time is proportional to the probe's. Memory is the peak of the notebook's kernel, corrected for
    the difference in what Python and torch occupy on the two machines.
    """
    elsewhere = table().probe
    peak = max(probe.peak, cost.peak + probe.peak - elsewhere.peak) if probe.peak else cost.peak
    return Prediction(cost.notebook, cost.probes * probe.seconds, peak)


def predict_run(side: int, evaluations: int, probe: Probe) -> Prediction:
    """Time and memory of a single transfer at `side` × `side` pixels."""
    pixels, probed = side**2, probe.side**2
    seconds = probe.seconds / probe.steps * evaluations * pixels / probed
    room = table().pixel_bytes * max(0, pixels - probed)
    return Prediction(f"{side} × {side} px, {evaluations} evaluations", seconds,
                      round((probe.peak or table().probe.peak) + room))  # fmt: skip


def predict_transfer(side: int, steps: int) -> Estimate:
    """The estimate of a run with `petite`, the default optimiser and a square image.

    It times evaluations in this process, at several sizes; `predict_run` only needs the probe.
    """
    return estimate(PHOTO, STYLE, network="petite", size=side, steps=steps)


def predictions(probe: Probe, costs: Iterable[Cost] | None = None) -> list[Prediction]:
    """Time and memory of each notebook of the course on the machine of `probe`."""
    costs = table().notebooks if costs is None else costs
    return [predict_notebook(cost, probe) for cost in costs]


def main(argv: list[str] | None = None) -> int:
    """Measure one run and print it as a line of JSON; called by `measure_apart`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--side", type=int, default=PROBE_SIDE)
    parser.add_argument("--steps", type=int, default=PROBE_STEPS)
    parser.add_argument("--optimizer", default=PROBE_OPTIMIZER)
    print(json.dumps(asdict(measure(**vars(parser.parse_args(argv))))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
