"""The studio's controls: each converts the value of a widget into a change of the settings.

A control displays a setting and requests changes; the engine applies them to the run. Words, ranges
and options come from `studio_controls.json`.
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
THUMBNAIL = 160  # pixels; twice the displayed size, for high-resolution screens
THUMBNAIL_QUALITY = 85  # JPEG's


class Control:
    """A label, a widget and a line of help."""

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
        """Set the widgets to the values of the settings."""
        raise NotImplementedError

    def show(self, settings: Settings) -> None:
        """`set`, without treating it as a change made by the user."""
        self._quiet = True
        try:
            self.set(settings)
        finally:
            self._quiet = False

    def on_move(self, widget: widgets.Widget, change: Callable[[Any], dict[str, Any]]) -> None:
        """Request `change(value)` whenever the user moves the widget."""

        def moved(event: dict[str, Any]) -> None:
            if not self._quiet:
                self.ask(**change(event["new"]))

        widget.observe(moved, "value")

    def slider(self, value: float, **options: Any) -> widgets.FloatSlider:
        """A slider over the control's range, extended if necessary to include `value`."""
        low, high = self.words["min"], self.words["max"]
        return widgets.FloatSlider(
            value=value,
            min=min(low, value),
            max=max(high, value),
            step=self.words["step"],
            continuous_update=False,  # otherwise each pixel of the movement would be a change
            layout=WIDE,
            **options,
        )

    def choice(self, options: list[tuple[str, Any]], value: Any) -> widgets.Dropdown:
        """A list of `(label, value)` to choose from, to which `value` is added if it is missing."""
        if value not in [option for _, option in options]:
            options = [*options, (_label(value), value)]
        return widgets.Dropdown(options=options, value=value, layout=WIDE)


def _label(value: Any) -> str:
    if isinstance(value, tuple):
        return " + ".join(map(str, cast(tuple[object, ...], value)))
    return value.title if isinstance(value, Picture) else str(value)


class PictureControl(Control):
    """A list of samples, a thumbnail of the selected one, and an upload for the user's own."""

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
        """Use an uploaded picture, or explain why that is impossible."""
        try:
            mine = uploaded(name, data)
        except ImageError as error:
            reason = message("upload_failed", file=name, reason=error)
            self.problem.value = f'<div class="nst-error" role="alert">{escape(reason)}</div>'
            return
        self.problem.value = ""
        self.pictures.append(mine)
        self._quiet = True  # new options make the list select its first one
        self.list.options = [(picture.title, picture) for picture in self.pictures]
        self._quiet = False
        self.list.value = mine


def _files(
    value: Mapping[str, Mapping[str, Any]] | Sequence[Mapping[str, Any]],
) -> list[tuple[str, bytes]]:
    """Names and bytes of uploaded files, from ipywidgets 8 or 7 (as on Colab)."""
    if isinstance(value, Mapping):
        return [(name, file["content"]) for name, file in value.items()]
    return [(file["name"], bytes(file["content"])) for file in value]


class ContentPicture(PictureControl):
    """The photograph."""

    name = "content"


class StylePicture(PictureControl):
    """The style picture."""

    name = "style"


class Ratio(Control):
    """log₁₀ β/α."""

    name = "ratio"

    def make(self, settings: Settings) -> list[widgets.Widget]:
        self.widget = self.slider(self._log(settings), readout_format=".1f")
        self.on_move(self.widget, lambda log: {"beta": (self.alpha or 1.0) * 10.0**log})
        return [self.widget]

    def set(self, settings: Settings) -> None:
        self.widget.value = self._log(settings)

    def _log(self, settings: Settings) -> float:
        """The value of the slider; for `beta=None`, that of the default β."""
        self.alpha = settings.alpha
        beta = settings.beta
        if beta is None:
            beta = settings.objective(self.network).beta
        return math.log10(beta / (self.alpha or 1.0)) if beta else self.words["min"]


class ContentLayer(Control):
    """A choice among the network's layers after a ReLU."""

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
        """The values of the sliders."""
        return {layer: slider.value for layer, slider in self.sliders.items()}

    def set(self, settings: Settings) -> None:
        for layer, slider in self.sliders.items():
            slider.value = settings.style_layers.get(layer, 0.0)


class Choice(Control):
    """A list whose options are defined in `studio_controls.json`."""

    def make(self, settings: Settings) -> list[widgets.Widget]:
        options = [(option["label"], option["value"]) for option in self.words["options"]]
        self.widget = self.choice(options, getattr(settings, self.name))
        self.on_move(self.widget, self.change)
        return [self.widget]

    def change(self, value: Any) -> dict[str, Any]:
        """The change of the settings when `value` is selected."""
        return {self.name: value}

    def set(self, settings: Settings) -> None:
        self.widget.value = getattr(settings, self.name)


class Start(Choice):
    """The initial image."""

    name = "start"


class Size(Choice):
    """The longer side in pixels."""

    name = "size"


class Optimizer(Choice):
    """The optimiser, which determines the default learning rate."""

    name = "optimizer"

    def change(self, value: Any) -> dict[str, Any]:
        """Another optimiser, with its own default learning rate."""
        return {self.name: value, "learning_rate": None}


class LearningRate(Control):
    """The learning rate of Adam; the other optimisers use their defaults."""

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
    """The number of steps."""

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
