"""A run in a file: it continues bit for bit, wherever it was cut off, and no fault costs it."""

from __future__ import annotations

import dataclasses
import errno
import os
import pickle
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from systems import needs_posix

from nst_teach import (
    ImageError,
    Losses,
    RegionalObjective,
    Stop,
    Style,
    StyleObjective,
    checkpoints,
    optimize,
    transfer,
)
from nst_teach.checkpoints import (
    Checkpoint,
    CheckpointError,
    lasting_fingerprint,
    load_checkpoint,
)
from nst_teach.networks import build_vgg
from nst_teach.optimizers import OPTIMIZERS, make_optimizer
from nst_teach.outputs import promised, remove_leftovers

EVERY_OPTIMIZER = pytest.mark.parametrize("optimizer", OPTIMIZERS)
EXACT = pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "scipy"])
STEPS = 9
TARGET = torch.linspace(-0.2, 1.2, 48).view(1, 3, 4, 4)


def valley(image: torch.Tensor) -> Losses:
    """Not a quadratic: its line searches need more than one trial."""
    loss = ((image - TARGET).abs() + 0.01).pow(1.3).mul(torch.linspace(1, 200, 48).view(1, 3, 4, 4))
    return Losses(loss.sum(), {"pixels": loss.sum()}, {}, image.new_zeros(()))


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "run.checkpoint"


def run(file=None, *, optimizer="lbfgs", steps=STEPS, every=0.0, objective=valley, **options):
    begin = torch.full((1, 3, 4, 4), 0.5)
    checkpoint = None if file is None else Checkpoint(file, every)
    defaults = {"optimizer": optimizer, "steps": steps, "progress": False}
    return optimize(objective, begin, checkpoint=checkpoint, **(defaults | options))


class Killed(BaseException):
    """Ends a run at once, as a signal would, with nothing written afterwards."""


def cut_off(file, monkeypatch, evaluation, **options):
    """A run that dies during an evaluation."""

    def die(record, image):
        if record.evaluations == evaluation:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Keeper, "end", lambda self: None)
        with pytest.raises(Killed):
            run(file, callback=die, **options)


def timeless(history):
    """The records, without the seconds."""
    return [dataclasses.replace(record, seconds=0.0) for record in history]


def same(one, other) -> bool:
    """Whether two runs have come to the same image in the same way, bit for bit."""
    assert one.record in one.history
    return (
        torch.equal(one.image, other.image)
        and timeless(one.history) == timeless(other.history)
        and (one.loss, one.steps, one.stopped) == (other.loss, other.steps, other.stopped)
    )


# --- as if nothing had happened ------------------------------------------------------------------


@EVERY_OPTIMIZER
def test_a_checkpoint_changes_nothing(file, optimizer):
    """L-BFGS then takes its steps in single calls of torch's, and not in one call for all."""
    assert same(run(file, optimizer=optimizer), run(optimizer=optimizer))


@pytest.mark.parametrize("evaluation", [1, 2, 3, 5, 8, 10])
@EXACT
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(
    file, monkeypatch, optimizer, evaluation
):
    """In the middle of a line search, too."""
    cut_off(file, monkeypatch, evaluation, optimizer=optimizer)
    assert same(run(file, optimizer=optimizer), run(optimizer=optimizer))


@EXACT
def test_it_may_be_cut_off_again_and_again(file, monkeypatch, optimizer):
    for evaluation in (2, 4, 7):
        cut_off(file, monkeypatch, evaluation, optimizer=optimizer)
    assert same(run(file, optimizer=optimizer), run(optimizer=optimizer))


@EXACT
def test_two_runs_could_be_told_apart(file, monkeypatch, optimizer):
    """What the comparison would notice: an optimiser that continues without its memory."""
    cut_off(file, monkeypatch, 6, optimizer=optimizer)
    fresh = optimize(valley, load_checkpoint(file).image, optimizer=optimizer, progress=False,
                     steps=STEPS - load_checkpoint(file).steps)  # fmt: skip
    assert not torch.equal(fresh.image, run(optimizer=optimizer).image)


def test_scipy_continues_from_the_image(file, monkeypatch):
    """It does not hand over what it has learned about the curvature."""
    cut_off(file, monkeypatch, 6, optimizer="scipy")
    reached = load_checkpoint(file)
    resumed = run(file, optimizer="scipy")
    assert resumed.steps == STEPS
    assert resumed.loss < reached.loss
    assert timeless(resumed.history)[: len(reached.history)] == timeless(reached.history)


