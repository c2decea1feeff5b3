"""Five optimisers, each of which minimises a loss over the pixels of an image.

Every optimiser is given a function `evaluate`, which takes an image and returns its loss and the
gradient of the loss; each decides for itself how often to call it. Chapter 6 compares them.
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

from nst_teach import arguments

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Takes an image; returns its loss, a scalar, and the gradient, which has the image's shape."""

LBFGS_HISTORY = 20
"""The number of pairs (step, change of gradient) in memory. At these sizes, torch's default of 100
costs more time in vector arithmetic than it saves in evaluations (benchmarks/lbfgs_history.py)."""
SCIPY_HISTORY = 10  # SciPy's default `m`
ADAM_LEARNING_RATE = 0.02  # as in TensorFlow's style transfer tutorial, for images in [0, 1]
LBFGS_LEARNING_RATE = 1.0  # the full quasi-Newton step
BOUND_MARGIN = 0.005
"""A run with x = ½ + ½ sin z begins at least this far from the bounds. At 0 and 1 the slope of the
sine is 0, and a pixel could never move away. 0.005 is 1¼ of 255 levels; benchmarks/bounded.py
measures the effect of other margins at the start of a run and when it is continued."""

LOWER_BETA = "Lower beta, or check that the pictures lie in [0, 1]."


class Optimizer(Protocol):
    """The interface that `optimize` expects of an optimiser.

    Attributes:
        image: the image, updated in place.
        step: the number of the step that the image belongs to, valid during each evaluation: 0 is
            the initial image, and k is any image that step k tries or reaches. A line search tries
            several images in one step.
        bounded: whether every image passed to `evaluate` lies in [0, 1].
        advice: what to do if the loss is not finite.
    """

    image: Tensor
    bounded: ClassVar[bool]
    advice: ClassVar[str]

    @property
    def step(self) -> int: ...

    def run(
        self,
        evaluate: Evaluate,
        steps: int,
        after_step: Callable[[], None] | None = None,
        resumed: bool = False,
    ) -> None:
        """Take the given number of steps, updating `image`.

        Args:
            evaluate: returns the loss of an image, and its gradient.
            steps: the number of steps.
            after_step: called after each step; `snapshot` may then be taken.
            resumed: the loaded state is a snapshot of this very run, whose last evaluation need not
                be repeated.
        """
        ...

    def snapshot(self) -> dict[str, Any]:
        """The state between two steps, for `load_state_dict`; no later step changes it."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The optimiser's memory and the current point; empty if it cannot be continued from."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the point and with the memory of another run; `state` is not changed."""
        ...


def one_blas_thread() -> AbstractContextManager[Any]:
    """Within this block, the vector arithmetic of NumPy and SciPy (OpenBLAS) uses one thread.

    `fmin_l_bfgs_b` adds short vectors between two evaluations. For this OpenBLAS starts one thread
    per core, and idle threads keep their core busy while they wait. PyTorch then has no free core:
    on two cores a small image takes several times as long (`benchmarks/blas_threads.py`; chapter 12
    uses this block). `optimizer="scipy"` does this by itself. PyTorch's own threads are not
    affected.
    """
    openblas = ThreadpoolController().select(internal_api="openblas")
    limited: AbstractContextManager[Any] = openblas.limit(limits=1)
    return limited


