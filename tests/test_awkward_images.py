"""Awkward pictures: each loads as an oracle says, or is refused with its name, a finding, a remedy.

What an ordinary picture becomes is in `test_images.py`.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import socket
import struct
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzz_images
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from systems import needs_posix, needs_proc
from test_images import P3, UPRIGHT, profile, shown

from nst_teach import ImageError, load_image, machine, save_image, to_pil

# The same examples in every run, on a machine of any speed.
EXAMPLES = settings(deadline=None, derandomize=True, max_examples=60, database=None)

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (13, 17, 3), dtype=np.uint8)
GREY = PIXELS[..., 0]
ALPHA = RANDOM.integers(0, 256, (13, 17), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)


def rgb(grey: np.ndarray) -> np.ndarray:
    """Grey levels (H, W) as three equal channels."""
    return np.stack([grey] * 3, -1)


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """What is seen of a colour of this opacity, 0..255, before a white wall."""
    return 255 + (colour - 255.0) * alpha[..., None] / 255


def levels(image: torch.Tensor) -> np.ndarray:
    """An image as (H, W, 3) in 0..255."""
    assert image.dtype == torch.float32
    assert image.shape[:2] == (1, 3)
    return image[0].permute(1, 2, 0).numpy().astype(float) * 255


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def png(rows: list[bytes], width: int, depth: int, colour: int, **chunks: bytes) -> bytes:
    """A PNG file written by hand: ISO/IEC 15948, clause 5, without a filter."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    between = b"".join(chunk(name.encode(), data) for name, data in chunks.items())
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + between + chunk(b"IDAT", data)
            + chunk(b"IEND", b""))  # fmt: skip


# --- files that load -----------------------------------------------------------------------------

LOADS: dict[str, tuple[str, bytes, np.ndarray, float]] = {}  # name, content, expected, tolerance


def loads(title: str, content: bytes, expected: np.ndarray, within: float = 0.01, name: str = "a"):
    assert title not in LOADS
    LOADS[title] = name, content, expected, within


# Sizes
for height, width in ((1, 1), (1, 5000), (5000, 1), (2, 30_000)):
    pattern = (np.indices((height, width, 3)).sum(0) * 7 % 256).astype(np.uint8)
    loads(f"{height}×{width}", encoded(Image.fromarray(pattern)), pattern)

# Numbers of bits and channels
two_bits, index = GREY >> 6, GREY >> 4
colours = RANDOM.integers(0, 256, (16, 3), dtype=np.uint8)
opacities = RANDOM.integers(0, 256, 16, dtype=np.uint8)
deep = RANDOM.integers(0, 65536, (13, 17, 3), dtype=np.uint16)
deep_grey, deep_alpha = deep[..., 0], deep[..., 1]
nibbles = np.pad(index, ((0, 0), (0, 1)))
quarters = np.pad(two_bits, ((0, 0), (0, 3)))
nibble_rows = [bytes(row[::2] << 4 | row[1::2]) for row in nibbles]
loads("2-bit grey PNG", png(
    [bytes(r[::4] << 6 | r[1::4] << 4 | r[2::4] << 2 | r[3::4]) for r in quarters], 17, 2, 0,
), rgb(two_bits * 85.0))  # fmt: skip
loads("4-bit palette PNG", png(nibble_rows, 17, 4, 3, PLTE=colours.tobytes()), colours[index])
loads("palette with opacities", png(
    nibble_rows, 17, 4, 3, PLTE=colours.tobytes(), tRNS=opacities.tobytes(),
), on_white(colours[index], opacities[index]), 1)  # fmt: skip
loads("palette with one transparent colour", png(
    nibble_rows, 17, 4, 3, PLTE=colours.tobytes(), tRNS=b"\0",
), np.where(index[..., None] == 0, 255, colours[index]))  # fmt: skip
loads("RGB with one transparent colour", png(
    [row.tobytes() for row in PIXELS], 17, 8, 2, tRNS=struct.pack(">3H", *PIXELS[3, 5]),
), np.where((PIXELS[3, 5] == PIXELS).all(-1, keepdims=True), 255, PIXELS))  # fmt: skip
loads("grey with one transparent level", png(
    [row.tobytes() for row in GREY], 17, 8, 0, tRNS=struct.pack(">H", GREY[3, 5]),
), rgb(np.where(GREY[3, 5] == GREY, 255, GREY)))  # fmt: skip
loads("LA", encoded(Image.fromarray(np.dstack([GREY, ALPHA]), "LA")),
      on_white(rgb(GREY), ALPHA), 1)  # fmt: skip
loads("RGBA", encoded(Image.fromarray(np.dstack([PIXELS, ALPHA]))), on_white(PIXELS, ALPHA), 1)
loads("16-bit grey PNG", encoded(Image.fromarray(deep_grey)), rgb(deep_grey / 257), 0.51)
loads("16-bit grey TIFF", encoded(Image.fromarray(deep_grey), "TIFF"), rgb(deep_grey / 257), 0.51)
loads("16-bit PGM", b"P5 17 13 65535\n" + deep_grey.astype(">u2").tobytes(),
      rgb(deep_grey / 257), 0.51)  # fmt: skip
