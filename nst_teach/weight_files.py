"""Weight files as people have them: how each format is read, and which input its weights expect.

Four kinds are supported: `.safetensors` and `.pth` with torchvision's names or the course's, Gatys'
`vgg_conv.pth`, the conversions of the Caffe models for neural-style-pt, and Keras' `.h5`. Code in
them is never run. `networks` puts the weights into a network; chapter 1 of the course explains the
conventions.
"""

from __future__ import annotations

import importlib
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from nst_teach.images import CONVENTIONS

KERAS_EXTENSIONS = (".h5", ".hdf5")
# `block1_conv1/block1_conv1_W_1:0` (2016), or `…/block1_conv1/kernel:0` at any depth (later).
KERAS_NAME = re.compile(r"(?:^|/)block(\d)_conv(\d)/(?:block\d_conv\d_([Wb])_1|(kernel|bias)):0$")
FIRST_LAYER = ("conv1_1.weight", "features.0.weight", "stack.0.weight")

# Limits against small files that would fill the memory as they are read.
MOST_KERAS_VALUES = 1 << 26  # in one layer; VGG-19's largest convolution has 2.4 million
TOLD = 200  # characters of a reader's own message that are repeated
UNPICKLERS_REASON = re.compile(r"WeightsUnpickler error: *(.+?)(?: Please use|$)", re.MULTILINE)
"""In torch's message about a file that would run code. The rest of it advises to run that code."""

# No statistic of the weights tells the conventions apart. Converting *one* network from Caffe's
# convention to torchvision's multiplies its first filters by 255 σ ≈ 58, but these are two
# networks, trained separately, and their first filters are about equally large (see below). Nor can
# their response to photographs decide, because scaling the input of a ReLU network with small
# biases only scales its features. So the published networks are recognised by their first filter,
# which survives another file name, format and precision. (`networks.measured_convention` recognises
# normalised networks, for which the right scale of the features is known.)
PUBLISHED_FILTERS = {
    "torchvision's VGG-16": ("torchvision", (-0.5537, 0.1427, 0.5290)),
    "torchvision's VGG-19": ("torchvision", (-0.0535, -0.0493, -0.0679)),
    "Caffe's VGG-16": ("caffe", (0.4295, 0.3735, -0.0614)),
    "Caffe's VGG-19": ("caffe", (0.3412, 0.3400, -0.0448)),
}
"""For each network, its convention and the first row of the first filter, in the first channel."""

# Unlike VGG's, its layers have these names in one place only: no conversion of Caffe's is known.
SQUEEZENET_LAYER = "features.3.squeeze.weight"

FILTER_TOLERANCE = 2e-3  # the rounding error of bfloat16 for a weight of 0.5

PUBLISHED_NAMES = {
    "vgg16-397923af": "torchvision",
    "vgg19-dcbb9e9d": "torchvision",
    "squeezenet1_1-b8a52dc0": "torchvision",
    "vgg_conv": "caffe",  # Gatys, github.com/leongatys/PytorchNeuralStyleTransfer
    "vgg16-00b39a1b": "caffe",  # Johnson's conversions, as used by neural-style-pt
    "vgg19-d01eb7cb": "caffe",
}
"""The convention of published files, by their names without the extension."""


class NetworkError(ValueError):
    """A network, layer or weight file that cannot be used; the message explains what to do."""


@dataclass(frozen=True)
class WeightFile:
    """The weights in a file, and what the file says about the input that they expect.

    Attributes:
        tensors: `{name: tensor}`; Keras' names and shapes are converted to the course's, which are
            `conv1_1.weight` and `(N, C, 3, 3)`.
        convention: a name for `preprocess`, or `None` if the file does not tell.
        reason: how the convention is known, for messages.
        normalised: `False` if the filters are known to have their original scale; otherwise `None`.
    """

    tensors: dict[str, Tensor]
    convention: str | None = None
    reason: str = ""
    normalised: bool | None = None


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the tensors of a weight file by name, as `open_weights` does, and with its errors."""
    return open_weights(path).tensors


def open_weights(path: str | os.PathLike[str]) -> WeightFile:
    """Read a weight file: `.safetensors`, Keras' `.h5`, or a `.pth` state dict.

    No code from the file is executed. Keras' files need the package h5py.

    Raises:
        NetworkError: the file is missing or corrupt, or contains anything but tensors; or h5py is
            missing.

    Chapter 1 explains the conventions.
    """
    path = _file(path)
    expected = ".safetensors or a .pth with a plain state dict"
    try:
        if path.suffix == ".safetensors":
            tensors, stated = _read_safetensors(path)
            return _with_convention(path, tensors, stated)
        if path.suffix in KERAS_EXTENSIONS:
            expected = "Keras' weights of a VGG"
            return WeightFile(_read_keras(path), "caffe", "it is a file of Keras")
        _must_not_grow(path)
        state: object = torch.load(path, map_location="cpu", weights_only=True)
    except NetworkError:
        raise
    except Exception as error:  # each reader raises its own kinds of errors
        raise NetworkError(
            f"'{path}' cannot be read as weights ({reason(error)}). Expected "
            f"{expected}; a download that broke off has to be fetched again."
        ) from error
    return _with_convention(path, plain_tensors(state, path))


def reason(error: BaseException) -> str:
    """The kind of an error and the first line of its message, without torch's unsafe advice."""
    found = UNPICKLERS_REASON.search(str(error))
    words = (found[1] if found else str(error)).strip().splitlines()
    return f"{type(error).__name__}: {words[0] if words else ''}"[:TOLD]


