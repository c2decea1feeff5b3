"""Real notebook servers, and a reader who works in them with a real browser.

`serving` starts JupyterLab or Notebook in a home of its own; `Reader` opens a notebook there, runs
its cells, uses the studio, and can ask the kernel behind the page what it holds.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = float(os.environ.get("NST_TEACH_PATIENCE", "300"))
"""Seconds after which what did not come counts as missing. Nothing waits longer than it has to."""

GRACE = 15  # seconds to end in peace
SHORT = 10  # seconds in which a kernel that lives answers
MILLISECONDS = 1000
WIDTHS = {"desk": 1400, "phone": 500}
HEIGHT = 1000

NOISE = re.compile(
    r"/lsp/status"  # JupyterLab asks for language servers, which an environment need not have
    # Notebook 7.6 reads its shortcuts before they are there: jupyter/notebook#7862.
    r"|reading 'schema'\)[\s\S]*notebook_core"
)
"""Errors in the console and in scripts that are the front end's own affair."""


@dataclass(frozen=True)
class FrontEnd:
    """A program that shows notebooks, in the environment whose widgets it has."""

    module: str
    python: Path
    widgets: str
    page: str

    def missing(self) -> str:
        """What is not installed and how to get it; empty if nothing is missing."""
        asked = f"import {self.module}, ipywidgets; print(ipywidgets.__version__)"
        if not self.python.exists():
            return f"{self.python} does not exist. {HOW_TO_GET[self.widgets]}"
        found = subprocess.run([self.python, "-c", asked], capture_output=True, text=True)
        if found.returncode or not found.stdout.startswith(self.widgets):
            return f"no {self.module} with ipywidgets {self.widgets}. {HOW_TO_GET[self.widgets]}"
        return ""


HOW_TO_GET = {
    "8.": "Install what the tests need: pip install --editable '.[test]'.",
    "7.": "Make the environment with ipywidgets 7, as on Colab: python course.py ready-widgets7.",
}
HERE = Path(sys.executable)
OLD = Path(sys.prefix, "widgets7", "Scripts/python.exe" if os.name == "nt" else "bin/python")
"""The interpreter with ipywidgets 7; all else is this one's."""

FRONT_ENDS = {
    "lab": FrontEnd("jupyterlab", HERE, "8.", "lab/tree/{}?reset"),
    "notebook": FrontEnd("notebook", HERE, "8.", "notebooks/{}"),
    "lab-widgets7": FrontEnd("jupyterlab", OLD, "7.", "lab/tree/{}?reset"),
}

SETTINGS = {
    # The front ends' own errands: news, updates, tours.
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}


# Servers


@dataclass(frozen=True)
class Server:
    """A running server: its kind, its address, the folder with its notebooks, its private files."""

    kind: FrontEnd
    address: str
    folder: Path
    home: Path

    def get(self, path: str) -> Any:
        """What the server's interface answers."""
        with urllib.request.urlopen(self.address + path) as answer:
            return json.load(answer)


@contextlib.contextmanager
def serving(kind: FrontEnd, home: Path, **settings: dict[str, Any]) -> Iterator[Server]:
    """Run a server for this machine alone while the block runs. `settings` go by plugin."""
    folder = home / "notebooks"
    folder.mkdir(parents=True)
    for plugin, values in (SETTINGS | settings).items():
        file = home / "settings" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    server = Server(kind, f"http://127.0.0.1:{free_port()}/", folder, home)
    with (home / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command(server), env=environment(home), cwd=folder, stdout=log, stderr=log
        )
        try:
            until(lambda: answers(server, process), f"{kind.module} did not start: {home}/log.txt")
            yield server
        finally:
            end(process)


def command(server: Server) -> list[str]:
    """The server's command line."""
    port = server.address.rstrip("/").rpartition(":")[2]
    options = {"ip": "127.0.0.1", "port": port, "ServerApp.token": "", "ServerApp.password": ""}
    options |= {"ServerApp.root_dir": str(server.folder), "ServerApp.port_retries": "0"}
    return [
        str(server.kind.python), "-m", server.kind.module, "--no-browser", "--allow-root",
        *(f"--{name}={value}" for name, value in options.items()),
    ]  # fmt: skip


