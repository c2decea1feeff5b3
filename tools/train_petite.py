"""Train `petite`, the bundled network, to predict the features of VGG-19.

    python tools/train_petite.py --pictures FOLDER --teacher FILE_OR_vgg19 --out runs/petite

A student with the topology of VGG-16 is trained on small crops of photographs and paintings. From
its features at relu1_1 … relu5_1, linear heads predict the teacher's features at the same layers.
The loss is the squared error divided by the teacher's variance, plus a relative Gram distance,
because the network is used for Gram matrices. The heads are discarded afterwards. Batch norm is
used during the training and then folded into the convolutions. Finally each filter is rescaled to a
mean activation of 1 over natural images, as in Gatys et al. (2016, section 3), which is exact in a
ReLU network.

The run is seeded, logged (`log.jsonl`) and written to `checkpoint.pt` as it goes; the same command
resumes from there. Several `--pictures` and `--teacher` may be given: the first teacher that has a
layer teaches it.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import deque
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from safetensors.torch import save_file
from teachers import IMAGENET_MEAN, IMAGENET_STD, TAP_WIDTHS, TAPS, load_teacher, teach
from torch import Tensor, nn

from nst_teach.networks import PETITE_PLAN

CROP = 96  # pixels: relu5_1 still has 6×6 positions
BATCH = 16
SCALES = (1.0, 0.7, 0.5, 0.35)  # each picture is seen at several sizes
GRAM_WEIGHT = 0.3
WARM_UP = 0.02  # share of the steps in which the learning rate rises
HEAD_STRIDE = {
    "relu1_1": 3,
    "relu2_1": 3,
    "relu3_1": 2,
}  # neighbouring positions are nearly equal there
REPLAY = 3  # each taught batch is learnt from this often: teachers cost more than the student
REPLAY_POOL = 96  # batches, so that a repetition comes much later
RARE = 0.25  # of the layer's median: filters with a smaller mean are not scaled up further
CALIBRATION_SCALE = 1  # index into SCALES: whole pictures, as they are
CHANNELS_LAST = torch.channels_last


class Student(nn.Module):
    """The convolutions of `petite` with batch norm and average pooling, for training only."""

    def __init__(self):
        super().__init__()
        self.convolutions, self.norms = nn.ModuleDict(), nn.ModuleDict()
        channels = 3
        for block, widths in enumerate(PETITE_PLAN, start=1):
            for position, width in enumerate(widths, start=1):
                name = f"{block}_{position}"
                self.convolutions[name] = nn.Conv2d(channels, width, 3, padding=1, bias=False)
                nn.init.kaiming_normal_(self.convolutions[name].weight)
                self.norms[name] = nn.BatchNorm2d(width)
                channels = width

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x, features = standardise(image), {}
        for name, convolution in self.convolutions.items():
            if name.endswith("_1") and name != "1_1":
                x = F.avg_pool2d(x, 2)
            x = F.relu(self.norms[name](convolution(x)))
            if f"relu{name}" in TAPS:
                features[f"relu{name}"] = x
        return features


def standardise(image: Tensor) -> Tensor:
    mean, std = (image.new_tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (image - mean) / std


def make_heads() -> nn.ModuleDict:
    widths = {f"relu{b}_1": plan[0] for b, plan in enumerate(PETITE_PLAN, start=1)}
    return nn.ModuleDict({tap: nn.Conv2d(widths[tap], TAP_WIDTHS[tap], 1) for tap in TAPS})


# --- pictures ----------------------------------------------------------------------------------


def find_pictures(folders: list[Path], exclude: list[str]) -> list[Path]:
    """Every picture file of the folders, except those with an excluded stem."""
    paths = sorted(
        p for f in folders for p in f.rglob("*") if p.suffix in (".png", ".jpg", ".jpeg")
    )
    paths = [p for p in paths if p.stem not in exclude]
    if not paths:
        raise SystemExit(f"no .png or .jpg in {', '.join(map(str, folders))}")
    return paths


def pyramid(path: Path) -> list[np.ndarray]:
    """A picture at each of `SCALES`, as uint8 (H, W, 3)."""
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    sizes = [tuple(round(side * s) for side in picture.size) for s in SCALES]
    return [
        np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
        for size in sizes
        if min(size) >= CROP
    ] or [np.asarray(ImageOps.fit(picture, (CROP, CROP)))]


def random_crop(pictures: list[list[np.ndarray]], rng: np.random.Generator) -> np.ndarray:
    levels = pictures[rng.integers(len(pictures))]
    picture = levels[rng.integers(len(levels))]
    top, left = (rng.integers(side - CROP + 1) for side in picture.shape[:2])
    crop = picture[top : top + CROP, left : left + CROP]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    return np.rot90(crop, rng.integers(4)) if rng.random() < 0.25 else crop


def random_batch(pictures: list[list[np.ndarray]], rng: np.random.Generator) -> Tensor:
    """`(BATCH, 3, CROP, CROP)` in [0, 1], with light, colour, noise and blends varied."""
    crops = np.stack([random_crop(pictures, rng) for _ in range(BATCH)])
    x = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    x = vary_colour(x, rng)
    for i in range(BATCH):
        chance = rng.random()
        if chance < 0.12:
            x[i] += torch.from_numpy(rng.normal(0, rng.random() * 0.15, x[i].shape)).float()
        elif chance < 0.2:
            x[i] = torch.lerp(x[i], x[i - 1], rng.random() * 0.5)
    return x.clamp(0, 1).contiguous(memory_format=CHANNELS_LAST)


def natural(pictures: list[list[np.ndarray]]) -> list[Tensor]:
    """Whole pictures without augmentation, on which mean activations are measured."""
    chosen = [levels[min(CALIBRATION_SCALE, len(levels) - 1)] for levels in pictures]
    return [torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() / 255 for p in chosen]


def vary_colour(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Saturation, gain and offset of 6 crops in 10; this keeps a small set of pictures varied."""
    chosen = torch.from_numpy(rng.random((BATCH, 1, 1, 1)) < 0.6)

    def normal(spread: float, channels: int) -> Tensor:
        return torch.from_numpy(rng.normal(0, spread, (BATCH, channels, 1, 1))).float()

    grey = x.mean(1, keepdim=True)
    varied = grey + (x - grey) * (1 + normal(0.4, 1))
    varied = (varied - 0.45) * (1 + normal(0.25, 1) + normal(0.12, 3)) + 0.45
    varied = varied + normal(0.1, 1) + normal(0.04, 3)
    return torch.where(chosen, varied, x)


