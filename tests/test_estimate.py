"""The price of a run: counts in closed form, a clock that the test sets, and memory by hand."""

from __future__ import annotations

import inspect
import time
import tracemalloc
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from nst_teach import FeatureNetwork, Style, TransferError, calibration, estimate, transfer
from nst_teach.calibration import Calibration, LiveBytes, Work, arithmetic, line
from nst_teach.estimates import (
    EVALUATIONS,
    Estimate,
    announcement,
    evaluations,
    multiplications,
    predict,
)
from nst_teach.networks import NetworkError, build_vgg
from nst_teach.optimizers import LBFGS_HISTORY, OPTIMIZERS

CONTENT, STYLE = ("relu2_2",), ("relu1_1", "relu2_1")
LAYERS = {"content_layers": CONTENT, "style_layers": STYLE}
CPU = torch.device("cpu")
GB = 10**9


@pytest.fixture
def network() -> FeatureNetwork:
    """Two blocks of random filters."""
    torch.manual_seed(0)
    return build_vgg("tiny", ((4, 5), (6, 7)), "average")


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """No test sees what another one measured."""
    monkeypatch.setattr(calibration, "_calibrations", {})
    arithmetic.cache_clear()
    yield
    arithmetic.cache_clear()


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the network advances: by `fixed` + `each` · pixels for every evaluation.

    A measurement block by block takes half as long again, or half of that without a gradient.
    """

    class Clock:
        now, fixed, each, forwards = 0.0, 1e-3, 1e-6, 0

        def seconds(self, pixels: int) -> float:
            return self.fixed + self.each * pixels

    clock, forward = Clock(), FeatureNetwork.forward
    measure = FeatureNetwork.measure

    def timed(self, image, layers):
        if image.device.type != "meta" and not (image == 0).all():  # zeros only try out a size
            clock.now += clock.seconds(image[0, 0].numel())
            clock.forwards += 1
        return forward(self, image, layers)

    def timed_measure(self, image, layers, function):
        passes = 1.5 if torch.is_grad_enabled() else 0.5
        clock.now += passes * clock.seconds(image[0, 0].numel())
        return measure(self, image, layers, function)

    monkeypatch.setattr(FeatureNetwork, "forward", timed)
    monkeypatch.setattr(FeatureNetwork, "measure", timed_measure)
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    return clock


def work(network: FeatureNetwork, **changes) -> Work:
    return replace(Work(network, CONTENT, STYLE), **changes)


# --- counts --------------------------------------------------------------------------------------


def test_multiplications_by_hand(network):
    """At 64 × 32 pixels: 9 cells of a kernel, twice, for the image and for the gradient."""
    full, quarter = 64 * 32, 32 * 16
    convolutions = 9 * ((3 * 4 + 4 * 5) * full + (5 * 6 + 6 * 7) * quarter)
    grams = 4**2 * full + 6**2 * quarter
    assert multiplications(work(network), (64, 32)) == 2 * (convolutions + grams)


def test_layers_beyond_the_deepest_are_not_counted(network):
    shallow = Work(network, (), ("relu1_1",))
    assert multiplications(shallow, (8, 8)) == 2 * (9 * 3 * 4 + 4**2) * 64


def test_every_style_has_its_own_gram_matrices(network):
    one, two = (work(network, masks=masks) for masks in ((False,), (False, True)))
    grams = 2 * (4**2 * 64 + 6**2 * 16)
    assert multiplications(two, (8, 8)) - multiplications(one, (8, 8)) == grams


class Products(TorchDispatchMode):
    """torch's own formulas, applied to every product at the moment that it is made."""

    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=made) // 2  # and additions
        return made


def test_torch_counts_the_same(network):
    objective = work(network).objective(32)
    image = objective.content.clone().requires_grad_(True)
    with Products() as products:
        torch.autograd.grad(objective(image).total, image)
    assert products.total == multiplications(work(network), (32, 32))


def test_the_network_is_left_as_it_was(network):
    multiplications(work(network), (8, 8))
    assert all(not module._forward_hooks for module in network.modules())
    assert next(network.parameters()).device == CPU


