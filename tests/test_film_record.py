"""The record of the film in chapter 11: its script's settings, its relations, its judge."""

from __future__ import annotations

import json

import film_record
import pytest
import torch
from conftest import ROOT
from film_record import FAST, FRAMES, STEPS, WAYS, Known

from nst_teach import load_image, motion
from nst_teach.video import visible, warp

RECORD = json.loads((film_record.FOLDER / "film.json").read_text(encoding="utf-8"))
SHEET = film_record.FOLDER / RECORD["sheet"]["file"]
CHAPTER = " ".join((ROOT / "book/src/11_fast_and_moving.md").read_text(encoding="utf-8").split())
ROWS = {(row["way"], row["steps"]): row for row in RECORD["ways"]}


def value(key: str, way: str, steps: int) -> float:
    return ROWS[way, steps][key]


def motion_row(method: str, distance: int) -> dict:
    found = (r for r in RECORD["motion"] if (r["method"], r["distance"]) == (method, distance))
    return next(found)


# --- settings ------------------------------------------------------------------------------------


def test_made_with_the_settings_of_its_script_and_names_its_sheet():
    assert RECORD["settings"] == film_record.settings()
    assert set(ROWS) == {(way, steps) for way in WAYS for steps in STEPS} | {(FAST, 0)}
    assert film_record.sha256(SHEET) == RECORD["sheet"]["sha256"]


def test_settings_are_those_of_the_chapter():
    assert f'STYLE = "{film_record.STYLE}"' in CHAPTER
    assert f"style = load_image(STYLE, size={film_record.STYLE_SIZE})" in CHAPTER
    assert f"STYLE_WEIGHT = {film_record.STYLE_WEIGHT} " in CHAPTER
    assert f"MEMORY = {film_record.TEMPORAL} " in CHAPTER
    assert f"FRAMES, WIDTH = {FRAMES}, {film_record.MOTION_WIDTH} " in CHAPTER
    assert f'optimizer="{film_record.OPTIMIZER}", steps=steps' in CHAPTER


# --- relations -----------------------------------------------------------------------------------


def test_estimated_flow_is_better_than_none_and_worse_than_the_known():
    for distance in film_record.DISTANCES:
        assert motion_row("known", distance)["end_point_error"] == 0
        estimated = motion_row("tvl1", distance)
        assert 0 < estimated["end_point_error"] < 0.2 * estimated["moves_by"]


def test_boundary_test_raises_recall_and_lowers_precision():
    for row in RECORD["motion"]:
        alone, both = row["tests"]["visible"], row["tests"]["and boundary"]
        assert both["recall"] > alone["recall"]
        assert both["precision"] < alone["precision"]
        assert both["excluded"] > alone["excluded"]


@pytest.mark.parametrize("steps", STEPS)
def test_what_is_carried_along_flickers_less(steps: int):
    flicker = {way: value("flicker", way, steps) for way in WAYS}
    assert flicker["temporal loss"] < flicker["warped start"] < flicker["own start"]
    assert flicker["own start"] < flicker["own noise"]


def test_more_steps_lower_the_loss_and_add_flicker_to_frames_that_are_not_held():
    few, many = STEPS
    for way in WAYS:
        assert value("loss", way, many) < value("loss", way, few)
    for way in ("own start", "warped start"):
        assert value("flicker", way, many) > value("flicker", way, few)


# --- the sheet -----------------------------------------------------------------------------------


def test_sheet_is_small_and_shows_what_was_measured():
    """Of what is saved, flicker ranks the ways as in the record; halved colours lower it."""
    assert SHEET.stat().st_size <= 600_000
    clips = film_record.load_sheet(SHEET, film_record.IN_SHEET)
    clip = film_record.known(film_record.WIDTH)
    assert clips[FAST][0].shape == clip.frames[0].shape
    unit = film_record.of_painting(clip, clip.frames)["flicker"]
    assert unit == pytest.approx(RECORD["photos_flicker"], rel=0.02)
    ways = [way for way in clips if way != "long-term"]  # hardly differs from "temporal loss"
    saved = {way: film_record.of_painting(clip, clips[way])["flicker"] / unit for way in ways}
    recorded = {
        way: value("flicker", way, 0 if way == FAST else RECORD["settings"]["shown"])
        for way in ways
    }
    assert sorted(ways, key=saved.__getitem__) == sorted(ways, key=recorded.__getitem__)
    assert saved == pytest.approx(recorded, rel=0.4)


