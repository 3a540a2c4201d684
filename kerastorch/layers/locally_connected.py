"""Convolutions with unshared weights: LocallyConnected1D, LocallyConnected2D."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.config import get_device
from kerastorch.layers.convolution import BaseConvolution
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.windows import Shape, output_length, with_defaults
from kerastorch.nn.locally_connected import LocallyConnected
from kerastorch.variables import IDENTITY

__all__ = ["LocallyConnected1D", "LocallyConnected2D"]

_FORMS = {1: "patches", 2: "dense", 3: "listed"}


class BaseLocallyConnected(BaseConvolution):
    """The base of locally connected layers: like a convolution, but with weights of their own at each place.

    Shapes: (batch, *sizes, in) -> (batch, *new sizes, filters), channels second where `channels_first`.
    bias: (*new sizes, filters). kernel, by `implementation`:
    1: (places, product of kernel_size * in, filters); only with padding 'valid';
    2: (*input without batch, *output without batch), where what lies outside the windows is unused;
    3: (used weights,), those that 2 uses, ordered by output, then by input.
    Raises ValueError for bad arguments, unknown sizes, and windows larger than the input.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_window(kernel_size, strides, padding, data_format, 1)
        del self.dilation_rate
        self._set_filters(filters)
        if implementation not in _FORMS:
            raise self._complain("implementation", implementation, "1, 2 or 3")
        if implementation == 1 and self.padding != "valid":
            raise self._complain("padding", padding, "'valid' where implementation is 1 (2 and 3 also take 'same')")
        self.implementation = implementation
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

    def build(self, input_shape: Shape) -> None:
        """Makes kernel and bias for inputs whose sizes and channels are known."""
        channels, sizes = self._input_channels(input_shape), self._sizes(input_shape)
        if None in sizes:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': the spatial sizes of the input must be known to make the "
                f"kernel, got shape {tuple(input_shape)}. Give Input a shape with them."
            )
        self.compute_output_shape(input_shape)
        self.local = LocallyConnected(
            channels,
            self.filters,
            sizes,  # type: ignore[arg-type]
            self.kernel_size,
            self.strides,
            self.padding == "same",
            _FORMS[self.implementation],
            self.data_format == "channels_last",
            self.use_bias,
            "meta",
        )
        for name, buffer in list(self.local.named_buffers()):
            setattr(self.local, name, buffer.to(get_device()))
        self.kernel = self._weight("kernel", self.local, IDENTITY)
        self.bias = self._add_bias(self.local)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, in) -> (batch, *new sizes, filters)."""
        return self.activation(self.local(inputs))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, *sizes, in) -> (batch, *new sizes, filters)."""
        windows = zip(self._sizes(input_shape), self.kernel_size, self.strides, strict=True)
        return self._shape(input_shape, [output_length(n, k, self.padding, s) for n, k, s in windows], self.filters)


class LocallyConnected1D(BaseLocallyConnected):
    """Unshared convolution over one axis: see `BaseLocallyConnected`.

    Shapes: (batch, steps, in) -> (batch, new steps, filters).
    Eras: 1, 2.
    Keras: tf.keras.layers.LocallyConnected1D; torch: kerastorch.nn's LocallyConnected.
    """

    rank = 1


class LocallyConnected2D(BaseLocallyConnected):
    """Unshared convolution over two axes: see `BaseLocallyConnected`.

    Shapes: (batch, rows, columns, in) -> (batch, new rows, new columns, filters).
    Eras: 1, 2.
    Keras: tf.keras.layers.LocallyConnected2D; torch: kerastorch.nn's LocallyConnected.
    """

    rank = 2
    __init__ = with_defaults(BaseLocallyConnected.__init__, strides=(1, 1))
