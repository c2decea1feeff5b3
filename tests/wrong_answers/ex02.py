"""Exercise 2, as students answer it."""

from __future__ import annotations

import copy
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from wrong_answers import right, wrong

# truncate


@right("truncate")
def with_a_list(stack, names, layer):
    return nn.Sequential(*list(stack)[: names.index(layer) + 1])


@right("truncate")
def with_names(stack, names, layer):
    part = OrderedDict()
    for name, module in zip(names, stack, strict=True):
        part[name] = module
        if name == layer:
            break
    return nn.Sequential(part)


@right("truncate")
def copied_and_shortened(stack, names, layer):
    part = copy.deepcopy(stack)
    while len(part) > names.index(layer) + 1:
        del part[-1]
    return part


class Part(nn.Module):
    def __init__(self, modules):
        super().__init__()
        self.steps = nn.ModuleList(modules)

    def forward(self, x):
        for step in self.steps:
            x = step(x)
        return x


@right("truncate")
def as_a_module(stack, names, layer):
    return Part(stack[: names.index(layer) + 1])


@wrong("truncate", expects="one-short")
def slice_stops_early(stack, names, layer):
    return stack[: names.index(layer)]


@wrong("truncate", expects="one-too-far")
def slice_goes_on(stack, names, layer):
    return nn.Sequential(*list(stack)[: names.index(layer) + 2])


@wrong("truncate", expects="not-cut")
def all_of_it(stack, names, layer):
    return stack


@wrong("truncate", expects="wrong-end")
def the_rest(stack, names, layer):
    return stack[names.index(layer) :]


@wrong("truncate", expects="wrong-end")
def only_that_layer(stack, names, layer):
    return stack[names.index(layer)]


@wrong("truncate", expects="changed-network")
def deletes(stack, names, layer):
    del stack[names.index(layer) + 1 :]
    return stack


@wrong("truncate", expects="not-a-network")
def a_list_of_modules(stack, names, layer):
    return list(stack)[: names.index(layer) + 1]


# average_pooling


@right("average_pooling")
def with_a_loop(stack):
    modules = []
    for module in stack:
        if type(module) is nn.MaxPool2d:
            module = nn.AvgPool2d(kernel_size=module.kernel_size, stride=module.stride)
        modules.append(module)
    return nn.Sequential(*modules)


@right("average_pooling")
def on_a_copy(stack):
    changed = copy.deepcopy(stack)
    for index, module in enumerate(changed):
        if isinstance(module, nn.MaxPool2d):
            changed[index] = nn.AvgPool2d(module.kernel_size, module.stride)
    return changed


class Averaging(nn.Module):
    def __init__(self, stack):
        super().__init__()
        self.steps = stack

    def forward(self, x):
        for step in self.steps:
            pools = isinstance(step, nn.MaxPool2d)
            x = F.avg_pool2d(x, step.kernel_size, step.stride) if pools else step(x)
        return x


@right("average_pooling")
def functional(stack):
    return Averaging(stack)


@wrong("average_pooling", expects="wrong-value")
def all_but_the_first_module(stack):
    first, *others = stack
    others = [
        nn.AvgPool2d(m.kernel_size, m.stride) if isinstance(m, nn.MaxPool2d) else m for m in others
    ]
    return nn.Sequential(first, *others)


@wrong("average_pooling", expects="changed-network")
def in_the_given_network(stack):
    for index, module in enumerate(stack):
        if isinstance(module, nn.MaxPool2d):
            stack[index] = nn.AvgPool2d(module.kernel_size, module.stride)
    return stack


@wrong("average_pooling", expects="window-not-kept")
def two_by_two(stack):
    return nn.Sequential(*(nn.AvgPool2d(2) if isinstance(m, nn.MaxPool2d) else m for m in stack))


def exchanged(stack, make):
    return nn.Sequential(*(make(m) if isinstance(m, nn.MaxPool2d) else m for m in stack))


