"""Activations with weights that torch lacks."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["PReLU"]


class PReLU(nn.Module):
    """`x` where positive, `weight * x` elsewhere; the weight broadcasts to the axes after the batch."""

    def __init__(
        self,
        shape: tuple[int, ...],
        init: float = 0.25,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.init = tuple(shape), init
        self.weight = nn.Parameter(torch.full(self.shape, init, device=device, dtype=dtype))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The rectified input."""
        return torch.relu(input) - self.weight * torch.relu(-input)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.shape}, init={self.init}"