@EXACT
def test_a_finished_run_is_extended(file, optimizer):
    """Five steps, then nine: as nine at once. And called once more, it has nothing left to do."""
    run(file, optimizer=optimizer, steps=5)
    assert same(run(file, optimizer=optimizer), run(optimizer=optimizer))
    written = file.read_bytes()
    assert same(run(file, optimizer=optimizer), run(optimizer=optimizer))
    assert file.read_bytes() == written


def stop_at(evaluation):
    return lambda record, image: record.evaluations < evaluation


def raise_at(evaluation, error):
    def callback(record, image):
        if record.evaluations == evaluation:
            raise error

    return callback


EARLY_ENDS = {
    "a callback that returns False": stop_at(6),
    "Ctrl-C": raise_at(6, KeyboardInterrupt()),
    "memory": raise_at(6, MemoryError()),
    "a mistake in the callback": raise_at(6, KeyError("typo")),
}


@pytest.mark.filterwarnings("ignore:.*The best picture so far is kept:RuntimeWarning")
@pytest.mark.parametrize("end", EARLY_ENDS.values(), ids=EARLY_ENDS.keys())
@EXACT
def test_every_early_end_leaves_a_checkpoint(file, optimizer, end):
    """Even if the next one is an hour away."""
    try:
        early = run(file, optimizer=optimizer, every=3600, callback=end)
    except KeyError:
        early = None
    assert early is None or early.stopped
    assert load_checkpoint(file).steps >= 2
    assert same(run(file, optimizer=optimizer), run(optimizer=optimizer))


@EXACT
def test_no_later_step_changes_a_snapshot(optimizer):
    """Or Ctrl-C in the middle of a step would leave a checkpoint of no step at all."""
    begin = torch.full((1, 3, 4, 4), 0.5)
    whole = make_optimizer(optimizer, begin.clone().requires_grad_(True))
    snapshots = []

    def evaluate(image):
        with torch.enable_grad():
            image = image.detach().requires_grad_(True)
            loss = valley(image).total
        return loss.detach(), torch.autograd.grad(loss, image)[0]

    whole.run(evaluate, 6, lambda: snapshots.append(whole.snapshot()))
    for taken, snapshot in enumerate(snapshots, start=1):
        other = make_optimizer(optimizer, begin.clone().requires_grad_(True))
        other.load_state_dict(snapshot)
        assert other.step == taken
        other.run(evaluate, 6 - taken, lambda: None, resumed=True)
        assert torch.equal(other.image, whole.image)


def test_a_continued_run_has_checkpoints_too(file, monkeypatch):
    """One that begins with an earlier result, and with the optimiser's memory."""
    first = run(optimizer="adam", steps=4)
    options = {"optimizer": "adam", "progress": False}
    whole = optimize(valley, first, steps=5, **options)
    optimize(valley, first, steps=5, checkpoint=file, callback=stop_at(8), **options)
    assert same(optimize(valley, first, steps=5, checkpoint=file, **options), whole)


def test_seconds_go_on_from_those_in_the_file(file):
    run(file, steps=4, callback=lambda *_: time.sleep(0.02))
    before = load_checkpoint(file).history
    resumed = run(file)
    assert [r.seconds for r in resumed.history[: len(before)]] == [r.seconds for r in before]
    assert resumed.history[len(before)].seconds > before[-1].seconds > 0.05


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    network = build_vgg("tiny", ((4, 5), (6, 7)), "average")
    network.content_layers, network.style_layers = ("relu2_1",), ("relu1_1", "relu2_2")
    return network


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_transfer_has_it_in_both_precisions(file, tiny, precision):
    """In bfloat16 a run may end with steps in float32: whatever it does, it does the same again."""
    options = {"network": tiny, "size": 24, "steps": 10, "progress": False, "precision": precision}
    whole = transfer("chelsea", "dots", **options)
    for evaluation in (5, 11):
        transfer("chelsea", "dots", checkpoint=file, callback=stop_at(evaluation), **options)
    assert same(transfer("chelsea", "dots", checkpoint=file, **options), whole)


