"""What chapters 2, 3 and 9 measure on classifiers: the tool, its record, the pages that show it."""

from __future__ import annotations

import json
from pathlib import Path

import classifiers
import pytest
import torch
from conftest import ROOT
from PIL import Image
from torch import Tensor

from nst_teach import load_image, load_network
from nst_teach.networks import FeatureNetwork, build_squeezenet, build_vgg

SLIM = ((8, 8), (8, 8), (8, 8, 8, 8), (8, 8, 8, 8), (8,))
PAGES = {"02": "02_a_network_that_sees", "03": "03_content_loss", "09": "09_why_gram_works"}
MOST_BYTES = 300_000


def stand_in(name: str) -> FeatureNetwork:
    """A random network with the layers of a real one."""
    torch.manual_seed(0)
    return build_squeezenet("max") if name == "squeezenet1_1" else build_vgg(name, SLIM, "max")


class Planted:
    """A network whose only layer responds where it is told to: `features` (1, N, H, W)."""

    def __init__(self, features: Tensor):
        self.features = features
        self.layers, self.stack = ("relu1_1",), (torch.nn.ReLU(),)

    def __call__(self, image: Tensor, layers: object) -> dict[str, Tensor]:
        return {"relu1_1": self.features}


# Chapter 2


@pytest.mark.parametrize(("name", "layer"), [("squeezenet1_1", "features.6"), ("vgg19", "relu3_1")])
def test_a_position_sees_its_field_and_nothing_else(name, layer):
    """The middle of the left edge changes the feature, the pixel beyond it does not."""
    network = stand_in(name)
    side, step, start = classifiers.geometry(network)[layer]
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    u = v = 128 // step // 2
    top, left = start + u * step, start + v * step
    image.requires_grad_(True)
    for parameter in network.parameters():
        parameter.abs_()  # so that every path counts
    network.convention = "raw"
    network(image, layer)[layer][0, :, u, v].sum().backward()
    rows, columns = image.grad[0].abs().sum(0).nonzero().T
    assert left <= columns.min()
    assert columns.max() < left + side
    assert top <= rows.min()
    assert rows.max() < top + side
    assert columns.max() - columns.min() > 0.8 * side  # maximum pooling may skip the outermost


def test_fields_of_vgg_are_those_of_the_chapter():
    found = classifiers.geometry(load_network("petite"))
    sides = [found[layer][:2] for layer in load_network("petite").style_layers]
    assert sides == [(3, 1), (10, 2), (24, 4), (60, 8), (132, 16)]


def test_a_field_that_is_too_small_would_be_noticed(monkeypatch):
    monkeypatch.setattr(classifiers, "geometry", lambda _: {"relu2_1": (8, 2, -3)})
    with pytest.raises(AssertionError, match="more than its receptive field"):
        classifiers.in_the_middle(load_network("petite"), "relu2_1")


def test_share_of_the_eyes_is_1_at_both_and_0_for_one_alone():
    image = load_image(classifiers.PHOTO)
    maps = torch.zeros(1, 4, *image.shape[-2:])
    for channels, (top, bottom, left, right) in zip(
        ((0, 1), (0, 2)), classifiers.EYES, strict=True
    ):
        maps[0, channels, top:bottom, left:right] = 1
    maps[0, 3] = 1
    share = classifiers.eye_share(Planted(maps), "relu1_1", image)
    area = sum((b - t) * (r - le) for t, b, le, r in classifiers.EYES) / image[0, 0].numel()
    torch.testing.assert_close(share, torch.tensor([1, 0, 0, area]))


def test_strongest_patches_are_the_planted_ones_with_at_most_two_from_a_photograph():
    one, two = torch.zeros(20, 20), torch.zeros(20, 20)
    one[3, 4], one[10, 10], one[17, 2], two[5, 5] = 9.0, 8.0, 7.0, 6.0
    found = classifiers.strongest([one, two], (3, 1, -1))
    assert found == [(9.0, 0, 2, 3), (8.0, 0, 9, 9), (6.0, 1, 4, 4)]


