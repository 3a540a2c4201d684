"""Random colours of Keras 3: RandomHue, RandomSaturation, RandomColorDegeneration, RandomColorJitter."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.layers.preprocessing.image_base import RandomImageLayer
from kerastorch.layers.preprocessing.image_color import FactorLayer, grey
from kerastorch.layers.preprocessing.image_random import RandomBrightness, RandomContrast

__all__ = ["RandomColorDegeneration", "RandomColorJitter", "RandomHue", "RandomSaturation"]


def rgb_to_hsv(images: torch.Tensor) -> torch.Tensor:
    """Red, green and blue in the last axis as hue, saturation and value; values in [0, 1] give such."""
    images = torch.where(images.abs() < torch.finfo(images.dtype).eps, 0.0, images)
    red, green, blue = images.unbind(-1)
    value, least = images.amax(-1), images.amin(-1)
    spread = value - least
    saturation = torch.where(value > 0, spread / torch.where(value > 0, value, 1.0), 0.0)
    sixth = 1 / (6 * torch.where(spread > 0, spread, 1.0))
    hue = torch.where(value == green, sixth * (blue - red) + 1 / 3, sixth * (red - green) + 2 / 3)
    hue = torch.where(value == red, sixth * (green - blue), hue)
    hue = torch.where(spread > 0, hue, 0.0)
    return torch.stack([torch.where(hue < 0, hue + 1, hue), saturation, value], -1)


def hsv_to_rgb(images: torch.Tensor) -> torch.Tensor:
    """Hue, saturation and value in the last axis as red, green and blue."""
    hue, saturation, value = images.unbind(-1)
    at = hue.remainder(1) * 6
    red = (at - 3).abs() - 1
    green, blue = 2 - (at - 2).abs(), 2 - (at - 4).abs()
    return torch.stack([value * (1 - saturation + saturation * x.clamp(0, 1)) for x in (red, green, blue)], -1)


class RandomHue(FactorLayer):
    """Images with their hues turned, each by its own share of half a circle, either way, while training.

    factor: a share in [0, 1]; a number f means (0, f). Keras: keras.layers.RandomHue (Keras 3).
    """

    least = 0.0

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Each image's turn, in [-0.5, 0.5]."""
        signs = self.random.signs((len(images), 1, 1))
        turns = signs * self.random.uniform((len(images), 1, 1), *self.factor) / 2
        return turns.to(images.device, images.dtype)

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image with its hues turned."""
        hue, saturation, value = rgb_to_hsv(self.to_bytes(images) / 255).unbind(-1)
        turned = hsv_to_rgb(torch.stack([hue + drawn, saturation, value], -1))
        return self.from_bytes(turned.clamp(0, 1) * 255)


class RandomSaturation(FactorLayer):
    """Images with more or less saturated colours, while training.

    factor: in [-1, 1]; a number f means (-f, f), two are a lower and upper bound. 0.5 changes nothing, 0 and less is
    grey, 1 as colourful as can be: the saturation is multiplied by factor / (1 - factor), and kept within value_range.
    Keras: keras.layers.RandomSaturation (Keras 3).
    """

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """By what each image's saturation is multiplied."""
        factor = self.random.uniform((len(images), 1, 1), *self.factor)
        return (factor / (1 - factor + 1e-7)).to(images.device, images.dtype)

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image with its own saturation."""
        hue, saturation, value = rgb_to_hsv(images).unbind(-1)
        return hsv_to_rgb(torch.stack([hue, (saturation * drawn).clamp(*self.value_range), value], -1))


class RandomColorDegeneration(FactorLayer):
    """Images mixed with their grey versions, while training. factor: the share of grey; a number f means (-f, f).

    Keras: keras.layers.RandomColorDegeneration (Keras 3).
    """

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Each image's share of grey."""
        return self.random.uniform((len(images), 1, 1, 1), *self.factor).to(images.device, images.dtype)

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image mixed with grey, clipped."""
        return (images + drawn * (grey(images) - images)).clamp(*self.value_range)


class ContrastByImage(RandomContrast):
    """Keras 3's RandomContrast: each image by its own factor, and a number f means (0, f)."""

    def __init__(self, factor: Any, **kwargs: Any) -> None:
        super().__init__(self.bounds("contrast_factor", factor, 0), **kwargs)

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Each image's factor."""
        factor = self.random.uniform((len(images), 1, 1, 1), 1 - self._lower, 1 + self._upper)
        return factor.to(images.device, images.dtype)


class RandomColorJitter(RandomImageLayer):
    """Images with other brightness, contrast, saturation and hue, one after the other, while training.

    brightness_factor, contrast_factor, saturation_factor, hue_factor: as the factor of RandomBrightness, RandomContrast,
    RandomSaturation and RandomHue; None leaves that out. Keras: keras.layers.RandomColorJitter (Keras 3).
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.value_range = self.pair("value_range", value_range)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        kinds = (
            (RandomBrightness, brightness_factor),
            (ContrastByImage, contrast_factor),
            (RandomSaturation, saturation_factor),
            (RandomHue, hue_factor),
        )
        self._parts = [
            self.part(kind, factor=factor, value_range=value_range) for kind, factor in kinds if factor is not None
        ]

    def draw(self, images: torch.Tensor) -> Any:
        """What each part draws."""
        return [part.draw(images) for part in self._parts]

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The images through each part."""
        for part, own in zip(self._parts, drawn, strict=True):
            images = part.augment(images, own)
        return images