@wrong("average_pooling", expects="stride-lost")
def only_the_window(stack):
    return exchanged(stack, lambda pool: nn.AvgPool2d(pool.kernel_size))


@wrong("average_pooling", expects="stride-lost")
def step_of_one(stack):
    return exchanged(stack, lambda pool: nn.AvgPool2d(pool.kernel_size, stride=1))


@wrong("average_pooling", expects="pooling-dropped")
def without_pooling(stack):
    return nn.Sequential(*(m for m in stack if not isinstance(m, nn.MaxPool2d)))


@wrong("average_pooling", expects="still-max")
def variable_overwritten(stack):
    changed = copy.deepcopy(stack)
    for module in changed:
        if isinstance(module, nn.MaxPool2d):
            module = nn.AvgPool2d(module.kernel_size, module.stride)
    return changed


@wrong("average_pooling", expects="only-one")
def stops_at_the_first(stack):
    changed = copy.deepcopy(stack)
    for index, module in enumerate(changed):
        if isinstance(module, nn.MaxPool2d):
            changed[index] = nn.AvgPool2d(module.kernel_size, module.stride)
            break
    return changed


@wrong("average_pooling", expects="only-one")
def last_one_only(stack):
    changed = copy.deepcopy(stack)
    changed[-1] = nn.AvgPool2d(changed[-1].kernel_size, changed[-1].stride)
    return changed


@wrong("average_pooling", expects="not-a-network")
def modules_in_a_list(stack):
    return [nn.AvgPool2d(2) if isinstance(m, nn.MaxPool2d) else m for m in stack]


# receptive_field


@right("receptive_field")
def backwards(layers, layer):
    side = 1
    for name in reversed(layers[: layers.index(layer) + 1]):
        if name.startswith("conv"):
            side += 2
        elif name.startswith("pool"):
            side *= 2
    return side


@right("receptive_field")
def sum_of_steps(layers, layer):
    before = layers[: layers.index(layer) + 1]
    side = 1
    for index, name in enumerate(before):
        step = 2 ** sum(earlier.startswith("pool") for earlier in before[:index])
        side += step * {"conv": 2, "pool": 1, "relu": 0}[name[:4]]
    return side


@right("receptive_field")
def recursive(layers, layer):
    def field(names, side, step):
        if not names:
            return side
        if names[0].startswith("pool"):
            return field(names[1:], side + step, 2 * step)
        return field(names[1:], side + 2 * step * names[0].startswith("conv"), step)

    return field(layers[: layers.index(layer) + 1], 1, 1)


def recursion(layers, stop, conv=(3, 1), relu=(1, 1), pool=(2, 2), side=1):
    step = 1
    for name in layers[:stop]:
        kernel, stride = {"conv": conv, "relu": relu, "pool": pool}[name[:4]]
        side += (kernel - 1) * step
        step *= stride
    return side


@wrong("receptive_field", expects="distance-forgotten")
def adds_two_each_time(layers, layer):
    side = 1
    for name in layers[: layers.index(layer) + 1]:
        side += {"conv": 2, "relu": 0, "pool": 1}[name[:4]]
    return side


@wrong("receptive_field", expects="distance-forgotten")
def counts_convolutions(layers, layer):
    return 1 + 2 * sum(n.startswith("conv") for n in layers[: layers.index(layer) + 1])


@wrong("receptive_field", expects="pooling-window-forgotten")
def pooling_only_steps(layers, layer):
    return recursion(layers, layers.index(layer) + 1, pool=(1, 2))


@wrong("receptive_field", expects="distance-too-early")
def step_first(layers, layer):
    side, step = 1, 1
    for name in layers[: layers.index(layer) + 1]:
        kernel, stride = {"conv": (3, 1), "relu": (1, 1), "pool": (2, 2)}[name[:4]]
        step *= stride
        side += (kernel - 1) * step
    return side


