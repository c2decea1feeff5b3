"""Exercise 1, as students answer it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from wrong_answers import right, wrong

MEAN_BGR = (103.939, 116.779, 123.68)
MEAN_RGB = MEAN_BGR[::-1]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def channels(values, like):
    return like.new_tensor(values).view(1, 3, 1, 1)


# to_tensor


@right("to_tensor")
def with_numpy(pixels):
    picture = pixels.astype(np.float32) / np.float32(255)
    return torch.from_numpy(np.moveaxis(picture, -1, 0).copy()).unsqueeze(0)


@right("to_tensor")
def channel_by_channel(pixels):
    planes = [torch.tensor(pixels[:, :, c], dtype=torch.float32) / 255 for c in range(3)]
    return torch.stack(planes)[None]


@right("to_tensor")
def with_einsum(pixels):
    return torch.einsum("hwc->chw", torch.from_numpy(pixels).float()).div(255).unsqueeze(0)


@wrong("to_tensor", expects="reshaped")
def reshape(pixels):
    height, width, _ = pixels.shape
    return torch.from_numpy(pixels).float().reshape(1, 3, height, width) / 255


@wrong("to_tensor", expects="reshaped")
def view(pixels):
    return torch.tensor(pixels).view(3, *pixels.shape[:2]).unsqueeze(0) / 255


@wrong("to_tensor", expects="range-255")
def only_a_float(pixels):
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).float()


@wrong("to_tensor", expects="divided-as-bytes")
def whole_division(pixels):
    return (torch.from_numpy(pixels) // 255).permute(2, 0, 1)[None].float()


@wrong("to_tensor", expects="no-batch")
def three_axes(pixels):
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


@wrong("to_tensor", expects="channels-last")
def never_permuted(pixels):
    return torch.from_numpy(pixels / 255).float().unsqueeze(0)


@wrong("to_tensor", expects="rows-and-columns-swapped")
def transpose(pixels):
    return torch.from_numpy(pixels.T.copy())[None] / 255


@wrong("to_tensor", expects="bgr")
def as_in_opencv(pixels):
    return torch.from_numpy(pixels[..., ::-1].copy()).permute(2, 0, 1)[None] / 255


@wrong("to_tensor", expects="wrong-dtype")
def double(pixels):
    return torch.from_numpy(pixels / 255).permute(2, 0, 1)[None]


@wrong("to_tensor", expects="minus-one-to-one")
def centred(pixels):
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


@wrong("to_tensor", expects="not-a-tensor")
def still_an_array(pixels):
    return np.transpose(pixels, (2, 0, 1))[None].astype(np.float32) / 255


@wrong("to_tensor", expects="types-do-not-fit")
def divide_in_place(pixels):
    pixels /= 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


@wrong("to_tensor", expects="changed-input")
def scratch(pixels):
    copy = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    pixels[:] = 0
    return copy


# to_pixels


@right("to_pixels")
def one_line(image):
    return (image.detach().clamp(0, 1) * 255).round().byte()[0].permute(1, 2, 0)


@right("to_pixels")
def numpy_way(image):
    levels = np.rint(image.detach().squeeze(0).numpy() * 255)
    return np.clip(levels, 0, 255).astype(np.uint8).transpose(1, 2, 0)


@right("to_pixels")
def half_up(image):
    levels = image.detach().squeeze().mul(255).add(0.5).clamp(0, 255).to(torch.uint8)
    return np.moveaxis(levels.numpy(), 0, -1)


@wrong("to_pixels", expects="cut-not-rounded")
def cut(image):
    return (image.detach().clamp(0, 1) * 255).byte()[0].permute(1, 2, 0)


@wrong("to_pixels", expects="cut-not-rounded")
def cut_by_numpy(image):
    return (image.detach().clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255).astype("uint8")


@wrong("to_pixels", expects="not-clamped")
def overflow(image):
    return (image.detach() * 255).round().byte()[0].permute(1, 2, 0)


@wrong("to_pixels", expects="not-scaled")
def black(image):
    return image.detach().clamp(0, 1).byte()[0].permute(1, 2, 0)


@wrong("to_pixels", expects="not-bytes")
def decimals(image):
    return image.detach().clamp(0, 1)[0].permute(1, 2, 0) * 255


@wrong("to_pixels", expects="wrong-dtype")
def whole_floats(image):
    return (image.detach().clamp(0, 1)[0].permute(1, 2, 0) * 255).round()


@wrong("to_pixels", expects="channels-first")
def tensor_axes(image):
    return (image.detach().clamp(0, 1)[0] * 255).round().byte()


@wrong("to_pixels", expects="batch-kept")
def four_axes(image):
    return (image.detach().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)


@wrong("to_pixels", expects="rows-and-columns-swapped")
def turned(image):
    return (image.detach().clamp(0, 1)[0] * 255).round().byte().permute(2, 1, 0)


@wrong("to_pixels", expects="numpy-with-gradient")
def watched(image):
    return (image.clamp(0, 1) * 255).round().numpy()[0].transpose(1, 2, 0).astype(np.uint8)


@wrong("to_pixels", expects="changed-input")
def clamp_in_place(image):
    levels = image.detach().clamp_(0, 1) * 255
    return levels.round().byte()[0].permute(1, 2, 0)


@wrong("to_pixels", expects="reshaped")
def reshape_back(image):
    levels = (image.detach().clamp(0, 1) * 255).round().byte()
    return levels.reshape(image.shape[2], image.shape[3], 3)


# caffe_input


@right("caffe_input")
def with_indices(image):
    mean = torch.tensor(MEAN_BGR, dtype=image.dtype, device=image.device)
    return image[:, [2, 1, 0]] * 255 - mean[None, :, None, None]


@right("caffe_input")
def stacked(image):
    red, green, blue = image.unbind(1)
    planes = zip((blue, green, red), MEAN_BGR, strict=True)
    return torch.stack([255 * plane - mean for plane, mean in planes], dim=1)


@right("caffe_input")
class AsModule(nn.Module):
    def forward(self, image):
        return (image * 255 - channels(MEAN_RGB, image)).flip(1)


@right("caffe_input")
def mean_in_units_of_one(image):
    return 255 * (image.flip(-3) - channels(MEAN_BGR, image) / 255)


@wrong("caffe_input", expects="not-bgr")
def rgb(image):
    return image * 255 - channels(MEAN_RGB, image)


@wrong("caffe_input", expects="not-bgr")
def rgb_with_means_of_bgr(image):
    return image * 255 - channels(MEAN_BGR, image)


@wrong("caffe_input", expects="mean-in-wrong-order")
def means_of_rgb(image):
    return image.flip(1) * 255 - channels(MEAN_RGB, image)


@wrong("caffe_input", expects="mean-not-subtracted")
def without_mean(image):
    return image.flip(1) * 255


@wrong("caffe_input", expects="range-not-255")
def still_up_to_one(image):
    return image.flip(1) - channels(MEAN_BGR, image)


@wrong("caffe_input", expects="range-not-255")
def all_up_to_one(image):
    return image.flip(1) - channels(MEAN_BGR, image) / 255


@wrong("caffe_input", expects="mirrored")
def flip_the_last(image):
    return image.flip(-1) * 255 - channels(MEAN_BGR, image)


@wrong("caffe_input", expects="upside-down")
def flip_the_rows(image):
    return torch.flip(image, dims=[2]) * 255 - channels(MEAN_BGR, image)


@wrong("caffe_input", expects="divided-by-std")
def standardised_too(image):
    grey_levels = image.flip(1) * 255 - channels(MEAN_BGR, image)
    return grey_levels / (255 * channels(STD[::-1], image))


@wrong("caffe_input", expects="another-convention")
def torchvision_way(image):
    return (image - channels(MEAN, image)) / channels(STD, image)


@wrong("caffe_input", expects="mean-added")
def plus(image):
    return image.flip(1) * 255 + channels(MEAN_BGR, image)


@wrong("caffe_input", expects="wrong-device")
def on_the_cpu(image):
    mean = torch.tensor(MEAN_BGR, dtype=image.dtype).view(1, 3, 1, 1)
    return image.flip(1) * 255 - mean


@wrong("caffe_input", expects="negative-step")
def read_backwards(image):
    return image[:, ::-1] * 255 - channels(MEAN_BGR, image)


@wrong("caffe_input", expects="shapes-do-not-fit")
def vector_of_three(image):
    return image.flip(1) * 255 - torch.tensor(MEAN_BGR)


@wrong("caffe_input", expects="wrong-dtype")
def always_float(image):
    return image.float().flip(1) * 255 - channels(MEAN_BGR, image.float())


@wrong("caffe_input", expects="gradient-cut")
def through_numpy(image):
    swapped = image.detach().flip(1)
    return swapped * 255 - channels(MEAN_BGR, image)


@wrong("caffe_input", expects="changed-input")
def times_in_place(image):
    image *= 255
    return image.flip(1) - channels(MEAN_BGR, image)


# undo_torchvision


@right("undo_torchvision")
def by_channel(fed):
    planes = [fed[:, c : c + 1] * STD[c] + MEAN[c] for c in range(3)]
    return torch.cat(planes, dim=1)


@right("undo_torchvision")
def as_a_normalisation(fed):
    mean, std = channels(MEAN, fed), channels(STD, fed)
    return (fed - (-mean / std)) / (1 / std)


@right("undo_torchvision")
def with_einsum_and_a_matrix(fed):
    scale = torch.diag(fed.new_tensor(STD))
    return torch.einsum("bchw,dc->bdhw", fed, scale) + channels(MEAN, fed)


@wrong("undo_torchvision", expects="std-forgotten")
def only_the_mean(fed):
    return fed + channels(MEAN, fed)


@wrong("undo_torchvision", expects="mean-forgotten")
def only_the_std(fed):
    return fed * channels(STD, fed)


@wrong("undo_torchvision", expects="order-not-reversed")
def same_order(fed):
    return (fed + channels(MEAN, fed)) * channels(STD, fed)


@wrong("undo_torchvision", expects="applied-again")
def once_more(fed):
    return (fed - channels(MEAN, fed)) / channels(STD, fed)


@wrong("undo_torchvision", expects="clamped")
def tidy(fed):
    return (fed * channels(STD, fed) + channels(MEAN, fed)).clamp(0, 1)


@wrong("undo_torchvision", expects="divided-by-std")
def divided(fed):
    return fed / channels(STD, fed) + channels(MEAN, fed)


@wrong("undo_torchvision", expects="mean-subtracted")
def minus(fed):
    return fed * channels(STD, fed) - channels(MEAN, fed)


@wrong("undo_torchvision", expects="bgr")
def swapped_too(fed):
    return (fed * channels(STD, fed) + channels(MEAN, fed)).flip(1)


@wrong("undo_torchvision", expects="another-convention")
def as_if_caffe(fed):
    return (fed + channels(MEAN_BGR, fed)).flip(1) / 255


@right("undo_torchvision")
def constants_on_the_cpu(fed):
    mean = torch.tensor(MEAN, dtype=fed.dtype).view(1, 3, 1, 1)
    return fed * channels(STD, fed) + mean


@wrong("undo_torchvision", expects="too-large")
def outer_product(fed):
    picture = fed * channels(STD, fed) + channels(MEAN, fed)
    return picture.flatten()[:, None].expand(-1, 10**7)


# convention_of


@right("convention_of")
def legal_in_turn(stranger):
    mean, std = channels(MEAN, stranger), channels(STD, stranger)
    readings = {
        "raw": stranger,
        "torchvision": stranger * std + mean,
        "bytes": stranger / 255,
        "caffe": (stranger + channels(MEAN_BGR, stranger)) / 255,
    }
    for name, image in readings.items():
        if image.min() >= -0.01 and image.max() <= 1.01:
            return name
    return "caffe"


@right("convention_of")
def large_or_small_first(stranger):
    negative = bool((stranger < -0.01).any())
    if stranger.abs().max() > 10:
        return "caffe" if negative else "bytes"
    return "torchvision" if negative else "raw"


@wrong("convention_of", expects="wrong-value")
def bytes_are_bright(stranger):
    if stranger.min() < -10:
        return "caffe"
    if stranger.min() < 0:
        return "torchvision"
    return "bytes" if stranger.max() > 50 else "raw"


@wrong("convention_of", expects="bytes-taken-for-caffe")
def large_is_caffe(stranger):
    if stranger.abs().max() > 20:
        return "caffe"
    return "raw" if stranger.min() >= 0 else "torchvision"


@wrong("convention_of", expects="caffe-taken-for-bytes")
def large_is_bytes(stranger):
    if stranger.abs().max() > 20:
        return "bytes"
    return "torchvision" if stranger.min() < 0 else "raw"


@wrong("convention_of", expects="torchvision-taken-for-raw")
def small_is_raw(stranger):
    if stranger.abs().max() < 5:
        return "raw"
    return "caffe" if stranger.min() < 0 else "bytes"


@wrong("convention_of", expects="caffe-taken-for-torchvision")
def below_zero_is_torchvision(stranger):
    if stranger.min() < 0:
        return "torchvision"
    return "bytes" if stranger.max() > 1 else "raw"


@wrong("convention_of", expects="maximum-only")
def by_the_largest(stranger):
    largest = stranger.max()
    if largest <= 1:
        return "raw"
    if largest < 3:
        return "torchvision"
    return "caffe" if largest < 160 else "bytes"


@wrong("convention_of", expects="minimum-only")
def by_the_smallest(stranger):
    smallest = stranger.min()
    if smallest >= 0:
        return "raw"
    return "torchvision" if smallest > -3 else "caffe"


@wrong("convention_of", expects="always-the-same")
def raw(stranger):
    return "raw"


@wrong("convention_of", expects="not-a-name")
def capitals(stranger):
    return "Caffe" if stranger.min() < -10 else "RGB"


@wrong("convention_of", expects="returns-nothing")
def prints(stranger):
    print("raw" if stranger.min() >= 0 else "torchvision")
