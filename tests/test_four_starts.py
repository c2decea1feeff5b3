"""The record of chapter 5: made with its script's settings, quoted by the chapter as it is."""

from __future__ import annotations

import json
import re

import four_starts
import pytest
import torch
from conftest import ROOT

from nst_teach import optimize

TEXT = (ROOT / "book/src/05_total_loss.md").read_text(encoding="utf-8")
RECORD = json.loads((four_starts.FOLDER / f"{four_starts.NAME}.json").read_text(encoding="utf-8"))


def test_made_with_the_settings_of_its_script_and_names_its_figure():
    assert RECORD["settings"] == four_starts.settings()
    planned = [(s, step) for s in four_starts.STARTS for step in four_starts.STEPS]
    assert [(row["start"], row["step"]) for row in RECORD["runs"]] == planned
    picture = RECORD["picture"]
    assert four_starts.sha256(four_starts.FOLDER / picture["file"]) == picture["sha256"]


def test_settings_are_those_of_the_chapter():
    text = " ".join(TEXT.split())
    assert f'load_image("{four_starts.CONTENT}", size={four_starts.SIZE})' in text
    assert f'load_image("{four_starts.STYLE}", size={four_starts.SIZE})' in text
    assert f"STEPS = {four_starts.STEPS[0]} " in text
    assert f'optimizer="{four_starts.OPTIMIZER}"' in text
    assert f"make_start(name, content, style, seed={four_starts.SEED})" in text


def test_chapter_quotes_its_record():
    rows = re.findall(r"^\| (\w+) \| (.+) \|$", TEXT, re.M)
    quoted = {start: rest.split(" | ") for start, rest in rows if start in four_starts.STARTS}
    for start in four_starts.STARTS:
        found = [row for row in RECORD["runs"] if row["start"] == start]
        losses = [f"{row['loss'] / 1000:.0f}" for row in found]
        apart = [f"{row['pixels_apart']:.3f}" for row in found]
        assert quoted[start] == losses + apart


def test_follow_gives_the_picture_after_each_step_and_its_loss(monkeypatch):
    monkeypatch.setattr(four_starts, "SIZE", 48)
    goal = four_starts.objective()
    for step, (loss, image) in four_starts.follow(goal, "noise", steps=(3, 6)).items():
        run = optimize(goal, "noise", optimizer=four_starts.OPTIMIZER, steps=step)
        torch.testing.assert_close(image, run.image, rtol=0, atol=1e-6)
        assert loss == pytest.approx(goal(image).total.item(), rel=1e-4)
