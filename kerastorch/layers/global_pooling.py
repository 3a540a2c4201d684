"""Pooling over whole axes: global maximum and average, and Keras 3's adaptive pooling to a given size."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.windows import Shape, SpatialLayer, with_defaults

__all__ = [
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
]


class GlobalPooling(SpatialLayer):
    """The base of global pooling: one value per channel.

    Shapes: (batch, *sizes, channels) -> (batch, channels); with `keepdims` the sizes stay, as 1.
    Raises ValueError where a size is 0.
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format, self.keepdims = self._format(data_format), keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _axes(self) -> tuple[int, ...]:
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank))

    def build(self, input_shape: Shape) -> None:
        """Has no weights."""
        if 0 in self._sizes(input_shape):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': an input of shape {tuple(input_shape)} has nothing to pool; "
                "every spatial size must be at least 1."
            )
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, *sizes, channels) -> (batch, channels)."""
        if self.keepdims:
            return self._shape(input_shape, (1,) * self.rank)
        return input_shape[0], input_shape[self._channel_axis]


class _GlobalAverage(GlobalPooling):
    casts_integers = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, channels) -> (batch, channels)."""
        return torch.mean(inputs, dim=self._axes, keepdim=self.keepdims)


class _GlobalMaximum(GlobalPooling):
    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, channels) -> (batch, channels)."""
        return torch.amax(inputs, dim=self._axes, keepdim=self.keepdims)


class GlobalAveragePooling1D(_GlobalAverage):
    """The mean over all steps, of those that the mask keeps: see `GlobalPooling`. The mask ends here.

    Keras: tf.keras.layers.GlobalAveragePooling1D; torch: torch.mean.
    """

    rank = 1
    supports_masking = True
    __init__ = with_defaults(GlobalPooling.__init__, data_format="channels_last")

    def call(self, inputs: torch.Tensor, mask: Any = None) -> torch.Tensor:
        """(batch, steps, channels) -> (batch, channels)."""
        if mask is None:
            return super().call(inputs)
        kept = mask.to(inputs.dtype).unsqueeze(2 if self.data_format == "channels_last" else 1)
        total = torch.sum(inputs * kept, dim=self._axes, keepdim=self.keepdims)
        return total / torch.sum(kept, dim=self._axes, keepdim=self.keepdims)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: the steps are gone."""
        return None


class GlobalAveragePooling2D(_GlobalAverage):
    """The mean of each channel: see `GlobalPooling`.

    Keras: tf.keras.layers.GlobalAveragePooling2D; torch: torch.mean.
    """

    rank = 2


class GlobalAveragePooling3D(_GlobalAverage):
    """The mean of each channel: see `GlobalPooling`.

    Keras: tf.keras.layers.GlobalAveragePooling3D; torch: torch.mean.
    """

    rank = 3


class GlobalMaxPooling1D(_GlobalMaximum):
    """The maximum over all steps: see `GlobalPooling`.

    Keras: tf.keras.layers.GlobalMaxPooling1D; torch: torch.amax.
    """

    rank = 1
    __init__ = with_defaults(GlobalPooling.__init__, data_format="channels_last")


class GlobalMaxPooling2D(_GlobalMaximum):
    """The maximum of each channel: see `GlobalPooling`.

    Keras: tf.keras.layers.GlobalMaxPooling2D; torch: torch.amax.
    """

    rank = 2


class GlobalMaxPooling3D(_GlobalMaximum):
    """The maximum of each channel: see `GlobalPooling`.

    Keras: tf.keras.layers.GlobalMaxPooling3D; torch: torch.amax.
    """

    rank = 3


class AdaptivePooling(SpatialLayer):
    """The base of adaptive pooling: as many windows of nearly equal size as `output_size` says.

    Shapes: (batch, *sizes, channels) -> (batch, *output_size, channels), channels second where `channels_first`.
    Window i of n covers size * i / n, rounded down, to size * (i + 1) / n, rounded up.
    Raises ValueError where output_size is not positive.
    """

    _modules_by_rank: tuple[Any, ...]

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_size = self._ints("output_size", output_size)
        self.data_format = self._format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def build(self, input_shape: Shape) -> None:
        """Makes the torch module."""
        size = self.output_size[0] if self.rank == 1 else self.output_size
        self.pool = self._modules_by_rank[self.rank - 1](size)
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, channels) -> (batch, *output_size, channels)."""
        return self._to_keras(self.pool(self._to_torch(inputs)))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, *sizes, channels) -> (batch, *output_size, channels)."""
        return self._shape(input_shape, self.output_size)


class _AdaptiveAverage(AdaptivePooling):
    _modules_by_rank = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)


class _AdaptiveMaximum(AdaptivePooling):
    _modules_by_rank = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)


class AdaptiveAveragePooling1D(_AdaptiveAverage):
    """Means: see `AdaptivePooling`.

    Keras: keras.layers.AdaptiveAveragePooling1D (Keras 3); torch: nn.AdaptiveAvgPool1d.
    """

    rank = 1


class AdaptiveAveragePooling2D(_AdaptiveAverage):
    """Means: see `AdaptivePooling`.

    Keras: keras.layers.AdaptiveAveragePooling2D (Keras 3); torch: nn.AdaptiveAvgPool2d.
    """

    rank = 2


class AdaptiveAveragePooling3D(_AdaptiveAverage):
    """Means: see `AdaptivePooling`.

    Keras: keras.layers.AdaptiveAveragePooling3D (Keras 3); torch: nn.AdaptiveAvgPool3d.
    """

    rank = 3


class AdaptiveMaxPooling1D(_AdaptiveMaximum):
    """Maxima: see `AdaptivePooling`.

    Keras: keras.layers.AdaptiveMaxPooling1D (Keras 3); torch: nn.AdaptiveMaxPool1d.
    """

    rank = 1


class AdaptiveMaxPooling2D(_AdaptiveMaximum):
    """Maxima: see `AdaptivePooling`.

    Keras: keras.layers.AdaptiveMaxPooling2D (Keras 3); torch: nn.AdaptiveMaxPool2d.
    """

    rank = 2


class AdaptiveMaxPooling3D(_AdaptiveMaximum):
    """Maxima: see `AdaptivePooling`.

    Keras: keras.layers.AdaptiveMaxPooling3D (Keras 3); torch: nn.AdaptiveMaxPool3d.
    """

    rank = 3


GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
)
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
