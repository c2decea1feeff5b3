"""The course's loss and its gradient as an ONNX graph, for use without PyTorch.

The mathematics is not repeated here. `StyleObjective` is run once on the bundled network while
PyTorch's tracer records every operation, including those of the backward pass; the recording is
saved as ONNX. The graph also returns features and Gram matrices, to compute its own targets.

The comments explain which operations are replaced, and why: each replacement has the same value, in
a form that the browser's runtime supports or runs faster. Chapter 5 explains the objective.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from onnxscript import opset18 as ops
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from nst_teach import FeatureNetwork, StyleObjective
from nst_teach.losses import gram_matrix

STRIDE = 16  # four poolings: sides must be multiples of it, or pooling drops rows
TRACED_SIZE = (5 * STRIDE, 7 * STRIDE)
"""Height and width while tracing: different from each other and from every number of channels, so
that the tracer cannot confuse them."""

DIALS = ("content_weights", "style_weights", "alpha", "beta", "total_variation")
LOSSES = ("total", "content_losses", "style_losses", "variation", "gradient")

aten = torch.ops.aten


def content_layers(network: FeatureNetwork) -> tuple[str, ...]:
    """The layers available for the content: all that the course uses, in the network's order."""
    used = {*network.content_layers, *network.style_layers}
    return tuple(layer for layer in network.layers if layer in used)


def input_names(network: FeatureNetwork) -> tuple[str, ...]:
    """The inputs of the graph: the image, the values set by the controls, and the targets."""
    return ("image", *DIALS, *_per_layer(network, "content_target", "gram_target"))


def output_names(network: FeatureNetwork) -> tuple[str, ...]:
    """The outputs of the graph: the losses, the gradient, and the features and Gram matrices."""
    return (*LOSSES, *_per_layer(network, "features", "gram"))


def _per_layer(network: FeatureNetwork, content: str, style: str) -> tuple[str, ...]:
    contents = (f"{content}_{layer}" for layer in content_layers(network))
    return (*contents, *(f"{style}_{layer}" for layer in network.style_layers))


# The objective as a function of all its inputs


