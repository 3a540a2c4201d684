"""Layers of Keras 3 that put others together at random: AugMix, RandAugment."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.layers.preprocessing.image_base import RandomImageLayer
from kerastorch.layers.preprocessing.image_blur import RandomSharpness
from kerastorch.layers.preprocessing.image_color import AutoContrast, Equalization, RandomPosterization, Solarization
from kerastorch.layers.preprocessing.image_geometry import RandomShear
from kerastorch.layers.preprocessing.image_random import (
    RandomBrightness,
    RandomRotation,
    RandomTranslation,
)
from kerastorch.layers.preprocessing.image_tone import ContrastByImage, RandomColorDegeneration

__all__ = ["AugMix", "RandAugment"]


class _Policy(RandomImageLayer):
    """A layer that applies others, all of one factor, to a batch."""

    def _make_parts(self, value_range: Any, factor: list[float], interpolation: str, all_ops: bool) -> None:
        """The layers to choose from; without all_ops not those that only change colours by a factor."""
        colour, warped = {"value_range": value_range}, {"interpolation": interpolation}
        kinds: list[tuple[Any, dict[str, Any]]] = [
            (RandomShear, {"x_factor": factor, "y_factor": factor, **warped}),
            (RandomTranslation, {"height_factor": factor, "width_factor": factor, **warped}),
            (RandomRotation, {"factor": factor, **warped}),
            (RandomPosterization, {"factor": max(1, int(8 * factor[1])), **colour}),
            (Solarization, {"addition_factor": factor, "threshold_factor": factor, **colour}),
            (AutoContrast, colour),
            (Equalization, colour),
        ]
        if all_ops:
            more = (RandomBrightness, RandomColorDegeneration, ContrastByImage, RandomSharpness)
            kinds += [(kind, {"factor": factor, **colour}) for kind in more]
        self._parts = [self.part(kind, **arguments) for kind, arguments in kinds]

    def _draw_chain(self, images: torch.Tensor, numbers: list[int]) -> list[tuple[RandomImageLayer, Any]]:
        """The layers of these numbers, each with what it draws; a number too many is no layer."""
        parts = [self._parts[n] for n in numbers if n < len(self._parts)]
        return [(part, part.draw(images)) for part in parts]


class AugMix(_Policy):
    """Images mixed with versions of themselves that went through chains of random layers, while training.

    num_chains, chain_depth: how many chains, and how many layers each at most. factor: of the layers; a number f means
    (0, f). alpha: of the distributions of the chains' weights. all_ops: whether layers that only change colours are among
    them. The same for a batch. Bounding boxes stay as they are, as in Keras.
    Keras: keras.layers.AugMix (Keras 3).
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.value_range, self.factor = self.pair("value_range", value_range), self.bounds("factor", factor, 0)
        self.num_chains, self.chain_depth, self.alpha = num_chains, chain_depth, alpha
        self.all_ops, self.interpolation = all_ops, interpolation
        self._make_parts(self.value_range, self.factor, interpolation, all_ops)

    def draw(self, images: torch.Tensor) -> Any:
        """The chains' weights, the weight of the images themselves, and the chains."""
        weights = self.random.gamma(self.num_chains, self.alpha)
        own = float(self.random.beta((), self.alpha))
        numbers = self.random.integers((self.num_chains, self.chain_depth), len(self._parts) + 1).tolist()
        chains = [self._draw_chain(images, row) for row in numbers]
        return (weights / weights.sum()).tolist(), own, chains

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The images mixed with those from the chains, clipped."""
        return self._mixed(images, drawn, False).clamp(*self.value_range)

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The masks mixed alike."""
        return self._mixed(masks, drawn, True)

    def _mixed(self, images: torch.Tensor, drawn: Any, are_masks: bool) -> torch.Tensor:
        weights, own, chains = drawn
        total = own * images
        for weight, chain in zip(weights, chains, strict=True):
            changed = images
            for part, drawn_by_it in chain:
                changed = (part.augment_masks if are_masks else part.augment)(changed, drawn_by_it)
            total = total + (1 - own) * weight * changed
        return total


class RandAugment(_Policy):
    """Images through num_ops random layers, the same for a batch, while training.

    factor: of the layers; a number f means (0, f). Keras: keras.layers.RandAugment (Keras 3).
    """

    _moves = True

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.value_range, self.factor = self.pair("value_range", value_range), self.bounds("factor", factor, 0)
        self.num_ops, self.interpolation = num_ops, interpolation
        self._make_parts(self.value_range, self.factor, interpolation, True)

    def draw(self, images: torch.Tensor) -> Any:
        """The layers, each with what it draws."""
        return self._draw_chain(images, self.random.integers((self.num_ops,), len(self._parts)).tolist())

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The images through each layer."""
        for part, own in drawn:
            images = part.augment(images, own)
        return images

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The masks through each layer."""
        for part, own in drawn:
            masks = part.augment_masks(masks, own)
        return masks

    def augment_boxes(self, boxes: torch.Tensor, drawn: Any, height: int, width: int) -> torch.Tensor:
        """The boxes through each layer."""
        for part, own in drawn:
            boxes = part.augment_boxes(boxes, own, height, width)
        return boxes
