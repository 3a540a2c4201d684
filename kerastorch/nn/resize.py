"""Upsampling of feature maps by kernels, and of dtypes, that torch lacks."""

from __future__ import annotations

import torch
from torch import nn

from kerastorch.nn.image_resize import Resize

__all__ = ["KernelResize2d", "Repeat"]


class Repeat(nn.Module):
    """Maps (batch, channels, *sizes) of any dtype, integers too, to every value `scale_factor` times along each size."""

    def __init__(self, scale_factor: tuple[int, ...]) -> None:
        super().__init__()
        self.scale_factor = tuple(scale_factor)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, *sizes) -> (batch, channels, *larger sizes)."""
        for axis, by in enumerate(self.scale_factor, 2):
            x = x.repeat_interleave(by, axis)
        return x

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"scale_factor={self.scale_factor}"


class KernelResize2d(Resize):
    """Maps (batch, channels, height, width) at `scale_factor` times the size, with TensorFlow's numbers.

    scale_factor: for height and width. mode: an interpolation of `Resize`, such as 'bicubic' or 'lanczos3'.
    """

    def __init__(self, scale_factor: tuple[int, int], mode: str = "bicubic") -> None:
        super().__init__(0, 0, mode)  # the size follows from the input's
        self.scale_factor, self.mode = tuple(scale_factor), mode

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) -> the same, larger."""
        for axis, by in zip((-2, -1), self.scale_factor, strict=True):
            images = self.along(images, axis, int(images.shape[axis] * by))
        return images

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"scale_factor={self.scale_factor}, mode={self.mode!r}"
