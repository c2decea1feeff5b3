"""Random inputs for the checks: fresh for each call, and the same again for the same seed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nst_teach.networks import FeatureNetwork, build_vgg

TINY_PLAN = ((4, 4), (6, 6))
"""Two blocks of two convolutions: everything that a VGG has, in milliseconds."""

SMALLEST_SIDE, LARGEST_SIDE = 5, 12
"""Sides of random pictures and features, in pixels: small, and enough to tell H from W."""

ALIVE = 0.5
"""Bias of the tiny network's filters: about as many speak as keep silent."""


class Inputs:
    """A source of random inputs. Their sizes are random too, and no two sides are equal."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def sides(self, count: int = 2) -> list[int]:
        """So many different numbers of pixels."""
        order = torch.randperm(LARGEST_SIDE - SMALLEST_SIDE + 1, generator=self.generator)
        return (order[:count] + SMALLEST_SIDE).tolist()

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Normally distributed numbers."""
        return torch.randn(shape, generator=self.generator, dtype=dtype)

    def picture(self, batch: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
        """`(batch, 3, H, W)` in [0, 1]."""
        return torch.rand(batch, 3, *self.sides(), generator=self.generator, dtype=dtype)

    def pixels(self) -> np.ndarray:
        """`(H, W, 3)` bytes."""
        shape = (*self.sides(), 3)
        return torch.randint(0, 256, shape, generator=self.generator, dtype=torch.uint8).numpy()

    def features(
        self, count: int, batch: int = 1, dtype: torch.dtype = torch.float32
    ) -> list[Tensor]:
        """So many tensors of one shape, `(batch, N, h, w)`, as a ReLU gives them: many zeros."""
        filters, height, width = self.sides(3)
        shape = (batch, filters, height, width)
        return [self.normal(*shape, dtype=dtype).relu() for _ in range(count)]

    def network(self, dtype: torch.dtype = torch.float64) -> FeatureNetwork:
        """A tiny network with random weights and layers conv1_1 to pool2."""
        network = build_vgg("tiny", TINY_PLAN, "average").to(dtype)
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                fan_in = module.weight[0].numel()
                weight = self.normal(*module.weight.shape, dtype=dtype) * (2 / fan_in) ** 0.5
                module.weight.copy_(weight)
                assert module.bias is not None  # build_vgg makes one
                module.bias.copy_(ALIVE * self.normal(*module.bias.shape, dtype=dtype))
        return network
