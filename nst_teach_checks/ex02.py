"""Checks of exercise 2: truncate a network, change its pooling, capture and identify layers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nst_teach.networks import build_vgg
from nst_teach_checks._core import Answer, Mistake, task

__all__ = [
    "average_pooling",
    "capture",
    "name_of",
    "receptive_field",
    "rescale",
    "truncate",
]

CHAPTER = "02_a_network_that_sees"

Layers = Sequence[str]

POOLS = ((3, 2), (2, 2))
"""Window and stride of the two pooling layers: the first is SqueezeNet's, the second VGG's."""

BLOCKS, DEPTH = 3, 3
"""Most blocks, and most convolutions in one, of the plans whose receptive field is asked for."""

WIDE = 96
"""Pixels: wider than the largest receptive field of such a plan."""

UNKNOWN = "unknown"
"""The name of a tensor that is no layer's."""


# A network as torchvision builds it


def _network(answer: Answer) -> tuple[nn.Sequential, tuple[str, ...]]:
    """A small stack with random weights and in-place ReLUs, and the names of its modules."""
    network = answer.inputs.network(torch.float32)
    pools = list(POOLS)
    kinds: dict[str, Callable[[], nn.Module]] = {
        "relu": lambda: nn.ReLU(inplace=True),
        "pool": lambda: nn.MaxPool2d(*pools.pop(0)),
    }
    modules = [
        kinds[name[:4]]() if name[:4] in kinds else module
        for name, module in zip(network.layers, network.stack, strict=True)
    ]
    return nn.Sequential(*modules), network.layers


def _input(answer: Answer) -> Tensor:
    """What such a network is fed: `(1, 3, H, W)`, wide enough for both pooling layers."""
    height, width = answer.inputs.sides()
    return answer.inputs.normal(1, 3, 2 * height, 2 * width)


def _portrait(stack: nn.Sequential) -> tuple[Any, ...]:
    """All that one can see of a network from outside."""
    weights = [p.double().sum().item() for p in stack.parameters()]
    return repr(stack), weights, _hooks(stack)


def _hooks(stack: nn.Sequential) -> int:
    return sum(len(module._forward_hooks) for module in stack.modules())  # pyright: ignore[reportPrivateUsage]


def _leaves_it_alone(answer: Answer, stack: nn.Sequential, *inputs: Any) -> Any:
    """What the answer returns; ends the examination if the network is not what it was."""
    before = _portrait(stack)
    output = answer(stack, *inputs)
    if _hooks(stack) != before[-1]:
        answer.reject(
            "hooks-left", "after the call, hooks are still attached to the caller's network",
            "They run on every later call and keep your tensors in memory. Remove them before you "
            "return.",
        )  # fmt: skip
    if _portrait(stack) != before:
        answer.reject(
            "changed-network", "after the call, the caller's network has changed",
            "Other code uses this network. Build your result from new modules, or leave the "
            "existing ones as they are.",
        )  # fmt: skip
    return output


def _must_be_a_network(answer: Answer, part: Any) -> None:
    if not isinstance(part, nn.Module):
        answer.reject(
            "not-a-network", f"your function returned a value of type {type(part).__name__}",
            "The caller will call the result with an image. Which class of torch.nn holds modules "
            "and applies one after the other?",
        )  # fmt: skip


# 1 Cut


def _run_part(function: Callable[..., nn.Module], stack: nn.Sequential, names: Layers, layer: str,
              x: Tensor) -> Tensor:  # fmt: skip
    features: Tensor = function(stack, names, layer)(x)
    return features


def _cut(stack: nn.Sequential, names: Layers, layer: str, x: Tensor, *, more: int = 0) -> Tensor:
    features: Tensor = stack[: list(names).index(layer) + 1 + more](x)
    return features


ENDS = (
    "Print your part of the network and the name of its last module. Does a Python slice include "
    "its end?"
)

TRUNCATE = (
    Mistake("one-short", lambda *case: _cut(*case, more=-1), ENDS),
    Mistake("one-too-far", lambda *case: _cut(*case, more=1), ENDS),
    Mistake(
        "not-cut",
        lambda stack, names, layer, x: stack(x),
        "That is the whole network. Ask for two different layers: do you get two different "
        "results?",
    ),
)


