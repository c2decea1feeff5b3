"""The studio: steered between two steps, in a thread of its own, with and without its widgets."""

from __future__ import annotations

import base64
import gc
import io
import json
import math
import pydoc
import re
import sys
import threading
import time
import weakref
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import nbformat
import pytest
import torch
from bs4 import BeautifulSoup
from conftest import ROOT
from nbclient import NotebookClient
from PIL import Image

import nst_teach
from nst_teach import (
    StyleObjective,
    load_image,
    load_network,
    samples,
    studio,
    to_pil,
    total_variation,
    transfer,
)
from nst_teach.estimates import Estimate
from nst_teach.interactive import _network, curves, engine, release
from nst_teach.interactive.controls import _files
from nst_teach.interactive.embed import to_jpeg
from nst_teach.interactive.engine import Mark, Point
from nst_teach.interactive.frames import MOST_FRAMES, Frames
from nst_teach.interactive.pictures import PictureView
from nst_teach.interactive.settings import same_objective, same_settings, uploaded
from nst_teach.interactive.words import FILE, control, control_names, message, words
from nst_teach.results import Result

SIZE = 32  # longer side: small, and still deep enough for relu5_1
PATIENCE = 60  # seconds after which a thread that should have answered counts as stuck

LBFGS_FAMILY = ("lbfgs", "lbfgs-plain", "scipy")


@pytest.fixture(scope="module")
def network():
    return load_network("petite")


@pytest.fixture
def make(network):
    """Makes studios, and stops what they left running."""
    made = []

    def make_one(content="chelsea", style="dots", **options):
        options = {"size": SIZE, "steps": 8, "network": network} | options
        made.append(studio(content, style, **options))
        return made[-1]

    yield make_one
    for one in made:
        one.engine.stop()


class Gate:
    """Holds the working thread after a given step until somebody opens."""

    def __init__(self, engine, step: int):
        self.reached, self.opened = threading.Event(), threading.Event()
        self.engine, self.step, self.heard = engine, step, engine.listen
        engine.listen = self.listen

    def listen(self):
        self.heard()
        if self.engine.step >= self.step and not self.opened.is_set():
            self.reached.set()
            assert self.opened.wait(PATIENCE)

    def wait(self):
        assert self.reached.wait(PATIENCE)

    def open(self):
        self.opened.set()


def wait_for(one, *states: str) -> None:
    """Until the studio shows one of these states."""
    end = time.monotonic() + PATIENCE
    while one.engine.state not in states or one._drawn_state != one.engine.state:
        assert time.monotonic() < end, f"still {one.engine.state}: {one.engine.note}"
        time.sleep(0.005)
    with one._drawing:
        pass


def finish(one) -> None:
    wait_for(one, "finished", "failed")
    one.engine.stop()


def press(button) -> None:
    assert not button.disabled
    button.click()


# In a thread of its own


def test_start_returns_while_the_run_is_at_work(make):
    one = make()
    gate = Gate(one.engine, 2)
    press(one.main_button)
    gate.wait()
    # The run waits at the gate: whatever happens here happens in the middle of it.
    assert one.engine.state == "running"
    assert one.engine.step == 2
    gate.open()
    finish(one)
    assert one.engine.step == 8


def test_run_blocks_and_returns_the_studio(make):
    one = make()
    assert one.run(3) is one
    assert (one.engine.state, one.engine.step) == ("finished", 3)


def test_run_leaves_no_thread_behind(make):
    before = threading.active_count()
    make().run(2)
    assert threading.active_count() == before


@pytest.mark.parametrize("optimizer", ["adam", *LBFGS_FAMILY])
def test_an_unsteered_run_is_what_transfer_does(make, network, optimizer):
    one = make(optimizer=optimizer).run(6)
    settings = one.settings
    expected = transfer(
        "chelsea", "dots", network=network, size=SIZE, steps=6, optimizer=optimizer,
        learning_rate=settings.rate, progress=False,
    )  # fmt: skip
    torch.testing.assert_close(one.engine.picture, expected.image, rtol=0, atol=1e-6)


def test_the_same_moves_at_the_same_steps_give_the_same_picture(make):
    def moved():
        one = make(start="noise", seed=3).run(3)
        one.change(beta=1e6, optimizer="lbfgs").run(3)
        return one.change(style_layers="relu1_1").run(2).engine.picture

    assert torch.equal(moved(), moved())


