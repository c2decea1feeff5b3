"""Measure the film: motion, occlusions, flicker and style, painted in each way: for chapter 11.

    python tools/film_record.py [--out FOLDER] [--cache FOLDER]

The chapter paints its clip with few steps, along a motion that is known. How well the motion is
estimated from the frames themselves, and what each way of painting gives after many more steps, is
more than a page should compute. This script computes it, with `estimate_flow` and `paint_clip`. The
clip is made by the chapter's own cell, and the known motion is the judge of everything. The script
writes a record of numbers (`film.json`) and a sheet of frames (`film.webp`), from which the chapter
makes its player; they lie in the package, so that the chapter finds them wherever it runs. The
cache keeps finished frames, and the script goes on from them where it was stopped. On one busy CPU
core it needs a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jupytext
import torch
from reconstructions import ROOT, sha256
from torch import Tensor

from nst_teach import StyleObjective, load_image, load_network, motion, to_pil
from nst_teach.clips import Clip
from nst_teach.feedforward import load_fast
from nst_teach.film import paint_clip
from nst_teach.motion import estimate_flow
from nst_teach.networks import WEIGHTS_FOLDER
from nst_teach.video import flicker, motion_boundary, visible, warp

NAME = "film"
FOLDER = WEIGHTS_FOLDER
CHAPTER = ROOT / "book/src/11_fast_and_moving.md"

# The chapter's own settings; a test compares them.
NETWORK, STYLE, STYLE_SIZE = "petite", "stained_glass", 256
STYLE_WEIGHT = 3  # β for each content feature
TEMPORAL = 100  # weight of the temporal loss for each content feature
OPTIMIZER = "scipy"
MOTION_WIDTH, FRAMES = 192, 12  # the motion is measured at the chapter's own size

WIDTH = 128  # and the film is painted at a smaller one
STEPS = (15, 150)  # for each frame; every way is painted with both
FIRST_STEPS = 150  # for the first frame of a way that starts from the previous painting
SHOWN = 150  # the sheet shows the painting after so many
QUALITY = 90  # of the WebP, which has colours at half the resolution: they flicker less, by a third
DISTANCES = (1, FRAMES - 1)  # how many frames apart the motion is estimated
KNOWN = "known"  # the name of the known motion, as a method of `estimate_flow`


@dataclass(frozen=True)
class Way:
    """A way of painting: what `paint_clip` is given, or each frame alone."""

    arguments: dict[str, Any]
    alone: bool = False


WAYS: dict[str, Way] = {
    "own start": Way({"start": "content"}, alone=True),
    "own noise": Way({"start": "noise"}, alone=True),
    "warped start": Way({"temporal": 0}),
    "temporal loss": Way({}),
    "long-term": Way({"long_term": True}),
    "known motion": Way({"motion": KNOWN}),
}
FAST = "fast network"
IN_SHEET = (*(name for name in WAYS if name != "known motion"), FAST)


# --- the clip ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """The chapter's clip: views of one scene from places on a line.

    Attributes:
        frames: images `(1, 3, H, W)`.
        disparities: `(H, W)` for each frame, in pixels: how far what it shows moves to the left
            from the first frame to the last.
    """

    frames: list[Tensor]
    disparities: list[Tensor]

    def flow(self, at: int, to: int) -> Tensor:
        """`(1, 2, H, W)`, from one frame to another."""
        share = (at - to) / (len(self.frames) - 1)
        distance = share * self.disparities[at]
        return torch.stack([distance, torch.zeros_like(distance)])[None]

    def hidden(self, at: int, to: int) -> Tensor:
        """`(H, W)`: whether a pixel of the frame `at` is hidden or outside in the frame `to`."""
        flow = self.flow(at, to)
        found = warp(self.disparities[to][None, None], flow)[0, 0]
        column = torch.arange(flow.shape[-1]) + flow[0, 0]
        outside = (column < 0) | (column > flow.shape[-1] - 1)
        return ((found - self.disparities[at]).abs() >= 1) | outside


@cache
def known(width: int) -> Known:
    """The chapter's clip at a width, made by its own cell."""
    cells = jupytext.reads(CHAPTER.read_text(encoding="utf-8"), fmt="md:myst").cells
    source = next(cell.source for cell in cells if "def view_from" in cell.source)
    source, found = re.subn(r"FRAMES, WIDTH = .*", f"FRAMES, WIDTH = {FRAMES}, {width}", source)
    if found != 1:
        raise LookupError(f"{CHAPTER.name}: the cell with view_from no longer sets FRAMES, WIDTH.")
    tested = source.index("\nprint(")  # what follows tests the chapter's clip
    space: dict[str, Any] = {}
    exec(
        "import torch\nimport torch.nn.functional as functional\n"
        "from nst_teach import load_image, resize\n" + source[:tested],
        space,
    )
    return Known(space["frames"], space["disparities"])


