"""The lowest versions that pyproject.toml admits, as constraints for pip.

    python tools/lowest.py            write tests/lowest.txt
    python tools/lowest.py --check    only tell whether it is up to date

A bound that nobody tries is a guess. With these constraints, `pip install` gives the oldest
environment in which the package is said to work, and its tests say whether that is true:

    pip install --constraint tests/lowest.txt --editable ".[test]"
    python -m pytest tests, without the book and the style pictures (see the workflow)
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "tests" / "lowest.txt"
EXTRAS = ("book", "film", "pdf", "test")
HEADING = "# Written by tools/lowest.py from pyproject.toml: the lowest versions that it admits.\n"


def lowest(requirement: Requirement) -> str:
    """The lowest version within a requirement's bounds.

    Raises:
        ValueError: it has no lower bound.
    """
    bounds = [bound.version for bound in requirement.specifier if bound.operator == ">="]
    if len(bounds) != 1:
        raise ValueError(f"'{requirement}' needs exactly one lower bound, such as >=1.2.")
    return bounds[0]


def constraints(project: dict[str, Any], extras: tuple[str, ...] = EXTRAS) -> str:
    """The text of tests/lowest.txt, for the `project` table of pyproject.toml."""
    texts = [*project["dependencies"]]
    for extra in extras:
        texts += project["optional-dependencies"][extra]
    needed = [Requirement(text) for text in texts]
    own = project["name"]
    lines = {f"{item.name}=={lowest(item)}" for item in needed if item.name != own}
    return HEADING + "\n".join(sorted(lines, key=str.lower)) + "\n"


def current() -> str:
    """What tests/lowest.txt should be."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return constraints(tomllib.loads(text)["project"])


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["--check"]:
        if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != current():
            sys.exit(f"{TARGET.name} is not what pyproject.toml says; run tools/lowest.py")
        return
    TARGET.write_text(current(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
