"""Pooling with padding as TensorFlow counts it: ceil(size / stride) windows, the odd column of padding last."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["SameAvgPool", "SameMaxPool", "dilated", "drop_first", "max_with_places", "same_windows"]


def same_windows(
    sizes: Sequence[int], kernel_size: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The padding to give torch in ceil_mode, and how many windows (0 or 1) to drop at the beginning of each axis."""
    padding, dropped = [], []
    for size, kernel, stride in zip(sizes, kernel_size, strides, strict=True):
        total = max(((size + stride - 1) // stride - 1) * stride + kernel - size, 0)
        # At stride 1 ceil_mode adds no window on the right: one more column on the left does.
        extra = total % 2 if stride == 1 else 0
        padding.append(total // 2 + extra)
        dropped.append(extra)
    return tuple(padding), tuple(dropped)


def drop_first(x: torch.Tensor, dropped: tuple[int, ...]) -> torch.Tensor:
    """Without the given number of columns (0 or 1) at the beginning of each spatial axis."""
    for axis, count in enumerate(dropped, 2):
        if count:
            x = x.narrow(axis, 1, x.shape[axis] - 1)
    return x


class SameMaxPool(nn.Module):
    """The maximum of each window; padding never wins. Shapes: (batch, channels, *sizes), 1 to 3 sizes."""

    def __init__(self, kernel_size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, *sizes) -> (batch, channels, *ceil(sizes / stride))."""
        padding, dropped = same_windows(x.shape[2:], self.kernel_size, self.stride)
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(padding) - 1]
        return drop_first(pool(x, self.kernel_size, self.stride, padding, ceil_mode=True), dropped)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class SameAvgPool(nn.Module):
    """The mean of each window, over what is not padding. Shapes: (batch, channels, *sizes), 1 to 3 sizes."""

    def __init__(self, kernel_size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, *sizes) -> (batch, channels, *ceil(sizes / stride))."""
        padding, dropped = same_windows(x.shape[2:], self.kernel_size, self.stride)
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(padding) - 1]
        given = x.dtype
        if len(padding) == 3 and given in (torch.float16, torch.bfloat16) and x.device.type == "cpu":
            x = x.float()  # torch has no avg_pool3d of halves on the CPU
        pooled = pool(x, self.kernel_size, self.stride, padding, ceil_mode=True, count_include_pad=False)
        return drop_first(pooled, dropped).to(given)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


def _filled(
    x: torch.Tensor, window: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[torch.Tensor, list[int]]:
    """(batch, channels, height, width) with what padding 'same' adds, less than any number; how much of it comes first."""
    first: list[int] = []
    amounts: list[int] = []
    for size, n, s, d in zip(x.shape[2:], window, stride, dilation, strict=True):
        total = max(((size + s - 1) // s - 1) * s + d * (n - 1) + 1 - size, 0)
        first.append(total // 2)
        amounts = [total // 2, total - total // 2, *amounts]
    low = float("-inf") if x.is_floating_point() else torch.iinfo(x.dtype).min
    return F.pad(x, amounts, value=low), first


def dilated(
    x: torch.Tensor, kernel: torch.Tensor, stride: Sequence[int], dilation: Sequence[int], same: bool
) -> torch.Tensor:
    """Morphological dilation: the largest of what each window sees plus the kernel.

    x: (batch, channels, height, width). kernel: (height, width, channels).
    """
    window = kernel.shape[:2]
    x = _filled(x, window, stride, dilation)[0] if same else x
    rows, columns = (
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], window, stride, dilation, strict=True)
    )
    seen = []
    for i in range(window[0]):
        for j in range(window[1]):
            top, left = i * dilation[0], j * dilation[1]
            part = x[:, :, top : top + (rows - 1) * stride[0] + 1 : stride[0]]
            part = part[..., left : left + (columns - 1) * stride[1] + 1 : stride[1]]
            seen.append(part + kernel[i, j][:, None, None])
    return torch.stack(seen).max(0).values


def max_with_places(
    x: torch.Tensor, window: Sequence[int], stride: Sequence[int], same: bool, with_batch: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (batch, height, width, channels): the maximum of each window, and where it is in an image's (or, with_batch,
    the batch's) numbers, int64; both (batch, rows, columns, channels)."""
    batch, height, width, channels = x.shape
    y = x.permute(0, 3, 1, 2)
    y, (top, left) = _filled(y, window, stride, (1, 1)) if same else (y, [0, 0])
    best, at = F.max_pool2d(y, tuple(window), tuple(stride), return_indices=True)
    row, column = at.div(y.shape[3], rounding_mode="floor") - top, at % y.shape[3] - left
    place = (row * width + column) * channels + torch.arange(channels, device=x.device)[:, None, None]
    if with_batch:
        place = place + torch.arange(batch, device=x.device)[:, None, None, None] * (height * width * channels)
    return best.permute(0, 2, 3, 1), place.permute(0, 2, 3, 1)
