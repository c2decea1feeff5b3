"""The tools that train and measure the bundled network, on pictures of a few pixels."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import evaluate_petite
import numpy as np
import pytest
import teachers
import torch
import torch.nn.functional as F
import train_petite
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from nst_teach import load_network
from nst_teach.networks import PETITE_PLAN, VGG19_PLAN, build_vgg

NARROW = 4  # filters of the made-up teachers' layers
VGG19_NAMES = [f"{b}_{p + 1}" for b, plan in enumerate(VGG19_PLAN, 1) for p in range(len(plan))]


@pytest.fixture
def small(monkeypatch):
    """Crops of 32 pixels, two to a batch: training takes seconds."""
    monkeypatch.setattr(train_petite, "CROP", 32)
    monkeypatch.setattr(train_petite, "BATCH", 2)


@pytest.fixture
def seeded():
    torch.manual_seed(0)
    yield
    torch.set_flush_denormal(False)  # a training run turns it on, for the whole process


@pytest.fixture
def pictures(tmp_path):
    """A folder with two pictures: coloured noise, blurred."""
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()
    for name in ("one.png", "two.jpg"):
        noise = rng.integers(0, 256, (12, 14, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((56, 48)).save(folder / name)
    return folder


@pytest.fixture
def narrow_file(tmp_path, seeded):
    """A narrow teacher with random weights: an entry, 13 convolutions, five heads."""
    state = convolution("conv0", 3, 3, 1)
    for index, name in enumerate(VGG19_NAMES[: VGG19_NAMES.index("5_1") + 1]):
        state |= convolution(f"conv{name.replace('_', '')}", NARROW if index else 3, NARROW, 3)
    for tap, width in teachers.TAP_WIDTHS.items():
        state |= convolution(f"conv{tap[4:].replace('_', '')}_aux", NARROW, width, 1)
    return saved(state, tmp_path / "narrow.safetensors")


@pytest.fixture
def partial_file(tmp_path, seeded):
    """A VGG-19 cut after conv3_1, under torchvision's names: features 0, 2, 5, 7 and 10."""
    widths = {0: (3, 64), 2: (64, 5), 5: (5, 128), 7: (128, 5), 10: (5, 256)}
    state = {}
    for index, (inputs, outputs) in widths.items():
        state |= convolution(f"features.{index}", inputs, outputs, 3)
    return saved(state, tmp_path / "partial.pth")


@pytest.fixture
def student(seeded):
    """A student whose batch norms have seen pictures, and are not the identity."""
    made = train_petite.Student()
    for norm in made.norms.values():
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.2, 0.4)
    with torch.no_grad():
        for _ in range(3):
            made(torch.rand(4, 3, 48, 48))
    return made.eval()


def convolution(key: str, inputs: int, outputs: int, size: int) -> dict[str, torch.Tensor]:
    """Random weights under a file's keys, large enough for features to vary to the last layer."""
    module = nn.Conv2d(inputs, outputs, size)
    nn.init.kaiming_normal_(module.weight)
    return {f"{key}.{name}": value.detach() for name, value in module.named_parameters()}


def saved(state: dict[str, torch.Tensor], path):
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def network_with(state: dict[str, torch.Tensor], tmp_path):
    """`petite` with these weights, in single precision."""
    return load_network("petite", weights=saved(state, tmp_path / "weights.safetensors"))


def relus(network) -> list[str]:
    return [name for name in network.layers if name.startswith("relu")]


# --- teachers ------------------------------------------------------------------------------------


def test_a_narrow_teacher_speaks_with_vgg19s_width(narrow_file):
    teacher = teachers.load_teacher(str(narrow_file))
    features = teacher(torch.rand(1, 3, 32, 32), teachers.TAPS)
    assert {tap: f.shape[1] for tap, f in features.items()} == teachers.TAP_WIDTHS
    assert [f.shape[-1] for f in features.values()] == [32, 16, 8, 4, 2]


