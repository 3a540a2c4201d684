"""ConvLSTM1D, ConvLSTM2D and ConvLSTM3D: LSTMs whose products are convolutions."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.recurrent.base import RNN
from kerastorch.layers.recurrent.cells import WEIGHT_OPTIONS, of_cell, options_for
from kerastorch.layers.recurrent.lstm import LSTMCell
from kerastorch.layers.windows import SpatialLayer, output_length, with_defaults
from kerastorch.nn.conv_lstm import ConvLSTM as TorchConvLSTM
from kerastorch.variables import CONVOLUTION, IDENTITY, Layout

__all__ = ["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"]


class _ConvLSTMCell(LSTMCell, SpatialLayer):
    """Holds the weights of a ConvLSTM; the layer calls its torch module."""

    sequence: type[nn.Module] = TorchConvLSTM

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        named = dict(locals())
        shared = {k: v for k, v in named.items() if k in _LSTM_OPTIONS}
        LSTMCell.__init__(self, filters, **shared, **kwargs)
        self.rank, self.filters = rank, self.units
        self.kernel_size = self._ints("kernel_size", kernel_size)
        self.strides = self._ints("strides", strides)
        self.padding = self._choice("padding", padding, ("valid", "same"))
        self.data_format = self._format(data_format)
        self.dilation_rate = self._ints("dilation_rate", dilation_rate)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"ConvLSTM{rank}D: strides > 1 cannot go with dilation_rate > 1, got strides={self.strides} and "
                f"dilation_rate={self.dilation_rate}."
            )

    def layouts(self) -> tuple[Layout, Layout, Layout]:
        """Kernels lie as those of convolutions."""
        return CONVOLUTION, CONVOLUTION, IDENTITY

    def torch_options(self) -> dict[str, Any]:
        """What the torch module is told beside the channels."""
        options = {**super().torch_options(), "gate_dropout": False, "kernel_size": self.kernel_size}
        options["channels_last"] = self.data_format == "channels_last"
        return {**options, "stride": self.strides, "padding": self.padding, "dilation": self.dilation_rate}

    def build(self, input_shape: Any) -> None:
        """Makes the weights, for inputs whose number of channels is known."""
        super().build((None, input_shape[self._channel_axis]))

    def shape_after(self, shape: Any) -> tuple[int | None, ...]:
        """The shape of an output for that of an input, without the time axis."""
        windows = zip(self._sizes(shape), self.kernel_size, self.strides, self.dilation_rate, strict=True)
        sizes = [output_length(n, k, self.padding, s, d) for n, k, s, d in windows]
        return self._shape(shape, sizes, self.filters)


_LSTM_OPTIONS = (
    "activation",
    "recurrent_activation",
    "use_bias",
    "unit_forget_bias",
    "dropout",
    "recurrent_dropout",
    *WEIGHT_OPTIONS,
)


@of_cell("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", *_LSTM_OPTIONS)
class ConvLSTM(RNN):
    """The base of ConvLSTM1D, ConvLSTM2D and ConvLSTM3D (Shi et al., 2015). rank: the number of spatial axes.

    Raises ValueError for windows, strides and paddings that no convolution has, and where the channels are unknown.
    """

    rank: int
    _scopes_cell = False

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("unroll"):
            raise TypeError(
                f"{type(self).__name__}: Unrolling is not possible with convolutional RNNs. Leave unroll out."
            )
        cell = _ConvLSTMCell(self.rank, **options_for(_ConvLSTMCell, locals(), kwargs), name="conv_lstm_cell")
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = [InputSpec(ndim=self.rank + 3)]

    def call(self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None) -> Any:
        """The output, or, with return_state, the list of the output, h and c."""
        states = [] if initial_state is None else list(initial_state)
        x, first, _ = self._split(inputs)
        states = [self._channels_first(s, 1) for s in [*first, *states]]
        outputs = super().call(self._channels_first(x, 2), mask, training, states)
        if not self.return_state:
            return self._channels_last(outputs, 2 if self.return_sequences else 1)
        return [
            self._channels_last(outputs[0], 2 if self.return_sequences else 1),
            *[self._channels_last(s, 1) for s in outputs[1:]],
        ]

    def _channels_first(self, x: torch.Tensor, batch_axes: int) -> torch.Tensor:
        if self.data_format == "channels_first":
            return x
        last = batch_axes + self.rank
        return x.permute(*range(batch_axes), last, *range(batch_axes, last))

    def _channels_last(self, x: torch.Tensor, batch_axes: int) -> torch.Tensor:
        if self.data_format == "channels_first":
            return x
        return x.permute(*range(batch_axes), *range(batch_axes + 1, batch_axes + 1 + self.rank), batch_axes)

    def _loop_options(self) -> dict[str, Any]:
        return {}

    def _set_spec(self, shape: Any) -> None:
        super()._set_spec(shape)
        if self.stateful and None in self._output_shapes(tuple(shape))[1][0]:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': If a RNN is stateful, it needs to know its batch size, "
                "and the number "
                f"of rows and columns, got shape {tuple(shape)}. Give Input a batch_shape with all of them."
            )
        self._state_shape = self._output_shapes(tuple(shape))[1][0][1:]

    def _output_shapes(self, shape: tuple) -> tuple[tuple, list[tuple]]:
        one = self.cell.shape_after((shape[0], *shape[2:]))
        output = (shape[0], shape[1], *one[1:]) if self.return_sequences else one
        return output, [one, one]

    def _check_states(self, states: list[Any]) -> None:
        if not states:
            return
        axis = self.cell._channel_axis
        if len(states) != 2 or any(len(s.shape) != self.rank + 2 or s.shape[axis] != self.filters for s in states):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': An `initial_state` was passed that is not compatible with "
                f"`cell.state_size`: got shapes {[tuple(s.shape) for s in states]}, expected two with "
                f"{self.filters} channels."
            )

    def get_initial_state(self, inputs: Any) -> list[torch.Tensor]:
        """Zeros for h and c, for a batch like the inputs."""
        shape = self._output_shapes(tuple(inputs.shape))[1][0]
        return [torch.zeros(shape, dtype=inputs.dtype, device=inputs.device) for _ in range(2)]

    def _fresh_states(self) -> list[torch.Tensor]:
        shape = (self._batch_size, *self._state_shape)
        return [torch.zeros(shape, device=self._device()) for _ in range(2)]  # type: ignore[arg-type]

    @property
    def states(self) -> list[Any]:
        """What a stateful layer will begin with; Nones where the layer is not stateful or not built."""
        if not self.stateful or not self.built:
            return [None, None]
        own = self.cell.rnn.states
        return self._fresh_states() if own is None else [self._channels_last(s, 1) for s in own]

    def reset_states(self, states: Any = None) -> None:
        """As `RNN.reset_states`; shapes as those of the outputs."""
        super().reset_states(states)
        if self.built and self.cell.rnn.states is not None:
            self.cell.rnn.states = [self._channels_first(s, 1) for s in self.cell.rnn.states]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, unroll and time_major."""
        config = super().get_config()
        config.pop("implementation", None)
        return config


