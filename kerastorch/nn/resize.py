"""Upsampling of feature maps by a kernel that torch lacks."""

from __future__ import annotations

import torch

from kerastorch.nn.image_resize import Resize

__all__ = ["KernelResize2d"]


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