def test_adam_evaluates_the_start_and_every_step():
    assert [evaluations("adam", steps) for steps in (0, 1, 150)] == [1, 2, 151]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_evaluations_are_those_of_a_run(optimizer, network):
    run = transfer(
        "coffee", "dots", network=network, **LAYERS, size=32, steps=40, optimizer=optimizer
    )
    assert evaluations(optimizer, 40) == pytest.approx(len(run.history), rel=0.1)


def test_every_optimiser_is_known():
    assert set(EVALUATIONS) == set(OPTIMIZERS)


@pytest.mark.parametrize(("optimizer", "steps"), [("sgd", 1), ("adam", -1), ("adam", 1.5)])
def test_what_transfer_refuses_is_refused(optimizer, steps, network):
    with pytest.raises(ValueError, match=r"choose one of|whole number"):
        estimate("coffee", "dots", network=network, **LAYERS, optimizer=optimizer, steps=steps)


# --- seconds, by a clock of our own --------------------------------------------------------------


@pytest.mark.parametrize("side", [16, 64, 100, 256, 1024])
@pytest.mark.parametrize("steps", [1, 7, 150])
def test_seconds_are_evaluations_and_targets(clock, network, side, steps):
    """Every forward takes a + b · pixels; two of them make the targets of content and style."""
    found = predict(
        work(network), (side, side), styles=[(side, side)], optimizer="adam", steps=steps
    )
    exact = (steps + 1 + 2) * clock.seconds(side**2)
    if side < calibration.SIDES[0]:  # below the smallest size, in proportion to it
        exact = (steps + 3) * clock.seconds(64**2) * (side / 64) ** 2
    assert found.seconds == pytest.approx(exact)


def test_a_fast_machine_is_timed_at_every_size_and_a_slow_one_at_two(clock, network):
    clock.each = 1e-8
    measured = Calibration(work(network))
    measured.finish()
    assert [point.pixels for point in measured.points] == [side**2 for side in calibration.SIDES]
    clock.each = 1e-3
    slow = Calibration(work(network))
    slow.finish()
    assert [point.pixels for point in slow.points] == [64**2, 96**2]


def test_a_second_estimate_measures_nothing(clock, network):
    sizes = [(64, 64), (300, 200)]
    how = {"styles": [(64, 64)], "optimizer": "adam", "steps": 3}
    first = predict(work(network), sizes[0], **how)
    forwards = clock.forwards
    assert predict(work(network), sizes[0], **how) == replace(
        first, peak=pytest.approx(first.peak, rel=0.5)
    )
    predict(work(network), sizes[1], **how)
    assert clock.forwards == forwards


def test_other_settings_are_measured_anew(network):
    kinds = [
        work(network),
        work(network, content_layers=("relu2_1",)),
        work(network, masks=(True,)),
        work(network, precision="bfloat16"),
        work(network, memory="low"),
    ]
    assert len({kind.key for kind in kinds}) == len(kinds)
    assert work(network).key == work(network).key


def test_a_short_run_is_not_announced_and_costs_one_small_evaluation(clock, network):
    short = work(network).objective(64)
    assert announcement(short, optimizer="adam", steps=5) is None
    (measured,) = calibration._calibrations.values()
    assert len(measured.points) == 1
    long = announcement(work(network).objective(300), optimizer="adam", steps=150)
    assert long is not None
    assert long.seconds == pytest.approx((151 + 2) * clock.seconds(300**2))
    assert long.size == (300, 300)


def test_a_network_without_features_of_small_images_is_run_without_a_word():
    deep = build_vgg("deep", ((2,),) * 11, "average")  # relu11_1 needs 2¹⁰ pixels
    objective = Work(deep, (), ("relu11_1",)).objective(1024)
    assert announcement(objective, optimizer="adam", steps=10_000) is None


@pytest.mark.parametrize("changes", [{}, {"masks": (True, False)}, {"memory": "low"}])
def test_an_objective_tells_what_it_evaluates(network, changes):
    made = work(network, **changes)
    assert Work.of(made.objective(64)).key == made.key


