"""Five ways to walk downhill, each moving the pixels of a picture.

Every optimiser here is given an `evaluate` function, which takes a picture and returns its loss and
the gradient of the loss; how often it calls it is its own affair. Chapter 6 compares them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Takes a picture; returns its loss, a scalar, and the gradient of the loss, shaped as the picture.
"""

LBFGS_HISTORY = 20
"""Pairs of (step, change of gradient) that are remembered. Torch's default of 100 costs more time
in vector arithmetic than it saves in evaluations at these sizes (benchmarks/lbfgs_history.py)."""
SCIPY_HISTORY = 10  # SciPy's default `m`
ADAM_LEARNING_RATE = 0.02  # TensorFlow's style transfer tutorial, for pictures in [0, 1]
LBFGS_LEARNING_RATE = 1.0  # the quasi-Newton step as it is
BOUND_MARGIN = 0.005
"""How far inside [0, 1] the walk with x = ½ + ½ sin z begins: at 0 and at 1 the slope of the sine
is 0, and a pixel could never leave. A level of 255 and a quarter; benchmarks/bounded.py
measures what other margins cost at the start and when a run goes on."""

LOWER_BETA = "Lower beta, or check that the pictures lie in [0, 1]."


class Optimizer(Protocol):
    """What `optimize` asks of an optimiser.

    Attributes:
        image: the picture, moved in place.
        step: the number of the step that the picture belongs to: 0 is the start, and k is whatever
            step k tries or reaches. A line search tries several pictures in one step. It holds for
            every optimiser, and during each evaluation.
        bounded: whether every picture that it shows to `evaluate` lies in [0, 1].
        advice: what to do when a loss is not finite.
    """

    image: Tensor
    bounded: ClassVar[bool]
    advice: ClassVar[str]

    @property
    def step(self) -> int: ...

    def run(self, evaluate: Evaluate, steps: int) -> None:
        """Move `image` for so many steps."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The memory, and the place it belongs to; empty if there is nothing to go on with."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the memory of another one, from where that one was. `state` stays as it is."""
        ...


def one_blas_thread() -> AbstractContextManager[Any]:
    """Within this block, NumPy's and SciPy's vector arithmetic (OpenBLAS) uses one thread.

    `fmin_l_bfgs_b` adds short vectors between two evaluations. OpenBLAS starts as many threads for
    that as there are cores, and they wait for the next sum without giving their core back. PyTorch
    then finds no core free: on two cores a small picture takes several times as long
    (`benchmarks/blas_threads.py`; chapter 12 uses this block). `optimizer="scipy"` does so by
    itself. PyTorch's own threads are left as they are.
    """
    openblas = ThreadpoolController().select(internal_api="openblas")
    limited: AbstractContextManager[Any] = openblas.limit(limits=1)
    return limited


