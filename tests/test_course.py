"""course.py, the way to build and test on every system: its commands, most of them not run."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest
import serve
from conftest import ROOT
from packaging.specifiers import SpecifierSet

SPECIFICATION = importlib.util.spec_from_file_location("course", ROOT / "course.py")
course = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(course)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

HOUR = 3600
SPACES = "a folder with spaces, é and 'quotes'"


class Shell:
    """Takes commands instead of the system's, and answers with prepared statuses."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.statuses: dict[str, int] = {}

    def __call__(self, command, cwd, env) -> SimpleNamespace:
        self.commands.append(list(command))
        if command[-2:] == ("venv", ".venv"):
            Path(cwd, ".venv").mkdir(exist_ok=True)
        line = " ".join(command)
        status = next((code for part, code in self.statuses.items() if part in line), 0)
        return SimpleNamespace(returncode=status)

    def lines(self, root: Path) -> list[str]:
        """The commands so far, with paths as one would type them in the project's folder."""
        return [" ".join(command).replace(f"{root}{os.sep}", "") for command in self.commands]


@pytest.fixture
def shell(monkeypatch) -> Shell:
    taker = Shell()
    monkeypatch.setattr(course.subprocess, "Popen", taker)
    return taker


@pytest.fixture
def project(tmp_path) -> Path:
    """The files that course.py looks at, an hour old, in a folder with an awkward name."""
    root = tmp_path / SPACES
    names = (*course.RUN_ON, "book/_extensions/one.py", "nst_teach/a.py", "nst_teach_checks/b.py")
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
        age(root / name, HOUR)
    return root


