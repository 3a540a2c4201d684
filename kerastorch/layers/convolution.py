"""Convolutions: Conv1D, Conv2D, Conv3D, and what the other kinds share with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from kerastorch import activations, constraints, initializers, regularizers
from kerastorch.layers.base import structure_version
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.windows import Pairs, Shape, SpatialLayer, output_length, same_padding, with_defaults
from kerastorch.nn.convolution import EveryNth, SamePad
from kerastorch.nn.uninitialized import uninitialized
from kerastorch.variables import CONVOLUTION, IDENTITY, Layout, Variable

__all__ = ["Conv1D", "Conv2D", "Conv3D", "Convolution1D", "Convolution2D", "Convolution3D"]

_GETTERS = {"initializer": initializers.get, "regularizer": regularizers.get, "constraint": constraints.get}
_MODULES: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
ZERO_PADS: tuple[Any, ...] = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d)


FEW_CHANNELS = 16
"""Below it, torch's gradient of a 1x1 convolution with strides writes past the end of the picture: torch 2.13 on CPUs, channels
last. Such a convolution takes what it needs of the picture first. (What a transposed one computes is such a gradient.)"""


class BaseConvolution(SpatialLayer):
    """Arguments, weights and padding of all convolutions. `edges` is the module that pads, where torch's own cannot."""

    edges: nn.Module | None
    convolution: Any
    _paddings: tuple[str, ...] = ("valid", "same")
    _strides_and_dilates = False
    _amounts: Pairs | None = None
    _live = ("strides", "padding", "dilation_rate", "use_bias")

    def _set_window(self, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any) -> None:
        self.kernel_size = self._ints("kernel_size", kernel_size)
        self.strides = self._ints("strides", strides)
        self.padding = self._choice("padding", padding, self._paddings)
        self.data_format = self._format(data_format)
        self.dilation_rate = self._ints("dilation_rate", dilation_rate)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1 and not self._strides_and_dilates:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': strides > 1 cannot go with dilation_rate > 1, got "
                f"strides={self.strides} and dilation_rate={self.dilation_rate}."
            )

    def _set_filters(self, filters: Any, groups: Any = 1) -> None:
        filters = int(filters) if isinstance(filters, float) else filters
        if not isinstance(filters, int) or isinstance(filters, bool) or filters <= 0:
            raise self._complain("filters", filters, "a positive integer")
        self.filters, self.groups = filters, groups or 1
        if self.filters % self.groups:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': the number of filters must be divisible by the number of "
                f"groups, got filters={self.filters} and groups={self.groups}."
            )

    def _set_functions(self, activation: Any, use_bias: bool, **named: Any) -> None:
        """named: identifiers of initializers, regularizers and constraints, under the names of the arguments."""
        self.activation, self.use_bias = activations.get(activation), use_bias
        for name, identifier in named.items():
            setattr(self, name, _GETTERS[name.rpartition("_")[2]](identifier))

    def _input_channels(self, input_shape: Sequence[int | None]) -> int:
        if len(input_shape) < self.rank + 2:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': the input must have at least {self.rank + 2} axes, got shape "
                f"{tuple(input_shape)}."
            )
        channels = input_shape[self._channel_axis]
        if channels is None:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': the number of channels (axis {self._channel_axis}) must be "
                f"known to make the kernel, got shape {tuple(input_shape)}. Give Input a shape with it."
            )
        return int(channels)

    def _weight(self, name: str, module: nn.Module, layout: Layout = CONVOLUTION) -> Variable:
        """The Keras-shaped handle on a module's kernel, with what was given for `name`."""
        if layout is CONVOLUTION and self.rank == 2 and self.data_format == "channels_last":
            # As the pictures have it: else torch turns the kernel in every call.
            module.weight = nn.Parameter(module.weight.detach().to(memory_format=torch.channels_last))
        short = name.removesuffix("_kernel")
        made_by = [getattr(self, f"{short}_{what}") for what in _GETTERS]
        return self.add_variable(name, module, "weight", layout, *made_by)

    def _add_bias(self, module: nn.Module) -> Variable | None:
        if not self.use_bias:
            return None
        return self.add_variable(
            "bias", module, "bias", IDENTITY, self.bias_initializer, self.bias_regularizer, self.bias_constraint
        )

    # Padding

    def _padding_amounts(self, sizes: Shape) -> Pairs | None:
        """Zeros before and after on each axis, None where they depend on sizes that are unknown."""
        if self.padding == "valid":
            return ((0, 0),) * self.rank
        if self.padding == "causal":
            return ((self.dilation_rate[0] * (self.kernel_size[0] - 1), 0),)
        windows = zip(sizes, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        found = [same_padding(*window) for window in windows]
        return None if None in found else tuple(found)  # type: ignore[arg-type]

    def _make(self, sizes: Shape, channels: int, filters: int, groups: int, bias: bool) -> nn.Module:
        """The torch convolution, on the meta device; what it cannot pad by itself, the module in `edges` does."""
        self._amounts = amounts = self._padding_amounts(sizes)
        self.edges = None
        padding: Any = 0
        strides = self.strides
        if set(self.kernel_size) == {1} and max(strides) > 1 and groups == 1 and channels < FEW_CHANNELS:
            self.edges, strides = EveryNth(strides), (1,) * self.rank
        elif amounts is None:
            self.edges = SamePad(self.kernel_size, self.strides, self.dilation_rate)
        elif all(before == after for before, after in amounts):
            padding = tuple(before for before, _ in amounts)
        else:
            self.edges = ZERO_PADS[self.rank - 1](tuple(n for pair in reversed(amounts) for n in pair))
        made = _MODULES[self.rank - 1]
        return uninitialized(
            made, channels, filters, self.kernel_size, strides, padding, self.dilation_rate, groups, bias
        )

    def _settle(self, shape: Sequence[int | None]) -> None:
        # The padding was made for the size of the first call: another one may need other zeros.
        if not self.built or self._amounts is None or self.padding != "same" or max(self.strides) == 1:
            return
        if self._padding_amounts(self._sizes(shape)) != self._amounts:
            self._amounts = None
            self.edges = SamePad(self.kernel_size, self.strides, self.dilation_rate)
            self._first_module().padding = (0,) * self.rank
            structure_version[0] += 1

    def _first_module(self) -> Any:
        return self.convolution

    def _padded(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs in torch's layout, with the zeros that the convolution does not add itself."""
        self._settle_eagerly(inputs)
        x = self._to_torch(inputs)
        return x if self.edges is None else self.edges(x)

    def _output_sizes(self, input_shape: Sequence[int | None]) -> list[int | None]:
        windows = zip(self._sizes(input_shape), self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return [output_length(n, k, self.padding, s, d) for n, k, s, d in windows]


class Conv(BaseConvolution):
    """The base of Conv1D, Conv2D and Conv3D: `activation(convolution(inputs, kernel) + bias)`.

    Shapes: (batch, *sizes, in) -> (batch, *new sizes, filters), channels second where `channels_first`; more batch axes
    may stand in front. kernel: (*kernel_size, in / groups, filters); bias: (filters,).
    padding: 'valid', 'same' (ceil(size / stride) outputs, the odd zero last), in 1D also 'causal'.
    Raises ValueError for arguments that do not go together, unknown channels, and windows larger than the input.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self._set_filters(filters, groups)
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
        self.input_spec = InputSpec(min_ndim=self.rank + 2)

    def build(self, input_shape: Shape) -> None:
        """Makes kernel and bias for inputs whose channels are known."""
        channels = self._input_channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': the number of input channels must be divisible by the number of "
                f"groups, got groups={self.groups} and {channels} channels in shape {tuple(input_shape)}."
            )
        self.compute_output_shape(input_shape)
        self._batch_axes = len(input_shape) - self.rank - 1
        self.convolution = self._make(self._sizes(input_shape), channels, self.filters, self.groups, self.use_bias)
        self.kernel = self._weight("kernel", self.convolution)
        self.bias = self._add_bias(self.convolution)
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={self._channel_axis: channels})
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, in) -> (batch, *new sizes, filters)."""
        x = inputs.flatten(0, self._batch_axes - 1) if self._batch_axes > 1 else inputs
        if type(self).convolution_op is Conv.convolution_op:
            y = self._to_keras(self.convolution(self._padded(x)))
        else:
            y = self._convolve_as_overridden(x)
        if self._batch_axes > 1:
            y = y.unflatten(0, tuple(inputs.shape[i] for i in range(self._batch_axes)))
        return self.activation(y)

    def convolution_op(self, inputs: torch.Tensor, kernel: Any) -> torch.Tensor:
        """The convolution alone, without bias, with a kernel of Keras's shape; a subclass may override it."""
        convolve: Any = (F.conv1d, F.conv2d, F.conv3d)[self.rank - 1]
        weight = CONVOLUTION.to_torch(kernel.value if isinstance(kernel, Variable) else kernel)
        own = self.convolution
        y = convolve(self._padded(inputs), weight, None, own.stride, own.padding, own.dilation, own.groups)
        return self._to_keras(y)

    def _convolve_as_overridden(self, x: torch.Tensor) -> torch.Tensor:
        y = self.convolution_op(x, self.kernel)
        if self.bias is None:
            return y
        bias = self.bias.value
        return y + (bias if self.data_format == "channels_last" else bias.reshape(-1, *[1] * self.rank))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, *sizes, in) -> (batch, *new sizes, filters)."""
        return self._shape(input_shape, self._output_sizes(input_shape), self.filters)


class Conv1D(Conv):
    """Convolution over one axis: see `Conv`. padding may also be 'causal': no output sees what comes after it.

    Shapes: (batch, steps, in) -> (batch, new steps, filters).
    Keras: tf.keras.layers.Conv1D; torch: nn.Conv1d.
    """

    rank = 1
    _paddings = ("valid", "same", "causal")
    __init__ = with_defaults(Conv.__init__, data_format="channels_last")


class Conv2D(Conv):
    """Convolution over two axes: see `Conv`.

    Shapes: (batch, rows, columns, in) -> (batch, new rows, new columns, filters).
    Keras: tf.keras.layers.Conv2D; torch: nn.Conv2d.
    """

    rank = 2
    __init__ = with_defaults(Conv.__init__, strides=(1, 1), dilation_rate=(1, 1))


class Conv3D(Conv):
    """Convolution over three axes: see `Conv`.

    Shapes: (batch, depth, rows, columns, in) -> (batch, new depth, new rows, new columns, filters).
    Keras: tf.keras.layers.Conv3D; torch: nn.Conv3d.
    """

    rank = 3
    __init__ = with_defaults(Conv.__init__, strides=(1, 1, 1), dilation_rate=(1, 1, 1))


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
