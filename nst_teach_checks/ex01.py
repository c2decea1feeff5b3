"""Checks of exercise 1: pictures as tensors, and the conventions of networks."""

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

DIM = 0.5
"""Brightness of a dark photograph, whose largest number gives a wrong impression."""


def _tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy())  # (H, W, 3)


# 1 From bytes to a tensor


def _permuted(pixels: np.ndarray) -> Tensor:
    return _tensor(pixels).permute(2, 0, 1)[None]


def _reshaped(pixels: np.ndarray) -> Tensor:
    height, width, _ = pixels.shape
    return _tensor(pixels).reshape(1, 3, height, width) / 255


RESHAPED = (
    "The shape is right, and the picture is woven cloth: show it. Numbers were dealt out anew "
    "where axes should have changed places."
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
        "Which value has black in your tensor? In this course it is 0.",
    ),
    Mistake(
        "divided-as-bytes",
        lambda pixels: _permuted(pixels) // 255,
        "Only black and white are left. Whole numbers divided with // stay whole.",
    ),
    Mistake(
        "no-batch",
        lambda pixels: _permuted(pixels)[0] / 255,
        "One axis is missing: networks take several pictures at once, even when it is one.",
    ),
    Mistake(
        "channels-last",
        lambda pixels: _tensor(pixels)[None] / 255,
        "Where does your tensor keep the colours? PyTorch wants them before rows and columns.",
    ),
    Mistake(
        "rows-and-columns-swapped",
        lambda pixels: _permuted(pixels).mT / 255,
        "The cat lies on its side. Which axis of the array are the rows, and where do they go?",
    ),
    Mistake(
        "bgr",
        lambda pixels: _permuted(pixels).flip(1) / 255,
        "Red and blue have changed places. This picture is RGB already.",
    ),
)


@task("From bytes to a tensor", points=1, reread=(CHAPTER, "The order of the axes"))
def to_tensor(answer: Answer) -> None:
    """`to_tensor(pixels)`: bytes `(H, W, 3)` to float32 `(1, 3, H, W)`, RGB in [0, 1]."""
    cases = [(answer.inputs.pixels(),) for _ in range(2)]
    answer.compare(
        load_image, cases, mistakes=TO_TENSOR,
        otherwise="Follow one pixel: where is its red in the array, and where in your tensor?",
    )  # fmt: skip


# 2 And back


def _scaled(image: Tensor) -> Tensor:
    return image.detach().clamp(0, 1) * 255


def _wrapped(image: Tensor) -> Tensor:
    return (image.detach() * 255).round().to(torch.int16).to(torch.uint8)


def _picture_axes(image: Tensor) -> Tensor:
    return image[0].permute(1, 2, 0)


OVERFLOW = (
    "Some pixels are dark where they should be white, or the other way round. What does a byte do "
    "with 256, and what with −1?"
)

TO_PIXELS = (
    Mistake(
        "cut-not-rounded",
        lambda image: _picture_axes(_scaled(image).byte()),
        "Many values are one too small. What does the conversion to bytes do with 137.99?",
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
        "Nearly everything is black. Which number is white in bytes?",
    ),
    Mistake(
        "not-scaled",
        lambda image: _picture_axes(image.detach().clamp(0, 1).floor()),
        "Nearly everything is black. Which number is white in bytes?",
    ),
    Mistake(
        "not-bytes",
        lambda image: _picture_axes(_scaled(image)),
        "The values have decimals. A file holds whole numbers.",
    ),
    Mistake(
        "channels-first",
        lambda image: _scaled(image).round()[0],
        "Image files keep the three colours of a pixel together.",
    ),
    Mistake(
        "batch-kept",
        lambda image: _picture_axes(_scaled(image).round())[None],
        "A file holds one picture, not a batch of one.",
    ),
    Mistake(
        "rows-and-columns-swapped",
        lambda image: _picture_axes(_scaled(image).round()).transpose(0, 1),
        "The cat lies on its side. Which axis of the tensor are the rows, and where do they go?",
    ),
    Mistake(
        "reshaped",
        lambda image: _scaled(image).round().reshape(*image.shape[2:], 3),
        RESHAPED,
    ),
)


