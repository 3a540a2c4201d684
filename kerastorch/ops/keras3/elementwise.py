"""Keras 3's operations element by element: keras.ops.numpy's arithmetic, comparisons and functions of one tensor."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from kerastorch.config import torch_dtype
from kerastorch.ops.arithmetic import argument_pair, clamp, divide_no_nan, imaginary, maximum, minimum, where
from kerastorch.ops.table import Table, unary
from kerastorch.ops.values import apply, as_tensor, dtype_of, is_tensor, to_dtype

__all__ = ["TABLE", "as_float", "wide_int"]

TABLE = Table()


def as_float(x: Any) -> Any:
    """A tensor of floats; whole numbers become float32."""
    x = as_tensor(x)
    dtype = dtype_of(x)
    return x if dtype.is_floating_point or dtype.is_complex else x.to(torch.float32)


def wide_int(dtype: torch.dtype) -> torch.dtype:
    """The dtype of a sum of a dtype's numbers: small whole numbers become int32."""
    return torch.int32 if dtype in (torch.bool, torch.int8, torch.int16, torch.uint8) else dtype


for _name, _function in {
    "Arccos": torch.arccos, "Arccosh": torch.arccosh, "Arcsin": torch.arcsin, "Arcsinh": torch.arcsinh, "Arctan": torch.arctan,
    "Arctanh": torch.arctanh, "Cos": torch.cos, "Cosh": torch.cosh, "Exp": torch.exp, "Exp2": torch.exp2,
    "Expm1": torch.expm1, "Log": torch.log, "Log10": torch.log10, "Log1p": torch.log1p, "Log2": torch.log2,
    "Reciprocal": torch.reciprocal, "Sin": torch.sin, "Sinc": torch.sinc, "Sinh": torch.sinh, "Sqrt": torch.sqrt,
    "Tan": torch.tan, "Tanh": torch.tanh, "I0": torch.special.i0, "Deg2rad": torch.deg2rad, "Rad2deg": torch.rad2deg,
    "Angle": torch.angle,
}.items():  # fmt: skip
    TABLE.named(f"numpy.{_name}")(lambda x, function=_function: function(as_float(x)))
_ALONE: dict[str, Any] = {
    "Absolute": torch.abs, "Abs": torch.abs, "Negative": operator.neg, "Square": torch.square, "Sign": torch.sign,
    "Signbit": torch.signbit, "Conjugate": torch.conj_physical, "Conj": torch.conj_physical, "Real": torch.real,
    "Imag": imaginary,
    "BitwiseInvert": torch.bitwise_not, "BitwiseNot": torch.bitwise_not, "Copy": torch.clone, "Isfinite": torch.isfinite,
    "Isinf": torch.isinf, "Isnan": torch.isnan, "Isneginf": torch.isneginf, "Isposinf": torch.isposinf,
    "Isreal": torch.isreal, "Trunc": torch.trunc,
}  # fmt: skip
for _name, _function in _ALONE.items():
    TABLE.named(f"numpy.{_name}")(unary(_function))
for _name, _function in {"Rsqrt": torch.rsqrt, "Erf": torch.erf, "Erfc": torch.erfc, "Erfinv": torch.erfinv}.items():
    TABLE.named(f"math.{_name}")(lambda x, function=_function: function(as_float(x)))


@TABLE.named("numpy.Fabs")
def _fabs(x: Any) -> Any:
    return torch.abs(as_float(x))


@TABLE.named("numpy.Ceil")
def _ceil(x: Any) -> Any:
    return torch.ceil(as_float(x))


@TABLE.named("numpy.Floor")
def _floor(x: Any) -> Any:
    return torch.floor(as_float(x))


@TABLE.named("numpy.Cbrt")
def _cbrt(x: Any) -> Any:
    x = as_float(x)
    return torch.sign(x) * torch.pow(torch.abs(x), 1 / 3)


@TABLE.named("numpy.Round")
def _round(x: Any, decimals: int = 0) -> Any:
    x = as_tensor(x)
    if not dtype_of(x).is_floating_point:
        factor = 10**-decimals
        return x if decimals >= 0 else to_dtype(torch.round(x / factor) * factor, dtype_of(x))
    return torch.round(x, decimals=decimals)


