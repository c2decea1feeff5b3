"""Too little memory for an image: detect it, and suggest a size that fits."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable

import torch
from torch import Tensor

from nst_teach.networks import FeatureNetwork


class TransferError(RuntimeError):
    """A run that could not begin; the message explains what to do."""


def lacks_memory(error: BaseException) -> bool:
    """Whether this is torch's or Python's own error, or one of torch's CPU allocator."""
    signs = ("out of memory", "can't allocate", "alloc_cpu")
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or any(sign in str(error).lower() for sign in signs)


def loses_device(error: BaseException) -> bool:
    """Whether a graphics card has failed: nothing on it can be read any more in this process."""
    signs = ("cuda error", "hip error", "mps error", "device-side assert")
    kind = getattr(torch, "AcceleratorError", None)  # torch 2.8 and later
    known = kind is not None and isinstance(error, kind)
    return not lacks_memory(error) and (known or any(s in str(error).lower() for s in signs))


def memory_reason(image: Tensor) -> str:
    """The message for the user, whichever allocator failed."""
    height, width = image.shape[-2:]
    return (
        f"memory ran out at {width}×{height} pixels. Use a smaller size= (half the side needs "
        "a quarter of the memory), memory='low', or a smaller network."
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
