"""The studio: watch a transfer while it runs, and steer it.

From the inside out: `words` (labels and ranges), `settings`, `engine` (the run, without widgets),
`frames`, `curves`, `code`, `embed` (the studio as a piece of a page), `pictures`, `controls` and
`view` (the widgets). Chapter 7 shows it at work.

The package is not called after its function: `nst_teach.studio` is what a reader calls.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from nst_teach.images import ImageSource, Size
from nst_teach.interactive.settings import Settings, picture, start_of
from nst_teach.interactive.words import check_controls, control, control_names
from nst_teach.networks import FeatureNetwork, load_network
from nst_teach.objective import Layers, layer_weights
from nst_teach.source import pip_install

if TYPE_CHECKING:
    from nst_teach.interactive.view import Studio

STEPS = control("steps")["default"]
SIZE = control("size")["default"]  # small enough to be watched: several steps a second anywhere


def studio(
    content: ImageSource = "chelsea",
    style: ImageSource = "stained_glass",
    *,
    controls: str | Iterable[str] | None = None,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    alpha: float = 1.0,
    beta: float | None = None,
    total_variation: float = 0.0,
    start: str | ImageSource = "content",
    optimizer: str = "adam",
    learning_rate: float | None = None,
    steps: int = STEPS,
    size: Size = SIZE,
    style_size: Size | None = None,
    seed: int = 0,
    network: FeatureNetwork | str | None = None,
    device: torch.device | str | None = None,
) -> Studio:
    """A transfer that you watch and steer in a notebook; a second studio stops the first.

    Args:
        content, style: anything that `load_image` takes.
        controls: the controls to show, out of those that `nst_teach.interactive.control_names()`
            lists; `None` shows all of them, and the tools to compare, save and copy.
        content_layers, style_layers, alpha, beta, total_variation, start, optimizer, learning_rate,
            steps, size, style_size, seed: as for `transfer`, but smaller and quicker: Adam at a
            learning rate of 0.05. `alpha=0` asks for a texture.
        network, device: as for `transfer`. A network of yours stays where it is; on another device
            a copy of it is used.

    Returns:
        A `Studio`. As the last line of a cell it shows its widgets; `studio(…).run(40)` takes 40
        steps first. In a page without a kernel the cell shows the picture that it has reached, from
        which the page's lab starts.

    Raises:
        ImportError: ipywidgets is missing.
        ImageError, NetworkError, ValueError: input that cannot be used.

    Chapter 7.
    """
    try:
        from nst_teach.interactive.view import Studio
    except ImportError as error:
        raise ImportError(
            "the studio needs ipywidgets, which is not installed here. Run: "
            + pip_install(extra="book")
        ) from error
    network = _network(network, device)
    settings = Settings(
        content=picture(content, "content"),
        style=picture(style, "style"),
        content_layers=_layers(content_layers, network.content_layers, share=False),
        style_layers=_layers(style_layers, network.style_weights, share=True),
        alpha=alpha,
        beta=beta,
        total_variation=total_variation,
        start=start_of(start),
        optimizer=optimizer,
        learning_rate=learning_rate,
        steps=steps,
        size=size,
        style_size=style_size,
        seed=seed,
    )
    shown = None if controls is None else _names(controls)
    return Studio(settings, network, shown)


def _network(
    given: FeatureNetwork | str | None, device: torch.device | str | None
) -> FeatureNetwork:
    if not isinstance(given, FeatureNetwork):
        return load_network(given, device=device)
    here = next(given.parameters()).device
    return given if device in (None, here, str(here)) else copy.deepcopy(given).to(device)


def _layers(given: Layers | None, usual: Layers, *, share: bool) -> dict[str, float]:
    return layer_weights(usual if given is None else given, share=share)


def _names(controls: str | Iterable[str]) -> tuple[str, ...]:
    names = (controls,) if isinstance(controls, str) else tuple(controls)
    return check_controls(names)


__all__ = ["control_names", "studio"]
