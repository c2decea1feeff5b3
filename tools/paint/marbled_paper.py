"""Marbled paper: drops of colour on a bath, drawn out with rakes, a comb and a stylus.

Nothing flows here: every step of the craft is a formula that says where a point of the surface
goes (Lu, Jaffer, Jin, Zhao and Mao, "Mathematical Marbling", IEEE Computer Graphics and
Applications 32(6), 2012). All of them can be inverted exactly. So each pixel is followed
backwards through the steps, last one first, until it lies within a drop just fallen: that is
its colour.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .canvas import WIDTH, rgb
from .shapes import Array, cloud, fine_grid, finish, leaning

TITLE = "Combed paper"
ALT = (
    "A sheet of marbled paper: fine veins of indigo, vermilion, teal, gold and cream, combed into "
    "rows of feathered arches and turned into large curls."
)
SEED = 1586
HEIGHT = 416
MARGIN = 70.0  # the bath is larger than the sheet, px

# Colours in the order in which they are thrown: code, number of drops, smallest and largest px.
THROWS = (
    ("142a6b", 24, 44, 66),
    ("f7ecd2", 24, 22, 38),
    ("c3201f", 30, 36, 54),
    ("f6b93b", 28, 20, 34),
    ("0d7f86", 28, 32, 48),
    ("fbf3df", 32, 12, 24),
    ("1d4fae", 24, 26, 40),
    ("f07a2a", 30, 16, 28),
    ("9c1433", 22, 24, 38),
    ("f9c23c", 24, 12, 22),
    ("fff6e0", 46, 7, 15),
)
Drop = tuple[float, float, float, Array]  # x, y, radius, colour
BATH = rgb("0d1b46")[0]


@dataclass(frozen=True)
class Rake:
    """Teeth `spacing` px apart drawn along a straight line at `angle` for `pull` px.

    Colour between the teeth is dragged less, by half at every `reach` px from a tooth.
    """

    angle: float
    spacing: float
    pull: float
    reach: float
    offset: float = 0.0

    def undo(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Where the points x, y were before."""
        dx, dy = np.cos(self.angle), np.sin(self.angle)
        across = (x * -dy + y * dx - self.offset) / self.spacing
        tooth = np.abs(across - np.round(across)) * self.spacing
        pull = self.pull * 0.5 ** (tooth / self.reach)
        return x - pull * dx, y - pull * dy


@dataclass(frozen=True)
class Wave:
    """The whole rake sways: points move sideways to `angle` by a sine of their place along it."""

    angle: float
    length: float
    height: float

    def undo(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Where the points x, y were before."""
        dx, dy = np.cos(self.angle), np.sin(self.angle)
        sway = self.height * np.sin(2 * np.pi * (x * dx + y * dy) / self.length)
        return x + sway * dy, y - sway * dx


@dataclass(frozen=True)
class Curl:
    """A stylus turned around `centre`: the middle by `turn` radians, half of it at `reach` px."""

    centre: tuple[float, float]
    turn: float
    reach: float

    def undo(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Where the points x, y were before."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        angle = -self.turn * 0.5 ** ((dx * dx + dy * dy) / self.reach**2)
        cos, sin = np.cos(angle), np.sin(angle)
        return self.centre[0] + cos * dx - sin * dy, self.centre[1] + sin * dx + cos * dy


TOOLS = (
    Rake(angle=0.0, spacing=84, pull=80, reach=24),
    Rake(angle=np.pi, spacing=84, pull=80, reach=24, offset=42),
    Rake(angle=np.pi / 2, spacing=26, pull=52, reach=5),
    Wave(angle=np.pi / 2, length=190, height=7),
    Curl((120, 120), 2.3, 58),
    Curl((395, 105), -2.3, 58),
    Curl((258, 235), -2.7, 64),
    Curl((105, 330), 2.2, 54),
    Curl((420, 320), 2.4, 58),
)


def throw_drops(rng: np.random.Generator) -> list[Drop]:
    """All drops (x, y, radius, colour) in the order in which they fall."""
    drops = []
    for code, count, smallest, largest in THROWS:
        x = rng.uniform(-MARGIN, WIDTH + MARGIN, count)
        y = rng.uniform(-MARGIN, HEIGHT + MARGIN, count)
        radius = rng.uniform(smallest, largest, count)
        drops += [(*drop, rgb(code)[0]) for drop in zip(x, y, radius, strict=True)]
    return drops


def look_up(drops: list[Drop], x: Array, y: Array) -> tuple[Array, Array]:
    """Colour (N, 3) at points (N,) of the bath, and their place in the drop: 0 middle, 1 edge.

    A drop of radius r pushes a point at distance d outwards to sqrt(d^2 + r^2): the area of
    what it pushes is kept. Backwards, d becomes sqrt(d^2 - r^2); inside r the drop itself is seen.
    """
    colour, place = np.tile(BATH, (len(x), 1)), np.zeros(len(x))
    open_points = np.arange(len(x))
    for drop_x, drop_y, radius, drop_colour in reversed(drops):
        dx, dy = x - drop_x, y - drop_y
        share = (dx * dx + dy * dy) / radius**2
        hit = share < 1
        colour[open_points[hit]] = drop_colour
        place[open_points[hit]] = share[hit]
        miss = ~hit
        open_points = open_points[miss]
        back = np.sqrt(1 - 1 / share[miss])
        x, y = drop_x + dx[miss] * back, drop_y + dy[miss] * back
    return colour, place


def marble(drops: list[Drop], streaks: Array, x: Array, y: Array) -> Array:
    """The sheet (H, W, 3) seen at points x, y (H, W); `streaks` is noise that lay on the bath."""
    shape = x.shape
    for tool in reversed(TOOLS):
        x, y = tool.undo(x, y)
    colour, place = look_up(drops, x.ravel(), y.ravel())
    drawn_out = ndimage.map_coordinates(streaks, [2 * y, 2 * x], order=1, mode="grid-wrap")
    density = 1.05 - 0.2 * place.reshape(shape) ** 3 + 0.09 * drawn_out
    return colour.reshape(*shape, 3) * density[..., None]


def paint() -> np.ndarray:
    """The picture, uint8 (416, 512, 3)."""
    rng = np.random.default_rng(SEED)
    drops = throw_drops(rng)
    x, y = fine_grid(HEIGHT)
    streaks = cloud(rng, x.shape, 9)
    # Two samples per pixel, on its diagonal: veins are often thinner than a pixel.
    sheet = sum(marble(drops, streaks, x + shift, y + shift) for shift in (-0.125, 0.125)) / 2
    paper = cloud(rng, x.shape, 2.5) + cloud(rng, x.shape, 6)
    light = 1 + 0.05 * leaning(ndimage.gaussian_filter(paper, 1), 0.75 * np.pi)
    light += 0.03 * cloud(rng, x.shape, 60)
    return finish(ndimage.gaussian_filter(sheet, (0.5, 0.5, 0)) * light[..., None])