def pairs(count: int = FRAMES) -> Iterator[tuple[int, int]]:
    """Each frame but the first, and the previous one."""
    return ((at, at - 1) for at in range(1, count))


def register(clip: Known) -> None:
    """Make the known motion a method of `estimate_flow`."""

    def number(image: Tensor) -> int:
        return next(n for n, frame in enumerate(clip.frames) if torch.equal(frame, image))

    motion.METHODS[KNOWN] = lambda image, other: clip.flow(number(image), number(other))


# --- the motion ----------------------------------------------------------------------------------


def of_motion(clip: Known, method: str, distance: int) -> dict[str, Any]:
    """End-point error over visible pixels, and how well the tests find the hidden ones."""
    errors, lengths, shares = [], [], []
    hits: dict[str, list[Tensor]] = {"visible": [], "and boundary": []}
    for at in range(distance, len(clip.frames)):
        to = at - distance
        truth, hidden = clip.flow(at, to), clip.hidden(at, to)
        back, forth = (
            estimate_flow(clip.frames[a], clip.frames[b], method=method)
            for a, b in ((at, to), (to, at))
        )
        errors.append((back - truth).norm(dim=1)[0][~hidden])
        lengths.append(truth.norm(dim=1)[0][~hidden])
        shares.append(hidden.float().mean())
        excluded = visible(back, forth)[0, 0] == 0
        both = excluded | (motion_boundary(back)[0, 0] == 1)
        for name, test in (("visible", excluded), ("and boundary", both)):
            counts = [(test & hidden).sum(), hidden.sum(), test.sum(), torch.tensor(test.numel())]
            hits[name].append(torch.stack(counts))
    error = torch.cat(errors)
    return {
        "method": method,
        "distance": distance,
        "moves_by": rounded(torch.cat(lengths).mean()),
        "end_point_error": rounded(error.mean()),
        "median_error": rounded(error.median()),
        "hidden": rounded(torch.stack(shares).mean()),
        "tests": {name: scores(torch.stack(counts).sum(0)) for name, counts in hits.items()},
    }


def scores(counts: Tensor) -> dict[str, float]:
    """From the pixels found rightly, hidden, excluded, and all."""
    right, hidden, excluded, everything = counts.tolist()
    return {
        "excluded": rounded(excluded / everything),
        "recall": rounded(right / max(hidden, 1)),
        "precision": rounded(right / max(excluded, 1)),
    }


# --- the painting --------------------------------------------------------------------------------


def goal_for(frame: Tensor) -> StyleObjective:
    """The chapter's objective."""
    style = load_image(STYLE, size=STYLE_SIZE)
    objective = StyleObjective(frame, style, load_network(NETWORK))
    objective.beta = STYLE_WEIGHT * features_of(objective)
    return objective


def features_of(objective: StyleObjective) -> int:
    """The number of content features."""
    return sum(target.numel() for target in objective.content_targets.values())


def paint(clip: Known, way: Way, steps: int, folder: Path | None = None) -> list[Tensor]:
    """All frames, painted in one way."""
    features = features_of(goal_for(clip.frames[0]))
    arguments: dict[str, Any] = {
        "network": NETWORK,
        "beta": STYLE_WEIGHT * features,
        "temporal": TEMPORAL * features,
        "style_size": STYLE_SIZE,
        "optimizer": OPTIMIZER,
        "steps": steps,
        "progress": False,
    } | way.arguments
    if not way.alone:
        first = max(steps, FIRST_STEPS)
        frames = Clip(clip.frames, 8)
        return list(paint_clip(frames, STYLE, first_steps=first, folder=folder, **arguments))
    return [
        next(
            paint_clip(
                Clip([frame], 8),
                STYLE,
                first_steps=steps,
                seed=number,  # a noise of its own for each frame
                folder=folder and folder / f"{number:02}",
                **arguments,
            )
        )
        for number, frame in enumerate(clip.frames)
    ]


