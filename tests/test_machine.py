"""What a process may use, read from pretended machines and containers of both generations."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from systems import needs_posix

from nst_teach import machine

GIB = 1024**3
TOTAL, AVAILABLE = 8 * GIB, 6 * GIB


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """A machine with 8 GiB, of which 6 are available; what it writes of its processes is empty."""
    state = SimpleNamespace(total=TOTAL, available=AVAILABLE)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: state)
    return tmp_path / "proc"


@pytest.fixture
def cgroups(tmp_path):
    return tmp_path / "cgroup"


def member(proc: Path, *lines: str) -> None:
    """This process's groups, as /proc/self/cgroup lists them."""
    write(proc / "self" / "cgroup", "\n".join(lines))


def test_a_machine_without_groups_is_all_yours(proc, cgroups):
    state = machine.memory(proc, cgroups)
    assert (state.total, state.available, state.limit) == (TOTAL, AVAILABLE, None)
    assert state.free == AVAILABLE


@pytest.mark.parametrize(
    ("lines", "folder", "names"),
    [
        (["0::/pod/me"], "pod/me", ("memory.max", "memory.current", "inactive_file")),
        (
            ["7:cpu,cpuacct:/pod/me", "4:memory:/pod/me"],
            "memory/pod/me",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ],
    ids=["second generation", "first generation"],
)
def test_a_container_s_limit_counts(proc, cgroups, lines, folder, names):
    limit, usage, cache = names
    member(proc, *lines)
    write(cgroups / folder / limit, 2 * GIB)
    write(cgroups / folder / usage, GIB)
    write(cgroups / folder / "memory.stat", f"anon 5\n{cache} {GIB // 4}")
    state = machine.memory(proc, cgroups)
    assert state.limit == 2 * GIB
    assert state.used == GIB * 3 // 4  # what the file cache holds can be given back
    assert state.free == 2 * GIB - state.used


def test_the_tightest_group_around_the_process_counts(proc, cgroups):
    member(proc, "0::/pod/me")
    write(cgroups / "pod" / "me" / "memory.max", "max")
    write(cgroups / "pod" / "memory.max", 3 * GIB)
    write(cgroups / "memory.max", 4 * GIB)
    assert machine.memory(proc, cgroups).limit == 3 * GIB


def test_a_path_that_only_the_host_knows_falls_back_to_the_mount(proc, cgroups):
    """The first generation shows a container the host's path, but mounts its own folder."""
    member(proc, "4:memory:/docker/0123456789")
    write(cgroups / "memory" / "memory.limit_in_bytes", GIB)
    assert machine.memory(proc, cgroups).limit == GIB


@needs_posix
def test_a_limit_of_the_process_counts(proc, cgroups, monkeypatch):
    """As `ulimit -v` sets it: of the addresses, of which torch's libraries already take some."""
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda which: (4 * GIB, resource.RLIM_INFINITY))
    used = SimpleNamespace(memory_info=lambda: SimpleNamespace(vms=3 * GIB))
    monkeypatch.setattr(psutil, "Process", lambda: used)
    state = machine.memory(proc, cgroups)
    assert (state.limit, state.free) == (4 * GIB, GIB)


def test_the_limit_with_the_least_room_counts(proc, cgroups):
    """An enclosing group may be nearly full although its own limit is higher."""
    member(proc, "0::/pod/me")
    for name, limit, used in (("pod", 4 * GIB, 4 * GIB - 100), ("pod/me", 2 * GIB, GIB)):
        write(cgroups / name / "memory.max", limit)
        write(cgroups / name / "memory.current", used)
    assert machine.memory(proc, cgroups).free == 100


@pytest.mark.parametrize("unlimited", ["max", 2**63 - 4096, TOTAL])
def test_a_limit_beyond_the_machine_is_none(proc, cgroups, unlimited):
    member(proc, "0::/")
    write(cgroups / "memory.max", unlimited)
    assert machine.memory(proc, cgroups).limit is None


def test_never_less_than_nothing_is_free():
    assert machine.Memory(TOTAL, AVAILABLE, limit=GIB, used=2 * GIB).free == 0


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "50000 100000"}, 0.5),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000"}, 1.5),
        ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_processors_time_of_a_container(proc, cgroups, files, quota):
    member(proc, "0::/me")
    (cgroups / "me").mkdir(parents=True)
    for name, text in files.items():
        write(cgroups / "me" / name, text)
    state = machine.processors(proc, cgroups)
    assert state.quota == quota
    assert state.usable == (state.open if quota is None else min(state.open, quota))


def test_no_more_processors_are_open_than_there_are():
    state = machine.processors()
    assert 1 <= state.open <= state.total == os.cpu_count()


def test_peak_memory_grows_by_what_is_held():
    """In a fresh process: the mark never falls, so this one may have a high one already."""
    code = (
        "from nst_teach import machine; before = machine.peak_memory();"
        "held = bytearray(100_000_000); print(machine.peak_memory() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 90e6 < int(done.stdout) < 120e6
