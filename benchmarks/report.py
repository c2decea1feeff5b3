"""Tables from the rows of a run: for the terminal, and for the book's page on performance."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Row = dict

TOLERANCE = 0.3  # an estimate should be within this fraction of what was measured
SMALL = 50e6  # bytes; less is lost among what Python and torch occupy


@dataclass(frozen=True)
class Table:
    """A title, the titles of the columns, and rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def lines(self) -> list[str]:
        """As text, with the columns aligned."""
        cells = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        aligned = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True))
                   for row in cells]  # fmt: skip
        return ["", self.title, *aligned]

    def as_json(self) -> dict:
        return {"title": self.title, "columns": list(self.columns), "rows": self.rows}


def tables(rows: Sequence[Row]) -> list[Table]:
    """Every table for which there are rows."""
    made = (evaluations(rows), memory(rows), quality(rows), startup(rows), real_thing(rows),
            estimates(rows))  # fmt: skip
    return [table for table in made if table.rows]


def ratio(reference: Sequence[float], seconds: Sequence[float]) -> str:
    """How many times as fast as the reference: median and quartiles over the rounds.

    Both are measured in every round, so each round gives a ratio of its own, which a slow moment of
    the machine changes little.
    """
    each = [a / b for a, b in zip(reference, seconds, strict=True)]
    middle = f"{statistics.median(each):.2f}"
    if len(each) < 2:
        return middle
    lower, _, upper = statistics.quantiles(each, n=4, method="inclusive")
    return f"{middle} ({lower:.2f}–{upper:.2f})"


def evaluations(rows: Iterable[Row]) -> Table:
    """Seconds, the ratio to the first way, and how near the machine's own limits that is."""
    rates = next((row for row in rows if row["key"] == "rates"), None)
    made = []
    for row in _part(rows, "evaluations/"):
        reference = row["ways"][0]["seconds"]
        for way in row["ways"]:
            middle = statistics.median(way["seconds"])
            made.append((
                row["network"], str(row["side"]), way["way"], f"{middle:.3g}",
                ratio(reference, way["seconds"]), f"{row['multiplications'] / middle / 1e9:.0f}",
                _limit(row, way["way"], middle, rates),
            ))  # fmt: skip
    columns = ("network", "side", "way", "seconds", "times as fast", "G/s", "of the limit")
    return Table("One evaluation: loss and gradient", columns, made)


def _limit(row: Row, way: str, seconds: float, rates: Row | None) -> str:
    """The fraction that multiplying and moving would take, each at the machine's own rate."""
    if rates is None:
        return ""
    kind = "bfloat16" if "bfloat16" in way else "float32"
    width = 0.5 if kind == "bfloat16" else 1.0
    multiplying = row["multiplications"] / rates["multiplications"][kind]
    moving = width * row["moved"] / rates["copied"]
    return f"{multiplying / seconds:.0%} + {moving / seconds:.0%}"


def memory(rows: Iterable[Row]) -> Table:
    """Peak memory beyond Python and torch, also relative to that of the usual loop."""
    measured = {(r["network"], r["side"], r["way"]): r for r in _part(rows, "memory/")}
    made = []
    for (network, side, way), row in measured.items():
        usual = measured.get((network, side, "usual"))
        share = f"{row['beyond'] / usual['beyond']:.2f}" if usual else ""
        made.append((network, str(side), way, f"{row['beyond'] / 1e6:.0f}", share))
    columns = ("network", "side", "way", "MB", "of the usual loop's")
    return Table("Peak memory of a run with L-BFGS, beyond Python and torch", columns, made)


def quality(rows: Iterable[Row]) -> Table:
    """Seconds to the loss that the usual loop reaches."""
    made = []
    for row in _part(rows, "quality/"):
        usual = row["usual"]["lbfgs"]
        name = (row["network"], str(row["side"]))
        made.append((*name, "usual", f"{usual['seconds']:.1f}", "1", f"{usual['loss']:.4g}"))
        for way, found in row["ours"].items():
            times = (
                f"{usual['seconds'] / found['seconds']:.2f}" if found["reached"] else "not reached"
            )
            lost = f"{found['loss']:.4g}" if found["reached"] else "higher"
            made.append((*name, way, f"{found['seconds']:.1f}", times, lost))
        if adam := row["usual"].get("adam"):
            made.append((*name, "usual, Adam", f"{adam['all']:.1f}", "", f"{adam['loss']:.4g}"))
    columns = ("network", "side", "way", "seconds", "times as fast", "loss")
    return Table("Time to quality: the lowest loss of the usual loop", columns, made)


def startup(rows: Iterable[Row]) -> Table:
    made = [
        (name, f"{statistics.median(row[key]):.2f}", f"{min(row[key]):.2f}")
        for row in _part(rows, "startup")
        for key, name in (
            ("torch", "import torch"),
            ("nst_teach", "import nst_teach, beyond torch"),
            ("version", "nst-teach --version, as a whole"),
        )
    ]
    return Table("Start-up", ("what", "seconds", "fastest"), made)


def real_thing(rows: Iterable[Row]) -> Table:
    made = []
    for row in _part(rows, "real_thing/"):
        reference = row["ways"][0]["seconds"]
        for way in row["ways"]:
            middle = f"{statistics.median(way['seconds']):.3g}"
            made.append((str(row["side"]), way["way"], middle, ratio(reference, way["seconds"])))
    columns = ("side", "way", "seconds", "times as fast")
    return Table("neural-style-pt beside ours, VGG-19: one evaluation", columns, made)


def estimates(rows: Iterable[Row]) -> Table:
    """Estimated over measured, for every configuration."""
    rows = list(rows)
    held = {(r["network"], r["side"], r["way"]): r["beyond"] for r in _part(rows, "memory/")}
    made = []
    for row in _part(rows, "evaluations/"):
        for way in row["ways"]:
            if "estimated" not in way:
                continue
            seconds = way["estimated"] / statistics.median(way["seconds"])
            measured = held.get((row["network"], row["side"], way["way"]), 0)
            memory = way["bytes"] / measured if measured > SMALL else None
            made.append((
                row["network"], str(row["side"]), way["way"], f"{seconds:.2f}",
                f"{memory:.2f}" if memory else "", "" if _near(seconds, memory) else "off",
            ))  # fmt: skip
    columns = ("network", "side", "way", "seconds", "memory", f"off by > {TOLERANCE:.0%}")
    return Table("nst_teach.estimate, divided by what was measured", columns, made)


def _near(*ratios: float | None) -> bool:
    return all(value is None or abs(value - 1) <= TOLERANCE for value in ratios)


def _part(rows: Iterable[Row], name: str) -> list[Row]:
    return [row for row in rows if row["key"].startswith(name)]


def disturbed(rows: Iterable[Row]) -> list[str]:
    """The keys of what was measured while another process was busy."""
    return [row["key"] for row in rows if not row.get("quiet", True)]
