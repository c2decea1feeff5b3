"""Exercise 5, as students answer it."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from wrong_answers import BANK, right, wrong

# total_loss


@right("total_loss")
def with_loops(content, style, weights, alpha, beta):
    total = 0
    for loss in content.values():
        total = total + alpha * loss
    for layer, E in style.items():
        total = total + beta * weights[layer] * E
    return total


@right("total_loss")
def as_a_product(content, style, weights, alpha, beta):
    losses = torch.stack([*content.values(), *style.values()])
    factors = [alpha] * len(content) + [beta * weights[layer] for layer in style]
    return losses @ losses.new_tensor(factors)


@right("total_loss")
class TotalLoss(nn.Module):
    def forward(self, content, style, weights, alpha, beta):
        of_content = torch.stack(list(content.values())).sum()
        return torch.add(
            alpha * of_content, sum(w * style[x] for x, w in weights.items()), alpha=beta
        )


@wrong("total_loss", expects="weights-forgotten")
def all_layers_alike(content, style, weights, alpha, beta):
    return alpha * sum(content.values()) + beta * sum(style.values())


@wrong("total_loss", expects="weights-by-order")
def zipped(content, style, weights, alpha, beta):
    pairs = zip(style.values(), weights.values(), strict=True)
    return alpha * sum(content.values()) + beta * sum(E * w for E, w in pairs)


@wrong("total_loss", expects="alpha-forgotten")
def only_beta(content, style, weights, alpha, beta):
    return sum(content.values()) + beta * sum(weights[x] * style[x] for x in style)


@wrong("total_loss", expects="beta-forgotten")
def only_alpha(content, style, weights, alpha, beta):
    return alpha * sum(content.values()) + sum(weights[x] * style[x] for x in style)


@wrong("total_loss", expects="swapped")
def exchanged(content, style, weights, alpha, beta):
    return beta * sum(content.values()) + alpha * sum(weights[x] * style[x] for x in style)


@wrong("total_loss", expects="divided-by-layers")
def mean_of_the_style(content, style, weights, alpha, beta):
    weighted = torch.stack([weights[x] * style[x] for x in style])
    return alpha * sum(content.values()) + beta * weighted.mean()


@wrong("total_loss", expects="content-averaged")
def mean_of_the_content(content, style, weights, alpha, beta):
    of_content = torch.stack(list(content.values())).mean()
    return alpha * of_content + beta * sum(weights[x] * style[x] for x in style)


@wrong("total_loss", expects="one-layer-only")
def overwritten(content, style, weights, alpha, beta):
    for loss in content.values():
        of_content = loss
    for layer in style:
        of_style = weights[layer] * style[layer]
    return alpha * of_content + beta * of_style


@wrong("total_loss", expects="alpha-for-all")
def a_bracket_too_far(content, style, weights, alpha, beta):
    return alpha * (sum(content.values()) + beta * sum(weights[x] * style[x] for x in style))


@wrong("total_loss", expects="not-a-tensor")
def plain_numbers(content, style, weights, alpha, beta):
    of_content = sum(loss.item() for loss in content.values())
    return alpha * of_content + beta * sum(weights[x] * style[x].item() for x in style)


@wrong("total_loss", expects="gradient-cut")
def a_new_tensor(content, style, weights, alpha, beta):
    like = next(iter(style.values()))
    return torch.tensor(plain_numbers(content, style, weights, alpha, beta), dtype=like.dtype)


@wrong("total_loss", expects="names-for-values")
def adds_names(content, style, weights, alpha, beta):
    return alpha * sum(content) + beta * sum(style)


# total_variation


@right("total_variation")
def with_diff(image):
    return image.diff(dim=2).pow(2).mean() + image.diff(dim=3).pow(2).mean()


@right("total_variation")
def with_mse(image):
    down = F.mse_loss(image[:, :, 1:], image[:, :, :-1])
    return down + F.mse_loss(image[..., 1:], image[..., :-1])


@right("total_variation")
class Variation(nn.Module):
    def forward(self, image):
        pixels = image.flatten(0, 1)[:, None]  # each colour for itself
        kernel = image.new_tensor([-1.0, 1.0])
        down = F.conv2d(pixels, kernel.view(1, 1, 2, 1))
        return (down**2).mean() + (F.conv2d(pixels, kernel.view(1, 1, 1, 2)) ** 2).mean()


@right("total_variation")
def row_by_row(image):
    height, width = image.shape[-2:]
    rows = [((image[..., i + 1, :] - image[..., i, :]) ** 2).mean() for i in range(height - 1)]
    columns = [((image[..., j + 1] - image[..., j]) ** 2).mean() for j in range(width - 1)]
    return sum(rows) / len(rows) + sum(columns) / len(columns)


@wrong("total_variation", expects="one-direction")
def only_down(image):
    return image.diff(dim=2).pow(2).mean()


@wrong("total_variation", expects="one-direction")
def only_right(image):
    return image.diff(dim=3).pow(2).mean()


@wrong("total_variation", expects="sum-for-mean")
def sums(image):
    return image.diff(dim=2).pow(2).sum() + image.diff(dim=3).pow(2).sum()


@wrong("total_variation", expects="one-mean-for-both")
def mean_of_all_steps(image):
    steps = torch.cat([image.diff(dim=2).flatten(), image.diff(dim=3).flatten()])
    return steps.pow(2).mean()


@wrong("total_variation", expects="one-mean-for-both")
def over_all_pixels(image):
    return sums(image) / image.numel()


@wrong("total_variation", expects="absolute-for-squared")
def absolute(image):
    return image.diff(dim=2).abs().mean() + image.diff(dim=3).abs().mean()


@wrong("total_variation", expects="root-taken")
def isotropic(image):
    down = image[..., 1:, :-1] - image[..., :-1, :-1]
    right_of_it = image[..., :-1, 1:] - image[..., :-1, :-1]
    return torch.sqrt(down**2 + right_of_it**2).mean()


@wrong("total_variation", expects="not-squared")
def cancels(image):
    return image.diff(dim=2).mean() + image.diff(dim=3).mean()


@wrong("total_variation", expects="squared-too-late")
def square_of_the_mean(image):
    return image.diff(dim=2).mean() ** 2 + image.diff(dim=3).mean() ** 2


@wrong("total_variation", expects="wraps-round")
def with_roll(image):
    down, aside = image - image.roll(1, dims=2), image - image.roll(1, dims=3)
    return (down**2).mean() + (aside**2).mean()


@wrong("total_variation", expects="across-colours")
def one_axis_short(image):
    return image.diff(dim=1).pow(2).mean() + image.diff(dim=2).pow(2).mean()


@wrong("total_variation", expects="not-summed")
def two_maps(image):
    return [image.diff(dim=2) ** 2, image.diff(dim=3) ** 2]


@wrong("total_variation", expects="shapes-do-not-fit")
def adds_before_the_mean(image):
    return (image.diff(dim=2) ** 2 + image.diff(dim=3) ** 2).mean()


@wrong("total_variation", expects="gradient-cut")
def of_the_data(image):
    return with_diff(image.detach())


@wrong("total_variation", expects="changed-input")
def in_place(image):
    image[..., 1:, :] -= image[..., :-1, :].clone()
    return (image**2).mean()


@wrong("total_variation", expects="wrong-factor")
def half_of_both(image):
    return with_diff(image) / 2


# noise_start


@right("noise_start")
def drawn_in_place(photo, seed):
    dice = torch.Generator()
    dice.manual_seed(seed)
    noise = torch.empty_like(photo).uniform_(generator=dice)
    return noise.requires_grad_(True)


@right("noise_start")
def a_parameter(photo, seed):
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(seed))
    return nn.Parameter(noise.to(photo))


@right("noise_start")
def with_a_fork(photo, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.rand_like(photo).requires_grad_()


@right("noise_start")
def with_numpy(photo, seed):
    import numpy as np

    noise = torch.from_numpy(np.random.default_rng(seed).random(tuple(photo.shape)))
    return noise.to(photo.dtype).requires_grad_()


def noise(photo, seed):
    dice = torch.Generator().manual_seed(seed)
    return torch.rand(photo.shape, generator=dice, dtype=photo.dtype)


def _random(photo, seed):
    return torch.rand(photo.shape, generator=torch.Generator().manual_seed(seed), dtype=photo.dtype)


@wrong("noise_start", expects="not-even")
def clamped_bell(photo, seed):
    generator = torch.Generator().manual_seed(seed)
    bell = torch.randn(photo.shape, generator=generator, dtype=photo.dtype)
    return (0.5 + 0.3 * bell).clamp(0, 1).requires_grad_()


@wrong("noise_start", expects="not-white")
def repeated_blocks(photo, seed):
    half = _random(photo[..., : photo.shape[-1] // 2 + 1], seed)
    return half.repeat_interleave(2, -1)[..., : photo.shape[-1]].contiguous().requires_grad_()


@wrong("noise_start", expects="not-white")
def two_tiles(photo, seed):
    part = _random(photo[..., : photo.shape[-1] // 3 + 1], seed)
    return part.repeat(1, 1, 1, 3)[..., : photo.shape[-1]].contiguous().requires_grad_()


@wrong("noise_start", expects="few-values")
def whole_bytes(photo, seed):
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, photo.shape, generator=generator)
    return (levels / 255).to(photo.dtype).requires_grad_()


@wrong("noise_start", expects="not-white")
def a_small_tile(photo, seed):
    rows, columns = (-(-side // 5) for side in photo.shape[-2:])
    tile = _random(photo[..., :5, :5], seed).repeat(1, 1, rows, columns)
    return tile[..., : photo.shape[-2], : photo.shape[-1]].contiguous().requires_grad_()


@wrong("noise_start", expects="photo-in-the-noise")
def a_third_of_the_negative(photo, seed):
    return a_third_of_the_photo(1 - photo, seed)


@wrong("noise_start", expects="one-for-the-batch")
def one_sample_for_all(photo, seed):
    return _random(photo[:1], seed).repeat(len(photo), 1, 1, 1).requires_grad_()


@wrong("noise_start", expects="photo-in-the-noise")
def a_third_of_the_photo(photo, seed):
    mixed = photo / 3 + 2 * _random(photo, seed) / 3
    return ((mixed - mixed.min()) / (mixed.max() - mixed.min())).detach().requires_grad_()


@wrong("noise_start", expects="dice-disturbed")
def numpy_seeded(photo, seed):
    np.random.seed(seed)
    return torch.from_numpy(np.random.rand(*photo.shape)).to(photo.dtype).requires_grad_()


@wrong("noise_start", expects="no-gradient-wanted")
def just_noise(photo, seed):
    return noise(photo, seed)


@wrong("noise_start", expects="not-a-leaf")
def scaled_afterwards(photo, seed):
    return noise(photo, seed).requires_grad_() * 0.5 + 0.25


@wrong("noise_start", expects="not-a-leaf")
def converted_afterwards(photo, seed):
    dice = torch.Generator().manual_seed(seed)
    start = torch.rand(photo.shape, generator=dice, requires_grad=True)
    return start.clone() if photo.dtype == start.dtype else start.to(photo.dtype)


@wrong("noise_start", expects="photo-for-noise")
def copy_of_the_photo(photo, seed):
    return photo.clone().requires_grad_()


@wrong("noise_start", expects="outside-the-range")
def normal(photo, seed):
    dice = torch.Generator().manual_seed(seed)
    return torch.randn(photo.shape, generator=dice, dtype=photo.dtype).requires_grad_()


@wrong("noise_start", expects="grey-noise")
def one_number_for_a_pixel(photo, seed):
    one = noise(photo[:, :1], seed)
    return one.expand_as(photo).clone().requires_grad_()


@wrong("noise_start", expects="not-noise")
def grey(photo, seed):
    return (0.5 + 1e-3 * noise(photo, seed)).requires_grad_()


@wrong("noise_start", expects="seed-ignored")
def without_a_seed(photo, seed):
    return torch.rand_like(photo).requires_grad_()


@wrong("noise_start", expects="always-the-same")
def always_zero(photo, seed):
    return noise(photo, 0).requires_grad_()


@wrong("noise_start", expects="dice-disturbed")
def seeds_everybody(photo, seed):
    torch.manual_seed(seed)
    return torch.rand_like(photo).requires_grad_()


@wrong("noise_start", expects="wrong-shape")
def without_a_batch(photo, seed):
    return noise(photo[0], seed).requires_grad_()


@wrong("noise_start", expects="wrong-dtype")
def always_float(photo, seed):
    return noise(photo.float(), seed).requires_grad_()


@wrong("noise_start", expects="not-a-tensor")
def as_numpy(photo, seed):
    return noise(photo, seed).numpy()


@wrong("noise_start", expects="changed-input")
def over_the_photo(photo, seed):
    return photo.uniform_(generator=torch.Generator().manual_seed(seed)).requires_grad_()


# beta_at


@right("beta_at")
def by_positions(beta, was, now):
    return beta * (now[2] * now[3]) / (was[2] * was[3])


@right("beta_at")
def with_math(beta, was, now):
    strength = beta / math.prod(was)
    return strength * math.prod(now)


@right("beta_at")
def as_a_tensor(beta, was, now):
    return torch.tensor(beta, dtype=torch.float64) * torch.empty(now).numel() / math.prod(was)


@wrong("beta_at", expects="unchanged")
def keeps_it(beta, was, now):
    return beta


@wrong("beta_at", expects="side-for-area")
def by_the_height(beta, was, now):
    return beta * now[2] / was[2]


@wrong("beta_at", expects="side-for-area")
def by_the_width(beta, was, now):
    return beta * now[-1] / was[-1]


@wrong("beta_at", expects="turned-round")
def smaller_for_larger(beta, was, now):
    return beta * math.prod(was) / math.prod(now)


@wrong("beta_at", expects="squared")
def with_m_squared(beta, was, now):
    return beta * (math.prod(now) / math.prod(was)) ** 2


@wrong("beta_at", expects="features-without-the-past")
def times_the_features(beta, was, now):
    return beta * math.prod(now)


@wrong("beta_at", expects="raised")
def divides_tuples(beta, was, now):
    return beta * now / was


# beta_for_share


@right("beta_for_share")
def by_linalg(content_gradient, style_gradient, alpha, share):
    c, s = (torch.linalg.vector_norm(g) for g in (content_gradient, style_gradient))
    return alpha * c / s / (1 / share - 1)


@right("beta_for_share")
def step_by_step(content_gradient, style_gradient, alpha, share):
    content_pull = alpha * content_gradient.square().sum().sqrt().item()
    style_pull = content_pull * share / (1 - share)
    return style_pull / style_gradient.square().sum().sqrt().item()


@right("beta_for_share")
def by_bisection(content_gradient, style_gradient, alpha, share):
    c, s = content_gradient.double().norm().item(), style_gradient.double().norm().item()
    low, high = 0.0, 1e9
    for _ in range(200):
        beta = (low + high) / 2
        low, high = (beta, high) if beta * s / (alpha * c + beta * s) < share else (low, beta)
    return beta


def lengths(content_gradient, style_gradient):
    return content_gradient.norm() / style_gradient.norm()


@wrong("beta_for_share", expects="share-for-odds")
def times_the_share(content_gradient, style_gradient, alpha, share):
    return alpha * lengths(content_gradient, style_gradient) * share


@wrong("beta_for_share", expects="share-ignored")
def equal_pulls(content_gradient, style_gradient, alpha, share):
    return alpha * lengths(content_gradient, style_gradient)


@wrong("beta_for_share", expects="share-of-the-content")
def odds_turned_round(content_gradient, style_gradient, alpha, share):
    return alpha * lengths(content_gradient, style_gradient) * (1 - share) / share


@wrong("beta_for_share", expects="lengths-turned-round")
def style_over_content(content_gradient, style_gradient, alpha, share):
    return alpha * lengths(style_gradient, content_gradient) * share / (1 - share)


@wrong("beta_for_share", expects="alpha-forgotten")
def without_alpha(content_gradient, style_gradient, alpha, share):
    return lengths(content_gradient, style_gradient) * share / (1 - share)


@wrong("beta_for_share", expects="squared-lengths")
def without_the_root(content_gradient, style_gradient, alpha, share):
    c, s = content_gradient.square().sum(), style_gradient.square().sum()
    return alpha * c / s * share / (1 - share)


@wrong("beta_for_share", expects="sum-for-length")
def plain_sums(content_gradient, style_gradient, alpha, share):
    return alpha * content_gradient.sum() / style_gradient.sum() * share / (1 - share)


@wrong("beta_for_share", expects="sum-for-length")
def absolute_means(content_gradient, style_gradient, alpha, share):
    c, s = content_gradient.abs().mean(), style_gradient.abs().mean()
    return alpha * c / s * share / (1 - share)


@wrong("beta_for_share", expects="wrong-shape")
def for_each_pixel(content_gradient, style_gradient, alpha, share):
    return alpha * content_gradient / style_gradient * share / (1 - share)


# our_beta


def count(shape):
    return math.prod(shape)


@right("our_beta")
def closed_form(alpha, beta, content_shape, style_shape):
    return 2 * beta / alpha * count(content_shape) / style_shape[1] ** 2


@right("our_beta")
def unit_by_unit(alpha, beta, content_shape, style_shape):
    _, n, h, w = content_shape
    _, N, H, W = style_shape
    their_content = 1 / (n * h * w)  # before Σ (F − P)²
    their_style = 1 / N**2 / (N * H * W) ** 2  # before Σ (G − A)²
    our_content, our_style = 1 / 2, 1 / (4 * N**2 * (H * W) ** 2)
    return (beta * their_style / our_style) / (alpha * their_content / our_content)


@right("our_beta")
def by_trying(alpha, beta, content_shape, style_shape):
    from nst_teach import content_loss, gram_matrix, style_loss

    f, p = torch.rand(2, *content_shape, dtype=torch.float64)
    theirs, ours = F.mse_loss(f, p), content_loss(f, p)
    f, s = torch.rand(2, *style_shape, dtype=torch.float64)
    N = style_shape[1]
    style = F.mse_loss(gram_matrix(f) / N, gram_matrix(s) / N)
    return beta * style / style_loss(gram_matrix(f), gram_matrix(s)) / (alpha * theirs / ours)


@wrong("our_beta", expects="wrong-value")
def one_too_many(alpha, beta, content_shape, style_shape):
    right_one = next(e.answer for e in BANK if e.task == "ex05.our_beta" and not e.expects)
    return right_one(alpha, beta, content_shape, style_shape) + 1


@wrong("our_beta", expects="ratio-kept")
def only_the_ratio(alpha, beta, content_shape, style_shape):
    return beta / alpha


@wrong("our_beta", expects="style-unit-forgotten")
def only_the_content(alpha, beta, content_shape, style_shape):
    return beta / alpha * count(content_shape) / 2


@wrong("our_beta", expects="content-unit-forgotten")
def only_the_style(alpha, beta, content_shape, style_shape):
    return beta / alpha * 4 / style_shape[1] ** 2


@wrong("our_beta", expects="alpha-forgotten")
def as_if_alpha_were_one(alpha, beta, content_shape, style_shape):
    return 2 * beta * count(content_shape) / style_shape[1] ** 2


@wrong("our_beta", expects="half-forgotten")
def mean_is_sum_over_count(alpha, beta, content_shape, style_shape):
    return beta / alpha * (4 / style_shape[1] ** 2) * count(content_shape)


@wrong("our_beta", expects="quarter-forgotten")
def style_without_the_quarter(alpha, beta, content_shape, style_shape):
    return beta / alpha * count(content_shape) / 2 / style_shape[1] ** 2


@wrong("our_beta", expects="filters-once")
def n_for_n_squared(alpha, beta, content_shape, style_shape):
    return 2 * beta / alpha * count(content_shape) / style_shape[1]


@wrong("our_beta", expects="turned-round")
def the_other_way(alpha, beta, content_shape, style_shape):
    return beta / alpha * style_shape[1] ** 2 / (2 * count(content_shape))


@wrong("our_beta", expects="turned-round")
def style_the_other_way(alpha, beta, content_shape, style_shape):
    return beta / alpha * (style_shape[1] ** 2 / 4) * (count(content_shape) / 2)


@wrong("our_beta", expects="layers-mixed-up")
def filters_of_the_content(alpha, beta, content_shape, style_shape):
    return 2 * beta / alpha * count(content_shape) / content_shape[1] ** 2


@wrong("our_beta", expects="layers-mixed-up")
def features_of_the_style(alpha, beta, content_shape, style_shape):
    return 2 * beta / alpha * count(style_shape) / style_shape[1] ** 2


@wrong("our_beta", expects="positions-left")
def m_left_over(alpha, beta, content_shape, style_shape):
    _, N, h, w = style_shape
    return 2 * beta / alpha * count(content_shape) / (N * h * w) ** 2


@wrong("our_beta", expects="wrong-factor")
def eight(alpha, beta, content_shape, style_shape):
    return 8 * closed_form(alpha, beta, content_shape, style_shape)
