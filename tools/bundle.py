"""Pack the course for a room without a network.

    python tools/bundle.py [--wheels] [--output FOLDER]    make the bundles
    python tools/bundle.py --verify FILE.zip               find damaged files

There are two archives: one for students, with the built book, the notebooks, the package and a list
of exact versions, and one with only the solutions. `--wheels` adds every package in that list, so
that nothing has to be fetched in the room. This needs a package index and gigabytes of space; pip's
settings apply, and an index with CPU builds of torch saves most of them. The same inputs give the
same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[1]
NAME = "painting-with-gradients"
DISTRIBUTION = "nst-teach"
PACKAGES, PROGRAM = ("nst_teach", "nst_teach_checks"), "nst_teach_command.py"
NEEDED = (DISTRIBUTION, "ipykernel", "ipywidgets", "joblib", "jupyterlab")
"""What a student's machine needs: the package, what its notebooks use, and a place to open them."""

SITE = "_build/html"
NOTEBOOKS = ("book/chapters/*.ipynb", "book/images/*", "exercises/*.ipynb")
SOLUTIONS = ("exercises/solutions/*.ipynb",)
SUMS, LIST = "SHA256SUMS", "requirements.txt"

EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date that a zip can hold; the same for every file
EPOCH_SECONDS = "315532800"  # the same moment for those who read SOURCE_DATE_EPOCH
MODE = 0o100644 << 16  # a plain file that everybody may read
PACKED = {".whl", ".png", ".jpg", ".gz", ".mp4", ".webm", ".woff2"}  # gains nothing from zipping
BLOCK = 1 << 20  # bytes read at a time: wheels are large
TEXT = {".html", ".js", ".json", ".txt", ".ipynb", ".md", ".css", ".svg", ".xml"}

Content = Path | bytes
"""What a file of the bundle holds: another file's content, or these bytes."""


class BundleError(RuntimeError):
    """A bundle that cannot be made; the message states what is missing and what to do."""


def site_files(root: Path) -> dict[str, Content]:
    """The built book, below `site/`."""
    site = root / SITE
    if not (site / "index.html").is_file():
        raise BundleError(f"there is no built book in {SITE}; run `make book` first.")
    files = (path for path in site.rglob("*") if path.is_file() and not is_hidden(path, site))
    return {f"site/{path.relative_to(site).as_posix()}": path for path in files}


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether a part of the path below `folder` starts with a dot."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def project_files(root: Path, patterns: Iterable[str]) -> dict[str, Content]:
    """Files of the project under their own names, so that links between notebooks still work."""
    found = (path for pattern in (*patterns, "LICENSE") for path in root.glob(pattern))
    return {path.relative_to(root).as_posix(): path for path in found if path.is_file()}


def pinned(needed: Iterable[str] = NEEDED) -> dict[str, str]:
    """Exact versions of these packages and of all that they need, as installed here.

    A package that is not installed here has an empty version.
    """
    versions: dict[str, str] = {}
    waiting, seen = [Requirement(name) for name in needed], set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if (name, *sorted(wanted.extras)) not in seen:  # an extra may be asked for later
            seen.add((name, *sorted(wanted.extras)))
            versions[name] = installed_version(name)
            waiting += needs(wanted) if versions[name] else ()
    return dict(sorted(versions.items()))


def needs(wanted: Requirement) -> Iterator[Requirement]:
    """What an installed package needs on this machine, with the extras that were asked for."""
    for text in metadata.requires(wanted.name) or ():
        requirement = Requirement(text)
        extras = wanted.extras or {""}
        if not requirement.marker or any(
            requirement.marker.evaluate({"extra": extra}) for extra in extras
        ):
            yield requirement


