"""Weight files of every kind, with random values: the features are those computed by hand.

The networks have the depth of VGG-16 and VGG-19 but a few filters only, so that a file is small.
"""

from __future__ import annotations

import functools
import json
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from nst_teach import (
    FeatureNetwork,
    NetworkError,
    load_image,
    load_network,
    networks,
    samples,
    save_weights,
)
from nst_teach.networks import build_squeezenet, build_vgg, measured_convention
from nst_teach.weight_files import PUBLISHED_FILTERS, PUBLISHED_NAMES, open_weights

State = dict[str, torch.Tensor]

DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
WIDTHS = (6, 7, 8, 9, 10)
FORMATS = ("features.pth", "features.safetensors", "vgg_conv.pth", "vgg19-d01eb7cb.pth",
           "old.h5", "new.h5")  # fmt: skip
IN_CAFFES_CONVENTION = FORMATS[2:]


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """VGG-16 and VGG-19 with few filters, in place of those with the usual widths."""
    for name, depths in DEPTHS.items():
        plan = tuple((width,) * depth for width, depth in zip(WIDTHS, depths, strict=True))
        build = functools.partial(build_vgg, name, plan)
        monkeypatch.setitem(networks._BUILDERS, name, (build, "max"))


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.rand(1, 3, 48, 40, generator=torch.Generator().manual_seed(0))


def convolutions(name: str) -> list[str]:
    return [f"conv{b}_{i + 1}" for b, depth in enumerate(DEPTHS[name], 1) for i in range(depth)]


def random_state(name: str) -> State:
    """Weights under the course's names, such that features neither vanish nor explode."""
    generator, state, inputs = torch.Generator().manual_seed(1), {}, 3
    for layer in convolutions(name):
        width = WIDTHS[int(layer[4]) - 1]
        weight = torch.randn(width, inputs, 3, 3, generator=generator)
        state[f"{layer}.weight"] = weight * (2 / (9 * inputs)) ** 0.5
        state[f"{layer}.bias"] = 0.1 * torch.rand(width, generator=generator)
        inputs = width
    return state


def by_hand(state: State, x: torch.Tensor, pooling: str = "max") -> State:
    """The features after each ReLU, for an input in the network's convention."""
    pool, features = {"max": F.max_pool2d, "average": F.avg_pool2d}[pooling], {}
    for key in state:
        if key.endswith(".weight"):
            layer = key.removesuffix(".weight")
            x = pool(x, 2) if layer.endswith("_1") and layer != "conv1_1" else x
            x = F.conv2d(x, state[key], state[f"{layer}.bias"], padding=1).relu()
            features[layer.replace("conv", "relu")] = x
    return features


def caffe_input(image: torch.Tensor) -> torch.Tensor:
    red, green, blue = (255 * image).unbind(1)
    return torch.stack([blue - 103.939, green - 116.779, red - 123.68], dim=1)


def torchvision_input(image: torch.Tensor) -> torch.Tensor:
    red, green, blue = image.unbind(1)
    parts = [(red - 0.485) / 0.229, (green - 0.456) / 0.224, (blue - 0.406) / 0.225]
    return torch.stack(parts, dim=1)


INPUTS = {"torchvision": torchvision_input, "caffe": caffe_input}


def assert_features(network: FeatureNetwork, state: State, x: torch.Tensor, image) -> None:
    expected = by_hand(state, x, network.pooling)
    features = network(image, list(expected))
    for layer, values in expected.items():
        scale = values.abs().max().item()
        torch.testing.assert_close(features[layer], values, rtol=0, atol=1e-5 * scale)
    assert scale > 0, "the deepest layer is dead: nothing was compared"


# --- writing the files ---------------------------------------------------------------------------


def as_features(state: State) -> State:
    """Under torchvision's names: one index for each convolution, ReLU and pooling."""
    found, index, block = {}, 0, "1"
    for key in (key for key in state if key.endswith(".weight")):
        layer = key.removesuffix(".weight")
        index, block = index + (layer[4] != block), layer[4]
        found |= {f"features.{index}.{k}": state[f"{layer}.{k}"] for k in ("weight", "bias")}
        index += 2
    return found


