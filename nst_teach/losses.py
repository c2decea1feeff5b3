"""The losses of neural style transfer: pure functions of tensors that know no network.

Notation (the book's notation page): a layer's features F have N filters and M = h·w positions;
P are the features of the content image, G and A the Gram matrices of the image and of the style.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate


class ShapeError(ValueError):
    """Tensors whose shapes do not fit; the message gives both."""


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """½ Σ (F − P)²: how far the features are from the content's.

    Args:
        features, target: `(B, N, h, w)`, of the same shape.

    Returns:
        A scalar, summed over everything, so it grows with the number of positions (chapter 5).

    Raises:
        ShapeError: the shapes differ. (Broadcasting would hide the mistake.)

    Gatys et al. (2016), equation 1; derived in chapter 3.
    """
    _same_shape("content_loss", features, target)
    return 0.5 * (features - target).square().sum()


def gram_matrix(features: Tensor, normalize: bool = True) -> Tensor:
    """G = F Fᵀ: how strongly the filters respond together, wherever they do.

    Args:
        features: `(B, N, h, w)`.
        normalize: divide by the number of positions M = h·w, so that pictures of different sizes
            can be compared.

    Returns:
        `(B, N, N)`, symmetric and positive semi-definite.

    Raises:
        ShapeError: not four dimensions, or no position at all.

    Gatys et al. (2016), equation 3 (there without the division); derived in chapter 4.
    """
    f = _flat("gram_matrix", features)
    gram = f @ f.mT
    return gram / f.shape[-1] if normalize else gram


def guided_gram_matrix(features: Tensor, mask: Tensor) -> Tensor:
    """Σ m·f fᵀ / Σ m: the Gram matrix of a region, normalised by the region's area.

    Args:
        features: `(B, N, h, w)`.
        mask: `(1, 1, H, W)` in [0, 1], how much each pixel belongs to the region; it is averaged
            over the area of each position.

    Returns:
        `(B, N, N)`; for a mask of ones it is `gram_matrix(features)`.

    Raises:
        ShapeError: other shapes, or an empty region.

    Gatys et al. (2017), section 4, whose guidance channels are √(m / Σ m); chapter 10.
    """
    f = _flat("guided_gram_matrix", features)
    if mask.ndim != 4 or mask.shape[:2] != (1, 1):
        raise ShapeError(f"a mask of shape {tuple(mask.shape)} was given; expected (1, 1, H, W).")
    share = interpolate(mask.to(f), features.shape[-2:], mode="area").flatten(2)  # (1, 1, M)
    area = share.sum()
    if not area > 0:
        raise ShapeError("the mask is 0 everywhere: a region without a pixel has no Gram matrix.")
    return (f * share) @ f.mT / area


def style_loss(gram: Tensor, target_gram: Tensor) -> Tensor:
    """E = ¼ mean (G − A)²: how far the Gram matrices are from the style's.

    With Gram matrices normalised by the number of positions this is the paper's
    E = 1/(4 N² M²) Σ (G − A)², and it does not depend on the size of the pictures.

    Args:
        gram, target_gram: `(B, N, N)`, of the same shape.

    Returns:
        A scalar.

    Raises:
        ShapeError: the shapes differ.

    Gatys et al. (2016), equation 4; derived in chapter 4.
    """
    _same_shape("style_loss", gram, target_gram)
    return 0.25 * (gram - target_gram).square().mean()


def total_variation(image: Tensor) -> Tensor:
    """Mean squared difference of vertical neighbours plus that of horizontal ones.

    Args:
        image: `(B, C, H, W)`.

    Returns:
        A scalar; 0 for a flat picture, 2 for a checkerboard of 0 and 1 with squares of one pixel.

    Raises:
        ShapeError: not four dimensions, or fewer than two rows or columns.

    Mahendran and Vedaldi (2015), section 3, with β = 2; used in chapter 5.
    """
    if image.ndim != 4 or min(image.shape[-2:]) < 2:
        raise ShapeError(
            f"total_variation got a tensor of shape {tuple(image.shape)}; expected (B, C, H, W) "
            "with at least 2 rows and 2 columns."
        )
    vertical = image[..., 1:, :] - image[..., :-1, :]
    horizontal = image[..., :, 1:] - image[..., :, :-1]
    return vertical.square().mean() + horizontal.square().mean()


def _flat(function: str, features: Tensor) -> Tensor:
    if features.ndim != 4 or features.numel() == 0:
        raise ShapeError(
            f"{function} got features of shape {tuple(features.shape)}; expected (B, N, h, w)."
        )
    return features.flatten(2)  # (B, N, M)


def _same_shape(function: str, given: Tensor, target: Tensor) -> None:
    if given.shape != target.shape:
        raise ShapeError(
            f"{function} got {tuple(given.shape)} and a target of {tuple(target.shape)}; "
            "expected the same shape. Were both pictures resized alike, and is it the same layer?"
        )


def gram_of(features: dict[str, Tensor]) -> dict[str, Tensor]:
    """The normalised Gram matrix of each layer, without a gradient: a target."""
    with torch.no_grad():
        return {layer: gram_matrix(f) for layer, f in features.items()}
