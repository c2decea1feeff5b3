"""The addresses outside the book that its pages lead to.

    python tools/links.py            list them, each with the files that name it
    python tools/links.py --check    ask each whether it is still there, print those that are not

The tests follow all links inside the book but none that leaves it, as they need no network. A job
of the workflow checks these every week. Only an answer that says "gone" (404 or 410), or no answer,
is an error: some publishers refuse every program (403, 429).
"""

from __future__ import annotations

import argparse
import concurrent.futures
import re
import sys
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("*.md", "book/*.md", "book/src/*.md", "exercises/**/*.md", "book/references.bib")
ADDRESS = re.compile(r"https?://[^\s\"'<>`{}|\\^\[\]]+")
DOI = re.compile(r"^\s*doi\s*=\s*\{([^}]+)\}", re.M | re.I)
OWN = ("127.0.0.1", "localhost", "example.org", "example.com")
"""Hosts that a page names without leading there."""

GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
PATIENCE = 30.0  # seconds
AT_ONCE = 8
AGENT = {"User-Agent": "Mozilla/5.0 (link check of a course)"}


def addresses(text: str) -> list[str]:
    """The addresses in a text, without the punctuation that ends a sentence or a link."""
    found = [trimmed(match[0]) for match in ADDRESS.finditer(text)]
    found += [f"https://doi.org/{match[1].strip()}" for match in DOI.finditer(text)]
    return [address for address in dict.fromkeys(found) if not own(address)]


def trimmed(address: str) -> str:
    """Without a full stop at its end, or a bracket that was not opened inside it."""
    address = address.rstrip(".,;:!?*_")
    while address.endswith(")") and address.count(")") > address.count("("):
        address = address[:-1].rstrip(".,;:!?")
    return address.partition("#")[0]


def own(address: str) -> bool:
    """Whether it leads to this machine or stands for any."""
    host = urlsplit(address).hostname or ""
    return not host or host in OWN or host.endswith((".invalid", ".example"))


def all_links(root: Path = ROOT) -> dict[str, list[str]]:
    """Every address, with the files that name it."""
    links = defaultdict(list)
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            for address in addresses(path.read_text(encoding="utf-8")):
                links[address].append(path.relative_to(root).as_posix())
    return dict(sorted(links.items()))


def fault(address: str) -> str | None:
    """Why an address leads nowhere; `None` if it does lead somewhere, or keeps it to itself."""
    try:
        request = urllib.request.Request(address, headers=AGENT)
        with urllib.request.urlopen(request, timeout=PATIENCE):
            return None
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.reason}" if error.code in GONE else None
    except (OSError, ValueError) as error:
        return f"no answer: {error}"


def dead(links: Iterable[str]) -> dict[str, str]:
    """The addresses that lead nowhere, and why; each is asked twice."""
    for _ in range(2):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            links = list(links)
            answers = dict(zip(links, pool.map(fault, links), strict=True))
        links = [address for address, why in answers.items() if why]
    return {address: answers[address] for address in links}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="ask each; needs a network")
    links = all_links()
    if not parser.parse_args().check:
        for address, files in links.items():
            print(address, *files)
        return 0
    found = dead(links)
    for address, why in found.items():
        print(f"{address}: {why} (in {', '.join(links[address])})")
    print(f"{len(links)} addresses, {len(found)} lead nowhere.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
