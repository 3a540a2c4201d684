"""What a user draws with operators and torch functions on KerasTensors: `x * 2 + y`, `x[:, 0]`, `torch.relu(x)`.

Where TensorFlow has the equal function, it becomes the layer that tf.keras makes of it, so that tf.keras opens the file;
any other torch function becomes a TorchFunction.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from kerastorch.arrays import tensor_of
from kerastorch.config import standardize_dtype
from kerastorch.graph import KerasTensor, record_functions_with
from kerastorch.layers.function import TorchFunction
from kerastorch.layers.tf_op import SlicingOpLambda, TFOpLambda

__all__: list[str] = []

Call = tuple[str, tuple, dict[str, Any]]
"""The name of one of TensorFlow's functions, and its arguments."""

_Rule = Callable[..., Call | None]
_RULES: dict[Any, _Rule] = {}


class _NoCounterpartError(Exception):
    """These arguments mean what TensorFlow's function has no word for."""


def _rule(*functions: Any) -> Callable[[_Rule], _Rule]:
    """Enters a rule for torch functions, and for the tensor's methods of their names."""

    def enter(rule: _Rule) -> _Rule:
        for function in functions:
            _RULES[function] = rule
            if getattr(function, "__module__", None) != "_operator":
                method = getattr(torch.Tensor, getattr(function, "__name__", ""), None)
                _RULES.setdefault(method, rule)
        return rule

    return enter


def _is_float(x: Any) -> bool:
    return isinstance(x, KerasTensor) and "float" in x.dtype


def _needs(condition: bool) -> None:
    if not condition:
        raise _NoCounterpartError


def _same_dtype(*values: Any) -> None:
    """Numbers and tensors that TensorFlow would take together, without torch's promotion."""
    dtypes = {x.dtype for x in values if isinstance(x, KerasTensor)}
    dtypes |= {standardize_dtype(x.dtype) for x in values if isinstance(x, torch.Tensor)}
    _needs(len(dtypes) == 1 and not any(isinstance(x, nn.Parameter) for x in values))
    dtype = dtypes.pop()
    for x in values:
        if not isinstance(x, (KerasTensor, torch.Tensor)):
            number = (isinstance(x, int) and not isinstance(x, bool)) or (isinstance(x, float) and "float" in dtype)
            _needs(number or (isinstance(x, bool) and dtype == "bool"))


# Operators


def _binary(name: str, floats: bool = False, bools: bool = False) -> _Rule:
    def rule(x: Any, y: Any) -> Call:
        _same_dtype(x, y)
        dtype = next(v.dtype for v in (x, y) if isinstance(v, KerasTensor))
        _needs((not floats or "float" in dtype) and (not bools or dtype == "bool") and (bools or dtype != "bool"))
        # TensorFlow gives the first operand a dtype without a look at the second.
        return name, (float(x) if isinstance(x, int) and "float" in dtype else x, y), {}

    return rule


for _functions, _made in {
    (operator.add, torch.add): _binary("__operators__.add"),
    (operator.sub, torch.sub, torch.subtract): _binary("math.subtract"),
    (operator.mul, torch.mul, torch.multiply): _binary("math.multiply"),
    (operator.truediv, torch.div, torch.divide, torch.true_divide): _binary("math.truediv", floats=True),
    (operator.floordiv,): _binary("compat.v1.floor_div"),
    (operator.mod, torch.remainder): _binary("math.floormod"),
    (operator.pow, torch.pow): _binary("math.pow"),
    (operator.lt, torch.lt): _binary("math.less"),
    (operator.le, torch.le): _binary("math.less_equal"),
    (operator.gt, torch.gt): _binary("math.greater"),
    (operator.ge, torch.ge): _binary("math.greater_equal"),
    (operator.eq, torch.eq): _binary("math.equal"),
    (operator.ne, torch.ne): _binary("math.not_equal"),
    (operator.and_, torch.logical_and): _binary("math.logical_and", bools=True),
    (operator.or_, torch.logical_or): _binary("math.logical_or", bools=True),
    (operator.xor, torch.logical_xor): _binary("math.logical_xor", bools=True),
    (torch.maximum,): _binary("math.maximum"),
    (torch.minimum,): _binary("math.minimum"),
}.items():
    _rule(*_functions)(_made)


