"""Fast networks: any size in, the same size out, and the losses of the course as their teacher."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from nst_teach import NetworkError, StyleObjective, load_image, load_network, samples
from nst_teach.feedforward import (
    BLOCKS,
    CONDITIONAL,
    PREFIX,
    SMALLEST,
    WIDTHS,
    ConditionalNetwork,
    FastNetwork,
    fast_styles,
    load_conditional,
    load_fast,
    training_loss,
)
from nst_teach.losses import gram_of
from nst_teach.networks import WEIGHTS_FOLDER, save_weights


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def busy() -> FastNetwork:
    """An untrained network whose last layer does something."""
    torch.manual_seed(0)
    network = FastNetwork((4, 6, 8), blocks=1)
    torch.nn.init.normal_(network.layers[-1].convolution.weight, std=0.5)
    return network


@pytest.fixture(scope="module")
def petite():
    return load_network("petite")


# --- the network ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (33, 50), (19, 64)])
def test_every_size_comes_back_as_it_was(busy, size):
    painted = busy(noise(2, 3, *size))
    assert painted.shape == (2, 3, *size)
    assert painted.min() >= 0
    assert painted.max() <= 1


def test_what_is_padded_is_cut_off_on_the_right_side(busy):
    """A picture of 18 columns is seen as one of 20, the last two mirrored."""
    photo = noise(1, 3, 20, 18)
    padded = torch.cat([photo, photo[..., 16:17], photo[..., 15:16]], dim=-1)
    torch.testing.assert_close(busy(photo), busy(padded)[..., :18])


def test_pictures_of_a_batch_do_not_see_each_other(busy):
    one, two = noise(1, 3, 24, 24), noise(1, 3, 24, 24, seed=1)
    both = busy(torch.cat([one, two]))
    torch.testing.assert_close(both, torch.cat([busy(one), busy(two)]), atol=1e-5, rtol=1e-4)


def test_the_photographs_own_contrast_is_forgotten_inside():
    """Instance normalisation: after it, a paler photograph gives the same features."""
    torch.manual_seed(0)
    first = FastNetwork((4, 6, 8), blocks=1).layers[0]
    photo = noise(1, 3, 32, 32)
    torch.testing.assert_close(first(0.3 + 0.5 * photo), first(photo), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (1, 4, 32, 32)])
def test_other_shapes_are_refused(busy, shape):
    with pytest.raises(NetworkError, match=r"expected \(B, 3, H, W\)"):
        busy(torch.zeros(shape))


def test_pictures_that_are_too_small_are_refused(busy):
    with pytest.raises(NetworkError, match=f"{SMALLEST} pixels or more"):
        busy(torch.zeros(1, 3, SMALLEST - 1, 64))


# --- several styles ------------------------------------------------------------------------------

GLASS, WAVE = "stained_glass", "woodcut_wave"


def with_random_scales(*styles: str, seed: int = 0) -> ConditionalNetwork:
    torch.manual_seed(seed)
    network = ConditionalNetwork(styles, (4, 6, 8), blocks=1)
    torch.nn.init.normal_(network.painter.layers[-1].convolution.weight, std=0.5)
    for parameter in network.norms.parameters():
        torch.nn.init.normal_(parameter)
    return network


@pytest.fixture
def two() -> ConditionalNetwork:
    """An untrained network for two styles, which paints differently in each."""
    return with_random_scales(GLASS, WAVE)


def test_with_one_style_it_is_a_fast_network(busy):
    network, photo = ConditionalNetwork([GLASS], (4, 6, 8), blocks=1), noise(2, 3, 20, 33)
    network.begin_with(busy)
    assert torch.equal(network(photo, GLASS), busy(photo))
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in busy.parameters())


def test_a_further_style_adds_two_numbers_for_each_normalised_filter(two):
    one = ConditionalNetwork([GLASS], (4, 6, 8), blocks=1)
    filters = 4 + 6 + 8 + 2 * 8 + 6 + 4  # of all convolutions but the last
    added = sum(p.numel() for p in two.parameters()) - sum(p.numel() for p in one.parameters())
    assert added == 2 * filters


def test_a_share_of_one_is_that_style(two):
    photo = noise(1, 3, 20, 24)
    for style, other in ((GLASS, WAVE), (WAVE, GLASS)):
        assert torch.equal(two(photo, {style: 1.0, other: 0.0}), two(photo, style))
        assert torch.equal(two(photo, {style: 1}), two(photo, style))
    assert not torch.allclose(two(photo, GLASS), two(photo, WAVE), atol=0.01)


def test_scales_and_shifts_are_linear_in_the_shares(two):
    ends, between = [two.scales(s) for s in (GLASS, WAVE)], two.scales({GLASS: 0.25, WAVE: 0.75})
    for key, value in between.items():
        expected = 0.25 * ends[0][key] + 0.75 * ends[1][key]
        torch.testing.assert_close(value, expected)


def test_the_image_is_not_linear_in_the_shares(two):
    """The slider mixes what normalisation applies, not two finished paintings."""
    photo = noise(1, 3, 20, 24)
    crossfade = (two(photo, GLASS) + two(photo, WAVE)) / 2
    assert not torch.allclose(two(photo, {GLASS: 0.5, WAVE: 0.5}), crossfade, atol=0.01)


@pytest.mark.parametrize("style", [GLASS, {GLASS: 0.3, WAVE: 0.7}])
def test_in_each_style_it_is_a_fast_network_again(two, style):
    single, photo = two.single(style), noise(1, 3, 17, 30)
    assert torch.equal(single(photo), two(photo, style))
    assert not any(parameter.requires_grad for parameter in single.parameters())


def test_scales_that_are_the_statistics_of_a_style_are_adain():
    """Chapter 11: AdaIN is the same layer with σ(S) and μ(S) in place of what was learnt."""
    features, style = noise(1, 6, 10, 12), noise(1, 6, 8, 9, seed=1)
    variance, mean = torch.var_mean(style, (0, 2, 3), correction=0)
    norm = torch.nn.InstanceNorm2d(6, affine=True)
    norm.load_state_dict({"weight": variance.sqrt(), "bias": mean})
    variance_made, mean_made = torch.var_mean(norm(features), (0, 2, 3), correction=0)
    torch.testing.assert_close(mean_made, mean)
    torch.testing.assert_close(variance_made, variance, rtol=1e-3, atol=0)


def test_only_the_style_at_work_is_learnt(two):
    two(noise(1, 3, 16, 16), WAVE).sum().backward()
    assert all(p.grad is None for p in two.norms[GLASS].parameters())
    assert all(p.grad is not None for p in two.norms[WAVE].parameters())
    assert all(p.grad is not None for p in two.painter.parameters())


def test_a_style_that_it_does_not_have_is_refused(two):
    for style in ("cubes", {GLASS: 0.5, "cubes": 0.5}):
        with pytest.raises(NetworkError, match=r"no style 'cubes'.*stained_glass, woodcut_wave"):
            two(noise(1, 3, 16, 16), style)


@pytest.mark.parametrize(
    "shares",
    [{}, {GLASS: 0.5}, {GLASS: 1, WAVE: 1}, {GLASS: -0.5, WAVE: 1.5}, {GLASS: float("nan")}],
)
def test_shares_that_are_not_shares_are_refused(two, shares):
    with pytest.raises(NetworkError, match="expected shares from 0 to 1 whose sum is 1"):
        two(noise(1, 3, 16, 16), shares)


def test_shares_may_be_off_by_rounding(two):
    two(noise(1, 3, 16, 16), {GLASS: 0.1 + 0.2, WAVE: 0.7})


@pytest.mark.parametrize("styles", [[], [GLASS, GLASS], GLASS])
def test_styles_must_be_a_list_of_different_names(styles):
    with pytest.raises(NetworkError, match="expected a list of different names"):
        ConditionalNetwork(styles)


def test_a_conditional_network_keeps_the_checks_of_the_image(two):
    with pytest.raises(NetworkError, match=f"{SMALLEST} pixels or more"):
        two(torch.zeros(1, 3, SMALLEST - 1, 64), GLASS)


# --- its teacher ---------------------------------------------------------------------------------


def test_the_loss_of_one_picture_is_the_objectives_per_content_feature(petite):
    content, style, image = noise(1, 3, 32, 40), noise(1, 3, 32, 32, seed=1), noise(1, 3, 32, 40)
    layers = {"content_layers": petite.content_layers, "style_layers": petite.style_layers}
    objective = StyleObjective(content, style, petite, **layers)
    count = sum(target.numel() for target in objective.content_targets.values())
    loss = training_loss(image, content, petite, objective.style_targets)
    torch.testing.assert_close(loss, objective(image).total / count)


def test_the_loss_of_a_batch_is_the_mean_of_its_pictures(petite):
    contents, pictures = noise(3, 3, 32, 32), noise(3, 3, 32, 32, seed=1)
    goals = gram_of(petite(noise(1, 3, 32, 32, seed=2), petite.style_layers))
    options = {"strength": 5.0, "smoothness": 2.0}
    together = training_loss(pictures, contents, petite, goals, **options)
    apart = [
        training_loss(pictures[i : i + 1], contents[i : i + 1], petite, goals, **options)
        for i in range(3)
    ]
    torch.testing.assert_close(together, torch.stack(apart).mean(), rtol=1e-3, atol=0)


def test_a_few_steps_of_training_lower_the_loss(petite):
    torch.manual_seed(0)
    network, photos = FastNetwork((4, 6, 8), blocks=1), noise(2, 3, 32, 32)
    goals = gram_of(petite(load_image("stained_glass", size=64), petite.style_layers))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(4):
        loss = training_loss(network(photos), photos, petite, goals)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.95 * losses[0]
    assert all(p.grad is None for p in petite.parameters()), "the teacher is not to learn"


# --- the bundled weights -------------------------------------------------------------------------


def card(style: str) -> dict:
    return json.loads((WEIGHTS_FOLDER / f"{PREFIX}{style}.json").read_text(encoding="utf-8"))


def test_at_least_one_style_is_bundled():
    assert fast_styles()
    assert set(fast_styles()) <= set(samples.names("style"))


@pytest.mark.parametrize("style", fast_styles())
def test_weights_are_what_their_card_says(style):
    path = WEIGHTS_FOLDER / f"{PREFIX}{style}.safetensors"
    state, facts = load_file(path), card(style)
    assert facts["style"] == style
    assert facts["parameters"] == sum(value.numel() for value in state.values())
    assert facts["bytes"] == path.stat().st_size
    assert (tuple(facts["widths"]), facts["blocks"]) == (WIDTHS, BLOCKS)
    assert {value.dtype for value in state.values()} == {torch.float16}


@pytest.mark.parametrize("style", fast_styles())
def test_what_was_held_out_was_not_trained_on(style):
    facts = card(style)
    assert facts["held_out"]
    assert not set(facts["held_out"]) & set(facts["photographs"])


@pytest.mark.parametrize("style", fast_styles())
def test_bundled_networks_paint_a_photograph_they_never_saw(style, petite):
    """Nearer to the style by far, and still nearer to its photograph than to another one."""
    network, photo = load_fast(style), load_image("chelsea", size=128)
    painted = network(photo)
    goals = gram_of(petite(load_image(style, size=256), petite.style_layers))

    def distance(picture: torch.Tensor, content: torch.Tensor, strength: float) -> float:
        return training_loss(picture, content, petite, goals, strength=strength).item()

    assert distance(painted, painted, 1.0) < 0.25 * distance(photo, photo, 1.0)
    other = load_image("motorcycle", size=tuple(photo.shape[-2:]))
    assert distance(painted, photo, 0.0) < distance(painted, other, 0.0)


@pytest.mark.parametrize("style", fast_styles())
def test_bundled_networks_are_frozen_and_always_paint_the_same(style):
    network, photo = load_fast(style), noise(1, 3, 37, 50)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert torch.equal(network(photo), load_fast(style)(photo))


def test_an_unknown_style_is_refused():
    with pytest.raises(NetworkError, match=r"no fast network for 'cubes'.*tools/train_fast\.py"):
        load_fast("cubes")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NetworkError, match=r"there is no weight file '.*mine\.safetensors'"):
        load_fast("mine", weights=tmp_path / "mine.safetensors")


def test_weights_of_another_network_are_refused():
    with pytest.raises(NetworkError, match=r"petite\.safetensors does not fit FastNetwork"):
        load_fast("mine", weights=WEIGHTS_FOLDER / "petite.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value[:1], r"has the shape \(1,.*expected"),
        (lambda value: value * torch.nan, "holds NaN"),
    ],
)
def test_weights_that_cannot_be_right_are_refused(tmp_path, change, message):
    state = {key: value.contiguous() for key, value in FastNetwork().state_dict().items()}
    key = "layers.0.convolution.weight"
    save_file(state | {key: change(state[key]).contiguous()}, tmp_path / "bad.safetensors")
    with pytest.raises(NetworkError, match=rf"'layers\.0\.convolution\.weight' {message}"):
        load_fast("bad", weights=tmp_path / "bad.safetensors")


def test_weights_arrive_as_they_were_saved(tmp_path):
    torch.manual_seed(1)
    made = FastNetwork()
    state = {key: value.half().contiguous() for key, value in made.state_dict().items()}
    save_file(state, tmp_path / "mine.safetensors")
    loaded = load_fast("mine", weights=tmp_path / "mine.safetensors").state_dict()
    assert all(torch.equal(loaded[key], value.half().float()) for key, value in state.items())


# --- the bundled network for several styles ------------------------------------------------------


@pytest.fixture
def two_in_a_file(tmp_path):
    torch.manual_seed(2)
    network = ConditionalNetwork([WAVE, GLASS])
    for parameter in network.norms.parameters():
        torch.nn.init.normal_(parameter)
    return network, save_weights(network, tmp_path / "two.safetensors")


def test_a_conditional_network_arrives_as_it_was_saved(two_in_a_file):
    made, path = two_in_a_file
    loaded, photo = load_conditional(path), noise(1, 3, 20, 24)
    assert set(loaded.styles) == {GLASS, WAVE}
    for style in (GLASS, {GLASS: 0.5, WAVE: 0.5}):
        assert torch.equal(loaded(photo, style), made(photo, style))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not loaded.training


def test_the_two_kinds_of_file_are_told_apart(two_in_a_file, tmp_path):
    _, path = two_in_a_file
    with pytest.raises(NetworkError, match=r"stained_glass, woodcut_wave.*load_conditional"):
        load_fast("two", weights=path)
    single = save_weights(FastNetwork(), tmp_path / "one.safetensors")
    with pytest.raises(NetworkError, match=r"no scales and shifts.*load_fast"):
        load_conditional(single)


def test_a_conditional_file_that_lacks_a_weight_is_refused(two_in_a_file, tmp_path):
    _, path = two_in_a_file
    state = load_file(path)
    del state[f"norms.{GLASS}.3.bias"]
    save_file(state, tmp_path / "bad.safetensors")
    with pytest.raises(NetworkError, match=rf"has no 'norms\.{GLASS}\.3\.bias'"):
        load_conditional(tmp_path / "bad.safetensors")


def test_the_bundled_conditional_network_is_what_its_card_says():
    path = WEIGHTS_FOLDER / f"{PREFIX}{CONDITIONAL}.safetensors"
    state, facts = load_file(path), card(CONDITIONAL)
    assert set(facts["styles"]) == set(load_conditional().styles)
    assert facts["parameters"] == sum(value.numel() for value in state.values())
    assert facts["bytes"] == path.stat().st_size
    assert {value.dtype for value in state.values()} == {torch.float16}
    assert CONDITIONAL not in fast_styles()
    assert not set(facts["held_out"]) & set(facts["photographs"])


def test_all_fast_networks_together_take_at_most_one_and_a_half_megabytes():
    files = WEIGHTS_FOLDER.glob(f"{PREFIX}*.safetensors")
    assert sum(path.stat().st_size for path in files) <= 1.5e6


def test_the_bundled_conditional_network_paints_in_the_style_it_is_given(petite):
    """In the Gram matrices of each style, the nearest image is the one painted in it."""
    network, photo = load_conditional(), load_image("chelsea", size=128)
    painted = {style: network(photo, style) for style in network.styles}
    for style in network.styles:
        goals = gram_of(petite(load_image(style, size=256), petite.style_layers))
        distance = {
            name: training_loss(image, image, petite, goals, strength=1.0).item()
            for name, image in {**painted, "photo": photo}.items()
        }
        assert min(distance, key=lambda name: distance[name]) == style
        assert distance[style] < 0.25 * distance["photo"]
