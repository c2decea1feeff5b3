"""The losses of neural style transfer, as pure functions of tensors, independent of any network.

Notation, as in the book: a layer's features F have N filters and M = h·w positions; P are the
features of the content image, G and A the Gram matrices of the generated image and of the style.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from nst_teach import arguments


class ShapeError(ValueError):
    """Tensors whose shapes do not match; the message states both."""


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """½ Σ (F − P)²: the squared distance of the features from those of the content.

    Args:
        features, target: `(B, N, h, w)`, of the same shape.

    Returns:
        A scalar, the sum and not the mean, so it grows with the number of positions (chapter 5).

    Raises:
        ShapeError: the shapes differ. (Broadcasting would hide the mistake.)

    Gatys et al. (2016), equation 1; derived in chapter 3.
    """
    _same_shape("content_loss", features, target)
    return 0.5 * (features - target).square().sum()


def gram_matrix(features: Tensor, normalize: bool = True) -> Tensor:
    """G = F Fᵀ: how strongly each pair of filters responds together, summed over all positions.

    Args:
        features: `(B, N, h, w)`.
        normalize: divide by the number of positions M = h·w, so that images of different sizes can
            be compared.

    Returns:
        `(B, N, N)`, symmetric and positive semi-definite.

    Raises:
        ShapeError: not four dimensions, or an empty tensor.

    Gatys et al. (2016), equation 3 (without the division); derived in chapter 4.
    """
    f = _flat("gram_matrix", features)
    gram = _own_product(f)
    return gram / f.shape[-1] if normalize else gram


def guided_gram_matrix(features: Tensor, mask: Tensor) -> Tensor:
    """Σ m·f fᵀ / Σ m: the Gram matrix of a region, normalised by the region's area.

    Args:
        features: `(B, N, h, w)`.
        mask: `(1, 1, H, W)` in [0, 1], how much each pixel belongs to the region; m is its mean
            over the pixels of each position.

    Returns:
        `(B, N, N)`; for a mask of ones it is `gram_matrix(features)`.

    Raises:
        ShapeError: another shape, or an empty region.

    Gatys et al. (2017), section 4, whose guidance channels are √(m / Σ m); chapter 10.
    """
    f = _flat("guided_gram_matrix", features)
    must_be_tensors("guided_gram_matrix", mask)
    if mask.ndim != 4 or mask.shape[:2] != (1, 1):
        raise ShapeError(f"a mask of shape {tuple(mask.shape)} was given; expected (1, 1, H, W).")
    share = interpolate(mask.to(f), features.shape[-2:], mode="area").flatten(2)  # (1, 1, M)
    area = share.sum()
    if not area > 0:
        raise ShapeError("the mask is 0 everywhere: a region without a pixel has no Gram matrix.")
    return _own_product(f * share.sqrt()) / area


def style_loss(gram: Tensor, target_gram: Tensor) -> Tensor:
    """E = ¼ mean (G − A)²: the squared distance of the Gram matrix from that of the style.

    For Gram matrices that are divided by the number of positions this is the paper's
    E = 1/(4 N² M²) Σ (G − A)², and it does not depend on the size of the images.

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
    """The mean squared difference of vertical neighbours plus that of horizontal neighbours.

    Args:
        image: `(B, C, H, W)`.

    Returns:
        A scalar, 0 for a constant image, 2 for a checkerboard of 0 and 1 with squares of one pixel.

    Raises:
        ShapeError: not four dimensions, or fewer than two rows or columns.

    Mahendran and Vedaldi (2015), section 3, with β = 2; used in chapter 5.
    """
    must_be_tensors("total_variation", image)
    if image.ndim != 4 or min(image.shape[-2:]) < 2:
        raise ShapeError(
            f"total_variation got a tensor of shape {tuple(image.shape)}; expected (B, C, H, W) "
            "with at least 2 rows and 2 columns."
        )
    vertical = image[..., 1:, :] - image[..., :-1, :]
    horizontal = image[..., :, 1:] - image[..., :, :-1]
    return vertical.square().mean() + horizontal.square().mean()


class _OwnProduct(torch.autograd.Function):
    """F Fᵀ, with its gradient as a single product.

    For G = F Fᵀ and a gradient D with respect to G, the gradient with respect to F is (D + Dᵀ) F.
    Autograd would compute D F and Dᵀ F, each as large as the features, and add them. Both products
    here read and write Fᵀ `(B, M, N)`, one row for each position, because that is how features lie
    in memory (`nst_teach.networks.MEMORY_FORMAT`): nothing is copied.
    """

    @staticmethod
    def forward(rows: Tensor) -> Tensor:
        return rows.mT @ rows

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        (gradient,) = gradients
        product: Tensor = rows @ (gradient + gradient.mT)
        return product


def _own_product(f: Tensor) -> Tensor:
    gram: Tensor = _OwnProduct.apply(f.mT)
    return gram


def _flat(function: str, features: Tensor) -> Tensor:
    must_be_tensors(function, features)
    if features.ndim != 4 or features.numel() == 0:
        raise ShapeError(
            f"{function} got features of shape {tuple(features.shape)}; expected (B, N, h, w)."
        )
    return features.flatten(2)  # (B, N, M)


def must_be_tensors(function: str, *values: object) -> None:
    """Raise a `ShapeError` unless all values are tensors."""
    for value in values:
        if not isinstance(value, Tensor):
            raise ShapeError(f"{function} got {arguments.shown(value)}; expected a tensor.")


def _same_shape(function: str, given: Tensor, target: Tensor) -> None:
    must_be_tensors(function, given, target)
    if given.shape != target.shape:
        raise ShapeError(
            f"{function} got {tuple(given.shape)} and a target of {tuple(target.shape)}; "
            "expected the same shape. Were both pictures resized alike, and is it the same layer?"
        )


def gram_of(features: dict[str, Tensor]) -> dict[str, Tensor]:
    """The normalised Gram matrix of each layer, without gradients, for use as a target."""
    with torch.no_grad():
        return {layer: gram_matrix(f) for layer, f in features.items()}