def of_painting(clip: Known, painted: Sequence[Tensor]) -> dict[str, float]:
    """Flicker along the known motion, and the losses left, all but that of the first frame."""
    flows = [clip.flow(at, to) for at, to in pairs(len(painted))]
    masks = [visible(clip.flow(at, to), clip.flow(to, at)) for at, to in pairs(len(painted))]
    style, total = [], []
    for frame, image in list(zip(clip.frames, painted, strict=True))[1:]:
        goal = goal_for(frame)
        with torch.no_grad():
            losses = goal(image)
        style.append(sum(losses.style.values()) / len(losses.style))
        total.append(losses.total / features_of(goal))
    return {
        "flicker": rounded(flicker(painted, flows, masks).mean()),
        "style_loss": rounded(torch.stack(style).mean()),
        "loss": rounded(torch.stack(total).mean()),  # for each content feature
    }


def by_the_fast_network(clip: Known) -> list[Tensor]:
    """All frames, each in a single pass."""
    fast = load_fast(STYLE)
    with torch.no_grad():
        return [load_image(to_pil(fast(frame))) for frame in clip.frames]


# --- the sheet of frames -------------------------------------------------------------------------


def save_sheet(clips: Iterable[Sequence[Tensor]], path: Path) -> None:
    """Save clips side by side, each with its frames one below the other.

    A JPEG of the same size would add flicker of its own, several times that of the photos.
    """
    sheet = torch.cat([torch.cat(list(frames), dim=2) for frames in clips], dim=3)
    to_pil(sheet).save(path, quality=QUALITY, method=6, use_sharp_yuv=True)


def load_sheet(path: Path, names: Sequence[str], count: int = FRAMES) -> dict[str, list[Tensor]]:
    """The frames of each clip of a sheet."""
    columns = load_image(path).chunk(len(names), dim=3)
    return {name: list(c.chunk(count, dim=2)) for name, c in zip(names, columns, strict=True)}


# --- the record ----------------------------------------------------------------------------------


def settings() -> dict:
    """What the record was made with."""
    return {
        "network": NETWORK,
        "weights_sha256": sha256(WEIGHTS_FOLDER / f"{NETWORK}.safetensors"),
        "fast_sha256": sha256(WEIGHTS_FOLDER / f"fast_{STYLE}.safetensors"),
        "style": STYLE,
        "style_size": STYLE_SIZE,
        "style_weight": STYLE_WEIGHT,
        "temporal": TEMPORAL,
        "optimizer": OPTIMIZER,
        "frames": FRAMES,
        "motion_width": MOTION_WIDTH,
        "width": WIDTH,
        "steps": list(STEPS),
        "first_steps": FIRST_STEPS,
        "ways": [*WAYS, FAST],
        "shown": SHOWN,
        "in_sheet": list(IN_SHEET),
    }


def rounded(value: Tensor | float) -> float:
    """Four significant digits."""
    return float(f"{float(value):.4g}")


def row(clip: Known, name: str, steps: int, painted: Sequence[Tensor], unit: float) -> dict:
    """One line of the record; flicker in units of the photos'."""
    found = of_painting(clip, painted)
    found["flicker"] = rounded(found["flicker"] / unit)
    return {"way": name, "steps": steps, **found}


def main(arguments: list[str] | None = None) -> None:
    """Make the record and save it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder (default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/film"), help="%(default)s")
    asked = parser.parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    asked.cache.mkdir(parents=True, exist_ok=True)
    large, clip = known(MOTION_WIDTH), known(WIDTH)
    motions = []
    for method in (KNOWN, "tvl1"):
        register(large)
        for distance in DISTANCES:
            motions.append(of_motion(large, method, distance))
            print(motions[-1], flush=True)

    register(clip)
    unit = of_painting(clip, clip.frames)["flicker"]
    rows, shown = [], {}
    for steps in STEPS:
        for name, way in WAYS.items():
            folder = asked.cache / f"{name} {steps}".replace(" ", "-")
            if way.alone:
                folder.mkdir(exist_ok=True)
            painted = paint(clip, way, steps, folder)
            rows.append(row(clip, name, steps, painted, unit))
            print(rows[-1], flush=True)
            if steps == SHOWN:
                shown[name] = painted
    shown[FAST] = by_the_fast_network(clip)
    rows.append(row(clip, FAST, 0, shown[FAST], unit))
    print(rows[-1], flush=True)

    sheet, numbers = asked.out / f"{NAME}.webp", asked.out / f"{NAME}.json"
    save_sheet([shown[name] for name in IN_SHEET], sheet)
    record = {
        "settings": settings(),
        "motion": motions,
        "photos_flicker": unit,
        "ways": rows,
        "sheet": {"file": sheet.name, "sha256": sha256(sheet)},
        "made": {
            "on": datetime.now(UTC).date().isoformat(),
            "command": "python tools/film_record.py",
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    numbers.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(sheet, numbers, sep="\n")


if __name__ == "__main__":
    main()
