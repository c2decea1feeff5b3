"""The objective: what is weighed with what, and what follows when nothing is said."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from nst_teach import (
    FeatureNetwork,
    NetworkError,
    StyleObjective,
    content_loss,
    gram_matrix,
    load_image,
    load_network,
    samples,
    style_loss,
    total_variation,
)
from nst_teach.networks import build_squeezenet, build_vgg
from nst_teach.objective import STYLE_STRENGTH, UNIT_BALANCE, fingerprint, layer_weights


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    """Two blocks of random filters, in double precision."""
    torch.manual_seed(0)
    return build_vgg("tiny", ((4, 5), (6, 7)), "average").double()


@pytest.fixture(scope="module")
def wrapping() -> FeatureNetwork:
    """One layer for which a picture is a torus: a tiled picture then has tiled features."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular")
    return FeatureNetwork(
        "wrapping",
        {"conv": convolution, "relu": nn.ReLU()},
        pooling="average",
        content_layers=("relu",),
        style_layers=("relu",),
    ).double()


@pytest.fixture(scope="module")
def pictures() -> dict[str, torch.Tensor]:
    """A content, a style of another size, and a picture on its way from one to the other."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"content": (12, 16), "style": (16, 20), "image": (12, 16)}
    return {
        name: torch.rand(1, 3, *shape, generator=generator, dtype=torch.float64)
        for name, shape in shapes.items()
    }


@pytest.fixture
def objective(network, pictures):
    """Builds an objective from whatever a test wants to say about it."""

    def build(**options) -> StyleObjective:
        layers = {"content_layers": "relu2_1", "style_layers": ("relu1_1", "relu2_2")}
        return StyleObjective(pictures["content"], pictures["style"], network, **(layers | options))

    return build


def test_each_part_is_the_loss_of_its_layer(objective, network, pictures):
    """The objective adds nothing of its own to `nst_teach.losses`."""
    losses = objective()(pictures["image"])
    layers = ("relu1_1", "relu2_1", "relu2_2")
    x, p, a = (network(pictures[key], layers) for key in ("image", "content", "style"))
    assert losses.content == {"relu2_1": content_loss(x["relu2_1"], p["relu2_1"])}
    assert losses.style == {
        layer: style_loss(gram_matrix(x[layer]), gram_matrix(a[layer]))
        for layer in ("relu1_1", "relu2_2")
    }
    assert losses.total_variation == total_variation(pictures["image"])


def test_the_parts_add_up_to_the_total(objective, pictures):
    """L = α Σ w·content + β Σ w·style + weight·variation: equation 7, with every weight in use."""
    content_layers = {"relu2_1": 2.0, "conv1_1": 0.5}
    style_layers = {"relu1_1": 0.7, "relu2_2": 0.3}
    losses = objective(
        content_layers=content_layers,
        style_layers=style_layers,
        alpha=3.0,
        beta=1e4,
        total_variation=7.0,
    )(pictures["image"])
    content = sum(content_layers[layer] * part for layer, part in losses.content.items())
    style = sum(style_layers[layer] * part for layer, part in losses.style.items())
    expected = 3.0 * content + 1e4 * style + 7.0 * losses.total_variation
    torch.testing.assert_close(losses.total, expected, rtol=1e-14, atol=0)


def test_the_content_itself_has_no_content_loss_and_the_style_no_style_loss(objective, pictures):
    assert all(part == 0 for part in objective()(pictures["content"]).content.values())
    same = objective(content_layers=())
    assert all(part == 0 for part in same(pictures["style"]).style.values())


@pytest.mark.parametrize("weight", ["alpha", "beta", "total_variation"])
def test_a_weight_scales_its_term_and_no_other(objective, pictures, weight):
    weights = {"alpha": 1.0, "beta": 1.0, "total_variation": 1.0}
    once = objective(**weights)(pictures["image"])
    twice = objective(**(weights | {weight: 2.0}))(pictures["image"])
    term = {
        "alpha": sum(once.content.values()),
        "beta": sum(once.style.values()) / 2,  # two layers share a weight of 1
        "total_variation": once.total_variation,
    }[weight]
    torch.testing.assert_close(twice.total - once.total, term)
    assert twice.content == once.content
    assert twice.style == once.style


def test_the_gradient_agrees_with_finite_differences(objective, pictures):
    evaluate = objective(beta=1e4, total_variation=3.0)
    image = pictures["image"].clone().requires_grad_(True)
    evaluate(image).total.backward()
    for index in [(0, 0, 0, 0), (0, 1, 5, 7), (0, 2, 11, 15)]:
        there, back = image.detach().clone(), image.detach().clone()
        there[index] += 1e-6
        back[index] -= 1e-6
        slope = (evaluate(there).total - evaluate(back).total) / 2e-6
        torch.testing.assert_close(image.grad[index], slope, rtol=1e-5, atol=1e-7)


def test_targets_are_taken_without_a_gradient_and_kept(objective, network, pictures):
    kept = objective()
    targets = {**kept.content_targets, **kept.style_targets}
    assert not any(target.requires_grad for target in targets.values())
    before = kept(pictures["image"]).total
    assert kept(pictures["image"]).total == before


# --- layers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "as_content", "as_style"),
    [
        ("relu1_1", {"relu1_1": 1.0}, {"relu1_1": 1.0}),
        (("a", "b", "c", "d"), dict.fromkeys("abcd", 1.0), dict.fromkeys("abcd", 0.25)),
        (iter(["a", "b"]), None, {"a": 0.5, "b": 0.5}),
        ({"a": 0.7, "b": 2}, {"a": 0.7, "b": 2.0}, {"a": 0.7, "b": 2.0}),
        ((), {}, {}),
    ],
)
def test_content_layers_weigh_1_each_and_style_layers_share_1(layers, as_content, as_style):
    """Unless they say how much they weigh: then it is that."""
    assert layer_weights(layers, share=True) == as_style
    if as_content is not None:
        assert layer_weights(layers, share=False) == as_content


def test_without_style_layers_only_the_content_counts(objective, pictures):
    losses = objective(style_layers=())(pictures["image"])
    assert losses.style == {}
    torch.testing.assert_close(losses.total, losses.content["relu2_1"])


def test_without_content_layers_only_the_style_counts(objective, pictures):
    losses = objective(content_layers=(), beta=10.0)(pictures["image"])
    assert losses.content == {}
    torch.testing.assert_close(losses.total, 10 * sum(losses.style.values()) / 2)


@pytest.mark.parametrize(
    "nothing",
    [
        {"content_layers": (), "style_layers": ()},
        {"alpha": 0.0, "beta": 0.0},
        {"alpha": 0.0, "style_layers": ()},
        {"content_layers": [], "beta": 0.0},
    ],
    ids=str,
)
def test_weights_that_leave_nothing_to_lower_are_refused(objective, nothing):
    with pytest.raises(ValueError, match="leave nothing to lower"):
        objective(**nothing)
    assert objective(**nothing, total_variation=1.0).total_variation == 1.0


@pytest.mark.parametrize("share", [True, False])
def test_a_layer_named_twice_is_refused(share):
    with pytest.raises(ValueError, match="relu1_1 is named twice"):
        layer_weights(["relu1_1", "relu2_1", "relu1_1"], share=share)


def test_layers_that_all_weigh_nothing_are_refused(objective):
    with pytest.raises(ValueError, match="the weights of relu1_1, relu2_1 are all 0"):
        objective(style_layers={"relu1_1": 0.0, "relu2_1": 0.0})


def test_layers_left_open_are_the_networks_own(pictures, wrapping):
    objective = StyleObjective(pictures["content"], pictures["style"], wrapping)
    assert objective.content_layers == {"relu": 1.0}
    assert objective.style_layers == {"relu": 1.0}


def test_an_unknown_layer_is_refused_at_once(objective):
    with pytest.raises(NetworkError, match="no layer 'relu9_9'"):
        objective(style_layers=["relu1_1", "relu9_9"])
    with pytest.raises(NetworkError, match="no layer 'relu9_9'"):
        objective(content_layers="relu9_9")


# --- β, when nothing is said ---------------------------------------------------------------------


def test_beta_counts_the_content_features(objective, network, monkeypatch):
    """relu2_1 has 6 filters at 6 × 8 positions of a 12 × 16 picture."""
    monkeypatch.setattr(network, "normalised", True)
    assert objective().beta == STYLE_STRENGTH * 6 * 6 * 8
    assert objective(alpha=4.0).beta == 4.0 * STYLE_STRENGTH * 6 * 6 * 8
    assert objective(beta=17).beta == 17


def test_beta_is_of_use_without_content_too(objective):
    """α = 0 and no content layers ask for a texture, which a β of 0 would not give."""
    assert objective(alpha=0.0).beta > 0
    assert objective(content_layers=()).beta == STYLE_STRENGTH, "as if there were one feature"


def test_the_balance_is_the_same_at_every_size(wrapping):
    """Tiled 2 × 2, content and style both grow fourfold: their ratio stays, with β left open.

    With a fixed β the style's share would shrink to a quarter.
    """
    generator = torch.Generator().manual_seed(0)
    content, style, image = (
        torch.rand(1, 3, 16, 16, generator=generator, dtype=torch.float64) for _ in range(3)
    )

    def losses(tiles: int, beta: float | None) -> tuple[float, float]:
        c, s, x = (picture.tile(1, 1, tiles, tiles) for picture in (content, style, image))
        objective = StyleObjective(
            c, s, wrapping, content_layers="relu", style_layers="relu", beta=beta
        )
        parts = objective(x)
        return parts.content["relu"].item(), objective.beta * parts.style["relu"].item()

    small, large = losses(1, None), losses(2, None)
    assert large == pytest.approx((4 * small[0], 4 * small[1]), rel=1e-12)
    small, large = losses(1, 100.0), losses(2, 100.0)
    assert large == pytest.approx((4 * small[0], small[1]), rel=1e-12)


# --- the same objective --------------------------------------------------------------------------


def test_a_fingerprint_tells_objectives_apart(objective, pictures, network):
    """By pictures, layers and every weight; built again from the same, it is the same."""
    pictures_swapped = StyleObjective(
        pictures["image"], pictures["style"], network,
        content_layers="relu2_1", style_layers=("relu1_1", "relu2_2"), beta=objective().beta,
    )  # fmt: skip
    different = [
        objective(),
        objective(alpha=2.0, beta=objective().beta),
        objective(beta=1.0),
        objective(total_variation=1.0),
        objective(style_layers={"relu1_1": 0.6, "relu2_2": 0.4}),
        objective(content_layers="relu1_2", beta=objective().beta),
        pictures_swapped,
    ]
    prints = [fingerprint(one) for one in different]
    assert len(set(prints)) == len(prints)
    assert fingerprint(objective()) == prints[0]


def test_a_fingerprint_tells_a_landscape_from_a_portrait():
    """Grey pictures of the same pixels, 4 × 6 and 6 × 4: the same numbers in another shape."""
    raw = FeatureNetwork(
        "raw", {"pixels": nn.Identity()}, pooling="average", content_layers=("pixels",),
        style_layers=("pixels",), convention="raw",
    )  # fmt: skip
    style = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    lying, standing = (
        StyleObjective(torch.full((1, 3, *size), 0.5), style, raw) for size in ((4, 6), (6, 4))
    )
    assert lying.beta == standing.beta
    assert fingerprint(lying) != fingerprint(standing)


def test_an_objective_of_ones_own_is_like_itself_alone(objective):
    one, other = (lambda image: objective()(image) for _ in range(2))
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) != fingerprint(other)


def test_a_subclass_is_like_itself_alone(pictures, wrapping):
    """It may add terms, of which the weights of its parent know nothing."""

    class Mine(StyleObjective):
        pass

    one, other = (cls(pictures["content"], pictures["style"], wrapping) for cls in (Mine, Mine))
    plain = StyleObjective(pictures["content"], pictures["style"], wrapping)
    assert fingerprint(one) == fingerprint(one)
    assert len({fingerprint(one), fingerprint(other), fingerprint(plain)}) == 3


def test_an_objective_may_bring_a_fingerprint_of_its_own(objective):
    class Named:
        def fingerprint(self):
            return "mine"

    assert fingerprint(Named()) == fingerprint(Named()) == "mine"


@pytest.mark.parametrize("beta", [None, 1e4])
def test_weak_smoothing_follows_beta(objective, beta):
    evaluate = objective(beta=beta, total_variation=None)
    assert evaluate.total_variation == pytest.approx(0.1 * evaluate.beta)
    assert objective(beta=beta).total_variation == 0  # the paper's loss has no such term


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alpha", "beta", "total_variation"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_is_negative_or_not_finite_is_refused(objective, name, value):
    with pytest.raises(ValueError, match=f"{name}={value} was given; expected a finite number"):
        objective(**{name: value})


def test_a_layers_weight_is_checked_under_the_layers_name(objective):
    with pytest.raises(ValueError, match=r"relu1_1=-0\.5 was given"):
        objective(style_layers={"relu1_1": -0.5})


def test_a_picture_of_another_size_than_the_content_is_refused(objective, pictures):
    with pytest.raises(ValueError, match="expected the same shape"):
        objective()(pictures["style"])


def scaled(network: FeatureNetwork, factor: float) -> FeatureNetwork:
    """The same network, but for activations that are `factor` times as large."""
    other = copy.deepcopy(network)
    first = True
    for module in other.stack:
        if isinstance(module, nn.Conv2d):
            module.bias *= factor
            module.weight *= factor if first else 1.0
            first = False
    return other


@pytest.mark.parametrize("factor", [0.1, 30.0])
def test_beta_makes_up_for_the_scale_of_the_activations(network, pictures, factor):
    """Content grows with the square of the activations and style with their fourth power; with β
    left open both grow with the square, so that the image of the lowest loss stays the same."""
    layers = {"content_layers": "relu2_1", "style_layers": ("relu1_1", "relu2_2")}
    one, other = (
        StyleObjective(pictures["content"], pictures["style"], net, **layers)
        for net in (network, scaled(network, factor))
    )
    assert other.beta == pytest.approx(one.beta / factor**2)
    of_one, of_other = one(pictures["image"]).total, other(pictures["image"]).total
    assert of_other.item() == pytest.approx(factor**2 * of_one.item())


def test_the_unit_of_the_balance_is_that_of_petite():
    """So β is what it would be, had other networks filters as petite's."""
    petite = load_network("petite")
    photos = [load_image(name, size=128) for name in samples.names("photo")]
    balances = []
    for photo in photos:
        objective = StyleObjective(photo, photo, petite)
        features = sum(f.numel() for f in objective.content_targets.values())
        contents = [content_loss(f, 0 * f) for f in objective.content_targets.values()]
        grams = objective.style_targets.values()
        styles = [style_loss(gram, 0 * gram) for gram in grams]
        balances.append((sum(contents) / features, sum(styles) / len(styles)))
    content, style = (sum(column).item() for column in zip(*balances, strict=True))
    assert content / style == pytest.approx(UNIT_BALANCE, rel=0.02)
    assert petite.normalised


def test_a_network_may_bring_weights_for_its_style_layers(pictures):
    network = build_squeezenet("max")
    photo, style = (load_image(name, size=64) for name in ("chelsea", "dots"))
    objective = StyleObjective(photo, style, network)
    assert objective.style_layers == network.style_weights
    assert sum(network.style_weights.values()) == pytest.approx(1, abs=1e-3)
    named = StyleObjective(photo, style, network, style_layers=network.style_layers)
    assert set(named.style_layers.values()) == {0.25}
