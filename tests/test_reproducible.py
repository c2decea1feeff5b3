"""Two builds are compared picture by picture and number by number, but not second by second."""

from __future__ import annotations

import base64
import io
import json

import pytest
import reproducible
from PIL import Image

CODE = {"loss": "print(loss)", "clock": "print(run.seconds)"}


def png(level: int, note: str = "") -> bytes:
    file = io.BytesIO()
    info = {"pnginfo": None}
    if note:
        from PIL.PngImagePlugin import PngInfo

        info["pnginfo"] = PngInfo()
        info["pnginfo"].add_text("Date", note)
    Image.new("RGB", (4, 3), (level, 0, 0)).save(file, "PNG", **info)
    return file.getvalue()


def build(folder, *, text="loss 3.25 after 1.2 s", clock="5 7", level=200, note="", name="a"):
    """A built book of one page: a number, a picture, a measured time."""
    chapter = folder / "book"
    chapter.mkdir(parents=True)
    (chapter / f"{name}.png").write_bytes(png(level, note))
    image = f'<img src="{name}.png" alt="A picture">'
    shown = {"loss": text + image, "clock": clock}
    cells = "".join(
        f'<div class="cell"><div class="cell_input"><pre>{code}</pre></div>'
        f'<div class="cell_output">{shown[kind]}</div></div>'
        for kind, code in CODE.items()
    )
    (chapter / "page.html").write_text(f"<html><body><article>{cells}</article></body></html>")
    return folder


def notebook(folder, *, text="loss 3.25 after 1.2 s", level=200):
    """An executed notebook that shows the same."""
    folder.mkdir()
    picture = {"image/png": base64.b64encode(png(level)).decode()}
    outputs = [{"text": [text]}, {"data": picture}]
    cell = {"cell_type": "code", "source": [CODE["loss"]], "outputs": outputs}
    (folder / "page.ipynb").write_text(json.dumps({"cells": [cell]}))
    return folder


@pytest.fixture
def two(tmp_path):
    return tmp_path / "one", tmp_path / "other"


@pytest.mark.parametrize("make", [build, notebook])
def test_the_same_book_is_the_same(make, two):
    assert list(reproducible.differences(make(two[0]), make(two[1]))) == []


def test_times_names_and_dates_of_files_are_no_difference(two):
    one = build(two[0])
    other = build(two[1], text="loss 3.25 after 13.0 s", clock="6 8", note="today", name="b")
    assert list(reproducible.differences(one, other)) == []


@pytest.mark.parametrize("make", [build, notebook])
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"text": "loss 3.26 after 1.2 s"}, "1 of 1 lines, the first: 'loss 3.25 after … s'"),
        ({"text": "loss 3.25 after 1.2 steps"}, "1 of 1 lines"),
        ({"level": 201}, "another picture: 4×3"),
    ],
)
def test_another_number_or_pixel_is_a_difference(make, change, fault, two):
    found = list(reproducible.differences(make(two[0]), make(two[1], **change)))
    assert len(found) == 1
    assert "cell 1: " + fault in found[0]


def test_a_page_that_is_missing_is_a_difference(two):
    one = build(two[0])
    (one / "book" / "more.html").write_text("<p>More</p>")
    assert list(reproducible.differences(one, build(two[1]))) == [f"book/more.html: only in {one}"]


@pytest.mark.parametrize(("level", "status"), [(200, 0), (7, 1)])
def test_the_status_tells(level, status, two, monkeypatch, capsys):
    builds = build(two[0]), build(two[1], level=level)
    monkeypatch.setattr("sys.argv", ["reproducible.py", *map(str, builds)])
    assert reproducible.main() == status
    said = capsys.readouterr().out
    assert f"{status} differences in 1 pages, 1 pictures, 2 lines; 1 cells" in said


def test_what_is_no_build_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["reproducible.py", str(tmp_path), str(tmp_path)])
    with pytest.raises(SystemExit):
        reproducible.main()
    assert "holds neither pages" in capsys.readouterr().err