def installed_version(name: str) -> str:
    """The version of a package, or nothing where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def version_list(versions: Mapping[str, str]) -> str:
    """The list that pip reads; the package itself is in the bundle and not on an index."""
    names = [name for name in versions if name != DISTRIBUTION]
    lines = [f"{name}=={versions[name]}" if versions[name] else name for name in names]
    return "\n".join(lines) + "\n"


def hashed_list(wheels: Iterable[Path]) -> str:
    """The same list, made from the wheels: exact versions, each with its checksum."""
    lines = []
    for wheel in sorted(wheels):
        name, version, *_ = parse_wheel_filename(wheel.name)
        lines.append(f"{name}=={version} --hash=sha256:{digest(wheel)}")
    return "\n".join(lines) + "\n"


def build_wheel(root: Path, folder: Path) -> Path:
    """The package as a wheel, built from a copy so that the checkout stays clean."""
    with tempfile.TemporaryDirectory() as copy:
        for name in ("pyproject.toml", "README.md", "LICENSE", PROGRAM):
            shutil.copy(root / name, copy)
        ignore = shutil.ignore_patterns("__pycache__")
        for name in PACKAGES:
            shutil.copytree(root / name, Path(copy) / name, ignore=ignore)
        pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), copy)
    (wheel,) = folder.glob("nst_teach-*.whl")
    return wheel


def download(versions: str, folder: Path) -> None:
    """Fetch the wheels of a version list."""
    listed = folder / LIST
    listed.write_text(versions, encoding="utf-8")
    pip("download", "--only-binary", ":all:", "--dest", str(folder), "--requirement", str(listed))
    listed.unlink()


def pip(*words: str) -> None:
    """Run pip of this environment, with a fixed date for what it builds."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH_SECONDS}
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words, "--quiet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise BundleError(f"pip {words[0]} failed:\n{done.stderr.strip()}")


def digest(content: Content) -> str:
    """The SHA-256 of a file or of bytes, in hexadecimal."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sums(files: Mapping[str, Content]) -> bytes:
    """What `sha256sum --check` reads."""
    return "".join(f"{digest(files[name])}  {name}\n" for name in sorted(files)).encode()


def private_paths(files: Mapping[str, Content], secrets: Iterable[str]) -> list[str]:
    """Files that name a folder of this machine."""
    written = {secret.replace("\\", new) for secret in secrets for new in ("\\", "\\\\", "/")}
    words = [secret.encode() for secret in written]  # as Windows, its strings and addresses do
    texts = {name: read(c) for name, c in files.items() if Path(name).suffix in TEXT}
    return sorted(name for name, text in texts.items() if any(word in text for word in words))


def read(content: Content) -> bytes:
    """The bytes of a file of the bundle."""
    return content if isinstance(content, bytes) else content.read_bytes()


def write(archive: Path, files: Mapping[str, Content]) -> Path:
    """Write a zip whose bytes depend on names and contents alone, with its checksums inside."""
    files = {**files, SUMS: sums(files)}
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as bundle:
        for name in sorted(files):
            add(bundle, f"{archive.stem}/{name}", files[name])
    note = archive.with_name(f"{archive.name}.sha256")
    note.write_bytes(sums({archive.name: archive}))
    return archive


def add(bundle: zipfile.ZipFile, name: str, content: Content) -> None:
    """Add a file with nothing of this machine in its entry: no date, owner or mode."""
    entry = zipfile.ZipInfo(name, EPOCH)
    packed = Path(name).suffix in PACKED
    entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    entry.create_system, entry.external_attr = 3, MODE
    if isinstance(content, bytes):
        bundle.writestr(entry, content)
        return
    entry.file_size = content.stat().st_size
    with content.open("rb") as source, bundle.open(entry, "w") as target:
        shutil.copyfileobj(source, target, BLOCK)


def faults(archive: Path) -> list[str]:
    """Files of an archive that are damaged, missing, or not in its checksums."""
    if not zipfile.is_zipfile(archive):
        return [f"{archive.name}: not a whole zip file"]
    with zipfile.ZipFile(archive) as bundle:
        names = {name.partition("/")[2]: name for name in bundle.namelist()}
        if SUMS not in names:
            return [f"{archive.name}: has no {SUMS}"]
        listed = dict(reversed(line.split("  ", 1)) for line in lines_of(bundle, names[SUMS]))
        found = {n: entry_digest(bundle, full) for n, full in names.items() if n != SUMS}
    damaged = [f"{n}: damaged" for n in found if n in listed and found[n] != listed[n]]
    missing = [f"{name}: missing" for name in listed.keys() - found.keys()]
    return sorted([*damaged, *missing, *(f"{n}: unknown" for n in found.keys() - listed.keys())])


def lines_of(bundle: zipfile.ZipFile, name: str) -> list[str]:
    """The lines of a text in an archive."""
    return bundle.read(name).decode().splitlines()


def entry_digest(bundle: zipfile.ZipFile, name: str) -> str:
    """The SHA-256 of a file in an archive; empty where its bytes cannot even be unpacked."""
    try:
        with bundle.open(name) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError):
        return ""


README = """\
# Painting with Gradients, {version}: to use without a network

