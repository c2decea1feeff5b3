"""Clips in and out: films, animated pictures and folders of frames, read one frame at a time.

A clip is a series of images `(1, 3, H, W)`, RGB in [0, 1], with a constant frame rate. Films are
read and written by PyAV, which carries ffmpeg and is installed with the extra `film`; animated
pictures (GIF, WebP, APNG) and folders need only Pillow. Sound is neither read nor written.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageSequence
from torch import Tensor

from nst_teach import arguments
from nst_teach.images import Size, load_image, save_image, to_pil
from nst_teach.outputs import promised
from nst_teach.source import pip_install

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

FOLDER_FPS = 24.0  # a folder does not say how fast its frames follow one another
BROWSER_DELAY = 100  # milliseconds; what browsers make of a GIF whose frames last no time
PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
ANIMATED = (".apng", ".gif")
FILMS = (".mkv", ".mov", ".mp4", ".webm")
CODECS = {".webm": "libvpx-vp9"}  # all others: H.264, which every player can show
QUALITY = {"libx264": {"crf": "16"}, "libvpx-vp9": {"crf": "18", "b": "0"}}  # hardly any loss
BT709, LIMITED = 1, 1  # how ffmpeg numbers the colours of HD video, and its range 16..235
MISSING = 0.25  # seconds at the end of a film without which it still counts as complete


class ClipError(ValueError):
    """A clip that cannot be used; the message states what was given and what was expected."""


@dataclass(frozen=True)
class Clip:
    """Frames that follow one another at a constant rate.

    Attributes:
        frames: images `(1, 3, H, W)` of one size, RGB in [0, 1]. The frames from `load_clip` have a
            length and are decoded anew during each iteration, so that only one of them is in memory
            at a time; use `list(clip.frames)` to keep them. Any other iterable of images will do.
        fps: frames per second.
    """

    frames: Iterable[Tensor]
    fps: float

    def __post_init__(self) -> None:
        if not 0 < arguments.number(self.fps) < math.inf:
            given = arguments.shown(self.fps)
            raise ClipError(f"fps={given} was given; expected a number above 0, such as 24.")


@dataclass(frozen=True)
class _Moment:
    """A frame not yet converted: the seconds at which it appears, and how to get its picture."""

    seconds: float
    picture: Callable[[], Image.Image]


@dataclass(frozen=True)
class _Source:
    """Where frames come from: each call of `moments` begins again; `name` is for messages."""

    name: str
    fps: float
    moments: Callable[[], Iterator[_Moment]]


def load_clip(
    path: str | os.PathLike[str],
    *,
    size: Size | None = None,
    frames: int | None = None,
    every: int = 1,
    fps: float | None = None,
) -> Clip:
    """Open a film, an animated picture or a folder of frames.

    Args:
        path: a film (whatever ffmpeg can read), a GIF, WebP or APNG, or a folder of pictures. The
            pictures of a folder are sorted by name, and numbers in names by their value.
        size: as for `load_image`; `None` keeps the clip's own size.
        frames: read only so many frames, and only so much of the file; `None` means all.
        every: keep every n-th frame only; the clip then has an n-th of the frame rate.
        fps: frames per second before `every`; `None` means the clip's own average rate. The frames
            of a folder have no times of their own: they follow each other at `fps`, or 24 a second.

    A film with another frame rate than `fps`, or with a variable one, as from most phones, is
    resampled: each frame is shown at the multiple of 1/`fps` nearest to its own time, and repeated
    until the next one appears. No frame is displaced by more than half a period, but where two fall
    on the same moment the first one is dropped. A rotation or reflection in the metadata is
    applied, and so is an aspect ratio of the pixels. High dynamic range is not tone-mapped.

    The file is read once from beginning to end before this function returns, so that a broken one
    is discovered now and not after hours of painting; its frames are not kept.

    Raises:
        ClipError: there is no such file or folder; it is no clip, has no video stream or is
            truncated; PyAV is needed and not installed; an argument is out of range; or, while the
            frames are read, their sizes differ.
        ImageError: an unusable `size`.
    """
    for name, number in (("frames", frames), ("every", every)):
        if number is not None:
            _count(name, number)
    path = Path(path)
    if fps is not None:
        Clip((), fps)  # checks the rate
    source = _open(path, fps)
    rate = source.fps if fps is None else fps
    read = _Frames(source, rate, size, every, frames)
    if not len(read):
        raise ClipError(
            f"{source.name} has no frames. Expected a film, a GIF or a folder of frames."
        )
    next(iter(read))  # an unusable size, or a frame that cannot be converted
    return Clip(read, rate / every)


def _count(name: str, number: Any) -> None:
    try:
        arguments.whole(name, number, least=1)
    except ValueError as error:
        raise ClipError(str(error)) from None


def save_clip(clip: Clip, path: str | os.PathLike[str]) -> Path:
    """Save a clip as a film, a GIF or a folder of PNG files; returns the path.

    Args:
        clip: its frames are read one at a time, so they may come from a generator.
        path: `.mp4`, `.mov` or `.mkv` (H.264), `.webm` (VP9), `.gif`, or a name without an
            extension for a folder. A film has a hidden name until it is complete.

    Only the folder is lossless. A film stores colours at half the resolution (4:2:0, which every
    player can show): thin lines in saturated colours lose some of them, visibly in a small film. A
    GIF has 256 colours, is assembled in memory, and rounds times to 10 ms. Films have an even
    number of rows and columns, so the last row or column of an odd one is repeated.

    Raises:
        ClipError: no clip, no frames, frames of different sizes, an unknown extension, or a folder
            that has files in it already; PyAV is needed and not installed.
        ImageError: a frame is no image, or the file cannot be written.
    """
    check_clip("save_clip", clip)
    path = Path(path)
    frames = _of_one_size(clip.frames)
    first = next(frames, None)
    if first is None:
        raise ClipError(f"the clip for {path.name} has no frames; expected at least one.")
    frames = itertools.chain([first], frames)
    if not path.suffix:
        return _save_folder(frames, path)
    check_ending(path)
    with promised(path) as hidden:
        write = _write_film if path.suffix.lower() in FILMS else _write_gif
        write(frames, hidden, clip.fps)
    return path


def check_clip(function: str, clip: object) -> None:
    """Raise a `ClipError` unless this is a `Clip`, which no path and no list of frames is."""
    if not isinstance(clip, Clip):
        raise ClipError(
            f"{function} got {arguments.shown(clip)}; expected a clip, from load_clip(path) or "
            "Clip(frames, fps)."
        )


def check_ending(path: Path) -> None:
    """Check that `save_clip` can write such a file.

    Raises:
        ClipError: an unknown extension, or PyAV is needed and not installed.
    """
    ending = path.suffix.lower()
    if ending not in (*FILMS, ".gif"):
        raise ClipError(
            f"cannot save a clip as '{path.name}': use an ending such as .mp4, one of "
            f"{', '.join((*FILMS, '.gif'))}."
        )
    if ending in FILMS:
        _import_av()


class _Frames:
    """The frames of a source, resampled to a constant rate; decoded anew in each iteration."""

    def __init__(
        self, source: _Source, fps: float, size: Size | None, every: int, most: int | None
    ):
        self._source, self._fps, self._size = source, fps, size
        self._every, self._most = every, most
        self._count = sum(1 for _ in self._moments())

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Tensor]:
        images = (load_image(moment.picture(), size=self._size) for moment in self._moments())
        return _of_one_size(images, self._source.name)

    def _moments(self) -> Iterator[_Moment]:
        even = _resampled(self._source.moments(), self._fps)
        stop = None if self._most is None else self._most * self._every
        return itertools.islice(even, 0, stop, self._every)


def _resampled(moments: Iterator[_Moment], fps: float) -> Iterator[_Moment]:
    """For each multiple of 1/fps the frame to be shown then."""
    shown: _Moment | None = None
    begin, tick = 0.0, 0
    for moment in moments:
        if shown is None:
            begin = moment.seconds
        due = math.floor((moment.seconds - begin) * fps + 0.5)
        while shown is not None and tick < due:
            yield shown
            tick += 1
        shown = moment
    if shown is not None:
        yield shown


def _of_one_size(frames: Iterable[Tensor], name: str = "the clip") -> Iterator[Tensor]:
    first = None
    for number, frame in enumerate(frames, start=1):
        first = frame.shape if first is None else first
        if frame.shape != first:
            raise ClipError(
                f"frame {number} of {name} has the shape {tuple(frame.shape)}, the first one "
                f"{tuple(first)}; expected frames of one size. Resize them first: size=(H, W)."
            )
        yield frame


def _open(path: Path, fps: float | None) -> _Source:
    if path.is_dir():
        return _open_folder(path, FOLDER_FPS if fps is None else fps)
    if not path.is_file():
        raise ClipError(f"there is no file or folder '{path!s:.200}' (looked in {Path.cwd()}).")
    try:
        with Image.open(path) as picture:
            kind, animated = picture.format, getattr(picture, "n_frames", 1) > 1
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # Pillow does not know it
        if path.suffix.lower() in PICTURES + ANIMATED:
            raise _truncated(path, str(error)) from error
        return _open_film(path)
    if animated:
        return _open_animation(path)
    raise ClipError(
        f"'{path}' is a single picture ({kind}); expected a film, an animated picture or a folder "
        "of frames. Use `transfer` for one picture."
    )


# --- folders -------------------------------------------------------------------------------------


def _open_folder(folder: Path, fps: float) -> _Source:
    files = sorted((f for f in folder.iterdir() if _is_picture(f)), key=_by_number)
    if not files:
        raise ClipError(
            f"the folder '{folder}' has no frames; expected pictures ({', '.join(PICTURES)})."
        )

    def moments() -> Iterator[_Moment]:
        for index, file in enumerate(files):
            yield _Moment(index / fps, partial(_read, file))

    return _Source(f"'{folder}'", fps, moments)


def _read(file: Path) -> Image.Image:
    return to_pil(load_image(file))


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURES and not file.name.startswith(".")


def _by_number(file: Path) -> list[tuple[int, str]]:
    """A key that sorts frame2 before frame10."""
    parts = re.findall(r"\d+|\D+", file.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _save_folder(frames: Iterable[Tensor], folder: Path) -> Path:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ClipError(f"cannot save frames as '{folder}': it exists. Choose another name.")
    for number, frame in enumerate(frames, start=1):
        save_image(frame, folder / f"{number:06}.png")
    return folder


# --- animated pictures ---------------------------------------------------------------------------


def _open_animation(path: Path) -> _Source:
    with _complete(path), Image.open(path) as animation:
        delays = [_delay(frame) for frame in ImageSequence.Iterator(animation)]

    def moments() -> Iterator[_Moment]:
        milliseconds = 0.0
        with _complete(path), Image.open(path) as animation:
            for frame, delay in zip(ImageSequence.Iterator(animation), delays, strict=False):
                yield _Moment(
                    milliseconds / 1000, frame.copy().copy
                )  # Pillow reuses `frame` for the next
                milliseconds += delay

    return _Source(f"'{path}'", 1000 * len(delays) / sum(delays), moments)


def _delay(frame: Image.Image) -> float:
    """Milliseconds."""
    frame.load()  # WebP knows the duration of a frame only after that
    return frame.info.get("duration") or BROWSER_DELAY


def _write_gif(frames: Iterator[Tensor], path: Path, fps: float) -> None:
    pictures = [to_pil(frame).quantize(dither=Image.Dither.NONE) for frame in frames]
    times = [round(100 * number / fps) * 10 for number in range(len(pictures) + 1)]
    delays = [max(10, after - before) for before, after in itertools.pairwise(times)]
    first, *others = pictures
    first.save(path, save_all=True, append_images=others, duration=delays, loop=0)


# --- films ---------------------------------------------------------------------------------------


def _open_film(path: Path) -> _Source:
    with _film(path) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate
        duration = container.duration / 1e6 if container.duration else None
    fps = float(rate) if rate else FOLDER_FPS
    return _Source(f"'{path}'", fps, lambda: _decoded(path, fps, duration))


def _decoded(path: Path, fps: float, duration: float | None) -> Iterator[_Moment]:
    """The frames of a film, in the order in which they are shown."""
    number, end = 0, 0.0
    with _film(path) as (container, stream):
        begin = (container.start_time or 0) / 1e6
        for packet in container.demux():
            if packet.pts is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream is not stream:
                continue
            for frame in cast("list[VideoFrame]", packet.decode()):
                seconds = number / fps if frame.pts is None else frame.time
                yield _Moment(seconds, partial(_picture, frame, stream.sample_aspect_ratio))
                number += 1
    if duration is not None and end - begin < duration - max(MISSING, 1.5 / fps):
        raise _truncated(path, f"it ends after {end - begin:.1f} of {duration:.1f} seconds")


@contextlib.contextmanager
def _film(path: Path) -> Generator[tuple[InputContainer, VideoStream]]:
    """The open file and its first video stream; a cover picture in an audio file is none."""
    av = _import_av()
    with _complete(path), av.open(str(path)) as container:
        streams = [s for s in container.streams.video if not _is_cover(s)]
        if not streams:
            found = sorted({stream.type for stream in container.streams})
            if not found:
                raise _truncated(path, "it announces no streams")
            raise ClipError(
                f"'{path}' has no video stream, only {' and '.join(found)}. Expected a film."
            )
        streams[0].thread_type = "SLICE"  # several frames at once would hide some errors
        yield container, streams[0]


def _is_cover(stream: VideoStream) -> bool:
    av = _import_av()
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise ClipError(
            "films are read and written by PyAV, which is not installed. Install it with "
            f"{pip_install(extra='film')}, or use a GIF or a folder of frames."
        ) from error
    return av


@contextlib.contextmanager
def _complete(path: Path) -> Generator[None]:
    """Convert the many errors of broken files into one that explains what to do."""
    try:
        yield
    except ClipError:
        raise
    except (OSError, ValueError, EOFError, SyntaxError) as error:  # PyAV's errors are among these
        raise _truncated(path, str(getattr(error, "strerror", None) or error)) from error


def _truncated(path: Path, reason: str) -> ClipError:
    return ClipError(
        f"'{path}' is no film, or is damaged or truncated ({reason}). Copy it again from where it "
        "came from. If only its end is missing, frames=N reads the first N frames."
    )


def _picture(frame: VideoFrame, aspect: Fraction | None) -> Image.Image:
    """A frame as it should be seen: upright, and with square pixels."""
    picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
    if aspect and aspect != 1:
        width = max(1, round(picture.width * aspect))
        picture = picture.resize((width, picture.height), Image.Resampling.LANCZOS)
    matrix = cast("bytes | None", frame.side_data.get("DISPLAYMATRIX"))
    if matrix is None:
        return picture
    return Image.fromarray(_upright(np.asarray(picture), np.frombuffer(matrix, np.int32)))


def _upright(pixels: npt.NDArray[np.uint8], matrix: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Apply a display matrix: the pixel in column x and row y moves to (ax + cy, bx + dy).

    ISO 14496-12, section 8.5.2. Other angles than multiples of 90° do not occur in practice.
    """
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if a or d:
        columns, rows = a, d
    else:
        pixels, columns, rows = pixels.swapaxes(0, 1), c, b
    pixels = pixels[:, ::-1] if columns < 0 else pixels
    return np.ascontiguousarray(pixels[::-1] if rows < 0 else pixels)


def _write_film(frames: Iterator[Tensor], path: Path, fps: float) -> None:
    av = _import_av()
    codec = CODECS.get(path.suffix.lower(), "libx264")
    with av.open(str(path), "w") as container:
        stream = None
        for frame in frames:
            pixels = _even(np.asarray(to_pil(frame)))
            if stream is None:
                rate = Fraction(fps).limit_denominator(1001)
                stream = container.add_stream(codec, rate=rate, options=QUALITY[codec])
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
                _say_colours(stream.codec_context)
            encoded = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED
            )
            _say_colours(encoded)
            container.mux(stream.encode(encoded))
        assert stream is not None  # there is at least one frame
        container.mux(stream.encode())


def _say_colours(item: Any) -> None:
    """Without this, players guess the colours from the size of the film."""
    item.colorspace, item.color_range = BT709, LIMITED
    item.color_primaries, item.color_trc = BT709, BT709


def _even(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Repeat the last row or column where their number is odd."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
