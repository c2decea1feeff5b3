"""Is a Gram matrix a fingerprint of a style? Chapter 4's question, asked of trained classifiers.

    python tools/fingerprint.py --squeezenet FILE --vgg19 FILE [--out FOLDER]

Each of the bundled style pictures is cut into a left and a right half. How near is the style of a
left half to that of every right half? The chapter asks `petite`, which was trained with a term for
Gram matrices. This script asks two networks that were trained to classify photographs and for
nothing else: SqueezeNet 1.1 and VGG-19. Their weights are read from files (`.safetensors` or
`.pth`, torchvision's key names; VGG-19 as deep as the file goes) and never committed; a record of
numbers (`04_fingerprint.json`) and a figure (`04_fingerprint.png`) are.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from reconstructions import FOLDER, sha256
from teachers import load_teacher
from torch import Tensor

from nst_teach import gram_matrix, load_image, load_network, plots, samples, style_loss
from nst_teach.networks import SQUEEZENET_STYLE_WEIGHTS, WEIGHTS_FOLDER

NAME = "04_fingerprint"
SIZE = 160  # pixels: the side of the square that is cut in two, as in the chapter
STYLES = samples.names("style")

Network = Callable[[Tensor, Sequence[str]], dict[str, Tensor]]
Grams = dict[str, Tensor]


def halves(name: str) -> tuple[Tensor, Tensor]:
    """The left and the right half of a style picture."""
    image = load_image(name, size=(SIZE, SIZE))
    return image[..., : SIZE // 2], image[..., SIZE // 2 :]


@torch.no_grad()
def grams(network: Network, layers: Sequence[str], image: Tensor) -> Grams:
    """The Gram matrix of each layer."""
    return {layer: gram_matrix(f) for layer, f in network(image, layers).items()}


def gap(one: Grams, other: Grams) -> float:
    """Σ √E over the layers; without the root, the layer of the largest E would decide alone."""
    return sum(style_loss(one[layer], other[layer]).sqrt() for layer in one).item()


def gaps(network: Network, layers: Sequence[str]) -> Tensor:
    """How far each left half (rows) is from each right half (columns)."""
    pairs = [[grams(network, layers, half) for half in halves(name)] for name in STYLES]
    return torch.tensor([[gap(left, right) for _, right in pairs] for left, _ in pairs])


def own_half(table: Tensor) -> int:
    """How many left halves are nearest to their own right half."""
    return int((table.argmin(1) == torch.arange(len(table))).sum())


def entry(title: str, network: Network, layers: Sequence[str], weights: Path) -> dict:
    """One network's part of the record: its card and its numbers."""
    table = gaps(network, layers)
    return {
        "network": title,
        "layers": list(layers),
        "weights_sha256": sha256(weights),
        "own_half": own_half(table),
        "nearest": [STYLES[i] for i in table.argmin(1).tolist()],
        "gaps": [[float(f"{value:.5g}") for value in row] for row in table.tolist()],
    }


def entries(squeezenet: Path, vgg19: Path) -> list[dict]:
    """The two classifiers, and `petite` beside them."""
    petite = load_network("petite")
    weights = WEIGHTS_FOLDER / "petite.safetensors"
    squeeze = load_network("squeezenet1_1", weights=squeezenet)
    vgg = load_teacher(str(vgg19))
    return [
        entry("SqueezeNet 1.1", squeeze, tuple(SQUEEZENET_STYLE_WEIGHTS), squeezenet),
        entry("VGG-19", vgg, vgg.taps, vgg19),
        entry("petite", petite, petite.style_layers, weights),
    ]


def draw(found: list[dict]) -> Figure:
    """A table of nearness for each classifier; a dot marks the nearest right half."""
    figure, axes = plt.subplots(1, len(found), figsize=(8.4, 4.3), dpi=110, layout="constrained")
    places = range(len(STYLES))
    for axis, network in zip(axes, found, strict=True):
        table = torch.tensor(network["gaps"])
        axis.imshow(-table.log(), cmap=plots.FEATURE_MAP)
        axis.plot(table.argmin(1), places, "o", color="white", mec="black")
        axis.set_title(f"{network['network']}: {network['own_half']} of {len(STYLES)}", fontsize=10)
        axis.set_xticks(places, STYLES, rotation=60, ha="right", fontsize=8)
        axis.set_yticks(places, STYLES, fontsize=8)
        axis.set_xlabel("right half", fontsize=9)
    axes[0].set_ylabel("left half", fontsize=9)
    axes[1].set_yticks(places, [""] * len(STYLES))
    plt.close(figure)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Make the record and save it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--squeezenet", type=Path, required=True, help="SqueezeNet 1.1's weights")
    parser.add_argument("--vgg19", type=Path, required=True, help="VGG-19's, to relu3_1 at least")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder (default: %(default)s)")
    options = parser.parse_args(arguments)
    found = entries(options.squeezenet, options.vgg19)
    picture, numbers = options.out / f"{NAME}.png", options.out / f"{NAME}.json"
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found[:2]).savefig(picture, metadata={"Software": None})
    record = {
        "settings": {"size": SIZE, "styles": list(STYLES)},
        "networks": found,
        "picture": {"file": picture.name, "sha256": sha256(picture)},
        "made": {
            "on": datetime.now(UTC).date().isoformat(),
            "command": "python tools/fingerprint.py --squeezenet FILE --vgg19 FILE",
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    numbers.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for network in found:
        print(f"{network['network']}: {network['own_half']} of {len(STYLES)}")
    print(picture, numbers, sep="\n")


if __name__ == "__main__":
    main()