@needs_posix
def test_a_run_that_is_killed_three_times_ends_as_if_it_had_not_been():
    """By SIGKILL, at random moments: tools/kills.py, which kills it fifty times, on a small scale.

    In a process of its own, since it forks, which a process with threads should not do.
    """
    command = [sys.executable, "tools/kills.py", "--kills=3", "--size=24", "--steps=8"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    adam, lbfgs = done.stdout.splitlines()
    assert adam.startswith("adam: killed 3 times")
    assert lbfgs.startswith("lbfgs: killed 3 times")
    assert done.stdout.count("all the same bit for bit") == 2


# --- when it is written --------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves."""
    now = [1000.0]
    monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: now[0])
    return now


def test_it_is_written_when_the_time_has_passed(file, clock):
    """Each evaluation takes 10 s here; before the step that begins after 30 s, and so on."""
    steps = []

    def callback(record, image):
        clock[0] += 10
        steps.append(load_checkpoint(file).steps)

    run(file, optimizer="adam", every=30, callback=callback)
    assert steps == [0, 0, 0, 3, 3, 3, 6, 6, 6, 9]
    assert load_checkpoint(file).steps == STEPS


def test_a_slow_disk_is_written_to_less_often(file, clock, monkeypatch):
    """A file that takes 4 s is written once in 80 s: 5 % of the time."""
    pack, steps = checkpoints._pack, []

    def slow(*arguments):
        clock[0] += 4
        pack(*arguments)

    def callback(record, image):
        clock[0] += 10
        steps.append(load_checkpoint(file).steps)

    monkeypatch.setattr(checkpoints, "_pack", slow)
    run(file, optimizer="adam", every=10, steps=12, callback=callback)
    assert checkpoints.MOST == 0.05
    assert steps == [0, *[1] * 8, *[9] * 4]


@pytest.mark.parametrize("every", [-1, float("nan"), float("inf")])
def test_an_interval_is_a_number_of_seconds(file, every):
    with pytest.raises(ValueError, match=f"every={every} was given; expected seconds"):
        Checkpoint(file, every)