@wrong("receptive_field", expects="field-doubled")
def doubles_the_field(layers, layer):
    side = 1
    for name in layers[: layers.index(layer) + 1]:
        if name.startswith("conv"):
            side += 2
        if name.startswith("pool"):
            side *= 2
    return side


@wrong("receptive_field", expects="relu-counted")
def each_layer_alike(layers, layer):
    return recursion(layers, layers.index(layer) + 1, relu=(3, 1))


@wrong("receptive_field", expects="layer-left-out")
def stops_before(layers, layer):
    return recursion(layers, layers.index(layer))


@wrong("receptive_field", expects="all-layers")
def never_stops(layers, layer):
    return recursion(layers, len(layers))


@wrong("receptive_field", expects="starts-at-zero")
def from_zero(layers, layer):
    return recursion(layers, layers.index(layer) + 1, side=0)


@wrong("receptive_field", expects="area-for-side")
def pixels(layers, layer):
    return recursion(layers, layers.index(layer) + 1) ** 2


@wrong("receptive_field", expects="radius-for-side")
def to_one_side(layers, layer):
    return recursion(layers, layers.index(layer) + 1) // 2


@wrong("receptive_field", expects="wrong-dtype")
def with_a_fraction(layers, layer):
    return float(recursion(layers, layers.index(layer) + 1))


# capture


@right("capture")
def copies_before_each_module(stack, names, layers, x):
    results = {}
    for name, module in zip(names, stack, strict=True):
        results[name] = x = module(x.clone())
    return {layer: results[layer] for layer in layers}


@right("capture")
def with_functional_relu(stack, names, layers, x):
    captured = {}
    for index, name in enumerate(names):
        x = F.relu(x) if isinstance(stack[index], nn.ReLU) else stack[index](x)
        if name in layers:
            captured[name] = x
    return captured


@right("capture")
def on_a_changed_copy(stack, names, layers, x):
    honest = copy.deepcopy(stack)
    for module in honest:
        if isinstance(module, nn.ReLU):
            module.inplace = False
    captured = {}
    for name, module in zip(names, honest, strict=True):
        x = module(x)
        captured.update({name: x} if name in layers else {})
    return captured


@right("capture")
def with_hooks(stack, names, layers, x):
    captured, hooks = {}, []
    for name, module in zip(names, stack, strict=True):
        if name in layers:
            hooks.append(
                module.register_forward_hook(
                    lambda _, __, output, name=name: captured.update({name: output.clone()})
                )
            )
    stack(x)
    for hook in hooks:
        hook.remove()
    return captured


@wrong("capture", expects="missing-key")
def forgets_the_last_module(stack, names, layers, x):
    captured = {}
    for name, module in list(zip(names, stack, strict=True))[:-1]:
        x = captured[name] = module(x.clone())
    return {name: captured[name] for name in layers}


@wrong("capture", expects="relu-for-conv")
def the_trap(stack, names, layers, x):
    captured = {}
    for name, module in zip(names, stack, strict=True):
        x = module(x)
        if name in layers:
            captured[name] = x
    return captured


@wrong("capture", expects="relu-for-conv")
def copies_too_late(stack, names, layers, x):
    captured = the_trap(stack, names, layers, x)
    return {layer: features.clone() for layer, features in captured.items()}


@wrong("capture", expects="gradient-cut")
def detached(stack, names, layers, x):
    captured = {}
    for name, module in zip(names, stack, strict=True):
        x = module(x)
        if name in layers:
            captured[name] = x.detach().clone()
    return captured


@wrong("capture", expects="gradient-cut")
def without_gradients(stack, names, layers, x):
    with torch.no_grad():
        return copies_before_each_module(stack, names, layers, x)


@wrong("capture", expects="input-for-output")
def stores_first(stack, names, layers, x):
    captured = {}
    for name, module in zip(names, stack, strict=True):
        if name in layers:
            captured[name] = x.clone()
        x = module(x)
    return captured