def write_keras(state: State, path: Path, rename: Callable[[str, str, str], str]) -> None:
    with h5py.File(path, "w") as file:
        for key, value in state.items():
            layer, kind = key.split(".")
            kernel = value.permute(2, 3, 1, 0) if kind == "weight" else value
            file[rename(layer[4], layer[6], kind)] = kernel.numpy()
        file["fc1/fc1_W_1:0"] = np.zeros((4, 4), dtype=np.float32)  # the classifier's


def old_keras(block: str, index: str, kind: str) -> str:
    layer = f"block{block}_conv{index}"
    return f"{layer}/{layer}_{'W' if kind == 'weight' else 'b'}_1:0"


def new_keras(block: str, index: str, kind: str) -> str:
    """As in a model that was saved whole."""
    layer = f"block{block}_conv{index}"
    return f"model_weights/{layer}/{layer}/{'kernel' if kind == 'weight' else 'bias'}:0"


def write(state: State, path: Path) -> Path:
    """A file of the format that its name stands for."""
    classifier = {"classifier.6.bias": torch.zeros(10)}
    if path.name == "old.h5":
        write_keras(state, path, old_keras)
    elif path.name == "new.h5":
        write_keras(state, path, new_keras)
    elif path.suffix == ".safetensors":
        save_file(as_features(state) | classifier, path)
    else:
        named = state if path.name == "vgg_conv.pth" else as_features(state) | classifier
        torch.save(named, path)
    return path


# --- each format ---------------------------------------------------------------------------------


def test_names_in_the_files_are_those_of_torchvisions_vgg19():
    """Known by heart to many: conv2_1, conv3_1, conv4_1 and conv5_1 are 5, 10, 19 and 28."""
    keys = [key for key in as_features(random_state("vgg19")) if key.endswith("weight")]
    assert [int(key.split(".")[1]) for key in keys] == [
        0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34,
    ]  # fmt: skip


@pytest.mark.parametrize("name", DEPTHS)
@pytest.mark.parametrize("kind", FORMATS)
def test_features_are_those_computed_by_hand(kind, name, image, tmp_path):
    state = random_state(name)
    network = load_network(name, weights=write(state, tmp_path / kind))
    expected = "caffe" if kind in IN_CAFFES_CONVENTION else "torchvision"
    assert network.convention == expected
    assert network.pooling == "max"
    assert_features(network, state, INPUTS[expected](image), image)


@pytest.mark.parametrize("convention", INPUTS)
def test_a_wrong_convention_would_be_noticed_here(convention, image, tmp_path):
    """The comparison above can fail."""
    state = random_state("vgg19")
    network = load_network("vgg19", weights=write(state, tmp_path / "features.pth"))
    network.convention = convention
    (other,) = set(INPUTS) - {convention}
    with pytest.raises(AssertionError):
        assert_features(network, state, INPUTS[other](image), image)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_gatys_network_pools_as_asked(pooling, image, tmp_path):
    state = random_state("vgg19")
    path = write(state, tmp_path / "vgg_conv.pth")
    network = load_network("vgg19", weights=path, pooling=pooling)
    assert network.pooling == pooling
    assert_features(network, state, caffe_input(image), image)


@pytest.mark.parametrize("kind", ["vgg_conv.pth", "old.h5"])
def test_half_and_double_precision_are_converted(kind, image, tmp_path):
    for precision in (torch.float16, torch.float64):
        state = {key: value.to(precision) for key, value in random_state("vgg16").items()}
        network = load_network("vgg16", weights=write(state, tmp_path / kind))
        single = {key: value.float() for key, value in state.items()}
        assert_features(network, single, caffe_input(image), image)


