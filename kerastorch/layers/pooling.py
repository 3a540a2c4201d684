"""Pooling over windows: maximum and average, 1D to 3D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from kerastorch.layers.base import structure_version
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.windows import Shape, SpatialLayer, output_length, same_padding, with_defaults
from kerastorch.nn.pooling import SameAvgPool, SameMaxPool

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
]


class Pooling(SpatialLayer):
    """The base of pooling layers: one value of each window, channel by channel.

    Shapes: (batch, *sizes, channels) -> (batch, *new sizes, channels), channels second where `channels_first`.
    strides: by default the pool size. padding: 'valid', or 'same': ceil(size / stride) outputs, padding counts for
    nothing. Raises ValueError for bad arguments and windows larger than the input.
    """

    _modules_by_rank: tuple[Any, ...]
    _same_module: Any
    _pads_by_itself = True
    _amounts: tuple | None = None
    _live = ("pool_size", "strides", "padding")

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = self._ints("pool_size", pool_size)
        self.strides = self._ints("strides", pool_size if strides is None else strides)
        self.padding = self._choice("padding", padding, ("valid", "same"))
        self.data_format = self._format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def build(self, input_shape: Shape) -> None:
        """Makes the torch module for inputs of this shape."""
        self.compute_output_shape(input_shape)
        self._amounts = self._padding_amounts(input_shape)
        self.pool = self._make(self._amounts)
        self.built = True

    def _padding_amounts(self, shape: Sequence[int | None]) -> tuple:
        if self.padding == "valid":
            return ((0, 0),) * self.rank
        return tuple(
            same_padding(n, k, s) for n, k, s in zip(self._sizes(shape), self.pool_size, self.strides, strict=True)
        )

    def _make(self, amounts: tuple) -> nn.Module:
        own = self._modules_by_rank[self.rank - 1]
        if all(pair == (0, 0) for pair in amounts):
            return own(self.pool_size, self.strides)
        if None in amounts or not self._pads_by_itself:
            return self._same_module(self.pool_size, self.strides)
        # In ceil_mode torch takes one more window where it begins inside the input: with strides that is TensorFlow's
        # odd column of padding, which comes last.
        odd = [pair[0] != pair[1] for pair in amounts]
        if any(is_odd and s == 1 for is_odd, s in zip(odd, self.strides, strict=True)):
            return self._same_module(self.pool_size, self.strides)
        return own(self.pool_size, self.strides, tuple(pair[0] for pair in amounts), ceil_mode=any(odd))

    def _settle(self, shape: Sequence[int | None]) -> None:
        # The padding was made for the size of the first call: another one may need other padding.
        if not self.built or self.padding == "valid" or isinstance(self.pool, self._same_module):
            return
        if self._padding_amounts(shape) != self._amounts:
            self.pool = self._same_module(self.pool_size, self.strides)
            structure_version[0] += 1

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, channels) -> (batch, *new sizes, channels)."""
        self._settle_eagerly(inputs)
        return self._to_keras(self.pool(self._to_torch(inputs)))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, *sizes, channels) -> (batch, *new sizes, channels)."""
        windows = zip(self._sizes(input_shape), self.pool_size, self.strides, strict=True)
        return self._shape(input_shape, [output_length(n, k, self.padding, s) for n, k, s in windows])


class _MaxPooling(Pooling):
    _modules_by_rank = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
    _same_module = SameMaxPool


class _AveragePooling(Pooling):
    _modules_by_rank = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
    _same_module = SameAvgPool
    # torch's average counts padding unless told not to; its repr, which exported source is made of, does not tell.
    _pads_by_itself = False


class MaxPooling1D(_MaxPooling):
    """The maximum of each window over one axis: see `Pooling`.

    Keras: tf.keras.layers.MaxPooling1D; torch: nn.MaxPool1d.
    """

    rank = 1
    __init__ = with_defaults(Pooling.__init__, data_format="channels_last")


class MaxPooling2D(_MaxPooling):
    """The maximum of each window over two axes: see `Pooling`.

    Keras: tf.keras.layers.MaxPooling2D; torch: nn.MaxPool2d.
    """

    rank = 2
    __init__ = with_defaults(Pooling.__init__, pool_size=(2, 2))


class MaxPooling3D(_MaxPooling):
    """The maximum of each window over three axes: see `Pooling`.

    Keras: tf.keras.layers.MaxPooling3D; torch: nn.MaxPool3d.
    """

    rank = 3
    __init__ = with_defaults(Pooling.__init__, pool_size=(2, 2, 2))


class AveragePooling1D(_AveragePooling):
    """The mean of each window over one axis: see `Pooling`.

    Keras: tf.keras.layers.AveragePooling1D; torch: nn.AvgPool1d.
    """

    rank = 1
    __init__ = with_defaults(Pooling.__init__, data_format="channels_last")


class AveragePooling2D(_AveragePooling):
    """The mean of each window over two axes: see `Pooling`.

    Keras: tf.keras.layers.AveragePooling2D; torch: nn.AvgPool2d.
    """

    rank = 2
    __init__ = with_defaults(Pooling.__init__, pool_size=(2, 2))


class AveragePooling3D(_AveragePooling):
    """The mean of each window over three axes: see `Pooling`.

    Keras: tf.keras.layers.AveragePooling3D; torch: nn.AvgPool3d.
    """

    rank = 3
    __init__ = with_defaults(Pooling.__init__, pool_size=(2, 2, 2))


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
