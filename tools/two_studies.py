"""Follow Study B's rounds of SciPy until they move little: the record of chapter 12.

    python tools/two_studies.py [--out FOLDER]

Study B says of its result that it hardly changes *after* a few hundred iterations. A page can
compute that many, but not as many again, and what comes after is the question. This script goes on
for thirty rounds of SciPy. It also spends the same number of evaluations on a single call, which
never has to start again. It writes a record of numbers (`12_study_b.json`) and a row of pictures
(`12_study_b.jpg`). On two quiet CPU cores it needs some minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from reconstructions import FOLDER, sha256
from scipy import optimize
from torch import Tensor

from nst_teach import (
    content_loss,
    deprocess,
    gram_matrix,
    load_image,
    load_network,
    one_blas_thread,
    preprocess,
    style_loss,
    to_pil,
)
from nst_teach.images import CONVENTIONS
from nst_teach.losses import gram_of
from nst_teach.networks import WEIGHTS_FOLDER, FeatureNetwork
from nst_teach.starts import GREY, cover

NAME = "12_study_b"

# The chapter's own settings; a test compares them.
NETWORK, PHOTO, STYLE, SIDE = "petite", "chelsea", "stained_glass", 224
ALPHA = 1.0
BETA = ALPHA / 1e-3
SCALE = 255 * sum(CONVENTIONS["torchvision"].std) / 3  # s in the chapter
ROUNDS, EVALUATIONS = 30, 30

SHOWN = (1, 10, 20, 30)  # the rounds whose results are pictured
DIGITS, QUALITY = 4, 88
GAP, LABEL = 6, 30  # pixels between pictures, and for a line of text

Total = Callable[[Tensor], Tensor]


# --- the study -----------------------------------------------------------------------------------


def study_b(content: Tensor, style: Tensor, network: FeatureNetwork, scale: float = SCALE) -> Total:
    """The total over Caffe's pixels, of features that are `scale` times the network's."""

    def features(image: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        return {layer: scale * f for layer, f in network(image, layers).items()}

    with torch.no_grad():
        wanted = features(content, network.content_layers)
        grams = gram_of(features(style, network.style_layers))

    def total(x: Tensor) -> Tensor:
        found = features(deprocess(x, "caffe"), (*wanted, *grams))
        far = torch.stack([content_loss(found[layer], p) for layer, p in wanted.items()])
        apart = [style_loss(gram_matrix(found[layer]), a) for layer, a in grams.items()]
        return ALPHA * far.sum() + BETA * torch.stack(apart).mean()

    return total


@dataclass(frozen=True)
class Round:
    """What a call of SciPy gave: its image, all its totals, and SciPy's own count."""

    image: Tensor
    totals: tuple[float, ...]
    iterations: int