def test_temporal_loss_softens_the_frames_and_the_other_ways_do_not():
    """Contrast between neighbouring pixels: of the last frame, as a share of the first's."""
    clips = film_record.load_sheet(SHEET, film_record.IN_SHEET)
    contrast = {
        way: [frame.diff(dim=3).abs().mean().item() for frame in (frames[0], frames[-1])]
        for way, frames in clips.items()
    }
    kept = {way: last / first for way, (first, last) in contrast.items()}
    held = {kept.pop(way) for way in ("temporal loss", "long-term")}
    assert max(held) < 0.8
    assert min(kept.values()) > 0.95


def test_fast_network_gives_its_row_again():
    clip = film_record.known(film_record.WIDTH)
    again = film_record.row(
        clip, FAST, 0, film_record.by_the_fast_network(clip), RECORD["photos_flicker"]
    )
    for key in ("flicker", "style_loss", "loss"):
        assert again[key] == pytest.approx(value(key, FAST, 0), rel=0.05)


def test_sheet_keeps_clips_and_frames_apart(tmp_path):
    greys = {"a": [0.2, 0.4], "b": [0.6, 0.8]}
    clips = [[torch.full((1, 3, 16, 24), v) for v in values] for values in greys.values()]
    film_record.save_sheet(clips, tmp_path / "sheet.webp")
    read = film_record.load_sheet(tmp_path / "sheet.webp", list(greys), count=2)
    for name, values in greys.items():
        assert [f.mean().item() for f in read[name]] == pytest.approx(values, abs=0.02)


# --- the judge -----------------------------------------------------------------------------------


def card(column: int) -> Known:
    """A near card of 4 columns, 6 pixels of disparity, before a wall that does not move."""
    frames, disparities = [], []
    wall = torch.linspace(0, 0.5, 24).repeat(1, 3, 6, 1)
    for moved in (0, 3, 6):
        left = column - moved
        frame, disparity = wall.clone(), torch.zeros(6, 24)
        frame[..., left : left + 4] = 1.0
        disparity[:, left : left + 4] = 6
        frames.append(frame)
        disparities.append(disparity)
    return Known(frames, disparities)


def test_known_flow_finds_every_visible_pixel_and_its_opposite_returns():
    scene = card(12)
    for at, to in ((1, 0), (2, 0), (0, 2), (2, 1)):
        hidden = scene.hidden(at, to)
        error = (warp(scene.frames[to], scene.flow(at, to)) - scene.frames[at]).abs().amax(1)[0]
        assert error[~hidden].max() < 1e-5
        assert error[hidden].min() > 0.3
        mask = visible(scene.flow(at, to), scene.flow(to, at))
        assert torch.equal(mask[0, 0] == 0, hidden)


def test_known_motion_is_judged_faultless_and_no_motion_is_not(monkeypatch):
    scene = card(12)
    monkeypatch.setattr(motion, "METHODS", dict(motion.METHODS))
    film_record.register(scene)
    good = film_record.of_motion(scene, film_record.KNOWN, 1)
    assert good["end_point_error"] == 0
    assert good["tests"]["visible"] == {
        "excluded": good["hidden"],
        "recall": 1.0,
        "precision": 1.0,
    }
    motion.METHODS["still"] = lambda image, other: torch.zeros_like(image[:, :2])
    still = film_record.of_motion(scene, "still", 1)
    assert still["end_point_error"] == still["moves_by"] > 0
    assert still["tests"]["visible"]["recall"] == 0


def test_scores_are_recall_and_precision():
    found = film_record.scores(torch.tensor([3, 4, 12, 100]))
    assert found == {"excluded": 0.12, "recall": 0.75, "precision": 0.25}


def test_alone_each_frame_has_a_start_of_its_own_and_otherwise_the_one_before(monkeypatch):
    """With no steps a painting is its start."""
    monkeypatch.setattr(film_record, "FIRST_STEPS", 0)
    scene = film_record.known(film_record.WIDTH)
    short = Known(scene.frames[:2], scene.disparities[:2])
    ways = ("own start", "own noise", "warped start", "temporal loss")
    painted = {name: film_record.paint(short, WAYS[name], 0) for name in ways}
    for frame, own in zip(short.frames, painted["own start"], strict=True):
        torch.testing.assert_close(own, frame, atol=1 / 255, rtol=0)
    one, other = painted["own noise"]
    assert (one - other).abs().mean() > 0.1
    for name in ("warped start", "temporal loss"):
        assert not torch.equal(painted[name][1], painted["own start"][1])
        assert (painted[name][1] - short.frames[1]).abs().mean() < 0.05


def test_objective_is_that_of_the_chapter():
    goal = film_record.goal_for(load_image("chelsea", size=64))
    assert goal.beta == film_record.STYLE_WEIGHT * film_record.features_of(goal)