# --- another file --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "lbfgs"}, "optimizer: adam there, lbfgs now"),
        ({"learning_rate": 0.3}, "learning_rate: None there, 0.3 now"),
        ({"start": torch.zeros(1, 3, 4, 4)}, "another initial image or seed"),
        ({"objective": lambda image: valley(image)}, "another photograph, style picture, network"),
        ({"steps": 3}, "has 5 steps of this run, and steps=3 was given"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused_and_kept(file, change, message):
    run(file, optimizer="adam", steps=5)
    written = file.read_bytes()
    begin = change.pop("start", torch.full((1, 3, 4, 4), 0.5))
    objective = change.pop("objective", valley)
    options = {"optimizer": "adam", "steps": STEPS, "progress": False} | change
    with pytest.raises(CheckpointError, match=message) as caught:
        optimize(objective, begin, checkpoint=file, **options)
    assert str(file) in str(caught.value)
    assert "delete it or name another file" in str(caught.value)
    assert file.read_bytes() == written


def test_other_weights_are_named(file, tiny):
    """Not just that something differs."""
    options = {"network": tiny, "size": 16, "steps": 1, "progress": False, "checkpoint": file}
    transfer("chelsea", "dots", beta=20, **options)
    with pytest.raises(CheckpointError, match=r"\(beta: 20.0 there, 30.0 now\)"):
        transfer("chelsea", "dots", beta=30, **options)
    with pytest.raises(CheckpointError, match="another photograph, style picture"):
        transfer("chelsea", "composition", beta=20, **options)


class Payload:
    """A pickle that creates a file when it is read."""

    def __reduce__(self):
        return Path.touch, (Path("payload"),)


def damaged(kind: str, file: Path) -> None:
    """Write a file that is not a checkpoint, or no longer."""
    run(file, steps=2)
    whole = file.read_bytes()
    array = np.array([Payload()], dtype=object)
    match kind:
        case "empty":
            file.write_bytes(b"")
        case "truncated":
            file.write_bytes(whole[: len(whole) // 2])
        case "one bit":
            place = whole.index(b"manifest.npy") + 200
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        case "picture":
            file.write_bytes((ROOT / "book" / "images" / "02_network.png").read_bytes())
        case "pickle":
            file.write_bytes(pickle.dumps(Payload()))
        case "archive":
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("holiday.txt", "sun")
        case "pickle inside":
            np.savez(file.open("wb"), manifest=array)
        case "newer":
            np.savez(file.open("wb"), manifest=np.frombuffer(b'{"format": "9"}', dtype=np.uint8))
        case "torch":
            torch.save({"image": torch.zeros(3)}, file)


DAMAGE = {
    "empty": "is no checkpoint: it begins with b''",
    "truncated": "is damaged",
    "one bit": "is damaged",
    "picture": r"is no checkpoint: it begins with b'\\x89PNG'",
    "pickle": "is no checkpoint: it begins with",
    "archive": "is no checkpoint: it is an archive of other files",
    "pickle inside": "is damaged: Object arrays cannot be loaded",
    "newer": "is no checkpoint: its format is '9', expected 'nst_teach checkpoint 1'",
    "torch": "is no checkpoint: it is an archive of other files",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_no_checkpoint_is_refused_and_kept(file, kind, monkeypatch):
    """A mistyped name must not cost a photograph; and no code in a file is run."""
    monkeypatch.chdir(file.parent)
    damaged(kind, file)
    before = file.read_bytes()
    for read in (run, load_checkpoint):
        with pytest.raises(CheckpointError, match=DAMAGE[kind]) as caught:
            read(file)
        assert str(file) in str(caught.value)
        assert "delete it or name another file" in str(caught.value)
    assert file.read_bytes() == before
    assert not Path("payload").exists()


def test_a_checkpoint_that_is_missing_is_one_to_be_written_or_an_error(file):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_checkpoint(file)
    run(file)
    assert load_checkpoint(file).steps == STEPS


@pytest.mark.parametrize("place", ["nowhere/run.checkpoint", "."])
def test_a_place_without_a_file_is_refused_before_the_first_step(tmp_path, place):
    evaluations = []
    with pytest.raises(CheckpointError, match="cannot write the checkpoint"):
        run(tmp_path / place, callback=lambda *_: evaluations.append(1))
    assert evaluations == []


def test_what_a_killed_program_left_behind_is_removed(file):
    """And nothing else, however similar its name."""
    others = [file.with_name(name) for name in (".run.checkpoint", ".run-1.checkpoint", "run-1-a")]
    others.append(file.with_name(".run-2-1-00000000.checkpoint"))
    leftover = file.with_name(".run-123-0123abcd.checkpoint")
    for path in (*others, leftover):
        path.touch()
    run(file)
    assert set(file.parent.iterdir()) == {file, *others}


def test_leftovers_are_what_promised_writes(tmp_path):
    for name in ("a.png", "no extension", "a.b.c", "[x].npz"):
        with promised(tmp_path / "other"), promised(tmp_path / name) as hidden:
            assert hidden.exists()
            remove_leftovers(tmp_path / name)
            assert not hidden.exists()
            hidden.touch()


# --- a run that was lost for good ----------------------------------------------------------------


def test_a_checkpoint_can_be_looked_at_and_continued_with_other_settings(file):
    whole = run(file, optimizer="adam", callback=stop_at(7))
    found = load_checkpoint(file)
    assert found.steps == 6
    assert found.image.min() >= 0
    assert found.loss == min(record.total for record in found.history)
    assert found.settings["optimizer"] == "adam"
    assert timeless(found.history) == timeless(whole.history[:6])
    slower = run(optimizer="adam", steps=3)  # the same call with a lower rate would be refused
    again = optimize(valley, found, optimizer="adam", learning_rate=1e-3, steps=3, progress=False)
    assert again.history[:6] == found.history
    assert again.loss < found.loss < slower.loss


# --- the objective -------------------------------------------------------------------------------

ELSEWHERE = """
from nst_teach import Losses
def objective(image):
    loss = (image - {value}).square().sum()
    return Losses(loss, {{}}, {{}}, loss)
"""


def test_a_function_is_compared_by_its_code_and_its_values():
    """Its place in memory would say nothing in another process; see test_fingerprints.py."""
    prints = []
    for value in (0.5, 0.5, 0.25):
        exec(ELSEWHERE.format(value=value), names := {})
        prints.append(lasting_fingerprint(names["objective"]))
    assert prints[0] == prints[1] != prints[2]


def test_a_subclass_without_a_fingerprint_of_its_own_is_compared_by_value(tiny):
    """`StyleObjective.fingerprint` gives each of its objects another one in every process."""

    class Doubled(StyleObjective):
        def __call__(self, image):
            return super().__call__(2 * image)

    pictures = torch.rand(2, 1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    one, other, brighter = (
        Doubled(pictures[0], pictures[1], tiny, beta=beta) for beta in (1.0, 1.0, 2.0)
    )
    assert one.fingerprint() != other.fingerprint()
    assert lasting_fingerprint(one) == lasting_fingerprint(other) != lasting_fingerprint(brighter)
    several = RegionalObjective(pictures[0], [Style(pictures[1])], tiny)
    assert lasting_fingerprint(several) == several.fingerprint()


def test_an_objective_that_cannot_be_compared_is_refused(file, tmp_path):
    class Logged:
        def __init__(self):
            self.log = (tmp_path / "log").open("w")

        def __call__(self, image):
            return valley(image)

    objective = Logged()
    with pytest.raises(
        CheckpointError, match=r"of the type Logged, which cannot be .* `fingerprint`"
    ):
        run(file, objective=objective)
    objective.fingerprint = lambda: "the valley, with a log"
    assert same(run(file, objective=objective), run())
    objective.log.close()


# --- a full disk ---------------------------------------------------------------------------------


@pytest.fixture
def disk(monkeypatch):
    """A disk that is full, or not, as the test says."""
    pack, state = checkpoints._pack, {"full": False, "tries": 0}

    def write(file, *arguments):
        state["tries"] += 1
        if state["full"]:
            file.write(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        pack(file, *arguments)

    monkeypatch.setattr(checkpoints, "_pack", write)
    return state


@EXACT
def test_a_full_disk_costs_the_checkpoint_and_not_the_run(file, disk, optimizer):
    """One warning, however often it tries; the file of an earlier step stays."""

    def fill(record, image):
        disk["full"] = record.step >= 3

    with pytest.warns(RuntimeWarning, match=r"\(No space left on device\); the one of step \d is"):
        result = run(file, optimizer=optimizer, callback=fill)
    assert same(result, run(optimizer=optimizer))
    assert disk["tries"] > 5
    assert list(file.parent.iterdir()) == [file]
    assert 2 <= load_checkpoint(file).steps <= 4
    disk["full"] = False
    assert same(run(file, optimizer=optimizer), run(optimizer=optimizer))


def test_there_is_one_warning_until_there_is_room_again(file, disk):
    def fill(record, image):
        disk["full"] = record.step in (2, 3, 6, 7)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run(file, optimizer="adam", callback=fill)
    assert len(told) == 2
    assert load_checkpoint(file).steps == STEPS


def test_a_disk_that_is_full_at_the_beginning_is_found_before_the_first_step(file, disk):
    disk["full"] = True
    evaluations = []
    with pytest.raises(CheckpointError, match=r"No space left on device. Choose another folder"):
        run(file, callback=lambda *_: evaluations.append(1))
    assert evaluations == []
    assert list(file.parent.iterdir()) == []


def test_ctrl_c_during_the_last_checkpoint_keeps_the_result(file, disk, monkeypatch):
    """A second one, of an impatient user."""

    def interrupt(*arguments):
        raise KeyboardInterrupt

    def callback(record, image):
        if record.evaluations == 4:
            monkeypatch.setattr(checkpoints, "_pack", interrupt)
            raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match=r"could not be written \(interrupted\)"):
        result = run(file, every=3600, callback=callback)
    assert result.stopped is Stop.INTERRUPTED
    assert result.image.shape == (1, 3, 4, 4)


@pytest.fixture
def small_files():
    """The system refuses to let a file grow beyond so many bytes: a full disk, as it really is."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@needs_posix
def test_when_the_system_refuses_to_write_the_result_is_still_there(file, small_files):
    """The checkpoint fails, and so does saving the picture; both can be tried again."""
    begin = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    def objective(image):
        loss = (image - 0.5).square().sum()
        return Losses(loss, {}, {}, image.new_zeros(()))

    def fill(record, image):
        if record.step == 3:
            small_files(8_000)

    options = {"optimizer": "adam", "steps": 6, "progress": False}
    with pytest.warns(RuntimeWarning, match=r"\(File too large\); the one of step 3 is"):
        result = optimize(
            objective, begin, checkpoint=Checkpoint(file, 0), callback=fill, **options
        )
    with pytest.raises(ImageError, match="File too large"):
        result.save(file.with_name("a.png"))
    small_files(10_000_000)
    assert result.steps == 6
    assert result.save(file.with_name("a.png")).stat().st_size > 8_000
    assert torch.equal(
        optimize(objective, begin, checkpoint=Checkpoint(file, 0), **options).image, result.image
    )
