"""Keras 3's products and decompositions of matrices, and its Fourier transforms."""

from __future__ import annotations

import math
import operator
from typing import Any

import torch

from kerastorch.ops.arithmetic import reduced
from kerastorch.ops.keras3.elementwise import as_float
from kerastorch.ops.signals import overlap_and_add
from kerastorch.ops.table import Table
from kerastorch.ops.values import as_tensor, axes_of, constant, dtype_of, rank, sizes_of

__all__ = ["TABLE"]

TABLE = Table()


def _tensors(x1: Any, x2: Any) -> tuple[Any, Any]:
    x1, x2 = as_tensor(x1, like=x2), as_tensor(x2, like=x1)
    first, second = dtype_of(x1), dtype_of(x2)
    if first is second:
        return x1, x2
    wide = torch.promote_types(first, second)
    return x1.to(wide), x2.to(wide)


@TABLE.named("numpy.Matmul")
def _matmul(x1: Any, x2: Any) -> Any:
    return operator.matmul(*_tensors(x1, x2))


@TABLE.named("numpy.Dot")
def _dot(x1: Any, x2: Any) -> Any:
    x1, x2 = _tensors(x1, x2)
    if rank(x1) == 0 or rank(x2) == 0:
        return x1 * x2
    if rank(x1) <= 2 and rank(x2) <= 2:
        return operator.matmul(x1, x2)
    return torch.tensordot(x1, x2, dims=([rank(x1) - 1], [max(rank(x2) - 2, 0)]))


@TABLE.named("numpy.Vdot")
def _vdot(x1: Any, x2: Any) -> Any:
    x1, x2 = _tensors(x1, x2)
    return torch.sum(x1.reshape([-1]) * x2.reshape([-1]))


@TABLE.named("numpy.Inner")
def _inner(x1: Any, x2: Any) -> Any:
    return torch.inner(*_tensors(x1, x2))


@TABLE.named("numpy.Outer")
def _outer(x1: Any, x2: Any) -> Any:
    x1, x2 = _tensors(x1, x2)
    return torch.outer(x1.reshape([-1]), x2.reshape([-1]))


@TABLE.named("numpy.Kron")
def _kron(x1: Any, x2: Any) -> Any:
    return torch.kron(*_tensors(x1, x2))


@TABLE.named("numpy.Tensordot")
def _tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    x1, x2 = _tensors(x1, x2)
    if isinstance(axes, int):
        return torch.tensordot(x1, x2, dims=axes)
    first, second = ([a] if isinstance(a, int) else list(a) for a in axes)
    return torch.tensordot(x1, x2, dims=(first, second))


@TABLE.named("numpy.Einsum")
def _einsum(*operands: Any, subscripts: str, **_: Any) -> Any:
    return torch.einsum(subscripts, *(as_tensor(x, like=operands[0]) for x in operands))


@TABLE.named("numpy.Cross")
def _cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    x1, x2 = _tensors(x1, x2)
    if axis is not None:
        axisa = axisb = axisc = axis
    x1, x2 = torch.movedim(x1, axisa, -1), torch.movedim(x2, axisb, -1)
    return torch.movedim(torch.linalg.cross(x1, x2), -1, axisc)


@TABLE.named("numpy.Corrcoef")
def _corrcoef(x: Any) -> Any:
    x = as_float(x)
    apart = x - torch.mean(x, dim=-1, keepdim=True)
    product = operator.matmul(apart, torch.transpose(apart, -2, -1))
    length = torch.sqrt(torch.diagonal(product))
    return torch.clamp(product / torch.unsqueeze(length, 0) / torch.unsqueeze(length, 1), -1, 1)


