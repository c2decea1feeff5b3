"""Hills in mist, hatched in ink over washes of indigo and sepia, with a red sun.

The picture is printed from back to front: sky, sun, five ranges of hills, a lake, a near bank
with pines. Each form has a *phase*, a smooth height over the picture; its whole numbers are ink
lines, as contours on a map. Where a form is dark the lines are thick, where it is light or in
mist they grow thin and end: an engraver's way to make every tone from one ink.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .canvas import rgb, smoothstep
from .shapes import Array, cloud, cover, fine_grid, finish, glaze, lay, leaning, ramp

TITLE = "Red sun over misty hills"
ALT = (
    "An ink landscape: a red sun in a sky of flowing lines above ranges of hatched indigo hills "
    "that sink into pale mist, a lake, and dark pines on the near bank."
)
SEED = 1831
HEIGHT = 448
SUN = (338.0, 92.0)
SUN_RADIUS = 40.0
STREAM_GAP = 43.0  # the lines of the sky part around a circle of this radius, px
SKY_GAP = 6.4  # between two lines of the sky, px
SHORE = 352.0  # where the lake begins, px from the top

PAPER = rgb("f6e7c6", "f3d3a4", "e9b98a")
RED = rgb("d8321c", "e8572a")
WASH = rgb("93b4cf", "6d97c0", "4a78ab", "43618f", "4d4a6a", "4a3037")
INK = rgb("2f5590", "244679", "1b3563", "1a2547", "22172a", "1a1420")
BARE = rgb("b08a5a")[0]  # dry earth between the lines of the near bank


@dataclass(frozen=True)
class Range:
    """A range of hills: the height of its skyline, how far it moves, and the gap of its lines."""

    skyline: float
    relief: float
    wide: float
    gap: float
    depth: float  # px below the skyline until mist has swallowed it


RANGES = (
    Range(skyline=168, relief=30, wide=46, gap=5.4, depth=70),
    Range(skyline=205, relief=32, wide=60, gap=6.0, depth=78),
    Range(skyline=246, relief=28, wide=52, gap=6.6, depth=84),
    Range(skyline=285, relief=24, wide=74, gap=7.2, depth=80),
    Range(skyline=322, relief=17, wide=60, gap=7.8, depth=90),
)


def hatch(phase: Array, tone: Array) -> Array:
    """Ink (H, W) in [0, 1]: lines where `phase` is whole, `tone` (0 to 1) of the gap wide."""
    to_line = 2 * np.abs(phase - np.round(phase))
    down, right = np.gradient(phase)
    pixel = 1.5 * np.clip(np.hypot(down, right), 1e-3, 0.5)
    return smoothstep(tone + pixel, tone - pixel, to_line) * smoothstep(0.02, 0.12, tone)


def paint_sky(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Paper, a warm wash, the sun, and lines that flow past it as a stream past a pillar."""
    shape = x.shape
    to_sun = np.hypot(x - SUN[0], y - SUN[1])
    clouds = cloud(rng, shape, 130, 36)
    parting = 1 - (STREAM_GAP / np.maximum(to_sun, STREAM_GAP)) ** 2
    stream = ((y - SUN[1]) + 13 * clouds) * parting / SKY_GAP
    glow = np.exp(-((to_sun / 130) ** 2))
    sky = ramp(PAPER, 0.1 + 0.9 * glow + 0.12 * clouds)
    sky = glaze(sky, WASH[0], 0.75 * smoothstep(170, 0, y + 20 * clouds) * (1 - glow))
    tone = 0.3 + 0.13 * clouds + 0.08 * cloud(rng, shape, 60, 14) - 0.12 * glow
    tone *= smoothstep(250, 130, y) * smoothstep(STREAM_GAP, STREAM_GAP + 9, to_sun)
    sky = lay(sky, INK[1], 0.85 * hatch(stream, tone))
    sun = ramp(RED, 0.5 + (y - SUN[1]) / (2 * SUN_RADIUS) + 0.15 * clouds)
    low = (y - SUN[1]) / SUN_RADIUS
    sun = lay(sun, rgb("9a1512")[0], 0.75 * hatch((y + 2 * clouds) / SKY_GAP, 0.28 + 0.16 * low))
    return lay(sky, sun, cover(to_sun - SUN_RADIUS + 0.25 * cloud(rng, shape, 9), 1.6))


def skyline(rng: np.random.Generator, shape: tuple[int, int], hills: Range) -> Array:
    """Height of the skyline (W,) in px: broad hills, peaks upon them, and small crags."""
    noise = [cloud(rng, (1, shape[1]), hills.wide * size)[0] for size in (1.6, 0.7, 0.16)]
    peaks = np.sqrt(noise[1] ** 2 + 0.05) - 0.8
    return hills.skyline + hills.relief * (0.75 * noise[0] + 0.6 * peaks + 0.07 * noise[2])


