"""Stylise three pairs with petite and with classifiers, at equal price: the record of chapter 13.

    python tools/real_networks.py --squeezenet FILE --vgg19-partial FILE
        [--vgg19 FILE] [--vgg16 FILE] [--out FOLDER] [--record FILE] [--cache FOLDER] [--jobs N]

`--squeezenet` is SqueezeNet 1.1, `--vgg19-partial` a VGG-19 to relu3_1 at least, of which no more
is used. A complete VGG-19 or VGG-16 is optional; `torchvision` in the place of a file fetches any
of the three complete ones. No weights are written, only pictures and numbers.

Every network begins with the package's rule for β; a bisection then finds the multiple of it, the
strength, at which the style costs the same price, `structure_lost`, with every network. It is a
price that all of them can reach. All runs get the same number of evaluations of the default
optimiser. The cache keeps finished runs, so that the script can go on where it was stopped. On two
quiet CPU cores it needs half an hour.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import torch
from joblib import Parallel, delayed
from PIL import Image, ImageDraw, ImageFont
from reconstructions import noise_like, rms, sha256
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from nst_teach import StyleObjective, content_loss, load_image, load_network, optimize, to_pil
from nst_teach.images import LUMA
from nst_teach.memory import kept_bytes
from nst_teach.networks import WEIGHTS_FOLDER, FeatureNetwork
from nst_teach.records import Record
from nst_teach.results import Result

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book/images/real"
RECORD = WEIGHTS_FOLDER / "real_networks.json"  # in the package: the page reads it anywhere

PAIRS = (
    ("astronaut", "composition"),  # a face
    ("rocket", "night_swirls"),  # a flat background
    ("chelsea", "marbled_paper"),  # fine texture: fur
)
CROPS = {"astronaut": (12, 108), "rocket": (55, 125), "chelsea": (60, 85)}  # top and left, at SIZE
CROP = 112  # pixels
TALLEST = 0.75  # height over width; what is taller loses its lower part
SIZE, EVALUATIONS = 384, 150
CLOSE, CORRECTIONS = 0.1, 3  # how near the prices have to be, and how often to try again

SEARCH_SIZE, SEARCH_EVALUATIONS = 192, 30
STRENGTHS, HALVINGS = (1 / 1024, 64.0), 6  # multiples of the default β
SHARE = 0.8  # of the highest price of the network whose highest price is lowest

LOOK, WINDOW = 96, 9  # pixels: the price sees an image this wide, in windows of this width
EPSILON = 1e-6  # variance below which a window counts as flat
QUANTILES = 1001  # of the values of a channel, for the distance between colours

LADDER_PHOTO, LADDER_CROP = "astronaut", (0, 76, 192)  # top, left and side, at SIZE
TEXTURE, TEXTURE_SIZE = "stained_glass", 192
NOISE = 1  # seed

QUALITY = 80
PAGE = 680  # pixels: the width of a sheet, which is that of a figure in the book
GAP, LABEL, LINE = 6, 26, 18  # pixels between pictures, for a line of text, and for another one

THREE_LAYERS = ("relu1_1", "relu2_1", "relu3_1")


class Entry(NamedTuple):
    """A network as it is compared: its file, its last layer, and the layers that are used."""

    title: str
    network: str
    last_layer: str | None = None
    content_layers: tuple[str, ...] | None = None
    style_layers: tuple[str, ...] | None = None
    ladder: tuple[str, ...] = ()
    file: str | None = None


VGG_LADDER = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
SQUEEZENET_LADDER = ("features.1", "features.3", "features.6", "features.9", "features.12")
ENTRIES = {
    "petite": Entry("petite, five style layers", "petite", ladder=VGG_LADDER),
    "squeezenet": Entry("SqueezeNet 1.1, four", "squeezenet1_1", ladder=SQUEEZENET_LADDER),
    "petite3": Entry(
        "petite, three", "petite", content_layers=("relu2_2",), style_layers=THREE_LAYERS
    ),
    "vgg19_partial": Entry("VGG-19 to relu3_1, three", "vgg19", "relu3_1", ladder=THREE_LAYERS),
    "vgg19": Entry("VGG-19, five", "vgg19", ladder=VGG_LADDER),
    "vgg16": Entry("VGG-16, five", "vgg16", ladder=VGG_LADDER),
}
"""Everything that can be compared."""
ALWAYS = ("petite", "squeezenet", "petite3", "vgg19_partial")
TORCHVISION = "torchvision"
DEFAULT = "default-petite"  # runs of petite at strength 1, for comparison


# --- the price -----------------------------------------------------------------------------------


def look(image: Tensor) -> Tensor:
    """The luma of `(1, 3, H, W)`, averaged down to a width of `LOOK` pixels."""
    luma = (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    height, width = image.shape[-2:]
    return adaptive_avg_pool2d(luma, (round(LOOK * height / width), LOOK))


def structure_lost(image: Tensor, photo: Tensor) -> float:
    """1 − the mean local correlation of both images as `look` sees them: 0 for the same forms.

    This is the structure term of SSIM (Wang et al., 2004), weighted by the contrast of the
    photograph's windows, so that flat ones do not count. Changes of brightness and of contrast
    alone leave it at 0; an unrelated image is near 1, a negative at 2. No network takes part.
    """
    x, p = look(image), look(photo)

    def mean(values: Tensor) -> Tensor:
        return avg_pool2d(values, WINDOW, stride=1)

    def covariance(one: Tensor, other: Tensor) -> Tensor:
        return mean(one * other) - mean(one) * mean(other)

    contrast = covariance(p, p).clamp_min(0)
    spread = (covariance(x, x).clamp_min(0) * contrast).sqrt() + EPSILON
    weight = contrast.sqrt()
    return 1 - (weight * covariance(x, p) / spread).sum().item() / weight.sum().item()


def bisect(
    function: Callable[[float], float],
    goal: float,
    low: float,
    high: float,
    halvings: int,
) -> tuple[float, list[tuple[float, float]]]:
    """Where a rising function reaches a goal, by halving the logarithm of the interval.

    Returns the point, interpolated in the last interval, and all `(x, function(x))`.
    The ends are not evaluated: if the goal lies beyond one, the search runs into it.
    """
    trail: list[tuple[float, float]] = []
    for _ in range(halvings):
        middle = math.sqrt(low * high)
        trail.append((middle, function(middle)))
        low, high = (middle, high) if trail[-1][1] < goal else (low, middle)
    return math.sqrt(low * high), trail


def slope(trail: Sequence[tuple[float, float]], goal: float) -> float:
    """d log f / d log x between the two points of a trail that are nearest to the goal."""
    (x, f), (y, g) = sorted(trail, key=lambda point: abs(math.log(point[1] / goal)))[:2]
    found = math.log(f / g) / math.log(x / y) if x != y else 0.0
    return min(max(found, 0.1), 2.0)  # short runs are noisy


# --- networks and pictures -----------------------------------------------------------------------


def load(entry: Entry) -> FeatureNetwork:
    """The network of an entry."""
    weights = None if entry.file in (None, TORCHVISION) else entry.file
    return load_network(entry.network, weights=weights, last_layer=entry.last_layer)


def photograph(name: str, size: int) -> Tensor:
    """A sample at this width, without what lies below `TALLEST`."""
    image = load_image(name, size=size)
    return image[..., : round(TALLEST * image.shape[-1]), :]


def objective(entry: Entry, pair: Sequence[str], size: int, strength: float) -> StyleObjective:
    """β is `strength` times the default of the network and the photograph."""
    photo, style = photograph(pair[0], size), load_image(pair[1], size=size)
    goal = StyleObjective(
        photo,
        style,
        load(entry),
        content_layers=entry.content_layers,
        style_layers=entry.style_layers,
    )
    goal.beta *= strength
    return goal


def run(goal: StyleObjective, start: str | Tensor, evaluations: int) -> Result:
    """Exactly this many evaluations of the default optimiser; the best image of them."""

    def enough(record: Record, _: Tensor) -> bool:
        return record.evaluations < evaluations

    return optimize(goal, start, steps=evaluations, callback=enough, progress=False)


def rounded(value: float, digits: int = 4) -> float:
    """Some significant digits."""
    return float(f"{value:.{digits}g}")


# --- jobs: each returns its numbers and, if it makes one, its picture ----------------------------

Found = tuple[dict[str, Any], Tensor | None]


def ceiling(entry: Entry, pair: Sequence[str]) -> Found:
    """The price of a short run at the default β, and at the largest that is tried."""
    found = {"default": priced(entry, pair, 1.0), "ceiling": priced(entry, pair, STRENGTHS[1])}
    return found, None


def priced(entry: Entry, pair: Sequence[str], strength: float) -> float:
    """The price of a short run."""
    goal = objective(entry, pair, SEARCH_SIZE, strength)
    return structure_lost(run(goal, "content", SEARCH_EVALUATIONS).image, goal.content)


def search(entry: Entry, pair: Sequence[str], price: float) -> Found:
    """The strength at which short runs reach the price."""
    found, trail = bisect(
        lambda strength: priced(entry, pair, strength), price, *STRENGTHS, HALVINGS
    )
    return {"strength": found, "slope": slope(trail, price), "trail": trail}, None


def paint(entry: Entry, pair: Sequence[str], strength: float) -> Found:
    """The final run of a network, and its numbers."""
    goal = objective(entry, pair, SIZE, strength)
    began = time.process_time()
    result = run(goal, "content", EVALUATIONS)
    seconds = time.process_time() - began
    lowest = running_minimum([record.total for record in result.history])
    return {
        "strength": strength,
        "beta": goal.beta,
        "price": structure_lost(result.image, goal.content),
        "evaluations": len(lowest),
        "seconds": seconds / len(lowest),
        "last_tenth": 1 - lowest[-1] / lowest[-1 - len(lowest) // 10],
        "totals": [rounded(total / lowest[0]) for total in lowest],
    }, result.image


def running_minimum(values: Sequence[float]) -> list[float]:
    """The lowest value so far, at each position."""
    return [min(values[: count + 1]) for count in range(len(values))]


def ladder_photo() -> Tensor:
    """The face of the photograph."""
    top, left, side = LADDER_CROP
    return load_image(LADDER_PHOTO, size=SIZE)[..., top : top + side, left : left + side]


def rebuild(entry: Entry, layer: str) -> Found:
    """The photograph, rebuilt from one layer and noise."""
    photo, network = ladder_photo(), load(entry)
    goal = StyleObjective(photo, photo, network, content_layers=layer, style_layers=())
    empty = content_loss(goal.content_targets[layer], 0 * goal.content_targets[layer]).item()
    goal.alpha = photo.numel() / empty  # losses of a similar size for all networks and layers
    image = run(goal, noise_like(photo, NOISE), EVALUATIONS).image
    with torch.no_grad():
        left = goal(image).content[layer].item() / empty
    return {"content_loss": rounded(left), "pixel_error": rounded(rms(image, photo))}, image


def texture(entry: Entry) -> Found:
    """An image with the style of a picture and no content, from noise."""
    style = load_image(TEXTURE, size=TEXTURE_SIZE)
    goal = StyleObjective(
        style, style, load(entry), content_layers=(), style_layers=entry.style_layers, beta=1.0
    )
    noise = noise_like(style, NOISE)
    with torch.no_grad():
        start = goal(noise).total.item()
    goal.beta = style.numel() / start  # as above
    result = run(goal, noise, EVALUATIONS)
    return {"left": rounded(result.loss / style.numel())}, result.image


def cost(entry: Entry) -> Found:
    """Bytes of the weights, and bytes per pixel that an evaluation keeps for its gradient."""
    network, photo = load(entry), photograph(PAIRS[0][0], SEARCH_SIZE)
    content = entry.content_layers or network.content_layers
    style = entry.style_layers or network.style_layers
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    kept = kept_bytes(photo, network, (*content, *style))
    return {
        "layers": {"content": list(content), "style": list(style)},
        "parameters": weights // 4,
        "weight_bytes": weights,
        "bytes_per_pixel": round(kept),
    }, None


# --- the plan ------------------------------------------------------------------------------------


class Runs:
    """Runs jobs, several at a time, and keeps what they found: numbers and pictures."""

    def __init__(self, cache: Path, jobs: int):
        self.cache, self.jobs = cache, jobs
        cache.mkdir(parents=True, exist_ok=True)

    def many(self, jobs: dict[str, tuple]) -> dict[str, dict]:
        """`{name: numbers}`; a job is a function and its arguments."""
        found = Parallel(n_jobs=self.jobs)(
            delayed(cached)(self.cache, name, *job) for name, job in jobs.items()
        )
        return dict(zip(jobs, found, strict=True))

    def picture(self, name: str) -> Image.Image:
        """The picture of a finished job."""
        with Image.open(self.cache / f"{name}.png") as picture:
            picture.load()
            return picture


def cached(cache: Path, name: str, function: Callable[..., Found], *arguments: Any) -> dict:
    """The numbers of a job, computed now or earlier."""
    path = cache / f"{name}.json"
    if not path.exists():
        torch.set_num_threads(1)
        began = time.time()
        numbers, image = function(*arguments)
        if image is not None:
            to_pil(image).save(path.with_suffix(".png"))
        path.write_text(json.dumps(numbers), encoding="utf-8")
        shown = {k: rounded(v) for k, v in numbers.items() if isinstance(v, float)}
        print(f"{name:44} {time.time() - began:6.0f} s", shown, flush=True)
    return json.loads(path.read_text(encoding="utf-8"))


def compare(runs: Runs, entries: dict[str, Entry]) -> list[dict]:
    """The rows of the comparison: every pair with every network, at equal price."""
    both = [(key, pair) for key in entries for pair in PAIRS]
    ceilings = runs.many(
        {f"ceiling-{key}-{pair[0]}": (ceiling, entries[key], pair) for key, pair in both}
    )
    tasks, setters = [], {}
    for pair in PAIRS:
        highest = {key: ceilings[f"ceiling-{key}-{pair[0]}"]["ceiling"] for key in entries}
        setters[pair] = min(highest, key=lambda key: highest[key])
        short = SHARE * highest[setters[pair]]
        at = settle(runs.cache, setters[pair], entries[setters[pair]], pair, short, None)
        tasks += [
            (key, pair, short, at["price"] if key != setters[pair] else None) for key in entries
        ]
    found = Parallel(n_jobs=runs.jobs)(
        delayed(settle)(runs.cache, key, entries[key], pair, short, wanted)
        for key, pair, short, wanted in tasks
    )
    return [
        {"network": key, "content": pair[0], "style": pair[1], "sets_price": key == setters[pair]}
        | ceilings[f"ceiling-{key}-{pair[0]}"]
        | settled
        for (key, pair, *_), settled in zip(tasks, found, strict=True)
    ]


def settle(
    cache: Path, key: str, entry: Entry, pair: Sequence[str], short: float, wanted: float | None
) -> dict:
    """Find the strength in short runs, paint, and paint again while the price is not yet close.

    `short` is the price of the short runs, `wanted` that of the final ones, which are larger and
    longer; the network that sets it wants none. Returns the closest of the final runs.
    """
    searched = cached(cache, f"search-{key}-{pair[0]}", search, entry, pair, short)
    strength, steepness = searched["strength"], searched["slope"]
    tried: list[dict] = []
    for number in range(CORRECTIONS + 1):
        name = f"paint-{key}-{pair[0]}-{number}"
        tried.append(cached(cache, name, paint, entry, pair, strength) | {"picture": name})
        off = 1.0 if wanted is None else wanted / tried[-1]["price"]
        if abs(off - 1) <= CLOSE:
            break
        if number:
            steepness = slope([(row["strength"], row["price"]) for row in tried[-2:]], wanted)
        strength *= min(max(off ** (1 / steepness), 1 / 4), 4.0)
    best = min(tried, key=lambda row: abs(math.log(row["price"] / (wanted or row["price"]))))
    return best | {"tried": len(tried)}


def opinions(runs: Runs, entries: dict[str, Entry], row: dict) -> dict[str, float]:
    """What the networks say of the price: ‖F − P‖² / ‖P‖² of each, at its content layer."""
    photo = photograph(row["content"], SIZE)
    image = load_image(runs.picture(row["picture"]))
    found = {}
    for key, entry in entries.items():
        network = load(entry)
        layers = entry.content_layers or network.content_layers
        with torch.no_grad():
            F, P = network(image, layers), network(photo, layers)
        apart = sum((F[layer] - P[layer]).square().sum().item() for layer in layers)
        found[key] = rounded(apart / sum(each.square().sum().item() for each in P.values()))
    return found


def colours_left(image: Tensor, photo: Tensor, style: Tensor) -> float:
    """How far the colours are from those of the style, relative to the photograph's.

    The distance is the root mean square difference of the sorted values of each channel (that of
    Wasserstein for p = 2). The mean colour is not enough: two photographs start near their style's.
    """
    shares = torch.linspace(0, 1, QUANTILES)

    def sorted_values(picture: Tensor) -> Tensor:
        return torch.quantile(picture[0].flatten(1), shares, dim=1)

    goal = sorted_values(style)
    return rms(sorted_values(image), goal) / rms(sorted_values(photo), goal)


def apart(runs: Runs, rows: Sequence[dict]) -> list[dict]:
    """How different the images of two networks are, for every two that painted the same pair.

    `fine` is the root mean square of all differences, `coarse` that of both images averaged down to
    a width of `LOOK` pixels, where colours and large forms remain, but no strokes.
    """

    def small(image: Tensor) -> Tensor:
        return adaptive_avg_pool2d(image, (round(LOOK * image.shape[2] / image.shape[3]), LOOK))

    found = []
    for one, other in combinations(rows, 2):
        if one["content"] == other["content"]:
            images = [load_image(runs.picture(row["picture"])) for row in (one, other)]
            found.append(
                {
                    "content": one["content"],
                    "networks": [one["network"], other["network"]],
                    "fine": rounded(rms(*images)),
                    "coarse": rounded(rms(*map(small, images))),
                }
            )
    return found


def rungs(entries: dict[str, Entry]) -> Iterator[tuple[str, str]]:
    """Every reconstruction: network and layer."""
    for key, entry in entries.items():
        for layer in entry.ladder:
            yield key, layer


def settings() -> dict:
    """What the record was made with, apart from the files."""
    return {
        "pairs": [list(pair) for pair in PAIRS],
        "size": SIZE,
        "evaluations": EVALUATIONS,
        "close": CLOSE,
        "search": [SEARCH_SIZE, SEARCH_EVALUATIONS, HALVINGS, *STRENGTHS, SHARE],
        "price": [LOOK, WINDOW],
        "ladder": [LADDER_PHOTO, *LADDER_CROP],
        "texture": [TEXTURE, TEXTURE_SIZE],
        "noise": NOISE,
        "quality": QUALITY,
        "petite_sha256": sha256(WEIGHTS_FOLDER / "petite.safetensors"),
    }


def fingerprint(network: FeatureNetwork) -> str:
    """A hash of the weights themselves, for those that torchvision fetches."""
    sha = hashlib.sha256()
    for parameter in network.parameters():
        sha.update(parameter.detach().contiguous().numpy().tobytes())
    return sha.hexdigest()


def card(entry: Entry, numbers: dict) -> dict:
    """What a reader may want to know of a network: its file, its layers, what it needs."""
    source = entry.file or f"{entry.network}.safetensors"
    from_file = entry.file not in (None, TORCHVISION)
    path = Path(str(entry.file)) if from_file else WEIGHTS_FOLDER / source
    return {
        "title": entry.title,
        "network": entry.network,
        "file": Path(source).name,
        "sha256": sha256(path) if path.is_file() else fingerprint(load(entry)),
    } | numbers


# --- sheets --------------------------------------------------------------------------------------


Cell = tuple[str, Image.Image]
"""A title and a picture."""


def sheet(rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """Pictures of one size in rows on white, each under its title, over the width of the page."""
    titles = [title for row in rows for title, _ in row]
    label = LABEL + LINE * max(title.count("\n") for title in titles)
    columns = max(len(row) for row in rows)
    own_width, own_height = rows[0][0][1].size
    width = (PAGE + GAP) // columns - GAP
    height = round(own_height * width / own_width)
    page = Image.new("RGB", (PAGE, len(rows) * (height + label + GAP) - GAP), "white")
    draw = ImageDraw.Draw(page)
    font = fitting(draw, titles, width)
    for r, row in enumerate(rows):
        for c, (title, picture) in enumerate(row):
            left, top = c * (width + GAP), r * (height + label + GAP)
            middle = (left + width // 2, top + label // 2)
            draw.text(middle, title, "black", font, anchor="mm", align="center")
            shown = picture.resize((width, height), Image.Resampling.LANCZOS)
            page.paste(shown, (left, top + label))
    return page


def fitting(draw: ImageDraw.ImageDraw, titles: Sequence[str], width: int) -> ImageFont.FreeTypeFont:
    """The largest font in which no title is wider than its picture."""
    lines = [line for title in titles for line in title.split("\n")]
    fonts = [ImageFont.load_default(size) for size in (17, 15, 13, 12, 11)]
    return next(
        (font for font in fonts if all(draw.textlength(line, font) <= width for line in lines)),
        fonts[-1],
    )


def in_rows(cells: Sequence[Cell], columns: int) -> list[Sequence[Cell]]:
    return [cells[start : start + columns] for start in range(0, len(cells), columns)]


def pair_sheet(runs: Runs, entries: dict[str, Entry], rows: list[dict]) -> Image.Image:
    """The photograph, petite with the package's default, and every network at equal price."""
    name = rows[0]["content"]
    cells = [
        ("the photograph", to_pil(photograph(name, SIZE))),
        ("petite, default strength", runs.picture(f"{DEFAULT}-{name}")),
        *((entries[row["network"]].title, runs.picture(row["picture"])) for row in rows),
    ]
    return sheet(in_rows(cells, 2))