@given(st.lists(st.floats(1e-3, 10), min_size=1, max_size=5))
def test_more_pixels_never_cost_less(values):
    """Whatever noise did to the measured values."""
    points = [(64**2 * 4**i, value) for i, value in enumerate(values)]
    line_at = [line(points, 1000 * n) for n in range(1, 200, 7)]
    assert line_at == sorted(line_at)
    assert line_at[0] > 0


def test_a_straight_line_is_continued():
    points = [(100, 1 + 0.5), (200, 1 + 1.0), (400, 1 + 2.0)]
    assert [line(points, x) for x in (150, 300, 1000)] == pytest.approx([1.75, 2.5, 6.0])


def test_random_numbers_are_left_alone(network):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    estimate("coffee", "dots", network=network, **LAYERS, size=32, steps=2)
    assert torch.equal(torch.get_rng_state(), before)


def test_sizes_that_leave_no_positions_are_left_out():
    deep = build_vgg("deep", ((2,),) * 8, "average")  # relu8_1 needs 2⁷ pixels
    measured = Calibration(Work(deep, (), ("relu8_1",)))
    assert measured.first().pixels == 128**2


def test_a_network_that_is_too_deep_says_so():
    deep = build_vgg("deep", ((2,),) * 12, "average")
    with pytest.raises(NetworkError, match="too small"):
        Calibration(Work(deep, (), ("relu12_1",))).first()


# --- bytes ---------------------------------------------------------------------------------------


def test_live_bytes_by_hand():
    with LiveBytes() as live:
        first = torch.zeros(1000)
        second = first + 1
        view = second[:10]
        assert live.now == 8000
        del first
        assert live.now == 4000
        third = torch.zeros(500)
        assert (live.now, live.peak) == (6000, 8000)
        del second
        assert live.now == 6000  # the view keeps its memory
        del view, third
    assert live.now == 0


def test_in_place_allocates_nothing():
    x = torch.zeros(1000)
    with LiveBytes() as live:
        x.add_(1)
    assert live.peak <= x.nbytes  # at most its own memory, noticed late


def test_a_step_of_lbfgs_keeps_two_images_until_its_history_is_full():
    bytes_of = {n: arithmetic("lbfgs", n, CPU).bytes for n in (8, 10, 22, 25)}
    image = 3 * 4  # channels, bytes
    assert bytes_of[10] - bytes_of[8] == pytest.approx(2 * 2 * image, rel=0.02)
    assert bytes_of[25] == pytest.approx(bytes_of[22], rel=0.01)
    assert bytes_of[25] > LBFGS_HISTORY * 2 * image


def test_adam_keeps_few_images():
    assert arithmetic("adam", 10, CPU).bytes < 20 * 3 * 4


def test_scipy_s_own_memory():
    """NumPy reports its memory to tracemalloc; torch does not."""
    side = 64
    image = torch.rand(1, 3, side, side)
    calibration._descend(image, "scipy", 1)  # imports
    tracemalloc.start()
    calibration._descend(image, "scipy", 15)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / side**2 == pytest.approx(calibration.SCIPY_BYTES, rel=0.25)


def test_the_features_that_are_kept_are_part_of_it(network):
    """At least what the backward pass needs, counted in test_memory.py, and the targets."""
    measured = Calibration(work(network))
    kept = 4 * (3 + 4 + 5 + (5 + 6 + 7) / 4)
    target = 4 * 7 / 4
    large, larger = (measured.bytes((side, side)) for side in (1000, 2000))
    per_pixel = (larger - large) / (2000**2 - 1000**2)
    assert kept + target < per_pixel < 3 * (kept + target)


def test_larger_pictures_and_more_steps_cost_more(clock, network):
    def price(side, steps):
        return predict(
            work(network), (side, side), styles=[(64, 64)], optimizer="lbfgs", steps=steps
        )

    by_size = [price(side, 10) for side in (32, 64, 100, 128, 500, 2000)]
    by_steps = [price(128, steps) for steps in (0, 1, 5, 20, 200)]
    for row in (by_size, by_steps):
        for value in ("seconds", "needed", "multiplications"):
            values = [getattr(each, value) for each in row]
            assert values == sorted(values), value
        assert row[0].seconds < row[-1].seconds


