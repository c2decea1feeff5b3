"""A harbour at sunset in thick oil: broad strokes first, finer ones where there is detail.

First the scene is sketched: sky, far shore, houses and boats, and their wavering reflections. Then
the sketch is painted from coarse to fine, as a painter works: each pass blurs the sketch to the
width of its brush, so that no stroke shows more than it can hold. Strokes follow the edges of the
sketch; where it has none they follow the sweep of the sky or the level of the water.
"""

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from .canvas import (
    MAX_BYTE,
    WIDTH,
    Brush,
    Canvas,
    Layer,
    across_gradient,
    blend,
    fill,
    grid,
    lines,
    mix,
    rgb,
    sample,
    smooth_noise,
    smoothstep,
    unit,
)

TITLE = "Harbour, Last Light"
ALT = (
    "Sailing boats and coloured houses in a harbour under an orange and violet sunset sky, in "
    "broad thick oil strokes with broken reflections on the water."
)
SEED = 1872
HEIGHT = 400
HORIZON = 196
QUAY = 204  # the y at which the houses stand
SUN = (318, 150)

SKY = rgb("ffe9a0", "ffc24f", "fb8f4a", "e8687a", "9a6cb4", "4a68b8", "2c4a9a")
WATER = rgb("f6a452", "d87a6a", "5f86b0", "2a6c98", "123f6c")
SHORE = rgb("8a6aa8", "5a5a9c", "36508a")

# Boats: x of the mast, waterline, size (px from keel to mast top), hull and sail.
BOATS = (
    (238, 208, 44, "6a3550", "f0c9a0"),
    (372, 212, 56, "3a3a6a", "f7dfb4"),
    (282, 232, 84, "8c2f2a", "fff0cf"),
    (446, 254, 132, "1c3a56", "e2553a"),
    (150, 300, 196, "a03428", "fbe6bd"),
)
# Houses on the quay: left edge, width, height of the wall, wall and roof.
HOUSES = (
    (-6, 34, 62, "e9b44c", "a8402f"),
    (28, 26, 48, "d9654a", "5f3a52"),
    (54, 30, 70, "f0d9a8", "b5502f"),
    (84, 26, 44, "5f9aa6", "7a3a44"),
    (470, 26, 40, "e8a860", "9a4238"),
    (496, 24, 54, "b85a62", "4a3c6a"),
)
JIB = "f3c8a4"  # a sail against the light
Shape = tuple[list[tuple[float, float]], str]

# Passes: from a broad brush everywhere to a fine one where the sketch has detail.
PASSES = (
    (Layer(9, 17, 58, 0.035, 0.02, Brush(load=0.8)), 0.0),
    (Layer(7, 10.5, 40, 0.05, 0.025, Brush(load=1.1, streaks=0.7)), 0.0),
    (Layer(4.5, 6.5, 26, 0.05, 0.025, Brush(load=1.2, streaks=0.6)), 0.05),
    (Layer(3, 4, 15, 0.045, 0.02, Brush(load=1.2)), 0.13),
)


def paint() -> np.ndarray:
    """The picture: uint8 (400, 512, 3)."""
    rng = np.random.default_rng(SEED)
    sketch = _sketch(rng)
    field, detail = _directions(sketch, rng), _detail(sketch)
    canvas = Canvas(HEIGHT, rgb("8a4a3c")[0], rng)
    for layer, least in PASSES:
        blurred = ndimage.gaussian_filter(sketch, (layer.width / 5, layer.width / 5, 0))
        fill(canvas, rng, layer, blurred, field, detail >= least)
    _glitter(canvas, rng)
    _finishing_touches(canvas, rng)
    return canvas.finish(relief=0.6, gloss=0.14)


