"""What this machine has: memory and processors, as far as this process may use them.

A container on Binder or a JupyterHub shows the whole machine and lets you use a part of it. How
large a part is written in the *control groups* of Linux. They come in two generations, which keep
it in different files; both are read here. psutil tells of the machine only, and joblib's
`cpu_count` of the outermost group: The Littlest JupyterHub puts each student into an inner one.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
KILOBYTE = 1024  # in which /proc counts

LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")  # second generation, first generation
USAGE_FILES = ("memory.current", "memory.usage_in_bytes")
CACHE_ENTRIES = ("inactive_file", "total_inactive_file")
QUOTA_FILE = "cpu.max"
FIRST_QUOTA_FILES = ("cpu.cfs_quota_us", "cpu.cfs_period_us")


@dataclass(frozen=True)
class Memory:
    """Bytes: of the machine, free on it, and what a container may use (`None`: no limit)."""

    total: int
    available: int
    limit: int | None = None
    used: int = 0
    """What the container uses of its limit, without what can be given back at once."""

    @property
    def free(self) -> int:
        """What a new program could take."""
        if self.limit is None:
            return self.available
        return max(0, min(self.available, self.limit - self.used))


@dataclass(frozen=True)
class Processors:
    """Processors: of the machine, open to this process, and the time that a container may use."""

    total: int
    open: int
    quota: float | None = None

    @property
    def usable(self) -> float:
        """How many can really work for this process; 0.5 is half of one's time."""
        return float(self.open) if self.quota is None else min(float(self.open), self.quota)


def memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> Memory:
    """The memory of this machine and of the container around this process, if there is one."""
    machine = psutil.virtual_memory()
    total, available = machine.total, machine.available
    limits = {folder: _number(folder, LIMIT_FILES) for folder in _groups("memory", proc, cgroups)}
    real = {folder: n for folder, n in limits.items() if n is not None and n < total}
    if not real:
        return Memory(total, available)
    folder, limit = min(real.items(), key=lambda item: item[1])
    used = (_number(folder, USAGE_FILES) or 0) - _cache(folder)
    return Memory(total, available, limit, max(0, used))


def processors(proc: Path = PROC, cgroups: Path = CGROUPS) -> Processors:
    """The processors of this machine, and how many of them this process may keep busy."""
    total = os.cpu_count() or 1
    may = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    quotas = [_quota(folder) for folder in _groups("cpu", proc, cgroups)]
    return Processors(total, may, min((q for q in quotas if q is not None), default=None))


def peak_memory() -> int:
    """The most bytes that this process ever held, or 0 where the system does not tell.

    Linux is asked for the mark of this program. The better known `ru_maxrss` also remembers the
    program that started it.
    """
    status = _entries(PROC / "self" / "status")
    if "VmHWM" in status:
        return status["VmHWM"] * KILOBYTE
    try:
        import resource
    except ImportError:  # Windows has none
        return 0
    unit = 1 if sys.platform == "darwin" else KILOBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _entries(path: Path) -> dict[str, int]:
    """The numbers of a file with lines such as `VmHWM:  1024 kB` or `inactive_file 4096`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    words = [line.replace(":", " ").split() for line in lines]
    return {word[0]: int(word[1]) for word in words if len(word) > 1 and word[1].isdigit()}


def _groups(controller: str, proc: Path, cgroups: Path) -> list[Path]:
    """The folders that may hold a limit: this process's group and every group around it."""
    found: list[Path] = []
    for root, path in _memberships(controller, proc, cgroups):
        inner = root / path.lstrip("/")
        found += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(root)]
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def _memberships(controller: str, proc: Path, cgroups: Path) -> list[tuple[Path, str]]:
    """Root folder and path of the groups that this process is in: `4:memory:/a` and `0::/a`."""
    try:
        lines = (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found: list[tuple[Path, str]] = []
    for line in lines:
        _, names, path = line.split(":", 2)
        if not names:
            found.append((cgroups, path))
        elif controller in names.split(","):
            found += [(cgroups / folder, path) for folder in dict.fromkeys((controller, names))]
    return found


def _number(folder: Path, names: tuple[str, ...]) -> int | None:
    """The number in the first of these files that holds one; `max` is none."""
    for name in names:
        try:
            return int((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    return None


def _cache(folder: Path) -> int:
    """Bytes of files that are kept in memory only until somebody needs the room."""
    entries = _entries(folder / "memory.stat")
    return next((entries[name] for name in reversed(CACHE_ENTRIES) if name in entries), 0)


def _quota(folder: Path) -> float | None:
    """Processors' time that a group may use; both generations give a quota for each period."""
    try:
        quota, period = (folder / QUOTA_FILE).read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        numbers = [_number(folder, (name,)) for name in FIRST_QUOTA_FILES]
        quota, period = (str(number) for number in numbers)
    if not quota.isdigit() or not period.isdigit() or period == "0":
        return None
    return int(quota) / int(period)