def _file(given: str | os.PathLike[str]) -> Path:
    """The path of a file that is there."""
    try:
        path = Path(given)
    except TypeError as error:
        raise NetworkError(
            f"weights={given!r:.80} was given; expected the name of a weight file."
        ) from error
    try:
        there = path.is_file()
    except OSError as error:  # such as a name that is too long
        raise NetworkError(f"cannot read '{path!s:.80}…': {error.strerror}.") from error
    if not there:
        kind = "it is a folder; name a file in it" if path.is_dir() else f"looked in {Path.cwd()}"
        raise NetworkError(f"there is no weight file '{path}' ({kind}).")
    return path


def _must_not_grow(path: Path) -> None:
    """Refuse a zip archive that unpacks to more than its own size, which torch never writes."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > path.stat().st_size:
        raise NetworkError(
            f"'{path}' is a compressed archive of {unpacked / 1e9:.3g} GB; expected a state dict "
            "as torch.save writes it, uncompressed. Unpack it, and name the file in it."
        )


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """The tensors, and the convention if `save_weights` recorded it."""
    import safetensors.torch

    opened: Any = cast(Any, safetensors).safe_open(path, framework="pt")
    with opened as file:
        metadata: dict[str, str] = file.metadata() or {}
    return safetensors.torch.load_file(path), metadata.get("convention")


def plain_tensors(state: object, path: Path) -> dict[str, Tensor]:
    """What torch has read from a file, if it is `{name: tensor}`; otherwise a `NetworkError`."""
    entries = cast(Mapping[object, object], state) if isinstance(state, Mapping) else {None: None}
    tensors = {str(name): value for name, value in entries.items() if isinstance(value, Tensor)}
    if len(tensors) < len(entries):
        raise NetworkError(f"'{path}' holds no state dict (names and tensors); save one in it.")
    for name, value in tensors.items():
        if value.is_meta or value.is_quantized or value.layout is not torch.strided:
            kind = "meta" if value.is_meta else "quantised" if value.is_quantized else "sparse"
            raise NetworkError(f"'{path}': '{name}' is a {kind} tensor; expected a plain one.")
    return tensors


def _read_keras(path: Path) -> dict[str, Tensor]:
    """The convolutions of one of Keras' VGGs; links to other files are not followed."""
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError as error:
        raise NetworkError(
            f"'{path}' is an HDF5 file, as Keras writes it, and the package that reads these is "
            "not installed: pip install h5py."
        ) from error
    tensors: dict[str, Tensor] = {}

    def visit(key: str, item: Any) -> None:
        found = KERAS_NAME.search(key)
        if found and isinstance(item, h5py.Dataset):
            block, index, old, new = found.groups()
            if item.size > MOST_KERAS_VALUES:
                raise NetworkError(
                    f"'{path}': '{key}' has the shape {item.shape}; no layer of a VGG is so large."
                )
            kind = "weight" if old == "W" or new == "kernel" else "bias"
            tensors[f"conv{block}_{index}.{kind}"] = _from_keras(path, key, np.asarray(item))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
        if not tensors:
            raise NetworkError(
                f"'{path}' holds no layer called block1_conv1, as Keras' VGGs do; it begins with "
                f"{', '.join(list(file)[:3]) or 'nothing'}."
            )
    return tensors


def _from_keras(path: Path, key: str, array: np.ndarray[Any, np.dtype[Any]]) -> Tensor:
    """TensorFlow's kernels `(3, 3, C, N)` as PyTorch's `(N, C, 3, 3)`; a bias is unchanged."""
    if array.ndim == 4:
        if array.shape[:2] != (3, 3):
            raise NetworkError(
                f"'{path}': '{key}' has the shape {array.shape}, expected (3, 3, channels, "
                "filters). Keras' files for Theano are stored otherwise: fetch the one whose name "
                "has 'tf_dim_ordering_tf_kernels'."
            )
        array = array.transpose(3, 2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")))


def _with_convention(
    path: Path, tensors: dict[str, Tensor], stated: str | None = None
) -> WeightFile:
    if stated in CONVENTIONS:
        return WeightFile(tensors, stated, "the file says so")
    first = next((tensors[key] for key in FIRST_LAYER if key in tensors), None)
    for title, (convention, row) in PUBLISHED_FILTERS.items():
        if first is not None and _begins_with(first, row):
            return WeightFile(tensors, convention, f"its first filter is that of {title}", False)
    if path.stem in PUBLISHED_NAMES:
        return WeightFile(tensors, PUBLISHED_NAMES[path.stem], "its name is that of such a file")
    if SQUEEZENET_LAYER in tensors:
        reason = "its layers are called as in torchvision's SqueezeNet"
        return WeightFile(tensors, "torchvision", reason)
    return WeightFile(tensors)


def _begins_with(weight: Tensor, row: tuple[float, ...]) -> bool:
    shape = tuple(weight.shape)
    if len(shape) != 4 or shape[1:] != (3, 3, 3) or not shape[0] or not weight.is_floating_point():
        return False
    difference = weight[0, 0, 0].float() - torch.tensor(row)
    return bool((difference.abs() < FILTER_TOLERANCE).all())
