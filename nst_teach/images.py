"""Pictures in, tensors out, and back: everything about pixels.

Inside the package an image is always a float32 tensor of shape (1, 3, H, W), RGB, with values in
[0, 1]. Each network expects its input in some other *convention*, which `preprocess` applies just
before the first layer and `deprocess` inverts. Chapter 1 of the course derives all of it.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
from collections.abc import Generator
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms, UnidentifiedImageError
from torch import Tensor

from nst_teach import arguments, machine, samples

WHITE = (255, 255, 255)
CHANNELS = (1, 3, 4)  # grey, RGB, RGB with transparency
PIXEL_BYTES = 40  # for loading a picture: 4 in Pillow, 12 as floats, and copies of both
JPEG_QUALITY = 95
LARGE = 16_000_000  # pixels; for larger pictures the free memory is checked first
ORIENTATION = 0x0112  # EXIF 2.32: the tag that says how a viewer has to turn the picture
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Files often taken for pictures: how they begin, what they are, what helps.
MISTAKEN = (
    (rb"\Z", "it is empty (0 bytes). Download or copy it again."),
    (rb"\0+\Z", "it begins with zeros only. Download or copy it again."),
    (rb"....ftyp(m[is]f1.{4,40})?he[iv]", "it is HEIC, a format of telephones. Export it as JPEG."),
    (rb"\s*<(!doctype html|html|head)", "it is a web page. Download the picture that it shows."),
    (rb"\s*<(\?xml|svg)", "it is SVG or other XML, without pixels. Export it as PNG."),
    (rb"%PDF", "it is a PDF document. Export the page as PNG."),
    (rb"version https://git-lfs", "it is a pointer of Git LFS. Run 'git lfs pull'."),
)
LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in the luma of Rec. ITU-R BT.601, as in Pillow's greyscale."""


@dataclass(frozen=True)
class Convention:
    """How a network expects its input: `(image * scale - mean) / std` for RGB in [0, 1].

    With `bgr`, the channels are reversed first. `mean` and `std` are in the network's order.
    """

    scale: float
    bgr: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


