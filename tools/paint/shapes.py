"""Forms with soft edges and layers of paint: helpers for the pictures that are built from shapes.

These pictures are computed pixel by pixel at twice their size and reduced at the end by
`finish`. A form is a signed distance over the picture, negative inside and positive outside;
`cover` turns it into an opacity, `lay` and `glaze` paint with it.

Conventions as in `canvas`: colours are sRGB in [0, 1], places are (x, y) with y downwards, and
lengths are pixels of the finished picture, although arrays are larger by `SUPERSAMPLE`.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy import fft

from .canvas import SUPERSAMPLE, WIDTH, blend, smoothstep, to_bytes

Array = np.ndarray
Place = Sequence[float] | np.ndarray  # (x, y)

RAMP_STEPS = 1024  # colours in the table of a ramp: finer than eight bits can show


def fine_grid(height: int) -> tuple[Array, Array]:
    """The x and the y of every supersampled pixel, in finished pixels: two arrays (2H, 2W)."""
    y, x = np.mgrid[0 : height * SUPERSAMPLE, 0 : WIDTH * SUPERSAMPLE].astype(float)
    return (x + 0.5) / SUPERSAMPLE, (y + 0.5) / SUPERSAMPLE


def cloud(
    rng: np.random.Generator, shape: tuple[int, int], wide: float, high: float | None = None
) -> Array:
    """Soft noise (H, W), mean 0 and standard deviation 1, that repeats without a seam.

    Its blobs are about `wide` px across and `high` px from top to bottom (round without `high`).
    """
    sigma = np.array([wide if high is None else high, wide]) * SUPERSAMPLE / 2
    down, right = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None, :]
    # The Fourier transform of a Gaussian blur: its cost does not grow with the blur's width.
    blur = np.exp(-2 * np.pi**2 * ((sigma[0] * down) ** 2 + (sigma[1] * right) ** 2))
    noise = fft.irfft2(fft.rfft2(rng.standard_normal(shape)) * blur, s=shape)
    return (noise - noise.mean()) / noise.std()


def ramp(palette: Array, values: Array) -> Array:
    """`canvas.blend` for large arrays: colours (..., 3) looked up in a table; 0 first, 1 last."""
    table = blend(np.linspace(0.0, 1.0, RAMP_STEPS), palette)
    return table[np.rint(np.clip(values, 0.0, 1.0) * (RAMP_STEPS - 1)).astype(int)]


# ------------------------------------------------------------------------- signed distances
def disc(x: Array, y: Array, centre: Place, radius: float) -> Array:
    """Distance to a disc."""
    return np.hypot(x - centre[0], y - centre[1]) - radius


def ring(x: Array, y: Array, centre: Place, radius: float, width: float) -> Array:
    """Distance to a circle drawn with a line of `width`."""
    return np.abs(disc(x, y, centre, radius)) - width / 2


def segment(x: Array, y: Array, start: Place, end: Place, width: float) -> Array:
    """Distance to a straight line of `width` with round ends."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    share = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
    return np.hypot(x - start[0] - share * dx, y - start[1] - share * dy) - width / 2


def polygon(x: Array, y: Array, corners: Sequence[Place]) -> Array:
    """Distance to a convex polygon (outside near a corner: to the longer side's line)."""
    corners = np.asarray(corners, dtype=float)
    sides = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        normal = np.array([end[1] - start[1], start[0] - end[0]]) / np.hypot(*(end - start))
        normal *= np.sign(normal @ (start - corners.mean(axis=0)))
        sides.append(normal[0] * (x - start[0]) + normal[1] * (y - start[1]))
    return np.max(sides, axis=0)


def almond(x: Array, y: Array, start: Place, end: Place, bulge: float) -> Array:
    """Distance to a leaf between two points, two discs' overlap; `bulge` is width over length."""
    start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    half = np.hypot(*(end - start)) / 2
    radius = half * (1 + bulge**2) / (2 * bulge)
    middle, axis = (start + end) / 2, (end - start) / (2 * half)
    shift = np.array([-axis[1], axis[0]]) * (radius - bulge * half)
    return np.maximum(disc(x, y, middle + shift, radius), disc(x, y, middle - shift, radius))


# --------------------------------------------------------------------------------- painting
def cover(distance: Array, softness: float = 1.0) -> Array:
    """Opacity in [0, 1] of a form: 1 inside, 0 outside, an edge `softness` px wide between."""
    return smoothstep(softness / 2, -softness / 2, distance)


def lay(under: Array, colour: Array, opacity: Array) -> Array:
    """Opaque paint of `colour`, (3,) or (H, W, 3), over a picture; light mixes, as on a screen."""
    opacity = opacity[..., None]
    return under * (1 - opacity) + colour * opacity


def glaze(under: Array, colour: Array, opacity: Array) -> Array:
    """A picture seen through transparent paint of `colour`: the two multiply."""
    return under * (1 - opacity[..., None] * (1 - colour))


def leaning(height: Array, angle: float) -> Array:
    """Slope (H, W) of a relief towards a lamp at `angle`: 0 is at the right, pi/2 at the top."""
    down, right = np.gradient(height)
    return np.sin(angle) * down - np.cos(angle) * right


def finish(picture: Array) -> Array:
    """The finished picture, uint8 (H, W, 3): a supersampled one reduced with a Lanczos filter."""
    height = picture.shape[0] // SUPERSAMPLE
    large = Image.fromarray(to_bytes(picture))
    return np.asarray(large.resize((WIDTH, height), Image.Resampling.LANCZOS))