@task("Truncate the network", points=1, reread=(CHAPTER, "Cut off what you do not need"))
def truncate(answer: Answer) -> None:
    """`truncate(stack, names, layer)`: the part of the network that ends with this layer."""
    stack, names = _network(answer)
    layers = ("conv1_2", "relu2_1", "pool1")
    part = _leaves_it_alone(answer, stack, names, layers[0])
    _must_be_a_network(answer, part)
    _must_begin_alike(answer, part, stack)
    cases = [(stack, names, layer, _input(answer)) for layer in layers]
    answer.through(_run_part).compare(_cut, cases, mistakes=TRUNCATE, otherwise=ENDS)


def _must_begin_alike(answer: Answer, part: nn.Module, stack: nn.Sequential) -> None:
    modules = [module for module in part.modules() if not list(module.children())]
    if modules[:1] and repr(modules[0]) == repr(stack[0]):
        return
    begins = repr(modules[0]) if modules else "nothing"
    answer.reject(
        "wrong-end", f"your part begins with {begins}",
        "Each layer takes the output of the layers before it. Which end of the network has to "
        "stay?",
    )  # fmt: skip


# 2 Average pooling


def _run_changed(function: Callable[..., nn.Module], stack: nn.Sequential, x: Tensor) -> Tensor:
    features: Tensor = function(stack)(x)
    return features


def _exchanged(stack: nn.Sequential, x: Tensor, make: Callable[[nn.MaxPool2d], Any]) -> Tensor:
    """The output with each pooling layer replaced by what `make` gives; `None` drops it."""
    for module in stack:
        module = make(module) if isinstance(module, nn.MaxPool2d) else module
        x = module(x) if module else x
    return x


def _average(pool: nn.MaxPool2d) -> nn.AvgPool2d:
    return nn.AvgPool2d(pool.kernel_size, pool.stride)


def _averaged(stack: nn.Sequential, x: Tensor) -> Tensor:
    return _exchanged(stack, x, _average)


def _one_of_two(stack: nn.Sequential, x: Tensor, *, which: int) -> Tensor:
    pools = [module for module in stack if isinstance(module, nn.MaxPool2d)]
    return _exchanged(stack, x, lambda p: _average(p) if p is pools[which] else p)


BOTH = "There is more than one pooling layer. Print your network and look at each of them."
WINDOWS = "Print both networks. What are the window and the stride of each pooling layer?"

AVERAGE = (
    Mistake(
        "still-max", lambda stack, x: stack(x),
        "Your network gives the same output as the old one. Print it: which kind of pooling does "
        "it contain?",
    ),
    Mistake(
        "window-not-kept",
        lambda stack, x: _exchanged(stack, x, lambda p: nn.AvgPool2d(2, 2)), WINDOWS,
    ),
    Mistake(
        "stride-lost",
        lambda stack, x: _exchanged(stack, x, lambda p: nn.AvgPool2d(p.kernel_size)), WINDOWS,
    ),
    Mistake(
        "stride-lost",
        lambda stack, x: _exchanged(stack, x, lambda p: nn.AvgPool2d(p.kernel_size, 1)), WINDOWS,
    ),
    Mistake("pooling-dropped", lambda stack, x: _exchanged(stack, x, lambda p: None), WINDOWS),
    Mistake("only-one", lambda stack, x: _one_of_two(stack, x, which=0), BOTH),
    Mistake("only-one", lambda stack, x: _one_of_two(stack, x, which=-1), BOTH),
)  # fmt: skip


@task("Average pooling", points=1, reread=(CHAPTER, "Pooling"))
def average_pooling(answer: Answer) -> None:
    """`average_pooling(stack)`: the network with average pooling instead of max pooling."""
    stack, _ = _network(answer)
    _must_be_a_network(answer, _leaves_it_alone(answer, stack))
    another = nn.Sequential(nn.MaxPool2d(2, 2), *_network(answer)[0])
    cases = [(stack, _input(answer)), (another, torch.cat([_input(answer)] * 2, dim=-1))]
    answer.through(_run_changed).compare(_averaged, cases, mistakes=AVERAGE, otherwise=WINDOWS)


