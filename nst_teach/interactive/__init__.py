"""The studio: watch a transfer while it runs, and steer it.

Modules, in order of their dependencies: `words` (labels and ranges), `settings`, `engine` (the run,
without widgets), `frames`, `curves`, `code`, `embed` (the studio in a static page), `pictures`,
`controls`, `release` and `view` (the widgets). Chapter 7 shows the studio at work.

The package is not named `studio`, because `nst_teach.studio` is the public function.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from nst_teach.images import ImageSource, Size
from nst_teach.interactive.settings import Settings, picture, start_of
from nst_teach.interactive.words import check_controls, control, control_names
from nst_teach.networks import FeatureNetwork, load_network, on_device
from nst_teach.objective import Layers, layer_weights
from nst_teach.source import pip_install

if TYPE_CHECKING:
    from nst_teach.interactive.view import Studio

STEPS = control("steps")["default"]
SIZE = control("size")["default"]  # small enough for several steps per second on any machine


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
    """Watch and steer a transfer in a notebook; starting a second studio stops the first.

    Args:
        content, style: anything that `load_image` accepts.
        controls: the controls to show, from `nst_teach.interactive.control_names()`; `None` shows
            all of them, and the tools to compare, save and copy.
        content_layers, style_layers, alpha, beta, total_variation, start, optimizer, learning_rate,
            steps, size, style_size, seed: as for `transfer`, but with defaults for a fast run: a
            small size, and Adam at a learning rate of 0.05. `alpha=0` grows a texture.
        network, device: as for `transfer`. For any other device, a copy of the network is used.

    Returns:
        A `Studio`. As the last expression of a cell it shows its widgets; `studio(…).run(40)` takes
        40 steps first. In a page without a kernel the cell shows its last image, as the starting
        point of the page's lab.

    Raises:
        ImportError: ipywidgets is not installed.
        ImageError, NetworkError, ValueError: unusable input.

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
    return on_device(given, device)


def _layers(given: Layers | None, default: Layers, *, share: bool) -> dict[str, float]:
    return layer_weights(default if given is None else given, share=share)


def _names(controls: str | Iterable[str]) -> tuple[str, ...]:
    names = (controls,) if isinstance(controls, str) else tuple(controls)
    return check_controls(names)


__all__ = ["control_names", "studio"]
