"""Films: what each frame is made of, what flickers, what is kept, and the command."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from PIL import Image

from nst_teach import (
    TransferError,
    cli,
    film,
    film_command,
    load_image,
    networks,
    save_image,
    transfer,
)
from nst_teach.clips import Clip, ClipError, load_clip, save_clip
from nst_teach.film import LONG_TERM, discard_frames, finished_frames, paint_clip
from nst_teach.motion import Motion
from nst_teach.records import Stop
from nst_teach.video import flicker, visible, warp

HEIGHT, WIDTH, COUNT, STEP = 48, 64, 5, 2
QUICK = {"steps": 2, "first_steps": 3, "progress": False}
UNPAINTED = {"steps": 0, "first_steps": 0, "progress": False}
ROUNDING = 0.5 / 255 + 1e-6


def constant(right: float, down: float = 0.0) -> torch.Tensor:
    return torch.tensor([float(right), float(down)]).view(1, 2, 1, 1).repeat(1, 1, HEIGHT, WIDTH)


BACK, FORTH = constant(STEP), constant(-STEP)
SEEN = visible(BACK, FORTH)


def pan(count: int = COUNT) -> list[torch.Tensor]:
    """A camera that moves right over the cat by `STEP` pixels a frame."""
    cat = load_image("chelsea", size=256)
    places = [60 + STEP * t for t in range(count)]
    return [cat[..., 60 : 60 + HEIGHT, left : left + WIDTH].clone() for left in places]


@pytest.fixture(scope="module")
def frames() -> list[torch.Tensor]:
    return pan()


@pytest.fixture
def known_motion(monkeypatch):
    """The true motion of the pan instead of an estimate; records the pairs that were asked for."""
    frames, asked = pan(12), []

    def number(frame: torch.Tensor) -> int:
        return min(range(12), key=lambda t: (frames[t] - frame).abs().sum().item())

    def motion(earlier, frame, **_):
        before, now = number(earlier), number(frame)
        asked.append((before, now))
        way = STEP * (now - before)
        seen = visible(constant(way), constant(-way))
        return Motion(constant(way), constant(-way), seen, seen)

    monkeypatch.setattr(film, "estimate_motion", motion)
    return asked


@pytest.fixture
def painted(monkeypatch):
    """Counts the frames that are painted, and interrupts one of them if a test asks for it."""
    optimize, count = film.optimize, []

    def watched(*arguments, **options):
        count.append(1)
        result = optimize(*arguments, **options)
        if len(count) in watched.trouble:
            result.stopped, result.reason = watched.trouble[len(count)], "a reason"
        return result

    watched.count, watched.trouble = count, {}
    monkeypatch.setattr(film, "optimize", watched)
    return watched


def eight_bits(image: torch.Tensor) -> torch.Tensor:
    return (image.clamp(0, 1) * 255).round() / 255


# --- what a frame is made of ---------------------------------------------------------------------


def test_a_film_has_the_frames_of_the_clip(frames):
    out = list(paint_clip(Clip(frames, 12), "dots", **QUICK))
    assert [frame.shape for frame in out] == [frame.shape for frame in frames]
    for frame in out:
        assert 0 <= frame.min() < frame.max() <= 1
        torch.testing.assert_close(frame, eight_bits(frame), atol=1e-6, rtol=0)


def test_the_first_frame_is_a_transfer(frames):
    (out,) = paint_clip(Clip(frames[:1], 12), "dots", **QUICK)
    expected = transfer(frames[0], "dots", size=None, steps=3, progress=False).image
    assert (out - expected).abs().max() <= ROUNDING


@pytest.mark.usefixtures("known_motion")
def test_without_steps_only_the_warped_start_remains(frames):
    """Each frame is the previous one, warped; what came in is that of the photograph."""
    expected = [eight_bits(frames[0])]
    for frame in frames[1:]:
        expected.append(eight_bits(torch.where(SEEN > 0, warp(expected[-1], BACK), frame)))
    out = list(paint_clip(Clip(frames, 12), "dots", **UNPAINTED))
    torch.testing.assert_close(out, expected, atol=1.01 / 255, rtol=0)


@pytest.mark.usefixtures("known_motion")
def test_a_start_from_noise_enters_only_where_nothing_was(frames):
    out = list(paint_clip(Clip(frames, 12), "dots", start="noise", seed=3, **UNPAINTED))
    generator = torch.Generator().manual_seed(3)
    noise = torch.rand(frames[0].shape, generator=generator)
    torch.testing.assert_close(out[0], eight_bits(noise), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        out[1][..., -STEP:], eight_bits(noise)[..., -STEP:], atol=1e-6, rtol=0
    )
    assert (out[1] - warp(out[0], BACK))[..., :-STEP].abs().max() < 1.01 / 255


@pytest.mark.usefixtures("known_motion")
def test_a_heavy_temporal_loss_holds_what_is_seen(frames):
    """Without it, the optimiser leaves the warped start."""

    def departure(temporal: float) -> float:
        clip = Clip(frames[:2], 12)
        first, second = paint_clip(
            clip, "dots", temporal=temporal, steps=10, first_steps=3, progress=False
        )
        return (SEEN * (second - warp(first, BACK))).abs().mean().item()

    assert departure(1e12) < 0.5 / 255
    assert departure(0) > 5 / 255


def test_long_term_compares_with_several_frames(frames, known_motion):
    """One, two and four frames back, as far as there are any; the nearest first."""
    list(paint_clip(Clip(frames, 12), "dots", long_term=True, **UNPAINTED))
    expected = [(t - d, t) for t in range(COUNT) for d in LONG_TERM if d <= t]
    assert known_motion == expected
    known_motion.clear()
    list(paint_clip(Clip(frames, 12), "dots", **UNPAINTED))
    assert known_motion == [(t - 1, t) for t in range(1, COUNT)]


def test_long_term_remembers_what_was_hidden_for_a_moment(frames, monkeypatch):
    """The previous frame shows the upper half, the one before it all: it holds the lower half."""
    upper = torch.zeros(1, 1, HEIGHT, WIDTH)
    upper[..., : HEIGHT // 2, :] = 1
    everything = torch.ones_like(upper)
    asked = []

    def motion(earlier, frame, **_):
        asked.append(earlier)
        seen = upper if len(asked) in (1, 2) else everything  # frame 1; then 2 with 1, 2 with 0
        return Motion(constant(0), constant(0), seen, seen)

    held = []

    def steady(objective, expected, mask, weight):
        held.append(mask)
        return objective

    monkeypatch.setattr(film, "estimate_motion", motion)
    monkeypatch.setattr(film, "steady", steady)
    list(paint_clip(Clip(frames[:3], 12), "dots", long_term=True, **UNPAINTED))
    assert torch.equal(held[1], upper)
    assert torch.equal(held[2], everything - upper)


@pytest.mark.usefixtures("known_motion")
def test_two_passes_blend_a_frame_with_its_neighbour(frames):
    """The first paints each frame independently, the second starts half-way to the neighbour."""
    out = list(paint_clip(Clip(frames, 12), "dots", passes=2, **UNPAINTED))
    expected = [eight_bits(frames[0])]
    for frame in frames[1:]:
        blend = torch.lerp(eight_bits(frame), warp(expected[-1], BACK), 0.5 * SEEN)
        expected.append(eight_bits(blend))
    torch.testing.assert_close(out, expected, atol=1.01 / 255, rtol=0)


def test_passes_alternate_and_end_forwards(frames, known_motion):
    list(paint_clip(Clip(frames[:3], 12), "dots", passes=3, **UNPAINTED))
    assert known_motion == [(2, 1), (1, 0), (0, 1), (1, 2)]


@pytest.mark.usefixtures("known_motion")
def test_the_temporal_loss_takes_part_in_the_later_passes(frames, monkeypatch):
    held, steady = [], film.steady

    def watched(*arguments):
        held.append(1)
        return steady(*arguments)

    monkeypatch.setattr(film, "steady", watched)
    list(paint_clip(Clip(frames[:3], 12), "dots", passes=4, **UNPAINTED))
    assert len(held) == 2 * 2, "two pairs in each of the last two of four passes"


def test_a_weight_chosen_for_the_first_frame_is_kept(frames, monkeypatch):
    betas, objective = [], film.StyleObjective

    def watched(*arguments, **weights):
        betas.append(weights["beta"])
        return objective(*arguments, **weights)

    monkeypatch.setattr(film, "StyleObjective", watched)
    list(paint_clip(Clip(frames[:3], 12), "dots", **UNPAINTED))
    assert betas[0] is None
    assert len({*betas[1:]}) == 1
    assert betas[1] > 0


# --- flicker -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "limit"), [({}, 0.1), ({"passes": 3}, 0.1)])
def test_from_noise_a_film_flickers_a_tenth_of_its_frames_alone(frames, options, limit):
    """The same steps, style and photographs; each frame alone begins with noise of its own."""
    steps = 8
    alone = [
        transfer(frame, "stained_glass", size=None, start="noise", seed=t, steps=steps,
                 progress=False).image
        for t, frame in enumerate(frames)
    ]  # fmt: skip
    together = list(
        paint_clip(
            Clip(frames, 12), "stained_glass", start="noise", steps=steps, first_steps=steps,
            progress=False, **options,
        )
    )  # fmt: skip
    flows, masks = [BACK] * (COUNT - 1), [SEEN] * (COUNT - 1)
    ratio = flicker(together, flows, masks).mean() / flicker(alone, flows, masks).mean()
    assert ratio < limit


# --- memory --------------------------------------------------------------------------------------


def test_frames_come_out_before_the_next_ones_go_in(frames):
    read = []

    def source():
        for t, frame in enumerate(frames):
            read.append(t)
            yield frame

    for t, _ in enumerate(paint_clip(Clip(source(), 12), "dots", **UNPAINTED)):
        assert read == list(range(t + 1))


@pytest.mark.parametrize("long_term", [False, True])
def test_memory_does_not_grow_with_the_clip(long_term):
    """Of twelve frames, only those that are compared are alive at a time, and the first."""
    alive: weakref.WeakSet = weakref.WeakSet()
    most = []

    def source():
        for frame in pan(12):
            kept = frame[..., :32, :32].clone()
            alive.add(kept)
            yield kept
            most.append(len(alive))

    film = paint_clip(Clip(source(), 12), "dots", long_term=long_term, **UNPAINTED)
    for image in film:
        alive.add(image)
    assert max(most) <= 2 * (max(LONG_TERM) if long_term else 1) + 3


# --- going on after an interruption --------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"long_term": True}, {"passes": 2}])
def test_an_interrupted_film_goes_on_where_it_was(frames, tmp_path, painted, options):
    """The same images as without the interruption, and no frame painted twice."""
    clip = Clip(frames, 12)
    expected = list(paint_clip(clip, "dots", folder=tmp_path / "whole", **options, **QUICK))
    total = len(painted.count)
    painted.count.clear()
    painted.trouble[3] = Stop.INTERRUPTED
    with pytest.raises(KeyboardInterrupt):
        list(paint_clip(clip, "dots", folder=tmp_path / "cut", **options, **QUICK))
    painted.trouble.clear()
    painted.count.clear()
    out = list(paint_clip(clip, "dots", folder=tmp_path / "cut", **options, **QUICK))
    assert len(painted.count) == total - 2
    assert torch.equal(torch.cat(out), torch.cat(expected))


def test_without_a_folder_the_film_is_the_same(frames, tmp_path):
    clip = Clip(frames[:3], 12)
    kept = list(paint_clip(clip, "dots", folder=tmp_path, **QUICK))
    assert torch.equal(torch.cat(kept), torch.cat(list(paint_clip(clip, "dots", **QUICK))))


def test_after_a_gap_frames_are_painted_again(frames, tmp_path, painted):
    """And so are those whose file is damaged."""
    clip = Clip(frames, 12)
    whole = list(paint_clip(clip, "dots", folder=tmp_path, **QUICK))
    files = sorted(finished_frames(tmp_path).iterdir())
    files[3].write_bytes(files[3].read_bytes()[:100])
    painted.count.clear()
    again = list(paint_clip(clip, "dots", folder=tmp_path, **QUICK))
    assert len(painted.count) == 2
    files[1].unlink()
    painted.count.clear()
    assert len(list(paint_clip(clip, "dots", folder=tmp_path, **QUICK))) == COUNT
    assert len(painted.count) == 4
    assert torch.equal(torch.cat(again), torch.cat(whole))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 4}, "steps: 2 there, 4 now"),
        ({"beta": 7.0}, "beta: .* there, 7.0 now"),
        ({"long_term": True}, "long_term: False there, True now"),
        ({"passes": 2}, "passes: 1 there, 2 now"),
        ({"style": "night_swirls"}, "another clip, style picture or network"),
    ],
)
def test_other_settings_do_not_go_on(frames, tmp_path, options, message):
    clip, given = Clip(frames[:2], 12), {"style": "dots", **QUICK}
    list(paint_clip(clip, folder=tmp_path, **given))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    with pytest.raises(ClipError, match=message):
        paint_clip(clip, folder=tmp_path, **given | options)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")} == before


@pytest.mark.parametrize("passes", [1, 2])
def test_another_clip_does_not_go_on(frames, tmp_path, passes):
    """Even one that begins with the same frame."""
    list(paint_clip(Clip(frames[:3], 12), "dots", folder=tmp_path, passes=passes, **UNPAINTED))
    other = Clip([frames[0], frames[0], frames[2]], 12)
    with pytest.raises(ClipError, match="belongs to another clip"):
        list(paint_clip(other, "dots", folder=tmp_path, passes=passes, **UNPAINTED))


def test_a_longer_part_of_the_clip_goes_on(frames, tmp_path, painted):
    list(paint_clip(Clip(frames[:2], 12), "dots", folder=tmp_path, **QUICK))
    painted.count.clear()
    assert len(list(paint_clip(Clip(frames[:3], 12), "dots", folder=tmp_path, **QUICK))) == 3
    assert len(painted.count) == 1


def test_a_folder_of_something_else_is_left_alone(frames, tmp_path):
    (tmp_path / "thesis.tex").write_text("a year's work")
    with pytest.raises(ClipError, match="has other files in it"):
        paint_clip(Clip(frames, 12), "dots", folder=tmp_path, **QUICK)
    with pytest.raises(ClipError, match="is no folder of painted frames"):
        discard_frames(tmp_path)
    (tmp_path / "settings.json").write_text("{}")
    discard_frames(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"steps": -1}, ValueError, "steps=-1 was given"),
        ({"first_steps": 1.5}, ValueError, "first_steps=1.5 was given"),
        ({"passes": 0}, ValueError, "passes=0 was given; expected a whole number, 1 or more"),
        ({"passes": True}, ValueError, "passes=True was given"),
        ({"temporal": -1.0}, ValueError, "temporal=-1.0 was given"),
        ({"motion": "farneback"}, ValueError, "motion='farneback' was given"),
        ({"clip": Clip([], 12)}, ClipError, "has no frames"),
        ({"clip": Clip(iter(pan(2)), 12), "passes": 2}, ClipError, "can be read only once"),
    ],
)
def test_what_cannot_be_painted_is_refused_at_once(frames, options, error, message):
    given = {"clip": Clip(frames, 12), "style": "dots", **QUICK} | options
    with pytest.raises(error, match=message):
        paint_clip(**given)


def test_a_frame_that_breaks_down_is_named(frames, painted):
    painted.trouble[2] = Stop.NOT_FINITE
    with pytest.raises(TransferError, match="frame 2: a reason"):
        list(paint_clip(Clip(frames, 12), "dots", **QUICK))


# --- the command ---------------------------------------------------------------------------------

SMALL = ("--size=64", "--steps=2", "--first-steps=3", "--frames=4")


@pytest.fixture
def folder(tmp_path, monkeypatch, frames):
    """A folder with a clip, to run `nst-teach film clip.gif dots -o out.gif …` in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(networks.NETWORK_VARIABLE, raising=False)
    save_clip(Clip(frames, 10), tmp_path / "clip.gif")
    return tmp_path


