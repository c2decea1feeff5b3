"""How much fine grain does a network leave in its pictures? A record for the model card.

    python tools/grain.py --exact FILE --pictures FOLDER [--pictures FOLDER ...]

An image made by optimisation often has a grain of single pixels that neither the photograph nor the
painting has. Twelve pairs of pictures that `petite` was not trained on are stylised with it, with
random weights and with the exact VGG-19 to relu3_1, each with the same rule for β, start, optimiser
and number of steps. Two numbers describe the grain of an image: the share of fine detail, which is
the part of the amplitude spectrum of its luma between 0.3 and 0.5 cycles per pixel, and its total
variation. A third, the judge's, is the distance of its Gram matrices from the style's, as VGG-19
sees them, beside the drift from the content.

`--exact` is a VGG-19 to relu3_1 at least (`vgg19` for torchvision's, or a file). The record is
nst_teach/weights/petite_grain.json. On two quiet CPU cores it takes about half an hour.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import torch
from evaluate_petite import EXACT_TAPS, judge, random_network, read
from torch import Tensor

from nst_teach import FeatureNetwork, StyleObjective, load_network, optimize, total_variation
from nst_teach.images import LUMA
from nst_teach.networks import WEIGHTS_FOLDER
from nst_teach.objective import STYLE_STRENGTH

RECORD = WEIGHTS_FOLDER / "petite_grain.json"
CONTENTS = ("kodim08", "kodim21", "100007", "118035")  # none of petite's training pictures
STYLES = ("starry_night", "the_scream", "great_wave")
SIZE, STEPS = 256, 100
FINE = (0.3, 0.5)  # cycles per pixel
MEASURES = ("fine_detail", "total_variation", "gram_distance", "content_drift")
SMOOTHING = (0.1, 0.3)  # weights of the total variation that are tried, per β


def fine_detail(image: Tensor) -> float:
    """The share of the amplitude spectrum in the band `FINE`, of the luma of `(1, 3, H, W)`.

    A Hann window keeps the borders, where the image does not continue, from adding to it.
    """
    luma = (image[0] * torch.tensor(LUMA).view(3, 1, 1)).sum(0)
    height, width = luma.shape
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)
    amplitude = torch.fft.fft2((luma - luma.mean()) * window).abs()
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None])
    band = (frequency >= FINE[0]) & (frequency <= FINE[1])
    return (amplitude[band].sum() / amplitude.sum()).item()


def exact_vgg19(source: str) -> FeatureNetwork:
    """VGG-19 to relu3_1, from whose last layer the content is taken."""
    weights = None if source == "vgg19" else source
    network = load_network("vgg19", weights=weights, last_layer=EXACT_TAPS[-1])
    network.content_layers = EXACT_TAPS[-1:]
    return network


def stylised(
    network: FeatureNetwork,
    content: Tensor,
    style: Tensor,
    smoothing: float,
    strength: float = 1.0,
) -> Tensor:
    """β is `strength` times its default, and the total variation weighs `smoothing` · β."""
    features = network(content, network.content_layers).values()
    beta = strength * STYLE_STRENGTH * sum(f.numel() for f in features)
    goal = StyleObjective(content, style, network, beta=beta, total_variation=smoothing * beta)
    return optimize(goal, content, steps=STEPS, progress=False).image


def measured(images: list[Tensor], pairs: list[tuple[Tensor, Tensor]], exact) -> dict:
    """Each measure for every pair, rounded to four significant digits."""
    rows = [
        (fine_detail(image), total_variation(image).item(), *judge(exact, image, *pair))
        for image, pair in zip(images, pairs, strict=True)
    ]
    return {
        name: [float(f"{value:.4g}") for value in column]
        for name, column in zip(MEASURES, zip(*rows, strict=True), strict=True)
    }


def record(exact_source: str, folders: list[Path]) -> dict:
    """All numbers, with what they were made from."""
    exact, petite = exact_vgg19(exact_source), load_network("petite")
    contents, styles = read(folders, list(CONTENTS), SIZE), read(folders, list(STYLES), SIZE)
    pairs = list(itertools.product(contents, styles))
    networks = {
        "exact VGG-19 to relu3_1": (exact, 0.0),
        "petite": (petite, 0.0),
        **{f"petite, total variation {s:g} β": (petite, s) for s in SMOOTHING},
        "random weights": (random_network(), 0.0),
    }
    rows = {"the photographs": measured([content for content, _ in pairs], pairs, exact)}
    for name, (network, smoothing) in networks.items():
        images = [stylised(network, *pair, smoothing) for pair in pairs]
        rows[name] = measured(images, pairs, exact)
        means = {measure: float(np.mean(values)) for measure, values in rows[name].items()}
        print(name, {measure: f"{mean:.4g}" for measure, mean in means.items()}, flush=True)
    return {"settings": settings(), "rows": rows}


def settings() -> dict:
    """What the record was made with."""
    weights = (WEIGHTS_FOLDER / "petite.safetensors").read_bytes()
    return {
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "contents": list(CONTENTS),
        "styles": list(STYLES),
        "size": SIZE,
        "steps": STEPS,
        "style_strength": STYLE_STRENGTH,
        "fine": list(FINE),
    }


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--exact", required=True, help="'vgg19' or a file, to relu3_1 at least")
    parser.add_argument("--pictures", type=Path, action="append", required=True, help="a folder")
    parser.add_argument("--out", type=Path, default=RECORD)
    arguments = parser.parse_args()
    found = record(arguments.exact, arguments.pictures)
    arguments.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
