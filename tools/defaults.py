"""How the default β and total variation were chosen: by a judge, at four sizes. A record.

    python tools/defaults.py --exact FILE --pictures FOLDER [--pictures FOLDER ...] [--show FOLDER]

The twelve pairs of tools/grain.py are stylised with `petite` at 192, 256, 384 and 512 pixels, with
half, once and twice the default β, without total variation and with a tenth of β for its weight.
Each image is judged by the exact VGG-19 to relu3_1: the Gram distance to the style, the drift from
the content, the share of fine detail and the total variation.

`--show` also writes the images, to look at. Each row of the record is written when it is complete
and is not computed again, so that a run that was interrupted goes on. It takes about forty minutes
on two CPU cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
from evaluate_petite import read
from grain import CONTENTS, STYLES, measured, settings, stylised
from teachers import load_teacher

from nst_teach import load_network, save_image
from nst_teach.networks import WEIGHTS_FOLDER

RECORD = WEIGHTS_FOLDER / "petite_defaults.json"
SIZES = (192, 256, 384, 512)
TRIED = ((1.0, 0.0), (1.0, 0.1), (0.5, 0.1), (2.0, 0.1))  # times β, total variation per β


def name_of(size: int, strength: float, smoothing: float) -> str:
    """The name of a row of the record."""
    return f"{size} px, {strength:g} β, total variation {smoothing:g}"


def main() -> None:
    """Write the record, row by row."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--exact", required=True, help="'vgg19' or a file, to relu3_1 at least")
    parser.add_argument("--pictures", type=Path, action="append", required=True, help="a folder")
    parser.add_argument("--out", type=Path, default=RECORD)
    parser.add_argument("--show", type=Path, help="a folder for the images")
    arguments = parser.parse_args()
    exact, petite = load_teacher(arguments.exact), load_network("petite")
    kept = json.loads(arguments.out.read_text("utf-8")) if arguments.out.exists() else {}
    rows = kept.get("rows", {}) if kept.get("settings") == chosen_from() else {}
    for (strength, smoothing), size in itertools.product(TRIED, SIZES):
        contents, styles = (read(arguments.pictures, list(n), size) for n in (CONTENTS, STYLES))
        pairs = list(itertools.product(contents, styles))
        name = name_of(size, strength, smoothing)
        if name in rows:
            continue
        images = [stylised(petite, *pair, smoothing, strength) for pair in pairs]
        rows[name] = measured(images, pairs, exact)
        means = {key: f"{np.mean(values):.4g}" for key, values in rows[name].items()}
        print(name, means, flush=True)
        text = json.dumps({"settings": chosen_from(), "rows": rows}, indent=1)
        arguments.out.write_text(text + "\n", "utf-8")
        for number, image in enumerate(images if arguments.show else []):
            save_image(image, arguments.show / f"{name}, pair {number}.png")


def chosen_from() -> dict:
    """What the record was made with."""
    kept = {key: value for key, value in settings().items() if key != "size"}
    return {**kept, "sizes": list(SIZES), "tried": [list(pair) for pair in TRIED]}


if __name__ == "__main__":
    main()
