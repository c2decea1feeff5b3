"""The networks: every layer is what its name says, and every weight file is read with care."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import multiprocessing
import socket
import threading
import time
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from systems import needs_posix
from torch import nn

from nst_teach import FeatureNetwork, NetworkError, load_network, networks
from nst_teach.feedforward import FastNetwork, load_fast
from nst_teach.networks import (
    NETWORK_VARIABLE,
    PETITE_PLAN,
    VGG16_PLAN,
    VGG19_PLAN,
    WEIGHTS_FOLDER,
    build_squeezenet,
    build_vgg,
    save_weights,
)
from nst_teach.weight_files import read_weights

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TINY_PLAN = ((4, 5), (6, 7))
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(scope="module")
def petite() -> FeatureNetwork:
    return load_network("petite")


@pytest.fixture
def tiny() -> FeatureNetwork:
    """Two blocks of two convolutions, with random weights: fast, and wholly predictable."""
    torch.manual_seed(0)
    return build_vgg("tiny", TINY_PLAN, "average")


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def tiny_files(tiny, tmp_path, monkeypatch):
    """Makes `tiny` a network that `load_network` knows, and gives a function that saves weights."""
    from nst_teach import networks

    builder = functools.partial(build_vgg, "tiny", TINY_PLAN)
    monkeypatch.setitem(networks._BUILDERS, "tiny", (builder, "average"))

    def save(name: str = "tiny.safetensors", **changes) -> Path:
        state = file_state(tiny) | {key.replace("__", "."): v for key, v in changes.items()}
        state = {key: value for key, value in state.items() if value is not None}
        path = tmp_path / name
        save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
        return path

    return save


def file_state(network: FeatureNetwork) -> dict[str, torch.Tensor]:
    """A network's weights as a file names them: conv1_1.weight, conv1_1.bias, …"""
    convolutions = {n: m for n, m in zip(network.layers, network.stack, strict=True) if "conv" in n}
    return {
        f"{name}.{key}": value.clone(memory_format=torch.contiguous_format)
        for name, module in convolutions.items()
        for key, value in module.state_dict().items()
    }


def features_by_hand(network: FeatureNetwork, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each layer's name promises, with torch's functions and nothing of ours."""
    mean, std = (image.new_tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    x = (image - mean) / std
    pool = {"average": F.avg_pool2d, "max": F.max_pool2d}[network.pooling]
    weights, features = file_state(network), {}
    for name in network.layers:
        if name.startswith("conv"):
            x = F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)
        else:
            x = x.clamp(min=0) if name.startswith("relu") else pool(x, 2)
        features[name] = x
    return features


def calls(network: FeatureNetwork):
    """A list that names each layer as it is run, while the block lasts."""
    ran: list[str] = []

    @contextlib.contextmanager
    def watch():
        handles = [
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
            for name, module in zip(network.layers, network.stack, strict=True)
        ]
        yield ran
        for handle in handles:
            handle.remove()

    return watch()


def no_connection(url, *args, **kwargs):
    """In place of torch's download."""
    raise URLError("Temporary failure in name resolution")


# --- layers are what they are called -------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_every_layer_of_petite_is_what_its_name_says(image, pooling):
    network, image = load_network("petite", pooling=pooling).double(), image.double()
    features, expected = network(image, network.layers), features_by_hand(network, image)
    assert list(features) == list(expected)
    for name in network.layers:
        torch.testing.assert_close(features[name], expected[name], rtol=1e-9, atol=1e-9)


def test_conv_is_before_the_relu_and_relu_is_after_it(petite, image):
    """With a ReLU that works in place, conv1_1 would be relu1_1 by the time you look."""
    features = petite(image, petite.layers)
    for conv in (name for name in petite.layers if name.startswith("conv")):
        assert features[conv].min() < 0
        assert torch.equal(features[conv].clamp(min=0), features[conv.replace("conv", "relu")])


def test_nothing_changes_a_feature_after_it_was_captured(petite, image):
    """Clones are taken the moment each layer returns; the pass must leave the originals alone."""
    early, handles = {}, []
    for name, module in zip(petite.layers, petite.stack, strict=True):
        hook = functools.partial(lambda name, *a: early.update({name: a[-1].clone()}), name)
        handles.append(module.register_forward_hook(hook))
    late = petite(image, petite.layers)
    for handle in handles:
        handle.remove()
    assert all(torch.equal(early[name], late[name]) for name in petite.layers)


def test_no_relu_works_in_place(petite):
    networks = [petite, build_squeezenet("max")]
    relus = [m for network in networks for m in network.modules() if isinstance(m, nn.ReLU)]
    assert relus
    assert not any(relu.inplace for relu in relus)


def test_gram_before_the_relu_can_be_differentiated(petite, image):
    """The loud form of the in-place trap is a RuntimeError here."""
    x = image.clone().requires_grad_(True)
    features = petite(x, ["conv1_1", "relu2_1"])
    (features["conv1_1"].square().sum() + features["relu2_1"].sum()).backward()
    assert x.grad.abs().sum() > 0


def test_pooling_halves_the_picture_block_by_block(petite):
    features = petite(torch.rand(1, 3, 64, 48), petite.layers)
    for block in range(1, 6):
        expected = (64 // 2 ** (block - 1), 48 // 2 ** (block - 1))
        assert features[f"conv{block}_1"].shape[-2:] == expected


@pytest.mark.parametrize(
    ("pooling", "expected"), [("average", (0 + 1 + 2 + 5) / 4), ("max", 5.0)], ids=str
)
def test_pooling_is_the_one_asked_for(pooling, expected):
    network = build_vgg("tiny", TINY_PLAN, pooling)
    pool = network.stack[network.layers.index("pool1")]
    assert pool(torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]])).item() == expected
    assert network.pooling == pooling