# --- loss --------------------------------------------------------------------------------------


def thinned(features: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        tap: f[:, :, 1 :: HEAD_STRIDE[tap], 1 :: HEAD_STRIDE[tap]] if tap in HEAD_STRIDE else f
        for tap, f in features.items()
    }


def loss_parts(
    student: Student, heads: nn.ModuleDict, x: Tensor, target: dict[str, Tensor], scale: dict
) -> tuple[Tensor, Tensor]:
    """Squared error times `scale`, and relative Gram distance, each summed over the taps."""
    with torch.autocast(x.device.type, torch.bfloat16):
        features = thinned(student(x))
        predicted = {tap: heads[tap](features[tap]) for tap in target}
    error = sum((predicted[t] - target[t]).float().square().mean() * scale[t] for t in target)
    gram = sum(relative_gram(predicted[t], target[t]) for t in target)
    return error, gram


def gram(features: Tensor) -> Tensor:
    f = features.flatten(2)  # (B, N, M)
    return (f @ f.mT).float() / f.shape[-1]


def relative_gram(predicted: Tensor, target: Tensor) -> Tensor:
    a, b = gram(predicted), gram(target)
    return ((a - b).square().sum((1, 2)) / (b.square().sum((1, 2)) + 1e-2)).mean()


@torch.no_grad()
def start_heads(student: Student, heads: nn.ModuleDict, batches: list[tuple]) -> None:
    """Ridge regression from the student's features to the teacher's: a far better start."""
    for tap in TAPS:
        inputs = [thinned(student(x))[tap].float() for x, _ in batches]
        a = torch.cat([f.permute(0, 2, 3, 1).flatten(0, 2) for f in inputs])
        b = torch.cat([t[tap].float().permute(0, 2, 3, 1).flatten(0, 2) for _, t in batches])
        a = torch.cat([a, torch.ones_like(a[:, :1])], 1)
        normal = a.T @ a / len(a)
        ridge = 1e-3 * normal.diagonal().mean() * torch.eye(len(normal), device=a.device)
        solution = torch.linalg.solve(normal + ridge, a.T @ b / len(a))
        heads[tap].weight.copy_(solution[:-1].T[:, :, None, None])
        heads[tap].bias.copy_(solution[-1])


# --- after training ------------------------------------------------------------------------------


def fold(student: Student) -> dict[str, Tensor]:
    """Weights and biases with the batch norms folded in: the same function, without them."""
    state = {}
    for name, convolution in student.convolutions.items():
        norm = student.norms[name]
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        state[f"conv{name}.weight"] = convolution.weight * gain.view(-1, 1, 1, 1)
        state[f"conv{name}.bias"] = norm.bias - norm.running_mean * gain
    return {k: v.detach().float().cpu().contiguous() for k, v in state.items()}


