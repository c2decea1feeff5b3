"""Checks of exercise 1: images as tensors, and the conventions of networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nst_teach.images import CONVENTIONS, deprocess, load_image, preprocess, to_pil
from nst_teach_checks._core import Answer, Mistake, task

__all__ = ["caffe_input", "convention_of", "to_pixels", "to_tensor", "undo_torchvision"]

CHAPTER = "01_images_as_tensors"

NAMES = ("raw", "torchvision", "bytes", "caffe")
"""What a stranger's tensor may be in."""

BEYOND = 0.2
"""How far pixels in the making may lie outside [0, 1]: an optimiser knows no limits."""

DIM, DARK = 0.5, 0.1
"""Brightness of dark photographs, whose largest number gives a wrong impression."""


def _tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy())  # (H, W, 3)


# 1 From bytes to a tensor


def _permuted(pixels: np.ndarray) -> Tensor:
    return _tensor(pixels).permute(2, 0, 1)[None]


def _reshaped(pixels: np.ndarray) -> Tensor:
    height, width, _ = pixels.shape
    return _tensor(pixels).reshape(1, 3, height, width) / 255


RESHAPED = (
    "The shape is right, but show the result: the image is scrambled. Reshaping keeps the numbers "
    "in their old order and only regroups them. Which operation exchanges axes instead?"
)

TO_TENSOR = (
    Mistake("reshaped", _reshaped, RESHAPED),
    Mistake(
        "range-255",
        lambda pixels: _permuted(pixels).float(),
        "What are your smallest and largest values? In this course white is 1.",
    ),
    Mistake(
        "minus-one-to-one",
        lambda pixels: _permuted(pixels) / 127.5 - 1,
        "Which value stands for black in your tensor? In this course it is 0.",
    ),
    Mistake(
        "divided-as-bytes",
        lambda pixels: _permuted(pixels) // 255,
        "Nearly everything has become 0. The operator // rounds down to a whole number.",
    ),
    Mistake(
        "no-batch",
        lambda pixels: _permuted(pixels)[0] / 255,
        "One axis is missing. Networks expect a batch, even if it holds a single image.",
    ),
    Mistake(
        "channels-last",
        lambda pixels: _tensor(pixels)[None] / 255,
        "Which axis of your tensor holds the colours? PyTorch expects them before rows and "
        "columns.",
    ),
    Mistake(
        "rows-and-columns-swapped",
        lambda pixels: _permuted(pixels).mT / 255,
        "The image is transposed: rows have become columns. Which axis of the array holds the "
        "rows, and where should it end up?",
    ),
    Mistake(
        "bgr",
        lambda pixels: _permuted(pixels).flip(1) / 255,
        "Red and blue have been exchanged. These pixels are RGB already.",
    ),
)


@task("From bytes to a tensor", points=1, reread=(CHAPTER, "The order of the axes"))
def to_tensor(answer: Answer) -> None:
    """`to_tensor(pixels)`: bytes `(H, W, 3)` to float32 `(1, 3, H, W)`, RGB in [0, 1]."""
    cases = [(answer.inputs.pixels(),) for _ in range(2)]
    answer.compare(
        load_image, cases, mistakes=TO_TENSOR,
        otherwise="Follow one pixel: where is its red value in the array, and where is it in your "
        "tensor?",
    )  # fmt: skip


# 2 Back to bytes


def _scaled(image: Tensor) -> Tensor:
    return image.detach().clamp(0, 1) * 255


def _wrapped(image: Tensor) -> Tensor:
    return (image.detach() * 255).round().to(torch.int16).to(torch.uint8)


def _picture_axes(image: Tensor) -> Tensor:
    return image[0].permute(1, 2, 0)


OVERFLOW = (
    "Some pixels that should be white are dark, or the other way round. What happens to 256, and "
    "to −1, when it is converted to a byte?"
)

