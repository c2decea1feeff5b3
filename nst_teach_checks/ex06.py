"""Checks of exercise 6: closures, optimisation inside [0, 1], curvature, and judging runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nst_teach_checks._core import Answer, Mistake, task
from nst_teach_checks._inputs import Inputs
from nst_teach_checks._walks import must_be_a_walk

__all__ = ["better_run", "descend", "diagnose", "direction", "make_closure", "stay_inside"]

CHAPTER = "06_lbfgs_versus_adam"

Loss = Callable[[Tensor], Tensor]
Pairs = Sequence[tuple[Tensor, Tensor]]

BEYOND = 0.5
"""How far the lowest point of a valley may lie outside [0, 1]: as far again as half the box."""

STEEPEST = 1.5
"""Power of ten by which a valley is steeper in one direction than in another."""

ASIDE, BELOW = 0.8, -0.5
"""What a pixel adds to its two neighbours in a valley, so that none finds its own way alone."""


def _valley(inputs: Inputs) -> tuple[Loss, Tensor]:
    """A loss whose lowest point lies partly outside [0, 1], and a start inside."""
    shape = (1, 3, *inputs.sides())
    start = torch.rand(shape, generator=inputs.generator, dtype=torch.float64)
    lowest = (1 + 2 * BEYOND) * torch.rand(shape, generator=inputs.generator).double() - BEYOND
    steep = 10 ** (STEEPEST * torch.rand(shape, generator=inputs.generator).double())

    def mixed(image: Tensor) -> Tensor:
        return image + ASIDE * image.roll(1, -1) + BELOW * image.roll(1, -2)

    def loss_of(image: Tensor) -> Tensor:
        return 0.5 * (steep * mixed(image - lowest).square()).sum()

    return loss_of, start


# 1 A closure


def _closure(
    optimizer: torch.optim.Optimizer, image: Tensor, loss_of: Loss,
    *, forget: bool = True, back: bool = True, give: bool = True, clamp: str = "",
) -> Callable[[], Tensor | None]:  # fmt: skip
    """The right closure; the options make it a wrong one."""

    def closure() -> Tensor | None:
        if clamp == "picture":
            image.data.clamp_(0, 1)
        if forget:
            optimizer.zero_grad()
        loss = loss_of(image.clamp(0, 1) if clamp == "graph" else image)
        if back:
            loss.backward()
        return loss if give else None

    return closure


class _Watched(torch.optim.LBFGS):
    """An optimiser that no closure may call."""

    def step(self, closure: Any = None) -> Any:
        raise RuntimeError(STEP)


STEP = "the closure has called optimizer.step"


def _called(make: Callable[..., Any], image: Tensor, lowest: Tensor) -> dict[str, Any]:
    """What a closure does: called twice at one place, and once at another."""
    image = image.clone().requires_grad_()
    optimizer = _Watched([image], line_search_fn="strong_wolfe")
    closure = make(optimizer, image, lambda x: (x - lowest).square().mean())
    seen = {"what the first call returns": _number(closure())}
    seen["image.grad after the first call"] = _gradient(image)
    seen["what the second call returns"] = _number(closure())
    seen["image.grad after a second call at the same place"] = _gradient(image)
    with torch.no_grad():
        image.copy_(lowest)
    seen["what a call returns at another place"] = _number(closure())
    seen["image.grad at another place"] = _gradient(image)
    seen["the image after the calls"] = image.detach().clone()
    return seen


def _number(loss: Any) -> Any:
    """A loss as a tensor: an optimiser takes a plain number as well."""
    return torch.as_tensor(loss).detach().double() if isinstance(loss, (float, Tensor)) else loss


def _gradient(image: Tensor) -> Tensor | None:
    return None if image.grad is None else image.grad.clone()


def _wrong_closure(**changes: Any) -> Callable[..., Any]:
    return partial(_called, partial(_closure, **changes))


PILE_UP = (
    "backward() *adds* to what is already in .grad. Call your closure twice at the same image: "
    "what should image.grad contain, and what does it contain?"
)
EDGES = (
    "Take an image with values outside [0, 1] and change one of them a little. Does your loss "
    "change? Such a pixel gets no gradient that could bring it back."
)
BEHIND_ITS_BACK = (
    "The optimiser takes a step, and your closure then moves the image elsewhere. What the "
    "optimiser learns about the curvature belongs to a step that was never taken."
)

UNHEARD = "A line search compares the losses at several images. How does it get them?"

CLOSURE = (
    Mistake("gradients-pile-up", _wrong_closure(forget=False), PILE_UP),
    Mistake("clamp-in-closure", _wrong_closure(clamp="picture"), BEHIND_ITS_BACK),
    Mistake("clamp-in-graph", _wrong_closure(clamp="graph"), EDGES),
    Mistake(
        "no-gradient-left", _wrong_closure(back=False),
        "When your closure returns, image.grad is empty. Is there a backward pass, on this very "
        "image and not on a copy? Is the old gradient cleared before it, or the new one after it?",
    ),
    Mistake("loss-not-returned", _wrong_closure(give=False), UNHEARD),
    Mistake("loss-not-returned", _wrong_closure(give=False, forget=False), UNHEARD),
)  # fmt: skip


@task("A closure", points=2, reread=(CHAPTER, "What an optimiser asks for"))
def make_closure(answer: Answer) -> None:
    """`make_closure(optimizer, image, loss_of)`: a function without arguments for L-BFGS."""
    outside = 2 * answer.inputs.picture(dtype=torch.float64) - 0.5
    lowest = answer.inputs.normal(*outside.shape, dtype=torch.float64)
    image = outside.clone().requires_grad_()
    made = answer(torch.optim.LBFGS([image]), image, lambda x: x.square().sum())
    if not callable(made):
        answer.reject(
            "called-too-early", "your function returned something that cannot be called",
            "The optimiser will call the closure later, and often. Return the function itself, "
            "without calling it.",
        )  # fmt: skip
    answer.through(_called).compare(
        partial(_called, _closure), [(outside, lowest)], mistakes=CLOSURE,
        otherwise="Write down, in order, what has to happen each time the optimiser calls your "
        "closure. Then compare with your code, line by line.",
    )  # fmt: skip


# 2 A history by evaluation

STEPS = (2, 1)
"""Calls of .step() in each run: enough to see whether the optimiser remembers the first."""


def _walk(
    loss_of: Loss, start: Tensor, steps: int, *, line_search: str | None = "strong_wolfe",
    make: Callable[..., Any] = _closure, fresh: bool = False, between: bool = False,
    by_step: bool = False,
) -> tuple[Tensor, list[float]]:  # fmt: skip
    """The right run of L-BFGS, not yet clipped; the options make it a wrong one."""
    image, history, firsts = start.clone().requires_grad_(), [], []

    def remembered(picture: Tensor) -> Tensor:
        loss = loss_of(picture)
        history.append(loss.item())
        return loss

    def begin() -> torch.optim.Optimizer:
        return torch.optim.LBFGS([image], line_search_fn=line_search)

    optimizer = begin()
    for _ in range(steps):
        optimizer = begin() if fresh else optimizer
        firsts.append(optimizer.step(make(optimizer, image, remembered)).item())
        if between:
            image.data.clamp_(0, 1)
    return image.detach(), firsts if by_step else history


def _clipped(*case: Any, **changes: Any) -> tuple[Tensor, list[float]]:
    image, history = _walk(*case, **changes)
    return image.clamp(0, 1), history


def _wrong_walk(**changes: Any) -> Callable[..., Any]:
    return partial(_clipped, **changes)


def _with(closure: str) -> dict[str, Any]:
    return {"make": partial(_closure, clamp=closure)}


def _start_and_history(loss_of: Loss, start: Tensor, steps: int) -> tuple[Tensor, list[float]]:
    return start, _walk(loss_of, start, steps)[1]


def _unmoved(loss_of: Loss, start: Tensor, steps: int) -> tuple[Tensor, list[float]]:
    return start, [loss_of(start).item()] * steps


def _one_more(loss_of: Loss, start: Tensor, steps: int) -> tuple[Tensor, list[float]]:
    image, history = _clipped(loss_of, start, steps)
    return image, [*history, loss_of(image).item()]


DESCEND = (
    Mistake(
        "network-optimised", _unmoved,
        "Neither the loss nor the image changes. Is there a backward pass, and does it reach the "
        "image? And what did you give to the optimiser: the weights of a network, or the one "
        "tensor that should change?",
    ),
    Mistake(
        "start-returned", _start_and_history,
        "The losses are right, but you return the initial image. Which tensor has the optimiser "
        "changed?",
    ),
    Mistake(
        "history-by-step", _wrong_walk(by_step=True),
        "You record one loss for each call of .step(), but the optimiser made many more "
        "evaluations. Which part of your code runs at every one of them?",
    ),
    Mistake("history-too-long", _one_more, "The optimiser did not ask for the last loss in your "
                                           "history."),
    Mistake("gradients-pile-up", _wrong_walk(make=partial(_closure, forget=False)), PILE_UP),
    Mistake("clamp-in-closure", _wrong_walk(**_with("picture")), BEHIND_ITS_BACK),
    Mistake("clamp-in-closure", partial(_walk, **_with("picture")), BEHIND_ITS_BACK),
    Mistake("clamp-in-graph", _wrong_walk(**_with("graph")), EDGES),
    Mistake("clamp-in-graph", partial(_walk, **_with("graph")), EDGES),
    Mistake(
        "clamped-between-steps", _wrong_walk(between=True),
        "The optimiser uses its last step again in the next call of .step(), and you have moved "
        "the image in between. When does clipping do no harm?",
    ),
    Mistake(
        "not-clipped", _walk,
        "Print the smallest and the largest value of your image. An image file cannot store these.",
    ),
    Mistake(
        "no-line-search", _wrong_walk(line_search=None),
        "The loss falls, but no line search checks the steps. Which option does the task ask for?",
    ),
    Mistake(
        "memory-thrown-away", _wrong_walk(fresh=True),
        "The first call of .step() is right. By the second your optimiser has lost everything it "
        "had learned. How many optimisers do you create?",
    ),
    Mistake(
        "one-step-only", lambda loss_of, start, steps: _clipped(loss_of, start, 1),
        "One call of .step() makes at most twenty iterations. How many calls does the task ask "
        "for?",
    ),
)  # fmt: skip


@task("A history by evaluation", points=2, reread=(CHAPTER, "What an optimiser asks for"))
def descend(answer: Answer) -> None:
    """`descend(loss_of, start, steps)`: the image and the loss of every evaluation."""
    cases = {f"steps = {steps}": (*_valley(answer.inputs), steps) for steps in STEPS}
    must_be_a_walk(answer, answer(*next(iter(cases.values()))))
    answer.compare(
        _clipped, cases, mistakes=DESCEND,
        otherwise="Call your closure by hand, and compare the first two losses with those in your "
        "history.",
    )  # fmt: skip


# 3 Adam inside [0, 1]

ADAM = ((30, 0.1), (20, 0.04))
"""Steps and learning rate of each run: long enough for pixels to reach an edge and to leave it."""


def _inside(
    loss_of: Loss, start: Tensor, steps: int, rate: float, *, first: str = "", last: str = "clamp",
    end: str = "", in_graph: bool = False, forget: bool = True,
) -> tuple[Tensor, list[float]]:  # fmt: skip
    """The right run of Adam; `first` and `last` say what happens before and after each step."""
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=rate)
    history = []
    for _ in range(steps):
        _tidy(image, first)
        if forget:
            adam.zero_grad()
        loss = loss_of(image.clamp(0, 1) if in_graph else image)
        loss.backward()
        if last == "gradient" and image.grad is not None:
            image.grad.clamp_(0, 1)
        adam.step()
        _tidy(image, last)
        history.append(loss.item())
    _tidy(image, end)
    return image.detach(), history


def _tidy(image: Tensor, how: str) -> None:
    if how == "clamp":
        image.data.clamp_(0, 1)
    if how == "stretch":
        image.data.sub_(image.data.min()).div_(image.data.max())


def _lost(loss_of: Loss, start: Tensor, steps: int, rate: float) -> tuple[Tensor, list[float]]:
    """The optimiser goes on moving a tensor that nobody looks at."""
    image, first = _inside(loss_of, start, 1, rate)
    return image, [*first, *[loss_of(image).item()] * (steps - 1)]


def _late(loss_of: Loss, start: Tensor, steps: int, rate: float) -> tuple[Tensor, list[float]]:
    image, history = _inside(loss_of, start, steps, rate)
    return image, [*history[1:], loss_of(image).item()]


NOT_SHOWN = (
    "On the way, your image has values outside [0, 1], and the losses in your history belong to "
    "such images. After which line does a value first leave the range?"
)
WHOSE_LIMITS = "It is the image that has to stay in [0, 1]. Does a gradient have such a range?"


def _wrong_inside(**changes: Any) -> Callable[..., Any]:
    return partial(_inside, **changes)


def _standing(loss_of: Loss, start: Tensor, steps: int, rate: float) -> tuple[Tensor, list[float]]:
    return start, [loss_of(start).item()] * steps


INSIDE = (
    Mistake(
        "never-moved", _standing,
        "The loss never changes, so the image does not either. Which call moves the image, and "
        "which call tells it in which direction?",
    ),
    Mistake("never-clamped", _wrong_inside(last=""), NOT_SHOWN),
    Mistake("clamped-at-the-end", _wrong_inside(last="", end="clamp"), NOT_SHOWN),
    Mistake(
        "last-step-free", _wrong_inside(first="clamp", last=""),
        "Your history is right, but your image is not. What brings it back into [0, 1] after the "
        "last step?",
    ),
    Mistake("clamp-in-graph", _wrong_inside(last="", in_graph=True), EDGES),
    Mistake("clamp-in-graph", _wrong_inside(last="", end="clamp", in_graph=True), EDGES),
    Mistake(
        "lost-track", _lost,
        "After the first step the image no longer changes, although the optimiser is still "
        "working on a tensor. Is it the one that you look at? An assignment with = may give the "
        "name to a new tensor.",
    ),
    Mistake("gradient-clipped", _wrong_inside(last="gradient"), WHOSE_LIMITS),
    Mistake("gradient-clipped", _wrong_inside(last="gradient", end="clamp"), WHOSE_LIMITS),
    Mistake(
        "stretched", _wrong_inside(last="stretch"),
        "Your image fills [0, 1], but each step changes the brightness of all of it. A value "
        "inside the range should stay as it is.",
    ),
    Mistake("gradients-pile-up", _wrong_inside(forget=False), PILE_UP),
    Mistake(
        "history-one-late", _late,
        "Your history begins with the loss after the first step. It should begin with that of the "
        "initial image.",
    ),
)  # fmt: skip


@task("Adam inside [0, 1]", points=2, reread=(CHAPTER, "Clamping in the closure"))
def stay_inside(answer: Answer) -> None:
    """`stay_inside(loss_of, start, steps, learning_rate)`: the image and the history."""
    cases = {
        f"{steps} steps with a learning rate of {rate}": (*_valley(answer.inputs), steps, rate)
        for steps, rate in ADAM
    }
    must_be_a_walk(answer, answer(*next(iter(cases.values()))))
    answer.compare(
        _inside, cases, mistakes=INSIDE,
        otherwise="Print the smallest and the largest value of the image after each line of your "
        "loop.",
    )  # fmt: skip


# 4 The better run

ONE, OTHER = "one", "other"
History = list[float]


def _better(one: History, other: History) -> str:
    budget = min(len(one), len(other))
    return ONE if min(one[:budget]) < min(other[:budget]) else OTHER


def _fall(inputs: Inputs, length: int, pace: float, floor: float) -> History:
    """A run from 1 to about `floor`; the smaller the pace, the sooner. With some jitter."""
    jitter = torch.rand(length, generator=inputs.generator).tolist()
    smooth = (floor + (1 - floor) * math.exp(-k / (pace * length)) for k in range(length))
    return [value * (1 + 0.01 * shake) for value, shake in zip(smooth, jitter, strict=True)]


def _races(inputs: Inputs) -> list[tuple[History, History]]:
    """The better run first. Each race misleads another way of judging."""
    short = 20 + 5 * inputs.sides(1)[0]
    long = 3 * short
    spiked = _fall(inputs, short, 0.1, 0.2)
    spiked[-1] = 3.0
    return [
        (_fall(inputs, short, 0.1, 0.3), _fall(inputs, long, 0.5, 0.01)),  # the other ends lower
        (spiked, _fall(inputs, short, 0.1, 0.4)),  # a spike at the last moment
        (
            _fall(inputs, long, 0.02, 0.1),
            _fall(inputs, short, 0.1, 0.3),
        ),  # the longer one is better
        (_fall(inputs, short, 0.2, 0.05), _fall(inputs, short, 0.01, 0.15)),  # slow, then lower
    ]


def _by(measure: Callable[[History, int], float], sign: int = 1) -> Callable[..., str]:
    """The run for which a measure, given the shorter run's length, is the smaller."""

    def judged(one: History, other: History) -> str:
        budget = min(len(one), len(other))
        return ONE if sign * measure(one, budget) < sign * measure(other, budget) else OTHER

    return judged


