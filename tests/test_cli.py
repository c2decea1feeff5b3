"""The command line: what it makes, what it says, and what it returns."""

from __future__ import annotations

import argparse
import contextlib
import errno
import inspect
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import pytest
import safetensors.torch
import torch
from conftest import ROOT
from PIL import Image
from systems import needs_links, needs_posix

import nst_teach
from nst_teach import Result, StyleObjective, cli, load_image, networks, options, transfer
from nst_teach.weight_files import read_weights

HEAVY = ("torchvision", "matplotlib", "scipy", "ipywidgets", "skimage", "av")


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs `nst-teach chelsea dots -o out.png …` in an empty folder, small and quick."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(networks.NETWORK_VARIABLE, raising=False)
    usual = {"--size": "32", "--steps": "2", "-o": "out.png"}

    def run(*arguments: str, photo: str = "chelsea", style: str = "dots", **options: str) -> int:
        given = usual | {f"--{key.replace('_', '-')}": value for key, value in options.items()}
        if "--output" in given:
            del given["-o"]
        words = [word for pair in given.items() for word in pair]
        return cli.main([photo, style, "--quiet", *words, *arguments])

    return run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.png"


@pytest.fixture
def evaluations(monkeypatch):
    """Counts evaluations, and raises or returns what a test puts in for one of them."""
    evaluate, trouble, count = StyleObjective.__call__, {}, []

    def watched(self, image):
        count.append(1)
        if isinstance(trouble.get(len(count)), BaseException):
            raise trouble[len(count)]
        losses = evaluate(self, image)
        if len(count) in trouble:
            object.__setattr__(losses, "total", losses.total * trouble[len(count)])
        return losses

    monkeypatch.setattr(StyleObjective, "__call__", watched)
    watched.trouble, watched.count = trouble, count
    return watched


def said(capsys) -> str:
    """The one message on the error stream, which is no traceback."""
    text = capsys.readouterr().err
    assert "Traceback" not in text
    assert text.startswith("nst-teach: ")
    return text


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


# --- what it makes -------------------------------------------------------------------------------


def test_it_paints_a_picture_and_says_where_it_is(command, out, capsys):
    assert command() == 0
    with Image.open(out) as picture:
        assert max(picture.size) == 32
    printed, errors = capsys.readouterr()
    assert "out.png: Result(" in printed
    assert "2 steps" in printed
    assert errors == ""


