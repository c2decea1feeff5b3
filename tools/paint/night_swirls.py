"""A night sky in swirling strokes over dark hills: post-impressionist, thick paint.

The sky is the flow of a few vortices. Every stroke follows the flow, so that the moon and the
stars are ringed by strokes that turn around them; the colour of a stroke depends on which stream
line it lies on, so that neighbours form ribbons. Hills, a cypress and a village lie in front, each
with its own direction of stroke.
"""

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from .canvas import (
    WIDTH,
    Brush,
    Canvas,
    Layer,
    along,
    blend,
    fill,
    grid,
    lines,
    mix,
    rgb,
    smooth_noise,
    smoothstep,
    unit,
)

TITLE = "Night with Turning Stars"
ALT = (
    "A deep blue night sky of swirling brush strokes with glowing yellow stars and a crescent "
    "moon above dark hills, a small village with lit windows and a tall cypress."
)
SEED = 1889
HEIGHT = 400

# Vortices of the sky: x, y, radius (px), strength (its sign is the sense of rotation).
SWIRLS = np.array(
    [[300, 138, 62, 1.5], [212, 188, 44, -1.3], [96, 222, 40, 0.9], [352, 240, 34, -0.8]]
)
# Stars: x, y, radius of the glow.
STARS = np.array(
    [
        [196, 54, 27],
        [372, 62, 22],
        [266, 26, 16],
        [496, 60, 20],
        [36, 168, 24],
        [134, 146, 18],
        [396, 176, 26],
        [486, 206, 18],
        [318, 30, 12],
        [288, 228, 15],
    ]
)
MOON = np.array([84, 66, 48])

SKY = rgb("0b1a4a", "123a8c", "1f5fb8", "2d7fc4", "6fb0d2", "b9d8cf", "2a6cb8", "10307a")
GLOW = rgb("f6f0c0", "f8d84a", "f0b428", "d9d68a", "7fb8b4", "3a7fc0")
# Houses: left edge, base line, width and height of the wall, px; the far ones first.
HOUSES = ((92, 346, 26, 15), (178, 344, 24, 14), (254, 344, 28, 15), (296, 350, 24, 14),
          (128, 358, 36, 18), (196, 362, 38, 20), (326, 362, 34, 17), (262, 374, 40, 20),
          (88, 374, 28, 16), (160, 382, 34, 18))  # fmt: skip

WIDE_HOUSE = 30  # a house wider than this (px) has two windows and a tiled roof
CHURCH = [
    ([(222, 306), (222, 350), (236, 350), (236, 306)], "4a70a4"),
    ([(219, 306), (229, 250), (239, 306)], "27457f"),
]

HILLS = rgb("0d1d44", "153a6c", "22618a", "3f938c", "1a4276")
CYPRESS = rgb("07110f", "10241c", "1d3d24", "3d5426", "54401e")


def paint() -> np.ndarray:
    """The picture: uint8 (400, 512, 3)."""
    rng = np.random.default_rng(SEED)
    canvas = Canvas(HEIGHT, rgb("0f2350")[0], rng)
    _paint_sky(canvas, rng)
    _paint_land(canvas, rng)
    _paint_village(canvas, rng)
    _paint_cypress(canvas, rng)
    return canvas.finish(relief=0.55, gloss=0.12)


