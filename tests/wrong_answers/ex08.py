"""Exercise 8, as students answer it."""

from __future__ import annotations

import numpy as np
from joblib import Parallel, delayed, parallel_config
from torch import nn

from wrong_answers import right, wrong

# style_strength


@right("style_strength")
def by_a_loop(before, weights, beta, energy):
    total = 0.0
    for layer in weights:
        total += beta * weights[layer] * before[layer]
    return total / energy


@right("style_strength")
def by_numpy(before, weights, beta, energy):
    losses = np.array([before[layer] for layer in weights])
    return float(beta / energy * np.dot(losses, list(weights.values())))


@right("style_strength")
class Strength(nn.Module):
    def forward(self, before, weights, beta, energy):
        return sum(beta / energy * weights.get(layer, 0) * loss for layer, loss in before.items())


@wrong("style_strength", expects="wrong-value")
def in_the_order_of_the_network(before, weights, beta, energy):
    losses = [before[layer] for layer in before if layer in weights]
    return beta * sum(w * e for w, e in zip(weights.values(), losses, strict=True)) / energy


@wrong("style_strength", expects="energy-forgotten")
def with_a_unit(before, weights, beta, energy):
    return beta * sum(weights[k] * before[k] for k in weights)


@wrong("style_strength", expects="energy-multiplied")
def times_the_energy(before, weights, beta, energy):
    return beta * energy * sum(weights[k] * before[k] for k in weights)


@wrong("style_strength", expects="beta-forgotten")
def without_beta(before, weights, beta, energy):
    return sum(weights[k] * before[k] for k in weights) / energy


@wrong("style_strength", expects="weights-forgotten")
def all_losses(before, weights, beta, energy):
    return beta * sum(before.values()) / energy


@wrong("style_strength", expects="weights-forgotten")
def chosen_losses(before, weights, beta, energy):
    return beta * sum(before[k] for k in weights) / energy


@wrong("style_strength", expects="mean-for-sum")
def mean_of_the_chosen(before, weights, beta, energy):
    return beta * np.mean([weights[k] * before[k] for k in weights]).item() / energy


@wrong("style_strength", expects="mean-for-sum")
def mean_of_all(before, weights, beta, energy):
    return beta * sum(weights[k] * before[k] for k in weights) / len(before) / energy


@wrong("style_strength", expects="upside-down")
def content_over_style(before, weights, beta, energy):
    return energy / (beta * sum(weights[k] * before[k] for k in weights))


@wrong("style_strength", expects="paired-by-place")
def zipped(before, weights, beta, energy):
    pairs = zip(before.values(), weights.values(), strict=False)
    return beta * sum(loss * weight for loss, weight in pairs) / energy


@wrong("style_strength", expects="missing-key")
def asks_for_every_layer(before, weights, beta, energy):
    return beta * sum(weights[k] * before[k] for k in before) / energy


# equal_shares


@right("equal_shares")
def shares_in_a_loop(layers, before):
    weights = {}
    for layer in layers:
        share = 1 / len(layers)
        weights[layer] = share / before[layer]
    return weights


@right("equal_shares")
def shares_by_numpy(layers, before):
    losses = np.array([before[layer] for layer in layers])
    weights = (1 / losses) / losses.size
    return dict(zip(reversed(layers), weights[::-1].tolist(), strict=True))


@wrong("equal_shares", expects="equal-weights")
def one_over_n(layers, before):
    return {layer: 1 / len(layers) for layer in layers}


@wrong("equal_shares", expects="equal-weights")
def ones(layers, before):
    return dict.fromkeys(layers, 1.0)


@wrong("equal_shares", expects="loudest-decides")
def one_in_total(layers, before):
    total = sum(before[layer] for layer in layers)
    return dict.fromkeys(layers, 1 / total)


@wrong("equal_shares", expects="too-strong")
def each_is_one(layers, before):
    return {layer: 1 / before[layer] for layer in layers}


@wrong("equal_shares", expects="weights-sum-to-one")
def weights_sum_to_one(layers, before):
    weights = {layer: 1 / before[layer] for layer in layers}
    return {layer: weight / sum(weights.values()) for layer, weight in weights.items()}


