"""Other browsers than Chromium: Firefox by WebDriver BiDi, WebKitGTK by WebDriver.

Playwright drives only builds of its own of these two. What a test needs of a driver is little, and
both protocols have it: open an address, ask for the value of an expression, move the mouse, press
keys, take a picture. See https://www.w3.org/TR/webdriver2/ and
https://www.w3.org/TR/webdriver-bidi/.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import http.server
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serve

PATIENCE = 120.0  # seconds; ends only what hangs

SPACE, TAB, ENTER, RIGHT, END = " ", "\ue004", "\ue007", "\ue014", "\ue010"
"""Keys as WebDriver spells them."""

MINI_BROWSERS = ("/usr/lib", "webkit2gtk-4.1/MiniBrowser", "webkit2gtk-4.0/MiniBrowser")
"""Where Debian keeps WebKitGTK's own small browser, below a folder for the processor."""

FIREFOX_SETTINGS = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
    "ui.prefersReducedMotion": 1,
}


class DriverError(RuntimeError):
    """A driver refused what it was asked for, or the page did not become what it was to."""


# What goes wrong on a page


WATCH = """<script>
window.seenFaults = [];
for (const kind of ["error", "warn"]) {
    const say = console[kind];
    console[kind] = (...words) => {
        seenFaults.push(`console ${kind}: ${words.join(" ")}`);
        say.apply(console, words);
    };
}
addEventListener("error", event => seenFaults.push(event.target === window
    ? `script error: ${event.message}`
    : `did not load: ${event.target.src ?? event.target.href}`), true);
addEventListener("unhandledrejection", event => seenFaults.push(`script error: ${event.reason}`));
addEventListener("securitypolicyviolation", event =>
    seenFaults.push(`request to outside: ${event.blockedURI}`));
</script>"""
"""Stands first in every page, and so sees all that comes after it, in any browser."""

POLICY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'"
"""What leaves the site is refused, and the page hears of it."""


