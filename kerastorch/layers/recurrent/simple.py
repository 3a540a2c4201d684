"""SimpleRNN and its cell."""

from __future__ import annotations

from typing import Any

from kerastorch.layers.recurrent.base import RNN
from kerastorch.layers.recurrent.cells import WEIGHT_OPTIONS, BuiltInCell, of_cell, options_for
from kerastorch.nn import recurrent, recurrent_cells

__all__ = ["SimpleRNN", "SimpleRNNCell"]


class SimpleRNNCell(BuiltInCell):
    """A step of a simple recurrent network: `activation(inputs @ kernel + state @ recurrent_kernel + bias)`.

    Shapes: (batch, in), [(batch, units)] -> (batch, units), [(batch, units)].
    kernel: (in, units); recurrent_kernel: (units, units); bias: (units,).
    Raises ValueError where units is no positive int, or the last axis is unknown.
    Keras: tf.keras.layers.SimpleRNNCell.
    """

    step, sequence = recurrent_cells.SimpleRNNCell, recurrent.SimpleRNN

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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
        super().__init__(units, locals(), **kwargs)


@of_cell("units", "activation", "use_bias", "dropout", "recurrent_dropout", *WEIGHT_OPTIONS)
class SimpleRNN(RNN):
    """A network whose output goes back in: `h = activation(x @ kernel + h @ recurrent_kernel + bias)`.

    Shapes: (batch, time, in) -> (batch, units), or (batch, time, units) with return_sequences.
    kernel: (in, units); recurrent_kernel: (units, units); bias: (units,). Other arguments: see `RNN`.
    Raises ValueError where units is no positive int, or the last axis is unknown.
    Keras: tf.keras.layers.SimpleRNN; torch: the kernel of nn.RNN where the activation is tanh or relu.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("implementation", None)
        cell = SimpleRNNCell(**options_for(SimpleRNNCell, locals(), kwargs), name="simple_rnn_cell")
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )

    def call(self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None) -> Any:
        """The output, or, with return_state, the list of the output and the final state."""
        return super().call(inputs, mask, training, initial_state)
