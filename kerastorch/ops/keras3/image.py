"""keras.ops.image, as far as torch computes it exactly."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from kerastorch.nn.sampling import map_coordinates, scale_and_translate
from kerastorch.nn.warp import FILL_MODES, homographies, warp
from kerastorch.ops.images import hsv_to_rgb, mixed, patches, resize, rgb_to_hsv, similarity
from kerastorch.ops.keras3.elementwise import as_float
from kerastorch.ops.keras3.nn import is_last
from kerastorch.ops.table import Table
from kerastorch.ops.values import apply, as_tensor, dtype_of, rank, sizes_of, to_dtype

__all__ = ["TABLE"]

TABLE = Table()


def _colours(function: Any, images: Any, data_format: Any) -> Any:
    if is_last(data_format):
        return function(images)
    return torch.movedim(function(torch.movedim(images, -3, -1)), -1, -3)


@TABLE.named("image.RGBToGrayscale")
def _rgb_to_grayscale(images: Any, data_format: Any = None) -> Any:
    dtype = dtype_of(images)
    grey = _colours(lambda x: mixed(x, [[0.2989], [0.587], [0.114]]), as_float(images), data_format)
    return to_dtype(grey, dtype)


@TABLE.named("image.RGBToHSV")
def _rgb_to_hsv(images: Any, data_format: Any = None) -> Any:
    return _colours(rgb_to_hsv, images, data_format)


@TABLE.named("image.HSVToRGB")
def _hsv_to_rgb(images: Any, data_format: Any = None) -> Any:
    return _colours(hsv_to_rgb, images, data_format)


def _batched(function: Any, images: Any, data_format: Any) -> Any:
    """`function` of (batch, channels, height, width), on images with or without a batch axis."""
    single, last = rank(images) == 3, is_last(data_format)
    x = torch.unsqueeze(images, 0) if single else images
    y = function(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) if last else function(x)
    return torch.squeeze(y, 0) if single else y


@TABLE.named("image.Resize")
def _resize(
    images: Any, size: Any, interpolation: str = "bilinear", antialias: bool = False, crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False, fill_mode: str = "constant", fill_value: float = 0.0, data_format: Any = None,
) -> Any:  # fmt: skip
    aspect = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else "stretch"
    size = (size, size) if isinstance(size, int) else tuple(size)
    dtype = dtype_of(images)
    y = _batched(lambda x: resize(x, size, interpolation, antialias, aspect, fill_value), images, data_format)
    if dtype.is_floating_point or interpolation == "nearest":
        return y
    limits = torch.iinfo(dtype)
    return torch.clamp(torch.round(y), limits.min, limits.max).to(dtype)


@TABLE.named("image.ExtractPatches")
def _extract_patches(
    images: Any, size: Any, strides: Any = None, dilation_rate: Any = 1, padding: str = "valid", data_format: Any = None
) -> Any:
    def two(value: Any) -> tuple[int, int]:
        return (value, value) if isinstance(value, int) else tuple(value)

    window = two(size)
    stride = window if strides is None else two(strides)
    single, last = rank(images) == 3, is_last(data_format)
    x = torch.unsqueeze(images, 0) if single else images
    y = patches(x.permute(0, 3, 1, 2) if last else x, window, stride, two(dilation_rate), padding.lower() == "same")
    y = y if last else y.permute(0, 3, 1, 2)
    return torch.squeeze(y, 0) if single else y


def _sides(total: Any, first: Any, last: Any, target: Any, grows: bool) -> tuple[Any, Any]:
    """The margins of an axis, two of (first, last, target) given."""
    change = None if target is None else (target - total if grows else total - target)
    first = change - (last or 0) if first is None and change is not None else first or 0
    last = change - first if last is None and change is not None else last or 0
    return first, last


@TABLE.named("image.PadImages")
def _pad_images(
    images: Any, top_padding: Any = None, left_padding: Any = None, bottom_padding: Any = None, right_padding: Any = None,
    target_height: Any = None, target_width: Any = None, data_format: Any = None,
) -> Any:  # fmt: skip
    last = is_last(data_format)
    height, width = sizes_of(images)[-3:-1] if last else sizes_of(images)[-2:]
    top, bottom = _sides(height, top_padding, bottom_padding, target_height, True)
    left, right = _sides(width, left_padding, right_padding, target_width, True)
    return F.pad(images, [*((0, 0) if last else ()), left, right, top, bottom])


@TABLE.named("image.CropImages")
def _crop_images(
    images: Any, top_cropping: Any = None, left_cropping: Any = None, bottom_cropping: Any = None, right_cropping: Any = None,
    target_height: Any = None, target_width: Any = None, data_format: Any = None,
) -> Any:  # fmt: skip
    last = is_last(data_format)
    height, width = sizes_of(images)[-3:-1] if last else sizes_of(images)[-2:]
    top, bottom = _sides(height, top_cropping, bottom_cropping, target_height, False)
    left, right = _sides(width, left_cropping, right_cropping, target_width, False)
    rows, columns = slice(top, height - bottom), slice(left, width - right)
    return images[..., rows, columns, :] if last else images[..., rows, columns]


@TABLE.named("image.SobelEdges")
def _sobel_edges(images: Any, data_format: Any = None) -> Any:
    last = is_last(data_format)
    x = images.permute(0, 3, 1, 2) if last else images
    batch, channels, height, width = sizes_of(x)
    down = [[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]]
    right = [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
    flat = F.pad(x.reshape([-1, 1, height, width]), [1, 1, 1, 1], mode="reflect")
    edges = F.conv2d(flat, as_tensor([[down], [right]], like=x)).reshape([batch, channels, 2, height, width])
    return edges.permute(0, 3, 4, 1, 2) if last else edges.permute(0, 1, 3, 4, 2)


@TABLE.named("image.GaussianBlur")
def _gaussian_blur(images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: Any = None) -> Any:
    rows, columns = (
        [math.exp(-((i - (n - 1) / 2) ** 2) / (2 * s * s)) for i in range(n)]
        for n, s in zip(kernel_size, sigma, strict=True)
    )
    # Keras has the axes of the kernel the other way round before it gives it its shape.
    flat = [a * b / (sum(rows) * sum(columns)) for b in columns for a in rows]
    kernel = as_tensor([[[flat[i : i + len(columns)] for i in range(0, len(flat), len(columns))]]], like=images)

    def blurred(x: Any) -> Any:
        batch, channels, height, width = sizes_of(x)
        return F.conv2d(x.reshape([-1, 1, height, width]), kernel, padding="same").reshape(
            [batch, channels, height, width]
        )

    return _batched(blurred, images, data_format)


# Images read between their pixels


def _warped(images: Any, transforms: Any, fill_mode: str, interpolation: str, fill_value: Any, data_format: Any) -> Any:
    if interpolation not in ("nearest", "bilinear") or fill_mode not in FILL_MODES:
        raise ValueError(
            "A transform's interpolation must be 'nearest' or 'bilinear', and its fill_mode one of "
            f"{', '.join(FILL_MODES)}; got {interpolation!r} and {fill_mode!r}."
        )
    dtype = dtype_of(images)
    single, last = rank(images) == 3, is_last(data_format)
    x = as_float(torch.unsqueeze(images, 0) if single else images)
    x = x if last else x.permute(0, 2, 3, 1)
    y = apply(warp, x, transforms, fill_mode, interpolation, fill_value)
    y = to_dtype(y if last else y.permute(0, 3, 1, 2), dtype)
    return torch.squeeze(y, 0) if single else y


@TABLE.named("image.AffineTransform")
def _affine_transform(
    images: Any, transform: Any, interpolation: str = "bilinear", fill_mode: str = "constant", fill_value: Any = 0,
    data_format: Any = None,
) -> Any:  # fmt: skip
    transforms = to_dtype(as_tensor(transform, like=images), torch.float32).reshape([-1, 8])
    return _warped(images, transforms, fill_mode, interpolation, fill_value, data_format)


@TABLE.named("image.PerspectiveTransform")
def _perspective_transform(
    images: Any, start_points: Any, end_points: Any, interpolation: str = "bilinear", fill_value: Any = 0,
    data_format: Any = None,
) -> Any:  # fmt: skip
    start, end = (as_tensor(x, dtype=torch.float32).reshape([-1, 4, 2]) for x in (start_points, end_points))
    return _warped(images, apply(homographies, start, end), "constant", interpolation, fill_value, data_format)


@TABLE.named("image.MapCoordinates")
def _map_coordinates(
    inputs: Any, coordinates: Any, order: int = 1, fill_mode: str = "constant", fill_value: Any = 0
) -> Any:
    at = as_tensor(coordinates, dtype=torch.float32)
    return apply(map_coordinates, as_tensor(inputs), at, order, fill_mode, fill_value)


@TABLE.named("image.ScaleAndTranslate")
def _scale_and_translate(
    images: Any, output_shape: Any, scale: Any, translation: Any, spatial_dims: Any, method: str, antialias: bool = True
) -> Any:
    axes = [int(axis) % rank(images) for axis in spatial_dims]
    scale, translation = (as_tensor(x, dtype=torch.float32) for x in (scale, translation))
    sizes = [output_shape[axis] for axis in axes]
    return apply(scale_and_translate, as_tensor(images), sizes, axes, scale, translation, method, antialias)


@TABLE.named("image.SSIM")
def _ssim(
    image1: Any, image2: Any, max_val: Any = 1.0, filter_size: int = 11, filter_sigma: float = 1.5, k1: float = 0.01,
    k2: float = 0.03, data_format: Any = None,
) -> Any:  # fmt: skip
    dtype = dtype_of(image1)
    first, second = (as_float(x if is_last(data_format) else torch.movedim(x, -3, -1)) for x in (image1, image2))
    light, contrast = similarity(first, second, max_val, filter_size, filter_sigma, k1, k2)
    return to_dtype(torch.mean(light * contrast, dim=[-3, -2, -1]), dtype)
