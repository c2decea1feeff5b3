"""The whole method in one call: `transfer`."""

from __future__ import annotations

import os
from typing import Any, TypedDict

import torch

from nst_teach import arguments
from nst_teach.calibration import Work
from nst_teach.checkpoints import Checkpoint
from nst_teach.estimates import announcement, check_memory
from nst_teach.images import ImageSource, Size, load_image
from nst_teach.memory import memory_advice
from nst_teach.networks import FeatureNetwork, load_network, on_device
from nst_teach.objective import Layers, StyleObjective, given_layers
from nst_teach.optimizers import check_optimizer
from nst_teach.progress import announced
from nst_teach.regions import RegionalObjective, Style
from nst_teach.results import Result
from nst_teach.run import DEFAULT_SIZE, DEFAULT_STEPS, Callback, optimize
from nst_teach.starts import STARTS


class Weights(TypedDict):
    """The arguments common to both kinds of objective, under their names in `transfer`."""

    content_layers: Layers | None
    style_layers: Layers | None
    alpha: float
    beta: float | None
    total_variation: float | None
    precision: str
    memory: str


def transfer(
    content: ImageSource,
    style: ImageSource | list[Style] | tuple[Style, ...],
    *,
    network: FeatureNetwork | str | None = None,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    alpha: float = 1.0,
    beta: float | None = None,
    total_variation: float | None = 0.0,
    start: str | ImageSource | Result = "content",
    optimizer: str = "lbfgs",
    learning_rate: float | None = None,
    steps: int = DEFAULT_STEPS,
    size: Size | None = DEFAULT_SIZE,
    style_size: Size | None = None,
    seed: int = 0,
    callback: Callback | None = None,
    progress: bool = True,
    device: torch.device | str | None = None,
    precision: str = "float32",
    memory: str = "normal",
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
) -> Result:
    """Repaint a photograph in the style of another picture.

    Args:
        content, style: anything that `load_image` accepts. Several styles, each with its weight
            and its region, are given as a list of `Style`.
        network: a `FeatureNetwork`, a name for `load_network`, or `None` for the default.
        content_layers, style_layers: names, or `{name: weight}`; `None` means the network's
            defaults.
        alpha, beta, total_variation: weights, see `StyleObjective`; `beta=None` chooses a balance
            that looks the same at every size, `total_variation=None` a weak smoothing, which
            lowers fine grain.
        start: the initial image: `"content"`, `"noise"` (white noise, from `seed`), `"grey"`,
            `"style"`, any other image, or an earlier `Result` to continue. At the same size its
            history is continued too, and under the same objective and optimiser so is the
            optimiser's memory (see `optimize`).
        optimizer: `"lbfgs"` (strong Wolfe line search, kept inside [0, 1]), `"scipy"` (L-BFGS-B)
            or `"adam"`; for comparison, `"lbfgs-unbounded"` (without bounds) and `"lbfgs-plain"`
            (without bounds and line search).
        learning_rate: `None` means the optimiser's default.
        steps: optimiser steps. Every optimiser evaluates the initial image and the result of each
            step, at least `steps` + 1 evaluations; a line search takes more.
        size: longer side of the result in pixels, `(H, W)`, or `None` for the content's own size.
        style_size: the same for the style; `None` means the longer side of the result.
        callback: called after each evaluation with `(record, image)`; return False to stop.
        progress: show a progress bar if the run takes longer than two seconds, and before a run of
            more than ten what it will cost, see `estimate` (the environment variable
            `NST_TEACH_PROGRESS=0` turns all of them off).
        device: `None` means the device of the network. For any other device, a copy of the network
            is used.
        precision: `"float32"`, `"bfloat16"` or `"auto"`, the faster of the two on this device, see
            `StyleObjective`. With bfloat16 the losses in `history` are accurate to a fraction of a
            percent; the `loss` of the result is computed in float32. On six pairs at 160 pixels,
            with `petite`, it was up to 3 % higher after 150 steps than in float32, and up to 14 %
            after 30 (benchmarks/precision.py).
        memory: `"normal"`, or `"low"` for large images: about half the memory for features, in 1.4
            times the time up to 1024 pixels and two to three times above, see `StyleObjective`.
            What the optimiser keeps stays the same.
        checkpoint: a file into which the run is written every minute, or a `Checkpoint` with
            another interval. A run that was killed continues from it when it is called again with
            the same arguments, and one that has finished when `steps` is higher. With the same
            number of threads it ends with the same bits as without an interruption; only
            `optimizer="scipy"` keeps its memory to itself, and continues from the image alone. See
            `nst_teach.checkpoints`, also for a run that was lost for good: `load_checkpoint`.

    Returns:
        A `Result`: the image after the last step, and its `loss`. Ctrl-C, a callback that returns
        False, a loss that is not finite, a lack of memory or a graphics card that fails end the
        run early; the result then holds the best image so far, and `stopped` records the reason.

    Raises:
        ImageError, NetworkError, ValueError: unusable input.
        CheckpointError: the file is no checkpoint, is damaged or is one of another run; or it
            cannot be written at the beginning. Later on, that is only a warning.
        TransferError: too little memory for a single evaluation.

    Gatys et al. (2016); chapters 1 to 7.
    """
    check_optimizer(optimizer)
    steps, seed = arguments.whole("steps", steps), arguments.seed(seed)
    arguments.callable_or_none("callback", callback)
    content_layers, style_layers = given_layers(content_layers, style_layers)
    network = _network(network, device)
    device = next(network.parameters()).device
    content = load_image(content, size=size, device=device)
    style_size = max(content.shape[-2:]) if style_size is None else style_size
    work = Work.asked(network, content_layers, style_layers, precision, memory, style)
    rows, columns = content.shape[-2:]
    with memory_advice(content):
        check_memory(work, (rows, columns), optimizer=optimizer, steps=steps)
    with memory_advice(content):
        weights: Weights = {
            "content_layers": content_layers,
            "style_layers": style_layers,
            "alpha": alpha,
            "beta": beta,
            "total_variation": total_variation,
            "precision": precision,
            "memory": memory,
        }
        if isinstance(style, (list, tuple)):
            objective: StyleObjective = RegionalObjective(
                content, style, network, style_size=style_size, **weights
            )
        else:
            picture = load_image(style, size=style_size, device=device)
            objective = StyleObjective(content, picture, network, **weights)
    with announced(lambda: _price(objective, optimizer, steps), progress):
        return optimize(
            objective,
            start,
            optimizer=optimizer,
            learning_rate=learning_rate,
            steps=steps,
            seed=seed,
            callback=callback,
            progress=progress,
            settings=describe(objective) | _origin(start, seed),
            checkpoint=checkpoint,
        )


