"""Convolutional LSTMs with Keras's semantics, channels first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from kerastorch.nn.recurrent_cells import LSTMCell
from kerastorch.nn.steps import take_steps

__all__ = ["ConvLSTM"]


class ConvLSTM(LSTMCell):
    """An LSTM whose matrix products are convolutions: (batch, time, in, *space) -> (batch, [time,] out, *space).

    input_size, hidden_size: channels of the input and of the states. kernel_size, stride, dilation: of the input's
    convolution, a tuple each; the state's has the same window, stride 1 and padding 'same'. padding: 'valid' or 'same'.
    channels_last: whether softmax and callables among the activations get the channels as their last axis.
    The rest as for `Sequence`. Parameters: weight_ih (4 * out, in, *window), weight_hh (4 * out, out, *window),
    bias (4 * out,); gates input, forget, cell, output.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...] | None = None,
        padding: str = "valid",
        dilation: tuple[int, ...] | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        batch_size: int | None = None,
        channels_last: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, **options)
        rank = len(kernel_size)
        self.kernel_size, self.padding = tuple(kernel_size), padding
        self.stride, self.dilation = tuple(stride or (1,) * rank), tuple(dilation or (1,) * rank)
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.batch_size, self.channels_last = batch_size, channels_last
        self.states: list[torch.Tensor] | None = None
        for name in ("weight_ih", "weight_hh"):
            matrix = getattr(self, name)
            kernel = torch.empty((*matrix.shape, *self.kernel_size), device=matrix.device, dtype=matrix.dtype)
            setattr(self, name, nn.Parameter(kernel))
        self.reset_parameters()

    def act(self, x: torch.Tensor) -> torch.Tensor:
        """The activation."""
        return self._along_channels(super().act, self.activation, x)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        """The recurrent activation."""
        return self._along_channels(super().gate, self.recurrent_activation, x)

    def _along_channels(self, apply: Callable[..., torch.Tensor], function: Any, x: torch.Tensor) -> torch.Tensor:
        if not self.channels_last or (isinstance(function, str) and function != "softmax"):
            return apply(x)
        return apply(x.movedim(1, -1)).movedim(-1, 1)

    def convolution(self) -> Callable[..., torch.Tensor]:
        """torch's convolution of this rank."""
        return (F.conv1d, F.conv2d, F.conv3d)[len(self.kernel_size) - 1]

    def reset_parameters(self) -> None:
        """Initial values as Keras gives them: Glorot uniform, orthogonal, zeros."""
        if not self.weight_ih.is_meta:
            nn.init.xavier_uniform_(self.weight_ih)
            nn.init.orthogonal_(self.weight_hh)
            if self.bias is not None:
                nn.init.zeros_(self.bias)

    def padded(self, x: torch.Tensor, stride: tuple[int, ...], dilation: tuple[int, ...]) -> torch.Tensor:
        """The input with the zeros around it that padding 'same' asks for, the odd one at the end."""
        sides: list[int] = []
        for n, k, s, d in zip(x.shape[2:], self.kernel_size, stride, dilation, strict=True):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            sides = [total // 2, total - total // 2, *sides]
        return F.pad(x, sides) if any(sides) else x

    def convolve_input(self, x: torch.Tensor, dropped: torch.Tensor | None) -> torch.Tensor:
        """(batch, time, in, *space) -> (batch, time, 4 * out, *space); dropped: (4, batch, in, *space)."""
        if dropped is not None:
            x = torch.cat([x * m.unsqueeze(1) for m in dropped.unbind(0)], 2)
        flat = x.flatten(0, 1)
        if self.padding == "same":
            flat = self.padded(flat, self.stride, self.dilation)
        groups = 1 if dropped is None else 4
        y = self.convolution()(flat, self.weight_ih, self.bias, self.stride, 0, self.dilation, groups)
        return y.unflatten(0, x.shape[:2])

    def convolve_state(self, h: torch.Tensor, dropped: torch.Tensor | None) -> torch.Tensor:
        """(batch, out, *space) -> (batch, 4 * out, *space)."""
        if dropped is not None:
            h = torch.cat([h * m for m in dropped.unbind(0)], 1)
        ones = (1,) * len(self.kernel_size)
        return self.convolution()(
            self.padded(h, ones, ones), self.weight_hh, None, 1, 0, 1, 1 if dropped is None else 4
        )

    @staticmethod
    def drawn(rate: float, x: torch.Tensor, training: bool) -> torch.Tensor | None:
        """A dropout mask of `x` for each gate."""
        return F.dropout(torch.ones((4, *x.shape), dtype=x.dtype, device=x.device), rate) if training and rate else None

    def initial_states(self, like: torch.Tensor, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """The states to begin with: given ones, else those of the last call if stateful, else zeros."""
        if self.batch_size is not None and self.states is not None:
            own = tuple((s.clone() if s.is_inference() else s).to(like.device) for s in self.states)
            if not given:
                return own
            started = torch.stack([s.any() for s in own]).any()
            return tuple(torch.where(started, a, b) for a, b in zip(own, given, strict=True))
        return given or (torch.zeros_like(like),) * 2

    def forward(self, x: torch.Tensor, *states: torch.Tensor, mask: Any = None, training: bool | None = None) -> Any:
        """(batch, time, in, *space), initial states (batch, out, *space) -> output, or (output, h, c)."""
        training = self.training if training is None else training
        if self.go_backwards:
            x = x.flip(1)
            mask = None if mask is None else mask.flip(1)
        projected = self.convolve_input(x, self.drawn(self.dropout, x[:, 0], training))
        h, c = self.initial_states(projected[:, 0, : self.hidden_size], states)
        dropped = self.drawn(self.recurrent_dropout, h, training)

        def step(part: torch.Tensor, held: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            i, f, g, o = (part + self.convolve_state(held[0], dropped)).chunk(4, 1)
            c = self.gate(f) * held[1] + self.gate(i) * self.act(g)
            return self.gate(o) * self.act(c), c

        output, (h, c) = take_steps(step, projected, (h, c), mask, self.return_sequences)
        if self.batch_size is not None:
            self.states = [h.detach(), c.detach()]
        return (output, h, c) if self.return_state else output

    def extra_repr(self) -> str:
        """The arguments that make a module like this one."""
        return f"{super().extra_repr()}, kernel_size={self.kernel_size}"

    def neutral_options(self) -> dict[str, Any]:
        """The options beside the sizes, and their defaults."""
        ones = (1,) * len(self.kernel_size)
        flags = dict.fromkeys(("return_sequences", "return_state", "go_backwards"), False)
        return {
            **super().neutral_options(),
            "stride": ones,
            "padding": "valid",
            "dilation": ones,
            **flags,
            "batch_size": None,
            "channels_last": True,
        }
