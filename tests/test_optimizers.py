"""The optimisers, on problems whose answer is known."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import fmin_l_bfgs_b, lsq_linear
from threadpoolctl import threadpool_info, threadpool_limits

from nst_teach.optimizers import (
    ADAM_LEARNING_RATE,
    OPTIMIZERS,
    SCIPY_HISTORY,
    make_optimizer,
)

EVERY_OPTIMIZER = pytest.mark.parametrize("name", OPTIMIZERS)
ENOUGH_STEPS = {"lbfgs": 40, "lbfgs-unbounded": 25, "lbfgs-plain": 40, "scipy": 40, "adam": 600}
STEEP = torch.tensor([1.0, 2.0, 5.0, 10.0, 30.0, 100.0]).view(1, 1, 2, 3)


class Quadratic:
    """½ Σ steepness (x − target)²: the minimum is the target, the smallest value is 0.

    Called as the optimisers call it; it remembers every loss that it has returned.
    """

    def __init__(self, target: torch.Tensor, steepness: torch.Tensor | float = 1.0):
        self.target, self.steepness, self.losses = target, steepness, []

    def __call__(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.enable_grad():
            image = image.detach().requires_grad_(True)
            loss = self.loss(image)
            (gradient,) = torch.autograd.grad(loss, image)
        self.losses.append(loss.item())
        return loss.detach(), gradient

    def loss(self, image: torch.Tensor) -> torch.Tensor:
        return 0.5 * (self.steepness * (image - self.target).square()).sum()


class Valley(Quadratic):
    """Rosenbrock's function of each pair of neighbours: a curved valley, minimum 0 at all ones."""

    def __init__(self):
        super().__init__(torch.ones(1, 1, 2, 3))

    def loss(self, image: torch.Tensor) -> torch.Tensor:
        x, y = image[..., :-1], image[..., 1:]
        return ((1 - x).square() + 100 * (y - x.square()).square()).sum()


@pytest.fixture
def target() -> torch.Tensor:
    """Six values well inside [0, 1]."""
    return torch.tensor([0.2, 0.3, 0.4, 0.6, 0.7, 0.8]).view(1, 1, 2, 3)


def start(value: float = 0.5) -> torch.Tensor:
    """A flat picture of 2 × 3 pixels to begin from."""
    return torch.full((1, 1, 2, 3), value, requires_grad=True)


@EVERY_OPTIMIZER
def test_it_finds_the_minimum_of_a_quadratic(name, target):
    optimizer = make_optimizer(name, start())
    optimizer.run(Quadratic(target, STEEP), ENOUGH_STEPS[name])
    torch.testing.assert_close(optimizer.image.detach(), target, rtol=0, atol=1e-3)


@EVERY_OPTIMIZER
def test_it_moves_the_picture_that_it_was_given(name, target):
    """In place: whoever holds the tensor sees it change."""
    image = start()
    optimizer = make_optimizer(name, image)
    optimizer.run(Quadratic(target), 3)
    assert optimizer.image is image
    assert not torch.equal(image.detach(), start().detach())


@EVERY_OPTIMIZER
def test_it_takes_the_steps_asked_for_and_counts_them(name):
    """No tolerance ends the run early: what looks like a standstill in one layer is not one."""
    optimizer = make_optimizer(name, start(0.0))
    optimizer.run(Valley(), 5)
    assert optimizer.step == 5
    optimizer.run(Valley(), 2)
    assert optimizer.step == 7


def blas_threads() -> set[int]:
    """How many threads each OpenBLAS in this process uses (NumPy and SciPy may bring one each)."""
    return {p["num_threads"] for p in threadpool_info() if p["internal_api"] == "openblas"}


def test_scipy_leaves_the_cores_to_pytorch(target):
    """Its vector arithmetic has one thread while it runs, and what it had before afterwards."""
    quadratic, seen = Quadratic(target), []

    def evaluate(image):
        seen.append(blas_threads())
        return quadratic(image)

    with threadpool_limits(limits=2, user_api="blas"):
        if 2 not in blas_threads():
            pytest.skip("NumPy and SciPy use no OpenBLAS with threads here")
        own = torch.get_num_threads()
        make_optimizer("scipy", start()).run(evaluate, 3)
        assert len(seen) >= 3
        assert all(threads == {1} for threads in seen)
        assert 2 in blas_threads()
        assert torch.get_num_threads() == own
        make_optimizer("adam", start()).run(evaluate, 1)
        assert 2 in seen[-1]  # only SciPy's runs need it