NO_COMPARISON = "You give the same answer for every pair of runs."

BETTER = (
    Mistake(
        "ends-compared", _by(lambda run, _: run[-1]),
        "One of the runs had more evaluations. How low was it when the shorter run ended?",
    ),
    Mistake(
        "minima-compared", _by(lambda run, _: min(run)),
        "One of the runs had more evaluations. How low was it when the shorter run ended?",
    ),
    Mistake(
        "spike-believed", _by(lambda run, budget: run[budget - 1]),
        "A loss may jump at the last evaluation. Which image of the run would you have saved?",
    ),
    Mistake(
        "averages-compared", _by(lambda run, budget: sum(run[:budget]) / budget),
        "An average rewards a run that falls early. What counts is the best image within the "
        "budget.",
    ),
    Mistake(
        "shorter-wins", _by(lambda run, _: len(run)),
        "You compare the lengths of the runs. How low did each get?",
    ),
    Mistake(
        "higher-wins", _by(lambda run, budget: min(run[:budget]), sign=-1),
        "The run that you choose has the higher loss.",
    ),
    Mistake("always-the-same", lambda one, other: ONE, NO_COMPARISON),
    Mistake("always-the-same", lambda one, other: OTHER, NO_COMPARISON),
)  # fmt: skip


@task("The better run", points=1, reread=(CHAPTER, "The race"))
def better_run(answer: Answer) -> None:
    """`better_run(one, other)`: "one" or "other", of two histories by evaluation."""
    races = _races(answer.inputs)
    cases = [pair for good, bad in races for pair in ((good, bad), (bad, good))]
    _must_be_one_of(answer, (ONE, OTHER), answer(*cases[0]))
    answer.compare(
        _better, cases, mistakes=BETTER,
        otherwise="Draw both curves on paper, with a vertical line where the shorter one ends.",
    )  # fmt: skip


