"""A table of runs, on as many cores or machines as there are: `sweep`.

`nst_teach.parallel` distributes the cells. Each is handed back as soon as it is finished to the
process that called `sweep`, which alone writes files.
"""

from __future__ import annotations

import itertools
import os
import pickle
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from nst_teach.fingerprints import fingerprint
from nst_teach.outputs import promised
from nst_teach.parallel import outcomes

Row = TypeVar("Row")
Column = TypeVar("Column")
Value = TypeVar("Value")


class SweepError(RuntimeError):
    """Some cells failed.

    Attributes:
        table: the rows of results, with `None` for each cell that failed.
        errors: the exceptions, by the indices of row and column.
    """

    table: list[list[Any]]
    errors: dict[tuple[int, int], Exception]


def sweep(
    function: Callable[[Row, Column], Value],
    rows: Iterable[Row],
    columns: Iterable[Column],
    *,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> list[list[Value]]:
    """Compute `function(row, column)` for each cell of a table; returns the rows of results.

    joblib decides where. Without a setting, all cores of this machine take part, with a single
    thread of torch each. `with joblib.parallel_config(n_jobs=2):` around the call chooses the
    number of processes, and `with joblib.parallel_config(backend="dask"):` a Dask cluster.

    Args:
        function: takes a row and a column. Function, arguments and result are pickled if other
            processes take part.
        rows, columns: the arguments.
        folder: each finished cell is kept there as a pickle file, and after an interruption the
            same call goes on from them. A cell is used again only if nothing has changed from
            which it is computed: the function, its arguments, what they mention, and the contents
            of files whose names they are (`nst_teach.fingerprints.fingerprint`). Python runs what
            a pickle file says, so use only a folder of your own. `None` keeps nothing.
        progress: show a bar, as in `transfer`.

    Raises:
        SweepError: the function raised exceptions in some cells. All others were computed first,
            and the message names each failed cell.
        TypeError: with a folder, an argument that cannot be compared with an earlier one.
        ImageError: a file cannot be written.

    Explained in chapter 8 (which layers).
    """
    rows, columns = list(rows), list(columns)
    cells = list(itertools.product(rows, columns))
    files = None if folder is None else _files(Path(folder), function, rows, columns)
    values = {number: value for number, file in enumerate(files or ()) for value in _read(file)}
    missing = [number for number in range(len(cells)) if number not in values]
    errors: dict[tuple[int, int], Exception] = {}
    todo = [cells[number] for number in missing]
    for outcome in outcomes(function, todo, done=len(values), progress=progress):
        number = missing[outcome.cell]
        if outcome.error:
            errors[divmod(number, len(columns))] = outcome.error
            continue
        values[number] = outcome.value
        if files:
            with promised(files[number]) as hidden:
                hidden.write_bytes(pickle.dumps(outcome.value))
    table: list[list[Any]] = [
        [values.get(r * len(columns) + c) for c in range(len(columns))] for r in range(len(rows))
    ]
    if errors:
        raise _failure(rows, columns, table, errors) from next(iter(errors.values()))
    return table


def _files(
    folder: Path, function: object, rows: Sequence[object], columns: Sequence[object]
) -> list[Path]:
    """The file of each cell: its name can be read, and tells from what the cell is computed."""
    folder.mkdir(parents=True, exist_ok=True)
    computed = fingerprint(function)
    named = [[(_readable(item), fingerprint(item)) for item in line] for line in (rows, columns)]
    return [
        folder / f"{row}--{column}--{fingerprint((computed, r, c))[:16]}.pickle"
        for (row, r), (column, c) in itertools.product(*named)
    ]


def _readable(value: object) -> str:
    return re.sub(r"[^\w.=+-]+", "-", str(value)).strip("-.")[:40] or "-"


def _read(file: Path) -> list[Any]:
    """The value in a file, as a list; empty if there is none, or if it is damaged."""
    try:
        return [pickle.loads(file.read_bytes())]
    except Exception:  # what a damaged pickle raises depends on the damage
        return []


def _failure(
    rows: Sequence[object],
    columns: Sequence[object],
    table: list[list[Any]],
    errors: dict[tuple[int, int], Exception],
) -> SweepError:
    lines = [
        f"row {rows[r]!r:.60}, column {columns[c]!r:.60}: {type(error).__name__}: {error}"
        for (r, c), error in sorted(errors.items())
    ]
    count = f"{len(errors)} of {len(rows) * len(columns)} cells failed"
    failure = SweepError("\n".join([f"{count}; `table` of this error has the others.", *lines]))
    failure.table, failure.errors = table, errors
    return failure
