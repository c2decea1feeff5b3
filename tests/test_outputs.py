"""Output files: space is reserved before the work, and a target is never incomplete."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from nst_teach import ImageError
from nst_teach.outputs import BLOCK, promised


@pytest.mark.parametrize("size", [0, 1, len(BLOCK), len(BLOCK) + 1, 2 * len(BLOCK) + 7])
def test_all_bytes_asked_for_are_reserved(tmp_path, size):
    """A disk that would be full by one byte is found to be full."""
    with promised(tmp_path / "a.png", size) as hidden:
        assert hidden.stat().st_size == size


def test_the_target_is_replaced_at_the_end_and_not_before(tmp_path):
    target = tmp_path / "a.png"
    target.write_text("old")
    with promised(target) as hidden:
        hidden.write_text("new")
        assert hidden.parent == target.parent, "moving is at once only within a folder"
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_after_an_error_the_target_is_as_before(tmp_path):
    target = tmp_path / "a.png"
    target.write_text("old")

    def write_half() -> None:
        with promised(target) as hidden:
            hidden.write_text("half of it")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_target_that_another_program_holds_costs_nothing(tmp_path, monkeypatch):
    """As on Windows, while a viewer shows the old picture."""
    target, replace = tmp_path / "a.png", Path.replace
    target.write_text("old")

    def refuse(self, other):
        if other == target:
            raise PermissionError(errno.EACCES, "Access is denied")
        return replace(self, other)

    def write() -> None:
        with promised(target) as hidden:
            hidden.write_text("new")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ImageError, match=r"cannot replace .*Access is denied.*in 'a-\d+\.png'"):
        write()
    assert target.read_text() == "old"
    (beside,) = set(tmp_path.iterdir()) - {target}
    assert beside.read_text() == "new"
