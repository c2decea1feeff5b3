"""Who imports whom: no circle anywhere, and no module of the core from one that comes after it."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGES = ("nst_teach", "nst_teach_checks")
ORDER = (
    "samples",
    "images",
    "weight_files",
    "networks",
    "losses",
    "precision",
    "tiles",
    "objective",
)
"""Through these a picture becomes a number, one after the other: a reader's order, too."""


def modules(root: Path, packages: tuple[str, ...] = PACKAGES) -> dict[str, Path]:
    """Every module's file, by its dotted name."""
    files = [path for name in packages for path in (root / name).rglob("*.py")]
    parts = {path: path.relative_to(root).with_suffix("").parts for path in files}
    return {".".join(p[:-1] if p[-1] == "__init__" else p): path for path, p in parts.items()}


def imports(path: Path, known: set[str]) -> set[str]:
    """Those of the known modules that a file imports anywhere, but for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in typing:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names <= known else {node.module, *names}
    return found & known


def graph(root: Path, packages: tuple[str, ...] = PACKAGES) -> dict[str, set[str]]:
    files = modules(root, packages)
    return {name: imports(path, set(files)) - {name} for name, path in files.items()}


def test_no_module_imports_itself_through_others():
    list(TopologicalSorter(graph(ROOT)).static_order())


def test_a_circle_would_be_found(tmp_path):
    (tmp_path / "p").mkdir()
    for name, text in {"a": "from p import b", "b": "def f():\n    import p.c", "c": "import p.a",
                       "__init__": ""}.items():  # fmt: skip
        (tmp_path / "p" / f"{name}.py").write_text(text)
    with pytest.raises(CycleError):
        list(TopologicalSorter(graph(tmp_path, ("p",))).static_order())


@pytest.mark.parametrize("place", range(len(ORDER)))
def test_a_module_of_the_core_imports_only_from_its_left(place):
    later = {f"nst_teach.{name}" for name in ORDER[place + 1 :]}
    reached, waiting = set(), {f"nst_teach.{ORDER[place]}"}
    links = graph(ROOT)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= links[name] - reached
    assert reached & later == set()


def test_the_core_does_without_the_checks():
    links = graph(ROOT)
    core = {name for name in links if name.partition(".")[0] == "nst_teach"}
    assert {link for name in core for link in links[name]} <= core
