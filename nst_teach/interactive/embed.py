"""The studio as a piece of a page: a finished picture, and all that the page's lab has to know."""

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

SHARP = 95  # JPEG's quality where a picture is looked at closely
POSTER_BYTES = 15_000  # a page with three posters stays light
QUALITIES = (88, 80, 70, 60, 50, 40, 30)  # JPEG's, from best to the least that is still pleasant


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
    """The `<figure>` that stands for a studio where there is no kernel.

    Args:
        settings: what the run was asked for.
        image: the picture that the run has reached, `(1, 3, H, W)`.
        steps: how many steps it took.
        beta: the weight of the style that was in use.
        network: its network.
        controls: which controls the lab shows.
        curve: the run's curves as `curves.as_json` writes them, which the lab shows until it runs.

    The page's lab starts on figures of class `nst-lab`. It has the samples and the bundled network;
    a run with other ones is shown as a still picture.
    """
    alive = in_reach(settings, network)
    data = attributes(settings, beta, controls) if alive else {}
    if alive and curve:
        data["curve"] = curve
    described = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())
    hint = f' <span class="nst-lab-hint">{escape(message("poster_hint"))}</span>' if alive else ""
    return (
        f'<figure class="{"nst-lab" if alive else "nst-lab-still"}" {described}>\n'
        f'<img class="nst-lab-poster" src="{poster(image)}" alt="{escape(alt_text(settings))}">\n'
        f"<figcaption>{escape(caption(settings, steps, network))}{hint}</figcaption>\n"
        "</figure>"
    )


def in_reach(settings: Settings, network: FeatureNetwork) -> bool:
    """Whether the page's lab has what the run needs."""
    samples = settings.content.is_sample and settings.style.is_sample
    plain = isinstance(settings.start, str) and isinstance(settings.size, int)
    usual = not settings.total_variation and settings.style_size is None  # it has no such settings
    return samples and plain and usual and network.name == DEFAULT_NETWORK


def attributes(settings: Settings, beta: float, controls: Iterable[str]) -> dict[str, str]:
    """The lab's settings by the names of its `data-` attributes."""
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
    """The picture as the address of an inline JPEG of at most `POSTER_BYTES`."""
    jpegs = (to_jpeg(image, quality, colour="4:2:0") for quality in QUALITIES)
    small = next((data for data in jpegs if len(data) <= POSTER_BYTES), None)
    return "data:image/jpeg;base64," + base64.b64encode(small or _shrunk(image)).decode("ascii")


def to_jpeg(image: Tensor, quality: int = SHARP, *, colour: str = "4:4:4") -> bytes:
    """A picture `(1, 3, H, W)` as the bytes of a JPEG file.

    `colour="4:2:0"` halves the file and blurs the colours: four pixels share one. In a run's rough
    pictures that is plain to see: 16 of 255 levels on average, 25 steps into chapter 7's first run.
    """
    file = io.BytesIO()
    to_pil(image).save(file, "JPEG", quality=quality, subsampling=colour)
    return file.getvalue()


def _shrunk(image: Tensor) -> bytes:
    """The poster of a picture that is large and busy: half its size, as often as it takes."""
    picture = to_pil(image)
    while True:
        picture = picture.reduce(2)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=QUALITIES[2])
        if len(file.getvalue()) <= POSTER_BYTES:
            return file.getvalue()


def caption(settings: Settings, steps: int, network: FeatureNetwork) -> str:
    """Which run made the picture, from its own data."""
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
    """What the picture shows, for those who cannot see it."""
    return message(
        "poster_alt" if settings.alpha else "poster_alt_texture",
        content=settings.content.title,
        style=settings.style.alt,
        start=start_label(settings.start),
    )


def start_label(start: str | Picture) -> str:
    """What the controls call this start."""
    return start.title if isinstance(start, Picture) else option_label("start", start)
