"""A breaking wave as a colour woodcut: flat inks, carved lines, foam claws, grained paper.

A wave is a family of flow lines that start along the sea floor and all run to the tip of the
crest. Bands between flow lines are printed in flat inks; between them run thin tapered cuts. Foam
is laid over it in scallops and claws. One image holds the colour blocks, another the key block,
which prints the contours last. Paper and wood leave their grain in the inks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.interpolate import CubicSpline

from .canvas import (
    MAX_BYTE,
    WIDTH,
    blend,
    grid,
    mix,
    rgb,
    smooth_noise,
    smoothstep,
    to_bytes,
    unit,
)

TITLE = "Wave with Red Sun"
ALT = (
    "A tall striped blue wave with claws of white foam curls over a small snowy mountain; a red "
    "sun stands in a pale sky of carved lines, in the manner of a colour woodcut."
)
SEED = 1831
HEIGHT = 384
SCALE = 3  # block pixels per picture pixel: contours are thin and need smooth edges
HORIZON = 286
SUN = (408, 104, 50)

UNDERSIDE = 5.5  # how far the foam reaches back under the lip, in foam sizes
PAPER, FOAM, INK = "f1e1bb", "f6ecd2", "14213d"
BLUES = ("14407a", "2b74b4", "12356c", "5fb0c4", "1a5598", "dfe4cc", "2468ae", "0f2f62", "86c4cc")


@dataclass(frozen=True)
class Wave:
    """Control points in px: the back and the face, both ending at the tip, and where lines start.

    ``starts`` leads from the beginning of the face to the beginning of the back.
    """

    back: tuple[tuple[float, float], ...]
    face: tuple[tuple[float, float], ...]
    starts: tuple[tuple[float, float], ...]
    bands: int
    foam: float  # size of the foam, px

    def flow_line(self, share: float, count: int = 120) -> np.ndarray:
        """The flow line (count, 2) at ``share``: 0 is the face, 1 the back."""
        back, face = spline(self.back, count), spline(self.face, count)
        line = (1 - share) * face + share * back
        start = spline(self.starts, 101)[round(100 * share)]
        remaining = np.linspace(1, 0, count)[:, None] ** 1.6
        return line + remaining * (start - line[0])


GREAT = Wave(
    back=(
        (-30, 176),
        (40, 132),
        (104, 78),
        (170, 44),
        (232, 40),
        (286, 66),
        (318, 112),
        (318, 150),
    ),
    face=(
        (540, 330),
        (440, 344),
        (352, 330),
        (284, 292),
        (240, 236),
        (228, 176),
        (258, 134),
        (318, 150),
    ),
    starts=((540, 330), (480, 420), (300, 440), (80, 440), (-60, 360), (-30, 176)),
    bands=17,
    foam=15.0,
)
NEAR = Wave(
    back=((540, 300), (500, 312), (462, 306), (424, 292), (386, 296), (362, 322)),
    face=((150, 410), (250, 396), (330, 388), (380, 368), (392, 340), (362, 322)),
    starts=((150, 410), (300, 450), (470, 430), (560, 370), (540, 300)),
    bands=9,
    foam=9.0,
)


def paint() -> np.ndarray:
    """The picture: uint8 (384, 512, 3)."""
    rng = np.random.default_rng(SEED)
    blocks = Blocks(_sky(rng))
    _print_mountain(blocks)
    for wave in (GREAT, NEAR):
        _print_water(blocks, wave, rng)
        _print_foam(blocks, wave, rng)
    _print_spray(blocks, rng)
    return _pull(blocks, rng)


# --------------------------------------------------------------------------------- blocks
class Blocks:
    """The colour blocks and the key block, ``SCALE`` times as large as the picture."""

    def __init__(self, ground: np.ndarray) -> None:
        """Start from a ground (HEIGHT, WIDTH, 3) without contours."""
        size = (WIDTH * SCALE, HEIGHT * SCALE)
        self.colour = Image.fromarray(to_bytes(ground)).resize(size, Image.Resampling.BICUBIC)
        self.key = Image.new("L", size)
        self._colour_pen, self._key_pen = ImageDraw.Draw(self.colour), ImageDraw.Draw(self.key)

    def area(self, outline: np.ndarray, code: str) -> None:
        """Print an area (K, 2) in one ink; contours below it disappear."""
        corners = [tuple(point) for point in (np.asarray(outline) * SCALE).tolist()]
        self._colour_pen.polygon(corners, fill=f"#{code}")
        self._key_pen.polygon(corners, fill=0)

    def cut(self, line: np.ndarray, width: float) -> None:
        """A contour along ``line`` (K, 2), thin at both ends."""
        corners = ribbon(line, width * taper(len(line))) * SCALE
        self._key_pen.polygon([tuple(point) for point in corners.tolist()], fill=MAX_BYTE)

    def outlined(self, outlines: Iterable[np.ndarray], code: str, width: float) -> None:
        """Areas of one ink that run together, with a contour around all of them."""
        outlines = [np.asarray(outline) * SCALE for outline in outlines]
        for outline in outlines:
            closed = [tuple(point) for point in [*outline.tolist(), *outline[:2].tolist()]]
            self._key_pen.line(closed, fill=MAX_BYTE, width=round(2 * width * SCALE), joint="curve")
        for outline in outlines:
            self.area(outline / SCALE, code)


def spline(points: Iterable[tuple[float, float]], count: int) -> np.ndarray:
    """A smooth curve (count, 2) through the points, at equal steps of their distance."""
    points = np.asarray(points, dtype=float)
    distance = np.append(0, np.cumsum(np.hypot(*np.diff(points, axis=0).T)))
    return CubicSpline(distance, points)(np.linspace(0, distance[-1], count))


def ribbon(line: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The outline (2K, 2) of a line (K, 2) with its width (K,) at every point."""
    tangent = unit(np.gradient(line, axis=0))
    offset = np.stack([-tangent[:, 1], tangent[:, 0]], axis=-1) * width[:, None] / 2
    return np.concatenate([line + offset, (line - offset)[::-1]])


