"""What the commands for pictures and for a film have in common: options, and exit statuses."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from nst_teach import __version__, objective, optimizers
from nst_teach.facade import transfer
from nst_teach.images import CONVENTIONS
from nst_teach.networks import NETWORK_VARIABLE, FeatureNetwork, load_network
from nst_teach.objective import MEMORIES
from nst_teach.precision import PRECISIONS
from nst_teach.results import Result
from nst_teach.run import DEFAULT_SIZE
from nst_teach.starts import STARTS

EXIT_BAD_INPUT = 2
EXIT_STOPPED = 3
EXIT_INTERRUPTED = 130  # the shell's convention for Ctrl-C


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, without the usage of all options."""

    def error(self, message: str) -> NoReturn:
        words = " ".join(message.split())
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {words} ({self.prog} --help lists the options)\n")


def add_weights(p: argparse.ArgumentParser) -> None:
    """The options for the terms of the objective."""
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


def add_sizes(p: argparse.ArgumentParser) -> None:
    """The options for the sizes of the result and of the style picture."""
    p.add_argument("--size", type=int, default=DEFAULT_SIZE, help="longer side (%(default)s)")
    p.add_argument(
        "--style-size", type=int, help="longer side of the style picture (same as --size)"
    )


def add_run(p: argparse.ArgumentParser) -> None:
    """The options for the initial image, the optimiser and the network."""
    p.add_argument(
        "--start", default="content", help=f"{', '.join(STARTS)} or a file (%(default)s)"
    )
    p.add_argument(
        "--optimizer", choices=optimizers.OPTIMIZERS, default="lbfgs", help="(%(default)s)"
    )
    p.add_argument("--learning-rate", type=float, help="for adam and the L-BFGS of torch")
    p.add_argument("--network", help=f"petite, vgg16, … (${NETWORK_VARIABLE}, or petite)")
    p.add_argument("--weights", type=Path, help="a weight file for the network")
    p.add_argument(
        "--convention", choices=tuple(CONVENTIONS), help="of the weights' input (as the file tells)"
    )
    p.add_argument("--last-layer", metavar="LAYER", help="the end of a file of the first layers")
    p.add_argument("--pooling", choices=("max", "average"), help="(as the network was trained)")
    p.add_argument("--seed", type=int, default=0, help="of the noise start (%(default)s)")
    p.add_argument("--device", help="cpu, cuda, mps (cpu)")
    p.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="of the network's arithmetic; auto is the faster one on this machine (%(default)s)",
    )
    p.add_argument(
        "--memory",
        choices=MEMORIES,
        default="normal",
        help="low: half the memory for features, 1.4 to 3 times the time (%(default)s)",
    )


def network_of(arguments: argparse.Namespace) -> FeatureNetwork:
    """The network that the options ask for."""
    return load_network(
        arguments.network,
        weights=arguments.weights,
        convention=arguments.convention,
        last_layer=arguments.last_layer,
        pooling=arguments.pooling,
        device=arguments.device,
    )


def transfer_of(arguments: argparse.Namespace) -> Result:
    """The transfer that the options ask for; `photo` and `style` are among them."""
    return transfer(
        arguments.photo,
        arguments.style,
        size=arguments.size,
        checkpoint=getattr(arguments, "checkpoint", None),  # only one picture has one
        **settings_of(arguments),
    )


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments that `transfer` and `paint_clip` have in common."""
    names = (
        *("content_layers", "style_layers", "alpha", "beta", "total_variation"),
        *("start", "optimizer", "learning_rate", "steps", "style_size", "seed"),
        *("precision", "memory"),
    )
    given = {name: getattr(arguments, name) for name in names}
    return given | {"network": network_of(arguments), "progress": not arguments.quiet}


def add_manners(p: argparse.ArgumentParser) -> None:
    """The options for what is printed."""
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    p.add_argument("--version", action="version", version=f"nst-teach {__version__}")


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
