"""A riverbank in the afternoon, painted in dots of pure paint: pointillism, divided colour.

No paint is mixed. For every dot the local colour of a sketch is looked up, and one of a few pure
paints is drawn by lot: the nearer a paint to the local colour, the likelier. Some dots take the
complement instead, more of them in the shade. The eye does the mixing. Large dots cover the
ground; small ones, placed over them, carry the drawing.
"""

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from .canvas import (
    MAX_BYTE,
    WIDTH,
    Brush,
    Canvas,
    Strokes,
    blend,
    grid,
    mix,
    rgb,
    sample,
    scatter,
    smooth_noise,
    smoothstep,
    to_oklab,
    vary,
)

TITLE = "Riverbank in Dots"
ALT = (
    "A sunlit riverbank with poplars, two white sails and a figure under a red parasol, built of "
    "thousands of round dots of pure yellow, green, blue, orange and violet paint."
)
SEED = 1886
HEIGHT = 384
FAR_BANK = 150  # the y of the far waterline

# The pure paints, in a circle from yellow to green, each beside lighter ones tinted with white.
PAINTS = rgb(
    "ffe24a", "fff3b0", "ffc21f", "ff9a2e", "ffc48a", "f2622e", "d93a3a", "f59a94",
    "c2459a", "e8a8cc", "6a3fa0", "a48ad0", "2c3a9c", "2f62c4", "7aa6e6", "b8d6f4",
    "1f8fb4", "8fd4d8", "147a5a", "3fa34a", "8ccf5a", "c8e67a", "fdf6e2", "1c2a5c",
    "4a2a8c", "0f4f55", "8f2450", "24468c", "2a7a8c",
)  # fmt: skip
SPREAD = 0.075  # OKLab distance at which a paint is 60 % as likely as a perfect one
VALUE_FIRST = np.array(
    [2.4, 1.0, 1.0]
)  # a wrong lightness breaks the drawing, a wrong hue sparkles
WAVERING = np.array([0.04, 0.045, 0.045])  # spread of the wanted colour itself, in OKLab
COMPLEMENTS = (0.03, 0.12)  # share of complementary dots in full light and in deep shade
# Dot sizes: spacing and diameter in px, standard deviation of the diameter as a share.
SIZES = ((4.6, 8.0, 0.10), (4.0, 5.0, 0.12))


def paint() -> np.ndarray:
    """The picture: uint8 (384, 512, 3)."""
    rng = np.random.default_rng(SEED)
    sketch = _sketch(rng)
    canvas = Canvas(HEIGHT, rgb("efe0bd")[0], rng)
    for spacing, diameter, spread in SIZES:
        places = scatter(rng, HEIGHT, spacing)
        colours = _divide(rng, sample(sketch, places))
        sizes = diameter * np.exp(spread * rng.standard_normal(len(places)))
        canvas.lay(_dots(rng, places, sizes, colours), Brush(dryness=0.0, load=1.0, streaks=0.15))
    return canvas.finish(relief=0.35, gloss=0.06)


# ---------------------------------------------------------------------------------- dots
def _divide(rng: np.random.Generator, wanted: np.ndarray) -> np.ndarray:
    """One pure paint (N, 3) for each wanted colour (N, 3), drawn by likeness."""
    lab, paints = to_oklab(wanted), to_oklab(PAINTS)
    lab += WAVERING * rng.standard_normal(lab.shape)
    shade = smoothstep(0.75, 0.35, lab[:, 0])
    share = COMPLEMENTS[0] + (COMPLEMENTS[1] - COMPLEMENTS[0]) * shade
    turned = rng.random(len(lab)) < share
    lab[turned, 1:] *= -1
    distance = np.linalg.norm((lab[:, None] - paints[None]) * VALUE_FIRST, axis=-1)
    weight = np.exp(-0.5 * (distance / SPREAD) ** 2) + 1e-9
    total = np.cumsum(weight, axis=1)
    drawn = rng.random((len(lab), 1)) * total[:, -1:]
    return PAINTS[(total < drawn).sum(axis=1)]