# ----------------------------------------------------------------------------------- sky
def _paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Three passes from broad to fine, then the bright cores of the lights."""
    stream = _stream(rng)
    field, picture = _circle_lights(along(stream)), _sky_colours(stream, rng)
    for layer in (
        Layer(9, 15, 60, 0.03, 0.015),
        Layer(6, 8, 46, 0.045, 0.02, Brush(streaks=0.7)),
        Layer(7.5, 5, 38, 0.07, 0.025, Brush(load=1.4, streaks=0.6)),
    ):
        fill(canvas, rng, layer, picture, field)
    _paint_cores(canvas, rng, field)


def _stream(rng: np.random.Generator) -> np.ndarray:
    """The stream function (HEIGHT, WIDTH): strokes run along its level lines."""
    x, y = grid(HEIGHT)
    stream = -0.55 * y + 9 * np.sin(x / 70 + y / 60) + 7 * smooth_noise(rng, x.shape, 60)
    lights = np.vstack([STARS, MOON])
    turning = np.column_stack([lights[:, :2], lights[:, 2] * 0.9, np.full(len(lights), 2.2)])
    for centre_x, centre_y, radius, strength in np.vstack([SWIRLS, turning]):
        distance = np.hypot(x - centre_x, y - centre_y) / radius
        stream = stream + strength * radius * np.exp(-(distance**2))
    return stream


def _circle_lights(field: np.ndarray) -> np.ndarray:
    """The field with true circles around every light, so that each halo closes."""
    x, y = grid(HEIGHT)
    for cx, cy, radius in [*STARS, MOON]:
        around = unit(np.stack([cy - y, x - cx], axis=-1))
        same_sense = np.where((around * field).sum(-1, keepdims=True) < 0, -around, around)
        share = smoothstep(1.7, 1.1, np.hypot(x - cx, y - cy) / radius)[..., None]
        field = unit(share * same_sense + (1 - share) * field)
    return field


def _sky_colours(stream: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blue ribbons along the stream lines, paler towards the horizon, and the glow of lights."""
    x, y = grid(HEIGHT)
    ribbon = 0.5 + 0.5 * np.sin(stream / 6.5 + smooth_noise(rng, x.shape, 40))
    depth = 0.30 * ribbon + 0.22 * smoothstep(60, 270, y) + 0.10 * smooth_noise(rng, x.shape, 70)
    swirl = sum(
        np.exp(-(((np.hypot(x - cx, y - cy) / radius) - 0.75) ** 2) / 0.18)
        for cx, cy, radius, _ in SWIRLS
    )
    picture = blend(np.clip(depth + 0.32 * swirl * ribbon, 0, 0.72), SKY)
    for cx, cy, radius in [*STARS, MOON]:
        distance = np.hypot(x - cx, y - cy) / radius
        rings = blend(distance * 0.8 + 0.10 * np.sin(distance * 14), GLOW)
        picture = mix(picture, rings, smoothstep(1.5, 0.75, distance))
    return picture


def _paint_cores(canvas: Canvas, rng: np.random.Generator, field: np.ndarray) -> None:
    """The hearts of the stars in thick round dabs, and the crescent of the moon."""
    x, y = grid(HEIGHT)
    for cx, cy, radius in STARS:
        heart = np.hypot(x - cx, y - cy) < 0.30 * radius
        fill(canvas, rng, Layer(3, 6, 9, 0.03, 0.02), _flat("fdf3c4"), field, heart)
    cx, cy, radius = MOON
    disc = np.hypot(x - cx, y - cy) < 0.56 * radius
    bite = np.hypot(x - cx - 0.25 * radius, y - cy + 0.11 * radius) < 0.44 * radius
    edge = along(np.hypot(x - cx, y - cy))
    fill(canvas, rng, Layer(4, 6, 14, 0.03, 0.02), _flat("63a3b0"), edge, bite)
    fill(canvas, rng, Layer(3, 5, 18, 0.03, 0.02), _flat("fbb41f"), edge, disc & ~bite)


def _flat(code: str) -> np.ndarray:
    """A picture (HEIGHT, WIDTH, 3) of a single paint."""
    return np.broadcast_to(rgb(code)[0], (HEIGHT, WIDTH, 3))


# ---------------------------------------------------------------------------------- land
def _paint_land(canvas: Canvas, rng: np.random.Generator) -> None:
    """Three ridges, far to near; the strokes roll along each ridge like waves."""
    x, y = grid(HEIGHT)
    ridges = (
        286 - 34 * np.exp(-(((x - 400) / 90) ** 2)) + 10 * np.sin(x / 43),
        322 - 22 * np.exp(-(((x - 250) / 80) ** 2)) + 9 * np.sin(x / 52 + 2),
        368 + 12 * np.sin(x / 60 + 1),
    )
    for place, ridge in enumerate(ridges):
        depth = y - ridge
        stream = depth + 5 * np.sin(x / 17 + depth / 14)
        tone = (
            0.18
            + 0.45 * (0.5 + 0.5 * np.sin(stream / 5.5 + place))
            + 0.25 * smoothstep(14, 0, depth)
        )
        picture = blend(tone + 0.08 * smooth_noise(rng, x.shape, 30), HILLS)
        for layer in (Layer(6, 10, 40), Layer(6, 5, 34, 0.06, 0.025, Brush(load=1.3))):
            fill(canvas, rng, layer, picture, along(stream), depth > 2)