CONVENTIONS = {
    # torchvision's ImageNet weights: RGB in [0, 1], standardised.
    "torchvision": Convention(1.0, False, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # Caffe, Keras' vgg16.preprocess_input, Gatys et al.: BGR in 0..255, mean subtracted.
    "caffe": Convention(255.0, True, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "raw": Convention(1.0, False, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}

ImageSource = str | os.PathLike[str] | Image.Image | npt.NDArray[Any] | Tensor
Size = int | tuple[int, int]


class ImageError(ValueError):
    """A picture that cannot be used; the message states what was given and what was expected."""


def load_image(
    source: ImageSource, *, size: Size | None = None, device: torch.device | str | None = None
) -> Tensor:
    """Load a picture as a `(1, 3, H, W)` float32 tensor, RGB in [0, 1].

    Args:
        source: a path, a PIL image, an array or tensor (`(H, W)`, `(H, W, 1|3|4)`; uint8 in 0..255,
            uint16 in 0..65535 or float in [0, 1]), a tensor `(1, 3, H, W)` or `(3, H, W)`, or the
            name of a sample (`nst_teach.samples.names()`).
        size: the longer side in pixels (the aspect ratio is kept), or `(H, W)`; `None` keeps the
            size. Resampling is Lanczos, or bicubic for floating-point pixels, which are not rounded
            to 8 bits.
        device: where to put the tensor; `None` means the CPU.

    EXIF rotation is applied, and transparent pixels are blended with white. Greyscale, palette,
    CMYK, LAB and 16-bit pictures are converted to RGB, other colour profiles to sRGB. Broken EXIF
    data and broken profiles are ignored. Of an animation, the first frame is loaded.

    Raises:
        ImageError: the file is missing or broken, the name is unknown, the array has an unsupported
            shape, type or range, or there is too little memory.

    Explained in chapter 1 (images as tensors).
    """
    opened = _open(source)
    if isinstance(opened, Image.Image):
        image = _from_picture(opened, size, _name(source))
    else:
        image = opened if size is None else resize(opened, size)
    device = "cpu" if device is None else device
    with device_advice(device, ImageError):
        return image.to(device)


@contextlib.contextmanager
def device_advice(device: torch.device | str, error: type[ValueError]) -> Generator[None]:
    """Convert torch's exceptions for an unusable device into `error`, which names others."""
    known = isinstance(cast(object, device), (str, int, torch.device))
    if not known or isinstance(cast(object, device), bool):
        raise error(
            f"device={arguments.shown(device)} was given; expected 'cpu', or 'cuda' or 'mps' where "
            "torch finds one."
        )
    try:
        yield
    except (RuntimeError, AssertionError, ValueError) as reason:  # it depends on torch's build
        raise error(
            f"the device '{device!s:.40}' cannot be used ({str(reason).splitlines()[0]}). Choose "
            "'cpu', or 'cuda' or 'mps' where torch finds one."
        ) from reason


def to_pil(image: Tensor) -> Image.Image:
    """Turn a `(1, 3, H, W)` or `(3, H, W)` tensor, RGB in [0, 1], into an 8-bit PIL image.

    Values outside [0, 1] are clipped, the others rounded to the nearest of 256 levels.

    Raises:
        ImageError: not a tensor, another shape or type, no pixels, or a NaN or an infinity.
    """
    if not isinstance(cast(object, image), Tensor):
        raise ImageError(f"to_pil got {image!r:.60}; expected a tensor, such as load_image gives.")
    must_hold_values(image, "to_pil")
    if image.ndim == 4 and image.shape[0] == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] != 3:
        raise ImageError(
            f"to_pil got a tensor of shape {tuple(image.shape)}; expected (1, 3, H, W) or "
            "(3, H, W). Pick one picture of a batch with image[i]."
        )
    if image.numel() == 0 or not (image.is_floating_point() or image.dtype == torch.bool):
        raise ImageError(
            f"to_pil got a tensor of shape {tuple(image.shape)} and type {image.dtype}; expected "
            "pixels in floating point, in [0, 1]. Divide 0..255 by 255."
        )
    image = image.detach().float().cpu()
    if not torch.isfinite(image).all():
        bad = int((~torch.isfinite(image)).sum())
        raise ImageError(f"to_pil got {bad} values that are NaN or infinite; expected [0, 1].")
    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels, "RGB")


def save_image(image: Tensor, path: str | os.PathLike[str]) -> Path:
    """Save an image as a file, in the format given by the file extension; returns the path.

    Raises:
        ImageError: not an image (see `to_pil`), an unknown file extension, or a folder without
            write permission.
    """
    picture, path = to_pil(image), Path(path)
    try:
        if not path.suffix:  # older Pillows write whatever was last written without one
            raise ValueError("no file extension")
        path.parent.mkdir(parents=True, exist_ok=True)
        options = {"quality": JPEG_QUALITY} if path.suffix.lower() in (".jpg", ".jpeg") else {}
        picture.save(path, None, **options)
    except (ValueError, KeyError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the system's; Pillow's have no number
            raise ImageError(f"cannot write {path}: {error}. Choose another folder.") from error
        raise ImageError(
            f"cannot save as '{path.name}': '{path.suffix}' is no format that can be written, or "
            f"not with {picture.width}×{picture.height} pixels ({error}). Use .png (lossless) or "
            ".jpg (smaller)."
        ) from error
    return path


def preprocess(image: Tensor, convention: str) -> Tensor:
    """Convert RGB in [0, 1] to the input that networks of this convention expect.

    Args:
        image: `(B, 3, H, W)`, RGB in [0, 1].
        convention: `"torchvision"` (standardised RGB), `"caffe"` (BGR, 0..255, mean subtracted:
            Keras' `vgg16.preprocess_input`) or `"raw"` (unchanged).

    Raises:
        ImageError: an unknown convention, or a tensor that does not have three channels.

    `deprocess` is the exact inverse. Explained in chapter 1.
    """
    rule = _convention(convention, image)
    x = image.flip(1) if rule.bgr else image
    return (x * rule.scale - _channels(rule.mean, x)) / _channels(rule.std, x)


def deprocess(x: Tensor, convention: str) -> Tensor:
    """Invert `preprocess`: from a network's convention back to RGB in [0, 1] (not clipped).

    Shapes, conventions and errors are those of `preprocess`.
    """
    rule = _convention(convention, x)
    image = (x * _channels(rule.std, x) + _channels(rule.mean, x)) / rule.scale
    return image.flip(1) if rule.bgr else image


def resize(image: Tensor, size: Size) -> Tensor:
    """Resize `(B, 3, H, W)` to `(H, W)`, or to a longer side in pixels, with anti-aliasing.

    The result is clipped to [0, 1], because bicubic interpolation overshoots at edges.

    Raises:
        ImageError: no such tensor, or an unusable size.
    """
    check_image(image, "resize")
    height, width = image.shape[-2:]
    new_width, new_height = _target_size((width, height), size)
    if (new_height, new_width) == (height, width):
        return image
    _must_fit(new_height, new_width)
    resized = F.interpolate(image, (new_height, new_width), mode="bicubic", antialias=True)
    return resized.clamp(0, 1)


def _name(source: object) -> str:
    """What messages call a picture: the name of its file, where there is one."""
    if not isinstance(source, (str, os.PathLike)):
        source = getattr(source, "filename", "")  # of what Image.open() gave
    return f"'{os.fsdecode(cast(str, source)):.200}'" if source else "the picture"


def _from_picture(picture: Image.Image, size: Size | None, name: str) -> Tensor:
    width, height = picture.size if size is None else _target_size(picture.size, size)
    _must_fit(height, width)
    with _readable(name):
        picture = _to_rgb(picture, name)
    if size is not None:  # again: EXIF may have turned it
        picture = picture.resize(_target_size(picture.size, size), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(picture, dtype=np.float32) / 255)  # (H, W, 3)
    return pixels.permute(2, 0, 1)[None].contiguous()


def _must_fit(height: int, width: int, name: str = "a picture", remedy: str = "") -> None:
    """Refuse a size for which the operating system would kill this process without an error."""
    needed = height * width * PIXEL_BYTES
    if height * width >= LARGE and needed > (free := machine.memory().free):
        side = math.floor(max(height, width) * math.sqrt(free / needed))
        raise ImageError(
            f"{name} of {width}×{height} pixels needs about {needed / 1e9:.3g} GB of memory; "
            f"only {free / 1e9:.3g} GB are free. {remedy or f'It can be loaded with size={side}.'}"
        )


def _open(source: ImageSource) -> Image.Image | Tensor:
    """The picture that `source` refers to; floating-point pixels as `(1, 3, H, W)`."""
    if isinstance(source, Image.Image):
        with _readable(_name(source)):
            source.load()  # Pillow defers reading the pixels
        return source
    if isinstance(source, Tensor):
        return _from_tensor(source)
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, str) and source in samples.names():
        return samples.open_sample(source)
    if not isinstance(cast(object, source), (str, os.PathLike)):
        raise ImageError(
            f"load_image got {source!r:.60}; expected a path, the name of a sample, a PIL image, "
            "an array or a tensor."
        )
    return _from_file(os.fsdecode(source))


def _from_file(name: str) -> Image.Image:
    path = Path(name)
    _must_be_a_file(path, name)
    with _readable(f"'{path}'"), _opened(path) as picture:
        _must_fit(
            picture.height, picture.width, f"'{path}'", "Make a smaller copy with another program."
        )
        picture.load()
        return picture


def _must_be_a_file(path: Path, name: str) -> None:
    """Refuse what cannot be opened, and what would never end: a pipe waits for its writer."""
    if not name:
        raise ImageError("load_image got an empty name; expected the path of a picture.")
    if not _exists(path) and re.match(r"(?i)[a-z][a-z0-9+.-]+://|data:", name):
        raise ImageError(
            f"'{name:.200}' is an address, and load_image uses no network. Download the picture "
            "first, then give the path of the file."
        )
    if not _exists(path):
        raise ImageError(
            f"there is no file '{name:.200}' (looked in {Path.cwd()}), and no sample of that "
            f"name. Samples are: {', '.join(samples.names())}."
        )
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe, a socket or a device"
        raise ImageError(f"'{path}' is {kind}; expected a picture. Give the path of its file.")


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except UnidentifiedImageError as error:
        with path.open("rb") as file:
            start = file.read(512)
        for pattern, finding in MISTAKEN:
            if re.match(pattern, start, re.IGNORECASE | re.DOTALL):
                raise ImageError(f"'{path}' cannot be read as a picture: {finding}") from error
        raise


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # not a valid file name: too long, or with a null byte
        return False


@contextlib.contextmanager
def _readable(name: str) -> Generator[None]:
    """Convert the many errors of broken files into one that explains what to do."""
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{name} is refused ({error}). If it is a picture of your own, make a smaller copy "
            "with another program."
        ) from error
    except PermissionError as error:
        raise ImageError(
            f"{name} cannot be read ({error.strerror}). Change its permissions, or copy it."
        ) from error
    except Exception as error:  # Pillow's readers raise many kinds
        raise ImageError(
            f"{name} cannot be read as a picture ({error}). Expected a complete JPEG, PNG, "
            "WebP or TIFF: open it in a viewer and save it again."
        ) from error


