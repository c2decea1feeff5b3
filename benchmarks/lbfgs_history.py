"""How many pairs should L-BFGS remember? Seconds and loss for several history sizes, in one run.

    python benchmarks/lbfgs_history.py

Prints a row for each history size: seconds relative to the default, and the final loss relative to
the default's, for the same number of steps from the same start.
"""

from __future__ import annotations

import time

from nst_teach import optimizers, transfer

SIZES = (5, 10, optimizers.LBFGS_HISTORY, 50, 100)
ROUNDS = 3
STEPS, SIDE = 100, 256


def run(history: int) -> tuple[float, float]:
    """Seconds and final loss of one transfer with this history."""
    default, optimizers.LBFGS_HISTORY = optimizers.LBFGS_HISTORY, history
    try:
        started = time.perf_counter()
        result = transfer("chelsea", "night_swirls", size=SIDE, steps=STEPS, progress=False)
        return time.perf_counter() - started, result.history[-1].total
    finally:
        optimizers.LBFGS_HISTORY = default


def main() -> None:
    """Measure in turn, so that a drift of the machine's speed hits all alike; keep the best."""
    default = optimizers.LBFGS_HISTORY
    seconds = {size: [] for size in SIZES}
    losses = {}
    for _ in range(ROUNDS):
        for size in SIZES:
            elapsed, losses[size] = run(size)
            seconds[size].append(elapsed)
    print("history  time/default  loss/default")
    for size in SIZES:
        ratio = min(seconds[size]) / min(seconds[default])
        print(f"{size:>7}  {ratio:>12.2f}  {losses[size] / losses[default]:>12.3f}")


if __name__ == "__main__":
    main()