# Chapter 3


def test_count_of_active_features_bounds_the_rank_of_the_derivative(monkeypatch):
    """The chapter's argument in numbers: so many directions change the features, and no more."""
    small = load_image("chelsea", size=192)[..., 40:56, 60:76]  # an eye: 768 pixel values
    monkeypatch.setattr(classifiers, "load_image", lambda *_, **__: small)
    entry = classifiers.ENTRIES["petite"]._replace(ladder=("relu3_1",))
    network = load_network("petite").double()
    found, _ = classifiers.counts(entry)

    def features(image: Tensor) -> Tensor:
        return network(image, "relu3_1")["relu3_1"].flatten()

    derivative = torch.autograd.functional.jacobian(features, small.double()).flatten(1)
    rank = int(torch.linalg.matrix_rank(derivative, rtol=1e-12))
    most = found["relu3_1"]["fewest_active"] * small[0, 0].numel()
    assert 0 < rank <= most + 1 < small.numel()


def test_parts_of_a_strip_are_its_images():
    images = [Image.new("RGB", (6, 4), colour) for colour in ("red", "green", "blue")]
    strip = Image.new("RGB", (18, 4))
    for n, image in enumerate(images):
        strip.paste(image, (6 * n, 0))
    assert [part.tobytes() for part in classifiers.parts(strip, 3)] == [
        image.tobytes() for image in images
    ]


# Chapter 9


def test_exchange_is_a_correlation_of_minus_one_and_a_sum_of_zero():
    found = classifiers.exchange(torch.tensor([[3.0, -4.0, 1.0], [-3.0, 4.0, -1.0]]))
    assert found["correlation"] == pytest.approx(-1)
    assert found["sum"] == 0
    assert found["mean"] == found["variance"] > 0


def write_page(path: Path, *cells: str) -> Path:
    path.write_text("# A page\n\n" + "\n".join(f"```{{code-cell}}\n{c}\n```\n" for c in cells))
    return path


def test_a_page_runs_with_another_network_and_without_its_assertions(tmp_path):
    network = stand_in("vgg19")
    page = write_page(
        tmp_path / "page.md",
        "from nst_teach import load_network\nname = load_network().name\nassert False\nsteps = 100",
        'record = open("not there yet")',
    )
    found = classifiers.run_page(page, network, {"steps = 100": "steps = 2"})
    assert (found["name"], found["steps"]) == ("vgg19", 2)


def test_a_page_that_has_changed_is_noticed(tmp_path):
    page = write_page(tmp_path / "page.md", "steps = 50")
    with pytest.raises(SystemExit, match="no longer has"):
        classifiers.run_page(page, stand_in("vgg19"), {"steps = 100": "steps = 2"})


# All of it

SHORTENED = {
    'content = load_image("coffee", size=128)': 'content = load_image("coffee", size=64)',
    'style = load_image("stained_glass", size=184)': 'style = load_image("chelsea", size=64)',
    "ROUNDS, ROUND = 6, 25": "ROUNDS, ROUND = 1, 1",
    "TEXTURE_STEPS = 100": "TEXTURE_STEPS = 1",
}
"""Chapter 9 with smaller images and fewer steps."""


