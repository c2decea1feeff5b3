"""Colours that must be told apart are, with three kinds of colour blindness; what is alike in grey
differs in its dashes."""

from __future__ import annotations

import json
import re

import colours
import numpy as np
import pytest
from conftest import ROOT
from skimage import color

from nst_teach import plots

LEAST = 10.0
"""CIEDE2000 between colours of one figure: 1 can just be seen between large areas side by side; a
line as wide as a hair needs a multiple of it."""

LEAST_CONTRAST = 3.0  # of a curve with its page, WCAG 2.2, 1.4.11

EYES = [view for view in colours.VIEWS if view != "greyscale"]

PAGES = {"light": "#f4f1ea", "dark": "#23262d"}
"""--paint-wash of course.css: the labs' curves stand on it; figures on white in both themes."""

TEXTS = {"light": "#323232", "dark": "#ced6dd"}
"""The colour of text in the two themes, and so of the lab's total."""

WORDS = json.loads((ROOT / "nst_teach" / "studio_controls.json").read_text(encoding="utf-8"))
LAB = WORDS["curves"]["colours"]
CURVES = {
    "content": LAB["content"],
    "total variation": LAB["total_variation"],
    **{f"style {number}": colour for number, colour in enumerate(LAB["style"], start=1)},
}

HEX = re.compile(r'"(#[0-9a-f]{6})"')
BACKDROP = "#cbd5e1"  # contour lines, behind what is told apart


LABELLED = re.compile(r"\.(?:plot|semilogx|semilogy|loglog)\([^#]*?\blabel=", re.S)
"""A curve with a name: there are others in its figure."""


def cells() -> dict[str, str]:
    """The code of all cells of the chapters."""
    found = {}
    for source in sorted((ROOT / "book" / "src").glob("[0-9]*.md")):
        codes = re.findall(r"```\{code-cell\}.*?```", source.read_text(encoding="utf-8"), re.S)
        found |= {f"{source.stem} cell {number}": code for number, code in enumerate(codes)}
    return found


def cells_with_colours() -> dict[str, list[str]]:
    """The colours that a cell of a page names, where there are several."""
    named = {cell: sorted(set(HEX.findall(code)) - {BACKDROP}) for cell, code in cells().items()}
    return {cell: colours for cell, colours in named.items() if len(colours) > 1}


# The colours


@pytest.mark.parametrize("view", EYES)
@pytest.mark.parametrize("theme", PAGES)
def test_curves_of_the_lab_are_told_apart(theme, view):
    found = colours.nearest({**CURVES, "total": TEXTS[theme]}, view)
    assert found[0] >= LEAST, found


@pytest.mark.parametrize("theme", PAGES)
def test_curves_of_the_lab_stand_out_from_the_page(theme):
    contrasts = {name: colours.contrast(c, PAGES[theme]) for name, c in CURVES.items()}
    assert min(contrasts.values()) >= LEAST_CONTRAST, contrasts


@pytest.mark.parametrize("view", EYES)
def test_curves_of_a_figure_are_told_apart(view):
    parts = {"content": plots.CONTENT, **{c: c for c in plots.STYLES}, "total": plots.TOTAL}
    assert colours.nearest(parts, view)[0] >= LEAST
    assert colours.nearest({c: c for c, _ in plots.RUNS}, view)[0] >= LEAST


def test_the_book_and_the_lab_give_a_layer_the_same_colour():
    assert (LAB["content"], tuple(LAB["style"])) == (plots.CONTENT, plots.STYLES)


def test_in_grey_the_dashes_tell_curves_apart():
    assert len({"-", *plots.DASHES}) == 1 + len(plots.STYLES)
    assert len({dashes for _, dashes in plots.RUNS}) == len(plots.RUNS)


@pytest.mark.parametrize("theme", PAGES)
def test_in_grey_the_dashes_tell_curves_of_the_lab_apart(theme):
    """Only content has no dashes, like the total: it is thinner, and of another grey."""
    dashes = WORDS["curves"]["dashes"]
    assert len(dashes["style"]) == len(LAB["style"])
    assert len({*dashes["style"], dashes["total_variation"], dashes["content"]}) == len(CURVES)
    assert colours.distance(LAB["content"], TEXTS[theme], "greyscale") >= LEAST


def test_curves_of_the_chapters_have_the_looks_of_the_package():
    found = {cell: "plots.RUNS" in code for cell, code in cells().items() if LABELLED.search(code)}
    assert len(found) > 5
    assert all(found.values()), found


@pytest.mark.parametrize("view", EYES)
@pytest.mark.parametrize("cell", cells_with_colours())
def test_colours_of_a_cell_are_told_apart(cell, view):
    named = cells_with_colours()[cell]
    found = colours.nearest({colour: colour for colour in named}, view)
    assert found[0] >= LEAST, found


def test_the_map_of_features_rises_in_grey():
    """Then it can be read without its colours; lightness must not turn back anywhere."""
    from matplotlib import colormaps

    for name in (plots.FEATURE_MAP, "YlOrRd_r"):
        shades = colormaps[name](np.linspace(0, 1, 64))[:, :3]
        for view in colours.VIEWS:
            lightness = color.rgb2lab(colours.seen(shades, view))[:, 0]
            assert (np.diff(lightness) > -0.2).all(), (name, view)


# The measure

SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]
"""Pairs and distances of Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", 2005."""


@pytest.mark.parametrize(("a", "b", "expected"), SHARMA)
def test_distances_are_the_published_ones(a, b, expected):
    assert color.deltaE_ciede2000(np.array(a), np.array(b)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("view", colours.VIEWS)
def test_grey_looks_the_same_to_all(view):
    for level in (0.0, 0.25, 0.5, 1.0):
        assert colours.seen(np.full(3, level), view) == pytest.approx(level, abs=1e-3)


def test_red_and_green_are_alike_without_one_of_their_cones():
    """Two colours on a line of confusion, for those who lack the cones for green."""
    one, other = "#d62728", "#7b6a00"
    assert colours.distance(one, other) > 30
    assert colours.distance(one, other, "deuteranopia") < 0.5 * colours.distance(one, other)
    assert colours.distance(one, other, "tritanopia") > 20


def test_colours_that_are_alike_are_found():
    """Violet and blue, as the course once drew two optimisers."""
    found = colours.nearest({"a": "#7e22ce", "b": "#1d4ed8", "c": "#ffffff"}, "deuteranopia")
    assert found == (pytest.approx(2.5, abs=0.1), "a", "b")
