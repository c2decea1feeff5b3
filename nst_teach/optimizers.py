"""Four ways to walk downhill, each moving the pixels of a picture.

Every optimiser here is given an `evaluate` function that takes the picture, fills in its gradient
and returns the loss; how often it calls it is its own affair. Chapter 6 compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

Evaluate = Callable[[Tensor], Tensor]

LBFGS_HISTORY = 20
"""Pairs of (step, change of gradient) that are remembered. Torch's default of 100 costs more time
in vector arithmetic than it saves in evaluations at these sizes (benchmarks/lbfgs_history.py)."""
SCIPY_HISTORY = 10  # SciPy's default `m`
ADAM_LEARNING_RATE = 0.02  # TensorFlow's style transfer tutorial, for pictures in [0, 1]
LBFGS_LEARNING_RATE = 1.0  # the quasi-Newton step as it is


class Optimizer(Protocol):
    """What `transfer` asks of an optimiser."""

    image: Tensor

    def run(self, evaluate: Evaluate, steps: int) -> None:
        """Move `self.image` for so many steps."""

    @property
    def step(self) -> int:
        """Steps begun so far, over all runs."""

    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict) -> None: ...


def one_blas_thread() -> AbstractContextManager:
    """Within this block, NumPy's and SciPy's vector arithmetic (OpenBLAS) uses one thread.

    `fmin_l_bfgs_b` adds short vectors between two evaluations. OpenBLAS starts as many threads for
    that as there are cores, and they wait for the next sum without giving their core back. PyTorch
    then finds no core free: on two cores a small picture takes several times as long
    (`benchmarks/blas_threads.py`; chapter 12 uses this block). `optimizer="scipy"` does so by
    itself. PyTorch's own threads are left as they are.
    """
    return ThreadpoolController().select(internal_api="openblas").limit(limits=1)


class Adam:
    """Adam (Kingma and Ba, 2015), with the picture put back into [0, 1] after each step."""

    def __init__(self, image: Tensor, learning_rate: float | None):
        self.image = image
        self.optimizer = torch.optim.Adam([image], lr=learning_rate or ADAM_LEARNING_RATE)
        self.step = 0

    def run(self, evaluate: Evaluate, steps: int) -> None:
        for _ in range(steps):
            evaluate(self.image)
            self.optimizer.step()
            with torch.no_grad():
                self.image.clamp_(0, 1)
            self.step += 1

    def state_dict(self) -> dict:
        return {"optimizer": self.optimizer.state_dict(), "step": self.step}

    def load_state_dict(self, state: dict) -> None:
        rate = self.optimizer.param_groups[0]["lr"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.optimizer.param_groups[0]["lr"] = rate  # the averages hold at any learning rate
        self.step = state["step"]


class LBFGS:
    """torch's L-BFGS, with a strong Wolfe line search or with none.

    The picture is left free to leave [0, 1] on the way: clamping it between evaluations would tell
    the curvature estimate of steps that were never taken.
    """

    line_search: str | None = "strong_wolfe"

    def __init__(self, image: Tensor, learning_rate: float | None):
        self.image, self.between_steps = image, True
        self.optimizer = torch.optim.LBFGS(
            [image],
            lr=learning_rate or LBFGS_LEARNING_RATE,
            history_size=LBFGS_HISTORY,
            line_search_fn=self.line_search,
            tolerance_grad=0.0,  # the defaults depend on the loss's scale and can stop at once
            tolerance_change=0.0,
        )

    @property
    def step(self) -> int:
        return self.optimizer.state[self.image].get("n_iter", 0)

    def run(self, evaluate: Evaluate, steps: int) -> None:
        # One call for all steps: each call of .step() would evaluate its starting point again.
        self.optimizer.param_groups[0].update(max_iter=steps, max_eval=float("inf"))
        self.between_steps = False
        self.optimizer.step(lambda: evaluate(self.image))
        self.between_steps = True

    def state_dict(self) -> dict:
        # A run that was stopped inside a step leaves half of that step in torch's memory.
        return self.optimizer.state_dict() if self.between_steps else {}

    def load_state_dict(self, state: dict) -> None:
        self.optimizer.load_state_dict(state)


class PlainLBFGS(LBFGS):
    """torch's L-BFGS as it comes, without a line search: each step is taken on trust."""

    line_search = None


class ScipyLBFGSB:
    """SciPy's `fmin_l_bfgs_b` (Zhu et al., 1997), held inside [0, 1] by its bounds; float64."""

    def __init__(self, image: Tensor, learning_rate: float | None):
        if learning_rate is not None:
            raise ValueError("optimizer='scipy' takes no learning_rate: its line search sets it.")
        self.image, self.step = image, 0

    def run(self, evaluate: Evaluate, steps: int) -> None:
        from scipy.optimize import fmin_l_bfgs_b

        def loss_and_gradient(pixels: np.ndarray) -> tuple[float, np.ndarray]:
            self._set(pixels)
            loss = evaluate(self.image)
            return loss.item(), self.image.grad.double().cpu().numpy().ravel()

        def after_step(pixels: np.ndarray) -> None:
            self.step += 1

        start = self.image.detach().double().cpu().numpy().ravel().clip(0, 1)
        with one_blas_thread():
            end, *_ = fmin_l_bfgs_b(
                loss_and_gradient,
                start,
                bounds=[(0.0, 1.0)] * start.size,
                m=SCIPY_HISTORY,
                maxiter=steps,
                maxfun=10**9,
                factr=0.0,  # as above: run for all the steps asked for
                pgtol=0.0,
                callback=after_step,
            )
        self._set(end)

    def _set(self, pixels: np.ndarray) -> None:
        with torch.no_grad():
            self.image.copy_(torch.from_numpy(pixels).view_as(self.image))

    def state_dict(self) -> dict:
        return {"step": self.step}

    def load_state_dict(self, state: dict) -> None:
        self.step = state["step"]  # SciPy keeps its curvature to itself: it starts afresh


OPTIMIZERS: dict[str, type] = {
    "lbfgs": LBFGS,
    "lbfgs-plain": PlainLBFGS,
    "scipy": ScipyLBFGSB,
    "adam": Adam,
}


def make_optimizer(name: str, image: Tensor, learning_rate: float | None = None) -> Optimizer:
    """The optimiser of this name, over a leaf tensor that requires a gradient.

    Raises:
        ValueError: an unknown name, or a learning rate that is not above 0.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"unknown optimizer {name!r}; choose one of {', '.join(OPTIMIZERS)}.")
    if learning_rate is not None and not learning_rate > 0:
        raise ValueError(f"learning_rate={learning_rate} was given; expected a number above 0.")
    return OPTIMIZERS[name](image, learning_rate)
