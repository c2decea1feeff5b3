"""What does one evaluation cost? Seconds and memory by size, threads, layout and network.

    python benchmarks/speed.py [--rounds N]

An evaluation is the loss of a picture and its gradient. All settings are measured in one run, in
turn, round after round, so that a drift of the machine's speed hits all alike. The fastest round is
kept, since other programs can only slow a round down. Seconds do not depend on what the weights
are: the large networks are made with random ones, and nothing is downloaded.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil
import torch
from torch import Tensor

from nst_teach import FeatureNetwork, StyleObjective, load_image, optimize
from nst_teach.machine import peak_memory
from nst_teach.networks import PETITE_PLAN, VGG16_PLAN, VGG19_PLAN, build_vgg
from nst_teach.optimizers import LBFGS_HISTORY

PHOTO, STYLE = "astronaut", "night_swirls"  # the photograph is square: it has side² pixels
SIDES = (96, 128, 224, 256, 512)
FEW, MANY = 1, 2  # threads
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
PLANS = {"petite": PETITE_PLAN, "vgg16": VGG16_PLAN, "vgg19": VGG19_PLAN}
NETWORKS_SIDE = 224  # ImageNet's, at which VGG is mostly timed
ROUNDS = 5
MEMORY_STEPS = LBFGS_HISTORY + 2  # enough to fill the optimiser's memory
MEGABYTE = 1e6


@dataclass(frozen=True)
class Setting:
    """What is evaluated, and how."""

    side: int
    threads: int = MANY
    layout: str = "contiguous"
    network: str = "petite"
    gradient: bool = True

    def seconds(self) -> float:
        """The time of one evaluation."""
        torch.set_num_threads(self.threads)
        objective, picture = prepare(self)
        self.evaluate(objective, picture)  # the first call fills caches
        started = time.perf_counter()
        self.evaluate(objective, picture)
        return time.perf_counter() - started

    def evaluate(self, objective: StyleObjective, picture: Tensor) -> None:
        """The loss, and its gradient if that is wanted."""
        with torch.set_grad_enabled(self.gradient):
            total = objective(picture).total
        if self.gradient:
            torch.autograd.grad(total, picture)


def prepare(setting: Setting) -> tuple[StyleObjective, Tensor]:
    """The objective and the picture that `setting` evaluates."""
    memory_format = LAYOUTS[setting.layout]
    photo = load_image(PHOTO, size=setting.side).contiguous(memory_format=memory_format)
    net = network(setting.network).to(memory_format=memory_format)
    objective = StyleObjective(
        photo,
        load_image(STYLE, size=setting.side),
        net,
        content_layers=net.content_layers,
        style_layers=net.style_layers,
    )
    return objective, photo.requires_grad_(True)


@cache
def network(name: str) -> FeatureNetwork:
    """A network with random weights, and with average pooling like `petite`."""
    torch.manual_seed(0)
    return build_vgg(name, PLANS[name], "average")


def fastest(settings: Iterable[Setting], rounds: int) -> dict[Setting, float]:
    """Seconds of the fastest round of each setting."""
    settings = tuple(settings)
    times = [{setting: setting.seconds() for setting in settings} for _ in range(rounds)]
    return {setting: min(row[setting] for row in times) for setting in settings}


def size_settings() -> list[Setting]:
    """Every size under both numbers of threads, both layouts, and without the gradient."""
    kinds = ({}, {"threads": FEW}, {"layout": "channels_last"}, {"gradient": False})
    return [Setting(side, **kind) for side in SIDES for kind in kinds]


def print_sizes(times: dict[Setting, float]) -> None:
    print(f"\nSeconds per evaluation of petite, {MANY} threads unless it says otherwise")
    print("  side    loss  and gradient  µs/pixel  | 1 thread  ratio | channels_last  ratio")
    for side in SIDES:
        full = times[Setting(side)]
        loss = times[Setting(side, gradient=False)]
        few = times[Setting(side, threads=FEW)]
        last = times[Setting(side, layout="channels_last")]
        print(
            f"{side:>6}  {loss:>6.4f}  {full:>12.4f}  {full / side**2 * 1e6:>8.3f}"
            f"  | {few:>8.4f}  {few / full:>5.2f} | {last:>13.4f}  {last / full:>5.2f}"
        )


def print_networks(times: dict[Setting, float]) -> None:
    base = times[Setting(NETWORKS_SIDE)]
    print(f"\nSeconds per evaluation at {NETWORKS_SIDE} px, {MANY} threads")
    for setting, value in times.items():
        print(f"{setting.network:>8}  {value:>7.4f}  {value / base:>5.2f} × petite")


def peak_after(side: int, steps: int) -> float:
    """The most bytes this process ever held, after one evaluation or some steps of L-BFGS."""
    torch.set_num_threads(MANY)
    setting = Setting(side)
    objective, picture = prepare(setting)
    if steps:
        optimize(objective, picture.detach(), steps=steps, progress=False)
    else:
        setting.evaluate(objective, picture)
    return peak_memory()


def in_fresh_process(function: Callable, *arguments):
    """A process of its own, because the peak of a process never falls."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def print_memory() -> None:
    print("\nPeak memory of the process in MB, with Python and torch")
    print(f"  side  one evaluation  {MEMORY_STEPS} steps of L-BFGS")
    for side in SIDES:
        once, run = (in_fresh_process(peak_after, side, n) / MEGABYTE for n in (0, MEMORY_STEPS))
        print(f"{side:>6}  {once:>14.0f}  {run:>18.0f}")


def machine() -> str:
    """What the numbers belong to: processor, versions, and how busy the machine was."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    return (
        f"{model or platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}; "
        f"load average at the start {psutil.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Print three tables under the name of the machine."""
    parser = argparse.ArgumentParser(description="Seconds and memory of one evaluation.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(%(default)s)")
    rounds = parser.parse_args().rounds
    print(machine())
    print_sizes(fastest(size_settings(), rounds))
    print_networks(fastest((Setting(NETWORKS_SIDE, network=name) for name in PLANS), rounds))
    print_memory()


if __name__ == "__main__":
    main()
