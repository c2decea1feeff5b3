"""Sphinx extension: send the photographs that cells draw as JPEG, where that is much lighter.

A cell draws PNG, which keeps every value. That suits charts. A stylised photograph is as rough as
noise, and PNG cannot shorten noise: a page with twenty of them would take some seconds to come over
a slow line. The notebooks keep their PNG; only the page is given another file.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms.images import ImageConverter

QUALITY = 90  # of 100: no difference to be seen at the size of the page
MUCH_LIGHTER = 0.6  # as a share of the PNG: charts are lighter as they are
DRAWN_IN = "jupyter_execute"  # where myst-nb puts what cells draw


class LighterPictures(ImageConverter):
    """Replaces a PNG by a JPEG of the same picture. Sphinx does the book-keeping."""

    conversion_rules: ClassVar = [("image/png", "image/jpeg")]

    def match(self, node: nodes.image) -> bool:
        """Is this a PNG that a cell drew, on its way to a page?"""
        drawn = DRAWN_IN in Path(node["uri"]).parts and node["uri"].endswith(".png")
        return drawn and self.app.builder.format == "html"

    def convert(self, _from: str, _to: str) -> bool:
        """Write the JPEG if it is much lighter; else Sphinx keeps the PNG."""
        jpeg = as_jpeg(Path(_from))
        lighter = len(jpeg) < MUCH_LIGHTER * Path(_from).stat().st_size
        if lighter:
            Path(_to).write_bytes(jpeg)
        return lighter


def as_jpeg(path: Path) -> bytes:
    """The picture on white, with its colours at full resolution."""
    with Image.open(path) as picture:
        picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    file = io.BytesIO()
    picture = Image.alpha_composite(white, picture).convert("RGB")
    picture.save(file, "JPEG", quality=QUALITY, subsampling="4:4:4")
    return file.getvalue()


def setup(app: Sphinx) -> dict:
    """Sphinx calls this when it loads the extension."""
    app.add_post_transform(LighterPictures)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
