"""The initial image: the photograph, noise, grey, the style, or any other picture."""

from __future__ import annotations

import torch
from torch import Tensor

from nst_teach import arguments
from nst_teach.images import (
    ImageError,
    ImageSource,
    check_image,
    load_image,
    must_hold_values,
    resize,
)

STARTS = ("content", "noise", "grey", "style")
GREY = 0.5
ROUNDING = 1e-4  # tolerance for values outside [0, 1] due to rounding


def make_start(start: str | ImageSource, content: Tensor, style: Tensor, seed: int = 0) -> Tensor:
    """The initial image, of the content's size.

    Args:
        start: one of `STARTS`, or anything that `load_image` accepts.
        content, style: `(1, 3, H, W)`, RGB in [0, 1].
        seed: of the noise, which is uniform in [0, 1] and identical on every device.

    Raises:
        ImageError: `start` is neither one of `STARTS` nor a picture.
    """
    check_image(content, "content")
    if not isinstance(start, str) or start not in STARTS:
        return _picture(start, content)
    if start == "content":
        return content.clone()
    if start == "style":
        check_image(style, "style")
        return cover(style, content.shape[-2:])
    if start == "grey":
        return torch.full_like(content, GREY)
    seed = arguments.seed(seed)
    generator = torch.Generator().manual_seed(seed)  # on the CPU: the same noise on every device
    return torch.rand(content.shape, generator=generator).to(content)


def cover(image: Tensor, size: tuple[int, ...]) -> Tensor:
    """Scale an image until it covers `(H, W)` and crop the centre."""
    height, width = image.shape[-2:]
    scale = max(size[0] / height, size[1] / width)
    covering = (max(size[0], round(height * scale)), max(size[1], round(width * scale)))
    scaled = resize(image, covering)
    top, left = ((s - t) // 2 for s, t in zip(scaled.shape[-2:], size, strict=True))
    return scaled[..., top : top + size[0], left : left + size[1]].clone()


def as_start(image: Tensor) -> Tensor:
    """A detached copy of an image of any shape, for use as the initial image.

    Raises:
        ImageError: a value is not finite or lies outside [0, 1].
    """
    must_hold_values(image, "the start")
    low, high = image.detach().min().item(), image.detach().max().item()
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # also catches NaN
        raise ImageError(
            f"the start has values from {low:.3g} to {high:.3g}; expected [0, 1]. Divide 0..255 by "
            "255, or undo a preprocessing with deprocess()."
        )
    return image.detach().clamp(0, 1).clone(memory_format=torch.contiguous_format)


def _picture(start: ImageSource, content: Tensor) -> Tensor:
    if isinstance(start, Tensor) and start.shape == content.shape and start.is_floating_point():
        return as_start(start).to(content)
    height, width = content.shape[-2:]
    try:
        return load_image(start, size=(height, width), device=content.device)
    except ImageError as error:
        raise ImageError(
            f"start: {error} Other starts are: {', '.join(STARTS)}.{arguments.meant(start, STARTS)}"
        ) from error