def test_a_batch_is_seen_item_by_item(tiny, image):
    batch = torch.cat([image, 1 - image])
    together = tiny(batch, "relu2_2")["relu2_2"]
    assert together.shape[0] == 2
    for item, features in zip(batch, together, strict=True):
        torch.testing.assert_close(tiny(item[None], "relu2_2")["relu2_2"][0], features)


# --- names and order -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "places"),
    [
        # Known by heart to whoever indexed torchvision's `features`.
        (VGG16_PLAN, {"conv1_1": 0, "relu2_2": 8, "relu3_3": 15, "conv4_2": 19, "pool5": 30}),
        (VGG19_PLAN, {"conv1_1": 0, "conv2_1": 5, "conv3_1": 10, "conv4_1": 19, "conv5_1": 28}),
        (VGG19_PLAN, {"conv4_2": 21, "relu4_2": 22, "pool5": 36}),
    ],
)
def test_names_stand_for_torchvisions_numbers(plan, places):
    with torch.device("meta"):
        network = build_vgg("vgg", plan, "max")
    assert {name: network.layers.index(name) for name in places} == places


def test_features_come_in_the_networks_order_whatever_is_asked(tiny, image):
    assert list(tiny(image, ["relu2_1", "conv1_1", "relu1_2"])) == ["conv1_1", "relu1_2", "relu2_1"]
    assert list(tiny(image, {"pool1", "conv1_1"})) == ["conv1_1", "pool1"]
    assert list(tiny(image, "relu2_1")) == ["relu2_1"]
    assert list(tiny(image, ["relu2_1", "relu2_1"])) == ["relu2_1"]


def test_the_default_layers_are_layers_of_the_network(petite):
    for network in (petite, build_squeezenet("max")):
        assert set(network.content_layers) | set(network.style_layers) <= set(network.layers)


def test_an_unknown_layer_is_refused_with_a_list_of_those_there_are(tiny, image):
    with pytest.raises(NetworkError, match="no layer 'relu7_1', 'style'") as error:
        tiny(image, ["relu7_1", "relu1_1", "style"])
    assert all(name in str(error.value) for name in tiny.layers)


def test_asking_for_nothing_is_refused(tiny, image):
    with pytest.raises(NetworkError, match="no layer was asked for"):
        tiny(image, [])