def test_adam_evaluates_once_a_step(target):
    quadratic = Quadratic(target)
    make_optimizer("adam", start()).run(quadratic, 7)
    assert len(quadratic.losses) == 7


def test_the_first_step_of_adam_has_the_size_of_its_learning_rate(target):
    """Adam divides the gradient by its own size: every pixel moves alike, however steep."""
    for rate in (None, 0.1):
        optimizer = make_optimizer("adam", start(), rate)
        optimizer.run(Quadratic(target, STEEP), 1)
        moved = (optimizer.image.detach() - 0.5).abs()
        expected = torch.full_like(moved, rate or ADAM_LEARNING_RATE)
        torch.testing.assert_close(moved, expected, rtol=1e-4, atol=0)


def test_lbfgs_solves_a_quadratic_in_few_steps(target):
    """It learns the curvature, so that a steepness of 1 : 100 does not slow it down."""
    quadratic = Quadratic(target, STEEP)
    make_optimizer("lbfgs-unbounded", start()).run(quadratic, 12)
    assert quadratic.losses[-1] < 1e-6 * quadratic.losses[0]


def losses_by_step(name: str, steps: int) -> list[float]:
    """The loss at the end of each step in the valley, evaluations within a step left out."""
    optimizer, valley, ends = make_optimizer(name, start(-0.7)), Valley(), {}

    def evaluate(image):
        loss, gradient = valley(image)
        ends[optimizer.step] = loss.item()
        return loss, gradient

    optimizer.run(evaluate, steps)
    return list(ends.values())


def test_with_strong_wolfe_no_step_goes_uphill():
    losses = losses_by_step("lbfgs-unbounded", 25)
    assert all(b <= a for a, b in itertools.pairwise(losses))
    assert losses[-1] < 1e-2 * losses[0]


def test_without_a_line_search_a_step_can_go_uphill():
    """The reason for strong Wolfe: the same valley, each step taken on trust."""
    losses = losses_by_step("lbfgs-plain", 25)
    assert any(b > a for a, b in itertools.pairwise(losses))


# --- the range [0, 1] ----------------------------------------------------------------------------


@EVERY_OPTIMIZER
def test_only_the_unbounded_show_the_objective_a_value_out_of_range(name):
    seen = []
    quadratic = Quadratic(torch.tensor([-1.0, 0.5, 2.0]).expand(1, 1, 2, 3))

    def evaluate(image):
        seen.append(image.detach().clone())
        return quadratic(image)

    optimizer = make_optimizer(name, start())
    optimizer.run(evaluate, 40)
    everything = torch.stack([*seen, optimizer.image.detach()])
    assert (everything.min() >= 0 and everything.max() <= 1) == optimizer.bounded
    assert optimizer.bounded == (name not in ("lbfgs-unbounded", "lbfgs-plain"))