def run(*arguments: str, clip: str = "clip.gif", out: str = "out.gif") -> int:
    return cli.main(["film", clip, "dots", "-o", out, "--quiet", *SMALL, *arguments])


def said(capsys) -> str:
    """The one line on the error stream, which is no traceback."""
    text = capsys.readouterr().err
    assert text.startswith("nst-teach: ")
    assert text.count("\n") == 1
    return text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("out", ["out.gif", "out.mp4"])
def test_it_paints_a_film_and_says_where_it_is(folder, capsys, out):
    if out.endswith(".mp4"):
        pytest.importorskip("av")
    assert run(out=out) == 0
    text, errors = capsys.readouterr()
    assert text.startswith(f"{out}: 4 frames of {WIDTH}×{HEIGHT} px, 10 per second")
    assert errors == ""
    assert names(folder) == ["clip.gif", out]
    clip = load_clip(folder / out)
    assert clip.fps == pytest.approx(10, rel=0.01)
    assert len(list(clip.frames)) == 4


def test_it_does_what_paint_clip_does(folder):
    words = "--alpha=2 --beta=5000 --total-variation=3 --temporal=99 --long-term --passes=2"
    words += " --boundaries --start=noise --seed=4 --optimizer=adam --learning-rate=0.05"
    words += " --content-layers=relu3_1 --style-layers=relu1_1=0.7,relu2_1=0.3 --style-size=24"
    assert run(*words.split(), "--pooling=max", "--keep-frames") == 0
    expected = paint_clip(
        load_clip("clip.gif", frames=4, size=64),
        "dots",
        network=networks.load_network("petite", pooling="max"),
        alpha=2,
        beta=5000,
        total_variation=3,
        temporal=99,
        long_term=True,
        passes=2,
        boundaries=True,
        start="noise",
        seed=4,
        optimizer="adam",
        learning_rate=0.05,
        content_layers="relu3_1",
        style_layers={"relu1_1": 0.7, "relu2_1": 0.3},
        style_size=24,
        precision="auto",
        **QUICK,
    )
    kept = load_clip(finished_frames(folder / "out.gif.frames", 2))
    assert torch.equal(torch.cat(list(kept.frames)), torch.cat(list(expected)))