def test_the_network_introduces_itself(tiny):
    parameters = sum(p.numel() for p in tiny.parameters())
    for part in ("tiny", "conv1_1", "pool2", "average", f"{parameters:,}"):
        assert part in repr(tiny)


# --- frozen, and no further than needed ----------------------------------------------------------


def test_the_pass_stops_at_the_deepest_layer_asked_for(petite, image):
    with calls(petite) as ran:
        petite(image, ["conv1_1", "relu2_1"])
    assert ran == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1", "relu2_1"]


def test_the_network_is_frozen_and_stays_in_evaluation_mode(petite):
    assert not any(p.requires_grad for p in petite.parameters())
    petite.train()
    assert not any(module.training for module in petite.modules())


def test_gradients_reach_the_picture_and_no_weight(tiny, image):
    x = image.clone().requires_grad_(True)
    tiny(x, "relu2_2")["relu2_2"].sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is None for p in tiny.parameters())


@pytest.mark.parametrize("side", [1, 3, 8, 15])
def test_a_picture_too_small_for_its_layer_is_refused(petite, side):
    """Four poolings leave nothing of fewer than 16 pixels."""
    with pytest.raises(NetworkError, match=f"{side}×{side} pixels is too small for pool"):
        petite(torch.rand(1, 3, side, side), "relu5_1")


def test_a_picture_just_large_enough_is_taken(petite):
    assert petite(torch.rand(1, 3, 16, 31), "relu5_1")["relu5_1"].shape[-2:] == (1, 1)


@pytest.mark.parametrize(
    ("module", "fewest"),
    [
        (nn.Conv2d(3, 4, 3, padding="same"), 1),
        (nn.Conv2d(3, 4, 3, padding=1), 1),
        (nn.Conv2d(3, 4, 5, padding=1), 3),
        (nn.Conv2d(3, 4, 3), 3),
        (nn.MaxPool2d(2), 2),
        (nn.ReLU(), 1),
    ],
    ids=repr,
)
def test_as_few_positions_are_asked_for_as_a_module_can_do_with(module, fewest):
    """The module itself is the oracle: with one row less, it raises an error of its own."""
    network = FeatureNetwork(
        "one", {"layer": module}, pooling="max", content_layers=("layer",), style_layers=("layer",)
    )
    assert min(network(torch.rand(1, 3, fewest, 9), "layer")["layer"].shape) > 0
    if fewest > 1:
        with pytest.raises(NetworkError, match=f"a picture of {fewest - 1}×9 pixels is too small"):
            network(torch.rand(1, 3, fewest - 1, 9), "layer")
        with pytest.raises(RuntimeError):
            module(torch.rand(1, 3, fewest - 1, 9))


def test_a_picture_too_small_for_squeezenet_is_refused_too():
    with pytest.raises(NetworkError, match="2×2 pixels is too small"):
        build_squeezenet("max")(torch.rand(1, 3, 2, 2), "features.0")


# --- the same as torchvision's -------------------------------------------------------------------


def torchvision_vgg(name: str) -> nn.Module:
    """torchvision's model with random weights in `features`; the rest is never filled in."""
    import torchvision.models

    with torch.device("meta"):
        model = getattr(torchvision.models, name)(weights=None, init_weights=False)
    features = model.features.to_empty(device="cpu")
    torch.manual_seed(0)
    for module in features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.normal_(module.bias, std=0.1)
    return features.eval()


def torchvision_squeezenet(name: str) -> nn.Module:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    return squeezenet1_1(weights=None).features.eval()


