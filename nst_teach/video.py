"""Video: warp a frame along a known motion, and measure and penalise flicker.

An optical flow `(B, 2, H, W)` gives the displacement of each pixel from one frame to another, in
pixels: to the right in channel 0, downwards in channel 1. Chapter 11 paints a clip with these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_teach.losses import ShapeError, must_be_tensors
from nst_teach.objective import Losses

# Ruder et al. (2016), section 4.2: the tolerated difference of two flows, relative and in pixels².
TOLERANCE_SHARE, TOLERANCE = 0.01, 0.5
# The tolerated change of a flow from pixel to pixel, relative and absolute, both squared.
SLOPE_SHARE, SLOPE = 0.01, 0.002


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Warp an image: fetch each pixel from the place that the flow points to.

    Args:
        image: `(B, C, H, W)`.
        flow: `(B, 2, H, W)`, in pixels.

    Returns:
        `(B, C, H, W)`: at (row, column) the image at (row + flow[1], column + flow[0]), with
        bilinear interpolation between pixels and the nearest border pixel outside.

    Raises:
        ShapeError: the shapes do not match.
    """
    _check("warp", image, flow)
    height, width = image.shape[-2:]
    place = _places(flow)
    last = flow.new_tensor([max(width - 1, 1), max(height - 1, 1)]).view(1, 2, 1, 1)
    grid = (2 * place / last - 1).permute(0, 2, 3, 1)  # -1 … 1 from the first pixel to the last
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


def visible(flow: Tensor, flow_back: Tensor) -> Tensor:
    """A mask of the pixels that are visible in both frames: neither outside nor occluded.

    Follow the flow, then the opposite flow back. A pixel visible in both frames returns to its
    place; an occluded one lands on the object in front of it, which moves differently.

    Args:
        flow: `(B, 2, H, W)`, from this frame to the other.
        flow_back: `(B, 2, H, W)`, from the other frame to this one.

    Returns:
        `(B, 1, H, W)`, 1 where the pixel is visible in both frames and 0 elsewhere.

    Raises:
        ShapeError: the shapes do not match.

    Ruder et al. (2016), section 4.2; chapter 11.
    """
    _check("visible", flow_back, flow)
    returned = warp(flow_back, flow)
    error = (flow + returned).square().sum(1, keepdim=True)
    length = flow.square().sum(1, keepdim=True) + returned.square().sum(1, keepdim=True)
    consistent = error <= TOLERANCE_SHARE * length + TOLERANCE
    return (consistent & _inside(flow)).to(flow.dtype)


def motion_boundary(flow: Tensor) -> Tensor:
    """A mask of the pixels at the boundary of two motions, where an estimated flow is unreliable.

    A flow (u, v) has a boundary where ‖∇u‖² + ‖∇v‖² > 0.01 (u² + v²) + 0.002. The gradient is the
    difference from the next pixel to the right and below, and zero across the border.

    Args:
        flow: `(B, 2, H, W)`, in pixels.

    Returns:
        `(B, 1, H, W)`, 1 at a boundary and 0 elsewhere.

    Raises:
        ShapeError: not a flow.

    Ruder et al. (2016), section 4.2; chapter 11.
    """
    _check("motion_boundary", flow, flow)
    right = F.pad(flow.diff(dim=3), (0, 1))
    below = F.pad(flow.diff(dim=2), (0, 0, 0, 1))
    slope = (right.square() + below.square()).sum(1, keepdim=True)
    length = flow.square().sum(1, keepdim=True)
    return (slope > SLOPE_SHARE * length + SLOPE).to(flow.dtype)


def nearest_only(masks: Sequence[Tensor]) -> list[Tensor]:
    """Let each pixel be compared with one earlier frame only: the nearest that shows it.

    This is the long-term consistency: a pixel that was hidden in the previous frame but visible
    some frames ago keeps the colour it had then, instead of a new one.

    Args:
        masks: n masks `(B, 1, H, W)` of the same frame, each for another earlier frame, the nearest
            first; 1 where the pixel is visible in the earlier frame and 0 elsewhere.

    Returns:
        Masks of the same shapes, which add up to 1 at most. Each is reduced by those before it, to
        max(m − Σ m', 0).

    Ruder et al. (2016), section 4.3.
    """
    kept: list[Tensor] = []
    nearer = None
    for mask in masks:
        kept.append(mask if nearer is None else (mask - nearer).clamp(min=0))
        nearer = mask if nearer is None else nearer + mask
    return kept