def environment(home: Path) -> dict[str, str]:
    """The server's variables: nothing of the machine's own set-up gets in, and none is changed."""
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    return {
        **os.environ,
        **{name: str(home / place) for name, place in places.items()},
        "JUPYTERLAB_DIR": str(Path(sys.prefix) / "share" / "jupyter" / "lab"),
        "PYTHONPATH": str(ROOT),  # this copy of the course, in either environment
    }


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to end, and its kernels with it; one that does not listen is ended."""
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()  # a kernel whose server is gone leaves by itself
        process.wait()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    """Whether the server is up. One that has ended will never be."""
    assert process.poll() is None, (server.home / "log.txt").read_text()
    with contextlib.suppress(urllib.error.URLError):
        return bool(server.get("api/status"))
    return False


def until(true: Callable[[], Any], otherwise: str | Callable[[], str]) -> Any:
    """Wait until `true()` is, and return it."""
    end = time.monotonic() + PATIENCE
    while not (value := true()):
        told = otherwise if isinstance(otherwise, str) else otherwise()
        assert time.monotonic() < end, told
        time.sleep(0.1)
    return value


# Notebooks


def studio_cells(chapter: str) -> list[str]:
    """The code of the cells of a chapter that show a studio, after the cell that sets it up."""
    notebook = nbformat.read(ROOT / "book" / "chapters" / f"{chapter}.ipynb", as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return [source for source in code if sets_up(source)] + list(filter(shows_studio, code))


def sets_up(source: str) -> bool:
    """Whether the cell installs the package where it is missing."""
    return 'find_spec("nst_teach")' in source


def shows_studio(source: str) -> bool:
    """Whether the cell's last line is a studio."""
    if sets_up(source):
        return False  # it holds a magic, which Python alone cannot read
    last = ast.parse(source).body[-1:]
    calls = [node for line in last for node in ast.walk(line) if isinstance(node, ast.Call)]
    names = {ast.unparse(call.func) for call in calls}
    return bool(last) and isinstance(last[0], ast.Expr) and bool(names & STUDIOS)


STUDIOS = {"studio", "nst_teach.studio"}


def write_notebook(path: Path, cells: list[str]) -> None:
    """A notebook with these code cells."""
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["kernelspec"] = kernel
    nbformat.write(notebook, path)


# The kernel behind the page

PROBE = """
def _nst_probe():
    import base64, io, json
    from nst_teach import to_pil
    studios = [value for value in Out.values() if type(value).__name__ == "Studio"]
    studio, file = studios[-1], io.BytesIO()
    with studio._drawing:
        engine, settings = studio.engine, studio.settings
        to_pil(engine.picture).save(file, "PNG")
        return json.dumps({
            "picture": base64.b64encode(file.getvalue()).decode(),
            "step": engine.step, "state": engine.state, "note": engine.note,
            "points": len(engine.points), "marks": [mark.text for mark in engine.marks],
            "beta": settings.beta, "start": settings.start, "layers": dict(settings.style_layers),
            "style": settings.style.name, "code": studio.code,
        })
"""


class Kernel:
    """Asks the kernel of a notebook on a server, as a second client beside the page."""

    def __init__(self, server: Server, name: str):
        from jupyter_client.blocking import BlockingKernelClient

        kernel = until(lambda: kernel_of(server, name), f"no kernel for {name}")
        self.client = BlockingKernelClient(
            connection_file=str(server.home / "runtime" / f"kernel-{kernel}.json")
        )
        self.client.load_connection_file()
        self.client.start_channels()

    def ask(self, expression: str, *, after: str = "", patience: float = PATIENCE) -> Any:
        """The value of a Python expression in the kernel, once `after` has been run there."""
        reply = self.client.execute(
            after, silent=True, user_expressions={"told": expression}, reply=True,
            timeout=patience,
        )  # fmt: skip
        told = reply["content"]["user_expressions"]["told"]
        assert told["status"] == "ok", told
        return ast.literal_eval(told["data"]["text/plain"])

    def process(self) -> int | None:
        """The kernel's process; None as long as it does not answer."""
        with contextlib.suppress(TimeoutError):
            return int(self.ask("__import__('os').getpid()", patience=SHORT))
        return None

    def cells_run(self) -> int:
        """How many cells it has finished since it was started."""
        return int(self.ask("len(In)")) - 1

    def studio(self) -> dict[str, Any]:
        """What the last studio that a cell has shown holds now."""
        return json.loads(self.ask("_nst_probe()", after=PROBE))

    def picture(self) -> np.ndarray:
        """The picture that the run has reached, `(H, W, 3)` in 0 to 255."""
        return rgb(base64.b64decode(self.studio()["picture"]))

    def close(self) -> None:
        """Leave the kernel alone."""
        self.client.stop_channels()


