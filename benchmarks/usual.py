"""The usual loop: style transfer as most tutorials write it, for comparison.

Written from the description that they share: a VGG in eager mode and single precision, features in
the contiguous format, ReLUs in place, and torch's optimisers as they come. L-BFGS is called again
and again with its defaults (20 iterations a call, 100 pairs, no line search), and the image is
clamped at the beginning of each closure. The terms have the units of `StyleObjective`, so that the
two have the same loss for the same image; tests/test_benchmarks.py compares them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from nst_teach import FeatureNetwork

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision states them
ADAM_LEARNING_RATE = 0.02

Watch = Callable[[int, float, Tensor], bool]
"""Called after each evaluation with its number, the loss and the image; True ends the run."""


class Enough(Exception):
    """Ends a run from inside a closure."""


class UsualLoop:
    """Loss and gradient of an image, and two optimisers.

    Args:
        content, style: `(1, 3, H, W)`, RGB in [0, 1].
        network: a VGG, of which the weights are copied; its usual layers are used.
        beta: weight of the style; that of the content is 1.
    """

    def __init__(self, content: Tensor, style: Tensor, network: FeatureNetwork, beta: float):
        self.content_layers, self.style_layers = network.content_layers, network.style_weights
        self.beta, wanted = beta, {*self.content_layers, *self.style_layers}
        last = max(map(network.layers.index, wanted))
        self.names = network.layers[: last + 1]
        self.stack = nn.Sequential(*map(_as_usual, network.stack[: last + 1]))
        self.mean, self.std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
        with torch.no_grad():
            self.content_targets = self.features(content.contiguous())
            styled = self.features(style.contiguous())
            self.style_targets = {name: gram(styled[name]) for name in self.style_layers}

    def features(self, image: Tensor) -> dict[str, Tensor]:
        """The features of the layers that the loss needs."""
        x, found = (image - self.mean) / self.std, {}
        for name, layer in zip(self.names, self.stack, strict=True):
            x = layer(x)
            if name in self.content_layers or name in self.style_layers:
                found[name] = x
        return found

    def loss(self, image: Tensor) -> Tensor:
        """½ Σ (F − P)² + β Σ w·¼ mean (G − A)²."""
        found = self.features(image)
        content = sum(
            0.5 * functional.mse_loss(found[name], self.content_targets[name], reduction="sum")
            for name in self.content_layers
        )
        style = sum(
            weight * 0.25 * functional.mse_loss(gram(found[name]), self.style_targets[name])
            for name, weight in self.style_layers.items()
        )
        return content + self.beta * style

    def evaluate(self, image: Tensor) -> Tensor:
        """The loss; its gradient is left in `image.grad`."""
        image.grad = None
        loss = self.loss(image)
        loss.backward()
        return loss.detach()

    def lbfgs(self, image: Tensor, watch: Watch) -> None:
        """torch's L-BFGS with its defaults, one call after the other, until `watch` has enough."""
        self._run(torch.optim.LBFGS([image]), image, watch)

    def adam(self, image: Tensor, watch: Watch) -> None:
        """torch's Adam, until `watch` has enough."""
        self._run(torch.optim.Adam([image], lr=ADAM_LEARNING_RATE), image, watch)

    def _run(self, optimizer: torch.optim.Optimizer, image: Tensor, watch: Watch) -> None:
        count = 0

        def closure() -> Tensor:
            nonlocal count
            with torch.no_grad():
                image.clamp_(0, 1)
            loss = self.evaluate(image)
            count += 1
            if watch(count, loss.item(), image):
                raise Enough
            return loss

        try:
            while True:
                optimizer.step(closure)
        except Enough:
            return


def gram(features: Tensor) -> Tensor:
    """F Fᵀ / M."""
    _, filters, height, width = features.shape
    flat = features.view(filters, height * width)
    return torch.mm(flat, flat.t()).div(height * width)


def _as_usual(module: nn.Module) -> nn.Module:
    """The same layer as a tutorial would make it."""
    if isinstance(module, nn.ReLU):
        return nn.ReLU(inplace=True)
    if not isinstance(module, nn.Conv2d):
        return module
    usual = nn.Conv2d(module.in_channels, module.out_channels, 3, padding=1)
    usual.weight.data.copy_(module.weight)
    usual.bias.data.copy_(module.bias)
    return usual.requires_grad_(False)
