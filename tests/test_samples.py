"""The pictures that come with the course are there, described and free to use."""

from __future__ import annotations

import dataclasses

import pytest
from PIL import Image

from nst_teach import load_image, samples

KINDS = {"photo", "texture", "style"}
FREE = {"CC0 1.0", "public domain", "CC BY 4.0"}
EVERY_SAMPLE = pytest.mark.parametrize("name", samples.names())


def test_names_are_unique():
    assert len(set(samples.names())) == len(samples.names())


def test_kinds_share_out_the_names():
    by_kind = {kind: samples.names(kind) for kind in KINDS}
    assert all(by_kind.values())
    assert sorted(sum(by_kind.values(), ())) == sorted(samples.names())


def test_an_unknown_kind_has_no_names():
    assert samples.names("sculpture") == ()


@EVERY_SAMPLE
def test_every_sample_is_a_picture_on_this_machine(name):
    with Image.open(samples.get(name).path) as picture:
        picture.load()
        assert min(picture.size) >= 256


@EVERY_SAMPLE
def test_every_sample_says_what_it_is_and_who_made_it(name):
    sample = samples.get(name)
    assert sample.name == name
    assert sample.kind in KINDS
    assert sample.licence in FREE
    assert all(getattr(sample, field.name).strip() for field in dataclasses.fields(sample))


@EVERY_SAMPLE
def test_every_alternative_text_is_a_sentence(name):
    alt = samples.get(name).alt
    assert alt[0].isupper()
    assert alt.endswith(".")
    assert len(alt.split()) >= 6
    assert not alt.lower().startswith(("image of", "picture of", "photo of"))


def test_no_picture_lies_about_unlisted():
    """Each painted picture has an entry in the index, and each entry its picture."""
    files = {path.name for path in samples.PICTURES.glob("*.jpg")}
    assert files == {samples.get(name).file for name in samples.names("style")}


def test_open_sample_gives_pixels_whose_file_is_closed():
    picture = samples.open_sample("chelsea")
    assert picture.getpixel((0, 0))
    assert getattr(picture, "fp", None) is None


def test_an_unknown_sample_is_refused_with_a_list_of_those_there_are():
    with pytest.raises(KeyError, match="chelsey") as error:
        samples.get("chelsey")
    assert all(name in str(error.value) for name in samples.names())


def test_load_image_takes_a_sample_by_name():
    assert load_image("brick", size=(32, 48)).shape == (1, 3, 32, 48)
