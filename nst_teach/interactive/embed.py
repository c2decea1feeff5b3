"""The studio in a static page: a finished image, and the settings for the page's lab."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape

from torch import Tensor

from nst_teach.images import to_pil
from nst_teach.interactive.settings import Picture, Settings, option_label
from nst_teach.interactive.words import message
from nst_teach.networks import DEFAULT_NETWORK, FeatureNetwork

SHARP = 95  # JPEG quality for images shown at full size
POSTER_BYTES = 15_000  # so that a page with three posters remains small
QUALITIES = (88, 80, 70, 60, 50, 40, 30)  # JPEG qualities to try, from best to the worst acceptable


def figure(
    settings: Settings,
    image: Tensor,
    *,
    steps: int,
    beta: float,
    network: FeatureNetwork,
    controls: Iterable[str],
    curve: str = "",
) -> str:
    """The `<figure>` that represents a studio in a page without a kernel.

    Args:
        settings: the settings of the run.
        image: the last image of the run, `(1, 3, H, W)`.
        steps: the number of steps taken.
        beta: the weight of the style.
        network: the network of the run.
        controls: the controls that the lab shows.
        curve: the curves of the run, from `curves.as_json`; shown until the lab is started.

    The page's lab is attached to figures of class `nst-lab`. It has only the samples and the
    bundled network; a run with any other picture or network becomes a still image.
    """
    live = is_supported(settings, network)
    data = attributes(settings, beta, controls) if live else {}
    if live and curve:
        data["curve"] = curve
    described = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())
    hint = f' <span class="nst-lab-hint">{escape(message("poster_hint"))}</span>' if live else ""
    return (
        f'<figure class="{"nst-lab" if live else "nst-lab-still"}" {described}>\n'
        f'<img class="nst-lab-poster" src="{poster(image)}" alt="{escape(alt_text(settings))}">\n'
        f"<figcaption>{escape(caption(settings, steps, network))}{hint}</figcaption>\n"
        "</figure>"
    )


def is_supported(settings: Settings, network: FeatureNetwork) -> bool:
    """Whether the page's lab supports the pictures, the network and the settings of the run."""
    samples = settings.content.is_sample and settings.style.is_sample
    plain = isinstance(settings.start, str) and isinstance(settings.size, int)
    usual = (
        not settings.total_variation and settings.style_size is None
    )  # the lab has no such settings
    return samples and plain and usual and network.name == DEFAULT_NETWORK


def attributes(settings: Settings, beta: float, controls: Iterable[str]) -> dict[str, str]:
    """The settings of the lab, by the names of its `data-` attributes."""
    return {
        "content": settings.content.name,
        "style": settings.style.name,
        "size": str(settings.size),
        "controls": " ".join(controls),
        "content-layers": _weights(settings.content_layers),
        "style-layers": _weights(settings.style_layers),
        "alpha": f"{settings.alpha:g}",
        "beta": f"{beta:.10g}",
        "start": str(settings.start),
        "optimizer": settings.optimizer,
        "learning-rate": "" if settings.rate is None else f"{settings.rate:g}",
        "steps": str(settings.steps),
        "seed": str(settings.seed),
    }


def _weights(layers: Mapping[str, float]) -> str:
    return " ".join(f"{layer}:{weight:.6g}" for layer, weight in layers.items())


def poster(image: Tensor) -> str:
    """The image as a data URL, a JPEG of at most `POSTER_BYTES`."""
    jpegs = (to_jpeg(image, quality, colour="4:2:0") for quality in QUALITIES)
    small = next((data for data in jpegs if len(data) <= POSTER_BYTES), None)
    return "data:image/jpeg;base64," + base64.b64encode(small or _shrunk(image)).decode("ascii")


def to_jpeg(image: Tensor, quality: int = SHARP, *, colour: str = "4:4:4") -> bytes:
    """An image `(1, 3, H, W)` as the bytes of a JPEG file.

    `colour="4:2:0"` stores one colour for four pixels, which halves the file but blurs the colours.
    In the grainy images of a run this is visible: 16 of 255 levels on average after 25 steps of the
    first run in chapter 7.
    """
    file = io.BytesIO()
    to_pil(image).save(file, "JPEG", quality=quality, subsampling=colour)
    return file.getvalue()


def _shrunk(image: Tensor) -> bytes:
    """The JPEG of a large, detailed image: its size is halved until the file is small enough."""
    picture = to_pil(image)
    while True:
        picture = picture.reduce(2)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=QUALITIES[2])
        if len(file.getvalue()) <= POSTER_BYTES:
            return file.getvalue()


def caption(settings: Settings, steps: int, network: FeatureNetwork) -> str:
    """A description of the run that made the image."""
    return message(
        "poster" if settings.alpha else "poster_texture",
        content=settings.content.title,
        style=settings.style.title,
        steps=steps,
        optimizer=option_label("optimizer", settings.optimizer),
        network=network.name,
        size=settings.size,
        start=start_label(settings.start),
    )


def alt_text(settings: Settings) -> str:
    """The alternative text of the image."""
    return message(
        "poster_alt" if settings.alpha else "poster_alt_texture",
        content=settings.content.title,
        style=settings.style.alt,
        start=start_label(settings.start),
    )


def start_label(start: str | Picture) -> str:
    """The name of this start in the controls."""
    return start.title if isinstance(start, Picture) else option_label("start", start)
