"""Transposed convolutions: Conv1DTranspose, Conv2DTranspose, Conv3DTranspose."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kerastorch.layers.convolution import FEW_CHANNELS, ZERO_PADS, BaseConvolution
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.windows import Shape, with_defaults

__all__ = [
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "Convolution1DTranspose",
    "Convolution2DTranspose",
    "Convolution3DTranspose",
    "Deconv2D",
    "Deconv3D",
    "Deconvolution2D",
    "Deconvolution3D",
]

_MODULES: tuple[Any, ...] = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class ConvTranspose(BaseConvolution):
    """The base of transposed convolutions: the gradient of a convolution, `activation(spread(inputs, kernel) + bias)`.

    Shapes: (batch, *sizes, in) -> (batch, *new sizes, filters), channels second where `channels_first`.
    kernel: (*kernel_size, filters, in); bias: (filters,). New size, where window = dilation * (kernel_size - 1) + 1:
    'same': size * stride; 'valid': size * stride + max(window - stride, 0); with output_padding
    (size - 1) * stride + window + output_padding, less 2 * (window // 2) if 'same'.
    groups: kept in the config; without effect, as in tf.keras.
    Raises ValueError for arguments that do not go together and for unknown channels.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        groups: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self._set_filters(filters, groups)
        self.output_padding = None if output_padding is None else self._ints("output_padding", output_padding, 0)
        if self.output_padding and any(p >= s for p, s in zip(self.output_padding, self.strides, strict=True)):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': strides must be greater than output_padding, got "
                f"strides={self.strides} and output_padding={self.output_padding}."
            )
        self._set_functions(
            activation,
            use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _excess(self) -> list[int]:
        """By how many columns all that the kernel touches, (size - 1) * stride + window, is longer than the output.

        It does not depend on the size."""
        found = []
        for i in range(self.rank):
            window, stride = self.dilation_rate[i] * (self.kernel_size[i] - 1) + 1, self.strides[i]
            if self.output_padding is not None:
                found.append((2 * (window // 2) if self.padding == "same" else 0) - self.output_padding[i])
            else:
                found.append(window - stride if self.padding == "same" else min(window - stride, 0))
        return found

    def build(self, input_shape: Shape) -> None:
        """Makes kernel and bias for inputs whose channels are known."""
        channels = self._input_channels(input_shape)
        excess = self._excess()
        before = [max(n, 0) // 2 for n in excess]
        after = [2 * b - n for b, n in zip(before, excess, strict=True)]
        # An odd column too many is the last one; torch takes none off at the end alone.
        self._cut = tuple(slice(None, -1 if n < 0 else None) for n in after) if min(after) < 0 else None
        self.longer: nn.Module | None = None
        if set(self.kernel_size) == {1} and self.filters < FEW_CHANNELS and max(after) > 0:
            # One more column of zeros and a cut, in place of output_padding: see FEW_CHANNELS.
            more = [int(n > 0) for n in after]
            ends = zip(after, self.strides, strict=True)
            self._cut = tuple(slice(None, n - stride if n > 0 else None) for n, stride in ends)
            self.longer = ZERO_PADS[self.rank - 1](tuple(n for m in reversed(more) for n in (0, m)))
            after = [0] * self.rank
        self.convolution = _MODULES[self.rank - 1](
            channels,
            self.filters,
            self.kernel_size,
            self.strides,
            tuple(before),
            tuple(max(n, 0) for n in after),
            bias=self.use_bias,
            dilation=self.dilation_rate,
            device="meta",
        )
        self.kernel = self._weight("kernel", self.convolution)
        self.bias = self._add_bias(self.convolution)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, in) -> (batch, *new sizes, filters)."""
        x = self._to_torch(inputs)
        y = self.convolution(x if self.longer is None else self.longer(x))
        if self._cut is not None:
            y = y[(slice(None), slice(None), *self._cut)]
        return self.activation(self._to_keras(y))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, *sizes, in) -> (batch, *new sizes, filters)."""
        windows = zip(
            self._sizes(input_shape), self.kernel_size, self.strides, self.dilation_rate, self._excess(), strict=True
        )
        sizes = [None if n is None else (n - 1) * s + d * (k - 1) + 1 - excess for n, k, s, d, excess in windows]
        return self._shape(input_shape, sizes, self.filters)


class Conv1DTranspose(ConvTranspose):
    """Transposed convolution over one axis: see `ConvTranspose`.

    Shapes: (batch, steps, in) -> (batch, new steps, filters).
    Keras: tf.keras.layers.Conv1DTranspose; torch: nn.ConvTranspose1d.
    """

    rank = 1


class Conv2DTranspose(ConvTranspose):
    """Transposed convolution over two axes: see `ConvTranspose`.

    Shapes: (batch, rows, columns, in) -> (batch, new rows, new columns, filters).
    Keras: tf.keras.layers.Conv2DTranspose; torch: nn.ConvTranspose2d.
    """

    rank = 2
    __init__ = with_defaults(ConvTranspose.__init__, strides=(1, 1), dilation_rate=(1, 1))


class Conv3DTranspose(ConvTranspose):
    """Transposed convolution over three axes: see `ConvTranspose`.

    Shapes: (batch, depth, rows, columns, in) -> (batch, new depth, new rows, new columns, filters).
    Departs: tf.keras takes a dilation_rate and ignores it; here it dilates, as in Keras 3.
    Keras: tf.keras.layers.Conv3DTranspose; torch: nn.ConvTranspose3d.
    """

    rank = 3
    __init__ = with_defaults(ConvTranspose.__init__, strides=(1, 1, 1), dilation_rate=(1, 1, 1))

    def get_config(self) -> dict[str, Any]:
        """The arguments; `dilation_rate` only where it dilates: tf.keras 2 has none."""
        config = super().get_config()
        if max(self.dilation_rate) == 1:
            config.pop("dilation_rate", None)
        return config


Convolution1DTranspose, Convolution2DTranspose = Conv1DTranspose, Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
Deconv2D, Deconv3D = Conv2DTranspose, Conv3DTranspose
Deconvolution2D, Deconvolution3D = Conv2DTranspose, Conv3DTranspose
