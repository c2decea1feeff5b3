"""`nst-teach doctor`: is this machine ready for the course, and how long will each page take here?

Each check examines one thing and returns a `Finding`: what was found and, if that is not enough,
what was expected and what to do. Teachers run it before the first lesson, on one machine of the
classroom or in the container that students will use.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from nst_teach import costs, machine, samples
from nst_teach.costs import Prediction, Probe, ProbeError
from nst_teach.networks import WEIGHTS_FOLDER, NetworkError, load_network
from nst_teach.options import Parser
from nst_teach.source import DISTRIBUTION, pip_install

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

OK, WARNING, PROBLEM = "ok", "warning", "problem"
OURS = ("nst_teach", "nst_teach_checks")  # the packages of the distribution
OLDEST_PYTHON = (3, 11)
NOTEBOOK_PACKAGES = {
    "ipykernel": "run the notebooks",
    "ipywidgets": "use the studio of chapter 7",
}
"""Packages that only the notebooks need, and their purpose. Everything else runs without them."""

OWN_SIDE, OWN_STEPS = 256, 150  # a typical first run with a photograph of one's own
PATIENCE = 15 * 60  # seconds; a page that takes longer is too slow for a lesson
WORTH_TELLING = 0.5  # seconds; pages that compute next to nothing are left out of the table
GIGABYTE, MEGABYTE, MINUTE = 1e9, 1e6, 60

PHOTO_ADVICE = "To repaint a photograph called doctor, write: nst-teach ./doctor STYLE -o OUT"

COLOURS = {
    OK: "32",
    WARNING: "33",
    PROBLEM: "31",
}  # green, yellow, red; the status is also written out


@dataclass(frozen=True)
class Finding:
    """The outcome of one check. `status` is "ok", "warning" (a part will not work) or "problem"."""

    name: str
    status: str
    found: str
    expected: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Report:
    """All findings and predictions."""

    findings: tuple[Finding, ...]
    probe: Probe | None = None
    predictions: tuple[Prediction, ...] = ()
    free: int = 0
    """Bytes of free memory at the time of the checks."""
    facts: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def status(self) -> str:
        """The worst status of all findings."""
        order = (OK, WARNING, PROBLEM)
        return max((f.status for f in self.findings), key=order.index, default=OK)


def check_python() -> Finding:
    """Python is new enough."""
    version = platform.python_version()
    if sys.version_info >= OLDEST_PYTHON:
        return Finding("Python", OK, version)
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Finding("Python", PROBLEM, version, f"{oldest} or newer",
                   "Install a newer Python and make the environment again.")  # fmt: skip


def check_packages() -> Finding:
    """Each package that `nst_teach` requires is installed, in a suitable version."""
    wanted = _requirements()
    faults = [fault for name, bound in wanted.items() if (fault := _fault(name, bound))]
    if not faults:
        return Finding("packages", OK, f"all {len(wanted)} that nst_teach requires")
    return Finding("packages", PROBLEM, "; ".join(faults), "what nst_teach requires",
                   f"Run: {pip_install('--upgrade')}")  # fmt: skip


def check_notebooks() -> Finding:
    """The packages that only the notebooks need are installed."""
    missing = {name: use for name, use in NOTEBOOK_PACKAGES.items() if not _version(name)}
    if not missing:
        return Finding("notebooks", OK, ", ".join(f"{n} {_version(n)}" for n in NOTEBOOK_PACKAGES))
    needs = "; ".join(f"{name} to {use}" for name, use in missing.items())
    return Finding("notebooks", WARNING, f"missing: {', '.join(missing)}", needs,
                   f"Run: pip install {' '.join(missing)}")  # fmt: skip


def check_torch() -> Finding:
    """torch and torchvision can be imported together, and an operation that needs both works."""
    versions = f"torch {_version('torch')}, torchvision {_version('torchvision')}"
    advice = "Install both in one command from one index: pip install torch torchvision"
    try:
        torch, ops = import_module("torch"), import_module("torchvision.ops")
        boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
        kept = ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist()
    except Exception as error:  # mismatched builds fail in many ways, on any of these lines
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Finding("torch", PROBLEM, f"{versions}: {reason}", "a matching pair", advice)
    if kept != [0]:
        return Finding("torch", PROBLEM, f"{versions}: a wrong result", "a matching pair", advice)
    return Finding("torch", OK, f"{versions} match")


def check_files() -> Finding:
    """The package's own files are unchanged since it was built."""
    packed = [file for file in metadata.files(DISTRIBUTION) or () if _has_sum(file)]
    broken = [str(file) for file in packed if not _is_whole(file)]
    if broken:
        return Finding("files", PROBLEM, f"changed or missing: {', '.join(broken)}",
                       "what was installed",
                       f"Run: {pip_install('--force-reinstall --no-deps')}")  # fmt: skip
    if not packed:
        return Finding("files", OK, "an editable install: its files are yours to change")
    return Finding("files", OK, f"{len(packed)} with the right checksum")


