"""Pictures in and out: what every kind of file becomes, and what is refused and why."""

from __future__ import annotations

import io
import re
import struct
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms

from nst_teach import (
    ImageError,
    deprocess,
    load_image,
    machine,
    preprocess,
    resize,
    save_image,
    to_pil,
)
from nst_teach.images import CONVENTIONS, PIXEL_BYTES

HALF_A_LEVEL = 0.5 / 255 + 1e-6  # the most that storing a value in 8 bits changes it
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture
def pixels() -> np.ndarray:
    """A picture of 20 rows and 30 columns, uint8 (H, W, 3), in which no two sides look alike."""
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture
def image(pixels) -> torch.Tensor:
    """The same as the package sees it."""
    return tensor_of(pixels)


def tensor_of(pixels: np.ndarray) -> torch.Tensor:
    """The package's form of uint8 (H, W, 3), made without the package."""
    return torch.tensor(pixels.transpose(2, 0, 1)[None] / 255, dtype=torch.float32)


def saved(picture: Image.Image, path, **options):
    """The path of a picture, after Pillow has written it there."""
    picture.save(path, **options)
    return path


def first_pixel(tensor: torch.Tensor) -> list[int]:
    """R, G and B of the upper left corner, in 0..255."""
    return (tensor[0, :, 0, 0] * 255).round().int().tolist()


# --- load_image: what a picture becomes ----------------------------------------------------------


def test_a_picture_becomes_one_float_tensor_in_rgb(pixels, image, tmp_path):
    loaded = load_image(saved(Image.fromarray(pixels), tmp_path / "a.png"))
    assert loaded.shape == (1, 3, 20, 30)
    assert loaded.dtype == torch.float32
    assert loaded.is_contiguous()
    assert torch.equal(loaded, image)


@pytest.mark.parametrize("form", [str, lambda p: p, Image.open], ids=["str", "Path", "PIL"])
def test_a_file_may_be_named_or_opened_in_several_ways(pixels, image, tmp_path, form):
    path = saved(Image.fromarray(pixels), tmp_path / "a.png")
    assert torch.equal(load_image(form(path)), image)


ARRAYS = {
    "uint8": lambda p: p,
    "uint16": lambda p: p.astype(np.uint16) * 257,
    "float32": lambda p: (p / 255).astype(np.float32),
    "float64": lambda p: p / 255,
    "uint8 tensor": torch.tensor,
    "(3, H, W) tensor": lambda p: torch.tensor(p).permute(2, 0, 1),
    "(1, 3, H, W) tensor": tensor_of,
    "(1, H, W, 3) tensor": lambda p: torch.tensor(p)[None],
    "tensor with a gradient": lambda p: tensor_of(p).requires_grad_(True),
    "half precision tensor": lambda p: tensor_of(p).half(),
    "bfloat16 tensor": lambda p: tensor_of(p).bfloat16(),
}


@pytest.mark.parametrize("form", ARRAYS.values(), ids=ARRAYS)
def test_arrays_and_tensors_say_their_range_by_their_type(pixels, image, form):
    source = form(pixels)
    rounding = getattr(source, "dtype", None) in (torch.half, torch.bfloat16)
    tolerance = torch.finfo(source.dtype).eps if rounding else 1e-6
    torch.testing.assert_close(load_image(source), image, rtol=0, atol=tolerance)


@pytest.mark.parametrize("form", [lambda t: t, lambda t: t[0].permute(1, 2, 0).numpy()])
def test_floats_are_not_rounded_to_eight_bits(form):
    fine = torch.rand(1, 3, 6, 9, generator=torch.Generator().manual_seed(0))
    loaded = load_image(form(fine))
    assert torch.equal(loaded, fine)
    assert loaded.data_ptr() != fine.data_ptr()  # changing one leaves the other alone
    halved = F.interpolate(fine, (3, 5), mode="bicubic", antialias=True).clamp(0, 1)
    assert torch.equal(load_image(form(fine), size=(3, 5)), halved)


