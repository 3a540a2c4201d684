"""Arithmetic on tensors and numbers, as TensorFlow and Keras 3 both have it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch

from kerastorch.ops.values import apply, as_tensor, axes_of, dtype_of, is_tensor, sizes_of, to_dtype

__all__ = [
    "argument_pair",
    "binary",
    "clamp",
    "counted",
    "cumulative",
    "divide_no_nan",
    "imaginary",
    "l2_normalize",
    "maximum",
    "minimum",
    "norm_dims",
    "prod",
    "reduced",
    "shifted",
    "sorted_top_k",
    "where",
]


def argument_pair(x: Any, y: Any) -> tuple[Any, Any]:
    """Two operands, one of them a tensor: lists become tensors of the other's dtype, numbers stay."""
    if isinstance(x, (list, tuple)):
        x = as_tensor(x, like=y)
    if isinstance(y, (list, tuple)):
        y = as_tensor(y, like=x)
    return x, y


def binary(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A function of two tensors as one that takes numbers and lists on either side."""

    def computed(x: Any, y: Any) -> Any:
        return function(*argument_pair(x, y))

    return computed


def _extreme(x: Any, y: Any, function: Callable[..., Any], bound: str) -> Any:
    x, y = argument_pair(x, y)
    if not is_tensor(x):
        x, y = y, x
    return function(x, y) if is_tensor(y) else torch.clamp(x, **{bound: y})


def maximum(x: Any, y: Any) -> Any:
    """The larger of two; one of them may be a number."""
    return _extreme(x, y, torch.maximum, "min")


def minimum(x: Any, y: Any) -> Any:
    """The smaller of two; one of them may be a number."""
    return _extreme(x, y, torch.minimum, "max")


def clamp(x: Any, low: Any, high: Any) -> Any:
    """`x` between two bounds, each of them a number, a tensor, or None."""
    low, high = (as_tensor(b, like=x) if isinstance(b, (list, tuple)) else b for b in (low, high))
    if not is_tensor(low) and not is_tensor(high):
        return torch.clamp(x, low, high)
    x = x if high is None else minimum(x, high)
    return x if low is None else maximum(x, low)


def where(condition: Any, x: Any, y: Any) -> Any:
    """`x` where the condition holds, `y` elsewhere; numbers take the dtype of the other."""
    if not is_tensor(x) and not is_tensor(y):
        kind = torch.float32 if torch.float32 in (dtype_of(x), dtype_of(y)) else dtype_of(x)
        x, y = as_tensor(x, dtype=kind), as_tensor(y, dtype=kind)
    x, y = argument_pair(x, y)
    return torch.where(as_tensor(condition, dtype=torch.bool), x, y)


def divide_no_nan(x: Any, y: Any) -> Any:
    """`x / y`, and 0 where y is 0."""
    like = x if is_tensor(x) else y
    x, y = as_tensor(x, like=like), as_tensor(y, like=like)
    zero = operator.eq(y, 0)
    return torch.where(zero, 0.0, x / torch.where(zero, 1.0, y))


def imaginary(x: Any) -> Any:
    """The imaginary part: zeros for real numbers."""
    return torch.imag(x) if dtype_of(x).is_complex else torch.zeros_like(x)


def reduced(function: Callable[..., Any], x: Any, axis: Any, keepdims: Any, **kwargs: Any) -> Any:
    """A reduction of torch's over `axis`: a number, a list, or None for all."""
    axes = axes_of(x, axis)
    if not axes:
        return x
    return function(x, dim=axes[0] if len(axes) == 1 else list(axes), keepdim=bool(keepdims), **kwargs)


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: torch.dtype | None = None) -> Any:
    """The product over several axes, which torch takes one at a time."""
    for a in sorted(axes_of(x, axis), reverse=True):
        x = torch.prod(x, dim=a, keepdim=bool(keepdims), dtype=dtype or dtype_of(x))
    return x


def shifted(x: Any, axis: int, fill: float) -> Any:
    """The tensor moved on by one along an axis, its first part full of `fill`, its last part gone."""
    first = torch.full_like(x.narrow(axis, 0, 1), fill)
    return torch.cat([first, x.narrow(axis, 0, sizes_of(x)[axis] - 1)], dim=axis)


def cumulative(
    function: Callable[..., Any], x: Any, axis: int, exclusive: bool = False, reverse: bool = False, start: float = 0
) -> Any:
    """A cumulative sum or product, with TensorFlow's two options."""
    axis = axes_of(x, axis)[0]
    if reverse:
        x = torch.flip(x, [axis])
    if exclusive:
        x = shifted(x, axis, start)
    x = to_dtype(function(x, dim=axis), dtype_of(x))
    return torch.flip(x, [axis]) if reverse else x


def sorted_top_k(x: Any, k: Any, axis: int = -1) -> tuple[Any, Any]:
    """The k largest along the last axis and their indices; of equals the first comes first, which torch.topk leaves open."""
    values, indices = torch.sort(x, dim=axis, descending=True, stable=True)
    return values.narrow(axis, 0, k), indices.narrow(axis, 0, k)


def l2_normalize(x: Any, axis: Any, epsilon: float) -> Any:
    """`x` over its length along the axes, which counts as sqrt(epsilon) at least."""
    total = reduced(torch.sum, torch.square(x), axis, True)
    return x * torch.rsqrt(torch.clamp(total, min=epsilon))


def counted(x: Any, weights: Any, least: Any, most: Any, dtype: torch.dtype) -> Any:
    """How often each number stands in the rows of x, (rows, n) -> (rows, numbers); each counts 1, or its weight.

    There are as many numbers as the largest in x asks for, but no less than `least` and no more than `most` (or None).
    """
    if isinstance(least, int) and least == most:
        size: Any = most
    else:
        size = apply(torch.sym_max, (torch.max(x) + 1).item(), least)
        size = size if most is None else apply(torch.sym_min, size, most)
    x = x.to(torch.int64)
    counts = torch.ones_like(x, dtype=dtype) if weights is None else to_dtype(weights, dtype)
    empty = torch.zeros_like(x[:, :1], dtype=dtype).expand([-1, size])
    if most is None:
        return empty.scatter_add(1, x, counts)
    inside = x < size
    return empty.scatter_add(1, torch.where(inside, x, 0), torch.where(inside, counts, 0))


def norm_dims(x: Any, axis: Any) -> tuple[int, ...]:
    """The axes of a norm: all for None."""
    return axes_of(x, axis)
