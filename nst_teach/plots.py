"""The figures of the course, drawn with matplotlib.

Every function returns a `Figure` that is already closed for pyplot: as the last expression of a
notebook cell it is shown once, and `figure.savefig(path)` saves it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from nst_teach.images import to_pil
from nst_teach.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 3.0  # inches; the longer side of each picture in a row
DPI = 110
INK = "#3b3b3b"
Dashes = str | tuple[int, tuple[int, ...]]
Look = tuple[str, Dashes]
"""Colour and dashes of a curve."""

# Found by a search: with three kinds of colour blindness any two are 12 apart (CIEDE2000), and each
# but the first, which is drawn on white only, has a contrast of 3 : 1 with a light and with a dark
# page. In grey the dashes tell them apart.
TOTAL, CONTENT = "#1f2937", "#0099aa"
STYLES = ("#667700", "#ff0044", "#ee3399", "#8866ff", "#557777")  # shallow to deep
DASHES: tuple[Dashes, ...] = (
    "--",
    "-.",
    ":",
    (0, (7, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)  # of the styles
RUNS: tuple[Look, ...] = (
    (TOTAL, "-"),
    (STYLES[1], "--"),
    (CONTENT, "-."),
    (STYLES[3], ":"),
    (STYLES[0], (0, (7, 2))),
)
FEATURE_MAP = "magma"


class Run(Protocol):
    """The part of a `Result` that `result` draws."""

    image: Tensor
    history: list[Record]
    content: Tensor | None
    style: Tensor | None
    record: Record | None


def images(
    pictures: Sequence[Tensor] | Mapping[str, Tensor],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    cell: float = CELL,
) -> Figure:
    """One or more rows of pictures with titles.

    Args:
        pictures: tensors `(1, 3, H, W)` or `(3, H, W)`, RGB in [0, 1], or a mapping from titles.
        titles: one per picture.
        columns: pictures per row; `None` puts all in one row.
        cell: the longer side of a picture, in inches.
    """
    if isinstance(pictures, Mapping):
        titles, pictures = list(pictures), list(pictures.values())
    if not pictures:
        raise ValueError("images() got no pictures; expected one tensor (1, 3, H, W) or more.")
    if titles and len(titles) != len(pictures):
        raise ValueError(f"images() got {len(titles)} titles for {len(pictures)} pictures.")
    columns = columns or len(pictures)
    height, width = pictures[0].shape[-2:]
    scale = cell / max(height, width)
    figure, axes = _grid(
        math.ceil(len(pictures) / columns), columns, width * scale, height * scale + 0.3
    )
    for index, ax in enumerate(axes):
        if index < len(pictures):
            _picture(ax, pictures[index], titles[index] if titles else "")
        else:
            ax.axis("off")
    return figure


def contact_sheet(
    pictures: Sequence[Sequence[Tensor | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    cell: float = 2.2,
) -> Figure:
    """A table of pictures with a label for each row and column; `None` leaves a cell empty."""
    first = next(p for row in pictures for p in row if p is not None)
    height, width = first.shape[-2:]
    scale = cell / max(height, width)
    figure, axes = _grid(len(rows), len(columns), width * scale, height * scale)
    for index, ax in enumerate(axes):
        row, column = divmod(index, len(columns))
        picture = pictures[row][column]
        if picture is None:
            _bare(ax, frame=False)
        else:
            _picture(ax, picture, "")
        if row == 0:
            ax.set_title(columns[column], fontsize=10, color=INK)
        if column == 0:
            ax.set_ylabel(rows[row], fontsize=10, color=INK)
    return figure


def losses(
    history: Sequence[Record] | Mapping[str, Sequence[Record]],
    *,
    x: str = "evaluations",
    parts: bool | None = None,
) -> Figure:
    """Loss curves on a logarithmic scale.

    Where a run was continued under another objective, the curve is interrupted and a dotted line
    drawn, because totals of different objectives cannot be compared.

    Args:
        history: the records of one run, or of several runs by name.
        x: `"evaluations"`, `"step"` or `"seconds"`.
        parts: also draw content and style per layer; `None` does so for a single run.

    Raises:
        ValueError: a run without a record.
    """
    runs = history if isinstance(history, Mapping) else {"": history}
    if not runs or not all(runs.values()):
        raise ValueError(
            "losses() got a history without a record; expected one evaluation or more."
        )
    parts = (len(runs) == 1) if parts is None else parts
    figure, axes = _subplots(1, 2 if parts else 1, (8.4 if parts else 5.6, 3.2))
    _totals(axes[0], runs, x)
    if parts:
        _parts(axes[1], next(iter(runs.values())), x)
    return figure


def feature_maps(features: Tensor, *, columns: int = 8, rows: int = 2, title: str = "") -> Figure:
    """The first channels of a layer, each scaled to its own range.

    Args:
        features: `(1, N, h, w)`.
        columns, rows: how many channels to show.
    """
    height, width = features.shape[-2:]
    scale = 1.1 / max(height, width)
    figure, axes = _grid(rows, columns, width * scale, height * scale)
    for channel, ax in enumerate(axes):
        _bare(ax, frame=False)
        if channel < features.shape[1]:
            ax.imshow(features[0, channel].detach().cpu().numpy(), cmap=FEATURE_MAP)
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    return figure


def gram(matrix: Tensor | Mapping[str, Tensor], *, cell: float = 2.8) -> Figure:
    """Gram matrices `(1, N, N)` as heat maps, on a square-root scale to show small entries."""
    matrices = matrix if isinstance(matrix, Mapping) else {"": matrix}
    figure, axes = _subplots(1, len(matrices), (cell * len(matrices), cell))
    for ax, (title, values) in zip(axes, matrices.items(), strict=True):
        values = values[0].detach().cpu()
        ax.imshow((values.abs().sqrt() * values.sign()).numpy(), cmap=FEATURE_MAP)
        _bare(ax)
        ax.set_title(title, fontsize=10, color=INK)
    return figure


def result(run: Run) -> Figure:
    """Content, style and result side by side, above the loss curves; a dot marks the result."""
    import matplotlib.pyplot as plt

    given = {"content": run.content, "style": run.style, "result": run.image}
    pictures = {title: picture for title, picture in given.items() if picture is not None}
    figure = plt.figure(figsize=(8.4, 6.0), dpi=DPI, layout="constrained")
    # A run without evaluations has no curves.
    heights = (1.15, 1) if run.history else (1,)
    upper, *lower = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (title, picture) in zip(
        upper.subplots(1, len(pictures), squeeze=False)[0], pictures.items(), strict=True
    ):
        _picture(ax, picture, title)
    for curves in lower:
        left, right = curves.subplots(1, 2)
        _totals(left, {"": run.history}, "evaluations")
        if run.record:
            left.plot(run.record.evaluations, run.record.total, "o", c=TOTAL, ms=4)
        _parts(right, run.history, "evaluations")
    plt.close(figure)
    return figure


def _totals(ax: Axes, runs: Mapping[str, Sequence[Record]], x: str) -> None:
    for index, (name, history) in enumerate(runs.items()):
        look = RUNS[index % len(RUNS)]
        _curve(ax, history, x, [r.total for r in history], look, name)
        _marks(ax, history, x)
    _axes(ax, "total loss", x)
    if len(runs) > 1:
        ax.legend(fontsize=8, frameon=False)


def _parts(ax: Axes, history: Sequence[Record], x: str) -> None:
    """Each part divided by its largest value, to compare how they decrease."""
    for layer in _layers(record.content for record in history):
        values = [r.content.get(layer, math.nan) for r in history]
        _curve(ax, history, x, _relative(values), (CONTENT, "-"), f"content {layer}")
    styles = _layers(record.style for record in history)
    looks = itertools.cycle(zip(STYLES, DASHES, strict=True))
    for look, layer in zip(looks, styles, strict=False):
        values = [r.style.get(layer, math.nan) for r in history]
        _curve(ax, history, x, _relative(values), look, f"style {layer}")
    _marks(ax, history, x)
    _axes(ax, "each part, relative to its largest value", x)
    if ax.get_lines():  # a user-defined objective may have no layers
        ax.legend(fontsize=7, frameon=False, loc="lower left")


def _layers(parts: Iterable[Mapping[str, float]]) -> list[str]:
    """The layers of all records, in order; a later objective may have other layers."""
    return list(dict.fromkeys(layer for part in parts for layer in part))


def _curve(
    ax: Axes,
    history: Sequence[Record],
    x: str,
    values: Sequence[float],
    look: Look,
    label: str,
) -> None:
    """One line, interrupted where another objective begins."""
    xs: list[float] = []
    ys: list[float] = []
    for before, record, value in zip([history[0], *history], history, values, strict=False):
        if record.objective != before.objective:
            xs.append(getattr(record, x))
            ys.append(math.nan)
        xs.append(getattr(record, x))
        ys.append(value)
    colour, dashes = look
    ax.plot(xs, ys, c=colour, ls=dashes, label=label)


def _marks(ax: Axes, history: Sequence[Record], x: str) -> None:
    """A dotted line where another objective begins."""
    for before, record in itertools.pairwise(history):
        if record.objective != before.objective:
            ax.axvline(getattr(record, x), color=INK, lw=0.8, ls=":")


def _relative(values: Sequence[float]) -> list[float]:
    """Divide by the maximum; zeros, such as the content loss of a content start, become NaN."""
    top = max((v for v in values if not math.isnan(v)), default=0.0) or 1.0
    return [v / top if v > 0 else math.nan for v in values]


def _axes(ax: Axes, title: str, x: str) -> None:
    ax.set_yscale("log")
    ax.set_title(title, fontsize=10, color=INK)
    ax.set_xlabel({"step": "steps"}.get(x, x), fontsize=9, color=INK)
    ax.tick_params(labelsize=8, colors=INK)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)


def _picture(ax: Axes, picture: Tensor, title: str) -> None:
    ax.imshow(to_pil(picture))
    _bare(ax, frame=False)
    ax.set_title(title, fontsize=10, color=INK)


def _bare(ax: Axes, frame: bool = True) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(frame)


def _grid(rows: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    return _subplots(rows, columns, (columns * width + 0.1, rows * height + 0.2))


def _subplots(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        rows, columns, figsize=size, dpi=DPI, squeeze=False, layout="constrained"
    )
    plt.close(figure)
    return figure, list(axes.flat)