TORCHVISION = {
    "vgg16": torchvision_vgg,
    "vgg19": torchvision_vgg,
    "squeezenet1_1": torchvision_squeezenet,
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_features_are_torchvisions(name, tmp_path):
    """Layer by layer, from a .pth under torchvision's keys, with a classifier that is ignored."""
    from torchvision.transforms.functional import normalize

    theirs = TORCHVISION[name](name)
    state = {f"features.{key}": value for key, value in theirs.state_dict().items()}
    torch.save(state | {"classifier.6.bias": torch.zeros(1000)}, tmp_path / "weights.pth")
    ours = load_network(name, weights=tmp_path / "weights.pth")
    (tmp_path / "weights.pth").unlink()  # 80 MB, not worth keeping for three runs of the suite
    image = torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(1))
    features, x = ours(image, ours.layers), normalize(image, MEAN, STD)
    assert len(ours.layers) == len(theirs)
    with torch.no_grad():
        for layer, module in zip(ours.layers, theirs, strict=True):
            x = module(x.clone())  # theirs works in place
            rounding = 1e-4 * x.abs().max().item()
            torch.testing.assert_close(features[layer], x, rtol=0, atol=rounding)


def test_squeezenet_can_pool_by_average_too():
    torch.manual_seed(0)
    network = build_squeezenet("average")
    features = network(torch.rand(1, 3, 32, 32), ["features.1", "features.2"])
    expected = F.avg_pool2d(features["features.1"], 3, 2, ceil_mode=True)
    assert torch.equal(features["features.2"], expected)


# --- choosing a network --------------------------------------------------------------------------


def test_petite_comes_with_the_package_and_is_the_default(petite, monkeypatch):
    monkeypatch.delenv(NETWORK_VARIABLE, raising=False)
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_connection)
    network = load_network()
    assert network.name == "petite"
    assert network.pooling == "average"
    assert_same_weights(network, petite)


def test_the_bundled_weights_are_those_of_the_plan():
    widths = [width for block in PETITE_PLAN for width in block]
    state = load_file(WEIGHTS_FOLDER / "petite.safetensors")
    assert sorted(len(v) for k, v in state.items() if k.endswith(".bias")) == sorted(widths)
    assert all(torch.isfinite(value).all() for value in state.values())


def test_the_environment_chooses_the_default_network(monkeypatch, tiny_files):
    monkeypatch.setenv(NETWORK_VARIABLE, "tiny")
    assert load_network(weights=tiny_files()).name == "tiny"
    assert load_network("petite").name == "petite"


def test_a_wrong_name_in_the_environment_is_traced_to_it(monkeypatch):
    monkeypatch.setenv(NETWORK_VARIABLE, "vgg11")
    with pytest.raises(NetworkError, match=r"unknown network 'vgg11'.*petite.*NST_TEACH_NETWORK"):
        load_network()


@pytest.mark.parametrize("pooling", ["mean", ""])
def test_an_unknown_pooling_is_refused(pooling):
    with pytest.raises(NetworkError, match=f"pooling '{pooling}'; choose 'max' or 'average'"):
        load_network("petite", pooling=pooling)


@pytest.mark.parametrize("name", ["", nn.Sequential(), ["petite"], 0], ids=repr)
def test_what_is_no_name_is_not_taken_for_none(name):
    with pytest.raises(NetworkError, match="unknown network"):
        load_network(name)


def test_an_unknown_device_is_refused(tiny_files):
    with pytest.raises(NetworkError, match="'gpu'"):
        load_network("tiny", weights=tiny_files(), device="gpu")


# --- weight files --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny.safetensors", "tiny.pth"])
def test_weights_arrive_as_they_were_saved(tiny, tiny_files, name):
    assert_same_weights(load_network("tiny", weights=tiny_files(name)), tiny)
    assert_same_weights(load_network("tiny", weights=str(tiny_files(name))), tiny)


def test_weights_under_torchvisions_names_are_understood(tiny, tiny_files, tmp_path):
    torch.save({k.replace("stack", "features"): v for k, v in tiny.state_dict().items()},
               tmp_path / "tv.pth")  # fmt: skip
    assert_same_weights(load_network("tiny", weights=tmp_path / "tv.pth"), tiny)


def test_half_precision_is_widened(tiny, tiny_files):
    halves = {key.replace(".", "__"): value.half() for key, value in file_state(tiny).items()}
    network = load_network("tiny", weights=tiny_files(**halves))
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert torch.equal(network.stack[0].weight, tiny.stack[0].weight.half().float())


