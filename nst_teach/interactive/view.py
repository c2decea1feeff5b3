"""The studio's widgets: images, curves, buttons and controls for an engine."""

from __future__ import annotations

import base64
import io
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from html import escape
from pathlib import Path
from typing import Any, cast

import ipywidgets as widgets
from torch import Tensor

from nst_teach.images import save_image
from nst_teach.interactive import curves, embed
from nst_teach.interactive.code import transfer_call
from nst_teach.interactive.controls import CONTROLS, WIDE
from nst_teach.interactive.engine import Engine, Point, take_over
from nst_teach.interactive.frames import Frames
from nst_teach.interactive.pictures import PictureView
from nst_teach.interactive.release import release_the_oldest
from nst_teach.interactive.settings import Settings, picture, start_of
from nst_teach.interactive.words import action, control_names, message, tool
from nst_teach.memory import TransferError
from nst_teach.networks import FeatureNetwork
from nst_teach.objective import layer_weights
from nst_teach.results import Result

INTERVAL = 0.12  # seconds between two updates, about eight per second
SHARE = 0.1  # the largest share of the time that may be spent on drawing
MEBIBYTE = 2**20
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
STYLE_SHEET = Path(__file__).with_name("studio.css")


@dataclass(frozen=True)
class Kept:
    """A run that was kept for comparison with the next one."""

    points: Sequence[Point]
    frames: Frames
    step: int
    shows: str


