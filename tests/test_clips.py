"""Clips: what is saved comes back, in time and upright, and what is no clip is explained."""

from __future__ import annotations

import builtins
import itertools
import math
import shutil
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nst_teach import load_image, save_image, to_pil
from nst_teach.clips import FOLDER_FPS, Clip, ClipError, load_clip, save_clip
from nst_teach.images import ImageError

av = pytest.importorskip("av")

HEIGHT, WIDTH, COUNT, FPS = 48, 64, 6, 12.0
COLOURS = torch.tensor([[0.8, 0.2, 0.1], [0.1, 0.7, 0.3], [0.2, 0.3, 0.9], [0.9, 0.9, 0.9]])
CODEC_ERROR = 0.015  # mean over a frame of a photograph; colours are stored at half the resolution
PALETTE_ERROR = 0.012  # the same for a GIF


@pytest.fixture(scope="module")
def photographs() -> list[torch.Tensor]:
    """A pan over the cat, by 4 pixels a frame."""
    cat = load_image("chelsea", size=256)
    return [cat[..., 40 : 40 + HEIGHT, 40 + 4 * t : 40 + 4 * t + WIDTH] for t in range(COUNT)]


def quarters(height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    """A picture whose quarters are red, green, blue and white: it shows which way is up."""
    image = COLOURS.view(2, 2, 3).permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(image, (height, width), mode="nearest")


def corners(image: torch.Tensor) -> list[int]:
    """Which of the `COLOURS` the quarters have, row by row."""
    height, width = image.shape[-2:]
    places = itertools.product((height // 4, 3 * height // 4), (width // 4, 3 * width // 4))
    seen = [image[0, :, row, column] for row, column in places]
    return [int((COLOURS - colour).square().sum(1).argmin()) for colour in seen]


def grey(level: float) -> torch.Tensor:
    return torch.full((1, 3, 16, 16), level)


def levels(clip: Clip) -> list[int]:
    """Which of the grey frames k/10 a clip shows."""
    return [round(10 * frame.mean().item()) for frame in clip.frames]


# --- there and back ------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm", ".gif", ""])
def test_what_is_saved_comes_back(photographs, tmp_path, ending):
    path = save_clip(Clip(iter(photographs), FPS), tmp_path / f"clip{ending}")
    clip = load_clip(path, fps=None if ending else FPS)
    frames = list(clip.frames)
    assert clip.fps == pytest.approx(FPS, rel=0.01)
    assert len(clip.frames) == len(frames) == COUNT
    error = max((a - b).abs().mean().item() for a, b in zip(frames, photographs, strict=True))
    assert error < {"": 0.5 / 255, ".gif": PALETTE_ERROR}.get(ending, CODEC_ERROR)
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


def test_colours_come_back_in_the_shades_of_hd(tmp_path):
    """The matrix of Rec. 601 instead of 709 would shift them by several hundredths."""
    frame = quarters()
    clip = load_clip(save_clip(Clip([frame] * 2, 24), tmp_path / "clip.mp4"))
    inner = (..., slice(4, 20), slice(4, 28))
    assert (next(iter(clip.frames)) - frame)[inner].abs().max() < 0.015


def test_a_rate_that_is_no_whole_number_survives(tmp_path):
    ntsc = 30000 / 1001
    clip = load_clip(save_clip(Clip([grey(0.5)] * 3, ntsc), tmp_path / "clip.mp4"))
    assert clip.fps == pytest.approx(ntsc, rel=1e-9)


def test_frames_can_be_read_more_than_once(photographs, tmp_path):
    clip = load_clip(save_clip(Clip(photographs, FPS), tmp_path / "clip.mp4"))
    assert torch.equal(torch.cat(list(clip.frames)), torch.cat(list(clip.frames)))


def test_an_odd_row_is_repeated(tmp_path):
    frame = load_image("chelsea", size=(33, 47))
    (loaded,) = load_clip(save_clip(Clip([frame], 24), tmp_path / "clip.mp4")).frames
    assert loaded.shape == (1, 3, 34, 48)
    assert (loaded[..., :33, :47] - frame).abs().mean() < 2 * CODEC_ERROR
    assert (loaded[..., 33, :] - loaded[..., 32, :]).abs().mean() < CODEC_ERROR


def test_frames_are_read_one_at_a_time(tmp_path):
    """The writer asks for a frame when it has written the one before."""
    alive = []

    def frames():
        for t in range(20):
            yield grey(t / 20)
            alive.append(len(list(tmp_path.iterdir())))

    save_clip(Clip(frames(), 24), tmp_path / "clip.mkv")
    assert alive == [1] * 20, "the film is not written while frames are made"


# --- a part of a clip ----------------------------------------------------------------------------


@pytest.fixture
def counting(tmp_path) -> Path:
    """Ten grey frames of the levels 0, 0.1, …, 0.9, at 10 frames a second."""
    return save_clip(Clip([grey(k / 10) for k in range(10)], 10), tmp_path / "counting.mkv")


@pytest.mark.parametrize(
    ("options", "expected", "fps"),
    [
        ({}, list(range(10)), 10),
        ({"frames": 3}, [0, 1, 2], 10),
        ({"frames": 99}, list(range(10)), 10),
        ({"every": 3}, [0, 3, 6, 9], 10 / 3),
        ({"every": 3, "frames": 2}, [0, 3], 10 / 3),
        ({"fps": 20, "frames": 5}, [0, 0, 1, 1, 2], 20),
        ({"fps": 5}, [1, 3, 5, 7, 9], 5),
    ],
)
def test_parts_are_counted_in_frames(counting, options, expected, fps):
    """At half the rate, two frames fall on the same moment, and the later one stays."""
    clip = load_clip(counting, **options)
    assert clip.fps == pytest.approx(fps)
    if options.get("fps") == 5:
        assert all(abs(a - b) <= 1 for a, b in zip(levels(clip), expected, strict=False))
    else:
        assert levels(clip) == expected
        assert len(clip.frames) == len(expected)


def test_the_size_is_that_of_load_image(photographs, tmp_path):
    path = save_clip(Clip(photographs, FPS), tmp_path / "clip.mp4")
    assert next(iter(load_clip(path, size=32).frames)).shape == (1, 3, 24, 32)
    assert next(iter(load_clip(path, size=(20, 30)).frames)).shape == (1, 3, 20, 30)
    with pytest.raises(ImageError, match="size=0 was given"):
        load_clip(path, size=0)


# --- time ----------------------------------------------------------------------------------------


def write(path: Path, frames: list[torch.Tensor], times: list[Fraction], **settings) -> Path:
    """A film whose frames appear at the given seconds; a second way to write one."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "10", "bf": "0"})
        stream.height, stream.width = frames[0].shape[-2:]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 600)
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        for image, seconds in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_image(to_pil(image))
            frame.pts, frame.time_base = round(seconds * 600), Fraction(1, 600)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_variable_rate_keeps_its_times(tmp_path):
    """A phone in the dark: 20 frames a second, then 10; at 20 a second, late ones show twice."""
    times = [Fraction(k, 20) for k in range(4)] + [Fraction(2 + k, 10) for k in range(4)]
    path = write(tmp_path / "phone.mp4", [grey(k / 10) for k in range(8)], times)
    clip = load_clip(path, fps=20)
    assert levels(clip) == [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7]


def test_no_frame_is_displaced_by_more_than_half_a_period(tmp_path):
    times = [Fraction(t, 100) for t in (0, 4, 11, 14, 22, 25, 31, 38, 41, 47)]
    path = write(tmp_path / "phone.mp4", [grey(k / 10) for k in range(10)], times)
    clip = load_clip(path)
    shown = levels(clip)
    first = {level: shown.index(level) / clip.fps for level in shown}
    assert len(first) >= 8
    late = [abs(seconds - float(times[level])) for level, seconds in first.items()]
    assert max(late) <= 0.5 / clip.fps + 1e-6


def test_a_gif_keeps_its_times(tmp_path):
    frames = [to_pil(grey(k / 10)) for k in range(4)]
    path = tmp_path / "slow.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 100, 300, 100])
    assert levels(load_clip(path, fps=10)) == [0, 1, 2, 2, 2, 3]


# --- which way is up -----------------------------------------------------------------------------


def turned(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """A copy of an MP4 with this matrix in the header of its track (ISO 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # after version, times, number, duration, layer, volume
    one = 1 << 16
    rows = (a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    assert struct.unpack_from(">9i", data, place) == (one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, place, *rows)
    copy = path.with_name(f"turned{a}{b}{c}{d}.mp4")
    copy.write_bytes(bytes(data))
    return copy


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), [0, 1, 2, 3]),
        ((0, 1, -1, 0), [2, 0, 3, 1]),  # a phone held upright: a quarter turn clockwise
        ((0, -1, 1, 0), [1, 3, 0, 2]),  # a quarter turn counterclockwise
        ((-1, 0, 0, -1), [3, 2, 1, 0]),  # upside down
        ((-1, 0, 0, 1), [1, 0, 3, 2]),  # a mirror
        ((1, 0, 0, -1), [2, 3, 0, 1]),
        ((0, 1, 1, 0), [0, 2, 1, 3]),  # transposed
    ],
)
def test_a_turned_film_is_shown_upright(tmp_path, matrix, expected):
    straight = save_clip(Clip([quarters()] * 2, 24), tmp_path / "straight.mp4")
    frame = next(iter(load_clip(turned(straight, *matrix)).frames))
    shape = (WIDTH, HEIGHT) if matrix[0] == 0 else (HEIGHT, WIDTH)
    assert frame.shape[-2:] == shape
    assert corners(frame) == expected


def test_wide_pixels_are_made_square(tmp_path):
    path = write(
        tmp_path / "wide.mp4", [quarters()], [Fraction(0)], sample_aspect_ratio=Fraction(3, 2)
    )
    frame = next(iter(load_clip(path).frames))
    assert frame.shape[-2:] == (HEIGHT, 3 * WIDTH // 2)
    assert corners(frame) == [0, 1, 2, 3]


# --- folders -------------------------------------------------------------------------------------


def test_a_folder_is_sorted_by_its_numbers(tmp_path):
    for k in (1, 2, 10):
        save_image(grey(k / 10), tmp_path / f"frame{k}.png")
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / ".frame3.png").write_text("a hidden file")
    clip = load_clip(tmp_path)
    assert levels(clip) == [1, 2, 10]
    assert clip.fps == FOLDER_FPS
    assert load_clip(tmp_path, fps=6, every=2).fps == 3


def test_frames_of_different_sizes_are_refused(tmp_path):
    save_image(grey(0.5), tmp_path / "1.png")
    save_image(quarters(), tmp_path / "2.png")
    with pytest.raises(ClipError, match=r"frame 2 of .* has the shape .* expected frames of one"):
        list(load_clip(tmp_path).frames)
    assert len(list(load_clip(tmp_path, size=(8, 8)).frames)) == 2


def test_a_full_folder_is_not_written_into(tmp_path):
    (tmp_path / "notes.txt").write_text("a year's work")
    with pytest.raises(ClipError, match="it exists"):
        save_clip(Clip([grey(0.5)], 24), tmp_path)
    with pytest.raises(ClipError, match="it exists"):
        save_clip(Clip([grey(0.5)], 24), tmp_path.parent / tmp_path.name)


# --- what is no clip -----------------------------------------------------------------------------


def audio(path: Path) -> Path:
    """Half a second of a tone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        tone = np.sin(np.arange(4096) * 0.3).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_sound_alone_is_no_clip(tmp_path):
    with pytest.raises(ClipError, match="has no video stream, only audio"):
        load_clip(audio(tmp_path / "tone.m4a"))


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.gif", "film.xyz"])
@pytest.mark.parametrize("data", [b"", b"not what the ending says", bytes(range(256)) * 40])
def test_rubbish_is_no_clip(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ClipError, match="damaged or truncated"):
        load_clip(tmp_path / name)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(ClipError, match=r"there is no file or folder 'nowhere\.mp4'"):
        load_clip("nowhere.mp4")
    with pytest.raises(ClipError, match="has no frames; expected pictures"):
        load_clip(tmp_path)


def test_one_picture_is_no_clip(tmp_path):
    with pytest.raises(ClipError, match=r"is a single picture \(PNG\)"):
        load_clip(save_image(grey(0.5), tmp_path / "photo.png"))


def fast_start(path: Path) -> Path:
    """A copy whose index stands at the beginning, as in most films from the web."""
    copy = path.with_name("web.mp4")
    with (
        av.open(str(path)) as old,
        av.open(str(copy), "w", options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return copy


@pytest.mark.parametrize("kind", ["index at the end", "index first", "matroska", "gif"])
def test_a_truncated_film_is_found_before_the_work(tmp_path, kind):
    cat = load_image("chelsea", size=256)
    frames = [cat[..., t : t + 64, 2 * t : 2 * t + 96] for t in range(24)]
    ending = {"matroska": ".mkv", "gif": ".gif"}.get(kind, ".mp4")
    path = save_clip(Clip(frames, 24), tmp_path / f"whole{ending}")
    if kind == "index first":
        path = fast_start(path)
    assert len(load_clip(path).frames) == 24
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 7 // 10])
    with pytest.raises(ClipError, match="damaged or truncated"):
        load_clip(path)
    if kind == "index first":
        assert len(list(load_clip(path, frames=2).frames)) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "frames=0 was given"),
        ({"every": 0}, "every=0 was given"),
        ({"every": -2}, "every=-2 was given"),
        ({"fps": 0}, "fps=0 was given"),
        ({"fps": math.nan}, "fps=nan was given"),
    ],
)
def test_what_cannot_be_counted_is_refused(counting, options, message):
    with pytest.raises(ClipError, match=message):
        load_clip(counting, **options)


@pytest.mark.parametrize(
    ("frames", "name", "message"),
    [
        ([], "clip.mp4", "has no frames"),
        ([grey(0.5)], "clip.xyz", "cannot save a clip as 'clip.xyz'"),
        ([grey(0.5), quarters()], "clip.mp4", "frame 2 of the clip has the shape"),
    ],
)
def test_what_cannot_be_saved_leaves_nothing_behind(tmp_path, frames, name, message):
    with pytest.raises(ClipError, match=message):
        save_clip(Clip(frames, 24), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_without_pyav_only_films_are_refused(photographs, tmp_path, monkeypatch):
    film = save_clip(Clip(photographs, FPS), tmp_path / "clip.mp4")
    real = builtins.__import__

    def without_av(name, *args, **options):
        if name == "av":
            raise ImportError("No module named 'av'")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without_av)
    for fail in (lambda: load_clip(film), lambda: save_clip(Clip(photographs, FPS), film)):
        with pytest.raises(ClipError, match=r"PyAV, which is not installed. .*\[film\]"):
            fail()
    for name in ("clip.gif", "clip"):
        assert len(load_clip(save_clip(Clip(photographs, FPS), tmp_path / name)).frames) == COUNT


def test_a_film_in_the_wrong_folder_is_explained(tmp_path):
    with pytest.raises(ImageError, match="cannot write into"):
        save_clip(Clip([grey(0.5)], 24), tmp_path / "tpyo" / "clip.mp4")


def test_a_cover_picture_is_no_film(tmp_path):
    """Music files carry one as a video stream."""
    tone = audio(tmp_path / "tone.m4a")
    cover = tmp_path / "cover.jpg"
    Image.new("RGB", (16, 16), (200, 0, 0)).save(cover)
    album = tmp_path / "album.m4a"
    with (
        av.open(str(tone)) as old,
        av.open(str(cover)) as art,
        av.open(str(album), "w", format="mp4") as new,
    ):
        sound = new.add_stream_from_template(old.streams.audio[0])
        picture = new.add_stream_from_template(art.streams.video[0])
        picture.disposition = av.stream.Disposition.attached_pic.value
        for source, stream in ((art.streams.video[0], picture), (old.streams.audio[0], sound)):
            for packet in source.container.demux(source):
                if packet.dts is not None:
                    packet.stream = stream
                    new.mux(packet)
    with av.open(str(album)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(ClipError, match="has no video stream"):
        load_clip(album)


def test_a_clip_that_was_moved_away_is_named(photographs, tmp_path):
    clip = load_clip(save_clip(Clip(photographs, FPS), tmp_path / "clip.mp4"))
    shutil.move(tmp_path / "clip.mp4", tmp_path / "elsewhere.mp4")
    with pytest.raises(ClipError, match=r"clip.mp4.*No such file"):
        next(iter(clip.frames))
