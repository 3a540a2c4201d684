"""Random feature maps that torch lacks."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["FourierFeatures"]


class FourierFeatures(nn.Module):
    """`cos(x @ weight.T / scale + bias)`: the scale is a parameter, weight (out, in) and bias (out,) are fixed."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.scale = nn.Parameter(torch.ones(1, device=device, dtype=dtype))
        self.register_buffer("weight", torch.zeros(out_features, in_features, device=device, dtype=dtype))
        self.register_buffer("bias", torch.zeros(out_features, device=device, dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        return nn.functional.linear(x, self.weight / self.scale, self.bias).cos()

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"in_features={self.in_features}, out_features={self.out_features}"