def kernel_of(server: Server, name: str) -> str | None:
    """The kernel of the notebook of this name, if it has one that is ready."""
    sessions = [s["kernel"] for s in server.get("api/sessions") if s["path"] == name]
    return next((k["id"] for k in sessions if k["execution_state"] == "idle"), None)


def rgb(file: bytes) -> np.ndarray:
    """A picture's file as `(H, W, 3)` in 0 to 255."""
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"), dtype=float)


# The reader

PIXELS = """img => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [img.naturalWidth, img.naturalHeight];
  canvas.getContext("2d").drawImage(img, 0, 0);
  return canvas.toDataURL("image/png").split(",")[1];
}"""

OVERFLOWING = """studio => {
  const right = studio.getBoundingClientRect().right + 1;
  const shown = [...studio.querySelectorAll("*")].filter(e => e.getClientRects().length);
  const wide = shown.filter(e => !e.closest("svg *, textarea, option")
    && e.getBoundingClientRect().right > right);
  const cut = shown.filter(e => e.matches("button, select") && e.scrollWidth > e.clientWidth + 1);
  return [...wide.map(e => "beyond the edge: " + e.className),
          ...cut.map(e => "cut off: " + e.textContent)];
}"""


def decoded(img: Any) -> np.ndarray:
    """An `<img>` as the browser has decoded it, `(H, W, 3)` in 0 to 255."""
    return rgb(base64.b64decode(img.evaluate(PIXELS)))


class Reader:
    """Somebody with a browser at a notebook of a server."""

    def __init__(self, browser: Any, server: Server, width: str = "desk"):
        self.server, self.faults, self.kernel = server, [], None
        size = {"width": WIDTHS[width], "height": HEIGHT}
        self.context = browser.new_context(viewport=size, accept_downloads=True)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(PATIENCE * MILLISECONDS)
        self.tab.on("console", self._heard)
        self.tab.on("pageerror", lambda error: self._note(f"script error: {error.stack}"))

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self._note(f"console: {message.text} ({message.location.get('url', '')})")

    def _note(self, fault: str) -> None:
        if not NOISE.search(fault):
            self.faults.append(fault)

    def open(self, name: str) -> None:
        """Open a notebook and wait until its kernel is ready."""
        self.tab.goto(self.server.address + self.server.kind.page.format(name))
        self.tab.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.kernel = Kernel(self.server, name)
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Until the page says that its kernel has nothing to do."""
        self.tab.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")

    def run_cell(self, number: int) -> Any:
        """Run the code cell of this number, from 0, as Shift+Enter does; returns its place."""
        cell = self.tab.locator(".jp-Notebook .jp-CodeCell").nth(number)
        before = self.kernel.cells_run()
        cell.locator(".cm-content").click()
        self.tab.keyboard.press("Shift+Enter")
        until(lambda: self.kernel.cells_run() > before, f"cell {number} was not run")
        done = f"[{self.kernel.cells_run()}]:"
        until(lambda: self.prompt(cell) == done, f"cell {number} is not {done}")
        return cell

    @staticmethod
    def prompt(cell: Any) -> str:
        """What stands before the cell, such as "[3]:"."""
        return str(cell.locator(".jp-InputPrompt").first.inner_text()).strip()

    def run_all(self, cells: int) -> Any:
        """Run the cells one after another; returns the last."""
        return [self.run_cell(number) for number in range(cells)][-1]

    def restart(self) -> None:
        """Restart the kernel, by the keys 0 0 and a yes."""
        process = self.kernel.process()
        self.tab.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").first.click()
        self.tab.keyboard.press("0")
        self.tab.keyboard.press("0")
        self.tab.locator(".jp-Dialog button.jp-mod-accept").click()
        until(lambda: self.kernel.process() not in (None, process), "the kernel did not restart")
        self.wait_until_idle()

    def close(self) -> None:
        """Close the browser's window."""
        if self.kernel:
            self.kernel.close()
        self.context.close()

    def all_faults(self) -> list[str]:
        """What went wrong so far: in scripts, on the console, in widgets that were not drawn."""
        broken = self.tab.get_by_text("Click to show javascript error").count()
        return [*self.faults, *["a widget could not be drawn"] * broken]


