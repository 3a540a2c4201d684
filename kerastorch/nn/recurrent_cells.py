"""The cells of simple recurrent networks, LSTMs and GRUs, with Keras's weights and semantics: one step each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["GRUCell", "LSTMCell", "RecurrentCell", "SimpleRNNCell", "Tensors"]

Tensors = tuple[torch.Tensor, ...]


class RecurrentCell(nn.Module):
    """One step of a recurrent network: `forward(x, *states)` returns the new states, the first of which is the output.

    input_size, hidden_size: the features of the input and of the states. bias: False for none.
    activation, recurrent_activation: names of the functions in `FUNCTIONS`, or callables.
    dropout, recurrent_dropout: of the input and the state, in training; gate_dropout: whether each gate drops its own.
    Parameters: weight_ih (gates * hidden, input), weight_hh (gates * hidden, hidden), bias (gates * hidden,); the gates
    stand in torch's order.
    """

    FUNCTIONS: ClassVar[dict[str, Callable[[torch.Tensor], torch.Tensor]]] = {
        "linear": lambda x: x,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "relu": torch.relu,
        "hard_sigmoid": lambda x: torch.clamp(0.2 * x + 0.5, 0, 1),
        "hard_sigmoid_keras3": F.hardsigmoid,
        "elu": F.elu,
        "selu": F.selu,
        "gelu": F.gelu,
        "swish": F.silu,
        "softplus": F.softplus,
        "softsign": F.softsign,
        "softmax": lambda x: torch.softmax(x, dim=-1),
        "exponential": torch.exp,
        "mish": F.mish,
    }
    GATES = 1
    STATES = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        activation: str | Callable[[torch.Tensor], torch.Tensor] = "tanh",
        recurrent_activation: str | Callable[[torch.Tensor], torch.Tensor] = "sigmoid",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        gate_dropout: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.activation, self.recurrent_activation = activation, recurrent_activation
        self.dropout, self.recurrent_dropout, self.gate_dropout = dropout, recurrent_dropout, gate_dropout
        size = self.GATES * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(size, input_size, device=device, dtype=dtype))
        self.weight_hh = nn.Parameter(torch.empty(size, hidden_size, device=device, dtype=dtype))
        if bias:
            self.bias = nn.Parameter(torch.empty(self.bias_shape(), device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.held_masks: Any = None  # within a CellLoop: the masks of this sequence, by name
        self.reset_parameters()

    def bias_shape(self) -> tuple[int, ...]:
        """The shape of the bias."""
        return (self.GATES * self.hidden_size,)

    def reset_parameters(self) -> None:
        """Initial values as Keras gives them: Glorot uniform, orthogonal, zeros."""
        if self.weight_ih.is_meta:
            return
        nn.init.xavier_uniform_(self.weight_ih)
        nn.init.orthogonal_(self.weight_hh)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def biases(self) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """The bias of the input's projection and, where there is one, that of the state's."""
        return self.bias, None

    def act(self, x: torch.Tensor) -> torch.Tensor:
        """The activation."""
        function = self.activation
        return self.FUNCTIONS[function](x) if isinstance(function, str) else function(x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """The recurrent activation."""
        function = self.recurrent_activation
        return self.FUNCTIONS[function](x) if isinstance(function, str) else function(x)

    def draw(self, name: str, rate: float, x: torch.Tensor, training: bool, gates: bool) -> torch.Tensor | None:
        """A dropout mask, (gates, batch, features) or (1, batch, features); None where nothing is dropped."""
        if not training or rate == 0.0:
            return None
        if self.held_masks is not None and name in self.held_masks:
            return self.held_masks[name]
        ones = torch.ones((self.GATES if gates else 1, x.shape[0], x.shape[-1]), dtype=x.dtype, device=x.device)
        drawn = F.dropout(ones, rate)
        if self.held_masks is not None:
            self.held_masks[name] = drawn
        return drawn

    def project(self, x: torch.Tensor, dropped: torch.Tensor | None) -> torch.Tensor:
        """The input's part in the gates: (batch, features) or (batch, time, features) -> (..., gates * hidden)."""
        bias = self.biases()[0]
        if dropped is None:
            return F.linear(x, self.weight_ih, bias)
        dropped = dropped.unsqueeze(2) if x.dim() == 3 else dropped
        if dropped.shape[0] == 1:
            return F.linear(x * dropped[0], self.weight_ih, bias)
        weights = self.weight_ih.chunk(self.GATES)
        parts = torch.cat([F.linear(x * m, w) for m, w in zip(dropped.unbind(0), weights, strict=True)], -1)
        return parts if bias is None else parts + bias

    def recur(
        self, h: torch.Tensor, weight: torch.Tensor, dropped: torch.Tensor | None, bias: Any = None
    ) -> torch.Tensor:
        """The state's part in as many gates as `weight` holds."""
        if dropped is None:
            return F.linear(h, weight, bias)
        if dropped.shape[0] == 1:
            return F.linear(h * dropped[0], weight, bias)
        gates = weight.shape[0] // self.hidden_size
        weights = weight.view(gates, self.hidden_size, self.hidden_size).transpose(1, 2)
        parts = torch.bmm(h * dropped[:gates], weights).transpose(0, 1).flatten(1)
        return parts if bias is None else parts + bias

    def step(self, projected: torch.Tensor, states: Tensors, dropped: torch.Tensor | None) -> Tensors:
        """The new states for the input's part in the gates."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor, *states: torch.Tensor, training: bool | None = None) -> Any:
        """(batch, input), states (batch, hidden) -> the new states: a tensor, or a tuple where there are several."""
        training = self.training if training is None else training
        projected = self.project(x, self.draw("input", self.dropout, x, training, self.gate_dropout))
        new = self.step(projected, states, self.draw("state", self.recurrent_dropout, states[0], training, True))
        return new[0] if len(new) == 1 else new

    def extra_repr(self) -> str:
        """The arguments that make a module like this one."""
        said = [f"input_size={self.input_size}", f"hidden_size={self.hidden_size}"]
        if self.bias is None:
            said.append("bias=False")
        for name, neutral in self.neutral_options().items():
            value = getattr(self, name)
            if value != neutral:
                said.append(f"{name}={getattr(value, '__name__', value) if callable(value) else repr(value)}")
        return ", ".join(said)

    def neutral_options(self) -> dict[str, Any]:
        """The options beside the sizes, and their defaults."""
        neutral: dict[str, Any] = {"activation": "tanh", "recurrent_activation": "sigmoid"}
        return {**neutral, "dropout": 0.0, "recurrent_dropout": 0.0, "gate_dropout": False}


class SimpleRNNCell(RecurrentCell):
    """`h = activation(x @ W_ih.T + h @ W_hh.T + bias)`."""

    def step(self, projected: torch.Tensor, states: Tensors, dropped: torch.Tensor | None) -> Tensors:
        """The new state."""
        return (self.act(projected + self.recur(states[0], self.weight_hh, dropped)),)


class LSTMCell(RecurrentCell):
    """A step of an LSTM: states (h, c); gates input, forget, cell, output. double_bias: two biases, as in cuDNN."""

    GATES = 4
    STATES = 2

    def __init__(self, input_size: int, hidden_size: int, double_bias: bool = False, **options: Any) -> None:
        self.double_bias = double_bias
        super().__init__(input_size, hidden_size, **options)

    def bias_shape(self) -> tuple[int, ...]:
        """(gates,), or one of each kind."""
        return (2, 4 * self.hidden_size) if self.double_bias else (4 * self.hidden_size,)

    def biases(self) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """One bias, or two."""
        return (self.bias[0], self.bias[1]) if self.double_bias else (self.bias, None)

    def step(self, projected: torch.Tensor, states: Tensors, dropped: torch.Tensor | None) -> Tensors:
        """The new h and c."""
        h, c = states
        i, f, g, o = (projected + self.recur(h, self.weight_hh, dropped, self.biases()[1])).chunk(4, -1)
        c = self.gate(f) * c + self.gate(i) * self.act(g)
        return self.gate(o) * self.act(c), c

    def neutral_options(self) -> dict[str, Any]:
        """The options beside the sizes, and their defaults."""
        return {**super().neutral_options(), "double_bias": False}


class GRUCell(RecurrentCell):
    """A step of a GRU; gates reset, update, new.

    reset_after: whether the reset gate acts after the matrix product (cuDNN, torch), with a bias of its own for the
    state (bias is (2, 3 * hidden)), or before it (the paper's first form; bias is (3 * hidden,)).
    """

    GATES = 3

    def __init__(self, input_size: int, hidden_size: int, reset_after: bool = True, **options: Any) -> None:
        self.reset_after = reset_after
        super().__init__(input_size, hidden_size, **options)

    def bias_shape(self) -> tuple[int, ...]:
        """One bias per projection where the reset comes after, else one."""
        return (2, 3 * self.hidden_size) if self.reset_after else (3 * self.hidden_size,)

    def biases(self) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """The biases of the input's and the state's projection."""
        if self.bias is None or not self.reset_after:
            return self.bias, None
        return self.bias[0], self.bias[1]

    def step(self, projected: torch.Tensor, states: Tensors, dropped: torch.Tensor | None) -> Tensors:
        """The new state."""
        h, size = states[0], self.hidden_size
        x_r, x_z, x_n = projected.chunk(3, -1)
        if self.reset_after:
            r, z, n = self.recur(h, self.weight_hh, dropped, self.biases()[1]).chunk(3, -1)
            r, z = self.gate(x_r + r), self.gate(x_z + z)
            n = r * n
        else:
            r, z = self.recur(h, self.weight_hh[: 2 * size], dropped).chunk(2, -1)
            r, z = self.gate(x_r + r), self.gate(x_z + z)
            n = F.linear(r * (h if dropped is None else h * dropped[-1]), self.weight_hh[2 * size :])
        n = self.act(x_n + n)
        return (z * h + (1 - z) * n,)

    def neutral_options(self) -> dict[str, Any]:
        """The options beside the sizes, and their defaults."""
        return {**super().neutral_options(), "reset_after": True}
