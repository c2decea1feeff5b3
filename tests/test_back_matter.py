"""The back matter keeps to the package: quoted errors are real, the reference is complete."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
import warnings
from collections.abc import Callable
from urllib.error import URLError

import numpy as np
import pytest
import torch
from conftest import ROOT
from safetensors.torch import save_file

import nst_teach
from nst_teach import (
    content_loss,
    costs,
    load_image,
    load_network,
    optimize,
    preprocess,
    studio,
    to_pil,
    transfer,
    weight_files,
)
from nst_teach.objective import Losses

PAGE = ROOT / "book" / "troubleshooting.md"
OPEN = "…"  # stands for what depends on the input
QUOTES = re.findall(r"```text\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), flags=re.S)

SMALL = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


HEIC = b"\0\0\0\x18ftypheic"  # how such a file begins


def broken(tmp_path, name: str, contents: bytes = b"not what the ending says") -> str:
    path = tmp_path / name
    path.write_bytes(contents)
    return str(path)


def saved(tmp_path, **tensors: torch.Tensor) -> str:
    path = tmp_path / "weights.safetensors"
    save_file({name.replace("__", "."): tensor for name, tensor in tensors.items()}, path)
    return str(path)


def offline(monkeypatch, **_) -> None:
    def refuse(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    load_network("vgg19")


def lacking_memory(**_) -> None:
    def objective(image):
        raise torch.OutOfMemoryError("out of memory")

    optimize(objective, SMALL, steps=1, progress=False)


def diverging(optimizer: str) -> None:
    def objective(image):
        total = image.sum() * float("nan")
        return Losses(total, {"relu1_1": total}, {}, total)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = optimize(objective, SMALL, optimizer=optimizer, steps=1, progress=False)
    raise RuntimeError(result.reason)


def taken_over(**_) -> None:
    first = studio(size=32, steps=10_000)
    first.start()
    studio(size=32)
    raise RuntimeError(first.engine.note)


def in_place(**_) -> None:
    before = torch.nn.Conv2d(3, 4, 3)(SMALL)
    gram = before.flatten(2) @ before.flatten(2).mT
    torch.relu_(before)
    gram.sum().backward()


CASES: list[Callable] = [
    offline,
    lambda tmp_path, **_: weight_files.read_weights(broken(tmp_path, "w.safetensors")),
    lambda tmp_path, **_: load_network("vgg16", weights=saved(tmp_path, a=torch.zeros(1))),
    lambda tmp_path, **_: load_network(
        "vgg16", weights=saved(tmp_path, conv1_1__weight=torch.zeros(1))
    ),
    lambda **_: load_image("missing.jpg"),
    lambda **_: load_image("https://example.org/photo.jpg"),
    lambda tmp_path, **_: load_image(tmp_path),
    lambda **_: load_image(os.devnull),
    lambda tmp_path, **_: load_image(broken(tmp_path, "photo.jpg")),
    lambda tmp_path, **_: load_image(broken(tmp_path, "phone.jpg", HEIC)),
    lacking_memory,
    lambda **_: load_image(np.full((4, 4, 3), 200.0)),
    lambda **_: diverging("lbfgs"),
    lambda **_: diverging("lbfgs-plain"),
    lambda **_: to_pil(SMALL * float("nan")),
    lambda **_: optimize(None, SMALL, optimizer="scipy", learning_rate=1.0),
    lambda **_: load_network("petite")(SMALL, "conv_4"),
    in_place,
    lambda **_: load_network("vgg16", pooling="avg"),
    lambda **_: transfer("chelsea", "dots", size=32, beta=-1.0),
    lambda **_: content_loss(SMALL, SMALL[..., 1:]),
    lambda **_: preprocess(SMALL[:, :1], "caffe"),
    lambda **_: load_network("petite")(SMALL[..., :8, :8], "relu5_1"),
    taken_over,
]


def pattern(quote: str) -> re.Pattern:
    """What the quote stands for: any text at each "…", any white space for white space."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in quote.split(OPEN)]
    return re.compile(r"[\s\S]*?".join(rf"\s*{part}\s*" for part in parts))


