"""GRU and its cell."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.layers.recurrent.base import RNN
from kerastorch.layers.recurrent.cells import WEIGHT_OPTIONS, BuiltInCell, of_cell, options_for
from kerastorch.nn import recurrent, recurrent_cells
from kerastorch.variables import Layout

__all__ = ["GRU", "GRUCell"]


def _swapped(x: torch.Tensor) -> torch.Tensor:
    """Swaps two of the last axis's three blocks: update, reset, new in Keras; reset, update, new in torch."""
    first, second, third = x.chunk(3, -1)
    return torch.cat([second, first, third], -1)


def _kernel_to_keras(x: torch.Tensor) -> torch.Tensor:
    return _swapped(x.transpose(0, 1))


def _kernel_to_torch(x: torch.Tensor) -> torch.Tensor:
    return _swapped(x).transpose(0, 1)


GRU_KERNEL = Layout(
    "GRU kernel: gates r, z, n by rows in torch, z, r, h by columns in Keras",
    _kernel_to_keras,
    _kernel_to_torch,
)
GRU_BIAS = Layout("GRU bias: gates r, z, n in torch, z, r, h in Keras", _swapped, _swapped)


class GRUCell(BuiltInCell):
    """A step of a gated recurrent unit (Cho et al., 2014).

    Shapes: (batch, in), [(batch, units)] -> (batch, units), [(batch, units)].
    kernel: (in, 3 * units); recurrent_kernel: (units, 3 * units); gates update, reset, new.
    reset_after: whether the reset gate acts after the matrix product, as in cuDNN; bias is then (2, 3 * units), for the
    input and for the state, else (3 * units,). implementation (keyword): 1 drops inputs for each gate by itself.
    Raises ValueError where units is no positive int, or the last axis is unknown.
    Keras: tf.keras.layers.GRUCell.
    """

    step, sequence = recurrent_cells.GRUCell, recurrent.GRU

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        implementation = kwargs.pop("implementation", 2)
        super().__init__(units, locals(), **kwargs)
        self.reset_after = reset_after
        self.implementation = 1 if self.recurrent_dropout else implementation

    def layouts(self) -> tuple[Layout, Layout, Layout]:
        """Keras and torch have the gates in different orders."""
        return GRU_KERNEL, GRU_KERNEL, GRU_BIAS

    def torch_options(self) -> dict[str, Any]:
        """What the torch module is told beside the sizes."""
        return {**super().torch_options(), "reset_after": self.reset_after}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The cell that a config describes; one without reset_after is older than the argument, and means False."""
        return cls(**{"reset_after": False, **config})


@of_cell(
    "units",
    "activation",
    "recurrent_activation",
    "use_bias",
    "dropout",
    "recurrent_dropout",
    "reset_after",
    "implementation",
    *WEIGHT_OPTIONS,
)
class GRU(RNN):
    """A gated recurrent unit network (Cho et al., 2014).

    Shapes: (batch, time, in) -> (batch, units), or (batch, time, units) with return_sequences.
    kernel: (in, 3 * units); recurrent_kernel: (units, 3 * units); bias: (2, 3 * units), or (3 * units,) without
    reset_after. Other arguments: see `RNN` and `GRUCell`.
    Raises ValueError where units is no positive int, or the last axis is unknown.
    Departs: input dropout is drawn once per sequence, as in Keras 3; tf.keras's fused kernel draws it at every step.
    Keras: tf.keras.layers.GRU; torch: the kernel of nn.GRU where the activations are tanh and sigmoid, and reset_after.
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
        time_major: bool = False,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        cell = GRUCell(**options_for(GRUCell, locals(), kwargs), name="gru_cell")
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
        """The output, or, with return_state, the list of the output and the final state."""
        return super().call(inputs, mask, training, initial_state)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The layer that a config describes; one without reset_after is older than the argument, and means False."""
        return super().from_config({"reset_after": False, **config}, custom_objects)
