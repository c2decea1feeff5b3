"""Sphinx extension: figures outside of the chapters are counted from 1 on each page.

In numbered chapters Sphinx writes "Fig. 8.3". All other pages share one counter, so that the first
figure of a page near the end would be "Fig. 17".
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

AFTER_SPHINX = 900  # Sphinx counts at priority 500


def count_again(_: Sphinx, env: BuildEnvironment) -> list[str]:
    """Count what is on pages without a number of their own."""
    for page, kinds in env.toc_fignumbers.items():
        if not env.toc_secnumbers.get(page):
            for numbers in kinds.values():
                numbers.update({name: (count,) for count, name in enumerate(numbers, start=1)})
    return []  # pages to be written again: Sphinx knows them


def setup(app: Sphinx) -> dict:
    """Sphinx calls this when it loads the extension."""
    app.connect("env-get-updated", count_again, priority=AFTER_SPHINX)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