class Adam:
    """Adam (Kingma and Ba, 2015), with the picture put back into [0, 1] after each step."""

    bounded: ClassVar[bool] = True
    advice: ClassVar[str] = "Lower learning_rate, or beta."

    def __init__(self, image: Tensor, learning_rate: float | None):
        self.image, self.step = image, 0
        self.optimizer = torch.optim.Adam([image], lr=learning_rate or ADAM_LEARNING_RATE)

    def run(self, evaluate: Evaluate, steps: int) -> None:
        for _ in range(steps):
            _, self.image.grad = evaluate(self.image)
            self.optimizer.step()
            with torch.no_grad():
                self.image.clamp_(0, 1)
            self.step += 1

    def state_dict(self) -> dict[str, Any]:
        state = {"optimizer": self.optimizer.state_dict(), "step": self.step}
        return state | {"image": self.image.detach().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        _load(self.optimizer, state["optimizer"])  # the averages hold at any learning rate
        _set(self.image, state["image"])
        self.step = state["step"]


class UnboundedLBFGS:
    """torch's L-BFGS with a strong Wolfe line search, over the pixels themselves.

    Nothing keeps the picture inside [0, 1] on the way, and what is clipped at the end is not what
    was optimised. Clamping it between evaluations would be worse: it would tell the curvature
    estimate of steps that were never taken. Chapter 6 measures both.
    """

    bounded: ClassVar[bool] = False
    advice: ClassVar[str] = LOWER_BETA
    line_search: ClassVar[str | None] = "strong_wolfe"

    def __init__(self, image: Tensor, learning_rate: float | None):
        self.image, self.between_steps = image, True
        self.variables = self._variables(image.detach()).requires_grad_(True)
        self.optimizer = torch.optim.LBFGS(
            [self.variables],
            lr=learning_rate or LBFGS_LEARNING_RATE,
            history_size=LBFGS_HISTORY,
            line_search_fn=self.line_search,
            tolerance_grad=0.0,  # the defaults depend on the loss's scale and can stop at once
            tolerance_change=0.0,
        )

    @property
    def step(self) -> int:
        return int(self.optimizer.state[self.variables].get("n_iter", 0))

    def run(self, evaluate: Evaluate, steps: int) -> None:
        def closure() -> Tensor:
            self._show()
            loss, gradient = evaluate(self.image)
            self.variables.grad = self._chain(gradient)
            return loss

        # One call for all steps: each call of .step() would evaluate its starting point again.
        self.optimizer.param_groups[0].update(max_iter=steps, max_eval=float("inf"))
        self.between_steps = False
        self.optimizer.step(closure)
        self._show()
        self.between_steps = True

    def _show(self) -> None:
        _set(self.image, self._picture(self.variables.detach()))

    def _variables(self, image: Tensor) -> Tensor:
        """What L-BFGS moves, for a picture."""
        return image.clone()

    def _picture(self, variables: Tensor) -> Tensor:
        """The picture, for what L-BFGS moves."""
        return variables

    def _chain(self, gradient: Tensor) -> Tensor:
        """The gradient with respect to the variables, by the chain rule."""
        return gradient

    def state_dict(self) -> dict[str, Any]:
        # A run that was stopped inside a step leaves half of that step in torch's memory.
        if not self.between_steps:
            return {}
        place = self.variables.detach().clone()
        return {"optimizer": self.optimizer.state_dict(), "variables": place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        _load(self.optimizer, state["optimizer"])
        _set(self.variables, state["variables"])
        self._show()


class PlainLBFGS(UnboundedLBFGS):
    """torch's L-BFGS as it comes, without a line search: each step is taken on trust."""

    advice: ClassVar[str] = "A step without a line search overshot: use optimizer='lbfgs'."
    line_search: ClassVar[str | None] = None


class LBFGS(UnboundedLBFGS):
    """torch's L-BFGS with a strong Wolfe line search, held inside [0, 1] by a change of variables.

    It walks over z, with x = ½ + ½ sin z for each value x of the picture: whatever z is, x lies in
    [0, 1], and the curvature estimate is told of the steps that were really taken. The gradient is
    multiplied by dx/dz = ½ cos z (see `BOUND_MARGIN` for where that is 0).

    Box (1966), "A comparison of several current optimization methods, and the use of
    transformations in constrained problems".
    """

    bounded: ClassVar[bool] = True

    def _variables(self, image: Tensor) -> Tensor:
        return (2 * image.clamp(BOUND_MARGIN, 1 - BOUND_MARGIN) - 1).asin()

    def _picture(self, variables: Tensor) -> Tensor:
        return 0.5 + 0.5 * variables.sin()

    def _chain(self, gradient: Tensor) -> Tensor:
        return gradient * (0.5 * self.variables.detach().cos())


class ScipyLBFGSB:
    """SciPy's `fmin_l_bfgs_b` (Zhu et al., 1997), held inside [0, 1] by its bounds; float64."""

    bounded: ClassVar[bool] = True
    advice: ClassVar[str] = LOWER_BETA

    def __init__(self, image: Tensor, learning_rate: float | None):
        if learning_rate is not None:
            raise ValueError("optimizer='scipy' takes no learning_rate: its line search sets it.")
        self.image, self.step = image, 0

    def run(self, evaluate: Evaluate, steps: int) -> None:
        from scipy import optimize

        minimise = cast(Callable[..., tuple[np.ndarray, Any, Any]], optimize.fmin_l_bfgs_b)
        before, taken, evaluated = self.step, 0, False

        def loss_and_gradient(pixels: np.ndarray) -> tuple[float, np.ndarray]:
            nonlocal evaluated
            self._set(pixels)
            self.step = before + taken + evaluated  # SciPy looks at its start before any step
            evaluated = True
            loss, gradient = evaluate(self.image)
            return loss.item(), gradient.double().cpu().numpy().ravel()

        def after_step(pixels: np.ndarray) -> None:
            nonlocal taken
            taken += 1

        start = self.image.detach().double().cpu().numpy().ravel().clip(0, 1)
        with one_blas_thread():
            end, _, _ = minimise(
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
        self.step = before + taken

    def _set(self, pixels: np.ndarray) -> None:
        _set(self.image, torch.from_numpy(pixels).view_as(self.image))

    def state_dict(self) -> dict[str, Any]:
        return {}  # SciPy keeps its curvature to itself: it starts afresh

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """There is none to load."""


def _set(target: Tensor, values: Tensor) -> None:
    with torch.no_grad():
        target.copy_(values)


def _load(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a copy of the state, and stay with the learning rate that was asked for."""
    rate = optimizer.param_groups[0]["lr"]
    optimizer.load_state_dict(copy.deepcopy(state))
    optimizer.param_groups[0]["lr"] = rate


OPTIMIZERS: dict[str, Callable[[Tensor, float | None], Optimizer]] = {
    "lbfgs": LBFGS,
    "lbfgs-unbounded": UnboundedLBFGS,
    "lbfgs-plain": PlainLBFGS,
    "scipy": ScipyLBFGSB,
    "adam": Adam,
}


def make_optimizer(name: str, image: Tensor, learning_rate: float | None = None) -> Optimizer:
    """The optimiser of this name; it moves `image` in place, a leaf of floating-point numbers.

    Raises:
        ValueError: an unknown name, or a learning rate that is not above 0.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"unknown optimizer {name!r}; choose one of {', '.join(OPTIMIZERS)}.")
    if learning_rate is not None and not 0 < learning_rate < float("inf"):
        raise ValueError(f"learning_rate={learning_rate} was given; expected a number above 0.")
    return OPTIMIZERS[name](image, learning_rate)
