"""The benchmark suite at tiny sizes: that it compares the same losses, and counts what it says."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from conftest import ROOT

from nst_teach import StyleObjective, load_image
from nst_teach.networks import build_vgg

sys.path.append(str(ROOT / "benchmarks"))

import contenders
import measuring
import others
import quality
import quiet
import report
import suite
from usual import UsualLoop

BETA = 1e4


@pytest.fixture
def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    return load_image("coffee", size=48), load_image("dots", size=32)


@pytest.fixture
def network():
    return contenders.make_network("petite")


# --- the usual loop ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["petite", "vgg16", "vgg19"])
def test_the_usual_loop_has_our_loss_and_gradient(name, pictures):
    """Two programs, written apart: one from the tutorials, one with `nst_teach`."""
    photo, style = pictures
    network = contenders.make_network(name)
    torch.manual_seed(0)
    image = torch.rand_like(photo).requires_grad_(True)
    theirs = UsualLoop(photo, style, network, BETA).evaluate(image)
    total = StyleObjective(photo, style, network, beta=BETA)(image).total
    (gradient,) = torch.autograd.grad(total, image)
    assert theirs.item() == pytest.approx(total.item(), rel=1e-4)
    assert (image.grad - gradient).norm() < 1e-3 * gradient.norm()


def test_another_weight_would_be_noticed(pictures, network):
    photo, style = pictures
    image = torch.full_like(photo, 0.5)
    theirs = UsualLoop(photo, style, network, BETA * 1.01).loss(image)
    total = StyleObjective(photo, style, network, beta=BETA)(image).total
    assert theirs.item() != pytest.approx(total.item(), rel=1e-4)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_it_ends_when_it_has_enough_and_lowers_the_loss(optimizer, pictures, network):
    photo, style = pictures
    seen = []

    def watch(count, loss, image):
        assert image.min() >= 0
        assert image.max() <= 1
        seen.append(loss)
        return count == 30

    getattr(UsualLoop(photo, style, network, BETA), optimizer)(
        photo.clone().requires_grad_(True), watch
    )
    assert len(seen) == 30
    assert min(seen) < 0.5 * seen[0]


def test_random_weights_let_activations_live():
    """He's rule: the features of the last layer are about as large as those of the first."""
    network = contenders.make_network("vgg19")
    first, *_, last = network(load_image("coffee", size=96), network.style_layers).values()
    assert 0.2 < last.square().mean().sqrt() / first.square().mean().sqrt() < 5


# --- counts --------------------------------------------------------------------------------------


def test_moved_bytes_by_hand():
    """At 8 × 8 pixels: a convolution 3 → 4 and its ReLU, what goes in and comes out, both ways."""
    network = build_vgg("tiny", ((4, 5), (6, 7)), "average")
    network.style_layers = ("relu1_1",)
    square = 8 * 8
    assert contenders.moved(network, 8) == 2 * 4 * square * ((3 + 4) + (4 + 4))


def test_alternate_calls_in_turn_and_warms_up():
    calls = []
    rows = measuring.alternate([lambda: calls.append("a"), lambda: calls.append("b")], 2, warm=True)
    assert calls == ["a", "b"] * 3
    assert [len(row) for row in rows] == [2, 2]


def test_the_layout_is_torchvision_s():
    from torchvision.models import vgg19

    with torch.device("meta"):
        expected = vgg19(weights=None).features.state_dict()
    ours = others.layout()
    assert {f"features.{k}": v.shape for k, v in expected.items()} == {
        k: v.shape for k, v in ours.items()
    }


# --- tables --------------------------------------------------------------------------------------

RATES = {
    "key": "rates", "multiplications": {"float32": 100e9, "bfloat16": 400e9}, "copied": 10e9,
    "quiet": True,
}  # fmt: skip
EVALUATION = {
    "key": "evaluations/vgg19/128", "network": "vgg19", "side": 128, "quiet": True,
    "multiplications": 50e9, "moved": 1e9,
    "ways": [
        {"way": "usual", "seconds": [1.0, 2.0, 4.0], "bytes": 1e9},
        {"way": "ours bfloat16", "seconds": [0.5, 1.0, 1.0], "estimated": 1.2, "bytes": 1e9},
    ],
}  # fmt: skip
MEMORY = {
    "key": "memory/vgg19/128/ours bfloat16", "network": "vgg19", "side": 128,
    "way": "ours bfloat16", "beyond": 2e9, "base": 0, "quiet": True,
}  # fmt: skip


