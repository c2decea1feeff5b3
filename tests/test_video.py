"""Motion: whole-pixel shifts are exact, masks are known, and what only moves does not flicker."""

from __future__ import annotations

import pytest
import torch

from nst_teach import Losses, ShapeError, optimize
from nst_teach.video import (
    flicker,
    motion_boundary,
    nearest_only,
    steady,
    temporal_loss,
    visible,
    warp,
)

HEIGHT, WIDTH = 12, 16


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def image() -> torch.Tensor:
    return noise(1, 3, HEIGHT, WIDTH)


def constant(right: float, down: float) -> torch.Tensor:
    """A flow that is the same everywhere."""
    return torch.tensor([float(right), float(down)]).view(1, 2, 1, 1).repeat(1, 1, HEIGHT, WIDTH)


# --- warp ----------------------------------------------------------------------------------------


def test_no_motion_changes_nothing(image):
    torch.testing.assert_close(warp(image, constant(0, 0)), image)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (-3, 0), (0, 2), (0, -2), (2, -5)])
def test_whole_pixels_are_a_roll(image, right, down):
    """Away from the border that came in from outside."""
    expected = image.roll((-down, -right), dims=(2, 3))
    inner = (..., slice(5, HEIGHT - 5), slice(5, WIDTH - 5))
    torch.testing.assert_close(warp(image, constant(right, down))[inner], expected[inner])


def test_half_a_pixel_is_the_mean_of_two_neighbours(image):
    expected = (image[..., :-1] + image[..., 1:]) / 2
    torch.testing.assert_close(warp(image, constant(0.5, 0))[..., :-1], expected)


def test_a_ramp_is_fetched_from_anywhere():
    """Bilinear interpolation of a linear picture is exact: an oracle for any flow."""
    rows = torch.arange(float(HEIGHT)).view(1, 1, HEIGHT, 1).expand(1, 1, HEIGHT, WIDTH)
    columns = torch.arange(float(WIDTH)).view(1, 1, 1, WIDTH).expand(1, 1, HEIGHT, WIDTH)
    flow = 4 * noise(1, 2, HEIGHT, WIDTH) - 2
    expected = 3 * (columns + flow[:, :1]) + 5 * (rows + flow[:, 1:])
    inner = (..., slice(2, HEIGHT - 2), slice(2, WIDTH - 2))
    torch.testing.assert_close(warp(3 * columns + 5 * rows, flow)[inner], expected[inner])


def test_outside_the_border_goes_on(image):
    torch.testing.assert_close(
        warp(image, constant(2 * WIDTH, 0)), image[..., -1:].expand_as(image)
    )


@pytest.mark.parametrize("size", [(1, WIDTH), (HEIGHT, 1), (1, 1)], ids=str)
def test_a_picture_may_be_a_single_row_or_column(size):
    """There is no step from the first row to the last one, by which to divide."""
    line = noise(1, 3, *size)
    torch.testing.assert_close(warp(line, torch.zeros(1, 2, *size)), line)


def test_each_picture_of_a_batch_follows_its_own_flow():
    batch = noise(2, 3, HEIGHT, WIDTH)
    flows = torch.cat([constant(0, 0), constant(1, 0)])
    warped = warp(batch, flows)
    torch.testing.assert_close(warped[0], batch[0])
    torch.testing.assert_close(warped[1, ..., :-1], batch[1, ..., 1:])


@pytest.mark.parametrize("shape", [(1, 3, HEIGHT, WIDTH), (1, 2, HEIGHT, WIDTH - 1), (2, HEIGHT)])
def test_a_flow_that_does_not_fit_is_refused(image, shape):
    with pytest.raises(ShapeError, match=r"warp got .* expected \(B, C, H, W\) and \(B, 2, H, W\)"):
        warp(image, torch.zeros(shape))


# --- visible -------------------------------------------------------------------------------------


def test_after_a_pan_only_what_came_in_is_new():
    """The camera turned right by 3 pixels: the 3 columns on the right were not seen before."""
    mask = visible(constant(3, 0), constant(-3, 0))
    assert mask.shape == (1, 1, HEIGHT, WIDTH)
    assert mask[..., :-3].min() == 1
    assert mask[..., -3:].max() == 0


