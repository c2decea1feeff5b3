"""Time to quality: seconds until the loss is where the usual loop has brought it.

The usual loop makes 300 evaluations; the lowest loss that it has seen by then is the target. Ours
may begin at a quarter of the size, go on at half of it, and use any precision, but its image counts
only when the plain objective, in single precision, says that it has reached the target. Those
checks are a judge's and are not timed; everything else is, the targets of every size included.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import contenders as ways
from contenders import Contender
from quiet import Watcher
from torch import Tensor
from usual import UsualLoop

from nst_teach import FeatureNetwork, StyleObjective, load_image, optimize

Row = dict[str, object]

EVALUATIONS = 300
LEVELS = ((4, 40), (2, 40))  # (the side is divided by, steps), before the full size
LEAST_SIDE = 96  # pixels; a level smaller than this only leads astray
MOST = 600  # steps at the full size
NEAR = 1.02  # the judge is asked once our own loss is below this multiple of the target


@dataclass(frozen=True)
class Trial:
    """A network, a size, and what may be used to be fast."""

    network: str
    side: int
    evaluations: int = EVALUATIONS
    weights: dict[str, str] | None = None

    @property
    def key(self) -> str:
        return f"quality/{self.network}/{self.side}/{self.evaluations}"


def quality(trial: Trial) -> Iterator[Row]:
    """The usual loop with both of its optimisers, then ours in every available way."""
    network = ways.make_network(trial.network, trial.weights)
    photo, style = (load_image(name, size=trial.side) for name in (ways.PHOTO, ways.STYLE))
    judge = StyleObjective(photo, style, network)
    with Watcher() as watcher:
        usual = {
            name: usual_run(photo, style, network, judge.beta, name, trial.evaluations)
            for name in ("lbfgs", "adam")
        }
        target = usual["lbfgs"]["loss"]
        found = {
            way.name: our_run(trial.side, network, judge, way, float(target), levels)
            for way, levels in our_ways(trial.side)
        }
    yield {
        "key": trial.key,
        "network": trial.network,
        "side": trial.side,
        "evaluations": trial.evaluations,
        "start": judge(photo).total.item(),
        "usual": usual,
        "ours": found,
        **watcher.record(),
    }


def our_ways(side: int) -> list[tuple[Contender, tuple[tuple[int, int], ...]]]:
    """Single precision, and half where the machine has units for it; coarse to fine, either."""
    rivals = [ways.OURS, ways.HALF]
    return [(rival, LEVELS) for rival in rivals if ways.is_available(rival)]


def usual_run(
    photo: Tensor, style: Tensor, network: FeatureNetwork, beta: float, name: str, most: int
) -> Row:
    """Its lowest loss within so many evaluations, when that was, and its last loss."""
    seen: list[tuple[float, float]] = []
    started = time.perf_counter()
    loop = UsualLoop(photo, style, network, beta)

    def watch(count: int, loss: float, image: Tensor) -> bool:
        seen.append((loss, time.perf_counter() - started))
        return count >= most or not loss < float("inf")

    getattr(loop, name)(photo.clone().requires_grad_(True), watch)
    loss, seconds = min(seen, default=(float("inf"), 0.0))
    return {
        "loss": loss,
        "seconds": seconds,
        "evaluation": seen.index((loss, seconds)) + 1,
        "last": seen[-1][0],
        "all": seen[-1][1],
    }


def our_run(
    side: int,
    network: FeatureNetwork,
    judge: StyleObjective,
    way: Contender,
    target: float,
    levels: tuple[tuple[int, int], ...] = LEVELS,
) -> Row:
    """Seconds until the judge sees the target, the evaluations at each size, and the loss."""
    started, judged, verdict = time.perf_counter(), 0.0, float("inf")
    at = {}

    def enough(record: object, image: Tensor) -> bool:
        """Ask the judge, off the clock, as soon as the image may be good enough."""
        nonlocal judged, verdict
        if record.total > NEAR * target:
            return True
        asked = time.perf_counter()
        verdict = min(verdict, judge(image).total.item())
        judged += time.perf_counter() - asked
        return verdict > target

    result: object = "content"
    usable = [level for level in levels if side // level[0] >= LEAST_SIDE]
    for part, steps in (*usable, (1, MOST)):
        small = side // part
        photo, style = (load_image(name, size=small) for name in (ways.PHOTO, ways.STYLE))
        goal = ways.objective(way, photo, style, network)
        final = part == 1
        result = optimize(
            goal, result, steps=steps, progress=False, callback=enough if final else None
        )
        at[str(small)] = sum(record.objective == result.history[-1].objective
                             for record in result.history) if final else steps  # fmt: skip
    seconds = time.perf_counter() - started - judged
    return {"seconds": seconds, "evaluations": at, "loss": verdict, "reached": verdict <= target}
