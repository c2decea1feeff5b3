"""Measure the bundled network and write its report, from which the book's model card is made.

    python tools/evaluate_petite.py --run runs/petite --exact FILE --narrow FILE \\
        --fit FOLDER --test FOLDER --pictures FOLDER --out nst_teach/weights/petite.json

Four questions, for pictures that were not used in the training:

1. How well do linear heads on its features predict VGG-19's features? (R² at five layers; the heads
   are solved by ridge regression on other pictures, `--fit`.) Beside it: the same with random
   weights.
2. Does a stylisation made with it have the style, and keep the photograph, *according to VGG-19*?
   Beside it: the same with random weights, and with the exact VGG-19 itself.
3. How long do 100 evaluations take?
4. How large is it, does a filter never fire, and does half precision matter?

Question 2 depends on the optimiser too. `--renew` answers only this one again, in an existing
report, and needs neither the training's folder nor the narrow network:

    python tools/evaluate_petite.py --renew --exact FILE --pictures FOLDER --out REPORT
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

import numpy as np
import torch
from teachers import IMAGENET_MEAN, IMAGENET_STD, TAPS, Teacher, load_teacher
from torch import Tensor

from nst_teach import load_image, load_network, losses, optimize, transfer
from nst_teach.networks import PETITE_PLAN, WEIGHTS_FOLDER, FeatureNetwork, build_vgg
from nst_teach.objective import STYLE_STRENGTH, StyleObjective

R2_SIZE = 481  # pixels, longer side: that of the BSDS photographs, which stay as they are
FIT_PICTURES = 120  # enough positions at relu5_1 for heads of 129 × 512 numbers
TEST_PICTURES = 16
RIDGE = 1e-4  # relative to the mean of the diagonal
SAMPLES_A_PICTURE = 2000  # positions a picture for the regression
STYLE_SIZE, STYLE_STEPS = 192, 150
BETA_DIVISORS = (20, 6, 2)  # less style than the default: the trade-off
TIMED_SIZE, TIMED_EVALUATIONS = 256, 100
EXACT_TAPS = TAPS[:3]
DEAD = 1e-4
RANDOM_SEED = 0


class TeacherNetwork(FeatureNetwork):
    """A teacher with the interface of a `FeatureNetwork`, for stylisations to compare with."""

    def __init__(self, teacher: Teacher):
        torch.nn.Module.__init__(self)  # it has no layers of its own
        self.teacher, self.name = teacher, "exact VGG-19 to relu3_1"

    def forward(self, image: Tensor, layers) -> dict[str, Tensor]:
        return self.teacher(image, tuple(layers))


# --- 1. features ---------------------------------------------------------------------------------


@torch.no_grad()
def sampled(model: torch.nn.Module, taps: tuple[str, ...], pictures: list[Tensor]) -> dict:
    """Features at random positions, the same for every model: `{tap: (positions, channels)}`."""
    generator = torch.Generator().manual_seed(RANDOM_SEED)
    rows: dict[str, list[Tensor]] = {tap: [] for tap in taps}
    for picture in pictures:
        features = model(picture, taps)
        for tap in TAPS:
            height, width = (side >> TAPS.index(tap) for side in picture.shape[-2:])
            chosen = torch.randperm(height * width, generator=generator)[:SAMPLES_A_PICTURE]
            if tap in taps:
                rows[tap].append(features[tap][0].flatten(1).T[chosen])
    return {tap: torch.cat(parts) for tap, parts in rows.items()}


def head_scores(fit: tuple[dict, dict], test: tuple[dict, dict]) -> dict[str, float]:
    """R² of linear heads from the network's features to the teacher's; each a pair (ours, theirs).

    The heads are solved on `fit`, the score is taken on `test`.
    """
    scores = {}
    for tap in test[1]:
        head = solve_head(fit[0][tap].double(), fit[1][tap].double())
        a, b = test[0][tap].double(), test[1][tap].double()
        residual = (with_one(a) @ head - b).square().sum()
        scores[tap] = 1 - (residual / (b - b.mean(0)).square().sum()).item()
    return scores


def taught(exact: Teacher, narrow: Teacher, pictures: list[Tensor]) -> dict:
    """The teachers' features: the exact one's as deep as it goes, the narrow one's below."""
    return sampled(exact, EXACT_TAPS, pictures) | sampled(narrow, TAPS[3:], pictures)


