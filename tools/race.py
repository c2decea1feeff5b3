"""Race the optimisers on several pairs of pictures, each at its best rate: the record of chapter 6.

    python tools/race.py [--out FOLDER] [--cache FOLDER] [--jobs N]

A fair race gives every optimiser its best learning rate, equal evaluations, several pairs and
several noises, and enough of them to come near the end: more than a page should compute. Every loss
is that of a picture that can be saved: what left [0, 1] on the way is clipped, then judged. The
script writes a record of numbers (`06_race.json`) and prints the chapter's tables; the cache keeps
finished runs, so that it can go on where it was stopped. On two quiet CPU cores it needs half an
hour.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import torch
from joblib import Parallel, delayed
from reconstructions import FOLDER, sha256
from torch import Tensor

from nst_teach import StyleObjective, load_image, load_network
from nst_teach.networks import WEIGHTS_FOLDER
from nst_teach.optimizers import make_optimizer
from nst_teach.starts import make_start

NAME, NETWORK = "06_race", "petite"
SIZE = 80  # longer side in pixels
PAIRS = (
    ("coffee", "woodcut_wave"),
    ("chelsea", "night_swirls"),
    ("rocket", "composition"),
    ("motorcycle", "dots"),
)
SEEDS = (0, 1)
WEAKER, SMOOTHER = 0.05, 3.0  # from noise: β and total variation, as in the chapter

BUDGET, LONG = 200, 1000  # evaluations
CHECKPOINTS = (10, 20, 30, 50, 100, 200, 300, 500, 1000)

RATES: dict[str, dict[str, tuple[float | None, ...]]] = {
    "noise": {
        "lbfgs": (1.0,),
        "scipy": (None,),
        "lbfgs-unbounded": (1.0,),
        "lbfgs-plain": (1.0,),
        "clamped": (1.0,),
        "adam": (0.02, 0.05, 0.1, 0.2),
    },
    "content": {
        "lbfgs": (1.0,),
        "scipy": (None,),
        "lbfgs-unbounded": (1.0,),
        "clamped": (1.0,),
    },
}
"""Who races from which start, and the rates to choose from: seed 0 of a pair chooses for all."""
STEPS_TIMED, ROUNDS = 40, 15
BOUNDED = ("lbfgs", "scipy", "adam")
LONG_RACE = ("lbfgs", "scipy", "lbfgs-unbounded", "adam")


class Run(NamedTuple):
    """What is raced: a pair, a start, a seed, an optimiser, its rate, and for how long."""

    pair: tuple[str, str]
    start: str
    seed: int
    optimizer: str
    rate: float | None
    budget: int = BUDGET

    @property
    def name(self) -> str:
        return "-".join(map(str, (*self.pair, *self[1:])))


class _Over(Exception):
    """The budget is spent, or a loss is not finite."""


# --- one run -------------------------------------------------------------------------------------


def objective(pair: tuple[str, str], start: str) -> StyleObjective:
    """From the content the package's default; from noise less style, and smoothing."""
    content, style = (load_image(name, size=SIZE) for name in pair)
    goal = StyleObjective(content, style, load_network(NETWORK))
    if start == "noise":
        goal.beta = WEAKER * goal.beta
        goal.total_variation = SMOOTHER * goal.beta
    return goal


def clamp_in_closure(image: Tensor, evaluate: Callable, rate: float, line_search: str | None):
    """Torch's L-BFGS with its defaults, the image clamped in the first line of the closure."""
    optimizer = torch.optim.LBFGS([image], lr=rate, line_search_fn=line_search)

    def closure() -> Tensor:
        with torch.no_grad():
            image.clamp_(0, 1)
        loss, image.grad = evaluate(image)
        return loss

    while True:
        optimizer.step(closure)


