"""The versions of all packages with which the course was last tried, as constraints for pip.

    python tools/locked.py            write tests/locked.txt from the environment that runs this
    python tools/locked.py --check    only tell whether it fits pyproject.toml

Users get whatever fits the bounds of pyproject.toml. The workflow that publishes the book takes
these versions, so that a release of another package cannot change the pages overnight:

    pip install --constraint tests/locked.txt --editable ".[book,test]"
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "tests" / "locked.txt"
EXTRAS = ("book", "film", "test")
HEADING = "# Written by tools/locked.py: the versions with which the course was last tried.\n"
FOR_A_DEVICE = ("cuda", "nvidia", "triton")
"""Beginnings of names that come with some builds of torch: which ones, torch itself pins."""


def direct(project: dict[str, Any], extras: Iterable[str] = EXTRAS) -> list[Requirement]:
    """What pyproject.toml asks for, without the project itself."""
    texts = [*project["dependencies"]]
    for extra in extras:
        texts += project["optional-dependencies"][extra]
    needed = [Requirement(text) for text in texts]
    return [item for item in needed if item.name != project["name"]]


def installed(needed: Iterable[Requirement]) -> dict[str, str]:
    """The version of each package that these need, directly or not, as installed here.

    Raises:
        LookupError: one is not installed.
    """
    versions: dict[str, str] = {}
    waiting = list(needed)
    seen = set()
    while waiting:
        item = waiting.pop()
        key = canonicalize_name(item.name), frozenset(item.extras)
        if key in seen or key[0].startswith(FOR_A_DEVICE):
            continue
        seen.add(key)
        try:
            found = metadata.distribution(item.name)
        except metadata.PackageNotFoundError:
            raise LookupError(f"'{item}' is needed and not installed.") from None
        versions[key[0]] = Version(found.version).public
        for text in found.requires or []:
            each = Requirement(text)
            extras = item.extras or {""}
            if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(each)
    return versions


def text_of(versions: dict[str, str]) -> str:
    """The file's text."""
    return HEADING + "\n".join(f"{name}=={versions[name]}" for name in sorted(versions)) + "\n"


def versions_of(text: str) -> dict[str, str]:
    """The versions in the file's text."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def faults(needed: Iterable[Requirement], versions: dict[str, str]) -> list[str]:
    """What a lock lacks, or holds against the bounds of pyproject.toml."""
    found = []
    for item in needed:
        version = versions.get(canonicalize_name(item.name))
        if version is None:
            found.append(f"{item.name} has no version")
        elif not item.specifier.contains(version, prereleases=True):
            found.append(f"{item.name} {version} is not {item.specifier}")
    return found


def main() -> None:
    """Run the command line."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = direct(project)
    if sys.argv[1:] == ["--check"]:
        versions = versions_of(TARGET.read_text(encoding="utf-8")) if TARGET.is_file() else {}
        if found := faults(needed, versions):
            sys.exit("\n".join([*found, f"{TARGET.name} does not fit; run tools/locked.py"]))
        return
    TARGET.write_text(text_of(installed(needed)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
