"""TensorFlow's functions on sizes: numbers and tuples of numbers in, numbers and tuples of numbers out.

`tf.shape(x)[0] * 2` is one multiplication in Python, and no tensor.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import torch

from kerastorch.config import torch_dtype
from kerastorch.ops.indexing import get_item
from kerastorch.ops.values import apply, as_tensor, has_tensors

__all__ = ["NUMBERS", "function_of_numbers"]

NUMBERS: dict[str, Callable[..., Any]] = {}
"""By TensorFlow's names. A function that is not here makes tensors of the numbers."""


def function_of_numbers(name: str, args: Any, kwargs: Any) -> Callable[..., Any] | None:
    """What computes this call by itself if it is one of numbers and flat lists of numbers alone, else None."""
    if name not in NUMBERS or has_tensors((args, kwargs)):
        return None
    parts = args[0] if name == "concat" and args and isinstance(args[0], (list, tuple)) else args
    return NUMBERS[name] if all(map(_is_flat, parts)) else None


def _is_flat(x: Any) -> bool:
    return not isinstance(x, (list, tuple)) or not any(isinstance(n, (list, tuple)) for n in x)


def _elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    def computed(x: Any, y: Any) -> Any:
        many = [v for v in (x, y) if isinstance(v, (list, tuple))]
        if not many:
            return function(x, y)
        length = max(len(v) for v in many)
        xs, ys = (
            list(v) * (length if len(v) == 1 else 1) if isinstance(v, (list, tuple)) else [v] * length for v in (x, y)
        )
        return tuple(function(a, b) for a, b in zip(xs, ys, strict=True))

    return computed


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    def computed(x: Any, **_: Any) -> Any:
        return tuple(map(function, x)) if isinstance(x, (list, tuple)) else function(x)

    return computed


def _larger(x: Any, y: Any) -> Any:
    return apply(torch.sym_max, x, y)


def _smaller(x: Any, y: Any) -> Any:
    return apply(torch.sym_min, x, y)


for _names, _function in {
    "__operators__.add math.add add": operator.add, "math.subtract subtract": operator.sub,
    "math.multiply multiply": operator.mul, "math.truediv math.divide truediv divide realdiv": operator.truediv,
    "math.floordiv floordiv floor_div": operator.floordiv, "math.floormod math.mod floormod": operator.mod,
    "math.greater greater": operator.gt, "math.greater_equal greater_equal": operator.ge, "math.less less": operator.lt,
    "math.less_equal less_equal": operator.le, "math.equal equal __operators__.eq": operator.eq,
    "math.not_equal not_equal __operators__.ne": operator.ne, "math.pow pow": operator.pow,
    "math.maximum maximum": _larger, "math.minimum minimum": _smaller,
}.items():  # fmt: skip
    for _name in _names.split():
        NUMBERS[_name] = _elementwise(_function)
_OF_ONE: dict[str, Callable[..., Any]] = {
    "math.negative negative": operator.neg, "math.sqrt sqrt": lambda x: x**0.5, "math.square square": lambda x: x * x,
    "math.rsqrt rsqrt": lambda x: x**-0.5, "math.floor floor": lambda x: x // 1, "math.ceil ceil": lambda x: -(-x // 1),
    "identity stop_gradient convert_to_tensor": lambda x: x, "ones_like": lambda x: 1, "zeros_like": lambda x: 0,
}  # fmt: skip
for _names, _function in _OF_ONE.items():
    for _name in _names.split():
        NUMBERS[_name] = _each(_function)


def _number(name: str) -> Callable[[Any], Any]:
    return lambda function: NUMBERS.setdefault(name, function)


@_number("cast")
def _cast(x: Any, dtype: Any) -> Any:
    if torch_dtype(dtype).is_floating_point:
        return _each(lambda n: n * 1.0)(x)
    return _each(lambda n: apply(int, n))(x)


@_number("__operators__.getitem")
def _getitem(tensor: Any, slice_spec: Any, var: Any = None) -> Any:
    return get_item(tensor, slice_spec)


@_number("where")
def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None:
        return torch.nonzero(as_tensor(condition))
    lists = [len(v) for v in (condition, x, y) if isinstance(v, (list, tuple))]
    if not lists:
        return y + (x - y) * condition
    columns = (v if isinstance(v, (list, tuple)) else [v] * max(lists) for v in (condition, x, y))
    return tuple(b + (a - b) * c for c, a, b in zip(*columns, strict=True))


@_number("strided_slice")
def _strided_slice(
    input_: Any, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0, end_mask: int = 0, shrink_axis_mask: int = 0,
    **_: Any,
) -> Any:  # fmt: skip
    if shrink_axis_mask & 1:
        return input_[begin[0]]
    step = 1 if strides is None else strides[0]
    return input_[slice(None if begin_mask & 1 else begin[0], None if end_mask & 1 else end[0], step)]


@_number("slice")
def _slice(input_: Any, begin: Any, size: Any) -> Any:
    return input_[begin[0] : None if size[0] == -1 else begin[0] + size[0]]


@_number("gather")
def _gather(params: Any, indices: Any, **_: Any) -> Any:
    return tuple(params[i] for i in indices) if isinstance(indices, (list, tuple)) else params[indices]


@_number("stack")
def _stack(values: Any, axis: int = 0) -> Any:
    return tuple(values)


@_number("unstack")
def _unstack(value: Any, num: Any = None, axis: int = 0) -> Any:
    return list(value)


@_number("concat")
def _concat(values: Any, axis: int = 0) -> Any:
    return tuple(n for part in values for n in part)


@_number("expand_dims")
def _expand_dims(input: Any, axis: int = 0) -> Any:
    return (input,)


@_number("squeeze")
def _squeeze(input: Any, axis: Any = None) -> Any:
    return input[0] if isinstance(input, (list, tuple)) and len(input) == 1 else input


@_number("reshape")
def _reshape(tensor: Any, shape: Any) -> Any:
    if shape in ([], ()):
        return tensor[0] if isinstance(tensor, (list, tuple)) else tensor
    return tuple(tensor) if isinstance(tensor, (list, tuple)) else (tensor,)


@_number("reverse")
def _reverse(tensor: Any, axis: Any) -> Any:
    return tuple(reversed(tensor))


@_number("shape")
def _shape(input: Any, out_type: Any = None) -> Any:
    return (len(input),) if isinstance(input, (list, tuple)) else ()


for _name, _function in {
    "prod": operator.mul, "sum": operator.add, "max": _larger, "min": _smaller,
}.items():  # fmt: skip

    def _reduced(input_tensor: Any, axis: Any = None, keepdims: Any = False, function: Any = _function) -> Any:
        total = functools.reduce(function, input_tensor) if isinstance(input_tensor, (list, tuple)) else input_tensor
        return (total,) if keepdims else total

    NUMBERS[f"math.reduce_{_name}"] = NUMBERS[f"reduce_{_name}"] = _reduced
