"""A whole run: where it starts, what it records, how it goes on, and how it ends early."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import itertools
import math
import os
import re
import subprocess
import sys
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nst_teach import (
    FeatureNetwork,
    ImageError,
    Losses,
    NetworkError,
    Result,
    Stop,
    StyleObjective,
    TransferError,
    gram_matrix,
    load_image,
    load_network,
    optimize,
    transfer,
)
from nst_teach.facade import _network
from nst_teach.networks import build_vgg
from nst_teach.optimizers import OPTIMIZERS
from nst_teach.starts import STARTS

SIZE = (24, 32)
ON_8_BITS = 0.5 / 255 + 1e-6  # the most that load_image's 8 bits change a value
EVERY_OPTIMIZER = pytest.mark.parametrize("optimizer", OPTIMIZERS)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
stops_early = pytest.mark.filterwarnings("ignore:.*The best picture so far is kept:RuntimeWarning")


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    """Two blocks of random filters: enough to have a content, a style and a hurry."""
    torch.manual_seed(0)
    tiny = build_vgg("tiny", ((4, 5), (6, 7)), "average")
    tiny.content_layers, tiny.style_layers = ("relu2_1",), ("relu1_1", "relu2_2")
    return tiny


def picture(seed: int, size: tuple[int, int] = SIZE) -> torch.Tensor:
    """Noise in whole levels of 1/255, which pass through load_image unchanged."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, 3, *size), generator=generator) / 255


@pytest.fixture
def content() -> torch.Tensor:
    return picture(1)


@pytest.fixture
def style() -> torch.Tensor:
    return picture(2, (40, 40))


@pytest.fixture
def run(content, style, network):
    """A short, silent transfer; a test names only what it is about."""

    def go(**options):
        defaults = {"network": network, "size": None, "steps": 4, "progress": False}
        return transfer(content, style, **(defaults | options))

    return go


class Bowl:
    """An objective that knows no network: ½ Σ steepness (x − target)², with one layer, "pixels".

    `seen` are the pictures of which it returned a finite loss.

    `trouble` maps the number of an evaluation to an exception to raise or a loss to return there.
    """

    def __init__(self, target: torch.Tensor, trouble: dict | None = None):
        self.target, self.trouble, self.evaluations = target, trouble or {}, 0
        self.seen: list[torch.Tensor] = []

    def __call__(self, image: torch.Tensor) -> Losses:
        self.evaluations += 1
        trouble = self.trouble.get(self.evaluations, 1.0)
        if isinstance(trouble, BaseException):
            raise trouble
        loss = self.loss(image) * trouble
        if torch.isfinite(loss):
            self.seen.append(image.detach().clone())
        return Losses(loss, {"pixels": loss}, {}, image.new_zeros(()))

    def loss(self, image: torch.Tensor) -> torch.Tensor:
        steepness = torch.linspace(1, 20, image.numel()).view_as(image)
        return 0.5 * (steepness * (image - self.target).square()).sum()


def best_in_range(bowl: Bowl) -> torch.Tensor:
    """Of the pictures in [0, 1] that the bowl was shown, the one of the lowest loss."""
    inside = [image for image in bowl.seen if image.min() >= 0 and image.max() <= 1]
    return min(inside, key=lambda image: bowl.loss(image).item())


@pytest.fixture
def start() -> torch.Tensor:
    return torch.full((1, 3, 4, 4), 0.9)


@pytest.fixture
def bowl():
    """Builds a bowl whose bottom is at 0.25."""
    return lambda trouble=None: Bowl(torch.full((1, 3, 4, 4), 0.25), trouble)


def totals(result) -> list[float]:
    return [record.total for record in result.history]


def judged(result) -> float:
    """What the objective that the settings describe says of the picture, in a fresh evaluation."""
    torch.manual_seed(0)
    network = build_vgg("tiny", ((4, 5), (6, 7)), "average")
    names = ("content_layers", "style_layers", "alpha", "beta", "total_variation")
    weights = {name: result.settings[name] for name in names}
    objective = StyleObjective(result.content, result.style, network, **weights)
    return objective(result.image).total.item()


def stop_at(evaluation: int):
    """A callback that asks to stop there."""
    return lambda record, image: record.evaluations < evaluation


# --- what comes out ------------------------------------------------------------------------------


@EVERY_OPTIMIZER
def test_every_optimizer_lowers_the_loss_and_keeps_to_the_range(run, optimizer, content):
    result = run(optimizer=optimizer, steps=8)
    assert min(totals(result)) < 0.7 * totals(result)[0]
    assert result.image.shape == content.shape
    assert result.image.min() >= 0
    assert result.image.max() <= 1
    assert not result.image.requires_grad
    assert result.steps == 8
    assert result.stopped is None


def test_with_nothing_said_a_photograph_is_repainted(monkeypatch):
    """Samples by name, the bundled network, its own layers and weights: all defaults at once."""
    monkeypatch.delenv("NST_TEACH_NETWORK", raising=False)
    result = transfer("chelsea", "dots", size=48, steps=5, progress=False)
    network = load_network("petite")

    def distance(image):
        grams = [gram_matrix(network(i, "relu1_1")["relu1_1"]) for i in (image, result.style)]
        return (grams[0] - grams[1]).norm().item()

    assert max(result.image.shape[-2:]) == 48
    assert result.settings["network"] == "petite"
    assert distance(result.image) < distance(result.content)