def test_floats_out_of_range_by_rounding_are_clipped():
    loaded = load_image(np.array([[-1e-7, 0.5, 1 + 5e-7]], dtype=np.float32))
    assert loaded[0, 0].tolist() == [[0, 0.5, 1]]


def test_transparent_floats_are_laid_on_white():
    colour, opacity = torch.rand(4, 5, 3), torch.rand(4, 5, 1)
    laid = (colour * opacity + 1 - opacity).permute(2, 0, 1)[None]
    torch.testing.assert_close(load_image(torch.cat([colour, opacity], 2).numpy()), laid)


def test_a_greyscale_array_has_three_equal_channels(pixels):
    grey = pixels[..., 0]
    for form in (grey, grey[..., None]):
        loaded = load_image(form)
        assert torch.equal(loaded, tensor_of(np.stack([grey] * 3, -1)))


def test_a_mask_becomes_black_and_white():
    assert load_image(np.array([[True, False]]))[0, 0].tolist() == [[1, 0]]


def test_the_callers_array_stays_as_it_is(pixels):
    before = pixels.copy()
    load_image(pixels)[:] = 0
    assert np.array_equal(pixels, before)


def test_the_callers_tensor_shares_no_memory_with_what_is_loaded(image):
    before = image.clone()
    load_image(image)[:] = 0
    assert torch.equal(image, before)