def taper(count: int) -> np.ndarray:
    """Widths (count,) of a carved line: it swells from nothing and runs out again."""
    return np.sin(np.pi * np.linspace(0, 1, count)) ** 0.5


def disc(x: float, y: float, radius: float) -> np.ndarray:
    """A circle's outline (24, 2)."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.array([x, y]) + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


# ------------------------------------------------------------------------------------ sky
def _sky(rng: np.random.Generator) -> np.ndarray:
    """Graded inks, a red sun and the far sea, under drifting carved lines."""
    x, y = grid(HEIGHT)
    drift = y + 7 * np.sin(x / 60 + y / 37) + 5 * smooth_noise(rng, x.shape, 60)
    sky = blend(y / HORIZON, rgb("5f8fae", "a9c4b8", PAPER, "f3cf9a", "e8a074"))
    sx, sy, radius = SUN
    red = blend((y - sy) / (2 * radius) + 0.5, rgb("c8281e", "dd4a2a", "ee8a4a"))
    sun = smoothstep(1, -1, np.hypot(x - sx, y - sy) - radius)
    sky = mix(sky, red, sun)
    depth = np.clip((y - HORIZON) / 60, 0, 1)
    sky = np.where((y > HORIZON)[..., None], blend(depth, rgb("7fb0b8", "3f7aa4", "2a5a90")), sky)
    weight = np.clip(0.14 + 0.09 * smooth_noise(rng, x.shape, 42), 0.03, 0.26)
    inks = blend(y / HORIZON, rgb("24568c", "4f8c9c", "c09a5c", "cf7a46", "b04a3a"))
    inks = mix(inks, blend(sun, rgb("1f4a80", "9c1a1c")), np.maximum(sun, y > HORIZON))
    return mix(sky, inks, 0.8 * _carved(drift / 7.0, weight))


def _carved(phase: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Cover (H, W) of carved lines at whole ``phase``: they swell and end as ``weight`` does."""
    fine_phase, fine_weight = (ndimage.zoom(part, SCALE, order=1) for part in (phase, weight))
    cut = np.abs(fine_phase - np.rint(fine_phase)) < fine_weight
    rows, columns = phase.shape
    return cut.reshape(rows, SCALE, columns, SCALE).mean(axis=(1, 3))


