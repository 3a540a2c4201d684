"""Simple recurrent networks, LSTMs and GRUs with Keras's weights and semantics, on torch's kernels where they fit.

`RecurrentCell` and `Sequence` are the bases: one holds the weights and takes a step, the other goes over time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from kerastorch.nn.steps import take_steps

__all__ = ["GRU", "LSTM", "GRUCell", "LSTMCell", "RecurrentCell", "Sequence", "SimpleRNN", "SimpleRNNCell"]

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


class Sequence(RecurrentCell):
    """Takes a cell's step over time: (batch, time, input) -> (batch, hidden), or (batch, time, hidden).

    return_sequences: the outputs of all steps, not of the last. return_state: (output, *final states).
    go_backwards: from the last step to the first, outputs in that order. time_major: time is the first axis.
    A step that the mask (batch, time) leaves out keeps output and states, or gives 0 with zero_output_for_mask.
    batch_size: with it the module is stateful: it begins where the last call, of as many samples, ended.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        time_major: bool = False,
        zero_output_for_mask: bool = False,
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, **options)
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.time_major, self.zero_output_for_mask, self.batch_size = time_major, zero_output_for_mask, batch_size
        self._zeros: torch.Tensor | None = None
        self._flat = False
        self.states: list[torch.Tensor] | None = None

    def fits_kernel(self) -> bool:
        """Whether the fused kernel computes this network, but for recurrent dropout."""
        return self.activation == "tanh" and self.recurrent_activation == "sigmoid"

    def can_be_exported(self, x: torch.Tensor, mask: Any) -> bool:
        """Whether the fused kernel stays right where it is exported: torch.export fixes its time, and ONNX knows it for
        LSTMs and GRUs without masks only."""
        if not torch.compiler.is_exporting():
            return True
        if torch.onnx.is_in_onnx_export():
            return mask is None and self.GATES > 1
        return isinstance(x.shape[0 if self.time_major else 1], int)

    def kernel_takes(self, x: torch.Tensor) -> bool:
        """Whether the fused kernel has the dtype in which it would compute, on this machine."""
        return True

    def kernel(self, x: torch.Tensor, states: Tensors, training: bool, batch_first: bool) -> Tensors:
        """torch's kernel: the outputs of all steps and the final states, with a leading axis of 1."""
        raise NotImplementedError

    def kernel_until(self, x: torch.Tensor, states: Tensors, idle: torch.Tensor, training: bool) -> Tensors:
        """The outputs, and the states beyond the first as they stood before the idle steps (batch, time) at the end."""
        raise NotImplementedError

    def kernel_weights(self) -> list[torch.Tensor]:
        """The weights as torch's kernels want them: both matrices and, with a bias, two biases."""
        if self.weight_ih.is_cuda and not torch.compiler.is_compiling():
            self.flatten()
        if self.bias is None:
            return [self.weight_ih, self.weight_hh]
        first, second = self.biases()
        return [self.weight_ih, self.weight_hh, first, self.zeros() if second is None else second]  # type: ignore[list-item]

    def zeros(self) -> torch.Tensor:
        """The second bias where Keras has one only: no weight, so neither a parameter nor a buffer."""
        zeros, bias = self._zeros, self.bias
        if torch.compiler.is_compiling():
            return torch.zeros_like(bias)
        if zeros is None or zeros.device != bias.device or zeros.dtype != bias.dtype:
            zeros = self._zeros = torch.zeros_like(bias, requires_grad=False)
        return zeros

    def flatten(self) -> None:
        """Puts the weights into one piece of memory, as cuDNN wants them; else it would copy them at every call."""
        if self._flat:
            return
        self._flat = True
        own = [w for w in (self.weight_ih, self.weight_hh, self.bias) if w is not None]
        if any(w.untyped_storage().nbytes() != w.numel() * w.element_size() for w in own):
            return  # they belong to another's piece already
        with torch.no_grad():
            second = self.bias.numel() if self.bias is not None and self.bias.dim() == 1 else 0
            flat = torch.zeros(sum(w.numel() for w in own) + second, device=own[0].device, dtype=own[0].dtype)
            start = 0
            for w in own:
                piece = flat[start : start + w.numel()].view_as(w)
                piece.copy_(w)
                w.data = piece
                start += w.numel()
            self._zeros = flat[start:] if second else None

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Sequence:
        self._flat, self._zeros = False, None
        return super()._apply(fn, recurse)

    def initial_states(self, x: torch.Tensor, given: Tensors) -> Tensors:
        """The states to begin with: given ones, else those of the last call if stateful, else zeros."""
        if self.batch_size is not None and self.states is not None:
            own = tuple((s.clone() if s.is_inference() else s).to(x.device, x.dtype) for s in self.states)
            if not given:
                return own
            # As Keras: given states count as long as the module has none of its own.
            started = torch.stack([s.any() for s in own]).any()
            return tuple(torch.where(started, a, b) for a, b in zip(own, given, strict=True))
        if given:
            return given
        zeros = torch.zeros(x.shape[1 if self.time_major else 0], self.hidden_size, dtype=x.dtype, device=x.device)
        return (zeros,) * self.STATES

    def forward(self, x: torch.Tensor, *states: torch.Tensor, mask: Any = None, training: bool | None = None) -> Any:
        """(batch, time, input), initial states (batch, hidden) -> output, or (output, *final states)."""
        training = self.training if training is None else training
        states = self.initial_states(x, states)
        axis = 0 if self.time_major else 1
        if self.go_backwards:
            x = x.flip(axis)
        if mask is not None:
            mask = (mask.squeeze(-1) if mask.dim() == 3 else mask).to(torch.bool)
            mask = mask.flip(axis) if self.go_backwards else mask
        fused = self.fits_kernel() and not (training and self.recurrent_dropout)
        fused = fused and self.kernel_takes(x) and self.can_be_exported(x, mask)
        ends = self.return_state or self.batch_size is not None
        if fused and mask is None:
            output, states = self.run_kernel(x, states, training)
        elif fused:
            output, states = self.run_kernel_masked(x, states, mask, training, ends)
        else:
            output, states = self.run_steps(x, states, mask, training)
        if self.batch_size is not None:
            self.states = [state.detach() for state in states]
        return (output, *states) if self.return_state else output

    def run_kernel(self, x: torch.Tensor, states: Tensors, training: bool) -> tuple[torch.Tensor, Tensors]:
        """The network by the fused kernel."""
        if training and self.dropout:
            drawn = F.dropout(torch.ones_like(x.select(0 if self.time_major else 1, 0)), self.dropout)
            x = x * drawn.unsqueeze(0 if self.time_major else 1)
        begin = tuple(s.unsqueeze(0) for s in states)
        outputs, *ends = self.kernel(x, begin, training, not self.time_major)
        states = tuple(s.squeeze(0) for s in ends)
        return (outputs if self.return_sequences else states[0]), states

    def run_kernel_masked(
        self, x: torch.Tensor, states: Tensors, mask: torch.Tensor, training: bool, ends: bool
    ) -> tuple[torch.Tensor, Tensors]:
        """The fused kernel on the steps that count, moved to the front; each output is then taken back to its place.

        ends: whether the final states are asked for; else only the first is right.
        """
        if self.time_major:
            x, mask = x.transpose(0, 1), mask.t()
        order = torch.argsort(mask.logical_not().to(torch.uint8), dim=1, stable=True)
        x = torch.gather(x, 1, order.unsqueeze(-1).expand_as(x))
        if training and self.dropout:
            x = x * F.dropout(torch.ones_like(x[:, :1]), self.dropout)
        begin = tuple(s.unsqueeze(0).contiguous() for s in states)
        count = mask.cumsum(1)
        if ends and self.STATES > 1:
            idle = torch.arange(x.shape[1], device=x.device) >= count[:, -1:]
            outputs, *more = self.kernel_until(x, begin, idle, training)
        else:
            outputs, *more = self.kernel(x, begin, training, True)[0], *begin[1:]
        taken = count if self.return_sequences else count[:, -1:]
        index = (taken - 1).clamp(min=0).unsqueeze(-1).expand(-1, -1, self.hidden_size)
        picked = torch.gather(outputs, 1, index)
        some = (taken > 0).unsqueeze(-1)
        states = (torch.where(some[:, -1], picked[:, -1], states[0]), *(state.squeeze(0) for state in more))
        shown = mask if self.return_sequences else mask[:, -1:]
        output = torch.where(some & shown.unsqueeze(-1) if self.zero_output_for_mask else some, picked, 0.0)
        if not self.return_sequences:
            return output[:, 0], states
        return (output.transpose(0, 1) if self.time_major else output), states

    def run_steps(
        self, x: torch.Tensor, states: Tensors, mask: torch.Tensor | None, training: bool
    ) -> tuple[torch.Tensor, Tensors]:
        """The network step by step."""
        if self.time_major:
            x, mask = x.transpose(0, 1), None if mask is None else mask.t()
        each = self.gate_dropout and not self.fits_kernel()
        projected = self.project(x, self.draw("input", self.dropout, x, training, each or self.recurrent_dropout > 0))
        dropped = self.draw("state", self.recurrent_dropout, states[0], training, True)
        output, states = take_steps(
            lambda part, held: self.step(part, held, dropped),
            projected,
            states,
            mask,
            self.return_sequences,
            self.zero_output_for_mask,
        )
        turned = self.time_major and self.return_sequences
        return (output.transpose(0, 1) if turned else output), states

    def neutral_options(self) -> dict[str, Any]:
        """The options beside the sizes, and their defaults."""
        flags = ("return_sequences", "return_state", "go_backwards", "time_major", "zero_output_for_mask")
        return {**super().neutral_options(), **dict.fromkeys(flags, False), "batch_size": None}


