"""How fast is the lab in the page? Iterations a second in Chromium, beside torch on one thread.

    python benchmarks/lab.py [--rounds N] [--threads 1 2]

Both run the same steps: the loss of petite, its gradient, one step of Adam. The page does more: it
draws the picture and the curves after each. They take turns, round after round, in one run, so that
a drift of the machine's speed hits both alike; the fastest round of each is kept, since other
programs can only slow a round down. It needs the `test` extra and a browser (CONTRIBUTING.md).

The page has one thread: more need two headers, Cross-Origin-Opener-Policy and
Cross-Origin-Embedder-Policy, that static hosts do not send. `--threads` shows what they would
bring: here the page comes with these headers, and its worker is told to use so many. More threads
than idle cores can be slower than one, because they wait for one another without sleeping.
"""

from __future__ import annotations

import argparse
import contextlib
import http
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

import assets  # noqa: E402
import labs  # noqa: E402
import pages  # noqa: E402
import serve  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from speed import machine  # noqa: E402

from nst_teach import StyleObjective, load_image, load_network, optimize  # noqa: E402

PHOTO, STYLE = "astronaut", "stained_glass"  # the photograph is square: it has side² pixels
SIDES = (96, 128, 224)
STEPS = 12  # a round
WARM_UP = 8  # steps that the browser's compilers take to get going
ROUNDS = 5
GOAL_RATE, GOAL_SIDE, GOAL_RATIO = 8, 128, 4  # iterations a second; times torch's seconds


class Isolated(serve.QuietHandler):
    """Sends what threads need, and a worker that uses `threads` of them."""

    threads = 1
    ONE = "numThreads = 1;"

    def end_headers(self) -> None:
        """Add the two headers that let threads share memory."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def do_GET(self) -> None:
        """Send a file, the worker with its number of threads."""
        path = Path(self.translate_path(self.path))
        if path.name != "worker.mjs":
            return super().do_GET()
        text = path.read_text("utf-8")
        if self.ONE not in text:
            raise SystemExit(f"{path.name} no longer says '{self.ONE}'; see `Isolated`.")
        data = text.replace(self.ONE, f"numThreads = {self.threads};").encode()
        self.send_response(http.HTTPStatus.OK)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        return None


class InPage:
    """The lab at one size, in an open page."""

    def __init__(self, tab, index: int) -> None:
        self.reader = labs.Reader(tab, index)
        self.reader.press("Start")
        self.reader.reach(WARM_UP)
        self.reader.press("Pause")  # the others of this size begin without it
        self.reader.become("paused")

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
def opened(threads: Sequence[int]) -> Iterator[list]:
    """Pages with a lab for each size, one for each number of threads, each in its own browser."""
    assets.install()
    figures = [
        {"content": PHOTO, "style": STYLE, "size": str(side), "steps": "5000", "controls": "ratio"}
        for side in SIDES
    ]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        page = labs.write_page(folder, labs.STATIC, *figures)
        driver = stack.enter_context(sync_playwright())
        tabs = []
        for count in threads:
            handler = type("Threaded", (Isolated,), {"threads": count})
            address = stack.enter_context(serve.served(folder, handler))
            chromium = driver.chromium.launch(
                executable_path=pages.find_browser(), args=pages.browser_flags()
            )
            tab = stack.enter_context(contextlib.closing(chromium)).new_page()
            tab.goto(address + page)
            tabs.append(tab)
        yield tabs


def compare(ways: Sequence[InPage | InTorch], rounds: int) -> list[float]:
    """Seconds for a step in the fastest round of each."""
    times = [[way.seconds() for way in ways] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]


def same_losses(labs_of_a_size: Sequence[InPage]) -> float:
    """The largest relative difference between the first losses of labs that differ in threads."""
    first, *others = [page.reader.totals[:WARM_UP] for page in labs_of_a_size]
    pairs = [zip(first, other, strict=True) for other in others]
    return max((abs(b - a) / a for pair in pairs for a, b in pair), default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Iterations a second of the lab in the page.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(%(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="(%(default)s)")
    given = parser.parse_args()
    print(machine())
    with opened(given.threads) as tabs:
        print(tabs[0].evaluate("navigator.userAgent"))
        print("  side  threads   page: steps/s  ms   torch, 1 thread: steps/s  ms   page / torch")
        for index, side in enumerate(SIDES):
            in_page = [InPage(tab, index) for tab in tabs]
            *times, package = compare([*in_page, InTorch(side)], given.rounds)
            for threads, page in zip(given.threads, times, strict=True):
                print(
                    f"{side:>6}  {threads:>7}  {1 / page:>14.1f}  {page * 1e3:>4.0f}"
                    f"  {1 / package:>23.1f}  {package * 1e3:>4.0f}   {page / package:>5.2f}"
                )
            if len(in_page) > 1:
                print(f"        losses of the first steps differ by {same_losses(in_page):.0e}")
    print(f"Goal: {GOAL_RATE} steps/s at {GOAL_SIDE} px, page / torch at most {GOAL_RATIO}.")
    print(f"Load average at the end {psutil.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
