"""When memory is too small for a picture: notice, and say which size would fit."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterable

import torch
from torch import Tensor

from nst_teach import machine
from nst_teach.networks import FeatureNetwork

LARGE = 1_000_000  # pixels from which the free memory is looked at before the work
PROBE = 128  # pixels: the longer side of the piece of a picture from which bytes a pixel are taken


class TransferError(RuntimeError):
    """A run that could not begin; the message says what to do."""


def lacks_memory(error: BaseException) -> bool:
    """torch's own error, Python's, or the plain RuntimeError of torch's allocator for the CPU."""
    signs = ("out of memory", "can't allocate", "alloc_cpu")
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or any(sign in str(error).lower() for sign in signs)


def memory_reason(image: Tensor) -> str:
    """What to tell the reader, whichever allocator it was that gave up."""
    height, width = image.shape[-2:]
    return (
        f"memory ran out at {width}×{height} pixels. Use a smaller size= (half the side needs "
        "a quarter of the memory), or a smaller network."
    )


def check_memory(image: Tensor, network: FeatureNetwork, layers: Iterable[str]) -> None:
    """Refuse a picture that clearly cannot fit, before the work.

    Linux does not tell a program that memory runs out: it kills it. What is counted is only what
    an evaluation keeps for its gradient, so a picture that passes may still be too large. Small
    pictures, and those on a GPU, whose allocator raises an error in time, are not looked at.

    Args:
        image: `(1, 3, H, W)`, of the size of the result.
        network: where the features come from.
        layers: those that the objective reads.

    Raises:
        TransferError: more bytes are needed than are free; the message names a size that fits.
    """
    height, width = image.shape[-2:]
    if height * width < LARGE or image.device.type != "cpu":
        return
    needed = height * width * kept_bytes(image[..., :PROBE, :PROBE], network, layers)
    free = machine.memory().free
    if needed > free:
        side = math.floor(max(height, width) * (free / needed) ** 0.5)
        raise TransferError(
            f"{width}×{height} pixels need at least {needed / 1e9:.3g} GB with {network.name}, "
            f"and {free / 1e9:.3g} GB of memory are free. Use size={side} or less, or a smaller "
            "network."
        )


def kept_bytes(image: Tensor, network: FeatureNetwork, layers: Iterable[str]) -> float:
    """Bytes that an evaluation keeps for its gradient, for each pixel; the weights do not count."""
    weights = {parameter.data_ptr() for parameter in network.parameters()}
    kept: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        features = network(image.detach().requires_grad_(True), tuple(layers))
    total = sum(tensor.numel() * tensor.element_size() for tensor in kept.values())
    del features  # only now: as long as it lives, no address is used twice
    return total / (image.shape[-2] * image.shape[-1])


@contextlib.contextmanager
def memory_advice(image: Tensor) -> Generator[None]:
    """Say what to do where memory runs out before there is anything to keep."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise TransferError(memory_reason(image)) from error
