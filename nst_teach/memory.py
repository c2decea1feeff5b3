"""Too little memory for an image: detect it, and suggest a size that fits."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterable

import torch
from torch import Tensor

from nst_teach import machine
from nst_teach.networks import FeatureNetwork

LARGE = 1_000_000  # pixels; for larger images the free memory is checked before the run
PROBE = 128  # pixels; bytes per pixel are measured on a crop of this size


class TransferError(RuntimeError):
    """A run that could not begin; the message explains what to do."""


def lacks_memory(error: BaseException) -> bool:
    """Whether this is torch's or Python's own error, or one of torch's CPU allocator."""
    signs = ("out of memory", "can't allocate", "alloc_cpu")
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or any(sign in str(error).lower() for sign in signs)


def memory_reason(image: Tensor) -> str:
    """The message for the user, whichever allocator failed."""
    height, width = image.shape[-2:]
    return (
        f"memory ran out at {width}×{height} pixels. Use a smaller size= (half the side needs "
        "a quarter of the memory), memory='low', or a smaller network."
    )


def check_memory(image: Tensor, network: FeatureNetwork, layers: Iterable[str]) -> None:
    """Refuse an image that is clearly too large, before the run.

    Linux kills a process whose memory runs out, without an error. Only the tensors saved for the
    backward pass are counted, so an image that passes may still be too large. Small images are not
    checked, nor are those on a GPU, whose allocator raises an error in time.

    Args:
        image: `(1, 3, H, W)`, of the size of the result.
        network: computes the features.
        layers: the layers used by the objective.

    Raises:
        TransferError: more memory is needed than is free; the message suggests a size that fits.
    """
    height, width = image.shape[-2:]
    if height * width < LARGE or image.device.type != "cpu":
        return
    needed = height * width * kept_bytes(image[..., :PROBE, :PROBE], network, layers)
    free = machine.memory().free
    if needed > free:
        side = math.floor(max(height, width) * (free / needed) ** 0.5)
        raise TransferError(
            f"{width}×{height} pixels need at least {needed / 1e9:.3g} GB with {network.name}; "
            f"only {free / 1e9:.3g} GB of memory are free. Use size={side} or less, "
            "memory='low', or a smaller network."
        )


def kept_bytes(image: Tensor, network: FeatureNetwork, layers: Iterable[str]) -> float:
    """Bytes per pixel that an evaluation saves for the backward pass, without the weights."""
    weights = {parameter.data_ptr() for parameter in network.parameters()}
    kept: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        features = network(image.detach().requires_grad_(True), tuple(layers))
    total = sum(tensor.numel() * tensor.element_size() for tensor in kept.values())
    del features  # only now: freed memory could be reused under the same address
    return total / (image.shape[-2] * image.shape[-1])


@contextlib.contextmanager
def memory_advice(image: Tensor) -> Generator[None]:
    """Explain what to do if memory runs out before there is any result to keep."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise TransferError(memory_reason(image)) from error