def age(path: Path, seconds: float) -> None:
    """Make a file look as if it had been written some time ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def install(root: Path, *stamps: str) -> None:
    """An environment that looks as if the extras had been installed into it."""
    python = Path(new(root).python)
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()
    for stamp in stamps:
        (root / ".venv" / f".ready-{stamp}").touch()


def new(root: Path, **settings: str):
    """A course in `root`, with the default settings except those given."""
    return course.Course(root, {**course.SETTINGS, **settings})


# What there is to do


def test_without_a_target_all_are_listed(capsys):
    assert course.main([]) == 0
    out = capsys.readouterr().out
    for name, text in course.TARGETS.items():
        assert (f"  {name} " in out) == bool(text)
    assert "http://127.0.0.1:8000/" in out


def test_makefile_has_the_same_targets_and_no_commands_of_its_own():
    (names,) = re.findall(r"^TARGETS := (.+)$", MAKEFILE, re.M)
    assert set(names.split()) == {name for name in course.TARGETS if not name.startswith("ready-")}
    recipes = re.findall(r"^\t@?(.+)$", MAKEFILE, re.M)
    assert {recipe.partition(" course.py ")[0] for recipe in recipes} == {"$(PYTHON)"}


@pytest.mark.parametrize("name", course.TARGETS)
def test_every_target_can_be_printed_and_nothing_is_run(name, project, shell, capsys):
    install(project, "book", "test", "teach", "widgets7")
    before = sorted(project.rglob("*"))
    dry = course.Course(project, course.SETTINGS, dry=True)
    dry.make(name)
    assert shell.commands == []
    assert sorted(project.rglob("*")) == before
    out = capsys.readouterr().out
    assert out or name.startswith("ready-") or name == "clean"


def test_words_are_targets_settings_or_errors(monkeypatch, capsys):
    monkeypatch.setenv("PIP_FLAGS", "--quiet")
    monkeypatch.delenv("PORT", raising=False)
    targets, settings, dry = course.parse(["book", "TEST_FLAGS=-n 4 -k a=b", "serve", "-n"])
    assert (targets, dry) == (["book", "serve"], True)
    assert settings["TEST_FLAGS"] == "-n 4 -k a=b"  # an option may hold an equals sign
    assert (settings["PIP_FLAGS"], settings["PORT"]) == ("--quiet", "8000")
    assert course.main(["bok"]) == course.EXIT_USAGE
    assert "'bok' is no target" in capsys.readouterr().err
    assert course.main(["COLOUR=red"]) == course.EXIT_USAGE


# What the targets do


def test_book(project, shell, capsys):
    install(project, "book")
    new(project).make("book")
    bin_ = Path(new(project).python).parent.relative_to(project)
    assert shell.lines(project) == [
        f"{bin_ / 'python'} tools/notebooks.py",
        f"{bin_ / 'python'} tools/assets.py",
        f"{bin_ / 'jupyter-book'} build .",
        f"{bin_ / 'python'} tools/slides.py",
    ]
    assert (project / "_build/html/index.html").as_uri() in capsys.readouterr().out


def test_style_is_checked_before_the_tests_and_only_once(project, shell):
    install(project, "book", "test")
    made = new(project, TEST_FLAGS='-n 2 -k "one or two"')
    for target in ("lint", "test", "lint"):
        made.make(target)
    commands = [command[1:] for command in shell.commands]
    assert commands[0] == ["-m", "ruff", "check"]
    assert commands[-1] == ["-m", "pytest", "-n", "2", "-k", "one or two"]
    assert sum("mypy" in command for command in commands) == 1


def test_bundle_builds_the_book_first(project, shell):
    install(project, "book", "test")
    new(project, BUNDLE_FLAGS="--wheels").make("bundle")
    assert shell.commands[-3][1:] == ["build", "."]
    assert shell.commands[-1][1:] == ["tools/bundle.py", "--wheels"]


def test_the_book_is_built_before_it_is_printed(project, shell):
    install(project, "book", "pdf")
    new(project).make("pdf")
    assert [command[1] for command in shell.commands[-3:]] == (
        ["build", "tools/slides.py", "tools/pdf.py"]
    )


def test_the_book_is_served_to_this_machine_alone(project, shell):
    install(project, "book")
    new(project, PORT="8123").make("serve")
    assert shell.commands[-1][1:] == ["tools/serve.py", "--port", "8123"]
    assert ("127.0.0.1", Path("_build/html")) == (serve.ADDRESS, serve.SITE)


def test_clean_keeps_the_environment_and_what_people_wrote(project):
    install(project, "book")
    written = {path for path in project.rglob("*") if path.is_file()}
    for name in ("_build/html", "nst_teach.egg-info", "nst_teach/__pycache__", ".mypy_cache"):
        (project / name).mkdir(parents=True)
        (project / name / "file").touch()
    new(project).make("clean")
    assert {path for path in project.rglob("*") if path.is_file()} == written


def test_a_failing_command_ends_the_target_with_its_status(project, shell, monkeypatch, capsys):
    install(project, "test", "book")
    monkeypatch.setattr(course, "ROOT", project)
    shell.statuses = {"mypy": 3}
    assert course.main(["test"]) == 3
    assert "pytest" not in shell.lines(project)[-1]
    shell.statuses = {"pyright": -9}  # ended by a signal
    assert course.main(["test"]) == 128 + 9
    assert capsys.readouterr().err == ""  # the command has said what was wrong


REPORT = """
import json, os, sys
with open("report.json", "w") as file:
    json.dump([os.getcwd(), os.environ["NST_TEACH_PROGRESS"], sys.prefix, sys.argv], file)
"""


def test_commands_run_in_a_folder_with_spaces(project):
    """Without a stand-in: a real environment, a real script."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
    (project / ".venv/.ready-book").touch()
    (project / "tools").mkdir()
    (project / "tools/notebooks.py").write_text(REPORT)
    new(project).make("notebooks")
    folder, progress, prefix, words = json.loads((project / "report.json").read_text())
    assert Path(folder).samefile(project)
    assert Path(prefix).samefile(project / ".venv")
    assert (progress, words) == ("0", ["tools/notebooks.py"])


# The environment


def test_a_new_environment_is_made_filled_and_stamped(project, shell):
    flags = "--quiet --find-links 'my wheels'"
    new(project, PYTHON="python3.12", PIP_FLAGS=flags).make("ready-book")
    check, make, pip, load = shell.commands
    assert check[:2] == ["python3.12", "-c"]
    assert make == ["python3.12", "-m", "venv", ".venv"]
    assert pip[-5:] == ["--quiet", "--find-links", "my wheels", "--editable", ".[book]"]
    assert load[-1] == "import torchvision.ops"
    assert (project / ".venv/.ready-book").exists()


