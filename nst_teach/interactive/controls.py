"""The studio's controls: each turns a widget's value into a change of the settings.

A control knows how to show a setting and how to ask for another; what a run does with it is the
engine's affair. Words, ranges and options come from `studio_controls.json`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, cast

import ipywidgets as widgets

from nst_teach import samples
from nst_teach.images import ImageError
from nst_teach.interactive.embed import to_jpeg
from nst_teach.interactive.pictures import PictureView
from nst_teach.interactive.settings import Picture, Settings, pixels, sample, uploaded
from nst_teach.interactive.words import action, control, message
from nst_teach.networks import FeatureNetwork

Ask = Callable[..., None]
"""Called with the settings to change, by name."""

WIDE = widgets.Layout(width="auto")
THUMBNAIL = 160  # pixels: twice what is shown, for dense screens
THUMBNAIL_QUALITY = 85  # JPEG's


class Control:
    """A label, its help and a widget; `show` follows the settings without asking for anything."""

    name: str

    def __init__(self, settings: Settings, network: FeatureNetwork, ask: Ask):
        self.words, self.network, self.ask = control(self.name), network, ask
        self._quiet = False
        label = f'<div class="nst-label">{escape(self.words["label"])}</div>'
        help_ = f'<div class="nst-help">{escape(self.words["help"])}</div>'
        self.box = widgets.VBox([widgets.HTML(label), *self.make(settings), widgets.HTML(help_)])
        self.box.add_class("nst-control")

    def make(self, settings: Settings) -> list[widgets.Widget]:
        """The widgets of this control."""
        raise NotImplementedError

    def set(self, settings: Settings) -> None:
        """Put the widgets where the settings are."""
        raise NotImplementedError

    def show(self, settings: Settings) -> None:
        """`set`, without taking it for a wish of the reader's."""
        self._quiet = True
        try:
            self.set(settings)
        finally:
            self._quiet = False

    def on_move(self, widget: widgets.Widget, wish: Callable[[Any], dict[str, Any]]) -> None:
        """Ask for `wish(value)` whenever the reader moves the widget."""

        def moved(change: dict[str, Any]) -> None:
            if not self._quiet:
                self.ask(**wish(change["new"]))

        widget.observe(moved, "value")

    def slider(self, value: float, **options: Any) -> widgets.FloatSlider:
        """A slider over the control's range, which a value from code may widen."""
        low, high = self.words["min"], self.words["max"]
        return widgets.FloatSlider(
            value=value,
            min=min(low, value),
            max=max(high, value),
            step=self.words["step"],
            continuous_update=False,  # a wish for each pixel of the way would crowd the curve
            layout=WIDE,
            **options,
        )

    def choice(self, options: list[tuple[str, Any]], value: Any) -> widgets.Dropdown:
        """A list of `(label, value)` to choose from; a value from code is added to it."""
        if value not in [option for _, option in options]:
            options = [*options, (_label(value), value)]
        return widgets.Dropdown(options=options, value=value, layout=WIDE)


def _label(value: Any) -> str:
    if isinstance(value, tuple):
        return " + ".join(map(str, cast(tuple[object, ...], value)))
    return value.title if isinstance(value, Picture) else str(value)


class PictureControl(Control):
    """A list of samples, a small picture of the chosen one, and a place for the reader's own."""

    def make(self, settings: Settings) -> list[widgets.Widget]:
        kinds = self.words["samples"]
        self.pictures = [sample(name) for kind in kinds for name in samples.names(kind)]
        self.thumbnail = PictureView(width="72px")
        self.list = widgets.Dropdown(layout=WIDE)
        self.upload = widgets.FileUpload(accept="image/*", description=action("upload"))
        self.upload.layout.width = "auto"
        self.problem = widgets.HTML()
        self.set(settings)
        self.on_move(self.list, lambda chosen: {self.name: chosen})
        self.list.observe(self._chosen, "value")
        self.upload.observe(self._uploaded, "value")
        row = widgets.HBox(
            [
                self.thumbnail.widget,
                widgets.VBox([self.list, self.upload], layout=widgets.Layout(flex="1 1 0")),
            ]
        )
        return [row, self.problem]

    def set(self, settings: Settings) -> None:
        chosen = getattr(settings, self.name)
        if chosen not in self.pictures:
            self.pictures.append(chosen)
        if len(self.list.options) != len(self.pictures):
            self.list.options = [(picture.title, picture) for picture in self.pictures]
        self.list.value = chosen
        self._draw(chosen)

    def _chosen(self, change: dict[str, Any]) -> None:
        self._draw(change["new"])

    def _draw(self, chosen: Picture) -> None:
        self.thumbnail.show(to_jpeg(pixels(chosen, THUMBNAIL), THUMBNAIL_QUALITY), chosen.alt)

    def _uploaded(self, change: dict[str, Any]) -> None:
        for name, data in _files(change["new"]):
            self.take(name, data)

    def take(self, name: str, data: bytes) -> None:
        """Use the reader's own picture, or say why not."""
        try:
            mine = uploaded(name, data)
        except ImageError as error:
            reason = message("upload_failed", file=name, reason=error)
            self.problem.value = f'<div class="nst-error" role="alert">{escape(reason)}</div>'
            return
        self.problem.value = ""
        self.pictures.append(mine)
        self._quiet = True  # a list that gets new options turns to its first one by itself
        self.list.options = [(picture.title, picture) for picture in self.pictures]
        self._quiet = False
        self.list.value = mine