# 3 The receptive field


def _measured(plan: Sequence[int], layer: str) -> int:
    """The side of the square that one position depends on, found by gradients: no formula."""
    network = build_vgg("paths", tuple((1,) * count for count in plan), "average")
    for parameter in network.parameters():
        parameter.fill_(1.0)
    image = torch.ones(1, 3, WIDE, WIDE, requires_grad=True)
    features = network(image, layer)[layer]
    features[0, 0, features.shape[2] // 2, features.shape[3] // 2].backward()
    assert image.grad is not None  # just computed
    return int((image.grad[0].sum(dim=0) > 0).any(dim=1).sum())


def _field(
    layers: Layers, layer: str, *, conv: tuple[int, int] = (3, 1), relu: tuple[int, int] = (1, 1),
    pool: tuple[int, int] = (2, 2), side: int = 1, step: int = 1, early: bool = False,
) -> int:  # fmt: skip
    """The recursion; the options make it a wrong one."""
    sizes = {"conv": conv, "relu": relu, "pool": pool}
    for name in layers[: list(layers).index(layer) + 1]:
        kernel, stride = sizes[name[:4]]
        step = step * stride if early else step
        side += (kernel - 1) * step
        step = step if early else step * stride
    return side


def _doubled(layers: Layers, layer: str) -> int:
    side = 1
    for name in layers[: list(layers).index(layer) + 1]:
        side = {"conv": side + 2, "pool": 2 * side}.get(name[:4], side)
    return side


def _before(layers: Layers, layer: str) -> int:
    place = list(layers).index(layer)
    return _field(layers, layers[place - 1]) if place else 1


RECEPTIVE_FIELD = (
    Mistake(
        "distance-forgotten",
        lambda layers, layer: _field(layers, layer, pool=(2, 1)),
        "After a pooling layer, how many pixels are two neighbouring positions apart? By how many "
        "pixels does the next window therefore widen the field?",
    ),
    Mistake(
        "distance-forgotten",
        lambda layers, layer: _field(layers, layer, pool=(1, 1)),
        "After a pooling layer, how many pixels are two neighbouring positions apart? By how many "
        "pixels does the next window therefore widen the field?",
    ),
    Mistake(
        "pooling-window-forgotten",
        lambda layers, layer: _field(layers, layer, pool=(1, 2)),
        "A pooling layer has a window of its own. By how much does that widen the receptive field?",
    ),
    Mistake(
        "distance-too-early",
        lambda layers, layer: _field(layers, layer, early=True),
        "The window of a pooling layer covers positions of its input, which are still as close "
        "together as before. In which order do you update your two numbers?",
    ),
    Mistake(
        "field-doubled", _doubled,
        "After a pooling layer neighbouring positions are further apart, but the field of a "
        "position has not doubled. By how much does it grow?",
    ),
    Mistake(
        "relu-counted",
        lambda layers, layer: _field(layers, layer, relu=(3, 1)),
        "How many of its neighbours does a ReLU look at?",
    ),
    Mistake(
        "layer-left-out", _before,
        "Ask for conv1_1, the first layer. What should you get, and what do you get?",
    ),
    Mistake(
        "all-layers",
        lambda layers, layer: _field(layers, layers[-1]),
        "Which layer was asked for? Ask for conv1_1 and for a deeper layer: the results should "
        "differ.",
    ),
    Mistake(
        "starts-at-zero",
        lambda layers, layer: _field(layers, layer, side=0),
        "Before the first layer, how many pixels does one pixel depend on?",
    ),
    Mistake(
        "area-for-side",
        lambda layers, layer: _field(layers, layer) ** 2,
        "That is the number of pixels in the square. The task asks for its side.",
    ),
    Mistake(
        "radius-for-side",
        lambda layers, layer: _field(layers, layer) // 2,
        "That is how far the field reaches to one side. The task asks for the side of the whole "
        "square.",
    ),
)  # fmt: skip

BY_HAND = (
    "Work out conv1_1, conv1_2, pool1 and conv2_1 by hand, on squared paper, and print your "
    "numbers after each layer."
)


@task("The receptive field", points=2, reread=(CHAPTER, "How much does one position see?"))
def receptive_field(answer: Answer) -> None:
    """`receptive_field(layers, layer)`: the side of the receptive field, in pixels."""
    asked = [_plan_and_layers(answer, kind) for kind in ("conv", "relu", "pool")]
    plans = {layers: plan for plan, layers, _ in asked}

    def measured(layers: Layers, layer: str) -> int:
        return _measured(plans[tuple(layers)], layer)

    cases = [(list(layers), layer) for _, layers, layer in asked]
    answer.compare(measured, cases, mistakes=RECEPTIVE_FIELD, otherwise=BY_HAND)


def _plan_and_layers(answer: Answer, kind: str) -> tuple[list[int], tuple[str, ...], str]:
    """A random VGG: the convolutions in each block, its layers' names, and one layer of a kind."""
    draw = torch.randint(1, DEPTH + 1, (BLOCKS,), generator=answer.inputs.generator)
    plan = draw.tolist()
    with torch.device("meta"):
        layers = build_vgg("plan", tuple((1,) * count for count in plan), "average").layers
    asked = f"{kind}{BLOCKS}" + ("" if kind == "pool" else f"_{plan[-1]}")
    return plan, layers, asked if kind != "relu" else "relu2_1"


# 4 Capture


def _captured(stack: nn.Sequential, names: Layers, layers: Layers, x: Tensor) -> dict[str, Tensor]:
    results = _truth(stack, names, x)
    return {layer: results[layer] for layer in layers}


def _truth(stack: nn.Sequential, names: Layers, x: Tensor) -> dict[str, Tensor]:
    """What each module really computes, whatever works in place."""
    results = {}
    for name, module in zip(names, stack, strict=True):
        x = results[name] = module(x.clone())
    return results


def _overwritten(stack: nn.Sequential, names: Layers, x: Tensor) -> dict[str, Tensor]:
    """What a program holds that stores each result under its name, without a copy."""
    results = {}
    for name, module in zip(names, stack, strict=True):
        x = results[name] = module(x)
    return results


def _before_each(stack: nn.Sequential, names: Layers, x: Tensor) -> dict[str, Tensor]:
    results = _truth(stack, names, x)
    return dict(zip(names, [x, *results.values()], strict=False))


def _joined(function: Callable[..., dict[str, Tensor]], stack: nn.Sequential, names: Layers,
            layers: Layers, x: Tensor) -> Tensor:  # fmt: skip
    """All captured features in one row, so that one gradient tests them all."""
    captured = function(stack, names, layers, x)
    return torch.cat([captured[layer].flatten() for layer in layers])


def _relus_left_out(stack: nn.Sequential, names: Layers, x: Tensor) -> dict[str, Tensor]:
    modules = [nn.Identity() if isinstance(module, nn.ReLU) else module for module in stack]
    return _truth(nn.Sequential(*modules), names, x)


CAPTURE = (
    Mistake(
        "relu-for-conv",
        lambda stack, names, layers, x: {k: _overwritten(stack, names, x)[k] for k in layers},
        "Print the smallest value of each tensor that you return. A convolution normally has "
        "negative values: what has removed yours, and when?",
    ),
    Mistake(
        "input-for-output",
        lambda stack, names, layers, x: {k: _before_each(stack, names, x)[k] for k in layers},
        "Under each name you store the input of the module. The name stands for its output.",
    ),
    Mistake(
        "relu-left-out",
        lambda stack, names, layers, x: {k: _relus_left_out(stack, names, x)[k] for k in layers},
        "Your ReLU layers contain negative values, which the output of a ReLU never does.",
    ),
    Mistake(
        "every-layer",
        lambda stack, names, layers, x: _truth(stack, names, x),
        "You return every layer. The caller asked for only some of them.",
    ),
    Mistake(
        "without-names",
        lambda stack, names, layers, x: list(_captured(stack, names, layers, x).values()),
        "The caller wants to look up a layer by its name. Which Python type stores values by name?",
    ),
)


@task("Capture the activations", points=2, reread=(CHAPTER, "The in-place ReLU"))
def capture(answer: Answer) -> None:
    """`capture(stack, names, layers, x)`: the outputs of these layers, `{layer: features}`."""
    stack, names = _network(answer)
    asked = (("conv1_2", "relu1_2"), ("conv1_1", "conv2_2", "pool2", "relu2_1"))
    cases = [(stack, names, layers, _input(answer)) for layers in asked]
    _leaves_it_alone(answer, *cases[0])
    answer.compare(
        _captured, cases, mistakes=CAPTURE,
        otherwise="Call each module by hand on a copy of its input, and compare its output with "
        "what you return.",
    )  # fmt: skip
    joined = answer.through(_joined)
    joined.gradients(lambda *case: _joined(_captured, *case), cases[1], wrt=3)


# 5 Identify a tensor


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other)