def test_what_a_moving_thing_uncovers_was_hidden():
    """A bar of 4 columns moves right by 3 in front of a still wall: it uncovers 3 columns."""
    left, width, way = 5, 4, 3
    back, forth = constant(0, 0), constant(0, 0)
    back[:, 0, :, left + way : left + way + width] = -way  # now → before
    forth[:, 0, :, left : left + width] = way  # before → now
    expected = torch.ones(1, 1, HEIGHT, WIDTH)
    expected[..., left : left + way] = 0
    assert torch.equal(visible(back, forth), expected)


def test_masks_of_a_batch_are_made_one_by_one():
    pans = [(constant(right, 0), constant(-right, 0)) for right in (1, 3)]
    there, back = (torch.cat(flows) for flows in zip(*pans, strict=True))
    assert torch.equal(visible(there, back), torch.cat([visible(*pan) for pan in pans]))


def test_flows_may_differ_by_what_rounding_does():
    """Half a pixel is less than the square root of the tolerance, a whole one is more."""
    assert visible(constant(0.5, 0), constant(0, 0))[..., :-1].min() == 1
    assert visible(constant(1.0, 0), constant(0, 0)).max() == 0


# --- boundaries of motion ------------------------------------------------------------------------


def test_the_outline_of_a_moving_thing_is_a_boundary():
    """The difference is taken to the right and below: the pixels before the change have it."""
    flow = constant(0, 0)
    flow[:, 1, 3:8, 5:9] = 4
    expected = torch.zeros(1, 1, HEIGHT, WIDTH)
    expected[..., 3:8, 4] = expected[..., 3:8, 8] = 1
    expected[..., 2, 5:9] = expected[..., 7, 5:9] = 1
    assert torch.equal(motion_boundary(flow), expected)


def test_even_motion_has_no_boundary():
    assert motion_boundary(constant(3, -7)).max() == 0


@pytest.mark.parametrize("speed", [0.0, 1.0, 10.0])
def test_a_boundary_begins_where_the_formula_says(speed):
    """A flow that rises by s to the right is one from s² = 0.01 |w|² + 0.002 on."""
    limit = (0.01 * speed**2 + 0.002) ** 0.5
    for slope, found in ((0.99 * limit, 0), (1.01 * limit, 1)):
        flow = constant(speed, 0)
        flow[:, 0, :, 8:] += slope
        assert motion_boundary(flow)[..., 7].unique().tolist() == [found]


# --- long-term consistency -----------------------------------------------------------------------


def mask_of(text: str) -> torch.Tensor:
    return torch.tensor([float(c) for c in text]).view(1, 1, 1, -1)


def test_each_pixel_belongs_to_the_nearest_frame_that_shows_it():
    """Shown by all three, by the last two, by the last alone, by the first alone, by none."""
    kept = nearest_only([mask_of("10010"), mask_of("11000"), mask_of("11100")])
    expected = [mask_of("10010"), mask_of("01000"), mask_of("00100")]
    assert all(torch.equal(a, b) for a, b in zip(kept, expected, strict=True))


def test_a_single_frame_keeps_its_mask():
    mask = mask_of("1010")
    (kept,) = nearest_only([mask])
    assert torch.equal(kept, mask)


def test_no_pixel_counts_twice():
    masks = [(noise(1, 1, HEIGHT, WIDTH, seed=seed) > 0.5).float() for seed in range(4)]
    total = torch.stack(nearest_only(masks)).sum(0)
    assert torch.equal(total, torch.stack(masks).amax(0))


# --- the temporal loss ---------------------------------------------------------------------------


def test_nothing_is_lost_where_a_picture_only_moved(image):
    flow, mask = constant(2, 1), torch.ones(1, 1, HEIGHT, WIDTH)
    moved = warp(image, flow)
    assert temporal_loss(moved, warp(image, flow), mask) == 0