class WatchingHandler(serve.QuietHandler):
    """Serves a site, puts `WATCH` into its pages, and notes what is not there."""

    def __init__(self, *arguments, missing: list[str], **options) -> None:
        self.missing = missing
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        """Send a file."""
        path = Path(self.translate_path(self.path))
        if path.suffix != ".html" or not path.is_file():
            return super().do_GET()
        html = path.read_text(encoding="utf-8").replace("<head>", f"<head>{WATCH}", 1).encode()
        self.send_response(http.HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(html)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(html)
        return None

    def send_error(self, code, *arguments) -> None:
        """Note a request that fails."""
        self.missing.append(f"request failed ({int(code)}): {self.path}")
        super().send_error(code, *arguments)


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve `folder` while the block runs; gives the address and the requests that failed."""
    missing: list[str] = []
    with serve.served(folder, functools.partial(WatchingHandler, missing=missing)) as address:
        yield address, missing


# A tab, whatever drives it


class Tab:
    """What both drivers offer, made of the four things in which they differ."""

    def go(self, address: str) -> None:
        """Open an address and wait until it has loaded."""
        raise NotImplementedError

    def text(self, expression: str) -> str | None:
        """The value of a JavaScript expression that gives a string, or a promise of one."""
        raise NotImplementedError

    def act(self, device: dict[str, Any]) -> None:
        """Perform the actions of a device, as both protocols write them."""
        raise NotImplementedError

    def resize(self, width: int, height: int) -> None:
        """Give the page so many CSS pixels."""
        raise NotImplementedError

    def picture(self) -> bytes:
        """What is on the screen, as a PNG."""
        raise NotImplementedError

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        text = self.text(f"(async () => JSON.stringify(await ({expression})))()")
        return None if text is None else json.loads(text)

    def wait(self, condition: str, seconds: float = PATIENCE) -> None:
        """Until a JavaScript expression holds."""
        end = time.monotonic() + seconds
        while not self.evaluate(condition):
            if time.monotonic() > end:
                raise DriverError(f"not so after {seconds:.0f} s: {condition}")
            time.sleep(0.05)

    def click(self, element: str) -> None:
        """Click in the middle of an element, given as a JavaScript expression."""
        self.evaluate(f"void ({element}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
        self.evaluate(
            "new Promise(done => setTimeout(() => done(0), 150))"
        )  # pictures come in late
        box = self.evaluate(f"({element}).getBoundingClientRect().toJSON()")
        x, y = (int(box[a] + box[b] / 2) for a, b in (("x", "width"), ("y", "height")))
        move = {"type": "pointerMove", "x": x, "y": y, "duration": 0, "origin": "viewport"}
        press = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        mouse = {"pointerType": "mouse"}
        self.act({"type": "pointer", "id": "mouse", "parameters": mouse, "actions": [move, *press]})

    def press(self, key: str, element: str | None = None) -> None:
        """Press and release a key; if an element is given, it gets the focus first."""
        if element:
            self.evaluate(f"void ({element}).focus()")
        press = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.act({"type": "key", "id": "keyboard", "actions": press})

    @property
    def faults(self) -> list[str]:
        """What has gone wrong on the page so far, see `WATCH`."""
        return self.evaluate("window.seenFaults ?? ['the page is not watched']")


class FirefoxTab(Tab):
    """A tab of Firefox, by WebDriver BiDi over a WebSocket."""

    def __init__(self, address: str) -> None:
        import websocket  # comes with JupyterLab

        self.socket = websocket.create_connection(
            f"{address}/session", timeout=PATIENCE, suppress_origin=True
        )
        self.numbers = itertools.count(1)
        self.call("session.new", capabilities={})
        # The tab that is there from the start has no focus: a key would press no button.
        self.context = self.call("browsingContext.create", type="tab")["context"]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command. Events in between are not asked for."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != number:
            pass
        if answer["type"] == "error":
            raise DriverError(f"{method}: {answer['error']}: {answer['message']}")
        return answer["result"]

    def go(self, address: str) -> None:
        self.call("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def text(self, expression: str) -> str | None:
        answer = self.call(
            "script.evaluate",
            expression=expression,
            target={"context": self.context},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise DriverError(f"{answer['exceptionDetails']['text']} in {expression}")
        return answer["result"].get("value")

    def act(self, device: dict[str, Any]) -> None:
        self.call("input.performActions", context=self.context, actions=[device])

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height}
        self.call("browsingContext.setViewport", context=self.context, viewport=size)

    def picture(self) -> bytes:
        shot = self.call("browsingContext.captureScreenshot", context=self.context)
        return base64.b64decode(shot["data"])


class WebKitTab(Tab):
    """A tab of WebKitGTK, by WebDriver over HTTP."""

    def __init__(self, port: int, program: str) -> None:
        self.port = port
        options = {"binary": program, "args": ["--automation"]}
        wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        self.path = "/session"
        session = self.call("POST", "", capabilities=wanted)
        self.path += f"/{session['sessionId']}"
        self.call("POST", "/timeouts", script=int(1000 * PATIENCE))

    def call(self, verb: str, path: str, **parameters: Any) -> Any:
        """The answer to a command."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            body = json.dumps(parameters) if verb == "POST" else None
            connection.request(verb, self.path + path, body)
            answer = connection.getresponse()
            value = json.loads(answer.read())["value"]
        if answer.status != http.HTTPStatus.OK:
            raise DriverError(f"{path}: {value['error']}: {value['message']}")
        return value

    def go(self, address: str) -> None:
        self.call("POST", "/url", url=address)

    def text(self, expression: str) -> str | None:
        return self.call("POST", "/execute/sync", script=f"return {expression}", args=[])

    def act(self, device: dict[str, Any]) -> None:
        self.call("POST", "/actions", actions=[device])

    def resize(self, width: int, height: int) -> None:
        for _ in range(2):  # the window has a frame and a bar of its own
            inner = self.evaluate("[innerWidth, innerHeight]")
            rect = self.call("GET", "/window/rect")
            size = rect["width"] + width - inner[0], rect["height"] + height - inner[1]
            self.call("POST", "/window/rect", width=size[0], height=size[1])
            with contextlib.suppress(DriverError):
                self.wait(f"innerWidth === {width}", 2)

    def picture(self) -> bytes:
        return base64.b64decode(self.call("GET", "/screenshot"))


# The book to open


def built_site() -> Path:
    """The built book that `NST_TEACH_SITE` names; a test that needs one is else skipped."""
    folder = os.environ.get("NST_TEACH_SITE")
    if not folder:
        pytest.skip("set NST_TEACH_SITE to a built book, such as _build/html, to open it here")
    if not Path(folder, "index.html").is_file():
        pytest.fail(f"NST_TEACH_SITE is '{folder}', which holds no built book", pytrace=False)
    return Path(folder)


def names(site: Path) -> list[str]:
    """All pages of the book in a folder, by their addresses in it."""
    parts = ("book", "exercises")
    return sorted(
        p.relative_to(site).as_posix() for part in parts for p in (site / part).rglob("*.html")
    )


# Starting and ending them


def find_firefox() -> str | None:
    """The path of Firefox, which `FIREFOX` can name."""
    return os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")


def find_webkit() -> tuple[str, str, str] | None:
    """The paths of WebKitGTK's driver, of its browser, and of a display for them."""
    root, *names = MINI_BROWSERS
    browsers = [path for name in names for path in Path(root).glob(f"*/{name}")]
    driver, display = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
    return (driver, str(browsers[0]), display) if driver and display and browsers else None


@contextlib.contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen]:
    """A program while the block runs; it is ended with it, and so are its children."""
    process = subprocess.Popen(command, start_new_session=True, text=True, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


@contextlib.contextmanager
def firefox() -> Iterator[FirefoxTab]:
    """A tab of a fresh Firefox without a window."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = (
            f"user_pref({json.dumps(n)}, {json.dumps(v)});" for n, v in FIREFOX_SETTINGS.items()
        )
        Path(profile, "user.js").write_text("\n".join(lines), encoding="utf-8")
        flags = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
        program = find_firefox()
        environment = {**os.environ, "HOME": profile}
        with running([program, *flags], stderr=subprocess.PIPE, env=environment) as process:
            said = re.compile(r"BiDi listening on (ws://\S+)")
            address = next(filter(None, map(said.search, process.stderr)), None)
            if address is None:
                raise DriverError(f"{program} ended before it could be driven")
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield FirefoxTab(address[1])


@contextlib.contextmanager
def webkit() -> Iterator[WebKitTab]:
    """A tab of WebKitGTK on a display that nobody sees."""
    driver, program, display = find_webkit()
    screen = ["-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    quiet = subprocess.DEVNULL
    with contextlib.ExitStack() as stack:
        server = running([display, *screen], stdout=subprocess.PIPE, stderr=quiet)
        number = stack.enter_context(server).stdout.readline().strip()
        home = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        write_settings(Path(home))
        environment = {**os.environ, "DISPLAY": f":{number}", "HOME": home, "GDK_BACKEND": "x11"}
        port = free_port()
        stack.enter_context(
            running([driver, f"--port={port}"], env=environment, stdout=quiet, stderr=quiet)
        )
        wait_for(port)
        tab = WebKitTab(port, program)
        stack.callback(tab.call, "DELETE", "")
        yield tab


def write_settings(home: Path) -> None:
    """Tell WebKitGTK that the reader wants nothing to move."""
    folder = home / ".config" / "gtk-3.0"
    folder.mkdir(parents=True)
    (folder / "settings.ini").write_text("[Settings]\ngtk-enable-animations=0\n")


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port: int) -> None:
    """Until something listens on a port."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