class Studio:
    """The widgets of a run, created by `nst_teach.studio`; shown as the last line of a cell.

    Attributes:
        engine: the run, without widgets.
        controls: the visible controls, by name.
        widget: the whole studio, to be placed in a layout of your own.
    """

    def __init__(
        self, settings: Settings, network: FeatureNetwork, shown: Sequence[str] | None = None
    ):
        self.engine = Engine(settings, network)
        take_over(self.engine)
        self.shown = control_names() if shown is None else tuple(shown)
        self.controls = {
            name: CONTROLS[name](settings, network, self._asked) for name in self.shown
        }
        self.kept: Kept | None = None
        self._drawing, self._quiet, self._released = threading.RLock(), False, False
        self._next, self._drawn_state = 0.0, ""
        self._make_stage()
        self._make_buttons()
        self.widget = self._laid_out(with_tools=shown is None)
        self.engine.listen = self._heard
        self.refresh()
        release_the_oldest(self)

    # Public interface

    def run(self, steps: int | None = None) -> Studio:
        """Take so many steps (`None`: all), then return the studio, for the last line of a cell.

        Raises:
            RuntimeError: the run failed; the message states the reason.
        """
        self.engine.run(steps)
        if self.engine.state == "failed":
            raise RuntimeError(self.engine.note) from self.engine.error
        return self

    def start(self) -> None:
        """Start or resume the run in the background."""
        self.engine.start()
        self.refresh()

    def pause(self) -> None:
        """Pause after the current step."""
        self.engine.pause()

    def step(self) -> None:
        """Take a single step in the background."""
        self.engine.start(halt_after=1)

    def reset(self) -> None:
        """Return to the initial image, with the controls unchanged."""
        self.engine.reset()
        self.scrub.value = self.scrub.max

    def stop(self) -> None:
        """End the background thread; the run can be resumed later."""
        self.engine.stop()
        self.refresh()

    def change(self, **settings: Any) -> Studio:
        """Change settings from code, by the names of `nst_teach.studio`, from the next step on.

        Raises:
            TypeError: there is no setting of that name.
            ImageError, ValueError: an invalid value; the settings are not changed.
        """
        checked = _checked(settings)
        wanted = replace(self.engine.settings, **checked)
        _ = wanted.content_pixels, wanted.style_pixels  # raises if a picture cannot be read
        self._take(**checked)
        return self

    @property
    def settings(self) -> Settings:
        """The current values of the controls."""
        return self.engine.settings

    @property
    def result(self) -> Result:
        """The run so far, as `transfer` would have returned it."""
        return self.engine.result

    @property
    def code(self) -> str:
        """The call of `transfer` with the same settings."""
        engine = self.engine
        return transfer_call(
            engine.settings,
            beta=self._beta(),
            steps=engine.step or engine.settings.steps,
            network=engine.network,
            marks=engine.marks,
        )

    def keep(self) -> None:
        """Keep the run, and begin another one to compare it with."""
        engine = self.engine
        engine.stop()
        shows = embed.alt_text(engine.settings)
        self.kept = Kept(list(engine.points), engine.frames.copy(), engine.step, shows)
        self.reset()
        engine.note = message("kept")
        self.refresh()

    def forget(self) -> None:
        """Discard the kept run."""
        self.kept, self.engine.note = None, ""
        self.refresh()

    def save(self, path: str | Path | None = None) -> Path:
        """Save the displayed image; returns the path (`None`: a name that describes the run)."""
        settings, step = self.engine.settings, self._shown_step()
        names = (Path(settings.content.name).stem, Path(settings.style.name).stem)
        path = Path(f"{'-'.join(names)}-step{step}.png" if path is None else path)
        if self._follows():
            return save_image(self.engine.picture, path)
        return save_image(_decoded(self.engine.frames.jpeg(step)), path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Widgets for front ends that support them, HTML for the others."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {"text/plain": repr(self), "text/html": self.html(), WIDGET_VIEW: view}

    def html(self) -> str:
        """The last image of the run, as the starting point of the page's lab."""
        return embed.figure(
            self.engine.settings,
            self.engine.picture,
            steps=self.engine.step,
            beta=self._beta(),
            network=self.engine.network,
            controls=self.shown,
            curve=curves.as_json(list(self.engine.points), list(self.engine.marks)),
        )

    def __repr__(self) -> str:
        engine = self.engine
        return f"Studio({engine.state}, step {engine.step} of {engine.target})"

    def _beta(self) -> float:
        """The β that the next step will use."""
        wanted = self.engine.settings.beta
        if wanted is None and self.engine.waiting:
            wanted = self.engine.settings.objective(self.engine.network).beta
        return self.engine.objective.beta if wanted is None else wanted

    # Widgets

    def _make_stage(self) -> None:
        self.now, self.now_note = PictureView(), widgets.HTML()
        self.before, self.before_note = PictureView(), widgets.HTML()
        self.before_box = widgets.VBox([self.before.widget, self.before_note])
        self.scrub = widgets.IntSlider(
            description=tool("scrub")["label"], value=1, max=1, readout=False, layout=WIDE
        )
        self.scrub.observe(self._scrubbed, "value")
        self.status, self.trouble, self.curve = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.saved, self.listing = widgets.HTML(), widgets.HTML()

    def _make_buttons(self) -> None:
        self.main_button = _button("start", self._main, "primary")
        self.step_button = _button("step", self.step)
        self.reset_button = _button("reset", self.reset)
        self.keep_button = _button("keep", self._keep_or_forget)
        self.save_button = _button("save", self._save)
        self.code_button = _button("copy", self._list)

    def _laid_out(self, with_tools: bool) -> widgets.Widget:
        now = widgets.VBox([self.now.widget, self.now_note])
        pictures = _row("nst-pictures", now, self.before_box)
        buttons = _row("nst-buttons", self.main_button, self.step_button, self.reset_button)
        tools = _row("nst-buttons", self.keep_button, self.save_button, self.code_button)
        parts = [pictures, self.scrub, buttons, self.status, self.trouble, self.curve]
        parts += [tools, self.saved, self.listing] if with_tools else []
        stage, panel = widgets.VBox(parts), widgets.VBox([c.box for c in self.controls.values()])
        stage.add_class("nst-stage")
        panel.add_class("nst-panel")
        sheet = widgets.HTML(f"<style>{STYLE_SHEET.read_text(encoding='utf-8')}</style>")
        sheet.layout.display = "none"
        whole = widgets.VBox([sheet, _row("nst-body", stage, panel)])
        whole.add_class("nst-studio")
        return whole

    # What the user does

    def _asked(self, **changes: Any) -> None:
        try:
            self._take(**changes)
        except Exception as error:  # an impossible change: report it in the studio
            self.trouble.value = _trouble(str(error), error)

    def _take(self, **changes: Any) -> None:
        self.engine.change(**changes)
        for shown in self.controls.values():
            shown.show(self.engine.settings)
        self.refresh()

    def _main(self) -> None:
        if self.engine.state == "running":
            self.pause()
        else:
            self.start()

    def _scrubbed(self, change: Any) -> None:
        if not self._quiet:
            self.refresh()

    def _keep_or_forget(self) -> None:
        if self.kept:
            self.forget()
        else:
            self.keep()

    def _save(self) -> None:
        path = self.save()
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        name, told = escape(path.name), escape(message("saved", file=path.name))
        address, words = f"data:image/png;base64,{data}", escape(action("download"))
        link = f'<a download="{name}" href="{address}">{words}</a>'
        self.saved.value = f'<div class="nst-status">{told} {link}</div>'

    def _list(self) -> None:
        code = "" if self.listing.value else self.code
        rows = code.count("\n") + 1
        self.listing.value = code and (
            f'<textarea class="nst-code" readonly rows="{rows}" spellcheck="false" '
            f'aria-label="{escape(tool("code")["label"])}">{escape(code)}</textarea>'
        )

    # What the engine does

    def _heard(self) -> None:
        """Redraw, but spend at most `SHARE` of the time on it; when the run pauses, at once."""
        now = time.perf_counter()
        if now < self._next and self.engine.state == self._drawn_state == "running":
            return
        self.refresh()
        cost = time.perf_counter() - now
        self._next = now + max(INTERVAL, cost / SHARE)

    def release(self) -> None:
        """Give up the widgets, which are about to be closed: the run remains."""
        with self._drawing:
            self._released = True
            self.engine.listen = lambda: None

    def refresh(self) -> None:
        """Redraw everything."""
        if self._released:
            return
        with self._drawing:
            self._drawn_state = self.engine.state
            self._show_frames()
            self._show_curve()
            self._show_state()

    def _follows(self) -> bool:
        """Whether the latest image is displayed."""
        value, newest = cast(tuple[int, int], (self.scrub.value, self.scrub.max))
        return value >= newest

    def _shown_step(self) -> int:
        if self._follows():
            return self.engine.step
        return self.engine.frames.nearest(cast(int, self.scrub.value))

    def _show_frames(self) -> None:
        self._move_scrub(self.engine.step)
        engine, step = self.engine, self._shown_step()
        newest = self._follows()
        jpeg = embed.to_jpeg(engine.picture) if newest else engine.frames.jpeg(step)
        shows, words = embed.alt_text(engine.settings), message("picture_now", step=step)
        self.now.show(jpeg, f"{shows} {words}")
        self.now_note.value = _note(words)
        self.before_box.layout.display = "flex" if self.kept else "none"
        if self.kept:
            beside = self.kept.frames.nearest(min(step, self.kept.step) if step else self.kept.step)
            words = message("picture_kept", step=beside)
            self.before.show(self.kept.frames.jpeg(beside), f"{self.kept.shows} {words}")
            self.before_note.value = _note(words)

    def _move_scrub(self, end: int) -> None:
        """Extend the slider with the run; if it was at its end, it stays there."""
        self._quiet, follows = True, self._follows()
        self.scrub.max = max(end, 1)
        if follows:
            self.scrub.value = self.scrub.max
        self.scrub.disabled = end == 0
        self._quiet = False

    def _show_curve(self) -> None:
        points, kept = list(self.engine.points), self.kept.points if self.kept else ()
        cursor = None if self._follows() else self._shown_step()
        drawing = curves.svg(points, list(self.engine.marks), kept=kept, cursor=cursor)
        self.curve.value = f'<div class="nst-curve">{drawing}{curves.legend(points, kept)}</div>'

    def _show_state(self) -> None:
        engine = self.engine
        names = {"ready": "start", "running": "pause", "paused": "resume", "finished": "more"}
        self.main_button.description = action(names.get(engine.state, "resume"))
        self.step_button.disabled = engine.state == "running"
        self.reset_button.disabled = engine.state == "ready"
        self.keep_button.description = action("forget" if self.kept else "keep")
        self.keep_button.disabled = not (self.kept or engine.points)
        self.status.value = f'<div class="nst-status">{escape(self._state())}</div>'
        failed = engine.state == "failed"
        self.trouble.value = _trouble(engine.note, engine.error) if failed else ""

    def _state(self) -> str:
        engine = self.engine
        sentences = [] if engine.state == "failed" else [self._progress()]
        if engine.waiting and engine.state in ("paused", "finished"):
            sentences.append(message("waiting"))
        if engine.state == "ready":
            sentences += self._price()
        if engine.note and engine.state != "failed":
            sentences.append(engine.note)
        return " ".join([*sentences, _memory()])

    def _price(self) -> list[str]:
        """What a long run will cost, before it begins."""
        price = self.engine.price
        if price is None:
            return []
        told = [message("price", price=price.sentence())]
        try:
            price.require()
        except TransferError as error:
            told.append(str(error))
        return told

    def _progress(self) -> str:
        engine = self.engine
        pace = engine.pace
        left = f"{(engine.target - engine.step) / pace:.0f} s" if pace else "…"
        rate = f"{pace:.1f}" if pace else "…"
        return message(engine.state, step=engine.step, steps=engine.target, rate=rate, left=left)


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings given in code, in the form of `Settings`."""
    names = [field.name for field in fields(Settings)]
    if unknown := [f"{name}={value!r}" for name, value in settings.items() if name not in names]:
        raise TypeError(
            f"{', '.join(unknown)} was given; expected one of the settings {', '.join(names)}."
        )
    checked = dict(settings)
    for name, share in (("content_layers", False), ("style_layers", True)):
        if name in checked:
            checked[name] = layer_weights(checked[name], share=share)
    for name in {"content", "style"} & set(checked):
        checked[name] = picture(checked[name], name)
    if "start" in checked:
        checked["start"] = start_of(checked["start"])
    return checked


def _button(name: str, press: Callable[[], object], style: str = "") -> widgets.Button:
    button = widgets.Button(description=action(name), button_style=style)
    button.layout.width = "auto"

    def pressed(_: widgets.Button) -> None:
        press()

    button.on_click(pressed)
    return button


def _row(name: str, *children: widgets.Widget) -> widgets.Box:
    row = widgets.Box(list(children))
    row.add_class(name)
    return row


def _note(text: str) -> str:
    return f'<div class="nst-note">{escape(text)}</div>'


def _trouble(reason: str, error: Exception | None) -> str:
    """The reason of a failure, with Python's traceback on demand."""
    text = escape(message("error", reason=reason))
    details = ""
    if error is not None:
        lines = "".join(traceback.format_exception(error))
        details = f"<details><summary>Python</summary><pre>{escape(lines)}</pre></details>"
    return f'<div class="nst-error" role="alert">{text}{details}</div>'


def _memory() -> str:
    """The memory of this process, if psutil (installed with every kernel) can be imported."""
    try:
        import psutil
    except ImportError:
        return ""
    return message("memory", memory=psutil.Process().memory_info().rss // MEBIBYTE) + "."


def _decoded(jpeg: bytes) -> Tensor:
    from PIL import Image

    from nst_teach.images import load_image

    return load_image(Image.open(io.BytesIO(jpeg)))
