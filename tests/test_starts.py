"""Where a walk begins."""

from __future__ import annotations

import pytest
import torch

from nst_teach import ImageError
from nst_teach.starts import STARTS, as_start, cover, make_start

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def picture(seed: int, size: tuple[int, int] = (24, 32)) -> torch.Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def content() -> torch.Tensor:
    return picture(1)


@pytest.fixture
def style() -> torch.Tensor:
    return picture(2, (40, 40))


def test_the_content_start_is_the_content(content, style):
    made = make_start("content", content, style, seed=0)
    assert torch.equal(made, content)
    assert made.data_ptr() != content.data_ptr()


def test_the_grey_start_is_half_way_between_black_and_white(content, style):
    assert torch.equal(make_start("grey", content, style, seed=0), torch.full_like(content, 0.5))


def test_the_noise_start_is_white_noise_over_the_whole_range(style):
    """Uniform in [0, 1]: mean 1/2, variance 1/12, and neighbours that have nothing in common."""
    noise = make_start("noise", torch.zeros(1, 3, 64, 64), style, seed=0)
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert noise.mean().item() == pytest.approx(1 / 2, abs=0.01)
    assert noise.var().item() == pytest.approx(1 / 12, abs=0.005)
    neighbours = torch.stack([noise[..., 1:].flatten(), noise[..., :-1].flatten()])
    assert abs(torch.corrcoef(neighbours)[0, 1]) < 0.05


def test_the_noise_start_follows_the_seed(content, style):
    first, same, other = (make_start("noise", content, style, seed) for seed in (7, 7, 8))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("size", [(24, 32), (32, 24), (40, 40), (64, 20), (5, 7)], ids=str)
def test_the_style_start_covers_the_result(size):
    """Scaled until no edge is left bare, aspect kept, and the middle cut out."""
    ramp = torch.linspace(0, 1, 40).expand(1, 3, 40, 40)
    covered = cover(ramp, size)
    assert covered.shape[-2:] == size
    rise = (size[1] - 1) / max(size)  # from the first column's middle to the last one's
    assert (covered[..., -1] - covered[..., 0]).mean().item() == pytest.approx(rise, abs=0.04)
    assert covered.mean().item() == pytest.approx(0.5, abs=0.02)
    on_its_side = cover(ramp.mT, size[::-1])
    torch.testing.assert_close(on_its_side.mT, covered)


def test_a_style_of_the_results_own_size_is_the_style_start():
    style = picture(2)
    assert torch.equal(make_start("style", picture(1), style, seed=0), style)


def test_a_picture_of_the_right_size_is_the_start_to_the_last_bit(content, style):
    begin = picture(3)
    made = make_start(begin, content, style)
    assert torch.equal(made, begin)
    assert made.data_ptr() != begin.data_ptr()


def test_whole_numbers_of_the_right_size_are_levels_of_255(content, style):
    """They are read as `load_image` reads them, whatever their size."""
    levels = (content * 255).round().byte()
    torch.testing.assert_close(make_start(levels, content, style), levels / 255)


def test_a_picture_of_another_size_is_scaled(content, style):
    assert make_start(picture(3, (50, 50)), content, style).shape == content.shape


def test_a_start_that_is_no_name_and_no_file_is_refused_with_the_starts_there_are(content, style):
    with pytest.raises(ImageError, match="nois") as error:
        make_start("nois", content, style)
    assert all(name in str(error.value) for name in STARTS)


@pytest.mark.parametrize("value", [-0.5, 1.5, float("nan"), float("inf")])
def test_a_start_out_of_range_is_refused(value, content, style):
    """As one that went through preprocess."""
    wrong = content.clone()
    wrong[0, 0, 0, 0] = value
    with pytest.raises(ImageError, match=r"expected \[0, 1\]"):
        as_start(wrong)
    with pytest.raises(ImageError, match=r"expected \[0, 1\]"):
        make_start(wrong, content, style)


def test_rounding_does_not_count_as_out_of_range():
    assert as_start(torch.tensor([1 + 1e-6, -1e-6])).tolist() == [1.0, 0.0]


@needs_cuda
def test_noise_is_the_same_on_every_device(content, style):
    here = make_start("noise", content, style, seed=4)
    there = make_start("noise", content.cuda(), style.cuda(), seed=4)
    assert torch.equal(there.cpu(), here)
