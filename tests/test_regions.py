"""Several styles at once: shares, regions, and what the Gram matrix of a region is."""

from __future__ import annotations

import pytest
import torch

from nst_teach import (
    ImageError,
    RegionalObjective,
    ShapeError,
    Style,
    StyleObjective,
    gram_matrix,
    guided_gram_matrix,
    load_image,
    style_loss,
    transfer,
)
from nst_teach.networks import FeatureNetwork, build_vgg

LAYERS = ("relu1_1", "relu2_2")
WEIGHTS = {"content_layers": "relu2_1", "style_layers": LAYERS}


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    torch.manual_seed(0)
    return build_vgg("tiny", ((4, 5), (6, 7)), "average")


@pytest.fixture(scope="module")
def content() -> torch.Tensor:
    return load_image("chelsea", size=(24, 32))


def half(height: int = 24, width: int = 32) -> torch.Tensor:
    """The left half of a picture."""
    mask = torch.zeros(1, 1, height, width)
    mask[..., : width // 2] = 1
    return mask


def features(seed: int = 0, height: int = 6, width: int = 8) -> torch.Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed))


# The Gram matrix of a region


def test_whole_picture_is_a_region():
    torch.testing.assert_close(
        guided_gram_matrix(features(), torch.ones(1, 1, 24, 32)), gram_matrix(features())
    )


def test_region_is_the_picture_cut_out():
    inside = features()[..., :4]
    torch.testing.assert_close(guided_gram_matrix(features(), half()), gram_matrix(inside))


def test_regions_add_up_by_their_areas():
    mask = torch.rand(1, 1, 6, 8, generator=torch.Generator().manual_seed(1))
    parts = [m.mean() * guided_gram_matrix(features(), m) for m in (mask, 1 - mask)]
    torch.testing.assert_close(sum(parts), gram_matrix(features()))


def test_guidance_channels_of_the_paper_give_the_same():
    """Gatys et al. (2017), equation 5: F is multiplied by T with Σ T² = 1, then G = F Fᵀ."""
    mask = torch.rand(1, 1, 6, 8, generator=torch.Generator().manual_seed(1))
    guidance = (mask / mask.sum()).sqrt()
    guided = gram_matrix(features() * guidance, normalize=False)
    torch.testing.assert_close(guided_gram_matrix(features(), mask), guided)


@pytest.mark.parametrize(
    ("mask", "complaint"),
    [(torch.ones(6, 8), "expected"), (torch.zeros(1, 1, 6, 8), "is 0 everywhere")],
)
def test_what_is_no_region_is_refused(mask, complaint):
    with pytest.raises(ShapeError, match=complaint):
        guided_gram_matrix(features(), mask)


# The objective


def test_styles_are_told_apart_by_identity():
    """Masks and pictures may be tensors, which have no single truth when they are compared."""
    one, other = (Style("dots", mask=half()) for _ in range(2))
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2


def test_one_style_everywhere_is_the_usual_objective(network, content):
    options = {**WEIGHTS, "alpha": 2.0, "beta": 5.0, "total_variation": 3.0}
    usual = StyleObjective(content, load_image("dots", size=32), network, **options)
    several = RegionalObjective(content, [Style("dots")], network, **options)
    image = content.flip(-1)
    torch.testing.assert_close(several(image).total, usual(image).total)
    assert several.beta == 5
    assert list(several(image).style) == ["relu1_1, 1", "relu2_2, 1"]


def test_styles_are_as_large_as_the_content_unless_told(network, content):
    """A larger style picture has larger brush strokes: features of another style."""
    usual, asked = (
        RegionalObjective(content, [Style("dots")], network, style_size=size, **WEIGHTS)
        for size in (None, 20)
    )
    assert max(usual.style.shape[-2:]) == 32
    assert max(asked.style.shape[-2:]) == 20
    options = {"network": network, "size": None, "style_size": 20, "steps": 0, **WEIGHTS}
    assert max(transfer(content, [Style("dots")], **options).style.shape[-2:]) == 20


