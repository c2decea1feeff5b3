"""Studios that nobody looks at any more: their widgets are closed, or memory would grow.

ipywidgets keeps every widget until it is closed or the kernel ends, and a studio's widgets refer to
its run, with all its images. A cell that is run again creates another studio, and cannot know what
has become of the previous one. So only the last few stay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, cast

import ipywidgets

from nst_teach.interactive.controls import WIDE

ALIVE = 8  # studios in a kernel; no page of the course has more than two

_alive: deque[Any] = deque()


def release_the_oldest(newest: Any) -> None:
    """Note a studio, and close the widgets of those before the last `ALIVE`.

    A closed studio disappears from its cell, but its object still runs, and has its result.
    """
    _alive.append(newest)
    while len(_alive) > ALIVE:
        oldest = _alive.popleft()
        oldest.release()
        for widget in list(_parts(oldest.widget, {id(WIDE)})):  # which all studios share
            widget.close()


def _parts(widget: Any, seen: set[int]) -> Iterator[Any]:
    """A widget and those in it, its layout and its style included."""
    if id(widget) in seen:
        return
    seen.add(id(widget))
    for value in [getattr(widget, name, None) for name in widget.keys]:
        inside = cast(Iterable[Any], value if isinstance(value, (list, tuple)) else [value])
        for item in inside:
            if isinstance(item, ipywidgets.Widget):
                yield from _parts(item, seen)
    yield widget