def assert_same_weights(a: FeatureNetwork, b: FeatureNetwork) -> None:
    for ours, theirs in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_first_weight_that_does_not_fit_is_named(tiny_files):
    path = tiny_files(conv1_2__weight=torch.zeros(9, 4, 3, 3), conv2_1__weight=torch.zeros(1))
    expected = r"'conv1_2.weight' has the shape \(9, 4, 3, 3\), expected \(5, 4, 3, 3\)"
    with pytest.raises(NetworkError, match=expected):
        load_network("tiny", weights=path)


@pytest.mark.parametrize("ending", [".safetensors", ".pth", ".pt"])
def test_own_weights_load_back(tiny, tiny_files, image, tmp_path, ending):
    path = save_weights(tiny, tmp_path / f"own{ending}")
    assert path == tmp_path / f"own{ending}"
    network = load_network("tiny", weights=path)
    assert_same_weights(network, tiny)
    assert torch.equal(network(image, "relu2_2")["relu2_2"], tiny(image, "relu2_2")["relu2_2"])
    assert set(read_weights(path)) == set(file_state(tiny))


def test_a_plain_state_dict_loads_back_too(tiny, tiny_files, tmp_path):
    """As the page on troubleshooting saves one."""
    torch.save(tiny.state_dict(), tmp_path / "own.pth")
    assert_same_weights(load_network("tiny", weights=tmp_path / "own.pth"), tiny)


def test_weights_of_a_fast_network_load_back(tmp_path):
    torch.manual_seed(0)
    network = FastNetwork()
    loaded = load_fast("mine", weights=save_weights(network, tmp_path / "mine.safetensors"))
    assert_same_weights(loaded, network)


@pytest.mark.parametrize(
    ("name", "message"),
    [("own.bin", r"use \.safetensors or \.pth"), ("no/own.pth", "Choose another folder"),
     ("no/own.safetensors", "Choose another folder")],
)  # fmt: skip
def test_weights_that_cannot_be_saved_are_explained(tiny, tmp_path, name, message):
    with pytest.raises(NetworkError, match=message):
        save_weights(tiny, tmp_path / name)


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8, torch.bool, torch.complex64])
def test_weights_that_are_no_fractions_are_refused(tiny_files, tmp_path, kind):
    try:
        path = tiny_files(conv1_2__bias=torch.ones(5).to(kind))
    except KeyError:
        pytest.skip("this safetensors writes no complex numbers")
    with pytest.raises(NetworkError, match=f"'conv1_2.bias' is of type {kind}, expected torch.flo"):
        load_network("tiny", weights=path)


def test_a_missing_weight_is_named(tiny_files):
    path = tiny_files(conv2_1__bias=None)
    with pytest.raises(NetworkError, match=r"has no 'conv2_1.bias' \(shape \(6,\)\)"):
        load_network("tiny", weights=path)


def test_weights_of_another_network_are_refused(tiny_files):
    with pytest.raises(NetworkError, match=r"tiny\.safetensors does not fit petite"):
        load_network("petite", weights=tiny_files())


def test_weights_that_are_not_finite_are_refused(tiny_files):
    path = tiny_files(conv1_1__bias=torch.tensor([0.0, torch.nan, 0.0, 0.0]))
    with pytest.raises(NetworkError, match=r"'conv1_1.bias' holds NaN"):
        load_network("tiny", weights=path)


def test_a_missing_weight_file_is_named(tmp_path):
    with pytest.raises(NetworkError, match=r"there is no weight file '.*nowhere\.pth'"):
        load_network("petite", weights=tmp_path / "nowhere.pth")


@pytest.mark.parametrize("name", ["tiny.safetensors", "tiny.pth"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_weight_file_that_broke_off_is_refused(tiny_files, name, share):
    path = tiny_files(name)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(NetworkError, match=r"cannot be read as weights.*fetched again"):
        load_network("tiny", weights=path)


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"state_dict": {}}, {"epoch": 3}], ids=repr)
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(NetworkError, match="holds no state dict"):
        read_weights(tmp_path / "a.pth")


