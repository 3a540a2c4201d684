"""Resizing of images by kernels that torch lacks, as `tf.image.resize` computes them."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["KernelResize2d"]


class KernelResize2d(nn.Module):
    """Images resized with a kernel along rows and columns, weights at the edges scaled to sum to one.

    Shapes: (batch, channels, rows, columns) -> (batch, channels, new rows, new columns).
    size: of the output; or scale_factor: integers to multiply the input's size with.
    mode: 'bicubic' (Keys), 'lanczos3', 'lanczos5', 'gaussian', 'mitchellcubic'; with antialias also 'bilinear'.
    antialias: widens the kernel where the output is smaller than the input.
    """

    def __init__(
        self,
        size: tuple[int, int] | None = None,
        scale_factor: tuple[int, int] | None = None,
        mode: str = "bicubic",
        antialias: bool = False,
    ) -> None:
        super().__init__()
        self.size, self.scale_factor, self.mode, self.antialias = size, scale_factor, mode, antialias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, rows, columns) -> (batch, channels, new rows, new columns)."""
        rows, columns = x.shape[2], x.shape[3]
        if self.size is not None:
            new_rows, new_columns = self.size
        else:
            assert self.scale_factor is not None
            new_rows, new_columns = rows * self.scale_factor[0], columns * self.scale_factor[1]
        down = self.weights(rows, new_rows, x.device).to(x.dtype)
        across = self.weights(columns, new_columns, x.device).to(x.dtype)
        return torch.matmul(torch.matmul(down, x), across.transpose(0, 1))

    def weights(self, size: int, new_size: int, device: torch.device) -> torch.Tensor:
        """The matrix from `size` inputs to `new_size` outputs along one axis."""
        scale = size / new_size
        width = max(scale, 1.0) if self.antialias else 1.0
        centre = (torch.arange(new_size, dtype=torch.float64, device=device) + 0.5) * scale
        source = torch.arange(size, dtype=torch.float64, device=device) + 0.5
        if self.mode == "bicubic" and not self.antialias:
            # TensorFlow looks this kernel up in a table of 1024 steps between two pixels.
            start = (centre - 0.5).floor()
            centre = start + torch.round((centre - 0.5 - start) * 1024) / 1024 + 0.5
        weights = self.kernel(((source - centre[:, None]) / width).abs())
        return weights / weights.sum(1, keepdim=True)

    def kernel(self, x: torch.Tensor) -> torch.Tensor:
        """The kernel's height at distance x."""
        if self.mode == "bilinear":
            return (1 - x).clamp(min=0)
        if self.mode == "bicubic":
            near, far = ((1.5 * x - 2.5) * x) * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
        elif self.mode == "mitchellcubic":
            near, far = ((7 / 6 * x - 2) * x) * x + 8 / 9, ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
        elif self.mode == "gaussian":
            return torch.exp(-x * x / 0.5) * (x < 1.5)
        else:
            radius = 3 if self.mode == "lanczos3" else 5
            angle = math.pi * x.clamp(min=1e-3)
            wave = radius * torch.sin(angle) * torch.sin(angle / radius) / angle**2
            return torch.where(x <= 1e-3, 1.0, wave) * (x <= radius)
        return torch.where(x < 1, near, far) * (x < 2)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"size={self.size}, scale_factor={self.scale_factor}, mode={self.mode!r}, antialias={self.antialias}"
