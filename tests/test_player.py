"""The player of clips: the right frame in the window, for eyes, keys and screen readers."""

from __future__ import annotations

import base64
import contextlib
import io

import numpy as np
import pages
import pytest
import serve
import torch
from bs4 import BeautifulSoup
from PIL import Image

from nst_teach import ImageError
from nst_teach.player import Player, player

COUNT, HEIGHT, WIDTH = 4, 24, 40
LEVELS = (0.0, 0.25, 0.75, 1.0)
ALT = {"one": "From black to white.", "two": "From white to black."}


def clip(levels=LEVELS, height=HEIGHT, width=WIDTH) -> list[torch.Tensor]:
    """Flat frames, each of its own grey."""
    return [torch.full((1, 3, height, width), level) for level in levels]


def two_clips(**options) -> Player:
    return player({"one": clip(), "two": clip(LEVELS[::-1])}, alt=ALT, **options)


def strips(shown: Player) -> list[np.ndarray]:
    """The pictures inside the HTML, as arrays."""
    images = BeautifulSoup(shown.html, "html.parser").find_all("img")
    data = [base64.b64decode(image["src"].partition("base64,")[2]) for image in images]
    return [np.asarray(Image.open(io.BytesIO(d))) for d in data]


# --- what is in it -------------------------------------------------------------------------------


def test_every_frame_is_in_the_strip_from_top_to_bottom():
    one, two = strips(two_clips(quality=95))
    assert one.shape == (COUNT * HEIGHT, WIDTH, 3)
    means = one.reshape(COUNT, -1).mean(1)
    assert means == pytest.approx([255 * level for level in LEVELS], abs=2)
    assert two.reshape(COUNT, -1).mean(1) == pytest.approx(means[::-1], abs=2)


def test_it_has_a_text_for_every_clip_and_asks_nobody_for_anything():
    soup = BeautifulSoup(two_clips().html, "html.parser")
    assert pages.faults_of_images(soup) == []
    assert pages.outside_requests(soup) == []
    assert [image["alt"] for image in soup.find_all("img")] == list(ALT.values())
    assert soup.find("input")["aria-label"] == "Frame"


def test_words_are_escaped():
    shown = player({"<b>": clip()}, alt={"<b>": 'a "quote"'}, caption="1 < 2")
    soup = BeautifulSoup(shown.html, "html.parser")
    assert soup.find("b") is None
    assert soup.find("img")["alt"] == 'a "quote"'
    assert soup.find("figcaption").text == "1 < 2"


def test_it_shows_itself_in_a_notebook_and_says_what_it_is_elsewhere():
    shown = two_clips()
    assert shown._repr_html_() == shown.html
    assert repr(shown) == f"Player(2 clips of {COUNT} frames, {WIDTH}×{HEIGHT} px)"


def test_it_is_the_same_each_time():
    assert two_clips().html == two_clips().html


@pytest.mark.parametrize(
    "clips",
    [
        {},
        {"one": []},
        {"one": clip(), "two": clip()[1:]},
        {"one": clip(), "two": clip(height=HEIGHT + 1)},
        {"one": [*clip()[1:], *clip(LEVELS[:1], width=WIDTH + 1)]},
    ],
    ids=["none", "empty", "lengths", "sizes", "sizes within"],
)
def test_clips_that_cannot_run_in_step_are_refused(clips):
    with pytest.raises(ImageError, match="same number of frames of the same size"):
        player(clips, alt=ALT)


def test_a_clip_without_a_text_is_refused():
    with pytest.raises(KeyError, match="two"):
        player({"one": clip(), "two": clip()}, alt={"one": "Grey."})


# --- in a browser --------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(browser, tmp_path, *, motion="reduce", players=1, **options):
    """A page with so many players, and what went wrong on it."""
    body = two_clips(**options).html * players
    page = f'<!doctype html><html lang="en"><head><meta charset="utf-8"></head><body>{body}</body>'
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    (tmp_path / "favicon.ico").touch()
    with serve.served(tmp_path) as address:
        context = browser.new_context(reduced_motion=motion, viewport={"width": 800, "height": 700})
        with contextlib.closing(context):
            tab = context.new_page()
            watch = pages.Watch(tab, address)
            tab.goto(f"{address}page.html")
            yield tab
            assert watch.faults == []


