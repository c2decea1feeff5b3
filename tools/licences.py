"""List the licences of all that the course rests on, in LICENCES.md, and judge them.

    python tools/licences.py            write LICENCES.md
    python tools/licences.py --check    only tell whether it is up to date

Licences of packages are read from what is installed, those of the pages' scripts from the lock
files of npm, and those of pictures from the samples. Only what the project asks for by name is
listed: what that needs in turn differs from system to system, and is judged wherever this runs.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import bundle
from packaging.requirements import Requirement

from nst_teach import samples

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "LICENCES.md"
LOCKS = ("tools/web/package-lock.json", "tools/web/checks/package-lock.json")

PERMITTED = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|HPND|Zlib|Unlicense|Public Domain|CC0"
    r"|BSL-1\.0|BlueOak|MPL|Mozilla|CC BY 4\.0"
)
"""Licences that ask for no more than that their texts stay with the files. (The Mozilla licence
also asks for the source of its own files, which are unchanged here.)"""

CUDA = re.compile(r"^(nvidia|cuda)-")
"""NVIDIA's own libraries, under NVIDIA's terms."""

EXCEPTIONS = {
    "av": "PyAV is under a BSD licence; its wheels carry ffmpeg with x264, which is under the GPL. "
    "It is optional (the extra `film`), imported only where a film is read or written, and no file "
    "of ours contains or passes on any of it.",
}
"""Packages whose terms go further, and why that is no obstacle."""

TEXT = """\
# Licences

Written by `tools/licences.py`; `tests/test_licences.py` judges what is installed by it. The
project's own licences are in [LICENSE](LICENSE): MIT for code and weights, CC BY 4.0 for text and
pictures.

Nothing here forbids what these permit. Packages are installed beside the course, each under its own
terms, and only the scripts of the pages and the pictures are passed on with it.

## Python packages

| package | for | licence as stated |
| --- | --- | --- |
{packages}

What they need in turn is under licences of the same kinds, which is tested where the tests run. The
builds of PyTorch with CUDA also install NVIDIA's libraries, under NVIDIA's terms; the builds for
the CPU, which are all that the course needs, have none of them.

{exceptions}

## Scripts in the pages

Copied into the built book by `tools/assets.py`, unchanged. Each names its licence.

| package | licence |
| --- | --- |
{scripts}

## Pictures

| sample | by | licence |
| --- | --- | --- |
{pictures}

The photographs are installed with scikit-image. What the bundled networks were trained on is in the
[model card](book/src/model_card.md).
"""


def asked_for() -> dict[str, str]:
    """The packages that pyproject.toml names, and what for: to run the package, or an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = {"the package": project["dependencies"], "the book": extras["book"],
              "films": extras["film"], "the book on paper": extras["pdf"]}  # fmt: skip
    found: dict[str, str] = {}
    for purpose, texts in needed.items():
        for text in texts:
            found.setdefault(Requirement(text).name, purpose)
    return found


def licence(package: str) -> str:
    """The licence of an installed package, in the words of its own metadata."""
    described = metadata.metadata(package)
    text = (described.get("License") or "").strip()
    kinds = [entry.rpartition(" :: ")[2] for entry in described.get_all("Classifier") or ()
             if entry.startswith("License :: ")]  # fmt: skip
    if expression := described.get("License-Expression"):
        return expression
    if text and "\n" not in text and len(text) < 40 and text != "UNKNOWN":
        return text
    return "; ".join(kinds) or text.partition("\n")[0]


def is_permitted(stated: str) -> bool:
    """Whether a licence is of the kinds that go with ours.

    Of alternatives (`A OR B`, or several kinds in the metadata) one must be, of a sum each part.
    """
    alternatives = re.split(r" OR |; ", stated)
    return any(all(map(PERMITTED.search, one.split(" AND "))) for one in alternatives)


def obstacles(packages: dict[str, str] | None = None) -> dict[str, str]:
    """Installed packages, at any depth, whose licence is not permitted and no known exception."""
    names = bundle.pinned(packages or asked_for())
    installed = [name for name, version in names.items() if version]
    stated = {name: licence(name) for name in installed
              if not CUDA.match(name) and name not in EXCEPTIONS}  # fmt: skip
    return {name: text for name, text in stated.items() if not is_permitted(text)}


def scripts() -> Iterator[tuple[str, str]]:
    """Name and licence of each package of npm that the pages or their tests need."""
    for lock in LOCKS:
        entries = json.loads((ROOT / lock).read_text(encoding="utf-8"))["packages"]
        for path, entry in entries.items():
            if path:
                yield path.rpartition("node_modules/")[2], entry.get("license", "")


def text() -> str:
    """What LICENCES.md should be."""
    root = json.loads((ROOT / LOCKS[0]).read_text(encoding="utf-8"))["packages"][""]
    known = dict(scripts())
    catalogue = [samples.get(name) for name in samples.names()]
    packages = {name: (purpose, licence(name)) for name, purpose in asked_for().items()}
    return TEXT.format(
        packages="\n".join(f"| {n} | {p} | {stated} |" for n, (p, stated) in packages.items()),
        exceptions="\n".join(f"**{name}**: {reason}" for name, reason in EXCEPTIONS.items()),
        scripts="\n".join(f"| {name} | {known[name]} |" for name in root["dependencies"]),
        pictures="\n".join(f"| {s.name}: {s.title} | {s.maker} | {s.licence} |" for s in catalogue),
    )


def main() -> None:
    """Run the command line."""
    if found := obstacles():
        sys.exit(
            "\n".join(f"{name}: {stated or 'no licence stated'}" for name, stated in found.items())
        )
    if sys.argv[1:] != ["--check"]:
        TARGET.write_text(text(), encoding="utf-8", newline="\n")
    elif TARGET.read_text(encoding="utf-8") != text():
        sys.exit(f"{TARGET.name} is out of date; run tools/licences.py")


if __name__ == "__main__":
    main()
