"""A picture on the screen, and the words that stand for it."""

from __future__ import annotations

import base64
import io
from html import escape

import ipywidgets as widgets
from PIL import Image


class PictureView:
    """A JPEG as an `<img>` with an alternative text.

    ipywidgets has an `Image` of its own, but no way to say what it shows: version 7 ignores its
    `tooltip`, and version 8 fails to draw one that has a tooltip and no description.

    Attributes:
        widget: to be laid out.
        jpeg: the picture on the screen, as the bytes of a file.
        alt: what it shows, for those who cannot see it.
    """

    def __init__(self, width: str = "auto"):
        self.widget = widgets.HTML(layout=widgets.Layout(width=width))
        self.widget.add_class("nst-picture")
        self.jpeg, self.alt = b"", ""

    def show(self, jpeg: bytes, alt: str) -> None:
        """Put another picture in its place; the same one again costs nothing."""
        if (jpeg, alt) != (self.jpeg, self.alt):
            self.jpeg, self.alt = jpeg, alt
            self.widget.value = _img(jpeg, alt)


def _img(jpeg: bytes, alt: str) -> str:
    """The element. It knows its size and is decoded at once, so that nothing moves or blinks."""
    width, height = Image.open(io.BytesIO(jpeg)).size  # reads the head of the file, no pixel
    data = base64.b64encode(jpeg).decode("ascii")
    size = f'width="{width}" height="{height}" decoding="sync"'
    return f'<img {size} alt="{escape(alt)}" src="data:image/jpeg;base64,{data}">'
