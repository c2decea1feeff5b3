"""Ask classifiers what chapters 2, 3 and 9 ask petite: do their claims hold for other networks?

    python tools/classifiers.py --squeezenet FILE --vgg19-partial FILE
        [--out FOLDER] [--record FILE] [--cache FOLDER] [--jobs N]

The chapters run on petite, which was distilled from VGG-19 with a term for Gram matrices. This
script repeats their measurements with two networks that were trained to classify photographs and
for nothing else, SqueezeNet 1.1 and VGG-19 to relu3_1, and with petite itself. Where it is asked
whether training matters at all, networks of petite's form with random weights stand beside them.
Weights are read from files and never written; numbers and pictures are. The cache keeps finished
jobs, so that the script can go on where it was stopped. On two quiet CPU cores it needs about ten
minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from unittest.mock import patch

import matplotlib as mpl
import notebooks
import torch
from PIL import Image
from real_networks import (
    ALWAYS,
    ENTRIES,
    Cell,
    Entry,
    Found,
    Runs,
    card,
    in_rows,
    load,
    name_of,
    rounded,
    sheet,
)
from reconstructions import (
    OPTIMIZER,
    PHOTO,
    SEEDS,
    SIZE,
    STEPS,
    correlation,
    empty_loss,
    noise_like,
    rebuild,
    rms,
    sha256,
)
from torch import Tensor, nn
from torch.nn.functional import interpolate

import nst_teach
from nst_teach import StyleObjective, content_loss, load_image, optimize, samples
from nst_teach.images import LUMA
from nst_teach.networks import PETITE_PLAN, WEIGHTS_FOLDER, FeatureNetwork, build_vgg

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book/images"
RECORD = WEIGHTS_FOLDER / "classifiers.json"  # in the package: the pages read it anywhere
CHAPTER_9 = ROOT / "book/src/09_why_gram_works.md"

KEYS = tuple(key for key in ALWAYS if key != "petite3")
CLASSIFIERS = tuple(key for key in KEYS if key != "petite")
UNTRAINED = (0, 1, 2)  # seeds

# Chapter 2
PHOTOS = samples.names("photo")
SHIFT, MARGIN, SHIFTED = 4, 16, (192, 288)  # as in the chapter
FIELD_SIZE = (288, 320)  # pixels: more than the largest receptive field
EYES = ((84, 148, 132, 208), (108, 164, 292, 342))  # top, bottom, left, right of the cat's
SMALLER_EYE = 0.15  # of the response to both: a filter for one eye does not count
BEST = 5  # filters, of which the mean is taken
SEARCHED, PATCHES, OF_ONE_PHOTO = 320, 5, 2  # as in the chapter
FROM_PHOTOS = 4  # different ones among the patches
THUMB = 96  # pixels
FIELD_LIMIT = 150  # pixels: a larger field leaves a photograph hardly any place

# Chapter 3
SHORT = 80  # steps, as in the chapter
FAR = {"vgg19_partial": ("relu3_1",), "squeezenet": ("features.6", "features.12")}
PIXEL_ERROR = 0.1
SMOOTHNESS = 3.0  # as in the chapter

# Chapter 9: rounds whose price is corrected with this exponent settle with each of the networks.
EXPONENTS = {"petite": 2, "squeezenet": 1, "vgg19_partial": 1}
SHORTENED: dict[str, str] = {}  # further replacements in the code of the page, for a test

QUALITY = 85


# --- chapter 2: what layers see ------------------------------------------------------------------

Geometry = tuple[int, int, int]
"""Side of the receptive field, distance between neighbours, start of the first one, in pixels."""


def geometry(network: FeatureNetwork) -> dict[str, Geometry]:
    """What each position sees, by chapter 2's formula and the padding; for SqueezeNet, too."""
    side, step, start, found = 1, 1, 0, {}
    for layer, module in zip(network.layers, network.stack, strict=True):
        kernel, stride, padding = window(module)
        start -= padding * step
        side, step = side + (kernel - 1) * step, step * stride
        found[layer] = (side, step, start)
    return found


