"""`nst-teach batch`: every photo in every style, once, and what happens when something is wrong."""

from __future__ import annotations

import inspect
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from joblib import Parallel, delayed
from PIL import Image
from systems import needs_posix

from nst_teach import batch_command, cli, load_image, networks, save_image, transfer
from nst_teach.precision import choose_precision
from nst_teach.records import Stop

SMALL = ("--size=32", "--steps=2", "--jobs=1", "--precision=float32")
OUTPUTS = ["cat--dots.png", "cat--swirls.png", "cup--dots.png", "cup--swirls.png"]
PATIENCE = 240  # seconds


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two photos and two styles, to run `nst-teach batch photos styles -o out …` beside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(networks.NETWORK_VARIABLE, raising=False)
    for kind, names in {
        "photos": {"cat.png": "chelsea", "cup.jpg": "coffee"},
        "styles": {"dots.png": "dots", "swirls.png": "night_swirls"},
    }.items():
        for name, sample in names.items():
            save_image(load_image(sample, size=48), tmp_path / kind / name)
    return tmp_path


@pytest.fixture
def painted(monkeypatch):
    """The options of each picture that is painted; a test may put trouble in for the n-th."""
    calls, trouble, paint = [], {}, batch_command.transfer_of

    def watched(arguments):
        if not isinstance(arguments.photo, str):  # the trial of the options
            return paint(arguments)
        calls.append(arguments)
        if isinstance(trouble.get(len(calls)), BaseException):
            raise trouble[len(calls)]
        result = paint(arguments)
        result.stopped = trouble.get(len(calls))
        result.reason = "for a reason" if result.stopped else ""
        return result

    monkeypatch.setattr(batch_command, "transfer_of", watched)
    watched.calls, watched.trouble = calls, trouble
    return watched


def run(*arguments: str, photos: str = "photos", styles: str = "styles", out: str = "out") -> int:
    return cli.main(["batch", photos, styles, "-o", out, "--quiet", *SMALL, *arguments])


