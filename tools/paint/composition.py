"""An abstract composition: discs, rings, triangles and bars, warm against cool.

The forms are laid on a plan first, some opaque and some transparent, so that overlaps mix. Then
each form is painted on the canvas with strokes that run along its outline and take their colour
from the plan: round in a disc, straight in a bar, parallel to the sides in a triangle.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .canvas import (
    WIDTH,
    Brush,
    Canvas,
    Strokes,
    along,
    blend,
    grid,
    rgb,
    sample,
    scatter,
    smooth_noise,
    trace,
    vary,
)
from .shapes import Array, Place, cover, disc, lay, polygon, ring, segment

TITLE = "Discs and diagonals"
ALT = (
    "An abstract painting: a large wheel of coloured rings, an orange half-disc, transparent "
    "triangles, small discs, black diagonals and a chequered patch on a warm and cool ground."
)
SEED = 1923
HEIGHT = 448

GROUND = rgb("ef8a54", "f6bd62", "f7e2ae", "8fcdbf", "3c93b4", "2a5f9e")
WHEEL = rgb("12307e", "f2a81d", "b51f3a", "2a86b8", "f6d24a", "5b2a86", "e8571f", "0f7d74")


@dataclass(frozen=True)
class Form:
    """A form: distance (H, W) to its outline, colour (3,) or (H, W, 3), opacity in [0, 1].

    Its strokes are `width` and `length` px and run along the level lines of `guide` (H, W), or of
    the distance where there is no guide.
    """

    distance: Array
    colour: Array
    opacity: float = 1.0
    width: float = 6.0
    length: float = 34.0
    guide: Array | None = None


def bar(x: Array, y: Array, start: Place, end: Place, width: float, colour: Array) -> Form:
    """A straight line from `start` to `end`."""
    guide = (x - start[0]) * (end[1] - start[1]) - (y - start[1]) * (end[0] - start[0])
    return Form(segment(x, y, start, end, width), colour, 1.0, min(width, 5), 70, guide)


def hoop(x: Array, y: Array, centre: Place, radius: float, width: float, colour: Array) -> Form:
    """A circle drawn as a line."""
    distance = ring(x, y, centre, radius, width)
    return Form(distance, colour, 1.0, min(width, 5), 60, disc(x, y, centre, radius))


def fade(palette: Array, x: Array, y: Array, start: Place, end: Place) -> Array:
    """Colours (H, W, 3) that run through a palette from one place (x, y) to another."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    return blend(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy), palette)


def wheel(
    x: Array, y: Array, centre: Place, radius: float, rings: int, turn: float
) -> Iterator[Form]:
    """A disc of rings cut into quarters that change colour, warm beside cool."""
    step = radius / rings
    angle = np.arctan2(y - centre[1], x - centre[0]) + turn
    quarter = np.floor(angle / (np.pi / 2)).astype(int)
    for number in range(rings):
        colour = WHEEL[(number * 3 + quarter * 2) % len(WHEEL)]
        middle = radius - (number + 0.5) * step
        if number == rings - 1:
            yield Form(disc(x, y, centre, step), colour, width=5, length=20)
        else:
            yield Form(ring(x, y, centre, middle, step), colour, width=6, length=30)


def chequers(
    x: Array, y: Array, corner: Place, turn: float, size: float, rows: int, columns: int
) -> Iterator[Form]:
    """A chequered patch turned by `turn` radians around its corner (x, y)."""
    right = size * np.array([np.cos(turn), np.sin(turn)])
    down = size * np.array([-np.sin(turn), np.cos(turn)])
    paints = rgb("15131f", "f7edd6", "d8321c", "f7edd6", "1d4fae", "f6c02e")
    for row, column in np.ndindex(rows, columns):
        start = np.asarray(corner) + row * down + column * right
        square = [start, start + right, start + right + down, start + down]
        paint = paints[(row * 3 + column * 5) % len(paints)]
        yield Form(polygon(x, y, square), paint, width=5, length=14)


def large_forms(x: Array, y: Array) -> Iterator[Form]:
    """The forms that carry the picture, from back to front."""
    dusk = fade(rgb("0f3f86", "3f8fc0", "a9dcd2"), x, y, (500, 20), (330, 250))
    yield Form(polygon(x, y, [(270, -30), (540, -10), (425, 235)]), dusk, 0.85, 8, 46)
    rose = fade(rgb("f4c0a8", "d85a78", "7d2a78"), x, y, (20, 300), (230, 460))
    yield Form(polygon(x, y, [(-40, 470), (70, 215), (285, 470)]), rose, 0.9, 8, 46)
    halo = disc(x, y, (168, 158), 140)
    blush = fade(rgb("f7c9b0", "f0a8b8", "c79ad6"), x, y, (60, 60), (270, 270))
    yield Form(halo, blush, 0.8, 8, 44)
    yield from wheel(x, y, (168, 158), 118, 7, 0.35)
    half = np.maximum(disc(x, y, (375, 318), 118), -(x - 375) * 0.55 - (y - 318) * 0.835)
    fire = fade(rgb("ffc52e", "f4771c", "cf2418", "7d1330"), x, y, (300, 270), (440, 430))
    yield Form(half, fire, 1.0, 8, 46)
    lemon = fade(rgb("fff3a8", "ffd021", "f59a12"), x, y, (290, 190), (390, 290))
    yield Form(disc(x, y, (338, 236), 66), lemon, 0.88)
    sail = fade(rgb("046a6e", "1fae8a", "b8e07a"), x, y, (250, 440), (300, 130))
    yield Form(polygon(x, y, [(196, 452), (292, 118), (330, 440)]), sail, 0.8, 7, 44)