def _price(objective: StyleObjective, optimizer: str, steps: int) -> str | None:
    """What a long run will cost, as a sentence."""
    price = announcement(objective, optimizer=optimizer, steps=steps)
    return None if price is None else f"The run will take {price.sentence()}."


def describe(objective: StyleObjective) -> dict[str, Any]:
    """The network, layers and weights of an objective, under their names in `transfer`."""
    shares: dict[str, Any] = {}
    if isinstance(objective, RegionalObjective):
        shares["styles"] = {name: style.weight for name, style in objective.styles.items()}
    return shares | {
        "network": objective.network.name,
        "content_layers": objective.content_layers,
        "style_layers": objective.style_layers,
        "alpha": objective.alpha,
        "beta": objective.beta,
        "total_variation": objective.total_variation,
        "precision": objective.precision,
    }


def _origin(start: str | ImageSource | Result, seed: int) -> dict[str, Any]:
    """The initial image and the seed, of the first run if this one continues others."""
    if isinstance(start, Result):
        return {key: start.settings.get(key) for key in ("start", "seed")}
    named = isinstance(start, str) and start in STARTS
    return {"start": start if named else "picture", "seed": seed}


def _network(
    network: FeatureNetwork | str | None, device: torch.device | str | None
) -> FeatureNetwork:
    if network is None or isinstance(network, str):
        return load_network(network, device=device)
    return on_device(network, device)