# A move takes effect at the next step


def adam_by_hand(legs, start):
    """Adam (Kingma and Ba, 2015, algorithm 1) through legs of (objective, learning rate, steps)."""
    x, m, v, n = start.clone(), torch.zeros_like(start), torch.zeros_like(start), 0
    for objective, rate, steps in legs:
        for _ in range(steps):
            n += 1
            pixels = x.clone().requires_grad_(True)
            (g,) = torch.autograd.grad(objective(pixels).total, pixels)
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            x = x - rate * (m / (1 - 0.9**n)) / ((v / (1 - 0.999**n)).sqrt() + 1e-8)
            x = x.clamp(0, 1)
    return x


def test_another_beta_goes_on_from_the_same_picture_with_adams_memory(make, network):
    one = make().run(4)
    before = one.engine.objective
    one.change(beta=10 * before.beta).run(4)
    legs = [(before, 0.05, 4), (one.settings.objective(network), 0.05, 4)]
    expected = adam_by_hand(legs, load_image("chelsea", size=SIZE))
    torch.testing.assert_close(one.engine.picture, expected, rtol=0, atol=2e-4)
    assert one.engine.step == 8


def test_a_control_moved_during_a_run_holds_from_the_next_step(make):
    one = make()
    gate = Gate(one.engine, 3)
    one.start()
    gate.wait()
    slider = one.controls["ratio"].widget
    slider.value += 1  # ten times β
    gate.open()
    finish(one)
    before, after = (p for p in one.engine.points if p.step == 3)
    assert [mark.step for mark in one.engine.marks] == [3]
    assert one.engine.marks[0].text == f"{control('ratio')['mark']} {slider.value:.1f}"
    assert [p.step for p in one.engine.points] == [0, 1, 2, 3, 3, 4, 5, 6, 7, 8]
    for name, value in before.parts.items():  # the picture is the same, the style counts ten times
        factor = 10 if name.startswith("style") else 1
        assert after.parts[name] == pytest.approx(factor * value, rel=1e-3)


def test_a_layer_turned_off_leaves_the_sum_and_the_network(make):
    one = make().run(2)
    one.controls["layers"].sliders["relu5_1"].value = 0.0
    one.run(2)
    assert "relu5_1" not in one.engine.objective.style_layers
    assert "style relu5_1" in one.engine.points[2].parts
    assert "style relu5_1" not in one.engine.points[-1].parts
    assert [mark.text for mark in one.engine.marks] == ["layers relu5_1 0"]


def test_the_parts_of_a_point_sum_to_its_total(make):
    one = make(beta=1e5).run(3)
    for point in one.engine.points:
        assert sum(point.parts.values()) == pytest.approx(point.total, rel=1e-4)


@pytest.mark.parametrize("optimizer", ["lbfgs", "lbfgs-plain"])
def test_a_changed_loss_makes_lbfgs_forget(make, network, optimizer):
    one = make(optimizer=optimizer).run(4)
    picture, beta = one.engine.picture.clone(), 2 * one.engine.objective.beta
    one.change(beta=beta).run(4)
    afresh = transfer(
        "chelsea", "dots", network=network, size=SIZE, steps=4, optimizer=optimizer, beta=beta,
        start=picture, progress=False,
    )  # fmt: skip
    torch.testing.assert_close(one.engine.picture, afresh.image, rtol=0, atol=1e-5)


def test_another_optimiser_takes_over_in_the_middle(make):
    one = make().run(4)
    one.controls["optimizer"].widget.value = "lbfgs"
    one.run(4)
    assert one.engine.step == 8
    assert one.engine.marks == [Mark(4, "optimiser L-BFGS, strong Wolfe")]
    assert one.engine.points[-1].total < one.engine.points[4].total
    assert one.controls["learning_rate"].widget.disabled


def test_another_learning_rate_keeps_adams_memory(make):
    one = make().run(4)
    one.change(learning_rate=0.005).run(4)
    legs = [(one.engine.objective, 0.05, 4), (one.engine.objective, 0.005, 4)]
    expected = adam_by_hand(legs, load_image("chelsea", size=SIZE))
    torch.testing.assert_close(one.engine.picture, expected, rtol=0, atol=2e-4)


