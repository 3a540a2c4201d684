"""Convolutions channel by channel: DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from kerastorch.layers.convolution import BaseConvolution
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.windows import Shape, with_defaults
from kerastorch.nn.uninitialized import uninitialized
from kerastorch.variables import Layout

__all__ = [
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
]


def _depthwise_to_keras(multiplier: int, x: torch.Tensor) -> torch.Tensor:
    return x.squeeze(1).unflatten(0, (-1, multiplier)).movedim((0, 1), (-2, -1))


def _depthwise_to_torch(x: torch.Tensor) -> torch.Tensor:
    return x.movedim((-2, -1), (0, 1)).flatten(0, 1).unsqueeze(1)


def depthwise_layout(multiplier: int) -> Layout:
    """Torch's (in * multiplier, 1, *window) as Keras's (*window, in, multiplier)."""
    name = f"depthwise: (in * {multiplier}, 1, *window) in torch, (*window, in, {multiplier}) in Keras"
    return Layout(name, partial(_depthwise_to_keras, multiplier), _depthwise_to_torch)


class DepthwiseConv(BaseConvolution):
    """The base of depthwise convolutions: each channel is convolved by itself, with `depth_multiplier` kernels.

    Shapes: (batch, *sizes, in) -> (batch, *new sizes, in * depth_multiplier), channels second where `channels_first`.
    depthwise_kernel: (*kernel_size, in, depth_multiplier); bias: (in * depth_multiplier,).
    groups: kept in the config; without effect, as in tf.keras.
    Raises ValueError for arguments that do not go together, unknown channels, and windows larger than the input.
    """

    _strides_and_dilates = True  # as in Keras 3; tf.keras refuses both at a time

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        groups: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = self._ints("depth_multiplier", depth_multiplier, n=1)[0]
        self.groups = groups or 1
        self._set_functions(
            activation,
            use_bias,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
        )
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def build(self, input_shape: Shape) -> None:
        """Makes kernel and bias for inputs whose channels are known."""
        channels = self._input_channels(input_shape)
        self.compute_output_shape(input_shape)
        filters = channels * self.depth_multiplier
        self.convolution = self._make(self._sizes(input_shape), channels, filters, channels, self.use_bias)
        self.depthwise_kernel = self._weight(
            "depthwise_kernel", self.convolution, depthwise_layout(self.depth_multiplier)
        )
        self.bias = self._add_bias(self.convolution)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, in) -> (batch, *new sizes, in * depth_multiplier)."""
        return self.activation(self._to_keras(self.convolution(self._padded(inputs))))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, *sizes, in) -> (batch, *new sizes, in * depth_multiplier)."""
        channels = self._input_channels(input_shape)
        return self._shape(input_shape, self._output_sizes(input_shape), channels * self.depth_multiplier)


class DepthwiseConv1D(DepthwiseConv):
    """Depthwise convolution over one axis: see `DepthwiseConv`.

    Shapes: (batch, steps, in) -> (batch, new steps, in * depth_multiplier).
    Keras: tf.keras.layers.DepthwiseConv1D; torch: nn.Conv1d with as many groups as channels.
    """

    rank = 1


class DepthwiseConv2D(DepthwiseConv):
    """Depthwise convolution over two axes: see `DepthwiseConv`.

    Shapes: (batch, rows, columns, in) -> (batch, new rows, new columns, in * depth_multiplier).
    Keras: tf.keras.layers.DepthwiseConv2D; torch: nn.Conv2d with as many groups as channels.
    """

    rank = 2
    __init__ = with_defaults(DepthwiseConv.__init__, strides=(1, 1), dilation_rate=(1, 1))


class SeparableConv(BaseConvolution):
    """The base of separable convolutions: a depthwise convolution, then one of window 1 that mixes the channels.

    Shapes: (batch, *sizes, in) -> (batch, *new sizes, filters), channels second where `channels_first`.
    depthwise_kernel: (*kernel_size, in, depth_multiplier); pointwise_kernel: (1, ..., in * depth_multiplier, filters);
    bias: (filters,). The keyword-only arguments are kept in the config; without effect, as in tf.keras.
    Raises ValueError for arguments that do not go together, unknown channels, and windows larger than the input.
    """

    _strides_and_dilates = True  # as in Keras 3; tf.keras refuses both at a time

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        groups: int = 1,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self._set_filters(filters, groups)
        self.depth_multiplier = self._ints("depth_multiplier", depth_multiplier, n=1)[0]
        self._set_functions(
            activation,
            use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            kernel_initializer=kernel_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_regularizer=kernel_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
            kernel_constraint=kernel_constraint,
        )
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def build(self, input_shape: Shape) -> None:
        """Makes kernels and bias for inputs whose channels are known."""
        channels = self._input_channels(input_shape)
        self.compute_output_shape(input_shape)
        inner = channels * self.depth_multiplier
        self.depthwise = self._make(self._sizes(input_shape), channels, inner, channels, False)
        self.pointwise = uninitialized(type(self.depthwise), inner, self.filters, (1,) * self.rank, bias=self.use_bias)
        self.depthwise_kernel = self._weight(
            "depthwise_kernel", self.depthwise, depthwise_layout(self.depth_multiplier)
        )
        self.pointwise_kernel = self._weight("pointwise_kernel", self.pointwise)
        self.bias = self._add_bias(self.pointwise)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})
        self.built = True

    def _first_module(self) -> Any:
        return self.depthwise

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, in) -> (batch, *new sizes, filters)."""
        return self.activation(self._to_keras(self.pointwise(self.depthwise(self._padded(inputs)))))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, *sizes, in) -> (batch, *new sizes, filters)."""
        return self._shape(input_shape, self._output_sizes(input_shape), self.filters)


class SeparableConv1D(SeparableConv):
    """Separable convolution over one axis: see `SeparableConv`. padding may also be 'causal'.

    Shapes: (batch, steps, in) -> (batch, new steps, filters).
    Keras: tf.keras.layers.SeparableConv1D; torch: two nn.Conv1d.
    """

    rank = 1
    _paddings = ("valid", "same", "causal")


class SeparableConv2D(SeparableConv):
    """Separable convolution over two axes: see `SeparableConv`.

    Shapes: (batch, rows, columns, in) -> (batch, new rows, new columns, filters).
    Keras: tf.keras.layers.SeparableConv2D; torch: two nn.Conv2d.
    """

    rank = 2
    __init__ = with_defaults(SeparableConv.__init__, strides=(1, 1), dilation_rate=(1, 1))


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
