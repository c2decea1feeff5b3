"""The training of fast networks, on a few small crops: seeded, resumable, with an honest card."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import train_fast
import train_petite
from PIL import Image

from nst_teach.feedforward import ConditionalNetwork, FastNetwork, load_conditional, load_fast

SIZE = (60, 48)  # pixels, PIL's (width, height)
STYLES = ("stained_glass", "woodcut_wave")


@pytest.fixture
def small(monkeypatch):
    """Crops of 32 pixels, two to a batch, of two photographs: a step takes a moment."""
    monkeypatch.setattr(train_fast, "CROP", 32)
    monkeypatch.setattr(train_fast, "BATCH", 2)
    monkeypatch.setattr(train_fast, "SIZES", (36, 60))
    monkeypatch.setattr(train_fast, "STYLE_SIZE", 48)
    monkeypatch.setattr(train_fast, "PREVIEW_SIZE", 24)
    monkeypatch.setattr(train_fast.samples, "names", lambda kind=None: STYLES)
    yield
    torch.set_flush_denormal(False)  # a training run turns it on, for the whole process


@pytest.fixture
def photos(tmp_path):
    """A folder with three pictures: coloured noise, blurred."""
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for name in ("one.png", "two.jpg", "three.png"):
        noise = rng.integers(0, 256, (12, 15, 3), dtype=np.uint8)
        Image.fromarray(noise).resize(SIZE).save(folder / name)
    return folder


def arguments(photos, out, steps: int, *more: str):
    return train_fast.parse(
        f"--style stained_glass --pictures {photos} --exclude two "
        "--exclude stained_glass --exclude woodcut_wave "
        f"--out {out} --steps {steps}".split()
        + list(more)
    )


def weights(out) -> dict[str, torch.Tensor]:
    return torch.load(out / "checkpoint.pt", weights_only=True)["student"]


def same(one: dict, two: dict) -> bool:
    return all(torch.equal(value, two[key]) for key, value in one.items())


def test_what_is_held_out_is_left_out(photos):
    found = train_fast.find_photos([photos], ["two", "chelsea"])
    assert {"one", "three", "coffee"} <= set(found)
    assert not {"two", "chelsea"} & set(found)


def test_what_the_chapter_repaints_is_held_out_unless_you_say_otherwise():
    default = train_fast.parse(["--style", "dots", "--out", "runs/dots"])
    assert {"chelsea", "motorcycle"} <= set(default.exclude)


def test_batches_are_crops_in_range_and_repeat_with_the_seed(small, photos):
    pyramids = [train_fast.pyramid(path) for path in sorted(photos.iterdir())]
    batches = [train_fast.random_batch(pyramids, np.random.default_rng(s)) for s in (0, 0, 1)]
    assert batches[0].shape == (2, 3, 32, 32)
    assert batches[0].min() >= 0
    assert batches[0].max() <= 1
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


def test_the_learning_rate_rises_then_falls():
    rates = [train_fast.learning_rate(1.0, step, 1000) for step in range(1000)]
    top = rates.index(max(rates))
    assert top == 1000 * train_petite.WARM_UP
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == pytest.approx(1.0)
    assert min(rates) == pytest.approx(0.01)


def test_a_run_that_was_interrupted_ends_where_one_at_a_stretch_does(small, photos, tmp_path):
    straight = arguments(photos, tmp_path / "straight", 4)
    train_fast.train(straight)
    run = train_fast.Run(arguments(photos, tmp_path / "twice", 4))
    run.arguments.out.mkdir()
    for _ in range(2):
        run.learn()
    run.save()
    train_fast.train(arguments(photos, tmp_path / "twice", 4))
    assert same(weights(tmp_path / "straight"), weights(tmp_path / "twice"))


def test_another_seed_is_another_run(small, photos, tmp_path):
    for seed in "01":
        train_fast.train(arguments(photos, tmp_path / seed, 1, "--seed", seed))
    assert not same(weights(tmp_path / "0"), weights(tmp_path / "1"))


def test_the_export_loads_and_its_card_says_what_was_done(small, photos, tmp_path):
    out = tmp_path / "run"
    train_fast.train(arguments(photos, out, 2, "--strength", "7"))
    painted = load_fast("mine", weights=out / "fast_stained_glass.safetensors")
    state = weights(out)
    assert all(torch.equal(v, state[k].half().float()) for k, v in painted.state_dict().items())

    card = json.loads((out / "fast_stained_glass.json").read_text(encoding="utf-8"))
    assert set(card["photographs"]) == {"one", "three"}
    assert (card["style"], card["strength"], card["network"]) == ("stained_glass", 7, "petite")
    assert (card["precision"], card["started_from"]) == ("single", None)
    assert (card["steps"], card["crops"], card["crop_size"]) == (2, 4, 32)
    assert card["parameters"] == sum(p.numel() for p in FastNetwork().parameters())
    assert card["bytes"] == (out / "fast_stained_glass.safetensors").stat().st_size


def test_style_begins_weak_and_is_at_full_strength_after_half_of_the_run():
    strengths = [train_fast.style_strength(8.0, step, 100) for step in range(100)]
    assert strengths[0] == pytest.approx(8.0 * train_fast.FIRST_STRENGTH)
    assert strengths[25] == pytest.approx(8.0 * train_fast.FIRST_STRENGTH**0.5)
    assert strengths[50:] == [8.0] * 50


def test_training_lowers_the_loss(small, photos, tmp_path):
    run = train_fast.Run(arguments(photos, tmp_path, 40, "--lr", "0.005"))
    batch = train_fast.random_batch(run.pyramids, np.random.default_rng(7))

    def loss() -> float:
        with torch.no_grad():
            goal = run.goals["stained_glass"]
            return train_fast.training_loss(run.student(batch), batch, run.judge, goal).item()

    before = loss()
    for _ in range(40):
        run.learn()
    assert loss() < 0.8 * before


def test_a_step_whose_gradient_is_not_finite_changes_nothing(small, photos, tmp_path, monkeypatch):
    run = train_fast.Run(arguments(photos, tmp_path, 2))
    before = {key: value.clone() for key, value in run.student.state_dict().items()}
    sound = train_fast.training_loss

    def broken(*given, **options) -> torch.Tensor:
        return sound(*given, **options) * torch.inf

    monkeypatch.setattr(train_fast, "training_loss", broken)
    run.learn()
    assert same(before, run.student.state_dict())
    monkeypatch.setattr(train_fast, "training_loss", sound)
    run.learn()
    assert not same(before, run.student.state_dict())
    assert (run.step, run.recipe()["steps_skipped"]) == (2, 1)


# --- several styles ------------------------------------------------------------------------------

TWO = ("--style", "woodcut_wave", "--name", "two")


def test_several_styles_take_turns_and_only_the_one_at_work_changes(small, photos, tmp_path):
    run = train_fast.Run(arguments(photos, tmp_path, 4, *TWO))
    assert run.student.styles == STYLES

    def scales() -> dict[str, list[torch.Tensor]]:
        norms = run.student.norms
        return {style: [p.detach().clone() for p in norms[style].parameters()] for style in STYLES}

    for at_work, idle in (STYLES, STYLES[::-1]):
        before = scales()
        run.learn()
        after = scales()
        assert not all(map(torch.equal, before[at_work], after[at_work]))
        assert all(map(torch.equal, before[idle], after[idle]))


def test_an_interrupted_run_for_several_styles_goes_on_with_the_next_one(small, photos, tmp_path):
    train_fast.train(arguments(photos, tmp_path / "straight", 4, *TWO))
    run = train_fast.Run(arguments(photos, tmp_path / "twice", 4, *TWO))
    run.arguments.out.mkdir()
    for _ in range(3):
        run.learn()
    run.save()
    train_fast.train(arguments(photos, tmp_path / "twice", 4, *TWO))
    assert same(weights(tmp_path / "straight"), weights(tmp_path / "twice"))


def test_the_export_of_several_styles_loads_and_its_card_names_them(small, photos, tmp_path):
    out = tmp_path / "run"
    train_fast.train(arguments(photos, out, 2, *TWO, "--bfloat16"))
    painted = load_conditional(out / "fast_two.safetensors")
    state = weights(out)
    assert all(torch.equal(v, state[k].half().float()) for k, v in painted.state_dict().items())
    card = json.loads((out / "fast_two.json").read_text(encoding="utf-8"))
    assert tuple(card["styles"]) == painted.styles == STYLES
    assert card["precision"] == "bfloat16 in the network"
    assert card["parameters"] == sum(p.numel() for p in painted.parameters())
    assert "style" not in card


def test_several_styles_need_a_name(photos, tmp_path, capsys):
    with pytest.raises(SystemExit):
        arguments(photos, tmp_path, 1, "--style", "woodcut_wave")
    assert "need a --name" in capsys.readouterr().err


def test_training_may_begin_with_the_network_of_one_style(small, photos, tmp_path):
    train_fast.train(arguments(photos, tmp_path / "one", 2))
    start = tmp_path / "one" / "fast_stained_glass.safetensors"
    run = train_fast.Run(arguments(photos, tmp_path / "more", 2, *TWO, "--from", str(start)))
    assert isinstance(run.student, ConditionalNetwork)
    photo = torch.rand(1, 3, 32, 32)
    for style in STYLES:
        assert torch.equal(run.student(photo, style), load_fast("one", weights=start)(photo))
    assert all(parameter.requires_grad for parameter in run.student.parameters())
    recipe = run.recipe()
    assert recipe["started_from"]["file"] == start.name
    assert run.strength() == recipe["strength_at_first"] == recipe["strength"]