@torch.no_grad()
def rescale(state: dict[str, Tensor], batches: list[Tensor]) -> dict[str, Tensor]:
    """Give each filter a mean activation of 1; the next layer's weights undo it (ReLU: exact).

    A filter that hardly ever fires is left below 1 (see `RARE`).
    """
    state, x, previous = dict(state), [standardise(b.float().cpu()) for b in batches], None
    for name in [f"{b}_{p}" for b, w in enumerate(PETITE_PLAN, 1) for p in range(1, len(w) + 1)]:
        weight, bias = state[f"conv{name}.weight"], state[f"conv{name}.bias"]
        if previous is not None:
            weight = weight * previous.view(1, -1, 1, 1)
        if name.endswith("_1") and name != "1_1":
            x = [F.avg_pool2d(f, 2) for f in x]
        x = [F.relu(F.conv2d(f, weight, bias, padding=1)) for f in x]
        mean = torch.stack([f.mean((0, 2, 3)) for f in x]).mean(0)
        mean = mean.clamp(
            min=RARE * mean.median()
        )  # otherwise a rare filter would dominate every Gram matrix
        state[f"conv{name}.weight"] = weight / mean.view(-1, 1, 1, 1)
        state[f"conv{name}.bias"] = bias / mean
        x, previous = [f / mean.view(1, -1, 1, 1) for f in x], mean
    return state


def export(student: Student, batches: list[Tensor], folder: Path) -> None:
    """Fold, rescale and write the weights: in half precision for use, in single to compare."""
    state = rescale(fold(student.eval()), batches)
    student.train()
    save_file(state, folder / "petite-single.safetensors")
    half = {name: value.half().contiguous() for name, value in state.items()}
    save_file(half, folder / "petite.safetensors")


def earlier_stages(arguments: argparse.Namespace) -> list[dict]:
    """The recipes of the runs from which this one was started."""
    if not arguments.begin_from:
        return []
    path = arguments.begin_from.with_name("recipe.json")
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def recipe(arguments: argparse.Namespace, names: list[str], step: int) -> dict:
    """The training data of the model card."""
    return {
        "pictures": f"{len(names)}: {', '.join(names)}",
        "teachers": [Path(teacher).stem for teacher in arguments.teacher],
        "crops": step * BATCH,
        "crop_size": f"{CROP} px, from each picture at {len(SCALES)} sizes",
        "steps": f"{step} of {BATCH} crops, each batch used {REPLAY} times on average",
        "loss": f"squared error over variance + {GRAM_WEIGHT} × relative Gram distance"
        + "".join(f", {tap} weighted {w:g}" for tap, w in arguments.weight.items()),
        "optimizer": f"AdamW, rate {arguments.lr} with cosine decay, bf16, seed {arguments.seed}",
    }


# --- the run -------------------------------------------------------------------------------------


