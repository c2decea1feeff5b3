"""Measure one fast network for three styles against three networks for one: for chapter 11.

    python tools/conditional_record.py --singles FOLDER --pictures FOLDER [--cache FOLDER]

Is a network that shares its convolutions among the styles worse than one of its own for each? And
what lies between two styles? This script repaints photographs that none of these networks was
trained on: those of the package that their cards name, and some of a folder. It measures content
and style loss, as in training, for the photographs themselves, for the networks, for 40 steps of
optimisation of the same objective, and for the conditional network in the wrong style. Then it
goes from each style to each other in quarters, and beside it fades one painting into the other.
The record (`fast_three_styles_record.json`) lies in the package, where the chapter finds it.

The networks for one style are those of `tools/train_fast.py`, in `--singles` as
`STYLE/fast_STYLE.safetensors`, or else the bundled ones. Finished optimisations are kept in the
cache. On one quiet CPU core the script needs ten minutes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from reconstructions import sha256
from torch import Tensor

from nst_teach import StyleObjective, load_image, load_network, optimize
from nst_teach.feedforward import (
    CONDITIONAL,
    PREFIX,
    ConditionalNetwork,
    load_conditional,
    load_fast,
)
from nst_teach.networks import WEIGHTS_FOLDER

RECORD = WEIGHTS_FOLDER / f"{PREFIX}{CONDITIONAL}_record.json"
STYLES = ("stained_glass", "night_swirls", "woodcut_wave")

# The chapter's own settings; a test compares them.
NETWORK, STYLE_SIZE = "petite", 256
STYLE_WEIGHT = 3  # β for each content feature, as in the training
SIZE = 208  # longer side of the photographs
OPTIMIZER, STEPS = "scipy", 40

EVERY = 100  # of a sorted folder, one photograph in so many: nobody chose them
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the second style of a pair
RECIPE = ("steps", "crops", "crop_size", "strength", "optimizer", "precision", "held_out")

Losses = dict[str, float]
Painter = Callable[[Tensor], Tensor]


def find_photos(folder: Path, held_out: list[str]) -> dict[str, str | Path]:
    """`{name: source}` of the photographs: those held out, and some of a folder."""
    files = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg", ".jpeg"))
    return {name: name for name in held_out} | {p.stem: p for p in files[EVERY // 3 :: EVERY]}


# --- measuring -----------------------------------------------------------------------------------


def goal_for(photo: Tensor, style: str) -> StyleObjective:
    """The objective of the training, for one photograph."""
    objective = StyleObjective(photo, load_image(style, size=STYLE_SIZE), load_network(NETWORK))
    objective.beta = STYLE_WEIGHT * features_of(objective)
    return objective


def features_of(objective: StyleObjective) -> int:
    """The number of content features."""
    return sum(target.numel() for target in objective.content_targets.values())


def measure(goal: StyleObjective, image: Tensor) -> Losses:
    """Content loss for each content feature, mean of the style losses, and the training loss."""
    with torch.no_grad():
        parts = goal(image)
    count = features_of(goal)
    content = sum(value.item() for value in parts.content.values()) / count
    style = sum(value.item() for value in parts.style.values()) / len(parts.style)
    return {
        "content": rounded(content),
        "style": rounded(style),
        "loss": rounded(parts.total.item() / count),
    }


def optimised(goal: StyleObjective, photo: Tensor, kept: Path) -> dict[str, Any]:
    """The losses after `STEPS` steps, and the training loss at each evaluation."""
    if not kept.is_file():
        run = optimize(goal, photo, optimizer=OPTIMIZER, steps=STEPS)
        totals = [rounded(entry.total / features_of(goal)) for entry in run.history]
        kept.write_text(json.dumps({**measure(goal, run.image), "history": totals}))
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def evaluations(history: list[float], loss: float) -> int | None:
    """After how many evaluations the optimisation reaches a loss, or `None`."""
    return next((number for number, value in enumerate(history, start=1) if value <= loss), None)


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


# --- one network or three ------------------------------------------------------------------------


def compare(
    photos: dict[str, Tensor], network: ConditionalNetwork, singles: dict[str, Painter], cache: Path
) -> dict[str, dict[str, dict[str, Losses]]]:
    """`{style: {way: {photograph: losses}}}`."""
    result: dict[str, dict[str, dict[str, Losses]]] = {}
    for style, wrong in zip(STYLES, (*STYLES[1:], STYLES[0]), strict=True):
        rows: dict[str, dict[str, Losses]] = {}
        for name, photo in photos.items():
            goal = goal_for(photo, style)
            with torch.no_grad():
                images = {
                    "photo": photo,
                    "single": singles[style](photo),
                    "conditional": network(photo, style),
                    "wrong style": network(photo, wrong),
                }
            for way, image in images.items():
                rows.setdefault(way, {})[name] = measure(goal, image)
            run = optimised(goal, photo, cache / f"{style}-{name}.json")
            history = run.pop("history")
            rows.setdefault("optimisation", {})[name] = run
            for way in ("single", "conditional"):
                found = rows[way][name]
                found["evaluations"] = evaluations(history, found["loss"])
            print(style, name, {way: row[name]["loss"] for way, row in rows.items()}, flush=True)
        result[style] = rows
    return result


# --- from one style to another -------------------------------------------------------------------


def path_between(
    photo: Tensor, network: ConditionalNetwork, pair: tuple[str, str]
) -> dict[str, list[list[float]]]:
    """Content loss and both style losses along `SHARES`, by the slider and by a cross-fade."""
    goals = [goal_for(photo, style) for style in pair]
    first, second = pair
    rows: dict[str, list[list[float]]] = {"slider": [], "cross-fade": []}
    with torch.no_grad():
        ends = [network(photo, style) for style in pair]
        for share in SHARES:
            images = {
                "slider": network(photo, {first: 1 - share, second: share}),
                "cross-fade": torch.lerp(*ends, share),
            }
            for way, image in images.items():
                one, two = (measure(goal, image) for goal in goals)
                rows[way].append([one["content"], one["style"], two["style"]])
    return rows


# --- the record ----------------------------------------------------------------------------------


def settings() -> dict:
    """What the record was made with."""
    return {
        "network": NETWORK,
        "weights_sha256": sha256(WEIGHTS_FOLDER / f"{NETWORK}.safetensors"),
        "conditional_sha256": sha256(WEIGHTS_FOLDER / f"{PREFIX}{CONDITIONAL}.safetensors"),
        "styles": list(STYLES),
        "style_size": STYLE_SIZE,
        "style_weight": STYLE_WEIGHT,
        "size": SIZE,
        "optimizer": OPTIMIZER,
        "steps": STEPS,
        "every": EVERY,
        "shares": list(SHARES),
    }


def weights_of(style: str, folder: Path) -> Path:
    """The network for one style: in the folder, or the bundled one."""
    name = f"{PREFIX}{style}.safetensors"
    own = folder / style / name
    return own if own.is_file() else WEIGHTS_FOLDER / name


def card_of(weights: Path) -> dict[str, Any]:
    """How a network was trained, and which file it is."""
    card = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    recipe = {key: card.get(key, "not recorded") for key in RECIPE}
    return {"sha256": sha256(weights), **recipe, "bytes": card["bytes"]}


def main(arguments: list[str] | None = None) -> None:
    """Make the record and save it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--singles", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--conditional", type=Path, help="its weights; else the bundled ones")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/conditional"), help="%(default)s")
    parser.add_argument("--out", type=Path, default=RECORD, help="file (default: %(default)s)")
    asked = parser.parse_args(arguments)
    asked.cache.mkdir(parents=True, exist_ok=True)

    files = {style: weights_of(style, asked.singles) for style in STYLES}
    cards = {style: card_of(path) for style, path in files.items()}
    singles = {style: load_fast(style, weights=path) for style, path in files.items()}
    network = load_conditional(asked.conditional)
    sources = find_photos(asked.pictures, cards[STYLES[0]]["held_out"])
    photos = {name: load_image(source, size=SIZE) for name, source in sources.items()}

    losses = compare(photos, network, singles, asked.cache)
    pairs = list(itertools.combinations(STYLES, 2))
    record = {
        "settings": settings(),
        "photographs": list(photos),
        "singles": cards,
        "losses": losses,
        "paths": [
            {
                "pair": list(pair),
                "photographs": {n: path_between(p, network, pair) for n, p in photos.items()},
            }
            for pair in pairs
        ],
        "made": {
            "on": datetime.now(UTC).date().isoformat(),
            "command": "python tools/conditional_record.py",
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(asked.out)


if __name__ == "__main__":
    main()