def test_another_size_keeps_the_picture(make):
    one = make(start="noise").run(4)
    small = one.engine.picture
    one.controls["size"].widget.value = 96
    one.run(1)
    assert one.engine.picture.shape[-1] == 96
    assert one.engine.step == 5
    shrunk = torch.nn.functional.interpolate(one.engine.picture, small.shape[-2:], mode="area")
    assert torch.corrcoef(torch.stack([shrunk.flatten(), small.flatten()]))[0, 1] > 0.7


def test_a_photograph_of_another_shape_starts_over_and_says_so(make):
    one = make().run(4)
    one.change(content="astronaut").run(2)
    reason = message("restarted", reason="the photograph has another shape")
    assert one.engine.step == 2
    assert reason in one.status.value


def test_total_variation_is_a_part_of_its_own(make):
    one = make().run(2)
    picture = one.engine.picture
    one.change(total_variation=100.0).run(1)
    point = next(p for p in one.engine.points if p.step == 2 and p.goal == 1)
    assert point.parts["total variation"] == pytest.approx(
        100 * float(total_variation(picture)), rel=1e-4
    )
    assert sum(point.parts.values()) == pytest.approx(point.total, rel=1e-4)
    assert [mark.text for mark in one.engine.marks] == ["total variation 100"]
    assert "total variation" in one.curve.value


def test_the_style_has_a_size_of_its_own(make, network):
    one = make(style_size=64)
    assert one.result.style.shape[-1] == 64
    usual = make().engine.objective.style_targets["relu1_1"]
    assert not torch.allclose(one.engine.objective.style_targets["relu1_1"], usual)
    one.run(2)
    expected = transfer("chelsea", "dots", network=network, size=SIZE, style_size=64, steps=2,
                        optimizer="adam", learning_rate=0.05, progress=False)  # fmt: skip
    torch.testing.assert_close(one.engine.picture, expected.image, rtol=0, atol=1e-6)
    one.change(style_size=None).run(1)
    assert [mark.text for mark in one.engine.marks] == ["style size None"]


def test_a_network_of_the_readers_stays_where_it_is(network):
    copied = _network(network, "meta")
    assert {p.device.type for p in copied.parameters()} == {"meta"}
    assert {p.device.type for p in network.parameters()} == {"cpu"}
    assert _network(network, "cpu") is _network(network, None) is network


def test_another_start_starts_over(make):
    one = make().run(4)
    one.controls["start"].widget.value = "grey"
    one.run(2)
    assert [p.step for p in one.engine.points] == [0, 1, 2]
    assert one.settings.start == "grey"


def test_a_control_moved_before_the_run_changes_its_first_picture(make):
    one = make()
    one.controls["start"].widget.value = "grey"
    assert torch.all(one.engine.picture == 0.5)
    assert not one.engine.marks


def test_more_steps_asked_for_during_a_run(make):
    one = make(steps=10)
    gate = Gate(one.engine, 2)
    one.start()
    gate.wait()
    one.controls["steps"].widget.value = 20
    gate.open()
    finish(one)
    assert one.engine.step == 20
    assert not one.engine.marks  # the length of a run is not a move


# Pause, resume, step, reset


def test_pause_evaluates_no_more_and_resume_goes_on_as_if_nothing_had_been(make, monkeypatch):
    one, other = make(), make()
    gate = Gate(one.engine, 3)
    one.start()
    gate.wait()
    press(one.main_button)
    gate.open()
    wait_for(one, "paused")
    evaluations = len(one.engine.history)
    time.sleep(0.2)
    assert len(one.engine.history) == evaluations
    assert one.main_button.description == words()["actions"]["resume"]
    press(one.main_button)
    finish(one)
    assert torch.equal(one.engine.picture, other.run(8).engine.picture)


@pytest.mark.parametrize("optimizer", ["adam", *LBFGS_FAMILY])
def test_single_steps_give_the_same_images_as_a_run(make, optimizer):
    one, other = make(optimizer=optimizer, steps=4), make(optimizer=optimizer, steps=4)
    for step in range(1, 4):
        press(one.step_button)
        wait_for(one, "paused")
        assert one.engine.step == step
    one.stop()
    torch.testing.assert_close(one.engine.picture, other.run(3).engine.picture)


