"""Train a fast network: any photograph, a single pass, for one style or for several.

    python tools/train_fast.py --style night_swirls --out runs/night_swirls
    python tools/train_fast.py --style night_swirls --pictures FOLDER --out runs/night_swirls
    python tools/train_fast.py --style night_swirls --style dots --name two --out runs/two

The photographs are those of the package, except the held-out ones, and those of any `--pictures`
folders. Crops of them, at several sizes, mirrored, brighter or paler, are repainted by the network;
the bundled `petite` computes the features of the output, and `nst_teach.feedforward.training_loss`
the loss. There are no examples of finished pictures. Several styles make a `ConditionalNetwork`; a
batch is painted in one style, and the styles take turns.

The run is seeded, logged (`log.jsonl`) and written to `checkpoint.pt` as it goes; the same command
resumes from there. At the end, `fast_NAME.safetensors` (half precision) and `fast_NAME.json` (the
recipe) are ready to be copied into `nst_teach/weights`; NAME is by default the style.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from pathlib import Path

import numpy as np
import torch
from reconstructions import sha256
from safetensors.torch import save_file
from torch import Tensor
from train_petite import learning_rate, log

from nst_teach import load_image, load_network, samples, save_image
from nst_teach.feedforward import (
    BLOCKS,
    PREFIX,
    WIDTHS,
    ConditionalNetwork,
    FastNetwork,
    load_fast,
    training_loss,
)
from nst_teach.losses import gram_of
from nst_teach.objective import STYLE_STRENGTH

CROP = 96  # pixels: relu5_1 still has 6×6 positions
BATCH = 4  # Johnson et al. (2016)
SIZES = (144, 192, 256, 336)  # longer sides at which each photograph is seen
STYLE_SIZE = 256  # longer side: brush strokes have the size they have in the chapters
HELD_OUT = ("chelsea", "motorcycle")  # what chapter 11 repaints
# A network that learns the style first paints the same pattern over every photograph, and unlearns
# it slowly. The weight of the style therefore begins at 1 % and reaches its full value half-way. A
# run that begins with a trained network has the full weight throughout.
FIRST_STRENGTH, STRENGTH_RISE = 0.01, 0.5
BETAS = (0.9, 0.98)  # Adam forgets large early gradients sooner than by default
WINDOW = 100  # steps over which the log averages
SAVE_EVERY = 250
PREVIEW_SIZE = 192


# --- photographs ---------------------------------------------------------------------------------


def find_photos(folders: list[Path], exclude: list[str]) -> dict[str, str | Path]:
    """`{name: source for load_image}`: the package's photographs and every file of the folders."""
    own = {n: n for kind in ("photo", "texture") for n in samples.names(kind)}
    files = sorted(
        p for f in folders for p in f.rglob("*") if p.suffix in (".png", ".jpg", ".jpeg")
    )
    photos = own | {path.stem: path for path in files}
    return {name: source for name, source in photos.items() if name not in exclude}


def pyramid(source: str | Path) -> list[Tensor]:
    """A photograph `(3, H, W)` at each of `SIZES` at which a crop fits in."""
    levels = [load_image(source, size=size)[0] for size in SIZES]
    return [x for x in levels if min(x.shape[-2:]) >= CROP]


def random_crop(pyramids: list[list[Tensor]], rng: np.random.Generator) -> Tensor:
    levels = pyramids[rng.integers(len(pyramids))]
    picture = levels[rng.integers(len(levels))]
    top, left = (rng.integers(side - CROP + 1) for side in picture.shape[-2:])
    crop = picture[:, top : top + CROP, left : left + CROP]
    return crop.flip(-1) if rng.random() < 0.5 else crop


