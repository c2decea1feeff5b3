"""Paint the style pictures of the package, or check that they are what the programs paint.

python tools/paint_styles.py            paint all into nst_teach/pictures
python tools/paint_styles.py --check    paint again and compare pixel by pixel
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = (
    "composition",
    "dots",
    "ink_hills",
    "marbled_paper",
    "night_swirls",
    "oil_harbour",
    "stained_glass",
    "woodcut_wave",
)
PICTURES = Path(__file__).parents[1] / "nst_teach" / "pictures"
JPEG = {"quality": 92, "subsampling": 0}  # full colour: style lives in it


def paint(name: str) -> bytes:
    """The picture as a JPEG file."""
    pixels = importlib.import_module(f"paint.{name}").paint()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **JPEG)
    return buffer.getvalue()


def index() -> str:
    """Title and alt text of every picture, as `nst_teach.samples` reads them."""
    modules = {name: importlib.import_module(f"paint.{name}") for name in NAMES}
    entries = {name: {"title": m.TITLE, "alt": m.ALT} for name, m in modules.items()}
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def differing_pixels(painted: bytes, committed: bytes) -> int:
    """How many pixels differ, after decoding both alike."""
    a, b = (np.asarray(Image.open(io.BytesIO(data))) for data in (painted, committed))
    return a[..., 0].size if a.shape != b.shape else int((a != b).any(-1).sum())


def write() -> int:
    """Paint everything."""
    for name in NAMES:
        started = time.perf_counter()
        data = paint(name)
        (PICTURES / f"{name}.jpg").write_bytes(data)
        print(f"{name}: {len(data) / 1024:.0f} KiB, {time.perf_counter() - started:.1f} s")
    (PICTURES / "index.json").write_text(index(), encoding="utf-8", newline="\n")
    return 0


def check() -> int:
    """Returns 1 if a committed picture is not what its program paints."""
    wrong = []
    for name in NAMES:
        count = differing_pixels(paint(name), (PICTURES / f"{name}.jpg").read_bytes())
        print(f"{name}: {count} pixels differ")
        wrong += [name] if count else []
    if (PICTURES / "index.json").read_text(encoding="utf-8") != index():
        wrong.append("index.json")
    if wrong:
        print(f"run 'python tools/paint_styles.py' for: {', '.join(wrong)}", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    sys.exit(check() if parser.parse_args().check else write())