def _from_tensor(tensor: Tensor) -> Image.Image | Tensor:
    must_hold_values(tensor, "load_image")
    given = f"a tensor of shape {tuple(tensor.shape)} and type {tensor.dtype}"
    tensor = _channels_last(tensor, given)
    if tensor.is_floating_point():
        tensor = tensor.float()  # NumPy has no bfloat16
    return _from_array(tensor.detach().cpu().resolve_conj().resolve_neg().numpy())


def must_hold_values(tensor: Tensor, function: str) -> None:
    """Raise an `ImageError` for a tensor whose values cannot be read, such as a sparse one."""
    if tensor.is_nested:  # it has no shape
        raise ImageError(f"{function} got a nested tensor; expected one picture. Pick its item i.")
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        raise ImageError(
            f"{function} got a tensor of shape {tuple(tensor.shape)} and type {tensor.dtype}, "
            f"{tensor.layout} on '{tensor.device}', whose values cannot be read. Expected a dense "
            "tensor that holds values: to_dense() or dequantize() may give one."
        )


def _channels_last(tensor: Tensor, given: str) -> Tensor:
    if tensor.ndim == 4 and tensor.shape[0] == 1:
        return tensor[0].permute(1, 2, 0) if tensor.shape[1] in CHANNELS else tensor[0]
    if tensor.ndim != 3 or tensor.shape[0] not in CHANNELS:
        return tensor
    if tensor.shape[2] not in CHANNELS:
        return tensor.permute(1, 2, 0)
    if tensor.shape[0] == 3:
        raise ImageError(
            f"load_image got {given}, where both the first and the last axis may be the channels; "
            "give it as (1, 3, H, W)."
        )
    return tensor


