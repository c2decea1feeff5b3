"""Exercise 4, as students answer it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from nst_teach import gram_matrix as library_gram
from nst_teach import style_loss as library_loss
from wrong_answers import right, wrong

# gram_matrix


@right("gram_matrix")
def by_einsum(features):
    return torch.einsum("bnhw,bmhw->bnm", features, features) / features[0, 0].numel()


@right("gram_matrix")
def by_bmm(features):
    B, N, h, w = features.shape
    rows = features.view(B, N, h * w)
    return torch.bmm(rows, rows.transpose(1, 2)).div(h * w)


@right("gram_matrix")
def by_loops(features):
    filters = range(features.shape[1])
    rows = [
        torch.stack([(features[:, i] * features[:, k]).mean(dim=(1, 2)) for k in filters], dim=1)
        for i in filters
    ]
    return torch.stack(rows, dim=1)


@right("gram_matrix")
class GramMatrix(nn.Module):
    def forward(self, features):
        pairs = features.unsqueeze(1) * features.unsqueeze(2)  # (B, N, N, h, w)
        return pairs.mean(dim=(-2, -1))


@right("gram_matrix")
def picture_by_picture(features):
    rows = [picture.flatten(1) for picture in features]
    return torch.stack([f @ f.T / f.shape[1] for f in rows])


@wrong("gram_matrix", expects="not-divided")
def sums(features):
    rows = features.flatten(2)
    return rows @ rows.transpose(1, 2)


@wrong("gram_matrix", expects="divided-by-filters-too")
def by_all_features(features):
    B, N, h, w = features.shape
    rows = features.view(B, N, h * w)
    return torch.bmm(rows, rows.transpose(1, 2)) / (N * h * w)


@wrong("gram_matrix", expects="divided-by-filters-too")
def by_numel(features):
    rows = features.flatten(2)
    return rows @ rows.mT / features.numel()


@wrong("gram_matrix", expects="divided-by-filters")
def by_the_wrong_axis(features):
    rows = features.flatten(2)
    return rows @ rows.mT / rows.shape[1]


@wrong("gram_matrix", expects="divided-twice")
def mean_of_means(features):
    M = features.shape[2] * features.shape[3]
    rows = features.flatten(2) / M
    return rows @ rows.mT


@wrong("gram_matrix", expects="batch-folded")
def as_in_the_tutorial(features):
    a, b, c, d = features.size()
    rows = features.view(a * b, c * d)
    return torch.mm(rows, rows.t()).div(a * b * c * d)


@wrong("gram_matrix", expects="batch-folded")
def flat_batch(features):
    rows = features.reshape(-1, features.shape[2] * features.shape[3])
    return rows @ rows.T / rows.shape[1]


@wrong("gram_matrix", expects="batch-folded")
def flat_batch_of_sums(features):
    rows = features.reshape(-1, features.shape[2] * features.shape[3])
    return rows @ rows.T


@wrong("gram_matrix", expects="batch-summed")
def einsum_without_a_batch(features):
    M = features.shape[2] * features.shape[3]
    return torch.einsum("bnhw,bmhw->nm", features, features) / M


@wrong("gram_matrix", expects="batch-dropped")
def first_picture(features):
    rows = features[0].flatten(1)
    return rows @ rows.T / rows.shape[1]


@wrong("gram_matrix", expects="positions-for-filters")
def turned(features):
    rows = features.flatten(2)
    return rows.mT @ rows / rows.shape[2]


@wrong("gram_matrix", expects="positions-for-filters")
def turned_sums(features):
    rows = features.flatten(2)
    return rows.mT @ rows


@wrong("gram_matrix", expects="dealt-anew")
def view_for_permute(features):
    B, N, h, w = features.shape
    columns = features.view(B, h * w, N)
    return columns.transpose(1, 2) @ columns / (h * w)


@wrong("gram_matrix", expects="centred")
def covariance(features):
    rows = features.flatten(2)
    rows = rows - rows.mean(2, keepdim=True)
    return rows @ rows.mT / rows.shape[2]


@wrong("gram_matrix", expects="diagonal-only")
def energies(features):
    return (features**2).mean(dim=(2, 3))


@wrong("gram_matrix", expects="shapes-do-not-fit")
def without_a_transpose(features):
    rows = features.flatten(2)
    return rows @ rows / rows.shape[2]


@wrong("gram_matrix", expects="changed-input")
def divides_in_place(features):
    rows = features.flatten(2)
    rows /= rows.shape[2] ** 0.5
    return rows @ rows.mT


@wrong("gram_matrix", expects="wrong-device")
def a_table_on_the_cpu(features):
    B, N, M = features.flatten(2).shape
    table = torch.zeros(B, N, N, dtype=features.dtype)
    for column in features.flatten(2).unbind(2):
        table = table + column[:, :, None] * column[:, None, :]
    return table / M


@wrong("gram_matrix", expects="gradient-cut")
def from_the_data(features):
    return by_einsum(features.data)


@wrong("gram_matrix", expects="wrong-factor")
def off_by_half(features):
    return library_gram(features) / 2


# style_loss


def gap(features, style):
    return library_gram(features) - library_gram(style)


def raw(features):
    return library_gram(features, normalize=False)


@right("style_loss")
def with_mse(features, style):
    return F.mse_loss(library_gram(features), library_gram(style)) / 4


@right("style_loss")
def as_in_the_paper(features, style):
    N, M = features.shape[1], features[0, 0].numel()
    style_gram = raw(style) * (M / style[0, 0].numel())
    return ((raw(features) - style_gram) ** 2).sum() / (4 * N**2 * M**2)


@right("style_loss")
class StyleLoss(nn.Module):
    def forward(self, features, style):
        difference = gap(features, style).flatten()
        return 0.25 * torch.dot(difference, difference) / len(difference)


@right("style_loss")
def pair_by_pair(features, style):
    f, s = features[0].flatten(1), style[0].flatten(1)
    total = features.new_zeros(())
    for i in range(len(f)):
        for k in range(len(f)):
            total = total + ((f[i] * f[k]).mean() - (s[i] * s[k]).mean()) ** 2
    return total / (4 * len(f) ** 2)


@wrong("style_loss", expects="quarter-missing")
def plain_mse(features, style):
    return F.mse_loss(library_gram(features), library_gram(style))


@wrong("style_loss", expects="quarter-missing")
def half(features, style):
    return 0.5 * (gap(features, style) ** 2).mean()


@wrong("style_loss", expects="sum-for-mean")
def a_sum(features, style):
    return (gap(features, style) ** 2).sum() / 4


@wrong("style_loss", expects="sum-for-mean")
def only_a_sum(features, style):
    return (gap(features, style) ** 2).sum()


@wrong("style_loss", expects="filters-once")
def n_for_n_squared(features, style):
    return (gap(features, style) ** 2).sum() / (4 * features.shape[1])


@wrong("style_loss", expects="divided-twice")
def formula_with_means(features, style):
    N, M = features.shape[1], features.shape[2] * features.shape[3]
    return (gap(features, style) ** 2).sum() / (4 * N**2 * M**2)


@wrong("style_loss", expects="one-size-for-both")
def formula_with_sums(features, style):
    N, M = features.shape[1], features.shape[2] * features.shape[3]
    return ((raw(features) - raw(style)) ** 2).sum() / (4 * N**2 * M**2)


@wrong("style_loss", expects="not-divided-by-positions")
def raw_grams(features, style):
    return ((raw(features) - raw(style)) ** 2).mean() / 4


@wrong("style_loss", expects="divided-by-filters-too")
def grams_of_the_tutorial(features, style):
    G, A = raw(features) / features.numel(), raw(style) / style.numel()
    return F.mse_loss(G, A) / 4


@wrong("style_loss", expects="absolute-for-squared")
def absolute(features, style):
    return gap(features, style).abs().mean() / 4


@wrong("style_loss", expects="root-taken")
def norm(features, style):
    return torch.norm(gap(features, style))


@wrong("style_loss", expects="root-taken")
def quarter_of_the_norm(features, style):
    return torch.norm(gap(features, style)) / 4


@wrong("style_loss", expects="not-squared")
def not_squared(features, style):
    return gap(features, style).mean() / 4


@wrong("style_loss", expects="not-summed")
def a_table(features, style):
    return gap(features, style) ** 2 / 4


@wrong("style_loss", expects="diagonal-only")
def each_with_itself(features, style):
    energies_apart = (features**2).mean(dim=(2, 3)) - (style**2).mean(dim=(2, 3))
    return (energies_apart**2).mean() / 4


@wrong("style_loss", expects="shapes-do-not-fit")
def compares_features(features, style):
    return ((features.flatten(2) - style.flatten(2)) ** 2).mean() / 4


@wrong("style_loss", expects="gradient-cut")
def detached(features, style):
    return library_loss(library_gram(features).detach(), library_gram(style))


# forget_positions


@right("forget_positions")
def upside_down(features):
    return features.flip(2)


@right("forget_positions")
def backwards(features):
    return features.flatten(2).flip(2).view_as(features)


@right("forget_positions")
def rolled(features):
    return torch.roll(features, shifts=(2, 3), dims=(2, 3))


@right("forget_positions")
def by_indices(features):
    h, w = features.shape[2:]
    order = torch.argsort(torch.rand(h * w))
    scattered = torch.empty_like(features)
    for place, source in enumerate(order.tolist()):
        scattered[:, :, place // w, place % w] = features[:, :, source // w, source % w]
    return scattered


@right("forget_positions")
def another_order_for_each_picture(features):
    rows = [f.flatten(1)[:, torch.randperm(f[0].numel())] for f in features]
    return torch.stack(rows).reshape(features.shape)


@right("forget_positions")
class SortedByTheFirstFilter(nn.Module):
    def forward(self, features):
        rows = features.flatten(2)
        order = (rows[:, :1] + torch.rand(rows[:, :1].shape)).argsort(dim=2)
        return rows.gather(2, order.expand_as(rows)).reshape(features.shape)


@wrong("forget_positions", expects="each-filter-for-itself")
def an_order_for_each_filter(features):
    rows = features.flatten(2)
    order = torch.rand(rows.shape).argsort(dim=2)
    return rows.gather(2, order).reshape(features.shape)


@wrong("forget_positions", expects="each-filter-for-itself")
def each_filter_sorted(features):
    return features.flatten(2).sort(dim=2).values.reshape(features.shape)


@wrong("forget_positions", expects="filters-moved")
def filters_backwards(features):
    return features.flip(1)


@wrong("forget_positions", expects="dealt-anew")
def everything_shuffled(features):
    flat = features.flatten()
    return flat[torch.randperm(len(flat))].reshape(features.shape)


@wrong("forget_positions", expects="nothing-moved")
def a_copy(features):
    return features.clone()


@wrong("forget_positions", expects="nothing-moved")
def two_swapped(features):
    rows = features.flatten(2).clone()
    rows[..., [0, 1]] = rows[..., [1, 0]]
    return rows.reshape(features.shape)


@wrong("forget_positions", expects="below-zero")
def negative(features):
    return -features


@wrong("forget_positions", expects="another-gram")
def noise(features):
    return torch.rand_like(features)


@wrong("forget_positions", expects="another-gram")
def averaged(features):
    return features.mean(dim=(2, 3), keepdim=True).expand_as(features)


@wrong("forget_positions", expects="another-gram")
def one_value_forgotten(features):
    scattered = features.flip(2)
    scattered[-1, -1, -1, -1] = 0
    return scattered


@wrong("forget_positions", expects="wrong-shape")
def left_in_a_row(features):
    rows = features.flatten(2)
    return rows[..., torch.randperm(rows.shape[2])]


@wrong("forget_positions", expects="wrong-shape")
def sides_swapped(features):
    return features.transpose(2, 3)


@wrong("forget_positions", expects="wrong-dtype")
def as_float(features):
    return features.float().flip(2)


@wrong("forget_positions", expects="not-a-tensor")
def as_an_array(features):
    return features.numpy()[:, :, ::-1]


# style_gradient


def rows_of(features):
    return features.flatten(2)


@right("style_gradient")
def by_autograd(z, gram):
    leaf = z.clone().requires_grad_()
    return torch.autograd.grad(library_loss(library_gram(leaf.relu()), gram), leaf)[0]


@right("style_gradient")
def slope_by_einsum(z, gram):
    features = z.relu()
    _, N, h, w = z.shape
    slope = torch.einsum("bik,bkhw->bihw", library_gram(features) - gram, features)
    return torch.where(z > 0, slope / (N**2 * h * w), 0)


@right("style_gradient")
def as_in_the_chapter(z, gram):
    f = z[0].clamp(min=0).flatten(1)
    N, M = f.shape
    slope = (f.T @ (f @ f.T - M * gram[0])).T / (N**2 * M**2)
    return (slope * (f > 0)).reshape(z.shape)


@right("style_gradient")
class StyleGradient(nn.Module):
    def forward(self, z, gram):
        alive = (z > 0).to(z.dtype)
        features = z * alive
        gap = 0.5 * (library_gram(features) - gram) / z.shape[1] ** 2
        both = gap + gap.mT  # row i and column i
        return (both @ rows_of(features) / z[0, 0].numel()).view_as(z) * alive


def hand(z, gram, number, mask=True):
    features = z.relu()
    slope = ((library_gram(features) - gram) @ rows_of(features)).view_as(z) / number
    return slope * (z > 0) if mask else slope


def sizes(z):
    return z.shape[1], z[0, 0].numel()


@wrong("style_gradient", expects="not-masked")
def without_a_mask(z, gram):
    N, M = sizes(z)
    return hand(z, gram, N**2 * M, mask=False)


@wrong("style_gradient", expects="relu-forgotten")
def without_a_relu(z, gram):
    N, M = sizes(z)
    return ((library_gram(z) - gram) @ rows_of(z)).view_as(z) / (N**2 * M)


@wrong("style_gradient", expects="relu-forgotten")
def mask_but_no_relu(z, gram):
    return without_a_relu(z, gram) * (z > 0)


@wrong("style_gradient", expects="divided-twice")
def formula_as_it_stands(z, gram):
    N, M = sizes(z)
    return hand(z, gram, N**2 * M**2)


@wrong("style_gradient", expects="positions-forgotten")
def only_filters(z, gram):
    N, _ = sizes(z)
    return hand(z, gram, N**2)


@wrong("style_gradient", expects="filters-forgotten")
def only_positions(z, gram):
    _, M = sizes(z)
    return hand(z, gram, M)


@wrong("style_gradient", expects="filters-once")
def all_features_once(z, gram):
    N, M = sizes(z)
    return hand(z, gram, N * M)


@wrong("style_gradient", expects="symmetry-forgotten")
def rows_without_columns(z, gram):
    N, M = sizes(z)
    return hand(z, gram, 2 * N**2 * M)


@wrong("style_gradient", expects="quarter-forgotten")
def four_times(z, gram):
    N, M = sizes(z)
    return 4 * hand(z, gram, N**2 * M)


@wrong("style_gradient", expects="gram-not-divided")
def sums_beside_means(z, gram):
    N, M = sizes(z)
    f = rows_of(z.relu())
    return ((f @ f.mT - gram) @ f).view_as(z) * (z > 0) / (N**2 * M**2)


@wrong("style_gradient", expects="wrong-sign")
def downhill(z, gram):
    N, M = sizes(z)
    return -hand(z, gram, N**2 * M)


@wrong("style_gradient", expects="transposed")
def formula_without_its_last_t(z, gram):
    N, M = sizes(z)
    f = rows_of(z.relu())
    return f.mT @ (library_gram(z.relu()) - gram) / (N**2 * M) * (rows_of(z) > 0).mT


@wrong("style_gradient", expects="not-folded-back")
def in_a_row(z, gram):
    N, M = sizes(z)
    return hand(z, gram, N**2 * M).flatten(2)


@wrong("style_gradient", expects="stopped-at-the-gram")
def slope_of_each_pair(z, gram):
    return (library_gram(z.relu()) - gram) / (2 * z.shape[1] ** 2)


@wrong("style_gradient", expects="loss-for-gradient")
def the_loss(z, gram):
    return library_loss(library_gram(z.relu()), gram)


@wrong("style_gradient", expects="wrong-value")
def last_value_forgotten(z, gram):
    N, M = sizes(z)
    slope = torch.zeros_like(z).flatten()
    right = hand(z, gram, N**2 * M).flatten()
    for k in range(len(slope) - 1):
        slope[k] = right[k]
    return slope.view_as(z)


@wrong("style_gradient", expects="changed-input")
def relu_in_place(z, gram):
    N, M = sizes(z)
    alive = z > 0
    f = rows_of(z.relu_())
    return ((f @ f.mT / M - gram) @ f).view_as(z) * alive / (N**2 * M)


# texture_loss


def each_layer(network, image, grams):
    features = network(image, list(grams))
    return [library_loss(library_gram(features[layer]), gram) for layer, gram in grams.items()]


@right("texture_loss")
def a_running_sum(network, image, grams):
    total = 0
    for layer, gram in grams.items():
        G = by_einsum(network(image, layer)[layer])
        total = total + 0.25 * F.mse_loss(G, gram) / len(grams)
    return total


@right("texture_loss")
def stacked(network, image, grams):
    return torch.stack(each_layer(network, image, grams)).mean()


@right("texture_loss")
class TextureLoss(nn.Module):
    def forward(self, network, image, grams):
        features = network(image, grams.keys())
        weights = dict.fromkeys(grams, 1 / len(grams))
        gaps = {layer: library_gram(features[layer]) - grams[layer] for layer in grams}
        return sum(weights[x] * (gaps[x] ** 2).sum() / (4 * gaps[x].numel()) for x in gaps)


@wrong("texture_loss", expects="layers-not-weighted")
def added_up(network, image, grams):
    return sum(each_layer(network, image, grams))


@wrong("texture_loss", expects="one-layer-only")
def overwritten(network, image, grams):
    for loss in each_layer(network, image, grams):
        total = loss / len(grams)
    return total


@wrong("texture_loss", expects="one-layer-only")
def assigned_for_added(network, image, grams):
    for loss in each_layer(network, image, grams):
        total = +loss
    return total


@wrong("texture_loss", expects="one-layer-only")
def returns_inside_the_loop(network, image, grams):
    for loss in each_layer(network, image, grams):
        return loss
    return None


@wrong("texture_loss", expects="layers-not-summed")
def a_list(network, image, grams):
    return each_layer(network, image, grams)


@wrong("texture_loss", expects="quarter-missing")
def mse_of_each(network, image, grams):
    features = network(image, grams)
    return sum(F.mse_loss(library_gram(features[x]), grams[x]) for x in grams) / len(grams)


@wrong("texture_loss", expects="quarter-missing")
def mse_of_each_added_up(network, image, grams):
    return len(grams) * mse_of_each(network, image, grams)


@wrong("texture_loss", expects="in-one-pot")
def all_entries_alike(network, image, grams):
    features = network(image, grams)
    squares = [((library_gram(features[x]) - grams[x]) ** 2).flatten() for x in grams]
    return torch.cat(squares).mean() / 4


@wrong("texture_loss", expects="gram-not-divided")
def sums_of_the_picture(network, image, grams):
    features = network(image, grams)
    losses = [library_loss(raw(features[x]), gram) for x, gram in grams.items()]
    return sum(losses) / len(losses)


@wrong("texture_loss", expects="conv-for-relu")
def before_the_relu(network, image, grams):
    total = 0
    for layer, gram in grams.items():
        conv = layer.replace("relu", "conv")
        total += library_loss(library_gram(network(image, conv)[conv]), gram)
    return total / len(grams)


@wrong("texture_loss", expects="gradient-cut")
def without_gradients(network, image, grams):
    with torch.no_grad():
        return stacked(network, image, grams)


@wrong("texture_loss", expects="gradient-cut")
def numbers(network, image, grams):
    return torch.tensor(sum(x.item() for x in each_layer(network, image, grams)) / len(grams))


@wrong("texture_loss", expects="not-a-tensor")
def plain_number(network, image, grams):
    return sum(x.item() for x in each_layer(network, image, grams)) / len(grams)


def gram_of_task_one(features):
    rows = features.flatten(2)
    return rows @ rows.mT / rows.shape[2]


@wrong("texture_loss", expects="gram-of-gram")
def by_the_function_of_task_two(network, image, grams):
    def style_loss(features, style):
        return F.mse_loss(gram_of_task_one(features), gram_of_task_one(style)) / 4

    features = network(image, list(grams))
    return sum(style_loss(features[x], grams[x]) for x in grams) / len(grams)


@wrong("texture_loss", expects="wrong-number-of-values")
def rows_and_columns_of_a_gram(network, image, grams):
    features = network(image, list(grams))
    return sum(plain_mse(features[x], by_bmm(grams[x])) for x in grams)


@wrong("texture_loss", expects="names-for-values")
def dictionary_as_features(network, image, grams):
    features = network(image, grams)
    return sum(library_loss(library_gram(f), grams[f]) for f in features) / len(grams)


@wrong("texture_loss", expects="wrong-value")
def by_the_first_network(network, image, grams, known=[]):  # noqa: B006
    known.append(network)
    return stacked(known[0], image, grams)