def test_reset_returns_to_the_first_picture_and_keeps_the_settings(make):
    one = make(start="noise", seed=7)
    first = one.engine.picture.clone()
    one.change(beta=123.0).run(3)
    press(one.reset_button)
    assert torch.equal(one.engine.picture, first)
    assert (one.engine.state, one.engine.points, one.engine.marks) == ("ready", [], [])
    assert one.settings.beta == 123.0


def test_reset_in_the_middle_ends_the_thread(make):
    one = make(steps=500)
    gate = Gate(one.engine, 2)
    one.start()
    gate.wait()
    thread = one.engine._thread
    gate.open()
    one.reset()
    assert not thread.is_alive()
    assert one.engine.step == 0


def test_a_second_studio_stops_the_first(make):
    one = make(steps=500)
    gate = Gate(one.engine, 2)
    one.start()
    gate.wait()
    thread = one.engine._thread
    gate.open()
    make()
    assert not thread.is_alive()
    assert one.engine.state == "paused"
    assert message("replaced") in one.status.value


# What goes wrong is said in the studio


def test_a_bad_upload_is_explained_and_changes_nothing(make):
    one = make()
    before = one.settings
    one.controls["content"].take("holiday<1>.jpg", b"no picture at all")
    told = BeautifulSoup(one.controls["content"].problem.value, "html.parser")
    assert "holiday<1>.jpg" in told.get_text()
    assert "Expected a complete JPEG" in told.get_text()
    assert one.settings is before


def png(width: int = 40, height: int = 30) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 40, 40)).save(file, "PNG")
    return file.getvalue()


def test_an_uploaded_picture_is_used(make):
    one = make()
    file = {"name": "mine.png", "type": "image/png", "size": len(png())}
    file |= {"content": memoryview(png()), "last_modified": datetime(2026, 1, 1)}
    one.controls["style"].upload.value = (file,)
    assert one.settings.style.name == "mine.png"
    one.run(1)
    assert one.engine.step == 1
    assert '"mine.png"' in one.code


def test_an_upload_asks_for_one_change_only(make):
    one = make(content="coffee")
    asked = []
    one.controls["content"].ask = lambda **changes: asked.append(changes)
    one.controls["content"].take("mine.png", png())
    assert [change["content"].name for change in asked] == ["mine.png"]


def test_files_are_read_in_the_form_of_ipywidgets_7_too():
    new = ({"name": "a.png", "content": memoryview(b"x")},)
    old = {"a.png": {"metadata": {}, "content": b"x"}}
    assert _files(new) == _files(old) == [("a.png", b"x")]


def test_a_loss_that_is_not_finite_is_explained_and_can_be_cured(make):
    one = make(beta=1e38)
    with pytest.warns(RuntimeWarning, match="best picture so far"), pytest.raises(RuntimeError):
        one.run(3)
    assert "not finite" in BeautifulSoup(one.trouble.value, "html.parser").get_text()
    one.change(beta=1e5).run(3)
    assert one.engine.state == "finished"
    assert one.trouble.value == ""
    assert torch.isfinite(one.engine.picture).all()


def test_an_error_of_any_kind_is_shown_with_its_traceback(make, monkeypatch):
    one = make()

    def broken(self, image):
        raise ZeroDivisionError("one < two")

    monkeypatch.setattr(StyleObjective, "__call__", broken)
    one.start()
    wait_for(one, "failed")
    one.stop()
    told = BeautifulSoup(one.trouble.value, "html.parser")
    assert "one < two" in told.get_text()
    assert "ZeroDivisionError" in told.find("details").get_text()


def test_a_move_that_cannot_be_is_explained_beside_the_picture(make):
    one = make().run(1)
    one.controls["steps"].ask(optimizer="scipy", learning_rate=0.3)
    assert "takes no learning_rate" in one.trouble.value
    assert one.settings.optimizer == "adam"