def crop_sheet(runs: Runs, entries: dict[str, Entry], rows: list[dict]) -> Image.Image:
    """A detail of each picture, enlarged: a row a pair, a column a network."""

    def cell(row: dict) -> Cell:
        top, left = CROPS[row["content"]]
        part = runs.picture(row["picture"]).crop((left, top, left + CROP, top + CROP))
        return entries[row["network"]].title, part

    pairs = [[row for row in rows if row["content"] == pair[0]] for pair in PAIRS]
    return sheet([[cell(row) for row in each] for each in pairs])


def name_of(entry: Entry) -> str:
    """The title without its number of layers."""
    return entry.title.partition(",")[0].partition(" to ")[0]


def ladder_sheet(runs: Runs, entries: dict[str, Entry]) -> Image.Image:
    """A row a network, a column a layer."""
    return sheet(
        [
            [
                (f"{name_of(entry)}\n{layer}", runs.picture(f"rebuild-{key}-{layer}"))
                for layer in entry.ladder
            ]
            for key, entry in entries.items()
            if entry.ladder
        ]
    )


def texture_sheet(runs: Runs, entries: dict[str, Entry]) -> Image.Image:
    """The picture itself, then what each network makes of its style."""
    own = to_pil(load_image(TEXTURE, size=TEXTURE_SIZE))
    made = [(entry.title, runs.picture(f"texture-{key}")) for key, entry in entries.items()]
    cells = [("the style picture", own), *made]
    return sheet(in_rows(cells, 3))


