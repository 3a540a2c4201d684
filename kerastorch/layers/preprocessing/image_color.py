"""Layers of Keras 3 that change the colours of images: AutoContrast, Equalization, Solarization and random ones."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.layers.preprocessing.image_base import RandomImageLayer

__all__ = [
    "AutoContrast",
    "Equalization",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterization",
    "Solarization",
]


def grey(images: torch.Tensor) -> torch.Tensor:
    """The brightness of (..., 3) colours: (..., 1)."""
    weights = torch.tensor([0.2989, 0.587, 0.114], dtype=images.dtype, device=images.device)
    return (images * weights).sum(-1, keepdim=True)


class ColorLayer(RandomImageLayer):
    """A layer on images whose values lie in value_range."""

    def __init__(self, value_range: Any = (0, 255), seed: Any = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.value_range = self.pair("value_range", value_range)

    def to_bytes(self, images: torch.Tensor) -> torch.Tensor:
        """Values from value_range to [0, 255]."""
        low, high = self.value_range
        return images if (low, high) == (0, 255) else (images - low) / (high - low) * 255

    def from_bytes(self, images: torch.Tensor) -> torch.Tensor:
        """Values from [0, 255] to value_range."""
        low, high = self.value_range
        return images if (low, high) == (0, 255) else images / 255 * (high - low) + low


class FactorLayer(ColorLayer):
    """A layer that changes each image by a factor drawn between two bounds, from `least` to 1."""

    least = -1.0

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor = self.bounds("factor", factor, self.least)


class AutoContrast(ColorLayer):
    """Images whose channels are stretched over the whole value_range, always. Keras: keras.layers.AutoContrast (Keras
    3).
    """

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(value_range, **kwargs)

    def acts(self, training: bool) -> bool:
        """Always: nothing is random."""
        return True

    def augment(self, images: torch.Tensor, drawn: Any = None) -> torch.Tensor:
        """Each channel of each image, stretched; a constant one as it is."""
        low, high = images.amin((1, 2), keepdim=True), images.amax((1, 2), keepdim=True)
        wide = torch.where(high > low, high - low, 1)
        stretched = self.from_bytes(((images - low) / wide * 255).clamp(0, 255))
        return torch.where(high > low, stretched, images)


class Equalization(ColorLayer):
    """Images with evened-out histograms, while training. bins: of the histograms.

    Keras: keras.layers.Equalization (Keras 3).
    """

    def __init__(self, value_range: Any = (0, 255), bins: int = 256, **kwargs: Any) -> None:
        super().__init__(value_range, **kwargs)
        self.bins = bins

    def augment(self, images: torch.Tensor, drawn: Any = None) -> torch.Tensor:
        """Each channel's values by the share of pixels of the batch below them."""
        channels = [self._equalized(channel) for channel in self.to_bytes(images).unbind(-1)]
        return self.from_bytes(torch.stack(channels, dim=-1))

    def _equalized(self, channel: torch.Tensor) -> torch.Tensor:
        places = (channel * (self.bins - 1) / 255).int().clamp(0, self.bins - 1)
        counts = torch.bincount(places.ravel(), minlength=self.bins)
        if int((counts > 0).sum()) <= 1:
            return channel
        below = counts.cumsum(0)
        first = below[below > 0][0]
        table = ((below - first) * 255 / (below[-1] - first).clamp(min=1)).round().clamp(0, 255)
        return table[places].to(channel.dtype)


class Solarization(ColorLayer):
    """Images with an addition, inverted where they reach a threshold, while training.

    addition_factor, threshold_factor: shares of 255; a number f means (0, f). Keras: keras.layers.Solarization (Keras
    3).
    """

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, **kwargs)
        self.addition_factor = self.bounds("addition_factor", addition_factor, 0)
        self.threshold_factor = self.bounds("threshold_factor", threshold_factor, 0)

    def draw(self, images: torch.Tensor) -> Any:
        """Each image's addition and threshold."""
        shape = (len(images), 1, 1, 1)
        # Keras scales the upper bounds only.
        return [
            self.random.uniform(shape, low, high * 255).to(images.device, images.dtype)
            for low, high in (self.addition_factor, self.threshold_factor)
        ]

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image with its own addition and threshold."""
        added, limit = drawn
        images = (self.to_bytes(images) + added).clamp(0, 255)
        return self.from_bytes(torch.where(images < limit, images, 255 - images))


class RandomInvert(ColorLayer):
    """Images inverted with a probability, while training. factor: a number f means one between 0 and f.

    Keras: keras.layers.RandomInvert (Keras 3).
    """

    def __init__(self, factor: Any = 1.0, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(value_range, seed, **kwargs)
        self.factor = self.bounds("factor", factor, 0)

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Which images are inverted."""
        return self.random.chosen((len(images), 1, 1, 1), self.factor).to(images.device)

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image as it is, or inverted."""
        return torch.where(drawn, self.value_range[1] - images, images)


class RandomGrayscale(RandomImageLayer):
    """Images made grey with probability factor, while training. Keras: keras.layers.RandomGrayscale (Keras 3)."""

    def __init__(self, factor: float = 0.5, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        if not 0 <= factor <= 1:
            raise self._error(f"factor must be in [0, 1], got {factor!r}.")
        self.factor = factor

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Which images are made grey."""
        return self.random.uniform((len(images), 1, 1, 1)).to(images.device) < self.factor

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image as it is, or grey in three channels."""
        return torch.where(drawn, grey(images), images)


class RandomPosterization(ColorLayer):
    """Images with fewer bits for each channel, while training. factor: how many, 1 to 8, or a lower and upper bound.

    Keras: keras.layers.RandomPosterization (Keras 3).
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(value_range, seed, **kwargs)
        bounds = sorted(factor) if isinstance(factor, (list, tuple)) else [1, factor]
        if len(bounds) != 2 or not 1 <= bounds[0] <= bounds[1] <= 8:
            raise self._error(f"factor must be a number of bits from 1 to 8, or two, got {factor!r}.")
        self.factor = [int(x) for x in bounds]

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Each image's number of bits."""
        low, high = self.factor
        return self.random.uniform((len(images), 1, 1, 1), low, max(high, low + 1)).floor().to(images.device)

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image with its own number of bits."""
        step = 2 ** (8 - drawn)
        return self.from_bytes((self.to_bytes(images).floor() / step).floor() * step)
