"""A leaded window: a rising sun, hills and a river between two branches in leaf.

Every pixel gets a label, the number of the pane of glass that it belongs to. The regions of the
design (sky, sun, hills, river, leaves, border) are cut one over the other, each into the Voronoi
cells of its own seeds; the plane is bent first, so that cells follow rays, slopes and water.
Lead lies where labels change. Every pane is cut from its own turned sheet of streaky glass.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from .canvas import blend, rgb, smoothstep
from .shapes import Array, Place, almond, cloud, disc, fine_grid, finish, leaning, segment

TITLE = "Morning window"
ALT = (
    "A stained-glass window: a golden sun with flames rises over violet hills, green fields and a "
    "blue river, framed by two branches with green, amber and ruby leaves, in dark lead."
)
SEED = 1893
SIZE = 512
SUN = np.array([256.0, 186.0])
BORDER = 27.0
LEAD = 2.3  # half the width of the lead, px

SUN_GLASS = rgb("fff6c2", "ffdf55", "ffb71c", "ff9412")
FLAME_GLASS = rgb("ff9d12", "f4511e", "c8161d")
SKY_GLASS = rgb("ffd23f", "ff9a3d", "f2607a", "b44fb0", "5a57d6", "1d4fc4", "0d2f8c", "0a1f66")
FAR_GLASS = rgb("3b1f7a", "6f38b0", "b06fd8", "e6a3d8")
NEAR_GLASS = rgb("04504a", "0f8a5f", "6cbf3f", "e6d63a")
RIVER_GLASS = rgb("06307f", "0c6fc9", "2fb9de", "c6f4e4")
LEAF_GLASS = rgb("06502f", "1f9a3a", "a3d02a", "ffc21a", "ee4a1c", "a80f3a")
STEM_GLASS = rgb("4a1f10", "9a5218")
BORDER_GLASS = rgb("8a0a2c", "e0263a", "20248a", "2a63d0", "067a6a", "f0b020")

Bend = Callable[[Array, Array], tuple[Array, ...]]
Seeds = Sequence[Place] | Array
Tones = float | Sequence[float] | Array


class Window:
    """The panes cut so far: a label for every pixel, and two colours for every label."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.x, self.y = fine_grid(SIZE)
        self.labels = np.zeros(self.x.shape, dtype=int)
        self.glass = [np.zeros((2, 3))]

    def cut(self, region: Array, seeds: Seeds, palette: Array, tones: Tones, bend: Bend) -> None:
        """Cut `region` (H, W) into one pane per seed (x, y); `tones` in [0, 1] choose the glass.

        A pixel belongs to the seed that is nearest after `bend` has moved both.
        """
        seeds = np.asarray(seeds, dtype=float).reshape(-1, 2)
        pixels = np.stack(bend(self.x[region], self.y[region]), axis=-1)
        nearest = cKDTree(np.stack(bend(*seeds.T), axis=-1)).query(pixels)[1]
        self.labels[region] = len(self.glass) + nearest
        for tone in np.broadcast_to(tones, len(seeds)):
            ends = tone + self.rng.uniform(-0.06, 0.06) + self.rng.permutation([-0.13, 0.13])
            self.glass.append(blend(ends, palette))

    def bricks(self, top: float, bottom: float, wide: float, high: float) -> Array:
        """Seeds (N, 2) in rows like bricks, each moved a little at random."""
        x, y = np.meshgrid(np.arange(0.0, SIZE + wide, wide), np.arange(top, bottom + high, high))
        x[1::2] += wide / 2
        seeds = np.stack([x.ravel(), y.ravel()], axis=-1)
        return seeds + self.rng.uniform(-0.25, 0.25, seeds.shape) * (wide, high)


def flat(x: Array, y: Array) -> tuple[Array, ...]:
    """No bend: panes are plain Voronoi cells."""
    return x, y


def rays(x: Array, y: Array) -> tuple[Array, ...]:
    """Around the sun: a cylinder, whose cells are long along the rays."""
    radius = np.maximum(np.hypot(x - SUN[0], y - SUN[1]), 1e-9)
    return (x - SUN[0]) / radius, (y - SUN[1]) / radius, np.log(radius) * 0.55