def test_a_ratio_is_taken_in_each_round():
    """2, 2 and 4 times as fast: the drift of the machine cancels."""
    assert report.ratio([1.0, 2.0, 4.0], [0.5, 1.0, 1.0]) == "2.00 (2.00–3.00)"
    assert report.ratio([3.0], [1.0]) == "3.00"


def test_the_limit_by_hand():
    """50 G multiplications at 400 G/s and half of 1 GB at 10 GB/s, of one second."""
    usual, ours = report.evaluations([RATES, EVALUATION]).rows
    assert ours[3:] == ("1", "2.00 (2.00–3.00)", "50", "12% + 5%")
    assert usual[-1] == "25% + 5%"


def test_an_estimate_that_is_off_is_marked():
    (row,) = report.estimates([EVALUATION, MEMORY]).rows
    assert row[3:] == ("1.20", "0.50", "off")
    (row,) = report.estimates([EVALUATION, MEMORY | {"beyond": 0.9e9}]).rows
    assert row[3:] == ("1.20", "1.11", "")


def test_tables_are_aligned():
    lines = report.evaluations([RATES, EVALUATION]).lines()[2:]
    assert len({len(line) for line in lines}) == 1


# --- a run, and one that was cut -----------------------------------------------------------------


def options(tmp_path: Path, *words: str):
    made = suite.parser().parse_args(["--quick", "--rounds", "1", "--sides", "32", *words])
    made.out = tmp_path / "out.json"
    return made


def test_a_whole_run(tmp_path, monkeypatch, capsys):
    """Every part but the slow ones, at 32 pixels."""
    monkeypatch.setattr(others, "MATRIX", 64)
    monkeypatch.setattr(others, "COPIED", 2**16)
    monkeypatch.setattr(suite, "QUICK_NETWORKS", ("petite",))
    made = options(tmp_path, "--quality", "petite=32", "--evaluations", "5", "--only", "rates",
                   "evaluations", "memory", "quality")  # fmt: skip
    record = suite.run(made)
    suite.show(record)
    keys = [row["key"] for row in record["rows"]]
    assert keys[:3] == ["rates", "evaluations/petite/32", "memory/petite/32/ours float32"]
    assert keys[3] == "quality/petite/32/5"
    stored = json.loads(made.out.read_text(encoding="utf-8"))
    assert stored["seed"] == contenders.SEED
    assert {"processor", "torch", "threads", "commit"} <= set(stored["settings"]["machine"])
    assert stored["quiet"] == (not stored["disturbed"])
    assert [table["title"] for table in stored["tables"]] == [
        table.title for table in report.tables(record["rows"])
    ]
    assert "times as fast" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.partial"))


def test_a_run_that_was_cut_goes_on(tmp_path, monkeypatch):
    measured, cuts = [], [True, False, True]

    def task(key, fail=False):
        def measure(done):
            if key not in done:
                if fail and cuts and cuts.pop(0):
                    measured.append("cut")
                    raise KeyboardInterrupt
                measured.append(key)
                yield {"key": key, "quiet": True}

        return "rates", measure

    monkeypatch.setattr(suite, "tasks", lambda options: [task("a"), task("b", fail=True)])
    monkeypatch.setattr(quiet, "machine", lambda: {"commit": "x"})
    with pytest.raises(KeyboardInterrupt):
        suite.run(options(tmp_path))
    assert not (tmp_path / "out.json").exists()
    record = suite.run(options(tmp_path))
    assert measured == ["a", "cut", "b"]
    assert [row["key"] for row in record["rows"]] == ["a", "b"]
    with pytest.raises(KeyboardInterrupt):
        suite.run(options(tmp_path))
    monkeypatch.setattr(
        quiet, "machine", lambda: {"commit": "y"}
    )  # another version: from the start
    suite.run(options(tmp_path))
    assert measured[3:] == ["a", "cut", "a", "b"]


