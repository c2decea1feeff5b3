"""The subcommand `nst-teach film CLIP STYLE -o OUT`: `paint_clip` for the shell."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from nst_teach import samples
from nst_teach.clips import FILMS, FOLDER_FPS, Clip, check_ending, load_clip, save_clip
from nst_teach.film import (
    FRAME_STEPS,
    TEMPORAL_STRENGTH,
    discard_frames,
    finished_frames,
    paint_clip,
)
from nst_teach.memory import TransferError
from nst_teach.motion import METHODS
from nst_teach.options import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    Parser,
    add_manners,
    add_run,
    add_sizes,
    add_weights,
    settings_of,
)
from nst_teach.outputs import check_output
from nst_teach.run import DEFAULT_STEPS

ENDINGS = (*FILMS, ".gif")


def main(argv: Sequence[str]) -> int:
    """Paint a film; returns the exit status.

    Finished frames are kept in the folder `OUT.frames` next to OUT. If the program is stopped, even
    by a loss of power, the same command goes on from them. The folder is deleted when the film is
    complete.
    """
    arguments = parser().parse_args(argv)
    work = work_folder(arguments.output)
    try:
        print(f"{arguments.output}: {_film(arguments, work)}")
    except (ValueError, TransferError, OSError) as error:
        print(f"nst-teach: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        kept = f"the frames so far are in '{work}'; the same command goes on from them"
        words = kept if work.is_dir() else "and nothing was written"
        print(f"nst-teach: interrupted, {words}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def work_folder(output: Path) -> Path:
    """Where the finished frames of a film are kept until it is complete."""
    return output.parent / f"{output.name}.frames"  # also for an output without a name


def _film(arguments: argparse.Namespace, work: Path) -> str:
    """Paint and save the film; returns a summary."""
    started = time.monotonic()
    check_ending(arguments.output)
    inputs = (arguments.clip, arguments.style, arguments.start, arguments.weights or "")
    check_output(arguments.output, ENDINGS, inputs=inputs, force=arguments.force)
    clip = load_clip(
        arguments.clip,
        size=arguments.size,
        frames=arguments.frames,
        every=arguments.every,
        fps=arguments.fps,
    )
    if arguments.restart:
        discard_frames(work)
    count = sum(1 for _ in _painted(clip, arguments, work))
    finished = load_clip(finished_frames(work, arguments.passes), frames=count)
    save_clip(Clip(finished.frames, clip.fps), arguments.output)
    if not arguments.keep_frames:
        discard_frames(work)
    height, width = next(iter(clip.frames)).shape[-2:]
    seconds = time.monotonic() - started
    return f"{count} frames of {width}×{height} px, {clip.fps:.4g} per second, in {seconds:.0f} s"


def _painted(clip: Clip, arguments: argparse.Namespace, work: Path) -> Iterator[Tensor]:
    return paint_clip(
        clip,
        arguments.style,
        temporal=arguments.temporal,
        long_term=arguments.long_term,
        passes=arguments.passes,
        motion=arguments.motion,
        boundaries=arguments.boundaries,
        first_steps=arguments.first_steps,
        folder=work,
        **settings_of(arguments),
    )


def parser() -> argparse.ArgumentParser:
    """The options are those of `load_clip` and `paint_clip`, under the same names."""
    p = Parser(
        prog="nst-teach film",
        description="Repaint a clip in the style of a picture, with little flicker.",
        epilog="Finished frames are kept in OUT.frames until the film is complete. After an "
        "interruption, the same command goes on from them. The film has no sound. Samples, usable "
        f"as STYLE: {', '.join(samples.names())}.",
    )
    p.add_argument("clip", metavar="CLIP", help="a film, a GIF or a folder of frames")
    p.add_argument("style", metavar="STYLE", help="a file, or the name of a sample")
    p.add_argument(
        "-o", "--output", metavar="OUT", type=Path, required=True, help=", ".join(ENDINGS)
    )
    p.add_argument("--force", action="store_true", help="overwrite OUT")
    p.add_argument("--restart", action="store_true", help="discard the frames in OUT.frames")
    p.add_argument("--keep-frames", action="store_true", help="keep OUT.frames in the end")
    p.add_argument("--frames", type=int, metavar="N", help="only the first N frames")
    p.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th frame")
    p.add_argument(
        "--fps", type=float, help=f"frames per second (the clip's; {FOLDER_FPS:g} for a folder)"
    )
    add_sizes(p)
    p.add_argument(
        "--steps", type=int, default=FRAME_STEPS, help="for each frame but the first (%(default)s)"
    )
    p.add_argument(
        "--first-steps", type=int, default=DEFAULT_STEPS, help="for the first frame (%(default)s)"
    )
    p.add_argument(
        "--temporal",
        type=float,
        help=f"weight of the temporal loss ({TEMPORAL_STRENGTH:g} per content feature)",
    )
    p.add_argument(
        "--long-term", action="store_true", help="also compare with 2 and 4 frames ago (slower)"
    )
    p.add_argument(
        "--passes", type=int, default=1, help="paint the clip so often, to and fro (%(default)s)"
    )
    p.add_argument("--motion", choices=METHODS, default="tvl1", help="(%(default)s)")
    p.add_argument(
        "--boundaries",
        action="store_true",
        help="exempt the boundaries of moving objects from the temporal loss",
    )
    add_weights(p)
    add_run(p)
    add_manners(p)
    return p