@pytest.mark.parametrize(
    ("settings", "error", "words_"),
    [
        ({"foo": 1}, TypeError, "foo=1 was given; .* content, style, .* style_size"),
        ({"optimizer": "scipy", "learning_rate": 0.3}, ValueError, "takes no learning_rate"),
        ({"beta": -1.0}, ValueError, "beta=-1.0 was given"),
        ({"total_variation": float("nan")}, ValueError, "total_variation=nan was given"),
        ({"content": "missing.jpg"}, ValueError, "no file 'missing.jpg'"),
    ],
)
def test_a_change_from_code_that_cannot_be_raises_and_changes_nothing(
    make, settings, error, words_
):
    one = make().run(1)
    before = one.settings
    with pytest.raises(error, match=words_):
        one.change(**settings)
    assert one.settings is before
    assert one.trouble.value == ""


@pytest.mark.parametrize(
    ("options", "error", "words_"),
    [
        ({"controls": "speed"}, ValueError, "there is no 'speed'"),
        ({"optimizer": "sgd"}, ValueError, "unknown optimizer 'sgd'"),
        ({"steps": 0}, ValueError, "steps=0 was given"),
        ({"beta": -1}, ValueError, "beta=-1"),
        ({"style_layers": "conv9"}, ValueError, "no layer 'conv9'"),
        ({"start": "middle"}, ValueError, "no file 'middle'"),
    ],
)
def test_input_that_cannot_be_used(make, options, error, words_):
    with pytest.raises(error, match=words_):
        make(**options)


def test_without_ipywidgets_the_error_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("nst_teach.interactive.")]:
        if name.endswith((".view", ".controls", ".pictures")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match=r"pip install .*git\+https://"):
        studio()


# Words come from one file


def test_every_control_says_what_the_file_says(make):
    one = make()
    assert tuple(one.controls) == control_names()
    for name, shown in one.controls.items():
        label, *_, help_ = (
            BeautifulSoup(child.value, "html.parser").get_text()
            for child in (shown.box.children[0], shown.box.children[-1])
        )
        assert (label, help_) == (control(name)["label"], control(name)["help"])


def test_sliders_have_the_ranges_of_the_file(make):
    one = make()
    for name in ("ratio", "learning_rate", "steps"):
        slider, entry = one.controls[name].widget, control(name)
        assert slider.min == min(entry["min"], slider.value)
        assert (slider.max, slider.step) == (entry["max"], entry["step"])


def test_every_message_can_be_filled_in():
    names = (
        "step steps rate left reason file memory content style optimizer network size start price"
    )
    values = dict.fromkeys(names.split(), "1")
    for name in words()["messages"]:
        assert "{" not in message(name, **values)


def test_the_file_of_words_ships_with_the_package():
    assert FILE.parent.name == "nst_teach"
    assert json.loads(FILE.read_text(encoding="utf-8")) == words()


def test_only_the_controls_asked_for_are_shown(make):
    one = make(controls=("start", "ratio"))
    assert list(one.controls) == ["start", "ratio"]
    assert 'data-controls="start ratio"' in one.html()


# Pictures and their words


def test_each_picture_has_words_that_stand_for_it(make):
    one = make(content="coffee").run(1)
    one.keep()
    assert {type(view) for view in pictures_of(one)} == {PictureView}
    for view in pictures_of(one):
        img = BeautifulSoup(view.widget.value, "html.parser").find("img")
        assert base64.b64decode(img["src"].partition(",")[2]) == view.jpeg
        size = Image.open(io.BytesIO(view.jpeg)).size
        assert (int(img["width"]), int(img["height"])) == size
        assert img["alt"] == view.alt
    assert samples.get("coffee").alt == one.controls["content"].thumbnail.alt
    assert message("picture_now", step=0) in one.now.alt
    assert samples.get("dots").alt in one.now.alt
    assert message("picture_kept", step=1) in one.before.alt


def pictures_of(one):
    thumbnails = [one.controls[name].thumbnail for name in ("content", "style")]
    return [one.now, one.before, *thumbnails]


def test_words_of_a_picture_are_escaped():
    view = PictureView()
    view.show(to_jpeg(torch.zeros(1, 3, 8, 8), 90), '"><script>alert(1)</script>')
    soup = BeautifulSoup(view.widget.value, "html.parser")
    assert not soup.find("script")
    assert soup.find("img")["alt"] == '"><script>alert(1)</script>'


def test_a_picture_that_stays_is_not_sent_again(make):
    one, sent = make().run(1), []
    one.now.widget.observe(lambda change: sent.append(change), "value")
    one.refresh()
    assert not sent


