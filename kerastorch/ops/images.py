"""Colours, sizes and neighbourhoods of images (..., height, width, channels)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from kerastorch.nn.convolution import SamePad
from kerastorch.nn.image_resize import Resize
from kerastorch.ops.values import constant, dtype_of, rank, sizes_of, static_shape

__all__ = ["channelled", "hsv_to_rgb", "mixed", "patches", "resize", "rgb_to_hsv", "similarity"]


def rgb_to_hsv(x: Any) -> Any:
    """Hue, saturation and value of colours on the last axis, all in [0, 1]."""
    red, green, blue = (x[..., i] for i in range(3))
    value, low = torch.amax(x, dim=-1), torch.amin(x, dim=-1)
    spread = value - low
    grey = spread == 0
    safe = torch.where(grey, 1.0, spread)
    hue = torch.where(
        red == value,
        (green - blue) / safe,
        torch.where(green == value, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = torch.remainder(torch.where(grey, 0.0, hue) / 6, 1.0)
    saturation = torch.where(value == 0, 0.0, spread / torch.where(value == 0, 1.0, value))
    return torch.stack([hue, saturation, value], dim=-1)


def hsv_to_rgb(x: Any) -> Any:
    """Colours of hue, saturation and value on the last axis."""
    hue, saturation, value = (x[..., i] for i in range(3))
    six = hue * 6
    parts = [
        torch.clamp(torch.abs(six - 3) - 1, 0, 1),
        torch.clamp(2 - torch.abs(six - 2), 0, 1),
        torch.clamp(2 - torch.abs(six - 4), 0, 1),
    ]
    return torch.stack([((part - 1) * saturation + 1) * value for part in parts], dim=-1)


def mixed(x: Any, matrix: list[list[float]]) -> Any:
    """Colours times a matrix."""
    return torch.matmul(x, constant(matrix, dtype_of(x)))


def channelled(function: Any, images: Any, last: bool = True) -> Any:
    """`function` of (batch, channels, height, width) on images with or without a batch axis, channels last or first."""
    single = rank(images) == 3
    x = torch.unsqueeze(images, 0) if single else images
    x = function(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) if last else function(x)
    return torch.squeeze(x, 0) if single else x


def resize(x: Any, size: Any, method: str, antialias: bool = False, aspect: str = "stretch", fill: float = 0.0) -> Any:
    """(batch, channels, height, width) at another size, pixel centres at halves, as TensorFlow's `tf.image.resize`."""
    if aspect == "stretch" and not antialias and dtype_of(x).is_floating_point:
        if method == "bilinear":
            return F.interpolate(x, size=list(size), mode="bilinear", align_corners=False)
        if method == "nearest":
            return F.interpolate(x, size=list(size), mode="nearest-exact")
    return Resize(int(size[0]), int(size[1]), method, antialias, aspect, fill)(x)


def patches(x: Any, window: Any, stride: Any, dilation: Any, same: bool) -> Any:
    """(batch, channels, height, width) -> (batch, rows, columns, window * channels): what each window sees."""
    if same:
        x = SamePad(tuple(window), tuple(stride), tuple(dilation))(x)
    channels = static_shape(x)[1]
    batch, _, height, width = sizes_of(x)
    seen = F.unfold(x, tuple(window), tuple(dilation), 0, tuple(stride))
    rows = (height - dilation[0] * (window[0] - 1) - 1) // stride[0] + 1
    columns = (width - dilation[1] * (window[1] - 1) - 1) // stride[1] + 1
    count = window[0] * window[1]
    seen = seen.reshape([batch, -1 if channels is None else channels, count, rows, columns])
    return seen.permute(0, 3, 4, 2, 1).reshape([batch, rows, columns, -1])


def similarity(
    a: Any, b: Any, max_val: Any, filter_size: int, filter_sigma: float, k1: float, k2: float
) -> tuple[Any, Any]:
    """How alike images (..., height, width, channels) are about each pixel: in light, and in contrast and structure."""
    bell = [math.exp(-((i - (filter_size - 1) / 2) ** 2) / (2 * filter_sigma**2)) for i in range(filter_size)]
    total = sum(bell) ** 2
    kernel = constant([[[[p * q / total for q in bell] for p in bell]]], dtype_of(a))

    def mean(x: Any) -> Any:
        sizes = sizes_of(x)
        y = F.conv2d(torch.movedim(x, -1, -3).reshape([-1, 1, sizes[-3], sizes[-2]]), kernel)
        rows, columns = (n - filter_size + 1 for n in sizes[-3:-1])
        return torch.movedim(y.reshape([*sizes[:-3], sizes[-1], rows, columns]), -3, -1)

    mean_a, mean_b = mean(a), mean(b)
    product, squares = 2 * mean_a * mean_b, torch.square(mean_a) + torch.square(mean_b)
    low, high = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    contrast = (2 * mean(a * b) - product + high) / (mean(torch.square(a) + torch.square(b)) - squares + high)
    return (product + low) / (squares + low), contrast
