"""What the course rests on may be used as the course's own licences promise."""

from __future__ import annotations

import re
from importlib import metadata

import licences
import pytest
from conftest import ROOT

from nst_teach import samples

PAGE = licences.TARGET.read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading of LICENCES.md."""
    part = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (.+) \|$", part, re.M)
    return [line.split(" | ") for line in lines[2:]]


@pytest.mark.parametrize(
    ("stated", "permitted"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND MIT", True),
        ("Apache-2.0 OR BSD-2-Clause", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-2.0-or-later OR MIT", True),
        ("GNU General Public License (GPL); BSD License", True),  # as docutils: one file of many
        ("LicenseRef-NVIDIA-Proprietary", False),
        ("CC BY-NC 4.0", False),
        ("", False),
    ],
)
def test_kinds_of_licences(stated, permitted):
    assert licences.is_permitted(stated) is permitted


def test_nothing_installed_forbids_what_ours_permit():
    assert licences.obstacles() == {}


def test_an_obstacle_would_be_found(monkeypatch):
    """Deep below, too: MarkupSafe is needed by Jinja2, which torch needs."""
    real = licences.licence
    monkeypatch.setattr(
        licences, "licence", lambda name: "GPL-3.0" if name == "markupsafe" else real(name)
    )
    assert licences.obstacles() == {"markupsafe": "GPL-3.0"}


def test_every_package_that_is_asked_for_is_listed():
    listed = {name: (purpose, stated) for name, purpose, stated in rows("Python packages")}
    assert {name: purpose for name, (purpose, _) in listed.items()} == licences.asked_for()
    for name, (_, stated) in listed.items():
        assert licences.is_permitted(stated) or name in licences.EXCEPTIONS


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["License-Expression: MIT", "License: other"], "MIT"),
        (["License: MIT"], "MIT"),
        (["License: UNKNOWN", "Classifier: License :: OSI Approved :: ISC License"], "ISC License"),
        (["License: A long text", " of many lines"], "A long text"),
        ([], ""),
    ],
)
def test_a_licence_is_found_wherever_it_is_stated(lines, expected, monkeypatch):
    from email import message_from_string

    text = "\n".join(["Name: thing", *lines, "", ""])
    monkeypatch.setattr(metadata, "metadata", lambda name: message_from_string(text))
    assert licences.licence("thing") == expected


def test_scripts_of_the_pages_are_listed_and_permitted():
    known = dict(licences.scripts())
    assert [name for name, stated in known.items() if not licences.is_permitted(stated)] == []
    assert dict(rows("Scripts in the pages")) == {
        name: known[name] for name in ("mathjax", "onnxruntime-web", "reveal.js")
    }


def test_samples_are_listed_and_permitted():
    catalogue = [samples.get(name) for name in samples.names()]
    expected = [[f"{s.name}: {s.title}", s.maker, s.licence] for s in catalogue]
    assert rows("Pictures") == expected
    free = {samples.CC0, samples.PUBLIC_DOMAIN, samples.OURS}
    assert {s.licence for s in catalogue} <= free


def test_our_own_licence_is_the_same_wherever_it_stands():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'license = "MIT AND CC-BY-4.0"' in project
    assert "MIT License" in text
    assert "CC BY 4.0" in text
