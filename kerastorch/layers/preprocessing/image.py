"""Rescaling, Resizing, CenterCrop, MaxNumBoundingBoxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kerastorch.config import torch_dtype
from kerastorch.layers.arguments import whole
from kerastorch.layers.handing_on import HandsOnInKeras3
from kerastorch.layers.preprocessing.image_base import ImageLayer, resized_boxes, resized_masks
from kerastorch.nn.image_resize import CenterCropOrResize, Resize

__all__ = ["CenterCrop", "MaxNumBoundingBoxes", "Rescaling", "Resizing"]

INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")


class Rescaling(HandsOnInKeras3):
    """`inputs * scale + offset`; any shape, kept. scale, offset: numbers, or lists for the last axis.

    keras3_masking (keyword): hands masks on, as in models from Keras 3.
    Raises ValueError where scale or offset is no number or numbers. Keras: tf.keras.layers.Rescaling.
    """

    _live = ("scale", "offset")

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__dict__["_given"] = {}  # not a tracked dict
        self.scale, self.offset = scale, offset

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._live and "_given" in self.__dict__:
            self._given[name] = value = self._numbers(name, value)
            if isinstance(value, (list, tuple)):
                value = torch.tensor(value, dtype=torch_dtype(self._variable_dtype), device=self._device())
                self.__dict__.pop(name, None)
                self.register_buffer(name, value, persistent=False)
            else:
                self._buffers.pop(name, None)
                self._non_persistent_buffers_set.discard(name)
        super().__setattr__(name, value)

    def _renew(self) -> None:
        """Nothing: `call` reads both."""

    def _numbers(self, name: str, value: Any) -> Any:
        value = _number(value)
        if np.asarray(value).dtype.kind not in "biuf":
            raise ValueError(
                f"Rescaling '{self.name}': {name} must be a number, or a list or array of numbers, got {name}={value!r}."
            )
        return value

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
    Raises NotImplementedError for another interpolation, as tf.keras does.
    Keras: tf.keras.layers.Resizing.
    """

    _last_by_default = False
    _moves = True

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
            raise NotImplementedError(
                f"Resizing '{self.name}': interpolation must be one of {INTERPOLATIONS}, got {interpolation!r}."
            )
        if pad_to_aspect_ratio and crop_to_aspect_ratio:
            raise ValueError(
                f"Resizing '{self.name}': only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be True."
            )
        if fill_mode != "constant":
            raise ValueError(f"Resizing '{self.name}': fill_mode must be 'constant', got {fill_mode!r}.")
        self.height, self.width = whole(self, "height", height), whole(self, "width", width)
        self.interpolation = interpolation
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.fill_mode, self.fill_value, self.antialias = fill_mode, fill_value, antialias
        aspect = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else "stretch"
        self.resize = Resize(height, width, str(interpolation).lower(), antialias, aspect, fill_value)

    def call(self, inputs: Any) -> Any:
        """The images, resized; or the dict, with masks and boxes alike."""
        if isinstance(inputs, dict):
            return self._augment_dict(inputs, False)
        return self._back(self.resize(self._channels_first(inputs.to(torch_dtype(self._compute_dtype)))))

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The images, resized."""
        return self.resize(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The masks, resized by their nearest values."""
        return resized_masks(masks, self.resize)

    def augment_boxes(self, boxes: torch.Tensor, drawn: Any, height: int, width: int) -> torch.Tensor:
        """The boxes, moved along."""
        return resized_boxes(boxes, self.resize, height, width)

    def _augment_boxes(self, boxes: Any, labels: Any, drawn: Any, before: Any, after: Any) -> Any:
        padding = ((boxes == -1) | (boxes == 0)).all(-1)
        changed, labels = super()._augment_boxes(boxes, labels, drawn, before, after)
        return changed.masked_fill(padding[..., None], 0), labels

    def _image_shape(self, shape: Any) -> tuple:
        return self._with_size(shape, self.height, self.width)

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
    _moves = True

    def __init__(self, height: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height, self.width = whole(self, "height", height), whole(self, "width", width)
        self.crop = CenterCropOrResize(height, width)

    def call(self, inputs: Any) -> Any:
        """The images, cropped; or the dict, with masks and boxes alike."""
        if isinstance(inputs, dict):
            return self._augment_dict(inputs, False)
        return self._back(self.crop(self._channels_first(inputs.to(torch_dtype(self._compute_dtype)))))

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The images, cropped."""
        return self.crop(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The masks, cropped, or resized by their nearest values."""
        if masks.shape[1] < self.height or masks.shape[2] < self.width:
            return resized_masks(masks, self.crop.resize)
        return self.augment(masks, drawn)

    def augment_boxes(self, boxes: torch.Tensor, drawn: Any, height: int, width: int) -> torch.Tensor:
        """The boxes, moved along."""
        if height < self.height or width < self.width:
            return resized_boxes(boxes, self.crop.resize, height, width)
        return boxes - boxes.new_tensor([(width - self.width) // 2, (height - self.height) // 2] * 2)

    def _image_shape(self, shape: Any) -> tuple:
        return self._with_size(shape, self.height, self.width)


class MaxNumBoundingBoxes(ImageLayer):
    """A dict with exactly max_number bounding boxes an image: the first ones, or more, of fill_value. Images alone stay as
    they are.

    Keras: keras.layers.MaxNumBoundingBoxes (Keras 3).
    """

    def __init__(self, max_number: int, fill_value: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_number, self.fill_value = int(max_number), int(fill_value)

    def call(self, inputs: Any) -> Any:
        """The images; or the dict, with max_number boxes."""
        return self._augment_dict(inputs, False) if isinstance(inputs, dict) else inputs

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The images."""
        return images

    def _augment_boxes(self, boxes: Any, labels: Any, drawn: Any, before: Any, after: Any) -> Any:
        boxes, labels = boxes[:, : self.max_number], labels[:, : self.max_number]
        more = self.max_number - boxes.shape[1]
        pad = torch.nn.functional.pad
        return pad(boxes, (0, 0, 0, more), value=self.fill_value), pad(labels, (0, more), value=self.fill_value)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's; max_number in the place of the number of boxes."""
        if not isinstance(input_shape, dict) or "bounding_boxes" not in input_shape:
            return input_shape
        given = input_shape["bounding_boxes"]
        boxes = {
            k: (*s[:-2], self.max_number, 4) if k == "boxes" else (*s[:-1], self.max_number) for k, s in given.items()
        }
        return {**input_shape, "bounding_boxes": boxes}