def small_forms(x: Array, y: Array) -> Iterator[Form]:
    """Discs, chequers, bars and lines that play against the large forms."""
    yield from wheel(x, y, (448, 112), 42, 4, 1.1)
    yield from wheel(x, y, (72, 352), 46, 4, 2.0)
    yield from chequers(x, y, (366, 348), -0.45, 21, 3, 5)
    for centre, radius, code in (
        ((40, 44), 24, "e8571f"),
        ((258, 372), 24, "5b2a86"),
        ((478, 220), 22, "c8202c"),
        ((312, 44), 17, "f6c02e"),
        ((478, 424), 22, "1d4fae"),
        ((262, 60), 9, "15131f"),
        ((150, 408), 14, "f6c02e"),
        ((405, 205), 11, "15131f"),
    ):
        yield Form(disc(x, y, centre, radius + 4), rgb("f9efd8")[0], 0.8, 4, 20)
        yield Form(disc(x, y, centre, radius), rgb(code)[0], 1.0, 5, 22)
    for centre, radius, width, code in (
        ((300, 500), 238, 6, "15131f"),
        ((300, 500), 252, 5, "d8321c"),
        ((168, 158), 129, 4, "15131f"),
        ((338, 236), 78, 4, "5b2a86"),
    ):
        yield hoop(x, y, centre, radius, width, rgb(code)[0])
    for start, end, width, code in (
        ((-10, 290), (346, -10), 7, "15131f"),
        ((96, 460), (522, 168), 9, "15131f"),
        ((112, 470), (530, 184), 4, "f6c02e"),
        ((372, -10), (452, 460), 5, "15131f"),
        ((20, 110), (236, 300), 5, "f9efd8"),
        ((452, 262), (520, 300), 6, "12307e"),
        ((444, 276), (520, 316), 6, "12307e"),
        ((436, 290), (520, 332), 6, "12307e"),
    ):
        yield bar(x, y, start, end, width, rgb(code)[0])


def brush(canvas: Canvas, rng: np.random.Generator, form: Form, plan: Array) -> None:
    """Paint a form with strokes along its outline, coloured from the plan (H, W, 3)."""
    places = scatter(rng, HEIGHT, 0.5 * form.width)
    # A stroke reaches half its width to each side; a little may spill over the outline.
    starts = places[sample(form.distance, places) <= 0.3 - 0.45 * form.width]
    if len(starts) == 0:
        return
    guide = form.distance if form.guide is None else form.guide
    path = trace(along(guide), starts, form.length)
    colour = sample(plan, starts)
    width = form.width * rng.uniform(0.8, 1.1, len(starts))
    canvas.lay(
        Strokes(path, width, vary(rng, colour, 0.03, 0.012), vary(rng, colour, 0.07, 0.03)),
        Brush(dryness=0.35, streaks=0.6),
    )


def paint_ground(canvas: Canvas, rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Warm and cool patches under everything, in broad flowing strokes; returns their plan."""
    drift = smooth_noise(rng, x.shape, 90)
    plan = blend(0.3 + 0.5 * (x / WIDTH - y / HEIGHT) + 0.16 * drift, GROUND)
    stream = 0.8 * x + y + 26 * smooth_noise(rng, x.shape, 110)
    starts = scatter(rng, HEIGHT, 6)
    colour = sample(plan, starts)
    strokes = Strokes(
        trace(along(stream), starts, 56),
        rng.uniform(7, 11, len(starts)),
        vary(rng, colour, 0.03, 0.02),
        vary(rng, colour, 0.06, 0.05),
    )
    canvas.lay(strokes, Brush(dryness=0.4, streaks=0.7))
    return plan


def paint() -> np.ndarray:
    """The picture, uint8 (448, 512, 3)."""
    rng = np.random.default_rng(SEED)
    x, y = grid(HEIGHT)
    canvas = Canvas(HEIGHT, GROUND[0], rng)
    plan = paint_ground(canvas, rng, x, y)
    tremble = [0.7 * smooth_noise(rng, x.shape, 34) for _ in range(2)]
    for forms in (large_forms, small_forms):
        for form in forms(x + tremble[0], y + tremble[1]):
            plan = lay(plan, form.colour, form.opacity * cover(form.distance, 2))
            brush(canvas, rng, form, plan)
    return canvas.finish()