| | |
| --- | --- |
| `site/` | the book: open `site/index.html` in a browser |
| `book/chapters/`, `exercises/` | the notebooks |
| `wheels/` | {wheels} |
| `requirements.txt` | the exact versions that the book was built with |
| `SHA256SUMS` | a checksum for each file |

## Read

Open `site/index.html`. A few pages with moving parts want to be served; this does it:

    python3 -m http.server --bind 127.0.0.1 --directory site

## Check that everything arrived

    sha256sum --check --quiet SHA256SUMS        # Linux
    shasum -a 256 --check --quiet SHA256SUMS    # macOS

No line means that all is well.

## Install

You need Python {python} or newer{exactly}.

    python3 -m venv course
    source course/bin/activate      # on Windows: course\\Scripts\\activate
    {install}
    nst-teach doctor
    jupyter lab

`nst-teach doctor` checks whether this machine is ready, and how long each page takes on it.
"""

WITH_WHEELS = {
    "wheels": "the package, and every package that it needs",
    "install": "pip install --no-index --find-links wheels --require-hashes -r requirements.txt",
}
WITHOUT_WHEELS = {
    "wheels": "the package itself; the others come from a package index",
    "install": "pip install -r requirements.txt wheels/nst_teach-*.whl",
}
EXACTLY = " (the wheels are for Python {version} on {system}, and for nothing else)"
SOLUTIONS_README = (
    "# Painting with Gradients: solutions\n\nFor teachers. Unpack beside `exercises/`.\n"
)


def readme(root: Path, complete: bool) -> bytes:
    """How to use the bundle, as in its README."""
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    python = re.search(r'requires-python = ">=([\d.]+)"', project)[1]
    version = re.search(r'^version = "(.+)"', project, re.M)[1]
    system = f"{platform.system()} {platform.machine()}"
    here = EXACTLY.format(version=".".join(platform.python_version_tuple()[:2]), system=system)
    words = WITH_WHEELS if complete else WITHOUT_WHEELS
    exactly = here if complete else ""
    return README.format(version=version, python=python, exactly=exactly, **words).encode()


def package_files(root: Path, folder: Path, complete: bool) -> dict[str, Content]:
    """The package's wheel and the list of versions; with `complete`, all the other wheels too."""
    build_wheel(root, folder)
    versions = version_list(pinned())
    if complete:
        download(versions, folder)
        versions = hashed_list(folder.glob("*.whl"))
    wheels = {f"wheels/{wheel.name}": wheel for wheel in folder.glob("*.whl")}
    return {**wheels, LIST: versions.encode()}


def make(root: Path, output: Path, complete: bool) -> list[Path]:
    """Write both archives and return their paths.

    Raises:
        BundleError: there is no built book, pip failed, or a file names a folder of this machine.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = {
            **site_files(root),
            **project_files(root, NOTEBOOKS),
            **package_files(root, Path(folder), complete),
            "README.md": readme(root, complete),
        }
        solutions = {**project_files(root, SOLUTIONS), "README.md": SOLUTIONS_README.encode()}
        if told := private_paths({**files, **solutions}, {str(root), str(Path.home())}):
            raise BundleError(
                f"these files name folders of this machine: {', '.join(told)}. Clear what they "
                "print, build the book again, and try once more."
            )
        return [
            write(output / f"{NAME}.zip", files),
            write(output / f"{NAME}-solutions.zip", solutions),
        ]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the return value is the exit status."""
    parser = argparse.ArgumentParser(description="Pack the course for a room without a network.")
    parser.add_argument("--wheels", action="store_true", help="with every package (gigabytes)")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder (dist)")
    parser.add_argument("--verify", type=Path, metavar="FILE", help="check an archive instead")
    options = parser.parse_args(arguments)
    try:
        if options.verify:
            found = faults(options.verify)
            print(*found or [f"{options.verify.name}: every file is whole"], sep="\n")
            return int(bool(found))
        for archive in make(ROOT, options.output, options.wheels):
            print(f"{archive}: {archive.stat().st_size / 1e6:.1f} MB")
    except BundleError as error:
        print(f"bundle: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