def test_it_does_what_transfer_does(command, out):
    """Every option reaches it: the same picture as from Python."""
    command(
        "--alpha=2",
        "--beta=5000",
        "--total-variation=3",
        start="noise",
        seed="4",
        optimizer="adam",
        learning_rate="0.05",
        content_layers="relu3_1",
        style_layers="relu1_1=0.7,relu2_1=0.3",
        style_size="24",
        pooling="max",
    )
    expected = transfer(
        "chelsea",
        "dots",
        network=networks.load_network("petite", pooling="max"),
        content_layers="relu3_1",
        style_layers={"relu1_1": 0.7, "relu2_1": 0.3},
        alpha=2,
        precision="auto",
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
    assert (load_image(out) - expected.image).abs().max() <= 0.5 / 255 + 1e-6


def test_options_of_a_weight_file_reach_load_network(command, out, tmp_path):
    """A file of the first layers, fed in a wrong way: it shows in the picture, after a warning."""
    whole = read_weights(networks.WEIGHTS_FOLDER / "petite.safetensors")
    first = {name: value for name, value in whole.items() if name.startswith(("conv1", "conv2"))}
    safetensors.torch.save_file(first, tmp_path / "first.safetensors")
    given = {"weights": str(tmp_path / "first.safetensors"), "convention": "raw"}
    given |= {"last_layer": "relu2_2"}
    with pytest.warns(UserWarning, match="used with the convention 'raw'"):
        assert command(network="petite", **given) == 0
    with pytest.warns(UserWarning, match="used with the convention 'raw'"):
        network = networks.load_network("petite", **given)
    options = {"steps": 2, "size": 32, "progress": False, "precision": "auto"}
    expected = transfer("chelsea", "dots", network=network, **options)
    assert (load_image(out) - expected.image).abs().max() <= 0.5 / 255 + 1e-6


def test_weak_smoothing_is_that_of_transfer(command, out):
    command("--total-variation=weak")
    options = {"steps": 2, "size": 32, "progress": False, "precision": "auto"}
    expected = transfer("chelsea", "dots", total_variation=None, **options)
    assert expected.settings["total_variation"] == pytest.approx(0.1 * expected.settings["beta"])
    assert (load_image(out) - expected.image).abs().max() <= 0.5 / 255 + 1e-6


def test_smoothing_is_a_number_or_weak(command, capsys):
    with pytest.raises(SystemExit) as ended:
        command("--total-variation=strong")
    assert ended.value.code == 2
    assert "'strong' was given; expected a number, or 'weak'" in capsys.readouterr().err


def test_files_can_stand_for_samples(command, out, tmp_path):
    for name in ("photo.png", "style.jpg", "start.webp"):
        Image.new("RGB", (48, 40), (200, 100, 50)).save(tmp_path / name)
    assert command(photo="photo.png", style="style.jpg", start="start.webp") == 0
    assert out.is_file()


def test_a_plot_can_be_saved_beside_the_picture(command, tmp_path):
    assert command(plot="plot.svg") == 0
    assert names(tmp_path) == ["out.png", "plot.svg"]
    assert "<svg" in (tmp_path / "plot.svg").read_text(encoding="utf-8")


def test_a_picture_that_is_there_is_overwritten_by_force_only(command, out, capsys):
    out.write_text("a year's work")
    assert command() == 2
    assert "it exists" in said(capsys)
    assert out.read_text() == "a year's work"
    assert command("--force") == 0
    assert load_image(out).shape[1] == 3


@needs_links
def test_a_link_stays_a_link(command, out, tmp_path):
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "there.png").write_text("old")
    out.symlink_to(tmp_path / "away" / "there.png")
    assert command("--force") == 0
    assert out.is_symlink()
    assert names(tmp_path / "away") == ["there.png"]
    assert load_image(tmp_path / "away" / "there.png").shape[1] == 3


def test_the_picture_may_be_read_by_whom_new_files_may(command, out, tmp_path):
    (tmp_path / "usual").touch()
    command()
    assert out.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_weights_can_come_from_a_file(command):
    weights = str(networks.WEIGHTS_FOLDER / "petite.safetensors")
    assert command(network="petite", weights=weights) == 0


# --- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"photo": "nowhere.jpg"}, "there is no file 'nowhere.jpg'"),
        ({"style": "nowhere.jpg"}, "there is no file 'nowhere.jpg'"),
        ({"start": "nowhere.jpg"}, "there is no file 'nowhere.jpg'"),
        ({"network": "vgg11"}, "unknown network 'vgg11'"),
        ({"weights": "nowhere.pth"}, "there is no weight file 'nowhere.pth'"),
        ({"style_layers": "relu9_9"}, "no layer 'relu9_9'"),
        ({"style_layers": "relu1_1=-1"}, "relu1_1=-1.0 was given"),
        ({"size": "0"}, "size=0 was given"),
        ({"steps": "-1"}, "steps=-1 was given"),
        ({"alpha": "nan"}, "alpha=nan was given"),
        ({"optimizer": "scipy", "learning_rate": "1"}, "takes no learning_rate"),
        ({"device": "gpu"}, "'gpu'"),
    ],
)
def test_bad_input_ends_with_one_line_and_status_2(command, out, capsys, options, message):
    assert command(**options) == cli.EXIT_BAD_INPUT == 2
    assert message in said(capsys)
    assert not out.exists()


