"""Run a student's code so that nothing it does can hurt: bounded in time, in output, in errors."""

from __future__ import annotations

import contextlib
import io
import linecache
import signal
import site
import sys
import sysconfig
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

import nst_teach

DEADLINE = 20.0
"""Seconds that all calls of a student's function in one check may take. Right answers take one or
two."""

RING_AGAIN = 2e-5
"""Seconds after which the alarm rings again. A bare `except:` in a loop swallows it, but not if it
also rings between the `except` and the next round of the loop."""

IMPORT_AGAIN = 0.05
"""Seconds after which it rings again where a module is being imported."""

PRINTED_LIMIT = 500
"""Characters of a student's own output that are kept."""

MESSAGE_LIMIT = 200
"""Characters of an error's message that are shown: what matters comes first."""

PACKAGES = (Path(__file__).parent, Path(nst_teach.__file__).parent)


class TooSlow(BaseException):
    """The deadline has passed. No `Exception`, so that `except Exception:` cannot catch it."""


@dataclass(frozen=True)
class Raised:
    """An error in a student's code: its type, its message, and the line that it came from."""

    error: BaseException
    line: int | None
    code: str

    def __str__(self) -> str:
        message = textwrap.shorten(str(self.error), MESSAGE_LIMIT, placeholder=" …")
        place = f" at line {self.line}: {self.code}" if self.line else ""
        return f"your code raised {type(self.error).__name__}{place}" + (
            f"\n({message})" if message else ""
        )


class BoundedText(io.StringIO):
    """A text stream that keeps the beginning and forgets the rest."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, PRINTED_LIMIT - self.tell())])
        return len(text)


def run(work: Callable[[], Any], printed: io.StringIO, seconds: float) -> Any:
    """What `work()` returns, or a `Raised`; raises `TooSlow` after so many seconds."""
    alarm = Alarm()
    try:
        with contextlib.redirect_stdout(printed), _as_it_was(), deadline(seconds) as alarm:
            end = time.monotonic() + seconds
            try:
                value = work()
            finally:
                alarm.armed = False
            if time.monotonic() > end:  # in an import, which is not broken off
                raise TooSlow
            return value
    except KeyboardInterrupt as error:
        if alarm.interrupted:  # by the student at the keyboard, not by the code
            raise
        return locate(error)
    except (Exception, SystemExit) as error:
        return locate(error)


@contextlib.contextmanager
def _as_it_was() -> Generator[None]:
    """Whatever the block sets for all of torch is set back."""
    gradients, kind = torch.is_grad_enabled(), torch.get_default_dtype()
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_grad_enabled(gradients)
        torch.set_default_dtype(kind)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


@dataclass
class Clock:
    """The seconds that a student's code has taken so far in this check."""

    spent: float = 0.0

    def run(self, work: Callable[[], Any], printed: io.StringIO) -> Any:
        """As `run`, with what is left of the deadline."""
        begun = time.monotonic()
        try:
            return run(work, printed, DEADLINE - self.spent)
        finally:
            self.spent += time.monotonic() - begun


@dataclass
class Alarm:
    """Whether a late call is to be ended, and whether somebody has pressed Ctrl-C."""

    armed: bool = True
    interrupted: bool = False


def deadline(seconds: float) -> contextlib.AbstractContextManager[Alarm]:
    """Raise `TooSlow` inside the block when it takes longer.

    With POSIX signals on the main thread, else by tracing each line of Python. A single operation
    inside torch can be interrupted by neither; it is noticed when it returns.
    """
    on_main = threading.current_thread() is threading.main_thread()
    return _alarm(seconds) if on_main and hasattr(signal, "setitimer") else _tracing(seconds)


@contextlib.contextmanager
def _alarm(seconds: float) -> Generator[Alarm]:
    alarm = Alarm()

    def ring(_: int, frame: FrameType | None) -> None:
        if not alarm.armed or frame is None or frame.f_code.co_filename == __file__:
            return
        if _imports(frame):  # torch loads parts of itself late: broken off, they stay broken
            signal.setitimer(signal.ITIMER_REAL, IMPORT_AGAIN, RING_AGAIN)
            return
        raise TooSlow

    def interrupt(number: int, frame: FrameType | None) -> None:
        alarm.interrupted = True
        signal.default_int_handler(number, frame)

    handlers = [(number, signal.signal(number, do)) for number, do in
                ((signal.SIGALRM, ring), (signal.SIGINT, interrupt))]  # fmt: skip
    timer = signal.setitimer(signal.ITIMER_REAL, max(seconds, RING_AGAIN), RING_AGAIN)
    try:
        yield alarm
    finally:
        alarm.armed = False
        signal.setitimer(signal.ITIMER_REAL, *timer)
        for number, handler in handlers:
            signal.signal(number, handler)


def _imports(frame: FrameType | None) -> bool:
    """Whether this code runs because of an import statement."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def _tracing(seconds: float) -> Generator[Alarm]:
    alarm = Alarm(interrupted=True)  # nobody can tell
    end = time.monotonic() + seconds

    def watch(frame: FrameType, event: str, argument: Any) -> Any:
        if alarm.armed and time.monotonic() > end and not _imports(frame):
            raise TooSlow
        return watch

    tracer = sys.gettrace()
    sys.settrace(watch)
    try:
        yield alarm
    finally:
        sys.settrace(tracer)


def locate(error: BaseException) -> Raised:
    """Where in the student's own code an error came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _belongs_to_a_library(frame.filename)]
    if not own:
        return Raised(error, None, "")
    line = own[-1].lineno
    return Raised(error, line, linecache.getline(own[-1].filename, line or 0).strip())


def _belongs_to_a_library(file: str) -> bool:
    libraries: list[str | Path] = [*PACKAGES, sysconfig.get_path("stdlib"), *site.getsitepackages()]
    return any(Path(file).is_relative_to(folder) for folder in libraries)
