"""tf.math, tf.bitwise, and the operators, by TensorFlow's names and with its arguments and defaults."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import torch

from kerastorch.config import torch_dtype
from kerastorch.ops.arithmetic import (
    argument_pair,
    clamp,
    cumulative,
    divide_no_nan,
    imaginary,
    l2_normalize,
    maximum,
    minimum,
    prod,
    reduced,
    sorted_top_k,
)
from kerastorch.ops.table import Table, unary
from kerastorch.ops.values import as_tensor, dtype_of, is_tensor, to_dtype

__all__ = ["TABLE"]

TABLE = Table()

_UNARY = {
    "abs": torch.abs, "acos": torch.acos, "acosh": torch.acosh, "angle": torch.angle, "asin": torch.asin, "asinh": torch.asinh,
    "atan": torch.atan, "atanh": torch.atanh, "ceil": torch.ceil, "conj": torch.conj_physical, "cos": torch.cos,
    "cosh": torch.cosh,
    "digamma": torch.digamma, "erf": torch.erf, "erfc": torch.erfc, "erfinv": torch.erfinv, "exp": torch.exp,
    "expm1": torch.expm1, "floor": torch.floor, "is_finite": torch.isfinite, "is_inf": torch.isinf,
    "is_nan": torch.isnan, "lgamma": torch.lgamma, "log": torch.log, "log1p": torch.log1p, "logical_not": torch.logical_not,
    "ndtri": torch.special.ndtri, "negative": operator.neg, "real": torch.real, "reciprocal": torch.reciprocal,
    "rint": torch.round, "round": torch.round, "rsqrt": torch.rsqrt, "sigmoid": torch.sigmoid, "sign": torch.sign,
    "sin": torch.sin, "sinh": torch.sinh, "softplus": torch.nn.functional.softplus, "softsign": torch.nn.functional.softsign,
    "log_sigmoid": torch.nn.functional.logsigmoid, "sqrt": torch.sqrt, "square": torch.square, "tan": torch.tan,
    "tanh": torch.tanh, "bessel_i0": torch.special.i0, "bessel_i0e": torch.special.i0e, "bessel_i1": torch.special.i1,
    "bessel_i1e": torch.special.i1e,
}  # fmt: skip
_TOP_LEVEL = (
    "abs acos acosh asin asinh atan atanh ceil conj cos cosh digamma erf erfc exp expm1 floor is_finite is_inf \
is_nan lgamma log log1p logical_not negative real reciprocal rint round rsqrt sigmoid sign sin sinh log_sigmoid sqrt square tan \
tanh is_nan is_inf is_finite".split()
)

for _name, _function in _UNARY.items():
    _computed = unary(_function)
    TABLE.named(f"math.{_name}", *([_name] if _name in _TOP_LEVEL else []))(_computed)
for _name in ("sigmoid", "tanh", "softplus", "softsign", "log_sigmoid"):
    TABLE.named(f"nn.{_name}")(TABLE[f"math.{_name}"])


@TABLE.named("math.imag", "imag")
def _imag(input: Any) -> Any:
    return imaginary(as_tensor(input))


TABLE.named("neg")(TABLE["math.negative"])
TABLE.named("math.special.bessel_i0")(TABLE["math.bessel_i0"])
TABLE.named("math.special.bessel_i1")(TABLE["math.bessel_i1"])


# Operators


def _pair(x: Any, y: Any) -> tuple[Any, Any]:
    x, y = argument_pair(x, y)
    return x, y


@TABLE.named("__operators__.add", "__operators__.radd", "math.add", "add", "add_v2")
def _add(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    return operator.add(x, y)


@TABLE.named("math.subtract", "subtract", "sub", "__operators__.sub", "__operators__.rsub")
def _subtract(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    return operator.sub(x, y)


@TABLE.named("math.multiply", "multiply", "mul", "__operators__.mul", "__operators__.rmul")
def _multiply(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    return operator.mul(x, y)


@TABLE.named(
    "math.truediv", "math.divide", "truediv", "divide", "div", "realdiv", "__operators__.truediv", "math.realdiv"
)
def _truediv(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    kinds = [dtype_of(a) for a in (x, y) if is_tensor(a)]
    if kinds and not kinds[0].is_floating_point and not kinds[0].is_complex:
        wide = torch.float32 if kinds[0] in (torch.int8, torch.uint8, torch.int16) else torch.float64
        x, y = (to_dtype(a, wide) if is_tensor(a) else a for a in (x, y))
    return operator.truediv(x, y)


@TABLE.named("math.floordiv", "floordiv", "floor_div", "math.floor_div", "__operators__.floordiv")
def _floordiv(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    return operator.floordiv(_detached(x), _detached(y))


@TABLE.named("math.floormod", "math.mod", "floormod", "mod", "__operators__.mod")
def _floormod(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    if not is_tensor(y) or not dtype_of(y).is_floating_point:
        return operator.mod(x, y)
    # torch has no derivative for the divisor: minus the whole quotient.
    quotient = torch.floor(_detached(x) / _detached(y))
    return operator.mod(x, _detached(y)) - (y - _detached(y)) * quotient


def _detached(x: Any) -> Any:
    return x.detach() if is_tensor(x) else x


@TABLE.named("truncatemod", "math.truncatemod")
def _truncatemod(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    return torch.fmod(as_tensor(x, like=y), y)


@TABLE.named("truncatediv", "math.truncatediv")
def _truncatediv(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    return torch.div(as_tensor(x, like=y), y, rounding_mode="trunc")


@TABLE.named("math.pow", "pow", "__operators__.pow")
def _pow(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    return operator.pow(x, y)


for _name, _function in {
    "equal": operator.eq, "not_equal": operator.ne, "less": operator.lt, "less_equal": operator.le,
    "greater": operator.gt, "greater_equal": operator.ge,
}.items():  # fmt: skip

    def _compare(x: Any, y: Any, function: Any = _function) -> Any:
        x, y = _pair(x, y)
        return function(x, y)

    TABLE.named(f"math.{_name}", _name)(_compare)


@TABLE.named("__operators__.eq")
def _eq(self: Any, other: Any) -> Any:
    x, y = _pair(self, other)
    return operator.eq(x, y)


@TABLE.named("__operators__.ne")
def _ne(self: Any, other: Any) -> Any:
    x, y = _pair(self, other)
    return operator.ne(x, y)


@TABLE.named("math.logical_and", "logical_and", "bitwise.bitwise_and", "__operators__.logical_and")
def _and(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    return operator.and_(x, y)


@TABLE.named("math.logical_or", "logical_or", "bitwise.bitwise_or", "__operators__.logical_or")
def _or(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    return operator.or_(x, y)


@TABLE.named("math.logical_xor", "bitwise.bitwise_xor")
def _xor(x: Any, y: Any) -> Any:
    x, y = _pair(x, y)
    return operator.xor(x, y)


TABLE.named("bitwise.invert")(unary(torch.bitwise_not))


@TABLE.named("bitwise.left_shift")
def _left_shift(x: Any, y: Any) -> Any:
    return torch.bitwise_left_shift(*_pair(x, y))


@TABLE.named("bitwise.right_shift")
def _right_shift(x: Any, y: Any) -> Any:
    return torch.bitwise_right_shift(*_pair(x, y))


# Two tensors


@TABLE.named("math.maximum", "maximum")
def _maximum(x: Any, y: Any) -> Any:
    return maximum(x, y)


@TABLE.named("math.minimum", "minimum")
def _minimum(x: Any, y: Any) -> Any:
    return minimum(x, y)


@TABLE.named("math.squared_difference", "squared_difference")
def _squared_difference(x: Any, y: Any) -> Any:
    return torch.square(_subtract(x, y))


@TABLE.named("math.divide_no_nan", "div_no_nan", "math.div_no_nan")
def _divide_no_nan(x: Any, y: Any) -> Any:
    like = x if is_tensor(x) else y
    if not dtype_of(like).is_floating_point:
        x, y = (to_dtype(as_tensor(a, like=like), torch.float64) for a in (x, y))
    return divide_no_nan(x, y)


@TABLE.named("math.reciprocal_no_nan")
def _reciprocal_no_nan(x: Any) -> Any:
    return divide_no_nan(1.0, x)


@TABLE.named("math.scalar_mul", "scalar_mul")
def _scalar_mul(scalar: Any, x: Any) -> Any:
    return _multiply(scalar, x)


@TABLE.named("math.multiply_no_nan")
def _multiply_no_nan(x: Any, y: Any) -> Any:
    x, y = as_tensor(x, like=y), as_tensor(y, like=x)
    return torch.where(operator.eq(y, 0), 0.0, x * y)


@TABLE.named("math.xlogy")
def _xlogy(x: Any, y: Any) -> Any:
    return torch.xlogy(*_pair(x, y))


@TABLE.named("math.xlog1py")
def _xlog1py(x: Any, y: Any) -> Any:
    return torch.special.xlog1py(*_pair(x, y))


@TABLE.named("math.xdivy")
def _xdivy(x: Any, y: Any) -> Any:
    like = x if is_tensor(x) else y
    x, y = as_tensor(x, like=like), as_tensor(y, like=like)
    return torch.where(operator.eq(x, 0), 0.0, x / y)


@TABLE.named("math.atan2", "atan2")
def _atan2(y: Any, x: Any) -> Any:
    return torch.atan2(as_tensor(y, like=x), as_tensor(x, like=y))


@TABLE.named("math.polyval")
def _polyval(coeffs: Any, x: Any) -> Any:
    return functools.reduce(lambda total, c: total * x + c, list(coeffs)[1:], coeffs[0] + x * 0)


@TABLE.named("math.add_n", "add_n", "math.accumulate_n")
def _add_n(inputs: Any) -> Any:
    return functools.reduce(operator.add, inputs) if isinstance(inputs, (list, tuple)) else inputs


@TABLE.named("math.lerp")
def _lerp(start: Any, end: Any, weight: Any) -> Any:
    return torch.lerp(start, end, weight)


@TABLE.named("math.igamma")
def _igamma(a: Any, x: Any) -> Any:
    return torch.special.gammainc(as_tensor(a, like=x), as_tensor(x, like=a))


@TABLE.named("math.igammac")
def _igammac(a: Any, x: Any) -> Any:
    return torch.special.gammaincc(as_tensor(a, like=x), as_tensor(x, like=a))


@TABLE.named("math.zeta")
def _zeta(x: Any, q: Any) -> Any:
    return torch.special.zeta(*_pair(x, q))


@TABLE.named("math.nextafter")
def _nextafter(x1: Any, x2: Any) -> Any:
    return torch.nextafter(as_tensor(x1, like=x2), as_tensor(x2, like=x1))


@TABLE.named("clip_by_value")
def _clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    return clamp(as_tensor(t), clip_value_min, clip_value_max)


@TABLE.named("clip_by_norm")
def _clip_by_norm(t: Any, clip_norm: Any, axes: Any = None) -> Any:
    length = torch.sqrt(reduced(torch.sum, torch.square(t), axes, True))
    return (t * clip_norm) / maximum(length, clip_norm)


@TABLE.named("clip_by_global_norm")
def _clip_by_global_norm(t_list: Any, clip_norm: Any, use_norm: Any = None) -> Any:
    norm = use_norm
    if norm is None:
        norm = torch.sqrt(functools.reduce(operator.add, (torch.sum(torch.square(t)) for t in t_list)))
    scale = clip_norm / maximum(norm, clip_norm)
    return [*(t * scale for t in t_list), norm]


# Reductions


def _reduction(*names: str) -> Any:
    return TABLE.named(*(f"{prefix}{name}" for name in names for prefix in ("math.", "")))


@_reduction("reduce_sum")
def _reduce_sum(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    x = as_tensor(input_tensor)
    dtype = dtype_of(x)
    if dtype.is_floating_point or dtype.is_complex:
        return reduced(torch.sum, x, axis, keepdims)
    return reduced(torch.sum, x, axis, keepdims, dtype=dtype)


@_reduction("reduce_mean")
def _reduce_mean(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    x = as_tensor(input_tensor)
    dtype = dtype_of(x)
    if dtype.is_floating_point or dtype.is_complex:
        return reduced(torch.mean, x, axis, keepdims)
    return reduced(torch.mean, x.to(torch.float64), axis, keepdims).to(dtype)


@_reduction("reduce_max")
def _reduce_max(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return reduced(torch.amax, as_tensor(input_tensor), axis, keepdims)


@_reduction("reduce_min")
def _reduce_min(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return reduced(torch.amin, as_tensor(input_tensor), axis, keepdims)


@_reduction("reduce_prod")
def _reduce_prod(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return prod(as_tensor(input_tensor), axis, keepdims)


@_reduction("reduce_all")
def _reduce_all(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return reduced(torch.all, as_tensor(input_tensor), axis, keepdims)


@_reduction("reduce_any")
def _reduce_any(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return reduced(torch.any, as_tensor(input_tensor), axis, keepdims)


@_reduction("reduce_logsumexp")
def _reduce_logsumexp(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return reduced(torch.logsumexp, as_tensor(input_tensor), axis, keepdims)


@_reduction("reduce_variance")
def _reduce_variance(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return reduced(torch.var, as_tensor(input_tensor), axis, keepdims, correction=0)


@_reduction("reduce_std")
def _reduce_std(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return reduced(torch.std, as_tensor(input_tensor), axis, keepdims, correction=0)


@_reduction("reduce_euclidean_norm")
def _reduce_euclidean_norm(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return reduced(torch.linalg.vector_norm, as_tensor(input_tensor), axis, keepdims)


@TABLE.named("math.count_nonzero", "count_nonzero")
def _count_nonzero(input: Any, axis: Any = None, keepdims: Any = False, dtype: Any = "int64") -> Any:
    return reduced(torch.sum, operator.ne(input, 0), axis, keepdims, dtype=torch_dtype(dtype))


@TABLE.named("math.zero_fraction", "nn.zero_fraction")
def _zero_fraction(value: Any) -> Any:
    return torch.mean(operator.eq(value, 0).to(torch.float32))


@TABLE.named("math.argmax", "argmax")
def _argmax(input: Any, axis: Any = None, output_type: Any = "int64") -> Any:
    return to_int(torch.argmax(as_tensor(input), dim=axis or 0), output_type)


@TABLE.named("math.argmin", "argmin")
def _argmin(input: Any, axis: Any = None, output_type: Any = "int64") -> Any:
    return to_int(torch.argmin(as_tensor(input), dim=axis or 0), output_type)


def to_int(indices: Any, dtype: Any) -> Any:
    """Torch's int64 indices in another dtype, where one is asked for."""
    dtype = torch_dtype(dtype)
    return indices if dtype is torch.int64 else indices.to(dtype)