def race(run: Run) -> dict:
    """The lowest loss so far at the checkpoints: as the optimiser saw it, and as saved."""
    torch.set_num_threads(1)
    goal = objective(run.pair, run.start)
    image = make_start(run.start, goal.content, goal.style, run.seed).requires_grad_(True)
    found: dict = {"reported": [], "saved": [], "seconds": []}
    lowest, kept = math.inf, image.detach().clone()
    began, paused = time.process_time(), 0.0

    def saved() -> float:
        with torch.no_grad():
            return goal(kept.clamp(0, 1)).total.item()

    def evaluate(x: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal lowest, kept, paused
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_(True)
            total = goal(leaf).total
            (gradient,) = torch.autograd.grad(total, leaf)
        loss = total.item()
        if not (math.isfinite(loss) and gradient.isfinite().all()):
            raise _Over
        if loss < lowest:
            lowest, kept = loss, leaf.detach().clone()
        found["reported"].append(lowest)
        found["seconds"].append(time.process_time() - began - paused)
        if (count := len(found["reported"])) in CHECKPOINTS or count == run.budget:
            looked = time.process_time()
            found["saved"].append([count, saved()])
            paused += time.process_time() - looked
        if count >= run.budget:
            raise _Over
        return total.detach(), gradient

    try:
        if run.optimizer.startswith("clamped"):
            search = "strong_wolfe" if run.optimizer.endswith("wolfe") else None
            clamp_in_closure(image, evaluate, run.rate or 1.0, search)
        else:
            make_optimizer(run.optimizer, image, run.rate).run(evaluate, 10 * run.budget)
    except _Over:
        pass
    found["end"] = saved()
    return found


def cached(run: Run, cache: Path) -> dict:
    path = cache / f"{run.name}.json"
    if not path.exists():
        found = race(run)
        path.write_text(json.dumps(found), encoding="utf-8")
        print(f"{run.name:60} {found['end']:.5g}", flush=True)
    return json.loads(path.read_text(encoding="utf-8"))


# --- what an optimiser's own arithmetic costs ----------------------------------------------------


def costs() -> dict[str, float]:
    """Milliseconds of processor time an evaluation: the network's, and what each optimiser adds."""
    torch.set_num_threads(1)
    goal = objective(PAIRS[0], "noise")
    steepness = torch.linspace(1, 1000, goal.content.numel()).view_as(goal.content)

    def loss_and_gradient(x: Tensor) -> tuple[Tensor, Tensor]:
        leaf = x.detach().clone().requires_grad_(True)
        total = goal(leaf).total
        return total.detach(), torch.autograd.grad(total, leaf)[0]

    def own(optimizer: str) -> float:
        """In a long bowl, which costs next to nothing itself."""
        count = 0

        def evaluate(x: Tensor) -> tuple[Tensor, Tensor]:
            nonlocal count
            count += 1
            gradient = steepness * (x - 0.3)
            return 0.5 * (gradient * (x - 0.3)).sum(), gradient

        walker = make_optimizer(optimizer, goal.content.clone(), None)
        return timed(lambda: walker.run(evaluate, STEPS_TIMED)) / count

    def timed(work: Callable[[], object]) -> float:
        before = time.process_time()
        work()
        return 1000 * (time.process_time() - before)

    names = [name for name in RATES["noise"] if name != "clamped"]
    found: dict[str, list[float]] = {name: [] for name in ("network", *names)}
    for _ in range(ROUNDS):
        found["network"].append(timed(lambda: loss_and_gradient(goal.content)))
        for name in names:
            found[name].append(own(name))
    return {name: rounded(min(values)) for name, values in found.items()}


# --- the plan ------------------------------------------------------------------------------------


def tuning(pair: tuple[str, str], start: str) -> Iterator[Run]:
    """Seed 0 with every rate."""
    for optimizer, rates in RATES[start].items():
        for rate in rates:
            yield Run(pair, start, SEEDS[0], optimizer, rate)


def fields() -> Iterator[tuple[tuple[str, str], str, tuple[int, ...]]]:
    """Pair, start and seeds; a start from the content has no seed to vary."""
    for pair in PAIRS:
        yield pair, "content", SEEDS[:1]
        yield pair, "noise", SEEDS


def longest(best: dict) -> Iterator[Run]:
    """One noise, far longer; Adam may also halve its rate."""
    for optimizer in LONG_RACE:
        rate = best[PAIRS[0], "noise", optimizer]
        for chosen in (rate, rate / 2) if optimizer == "adam" else (rate,):
            yield Run(PAIRS[0], "noise", SEEDS[0], optimizer, chosen, LONG)


def run_all(cache: Path, jobs: int) -> dict:
    """Every run, and the rates that seed 0 chose."""
    cache.mkdir(parents=True, exist_ok=True)

    def many(runs: Iterable[Run]) -> dict[Run, dict]:
        runs = list(runs)
        results = Parallel(n_jobs=jobs)(delayed(cached)(run, cache) for run in runs)
        return dict(zip(runs, results, strict=True))

    rows: list[dict] = []
    best: dict = {}
    milliseconds = costs()
    for pair, start, seeds in fields():
        tried = many(tuning(pair, start))
        for optimizer in RATES[start]:
            runs = {r: f for r, f in tried.items() if r.optimizer == optimizer}
            best[pair, start, optimizer] = min(runs, key=lambda r: runs[r]["end"]).rate
        chosen = [
            Run(pair, start, seed, optimizer, best[pair, start, optimizer])
            for optimizer in RATES[start]
            for seed in seeds
        ]
        tried |= many(chosen)
        if (pair, start) == (PAIRS[0], "noise"):
            tried |= many(longest(best))
        rows += [row(run, found, run in chosen, milliseconds) for run, found in tried.items()]
    return {"settings": settings(), "milliseconds": milliseconds, "runs": rows}


def row(run: Run, found: dict, raced: bool, milliseconds: dict[str, float]) -> dict:
    """One run of the record."""
    timed = {}
    if run.optimizer in BOUNDED and run.budget == BUDGET:
        n = evaluations_in_equal_time(milliseconds, run.optimizer)
        timed = {"equal_time": [n, rounded(found["reported"][n - 1])]}
    return {
        "content": run.pair[0],
        "style": run.pair[1],
        **{key: getattr(run, key) for key in ("start", "seed", "optimizer", "rate", "budget")},
        "raced": raced or run.budget == LONG,
        "evaluations": len(found["reported"]),
        "reported": [[n, rounded(found["reported"][n - 1])] for n, _ in found["saved"]],
        "saved": [[n, rounded(loss)] for n, loss in found["saved"]],
        "end": rounded(found["end"]),
        **timed,
    }


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def settings() -> dict:
    """What the record was made with."""
    return {
        "network": NETWORK,
        "weights_sha256": sha256(WEIGHTS_FOLDER / f"{NETWORK}.safetensors"),
        "size": SIZE,
        "pairs": [list(pair) for pair in PAIRS],
        "seeds": list(SEEDS),
        "budget": BUDGET,
        "long": LONG,
        "rates": {start: {k: list(v) for k, v in rates.items()} for start, rates in RATES.items()},
    }


# --- what the chapter quotes ---------------------------------------------------------------------


WAYS = {
    "change of variables (`lbfgs`)": "lbfgs",
    "bounds (`scipy`)": "scipy",
    "clamped in the closure": "clamped",
    "clipped at the end": "lbfgs-unbounded",
}
RACERS = {
    "`lbfgs`": "lbfgs",
    "`scipy`": "scipy",
    "`adam`, best of four rates": "adam",
    "`lbfgs-unbounded`": "lbfgs-unbounded",
    "`lbfgs-plain`": "lbfgs-plain",
}


def races(record: dict, start: str, optimizer: str) -> dict[tuple, dict]:
    """The runs of an optimiser that count, by pair and seed."""
    return {
        (run["content"], run["style"], run["seed"]): run
        for run in record["runs"]
        if (run["start"], run["optimizer"], run["budget"]) == (start, optimizer, BUDGET)
        and run["raced"]
    }


def after(run: dict, evaluations: int) -> float:
    """The loss of the image that it would save."""
    return dict(map(tuple, run["saved"])).get(evaluations, run["end"])


def ratios(record: dict, start: str, optimizer: str, evaluations: int) -> list[float]:
    """Losses relative to "lbfgs" in the same race."""
    reference = races(record, start, "lbfgs")
    return [
        after(run, evaluations) / after(reference[which], evaluations)
        for which, run in races(record, start, optimizer).items()
    ]


def evaluations_in_equal_time(cost: dict[str, float], optimizer: str) -> int:
    """How many it makes while the quickest makes all of its budget."""
    quickest = min(value for name, value in cost.items() if name != "network")
    share = (cost["network"] + quickest) / (cost["network"] + cost[optimizer])
    return round(BUDGET * share)


def in_equal_time(record: dict, optimizer: str) -> list[float]:
    """Losses relative to "lbfgs", when the clock stops both."""
    reference = races(record, "noise", "lbfgs")
    return [
        run["equal_time"][1] / reference[which]["equal_time"][1]
        for which, run in races(record, "noise", optimizer).items()
    ]


def cell(found: list[float]) -> str:
    """Geometric mean and range."""
    mean = statistics.geometric_mean(found)
    return f"{mean:.2f} ({min(found):.2f}–{max(found):.2f})"


def tables(record: dict) -> Iterator[str]:
    """The chapter's two tables."""
    for name, optimizer in WAYS.items():
        cells = [
            cell(ratios(record, start, optimizer, n))
            for start in ("content", "noise")
            for n in (30, BUDGET)
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield ""
    for name, optimizer in RACERS.items():
        cells = [cell(ratios(record, "noise", optimizer, n)) for n in (30, 100, BUDGET)]
        own = record["milliseconds"][optimizer] / record["milliseconds"]["network"]
        timed = cell(in_equal_time(record, optimizer)) if optimizer in BOUNDED else ""
        yield f"| {name} | " + " | ".join(cells) + f" | {own:.0%} | {timed} |"


def main(arguments: list[str] | None = None) -> None:
    """Make the record and save it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder (default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/race"))
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args(arguments)
    record = run_all(chosen.cache, chosen.jobs)
    record["made"] = {
        "on": datetime.now(UTC).date().isoformat(),
        "command": "python tools/race.py",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    numbers = chosen.out / f"{NAME}.json"
    numbers.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(*tables(record), sep="\n")


if __name__ == "__main__":
    main()