@wrong("equal_shares", expects="upside-down")
def louder_is_heavier(layers, before):
    total = sum(before[layer] for layer in layers)
    return {layer: before[layer] / total for layer in layers}


@wrong("equal_shares", expects="upside-down")
def loss_over_n(layers, before):
    return {layer: before[layer] / len(layers) for layer in layers}


@wrong("equal_shares", expects="counted-all-layers")
def five_share(layers, before):
    return {layer: 1 / (len(before) * before[layer]) for layer in layers}


@wrong("equal_shares", expects="all-layers-weighted")
def whole_network(layers, before):
    return {layer: 1 / (len(before) * loss) for layer, loss in before.items()}


@wrong("equal_shares", expects="changed-input")
def overwrites_the_losses(layers, before):
    for layer in layers:
        before[layer] = 1 / (len(layers) * before[layer])
    return {layer: before[layer] for layer in layers}


@wrong("equal_shares", expects="wrong-type")
def a_list(layers, before):
    return [1 / (len(layers) * before[layer]) for layer in layers]


# sweep_settings


@right("sweep_settings")
def two_loops(sets, ratios, before, energy):
    settings = []
    for name in sets:
        weights = shares_in_a_loop(sets[name], before)
        for ratio in ratios:
            settings.append((name, dict(weights), energy * ratio))
    return settings


