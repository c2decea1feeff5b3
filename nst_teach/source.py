"""Where to install the package from: its repository, since it is not on a package index."""

from __future__ import annotations

from importlib import metadata

DISTRIBUTION = "nst-teach"


def address() -> str:
    """The address of the repository; empty if the package is used without being installed."""
    try:
        entries = metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    named: dict[str, str] = dict(entry.split(", ", 1) for entry in entries)
    return named.get("Repository", "")


def pip_install(options: str = "", *, extra: str = "") -> str:
    """The command that installs the package, with an extra such as `"book"`."""
    name = f"{DISTRIBUTION}[{extra}]" if extra else DISTRIBUTION
    source = f'"{name} @ git+{address()}"' if address() else f'--editable ".[{extra}]"'
    return " ".join(word for word in ("pip install", options, source) if word)