def test_tiles_compute_their_margins_too():
    """2000 × 1200 pixels in tiles of 1024: two rows, two columns, and a margin at each inner edge.

    A tile takes three passes: forward, forward again, and backward. Of several tiles each takes
    another forward one.
    """
    network = build_vgg("tiny", ((4, 5), (6, 7)), "average")
    low = Work(network, (), ("relu2_2",), memory="low")
    margin = 1 + 1 + 2 + 2  # four convolutions; a tile begins where a pooled position does
    found = low.extent((2000, 1200))
    assert found.computed == round(4 / 3 * (2000 + 2 * margin) * (1200 + 2 * margin))
    assert found.at_once == (1024 + margin) ** 2
    assert low.extent((300, 200)).computed == 300 * 200
    assert replace(low, memory="normal").extent((2000, 1200)).at_once == 2000 * 1200


def test_low_memory_needs_less_and_takes_longer(clock, network):
    how = {"styles": [(64, 64)], "optimizer": "adam", "steps": 3}
    normal, low = (predict(work(network, memory=m), (2048, 2048), **how) for m in ("normal", "low"))
    assert low.needed < 0.7 * normal.needed
    assert low.seconds > 1.5 * normal.seconds


# --- the function that people call ---------------------------------------------------------------


def test_the_arguments_are_those_of_transfer():
    ours, theirs = (inspect.signature(f).parameters for f in (estimate, transfer))
    assert {n: p.default for n, p in theirs.items()}.items() <= {
        n: p.default for n, p in ours.items()
    }.items()
    assert set(ours) - set(theirs) <= {"precision", "memory"}


def test_it_knows_the_sizes_of_the_pictures(network):
    found = estimate(
        "coffee", "dots", network=network, **LAYERS, size=60, steps=10, optimizer="adam"
    )
    run = transfer("coffee", "dots", network=network, **LAYERS, size=60, steps=10, optimizer="adam")
    assert found.size == tuple(run.image.shape[-2:])
    assert found.evaluations == len(run.history)
    assert found.network == "tiny"


def test_several_styles_and_masks(network):
    mask = torch.ones(20, 30)
    styles = [Style("dots", mask=mask), Style("woodcut_wave")]
    found = estimate("coffee", styles, network=network, **LAYERS, size=48, steps=1)
    alone = estimate("coffee", "dots", network=network, **LAYERS, size=48, steps=1)
    assert found.multiplications > alone.multiplications


@pytest.mark.parametrize(
    ("seconds", "needed", "words"),
    [
        (0.2, 3e6, "about 1 s, 3 MB"),
        (41.3, 1.23e9, "about 41 s, 1.2 GB"),
        (119, 9.99e8, "about 120 s, 999 MB"),
        (200, 2e9, "about 3 min, 2.0 GB"),
        (9000, 2e9, "about 2.5 h, 2.0 GB"),
    ],
)
def test_the_sentence(seconds, needed, words):
    made = Estimate(seconds, int(needed), 165, (384, 512), 1, int(needed), "petite")
    assert made.sentence() == f"{words}, 165 evaluations at 512×384 px"
    assert repr(made) == f"Estimate({made.sentence()})"


def test_what_does_not_fit_is_refused_with_a_size_that_does():
    made = Estimate(1.0, 5 * GB, 1, (600, 800), 1, 4 * GB, "vgg19")
    assert made.fits(4 * GB)
    made.require(4 * GB)
    with pytest.raises(TransferError, match=r'800×600 .* 4.0 GB with vgg19.*size=400 .*"low"'):
        made.require(GB)
    assert made.largest_side(GB) == 400
    with pytest.raises(TransferError) as caught:
        replace(made, memory="low").require(GB)
    assert '"low"' not in str(caught.value)


def test_the_free_memory_of_this_machine_is_the_default():
    small = Estimate(1.0, 5, 1, (6, 8), 1, 4, "vgg19")
    assert small.fits()
    small.require()
    assert not replace(small, needed=10**15).fits()


def test_linear_layers_are_not_convolutions(network):
    """Only convolutions are counted, whatever else a network of one's own contains."""
    network.stack.append(nn.Identity())
    assert multiplications(work(network), (8, 8)) > 0
