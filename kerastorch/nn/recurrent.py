"""Simple recurrent networks, LSTMs and GRUs over time, with Keras's weights and semantics, on torch's kernels where they fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from kerastorch.nn.recurrent_cells import GRUCell, LSTMCell, RecurrentCell, SimpleRNNCell, Tensors
from kerastorch.nn.steps import take_steps

__all__ = ["GRU", "LSTM", "Sequence", "SimpleRNN"]


def _keeps_all(x: torch.Tensor, training: bool) -> bool:
    """Whether a kernel keeps what its gradient needs, which cuDNN's does in training only. (It drops nothing here.)"""
    return training or (x.is_cuda and torch.is_grad_enabled())


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
            with torch.inference_mode(False):
                zeros = torch.zeros_like(bias, requires_grad=False)
            if type(zeros) is torch.Tensor:  # none of the fake ones, on which shapes are found
                self._zeros = zeros
        return zeros

    def flatten(self) -> None:
        """Puts the weights into one piece of memory, as cuDNN wants them; else it would copy them at every call."""
        if self._flat:
            return
        own = [w for w in (self.weight_ih, self.weight_hh, self.bias) if w is not None]
        if any(w.untyped_storage().nbytes() != w.numel() * w.element_size() for w in own):
            self._flat = True
            return  # they belong to another's piece already
        with torch.inference_mode(False), torch.no_grad():
            second = self.bias.numel() if self.bias is not None and self.bias.dim() == 1 else 0
            flat = torch.zeros(sum(w.numel() for w in own) + second, device=own[0].device, dtype=own[0].dtype)
            if type(flat) is not torch.Tensor:
                return  # a fake one, on which shapes are found: the weights must not move there
            start = 0
            for w in own:
                piece = flat[start : start + w.numel()].view_as(w)
                piece.copy_(w)
                w.data = piece
                start += w.numel()
            self._zeros = flat[start:] if second else None
            self._flat = True

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
            return (
                given if torch.compiler.is_compiling() else self.for_batch(given, x.shape[1 if self.time_major else 0])
            )
        zeros = torch.zeros(x.shape[1 if self.time_major else 0], self.hidden_size, dtype=x.dtype, device=x.device)
        return (zeros,) * self.STATES

    @staticmethod
    def for_batch(states: Tensors, batch: int) -> Tensors:
        """States of one sample are every sample's. ValueError for those of another batch: torch.lstm reads beyond their end."""
        sizes = {s.shape[0] for s in states}
        if sizes <= {batch}:
            return states
        if not sizes <= {1, batch}:
            raise ValueError(
                f"The inputs are a batch of {batch}, the initial states have {[tuple(s.shape) for s in states]}."
            )
        return tuple(s.expand(batch, *s.shape[1:]) for s in states)

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
        training = _keeps_all(x, training)
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
        training = _keeps_all(x, training)
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
        training = _keeps_all(x, training)
        outputs, _, c = torch.lstm(x, states, weights, self.bias is not None, 1, 0.0, training, False, True)
        return outputs, c


class GRU(Sequence, GRUCell):
    """A GRU; torch's kernel where the activations are tanh and sigmoid and the reset comes after."""

    def fits_kernel(self) -> bool:
        """Whether the fused kernel computes this network."""
        return self.reset_after and super().fits_kernel()

    def kernel(self, x: torch.Tensor, states: Tensors, training: bool, batch_first: bool) -> Tensors:
        """torch.gru."""
        training = _keeps_all(x, training)
        return torch.gru(
            x, states[0], self.kernel_weights(), self.bias is not None, 1, 0.0, training, False, batch_first
        )
