"""What is done to the input of a convolution before it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["EveryNth", "SamePad"]


class EveryNth(nn.Module):
    """Every n-th column of the input, n by axis: what a convolution of kernel size 1 with strides n sees of it.

    Shapes: (batch, channels, *sizes) -> (batch, channels, *(ceil(size / n))).
    """

    def __init__(self, steps: tuple[int, ...]) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input, thinned out."""
        return x[(slice(None), slice(None), *(slice(None, None, n) for n in self.steps))]

    def extra_repr(self) -> str:
        """The constructor's argument."""
        return f"steps={self.steps}"


class SamePad(nn.Module):
    """Zeros around the input, so that a convolution with the given window returns ceil(size / stride) columns.

    Where an odd number of zeros is needed, the odd one comes last. Shapes: (batch, channels, *sizes), 1 to 3 sizes.
    """

    def __init__(self, kernel_size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input with as many zeros as its size asks for."""
        amounts: list[int] = []
        for size, kernel, stride, dilation in zip(
            x.shape[2:], self.kernel_size, self.stride, self.dilation, strict=True
        ):
            windows = (size + stride - 1) // stride
            total = max((windows - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
            amounts = [total // 2, total - total // 2, *amounts]
        return F.pad(x, amounts)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, dilation={self.dilation}"