def test_a_folder_of_frames_can_be_painted(folder, frames):
    save_clip(Clip(frames, 12), folder / "shots")
    assert run("--fps=8", "--every=2", clip="shots") == 0
    assert load_clip("out.gif").fps == pytest.approx(4, rel=0.02)


def test_a_film_that_is_there_is_overwritten_by_force_only(folder, capsys):
    (folder / "out.gif").write_text("a year's work")
    assert run() == 2
    assert "it exists" in said(capsys)
    assert (folder / "out.gif").read_text() == "a year's work"
    assert run("--force") == 0
    assert len(load_clip("out.gif").frames) == 4


@pytest.mark.parametrize(
    ("clip", "out", "message"),
    [
        ("clip.gif", "clip.gif", "it is one of the inputs"),
        ("clip.gif", "./clip.gif", "it is one of the inputs"),
        ("clip.gif", "out.png", "cannot save a clip as 'out.png'"),
        ("clip.gif", "tpyo/out.gif", "there is no folder 'tpyo'"),
        ("nowhere.mp4", "out.gif", "there is no file or folder 'nowhere.mp4'"),
        ("photo.png", "out.gif", "is a single picture"),
        ("empty", "out.gif", "has no frames"),
    ],
)
def test_what_cannot_be_done_is_found_before_the_work(folder, capsys, painted, clip, out, message):
    (folder / "empty").mkdir()
    Image.new("RGB", (40, 40)).save(folder / "photo.png")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert run("--force", clip=clip, out=out) == 2
    assert message in said(capsys)
    assert painted.count == []
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_ctrl_c_leaves_one_line_and_the_frames_so_far(folder, capsys, painted):
    painted.trouble[3] = Stop.INTERRUPTED
    assert run() == 130
    assert "interrupted, the frames so far are in 'out.gif.frames'" in said(capsys)
    assert names(folder) == ["clip.gif", "out.gif.frames"]
    assert len(list(finished_frames(folder / "out.gif.frames").iterdir())) == 2
    painted.trouble.clear()
    painted.count.clear()
    assert run() == 0
    assert len(painted.count) == 2