def _must_be_one_of(answer: Answer, names: Sequence[str], said: Any) -> None:
    if said not in names:
        answer.reject(
            "not-a-name", f"your function returned {said!r:.40}",
            f"Return one of these names, spelt exactly so: {', '.join(map(repr, names))}.",
        )  # fmt: skip


# 5 A diagnosis

DIAGNOSES = ("diverged", "crawling", "converged", "falling")
"""What may be said of a run."""

UNITS = (1e-9, 1e9)
"""The same run in other units of the loss: chapter 5 shows how far tutorials are apart."""


def _shape(inputs: Inputs, curve: Callable[[float], float]) -> History:
    """A curve over 0..1 as a history of some length."""
    length = 40 + 4 * inputs.sides(1)[0]
    return [curve(k / (length - 1)) for k in range(length)]


def _runs(inputs: Inputs) -> dict[str, tuple[str, History]]:
    """What each run is, by a name that says what is special about it."""
    converging = _shape(inputs, lambda u: 0.2 + 0.8 * math.exp(-30 * u))
    spiked = list(converging)
    spiked[len(spiked) // 3] = 40.0
    return {
        "fall": ("falling", _shape(inputs, lambda u: 1 - 0.7 * u)),
        "flat end": ("converged", converging),
        "settled after the middle": ("converged", _shape(inputs, lambda u: 1 - min(u, 0.65))),
        "settled just in time": ("converged", _shape(inputs, lambda u: 1 - min(u, 0.72))),
        "settled late": ("converged", _shape(inputs, lambda u: math.exp(-7.1 * u))),
        "still falling": ("falling", _shape(inputs, lambda u: math.exp(-2.5 * u))),
        "late fall": ("falling", _shape(inputs, lambda u: 1 - max(u - 0.5, 0))),
        "late step": ("falling", _shape(inputs, lambda u: 1.0 if u < 0.77 else 0.4)),
        "fall of an eighth": ("falling", _shape(inputs, lambda u: 1 - 0.125 * u)),
        "crawl": ("crawling", _shape(inputs, lambda u: 1 - 0.04 * u)),
        "standstill": ("crawling", _shape(inputs, lambda u: 1.0)),
        "rise": ("diverged", _shape(inputs, lambda u: 1 + 5 * u)),
        "high plateau": ("diverged", _shape(inputs, lambda u: 3 - 2 * math.exp(-30 * u))),
        "spike": ("converged", spiked),
        "fall at once": ("converged", [2.0, *_shape(inputs, lambda u: 1.0)]),
        "jump at the end": ("diverged", [*converging[:-1], 3.0]),
        "nan": ("diverged", [*converging[:-3], math.nan, math.nan, math.nan]),
        "inf": ("diverged", [*converging[:-2], 1e30, math.inf]),
    }


CONFUSED: dict[tuple[str, str], tuple[str, str]] = {
    ("nan", ""): (
        "nan-missed",
        "This run ends with nan. What does Python return for nan > 1, and for nan < 1? What does "
        "your function do with these results?",
    ),
    ("spike", "diverged"): (
        "spike-feared",
        "This run jumped above its first loss once and recovered. Where does it end?",
    ),
    ("crawl", "converged"): (
        "crawling-taken-for-converged",
        "The last quarter of this run is nearly flat, and so is the rest. How far has it fallen "
        "altogether?",
    ),
    ("standstill", "converged"): (
        "crawling-taken-for-converged",
        "The last quarter of this run is flat, and so is the rest. How far has it fallen "
        "altogether?",
    ),
    ("crawl", "falling"): (
        "crawling-taken-for-falling",
        "This run is falling, but slowly. By what fraction of its first loss has it fallen "
        "altogether?",
    ),
    ("flat end", "falling"): (
        "converged-taken-for-falling",
        "This run has fallen a long way. How much of the fall happened in the last quarter?",
    ),
    ("settled after the middle", "falling"): (
        "converged-taken-for-falling",
        "This run fell until it was well past its middle, and no more after that. How much of the "
        "fall happened in the last quarter?",
    ),
    ("settled just in time", "falling"): (
        "converged-taken-for-falling",
        "This run fell until shortly before the last quarter began, and no more after that. With "
        "which entry of the history does the last quarter begin?",
    ),
    ("late step", "converged"): (
        "falling-taken-for-converged",
        "This run fell in one step, shortly after the last quarter had begun. With which entry of "
        "the history does the last quarter begin?",
    ),
    ("settled late", "falling"): (
        "converged-taken-for-falling",
        "This run has fallen a long way. How much of the fall happened in the last quarter?",
    ),
    ("still falling", "converged"): (
        "falling-taken-for-converged",
        "This run has fallen a long way. How much of the fall happened in the last quarter, "
        "compared with the whole fall?",
    ),
    ("late fall", "crawling"): (
        "late-fall-missed",
        "This run stood still for half its length, and then fell. By what fraction of its first "
        "loss has it fallen altogether?",
    ),
    ("fall of an eighth", "crawling"): (
        "falling-taken-for-crawling",
        "By what fraction of its first loss has this run fallen? Is that less than a tenth?",
    ),
    ("fall at once", "crawling"): (
        "first-loss-missed",
        "This run fell by half in its first step, and no more after that. Which loss do you take "
        "for the first?",
    ),
    ("jump at the end", ""): (
        "last-loss-missed",
        "The last loss of this run is above its first one. Which loss do you take for the last?",
    ),
    ("fall", "converged"): (
        "falling-taken-for-converged",
        "This run has fallen a long way. How much of the fall happened in the last quarter? Would "
        "more steps help?",
    ),
    ("high plateau", "converged"): (
        "rise-missed",
        "The end of this run is flat. Compare its last loss with the first.",
    ),
    ("rise", ""): ("rise-missed", "Compare the last loss with the first."),
    ("high plateau", ""): ("rise-missed", "Compare the last loss with the first."),
}
"""The run, what was said of it (or anything else that is wrong): the mistake, and a hint."""

OTHERWISE = ("wrong-diagnosis", "Work through the four rules for this run with pencil and paper.")


@task("A diagnosis", points=2, reread=(CHAPTER, "The clinic"))
def diagnose(answer: Answer) -> None:
    """`diagnose(history)`: "diverged", "crawling", "converged" or "falling"."""
    runs = _runs(answer.inputs)
    said = {name: _said(answer, history) for name, (_, history) in runs.items()}
    if len(set(said.values())) == 1:
        answer.reject(
            "always-the-same", f"you call every run {said['fall']!r}",
            "For two different runs, print the first loss, the last one and the one after three "
            "quarters.",
        )  # fmt: skip
    for name, (right, history) in runs.items():
        if said[name] != right:
            _reject_diagnosis(answer, name, history, said[name], right)
        for unit in UNITS:
            _same_in(answer, unit, history, right)


def _said(answer: Answer, history: History) -> str:
    diagnosis: str = answer(list(history))
    _must_be_one_of(answer, DIAGNOSES, diagnosis)
    return diagnosis


def _reject_diagnosis(answer: Answer, name: str, history: History, said: str, right: str) -> None:
    known = CONFUSED.get((name, said)) or CONFUSED.get((name, "")) or OTHERWISE
    quarter = history[-len(history) // 4]
    seen = (
        f"a run that begins at {history[0]:.3g}, is at {quarter:.3g} after three quarters and "
        f"ends at {history[-1]:.3g}: your diagnosis is {said!r}; expected {right!r}"
    )
    answer.reject(known[0], seen, known[1])


def _same_in(answer: Answer, unit: float, history: History, right: str) -> None:
    said = _said(answer, [unit * loss for loss in history])
    if said != right:
        answer.reject(
            "absolute-threshold",
            f"a run that you called {right!r} is {said!r} when all its losses are multiplied by "
            f"{unit:g}",
            "Only the unit has changed. Which number in your function has a unit? Compare losses "
            "of the run with each other instead.",
        )  # fmt: skip


# 6 The two loops


def _by_matrix(gradient: Tensor, pairs: Pairs) -> Tensor:
    """The direction by the formula of BFGS, with the whole matrix: it knows no loops."""
    kept = [(s.double().flatten(), y.double().flatten()) for s, y in pairs]
    kept = [(s, y) for s, y in kept if s @ y > 0]
    eye = torch.eye(gradient.numel(), dtype=torch.float64)
    inverse = eye * _scale(*kept[-1]) if kept else eye
    for s, y in kept:
        left = eye - torch.outer(s, y) / (y @ s)
        inverse = left @ inverse @ left.T + torch.outer(s, s) / (y @ s)
    return -(inverse @ gradient.double().flatten()).view_as(gradient).to(gradient.dtype)


def _scale(s: Tensor, y: Tensor) -> Tensor:
    return (s @ y) / (y @ y)


def _two_loops(
    gradient: Tensor, pairs: Pairs, *, sign: int = -1, keep: bool = True, newest: int = -1,
    scale: Callable[[Tensor, Tensor], Any] = _scale, down: Callable[..., Any] = reversed,
    up: Callable[..., Any] = iter, back: int = -1, swap: bool = False, second: bool = True,
    seen_by_the_turn: bool = False,
) -> Tensor:  # fmt: skip
    """The recursion; the options make it a wrong one."""
    known = [(s.flatten(), y.flatten()) for s, y in pairs]
    kept = [(s, y) for s, y in known if s @ y > 0 or not keep]
    kept = [(y, s) for s, y in kept] if swap else kept
    q, found = gradient.flatten().clone(), {}
    for k, (s, y) in down(list(enumerate(kept))):
        found[k] = (s @ q) / (y @ s)
        q = q - found[k] * y
    turn = known if seen_by_the_turn else kept
    q = q * scale(*turn[newest]) if turn else q
    for k, (s, y) in up(list(enumerate(kept))) if second else ():
        q = q + (found[k] + back * (y @ q) / (y @ s)) * s
    return sign * q.view_as(gradient)


def _wrong_loops(**changes: Any) -> Callable[..., Tensor]:
    return partial(_two_loops, **changes)


def _straight_down(gradient: Tensor, pairs: Pairs) -> Tensor:
    return -gradient


TURN = (
    "Try the gradient (0, 1) and one pair, s = (0.1, 0) and y = (1, 0). The pair says that the "
    "curvature is 10. Neither loop changes this gradient, so only the scaling between them does: "
    "does it make the step longer or shorter than the gradient?"
)

DIRECTION = (
    Mistake(
        "uphill", _wrong_loops(sign=1),
        "Take a short step along your direction. Does the loss rise or fall?",
    ),
    Mistake(
        "curvature-ignored", _straight_down,
        "That is the direction of steepest descent. What do the pairs contribute?",
    ),
    Mistake(
        "bad-pair-kept", _wrong_loops(keep=False),
        "One of the pairs has negative curvature along its step, and you have used it. By which "
        "single number do you recognise such a pair?",
    ),
    Mistake("scale-missing", _wrong_loops(scale=lambda s, y: 1.0), TURN),
    Mistake("scale-upside-down", _wrong_loops(scale=lambda s, y: (y @ y) / (s @ y)), TURN),
    Mistake(
        "scale-of-another-pair", _wrong_loops(newest=0),
        "With one pair you are right. With several, which of them describes the curvature near "
        "the current image best?",
    ),
    Mistake(
        "scale-of-a-bad-pair",
        _wrong_loops(seen_by_the_turn=True),
        "Both loops ignore the pairs with negative curvature. The scaling between the loops does "
        "not.",
    ),
    Mistake(
        "first-loop-forwards", _wrong_loops(down=iter),
        "With one pair you are right. In which order does the first loop go through the pairs?",
    ),
    Mistake(
        "second-loop-backwards", _wrong_loops(up=reversed),
        "With one pair you are right. In which order does the second loop go through the pairs?",
    ),
    Mistake(
        "loops-exchanged", _wrong_loops(down=iter, up=reversed),
        "With one pair you are right. Which pair comes first in the first loop, and which in the "
        "second?",
    ),
    Mistake(
        "wrong-sign-on-the-way-back", _wrong_loops(back=1),
        "Try the gradient (0, 1) and one pair, s = (1, 0) and y = (1, 1). The direction should be "
        "(0.5, −0.5). Follow the numbers through the second loop.",
    ),
    Mistake(
        "s-and-y-swapped", _wrong_loops(swap=True),
        "Which of the two is the step, and which is the change of the gradient? Try one pair, "
        "with y itself as the gradient: the direction must be exactly −s.",
    ),
    Mistake(
        "second-loop-missing", _wrong_loops(second=False),
        "The numbers that the first loop stores are never used. What are they for?",
    ),
)  # fmt: skip


@task("The two loops", points=3, reread=(CHAPTER, "Learning the curvature from two gradients"))
def direction(answer: Answer) -> None:
    """`direction(gradient, pairs)`: the search direction of L-BFGS, from pairs (s, y)."""
    double, single = torch.float64, torch.float32
    cases = [
        _memory(answer.inputs, "", double),
        _memory(answer.inputs, "g", double),
        _memory(answer.inputs, "gggg", double),
        _memory(answer.inputs, "ggg", single),
        _memory(answer.inputs, "gbggb", double),
    ]
    answer.compare(
        _by_matrix, cases, mistakes=DIRECTION,
        otherwise="Begin with a single pair and y itself as the gradient: the direction must be "
        "exactly −s. Then try the gradient (0, 1) with s = (1, 0) and y = (1, 1), where "
        "it is (0.5, −0.5), and finally two pairs by hand.",
    )  # fmt: skip


STEP_LENGTH = 0.01
"""Size of a step's numbers. The curvature along it is then far below 1, which is no limit."""

ACROSS = 2.0
"""How far the change of the gradient points away from its step: some pixels have the other sign."""


def _memory(inputs: Inputs, kinds: str, dtype: torch.dtype) -> tuple[Tensor, list[Any]]:
    """A gradient, and a good (g) or a bad (b) pair for each letter, oldest first."""
    shape = (1, 3, *inputs.sides())
    steep = 0.5 + 4 * torch.rand(shape, generator=inputs.generator).to(dtype)
    pairs = []
    for kind in kinds:
        step, across = inputs.normal(*shape, dtype=dtype), inputs.normal(*shape, dtype=dtype)
        across = across - step * (step * across).sum() / step.square().sum()
        change = steep * step + ACROSS * across
        pairs.append((STEP_LENGTH * step, STEP_LENGTH * (change if kind == "g" else -change)))
    return inputs.normal(*shape, dtype=dtype), pairs
