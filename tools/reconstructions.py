"""Rebuild a photograph from single layers until little is left to do: the record of chapter 3.

    python tools/reconstructions.py [--out FOLDER]

The chapter rebuilds a photograph from noise in a few steps. Whether the grain that is left then is
something the layer cannot see, or only something the optimiser has not reached, takes many more
steps to say, and a second start: more than a page should compute. This script takes them. It writes
a record of numbers (`03_reconstructions.json`) and a table of pictures (`03_reconstructions.jpg`).
On two quiet CPU cores it needs some minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import avg_pool2d

from nst_teach import StyleObjective, content_loss, load_image, load_network, optimize, to_pil
from nst_teach.networks import WEIGHTS_FOLDER, FeatureNetwork
from nst_teach.records import Record

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book/images"
NAME = "03_reconstructions"

# The chapter's own settings; a test compares them.
PHOTO, SIZE = "chelsea", 192
NETWORK, OPTIMIZER = "petite", "scipy"
BLUR = 5  # pixels: what this blur takes away is "fine detail"

LAYERS = ("relu3_1", "relu5_1")
SEEDS = (1, 2)  # two noises: where they end apart, the layer has not settled the picture
STEPS = (80, 300, 1000)  # when the run is measured; the last ends it
QUALITY = 88
GAP, LABEL = 6, 30  # pixels between pictures, and for a line of text


# --- measuring -----------------------------------------------------------------------------------


def fine(image: Tensor) -> Tensor:
    """What a small blur takes away."""
    blurred = avg_pool2d(image, BLUR, stride=1, padding=BLUR // 2, count_include_pad=False)
    return image - blurred


def correlation(one: Tensor, other: Tensor) -> float:
    """Of the fine detail of two pictures: 1 for the same, 0 for unrelated."""
    a, b = fine(one).flatten(), fine(other).flatten()
    return (a @ b / (a.norm() * b.norm())).item()


def rms(one: Tensor, other: Tensor) -> float:
    """Root mean squared difference of two pictures."""
    return (one - other).square().mean().sqrt().item()


# --- rebuilding ----------------------------------------------------------------------------------


def noise_like(photo: Tensor, seed: int) -> Tensor:
    """White noise of the photograph's shape."""
    return torch.rand(photo.shape, generator=torch.Generator().manual_seed(seed))


def empty_loss(network: FeatureNetwork, photo: Tensor, layer: str) -> float:
    """½ Σ P², the content loss of features that are all zero: the unit of every loss here."""
    target = network(photo, layer)[layer]
    return content_loss(target, torch.zeros_like(target)).item()


def rebuild(
    network: FeatureNetwork, photo: Tensor, layer: str, seed: int, steps: tuple[int, ...] = STEPS
) -> dict[int, tuple[float, Tensor]]:
    """`{step: (relative content loss, image)}` at the steps asked for."""
    unit = empty_loss(network, photo, layer)
    goal = StyleObjective(photo, photo, network, content_layers=layer, style_layers=())
    seen: dict[int, tuple[float, Tensor]] = {}

    def keep(record: Record, image: Tensor) -> None:
        if record.step in steps:  # a step's last evaluation is the picture that it reached
            seen[record.step] = (record.content[layer] / unit, image.detach().clone())

    start = noise_like(photo, seed)
    optimize(goal, start, optimizer=OPTIMIZER, steps=max(steps), callback=keep)
    return seen


def measured(loss: float, image: Tensor, photo: Tensor, seed: int) -> dict[str, float]:
    """The numbers of one picture, rounded to four significant digits."""
    numbers = {
        "content_loss": loss,
        "pixel_error": rms(image, photo),
        "detail_like_photo": correlation(image, photo),
        "detail_like_start": correlation(image, noise_like(photo, seed)),
    }
    return {name: float(f"{value:.4g}") for name, value in numbers.items()}


