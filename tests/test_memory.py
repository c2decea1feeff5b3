"""A picture that cannot fit is refused before the work."""

from __future__ import annotations

import pytest
import torch

from nst_teach import FeatureNetwork, TransferError, load_network, memory, transfer
from nst_teach.machine import Memory
from nst_teach.networks import build_vgg

LAYERS = ("relu1_1", "relu2_2")


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    """Two blocks of random filters: 5 and 7 of them to a convolution's end."""
    torch.manual_seed(0)
    return build_vgg("tiny", ((4, 5), (6, 7)), "average")


@pytest.fixture
def free(monkeypatch):
    """Sets how many bytes are free, and takes pictures of 30 × 40 pixels for large ones."""

    def leave(count: float) -> None:
        state = Memory(total=10**12, available=int(count))
        monkeypatch.setattr(memory.machine, "memory", lambda: state)

    monkeypatch.setattr(memory, "LARGE", 30 * 40)
    return leave


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


def test_the_size_that_is_named_fits_and_a_larger_one_does_not(network, free):
    image = torch.rand(1, 3, 300, 400)
    needed = 300 * 400 * memory.kept_bytes(image[..., :128, :128], network, LAYERS)
    free(needed + 1)
    memory.check_memory(image, network, LAYERS)
    free(needed / 4 + 1)
    with pytest.raises(
        TransferError, match=r"400×300 pixels need at least .* with tiny.*size=200 "
    ):
        memory.check_memory(image, network, LAYERS)
    memory.check_memory(image[..., :150, :200], network, LAYERS)


def test_a_small_picture_is_not_looked_at(network, free):
    free(0)
    memory.check_memory(torch.rand(1, 3, 20, 30), network, LAYERS)


def test_exactly_enough_is_enough(network, free):
    """64 · 64 pixels: a power of two, so that no byte is lost by dividing and multiplying."""
    image = torch.rand(1, 3, 64, 64)
    needed = 64 * 64 * memory.kept_bytes(image, network, LAYERS)
    free(needed)
    memory.check_memory(image, network, LAYERS)
    free(needed - 1)
    with pytest.raises(TransferError):
        memory.check_memory(image, network, LAYERS)


def test_a_picture_on_another_device_is_not_looked_at(network, free):
    """The free memory of the machine says nothing about that of a GPU."""
    free(0)
    memory.check_memory(torch.empty(1, 3, 300, 400, device="meta"), network, LAYERS)


def test_transfer_asks_before_the_work(network, free):
    seen = []
    free(1e4)
    with pytest.raises(TransferError, match="GB of memory are free"):
        transfer(
            torch.rand(1, 3, 60, 80), "dots", network=network, size=None,
            content_layers="relu2_1", style_layers=LAYERS,
            callback=lambda record, image: seen.append(record),
        )  # fmt: skip
    assert seen == []
