"""Before a release: the tag, the version and the changelog say the same.

python tools/release.py v0.2.0
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def version() -> str:
    """The version in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["version"]


def released(changelog: str) -> list[str]:
    """The versions with a section of their own in a changelog, the newest first."""
    return re.findall(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", changelog, re.M)


def fault(tag: str, current: str, changelog: str) -> str:
    """What contradicts a release with this tag; empty if nothing does."""
    if tag != f"v{current}":
        return f"the tag is '{tag}', but pyproject.toml has the version {current}"
    if current not in released(changelog)[:1]:
        return f"CHANGELOG.md does not begin with '## [{current}] - DATE'"
    return ""


def main() -> None:
    """Run the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/release.py TAG")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sys.exit(fault(sys.argv[1], version(), changelog))


if __name__ == "__main__":
    main()