@pytest.mark.parametrize(
    "options",
    [
        {"output": "out.xyz"},
        {"output": "out"},
        {"output": "out.psd"},  # Pillow reads it, and cannot write it
        {"output": "in_the_way/out.png"},
        {"output": "tpyo/out.png"},
        {"output": "folder.png"},
        {"output": f"{'x' * 300}.png"},
        {"plot": "plot.xyz"},
        {"plot": "in_the_way/plot.png"},
        {"plot": "tpyo/plot.png"},
        {"plot": "folder.png"},
        {"plot": "./out.png"},
        {"photo": "photo.png", "output": "photo.png"},
        {"style": "photo.png", "output": "./photo.png"},
        {"start": "photo.png", "output": "linked.png"},
        {"photo": "photo.png", "plot": "photo.png"},
    ],
    ids=lambda options: " ".join(options.values())[:40],
)
def test_an_output_that_cannot_be_written_is_found_before_the_work(
    command, tmp_path, capsys, evaluations, options
):
    """And not after ten minutes of it; nor is anything made or overwritten."""
    (tmp_path / "in_the_way").write_text("a file where a folder should be")
    (tmp_path / "folder.png").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "photo.png")
    (tmp_path / "linked.png").hardlink_to(tmp_path / "photo.png")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert command("--force", **options) == 2
    assert evaluations.count == []
    assert re.search("cannot|twice|too long", said(capsys))
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_folder_that_must_not_be_written_to_is_found_before_the_work(
    command, tmp_path, capsys, evaluations, monkeypatch
):
    def refuse(self, mode):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # not by its mode: that does not stop root
    assert command() == 2
    assert "Permission denied. Choose another folder" in said(capsys)
    assert evaluations.count == []


def test_a_size_that_is_a_slip_of_the_keyboard_reserves_nothing(command, capsys, monkeypatch):
    """The image would not fit into memory; until that is found, half a gigabyte was written."""
    reserved = []

    @contextlib.contextmanager
    def note(path, size=0):
        reserved.append(size)
        yield path

    monkeypatch.setattr(cli, "promised", note)
    assert command(size="2560000") == 2
    assert "needs about" in said(capsys)
    assert reserved == [0]


