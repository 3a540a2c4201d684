"""Pooling with padding as TensorFlow counts it: ceil(size / stride) windows, the odd column of padding last."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["SameAvgPool", "SameMaxPool", "drop_first", "same_windows"]


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