def random_batch(pyramids: list[list[Tensor]], rng: np.random.Generator) -> Tensor:
    """`(BATCH, 3, CROP, CROP)` in [0, 1], with light, contrast and colour varied."""
    x = torch.stack([random_crop(pyramids, rng) for _ in range(BATCH)])

    def normal(centre: float, spread: float, channels: int = 1) -> Tensor:
        return torch.from_numpy(rng.normal(centre, spread, (BATCH, channels, 1, 1))).float()

    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * normal(1.0, 0.25)
    x = (x - 0.5) * normal(1.0, 0.2) + 0.5 + normal(0.0, 0.08) + normal(0.0, 0.03, 3)
    return x.clamp(0, 1)


# --- the run -------------------------------------------------------------------------------------


def style_strength(full: float, step: int, steps: int) -> float:
    """From `FIRST_STRENGTH` of its full value, rising by equal factors."""
    progress = min(1.0, step / (STRENGTH_RISE * steps))
    return full * FIRST_STRENGTH ** (1 - progress)


def new_student(styles: list[str], start: Path | None) -> FastNetwork | ConditionalNetwork:
    """A network for one style or several; `start` is a fast network that each style begins as."""
    single = FastNetwork() if start is None else load_fast("start", weights=start)
    single.requires_grad_(True).train()
    if len(styles) == 1:
        return single
    student = ConditionalNetwork(styles)
    if start is not None:
        student.begin_with(single)
    return student