def with_one(a: Tensor) -> Tensor:
    return torch.cat([a, torch.ones_like(a[:, :1])], 1)


def solve_head(a: Tensor, b: Tensor) -> Tensor:
    a = with_one(a)
    normal = a.T @ a / len(a)
    ridge = RIDGE * normal.diagonal().mean() * torch.eye(len(normal), dtype=a.dtype)
    return torch.linalg.solve(normal + ridge, a.T @ b / len(a))


# --- 2. stylisation ------------------------------------------------------------------------------


@torch.no_grad()
def judge(exact: Teacher, image: Tensor, content: Tensor, style: Tensor) -> tuple[float, float]:
    """Relative Gram distance to the style and relative drift from the content, under VGG-19."""
    x, p, a = (exact(i, EXACT_TAPS) for i in (image, content, style))
    grams = [(losses.gram_matrix(x[t]), losses.gram_matrix(a[t])) for t in EXACT_TAPS]
    distance = np.mean([((g - h).square().sum() / h.square().sum()).item() for g, h in grams])
    deep = EXACT_TAPS[-1]
    drift = ((x[deep] - p[deep]).square().sum() / p[deep].square().sum()).item()
    return float(distance), drift


def stylise(network, content: Tensor, style: Tensor, divisor: float = 1.0) -> Tensor:
    """A transfer at a fraction of petite's default β; a network may end at relu3_1.

    β is `STYLE_STRENGTH` per content feature for all networks, whatever their activations' scale.
    """
    layers = {
        "content_layers": getattr(network, "content_layers", EXACT_TAPS[-1:]),
        "style_layers": getattr(network, "style_layers", EXACT_TAPS),
    }
    objective = StyleObjective(content, style, network, **layers, beta=1.0)
    features = sum(target.numel() for target in objective.content_targets.values())
    objective.beta = STYLE_STRENGTH * features / divisor
    return optimize(objective, content, steps=STYLE_STEPS).image


def stylisations(networks: dict, exact: Teacher, contents: list, styles: list) -> dict:
    """Mean distance and drift of each network over all pairs."""
    report = {}
    for name, (network, divisor) in networks.items():
        pairs = [
            judge(exact, stylise(network, c, s, divisor), c, s)
            for c, s in itertools.product(contents, styles)
        ]
        distance, drift = np.mean(pairs, axis=0)
        report[name] = {"gram_distance": float(distance), "content_drift": float(drift)}
    return report


# --- 3. and 4. cost ------------------------------------------------------------------------------