# Pillow has no such mode: it keeps the upper byte.
loads("16-bit RGB PNG", png([r.astype(">u2").tobytes() for r in deep], 17, 16, 2), deep / 257, 1)
loads("16-bit LA PNG", png(
    [r.astype(">u2").tobytes() for r in deep[..., :2]], 17, 16, 4,
), on_white(rgb(deep_grey / 257), deep_alpha / 257), 2.5)  # fmt: skip
loads("32-bit TIFF", encoded(Image.fromarray(deep_grey.astype(np.int32)), "TIFF"),
      rgb(deep_grey / 257), 0.51)  # fmt: skip
loads("float TIFF", encoded(Image.fromarray((deep_grey / 65535).astype(np.float32)), "TIFF"),
      rgb(deep_grey / 257), 0.51)  # fmt: skip
black_and_white = rgb((GREY > 127) * 255.0)
bits = Image.fromarray(GREY > 127)
loads("1-bit PNG", encoded(bits), black_and_white)
loads("1-bit TIFF of a fax", encoded(bits, "TIFF", compression="group4"), black_and_white)
loads("1-bit PBM, where 1 is black", b"P4 17 13\n" + np.packbits(GREY <= 127, axis=1).tobytes(),
      black_and_white)  # fmt: skip

# Other colours: ink covers light, as R = (255 − C)(255 − K) / 255.
ink = RANDOM.integers(0, 256, (13, 17, 4), dtype=np.uint8)
light = (255 - ink[..., :3].astype(float)) * (255 - ink[..., 3:].astype(float)) / 255
even = np.broadcast_to(np.uint8([200, 40, 90, 60]), (16, 16, 4))
loads("CMYK TIFF", encoded(Image.fromarray(ink, "CMYK"), "TIFF"), light, 1)
loads("CMYK JPEG", encoded(Image.fromarray(even, "CMYK"), "JPEG", quality=95),
      np.broadcast_to((255 - even[..., :3].astype(float)) * 195 / 255, (16, 16, 3)), 3)  # fmt: skip
loads("YCbCr TIFF", encoded(Image.new("RGB", (16, 16), (200, 100, 50)).convert("YCbCr"), "TIFF"),
      np.broadcast_to(np.float64([200, 100, 50]), (16, 16, 3)), 2)  # fmt: skip

# Animations and pages: the first picture is loaded.
SECOND = {"save_all": True, "append_images": [Image.new("RGB", (17, 13), "red")]}
for form, lossless in {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}.items():
    loads(f"animated {form}", encoded(PICTURE, form, **SECOND, **lossless), PIXELS)
loads("animated GIF", encoded(Image.fromarray(GREY), "GIF", **SECOND), rgb(GREY))
flat = Image.new("RGB", (16, 16), (200, 100, 50))
flat_pixels = np.asarray(flat)
red = {"save_all": True, "append_images": [Image.new("RGB", (16, 16), "red")]}
loads("two photographs in one MPO", encoded(flat, "MPO", **red), flat_pixels, 3)
if "AVIF" in fuzz_images.FORMATS:
    loads("animated AVIF", encoded(flat, "AVIF", **red), flat_pixels, 3)

# EXIF
TILES = np.uint8([[[10, 90, 200], [250, 90, 0]], [[0, 0, 0], [90, 250, 90]],
                  [[200, 0, 200], [255, 255, 255]]]).repeat(16, 0).repeat(16, 1)  # fmt: skip
for form, options in {"JPEG": {"quality": 95}, "TIFF": {}, "WEBP": {"lossless": True}}.items():
    for orientation, turned in UPRIGHT.items():
        tag = Image.Exif()
        tag[0x0112] = orientation
        loads(f"{form}, orientation {orientation}",
              encoded(Image.fromarray(TILES), form, exif=tag, subsampling=0, **options),
              turned(TILES), 6 if form == "JPEG" else 0.01)  # fmt: skip


def exif(kind: int, value: bytes, count: int = 1) -> bytes:
    """A block with one field, the orientation: its type, number of values, and value."""
    return (
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"
        + struct.pack(">HI", kind, count)
        + value
        + bytes(4)
    )


