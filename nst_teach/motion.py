"""Motion, estimated from the frames themselves: optical flow, and the pixels for which to trust it.

`nst_teach.video` computes with a flow that is known; this module finds one. Every flow follows the
convention of `nst_teach.video.warp`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nst_teach import arguments
from nst_teach.images import LUMA
from nst_teach.losses import ShapeError, must_be_tensors
from nst_teach.networks import copy_weights, fetched
from nst_teach.video import motion_boundary, visible

RAFT_MULTIPLE, RAFT_LEAST = 8, 128  # pixels: sides that torchvision's RAFT can take
RAFT_UPDATES = 12  # how often RAFT improves its flow; torchvision's default


@dataclass(frozen=True)
class Motion:
    """The motion between a frame and an earlier one (or a later one, if a film runs backwards).

    Attributes:
        back: `(1, 2, H, W)`, the flow from this frame to the earlier one: `warp(earlier, back)`
            resembles this frame.
        forth: `(1, 2, H, W)`, the flow from the earlier frame to this one.
        visible: `(1, 1, H, W)`, 1 where the earlier frame shows the same as this one, 0 elsewhere.
        mask: `(1, 1, H, W)`, the same, but also 0 where the flow is not to be trusted.
    """

    back: Tensor
    forth: Tensor
    visible: Tensor
    mask: Tensor


def estimate_motion(
    earlier: Tensor, frame: Tensor, *, method: str = "tvl1", boundaries: bool = False
) -> Motion:
    """Estimate the motion between two frames in both directions, and where it can be trusted.

    Args:
        earlier, frame: `(1, 3, H, W)`, RGB in [0, 1].
        method: as for `estimate_flow`.
        boundaries: whether `mask` also excludes the boundaries of moving objects
            (`nst_teach.video.motion_boundary`), as in the paper, because there an estimated flow is
            often wrong. Slow motion, and the small unevenness of TV-L1, pass for boundaries too: in
            the clip of chapter 11 at 192 pixels the test excludes half of the frame.

    Raises:
        ShapeError, NetworkError, ValueError: as for `estimate_flow`.

    Ruder et al. (2016), section 4.2.
    """
    back = estimate_flow(frame, earlier, method=method)
    forth = estimate_flow(earlier, frame, method=method)
    seen = visible(back, forth)
    mask = seen * (1 - motion_boundary(back)) if boundaries else seen
    return Motion(back, forth, seen, mask)


def estimate_flow(image: Tensor, other: Tensor, *, method: str = "tvl1") -> Tensor:
    """Estimate where each pixel of an image is found in another one.

    Args:
        image, other: `(1, 3, H, W)`, RGB in [0, 1].
        method: `"tvl1"`, a variational method that runs everywhere, or `"raft"`, a trained network
            whose weights torchvision downloads once (4 MB), and which copes better with large
            motions.

    Returns:
        `(1, 2, H, W)`, in pixels, to the right and down: `warp(other, flow)` resembles `image`.

    Raises:
        ShapeError: not two images of the same size.
        NetworkError: the weights of RAFT cannot be downloaded.
        ValueError: an unknown method.

    TV-L1: Zach, Pock and Bischof (2007), as implemented in scikit-image, with its parameters and a
    median filter that removes outliers. RAFT: Teed and Deng (2020), the small network.
    """
    arguments.one_of("method", method, METHODS)
    must_be_tensors("estimate_flow", image, other)
    if image.shape != other.shape or image.ndim != 4 or image.shape[:2] != (1, 3):
        raise ShapeError(
            f"estimate_flow got {tuple(image.shape)} and {tuple(other.shape)}; expected two images "
            "(1, 3, H, W) of the same size."
        )
    with torch.no_grad():
        return METHODS[method](image, other)


def _tvl1(image: Tensor, other: Tensor) -> Tensor:
    from skimage import registration

    optical_flow = cast(Any, registration.optical_flow_tvl1)  # it has no types
    rows, columns = optical_flow(_grey(image), _grey(other), prefilter=True)
    flow = torch.from_numpy(np.stack([columns, rows])[None])
    return flow.to(image)


def _grey(image: Tensor) -> Any:
    weights = image.new_tensor(LUMA).view(3, 1, 1)
    return (weights * image[0]).sum(0).cpu().numpy()


def _raft(image: Tensor, other: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    scale = max(1.0, RAFT_LEAST / min(height, width))
    size = [RAFT_MULTIPLE * -(-round(scale * side) // RAFT_MULTIPLE) for side in (height, width)]
    pair = [F.interpolate(2 * x - 1, size, mode="bilinear") for x in (image, other)]
    network = _raft_network(str(image.device))
    flow: Tensor = network(*pair, num_flow_updates=RAFT_UPDATES)[-1]
    units = flow.new_tensor([width / size[1], height / size[0]]).view(1, 2, 1, 1)
    return F.interpolate(flow, (height, width), mode="bilinear") * units


@cache
def _raft_network(device: str) -> nn.Module:
    from torchvision.models import optical_flow

    network: nn.Module = optical_flow.raft_small(weights=None)
    weights = optical_flow.Raft_Small_Weights.DEFAULT
    otherwise = "or use method='tvl1', which needs no download."
    state = fetched(weights, "raft_small", otherwise)
    copy_weights(network, state, name="raft_small", origin="torch's cache")
    return network.to(device).eval()


METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"tvl1": _tvl1, "raft": _raft}