class ConvLSTM1D(ConvLSTM):
    """A convolutional LSTM over sequences of rows.

    Shapes: (batch, time, steps, channels) -> (batch, steps, filters), time before it with return_sequences.
    kernel: (window, channels, 4 * filters); recurrent_kernel: (window, filters, 4 * filters); bias: (4 * filters,).
    Other arguments: see `LSTM` and `Conv1D`. Raises ValueError as `Conv1D` and `RNN` do.
    Keras: tf.keras.layers.ConvLSTM1D; torch: nn.Conv1d's function, in a loop.
    """

    rank = 1


class ConvLSTM2D(ConvLSTM):
    """A convolutional LSTM over sequences of images.

    Shapes: (batch, time, rows, columns, channels) -> (batch, rows, columns, filters), time before it in sequences.
    kernel: (*window, channels, 4 * filters); recurrent_kernel: (*window, filters, 4 * filters); bias: (4 * filters,).
    Other arguments: see `LSTM` and `Conv2D`. Raises ValueError as `Conv2D` and `RNN` do.
    Keras: tf.keras.layers.ConvLSTM2D; torch: nn.Conv2d's function, in a loop.
    """

    rank = 2
    __init__ = with_defaults(ConvLSTM.__init__, strides=(1, 1), dilation_rate=(1, 1))


class ConvLSTM3D(ConvLSTM):
    """A convolutional LSTM over sequences of volumes.

    Shapes: (batch, time, *sizes, channels) -> (batch, *sizes, filters), time before with return_sequences.
    kernel: (*window, channels, 4 * filters); recurrent_kernel: (*window, filters, 4 * filters); bias: (4 * filters,).
    Other arguments: see `LSTM` and `Conv3D`. Raises ValueError as `Conv3D` and `RNN` do.
    Keras: tf.keras.layers.ConvLSTM3D; torch: nn.Conv3d's function, in a loop.
    """

    rank = 3
    __init__ = with_defaults(ConvLSTM.__init__, strides=(1, 1, 1), dilation_rate=(1, 1, 1))
