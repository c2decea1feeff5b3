"""The subcommand `nst-teach batch PHOTOS/ STYLES/ -o OUT/`: every photo in every style."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from nst_teach import __version__, plots, samples
from nst_teach.fingerprints import fingerprint
from nst_teach.images import ImageError, load_image, to_pil
from nst_teach.memory import TransferError
from nst_teach.options import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    Parser,
    add_manners,
    add_run,
    add_sizes,
    add_weights,
    transfer_of,
)
from nst_teach.outputs import promised
from nst_teach.parallel import outcomes
from nst_teach.precision import choose_precision
from nst_teach.run import DEFAULT_STEPS

EXIT_INCOMPLETE = 1  # all pictures were painted, except those that are named
MADE_FROM = "made-from"  # the key under which a picture names what it was painted from
UNRELATED = {"photos", "styles", "output", "force", "jobs", "sheet", "quiet", "device"}
"""Options on which the pictures do not depend."""
TRIAL = 64  # pixels; at this size the options are tried before the work begins
SHEET, SHEET_COMMENT = "sheet.jpg", b"nst-teach batch"
SHEET_CELL, SHEET_SIDE, INCH = 2.2, 40.0, plots.DPI  # at most, in inches; pixels
LABEL = 24  # characters of a name that are shown on the sheet


@dataclass(frozen=True)
class Job:
    """A picture to be painted: where it will be, and a fingerprint of all that it depends on."""

    photo: str
    style: str
    output: Path
    made_from: str

    def is_done(self) -> bool:
        """Whether the picture is there, painted from exactly this."""
        with (
            contextlib.suppress(OSError, ValueError, SyntaxError),
            Image.open(self.output) as there,
        ):
            return there.info.get(MADE_FROM) == self.made_from
        return False

    def save(self, image: Tensor) -> None:
        """Save the painting under its name, when the file is complete."""
        words = PngInfo()
        words.add_text(MADE_FROM, self.made_from)
        with promised(self.output) as hidden:
            to_pil(image).save(hidden, pnginfo=words)


def main(argv: Sequence[str]) -> int:
    """Paint every photo in every style; returns the exit status.

    Finished pictures are not painted again: after an interruption, the same command goes on. A file
    that cannot be read is named at the end, and does not keep the others from being painted.
    """
    arguments = parser().parse_args(argv)
    jobs: list[Job] = []
    try:
        jobs += plan(arguments)
        problems = _paint_all(jobs, arguments)
    except (ValueError, TransferError, OSError) as error:
        print(f"nst-teach: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print(f"nst-teach: interrupted, {_kept(jobs)}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenExecutor:
        print(f"nst-teach: a worker was killed, perhaps because memory ran out. Use fewer --jobs, "
              f"or a smaller --size; {_kept(jobs)}", file=sys.stderr)  # fmt: skip
        return EXIT_INCOMPLETE
    for problem in problems:
        print(f"nst-teach: {problem}", file=sys.stderr)
    return EXIT_INCOMPLETE if problems else 0


def _kept(jobs: Sequence[Job]) -> str:
    count = sum(job.is_done() for job in jobs)
    if not count:
        return "and no picture is finished"
    return f"{count} of {len(jobs)} pictures are finished; the same command goes on from them"


def plan(arguments: argparse.Namespace) -> list[Job]:
    """The pictures to be painted, photo by photo.

    Raises:
        ValueError, TransferError: something that would prevent all of them from being painted, or
            a picture in OUT that would have to be overwritten.
    """
    photos, styles = pictures(arguments.photos), pictures(arguments.styles)
    _check_folder(arguments)
    settings = {k: v for k, v in sorted(vars(arguments).items()) if k not in UNRELATED}
    common = fingerprint((settings, _network(arguments), __version__))
    prints = {source: fingerprint(source) for source in (*photos.values(), *styles.values())}
    jobs = [
        Job(p, s, arguments.output / f"{photo}--{style}.png",
            fingerprint((common, prints[p], prints[s])))
        for photo, p in photos.items()
        for style, s in styles.items()
    ]  # fmt: skip
    _check_outputs(jobs, arguments)
    return jobs


def pictures(source: str) -> dict[str, str]:
    """The pictures in a folder, or a single one, by names that differ.

    Two files that differ only in their extension keep it in their names. Hidden files and folders
    in the folder are left out.

    Raises:
        ImageError: a folder without files; or no folder, and no picture either.
    """
    folder = Path(source)
    if not folder.is_dir():
        load_image(source)
        return {source if source in samples.names() else folder.stem: source}
    files = sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    if not files:
        raise ImageError(f"the folder '{folder}' has no pictures; expected one file or more.")
    alike = Counter(file.stem.casefold() for file in files)
    return {f.stem if alike[f.stem.casefold()] == 1 else f.name: str(f) for f in files}


def _network(arguments: argparse.Namespace) -> str:
    """Try the options out on a small picture; returns the name of the network."""
    picture = Image.radial_gradient("L")
    small = {"size": min(arguments.size, TRIAL), "steps": min(arguments.steps, 1), "quiet": True}
    style_size = TRIAL if arguments.style_size is None else arguments.style_size
    small["style_size"] = min(style_size, TRIAL)
    trial = vars(arguments) | {"photo": picture, "style": picture.rotate(90)} | small
    return str(transfer_of(argparse.Namespace(**trial)).settings["network"])


def _check_folder(arguments: argparse.Namespace) -> None:
    if arguments.jobs is not None and arguments.jobs < 1:
        raise ValueError(f"--jobs {arguments.jobs} was given; expected a whole number from 1.")
    output = arguments.output
    if output.exists() and not output.is_dir():
        raise ImageError(f"cannot write into {output}: it is a file. Name a folder.")
    if not output.absolute().parent.is_dir():
        raise ImageError(f"cannot make {output}: there is no folder '{output.parent}'.")
    if not os.access(output if output.exists() else output.absolute().parent, os.W_OK):
        raise ImageError(f"cannot write into '{output}': no permission. Choose another folder.")
    if output.exists() and any(output.samefile(folder) for folder in _inputs(arguments)):
        raise ImageError(f"cannot write into {output}: its pictures are inputs. Name another one.")


def _inputs(arguments: argparse.Namespace) -> list[Path]:
    return [path for name in (arguments.photos, arguments.styles) if (path := Path(name)).is_dir()]


def _check_outputs(jobs: Sequence[Job], arguments: argparse.Namespace) -> None:
    names = Counter(job.output.name.casefold() for job in jobs)
    for job in jobs:
        if names[job.output.name.casefold()] > 1:
            raise ImageError(f"two pictures would be called {job.output.name}. Rename an input.")
    foreign = [job.output for job in jobs if job.output.exists() and not job.is_done()]
    sheet = arguments.output / SHEET
    if arguments.sheet and sheet.exists() and not _is_ours(sheet):
        foreign.append(sheet)
    if foreign and not arguments.force:
        raise ImageError(
            f"cannot write {foreign[0]}: it exists, and was made from other pictures or with other "
            f"settings ({len(foreign)} such files). Choose another folder, or give --force."
        )


def _is_ours(sheet: Path) -> bool:
    with contextlib.suppress(OSError, ValueError, SyntaxError), Image.open(sheet) as there:
        return there.info.get("comment") == SHEET_COMMENT
    return False


# --- painting ------------------------------------------------------------------------------------


def _paint_all(jobs: Sequence[Job], arguments: argparse.Namespace) -> list[str]:
    """Paint what is not there yet; returns what went wrong, each cause once."""
    started = time.monotonic()
    arguments.output.mkdir(exist_ok=True)
    waiting = [job for job in jobs if not job.is_done()]
    there, problems = len(jobs) - len(waiting), dict[str, int]()
    precision = choose_precision(arguments.precision, arguments.device or "cpu")  # once for all
    options = argparse.Namespace(**vars(arguments) | {"precision": precision})
    paint = partial(_paint, str(Path.cwd()), options)
    cells = [(job.photo, job.style) for job in waiting]
    with (
        import_module("joblib").parallel_config(n_jobs=arguments.jobs or -1),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "A worker stopped")  # a large one is replaced by joblib
        for outcome in outcomes(
            paint, cells, done=there, unit="picture", progress=not arguments.quiet
        ):
            job = waiting[outcome.cell]
            if outcome.value is None:
                problems.setdefault(_problem(job, outcome.error), outcome.cell)
            else:
                job.save(outcome.value)
    if arguments.sheet:
        _save_sheet(jobs, arguments)
    painted = sum(job.is_done() for job in waiting)
    seconds = time.monotonic() - started
    print(f"{arguments.output}: {painted} painted, {there} there before, in {seconds:.0f} s")
    return sorted(problems, key=lambda problem: problems[problem])


def _paint(folder: str, arguments: argparse.Namespace, photo: str, style: str) -> Tensor:
    """One picture, in a worker; names are relative to `folder`."""
    options = vars(arguments) | {"photo": photo, "style": style, "quiet": True}
    with contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those about the options have been shown
        result = transfer_of(argparse.Namespace(**options))
    if result.stopped:
        raise TransferError(result.reason)
    return result.image


def _problem(job: Job, error: Exception | None) -> str:
    """The message, which names a file that could not be read; else with the picture's name."""
    expected = isinstance(error, (ValueError, TransferError))
    message = str(error) if expected else f"{type(error).__name__}: {error}"
    named = any(source in message for source in (job.photo, job.style))
    return message if named else f"{job.output.name}: {message}"


