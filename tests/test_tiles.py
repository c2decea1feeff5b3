"""Losses and gradients tile by tile: those of the whole image, from a fraction of its features."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nst_teach import NetworkError, Style, StyleObjective, load_network, optimize, transfer
from nst_teach import tiles as tiles_module
from nst_teach.calibration import LiveBytes
from nst_teach.networks import VGG19_PLAN, build_vgg
from nst_teach.tiles import Tiled, reach, tiles

TILE = 64
SIZES = [(128, 128), (131, 157), (40, 200), (64, 65), (129, 64)]


@pytest.fixture(scope="module")
def network():
    return load_network("petite").double()


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles_module.Tiled.__init__, "__defaults__", (TILE,))


def random_image(height: int, width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, generator=generator)


def largest_kept(evaluate) -> int:
    """The numbers in the largest tensor that is kept for a backward pass."""
    kept: list[int] = []

    def note(tensor):
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        evaluate()
    return max(kept)


def double(height: int, width: int, seed: int) -> torch.Tensor:
    return random_image(height, width, seed=seed).double()


def objectives(network, height, width, **options):
    pictures = double(height, width, 0), double(96, 150, 1)
    return (
        StyleObjective(*pictures, network, memory=memory, **options) for memory in ("normal", "low")
    )


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_losses_and_gradient_are_those_of_the_whole_image(network, height, width):
    whole, tiled = objectives(network, height, width, total_variation=1e3)
    image = double(height, width, 2).requires_grad_(True)
    one, other = whole(image), tiled(image)
    assert other.total.item() == pytest.approx(one.total.item(), rel=1e-10)
    for layer, part in (one.content | one.style).items():
        assert (other.content | other.style)[layer].item() == pytest.approx(part.item(), rel=1e-10)
    (g,), (h,) = (torch.autograd.grad(losses.total, image) for losses in (one, other))
    assert (g - h).norm() <= 1e-10 * g.norm()


def test_in_float32_the_gradient_is_exact_to_five_digits():
    network = load_network("petite")
    pictures = random_image(131, 157, seed=0), random_image(96, 150, seed=1)
    image = random_image(131, 157, seed=2).requires_grad_(True)
    g, h = (
        torch.autograd.grad(StyleObjective(*pictures, network, memory=m)(image).total, image)[0]
        for m in ("normal", "low")
    )
    assert (g - h).norm() <= 1e-5 * g.norm()


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("layers", [("relu1_1",), ("conv3_2", "pool2"), ("relu5_1",)])
def test_any_layers_of_a_vgg_can_be_tiled(pooling, layers):
    torch.manual_seed(0)
    plan = tuple(tuple(max(2, width // 32) for width in block) for block in VGG19_PLAN)
    network = build_vgg("vgg19", plan, pooling).double()
    image = double(150, 131, 3)
    tiled = Tiled(network, layers, TILE)
    for layer, features in network(image, layers).items():
        assert torch.allclose(tiled.features(image)[layer], features, rtol=1e-12, atol=1e-12)


def test_a_margin_that_is_too_narrow_changes_the_gradient(network, monkeypatch):
    # The tests above can fail.
    whole, tiled = objectives(network, 131, 157)
    image = double(131, 157, 2).requires_grad_(True)
    (g,) = torch.autograd.grad(whole(image).total, image)
    found = reach(network, tiled.layers)
    narrow = tiles_module.Reach(found.strides, found.margin - max(found.strides.values()))
    monkeypatch.setattr(tiles_module, "reach", lambda *given: narrow)
    (h,) = torch.autograd.grad(tiled(image).total, image)
    assert (g - h).norm() > 1e-6 * g.norm()


@pytest.mark.parametrize(
    ("layer", "margin"), [("relu1_1", 1), ("relu1_2", 2), ("pool1", 2), ("relu2_1", 4)]
)
def test_the_margin_is_the_receptive_field_around_a_position(network, layer, margin):
    assert reach(network, [layer]).margin == margin


@pytest.mark.parametrize("layer", ["relu2_2", "relu3_1", "relu4_2", "relu5_1"])
def test_what_lies_beyond_the_margin_has_no_influence(network, layer):
    found = reach(network, [layer])
    stride, side = found.strides[layer], 256
    image = double(side, side, 4).requires_grad_(True)
    middle = side // stride // 2
    (gradient,) = torch.autograd.grad(
        network(image, layer)[layer][..., middle, middle].sum(), image
    )
    rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
    first, end = middle * stride - found.margin, (middle + 1) * stride + found.margin
    assert first <= rows.min()
    assert rows.max() < end
    assert rows.min() - first <= stride  # no wider than the next multiple of the stride


@pytest.mark.parametrize("size", [16, 63, 64, 65, 79, 80, 128, 1000])
def test_tiles_cover_every_pixel_once_and_begin_at_a_position(size):
    found = list(tiles(size, margin=32, stride=16, tile=TILE))
    covered = [pixel for tile in found for pixel in range(tile.start, tile.end)]
    assert covered == list(range(size))
    assert all(tile.start % 16 == tile.first % 16 == 0 for tile in found)
    assert [tile.edge for tile in found] == [False] * (len(found) - 1) + [True]


def test_a_run_with_low_memory_finds_the_same_image(network):
    whole, tiled = objectives(network, 96, 80)
    one, other = (optimize(o, "content", steps=5, progress=False) for o in (whole, tiled))
    assert torch.allclose(one.image, other.image, atol=1e-6)
    assert other.loss == pytest.approx(one.loss, rel=1e-6)


def test_low_memory_and_bfloat16_go_together():
    result = transfer(
        "chelsea", "dots", size=96, steps=3, memory="low", precision="bfloat16", progress=False
    )
    assert result.loss < result.history[0].total


def test_features_that_backward_needs_exist_for_one_tile_at_a_time():
    network = load_network("petite")
    pictures = random_image(512, 512, seed=0), random_image(64, 64, seed=1)
    largest = {}
    for memory in ("normal", "low"):
        objective = StyleObjective(*pictures, network, memory=memory)
        image = random_image(512, 512, seed=2).requires_grad_(True)
        largest[memory] = largest_kept(lambda objective=objective, image=image: objective(image))
    assert largest["low"] < 0.2 * largest["normal"]


def test_an_image_that_is_a_single_tile_needs_one_pass(network, monkeypatch):
    passes = []
    measure = type(network).measure
    monkeypatch.setattr(
        type(network), "measure", lambda *given: passes.append(1) or measure(*given)
    )
    counts = {}
    for side in (TILE, 2 * TILE):
        _, low = objectives(network, side, side)
        passes.clear()
        low(double(side, side, 2).requires_grad_(True)).total.backward()
        counts[side] = len(passes)
    assert counts == {TILE: 1, 2 * TILE: 2 * 4}


def bytes_held(evaluate) -> int:
    """The most bytes that exist at once."""
    with LiveBytes() as live:
        evaluate()
    return live.peak


def test_of_a_single_tile_the_features_of_one_block_exist_at_a_time(monkeypatch):
    """Half the memory. With `petite` the first block holds two thirds of all features."""
    monkeypatch.setattr(tiles_module.Tiled.__init__, "__defaults__", (512,))
    network = load_network("petite")
    pictures = random_image(256, 256, seed=0), random_image(64, 64, seed=1)
    held = {}
    for memory in ("normal", "low"):
        objective = StyleObjective(*pictures, network, memory=memory)
        image = random_image(256, 256, seed=2).requires_grad_(True)
        held[memory] = bytes_held(
            lambda objective=objective, image=image: objective(image).total.backward()
        )
    assert held["low"] < 0.7 * held["normal"]


def test_what_is_measured_block_by_block_is_what_the_features_say(network):
    image = double(64, 48, 3).requires_grad_(True)
    layers = ("relu1_1", "conv2_1", "relu4_1")
    found = network.measure(image, layers, lambda layer, f: {"mean": f.square().mean()})
    features = network(image, layers)
    assert list(found) == list(features)
    for layer, f in features.items():
        assert torch.equal(found[layer]["mean"], f.square().mean())
        (g,) = torch.autograd.grad(found[layer]["mean"], image, retain_graph=True)
        (h,) = torch.autograd.grad(f.square().mean(), image, retain_graph=True)
        assert torch.allclose(g, h, rtol=1e-12, atol=0)


@pytest.mark.parametrize("memory", ["less", "", None, 3])
def test_an_unknown_kind_of_memory_is_an_error(network, memory):
    with pytest.raises(ValueError, match="expected one of normal, low"):
        StyleObjective(double(64, 64, 0), double(64, 64, 1), network, memory=memory)


def test_a_network_that_cannot_be_tiled_is_an_error_with_a_remedy():
    from nst_teach.networks import build_squeezenet

    network = build_squeezenet("max")
    image = random_image(64, 64, seed=0)
    with pytest.raises(NetworkError, match=r"memory='low' needs .* smaller size="):
        StyleObjective(image, image, network, memory="low")


def test_strided_convolutions_cannot_be_tiled():
    from nst_teach import FeatureNetwork

    network = FeatureNetwork(
        "own",
        {"conv": nn.Conv2d(3, 4, 3, stride=2)},
        pooling="max",
        content_layers=("conv",),
        style_layers=("conv",),
    )
    with pytest.raises(NetworkError, match="has other layers"):
        reach(network, ["conv"])


def test_several_styles_cannot_be_tiled():
    with pytest.raises(ValueError, match="several styles"):
        transfer("chelsea", [Style("dots"), Style("woodcut_wave")], size=64, steps=1, memory="low")


def test_tiles_that_do_not_fit_either_are_refused_before_the_run(monkeypatch):
    from types import SimpleNamespace

    from nst_teach import TransferError, machine

    monkeypatch.setattr(machine, "memory", lambda: SimpleNamespace(free=1_000_000))
    with pytest.raises(TransferError, match=r"of memory are free"):
        transfer("chelsea", "dots", size=64, steps=1, memory="low", progress=False)
