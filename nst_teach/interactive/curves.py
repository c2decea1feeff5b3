"""The loss curves as SVG text: quick to draw, and sharp at any size.

Lines and labels have the colour of the surrounding text, so they suit a light and a dark page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from nst_teach.interactive.engine import Mark, Point
from nst_teach.interactive.words import words

WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 48, 32
MOST_POINTS = 240  # per curve; about one point for every two pixels is enough
EMBEDDED_POINTS = 40  # per curve in a page; up to twice as many are kept
MARK_ROWS, ROW_HEIGHT = 2, 14  # labels of neighbouring marks are on different rows
FEWEST_STEPS = 10  # minimum length of the axis, so that it does not rescale at every early step
DECADES_SHOWN = 7  # below the maximum; smaller values are not informative
MOST_TICKS = 6
TOLERANCE = 1e-9  # tolerance for recognising a power of ten
MEAN_CHARACTER = 5.6  # mean width of a character of a label, in the units of the drawing
PALE = 0.45  # opacity of a kept run


def svg(
    points: Sequence[Point],
    marks: Sequence[Mark] = (),
    *,
    kept: Sequence[Point] = (),
    cursor: int | None = None,
) -> str:
    """Total and parts over the steps, on a logarithmic scale.

    Args:
        points: of the run.
        marks: changes made during the run.
        kept: points of another run, drawn pale on the same axes.
        cursor: a step to mark with a vertical line.
    """
    frame = Frame.around([*points, *kept])
    shapes = [_grid(frame), _marks(frame, marks)]
    shapes += _lines(frame, kept, opacity=PALE)
    shapes += _lines(frame, points)
    if cursor is not None:
        shapes.append(_vertical(frame.x(cursor), 'stroke-width="1" opacity="0.8"'))
    title = escape(words()["curves"]["title"])
    shapes.append(f'<text x="0" y="11" font-weight="600">{title}</text>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}" '
        f'font-family="inherit" font-size="11" fill="currentColor" stroke="none">'
        f"{''.join(shapes)}</svg>"
    )


def as_json(points: Sequence[Point], marks: Sequence[Mark] = ()) -> str:
    """The data from which the page's lab draws the same curves: a few kilobytes.

    An object with `steps`, `total` and `parts` by name, each a list over the steps, and `marks`,
    pairs of step and text. A part that is not in use at a step, or not finite, is null. A run
    without points gives an empty text.
    """
    if not points:
        return ""
    kept = _thinned(points, EMBEDDED_POINTS)
    names = dict.fromkeys(name for point in kept for name in point.parts)
    data = {
        "steps": [point.step for point in kept],
        "total": [_short(point.total) for point in kept],
        "parts": {name: [_short(point.parts.get(name)) for point in kept] for name in names},
        "marks": [(mark.step, mark.text) for mark in marks],
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _short(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() else rounded


def legend(points: Sequence[Point], kept: Sequence[Point] = ()) -> str:
    """The legend, as a row of HTML that wraps where necessary."""
    entries = [_entry(label, *look) for label, look in _looks(_names(points)).items()]
    if kept:
        entries.append(_entry(words()["curves"]["kept"], "currentColor", "none", opacity=PALE))
    return f'<div class="nst-legend">{"".join(entries)}</div>'


def _entry(label: str, colour: str, dashes: str, opacity: float = 1) -> str:
    """A line as it is drawn, and its name."""
    look = f'stroke="{colour}" stroke-dasharray="{dashes}" stroke-width="3" opacity="{opacity:g}"'
    line = f'<svg viewBox="0 0 30 4" aria-hidden="true"><path d="M0 2H30" {look}/></svg>'
    return f"<span>{line}{escape(label)}</span>"


class Frame:
    """The mapping from steps and losses to places in the drawing."""

    def __init__(self, steps: int, low: int, high: int):
        self.steps, self.low, self.high = max(steps, FEWEST_STEPS), low, high

    @classmethod
    def around(cls, points: Iterable[Point]) -> Frame:
        """The frame that contains all points, with losses rounded to whole decades."""
        points = list(points)
        values = [v for p in points for v in (p.total, *p.parts.values()) if v > 0] or [1.0]
        high = math.ceil(math.log10(max(values)) - TOLERANCE)
        low = math.floor(math.log10(min(values)) + TOLERANCE)
        low = min(max(low, high - DECADES_SHOWN), high - 1)
        return cls(max((p.step for p in points), default=0), low, high)

    def x(self, step: float) -> float:
        """The distance from the left edge."""
        return LEFT + (WIDTH - LEFT - RIGHT) * step / self.steps

    def y(self, value: float) -> float:
        """The distance from the upper edge; values below the scale lie on its lower edge."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - max(share, 0.0))


