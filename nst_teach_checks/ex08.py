"""Checks of exercise 8: layers compared at equal strength, a sweep, and interpreting it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from nst_teach_checks._core import Answer, Mistake, task
from nst_teach_checks._inputs import Inputs

__all__ = [
    "equal_shares",
    "mystery_sheet",
    "read_sheet",
    "run_all",
    "style_strength",
    "sweep_settings",
]

CHAPTER = "08_which_layers"

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

Weights = dict[str, float]
Setting = tuple[str, Weights, float]


def _before(inputs: Inputs) -> Weights:
    """The style loss of each layer at the photograph: sizes that differ by powers of ten."""
    powers = 4 * torch.rand(len(LAYERS), generator=inputs.generator) - 2
    return dict(zip(LAYERS, (10**powers).tolist(), strict=True))


def _number(inputs: Inputs, low: float = 0.5, high: float = 4.0) -> float:
    return low + (high - low) * torch.rand(1, generator=inputs.generator).item()


# 1 The strength of the style


def _term(before: Weights, weights: Weights) -> float:
    return sum(weight * before[layer] for layer, weight in weights.items())


def _strength(before: Weights, weights: Weights, beta: float, energy: float) -> float:
    return beta * _term(before, weights) / energy


def _by_place(before: Weights, weights: Weights, beta: float, energy: float) -> float:
    pairs = zip(weights.values(), before.values(), strict=False)
    return beta * sum(weight * loss for weight, loss in pairs) / energy


WHOSE_WEIGHT = (
    "Double one of the layer weights. By how much does the style term change, and by how much does "
    "your result?"
)

STRENGTH = (
    Mistake(
        "energy-forgotten", lambda before, weights, beta, energy: beta * _term(before, weights),
        "Your result has a unit: for a photograph with more pixels it would mean something else. "
        "In which unit does the recap measure the content loss?",
    ),
    Mistake(
        "energy-multiplied",
        lambda before, weights, beta, energy: beta * _term(before, weights) * energy,
        "Your result has the unit of a loss squared. How do you express a loss in units of the "
        "energy?",
    ),
    Mistake(
        "beta-forgotten",
        lambda before, weights, beta, energy: _term(before, weights) / energy,
        "Double β. By how much does the style term change, and by how much does your result?",
    ),
    Mistake(
        "weights-forgotten",
        lambda before, weights, beta, energy: beta * sum(before.values()) / energy, WHOSE_WEIGHT,
    ),
    Mistake(
        "weights-forgotten",
        lambda before, weights, beta, energy: beta * sum(before[k] for k in weights) / energy,
        WHOSE_WEIGHT,
    ),
    Mistake(
        "mean-for-sum",
        lambda before, *rest: _strength(before, *rest) / len(rest[0]),
        "The total loss adds up the layers. Does your function?",
    ),
    Mistake(
        "mean-for-sum",
        lambda before, *rest: _strength(before, *rest) / len(before),
        "The total loss adds up the layers. Does your function?",
    ),
    Mistake(
        "upside-down", lambda *case: 1 / _strength(*case),
        "Double β: the style becomes stronger. Does your result grow?",
    ),
    Mistake(
        "paired-by-place", _by_place,
        "The first layer with a weight need not be the first layer of all. How do you find the "
        "loss that belongs to a weight?",
    ),
)  # fmt: skip


@task("The strength of the style", points=1, reread=(CHAPTER, "Equal size at the start"))
def style_strength(answer: Answer) -> None:
    """`style_strength(before, weights, beta, energy)`: the style term in units of the energy."""
    sets = (LAYERS[3:], LAYERS[1:4], LAYERS, (*LAYERS[2:], *LAYERS[:2]))
    cases = [_choice(answer.inputs, chosen) for chosen in sets]
    answer.compare(
        _strength, cases, mistakes=STRENGTH,
        otherwise="Write down the style term of the total loss for two layers, with numbers.",
    )  # fmt: skip


def _choice(inputs: Inputs, chosen: Sequence[str]) -> tuple[Weights, Weights, float, float]:
    weights = {layer: _number(inputs) for layer in chosen}
    return _before(inputs), weights, _number(inputs, 10, 99), _number(inputs, 200, 900)


# 2 Equal shares


def _shares(layers: Iterable[str], before: Weights) -> Weights:
    layers = tuple(layers)
    return {layer: 1 / (len(layers) * before[layer]) for layer in layers}


def _each(weight: Callable[[str, Sequence[str], Weights], float]) -> Callable[..., Weights]:
    """Weights by a rule of their own for each layer of the set."""
    return lambda layers, before: {layer: weight(layer, layers, before) for layer in layers}


def _inverse_to_one(layers: Sequence[str], before: Weights) -> Weights:
    total = sum(1 / before[layer] for layer in layers)
    return {layer: 1 / before[layer] / total for layer in layers}


EQUAL_WEIGHTS = (
    "One of the layers still dominates the others. Compute weight · loss for each layer of a set. "
    "What should these numbers be?"
)

SHARES = (
    Mistake("equal-weights", _each(lambda layer, layers, before: 1 / len(layers)), EQUAL_WEIGHTS),
    Mistake("equal-weights", _each(lambda layer, layers, before: 1.0), EQUAL_WEIGHTS),
    Mistake(
        "loudest-decides",
        _each(lambda layer, layers, before: 1 / sum(before[k] for k in layers)),
        "The style term is 1, as it should be, but not in equal shares. " + EQUAL_WEIGHTS,
    ),
    Mistake(
        "too-strong", _each(lambda layer, layers, before: 1 / before[layer]),
        "Every layer contributes the same amount. What is the sum for a set of two layers, and "
        "for one of five?",
    ),
    Mistake(
        "weights-sum-to-one", _inverse_to_one,
        "Your weights add up to 1. It is the products weight · loss that should.",
    ),
    Mistake(
        "upside-down",
        _each(lambda layer, layers, before: before[layer] / sum(before[k] for k in layers)),
        "The layer with the largest loss gets the largest weight. Should it?",
    ),
    Mistake(
        "upside-down", _each(lambda layer, layers, before: before[layer] / len(layers)),
        "The layer with the largest loss gets the largest weight. Should it?",
    ),
    Mistake(
        "counted-all-layers",
        _each(lambda layer, layers, before: 1 / (len(before) * before[layer])),
        "With all layers you are right, with two of them the style term is too small. How many "
        "layers share it?",
    ),
    Mistake(
        "all-layers-weighted", lambda layers, before: _shares(before, before),
        "You return weights for layers that are not in the set. Which layers should have one?",
    ),
)  # fmt: skip


@task("Equal shares", points=2, reread=(CHAPTER, "Equal size at the start"))
def equal_shares(answer: Answer) -> None:
    """`equal_shares(layers, before)`: the weight of each layer of a set."""
    sets = (LAYERS[:2], LAYERS[-2:], LAYERS, LAYERS[3:0:-1])
    cases = [(layers, _before(answer.inputs)) for layers in sets]
    answer.compare(
        _shares, cases, mistakes=SHARES, atol=0.0,
        otherwise="Take two layers with losses of 10 and 0.1. Which two weights make each of them "
        "contribute half of a style term of 1?",
    )  # fmt: skip


# 3 A sweep as a list

Sets = Mapping[str, Sequence[str]]


def _settings(
    sets: Sets, ratios: Sequence[float], before: Weights, energy: float,
    *, weigh: Callable[..., Weights] = _shares,
) -> list[Setting]:  # fmt: skip
    return [
        (name, weigh(layers, before), ratio * energy)
        for name, layers in sets.items()
        for ratio in ratios
    ]


def _column_by_column(sets: Sets, ratios: Sequence[float], *rest: Any) -> list[Setting]:
    return [setting for ratio in ratios for setting in _settings(sets, [ratio], *rest)]


def _diagonal(sets: Sets, ratios: Sequence[float], *rest: Any) -> list[Setting]:
    pairs = zip(sets.items(), ratios, strict=False)
    return [_settings(dict([item]), [ratio], *rest)[0] for item, ratio in pairs]


def _rows(sets: Sets, *rest: Any) -> list[list[Setting]]:
    return [_settings({name: layers}, *rest) for name, layers in sets.items()]


SETTINGS = (
    Mistake(
        "column-by-column", _column_by_column,
        "All cells are there, but in another order. A contact sheet is filled row by row: which "
        "of the two loops is the outer one?",
    ),
    Mistake(
        "diagonal-only", _diagonal,
        "How many cells does a table with three rows and two columns have? You return fewer.",
    ),
    Mistake(
        "list-of-rows", _rows,
        "You return a list of rows. The task asks for one long list.",
    ),
    Mistake(
        "ratio-for-beta",
        lambda sets, ratios, before, energy: _settings(sets, ratios, before, 1.0),
        "A ratio has no unit, but β does. In which unit is the content loss measured?",
    ),
    Mistake(
        "equal-weights",
        lambda *case: _settings(*case, weigh=lambda layers, _: dict.fromkeys(layers, 1.0)),
        EQUAL_WEIGHTS,
    ),
    Mistake(
        "equal-weights",
        lambda *case: _settings(
            *case, weigh=lambda layers, _: dict.fromkeys(layers, 1 / len(layers))
        ),
        EQUAL_WEIGHTS,
    ),
    Mistake(
        "all-layers-weighted",
        lambda *case: _settings(*case, weigh=lambda layers, before: _shares(before, before)),
        "All your rows use the same layers. What should differ from row to row?",
    ),
    Mistake(
        "last-row-only",
        lambda sets, *rest: _rows(sets, *rest)[-1],
        "Your list contains the last set only. Where do you create the list, inside the loop or "
        "before it?",
    ),
)  # fmt: skip


@task("A sweep as a list", points=2, reread=(CHAPTER, "One cell of a table"))
def sweep_settings(answer: Answer) -> None:
    """`sweep_settings(sets, ratios, before, energy)`: `(name, weights, beta)` for each cell."""
    sets = {"low": LAYERS[:2], "high": LAYERS[:2:-1], "all": LAYERS}
    cases = []
    for columns in (2, 3):
        ratios = [_number(answer.inputs) for _ in range(columns)]
        cases.append((sets, ratios, _before(answer.inputs), _number(answer.inputs, 200, 900)))
    answer.compare(
        _settings, cases, mistakes=SETTINGS, atol=0.0,
        otherwise="Write down by hand the first three settings of a table with two columns.",
    )  # fmt: skip


# 4 Several processes

JOBS, CELLS = 2, 6
"""Processes, and cells of the table that they share."""

SLOWEST = 0.4
"""Seconds that the first cell takes; the others take none, and are done before it."""


def _painter(slow: float, times: float = 1.0) -> Callable[[Setting], SimpleNamespace]:
    """A stand-in for a transfer: it says what it was given, and which process it is.

    `slow` is the β of the cell that takes longest; `times` tells two painters apart.
    """

    def paint(setting: Setting) -> SimpleNamespace:
        name, _, beta = setting
        time.sleep(SLOWEST if beta == slow else 0)
        return SimpleNamespace(name=name, beta=times * beta, process=os.getpid())

    return paint  # made here, it travels by value: no process has to import this package


@task("Several processes", points=2,
      reread=(CHAPTER, "The table, on as many cores as you like"))  # fmt: skip
def run_all(answer: Answer) -> None:
    """`run_all(paint, settings, jobs)`: `paint(setting)` for each, on several processes."""
    settings, others = _sheet(answer.inputs, CELLS), _sheet(answer.inputs, CELLS - 1)
    _wake(JOBS)
    painted = answer(_painter(settings[0][2]), settings, JOBS)
    if not isinstance(painted, (list, tuple)):
        answer.reject(
            "not-a-list", f"your function returned a value of type {type(painted).__name__}",
            "Return a list with all the results.",
        )  # fmt: skip
    _must_be_in_order(answer, painted, [(name, beta) for name, _, beta in settings])
    if {cell.process for cell in painted} == {os.getpid()}:
        answer.reject(
            "one-process", f"all {CELLS} settings were computed by the notebook's own process",
            f"The other cores were idle. Where does your code ask for {JOBS} jobs, and are they "
            "processes or threads?",
        )  # fmt: skip
    alone = answer(_painter(others[0][2], times=2.0), others, 1)
    _must_be_in_order(answer, alone, [(name, 2.0 * beta) for name, _, beta in others])
    if (used := len({cell.process for cell in alone})) > 1:
        answer.reject(
            "jobs-ignored", f"asked for one job, your function used {used} processes",
            "The number of processes is the caller's to choose. Where does `jobs` enter your code?",
        )  # fmt: skip


def _sheet(inputs: Inputs, cells: int) -> list[Setting]:
    return [(f"row {k}", {}, _number(inputs)) for k in range(cells)]


def _wake(jobs: int) -> None:
    """Start the processes: that takes a second or two, and should not count against the answer."""
    from joblib import Parallel, delayed

    Parallel(n_jobs=jobs)(delayed(abs)(number) for number in range(jobs))


def _must_be_in_order(answer: Answer, painted: Sequence[Any], wanted: list[Any]) -> None:
    found = [(getattr(cell, "name", None), getattr(cell, "beta", None)) for cell in painted]
    if found == wanted:
        return
    if sorted(found, key=repr) == sorted(wanted, key=repr):
        answer.reject(
            "out-of-order", f"the names come back as {', '.join(str(name) for name, _ in found)}",
            "All results are there, but their labels would no longer fit. The order must be that "
            "of the settings, no matter which of them is finished first.",
        )  # fmt: skip
    answer.reject(
        "not-every-setting", f"{len(found)} results came back for {len(wanted)} settings, or they "
                             "are not what paint returned",
        "Return one result for each setting: exactly what paint returned for it.",
    )  # fmt: skip


# 5 Reading the sheet

SIDE, STYLE_SIDE, STEPS = 128, 256, 18
"""Pixels of the photograph and of the painting, and steps: enough to see a difference."""

RATIOS = (1.0, 10.0)
ROWS = {"A": "all", "B": "low", "C": "high"}
"""The puzzle: which row of the sheet was painted with which layers."""


@cache
def mystery_sheet() -> tuple[tuple[Tensor, ...], ...]:
    """Three rows of pictures, painted with three sets of layers at two ratios; which is which?"""
    from nst_teach import StyleObjective, content_loss, load_image, load_network, transfer

    network = load_network()
    photo, style = load_image("coffee", size=SIDE), load_image("night_swirls", size=STYLE_SIDE)
    judge = StyleObjective(
        photo, style, network,
        content_layers=network.content_layers, style_layers=network.style_layers,
    )  # fmt: skip
    energy = sum(content_loss(t, 0 * t).item() for t in judge.content_targets.values())
    before = {layer: loss.item() for layer, loss in judge(photo).style.items()}
    names = network.style_layers
    sets = {"low": names[:2], "high": names[-2:], "all": names}
    return tuple(
        tuple(
            transfer(
                photo, style, network=network, size=None, style_size=STYLE_SIDE,
                style_layers=_shares(sets[row], before), beta=ratio * energy, steps=STEPS,
                optimizer="scipy", progress=False,
            ).image
            for ratio in RATIOS
        )
        for row in ROWS.values()
    )  # fmt: skip


TWO_QUESTIONS = (
    "Ask two questions of each row as the ratio grows: does the saucer lose its red, and do the "
    "surfaces break up into strokes? Which layers change colours, and which change shapes?"
)


@task("Reading the sheet", points=2, reread=(CHAPTER, "What each set has bought"))
def read_sheet(answer: Answer) -> None:
    """`read_sheet(rows)`: `{"A": …, "B": …, "C": …}`, each "low", "high" or "all"."""
    said = _as_rows(answer.value)
    if sorted(said.values()) != sorted(ROWS.values()) or said.keys() != ROWS.keys():
        answer.reject(
            "not-the-three-names", f"you handed in {answer.value!r:.60}",
            "Give each of the rows A, B and C one of the names low, high and all, each name once.",
        )  # fmt: skip
    wrong = [row for row in ROWS if said[row] != ROWS[row]]
    if len(wrong) == 2:
        answer.reject("two-exchanged", "one row is right, and the other two are exchanged",
                      TWO_QUESTIONS)  # fmt: skip
    if wrong:
        answer.reject("none-in-place", "no row is right", TWO_QUESTIONS)


def _as_rows(value: Any) -> dict[str, str]:
    """Names by row, however they are written: a dictionary or a list, in small or large letters."""
    if isinstance(value, Mapping):
        return {str(row).strip().upper(): _plain(name) for row, name in value.items()}
    names = value if isinstance(value, (list, tuple)) else ()
    return dict(zip(ROWS, map(_plain, names), strict=False))


def _plain(name: Any) -> str:
    return str(name).strip().lower()
