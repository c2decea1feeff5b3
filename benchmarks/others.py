"""What surrounds the evaluations: the machine's own rates, start-up, and neural-style-pt.

Neural-style-pt (https://github.com/ProGamerGov/neural-style-pt) is run as its users run it, from a
checkout or from an unpacked package, with its command line. A run's start is left out of the time
of an evaluation by the difference between a long and a short run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import contenders as ways
import torch
from measuring import alternate
from quiet import Watcher
from torch import nn

from nst_teach import load_image, save_image
from nst_teach.networks import VGG19_PLAN
from nst_teach.precision import choose_precision

Row = dict[str, object]

MATRIX = 2048  # rows and columns
COPIED = 2**28  # bytes; far more than caches hold
RATE_ROUNDS, START_ROUNDS = 5, 3
FEW, MANY = 2, 10  # iterations of neural-style-pt
MODEL = "vgg19-random.pth"  # it recognises the network by this name

IMPORT = """
import time
a = time.perf_counter()
import torch
b = time.perf_counter()
import nst_teach
print(b - a, time.perf_counter() - b)
"""


def rates(rounds: int = RATE_ROUNDS) -> Iterator[Row]:
    """Multiplications per second in a large product of matrices, and bytes copied per second."""
    with Watcher() as watcher:
        kinds = {"float32": torch.float32}
        kinds |= {"bfloat16": torch.bfloat16} if ways.has_units() else {}
        found = {name: MATRIX**3 / _fastest_product(kind, rounds) for name, kind in kinds.items()}
        source = torch.ones(COPIED // 4)
        target = torch.empty_like(source)
        seconds = min(alternate([lambda: target.copy_(source)], rounds, warm=True)[0])
    yield {
        "key": "rates",
        "multiplications": found,
        "copied": 2 * COPIED / seconds,  # read and written
        "auto": choose_precision("auto"),
        **watcher.record(),
    }


def _fastest_product(kind: torch.dtype, rounds: int) -> float:
    left, right = (torch.ones(MATRIX, MATRIX, dtype=kind) for _ in range(2))
    return min(alternate([lambda: left @ right], rounds, warm=True)[0])


def startup(rounds: int = START_ROUNDS) -> Iterator[Row]:
    """Seconds of `import torch`, of `import nst_teach` beyond it, and of the shortest command."""
    with Watcher() as watcher:
        imports, commands = [], []
        for _ in range(rounds):
            done = _run([sys.executable, "-c", IMPORT])
            imports.append([float(word) for word in done.split()])
            started = time.perf_counter()
            _run([sys.executable, "-m", "nst_teach_command", "--version"])
            commands.append(time.perf_counter() - started)
    torch_alone, beyond = zip(*imports, strict=True)
    yield {
        "key": "startup",
        "torch": list(torch_alone),
        "nst_teach": list(beyond),
        "version": commands,
        **watcher.record(),
    }


def real_thing(folder: Path, side: int, rounds: int, model: Path | None = None) -> Iterator[Row]:
    """Seconds per evaluation of neural-style-pt, alternating with ours, on the same pictures."""
    network = ways.make_network("vgg19")
    rivals = [way for way in (ways.OURS, ways.HALF) if ways.is_available(way)]
    functions = [ways.evaluation(way, side, network) for way in rivals]
    rows: list[list[float]] = []
    with Watcher() as watcher, tempfile.TemporaryDirectory() as made:
        command = theirs(folder.resolve(), Path(made), side, model)
        for _ in range(rounds):
            few, many = (_seconds([*command, "-num_iterations", str(n)], folder)
                         for n in (FEW, MANY))  # fmt: skip
            row = [(many - few) / (MANY - FEW)]
            rows.append(row + [statistics.median(s) for s in alternate(functions, 3, warm=True)])
    names = ["neural-style-pt", *(way.name for way in rivals)]
    yield {
        "key": f"real_thing/{side}",
        "side": side,
        "ways": [
            {"way": name, "seconds": list(column)}
            for name, column in zip(names, zip(*rows, strict=True), strict=True)
        ],
        **watcher.record(),
    }


def theirs(folder: Path, made: Path, side: int, model: Path | None) -> list[str]:
    """Its command line, with our pictures and, unless given, random weights in its layout.

    Raises:
        FileNotFoundError: the folder holds neither a checkout nor a package.
    """
    if (folder / "neural_style.py").is_file():
        program = ["neural_style.py"]
    elif (folder / "neural_style" / "neural_style.py").is_file():
        program = ["-c", "from neural_style.neural_style import main; main()"]
    else:
        raise FileNotFoundError(
            f"{folder} was given; expected a checkout of neural-style-pt, with neural_style.py."
        )
    for name in (ways.PHOTO, ways.STYLE):
        save_image(load_image(name, size=side), made / f"{name}.png")
    if model is None:
        model = made / MODEL
        torch.save(layout(), model)
    options = {
        "content_image": made / f"{ways.PHOTO}.png",
        "style_image": made / f"{ways.STYLE}.png",
        "model_file": model,
        "output_image": made / "out.png",
        "image_size": side,
        "gpu": "c",
        "init": "image",
        "seed": ways.SEED,
        "print_iter": 0,
        "save_iter": 0,
    }
    words = [word for name, value in options.items() for word in (f"-{name}", str(value))]
    return [sys.executable, *program, "-disable_check", *words]


def layout() -> dict[str, torch.Tensor]:
    """Random weights under torchvision's names, `features.0.weight`; no classifier."""
    generator, state = torch.Generator().manual_seed(ways.SEED), {}
    index, channels = 0, 3
    for block in VGG19_PLAN:
        for width in block:
            weight = torch.empty(width, channels, 3, 3)
            nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
            state |= {
                f"features.{index}.weight": weight,
                f"features.{index}.bias": torch.zeros(width),
            }
            index, channels = index + 2, width  # the ReLU between has no weights
        index += 1  # nor has the pooling
    return state


def _seconds(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    _run(command, folder)
    return time.perf_counter() - started


def _run(command: list[str], folder: Path | None = None) -> str:
    """What a program prints.

    Raises:
        RuntimeError: it ended with an error; the message ends with what it said.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} … failed:\n{done.stderr[-2000:]}")
    return done.stdout
