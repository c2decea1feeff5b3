"""The record of one network for three styles, in chapter 11: its settings, its relations."""

from __future__ import annotations

import itertools
import json

import conditional_record as tool
import pytest
import torch
from conftest import ROOT

from nst_teach import load_image
from nst_teach.feedforward import load_conditional, training_loss
from nst_teach.losses import gram_of

RECORD = json.loads(tool.RECORD.read_text(encoding="utf-8"))
CARD = json.loads(tool.RECORD.with_name("fast_three_styles.json").read_text(encoding="utf-8"))
CHAPTER = " ".join((ROOT / "book/src/11_fast_and_moving.md").read_text(encoding="utf-8").split())
PHOTOS = RECORD["photographs"]
WAYS = {"photo", "single", "conditional", "wrong style", "optimisation"}


def losses(style: str, way: str) -> list[float]:
    return [RECORD["losses"][style][way][name]["loss"] for name in PHOTOS]


# --- settings ------------------------------------------------------------------------------------


def test_made_with_the_settings_of_its_script_and_the_bundled_network():
    assert RECORD["settings"] == tool.settings()


def test_settings_are_those_of_the_chapter():
    assert f"STYLE_WEIGHT = {tool.STYLE_WEIGHT} " in CHAPTER
    assert f"load_image(STYLE, size={tool.STYLE_SIZE})" in CHAPTER
    assert f"load_image(name, size={tool.SIZE})" in CHAPTER
    assert f"def by_optimisation(photo, steps={tool.STEPS})" in CHAPTER
    assert f'optimizer="{tool.OPTIMIZER}", steps=steps' in CHAPTER


def test_every_style_way_and_photograph_is_there():
    assert set(RECORD["losses"]) == set(tool.STYLES) == set(CARD["styles"])
    for ways in RECORD["losses"].values():
        assert set(ways) == WAYS
        assert all(list(rows) == PHOTOS for rows in ways.values())
    pairs = [tuple(path["pair"]) for path in RECORD["paths"]]
    assert pairs == list(itertools.combinations(tool.STYLES, 2))


def test_no_photograph_was_trained_on():
    assert len(PHOTOS) == len(set(PHOTOS)) == 6
    assert not set(PHOTOS) & set(CARD["photographs"])
    for single in RECORD["singles"].values():
        assert set(single["held_out"]) == set(CARD["held_out"])


def test_the_networks_for_one_style_were_trained_alike():
    for single in RECORD["singles"].values():
        assert single["crops"] == 12000
        assert single["strength"] == CARD["strength"] == tool.STYLE_WEIGHT
    glass = RECORD["singles"]["stained_glass"]
    assert CARD["started_from"]["sha256"] == glass["sha256"]
    assert CARD["crops"] < 2 * glass["crops"], "in all, less training than that of three networks"


# --- relations -----------------------------------------------------------------------------------


@pytest.mark.parametrize("style", tool.STYLES)
def test_the_loss_is_that_of_the_training(style):
    for way in WAYS:
        for row in RECORD["losses"][style][way].values():
            expected = row["content"] + tool.STYLE_WEIGHT * row["style"]
            assert row["loss"] == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("style", tool.STYLES)
def test_a_style_needs_its_own_scales_and_shifts(style):
    pairs = zip(losses(style, "conditional"), losses(style, "wrong style"), strict=True)
    assert all(right < wrong for right, wrong in pairs)


@pytest.mark.parametrize("style", tool.STYLES)
def test_the_optimisation_reaches_the_lowest_loss(style):
    for way in ("single", "conditional"):
        pairs = zip(losses(style, "optimisation"), losses(style, way), strict=True)
        assert all(run < one_pass for run, one_pass in pairs)


def test_both_ways_from_style_to_style_have_the_same_ends():
    for path in RECORD["paths"]:
        for rows in path["photographs"].values():
            for end in (0, -1):
                assert rows["slider"][end] == rows["cross-fade"][end]


def test_the_record_is_what_the_bundled_network_paints():
    """One of its numbers, again, by the package's function for a batch."""
    style, name = "night_swirls", "chelsea"
    judge, photo = tool.load_network(tool.NETWORK), load_image(name, size=tool.SIZE)
    features = judge(load_image(style, size=tool.STYLE_SIZE), judge.style_layers)
    with torch.no_grad():
        painted = load_conditional()(photo, style)
        loss = training_loss(painted, photo, judge, gram_of(features), strength=tool.STYLE_WEIGHT)
    expected = RECORD["losses"][style]["conditional"][name]["loss"]
    assert loss.item() == pytest.approx(expected, rel=5e-3)


# --- the tool ------------------------------------------------------------------------------------


def test_photographs_are_taken_at_equal_distances(tmp_path):
    for number in range(3 * tool.EVERY):
        (tmp_path / f"{number:03}.jpg").touch()
    (tmp_path / "notes.txt").touch()
    found = tool.find_photos(tmp_path, ["chelsea"])
    first = tool.EVERY // 3
    names = [f"{first + k * tool.EVERY:03}" for k in range(3)]
    assert list(found) == ["chelsea", *names]


def test_the_evaluation_that_reaches_a_loss_is_counted_from_one():
    history = [9.0, 4.0, 5.0, 2.0]
    assert tool.evaluations(history, 9.0) == 1
    assert tool.evaluations(history, 4.5) == 2
    assert tool.evaluations(history, 1.0) is None


def test_a_kept_optimisation_is_not_repeated(tmp_path):
    kept = tmp_path / "kept.json"
    kept.write_text('{"loss": 7, "history": [8, 7]}')
    assert tool.optimised(None, None, kept) == {"loss": 7, "history": [8, 7]}
