"""How much higher is the loss after a run in bfloat16 than after one in float32?

    python benchmarks/precision.py [--size PX] [--steps N ...]

Six pairs of samples, started from the content, with `petite`. Each number is the loss of the
result, evaluated in float32, relative to that of a run in float32 with as many steps.
"""

from __future__ import annotations

import argparse
import os

from nst_teach import transfer

PAIRS = (
    ("coffee", "night_swirls"),
    ("chelsea", "woodcut_wave"),
    ("astronaut", "stained_glass"),
    ("rocket", "oil_harbour"),
    ("motorcycle", "composition"),
    ("coffee", "dots"),
)


def ratio(photo: str, style: str, size: int, steps: int) -> float:
    """Loss in bfloat16 over loss in float32."""
    plain, rounded = (
        transfer(photo, style, size=size, steps=steps, precision=precision).loss
        for precision in ("float32", "bfloat16")
    )
    return rounded / plain


def main() -> None:
    """Print a line for each number of steps."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=160, help="longer side (%(default)s)")
    parser.add_argument("--steps", type=int, nargs="+", default=[30, 150])
    arguments = parser.parse_args()
    os.environ["NST_TEACH_PROGRESS"] = "0"
    for steps in arguments.steps:
        ratios = [ratio(*pair, arguments.size, steps) for pair in PAIRS]
        print(f"{steps:>4} steps  " + "  ".join(f"{r:.3f}" for r in ratios), flush=True)


if __name__ == "__main__":
    main()