def _from_array(array: npt.NDArray[Any]) -> Image.Image | Tensor:
    given = f"an array of shape {array.shape} and type {array.dtype}"
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ImageError(
            f"load_image got {given}; expected (H, W), (H, W, 3) or (H, W, 4). Pick one picture of "
            "several, and move the channels to the end with np.moveaxis(array, 0, -1)."
        )
    if np.ma.is_masked(array):
        raise ImageError(
            f"load_image got {given} in which pixels are masked; expected a value everywhere. "
            "Give them one with array.filled(...)."
        )
    if array.size == 0:
        raise ImageError(f"load_image got {given}; expected at least one pixel.")
    if np.issubdtype(array.dtype, np.floating):
        return _from_floats(array, given)
    return Image.fromarray(_to_bytes(array, given))


def _from_floats(array: npt.NDArray[np.floating[Any]], given: str) -> Tensor:
    if bad := int((~np.isfinite(array)).sum()):
        raise ImageError(
            f"load_image got {given} with {bad} values that are NaN or infinite; a float picture "
            "must lie in [0, 1]. Find where they come from, or replace them with np.nan_to_num()."
        )
    low, high = array.min(), array.max()
    if low < -1e-6 or high > 1 + 1e-6:
        raise ImageError(
            f"load_image got {given} with values from {low:.3g} to {high:.3g}; a float picture "
            "must lie in [0, 1]. Divide 0..255 by 255, or undo a preprocessing with deprocess()."
        )
    pixels = torch.from_numpy(array.astype(np.float32)).clamp(0, 1)  # a copy
    if pixels.ndim == 2:
        pixels = pixels[..., None].expand(-1, -1, 3)
    if pixels.shape[2] == 4:
        colour, opacity = pixels[..., :3], pixels[..., 3:]
        pixels = colour * opacity + (1 - opacity)  # blended with white
    return pixels.permute(2, 0, 1)[None].contiguous()


def _to_bytes(array: npt.NDArray[Any], given: str) -> npt.NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "u" and array.itemsize == 2:  # in either byte order
        return np.round(array / 257).astype(np.uint8)  # 65535 = 257 * 255
    raise ImageError(
        f"load_image got {given}; expected uint8, uint16 or float in [0, 1]. "
        "Convert it with array.astype(), after a look at its range."
    )


