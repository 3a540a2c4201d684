"""Convolutions, pooling and blocks of pixels on channels-last or channels-first tensors, with TensorFlow's padding."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from kerastorch.nn.convolution import SamePad
from kerastorch.nn.pooling import SameAvgPool, SameMaxPool
from kerastorch.ops.values import apply, as_tensor, sizes_of, static_shape

__all__ = ["convolve", "depth_to_space", "per_axis", "pool", "space_to_depth", "to_first", "to_last", "transposed"]

_CONV = (F.conv1d, F.conv2d, F.conv3d)
_TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
_POOLS: dict[str, tuple[Any, ...]] = {
    "max": (F.max_pool1d, F.max_pool2d, F.max_pool3d, SameMaxPool),
    "avg": (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d, SameAvgPool),
}


def per_axis(value: Any, rank: int, last: bool = True) -> tuple[int, ...]:
    """Strides and the like as one number for each spatial axis: from a number, from that many, or from TensorFlow's form
    with the batch and channel axes."""
    if value is None:
        return (1,) * rank
    if not isinstance(value, (list, tuple)):
        return (int(value),) * rank
    if len(value) == rank + 2:
        value = value[1:-1] if last else value[2:]
    return tuple(int(n) for n in (value * rank if len(value) == 1 else value))


def to_first(x: Any, last: bool) -> Any:
    """(batch, *sizes, channels) -> (batch, channels, *sizes), where `last`."""
    n = len(static_shape(x))
    return x.permute(0, n - 1, *range(1, n - 1)) if last else x


def to_last(x: Any, last: bool, rank: int) -> Any:
    """(batch, channels, *sizes) -> (batch, *sizes, channels), where `last`."""
    return x.permute(0, *range(2, rank + 2), 1) if last else x


def _kernel(kernel: Any, like: Any) -> Any:
    """A kernel (*windows, in, out) as torch has it: (out, in, *windows)."""
    kernel = as_tensor(kernel, like=like)
    n = len(static_shape(kernel))
    return kernel.permute(n - 1, n - 2, *range(n - 2))


def convolve(
    x: Any, kernel: Any, strides: Any, padding: Any, last: bool, dilations: Any = None, depthwise: bool = False
) -> Any:
    """A convolution with a kernel (*windows, in, out), or, depthwise, (*windows, in, multiplier); padding 'same', 'valid',
    'causal' or explicit pairs for all axes."""
    rank = len(static_shape(x)) - 2
    stride, dilation = per_axis(strides, rank, last), per_axis(dilations, rank, last)
    kernel = as_tensor(kernel, like=x)
    shape = static_shape(kernel)
    window = tuple(int(n or 1) for n in shape[:rank])
    channels = static_shape(x)[-1 if last else 1]
    x = to_first(x, last)
    if depthwise:
        groups = int(shape[-2] or 1)
        multiplier = int(shape[-1] or 1)
        weight = kernel.permute(rank, rank + 1, *range(rank)).reshape([groups * multiplier, 1, *window])
    else:
        groups = (channels or 1) // int(shape[-2] or 1) or 1
        weight = _kernel(kernel, x)
    x, amount = _padded(x, window, stride, dilation, padding, last)
    y = _CONV[rank - 1](x, weight, stride=stride, padding=amount, dilation=dilation, groups=groups)
    return to_last(y, last, rank)


def _padded(x: Any, window: Any, stride: Any, dilation: Any, padding: Any, last: bool) -> tuple[Any, Any]:
    """The input with its zeros, and those zeros that are left to torch's convolution."""
    rank = len(window)
    none = (0,) * rank
    if not isinstance(padding, str):
        pairs = padding if len(padding) == rank else (padding[1:-1] if last else padding[2:])
        return F.pad(x, [n for pair in reversed(pairs) for n in pair]), none
    kind = padding.lower()
    if kind == "valid":
        return x, none
    if kind == "causal":
        return F.pad(x, [dilation[0] * (window[0] - 1), 0]), none
    reach = [d * (k - 1) for d, k in zip(dilation, window, strict=True)]
    if all(s == 1 for s in stride) and all(n % 2 == 0 for n in reach):
        return x, tuple(n // 2 for n in reach)
    return SamePad(window, stride, dilation)(x), none


def transposed(
    x: Any,
    kernel: Any,
    strides: Any,
    padding: str,
    last: bool,
    sizes: Any = None,
    dilations: Any = None,
    extra: Any = None,
) -> Any:
    """A transposed convolution with a kernel (*windows, out, in), to the given sizes; by default to size * stride, or as
    much as the windows reach, and `extra` columns."""
    rank = len(static_shape(x)) - 2
    stride, dilation = per_axis(strides, rank, last), per_axis(dilations, rank, last)
    kernel = as_tensor(kernel, like=x)
    window = tuple(int(n or 1) for n in static_shape(kernel)[:rank])
    given = sizes_of(x)[1:-1] if last else sizes_of(x)[2:]
    same = padding.lower() == "same"
    y = _TRANSPOSED[rank - 1](to_first(x, last), _kernel(kernel, x), stride=stride, dilation=dilation)
    margins: list[Any] = []
    for axis, (n, k, s, d) in enumerate(zip(given, window, stride, dilation, strict=True)):
        reach = d * (k - 1) + 1
        # How many columns are too many. Where the padding of a convolution is odd, the odd column is last.
        if sizes is None:
            too_many = (reach - s if same else min(reach - s, 0)) - (extra[axis] if extra else 0)
        else:
            too_many = (n - 1) * s + reach - sizes[axis]
        first = _positive(too_many) // 2 if same else 0
        margins = [-first, first - too_many, *margins]
    return to_last(F.pad(y, margins), last, rank)


def _positive(n: Any) -> Any:
    return max(n, 0) if isinstance(n, int) else apply(torch.sym_max, n, 0)


def pool(kind: str, x: Any, window: Any, strides: Any, padding: Any, last: bool, dilations: Any = None) -> Any:
    """Pooling of kind 'max' or 'avg' with padding 'same' or 'valid'."""
    rank = len(static_shape(x)) - 2
    window = per_axis(window, rank, last)
    stride = window if strides is None else per_axis(strides, rank, last)
    x = to_first(x, last)
    if str(padding).lower() == "same" and window != (1,) * rank:
        y = _POOLS[kind][3](window, stride)(x)
    else:
        y = _POOLS[kind][rank - 1](x, window, stride)
    return to_last(y, last, rank)


def depth_to_space(x: Any, block: int, last: bool) -> Any:
    """Blocks of channels as blocks of pixels."""
    batch, height, width, depth = sizes_of(x) if last else (sizes_of(x)[i] for i in (0, 2, 3, 1))
    out = depth // (block * block)
    if last:
        x = x.reshape([batch, height, width, block, block, out]).permute(0, 1, 3, 2, 4, 5)
        return x.reshape([batch, height * block, width * block, out])
    x = x.reshape([batch, block, block, out, height, width]).permute(0, 3, 4, 1, 5, 2)
    return x.reshape([batch, out, height * block, width * block])


def space_to_depth(x: Any, block: int, last: bool) -> Any:
    """Blocks of pixels as blocks of channels."""
    batch, height, width, depth = sizes_of(x) if last else (sizes_of(x)[i] for i in (0, 2, 3, 1))
    rows, columns = height // block, width // block
    if last:
        x = x.reshape([batch, rows, block, columns, block, depth]).permute(0, 1, 3, 2, 4, 5)
        return x.reshape([batch, rows, columns, block * block * depth])
    x = x.reshape([batch, depth, rows, block, columns, block]).permute(0, 3, 5, 1, 2, 4)
    return x.reshape([batch, block * block * depth, rows, columns])