def test_nothing_is_installed_again_until_pyproject_changes(project, shell):
    install(project, "test")
    new(project).make("ready-test")
    assert shell.commands == []
    (project / "pyproject.toml").touch()
    age(project / ".venv/.ready-test", 60)
    new(project).make("ready-test")
    assert shell.commands[0][-2:] == ["--editable", ".[test]"]
    new(project).make("ready-test")  # the stamp is new
    assert len(shell.commands) == 2


def test_each_extra_has_its_own_stamp(project, shell):
    install(project, "book")
    new(project).make("ready-teach")
    assert shell.commands[0][-1] == ".[teach]"


def test_a_stamp_without_an_environment_counts_for_nothing(project, shell):
    install(project, "book")
    Path(new(project).python).unlink()
    new(project).make("ready-book")
    assert shell.commands[1][-2:] == ["venv", ".venv"]


def test_an_old_python_is_refused_with_a_way_out(project, shell, monkeypatch, capsys):
    monkeypatch.setattr(course, "ROOT", project)
    shell.statuses = {"version_info": 1}
    assert course.main(["book", "PYTHON=python3.8"]) == 1
    assert len(shell.commands) == 1
    assert "3.11 or newer is needed; 'python3.8' is not" in capsys.readouterr().err


def test_a_python_that_does_not_exist_is_refused_in_the_same_way(project, monkeypatch, capsys):
    monkeypatch.setattr(course, "ROOT", project)
    assert course.main(["book", "PYTHON=no-such-python"]) == 1
    assert "'no-such-python' is not" in capsys.readouterr().err


def test_the_question_about_the_version_is_answered_truly():
    asked = [sys.executable, "-c", course.NEW_ENOUGH]
    assert subprocess.run(asked).returncode == 0
    assert subprocess.run([*asked[:2], course.NEW_ENOUGH.replace("3, 11", "3, 99")]).returncode == 1


def test_half_an_environment_is_not_left_behind(project, shell, monkeypatch):
    shell.statuses = {"-m venv": 1}
    (project / ".venv").mkdir()
    with pytest.raises(course.Failure):
        new(project).make("ready-book")
    assert not (project / ".venv").exists()


def test_torch_and_torchvision_of_two_indexes_are_noticed(project, shell, monkeypatch, capsys):
    monkeypatch.setattr(course, "ROOT", project)
    install(project)
    shell.statuses = {"torchvision.ops": 1}
    assert course.main(["ready-book"]) == 1
    assert "install both from one index" in capsys.readouterr().err
    assert not (project / ".venv/.ready-book").exists()


def test_old_widgets_share_all_else_with_the_environment_around_them(project, shell, monkeypatch):
    install(project, "test")
    inner = project / ".venv/widgets7"
    inner.mkdir()
    folders = {new(project).program("python", inner): str(inner), new(project).python: "around"}
    monkeypatch.setattr(course.Course, "answer", lambda self, python: folders[python])
    new(project, PIP_FLAGS="--quiet").make("ready-widgets7")
    make, pip = shell.commands
    assert make[1:] == ["-m", "venv", "--clear", str(inner)]
    assert Path(pip[0]).is_relative_to(inner)
    assert pip[-2:] == ["--quiet", "ipywidgets>=7.8,<8"]
    assert (inner / "around.pth").read_text() == "around\n"
    assert (project / ".venv/.ready-widgets7").exists()
    new(project).make("ready-widgets7")
    assert len(shell.commands) == 2
    age(project / ".venv/.ready-widgets7", 60)  # older than what is around it
    new(project).make("ready-widgets7")
    assert len(shell.commands) == 4


def test_the_folder_of_an_environment_s_packages_is_found():
    folder = Path(new(ROOT).answer(sys.executable))
    assert folder.is_dir()
    assert folder.name == "site-packages"


# A build that is out of date


@pytest.mark.parametrize(
    "name", [*course.RUN_ON, "book/_extensions/one.py", "nst_teach/a.py", "nst_teach_checks/b.py"]
)
def test_all_pages_are_built_again_when_what_they_run_on_has_changed(name, project, shell):
    built = project / "_build/html/index.html"
    new(project).forget_stale_build()
    built.parent.mkdir()
    built.touch()
    age(project / "_build/.current", HOUR / 2)
    new(project).forget_stale_build()
    assert built.exists()
    (project / name).touch()
    new(project).forget_stale_build()
    assert not built.exists()
    assert (project / "_build/.current").exists()


