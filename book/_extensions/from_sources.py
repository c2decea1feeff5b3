"""Sphinx extension: build the pages from the sources that people edit, not from the notebooks.

`_toc.yml` names the notebooks, which Colab, Binder and Jupyter open. They are in plain Markdown.
The book can show more, so each is replaced here, while it is read, by its source as it was written.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))

import notebooks  # noqa: E402 - it is in the folder named above


def read_source(app: Sphinx, docname: str, content: list[str]) -> None:
    """Put the source of a page in place of its notebook, and watch the source for changes."""
    if source := notebooks.pages(Path(app.srcdir)).get(docname):
        content[0] = notebooks.book_text(source)
        app.env.note_dependency(str(source))


def setup(app: Sphinx) -> dict:
    """Sphinx calls this when it loads the extension."""
    app.connect("source-read", read_source)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