def said(capsys) -> list[str]:
    """The lines on the error stream, none of which belongs to a traceback."""
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("nst-teach: ") for line in lines)
    return [line.removeprefix("nst-teach: ") for line in lines]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[Path, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


# --- what it makes -------------------------------------------------------------------------------


def test_every_photo_is_painted_in_every_style(folder, capsys):
    assert run() == 0
    assert names(folder / "out") == OUTPUTS
    text, errors = capsys.readouterr()
    assert text.startswith("out: 4 painted, 0 there before, in ")
    assert errors == ""


def test_it_does_what_transfer_does(folder):
    words = "--alpha=2 --beta=5000 --total-variation=3 --start=noise --seed=4 --optimizer=adam"
    words += " --content-layers=relu3_1 --style-layers=relu1_1=0.7,relu2_1=0.3 --style-size=24"
    assert run(*words.split(), "--learning-rate=0.05", "--pooling=max") == 0
    expected = transfer(
        "photos/cup.jpg",
        "styles/dots.png",
        network=networks.load_network("petite", pooling="max"),
        content_layers="relu3_1",
        style_layers={"relu1_1": 0.7, "relu2_1": 0.3},
        alpha=2,
        beta=5000,
        total_variation=3,
        start="noise",
        seed=4,
        optimizer="adam",
        learning_rate=0.05,
        steps=2,
        size=32,
        style_size=24,
        progress=False,
    )
    found = load_image("out/cup--dots.png")
    assert (found - expected.image).abs().max() <= 0.5 / 255 + 1e-6


def test_several_jobs_paint_the_same(folder, monkeypatch):
    """Relative names are valid in the workers too, although these began in another folder."""
    monkeypatch.chdir(folder.parent)
    Parallel(n_jobs=2)(delayed(os.getcwd)() for _ in range(4))
    monkeypatch.chdir(folder)
    save_image(load_image("photos/cat.png"), folder / "start.png")
    assert run("--start=start.png") == 0
    assert run("--start=start.png", "--jobs=2", out="beside") == 0
    for name in OUTPUTS:
        here, there = (load_image(folder / out / name) for out in ("out", "beside"))
        assert (here - there).abs().max() <= 1.5 / 255


def test_the_precision_is_chosen_once_for_all(folder, painted):
    assert run("--precision=auto") == 0
    assert {call.precision for call in painted.calls} == {choose_precision("auto")}


def test_single_pictures_and_samples_will_do(folder):
    assert run(photos="chelsea", styles="styles/dots.png") == 0
    assert names(folder / "out") == ["chelsea--dots.png"]


def test_files_of_one_name_keep_their_extensions(folder):
    save_image(load_image("rocket", size=48), folder / "photos" / "Cat.jpg")
    (folder / "photos" / ".hidden").write_text("not meant")
    (folder / "photos" / "more").mkdir()
    assert run(styles="dots") == 0
    assert names(folder / "out") == ["Cat.jpg--dots.png", "cat.png--dots.png", "cup--dots.png"]


@pytest.mark.parametrize("option", ["--style-size=0", "--style-size=-1", "--size=0", "--seed=-1"])
def test_an_option_that_spoils_all_pictures_is_found_before_the_work(folder, capsys, option):
    assert run(option) == 2
    assert len(said(capsys)) == 1
    assert not (folder / "out").exists()


def test_names_that_cannot_be_told_apart_are_refused(folder, capsys):
    for path in ("photos/a--b.png", "photos/a.png", "styles/c.png", "styles/b--c.png"):
        save_image(load_image("rocket", size=48), folder / path)
    assert run() == 2
    assert said(capsys) == ["two pictures would be called a--b--c.png. Rename an input."]
    assert not (folder / "out").exists()


def test_a_sheet_shows_them_all(folder):
    (folder / "photos" / "broken.png").write_text("no picture")
    assert run("--sheet") == 1
    assert names(folder / "out") == [*OUTPUTS, "sheet.jpg"]
    with Image.open(folder / "out" / "sheet.jpg") as sheet:
        width, height = sheet.size
        assert sheet.info["comment"] == b"nst-teach batch"
        pixels = load_image(sheet)
    columns = [pixels[..., int(width * x) : int(width * (x + 1 / 3))] for x in (0, 1 / 3, 2 / 3)]
    rows = [columns[0][..., int(height * y) : int(height * (y + 1 / 4)), :] for y in (0, 0.25)]
    assert all(column.std() > 0.1 for column in columns)
    assert rows[0].mean() > 0.99  # the corner, and the photo that cannot be read, are empty
    assert rows[1].mean() > 0.95


# --- what is kept --------------------------------------------------------------------------------


def test_finished_pictures_are_not_painted_again(folder, capsys, painted):
    assert run() == run() == 0
    assert len(painted.calls) == 4
    assert "0 painted, 4 there before" in capsys.readouterr().out
    save_image(load_image("ink_hills", size=48), folder / "styles" / "ink.png")
    before = contents(folder / "out")
    assert run() == 0
    assert [call.style for call in painted.calls[4:]] == [str(Path("styles", "ink.png"))] * 2
    assert contents(folder / "out").items() >= before.items()


@pytest.mark.parametrize("change", ["--steps=3", "--beta=7", "photo", "style"])
def test_pictures_made_from_something_else_are_not_taken_for_these(folder, capsys, painted, change):
    assert run() == 0
    before, arguments = contents(folder / "out"), []
    if change.startswith("--"):
        arguments = [change]
    else:
        name = "photos/cat.png" if change == "photo" else "styles/dots.png"
        save_image(load_image("rocket", size=48), folder / name)
    assert run(*arguments) == 2
    count = 4 if arguments else 2
    (line,) = said(capsys)
    assert line.startswith(f"cannot write {Path('out', 'cat--dots.png')}: it exists, and was made")
    assert f"({count} such files)" in line
    assert contents(folder / "out") == before

    assert run(*arguments, "--force") == 0
    assert len(painted.calls) == 4 + count
    after = contents(folder / "out")
    assert sum(before[path] != after[path] for path in before) == count


@pytest.mark.parametrize("name", ["cat--dots.png", "sheet.jpg"])
def test_a_file_of_another_origin_is_overwritten_by_force_only(folder, capsys, painted, name):
    (folder / "out").mkdir()
    (folder / "out" / name).write_text("a year's work")
    assert run("--sheet") == 2
    assert f"cannot write {Path('out', name)}" in said(capsys)[0]
    assert (folder / "out" / name).read_text() == "a year's work"
    assert painted.calls == []
    assert run("--sheet", "--force") == 0
    assert run("--sheet") == 0
    assert names(folder / "out") == [*OUTPUTS, "sheet.jpg"]


# --- what goes wrong -----------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_is_named_once_and_skipped(folder, capsys):
    (folder / "photos" / "broken.jpg").write_text("no picture")
    (folder / "styles" / "notes.txt").write_text("no picture either")
    assert run() == 1
    assert names(folder / "out") == OUTPUTS
    lines = said(capsys)
    assert len(lines) == 2
    for line, name in zip(lines, ("photos/broken.jpg", "styles/notes.txt"), strict=True):
        assert line.startswith(f"'{Path(name)}' cannot be read as a picture")
    assert run() == 1  # it is still there


def test_a_run_that_breaks_down_is_named_and_not_saved(folder, capsys, painted):
    painted.trouble[2] = Stop.NOT_FINITE
    painted.trouble[3] = RuntimeError("something unforeseen")
    assert run() == 1
    assert names(folder / "out") == [OUTPUTS[0], OUTPUTS[3]]
    assert said(capsys) == [
        f"{OUTPUTS[1]}: for a reason",
        f"{OUTPUTS[2]}: RuntimeError: something unforeseen",
    ]
    painted.trouble.clear()
    assert run() == 0
    assert len(painted.calls) == 6


@pytest.mark.parametrize(
    ("arguments", "places", "message"),
    [
        ([], {"photos": "nowhere"}, "there is no file 'nowhere'"),
        ([], {"styles": "styles/none.png"}, "there is no file 'styles/none.png'"),
        ([], {"photos": "empty"}, "the folder 'empty' has no pictures"),
        ([], {"out": "tpyo/out"}, "there is no folder 'tpyo'"),
        ([], {"out": "notes.txt"}, "cannot write into notes.txt: it is a file"),
        ([], {"out": "photos"}, "cannot write into photos: its pictures are inputs"),
        ([], {"out": "./styles"}, "cannot write into styles: its pictures are inputs"),
        (["--jobs=0"], {}, "--jobs 0 was given; expected a whole number from 1"),
        (["--size=0"], {}, "size=0 was given"),
        (["--style-size=-3"], {}, "size=-3 was given"),
        (["--steps=-1"], {}, "steps=-1 was given"),
        (["--alpha=-1"], {}, "alpha=-1.0 was given"),
        (["--learning-rate=0", "--optimizer=adam"], {}, "learning_rate=0.0 was given"),
        (["--style-layers=relu9_9"], {}, "relu9_9"),
        (["--start=nowhere.png"], {}, "nowhere.png"),
        (["--network=resnet"], {}, "resnet"),
        (["--weights=nowhere.pt"], {}, "nowhere.pt"),
        (["--device=abacus"], {}, "abacus"),
    ],
)
def test_what_cannot_be_done_is_found_before_the_work(
    folder, capsys, painted, arguments, places, message
):
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("a year's work")
    before = contents(folder)
    assert run("--force", *arguments, **places) == 2
    (line,) = said(capsys)
    assert message in line
    assert painted.calls == []
    assert contents(folder) == before
    assert not (folder / "out").exists()


@pytest.mark.parametrize("arguments", [["--jobs=two"], ["--nonsense"]])
def test_misuse_of_the_options_has_status_2(folder, arguments):
    with pytest.raises(SystemExit) as left:
        run(*arguments)
    assert left.value.code == 2


def test_a_killed_worker_is_explained(folder, capsys, monkeypatch):
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    def outcomes(*arguments, **options):
        raise TerminatedWorkerError("A worker process managed by the executor was …")

    assert run(photos="photos/cat.png") == 0
    monkeypatch.setattr(batch_command, "outcomes", outcomes)
    assert run() == 1
    (line,) = said(capsys)
    assert line.startswith("a worker was killed, perhaps because memory ran out. Use fewer --jobs")
    assert line.endswith("2 of 4 pictures are finished; the same command goes on from them")


# --- going on after an interruption --------------------------------------------------------------


@needs_posix
def test_ctrl_c_leaves_one_line_and_the_pictures_so_far(folder, capsys, painted, monkeypatch):
    """The run that was interrupted ends with an image, which is not finished."""
    paint = batch_command.transfer_of

    def interrupted(arguments):
        if len(painted.calls) == 2:
            painted.trouble[3] = Stop.INTERRUPTED
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        return paint(arguments)

    monkeypatch.setattr(batch_command, "transfer_of", interrupted)
    assert run() == 130
    assert said(capsys) == [
        "interrupted, 2 of 4 pictures are finished; the same command goes on from them"
    ]
    assert names(folder / "out") == OUTPUTS[:2]
    monkeypatch.setattr(batch_command, "transfer_of", paint)
    painted.trouble.clear()
    assert run() == 0
    assert len(painted.calls) == 5


def test_ctrl_c_before_the_first_picture_says_so(folder, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(batch_command, "fingerprint", interrupt)
    assert run() == 130
    assert said(capsys) == ["interrupted, and no picture is finished"]


@needs_posix
def test_a_killed_batch_goes_on(folder, capsys):
    """SIGKILL leaves no time for farewells: what is on the disk then must be enough."""
    words = [sys.executable, "-m", "nst_teach.cli", "batch", "photos", "styles", "-o", "out"]
    words += [*SMALL, "--quiet", "--steps=40"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(words, env=environment, cwd=folder)
    try:
        end = time.monotonic() + PATIENCE
        while not list((folder / "out").glob("cat--*.png")):
            assert process.poll() is None, "the program ended before it could be killed"
            assert time.monotonic() < end, "no picture after a long time"
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    there = contents(folder / "out")
    pictures = {path: kept for path, kept in there.items() if path.name in OUTPUTS}
    assert 1 <= len(pictures) < 4, "the program was killed too late for this test"
    for path in pictures:
        load_image(path)  # it is complete
    assert run("--steps=40") == 0
    assert f"{4 - len(pictures)} painted, {len(pictures)} there before" in capsys.readouterr().out
    assert contents(folder / "out").items() >= pictures.items()


# --- options -------------------------------------------------------------------------------------


def test_the_bar_counts_pictures(folder, capsys, monkeypatch):
    monkeypatch.delenv("NST_TEACH_PROGRESS", raising=False)
    monkeypatch.setattr("nst_teach.progress.PROGRESS_DELAY", 0)
    assert cli.main(["batch", "photos", "styles", "-o", "out", *SMALL]) == 0
    shown = capsys.readouterr().err
    assert re.search(r"[1-4]/4 .*picture", shown)  # which of them is drawn, depends on the time


def test_options_are_called_as_in_python():
    ours = {action.dest for action in batch_command.parser()._actions}
    one = {action.dest for action in cli.parser()._actions}
    assert one - ours == {"photo", "style", "plot", "checkpoint"}
    assert ours - one == {"photos", "styles", "jobs", "sheet"}
    assert ours > batch_command.UNRELATED
    painting = set(inspect.signature(transfer).parameters)
    network = set(inspect.signature(networks.load_network).parameters)
    assert ours - painting - network - batch_command.UNRELATED <= {"help", "version"}


def test_defaults_are_those_of_a_single_picture():
    given = vars(batch_command.parser().parse_args(["a", "b", "-o", "c"]))
    single = vars(cli.parser().parse_args(["a", "b", "-o", "c"]))
    assert {key: value for key, value in single.items() if key in given}.items() <= given.items()


def test_help_of_the_program_mentions_it(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "nst-teach batch --help" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit):
        cli.main(["batch", "--help"])
    assert "PHOTOS" in capsys.readouterr().out


def test_a_photograph_called_batch_can_be_painted(folder):
    (folder / "photos" / "cat.png").rename(folder / "batch")
    words = "./batch dots -o out.png --size 32 --steps 1 --quiet"
    assert cli.main(words.split()) == 0
    assert torch.isfinite(load_image("out.png")).all()