def _paint_village(canvas: Canvas, rng: np.random.Generator) -> None:
    """A church, then house after house from far to near, with bushes between them."""
    _paint_shapes(canvas, rng, CHURCH)
    for (x, y, wide, tall), bush in zip(HOUSES, rng.uniform(-1, 1, len(HOUSES)), strict=True):
        _paint_bush(canvas, rng, x + wide * (0.5 + 0.7 * np.sign(bush)), y - 1, 9 + 4 * abs(bush))
        eaves, ridge = y - tall, y - 1.8 * tall
        wall = [(x, eaves), (x, y), (x + wide, y), (x + wide, eaves)]
        roof = [(x - 4, eaves), (x + 0.3 * wide, ridge), (x + 0.8 * wide, ridge)]
        tiles = "a4502c" if wide > WIDE_HOUSE else "2b5484"
        roof.append((x + wide + 4, eaves))
        _paint_shapes(canvas, rng, [(wall, "5580a8"), (roof, tiles)])
        shares = (0.3, 0.72) if wide > WIDE_HOUSE else (0.5,)
        windows = [
            [(x + at * wide, y - 0.66 * tall), (x + at * wide, y - 0.3 * tall)] for at in shares
        ]
        lines(canvas, rng, np.array(windows), 4.4, "ffc832")


def _paint_shapes(
    canvas: Canvas, rng: np.random.Generator, shapes: list[tuple[list[tuple[float, float]], str]]
) -> None:
    """Polygons in small strokes of their paint, each with a dark contour but for its last side."""
    x, y = grid(HEIGHT)
    for corners, code in shapes:
        mask = Image.new("1", (WIDTH, HEIGHT))
        ImageDraw.Draw(mask).polygon(corners, fill=1)
        layer = Layer(2.4, 3.4, 8, 0.05, 0.025)
        fill(canvas, rng, layer, _flat(code), along(x - 0.35 * y), np.asarray(mask))
        lines(canvas, rng, np.array(list(pairwise(corners)), dtype=float), 1.6, "0a1230")


def _paint_bush(
    canvas: Canvas, rng: np.random.Generator, cx: float, cy: float, radius: float
) -> None:
    """A dark green bush in curled strokes, its base at (cx, cy)."""
    x, y = grid(HEIGHT)
    distance = np.hypot(x - cx, y - cy + 0.6 * radius) / radius
    picture = blend(distance * 0.8, rgb("3f7a52", "17402f", "0a1c22"))
    fill(canvas, rng, Layer(3, 4.5, 11, 0.05, 0.025), picture, along(distance), distance < 1)


# -------------------------------------------------------------------------------- cypress
def _paint_cypress(canvas: Canvas, rng: np.random.Generator) -> None:
    """A dark flame at the left whose strokes lick upwards."""
    x, y = grid(HEIGHT)
    up = np.clip((HEIGHT - y) / 380, 0, 1)
    spine = 446 + 9 * np.sin(y / 38) + 10 * up
    half = 42 * np.sin(np.pi * np.clip(1 - up, 0, 1) ** 0.75 * 0.62) ** 1.1 + 5 * np.sin(
        y / 13 + x / 9
    )
    inside = (np.abs(x - spine) < half) & (up < 0.985)
    stream = (x - spine) * 1.6 + 8 * np.sin(y / 26 + x / 18)
    tone = 0.42 + 0.4 * np.sin(stream / 6) + 0.12 * smooth_noise(rng, x.shape, 14)
    field, picture = along(stream), blend(tone, CYPRESS)
    for layer in (
        Layer(5, 9, 46),
        Layer(5, 5, 40, 0.045, 0.025, Brush(load=1.4, taper=0.8, dryness=0.3)),
    ):
        fill(canvas, rng, layer, picture, field, ndimage.binary_erosion(inside, iterations=2))
