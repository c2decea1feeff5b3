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

import nst_teach

DEADLINE = 10.0
"""Seconds that one call of a student's function may take. Right answers take well under one."""

RING_AGAIN = 0.1
"""Seconds after which the alarm rings again: a bare `except:` in a loop may swallow the first."""

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
        return f"your code raised {type(self.error).__name__}{place}\n({message})"


class BoundedText(io.StringIO):
    """A text stream that keeps the beginning and forgets the rest."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, PRINTED_LIMIT - self.tell())])
        return len(text)


def run(work: Callable[[], Any], printed: io.StringIO, seconds: float) -> Any:
    """What `work()` returns, or a `Raised`; raises `TooSlow` after so many seconds."""
    try:
        with contextlib.redirect_stdout(printed), deadline(seconds):
            return work()
    except (Exception, SystemExit) as error:
        return locate(error)


def deadline(seconds: float) -> contextlib.AbstractContextManager[None]:
    """Raise `TooSlow` inside the block when it takes longer.

    With POSIX signals on the main thread, else by tracing each line of Python. A single operation
    inside torch can be interrupted by neither; it is noticed when it returns.
    """
    on_main = threading.current_thread() is threading.main_thread()
    return _alarm(seconds) if on_main and hasattr(signal, "setitimer") else _tracing(seconds)


@contextlib.contextmanager
def _alarm(seconds: float) -> Generator[None]:
    armed = True

    def ring(*_: object) -> None:
        if armed:
            raise TooSlow

    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, RING_AGAIN)
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


@contextlib.contextmanager
def _tracing(seconds: float) -> Generator[None]:
    end = time.monotonic() + seconds

    def watch(frame: FrameType, event: str, argument: Any) -> Any:
        if time.monotonic() > end:
            raise TooSlow
        return watch

    tracer = sys.gettrace()
    sys.settrace(watch)
    try:
        yield
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
