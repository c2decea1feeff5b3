"""The doctor: every check sees the fault that it is for, and says what to do about it."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from importlib import metadata
from pathlib import Path

import pytest
import torch
from conftest import ROOT

from nst_teach import Estimate, cli, costs, doctor, machine, networks, samples
from nst_teach.costs import Cost, Probe, ProbeError

GB = 10**9
PROBE = Probe(seconds=2.0, peak=700_000_000)


def assert_helpful(finding, status, *words):
    """A finding that is not "ok" says what was found, what was expected, and what to do."""
    assert finding.status == status
    assert finding.found
    assert finding.expected
    assert finding.advice
    text = " ".join(doctor.as_lines(finding))
    assert all(word in text for word in words), text


@pytest.fixture
def without(monkeypatch):
    """Pretends that a package is missing, or has another version."""
    real = metadata.version

    def pretend(name: str, version: str = ""):
        def answer(asked):
            if asked == name and not version:
                raise metadata.PackageNotFoundError(name)
            return version if asked == name else real(asked)

        monkeypatch.setattr(metadata, "version", answer)

    return pretend


@pytest.fixture
def quick(monkeypatch):
    """The probe without its seconds of work."""
    monkeypatch.setattr(costs, "measure_apart", lambda: PROBE)
    own = Estimate(9.0, 800_000_000, 156, (256, 256), 10**12, 100_000_000, "petite")
    monkeypatch.setattr(costs, "predict_transfer", lambda side, steps: own)


# --- a sound machine, and each fault -------------------------------------------------------------


@pytest.mark.parametrize("check", doctor.CHECKS, ids=lambda check: check.__name__)
def test_this_machine_passes(check):
    finding = check()
    assert finding.status != doctor.PROBLEM, finding
    assert finding.found


def test_old_python_is_seen(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    assert_helpful(doctor.check_python(), "problem", "3.11 or newer")


@pytest.mark.parametrize(("version", "words"), [("", "missing"), ("0.1", "tqdm 0.1, needs >=")])
def test_a_missing_or_old_package_is_seen(without, version, words):
    without("tqdm", version)
    assert_helpful(doctor.check_packages(), "problem", words, "pip install")


def test_a_prerelease_of_torch_counts(without):
    without("torch", "9.0.0.dev20990101")
    assert doctor.check_packages().status == "ok"


def test_what_only_a_chapter_needs_is_a_warning(without):
    without("ipywidgets")
    assert_helpful(doctor.check_notebooks(), "warning", "chapter 7", "pip install ipywidgets")


def test_torchvision_of_another_build_is_seen(monkeypatch):
    def refuse(name):
        if name == "torchvision.ops":
            raise RuntimeError("operator torchvision::nms does not exist\nmore lines")
        return __import__(name)

    monkeypatch.setattr(doctor, "import_module", refuse)
    finding = doctor.check_torch()
    assert_helpful(finding, "problem", "nms does not exist", "one index")
    assert "more lines" not in finding.found


def packed(tmp_path, content: bytes) -> metadata.PackagePath:
    """A file of an installed package, with the checksum that pip wrote down for `b"right"`."""
    digest = urlsafe_b64encode(hashlib.sha256(b"right").digest()).decode().rstrip("=")
    file = metadata.PackagePath("nst_teach/weights/petite.safetensors")
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_bytes(content)
    file.hash = metadata.FileHash(f"sha256={digest}")
    file.dist = type("Installed", (), {"locate_file": lambda self, path: tmp_path / path})()
    return file


@pytest.mark.parametrize(("content", "status"), [(b"right", "ok"), (b"wrong", "problem")])
def test_a_changed_file_is_seen(tmp_path, monkeypatch, content, status):
    file = packed(tmp_path, content)
    monkeypatch.setattr(metadata, "files", lambda name: [file])
    finding = doctor.check_files()
    assert finding.status == status
    assert ("petite.safetensors" in finding.found) == (status == "problem")


def test_a_removed_file_is_seen(tmp_path, monkeypatch):
    file = packed(tmp_path, b"right")
    (tmp_path / file).unlink()
    monkeypatch.setattr(metadata, "files", lambda name: [file])
    assert_helpful(doctor.check_files(), "problem", "petite.safetensors")


def test_damaged_weights_are_seen(tmp_path, monkeypatch):
    damaged = tmp_path / "petite.safetensors"
    damaged.write_bytes((networks.WEIGHTS_FOLDER / damaged.name).read_bytes()[:1000])
    monkeypatch.setattr(networks, "WEIGHTS_FOLDER", tmp_path)
    assert_helpful(doctor.check_network(), "problem", "cannot be read")


def test_a_damaged_card_of_the_network_is_seen(tmp_path, monkeypatch):
    (tmp_path / "petite.json").write_text('{"facts": ')
    monkeypatch.setattr(doctor, "WEIGHTS_FOLDER", tmp_path)
    assert_helpful(doctor.check_network(), "problem", "Expecting value", "Install the package")


@pytest.mark.parametrize("fault", ["raise ImportError('no file')", "raise OSError('no file')"])
def test_without_torch_one_line_says_how_to_get_it(tmp_path, fault):
    """Nothing of the package loads then, the doctor included; so the package itself must say it."""
    (tmp_path / "torch.py").write_text(fault)
    done = subprocess.run(
        [sys.executable, "-m", "nst_teach.cli", "doctor"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: torch cannot be loaded (no file)")
    assert "pip install torch torchvision" in last


def test_weights_of_another_network_are_seen(monkeypatch):
    small = networks.build_vgg("petite", ((4,), (4,)), "average")
    monkeypatch.setattr(doctor, "load_network", lambda name: small)
    count = sum(p.numel() for p in small.parameters())
    assert_helpful(doctor.check_network(), "problem", f"{count:,} parameters")


def test_a_missing_photograph_is_seen(monkeypatch):
    broken = samples.Sample("chelsea", "photo", "gone.png", "", "", "", "")
    real = samples.get
    monkeypatch.setattr(samples, "get", lambda name: broken if name == "chelsea" else real(name))
    assert_helpful(doctor.check_samples(), "problem", "chelsea")


@pytest.mark.parametrize(
    ("free", "status"), [(100 * GB, "ok"), (GB, "warning"), (GB // 10, "problem")]
)
def test_little_memory_is_seen(monkeypatch, free, status):
    table = costs.Table("", PROBE, 2000.0, (Cost("a", 1.0, 2 * GB, 1, 1.0),))
    monkeypatch.setattr(costs, "table", lambda: table)
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(200 * GB, free))
    finding = doctor.check_memory()
    if status == "ok":
        assert finding.status == "ok"
    else:
        assert_helpful(finding, status, "2.0 GB", "700 MB")


def test_a_container_s_limit_is_named(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(64 * GB, 60 * GB, 2 * GB, GB))
    assert "container may use 2.0 GB" in doctor.check_memory().found


def test_more_threads_than_processors_are_seen(monkeypatch):
    monkeypatch.setattr(machine, "processors", lambda: machine.Processors(64, 64, quota=1.0))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert_helpful(doctor.check_processors(), "warning", "1 of 64 usable", "OMP_NUM_THREADS=1")


def test_half_a_processor_may_have_one_thread(monkeypatch):
    monkeypatch.setattr(machine, "processors", lambda: machine.Processors(64, 64, quota=0.5))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert doctor.check_processors().status == "ok"


def test_a_slow_machine_is_seen(monkeypatch):
    table = costs.Table("", PROBE, 2000.0, (Cost("book/chapters/05_x", 100.0, GB, 1, 1.0),))
    monkeypatch.setattr(costs, "table", lambda: table)
    assert doctor.check_speed(Probe(1.0, GB)).status == "ok"
    assert_helpful(doctor.check_speed(Probe(100.0, GB)), "warning", "05 x", "before the lesson")


# --- the report ----------------------------------------------------------------------------------


def test_a_check_that_breaks_does_not_end_the_others(monkeypatch):
    def check_broken():
        raise ZeroDivisionError("no such thing")

    monkeypatch.setattr(doctor, "CHECKS", (check_broken, doctor.check_python))
    report = doctor.examine(timed=False)
    assert [f.status for f in report.findings] == ["problem", "ok"]
    assert_helpful(report.findings[0], "problem", "ZeroDivisionError")


def test_the_report_is_as_bad_as_its_worst_finding():
    made = [doctor.Finding("x", status, "") for status in ("ok", "problem", "warning")]
    assert doctor.Report(tuple(made)).status == "problem"
    assert doctor.Report((made[0], made[2])).status == "warning"
    assert doctor.Report((made[0],)).status == "ok"


def test_every_finding_that_is_not_well_says_what_to_do():
    """In the source, as no machine has all faults at once: the fifth argument is the advice."""
    tree = ast.parse(Path(doctor.__file__).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)
             and getattr(node.func, "id", "") == "Finding"]  # fmt: skip
    unwell = [call for call in calls if getattr(call.args[1], "id", "OK") != "OK"]
    assert len(unwell) > 10
    assert [call.lineno for call in unwell if len(call.args) < 5] == []


def test_findings_are_told_as_they_come(quick):
    heard = []
    report = doctor.examine(tell=heard.append)
    assert tuple(heard) == report.findings


def test_a_run_that_is_killed_is_a_problem(monkeypatch):
    def killed():
        raise ProbeError("the run was killed. Raise the limit.")

    monkeypatch.setattr(costs, "measure_apart", killed)
    report = doctor.examine()
    assert report.predictions == ()
    assert_helpful(report.findings[-1], "problem", "killed", "Raise the limit")


def test_json_has_one_shape(quick, capsys):
    assert cli.main(["doctor", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert set(data) == {"status", "findings", "probe", "predictions", "free", "facts"}
    assert data["status"] in ("ok", "warning")
    for finding in data["findings"]:
        assert set(finding) == {"name", "status", "found", "expected", "advice"}
        assert finding["status"] in ("ok", "warning", "problem")
    assert data["probe"] == {"seconds": 2.0, "peak": 700_000_000, "side": 128, "steps": 10}
    for predicted in data["predictions"]:
        assert set(predicted) == {"name", "seconds", "bytes", "fits"}
        assert predicted["fits"] == (predicted["bytes"] <= data["free"])


def test_quick_predicts_nothing(capsys):
    assert cli.main(["doctor", "--quick", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["probe"], data["predictions"]) == (None, [])


def test_plain_lines_say_it_without_colour(quick, capsys):
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "\033[" not in text  # not a terminal
    assert "ok       Python" in text
    assert "256 × 256 px, 156 evaluations" in text
    assert "The largest picture that fits has sides of about" in text
    assert text.rstrip().splitlines()[-1].startswith("Ready")


@pytest.mark.parametrize("status", ["ok", "warning", "problem"])
def test_colour_is_never_alone(status):
    finding = doctor.Finding("x", status, "found")
    coloured = doctor.as_lines(finding, colour=True)[0]
    assert "\033[" in coloured
    assert status in coloured


def test_a_problem_gives_status_1(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    assert cli.main(["doctor", "--quick"]) == 1
    assert "Not ready: 1 problem above." in capsys.readouterr().out


def test_a_photograph_called_doctor_is_told_from_the_word(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor", "dots", "-o", "out.png"])
    assert end.value.code == 2
    assert "./doctor" in capsys.readouterr().err


def test_a_photograph_called_doctor_can_be_painted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    samples.open_sample("coffee").resize((40, 30)).save("doctor", format="png")
    words = ["./doctor", "dots", "-o", "out.png", "--size=32", "--steps=1", "--quiet"]
    assert cli.main(words) == 0
    assert (tmp_path / "out.png").is_file()


# --- predictions ---------------------------------------------------------------------------------


def test_larger_pictures_take_more_of_both():
    runs = [costs.predict_run(side, 100, PROBE) for side in (64, 128, 256, 512, 1024)]
    assert [r.seconds for r in runs] == sorted({r.seconds for r in runs})
    assert [r.bytes for r in runs] == sorted(r.bytes for r in runs)
    assert runs[-1].bytes > runs[1].bytes


def test_the_probe_predicts_itself():
    run = costs.predict_run(PROBE.side, PROBE.steps, PROBE)
    assert (run.seconds, run.bytes) == (PROBE.seconds, PROBE.peak)


def test_twice_the_side_is_four_times_the_time():
    once, twice = (costs.predict_run(side, 50, PROBE).seconds for side in (128, 256))
    assert twice == pytest.approx(4 * once)


def test_a_run_of_one_s_own_is_estimated():
    found = costs.predict_transfer(32, 3)
    assert (found.size, found.evaluations) == ((32, 32), 6)
    assert found.seconds > 0


def test_a_machine_half_as_fast_takes_twice_as_long():
    cost = Cost("a", 10.0, GB, 1, 1.0)
    fast, slow = (costs.predict_notebook(cost, Probe(s, PROBE.peak)) for s in (1.0, 2.0))
    assert (fast.seconds, slow.seconds) == (10.0, 20.0)


def test_a_smaller_torch_makes_every_notebook_smaller():
    """Builds without CUDA take hundreds of megabytes less; the probe shows by how much."""
    cost, there = Cost("a", 1.0, 2 * GB, 1, 1.0), costs.table().probe.peak
    less = costs.predict_notebook(cost, Probe(1.0, there - 300_000_000))
    assert less.bytes == 2 * GB - 300_000_000


def test_the_table_is_of_notebooks_that_exist():
    for cost in costs.table().notebooks:
        assert (ROOT / f"{cost.notebook}.ipynb").is_file(), f"{cost.notebook}: measure again"
        assert cost.probes > 0
        assert cost.peak > costs.table().probe.peak / 2


# --- the measured run ----------------------------------------------------------------------------


def test_a_run_is_measured_in_a_process_of_its_own():
    probe = costs.measure_apart(side=32, steps=3)
    assert (probe.side, probe.steps) == (32, 3)
    assert 0 < probe.seconds < 60
    assert probe.peak > 50_000_000  # Python and torch at least


def test_a_run_that_fails_says_why():
    with pytest.raises(ProbeError, match="no_such"):
        costs.measure_apart(optimizer="no_such")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (subprocess.CompletedProcess([], -9, "", ""), "killed by the system .signal 9"),
        (subprocess.CompletedProcess([], 1, "", ""), "exit status 1"),
        (subprocess.TimeoutExpired([], 1), "did not end within"),
    ],
)
def test_a_run_that_is_ended_says_why(monkeypatch, outcome, words):
    def run(*_, **__):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ProbeError, match=words):
        costs.measure_apart()