def test_caches_of_python_are_no_change(project):
    new(project).forget_stale_build()
    age(project / "_build/.current", HOUR / 2)
    (project / "nst_teach/__pycache__").mkdir()
    (project / "nst_teach/__pycache__/a.pyc").touch()
    assert course.is_newer(project / "_build/.current", course.run_on(project))


def test_every_file_that_pages_run_on_exists():
    """One that had been renamed would be forgotten without a word."""
    found = {path.relative_to(ROOT).as_posix() for path in course.run_on(ROOT)}
    assert set(course.RUN_ON) <= found
    for pattern in course.RUN_ON_ALSO:
        assert list(ROOT.glob(pattern))
    assert {"nst_teach/costs.json", "nst_teach_checks/py.typed"} <= found


# Other systems


@pytest.fixture
def windows(monkeypatch):
    """course.py, but not the rest of this process, believes that it runs on Windows."""
    system = SimpleNamespace(name="nt", sep="\\", environ={}, path=os.path)
    monkeypatch.setattr(course, "os", system)


HOME = PureWindowsPath("C:/Users/Zoë Müller/course")


def test_programs_lie_elsewhere_on_windows(windows):
    made = new(HOME)
    assert made.python == r"C:\Users\Zoë Müller\course\.venv\Scripts\python.exe"
    assert made.program("jupyter-book").endswith(r"\Scripts\jupyter-book.exe")
    inner = made.program("python", made.venv / "widgets7")
    assert inner.endswith(r"\.venv\widgets7\Scripts\python.exe")


def test_texts_are_utf8_on_windows_unless_somebody_decided_otherwise(windows):
    assert new(HOME).environment["PYTHONUTF8"] == "1"
    course.os.environ["PYTHONUTF8"] = "0"
    assert new(HOME).environment["PYTHONUTF8"] == "0"


def test_a_backslash_is_part_of_a_path_on_windows(windows):
    flags = r'--find-links "C:\My Wheels" -q'
    assert course.words(flags) == ["--find-links", r"C:\My Wheels", "-q"]


def test_commands_are_shown_as_windows_takes_them(windows):
    python = new(HOME).python
    line = course.shown((python, "-m", "pip", "install", "a>=1,<2 b"), HOME)
    assert line == r'.venv\Scripts\python.exe -m pip install "a>=1,<2 b"'


def test_the_interpreter_is_a_name_a_launcher_or_a_path(windows, monkeypatch):
    path = r"C:\Program Files\Python312\python.exe"
    monkeypatch.setattr(
        course.shutil, "which", lambda name: name if name in {path, "python3.12", "py"} else None
    )
    assert course.interpreter(path) == [path]
    assert course.interpreter("python3.12") == ["python3.12"]
    assert course.interpreter("py -3.12") == ["py", "-3.12"]
    assert course.interpreter("") == [sys.executable]


def test_an_old_interpreter_can_read_the_file():
    """Else it would show a syntax error in place of the message."""
    source = (ROOT / "course.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))
    with pytest.raises(SyntaxError):
        ast.parse("if (a := 1): pass", feature_version=(3, 7))
    assert source.isascii()  # consoles of all systems can show it


def test_the_oldest_python_is_that_of_pyproject():
    major, minor = course.OLDEST
    wanted = SpecifierSet(PROJECT["requires-python"])
    assert f"{major}.{minor}" in wanted
    assert f"{major}.{minor - 1}" not in wanted


def test_every_extra_that_is_asked_for_exists():
    asked = {name.removeprefix("ready-") for name in course.TARGETS if name.startswith("ready-")}
    assert asked - {"widgets7"} <= set(PROJECT["optional-dependencies"])


def test_after_ctrl_c_a_command_may_finish_what_it_says():
    class Process:
        returncode = None
        waits = 0

        def wait(self) -> None:
            self.waits += 1
            if self.waits < 3:
                raise KeyboardInterrupt
            self.returncode = 1

    process = Process()
    with pytest.raises(KeyboardInterrupt):
        course.wait(process)
    assert process.waits == 3


def test_ctrl_c_ends_without_a_traceback(monkeypatch):
    def interrupt(self, target: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(course.Course, "make", interrupt)
    assert course.main(["serve"]) == course.EXIT_INTERRUPTED
