"""What a result is, apart from how it came about."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle

import pytest
import torch

from nst_teach import Losses, Record, Result, optimize
from nst_teach.optimizers import OPTIMIZERS

EVERY_OPTIMIZER = pytest.mark.parametrize("optimizer", OPTIMIZERS)
SIDE = 64


def towards_grey(image: torch.Tensor) -> Losses:
    """A long bowl with its bottom at 1/2."""
    steepness = torch.linspace(1, 100, image.numel()).view_as(image)
    loss = (steepness * (image - 0.5).square()).sum()
    return Losses(loss, {"pixels": loss}, {}, image.new_zeros(()))


def run(optimizer: str = "lbfgs", start: torch.Tensor | Result | None = None) -> Result:
    begin = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    begin = begin if start is None else start
    return optimize(towards_grey, begin, optimizer=optimizer, steps=25, progress=False)


@EVERY_OPTIMIZER
@pytest.mark.parametrize(
    "copied", [lambda r: pickle.loads(pickle.dumps(r)), copy.deepcopy, copy.copy, Result.forget]
)
def test_a_copy_weighs_little_more_than_its_picture(optimizer, copied):
    """The memory of L-BFGS alone is 40 pictures."""
    result = copied(run(optimizer))
    picture = result.image.numel() * result.image.element_size()
    assert result.memory is None
    assert len(pickle.dumps(result)) < 1.5 * picture


@EVERY_OPTIMIZER
def test_a_run_goes_on_from_a_copy(optimizer):
    first = run(optimizer)
    resumed = run(optimizer, start=pickle.loads(pickle.dumps(first)))
    assert resumed.history[: len(first.history)] == first.history
    assert resumed.loss <= first.loss


def test_an_image_alone_is_a_result_of_no_steps():
    """As one that was kept in a file, without its history: a run from it counts from 0."""
    kept = Result(torch.full((1, 3, SIDE, SIDE), 0.25), [])
    assert math.isnan(kept.loss)
    resumed = optimize(towards_grey, kept, steps=2, progress=False)
    assert resumed.steps == 2
    assert [record.step for record in resumed.history][:1] == [0]


def test_a_memory_cannot_be_rewritten():
    """Two results may hold the same one: a change for one run would be a change for the other."""
    memory = run("adam").memory
    with pytest.raises(dataclasses.FrozenInstanceError):
        memory.optimizer = "lbfgs"


def test_two_results_can_be_compared():
    """Each is like itself alone; pictures are compared with `torch.equal`."""
    one, other = run("adam"), run("adam")
    assert one == one
    assert one != other
    assert torch.equal(one.image, other.image)
    assert one in [other, one]
    assert len({one, other, one}) == 2


def test_records_can_be_kept_in_sets():
    first = Record(0, 1, 0.1, 5.0, {"relu1_1": 1.0}, {}, 0.0)
    same = Record(0, 1, 0.1, 5.0, {"relu1_1": 1.0}, {}, 0.0)
    other = Record(0, 1, 0.1, 5.0, {"relu1_1": 2.0}, {}, 0.0)
    assert len({first, same, other}) == 2


def test_a_result_tells_the_loss_of_its_last_objective():
    """Where it began, and where it is: totals of an earlier objective do not belong beside it."""
    history = [
        Record(0, 1, 0.1, 7e9, {}, {}, 0.0),
        Record(1, 2, 0.2, 3.0, {}, {}, 0.0, objective=1),
        Record(2, 3, 0.3, 2.0, {}, {}, 0.0, objective=1),
    ]
    assert history[0].objective == 0
    text = repr(Result(torch.zeros(1, 3, 4, 6), history, steps=2, record=history[2]))
    assert text == "Result(6×4 px, 2 steps, 3 evaluations, 0.3 s, total 3 → 2)"
