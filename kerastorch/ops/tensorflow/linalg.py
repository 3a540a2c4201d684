"""tf.linalg, by TensorFlow's names and with its arguments and defaults."""

from __future__ import annotations

import operator
from typing import Any

import torch

from kerastorch.ops.arithmetic import norm_dims, reduced
from kerastorch.ops.table import Table, unary
from kerastorch.ops.values import as_tensor

__all__ = ["TABLE"]

TABLE = Table()

for _name, _function in {
    "adjoint": torch.adjoint, "cholesky": torch.linalg.cholesky, "det": torch.linalg.det, "expm": torch.linalg.matrix_exp,
    "logdet": torch.logdet, "pinv": torch.linalg.pinv,
}.items():  # fmt: skip
    TABLE.named(f"linalg.{_name}")(unary(_function, "input"))


def _turned(x: Any, transpose: bool, adjoint: bool = False) -> Any:
    return torch.adjoint(x) if adjoint else torch.transpose(x, -2, -1) if transpose else x


@TABLE.named("linalg.matmul", "matmul", "batch_matmul")
def _matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False, adjoint_b: bool = False,
    a_is_sparse: bool = False, b_is_sparse: bool = False, output_type: Any = None,
    grad_a: bool = False, grad_b: bool = False,
) -> Any:  # fmt: skip
    a, b = as_tensor(a, like=b), as_tensor(b, like=a)
    return operator.matmul(_turned(a, transpose_a, adjoint_a), _turned(b, transpose_b, adjoint_b))


@TABLE.named("linalg.matvec")
def _matvec(a: Any, b: Any, transpose_a: bool = False, adjoint_a: bool = False, **_: Any) -> Any:
    a, b = as_tensor(a, like=b), as_tensor(b, like=a)
    return torch.squeeze(operator.matmul(_turned(a, transpose_a, adjoint_a), torch.unsqueeze(b, -1)), -1)


@TABLE.named("tensordot", "linalg.tensordot")
def _tensordot(a: Any, b: Any, axes: Any) -> Any:
    a, b = as_tensor(a, like=b), as_tensor(b, like=a)
    if isinstance(axes, int):
        return torch.tensordot(a, b, dims=axes)
    first, second = ([x] if isinstance(x, int) else list(x) for x in axes)
    return torch.tensordot(a, b, dims=(first, second))


@TABLE.named("einsum", "linalg.einsum")
def _einsum(equation: str, *inputs: Any, **_: Any) -> Any:
    like = inputs[0]
    return torch.einsum(equation, *(as_tensor(x, like=like) for x in inputs))


@TABLE.named("linalg.matrix_transpose")
def _matrix_transpose(a: Any, conjugate: bool = False) -> Any:
    return _turned(a, True, conjugate)


@TABLE.named("linalg.trace")
def _trace(x: Any) -> Any:
    return torch.sum(torch.diagonal(x, dim1=-2, dim2=-1), dim=-1)


@TABLE.named("linalg.diag")
def _diag(diagonal: Any, k: int = 0, **_: Any) -> Any:
    return torch.diag_embed(diagonal, offset=k)


@TABLE.named("linalg.diag_part")
def _diag_part(input: Any, k: int = 0, **_: Any) -> Any:
    return torch.diagonal(input, offset=k, dim1=-2, dim2=-1)


@TABLE.named("linalg.tensor_diag_part")
def _tensor_diag_part(input: Any) -> Any:
    return torch.diagonal(input)


@TABLE.named("linalg.tensor_diag")
def _tensor_diag(diagonal: Any) -> Any:
    return torch.diag_embed(diagonal)


@TABLE.named("linalg.set_diag")
def _set_diag(input: Any, diagonal: Any, k: int = 0, **_: Any) -> Any:
    return torch.diagonal_scatter(input, as_tensor(diagonal, input.dtype), offset=k, dim1=-2, dim2=-1)