@pytest.mark.parametrize(("quote", "fail"), list(zip(QUOTES, CASES, strict=True)))
def test_quote_is_what_the_reader_sees(quote, fail, tmp_path, monkeypatch):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the text is what is tested
        fail(tmp_path=tmp_path, monkeypatch=monkeypatch)
    assert pattern(quote).search(str(caught.value)), str(caught.value)


# The API reference is complete


def public_names() -> list[str]:
    """Every function and class that a module of the package defines for others to use."""
    found = []
    for module in pkgutil.iter_modules(nst_teach.__path__):
        contents = vars(importlib.import_module(f"nst_teach.{module.name}"))
        found += [
            f"{module.name}.{name}"
            for name, value in contents.items()
            if not name.startswith("_")
            and (inspect.isfunction(value) or inspect.isclass(value))
            and value.__module__ == f"nst_teach.{module.name}"
        ]
    return found


@pytest.mark.parametrize("name", public_names())
def test_reference_documents(name):
    page = (ROOT / "book" / "src" / "api.md").read_text(encoding="utf-8")
    short = name.partition(".")[2]
    place = rf"nst_teach\.(?:{re.escape(name)}|{short})"
    assert re.search(rf"^\.\. auto\w+:: {place}(?:\(|$)", page, flags=re.M)


# Symbols keep one meaning


def notation() -> list[dict[str, str]]:
    """The rows of the notation page's tables that name symbols, by the columns' titles."""
    text = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
    rows = []
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        lines = [re.split(r"\s*\|\s*", line)[1:-1] for line in table.splitlines()]
        titles, _, *cells = lines
        rows += [dict(zip(titles, cell, strict=True)) for cell in cells if "symbol" in titles]
    return rows


def symbols(row: dict[str, str]) -> list[str]:
    """What stands in a row, without the index of the layer: `$w_l$` is `w`, `$d, t$` is two."""
    inside = "".join(re.findall(r"\$([^$]+)\$", row["symbol"]))
    names = re.split(r",\s+(?![^(]*\))", inside)
    return [re.sub(r"[_^]l\b", "", name).replace(" ", "") for name in names]


def everywhere() -> list[str]:
    return [name for row in notation() if "chapter" not in row for name in symbols(row)]


def test_notation_is_read():
    """The tests below would pass on an empty list."""
    assert {"x", "F", "G", "w", r"w_{\mathrm{TV}}", r"\mathcalL"} <= set(everywhere())
    assert ["k(f,s)"] in [symbols(row) for row in notation()]
    assert sum("chapter" in row for row in notation()) > 20


def test_a_symbol_has_one_meaning():
    assert len(everywhere()) == len(set(everywhere()))


def test_a_chapters_own_letters_take_no_symbol_away():
    own = [
        (chapter, name)
        for row in notation()
        if "chapter" in row
        for chapter in row["chapter"].split(", ")
        for name in symbols(row)
    ]
    assert len(own) == len(set(own))
    assert not {name for _, name in own} & set(everywhere())


# The teacher's guide


def test_guide_names_what_binder_cannot_hold():
    """As the page on classrooms computes it from the measured costs."""
    page = (ROOT / "book" / "src" / "classroom.md").read_text(encoding="utf-8")
    server = float(re.search(r"^SERVER = (\S+)", page, re.M)[1])
    most = float(re.search(r"^BINDER_SURE, BINDER_MOST = 1e9, (\S+)", page, re.M)[1])
    too_large = {c.notebook for c in costs.table().notebooks if c.peak + server > most}
    guide = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
    row = re.search(r"^\| Binder \|.*$", guide, re.M)[0]
    named = re.findall(r"\]\((?:\.\./)?(\S+)\.ipynb\)", row)
    assert {name.rpartition("/")[2] for name in named} == {
        name.rpartition("/")[2] for name in too_large
    }