@right("sweep_settings")
def by_the_number_of_the_cell(sets, ratios, before, energy):
    names, n = list(sets), len(ratios)
    cells = [(names[k // n], ratios[k % n]) for k in range(len(names) * n)]
    return [(name, shares_in_a_loop(sets[name], before), r * energy) for name, r in cells]


@wrong("sweep_settings", expects="column-by-column")
def ratios_outside(sets, ratios, before, energy):
    return [
        (name, shares_in_a_loop(layers, before), ratio * energy)
        for ratio in ratios
        for name, layers in sets.items()
    ]


@wrong("sweep_settings", expects="diagonal-only")
def zip_for_product(sets, ratios, before, energy):
    return [
        (name, shares_in_a_loop(sets[name], before), ratio * energy)
        for name, ratio in zip(sets, ratios, strict=False)
    ]


@wrong("sweep_settings", expects="list-of-rows")
def nested(sets, ratios, before, energy):
    return [
        [(name, shares_in_a_loop(layers, before), ratio * energy) for ratio in ratios]
        for name, layers in sets.items()
    ]


@wrong("sweep_settings", expects="ratio-for-beta")
def ratio_as_it_is(sets, ratios, before, energy):
    return [
        (name, shares_in_a_loop(layers, before), ratio)
        for name, layers in sets.items()
        for ratio in ratios
    ]


@wrong("sweep_settings", expects="equal-weights")
def weights_of_one(sets, ratios, before, energy):
    return [
        (name, dict.fromkeys(layers, 1.0), ratio * energy)
        for name, layers in sets.items()
        for ratio in ratios
    ]


@wrong("sweep_settings", expects="equal-weights")
def weights_of_one_over_n(sets, ratios, before, energy):
    return [
        (name, one_over_n(layers, before), ratio * energy)
        for name, layers in sets.items()
        for ratio in ratios
    ]


@wrong("sweep_settings", expects="all-layers-weighted")
def the_same_layers(sets, ratios, before, energy):
    weights = whole_network(None, before)
    return [(name, weights, ratio * energy) for name in sets for ratio in ratios]


@wrong("sweep_settings", expects="last-row-only")
def starts_again(sets, ratios, before, energy):
    for name, layers in sets.items():
        settings = []
        for ratio in ratios:
            settings.append((name, shares_in_a_loop(layers, before), ratio * energy))
    return settings


@wrong("sweep_settings", expects="wrong-value")
def name_forgotten(sets, ratios, before, energy):
    return [
        (shares_in_a_loop(layers, before), ratio * energy)
        for layers in sets.values()
        for ratio in ratios
    ]


# run_all


@right("run_all")
def with_a_configuration(paint, settings, jobs):
    with parallel_config(n_jobs=jobs):
        return Parallel()(map(delayed(paint), settings))


@right("run_all")
def sorted_afterwards(paint, settings, jobs):
    def numbered(k, setting):
        return k, paint(setting)

    calls = (delayed(numbered)(k, setting) for k, setting in enumerate(settings))
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(calls)
    return [result for _, result in sorted(done, key=lambda pair: pair[0])]


@right("run_all")
class RunAll:
    def __call__(self, paint, settings, jobs):
        calls = [delayed(paint)(setting) for setting in settings]
        return list(Parallel(n_jobs=jobs, return_as="generator")(calls))


@wrong("run_all", expects="jobs-ignored")
def always_two(paint, settings, jobs):
    return Parallel(n_jobs=2)(delayed(paint)(setting) for setting in settings)


@wrong("run_all", expects="one-process")
def one_after_the_other(paint, settings, jobs):
    return [paint(setting) for setting in settings]


@wrong("run_all", expects="one-process")
def jobs_forgotten(paint, settings, jobs):
    return Parallel()(delayed(paint)(setting) for setting in settings)


@wrong("run_all", expects="one-process")
def threads(paint, settings, jobs):
    return Parallel(n_jobs=jobs, prefer="threads")(delayed(paint)(s) for s in settings)


@wrong("run_all", expects="out-of-order")
def as_they_come(paint, settings, jobs):
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")
    return list(done(delayed(paint)(s) for s in settings))


@wrong("run_all", expects="out-of-order")
def last_first(paint, settings, jobs):
    return Parallel(n_jobs=jobs)(delayed(paint)(s) for s in reversed(settings))


@wrong("run_all", expects="not-a-list")
def nobody_has_painted_yet(paint, settings, jobs):
    return (paint(setting) for setting in settings)


@wrong("run_all", expects="not-every-setting")
def one_for_each_job(paint, settings, jobs):
    return Parallel(n_jobs=jobs)(delayed(paint)(s) for s in settings[:jobs])


@wrong("run_all", expects="not-every-setting")
def names_only(paint, settings, jobs):
    return [cell.name for cell in Parallel(n_jobs=jobs)(delayed(paint)(s) for s in settings)]


@wrong("run_all", expects="not-every-setting")
def kept_by_name(paint, settings, jobs, known={}):  # noqa: B006
    new = [setting for setting in settings if setting[0] not in known]
    cells = Parallel(n_jobs=jobs)(delayed(paint)(setting) for setting in new)
    known.update({setting[0]: cell for setting, cell in zip(new, cells, strict=True)})
    return [known[setting[0]] for setting in settings]


@wrong("run_all", expects="nothing-to-unpack")
def painted_on_the_spot(paint, settings, jobs):
    return Parallel(n_jobs=jobs)(paint(setting) for setting in settings)


@wrong("run_all", expects="nothing-to-unpack")
def delays_the_result(paint, settings, jobs):
    return Parallel(n_jobs=jobs)(delayed(paint(setting)) for setting in settings)


@wrong("run_all", expects="wrong-call")
def delays_too_much(paint, settings, jobs):
    return Parallel(n_jobs=jobs)(delayed(paint, setting) for setting in settings)


@wrong("run_all", expects="wrong-call")
def spreads_the_setting(paint, settings, jobs):
    return Parallel(n_jobs=jobs)(delayed(paint)(*setting) for setting in settings)


# read_sheet

right("ex08.read_sheet")({"C": "high", "B": "low", "A": "all"})
right("ex08.read_sheet")({"a": "All", "b": "Low ", "c": "High"})
right("ex08.read_sheet")(["all", "low", "high"])

wrong("ex08.read_sheet", expects="two-exchanged")({"A": "all", "B": "high", "C": "low"})
wrong("ex08.read_sheet", expects="two-exchanged")({"A": "low", "B": "all", "C": "high"})
wrong("ex08.read_sheet", expects="two-exchanged")({"A": "high", "B": "low", "C": "all"})
wrong("ex08.read_sheet", expects="none-in-place")({"A": "low", "B": "high", "C": "all"})
wrong("ex08.read_sheet", expects="none-in-place")(("high", "all", "low"))
wrong("ex08.read_sheet", expects="not-the-three-names")({"A": "all", "B": "all", "C": "high"})
wrong("ex08.read_sheet", expects="not-the-three-names")({"A": "?", "B": "?", "C": "?"})
wrong("ex08.read_sheet", expects="not-the-three-names")("all, low, high")