def check_network() -> Finding:
    """The bundled network loads, and has the size stated in its model card."""
    advice = "Install the package again: the files of its network are damaged."
    try:
        card = json.loads((WEIGHTS_FOLDER / "petite.json").read_text(encoding="utf-8"))
        expected, network = card["facts"], load_network("petite")
    except (NetworkError, OSError, ValueError) as error:
        return Finding("network", PROBLEM, str(error), "the bundled weights", advice)
    parameters = sum(p.numel() for p in network.parameters())
    if parameters != expected["parameters"]:
        return Finding("network", PROBLEM, f"{parameters:,} parameters",
                       f"{expected['parameters']:,}", advice)  # fmt: skip
    return Finding("network", OK, f"petite, {parameters:,} parameters")


def check_samples() -> Finding:
    """Every photograph and style picture of the course can be opened."""
    broken = [name for name in samples.names() if not _opens(name)]
    if not broken:
        return Finding("samples", OK, f"{len(samples.names())} pictures open")
    return Finding("samples", PROBLEM, f"cannot be opened: {', '.join(broken)}",
                   f"all {len(samples.names())} pictures of the course",
                   f"Run: {pip_install('--force-reinstall')}")  # fmt: skip


def check_memory() -> Finding:
    """There is enough free memory for every notebook, or at least for the probe."""
    state, table = machine.memory(), costs.table()
    largest = max((cost.peak for cost in table.notebooks), default=table.probe.peak)
    if state.free >= largest:
        return Finding("memory", OK, _memory_words(state))
    needed = f"{_size(largest)} for every notebook, {_size(table.probe.peak)} for the smallest run"
    advice = ("Close other programs and notebooks; in a container, raise its memory limit. "
              "With less memory, choose a smaller size= where a page allows it.")  # fmt: skip
    status = WARNING if state.free >= table.probe.peak else PROBLEM
    return Finding("memory", status, _memory_words(state), needed, advice)


def check_processors() -> Finding:
    """torch starts no more threads than there are processors."""
    state, torch = machine.processors(), import_module("torch")
    threads = torch.get_num_threads()
    words = f"{state.usable:g} of {state.total} usable, {_counted(threads, 'thread')}"
    most = max(1, round(state.usable))
    if threads <= most:
        return Finding("processors", OK, words)
    return Finding("processors", WARNING, words, f"at most {_counted(most, 'thread')}",
                   f"Set OMP_NUM_THREADS={most} in the environment of the kernels: too many "
                   "threads are slower than one.")  # fmt: skip


def check_gpu() -> Finding:
    """A GPU, if there is one. The course does not need one."""
    torch = import_module("torch")
    if torch.cuda.is_available():
        name, free = torch.cuda.get_device_name(), torch.cuda.mem_get_info()[0]
        return Finding("graphics", OK, f"{name}, {_size(free)} free: transfer(…, device='cuda')")
    if torch.backends.mps.is_available():
        return Finding("graphics", OK, "Apple: transfer(…, device='mps')")
    return Finding("graphics", OK, "no GPU that torch can use; none is needed")


