"""CuDNNLSTM and CuDNNGRU: layers of old files, with cuDNN's weights; they run anywhere."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from kerastorch.layers.recurrent.base import RNN
from kerastorch.layers.recurrent.cells import WEIGHT_OPTIONS, BuiltInCell, of_cell, options_for
from kerastorch.layers.recurrent.gru import GRUCell, _swapped
from kerastorch.layers.recurrent.lstm import LSTMCell
from kerastorch.variables import Layout

__all__ = ["CuDNNGRU", "CuDNNLSTM"]


def _to_torch(kernel: torch.Tensor, gates: int) -> torch.Tensor:
    """(in, gates * units) -> (gates * units, in). cuDNN reads a gate's (in, units) numbers in a row as (units, in)."""
    blocks = [k.reshape(k.shape[1], k.shape[0]) for k in kernel.chunk(gates, 1)]
    return torch.cat(blocks, 0)


def _to_keras(weight: torch.Tensor, gates: int) -> torch.Tensor:
    """(gates * units, in) -> (in, gates * units), the inverse."""
    blocks = [w.reshape(w.shape[1], w.shape[0]) for w in weight.chunk(gates, 0)]
    return torch.cat(blocks, 1)


def _in_two(bias: torch.Tensor) -> torch.Tensor:
    return bias.reshape(2, -1)


def _gru_to_keras(weight: torch.Tensor) -> torch.Tensor:
    return _swapped(_to_keras(weight, 3))


def _gru_to_torch(kernel: torch.Tensor) -> torch.Tensor:
    return _to_torch(_swapped(kernel), 3)


def _gru_bias_to_keras(bias: torch.Tensor) -> torch.Tensor:
    return _swapped(bias).flatten()


def _gru_bias_to_torch(bias: torch.Tensor) -> torch.Tensor:
    return _swapped(_in_two(bias))


LSTM_KERNEL = Layout("cuDNN's LSTM kernel", partial(_to_keras, gates=4), partial(_to_torch, gates=4))
LSTM_BIAS = Layout("cuDNN's LSTM biases in one", torch.flatten, _in_two)
GRU_KERNEL = Layout("cuDNN's GRU kernel, gates z, r, h", _gru_to_keras, _gru_to_torch)
GRU_BIAS = Layout("cuDNN's GRU biases in one, gates z, r, h", _gru_bias_to_keras, _gru_bias_to_torch)


class _CuDNNLSTMCell(LSTMCell):
    def layouts(self) -> tuple[Layout, Layout, Layout]:
        return LSTM_KERNEL, LSTM_KERNEL, LSTM_BIAS

    def torch_options(self) -> dict[str, Any]:
        return {**super().torch_options(), "double_bias": True}

    def bias_init(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer
        inner, units = self.bias_initializer, self.units

        def ones_for_forget(shape: Any, dtype: Any = None) -> torch.Tensor:
            first = inner((5 * units,), dtype=dtype)
            return torch.cat([first, torch.ones_like(first[:units]), inner((2 * units,), dtype=dtype)])

        return ones_for_forget


class _CuDNNGRUCell(GRUCell):
    def layouts(self) -> tuple[Layout, Layout, Layout]:
        return GRU_KERNEL, GRU_KERNEL, GRU_BIAS


class _CuDNNRNN(RNN):
    """What CuDNNLSTM and CuDNNGRU share: the cell's weights stand under the layer's own name."""

    _scopes_cell = False
    _cell_class: type[BuiltInCell]

    def __init__(self, arguments: dict[str, Any], **kwargs: Any) -> None:
        arguments = {key: value for key, value in arguments.items() if key not in ("self", "kwargs", "__class__")}
        cell = self._cell_class(**options_for(self._cell_class, arguments, kwargs), name="cell")
        flags = {k: arguments[k] for k in ("return_sequences", "return_state", "go_backwards", "stateful")}
        super().__init__(cell, **flags, activity_regularizer=arguments["activity_regularizer"], **kwargs)

    def call(self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None) -> Any:
        """The output, or, with return_state, the list of the output and the final states."""
        if mask is not None and any(m is not None for m in (mask if isinstance(mask, (list, tuple)) else [mask])):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': masking is not supported for cuDNN's layers. Use LSTM or "
                "GRU instead."
            )
        return super().call(inputs, None, training, initial_state)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        for name in ("implementation", "unroll"):
            config.pop(name, None)
        return config


_SHARED = ("units", *WEIGHT_OPTIONS)


@of_cell("unit_forget_bias", *_SHARED)
class CuDNNLSTM(_CuDNNRNN):
    """LSTM with cuDNN's weights, as in files of Keras 2 and TensorFlow 1.

    Shapes: (batch, time, in) -> (batch, units), or (batch, time, units) with return_sequences.
    kernel: (in, 4 * units); recurrent_kernel: (units, 4 * units); bias: (8 * units,), the input's and the state's.
    Raises ValueError where units is no positive int, the last axis is unknown, or a mask comes in.
    Eras: 2.
    Keras: tf.compat.v1.keras.layers.CuDNNLSTM; torch: the kernel of nn.LSTM.
    """

    supports_masking = False
    _cell_class = _CuDNNLSTMCell

    def __init__(
        self,
        units: int,
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
        **kwargs: Any,
    ) -> None:
        super().__init__(dict(locals()), **kwargs)


@of_cell(*_SHARED)
class CuDNNGRU(_CuDNNRNN):
    """GRU with cuDNN's weights, as in files of Keras 2 and TensorFlow 1.

    Shapes: (batch, time, in) -> (batch, units), or (batch, time, units) with return_sequences.
    kernel: (in, 3 * units); recurrent_kernel: (units, 3 * units); bias: (6 * units,), the input's and the state's.
    Raises ValueError where units is no positive int, the last axis is unknown, or a mask comes in.
    Eras: 2.
    Keras: tf.compat.v1.keras.layers.CuDNNGRU; torch: the kernel of nn.GRU.
    """

    supports_masking = False
    _cell_class = _CuDNNGRUCell

    def __init__(
        self,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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
        **kwargs: Any,
    ) -> None:
        super().__init__(dict(locals()), **kwargs)
