"""Follow the same objective from four starts until little is left to do: the record of chapter 5.

    python tools/four_starts.py [--out FOLDER]

The chapter compares the four starts after a few steps. How much of what keeps the results apart
then is only a matter of time takes many more steps to say: more than a page should compute. This
script takes them. It writes a record of numbers (`05_four_starts.json`) and a table of pictures
(`05_four_starts.jpg`). On two quiet CPU cores it needs some minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
from datetime import UTC, datetime
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from reconstructions import rms, sha256
from torch import Tensor

from nst_teach import StyleObjective, load_image, load_network, optimize, to_pil
from nst_teach.networks import WEIGHTS_FOLDER
from nst_teach.records import Record
from nst_teach.starts import STARTS

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book/images"
NAME = "05_four_starts"

# The chapter's own settings; the objective is the package's, with its own β.
CONTENT, STYLE, SIZE = "chelsea", "composition", 144
NETWORK, OPTIMIZER, SEED = "petite", "scipy", 0

STEPS = (36, 400, 1000)  # when a run is measured; the last ends it
REFERENCE = "content"  # the start that the others are compared with
QUALITY = 88
GAP, LABEL = 6, 30  # pixels between pictures, and for a line of text

Run = dict[int, tuple[float, Tensor]]
"""For each step asked for, the total loss and the picture."""


def objective() -> StyleObjective:
    """The chapter's objective, at the middle of its scale."""
    content, style = (load_image(name, size=SIZE) for name in (CONTENT, STYLE))
    return StyleObjective(content, style, load_network(NETWORK))


def follow(goal: StyleObjective, start: str, steps: tuple[int, ...] = STEPS) -> Run:
    """Run from one start, and keep what the steps asked for have reached."""
    seen: Run = {}

    def keep(record: Record, image: Tensor) -> None:
        if record.step in steps:  # a step's last evaluation is the picture that it reached
            seen[record.step] = (record.total, image.detach().clone())

    optimize(goal, start, optimizer=OPTIMIZER, steps=max(steps), seed=SEED, callback=keep)
    return seen


def settings() -> dict:
    """What the record was made with."""
    return {
        "network": NETWORK,
        "weights_sha256": sha256(WEIGHTS_FOLDER / f"{NETWORK}.safetensors"),
        "content": CONTENT,
        "style": STYLE,
        "size": SIZE,
        "optimizer": OPTIMIZER,
        "seed": SEED,
        "steps": list(STEPS),
        "starts": list(STARTS),
    }


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def rows(runs: dict[str, Run]) -> list[dict]:
    """For each start and step the loss, and how far loss and picture are from the reference's."""
    found = []
    for start, run in runs.items():
        for step, (loss, image) in sorted(run.items()):
            reference, other = runs[REFERENCE][step]
            found.append(
                {
                    "start": start,
                    "step": step,
                    "loss": rounded(loss),
                    "above_reference": rounded(loss / reference - 1),
                    "pixels_apart": rounded(rms(image, other)),
                }
            )
    return found


def sheet(runs: dict[str, Run]) -> Image.Image:
    """The pictures on white: a row a start, a column a number of steps."""
    width, height = to_pil(runs[REFERENCE][STEPS[0]][1]).size
    left = 3 * LABEL
    size = (left + len(STEPS) * (width + GAP), LABEL + len(runs) * (height + GAP))
    page = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(17)
    for column, step in enumerate(STEPS):
        middle = left + column * (width + GAP) + width // 2
        draw.text((middle, LABEL // 2), f"{step} steps", "black", font, anchor="mm")
    for row, (start, run) in enumerate(runs.items()):
        top = LABEL + row * (height + GAP)
        draw.text((left // 2, top + height // 2), start, "black", font, anchor="mm")
        for column, step in enumerate(STEPS):
            page.paste(to_pil(run[step][1]), (left + column * (width + GAP), top))
    return page


def main(arguments: list[str] | None = None) -> None:
    """Make the record and save it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder (default: %(default)s)")
    out = parser.parse_args(arguments).out
    goal, runs = objective(), {}
    for start in STARTS:
        runs[start] = follow(goal, start)
        print(start, {step: round(loss) for step, (loss, _) in runs[start].items()}, flush=True)
    picture, numbers = out / f"{NAME}.jpg", out / f"{NAME}.json"
    out.mkdir(parents=True, exist_ok=True)
    sheet(runs).save(picture, quality=QUALITY)
    record = {
        "settings": settings(),
        "beta": goal.beta,
        "runs": rows(runs),
        "picture": {"file": picture.name, "sha256": sha256(picture)},
        "made": {
            "on": datetime.now(UTC).date().isoformat(),
            "command": "python tools/four_starts.py",
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    numbers.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(picture, numbers, sep="\n")


if __name__ == "__main__":
    main()
