"""Estimated motion: against shifts and occlusions that are known."""

from __future__ import annotations

from urllib.error import URLError

import pytest
import torch

from nst_teach import NetworkError, ShapeError, load_image, motion
from nst_teach.motion import estimate_flow, estimate_motion
from nst_teach.video import motion_boundary, warp

HEIGHT, WIDTH = 48, 64
MARGIN = 8  # pixels at the border, some of which come from outside


@pytest.fixture(scope="module")
def cat() -> torch.Tensor:
    return load_image("chelsea", size=256)


def view(picture: torch.Tensor, right: int, down: int) -> torch.Tensor:
    """What a camera sees that has moved by so many pixels."""
    return picture[..., 60 + down : 60 + down + HEIGHT, 90 + right : 90 + right + WIDTH]


def constant(right: float, down: float) -> torch.Tensor:
    return torch.tensor([float(right), float(down)]).view(1, 2, 1, 1).repeat(1, 1, HEIGHT, WIDTH)


def end_point_error(flow: torch.Tensor, truth: torch.Tensor, where: torch.Tensor) -> float:
    """The mean distance of the places that two flows point to, in pixels."""
    return (flow - truth).square().sum(1, keepdim=True).sqrt()[where].mean().item()


def inside() -> torch.Tensor:
    mask = torch.zeros(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    mask[..., MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    return mask


# --- a camera that moves -------------------------------------------------------------------------


@pytest.mark.parametrize(("right", "down"), [(0, 0), (2, 0), (-3, 1), (0, -3), (5, -2)])
def test_whole_pixels_are_found(cat, right, down):
    """To a twentieth of a pixel; what the camera passes moves the other way."""
    flow = estimate_flow(view(cat, 0, 0), view(cat, right, down))
    assert flow.shape == (1, 2, HEIGHT, WIDTH)
    assert end_point_error(flow, constant(-right, -down), inside()) < 0.05


def test_the_flow_is_what_warp_takes(cat):
    """Warped along the flow, the other picture is this one: sign and order of channels."""
    image, other = view(cat, 0, 0), view(cat, 3, 1)
    flow = estimate_flow(image, other)
    before = (other - image)[inside().expand_as(image)].abs().mean()
    after = (warp(other, flow) - image)[inside().expand_as(image)].abs().mean()
    assert after < 0.05 * before
    wrong = (warp(other, -flow) - image)[inside().expand_as(image)].abs().mean()
    assert wrong > before, "the test would not have noticed the wrong sign"


def test_motion_has_both_directions(cat):
    earlier, frame = view(cat, 0, 0), view(cat, 3, 1)
    found = estimate_motion(earlier, frame)
    assert end_point_error(found.back, constant(3, 1), inside()) < 0.05
    assert end_point_error(found.forth, constant(-3, -1), inside()) < 0.05


def test_after_a_pan_what_came_in_is_new(cat):
    """The camera went right by 5: 5 columns on the right have no counterpart."""
    mask = estimate_motion(view(cat, 0, 0), view(cat, 5, 0)).visible
    assert mask[..., :-6].mean() > 0.97
    assert mask[..., -4:].mean() < 0.1


# --- a thing that moves --------------------------------------------------------------------------


def scene(left: int) -> torch.Tensor:
    """A piece of the cat, 28 pixels high and 24 wide, in front of a cup of coffee."""
    wall = load_image("coffee", size=256)[..., 40 : 40 + HEIGHT, 60 : 60 + WIDTH].clone()
    wall[..., 10:38, left : left + 24] = load_image("chelsea", size=128)[..., 30:58, 40:64]
    return wall


@pytest.fixture(scope="module")
def uncovered():
    """The thing moves right by 5: its motion, estimated and true, and what it uncovers."""
    step, left = 5, 12
    truth, hidden = torch.zeros(1, 2, HEIGHT, WIDTH), torch.zeros(1, 1, HEIGHT, WIDTH)
    truth[:, 0, 10:38, left + step : left + step + 24] = -step
    hidden[..., 10:38, left : left + step] = 1
    found = estimate_motion(scene(left), scene(left + step), boundaries=True)
    return found, truth, hidden == 1


def scores(mask: torch.Tensor, hidden: torch.Tensor) -> tuple[float, float]:
    """Recall and precision of what a mask excludes."""
    excluded = mask == 0
    hits = (excluded & hidden).sum()
    return (hits / hidden.sum()).item(), (hits / excluded.sum()).item()


def test_the_motion_of_a_thing_is_found_to_half_a_pixel(uncovered):
    """Less well than that of a camera: a variational flow is smooth across the outline."""
    found, truth, hidden = uncovered
    assert end_point_error(found.back, truth, ~hidden) < 0.5
    assert end_point_error(0 * found.back, truth, ~hidden) > 0.9


def test_most_of_what_was_hidden_is_found(uncovered):
    """At random, precision would be the share of the hidden pixels, less than a twentieth."""
    found, _, hidden = uncovered
    recall, precision = scores(found.visible, hidden)
    assert recall > 0.8
    assert precision > 0.3
    assert hidden.float().mean() < 0.05


def test_the_boundary_test_finds_more_and_excludes_more(uncovered):
    found, _, hidden = uncovered
    recall, precision = scores(found.mask, hidden)
    recall_before, precision_before = scores(found.visible, hidden)
    assert recall > recall_before
    assert precision < 0.5 * precision_before
    assert torch.equal(found.mask, found.visible * (1 - motion_boundary(found.back)))


def test_boundaries_are_left_out_unless_asked_for():
    found = estimate_motion(scene(12), scene(17))
    assert torch.equal(found.mask, found.visible)


# --- RAFT ----------------------------------------------------------------------------------------


@pytest.fixture
def fresh_raft():
    """No network from an earlier test."""
    motion._raft_network.cache_clear()
    yield
    motion._raft_network.cache_clear()


@pytest.mark.usefixtures("fresh_raft")
def test_raft_that_cannot_be_fetched_says_where_it_would_go(cat, monkeypatch):
    def refuse(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with pytest.raises(NetworkError, match=r"raft_small .*\n.*Fetch .*\n.*into .*\n.*'tvl1'"):
        estimate_flow(view(cat, 0, 0), view(cat, 1, 0), method="raft")


@pytest.mark.usefixtures("fresh_raft")
def test_torchvisions_raft_runs_as_it_is_called(cat, monkeypatch):
    """Its own code with untrained weights, which need no download."""
    from torchvision.models import optical_flow

    state = optical_flow.raft_small(weights=None).state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: state)
    flow = estimate_flow(view(cat, 0, 0), view(cat, 1, 0), method="raft")
    assert flow.shape == (1, 2, HEIGHT, WIDTH)
    assert flow.isfinite().all()


@pytest.mark.parametrize(("height", "width"), [(48, 64), (130, 200)])
def test_raft_gets_sides_that_it_takes_and_gives_pixels_of_ours(monkeypatch, height, width):
    """A stand-in that always answers (8, 4) at its own size: the units are converted."""
    seen = []

    def network(image, other, num_flow_updates):
        seen.append((image.shape[-2:], image.min().item(), image.max().item()))
        return [torch.tensor([8.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, *image.shape[-2:])]

    monkeypatch.setattr(motion, "_raft_network", lambda device: network)
    image = load_image("chelsea", size=(height, width))
    flow = estimate_flow(image, image, method="raft")
    ((rows, columns), low, high) = seen[0]
    assert rows % 8 == columns % 8 == 0
    assert min(rows, columns) >= 128
    assert -1 <= low < -0.5
    assert 0.5 < high <= 1
    expected = torch.tensor([8 * width / columns, 4 * height / rows]).view(1, 2, 1, 1)
    torch.testing.assert_close(flow, expected.expand(1, 2, height, width))


# --- what is refused -----------------------------------------------------------------------------


def test_an_unknown_method_is_refused(cat):
    with pytest.raises(ValueError, match="method='farneback' was given; expected one of tvl1"):
        estimate_flow(view(cat, 0, 0), view(cat, 1, 0), method="farneback")


@pytest.mark.parametrize("shape", [(1, 3, HEIGHT, WIDTH - 1), (1, 1, HEIGHT, WIDTH), (3, 8, 8)])
def test_images_that_do_not_fit_are_refused(cat, shape):
    with pytest.raises(ShapeError, match="estimate_flow got"):
        estimate_flow(view(cat, 0, 0), torch.zeros(shape))