def call_scipy(total: Total, image: Tensor, evaluations: int) -> Round:
    """One call of `fmin_l_bfgs_b` from an image in [0, 1]; the result is not clamped."""
    totals: list[float] = []

    def loss_and_gradient(pixels: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(pixels).float().view_as(image).requires_grad_()
        loss = total(x)
        (gradient,) = torch.autograd.grad(loss, x)
        totals.append(loss.item())
        return totals[-1], gradient.double().numpy().ravel()

    start = preprocess(image, "caffe").double().numpy().ravel()
    minimise = cast(Callable[..., tuple[np.ndarray, Any, dict[str, Any]]], optimize.fmin_l_bfgs_b)
    with one_blas_thread():
        end, _, said = minimise(loss_and_gradient, start, maxfun=evaluations)
    result = deprocess(torch.from_numpy(end).float().view_as(image), "caffe")
    return Round(result, tuple(totals), int(said["nit"]))


def loop(total: Total, start: Tensor, rounds: int = ROUNDS) -> list[Round]:
    """Rounds of SciPy, each from where the last one ended."""
    done: list[Round] = []
    for number in range(1, rounds + 1):
        done.append(call_scipy(total, done[-1].image if done else start, EVALUATIONS))
        print(f"round {number}: total {done[-1].totals[-1]:.4g}", flush=True)
    return done


# --- measuring -----------------------------------------------------------------------------------


def rounded(value: float) -> float:
    """To so many significant digits."""
    return float(f"{value:.{DIGITS}g}")


def levels_between(one: Tensor, other: Tensor) -> float:
    """Mean absolute difference of two pictures as they are shown, in levels of 255."""
    return (one.clamp(0, 1) - other.clamp(0, 1)).abs().mean().item() * 255


def saturation(image: Tensor) -> float:
    """How far the largest channel of a pixel is above the smallest, in levels, on average."""
    shown = image.clamp(0, 1)
    return (shown.amax(dim=1) - shown.amin(dim=1)).mean().item() * 255


def likeness(one: Tensor, other: Tensor) -> float:
    """Correlation of the brightness of two pictures: 1 for the same composition."""
    a, b = (image.clamp(0, 1).mean(dim=1).flatten() for image in (one, other))
    a, b = a - a.mean(), b - b.mean()
    return (a @ b / (a.norm() * b.norm()).clamp(min=1e-12)).item()


def report(start: Tensor, rounds: list[Round], single: Round) -> dict[str, Any]:
    """The numbers of each round, of every ten, and of the single call beside them."""
    path = [start, *(done.image for done in rounds)]
    rows = [
        {
            "round": number,
            "evaluations": len(done.totals),
            "iterations": done.iterations,
            "total": rounded(min(done.totals)),
            "levels_moved": rounded(levels_between(path[number - 1], done.image)),
            "saturation": rounded(saturation(done.image)),
            "like_the_last": rounded(likeness(done.image, path[-1])),
        }
        for number, done in enumerate(rounds, start=1)
    ]
    tens = [
        {"from": a, "to": a + 10, "levels_moved": rounded(levels_between(path[a], path[a + 10]))}
        for a in range(0, len(rounds) - 9, 10)
    ]
    spent = np.cumsum([len(done.totals) for done in rounds])
    best = np.minimum.accumulate(single.totals)
    reached = {str(k): rounded(best[min(spent[k - 1], len(best)) - 1]) for k in SHOWN}
    return {
        "settings": settings(),
        "total_at_the_start": rounded(rounds[0].totals[0]),
        "rounds": rows,
        "tens": tens,
        "single_call": {
            "evaluations": len(single.totals),
            "iterations": single.iterations,
            "total_at_the_cost_of_so_many_rounds": reached,
        },
    }


def settings() -> dict[str, Any]:
    """What the record was made with."""
    return {
        "network": NETWORK,
        "weights_sha256": sha256(WEIGHTS_FOLDER / f"{NETWORK}.safetensors"),
        "photo": PHOTO,
        "style": STYLE,
        "side": SIDE,
        "alpha": ALPHA,
        "beta": BETA,
        "scale": rounded(SCALE),
        "rounds": ROUNDS,
        "evaluations": EVALUATIONS,
    }


# --- the record ----------------------------------------------------------------------------------


def strip(pictures: dict[str, Image.Image]) -> Image.Image:
    """Pictures in a row on white, each below its title."""
    width, height = next(iter(pictures.values())).size
    page = Image.new("RGB", (len(pictures) * (width + GAP) - GAP, LABEL + height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(21)
    for column, (title, picture) in enumerate(pictures.items()):
        left = column * (width + GAP)
        draw.text((left + width // 2, LABEL // 2), title, "black", font, anchor="mm")
        page.paste(picture, (left, LABEL))
    return page


def main(arguments: list[str] | None = None) -> None:
    """Make the record and save it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder (default: %(default)s)")
    out = parser.parse_args(arguments).out
    network = load_network(NETWORK)
    content, style = (cover(load_image(name), (SIDE, SIDE)) for name in (PHOTO, STYLE))
    total, start = study_b(content, style, network), torch.full_like(content, GREY)
    rounds = loop(total, start)
    single = call_scipy(total, start, sum(len(done.totals) for done in rounds))
    record = report(start, rounds, single)
    picture, numbers = out / f"{NAME}.jpg", out / f"{NAME}.json"
    out.mkdir(parents=True, exist_ok=True)
    titles = {f"{k} round{'s' if k > 1 else ''}": rounds[k - 1].image for k in SHOWN}
    strip({title: to_pil(image.clamp(0, 1)) for title, image in titles.items()}).save(
        picture, quality=QUALITY
    )
    record["picture"] = {"file": picture.name, "sha256": sha256(picture)}
    record["made"] = {
        "on": datetime.now(UTC).date().isoformat(),
        "command": "python tools/two_studies.py",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    numbers.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(picture, numbers, sep="\n")


if __name__ == "__main__":
    main()
