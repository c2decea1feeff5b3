"""Keys and passwords that must not be in a repository: neither in its files nor in its history.

    python tools/leaks.py              every version of every file
    python tools/leaks.py --files      the files as they are now

Prints where each stands, but not the key itself, and exits with 1; with 0 if there is none. Only
forms that cannot be anything else are looked for: what looks random here is a digest.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FORMS = {
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})",
    "token of a package index": r"\bpypi-AgE[A-Za-z0-9_-]{50,}",
    "token of npm": r"\bnpm_[A-Za-z0-9]{36}\b",
    "token of a model hub": r"\bhf_[A-Za-z]{34}\b",
    "key of Amazon": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "key of Google": r"\bAIza[A-Za-z0-9_-]{35}\b",
    "token of Slack": r"\bxox[abprs]-[A-Za-z0-9-]{20,}",
    "password in an address": r"\b[a-z]+://[^\s/:@{}$<>\"']+:[^\s/:@{}$<>\"']{3,}@[a-z]",
}
"""What each kind of key looks like."""

PATTERNS = {kind: re.compile(form) for kind, form in FORMS.items()}


def kinds(line: str) -> list[str]:
    """The kinds of keys in a line."""
    return [kind for kind, pattern in PATTERNS.items() if pattern.search(line)]


def in_files(root: Path) -> Iterator[str]:
    """What the files of a repository hold now."""
    listed = git(root, "ls-files", "-z").split("\0")
    for name in filter(None, listed):
        if (path := root / name).is_file():
            lines = path.read_text(encoding="utf-8", errors="ignore").splitlines()
            for number, line in enumerate(lines, start=1):
                yield from (f"{name}:{number}: {kind}" for kind in kinds(line))


def in_history(lines: Iterable[str]) -> Iterator[str]:
    """What `git log --patch` shows as added, in any commit."""
    commit = name = "?"
    for line in lines:
        if line.startswith("commit "):
            commit = line.split()[1][:10]
        elif line.startswith("+++ "):
            name = line.removeprefix("+++ b/").strip()
        elif line.startswith("+"):
            yield from (f"{commit} {name}: {kind}" for kind in kinds(line[1:]))


def git(root: Path, *command: str) -> str:
    """What a git command prints."""
    run = subprocess.run(["git", *command], cwd=root, capture_output=True, check=True)
    return run.stdout.decode("utf-8", errors="ignore")


def main() -> int:
    """Run the command line."""
    if sys.argv[1:] == ["--files"]:
        found = list(in_files(ROOT))
    else:
        log = git(ROOT, "log", "--all", "--patch", "--unified=0", "--no-color")
        found = list(dict.fromkeys(in_history(log.splitlines())))
    print("\n".join([*found, f"{len(found)} keys or passwords."]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