def around_sun(radius: float, count: int, turn: float = 0.0) -> Array:
    """`count` seeds on a circle around the sun, turned by a share `turn` of their spacing."""
    angle = 2 * np.pi * (np.arange(count) + turn) / count
    return SUN + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def cut_sky(window: Window) -> None:
    """Panes along the rays, from gold near the sun to deep blue in the corners."""
    radii = 108 * 1.33 ** np.arange(6)
    seeds = np.concatenate([around_sun(r, 32, n % 2 / 2) for n, r in enumerate(radii)])
    seeds += window.rng.uniform(-6, 6, seeds.shape)
    tones = (np.hypot(*(seeds - SUN).T) - 90) / 205
    window.cut(np.ones(window.x.shape, dtype=bool), seeds, SKY_GLASS, tones, rays)


def cut_sun(window: Window) -> None:
    """Sixteen flames, then three discs, each on top of the last."""
    distance = disc(window.x, window.y, SUN, 0)
    angle = np.arctan2(window.y - SUN[1], window.x - SUN[0])
    tip = 2 * np.abs(angle / (2 * np.pi) * 16 % 1 - 0.5)
    window.cut(distance < 62 + 40 * tip**1.3, around_sun(70, 16), FLAME_GLASS, 0.45, rays)
    tones = np.arange(16) % 2 * 0.4 + 0.4
    window.cut(distance < 60, around_sun(45, 16, 0.5), SUN_GLASS, tones, rays)
    window.cut(distance < 31, around_sun(20, 8), SUN_GLASS, 0.2, rays)
    window.cut(distance < 12, SUN, SUN_GLASS, 0.0, rays)


def cut_hills(window: Window) -> None:
    """Far and near hills; their panes lie along the slopes."""

    def far(x: Array) -> Array:
        return 286 + 24 * np.sin(x / 58 + 2.2) + 9 * np.sin(x / 23)

    def near(x: Array) -> Array:
        return 338 + 27 * np.sin(x / 75 + 0.4)

    for ridge, palette, wide, high in ((far, FAR_GLASS, 44, 21), (near, NEAR_GLASS, 56, 22)):
        seeds = window.bricks(high / 2, 240, wide, high)
        tones = 1 - seeds[:, 1] / (80 if ridge is far else 160) + window.rng.uniform(-0.1, 0.1)
        seeds[:, 1] += ridge(seeds[:, 0])
        region = window.y > ridge(window.x)
        window.cut(region, seeds, palette, tones, lambda x, y, r=ridge: (x, 2 * (y - r(x))))


def cut_river(window: Window) -> None:
    """A river that winds and widens towards us, in long rippled panes."""
    depth = np.clip((window.y - 338) / (SIZE - 338), 0, 1)
    middle = 250 + 74 * np.sin(depth * 6.2 + 0.3) * (0.25 + 0.75 * depth)
    river = (np.abs(window.x - middle) < 7 + 92 * depth**1.5) & (window.y > 338)
    seeds = window.bricks(338, SIZE, 58, 14)
    tones = window.rng.uniform(0, 1, len(seeds))
    window.cut(river, seeds, RIVER_GLASS, tones, lambda x, y: (x, 2.6 * (y + 5 * np.sin(x / 17))))


def cut_branch(window: Window, side: int) -> None:
    """A stem up one side of the window (`side` is -1 left, 1 right), with leaves in pairs."""
    t = np.linspace(0, 1, 10)
    stem = np.stack([256 + side * (198 - 24 * np.sin(t * 7.5) - 46 * t**3), 500 - 462 * t], axis=-1)
    for number, (start, end) in enumerate(pairwise(stem)):
        heading = np.arctan2(*(end - start)[::-1])
        for hand in (-1, 1):
            tone = (number * 0.37 + hand * 0.21 + 0.5 * (side > 0)) % 1
            cut_leaf(window, end, heading + hand * window.rng.uniform(0.75, 1.1), tone)
        region = segment(window.x, window.y, start, end, 8) < 0
        window.cut(region, start, STEM_GLASS, 0.5, flat)


