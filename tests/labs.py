"""A lab in a real browser: a page for it, a server that counts, and hands to press and turn.

Used for a page of its own in test_lab.py and for the built pages in test_book.py.
"""

from __future__ import annotations

import contextlib
import functools
import html
import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import serve
from conftest import ROOT
from PIL import Image

STATIC = ROOT / "book" / "_static"

PATIENCE = 240  # s; ends only what hangs: a busy machine takes its time
POLL = 50  # ms between two looks

POSTER = (
    "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"  # one pixel
)

PAGE = """<!doctype html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Lab</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="_static/lab/lab.css">
<script src="_static/lab/lab.js" defer></script>
</head>
<body>{figures}</body>
</html>
"""

FIGURE = """<figure class="nst-lab" {data}>
<img class="nst-lab-poster" src="{poster}" alt="A poster">
<figcaption>What made the poster.</figcaption>
</figure>"""

RED = (230, 20, 10)

SETTINGS = {"content": "chelsea", "style": "stained_glass", "size": "96", "steps": "200"}


def write_page(folder: Path, static: Path, *figures: dict[str, str]) -> str:
    """A page with a lab for each of `figures`' attributes, in `folder`; gives its name."""
    link = folder / "_static"
    if not link.exists():
        try:
            link.symlink_to(static, target_is_directory=True)
        except OSError:  # Windows lets only some users make links
            shutil.copytree(static, link)
    bodies = [
        FIGURE.format(
            poster=POSTER, data=" ".join(attribute(*pair) for pair in {**SETTINGS, **f}.items())
        )
        for f in figures or [{}]
    ]
    (folder / "lab.html").write_text(PAGE.format(figures="\n".join(bodies)), encoding="utf-8")
    return "lab.html"


def attribute(name: str, value: str) -> str:
    """A `data-` attribute of a figure."""
    return f'data-{name}="{html.escape(value)}"'


def red_picture() -> bytes:
    """A picture of the reader's own: a square that is red all over, as a PNG."""
    file = io.BytesIO()
    Image.new("RGB", (300, 300), RED).save(file, "PNG")
    return file.getvalue()


def texts_of(labels: list[str]) -> list[str]:
    """What was moved, one by one: things moved at the same step share a label."""
    return [text for label in labels for text in label.split(", ")]


# The server


class CountingHandler(serve.QuietHandler):
    """Serves files, and notes how many bytes each took."""

    def __init__(self, *arguments, sent: dict[str, int], **options) -> None:
        self.sent = sent
        super().__init__(*arguments, **options)

    def copyfile(self, source, outputfile) -> None:
        data = source.read()
        self.sent[self.path] = self.sent.get(self.path, 0) + len(data)
        outputfile.write(data)


@contextlib.contextmanager
def counting(folder: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """Serve `folder` while the block runs; gives the address and the bytes sent, by path."""
    sent: dict[str, int] = {}
    with serve.served(folder, functools.partial(CountingHandler, sent=sent)) as address:
        yield address, sent


# The reader


def until(tab, condition: str) -> None:
    """Wait until a condition in JavaScript holds.

    Playwright's own wait lets the page itself evaluate a text, which the pages' policy forbids.
    """
    end = time.monotonic() + PATIENCE
    while not tab.evaluate(condition):
        assert time.monotonic() < end, f"waited in vain for {condition}"
        tab.wait_for_timeout(POLL)


def use_all(tab) -> None:
    """Use each lab of the page; it goes on until the next takes over."""
    for index in range(tab.locator("figure.nst-lab").count()):
        Reader(tab, index).use()


class Reader:
    """Looks at one lab of a page, presses its buttons and turns its dials."""

    def __init__(self, tab, index: int = 0) -> None:
        self.tab = tab
        self.figure = tab.locator("figure.nst-lab").nth(index)
        self.script = f"document.querySelectorAll('figure.nst-lab')[{index}].lab"
        self.wait(f"{self.script} !== undefined")

    def wait(self, condition: str) -> None:
        """Until a condition in JavaScript holds."""
        until(self.tab, condition)

    def ask(self, expression: str) -> Any:
        """The value of an expression; `lab` in it is this lab."""
        return self.tab.evaluate(f"(() => {{ const lab = {self.script}; return {expression}; }})()")

    def press(self, name: str) -> None:
        """Press the button of this name."""
        self.figure.get_by_role("button", name=name, exact=True).click()

    def reach(self, step: int) -> None:
        """Wait until the run has taken so many steps; a failed run ends the wait."""
        self.wait(f"{self.script}.past.step >= {step} || {self.script}.state === 'failed'")
        assert self.ask("lab.state") != "failed", self.figure.locator("[role=alert]").inner_text()

    def go_on(self, steps: int = 3) -> None:
        """Wait for some steps more: enough for what was turned just now to show."""
        self.reach(self.ask("lab.past.step") + steps)

    def become(self, state: str) -> None:
        """Wait for a state, such as "paused"."""
        self.wait(f"['{state}', 'failed'].includes({self.script}.state)")
        assert self.ask("lab.state") == state

    def turn(self, control: str, value: float, index: int = 0) -> None:
        """Move a slider of a control, as a reader would: the page hears of it."""
        slider = self.figure.locator(f"[data-name={control}] input[type=range]").nth(index)
        slider.evaluate(
            "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }",
            value,
        )

    def choose(self, control: str, value: str) -> None:
        """Choose from a control's list."""
        self.figure.locator(f"[data-name={control}] select").select_option(value)

    def use(self) -> None:
        """Let it run, turn a dial meanwhile, open what it has to open, meet an error."""
        self.press("Start")
        self.reach(2)
        dials = self.figure.locator("[data-name] input[type=range]")
        if dials.count():
            dials.first.press("ArrowRight")
        self.go_on(2)
        if (code := self.figure.get_by_role("button", name="Show the code", exact=True)).count():
            code.click()
        self.ask("lab.view.showNote('What went wrong.')")

    @property
    def totals(self) -> list[float]:
        """The total loss, evaluation by evaluation."""
        return self.ask("lab.past.points.map((point) => point.losses.total)")

    @property
    def marks(self) -> list[str]:
        """The words at the marks of the curve, as they are drawn."""
        return self.figure.locator("text.nst-lab-mark").all_text_contents()
