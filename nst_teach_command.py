"""The program `nst-teach`: it runs `nst_teach.cli`, and handles Ctrl-C even while that is loading.

It lives outside the package because importing any part of the package imports torch, which takes
several seconds, during which a user may press Ctrl-C. And it knows the subcommand `class`, which
belongs to the checks of the exercises: the core must not import them.
"""

from __future__ import annotations

import atexit
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

EXIT_UNHEARD = 2  # what was to be printed could not be
EXIT_INTERRUPTED = 130  # the shell's convention: 128 + the number of the signal
EXIT_PIPE_CLOSED = 141
CLASS = "class"  # the subcommand that says what a class has learned


def main() -> int:
    """Run the command line; returns the exit status."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a console may have no α: better a ? than an end
            stream.reconfigure(errors="replace")
    try:
        run = _loaded()
        try:
            return run()
        finally:
            _flush()  # here, so that a closed pipe is caught below
    except KeyboardInterrupt:
        print("nst-teach: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # as in `nst-teach --help | head -1`
        _forget_the_rest()
        return EXIT_PIPE_CLOSED


def _open_what_is_closed() -> None:
    """`nst-teach … >&-` closes stdout: the next file, such as the picture, would take its place."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:  # the lowest free number
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:  # such as a full disk
        _forget_the_rest()
        print(f"nst-teach: cannot write to stdout: {error.strerror}", file=sys.stderr)
        raise SystemExit(EXIT_UNHEARD) from error


def _forget_the_rest() -> None:
    """Python flushes stdout once more when it ends, which must not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _loaded() -> Callable[[], int]:
    """The command, imported.

    Ctrl-C meanwhile ends the program at once. Imported C++ would turn an exception into one of its
    own, such as an ImportError; and at the end of Python it would be printed with a traceback.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, by nohup
        return _command()
    signal.signal(signal.SIGINT, _leave)
    try:
        return _command()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"nst-teach: interrupted\n")
    os._exit(EXIT_INTERRUPTED)


def _command() -> Callable[[], int]:
    """What the command line asks for; it takes its words from `sys.argv`."""
    if sys.argv[1:2] == [CLASS]:
        from nst_teach_checks.class_results import command

        return lambda: command.main(sys.argv[2:])
    from nst_teach import cli

    return cli.main


if __name__ == "__main__":
    sys.exit(main())
