"""LSTM and its cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from kerastorch.layers.recurrent.base import RNN
from kerastorch.layers.recurrent.cells import WEIGHT_OPTIONS, BuiltInCell, of_cell, options_for
from kerastorch.nn import recurrent, recurrent_cells

__all__ = ["LSTM", "LSTMCell"]


class LSTMCell(BuiltInCell):
    """A step of an LSTM (Hochreiter and Schmidhuber, 1997).

    Shapes: (batch, in), [h, c] of (batch, units) -> (batch, units), [h, c].
    kernel: (in, 4 * units); recurrent_kernel: (units, 4 * units); bias: (4 * units,); gates: input, forget, cell, out.
    unit_forget_bias: the forget gate's bias begins at 1. implementation (keyword): 1 drops inputs for each gate alone.
    Raises ValueError where units is no positive int, or the last axis is unknown.
    Keras: tf.keras.layers.LSTMCell.
    """

    step: type[nn.Module] = recurrent_cells.LSTMCell
    sequence: type[nn.Module] = recurrent.LSTM

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        implementation = kwargs.pop("implementation", 2)
        super().__init__(units, locals(), **kwargs)
        self.unit_forget_bias = unit_forget_bias
        self.implementation = 1 if self.recurrent_dropout else implementation

    @property
    def state_size(self) -> list[int]:
        """The sizes of h and c."""
        return [self.units, self.units]

    def bias_init(self) -> Callable[..., torch.Tensor]:
        """The initializer of the bias, with ones for the forget gate if asked for."""
        if not self.unit_forget_bias:
            return self.bias_initializer
        inner, units = self.bias_initializer, self.units

        def ones_for_forget(shape: Any, dtype: Any = None) -> torch.Tensor:
            first = inner((units,), dtype=dtype)
            return torch.cat([first, torch.ones_like(first), inner((2 * units,), dtype=dtype)])

        return ones_for_forget


@of_cell(
    "units",
    "activation",
    "recurrent_activation",
    "use_bias",
    "unit_forget_bias",
    "dropout",
    "recurrent_dropout",
    "implementation",
    *WEIGHT_OPTIONS,
)
class LSTM(RNN):
    """A long short-term memory network (Hochreiter and Schmidhuber, 1997).

    Shapes: (batch, time, in) -> (batch, units), or (batch, time, units) with return_sequences; states h and c.
    kernel: (in, 4 * units); recurrent_kernel: (units, 4 * units); bias: (4 * units,); gates: input, forget, cell, out.
    Other arguments: see `RNN` and `LSTMCell`.
    Raises ValueError where units is no positive int, or the last axis is unknown.
    Departs: input dropout is drawn once per sequence, as in Keras 3; tf.keras's fused kernel draws it at every step.
    Keras: tf.keras.layers.LSTM; torch: the kernel of nn.LSTM where the activations are tanh and sigmoid.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        time_major: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = LSTMCell(**options_for(LSTMCell, locals(), kwargs), name="lstm_cell")
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            time_major,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )

    def call(self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None) -> Any:
        """The output, or, with return_state, the list of the output, h and c."""
        return super().call(inputs, mask, training, initial_state)
