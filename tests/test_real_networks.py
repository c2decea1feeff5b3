"""The measures behind chapter 13's record, on functions and images with known answers."""

from __future__ import annotations

import json

import pytest
import real_networks as real
import torch
from PIL import Image

from nst_teach import StyleObjective, load_image, load_network
from nst_teach.networks import build_vgg

SLIM = ((4, 4), (4, 4), (8, 8, 8), (8, 8, 8), (8,))  # the layers of VGG-16 that are used


@pytest.fixture(scope="module")
def photo():
    return load_image("chelsea", size=160)


# The price


def test_price_of_the_photograph_itself_is_nothing(photo):
    assert real.structure_lost(photo, photo) == pytest.approx(0, abs=1e-3)


def test_price_does_not_see_brightness_contrast_or_size(photo):
    assert real.structure_lost(0.3 + 0.5 * photo, photo) == pytest.approx(0, abs=5e-3)
    smaller = load_image("chelsea", size=120)
    assert real.structure_lost(smaller, smaller) == pytest.approx(0, abs=1e-3)


def test_price_of_a_flat_image_is_1_and_of_a_negative_2(photo):
    assert real.structure_lost(torch.full_like(photo, 0.5), photo) == pytest.approx(1, abs=1e-3)
    assert real.structure_lost(1 - photo, photo) == pytest.approx(2, abs=5e-3)


def test_price_of_an_unrelated_image_is_near_1(photo):
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(0))
    assert real.structure_lost(noise, photo) == pytest.approx(1, abs=0.1)


def test_price_rises_as_an_image_dissolves_into_noise(photo):
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(0))
    prices = [real.structure_lost((1 - t) * photo + t * noise, photo) for t in (0.2, 0.5, 0.8)]
    assert prices == sorted(prices)
    assert prices[0] < 0.5 * prices[-1]


# The search


def test_search_finds_a_known_root():
    found, trail = real.bisect(lambda x: x**2, 9.0, 1 / 64, 64.0, 24)
    assert found == pytest.approx(3, rel=1e-5)
    assert trail[0] == (1, 1)  # the middle of the interval on a logarithmic axis
    assert len(trail) == 24


@pytest.mark.parametrize(("goal", "end"), [(1e9, 64.0), (1e-9, 1 / 64)])
def test_search_runs_into_the_end_beyond_which_the_goal_lies(goal, end):
    found, _ = real.bisect(lambda x: x, goal, 1 / 64, 64.0, 20)
    assert found == pytest.approx(end, rel=1e-4)


def test_slope_of_a_power_is_its_exponent():
    trail = [(x, 5 * x**0.7) for x in (0.1, 1.0, 2.0, 30.0)]
    assert real.slope(trail, 6.0) == pytest.approx(0.7)


# The runs


def test_a_run_has_exactly_its_evaluations():
    entry = real.ENTRIES["petite"]
    goal = real.objective(entry, real.PAIRS[0], 48, 2.0)
    assert goal.beta == pytest.approx(2 * goal.default_beta())
    assert len(real.run(goal, "content", 7).history) == 7


def test_three_layers_of_petite_are_those_of_the_partial_network():
    """So that what differs between the two is the network."""
    petite3, partial = real.ENTRIES["petite3"], real.ENTRIES["vgg19_partial"]
    vgg = build_vgg("vgg19", SLIM, "max")
    ends = vgg.layers.index(partial.last_layer) + 1
    usual = [layer for layer in vgg.style_layers if layer in vgg.layers[:ends]]
    assert list(petite3.style_layers) == usual


def test_whole_record_can_be_made_and_a_second_time_nothing_is_computed(
    tmp_path, monkeypatch, capsys
):
    """With a few evaluations of tiny images, and petite in the places of the others."""
    small = {"SIZE": 48, "EVALUATIONS": 3, "SEARCH_SIZE": 48, "SEARCH_EVALUATIONS": 2,
             "HALVINGS": 2, "CORRECTIONS": 0, "LADDER_CROP": (0, 0, 32), "TEXTURE_SIZE": 32,
             "CROP": 16, "CROPS": dict.fromkeys(real.CROPS, (0, 0))}  # fmt: skip
    for name, value in small.items():
        monkeypatch.setattr(real, name, value)
    entries = {
        "petite": real.ENTRIES["petite"]._replace(ladder=("relu1_1",)),
        "petite3": real.ENTRIES["petite3"],
    }
    record = tmp_path / "record.json"
    for round_ in range(2):
        real.make(real.Runs(tmp_path / "cache", 1), entries, tmp_path / "out", record)
        printed = capsys.readouterr().out
        assert ("paint-petite3" in printed) == (round_ == 0)
    found = json.loads(record.read_text(encoding="utf-8"))
    assert [row["network"] for row in found["rows"]] == ["petite", "petite3"] * len(real.PAIRS)
    for picture in found["pictures"]:
        with Image.open(tmp_path / "out" / picture["file"]) as image:
            assert list(image.size) == picture["size"]


def test_strength_is_a_multiple_of_the_package_s_own_rule():
    content, style = load_image("chelsea", size=48), load_image("marbled_paper", size=48)
    default = StyleObjective(content, style, load_network("petite")).beta
    goal = real.objective(real.ENTRIES["petite"], ("chelsea", "marbled_paper"), 48, 0.5)
    assert goal.beta == pytest.approx(0.5 * default)
