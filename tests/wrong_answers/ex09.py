"""Exercise 9, as students answer it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from nst_teach import gram_matrix, style_loss
from wrong_answers import right, wrong

EPSILON = 1e-4


# mmd_squared


@right("mmd_squared")
def with_einsum(f, s):
    own = torch.einsum("ni,nj->ij", f, f).pow(2).mean()
    other = torch.einsum("ni,nj->ij", s, s).pow(2).mean()
    return own + other - 2 * torch.einsum("ni,nj->ij", f, s).pow(2).mean()


@right("mmd_squared")
def with_loops(f, s):
    def mean_similarity(x, y):
        total = x.new_zeros(())
        for i in range(x.shape[1]):
            for j in range(y.shape[1]):
                total = total + (x[:, i] @ y[:, j]) ** 2
        return total / (x.shape[1] * y.shape[1])

    return mean_similarity(f, f) + mean_similarity(s, s) - 2 * mean_similarity(f, s)


@right("mmd_squared")
class MmdByTheTrace(nn.Module):
    def forward(self, f, s):
        g, a = f @ f.T / f.shape[1], s @ s.T / s.shape[1]
        return torch.trace(g @ g) + torch.trace(a @ a) - 2 * torch.trace(g @ a)


@right("mmd_squared")
def one_big_cloud(f, s):
    together = torch.cat([f, s], dim=1)
    weights = torch.cat([f.new_full((f.shape[1],), 1 / f.shape[1]),
                         s.new_full((s.shape[1],), -1 / s.shape[1])])  # fmt: skip
    return weights @ (together.T @ together) ** 2 @ weights


def _mean_kernel(x, y):
    return ((x.T @ y) ** 2).mean()


@wrong("mmd_squared", expects="kernel-not-squared")
def linear_kernel(f, s):
    return (f.T @ f).mean() + (s.T @ s).mean() - 2 * (f.T @ s).mean()


@wrong("mmd_squared", expects="squared-too-late")
def squares_the_means(f, s):
    return (f.T @ f).mean() ** 2 + (s.T @ s).mean() ** 2 - 2 * (f.T @ s).mean() ** 2


@wrong("mmd_squared", expects="cross-term-once")
def forgets_the_two(f, s):
    return _mean_kernel(f, f) + _mean_kernel(s, s) - _mean_kernel(f, s)


@wrong("mmd_squared", expects="cross-term-added")
def all_plus(f, s):
    return _mean_kernel(f, f) + _mean_kernel(s, s) + 2 * _mean_kernel(f, s)


@wrong("mmd_squared", expects="cross-term-missing")
def no_comparison(f, s):
    return _mean_kernel(f, f) + _mean_kernel(s, s)


@wrong("mmd_squared", expects="sum-for-mean")
def sums(f, s):
    return ((f.T @ f) ** 2).sum() + ((s.T @ s) ** 2).sum() - 2 * ((f.T @ s) ** 2).sum()


@wrong("mmd_squared", expects="pairs-with-itself-left-out")
def unbiased(f, s):
    def without_diagonal(x):
        k, m = (x.T @ x) ** 2, x.shape[1]
        return (k.sum() - k.diag().sum()) / (m * (m - 1))

    return without_diagonal(f) + without_diagonal(s) - 2 * _mean_kernel(f, s)


@wrong("mmd_squared", expects="root-taken")
def unsquared(f, s):
    return torch.sqrt(_mean_kernel(f, f) + _mean_kernel(s, s) - 2 * _mean_kernel(f, s))


@wrong("mmd_squared", expects="shapes-do-not-fit")
def points_in_rows(f, s):
    return ((f @ f.T) ** 2).mean() + ((s @ s.T) ** 2).mean() - 2 * ((f @ s.T) ** 2).mean()


@wrong("mmd_squared", expects="wrong-factor")
def means_of_three(f, s):
    return (_mean_kernel(f, f) + _mean_kernel(s, s) - 2 * _mean_kernel(f, s)) / 3


@wrong("mmd_squared", expects="not-a-tensor")
def a_number(f, s):
    return (_mean_kernel(f, f) + _mean_kernel(s, s) - 2 * _mean_kernel(f, s)).item()


@wrong("mmd_squared", expects="gradient-cut")
def through_detach(f, s):
    f = f.detach()
    return _mean_kernel(f, f) + _mean_kernel(s, s) - 2 * _mean_kernel(f, s)


# by_grams


@right("by_grams")
def by_einsum(features, style):
    def moment(x):
        return torch.einsum("bnhw,bmhw->bnm", x, x) / (x.shape[2] * x.shape[3])

    return ((moment(features) - moment(style)) ** 2).sum(dim=(1, 2))


@right("by_grams")
def by_the_library(features, style):
    count = features.shape[1] ** 2
    return torch.stack([
        4 * count * style_loss(gram_matrix(f[None]), gram_matrix(s[None]))
        for f, s in zip(features, style, strict=True)
    ])  # fmt: skip


@right("by_grams")
class ByTheTrace(nn.Module):
    def forward(self, features, style):
        g = torch.bmm(features.flatten(2), features.flatten(2).transpose(1, 2))
        g = g / features[0, 0].numel()
        a = torch.bmm(style.flatten(2), style.flatten(2).transpose(1, 2))
        a = a / style[0, 0].numel()
        return torch.stack([torch.trace(d @ d) for d in g - a])


@right("by_grams")
def picture_by_picture(features, style):
    distances = []
    for f, s in zip(features, style, strict=True):
        f, s = f.reshape(f.shape[0], -1), s.reshape(s.shape[0], -1)
        distances.append(((f @ f.T / f.shape[1] - s @ s.T / s.shape[1]) ** 2).sum())
    return torch.stack(distances)


def _plain_gram(x):
    x = x.flatten(2)
    return x @ x.mT


def _mean_gram(x):
    return _plain_gram(x) / (x.shape[-1] * x.shape[-2])


@wrong("by_grams", expects="not-divided-by-positions")
def raw_grams(features, style):
    return ((_plain_gram(features) - _plain_gram(style)) ** 2).sum((1, 2))


@wrong("by_grams", expects="one-count-for-both")
def one_m(features, style):
    m = features.shape[2] * features.shape[3]
    return ((_plain_gram(features) / m - _plain_gram(style) / m) ** 2).sum((1, 2))


@wrong("by_grams", expects="divided-twice")
def m_again(features, style):
    g = gram_matrix(features) / features[0, 0].numel()
    a = gram_matrix(style) / style[0, 0].numel()
    return ((g - a) ** 2).sum((1, 2))


@wrong("by_grams", expects="mean-for-sum")
def over_everything(features, style):
    g = _plain_gram(features) / features[0].numel()
    a = _plain_gram(style) / style[0].numel()
    return ((g - a) ** 2).sum((1, 2))


@wrong("by_grams", expects="mean-for-sum")
def mean_of_entries(features, style):
    return ((_mean_gram(features) - _mean_gram(style)) ** 2).mean(dim=(1, 2))


@wrong("by_grams", expects="style-loss-returned")
def the_style_loss(features, style):
    return style_loss(gram_matrix(features), gram_matrix(style))


@wrong("by_grams", expects="style-loss-returned")
def style_loss_of_each(features, style):
    return ((_mean_gram(features) - _mean_gram(style)) ** 2).mean((1, 2)) / 4


@wrong("by_grams", expects="batch-folded")
def one_cloud_for_all(features, style):
    f = features.transpose(0, 1).reshape(features.shape[1], -1)
    s = style.transpose(0, 1).reshape(style.shape[1], -1)
    return ((f @ f.T / f.shape[1] - s @ s.T / s.shape[1]) ** 2).sum()


@wrong("by_grams", expects="batch-summed")
def total_over_pictures(features, style):
    return ((_mean_gram(features) - _mean_gram(style)) ** 2).sum()


@wrong("by_grams", expects="root-taken")
def matrix_norm(features, style):
    return torch.linalg.matrix_norm(_mean_gram(features) - _mean_gram(style))


@wrong("by_grams", expects="absolute-for-squared")
def absolute_entries(features, style):
    return (_mean_gram(features) - _mean_gram(style)).abs().sum((1, 2))


@wrong("by_grams", expects="shapes-do-not-fit")
def positions_by_positions(features, style):
    f, s = features.flatten(2), style.flatten(2)
    return ((f.mT @ f / f.shape[-1] - s.mT @ s / s.shape[-1]) ** 2).sum((1, 2))


@wrong("by_grams", expects="all-pairs")
def calls_task_1(features, style):
    pairs = zip(features.flatten(2), style.flatten(2), strict=True)
    return torch.stack([
        _mean_kernel(f, f) + _mean_kernel(s, s) - 2 * _mean_kernel(f, s) for f, s in pairs
    ])  # fmt: skip


@wrong("by_grams", expects="gradient-cut")
def with_data(features, style):
    return ((_mean_gram(features.data) - _mean_gram(style)) ** 2).sum((1, 2))


# exchange


@right("exchange")
def standard_scores(values, mean):
    spread = (values.square().mean() - mean**2).sqrt()
    return mean + spread * (values - values.mean()) / values.std(correction=0)


@right("exchange")
def stripes(values, mean):
    deviation = torch.sqrt((values**2).mean() - mean**2)
    low_and_high = torch.stack([mean - deviation, mean + deviation])
    return low_and_high.repeat(len(values) // 2)


@right("exchange")
class FromNoise(nn.Module):
    def forward(self, values, mean):
        noise = torch.randn_like(values)
        noise = noise - noise.mean()
        noise = noise / noise.norm() * len(values) ** 0.5
        return mean + noise * (values.norm() ** 2 / len(values) - mean**2).sqrt()


@right("exchange")
def one_outlier(values, mean):
    made = values.new_full(values.shape, -1.0)
    made[0] = len(values) - 1.0  # mean 0, mean square M - 1
    spread = ((values**2).mean() - mean**2) / (len(values) - 1)
    return mean + spread.sqrt() * made


@wrong("exchange", expects="nothing-changed")
def shuffled(values, mean):
    return values[torch.randperm(len(values))]


@wrong("exchange", expects="spread-kept")
def moved(values, mean):
    return values - values.mean() + mean


@wrong("exchange", expects="spread-kept")
def levels_with_the_old_spread(values, mean):
    half = values.new_ones(len(values) // 2) * values.std(correction=0)
    return torch.cat([mean - half, mean + half])


@wrong("exchange", expects="only-scaled")
def scaled(values, mean):
    return values * mean / values.mean()


@wrong("exchange", expects="scaled-after-all")
def one_thing_after_the_other(values, mean):
    moved = values + (mean - values.mean())
    return moved * ((values**2).mean() / (moved**2).mean()).sqrt()


@wrong("exchange", expects="only-on-average")
def drawn_at_random(values, mean):
    spread = ((values**2).mean() - mean**2).sqrt()
    return mean + spread * torch.randn_like(values)


@wrong("exchange", expects="no-spread")
def constant(values, mean):
    return torch.full_like(values, mean)


@wrong("exchange", expects="mean-square-for-spread")
def whole_mean_square(values, mean):
    half = values.new_ones(len(values) // 2) * (values**2).mean() ** 0.5
    return torch.cat([mean - half, mean + half])


@wrong("exchange", expects="variance-for-deviation")
def no_root(values, mean):
    half = values.new_ones(len(values) // 2) * ((values**2).mean() - mean**2)
    return torch.cat([mean - half, mean + half])


@wrong("exchange", expects="mean-not-squared")
def minus_the_mean(values, mean):
    half = values.new_ones(len(values) // 2) * ((values**2).mean() - mean).sqrt()
    return torch.cat([mean - half, mean + half])


@wrong("exchange", expects="count-less-one")
def torchs_own_std(values, mean):
    spread = ((values**2).mean() - mean**2).sqrt()
    return mean + spread * (values - values.mean()) / values.std()


@wrong("exchange", expects="unit-spread")
def only_standardised(values, mean):
    return mean + (values - values.mean()) / values.std(correction=0)


@wrong("exchange", expects="wrong-shape")
def two_numbers(values, mean):
    spread = ((values**2).mean() - mean**2).sqrt()
    return torch.stack([mean - spread, mean + spread])


@wrong("exchange", expects="wrong-shape")
def a_pair(values, mean):
    spread = ((values**2).mean() - mean**2).sqrt()
    return mean - spread, mean + spread


@wrong("exchange", expects="changed-input")
def in_place(values, mean):
    spread = ((values**2).mean() - mean**2).sqrt()
    values[::2] = mean - spread
    values[1::2] = mean + spread
    return values


# statistics_distance


@right("statistics_distance")
def means_of_squares(features, style):
    def moments(x):
        mean = x.mean(dim=(2, 3))
        variance = ((x - mean[:, :, None, None]) ** 2).mean(dim=(2, 3))
        return mean, torch.sqrt(variance + EPSILON)

    (m1, s1), (m2, s2) = moments(features), moments(style)
    return ((m1 - m2) ** 2 + (s1 - s2) ** 2).mean(dim=1)


@right("statistics_distance")
class Statistics(nn.Module):
    def forward(self, features, style):
        distances = []
        for f, s in zip(features.flatten(2), style.flatten(2), strict=True):
            own, other = self.of(f), self.of(s)
            distances.append(((own - other) ** 2).sum() / len(f))
        return torch.stack(distances)

    def of(self, x):
        variance, mean = torch.var_mean(x, dim=1, unbiased=False)
        return torch.stack([mean, (variance + EPSILON) ** 0.5])


@right("statistics_distance")
def with_mse(features, style):
    def moments(x):
        return x.flatten(2).mean(-1), (x.var((2, 3), correction=0) + EPSILON).sqrt()

    parts = zip(moments(features), moments(style), strict=True)
    return sum(F.mse_loss(a, b, reduction="none").mean(1) for a, b in parts)


def _mean(x):
    return x.mean((2, 3))


def _deviation(x):
    return (x.var((2, 3), correction=0) + EPSILON).sqrt()


@wrong("statistics_distance", expects="variance-for-deviation")
def no_root_at_all(features, style):
    means = (_mean(features) - _mean(style)) ** 2
    variances = (features.var((2, 3), correction=0) - style.var((2, 3), correction=0)) ** 2
    return (means + variances).mean(1)


@wrong("statistics_distance", expects="count-less-one")
def default_var(features, style):
    def deviation(x):
        return (x.flatten(2).var(-1) + EPSILON).sqrt()

    means = (_mean(features) - _mean(style)) ** 2
    return (means + (deviation(features) - deviation(style)) ** 2).mean(1)


@wrong("statistics_distance", expects="count-less-one")
def just_std(features, style):
    means = (_mean(features) - _mean(style)) ** 2
    return (means + (features.std((2, 3)) - style.std((2, 3))) ** 2).mean(1)


@wrong("statistics_distance", expects="dead-filter")
def plain_std(features, style):
    def deviation(x):
        return x.std((2, 3), correction=0)

    means = (_mean(features) - _mean(style)) ** 2
    return (means + (deviation(features) - deviation(style)) ** 2).mean(1)


@wrong("statistics_distance", expects="deviation-missing")
def means_only(features, style):
    return ((_mean(features) - _mean(style)) ** 2).mean(1)


@wrong("statistics_distance", expects="mean-missing")
def deviations_only(features, style):
    return ((_deviation(features) - _deviation(style)) ** 2).mean(1)


@wrong("statistics_distance", expects="sum-for-mean")
def summed_over_filters(features, style):
    means = (_mean(features) - _mean(style)) ** 2
    return (means + (_deviation(features) - _deviation(style)) ** 2).sum(1)


@wrong("statistics_distance", expects="mean-of-both")
def mean_over_everything(features, style):
    ours = torch.cat([_mean(features), _deviation(features)], 1)
    theirs = torch.cat([_mean(style), _deviation(style)], 1)
    return ((ours - theirs) ** 2).mean(1)


@wrong("statistics_distance", expects="absolute-for-squared")
def absolute_differences(features, style):
    means = (_mean(features) - _mean(style)).abs()
    return (means + (_deviation(features) - _deviation(style)).abs()).mean(1)


@wrong("statistics_distance", expects="filters-mixed")
def over_all_filters(features, style):
    def moments(x):
        variance = x.var((1, 2, 3), correction=0)
        return x.mean((1, 2, 3)), (variance + EPSILON).sqrt()

    (m1, s1), (m2, s2) = moments(features), moments(style)
    return (m1 - m2) ** 2 + (s1 - s2) ** 2


@wrong("statistics_distance", expects="batch-folded")
def like_a_batch_norm(features, style):
    def moments(x):
        return x.mean((0, 2, 3)), (x.var((0, 2, 3), correction=0) + EPSILON).sqrt()

    (m1, s1), (m2, s2) = moments(features), moments(style)
    return ((m1 - m2) ** 2 + (s1 - s2) ** 2).mean()


@wrong("statistics_distance", expects="batch-summed")
def one_number(features, style):
    means = (_mean(features) - _mean(style)) ** 2
    return (means + (_deviation(features) - _deviation(style)) ** 2).mean()


# sliced_distance


@right("sliced_distance")
def rank_by_rank(f, s, lines):
    total = f.new_zeros(())
    for line in lines:
        ours, _ = torch.sort(line @ f)
        theirs, _ = torch.sort(line @ s)
        total = total + ((ours - theirs) ** 2).mean()
    return total / len(lines)


@right("sliced_distance")
class Sliced(nn.Module):
    def forward(self, f, s, lines):
        ours = torch.einsum("kn,nm->mk", lines, f)
        theirs = torch.einsum("kn,nm->mk", lines, s)
        return F.mse_loss(ours.sort(0).values, theirs.sort(0).values)


@right("sliced_distance")
def largest_first(f, s, lines):
    count = f.shape[1]
    ours, theirs = (lines @ f).topk(count).values, (lines @ s).topk(count).values
    return (ours - theirs).pow(2).mean()


@wrong("sliced_distance", expects="not-sorted")
def no_sort(f, s, lines):
    return ((lines @ f - lines @ s) ** 2).mean()


@wrong("sliced_distance", expects="sorted-before-projecting")
def sorts_the_filters(f, s, lines):
    f, s = f.sort(1).values, s.sort(1).values
    return ((lines @ f - lines @ s) ** 2).mean()


@wrong("sliced_distance", expects="wrong-axis-sorted")
def sorts_over_lines(f, s, lines):
    ours, theirs = (lines @ f).sort(0).values, (lines @ s).sort(0).values
    return ((ours - theirs) ** 2).mean()


@wrong("sliced_distance", expects="not-sorted")
def one_order(f, s, lines):
    ours, order = (lines @ f).sort(1)
    theirs = torch.take_along_dim(lines @ s, order, dim=1)
    return ((ours - theirs) ** 2).mean()


@wrong("sliced_distance", expects="sum-for-mean")
def sum_of_everything(f, s, lines):
    ours, theirs = (lines @ f).sort(1).values, (lines @ s).sort(1).values
    return ((ours - theirs) ** 2).sum()


@wrong("sliced_distance", expects="absolute-for-squared")
def earth_mover(f, s, lines):
    ours, theirs = (lines @ f).sort(1).values, (lines @ s).sort(1).values
    return (ours - theirs).abs().mean()


@wrong("sliced_distance", expects="root-taken")
def second_wasserstein(f, s, lines):
    ours, theirs = (lines @ f).sort(1).values, (lines @ s).sort(1).values
    return ((ours - theirs) ** 2).mean().sqrt()


@wrong("sliced_distance", expects="projection-forgotten")
def along_the_axes(f, s, lines):
    return ((f.sort(1).values - s.sort(1).values) ** 2).mean()


@wrong("sliced_distance", expects="means-compared")
def middle_of_the_shadow(f, s, lines):
    return (((lines @ f).mean(1) - (lines @ s).mean(1)) ** 2).mean()


@wrong("sliced_distance", expects="shapes-do-not-fit")
def lines_on_the_wrong_side(f, s, lines):
    return (((f @ lines).sort(1).values - (s @ lines).sort(1).values) ** 2).mean()


@wrong("sliced_distance", expects="raised")
def sort_is_a_pair(f, s, lines):
    return (((lines @ f).sort(1) - (lines @ s).sort(1)) ** 2).mean()
