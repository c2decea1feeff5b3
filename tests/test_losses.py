"""The losses against closed forms, against NumPy in float64, and against the paper's gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nst_teach import (
    ShapeError,
    content_loss,
    gram_matrix,
    guided_gram_matrix,
    style_loss,
    total_variation,
)
from nst_teach.losses import gram_of

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
BOTH_TYPES = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


@pytest.fixture
def random():
    """Draws the same standard normal tensors in every test."""
    generator = torch.Generator().manual_seed(0)
    return lambda *shape, dtype=torch.float64: torch.randn(shape, generator=generator, dtype=dtype)


def close(a: torch.Tensor, b, dtype: torch.dtype = torch.float64) -> None:
    """Compare values; the type has to be the asked-for one."""
    assert a.dtype == dtype
    expected = torch.as_tensor(b, dtype=dtype)
    torch.testing.assert_close(a, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def gradient(function, at: torch.Tensor) -> torch.Tensor:
    """What backpropagation says."""
    at = at.detach().clone().requires_grad_(True)
    function(at).backward()
    return at.grad


def finite_differences(function, at: torch.Tensor, step: float = 1e-5) -> torch.Tensor:
    """What the definition of a derivative says: (f(x + h) − f(x − h)) / 2h, entry by entry."""
    slopes = torch.empty_like(at)
    for index in np.ndindex(*at.shape):
        there, back = at.clone(), at.clone()
        there[index] += step
        back[index] -= step
        slopes[index] = (function(there) - function(back)) / (2 * step)
    return slopes


def kernel_mean(x: np.ndarray, y: np.ndarray) -> float:
    """The mean of k(x, y) = (xᵀy)² over all pairs of columns."""
    return float(((x.T @ y) ** 2).mean())


# --- content -------------------------------------------------------------------------------------


@BOTH_TYPES
def test_content_loss_is_half_the_sum_of_squared_differences(random, dtype):
    f, p = random(2, 3, 4, 5), random(2, 3, 4, 5)
    close(content_loss(f.to(dtype), p.to(dtype)), 0.5 * ((f.numpy() - p.numpy()) ** 2).sum(), dtype)


def test_content_loss_of_the_content_itself_is_zero(random):
    f = random(1, 3, 4, 4)
    assert content_loss(f, f.clone()) == 0


def test_content_loss_grows_with_the_number_of_positions(random):
    """A sum, not a mean: a picture with four times the pixels has four times the loss."""
    f, p = random(1, 3, 4, 4), random(1, 3, 4, 4)
    larger = content_loss(f.tile(1, 1, 2, 2), p.tile(1, 1, 2, 2))
    close(larger, 4 * content_loss(f, p))


def test_gradient_of_the_content_loss_is_the_difference(random):
    """∂L/∂F = F − P: Gatys et al. (2016), equation 2, where the features are positive."""
    f, p = random(1, 3, 4, 4), random(1, 3, 4, 4)
    close(gradient(lambda x: content_loss(x, p), f), f - p)


def test_gradient_of_the_content_loss_is_zero_where_the_relu_is_off(random):
    """The other half of equation 2: seen from before the ReLU, 0 where the features are 0."""
    before, p = random(1, 3, 4, 4), random(1, 3, 4, 4).relu()
    expected = torch.where(before > 0, before - p, 0.0)
    assert 0 < (before > 0).float().mean() < 1
    close(gradient(lambda x: content_loss(x.relu(), p), before), expected)


def test_gradient_of_the_content_loss_reaches_the_pixels(random):
    """Backpropagation by hand: mask at the ReLU, then the transposed convolution."""
    image, weight = random(1, 3, 6, 6), random(4, 3, 3, 3)
    p = random(1, 4, 6, 6).relu()

    def loss(x):
        return content_loss(F.conv2d(x, weight, padding=1).relu(), p)

    before = F.conv2d(image, weight, padding=1)
    masked = (before.relu() - p) * (before > 0)
    close(gradient(loss, image), F.conv_transpose2d(masked, weight, padding=1))


# --- Gram matrices -------------------------------------------------------------------------------


@BOTH_TYPES
@pytest.mark.parametrize("normalize", [True, False])
def test_gram_matrix_sums_products_over_positions(random, dtype, normalize):
    """G_ij = Σ_k F_ik F_jk, equation 3; the normalised one is their mean."""
    f = random(2, 3, 4, 5)
    expected = np.einsum("bihw,bjhw->bij", f.numpy(), f.numpy()) / (20 if normalize else 1)
    close(gram_matrix(f.to(dtype), normalize), expected, dtype)


@pytest.mark.parametrize("normalize", [True, False])
def test_gram_matrix_of_all_ones_counts_positions(normalize):
    gram = gram_matrix(torch.ones(1, 3, 4, 6), normalize)
    assert torch.equal(gram, torch.full((1, 3, 3), 1.0 if normalize else 24.0))


def test_gram_matrix_by_hand():
    """Two filters at two positions: F = [[1, 2], [3, 4]], so F Fᵀ = [[5, 11], [11, 25]]."""
    f = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 2, 1, 2)
    assert gram_matrix(f, normalize=False).tolist() == [[[5, 11], [11, 25]]]


def test_gram_matrix_is_symmetric(random):
    gram = gram_matrix(random(1, 8, 4, 4))
    close(gram, gram.mT)


@pytest.mark.parametrize("positions", [3, 30], ids=["fewer than filters", "more than filters"])
def test_gram_matrix_is_positive_semi_definite(random, positions):
    """vᵀ G v = |Fᵀ v|² ≥ 0; with fewer positions than filters, some eigenvalues are 0."""
    eigenvalues = torch.linalg.eigvalsh(gram_matrix(random(1, 8, 1, positions)))
    assert eigenvalues.min() > -1e-12
    assert int((eigenvalues > 1e-9).sum()) == min(8, positions)


def test_gram_matrix_is_blind_to_where_things_are(random):
    f = random(1, 3, 4, 5)
    shuffled = f.flatten(2)[..., torch.randperm(20)].view_as(f)
    assert not torch.equal(shuffled, f)
    close(gram_matrix(shuffled), gram_matrix(f))


def test_gram_matrix_is_the_same_for_a_texture_of_any_size(random):
    """The same tile, laid 8 × 8 times to 128 pixels and 16 × 16 times to 256 pixels."""
    tile = random(1, 5, 16, 16)
    small, large = tile.tile(1, 1, 8, 8), tile.tile(1, 1, 16, 16)
    assert (small.shape[-1], large.shape[-1]) == (128, 256)
    close(gram_matrix(small), gram_matrix(large))
    close(4 * gram_matrix(small, normalize=False), gram_matrix(large, normalize=False))


def test_gram_matrix_cannot_tell_rotated_clouds_apart(random):
    """F Q with an orthogonal Q has other features and the same Gram matrix: F Q Qᵀ Fᵀ = F Fᵀ."""
    f, (q, _) = random(3, 20), torch.linalg.qr(random(20, 20))
    rotated = (f @ q).view(1, 3, 4, 5)
    assert (rotated.flatten() - f.flatten()).abs().max() > 0.1
    close(gram_matrix(rotated), gram_matrix(f.view(1, 3, 4, 5)))


def test_gram_matrix_takes_a_batch_item_by_item(random):
    """One matrix for each picture; none mixes the pictures."""
    f = random(3, 4, 5, 5)
    together = gram_matrix(f)
    assert together.shape == (3, 4, 4)
    for i in range(3):
        close(together[i : i + 1], gram_matrix(f[i : i + 1]))


def test_gram_of_gives_targets_without_a_gradient(random):
    f = {"a": random(1, 3, 4, 4).requires_grad_(True), "b": random(1, 2, 4, 4)}
    targets = gram_of(f)
    assert list(targets) == ["a", "b"]
    assert not any(t.requires_grad for t in targets.values())
    close(targets["a"], gram_matrix(f["a"]).detach())


# --- style ---------------------------------------------------------------------------------------


@BOTH_TYPES
def test_style_loss_is_the_papers(random, dtype):
    """E = 1/(4 N² M²) Σ (G − A)² with unnormalised Gram matrices: equation 4."""
    f, a = random(1, 3, 4, 5), random(1, 3, 4, 5)
    n, m = 3, 20
    flat_f, flat_a = f.numpy().reshape(n, m), a.numpy().reshape(n, m)
    paper = ((flat_f @ flat_f.T - flat_a @ flat_a.T) ** 2).sum() / (4 * n**2 * m**2)
    close(style_loss(gram_matrix(f.to(dtype)), gram_matrix(a.to(dtype))), paper, dtype)


def test_style_loss_of_the_style_itself_is_zero(random):
    gram = gram_matrix(random(1, 3, 4, 4))
    assert style_loss(gram, gram.clone()) == 0


def test_style_loss_does_not_depend_on_the_pictures_sizes(random):
    f, a = random(1, 3, 4, 4), random(1, 3, 4, 4)
    small = style_loss(gram_matrix(f), gram_matrix(a))
    close(style_loss(gram_matrix(f.tile(1, 1, 3, 2)), gram_matrix(a.tile(1, 1, 5, 5))), small)


def test_gradient_of_the_style_loss_is_the_papers(random):
    """∂E/∂F = 1/(N² M²) (Fᵀ (G − A))ᵀ: equation 6, where the features are positive."""
    f, a = random(1, 3, 4, 5), random(1, 3, 4, 5)
    n, m = 3, 20
    matrix = f.view(n, m)
    difference = matrix @ matrix.T - a.view(n, m) @ a.view(n, m).T
    expected = (matrix.T @ difference).T / (n**2 * m**2)
    target = gram_matrix(a)
    close(gradient(lambda x: style_loss(gram_matrix(x), target), f), expected.view_as(f))


def test_gradient_of_the_style_loss_is_zero_where_the_relu_is_off(random):
    """The other half of equation 6, and on through a convolution to the pixels."""
    image, weight, a = random(1, 3, 5, 5), random(4, 3, 3, 3), random(1, 4, 5, 5).relu()
    before = F.conv2d(image, weight, padding=1)
    f = before.relu()
    difference = gram_matrix(f, normalize=False) - gram_matrix(a, normalize=False)
    at_features = (f.flatten(2).mT @ difference).mT.view_as(f) / (4**2 * 25**2)
    expected = F.conv_transpose2d(at_features * (before > 0), weight, padding=1)

    def loss(x):
        return style_loss(gram_matrix(F.conv2d(x, weight, padding=1).relu()), gram_matrix(a))

    close(gradient(loss, image), expected)


@pytest.mark.parametrize("style_positions", [20, 36])
def test_style_loss_is_a_maximum_mean_discrepancy(random, style_positions):
    """E = MMD²/(4 N²) under k(x, y) = (xᵀy)²: Li et al. (2017), for clouds of any two sizes."""
    f, a = random(1, 3, 4, 5), random(1, 3, 4, style_positions // 4)
    x, y = f.view(3, -1).numpy(), a.view(3, -1).numpy()
    mmd_squared = kernel_mean(x, x) + kernel_mean(y, y) - 2 * kernel_mean(x, y)
    close(style_loss(gram_matrix(f), gram_matrix(a)), mmd_squared / (4 * 3**2))


# --- total variation -----------------------------------------------------------------------------


def test_total_variation_of_a_checkerboard_is_two():
    """Every neighbour differs by 1: a mean of 1 downwards and a mean of 1 across."""
    board = (torch.arange(8)[:, None] + torch.arange(6)[None, :]) % 2
    assert total_variation(board.float().expand(1, 3, 8, 6)) == 2


def test_total_variation_of_a_flat_picture_is_zero():
    assert total_variation(torch.full((1, 3, 4, 4), 0.7)) == 0


def test_total_variation_of_a_ramp_is_its_slope_squared():
    """Rising by 0.1 from column to column, and not at all from row to row."""
    ramp = (0.1 * torch.arange(5, dtype=torch.float64)).expand(1, 3, 4, 5)
    close(total_variation(ramp), 0.01)


@BOTH_TYPES
def test_total_variation_agrees_with_numpy(random, dtype):
    x = random(2, 3, 5, 7)
    expected = (np.diff(x.numpy(), axis=2) ** 2).mean() + (np.diff(x.numpy(), axis=3) ** 2).mean()
    close(total_variation(x.to(dtype)), expected, dtype)


# --- all of them ---------------------------------------------------------------------------------

LOSSES = {
    "content": lambda x: content_loss(x, torch.zeros_like(x)),
    "style": lambda x: style_loss(gram_matrix(x), torch.eye(2, dtype=x.dtype)[None]),
    "total variation": total_variation,
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradients_agree_with_finite_differences(random, loss):
    x = random(1, 2, 3, 4)
    torch.testing.assert_close(gradient(loss, x), finite_differences(loss, x), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("function", "tensors", "wrong"),
    [
        # Broadcasting would accept these and give a number.
        (content_loss, [(1, 3, 4, 4), (1, 3, 4, 1)], "(1, 3, 4, 1)"),
        (content_loss, [(2, 3, 4, 4), (1, 3, 4, 4)], "(2, 3, 4, 4)"),
        (style_loss, [(1, 3, 3), (1, 1, 3)], "(1, 1, 3)"),
        (style_loss, [(1, 3, 3), (3, 3)], "(3, 3)"),
        (gram_matrix, [(3, 4, 4)], "(3, 4, 4)"),
        (gram_matrix, [(1, 3, 0, 4)], "(1, 3, 0, 4)"),
        (guided_gram_matrix, [(3, 4, 4), (1, 1, 4, 4)], "(3, 4, 4)"),
        (total_variation, [(3, 4, 4)], "(3, 4, 4)"),
        (total_variation, [(1, 3, 1, 4)], "(1, 3, 1, 4)"),
    ],
)
def test_wrong_shapes_are_refused_and_named(function, tensors, wrong):
    """With the function that was called: several of them may stand in a line of code."""
    with pytest.raises(ShapeError, match=rf"^{function.__name__} got .*expected") as error:
        function(*(torch.ones(shape) for shape in tensors))
    assert wrong in str(error.value)