# EXIF 2.32, tag 0x0112: how a viewer has to turn what is stored.
UPRIGHT = {
    1: lambda s: s,
    2: lambda s: s[:, ::-1],
    3: lambda s: s[::-1, ::-1],
    4: lambda s: s[::-1],
    5: lambda s: s.transpose(1, 0, 2),
    6: lambda s: np.rot90(s, -1),
    7: lambda s: np.rot90(s, 2).transpose(1, 0, 2),
    8: lambda s: np.rot90(s, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_photograph_taken_sideways_is_turned_upright(pixels, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(Image.fromarray(pixels), tmp_path / "a.png", exif=exif)
    expected = tensor_of(np.ascontiguousarray(UPRIGHT[orientation](pixels)))
    assert torch.equal(load_image(path), expected)


@pytest.mark.parametrize(("alpha", "green"), [(0, 255), (128, 127), (255, 0)])
def test_transparent_red_is_laid_on_white(alpha, green):
    """Red over white: red stays 255, the others are 255 · (1 − alpha)."""
    picture = Image.new("RGBA", (4, 4), (255, 0, 0, alpha))
    assert first_pixel(load_image(picture)) == [255, green, green]
    assert first_pixel(load_image(np.asarray(picture))) == [255, green, green]


def transparent_palette() -> Image.Image:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.info["transparency"] = 1
    return picture


KINDS = {
    "greyscale": (Image.new("L", (4, 4), 100), [100] * 3),
    "greyscale with alpha": (Image.new("LA", (4, 4), (0, 128)), [127] * 3),
    "black and white": (Image.new("1", (4, 4), 1), [255] * 3),
    "palette": (Image.new("RGB", (4, 4), (10, 20, 30)).quantize(4), [10, 20, 30]),
    "palette with transparency": (transparent_palette(), [255] * 3),
    "CMYK paper": (Image.new("CMYK", (4, 4), (0, 0, 0, 0)), [255] * 3),
    "CMYK cyan": (Image.new("CMYK", (4, 4), (255, 0, 0, 0)), [0, 255, 255]),
    "CMYK black": (Image.new("CMYK", (4, 4), (0, 0, 0, 255)), [0] * 3),
    "16 bits": (Image.fromarray(np.full((4, 4), 100 * 257, np.uint16)), [100] * 3),
    "32 bits": (Image.fromarray(np.full((4, 4), 100 * 257, np.int32)), [100] * 3),
    "float": (Image.fromarray(np.full((4, 4), 0.2, np.float32)), [51] * 3),
}


@pytest.mark.parametrize(("picture", "expected"), KINDS.values(), ids=KINDS)
def test_every_kind_of_picture_becomes_rgb(picture, expected):
    loaded = load_image(picture)
    assert loaded.shape == (1, 3, 4, 4)
    assert first_pixel(loaded) == expected


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
def test_a_16_bit_png_keeps_its_brightness(tmp_path, level):
    """65535 is 257 · 255; clipping at 255, as Pillow's own conversion does, would show white."""
    deep = Image.fromarray(np.full((4, 4), 257 * level, np.uint16))
    assert first_pixel(load_image(saved(deep, tmp_path / "deep.png"))) == [level] * 3


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_colours_multiplied_with_their_opacity_are_laid_on_white_alike(mode):
    plain = Image.new(mode.upper(), (4, 4), (100, 128) if mode == "La" else (200, 0, 100, 128))
    assert first_pixel(load_image(plain.convert(mode))) == pytest.approx(
        first_pixel(load_image(plain)),
        abs=1,  # the multiplication has rounded
    )


@pytest.mark.parametrize(
    ("lightness", "expected"), [(0, 0), (100, 255), (53.585, 128)], ids=["black", "white", "grey"]
)
def test_a_lab_picture_becomes_rgb(lightness, expected):
    """Greys of CIELAB: L* = 53.585 is the grey of sRGB's 128 (IEC 61966-2-1)."""
    lab = Image.new("LAB", (4, 4), (round(lightness * 2.55), 128, 128))
    assert first_pixel(load_image(lab)) == pytest.approx([expected] * 3, abs=2)


# --- load_image: colour profiles -----------------------------------------------------------------

D50 = (0.9642, 1.0, 0.8249)  # ICC.1, the white of the profile connection space
# Primaries in that space: IEC 61966-2-1 and SMPTE EG 432-1, adapted by Bradford's transform.
SRGB = ((0.43607, 0.38515, 0.14307), (0.22249, 0.71687, 0.06061), (0.01392, 0.09708, 0.71410))
P3 = ((0.51512, 0.29198, 0.15710), (0.24120, 0.69225, 0.06657), (-0.00105, 0.04189, 0.78407))


def profile(primaries, gamma: float) -> bytes:
    """An ICC profile (version 2) of three primaries and one power law, written by hand."""

    def numbers(values) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    name = b"made for a test\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": numbers(D50),
        **{c + b"XYZ": numbers(x) for c, x in zip((b"r", b"g", b"b"), zip(*primaries, strict=True),
                                                  strict=True)},
        **{c + b"TRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
           for c in (b"r", b"g", b"b")},
    }  # fmt: skip
    place, table, data = 132 + 12 * len(tags), b"", b""
    for tag, content in tags.items():
        table += tag + struct.pack(">II", place + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    body = struct.pack(">I", len(tags)) + table + data
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02100000, b"mntr", b"RGB ",
                       b"XYZ ")  # fmt: skip
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", *(round(v * 65536) for v in D50))
    return head.ljust(128, b"\0") + body


def shown(pixels: np.ndarray, primaries, gamma: float) -> np.ndarray:
    """What sRGB values look like those of this profile: through XYZ, by the book."""
    light = (pixels / 255) ** (round(gamma * 256) / 256) @ np.array(primaries).T
    linear = np.clip(light @ np.linalg.inv(np.array(SRGB)).T, 0, 1)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return 255 * curve


@pytest.mark.parametrize(("primaries", "gamma"), [(SRGB, 1.0), (P3, 2.2), (P3, 1.8)])
def test_a_colour_profile_is_converted_to_srgb(pixels, tmp_path, primaries, gamma):
    path = saved(Image.fromarray(pixels), tmp_path / "a.png", icc_profile=profile(primaries, gamma))
    loaded = load_image(path)[0].permute(1, 2, 0).numpy() * 255
    expected = shown(pixels, primaries, gamma)
    assert np.abs(expected - pixels).max() > 10, "the profile changes nothing: a weak test"
    # lcms computes in 15 bits, which shows in the darkest values of a linear profile
    assert np.abs(loaded - expected)[pixels.min(-1) > 10].max() < 1.5


def test_a_picture_that_says_it_is_in_srgb_keeps_its_values(pixels, image, tmp_path):
    """To the last level: a conversion from sRGB to sRGB would round."""
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = saved(Image.fromarray(pixels), tmp_path / "a.png", icc_profile=own)
    assert torch.equal(load_image(path), image)


def test_the_colours_of_a_palette_are_converted_as_well(tmp_path):
    """The profile is about the colours, not about the numbers by which a palette names them."""
    plain = Image.new("RGB", (4, 4), (200, 60, 30))
    of_plain, of_palette = (
        load_image(saved(picture, tmp_path / f"{name}.png", icc_profile=profile(P3, 2.2)))
        for name, picture in {"plain": plain, "palette": plain.quantize(4)}.items()
    )
    assert first_pixel(of_plain) != [200, 60, 30]
    assert torch.equal(of_palette, of_plain)


def test_transparency_outlives_a_profile(tmp_path):
    picture = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    path = saved(picture, tmp_path / "a.png", icc_profile=profile(P3, 2.2))
    assert first_pixel(load_image(path)) == [255] * 3


@pytest.mark.parametrize("broken", [b"no profile", profile(P3, 2.2)[:200]], ids=["text", "cut"])
def test_a_broken_profile_is_left_aside_as_in_viewers(pixels, image, tmp_path, broken):
    path = saved(Image.fromarray(pixels), tmp_path / "a.png", icc_profile=broken)
    assert torch.equal(load_image(path), image)


def test_a_profile_of_other_channels_than_the_picture_s_is_left_aside(tmp_path):
    grey = Image.new("L", (4, 4), 100)
    path = saved(grey, tmp_path / "a.png", icc_profile=profile(P3, 2.2))
    assert first_pixel(load_image(path)) == [100] * 3


# --- load_image: size ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, (20, 30)),
        (15, (10, 15)),
        (60, (40, 60)),
        ((7, 9), (7, 9)),
        ([7, 9], (7, 9)),
        (np.int64(15), (10, 15)),
        (1, (1, 1)),
    ],
)
def test_size_is_the_longer_side_or_height_and_width(pixels, size, expected):
    assert load_image(pixels, size=size).shape == (1, 3, *expected)