def _save_sheet(jobs: Sequence[Job], arguments: argparse.Namespace) -> None:
    """All pictures on a page: a row for each photo, a column for each style."""
    photos, styles = pictures(arguments.photos), pictures(arguments.styles)
    outputs = iter(jobs)
    table = [[None, *_thumbnails(styles)]]
    for photo in _thumbnails(photos):
        table.append([photo, *(_thumbnail(str(next(outputs).output)) for _ in styles)])
    cell = min(SHEET_CELL, SHEET_SIDE / max(len(table), len(table[0])))
    figure = plots.contact_sheet(
        table,
        rows=["", *(name[:LABEL] for name in photos)],
        columns=["", *(name[:LABEL] for name in styles)],
        cell=cell,
    )
    with promised(arguments.output / SHEET) as hidden:
        figure.savefig(hidden, format="jpeg", pil_kwargs={"comment": SHEET_COMMENT})


def _thumbnails(sources: Mapping[str, str]) -> list[Tensor | None]:
    return [_thumbnail(source) for source in sources.values()]


def _thumbnail(source: str) -> Tensor | None:
    """A small copy; `None` if there is none, or it cannot be read."""
    with contextlib.suppress(ImageError):
        return load_image(source, size=round(SHEET_CELL * INCH))
    return None


def parser() -> argparse.ArgumentParser:
    """The options are those of `nst_teach.transfer`, under the same names."""
    p = Parser(
        prog="nst-teach batch",
        description="Repaint every photo in every style: OUT/photo--style.png.",
        epilog="Finished pictures are not painted again: after an interruption, or with more "
        "photos or styles, the same command goes on. Files that cannot be read are named at the "
        "end. PHOTOS and STYLES may also be a single picture, or the name of a sample: "
        f"{', '.join(samples.names())}.",
    )
    p.add_argument("photos", metavar="PHOTOS", help="a folder of photos")
    p.add_argument("styles", metavar="STYLES", help="a folder of style pictures")
    p.add_argument("-o", "--output", metavar="OUT", type=Path, required=True, help="a folder")
    p.add_argument(
        "--force", action="store_true", help="overwrite pictures in OUT made with other settings"
    )
    p.add_argument(
        "--jobs", type=int, metavar="N", help="pictures painted at a time (one for each core)"
    )
    p.add_argument("--sheet", action="store_true", help=f"also save all pictures as OUT/{SHEET}")
    add_sizes(p)
    p.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="(%(default)s)")
    add_weights(p)
    add_run(p)
    add_manners(p)
    return p