@TABLE.named("linalg.band_part")
def _band_part(input: Any, num_lower: int, num_upper: int) -> Any:
    x = input if num_lower < 0 else torch.triu(input, -num_lower)
    return x if num_upper < 0 else torch.tril(x, num_upper)


@TABLE.named("linalg.inv", "linalg.inverse")
def _inv(input: Any, adjoint: bool = False) -> Any:
    return torch.linalg.inv(_turned(input, False, adjoint))


@TABLE.named("linalg.solve", "linalg.matrix_solve")
def _solve(matrix: Any, rhs: Any, adjoint: bool = False) -> Any:
    return torch.linalg.solve(_turned(matrix, False, adjoint), rhs)


@TABLE.named("linalg.triangular_solve")
def _triangular_solve(matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False) -> Any:
    if adjoint:
        return torch.linalg.solve_triangular(
            torch.adjoint(torch.tril(matrix) if lower else torch.triu(matrix)), rhs, upper=lower
        )
    return torch.linalg.solve_triangular(torch.tril(matrix) if lower else torch.triu(matrix), rhs, upper=not lower)


@TABLE.named("linalg.cholesky_solve")
def _cholesky_solve(chol: Any, rhs: Any) -> Any:
    return torch.cholesky_solve(rhs, chol)


@TABLE.named("linalg.slogdet")
def _slogdet(input: Any) -> Any:
    return torch.linalg.slogdet(input)


@TABLE.named("linalg.qr")
def _qr(input: Any, full_matrices: bool = False) -> Any:
    return torch.linalg.qr(input, mode="complete" if full_matrices else "reduced")


@TABLE.named("linalg.eigh")
def _eigh(tensor: Any) -> Any:
    return torch.linalg.eigh(tensor)


@TABLE.named("linalg.eigvalsh")
def _eigvalsh(tensor: Any) -> Any:
    return torch.linalg.eigvalsh(tensor)


@TABLE.named("linalg.cross")
def _cross(a: Any, b: Any) -> Any:
    return torch.linalg.cross(as_tensor(a, like=b), as_tensor(b, like=a))


@TABLE.named("linalg.matrix_rank")
def _matrix_rank(a: Any, tol: Any = None, validate_args: bool = False) -> Any:
    return torch.linalg.matrix_rank(a, atol=tol).to(torch.int32)


@TABLE.named("linalg.global_norm")
def _global_norm(t_list: Any) -> Any:
    return torch.sqrt(torch.sum(torch.stack([torch.sum(torch.square(t)) for t in t_list])))


@TABLE.named("linalg.normalize")
def _normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None) -> Any:
    length = _norm(tensor, ord, axis, True)
    return [tensor / length, length]


@TABLE.named("norm", "linalg.norm")
def _norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: Any = None) -> Any:
    x = as_tensor(tensor)
    matrix = isinstance(axis, (list, tuple)) and len(axis) == 2
    order = {"euclidean": 2, "fro": 2, "inf": float("inf")}.get(ord, ord) if isinstance(ord, str) else ord
    if matrix and ord not in ("euclidean", "fro"):
        return torch.linalg.matrix_norm(x, order, dim=tuple(norm_dims(x, axis)), keepdim=bool(keepdims))
    return reduced(
        lambda t, dim, keepdim: torch.linalg.vector_norm(t, order, dim=dim, keepdim=keepdim), x, axis, keepdims
    )


@TABLE.named("linalg.lstsq")
def _lstsq(matrix: Any, rhs: Any, l2_regularizer: float = 0.0, fast: bool = True) -> Any:
    if l2_regularizer:
        raise NotImplementedError("linalg.lstsq with l2_regularizer")
    turned = torch.transpose(matrix, -2, -1)
    return torch.linalg.solve(turned @ matrix, turned @ rhs)


@TABLE.named("linalg.svd")
def _svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True) -> Any:
    if not compute_uv:
        return torch.linalg.svdvals(tensor)
    u, s, vh = torch.linalg.svd(tensor, full_matrices=full_matrices)
    return [s, u, torch.adjoint(vh)]
