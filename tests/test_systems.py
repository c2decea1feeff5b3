"""What differs on Windows and macOS, pretended here: nothing of the project may rest on it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import bundle
import chromium
import psutil
import pytest
from conftest import ROOT
from test_packaging import TEXT, written_files

from nst_teach import machine

# What Python has on Linux and macOS but not on Windows, as far as our code could have used it.
MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "termios")
FUNCTIONS = ("fork", "geteuid", "getloadavg", "getuid", "killpg", "mkfifo", "nice", "setsid",
             "sched_getaffinity", "statvfs", "uname")  # fmt: skip
SIGNALS = ("SIGALRM", "SIGKILL", "SIGHUP", "ITIMER_REAL", "alarm", "setitimer", "getitimer")

FOLDERS = ("/tests", "/tools", "/book/_extensions")

TAKE_AWAY = f"""
import importlib, os, signal, socket, sys
sys.path[:0] = [{str(ROOT)!r}, *({str(ROOT)!r} + name for name in {FOLDERS})]
import av, hypothesis.extra.numpy, joblib, jupyter_client, jupytext, matplotlib.pyplot, nbclient
import nbformat, playwright.sync_api, psutil, pytest, skimage.data, skimage.registration, torch
import torchvision.models
for name in {MODULES}: sys.modules[name] = None
for name in {FUNCTIONS}: vars(os).pop(name, None)
for name in {SIGNALS}: vars(signal).pop(name, None)
vars(socket).pop("AF_UNIX", None)
for name in sys.argv[1:]: importlib.import_module(name)
"""

ELSEWHERE = {"test_nbgrader"}
"""Tests of programs that themselves rest on POSIX."""

PACKAGES = ("nst_teach", "nst_teach/interactive", "nst_teach_checks")
FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]|[ .]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.I)
"""What Windows takes for no name of a file."""


def test_everything_can_be_imported_where_posix_is_not():
    """A test that needs more than Windows has must say so with a mark of `systems`."""
    names = [path.stem for path in (ROOT / "tests").glob("*.py") if path.stem not in ELSEWHERE]
    names += [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in PACKAGES
        for path in (ROOT / folder).glob("*.py")
        if path.name != "__init__.py"
    ]
    command = [sys.executable, "-c", TAKE_AWAY, *sorted(names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_module_that_rests_on_posix_would_be_found(tmp_path):
    (tmp_path / "rests.py").write_text("import os\nos.geteuid()\n")
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(tmp_path)!r}]{TAKE_AWAY}"]
    done = subprocess.run([*command, "rests"], capture_output=True, text=True, check=False)
    assert "no attribute 'geteuid'" in done.stderr


# Names and texts


@pytest.mark.parametrize("name", ["a:b.png", "what?.md", "con", "NUL.txt", "end.", "a\\b"])
def test_a_name_that_windows_refuses_would_be_found(name):
    assert FORBIDDEN.search(name)


def test_every_file_can_have_its_name_on_every_system():
    names = [path.relative_to(ROOT).as_posix() for path in written_files()]
    assert [name for name in names if any(map(FORBIDDEN.search, name.split("/")))] == []
    assert len({name.casefold() for name in names}) == len(names)
    assert max(map(len, names)) < 100, "Windows counts 260 characters, with the folders above"
    assert [name for name in names if (ROOT / name).is_symlink()] == []


def test_every_text_has_the_line_ends_that_git_keeps():
    """Checksums and comparisons count bytes."""
    texts = (path for path in written_files() if path.suffix in TEXT | {".ipynb", ".mjs"})
    assert [path.name for path in texts if b"\r\n" in path.read_bytes()] == []
    assert "* text=auto eol=lf" in (ROOT / ".gitattributes").read_text().splitlines()


# Consoles


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("words", [["--help"], ["doctor", "--quick"], ["α", "β", "-o", "γ.png"]])
def test_a_console_with_few_characters_is_no_obstacle(words, encoding, tmp_path):
    code = "import sys, nst_teach_command; sys.exit(nst_teach_command.main())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": f"{encoding}:strict"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, env=environment, capture_output=True
    )
    assert b"Traceback" not in done.stderr
    assert done.stdout or done.stderr.startswith(b"nst-teach: ")


# What the system knows


def test_peak_memory_is_known_without_the_module_resource(monkeypatch, tmp_path):
    """On Windows, psutil has it."""
    monkeypatch.setattr(machine, "PROC", tmp_path)
    monkeypatch.setitem(sys.modules, "resource", None)
    state = SimpleNamespace(peak_wset=123)
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(memory_info=lambda: state))
    assert machine.peak_memory() == 123
    del state.peak_wset
    assert machine.peak_memory() == 0


WORKER = """
import os, sys, time
parent = int(sys.argv[1])
os.getppid = lambda: parent
from nst_teach import parallel
parallel._end_with(parent)
time.sleep(60)
"""


def test_a_worker_ends_with_its_caller_where_the_number_of_the_parent_stays():
    """On Windows a process is told its parent's number for ever, even when that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WORKER, str(ended.pid)]
    assert subprocess.run(command, env=environment, timeout=50, check=False).returncode == 1


def test_all_processors_are_open_where_nobody_says_otherwise(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert machine.processors().open == os.cpu_count()


def test_a_browser_is_found_on_the_path_by_its_variable_or_in_its_place(monkeypatch, tmp_path):
    place = tmp_path / "Google Chrome.exe"
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(chromium.shutil, "which", lambda name: None)
    assert chromium.find([str(place)]) is None
    place.touch()
    assert chromium.find([str(place)]) == str(place)
    monkeypatch.setattr(chromium.shutil, "which", {"google-chrome": "/bin/chrome"}.get)
    assert chromium.find([str(place)]) == "/bin/chrome"
    monkeypatch.setenv("CHROMIUM", "mine")
    assert chromium.find([str(place)]) == "mine"


def test_only_root_goes_without_a_sandbox(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    assert chromium.flags() == []
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert chromium.flags() == ["--no-sandbox"]
    monkeypatch.delattr(os, "geteuid")
    assert chromium.flags() == []


@pytest.mark.parametrize(
    "text", [r"C:\Users\Ann", r'"C:\\Users\\Ann\\course"', "file:///C:/Users/Ann/course"]
)
def test_a_folder_of_windows_is_found_as_strings_and_addresses_write_it(text):
    files = {"a.html": text.encode(), "b.html": b"C: is a drive"}
    assert bundle.private_paths(files, [r"C:\Users\Ann"]) == ["a.html"]
