"""Fingerprints: equal for the same in every process, different after every change that matters."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from conftest import ROOT

from nst_teach import load_network, transfer
from nst_teach.fingerprints import fingerprint


def defined(source: str, name: str = "f"):
    """A function or class as a notebook would define it, in a namespace of its own."""
    namespace = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(source), "<cell>", "exec", dont_inherit=True), namespace)
    return namespace[name]


VALUES = [
    None, True, 1, 1.0, 0.0, -0.0, 1j, "1", b"1", (1,), [1], {1}, {1: 2}, {2: 1}, {1: 3}, "", (),
    [], (1, 2), (2, 1), ((1, 2), 3), (1, (2, 3)), {"a": 1, "b": 2}, {"b": 2, "a": 1},
    np.zeros(3), np.zeros(3, np.float32), np.zeros((3, 1)), np.ones(3), np.float64(1),
    torch.zeros(3), torch.zeros(3, dtype=torch.float64), torch.zeros(3, 1), torch.ones(3),
    torch.zeros(()), torch.zeros(3, dtype=torch.bfloat16), range(3), slice(1, 2), int, float, len,
    functools.partial(max, 1), functools.partial(max, 2), torch, np, transfer, torch.relu,
]  # fmt: skip


def test_values_that_differ_have_different_fingerprints():
    found = [fingerprint(value) for value in VALUES]
    assert len(set(found)) == len(VALUES)


def test_equal_values_have_equal_fingerprints():
    image = torch.rand(1, 3, 4, 5)
    assert fingerprint(image) == fingerprint(image.clone())
    assert fingerprint(image) == fingerprint(image.to(memory_format=torch.channels_last))
    assert fingerprint(load_network()) == fingerprint(load_network())
    text = "relu1_1"
    assert fingerprint([text, text]) == fingerprint([text, "".join(["relu", "1_1"])])


CELL = """
import math
from dataclasses import dataclass
from nst_teach import gram_matrix
SCALE = {"low": 1, "high": 2}

@dataclass(frozen=True)
class Painted:
    image: tuple = ()
    def brighter(self):
        return tuple(x + 1 for x in self.image)

def helper(x):
    return SCALE["low"] * math.sqrt(x) if x > 1 else f(x + 1, 0)

def f(row, column, *, steps=5):
    '''A docstring.'''
    return Painted((helper(row), {"a", "b", "c"}, gram_matrix, lambda: column))
"""


def test_another_process_finds_the_same(tmp_path):
    """Although its hashes of texts, and so the order of its sets, differ."""
    lines = f"cell = {CELL!r}\n" + (
        "namespace = {'__name__': '__main__'}\n"
        "exec(compile('\\n\\n' + cell, '<another cell>', 'exec'), namespace)\n"
        "from nst_teach.fingerprints import fingerprint\n"
        "namespace['f'](3, 4)\n"
        "print(fingerprint((namespace['f'], {'x', 'y', 'z'}, 0.1)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", lines], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == fingerprint((defined(CELL), {"z", "y", "x"}, 0.1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("steps=5", "steps=6"),
        ("return Painted((", "return Painted((0, "),
        ('"low": 1', '"low": 3'),
        ("x > 1", "x > 2"),
        ("x > 1", "x >= 1"),
        ("x + 1 for", "x + 2 for"),
        ("lambda: column", "lambda: row"),
        ("math.sqrt", "math.cbrt"),
        ("image: tuple = ()", "image: tuple = (1,)"),
        ("gram_matrix", "total_variation"),
        ('"b", "c"', '"b", "d"'),
    ],
)
def test_a_change_of_the_code_is_seen(before, after):
    assert before in CELL
    assert fingerprint(defined(CELL)) != fingerprint(defined(CELL.replace(before, after)))


def test_what_does_not_matter_does_not_change_it():
    plain = fingerprint(defined(CELL))
    for before, after in (
        ("def f", "# A remark.\n\n\ndef f"),
        ("import math", "other = 1\nimport math"),
    ):
        assert fingerprint(defined(CELL.replace(before, after))) == plain


def test_running_a_function_does_not_change_it():
    """Python rewrites the code of a function that is called often."""
    f = defined("def f(x):\n    y = 0\n    for i in range(x):\n        y += i\n    return y")
    before = fingerprint(f)
    for _ in range(100):
        f(100)
    assert fingerprint(f) == before


def test_what_a_closure_a_cache_or_a_method_holds_counts():
    def made(n):
        return lambda x: x + n

    @dataclass
    class Adder:
        n: int

        def add(self, x):
            return x + self.n

    for make in (made, lambda n: functools.cache(made(n)), lambda n: Adder(n).add):
        assert fingerprint(make(1)) == fingerprint(make(1)) != fingerprint(make(2))


def test_the_contents_of_a_file_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = ["photo.png", ("photo.png", 1), tmp_path / "photo.png", lambda: "photo.png"]
    seen = [[fingerprint(value) for value in values]]
    for text in ("a picture", "another one"):
        (tmp_path / "photo.png").write_text(text)
        seen.append([fingerprint(value) for value in values])
    for column in zip(*seen, strict=True):
        assert len(set(column)) == 3
    (tmp_path / "photo.png").rename(tmp_path / "moved.png")
    assert [fingerprint(value) for value in values] == seen[0]


def test_a_text_that_is_no_file_name_will_do():
    assert fingerprint("x" * 100_000) != fingerprint("x" * 100_001)
    assert fingerprint("\0") != fingerprint("\ud800")


def test_circles_come_to_an_end():
    ring: list = [1]
    ring.append(ring)
    assert fingerprint(ring) == fingerprint(ring)
    f = defined("def f(n):\n    return n and f(n - 1)")
    assert fingerprint(f) == fingerprint(f)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(TypeError, match=r"a value of type lock was given.*inside the function"):
        fingerprint([threading.Lock()])