# -------------------------------------------------------------------------------- sketch
def _sketch(rng: np.random.Generator) -> np.ndarray:
    """The scene in plain colours (HEIGHT, WIDTH, 3)."""
    x, y = grid(HEIGHT)
    picture = np.where((y < HORIZON)[..., None], _sky(rng), _water(rng))
    shapes = [*_shore(), *_quay(), *(shape for boat in BOATS for shape in _boat(*boat))]
    mirrored = _lay_shapes(picture, [shape for shape, _ in shapes], [line for _, line in shapes])
    wobble = 1.5 + 5 * smoothstep(HORIZON, HEIGHT, y)
    shift = wobble * (np.sin(y / 2.3 + 2 * smooth_noise(rng, x.shape, 30)))
    columns = np.stack([x + shift, y], axis=-1)
    picture = mix(picture, sample(mirrored, columns), 0.72 * (y >= HORIZON))
    return _lay_shapes(picture, [shape for shape, _ in shapes], None)


def _sky(rng: np.random.Generator) -> np.ndarray:
    """Gold around the sun, then rose and violet, blue at the top, with slanting bars of cloud."""
    x, y = grid(HEIGHT)
    far = np.hypot((x - SUN[0]) / 1.5, (y - SUN[1]) * 1.15) / 190
    bars = smooth_noise(rng, x.shape, 26) + np.sin(
        (y + 0.28 * x) / 9 + smooth_noise(rng, x.shape, 60)
    )
    sky = blend(far + 0.07 * bars, SKY)
    disc = smoothstep(15, 10, np.hypot(x - SUN[0], y - SUN[1]))
    return mix(sky, np.broadcast_to(rgb("fffbe0")[0], sky.shape), disc)


def _water(rng: np.random.Generator) -> np.ndarray:
    """The sky's colours again, cooler towards the viewer, and the sun's path in the middle."""
    x, y = grid(HEIGHT)
    depth = np.clip((y - HORIZON) / (HEIGHT - HORIZON), 0, 1)
    ripples = np.sin(y / 3.2 + 2.2 * smooth_noise(rng, x.shape, 34))
    path = np.exp(-(((x - SUN[0]) / (20 + 55 * depth)) ** 2))
    tone = 0.22 + 0.75 * depth**0.7 + 0.10 * ripples - 0.55 * path * (0.7 + 0.3 * ripples)
    return blend(tone + 0.10 * np.abs(x - SUN[0]) / WIDTH, WATER)