def _dots(
    rng: np.random.Generator, places: np.ndarray, sizes: np.ndarray, colours: np.ndarray
) -> Strokes:
    """Round touches: strokes as long as they are wide, in any direction."""
    angle = rng.uniform(0, np.pi, len(places))
    arm = 0.5 * sizes[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    path = places[:, None] + arm[:, None] * np.array([-1.0, 0.0, 1.0])[:, None]
    return Strokes(path, sizes, vary(rng, colours, 0.02, 0.008), vary(rng, colours, 0.05, 0.015))


# -------------------------------------------------------------------------------- sketch
def _sketch(rng: np.random.Generator) -> np.ndarray:
    """The scene in its local colours (HEIGHT, WIDTH, 3), far things first."""
    _, y = grid(HEIGHT)
    picture = np.where((y < FAR_BANK)[..., None], _sky(rng), _river(rng))
    picture = _far_trees(picture, rng)
    picture = _draw(picture, _sails())
    picture = _bank(picture, rng)
    for place, base, height in ((400, 262, 250), (446, 292, 286), (492, 318, 300), (30, 350, 300)):
        picture = _poplar(picture, rng, place, base, height)
    return _draw(picture, _figure())


def _sky(rng: np.random.Generator) -> np.ndarray:
    """Pale gold at the horizon, blue above, soft clouds."""
    x, y = grid(HEIGHT)
    sky = blend(y / FAR_BANK, rgb("4f86dc", "8ab8f0", "c4dcf0", "ffe6b0"))
    bars = smooth_noise(rng, (HEIGHT, WIDTH // 4), 17).repeat(4, axis=1)
    cloud = smoothstep(0.2, 1.6, bars + 0.5 * smooth_noise(rng, x.shape, 24))
    return mix(sky, np.broadcast_to(rgb("fff0d8")[0], sky.shape), 0.9 * cloud)


def _river(rng: np.random.Generator) -> np.ndarray:
    """The sky turned over, dark under the far trees, with level bands of ripples."""
    x, y = grid(HEIGHT)
    depth = np.clip((y - FAR_BANK) / 150, 0, 1)
    bands = np.sin(y / 3.6 + 1.8 * smooth_noise(rng, x.shape, 40))
    water = blend(
        0.15 + 0.75 * depth + 0.13 * bands, rgb("3f7a70", "8cc0c8", "7ab0e8", "3a72cc", "2f58b0")
    )
    sun = np.exp(-(((x - 150) / (26 + 40 * depth)) ** 2)) * smoothstep(-0.4, 0.8, bands)
    return mix(water, np.broadcast_to(rgb("fff0b4")[0], water.shape), 0.8 * sun)


def _far_trees(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A line of round trees on the far bank, lit from the left."""
    x, y = grid(HEIGHT)
    for place in np.arange(-10, 400, 27):
        radius = 15 + 7 * rng.random()
        cx, cy = place + 6 * rng.standard_normal(), FAR_BANK - 0.72 * radius
        distance = np.hypot(x - cx, (y - cy) * 1.15) / radius
        lit = 0.5 - 0.45 * ((x - cx) + (y - cy)) / radius
        leaves = blend(lit, rgb("1c2a5c", "1f5f60", "3fa34a", "c8d85a"))
        picture = mix(picture, leaves, (distance < 1) & (y < FAR_BANK))
    shore = (np.abs(y - FAR_BANK) < 3) & (x < 420)
    return mix(picture, np.broadcast_to(rgb("e8d690")[0], picture.shape), shore)


def _bank(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The near bank: sunlit grass that falls to the left, with long violet shadows."""
    x, y = grid(HEIGHT)
    edge = 338 - 0.20 * x - 46 * smoothstep(250, 500, x) + 5 * np.sin(x / 31)
    depth = (y - edge) / 130
    tufts = 0.10 * smooth_noise(rng, x.shape, 13)
    grass = blend(0.05 + depth + tufts, rgb("f2ea7a", "c4dc58", "86c04a", "4a9a4a", "2a7a50"))
    stripes = np.sin((y + 0.42 * x) / 15 + 0.8 * smooth_noise(rng, x.shape, 50))
    shadow = smoothstep(0.2, 0.7, stripes) * smoothstep(0.12, 0.3, depth) * smoothstep(90, 240, x)
    grass = mix(grass, blend(depth, rgb("3f6a9a", "2f4a94", "3a3a88")), 0.85 * shadow)
    sand = np.broadcast_to(rgb("ffdf9a")[0], grass.shape)
    picture = mix(picture, sand, smoothstep(-0.05, 0.0, depth))
    return mix(picture, grass, smoothstep(0.03, 0.06, depth))


def _poplar(
    picture: np.ndarray, rng: np.random.Generator, place: float, base: float, height: float
) -> np.ndarray:
    """A tall tree: a trunk, and tufts of leaves that go from gold (left) to violet (right)."""
    x, y = grid(HEIGHT)
    up = (base - y) / height
    trunk = (np.abs(x - place) < 4) & (up > 0) & (up < 0.4)
    picture = mix(picture, blend((x - place) / 8 + 0.5, rgb("d98a4a", "5a3a7a")), trunk)
    half = 0.095 * height * np.sqrt(np.clip((up - 0.13) * (1.02 - up) * 4.2, 0, 1))
    rough = 4 * smooth_noise(rng, x.shape, 9)
    leaves = np.abs(x - place) + rough < half
    lit = 0.5 - 0.5 * (x - place) / np.maximum(half, 1) + 0.16 * smooth_noise(rng, x.shape, 11)
    colours = rgb("2a2f78", "1f5a6a", "2f8a4a", "8cc44a", "f2d84a")
    return mix(picture, blend(lit, colours), ndimage.gaussian_filter(leaves.astype(float), 1.0))


def _sails() -> list[tuple[list[tuple[float, float]], str]]:
    """Two white sails on the river and their hulls."""
    shapes = []
    for x, y, size in ((206, 178, 60), (306, 212, 104)):
        hull = [(x - 0.3 * size, y - 5), (x + 0.36 * size, y - 5), (x + 0.26 * size, y + 3)]
        shapes.append(([*hull, (x - 0.22 * size, y + 3)], "b8402e"))
        shapes.append(([(x, y - size), (x, y - 8), (x - 0.32 * size, y - 8)], "fff6dc"))
        shapes.append(
            ([(x + 3, y - 0.9 * size), (x + 3, y - 8), (x + 0.3 * size, y - 8)], "f6c890")
        )
        shapes.append(([(x, y + 6), (x - 0.2 * size, y + 6), (x, y + 0.6 * size)], "e6ecec"))
    return shapes


def _figure() -> list[tuple[list[tuple[float, float]], str]]:
    """A woman in a blue dress under a red parasol, with her shadow on the grass."""
    x, y = 178.0, 366.0
    arc = np.linspace(np.pi, 2 * np.pi, 16)
    dome = [(x + 46 * np.cos(a), y - 118 + 34 * np.sin(a)) for a in arc]
    lit = [(x - 16 + 30 * np.cos(a), y - 118 + 31 * np.sin(a)) for a in arc]
    return [
        ([(x - 20, y), (x + 26, y), (x + 130, y + 24), (x + 80, y + 26)], "33338c"),
        ([(x + 9, y - 118), (x + 12, y - 118), (x + 12, y - 70), (x + 9, y - 70)], "5a2a4a"),
        ([(x - 7, y - 66), (x + 8, y - 66), (x + 32, y + 2), (x - 28, y + 2)], "1c2a78"),
        ([(x - 7, y - 66), (x, y - 66), (x - 8, y + 2), (x - 28, y + 2)], "4a7ed8"),
        ([(x - 11, y - 92), (x + 11, y - 92), (x + 9, y - 60), (x - 9, y - 60)], "2c3a9c"),
        ([(x - 8, y - 110), (x + 7, y - 110), (x + 7, y - 90), (x - 8, y - 90)], "ffc48a"),
        ([(x - 11, y - 114), (x + 11, y - 114), (x + 9, y - 105), (x - 9, y - 105)], "c2459a"),
        (dome, "c83030"),
        (lit, "ff8a5a"),
    ]


def _draw(picture: np.ndarray, shapes: list[tuple[list[tuple[float, float]], str]]) -> np.ndarray:
    """The picture with polygons drawn in, each of one colour."""
    image = Image.fromarray(np.rint(picture * MAX_BYTE).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for corners, code in shapes:
        pen.polygon(corners, fill=f"#{code}")
    return np.asarray(image) / MAX_BYTE