class StudioOnScreen:
    """The studio in a cell's output, by what a reader sees and touches."""

    def __init__(self, reader: Reader, cell: Any):
        self.reader, self.tab = reader, reader.tab
        self.box = cell.locator(".nst-studio")
        self.box.wait_for()
        self.picture = self.box.locator(".nst-pictures img").first

    def button(self, label: str) -> Any:
        """The button that says so."""
        return self.box.get_by_role("button", name=label, exact=True)

    def press(self, label: str) -> None:
        """Press the button, when it can be."""
        self.button(label).click()

    def press_main(self) -> None:
        """Press the first button, whatever it says: Start, Resume or Go on."""
        self.box.locator(".nst-buttons button").first.click()

    def control(self, label: str) -> Any:
        """The control of this label."""
        whole = re.compile(f"^{re.escape(label)}$")
        named = self.tab.locator(".nst-label", has_text=whole)
        return self.box.locator(".nst-control").filter(has=named)

    def drag(self, label: str, pixels: int) -> None:
        """Move a slider with the mouse, so many pixels to the right."""
        handle = self.control(label).locator(".noUi-handle, .ui-slider-handle").first
        handle.scroll_into_view_if_needed()
        handle.hover()
        box = handle.bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.tab.mouse.down()
        self.tab.mouse.move(middle[0] + pixels, middle[1], steps=5)
        self.tab.mouse.up()

    def type_into(self, label: str, number: int, value: str) -> None:
        """Type a slider's value."""
        readout = self.control(label).locator(".widget-readout").nth(number)
        readout.fill(value)
        readout.press("Enter")

    def choose(self, label: str, option: str) -> None:
        """Choose from a list."""
        self.control(label).locator("select").select_option(label=option)

    def upload(self, label: str, path: Path) -> None:
        """Hand over a file."""
        with self.tab.expect_file_chooser() as chooser:
            self.control(label).get_by_role("button").click()
        chooser.value.set_files(path)

    def text(self, part: str = "") -> str:
        """The words of the studio, or of a part of it."""
        return str((self.box.locator(part).first if part else self.box).inner_text())

    def wait_for(self, words: str | re.Pattern[str]) -> None:
        """Until the studio says so."""
        self.box.get_by_text(words).first.wait_for()

    def wait_for_step(self, step: int) -> None:
        """Until the run has got so far."""
        until(lambda: self.step() >= step, lambda: f"only at step {self.step()}")

    def step(self) -> int:
        """The step that stands below the picture."""
        return int(re.findall(r"\d+", self.text(".nst-note"))[0])

    def shown(self, number: int = 0) -> np.ndarray:
        """The picture on the stage as the browser has decoded it, `(H, W, 3)`."""
        return decoded(self.box.locator(".nst-pictures img:visible").nth(number))

    def on_screen(self) -> np.ndarray:
        """The picture as it stands on the screen, at the size that the screen gives it.

        It keeps its shape and stands at the left; what a wide screen leaves beside it is cut off.
        """
        self.picture.scroll_into_view_if_needed()
        screen = rgb(self.picture.screenshot())
        height, width = self.shown().shape[:2]
        return screen[:, : round(screen.shape[0] * width / height)]

    def curve(self) -> list[str]:
        """The lines of the drawing, as their paths."""
        lines = self.box.locator(".nst-curve svg path[stroke-linejoin]")
        return lines.evaluate_all("lines => lines.map(line => line.getAttribute('d'))")

    def overflowing(self) -> list[str]:
        """What reaches beyond the studio's edge, or does not fit into its button."""
        return list(self.box.evaluate(OVERFLOWING))