def test_texture_alone_reaches_the_styles_gram_matrices(run, network):
    """α = 0 from noise: what is left is the style, wherever it lies."""
    result = run(alpha=0.0, start="noise", steps=60)
    assert totals(result)[-1] < 1e-3 * totals(result)[0]


def test_content_alone_reaches_the_photograph(run):
    """As far as a few random filters tell it from others."""
    result = run(style_layers=(), start="noise", steps=60, content_layers="relu1_1")
    assert totals(result)[-1] < 0.1 * totals(result)[0]


@EVERY_OPTIMIZER
def test_the_same_run_gives_the_same_bits(run, optimizer):
    one, two = (run(optimizer=optimizer, start="noise", seed=5) for _ in range(2))
    assert torch.equal(one.image, two.image)
    assert totals(one) == totals(two)


PAINT = """
import hashlib, torch
from nst_teach import transfer
from nst_teach.optimizers import OPTIMIZERS

torch.set_num_threads(2)
for optimizer in OPTIMIZERS:
    picture = transfer("chelsea", "composition", size=110, steps=8, start="noise", seed=5,
                       optimizer=optimizer, progress=False).image
    print(optimizer, hashlib.sha256(picture.numpy().tobytes()).hexdigest())
"""


def test_two_processes_give_the_same_bits():
    """With as many threads as a classroom has cores: sums of floats depend on their order."""
    patient = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # other tests need the cores as well
    command = [sys.executable, "-c", PAINT]
    one, two = (subprocess.check_output(command, text=True, env=patient) for _ in range(2))
    assert one.split()[::2] == list(OPTIMIZERS)
    assert one == two


def test_another_seed_gives_another_picture(run):
    assert not torch.equal(run(start="noise", seed=5).image, run(start="noise", seed=6).image)


def test_a_run_leaves_the_callers_random_numbers_alone(run):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    run(start="noise")
    assert torch.equal(torch.rand(4), expected)


@EVERY_OPTIMIZER
def test_nothing_of_the_callers_is_changed(run, content, style, network, optimizer):
    begin = picture(3)
    mine = [content, style, begin, *network.parameters()]
    before = [tensor.clone() for tensor in mine]
    run(optimizer=optimizer, start=begin)
    assert all(torch.equal(now, then) for now, then in zip(mine, before, strict=True))
    assert not any(tensor.requires_grad for tensor in mine)


@EVERY_OPTIMIZER
def test_optimize_leaves_its_start_as_it_is(bowl, start, optimizer):
    before = start.clone()
    result = optimize(bowl(), start, optimizer=optimizer, steps=3, progress=False)
    assert torch.equal(start, before)
    assert result.image.data_ptr() != start.data_ptr()


def test_size_is_that_of_the_result(run, network):
    assert run(size=16, steps=0).image.shape[-2:] == (12, 16)
    assert run(size=(10, 14), steps=0).image.shape[-2:] == (10, 14)
    assert run(size=None, steps=0).image.shape[-2:] == SIZE


def test_the_style_is_as_large_as_the_result_unless_told(run):
    """A brush stroke then has the size in the result that it has in the style."""
    assert run(size=16, steps=0).style.shape[-2:] == (16, 16)
    assert run(size=16, style_size=20, steps=0).style.shape[-2:] == (20, 20)


# --- starts --------------------------------------------------------------------------------------


def test_a_run_of_no_steps_shows_its_start(run, content):
    result = run(steps=0)
    assert torch.equal(result.image, content)
    assert [record.step for record in result.history] == [0]
    assert result.loss == totals(result)[0]


def test_a_picture_can_be_the_start(run, tmp_path):
    begin = picture(3)
    result = run(start=begin, steps=0)
    torch.testing.assert_close(result.image, begin, rtol=0, atol=ON_8_BITS)
    path = result.save(tmp_path / "start.png")
    assert torch.equal(run(start=path, steps=0).image, result.image)


def test_a_picture_of_another_size_is_scaled_to_the_results(run, content):
    assert run(start=picture(3, (50, 50)), steps=0).image.shape == content.shape


def test_an_unknown_start_is_refused_with_those_there_are(run):
    with pytest.raises(ImageError, match="nois") as error:
        run(start="nois")
    assert all(name in str(error.value) for name in STARTS)


def test_an_objective_that_knows_its_pictures_can_be_started_by_name(run, content, style, network):
    """`optimize` takes whatever `transfer` does, and the result has the pictures for its plots."""
    objective = StyleObjective(content, load_image(style, size=max(SIZE)), network)
    for begin in (*STARTS, picture(3), picture(3, (50, 50))):
        one = optimize(objective, begin, steps=2, seed=4, progress=False)
        other = run(start=begin, steps=2, seed=4)
        assert torch.equal(one.image, other.image)
        assert one.loss == other.loss
    assert torch.equal(one.content, content)
    assert one.style.shape[-2:] == (32, 32)