def learning_rate(peak: float, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine down to 1 % of the peak."""
    progress = step / steps
    if progress < WARM_UP:
        return peak * max(progress / WARM_UP, 0.01)
    cosine = 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
    return peak * max(cosine, 0.01)


class Run:
    """The training run, with everything that a checkpoint restores."""

    def __init__(self, arguments: argparse.Namespace):
        torch.manual_seed(arguments.seed)
        torch.set_flush_denormal(True)
        self.arguments, self.device = arguments, torch.device(arguments.device)
        self.rng = np.random.default_rng(arguments.seed)
        paths = find_pictures(arguments.pictures, arguments.exclude)
        self.names = [path.stem for path in paths]
        self.pictures = [pyramid(path) for path in paths]
        self.teachers = [
            load_teacher(t).to(self.device, torch.bfloat16, memory_format=CHANNELS_LAST)
            for t in arguments.teacher
        ]
        self.student = Student().to(self.device, memory_format=CHANNELS_LAST)
        self.heads = make_heads().to(self.device)
        self.optimizer = self._optimizer()
        self.step, self.scale = 0, {}
        self.pool: deque[tuple] = deque(maxlen=REPLAY_POOL)
        self.loss_parts = torch.compile(loss_parts) if arguments.compile else loss_parts

    def _optimizer(self) -> torch.optim.Optimizer:
        parameters = [*self.student.parameters(), *self.heads.parameters()]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 1e-3},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.arguments.lr, betas=(0.9, 0.98))

    def taught_batch(self) -> tuple[Tensor, dict[str, Tensor]]:
        x = random_batch(self.pictures, self.rng).to(self.device)
        target = thinned(teach(self.teachers, x.bfloat16()))
        return x, {t: f.contiguous(memory_format=CHANNELS_LAST) for t, f in target.items()}

    def next_batch(self) -> tuple[Tensor, dict[str, Tensor]]:
        if len(self.pool) < 4 or self.step % REPLAY == 0:
            self.pool.append(self.taught_batch())
            return self.pool[-1]
        return self.pool[self.rng.integers(len(self.pool))]

    def prepare(self) -> None:
        """Measure the teacher's variance; settle the batch norms and solve for the heads."""
        batches = [self.taught_batch() for _ in range(8)]
        for tap in TAPS:
            f = torch.cat([t[tap].float() for _, t in batches])
            variance = f.var(dim=(0, 2, 3), unbiased=False).mean().item()
            self.scale[tap] = self.arguments.weight.get(tap, 1.0) / variance
        if self.arguments.begin_from:
            return self.begin_from(self.arguments.begin_from)
        with torch.no_grad():
            for x, _ in batches:
                self.student(x)
        start_heads(self.student, self.heads, batches)

    def learn(self) -> tuple[float, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.arguments.lr, self.step, self.arguments.steps)
        x, target = self.next_batch()
        error, gram = self.loss_parts(self.student, self.heads, x, target, self.scale)
        self.optimizer.zero_grad(set_to_none=True)
        (error + GRAM_WEIGHT * gram).backward()
        parameters = [p for g in self.optimizer.param_groups for p in g["params"]]
        nn.utils.clip_grad_norm_(parameters, 2.0)
        self.optimizer.step()
        self.step += 1
        return error.item(), gram.item()

    def save(self) -> None:
        state = {
            "student": self.student.state_dict(),
            "heads": self.heads.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": json.dumps(self.rng.bit_generator.state),
            "step": self.step,
            "scale": self.scale,
        }
        temporary = self.arguments.out / "checkpoint.tmp"
        torch.save(state, temporary)
        temporary.replace(self.arguments.out / "checkpoint.pt")
        export(self.student, natural(self.pictures), self.arguments.out)
        stages = [*earlier_stages(self.arguments), recipe(self.arguments, self.names, self.step)]
        text = json.dumps(stages, indent=2, ensure_ascii=False)
        (self.arguments.out / "recipe.json").write_text(text + "\n", encoding="utf-8")

    def resume(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.student.load_state_dict(state["student"])
        self.heads.load_state_dict(state["heads"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.step, self.scale = state["step"], state["scale"]

    def begin_from(self, path: Path) -> None:
        """Load the weights of another run, with a fresh optimiser and schedule."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.student.load_state_dict(state["student"])
        self.heads.load_state_dict(state["heads"])


def log(path: Path, **entry: float) -> None:
    print("  ".join(f"{k} {v:.4g}" for k, v in entry.items()), flush=True)
    with path.open("a") as file:
        file.write(json.dumps(entry) + "\n")


def train(arguments: argparse.Namespace) -> None:
    arguments.out.mkdir(parents=True, exist_ok=True)
    run, checkpoint = Run(arguments), arguments.out / "checkpoint.pt"
    if checkpoint.exists():
        run.resume(checkpoint)
        print(f"going on from step {run.step}", flush=True)
    else:
        run.prepare()
    started, first, recent = time.monotonic(), run.step, deque(maxlen=200)
    while run.step < arguments.steps:
        recent.append(run.learn())
        if run.step % 200 == 0 or run.step == arguments.steps:
            error, gram = np.mean(recent, axis=0)
            rate = (run.step - first) * BATCH / (time.monotonic() - started)
            left = (arguments.steps - run.step) * BATCH / rate / 60
            log(
                arguments.out / "log.jsonl",
                step=run.step,
                error=error,
                gram=gram,
                crops_per_second=rate,
                minutes_left=left,
            )
        if run.step % 1000 == 0:
            run.save()
    run.save()


def tap_weight(text: str) -> tuple[str, float]:
    """`relu2_1=2` as a pair."""
    tap, _, weight = text.partition("=")
    if tap not in TAPS:
        raise argparse.ArgumentTypeError(f"'{tap}' is no tap; choose from {', '.join(TAPS)}")
    return tap, float(weight)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", type=Path, action="append", required=True, help="a folder")
    parser.add_argument("--exclude", action="append", default=[], help="a file's stem to leave out")
    parser.add_argument("--teacher", action="append", required=True, help="'vgg19' or a file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--begin-from", type=Path, help="the checkpoint of another run")
    parser.add_argument(
        "--weight", type=tap_weight, action="append", default=[], help="of a tap: relu2_1=2"
    )
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true", help="slower start, then a third faster")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args(argv)
    arguments.weight = dict(arguments.weight)
    return arguments


if __name__ == "__main__":
    train(parse())
