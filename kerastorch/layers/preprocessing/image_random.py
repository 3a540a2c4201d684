"""Random image layers of tf.keras 2: flips, crops, rotations, translations, zooms, contrast, brightness, sizes.

They change images while training only. Without a seed they draw from torch's global generator; with one, from their
own.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from kerastorch.layers.preprocessing.image import INTERPOLATIONS, ImageLayer
from kerastorch.layers.preprocessing.warp import FILL_MODES, rotations, translations, warp, zooms
from kerastorch.nn.image_resize import Resize

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


class RandomImageLayer(ImageLayer):
    """An image layer that changes images while training: write `augment(images)`, of (batch, height, width, channels).

    seed: of the layer's own generator. It runs as it is, outside of what is lowered.
    """

    _is_random = True

    def __init__(self, *, seed: Any = None, rng_type: str | None = None, **kwargs: Any) -> None:
        kwargs.pop("force_generator", None)
        super().__init__(**kwargs)
        self.seed = seed
        self._generator: torch.Generator | None = None

    @property
    def is_traceable(self) -> bool:
        """What is random depends on the phase and on the images' shapes."""
        return not self._is_random and super().is_traceable

    def uniform(self, shape: Any, low: float, high: float) -> torch.Tensor:
        """Random numbers in [low, high), drawn on the CPU, so that all devices see the same."""
        if self.seed is not None and self._generator is None:
            self._generator = torch.Generator().manual_seed(int(self.seed))
        return torch.rand(shape, generator=self._generator) * (high - low) + low

    def call(self, inputs: torch.Tensor, training: bool | None = None) -> torch.Tensor:
        """The images; changed, while training."""
        if training is None or not training:
            return self.unchanged(inputs)
        images = inputs.to(self._image_dtype())
        if self._first:
            images = images.permute(0, 2, 3, 1) if self._batched else images.permute(1, 2, 0)
        changed = self.augment(images if self._batched else images.unsqueeze(0))
        changed = changed if self._batched else changed[0]
        if self._first:
            changed = changed.permute(0, 3, 1, 2) if self._batched else changed.permute(2, 0, 1)
        return changed

    def _image_dtype(self) -> torch.dtype:
        return getattr(torch, self._compute_dtype)

    def unchanged(self, inputs: torch.Tensor) -> torch.Tensor:
        """What inference returns."""
        return inputs.to(self._image_dtype())

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """The images, changed: (batch, height, width, channels) as floats."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments, and rng_type as tf.keras 2 writes it."""
        return {**super().get_config(), "rng_type": "stateful"}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_generator": None}

    # Checks of arguments

    def _error(self, text: str) -> ValueError:
        return ValueError(f"{type(self).__name__} '{self.name}': {text}")

    def _range(self, key: str, factor: Any, low: float, high: float) -> tuple[float, float]:
        """A factor as lower and upper bound: a number f means (-f, f)."""
        pair = isinstance(factor, (list, tuple))
        lower, upper = (
            (factor[0], factor[1]) if pair and len(factor) == 2 else (-factor, factor) if not pair else (1, 0)
        )
        if not low <= lower <= upper <= high:
            raise self._error(
                f"{key} must be a number, or a lower and an upper bound, within [{low}, {high}], got {factor!r}."
            )
        return lower, upper

    def _fill(self, fill_mode: str, interpolation: str, fill_value: float) -> None:
        if fill_mode not in FILL_MODES:
            raise NotImplementedError(
                f"{type(self).__name__}: unknown fill_mode {fill_mode!r}; give one of {FILL_MODES}."
            )
        if interpolation not in ("nearest", "bilinear"):
            raise NotImplementedError(
                f"{type(self).__name__}: unknown interpolation {interpolation!r}; give 'nearest' or 'bilinear'."
            )
        self.fill_mode, self.interpolation, self.fill_value = fill_mode, interpolation, fill_value

    def _warp(self, images: torch.Tensor, transforms: torch.Tensor) -> torch.Tensor:
        return warp(images, transforms, self.fill_mode, self.interpolation, self.fill_value)