def test_what_optimize_leaves_open_is_as_in_transfer():
    one, other = (inspect.signature(function).parameters for function in (optimize, transfer))
    shared = (one.keys() & other.keys()) - {"start"}  # which has to be given to `optimize`
    run_only = {"optimizer", "learning_rate", "steps", "seed", "callback", "progress"}
    assert shared == run_only | {"checkpoint"}
    assert all(one[name].default == other[name].default for name in shared)


def test_a_mere_function_knows_no_pictures_to_start_from(bowl, tmp_path):
    with pytest.raises(ValueError, match=r"start='noise' was given.*make_start"):
        optimize(bowl(), "noise", steps=1)
    with pytest.raises(ImageError, match=r"there is no file"):
        optimize(bowl(), "nowhere.png", steps=1)


# --- the loss of the result ----------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 7])
@EVERY_OPTIMIZER
def test_the_loss_of_a_result_is_that_of_its_picture(run, optimizer, steps):
    result = run(optimizer=optimizer, steps=steps, start="noise", beta=1e5)
    assert result.loss == pytest.approx(judged(result), rel=1e-5)
    assert result.record is result.history[-1]
    assert result.loss == result.history[-1].total
    assert result.record.step == result.steps == steps


@pytest.mark.parametrize("evaluation", [1, 2, 5, 9])
@EVERY_OPTIMIZER
def test_so_it_is_where_the_run_was_stopped(run, optimizer, evaluation):
    result = run(
        optimizer=optimizer, steps=50, start="noise", beta=1e5, callback=stop_at(evaluation)
    )
    assert result.loss == pytest.approx(judged(result), rel=1e-5)
    assert result.record in result.history


def test_a_stopped_run_returns_the_best_picture_and_not_the_last(bowl, start):
    """Adam at a rate that throws it over the bottom and up again."""
    objective = bowl()
    result = optimize(
        objective, start, optimizer="adam", learning_rate=0.65, steps=50,
        callback=stop_at(3), progress=False,
    )  # fmt: skip
    assert totals(result)[1] < totals(result)[2] < totals(result)[0]
    assert result.loss == totals(result)[1]
    assert torch.equal(result.image, objective.seen[1])


def test_a_finished_run_returns_the_last_picture_even_so(bowl, start):
    objective = bowl()
    result = optimize(
        objective, start, optimizer="adam", learning_rate=0.65, steps=2, progress=False
    )
    assert totals(result)[1] < totals(result)[2]
    assert torch.equal(result.image, objective.seen[2])


def test_the_unbounded_walk_says_what_clipping_cost(start):
    """The bottom lies out of range: the last record is of the clipped picture."""
    objective = Bowl(torch.full((1, 3, 4, 4), 1.5))
    result = optimize(objective, start, optimizer="lbfgs-unbounded", steps=12, progress=False)
    *_, inside = totals(result)
    assert min(totals(result)) < 0.1 < 10 < inside
    assert torch.equal(result.image, torch.ones_like(start))
    assert result.loss == inside == objective.loss(result.image).item()


def test_a_stopped_unbounded_walk_returns_its_best_picture_clipped(start):
    """Not its last one: a step without a line search went uphill just before the stop."""
    objective = Bowl(torch.linspace(-0.2, 1.2, 48).view(1, 3, 4, 4))
    grey = torch.full((1, 3, 4, 4), 0.5)
    result = optimize(
        objective, grey, optimizer="lbfgs-plain", steps=50, callback=stop_at(6), progress=False
    )
    lowest = objective.seen[4]
    assert min(totals(result)) == totals(result)[4] < totals(result)[5]
    assert lowest.min() < 0
    assert torch.equal(result.image, lowest.clamp(0, 1))
    assert result.loss == totals(result)[-1] == objective.loss(result.image).item()


def test_a_result_without_an_evaluation_has_no_loss(bowl, start):
    result = optimize(bowl({1: KeyboardInterrupt()}), start, steps=5, progress=False)
    assert math.isnan(result.loss)


def test_the_bounds_cost_little_of_what_can_be_reached():
    """Where many pixels press against a bound, clipping costs far more than walking inside."""
    target = torch.linspace(-1, 2, 48).view(1, 3, 4, 4)
    mix = torch.randn(48, 48, generator=torch.Generator().manual_seed(0)) / 7 + torch.eye(48)

    def correlated(image):
        loss = 0.5 * (mix @ (image - target).flatten()).square().sum()
        return Losses(loss, {}, {}, image.new_zeros(()))

    grey = torch.full((1, 3, 4, 4), 0.5)
    losses = {
        name: optimize(correlated, grey, optimizer=name, steps=100, progress=False).loss
        for name in ("lbfgs", "scipy", "lbfgs-unbounded")
    }
    assert losses["lbfgs"] == pytest.approx(losses["scipy"], rel=1e-3)
    assert losses["lbfgs-unbounded"] > 1.05 * losses["scipy"]


# --- history -------------------------------------------------------------------------------------


