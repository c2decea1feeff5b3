"""Measurements in processes of their own: seconds per evaluation, and peak memory.

A process forked from a server that has only imported the package begins with the same memory each
time, in milliseconds. Each function here runs in one and yields its rows as they are done.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import contenders as ways
import psutil
import torch
from contenders import Contender
from quiet import Watcher
from torch import Tensor

from nst_teach import FeatureNetwork, StyleObjective, estimates, load_image, optimize
from nst_teach.machine import peak_memory
from nst_teach.objective import Losses
from nst_teach.optimizers import LBFGS_HISTORY

Row = dict[str, object]

ROUNDS = {128: 7, 256: 5, 512: 3, 1024: 2}
"""Rounds at each side: a large image needs fewer, because its evaluation lasts longer."""
UNWARMED = 1024  # pixels; from here on the first evaluation is hardly slower than the others
WARM_SIDE = 64  # pixels
USUAL_HISTORY = 100  # torch's default
ESTIMATED_STEPS = LBFGS_HISTORY + 4


@dataclass(frozen=True)
class Plan:
    """What a process measures.

    Attributes:
        network: its name.
        sides: of the square images, in pixels.
        rounds: replaces `ROUNDS`; `None` for those.
        weights: files by the name of their network.
    """

    network: str
    sides: tuple[int, ...]
    rounds: int | None = None
    weights: dict[str, str] | None = None


def evaluations(plan: Plan) -> Iterator[Row]:
    """Seconds of each round for every way at every size, beside what was estimated."""
    network = ways.make_network(plan.network, plan.weights)
    for side in plan.sides:
        rivals = ways.contenders(plan.network, side)
        with Watcher() as watcher:
            predicted = [predicted_for(rival, network, side) for rival in rivals]
            seconds = alternate(
                [ways.evaluation(rival, side, network) for rival in rivals],
                plan.rounds or ROUNDS.get(side, 1),
                warm=side < UNWARMED,
            )
        yield {
            "key": f"evaluations/{plan.network}/{side}",
            "network": plan.network,
            "side": side,
            "multiplications": estimates.multiplications(
                ways.work(ways.OURS, network), (side, side)
            ),
            "moved": ways.moved(network, side),
            "ways": [
                {"way": rival.name, "seconds": row, **expected}
                for rival, row, expected in zip(rivals, seconds, predicted, strict=True)
            ],
            **watcher.record(),
        }


def alternate(functions: list[Callable[[], object]], rounds: int, warm: bool) -> list[list[float]]:
    """Seconds of each function in each round; every round calls all of them, in turn."""
    if warm:
        for function in functions:
            function()
    rows: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, row in zip(functions, rows, strict=True):
            started = time.perf_counter()
            function()
            row.append(time.perf_counter() - started)
    return rows


def predicted_for(contender: Contender, network: FeatureNetwork, side: int) -> Row:
    """What `nst_teach.estimate` says about an evaluation, and the memory of a run with L-BFGS."""
    kind = contender if contender.kind == "ours" else ways.OURS
    work = ways.work(kind, network)
    whole = estimates.predict(
        work, (side, side), styles=[(ways.STYLE_SIDE, ways.STYLE_SIDE)], optimizer="lbfgs",
        steps=ESTIMATED_STEPS,
    )  # fmt: skip
    each = estimates.calibration(work).evaluation((side, side))
    if contender.kind == "usual":
        return {"bytes": whole.needed}
    return {"estimated": each, "bytes": whole.needed}


def memory(plan: Plan, side: int, contender: Contender) -> Iterator[Row]:
    """Peak memory of a run with L-BFGS whose history is full, beyond what it begins with.

    It begins with what Python and torch occupy when all libraries are loaded. A cheap function
    fills the history; the one evaluation that follows is real.
    """
    with Watcher() as watcher:
        network = ways.make_network(plan.network, plan.weights)
        _load_libraries(contender, network)
        base = psutil.Process().memory_info().rss
        photo, style = (
            load_image(name, size=size)
            for name, size in ((ways.PHOTO, side), (ways.STYLE, ways.STYLE_SIDE))
        )
        if contender.kind == "usual":
            _usual_run(ways.UsualLoop(photo, style, network, beta=1.0), photo)
        else:
            _our_run(ways.objective(contender, photo, style, network), photo)
    yield {
        "key": memory_key(plan.network, side, contender),
        "network": plan.network,
        "side": side,
        "way": contender.name,
        "base": base,
        "beyond": peak_memory() - base,
        **watcher.record(),
    }


def _load_libraries(contender: Contender, network: FeatureNetwork) -> None:
    """Evaluate a small image, and take a step: torch loads much when it is first asked to."""
    ways.evaluation(contender, WARM_SIDE, network)()
    optimize(lambda image: Losses(bowl(image), {}, {}, bowl(image)), torch.rand(1, 3, 8, 8),
             steps=2, progress=False)  # fmt: skip


def memory_key(network: str, side: int, contender: Contender) -> str:
    return f"memory/{network}/{side}/{contender.name}"


def bowl(image: Tensor) -> Tensor:
    """A function that costs next to nothing, so long that L-BFGS needs many steps."""
    return (torch.linspace(1, 100, image.numel()).view_as(image) * (image - 0.5).square()).sum()


def _our_run(goal: StyleObjective, photo: Tensor) -> None:
    calls = 0

    def function(image: Tensor) -> Losses:
        nonlocal calls
        calls += 1
        if calls > LBFGS_HISTORY + 2:
            return goal(image)
        return Losses(bowl(image), {}, {}, image.new_zeros(()))

    optimize(
        function, photo, steps=LBFGS_HISTORY + 10, progress=False,
        callback=lambda record, image: calls <= LBFGS_HISTORY + 2,
    )  # fmt: skip


def _usual_run(loop: ways.UsualLoop, photo: Tensor) -> None:
    image, real, calls = photo.clone().requires_grad_(True), loop.loss, 0

    def loss(image: Tensor) -> Tensor:
        return real(image) if calls > USUAL_HISTORY + 2 else bowl(image)

    def watch(count: int, loss: float, image: Tensor) -> bool:
        nonlocal calls
        calls = count + 1
        return count > USUAL_HISTORY + 2

    loop.loss = loss
    loop.lbfgs(image, watch)


def apart(function: Callable[..., Iterator[Row]], *arguments: object) -> Iterator[Row]:
    """Run a function of this module in a fresh process, and yield its rows.

    Raises:
        RuntimeError: the process ended with an error.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["measuring", "quality"])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    try:
        while True:
            yield ours.recv()
    except EOFError:
        process.join()
    if process.exitcode:
        raise RuntimeError(f"{function.__name__}{arguments} ended with {process.exitcode}.")


def _send(pipe: Connection, function: Callable[..., Iterator[Row]], arguments: tuple) -> None:
    for row in function(*arguments):
        pipe.send(row)
    pipe.close()
