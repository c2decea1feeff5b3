"""Checks of exercise 3: the content loss, its gradient, and a photograph from noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nst_teach import losses
from nst_teach.networks import FeatureNetwork
from nst_teach_checks._core import Answer, Mistake, task
from nst_teach_checks._oracles import by_nudges
from nst_teach_checks._walks import must_be_a_walk

__all__ = [
    "content_loss",
    "content_target",
    "descend",
    "gradient_at_features",
    "gradient_before_relu",
]

CHAPTER = "03_content_loss"

KINDS = ((1, torch.float32), (2, torch.float32), (1, torch.float64))
"""One picture, a batch, and double precision."""

KINK = 0.01
"""Values before a ReLU keep this far from 0, so that no nudge crosses it."""

RUNS = ((12, 0.05), (3, 0.01))
"""Steps and learning rate: in the first run pixels leave [0, 1]."""


def _features_and_targets(answer: Answer) -> list[list[Tensor]]:
    return [answer.inputs.features(2, batch, dtype) for batch, dtype in KINDS]


# 1 The loss

HALF = (
    "Take one filter at one position, with F = 3 and P = 1. What does the formula give, and what "
    "does your function return?"
)
SUM = (
    "Put the same image into the batch twice. By what factor should the loss grow, and by what "
    "factor does yours?"
)

CONTENT_LOSS = (
    Mistake("half-missing", lambda f, p: (f - p).square().sum(), HALF),
    Mistake("mean-for-sum", lambda f, p: 0.5 * (f - p).square().mean(), SUM),
    Mistake("mean-for-sum", lambda f, p: (f - p).square().mean(), SUM),
    Mistake("mean-for-sum", lambda f, p: 0.5 * (f - p).square().sum() / f.shape[0], SUM),
    Mistake(
        "absolute-for-squared",
        lambda f, p: 0.5 * (f - p).abs().sum(),
        "Double the difference F − P. By what factor should the loss grow, and by what factor "
        "does yours?",
    ),
    Mistake(
        "root-taken",
        lambda f, p: 0.5 * (f - p).norm(),
        "Double the difference F − P. By what factor should the loss grow, and by what factor "
        "does yours?",
    ),
    Mistake(
        "root-taken",
        lambda f, p: (f - p).norm(),
        "Double the difference F − P. By what factor should the loss grow, and by what factor "
        "does yours?",
    ),
    Mistake(
        "not-squared",
        lambda f, p: 0.5 * (f - p).sum(),
        "Your loss can be negative: positive and negative differences cancel.",
    ),
    Mistake(
        "squared-too-late",
        lambda f, p: 0.5 * (f - p).sum().square(),
        "Try F = (1, 0) and P = (0, 1). They differ, but your loss is 0.",
    ),
    Mistake(
        "difference-of-squares",
        lambda f, p: 0.5 * (f.square() - p.square()).sum(),
        "Try F = 1 and P = −1. They differ, but your loss is 0.",
    ),
    Mistake(
        "not-summed",
        lambda f, p: 0.5 * (f - p).square(),
        "You return one number for each feature. The loss is a single number.",
    ),
    Mistake(
        "not-summed",
        lambda f, p: 0.5 * (f - p).square().sum(dim=(1, 2, 3)),
        "You return one number for each image of the batch. The loss is a single number.",
    ),
)


@task("The content loss", points=1, reread=(CHAPTER, "The formula"))
def content_loss(answer: Answer) -> None:
    """`content_loss(features, target)`: a single number, as in the formula."""
    cases = _features_and_targets(answer)
    answer.compare(losses.content_loss, cases, mistakes=CONTENT_LOSS, otherwise=HALF)
    answer.gradients(losses.content_loss, cases[0])


# 2 Its gradient with respect to the features


def _slope_at_features(features: Tensor, target: Tensor) -> Tensor:
    return by_nudges(lambda f: losses.content_loss(f, target.double()), features)


INNER = (
    "Change one feature by 0.01. How much does the loss change, and what does your derivative "
    "predict?"
)
ONE_EACH = "A gradient has one number for each feature: how fast the loss changes with it."

SUM_OF_EACH = (
    "Put the same image into the batch twice. The derivatives for the first copy should stay the "
    "same. Do yours?"
)

AT_FEATURES = (
    Mistake("half-forgotten", lambda f, p: 2 * (f - p), INNER),
    Mistake("half-kept", lambda f, p: 0.5 * (f - p), INNER),
    Mistake("mean-for-sum", lambda f, p: (f - p) / f.numel(), SUM_OF_EACH),
    Mistake("mean-for-sum", lambda f, p: 2 * (f - p) / f.numel(), SUM_OF_EACH),
    Mistake(
        "wrong-sign",
        lambda f, p: p - f,
        "Take a feature that is too large. If it grows, does the loss rise or fall?",
    ),
    Mistake(
        "size-lost",
        lambda f, p: (f - p).sign(),
        "A feature that is far from its target should have a larger derivative than one that is "
        "nearly right.",
    ),
    Mistake(
        "absolute",
        lambda f, p: (f - p).abs(),
        "None of your derivatives is negative. What should the sign be where a feature is too "
        "small?",
    ),
    Mistake("loss-for-gradient", lambda f, p: 0.5 * (f - p).square(), ONE_EACH),
    Mistake("loss-for-gradient", losses.content_loss, ONE_EACH),
    Mistake(
        "masked-too-early",
        lambda f, p: (f - p) * (f > 0),
        "These are the features themselves, after the ReLU. The loss depends on a feature that is "
        "0 just as on any other.",
    ),
)


@task(
    "The gradient with respect to the features", points=2, reread=(CHAPTER, "The gradient by hand")
)
def gradient_at_features(answer: Answer) -> None:
    """`gradient_at_features(features, target)`: the derivative with respect to each feature."""
    cases = _features_and_targets(answer)
    answer.compare(_slope_at_features, cases, mistakes=AT_FEATURES, otherwise=INNER)


# 3 Its gradient before the ReLU


def _slope_before_relu(z: Tensor, target: Tensor) -> Tensor:
    return by_nudges(lambda values: losses.content_loss(values.relu(), target.double()), z)


STUCK = "Change a value that is well below 0 a little. Does the loss change at all?"

BEFORE_RELU = (
    Mistake("not-masked", lambda z, p: z.relu() - p, STUCK),
    Mistake(
        "relu-forgotten",
        lambda z, p: z - p,
        "The loss compares the output of the ReLU. What is the output for z = −2?",
    ),
    Mistake(
        "masked-by-target",
        lambda z, p: (z.relu() - p) * (p > 0),
        "Your mask depends on where the photograph's features are 0. Which ReLU does a change of "
        "z have to pass through?",
    ),
    Mistake(
        "masked-by-difference",
        lambda z, p: (z.relu() - p).relu(),
        "Where a feature is too small your gradient is 0, although the loss would fall if the "
        "feature grew.",
    ),
    Mistake(
        "mask-turned-round",
        lambda z, p: (z.relu() - p) * (z <= 0),
        STUCK,
    ),
    Mistake("mask-alone", lambda z, p: (z > 0).to(z), INNER),
    Mistake("half-forgotten", lambda z, p: 2 * (z - p) * (z > 0), INNER),
    Mistake("half-kept", lambda z, p: 0.5 * (z - p) * (z > 0), INNER),
    Mistake(
        "wrong-sign",
        lambda z, p: (p - z) * (z > 0),
        "Take a feature that is too large. If it grows, does the loss rise or fall?",
    ),
)


@task("The gradient before the ReLU", points=2, reread=(CHAPTER, "The gradient by hand"))
def gradient_before_relu(answer: Answer) -> None:
    """`gradient_before_relu(z, target)`: the derivative with respect to each value of z."""
    cases = [(_off_the_kink(answer, target), target) for _, target in _features_and_targets(answer)]
    answer.compare(_slope_before_relu, cases, mistakes=BEFORE_RELU, otherwise=STUCK)


def _off_the_kink(answer: Answer, like: Tensor) -> Tensor:
    z = answer.inputs.normal(*like.shape, dtype=like.dtype)
    return torch.where(z.abs() < KINK, z.new_tensor(KINK), z)


# 4 A fixed target


def _layer_of(network: FeatureNetwork, photo: Tensor, layer: str) -> Tensor:
    features: dict[str, Tensor] = network(photo, layer)
    return features[layer].detach()


WATCHED = (
    "Print .requires_grad of your target. The photograph may also be the image that is optimised, "
    "and then a gradient would flow through the target as well. How do you take a tensor out of "
    "the graph?"
)

TARGET = (
    Mistake(
        "conv-for-relu",
        lambda network, photo, layer: _layer_of(network, photo, layer.replace("relu", "conv")),
        "Some of your features are negative. Is that possible after a ReLU?",
    ),
    Mistake(
        "whole-dictionary",
        lambda network, photo, layer: network(photo, layer),
        "The network returns a dictionary. Which of its entries do you need?",
    ),
    Mistake(
        "photo-for-features",
        lambda network, photo, layer: photo,
        "That is the photograph itself. The loss compares features of one layer.",
    ),
    Mistake(
        "deepest-for-named",
        lambda network, photo, layer: _layer_of(network, photo, network.layers[-1]),
        "These are the features of the network's last layer. Which layer was asked for?",
    ),
    Mistake(
        "spread-out",
        lambda network, photo, layer: _layer_of(network, photo, layer).flatten(2),
        "Keep the rows and columns, because the features of the image will have them too.",
    ),
    Mistake(
        "spread-out",
        lambda network, photo, layer: _layer_of(network, photo, layer).flatten(1),
        "Keep the rows and columns, because the features of the image will have them too.",
    ),
    Mistake(
        "batch-dropped",
        lambda network, photo, layer: _layer_of(network, photo, layer)[0],
        "Keep the batch axis, because the features of the image will have it too.",
    ),
)


@task("A fixed target", points=2, reread=(CHAPTER, "The photograph out of noise"))
def content_target(answer: Answer) -> None:
    """`content_target(network, photo, layer)`: the features, detached from the graph."""
    network = answer.inputs.network(torch.float32)
    photos = [answer.inputs.picture().requires_grad_() for _ in range(2)]
    cases = list(zip((network, network), photos, ("relu2_1", "relu1_2"), strict=True))
    targets = answer.compare(_layer_of, cases, mistakes=TARGET)
    if any(target.grad_fn is not None for target in targets):
        answer.reject("target-not-detached", "your target still depends on the photograph", WATCHED)
    if any(target.requires_grad for target in targets):
        answer.reject(
            "target-wants-a-gradient", "your target is detached, but it requires a gradient",
            "The target never changes, so nothing needs its gradient. Which line asks for one?",
        )  # fmt: skip


# 5 The descent


def _walk(
    loss_of: Callable[[Tensor], Tensor], start: Tensor, steps: int, learning_rate: float,
    *, optimizer: Any = torch.optim.Adam, forget: bool = True, sign: float = 1.0,
    clip: bool = False,
) -> tuple[Tensor, list[float]]:  # fmt: skip
    """The right descent; the options make it a wrong one."""
    image = start.clone().requires_grad_()
    stepper = optimizer([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        if forget:
            stepper.zero_grad()
        loss = loss_of(image)
        (sign * loss).backward()
        stepper.step()
        if clip:
            image.data.clamp_(0, 1)
        history.append(loss.item())
    return image.detach(), history


def _late(loss_of: Any, start: Tensor, steps: int, rate: float) -> tuple[Tensor, list[float]]:
    image, history = _walk(loss_of, start, steps, rate)
    return image, [*history[1:], loss_of(image).item()]


def _longer(loss_of: Any, start: Tensor, steps: int, rate: float) -> tuple[Tensor, list[float]]:
    image, history = _walk(loss_of, start, steps, rate)
    return image, [*history, loss_of(image).item()]


def _frozen(loss_of: Any, start: Tensor, steps: int, rate: float) -> tuple[Tensor, list[float]]:
    return start, [loss_of(start).item()] * steps


def _best_of_pair(loss_of: Any, start: Tensor, steps: int, rate: float) -> Any:
    return start, _walk(loss_of, start, steps, rate)[1]


def _wrong_walk(**changes: Any) -> Callable[..., Any]:
    return lambda loss_of, start, steps, rate: _walk(loss_of, start, steps, rate, **changes)


def _clipped_at_the_end(loss_of: Any, start: Tensor, steps: int, rate: float) -> Any:
    image, history = _walk(loss_of, start, steps, rate)
    return image.clamp(0, 1), history


CLIPPED = (
    "Print the smallest and the largest value of your image. This task leaves the pixels free: "
    "exercise 6 asks what clipping does to a run."
)

DESCEND = (
    Mistake("clipped", _wrong_walk(clip=True), CLIPPED),
    Mistake("clipped", _clipped_at_the_end, CLIPPED),
    Mistake(
        "gradients-pile-up", _wrong_walk(forget=False),
        "The first step is right, but the later ones are not. backward() adds its gradient to "
        "whatever .grad holds already.",
    ),
    Mistake(
        "never-stepped", _frozen,
        "The loss never changes, so the image does not either. Which call moves it, and which call "
        "tells it in which direction?",
    ),
    Mistake(
        "start-returned", _best_of_pair,
        "The losses fall as they should, but you return the initial image. Which tensor did the "
        "optimiser change?",
    ),
    Mistake(
        "sgd-for-adam", _wrong_walk(optimizer=torch.optim.SGD),
        "The loss falls, but not with the optimiser that the task asks for.",
    ),
    Mistake(
        "climbs", _wrong_walk(sign=-1.0),
        "Your loss rises. Does an optimiser follow the gradient or its negative?",
    ),
    Mistake(
        "learning-rate-ignored",
        lambda loss_of, start, steps, _: _walk(loss_of, start, steps, 1e-3),
        "Your steps have the size that Adam's default learning rate gives. Which learning rate did "
        "the caller ask for?",
    ),
    Mistake(
        "history-one-late", _late,
        "Your history begins with the loss after the first step. It should begin with that of the "
        "initial image.",
    ),
    Mistake(
        "history-too-long", _longer,
        "Your history has one loss more than there are steps. Each entry is the loss before its "
        "step.",
    ),
    Mistake(
        "one-step-short",
        lambda loss_of, start, steps, rate: _walk(loss_of, start, steps - 1, rate),
        "Count the iterations of your loop.",
    ),
    Mistake(
        "one-step-too-many",
        lambda loss_of, start, steps, rate: _walk(loss_of, start, steps + 1, rate),
        "Count the iterations of your loop.",
    ),
)  # fmt: skip


@task("From noise to the photograph", points=3, reread=(CHAPTER, "The photograph out of noise"))
def descend(answer: Answer) -> None:
    """`descend(loss_of, start, steps, learning_rate)`: the image and the history."""
    network, layer = answer.inputs.network(), "relu2_1"
    photo = answer.inputs.picture(dtype=torch.float64)
    start = torch.rand(photo.shape, generator=answer.inputs.generator).double()
    target = _layer_of(network, photo, layer)

    def loss_of(image: Tensor) -> Tensor:
        return losses.content_loss(network(image, layer)[layer], target)

    cases = [(loss_of, start, *run) for run in RUNS]
    must_be_a_walk(answer, answer(*cases[0]))
    answer.compare(
        _walk, cases, mistakes=DESCEND, rtol=1e-3,
        otherwise="Print the loss at each step, and work out the first two steps by hand.",
    )  # fmt: skip
