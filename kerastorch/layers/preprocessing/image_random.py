"""Random image layers of tf.keras 2: flips, crops, rotations, translations, zooms, contrast, brightness, sizes.

They change images while training only, and begin in training: called by themselves they change images, in `predict` and
after `eval()` they do not. Without a seed they draw from torch's global generator; with one, from their own.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from kerastorch.layers.arguments import number, whole
from kerastorch.layers.preprocessing.bounding_boxes import moved
from kerastorch.layers.preprocessing.image import INTERPOLATIONS
from kerastorch.layers.preprocessing.image_base import RandomImageLayer, resized_boxes, resized_masks
from kerastorch.nn.image_resize import Resize
from kerastorch.nn.warp import FILL_MODES, rotations, translations, warp, zooms

__all__ = [
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomHeight",
    "RandomRotation",
    "RandomTranslation",
    "RandomWidth",
    "RandomZoom",
]


class WarpLayer(RandomImageLayer):
    """A layer that warps images: write `draw(images)`, which returns transforms (batch, 8); see `warp`."""

    _moves = True
    fill_mode, interpolation, fill_value = "reflect", "bilinear", 0.0

    def _fill(self, fill_mode: str, interpolation: str, fill_value: float, modes: tuple[str, ...] = FILL_MODES) -> None:
        if fill_mode not in modes:
            raise NotImplementedError(f"{type(self).__name__}: unknown fill_mode {fill_mode!r}; give one of {modes}.")
        if interpolation not in ("nearest", "bilinear"):
            raise NotImplementedError(
                f"{type(self).__name__}: unknown interpolation {interpolation!r}; give 'nearest' or 'bilinear'."
            )
        self.fill_mode, self.interpolation, self.fill_value = fill_mode, interpolation, fill_value

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image warped by its own transform."""
        return warp(images, drawn, self.fill_mode, self.interpolation, self.fill_value)

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each mask warped as its image, by the nearest values."""
        return warp(masks, drawn, self.fill_mode, "nearest", self.fill_value)

    def augment_boxes(self, boxes: torch.Tensor, drawn: Any, height: int, width: int) -> torch.Tensor:
        """The boxes around where the corners go."""
        return moved(boxes, drawn)


class _RngTyped(RandomImageLayer):
    """A layer that tf.keras 2 has."""

    def get_config(self) -> dict[str, Any]:
        """The arguments, and rng_type as tf.keras 2 writes it."""
        return {**super().get_config(), "rng_type": "stateful"}

    def _range(self, key: str, factor: Any, low: float, high: float) -> tuple[float, float]:
        """A factor as lower and upper bound: a number f means (-f, f)."""
        pair = isinstance(factor, (list, tuple))
        for bound in factor if pair else [factor]:
            number(self, key, bound)
        lower, upper = (
            (factor[0], factor[1]) if pair and len(factor) == 2 else (-factor, factor) if not pair else (1, 0)
        )
        if not low <= lower <= upper <= high:
            raise self._error(
                f"{key} must be a number, or a lower and an upper bound, within [{low}, {high}], got {factor!r}."
            )
        return lower, upper


class RandomFlip(_RngTyped):
    """Images mirrored at random, each by itself. mode: 'horizontal', 'vertical' or 'horizontal_and_vertical'.

    Raises ValueError for another mode. Keras: tf.keras.layers.RandomFlip.
    """

    _moves = True

    def __init__(self, mode: str = "horizontal_and_vertical", seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        if mode not in ("horizontal", "vertical", "horizontal_and_vertical"):
            raise self._error(f"mode must be 'horizontal', 'vertical' or 'horizontal_and_vertical', got {mode!r}.")
        self.mode = mode

    def draw(self, images: torch.Tensor) -> Any:
        """For each image whether it is mirrored, in each direction: two of (batch, 1, 1, 1), or None."""
        shape = (len(images), 1, 1, 1)
        directions = ("horizontal", "vertical")
        return [self.random.uniform(shape).to(images.device) < 0.5 if d in self.mode else None for d in directions]

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image mirrored with probability 1/2, in each direction."""
        for coin, axis in zip(drawn, (2, 1), strict=True):
            if coin is not None:
                images = torch.where(coin, images.flip(axis), images)
        return images

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each mask mirrored as its image."""
        return self.augment(masks, drawn)

    def augment_boxes(self, boxes: torch.Tensor, drawn: Any, height: int, width: int) -> torch.Tensor:
        """Each box mirrored as its image."""
        for coin, low, size in zip(drawn, (0, 1), (width, height), strict=True):
            if coin is not None:
                flipped = boxes.clone()
                flipped[..., low], flipped[..., low + 2] = size - boxes[..., low + 2], size - boxes[..., low]
                boxes = torch.where(coin[..., 0].to(boxes.device), flipped, boxes)
        return boxes


class RandomTranslation(WarpLayer, _RngTyped):
    """Images moved at random. height_factor, width_factor: shares of the size; a number f means (-f, f).

    fill_mode: 'reflect', 'constant' (with fill_value), 'wrap' or 'nearest'. interpolation: 'bilinear' or 'nearest'.
    Raises ValueError for factors outside [-1, 1]. Keras: tf.keras.layers.RandomTranslation.
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = self._range("height_factor", height_factor, -1.0, 1.0)
        self._width = self._range("width_factor", width_factor, -1.0, 1.0)
        self._fill(fill_mode, interpolation, fill_value)

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Transforms that move each image by its own shares."""
        batch, height, width = images.shape[:3]
        down = self.random.uniform(batch, *self._height) * height
        return translations(down, self.random.uniform(batch, *self._width) * width)


class RandomRotation(WarpLayer, _RngTyped):
    """Images turned at random. factor: a share of a full turn, counterclockwise; a number f means (-f, f).

    The rest as RandomTranslation. Keras: tf.keras.layers.RandomRotation.
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.factor = factor
        self._turn = self._range("factor", factor, -math.inf, math.inf)
        self._fill(fill_mode, interpolation, fill_value)

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Transforms that turn each image by its own angle."""
        return rotations(self.random.uniform(len(images), *self._turn) * (2 * math.pi), *images.shape[1:3])


class RandomZoom(WarpLayer, _RngTyped):
    """Images zoomed at random: out by positive shares, in by negative ones. width_factor: by default as the height.

    The rest as RandomTranslation. Keras: tf.keras.layers.RandomZoom.
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = self._bounds("height_factor", height_factor, 1.0)
        self._width = None if width_factor is None else self._bounds("width_factor", width_factor, math.inf)
        self._fill(fill_mode, interpolation, fill_value)

    def _bounds(self, key: str, factor: Any, high: float) -> tuple[float, float]:
        """As `_range`, in either order, which is all the same here to both Kerases."""
        pair = isinstance(factor, (list, tuple))
        if pair and len(factor) == 2 and all(isinstance(x, (int, float)) for x in factor):
            factor = sorted(factor)
        return self._range(key, abs(factor) if isinstance(factor, (int, float)) else factor, -1.0, high)

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Transforms that zoom each image by its own shares."""
        vertical = self.random.uniform(len(images), *self._height) + 1
        horizontal = vertical if self._width is None else self.random.uniform(len(images), *self._width) + 1
        return zooms(vertical, horizontal, *images.shape[1:3])


class RandomContrast(_RngTyped):
    """Images with more or less contrast, the same for a batch. factor: a number f, for 1 - f to 1 + f, or two bounds.

    Raises ValueError for factors outside [0, 1]. Keras: tf.keras.layers.RandomContrast.
    """

    def __init__(self, factor: Any, seed: int | None = None, *, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.factor, self.value_range = factor, tuple(value_range)
        pair = isinstance(factor, (list, tuple))
        for bound in factor if pair else [factor]:
            number(self, "factor", bound)
        if pair and len(factor) != 2:
            raise self._error(f"factor must be a number or two, got {factor!r}.")
        self._lower, self._upper = factor if pair else (factor, factor)
        if self._lower < 0 or self._upper < 0 or self._lower > 1:
            raise self._error(f"factor must not be negative, and its lower bound at most 1, got {factor!r}.")

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """The factor for the batch."""
        return self.random.uniform((), 1 - self._lower, 1 + self._upper).to(images.device, images.dtype)

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """`(images - mean) * factor + mean`, the mean being of each image's channel, clipped."""
        mean = images.mean((1, 2), keepdim=True)
        return ((images - mean) * drawn + mean).clamp(*self.value_range)

    def get_config(self) -> dict[str, Any]:
        """factor and seed; value_range where it is not (0, 255)."""
        config = super().get_config()
        if tuple(self.value_range) != (0, 255):
            config["value_range"] = list(self.value_range)
        else:
            config.pop("value_range", None)
        return config