def _found(tensor: Tensor, results: dict[str, Tensor]) -> str:
    return next((name for name, value in results.items() if _alike(tensor, value)), UNKNOWN)


def _name_of(tensor: Tensor, stack: nn.Sequential, names: Layers, x: Tensor) -> str:
    return _found(tensor, _truth(stack, names, x))


def _by_shape(tensor: Tensor, stack: nn.Sequential, names: Layers, x: Tensor) -> str:
    results = _truth(stack, names, x)
    return next((n for n, value in results.items() if value.shape == tensor.shape), UNKNOWN)


def _by_sign(tensor: Tensor, stack: nn.Sequential, names: Layers, x: Tensor) -> str:
    kind = "conv" if tensor.min() < 0 else "relu"
    results = _truth(stack, names, x).items()
    fits = [n for n, value in results if value.shape == tensor.shape and n.startswith(kind)]
    return fits[0] if fits else UNKNOWN


def _nearest(tensor: Tensor, stack: nn.Sequential, names: Layers, x: Tensor) -> str:
    gaps = {
        name: (value - tensor).abs().mean().item()
        for name, value in _truth(stack, names, x).items()
        if value.shape == tensor.shape
    }
    return min(gaps, key=gaps.__getitem__)


NUMBERS = "The outputs of several layers have the same shape. How can you tell them apart?"