@needs_posix
def test_a_full_disk_is_found_before_the_work(tmp_path):
    """The system refuses a file of more than 100 kB; a picture of 256² pixels may need 197 kB."""
    words = ["chelsea", "dots", "-o", "out.png", "--size=256", "--steps=100000"]
    done = python("-c", FULL_DISK.format(words=words), folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("nst-teach: cannot write into ")
    assert "File too large" in done.stderr
    assert names(tmp_path) == []


FULL_DISK = """
import resource, sys
from nst_teach import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(cli.main({words}))
"""


def test_a_picture_that_cannot_be_finished_leaves_nothing_behind(
    command, tmp_path, capsys, monkeypatch
):
    def fail(self, *args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    assert command() == 2
    assert "No space left" in said(capsys)
    assert names(tmp_path) == []


@pytest.fixture
def full_disk(tmp_path, monkeypatch):
    """Pillow finds no room for pictures of these names."""
    save, full = Image.Image.save, []

    def fail(self, path, *args, **options):
        if any(word in str(path) for word in full):
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, path, *args, **options)

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(Image.Image, "save", fail)
    return full


def test_a_full_disk_does_not_cost_the_picture(command, tmp_path, capsys, full_disk):
    """It is saved where there is room, and the message says where."""
    full_disk.append(".out-")
    assert command() == 2
    (there,) = (tmp_path / "temporary").glob("nst-teach-*")
    text = said(capsys)
    assert "No space left" in text
    assert f"The picture is in {there} instead." in text
    assert load_image(there).shape[1] == 3
    assert names(tmp_path) == ["temporary"]


def test_where_there_is_no_room_at_all_nothing_is_left_behind(command, tmp_path, full_disk):
    full_disk.extend([".out-", "nst-teach-"])
    assert command() == 2
    assert list((tmp_path / "temporary").glob("nst-teach-*")) == []
    assert names(tmp_path) == ["temporary"]


def test_a_plot_that_cannot_be_written_does_not_cost_the_picture(
    command, out, tmp_path, capsys, monkeypatch
):
    def fail(self, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    assert command(plot="plot.svg") == 2
    assert "cannot write plot.svg: No space left on device. The picture is in out" in said(capsys)
    assert load_image(out).shape[1] == 3
    assert names(tmp_path) == ["out.png"]


@pytest.mark.parametrize(
    "words", ["--optimizer sgd", "--pooling mean", "--steps many", "--style-layers relu1_1=much"]
)
def test_a_misspelt_option_is_explained(command, capsys, words):
    option, value = words.split()
    with pytest.raises(SystemExit) as end:
        command(option, value)
    assert end.value.code == 2
    assert option in capsys.readouterr().err


def test_a_film_without_a_name_is_refused(capsys):
    assert cli.main(["film", "clip", "dots", "-o", ""]) == 2
    assert "use an ending such as .mp4" in said(capsys)


@pytest.mark.parametrize(
    "words",
    ["", "chelsea", "chelsea dots", "chelsea dots -o out.png --nonsense", "chelsea dots -o",
     "chelsea dots -o out.png --siz", "chelsea dots -o out.png --force=1", "film", "batch",
     "chelsea dots -o out.png --size=9.5", "film clip dots -o a.gif --motion none",
     "batch photos styles -o out --jobs many", "chelsea dots more -o out.png", "doctor --what",
     "doctor photo.png"],
)  # fmt: skip
def test_a_mistake_is_explained_in_one_line(words, capsys):
    """Not below the usage of forty options."""
    with pytest.raises(SystemExit) as end:
        cli.main(words.split())
    assert end.value.code == 2
    printed, errors = capsys.readouterr()
    assert printed == ""
    assert re.fullmatch(
        r"nst-teach( \w+)?: .+ \(nst-teach( \w+)? --help lists the options\)\n", errors
    )


def test_the_output_must_be_named(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["chelsea", "dots"])
    assert end.value.code == 2
    assert "-o" in capsys.readouterr().err


# --- ending early --------------------------------------------------------------------------------


def test_ctrl_c_saves_what_there_is(command, out, capsys, evaluations):
    evaluations.trouble[3] = KeyboardInterrupt()
    assert command(steps="20") == cli.EXIT_INTERRUPTED == 130
    assert "interrupted" in said(capsys)
    assert out.is_file()


@pytest.mark.parametrize(
    ("module", "place"), [(options, "network_of"), (options, "transfer"), (cli, "promised")]
)
def test_ctrl_c_before_the_first_step_leaves_one_line(
    command, tmp_path, capsys, monkeypatch, module, place
):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, place, interrupt)
    assert command() == 130
    assert said(capsys) == "nst-teach: interrupted, and nothing was written\n"
    assert names(tmp_path) == []


def test_ctrl_c_while_the_picture_is_saved_keeps_what_was_there(
    command, out, tmp_path, capsys, monkeypatch
):
    def interrupt(self, path):
        Path(path).write_text("half a file")
        raise KeyboardInterrupt

    out.write_text("the old one")
    monkeypatch.setattr(Result, "save", interrupt)
    assert command("--force") == 130
    assert said(capsys).count("\n") == 1
    assert out.read_text() == "the old one"
    assert names(tmp_path) == ["out.png"]


def test_a_run_that_was_stopped_continues_from_its_checkpoint(command, out, capsys, evaluations):
    """The same command, and the same picture as without the interruption."""
    assert command(steps="6") == 0
    whole = out.read_bytes()
    evaluations.trouble[len(evaluations.count) + 4] = KeyboardInterrupt()
    assert command("--force", "--checkpoint=run.npz", steps="6") == 130
    assert "the same command with --force continues the run" in said(capsys)
    assert out.read_bytes() != whole
    before = len(evaluations.count)
    assert command("--force", "--checkpoint=run.npz", steps="6") == 0
    assert out.read_bytes() == whole
    assert len(evaluations.count) - before < 6


def test_the_checkpoint_of_another_command_is_refused(command, tmp_path, capsys):
    assert command("--checkpoint=run.npz") == 0
    written = (tmp_path / "run.npz").read_bytes()
    assert command("--checkpoint=run.npz", "--force", beta="7") == 2
    assert "run.npz' is the checkpoint of another run (beta: " in said(capsys)
    assert (tmp_path / "run.npz").read_bytes() == written


@pytest.mark.parametrize("name", ["out.png", "plot.svg"])
def test_a_file_has_a_single_purpose(command, tmp_path, capsys, name):
    assert command(f"--checkpoint={name}", "--plot=plot.svg") == 2
    assert f"{name} was given twice, for " in said(capsys)
    assert names(tmp_path) == []


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_run_that_breaks_down_saves_what_there_is(command, out, capsys, evaluations):
    evaluations.trouble[3] = float("nan")
    assert command(steps="20") == cli.EXIT_STOPPED == 3
    assert "not finite" in said(capsys)
    assert out.is_file()


def test_too_little_memory_says_what_to_do(command, capsys, evaluations):
    evaluations.trouble[1] = torch.OutOfMemoryError("CUDA out of memory.")
    assert command() == 2
    assert "smaller size=" in said(capsys)


def unfinished(folder: Path) -> list[str]:
    """Hidden files and pictures that are not complete."""
    broken = [name for name in names(folder) if name.startswith(".")]
    for path in folder.glob("*.png"):
        with Image.open(path) as picture:
            picture.load()  # raises if it is cut off
    return broken


@needs_posix
@pytest.mark.parametrize("share", [0.05, *(n / 12 for n in range(1, 13))])
def test_ctrl_c_at_any_moment_is_clean(command, tmp_path, capsys, share, duration):
    """A timer takes the part of the user: its signal is handled as that of Ctrl-C is."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, share * duration)
        status = command(steps="5")
    except KeyboardInterrupt:  # before or after all; the program `nst-teach` handles it
        status = cli.EXIT_INTERRUPTED
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    errors = capsys.readouterr().err
    lost = status == cli.EXIT_BAD_INPUT and LOST_IN_TORCH in errors
    assert status in (0, cli.EXIT_INTERRUPTED) or lost
    assert "Traceback" not in errors
    assert unfinished(tmp_path) == []


LOST_IN_TORCH = "could not determine the shape"
"""While torch wraps the bytes of a file, its C++ turns an interruption into this error of its own;
the command then says that the weights cannot be read, and ends as cleanly."""


@pytest.fixture(scope="module")
def duration(tmp_path_factory):
    """Seconds that the command of the previous test takes without an interruption."""
    output = str(tmp_path_factory.mktemp("timed") / "out.png")
    words = ["chelsea", "dots", "--quiet", "--size=32", "--steps=5", "-o", output]
    assert cli.main(words) == 0  # it fills caches
    started = time.perf_counter()
    assert cli.main([*words, "--force"]) == 0
    return time.perf_counter() - started


# --- its words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relu4_2", ("relu4_2",)),
        ("relu1_1,relu2_1", ("relu1_1", "relu2_1")),
        (" relu1_1 , relu2_1, ", ("relu1_1", "relu2_1")),
        ("relu1_1=0.7,relu2_1=3", {"relu1_1": 0.7, "relu2_1": 3.0}),
        ("relu1_1 = 0.7, relu2_1 = 3", {"relu1_1": 0.7, "relu2_1": 3.0}),
        ("", ()),
    ],
)
def test_layers_are_names_or_names_with_weights(text, expected):
    assert options.layers(text) == expected


@pytest.mark.parametrize("text", ["relu1_1=much", "relu1_1=1=2", "relu1_1,relu2_1=1", "relu1_1="])
def test_layers_that_are_neither_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected names"):
        options.layers(text)


@pytest.mark.parametrize("text", ["relu1_1=.7,relu1_1=.3", "relu1_1,relu2_1,relu1_1"])
def test_a_layer_given_twice_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected each layer once"):
        options.layers(text)


def test_it_tells_its_version(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"nst-teach {nst_teach.__version__}\n"


def test_options_are_called_as_in_python():
    """Whoever knows one knows the other."""
    ours = {action.dest for action in cli.parser()._actions}
    theirs = set(inspect.signature(transfer).parameters)
    assert theirs - ours == {"content", "callback", "progress"}
    loading = set(inspect.signature(networks.load_network).parameters) - {"name"}
    assert ours - theirs - loading == {
        "help", "version", "photo", "output", "force", "plot", "quiet",
    }  # fmt: skip


def test_defaults_are_those_of_python():
    """Except the precision: numbers in Python are the same everywhere, the command is fast."""
    given = vars(cli.parser().parse_args(["a", "b", "-o", "c.png"]))
    assert given.pop("precision") == "auto"
    for name, parameter in inspect.signature(transfer).parameters.items():
        if name in given and parameter.default is not inspect.Parameter.empty:
            assert given[name] == parameter.default, name


def test_precision_and_memory_reach_transfer(command, out, capsys):
    command("--precision=bfloat16", "--memory=low")
    assert "px, bfloat16, 2 steps" in capsys.readouterr().out
    options = {"steps": 2, "size": 32, "progress": False}
    expected = transfer("chelsea", "dots", precision="bfloat16", memory="low", **options)
    assert (load_image(out) - expected.image).abs().max() <= 0.5 / 255 + 1e-6


def test_help_lists_the_samples(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    assert "chelsea" in capsys.readouterr().out


# --- as a program --------------------------------------------------------------------------------


def python(*arguments: str, folder) -> subprocess.CompletedProcess:
    """A fresh interpreter in an empty folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONUNBUFFERED", None)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_it_runs_as_a_program(tmp_path):
    words = ["chelsea", "dots", "-o", "out.png", "--size=32", "--steps=1"]
    done = python("-m", "nst_teach.cli", *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("out.png: Result(")
    assert (tmp_path / "out.png").is_file()


@pytest.fixture
def interrupted_torch(tmp_path):
    """A folder whose `torch` is interrupted while it is imported."""
    (tmp_path / "torch.py").write_text("raise KeyboardInterrupt")
    return tmp_path


def test_ctrl_c_during_the_imports_leaves_one_line(interrupted_torch):
    done = python("-c", f"{HERE}; {PROGRAM}", folder=interrupted_torch)
    assert (done.returncode, done.stderr) == (130, "nst-teach: interrupted\n")


@needs_posix
def test_a_reader_who_has_seen_enough_leaves_no_trace(tmp_path):
    """`nst-teach --help | head -0`: the pipe is closed before there is anything to read."""
    code = f"import os; os.close(0); r, w = os.pipe(); os.close(r); os.dup2(w, 1); {PROGRAM}"
    done = python("-c", code, "--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (141, "")


def stand_in(tmp_path: Path, *, loading: str = "", main: str = "") -> str:
    """A program that takes the place of nst_teach.cli, without torch: quick to start."""
    (tmp_path / "nst_teach").mkdir()
    (tmp_path / "nst_teach" / "__init__.py").write_text("")
    source = (
        f"import atexit, os, signal\n{loading}\ndef main():\n    {main or 'pass'}\n    return 0\n"
    )
    (tmp_path / "nst_teach" / "cli.py").write_text(source)
    return f"{HERE}; {PROGRAM}"


INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)"


@needs_posix
def test_ctrl_c_that_an_import_turns_into_another_error_leaves_one_line(tmp_path):
    """As C++ does: whoever imports NumPy then reads of an ImportError."""
    loading = f"try:\n    {INTERRUPT}\nexcept KeyboardInterrupt:\n    raise ImportError('numpy')"
    done = python("-c", stand_in(tmp_path, loading=loading), folder=tmp_path)
    assert (done.returncode, done.stderr) == (130, "nst-teach: interrupted\n")


@needs_posix
def test_ctrl_c_while_python_ends_leaves_no_traceback(tmp_path):
    loading = f"atexit.register(lambda: {INTERRUPT})"
    done = python("-c", stand_in(tmp_path, loading=loading), folder=tmp_path)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")  # 130 in a shell


@needs_posix
def test_ctrl_c_stays_ignored_under_nohup(tmp_path):
    code = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {HERE}; {PROGRAM}"
    stand_in(tmp_path, loading=INTERRUPT, main=INTERRUPT)
    done = python("-c", code, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@needs_posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_words_that_cannot_be_printed_are_an_error_of_one_line(tmp_path):
    code = f"import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); {HERE}; {PROGRAM}"
    stand_in(tmp_path, main="print('out.png: Result')")
    done = python("-c", code, folder=tmp_path)
    words = "nst-teach: cannot write to stdout: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, words)


@needs_posix
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_picture_does_not_take_the_place_of_a_closed_stream(tmp_path, closed):
    """The next file gets the lowest free number; what is printed by C would be written into it."""
    main = "assert os.open('a', os.O_CREAT | os.O_WRONLY) > 2; print('done', flush=True)"
    code = stand_in(tmp_path, main=main)
    words = ["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if closed.endswith(" >&- 2>&-") or closed == ">&-" else "done\n")


HERE = "import sys; sys.path.insert(0, '')"
PROGRAM = "import sys, nst_teach_command; sys.exit(nst_teach_command.main())"


def test_the_program_is_what_is_installed_as_nst_teach():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"nst-teach": "nst_teach_command:main"}


def test_importing_the_package_is_light(tmp_path):
    """What only some need is imported where it is used."""
    code = f"import sys, nst_teach; print([m for m in {HEAVY} if m in sys.modules])"
    done = python("-c", code, folder=tmp_path)
    assert done.stdout.strip() == "[]", done.stderr
