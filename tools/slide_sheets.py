"""Look at all slides at once: a contact sheet of each deck, and what does not fit.

    python tools/slide_sheets.py FOLDER [--dark] [DECK ...]    decks such as session_03

Each slide is opened in Chromium at 1280 x 720 pixels. The sheets are written into FOLDER, and what
is wrong is printed. The built book must have its slides (`python tools/slides.py`).
"""

from __future__ import annotations

import argparse
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromium
from PIL import Image
from serve import served
from slide_pieces import FOLDER
from slides import SITE

SIZE = (1280, 720)
THUMB, COLUMNS, GAP = (640, 360), 4, 4
PER_SHEET = 24
SMALL = 0.75  # of the usual size of text: smaller is too small for the last row
LOW = 300  # pixels; a lower picture is lost on its slide

MEASURE = """() => [...document.querySelectorAll(".reveal .slides section")].map((slide) => {
  const { display } = slide.style;
  slide.style.display = "flex";
  const body = slide.querySelector(".body"), picture = slide.querySelector(".picture");
  const found = {
    title: slide.querySelector("h1, h2").textContent,
    over: Math.max(body.scrollHeight - body.clientHeight, body.scrollWidth - body.clientWidth),
    scale: Number(slide.style.getPropertyValue("--scale")),
    picture: picture ? picture.clientHeight : null,
    broken: [...slide.querySelectorAll("img")].filter((image) => !image.naturalWidth).length,
    formulas: slide.querySelectorAll(".math:not(:has(mjx-math, math)), mjx-merror").length,
  };
  slide.style.display = display;
  return found;
})"""
"""A hidden slide has no size: each is shown while it is measured."""


def open_deck(tab: Any, address: str) -> None:
    """Open a deck and wait until its formulas and pictures are there and its text fits."""
    tab.goto("about:blank")  # else a deck that is open already would only change its slide
    tab.goto(address)
    tab.wait_for_selector("body[data-ready]", timeout=60_000)


def faults(tab: Any) -> list[str]:
    """What is wrong on the slides of an open deck, one line each."""
    found = []
    for number, slide in enumerate(tab.evaluate(MEASURE), start=1):
        place = f"slide {number} ({slide['title']})"
        if slide["over"] > 1:
            found.append(f"{place} is {slide['over']} px too large")
        if slide["scale"] < SMALL:
            found.append(f"{place} has text of {slide['scale']:.0%}")
        if slide["picture"] is not None and slide["picture"] < LOW:
            found.append(f"{place} has a picture of {slide['picture']} px")
        if slide["broken"]:
            found.append(f"{place} lacks a picture")
        if slide["formulas"]:
            found.append(f"{place} has formulas that are not typeset")
    return found


def pictures(tab: Any, count: int) -> Iterator[Image.Image]:
    """Each slide of an open deck, made smaller."""
    for number in range(count):
        tab.evaluate("number => { location.hash = `#/${number}` }", number)
        tab.wait_for_timeout(60)
        shot = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
        yield shot.resize(THUMB, Image.Resampling.LANCZOS)


def sheet(shown: list[Image.Image]) -> Image.Image:
    """Pictures in rows."""
    rows = math.ceil(len(shown) / COLUMNS)
    across, down = (side + GAP for side in THUMB)
    made = Image.new("RGB", (COLUMNS * across, rows * down), "grey")
    for place, picture in enumerate(shown):
        made.paste(picture, (place % COLUMNS * across, place // COLUMNS * down))
    return made


def main() -> None:
    """Write the sheets and print the faults."""
    parser = argparse.ArgumentParser(description="contact sheets of the slides")
    parser.add_argument("folder", type=Path)
    parser.add_argument("decks", nargs="*")
    parser.add_argument("--dark", action="store_true")
    asked = parser.parse_args()
    from playwright.sync_api import sync_playwright

    names = asked.decks or sorted(path.stem for path in (SITE / FOLDER).glob("[!i]*.html"))
    theme = "dark" if asked.dark else "light"
    asked.folder.mkdir(parents=True, exist_ok=True)
    with served(SITE) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium.find(), args=chromium.flags())
        tab = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme=theme)
        for name in names:
            open_deck(tab, f"{address}{FOLDER}/{name}.html")
            for fault in faults(tab):
                print(f"{name}: {fault}")
            shown = list(pictures(tab, len(tab.evaluate(MEASURE))))
            for first in range(0, len(shown), PER_SHEET):
                file = asked.folder / f"{name}_{theme}_{first // PER_SHEET + 1}.png"
                sheet(shown[first : first + PER_SHEET]).save(file)
        browser.close()


if __name__ == "__main__":
    main()