NAME_OF = (
    Mistake(
        "truth-overwritten",
        lambda tensor, stack, names, x: _found(tensor, _overwritten(stack, names, x)),
        "You call a tensor conv although it has passed through a ReLU. The outputs that you "
        "compare it with may have been overwritten in the same way.",
    ),
    Mistake("by-shape", _by_shape, NUMBERS),
    Mistake("by-sign", _by_sign, NUMBERS),
    Mistake(
        "always-an-answer", _nearest,
        "You name a layer although the tensor is the output of none of them. How close must two "
        "tensors be to count as equal?",
    ),
)  # fmt: skip


@task("Identify a tensor", points=2, reread=(CHAPTER, "A probe"))
def name_of(answer: Answer) -> None:
    """`name_of(tensor, stack, names, x)`: the layer whose output this tensor is, or "unknown"."""
    stack, names = _network(answer)
    x = _input(answer)
    results = _truth(stack, names, x)
    stranger = answer.inputs.normal(*results["conv1_2"].shape)
    suspects = [results[layer] for layer in ("relu1_2", "conv2_1", "pool2")]
    _leaves_it_alone(answer.through(_stack_first), stack, suspects[0], names, x)
    if not isinstance(answer(suspects[0], stack, names, x), str):
        answer.reject(
            "not-a-name", "your function did not return a name",
            "Return a single name, spelt as in names, not a list or a number.",
        )  # fmt: skip
    cases = [(tensor, stack, names, x) for tensor in (*suspects, stranger)]
    answer.compare(_name_of, cases, mistakes=NAME_OF, otherwise=NUMBERS)


def _stack_first(function: Callable[..., str], stack: nn.Sequential, tensor: Tensor,
                 names: Layers, x: Tensor) -> str:  # fmt: skip
    return function(tensor, stack, names, x)


# 6 Rescale

Weights = tuple[Tensor, Tensor, Tensor]
LEAST_MEAN = 0.3
"""Mean activations stay this far from 0."""