def test_a_run_that_is_not_quiet_says_so(tmp_path, monkeypatch, capsys):
    row = {"key": "a", "quiet": False, "others": 0.5}
    monkeypatch.setattr(suite, "tasks", lambda options: [("rates", lambda done: iter([row]))])
    record = suite.run(options(tmp_path))
    suite.show(record)
    assert (record["quiet"], record["disturbed"]) == (False, ["a"])
    said = capsys.readouterr()
    assert "50% of a core" in said.out
    assert "Close them and repeat" in said.err


@pytest.mark.parametrize(("used", "is_quiet"), [(0.5, False), (0.05, True)])
def test_a_busy_process_is_noticed(monkeypatch, used, is_quiet):
    moments = iter([{(7, 1.0): 3.0}, {(7, 1.0): 3.0 + 10 * used}])
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(quiet, "_used", lambda: next(moments))
    monkeypatch.setattr(quiet.time, "monotonic", lambda: next(clock))
    with quiet.Watcher() as watcher:
        pass
    assert watcher.record()["quiet"] == is_quiet
    assert watcher.others == used


def test_the_file_names_no_folder_of_this_machine(tmp_path):
    words = ["--neural-style-pt", "/home/someone/neural-style-pt", "--weights", "vgg19=/data/v.pth"]
    asked = suite._settings(options(tmp_path, *words))["asked"]
    assert asked["neural_style_pt"] == "neural-style-pt"
    assert asked["weights"] == ["vgg19=v.pth"]
    assert asked["sides"] == [32]
    assert "/" not in json.dumps(asked)


def test_a_quick_run_replaces_nothing_that_a_page_shows(monkeypatch):
    seen = []
    monkeypatch.setattr(suite, "run", lambda options: seen.append(options.out) or {})
    monkeypatch.setattr(suite, "show", lambda record: None)
    suite.main(["--quick"])
    suite.main([])
    assert seen == [suite.QUICK_OUT, suite.OUT]


# --- time to quality, and neural-style-pt --------------------------------------------------------


def test_the_judge_is_not_on_the_clock(pictures, network, monkeypatch):
    """Ours must reach the target as the plain objective sees it."""
    photo, style = (load_image(n, size=32) for n in (contenders.PHOTO, contenders.STYLE))
    judge = StyleObjective(photo, style, network)
    usual = quality.usual_run(photo, style, network, judge.beta, "lbfgs", 20)
    found = quality.our_run(32, network, judge, contenders.OURS, usual["loss"], ())
    assert found["reached"]
    assert found["loss"] <= usual["loss"]
    assert set(found["evaluations"]) == {"32"}


STAND_IN = """
import argparse, time, torch
p = argparse.ArgumentParser()
for name in ("content_image", "style_image", "model_file", "output_image", "image_size", "gpu",
             "init", "seed", "print_iter", "save_iter", "num_iterations"):
    p.add_argument("-" + name, required=True)
p.add_argument("-disable_check", action="store_true")
o = p.parse_args()
assert "vgg19" in o.model_file and o.gpu == "c"
assert torch.load(o.model_file)["features.0.weight"].shape == (64, 3, 3, 3)
time.sleep(0.2 * int(o.num_iterations))
"""


def test_neural_style_pt_is_run_with_its_command_line(tmp_path, monkeypatch):
    """A stand-in that takes 0.2 s for an iteration."""
    monkeypatch.setattr(contenders, "make_network", lambda name: build_vgg(
        name, ((4,), (4,), (4,), (4, 4), (4,)), "max"))  # fmt: skip
    (tmp_path / "neural_style.py").write_text(textwrap.dedent(STAND_IN))
    (row,) = others.real_thing(tmp_path, 32, rounds=1)
    theirs, *ours = row["ways"]
    assert theirs["way"] == "neural-style-pt"
    assert theirs["seconds"][0] > 0.1
    assert len(ours[0]["seconds"]) == 1


def test_a_folder_without_it_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="checkout of neural-style-pt"):
        others.theirs(tmp_path, tmp_path, 32, None)
