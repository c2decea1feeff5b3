"""Marks for tests that need what only some systems have."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

needs_posix = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="Windows has no forks, signals, pipes and modes like these"
)
needs_alarm = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="Windows has no alarm that interrupts Python"
)
needs_proc = pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux has /proc")
needs_links = pytest.mark.skipif(
    os.name == "nt", reason="Windows lets only some users make symbolic links"
)