def _print_mountain(blocks: Blocks) -> None:
    """A far mountain with a cap of snow and its carved slopes."""
    slope = spline(
        [(318, 290), (372, 268), (404, 236), (414, 232), (424, 237), (462, 268), (530, 290)], 60
    )
    blocks.outlined([slope], "45618c", 0.7)
    snow = [(398, 243), (404, 236), (414, 232), (424, 237), (433, 247), (426, 250), (420, 245)]
    blocks.outlined([np.array([*snow, (413, 253), (407, 245)])], FOAM, 0.6)
    for x in np.arange(380, 460, 7):
        reach = 24 - abs(x - 415) * 0.22
        start = 257 + abs(x - 415) * 0.36
        end_x = x + 0.4 * (x - 415)
        blocks.cut(
            spline([(x, start), ((x + end_x) / 2, start + reach / 2), (end_x, start + reach)], 12),
            1.6,
        )


# ---------------------------------------------------------------------------------- water
def _print_water(blocks: Blocks, wave: Wave, rng: np.random.Generator) -> None:
    """Bands of ink between flow lines, their contours, and finer cuts within them."""
    shares = np.linspace(0, 1, wave.bands + 1)
    shares[1:-1] += rng.uniform(-0.25, 0.25, wave.bands - 1) / wave.bands
    flow = [wave.flow_line(share) for share in shares]
    for i, (low, high) in enumerate(pairwise(flow)):
        blocks.area(np.concatenate([low, high[::-1]]), BLUES[i % len(BLUES)])
    for low, high in pairwise(flow):
        for part in np.arange(0.125, 1.0, 0.125):
            first, last = int(rng.integers(0, 40)), int(rng.integers(45, 112))
            blocks.cut((low + part * (high - low))[first:last], 1.4)
    for line in flow:
        blocks.cut(line, 2.6)


def _print_foam(blocks: Blocks, wave: Wave, rng: np.random.Generator) -> None:
    """Streaks that run up the wave, then two rows of foam along its lip, the lower one clawed."""
    for share in np.linspace(0.45, 0.96, 7):
        line = wave.flow_line(share)[int(rng.integers(44, 66)) : 118]
        width = 0.9 * wave.foam * np.linspace(0, 1, len(line)) ** 1.5 * (1.2 - share * 0.4)
        blocks.outlined([ribbon(line, width)], FOAM, 0.7)
    back, face = wave.flow_line(1.0)[46:], wave.flow_line(0.0)[::-1]
    from_tip = np.append(0, np.cumsum(np.hypot(*np.diff(face, axis=0).T)))
    lip = Lip(np.concatenate([back, face[1:][from_tip[1:] < UNDERSIDE * wave.foam]]), len(back))
    _print_row(blocks, lip, wave.foam, 0.2, rng, clawed=True)
    _print_row(blocks, lip, 0.72 * wave.foam, 1.0, rng, clawed=False)


class Lip:
    """The line of foam around the tip: places, inward normals, and the way to the tip."""

    def __init__(self, line: np.ndarray, tip: int) -> None:
        """``line`` (K, 2) runs along the back to its point ``tip``, then back under the lip."""
        tangent = unit(np.gradient(line, axis=0))
        bend = tangent[:-1, 0] * tangent[1:, 1] - tangent[:-1, 1] * tangent[1:, 0]
        self.line = line
        self.turn = np.sign(bend.sum())  # 1 where the wave breaks to the right, -1 to the left
        self.inward = self.turn * np.stack([-tangent[:, 1], tangent[:, 0]], axis=-1)
        self.to_tip = np.where(np.arange(len(line))[:, None] < tip, tangent, -tangent)
        self.size = np.minimum(1, 1.15 * np.sqrt(np.arange(len(line)) / tip))

    def places(self, rng: np.random.Generator, gap: float) -> np.ndarray:
        """Indices of places along the lip about ``gap`` px apart."""
        distance = np.append(0, np.cumsum(np.hypot(*np.diff(self.line, axis=0).T)))
        wanted = np.arange(gap / 2, distance[-1], gap) + rng.uniform(-0.2, 0.2) * gap
        return np.searchsorted(distance, wanted).clip(0, len(self.line) - 1)