BROKEN_EXIF = {
    "is text": b"Exif\0\0garbage",
    "is empty": b"Exif\0\0",
    "is cut": exif(3, b"\0\x06\0\0")[:20],
    "knows no orientation 0": exif(3, b"\0\0\0\0"),
    "knows no orientation 9": exif(3, b"\0\x09\0\0"),
    "gives it as text": exif(2, b"6\0\0\0", 2),
    "gives it as a fraction elsewhere": exif(5, b"\xff\xff\xff\xff"),
    "gives a million of them": exif(3, b"\0\0\0\x08", 10**6),
    "begins beyond its end": b"Exif\0\0MM\0*\xff\xff\xff\xff",
}
for title, block in BROKEN_EXIF.items():
    loads(f"EXIF that {title}, PNG", encoded(PICTURE, exif=block), PIXELS)
    loads(f"EXIF that {title}, WebP", encoded(PICTURE, "WEBP", lossless=True, exif=block), PIXELS)
# Other fields of it are broken, the orientation is not.
loads("EXIF with a broken field after the orientation", encoded(
    PICTURE, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
                  b"\x01\x0f\0\x02\0\0\x10\0\xff\xff\xff\xff\0\0\0\0",
), UPRIGHT[6](PIXELS))  # fmt: skip

# Colour profiles: lcms computes in 15 bits.
bright = PIXELS // 2 + 100
for form, options in {"TIFF": {}, "WEBP": {"lossless": True}, "PNG": {}}.items():
    loads(f"P3 in {form}",
          encoded(Image.fromarray(bright), form, icc_profile=profile(P3, 2.2), **options),
          shown(bright, P3, 2.2), 1.5)  # fmt: skip
for title, block in {
    "text": b"no profile",
    "cut": profile(P3, 2.2)[:200],
    "zeros": bytes(500),
}.items():
    loads(f"a profile that is broken ({title})",
          encoded(flat, "JPEG", icc_profile=block, quality=95), flat_pixels, 3)  # fmt: skip

# Names and contents
loads("a PNG named .jpg", encoded(PICTURE), PIXELS, name="a.jpg")
loads("a BMP named .heic", encoded(PICTURE, "BMP"), PIXELS, name="IMG_0001.HEIC")
loads("a WebP named .txt", encoded(PICTURE, "WEBP", lossless=True), PIXELS, name="a.txt")
loads("a name of another alphabet, with spaces", encoded(PICTURE), PIXELS, name="猫 и кот .png")
loads("a name with a line break", encoded(PICTURE), PIXELS, name="a\nb.png")
loads("a name like an option", encoded(PICTURE), PIXELS, name="-a.png")
loads("more after the end", encoded(PICTURE) + b"more", PIXELS)
loads("a PNG that lacks its last chunk", encoded(PICTURE)[:-12], PIXELS)


def pillow_reads(path: Path) -> bool:
    """Whether this version of Pillow can read a file that it has written."""
    with contextlib.suppress(OSError), Image.open(path) as picture:
        picture.load()
        return True
    return False


@pytest.mark.parametrize("title", LOADS)
def test_an_awkward_file_loads_as_its_pixels_say(title, tmp_path):
    name, content, expected, within = LOADS[title]
    (tmp_path / name).write_bytes(content)
    if title == "YCbCr TIFF" and not pillow_reads(tmp_path / name):  # before Pillow 13
        assert "cannot be read as a picture" in refusal(tmp_path / name)
        return
    with warnings.catch_warnings(action="ignore"):  # Pillow's own, of the broken ones
        loaded = levels(load_image(tmp_path / name))
    assert loaded.shape == expected.shape
    assert np.abs(loaded - expected).max() <= within


def test_the_ways_to_a_file_may_be_crooked(tmp_path, monkeypatch):
    class Encoded(os.PathLike):
        def __fspath__(self):
            return os.fsencode(tmp_path / "a.png")

    (tmp_path / "a.png").write_bytes(encoded(PICTURE))
    with contextlib.suppress(OSError):  # Windows lets only some users make links
        (tmp_path / "link").symlink_to("a.png")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    links = [way for way in ("link",) if (tmp_path / way).is_symlink()]
    for way in (*links, "folder/../a.png", "./a.png", Encoded()):
        assert np.array_equal(levels(load_image(way)).round(), PIXELS)


# --- arrays and tensors that load ----------------------------------------------------------------


def palette_with_alpha() -> Image.Image:
    picture = Image.new("PA", (4, 4), (1, 51))  # the second colour, to a fifth
    picture.putpalette([0, 0, 0, 10, 20, 30])
    return picture


