"""The style pictures are what their programs paint, to the last pixel."""

from __future__ import annotations

import io

import numpy as np
import paint_styles as painting
import pytest
from PIL import Image

from nst_teach import samples

EVERY_PICTURE = pytest.mark.parametrize("name", painting.NAMES)


def committed(name: str) -> bytes:
    return (painting.PICTURES / f"{name}.jpg").read_bytes()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def lossless(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


@EVERY_PICTURE
def test_a_picture_is_painted_again_to_the_last_pixel(name):
    assert painting.differing_pixels(painting.paint(name), committed(name)) == 0


@pytest.mark.parametrize("changed", [1, 7])
def test_the_check_counts_pixels_that_differ(changed):
    """By one level in one channel: otherwise the test above could not fail."""
    before = pixels(committed("dots"))
    after = before.copy()
    after.reshape(-1, 3)[1000 : 1000 + changed, 1] ^= 1
    assert painting.differing_pixels(lossless(after), lossless(before)) == changed


def test_in_a_picture_of_another_size_every_pixel_differs():
    before = pixels(committed("dots"))
    assert painting.differing_pixels(lossless(before[:, 1:]), lossless(before)) == (
        before.shape[0] * (before.shape[1] - 1)
    )


@pytest.fixture
def gallery(tmp_path, monkeypatch):
    """A folder with two of the pictures, whose programs `paint` what is committed at once."""
    monkeypatch.setattr(painting, "NAMES", ("dots", "ink_hills"))
    monkeypatch.setattr(painting, "PICTURES", tmp_path)
    originals = {name: (samples.PICTURES / f"{name}.jpg").read_bytes() for name in painting.NAMES}
    monkeypatch.setattr(painting, "paint", originals.__getitem__)
    assert painting.write() == 0
    return tmp_path


def test_what_was_just_painted_passes_the_check(gallery, capsys):
    assert painting.check() == 0
    assert "dots: 0 pixels differ" in capsys.readouterr().out


def test_the_check_names_the_picture_that_is_not_as_painted(gallery, capsys):
    altered = pixels(committed("ink_hills")).copy()
    altered[200, 200] ^= 128
    (gallery / "ink_hills.jpg").write_bytes(lossless(altered))
    assert painting.check() == 1
    errors = capsys.readouterr().err
    assert "ink_hills" in errors
    assert "dots" not in errors


def test_the_check_notices_a_title_that_was_changed_by_hand(gallery, capsys):
    text = (gallery / "index.json").read_text(encoding="utf-8")
    (gallery / "index.json").write_text(text.replace("Riverbank", "River"), encoding="utf-8")
    assert painting.check() == 1
    assert "index.json" in capsys.readouterr().err


def test_every_picture_has_its_program_and_every_program_its_picture():
    assert set(painting.NAMES) == set(samples.names("style"))


def test_titles_and_alternative_texts_are_those_of_the_programs():
    assert (painting.PICTURES / "index.json").read_text(encoding="utf-8") == painting.index()


@EVERY_PICTURE
def test_a_picture_has_full_colour_and_its_longer_side(name):
    with Image.open(io.BytesIO(committed(name))) as picture:
        assert picture.mode == "RGB"
        assert max(picture.size) == 512
        assert [layer[1:3] for layer in picture.layer] == [(1, 1)] * 3  # no chroma subsampling
