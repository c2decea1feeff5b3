"""The machine that numbers belong to, and whether anything else used it meanwhile."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import torch

ROOT = Path(__file__).resolve().parents[1]
NOTICEABLE = 0.10  # of a core; another process that used more than that disturbs the measurement
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")


def machine() -> dict[str, object]:
    """Processor, memory, versions and threads."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    entries = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    found = {key.strip(): value.strip() for key, value in entries.items()}
    flags = f"{found.get('flags', '')} {found.get('Features', '')}".split()
    return {
        "processor": found.get("model name") or platform.processor() or platform.machine(),
        "instructions": [name for name in INSTRUCTIONS if name in flags],
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gigabytes": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": _commit(),
    }


def now() -> str:
    """The date and time in UTC, to the minute."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


class Watcher:
    """What else ran while the block ran.

    Attributes:
        others: cores used by the busiest process that is not one of ours.
        load: the load average of the last minute, at the beginning.
        stolen: the fraction of time that a virtual machine had to wait for its processors.
    """

    def __enter__(self) -> Watcher:
        self.load = round(psutil.getloadavg()[0], 2)
        self._before, self._times, self._started = _used(), psutil.cpu_times(), time.monotonic()
        self.others = self.stolen = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        seconds = max(time.monotonic() - self._started, 1e-6)
        used = _used()
        shares = [(used[key] - self._before.get(key, 0.0)) / seconds for key in used]
        self.others = round(max(shares, default=0.0), 3)
        after = psutil.cpu_times()
        all_of_it = sum(after) - sum(self._times)
        stolen = getattr(after, "steal", 0.0) - getattr(self._times, "steal", 0.0)
        self.stolen = round(stolen / all_of_it, 3) if all_of_it else 0.0

    def record(self) -> dict[str, object]:
        """For the file of results."""
        quiet = self.others <= NOTICEABLE
        return {"quiet": quiet, "others": self.others, "load": self.load, "stolen": self.stolen}


def _used() -> dict[tuple[int, float], float]:
    """Processor seconds of every process that is neither this one, its parents nor its children."""
    here = psutil.Process()
    own = {p.pid for p in (here, *here.parents(), *here.children(recursive=True))}
    used: dict[tuple[int, float], float] = {}
    for process in psutil.process_iter():
        if process.pid not in own:
            try:
                times = process.cpu_times()
                used[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:  # it has ended, or is not ours to look at
                continue
    return used


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
