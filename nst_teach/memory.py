"""When memory is too small for a picture: notice, and say which size would fit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor


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


@contextlib.contextmanager
def memory_advice(image: Tensor) -> Iterator[None]:
    """Say what to do where memory runs out before there is anything to keep."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise TransferError(memory_reason(image)) from error
