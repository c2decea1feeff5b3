"""Serve the built book to this machine alone, with the headers that a good host would send.

    python tools/serve.py [FOLDER] [--port 8000]

`python course.py serve` calls it. Each page brings its own policy along, because many hosts let
nobody choose their headers (book/_extensions/content_policy.py). Three things only a header can
say. It needs nothing but Python.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar
from urllib.parse import urlsplit

SITE = Path("_build") / "html"
ADDRESS, PORT = "127.0.0.1", 8000

HEADERS = {
    "X-Content-Type-Options": "nosniff",  # a file is what its type says
    "Referrer-Policy": "same-origin",  # a link to another site does not say where it stands
}
"""Sent with each file."""

POLICIES = {
    ".html": "frame-ancestors 'self'",  # no other site shows a page as a part of its own
    # The lab's worker. It is not bound by the policy of the page that has started it.
    ".mjs": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; "
    "worker-src 'self'",
}
"""Content-Security-Policy, by the end of a file's name."""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, each with its headers."""

    # Where Windows keeps the types of files, other programs have written as well.
    extensions_map: ClassVar[dict[str, str]] = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".css": "text/css",
        ".html": "text/html",
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".svg": "image/svg+xml",
    }

    def end_headers(self) -> None:
        """Add the headers for what was asked for."""
        for name, value in headers(self.path).items():
            self.send_header(name, value)
        super().end_headers()


class QuietHandler(Handler):
    """The same, without a line on the terminal for each file."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path, handler: Callable[..., Any] = QuietHandler) -> Iterator[str]:
    """Serve `folder` while the block runs, as tests and tools need it; gives the address, with a /.

    The handler is a class, or a function that makes one: of a request, an address, a server, and
    `directory`.
    """
    handler = functools.partial(handler, directory=folder)
    with http.server.ThreadingHTTPServer((ADDRESS, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{ADDRESS}:{server.server_port}/"
        finally:
            server.shutdown()


def headers(address: str) -> dict[str, str]:
    """The headers for the file at an address; what ends in "/" is a page."""
    path = urlsplit(address).path
    policy = POLICIES.get(PurePosixPath(path).suffix or ".html")
    return {**HEADERS, "Content-Security-Policy": policy} if policy else HEADERS


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the built book to this machine alone.")
    parser.add_argument("folder", nargs="?", type=Path, default=SITE, help="(%(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="(%(default)s)")
    given = parser.parse_args()
    handler = functools.partial(Handler, directory=given.folder)
    with http.server.ThreadingHTTPServer((ADDRESS, given.port), handler) as server:
        print(f"http://{ADDRESS}:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
