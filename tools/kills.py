"""Kill a run with SIGKILL at random moments, and continue it from its checkpoint: what is lost?

    python tools/kills.py [--kills N] [--seed N] [--size PIXELS] [--steps N] [OPTIMISER ...]

A child process runs `transfer` with a checkpoint after every step. The parent kills it at a random
moment, while it starts, computes or writes a file, and begins it again with the same arguments. A
run that comes to its end is compared with one in a process that nobody disturbed: image, history,
steps and loss, bit for bit. Without optimisers it tries adam and lbfgs. The exit status is 1 if
anything differs. It needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from nst_teach import Result, load_image, load_network, transfer
from nst_teach.checkpoints import Checkpoint, load_checkpoint

PATIENCE = 300  # seconds, the most that a child may take
LONGEST = 0.5  # of the time of a whole run: the most after which a child is killed


def run(arguments: argparse.Namespace, optimizer: str, checkpoint: Path | None) -> Result:
    """The run that is killed, or not."""
    return transfer(
        arguments.photo, arguments.style, network=arguments.network, size=arguments.size,
        start="noise", seed=1, steps=arguments.steps, optimizer=optimizer, progress=False,
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint, every=0),
    )  # fmt: skip


def identity(result: Result) -> dict[str, Any]:
    """Everything that has to be the same: all but the seconds."""
    history = [asdict(record) | {"seconds": 0} for record in result.history]
    return {
        "image": hashlib.sha256(result.image.numpy().tobytes()).hexdigest(),
        "history": hashlib.sha256(json.dumps(history).encode()).hexdigest(),
        "evaluations": len(history),
        "steps": result.steps,
        "loss": result.loss,
    }


def in_a_child(work: Callable[[], dict[str, Any]], answer: Path, life: float) -> bool:
    """Work in a process of its own, which is killed when its time is up; whether it was.

    A fork, and not a new interpreter: importing torch would take most of the time, and most kills
    would hit that.
    """
    child = os.fork()
    if child == 0:
        try:
            answer.write_text(json.dumps(work()), encoding="utf-8")
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    until = time.monotonic() + life
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if status:
                raise SystemExit("the run failed, see above")
            return False
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def experiment(
    arguments: argparse.Namespace, optimizer: str, folder: Path, dice: random.Random
) -> dict[str, Any]:
    """Kill one run again and again; returns what became of it."""
    answer, checkpoint = folder / f"{optimizer}.json", folder / f"{optimizer}.checkpoint"

    def outcome() -> dict[str, Any]:
        return json.loads(answer.read_text(encoding="utf-8"))

    def resumed() -> dict[str, Any]:
        return identity(run(arguments, optimizer, checkpoint))

    run(arguments, optimizer, None)  # in the parent: torch imports much of itself only now
    in_a_child(lambda: identity(run(arguments, optimizer, None)), answer, PATIENCE)
    whole = outcome()
    began = time.monotonic()
    in_a_child(resumed, answer, PATIENCE)
    longest, kills, at, hit, ended = (
        LONGEST * (time.monotonic() - began),
        0,
        set[int](),
        0,
        [outcome()],
    )
    checkpoint.unlink()
    while kills < arguments.kills:
        if not in_a_child(resumed, answer, dice.uniform(0, longest)):
            ended.append(outcome())  # it came to its end first: once more from the beginning
            checkpoint.unlink()
            continue
        kills += 1
        hit += any(file.name.startswith(f".{optimizer}-") for file in folder.iterdir())
        with contextlib.suppress(ValueError):  # none yet; a damaged one would stop the next child
            at.add(load_checkpoint(checkpoint).steps)
    in_a_child(resumed, answer, PATIENCE)
    ended.append(outcome())
    return {
        "kills": kills, "while writing": hit, "different steps": len(at), "runs": len(ended),
        "different": [found for found in ended if found != whole], "whole": whole,
        "left over": [file.name for file in folder.iterdir() if file.name.startswith(".")],
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Print a line for each optimiser; returns the exit status."""
    p = argparse.ArgumentParser(description="Kill a run at random moments, and continue it.")
    p.add_argument("optimizers", nargs="*", metavar="OPTIMISER", default=["adam", "lbfgs"])
    p.add_argument("--kills", type=int, default=50)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--steps", type=int, default=60)
    arguments = p.parse_args(argv)
    torch.set_num_threads(1)  # the threads of a pool do not survive a fork
    arguments.photo, arguments.style = (load_image(name) for name in ("chelsea", "dots"))
    arguments.network = load_network("petite")
    failed = False
    for optimizer in arguments.optimizers:
        with tempfile.TemporaryDirectory() as folder:
            outcome = experiment(arguments, optimizer, Path(folder), random.Random(arguments.seed))
        whole, different = outcome["whole"], outcome["different"]
        failed |= bool(different or outcome["left over"])
        print(
            f"{optimizer}: killed {outcome['kills']} times, {outcome['while writing']} of them "
            f"while a file was being written, with checkpoints of {outcome['different steps']} "
            f"different steps. {outcome['runs']} runs came to their end, of {whole['steps']} steps "
            f"and {whole['evaluations']} evaluations, with a loss of {whole['loss']:.6g}: "
            + (f"not the same: {different}" if different else "all the same bit for bit")
            + (f"; left over: {outcome['left over']}" if outcome["left over"] else ""),
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
