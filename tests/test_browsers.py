"""The built book in Firefox and WebKitGTK, which see all pages once; Chromium is in test_book.py.

It takes a built book and two minutes of one core, so the workflow has a step for it:

    python course.py book
    NST_TEACH_SITE=_build/html python -m pytest tests/test_browsers.py
"""

from __future__ import annotations

import os
from pathlib import Path

import browsers
import pages
import pytest

BROWSERS = {
    "firefox": (browsers.find_firefox, browsers.firefox, "firefox-esr"),
    "webkit": (browsers.find_webkit, browsers.webkit, "webkit2gtk-driver xvfb"),
}
"""How each is found, how it is started, and Debian's packages that bring it."""

CHAPTER = "book/chapters/{}.html"
SWITCH = "document.querySelector('.theme-switch-button')"
LAB = "document.querySelector('figure.nst-lab')"
PLAYER = "document.querySelector('.nst-player')"
ANSWER = "document.querySelector('details.answer')"

TYPESET = "[...document.querySelectorAll('.math')].every(e => e.querySelector('mjx-math'))"


@pytest.fixture(scope="module")
def site() -> Path:
    """A built book."""
    return browsers.built_site()


@pytest.fixture(scope="module", params=BROWSERS)
def tab(request, site):
    """A tab of one of the browsers."""
    find, start, packages = BROWSERS[request.param]
    if not find():
        reason = f"no {request.param} found. Install it (Debian: apt-get install {packages})."
        required = os.environ.get("NST_TEACH_REQUIRE_BROWSER") == "1"
        pytest.fail(reason, pytrace=False) if required else pytest.skip(reason)
    pytest.importorskip("websocket")
    with start() as tab:
        tab.resize(*pages.SCREENS["desk"])
        yield tab


@pytest.fixture(scope="module")
def served(site):
    """The address of the book, and what was asked for in vain."""
    with browsers.watched(site) as served:
        yield served


def opened(tab, served, page: str) -> None:
    """Open a page and wait for its formulas."""
    tab.go(served[0] + page)
    tab.wait(TYPESET)


def test_every_page_opens_in_both_themes_and_widths(tab, served, site):
    missing = served[1]
    faults = {}
    for page in browsers.names(site):
        opened(tab, served, page)
        found = pages.faults_on_screen(tab)
        if tab.evaluate("document.documentElement.dataset.theme") == "light":
            tab.click(SWITCH)
        tab.resize(*pages.SCREENS["phone"])
        found += pages.faults_on_screen(tab)
        tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        found += [*pages.faults_on_screen(tab), *tab.faults, *missing]
        missing.clear()
        tab.resize(*pages.SCREENS["desk"])
        if found:
            faults[page] = list(dict.fromkeys(found))
    assert faults == {}


def test_theme_switch_changes_the_colours(tab, served):
    opened(tab, served, CHAPTER.format("intro"))
    seen = set()
    for _ in range(3):  # dark, light, and what the system has
        tab.click(SWITCH)
        seen.add(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(seen) == 2


def test_an_answer_opens(tab, served):
    opened(tab, served, CHAPTER.format("05_total_loss"))
    tab.click(f"{ANSWER}.querySelector('summary')")
    assert tab.evaluate(f"{ANSWER}.open")
    tab.press(browsers.SPACE, f"{ANSWER}.querySelector('summary')")
    assert not tab.evaluate(f"{ANSWER}.open")


def test_the_lab_lowers_its_loss(tab, served):
    opened(tab, served, CHAPTER.format("intro"))
    tab.wait(f"{LAB}.lab !== undefined")
    tab.click(f"[...{LAB}.querySelectorAll('button')].find(b => b.textContent === 'Start')")
    tab.wait(f"{LAB}.lab.past.step >= 12 || {LAB}.lab.state === 'failed'")
    losses = tab.evaluate(f"{LAB}.lab.past.points.map(point => point.losses.total)")
    assert losses[-1] < losses[0] / 2, tab.evaluate(f"{LAB}.innerText")
    assert tab.faults == []
    assert served[1] == []


def test_the_player_plays(tab, served):
    opened(tab, served, CHAPTER.format("11_fast_and_moving"))
    frame = f"Number({PLAYER}.querySelector('input').value)"
    assert tab.evaluate(frame) == 1
    tab.press(browsers.RIGHT, f"{PLAYER}.querySelector('input')")
    assert tab.evaluate(frame) == 2
    tab.press(browsers.ENTER, f"{PLAYER}.querySelector('button')")
    tab.wait(f"{frame} > 3")


SIGHTS = {
    "console error: paint": "<script>console.error('paint')</script>",
    "script error": "<script>throw new Error('spilt')</script>",
    "did not load": '<img src="missing.png" alt="A picture that is not there">',
    "request to outside": '<img src="http://outside.invalid/a.png" alt="A picture elsewhere">',
}


def test_watch_sees(tab, tmp_path):
    body = "\n".join(SIGHTS.values())
    html = f"<!doctype html><html><head><title>A page</title></head><body>{body}</body></html>"
    (tmp_path / "page.html").write_text(html)
    with browsers.watched(tmp_path) as (address, missing):
        tab.go(f"{address}page.html")
        tab.wait(f"window.seenFaults.length >= {len(SIGHTS)}", 5)
        assert all(any(line.startswith(fault) for line in tab.faults) for fault in SIGHTS)
        assert "request failed (404): /missing.png" in missing