SILENT = 3
"""Every so many filters never fire, so that their mean is 0."""


def _weights_and_means(answer: Answer, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Two convolutions with as many filters as inputs: so a wrong axis raises no error."""
    (n,) = answer.inputs.sides(1)
    weight, reader = (answer.inputs.normal(n, n, 3, 3, dtype=dtype) for _ in range(2))
    means = answer.inputs.normal(n, dtype=dtype).abs() + LEAST_MEAN
    return weight, answer.inputs.normal(n, dtype=dtype), reader, means


def _with_silent_filters(case: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    weight, bias, reader, means = case
    means = means.clone()
    means[::SILENT] = 0
    return weight, bias, reader, means


def _scales(means: Tensor) -> Tensor:
    return torch.where(means > 0, 1 / means, torch.ones_like(means))


def _rescaled(
    weight: Tensor, bias: Tensor, reader: Tensor, means: Tensor, *, scale: Any = _scales,
    of_bias: int = 1, of_reader: int = -1, reader_axis: int = 1, axis: int = 0,
) -> Weights:  # fmt: skip
    """The right weights; the options make them wrong ones. Numbers are powers of the scale."""
    factors = scale(means)

    def along(axis: int, power: int) -> Tensor:
        powers: Tensor = factors**power
        return powers.view([-1 if a == axis else 1 for a in range(4)])

    return (
        weight * along(axis, 1),
        bias * factors**of_bias,
        reader * along(reader_axis, of_reader),
    )


def _wrong_scale(**changes: Any) -> Callable[..., Weights]:
    return lambda *case: _rescaled(*case, **changes)


DOWNSTREAM = (
    "Pass an image through both convolutions, with the ReLU between them, before and after the "
    "change. Is the final output still the same?"
)
AXES = (
    "The axes of a weight are (filters, input channels, 3, 3). Which axis of each tensor belongs "
    "to the filters that you rescale?"
)

RESCALE = (
    Mistake(
        "bias-forgotten", _wrong_scale(of_bias=0),
        "A filter consists of its weights and its bias. What happens at the ReLU if only one of "
        "the two is scaled?",
    ),
    Mistake("reader-forgotten", _wrong_scale(of_reader=0), DOWNSTREAM),
    Mistake("reader-not-undone", _wrong_scale(of_reader=1), DOWNSTREAM),
    Mistake(
        "turned-round", _wrong_scale(scale=lambda means: 1 / _scales(means)),
        "A filter with a mean of 2 should end up with a mean of 1. Does yours shrink or grow?",
    ),
    Mistake("wrong-axis", _wrong_scale(reader_axis=0), AXES),
    Mistake("wrong-axis", _wrong_scale(axis=1), AXES),
    Mistake(
        "one-scale-for-all",
        _wrong_scale(scale=lambda means: torch.ones_like(means) / means.mean()),
        "Averaged over your filters the mean is 1. What does the task ask of each single filter?",
    ),
)  # fmt: skip


@task("Rescale the filters", points=2, reread=(CHAPTER, "Scale means nothing to a ReLU network"))
def rescale(answer: Answer) -> None:
    """`rescale(weight, bias, reader, means)`: the new weights, for mean activations of 1."""
    lively = [_weights_and_means(answer, d) for d in (torch.float32, torch.float64)]
    answer.compare(_rescaled, lively, mistakes=RESCALE, otherwise=DOWNSTREAM)
    _must_spare_the_silent(answer, _with_silent_filters(lively[1]))


def _must_spare_the_silent(answer: Answer, case: tuple[Tensor, ...]) -> None:
    given, expected = answer(*copy.deepcopy(case)), _rescaled(*case)
    pairs = list(zip(given, expected, strict=True))
    if not all(torch.allclose(one, other) for one, other in pairs):
        bad = sum(int((~torch.isfinite(one)).sum()) for one, _ in pairs)
        seen = f"some means are 0, and {bad} of your numbers are NaN or infinite"
        answer.reject(
            "silent-filter", seen if bad else "some means are 0, and those filters have changed",
            "A filter that never responded to these images has no mean to divide by. It may "
            "respond to others, so leave it as it is.",
        )  # fmt: skip
