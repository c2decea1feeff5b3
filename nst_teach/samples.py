"""The bundled pictures: real photographs, and style pictures painted by our own programs.

The photographs are part of scikit-image, so nothing is downloaded; their licences are recorded with
each sample. The style pictures were painted by the programs in `tools/paint`, which reproduce them
exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

PICTURES = Path(__file__).parent / "pictures"
OURS = "CC BY 4.0"
CC0 = "CC0 1.0"
PUBLIC_DOMAIN = "public domain"


@dataclass(frozen=True)
class Sample:
    """A bundled picture: `kind` is "photo", "texture" or "style"."""

    name: str
    kind: str
    file: str
    title: str
    maker: str
    licence: str
    alt: str

    @property
    def path(self) -> Path:
        """The path of the file on this machine."""
        if self.kind == "style":
            return PICTURES / self.file
        import skimage.data

        return Path(skimage.data.data_dir) / self.file


_PHOTOS = (
    Sample("chelsea", "photo", "chelsea.png", "Chelsea the cat", "Stéfan van der Walt", CC0,
           "A tabby cat with green eyes looks just past the camera, close up."),
    Sample("coffee", "photo", "coffee.png", "A cup of coffee", "Rachel Michetti", CC0,
           "A cup of espresso on a saucer with a spoon, on a wooden table."),
    Sample("astronaut", "photo", "astronaut.png", "Eileen Collins", "NASA", PUBLIC_DOMAIN,
           "An astronaut in an orange suit smiles in front of a flag and a model shuttle."),
    Sample("rocket", "photo", "rocket.jpg", "Launch of DSCOVR", "SpaceX", CC0,
           "A rocket on its launch pad at dusk, between floodlit towers."),
    Sample("motorcycle", "photo", "motorcycle_left.png", "Motorcycle in a workshop",
           "Daniel Scharstein et al.", CC0,
           "A red and white motorcycle stands in a cluttered workshop."),
    Sample("brick", "texture", "brick.png", "Brick wall", "CC0Textures.com", CC0,
           "A wall of bricks in even rows, in grey tones."),
    Sample("gravel", "texture", "gravel.png", "Gravel", "CC0Textures.com", CC0,
           "Small stones that cover the ground, in grey tones."),
    Sample("grass", "texture", "grass.png", "Grass", "CC0Textures.com", CC0,
           "Blades of grass seen from above, in grey tones."),
)  # fmt: skip


@cache
def _catalogue() -> dict[str, Sample]:
    """All samples by name; the style pictures are described in `pictures/index.json`."""
    return {sample.name: sample for sample in (*_PHOTOS, *_painted())}


def _painted() -> list[Sample]:
    import json

    index = json.loads((PICTURES / "index.json").read_text(encoding="utf-8"))
    return [
        Sample(name, "style", f"{name}.jpg", entry["title"], "tools/paint", OURS, entry["alt"])
        for name, entry in sorted(index.items())
    ]


def names(kind: str | None = None) -> tuple[str, ...]:
    """The names of all samples, or of one kind: "photo", "texture" or "style"."""
    return tuple(s.name for s in _catalogue().values() if kind in (None, s.kind))


def get(name: str) -> Sample:
    """The sample of this name.

    Raises:
        KeyError: there is no such sample; the message lists all of them.
    """
    if name not in _catalogue():
        raise KeyError(f"unknown sample {name!r}; choose one of {', '.join(names())}.")
    return _catalogue()[name]


def open_sample(name: str) -> Image.Image:
    """The sample as a PIL image."""
    with Image.open(get(name).path) as picture:
        picture.load()
        return picture