def test_a_panorama_keeps_at_least_one_row():
    assert load_image(np.zeros((1, 400, 3), np.uint8), size=20).shape == (1, 3, 1, 20)


@pytest.mark.parametrize(
    "size", [0, -1, 256.0, "256", (0, 5), (1, 2, 3), (4.0, 5.0), (), True, (True, 5)], ids=repr
)
def test_a_size_that_is_none_is_refused(pixels, size):
    with pytest.raises(ImageError, match="expected the longer side in pixels"):
        load_image(pixels, size=size)
    with pytest.raises(ImageError, match="expected the longer side in pixels"):
        resize(tensor_of(pixels), size)


def test_a_flat_picture_stays_flat_at_every_size():
    grey = np.full((20, 30, 3), 77, np.uint8)
    assert torch.equal(load_image(grey, size=13).unique(), torch.tensor([77 / 255]))


def lanczos(values: np.ndarray, length: int) -> np.ndarray:
    """Values at fewer places: sinc(x) · sinc(x / 3), widened by the scale, normalised to 1."""
    scale = len(values) / length
    places = np.arange(len(values)) + 0.5
    out = []
    for index in range(length):
        x = (places - (index + 0.5) * scale) / scale
        weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
        out.append(weights @ values / weights.sum())
    return np.array(out)