@TABLE.named("numpy.NanToNum")
def _nan_to_num(x: Any, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return torch.nan_to_num(as_tensor(x), nan, posinf, neginf)


@TABLE.named("numpy.LogicalNot")
def _logical_not(x: Any) -> Any:
    return torch.logical_not(as_tensor(x))


# Of two tensors


def _both(function: Any) -> Any:
    return lambda x1, x2: function(*argument_pair(x1, x2))


def _tensors(x: Any, y: Any) -> tuple[Any, Any]:
    return _beside(x, y), _beside(y, x)


def _beside(x: Any, other: Any) -> Any:
    """A tensor as it is; numbers as one of the other's dtype, but floats beside integers stay floats."""
    whole = is_tensor(other) and not (dtype_of(other).is_floating_point or dtype_of(other).is_complex)
    if whole and not is_tensor(x) and any(isinstance(n, float) for n in pytree.tree_leaves(x)):
        return as_tensor(x, dtype=torch.float32)
    return as_tensor(x, like=other)


for _name, _function in {
    "Add": operator.add, "Subtract": operator.sub, "Multiply": operator.mul, "Power": operator.pow, "Equal": operator.eq,
    "NotEqual": operator.ne, "Less": operator.lt, "LessEqual": operator.le, "Greater": operator.gt,
    "GreaterEqual": operator.ge, "Divide": operator.truediv, "TrueDivide": operator.truediv,
}.items():  # fmt: skip
    TABLE.named(f"numpy.{_name}")(_both(_function))
TABLE.named("numpy.Maximum")(lambda x1, x2: maximum(x1, x2))
TABLE.named("numpy.Minimum")(lambda x1, x2: minimum(x1, x2))
TABLE.named("numpy.DivideNoNan")(lambda x1, x2: divide_no_nan(*_tensors(x1, x2)))
for _name, _function in {
    "Fmod": torch.fmod, "LogicalAnd": torch.logical_and, "LogicalOr": torch.logical_or, "LogicalXor": torch.logical_xor,
    "Fmax": torch.fmax, "Fmin": torch.fmin, "Gcd": torch.gcd, "Lcm": torch.lcm, "Nextafter": torch.nextafter,
}.items():  # fmt: skip
    TABLE.named(f"numpy.{_name}")(lambda x1, x2, function=_function: function(*_tensors(x1, x2)))
for _name, _function in {
    "Arctan2": torch.arctan2, "Hypot": torch.hypot, "Logaddexp": torch.logaddexp, "Logaddexp2": torch.logaddexp2,
}.items():  # fmt: skip
    TABLE.named(f"numpy.{_name}")(lambda x1, x2, function=_function: function(*map(as_float, _tensors(x1, x2))))
for _name, _function in {
    "BitwiseAnd": operator.and_, "BitwiseOr": operator.or_, "BitwiseXor": operator.xor,
    "BitwiseLeftShift": torch.bitwise_left_shift, "LeftShift": torch.bitwise_left_shift,
    "BitwiseRightShift": torch.bitwise_right_shift, "RightShift": torch.bitwise_right_shift,
}.items():  # fmt: skip
    TABLE.named(f"numpy.{_name}")(lambda x, y, function=_function: function(*argument_pair(x, y)))


@TABLE.named("numpy.Mod")
def _mod(x1: Any, x2: Any) -> Any:
    return torch.remainder(*_tensors(x1, x2))  # of tensors, which torch differentiates


@TABLE.named("numpy.FloorDivide")
def _floor_divide(x1: Any, x2: Any) -> Any:
    x1, x2 = argument_pair(x1, x2)
    return operator.floordiv(*(x.detach() if is_tensor(x) else x for x in (x1, x2)))


@TABLE.named("numpy.Heaviside")
def _heaviside(x1: Any, x2: Any) -> Any:
    x1, x2 = (as_float(x).detach() for x in _tensors(x1, x2))
    return torch.heaviside(x1, to_dtype(x2, dtype_of(x1)))


@TABLE.named("numpy.Ldexp")
def _ldexp(x1: Any, x2: Any) -> Any:
    return torch.ldexp(as_float(x1), as_tensor(x2))


@TABLE.named("numpy.Isclose")
def _isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    x1, x2 = (as_float(x) for x in _tensors(x1, x2))
    return torch.isclose(x1, x2, rtol, atol, equal_nan)


@TABLE.named("numpy.AllClose")
def _allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    return torch.all(_isclose(x1, x2, rtol, atol, equal_nan))


@TABLE.named("numpy.Clip")
def _clip(x: Any, x_min: Any, x_max: Any) -> Any:
    return clamp(as_tensor(x), x_min, x_max)


@TABLE.named("numpy.Where")
def _where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    if x1 is None:
        return list(torch.nonzero(condition, as_tuple=True))
    return where(as_tensor(condition).to(torch.bool), x1, x2)


@TABLE.named("numpy.Select")
def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    found = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        found = where(condition, choice, found)
    return found


@TABLE.named("core.Cast")
def _cast(x: Any, dtype: Any) -> Any:
    return to_dtype(as_tensor(x), torch_dtype(dtype))


@TABLE.named("core.SaturateCast")
def _saturate_cast(x: Any, dtype: Any) -> Any:
    dtype = torch_dtype(dtype)
    if not dtype.is_floating_point and dtype_of(x) is not torch.bool:
        limits = torch.iinfo(dtype)
        x = torch.clamp(x, limits.min, limits.max)
    return to_dtype(x, dtype)


@TABLE.named("core.ConvertToTensor", "numpy.Array")
def _convert(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    x = as_tensor(x)
    return x if dtype is None else to_dtype(x, torch_dtype(dtype))


@TABLE.named("core.StopGradient")
def _stop_gradient(variable: Any) -> Any:
    return variable.detach()


@TABLE.named("numpy.View")
def _view(x: Any, dtype: Any = None) -> Any:
    return x if dtype is None else apply(torch.Tensor.view, x, torch_dtype(dtype))


# Activations


for _name, _function in {
    "Relu": torch.relu, "Relu6": F.relu6, "Sigmoid": torch.sigmoid, "Softplus": F.softplus, "Softsign": F.softsign,
    "Silu": F.silu, "LogSigmoid": F.logsigmoid, "HardSigmoid": F.hardsigmoid, "HardSilu": F.hardswish, "Selu": F.selu,
    "TanhShrink": F.tanhshrink, "HardTanh": F.hardtanh,
}.items():  # fmt: skip
    TABLE.named(f"nn.{_name}")(unary(_function))


@TABLE.named("nn.SparseSigmoid")
def _sparse_sigmoid(x: Any) -> Any:
    return torch.clamp((x + 1) / 2, 0, 1)


@TABLE.named("nn.SparsePlus")
def _sparse_plus(x: Any) -> Any:
    return torch.where(x <= -1, 0.0, torch.where(x < 1, torch.square(x + 1) / 4, x))


@TABLE.named("nn.Squareplus")
def _squareplus(x: Any, b: float = 4) -> Any:
    return (x + torch.sqrt(torch.square(x) + b)) / 2


@TABLE.named("nn.SoftShrink")
def _soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    return F.softshrink(x, threshold)


@TABLE.named("nn.HardShrink")
def _hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    return F.hardshrink(x, threshold)


@TABLE.named("nn.Threshold")
def _threshold(x: Any, threshold: float, default_value: float) -> Any:
    return F.threshold(x, threshold, default_value)


@TABLE.named("nn.LeakyRelu")
def _leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    return F.leaky_relu(x, negative_slope)


@TABLE.named("nn.Elu")
def _elu(x: Any, alpha: float = 1.0) -> Any:
    return F.elu(x, alpha)


@TABLE.named("nn.Celu")
def _celu(x: Any, alpha: float = 1.0) -> Any:
    return F.celu(x, alpha)


@TABLE.named("nn.Gelu")
def _gelu(x: Any, approximate: bool = True) -> Any:
    return F.gelu(x, approximate="tanh" if approximate else "none")


@TABLE.named("nn.Glu")
def _glu(x: Any, axis: int = -1) -> Any:
    return F.glu(x, axis)


@TABLE.named("nn.Polar")
def _polar(abs_: Any, angle: Any) -> Any:
    return torch.polar(as_float(abs_), as_float(angle))