CHECKS: tuple[Callable[[], Finding], ...] = (
    check_python,
    check_packages,
    check_notebooks,
    check_torch,
    check_files,
    check_network,
    check_samples,
    check_memory,
    check_processors,
    check_gpu,
)


def check_speed(probe: Probe) -> Finding:
    """No page of the course takes too long for a lesson."""
    words = f"{probe.steps} steps at {probe.side} px in {probe.seconds:.1f} s"
    slow = [p for p in costs.predictions(probe) if p.seconds > PATIENCE]
    if not slow:
        return Finding("speed", OK, words)
    names = ", ".join(_title(p.name) for p in slow)
    return Finding("speed", WARNING, words, f"under {PATIENCE // MINUTE} minutes for each page",
                   f"Too slow here: {names}. Run them before the lesson or with fewer steps, or "
                   "read them in the built book.")  # fmt: skip


def examine(timed: bool = True, tell: Callable[[Finding], object] | None = None) -> Report:
    """Run all checks, in order.

    Args:
        timed: also run the probe and predict from it; otherwise the checks take a second or two.
        tell: called with each `Finding` as soon as it is known.
    """
    tell = tell or (lambda finding: None)
    findings: list[Finding] = []
    for finding in _findings():
        findings.append(finding)
        tell(finding)
    report = Report(tuple(findings), free=machine.memory().free, facts=_facts())
    return _timed(report, tell) if timed and report.status != PROBLEM else report


def _findings() -> Iterator[Finding]:
    """One finding per check; a check that raises an exception is a finding, too."""
    for check in CHECKS:
        try:
            yield check()
        except Exception as error:  # the other checks still have to run
            name = check.__name__.removeprefix("check_")
            yield Finding(name, PROBLEM, f"{type(error).__name__}: {error}", "a check that runs",
                          "Solve the problems above first, then run this again.")  # fmt: skip


def _timed(report: Report, tell: Callable[[Finding], object]) -> Report:
    """The report, with the timed run and the predictions from it."""
    try:
        probe = costs.measure_apart()
    except ProbeError as error:
        reason, _, advice = str(error).partition(". ")
        finding = Finding("speed", PROBLEM, reason, "a run that ends", advice)
        tell(finding)
        return Report((*report.findings, finding), None, (), report.free, report.facts)
    finding = check_speed(probe)
    tell(finding)
    own = costs.predict_transfer(OWN_SIDE, OWN_STEPS)
    name = f"{OWN_SIDE} × {OWN_SIDE} px, {own.evaluations} evaluations"
    predicted = (*costs.predictions(probe), Prediction(name, own.seconds, own.peak))
    return Report((*report.findings, finding), probe, predicted, report.free, report.facts)