def seconds_per_100(network: FeatureNetwork, content: Tensor, style: Tensor) -> float:
    """Wall time of 100 L-BFGS evaluations at 256 pixels, the best of three runs."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        transfer(
            content,
            style,
            network=network,
            size=TIMED_SIZE,
            steps=TIMED_EVALUATIONS,
            callback=lambda record, image: record.evaluations < TIMED_EVALUATIONS,
        )
        times.append(time.perf_counter() - started)
    return min(times)


@torch.no_grad()
def dead_filters(network: FeatureNetwork, pictures: list[Tensor]) -> int:
    """Filters whose ReLU stays at zero on every picture."""
    layers = [name for name in network.layers if name.startswith("relu")]
    means = [
        torch.cat([f.mean((0, 2, 3)) for f in network(picture, layers).values()])
        for picture in pictures
    ]
    return int((torch.stack(means).mean(0) < DEAD).sum())


def facts(network: FeatureNetwork, weights: Path) -> dict:
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "bytes": weights.stat().st_size,
        "widths": PETITE_PLAN,
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
    }


def read(folders: list[Path], names: list[str] | None, size: int, limit: int | None = None):
    """Pictures by stem, or evenly spread over the folders."""
    paths = sorted(
        p for f in folders for p in f.rglob("*") if p.suffix in (".png", ".jpg", ".jpeg")
    )
    if names is not None:
        by_name = {p.stem: p for p in paths}
        missing = [n for n in names if n not in by_name]
        if missing:
            raise SystemExit(f"not in {', '.join(map(str, folders))}: {', '.join(missing)}")
        paths = [by_name[n] for n in names]
    elif limit and len(paths) > limit:
        paths = [paths[i] for i in np.linspace(0, len(paths) - 1, limit).round().astype(int)]
    return [load_image(p, size=size) for p in paths]


def renew(arguments: argparse.Namespace) -> dict:
    """An existing report with its stylisations measured again."""
    report = json.loads(arguments.out.read_text(encoding="utf-8"))
    petite = load_network("petite", weights=arguments.weights)
    return report | {"stylisation": judged(arguments, petite, load_teacher(arguments.exact))}


def evaluate(arguments: argparse.Namespace) -> dict:
    petite = load_network("petite", weights=arguments.weights)
    exact, narrow = load_teacher(arguments.exact), load_teacher(arguments.narrow)
    fit = read(arguments.fit, None, R2_SIZE, limit=FIT_PICTURES)
    test = read(arguments.test, None, R2_SIZE, limit=TEST_PICTURES)
    test += read(arguments.pictures, arguments.styles + arguments.contents, R2_SIZE)
    report = {"facts": facts(petite, arguments.weights)}
    report["training"] = json.loads((arguments.run / "recipe.json").read_text(encoding="utf-8"))
    single = load_network("petite", weights=arguments.run / "petite-single.safetensors")
    theirs = taught(exact, narrow, fit), taught(exact, narrow, test)
    scores = {}
    for name, network in {"half": petite, "single": single, "random": random_network()}.items():
        ours = sampled(network, TAPS, fit), sampled(network, TAPS, test)
        scores[name] = head_scores((ours[0], theirs[0]), (ours[1], theirs[1]))
    report |= {"r2": scores["half"], "r2_random": scores["random"]}
    for name in ("half", "single"):
        report[f"{name}_precision"] = sum(scores[name].values()) / len(TAPS)
    print(scores, flush=True)
    report["dead_filters"] = dead_filters(petite, test)
    if not arguments.quick:
        report["stylisation"] = judged(arguments, petite, exact)
        report |= timed(arguments, petite)
    return report


def random_network() -> FeatureNetwork:
    """The baseline: the same widths with PyTorch's initial weights."""
    torch.manual_seed(RANDOM_SEED)
    return build_vgg("random", PETITE_PLAN, "average")


def judged(arguments: argparse.Namespace, petite: FeatureNetwork, exact: Teacher) -> dict:
    networks = {
        **{f"petite, β/{d}": (petite, d) for d in BETA_DIVISORS},
        "petite": (petite, 1),
        "random": (random_network(), 1),
        "exact": (TeacherNetwork(exact), 1),
    }
    contents = read(arguments.pictures, arguments.contents, STYLE_SIZE)
    styles = read(arguments.pictures, arguments.styles, STYLE_SIZE)
    return stylisations(networks, exact, contents, styles)


def timed(arguments: argparse.Namespace, petite: FeatureNetwork) -> dict:
    content, style = (
        read(arguments.pictures, names[:1], STYLE_SIZE)[0]
        for names in (arguments.contents, arguments.styles)
    )
    return {
        "seconds_per_100_evaluations": seconds_per_100(petite, content, style),
        "threads": torch.get_num_threads(),
    }


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--weights", type=Path, default=WEIGHTS_FOLDER / "petite.safetensors")
    add("--renew", action="store_true", help="only the stylisations, of the report in --out")
    add("--run", type=Path, help="the training's folder (train_petite.py --out)")
    add("--exact", required=True, help="the exact VGG-19 ('vgg19' or a file, to relu3_1 at least)")
    add("--narrow", help="a narrow VGG-19 with heads to relu5_1")
    add("--fit", type=Path, action="append", help="pictures to solve the heads on")
    add("--test", type=Path, action="append", help="pictures to measure R² on")
    add("--pictures", type=Path, action="append", required=True, help="where contents, styles lie")
    add("--contents", nargs="+", default=["kodim08", "kodim21"])
    add("--styles", nargs="+", default=["starry_night", "the_scream", "great_wave"])
    add("--out", type=Path, required=True, help="the report (JSON)")
    add("--quick", action="store_true", help="only R² and dead filters")
    arguments = parser.parse_args(argv)
    if not (
        arguments.renew or all((arguments.run, arguments.narrow, arguments.fit, arguments.test))
    ):
        parser.error("--run, --narrow, --fit and --test are needed, unless --renew is given")
    return arguments


if __name__ == "__main__":
    arguments = parse()
    report = renew(arguments) if arguments.renew else evaluate(arguments)
    arguments.out.write_text(
        json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    print(json.dumps(report, indent=2, ensure_ascii=False))
