"""A picture that cannot fit is refused before the work."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import pytest
import torch

from nst_teach import (
    FeatureNetwork,
    TransferError,
    estimates,
    facade,
    load_network,
    machine,
    memory,
    transfer,
)
from nst_teach.calibration import Work
from nst_teach.clips import Clip
from nst_teach.estimates import MOST_BYTES, RESERVE, bytes_needed, check_memory
from nst_teach.film import paint_clip
from nst_teach.machine import Memory
from nst_teach.networks import VGG19_PLAN, build_vgg

LAYERS = ("relu1_1", "relu2_2")


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    """Two blocks of random filters: 5 and 7 of them to a convolution's end."""
    torch.manual_seed(0)
    return build_vgg("tiny", ((4, 5), (6, 7)), "average")


@pytest.fixture
def free(monkeypatch):
    """Sets how many bytes are free, beyond the reserve."""

    def leave(count: float) -> None:
        state = Memory(total=10**12, available=int(count) + RESERVE)
        monkeypatch.setattr(machine, "memory", lambda: state)

    return leave


@pytest.fixture
def work(network) -> Work:
    return Work(network, LAYERS, LAYERS)


def test_bytes_a_pixel_are_those_of_the_features_that_the_way_back_needs(network):
    """Counted by hand, 4 bytes each. At full size: the standardised picture of 3 channels, which
    the first convolution keeps, then what the two ReLUs return, 4 and 5; at a quarter of the
    positions: what the pooling returns, 5, and the ReLUs, 6 and 7. Once for the whole picture: the
    3 numbers by which its channels were divided."""
    image = torch.rand(1, 3, 64, 64)
    by_hand = 4 * (3 + 4 + 5 + (5 + 6 + 7) / 4 + 3 / (64 * 64))
    assert memory.kept_bytes(image, network, LAYERS) == pytest.approx(by_hand)


@pytest.mark.parametrize("side", [48, 96])
def test_a_small_piece_tells_of_the_whole(side):
    network = load_network("petite")
    piece, whole = (torch.rand(1, 3, s, s) for s in (side, 160))
    layers = network.style_layers
    expected = memory.kept_bytes(whole, network, layers)
    assert memory.kept_bytes(piece, network, layers) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    ("error", "lacking"),
    [
        (torch.OutOfMemoryError(), True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (RuntimeError("Out of memory"), True),  # as a sentence of its own
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] posix_memalign"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (KeyError("memory"), False),
    ],
    ids=repr,
)
def test_a_lack_of_memory_shows_in_the_type_or_the_words(error, lacking):
    assert memory.lacks_memory(error) == lacking


RUN = {"optimizer": "adam", "steps": 5}


def named_sizes(error: pytest.ExceptionInfo) -> list[int]:
    return [int(size) for size in re.findall(r"size=(\d+)", str(error.value))]


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_the_size_that_is_named_fits_and_a_larger_one_does_not(work, free, share):
    left = share * bytes_needed(work, (300, 400), **RUN)
    free(left)
    with pytest.raises(TransferError, match=r"400×300 pixels need about .* with tiny") as error:
        check_memory(work, (300, 400), **RUN)
    side = named_sizes(error)[0]
    check_memory(work, (round(0.75 * side), side), **RUN)
    larger = side + 2
    with pytest.raises(TransferError):
        check_memory(work, (round(0.75 * larger), larger), **RUN)


def test_tiles_are_offered_where_they_fit_more(work, free):
    free(0.5 * bytes_needed(work, (2000, 2000), **RUN))
    with pytest.raises(TransferError, match=r"memory='low' with size=") as error:
        check_memory(work, (2000, 2000), **RUN)
    whole, tiled = named_sizes(error)
    assert whole < tiled
    check_memory(replace(work, memory="low"), (tiled, tiled), **RUN)


def test_tiles_are_not_offered_to_several_styles(work, free):
    free(0.5 * bytes_needed(work, (2000, 2000), **RUN))
    with pytest.raises(TransferError) as error:
        check_memory(replace(work, masks=(True,)), (2000, 2000), **RUN)
    assert "memory='low'" not in str(error.value)


def test_where_nothing_fits_no_size_is_named(work, free):
    free(1000)
    with pytest.raises(TransferError, match="Close other programs, or a smaller network"):
        check_memory(work, (300, 400), **RUN)


def test_exactly_enough_is_enough(work, free):
    needed = bytes_needed(work, (64, 64), **RUN)
    free(needed)
    check_memory(work, (64, 64), **RUN)
    free(needed - 1)
    with pytest.raises(TransferError):
        check_memory(work, (64, 64), **RUN)


def test_what_counting_itself_takes_is_not_counted_as_free(work, monkeypatch):
    """It loads libraries; on a small machine, what was free before is not free after it."""
    needed = bytes_needed(work, (300, 400), **RUN)
    states = iter([Memory(10**12, needed + RESERVE), Memory(10**12, needed + RESERVE - 1)])
    monkeypatch.setattr(machine, "memory", lambda: next(states))
    with pytest.raises(TransferError):
        check_memory(work, (300, 400), **RUN)


def test_where_memory_is_plenty_nothing_is_counted(work, free, monkeypatch):
    free(64 * 64 * MOST_BYTES)
    monkeypatch.setattr(estimates, "calibration", None)
    check_memory(work, (64, 64), **RUN)
    with pytest.raises(TypeError):
        check_memory(work, (64, 65), **RUN)


def test_what_the_usual_networks_need_is_below_the_bound():
    """Otherwise, a run that does not fit would not be looked at."""
    network = build_vgg("vgg19", VGG19_PLAN, "max")
    work = Work(network, network.content_layers, network.style_layers)
    needed = bytes_needed(work, (1000, 1000), optimizer="lbfgs", steps=100)
    assert 1000 * 1000 * 2000 < needed < 1000 * 1000 * MOST_BYTES


def test_a_picture_on_another_device_is_not_looked_at(work, free):
    """The free memory of the machine says nothing about that of a GPU."""
    free(0)
    elsewhere = copy.deepcopy(work.network).to("meta")
    check_memory(replace(work, network=elsewhere), (300, 400), **RUN)


@pytest.mark.parametrize("given", [{}, {"memory": "low"}, {"steps": 0}], ids=str)
def test_transfer_asks_before_the_work(network, free, monkeypatch, given):
    free(1e4)
    monkeypatch.setattr(facade, "StyleObjective", None)  # not even the targets are computed
    with pytest.raises(TransferError, match="of memory are free"):
        transfer(
            torch.rand(1, 3, 60, 80), "dots", network=network, size=None,
            content_layers="relu2_1", style_layers=LAYERS, **given,
        )  # fmt: skip


def test_a_film_asks_before_the_work(network, free):
    free(1e4)
    frames = Clip([torch.rand(1, 3, 60, 80)], 5)
    with pytest.raises(TransferError, match="of memory are free"):
        list(
            paint_clip(
                frames, "dots", network=network, content_layers="relu2_1", style_layers=LAYERS
            )
        )