def main(arguments: list[str] | None = None) -> None:
    """Make the record and its pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for option, needed in (("squeezenet", True), ("vgg19-partial", True), ("vgg19", False),
                           ("vgg16", False)):  # fmt: skip
        parser.add_argument(f"--{option}", required=needed, help="a file, or torchvision")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder (default: %(default)s)")
    parser.add_argument("--record", type=Path, default=RECORD, help="(default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/real_networks"))
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args(arguments)
    entries = {
        key: entry._replace(file=getattr(chosen, key, None))
        for key, entry in ENTRIES.items()
        if key in ALWAYS or getattr(chosen, key, None)
    }
    make(Runs(chosen.cache, chosen.jobs), entries, chosen.out, chosen.record)


def make(runs: Runs, entries: dict[str, Entry], out: Path, record: Path) -> None:
    """Run whatever has not been run yet, and write the record and the sheets."""
    costs = runs.many({f"cost-{key}": (cost, entry) for key, entry in entries.items()})
    rebuilt = runs.many(
        {f"rebuild-{key}-{layer}": (rebuild, entries[key], layer) for key, layer in rungs(entries)}
    )
    textures = runs.many({f"texture-{key}": (texture, e) for key, e in entries.items()})
    defaults = runs.many(
        {f"{DEFAULT}-{pair[0]}": (paint, ENTRIES["petite"], pair, 1.0) for pair in PAIRS}
    )
    rows = compare(runs, entries)
    for row in rows:
        row["drift"] = opinions(runs, entries, row)
        image, photo = load_image(runs.picture(row["picture"])), photograph(row["content"], SIZE)
        row["colours_left"] = colours_left(image, photo, load_image(row["style"], size=SIZE))
    sheets = {
        f"pair_{content}": pair_sheet(
            runs, entries, [row for row in rows if row["content"] == content]
        )
        for content, _ in PAIRS
    } | {
        "crops": crop_sheet(runs, entries, rows),
        "ladder": ladder_sheet(runs, entries),
        "textures": texture_sheet(runs, entries),
    }
    out.mkdir(parents=True, exist_ok=True)
    pictures = []
    for name, page in sheets.items():
        page.save(out / f"{name}.jpg", quality=QUALITY, optimize=True)
        pictures.append(
            {"file": f"{name}.jpg", "size": page.size, "sha256": sha256(out / f"{name}.jpg")}
        )
    found = {
        "settings": settings(),
        "networks": {key: card(entry, costs[f"cost-{key}"]) for key, entry in entries.items()},
        "rows": [
            {k: rounded(v) if isinstance(v, float) else v for k, v in row.items() if k != "picture"}
            for row in rows
        ],
        "apart": apart(runs, rows),
        "default_prices": {
            pair[0]: rounded(defaults[f"{DEFAULT}-{pair[0]}"]["price"]) for pair in PAIRS
        },
        "ladder": [
            {"network": key, "layer": layer} | rebuilt[f"rebuild-{key}-{layer}"]
            for key, layer in rungs(entries)
        ],
        "textures": {key: textures[f"texture-{key}"]["left"] for key in entries},
        "pictures": pictures,
        "made": {
            "on": datetime.now(UTC).date().isoformat(),
            "command": "python tools/real_networks.py",
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(*(out / picture["file"] for picture in pictures), record, sep="\n")


if __name__ == "__main__":
    main()