UNIT = (PIXELS / 255).astype(np.float32)
TENSOR = torch.from_numpy(UNIT).permute(2, 0, 1)[None]
ARRAYS: dict[str, tuple[Any, np.ndarray, float]] = {
    "every second pixel, from the right": (PIXELS[::2, ::-2], PIXELS[::2, ::-2], 0.01),
    "floats upside down": (UNIT[::-1], PIXELS[::-1], 0.01),
    "channels reversed": (PIXELS[..., ::-1], PIXELS[..., ::-1], 0.01),
    "axes swapped": (UNIT.transpose(1, 0, 2), PIXELS.transpose(1, 0, 2), 0.01),
    "Fortran order": (np.asfortranarray(PIXELS), PIXELS, 0.01),
    "one pixel repeated": (np.broadcast_to(UNIT[:1, :1], UNIT.shape),
                           np.broadcast_to(PIXELS[:1, :1], PIXELS.shape), 0.01),
    "big-endian": (UNIT.astype(">f8"), PIXELS, 0.01),
    "float16": (UNIT.astype(np.float16), PIXELS, 0.13),
    "a matrix": (UNIT[..., 0].view(np.matrix), rgb(GREY), 0.01),
    "nothing masked": (np.ma.masked_array(UNIT, False), PIXELS, 0.01),
    "negative zeros": (np.full((2, 3), -0.0), np.zeros((2, 3, 3)), 0),
    "with a gradient": (TENSOR.clone().requires_grad_() * 1, PIXELS, 0.01),
    "a parameter": (torch.nn.Parameter(TENSOR), PIXELS, 0.01),
    "in inference mode": (torch.inference_mode()(TENSOR.clone)(), PIXELS, 0.01),
    "channels last in memory": (TENSOR.to(memory_format=torch.channels_last), PIXELS, 0.01),
    "expanded": (TENSOR[:, :1].expand(-1, 3, -1, -1), rgb(GREY), 0.01),
    "not contiguous": (TENSOR[..., ::2], PIXELS[:, ::2], 0.01),
    "an imaginary part": (torch.complex(TENSOR, -TENSOR).conj().imag, PIXELS, 0.01),
    "8-bit floats": (TENSOR.to(torch.float8_e4m3fn), PIXELS, 255 / 32 + 0.01),
    "a uint16 tensor": (torch.from_numpy(PIXELS.astype(np.uint16) * 257), PIXELS, 0.01),
    "a tensor of truth values": (TENSOR[0, 0] > 0.5, rgb((GREY > 127) * 255.0), 0),
    "premultiplied grey": (Image.fromarray(np.dstack([GREY, ALPHA]), "LA").convert("La"),
                           on_white(rgb(GREY), ALPHA), 2),
    "premultiplied RGB": (Image.fromarray(np.dstack([PIXELS, ALPHA])).convert("RGBa"),
                          on_white(PIXELS, ALPHA), 2),
    "hue, saturation, value": (Image.new("RGB", (4, 4), (200, 100, 50)).convert("HSV"),
                               np.broadcast_to(np.float64([200, 100, 50]), (4, 4, 3)), 4),
    "a palette with alpha": (palette_with_alpha(),
                             np.broadcast_to(255 - np.float64([245, 235, 225]) / 5, (4, 4, 3)), 1),
}  # fmt: skip


@pytest.mark.parametrize(("source", "expected", "within"), ARRAYS.values(), ids=ARRAYS)
def test_an_awkward_array_loads_as_its_values_say(source, expected, within):
    loaded = load_image(source)
    assert not loaded.requires_grad
    assert loaded.is_contiguous()
    assert levels(loaded).shape == expected.shape
    assert np.abs(levels(loaded) - expected).max() <= within


