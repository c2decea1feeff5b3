"""Build, test and serve the course: the same commands on Linux, macOS and Windows.

    python course.py                      list what there is to do
    python course.py book                 install what is needed, build the book
    python course.py test PYTHON=python3.12 TEST_FLAGS="-n 4"
    python course.py --dry-run bundle     print the commands, run none

`make book` calls `course.py book`, and so on. Everything is installed into .venv beside this file.
Only the standard library is used, and only what Python 3.7 has, so that an older interpreter gets
as far as the message that says which one is needed.
"""

from __future__ import annotations

import locale
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OLDEST = (3, 11)  # requires-python in pyproject.toml

TARGETS = {
    "book": "install what is needed, run every chapter, build the book",
    "slides": "build the book, and the slides of every session from it",
    "pdf": "build the book, print it and three sheets, into _build/html/pdf",
    "serve": "build the book and show it at http://127.0.0.1:{PORT}/",
    "test": "install what is needed, check style, run all tests and all notebooks",
    "lint": "check style, types, and that generated files are up to date",
    "notebooks": "write the notebooks from their sources",
    "bench": "measure seconds, memory and time to quality beside the usual loop",
    "bundle": "pack book, notebooks and package for a room without a network, into dist/",
    "clean": "delete what these commands made, but keep the environment in .venv",
    # What the others need; by itself seldom of use.
    "assets": "",
    "ready-book": "",
    "ready-pdf": "",
    "ready-test": "",
    "ready-teach": "",
    "ready-widgets7": "",
}
"""Names of targets, and what the list says about them."""

SETTINGS = {
    "PYTHON": "",
    "PIP_FLAGS": "",
    "TEST_FLAGS": "--numprocesses auto",
    "PORT": "8000",
    "BUNDLE_FLAGS": "",
    "BENCH_FLAGS": "",
}
"""Settings and their defaults. Without `PYTHON`, it is the interpreter that runs this file."""

RUN_ON = ("pyproject.toml", "_config.yml", "_toc.yml", "nst_teach_command.py")
RUN_ON_ALSO = ("book/_extensions/*.py", "tools/notebooks.py", "tools/handouts.py")
PACKAGES = ("nst_teach", "nst_teach_checks")
"""What all pages run on. Sphinx runs again only the pages whose own text has changed."""

MADE = (
    "_build",
    "dist",
    "build",
    "*.egg-info",
    "book/_static/vendor",
    "tools/web/node_modules",
    "tools/web/checks/node_modules",
    ".pytest_cache",
    ".ruff_cache",
    ".mypy_cache",
    ".hypothesis",
)
MADE_INSIDE = ("book", "exercises", "nst_teach", "nst_teach_checks", "tests", "tools", "benchmarks")
"""What `clean` deletes, and the folders in which it looks for Python's caches."""

PURELIB = "import sysconfig; print(sysconfig.get_path('purelib'))"
NEW_ENOUGH = f"import sys; sys.exit(sys.version_info < {OLDEST})"

TOO_OLD = """\
Python {0}.{1} or newer is needed; '{2}' is not.
Name one that is, for example: PYTHON=python3.12"""
UNLIKE = """\
torch and torchvision do not fit together: install both from one index, then
try again. PIP_FLAGS hands options to pip."""
BUILT = """
The book is built. Open it with a browser:
    {page}
or run '{again}' and go to http://127.0.0.1:{port}/"""
LIST = """\
python course.py TARGET ...    or    make TARGET ...

{targets}

PYTHON=python3.12 after a target chooses the interpreter, PIP_FLAGS=... is passed to pip install."""

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # the shell's convention: 128 + the number of the signal