def window(module: nn.Module) -> tuple[int, int, int]:
    """Kernel, stride and padding of a module."""
    inner = getattr(module, "expand3x3", module)  # the widest part of SqueezeNet's Fire
    if isinstance(inner, nn.ReLU):
        return 1, 1, 0
    found = (inner.kernel_size, inner.stride, inner.padding)
    kernel, stride, padding = (v[0] if isinstance(v, tuple) else v for v in found)
    return kernel, stride, padding


def untrained(seed: int) -> FeatureNetwork:
    """A network of petite's form with random weights."""
    torch.manual_seed(seed)
    return build_vgg("untrained", PETITE_PLAN, "average")


def shifts(network: FeatureNetwork, layers: Sequence[str]) -> list[list[float]]:
    """For each photograph: how far a shift moves pixels and layers, relative to another one."""
    rows = []
    for name, other_name in zip(PHOTOS, (*PHOTOS[1:], PHOTOS[0]), strict=True):
        wide, other = (load_image(n, size=SHIFTED) for n in (name, other_name))
        still = wide[..., MARGIN:-MARGIN]
        images = still, wide[..., MARGIN + SHIFT :][..., : still.shape[-1]]
        images = *images, other[..., MARGIN:-MARGIN]
        with torch.no_grad():
            seen = [{"pixels": image, **network(image, layers)} for image in images]
        rows.append([rounded(_ratio(*(each[k] for each in seen)), 3) for k in ("pixels", *layers)])
    return rows


def _ratio(still: Tensor, moved: Tensor, other: Tensor) -> float:
    return ((still - moved).norm() / (still - other).norm()).item()