@TABLE.named("numpy.Correlate")
def _correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    x1, x2 = (as_float(x) for x in _tensors(x1, x2))
    n, m = sizes_of(x1)[0], sizes_of(x2)[0]
    if isinstance(n, int) and isinstance(m, int) and n < m:
        return torch.flip(_correlate(x2, x1, mode), [0])
    padding = {"valid": 0, "full": m - 1, "same": m // 2}[mode]
    y = torch.nn.functional.conv1d(x1.reshape([1, 1, -1]), x2.reshape([1, 1, -1]), padding=padding).reshape([-1])
    return y[:n] if mode == "same" else y


# linalg


@TABLE.named("linalg.Cholesky")
def _cholesky(x: Any, upper: bool = False) -> Any:
    return torch.linalg.cholesky(as_float(x), upper=upper)


@TABLE.named("linalg.CholeskyInverse")
def _cholesky_inverse(x: Any, upper: bool = False) -> Any:
    return torch.cholesky_inverse(as_float(x), upper=upper)


for _name, _function in {
    "linalg.Det": torch.linalg.det, "linalg.Inv": torch.linalg.inv, "math.Logdet": torch.logdet,
    "linalg.Eigh": torch.linalg.eigh, "linalg.Eig": torch.linalg.eig, "numpy.Slogdet": torch.linalg.slogdet,
}.items():  # fmt: skip
    TABLE.named(_name)(lambda x, function=_function: function(as_float(x)))


@TABLE.named("linalg.Norm")
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = as_float(x)
    ord = float(ord) if ord in ("inf", "-inf") else ord
    axes = axes_of(x, axis)
    if ord is None or (ord == "fro" and len(axes) == 2):
        return reduced(torch.linalg.vector_norm, x, axis, keepdims)
    if len(axes) == 2:
        return torch.linalg.matrix_norm(x, ord, dim=axes, keepdim=keepdims)
    return torch.linalg.vector_norm(x, ord, dim=list(axes), keepdim=keepdims)


@TABLE.named("linalg.Qr")
def _qr(x: Any, mode: str = "reduced") -> Any:
    return torch.linalg.qr(as_float(x), mode=mode)


@TABLE.named("linalg.Solve")
def _solve(a: Any, b: Any) -> Any:
    return torch.linalg.solve(a, b)


@TABLE.named("linalg.SolveTriangular")
def _solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    if rank(b) == rank(a) - 1:
        return torch.squeeze(torch.linalg.solve_triangular(a, torch.unsqueeze(b, -1), upper=not lower), -1)
    return torch.linalg.solve_triangular(a, b, upper=not lower)


@TABLE.named("linalg.SVD")
def _svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    return torch.linalg.svd(as_float(x), full_matrices) if compute_uv else torch.linalg.svdvals(as_float(x))


@TABLE.named("linalg.Lstsq")
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    return operator.matmul(torch.linalg.pinv(a, rtol=rcond), b)


@TABLE.named("linalg.MatrixRank")
def _matrix_rank(x: Any, tol: Any = None) -> Any:
    return torch.linalg.matrix_rank(x, atol=tol).to(torch.int32)


@TABLE.named("linalg.Pinv")
def _pinv(x: Any, rcond: Any = None) -> Any:
    return torch.linalg.pinv(x, rtol=rcond)


@TABLE.named("math.CDist")
def _cdist(x: Any, y: Any) -> Any:
    return torch.cdist(x, y)


# Fourier transforms: complex numbers are pairs of tensors.


def _complex(x: Any) -> Any:
    real, imaginary = x
    return torch.complex(as_float(real), as_float(imaginary))


def _pair(x: Any) -> list[Any]:
    return [torch.real(x), torch.imag(x)]


TABLE.named("math.FFT")(lambda x: _pair(torch.fft.fft(_complex(x))))
TABLE.named("math.FFT2")(lambda x: _pair(torch.fft.fft2(_complex(x))))
TABLE.named("math.IFFT2")(lambda x: _pair(torch.fft.ifft2(_complex(x))))
TABLE.named("math.ViewAsComplex")(lambda x: torch.view_as_complex(x))
TABLE.named("math.ViewAsReal")(lambda x: torch.view_as_real(x))


@TABLE.named("math.RFFT")
def _rfft(x: Any, fft_length: Any = None) -> Any:
    return _pair(torch.fft.rfft(x, fft_length))


@TABLE.named("math.IRFFT")
def _irfft(x: Any, fft_length: Any = None) -> Any:
    return torch.fft.irfft(_complex(x), fft_length)


def _window_values(window: Any, length: int, fft_length: int) -> list[float]:
    """The window in the middle of fft_length zeros, as Keras has it."""
    values = list(window) if isinstance(window, (list, tuple)) else [1.0] * length
    if isinstance(window, str):
        high, low = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46)}[window]
        values = [high - low * math.cos(2 * math.pi * i / length) for i in range(length)]
    left = (fft_length - length) // 2
    return [0.0] * left + values + [0.0] * (fft_length - length - left)


@TABLE.named("math.STFT")
def _stft(
    x: Any, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
) -> Any:
    if center:
        half = fft_length // 2
        x = torch.nn.functional.pad(torch.unsqueeze(x, -2), [half, half], mode="reflect").squeeze(-2)
    values = constant(_window_values(window, sequence_length, fft_length), dtype_of(x))
    return _pair(torch.fft.rfft(x.unfold(-1, fft_length, sequence_stride) * values, fft_length))


@TABLE.named("math.ISTFT")
def _istft(
    x: Any, sequence_length: int, sequence_stride: int, fft_length: int, length: Any = None, window: Any = "hann",
    center: bool = True,
) -> Any:  # fmt: skip
    frames = torch.fft.irfft(_complex(x), fft_length)
    if window is not None:
        values = _window_values(window, sequence_length, fft_length)
        overlapped = [sum(v * v for v in values[i::sequence_stride]) for i in range(min(sequence_stride, fft_length))]
        scale = [overlapped[i % sequence_stride] for i in range(fft_length)]
        inverse = [0.0 if total == 0 else v / total for v, total in zip(values, scale, strict=True)]
        frames = frames * constant(inverse, dtype_of(frames))
    y = overlap_and_add(frames, sequence_stride)
    first = fft_length // 2 if center else 0
    if length is not None:
        return y[..., first : first + length]
    return y[..., first : -first or None]
