"""What layers on images share: layouts, dicts with labels, masks and bounding boxes, random draws."""

from __future__ import annotations

import math
from typing import Any

import torch

from kerastorch.arrays import tensor_of
from kerastorch.config import image_data_format, torch_dtype
from kerastorch.graph import KerasTensor
from kerastorch.layers.preprocessing.bounding_boxes import FORMATS, clipped, convert_format, densified
from kerastorch.layers.ranks import RankedLayer
from kerastorch.layers.structures import shape_of
from kerastorch.nn.image_resize import Resize

__all__: list[str] = []


class ImageLayer(RankedLayer):
    """A layer on images: (height, width, channels) with or without a batch axis before, or channels_first.

    Or on a dict of 'images' and any of 'labels', 'segmentation_masks' and 'bounding_boxes' (a dict of 'boxes', in
    bounding_box_format, and 'labels'), all of which it changes alike, as Keras 3's image layers do.
    """

    _last_by_default = True
    _moves = False
    """Whether pixels change their places, and boxes with them."""

    def __init__(
        self, *, data_format: str | None = None, bounding_box_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if data_format not in (None, "channels_last", "channels_first"):
            raise self._error(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}.")
        if bounding_box_format is not None and bounding_box_format.lower() not in FORMATS:
            raise self._error(f"bounding_box_format must be one of {FORMATS}, got {bounding_box_format!r}.")
        self.bounding_box_format = bounding_box_format
        self._first = (
            data_format or ("channels_last" if self._last_by_default else image_data_format())
        ) == "channels_first"
        self._takes_dict = False

    def _error(self, text: str) -> ValueError:
        # The name comes later than the check of what a subclass passes on.
        return ValueError(f"{type(self).__name__} '{self.__dict__.get('_name', '')}': {text}")

    @property
    def data_format(self) -> str:
        """'channels_last' or 'channels_first'."""
        return "channels_first" if self._first else "channels_last"

    @property
    def is_traceable(self) -> bool:
        """What is done to boxes depends on the images' shapes."""
        return not self._takes_dict and super().is_traceable

    def build(self, input_shape: Any) -> None:
        """Learns whether there is a batch axis."""
        self._takes_dict = isinstance(input_shape, dict)
        if self._takes_dict:
            if "images" not in input_shape:
                raise self._error(f"a dict must have 'images', got {sorted(input_shape)}.")
            input_shape = input_shape["images"]
        if len(input_shape) not in (3, 4):
            raise ValueError(
                f"{type(self).__name__} '{self.name}' takes images (height, width, channels), or batches of them, "
                f"got shape {tuple(input_shape)}."
            )
        self._batched = len(input_shape) == 4
        self.built = True

    # Layouts

    def _channels_first(self, images: torch.Tensor) -> torch.Tensor:
        if self._first:
            return images
        return images.permute(0, 3, 1, 2) if self._batched else images.permute(2, 0, 1)

    def _back(self, images: torch.Tensor) -> torch.Tensor:
        if self._first:
            return images
        return images.permute(0, 2, 3, 1) if self._batched else images.permute(1, 2, 0)

    def _stacked(self, images: torch.Tensor) -> torch.Tensor:
        """Images as (batch, height, width, channels)."""
        images = images if self._batched else images.unsqueeze(0)
        return images.permute(0, 2, 3, 1) if self._first else images

    def _unstacked(self, images: torch.Tensor) -> torch.Tensor:
        images = images.permute(0, 3, 1, 2) if self._first else images
        return images if self._batched else images[0]

    def _cast(self, structure: Any) -> Any:
        if isinstance(structure, dict):
            return {
                key: self._cast(x) if key == "images" else super(ImageLayer, self)._cast(x)
                for key, x in structure.items()
            }
        cast = super()._cast(structure)
        # Integers, too, are computed with as floats.
        if isinstance(cast, torch.Tensor):
            return cast.to(torch_dtype(self._compute_dtype))
        return cast

    # What a subclass writes, for (batch, height, width, channels)

    def draw(self, images: torch.Tensor) -> Any:
        """What is random, for these images."""
        return None

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The images, changed; `drawn` is None where nothing was drawn."""
        raise NotImplementedError

    def augment_masks(self, masks: torch.Tensor, drawn: Any) -> torch.Tensor:
        """Segmentation masks, changed."""
        return masks

    def augment_labels(self, labels: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The images' labels, changed."""
        return labels

    def augment_boxes(self, boxes: torch.Tensor, drawn: Any, height: int, width: int) -> torch.Tensor:
        """Boxes (batch, n, 4), as corners in pixels of images of the given size, changed."""
        return boxes

    def acts(self, training: bool) -> bool:
        """Whether it changes anything in this phase."""
        return True

    def _augment_dict(self, inputs: dict[str, Any], training: bool) -> dict[str, Any]:
        """All that a dict holds, changed alike."""
        outputs = dict(inputs)
        if "bounding_boxes" in inputs and self.bounding_box_format is None:
            raise self._error("the input has 'bounding_boxes': give the layer a bounding_box_format, e.g. 'xyxy'.")
        if not self.acts(training):
            return outputs
        images = self._stacked(inputs["images"])
        drawn = self.draw(images) if training else None
        changed = self.augment(images, drawn)
        outputs["images"] = self._unstacked(changed)
        if "segmentation_masks" in inputs:
            masks = self.augment_masks(self._stacked(tensor_of(inputs["segmentation_masks"])), drawn)
            outputs["segmentation_masks"] = self._unstacked(masks)
        if "labels" in inputs:
            labels = tensor_of(inputs["labels"])
            labels = self.augment_labels(labels if self._batched else labels.unsqueeze(0), drawn)
            outputs["labels"] = labels if self._batched else labels[0]
        if "bounding_boxes" in inputs:
            boxes, labels = densified(inputs["bounding_boxes"], self._error)
            if not self._batched:
                boxes, labels = boxes.unsqueeze(0), labels.unsqueeze(0)
            boxes, labels = self._augment_boxes(boxes, labels, drawn, images.shape[1:3], changed.shape[1:3])
            if not self._batched:
                boxes, labels = boxes[0], labels[0]
            outputs["bounding_boxes"] = {**inputs["bounding_boxes"], "boxes": boxes, "labels": labels}
        return outputs

    def _augment_boxes(
        self, boxes: torch.Tensor, labels: torch.Tensor, drawn: Any, before: Any, after: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Boxes and their labels, for images of the sizes `before` and `after`; without what is left of none."""
        if not self._moves:
            return boxes, labels
        form = self.bounding_box_format
        assert form is not None
        corners = self.augment_boxes(convert_format(boxes, form, "xyxy", *before), drawn, *before)
        corners, labels = clipped(corners, labels, *after)
        return convert_format(corners, "xyxy", form, *after), labels

    # Shapes and config

    def compute_output_dtype(self, input_dtype: str) -> str:
        """The layer's own."""
        return self.compute_dtype

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's; of a dict those of its parts."""
        if isinstance(input_shape, dict):
            images = ("images", "segmentation_masks")
            return {k: self._image_shape(s) if k in images else s for k, s in input_shape.items()}
        return self._image_shape(input_shape)

    def _image_shape(self, shape: Any) -> tuple:
        return tuple(shape)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """A tensor of the layer's dtype; for a dict one for each part."""
        first = args[0] if args else next(iter(kwargs.values()))
        if not isinstance(first, dict):
            return super().compute_output_spec(*args, **kwargs)
        shapes = self.compute_output_shape(shape_of(first))

        def spec(x: Any, shape: Any, dtype: str | None) -> Any:
            if isinstance(x, dict):
                return {key: spec(x[key], shape[key], None) for key in x}
            return KerasTensor(tuple(shape), dtype or x.dtype)

        return {k: spec(x, shapes[k], self.compute_dtype if k == "images" else None) for k, x in first.items()}

    def _with_size(self, shape: Any, height: int | None, width: int | None) -> tuple:
        shape = list(shape)
        at = len(shape) - (2 if self._first else 3)
        shape[at : at + 2] = height, width
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments; data_format where it is channels_first, bounding_box_format where it is given."""
        config = super().get_config()
        config.pop("data_format", None)
        if self._first:
            config["data_format"] = self.data_format
        if self.bounding_box_format is not None:
            config["bounding_box_format"] = self.bounding_box_format
        return config


def resized_masks(masks: torch.Tensor, resize: Resize) -> torch.Tensor:
    """Masks (batch, height, width, channels) at the size of `resize`, by their nearest values."""
    nearest = Resize(resize.height, resize.width, "nearest", aspect=resize.aspect, fill_value=resize.fill_value)
    return nearest(masks.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def resized_boxes(boxes: torch.Tensor, resize: Resize, height: int, width: int) -> torch.Tensor:
    """Corners in images that `resize` brings from height and width to its own."""
    vertical, horizontal = resize.height / height, resize.width / width
    if resize.aspect == "stretch":
        return boxes * boxes.new_tensor([horizontal, vertical] * 2)
    scale = (max if resize.aspect == "crop" else min)(vertical, horizontal)
    # Whole pixels, as Keras has it.
    side = math.floor if resize.aspect == "pad" else math.ceil
    left, top = side((resize.width - width * scale) / 2), side((resize.height - height * scale) / 2)
    return boxes * scale + boxes.new_tensor([left, top] * 2)


class Draws:
    """Random numbers, drawn on the CPU, so that all devices see the same: from torch's global generator or, with a
    seed, from one of their own."""

    def __init__(self, seed: Any = None) -> None:
        self.seed = seed
        self._generator: torch.Generator | None = None

    @property
    def generator(self) -> torch.Generator | None:
        """Where the numbers come from; None is torch's global generator."""
        if self.seed is not None and self._generator is None:
            self._generator = torch.Generator().manual_seed(int(self.seed))
        return self._generator

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """Numbers in [low, high)."""
        return torch.rand(shape, generator=self.generator) * (high - low) + low

    def normal(self, shape: Any) -> torch.Tensor:
        """Numbers of mean 0 and variance 1."""
        return torch.randn(shape, generator=self.generator)

    def gamma(self, shape: Any, alpha: float) -> torch.Tensor:
        """Numbers of the gamma distribution of shape alpha and rate 1; torch.distributions takes no generator."""
        size = (shape,) if isinstance(shape, int) else tuple(shape)
        return torch._standard_gamma(torch.full(size, float(alpha), dtype=torch.float64), self.generator)

    def beta(self, shape: Any, alpha: float) -> torch.Tensor:
        """Numbers of the beta distribution with both parameters alpha."""
        a, b = self.gamma(shape, alpha), self.gamma(shape, alpha)
        # Both vanish where alpha is tiny; the distribution is then that of a fair coin.
        coin = self.uniform(shape).round().double()
        return torch.where(a + b > 0, a / (a + b), coin).float()

    def signs(self, shape: Any) -> torch.Tensor:
        """1 or -1, with the same probability."""
        return torch.where(self.uniform(shape) > 0.5, -1.0, 1.0)

    def chosen(self, shape: Any, bounds: Any) -> torch.Tensor:
        """Whether each is chosen, with a probability that is itself drawn between the bounds."""
        return self.uniform(shape) < self.uniform(shape, *bounds)

    def order(self, size: int) -> torch.Tensor:
        """The numbers below size, shuffled."""
        return torch.randperm(size, generator=self.generator)

    def integers(self, shape: Any, high: int) -> torch.Tensor:
        """Integers in [0, high)."""
        return torch.randint(high, shape, generator=self.generator)

    def __getstate__(self) -> dict[str, Any]:
        return {"seed": self.seed, "_generator": None}


class RandomImageLayer(ImageLayer):
    """An image layer that changes images while training: write `draw(images)` and `augment(images, drawn)`.

    seed: of the layer's own draws. It runs as it is, outside of what is lowered.
    """

    def __init__(self, *, seed: Any = None, rng_type: str | None = None, **kwargs: Any) -> None:
        kwargs.pop("force_generator", None)
        super().__init__(**kwargs)
        self.seed = seed
        self.random = Draws(seed)

    @property
    def is_traceable(self) -> bool:
        """What is random depends on the phase and on the images' shapes."""
        return False

    def call(self, inputs: Any, training: bool = True) -> Any:
        """The images, or the dict; changed, while training."""
        if isinstance(inputs, dict):
            return self._augment_dict(inputs, training)
        if not self.acts(training):
            return inputs
        images = self._stacked(inputs)
        return self._unstacked(self.augment(images, self.draw(images) if training else None))

    def acts(self, training: bool) -> bool:
        """While training."""
        return bool(training)

    def part(self, kind: Any, **arguments: Any) -> RandomImageLayer:
        """Another layer that works for this one, on (batch, height, width, channels), and draws from its numbers."""
        made = kind(**arguments, data_format="channels_last", name=kind.__name__.lower(), dtype=self._policy)
        made.random, made._batched = self.random, True
        return made

    # Checks of arguments

    def bounds(self, key: str, factor: Any, low: float = -1.0, high: float = 1.0) -> list[float]:
        """A factor as lower and upper bound: a number f means (-f, f), or (low, f) where low is more than that; of two
        numbers the first may not exceed `high`, nor the second be below `low`, which is all that Keras 3 asks."""
        if isinstance(factor, (list, tuple)):
            if len(factor) == 2 and factor[0] <= high and factor[1] >= low:
                return sorted(factor)
        elif isinstance(factor, (int, float)) and low <= factor <= high:
            return [max(-abs(factor), low), abs(factor)]
        raise self._error(f"{key} must be a number, or a list of two, within [{low}, {high}], got {factor!r}.")

    def pair(self, key: str, value: Any) -> list[float]:
        """A range of values as a list of two numbers, the lower first."""
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise self._error(f"{key} must be a list of two numbers, got {value!r}.")
        return sorted(value)
