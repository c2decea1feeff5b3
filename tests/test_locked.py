"""The versions that the workflow installs: all that is needed, within the bounds of users."""

from __future__ import annotations

import tomllib

import locked
import pytest
from conftest import ROOT
from packaging.requirements import Requirement

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_lock_fits_the_bounds():
    versions = locked.versions_of(locked.TARGET.read_text(encoding="utf-8"))
    assert locked.faults(locked.direct(PROJECT), versions) == []


def test_the_lock_goes_beyond_what_is_named():
    """NumPy is named; what Sphinx needs is not, and can break the book all the same."""
    versions = locked.versions_of(locked.TARGET.read_text(encoding="utf-8"))
    assert {"docutils", "markupsafe", "myst-parser", "numpy"} <= set(versions)
    assert "nst-teach" not in versions


def test_what_is_missing_or_too_old_is_a_fault():
    needed = [Requirement("pillow>=10.3"), Requirement("SciPy>=1.11"), Requirement("tqdm>=4")]
    assert locked.faults(needed, {"pillow": "10.2", "scipy": "1.12"}) == [
        "pillow 10.2 is not >=10.3",
        "tqdm has no version",
    ]


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(LookupError, match="no-such-package"):
        locked.installed([Requirement("no-such-package>=1")])


def test_a_text_is_read_as_it_was_written():
    versions = {"b": "1.0", "a": "2.1.post1"}
    assert locked.versions_of(locked.text_of(versions)) == versions
    assert locked.text_of(versions).splitlines()[1:] == ["a==2.1.post1", "b==1.0"]
