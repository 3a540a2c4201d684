"""What joining several inputs asks of masks."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["JoinMasks"]


class JoinMasks(nn.Module):
    """The mask of inputs that are concatenated along an axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, inputs: list[torch.Tensor], masks: list[torch.Tensor | None]) -> torch.Tensor:
        """The masks along the axis, true for inputs without; true where they are along the whole last axis."""
        joined = []
        for x, mask in zip(inputs, masks, strict=True):
            if mask is None:
                mask = torch.ones_like(x[..., :1], dtype=torch.bool)
            elif mask.dim() < x.dim():
                mask = mask.unsqueeze(-1)
            joined.append(mask.bool())
        return torch.cat(joined, dim=self.axis).all(dim=-1)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.axis}"
