"""Anybody's network in `transfer`: the right layers by their names, or a reason why not."""

from __future__ import annotations

import copy

import pytest
import torch
import torchvision.models
from torch import Tensor, nn
from torch.nn import functional as F

from nst_teach import FeatureNetwork, NetworkError, transfer
from nst_teach.adapter import adapt_network
from nst_teach.images import preprocess

SIDE = 32


def picture(height: int = SIDE, width: int = SIDE) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


class Residual(nn.Module):
    """Everything that overwrites: += on a layer, a method in place, a function in place."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        start = self.first(x)
        x = self.second(self.relu(start))
        x += start
        return F.relu(x.mul_(0.5), inplace=True)


@pytest.fixture
def module() -> Residual:
    torch.manual_seed(0)
    return Residual()


def adapted(module: nn.Module, **options) -> FeatureNetwork:
    given = {"content_layers": ["second"], "style_layers": ["first", "relu"]} | options
    return adapt_network(module, **given)


# The layers


def test_each_layer_is_what_it_was_before_the_next_overwrote_it(module):
    found = adapted(module)(picture(), adapted(module).layers)
    first = module.first(preprocess(picture(), "torchvision"))
    relu = first.clamp(min=0)
    second = module.second(relu)
    total = second + first
    expected = [first, relu, second, total, 0.5 * total, (0.5 * total).clamp(min=0)]
    assert list(found) == ["first", "relu", "second", "add", "mul_", "relu_1"]
    for features, right in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(features, right)


def test_the_module_itself_is_left_as_it_was(module):
    module.train()
    before = copy.deepcopy(module.state_dict())
    network = adapted(module)
    network(picture(), "relu")
    assert module.training
    assert module.relu.inplace
    assert all(p.requires_grad for p in module.parameters())
    assert all(torch.equal(module.state_dict()[key], value) for key, value in before.items())
    assert not any(p.requires_grad for p in network.parameters())


def test_only_the_way_to_the_layer_is_gone(module):
    network = adapted(module)
    network.module.second.weight.fill_(torch.nan)
    assert torch.isfinite(network(picture(), "relu")["relu"]).all()


def test_the_convention_is_the_caller_s(module):
    features = adapted(module, convention="raw")(picture(), "first")["first"]
    torch.testing.assert_close(features, module.first(picture()))


def test_gradients_reach_the_picture_and_no_weight(module):
    x = picture().requires_grad_()
    network = adapted(module)
    network(x, "second")["second"].sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is None for p in network.parameters())


def test_it_may_change_its_type_after_it_was_used(module):
    network = adapted(module)
    network(picture(), "second")
    features = network.double()(picture().double(), "second")["second"]
    assert features.dtype == torch.double


# torchvision's networks, with random weights

KINDS = {
    "resnet18": ({}, "layer1.1.relu_1", ("relu", "layer2.1.relu_1"), {"relu": (64, 16)}),
    "convnext_tiny": ({}, "features.1.2.add", ("features.0", "features.3.0.add"),
                      {"features.1.2.add": (96, 8), "features.3.0.add": (192, 4)}),
    "vit_b_16": ({"image_size": SIDE}, "encoder.layers.encoder_layer_1.add_1",
                 ("conv_proj", "encoder.layers.encoder_layer_0.add_1"),
                 {"conv_proj": (768, 2), "encoder.layers.encoder_layer_0.add_1": (768, 2)}),
}  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    """A network of torchvision's, adapted, and the sizes that some of its layers have."""
    options, content, style, sizes = KINDS[request.param]
    torch.manual_seed(0)
    with torch.no_grad():
        module = getattr(torchvision.models, request.param)(weights=None, **options)
    network = adapt_network(
        module, content_layers=[content], style_layers=style, name=request.param
    )
    return network, sizes


def test_a_network_of_torchvision_gives_feature_maps(kind):
    network, sizes = kind
    features = network(picture(), sizes)
    shapes = {layer: (1, channels, side, side) for layer, (channels, side) in sizes.items()}
    assert {layer: tuple(f.shape) for layer, f in features.items()} == shapes
    assert all(f.std() > 0 for f in features.values())


def test_a_network_of_torchvision_works_in_transfer(kind):
    network, _ = kind
    result = transfer("astronaut", "dots", network=network, size=SIDE, style_size=(SIDE, SIDE),
                      steps=2, progress=False)  # fmt: skip
    assert result.settings["network"] == network.name
    assert set(result.history[0].style) == set(network.style_layers)
    assert result.history[-1].total < result.history[0].total


def test_tokens_lie_in_the_map_where_their_patch_lies_in_the_picture():
    """A vision transformer's embedding is a convolution: as a map, and again as tokens."""
    torch.manual_seed(0)
    vit = torchvision.models.vit_b_16(weights=None, image_size=SIDE, num_classes=2)
    network = adapt_network(vit, content_layers=["conv_proj"], style_layers=["conv_proj"])
    features = network(picture(), ["conv_proj", "permute"])
    assert torch.equal(features["conv_proj"], features["permute"])


# What is refused


@pytest.mark.parametrize("option", ["content_layers", "style_layers"])
def test_an_unknown_layer_is_refused_at_once(module, option):
    with pytest.raises(
        NetworkError, match=r"Residual has no layer 'third'\. Its layers are: first"
    ):
        adapted(module, **{option: ["third"]})


def test_a_module_that_cannot_be_traced_is_refused():
    class Moody(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(NetworkError, match="Moody cannot be traced"):
        adapt_network(Moody(), content_layers=[], style_layers=[])


class Strange(nn.Module):
    """Values that are no feature maps: channels last, a vector, two at once."""

    def forward(self, x):
        last = torch.permute(x.repeat(1, 20, 1, 1), (0, 2, 3, 1))
        mean = torch.mean(x, (2, 3))
        return torch.flatten(last), torch.split(x, 1), mean


@pytest.mark.parametrize("layer", ["permute", "mean", "split"])
def test_a_value_that_is_no_feature_map_is_refused(layer):
    network = adapt_network(Strange(), content_layers=[], style_layers=[])
    with pytest.raises(NetworkError, match=rf"{layer} of Strange gives no feature map .* but"):
        network(picture(), layer)


def test_a_size_that_the_module_refuses_is_named():
    vit = torchvision.models.vit_b_16(weights=None, image_size=SIDE, num_classes=2)
    network = adapt_network(vit, content_layers=["conv_proj"], style_layers=["conv_proj"])
    with pytest.raises(NetworkError, match=r"32×48 pixels \(Wrong image width! Expected 32\)"):
        network(picture(32, 48), "conv_proj")


def test_a_picture_too_small_is_named():
    network = adapt_network(nn.Sequential(nn.Conv2d(3, 4, 5)), content_layers=[], style_layers=[])
    with pytest.raises(NetworkError, match=r"Sequential cannot take a picture of 3×9 pixels"):
        network(picture(3, 9), "0")
