"""What does staying inside [0, 1] cost an L-BFGS? Losses at an equal number of evaluations.

    python benchmarks/bounded.py pairs [--size 160] [--evaluations 120] [--only N]
    python benchmarks/bounded.py starts|margins|overhead [--size …] [--evaluations …]

Every number is the total of a picture in [0, 1], the best one of its run, relative to SciPy's
L-BFGS-B from the same start after as many evaluations; below 1 is better. The unbounded L-BFGS is
clipped at the end. Losses do not depend on how busy the machine is; `overhead` counts processor
time.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from nst_teach import StyleObjective, load_image, load_network, optimize, optimizers
from nst_teach.optimizers import make_optimizer
from nst_teach.starts import STARTS

PAIRS = (
    ("chelsea", "night_swirls"),
    ("chelsea", "stained_glass"),
    ("coffee", "dots"),
    ("coffee", "marbled_paper"),
    ("astronaut", "woodcut_wave"),
    ("astronaut", "oil_harbour"),
    ("rocket", "composition"),
    ("rocket", "ink_hills"),
    ("motorcycle", "night_swirls"),
    ("motorcycle", "woodcut_wave"),
)
REFERENCE = "scipy"
RIVALS = ("lbfgs", "lbfgs-unbounded", "adam")
MARGINS = (1e-4, 1e-3, 5e-3, 1e-2, 3e-2)
CONTRAST = 4.0  # a photograph of hard contrast: half of its values are 0 or 1
OVERHEAD_SIDES = (256, 1024)
OVERHEAD_STEPS, ROUNDS = 30, 3
PIXELS_A_ROUND = 1024**2  # small pictures are evaluated more often


def objective(content: Tensor | str, style: str, size: int) -> StyleObjective:
    """The default objective of a pair of pictures."""
    photo = load_image(content, size=size)
    side = max(photo.shape[-2:])
    return StyleObjective(photo, load_image(style, size=side), load_network("petite"))


def best(goal: StyleObjective, start: str | Tensor, optimizer: str, evaluations: int) -> float:
    """The lowest total of an image in [0, 1] after so many evaluations."""
    return optimize(
        goal, start, optimizer=optimizer, steps=evaluations, progress=False,
        callback=lambda record, image: record.evaluations < evaluations,
    ).loss  # fmt: skip


def ratios(goal: StyleObjective, start: str, evaluations: int) -> list[float]:
    """L-BFGS-B's total, and that of each rival relative to it."""
    reference = best(goal, start, REFERENCE, evaluations)
    return [reference, *(best(goal, start, o, evaluations) / reference for o in RIVALS)]


def table(rows: Iterator[tuple[str, list[float]]], columns: tuple[str, ...]) -> None:
    """Print each row as it comes, and the geometric mean of the ratios."""
    print(f"{'':28}{REFERENCE:>12}" + "".join(f"{column:>17}" for column in columns), flush=True)
    logs: list[list[float]] = []
    for name, (reference, *others) in rows:
        print(f"{name:28}{reference:12.4g}" + "".join(f"{r:17.3f}" for r in others), flush=True)
        logs.append([math.log(ratio) for ratio in others])
    means = [math.exp(sum(column) / len(logs)) for column in zip(*logs, strict=True)]
    print(f"{'geometric mean':40}" + "".join(f"{mean:17.3f}" for mean in means))


def pairs(size: int, evaluations: int, only: int) -> None:
    """Ten pairs of samples, from the content."""
    rows = (
        (f"{c} + {s}", ratios(objective(c, s, size), "content", evaluations))
        for c, s in PAIRS[:only]
    )
    table(rows, RIVALS)


def starts(size: int, evaluations: int, only: int) -> None:
    """The first pair, from every start."""
    goal = objective(*PAIRS[0], size)
    table(((s, ratios(goal, s, evaluations)) for s in STARTS[:only]), RIVALS)


def margins(size: int, evaluations: int, only: int) -> None:
    """Photographs with pixels at the bounds, and several margins at which the run over z begins."""
    photo = load_image(PAIRS[0][0], size=size)
    grey = photo.mean(1, keepdim=True).expand_as(photo)
    photos = {
        "as it is": photo,
        "hard contrast": (0.5 + CONTRAST * (photo - 0.5)).clamp(0, 1),
        "black and white": (grey > grey.median()).float(),
        "black": torch.zeros_like(photo),
        "white": torch.ones_like(photo),
    }
    rows = (
        (name, _by_margin(objective(p, PAIRS[0][1], size), evaluations))
        for name, p in list(photos.items())[:only]
    )
    table(rows, tuple(f"margin {margin:g}" for margin in MARGINS))


def _by_margin(goal: StyleObjective, evaluations: int) -> list[float]:
    usual, found = optimizers.BOUND_MARGIN, [best(goal, "content", REFERENCE, evaluations)]
    try:
        for optimizers.BOUND_MARGIN in MARGINS:
            found.append(best(goal, "content", "lbfgs", evaluations) / found[0])
    finally:
        optimizers.BOUND_MARGIN = usual
    return found


def overhead(size: int, evaluations: int, only: int) -> None:
    """Processor time of the bounded L-BFGS beyond the unbounded one, in evaluations."""
    print("side   evaluation, ms   unbounded, ms   bounded, ms   more, of a step")
    for side in OVERHEAD_SIDES[:only]:
        goal = objective("astronaut", "night_swirls", side)
        image = goal.content

        def evaluate(goal: StyleObjective = goal, image: Tensor = image) -> None:
            x = image.clone().requires_grad_(True)
            torch.autograd.grad(goal(x).total, x)

        repeats = max(1, PIXELS_A_ROUND // side**2)
        evaluation = _processor_time(evaluate, repeats)
        free, bounded = (
            _processor_time(lambda n=name, image=image: _minimise(n, image), 1) / OVERHEAD_STEPS
            for name in ("lbfgs-unbounded", "lbfgs")
        )
        more = (bounded - free) / (evaluation + free)
        print(f"{side:4} {1e3 * evaluation:16.1f} {1e3 * free:15.1f} {1e3 * bounded:13.1f}", end="")
        print(f" {more:16.1%}", flush=True)


def _minimise(name: str, image: Tensor) -> None:
    """The optimiser's own arithmetic: in a long bowl, which costs next to nothing itself."""
    steepness = torch.linspace(1, 1000, image.numel()).view_as(image)

    def evaluate(x: Tensor) -> tuple[Tensor, Tensor]:
        gradient = steepness * (x - 0.3)
        return 0.5 * (gradient * (x - 0.3)).sum(), gradient

    make_optimizer(name, image.clone()).run(evaluate, OVERHEAD_STEPS)


def _processor_time(work: Callable[[], None], repeats: int) -> float:
    """Seconds of processor time, whatever else runs; the fastest of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        before = time.process_time()
        for _ in range(repeats):
            work()
        rounds.append((time.process_time() - before) / repeats)
    return min(rounds)


TABLES = {"pairs": pairs, "starts": starts, "margins": margins, "overhead": overhead}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--size", type=int, default=160, help="longer side (%(default)s)")
    parser.add_argument("--evaluations", type=int, default=120, help="(%(default)s)")
    parser.add_argument("--only", type=int, help="number of rows")
    arguments = parser.parse_args()
    TABLES[arguments.table](arguments.size, arguments.evaluations, arguments.only)


if __name__ == "__main__":
    main()