TO_PIXELS = (
    Mistake(
        "cut-not-rounded",
        lambda image: _picture_axes(_scaled(image).byte()),
        "Many values are one too small. What does the conversion to bytes make of 137.99?",
    ),
    Mistake("not-clamped", lambda image: _picture_axes(_wrapped(image)), OVERFLOW),
    Mistake(
        "not-clamped",
        lambda image: _picture_axes((image.detach() * 255).to(torch.int16).to(torch.uint8)),
        OVERFLOW,
    ),
    Mistake(
        "not-scaled",
        lambda image: _picture_axes(image.detach().clamp(0, 1).round()),
        "Nearly everything is black. Which number stands for white in bytes?",
    ),
    Mistake(
        "not-scaled",
        lambda image: _picture_axes(image.detach().clamp(0, 1).floor()),
        "Nearly everything is black. Which number stands for white in bytes?",
    ),
    Mistake(
        "not-bytes",
        lambda image: _picture_axes(_scaled(image)),
        "Your values have decimals. A file stores whole numbers.",
    ),
    Mistake(
        "channels-first",
        lambda image: _scaled(image).round()[0],
        "An image file stores the three colours of a pixel next to each other. Which axis should "
        "come last?",
    ),
    Mistake(
        "batch-kept",
        lambda image: _picture_axes(_scaled(image).round())[None],
        "A file holds a single image, so the batch axis has to go.",
    ),
    Mistake(
        "rows-and-columns-swapped",
        lambda image: _picture_axes(_scaled(image).round()).transpose(0, 1),
        "The image is transposed: rows have become columns. Which axis of the tensor holds the "
        "rows, and where should it end up?",
    ),
    Mistake(
        "reshaped",
        lambda image: _scaled(image).round().reshape(*image.shape[2:], 3),
        RESHAPED,
    ),
)


@task("Back to bytes", points=1, reread=(CHAPTER, "From bytes to numbers, and back"))
def to_pixels(answer: Answer) -> None:
    """`to_pixels(image)`: `(1, 3, H, W)`, a little beyond [0, 1], to bytes `(H, W, 3)`."""
    pictures = [answer.inputs.picture() * (1 + 2 * BEYOND) - BEYOND for _ in range(2)]
    cases = [(pictures[0],), (pictures[1].requires_grad_(),)]  # as an optimiser would have it
    answer.compare(
        lambda image: np.asarray(to_pil(image)), cases, mistakes=TO_PIXELS,
        otherwise="Follow one value, such as 0.3: what does each of your steps turn it into?",
    )  # fmt: skip


# 3 The input of a Caffe network


def _mean(convention: str, image: Tensor) -> Tensor:
    return image.new_tensor(CONVENTIONS[convention].mean).view(1, 3, 1, 1)


def _std(convention: str, image: Tensor) -> Tensor:
    return image.new_tensor(CONVENTIONS[convention].std).view(1, 3, 1, 1)


def _bgr_bytes(image: Tensor) -> Tensor:
    return image.flip(1) * 255


NOT_BGR = (
    "Convert a pure red image. Which of the three output channels should have the largest value?"
)
ORDER_OF_MEANS = (
    "Each mean belongs to one colour. Once you have reversed the channels, which colour comes "
    "first, and which mean do you subtract from it?"
)
NOT_255 = (
    "On the scale of a Caffe network white is far above 1, and the means are on the same scale."
)

