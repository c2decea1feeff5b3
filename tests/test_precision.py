"""bfloat16 beside float32: the choice between them, losses, gradients, and finished runs."""

from __future__ import annotations

import pytest
import torch

from nst_teach import (
    FeatureNetwork,
    StyleObjective,
    adapt_network,
    load_network,
    optimize,
    transfer,
)
from nst_teach import precision as precision_module
from nst_teach.precision import PRECISIONS, choose_precision, speedup
from nst_teach.records import Stop

SIDE = 64


def random_image(height: int, width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, generator=generator)


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    return load_network("petite")


@pytest.fixture(scope="module")
def pictures():
    return random_image(SIDE, SIDE, seed=0), random_image(SIDE, SIDE, seed=1)


@pytest.mark.parametrize("precision", [p for p in PRECISIONS if p != "auto"])
def test_a_precision_that_is_named_is_taken(precision):
    assert choose_precision(precision) == precision


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0.0, "float32"), (0.6, "float32"), (1.2, "float32"), (2.0, "bfloat16")]
)
def test_auto_takes_bfloat16_only_where_it_is_faster(monkeypatch, ratio, expected):
    monkeypatch.setattr(precision_module, "speedup", lambda device: ratio)
    assert choose_precision("auto") == expected


def test_auto_is_float32_on_a_device_without_bfloat16(monkeypatch):
    def refuse(convolve):
        raise RuntimeError("not implemented for 'BFloat16'")

    monkeypatch.setattr(precision_module, "_seconds", refuse)
    assert speedup.__wrapped__("cpu") == 0.0


def test_the_ratio_is_that_of_the_shortest_times(monkeypatch):
    times = iter([8.0, 3.0, 6.0, 2.0] + [9.0, 9.0] * 20)  # float32 and bfloat16 in turn
    monkeypatch.setattr(precision_module, "_seconds", lambda convolve: next(times))
    assert speedup.__wrapped__("cpu") == 6.0 / 2.0


def test_the_number_of_threads_is_as_before():
    before = torch.get_num_threads()
    speedup.__wrapped__("cpu")
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("precision", ["half", "float16", "", None, 32])
def test_an_unknown_precision_is_an_error_that_names_the_known_ones(network, pictures, precision):
    with pytest.raises(ValueError, match=r"precision=.*expected one of float32, bfloat16, auto"):
        StyleObjective(*pictures, network, precision=precision)


def test_features_in_bfloat16_are_float32_close_to_the_exact_ones(network, pictures):
    image, _ = pictures
    exact = network(image, network.style_layers)
    for layer, rounded in network.rounded()(image, network.style_layers).items():
        assert rounded.dtype == torch.float32
        error = (rounded - exact[layer]).norm() / exact[layer].norm()
        assert 0 < error < 0.02, layer  # each value has 8 significant bits: 0.4 %


def test_the_network_itself_is_not_rounded(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.rounded()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_network_of_ones_own_can_be_rounded(pictures):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    own = adapt_network(module, content_layers=["1"], style_layers=["1"])
    image, style = pictures
    objective = StyleObjective(image, style, own, precision="bfloat16")
    assert objective(image).total.dtype == torch.float32
    assert objective(style).total.item() == pytest.approx(
        objective.in_float32(style).total.item(), rel=0.02
    )


def test_loss_and_gradient_agree_with_float32(network, pictures):
    content, style = pictures
    plain = StyleObjective(content, style, network)
    fast = StyleObjective(content, style, network, precision="bfloat16")
    image = (0.5 * content + 0.5 * style).requires_grad_(True)
    one, other = plain(image).total, fast(image).total
    assert other.item() == pytest.approx(one.item(), rel=0.01)
    g, h = (torch.autograd.grad(total, image)[0].flatten() for total in (one, other))
    assert h.dtype == torch.float32
    assert torch.cosine_similarity(g, h, dim=0) > 0.99


def test_targets_and_default_beta_do_not_depend_on_the_precision(network, pictures):
    plain = StyleObjective(*pictures, network)
    fast = StyleObjective(*pictures, network, precision="bfloat16")
    assert fast.beta == plain.beta
    for layer, target in plain.style_targets.items():
        assert torch.equal(fast.style_targets[layer], target)
    for layer, target in plain.content_targets.items():
        assert torch.equal(fast.content_targets[layer], target)


def test_the_two_precisions_are_two_objectives(network, pictures):
    plain = StyleObjective(*pictures, network)
    fast = StyleObjective(*pictures, network, precision="bfloat16")
    assert plain.fingerprint() != fast.fingerprint()
    assert plain.fingerprint() == StyleObjective(*pictures, network).fingerprint()


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_this_run_ends_within_two_percent_of_float32(network, optimizer):
    settings = {"network": network, "size": 64, "steps": 60, "optimizer": optimizer}
    plain = transfer("chelsea", "night_swirls", **settings, progress=False)
    fast = transfer("chelsea", "night_swirls", **settings, precision="bfloat16", progress=False)
    assert fast.settings["precision"] == "bfloat16"
    assert plain.settings["precision"] == "float32"
    assert fast.loss == pytest.approx(plain.loss, rel=0.02)


def test_the_loss_of_a_result_is_that_of_its_image_in_float32(network, pictures):
    fast = StyleObjective(*pictures, network, precision="bfloat16")
    result = optimize(fast, "content", steps=5, progress=False)
    plain = StyleObjective(*pictures, network)
    assert result.loss == plain(result.image).total.item()
    assert result.loss != fast(result.image).total.item()  # the test can fail
    assert result.record in result.history
    assert result.record.style.keys() == plain.style_layers.keys()


@pytest.mark.parametrize(
    ("error", "stop"),
    [(KeyboardInterrupt(), Stop.INTERRUPTED), (MemoryError(), Stop.OUT_OF_MEMORY)],
)
@pytest.mark.filterwarnings("ignore:memory ran out")
def test_nothing_is_lost_if_the_last_evaluation_in_float32_fails(network, pictures, error, stop):
    class Failing(StyleObjective):
        def in_float32(self, image):
            raise error

    objective = Failing(*pictures, network, precision="bfloat16")
    result = optimize(objective, "content", steps=3, progress=False)
    assert result.stopped is stop
    assert result.loss == pytest.approx(objective(result.image).total.item(), rel=1e-4)
    assert len(result.history) >= 4


def test_a_run_in_bfloat16_is_the_same_twice(network, pictures):
    one, two = (
        optimize(
            StyleObjective(*pictures, network, precision="bfloat16"),
            "content",
            steps=5,
            progress=False,
        )
        for _ in range(2)
    )
    assert torch.equal(one.image, two.image)
    assert [r.total for r in one.history] == [r.total for r in two.history]


def test_a_run_in_bfloat16_can_be_continued(network, pictures):
    objective = StyleObjective(*pictures, network, precision="bfloat16")
    first = optimize(objective, "content", steps=5, progress=False)
    more = optimize(objective, first, steps=5, progress=False)
    assert more.steps == 10
    assert more.loss < first.loss
    assert {r.objective for r in more.history} == {0}


def test_a_clock_that_ticks_too_seldom_is_no_division_by_zero(monkeypatch):
    """That of the processor ticks every 16 ms on Windows; a convolution takes a few."""
    monkeypatch.setattr(precision_module.time, "process_time", lambda: 3.0)
    assert 0 < speedup.__wrapped__("cpu") < 1000