def test_a_narrow_teacher_is_what_its_file_says(narrow_file):
    """By hand, to relu2_1: an entry without a ReLU, reflected borders, max pooling, a 1×1 head."""
    weights, x = load_file(narrow_file), torch.rand(1, 3, 8, 8)

    def layer(x, key):
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(x, weights[f"{key}.weight"], weights[f"{key}.bias"]).relu()

    def pointwise(x, key):
        return F.conv2d(x, weights[f"{key}.weight"], weights[f"{key}.bias"])

    first = layer(pointwise(x, "conv0"), "conv11")
    second = layer(F.max_pool2d(layer(first, "conv12"), 2), "conv21")
    features = teachers.load_teacher(str(narrow_file))(x, ("relu1_1", "relu2_1"))
    torch.testing.assert_close(features["relu1_1"], pointwise(first, "conv11_aux"))
    torch.testing.assert_close(features["relu2_1"], pointwise(second, "conv21_aux"))


def test_a_partial_teacher_knows_how_far_it_goes(partial_file):
    teacher = teachers.load_teacher(str(partial_file))
    assert list(teacher.taps) == ["relu1_1", "relu2_1", "relu3_1"]
    assert teacher.names == ("1_1", "1_2", "2_1", "2_2", "3_1")


def test_a_complete_teacher_is_torchvisions_vgg19(monkeypatch, seeded):
    """With random weights in place of the download; features agree with the network's own."""
    plan = tuple((8,) * len(widths) for widths in VGG19_PLAN)
    network = build_vgg("vgg19", plan, "max")
    monkeypatch.setattr(teachers, "load_network", lambda name: network)
    image = torch.rand(1, 3, 32, 48)
    features = teachers.load_teacher("vgg19")(image, teachers.TAPS)
    for tap, expected in network(image, teachers.TAPS).items():
        torch.testing.assert_close(features[tap], expected)


def test_each_layer_is_taught_by_the_first_teacher_that_has_it(narrow_file, partial_file):
    exact, narrow = (teachers.load_teacher(str(f)) for f in (partial_file, narrow_file))
    image = torch.rand(1, 3, 32, 32)
    taught = teachers.teach([exact, narrow], image)
    assert list(taught) == list(teachers.TAPS)
    for tap, features in taught.items():
        teacher = exact if tap in exact.taps else narrow
        assert torch.equal(features, teacher(image, (tap,))[tap])


def test_teachers_are_frozen(narrow_file):
    teacher = teachers.load_teacher(str(narrow_file))
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not teacher.training