@_rule(operator.matmul, torch.matmul, torch.bmm)
def _matmul(x: Any, y: Any) -> Call:
    _same_dtype(x, y)
    _needs(all(len(v.shape) >= 2 for v in (x, y)))
    return "linalg.matmul", (x, y), {}


@_rule(operator.invert, torch.logical_not)
def _not(x: Any) -> Call:
    _needs(x.dtype == "bool")
    return "math.logical_not", (x,), {}


@_rule(operator.getitem)
def _getitem(x: Any, key: Any) -> Call:
    parts = key if isinstance(key, tuple) else (key,)
    for part in parts:
        ends = (part.start, part.stop, part.step) if isinstance(part, slice) else (part,)
        plain = all(n is None or n is Ellipsis or (isinstance(n, int) and not isinstance(n, bool)) for n in ends)
        _needs(plain)
    sliced = [{"start": p.start, "stop": p.stop, "step": p.step} if isinstance(p, slice) else p for p in parts]
    return "__operators__.getitem", (x, sliced if isinstance(key, tuple) else sliced[0]), {}


# Of one tensor


def _unary(name: str) -> _Rule:
    def rule(x: Any) -> Call:
        _needs(_is_float(x))
        return name, (x,), {}

    return rule


for (
    _name
) in "abs exp log sqrt rsqrt square sin cos tan floor ceil round sign log1p expm1 erf sigmoid tanh reciprocal".split():
    _rule(getattr(torch, _name))(_unary(f"math.{_name}"))
_rule(operator.neg, torch.neg, torch.negative)(_unary("math.negative"))
_rule(operator.abs)(_unary("math.abs"))
_rule(torch.relu)(_unary("nn.relu"))
_rule(F.selu, torch.selu)(_unary("nn.selu"))
_rule(F.relu6)(lambda x, inplace=False: _unary("nn.relu6")(x))
_rule(F.relu)(lambda x, inplace=False: _unary("nn.relu")(x))
_rule(F.silu)(lambda x, inplace=False: _unary("nn.silu")(x))
_rule(F.softsign)(lambda x: _unary("nn.softsign")(x))
_rule(F.sigmoid)(lambda x: _unary("math.sigmoid")(x))
_rule(F.tanh)(lambda x: _unary("math.tanh")(x))
_rule(F.logsigmoid)(lambda x: _unary("math.log_sigmoid")(x))


@_rule(F.softplus)
def _softplus(x: Any, beta: float = 1, threshold: float = 20) -> Call:
    _needs(beta == 1 and threshold == 20 and _is_float(x))
    return "math.softplus", (x,), {}


@_rule(F.elu)
def _elu(x: Any, alpha: float = 1.0, inplace: bool = False) -> Call:
    _needs(alpha == 1 and _is_float(x))
    return "nn.elu", (x,), {}


@_rule(F.gelu)
def _gelu(x: Any, approximate: str = "none") -> Call:
    _needs(_is_float(x))
    return "nn.gelu", (x,), {"approximate": approximate == "tanh"}


@_rule(F.leaky_relu)
def _leaky_relu(x: Any, negative_slope: float = 0.01, inplace: bool = False) -> Call:
    _needs(_is_float(x))
    return "nn.leaky_relu", (x,), {"alpha": negative_slope}


@_rule(torch.softmax, F.softmax)
def _softmax(x: Any, dim: Any = None, _stacklevel: int = 3, dtype: Any = None) -> Call:
    _needs(dtype is None and isinstance(dim, int) and _is_float(x))
    return "nn.softmax", (x,), {"axis": dim}


@_rule(torch.log_softmax, F.log_softmax)
def _log_softmax(x: Any, dim: Any = None, _stacklevel: int = 3, dtype: Any = None) -> Call:
    _needs(dtype is None and isinstance(dim, int) and _is_float(x))
    return "nn.log_softmax", (x,), {"axis": dim}