class SimpleRNN(Sequence, SimpleRNNCell):
    """A simple recurrent network; torch's kernel where the activation is tanh or relu."""

    def fits_kernel(self) -> bool:
        """Whether the fused kernel computes this network."""
        return self.activation in ("tanh", "relu")

    def kernel(self, x: torch.Tensor, states: Tensors, training: bool, batch_first: bool) -> Tensors:
        """torch.rnn_tanh or torch.rnn_relu."""
        function = torch.rnn_tanh if self.activation == "tanh" else torch.rnn_relu
        return function(
            x, states[0], self.kernel_weights(), self.bias is not None, 1, 0.0, training, False, batch_first
        )


class LSTM(Sequence, LSTMCell):
    """An LSTM; torch's kernel where the activations are tanh and sigmoid. Two final states: h and c."""

    def kernel_takes(self, x: torch.Tensor) -> bool:
        """False where torch.lstm would raise: in half precision on processors for which oneDNN has no such LSTM."""
        if x.device.type != "cpu":
            return True
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        if dtype == torch.bfloat16:
            return torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return dtype != torch.float16 or torch.ops.mkldnn._is_mkldnn_fp16_supported()

    def kernel(self, x: torch.Tensor, states: Tensors, training: bool, batch_first: bool) -> Tensors:
        """torch.lstm."""
        return torch.lstm(x, states, self.kernel_weights(), self.bias is not None, 1, 0.0, training, False, batch_first)

    def kernel_until(self, x: torch.Tensor, states: Tensors, idle: torch.Tensor, training: bool) -> Tensors:
        """torch.lstm with one more feature, which shuts the input gate and opens the forget gate in idle steps: c stays."""
        gate = torch.tensor([-1e4, 1e4, 0.0, 0.0], dtype=x.dtype, device=x.device).repeat_interleave(self.hidden_size)
        first, *rest = self.kernel_weights()
        weights = [torch.cat([first, gate.unsqueeze(1)], 1), *rest]
        # In one piece of memory, as cuDNN wants them.
        pieces = torch.cat([w.flatten() for w in weights]).split([w.numel() for w in weights])
        weights = [piece.view_as(w) for piece, w in zip(pieces, weights, strict=True)]
        x = torch.cat([x, idle.unsqueeze(-1).to(x.dtype)], -1)
        outputs, _, c = torch.lstm(x, states, weights, self.bias is not None, 1, 0.0, training, False, True)
        return outputs, c


class GRU(Sequence, GRUCell):
    """A GRU; torch's kernel where the activations are tanh and sigmoid and the reset comes after."""

    def fits_kernel(self) -> bool:
        """Whether the fused kernel computes this network."""
        return self.reset_after and super().fits_kernel()

    def kernel(self, x: torch.Tensor, states: Tensors, training: bool, batch_first: bool) -> Tensors:
        """torch.gru."""
        return torch.gru(
            x, states[0], self.kernel_weights(), self.bias is not None, 1, 0.0, training, False, batch_first
        )
