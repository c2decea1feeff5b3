"""Exercise 10, as students answer it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from nst_teach import gram_matrix
from wrong_answers import right, wrong

LUMA = (0.299, 0.587, 0.114)


# luminance


@right("luminance")
def channel_by_channel(image):
    red, green, blue = image.unbind(1)
    return (0.299 * red + 0.587 * green + 0.114 * blue)[:, None]


@right("luminance")
def luma_by_einsum(image):
    return torch.einsum("bchw,c->bhw", image, image.new_tensor(LUMA)).unsqueeze(1)


@right("luminance")
class LumaAsAConvolution(nn.Module):
    def forward(self, image):
        return F.conv2d(image, image.new_tensor(LUMA).view(1, 3, 1, 1))


@wrong("luminance", expects="plain-mean")
def mean_of_channels(image):
    return image.mean(dim=1, keepdim=True)


@wrong("luminance", expects="weights-reversed")
def as_if_bgr(image):
    return 0.114 * image[:, 0:1] + 0.587 * image[:, 1:2] + 0.299 * image[:, 2:3]


@wrong("luminance", expects="brightest-channel")
def value_of_hsv(image):
    return image.max(dim=1, keepdim=True).values


@wrong("luminance", expects="axis-dropped")
def without_keepdim(image):
    return (image * image.new_tensor(LUMA).view(3, 1, 1)).sum(1)


@wrong("luminance", expects="not-summed")
def weighted_channels(image):
    return image * image.new_tensor(LUMA).view(1, 3, 1, 1)


@wrong("luminance", expects="three-channels")
def grey_picture(image):
    return channel_by_channel(image).repeat(1, 3, 1, 1)


@wrong("luminance", expects="mean-of-weighted")
def divided_by_three(image):
    return (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).mean(1, keepdim=True)


@wrong("luminance", expects="shapes-do-not-fit")
def weights_on_the_last_axis(image):
    return (image * image.new_tensor(LUMA)).sum(1, keepdim=True)


@wrong("luminance", expects="wrong-device")
def weights_on_the_cpu(image):
    return (image * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


@wrong("luminance", expects="gradient-cut")
def without_the_graph(image):
    with torch.no_grad():
        return channel_by_channel(image)


# with_luminance


@right("with_luminance")
def colour_and_luminance(photo, y):
    colour = photo - channel_by_channel(photo)
    return colour + y


@right("with_luminance")
class ThroughYiq(nn.Module):
    def forward(self, photo, y):
        rows = [LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135)]
        to_yiq = torch.tensor(rows, dtype=torch.float64)
        yiq = torch.einsum("kc,bchw->bkhw", to_yiq, photo.double())
        yiq = torch.cat([y.double(), yiq[:, 1:]], dim=1)
        return torch.einsum("ck,bkhw->bchw", torch.linalg.inv(to_yiq), yiq).to(photo)


@right("with_luminance")
def one_channel_after_the_other(photo, y):
    change = y[:, 0] - channel_by_channel(photo)[:, 0]
    return torch.stack([photo[:, c] + change for c in range(3)], dim=1)


@wrong("with_luminance", expects="old-luminance-kept")
def adds_it(photo, y):
    return photo + y


@wrong("with_luminance", expects="old-luminance-kept")
def half_and_half(photo, y):
    return 0.5 * photo + 0.5 * y


@wrong("with_luminance", expects="scaled")
def scales_it(photo, y):
    return photo * (y / channel_by_channel(photo))


@wrong("with_luminance", expects="colour-lost")
def grey_only(photo, y):
    return y.repeat(1, 3, 1, 1)


@wrong("with_luminance", expects="luminance-lost")
def colour_only(photo, y):
    return photo - channel_by_channel(photo)


@wrong("with_luminance", expects="wrong-way")
def wrong_sign(photo, y):
    return photo + channel_by_channel(photo) - y


@wrong("with_luminance", expects="shared-out")
def a_third_each(photo, y):
    return photo + (y - channel_by_channel(photo)) / 3


@wrong("with_luminance", expects="weighted-again")
def by_weight(photo, y):
    return photo + photo.new_tensor(LUMA).view(3, 1, 1) * (y - channel_by_channel(photo))


@wrong("with_luminance", expects="clamped")
def clips(photo, y):
    return colour_and_luminance(photo, y).clamp(0, 1)


@wrong("with_luminance", expects="another-luminance")
def takes_the_mean_out(photo, y):
    return photo - photo.mean(1, keepdim=True) + y


@wrong("with_luminance", expects="changed-input")
def adds_in_place(photo, y):
    photo += y - channel_by_channel(photo)
    return photo


# pyramid


@right("pyramid")
def rounding_up(size, smallest):
    sizes = [size]
    while -(-sizes[-1] // 2) >= smallest:
        sizes.append(-(-sizes[-1] // 2))
    return sizes[::-1]


@right("pyramid")
def recursive(size, smallest):
    half = round(size / 2)
    return [*(recursive(half, smallest) if half >= smallest else []), size]


@right("pyramid")
def by_powers(size, smallest):
    levels = range(20)
    return sorted(size // 2**k for k in levels if size // 2**k >= smallest)


@wrong("pyramid", expects="coarse-last")
def fine_to_coarse(size, smallest):
    return recursive(size, smallest)[::-1]


@wrong("pyramid", expects="from-below")
def doubling(size, smallest):
    sizes = [smallest]
    while sizes[-1] * 2 <= size:
        sizes.append(sizes[-1] * 2)
    return sizes


@wrong("pyramid", expects="size-missing")
def without_the_last(size, smallest):
    return recursive(size, smallest)[:-1] or [smallest]


@wrong("pyramid", expects="too-small")
def one_too_many(size, smallest):
    sizes = [size]
    while sizes[0] >= smallest:
        sizes.insert(0, sizes[0] // 2)
    return sizes


@wrong("pyramid", expects="starts-too-large")
def strictly_above(size, smallest):
    sizes = [size]
    while sizes[0] // 2 > smallest:
        sizes.insert(0, sizes[0] // 2)
    return sizes


@wrong("pyramid", expects="not-halved")
def even_steps(size, smallest):
    return [smallest, (smallest + size) // 2, size]


@wrong("pyramid", expects="not-whole")
def plain_division(size, smallest):
    sizes = [size]
    while sizes[0] / 2 >= smallest:
        sizes.insert(0, sizes[0] / 2)
    return sizes


@wrong("pyramid", expects="not-a-list")
def a_generator(size, smallest):
    return (n for n in recursive(size, smallest))


@wrong("pyramid", expects="same-size-twice")
def always_two(size, smallest):
    return (
        [max(smallest, size), *recursive(size, smallest)]
        if size < 100
        else recursive(size, smallest)
    )


@wrong("pyramid", expects="out-of-order")
def last_one_first(size, smallest):
    return [size, *recursive(size, smallest)[:-1]]


@wrong("pyramid", expects="too-slow")
def never_stops(size, smallest):
    sizes = [size]
    while sizes[0] >= smallest:
        sizes[0] = max(sizes[0] // 2, smallest)
    return sizes


# blend


@right("blend")
def with_a_stack(targets, weights):
    shares = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    blended = {}
    for layer in targets[0]:
        grams = torch.stack([t[layer] for t in targets])
        blended[layer] = torch.tensordot(shares.to(grams), grams, dims=1)
    return blended


@right("blend")
class BlendInSteps(nn.Module):
    def forward(self, targets, weights):
        total, result = 0.0, {}
        for grams, weight in zip(targets, weights, strict=True):
            total += weight
            for layer, gram in grams.items():
                before = result.get(layer, torch.zeros_like(gram))
                result[layer] = before + (gram - before) * weight / total
        return result


@right("blend")
def divides_at_the_end(targets, weights):
    return {
        layer: sum(t[layer] * w for t, w in zip(targets, weights, strict=True)) / sum(weights)
        for layer in reversed(list(targets[0]))
    }


@wrong("blend", expects="weights-not-shared-out")
def weighted_sum(targets, weights):
    return {
        layer: sum(w * t[layer] for t, w in zip(targets, weights, strict=True))
        for layer in targets[0]
    }


@wrong("blend", expects="divided-by-the-count")
def over_the_number_of_styles(targets, weights):
    return {k: g / len(targets) for k, g in weighted_sum(targets, weights).items()}


@wrong("blend", expects="added-up")
def adds_up(targets, weights):
    return {layer: sum(t[layer] for t in targets) for layer in targets[0]}


@wrong("blend", expects="weights-ignored")
def plain_mean(targets, weights):
    return {layer: torch.stack([t[layer] for t in targets]).mean(0) for layer in targets[0]}


@wrong("blend", expects="weights-reversed")
def other_way_round(targets, weights):
    return divides_at_the_end(targets, list(reversed(weights)))


@wrong("blend", expects="strongest-only")
def winner_takes_all(targets, weights):
    return targets[weights.index(max(weights))]


@wrong("blend", expects="softmax")
def by_softmax(targets, weights):
    return weighted_sum(targets, torch.tensor(weights).softmax(0))


@wrong("blend", expects="order-trusted")
def by_position(targets, weights):
    columns = zip(*[t.values() for t in targets], strict=True)
    shares = [w / sum(weights) for w in weights]
    return {
        layer: sum(s * g for s, g in zip(shares, grams, strict=True))
        for layer, grams in zip(targets[0].keys(), columns, strict=True)
    }


@wrong("blend", expects="changed-input")
def into_the_first(targets, weights):
    total = sum(weights)
    result = targets[0]
    for layer in result:
        result[layer] = sum(
            w * t[layer] for t, w in zip(targets, weights, strict=True)
        ) / total  # fmt: skip
    return result


@wrong("blend", expects="whole-dictionary")
def dictionaries_do_not_add(targets, weights):
    return sum(w * t for t, w in zip(targets, weights, strict=True))


@wrong("blend", expects="not-a-dictionary")
def a_list(targets, weights):
    return list(divides_at_the_end(targets, weights).values())


# region_gram


@right("region_gram")
def by_exact_areas(features, mask):
    def shares(small, large):
        table = torch.zeros(small, large, dtype=mask.dtype, device=mask.device)
        for row in range(small):
            first, last = row * large / small, (row + 1) * large / small
            for pixel in range(large):
                table[row, pixel] = max(0, min(last, pixel + 1) - max(first, pixel))
        return table / table.sum(1, keepdim=True)

    (h, w), (tall, wide) = features.shape[-2:], mask.shape[-2:]
    share = (shares(h, tall) @ mask @ shares(w, wide).T).flatten()
    return torch.einsum("bnm,bkm,m->bnk", *[features.flatten(2)] * 2, share) / share.sum()


@right("region_gram")
def with_guidance_channels(features, mask):
    shares = F.adaptive_avg_pool2d(mask, features.shape[-2:])
    guided = (features * (shares / shares.sum()).sqrt()).flatten(2)
    return guided @ guided.transpose(1, 2)


@right("region_gram")
def region_by_einsum(features, mask):
    m = F.interpolate(mask, size=tuple(features.shape[2:]), mode="area")[0, 0]
    return torch.einsum("bnhw,bkhw,hw->bnk", features, features, m) / m.sum()


@right("region_gram")
class RegionGram(nn.Module):
    def forward(self, features, mask):
        shares = F.adaptive_avg_pool2d(mask, features.shape[-2:])
        return gram_matrix(features * shares.sqrt(), normalize=False) / shares.sum()


@right("region_gram")
def area_by_hand(features, mask):
    height, width = features.shape[-2:]
    shares = []
    for i in range(height):
        top, end = i * mask.shape[2] // height, -(-(i + 1) * mask.shape[2] // height)
        for j in range(width):
            left, right_ = j * mask.shape[3] // width, -(-(j + 1) * mask.shape[3] // width)
            shares.append(mask[0, 0, top:end, left:right_].mean())
    shares = torch.stack(shares)
    f = features.flatten(2)
    return (f * shares) @ f.mT / shares.sum()


def _area(features, mask):
    return F.interpolate(mask, features.shape[-2:], mode="area")


@wrong("region_gram", expects="mask-forgotten")
def the_whole_layer(features, mask):
    return gram_matrix(features)


@wrong("region_gram", expects="mask-squared")
def masks_the_features(features, mask):
    shares = _area(features, mask)
    return gram_matrix(features * shares, normalize=False) / shares.sum()


@wrong("region_gram", expects="mask-squared")
def unit_guidance(features, mask):
    shares = _area(features, mask)
    return gram_matrix(features * shares / shares.norm(), normalize=False)


@wrong("region_gram", expects="features-masked")
def gram_of_masked_features(features, mask):
    return gram_matrix(features * _area(features, mask))


@wrong("region_gram", expects="divided-by-all-positions")
def over_all_positions(features, mask):
    return gram_matrix(features * _area(features, mask).sqrt())


@wrong("region_gram", expects="divided-by-pixels")
def over_the_large_mask(features, mask):
    f = features.flatten(2)
    return (f * _area(features, mask).flatten(2)) @ f.mT / mask.sum()


@wrong("region_gram", expects="not-divided")
def a_sum(features, mask):
    f = features.flatten(2)
    return (f * _area(features, mask).flatten(2)) @ f.mT


@wrong("region_gram", expects="pixels-left-out")
def default_mode(features, mask):
    shares = F.interpolate(mask, features.shape[-2:]).flatten(2)
    f = features.flatten(2)
    return (f * shares) @ f.mT / shares.sum()


@wrong("region_gram", expects="pixels-left-out")
def bilinear(features, mask):
    shares = F.interpolate(mask, features.shape[-2:], mode="bilinear").flatten(2)
    f = features.flatten(2)
    return (f * shares) @ f.mT / shares.sum()


@wrong("region_gram", expects="cut-at-a-half")
def in_or_out(features, mask):
    inside = (_area(features, mask) > 0.5).flatten(2).to(features)
    f = features.flatten(2)
    return (f * inside) @ f.mT / inside.sum()


@wrong("region_gram", expects="wrong-value")
def in_or_out_at_each_pixel(features, mask):
    return region_by_einsum(features, (mask > 0).to(mask))


@wrong("region_gram", expects="grown")
def with_max_pooling(features, mask):
    shares = F.adaptive_max_pool2d(mask, features.shape[-2:]).flatten(2)
    f = features.flatten(2)
    return (f * shares) @ f.mT / shares.sum()


@wrong("region_gram", expects="outside-for-inside")
def the_rest(features, mask):
    return region_by_einsum(features, 1 - mask)


@wrong("region_gram", expects="batch-folded")
def mean_over_pictures(features, mask):
    return region_by_einsum(features, mask).mean(0, keepdim=True)


@wrong("region_gram", expects="shapes-do-not-fit")
def not_resized(features, mask):
    f = features.flatten(2)
    return (f * mask.flatten(2)) @ f.mT / mask.sum()


@wrong("region_gram", expects="gradient-cut")
def region_detached(features, mask):
    return region_by_einsum(features.detach(), mask)


# match_palette


def _palette(image):
    colours = image[0].flatten(1)
    return colours.mean(1, keepdim=True), torch.cov(colours)


def _power(matrix, exponent):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values**exponent) @ vectors.T


def _repainted(style, photo, matrix):
    (mean, cov), (new_mean, new_cov) = _palette(style), _palette(photo)
    colours = matrix(cov, new_cov) @ (style[0].flatten(1) - mean) + new_mean
    return colours.reshape(style.shape)


@right("match_palette")
def with_cholesky(style, photo):
    cholesky, inv = torch.linalg.cholesky, torch.linalg.inv
    return _repainted(style, photo, lambda a, p: cholesky(p) @ inv(cholesky(a)))


@right("match_palette")
def with_svd(style, photo):
    def root(matrix, exponent):
        u, s, _ = torch.linalg.svd(matrix)
        return (u * s**exponent) @ u.T

    return _repainted(style, photo, lambda a, p: root(p, 0.5) @ root(a, -0.5))


@right("match_palette")
class OptimalTransport(nn.Module):
    def forward(self, style, photo):
        def monge(a, p):
            root = _power(a, 0.5)
            back = torch.linalg.inv(root)
            return back @ _power(root @ p @ root, 0.5) @ back

        return _repainted(style, photo, monge)


@right("match_palette")
def by_numpy(style, photo):
    import numpy as np

    s, p = (x[0].reshape(3, -1).double().numpy() for x in (style, photo))
    low, high = np.linalg.cholesky(np.cov(s)), np.linalg.cholesky(np.cov(p))
    centred = s - s.mean(1, keepdims=True)
    new = high @ np.linalg.solve(low, centred) + p.mean(1, keepdims=True)
    return torch.from_numpy(new.astype(np.float32)).reshape(style.shape)


@right("match_palette")
def after_a_turn(style, photo):
    angle = torch.tensor(0.7)
    turn = torch.eye(3)
    turn[:2, :2] = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    return _repainted(style, photo, lambda a, p: _power(p, 0.5) @ turn @ _power(a, -0.5))


@wrong("match_palette", expects="nothing-changed")
def unchanged(style, photo):
    return style.clone()


@wrong("match_palette", expects="only-the-mean")
def mean_only(style, photo):
    return style - style.mean((2, 3), keepdim=True) + photo.mean((2, 3), keepdim=True)


@wrong("match_palette", expects="channels-alone")
def each_channel(style, photo):
    dims = {"dim": (2, 3), "keepdim": True}
    scaled = (style - style.mean(**dims)) / style.std(**dims) * photo.std(**dims)
    return scaled + photo.mean(**dims)


@wrong("match_palette", expects="roots-missing")
def whole_covariances(style, photo):
    return _repainted(style, photo, lambda a, p: p @ torch.linalg.inv(a))


@wrong("match_palette", expects="roots-of-entries")
def roots_of_entries(style, photo):
    return _repainted(style, photo, lambda a, p: p.sqrt() @ torch.linalg.inv(a.sqrt()))


@wrong("match_palette", expects="wrong-value")
def scales_before_it_turns(style, photo):
    def matrix(a, p):
        (s, v), (t, w) = torch.linalg.eigh(a), torch.linalg.eigh(p)
        return w @ torch.diag(t.sqrt()) @ v.T @ torch.diag(1 / s.sqrt())

    return _repainted(style, photo, matrix)


@wrong("match_palette", expects="entries-divided")
def divides_entries(style, photo):
    return _repainted(style, photo, lambda a, p: (p / a).sqrt())


@wrong("match_palette", expects="one-mean-for-all")
def one_mean(style, photo):
    (_, a), (_, p) = _palette(style), _palette(photo)
    matrix = _power(p, 0.5) @ _power(a, -0.5)
    colours = matrix @ (style[0].flatten(1) - style.mean()) + photo.mean()
    return colours.reshape(style.shape)


@wrong("match_palette", expects="order-reversed")
def wrong_order(style, photo):
    return _repainted(style, photo, lambda a, p: _power(a, -0.5) @ _power(p, 0.5))


@wrong("match_palette", expects="never-rounded")
def only_stretched(style, photo):
    return _repainted(style, photo, lambda a, p: _power(p, 0.5))


@wrong("match_palette", expects="round")
def only_whitened(style, photo):
    return _repainted(style, photo, lambda a, p: _power(a, -0.5))


@wrong("match_palette", expects="other-way")
def from_photo_to_painting(style, photo):
    return _repainted(style, photo, lambda a, p: _power(a, 0.5) @ _power(p, -0.5))


@wrong("match_palette", expects="transposed-factor")
def upper_factors(style, photo):
    upper = torch.linalg.cholesky
    return _repainted(style, photo, lambda a, p: upper(p).T @ torch.linalg.inv(upper(a).T))


@wrong("match_palette", expects="mean-lost")
def centred_only(style, photo):
    return with_cholesky(style, photo) - photo.mean((2, 3), keepdim=True)


@wrong("match_palette", expects="not-centred")
def maps_the_raw_colours(style, photo):
    (_, cov), (new_mean, new_cov) = _palette(style), _palette(photo)
    matrix = _power(new_cov, 0.5) @ _power(cov, -0.5)
    return (matrix @ style[0].flatten(1) + new_mean).reshape(style.shape)


@wrong("match_palette", expects="clamped")
def clipped(style, photo):
    roots = _repainted(style, photo, lambda a, p: _power(p, 0.5) @ _power(a, -0.5))
    return roots.clamp(0, 1)


@wrong("match_palette", expects="not-one-map")
def the_photos_own_pixels(style, photo):
    return photo.reshape(style.shape).clone()


@wrong("match_palette", expects="not-such-a-picture")
def a_list_of_colours(style, photo):
    return with_cholesky(style, photo)[0].flatten(1)


@wrong("match_palette", expects="not-such-a-picture")
def still_double(style, photo):
    return with_cholesky(style.double(), photo.double())


@wrong("match_palette", expects="raised")
def covariance_of_pixels(style, photo):
    cov = torch.cov(style.flatten(2))
    return cov @ style