def _lay_shapes(
    picture: np.ndarray, shapes: list[Shape], waterlines: list[float] | None
) -> np.ndarray:
    """The picture with polygons drawn in; with waterlines, each one upside down below its own."""
    image = Image.fromarray(np.rint(picture * MAX_BYTE).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for i, (corners, code) in enumerate(shapes):
        if waterlines:
            corners = [(x, 2 * waterlines[i] - y) for x, y in corners]
        pen.polygon(corners, fill=f"#{code}")
    return np.asarray(image) / MAX_BYTE


def _shore() -> list[tuple[Shape, float]]:
    """Two far ridges."""
    x = np.arange(0, WIDTH + 1, 8)
    ridges = (
        (HORIZON - 26 - 14 * np.sin(x / 61) - 6 * np.sin(x / 23), "b0749c"),
        (HORIZON - 12 - 9 * np.sin(x / 47 + 2) - 4 * np.sin(x / 17), "6a5a98"),
    )
    return [
        (
            ([(0, HORIZON), *zip(x.tolist(), top.tolist(), strict=True), (WIDTH, HORIZON)], code),
            HORIZON,
        )
        for top, code in ridges
    ]


def _quay() -> list[tuple[Shape, float]]:
    """The houses, and the wall they stand on."""
    shapes = []
    for x, wide, tall, wall, roof in HOUSES:
        top = QUAY - tall
        shapes.append(([(x, QUAY), (x, top), (x + wide, top), (x + wide, QUAY)], wall))
        shapes.append(([(x - 2, top), (x + wide / 2, top - 0.7 * wide), (x + wide + 2, top)], roof))
    foot = QUAY + 7
    for left, right in ((0, 150), (466, WIDTH)):
        shapes.append(([(left, QUAY), (right, QUAY), (right, foot), (left, foot)], "4a3a4c"))
    return [(shape, foot) for shape in shapes]


def _boat(x: float, line: float, size: float, hull: str, sail: str) -> list[tuple[Shape, float]]:
    """Main sail, shaded jib, hull and its pale rail, for a boat whose mast stands at ``x``."""
    deck, top = line - 0.10 * size, line - size
    bow, stern = x + 0.42 * size, x - 0.34 * size
    shapes = [
        ([(x - 1, top), (x - 1, deck - 5), (stern, deck - 8)], sail),
        ([(x + 3, top + 0.12 * size), (x + 4, deck - 7), (bow - 6, deck - 4)], JIB),
        ([(stern, deck), (x - 0.28 * size, line), (x + 0.3 * size, line), (bow, deck - 2)], hull),
        ([(stern, deck), (stern, deck + 3), (bow - 3, deck + 2), (bow, deck - 2)], "f0c890"),
    ]
    return [(shape, line) for shape in shapes]


# ------------------------------------------------------------------------------- painting
def _directions(sketch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stroke directions (HEIGHT, WIDTH, 2): along edges, else the sweep of sky and water."""
    x, y = grid(HEIGHT)
    edges = across_gradient(sketch.mean(axis=-1), 2.0)
    slope = np.where(y < HORIZON, 0.30, 0.0) + 0.16 * smooth_noise(rng, x.shape, 60)
    sweep = unit(np.stack([np.ones_like(x), -slope], axis=-1))
    edges = np.where((edges * sweep).sum(-1, keepdims=True) < 0, -edges, edges)
    share = (smoothstep(0.03, 0.09, _detail(sketch)) * (y < _water_edge(x)))[..., None]
    return unit(share * edges + (1 - share) * sweep)


def _water_edge(x: np.ndarray) -> np.ndarray:
    """The y below which there is open water: the waterline of what stands at each x."""
    edge = np.full_like(x, HORIZON)
    for mast, line, size, _, _ in BOATS:
        edge = np.where(np.abs(x - mast) < 0.4 * size, np.maximum(edge, line), edge)
    return edge


def _detail(sketch: np.ndarray) -> np.ndarray:
    """How much happens around each pixel (HEIGHT, WIDTH): the largest slope within a few px."""
    grey = ndimage.gaussian_filter(sketch, (1.5, 1.5, 0))
    down, right = np.gradient(grey, axis=(0, 1))
    return ndimage.gaussian_filter(np.sqrt((down**2 + right**2).sum(-1)), 2.0)


def _finishing_touches(canvas: Canvas, rng: np.random.Generator) -> None:
    """What a painter puts in last, each with one touch: windows and masts."""
    for x, wide, tall, *_ in HOUSES:
        rows = np.arange(QUAY - tall + 8, QUAY - 8, 15)
        panes = [[(x + at * wide, y), (x + at * wide, y + 6)] for y in rows for at in (0.3, 0.7)]
        lines(canvas, rng, panes, 3.6, "3a3260")
    masts = [[(x, line - 0.1 * size), (x, line - 1.04 * size)] for x, line, size, *_ in BOATS]
    lines(canvas, rng, masts, 2.4, "4a2632")


def _glitter(canvas: Canvas, rng: np.random.Generator) -> None:
    """Level dabs of sunlight on open water, the denser the nearer to the sun's path."""
    x, y = grid(HEIGHT)
    depth = np.clip((y - HORIZON) / (HEIGHT - HORIZON), 0, 1)
    path = np.exp(-(((x - SUN[0]) / (9 + 38 * depth)) ** 2))
    lit = (path + 0.22 * smooth_noise(rng, x.shape, 8) > 0.6) & (y > _water_edge(x) + 6)
    level = np.broadcast_to(np.array([1.0, 0.0]), (*x.shape, 2))
    gold = blend(0.8 * depth + 0.4 * (1 - path), rgb("fff0b0", "ffc65a", "ff9448", "f0785a"))
    fill(canvas, rng, Layer(4.5, 4.5, 26, 0.04, 0.025, Brush(load=1.3)), gold, level, lit)