def _print_row(
    blocks: Blocks, lip: Lip, foam: float, depth: float, rng: np.random.Generator, *, clawed: bool
) -> None:
    """One row of scallops, ``depth`` foam sizes inside the lip, with one contour around all."""
    shapes, curls = [ribbon(lip.line + depth * foam * lip.inward, 1.1 * foam * lip.size)], []
    for i in lip.places(rng, 0.8 * foam):
        radius = foam * lip.size[i] * rng.uniform(0.55, 0.8)
        centre = lip.line[i] + (depth + rng.uniform(-0.2, 0.3)) * foam * lip.inward[i]
        shapes.append(disc(*centre, radius))
        curls.append(disc(*centre, 0.62 * radius)[int(rng.integers(0, 6)) :][:13])
        ahead = 0.8 * lip.to_tip[i] - lip.inward[i]
        heading = np.arctan2(ahead[1], ahead[0])
        for spread in (-0.5, 0.6) if clawed else ():
            angle = heading + spread + rng.uniform(-0.5, 0.5)
            length = foam * lip.size[i] * rng.uniform(1.9, 3.1)
            shapes.append(_claw(centre, angle, length, 0.8 * radius, lip.turn))
    blocks.outlined(shapes, FOAM, 0.8)
    for curl in curls:
        blocks.cut(curl, 1.2)


def _claw(base: np.ndarray, heading: float, length: float, width: float, turn: float) -> np.ndarray:
    """The outline of a hook from ``base`` that bends by two radians towards ``turn``."""
    angle = heading + turn * np.linspace(0, 2.0, 14)
    steps = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * length / 14
    line = base + np.cumsum(steps, axis=0)
    return ribbon(line, width * np.linspace(1, 0, 14) ** 0.8 + 0.3)


def _print_spray(blocks: Blocks, rng: np.random.Generator) -> None:
    """Drops thrown ahead of the great wave."""
    for _ in range(90):
        angle, far = rng.uniform(-1.9, 1.0), abs(rng.normal(0, 46)) + 30
        x, y = 296 + far * np.cos(angle) * 1.2, 112 + far * np.sin(angle)
        if y < HORIZON - 20:
            blocks.outlined([disc(x, y, rng.uniform(0.9, 2.6))], FOAM, 0.45)


# --------------------------------------------------------------------------------- print
def _pull(blocks: Blocks, rng: np.random.Generator) -> np.ndarray:
    """Print the blocks on paper: wood grain in the inks, fibres in the paper, then the key."""
    size = (WIDTH, HEIGHT)
    colour = np.asarray(blocks.colour.resize(size, Image.Resampling.LANCZOS)) / MAX_BYTE
    key = np.asarray(blocks.key.resize(size, Image.Resampling.LANCZOS)) / MAX_BYTE
    grain = ndimage.gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), (0.8, 16))
    blotches = smooth_noise(rng, (HEIGHT, WIDTH), 24)
    worn = np.clip(0.10 + 0.07 * grain / grain.std() + 0.04 * blotches, 0, 0.4)
    printed = mix(colour, np.broadcast_to(rgb(PAPER)[0], colour.shape), worn)
    fibres = ndimage.gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), 0.9)
    printed = printed * (1 + 0.022 * fibres / fibres.std())[..., None]
    ink = np.broadcast_to(rgb(INK)[0], printed.shape)
    return to_bytes(mix(np.clip(printed, 0, 1), ink, 0.94 * key * (1 - 0.5 * worn)))
