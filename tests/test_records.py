"""Records of long computations: made with their script's settings, quoted as they are.

What is too long for a page, or needs weights that are not ours to give away, is computed once by a
script in tools/. It leaves a file of numbers and a figure in book/images/.
"""

from __future__ import annotations

import json
import re

import fingerprint
import pytest
import reconstructions
import torch
import two_studies
from conftest import ROOT

from nst_teach import (
    StyleObjective,
    content_loss,
    load_image,
    load_network,
    optimize,
    preprocess,
)
from nst_teach.networks import WEIGHTS_FOLDER

IMAGES, SOURCES = ROOT / "book/images", ROOT / "book/src"
NAMES = (reconstructions.NAME, fingerprint.NAME, two_studies.NAME)
PETITE = WEIGHTS_FOLDER / "petite.safetensors"
MOST_BYTES = 300_000


def record(name: str) -> dict:
    return json.loads((IMAGES / f"{name}.json").read_text(encoding="utf-8"))


def chapter(stem: str) -> str:
    """A chapter's source with each run of white space as one space."""
    return " ".join((SOURCES / f"{stem}.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", NAMES)
def test_record_names_its_figure(name):
    picture = record(name)["picture"]
    path = IMAGES / picture["file"]
    assert reconstructions.sha256(path) == picture["sha256"]
    assert path.stat().st_size < MOST_BYTES


# Chapter 3: reconstructions


def test_reconstructions_were_made_with_the_settings_of_their_script():
    """... with the weights in the package and with every run and step that the script plans."""
    found = record(reconstructions.NAME)
    assert found["settings"] == reconstructions.settings()
    keys = ("layer", "seed", "step")
    steps = reconstructions.STEPS
    planned = [(*run, step) for run in reconstructions.plan() for step in steps]
    assert [tuple(row[key] for key in keys) for row in found["pictures"]] == planned


def test_chapter_3_has_the_photograph_the_optimiser_and_the_blur_of_the_record():
    text = chapter("03_content_loss")
    assert f'load_image("{reconstructions.PHOTO}", size={reconstructions.SIZE})' in text
    assert f'optimizer="{reconstructions.OPTIMIZER}"' in text
    assert f"BLUR = {reconstructions.BLUR} " in text


def table_of_chapter_3() -> dict[tuple[str, int], list[str]]:
    """Layer and steps to the numbers that the chapter quotes."""
    text = (SOURCES / "03_content_loss.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| `(relu\d_\d)` \| (\d+) \|(.+)\|$", text, re.M)
    return {(layer, int(step)): rest.split("|") for layer, step, rest in cells}


def test_chapter_3_quotes_its_record():
    found = record(reconstructions.NAME)
    quoted = table_of_chapter_3()
    assert len(quoted) == len(reconstructions.LAYERS) * len(reconstructions.STEPS)
    ends = {(p["layer"], p["step"]): p for p in found["two_starts"]}
    for row in found["pictures"]:
        key = row["layer"], row["step"]
        if row["seed"] == reconstructions.SEEDS[0]:
            expected = [
                f"{row['content_loss']:.5f}",
                f"{row['pixel_error']:.3f}",
                f"{row['detail_like_photo']:.2f}",
                f"{row['detail_like_start']:.2f}",
                f"{ends[key]['pixels_apart']:.3f}",
            ]
            assert [cell.strip() for cell in quoted[key]] == expected


def test_rebuilding_gives_the_picture_after_each_step_and_its_loss():
    """A run that ends there gives the same picture; the loss is that of the definition."""
    network, photo = load_network("petite"), load_image("chelsea", size=48)
    seen = reconstructions.rebuild(network, photo, "relu2_1", seed=1, steps=(3, 6))
    assert list(seen) == [3, 6]
    target = network(photo, "relu2_1")["relu2_1"]
    for step, (loss, image) in seen.items():
        shorter = reconstructions.rebuild(network, photo, "relu2_1", seed=1, steps=(step,))
        assert torch.equal(shorter[step][1], image)
        features = network(image, "relu2_1")["relu2_1"]
        relative = content_loss(features, target) / content_loss(0 * target, target)
        assert loss == pytest.approx(relative.item(), rel=1e-4)


def test_rebuilt_picture_is_where_the_optimiser_ends():
    network, photo = load_network("petite"), load_image("chelsea", size=48)
    ((_, image),) = reconstructions.rebuild(network, photo, "relu1_1", seed=2, steps=(4,)).values()
    goal = reconstructions.StyleObjective(
        photo, photo, network, content_layers="relu1_1", style_layers=()
    )
    start = reconstructions.noise_like(photo, seed=2)
    end = optimize(goal, start, optimizer=reconstructions.OPTIMIZER, steps=4).image
    torch.testing.assert_close(image, end, rtol=0, atol=1e-6)


def test_correlation_of_fine_detail_sees_stripes_and_not_a_slope():
    """Stripes a pixel wide are fine detail, a slow gradient is not; the sign counts."""
    stripes = (torch.arange(24) % 2).float().expand(1, 3, 24, 24)
    slope = torch.linspace(0, 5, 24)[:, None].expand(1, 3, 24, 24)
    assert reconstructions.correlation(stripes, stripes + slope) > 0.95
    assert reconstructions.correlation(stripes, 1 - stripes) == pytest.approx(-1)


# Chapter 4: fingerprints


def test_fingerprints_were_made_with_the_settings_of_their_script():
    found = record(fingerprint.NAME)
    assert found["settings"] == {"size": fingerprint.SIZE, "styles": list(fingerprint.STYLES)}
    hashes = {network["network"]: network["weights_sha256"] for network in found["networks"]}
    assert list(hashes) == ["SqueezeNet 1.1", "VGG-19", "petite"]
    assert hashes["petite"] == reconstructions.sha256(PETITE)


def test_fingerprint_of_petite_comes_out_again():
    found = record(fingerprint.NAME)["networks"][-1]
    petite = load_network("petite")
    table = fingerprint.gaps(petite, petite.style_layers)
    torch.testing.assert_close(table, torch.tensor(found["gaps"]), rtol=1e-3, atol=1e-5)
    assert fingerprint.own_half(table) == found["own_half"]


def test_chapter_4_quotes_its_record():
    """How many halves each classifier finds, its layers, and the weights that it had."""
    text = chapter("04_gram_matrices")
    found = record(fingerprint.NAME)
    total = len(fingerprint.STYLES)
    assert f"size=({fingerprint.SIZE}, {fingerprint.SIZE})" in text
    for network in found["networks"][:2]:
        assert f"{network['network']}: {network['own_half']} of {total}" in text
        assert f"`{network['weights_sha256'][:12]}…`" in text
        assert all(f"`{layer}`" in text for layer in network["layers"])
    assert found["made"]["on"] in text
    assert found["made"]["command"] in text


# Chapter 12: Study B


def test_study_b_was_run_with_the_settings_of_its_script():
    found = record(two_studies.NAME)
    assert found["settings"] == two_studies.settings()
    assert [row["round"] for row in found["rounds"]] == list(range(1, two_studies.ROUNDS + 1))


def test_chapter_12_has_the_settings_of_the_record():
    text = chapter("12_two_studies")
    assert f"SIDE = {two_studies.SIDE} " in text
    assert f'for name in ("{two_studies.PHOTO}", "{two_studies.STYLE}")' in text
    assert f"evaluations={two_studies.EVALUATIONS}" in text
    assert f"ALPHA = {two_studies.ALPHA}" in text


def test_chapter_12_quotes_its_record():
    """The table, and the single call beside the loop."""
    found = record(two_studies.NAME)
    text = (SOURCES / "12_two_studies.md").read_text(encoding="utf-8")
    rows, iterations = {row["round"]: row for row in found["rounds"]}, 0
    moved = {row["to"]: row["levels_moved"] for row in found["tens"]}
    for number, row in rows.items():
        iterations += row["iterations"]
        if number in moved:
            quoted = [
                str(number),
                str(iterations),
                f"{row['total'] / 1e9:.3f}e9",
                f"{moved[number]:.3g}",
                f"{row['levels_moved']:.2g}",
                f"{row['saturation']:.1f}",
                f"{row['like_the_last']:.2f}",
            ]
            assert f"| {' | '.join(quoted)} |" in text
    single = found["single_call"]["total_at_the_cost_of_so_many_rounds"]
    for number in (10, 20):
        assert f"{single[str(number)] / 1e9:.3f}e9" in text
    assert single["20"] < rows[30]["total"]


def test_study_b_is_the_books_objective_in_other_units():
    network = load_network("petite")
    content, style = load_image("chelsea", size=48), load_image("coffee", size=48)
    s = two_studies.SCALE
    total = two_studies.study_b(content, style, network)
    book = StyleObjective(content, style, network, beta=two_studies.BETA * s**2)
    grey = torch.full_like(content, 0.5)
    expected = s**2 * book(grey).total
    torch.testing.assert_close(total(preprocess(grey, "caffe")), expected, rtol=1e-3, atol=0)


def test_a_round_starts_where_the_last_one_ended():
    network = load_network("petite")
    content, style = load_image("chelsea", size=48), load_image("coffee", size=48)
    total = two_studies.study_b(content, style, network)
    first, second = two_studies.loop(total, torch.full_like(content, 0.5), rounds=2)
    assert second.totals[0] == pytest.approx(min(first.totals), rel=1e-3)
    assert min(second.totals) < min(first.totals)
