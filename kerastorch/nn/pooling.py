"""Pooling with padding as TensorFlow counts it: ceil(size / stride) windows, the odd column of padding last."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["SameAvgPool", "SameMaxPool"]


class SameMaxPool(nn.Module):
    """The maximum of each window; padding never wins. Shapes: (batch, channels, *sizes), 1 to 3 sizes."""

    def __init__(self, kernel_size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, *sizes) -> (batch, channels, *ceil(sizes / stride))."""
        padding, first = [], []
        for size, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True):
            total = max(((size + stride - 1) // stride - 1) * stride + kernel - size, 0)
            # At stride 1 ceil_mode adds no window on the right: one more on the left does, and is dropped.
            extra = total % 2 if stride == 1 else 0
            padding.append(total // 2 + extra)
            first.append(extra)
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(first) - 1]
        y = pool(x, self.kernel_size, self.stride, tuple(padding), ceil_mode=True)
        for axis, start in enumerate(first, 2):
            if start:
                y = y.narrow(axis, 1, y.shape[axis] - 1)
        return y

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
        padding, first = [], []
        for size, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True):
            total = max(((size + stride - 1) // stride - 1) * stride + kernel - size, 0)
            # At stride 1 ceil_mode adds no window on the right: one more on the left does, and is dropped.
            extra = total % 2 if stride == 1 else 0
            padding.append(total // 2 + extra)
            first.append(extra)
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(first) - 1]
        y = pool(x, self.kernel_size, self.stride, tuple(padding), ceil_mode=True, count_include_pad=False)
        for axis, start in enumerate(first, 2):
            if start:
                y = y.narrow(axis, 1, y.shape[axis] - 1)
        return y

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}"
