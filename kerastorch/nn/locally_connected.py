"""Convolution with a kernel of its own at each place."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["LocallyConnected"]


class LocallyConnected(nn.Module):
    """Like a convolution, but each place of the output has its own kernel and bias.

    Shapes: (batch, *sizes, in) -> (batch, *new sizes, out), channels second if not `channels_last`.
    same: window i begins at i * stride - kernel_size // 2, over zeros where it leaves the input; else at i * stride.
    form: how the weights are kept:
    'patches': (places, values in a window, out), a window's values in the order of the input's axes; not with `same`;
    'dense': (*input without batch, *output without batch), where what lies outside the windows is unused;
    'listed': in one row, those that 'dense' uses, ordered by output, then by input.
    bias: (*new sizes, out); where channels come first it is read as if it were (out, *new sizes).
    """

    place: torch.Tensor

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
        lengths = [n if same else n - k + 1 for n, k in zip(sizes, kernel_size, strict=True)]
        self.new_sizes = tuple((n + s - 1) // s for n, s in zip(lengths, stride, strict=True))
        inputs = (*sizes, in_channels) if channels_last else (in_channels, *sizes)
        self.outputs = (*self.new_sizes, out_channels) if channels_last else (out_channels, *self.new_sizes)
        shape: tuple[int, ...] = (math.prod(self.new_sizes), in_channels * math.prod(kernel_size), out_channels)
        if form != "patches":
            self.register_buffer("place", self.places())
            shape = (*inputs, *self.outputs) if form == "dense" else (self.used(),)
        self.weight = nn.Parameter(torch.empty(shape, device=device))
        self.bias = nn.Parameter(torch.empty((*self.new_sizes, out_channels), device=device)) if bias else None

    def used(self) -> int:
        """How many weights the windows use, all places together."""
        count = self.in_channels * self.out_channels
        for n, new, k, s in zip(self.sizes, self.new_sizes, self.kernel_size, self.stride, strict=True):
            starts = [i * s - (k // 2 if self.same else 0) for i in range(new)]
            count *= sum(min(start + k, n) - max(start, 0) for start in starts)
        return count

    def places(self) -> torch.Tensor:
        """Where in the flat weights the value for each (place, value in the window, out) stands."""
        spatial, inside = torch.zeros((), dtype=torch.long), torch.ones((), dtype=torch.bool)
        for n, new, k, s in zip(self.sizes, self.new_sizes, self.kernel_size, self.stride, strict=True):
            start = torch.arange(new) * s - (k // 2 if self.same else 0)
            at = start[:, None] + torch.arange(k)
            spatial = spatial[..., None, None] * n + at
            inside = inside[..., None, None] & (at >= 0) & (at < n)
        # From (new, k, new, k, ...) to (places, values in a window).
        rank = len(self.sizes)
        order = (*range(0, 2 * rank, 2), *range(1, 2 * rank, 2))
        places, channels = math.prod(self.new_sizes), torch.arange(self.in_channels)
        spatial, inside = (x.permute(order).reshape(places, -1) for x in (spatial, inside))
        if self.channels_last:
            source = spatial[:, :, None] * self.in_channels + channels
            known = inside[:, :, None].expand_as(source)
            target = torch.arange(places * self.out_channels).reshape(places, -1)
        else:
            source = channels[:, None] * math.prod(self.sizes) + spatial[:, None, :]
            known = inside[:, None, :].expand_as(source)
            target = torch.arange(places * self.out_channels).reshape(-1, places).transpose(0, 1)
        source, known, target = source.flatten(1)[:, :, None], known.flatten(1)[:, :, None], target[:, None, :]
        if self.form == "dense":
            found = source * (places * self.out_channels) + target
        else:
            key = target * (math.prod(self.sizes) * self.in_channels) + source
            # The unknown ones sort behind all others.
            key = torch.where(known, key, torch.iinfo(torch.long).max)
            found = torch.searchsorted(key.flatten().sort().values, key)
        return torch.where(known, found, 0).flatten()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, in) -> (batch, *new sizes, out)."""
        batch, rank, first = x.shape[0], len(self.sizes), 1 if self.channels_last else 2
        if self.same:
            amounts = [0, 0] if self.channels_last else []
            windows = zip(self.sizes, self.new_sizes, self.kernel_size, self.stride, strict=True)
            for n, new, k, s in reversed(list(windows)):
                amounts += [k // 2, max((new - 1) * s - k // 2 + k - n, 0)]
            x = F.pad(x, amounts)
        for axis, (k, s) in enumerate(zip(self.kernel_size, self.stride, strict=True), first):
            x = x.unfold(axis, k, s)
        where, within = range(first, first + rank), range(rank + 2, 2 * rank + 2)
        x = x.permute(*where, 0, *within, rank + 1) if self.channels_last else x.permute(*where, 0, 1, *within)
        places = math.prod(self.new_sizes)
        patches = x.reshape(places, batch, self.in_channels * math.prod(self.kernel_size))
        weight: torch.Tensor = self.weight
        if self.form != "patches":
            weight = weight.flatten().index_select(0, self.place).reshape(places, -1, self.out_channels)
        y = torch.bmm(patches, weight)
        y = y.permute(1, 0, 2) if self.channels_last else y.permute(1, 2, 0)
        y = y.reshape(batch, *self.outputs)
        return y if self.bias is None else y + self.bias.reshape(self.outputs)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"in_channels={self.in_channels}, out_channels={self.out_channels}, sizes={self.sizes}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}, same={self.same}, form={self.form!r}, "
            f"channels_last={self.channels_last}, bias={self.bias is not None}"
        )
