"""Layers of Keras 3 that mix the images of a batch, or erase parts of them: CutMix, MixUp, RandomErasing."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.layers.preprocessing.image_base import RandomImageLayer
from kerastorch.layers.preprocessing.image_color import ColorLayer

__all__ = ["CutMix", "MixUp", "RandomErasing"]


def rectangles(
    layer: RandomImageLayer, images: torch.Tensor, shares: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A rectangle at a random place of each image: a mask (batch, height, width, 1), and the share of the area.

    shares: (batch, 2), the rectangle's width and height as shares of the image's.
    """
    batch, height, width = images.shape[:3]
    sides = shares * torch.tensor([width, height])
    starts = layer.random.uniform((batch, 2)) * (torch.tensor([width, height]) - sides)
    inside = []
    for axis, size in enumerate((width, height)):
        place = torch.arange(size)
        start, stop = starts[:, axis, None], (starts + sides)[:, axis, None]
        inside.append((place >= start) & (place < stop))
    mask = inside[1][:, :, None, None] & inside[0][:, None, :, None]
    return mask.to(images.device), sides.prod(1) / (width * height)


def weighted(one: torch.Tensor, other: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`weight * one + (1 - weight) * other`, a weight for each sample."""
    weight = weight.to(one.device, one.dtype if one.is_floating_point() else torch.float32)
    weight = weight.reshape(-1, *[1] * (one.ndim - 1))
    return weight * one + (1 - weight) * other


class CutMix(RandomImageLayer):
    """Images with a rectangle from another image of the batch, and labels mixed by the areas, while training.

    factor: the parameter of the beta distribution of the rectangle's share, in [0, 1]; a number f means (0, f).
    Labels: (batch, classes), as probabilities. Bounding boxes raise NotImplementedError, as in Keras.
    Keras: keras.layers.CutMix (Keras 3).
    """

    _moves = True

    def __init__(
        self, factor: Any = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = self.bounds("factor", factor, 0)

    def draw(self, images: torch.Tensor) -> Any:
        """The other images' numbers, the masks of the rectangles, and the share that each image keeps."""
        if not self._batched:
            return None
        alpha = float(self.random.uniform((), *self.factor)) + 1e-6
        side = (1 - self.random.beta(len(images), alpha)).sqrt()
        mask, share = rectangles(self, images, torch.stack([side, side], 1))
        return self.random.order(len(images)).to(images.device), mask, 1 - share

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image with its rectangle."""
        if drawn is None:
            return images
        order, mask, _ = drawn
        return torch.where(mask, images[order], images)

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each mask with the same rectangle."""
        return self.augment(masks, drawn)

    def augment_labels(self, labels: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Labels mixed by the areas."""
        return labels if drawn is None else weighted(labels, labels[drawn[0].to(labels.device)], drawn[2])

    def augment_boxes(self, boxes: torch.Tensor, drawn: Any, height: int, width: int) -> torch.Tensor:
        """Raises NotImplementedError."""
        raise NotImplementedError(f"CutMix '{self.name}' cannot mix bounding boxes; leave them out.")


class MixUp(RandomImageLayer):
    """Images mixed with others of the batch, and their labels and masks alike, while training.

    alpha: the parameter of the beta distribution of the weights. Labels: (batch, classes), as probabilities. Bounding
    boxes are those of both images. Keras: keras.layers.MixUp (Keras 3).
    """

    def __init__(
        self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.alpha = alpha

    def draw(self, images: torch.Tensor) -> Any:
        """The other images' numbers, and each image's weight."""
        order = self.random.order(len(images)).to(images.device)
        return order, self.random.beta(len(images), self.alpha).to(images.device)

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image mixed with another."""
        order, weight = drawn
        return weighted(images, images[order.to(images.device)], weight)

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each mask mixed with the other's."""
        return self.augment(masks, drawn)

    def augment_labels(self, labels: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each label mixed with the other's."""
        return self.augment(labels, drawn)

    def _augment_boxes(self, boxes: Any, labels: Any, drawn: Any, before: Any, after: Any) -> Any:
        order = drawn[0].to(boxes.device)
        return torch.cat([boxes, boxes[order]], 1), torch.cat([labels, labels[order]], 1)


class RandomErasing(ColorLayer):
    """Images with a rectangle erased, each with a probability, while training.

    factor: the probability; a number f means one between 0 and f. scale: of which the root is each side's share of the
    image's; a number s means one between 0 and s. fill_value: a number, or three, or None for normal noise.
    Keras: keras.layers.RandomErasing (Keras 3).
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor, self.scale = self.bounds("factor", factor, 0), self.bounds("scale", scale, 0)
        numbers = fill_value if isinstance(fill_value, (list, tuple)) else [fill_value] * 3
        if fill_value is not None and (len(numbers) != 3 or not all(isinstance(x, (int, float)) for x in numbers)):
            raise self._error(f"fill_value must be a number, a list of three, or None, got {fill_value!r}.")
        self.fill_value = list(fill_value) if isinstance(fill_value, tuple) else fill_value

    def draw(self, images: torch.Tensor) -> Any:
        """Which pixels are erased, and what stands in their places."""
        mask, _ = rectangles(self, images, self.random.uniform((len(images), 2), *self.scale).sqrt())
        chosen = self.random.chosen((len(images), 1, 1, 1), self.factor).to(images.device)
        if self.fill_value is None:
            fill = self.random.normal(images.shape) * self.value_range[1]
        else:
            fill = torch.tensor(self.fill_value, dtype=torch.float32)
        return mask & chosen, fill.to(images.device, images.dtype).clamp(*self.value_range)

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image as it is, or without its rectangle."""
        return torch.where(drawn[0], drawn[1], images)