# --- files that are refused ----------------------------------------------------------------------


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that would be a picture of this size."""
    small = png([b"\0"] * 2, 1, 1, 0)
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return small[:12] + head + struct.pack(">I", zlib.crc32(head)) + small[33:]


def tiff(values: np.ndarray) -> bytes:
    return encoded(Image.fromarray(values), "TIFF")


SAVE_AGAIN = "save it again"
# What is in the file, what the message says that it is, and what to do.
REFUSED: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", r"empty \(0 bytes\)", "Download or copy it again"),
    "zeros": (bytes(4000), "zeros only", "Download or copy it again"),
    "text": (b"not a picture", "cannot be read as a picture", SAVE_AGAIN),
    "a web page": (b"<!DOCTYPE html><html></html>", "a web page", "the picture that it shows"),
    "a web page without a type": (b"\n <HTML lang=de>", "a web page", "the picture that it shows"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG", "as PNG"),
    "XML": (b"<?xml version='1.0'?><svg/>", "SVG", "as PNG"),
    "PDF": (b"%PDF-1.7\n", "PDF", "as PNG"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1", "LFS", "lfs pull"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", "as JPEG"),
    "HEIC of a series": (b"\0\0\0\x18ftyphevc\0\0\0\0msf1hevc", "HEIC", "as JPEG"),
    "HEIF that holds HEIC": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC", "as JPEG"),
    "HEIF of another kind": (b"\0\0\0\x14ftypmif1\0\0\0\0mif1", "cannot be read", SAVE_AGAIN),
    "an archive": (b"PK\x03\x04" + bytes(40), "cannot be read as a picture", SAVE_AGAIN),
    "only a signature": (b"\x89PNG\r\n\x1a\n", "cannot be read as a picture", SAVE_AGAIN),
    "a bomb": (bomb(20_000, 20_000), "400000000 pixels.*exceeds", "smaller copy"),
    "a bomb in a GIF": (b"GIF89a" + b"\xff" * 4 + bytes(3) + b"," + bytes(4) + b"\xff" * 4
                        + b"\0\x08\0;", "exceeds", "smaller copy"),
    "no pixels": (bomb(0, 5), "cannot be read as a picture", SAVE_AGAIN),
    "floats up to 255": (tiff(np.float32([[0, 255]])), "from 0 to 255", r"Divide 0\.\.255 by 255"),
    "floats with NaN": (tiff(np.float32([[0, np.nan]])), "1 values that are NaN", "nan_to_num"),
    "floats with infinity": (tiff(np.float32([[np.inf, 0]])), "NaN or infinite", "nan_to_num"),
    "levels above 16 bits": (tiff(np.int32([[0, 70_000]])), "0 to 70000", "Rescale"),
    "levels below 0": (tiff(np.int32([[-1, 70]])), "-1 to 70", "Rescale"),
}  # fmt: skip
for form, options in {"PNG": {}, "JPEG": {}, "JPEG, progressive": {"progressive": True}, "WEBP": {},
                      "GIF": {}, "TIFF": {}, "AVIF": {}, "BMP": {}, "TIFF, LZW":
                      {"compression": "tiff_lzw"}, "JPEG2000": {}, "PPM": {}}.items():  # fmt: skip
    if form.split(",")[0] in fuzz_images.FORMATS:
        half = encoded(PICTURE, form.split(",")[0], **options)
        REFUSED[f"half a {form}"] = half[: len(half) // 2], "cannot be read as a pict", SAVE_AGAIN


def refusal(source: Any, **options: Any) -> str:
    with warnings.catch_warnings(action="ignore"), pytest.raises(ImageError) as caught:
        load_image(source, **options)
    return str(caught.value)


@pytest.mark.parametrize("title", REFUSED)
def test_a_file_is_refused_by_name_with_finding_and_remedy(title, tmp_path):
    content, finding, remedy = REFUSED[title]
    path = tmp_path / "of mine.png"
    path.write_bytes(content)
    message = refusal(path)
    assert "of mine.png'" in message
    assert re.search(f"{finding}.*{remedy}", message, flags=re.DOTALL)
    assert refusal(path, size=8) == message, "the size that is asked for makes no difference"


def test_an_opened_picture_is_named_as_well(tmp_path):
    path = tmp_path / "of mine.tif"
    path.write_bytes(REFUSED["floats up to 255"][0])
    with Image.open(path) as picture:
        assert "of mine.tif'" in refusal(picture)
    assert refusal(Image.open(io.BytesIO(path.read_bytes()))).startswith("load_image got the pict")


def folder(place: Path) -> None:
    place.mkdir()


def pipe(place: Path) -> None:
    os.mkfifo(place)


def loop(place: Path) -> None:
    place.symlink_to(place)


def dangling(place: Path) -> None:
    place.symlink_to("nowhere")


def device(place: Path) -> None:
    place.symlink_to("/dev/zero")


def plug(place: Path) -> None:
    """A socket, whose address may have 100 characters at most."""
    where = os.open(place.parent, os.O_RDONLY)
    socket.socket(socket.AF_UNIX).bind(f"/proc/self/fd/{where}/{place.name}")


@needs_posix
@pytest.mark.parametrize(
    ("make", "finding", "remedy"),
    [
        (folder, "is a folder", "path of its file"),
        (pipe, "is a pipe, a socket or a device", "path of its file"),
        (device, "is a pipe, a socket or a device", "path of its file"),
        (dangling, "there is no file", "Samples are"),
        (loop, "there is no file", "Samples are"),
        pytest.param(plug, "is a pipe, a socket or a device", "path of its file",
                     marks=needs_proc),
    ],
)  # fmt: skip
def test_what_is_no_file_is_not_opened(make, finding, remedy, tmp_path):
    """A pipe without a writer would wait, and a device of zeros be read, for ever."""
    make(tmp_path / "cat.png")
    signal.alarm(20)  # would end the tests, rather than hang them
    try:
        message = refusal(tmp_path / "cat.png")
    finally:
        signal.alarm(0)
    assert re.search(rf"cat\.png'.*{finding}|{finding}.*cat\.png'", message)
    assert remedy in message


@pytest.mark.parametrize(
    ("name", "finding", "remedy"),
    [
        ("https://example.org/cat.jpg", "uses no network", "Download the picture first"),
        ("HTTP://example.org/cat.jpg", "uses no network", "Download the picture first"),
        ("ftp://example.org/cat.jpg", "uses no network", "Download the picture first"),
        ("s3://bucket/cat.jpg", "uses no network", "Download the picture first"),
        ("file:///tmp/no cat.jpg", "uses no network", "Download the picture first"),
        ("data:image/png;base64," + "A" * 5000, "uses no network", "Download the picture first"),
        ("x" * 5000, "there is no file", "Samples are"),
        ("x/" * 5000, "there is no file", "Samples are"),
        ("a\0b.png", "there is no file", "Samples are"),
        ("\ud800.png", "there is no file", "Samples are"),
        ("Chelsea", "there is no file", "chelsea"),
        ("~/no cat.jpg", "there is no file", "looked in"),
        ("C:\\no cat.jpg", "there is no file", "looked in"),
    ],
)
def test_a_name_of_no_file_is_refused_with_its_beginning(name, finding, remedy):
    message = refusal(name)
    assert f"'{name[:200]}'" in message
    assert finding in message
    assert remedy in message
    assert len(message) < 1000


def test_an_empty_name_is_not_the_current_folder():
    assert "empty name" in refusal("")


def test_a_file_beyond_the_memory_is_named(tmp_path, monkeypatch):
    (tmp_path / "large.png").write_bytes(bomb(5000, 5000))
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(8 * 10**9, 5 * 10**8))
    assert re.search(r"large\.png' of 5000×5000 pixels needs.*smaller copy",
                     refusal(tmp_path / "large.png"))  # fmt: skip


def test_a_file_that_others_may_not_read_is_named(tmp_path, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "secret.png").write_bytes(encoded(PICTURE))
    monkeypatch.setattr(Image, "open", denied)  # root may read everything
    assert re.search(r"secret\.png'.*Permission denied.*permissions",
                     refusal(tmp_path / "secret.png"))  # fmt: skip


# --- arrays and tensors that are refused ---------------------------------------------------------

Z = np.zeros


def sparse_rows(dense: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings(action="ignore"):  # it is in beta
        return dense.to_sparse_csr()


NO_PICTURES: dict[str, tuple[Any, str, str]] = {
    "one NaN": (np.where(np.arange(12).reshape(3, 4) == 5, np.nan, 0.5), "1 values", "nan_to_num"),
    "all NaN": (np.full((2, 2), np.nan), "4 values that are NaN", "nan_to_num"),
    "infinity": (np.full((2, 2, 3), np.inf), "12 values that are NaN or inf", "nan_to_num"),
    "minus infinity": (torch.full((1, 3, 2, 2), -torch.inf), "12 values", "nan_to_num"),
    "a float16 that overflowed": (np.float16([[0.5, np.inf]]), "1 values", "nan_to_num"),
    "floats in 0..255": (np.full((2, 2), 255.0), "from 255 to 255", "by 255"),
    "floats in −1..1": (np.float32([[-1, 1]]), "from -1 to 1", "deprocess"),
    "int64": (Z((4, 5, 3), int), "int64", "astype"),
    "int8": (Z((4, 5, 3), np.int8), "int8", "astype"),
    "uint32": (torch.zeros(4, 5, 3, dtype=torch.uint32), "uint32", "astype"),
    "complex": (Z((4, 5), complex), "complex128", "astype"),
    "a conjugate": (torch.zeros(4, 5, dtype=torch.complex64).conj(), "complex64", "astype"),
    "objects": (np.full((4, 5), None), "object", "astype"),
    "letters": (np.full((4, 5), "a"), "<U1", "astype"),
    "dates": (Z((4, 5), "M8[s]"), "datetime64", "astype"),
    "records": (Z((4, 5), [("r", "u1"), ("g", "u1")]), "'g'", "astype"),
    "channels first": (Z((3, 20, 30)), r"\(3, 20, 30\)", "moveaxis"),
    "two channels": (Z((20, 30, 2)), r"\(20, 30, 2\)", "moveaxis"),
    "a batch": (Z((2, 4, 4, 3)), r"\(2, 4, 4, 3\)", "one picture of several"),
    "a batch of tensors": (torch.zeros(2, 3, 4, 4), r"\(2, 3, 4, 4\)", "one picture of several"),
    "five axes": (torch.zeros(1, 1, 3, 4, 4), r"\(1, 1, 3, 4, 4\)", "one picture of several"),
    "one axis": (Z(4), r"\(4,\)", r"expected \(H, W\)"),
    "no axis": (np.array(0.5), r"shape \(\)", r"expected \(H, W\)"),
    "no rows": (Z((0, 5)), r"\(0, 5\)", "at least one pixel"),
    "no columns": (torch.zeros(1, 3, 5, 0), r"\(5, 0, 3\)", "at least one pixel"),
    "masked": (np.ma.masked_less(UNIT, 0.5), "masked", "filled"),
    "masked bytes": (np.ma.masked_less(PIXELS, 9), "masked", "filled"),
    "sparse": (torch.eye(4).to_sparse(), "sparse_coo", "to_dense"),
    "sparse with channels": (torch.zeros(3, 4, 5).to_sparse(), "sparse_coo", "to_dense"),
    "sparse rows": (sparse_rows(torch.eye(4)), "sparse_csr", "to_dense"),
    "sparse rows of a batch": (sparse_rows(torch.ones(3, 4, 5)), "sparse_csr", "to_dense"),
    "no values": (torch.zeros(3, 4, 5, device="meta"), "'meta'", "holds values"),
    "channels at either end": (torch.zeros(3, 5, 4), "first and the last", r"as \(1, 3, H, W\)"),
    "nothing": (None, "None", "expected a path"),
    "the bytes of a file": (encoded(PICTURE), "b'.x89PNG", "expected a path"),
    "an open file": (io.BytesIO(encoded(PICTURE)), "BytesIO", "expected a path"),
    "a list": ([[0, 1]], r"\[\[0, 1\]\]", "expected a path"),
    "a number": (7, "7", "expected a path"),
}


@pytest.mark.parametrize("title", NO_PICTURES)
def test_an_array_is_refused_with_finding_and_remedy(title):
    source, finding, remedy = NO_PICTURES[title]
    message = refusal(source)
    assert re.search(f"{finding}.*{remedy}", message, flags=re.DOTALL)
    assert len(message) < 400


@pytest.mark.filterwarnings("ignore")  # these kinds of tensors will change, or go
@pytest.mark.parametrize("function", [load_image, to_pil])
def test_nested_and_quantised_tensors_are_refused(function):
    nested = torch.nested.nested_tensor([torch.zeros(2, 3), torch.zeros(3, 3)])
    with pytest.raises(ImageError, match=r"nested tensor.*Pick"):
        function(nested)
    if hasattr(torch, "quantize_per_tensor"):
        quantised = torch.quantize_per_tensor(torch.rand(3, 4, 5), 1 / 255, 0, torch.quint8)
        with pytest.raises(ImageError, match=r"quint8.*dequantize"):
            function(quantised)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.full((3, 4, 5), 200, dtype=torch.uint8), r"uint8; .*Divide 0\.\.255 by 255"),
        (torch.zeros(3, 4, 5, dtype=torch.complex64), "complex64; expected .* floating point"),
        (torch.zeros(3, 0, 5), r"\(3, 0, 5\).*expected pixels"),
        (torch.zeros(3, 4, 5, device="meta"), "'meta', whose values cannot be read"),
        (torch.zeros(3, 4, 5).to_sparse(), r"sparse_coo.*to_dense"),
        (PIXELS, "expected a tensor"),
        (None, "None; expected a tensor"),
    ],
    ids=["uint8", "complex", "no rows", "meta", "sparse", "an array", "nothing"],
)
def test_what_is_no_image_is_not_shown(image, message, tmp_path):
    with pytest.raises(ImageError, match=message):
        to_pil(image)
    with pytest.raises(ImageError, match=message):
        save_image(image, tmp_path / "a.png")


@pytest.mark.parametrize(("name", "width"), [("wide.webp", 16_384), ("wide.jpg", 65_536)])
def test_a_picture_too_wide_for_a_format_is_not_called_a_wrong_folder(name, width, tmp_path):
    with pytest.raises(ImageError, match=rf"{name}.*{width}×1 pixels.*Use \.png"):
        save_image(torch.zeros(1, 3, 1, width), tmp_path / name)
    assert (
        load_image(save_image(torch.zeros(1, 3, 1, width), tmp_path / "wide.png")).shape[-1]
        == width
    )


# --- properties ----------------------------------------------------------------------------------

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))
BYTES = SHAPES.flatmap(
    lambda shape: st.sampled_from([(), (1,), (3,), (4,)]).flatmap(
        lambda channels: arrays.arrays(np.uint8, shape + channels)
    )
)


def seen(pixels: np.ndarray) -> np.ndarray:
    """The colours (H, W, 3) of uint8 pixels with 0, 1, 3 or 4 channels."""
    if pixels.ndim == 2:
        return rgb(pixels)
    if pixels.shape[2] == 4:
        return on_white(pixels[..., :3], pixels[..., 3])
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


@EXAMPLES
@given(BYTES)
def test_bytes_of_any_shape_load_in_any_form(pixels):
    """As bytes, as floats, as a tensor, and from lossless files: the same picture."""
    expected = seen(pixels)
    flat = pixels[..., 0] if pixels.shape[2:] == (1,) else pixels
    opened = [
        Image.open(io.BytesIO(encoded(Image.fromarray(flat), form))) for form in ("PNG", "TIFF")
    ]
    for source in (pixels, pixels / 255, pixels.astype(np.uint16) * 257, *opened):
        assert np.abs(levels(load_image(source)) - expected).max() <= 1  # of the blending
    if pixels.shape[2:] != (4,):
        assert np.array_equal(np.asarray(to_pil(load_image(pixels))), expected)


@EXAMPLES
@given(arrays.arrays(np.float32, SHAPES, elements=st.floats(-2, 2, width=32)))
def test_floats_load_unchanged_or_are_refused_with_their_range(values):
    if values.min() >= 0 and values.max() <= 1:
        assert np.array_equal(load_image(values)[0, 1].numpy(), values)
    elif values.min() < -1e-5 or values.max() > 1 + 1e-5:
        assert f"from {values.min():.3g} to {values.max():.3g}" in refusal(values)


@EXAMPLES
@given(st.data())
def test_an_array_of_any_type_is_an_image_or_refused(data):
    kind = data.draw(arrays.scalar_dtypes() | arrays.array_dtypes())
    shape = data.draw(arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5))
    source = data.draw(arrays.arrays(kind, shape))
    try:
        image = load_image(source)
    except ImageError:
        return
    assert ((image >= 0) & (image <= 1)).all()
    assert image.shape[:2] == (1, 3)


@EXAMPLES
@given(SHAPES, st.integers(1, 70))
def test_the_longer_side_is_as_asked_for_and_the_other_follows(shape, size):
    """To half a pixel; a flat picture stays flat."""
    loaded = load_image(np.full((*shape, 3), 77, np.uint8), size=size)
    height, width = loaded.shape[-2:]
    assert max(height, width) == size
    assert height == 1 or abs(height - shape[0] * size / max(shape)) <= 0.5
    assert width == 1 or abs(width - shape[1] * size / max(shape)) <= 0.5
    assert np.abs(levels(loaded) - 77).max() < 0.01


def named_or_loaded(path: Path) -> torch.Tensor | None:
    """The image in a file, or nothing, after a look at the message."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return load_image(path)
    except ImageError as error:
        reason = str(error)
    assert str(path) in reason
    return None


