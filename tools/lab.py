"""Generate the files of the lab in the pages: the graph, the manifest and the sample pictures.

    python tools/lab.py            generate all of them
    python tools/lab.py --check    change nothing; report which files are out of date

The lab is the studio for readers without Python. Its JavaScript is in book/_static/lab, and so are
the files that this program generates from the package. Run it after a change of the network, the
losses or the samples, and commit what has changed. It needs the `test` extra.
"""

from __future__ import annotations

import argparse
import io
import json
import math
from pathlib import Path

import assets
import lab_graph
import onnx
import torch
from PIL import Image, ImageChops, ImageStat

from nst_teach import load_image, load_network, samples, to_pil
from nst_teach.networks import FeatureNetwork
from nst_teach.objective import STYLE_STRENGTH

ROOT = Path(__file__).resolve().parents[1]
LAB = ROOT / "book" / "_static" / "lab"
GRAPH, MANIFEST, PICTURES = LAB / "petite.onnx", LAB / "lab.json", LAB / "samples"

NETWORK = "petite"  # the pages have no other, whatever NST_TEACH_NETWORK says
SIDE = 256  # pixels, the longer side of a sample: the largest size that the controls offer
QUALITY = 80  # of the JPEGs; not visible at 128 pixels, the size of most runs
MEGABYTE = 1e6

SAME_OUTPUT = 1e-6  # of the largest value: two builds of the same graph differ by rounding only
SAME_PICTURE = (
    2.0  # mean difference in 0..255 between JPEGs of the same picture by different encoders
)


# The manifest


def manifest(network: FeatureNetwork) -> dict[str, object]:
    """What the page needs besides the words: samples, layers, defaults."""
    return {
        "graph": GRAPH.name,
        "megabytes": megabytes_to_start(),
        "network": describe(network),
        "style_strength": STYLE_STRENGTH,
        "samples": [sample_entry(name) for name in samples.names()],
    }


def describe(network: FeatureNetwork) -> dict[str, object]:
    """The layers of the graph, and the default ones among them."""
    contents, styles = lab_graph.content_layers(network), network.style_layers
    return {
        "name": network.name,
        "stride": lab_graph.STRIDE,
        "content_layers": [layer_entry(network, name) for name in contents],
        "style_layers": [layer_entry(network, name) for name in styles],
        "default_content_layers": network.content_layers,
        "default_style_layers": network.style_layers,
    }


def layer_entry(network: FeatureNetwork, name: str) -> dict[str, object]:
    """A layer's name, its number of filters, and how many pixels lie between two positions."""
    side = 4 * lab_graph.STRIDE
    _, filters, height, _ = network(torch.zeros(1, 3, side, side), name)[name].shape
    return {"name": name, "filters": filters, "spacing": side // height}


def sample_entry(name: str) -> dict[str, object]:
    """The description, size and path of a sample, for the page."""
    sample = samples.get(name)
    with Image.open(picture_file(name)) as small:
        size = {"width": small.width, "height": small.height}
    credit = f"{sample.maker}, {sample.licence}"
    file = picture_file(name).relative_to(LAB).as_posix()
    entry = {"name": name, "kind": sample.kind, "title": sample.title, "alt": sample.alt}
    return {**entry, "credit": credit, "file": file, **size}


def megabytes_to_start() -> float:
    """The size of the files that the start button loads, in MB."""
    assets.install()
    files = [GRAPH, *(path for path in (assets.VENDOR / "onnxruntime").iterdir())]
    size = sum(file.stat().st_size for file in files if file.name != "LICENSE")
    return round(size / MEGABYTE, 1)


def encode(data: dict[str, object]) -> str:
    """JSON as it is committed."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


# The pictures


def picture_file(name: str) -> Path:
    return PICTURES / f"{name}.jpg"


def picture(name: str) -> bytes:
    """A sample as a small JPEG."""
    file = io.BytesIO()
    to_pil(load_image(name, size=SIDE)).save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()


def looks_the_same(one: bytes, other: bytes) -> bool:
    """Whether two JPEGs look the same; their bytes depend on the version of the library."""
    first, second = (Image.open(io.BytesIO(data)).convert("RGB") for data in (one, other))
    if first.size != second.size:
        return False
    return max(ImageStat.Stat(ImageChops.difference(first, second)).mean) < SAME_PICTURE


# The graph


def difference(one: onnx.ModelProto, other: onnx.ModelProto, network: FeatureNetwork) -> float:
    """The largest difference between the outputs of two graphs, relative to each output's largest.

    The image and the values of the controls are random; infinite if the outputs have other names.
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((1, 3, 2 * lab_graph.STRIDE, 3 * lab_graph.STRIDE), generator=generator)
    inputs = lab_graph.blank(network, image)
    for name in inputs.keys() - {"image"}:
        inputs[name] = torch.rand(inputs[name].shape, generator=generator)
    first, second = (lab_graph.Session(model, network)(inputs) for model in (one, other))
    if first.keys() != second.keys():
        return math.inf
    return max(relative(first[name], second[name]) for name in first)


def relative(given: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, in units of the largest expected value."""
    return float((given - expected).abs().max() / expected.abs().max().clamp(min=1e-30))


# The command


def make(network: FeatureNetwork) -> None:
    """Write graph, manifest and pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    onnx.save(lab_graph.build(network), GRAPH)
    for name in samples.names():
        picture_file(name).write_bytes(picture(name))
    MANIFEST.write_text(encode(manifest(network)), encoding="utf-8", newline="\n")


def stale(network: FeatureNetwork) -> list[str]:
    """The files that differ from what `make` would write."""
    return [*stale_manifest(network), *stale_pictures(), *stale_graph(network)]


def stale_manifest(network: FeatureNetwork) -> list[str]:
    """The manifest, if it is out of date; a difference in the megabytes alone does not count."""
    if not MANIFEST.is_file():
        return [MANIFEST.name]
    found, expected = json.loads(MANIFEST.read_text("utf-8")), json.loads(encode(manifest(network)))
    found["megabytes"] = expected["megabytes"]  # depends on the compression library
    return [] if found == expected else [MANIFEST.name]


def stale_pictures() -> list[str]:
    """Pictures that are missing, look different, or belong to no sample."""
    expected = {picture_file(name): name for name in samples.names()}
    found = set(PICTURES.glob("*"))
    other = [
        file for file in expected.keys() & found
        if not looks_the_same(file.read_bytes(), picture(expected[file]))
    ]  # fmt: skip
    return sorted(file.name for file in (*other, *(expected.keys() ^ found)))


def stale_graph(network: FeatureNetwork) -> list[str]:
    """The graph, if a new one gives different numbers."""
    if not GRAPH.is_file():
        return [GRAPH.name]
    far = difference(onnx.load(GRAPH), lab_graph.build(network), network) > SAME_OUTPUT
    return [GRAPH.name] if far else []


def main() -> None:
    parser = argparse.ArgumentParser(description="Generate the files of the lab in the pages.")
    parser.add_argument("--check", action="store_true", help="write nothing, report differences")
    network = load_network(NETWORK)
    if not parser.parse_args().check:
        make(network)
        print(f"wrote {GRAPH.name}, {MANIFEST.name} and {len(samples.names())} pictures")
    elif names := stale(network):
        raise SystemExit(f"out of date in {LAB.relative_to(ROOT)}: {', '.join(names)}. Run "
                         "'python tools/lab.py' and commit the result.")  # fmt: skip


if __name__ == "__main__":
    main()