def test_every_name_in_the_documentation_can_be_imported():
    assert nst_teach.studio is studio
    assert nst_teach.interactive.control_names() == control_names()
    for name in re.findall(r"nst_teach\.interactive[.\w]*", api_page() + studio.__doc__):
        assert pydoc.locate(name) is not None, name


def api_page() -> str:
    return (ROOT / "book" / "src" / "api.md").read_text(encoding="utf-8")


# Scrub, compare, save, copy


def test_scrubbing_shows_the_frame_of_that_step(make):
    one = make().run(4)
    newest = one.now.jpeg
    one.scrub.value = 2
    assert one.now.jpeg == one.engine.frames.jpeg(2) != newest
    assert message("picture_now", step=2) in one.now_note.value
    one.scrub.value = one.scrub.max
    assert one.now.jpeg == newest


def test_at_its_end_the_slider_follows_the_run(make):
    one = make().run(2)
    assert one.scrub.value == one.scrub.max == 2
    one.run(3)
    assert one.scrub.value == one.scrub.max == 5
    one.scrub.value = 1
    one.run(2)
    assert one.scrub.value == 1


def test_frames_are_bounded_and_evenly_spaced():
    frames, picture = Frames(), torch.zeros(1, 3, 2, 2)
    for step in range(1000):
        frames.add(step, picture)
    gaps = {later - earlier for earlier, later in pairwise(frames.steps)}
    assert len(frames) <= MOST_FRAMES
    assert len(gaps) == 1
    assert frames.steps[0] == 0
    assert frames.steps[-1] > 1000 - 2 * max(gaps)
    assert frames.nearest(999) == frames.steps[-1]


LONG = Estimate(
    seconds=40.0, peak=1_200_000_000, evaluations=165, size=(384, 512), multiplications=1,
    needed=1000, network="petite",
)  # fmt: skip


@pytest.mark.parametrize(("price", "said"), [(LONG, LONG.sentence()), (None, "")])
def test_a_long_run_says_what_it_costs_before_it_begins(make, monkeypatch, price, said):
    monkeypatch.setattr(engine, "announcement", lambda objective, **how: price)
    one = make()
    assert said in one.status.value
    assert ("It takes" in one.status.value) == bool(said)
    one.run(1)
    assert "It takes" not in one.status.value


def test_a_run_that_does_not_fit_is_told_a_size_that_would(make, monkeypatch):
    large = replace(LONG, needed=10**15)
    monkeypatch.setattr(engine, "announcement", lambda objective, **how: large)
    assert re.search(r"only .* of memory are free. Use size=\d+ or less", make().status.value)


def test_the_price_follows_the_controls_and_is_found_once(make, monkeypatch):
    asked = []
    monkeypatch.setattr(engine, "announcement", lambda objective, **how: asked.append(how))
    one = make(steps=8)
    one.refresh()
    one.change(steps=9)
    one.change(optimizer="lbfgs")
    one.run(2)
    how = {"optimizer": "adam", "steps": 8}, {"optimizer": "adam", "steps": 9}
    assert asked == [*how, {"optimizer": "lbfgs", "steps": 9}]


def test_a_kept_run_stays_beside_the_next(make):
    one = make().run(3)
    before = [p.total for p in one.engine.points]
    press(one.keep_button)
    assert one.engine.state == "ready"
    one.change(beta=7e5).run(2)
    assert [p.total for p in one.kept.points] == before
    assert one.before_box.layout.display == "flex"
    assert "stroke-dasharray" in one.curve.value
    assert message("picture_kept", step=2) in one.before_note.value
    press(one.keep_button)
    assert one.kept is None
    assert one.before_box.layout.display == "none"


