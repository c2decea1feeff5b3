"""An image widget with an alternative text."""

from __future__ import annotations

import base64
import io
from html import escape

import ipywidgets as widgets
from PIL import Image


class PictureView:
    """A JPEG as an `<img>` with an alternative text.

    The `Image` of ipywidgets cannot have an alternative text: version 7 ignores its `tooltip`, and
    version 8 fails to draw an `Image` with a tooltip and no description.

    Attributes:
        widget: the widget, to be placed in a layout.
        jpeg: the current image, as the bytes of a file.
        alt: its alternative text.
    """

    def __init__(self, width: str = "auto"):
        self.widget = widgets.HTML(layout=widgets.Layout(width=width))
        self.widget.add_class("nst-picture")
        self.jpeg, self.alt = b"", ""

    def show(self, jpeg: bytes, alt: str) -> None:
        """Show another image; showing the same one again costs nothing."""
        if (jpeg, alt) != (self.jpeg, self.alt):
            self.jpeg, self.alt = jpeg, alt
            self.widget.value = _img(jpeg, alt)


def _img(jpeg: bytes, alt: str) -> str:
    """The HTML, with size and synchronous decoding, so that the page does not jump or flicker."""
    width, height = Image.open(io.BytesIO(jpeg)).size  # reads the header of the file only
    data = base64.b64encode(jpeg).decode("ascii")
    size = f'width="{width}" height="{height}" decoding="sync"'
    return f'<img {size} alt="{escape(alt)}" src="data:image/jpeg;base64,{data}">'
