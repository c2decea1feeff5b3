"""The precision of the network's arithmetic: float32, or bfloat16 where that is faster.

Many processors multiply numbers of 16 bits several times as fast as numbers of 32, and half the
bytes move between memory and processor. A bfloat16 has the range of a float32 but 8 significant
bits. Only the network computes with them: losses, gradients of the image and the optimiser stay in
float32. `benchmarks/precision.py` compares the losses of finished runs, and the page on performance
the times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from nst_teach import arguments

PRECISIONS = ("float32", "bfloat16", "auto")

WORTHWHILE = 1.3
"""How many times as fast bfloat16 must be for `"auto"` to choose it. The choice is repeatable where
the ratio is far from this bound: on one processor it was 5.3 to 5.8 with its matrix units, 0.6 with
these masked, and 0.15 with AVX2 only."""
FILTERS, SIDE, ROUNDS = 64, 64, 8  # of the convolution that is timed: some milliseconds


def choose_precision(precision: str, device: torch.device | str = "cpu") -> str:
    """`"float32"` or `"bfloat16"`, for a precision that may be `"auto"`.

    `"auto"` times a convolution in both, once per process and device; it takes a few milliseconds.

    Raises:
        ValueError: an unknown precision.
    """
    arguments.one_of("precision", precision, PRECISIONS)
    if precision != "auto":
        return precision
    return "bfloat16" if speedup(torch.device(device).type) >= WORTHWHILE else "float32"


@cache
def speedup(device: str) -> float:
    """How many times as fast as in float32 a convolution is in bfloat16; 0 if it is impossible."""
    pair = [_convolution(dtype, device) for dtype in (torch.float32, torch.bfloat16)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other, and longer on a busy machine
    try:
        times = [[_seconds(convolve) for convolve in pair] for _ in range(ROUNDS)]
    except RuntimeError:  # a device without bfloat16
        return 0.0
    finally:
        torch.set_num_threads(threads)
    return min(full for full, _ in times) / min(half for _, half in times)


def _convolution(dtype: torch.dtype, device: str) -> Callable[[], Tensor]:
    def ones(*shape: int) -> Tensor:
        x = torch.ones(*shape, dtype=dtype, device=device)
        return x.to(memory_format=torch.channels_last)

    x, weight = ones(1, FILTERS, SIDE, SIDE), ones(FILTERS, FILTERS, 3, 3)
    return lambda: conv2d(x, weight, padding=1)


def _seconds(convolve: Callable[[], Tensor]) -> float:
    """Processor time, so that other programs hardly count; on a GPU, the time until the result.

    The clock of the processor may tick only every 10 or 16 ms, as on Windows. Within a tick, the
    time until the result is better than 0.
    """
    started, elapsed = time.process_time(), time.perf_counter()
    result = convolve()
    result[0, 0, 0, 0].item()  # waits for the device
    if result.device.type == "cpu":
        return time.process_time() - started or time.perf_counter() - elapsed
    return time.perf_counter() - elapsed
