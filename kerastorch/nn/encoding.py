"""Integers as one-hot, multi-hot and count vectors."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["CategoryEncode"]


class CategoryEncode(nn.Module):
    """Integers along the last axis as one vector of `depth` numbers.

    mode: 'one_hot' (each integer by itself), 'multi_hot' (1 where present), 'count'. sparse: a sparse COO tensor.
    checked: whether an integer outside [0, depth) is an error; otherwise it is left out.
    """

    def __init__(
        self, depth: int, mode: str, dtype: torch.dtype = torch.float32, sparse: bool = False, checked: bool = False
    ) -> None:
        super().__init__()
        self.depth, self.mode, self.dtype, self.sparse, self.checked = depth, mode, dtype, sparse, checked

    def forward(self, indices: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """(..., n) -> (..., depth); 'one_hot' (..., n) -> (..., n, depth) unless n is 1. weights: for 'count'."""
        indices = indices.long()
        if indices.ndim == 0 or (self.mode == "one_hot" and indices.shape[-1] != 1):
            indices = indices.unsqueeze(-1)
        known = (indices >= 0) & (indices < self.depth)
        if self.checked and torch.compiler.is_compiling():
            torch._assert_async(known.all(), f"Input values must be in the range 0 <= values < {self.depth}.")
        elif self.checked and not bool(known.all()):
            raise ValueError(
                f"Input values must be in the range 0 <= values < {self.depth}, got values from "
                f"{int(indices.min())} to "
                f"{int(indices.max())}."
            )
        if weights is None:
            added = known.to(self.dtype)
        else:
            added = weights.to(self.dtype).reshape(indices.shape) * known
        zeros = torch.zeros(*indices.shape[:-1], self.depth, dtype=self.dtype, device=indices.device)
        result = zeros.scatter_add(-1, indices.clamp(0, self.depth - 1), added)
        if self.mode != "count":
            result = (result != 0).to(self.dtype)
        return result.to_sparse() if self.sparse else result

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"depth={self.depth}, mode={self.mode!r}, dtype={self.dtype}, sparse={self.sparse}, checked={self.checked}"
        )
