"""The measure of grain, on images whose spectrum is known, and the record of the model card."""

from __future__ import annotations

import json
import math
import statistics

import defaults
import grain
import pytest
import torch

from nst_teach.objective import WEAK_SMOOTHING

RECORD = json.loads(grain.RECORD.read_text(encoding="utf-8"))
SIDE = 128


def stripes(cycles_per_pixel: float, angle: float = 0.0) -> torch.Tensor:
    """A cosine of grey, `(1, 3, H, W)` in [0, 1]."""
    position = torch.arange(SIDE, dtype=torch.float32)
    across = position * math.cos(angle) + position[:, None] * math.sin(angle)
    wave = 0.5 + 0.4 * torch.cos(2 * math.pi * cycles_per_pixel * across)
    return wave.expand(1, 3, SIDE, SIDE)


@pytest.mark.parametrize("angle", [0.0, math.pi / 4, math.pi / 2])
def test_a_cosine_is_fine_or_not_by_its_frequency(angle):
    assert grain.fine_detail(stripes(0.4, angle)) > 0.95
    assert grain.fine_detail(stripes(0.1, angle)) < 0.05


def test_white_noise_has_the_share_of_the_band():
    """Its amplitude is the same everywhere, so the share is that of a ring in the unit square."""
    noise = torch.rand(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    ring = math.pi * (0.5**2 - 0.3**2)
    assert grain.fine_detail(noise.expand(1, 3, -1, -1)) == pytest.approx(ring, abs=0.02)


def test_colour_alone_is_no_fine_detail():
    """Only luma is measured: a change of hue at constant luma has a flat spectrum of zero."""
    red, green, _ = grain.LUMA
    wave = 0.2 * torch.cos(2 * math.pi * 0.4 * torch.arange(SIDE, dtype=torch.float32))
    image = stripes(0.1).clone()
    image[:, 0] += wave * green
    image[:, 1] -= wave * red
    assert grain.fine_detail(image) < 0.05


def test_record_was_made_with_the_settings_of_its_script():
    assert RECORD["settings"] == grain.settings()


def test_every_pair_was_measured_under_every_network():
    pairs = len(grain.CONTENTS) * len(grain.STYLES)
    for row in RECORD["rows"].values():
        assert {measure: len(values) for measure, values in row.items()} == dict.fromkeys(
            grain.MEASURES, pairs
        )


# --- the record of the defaults ------------------------------------------------------------------

TRIED = json.loads(defaults.RECORD.read_text(encoding="utf-8"))


def test_record_of_the_defaults_was_made_with_the_settings_of_its_script():
    assert TRIED["settings"] == defaults.chosen_from()


def test_every_weight_was_tried_at_every_size():
    names = {defaults.name_of(size, *pair) for size in defaults.SIZES for pair in defaults.TRIED}
    assert TRIED["rows"].keys() == names


def test_two_scripts_agree_on_the_mean_of_the_same_runs():
    for smoothing, name in ((0, "petite"), (WEAK_SMOOTHING, "petite, total variation 0.1 β")):
        tried, row = TRIED["rows"][defaults.name_of(256, 1, smoothing)], RECORD["rows"][name]
        for measure in grain.MEASURES:
            mean = statistics.mean(row[measure])
            assert statistics.mean(tried[measure]) == pytest.approx(mean, rel=0.05)
