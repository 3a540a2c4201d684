"""Resizing of images with TensorFlow's numbers: each interpolation is a pair of matrices, one for each axis."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["CenterCropOrResize", "Resize"]


class Resize(nn.Module):
    """Images (..., height, width) at another size.

    interpolation: 'nearest', 'bilinear', 'bicubic', 'area', 'lanczos3', 'lanczos5', 'gaussian' or 'mitchellcubic'.
    antialias: widen the kernel where the size shrinks. aspect: 'stretch', 'crop' (the middle is resized) or 'pad' (with
    fill_value).
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        antialias: bool = False,
        aspect: str = "stretch",
        fill_value: float = 0.0,
    ) -> None:
        super().__init__()
        self.height, self.width, self.interpolation = height, width, interpolation
        self.antialias, self.aspect, self.fill_value = antialias, aspect, fill_value

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(..., height, width) -> (..., self.height, self.width); integers come back as floats, unless 'nearest'."""
        if self.aspect == "crop":
            images = self.middle(images)
        elif self.aspect == "pad":
            images = self.padded(images)
        for axis, size in ((-2, self.height), (-1, self.width)):
            if images.shape[axis] != size or self.interpolation == "gaussian" or self.interpolation == "mitchellcubic":
                images = self.along(images, axis, size)
        return images

    def middle(self, images: torch.Tensor) -> torch.Tensor:
        """The largest part in the middle that has the target's aspect."""
        height, width = images.shape[-2:]
        h = max(min(height, int(float(width * self.height) / self.width)), 1)
        w = max(min(width, int(float(height * self.width) / self.height)), 1)
        top, left = int(float(height - h) / 2), int(float(width - w) / 2)
        return images[..., top : top + h, left : left + w]

    def padded(self, images: torch.Tensor) -> torch.Tensor:
        """The images with equal borders on both sides, as Keras 3 makes them: their aspect may be a pixel off the target's."""
        height, width = images.shape[-2:]
        h = max(height, int(float(width * self.height) / self.width))
        w = max(width, int(float(height * self.width) / self.height))
        top, left = (h - height) // 2, (w - width) // 2
        return nn.functional.pad(images, (left, left, top, top), value=self.fill_value)

    def along(self, images: torch.Tensor, axis: int, size: int) -> torch.Tensor:
        """One axis resized."""
        given = images.shape[axis]
        if self.interpolation == "nearest":
            centers = (torch.arange(size, device=images.device, dtype=torch.float32) + 0.5) * (given / size)
            return images.index_select(axis, centers.floor().long().clamp(max=given - 1))
        dtype = images.dtype if images.is_floating_point() else torch.float32
        matrix = self.matrix(given, size).to(images.device, dtype)
        images = images.to(dtype)
        return torch.matmul(matrix, images) if axis == -2 else torch.matmul(images, matrix.t())

    def matrix(self, given: int, size: int) -> torch.Tensor:
        """(size, given): what each new pixel takes from each old one."""
        scale = given / size
        out, old = torch.arange(size, dtype=torch.float64), torch.arange(given, dtype=torch.float64)
        if self.interpolation == "area":
            start = (out * scale)[:, None]
            inside = torch.minimum(start + scale, old + 1) - torch.maximum(start, old)
            return inside.clamp(min=0) / scale
        if self.interpolation == "bicubic" and not self.antialias:
            weights = self.cubic_table(out, old, scale)
        else:
            wide = max(scale, 1.0) if self.antialias else 1.0
            distance = ((old + 0.5) - (out[:, None] + 0.5) * scale) / wide
            weights = self.kernel(distance)
        return weights / weights.sum(1, keepdim=True)

    def cubic_table(self, out: torch.Tensor, old: torch.Tensor, scale: float) -> torch.Tensor:
        """Keys's cubic at distances rounded to 1/1024, as TensorFlow's table has them."""
        at = ((out.float() + 0.5) * scale - 0.5).double()
        base = at.floor()
        part = ((at - base) * 1024).round() / 1024
        return self.kernel(old - (base + part)[:, None])

    def kernel(self, x: torch.Tensor) -> torch.Tensor:
        """The weight at a distance in (old or, with antialias, new) pixels."""
        x = x.abs()
        if self.interpolation == "bilinear":
            return (1 - x).clamp(min=0)
        if self.interpolation == "gaussian":
            return torch.where(x < 1.5, torch.exp(-x * x / 0.5), 0.0)
        if self.interpolation in ("lanczos3", "lanczos5"):
            r = float(self.interpolation[-1])
            px = (x * math.pi).clamp(min=1e-9)
            return torch.where(x <= 1e-3, 1.0, torch.where(x <= r, r * px.sin() * (px / r).sin() / (px * px), 0.0))
        if self.interpolation == "mitchellcubic":
            near = ((7 / 6) * x - 2) * x * x + 8 / 9
            far = ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
        else:
            near = (1.5 * x - 2.5) * x * x + 1
            far = ((-0.5 * x + 2.5) * x - 4) * x + 2
        return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"height={self.height}, width={self.width}, interpolation={self.interpolation!r}, "
            f"antialias={self.antialias}, aspect={self.aspect!r}, fill_value={self.fill_value}"
        )


class CenterCropOrResize(nn.Module):
    """The middle of images (..., height, width), or, where they are smaller than that, all of it at the target's
    aspect, resized bilinearly."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width
        self.resize = Resize(height, width, aspect="crop")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(..., height, width) -> (..., self.height, self.width)."""
        top, left = images.shape[-2] - self.height, images.shape[-1] - self.width
        if top < 0 or left < 0:
            return self.resize(images)
        return images[..., top // 2 : top // 2 + self.height, left // 2 : left // 2 + self.width]

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"height={self.height}, width={self.width}"