def test_the_loss_is_the_mean_square_under_the_mask(image):
    """A difference of 0.5 in a quarter of the pixels: 0.25 · 0.25."""
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., : HEIGHT // 2, : WIDTH // 2] = 1
    assert temporal_loss(image, image + 0.5, mask).item() == pytest.approx(0.0625)


def test_the_gradient_is_zero_where_the_mask_is(image):
    mask = (noise(1, 1, HEIGHT, WIDTH, seed=1) > 0.5).float()
    expected = noise(1, 3, HEIGHT, WIDTH, seed=2)
    image.requires_grad_()
    temporal_loss(image, expected, mask).backward()
    closed_form = 2 * mask * (image.detach() - expected) / image.numel()
    torch.testing.assert_close(image.grad, closed_form)
    assert image.grad[(mask == 0).expand_as(image)].abs().max() == 0


def test_pictures_that_do_not_fit_are_refused(image):
    with pytest.raises(ShapeError, match="temporal_loss got"):
        temporal_loss(image, image[..., 1:], torch.ones(1, 1, HEIGHT, WIDTH))
    with pytest.raises(ShapeError, match="temporal_loss got"):
        temporal_loss(image, image, torch.ones(1, 1, 1, 1))


def towards(goal: torch.Tensor):
    """An objective of its own: ½ mean (x − goal)²."""

    def objective(image: torch.Tensor) -> Losses:
        distance = 0.5 * (image - goal).square().mean()
        return Losses(distance, {}, {}, distance.new_zeros(()))

    return objective


def test_steady_finds_the_minimum_between_two_wishes(image):
    """½(x − a)² + w(x − b)² is least at (a + 2wb) / (1 + 2w) where seen, and at a elsewhere."""
    goal, expected = (0.1 + 0.8 * noise(1, 3, HEIGHT, WIDTH, seed=seed) for seed in (3, 4))
    mask = (noise(1, 1, HEIGHT, WIDTH, seed=5) > 0.5).float()
    weight = 1.5
    result = optimize(steady(towards(goal), expected, mask, weight), image, steps=100).image
    closed_form = torch.where(mask > 0, (goal + 2 * weight * expected) / (1 + 2 * weight), goal)
    torch.testing.assert_close(result, closed_form, atol=2e-4, rtol=0)


def test_steady_reports_the_parts_of_the_objective_it_adds_to(image):
    objective = towards(image)
    plain = objective(image)
    losses = steady(objective, image + 0.1, torch.ones(1, 1, HEIGHT, WIDTH), 7.0)(image)
    assert losses.total.item() == pytest.approx(plain.total.item() + 0.07)
    assert losses.content == plain.content


# --- flicker -------------------------------------------------------------------------------------


def still(count: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    return [constant(0, 0)] * (count - 1), [torch.ones(1, 1, HEIGHT, WIDTH)] * (count - 1)


def test_a_still_clip_does_not_flicker(image):
    assert flicker([image] * 4, *still(4)).abs().max() < 1e-10


def test_a_pan_does_not_flicker(image):
    frames = [warp(image, constant(t, 0)) for t in range(4)]
    flows = [constant(1, 0)] * 3
    masks = [visible(constant(1, 0), constant(-1, 0))] * 3
    assert flicker(frames, flows, masks).max() < 1e-10
    assert flicker(frames, *still(4)).min() > 0.01, "the wrong flow was not noticed"


def test_light_that_goes_on_and_off_flickers_by_its_square(image):
    frames = [image, image + 0.2, image]
    assert flicker(frames, *still(3)).tolist() == pytest.approx([0.04, 0.04])


def test_flicker_is_a_mean_over_what_is_seen(image):
    """The same difference gives the same number, however much of the picture is seen."""
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., :3] = 1
    flows, _ = still(2)
    assert flicker([image, image + 0.2], flows, [mask]).item() == pytest.approx(0.04)
    assert flicker([image, image + 0.2], flows, [0 * mask]).item() == 0


def test_flows_and_masks_must_be_as_many_as_pairs(image):
    flows, masks = still(3)
    with pytest.raises(ShapeError, match="flicker got 3 frames, 2 flows and 1 masks"):
        flicker([image] * 3, flows, masks[:1])
