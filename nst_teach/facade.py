"""The whole course in one call: from two pictures to a third."""

from __future__ import annotations

import copy
from typing import Any, TypedDict

import torch

from nst_teach.images import ImageSource, Size, load_image
from nst_teach.memory import check_memory, memory_advice
from nst_teach.networks import FeatureNetwork, NetworkError, load_network
from nst_teach.objective import Layers, StyleObjective
from nst_teach.regions import RegionalObjective, Style
from nst_teach.results import Result
from nst_teach.run import DEFAULT_STEPS, Callback, optimize
from nst_teach.starts import STARTS

DEFAULT_SIZE = 256  # longer side in pixels: 100 L-BFGS steps take some 10 s on two CPU cores


class Weights(TypedDict):
    """What both kinds of objective take, under the names of `transfer`."""

    content_layers: Layers | None
    style_layers: Layers | None
    alpha: float
    beta: float | None
    total_variation: float


def transfer(
    content: ImageSource,
    style: ImageSource | list[Style] | tuple[Style, ...],
    *,
    network: FeatureNetwork | str | None = None,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    alpha: float = 1.0,
    beta: float | None = None,
    total_variation: float = 0.0,
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
) -> Result:
    """Repaint a photograph in the manner of another picture.

    Args:
        content, style: anything that `load_image` takes. Several styles, each with its share and
            its region, are given as a list of `Style`.
        network: a `FeatureNetwork`, a name for `load_network`, or `None` for the default.
        content_layers, style_layers: names, or `{name: weight}`; `None` takes the network's own.
        alpha, beta, total_variation: weights, see `StyleObjective`; `beta=None` is a balance that
            looks the same at every size.
        start: `"content"`, `"noise"` (white, by `seed`), `"grey"`, `"style"`, a picture, or an
            earlier `Result` to go on from. At the same size its history goes on too, and under the
            same objective and optimiser so does the optimiser's memory (see `optimize`).
        optimizer: `"lbfgs"` (strong Wolfe, held in [0, 1]), `"scipy"` (L-BFGS-B) or `"adam"`; or,
            to see what bounds and line search are good for, `"lbfgs-unbounded"` or `"lbfgs-plain"`.
        learning_rate: `None` takes the optimiser's own.
        steps: optimiser steps. Every optimiser evaluates its start and what each step reaches: at
            least `steps` + 1 evaluations; those with a line search take some more.
        size: longer side of the result in pixels, `(H, W)`, or `None` for the content's own size.
        style_size: the same for the style; `None` gives it the result's longer side.
        callback: called after each evaluation with `(record, image)`; return False to stop.
        progress: show a bar once the work takes longer than two seconds (the environment variable
            `NST_TEACH_PROGRESS=0` turns all bars off).
        device: `None` stays with the network's. A network that lies elsewhere is copied there, and
            stays where it is.

    Returns:
        A `Result`: the picture that the last step reached, and `loss`, what the objective says of
        it. Ctrl-C, a callback's False, a loss that is not finite, and a lack of memory end the run
        early; the result then holds the best picture so far, and `stopped` says why.

    Raises:
        ImageError, NetworkError, ValueError: input that cannot be used.
        TransferError: memory did not suffice for a single evaluation.

    Gatys et al. (2016); the whole of chapters 1 to 7.
    """
    network = _network(network, device)
    device = next(network.parameters()).device
    content = load_image(content, size=size, device=device)
    style_size = max(content.shape[-2:]) if style_size is None else style_size
    if steps:
        read = [*_names(content_layers, network.content_layers)]
        read += _names(style_layers, network.style_layers)
        check_memory(content, network, read)
    with memory_advice(content):
        weights: Weights = {
            "content_layers": content_layers,
            "style_layers": style_layers,
            "alpha": alpha,
            "beta": beta,
            "total_variation": total_variation,
        }
        if isinstance(style, (list, tuple)):
            objective: StyleObjective = RegionalObjective(
                content, style, network, style_size=style_size, **weights
            )
        else:
            picture = load_image(style, size=style_size, device=device)
            objective = StyleObjective(content, picture, network, **weights)
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
    )


def describe(objective: StyleObjective) -> dict[str, Any]:
    """The names and weights of an objective, under the names that `transfer` gives them."""
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
    }


def _names(layers: Layers | None, usual: Layers) -> list[str]:
    layers = usual if layers is None else layers
    return [layers] if isinstance(layers, str) else list(layers)


def _origin(start: str | ImageSource | Result, seed: int) -> dict[str, Any]:
    """Where the picture came from, through all the runs that it went on from."""
    if isinstance(start, Result):
        return {key: start.settings.get(key) for key in ("start", "seed")}
    named = isinstance(start, str) and start in STARTS
    return {"start": start if named else "picture", "seed": seed}


def _network(
    network: FeatureNetwork | str | None, device: torch.device | str | None
) -> FeatureNetwork:
    if network is None or isinstance(network, str):
        return load_network(network, device=device)
    if not isinstance(network, FeatureNetwork):
        raise NetworkError(
            f"network={type(network).__name__} was given; expected a FeatureNetwork, a name such "
            "as 'petite', or None for the default."
        )
    if device is None or next(network.parameters()).device == torch.device(device):
        return network
    return copy.deepcopy(network).to(device)