def in_the_middle(network: FeatureNetwork, layer: str) -> list[float]:
    """Share of a position's gradient in the middle of its field, for each photograph."""
    side, step, start = geometry(network)[layer]
    found = []
    for name in PHOTOS:
        image = load_image(name, size=FIELD_SIZE).requires_grad_(True)
        features = network(image, layer)[layer]
        u, v = (length // 2 for length in features.shape[-2:])
        features[0, :, u, v].sum().backward()
        influence = image.grad[0].abs().sum(0)
        top, left, quarter = start + u * step, start + v * step, side // 4
        seen = influence[top : top + side, left : left + side]
        if not torch.isclose(seen.sum(), influence.sum(), rtol=1e-3):
            raise AssertionError(f"{layer} sees more than its receptive field")
        middle = seen[quarter : side - quarter, quarter : side - quarter]
        found.append(rounded((middle.sum() / seen.sum()).item(), 3))
    return found


def eye_share(network: FeatureNetwork, layer: str, image: Tensor) -> Tensor:
    """Share of each filter's squared response at the cat's two eyes; 0 for a single eye."""
    side, step, start = geometry(network)[layer]
    with torch.no_grad():
        features = network(image, layer)[layer][0]
    rows, columns = (
        start + step * torch.arange(length) + (side - 1) / 2 for length in features.shape[-2:]
    )
    energy = features.square()
    shares = torch.stack(
        [
            (energy * inside(rows, top, bottom)[:, None] * inside(columns, left, right)).sum((1, 2))
            for top, bottom, left, right in EYES
        ]
    ) / energy.sum((1, 2)).clamp_min(1e-9)
    both = shares.sum(0)
    alive = features.amax((1, 2)) > 0.05 * features.max()
    return both * (shares.min(0).values >= SMALLER_EYE * both) * alive


def inside(centres: Tensor, low: int, high: int) -> Tensor:
    return (centres >= low) & (centres < high)


def eyes(network: FeatureNetwork, layer: str) -> dict[str, float]:
    """Mean share of the best filters, and that of the same filters without the photo's colours."""
    photo = load_image(PHOTO)
    grey = (photo * photo.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    best = eye_share(network, layer, photo).topk(BEST)
    without = eye_share(network, layer, grey.repeat(1, 3, 1, 1))[best.indices]
    return {"colour": rounded(best.values.mean().item()), "grey": rounded(without.mean().item())}


def looks(network: FeatureNetwork, layers: Sequence[str]) -> dict:
    """Chapter 2's measurements of a network: a row for each layer."""
    fields = geometry(network)
    shifted = torch.tensor(shifts(network, layers))
    return {
        "pixels": rounded(shifted[:, 0].mean().item(), 3),
        "layers": [
            {
                "layer": layer,
                "side": fields[layer][0],
                "shift": rounded(column.mean().item(), 3),
                "middle": in_the_middle(network, layer),
                "eyes": eyes(network, layer),
            }
            for layer, column in zip(layers, shifted.T[1:], strict=True)
        ],
    }


def means(network: FeatureNetwork, layers: Sequence[str]) -> dict:
    """Mean activations under the right convention and three wrong ones, as in chapter 2."""
    photos = [load_image(name) for name in PHOTOS]

    def fed(images: Sequence[Tensor], convention: str) -> Tensor:
        with torch.no_grad(), patch.object(network, "convention", convention):
            each = [network(image, layers) for image in images]
        return torch.tensor([[f[layer].mean().item() for layer in layers] for f in each])

    right = fed(photos, network.convention)
    wrong = {
        "raw": fed(photos, "raw"),
        "caffe": fed(photos, "caffe"),
        "swapped": fed([image.flip(1) for image in photos], network.convention),
    }
    relative = {k: (v.mean(0) / right.mean(0)).tolist() for k, v in wrong.items()}
    return {
        "single": [[rounded(v, 3) for v in row] for row in right.tolist()],
        "relative": {k: [rounded(v, 3) for v in row] for k, row in relative.items()},
    }


def chapter_2(entry: Entry) -> Found:
    """The numbers of a network."""
    network = load(entry)
    return looks(network, entry.ladder) | {"means": means(network, entry.ladder)}, None


def untrained_2(seed: int) -> Found:
    """The same of a network that was never trained."""
    return looks(untrained(seed), ENTRIES["petite"].ladder), None


def patches(entry: Entry, layer: str) -> Found:
    """The patches of one filter of a layer, chosen by a rule, side by side.

    Of the filters whose strongest patches come from several photographs, it is the one that they
    excite most, relative to its mean over all photographs.
    """
    network = load(entry)
    names = (*PHOTOS, *samples.names("texture"))
    photos = [load_image(name, size=SEARCHED) for name in names]
    field = geometry(network)[layer]
    maps = [visible(network, layer, photo, field) for photo in photos]
    mean = torch.stack([m.clamp_min(0).mean((1, 2)) for m in maps]).mean(0)
    best: tuple[float, int, list] = (0.0, 0, [])
    for channel in range(len(mean)):
        found = strongest([m[channel] for m in maps], field)
        if len({photo for _, photo, *_ in found}) >= FROM_PHOTOS:
            contrast = sum(value for value, *_ in found) / (mean[channel].item() + 1e-6)
            best = max(best, (contrast, channel, found))
    side = field[0]
    cut = [photos[p][..., top : top + side, left : left + side] for _, p, top, left in best[2]]
    mode = "nearest" if side < THUMB else "area"
    row = torch.cat([interpolate(patch_, (THUMB, THUMB), mode=mode) for patch_ in cut], -1)
    return {"filter": best[1], "photos": [names[p] for _, p, *_ in best[2]]}, row


def visible(network: FeatureNetwork, layer: str, photo: Tensor, field: Geometry) -> Tensor:
    """Features `(N, h, w)`, with −1 at positions that see over the edge."""
    side, step, start = field
    with torch.no_grad():
        features = network(photo, layer)[layer][0]
    rows, columns = (
        inside(start + step * torch.arange(count), 0, length - side + 1)
        for count, length in zip(features.shape[-2:], photo.shape[-2:], strict=True)
    )
    return features.masked_fill(~(rows[:, None] & columns), -1)


def strongest(maps: Sequence[Tensor], field: Geometry) -> list[tuple[float, int, int, int]]:
    """Response, photograph, top and left of the patches that excite a filter most."""
    side, step, start = field
    apart, found = -(-side // (2 * step)), []
    for photo, responses in enumerate(maps):
        left = responses.clone()
        for _ in range(OF_ONE_PHOTO):
            u, v = divmod(int(left.argmax()), left.shape[1])
            if left[u, v] > 0:
                found.append((left[u, v].item(), photo, start + u * step, start + v * step))
            left[max(0, u - apart) : u + apart, max(0, v - apart) : v + apart] = -1
    return sorted(found, reverse=True)[:PATCHES]


# --- chapter 3: what layers keep -----------------------------------------------------------------


def counts(entry: Entry) -> Found:
    """Features for each pixel of the photograph, and the fewest on the way to a layer.

    Of the active ones, too: within a linear piece of the network, a feature that is 0 tells
    nothing about a small change of the image. The narrow layers within SqueezeNet's Fire modules
    are on the way.
    """
    network, photo = load(entry), load_image(PHOTO, size=SIZE)
    passed: list[Tensor] = []
    narrow = [m for name, m in network.named_modules() if name.endswith("squeeze_activation")]
    hooks = [m.register_forward_hook(lambda *seen: passed.append(seen[-1])) for m in narrow]
    found, earlier = {}, []
    for layer in network.layers[: network.layers.index(entry.ladder[-1]) + 1]:
        passed.clear()
        with torch.no_grad():
            values = network(photo, layer)[layer]
        if (values < 0).any():
            continue  # a convolution, before its ReLU
        earlier.append(values)
        on_the_way = [*earlier, *passed]
        found[layer] = {
            "features": per_pixel(values.numel(), photo),
            "fewest": min(per_pixel(each.numel(), photo) for each in on_the_way),
            "fewest_active": min(per_pixel(int((v > 0).sum()), photo) for v in on_the_way),
        }
    for hook in hooks:
        hook.remove()
    return {layer: found[layer] for layer in entry.ladder}, None


def per_pixel(count: int, photo: Tensor) -> float:
    return rounded(count / photo[0, 0].numel(), 3)


def altered(entry: Entry) -> Found:
    """Relative content loss of chapter 3's three changes of equal pixel error, at each layer."""
    network, photo = load(entry), load_image(PHOTO, size=SIZE)
    changes = {
        "darker": -photo,
        "noise": torch.randn(photo.shape, generator=torch.Generator().manual_seed(0)),
        "two photographs": load_image("coffee", size=photo.shape[-2:]) - photo,
    }

    def relative(change: Tensor, layer: str) -> float:
        image = photo + PIXEL_ERROR * change / change.square().mean().sqrt()
        with torch.no_grad():
            F, P = (network(x, layer)[layer] for x in (image, photo))
            return rounded(content_loss(F, P).item() / empty_loss(network, photo, layer), 3)

    return {
        layer: {name: relative(change, layer) for name, change in changes.items()}
        for layer in entry.ladder
    }, None


def rebuilt(entry: Entry, layer: str, seed: int, steps: tuple[int, ...]) -> Found:
    """The photograph from noise and one layer: numbers after so many steps, and the images."""
    network, photo = load(entry), load_image(PHOTO, size=SIZE)
    seen = rebuild(network, photo, layer, seed, steps)
    noise = noise_like(photo, seed)
    rows = [
        {
            "step": step,
            "content_loss": rounded(loss),
            "pixel_error": rounded(rms(image, photo)),
            "detail_like_photo": rounded(correlation(image, photo)),
            "detail_like_start": rounded(correlation(image, noise)),
        }
        for step, (loss, image) in sorted(seen.items())
    ]
    return {"rows": rows}, torch.cat([image for _, (_, image) in sorted(seen.items())], -1)


def smoothed(entry: Entry, layer: str) -> Found:
    """The same with total variation, in a few steps."""
    network, photo = load(entry), load_image(PHOTO, size=SIZE)
    goal = StyleObjective(
        photo,
        photo,
        network,
        content_layers=layer,
        style_layers=(),
        total_variation=SMOOTHNESS * empty_loss(network, photo, layer),
    )
    image = optimize(goal, noise_like(photo, SEEDS[0]), optimizer=OPTIMIZER, steps=SHORT).image
    with torch.no_grad():
        left = goal(image).content[layer].item() / empty_loss(network, photo, layer)
    return {"content_loss": rounded(left), "pixel_error": rounded(rms(image, photo))}, None


def parts(picture: Image.Image, count: int) -> list[Image.Image]:
    """The images that stand side by side in a picture."""
    width = picture.width // count
    return [picture.crop((n * width, 0, (n + 1) * width, picture.height)) for n in range(count)]


# --- chapter 9: which statistics suffice ---------------------------------------------------------


def chapter_9(entry: Entry, exponent: int) -> Found:
    """Run the code of chapter 9 itself with another network, and keep what it has measured.

    Its assertions are what is to be found out, so they are left out.
    """
    mpl.use("agg")
    network = load(entry)
    changes = {
        'layer="relu1_1"': f'layer="{network.style_layers[0]}"',
        "(goals[number] / price) ** 2": f"(goals[number] / price) ** {exponent}",
    } | SHORTENED
    page = run_page(CHAPTER_9, network, changes)
    painted = [page["painted"][name] for name in page["STATISTICS"]]
    textures = [page["textures"][name][0] for name in page["STATISTICS"]]
    return {
        "layers": list(page["layers"]),
        "statistics": list(page["STATISTICS"]),
        "stripes_apart": [
            rounded(float((g - page["grams"]["noise"][k]).norm() / g.norm()), 3)
            for k, g in page["grams"]["stripes"].items()
        ],
        "prices": {n: rounded(trail[-1][0]) for n, trail in page["trails"].items()},
        "left": [[rounded(value, 3) for value in row] for row in page["left"].tolist()],
        "exchange": {n: exchange(e) for n, e in page["exchange"].items()},
        "colour_off": {n: [rounded(v, 3) for v in pair] for n, pair in page["off"].items()},
        "colour_off_longer": rounded(page["colour_error"](page["longer"]), 3),
    }, strip(painted, textures)


def run_page(page: Path, network: FeatureNetwork, changes: dict[str, str]) -> dict:
    """The names that a page's cells define when `load_network` gives this network.

    Cells that show the record are left out, because it is being made.
    """
    space: dict = {"__name__": page.stem}
    left = set(changes)
    with patch.object(nst_teach, "load_network", lambda: network):
        for cell in notebooks.read_source(page):
            if cell.cell_type == "code" and not re.search(r"\brecord\b", cell.source):
                source = cell.source
                for old, new in changes.items():
                    left -= {old} if old in source else set()
                    source = source.replace(old, new)
                exec(compile(source, page.name, "exec", dont_inherit=True, optimize=1), space)
    if left:
        raise SystemExit(f"{page.name} no longer has {sorted(left)}; adapt {Path(__file__).name}.")
    return space


def exchange(dots: Tensor) -> dict[str, float]:
    """Root mean squares of Δ mean², of Δ variance and of their sum, in %, and the correlation."""
    mean, variance, total = (v.square().mean().sqrt().item() for v in (*dots, dots.sum(0)))
    together = torch.corrcoef(dots)[0, 1].item()
    found = {"mean": mean, "variance": variance, "sum": total, "correlation": together}
    return {name: rounded(value, 3) for name, value in found.items()}


def strip(painted: Sequence[Tensor], textures: Sequence[Tensor]) -> Tensor:
    """Images side by side; after them the upper part of the textures, enlarged to their size."""
    height, width = painted[0].shape[-2:]
    upper = [t[..., : round(t.shape[-1] * height / width), :] for t in textures]
    return torch.cat([*painted, *(interpolate(t, (height, width)) for t in upper)], -1)


# --- the record ----------------------------------------------------------------------------------


def settings() -> dict:
    """What the record was made with, apart from the files."""
    return {
        "photos": list(PHOTOS),
        "shift": [SHIFT, MARGIN, *SHIFTED],
        "fields": [*FIELD_SIZE],
        "eyes": [[*eye] for eye in EYES] + [BEST, SMALLER_EYE],
        "patches": [SEARCHED, PATCHES, OF_ONE_PHOTO, FROM_PHOTOS],
        "rebuilt": [PHOTO, SIZE, OPTIMIZER, SHORT, *STEPS, *SEEDS],
        "smoothness": SMOOTHNESS,
        "exponents": EXPONENTS,
        "untrained": list(UNTRAINED),
        "petite_sha256": sha256(WEIGHTS_FOLDER / "petite.safetensors"),
    }


def make(runs: Runs, entries: dict[str, Entry], out: Path, record: Path) -> None:
    """Run whatever has not been run yet, and write the record and the sheets."""
    real = {key: entries[key] for key in CLASSIFIERS}
    seen = runs.many({f"looks-{key}": (chapter_2, entry) for key, entry in entries.items()})
    random = runs.many({f"looks-untrained-{seed}": (untrained_2, seed) for seed in UNTRAINED})
    shown = {
        (key, layer): f"patches-{key}-{layer}"
        for key, entry in real.items()
        for layer in entry.ladder
        if geometry(load(entry))[layer][0] < FIELD_LIMIT
    }
    patch_numbers = runs.many({n: (patches, entries[k], layer) for (k, layer), n in shown.items()})
    counted = runs.many({f"counts-{key}": (counts, entry) for key, entry in entries.items()})
    changed = runs.many({f"altered-{key}": (altered, entry) for key, entry in entries.items()})
    few = {(key, layer): f"{key}-{layer}" for key, entry in real.items() for layer in entry.ladder}
    short = runs.many(
        {f"short-{n}": (rebuilt, real[k], la, SEEDS[0], (SHORT,)) for (k, la), n in few.items()}
    )
    smooth = runs.many({f"smooth-{n}": (smoothed, real[k], la) for (k, la), n in few.items()})
    long = {
        (key, layer, seed): f"far-{key}-{layer}-{seed}"
        for key, layers in FAR.items()
        for layer in layers
        for seed in SEEDS
    }
    far = runs.many({n: (rebuilt, real[k], la, s, STEPS) for (k, la, s), n in long.items()})
    pages = runs.many(
        {f"page-9-{key}": (chapter_9, entry, EXPONENTS[key]) for key, entry in entries.items()}
    )
    images = {name: parts(runs.picture(name), len(STEPS)) for name in long.values()}
    ends = [
        (key, layer, *(long[key, layer, seed] for seed in SEEDS))  # the names of two runs
        for key, layers in FAR.items()
        for layer in layers
    ]
    sheets = {
        "02_classifiers": patch_sheet(runs, entries, shown),
        "03_classifiers": far_sheet(
            entries, [(*end[:2], *(images[n] for n in end[2:])) for end in ends]
        ),
        "09_classifiers": statistics_sheet(runs, entries, pages),
    }
    out.mkdir(parents=True, exist_ok=True)
    pictures = []
    for name, page in sheets.items():
        path = out / f"{name}.jpg"
        page.save(path, quality=QUALITY, optimize=True)
        pictures.append({"file": path.name, "size": page.size, "sha256": sha256(path)})
    found = {
        "settings": settings(),
        "networks": {
            key: card(entry, {"layers": list(entry.ladder)}) for key, entry in entries.items()
        },
        "looks": {key: seen[f"looks-{key}"] for key in entries},
        "untrained": list(random.values()),
        "patches": [
            {"network": key, "layer": layer} | patch_numbers[name]
            for (key, layer), name in shown.items()
        ],
        "counts": {key: counted[f"counts-{key}"] for key in entries},
        "altered": {key: changed[f"altered-{key}"] for key in entries},
        "short": [
            {"network": key, "layer": layer}
            | short[f"short-{name}"]["rows"][0]
            | {f"smooth_{k}": v for k, v in smooth[f"smooth-{name}"].items()}
            for (key, layer), name in few.items()
        ],
        "far": [
            {"network": key, "layer": layer}
            | row
            | {"pixels_apart": rounded(rms(load_image(images[a][n]), load_image(images[b][n])), 3)}
            for key, layer, a, b in ends
            for n, row in enumerate(far[a]["rows"])
        ],
        "statistics": {key: pages[f"page-9-{key}"] for key in entries},
        "pictures": pictures,
        "made": {
            "on": datetime.now(UTC).date().isoformat(),
            "command": "python tools/classifiers.py --squeezenet FILE --vgg19-partial FILE",
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(*(out / picture["file"] for picture in pictures), record, sep="\n")


def patch_sheet(
    runs: Runs, entries: dict[str, Entry], shown: dict[tuple[str, str], str]
) -> Image.Image:
    """A column a network, a row a depth."""
    columns: dict[str, list[Cell]] = {}
    for (key, layer), name in shown.items():
        cell = (f"{name_of(entries[key])}: {layer}", runs.picture(name))
        columns.setdefault(key, []).append(cell)
    rows = zip_longest(*columns.values())
    return sheet([[cell for cell in row if cell] for row in rows])


def far_sheet(entries: dict[str, Entry], rows: list[tuple]) -> Image.Image:
    """A row a layer: after more and more steps, and from the other noise."""
    titles = [*(f"{step} steps" for step in STEPS[1:]), f"{STEPS[-1]}, other noise"]

    def cells(key: str, layer: str, one: list[Image.Image], other: list[Image.Image]) -> list[Cell]:
        first = f"{name_of(entries[key])}, {layer}\n{STEPS[0]} steps"
        return list(zip([first, *titles], [*one, other[-1]], strict=True))

    return sheet([cells(*row) for row in rows])


def statistics_sheet(runs: Runs, entries: dict[str, Entry], pages: dict[str, dict]) -> Image.Image:
    """For each classifier a row of transfers and a row of textures, a column a statistic."""
    rows = []
    for key in CLASSIFIERS:
        names = pages[f"page-9-{key}"]["statistics"]
        images = parts(runs.picture(f"page-9-{key}"), 2 * len(names))
        titles = [f"{name_of(entries[key])}\n{names[0]}", *names[1:]]
        rows += in_rows(list(zip(2 * titles, images, strict=True)), len(names))
    return sheet(rows)


def main(arguments: list[str] | None = None) -> None:
    """Make the record and its pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--squeezenet", required=True, help="SqueezeNet 1.1's weights")
    parser.add_argument("--vgg19-partial", required=True, help="VGG-19's, to relu3_1 at least")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder (default: %(default)s)")
    parser.add_argument("--record", type=Path, default=RECORD, help="(default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/classifiers"))
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args(arguments)
    entries = {key: ENTRIES[key]._replace(file=getattr(chosen, key, None)) for key in KEYS}
    make(Runs(chosen.cache, chosen.jobs), entries, chosen.out, chosen.record)


if __name__ == "__main__":
    main()