def _to_rgb(picture: Image.Image, name: str) -> Image.Image:
    picture = _upright(picture)
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _from_deep_grey(picture, name)
    if picture.mode in ("La", "RGBa"):  # premultiplied alpha
        picture = picture.convert(picture.mode.upper())
    opacity = picture.convert("RGBA").getchannel("A") if _is_transparent(picture) else None
    picture = _to_srgb(_opaque(picture), profile)
    if opacity is None:
        return picture
    return Image.composite(picture, Image.new("RGB", picture.size, WHITE), opacity)


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as EXIF asks; without it, where Pillow cannot parse the data."""
    try:
        turn = TURNS.get(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # Pillow's parser raises many kinds
        return picture
    return picture if turn is None else picture.transpose(turn)


def _is_transparent(picture: Image.Image) -> bool:
    return picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info


def _opaque(picture: Image.Image) -> Image.Image:
    """The colours alone, in the mode that the picture's colour profile refers to."""
    if picture.mode in ("1", "L", "LA"):
        return picture.convert("L")
    return picture if picture.mode in ("CMYK", "LAB") else picture.convert("RGB")


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB; a broken profile is ignored, as image viewers do."""
    if picture.mode == "LAB":
        return _converted(picture, _profile("LAB"))
    if not profile:
        return picture.convert("RGB")
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(given):  # already sRGB: avoid rounding
            return picture.convert("RGB")
        return _converted(picture, given)
    except (ImageCms.PyCMSError, OSError):
        return picture.convert("RGB")


def _converted(picture: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(picture, profile, _profile("sRGB"), outputMode="RGB")
    assert converted is not None  # None only with inPlace=True
    return converted


def _profile(space: Literal["LAB", "sRGB"]) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(cast(Any, ImageCms.createProfile(space)))


def _from_deep_grey(picture: Image.Image, name: str) -> Image.Image:
    """16- and 32-bit greyscale, which Pillow's convert() would clip at 255."""
    grey = np.asarray(picture, dtype=np.float64)
    if picture.mode == "F":
        return to_pil(_from_floats(grey, f"{name}, in floating point,"))
    if grey.min() < 0 or grey.max() > 65535:
        raise ImageError(
            f"{name} has grey levels from {grey.min():.0f} to {grey.max():.0f}; expected 0 to "
            "65535, as in 16 bits. Rescale them with another program."
        )
    return Image.fromarray(np.round(grey / 257).astype(np.uint8))


def _target_size(current: tuple[int, int], size: Size) -> tuple[int, int]:
    """PIL's (width, height) for `size`, a longer side or (H, W)."""
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    if len(sides) not in (1, 2) or not all(_is_length(side) for side in sides):
        raise ImageError(
            f"size={size!r} was given; expected the longer side in pixels, such as 256, "
            "or (height, width), such as (192, 256)."
        )
    if len(sides) == 2:
        return int(sides[1]), int(sides[0])
    scale = sides[0] / max(current)
    return max(1, round(current[0] * scale)), max(1, round(current[1] * scale))


def _is_length(side: object) -> bool:
    return not isinstance(side, bool) and isinstance(side, Integral) and int(side) >= 1


def _convention(name: str, x: Tensor) -> Convention:
    if not isinstance(cast(object, name), str) or name not in CONVENTIONS:
        raise ImageError(
            f"unknown convention {arguments.shown(name)}; choose one of {', '.join(CONVENTIONS)}."
            f"{arguments.meant(name, CONVENTIONS)}"
        )
    check_image(x)
    return CONVENTIONS[name]


def check_image(x: Tensor, name: str = "") -> None:
    """Raise an `ImageError` unless this is a floating-point tensor `(B, 3, H, W)`.

    Args:
        x: the image.
        name: what the message calls it.
    """
    name = f"{name}: " if name else ""
    if not isinstance(cast(object, x), Tensor):
        raise ImageError(
            f"{name}got {arguments.shown(x)}; expected a tensor (B, 3, H, W), as from load_image."
        )
    if x.ndim != 4 or x.shape[1] != 3:
        raise ImageError(f"{name}got a tensor of shape {tuple(x.shape)}; expected (B, 3, H, W).")
    if not x.is_floating_point():
        raise ImageError(
            f"{name}got a tensor of type {x.dtype}; expected floating point, not 0..255."
        )


def _channels(values: tuple[float, float, float], like: Tensor) -> Tensor:
    return like.new_tensor(values).view(1, 3, 1, 1)
