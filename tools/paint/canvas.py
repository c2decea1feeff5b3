"""What every painter in this folder needs: colour, noise, brush strokes and light.

A picture is painted on a :class:`Canvas` that holds two things for every pixel, its colour and
the height of its paint. Strokes are laid one over the other; at the end a lamp at the upper left
lights the relief, and the canvas, which is twice as large as the picture, is reduced to its size.

Conventions: colours are sRGB in [0, 1], shape (..., 3). Places and directions are (x, y) in
picture pixels, y downwards. An array over the picture has shape (H, W) or (H, W, 3).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

WIDTH = 512  # the longer side of every picture, px
SUPERSAMPLE = 2  # canvas pixels per picture pixel: edges are smooth after the reduction
SPACING = 0.68  # canvas pixels between two samples of a stroke: below 1/sqrt(2) leaves no hole
BATCH = 250  # strokes painted at once: bounds the memory, changes nothing in the picture
CAP = 0.6  # length of a stroke's rounded end, in radii: 1 would be a sausage's, 0 a plank's
LAMP = np.array([-0.6, -0.8])  # where the light comes from: the upper left
STEEP = 0.55  # how soon a slope counts as steep: higher shows shallow bristle marks too
MAX_BYTE = 255

# Björn Ottosson, "A perceptual color space for image processing" (2020): equal steps in OKLab
# look equally large, so blends between two paints stay clean instead of turning grey.
_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LAB_TO_LMS = np.linalg.inv(_LMS_TO_LAB)
_LMS_TO_RGB = np.linalg.inv(_RGB_TO_LMS)


# ---------------------------------------------------------------------------------- colour
def rgb(*codes: str) -> np.ndarray:
    """Colours from hexadecimal codes such as "1b3a6f": shape (len(codes), 3), sRGB in [0, 1]."""
    return np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in codes]) / MAX_BYTE


def to_oklab(colour: np.ndarray) -> np.ndarray:
    """OKLab lightness, green-red and blue-yellow of sRGB colours, shape (..., 3)."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _RGB_TO_LMS.T) @ _LMS_TO_LAB.T


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """sRGB colours in [0, 1] of OKLab values, shape (..., 3); what no screen shows is clipped."""
    lms = (lab @ _LAB_TO_LMS.T) ** 3
    linear = np.clip(lms @ _LMS_TO_RGB.T, 0.0, 1.0)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def blend(values: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colours along a palette: 0 is its first colour, 1 its last, between them OKLab blends."""
    lab = to_oklab(colours)
    place = np.clip(values, 0.0, 1.0) * (len(lab) - 1)
    low = np.minimum(place.astype(int), len(lab) - 2)
    share = (place - low)[..., None]
    return from_oklab(lab[low] * (1 - share) + lab[low + 1] * share)


def vary(
    rng: np.random.Generator, colours: np.ndarray, lightness: float, tint: float
) -> np.ndarray:
    """Colours (N, 3) that differ a little, as paints mixed by hand do.

    ``lightness`` and ``tint`` are standard deviations in OKLab: 0.03 is just seen, 0.1 is bold.
    """
    spread = np.array([lightness, tint, tint])
    return from_oklab(to_oklab(colours) + rng.standard_normal(colours.shape) * spread)


def mix(under: np.ndarray, over: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """``over`` laid upon ``under`` where ``cover`` (H, W) in [0, 1] says so, blended in OKLab."""
    cover = np.clip(cover, 0.0, 1.0)[..., None]
    return from_oklab(to_oklab(under) * (1 - cover) + to_oklab(over) * cover)


# ------------------------------------------------------------------------- fields and noise
def grid(height: int, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """The x and the y of every pixel, two float arrays of shape (height, width)."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    return x, y


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Soft random hills about ``scale`` px wide; shape as given, mean 0, standard deviation 1."""
    coarse = rng.standard_normal([int(side / scale) + 4 for side in shape])
    fine = ndimage.zoom(coarse, scale, order=3)[: shape[0], : shape[1]]
    return (fine - fine.mean()) / fine.std()


def smoothstep(low: float, high: float, values: np.ndarray) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, a soft S between; ``low > high`` turns it round."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def along(stream: np.ndarray) -> np.ndarray:
    """Unit vectors (H, W, 2) along the level lines of ``stream`` (H, W): they never cross."""
    down, right = np.gradient(stream)
    return unit(np.stack([down, -right], axis=-1))


def across_gradient(image: np.ndarray, scale: float) -> np.ndarray:
    """Unit vectors (H, W, 2) along the edges of a grey ``image`` (H, W), as a painter follows form.

    The gradient's outer product is averaged over ``scale`` px (the structure tensor): opposite
    gradients, as on the two sides of a line, then agree instead of cancelling.
    """
    down, right = np.gradient(ndimage.gaussian_filter(image, 1.0))
    xx, xy, yy = (
        ndimage.gaussian_filter(product, scale)
        for product in (right * right, right * down, down * down)
    )
    angle = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 2) of length 1 and unchanged direction; a zero vector stays zero."""
    length = np.hypot(vectors[..., 0], vectors[..., 1])[..., None]
    return vectors / np.maximum(length, 1e-12)


def sample(array: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The values of ``array`` (H, W, ...) at the pixels nearest to ``places`` (..., 2)."""
    column = np.clip(np.rint(places[..., 0]).astype(int), 0, array.shape[1] - 1)
    row = np.clip(np.rint(places[..., 1]).astype(int), 0, array.shape[0] - 1)
    return array[row, column]


def scatter(rng: np.random.Generator, height: int, spacing: float) -> np.ndarray:
    """Places (N, 2) all over the picture, about ``spacing`` px apart, in random order."""
    x, y = np.meshgrid(np.arange(0, WIDTH, spacing), np.arange(0, height, spacing))
    places = np.stack([x.ravel(), y.ravel()], axis=-1)
    places = places + rng.uniform(0, spacing, places.shape)
    return rng.permutation(places)


def trace(field: np.ndarray, starts: np.ndarray, length: float, step: float = 2.0) -> np.ndarray:
    """Paths (N, K, 2) that follow ``field`` (H, W, 2) for ``length`` px, ``starts`` at the middle.

    A path keeps its heading: where the field turns about, it goes on against the arrows, so a
    field of directions without signs works as well.
    """
    count = max(int(length / step / 2), 1)
    heading = sample(field, starts)
    forwards = _walk(field, starts, heading, step, count)
    backwards = _walk(field, starts, -heading, step, count)
    return np.concatenate([backwards[:, :0:-1], forwards], axis=1)


def _walk(
    field: np.ndarray, place: np.ndarray, heading: np.ndarray, step: float, count: int
) -> np.ndarray:
    """Follow the field from ``place`` for ``count`` steps: places (N, count + 1, 2)."""
    places = [place]
    for _ in range(count):
        arrow = sample(field, place)
        heading = np.where((arrow * heading).sum(-1, keepdims=True) < 0, -arrow, arrow)
        place = place + step * heading
        places.append(place)
    return np.stack(places, axis=1)


# ---------------------------------------------------------------------------------- strokes
@dataclass(frozen=True)
class Strokes:
    """N brush strokes, the first one lowest.

    ``path`` (N, K, 2) in picture pixels; ``width`` (N,) in picture pixels; ``colour`` (N, 3);
    ``streak`` (N, 3) the second paint on the brush, seen between the first one's bristle marks.
    """

    path: np.ndarray
    width: np.ndarray
    colour: np.ndarray
    streak: np.ndarray

    def batches(self, size: int) -> Iterator["Strokes"]:
        """The same strokes, ``size`` at a time, in order."""
        for i in range(0, len(self.path), size):
            part = slice(i, i + size)
            yield Strokes(self.path[part], self.width[part], self.colour[part], self.streak[part])


@dataclass(frozen=True)
class Brush:
    """How paint leaves the brush. All values are fractions.

    ``dryness``: how much of the stroke's last part breaks up into bristle marks; ``load``: height
    of the paint; ``streaks``: share of the second paint; ``taper``: how much of the stroke is
    drawn out to a point (0 gives round ends).
    """

    dryness: float = 0.5
    load: float = 1.0
    streaks: float = 0.5
    taper: float = 0.0


class Canvas:
    """A primed canvas of ``height`` x 512 picture pixels; see the module's first lines."""

    def __init__(self, height: int, ground: np.ndarray, rng: np.random.Generator) -> None:
        """Prime the canvas with ``ground`` (3,); ``rng`` makes the bristles."""
        self.shape = (height * SUPERSAMPLE, WIDTH * SUPERSAMPLE)
        self.colour = np.empty((*self.shape, 3))
        self.colour[:] = ground
        self.height = np.zeros(self.shape)
        self._rng = rng
        self._bristles = _bristle_marks(rng)

    def lay(self, strokes: Strokes, brush: Brush | None = None) -> None:
        """Paint the strokes over what is there, in their order."""
        for batch in strokes.batches(BATCH):
            self._lay_batch(batch, brush or Brush())

    def _lay_batch(self, strokes: Strokes, brush: Brush) -> None:
        """Every stroke is a ribbon of samples; where ribbons overlap, the last one is seen."""
        places, end, side = _ribbons(strokes, brush)
        marks = self._marks(places.shape[:3])
        row, column = np.rint(places[..., 1]).astype(int), np.rint(places[..., 0]).astype(int)
        inside = (row >= 0) & (row < self.shape[0]) & (column >= 0) & (column < self.shape[1])
        wet = inside & (marks > _dryness(end, brush)[None, :, None])
        samples = np.flatnonzero(wet)
        last = np.full(self.shape[0] * self.shape[1], -1)
        np.maximum.at(last, (row * self.shape[1] + column).ravel()[samples], samples)
        seen = np.flatnonzero(last >= 0)
        self._cover(seen, np.unravel_index(last[seen], wet.shape), marks, side, strokes, brush)

    def _marks(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Bristle marks in [0, 1] for every sample, shape (N, S, T): each stroke its own piece."""
        count, steps, sides = shape
        period = self._bristles.shape[0]
        row = self._rng.integers(0, period, (count, 1, 1)) + np.arange(sides)
        column = self._rng.integers(0, period, (count, 1, 1)) + np.arange(steps)[:, None]
        return self._bristles[row % period, column % period]

    def _cover(
        self,
        pixels: np.ndarray,
        winner: tuple[np.ndarray, ...],
        marks: np.ndarray,
        side: np.ndarray,
        strokes: Strokes,
        brush: Brush,
    ) -> None:
        """Put colour and height of the winning samples on the canvas."""
        stroke, mark, edge = winner[0], marks[winner], np.abs(side[winner[2]])
        share = (brush.streaks * smoothstep(0.45, 0.85, mark))[:, None]
        paint = strokes.colour[stroke] * (1 - share) + strokes.streak[stroke] * share
        self.colour.reshape(-1, 3)[pixels] = paint
        # A loaded brush leaves ridges between its bristles and pushes a small wall to each side.
        ridge = 0.55 * mark + 0.45 * smoothstep(0.45, 0.8, edge) * smoothstep(1.05, 0.85, edge)
        thick = strokes.width[stroke] * brush.load * (0.35 + ridge)
        under = self.height.reshape(-1)
        under[pixels] = 0.35 * under[pixels] + thick

    def finish(self, relief: float = 0.5, gloss: float = 0.15) -> np.ndarray:
        """Light the paint, reduce the canvas and return the picture: uint8 (H, W, 3).

        ``relief`` is how dark and bright the slopes become; ``gloss`` the strength of highlights.
        """
        lit = light(self.colour, self.height, relief, gloss)
        large = Image.fromarray(to_bytes(lit))
        small = large.resize((WIDTH, self.shape[0] // SUPERSAMPLE), Image.Resampling.LANCZOS)
        return np.asarray(small)


def _bristle_marks(rng: np.random.Generator, period: int = 512) -> np.ndarray:
    """A tile (period, period) of long thin marks in [0, 1], evenly spread, the same at its seams.

    Rows run across the brush (a bristle is about 3 canvas px), columns along its path.
    """
    fine, broad = rng.standard_normal((2, period, period))
    marks = ndimage.gaussian_filter(fine, (1.3, 26.0), mode="wrap")
    clumps = ndimage.gaussian_filter(broad, (3.5, 40.0), mode="wrap")
    total = marks / marks.std() + clumps / clumps.std()
    ranks = np.argsort(np.argsort(total, axis=None, kind="stable"), kind="stable")
    return ranks.reshape(total.shape) / total.size


def _dryness(end: np.ndarray, brush: Brush) -> np.ndarray:
    """The bristle mark below which no paint is left, for places ``end`` in [0, 1] along a path."""
    return brush.dryness * (smoothstep(0.55, 1.0, end) + 0.6 * smoothstep(0.07, 0.0, end))


def _ribbons(strokes: Strokes, brush: Brush) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Canvas places (N, S, T, 2) of all samples, their share of the length (S,) and side (T,)."""
    path = strokes.path * SUPERSAMPLE
    radius = strokes.width * SUPERSAMPLE / 2
    length = np.hypot(*np.moveaxis(np.diff(path, axis=1), -1, 0)).sum(axis=1)
    end = np.linspace(0.0, 1.0, int(length.max() / SPACING) + 2)
    side = np.linspace(-1.0, 1.0, int(2 * radius.max() / SPACING) + 2)
    centre = _resample(path, end)
    tangent = unit(np.gradient(centre, axis=1))
    normal = np.stack([-tangent[..., 1], tangent[..., 0]], axis=-1)
    half = radius[:, None] * _outline(end, radius, length, brush.taper)
    offset = half[:, :, None] * side
    return centre[:, :, None] + normal[:, :, None] * offset[..., None], end, side


def _resample(path: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Places (N, S, 2) at the shares ``end``, (S,) or (N, S), of paths (N, K, 2)."""
    place = np.atleast_2d(end) * (path.shape[1] - 1)
    low = np.minimum(place.astype(int), path.shape[1] - 2)
    share = (place - low)[..., None]
    stroke = np.arange(len(path))[:, None]
    return path[stroke, low] * (1 - share) + path[stroke, low + 1] * share


def _outline(end: np.ndarray, radius: np.ndarray, length: np.ndarray, taper: float) -> np.ndarray:
    """Half width (N, S) of a stroke as a share of its radius: round caps, or drawn to a point."""
    cap = np.maximum(CAP * radius / np.maximum(length, 1e-6), 1e-6)[:, None]
    nearest = np.minimum(end, 1 - end)[None, :]
    inside = 1 - np.minimum(nearest / cap, 1.0)
    round_ends = np.sqrt(np.maximum(1 - inside**2, 0.0))
    return round_ends * (1 - taper * smoothstep(0.3, 1.0, end)[None, :])


@dataclass(frozen=True)
class Layer:
    """One pass over the picture: strokes of one size, all in px of the picture.

    ``spacing`` between strokes, ``width`` and greatest ``length`` of a stroke; ``lightness`` and
    ``tint`` say how much the paints differ (see :func:`vary`).
    """

    spacing: float
    width: float
    length: float
    lightness: float = 0.03
    tint: float = 0.015
    brush: Brush = Brush()


def fill(
    canvas: Canvas,
    rng: np.random.Generator,
    layer: Layer,
    picture: np.ndarray,
    field: np.ndarray,
    where: np.ndarray | None = None,
) -> None:
    """Cover the canvas with strokes along ``field`` that take their paint from ``picture``.

    Only strokes whose middle lies where ``where`` (H, W) is True are laid.
    """
    starts = scatter(rng, len(picture), layer.spacing)
    if where is not None:
        starts = starts[sample(where, starts)]
    if len(starts):
        canvas.lay(dab(rng, layer, starts, sample(picture, starts), field), layer.brush)


def dab(
    rng: np.random.Generator,
    layer: Layer,
    starts: np.ndarray,
    colours: np.ndarray,
    field: np.ndarray,
) -> Strokes:
    """Strokes of the layer's size, their middles at ``starts`` (N, 2), in ``colours`` (N, 3)."""
    half = rng.uniform(0.25, 0.5, (len(starts), 1))  # of the longest path, to either side
    return Strokes(
        path=_resample(trace(field, starts, layer.length), 0.5 + half * np.linspace(-1, 1, 16)),
        width=layer.width * rng.uniform(0.7, 1.25, len(starts)),
        colour=vary(rng, colours, layer.lightness, layer.tint),
        streak=vary(rng, colours, 2 * layer.lightness, 2 * layer.tint),
    )


def lines(
    canvas: Canvas, rng: np.random.Generator, ends: np.ndarray, width: float, code: str
) -> None:
    """A straight stroke of one paint for each pair of ``ends`` (N, 2, 2), ``width`` px wide."""
    colour = vary(rng, np.repeat(rgb(code), len(ends), axis=0), 0.03, 0.02)
    path = np.asarray(ends, dtype=float)
    canvas.lay(Strokes(path, np.full(len(path), width), colour, colour), Brush(dryness=0.1))


# ------------------------------------------------------------------------------------ light
def light(colour: np.ndarray, height: np.ndarray, relief: float, gloss: float) -> np.ndarray:
    """``colour`` (H, W, 3) as paint of ``height`` (H, W) looks under the lamp.

    Slopes towards the lamp are lifted and shine, slopes away from it are darkened.
    """
    surface = ndimage.gaussian_filter(height, 0.8)
    down, right = np.gradient(surface)
    facing = np.tanh(-STEEP * (right * LAMP[0] + down * LAMP[1]))[..., None]
    shaded = colour * (1 + relief * np.minimum(facing, 0.0))
    lifted = shaded + relief * 0.35 * np.maximum(facing, 0.0) * (0.25 + shaded) * (1 - shaded)
    return lifted + gloss * np.maximum(facing, 0.0) ** 4


def to_bytes(colour: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) from colours in [0, 1]; what lies outside is clipped."""
    return np.rint(np.clip(colour, 0.0, 1.0) * MAX_BYTE).astype(np.uint8)