CUT = {name: encoded(PICTURE, name) for name in
       ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "TGA")}  # fmt: skip


@EXAMPLES
@given(st.sampled_from(sorted(CUT)), st.floats(0, 1), st.integers(0, 30))
def test_a_file_cut_anywhere_has_lost_nothing_or_is_refused(tmp_path_factory, form, share, spared):
    """No picture whose lower part is grey: near its end, too."""
    whole = CUT[form]
    path = tmp_path_factory.getbasetemp() / "cut"
    path.write_bytes(whole)
    expected = load_image(path)
    path.write_bytes(whole[: min(int(share * len(whole)), len(whole)) or -spared or None])
    loaded = named_or_loaded(path)
    assert loaded is None or torch.equal(loaded, expected)


@EXAMPLES
@given(st.binary(max_size=300), st.sampled_from([b"", *(data[:40] for data in CUT.values())]))
def test_any_bytes_are_refused_by_name(tmp_path_factory, content, start):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(start + content)
    loaded = named_or_loaded(path)
    assert loaded is None or loaded.shape[:2] == (1, 3)


@EXAMPLES
@given(st.text(max_size=300))
def test_any_text_that_names_no_file_is_refused(name):
    if not name.startswith("/"):
        assert repr(name)[1:5].strip("'\\") in repr(refusal(name))


