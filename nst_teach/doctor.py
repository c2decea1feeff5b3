"""`nst-teach doctor`: is this machine ready for the course, and how long will each page take here?

Each check looks at one thing and returns a `Finding`: what was found, and where that is not enough,
what was expected and what to do. A teacher runs it on one machine of the room, or in the container
that students will get, before the first lesson.
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
from nst_teach.source import DISTRIBUTION, pip_install

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

OK, WARNING, PROBLEM = "ok", "warning", "problem"
OURS = ("nst_teach", "nst_teach_checks")  # the packages in it
OLDEST_PYTHON = (3, 11)
NOTEBOOK_PACKAGES = {
    "ipykernel": "run the notebooks",
    "ipywidgets": "use the studio of chapter 7",
    "joblib": "run the sweep of chapter 8",
}
"""What the notebooks need beside the package, and what for. Without it the rest still runs."""

OWN_SIDE, OWN_EVALUATIONS = 256, 200  # a usual first picture of one's own
PATIENCE = 15 * 60  # seconds that a page may take before a lesson feels long
WORTH_TELLING = 0.5  # seconds: pages that compute next to nothing are left out of the table
GIGABYTE, MEGABYTE, MINUTE = 1e9, 1e6, 60

PHOTO_ADVICE = "To repaint a photograph called doctor, write: nst-teach ./doctor STYLE -o OUT"

COLOURS = {OK: "32", WARNING: "33", PROBLEM: "31"}  # green, yellow, red; the word says it too


@dataclass(frozen=True)
class Finding:
    """What one check saw. `status` is "ok", "warning" (a part will not work) or "problem"."""

    name: str
    status: str
    found: str
    expected: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Report:
    """Everything that the doctor has to say."""

    findings: tuple[Finding, ...]
    probe: Probe | None = None
    predictions: tuple[Prediction, ...] = ()
    free: int = 0
    """Bytes that a program could take when the checks were made."""
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
    """Each package that `nst_teach` requires is there, in a version that it can use."""
    wanted = _requirements()
    faults = [fault for name, bound in wanted.items() if (fault := _fault(name, bound))]
    if not faults:
        return Finding("packages", OK, f"all {len(wanted)} that nst_teach requires")
    return Finding("packages", PROBLEM, "; ".join(faults), "what nst_teach requires",
                   f"Run: {pip_install('--upgrade')}")  # fmt: skip


def check_notebooks() -> Finding:
    """What the notebooks need beside the package is there."""
    missing = {name: use for name, use in NOTEBOOK_PACKAGES.items() if not _version(name)}
    if not missing:
        return Finding("notebooks", OK, ", ".join(f"{n} {_version(n)}" for n in NOTEBOOK_PACKAGES))
    needs = "; ".join(f"{name} to {use}" for name, use in missing.items())
    return Finding("notebooks", WARNING, f"missing: {', '.join(missing)}", needs,
                   f"Run: pip install {' '.join(missing)}")  # fmt: skip


def check_torch() -> Finding:
    """torch and torchvision load together and compute something that only both can."""
    versions = f"torch {_version('torch')}, torchvision {_version('torchvision')}"
    advice = "Install both in one command from one index: pip install torch torchvision"
    try:
        torch, ops = import_module("torch"), import_module("torchvision.ops")
        boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
        kept = ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist()
    except Exception as error:  # builds that do not fit fail in many ways, at any of these lines
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Finding("torch", PROBLEM, f"{versions}: {reason}", "a pair that fits", advice)
    if kept != [0]:
        return Finding("torch", PROBLEM, f"{versions}: a wrong result", "a pair that fits", advice)
    return Finding("torch", OK, f"{versions} fit together")


def check_files() -> Finding:
    """The package's own files are as they were when it was packed."""
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
    """The bundled network loads, and is the size that its model card states."""
    advice = "Install the package again: the files of its network came damaged."
    try:
        card = json.loads((WEIGHTS_FOLDER / "petite.json").read_text(encoding="utf-8"))
        expected, network = card["facts"], load_network("petite")
    except (NetworkError, OSError, ValueError) as error:
        return Finding("network", PROBLEM, str(error), "the weights that come along", advice)
    parameters = sum(p.numel() for p in network.parameters())
    if parameters != expected["parameters"]:
        return Finding("network", PROBLEM, f"{parameters:,} parameters",
                       f"{expected['parameters']:,}", advice)  # fmt: skip
    return Finding("network", OK, f"petite, {parameters:,} parameters")


def check_samples() -> Finding:
    """Every photograph and style picture of the course opens."""
    broken = [name for name in samples.names() if not _opens(name)]
    if not broken:
        return Finding("samples", OK, f"{len(samples.names())} pictures open")
    return Finding("samples", PROBLEM, f"cannot be opened: {', '.join(broken)}",
                   f"all {len(samples.names())} pictures of the course",
                   f"Run: {pip_install('--force-reinstall')}")  # fmt: skip


def check_memory() -> Finding:
    """The memory that is free suffices for every notebook, or at least for the probe."""
    state, table = machine.memory(), costs.table()
    largest = max((cost.peak for cost in table.notebooks), default=table.probe.peak)
    if state.free >= largest:
        return Finding("memory", OK, _memory_words(state))
    needed = f"{_size(largest)} for every notebook, {_size(table.probe.peak)} for the smallest run"
    advice = ("Close other programs and notebooks; in a container, raise its memory limit. "
              "With less, choose a smaller size= where a page lets you.")  # fmt: skip
    status = WARNING if state.free >= table.probe.peak else PROBLEM
    return Finding("memory", status, _memory_words(state), needed, advice)