def _facts() -> dict[str, object]:
    """The machine and the versions that the numbers refer to."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "package": _version(DISTRIBUTION),
        "memory": asdict(machine.memory()),
        "processors": asdict(machine.processors()),
    }


def as_json(report: Report) -> str:
    """The report as JSON: `status`, `findings`, `probe`, `predictions`, `free`, `facts`."""
    fits = {p.name: p.bytes <= report.free for p in report.predictions}
    data: dict[str, Any] = {**asdict(report), "status": report.status}
    data["predictions"] = [p | {"fits": fits[p["name"]]} for p in data["predictions"]]
    return json.dumps(data, indent=2, ensure_ascii=False)


def as_lines(finding: Finding, colour: bool = False) -> list[str]:
    """A finding as text: what was found, and below it what was expected and what to do."""
    word = f"{finding.status:8}"
    if colour:
        word = f"\033[{COLOURS[finding.status]}m{word}\033[0m"
    lines = [f"  {word} {finding.name:11} {finding.found}"]
    if finding.expected:
        lines.append(f"{'expected:':>22}  {finding.expected}")
    if finding.advice:
        lines.append(f"{'what to do:':>22}  {finding.advice}")
    return lines


def prediction_lines(report: Report) -> list[str]:
    """The table of predictions, and the size of the largest image that fits into memory."""
    if report.probe is None:
        return []
    lines = ["", "On this machine, predicted:", f"  {'':36} {'time':>8} {'memory':>9}"]
    for predicted in report.predictions:
        if predicted.seconds < WORTH_TELLING:
            continue
        fits = "" if predicted.bytes <= report.free else "  more than is free"
        lines.append(
            f"  {_title(predicted.name):36} {_duration(predicted.seconds):>8} "
            f"{_size(predicted.bytes):>9}{fits}"
        )
    side = costs.predict_transfer(OWN_SIDE, OWN_STEPS).largest_side(report.free)
    return [*lines, f"The largest picture that fits has sides of about {side // 10 * 10} px."]


def verdict(report: Report) -> str:
    """The last line."""
    counts = {s: sum(f.status == s for f in report.findings) for s in (WARNING, PROBLEM)}
    if counts[PROBLEM]:
        return f"Not ready: {_counted(counts[PROBLEM], 'problem')} above."
    if counts[WARNING]:
        return f"Ready, with {_counted(counts[WARNING], 'warning')} above."
    return "Ready."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the doctor; the exit status is 1 when there is a problem, else 0."""
    options, rest = parser().parse_known_args(argv)
    if rest:
        parser().error(f"{rest[0]!r} was given; the doctor takes no pictures. {PHOTO_ADVICE}")
    if options.json:
        report = examine(timed=not options.quick)
        print(as_json(report))
        return int(report.status == PROBLEM)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(
        "nst-teach doctor: is this machine ready for the course? (The last check takes a moment.)\n"
    )
    report = examine(
        timed=not options.quick, tell=lambda f: print(*as_lines(f, colour), sep="\n", flush=True)
    )
    print(*prediction_lines(report), "", verdict(report), sep="\n")
    return int(report.status == PROBLEM)


def parser() -> argparse.ArgumentParser:
    """The options of `nst-teach doctor`."""
    p = Parser(
        prog="nst-teach doctor",
        description="Check this machine, time ten steps, and predict what each page takes here.",
        epilog=PHOTO_ADVICE,
    )
    p.add_argument("--json", action="store_true", help="print the report as JSON")
    p.add_argument("--quick", action="store_true", help="skip the timed run and the predictions")
    return p


def _requirements() -> dict[str, SpecifierSet]:
    """The name and version bounds of each package that nst_teach requires."""
    from packaging.requirements import Requirement

    wanted = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    return {r.name: r.specifier for r in wanted if not r.marker or r.marker.evaluate({"extra": ""})}


def _fault(name: str, bound: SpecifierSet) -> str:
    """What is wrong with a package; empty if nothing is."""
    version = _version(name)
    if not version:
        return f"{name} is missing"
    return "" if bound.contains(version, prereleases=True) else f"{name} {version}, needs {bound}"


def _version(name: str) -> str:
    """The installed version of a package; empty if it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _has_sum(file: metadata.PackagePath) -> bool:
    """Whether this is one of our files, and pip recorded its checksum."""
    return file.hash is not None and file.parts[0] in OURS


def _is_whole(file: metadata.PackagePath) -> bool:
    """Whether a file still has the checksum that pip recorded."""
    try:
        content = file.read_binary()
    except OSError:
        return False
    written = file.hash
    if written is None:
        return True
    digest = hashlib.new(written.mode, content).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") == written.value


def _opens(name: str) -> bool:
    try:
        samples.open_sample(name)
    except (OSError, SyntaxError, ImportError):  # Pillow raises SyntaxError for some broken files
        return False
    return True


def _memory_words(state: machine.Memory) -> str:
    words = f"{_size(state.free)} free of {_size(state.total)}"
    return words if state.limit is None else f"{words}; this container may use {_size(state.limit)}"


def _title(name: str) -> str:
    """`book/chapters/05_total_loss` → `05 total loss`."""
    return name.rpartition("/")[2].replace("_", " ")


def _size(count: float) -> str:
    return f"{count / GIGABYTE:.1f} GB" if count >= GIGABYTE else f"{count / MEGABYTE:.0f} MB"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < MINUTE else f"{seconds / MINUTE:.1f} min"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