class RandomBrightness(_RngTyped):
    """Images made brighter or darker by a share of value_range, each by its own. factor: f means (-f, f).

    Raises ValueError for factors outside [-1, 1] and a value_range that is no pair. Keras:
    tf.keras.layers.RandomBrightness.
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        pair = isinstance(factor, (list, tuple))
        given = sorted(factor) if pair else abs(number(self, "factor", factor, ValueError))
        self.factor = list(self._range("factor", given, -1.0, 1.0))
        self.value_range = self.pair("value_range", value_range)

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """Each image's shift."""
        low, high = self.value_range
        shift = self.random.uniform((len(images), 1, 1, 1), *self.factor) * (high - low)
        return shift.to(images.device, images.dtype)

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Each image plus its own shift, clipped."""
        return (images + drawn).clamp(*self.value_range)


class RandomCrop(_RngTyped):
    """A part of the given size, at a random place that is the same for a batch.

    Not while training, and where images are smaller, the middle at the target's aspect is resized; without
    resize_in_inference images stay as they are when not training, as in Keras 3.
    Keras: tf.keras.layers.RandomCrop.
    """

    _moves = True

    def __init__(
        self, height: int, width: int, seed: int | None = None, *, resize_in_inference: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.height, self.width = whole(self, "height", height), whole(self, "width", width)
        self.resize_in_inference = resize_in_inference
        self.resize = Resize(height, width, aspect="crop")

    def acts(self, training: bool) -> bool:
        """Always, unless images stay as they are in inference."""
        return bool(training) or self.resize_in_inference

    def draw(self, images: torch.Tensor) -> Any:
        """The upper left corner of the part, or None where the images are too small."""
        down, right = images.shape[1] - self.height, images.shape[2] - self.width
        if down < 0 or right < 0:
            return None
        return int(self.random.uniform((), 0, down + 1)), int(self.random.uniform((), 0, right + 1))

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The part at a random place; or the middle, resized."""
        if drawn is None:
            return self.resize(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        top, left = drawn
        return images[:, top : top + self.height, left : left + self.width]

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The same part."""
        return resized_masks(masks, self.resize) if drawn is None else self.augment(masks, drawn)

    def augment_boxes(self, boxes: torch.Tensor, drawn: Any, height: int, width: int) -> torch.Tensor:
        """The boxes, as seen from the part."""
        if drawn is None:
            return resized_boxes(boxes, self.resize, height, width)
        return boxes - boxes.new_tensor([drawn[1], drawn[0]] * 2)

    def _image_shape(self, shape: Any) -> tuple:
        return self._with_size(shape, self.height, self.width)

    def get_config(self) -> dict[str, Any]:
        """height, width and seed; resize_in_inference where it is false."""
        config = super().get_config()
        if self.resize_in_inference:
            del config["resize_in_inference"]
        return config


class _RandomSize(_RngTyped):
    """Images at a random height or width, the same for a batch. factor: a share; a number f means (-f, f)."""

    _moves, _vertical = True, True

    def __init__(self, factor: Any, interpolation: str = "bilinear", seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.factor, self.interpolation = factor, interpolation
        self._share = self._range("factor", factor, -1.0, math.inf)
        if str(interpolation).lower() not in INTERPOLATIONS:
            raise NotImplementedError(
                f"{type(self).__name__} '{self.name}': unknown interpolation {interpolation!r}; give one of "
                f"{INTERPOLATIONS}."
            )

    def draw(self, images: torch.Tensor) -> Resize:
        """What resizes the batch."""
        height, width = images.shape[1:3]
        factor = float(self.random.uniform((), *self._share)) + 1
        size = (int(factor * height), width) if self._vertical else (height, int(factor * width))
        return Resize(*size, str(self.interpolation).lower())

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The batch at its own size."""
        return drawn(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The masks at the images' size."""
        return resized_masks(masks, drawn)

    def augment_boxes(self, boxes: torch.Tensor, drawn: Any, height: int, width: int) -> torch.Tensor:
        """The boxes, moved along."""
        return resized_boxes(boxes, drawn, height, width)

    def _image_shape(self, shape: Any) -> tuple:
        at = len(shape) - (2 if self._first else 3) + (not self._vertical)
        return (*shape[:at], None, *shape[at + 1 :])


class RandomHeight(_RandomSize):
    """Images at a random height: see the share `factor`. Keras: tf.keras.layers.RandomHeight. Eras: 2."""


class RandomWidth(_RandomSize):
    """Images at a random width: see the share `factor`. Keras: tf.keras.layers.RandomWidth. Eras: 2."""

    _vertical = False
