"""Blurring and sharpening of Keras 3: RandomGaussianBlur, RandomSharpness."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kerastorch.layers.preprocessing.image_color import ColorLayer, FactorLayer

__all__ = ["RandomGaussianBlur", "RandomSharpness"]


def filtered(images: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Each channel of images (batch, height, width, channels) through a kernel (rows, columns), zeros around."""
    channels = images.shape[-1]
    weight = kernel.to(images.device, images.dtype).expand(channels, 1, *kernel.shape)
    padding = (kernel.shape[0] // 2, kernel.shape[1] // 2)
    return nn.functional.conv2d(images.permute(0, 3, 1, 2), weight, padding=padding, groups=channels).permute(
        0, 2, 3, 1
    )


def gaussian(size: int, sigma: float) -> torch.Tensor:
    """A bell curve over `size` pixels, of sum 1."""
    x = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    curve = torch.exp(-0.5 * (x / sigma) ** 2)
    return curve / curve.sum()


def blur(images: torch.Tensor, size: Any, sigma: Any) -> torch.Tensor:
    """Images (batch, height, width, channels) blurred. size, sigma: of the bell curve, along the width and the height."""
    return filtered(images, torch.outer(gaussian(size[1], float(sigma[1])), gaussian(size[0], float(sigma[0]))))


class RandomGaussianBlur(ColorLayer):
    """Images blurred, each with a probability, by a width that is the same for a batch, while training.

    factor: the probability; a number f means one between 0 and f. kernel_size: an odd number of pixels, or two, along the
    width and the height. sigma: of the bell curve, in [0, 1]; a number s means one between 0 and s.
    Raises ValueError for an even kernel_size. Keras: keras.layers.RandomGaussianBlur (Keras 3).
    """

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor, self.sigma = self.bounds("factor", factor, 0), self.bounds("sigma", sigma, 0)
        sizes = list(kernel_size) if isinstance(kernel_size, (list, tuple)) else [kernel_size] * 2
        if len(sizes) != 2 or not all(isinstance(n, (int, float)) and n % 2 == 1 for n in sizes):
            raise self._error(f"kernel_size must be an odd number, or a list of two, got {kernel_size!r}.")
        self.kernel_size = [int(n) for n in sizes]

    def draw(self, images: torch.Tensor) -> Any:
        """Which images are blurred, and how much along the width and the height."""
        chosen = self.random.chosen((len(images), 1, 1, 1), self.factor).to(images.device)
        return chosen, self.random.uniform(2, *self.sigma) + 1e-6

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image as it is, or blurred; clipped."""
        chosen, sigma = drawn
        return torch.where(chosen, blur(images, self.kernel_size, sigma), images).clamp(*self.value_range)


class RandomSharpness(FactorLayer):
    """Images made sharper or smoother, each by its own factor, while training.

    factor: in [0, 1]; a number f means (0, f). 0.5 changes nothing, 0 is smooth, 1 sharp.
    Keras: keras.layers.RandomSharpness (Keras 3).
    """

    least = 0.0

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Each image's factor."""
        return self.random.uniform((len(images), 1, 1, 1), *self.factor).to(images.device, images.dtype)

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image mixed with a smoothed one, or taken away from it; clipped."""
        kernel = torch.full((3, 3), 1 / 13)
        kernel[1, 1] = 5 / 13
        return (images + (1 - 2 * drawn) * (filtered(images, kernel) - images)).clamp(*self.value_range)
