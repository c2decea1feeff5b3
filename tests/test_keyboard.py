"""The book by keyboard alone, in Chromium: the walk of keyboard.py, and what each key does.

All pages take two minutes of one core, so they are walked through only if asked for:

    NST_TEACH_SITE=_build/html python -m pytest tests/test_keyboard.py
"""

from __future__ import annotations

import contextlib

import browsers
import keyboard
import labs
import pages
import pytest
import serve


@contextlib.contextmanager
def opened(browser, address: str, page: str, screen: str = "phone"):
    """A tab that shows a page."""
    width, height = pages.SCREENS[screen]
    size = {"width": width, "height": height}
    context = browser.new_context(viewport=size, color_scheme="dark", reduced_motion="reduce")
    with contextlib.closing(context):
        tab = context.new_page()
        tab.goto(address + page)
        tab.wait_for_load_state("networkidle")
        yield tab


@pytest.fixture(scope="module")
def address():
    """Where the built book is served."""
    with serve.served(browsers.built_site()) as address:
        yield address


def test_every_page_can_be_walked_through(browser, address):
    faults = {}
    for page in browsers.names(browsers.built_site()):
        with opened(browser, address, page) as tab:
            pages.reveal(tab)
            if found := keyboard.faults(tab):
                faults[page] = found
    assert faults == {}


def test_the_columns_beside_the_text_can_be_walked_through(browser, address):
    with opened(browser, address, "book/chapters/intro.html", "desk") as tab:
        assert keyboard.faults(tab) == []


def test_keys_open_answers_run_the_lab_and_change_the_theme(browser, address):
    with opened(browser, address, "book/chapters/05_total_loss.html", "desk") as tab:
        press = tab.keyboard.press
        answer = tab.locator("details.answer").first
        answer.locator("summary").focus()
        for key, is_open in (("Space", True), ("Enter", False)):
            press(key)
            assert answer.evaluate("e => e.open") is is_open
        code = tab.locator("details.hide").first
        code.locator("summary").focus()
        press("Enter")
        assert code.evaluate("e => e.open")
        labs.until(tab, "document.querySelector('figure.nst-lab').lab !== undefined")
        tab.get_by_role("button", name="Start", exact=True).first.focus()
        press("Enter")
        labs.until(tab, "document.querySelector('figure.nst-lab').lab.past.step > 1")
        slider = tab.locator("figure.nst-lab [data-name] input[type=range]").first
        before = slider.input_value()
        slider.focus()
        press("ArrowRight")
        assert slider.input_value() != before
        theme = "document.documentElement.dataset.theme"
        tab.locator(".theme-switch-button:visible").first.focus()
        seen = {tab.evaluate(theme)}
        for _ in range(2):
            press("Enter")
            seen.add(tab.evaluate(theme))
        assert seen == {"light", "dark"}


def test_keys_search(browser, address):
    with opened(browser, address, "book/chapters/intro.html", "desk") as tab:
        tab.keyboard.press("Control+k")
        assert tab.evaluate("document.activeElement.matches('dialog[open] input[type=search]')")
        tab.keyboard.press("Escape")
        assert tab.locator("dialog[open]").count() == 0
        tab.keyboard.press("Control+k")
        tab.keyboard.type("gradient")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("ul.search li a")


# The walk itself: it must see the fault that it is for

STOPS = '<p><a href="#a">one</a> <button>two</button> <input aria-label="three"></p>'
FAULTS = {
    "focus is not seen": "<style>a:focus { outline: none }</style>",
    "focus is covered": "<div style='position: fixed; inset: 0; background: red'></div>",
    "Tab does not reach": """<script>addEventListener('keydown', event => {
        if (event.target.matches('button')) {
            event.preventDefault();
            document.querySelector('a').focus();
        }
    })</script>""",
    "out of order": '<a href="#b" tabindex="1">first</a>',
    "for the mouse only": '<div style="cursor: pointer">press me</div>',
}


def walk(browser, folder, body: str) -> list[str]:
    """The faults of a page with this body."""
    html = f'<!doctype html><html lang="en"><head><title>A page</title></head><body>{body}</body>'
    (folder / "page.html").write_text(html)
    with serve.served(folder) as address, opened(browser, address, "page.html") as tab:
        return keyboard.faults(tab)


@pytest.mark.parametrize(("fault", "body"), FAULTS.items(), ids=FAULTS)
def test_the_walk_sees(fault, body, browser, tmp_path):
    assert any(line.startswith(fault) for line in walk(browser, tmp_path, STOPS + body))


def test_the_walk_accepts_a_good_page(browser, tmp_path):
    assert walk(browser, tmp_path, STOPS) == []
