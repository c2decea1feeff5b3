"""The program `nst-teach`: `nst_teach.cli`, and one line in place of a traceback while it loads.

It stands outside the package because importing anything of the package imports torch, which takes
seconds in which people press Ctrl-C.
"""

from __future__ import annotations

import os
import sys

EXIT_INTERRUPTED = 130  # the shell's conventions: 128 and the number of the signal
EXIT_PIPE_CLOSED = 141


def main() -> int:
    """Run the command line; returns the exit status."""
    try:
        from nst_teach import cli

        try:
            return cli.main()
        finally:
            sys.stdout.flush()  # here, where a closed pipe can still be caught
    except KeyboardInterrupt:
        print("nst-teach: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `nst-teach --help | head -1`: nobody wants the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED


if __name__ == "__main__":
    sys.exit(main())