class Listener(FeatureNetwork):
    """A network whose weights are given from outside, and that stores its last features."""

    def __init__(self, network: FeatureNetwork):
        nn.Module.__init__(self)  # it has no layers of its own
        self.network = network
        self.weights = dict(network.state_dict())
        self.features: dict[str, Tensor] = {}

    def forward(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        arguments = (image, layers)
        self.features = torch.func.functional_call(self.network, self.weights, arguments)
        return self.features


class OpenObjective:
    """`StyleObjective` as a pure function of tensors.

    The network's weights are inputs in half precision, as they are stored, and are converted inside
    the graph: the file is half as large, without loss of accuracy.
    """

    def __init__(self, network: FeatureNetwork):
        self.contents, self.styles = content_layers(network), network.style_layers
        self.listener = Listener(network)
        self.weights = {name: _halved(name, w) for name, w in network.state_dict().items()}
        generator = torch.Generator().manual_seed(0)
        content, style, image = torch.rand((3, 1, 3, *TRACED_SIZE), generator=generator)
        self.objective = StyleObjective(
            content,
            style,
            self.listener,
            content_layers=self.contents,
            style_layers=self.styles,
            beta=1.0,  # an input of the graph: any value will do here
        )
        self.image = image

    def example(self) -> tuple[Tensor, ...]:
        """Example inputs for tracing, in the order of `input_names`, followed by the weights."""
        goal = self.objective
        dials = [torch.rand(len(self.contents)), torch.rand(len(self.styles)), *torch.rand(3)]
        targets = [*goal.content_targets.values(), *goal.style_targets.values()]
        return self.image, *dials, *targets, *self.weights.values()

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs, in the order of `output_names`."""
        inputs, weights = inputs[: -len(self.weights)], inputs[-len(self.weights) :]
        widened = (weight.float() for weight in weights)
        self.listener.weights = dict(zip(self.weights, widened, strict=True))
        gradient, (total, (losses, rest)) = torch.func.grad_and_value(self._loss, has_aux=True)(
            *inputs
        )
        return total, *losses, gradient, *rest

    def _loss(self, image: Tensor, *inputs: Tensor) -> tuple[Tensor, tuple]:
        losses = self._set(*inputs)(image)
        features = self.listener.features
        grams = [gram_matrix(features[layer]) for layer in self.styles]
        parts = [torch.stack([*part.values()]) for part in (losses.content, losses.style)]
        rest = [*(features[layer] for layer in self.contents), *grams]
        return losses.total, ([*parts, losses.total_variation], rest)

    def _set(
        self,
        content_weights: Tensor,
        style_weights: Tensor,
        alpha: Tensor,
        beta: Tensor,
        total_variation: Tensor,
        *targets: Tensor,
    ) -> StyleObjective:
        """The objective, with tensors in place of its numbers."""
        goal, count = copy.copy(self.objective), len(self.contents)
        goal.content_layers = dict(zip(self.contents, content_weights.unbind(), strict=True))
        goal.style_layers = dict(zip(self.styles, style_weights.unbind(), strict=True))
        goal.alpha, goal.beta, goal.total_variation = alpha, beta, total_variation
        goal.content_targets = dict(zip(self.contents, targets[:count], strict=True))
        goal.style_targets = dict(zip(self.styles, targets[count:], strict=True))
        return goal


def _halved(name: str, weight: Tensor) -> Tensor:
    half = weight.half()
    if not torch.equal(half.float(), weight):
        raise SystemExit(
            f"'{name}' does not fit into half precision, in which the graph keeps the weights. "
            "Save the network in half precision first, as tools/train_petite.py does."
        )
    return half


# Replaced operations


@torch.library.custom_op("nst_lab::double", mutates_args=())
def double(x: Tensor) -> Tensor:
    """Repeat each pixel four times: `(B, N, h, w)` to `(B, N, 2h, 2w)`."""
    return x.repeat_interleave(2, -2).repeat_interleave(2, -1)


@double.register_fake
def _(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    return x.new_empty(batch, channels, 2 * height, 2 * width)


def double_in_onnx(x):
    """`double` as a single operation of the runtime."""
    return ops.Resize(
        x,
        None,
        ops.Constant(value_floats=[1.0, 1.0, 2.0, 2.0]),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def convolution_backward(grad, x, weight, _biases, stride, padding, dilation, *_):
    """The gradient of the input: a convolution with the rotated kernel, its channels swapped.

    ONNX has no operation for the backward pass; its transposed convolution is slower.
    """
    if stride != [1, 1] or dilation != [1, 1] or padding != [1, 1] or weight.shape[-1] != 3:
        return NotImplemented  # only for "same" convolutions, where both paddings are equal
    turned = weight.transpose(0, 1).flip(2, 3)
    back = aten.convolution(grad, turned, None, stride, padding, dilation, False, [0, 0], 1)
    return back, None, None


def average_pool_backward(grad, x, kernel, stride, *_):
    """A quarter of the gradient to each of the four pixels."""
    if kernel != [2, 2] or stride != [2, 2]:
        return NotImplemented
    return double(grad * 0.25)


def power(x, exponent):
    """Multiplications, because the runtime's power is slow; x¹ occurs in the gradient."""
    return x * x if exponent == 2 else x.clone() if exponent == 1 else NotImplemented


def slice_backward(grad, sizes, dimension, start, _end, _step):
    """Pad the gradient with zeros, instead of writing it into a tensor of zeros."""
    dimension %= len(sizes)
    after = sizes[dimension] - start - grad.shape[dimension]
    later = [0, 0] * (
        len(sizes) - 1 - dimension
    )  # padding is given from the last dimension backwards
    return aten.constant_pad_nd(grad, [*later, start, after], 0.0)


def replacements() -> dict[object, Callable]:
    """Replacements for operations that ONNX does not have, or that are slow there."""
    return {
        **torch._decomp.get_decompositions([aten.threshold_backward, aten.detach]),
        aten.convolution_backward.default: convolution_backward,
        aten.avg_pool2d_backward.default: average_pool_backward,
        aten.pow.Tensor_Scalar: power,
        aten.slice_backward.default: slice_backward,
    }


# Trace, export, tidy


def build(network: FeatureNetwork) -> onnx.ModelProto:
    """The graph for a network with average pooling.

    With max pooling the gradient jumps where two pixels are equal, and programs would disagree.
    """
    if network.pooling != "average":
        raise SystemExit(f"{network.name} has {network.pooling} pooling; the lab needs 'average'.")
    objective = OpenObjective(network)
    example = objective.example()
    traced = trace(objective, example)
    model = export(traced, example, network)
    return tidy(model, list(objective.weights.values()))


def trace(objective: Callable, example: tuple[Tensor, ...]) -> torch.fx.GraphModule:
    """Every operation of the objective and of its gradient, for any height and width."""
    tracer = make_fx(
        objective,
        decomposition_table=replacements(),
        tracing_mode="symbolic",
        _allow_non_fake_inputs=True,
    )
    return tracer(*example).eval()


def export(
    traced: torch.fx.GraphModule, example: tuple[Tensor, ...], network: FeatureNetwork
) -> onnx.ModelProto:
    """The traced operations as ONNX, with descriptive names."""
    free = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    named = input_names(network)
    sized = [free if name.startswith(("image", "content_target")) else None for name in named]
    weights = [f"weight_{index}" for index in range(len(example) - len(named))]
    program = torch.onnx.export(
        traced,
        example,
        dynamo=True,
        verbose=False,
        input_names=[*named, *weights],
        output_names=output_names(network),
        dynamic_shapes=[*sized, *(None for _ in weights)],
        custom_translation_table={torch.ops.nst_lab.double.default: double_in_onnx},
    )
    return program.model_proto


def tidy(model: onnx.ModelProto, weights: list[Tensor]) -> onnx.ModelProto:
    """Store the weights in the file, and remove all traces of the machine that made it."""
    inputs = list(model.graph.input)[-len(weights) :]
    for place, weight in zip(inputs, weights, strict=True):
        model.graph.input.remove(place)
        model.graph.initializer.append(numpy_helper.from_array(weight.numpy(), place.name))
    for item in (*model.graph.node, *model.graph.input, *model.graph.output, model.graph, model):
        item.doc_string = ""
        del item.metadata_props[:]
    del model.graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model


# Run


class Session:
    """The graph in onnxruntime, the runtime that the page uses, on this machine."""

    def __init__(self, model: onnx.ModelProto | Path, network: FeatureNetwork):
        data = model.read_bytes() if isinstance(model, Path) else model.SerializeToString()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(data, options)
        self.network = network

    def __call__(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """All outputs by name."""
        names = [item.name for item in self.session.get_outputs()]
        given = {name: np.asarray(value, dtype=np.float32) for name, value in inputs.items()}
        values = self.session.run(names, given)
        return {name: torch.as_tensor(value) for name, value in zip(names, values, strict=True)}

    def targets(self, content: Tensor, style: Tensor) -> dict[str, Tensor]:
        """The target inputs, computed by the graph itself from two images."""
        seen, style_seen = self(blank(self.network, content)), self(blank(self.network, style))
        contents = {
            f"content_target_{c}": seen[f"features_{c}"] for c in content_layers(self.network)
        }
        styles = {f"gram_target_{s}": style_seen[f"gram_{s}"] for s in self.network.style_layers}
        return {**contents, **styles}


def blank(network: FeatureNetwork, image: Tensor) -> dict[str, Tensor]:
    """Inputs whose weights and targets are all zero."""
    contents, styles = content_layers(network), network.style_layers
    features = network(image, (*contents, *styles))
    counts = {"content_weights": (len(contents),), "style_weights": (len(styles),)}
    dials = {dial: torch.zeros(counts.get(dial, ())) for dial in DIALS}
    targets = {f"content_target_{c}": torch.zeros_like(features[c]) for c in contents}
    grams = {f"gram_target_{s}": torch.zeros_like(gram_matrix(features[s])) for s in styles}
    return {"image": image, **dials, **targets, **grams}
