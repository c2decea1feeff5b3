"""A progress bar that leaves nothing behind, in a terminal or in a notebook."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Generator
from typing import Any, cast

PROGRESS_VARIABLE = "NST_TEACH_PROGRESS"
PROGRESS_DELAY = 2.0  # seconds; shorter work needs no bar
FILM_BAR = "{percentage:3.0f}%|{bar}| frame {n_fmt}/{total_fmt}, {remaining} left"


def progress_bar(steps: int, shown: bool) -> Any:
    """A bar of `tqdm` for so many steps, which appears after `PROGRESS_DELAY` seconds.

    Args:
        steps: the steps to be taken.
        shown: False hides it; so does the environment variable `NST_TEACH_PROGRESS=0`.
    """
    return _bar(steps, shown, unit="step", delay=PROGRESS_DELAY)


def film_bar(frames: int | None, shown: bool) -> Any:
    """A bar for the frames of a film, which says how much time is left. It appears at once.

    Args:
        frames: the frames to be painted; `None` if their number is not known.
        shown: as for `progress_bar`.
    """
    words = None if frames is None else FILM_BAR
    return _bar(frames, shown, unit="frame", bar_format=words)


def _bar(total: int | None, shown: bool, **options: Any) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, leave=False, disable=_hidden(shown), file=_line(), **options)


@contextlib.contextmanager
def announced(sentence: Callable[[], str | None], shown: bool) -> Generator[None]:
    """Show a sentence, if there is one, above the bar of this block.

    It stays in a terminal, and is removed from a notebook at the end.

    Args:
        sentence: computes it; not called if bars are hidden.
        shown: as for `progress_bar`.
    """
    text = None if _hidden(shown) else sentence()
    if text is None:
        yield
        return
    line = _line()
    print(text, file=line or sys.stderr)
    try:
        yield
    finally:
        if line:
            line.write("")


def _hidden(shown: bool) -> bool:
    return not shown or os.environ.get(PROGRESS_VARIABLE) == "0"


class NotebookLine(io.TextIOBase):
    """A line below a cell, written anew each time, and empty in the end.

    On stderr, which a notebook keeps, even an erased bar leaves a red stripe; tqdm's own bar for
    notebooks leaves a widget that is dead when the notebook is opened again.
    """

    encoding = "utf-8"  # tqdm asks for it, and draws the finer bar

    def __init__(self) -> None:
        self._shown: Any = None

    def write(self, text: str) -> int:
        """Show this text, without the characters that move a terminal's cursor."""
        from IPython import display as ipython

        display = cast(Any, ipython.display)
        line = text.strip()
        data = {"text/plain": line} if line else {"text/html": "", "text/plain": ""}
        if self._shown is not None:
            self._shown.update(data, raw=True)
        elif line:
            self._shown = display(data, raw=True, display_id=True)
        return len(text)


def _line() -> NotebookLine | None:
    """The place for the bar; `None` means stderr."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return NotebookLine() if getattr(shell, "kernel", None) else None