@pytest.mark.parametrize(("name", "accuracy"), [("scipy", 1e-6), ("lbfgs", 1e-4)])
def test_the_minimum_within_the_bounds_is_found(name, accuracy):
    """Correlated pixels: the answer is not the free minimum, clipped. The oracle is `lsq_linear`,
    which solves this least-squares problem by another method."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(12, 6)), 3 * rng.normal(size=12)
    free = np.linalg.lstsq(a, b, rcond=None)[0]
    expected = lsq_linear(a, b, bounds=(0, 1), tol=1e-12).x
    assert np.abs(expected - free.clip(0, 1)).max() > 0.05

    class LeastSquares(Quadratic):
        def loss(self, image):
            return 0.5 * (torch.tensor(a) @ image.flatten() - torch.tensor(b)).square().sum()

    image = torch.full((1, 1, 2, 3), 0.5, dtype=torch.float64, requires_grad=True)
    make_optimizer(name, image).run(LeastSquares(torch.zeros(())), 50)
    np.testing.assert_allclose(image.detach().numpy().ravel(), expected, atol=accuracy)


@pytest.mark.parametrize("name", ["lbfgs", "scipy", "adam"])
@pytest.mark.parametrize("value", [0.0, 1.0], ids=["black", "white"])
def test_a_pixel_that_starts_on_a_bound_can_leave_it(name, value, target):
    """Where x = ½ + ½ sin z has no slope, a walk over z would stand still for ever."""
    optimizer = make_optimizer(name, start(value))
    optimizer.run(Quadratic(target), 200)
    torch.testing.assert_close(optimizer.image.detach(), target, rtol=0, atol=1e-2)


def test_the_slope_of_the_walk_inside_the_bounds_is_that_of_the_sine():
    """The chain rule, against finite differences of the loss over z."""
    quadratic = Quadratic(torch.tensor([0.0, 0.3, 1.0]).expand(1, 1, 2, 3).double(), STEEP.double())
    image = torch.linspace(0.1, 0.9, 6, dtype=torch.float64).view(1, 1, 2, 3).requires_grad_(True)
    optimizer = make_optimizer("lbfgs", image)
    z = optimizer.variables.detach()
    slope = optimizer._chain(quadratic(0.5 + 0.5 * z.sin())[1])
    for index in range(6):
        there, back = z.clone().flatten(), z.clone().flatten()
        there[index] += 1e-6
        back[index] -= 1e-6
        up, down = (quadratic.loss(0.5 + 0.5 * v.view_as(z).sin()) for v in (there, back))
        assert slope.flatten()[index].item() == pytest.approx((up - down).item() / 2e-6, rel=1e-6)


@EVERY_OPTIMIZER
def test_a_step_counts_the_same_for_everybody(name):
    """0 is the start, and k is what step k tries or reaches: each k comes up, and none beyond."""
    optimizer, valley, seen = make_optimizer(name, start(0.3)), Valley(), []

    def evaluate(image):
        seen.append(optimizer.step)
        return valley(image)

    optimizer.run(evaluate, 6)
    assert seen == sorted(seen)
    assert seen.count(0) == 1
    # Adam, and L-BFGS without a line search, do not look at where their last step leads.
    last = 5 if name in ("adam", "lbfgs-plain") else 6
    assert set(seen) == set(range(last + 1))
    assert optimizer.step == 6


@EVERY_OPTIMIZER
def test_no_tolerance_of_the_scale_of_the_loss_ends_a_run(name, target):
    """Torch's defaults are absolute numbers: a loss in small units would stop at once."""
    optimizer = make_optimizer(name, start())
    optimizer.run(Quadratic(target, 1e-9 * STEEP), 5)
    assert optimizer.step == 5


def test_scipy_begins_from_the_nearest_picture_in_range(target):
    optimizer = make_optimizer("scipy", start(3.0))
    optimizer.run(Quadratic(target), 10)
    torch.testing.assert_close(optimizer.image.detach(), target, rtol=0, atol=1e-4)


def test_scipy_keeps_as_many_pairs_as_it_does_by_itself():
    assert inspect.signature(fmin_l_bfgs_b).parameters["m"].default == SCIPY_HISTORY


# --- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lbfgs", "lbfgs-unbounded", "lbfgs-plain", "adam"])
def test_memory_carries_over_to_another_run(name):
    """Four steps, then four more by a new optimiser with the first one's state: eight steps.

    The state holds the place too, wherever the new one stood before.
    """
    whole = make_optimizer(name, start(0.0))
    whole.run(Valley(), 8)
    first = make_optimizer(name, start(0.0))
    first.run(Valley(), 4)
    second = make_optimizer(name, start(0.9))
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.image, first.image)
    second.run(Valley(), 4)
    torch.testing.assert_close(second.image.detach(), whole.image.detach(), rtol=1e-5, atol=1e-6)
    assert second.step == 8


# --- what is refused -----------------------------------------------------------------------------


def test_an_unknown_optimizer_is_refused_with_a_list():
    with pytest.raises(ValueError, match=r"unknown optimizer 'sgd'.*lbfgs, .*scipy, adam"):
        make_optimizer("sgd", start())


@EVERY_OPTIMIZER
@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan")])
def test_a_learning_rate_must_be_above_zero(name, rate):
    with pytest.raises(ValueError, match=f"learning_rate={rate} was given"):
        make_optimizer(name, start(), rate)


def test_scipy_takes_no_learning_rate():
    with pytest.raises(ValueError, match="takes no learning_rate"):
        make_optimizer("scipy", start(), 0.1)