@pytest.mark.parametrize("length", [7, 15, 23])
def test_a_file_is_made_smaller_by_lanczos_formula(tmp_path, length):
    """Not by the nearest pixel, nor by a box, a triangle or a cubic: within a level of the sum."""
    row = np.random.default_rng(1).integers(64, 192, 30, dtype=np.uint8)
    path = saved(Image.fromarray(np.tile(row, (20, 1))), tmp_path / "a.png")
    loaded = load_image(path, size=(10, length))[0, 0] * 255
    expected = torch.from_numpy(lanczos(row.astype(float), length)).float().expand(10, -1)
    torch.testing.assert_close(loaded, expected, rtol=0, atol=0.51)


def test_fine_stripes_in_a_file_become_grey(tmp_path):
    """Antialiasing: halved, lines of one pixel give their mean, not one of the two."""
    stripes = np.tile(np.array([0, 255], np.uint8), (20, 20))
    path = saved(Image.fromarray(stripes), tmp_path / "a.png")
    middle = load_image(path, size=(10, 20))[..., 2:-2] * 255
    torch.testing.assert_close(middle, torch.full_like(middle, 127.5), rtol=0, atol=3)


def test_resize_gives_the_size_asked_for(image):
    assert resize(image, 15).shape == (1, 3, 10, 15)
    assert resize(image, (7, 9)).shape == (1, 3, 7, 9)
    assert torch.equal(resize(image, 30), image)


def test_resize_does_not_overshoot_at_an_edge():
    """A bicubic kernel would leave [0, 1] beside a step from black to white."""
    step = torch.cat([torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)], -1)
    enlarged = resize(step, 64)
    assert enlarged.min() >= 0
    assert enlarged.max() <= 1


def test_resize_keeps_the_mean_of_a_checkerboard():
    """Antialiasing: halved, black and white squares give grey, not one of the two."""
    board = ((torch.arange(16)[:, None] + torch.arange(16)) % 2).float().expand(1, 3, 16, 16)
    centre = resize(board, 8)[..., 2:-2, 2:-2]
    torch.testing.assert_close(centre, torch.full_like(centre, 0.5), rtol=0, atol=0.01)


@pytest.mark.parametrize("form", [lambda p: p, tensor_of], ids=["pixels", "floats"])
def test_a_size_beyond_the_memory_is_refused_before_it_is_tried(pixels, form):
    with pytest.raises(ImageError, match=r"1000000×666667 pixels needs about 2.67e\+04 GB .* free"):
        load_image(form(pixels), size=10**6)


def test_the_size_that_a_refusal_names_can_be_loaded(pixels, monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(8 * 10**9, 5 * 10**7))
    with pytest.raises(ImageError, match=r"It can be loaded with size=\d+\.") as refused:
        load_image(pixels, size=6000)
    named = int(re.findall(r"size=(\d+)", str(refused.value))[0])
    height, width = load_image(pixels, size=named).shape[-2:]
    assert max(height, width) == named
    assert 0.99 * 5e7 < height * width * PIXEL_BYTES <= 1.01 * 5e7  # as large as it can be


def test_a_file_beyond_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = saved(Image.new("1", (5000, 5000)), tmp_path / "a.png")
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(8 * 10**9, 5 * 10**8))
    with pytest.raises(ImageError, match=r"5000×5000 pixels needs about 1 GB .* 0\.5 GB are free"):
        load_image(path)


# --- load_image: what is refused -----------------------------------------------------------------


def test_a_missing_file_is_named_with_the_samples_there_are(tmp_path):
    with pytest.raises(ImageError, match="there is no file") as error:
        load_image(tmp_path / "cat.jpg")
    assert "cat.jpg" in str(error.value)
    assert "chelsea" in str(error.value)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b.png"], ids=["long", "null"])
def test_a_name_that_no_file_can_have_is_missing_too(name):
    with pytest.raises(ImageError, match="there is no file"):
        load_image(name)


BROKEN = {"empty": b"", "text": b"not a picture", "only a header": b"\x89PNG\r\n\x1a\n"}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match="cannot be read as a picture"):
        load_image(path)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tiff", "gif", "bmp"])