class Run:
    """The training run, with everything that a checkpoint restores."""

    def __init__(self, arguments: argparse.Namespace):
        torch.manual_seed(arguments.seed)
        torch.set_flush_denormal(True)
        self.arguments, self.step, self.skipped = arguments, 0, 0
        self.rng = np.random.default_rng(arguments.seed)
        photos = find_photos(arguments.pictures, arguments.exclude)
        self.names = list(photos)
        self.pyramids = [levels for levels in map(pyramid, photos.values()) if levels]
        self.judge = load_network(arguments.network, weights=arguments.weights)
        self.goals = {style: self.goal_of(style) for style in arguments.style}
        self.student = new_student(arguments.style, arguments.start)
        self.optimizer = torch.optim.Adam(self.student.parameters(), lr=1.0, betas=BETAS)

    def goal_of(self, style: str) -> dict[str, Tensor]:
        """The Gram matrices of a style."""
        features = self.judge(load_image(style, size=STYLE_SIZE), self.judge.style_layers)
        return gram_of(features)

    def paint(self, photos: Tensor, style: str) -> Tensor:
        """The photographs in a style, which a network for one style need not be told."""
        several = isinstance(self.student, ConditionalNetwork)
        painted: Tensor = self.student(photos, style) if several else self.student(photos)
        return painted

    def strength(self) -> float:
        """The weight of the style at this step."""
        full = self.arguments.strength
        if self.arguments.start is not None:
            return full
        return style_strength(full, self.step, self.arguments.steps)

    def learn(self) -> float:
        """One step; returns the loss."""
        arguments = self.arguments
        style = arguments.style[self.step % len(arguments.style)]
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(arguments.lr, self.step, arguments.steps)
        photos = random_batch(self.pyramids, self.rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bfloat16):
            painted = self.paint(photos, style)
        loss = training_loss(
            painted.float(),
            photos,
            self.judge,
            self.goals[style],
            strength=self.strength(),
            smoothness=arguments.smoothness,
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        # Of a crop without any contrast, normalisation makes enormous gradients. One that is not
        # finite would spoil all weights for good.
        if all(p.grad is None or p.grad.isfinite().all() for p in self.student.parameters()):
            self.optimizer.step()
        else:
            self.skipped += 1
        self.step += 1
        return loss.item()

    def save(self) -> None:
        torch.save(
            {
                "student": self.student.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "rng": json.dumps(self.rng.bit_generator.state),
                "step": self.step,
                "skipped": self.skipped,
            },
            self.arguments.out / "checkpoint.pt",
        )
        self.preview()

    def resume(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.student.load_state_dict(state["student"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.step, self.skipped = state["step"], state.get("skipped", 0)

    @torch.no_grad()
    def preview(self) -> None:
        """The held-out photographs, as the network currently repaints them, styles side by side."""
        for name in self.arguments.exclude:
            if name in samples.names():
                photo = load_image(name, size=PREVIEW_SIZE)
                painted = torch.cat([self.paint(photo, s) for s in self.arguments.style], dim=3)
                save_image(painted, self.arguments.out / f"{name}-{self.step:05}.png")

    def export(self) -> None:
        """Weights in half precision, and the recipe that made them."""
        stem = f"{PREFIX}{self.arguments.name}"
        state = {k: v.half().contiguous() for k, v in self.student.state_dict().items()}
        path = self.arguments.out / f"{stem}.safetensors"
        save_file(state, path)
        card = self.recipe() | {
            "parameters": sum(value.numel() for value in state.values()),
            "bytes": path.stat().st_size,
        }
        text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
        path.with_suffix(".json").write_text(text, encoding="utf-8")

    def recipe(self) -> dict:
        arguments = self.arguments
        styles, start = arguments.style, arguments.start
        return {
            **({"style": styles[0]} if len(styles) == 1 else {"styles": styles}),
            "style_size": STYLE_SIZE,
            "network": self.judge.name,
            "widths": WIDTHS,
            "blocks": BLOCKS,
            "photographs": self.names,
            "held_out": arguments.exclude,
            "photograph_sizes": SIZES,
            "crops": self.step * BATCH,
            "crop_size": CROP,
            "steps": self.step,
            "steps_skipped": self.skipped,
            "strength": arguments.strength,
            "strength_at_first": arguments.strength * (FIRST_STRENGTH if start is None else 1),
            "smoothness": arguments.smoothness,
            "optimizer": f"Adam, rate {arguments.lr} with cosine decay, seed {arguments.seed}",
            "precision": "bfloat16 in the network" if arguments.bfloat16 else "single",
            "started_from": start and {"file": start.name, "sha256": sha256(start)},
            "licence": "MIT",
        }


def train(arguments: argparse.Namespace) -> None:
    arguments.out.mkdir(parents=True, exist_ok=True)
    run, checkpoint = Run(arguments), arguments.out / "checkpoint.pt"
    if checkpoint.exists():
        run.resume(checkpoint)
        print(f"going on from step {run.step}", flush=True)
    started, first, recent = time.monotonic(), run.step, deque(maxlen=WINDOW)
    while run.step < arguments.steps:
        recent.append(run.learn())
        if run.step % WINDOW == 0:
            pace = (time.monotonic() - started) / (run.step - first)
            left = (arguments.steps - run.step) * pace / 60
            log(
                arguments.out / "log.jsonl",
                step=run.step,
                loss=float(np.nanmean(recent)),
                seconds_per_step=pace,
                minutes_left=left,
            )
        if run.step % SAVE_EVERY == 0:
            run.save()
    run.save()
    run.export()


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--style",
        required=True,
        choices=samples.names("style"),
        action="append",
        help="repeat it for a network with several styles",
    )
    parser.add_argument("--name", help="of the files; needed for several styles")
    parser.add_argument(
        "--from", dest="start", type=Path, metavar="FILE", help="begin with a fast network"
    )
    parser.add_argument("--pictures", type=Path, action="append", default=[], help="a folder")
    parser.add_argument(
        "--exclude", action="append", default=list(HELD_OUT), help="a photograph to hold out"
    )
    parser.add_argument("--network", default="petite", help="whose features are compared")
    parser.add_argument("--weights", type=Path, help="of that network; else the bundled ones")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--strength", type=float, default=STYLE_STRENGTH, help="of the style")
    parser.add_argument("--smoothness", type=float, default=0.0, help="of the total variation")
    parser.add_argument("--bfloat16", action="store_true", help="faster on CPUs that have it")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    if arguments.name is None:
        if len(arguments.style) > 1:
            parser.error("several styles need a --name for their files.")
        arguments.name = arguments.style[0]
    return arguments


if __name__ == "__main__":
    train(parse())
