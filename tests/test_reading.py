"""What a page asks of its reader, counted on a page made up for it."""

from __future__ import annotations

import pytest
import reading

PAGE = """# A page

**Time** 7 minutes to read.

Four words of prose, $x + y$.

```{code-cell}
---
mystnb:
  image:
    alt: A line.
---
# a comment
x = 1

x = 1
```

```{code-cell}
:tags: [hide-input]
assert x == 1
```

:::{figure} picture.svg
:::
"""


def test_counts_what_is_seen():
    found = reading.load(PAGE)
    assert (found.code, found.new, found.folded, found.figures) == (2, 1, 1, 2)
    assert found.prose == 5


def test_a_formula_counts_as_one_word():
    short, long = "A sum, $x$.", r"A sum, $\sum_k x_k + y_k$."
    assert reading.load(short).words == reading.load(long).words == 3


def test_minutes_add_up():
    page = reading.Load(words=400, prose=0, code=9, new=6, folded=99, figures=3)
    assert page.minutes == pytest.approx(2 + 3 + 3)


def test_the_promise_is_found():
    assert reading.promised(PAGE) == 7
    assert reading.promised("# No promise") is None