@task("And back", points=1, reread=(CHAPTER, "From bytes to numbers, and back"))
def to_pixels(answer: Answer) -> None:
    """`to_pixels(image)`: `(1, 3, H, W)`, not quite in [0, 1], to bytes `(H, W, 3)`."""
    pictures = [answer.inputs.picture() * (1 + 2 * BEYOND) - BEYOND for _ in range(2)]
    cases = [(pictures[0],), (pictures[1].requires_grad_(),)]  # as an optimiser would have it
    answer.compare(
        lambda image: np.asarray(to_pil(image)), cases, mistakes=TO_PIXELS,
        otherwise="Follow one value, such as 0.3: what becomes of it at each step?",
    )  # fmt: skip


# 3 What Caffe's networks are fed


def _mean(convention: str, image: Tensor) -> Tensor:
    return image.new_tensor(CONVENTIONS[convention].mean).view(1, 3, 1, 1)


def _std(convention: str, image: Tensor) -> Tensor:
    return image.new_tensor(CONVENTIONS[convention].std).view(1, 3, 1, 1)


def _bgr_bytes(image: Tensor) -> Tensor:
    return image.flip(1) * 255


NOT_BGR = "Feed it a pure red picture. Which of the three channels should be the large one?"
ORDER_OF_MEANS = (
    "Each mean belongs to a colour. After your change of order, which colour stands first, and "
    "which mean is taken from it?"
)
NOT_255 = "Caffe's networks saw white as a number far above 1, and the means are in the same units."

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
        "What is the mean of each of your channels, over a photograph? It should be near zero.",
    ),
    Mistake(
        "mean-added",
        lambda x: _bgr_bytes(x) + _mean("caffe", x),
        "What does black become? It should end up far below zero.",
    ),
    Mistake("range-not-255", lambda x: x.flip(1) - _mean("caffe", x), NOT_255),
    Mistake("range-not-255", lambda x: x.flip(1) - _mean("caffe", x) / 255, NOT_255),
    Mistake(
        "mirrored",
        lambda x: x.flip(-1) * 255 - _mean("caffe", x),
        "Left and right have changed places. Which axis of (B, 3, H, W) holds the colours?",
    ),
    Mistake(
        "upside-down",
        lambda x: x.flip(2) * 255 - _mean("caffe", x),
        "The picture stands on its head. Which axis of (B, 3, H, W) holds the colours?",
    ),
    Mistake(
        "divided-by-std",
        lambda x: (_bgr_bytes(x) - _mean("caffe", x)) / _std("torchvision", x).flip(1) / 255,
        "That step belongs to another convention. Caffe's numbers keep their size.",
    ),
    Mistake(
        "another-convention",
        lambda x: preprocess(x, "torchvision"),
        "That is what PyTorch's networks are fed. Look at the line for Caffe.",
    ),
)  # fmt: skip


@task("What Caffe's networks are fed", points=2,
      reread=(CHAPTER, "What a network wants to be fed"))  # fmt: skip
def caffe_input(answer: Answer) -> None:
    """`caffe_input(image)`: `(B, 3, H, W)`, RGB in [0, 1], to BGR in 0..255 without its mean."""
    cases = [(answer.inputs.picture(batch, dtype),) for batch, dtype in _KINDS]
    answer.compare(
        lambda x: preprocess(x, "caffe"), cases, mistakes=CAFFE,
        otherwise="Feed it a black picture, then a pure red one. What should come out?",
    )  # fmt: skip
    answer.gradients(lambda x: preprocess(x, "caffe"), cases[0])
    answer.on_another_device(*cases[0])


_KINDS = ((1, torch.float32), (2, torch.float32), (1, torch.float64))
"""A single picture, a batch, and double precision."""

# 4 The way back from torchvision


def _undone(fed: Tensor) -> Tensor:
    return deprocess(fed, "torchvision")


ONE_STEP_MISSING = (
    "The convention has two steps, and your inverse undoes one of them. Undo your result's "
    "neighbour by hand: what becomes of black?"
)

