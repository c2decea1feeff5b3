"""Chapter 13: its measures, its record, and its page with stand-ins for the real networks."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable

import notebooks
import pytest
import real_networks as real
import torch
import yaml
from conftest import ROOT
from PIL import Image
from torchvision import models

from nst_teach import StyleObjective, load_image, load_network, to_pil
from nst_teach.networks import SQUEEZENET_STYLE_WEIGHTS, FeatureNetwork, build_squeezenet, build_vgg

CHAPTER = ROOT / "book/src/13_real_networks.md"
SLIM = ((4, 4), (4, 4), (8, 8, 8), (8, 8, 8), (8,))  # the layers of VGG-16 that are used
REAL_NAMES = ["squeezenet1_1", "vgg16", "vgg19"]


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


def test_colours_left_is_1_for_the_photograph_and_0_for_the_colours_of_the_style(photo):
    style = load_image("night_swirls", size=96)
    shuffled = style.flatten(2)[..., torch.randperm(style[0, 0].numel())].view_as(style)
    assert real.colours_left(photo, photo, style) == pytest.approx(1)
    assert real.colours_left(shuffled, photo, style) == pytest.approx(0, abs=1e-5)


def test_colours_left_is_a_share_where_the_images_are_flat():
    image, photo, style = (torch.full((1, 3, 8, 8), grey) for grey in (0.5, 0.2, 0.6))
    assert real.colours_left(image, photo, style) == pytest.approx(0.25)


def test_colours_left_sees_more_than_the_mean():
    flat, photo = torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.1)
    style = torch.tensor([0.0, 1.0]).repeat(32).view(1, 1, 8, 8).expand(1, 3, 8, 8)
    assert flat.mean() == style.mean()
    expected = 0.5 / ((0.1**2 + 0.9**2) / 2) ** 0.5
    assert real.colours_left(flat, photo, style) == pytest.approx(expected, rel=1e-2)


def test_images_apart_are_compared_within_their_pair_only(tmp_path):
    runs = real.Runs(tmp_path, 1)
    fine = (torch.arange(192) % 2).float().expand(1, 3, 128, 192)  # columns of 0 and 1
    for name, image in {"a": fine, "b": 1 - fine, "c": 0 * fine}.items():
        to_pil(image).save(tmp_path / f"{name}.png")
    rows = [
        {"content": content, "network": name, "picture": name}
        for content, name in (("one", "a"), ("one", "b"), ("other", "c"))
    ]
    (found,) = real.apart(runs, rows)
    assert found == {"content": "one", "networks": ["a", "b"], "fine": 1.0, "coarse": 0.0}


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


# The record


@pytest.fixture(scope="module")
def record() -> dict:
    return json.loads(real.RECORD.read_text(encoding="utf-8"))


def test_record_was_made_with_the_settings_of_its_script(record):
    assert record["settings"] == real.settings()


def test_pictures_of_the_record_are_there(record):
    for picture in record["pictures"]:
        path = real.FOLDER / picture["file"]
        assert real.sha256(path) == picture["sha256"]
        with Image.open(path) as image:
            assert list(image.size) == picture["size"]
    named = {picture["file"] for picture in record["pictures"]}
    assert {path.name for path in real.FOLDER.iterdir()} == named


def test_every_network_painted_every_pair_with_equal_evaluations(record):
    found = [(row["content"], row["style"], row["network"]) for row in record["rows"]]
    assert found == [(*pair, key) for pair in real.PAIRS for key in record["networks"]]
    assert set(real.ALWAYS) <= set(record["networks"])
    assert {row["evaluations"] for row in record["rows"]} == {real.EVALUATIONS}


def test_page_shows_each_picture(record):
    text = CHAPTER.read_text(encoding="utf-8")
    for picture in record["pictures"]:
        assert f":::{{figure}} ../images/real/{picture['file']}" in text


def test_page_shows_the_card_of_each_network(record, capsys):
    run_cells({}, [source for source in cells() if source.startswith("import json")])
    printed = capsys.readouterr().out
    assert record["made"]["on"] in printed
    for card in record["networks"].values():
        assert f"{card['file']}, SHA-256 {card['sha256'][:12]}" in printed
        assert all(layer in printed for layers in card["layers"].values() for layer in layers)


# The page, live


@functools.cache
def cells() -> tuple[str, ...]:
    """The code of the chapter."""
    return tuple(c.source for c in notebooks.read_source(CHAPTER) if c.cell_type == "code")


def run_cells(namespace: dict, chosen: Iterable[str]) -> dict:
    for source in chosen:
        code = compile(source, f"<{CHAPTER.name}: {source[:30]}>", "exec", dont_inherit=True)
        exec(code, namespace)
    return namespace


def split() -> int:
    """Where the cells that compute something live begin."""
    (first,) = [n for n, source in enumerate(cells()) if "live = {" in source]
    return first


TINY = {"LIVE_SIZE": 48, "LIVE_EVALUATIONS": 4, "SHORT_SIZE": 48, "SHORT_EVALUATIONS": 2,
        "HALVINGS": 2, "RUNG_SIZE": 32, "RUNG_EVALUATIONS": 2}  # fmt: skip


@pytest.fixture
def page(monkeypatch) -> dict:
    """The chapter with the switch on, before it computes anything live."""
    monkeypatch.setenv("NST_TEACH_REAL", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    return run_cells({"__name__": "__main__"}, cells()[: split()])


def test_page_measures_as_the_script_does(page, photo):
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(0))
    for image in (photo, noise, (photo + noise) / 2):
        ours, theirs = page["structure_lost"](image, photo), real.structure_lost(image, photo)
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_page_searches_as_the_script_does(page):
    found, _ = real.bisect(math.log1p, 1.5, *real.STRENGTHS, 9)
    assert page["bisect"](math.log1p, 1.5, *real.STRENGTHS, 9) == pytest.approx(found)


def stand_in(name: str) -> FeatureNetwork:
    """A tiny random network with the layers of the real one."""
    torch.manual_seed(0)
    if name == "petite":
        return load_network("petite")
    return build_squeezenet("max") if name == "squeezenet1_1" else build_vgg(name, SLIM, "max")


def test_stand_ins_have_the_style_layers_of_the_real_networks():
    assert stand_in("squeezenet1_1").style_weights == SQUEEZENET_STYLE_WEIGHTS
    assert stand_in("vgg19").style_layers == load_network("petite").style_layers


@pytest.mark.parametrize("switch", ["", "0", "1"])
def test_switch_decides_which_networks_run_live(switch, monkeypatch):
    monkeypatch.setenv("NST_TEACH_REAL", switch)
    found = run_cells({}, [source for source in cells() if "REAL = " in source])
    assert found["LIVE"] == ["petite", *(REAL_NAMES if switch == "1" else [])]


def test_live_cells_run_with_all_networks(page):
    """As in the published book, with stand-ins for what torchvision would fetch."""
    page |= TINY | {"load_network": stand_in}
    run_cells(page, cells()[split() :])
    assert list(page["live"]) == ["petite", *REAL_NAMES]
    for run in page["live"].values():
        assert len(run.result.history) == TINY["LIVE_EVALUATIONS"]
        assert run.result.image.shape == page["content"].shape


def test_settings_of_the_live_part_are_those_of_the_budget(page):
    """The text promises a time; whoever enlarges the runs has to compute it anew."""
    settings = {name: page[name] for name in TINY}
    assert settings == {"LIVE_SIZE": 256, "LIVE_EVALUATIONS": 100, "SHORT_SIZE": 160,
                        "SHORT_EVALUATIONS": 30, "HALVINGS": 6, "RUNG_SIZE": 128,
                        "RUNG_EVALUATIONS": 60}  # fmt: skip


def test_publishing_workflow_uses_the_switch_and_keeps_the_weights():
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["build"]["steps"]
    (make,) = [step for step in steps if step.get("run") == "make book"]
    (cache,) = [step for step in steps if step.get("uses", "").startswith("actions/cache@")]
    assert make["env"] == {"NST_TEACH_REAL": "1"}
    assert steps.index(cache) < steps.index(make)
    for name in REAL_NAMES:  # another file of weights must get another cache
        file = models.get_model_weights(name).DEFAULT.url.rpartition("/")[2].removesuffix(".pth")
        assert file in cache["with"]["key"]


def test_strength_is_a_multiple_of_the_package_s_own_rule():
    content, style = load_image("chelsea", size=48), load_image("marbled_paper", size=48)
    default = StyleObjective(content, style, load_network("petite")).beta
    goal = real.objective(real.ENTRIES["petite"], ("chelsea", "marbled_paper"), 48, 0.5)
    assert goal.beta == pytest.approx(0.5 * default)