# --- the fuzzer ----------------------------------------------------------------------------------


@needs_posix
def test_no_damaged_file_gets_past_the_fuzzer():
    results = dict(fuzz_images.run(range(230)))
    assert sorted(results) == list(range(230))
    assert {
        seed: what for seed, what in results.items() if what not in ("picture", "refused")
    } == {}
    assert len(set(results.values())) == 2, "a fuzzer that only makes one kind tests little"


def test_a_seed_is_the_same_file_again():
    """A second later, from new pictures: a format may write the time into its files."""

    def files() -> list[bytes | None]:
        fuzz_images.whole.cache_clear()
        sound = [fuzz_images.whole(form, "RGB", option) for form in fuzz_images.FORMATS
                 for option in (0, 2)]  # fmt: skip
        return [*sound, *(fuzz_images.made(seed) for seed in range(46))]

    before = files()
    assert len(set(before[-46:])) > 40
    time.sleep(1.1)
    assert files() == before


@needs_posix
@pytest.mark.parametrize(
    ("fail", "report"),
    [
        (lambda: {}["key"], "KeyError"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "signal 9"),
        (lambda: time.sleep(60), "signal 14"),  # SIGALRM
        (lambda: np.zeros(10**11), "MemoryError"),
        (lambda: torch.zeros(1, 1, 4, 4), "an image of shape"),
        (lambda: torch.full((1, 3, 4, 4), torch.nan), "beyond [0, 1]"),
        (lambda: refusal(None), "AttributeError"),
    ],
    ids=["exception", "kill", "hang", "memory", "shape", "NaN", "type"],
)
def test_the_fuzzer_reports_what_should_not_happen(fail: Callable[[], Any], report):
    """With the seed alone: those before it and after it are as they are."""

    def load(path: Path, size: Any) -> torch.Tensor:
        return fail() if path.read_bytes() == fuzz_images.made(2) else load_image(path, size=size)

    results = dict(fuzz_images.run(range(5), load, seconds=1.0))
    assert report in results.pop(2)
    assert set(results.values()) <= {"picture", "refused"}
    assert sorted(results) == [0, 1, 3, 4]