CAFFE = (
    Mistake("not-bgr", lambda x: x * 255 - _mean("caffe", x).flip(1), NOT_BGR),
    Mistake("not-bgr", lambda x: x * 255 - _mean("caffe", x), NOT_BGR),
    Mistake(
        "mean-in-wrong-order",
        lambda x: _bgr_bytes(x) - _mean("caffe", x).flip(1),
        ORDER_OF_MEANS,
    ),
    Mistake(
        "mean-not-subtracted", _bgr_bytes,
        "Compute the mean of each of your channels over a photograph. In this convention it "
        "should be near zero.",
    ),
    Mistake(
        "mean-added",
        lambda x: _bgr_bytes(x) + _mean("caffe", x),
        "What does black turn into? It should end up far below zero.",
    ),
    Mistake("range-not-255", lambda x: x.flip(1) - _mean("caffe", x), NOT_255),
    Mistake("range-not-255", lambda x: x.flip(1) - _mean("caffe", x) / 255, NOT_255),
    Mistake(
        "mirrored",
        lambda x: x.flip(-1) * 255 - _mean("caffe", x),
        "Left and right have been exchanged. Which axis of (B, 3, H, W) holds the colours?",
    ),
    Mistake(
        "upside-down",
        lambda x: x.flip(2) * 255 - _mean("caffe", x),
        "The image is upside down. Which axis of (B, 3, H, W) holds the colours?",
    ),
    Mistake(
        "divided-by-std",
        lambda x: (_bgr_bytes(x) - _mean("caffe", x)) / _std("torchvision", x).flip(1) / 255,
        "Dividing by a standard deviation belongs to another convention. Look at the row for "
        "caffe in the recap: what does it do to the scale?",
    ),
    Mistake(
        "another-convention",
        lambda x: preprocess(x, "torchvision"),
        "That is the torchvision convention. Look at the row for caffe in the recap.",
    ),
)  # fmt: skip


@task("The input of a Caffe network", points=2,
      reread=(CHAPTER, "What a network wants to be fed"))  # fmt: skip
def caffe_input(answer: Answer) -> None:
    """`caffe_input(image)`: `(B, 3, H, W)`, RGB in [0, 1], to BGR, 0 to 255, minus the mean."""
    cases = [(answer.inputs.picture(batch, dtype),) for batch, dtype in _KINDS]
    answer.compare(
        lambda x: preprocess(x, "caffe"), cases, mistakes=CAFFE,
        otherwise="Convert a black image, then a pure red one. What should come out?",
    )  # fmt: skip
    answer.gradients(lambda x: preprocess(x, "caffe"), cases[0])
    answer.on_another_device(*cases[0])


_KINDS = ((1, torch.float32), (2, torch.float32), (1, torch.float64))
"""A single picture, a batch, and double precision."""

# 4 Undo the torchvision convention


def _undone(fed: Tensor) -> Tensor:
    return deprocess(fed, "torchvision")


ONE_STEP_MISSING = (
    "The convention consists of two steps, and you undo only one of them. Work out by hand what it "
    "makes of black, and what your function makes of that."
)

UNDO = (
    Mistake("std-forgotten", lambda y: y + _mean("torchvision", y), ONE_STEP_MISSING),
    Mistake("mean-forgotten", lambda y: y * _std("torchvision", y), ONE_STEP_MISSING),
    Mistake(
        "order-not-reversed",
        lambda y: (y + _mean("torchvision", y)) * _std("torchvision", y),
        "You put on socks first, then shoes. In which order do they come off?",
    ),
    Mistake(
        "applied-again",
        lambda y: preprocess(y, "torchvision"),
        "You apply the convention a second time. What undoes a subtraction, and what undoes a "
        "division?",
    ),
    Mistake(
        "divided-by-std",
        lambda y: y / _std("torchvision", y) + _mean("torchvision", y),
        "The convention divides. What undoes a division?",
    ),
    Mistake(
        "mean-subtracted",
        lambda y: y * _std("torchvision", y) - _mean("torchvision", y),
        "The convention subtracts. What undoes a subtraction?",
    ),
    Mistake(
        "clamped",
        lambda y: _undone(y).clamp(0, 1),
        "An exact inverse loses nothing, not even values a little outside [0, 1]. Clip where you "
        "show or save an image, not here.",
    ),
    Mistake(
        "bgr",
        lambda y: _undone(y).flip(1),
        "Red and blue have been exchanged. Does this convention reorder the channels at all?",
    ),
    Mistake(
        "another-convention",
        lambda y: deprocess(y, "caffe"),
        "Those are the constants of Caffe. The task asks for another convention.",
    ),
)


@task("Undo the torchvision convention", points=2, reread=(CHAPTER, "The exact inverse"))
def undo_torchvision(answer: Answer) -> None:
    """`undo_torchvision(fed)`: the input of a torchvision network, back to RGB in [0, 1]."""
    pictures = [answer.inputs.picture(batch, dtype) for batch, dtype in _KINDS]
    cases = [(preprocess(x * (1 + 2 * BEYOND) - BEYOND, "torchvision"),) for x in pictures]
    answer.compare(
        _undone, cases, mistakes=UNDO,
        otherwise="Write the convention as a formula y = … for a single number x, then solve it "
                  "for x.",
    )  # fmt: skip


