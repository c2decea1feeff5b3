"""Colours as other eyes see them, and how far apart they are then.

Colour blindness after Machado, Oliveira and Fernandes, "A physiologically-based model for
simulation of color vision deficiency", IEEE TVCG 15(6), 2009, doi:10.1109/TVCG.2009.113: their
matrices for severity 1.0, applied to linear RGB. Distances are CIEDE2000, by scikit-image.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from skimage import color

DEFICIENCIES = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}

GREY = ((0.2126, 0.7152, 0.0722),) * 3  # luminance, ITU-R BT.709

VIEWS = {"normal": tuple(map(tuple, np.eye(3))), **DEFICIENCIES, "greyscale": GREY}
"""Matrices of linear RGB, by the eyes or the printer that they stand for."""


def linear(srgb: np.ndarray) -> np.ndarray:
    """Linear RGB of sRGB in [0, 1], IEC 61966-2-1."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def encoded(rgb: np.ndarray) -> np.ndarray:
    """sRGB of linear RGB, clipped to [0, 1]."""
    rgb = rgb.clip(0, 1)
    return np.where(rgb <= 0.0031308, rgb * 12.92, 1.055 * rgb ** (1 / 2.4) - 0.055)


def parsed(colour: str) -> np.ndarray:
    """sRGB in [0, 1] of "#rrggbb"."""
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def seen(srgb: np.ndarray, view: str) -> np.ndarray:
    """sRGB `(..., 3)` as it looks in one of `VIEWS`."""
    return encoded(linear(srgb) @ np.array(VIEWS[view]).T)


def distance(a: str, b: str, view: str = "normal") -> float:
    """CIEDE2000 between two colours "#rrggbb" in a view."""
    both = (color.rgb2lab(seen(parsed(c), view)) for c in (a, b))
    return float(color.deltaE_ciede2000(*both))


def nearest(palette: Mapping[str, str], view: str) -> tuple[float, str, str]:
    """The two colours of a palette that are most alike in a view, after their distance."""
    pairs = itertools.combinations(palette, 2)
    return min((distance(palette[a], palette[b], view), a, b) for a, b in pairs)


def contrast(a: str, b: str) -> float:
    """The contrast of two colours, from 1 to 21, WCAG 2.2."""
    low, high = sorted(float(linear(parsed(c)) @ GREY[0]) for c in (a, b))
    return (high + 0.05) / (low + 0.05)
