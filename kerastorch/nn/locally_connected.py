"""Convolution with a kernel of its own at each place."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["LocallyConnected"]


class LocallyConnected(nn.Module):
    """Like a convolution, but each place of the output has its own kernel and bias.

    Shapes: (batch, *sizes, in) -> (batch, *new sizes, out), channels second if not `channels_last`.
    same: window i begins at i * stride - kernel_size // 2, over zeros where it leaves the input; else at i * stride.
    form: how the weights are kept:
    'patches': (places, values in a window, out), a window's values in the order of the input's axes; not with `same`;
    'dense': (*input without batch, *output without batch), what lies outside the windows unused;
    'listed': one row, those that 'dense' uses, ordered by output, then by input.
    bias: (*new sizes, out); where channels come first it is read as if it were (out, *new sizes).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        sizes: tuple[int, ...],
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        same: bool = False,
        form: str = "patches",
        channels_last: bool = True,
        bias: bool = True,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.sizes = in_channels, out_channels, sizes
        self.kernel_size, self.stride, self.same = kernel_size, stride, same
        self.form, self.channels_last = form, channels_last
        self.new_sizes = tuple(
            (n if same else n - k + 1) // s + ((n if same else n - k + 1) % s > 0)
            for n, k, s in zip(sizes, kernel_size, stride, strict=True)
        )
        places, window = math.prod(self.new_sizes), in_channels * math.prod(kernel_size)
        inputs = (*sizes, in_channels) if channels_last else (in_channels, *sizes)
        outputs = (*self.new_sizes, out_channels) if channels_last else (out_channels, *self.new_sizes)
        self.outputs = outputs
        shape: tuple[int, ...] = (places, window, out_channels) if form == "patches" else (*inputs, *outputs)
        if form == "dense":
            self.register_buffer("used", self.connections())
        elif form == "listed":
            # Transposed: (outputs, inputs), so that the order of what is used is the order of the row.
            used = self.connections().flatten(0, len(inputs) - 1).flatten(1).expand(math.prod(inputs), -1)
            used = used.reshape(*inputs, *self.connections().shape[len(inputs) :])
            used = used.expand(*inputs, *outputs).reshape(math.prod(inputs), math.prod(outputs)).transpose(0, 1)
            self.register_buffer("place", used.nonzero())
            shape = (self.place.shape[0],)
        self.weight = nn.Parameter(torch.empty(shape, device=device))
        if bias:
            self.bias = nn.Parameter(torch.empty((*self.new_sizes, out_channels), device=device))
        else:
            self.register_parameter("bias", None)