class Adam:
    """Adam (Kingma and Ba, 2015), with the image clamped to [0, 1] after each step."""

    bounded: ClassVar[bool] = True
    advice: ClassVar[str] = "Lower learning_rate, or beta."

    def __init__(self, image: Tensor, learning_rate: float | None):
        self.image, self.step = image, 0
        self.optimizer = torch.optim.Adam([image], lr=learning_rate or ADAM_LEARNING_RATE)

    def run(
        self,
        evaluate: Evaluate,
        steps: int,
        after_step: Callable[[], None] | None = None,
        resumed: bool = False,
    ) -> None:
        for _ in range(steps):
            _, self.image.grad = evaluate(self.image)
            self.optimizer.step()
            with torch.no_grad():
                self.image.clamp_(0, 1)
            self.step += 1
            if after_step:
                after_step()

    def snapshot(self) -> dict[str, Any]:
        return copy.deepcopy(self.state_dict())

    def state_dict(self) -> dict[str, Any]:
        state = {"optimizer": self.optimizer.state_dict(), "step": self.step}
        return state | {"image": self.image.detach().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        _load(self.optimizer, state["optimizer"])  # the averages do not depend on the learning rate
        _set(self.image, state["image"])
        self.step = state["step"]


class UnboundedLBFGS:
    """torch's L-BFGS with a strong Wolfe line search, over the pixels themselves.

    Nothing keeps the image inside [0, 1] during the run, so the clipped result is not what was
    optimised. Clamping between evaluations would be worse, because the curvature would then be
    estimated from steps that were never taken. Chapter 6 measures both.
    """

    bounded: ClassVar[bool] = False
    advice: ClassVar[str] = LOWER_BETA
    line_search: ClassVar[str | None] = "strong_wolfe"

    def __init__(self, image: Tensor, learning_rate: float | None):
        self.image, self.between_steps = image, True
        self.known: tuple[Tensor, Tensor] | None = None  # loss and gradient of the variables
        self.variables = self._variables(image.detach()).requires_grad_(True)
        self.optimizer = torch.optim.LBFGS(
            [self.variables],
            lr=learning_rate or LBFGS_LEARNING_RATE,
            history_size=LBFGS_HISTORY,
            line_search_fn=self.line_search,
            tolerance_grad=0.0,  # the defaults depend on the scale of the loss and may stop at once
            tolerance_change=0.0,
        )

    @property
    def step(self) -> int:
        return int(self.optimizer.state[self.variables].get("n_iter", 0))

    def run(
        self,
        evaluate: Evaluate,
        steps: int,
        after_step: Callable[[], None] | None = None,
        resumed: bool = False,
    ) -> None:
        def closure() -> Tensor:
            self._update_image()
            loss, gradient = evaluate(self.image)
            self.variables.grad = self._chain(gradient)
            return loss

        if after_step is None:
            # A single call for all steps: every call of .step() evaluates its starting point again.
            self._call(closure, steps)
            return
        single = _Remembering(closure, self.variables, self.known if resumed else None)
        for _ in range(steps):
            before = self.step
            self._call(single, 1)
            self.known = single.end_step()
            if self.step == before:  # the gradient is 0
                return
            after_step()
            if self._is_at_rest():
                return

    def _call(self, closure: Callable[[], Tensor], steps: int) -> None:
        self.optimizer.param_groups[0].update(max_iter=steps, max_eval=float("inf"))
        self.between_steps = False
        self.optimizer.step(closure)
        self._update_image()
        self.between_steps = True

    def _is_at_rest(self) -> bool:
        """Whether torch would end a call for more steps here: no descent, or no movement."""
        state = self.optimizer.state[self.variables]
        moved = (state["d"] * state["t"]).abs().max()
        return bool(state["prev_flat_grad"].dot(state["d"]) > 0 or moved <= 0)

    def _update_image(self) -> None:
        _set(self.image, self._image_of(self.variables.detach()))

    def _variables(self, image: Tensor) -> Tensor:
        """The variables of L-BFGS, for a given image."""
        return image.clone()

    def _image_of(self, variables: Tensor) -> Tensor:
        """The image, for given variables of L-BFGS."""
        return variables

    def _chain(self, gradient: Tensor) -> Tensor:
        """The gradient with respect to the variables, by the chain rule."""
        return gradient

    def state_dict(self) -> dict[str, Any]:
        # If a run was stopped within a step, torch's memory holds an incomplete step.
        if not self.between_steps:
            return {}
        variables = self.variables.detach().clone()
        return {"optimizer": self.optimizer.state_dict(), "variables": variables}

    def snapshot(self) -> dict[str, Any]:
        # Of torch's state, a step changes only these in place: copying all would cost 40 images.
        state = self.state_dict()
        whole: dict[str, Any] = state["optimizer"]
        own = {key: value for key, value in whole["state"].get(0, {}).items() if key != "al"}
        own |= {key: list(own[key]) for key in ("old_dirs", "old_stps", "ro") if key in own}
        if "prev_flat_grad" in own:
            own["prev_flat_grad"] = own["prev_flat_grad"].clone()
        groups = copy.deepcopy(whole["param_groups"])
        optimizer = {"state": {0: own} if own else {}, "param_groups": groups}
        return state | {"optimizer": optimizer, "known": self.known}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        known = state.get("known")
        self.known = known and tuple(part.to(self.variables.device) for part in known)
        _load(self.optimizer, state["optimizer"])
        _set(self.variables, state["variables"])
        self._update_image()


class _Remembering:
    """A closure for single steps of torch's L-BFGS, which evaluates no point twice.

    Every call of torch's `.step()` begins with an evaluation of the point at which the previous one
    has ended. Its line search has evaluated that point, though not always last.
    """

    def __init__(
        self,
        closure: Callable[[], Tensor],
        variables: Tensor,
        known: tuple[Tensor, Tensor] | None,
    ):
        self.closure, self.variables, self.known = closure, variables, known
        self.seen: list[tuple[Tensor, tuple[Tensor, Tensor]]] = []

    def __call__(self) -> Tensor:
        known = None if self.seen else self.known
        if known is None:
            loss = self.closure()
            known = (loss, cast(Tensor, self.variables.grad))
        loss, self.variables.grad = known
        self.seen.append((self.variables.detach().clone(), known))
        return loss

    def end_step(self) -> tuple[Tensor, Tensor] | None:
        """Loss and gradient of the point that has been reached, if it was evaluated."""
        here = self.variables.detach()
        found = (known for point, known in reversed(self.seen) if torch.equal(point, here))
        self.known, self.seen = next(found, None), []
        return self.known


class PlainLBFGS(UnboundedLBFGS):
    """torch's L-BFGS with its default settings: no line search, so no step is checked."""

    advice: ClassVar[str] = "A step without a line search overshot: use optimizer='lbfgs'."
    line_search: ClassVar[str | None] = None


class LBFGS(UnboundedLBFGS):
    """torch's L-BFGS with a strong Wolfe line search, kept inside [0, 1] by a change of variables.

    It minimises over z, with x = ½ + ½ sin z for each value x of the image: x lies in [0, 1] for
    every z, and the curvature is estimated from the steps actually taken. By the chain rule, the
    gradient is multiplied by dx/dz = ½ cos z (see `BOUND_MARGIN` for where that is 0).

    Box (1966), "A comparison of several current optimization methods, and the use of
    transformations in constrained problems".
    """

    bounded: ClassVar[bool] = True

    def _variables(self, image: Tensor) -> Tensor:
        return (2 * image.clamp(BOUND_MARGIN, 1 - BOUND_MARGIN) - 1).asin()

    def _image_of(self, variables: Tensor) -> Tensor:
        return 0.5 + 0.5 * variables.sin()

    def _chain(self, gradient: Tensor) -> Tensor:
        return gradient * (0.5 * self.variables.detach().cos())


class ScipyLBFGSB:
    """SciPy's `fmin_l_bfgs_b` (Zhu et al., 1997), kept inside [0, 1] by its bounds; float64."""

    bounded: ClassVar[bool] = True
    advice: ClassVar[str] = LOWER_BETA

    def __init__(self, image: Tensor, learning_rate: float | None):
        if learning_rate is not None:
            raise ValueError("optimizer='scipy' takes no learning_rate: its line search sets it.")
        self.image, self.step = image, 0

    def run(
        self,
        evaluate: Evaluate,
        steps: int,
        after_step: Callable[[], None] | None = None,
        resumed: bool = False,
    ) -> None:
        from scipy import optimize

        minimise = cast(Callable[..., tuple[np.ndarray, Any, Any]], optimize.fmin_l_bfgs_b)
        before, taken, evaluated = self.step, 0, False

        def loss_and_gradient(pixels: np.ndarray) -> tuple[float, np.ndarray]:
            nonlocal evaluated
            self._set(pixels)
            self.step = before + taken + evaluated  # SciPy evaluates the start before step 1
            evaluated = True
            loss, gradient = evaluate(self.image)
            return loss.item(), gradient.double().cpu().numpy().ravel()

        def count(pixels: np.ndarray) -> None:
            nonlocal taken
            taken += 1
            if after_step:
                self._set(pixels)
                self.step = before + taken
                after_step()

        start = self.image.detach().double().cpu().numpy().ravel().clip(0, 1)
        with one_blas_thread():
            end, _, _ = minimise(
                loss_and_gradient,
                start,
                bounds=[(0.0, 1.0)] * start.size,
                m=SCIPY_HISTORY,
                maxiter=steps,
                maxfun=10**9,
                factr=0.0,  # as above: take all requested steps
                pgtol=0.0,
                callback=count,
            )
        self._set(end)
        self.step = before + taken

    def _set(self, pixels: np.ndarray) -> None:
        _set(self.image, torch.from_numpy(pixels).view_as(self.image))

    def state_dict(self) -> dict[str, Any]:
        return {}  # SciPy does not expose its curvature pairs

    def snapshot(self) -> dict[str, Any]:
        return {"image": self.image.detach().clone(), "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Only the point: SciPy begins to learn the curvature again."""
        _set(self.image, state["image"])
        self.step = state["step"]


def _set(target: Tensor, values: Tensor) -> None:
    with torch.no_grad():
        target.copy_(values)


def _load(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a copy of the state, but keep the current learning rate."""
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


def check_optimizer(name: object) -> None:
    """Raise a `ValueError` for an unknown optimiser."""
    if not isinstance(name, str) or name not in OPTIMIZERS:
        raise ValueError(
            f"unknown optimizer {arguments.shown(name)}; choose one of {', '.join(OPTIMIZERS)}."
            f"{arguments.meant(name, OPTIMIZERS)}"
        )


def make_optimizer(name: str, image: Tensor, learning_rate: float | None = None) -> Optimizer:
    """The optimiser of this name; it updates `image`, a floating-point leaf tensor, in place.

    Raises:
        ValueError: an unknown name, or a learning rate that is not positive.
    """
    check_optimizer(name)
    if learning_rate is not None:
        learning_rate = arguments.positive("learning_rate", learning_rate)
    return OPTIMIZERS[name](image, learning_rate)