class RunsCode:
    """What a hostile weight file may hold: unpickling it would create a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_weight_file_that_would_run_code_is_refused_and_runs_none(tmp_path):
    torch.save({"conv1_1.weight": RunsCode(tmp_path / "ran")}, tmp_path / "a.pth")
    with pytest.raises(NetworkError, match="cannot be read as weights"):
        load_network("petite", weights=tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "a.pth", weights_only=False)
    assert (tmp_path / "ran").exists(), "the file was harmless: this test proved nothing"


# --- downloads -----------------------------------------------------------------------------------


@pytest.fixture
def empty_cache(tmp_path, monkeypatch) -> Path:
    """torch's download cache, somewhere that is empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hub" / "checkpoints"


@pytest.fixture
def address_of_a_wrong_file(tmp_path):
    """A web server on this machine, from which every path is the same page of text."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Please log in to this wireless network.</html>")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_without_a_connection_the_error_says_what_to_do(empty_cache, monkeypatch):
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_connection)
    with pytest.raises(NetworkError) as error:
        load_network("squeezenet1_1")
    message = str(error.value)
    assert "Temporary failure in name resolution" in message
    assert "https://download.pytorch.org/models/squeezenet1_1" in message  # what to fetch,
    assert str(empty_cache) in message  # where to put it,
    assert "load_network('squeezenet1_1', weights=" in message  # or how to name it,
    assert "load_network('petite')" in message  # or how to do without


def test_a_wrong_file_from_the_network_is_refused_and_not_kept(
    empty_cache, address_of_a_wrong_file, monkeypatch
):
    """A login page in place of the weights: its hash is not the one in the file's name."""
    fetch = torch.hub.download_url_to_file
    monkeypatch.setattr(
        torch.hub,
        "download_url_to_file",
        lambda url, *args, **kwargs: fetch(address_of_a_wrong_file, *args, **kwargs),
    )
    with pytest.raises(NetworkError, match=r"could not be fetched.*hash"):
        load_network("squeezenet1_1")
    assert list(empty_cache.iterdir()) == []


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A web server on this machine for SqueezeNet's weights, which behaves as a test asks it to.

    Its attributes: `answer`, a function from a request to what it sends; `body`, the right bytes;
    `asked`, the number of requests; `name` of the file, which ends with its checksum.
    """
    from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1

    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "right.pth")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked += 1
            server.answer(self)

        def send(self, body: bytes, length: int | None = None):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.asked = True, 0
        server.body = (tmp_path / "right.pth").read_bytes()
        server.name = f"squeezenet1_1-{hashlib.sha256(server.body).hexdigest()[:8]}.pth"
        address = f"http://127.0.0.1:{server.server_port}/{server.name}"
        weights = SqueezeNet1_1_Weights.DEFAULT.value
        monkeypatch.setitem(weights.__dict__, "url", address)  # frozen, but a dataclass
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def refuse(request):
    request.send_error(404)


def hang_up(request):
    request.connection.close()


def hang_up_half_way(request):
    request.send(request.server.body[:10000], length=len(request.server.body))


def say_nothing(request):
    time.sleep(5)


def fall_silent(request):
    hang_up_half_way(request)
    time.sleep(5)


def lie(request):
    """Bytes that torch could load, under the right name: one of them is another."""
    request.send(request.server.body[:-1] + bytes([request.server.body[-1] ^ 1]))


def send_in_circles(request):
    request.send_response(302)
    request.send_header("Location", request.path)
    request.end_headers()


def send_to_a_file(request):
    request.send_response(302)
    request.send_header("Location", "file:///etc/passwd")
    request.end_headers()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refuse, "404"),
        (hang_up, "could not be fetched"),
        (hang_up_half_way, "invalid hash value"),
        (say_nothing, "timed out"),
        (fall_silent, "timed out"),
        (lie, "invalid hash value"),
        (send_in_circles, "would lead to an infinite loop"),
        (send_to_a_file, "not allowed"),
    ],
)
def test_a_download_that_fails_is_explained_and_leaves_nothing(
    empty_cache, server, monkeypatch, answer, message
):
    monkeypatch.setattr(networks, "PATIENCE", 0.3)
    server.answer = answer
    with pytest.raises(NetworkError, match=message) as error:
        load_network("squeezenet1_1")
    assert "Fetch  http://127.0.0.1" in str(error.value)
    assert list(empty_cache.iterdir()) == []
    assert socket.getdefaulttimeout() is None, "the patience was meant for this download only"


def test_a_download_is_kept_and_not_repeated(empty_cache, server):
    server.answer = lambda request: request.send(request.server.body)
    for _ in range(2):
        assert load_network("squeezenet1_1").name == "squeezenet1_1"
    assert server.asked == 1
    assert [path.name for path in empty_cache.iterdir()] == [server.name]


@needs_posix
def test_two_processes_may_fetch_at_once(empty_cache, server):
    """Both ask before either has an answer; each writes a file of its own until it is complete."""
    both_have_asked = threading.Barrier(2, timeout=60)

    def answer_both(request):
        both_have_asked.wait()
        request.send(request.server.body)

    server.answer = answer_both
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=load_network, args=("squeezenet1_1",)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert server.asked == 2
    assert [path.name for path in empty_cache.iterdir()] == [server.name]
    assert (empty_cache / server.name).read_bytes() == server.body


def test_a_cache_that_cannot_be_written_to_is_explained(tmp_path, server, monkeypatch):
    """A file where a folder should be: unlike a mode, that stops root too."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file" / "cache"))
    server.answer = lambda request: request.send(request.server.body)
    with pytest.raises(NetworkError, match=r"Not a directory.*\n.*Fetch"):
        load_network("squeezenet1_1")