def test_a_download_that_broke_off_is_refused_wherever_it_was_cut(pixels, tmp_path, ending):
    whole = saved(Image.fromarray(pixels), tmp_path / f"whole.{ending}").read_bytes()
    cut = tmp_path / f"cut.{ending}"
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        cut.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ImageError, match="cannot be read as a picture"):
            load_image(cut)


def test_an_opened_file_that_broke_off_is_refused_like_a_path(pixels):
    """Pillow reads the pixels only when they are asked for."""
    whole = io.BytesIO()
    Image.fromarray(pixels).save(whole, "PNG")
    with pytest.raises(ImageError, match="cannot be read as a picture"):
        load_image(Image.open(io.BytesIO(whole.getvalue()[:900])))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 4, 3), np.nan), "48 values that are NaN or infinite"),
        (np.full((4, 4, 3), np.inf), "48 values that are NaN or infinite"),
        (np.full((4, 4, 3), 255.0), r"from 255 to 255.*Divide 0\.\.255 by 255"),
        (np.full((4, 4, 3), -0.5), "deprocess"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.zeros((4, 4, 3), complex), "complex"),
        (np.zeros((4, 4, 2)), r"\(4, 4, 2\)"),
        (np.zeros(4), r"\(4,\)"),
        (np.zeros((2, 3, 4, 4)), r"\(2, 3, 4, 4\)"),
        (np.zeros((0, 4, 3)), "at least one pixel"),
        (torch.zeros(2, 3, 4, 4), r"\(2, 3, 4, 4\)"),
        (torch.full((1, 3, 4, 4), torch.nan), "NaN"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(array, message):
    with pytest.raises(ImageError, match=message):
        load_image(array)


def test_a_row_of_pixels_is_read_as_the_documentation_says():
    """(H, W, 3) with H = 1 or 4: an array of channels first has its channels at the end nowhere."""
    for rows in (1, 4):
        colours = torch.rand(rows, 7, 3)
        assert torch.equal(load_image(colours), colours.permute(2, 0, 1)[None])
        assert torch.equal(load_image(colours.numpy()), colours.permute(2, 0, 1)[None])


@pytest.mark.parametrize("last", [1, 3, 4])
def test_a_tensor_whose_channels_may_be_at_either_end_is_refused(last):
    with pytest.raises(ImageError, match=r"first and the last axis.*as \(1, 3, H, W\)"):
        load_image(torch.rand(3, 5, last))
    assert load_image(torch.rand(1, 3, 5, last)).shape == (1, 3, 5, last)


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(3, 4, 5, device="meta"), torch.zeros(4, 5).to_sparse()],
    ids=["meta", "sparse"],
)  # fmt: skip
def test_a_tensor_without_values_at_hand_is_refused(tensor):
    with pytest.raises(ImageError, match=r"cannot be read\. Expected a dense tensor"):
        load_image(tensor)


@pytest.mark.parametrize("kind", [np.longdouble, np.float16, ">f8", ">u2"])
def test_numbers_of_every_width_and_order_are_read(kind):
    top = 65535 if kind == ">u2" else 1
    array = np.array([[0, top]], dtype=kind)
    assert load_image(array)[0, 0].tolist() == [[0, 1]]


def test_an_unknown_device_is_refused(image):
    with pytest.raises(ImageError, match="'gpu' cannot be used"):
        load_image(image, device="gpu")


# Mutated files: whatever is in them, there is a picture or an ImageError.

Image.init()
FORMATS = sorted(set(Image.SAVE) & set(Image.OPEN))
MODES = ("RGB", "L", "RGBA", "P", "1", "I;16", "CMYK", "F")
MUTANTS = 16  # for each format and mode