@EVERY_OPTIMIZER
def test_every_evaluation_leaves_a_record(run, optimizer):
    result = run(optimizer=optimizer)
    history = result.history
    assert [record.evaluations for record in history] == list(range(1, len(history) + 1))
    assert history[0].step == 0 or optimizer != "adam"
    assert all(b.step >= a.step for a, b in itertools.pairwise(history))
    assert all(b.seconds >= a.seconds >= 0 for a, b in itertools.pairwise(history))
    assert history[-1].step <= result.steps


def test_a_record_holds_every_part_as_a_number(run, content, style, network):
    record = run(start="grey", total_variation=2.0).history[0]
    objective = StyleObjective(
        content,
        load_image(style, size=max(SIZE)),
        network,
        content_layers=network.content_layers,
        style_layers=network.style_layers,
        total_variation=2.0,
    )
    expected = objective(torch.full_like(content, 0.5))
    assert record.total == pytest.approx(expected.total.item())
    assert record.content == {k: pytest.approx(v.item()) for k, v in expected.content.items()}
    assert record.style == {k: pytest.approx(v.item()) for k, v in expected.style.items()}
    assert record.total_variation == pytest.approx(expected.total_variation.item())
    assert all(type(v) is float for v in (record.total, *record.style.values()))


def test_the_callback_hears_of_every_evaluation_with_a_picture_of_its_own(bowl, start):
    heard = []

    def callback(record, image):
        heard.append((record, image.clone()))
        assert not image.requires_grad  # so that .numpy() works
        image.zero_()  # a callback may do with it as it likes

    objective = bowl()
    result = optimize(objective, start, steps=3, callback=callback, progress=False)
    assert [record for record, _ in heard] == result.history
    seen = [image.clamp(0, 1) for image in objective.seen]
    assert all(
        torch.equal(image, expected) for (_, image), expected in zip(heard, seen, strict=True)
    )


def test_settings_say_what_was_asked_for_with_every_default_filled_in(run):
    settings = run(steps=1).settings
    assert settings["network"] == "tiny"
    assert settings["style_layers"] == {"relu1_1": 0.5, "relu2_2": 0.5}
    assert settings["content_layers"] == {"relu2_1": 1.0}
    assert settings["beta"] > 0
    assert settings["start"] == "content"
    assert settings["optimizer"] == "lbfgs"


def test_settings_of_a_continued_run_say_where_the_first_one_began(run):
    """With the same seed and start, the whole run can be made again from its first step."""
    first = run(start="noise", seed=5, steps=1)
    second = run(start=first, seed=9, steps=1)
    assert (second.settings["start"], second.settings["seed"]) == ("noise", 5)
    assert run(start=picture(3), steps=0).settings["start"] == "picture"


def test_a_result_describes_itself_in_one_line(run):
    text = repr(run(steps=3))
    for part in ("32×24 px", "3 steps", "evaluations", "total"):
        assert part in text
    assert "stopped: the callback" in repr(run(callback=stop_at(2)))


def test_a_result_saves_itself(run, tmp_path):
    result = run(steps=1)
    path = result.save(tmp_path / "out.png")
    assert (load_image(path) - result.image).abs().max() <= ON_8_BITS


# --- going on ------------------------------------------------------------------------------------


