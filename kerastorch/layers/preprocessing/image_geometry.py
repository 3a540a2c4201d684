"""Geometric changes of Keras 3: RandomShear, RandomPerspective, RandomElasticTransform."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.layers.preprocessing.image_base import RandomImageLayer
from kerastorch.layers.preprocessing.image_blur import blur
from kerastorch.layers.preprocessing.image_random import WarpLayer
from kerastorch.nn.warp import FILL_MODES, homographies, sample, shears

__all__ = ["RandomElasticTransform", "RandomPerspective", "RandomShear"]


class RandomShear(WarpLayer):
    """Images sheared, each its own way, while training.

    x_factor, y_factor: by how many columns a row, and rows a column, in [0, 1]; a number f means (-f, f). The sign is
    drawn too. fill_mode: 'reflect', 'constant' (with fill_value), 'wrap' or 'nearest'.
    Keras: keras.layers.RandomShear (Keras 3).
    """

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.x_factor, self.y_factor = self._shear("x_factor", x_factor), self._shear("y_factor", y_factor)
        self._fill(fill_mode, interpolation, fill_value)

    def _shear(self, key: str, factor: Any) -> list[float]:
        # Keras writes (-f, f) into configs, which its own constructor refuses.
        if not isinstance(factor, (list, tuple)) and not (isinstance(factor, (int, float)) and 0 <= factor <= 1):
            raise self._error(f"{key} must be a number, or a list of two, within [0, 1], got {factor!r}.")
        return self.bounds(key, factor)

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Transforms that shear each image."""
        signs = self.random.signs(len(images))
        vertical = self.random.uniform(len(images), *self.y_factor) * signs
        return shears(self.random.uniform(len(images), *self.x_factor) * signs, vertical)


class RandomPerspective(WarpLayer):
    """Images as if seen from elsewhere: their corners are moved, each with a probability, while training.

    factor: the probability; a number f means one between 0 and f. scale: how far a corner may be moved, as a share of
    its coordinates. What comes from outside is fill_value.
    Raises ValueError for factors and scales outside [0, 1]. Keras: keras.layers.RandomPerspective (Keras 3).
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        if not 0 <= scale <= 1:
            raise self._error(f"scale must be a number in [0, 1], got {scale!r}.")
        self.factor, self.scale = self.bounds("factor", factor, 0), scale
        self._fill("constant", interpolation, fill_value)

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Transforms that move each image's corners, or leave them."""
        batch, height, width = images.shape[:3]
        chosen = self.random.chosen((batch, 1, 1), self.factor)
        share = self.random.uniform((batch, 4, 2), -0.5 * self.scale, 0.5 * self.scale)
        right, bottom = width - 1.0, height - 1.0
        corners = torch.tensor([[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom]]).expand(batch, 4, 2)
        left_alone = torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 0])
        if min(height, width) < 2:  # corners that coincide tell no transform
            return left_alone.expand(batch, 8)
        return torch.where(chosen[..., 0], homographies(corners, corners + corners * share), left_alone)


class RandomElasticTransform(RandomImageLayer):
    """Images with their pixels moved along a smooth random field, each with a probability, while training.

    factor: the probability; a number f means one between 0 and f. scale: the strength of the field, the same for a batch,
    in [0, 1]; a number s means one between 0 and s. fill_mode: 'reflect', 'constant' (with fill_value), 'wrap',
    'nearest' or 'mirror'. Bounding boxes raise NotImplementedError, as in Keras.
    Keras: keras.layers.RandomElasticTransform (Keras 3).
    """

    _moves = True

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.factor, self.scale = self.bounds("factor", factor, 0), self.bounds("scale", scale, 0)
        self.value_range = self.pair("value_range", value_range)
        WarpLayer._fill(self, fill_mode, interpolation, fill_value, (*FILL_MODES, "mirror"))  # type: ignore[arg-type]

    def draw(self, images: torch.Tensor) -> Any:
        """Which images are changed, and the field: by how many pixels each is taken from below, and from the right."""
        if self.scale[1] == 0 or self.factor[1] == 0:
            return None
        batch, height, width = images.shape[:3]
        chosen = self.random.chosen((batch, 1, 1, 1), self.factor).to(images.device)
        strength = float(self.random.uniform((), *self.scale))
        sigma = min(height, width) * 0.05 * strength
        size = [int(6 * sigma) | 1] * 2
        noise = self.random.normal((batch, height, width, 2)) * sigma
        field = blur(noise, size, [max(sigma, 1e-6)] * 2) * (max(height, width) * 0.1 * strength)
        return chosen, field.to(images.device)

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image as it is, or moved; clipped."""
        return images if drawn is None else self._moved(images, drawn, self.interpolation).clamp(*self.value_range)

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each mask moved as its image, by the nearest values."""
        return masks if drawn is None else self._moved(masks, drawn, "nearest")

    def augment_boxes(self, boxes: torch.Tensor, drawn: Any, height: int, width: int) -> torch.Tensor:
        """Raises NotImplementedError: a box does not stay one."""
        raise NotImplementedError(f"RandomElasticTransform '{self.name}' cannot move bounding boxes; leave them out.")

    def _moved(self, images: torch.Tensor, drawn: Any, interpolation: str) -> torch.Tensor:
        chosen, field = drawn
        height, width = images.shape[1:3]
        y = torch.arange(height, device=images.device)[:, None] + field[..., 1]
        x = torch.arange(width, device=images.device) + field[..., 0]
        mode = "periodic" if self.fill_mode == "wrap" else self.fill_mode
        return torch.where(chosen, sample(images, y, x, mode, interpolation, self.fill_value), images)