def written(form: str, mode: str) -> bytes | None:
    """A small picture in this format, with all that may come along; None where there is no way."""
    noise = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).convert("L" if mode == "I;16" else mode)
    picture = picture.convert("I;16") if mode == "I;16" else picture
    exif = Image.Exif()
    exif[0x0112] = 6
    for options in ({"exif": exif, "icc_profile": profile(P3, 2.2)}, {}):
        file = io.BytesIO()
        try:
            with warnings.catch_warnings(action="ignore"):  # of formats that will go some day
                picture.save(file, form, **options)
            return file.getvalue()
        except Exception:  # this format has no such mode, or does not take these options
            continue
    return None


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """A few bytes changed, most of them near the start, where the sizes are; sometimes cut."""
    data = bytearray(content)
    for _ in range(int(random.integers(1, 6))):
        reach = len(data) if random.random() < 0.5 else min(len(data), 200)
        data[int(random.integers(reach))] = int(random.choice([0, 1, 127, 128, 255,
                                                               random.integers(256)]))  # fmt: skip
    return bytes(data[: int(random.integers(len(data)))] if random.random() < 0.1 else data)


@pytest.mark.parametrize("form", FORMATS)
def test_a_damaged_file_is_a_picture_or_an_image_error(form, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # more is refused: sizes are damaged too
    for mode in MODES:
        whole = written(form, mode)
        random = np.random.default_rng(len(form + mode))
        for _ in range(MUTANTS if whole else 0):
            path = tmp_path / "a"
            path.write_bytes(mutated(whole, random))
            try:
                with warnings.catch_warnings(action="ignore"):
                    loaded = load_image(path)
            except ImageError:
                continue
            assert loaded.shape[:2] == (1, 3)
            assert torch.isfinite(loaded).all()


def test_one_nan_among_good_pixels_is_found(image):
    image[0, 1, 2, 3] = torch.nan
    with pytest.raises(ImageError):
        load_image(image)


@pytest.mark.parametrize("source", [None, b"cat.jpg", [[0, 1]], 7], ids=repr)
def test_something_else_altogether_is_refused(source):
    with pytest.raises(ImageError, match="expected"):
        load_image(source)


# --- to_pil, save_image --------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "bmp", "tiff"])
def test_saving_and_loading_gives_the_same_picture(image, tmp_path, ending):
    path = save_image(image, tmp_path / f"a.{ending}")
    assert torch.equal(load_image(path), image)


def test_what_is_saved_differs_by_half_a_level_at_most(tmp_path):
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    loaded = load_image(save_image(image, tmp_path / "a.png"))
    assert (loaded - image).abs().max() <= HALF_A_LEVEL


def test_a_jpeg_is_close(tmp_path):
    smooth = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    assert (load_image(save_image(smooth, tmp_path / "a.jpg")) - smooth).abs().mean() < 0.01


def test_values_outside_the_range_are_clipped():
    picture = to_pil(torch.tensor([-0.5, 0.0, 1.0, 1.5]).expand(3, 1, 4))
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 0, 255, 255]


def test_a_picture_with_and_without_a_batch_dimension_is_the_same(image):
    assert to_pil(image).tobytes() == to_pil(image[0]).tobytes()
    assert to_pil(image).size == (30, 20)


def test_saving_changes_nothing_in_the_tensor(image, tmp_path):
    image = (image * 3 - 1).requires_grad_(True)
    before = image.detach().clone()
    save_image(image, tmp_path / "a.png")
    assert torch.equal(image, before)


def test_missing_folders_are_made(image, tmp_path):
    assert save_image(image, tmp_path / "new" / "folder" / "a.png").is_file()


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 4, 4), (4, 4), (1, 1, 3, 4, 4)], ids=str)
def test_what_is_not_one_rgb_picture_is_not_saved(shape):
    with pytest.raises(ImageError, match="expected") as error:
        to_pil(torch.zeros(shape))
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_not_saved(image, value):
    image[0, 0, 0, :2] = value
    with pytest.raises(ImageError, match="2 values that are NaN or infinite"):
        to_pil(image)


@pytest.mark.parametrize("name", ["a", "a.xyz", "a.txt", "a.psd"])
def test_an_ending_that_names_no_writable_format_is_refused(image, tmp_path, name):
    """Pillow reads .psd, and cannot write it."""
    with pytest.raises(ImageError, match=r"Use \.png"):
        save_image(image, tmp_path / name)