def _names(points: Sequence[Point]) -> list[str]:
    return ["total", *dict.fromkeys(name for point in points for name in point.parts)]


def _looks(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and dashes of each curve: the text colour for the total, a sequence for the styles."""
    curves: dict[str, Any] = words()["curves"]
    styles = sorted(name for name in names if name.startswith("style"))
    chosen = {"total": ("currentColor", "none")}
    for name in names:
        if name.startswith("style"):
            index = styles.index(name) % len(curves["colours"]["style"])
            chosen[name] = (curves["colours"]["style"][index], curves["dashes"]["style"][index])
        elif name != "total":
            kind = "content" if name.startswith("content") else "total_variation"
            chosen[name] = (curves["colours"][kind], curves["dashes"][kind])
    return chosen


def _lines(frame: Frame, points: Sequence[Point], opacity: float = 1) -> list[str]:
    """A line for each part, with the total on top."""
    lines: list[str] = []
    for name, (colour, dashes) in reversed(_looks(_names(points)).items()):
        path = _path(frame, points, name)
        width = 2.2 if name == "total" else 1.4
        if path:
            lines.append(
                f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
                f'stroke-linejoin="round" stroke-dasharray="{dashes}" opacity="{opacity:g}"/>'
            )
    return lines


def _path(frame: Frame, points: Sequence[Point], name: str) -> str:
    """The path of a curve, interrupted where the part is 0 or not in use."""
    commands: list[str] = []
    pen_is_down = False
    for point in _thinned(points):
        value = point.total if name == "total" else point.parts.get(name, 0.0)
        if value > 0:
            letter = "L" if pen_is_down else "M"
            commands.append(f"{letter}{frame.x(point.step):.1f} {frame.y(value):.1f}")
        pen_is_down = value > 0
    return "".join(commands)


def _thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """An even selection of points that keeps both points of each change of the loss."""
    stride = max(1, len(points) // most)
    last = len(points) - 1
    return [
        point
        for i, point in enumerate(points)
        if i % stride == 0
        or i == last
        or point.goal != points[i + 1].goal
        or point.goal != points[i - 1].goal
    ]


def _grid(frame: Frame) -> str:
    lines: list[str] = []
    stride = math.ceil((frame.high - frame.low) / MOST_TICKS)
    for power in range(frame.low, frame.high + 1, stride):
        y = frame.y(10.0**power)
        lines.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" {_FAINT}/>')
        place = f'x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end"'
        lines.append(f"<text {place}>{_ten(power)}</text>")
    floor = HEIGHT - BOTTOM
    for step in _ticks(frame.steps):
        x = frame.x(step)
        lines.append(f'<path d="M{x:.1f} {floor}v4" {_FAINT}/>')
        lines.append(f'<text x="{x:.1f}" y="{floor + 15}" text-anchor="middle">{step}</text>')
    axis = escape(words()["curves"]["axis"])
    lines.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">{axis}</text>')
    return "".join(lines)


_FAINT = 'stroke="currentColor" stroke-width="1" opacity="0.22" fill="none"'


def _ten(power: int) -> str:
    return f'10<tspan dy="-4" font-size="8">{str(power).replace("-", "−")}</tspan>'


def _ticks(steps: int) -> range:
    """Round step numbers for the axis, about `MOST_TICKS` of them."""
    rough = steps / MOST_TICKS
    power = 10 ** math.floor(math.log10(max(rough, 1)))
    stride = next(n * power for n in (1, 2, 5, 10) if n * power >= rough)
    return range(0, steps + 1, stride)


def _vertical(x: float, look: str) -> str:
    return f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="currentColor" fill="none" {look}/>'


def _marks(frame: Frame, marks: Sequence[Mark]) -> str:
    """A dotted line at each mark, with its text above."""
    shapes: list[str] = []
    for index, (step, text) in enumerate(_by_step(marks).items()):
        x, y = frame.x(step), TOP - 5 - ROW_HEIGHT * (index % MARK_ROWS)
        anchor = "end" if x + MEAN_CHARACTER * len(text) > WIDTH else "start"
        shapes.append(_vertical(x, 'stroke-width="1" stroke-dasharray="1.5 3" opacity="0.9"'))
        shapes.append(f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>')
    return "".join(shapes)


def _by_step(marks: Sequence[Mark]) -> dict[int, str]:
    """The texts of the marks, joined into one label per step."""
    texts: dict[int, str] = {}
    for mark in marks:
        texts[mark.step] = f"{texts[mark.step]}, {mark.text}" if mark.step in texts else mark.text
    return texts