def test_seconds_count_from_the_start_of_the_first_run(bowl, start, monkeypatch):
    """On a clock that goes on by one second whenever somebody looks at it: once at the start of a
    run, which is 0, and once at each evaluation. The time between two runs does not count."""
    clock = itertools.count(1000.0)
    monkeypatch.setattr("nst_teach.run.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    options = {"optimizer": "adam", "steps": 2, "progress": False}
    first = optimize(bowl(), start, **options)
    next(clock)
    second = optimize(bowl(), first, **options)
    assert [record.seconds for record in first.history] == [1, 2, 3]
    assert [record.seconds for record in second.history] == [1, 2, 3, 4, 5, 6]


def test_adam_in_two_runs_is_adam_in_one_bit_by_bit(run):
    """The picture between the two is evaluated at the end of one and at the start of the other."""
    whole = run(optimizer="adam", steps=7)
    resumed = run(optimizer="adam", steps=4, start=run(optimizer="adam", steps=3))
    assert torch.equal(resumed.image, whole.image)
    assert totals(resumed)[:4] + totals(resumed)[5:] == totals(whole)
    assert totals(resumed)[3] == totals(resumed)[4]


@pytest.mark.parametrize("optimizer", ["lbfgs", "lbfgs-plain"])
def test_lbfgs_in_two_runs_arrives_where_it_does_in_one(run, optimizer):
    """In value: its starting point is evaluated once more."""
    whole = run(optimizer=optimizer, steps=8)
    resumed = run(optimizer=optimizer, steps=4, start=run(optimizer=optimizer, steps=4))
    torch.testing.assert_close(resumed.image, whole.image, rtol=0, atol=1e-3)
    assert totals(resumed)[-1] == pytest.approx(totals(whole)[-1], rel=1e-2)


@EVERY_OPTIMIZER
def test_a_continued_run_goes_on_counting(run, optimizer):
    first = run(optimizer=optimizer, steps=3)
    second = run(optimizer=optimizer, steps=2, start=first)
    added = second.history[len(first.history) :]
    assert second.history[: len(first.history)] == first.history
    assert [r.evaluations for r in added] == list(
        range(len(first.history) + 1, len(second.history) + 1)
    )
    assert added[0].step >= first.history[-1].step
    assert added[0].seconds >= first.history[-1].seconds
    assert added[0].total <= first.history[0].total
    assert second.steps == 5


@EVERY_OPTIMIZER
def test_the_earlier_result_stays_as_it_was(run, optimizer):
    """So that two ways can be tried from one point."""
    first = run(optimizer=optimizer, steps=3)
    image, history = first.image.clone(), list(first.history)
    one, two = (run(optimizer=optimizer, steps=3, start=first) for _ in range(2))
    assert torch.equal(first.image, image)
    assert first.history == history
    assert first.steps == 3
    assert torch.equal(one.image, two.image)


def test_other_settings_can_go_on_from_a_result(run):
    """The picture and the history are taken over; the optimiser begins afresh."""
    first = run(optimizer="adam", steps=3)
    second = run(optimizer="lbfgs", beta=1.0, steps=2, start=first)
    assert second.steps == 5
    assert second.settings["beta"] == 1.0
    assert second.history[:4] == first.history


def test_at_another_size_only_the_picture_is_taken_over(run):
    """Coarse to fine: a small result is the start of a large one."""
    small = run(size=16, steps=3)
    large = run(size=32, steps=1, start=small)
    assert large.image.shape[-2:] == (24, 32)
    assert large.steps == 1
    assert large.history[0].evaluations == 1


def test_a_result_made_elsewhere_can_be_gone_on_from(run, content):
    """As when only the picture and the history were kept in a file."""
    kept = run(steps=2)
    second = run(steps=2, start=Result(kept.image, kept.history, kept.steps))
    assert second.steps == 4
    assert second.history[: len(kept.history)] == kept.history


# --- another objective ---------------------------------------------------------------------------


@EVERY_OPTIMIZER
@pytest.mark.parametrize("change", [{"beta": 1e3}, {"style_layers": "relu1_1"}, {"alpha": 3.0}])
def test_under_another_objective_only_the_picture_is_taken_over(run, optimizer, change):
    """No optimiser remembers slopes of a loss that is gone: it walks as from the bare picture."""
    first = run(optimizer=optimizer, steps=5, beta=1e5)
    second = run(optimizer=optimizer, steps=3, start=first, **({"beta": 1e5} | change))
    afresh = run(optimizer=optimizer, steps=3, start=first.image, **({"beta": 1e5} | change))
    assert torch.equal(second.image, afresh.image)
    assert totals(second)[len(first.history) :] == totals(afresh)


def test_the_history_says_where_another_objective_began(run):
    first = run(steps=3)
    same = run(steps=2, start=first)
    other = run(steps=2, start=same, beta=1.0)
    again = run(steps=1, start=other, beta=1.0)
    numbers = [record.objective for record in again.history]
    assert numbers == sorted(numbers)
    assert [numbers.count(n) for n in (0, 1)] == [
        len(same.history),
        len(again.history) - len(same.history),
    ]


def test_other_pictures_are_another_objective(run, content, style, network):
    first = run(steps=3)
    options = {"network": network, "size": None, "steps": 1, "progress": False}
    assert transfer(content, style, start=first, **options).history[-1].objective == 0
    assert transfer(content, picture(9), start=first, **options).history[-1].objective == 1
    assert transfer(picture(9), style, start=first, **options).history[-1].objective == 1


def test_a_function_of_ones_own_is_the_same_objective_as_long_as_it_lives(bowl, start):
    one = bowl()
    options = {"optimizer": "adam", "progress": False}
    whole = optimize(bowl(), start, steps=6, **options)
    half = optimize(one, start, steps=3, **options)
    resumed = optimize(one, half, steps=3, **options)
    assert torch.equal(resumed.image, whole.image)
    assert resumed.history[-1].objective == 0
    assert optimize(bowl(), half, steps=3, **options).history[-1].objective == 1


def test_memory_holds_at_another_learning_rate(run):
    """Adam's averages and L-BFGS's curvature do not depend on it."""
    first = run(optimizer="adam", steps=3)
    with_memory = run(optimizer="adam", steps=3, start=first, learning_rate=0.001)
    bare = run(optimizer="adam", steps=3, start=first.image, learning_rate=0.001)
    assert not torch.equal(with_memory.image, bare.image)
    assert with_memory.history[-1].objective == 0


# --- ending early --------------------------------------------------------------------------------


@EVERY_OPTIMIZER
def test_a_callback_that_returns_false_ends_the_run(run, optimizer):
    asked = []

    def callback(record, image):
        asked.append(record)
        return len(asked) < 3

    result = run(optimizer=optimizer, steps=50, callback=callback)
    assert asked == result.history[:3]
    assert len(result.history) <= 4  # the unbounded look at their best picture, clipped
    assert result.stopped is Stop.CALLBACK


def test_a_false_of_numpy_is_a_false(run):
    """As a comparison of NumPy's numbers returns it."""
    result = run(callback=lambda record, image: np.float64(record.evaluations) < np.float64(2))
    assert result.stopped is Stop.CALLBACK
    assert len(result.history) == 2


@pytest.mark.parametrize("value", [None, 0, 0.0, np.float64(0), np.bool_(True), ""], ids=repr)
def test_a_callback_that_returns_anything_else_does_not(run, value):
    """As one that ends in `losses.append(…)`, or in a number that happens to be 0."""
    assert run(callback=lambda record, image: value).stopped is None


@EVERY_OPTIMIZER
@pytest.mark.parametrize("evaluation", [1, 2, 3, 6])
def test_a_run_that_was_paused_goes_on(run, optimizer, evaluation):
    """Wherever the pause fell, in the middle of a line search too."""
    paused = run(optimizer=optimizer, steps=20, callback=stop_at(evaluation))
    resumed = run(optimizer=optimizer, steps=15, start=paused)
    assert resumed.stopped is None
    assert resumed.history[: len(paused.history)] == paused.history
    assert totals(resumed)[-1] < 0.7 * totals(resumed)[0]


@EVERY_OPTIMIZER
def test_a_paused_and_resumed_run_can_be_paused_again(run, optimizer):
    paused = run(optimizer=optimizer, steps=4)
    for _ in range(3):
        stop = len(paused.history) + 3
        paused = run(optimizer=optimizer, steps=20, start=paused, callback=stop_at(stop))
    resumed = run(optimizer=optimizer, steps=10, start=paused)
    assert resumed.steps >= paused.steps
    assert totals(resumed)[-1] < totals(resumed)[0]


@EVERY_OPTIMIZER
def test_ctrl_c_returns_the_best_picture_so_far(bowl, start, optimizer):
    def interrupt(record, image):
        if record.evaluations == 4:
            raise KeyboardInterrupt

    objective = bowl()
    result = optimize(
        objective, start, optimizer=optimizer, steps=50, callback=interrupt, progress=False
    )
    assert result.stopped is Stop.INTERRUPTED
    assert result.reason == "interrupted"
    assert len(result.history) in (4, 5)
    assert torch.equal(result.image, best_in_range(objective))


def test_ctrl_c_before_the_first_evaluation_returns_the_start(bowl, start):
    result = optimize(bowl({1: KeyboardInterrupt()}), start, steps=5, progress=False)
    assert result.stopped is Stop.INTERRUPTED
    assert torch.equal(result.image, start)
    assert not result.image.requires_grad


@EVERY_OPTIMIZER
def test_a_loss_that_is_not_finite_ends_the_run_with_the_best_picture(bowl, start, optimizer):
    objective = bowl({3: float("nan")})
    with pytest.warns(RuntimeWarning, match="best picture so far is kept"):
        result = optimize(objective, start, optimizer=optimizer, steps=50, progress=False)
    assert "not finite at evaluation 3 (in pixels" in result.reason
    assert torch.equal(result.image, best_in_range(objective))


def test_a_gradient_that_is_not_finite_ends_the_run_too(start):
    """√x at 0 has the value 0 and an infinite slope."""

    def root(image):
        total = (image - image.detach()).sqrt().sum()
        return Losses(total, {}, {}, image.new_zeros(()))

    with pytest.warns(RuntimeWarning, match="in the total or its gradient"):
        result = optimize(root, start, steps=3, progress=False)
    assert torch.equal(result.image, start)


def test_a_learning_rate_far_too_high_is_given_its_cure(run):
    with pytest.warns(RuntimeWarning):
        result = run(optimizer="lbfgs-plain", learning_rate=1e12, steps=20, beta=1e20)
    assert "use optimizer='lbfgs'" in result.reason
    assert torch.isfinite(result.image).all()


OUT_OF_MEMORY = {
    "a GPU's": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "a GPU's, with no words": torch.OutOfMemoryError(),
    "the CPU's": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
    "Python's": MemoryError(),
}
EVERY_LACK_OF_MEMORY = pytest.mark.parametrize(
    "error", OUT_OF_MEMORY.values(), ids=OUT_OF_MEMORY.keys()
)


@EVERY_LACK_OF_MEMORY
def test_too_little_memory_for_one_evaluation_is_an_error_that_says_what_to_do(bowl, start, error):
    with pytest.raises(TransferError, match=r"memory ran out at 4×4 pixels. Use a smaller size="):
        optimize(bowl({1: error}), start, steps=5, progress=False)


@EVERY_LACK_OF_MEMORY
@EVERY_OPTIMIZER
def test_too_little_memory_later_on_keeps_the_best_picture(bowl, start, optimizer, error):
    objective = bowl({3: error})
    with pytest.warns(RuntimeWarning, match="best picture so far is kept"):
        result = optimize(objective, start, optimizer=optimizer, steps=9, progress=False)
    assert "memory ran out" in result.reason
    assert torch.equal(result.image, best_in_range(objective))


LOST_DEVICE = {
    "CUDA's": RuntimeError("CUDA error: unspecified launch failure\nCompile with …"),
    "an assertion's": RuntimeError("device-side assert triggered"),
    "ROCm's": RuntimeError("HIP error: the operation cannot be performed"),
}


@pytest.mark.parametrize("error", LOST_DEVICE.values(), ids=LOST_DEVICE.keys())
@EVERY_OPTIMIZER
def test_a_graphics_card_that_fails_leaves_the_best_picture(bowl, start, optimizer, error):
    """Simulated: the picture is on the CPU, where a run copies it each second from a card."""
    objective = bowl({3: error})
    with pytest.warns(RuntimeWarning, match=r"card failed \(.*\). Restart the kernel. The best"):
        result = optimize(objective, start, optimizer=optimizer, steps=9, progress=False)
    assert result.stopped is Stop.DEVICE_LOST
    assert result.memory is None
    assert torch.equal(result.image, best_in_range(objective))
    assert result.loss == objective.loss(result.image).item()


def test_a_graphics_card_that_fails_at_once_is_an_error(bowl, start):
    """There is no picture to keep, and the message is torch's own."""
    error = RuntimeError("CUDA error: no CUDA-capable device is detected")
    with pytest.raises(RuntimeError) as caught:
        optimize(bowl({1: error}), start, steps=5, progress=False)
    assert caught.value is error


FAULTS = [float("nan"), MemoryError(), KeyboardInterrupt(), KeyError("typo")]


@stops_early
@EVERY_OPTIMIZER
@pytest.mark.parametrize("trouble", FAULTS, ids=repr)
def test_after_a_fault_the_next_run_is_as_if_there_had_been_none(bowl, start, optimizer, trouble):
    """The kernel stays usable: no setting, lock or thread of the run that failed remains."""
    options = {"optimizer": optimizer, "steps": 4, "progress": False}
    before = optimize(bowl(), start, **options)
    settings = torch.is_grad_enabled(), torch.get_num_threads(), torch.backends.cudnn.deterministic
    with contextlib.suppress(KeyError):
        optimize(bowl({3: trouble}), start, **options)
    after = torch.is_grad_enabled(), torch.get_num_threads(), torch.backends.cudnn.deterministic
    assert after == settings
    again = optimize(bowl(), start, **options)
    assert torch.equal(again.image, before.image)
    assert totals(again) == totals(before)


@EVERY_LACK_OF_MEMORY
def test_too_little_memory_for_the_targets_says_what_to_do_too(run, monkeypatch, error):
    """The first pass through the network comes before the first evaluation."""

    def no_memory(*args, **kwargs):
        raise error

    monkeypatch.setattr(FeatureNetwork, "forward", no_memory)
    with pytest.raises(TransferError, match=r"memory ran out at 32×24 pixels. Use a smaller size="):
        run()


@stops_early
def test_a_run_that_ended_in_trouble_can_be_gone_on_from(bowl, start):
    broken = optimize(bowl({4: float("nan")}), start, optimizer="adam", steps=9, progress=False)
    resumed = optimize(bowl(), broken, optimizer="adam", steps=9, progress=False)
    assert resumed.stopped is None
    assert totals(resumed)[-1] < min(totals(broken)[:3])


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 differ"), KeyError("typo")])
@pytest.mark.parametrize("evaluation", [1, 3])
def test_any_other_error_comes_through_as_it_is(bowl, start, error, evaluation):
    """A mistake in an objective or a callback of your own must not look like a lack of memory."""
    with pytest.raises(type(error)) as caught:
        optimize(bowl({evaluation: error}), start, steps=5, progress=False)
    assert caught.value is error


@stops_early
@EVERY_OPTIMIZER
@pytest.mark.parametrize("trouble", [float("nan"), MemoryError(), KeyboardInterrupt()], ids=repr)
def test_after_trouble_a_run_goes_on_with_a_fresh_optimizer_from_the_best_picture(
    bowl, start, optimizer, trouble
):
    """What the optimiser remembers, its place above all, is of the moment of the trouble."""
    one = bowl({4: trouble})
    broken = optimize(one, start, optimizer=optimizer, steps=9, progress=False)
    assert broken.memory is None
    resumed = optimize(one, broken, optimizer=optimizer, steps=4, progress=False)
    afresh = optimize(bowl(), broken.image, optimizer=optimizer, steps=4, progress=False)
    assert torch.equal(resumed.image, afresh.image)


# --- the caller's settings -----------------------------------------------------------------------


@EVERY_OPTIMIZER
def test_the_grad_mode_of_the_caller_does_not_matter(run, optimizer):
    with torch.no_grad():
        quiet = run(optimizer=optimizer)
    assert torch.equal(quiet.image, run(optimizer=optimizer).image)
    assert torch.is_grad_enabled()


@EVERY_OPTIMIZER
def test_no_gradient_is_left_in_anything_of_the_callers(start, optimizer):
    """An objective may hold parameters that somebody trains elsewhere."""
    scale = torch.nn.Parameter(torch.tensor(2.0))

    def objective(image):
        loss = scale * (image - 0.25).square().sum()
        return Losses(loss, {}, {}, image.new_zeros(()))

    begin = start.clone().requires_grad_(True)
    optimize(objective, begin, optimizer=optimizer, steps=3, progress=False)
    assert scale.grad is None
    assert begin.grad is None


@pytest.fixture
def cudnn():
    """torch's switches for cuDNN, put back after the test."""
    switches = torch.backends.cudnn
    before = switches.deterministic, switches.benchmark, switches.allow_tf32
    yield switches
    switches.deterministic, switches.benchmark, switches.allow_tf32 = before


@pytest.mark.parametrize("trouble", [{}, {2: KeyError("typo")}], ids=["ends", "raises"])
def test_cudnn_is_deterministic_during_a_run_and_as_before_afterwards(bowl, start, cudnn, trouble):
    cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32 = False, True, False
    objective, seen = bowl(trouble), []

    def watched(image):
        seen.append((cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32))
        return objective(image)

    with contextlib.suppress(KeyError):
        optimize(watched, start, steps=3, progress=False)
    assert set(seen) == {(True, False, False)}
    assert (cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32) == (False, True, False)


PRECISE = """
import torch
torch.backends.fp32_precision = "ieee"
from nst_teach import transfer
transfer("chelsea", "dots", size=32, steps=1, progress=False)
print(torch.backends.fp32_precision)
"""


def test_a_precision_set_for_all_backends_is_left_alone():
    """In a process of its own, because torch does not let everybody take it back."""
    printed = subprocess.check_output([sys.executable, "-c", PRECISE], text=True)
    assert printed.split() == ["ieee"]


def test_a_network_of_the_callers_is_not_moved(network):
    """`meta` is a device that every build of torch has."""
    copied = _network(network, "meta")
    assert copied is not network
    assert {p.device.type for p in copied.parameters()} == {"meta"}
    assert {p.device.type for p in network.parameters()} == {"cpu"}
    assert _network(network, "cpu") is network
    assert _network(network, None) is network


@pytest.mark.parametrize("wrong", [torch.nn.Sequential(), torch.nn.Identity(), 19])
def test_a_network_of_another_kind_is_refused(run, wrong):
    """An empty module is false, and must not count as none given."""
    with pytest.raises(NetworkError, match="expected a FeatureNetwork"):
        run(network=wrong)


# --- progress ------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """A progress bar that does not wait for two seconds."""
    monkeypatch.setattr("nst_teach.progress.PROGRESS_DELAY", 0)
    monkeypatch.delenv("NST_TEACH_PROGRESS", raising=False)


def test_a_long_run_shows_a_bar(run, impatient, capsys):
    slow = run(progress=True, callback=lambda *_: time.sleep(0.15))  # tqdm draws each 0.1 s
    shown = capsys.readouterr().err
    assert "step" in shown
    drawn = re.findall(r"loss (\S+)]", shown)
    assert drawn
    assert set(drawn) <= {f"{total:.3g}" for total in totals(slow)}


def test_the_bar_can_be_turned_off(run, impatient, capsys, monkeypatch):
    run(progress=False)
    monkeypatch.setenv("NST_TEACH_PROGRESS", "0")
    run(progress=True)
    assert capsys.readouterr().err == ""


def test_a_short_run_shows_none(run, capsys):
    run(progress=True, steps=1)
    assert capsys.readouterr().err == ""


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"steps": -1}, ValueError, "steps=-1 was given; expected a whole number"),
        ({"steps": 2.5}, ValueError, "steps=2.5 was given"),
        ({"steps": True}, ValueError, "steps=True was given"),
        ({"optimizer": "sgd"}, ValueError, "unknown optimizer 'sgd'"),
        ({"learning_rate": 0}, ValueError, "learning_rate=0 was given"),
        ({"optimizer": "scipy", "learning_rate": 1.0}, ValueError, "takes no learning_rate"),
        ({"alpha": -1}, ValueError, "alpha=-1 was given"),
        ({"content_layers": "relu9_9"}, NetworkError, "no layer 'relu9_9'"),
        ({"network": "vgg11"}, NetworkError, "unknown network 'vgg11'"),
        ({"size": 0}, ImageError, "size=0 was given"),
        ({"style_size": 0}, ImageError, "size=0 was given"),
        ({"size": 1}, NetworkError, "too small"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(run, options, error, message):
    evaluations = []
    with pytest.raises(error, match=message):
        run(callback=lambda record, image: evaluations.append(record), **options)
    assert evaluations == []


def test_a_missing_picture_is_named(network):
    with pytest.raises(ImageError, match=r"there is no file 'nowhere\.jpg'"):
        transfer("nowhere.jpg", "dots", network=network)


def test_a_plain_run_warns_of_nothing(run):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run()


def test_records_cannot_be_rewritten(run):
    with pytest.raises(dataclasses.FrozenInstanceError):
        run(steps=1).history[0].total = 0.0


# --- devices -------------------------------------------------------------------------------------


@pytest.fixture
def on_gpu(network):
    """The network on the GPU for one test, and back."""
    yield network.to("cuda")
    network.to("cpu")


@needs_cuda
@EVERY_OPTIMIZER
def test_a_run_stays_on_the_networks_device(run, on_gpu, optimizer):
    result = run(network=on_gpu, optimizer=optimizer)
    assert result.image.device.type == "cuda"
    assert result.style.device.type == "cuda"
    assert totals(result)[-1] < totals(result)[0]


@needs_cuda
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_same_run_gives_the_same_bits_on_a_gpu(run, on_gpu, optimizer):
    one, two = (run(network=on_gpu, optimizer=optimizer, start="noise") for _ in range(2))
    assert torch.equal(one.image, two.image)
    assert totals(one) == totals(two)