# Along an axis


@TABLE.named("math.cumsum", "cumsum")
def _cumsum(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    return cumulative(torch.cumsum, as_tensor(x), axis, exclusive, reverse)


@TABLE.named("math.cumprod", "cumprod")
def _cumprod(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    return cumulative(torch.cumprod, as_tensor(x), axis, exclusive, reverse, start=1)


@TABLE.named("math.cumulative_logsumexp")
def _cumulative_logsumexp(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    return cumulative(torch.logcumsumexp, x, axis, exclusive, reverse, start=-math.inf)


@TABLE.named("math.top_k", "nn.top_k")
def _top_k(input: Any, k: Any = 1, sorted: bool = True, index_type: Any = "int32") -> Any:
    values, indices = sorted_top_k(as_tensor(input), k)
    return [values, to_int(indices, index_type)]


@TABLE.named("math.in_top_k", "nn.in_top_k")
def _in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    at = torch.gather(predictions, 1, targets.to(torch.int64).unsqueeze(1))
    return torch.sum(operator.gt(predictions, at), dim=1) < k


@TABLE.named("compat.v1.math.in_top_k", "compat.v1.nn.in_top_k")
def _in_top_k_of_1(predictions: Any, targets: Any, k: int) -> Any:
    return _in_top_k(targets, predictions, k)


@TABLE.named("math.l2_normalize", "nn.l2_normalize", "linalg.l2_normalize")
def _l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    return l2_normalize(as_tensor(x), axis, epsilon)