def test_two_styles_pull_towards_the_blend_of_their_gram_matrices(network, content):
    """Σ sₖ E(G, Aₖ) and Σ sₖ · E(G, Σ sₖ Aₖ / Σ sₖ) differ by a constant, so not in a gradient."""
    shares = {"dots": 0.5, "night_swirls": 1.5}
    both = RegionalObjective(
        content, [Style(name, share) for name, share in shares.items()], network,
        alpha=0, **WEIGHTS,
    )  # fmt: skip
    blend = RegionalObjective(content, [Style("dots", weight=2.0)], network, alpha=0, **WEIGHTS)
    for layer in LAYERS:
        grams = [both.style_targets[f"{layer}, {number}"] for number in (1, 2)]
        blend.style_targets[f"{layer}, 1"] = (0.5 * grams[0] + 1.5 * grams[1]) / 2
    image = content.flip(-1).requires_grad_(True)
    of_both, of_blend = (torch.autograd.grad(goal(image).total, image)[0] for goal in (both, blend))
    torch.testing.assert_close(of_both, of_blend, rtol=1e-4, atol=1e-4 * of_both.abs().max().item())


def test_style_of_a_region_does_not_pull_where_the_region_is_not_seen(network, content):
    goal = RegionalObjective(
        content, [Style("dots", mask=half())], network,
        alpha=0, content_layers=(), style_layers="relu1_1",
    )  # fmt: skip
    image = content.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(goal(image).total, image)
    assert gradient[..., :16].abs().min() >= 0
    assert gradient[..., :16].abs().max() > 0
    assert gradient[..., 17:].abs().max() == 0  # relu1_1 sees one pixel beyond the edge


def test_each_region_has_its_own_style(network, content):
    """In its region the result is nearer to the style of this region than to that of the other."""
    masks = {"dots": half(), "night_swirls": 1 - half()}
    styles = [Style(name, mask=mask, name=name) for name, mask in masks.items()]
    result = transfer(
        content, styles, network=network, size=None, steps=60, alpha=0, **WEIGHTS, beta=1.0
    )
    assert result.settings["styles"] == {"dots": 1.0, "night_swirls": 1.0}
    seen = network(result.image, "relu1_1")["relu1_1"]
    targets = {
        name: gram_matrix(network(load_image(name, size=32), "relu1_1")["relu1_1"])
        for name in masks
    }
    for name, mask in masks.items():
        losses = {
            other: style_loss(guided_gram_matrix(seen, mask), t) for other, t in targets.items()
        }
        assert min(losses, key=losses.get) == name


def test_run_goes_on_with_its_memory_under_the_same_regions_alone(network, content):
    def run(mask, **options):
        return transfer(
            content, [Style("dots", mask=mask), Style("night_swirls")],
            network=network, size=None, **WEIGHTS, **options,
        )  # fmt: skip

    whole = run(half(), steps=8)
    resumed = run(half(), steps=4, start=run(half(), steps=4))
    assert torch.equal(resumed.image, whole.image)
    elsewhere = run(1 - half(), steps=4, start=run(half(), steps=4))
    assert [r.objective for r in elsewhere.history][-1] == 1


@pytest.mark.parametrize(
    "mask", [half()[0, 0], half()[0], half(), half().tile(1, 3, 1, 1), half()[0, 0].numpy()]
)
def test_mask_may_come_in_several_shapes(network, content, mask):
    goal = RegionalObjective(content, [Style("dots", mask=mask)], network, **WEIGHTS)
    assert goal.masks["1"].shape == (1, 1, 24, 32)
    assert goal.masks["1"][..., :14].min() == 1
    assert goal.masks["1"][..., 18:].max() == 0


@pytest.mark.parametrize(
    ("styles", "error", "complaint"),
    [
        ([], ValueError, "none given as styles"),
        (["dots"], ValueError, "str given as styles"),
        ([Style("dots", name="a"), Style("dots", name="a")], ValueError, "one name"),
        ([Style("dots", weight=-1)], ValueError, "weight=-1 was given"),
        ([Style("dots", weight=0)], ValueError, "weights of all styles are 0"),
        ([Style("dots", mask=torch.zeros(4, 4))], ValueError, "mask of style 1 is 0 everywhere"),
        ([Style("dots", mask=half().tile(2, 1, 1, 1))], ImageError, r"the mask of .*\(2, 1, 24"),
        ([Style("dots", mask="no-such-file.png")], ImageError, "the mask of style 1: .*no-such"),
        ([Style("no-such-file.png")], ImageError, "no-such-file"),
    ],
)
def test_what_is_no_list_of_styles_is_refused(network, content, styles, error, complaint):
    with pytest.raises(error, match=complaint):
        transfer(content, styles, network=network, size=None, steps=1, **WEIGHTS)