def grey(tab, clip: int) -> float:
    """The grey in the middle of a clip's window, as the reader sees it, in [0, 1]."""
    window = tab.locator(".window").nth(clip)
    pixels = np.asarray(Image.open(io.BytesIO(window.screenshot())).convert("L"))
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2] / 255


def frame(tab) -> int:
    return int(tab.locator("input").first.input_value())


def test_the_window_shows_one_whole_frame_and_the_slider_chooses_it(browser, tmp_path):
    with opened(browser, tmp_path) as tab:
        box = tab.locator(".window").first.bounding_box()
        assert box["width"] / box["height"] == pytest.approx(WIDTH / HEIGHT, rel=0.02)
        for number, level in enumerate(LEVELS, start=1):
            tab.locator("input").fill(str(number))
            assert grey(tab, 0) == pytest.approx(level, abs=0.02)
            assert grey(tab, 1) == pytest.approx(LEVELS[-number], abs=0.02)
            assert tab.locator("output").text_content() == f"{number} / {COUNT}"


def test_it_works_with_the_keyboard_alone(browser, tmp_path):
    with opened(browser, tmp_path) as tab:
        tab.keyboard.press("Tab")
        tab.keyboard.press("Tab")
        tab.keyboard.press("ArrowRight")
        assert frame(tab) == 2
        tab.keyboard.press("Shift+Tab")
        tab.keyboard.press("Enter")
        assert tab.locator("button").text_content() == "Pause"


def test_it_plays_at_once_and_stops_on_demand(browser, tmp_path):
    with opened(browser, tmp_path, motion="no-preference", frames_per_second=50) as tab:
        tab.wait_for_function("document.querySelector('input').value > 1")
        tab.get_by_role("button", name="Pause").click()
        stopped = frame(tab)
        tab.wait_for_timeout(200)
        assert frame(tab) == stopped
        assert tab.get_by_role("button", name="Play").count() == 1


def test_whoever_takes_the_slider_stops_the_clip(browser, tmp_path):
    with opened(browser, tmp_path, motion="no-preference", frames_per_second=50) as tab:
        tab.locator("input").fill("3")
        tab.wait_for_timeout(200)
        assert frame(tab) == 3
        assert tab.get_by_role("button", name="Play").count() == 1


def test_nothing_moves_for_readers_who_asked_for_less_motion(browser, tmp_path):
    with opened(browser, tmp_path, frames_per_second=50) as tab:
        tab.wait_for_timeout(200)
        assert frame(tab) == 1
        tab.get_by_role("button", name="Play").click()
        tab.wait_for_function("document.querySelector('input').value > 1")


@pytest.mark.parametrize(
    ("bounce", "order"), [(False, [1, 2, 3, 4, 1, 2]), (True, [1, 2, 3, 4, 3, 2])]
)
def test_the_end_leads_to_the_start_or_back_again(browser, tmp_path, bounce, order):
    with opened(browser, tmp_path, bounce=bounce, frames_per_second=20) as tab:
        tab.evaluate(
            """() => {
              window.seen = [1];
              const style = document.querySelector("img");
              new MutationObserver(() => seen.push(+document.querySelector("input").value))
                .observe(style, {attributes: true, attributeFilter: ["style"]});
            }"""
        )
        tab.get_by_role("button", name="Play").click()
        tab.wait_for_function("seen.length >= 6")
        assert tab.evaluate("seen.slice(0, 6)") == order


def test_two_players_on_a_page_do_not_disturb_each_other(browser, tmp_path):
    with opened(browser, tmp_path, players=2) as tab:
        tab.locator("button").first.click()
        assert tab.locator("button").all_text_contents() == ["Pause", "Play"]
        tab.locator("button").first.click()
        tab.locator("input").first.fill("1")
        tab.locator("input").nth(1).fill("3")
        assert frame(tab) == 1
        assert grey(tab, 2) == pytest.approx(LEVELS[2], abs=0.02)


@pytest.mark.parametrize(("columns", "below"), [(1, True), (2, False)])
def test_clips_stand_in_columns_and_fit_a_phone(browser, tmp_path, columns, below):
    with opened(browser, tmp_path, columns=columns) as tab:
        tab.set_viewport_size({"width": 390, "height": 844})
        one, two = (tab.locator(".clip").nth(i).bounding_box() for i in (0, 1))
        assert (two["y"] > one["y"]) == below
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