@_rule(torch.clamp, torch.clip)
def _clamp(x: Any, min: Any = None, max: Any = None) -> Call:  # torch's own names
    bounds = [b for b in (min, max) if b is not None]
    _same_dtype(x, *bounds)
    _needs(not any(isinstance(b, KerasTensor) for b in bounds))
    if len(bounds) == 2:
        return "clip_by_value", (x,), {"clip_value_min": min, "clip_value_max": max}
    return ("math.minimum", (x, max), {}) if min is None else ("math.maximum", (x, min), {})


# Reductions


def _reduction(name: str, bools: bool = False) -> _Rule:
    def rule(x: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, dtype: Any = None) -> Call:
        dim = dim if axis is None else axis
        _needs(dtype is None and (x.dtype == "bool" if bools else _is_float(x)))
        _needs(dim is None or isinstance(dim, int) or (isinstance(dim, (list, tuple)) and len(dim) > 0))
        return name, (x,), {"axis": list(dim) if isinstance(dim, tuple) else dim, "keepdims": keepdim}

    return rule


for _function, _name in {
    torch.mean: "mean", torch.sum: "sum", torch.amax: "max", torch.amin: "min", torch.prod: "prod",
    torch.logsumexp: "logsumexp",
}.items():  # fmt: skip
    _rule(_function)(_reduction(f"math.reduce_{_name}"))
_rule(torch.all)(_reduction("math.reduce_all", bools=True))
_rule(torch.any)(_reduction("math.reduce_any", bools=True))


@_rule(torch.argmax)
def _argmax(x: Any, dim: Any = None, keepdim: bool = False) -> Call:
    _needs(isinstance(dim, int) and not keepdim)
    return "math.argmax", (x,), {"axis": dim}


@_rule(torch.cumsum)
def _cumsum(x: Any, dim: int, dtype: Any = None) -> Call:
    _needs(dtype is None and _is_float(x))
    return "math.cumsum", (x,), {"axis": dim}


# Shapes


def _ints(values: tuple) -> list[int]:
    """Sizes or axes, given one by one or as one list."""
    found = list(values[0]) if len(values) == 1 and isinstance(values[0], (list, tuple)) else list(values)
    _needs(all(isinstance(n, int) and not isinstance(n, bool) for n in found))
    return found


@_rule(torch.reshape, torch.Tensor.view)
def _reshape(x: Any, *shape: Any) -> Call:
    return "reshape", (x,), {"shape": _ints(shape)}


@_rule(torch.flatten)
def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Call:
    inner = x.shape[start_dim:]
    _needs(start_dim == 1 and end_dim in (-1, len(x.shape) - 1) and None not in inner)
    return "reshape", (x,), {"shape": [-1, int(np.prod(inner))]}


@_rule(torch.permute)
def _permute(x: Any, *dims: Any) -> Call:
    return "compat.v1.transpose", (x,), {"perm": [d % len(x.shape) for d in _ints(dims)]}


@_rule(torch.transpose, torch.swapaxes, torch.swapdims)
def _transpose(x: Any, dim0: int, dim1: int) -> Call:
    perm = list(range(len(x.shape)))
    perm[dim0], perm[dim1] = perm[dim1], perm[dim0]
    return "compat.v1.transpose", (x,), {"perm": perm}


@_rule(torch.squeeze)
def _squeeze(x: Any, dim: Any = None) -> Call:
    axes = [dim] if isinstance(dim, int) else list(dim or ())
    _needs(bool(axes) and all(x.shape[a] == 1 for a in axes))
    return "compat.v1.squeeze", (x,), {"axis": axes}


@_rule(torch.unsqueeze)
def _unsqueeze(x: Any, dim: int) -> Call:
    return "expand_dims", (x,), {"axis": dim}


@_rule(torch.cat, torch.concat, torch.concatenate)
def _concat(tensors: Any, dim: int = 0, *, axis: Any = None) -> Call:
    _same_dtype(*tensors)
    return "concat", (list(tensors),), {"axis": dim if axis is None else axis}