def test_ctrl_c_before_the_first_frame_says_so(folder, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(film_command, "settings_of", interrupt)
    assert run() == 130
    assert said(capsys) == "nst-teach: interrupted, and nothing was written\n"


def test_other_settings_need_a_restart(folder, capsys, painted):
    painted.trouble[2] = Stop.INTERRUPTED
    assert run() == 130
    said(capsys)
    painted.trouble.clear()
    assert run("--alpha=2") == 2
    assert "alpha: 1.0 there, 2.0 now" in said(capsys)
    assert run("--alpha=2", "--restart") == 0
    assert names(folder) == ["clip.gif", "out.gif"]


def test_a_killed_film_is_resumed(folder, capsys):
    """SIGKILL leaves no time for farewells: what is on the disk then must be enough."""
    words = [sys.executable, "-m", "nst_teach.cli", "film", "clip.gif", "dots", "-o", "out.gif"]
    words += [*SMALL, "--quiet", "--steps=40", "--first-steps=3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    kept = finished_frames(folder / "out.gif.frames")
    process = subprocess.Popen(words, cwd=folder, env=environment)
    try:
        wait_for(lambda: len(list(kept.glob("[0-9]*.png"))) >= 2, process)
    finally:
        process.kill()
        process.wait()
    assert not (folder / "out.gif").exists()
    there = {path: path.stat().st_mtime_ns for path in kept.glob("[0-9]*.png")}
    assert 2 <= len(there) < 4, "the program was killed too late for this test"

    arguments = ["--steps=40", "--first-steps=3"]
    assert run(*arguments, "--keep-frames") == 0
    assert {path: path.stat().st_mtime_ns for path in there} == there
    assert run(*arguments, out="whole.gif") == 0
    assert (folder / "out.gif").read_bytes() == (folder / "whole.gif").read_bytes()
    assert json.loads((kept.parent / "settings.json").read_text())["steps"] == 40


def wait_for(condition, process, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the program ended before it could be killed"
        assert time.monotonic() < end, "no frames after a long time"
        time.sleep(0.01)


def test_the_bar_says_frame_and_time_left(folder, capsys, monkeypatch):
    monkeypatch.delenv("NST_TEACH_PROGRESS", raising=False)
    assert cli.main(["film", "clip.gif", "dots", "-o", "out.gif", *SMALL]) == 0
    shown = capsys.readouterr().err
    assert "frame 4/4" in shown
    assert "left" in shown


def test_options_are_called_as_in_python():
    """Whoever knows one knows the other."""
    ours = {action.dest for action in film_command.parser()._actions}
    painting = set(inspect.signature(paint_clip).parameters)
    loading = set(inspect.signature(load_clip).parameters)
    network = set(inspect.signature(networks.load_network).parameters)
    assert (painting | loading) - ours == {"path", "folder", "progress"}
    assert ours - painting - loading - network == {
        "help", "version", "output", "force", "restart", "keep_frames", "quiet",
    }  # fmt: skip


def test_defaults_are_those_of_python():
    """Except the precision, as for a single picture."""
    given = vars(film_command.parser().parse_args(["a", "b", "-o", "c.mp4"]))
    assert given.pop("precision") == "auto"
    for name, parameter in inspect.signature(paint_clip).parameters.items():
        if name in given and parameter.default is not inspect.Parameter.empty:
            assert given[name] == parameter.default, name


def test_help_of_the_program_mentions_films(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "nst-teach film" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit):
        cli.main(["film", "--help"])
    assert "CLIP" in capsys.readouterr().out


def test_a_photograph_called_film_can_be_painted(folder):
    save_image(load_image("chelsea", size=32), folder / "film.png").rename(folder / "film")
    words = "./film dots -o out.png --size 32 --steps 1 --quiet"
    assert cli.main(words.split()) == 0
