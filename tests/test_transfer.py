"""A whole run: where it starts, what it records, how it goes on, and how it ends early."""

from __future__ import annotations

import dataclasses
import itertools
import os
import subprocess
import sys
import warnings

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
from nst_teach.networks import build_vgg
from nst_teach.optimizers import OPTIMIZERS
from nst_teach.starts import STARTS, cover, make_start

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


def test_the_content_start_is_the_content(content, style):
    made = make_start("content", content, style, seed=0)
    assert torch.equal(made, content)
    assert made.data_ptr() != content.data_ptr()


def test_the_grey_start_is_half_way_between_black_and_white(content, style):
    assert torch.equal(make_start("grey", content, style, seed=0), torch.full_like(content, 0.5))


def test_the_noise_start_is_white_noise_over_the_whole_range(style):
    """Uniform in [0, 1]: mean 1/2, variance 1/12, and neighbours that have nothing in common."""
    noise = make_start("noise", torch.zeros(1, 3, 64, 64), style, seed=0)
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert noise.mean().item() == pytest.approx(1 / 2, abs=0.01)
    assert noise.var().item() == pytest.approx(1 / 12, abs=0.005)
    neighbours = torch.stack([noise[..., 1:].flatten(), noise[..., :-1].flatten()])
    assert abs(torch.corrcoef(neighbours)[0, 1]) < 0.05


def test_the_noise_start_follows_the_seed(content, style):
    first, same, other = (make_start("noise", content, style, seed) for seed in (7, 7, 8))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("size", [(24, 32), (32, 24), (40, 40), (64, 20), (5, 7)], ids=str)
def test_the_style_start_covers_the_result(size):
    """Scaled until no edge is left bare, aspect kept, and the middle cut out."""
    ramp = torch.linspace(0, 1, 40).expand(1, 3, 40, 40)
    covered = cover(ramp, size)
    assert covered.shape[-2:] == size
    rise = (size[1] - 1) / max(size)  # from the first column's middle to the last one's
    assert (covered[..., -1] - covered[..., 0]).mean().item() == pytest.approx(rise, abs=0.04)
    assert covered.mean().item() == pytest.approx(0.5, abs=0.02)


def test_a_style_of_the_results_own_size_is_the_style_start():
    style = picture(2)
    assert torch.equal(make_start("style", picture(1), style, seed=0), style)


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


@pytest.mark.parametrize("value", [None, 0, 0.0], ids=str)
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
    assert len(result.history) in (4, 5)
    assert torch.equal(result.image, best_in_range(objective))


def test_ctrl_c_before_the_first_evaluation_returns_the_start(bowl, start):
    result = optimize(bowl({1: KeyboardInterrupt()}), start, steps=5, progress=False)
    assert result.stopped is Stop.INTERRUPTED
    assert torch.equal(result.image, start)


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


# --- progress ------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """A progress bar that does not wait for two seconds."""
    monkeypatch.setattr("nst_teach.run.PROGRESS_DELAY", 0)
    monkeypatch.delenv("NST_TEACH_PROGRESS", raising=False)


def test_a_long_run_shows_a_bar(run, impatient, capsys):
    run(progress=True)
    assert "step" in capsys.readouterr().err


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


@needs_cuda
def test_noise_is_the_same_on_every_device(content, style):
    here = make_start("noise", content, style, seed=4)
    there = make_start("noise", content.cuda(), style.cuda(), seed=4)
    assert torch.equal(there.cpu(), here)
