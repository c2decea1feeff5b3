"""How fast is the lab in the page? Iterations a second in Chromium, beside torch on one thread.

    python benchmarks/lab.py [--rounds N]

Both run the same steps: the loss of petite, its gradient, one step of Adam. The page does more: it
draws the picture and the curves after each. They take turns, round after round, in one run, so that
a drift of the machine's speed hits both alike; the fastest round of each is kept, since other
programs can only slow a round down. It needs the `test` extra and a browser (CONTRIBUTING.md).
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

import assets  # noqa: E402
import labs  # noqa: E402
import pages  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from speed import machine  # noqa: E402

from nst_teach import StyleObjective, load_image, load_network, optimize  # noqa: E402

PHOTO, STYLE = "astronaut", "stained_glass"  # the photograph is square: it has side² pixels
SIDES = (96, 128, 224)
STEPS = 12  # a round
WARM_UP = 8  # steps that the browser's compilers take to get going
ROUNDS = 5
GOAL_RATE, GOAL_SIDE, GOAL_RATIO = 8, 128, 4  # iterations a second; times torch's seconds


class InPage:
    """The lab at one size, in an open page."""

    def __init__(self, tab, index: int) -> None:
        self.reader = labs.Reader(tab, index)
        self.reader.press("Start")
        self.reader.reach(WARM_UP)

    def seconds(self) -> float:
        """Seconds for a step, over one round."""
        reader, begin = self.reader, self.reader.ask("lab.past.step")
        if reader.ask("lab.state") != "running":
            reader.press("Resume")
        reader.reach(begin + STEPS + 1)
        first, last = reader.ask(f"[lab.past.times.at(-{STEPS}), lab.past.times.at(-1)]")
        reader.press("Pause")
        reader.become("paused")
        return (last - first) / (STEPS - 1) / 1000


class InTorch:
    """The same with the package, on one thread."""

    def __init__(self, side: int) -> None:
        self.photo, network = load_image(PHOTO, size=side), load_network("petite")
        self.objective = StyleObjective(
            self.photo,
            load_image(STYLE, size=side),
            network,
            content_layers=network.content_layers,
            style_layers=network.style_layers,
        )
        self.run(2)

    def run(self, steps: int) -> None:
        optimize(self.objective, self.photo, optimizer="adam", steps=steps, progress=False)

    def seconds(self) -> float:
        """Seconds for a step, over one round."""
        torch.set_num_threads(1)
        started = time.perf_counter()
        self.run(STEPS)
        return (time.perf_counter() - started) / STEPS


@contextlib.contextmanager
def opened() -> Iterator:
    """A page with a lab for each size, in a browser without a screen."""
    assets.install()
    figures = [
        {"content": PHOTO, "style": STYLE, "size": str(side), "steps": "5000", "controls": "ratio"}
        for side in SIDES
    ]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page = labs.write_page(Path(folder), labs.STATIC, *figures)
        chromium = driver.chromium.launch(
            executable_path=pages.find_browser(), args=pages.browser_flags()
        )
        with contextlib.closing(chromium), pages.served(Path(folder)) as address:
            tab = chromium.new_page()
            tab.goto(address + page)
            yield tab


def compare(page: InPage, package: InTorch, rounds: int) -> tuple[float, float]:
    """Seconds for a step in the fastest round of each."""
    times = [(page.seconds(), package.seconds()) for _ in range(rounds)]
    return tuple(map(min, zip(*times, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Iterations a second of the lab in the page.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(%(default)s)")
    rounds = parser.parse_args().rounds
    print(machine())
    with opened() as tab:
        print(tab.evaluate("navigator.userAgent"))
        print("  side   page: steps/s  ms   torch, 1 thread: steps/s  ms   page / torch")
        for index, side in enumerate(SIDES):
            page, package = compare(InPage(tab, index), InTorch(side), rounds)
            print(
                f"{side:>6}  {1 / page:>14.1f}  {page * 1e3:>4.0f}"
                f"  {1 / package:>23.1f}  {package * 1e3:>4.0f}   {page / package:>5.2f}"
            )
    print(f"Goal: {GOAL_RATE} steps/s at {GOAL_SIDE} px, page / torch at most {GOAL_RATIO}.")
    print(f"Load average at the end {psutil.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