def paint_range(picture: Array, rng: np.random.Generator, x: Array, y: Array, number: int) -> Array:
    """One range of hills over the picture; `number` 0 is the farthest."""
    hills, shape = RANGES[number], x.shape
    below = y - skyline(rng, shape, hills)
    spurs = cloud(rng, shape, 0.55 * hills.wide, 2.2 * hills.wide)
    folds = spurs + 0.4 * cloud(rng, shape, 0.2 * hills.wide, hills.wide)
    bend = 11 * folds * smoothstep(0, 30, below)
    mist = smoothstep(hills.depth, 0.1 * hills.depth, below + 10 * cloud(rng, shape, 110, 26))
    shade = np.tanh(0.6 * hills.wide * leaning(ndimage.gaussian_filter(folds, 2), np.pi - 0.5))
    tone = (0.4 - 0.3 * shade + 0.4 * np.exp(-np.maximum(below, 0) / 5)) * mist
    solid = cover(-below, 1.2)
    near_sun = np.exp(-(((x - SUN[0]) / 190) ** 2))
    veil = lay(picture, ramp(PAPER, 0.75 * near_sun), solid * (0.9 - 0.2 * mist))
    pool = np.clip(0.66 + 0.14 * cloud(rng, shape, 40) - 0.36 * shade, 0, 1)
    washed = lay(veil, ramp(WASH[number : number + 2], pool), solid * mist * (0.45 + 0.55 * pool))
    lines = hatch((below + bend) / hills.gap, tone)
    return lay(washed, INK[number], solid * lines)


def paint_lake(picture: Array, rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Still water: level lines, broken by ripples, and the sun's red on it."""
    shape = x.shape
    ripples = cloud(rng, shape, 70, 7)
    depth = np.maximum(y - SHORE, 0)
    water = ramp(rgb("f6e3bd", "c3cdcf", "6f92b0"), 0.15 + depth / 90 + 0.12 * ripples)
    glitter = np.exp(-(((x - SUN[0] + 14 * ripples) / (22 + 0.3 * depth)) ** 2))
    water = lay(water, RED[1], 0.8 * glitter * smoothstep(-0.9, 0.5, ripples))
    phase = (y + 2.5 * ripples) / 5.6
    tone = (0.2 + 0.2 * ripples + depth / 320) * (1 - 0.6 * glitter)
    water = lay(water, INK[2], 0.9 * hatch(phase, np.clip(tone, 0, 0.7)))
    return lay(picture, water, smoothstep(SHORE - 6, SHORE + 6, y + 3 * ripples))


def pine(x: Array, y: Array, foot: tuple[float, float], tall: float) -> Array:
    """Signed distance (roughly) to a pine: boughs in tiers that droop, wider towards the foot."""
    aside = np.abs(x - foot[0])
    down = (y - (foot[1] - tall)) / tall
    tiers = down * tall / 11 - aside / 15 + 0.2 * np.sin(x * 0.9)
    half = tall * 0.25 * np.clip(down, 0, 1) ** 0.8 * (0.35 + 0.65 * (tiers % 1))
    return np.where((down > 0) & (down < 1.1), aside - half, tall)


def paint_bank(picture: Array, rng: np.random.Generator, x: Array, y: Array) -> Array:
    """The near bank and its pines: the darkest ink of the picture."""
    shape = x.shape
    dip = 46 * np.exp(-(((x - 290) / 95) ** 2))
    below = y - 408 - dip - 7 * cloud(rng, shape, 60, 600)
    blades = cloud(rng, shape, 4, 22)
    bank = -below - 3 * blades
    pines = np.full(shape, np.inf)
    for place in (*rng.uniform(-5, 150, 8), *rng.uniform(415, 520, 7)):
        foot = (place, 436 + rng.uniform(-14, 8))
        pines = np.minimum(pines, pine(x, y, foot, rng.uniform(55, 150)))
    black = np.broadcast_to(INK[5], picture.shape)
    bare = hatch((below + 5 * blades) / 7, 0.42 + 0.16 * blades)
    needles = hatch((y - 0.5 * np.abs(x % 40 - 20) + 2 * blades) / 6.5, 0.2 + 0.12 * blades)
    picture = lay(picture, lay(black, BARE, 0.9 * bare), cover(bank, 1.4))
    return lay(picture, lay(black, WASH[4], 0.8 * needles), cover(pines + 0.9 * blades, 1.4))


def paint() -> np.ndarray:
    """The picture, uint8 (448, 512, 3)."""
    rng = np.random.default_rng(SEED)
    x, y = fine_grid(HEIGHT)
    picture = paint_sky(rng, x, y)
    for number in range(len(RANGES)):
        picture = paint_range(picture, rng, x, y, number)
    picture = paint_lake(picture, rng, x, y)
    picture = paint_bank(picture, rng, x, y)
    fibres = leaning(cloud(rng, x.shape, 7, 1.5) + cloud(rng, x.shape, 1.5, 7), 0.75 * np.pi)
    return finish(picture * (1 + 0.02 * fibres + 0.02 * cloud(rng, x.shape, 50))[..., None])