def test_save_writes_the_picture_and_offers_it(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = make().run(2)
    press(one.save_button)
    file = tmp_path / "chelsea-dots-step2.png"
    assert Image.open(file).tobytes() == to_pil(one.engine.picture).tobytes()
    link = BeautifulSoup(one.saved.value, "html.parser").find("a")
    assert link["download"] == file.name
    assert base64.b64decode(link["href"].partition(",")[2]) == file.read_bytes()


def test_save_takes_the_frame_on_the_stage(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = make().run(3)
    one.scrub.value = 1
    assert one.save().name == "chelsea-dots-step1.png"


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_code_runs_and_makes_the_same_picture(make, tmp_path, monkeypatch, optimizer):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NST_TEACH_PROGRESS", "0")
    one = make(
        optimizer=optimizer, start="grey", seed=2, style_layers={"relu1_1": 0.7},
        total_variation=1.0, style_size=48,
    ).run(3)  # fmt: skip
    scope: dict = {}
    exec(one.code, scope)
    made: Result = scope["result"]
    assert made.settings == one.result.settings
    assert torch.equal(made.image, one.engine.picture)
    assert (tmp_path / "result.png").exists()


def test_the_code_owns_up_to_moves_that_one_call_cannot_repeat(make):
    one = make().run(2)
    assert "#" not in one.code
    one.change(beta=5e5).run(2)
    assert "#   step 2: log β/α 5.7" in one.code


def test_the_code_button_opens_and_closes_a_text_area(make):
    one = make()
    press(one.code_button)
    area = BeautifulSoup(one.listing.value, "html.parser").find("textarea")
    assert area.get_text() == one.code
    press(one.code_button)
    assert one.listing.value == ""


def test_a_result_can_be_plotted_and_continued(make, network):
    one = make().run(3)
    result = one.result
    assert [r.step for r in result.history] == [0, 1, 2, 3]
    assert result.plot().axes
    longer = transfer("chelsea", "dots", network=network, size=SIZE, start=result, steps=1,
                      progress=False)  # fmt: skip
    assert longer.steps == 4


# In a page without a kernel

ATTRIBUTES = {
    "content", "style", "size", "controls", "content-layers", "style-layers", "alpha", "beta",
    "start", "optimizer", "learning-rate", "steps", "seed", "curve",
}  # fmt: skip


def figure_of(one):
    return BeautifulSoup(one.html(), "html.parser").find("figure")


def test_the_figure_tells_the_lab_everything(make):
    one = make(beta=4096.0, start="noise", seed=5, steps=90).run(2)
    figure = figure_of(one)
    data = {name.removeprefix("data-"): value for name, value in figure.attrs.items()
            if name.startswith("data-")}  # fmt: skip
    assert set(data) == ATTRIBUTES
    assert figure["class"] == ["nst-lab"]
    assert (data["content"], data["style"], data["size"]) == ("chelsea", "dots", str(SIZE))
    assert data["content-layers"] == "relu4_2:1"
    pairs = dict(pair.split(":") for pair in data["style-layers"].split())
    assert {layer: float(w) for layer, w in pairs.items()} == one.settings.style_layers
    assert (float(data["beta"]), data["start"], data["seed"]) == (4096.0, "noise", "5")
    assert float(data["learning-rate"]) == control("learning_rate")["default"]
    assert data["steps"] == "90"


def test_the_figure_brings_the_curves_that_the_cell_has_computed(make):
    one = make(steps=4).run(2).change(beta=4096.0).run(4)
    run = json.loads(figure_of(one)["data-curve"])
    points, marks = one.engine.points, one.engine.marks
    assert run["steps"] == [point.step for point in points]
    assert run["total"] == pytest.approx([point.total for point in points], rel=1e-3)
    for name, values in run["parts"].items():
        assert values == pytest.approx([point.parts[name] for point in points], rel=1e-3)
    assert run["marks"] == [[mark.step, mark.text] for mark in marks] != []


def test_a_cell_without_a_step_brings_no_curves(make):
    assert "data-curve" not in figure_of(make()).attrs


def test_curves_that_travel_are_light_and_know_what_was_off():
    parts = [{"content c": 1.0 / (n + 1), "style s": 1e5 / (n + 1)} for n in range(500)]
    parts[-1] = {"content c": math.nan}
    text = curves.as_json([Point(n, sum(p.values()), p, 0) for n, p in enumerate(parts)])
    run = json.loads(text)
    assert len(text) < 4000
    assert (run["steps"][0], run["steps"][-1]) == (0, 499)
    assert (run["parts"]["content c"][-1], run["parts"]["style s"][-1]) == (None, None)
    assert run["total"][-1] is None


def test_the_poster_is_small_and_shows_the_run(make):
    one = make(size=192, start="noise", steps=3)  # noise is what JPEG likes least
    address = figure_of(one).find("img")["src"]
    jpeg = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    assert len(jpeg) <= 15_000
    one = make(size=96).run(2)
    image = figure_of(one).find("img")
    assert image["alt"]
    caption = figure_of(one).find("figcaption").get_text()
    assert "2 steps of Adam with the network petite at 96 pixels. Start: photograph" in caption


def test_a_run_that_the_lab_cannot_repeat_is_a_still(make, network):
    assert figure_of(make(total_variation=1.0))["class"] == ["nst-lab-still"]
    own = make(content=load_image("coffee", size=SIZE))
    assert figure_of(own)["class"] == ["nst-lab-still"]
    assert message("poster_hint") not in own.html()
    assert not [name for name in figure_of(own).attrs if name.startswith("data-")]


def test_names_of_files_are_escaped(make):
    one = make()
    nasty = uploaded('"><script>alert(1)</script>.png', png())
    one.engine.settings = replace(one.settings, style=nasty)
    soup = BeautifulSoup(one.html(), "html.parser")
    assert not soup.find("script")
    assert "<script>" in soup.find("figcaption").get_text()


def test_a_texture_says_that_it_is_one(make):
    one = make(alpha=0.0, start="noise").run(2)
    assert figure_of(one)["data-alpha"] == "0"
    assert "A texture in the style of" in figure_of(one).get_text()


def test_a_cell_in_a_real_kernel_offers_widgets_and_a_page():
    code = "import nst_teach\nnst_teach.studio(size=32, controls='ratio').run(2)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs  # and nothing on stderr
    assert "application/vnd.jupyter.widget-view+json" in output.data
    assert 'class="nst-lab"' in output.data["text/html"]
    assert output.data["text/plain"] == "Studio(finished, step 2 of 2)"


# Curves


def test_the_drawing_is_well_formed_and_keeps_to_its_scale():
    points = [Point(step, 10.0 ** (4 - step), {"content c": 1.0}, 0) for step in range(5)]
    root = ET.fromstring(curves.svg(points, [Mark(2, "a < b")]))
    assert root.tag == "svg"
    assert "a < b" in [text.text for text in root.iter("text")]
    frame = curves.Frame.around(points)
    assert (frame.low, frame.high) == (0, 4)
    heights = [frame.y(p.total) for p in points]  # a decade a step: a straight line
    assert {round(b - a, 6) for a, b in pairwise(heights)} == {round(heights[1] - heights[0], 6)}


def test_a_part_that_is_zero_breaks_its_line():
    points = [Point(step, 1.0, {"content c": float(step != 2)}, 0) for step in range(5)]
    path = curves._path(curves.Frame.around(points), points, "content c")
    assert path.count("M") == 2


def test_thinning_keeps_both_sides_of_a_move():
    points = [Point(step, 1.0, {}, int(step > 700)) for step in range(2000)]
    thinned = curves._thinned(points)
    assert len(thinned) < 2 * curves.MOST_POINTS
    assert {700, 701} <= {p.step for p in thinned}


def test_an_empty_run_has_axes_and_no_curve():
    root = ET.fromstring(curves.svg([]))
    assert not [path for path in root.iter("path") if path.get("stroke-width") in ("1.4", "2.2")]


# Settings


def test_two_settings_differ_only_in_what_matters(make):
    settings = make().settings
    assert same_settings(settings, replace(settings, steps=99))
    assert not same_settings(settings, replace(settings, seed=1))
    assert same_objective(settings, replace(settings, optimizer="lbfgs", seed=4))
    assert not same_objective(settings, replace(settings, beta=1.0))


# --- many of them --------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_studios(network):
    """A cell that is run again makes another one; tools/growth.py measures two hundred of them."""

    def make_and_forget():
        return weakref.ref(studio("chelsea", "dots", size=SIZE, network=network))

    first, second = make_and_forget(), make_and_forget()
    gc.collect()
    assert first() is not None, "its widgets may be on the screen"
    for _ in range(release.ALIVE - 1):
        make_and_forget()
    gc.collect()
    assert first() is None
    assert second() is not None


def test_a_studio_whose_widgets_are_gone_still_runs(make):
    """As one that is assigned to a name, many cells above."""
    old = make()
    for _ in range(release.ALIVE):
        make()
    assert old.run(3).engine.step == 3
    assert old.change(alpha=2.0).result.steps == 3