UNDO = (
    Mistake("std-forgotten", lambda y: y + _mean("torchvision", y), ONE_STEP_MISSING),
    Mistake("mean-forgotten", lambda y: y * _std("torchvision", y), ONE_STEP_MISSING),
    Mistake(
        "order-not-reversed",
        lambda y: (y + _mean("torchvision", y)) * _std("torchvision", y),
        "Socks, then shoes. In which order do they come off?",
    ),
    Mistake(
        "applied-again",
        lambda y: preprocess(y, "torchvision"),
        "That goes forward once more. What undoes a subtraction, and what a division?",
    ),
    Mistake(
        "divided-by-std",
        lambda y: y / _std("torchvision", y) + _mean("torchvision", y),
        "On the way in there was a division. What undoes it?",
    ),
    Mistake(
        "mean-subtracted",
        lambda y: y * _std("torchvision", y) - _mean("torchvision", y),
        "On the way in there was a subtraction. What undoes it?",
    ),
    Mistake(
        "clamped",
        lambda y: _undone(y).clamp(0, 1),
        "An exact inverse loses nothing, not even what lies a little outside [0, 1]. Clip where "
        "you show or save a picture, not here.",
    ),
    Mistake(
        "bgr",
        lambda y: _undone(y).flip(1),
        "Red and blue have changed places. Does this convention change their order at all?",
    ),
    Mistake(
        "another-convention",
        lambda y: deprocess(y, "caffe"),
        "Those are Caffe's numbers. The task names another convention.",
    ),
)


@task("The way back from torchvision", points=2, reread=(CHAPTER, "The exact inverse"))
def undo_torchvision(answer: Answer) -> None:
    """`undo_torchvision(fed)`: what a network of torchvision's was fed, back to RGB in [0, 1]."""
    pictures = [answer.inputs.picture(batch, dtype) for batch, dtype in _KINDS]
    cases = [(preprocess(x * (1 + 2 * BEYOND) - BEYOND, "torchvision"),) for x in pictures]
    answer.compare(
        _undone, cases, mistakes=UNDO,
        otherwise="Write the way in as a formula for one number, then solve it for x.",
    )  # fmt: skip
    answer.gradients(_undone, cases[0])
    answer.on_another_device(*cases[0])


# 5 A stranger's tensor


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
        "Two conventions have large numbers. Which of them has none below zero?",
    ),
    Mistake(
        "caffe-taken-for-bytes", _by_size("bytes"),
        "Two conventions have large numbers. Can plain bytes be negative?",
    ),
    Mistake(
        "torchvision-taken-for-raw", lambda x: _true_name(x, {"torchvision": "raw"}),
        "Two conventions have small numbers. What happens to black in each?",
    ),
    Mistake(
        "caffe-taken-for-torchvision", _signed_by_minimum,
        "Two conventions go below zero. How far does each?",
    ),
    Mistake(
        "maximum-only", _by_maximum,
        "A dark photograph has no white in it, and your rule calls it something else. What does a "
        "dark picture keep? Every photograph here has some black.",
    ),
    Mistake(
        "minimum-only", _by_minimum,
        "The smallest number does not tell 0..1 from 0..255.",
    ),
    Mistake(
        "always-the-same", lambda x: "raw",
        "Your function gives one answer whatever it is shown.",
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


@task("A stranger's tensor", points=3, reread=(CHAPTER, "A guard"))
def convention_of(answer: Answer) -> None:
    """`convention_of(stranger)`: the name of the convention, one of `NAMES`."""
    pictures = [_with_black(answer.inputs.picture(), light) for light in (1.0, DIM)]
    pairs = [(name, _disguised(x, name)) for x in pictures for name in NAMES]
    for _, stranger in pairs:
        said = answer(stranger)
        if said not in NAMES:
            answer.reject(
                "not-a-name", f"your function returned {said!r:.40}",
                f"It should return one of {', '.join(map(repr, NAMES))}, spelt like this.",
            )  # fmt: skip
    answer.compare(
        lambda x: next(name for name, known in pairs if torch.equal(x, known)),
        [(stranger,) for _, stranger in pairs], mistakes=STRANGER,
        otherwise="Print the smallest and the largest value of one photograph in all four, bright "
        "and dark.",
    )  # fmt: skip


def _with_black(picture: Tensor, light: float) -> Tensor:
    """A photograph of full contrast, or a darker one; the first pixels are black and white."""
    picture = picture.clone()
    picture[..., 0, 0], picture[..., 0, 1] = 0, 1
    return light * picture