def test_whole_record_can_be_made_with_stand_ins(tmp_path, monkeypatch):
    """With a few steps of tiny images, and random networks in the places of the real ones."""
    small = {"SHORT": 1, "STEPS": (1, 2), "SIZE": 64, "SEARCHED": 160, "UNTRAINED": (0,),
             "PHOTOS": ("chelsea", "coffee"), "FROM_PHOTOS": 1, "FIELD_LIMIT": 60,
             "SHORTENED": SHORTENED}  # fmt: skip
    for name, value in small.items():
        monkeypatch.setattr(classifiers, name, value)
    kept = classifiers.load
    monkeypatch.setattr(
        classifiers, "load",
        lambda entry: kept(entry) if entry.network == "petite" else stand_in(entry.network),
    )  # fmt: skip
    entries = {key: classifiers.ENTRIES[key] for key in classifiers.KEYS}
    entries = {
        k: e if k == "petite" else e._replace(file=str(weights(tmp_path)))
        for k, e in entries.items()
    }
    record = tmp_path / "record.json"
    classifiers.make(classifiers.Runs(tmp_path / "cache", 1), entries, tmp_path / "out", record)
    found, committed = (
        json.loads(p.read_text(encoding="utf-8")) for p in (record, classifiers.RECORD)
    )
    assert shape(found, 2) == shape(committed, 2)
    for picture in found["pictures"]:
        with Image.open(tmp_path / "out" / picture["file"]) as image:
            assert list(image.size) == picture["size"]


def weights(folder: Path) -> Path:
    """A file that has a hash."""
    path = folder / "weights.safetensors"
    path.write_bytes(b"not read")
    return path


def shape(record: object, depth: int) -> object:
    """The keys of a record, down to some depth."""
    if depth and isinstance(record, dict):
        return {key: shape(value, depth - 1) for key, value in record.items() if key != "settings"}
    return type(record).__name__


# The record


@pytest.fixture(scope="module")
def record() -> dict:
    return json.loads(classifiers.RECORD.read_text(encoding="utf-8"))


def test_record_was_made_with_the_settings_of_its_script(record):
    assert record["settings"] == classifiers.settings()


def test_record_has_every_network_and_every_layer(record):
    ladders = {key: list(classifiers.ENTRIES[key].ladder) for key in classifiers.KEYS}
    assert {key: card["layers"] for key, card in record["networks"].items()} == ladders
    looked = {k: [row["layer"] for row in found["layers"]] for k, found in record["looks"].items()}
    assert looked == ladders == {k: list(rows) for k, rows in record["altered"].items()}
    assert len(record["untrained"]) == len(classifiers.UNTRAINED)
    assert all(set(ladders[key]) <= set(record["counts"][key]) for key in ladders)
    rebuilt = [(row["network"], row["layer"]) for row in record["short"]]
    assert rebuilt == [(key, layer) for key in classifiers.CLASSIFIERS for layer in ladders[key]]
    far = [(row["network"], row["layer"], row["step"]) for row in record["far"]]
    assert far == [
        (key, layer, step)
        for key, layers in classifiers.FAR.items()
        for layer in layers
        for step in classifiers.STEPS
    ]
    assert set(record["statistics"]) == set(classifiers.KEYS)


def test_figures_are_those_of_the_record(record):
    for picture in record["pictures"]:
        path = classifiers.FOLDER / picture["file"]
        assert classifiers.sha256(path) == picture["sha256"]
        assert path.stat().st_size < MOST_BYTES
        page = (ROOT / f"book/src/{PAGES[path.name[:2]]}.md").read_text(encoding="utf-8")
        assert f":::{{figure}} ../images/{path.name}" in page


def test_numbers_of_petite_come_out_again(record):
    entry = classifiers.ENTRIES["petite"]
    for measure, name in ((classifiers.altered, "altered"), (classifiers.counts, "counts")):
        found, _ = measure(entry)
        for layer, row in record[name]["petite"].items():
            assert found[layer] == pytest.approx(row, rel=1e-2)
    petite = load_network("petite")
    row = record["looks"]["petite"]["layers"][0]
    assert classifiers.eyes(petite, row["layer"]) == pytest.approx(row["eyes"], rel=1e-2)


@pytest.mark.parametrize("name", PAGES.values())
def test_page_says_which_files_it_is_about(name):
    """The folded cells print the card of each network and the date."""
    text = (ROOT / f"book/src/{name}.md").read_text(encoding="utf-8")
    assert '"classifiers.json"' in text
    assert "card['sha256']" in text
    assert "['made']['on']" in text
