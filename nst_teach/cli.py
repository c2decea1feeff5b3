"""The command line: `nst-teach PHOTO STYLE -o OUT`, and `nst-teach doctor`.

Write `./doctor` for a photograph whose file is called doctor, without an extension.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from nst_teach import __version__, objective, optimizers, samples
from nst_teach.facade import DEFAULT_SIZE, transfer
from nst_teach.memory import TransferError
from nst_teach.networks import NETWORK_VARIABLE, load_network
from nst_teach.outputs import check_output, promised
from nst_teach.records import Stop
from nst_teach.results import Result
from nst_teach.run import DEFAULT_STEPS
from nst_teach.starts import STARTS

DOCTOR = "doctor"  # the subcommand that checks this machine
EXIT_BAD_INPUT = 2
EXIT_STOPPED = 3
EXIT_INTERRUPTED = 130  # the shell's convention for Ctrl-C
BYTES_PER_PIXEL = 3  # at most; reserved on the disk before the run
MOST_RESERVED = 500_000_000  # bytes; a larger image runs out of memory first
PLOT_BYTES = 1_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one transfer, or the doctor; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] == DOCTOR:
        return _examine(argv[1:])
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
        return EXIT_INTERRUPTED if result.stopped is Stop.INTERRUPTED else EXIT_STOPPED
    return 0


def _examine(argv: Sequence[str]) -> int:
    from nst_teach import doctor  # not needed for a transfer

    return doctor.main(argv)


def _run(arguments: argparse.Namespace) -> Result:
    with contextlib.ExitStack() as files:
        output, plot = _outputs(arguments, files)
        result = _transfer(arguments)
        result.save(output)
        if plot:
            result.plot().savefig(plot)
    return result


def _outputs(
    arguments: argparse.Namespace, files: contextlib.ExitStack
) -> tuple[Path, Path | None]:
    """Temporary files for the picture and the plot."""
    inputs = (arguments.photo, arguments.style, arguments.start, arguments.weights or "")
    check_output(arguments.output, _picture_endings(), inputs=inputs, force=arguments.force)
    if arguments.plot:
        others = (*inputs, arguments.output)
        if arguments.plot.resolve() == arguments.output.resolve():
            raise ValueError(f"{arguments.plot} was given twice, for the picture and for --plot.")
        check_output(arguments.plot, _plot_endings(), inputs=others, force=arguments.force)
    room = BYTES_PER_PIXEL * max(0, arguments.size) ** 2
    output = files.enter_context(promised(arguments.output, min(room, MOST_RESERVED)))
    plot = arguments.plot and files.enter_context(promised(arguments.plot, PLOT_BYTES))
    return output, plot


def _transfer(arguments: argparse.Namespace) -> Result:
    network = load_network(
        arguments.network,
        weights=arguments.weights,
        pooling=arguments.pooling,
        device=arguments.device,
    )
    return transfer(
        arguments.photo,
        arguments.style,
        network=network,
        content_layers=arguments.content_layers,
        style_layers=arguments.style_layers,
        alpha=arguments.alpha,
        beta=arguments.beta,
        total_variation=arguments.total_variation,
        start=arguments.start,
        optimizer=arguments.optimizer,
        learning_rate=arguments.learning_rate,
        steps=arguments.steps,
        size=arguments.size,
        style_size=arguments.style_size,
        seed=arguments.seed,
        progress=not arguments.quiet,
    )


def _picture_endings() -> set[str]:
    """File extensions that Pillow can write; it can read more."""
    from PIL import Image

    return {e for e, kind in Image.registered_extensions().items() if kind in Image.SAVE}


def _plot_endings() -> set[str]:
    """File extensions that matplotlib can write."""
    from matplotlib.backend_bases import FigureCanvasBase

    return {f".{kind}" for kind in FigureCanvasBase.get_supported_filetypes()}


def layers(text: str) -> dict[str, float] | tuple[str, ...]:
    """`relu1_1,relu2_1` or, with weights, `relu1_1=0.7,relu2_1=0.3`."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    weights = _weights(entries, text) if "=" in text else dict.fromkeys(entries, 1.0)
    if len(weights) < len(entries):
        raise argparse.ArgumentTypeError(f"'{text}' was given; expected each layer once")
    return weights if "=" in text else tuple(entries)


def smoothing(text: str) -> float | None:
    """A weight, or `None` for `weak`."""
    if text == "weak":
        return None
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' was given; expected a number, or 'weak'"
        ) from None


def _weights(entries: list[str], text: str) -> dict[str, float]:
    try:
        pairs = (entry.split("=") for entry in entries)
        return {name.strip(): float(weight) for name, weight in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' was given; expected names (relu1_1,relu2_1) or names with weights "
            "(relu1_1=0.7,relu2_1=0.3)"
        ) from None


def parser() -> argparse.ArgumentParser:
    """The options are those of `nst_teach.transfer`, under the same names."""
    p = argparse.ArgumentParser(
        prog="nst-teach",
        description="Repaint a photograph in the style of another picture.",
        epilog=f"Samples, usable in place of a file: {', '.join(samples.names())}. "
        f"`nst-teach {DOCTOR}` checks this machine and predicts how long each page of the course "
        f"takes on it; write ./{DOCTOR} for a photograph of that name.",
    )
    p.add_argument("photo", metavar="PHOTO", help="a file, or the name of a sample")
    p.add_argument("style", metavar="STYLE", help="a file, or the name of a sample")
    p.add_argument("-o", "--output", metavar="OUT", type=Path, required=True, help=".png or .jpg")
    p.add_argument("--force", action="store_true", help="overwrite OUT, and the file of --plot")
    p.add_argument("--size", type=int, default=DEFAULT_SIZE, help="longer side (%(default)s)")
    p.add_argument(
        "--style-size", type=int, help="longer side of the style picture (same as --size)"
    )
    p.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="(%(default)s)")
    p.add_argument("--alpha", type=float, default=1.0, help="weight of the content (%(default)s)")
    p.add_argument(
        "--beta",
        type=float,
        help=f"weight of the style ({objective.STYLE_STRENGTH} per content feature)",
    )
    p.add_argument(
        "--total-variation",
        type=smoothing,
        default=0.0,
        metavar="WEIGHT",
        help="weight of the total variation, or 'weak' for a tenth of β (%(default)s)",
    )
    p.add_argument("--content-layers", type=layers, metavar="LAYERS", help="such as relu4_2")
    p.add_argument(
        "--style-layers", type=layers, metavar="LAYERS", help="such as relu1_1=0.7,relu2_1=0.3"
    )
    p.add_argument(
        "--start", default="content", help=f"{', '.join(STARTS)} or a file (%(default)s)"
    )
    p.add_argument(
        "--optimizer", choices=optimizers.OPTIMIZERS, default="lbfgs", help="(%(default)s)"
    )
    p.add_argument("--learning-rate", type=float, help="for adam and the L-BFGS of torch")
    p.add_argument("--network", help=f"petite, vgg16, … (${NETWORK_VARIABLE}, or petite)")
    p.add_argument("--weights", type=Path, help="a weight file for the network")
    p.add_argument("--pooling", choices=("max", "average"), help="(as the network was trained)")
    p.add_argument("--seed", type=int, default=0, help="of the noise start (%(default)s)")
    p.add_argument("--device", help="cpu, cuda, mps (cpu)")
    p.add_argument(
        "--plot", type=Path, metavar="FILE", help="also save a figure with the loss curves"
    )
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    p.add_argument("--version", action="version", version=f"nst-teach {__version__}")
    return p


if __name__ == "__main__":
    sys.exit(main())
