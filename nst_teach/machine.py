"""The memory and the processors that this process may use.

A container on Binder or a JupyterHub shows the whole machine but may use only part of it. The
*control groups* of Linux set the limits; they exist in two versions with different files, and this
module reads both. psutil reports the whole machine, and joblib's `cpu_count` the limit of the
outermost group, whereas The Littlest JupyterHub places each student in a nested one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
KILOBYTE = 1024  # the unit of /proc

LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")  # version 2, version 1
USAGE_FILES = ("memory.current", "memory.usage_in_bytes")
CACHE_ENTRIES = ("inactive_file", "total_inactive_file")
QUOTA_FILE = "cpu.max"
FIRST_QUOTA_FILES = ("cpu.cfs_quota_us", "cpu.cfs_period_us")


@dataclass(frozen=True)
class Memory:
    """Bytes of the machine, bytes available on it, and the tightest limit (`None`: no limit)."""

    total: int
    available: int
    limit: int | None = None
    used: int = 0
    """Bytes used under this limit; by a container without file caches, which are soon released."""

    @property
    def free(self) -> int:
        """Bytes available to a new program."""
        if self.limit is None:
            return self.available
        return max(0, min(self.available, self.limit - self.used))


@dataclass(frozen=True)
class Processors:
    """Processors: of the machine, open to this process, and the quota of the container, if any."""

    total: int
    open: int
    quota: float | None = None

    @property
    def usable(self) -> float:
        """How many this process can really use; 0.5 means half of the time of one."""
        return float(self.open) if self.quota is None else min(float(self.open), self.quota)


def memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> Memory:
    """The memory of this machine, and the tightest limit: of a container or of this process."""
    machine = psutil.virtual_memory()
    total, available = machine.total, machine.available
    limits = [*_group_limits(proc, cgroups), *_process_limits()]
    real = [(limit, used) for limit, used in limits if limit < total]
    if not real:
        return Memory(total, available)
    limit, used = min(real, key=lambda pair: pair[0] - pair[1])
    return Memory(total, available, limit, used)


def _group_limits(proc: Path, cgroups: Path) -> Iterator[tuple[int, int]]:
    """Limit and use of each group around this process, in bytes."""
    for folder in _groups("memory", proc, cgroups):
        limit = _number(folder, LIMIT_FILES)
        if limit is not None:
            used = (_number(folder, USAGE_FILES) or 0) - _cache(folder)
            yield limit, max(0, used)


def _process_limits() -> Iterator[tuple[int, int]]:
    """Limit and use of the address space of this process, as `ulimit -v` sets it, in bytes."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield limit, psutil.Process().memory_info().vms


def processors(proc: Path = PROC, cgroups: Path = CGROUPS) -> Processors:
    """The processors of this machine, and how many of them this process may use."""
    total = os.cpu_count() or 1
    may = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    quotas = [_quota(folder) for folder in _groups("cpu", proc, cgroups)]
    return Processors(total, may, min((q for q in quotas if q is not None), default=None))


def peak_memory() -> int:
    """The peak memory of this process in bytes, or 0 if the system does not report it.

    On Linux, the peak of this program alone is read from /proc. The better known `ru_maxrss` also
    includes the program that started it.
    """
    status = _entries(PROC / "self" / "status")
    if "VmHWM" in status:
        return status["VmHWM"] * KILOBYTE
    try:
        import resource
    except ImportError:  # Windows, where psutil knows the peak
        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    unit = 1 if sys.platform == "darwin" else KILOBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _entries(path: Path) -> dict[str, int]:
    """Parse a file with lines such as `VmHWM:  1024 kB` or `inactive_file 4096`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    words = [line.replace(":", " ").split() for line in lines]
    return {word[0]: int(word[1]) for word in words if len(word) > 1 and word[1].isdigit()}


def _groups(controller: str, proc: Path, cgroups: Path) -> list[Path]:
    """The folders that may hold a limit: this process's group and all enclosing groups."""
    found: list[Path] = []
    for root, path in _memberships(controller, proc, cgroups):
        inner = root / path.lstrip("/")
        found += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(root)]
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def _memberships(controller: str, proc: Path, cgroups: Path) -> list[tuple[Path, str]]:
    """Root folder and path of this process's groups, from lines `4:memory:/a` and `0::/a`."""
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
    """The number in the first of these files that contains one (`max` is not a number)."""
    for name in names:
        try:
            return int((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    return None


def _cache(folder: Path) -> int:
    """Bytes of file caches, which are released as soon as the memory is needed."""
    entries = _entries(folder / "memory.stat")
    return next((entries[name] for name in reversed(CACHE_ENTRIES) if name in entries), 0)


def _quota(folder: Path) -> float | None:
    """The group's quota of processor time per period, in processors; `None` if unlimited."""
    try:
        quota, period = (folder / QUOTA_FILE).read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        numbers = [_number(folder, (name,)) for name in FIRST_QUOTA_FILES]
        quota, period = (str(number) for number in numbers)
    if not quota.isdigit() or not period.isdigit() or period == "0":
        return None
    return int(quota) / int(period)
