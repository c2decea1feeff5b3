"""Where each system keeps Chromium or Chrome; it paints the diagrams and tests the pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Programs on the search path of Linux."""

PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Google/Chrome/Application/chrome.exe",
)
"""Where macOS and Windows have them, which is not on the search path."""


def find(places: Iterable[str] = PLACES) -> str | None:
    """The path of Chromium or Chrome: `CHROMIUM` if that is set, else what the machine has."""
    if named := os.environ.get("CHROMIUM"):
        return named
    on_path = next(filter(None, map(shutil.which, NAMES)), None)
    return on_path or next((place for place in places if Path(place).is_file()), None)


def flags() -> list[str]:
    """What the browser must be told: for root, which containers run as, it has no sandbox."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Windows has no such number
    return ["--no-sandbox"] if root else []
