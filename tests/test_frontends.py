"""The studio where it is used: in JupyterLab and Notebook, with ipywidgets 8 and 7, in a browser.

Every test works at a real server with a real kernel, and ends without an error in page or console.
"""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from conftest import ROOT
from frontends import (
    FRONT_ENDS,
    WIDTHS,
    Reader,
    StudioOnScreen,
    decoded,
    rgb,
    serving,
    studio_cells,
    until,
    write_notebook,
)
from PIL import Image

from nst_teach import samples
from nst_teach.interactive import curves
from nst_teach.interactive.words import action, control, message

CHAPTER = "07_the_studio"
SMALL = ("intro", "04_gram_matrices", "05_total_loss", "08_which_layers")
JPEG = 5.0  # mean difference, out of 255, that JPEG makes in rough pictures
RED = (230, 40, 40)
PAINTED = 10.0  # mean difference of pictures that are clearly two


@pytest.fixture(scope="module", params=FRONT_ENDS)
def server(request, tmp_path_factory):
    kind = FRONT_ENDS[request.param]
    if missing := kind.missing():
        required = os.environ.get("NST_TEACH_REQUIRE_BROWSER") == "1"
        pytest.fail(missing, pytrace=False) if required else pytest.skip(missing)
    with serving(kind, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(scope="module")
def reader(browser, server):
    """At chapter 7, with its cells run."""
    cells = studio_cells(CHAPTER)
    write_notebook(server.folder / f"{CHAPTER}.ipynb", cells)
    reader = Reader(browser, server)
    reader.open(f"{CHAPTER}.ipynb")
    reader.cell = reader.run_all(len(cells))
    yield reader
    reader.close()


@pytest.fixture
def studio(reader):
    """The chapter's studio, halted; afterwards nothing may have gone wrong."""
    yield StudioOnScreen(reader, reader.cell)
    assert reader.all_faults() == []


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of two pictures, out of 255."""
    assert one.shape == other.shape
    return float(np.abs(one - other).mean())


def coarse(picture: np.ndarray) -> np.ndarray:
    """What is left of a picture at 8 × 8: where what colour is."""
    small = Image.fromarray(picture.astype(np.uint8)).resize((8, 8), Image.Resampling.BOX)
    return np.asarray(small, dtype=float)


def halt(studio) -> dict:
    """Pause, unless a fast run has ended; wait, and return what the kernel holds."""
    ended = studio.button(action("more"))
    if not ended.is_visible():
        studio.press(action("pause"))
    studio.button(action("resume")).or_(ended).wait_for()
    return settled(studio)


def settled(studio) -> dict:
    """What the kernel holds, once the page shows the same step."""
    held = studio.reader.kernel.studio()
    until(lambda: studio.step() == held["step"], lambda: f"{studio.step()} != {held['step']}")
    return held


def assert_shows_what_the_kernel_holds(studio) -> None:
    settled(studio)
    held = studio.reader.kernel.picture()
    assert distance(studio.shown(), held) < JPEG
    assert distance(coarse(studio.on_screen()), coarse(held)) < JPEG


def test_the_chapters_cell_shows_the_kernels_picture(studio, reader):
    held = settled(studio)
    assert (held["state"], held["step"]) == ("finished", 60)
    assert_shows_what_the_kernel_holds(studio)
    assert len(studio.curve()) == 7  # the total, the content and five layers of the style


def test_each_picture_has_a_name_for_those_who_cannot_see_it(studio):
    now, *thumbnails = (img.get_attribute("alt") for img in studio.box.locator("img:visible").all())
    assert message("picture_now", step=60) in now
    assert thumbnails == [samples.get(name).alt for name in ("chelsea", "night_swirls")]
    for name in (now, *thumbnails):  # what the browser tells a screen reader
        assert studio.box.get_by_role("img", name=name, exact=True).count() == 1


def test_start_and_pause(studio, reader):
    before, curve = studio.shown(), studio.curve()
    studio.press(action("reset"))
    studio.wait_for(message("ready"))
    assert distance(studio.shown(), before) > PAINTED
    assert studio.curve() == []
    studio.press(action("start"))
    studio.wait_for_step(3)
    held = halt(studio)
    assert held["state"] == "paused"
    assert held["points"] == held["step"] + 1
    assert_shows_what_the_kernel_holds(studio)
    assert len(studio.curve()) == len(curve)


def test_moves_while_it_runs(studio, reader):
    beta = settled(studio)["beta"]
    studio.press(action("resume"))
    studio.drag(control("ratio")["label"], pixels=20)
    studio.wait_for(re.compile(control("ratio")["mark"]))
    studio.type_into(control("layers")["label"], 4, "0")
    studio.wait_for("layers relu5_1 0")
    studio.wait_for_step(settled_step(studio) + 2)
    held = halt(studio)
    assert beta is None
    assert held["beta"] > 0
    assert held["layers"]["relu5_1"] == 0
    assert any(mark.startswith(control("ratio")["mark"]) for mark in held["marks"])
    assert "layers relu5_1 0" in held["marks"]
    assert_shows_what_the_kernel_holds(studio)


def settled_step(studio) -> int:
    return int(studio.reader.kernel.studio()["step"])


def test_another_start_while_it_runs_begins_again(studio, reader):
    studio.press(action("resume"))
    studio.choose(control("start")["label"], "grey")
    studio.wait_for(re.compile(message("restarted", reason="").strip(" .:")))
    studio.wait_for_step(2)
    held = halt(studio)
    assert held["start"] == "grey"
    assert held["step"] < 60
    assert_shows_what_the_kernel_holds(studio)


def test_keep_a_run_and_compare(studio, reader):
    kept, lines = studio.shown(), len(studio.curve())
    step = studio.step()
    studio.press(action("keep"))
    studio.wait_for(message("kept"))
    studio.choose(control("start")["label"], "photograph")
    studio.press(action("start"))
    studio.wait_for_step(step)
    halt(studio)
    assert_shows_what_the_kernel_holds(studio)
    assert message("picture_kept", step=step) in studio.text()
    assert distance(studio.shown(1), kept) < JPEG
    assert len(studio.curve()) > lines
    pale = f"path[stroke-linejoin][opacity='{curves.PALE}']"
    assert studio.box.locator(pale).count() == lines
    studio.press(action("forget"))
    studio.box.locator(".nst-pictures img:visible").nth(1).wait_for(state="detached")


def test_a_good_and_a_bad_upload(studio, reader, tmp_path):
    good, bad = tmp_path / "red.png", tmp_path / "holiday.jpg"
    Image.new("RGB", (64, 48), RED).save(good)
    bad.write_bytes(b"no picture at all")
    label = control("style")["label"]
    studio.upload(label, good)
    until(lambda: reader.kernel.studio()["style"] == good.name, "the upload did not arrive")
    thumbnail = studio.control(label).locator("img")
    until(lambda: good.name in thumbnail.get_attribute("alt"), "no thumbnail of the upload")
    assert np.abs(decoded(thumbnail) - RED).max() < JPEG
    studio.upload(label, bad)
    refused = message("upload_failed", file=bad.name, reason="").strip()
    studio.control(label).get_by_text(refused).wait_for()
    assert reader.kernel.studio()["style"] == good.name


def test_save(studio, reader):
    held = settled(studio)
    studio.press(action("save"))
    with reader.tab.expect_download() as download:
        studio.box.get_by_role("link", name=action("download")).click()
    name = download.value.suggested_filename
    assert name.endswith(f"step{held['step']}.png")
    saved = reader.server.folder / name
    assert download.value.path().read_bytes() == saved.read_bytes()
    assert distance(rgb(saved.read_bytes()), reader.kernel.picture()) == 0


def test_show_the_code(studio, reader):
    studio.press(action("copy"))
    area = studio.box.locator("textarea")
    area.wait_for()
    assert area.input_value() == reader.kernel.studio()["code"]
    studio.press(action("copy"))
    area.wait_for(state="detached")


@pytest.mark.parametrize("width", [*reversed(WIDTHS)])
def test_nothing_is_cut_off(studio, reader, width):
    reader.tab.set_viewport_size({"width": WIDTHS[width], "height": 1000})
    if width == "phone" and "lab" in reader.server.kind.module:
        reader.tab.keyboard.press("Control+b")  # the list of files covers half of the screen
    until(lambda: not studio.overflowing(), lambda: str(studio.overflowing()))
    assert_shows_what_the_kernel_holds(studio)


def test_a_restart_in_the_middle_of_a_run(studio, reader):
    step = studio.step()
    studio.press_main()
    studio.wait_for_step(step + 1)
    reader.restart()
    reader.cell = reader.run_all(len(studio_cells(CHAPTER)))
    again = StudioOnScreen(reader, reader.cell)
    assert settled(again)["step"] == 60
    assert_shows_what_the_kernel_holds(again)
    again.press(action("more"))
    again.wait_for_step(62)
    halt(again)
    assert_shows_what_the_kernel_holds(again)


def test_the_small_studios(browser, server):
    cells = [cell for chapter in SMALL for cell in studio_cells(chapter)[1:]]
    assert len(cells) == len(SMALL)
    write_notebook(server.folder / "small.ipynb", cells)
    reader = Reader(browser, server)
    try:
        reader.open("small.ipynb")
        for number in range(len(cells)):
            studio = StudioOnScreen(reader, reader.run_cell(number))
            assert_shows_what_the_kernel_holds(studio)
            assert studio.curve()
            assert studio.overflowing() == []
        assert reader.all_faults() == []
    finally:
        reader.close()


FAILS = """
import ipywidgets
from nst_teach.interactive.embed import to_jpeg
from nst_teach import load_image
ipywidgets.Image(value=to_jpeg(load_image("chelsea", size=64), 90), tooltip="A cat.")
"""


def test_a_view_that_fails_is_noticed(browser, server):
    """ipywidgets 8 cannot draw an Image that has a tooltip; nothing here would work without it."""
    if server.kind.widgets == "7.":
        pytest.skip("ipywidgets 7 leaves the tooltip out, and draws the picture")
    write_notebook(server.folder / "fails.ipynb", [FAILS])
    reader = Reader(browser, server)
    try:
        reader.open("fails.ipynb")
        reader.run_cell(0)
        reader.tab.get_by_text("Click to show javascript error").wait_for()
        assert "a widget could not be drawn" in reader.all_faults()
        assert any("Could not create a view" in fault for fault in reader.faults)
    finally:
        reader.close()


def test_the_notebooks_hold_the_chapters_own_cells():
    for chapter in (CHAPTER, *SMALL):
        text = (ROOT / "book" / "src" / f"{chapter}.md").read_text(encoding="utf-8")
        assert studio_cells(chapter)[-1] in text
