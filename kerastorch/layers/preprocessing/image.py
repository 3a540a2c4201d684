"""Rescaling, Resizing, CenterCrop."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.config import image_data_format, torch_dtype
from kerastorch.layers.base import Layer
from kerastorch.nn.image_resize import CenterCropOrResize, Resize

__all__ = ["CenterCrop", "Rescaling", "Resizing"]

INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")


class ImageLayer(Layer):
    """What layers on images share: (height, width, channels) with or without a batch axis before, or channels_first."""

    def __init__(self, *, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if data_format not in (None, "channels_last", "channels_first"):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': data_format must be 'channels_last' or 'channels_first', got "
                f"{data_format!r}."
            )
        self._format_given = data_format
        self._first = (
            data_format or ("channels_last" if self._last_by_default else image_data_format())
        ) == "channels_first"

    _last_by_default = True

    @property
    def data_format(self) -> str:
        """'channels_last' or 'channels_first'."""
        return "channels_first" if self._first else "channels_last"

    def build(self, input_shape: Any) -> None:
        """Learns whether there is a batch axis."""
        if len(input_shape) not in (3, 4):
            raise ValueError(
                f"{type(self).__name__} '{self.name}' takes images (height, width, channels), or batches of them, "
                "got shape "
                f"{tuple(input_shape)}."
            )
        self._batched = len(input_shape) == 4
        self.built = True

    def _channels_first(self, images: torch.Tensor) -> torch.Tensor:
        if self._first:
            return images
        return images.permute(0, 3, 1, 2) if self._batched else images.permute(2, 0, 1)

    def _back(self, images: torch.Tensor) -> torch.Tensor:
        if self._first:
            return images
        return images.permute(0, 2, 3, 1) if self._batched else images.permute(1, 2, 0)

    def _cast(self, structure: Any) -> Any:
        cast = super()._cast(structure)
        # Integers, too, are computed with as floats.
        if isinstance(cast, torch.Tensor):
            return cast.to(torch_dtype(self._compute_dtype))
        return cast

    def compute_output_dtype(self, input_dtype: str) -> str:
        """The layer's own."""
        return self.compute_dtype

    def _with_size(self, shape: Any, height: int | None, width: int | None) -> tuple:
        shape = list(shape)
        at = len(shape) - (2 if self._first else 3)
        shape[at : at + 2] = height, width
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments; data_format where it is channels_first."""
        config = super().get_config()
        config.pop("data_format", None)
        if self._first:
            config["data_format"] = self.data_format
        return config


class Rescaling(Layer):
    """`inputs * scale + offset`; any shape, kept. scale, offset: numbers, or lists for the last axis.

    Keras: tf.keras.layers.Rescaling.
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._given = {"scale": _number(scale), "offset": _number(offset)}
        for name, value in self._given.items():
            if isinstance(value, (list, tuple)):
                tensor = torch.tensor(value, dtype=torch_dtype(self._variable_dtype), device=self._device())
                self.register_buffer(name, tensor, persistent=False)
            else:
                setattr(self, name, value)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs, rescaled, as floats."""
        return inputs.to(torch_dtype(self._compute_dtype)) * self.scale + self.offset

    def compute_output_dtype(self, input_dtype: str) -> str:
        """The layer's own."""
        return self.compute_dtype

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def _constructor_config(self, owner: type | None = None) -> dict[str, Any]:
        return dict(self._given)


def _number(value: Any) -> Any:
    if isinstance(value, dict) and "config" in value:  # Keras 3 writes arrays so
        value = value["config"]["value"]
    return value.tolist() if hasattr(value, "tolist") else value


class Resizing(ImageLayer):
    """Images at another size.

    (batch, height, width, channels), or without batch -> the same with the given height and width, as floats.
    interpolation: 'bilinear', 'nearest', 'bicubic', 'area', 'lanczos3', 'lanczos5', 'gaussian' or 'mitchellcubic'.
    crop_to_aspect_ratio: the middle is resized, undistorted; pad_to_aspect_ratio: with borders of fill_value.
    Raises ValueError for another interpolation.
    Keras: tf.keras.layers.Resizing.
    """

    _last_by_default = False

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        *,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if str(interpolation).lower() not in INTERPOLATIONS:
            raise ValueError(
                f"Resizing '{self.name}': interpolation must be one of {INTERPOLATIONS}, got {interpolation!r}."
            )
        if pad_to_aspect_ratio and crop_to_aspect_ratio:
            raise ValueError(
                f"Resizing '{self.name}': only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be True."
            )
        if fill_mode != "constant":
            raise ValueError(f"Resizing '{self.name}': fill_mode must be 'constant', got {fill_mode!r}.")
        self.height, self.width, self.interpolation = height, width, interpolation
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.fill_mode, self.fill_value, self.antialias = fill_mode, fill_value, antialias
        aspect = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else "stretch"
        self.resize = Resize(height, width, str(interpolation).lower(), antialias, aspect, fill_value)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The images, resized."""
        return self._back(self.resize(self._channels_first(inputs.to(torch_dtype(self._compute_dtype)))))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """With the given height and width."""
        return self._with_size(input_shape, self.height, self.width)

    def get_config(self) -> dict[str, Any]:
        """tf.keras's keys; what only Keras 3 knows where it is not at its default."""
        config = super().get_config()
        for key, neutral in (
            ("pad_to_aspect_ratio", False),
            ("fill_mode", "constant"),
            ("fill_value", 0.0),
            ("antialias", False),
        ):
            if config.get(key) == neutral:
                del config[key]
        return config


class CenterCrop(ImageLayer):
    """The middle of images; images smaller than that are resized, undistorted.

    (batch, height, width, channels), or without batch -> the same with the given height and width, as floats.
    Keras: tf.keras.layers.CenterCrop.
    """

    _last_by_default = False

    def __init__(self, height: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height, self.width = height, width
        self.crop = CenterCropOrResize(height, width)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The images, cropped."""
        return self._back(self.crop(self._channels_first(inputs.to(torch_dtype(self._compute_dtype)))))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """With the given height and width."""
        return self._with_size(input_shape, self.height, self.width)
