"""The race of chapter 6: made with its script's settings, quoted as it is, and fair."""

from __future__ import annotations

import json

import pytest
import race
from conftest import ROOT

RECORD = json.loads((ROOT / f"book/images/{race.NAME}.json").read_text(encoding="utf-8"))
CHAPTER = (ROOT / "book/src/06_lbfgs_versus_adam.md").read_text(encoding="utf-8")


def test_race_was_run_with_the_settings_of_its_script():
    assert RECORD["settings"] == race.settings()


def test_everyone_raced_from_every_start_with_as_many_evaluations():
    for pair, start, seeds in race.fields():
        for optimizer in race.RATES[start]:
            runs = race.races(RECORD, start, optimizer)
            for seed in seeds:
                assert runs[*pair, seed]["evaluations"] == race.BUDGET


def test_adam_raced_at_the_best_of_its_rates():
    for (content, style, seed), run in race.races(RECORD, "noise", "adam").items():
        if seed == race.SEEDS[0]:
            rivals = [
                other["end"]
                for other in RECORD["runs"]
                if (other["content"], other["style"], other["start"]) == (content, style, "noise")
                and (other["optimizer"], other["seed"], other["budget"])
                == ("adam", seed, race.BUDGET)
            ]
            assert len(rivals) == len(race.RATES["noise"]["adam"])
            assert run["end"] == min(rivals)


@pytest.mark.parametrize("line", [line for line in race.tables(RECORD) if line])
def test_chapter_6_quotes_its_record(line: str):
    assert line in CHAPTER.splitlines()


def test_what_is_saved_lies_inside_and_is_what_a_bounded_optimiser_reported():
    for run in RECORD["runs"]:
        if run["optimizer"] in race.BOUNDED:
            for (n, saved), (same, reported) in zip(run["saved"], run["reported"], strict=True):
                assert n == same
                assert saved == pytest.approx(reported, rel=2e-3)


def test_a_short_race_again_gives_the_record():
    """The first checkpoint of a run, computed anew."""
    first = next(run for run in RECORD["runs"] if run["optimizer"] == "adam" and run["raced"])
    n = race.CHECKPOINTS[0]
    pair = (first["content"], first["style"])
    again = race.race(race.Run(pair, first["start"], first["seed"], "adam", first["rate"], n))
    assert again["end"] == pytest.approx(dict(map(tuple, first["saved"]))[n], rel=0.05)