@wrong("capture", expects="relu-left-out")
def skips_the_relu(stack, names, layers, x):
    captured = {}
    for name, module in zip(names, stack, strict=True):
        if not name.startswith("relu"):
            x = module(x)
        if name in layers:
            captured[name] = x
    return captured


@wrong("capture", expects="every-layer")
def everything(stack, names, layers, x):
    return copies_before_each_module(stack, names, names, x)


@wrong("capture", expects="without-names")
def a_list(stack, names, layers, x):
    return list(copies_before_each_module(stack, names, layers, x).values())


@wrong("capture", expects="changed-network")
def switches_in_place_off(stack, names, layers, x):
    for module in stack:
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return the_trap(stack, names, layers, x)


@wrong("capture", expects="wrong-channels")
def always_the_picture(stack, names, layers, x):
    captured = {}
    for name, module in zip(names, stack, strict=True):
        features = module(x)
        if name in layers:
            captured[name] = features
    return captured


@wrong("capture", expects="hooks-left")
def hooks_stay(stack, names, layers, x):
    captured = {}
    for name, module in zip(names, stack, strict=True):
        if name in layers:
            module.register_forward_hook(
                lambda _, __, output, name=name: captured.update({name: output.clone()})
            )
    stack(x)
    return captured


# name_of


@right("name_of")
def compares_on_the_way(tensor, stack, names, x):
    found = "unknown"
    for name, module in zip(names, stack, strict=True):
        x = module(x)
        if torch.equal(x, tensor) and found == "unknown":
            found = name
    return found


@right("name_of")
def truth_first(tensor, stack, names, x):
    results = {}
    for name, module in zip(names, stack, strict=True):
        x = results[name] = module(x.clone())
    fits = [n for n, v in results.items() if v.shape == tensor.shape and (v - tensor).norm() < 1e-4]
    return fits[0] if fits else "unknown"


@right("name_of")
class NameOf(nn.Module):
    def forward(self, tensor, stack, names, x):
        honest = copy.deepcopy(stack)
        for index, module in enumerate(honest):
            if isinstance(module, nn.ReLU):
                honest[index] = nn.ReLU()
        for name, module in zip(names, honest, strict=True):
            x = module(x)
            if x.shape == tensor.shape and torch.allclose(x, tensor, atol=1e-6):
                return name
        return "unknown"


def held(stack, names, x):
    results = {}
    for name, module in zip(names, stack, strict=True):
        x = module(x)
        results[name] = x
    return results


@wrong("name_of", expects="wrong-value")
def not_the_last_layer(tensor, stack, names, x):
    for name, module in list(zip(names, stack, strict=True))[:-1]:
        x = module(x.clone())
        if x.shape == tensor.shape and torch.allclose(x, tensor):
            return name
    return "unknown"


@wrong("name_of", expects="truth-overwritten")
def believes_its_own_record(tensor, stack, names, x):
    for name, value in held(stack, names, x).items():
        if torch.equal(value, tensor):
            return name
    return "unknown"


@wrong("name_of", expects="by-shape")
def first_of_that_shape(tensor, stack, names, x):
    for name, module in zip(names, stack, strict=True):
        x = module(x)
        if x.shape == tensor.shape:
            return name
    return "unknown"


@wrong("name_of", expects="by-sign")
def by_its_smallest_value(tensor, stack, names, x):
    kind = "conv" if (tensor < 0).any() else "relu"
    for name, module in zip(names, stack, strict=True):
        x = module(x)
        if name.startswith(kind) and x.shape == tensor.shape:
            return name
    return "unknown"


@wrong("name_of", expects="always-an-answer")
def the_nearest(tensor, stack, names, x):
    distances = {}
    for name, module in zip(names, stack, strict=True):
        x = module(x.clone())
        if x.shape == tensor.shape:
            distances[name] = (x - tensor).abs().mean().item()
    return min(distances, key=distances.get)


@wrong("name_of", expects="not-a-name")
def its_number(tensor, stack, names, x):
    return names.index(compares_on_the_way(tensor, stack, names, x))