def plan() -> Iterator[tuple[str, int]]:
    """Every run: its layer, and the seed of its noise."""
    return itertools.product(LAYERS, SEEDS)


def settings() -> dict:
    """What the record was made with."""
    return {
        "network": NETWORK,
        "weights_sha256": sha256(WEIGHTS_FOLDER / f"{NETWORK}.safetensors"),
        "photo": PHOTO,
        "size": SIZE,
        "optimizer": OPTIMIZER,
        "blur": BLUR,
        "steps": list(STEPS),
        "runs": [list(run) for run in plan()],
    }


def sha256(path: Path) -> str:
    """The fingerprint of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the record ----------------------------------------------------------------------------------


def report(photo: Tensor, runs: dict) -> dict:
    """The numbers of all runs, and how alike the two starts of a layer end."""
    rows = [
        {"layer": layer, "seed": seed, "step": step} | measured(*found, photo, seed)
        for (layer, seed), seen in runs.items()
        for step, found in sorted(seen.items())
    ]
    pairs = [
        {"layer": layer, "step": step} | between(*(runs[layer, s][step][1] for s in SEEDS))
        for layer in LAYERS
        for step in STEPS
    ]
    return {"settings": settings(), "pictures": rows, "two_starts": pairs}


def between(one: Tensor, other: Tensor) -> dict[str, float]:
    """How far apart two rebuilt pictures are."""
    return {
        "pixels_apart": float(f"{rms(one, other):.4g}"),
        "detail_alike": float(f"{correlation(one, other):.4g}"),
    }


def table(runs: dict) -> tuple[list[str], list[list[Image.Image]]]:
    """Titles of the columns, and the pictures, a row a layer."""
    last = max(STEPS)
    titles = [f"{step} steps" for step in STEPS] + [f"{last}, other noise"]
    rows = []
    for layer in LAYERS:
        row = [runs[layer, SEEDS[0]][step][1] for step in STEPS]
        rows.append([to_pil(image) for image in (*row, runs[layer, SEEDS[1]][last][1])])
    return titles, rows


def sheet(titles: list[str], rows: list[list[Image.Image]]) -> Image.Image:
    """The table as one picture on white, with a title above each column and a label at each row."""
    width, height = rows[0][0].size
    left = 3 * LABEL
    page = Image.new(
        "RGB",
        (left + len(titles) * (width + GAP), LABEL + len(rows) * (height + GAP)),
        "white",
    )
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(21)
    for column, title in enumerate(titles):
        middle = left + column * (width + GAP) + width // 2
        draw.text((middle, LABEL // 2), title, "black", font, anchor="mm")
    for number, (layer, row) in enumerate(zip(LAYERS, rows, strict=True)):
        top = LABEL + number * (height + GAP)
        draw.text((left // 2, top + height // 2), layer, "black", font, anchor="mm")
        for column, image in enumerate(row):
            page.paste(image, (left + column * (width + GAP), top))
    return page


def main(arguments: list[str] | None = None) -> None:
    """Make the record and save it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder (default: %(default)s)")
    out = parser.parse_args(arguments).out
    network, photo = load_network(NETWORK), load_image(PHOTO, size=SIZE)
    runs = {}
    for layer, seed in plan():
        runs[layer, seed] = rebuild(network, photo, layer, seed)
        print(f"{layer}, seed {seed}: {runs[layer, seed][max(STEPS)][0]:.6f}", flush=True)
    record = report(photo, runs)
    picture, numbers = out / f"{NAME}.jpg", out / f"{NAME}.json"
    out.mkdir(parents=True, exist_ok=True)
    sheet(*table(runs)).save(picture, quality=QUALITY)
    record["picture"] = {"file": picture.name, "sha256": sha256(picture)}
    record["made"] = {
        "on": datetime.now(UTC).date().isoformat(),
        "command": "python tools/reconstructions.py",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    numbers.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(picture, numbers, sep="\n")


if __name__ == "__main__":
    main()