def test_another_byte_order_is_converted(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["block1_conv1/bias:0"] = np.arange(3, dtype=">f4")
    assert open_weights(tmp_path / "a.h5").tensors["conv1_1.bias"].tolist() == [0, 1, 2]


def test_what_an_optimiser_remembers_is_not_taken_for_a_weight(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["model_weights/block1_conv1/block1_conv1/bias:0"] = np.zeros(3)
        file["optimizer_weights/Adam/m/block1_conv1/bias/m:0"] = np.ones(3)
    assert open_weights(tmp_path / "a.h5").tensors["conv1_1.bias"].tolist() == [0, 0, 0]


def test_without_h5py_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    path = write(random_state("vgg16"), tmp_path / "old.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(NetworkError, match=r"old\.h5.*pip install h5py"):
        load_network("vgg16", weights=path)


def test_keras_files_for_theano_are_refused(tmp_path):
    """Their kernels are stored as `(N, C, 3, 3)`, and turned by 180 degrees."""
    with h5py.File(tmp_path / "th.h5", "w") as file:
        file["block1_conv1/block1_conv1_W_1:0"] = np.zeros((6, 3, 3, 3), dtype=np.float32)
    with pytest.raises(NetworkError, match=r"\(6, 3, 3, 3\).*tf_dim_ordering_tf_kernels"):
        load_network("vgg16", weights=tmp_path / "th.h5")


@pytest.mark.parametrize("names", [["conv2d", "dense"], []], ids=["another network", "nothing"])
def test_an_hdf5_file_without_a_vgg_is_refused(names, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        for name in names:
            file[f"{name}/kernel:0"] = np.zeros((3, 3), dtype=np.float32)
    begins = ", ".join(names) or "nothing"
    with pytest.raises(NetworkError, match=f"no layer called block1_conv1.*begins with {begins}"):
        load_network("vgg16", weights=tmp_path / "other.h5")


def test_a_link_to_another_file_is_not_followed(tmp_path):
    write(random_state("vgg16"), tmp_path / "old.h5")
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["block1_conv1"] = h5py.ExternalLink(tmp_path / "old.h5", "block1_conv1")
    with pytest.raises(NetworkError, match="no layer called block1_conv1"):
        load_network("vgg16", weights=tmp_path / "link.h5")


# --- which convention ----------------------------------------------------------------------------


def with_first_row(row: tuple[float, ...]) -> State:
    state = random_state("vgg19")
    state["conv1_1.weight"][0, 0, 0] = torch.tensor(row)
    return state


@pytest.mark.parametrize("title", PUBLISHED_FILTERS)
@pytest.mark.parametrize("precision", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_published_network_is_recognised_by_its_first_filter(title, precision, tmp_path):
    """Whatever the file is called: here, as the network of the other convention."""
    convention, row = PUBLISHED_FILTERS[title]
    state = {key: value.to(precision) for key, value in with_first_row(row).items()}
    other = {"torchvision": "vgg19-d01eb7cb.pth", "caffe": "vgg19-dcbb9e9d.pth"}[convention]
    for name in ("mine.safetensors", other):
        path = write(state, tmp_path / name)
        assert open_weights(path).convention == convention
        network = load_network("vgg19", weights=path)
        assert network.convention == convention
        assert not network.normalised


def test_filters_that_are_only_similar_are_not_taken_for_published_ones(tmp_path):
    for convention, row in PUBLISHED_FILTERS.values():
        path = write(with_first_row(tuple(1.1 * value for value in row)), tmp_path / "mine.pth")
        assert open_weights(path).convention is None, convention


@pytest.mark.parametrize("name", ["vgg16", "vgg19", "squeezenet1_1"])
def test_names_of_torchvisions_files_are_known(name):
    from torchvision.models import get_model_weights

    stem = Path(get_model_weights(name).DEFAULT.url).stem
    assert PUBLISHED_NAMES[stem] == "torchvision"


@pytest.mark.parametrize(("stem", "convention"), PUBLISHED_NAMES.items())
def test_a_published_name_tells_the_convention(stem, convention, tmp_path):
    torch.save(random_state("vgg19"), tmp_path / f"{stem}.pth")
    assert open_weights(tmp_path / f"{stem}.pth").convention == convention


def test_a_file_of_unknown_origin_is_torchvisions_unless_the_caller_knows_better(image, tmp_path):
    state = random_state("vgg19")
    path = write(state, tmp_path / "mine.pth")
    assert load_network("vgg19", weights=path).convention == "torchvision"
    for convention, prepare in INPUTS.items():
        network = load_network("vgg19", weights=path, convention=convention)
        assert_features(network, state, prepare(image), image)
        assert not network.normalised
    assert load_network("vgg19", weights=path, convention="raw").convention == "raw"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("old.h5", "it is a file of Keras"), ("vgg_conv.pth", "its name is that of such a file")],
)
def test_a_convention_that_is_not_the_files_is_refused(kind, reason, tmp_path):
    path = write(random_state("vgg19"), tmp_path / kind)
    assert load_network("vgg19", weights=path, convention="caffe").convention == "caffe"
    with pytest.raises(NetworkError) as error:
        load_network("vgg19", weights=path, convention="torchvision")
    for part in (kind, f"'caffe' ({reason})", "convention='torchvision'", "network.convention"):
        assert part in str(error.value)


def test_a_published_filter_overrules_a_wrong_request_too(tmp_path):
    path = write(with_first_row((0.4295, 0.3735, -0.0614)), tmp_path / "mine.pth")
    with pytest.raises(NetworkError, match="first filter is that of Caffe's VGG-16"):
        load_network("vgg19", weights=path, convention="torchvision")


def test_squeezenet_is_torchvisions_whatever_its_file_is_called(tmp_path):
    state = {f"features.{i}.{key}": value
             for i, layer in enumerate(build_squeezenet("max").stack)
             for key, value in layer.state_dict().items()}  # fmt: skip
    torch.save(state, tmp_path / "mine.pth")
    assert load_network("squeezenet1_1", weights=tmp_path / "mine.pth").convention == "torchvision"
    with pytest.raises(NetworkError, match=r"'torchvision' \(its layers are called as in torchv"):
        load_network("squeezenet1_1", weights=tmp_path / "mine.pth", convention="caffe")


def test_the_bundled_network_has_torchvisions_convention():
    assert load_network("petite", convention="torchvision").convention == "torchvision"
    with pytest.raises(NetworkError, match=r"petite expects .*'torchvision' \(it comes with the p"):
        load_network("petite", convention="caffe")


@pytest.mark.parametrize("convention", ["bgr", "", 255])
def test_an_unknown_convention_is_refused(convention):
    with pytest.raises(NetworkError, match=r"unknown convention.*torchvision, caffe, raw"):
        load_network("petite", convention=convention)


def test_a_saved_network_keeps_its_convention(image, tmp_path):
    network = load_network("vgg19", weights=write(random_state("vgg19"), tmp_path / "old.h5"))
    again = load_network("vgg19", weights=save_weights(network, tmp_path / "own.safetensors"))
    assert again.convention == "caffe"
    for layer in network.style_layers:
        assert torch.equal(again(image, layer)[layer], network(image, layer)[layer])
    with pytest.raises(NetworkError, match="the file says so"):
        load_network("vgg19", weights=tmp_path / "own.safetensors", convention="raw")


def test_a_convention_in_a_file_that_is_none_is_ignored(tmp_path):
    save_file(random_state("vgg19"), tmp_path / "own.safetensors", {"convention": "sideways"})
    assert open_weights(tmp_path / "own.safetensors").convention is None


# --- normalised networks tell their convention ---------------------------------------------------


def normalised_state(convention: str, mean: float = 1.0) -> State:
    """Each filter is divided by its mean activation over the sample photographs, layer by layer."""
    state = random_state("vgg19")
    sizes = [load_image(name, size=(64, 80)) for name in samples.names("photo")]
    x = INPUTS[convention](torch.cat(sizes))
    for layer in convolutions("vgg19"):
        x = F.max_pool2d(x, 2) if layer.endswith("_1") and layer != "conv1_1" else x
        weight, bias = state[f"{layer}.weight"], state[f"{layer}.bias"]
        means = F.conv2d(x, weight, bias, padding=1).relu().mean((0, 2, 3)) / mean
        means = means.clamp(min=0.01 * means.max().item())  # a filter may hardly ever fire
        state[f"{layer}.weight"], state[f"{layer}.bias"] = (
            weight / means.view(-1, 1, 1, 1),
            bias / means,
        )
        x = F.conv2d(x, state[f"{layer}.weight"], state[f"{layer}.bias"], padding=1).relu()
    return state


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("convention", INPUTS)
def test_a_normalised_network_tells_its_convention(convention, pooling, tmp_path):
    """With either pooling: the one that it was trained with is used to measure."""
    path = write(normalised_state(convention), tmp_path / "mine.pth")
    network = load_network("vgg19", weights=path, pooling=pooling)
    assert network.pooling == pooling
    assert network.convention == convention
    assert network.normalised
    assert measured_convention(network, "max") == convention


@pytest.mark.parametrize("convention", INPUTS)
def test_a_normalised_network_in_a_wrong_convention_is_warned_about(convention, tmp_path):
    path = write(normalised_state(convention), tmp_path / "mine.pth")
    (other,) = set(INPUTS) - {convention}
    expected = rf"mine\.pth is used with .*'{other}'.*Did you mean convention='{convention}'\?"
    with pytest.warns(UserWarning, match=expected) as caught:
        network = load_network("vgg19", weights=path, convention=other)
    assert caught[0].filename == __file__
    assert network.convention == other
    assert not network.normalised
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_network("vgg19", weights=path, convention=convention).normalised


@pytest.mark.parametrize("mean", [0.1, 10.0])
def test_a_network_of_another_scale_is_not_normalised(mean, tmp_path):
    """Neither is its convention known: its features may be of any size."""
    path = write(normalised_state("caffe", mean), tmp_path / "mine.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = load_network("vgg19", weights=path, convention="torchvision")
    assert measured_convention(network, "max") is None
    assert network.convention == "torchvision"
    assert not network.normalised


def test_gatys_network_is_normalised_when_it_is(tmp_path):
    """Measured, not believed: the file's name says nothing about the scale of its filters."""
    for state, expected in [(normalised_state("caffe"), True), (random_state("vgg19"), False)]:
        path = write(state, tmp_path / "vgg_conv.pth")
        assert load_network("vgg19", weights=path).normalised is expected


def test_the_bundled_network_measures_as_what_it_is():
    assert measured_convention(load_network("petite"), "average") == "torchvision"


def test_networks_with_other_layers_are_not_measured():
    assert measured_convention(build_squeezenet("max"), "max") is None


def test_measuring_leaves_the_network_as_it_was():
    network = load_network("petite")
    network.convention = "raw"
    measured_convention(network, "average")
    assert network.convention == "raw"
    assert network.pooling == "average"


# --- a part of a network -------------------------------------------------------------------------


def part_of(state: State, last: str) -> State:
    names = convolutions("vgg19")
    kept = names[: names.index(last) + 1]
    return {key: value for key, value in state.items() if key.split(".")[0] in kept}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_part_of_a_network_is_loaded_as_far_as_it_goes(kind, image, tmp_path):
    state = part_of(random_state("vgg19"), "conv3_1")
    path = write(state, tmp_path / kind)
    with pytest.raises(NetworkError, match=r"as far as relu3_1: .*last_layer='relu3_1'") as error:
        load_network("vgg19", weights=path)
    assert "it has no 'conv3_2.weight' (shape (8, 8, 3, 3))" in str(error.value)
    network = load_network("vgg19", weights=path, last_layer="relu3_1")
    assert network.layers[-1] == "relu3_1"
    assert_features(network, state, INPUTS[network.convention](image), image)


def test_a_layer_behind_the_end_of_the_file_is_refused(tmp_path):
    path = write(part_of(random_state("vgg19"), "conv3_1"), tmp_path / "features.pth")
    with pytest.raises(NetworkError, match="last_layer='relu3_1'"):
        load_network("vgg19", weights=path, last_layer="relu3_2")


def test_a_part_of_a_normalised_network_tells_its_convention_too(tmp_path):
    path = write(part_of(normalised_state("caffe"), "conv3_1"), tmp_path / "mine.pth")
    network = load_network("vgg19", weights=path, last_layer="relu3_1")
    assert network.convention == "caffe"
    assert network.normalised


def test_a_gap_in_the_middle_is_not_the_end_of_a_part(tmp_path):
    state = random_state("vgg19")
    del state["conv3_2.bias"]
    path = write(state, tmp_path / "vgg_conv.pth")
    with pytest.raises(NetworkError, match=r"has no 'conv3_2\.bias'") as error:
        load_network("vgg19", weights=path)
    assert "last_layer" not in str(error.value)


@pytest.mark.parametrize(
    ("last_layer", "content", "style"),
    [
        ("pool5", "relu4_2", 5),
        ("relu4_2", "relu4_2", 4),
        ("relu4_1", "relu3_2", 4),
        ("relu3_2", "relu3_2", 3),
        ("relu3_1", "relu2_2", 3),
        ("relu2_1", "relu1_2", 2),
        ("relu1_1", "relu1_1", 1),
    ],
)
def test_default_layers_of_a_part_are_the_usual_ones_that_exist(last_layer, content, style):
    network = load_network("petite", last_layer=last_layer)
    assert network.content_layers == (content,)
    assert network.style_layers == load_network("petite").style_layers[:style]
    assert network.style_weights == pytest.approx(dict.fromkeys(network.style_layers, 1 / style))
    assert network.normalised


def test_a_part_without_any_style_layer_has_its_last_layer_for_one():
    assert load_network("petite", last_layer="conv1_1").style_weights == {"conv1_1": 1.0}


def test_a_part_computes_what_the_whole_computes(image):
    whole, part = load_network("petite"), load_network("petite", last_layer="relu4_2")
    for layer in part.layers:
        assert torch.equal(part(image, layer)[layer], whole(image, layer)[layer])
    with pytest.raises(NetworkError, match="no layer 'relu4_3'"):
        part(image, "relu4_3")


def test_style_weights_of_a_part_keep_their_ratios_and_sum_to_1(tmp_path):
    torch.manual_seed(0)
    whole = build_squeezenet("max")
    path = save_weights(whole, tmp_path / "squeeze.safetensors")
    part = load_network("squeezenet1_1", weights=path, last_layer="features.4")
    weights, usual = part.style_weights, whole.style_weights
    assert sum(weights.values()) == pytest.approx(1)
    ratio = usual["features.1"] / usual["features.4"]
    assert weights["features.1"] / weights["features.4"] == pytest.approx(ratio)
    assert part.content_layers == ("features.3",)


@pytest.mark.parametrize("last_layer", ["relu9_1", "", 3])
def test_an_unknown_last_layer_is_refused_with_a_list(last_layer):
    with pytest.raises(NetworkError, match=r"no layer .* to end at.*conv1_1, relu1_1"):
        load_network("petite", last_layer=last_layer)


# --- files that do not fit, or are broken --------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", DEPTHS)
def test_a_file_of_another_network_is_recognised(name, kind, tmp_path):
    """Under the course's names and Keras', all layers of VGG-16 are also in VGG-19's file."""
    (other,) = set(DEPTHS) - {name}
    path = write(random_state(name), tmp_path / kind)
    with pytest.raises(NetworkError, match=rf"does not fit {other}.*looks like a file of {name}:"):
        load_network(other, weights=path)


def test_a_cut_does_not_hide_that_the_file_belongs_to_another_network(tmp_path):
    path = write(random_state("vgg19"), tmp_path / "vgg_conv.pth")
    with pytest.raises(NetworkError, match=r"'conv3_4\.weight', which vgg16 lacks.*of vgg19"):
        load_network("vgg16", weights=path, last_layer="relu3_1")


def test_a_wide_file_does_not_fit_a_narrow_network(tmp_path):
    state = random_state("vgg19")
    state["conv3_1.weight"] = torch.zeros(9, 7, 3, 3)
    path = write(state, tmp_path / "old.h5")
    expected = r"'conv3_1.weight' has the shape \(9, 7, 3, 3\), expected \(8, 7, 3, 3\)"
    with pytest.raises(NetworkError, match=expected):
        load_network("vgg19", weights=path)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_a_file_that_broke_off_is_refused(kind, share, tmp_path):
    path = write(random_state("vgg19"), tmp_path / kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(NetworkError, match=r"cannot be read as weights.*fetched again"):
        load_network("vgg19", weights=path)


@pytest.mark.parametrize("kind", FORMATS)
def test_weights_that_are_not_finite_are_refused(kind, tmp_path):
    state = random_state("vgg19")
    state["conv2_1.bias"][3] = torch.nan
    path = write(state, tmp_path / kind)
    with pytest.raises(NetworkError, match=r"'conv2_1.bias' holds NaN"):
        load_network("vgg19", weights=path)


@pytest.mark.parametrize("kind", FORMATS)
def test_integers_are_refused(kind, tmp_path):
    state = random_state("vgg19")
    state["conv1_1.weight"] = torch.ones(6, 3, 3, 3, dtype=torch.int32)
    path = write(state, tmp_path / kind)
    with pytest.raises(NetworkError, match=r"'conv1_1.weight' is of type torch.int32, expected"):
        load_network("vgg19", weights=path)


class RunsCode:
    """What a hostile weight file may hold: unpickling it would create a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["vgg_conv.pth", "vgg19-d01eb7cb.pth", "mine.bin"])
def test_code_in_a_file_is_not_run(name, tmp_path):
    path = tmp_path / name
    torch.save(random_state("vgg19") | {"classifier.0.weight": RunsCode(tmp_path / "ran")}, path)
    with pytest.raises(NetworkError, match="cannot be read as weights"):
        load_network("vgg19", weights=path)
    assert not (tmp_path / "ran").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "ran").exists(), "the file was harmless: this test proved nothing"


# --- what nobody saves on purpose ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "it is a folder"),
        (".", "it is a folder"),
        ("x" * 300 + ".pth", "cannot read 'xxx"),
        (3, "weights=3 was given; expected the name"),
        (b"w.pth", "weights=b'w.pth' was given"),
        (["w.pth"], r"weights=\['w.pth'\] was given"),
        (False, "weights=False was given"),
        ("https://example.org/w.pth", "there is no weight file"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_names_no_file_is_refused(given, message):
    with pytest.raises(NetworkError, match=message):
        open_weights(given)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_number_too_large_for_float32_is_refused(kind, tmp_path):
    """As a float64 it is finite, and after the conversion it is not."""
    state = random_state("vgg19")
    state["conv2_1.bias"] = torch.full((7,), 1e300, dtype=torch.float64)
    with pytest.raises(NetworkError, match=r"'conv2_1.bias' holds NaN or infinite"):
        load_network("vgg19", weights=write(state, tmp_path / kind))


@pytest.mark.parametrize("kind", ["features.pth", "features.safetensors"])
@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bits_are_converted_like_sixteen(kind, dtype, tmp_path):
    state = {key: value.to(dtype) for key, value in random_state("vgg19").items()}
    network = load_network("vgg19", weights=write(state, tmp_path / kind))
    assert torch.equal(network.stack[0].weight, state["conv1_1.weight"].float())


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("sparse", lambda weight: weight.to_sparse()),
        ("meta", lambda weight: weight.to("meta")),
        ("quantised", lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, about quantised tensors
def test_tensors_that_are_not_plain_are_refused(kind, change, tmp_path):
    state = random_state("vgg19")
    state["conv1_1.weight"] = change(state["conv1_1.weight"])
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(
        NetworkError, match=f"'conv1_1.weight' is a {kind} tensor; expected a plain"
    ):
        load_network("vgg19", weights=tmp_path / "odd.pth")


def test_a_first_layer_without_filters_is_refused(tmp_path):
    state = random_state("vgg19") | {"conv1_1.weight": torch.zeros(0, 3, 3, 3)}
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(NetworkError, match=r"has the shape \(0, 3, 3, 3\), expected"):
        load_network("vgg19", weights=tmp_path / "a.pth")


@pytest.mark.parametrize("ancient", [False, True])
def test_the_error_does_not_advise_to_run_the_code_in_a_file(ancient, tmp_path):
    """As torch's own does: 'Re-running with `weights_only` set to `False` will likely succeed'."""
    path = tmp_path / "a.pth"
    state = {"conv1_1.weight": RunsCode(tmp_path / "ran")}
    torch.save(state, path, _use_new_zipfile_serialization=not ancient)
    with pytest.raises(NetworkError) as error:
        load_network("vgg19", weights=path)
    message = str(error.value)
    assert "weights_only" not in message
    assert "safe_globals" not in message
    assert len(message) < 500
    assert "Unsupported global" in message


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path):
    """100 MB of zeros, compressed to 100 kB; torch would unpack them all."""
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**8))
    assert (tmp_path / "bomb.pth").stat().st_size < 10**6
    with pytest.raises(NetworkError, match=r"a compressed archive of 0\.1 GB"):
        open_weights(tmp_path / "bomb.pth")


def test_a_header_that_promises_ten_gigabytes_is_refused(tmp_path):
    claim = {"dtype": "F32", "shape": [10 * 2**28], "data_offsets": [0, 10 * 2**30]}
    header = json.dumps({"conv1_1.weight": claim}).encode()
    path = tmp_path / "a.safetensors"
    for length in (len(header), 10 * 2**30):
        path.write_bytes(length.to_bytes(8, "little") + header)
        with pytest.raises(NetworkError, match="cannot be read as weights"):
            open_weights(path)


def test_a_layer_of_keras_that_promises_ten_gigabytes_is_refused(tmp_path):
    """HDF5 need not store what was never written."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        shape = (3, 3, 2**10, 2**18)
        file.create_dataset("block1_conv1/kernel:0", shape, dtype="f4", chunks=(3, 3, 64, 64))
    assert (tmp_path / "a.h5").stat().st_size < 10**5
    with pytest.raises(NetworkError, match="no layer of a VGG is so large"):
        open_weights(tmp_path / "a.h5")