def cut_leaf(window: Window, root: Array, heading: float, tone: float) -> None:
    """One leaf of two panes, left and right of its midrib."""
    along = np.array([np.cos(heading), np.sin(heading)])
    tip = root + along * window.rng.uniform(54, 68)
    across = 8 * np.array([-along[1], along[0]])
    halves = (root + tip) / 2 + np.array([across, -across])
    leaf = almond(window.x, window.y, root, tip, 0.44) < 0
    window.cut(leaf, halves, LEAF_GLASS, [tone, tone + 0.12], flat)


def cut_border(window: Window) -> None:
    """A frame of small panes in the colours of jewels."""
    inset = np.minimum.reduce([window.x, SIZE - window.x, window.y, SIZE - window.y])
    places = np.linspace(BORDER / 2, SIZE - BORDER / 2, 15)
    edges = [(a, b) for a in places[[0, -1]] for b in places]
    seeds = edges + [(b, a) for a, b in edges if b in places[1:-1]]
    window.cut(inset < BORDER, seeds, BORDER_GLASS, np.arange(len(seeds)) * 2 % 5 / 4, flat)


def paint_glass(window: Window) -> Array:
    """The panes without lead (H, W, 3): two colours in streaks, and ripples that catch light."""
    rng, shape, count = window.rng, window.labels.shape, len(window.glass)
    streaks = cloud(rng, shape, 30, 3) + 0.9 * cloud(rng, shape, 70, 11)
    ripples = cloud(rng, shape, 10, 2.4)
    turn = rng.uniform(0, np.pi, count)[window.labels]
    shift = rng.uniform(0, 2 * SIZE, (2, count))[:, window.labels]
    row = 2 * (np.cos(turn) * window.y - np.sin(turn) * window.x) + shift[0]
    column = 2 * (np.sin(turn) * window.y + np.cos(turn) * window.x) + shift[1]
    streak = ndimage.map_coordinates(streaks, [row, column], order=1, mode="grid-wrap")
    ripple = ndimage.map_coordinates(ripples, [row, column], order=1, mode="grid-wrap")
    share = smoothstep(-1.5, 1.5, streak)[..., None]
    first, second = np.moveaxis(np.array(window.glass)[window.labels], -2, 0)
    return (first * (1 - share) + second * share) * (1 + 0.08 * ripple[..., None])


def distance_to_lead(labels: Array) -> Array:
    """Distance of every pixel to the nearest change of label, in finished pixels."""
    inside = np.ones(labels.shape, dtype=bool)
    inside[:, 1:] &= labels[:, 1:] == labels[:, :-1]
    inside[1:] &= labels[1:] == labels[:-1]
    return ndimage.gaussian_filter(ndimage.distance_transform_edt(inside) / 2, 1.2)


def add_lead(glass: Array, distance: Array) -> Array:
    """Round dark bars over the glass, lit from the upper left, and light that spills over them."""
    height = np.sqrt(np.clip(1 - (distance / LEAD) ** 2, 0, 1))
    shine = np.clip(2.5 * leaning(ndimage.gaussian_filter(height, 1), 0.75 * np.pi), 0, 1)
    lead = rgb("100e14") + shine[..., None] * rgb("c8d0e0")
    solid = smoothstep(LEAD + 0.6, LEAD - 0.6, distance)[..., None]
    window = glass * (1 - solid) + lead * solid
    halo = ndimage.gaussian_filter(window, (10, 10, 0))
    return 1 - (1 - np.clip(window, 0, 1)) * (1 - 0.22 * halo)


def paint() -> np.ndarray:
    """The picture, uint8 (512, 512, 3)."""
    window = Window(np.random.default_rng(SEED))
    for cut in (cut_sky, cut_sun, cut_hills, cut_river):
        cut(window)
    cut_branch(window, -1)
    cut_branch(window, 1)
    cut_border(window)
    distance = distance_to_lead(window.labels)
    dawn = np.exp(-((disc(window.x, window.y, SUN, 0) / 120) ** 2))
    glow = 0.7 + 0.5 * smoothstep(0, 12, distance) + 0.2 * dawn
    return finish(add_lead(paint_glass(window) * glow[..., None], distance))
