"""What a run costs: measured on this machine in seconds, predicted for every page of the course.

Ten steps at 128 pixels, the *probe*, say how fast a machine is. `costs.json` says how many probes a
notebook takes and how much memory; `benchmarks/classroom.py` measured it. The book's page on
performance explains why this works: time goes with pixels × evaluations, memory with pixels.
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
from nst_teach.facade import transfer

TABLE = Path(__file__).parent / "costs.json"
PROBE_SIDE, PROBE_STEPS = 128, 10
PROBE_OPTIMIZER = "adam"  # one evaluation a step, always
WARM_UP = 2  # the first steps fill caches
PHOTO, STYLE = "astronaut", "night_swirls"  # the photograph is square: it has side² pixels
PROBE_LIMIT = 600  # seconds after which a machine counts as too slow to be of use


class ProbeError(RuntimeError):
    """The timed run could not be made; the message says what happened and what to do."""


@dataclass(frozen=True)
class Probe:
    """A measured run: seconds of its steps, and the most bytes that its process held."""

    seconds: float
    peak: int
    side: int = PROBE_SIDE
    steps: int = PROBE_STEPS


@dataclass(frozen=True)
class Cost:
    """What a notebook takes: time in probes, and its kernel's most bytes where it was measured."""

    notebook: str
    probes: float
    peak: int
    evaluations: int
    megapixels: float
    """Pixels of all evaluations together, in millions."""


@dataclass(frozen=True)
class Table:
    """What `benchmarks/classroom.py` measured, and on which machine."""

    machine: str
    probe: Probe
    pixel_bytes: float
    """Bytes of memory for each pixel of the picture, for L-BFGS with its history."""
    notebooks: tuple[Cost, ...]


@dataclass(frozen=True)
class Prediction:
    """Seconds and bytes that something will take on this machine."""

    name: str
    seconds: float
    bytes: int


@cache
def table() -> Table:
    """The measured costs that come with the package."""
    data = json.loads(TABLE.read_text(encoding="utf-8"))
    notebooks = tuple(Cost(name, **cost) for name, cost in sorted(data["notebooks"].items()))
    return Table(data["machine"], Probe(**data["probe"]), data["pixel_bytes"], notebooks)


def measure(
    side: int = PROBE_SIDE, steps: int = PROBE_STEPS, optimizer: str = PROBE_OPTIMIZER
) -> Probe:
    """Run a transfer of `side` × `side` pixels in this process, and time `steps` steps of it.

    Each step counts as the median step, so that a moment's disturbance does not matter.
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
    """`measure` in a process of its own, whose memory is nothing but the run's.

    Raises:
        ProbeError: it took too long, ended with an error, or was killed for its memory.
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
    return f"the run at {side} px failed: {last}. Mend what the lines above complain about first."


def predict_notebook(cost: Cost, probe: Probe) -> Prediction:
    """Time and memory of a notebook on the machine that `probe` was measured on.

    Time goes with the probe. Memory is what the notebook's kernel needed, plus what Python and
    torch take here more, or less, than they took there.
    """
    elsewhere = table().probe
    peak = max(probe.peak, cost.peak + probe.peak - elsewhere.peak) if probe.peak else cost.peak
    return Prediction(cost.notebook, cost.probes * probe.seconds, peak)


def predict_run(side: int, evaluations: int, probe: Probe) -> Prediction:
    """Time and memory of a transfer of your own, `side` × `side` pixels."""
    pixels, probed = side**2, probe.side**2
    seconds = probe.seconds / probe.steps * evaluations * pixels / probed
    room = table().pixel_bytes * max(0, pixels - probed)
    return Prediction(f"{side} × {side} px, {evaluations} evaluations", seconds,
                      round((probe.peak or table().probe.peak) + room))  # fmt: skip


def largest_side(free: int, probe: Probe) -> int:
    """The side of the largest square picture that fits into `free` bytes, in pixels; 0 if none."""
    room = free - (probe.peak or table().probe.peak)
    return int((room / table().pixel_bytes + probe.side**2) ** 0.5) if room > 0 else 0


def predictions(probe: Probe, costs: Iterable[Cost] | None = None) -> list[Prediction]:
    """What each notebook of the course takes on the machine of `probe`."""
    costs = table().notebooks if costs is None else costs
    return [predict_notebook(cost, probe) for cost in costs]


def main(argv: list[str] | None = None) -> int:
    """Measure one run and print it as a line of JSON; `measure_apart` starts this."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--side", type=int, default=PROBE_SIDE)
    parser.add_argument("--steps", type=int, default=PROBE_STEPS)
    parser.add_argument("--optimizer", default=PROBE_OPTIMIZER)
    print(json.dumps(asdict(measure(**vars(parser.parse_args(argv))))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