@_rule(torch.stack)
def _stack(tensors: Any, dim: int = 0) -> Call:
    _same_dtype(*tensors)
    return "stack", (list(tensors),), {"axis": dim}


@_rule(torch.flip)
def _flip(x: Any, *dims: Any) -> Call:
    return "reverse", (x,), {"axis": _ints(dims)}


@_rule(torch.tile, torch.Tensor.repeat)
def _tile(x: Any, *dims: Any) -> Call:
    multiples = _ints(dims)
    _needs(len(multiples) == len(x.shape))
    return "tile", (x,), {"multiples": multiples}


@_rule(torch.split)
def _split(x: Any, size: Any, dim: int = 0) -> Call:
    whole = x.shape[dim]
    _needs(whole is not None)
    sizes = list(size) if isinstance(size, (list, tuple)) else [min(size, whole - i) for i in range(0, whole, size)]
    return "split", (x,), {"num_or_size_splits": sizes, "axis": dim}


@_rule(torch.unbind)
def _unbind(x: Any, dim: int = 0) -> Call:
    _needs(x.shape[dim] is not None)
    return "unstack", (x,), {"axis": dim}


@_rule(torch.where)
def _where(condition: Any, x: Any, y: Any) -> Call:
    _same_dtype(x, y)
    _needs(isinstance(condition, KerasTensor) and condition.dtype == "bool")
    return "where", (condition, x, y), {}


@_rule(F.pad)
def _pad(x: Any, pad: Any, mode: str = "constant", value: Any = None) -> Call:
    amounts = _ints((list(pad),))
    _needs(mode == "constant" and len(amounts) % 2 == 0 and min(amounts) >= 0)
    pairs = [[amounts[i], amounts[i + 1]] for i in range(0, len(amounts), 2)]
    paddings = [[0, 0]] * (len(x.shape) - len(pairs)) + pairs[::-1]
    return "compat.v1.pad", (x,), {"paddings": paddings, "mode": "CONSTANT", "constant_values": value or 0}


@_rule(torch.Tensor.to, torch.Tensor.type)
def _to(x: Any, dtype: Any) -> Call:
    _needs(isinstance(dtype, torch.dtype))
    return "cast", (x,), {"dtype": standardize_dtype(dtype)}


for _name, _dtype in {
    "float": "float32", "double": "float64", "half": "float16", "int": "int32", "long": "int64", "bool": "bool",
}.items():  # fmt: skip
    _rule(getattr(torch.Tensor, _name))(
        functools.partial(lambda x, dtype: ("cast", (x,), {"dtype": dtype}), dtype=_dtype)
    )


# Recording


def _counterpart(function: Any, args: tuple, kwargs: dict[str, Any]) -> Call | None:
    rule = _RULES.get(function)
    if rule is None:
        return None
    try:
        return rule(*args, **kwargs)
    except (_NoCounterpartError, TypeError, IndexError, AttributeError):  # arguments that the rule does not know
        return None


def _record(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    # NumPy's scalars and arrays would, when it runs, ask torch.fx's proxies to be arrays.
    args, kwargs = pytree.tree_map(_without_numpy, (args, kwargs))
    found = _counterpart(function, args, kwargs)
    if found is not None:
        name, args, kwargs = found
        made = (SlicingOpLambda if name == "__operators__.getitem" else TFOpLambda)(name)
        args, kwargs = pytree.tree_map(lambda x: x.tolist() if isinstance(x, torch.Tensor) else x, (args, kwargs))
        return made(*args, **kwargs)
    layer = TorchFunction(function)
    for i, value in enumerate(x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, nn.Parameter)):
        layer.register_parameter(f"parameter_{i}", value)
    return layer(*args, **kwargs)


def _without_numpy(x: Any) -> Any:
    if isinstance(x, np.generic):
        return x.item()
    return tensor_of(x) if isinstance(x, np.ndarray) else x


record_functions_with(_record)