class Failure(Exception):
    """A target could not be made: a message, empty where a command has said it, and a status."""

    def __init__(self, message: str = "", status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Course:
    """The targets, as methods; each is made at most once, as in make."""

    def __init__(self, root: Path, settings: dict[str, str], dry: bool = False) -> None:
        self.root = root
        self.settings = settings
        self.dry = dry
        self.done: set[str] = set()
        self.environment = {**os.environ, "NST_TEACH_PROGRESS": "0"}  # no bars in the pages
        if os.name == "nt":  # a console's code page lacks the arrows and dashes of our messages
            self.environment.setdefault("PYTHONUTF8", "1")

    def make(self, target: str) -> None:
        """Make a target, unless this call has made it already."""
        if target not in self.done:
            self.done.add(target)
            extra = target.partition("ready-")[2]
            if target == "ready-widgets7":
                self.widgets7()
            elif extra:
                self.ready(extra)
            else:
                getattr(self, target)()

    # Targets

    def book(self) -> None:
        """The book, in _build/html."""
        for target in ("ready-book", "notebooks", "assets"):
            self.make(target)
        self.forget_stale_build()
        self.run(self.program("jupyter-book"), "build", ".")
        self.run(self.python, "tools/slides.py")
        page = (self.root / "_build" / "html" / "index.html").as_uri()
        again = "make serve" if os.environ.get("MAKELEVEL") else "python course.py serve"
        print(BUILT.format(page=page, again=again, port=self.settings["PORT"]), flush=True)

    def slides(self) -> None:
        """The slides of every session, in _build/html/slides: the book has them."""
        self.make("book")

    def pdf(self) -> None:
        """The book on paper, in _build/html/pdf."""
        self.make("book")
        self.make("ready-pdf")
        self.run(self.python, "tools/pdf.py")

    def serve(self) -> None:
        """The book, at an address of this machine."""
        self.make("book")
        self.run(self.python, "tools/serve.py", "--port", self.settings["PORT"])

    def test(self) -> None:
        """Style, types, all tests and all notebooks."""
        for target in ("ready-test", "lint", "assets"):
            self.make(target)
        self.run(self.python, "tools/assets.py", "--checks")
        self.run(self.python, "-m", "pytest", *words(self.settings["TEST_FLAGS"]))

    def lint(self) -> None:
        """Style, types, and generated files."""
        self.make("ready-test")
        self.run(self.python, "-m", "ruff", "check")
        self.run(self.python, "-m", "ruff", "format", "--check")
        self.run(self.python, "-m", "mypy")
        self.run(self.python, "-m", "pyright", "--pythonpath", self.python)
        self.run(self.python, "tools/notebooks.py", "--check")
        self.run(self.python, "tools/inventory.py", "--check")

    def notebooks(self) -> None:
        """The notebooks, from their sources."""
        self.make("ready-book")
        self.run(self.python, "tools/notebooks.py")

    def assets(self) -> None:
        """What the pages load."""
        self.make("ready-book")
        self.run(self.python, "tools/assets.py")

    def bench(self) -> None:
        """The numbers of the page on performance."""
        self.make("ready-book")
        self.run(self.python, "benchmarks/suite.py", *words(self.settings["BENCH_FLAGS"]))

    def bundle(self) -> None:
        """The course for a room without a network."""
        self.make("book")
        self.make("ready-test")
        self.run(self.python, "tools/bundle.py", *words(self.settings["BUNDLE_FLAGS"]))

    def clean(self) -> None:
        """Nothing that a command above has made, except the environment."""
        found = [path for pattern in MADE for path in self.root.glob(pattern)]
        for folder in MADE_INSIDE:
            found += (self.root / folder).rglob("__pycache__")
        for path in found:
            print("delete", path.relative_to(self.root).as_posix())
            if not self.dry:
                shutil.rmtree(path, ignore_errors=True)

    # The environment

    @property
    def venv(self) -> Path:
        """The environment's folder."""
        return self.root / ".venv"

    @property
    def python(self) -> str:
        """The environment's interpreter."""
        return self.program("python")

    def program(self, name: str, venv: Path | None = None) -> str:
        """The path of a program in an environment, which each system keeps elsewhere."""
        folder = venv or self.venv
        return str(
            folder / "Scripts" / (name + ".exe") if os.name == "nt" else folder / "bin" / name
        )

    def ready(self, extra: str) -> None:
        """The environment, with what an extra of pyproject.toml needs.

        pip runs again only when pyproject.toml has changed since: each extra has its stamp.
        """
        stamp, project = self.venv / (".ready-" + extra), self.root / "pyproject.toml"
        if Path(self.python).exists() and is_newer(stamp, [project]):
            return
        self.create()
        print(
            f"Installing what '{extra}' needs into .venv. "
            "The first time this fetches PyTorch (minutes).",
            flush=True,
        )
        self.pip(self.python, "--editable", f".[{extra}]")
        self.run(self.python, "-c", "import torchvision.ops", otherwise=UNLIKE)
        self.touch(stamp)

    def create(self) -> None:
        """An empty environment, if there is none."""
        if Path(self.python).exists():
            return
        python = interpreter(self.settings["PYTHON"])
        self.run(*python, "-c", NEW_ENOUGH, otherwise=TOO_OLD.format(*OLDEST, " ".join(python)))
        try:
            self.run(*python, "-m", "venv", ".venv")
        except Failure:  # half an environment would pass for a whole one next time
            shutil.rmtree(self.venv, ignore_errors=True)
            raise

    def widgets7(self) -> None:
        """ipywidgets 7, as on Colab, in an environment that shares all else with the one around."""
        self.make("ready-test")
        stamp, folder = self.venv / ".ready-widgets7", self.venv / "widgets7"
        if is_newer(stamp, [self.venv / ".ready-test"]):
            return
        python = self.program("python", folder)
        self.run(self.python, "-m", "venv", "--clear", str(folder))
        if not self.dry:
            around, inside = self.answer(self.python), self.answer(python)
            # Python reads such files in the encoding of the system.
            encoding = locale.getpreferredencoding(False)
            Path(inside, "around.pth").write_text(around + "\n", encoding=encoding)
        self.pip(python, "ipywidgets>=7.8,<8")
        self.touch(stamp)

    def answer(self, python: str) -> str:
        """The folder in which an environment keeps its packages."""
        done = subprocess.run([python, "-c", PURELIB], stdout=subprocess.PIPE, check=True)
        return done.stdout.decode(locale.getpreferredencoding(False)).strip()

    def pip(self, python: str, *requirements: str) -> None:
        """Install into an environment."""
        flags = words(self.settings["PIP_FLAGS"])
        self.run(
            python, "-m", "pip", "install", "--disable-pip-version-check", *flags, *requirements
        )

    # Steps

    def forget_stale_build(self) -> None:
        """Delete the built pages if what they ran on has changed since."""
        stamp = self.root / "_build" / ".current"
        if is_newer(stamp, run_on(self.root)):
            return
        print("What the pages run on has changed: building all of them.", flush=True)
        if not self.dry:
            shutil.rmtree(stamp.parent, ignore_errors=True)
            stamp.parent.mkdir(exist_ok=True)
        self.touch(stamp)

    def touch(self, stamp: Path) -> None:
        """Note that something is up to date now."""
        if not self.dry:
            stamp.touch()

    def run(self, *command: str, otherwise: str = "") -> None:
        """Print a command and run it.

        Raises:
            Failure: it failed; with the message `otherwise`, if one is given.
        """
        print(shown(command, self.root), flush=True)
        if self.dry:
            return
        try:
            status = wait(subprocess.Popen(command, cwd=str(self.root), env=self.environment))
        except OSError as error:
            raise Failure(otherwise or f"{command[0]}: {error.strerror}") from error
        if status:
            raise Failure(otherwise, status if status > 0 else 128 - status)


def wait(process: subprocess.Popen[bytes]) -> int:
    """The status of a command when it has ended: after Ctrl-C it may have a summary to print."""
    interrupted = False
    while process.returncode is None:
        try:
            process.wait()
        except KeyboardInterrupt:  # the terminal has told the command as well
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return process.returncode


def run_on(root: Path) -> list[Path]:
    """All files on which every page runs."""
    files = [root / name for name in RUN_ON]
    files += [path for pattern in RUN_ON_ALSO for path in root.glob(pattern)]
    for name in PACKAGES:
        files += [path for path in (root / name).rglob("*") if "__pycache__" not in path.parts]
    return [path for path in files if path.is_file()]


def is_newer(stamp: Path, files: list[Path]) -> bool:
    """Whether a stamp exists and none of the files has changed since it was written."""
    if not stamp.exists():
        return False
    written = stamp.stat().st_mtime_ns
    return all(path.stat().st_mtime_ns <= written for path in files)


def interpreter(setting: str) -> list[str]:
    """The command for a new environment's interpreter: `python3.12`, `py -3.12`, or a path."""
    if not setting:
        return [sys.executable]
    return [setting] if shutil.which(setting) else words(setting)


def words(text: str) -> list[str]:
    r"""Split options as a shell does; on Windows, a backslash is part of a path."""
    if os.name != "nt":
        return shlex.split(text)
    return [word.strip("\"'") for word in shlex.split(text, posix=False)]


def shown(command: tuple[str, ...], root: Path) -> str:
    """A command as one could type it in the project's folder."""
    short = [word.replace(str(root) + os.sep, "") for word in command]
    return subprocess.list2cmdline(short) if os.name == "nt" else " ".join(map(shlex.quote, short))


def parse(arguments: list[str]) -> tuple[list[str], dict[str, str], bool]:
    """Targets, settings and whether to run nothing, from the command line and the environment.

    Raises:
        Failure: a word is none of these.
    """
    settings = {name: os.environ.get(name, default) for name, default in SETTINGS.items()}
    targets, dry = [], False
    for word in arguments:
        name, is_setting, value = word.partition("=")
        if is_setting and name in SETTINGS:
            settings[name] = value
        elif word in TARGETS:
            targets.append(word)
        elif word in ("-n", "--dry-run"):
            dry = True
        elif word not in ("help", "-h", "--help"):
            choice = ", ".join([*TARGETS, *(name + "=..." for name in SETTINGS)])
            raise Failure(f"'{word}' is no target and no setting; there are: {choice}", EXIT_USAGE)
    return targets, settings, dry


def listed(settings: dict[str, str]) -> str:
    """The list of targets."""
    lines = [f"  {name:10} {text}" for name, text in TARGETS.items() if text]
    return LIST.format(targets="\n".join(lines).format(**settings))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        targets, settings, dry = parse(sys.argv[1:] if arguments is None else arguments)
        course = Course(ROOT, settings, dry)
        for target in targets:
            course.make(target)
        if not targets:
            print(listed(settings))
    except Failure as failure:
        if str(failure):
            print(failure, file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:  # how `serve` ends; the command that ran has ended too
        return EXIT_INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # a folder's name may need more than cp1252
    sys.exit(main())