@needs_posix
def test_a_full_disk_is_explained_and_leaves_nothing(empty_cache, server):
    """The system refuses files of more than 100 kB; the weights have 5 MB."""
    import resource

    server.answer = lambda request: request.send(request.server.body)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(NetworkError, match=r"File too large"):
            load_network("squeezenet1_1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(empty_cache.iterdir()) == []


@needs_posix
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_a_full_disk_does_not_cost_the_file_that_was_there(tiny, tmp_path, ending):
    import resource

    path = save_weights(tiny, tmp_path / f"mine{ending}")
    old = path.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(old) // 2, before[1]))
    try:
        with pytest.raises(NetworkError, match=r"cannot write .*Choose another folder"):
            save_weights(tiny, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == old
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_cached_file_that_is_not_weights_is_reported_with_its_place(empty_cache, server):
    empty_cache.mkdir(parents=True)
    torch.save([1, 2], empty_cache / server.name)
    with pytest.raises(NetworkError, match=r"cannot be read.*no state dict.*\n.*Delete"):
        load_network("squeezenet1_1")


def test_a_broken_file_in_the_cache_is_reported_with_its_place(empty_cache):
    from torchvision.models import SqueezeNet1_1_Weights

    path = empty_cache / Path(SqueezeNet1_1_Weights.DEFAULT.url).name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file")
    with pytest.raises(NetworkError) as error:
        load_network("squeezenet1_1")
    assert str(path) in str(error.value)


def test_a_file_in_the_cache_that_would_run_code_is_refused_too(empty_cache, tmp_path):
    from torchvision.models import SqueezeNet1_1_Weights

    empty_cache.mkdir(parents=True)
    path = empty_cache / Path(SqueezeNet1_1_Weights.DEFAULT.url).name
    torch.save({"features.0.weight": RunsCode(tmp_path / "ran")}, path)
    with pytest.raises(NetworkError):
        load_network("squeezenet1_1")
    assert not (tmp_path / "ran").exists()


# --- devices -------------------------------------------------------------------------------------


@needs_cuda
def test_a_network_can_be_put_on_a_gpu_and_sees_the_same_there(petite, image):
    on_gpu = load_network("petite", device="cuda")
    assert {p.device.type for p in on_gpu.parameters()} == {"cuda"}
    here, there = petite(image, "relu3_1"), on_gpu(image.cuda(), "relu3_1")
    torch.testing.assert_close(there["relu3_1"].cpu(), here["relu3_1"], rtol=1e-2, atol=1e-2)
