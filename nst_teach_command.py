"""The program `nst-teach`: it runs `nst_teach.cli`, and handles Ctrl-C even while that is loading.

It lives outside the package because importing any part of the package imports torch, which takes
several seconds, during which a user may press Ctrl-C. And it knows the subcommand `class`, which
belongs to the checks of the exercises: the core must not import them.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

EXIT_INTERRUPTED = 130  # the shell's convention: 128 + the number of the signal
EXIT_PIPE_CLOSED = 141
CLASS = "class"  # the subcommand that says what a class has learned


def main() -> int:
    """Run the command line; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a console may have no α: better a ? than an end
            stream.reconfigure(errors="replace")
    try:
        run = _command()
        try:
            return run()
        finally:
            sys.stdout.flush()  # here, so that a closed pipe is caught below
    except KeyboardInterrupt:
        print("nst-teach: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # as in `nst-teach --help | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED


def _command() -> Callable[[], int]:
    """What the command line asks for; it takes its words from `sys.argv`."""
    if sys.argv[1:2] == [CLASS]:
        from nst_teach_checks.class_results import command

        return lambda: command.main(sys.argv[2:])
    from nst_teach import cli

    return cli.main


if __name__ == "__main__":
    sys.exit(main())