def test_a_folder_that_cannot_be_written_to_is_named(image, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ImageError, match="Choose another folder"):
        save_image(image, tmp_path / "file" / "a.png")


# --- conventions ---------------------------------------------------------------------------------

EVERY_CONVENTION = pytest.mark.parametrize("convention", CONVENTIONS)


@EVERY_CONVENTION
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)], ids=str
)
def test_deprocess_undoes_preprocess(image, convention, dtype, tolerance):
    image = image.to(dtype)
    there_and_back = deprocess(preprocess(image, convention), convention)
    assert there_and_back.dtype == dtype
    torch.testing.assert_close(there_and_back, image, rtol=0, atol=tolerance)


@EVERY_CONVENTION
def test_preprocess_undoes_deprocess(image, convention):
    x = image.double() * 100 - 50
    torch.testing.assert_close(preprocess(deprocess(x, convention), convention), x)


def test_the_caffe_convention_of_an_orange_pixel():
    """RGB (255, 128, 0): blue first, 0..255, minus Caffe's mean of ImageNet."""
    orange = torch.tensor([255.0, 128.0, 0.0]).view(1, 3, 1, 1) / 255
    expected = torch.tensor([0 - 103.939, 128 - 116.779, 255 - 123.68])
    torch.testing.assert_close(preprocess(orange, "caffe").flatten(), expected)


def test_the_torchvision_convention_of_an_orange_pixel():
    orange = torch.tensor([255.0, 128.0, 0.0]).view(1, 3, 1, 1) / 255
    expected = torch.tensor([(1 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, (0 - 0.406) / 0.225])
    torch.testing.assert_close(preprocess(orange, "torchvision").flatten(), expected)


def test_the_torchvision_convention_is_torchvisions_own(image):
    from torchvision.models import VGG19_Weights
    from torchvision.transforms.functional import normalize

    preset = VGG19_Weights.DEFAULT.transforms()
    expected = normalize(image, preset.mean, preset.std)
    torch.testing.assert_close(preprocess(image, "torchvision"), expected)


def test_the_raw_convention_changes_nothing(image):
    assert torch.equal(preprocess(image, "raw"), image)


@EVERY_CONVENTION
def test_preprocessing_leaves_the_picture_as_it_is_and_lets_gradients_through(image, convention):
    before = image.clone()
    image.requires_grad_(True)
    preprocess(image, convention).sum().backward()
    assert torch.equal(image, before)
    assert (image.grad > 0).all()


def test_a_batch_is_preprocessed_item_by_item(image):
    batch = torch.cat([image, 1 - image])
    for item, x in zip(batch, preprocess(batch, "caffe"), strict=True):
        assert torch.equal(preprocess(item[None], "caffe")[0], x)


@pytest.mark.parametrize("function", [preprocess, deprocess])
@pytest.mark.parametrize(
    ("x", "convention", "message"),
    [
        (torch.zeros(1, 3, 4, 4), "keras", "unknown convention 'keras'.*caffe"),
        (torch.zeros(1, 1, 4, 4), "caffe", r"\(1, 1, 4, 4\); expected \(B, 3, H, W\)"),
        (torch.zeros(3, 4, 4), "caffe", r"\(3, 4, 4\); expected \(B, 3, H, W\)"),
        # In whole numbers the mean of 0.485 would become 0, and the result nonsense.
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "torchvision", "uint8"),
    ],
)
def test_what_cannot_be_preprocessed_is_refused(function, x, convention, message):
    with pytest.raises(ImageError, match=message):
        function(x, convention)


# --- devices -------------------------------------------------------------------------------------


@needs_cuda
def test_a_picture_can_be_put_on_a_gpu_and_saved_from_it(pixels, image, tmp_path):
    loaded = load_image(pixels, device="cuda")
    assert loaded.device.type == "cuda"
    assert torch.equal(load_image(save_image(loaded, tmp_path / "a.png")), image)
    assert torch.equal(load_image(loaded), image)
