"""The command line: `nst-teach PHOTO STYLE -o OUT`, and the subcommands batch, film and doctor.

Write `./doctor` for a photograph whose file is called doctor, without an extension.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nst_teach import samples
from nst_teach.images import ImageError
from nst_teach.memory import TransferError
from nst_teach.options import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_STOPPED,
    Parser,
    add_manners,
    add_run,
    add_sizes,
    add_weights,
    transfer_of,
)
from nst_teach.outputs import check_output, promised
from nst_teach.records import Stop
from nst_teach.results import Result
from nst_teach.run import DEFAULT_STEPS

BATCH = "batch"  # the subcommand that paints every photo of a folder in every style of another
DOCTOR = "doctor"  # the subcommand that checks this machine
FILM = "film"  # the subcommand that paints a clip
BYTES_PER_PIXEL = 3  # at most; reserved on the disk before the run
MOST_RESERVED = 500_000_000  # bytes; for a larger image there is too little memory
PLOT_BYTES = 1_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one transfer, or a subcommand; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] == DOCTOR:
        return _examine(argv[1:])
    if argv and argv[0] == FILM:
        return _film(argv[1:])
    if argv and argv[0] == BATCH:
        return _batch(argv[1:])
    arguments = parser().parse_args(argv)
    try:
        result = _run(arguments)
    except (ValueError, TransferError) as error:
        print(f"nst-teach: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except (
        KeyboardInterrupt
    ):  # before the first step or after the last; during the run, the image is kept
        print("nst-teach: interrupted, and nothing was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(f"{arguments.output}: {result}")
    if result.stopped:
        print(f"nst-teach: stopped early: {result.reason}", file=sys.stderr)
        if arguments.checkpoint:
            print("nst-teach: the same command with --force continues the run", file=sys.stderr)
        return EXIT_INTERRUPTED if result.stopped is Stop.INTERRUPTED else EXIT_STOPPED
    return 0


def _examine(argv: Sequence[str]) -> int:
    from nst_teach import doctor  # not needed for a transfer

    return doctor.main(argv)


def _film(argv: Sequence[str]) -> int:
    from nst_teach import film_command  # not needed for a transfer

    return film_command.main(argv)


def _batch(argv: Sequence[str]) -> int:
    from nst_teach import batch_command  # not needed for a transfer

    return batch_command.main(argv)


def _run(arguments: argparse.Namespace) -> Result:
    with contextlib.ExitStack() as plots, contextlib.ExitStack() as pictures:
        output, plot = _outputs(arguments, pictures, plots)
        result = transfer_of(arguments)
        _save(result, output)
        pictures.close()  # the picture is in its place, whatever becomes of the plot
        if plot:
            try:
                result.plot().savefig(plot)
            except OSError as error:
                raise ImageError(
                    f"cannot write {arguments.plot}: {error.strerror or error}. The picture is in "
                    f"{arguments.output}."
                ) from error
    return result


def _save(result: Result, output: Path) -> None:
    """Save the picture; if that fails, it is saved in the folder for temporary files."""
    try:
        result.save(output)
    except ImageError as error:
        elsewhere = _save_elsewhere(result, output.suffix)
        if elsewhere is None:
            raise
        raise ImageError(f"{error} The picture is in {elsewhere} instead.") from error


def _save_elsewhere(result: Result, suffix: str) -> Path | None:
    """Save the picture where there may be room; returns the path, or `None` if there is none."""
    try:
        number, name = tempfile.mkstemp(prefix="nst-teach-", suffix=suffix)
    except OSError:
        return None
    os.close(number)
    try:
        return result.save(name)
    except ImageError:
        Path(name).unlink()
        return None


def _outputs(
    arguments: argparse.Namespace, pictures: contextlib.ExitStack, plots: contextlib.ExitStack
) -> tuple[Path, Path | None]:
    """Temporary files for the picture and the plot."""
    inputs = (arguments.photo, arguments.style, arguments.start, arguments.weights or "")
    check_output(arguments.output, _picture_endings(), inputs=inputs, force=arguments.force)
    if arguments.plot:
        others = (*inputs, arguments.output)
        check_output(arguments.plot, _plot_endings(), inputs=others, force=arguments.force)
    _check_names(arguments)
    room = BYTES_PER_PIXEL * max(0, arguments.size) ** 2
    room = room if room <= MOST_RESERVED else 0  # it will be refused
    output = pictures.enter_context(promised(arguments.output, room))
    plot = arguments.plot and plots.enter_context(promised(arguments.plot, PLOT_BYTES))
    return output, plot


def _check_names(arguments: argparse.Namespace) -> None:
    """The picture, the plot and the checkpoint must be different files."""
    given = {"the picture": arguments.output, "--plot": arguments.plot}
    given["--checkpoint"] = arguments.checkpoint
    seen: dict[Path, str] = {}
    for purpose, path in given.items():
        if path is None:
            continue
        if other := seen.get(path.resolve()):
            raise ValueError(f"{path} was given twice, for {other} and for {purpose}.")
        seen[path.resolve()] = purpose


def _picture_endings() -> set[str]:
    """File extensions that Pillow can write; it can read more."""
    from PIL import Image

    return {e for e, kind in Image.registered_extensions().items() if kind in Image.SAVE}


def _plot_endings() -> set[str]:
    """File extensions that matplotlib can write."""
    from matplotlib.backend_bases import FigureCanvasBase

    return {f".{kind}" for kind in FigureCanvasBase.get_supported_filetypes()}


def parser() -> argparse.ArgumentParser:
    """The options are those of `nst_teach.transfer`, under the same names."""
    p = Parser(
        prog="nst-teach",
        description="Repaint a photograph in the style of another picture.",
        epilog=f"Samples, usable in place of a file: {', '.join(samples.names())}. "
        f"`nst-teach {BATCH} --help` explains how to repaint folders of photos, and `nst-teach "
        f"{FILM} --help` how to repaint a film. `nst-teach {DOCTOR}` checks this machine and "
        "predicts how long each page of the course takes on it. `nst-teach class --help` explains "
        "how teachers learn what a class has learned. Write "
        f"./{BATCH}, ./{FILM} or ./{DOCTOR} for a photograph of that name.",
    )
    p.add_argument("photo", metavar="PHOTO", help="a file, or the name of a sample")
    p.add_argument("style", metavar="STYLE", help="a file, or the name of a sample")
    p.add_argument("-o", "--output", metavar="OUT", type=Path, required=True, help=".png or .jpg")
    p.add_argument("--force", action="store_true", help="overwrite OUT, and the file of --plot")
    add_sizes(p)
    p.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="(%(default)s)")
    add_weights(p)
    add_run(p)
    p.add_argument(
        "--plot", type=Path, metavar="FILE", help="also save a figure with the loss curves"
    )
    p.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="write the run into FILE every minute; if it is stopped, even by a loss of power, the "
        "same command continues from there, and with more --steps also after its end",
    )
    add_manners(p)
    return p


if __name__ == "__main__":
    sys.exit(main())