def check_processors() -> Finding:
    """torch starts no more threads than there are processors to run them."""
    state, torch = machine.processors(), import_module("torch")
    threads = torch.get_num_threads()
    words = f"{state.usable:g} of {state.total} usable, {_counted(threads, 'thread')}"
    most = max(1, round(state.usable))
    if threads <= most:
        return Finding("processors", OK, words)
    return Finding("processors", WARNING, words, f"at most {_counted(most, 'thread')}",
                   f"Set OMP_NUM_THREADS={most} where kernels start: threads that wait for each "
                   "other are slower than one.")  # fmt: skip


def check_gpu() -> Finding:
    """A graphics card, if there is one. The course needs none."""
    torch = import_module("torch")
    if torch.cuda.is_available():
        name, free = torch.cuda.get_device_name(), torch.cuda.mem_get_info()[0]
        return Finding("graphics", OK, f"{name}, {_size(free)} free: transfer(…, device='cuda')")
    if torch.backends.mps.is_available():
        return Finding("graphics", OK, "Apple: transfer(…, device='mps')")
    return Finding("graphics", OK, "no card that torch can use; none is needed")


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
    """No page of the course takes longer than a lesson can wait."""
    words = f"{probe.steps} steps at {probe.side} px in {probe.seconds:.1f} s"
    slow = [p for p in costs.predictions(probe) if p.seconds > PATIENCE]
    if not slow:
        return Finding("speed", OK, words)
    names = ", ".join(_title(p.name) for p in slow)
    return Finding("speed", WARNING, words, f"under {PATIENCE // MINUTE} minutes for each page",
                   f"Too slow here: {names}. Run them before the lesson, with fewer steps, or read "
                   "them in the built book.")  # fmt: skip


def examine(timed: bool = True, tell: Callable[[Finding], object] | None = None) -> Report:
    """Make all checks, in order; `tell` hears of each as it is done.

    Args:
        timed: run the probe too, and predict from it; without it the checks take a second or two.
        tell: called with each `Finding`.
    """
    tell = tell or (lambda finding: None)
    findings: list[Finding] = []
    for finding in _findings():
        findings.append(finding)
        tell(finding)
    report = Report(tuple(findings), free=machine.memory().free, facts=_facts())
    return _timed(report, tell) if timed and report.status != PROBLEM else report


def _findings() -> Iterator[Finding]:
    """One finding for each check; a check that breaks is a finding, too."""
    for check in CHECKS:
        try:
            yield check()
        except Exception as error:  # whatever is broken here, the other checks shall be made
            name = check.__name__.removeprefix("check_")
            yield Finding(name, PROBLEM, f"{type(error).__name__}: {error}", "a check that runs",
                          "Mend the problems above first, then run this again.")  # fmt: skip


def _timed(report: Report, tell: Callable[[Finding], object]) -> Report:
    """The report with a measured run and what follows from it."""
    try:
        probe = costs.measure_apart()
    except ProbeError as error:
        reason, _, advice = str(error).partition(". ")
        finding = Finding("speed", PROBLEM, reason, "a run that ends", advice)
        tell(finding)
        return Report((*report.findings, finding), None, (), report.free, report.facts)
    finding = check_speed(probe)
    tell(finding)
    own = costs.predict_run(OWN_SIDE, OWN_EVALUATIONS, probe)
    predicted = (*costs.predictions(probe), own)
    return Report((*report.findings, finding), probe, predicted, report.free, report.facts)


def _facts() -> dict[str, object]:
    """What the numbers belong to."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "package": _version(DISTRIBUTION),
        "memory": asdict(machine.memory()),
        "processors": asdict(machine.processors()),
    }


def as_json(report: Report) -> str:
    """The report for a program: `status`, `findings`, `probe`, `predictions`, `free`, `facts`."""
    fits = {p.name: p.bytes <= report.free for p in report.predictions}
    data: dict[str, Any] = {**asdict(report), "status": report.status}
    data["predictions"] = [p | {"fits": fits[p["name"]]} for p in data["predictions"]]
    return json.dumps(data, indent=2, ensure_ascii=False)


def as_lines(finding: Finding, colour: bool = False) -> list[str]:
    """A finding for people: what was found, and below it what was expected and what to do."""
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
    """The table of predictions, and the largest picture that fits."""
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
    side = costs.largest_side(report.free, report.probe)
    return [*lines, f"The largest picture that fits has about {side // 10 * 10} px a side."]


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
        parser().error(f"{rest[0]!r} was given; it takes no pictures. {PHOTO_ADVICE}")
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
    p = argparse.ArgumentParser(
        prog="nst-teach doctor",
        description="Check this machine, time ten steps, and predict what each page takes here.",
        epilog=PHOTO_ADVICE,
    )
    p.add_argument("--json", action="store_true", help="for a program to read")
    p.add_argument("--quick", action="store_true", help="no timed run and no predictions")
    return p


def _requirements() -> dict[str, SpecifierSet]:
    """Name and version bounds of each package that nst_teach cannot do without."""
    from packaging.requirements import Requirement

    wanted = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    return {r.name: r.specifier for r in wanted if not r.marker or r.marker.evaluate({"extra": ""})}


def _fault(name: str, bound: SpecifierSet) -> str:
    """What is wrong with a package, or nothing."""
    version = _version(name)
    if not version:
        return f"{name} is missing"
    return "" if bound.contains(version, prereleases=True) else f"{name} {version}, needs {bound}"


def _version(name: str) -> str:
    """The installed version of a package; empty where it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _has_sum(file: metadata.PackagePath) -> bool:
    """Whether pip wrote down the checksum of this file of ours."""
    return file.hash is not None and file.parts[0] in OURS


def _is_whole(file: metadata.PackagePath) -> bool:
    """Whether a file still has the checksum that pip wrote down."""
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
