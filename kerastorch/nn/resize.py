"""Upsampling of feature maps by a kernel that torch lacks."""

from __future__ import annotations

import torch
from torch import nn

from kerastorch.nn.image_resize import Resize

__all__ = ["KernelResize2d"]


class KernelResize2d(nn.Module):
    """Maps (batch, channels, height, width) at `scale_factor` times the size, with TensorFlow's numbers.

    scale_factor: for height and width. mode: an interpolation of `Resize`, such as 'bicubic' or 'lanczos3'.
    """

    def __init__(self, scale_factor: tuple[int, int], mode: str = "bicubic") -> None:
        super().__init__()
        self.scale_factor, self.mode = tuple(scale_factor), mode

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) -> the same, larger."""
        height, width = (int(n * by) for n, by in zip(images.shape[-2:], self.scale_factor, strict=True))
        return Resize(height, width, self.mode)(images)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"scale_factor={self.scale_factor}, mode={self.mode!r}"
