"""Layers of Keras 3 that change the colours of images: AutoContrast, Equalization, Solarization and random ones."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.layers.preprocessing.image_random import RandomImageLayer

__all__ = [
    "AutoContrast",
    "Equalization",
    "MaxNumBoundingBoxes",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterization",
    "Solarization",
]


class ColorLayer(RandomImageLayer):
    """A layer on images whose values lie in value_range."""

    _always = False

    def __init__(self, value_range: Any = (0, 255), seed: Any = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        if not isinstance(value_range, (list, tuple)) or len(value_range) != 2:
            raise self._error(f"value_range must be a list of two numbers, got {value_range!r}.")
        self.__dict__["value_range"] = sorted(value_range)

    def call(self, inputs: torch.Tensor, training: bool | None = None) -> torch.Tensor:
        """The images, changed: while training, or always where nothing is random."""
        return super().call(inputs, True if self._always else training)

    def to_bytes(self, images: torch.Tensor) -> torch.Tensor:
        """Values from value_range to [0, 255]."""
        low, high = self.value_range
        return images if (low, high) == (0, 255) else (images - low) / (high - low) * 255

    def from_bytes(self, images: torch.Tensor) -> torch.Tensor:
        """Values from [0, 255] to value_range."""
        low, high = self.value_range
        return images if (low, high) == (0, 255) else images / 255 * (high - low) + low

    def share(self, key: str, factor: Any) -> list[float]:
        """A factor in [0, 1] as bounds: a number f means (0, f)."""
        pair = isinstance(factor, (list, tuple))
        bounds = sorted(factor) if pair else [0, factor]
        if len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1] <= 1:
            raise self._error(f"{key} must be a number in [0, 1], or a list of two, got {factor!r}.")
        return bounds

    def chance(self, images: torch.Tensor, low: float, high: float) -> torch.Tensor:
        """For each image whether it is chosen, with a probability between low and high: (batch, 1, 1, 1)."""
        shape = (len(images), 1, 1, 1)
        return (self.uniform(shape, 0, 1) < self.uniform(shape, low, high)).to(images.device)


class AutoContrast(ColorLayer):
    """Images whose channels are stretched over the whole value_range, always. Keras: keras.layers.AutoContrast (Keras
    3).
    """

    _always = True

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(value_range, **kwargs)

    def augment(self, images: torch.Tensor) -> torch.Tensor:
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

    def augment(self, images: torch.Tensor) -> torch.Tensor:
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
        self.__dict__["addition_factor"] = self.share("addition_factor", addition_factor)
        self.__dict__["threshold_factor"] = self.share("threshold_factor", threshold_factor)

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """Each image with its own addition and threshold."""
        shape = (len(images), 1, 1, 1)
        # Keras scales the upper bounds only.
        added, limit = (
            self.uniform(shape, low, high * 255).to(images.device)
            for low, high in (self.addition_factor, self.threshold_factor)
        )
        images = (self.to_bytes(images) + added).clamp(0, 255)
        return self.from_bytes(torch.where(images < limit, images, 255 - images))


class RandomInvert(ColorLayer):
    """Images inverted with a probability, while training. factor: a number f means one between 0 and f.

    Keras: keras.layers.RandomInvert (Keras 3).
    """

    def __init__(self, factor: Any = 1.0, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(value_range, seed, **kwargs)
        self.__dict__["factor"] = self.share("factor", factor)

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """Each image as it is, or inverted."""
        return torch.where(self.chance(images, *self.factor), self.value_range[1] - images, images)


class RandomGrayscale(RandomImageLayer):
    """Images made grey with probability factor, while training. Keras: keras.layers.RandomGrayscale (Keras 3)."""

    def __init__(self, factor: float = 0.5, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        if not 0 <= factor <= 1:
            raise self._error(f"factor must be in [0, 1], got {factor!r}.")
        self.factor = factor

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """Each image as it is, or grey in three channels."""
        weights = torch.tensor([0.2989, 0.587, 0.114], dtype=images.dtype, device=images.device)
        chosen = self.uniform((len(images), 1, 1, 1), 0, 1).to(images.device) < self.factor
        return torch.where(chosen, (images * weights).sum(-1, keepdim=True), images)


class RandomPosterization(ColorLayer):
    """Images with fewer bits for each channel, while training. factor: how many, 1 to 8, or a lower and upper bound.

    Keras: keras.layers.RandomPosterization (Keras 3).
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(value_range, seed, **kwargs)
        bounds = sorted(factor) if isinstance(factor, (list, tuple)) else [1, factor]
        if len(bounds) != 2 or not 1 <= bounds[0] <= bounds[1] <= 8:
            raise self._error(f"factor must be a number of bits from 1 to 8, or two, got {factor!r}.")
        self.__dict__["factor"] = [int(x) for x in bounds]

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """Each image with its own number of bits."""
        low, high = self.factor
        bits = self.uniform((len(images), 1, 1, 1), low, max(high, low + 1)).floor().to(images.device)
        step = 2 ** (8 - bits)
        return self.from_bytes((self.to_bytes(images).floor() / step).floor() * step)


class MaxNumBoundingBoxes(RandomImageLayer):
    """Images as they are. Keras: keras.layers.MaxNumBoundingBoxes (Keras 3), which also cuts or pads bounding boxes
    given in a dict; here a dict raises ValueError."""

    _is_random = False

    def __init__(self, max_number: int, fill_value: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_number, self.fill_value = int(max_number), int(fill_value)

    def call(self, inputs: torch.Tensor, training: bool | None = None) -> torch.Tensor:
        """The images."""
        if isinstance(inputs, dict):
            raise ValueError(f"MaxNumBoundingBoxes '{self.name}' takes images here, not dicts with bounding boxes.")
        return self.unchanged(inputs)
