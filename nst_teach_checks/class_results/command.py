"""`nst-teach class RESULTS`: what a class has learned, as text, as a page and as a table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nst_teach.images import ImageError
from nst_teach.options import EXIT_BAD_INPUT
from nst_teach.outputs import check_output, promised
from nst_teach_checks.class_results.page import page
from nst_teach_checks.class_results.reading import ResultsError, read
from nst_teach_checks.class_results.summary import Summary, summarise
from nst_teach_checks.class_results.table import table
from nst_teach_checks.class_results.text import lines

NAME = "class"
PAGE, TABLE = (".html",), (".csv",)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 2 if the folder cannot be read, else 0."""
    arguments = parser().parse_args(argv)
    try:
        outputs = _outputs(arguments)
        summary = summarise(read(arguments.results))
        for path, write in outputs:
            with promised(path) as hidden:
                hidden.write_text(write(summary), encoding="utf-8")
    except (ResultsError, ImageError) as error:
        print(f"nst-teach {NAME}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    print(*lines(summary), sep="\n")
    for path, _ in outputs:
        print(f"{path}: written")
    return 0


def _outputs(arguments: argparse.Namespace) -> list[tuple[Path, Callable[[Summary], str]]]:
    """The files to be written, and what writes each; checked before anything is read."""
    wanted = [(arguments.output, PAGE, page), (arguments.csv, TABLE, table)]
    outputs: list[tuple[Path, Callable[[Summary], str]]] = []
    for path, endings, write in wanted:
        if path is None:
            continue
        if path.suffix.lower() not in endings:
            raise ImageError(
                f"cannot write '{path.name}': expected a name that ends in {endings[0]}."
            )
        if arguments.results.resolve() in path.resolve().parents and endings == TABLE:
            raise ImageError(f"cannot write {path} into the folder that is read: choose another.")
        check_output(path, endings, inputs=(), force=arguments.force)
        outputs.append((path, write))
    return outputs


def parser() -> argparse.ArgumentParser:
    """The options of `nst-teach class`."""
    p = argparse.ArgumentParser(
        prog=f"nst-teach {NAME}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="What a class has learned: from its answers to the concept inventory before\n"
        "and after the course, and the reports of its exercises. Nothing is sent anywhere.",
        epilog=EPILOG,
    )
    p.add_argument("results", metavar="RESULTS", type=Path, help="the folder of what was collected")
    p.add_argument("-o", "--output", metavar="PAGE", type=Path, help="also write a page, .html")
    p.add_argument("--csv", metavar="TABLE", type=Path, help="also write all counts, .csv")
    p.add_argument("--force", action="store_true", help="overwrite PAGE and TABLE")
    return p


EPILOG = """In RESULTS:
  before*.csv, after*.csv   answers to the inventory: a first line with the columns student and
                            A01 to A24 (or B01 to B24), then a line for each student with the
                            letters a to d, the text of an option, or nothing; text in UTF-8
  reports/ID.json           what checks.save_report has written at the end of an exercise; several
                            of one student in a folder of their own, reports/ID/*.json
  submitted/ID/...          nbgrader's folder, with the inventory's notebooks and such reports

ID is whatever stands for a student: no names are needed, and the results contain none."""