@wrong("name_of", expects="not-a-name")
def a_list_of_names(tensor, stack, names, x):
    return [compares_on_the_way(tensor, stack, names, x)]


@wrong("name_of", expects="shapes-do-not-fit")
def compares_all_shapes(tensor, stack, names, x):
    for name, module in zip(names, stack, strict=True):
        x = module(x.clone())
        if torch.allclose(x, tensor):
            return name
    return "unknown"


@wrong("name_of", expects="many-answers")
def compares_with_two_equal_signs(tensor, stack, names, x):
    for name, module in zip(names, stack, strict=True):
        x = module(x.clone())
        if x.shape == tensor.shape and x == tensor:
            return name
    return "unknown"


@wrong("name_of", expects="changed-network")
def repairs_the_network(tensor, stack, names, x):
    for module in stack:
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return truth_first(tensor, stack, names, x)


# rescale


@right("rescale")
def by_einsum(weight, bias, reader, means):
    alive = means > 0
    divisor = torch.where(alive, means, torch.ones_like(means))
    return (
        torch.einsum("nchw,n->nchw", weight, 1 / divisor),
        bias / divisor,
        torch.einsum("knhw,n->knhw", reader, divisor),
    )


@right("rescale")
def filter_by_filter(weight, bias, reader, means):
    weight, bias, reader = weight.clone(), bias.clone(), reader.clone()
    for n, mean in enumerate(means.tolist()):
        if mean > 0:
            weight[n] /= mean
            bias[n] /= mean
            reader[:, n] *= mean
    return weight, bias, reader


@right("rescale")
class Rescale(nn.Module):
    def forward(self, weight, bias, reader, means):
        means = means + (means == 0).to(means)
        return [weight / means.view(-1, 1, 1, 1), bias / means, reader * means.view(1, -1, 1, 1)]


@wrong("rescale", expects="bias-forgotten")
def only_weights(weight, bias, reader, means):
    m = means[:, None, None, None]
    return weight / m, bias, reader * means[None, :, None, None]


@wrong("rescale", expects="reader-forgotten")
def reads_as_before(weight, bias, reader, means):
    return weight / means[:, None, None, None], bias / means, reader


@wrong("rescale", expects="reader-not-undone")
def divides_twice(weight, bias, reader, means):
    m = means[:, None, None, None]
    return weight / m, bias / means, reader / means[:, None, None]


@wrong("rescale", expects="turned-round")
def multiplies(weight, bias, reader, means):
    m = means[:, None, None, None]
    return weight * m, bias * means, reader / means[:, None, None]


@wrong("rescale", expects="wrong-axis")
def rows_of_the_reader(weight, bias, reader, means):
    m = means[:, None, None, None]
    return weight / m, bias / means, reader * m


@wrong("rescale", expects="wrong-axis")
def channels_of_the_filter(weight, bias, reader, means):
    return weight / means[:, None, None], bias / means, reader * means[:, None, None]


@wrong("rescale", expects="one-scale-for-all")
def overall_mean(weight, bias, reader, means):
    mean = means.mean()
    return weight / mean, bias / mean, reader * mean


@wrong("rescale", expects="shapes-do-not-fit")
def vector_at_the_end(weight, bias, reader, means):
    return weight / means, bias / means, reader * means


@wrong("rescale", expects="silent-filter")
def divides_by_zero(weight, bias, reader, means):
    m = means[:, None, None, None]
    return weight / m, bias / means, reader * means[:, None, None]


@wrong("rescale", expects="silent-filter")
def a_tiny_number(weight, bias, reader, means):
    return divides_by_zero(weight, bias, reader, means.clamp(min=1e-8))


@wrong("rescale", expects="changed-input")
def in_place(weight, bias, reader, means):
    weight /= means[:, None, None, None]
    bias /= means
    reader *= means[:, None, None]
    return weight, bias, reader