def temporal_loss(image: Tensor, expected: Tensor, mask: Tensor) -> Tensor:
    """The squared distance of a frame from the warped previous one: mean of mask · (x − x′)².

    Args:
        image, expected: `(B, C, H, W)`; `expected` is the previous result, warped.
        mask: `(B, 1, H, W)`, 1 where the frames are compared and 0 elsewhere.

    Returns:
        A scalar, the mean over all pixels and channels, including those where the mask is 0.

    Raises:
        ShapeError: the shapes do not match.

    Ruder et al. (2016), section 4.2; chapter 11.
    """
    if image.shape != expected.shape or mask.shape[-2:] != image.shape[-2:]:
        raise ShapeError(
            f"temporal_loss got {tuple(image.shape)}, {tuple(expected.shape)} and a mask of "
            f"{tuple(mask.shape)}; expected two images of the same shape and a mask of their size."
        )
    return (mask * (image - expected).square()).mean()


def steady(
    objective: Callable[[Tensor], Losses], expected: Tensor, mask: Tensor, weight: float
) -> Callable[[Tensor], Losses]:
    """An objective that also keeps visible pixels similar to those of the previous frame.

    Args:
        objective: the objective to extend, such as a `StyleObjective`.
        expected, mask: as for `temporal_loss`.
        weight: weight of the temporal loss in the total.

    Returns:
        A function from an image to `Losses`, for `optimize`.
    """

    def with_temporal_loss(image: Tensor) -> Losses:
        losses = objective(image)
        return replace(losses, total=losses.total + weight * temporal_loss(image, expected, mask))

    return with_temporal_loss


def flicker(frames: Sequence[Tensor], flows: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
    """The flicker of a clip: changes from frame to frame that motion does not explain.

    Args:
        frames: n images `(1, C, H, W)`.
        flows: n − 1 flows `(1, 2, H, W)`, from each frame but the first to the previous one.
        masks: n − 1 masks `(1, 1, H, W)`, as from `visible`.

    Returns:
        `(n − 1,)`: for each pair, the mean squared difference between a frame and the warped
        previous frame, over visible pixels.

    Raises:
        ShapeError: the number of flows or masks is not that of pairs of frames.

    Chapter 11.
    """
    if not len(frames) - 1 == len(flows) == len(masks):
        raise ShapeError(
            f"flicker got {len(frames)} frames, {len(flows)} flows and {len(masks)} masks; "
            "expected one flow and one mask for every frame but the first."
        )
    pairs = zip(frames[:-1], frames[1:], flows, masks, strict=True)
    return torch.stack([_difference(new, warp(old, flow), mask) for old, new, flow, mask in pairs])


def _difference(image: Tensor, expected: Tensor, mask: Tensor) -> Tensor:
    return temporal_loss(image, expected, mask) / mask.mean().clamp(min=1 / mask.numel())


def _places(flow: Tensor) -> Tensor:
    """The place that each pixel moves to, as (column, row), in the shape of the flow."""
    height, width = flow.shape[-2:]
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)
    here = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))
    return here + flow


def _inside(flow: Tensor) -> Tensor:
    """`(B, 1, H, W)`: whether the flow points to a place inside the frame."""
    height, width = flow.shape[-2:]
    places = _places(flow)
    column, row = places[:, :1], places[:, 1:]
    inside: Tensor = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
    return inside


def _check(function: str, image: Tensor, flow: Tensor) -> None:
    must_be_tensors(function, image, flow)
    if flow.ndim != 4 or flow.shape[1] != 2 or image.shape[-2:] != flow.shape[-2:]:
        raise ShapeError(
            f"{function} got {tuple(image.shape)} and a flow of {tuple(flow.shape)}; expected "
            "(B, C, H, W) and (B, 2, H, W), of the same height and width."
        )
