"""Time to quality: seconds until the loss is where the usual loop has brought it.

The usual loop makes 300 evaluations; the lowest loss that it has seen by then is the target. Ours
may use any precision and begin at smaller sizes ("coarse"), but its image counts only when the
plain objective, in single precision, says that it has reached the target. Those checks are a
judge's and are not timed; everything else is, the targets of every size included.
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
from nst_teach.precision import choose_precision

Row = dict[str, object]
Levels = tuple[tuple[int, int], ...]

EVALUATIONS = 300
LEVELS = ((4, 60), (2, 60))  # (the side is divided by, steps), before the full size
THOROUGH = ("petite",)  # networks so fast that every way can be tried, and Adam
LEAST_SIDE = 96  # pixels; a level smaller than this only leads astray
MOST = 400  # steps at the full size
NEAR = 1.005  # the judge is asked once our own loss, perhaps rounded, is so near the target


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
    """The usual loop, with both of its optimisers if there is time, then ours."""
    network = ways.make_network(trial.network, trial.weights)
    photo, style = (load_image(name, size=trial.side) for name in (ways.PHOTO, ways.STYLE))
    judge = StyleObjective(photo, style, network)
    with Watcher() as watcher:
        usual = {
            name: usual_run(photo, style, network, judge.beta, name, trial.evaluations)
            for name in (("lbfgs", "adam") if trial.network in THOROUGH else ("lbfgs",))
        }
        target = usual["lbfgs"]["loss"]
        found = {
            name: our_run(trial.side, network, judge, way, float(target), levels)
            for name, way, levels in our_ways(trial)
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


def our_ways(trial: Trial) -> list[tuple[str, Contender, Levels]]:
    """The fastest precision on this machine, or both, at the full size alone and coarse to fine."""
    rivals = [way for way in (ways.OURS, ways.HALF) if ways.is_available(way)]
    if trial.network not in THOROUGH:
        fastest = choose_precision("auto")
        rivals = [way for way in rivals if way.precision == fastest] or [ways.OURS]
    usable = tuple(level for level in LEVELS if trial.side // level[0] >= LEAST_SIDE)
    found: list[tuple[str, Contender, Levels]] = [(way.name, way, ()) for way in rivals]
    return found + [(f"{way.name}, coarse", way, usable) for way in rivals if usable]


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
    levels: Levels,
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
    for part, steps in (*levels, (1, MOST)):
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