def _files(
    value: Mapping[str, Mapping[str, Any]] | Sequence[Mapping[str, Any]],
) -> list[tuple[str, bytes]]:
    """Names and bytes of uploaded files, in the form of ipywidgets 8 or of 7 (as on Colab)."""
    if isinstance(value, Mapping):
        return [(name, file["content"]) for name, file in value.items()]
    return [(file["name"], bytes(file["content"])) for file in value]


class ContentPicture(PictureControl):
    """Whose forms."""

    name = "content"


class StylePicture(PictureControl):
    """Whose textures."""

    name = "style"


class Ratio(Control):
    """β, as the logarithm of what it is to α."""

    name = "ratio"

    def make(self, settings: Settings) -> list[widgets.Widget]:
        self.widget = self.slider(self._log(settings), readout_format=".1f")
        self.on_move(self.widget, lambda log: {"beta": (self.alpha or 1.0) * 10.0**log})
        return [self.widget]

    def set(self, settings: Settings) -> None:
        self.widget.value = self._log(settings)

    def _log(self, settings: Settings) -> float:
        """The slider's place; a β that was left open is the one that the network's size gives."""
        self.alpha = settings.alpha
        beta = settings.beta
        if beta is None:
            beta = settings.objective(self.network).beta
        return math.log10(beta / (self.alpha or 1.0)) if beta else self.words["min"]


class ContentLayer(Control):
    """One of the network's layers after a ReLU."""

    name = "content_layer"

    def make(self, settings: Settings) -> list[widgets.Widget]:
        layers = [name for name in self.network.layers if name.startswith("relu")]
        options = [(name, (name,)) for name in layers or self.network.layers]
        self.widget = self.choice(options, tuple(settings.content_layers))
        self.on_move(self.widget, lambda names: {"content_layers": dict.fromkeys(names, 1.0)})
        return [self.widget]

    def set(self, settings: Settings) -> None:
        self.widget.value = tuple(settings.content_layers)


class StyleLayers(Control):
    """A slider for each layer's weight."""

    name = "layers"

    def make(self, settings: Settings) -> list[widgets.Widget]:
        known = dict.fromkeys((*self.network.style_layers, *settings.style_layers))
        order = sorted(known, key=self.network.layers.index)
        weights = settings.style_layers
        self.sliders = {
            layer: self.slider(weights.get(layer, 0.0), description=layer, readout_format=".2f")
            for layer in order
        }
        for slider in self.sliders.values():
            self.on_move(slider, lambda _: {"style_layers": self.weights()})
        return list(self.sliders.values())

    def weights(self) -> dict[str, float]:
        """What the sliders say."""
        return {layer: slider.value for layer, slider in self.sliders.items()}

    def set(self, settings: Settings) -> None:
        for layer, slider in self.sliders.items():
            slider.value = settings.style_layers.get(layer, 0.0)


class Choice(Control):
    """A list whose options stand in the file of words."""

    def make(self, settings: Settings) -> list[widgets.Widget]:
        options = [(option["label"], option["value"]) for option in self.words["options"]]
        self.widget = self.choice(options, getattr(settings, self.name))
        self.on_move(self.widget, self.wish)
        return [self.widget]

    def wish(self, value: Any) -> dict[str, Any]:
        """What choosing `value` asks for."""
        return {self.name: value}

    def set(self, settings: Settings) -> None:
        self.widget.value = getattr(settings, self.name)


class Start(Choice):
    """Where a run begins."""

    name = "start"


class Size(Choice):
    """How many pixels."""

    name = "size"


class Optimizer(Choice):
    """Who walks; each brings its own learning rate along."""

    name = "optimizer"

    def wish(self, value: Any) -> dict[str, Any]:
        """Another optimiser, at its own learning rate."""
        return {self.name: value, "learning_rate": None}


class LearningRate(Control):
    """Adam's; the others find their own."""

    name = "learning_rate"

    def make(self, settings: Settings) -> list[widgets.Widget]:
        default = math.log10(settings.rate or self.words["default"])
        self.widget = self.slider(default, readout_format=".1f")
        self.on_move(self.widget, lambda log: {"learning_rate": 10.0**log})
        self.set(settings)
        return [self.widget]

    def set(self, settings: Settings) -> None:
        self.widget.disabled = settings.optimizer != "adam"
        if settings.rate:
            self.widget.value = math.log10(settings.rate)


class Steps(Control):
    """How long."""

    name = "steps"

    def make(self, settings: Settings) -> list[widgets.Widget]:
        self.widget = self.slider(settings.steps, readout_format="d")
        self.on_move(self.widget, lambda steps: {"steps": int(steps)})
        return [self.widget]

    def set(self, settings: Settings) -> None:
        self.widget.value = settings.steps


CONTROLS: dict[str, type[Control]] = {
    kind.name: kind
    for kind in (
        ContentPicture,
        StylePicture,
        Ratio,
        ContentLayer,
        StyleLayers,
        Start,
        Optimizer,
        LearningRate,
        Steps,
        Size,
    )
}