class RandomFlip(RandomImageLayer):
    """Images mirrored at random, each by itself. mode: 'horizontal', 'vertical' or 'horizontal_and_vertical'.

    Raises ValueError for another mode. Keras: tf.keras.layers.RandomFlip.
    """

    def __init__(self, mode: str = "horizontal_and_vertical", seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        if mode not in ("horizontal", "vertical", "horizontal_and_vertical"):
            raise self._error(f"mode must be 'horizontal', 'vertical' or 'horizontal_and_vertical', got {mode!r}.")
        self.mode = mode

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """Each image mirrored with probability 1/2, in each direction."""
        for direction, axis in (("horizontal", 2), ("vertical", 1)):
            if direction in self.mode:
                coin = self.uniform((len(images), 1, 1, 1), 0, 1).to(images.device) < 0.5
                images = torch.where(coin, images.flip(axis), images)
        return images


class RandomTranslation(RandomImageLayer):
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

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """Each image moved by its own shares."""
        batch, height, width = images.shape[:3]
        down, right = self.uniform(batch, *self._height) * height, self.uniform(batch, *self._width) * width
        return self._warp(images, translations(down, right))


class RandomRotation(RandomImageLayer):
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

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """Each image turned by its own angle."""
        angles = self.uniform(len(images), *self._turn) * (2 * math.pi)
        return self._warp(images, rotations(angles, *images.shape[1:3]))


class RandomZoom(RandomImageLayer):
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
        self._height = self._range("height_factor", height_factor, -1.0, 1.0)
        self._width = None if width_factor is None else self._range("width_factor", width_factor, -1.0, math.inf)
        self._fill(fill_mode, interpolation, fill_value)

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """Each image zoomed by its own shares."""
        vertical = self.uniform(len(images), *self._height) + 1
        horizontal = vertical if self._width is None else self.uniform(len(images), *self._width) + 1
        return self._warp(images, zooms(vertical, horizontal, *images.shape[1:3]))


class RandomContrast(RandomImageLayer):
    """Images with more or less contrast, the same for a batch. factor: a number f, for 1 - f to 1 + f, or two bounds.

    Raises ValueError for factors outside [0, 1]. Keras: tf.keras.layers.RandomContrast.
    """

    def __init__(self, factor: Any, seed: int | None = None, *, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.factor, self.value_range = factor, tuple(value_range)
        pair = isinstance(factor, (list, tuple))
        self._lower, self._upper = factor if pair else (factor, factor)
        if self._lower < 0 or self._upper < 0 or self._lower > 1:
            raise self._error(f"factor must not be negative, and its lower bound at most 1, got {factor!r}.")

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """`(images - mean) * factor + mean`, the mean being of each image's channel, clipped."""
        factor = self.uniform((), 1 - self._lower, 1 + self._upper).to(images.device, images.dtype)
        mean = images.mean((1, 2), keepdim=True)
        return ((images - mean) * factor + mean).clamp(*self.value_range)

    def get_config(self) -> dict[str, Any]:
        """factor and seed; value_range where it is not (0, 255)."""
        config = super().get_config()
        if tuple(self.value_range) != (0, 255):
            config["value_range"] = list(self.value_range)
        else:
            config.pop("value_range", None)
        return config


class RandomBrightness(RandomImageLayer):
    """Images made brighter or darker by a share of value_range, each by its own. factor: f means (-f, f).

    Raises ValueError for factors outside [-1, 1] and a value_range that is no pair. Keras:
    tf.keras.layers.RandomBrightness.
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        if not isinstance(value_range, (list, tuple)) or len(value_range) != 2:
            raise self._error(f"value_range must be a list of two numbers, got {value_range!r}.")
        given = sorted(factor) if isinstance(factor, (list, tuple)) else abs(factor)
        self.__dict__["factor"] = list(self._range("factor", given, -1.0, 1.0))
        self.__dict__["value_range"] = sorted(value_range)

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """Each image plus its own shift, clipped."""
        low, high = self.value_range
        shift = self.uniform((len(images), 1, 1, 1), *self.factor) * (high - low)
        return (images + shift.to(images.device, images.dtype)).clamp(low, high)


class RandomCrop(RandomImageLayer):
    """A part of the given size, at a random place that is the same for a batch.

    Not while training, and where images are smaller, the middle at the target's aspect is resized; without
    resize_in_inference images stay as they are when not training, as in Keras 3.
    Keras: tf.keras.layers.RandomCrop.
    """

    def __init__(
        self, height: int, width: int, seed: int | None = None, *, resize_in_inference: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.height, self.width, self.resize_in_inference = height, width, resize_in_inference
        self.resize = Resize(height, width, aspect="crop")

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """The part at a random place."""
        down, right = images.shape[1] - self.height, images.shape[2] - self.width
        if down < 0 or right < 0:
            return self.resize(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        top, left = int(self.uniform((), 0, down + 1)), int(self.uniform((), 0, right + 1))
        return images[:, top : top + self.height, left : left + self.width]

    def unchanged(self, inputs: torch.Tensor) -> torch.Tensor:
        """The middle, resized."""
        if not self.resize_in_inference:
            return super().unchanged(inputs)
        return self._back(self.resize(self._channels_first(inputs.to(self._image_dtype()))))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """With the given height and width."""
        return self._with_size(input_shape, self.height, self.width)

    def get_config(self) -> dict[str, Any]:
        """height, width and seed; resize_in_inference where it is false."""
        config = super().get_config()
        if self.resize_in_inference:
            del config["resize_in_inference"]
        return config


class _RandomSize(RandomImageLayer):
    """Images at a random height or width, the same for a batch. factor: a share; a number f means (-f, f)."""

    def __init__(self, factor: Any, interpolation: str = "bilinear", seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.factor, self.interpolation = factor, interpolation
        self._share = self._range("factor", factor, -1.0, math.inf)
        if str(interpolation).lower() not in INTERPOLATIONS:
            raise NotImplementedError(
                f"{type(self).__name__} '{self.name}': unknown interpolation {interpolation!r}; give one of "
                f"{INTERPOLATIONS}."
            )

    def _resized(self, images: torch.Tensor, vertical: bool) -> torch.Tensor:
        height, width = images.shape[1:3]
        factor = float(self.uniform((), *self._share)) + 1
        size = (int(factor * height), width) if vertical else (height, int(factor * width))
        resize = Resize(*size, str(self.interpolation).lower())
        return resize(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class RandomHeight(_RandomSize):
    """Images at a random height: see the share `factor`. Keras: tf.keras.layers.RandomHeight."""

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """The batch at its own height."""
        return self._resized(images, True)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's, with an unknown height."""
        at = len(input_shape) - (2 if self._first else 3)
        return (*input_shape[:at], None, *input_shape[at + 1 :])


class RandomWidth(_RandomSize):
    """Images at a random width: see the share `factor`. Keras: tf.keras.layers.RandomWidth."""

    def augment(self, images: torch.Tensor) -> torch.Tensor:
        """The batch at its own width."""
        return self._resized(images, False)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's, with an unknown width."""
        at = len(input_shape) - (1 if self._first else 2)
        return (*input_shape[:at], None, *input_shape[at + 1 :])