def test_a_file_that_is_no_teacher_is_refused(tmp_path):
    path = saved({"layer.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(SystemExit, match=r"other\.safetensors: neither a VGG-19"):
        teachers.load_teacher(str(path))


# --- what is left of a student -------------------------------------------------------------------


def test_folding_the_batch_norms_changes_nothing(student, tmp_path):
    """A convolution followed by a fixed scale and shift is a convolution."""
    network = network_with(train_petite.fold(student), tmp_path)
    image = torch.rand(2, 3, 48, 32)
    with torch.no_grad():
        expected = student(image)
    for tap, features in network(image, train_petite.TAPS).items():
        torch.testing.assert_close(features, expected[tap], rtol=1e-3, atol=1e-4)


@pytest.fixture
def folded_and_rescaled(student, tmp_path):
    """The folded network before and after rescaling, and the batches it was rescaled on."""
    batches = [torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(i)) for i in (1, 2)]
    state = train_petite.fold(student)
    kept = {key: value.clone() for key, value in state.items()}
    rescaled = train_petite.rescale(state, batches)
    assert all(torch.equal(state[key], kept[key]) for key in kept)
    return network_with(state, tmp_path), network_with(rescaled, tmp_path), batches


def test_rescaled_filters_have_a_mean_of_one(folded_and_rescaled):
    """Gatys et al. (2016), section 3; a filter that hardly ever fires stays below 1."""
    before, after, batches = folded_and_rescaled

    def means(network):
        features = network(torch.cat(batches), relus(network))
        return {name: f.mean((0, 2, 3)) for name, f in features.items()}

    original, rescaled = means(before), means(after)
    for name, mean in rescaled.items():
        floor = train_petite.RARE * original[name].median()
        common = original[name] > floor
        assert common.any()
        assert not torch.allclose(original[name][common], mean[common], rtol=0.1)
        torch.testing.assert_close(mean[common], torch.ones_like(mean[common]), rtol=1e-3, atol=0)
        rare = original[name][~common] / floor
        torch.testing.assert_close(mean[~common], rare, rtol=1e-3, atol=1e-6)


def test_rescaling_changes_each_filter_by_a_factor_and_nothing_else(folded_and_rescaled):
    """On a picture it was not calibrated on: the next layer's weights undo the one before."""
    before, after, _ = folded_and_rescaled
    image = torch.rand(1, 3, 48, 32, generator=torch.Generator().manual_seed(9))
    original, rescaled = (network(image, relus(before)) for network in (before, after))
    for name in original:
        a, b = original[name].flatten(2)[0], rescaled[name].flatten(2)[0]
        alive = (a.amax(1) > 0.01) & (b.amax(1) > 0.01)
        factor = b[alive].sum(1, keepdim=True) / a[alive].sum(1, keepdim=True)
        largest = b[alive].amax(1, keepdim=True)
        assert alive.any()
        assert ((b[alive] - factor * a[alive]) / largest).abs().max() < 1e-3


# --- training ------------------------------------------------------------------------------------


def test_the_learning_rate_rises_then_falls_to_a_hundredth():
    rates = [train_petite.learning_rate(1.0, step, 1000) for step in range(1001)]
    top = rates.index(max(rates))
    assert rates[0] == 0.01
    assert top == round(train_petite.WARM_UP * 1000)
    assert rates[top] == 1.0
    assert rates[-1] == 0.01
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert all(0 < rate <= 1 and math.isfinite(rate) for rate in rates)


def test_crops_are_pictures_of_one_size_in_range(small, pictures, seeded):
    levels = [train_petite.pyramid(p) for p in train_petite.find_pictures([pictures], [])]
    batch = train_petite.random_batch(levels, np.random.default_rng(0))
    assert batch.shape == (2, 3, 32, 32)
    assert batch.min() >= 0
    assert batch.max() <= 1
    again = train_petite.random_batch(levels, np.random.default_rng(0))
    assert torch.equal(batch, again)


def test_a_pyramid_holds_no_level_smaller_than_a_crop(small, pictures):
    """48 × 56 pixels at scales 1 and 0.7; at 0.5 a crop of 32 would not fit."""
    sizes = [level.shape for level in train_petite.pyramid(pictures / "one.png")]
    assert sizes == [(48, 56, 3), (34, 39, 3)]


def test_a_picture_smaller_than_a_crop_is_enlarged(small, tmp_path):
    Image.new("RGB", (20, 90)).save(tmp_path / "narrow.png")
    assert [level.shape for level in train_petite.pyramid(tmp_path / "narrow.png")] == [(32, 32, 3)]


def test_pictures_can_be_left_out(pictures, tmp_path):
    assert [p.stem for p in train_petite.find_pictures([pictures], ["one"])] == ["two"]
    with pytest.raises(SystemExit, match=r"no \.png or \.jpg"):
        train_petite.find_pictures([pictures], ["one", "two"])


def test_a_perfect_prediction_has_no_loss(student):
    """Where the heads are the identity and the student is its own teacher."""
    x = torch.rand(2, 3, 32, 32)
    heads = nn.ModuleDict({tap: nn.Identity() for tap in train_petite.TAPS})
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        target = train_petite.thinned(student(x))
    error, gram = train_petite.loss_parts(student, heads, x, target, dict.fromkeys(target, 1.0))
    assert error == 0
    assert gram == 0


def test_the_relative_gram_distance_of_nothing_is_one():
    """To features predicted as 0, whatever they are."""
    target = torch.randn(2, 5, 40, 40, generator=torch.Generator().manual_seed(0))
    distance = train_petite.relative_gram(torch.zeros_like(target), target)
    assert distance.item() == pytest.approx(1, abs=0.01)


def test_ridge_regression_finds_heads_that_exist(student):
    """A teacher that is a linear map of the student's features is learnt before the training."""
    heads, truth = train_petite.make_heads(), train_petite.make_heads()
    batches = []
    with torch.no_grad():
        for _ in range(6):
            x = torch.rand(4, 3, 64, 64)
            features = train_petite.thinned(student(x))
            batches.append((x, {tap: truth[tap](f) for tap, f in features.items()}))
        train_petite.start_heads(student, heads, batches)
        predicted = heads["relu1_1"](features["relu1_1"])
    target = batches[-1][1]["relu1_1"]
    assert (predicted - target).square().mean() < 0.02 * target.var()


@pytest.fixture
def training(small, pictures, narrow_file, partial_file, tmp_path):
    """Trains for so many steps on the tiny pictures and teachers; gives the run's folder."""

    def train(steps: int, *options: str, folder: str = "run"):
        words = ["--pictures", str(pictures), "--teacher", str(partial_file)]
        words += ["--teacher", str(narrow_file), "--out", str(tmp_path / folder), *options]
        train_petite.train(train_petite.parse([*words, "--steps", str(steps), "--device", "cpu"]))
        return tmp_path / folder

    return train


def test_training_writes_weights_that_load_network_takes(training):
    folder = training(3)
    network = load_network("petite", weights=folder / "petite.safetensors")
    features = network(torch.rand(1, 3, 32, 32), network.style_layers)
    assert all(torch.isfinite(f).all() for f in features.values())
    assert {v.dtype for v in load_file(folder / "petite.safetensors").values()} == {torch.float16}
    single = load_file(folder / "petite-single.safetensors")
    assert {v.dtype for v in single.values()} == {torch.float32}
    (recipe,) = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["pictures"] == "2: one, two"
    assert recipe["teachers"] == ["partial", "narrow"]
    entry = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
    assert entry["step"] == 3
    assert math.isfinite(entry["error"])


def test_training_goes_on_from_its_checkpoint(training, capsys):
    folder = training(2)
    kept = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert kept["step"] == 2
    training(4)
    assert "going on from step 2" in capsys.readouterr().out
    later = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert later["step"] == 4
    assert later["scale"] == kept["scale"]
    key = "convolutions.1_1.weight"
    assert not torch.equal(later["student"][key], kept["student"][key])


def test_the_same_training_gives_the_same_bits(training):
    one, two = (load_file(training(2, folder=name) / "petite.safetensors") for name in ("a", "b"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_another_run_can_be_begun_from_a_checkpoint(training):
    """With its student and heads, and a schedule of its own: after no step, the same weights.

    The recipe then tells both stages.
    """
    first = training(2, folder="first")
    second = training(0, "--begin-from", str(first / "checkpoint.pt"), folder="second")
    one, two = (torch.load(f / "checkpoint.pt", weights_only=True) for f in (first, second))
    assert two["step"] == 0
    stages = json.loads((second / "recipe.json").read_text(encoding="utf-8"))
    assert [stage["crops"] for stage in stages] == [2 * train_petite.BATCH, 0]
    assert all(torch.equal(one["heads"][key], two["heads"][key]) for key in one["heads"])
    assert all(torch.equal(one["student"][key], two["student"][key]) for key in one["student"])


def test_a_layer_can_be_given_more_weight(training):
    plain, heavier = training(0, folder="a"), training(0, "--weight", "relu2_1=3", folder="b")
    one, two = (torch.load(f / "checkpoint.pt", weights_only=True) for f in (plain, heavier))
    expected = one["scale"] | {"relu2_1": 3 * one["scale"]["relu2_1"]}
    assert two["scale"] == pytest.approx(expected)


def test_a_weight_of_an_unknown_layer_is_refused(training, capsys):
    with pytest.raises(SystemExit):
        training(0, "--weight", "relu2_2=3")
    assert "'relu2_2' is no tap" in capsys.readouterr().err


# --- evaluation ----------------------------------------------------------------------------------


@pytest.fixture
def petite(seeded):
    """`petite` with random weights; deep features that are not all zero."""
    network = build_vgg("petite", PETITE_PLAN, "average")
    for module in network.stack:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return network


@pytest.fixture
def noise():
    """Pictures for fitting and for testing."""
    return [torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(i)) for i in range(6)]


class LinearTeacher(nn.Module):
    """Knows nothing but a linear map of the network's own features, and noise if there is any."""

    def __init__(self, network, spread: float = 0.0):
        super().__init__()
        self.network, self.spread = network, spread
        self.head = nn.Conv2d(PETITE_PLAN[0][0], 8, 1)

    def forward(self, image, taps):
        known = self.head(self.network(image, "relu1_1")["relu1_1"])
        return dict.fromkeys(taps, known + self.spread * torch.randn_like(known))


def score(network, teacher, pictures) -> float:
    """R² at relu1_1: heads from the first four pictures, judged on the others."""
    fit, test = (
        tuple(evaluate_petite.sampled(model, ("relu1_1",), part) for model in (network, teacher))
        for part in (pictures[:4], pictures[4:])
    )
    return evaluate_petite.head_scores(fit, test)["relu1_1"]


def test_what_is_linear_in_the_features_is_predicted_wholly(petite, noise):
    assert score(petite, LinearTeacher(petite), noise) > 0.99


def test_what_is_half_noise_is_predicted_by_half(petite, noise):
    """R² is the share of the variance that is explained."""
    teacher = LinearTeacher(petite)
    with torch.no_grad():
        spread = teacher(noise[0], ("x",))["x"].std(dim=(0, 2, 3)).mean().item()
    noisy = LinearTeacher(petite, spread)
    noisy.head = teacher.head
    assert 0.2 < score(petite, noisy, noise) < 0.8


def test_solve_head_finds_slope_and_intercept():
    a = torch.linspace(0, 1, 200, dtype=torch.float64)[:, None]
    head = evaluate_petite.solve_head(a, 3 * a + 2)
    assert head.flatten().tolist() == pytest.approx([3, 2], abs=0.01)


def test_the_judge_gives_zero_to_the_style_for_style_and_to_the_content_for_content(
    partial_file, noise
):
    exact = teachers.load_teacher(str(partial_file))
    content, style = noise[0], 1 - noise[1]
    assert evaluate_petite.judge(exact, style, content, style)[0] == 0
    assert evaluate_petite.judge(exact, content, content, style)[1] == 0
    distance, drift = evaluate_petite.judge(exact, noise[2], content, style)
    assert distance > 0
    assert drift > 0


def test_dead_filters_are_counted(petite, noise):
    """Filters that see nothing: what they say is their bias, and a negative one is never heard."""
    for module in (m for m in petite.stack if isinstance(m, nn.Conv2d)):
        module.weight.zero_()
        module.bias.fill_(1.0)
    assert evaluate_petite.dead_filters(petite, noise[:2]) == 0
    petite.stack[petite.layers.index("conv1_1")].bias[:5] = -1.0
    petite.stack[petite.layers.index("conv4_2")].bias[7:9] = -1.0
    assert evaluate_petite.dead_filters(petite, noise[:2]) == 7


def test_pictures_are_read_by_name_or_spread_evenly(tmp_path):
    for i in range(9):
        Image.new("RGB", (16, 12), (i, i, i)).save(tmp_path / f"p{i}.png")

    def levels(pictures):
        return [round(p.mean().item() * 255) for p in pictures]

    assert levels(evaluate_petite.read([tmp_path], None, 16)) == list(range(9))
    assert levels(evaluate_petite.read([tmp_path], None, 16, limit=3)) == [0, 4, 8]
    assert levels(evaluate_petite.read([tmp_path], ["p7", "p2"], 16)) == [7, 2]
    with pytest.raises(SystemExit, match="nowhere"):
        evaluate_petite.read([tmp_path], ["p7", "nowhere"], 16)


def test_a_whole_report(training, pictures, partial_file, narrow_file, tmp_path, monkeypatch):
    """Every question asked of a network that was trained for one step."""
    monkeypatch.setattr(evaluate_petite, "R2_SIZE", 48)
    monkeypatch.setattr(evaluate_petite, "STYLE_SIZE", 32)
    monkeypatch.setattr(evaluate_petite, "STYLE_STEPS", 2)
    monkeypatch.setattr(evaluate_petite, "TIMED_SIZE", 32)
    monkeypatch.setattr(evaluate_petite, "TIMED_EVALUATIONS", 2)
    folder = training(1)
    places = [word for flag in ("--fit", "--test", "--pictures") for word in (flag, str(pictures))]
    words = ["--contents", "one", "--styles", "two", "--run", str(folder), "--out", "report.json"]
    words += ["--weights", str(folder / "petite.safetensors")]
    words += ["--exact", str(partial_file), "--narrow", str(narrow_file)]
    report = evaluate_petite.evaluate(evaluate_petite.parse([*words, *places]))
    json.dumps(report)  # it has to become a file
    assert set(report["r2"]) == set(teachers.TAPS)
    weaker = {f"petite, β/{divisor}" for divisor in evaluate_petite.BETA_DIVISORS}
    assert set(report["stylisation"]) == {"petite", "random", "exact"} | weaker
    assert report["facts"]["bytes"] == (folder / "petite.safetensors").stat().st_size
    assert report["facts"]["parameters"] == sum(
        p.numel() for p in build_vgg("petite", PETITE_PLAN, "average").parameters()
    )
    assert report["seconds_per_100_evaluations"] > 0
    assert report["half_precision"] == pytest.approx(report["single_precision"], abs=0.05)
    # Only the stylisations, of a report in which they are wrong:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report | {"stylisation": {}}))
    words = ["--renew", "--contents", "one", "--styles", "two", "--out", str(file)]
    words += ["--exact", str(partial_file), "--pictures", str(pictures)]
    words += ["--weights", str(folder / "petite.safetensors")]
    assert evaluate_petite.renew(evaluate_petite.parse(words)) == json.loads(json.dumps(report))


def test_a_report_needs_its_run_unless_it_is_renewed(capsys):
    with pytest.raises(SystemExit):
        evaluate_petite.parse(["--exact", "a", "--pictures", "b", "--out", "c"])
    assert "--renew" in capsys.readouterr().err


def test_seconds_per_100_evaluations_does_just_so_many(petite, noise, monkeypatch):
    """Timed on a clock that only ticks with an evaluation: one second each."""
    monkeypatch.setattr(evaluate_petite, "TIMED_SIZE", 32)
    clock = SimpleNamespace(now=0.0)
    forward = type(petite).forward

    def ticking(self, image, layers):
        clock.now += image.requires_grad
        return forward(self, image, layers)

    monkeypatch.setattr(type(petite), "forward", ticking)
    monkeypatch.setattr(
        evaluate_petite, "time", SimpleNamespace(perf_counter=lambda: float(clock.now))
    )
    assert evaluate_petite.seconds_per_100(petite, noise[0], noise[1]) == 100
