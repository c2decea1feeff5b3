"""What do SciPy's own threads cost? Seconds a step of `optimizer="scipy"`, with one and with all.

    python benchmarks/blas_threads.py

SciPy's L-BFGS-B adds vectors with OpenBLAS, which has a pool of threads beside PyTorch's. Prints a
row for each side of the picture: seconds of a step when OpenBLAS has one thread (what the package
does) and when it has one for each core, and their ratio.
"""

from __future__ import annotations

import time
from contextlib import nullcontext

import torch
from speed import machine

from nst_teach import FeatureNetwork, load_network, one_blas_thread, optimizers, transfer

SIDES = (96, 128, 192, 256, 384)
ROUNDS, STEPS = 3, 20
BLOCKS = {"one": one_blas_thread, "all": nullcontext}


def seconds_per_step(network: FeatureNetwork, side: int, threads: str) -> float:
    """Seconds of one step at this side of the picture, with `"one"` or `"all"` threads for BLAS."""
    optimizers.one_blas_thread = BLOCKS[threads]
    try:
        started = time.perf_counter()
        transfer(
            "chelsea", "night_swirls", size=(side, side), steps=STEPS, optimizer="scipy",
            network=network, progress=False,
        )  # fmt: skip
        return (time.perf_counter() - started) / STEPS
    finally:
        optimizers.one_blas_thread = one_blas_thread


if __name__ == "__main__":
    print(machine(), f"{torch.get_num_threads()} threads for PyTorch", sep="\n")
    network = load_network()
    print(" side   one (ms)   all (ms)   all / one")
    for side in SIDES:
        rounds = [
            {kind: seconds_per_step(network, side, kind) for kind in BLOCKS} for _ in range(ROUNDS)
        ]
        one, every = (1000 * min(r[kind] for r in rounds) for kind in BLOCKS)
        print(f"{side:>5} {one:>10.1f} {every:>10.1f} {every / one:>11.2f}")
