"""Exercise 6, as students answer it."""

from __future__ import annotations

import itertools
import math
from collections import deque

import numpy as np
import torch
from torch import nn

from nst_teach import load_network
from wrong_answers import right, wrong

# make_closure


@right("make_closure")
def by_grad(optimizer, image, loss_of):
    def closure():
        with torch.enable_grad():
            loss = loss_of(image)
            image.grad = torch.autograd.grad(loss, image)[0]
        return loss.detach()

    return closure


@right("make_closure")
class Closure:
    def __call__(self, optimizer, image, loss_of):
        self.optimizer, self.image, self.loss_of = optimizer, image, loss_of
        return self.answer

    def answer(self):
        self.optimizer.zero_grad(set_to_none=False)
        loss = self.loss_of(self.image)
        loss.backward()
        return loss.item()


@right("make_closure")
def cleared_by_hand(optimizer, image, loss_of):
    def closure():
        loss = loss_of(image)
        image.grad = None
        loss.backward()
        return loss

    return closure


@wrong("descend", expects="step-in-closure")
def a_step_in_the_closure(loss_of, start, steps):
    image = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([image], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = loss_of(image)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return image.detach(), []


@wrong("descend", expects="network-optimised")
def without_a_backward_pass(loss_of, start, steps):
    image, history = start.clone().requires_grad_(), []
    optimizer = torch.optim.LBFGS([image], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = loss_of(image)
        history.append(loss.item())
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return image.detach().clamp(0, 1), history


@wrong("stay_inside", expects="never-moved")
def adam_without_a_gradient(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        adam.zero_grad()
        history.append(loss_of(image).item())
        adam.step()
    return image.detach(), history


def _judge_by(history, reference, least=0.01, crawl=0.1):
    first, last = history[0], history[-1]
    if not last <= first:
        return "diverged"
    if first - last < crawl * first:
        return "crawling"
    return "converged" if reference - last < least * (first - last) else "falling"


@wrong("diagnose", expects="converged-taken-for-falling")
def by_the_second_half(history):
    return _judge_by(history, history[len(history) // 2])


@wrong("diagnose", expects="falling-taken-for-converged")
def a_tenth_in_the_last_quarter(history):
    return _judge_by(history, history[-len(history) // 4], least=0.1)


@wrong("diagnose", expects="late-fall-missed")
def by_the_first_half(history):
    if history[-1] <= history[0] and history[len(history) // 2] > 0.9 * history[0]:
        return "crawling"
    return _judge_by(history, history[-len(history) // 4])


@wrong("diagnose", expects="falling-taken-for-crawling")
def crawls_up_to_a_fifth(history):
    return _judge_by(history, history[-len(history) // 4], crawl=0.2)


@wrong("make_closure", expects="gradients-pile-up")
def never_cleared(optimizer, image, loss_of):
    def closure():
        loss = loss_of(image)
        loss.backward()
        return loss

    return closure


@wrong("make_closure", expects="gradients-pile-up")
def cleared_once(optimizer, image, loss_of):
    optimizer.zero_grad()

    def closure():
        loss = loss_of(image)
        loss.backward()
        return loss

    return closure


@wrong("make_closure", expects="clamp-in-closure")
def clamped_in_place(optimizer, image, loss_of):
    def closure():
        with torch.no_grad():
            image.clamp_(0, 1)
        optimizer.zero_grad()
        loss = loss_of(image)
        loss.backward()
        return loss

    return closure


@wrong("make_closure", expects="clamp-in-graph")
def clamped_for_the_loss(optimizer, image, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(image.clamp(0, 1))
        loss.backward()
        return loss

    return closure


@wrong("make_closure", expects="no-gradient-left")
def no_way_back(optimizer, image, loss_of):
    def closure():
        optimizer.zero_grad()
        return loss_of(image)

    return closure


@wrong("make_closure", expects="no-gradient-left")
def cleared_too_late(optimizer, image, loss_of):
    def closure():
        loss = loss_of(image)
        loss.backward()
        optimizer.zero_grad()
        return loss

    return closure


@wrong("make_closure", expects="no-gradient-left")
def on_a_copy(optimizer, image, loss_of):
    def closure():
        optimizer.zero_grad()
        copy = image.detach().clone().requires_grad_()
        loss = loss_of(copy)
        loss.backward()
        return loss

    return closure


@wrong("make_closure", expects="loss-not-returned")
def silent(optimizer, image, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(image)
        loss.backward()

    return closure


@wrong("make_closure", expects="loss-not-returned")
def silent_and_never_cleared(optimizer, image, loss_of):
    def closure():
        loss = loss_of(image)
        loss.backward()

    return closure


@wrong("make_closure", expects="wrong-value")
def a_whole_number(optimizer, image, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(image)
        loss.backward()
        return int(loss)

    return closure


@wrong("make_closure", expects="called-too-early")
def called(optimizer, image, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(image)
        loss.backward()
        image.grad = None
        return loss

    return closure()


@wrong("make_closure", expects="returns-nothing")
def kept_to_itself(optimizer, image, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(image)
        loss.backward()
        return loss


@wrong("make_closure", expects="backward-twice")
def loss_computed_outside(optimizer, image, loss_of):
    loss = loss_of(image)

    def closure():
        optimizer.zero_grad()
        loss.backward()
        return loss

    return closure


@wrong("make_closure", expects="step-in-closure")
def steps_itself(optimizer, image, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(image)
        loss.backward()
        optimizer.step()
        return loss

    return closure


@wrong("make_closure", expects="step-in-closure")
def steps_with_itself(optimizer, image, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(image)
        loss.backward()
        optimizer.step(closure)
        return loss

    return closure


@wrong("make_closure", expects="wrong-call")
def forgot_the_picture(optimizer, image, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss

    return closure


# descend


def walker(image, **options):
    return torch.optim.LBFGS([image], line_search_fn="strong_wolfe", **options)


@right("descend")
def with_grad(loss_of, start, steps):
    image = start.detach().clone().requires_grad_(True)
    lbfgs, history = walker(image), []

    def closure():
        loss = loss_of(image)
        history.append(float(loss.detach()))
        (image.grad,) = torch.autograd.grad(loss, image)
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    with torch.no_grad():
        return image.clamp(0, 1), history


@right("descend")
class Descend(nn.Module):
    def forward(self, loss_of, start, steps):
        image = nn.Parameter(start.clone())
        lbfgs, history = walker(image, max_iter=20, history_size=100), []

        def closure():
            lbfgs.zero_grad()
            history.append(loss_of(image))
            history[-1].backward()
            return history[-1]

        while steps:
            lbfgs.step(closure)
            steps -= 1
        return image.data.clip(0, 1), [loss.item() for loss in history]


@wrong("descend", expects="network-optimised")
def moves_the_network(loss_of, start, steps):
    network = load_network()
    image = start.clone().requires_grad_()
    lbfgs = torch.optim.LBFGS(network.parameters(), line_search_fn="strong_wolfe")
    history = []

    def closure():
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        history.append(loss.item())
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    return image.detach().clamp(0, 1), history


@wrong("descend", expects="start-returned")
def gives_the_start(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []

    def closure():
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        history.append(loss.item())
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    return start.clamp(0, 1), history


@wrong("descend", expects="history-by-step")
def one_loss_a_step(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []

    def closure():
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        return loss

    for _ in range(steps):
        history.append(lbfgs.step(closure).item())
    return image.detach().clamp(0, 1), history


@wrong("descend", expects="history-too-long")
def asks_once_more(loss_of, start, steps):
    image, history = with_grad(loss_of, start, steps)
    return image, [*history, loss_of(image).item()]


@wrong("descend", expects="gradients-pile-up")
def closure_never_clears(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []

    def closure():
        loss = loss_of(image)
        loss.backward()
        history.append(loss.item())
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    return image.detach().clamp(0, 1), history


@wrong("descend", expects="clamp-in-closure")
def clamps_first(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []

    def closure():
        with torch.no_grad():
            image.clamp_(0, 1)
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        history.append(loss.item())
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    return image.detach().clamp(0, 1), history


@wrong("descend", expects="clamp-in-closure")
def clamps_data_and_never_again(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []

    def closure():
        image.data.clamp_(0, 1)
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        history.append(loss.item())
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    return image.detach(), history


@wrong("descend", expects="clamp-in-graph")
def clamps_for_the_loss(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []

    def closure():
        lbfgs.zero_grad()
        loss = loss_of(image.clamp(0, 1))
        loss.backward()
        history.append(loss.item())
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    return image.detach().clamp(0, 1), history


@wrong("descend", expects="clamped-between-steps")
def clamps_after_each_step(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []

    def closure():
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        history.append(loss.item())
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
        with torch.no_grad():
            image.clamp_(0, 1)
    return image.detach(), history


@wrong("descend", expects="not-clipped")
def leaves_it_free(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []

    def closure():
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        history.append(loss.item())
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    return image.detach(), history


@wrong("descend", expects="no-line-search")
def on_trust(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = torch.optim.LBFGS([image]), []

    def closure():
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        history.append(loss.item())
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    return image.detach().clamp(0, 1), history


@wrong("descend", expects="memory-thrown-away")
def a_new_one_each_time(loss_of, start, steps):
    image, history = start.clone().requires_grad_(), []
    for _ in range(steps):
        lbfgs = walker(image)

        def closure(lbfgs=lbfgs):
            lbfgs.zero_grad()
            loss = loss_of(image)
            loss.backward()
            history.append(loss.item())
            return loss

        lbfgs.step(closure)
    return image.detach().clamp(0, 1), history


@wrong("descend", expects="one-step-only")
def a_single_step(loss_of, start, steps):
    return with_grad(loss_of, start, 1)


@wrong("descend", expects="wrong-value")
def always_two_steps(loss_of, start, steps):
    return with_grad(loss_of, start, 2)


@wrong("descend", expects="loss-not-returned")
def closure_says_nothing(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []

    def closure():
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        history.append(loss.item())

    for _ in range(steps):
        lbfgs.step(closure)
    return image.detach().clamp(0, 1), history


@wrong("descend", expects="step-without-closure")
def as_with_adam(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []
    for _ in range(steps):
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        lbfgs.step()
        history.append(loss.item())
    return image.detach().clamp(0, 1), history


@wrong("descend", expects="history-of-tensors")
def keeps_tensors(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []

    def closure():
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        history.append(loss)
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    return image.detach().clamp(0, 1), history


@wrong("descend", expects="still-in-the-graph")
def clipped_in_the_graph(loss_of, start, steps):
    image = start.clone().requires_grad_()
    lbfgs, history = walker(image), []

    def closure():
        lbfgs.zero_grad()
        loss = loss_of(image)
        loss.backward()
        history.append(loss.item())
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    return image.clamp(0, 1), history


@wrong("descend", expects="changed-input")
def moves_the_start(loss_of, start, steps):
    start.requires_grad_()
    lbfgs, history = walker(start), []

    def closure():
        lbfgs.zero_grad()
        loss = loss_of(start)
        loss.backward()
        history.append(loss.item())
        return loss

    for _ in range(steps):
        lbfgs.step(closure)
    return start.detach().clamp(0, 1), history


@wrong("descend", expects="not-a-leaf")
def computed_start(loss_of, start, steps):
    image = start.requires_grad_().clone()
    walker(image)
    return image.detach(), []


# stay_inside


@right("stay_inside")
def by_data(loss_of, start, steps, learning_rate):
    image = nn.Parameter(start.clone())
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    while len(history) < steps:
        loss = loss_of(image)
        (image.grad,) = torch.autograd.grad(loss, image)
        adam.step()
        image.data = image.data.clamp(0, 1)
        history.append(float(loss.detach()))
    return image.data, history


@right("stay_inside")
def before_and_after(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        with torch.no_grad():
            image.copy_(image.clip(0.0, 1.0))
        adam.zero_grad()
        loss = loss_of(image)
        loss.backward()
        adam.step()
        history.append(loss.item())
    return image.detach().clamp(0, 1), history


@right("stay_inside")
def adam_by_hand(loss_of, start, steps, learning_rate):
    image, history = start.clone(), []
    first, second = torch.zeros_like(start), torch.zeros_like(start)
    for k in range(1, steps + 1):
        leaf = image.detach().requires_grad_()
        loss = loss_of(leaf)
        (g,) = torch.autograd.grad(loss, leaf)
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        rooted = (second / (1 - 0.999**k)).sqrt() + 1e-8
        image = image - learning_rate * (first / (1 - 0.9**k)) / rooted
        image = torch.minimum(torch.maximum(image, image * 0), image * 0 + 1)
        history.append(loss.item())
    return image, history


def adam_walk(loss_of, start, steps, learning_rate, before=None, after=None, forget=True):
    """What the wrong walks of students have in common."""
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        if before:
            before(image)
        if forget:
            adam.zero_grad()
        loss = loss_of(image)
        loss.backward()
        adam.step()
        if after:
            after(image)
        history.append(loss.item())
    return image.detach(), history


def clamp_data(image):
    image.data.clamp_(0, 1)


@wrong("stay_inside", expects="never-clamped")
def no_limits(loss_of, start, steps, learning_rate):
    return adam_walk(loss_of, start, steps, learning_rate)


@wrong("stay_inside", expects="clamped-at-the-end")
def clipped_once(loss_of, start, steps, learning_rate):
    image, history = adam_walk(loss_of, start, steps, learning_rate)
    return image.clamp(0, 1), history


@wrong("stay_inside", expects="last-step-free")
def clamped_before(loss_of, start, steps, learning_rate):
    return adam_walk(loss_of, start, steps, learning_rate, before=clamp_data)


@wrong("stay_inside", expects="clamp-in-graph")
def adam_clamps_for_the_loss(loss_of, start, steps, learning_rate):
    return adam_walk(lambda x: loss_of(x.clamp(0, 1)), start, steps, learning_rate)


@wrong("stay_inside", expects="clamp-in-graph")
def adam_clamps_for_the_loss_and_once(loss_of, start, steps, learning_rate):
    image, history = adam_walk(lambda x: loss_of(x.clip(0, 1)), start, steps, learning_rate)
    return image.clamp(0, 1), history


@wrong("stay_inside", expects="lost-track")
def another_tensor(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        adam.zero_grad()
        loss = loss_of(image)
        loss.backward()
        adam.step()
        image = image.detach().clamp(0, 1).requires_grad_()
        history.append(loss.item())
    return image.detach(), history


@wrong("stay_inside", expects="wrong-value")
def always_the_same_rate(loss_of, start, steps, learning_rate):
    return adam_walk(loss_of, start, steps, 0.1, after=clamp_data)


@wrong("stay_inside", expects="wrong-value")
def always_thirty_steps(loss_of, start, steps, learning_rate):
    return adam_walk(loss_of, start, 30, learning_rate, after=clamp_data)


@wrong("stay_inside", expects="in-place-on-leaf")
def clamped_with_a_graph(loss_of, start, steps, learning_rate):
    return adam_walk(loss_of, start, steps, learning_rate, after=lambda image: image.clamp_(0, 1))


@wrong("stay_inside", expects="gradient-clipped")
def limits_of_the_gradient(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        adam.zero_grad()
        loss = loss_of(image)
        loss.backward()
        image.grad.clamp_(0, 1)
        adam.step()
        history.append(loss.item())
    return image.detach().clamp(0, 1), history


@wrong("stay_inside", expects="stretched")
def normalised(loss_of, start, steps, learning_rate):
    def stretch(image):
        with torch.no_grad():
            image -= image.min()
            image /= image.max()

    return adam_walk(loss_of, start, steps, learning_rate, after=stretch)


@wrong("stay_inside", expects="gradients-pile-up")
def inside_and_never_cleared(loss_of, start, steps, learning_rate):
    return adam_walk(loss_of, start, steps, learning_rate, after=clamp_data, forget=False)


@wrong("stay_inside", expects="history-one-late")
def inside_and_late(loss_of, start, steps, learning_rate):
    image, history = adam_walk(loss_of, start, steps, learning_rate, after=clamp_data)
    return image, [*history[1:], loss_of(image).item()]


@wrong("stay_inside", expects="not-a-pair")
def picture_only(loss_of, start, steps, learning_rate):
    return adam_walk(loss_of, start, steps, learning_rate, after=clamp_data)[0]


# better_run


@right("better_run")
def best_so_far(one, other):
    curves = [list(itertools.accumulate(run, min)) for run in (one, other)]
    last = min(map(len, curves)) - 1
    return "one" if curves[0][last] <= curves[1][last] else "other"


@right("better_run")
def by_numpy(one, other):
    both = np.array(list(zip(one, other, strict=False)))
    return ("one", "other")[both.min(axis=0).argmin()]


@right("better_run")
def by_a_loop(one, other):
    lowest = {"one": math.inf, "other": math.inf}
    for a, b in zip(one, other, strict=False):
        lowest["one"] = min(lowest["one"], a)
        lowest["other"] = min(lowest["other"], b)
    return min(lowest, key=lowest.get)


@wrong("better_run", expects="ends-compared")
def by_the_ends(one, other):
    return "one" if one[-1] < other[-1] else "other"


@wrong("better_run", expects="minima-compared")
def by_the_lowest(one, other):
    return "one" if min(one) < min(other) else "other"


@wrong("better_run", expects="spike-believed")
def by_the_last_common(one, other):
    last = min(len(one), len(other)) - 1
    return "one" if one[last] < other[last] else "other"


@wrong("better_run", expects="averages-compared")
def by_the_mean(one, other):
    n = min(len(one), len(other))
    return "one" if np.mean(one[:n]) < np.mean(other[:n]) else "other"


@wrong("better_run", expects="shorter-wins")
def by_the_length(one, other):
    return "one" if len(one) < len(other) else "other"


@wrong("better_run", expects="higher-wins")
def upside_down(one, other):
    n = min(len(one), len(other))
    return "one" if min(one[:n]) > min(other[:n]) else "other"


@wrong("better_run", expects="always-the-same")
def always_one(one, other):
    return "one"


@wrong("better_run", expects="always-the-same")
def always_the_other(one, other):
    return "other"


@wrong("better_run", expects="not-a-name")
def a_number(one, other):
    n = min(len(one), len(other))
    return 1 if min(one[:n]) < min(other[:n]) else 2


# diagnose


@right("diagnose")
def by_fractions(history):
    values = np.array(history) / history[0]
    if not np.isfinite(values).all() or values[-1] > 1:
        return "diverged"
    fall = 1 - values[-1]
    if fall < 0.1:
        return "crawling"
    late = values[3 * len(values) // 4] - values[-1]
    return "falling" if late >= 0.01 * fall else "converged"


@right("diagnose")
def by_questions(history):
    first, end = history[0], history[-1]
    three_quarters = history[round(0.75 * (len(history) - 1))]
    if math.isnan(end) or math.isinf(end) or end > first:
        answer = "diverged"
    elif end > 0.9 * first:
        answer = "crawling"
    elif abs(three_quarters - end) / (first - end) < 0.01:
        answer = "converged"
    else:
        answer = "falling"
    return answer


@wrong("diagnose", expects="nan-missed")
def nan_is_no_number(history):
    first, last = history[0], history[-1]
    if last > first:
        return "diverged"
    if first - last < 0.1 * first:
        return "crawling"
    late = history[-len(history) // 4] - last
    return "converged" if late < 0.01 * (first - last) else "falling"


@wrong("diagnose", expects="rise-missed")
def nan_only(history):
    first, last = history[0], history[-1]
    if math.isnan(last):
        return "diverged"
    if first - last < 0.1 * first:
        return "crawling"
    late = history[-len(history) // 4] - last
    return "converged" if late < 0.01 * (first - last) else "falling"


@wrong("diagnose", expects="spike-feared")
def by_the_highest(history):
    if not max(history) <= history[0] or not math.isfinite(history[-1]):
        return "diverged"
    lost = history[0] - history[-1]
    if lost < 0.1 * history[0]:
        return "crawling"
    late = history[-len(history) // 4] - history[-1]
    return "converged" if late < 0.01 * lost else "falling"


@wrong("diagnose", expects="crawling-taken-for-converged")
def flat_is_converged(history):
    first, last = history[0], history[-1]
    if not last <= first:
        return "diverged"
    late = history[-len(history) // 4] - last
    if late < 0.02 * first:
        return "converged"
    return "crawling" if first - last < 0.1 * first else "falling"


@wrong("diagnose", expects="crawling-taken-for-falling")
def whatever_falls(history):
    first, last = history[0], history[-1]
    if not last <= first:
        return "diverged"
    if first == last:
        return "crawling"
    late = history[-len(history) // 4] - last
    return "converged" if late < 0.01 * (first - last) else "falling"


@wrong("diagnose", expects="converged-taken-for-falling")
def never_content(history):
    first, last = history[0], history[-1]
    if not last <= first:
        return "diverged"
    if first - last < 0.1 * first:
        return "crawling"
    return "converged" if last == 0 else "falling"


@wrong("diagnose", expects="falling-taken-for-converged")
def soon_content(history):
    first, last = history[0], history[-1]
    if not last <= first:
        return "diverged"
    return "crawling" if first - last < 0.1 * first else "converged"


@wrong("diagnose", expects="converged-taken-for-falling")
def by_the_last_third(history):
    return _judge_by(history, history[-len(history) // 3])


@wrong("diagnose", expects="falling-taken-for-converged")
def by_the_last_fifth(history):
    return _judge_by(history, history[-len(history) // 5])


@wrong("diagnose", expects="first-loss-missed")
def from_the_second_loss(history):
    return _judge_by(history[1:], history[-len(history) // 4])


@wrong("diagnose", expects="last-loss-missed")
def to_the_last_but_one(history):
    return _judge_by(history[:-1], history[-len(history) // 4])


@wrong("diagnose", expects="absolute-threshold")
def by_absolute_numbers(history):
    first, last = history[0], history[-1]
    if not last <= first:
        return "diverged"
    if first - last < 0.1:
        return "crawling"
    return "converged" if history[-len(history) // 4] - last < 1e-3 else "falling"


@wrong("diagnose", expects="always-the-same")
def optimist(history):
    return "converged"


@wrong("diagnose", expects="not-a-name")
def adjective(history):
    return "fine"


@wrong("diagnose", expects="wrong-diagnosis")
def spikes_are_falls(history):
    if max(history[:-1]) > history[0] >= history[-1]:
        return "falling"
    return by_questions(history)


# direction


def flat(pairs):
    return [(s.flatten(), y.flatten()) for s, y in pairs]


def good(pairs):
    return [(s, y) for s, y in flat(pairs) if s @ y > 0]


@right("direction")
def by_the_matrix(gradient, pairs):
    n = gradient.numel()
    eye = torch.eye(n, dtype=gradient.dtype)
    inverse = eye
    kept = good(pairs)
    if kept:
        s, y = kept[-1]
        inverse = s.dot(y) / y.dot(y) * eye
    for s, y in kept:
        rho = 1 / y.dot(s)
        factor = eye - rho * torch.outer(y, s)
        inverse = factor.T @ inverse @ factor + rho * torch.outer(s, s)
    return (-inverse @ gradient.flatten()).reshape(gradient.shape)


@right("direction")
def by_recursion(gradient, pairs):
    def apply(q, kept, scale):
        if not kept:
            return scale * q
        *older, (s, y) = kept
        rho = 1 / torch.sum(y * s)
        a = rho * torch.sum(s * q)
        r = apply(q - a * y, older, scale)
        return r + (a - rho * torch.sum(y * r)) * s

    kept = [pair for pair in pairs if torch.sum(pair[0] * pair[1]) > 0]
    scale = 1.0
    if kept:
        s, y = kept[-1]
        scale = torch.sum(s * y) / torch.sum(y * y)
    return -apply(gradient, kept, scale)


@right("direction")
def by_indices(gradient, pairs):
    q, kept = -gradient.flatten(), good(pairs)
    a = [0.0] * len(kept)
    for k in range(len(kept) - 1, -1, -1):
        s, y = kept[k]
        a[k] = torch.einsum("i,i->", s, q) / torch.einsum("i,i->", s, y)
        q = q - a[k] * y
    if kept:
        q = q * torch.einsum("i,i->", *kept[-1]) / torch.einsum("i,i->", kept[-1][1], kept[-1][1])
    for (s, y), number in zip(kept, a, strict=True):
        q = q + s * (number - torch.einsum("i,i->", y, q) / torch.einsum("i,i->", s, y))
    return q.view(gradient.shape)


def loops(gradient, kept, scale=None, down=reversed, up=list, minus=True):
    """What the wrong directions of students have in common; uphill."""
    q, numbers = gradient.flatten().clone(), deque()
    for s, y in down(kept):
        numbers.append((s @ q) / (y @ s))
        q = q - numbers[-1] * y
    if kept:
        s, y = kept[-1]
        q = q * ((s @ y) / (y @ y) if scale is None else scale(s, y))
    for s, y in up(kept):
        b = (y @ q) / (y @ s)
        q = q + (numbers.pop() - b if minus else numbers.pop() + b) * s
    return q.view_as(gradient)


@wrong("direction", expects="uphill")
def forgot_the_minus(gradient, pairs):
    return loops(gradient, good(pairs))


@wrong("direction", expects="curvature-ignored")
def steepest_descent(gradient, pairs):
    return -gradient


@wrong("direction", expects="bad-pair-kept")
def trusts_every_pair(gradient, pairs):
    return -loops(gradient, flat(pairs))


@wrong("direction", expects="curvature-ignored")
def pairs_with_much_curvature(gradient, pairs):
    return -loops(gradient, [(s, y) for s, y in flat(pairs) if s @ y > 1])


@wrong("direction", expects="curvature-ignored")
def pairs_of_one_sign(gradient, pairs):
    return -loops(gradient, [(s, y) for s, y in flat(pairs) if (s * y > 0).all()])


@wrong("direction", expects="scale-missing")
def no_turn(gradient, pairs):
    return -loops(gradient, good(pairs), scale=lambda s, y: 1)


@wrong("direction", expects="scale-upside-down")
def curvature_for_its_inverse(gradient, pairs):
    return -loops(gradient, good(pairs), scale=lambda s, y: (y @ y) / (s @ y))


@wrong("direction", expects="scale-of-another-pair")
def oldest_in_the_turn(gradient, pairs):
    kept = good(pairs)

    def of_the_oldest(s, y):
        return (kept[0][0] @ kept[0][1]) / (kept[0][1] @ kept[0][1])

    return -loops(gradient, kept, scale=of_the_oldest)


@wrong("direction", expects="first-loop-forwards")
def oldest_first(gradient, pairs):
    q, kept = gradient.flatten().clone(), good(pairs)
    numbers = []
    for s, y in kept:
        numbers.append((s @ q) / (y @ s))
        q = q - numbers[-1] * y
    if kept:
        s, y = kept[-1]
        q = q * (s @ y) / (y @ y)
    for (s, y), a in zip(kept, numbers, strict=True):
        q = q + (a - (y @ q) / (y @ s)) * s
    return -q.view_as(gradient)


@wrong("direction", expects="second-loop-backwards")
def newest_first_twice(gradient, pairs):
    q, kept = gradient.flatten().clone(), good(pairs)
    numbers = []
    for s, y in reversed(kept):
        numbers.append((s @ q) / (y @ s))
        q = q - numbers[-1] * y
    if kept:
        s, y = kept[-1]
        q = q * (s @ y) / (y @ y)
    for (s, y), a in zip(reversed(kept), numbers, strict=True):
        q = q + (a - (y @ q) / (y @ s)) * s
    return -q.view_as(gradient)


@wrong("direction", expects="loops-exchanged")
def pairs_the_wrong_way_round(gradient, pairs):
    return -loops(gradient, good(pairs), down=list, up=reversed)


@wrong("direction", expects="wrong-sign-on-the-way-back")
def adds_both(gradient, pairs):
    return -loops(gradient, good(pairs), minus=False)


@wrong("direction", expects="s-and-y-swapped")
def takes_y_for_s(gradient, pairs):
    return -loops(gradient, [(y, s) for s, y in good(pairs)])


@wrong("direction", expects="second-loop-missing")
def one_loop(gradient, pairs):
    return -loops(gradient, good(pairs), up=lambda kept: [])


@wrong("direction", expects="wrong-shape")
def stays_flat(gradient, pairs):
    return -loops(gradient, good(pairs)).flatten()


@wrong("direction", expects="changed-input")
def overwrites_the_gradient(gradient, pairs):
    q = gradient
    for s, y in reversed(pairs):
        q -= (s * q).sum() / (y * s).sum() * y
    return -q


@wrong("direction", expects="changed-input")
def empties_the_list(gradient, pairs):
    while pairs:
        pairs.pop()
    return -gradient


@wrong("direction", expects="raised")
def needs_a_pair(gradient, pairs):
    newest, change = pairs[-1]
    scale = (newest * change).sum() / (change * change).sum()
    return -loops(gradient, good(pairs), scale=lambda s, y: scale)


@wrong("direction", expects="scale-of-a-bad-pair")
def turn_sees_every_pair(gradient, pairs):
    q, kept = gradient.clone(), []
    for s, y in reversed(pairs):
        if (y * s).sum() > 0:
            kept.append((s * q).sum() / (y * s).sum())
            q = q - kept[-1] * y
    if pairs:
        s, y = pairs[-1]
        q = q * (s * y).sum() / (y * y).sum()
    for s, y in pairs:
        if (y * s).sum() > 0:
            q = q + (kept.pop() - (y * q).sum() / (y * s).sum()) * s
    return -q


@wrong("direction", expects="not-a-vector")
def dot_of_pictures(gradient, pairs):
    q = gradient
    for s, y in reversed(pairs):
        q = q - torch.dot(s, q) / torch.dot(y, s) * y
    return -q


@wrong("direction", expects="shapes-do-not-fit")
def matrix_product_of_pictures(gradient, pairs):
    q = gradient
    for s, y in reversed(pairs):
        q = q - (s @ q) / (y @ s) * y
    return -q