# 5 An unlabelled tensor


def _disguised(picture: Tensor, name: str) -> Tensor:
    return picture * 255 if name == "bytes" else preprocess(picture, name)


def _by_maximum(x: Any) -> str:
    limits = zip((1, 3, 200), ("raw", "torchvision", "caffe"), strict=True)
    return next((name for limit, name in limits if x.max() <= limit), "bytes")


def _by_size(large: str, small: str = "torchvision") -> Any:
    """Tells small numbers from large ones, and 0..1 from what goes below zero."""

    def name(x: Tensor) -> str:
        if x.abs().max() > 10:
            return large
        return "raw" if x.min() >= 0 else small

    return name


def _by_minimum(x: Tensor) -> str:
    if x.min() < -10:
        return "caffe"
    return "torchvision" if x.min() < 0 else "raw"


def _signed_by_minimum(x: Tensor) -> str:
    if x.min() < 0:
        return "torchvision"
    return "raw" if x.max() <= 1 else "bytes"


STRANGER = (
    Mistake(
        "bytes-taken-for-caffe", _by_size("caffe"),
        "Two of the conventions have large numbers. Which of the two has none below zero?",
    ),
    Mistake(
        "caffe-taken-for-bytes", _by_size("bytes"),
        "Two of the conventions have large numbers. Can plain bytes be negative?",
    ),
    Mistake(
        "torchvision-taken-for-raw", lambda x: _true_name(x, {"torchvision": "raw"}),
        "Two of the conventions have small numbers. What does each of them turn black into?",
    ),
    Mistake(
        "caffe-taken-for-torchvision", _signed_by_minimum,
        "Two of the conventions go below zero. How far does each of them go?",
    ),
    Mistake(
        "maximum-only", _by_maximum,
        "A dark photograph contains no white, so its largest value misleads you. What do all the "
        "photographs here contain?",
    ),
    Mistake(
        "minimum-only", _by_minimum,
        "The smallest value alone cannot distinguish 0 to 1 from 0 to 255.",
    ),
    Mistake(
        "always-the-same", lambda x: "raw",
        "Your function gives the same answer for every tensor.",
    ),
)  # fmt: skip


def _true_name(x: Tensor, mistaken: dict[str, str]) -> str:
    """The convention of a picture with some black in it, with a change."""
    if x.min() < -10:
        name = "caffe"
    elif x.min() < -0.01:
        name = "torchvision"
    else:
        name = "raw" if x.max() <= 1 else "bytes"
    return mistaken.get(name, name)


@task("An unlabelled tensor", points=3, reread=(CHAPTER, "A guard"))
def convention_of(answer: Answer) -> None:
    """`convention_of(stranger)`: the name of the convention, one of `NAMES`."""
    pictures = [_with_black(answer.inputs.picture(), light) for light in (1.0, DIM, DARK)]
    pairs = [(name, _disguised(x, name)) for x in pictures for name in NAMES]
    for _, stranger in pairs:
        said = answer(stranger)
        if said not in NAMES:
            answer.reject(
                "not-a-name", f"your function returned {said!r:.40}",
                f"Return one of these names, spelt exactly so: {', '.join(map(repr, NAMES))}.",
            )  # fmt: skip
    answer.compare(
        lambda x: next(name for name, known in pairs if torch.equal(x, known)),
        [(stranger,) for _, stranger in pairs], mistakes=STRANGER,
        otherwise="Print the smallest and the largest value in all four conventions, first of a "
                  "bright photograph and then of a dark one.",
    )  # fmt: skip


def _with_black(picture: Tensor, light: float) -> Tensor:
    """A photograph of full contrast, or a darker one; the first pixels are black and white."""
    picture = picture.clone()
    picture[..., 0, 0], picture[..., 0, 1] = 0, 1
    return light * picture
