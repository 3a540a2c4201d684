"""What joining several inputs asks of masks."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["JoinMasks"]


class JoinMasks(nn.Module):
    """The mask of inputs that are concatenated along an axis.

    anywhere: true where the masks are true anywhere along the last axis, rather than along the whole of it.
    """

    def __init__(self, axis: int, anywhere: bool = False) -> None:
        super().__init__()
        self.axis, self.anywhere = axis, anywhere

    def forward(self, inputs: list[torch.Tensor], masks: list[torch.Tensor | None]) -> torch.Tensor:
        """The masks along the axis, true for inputs without."""
        joined = []
        for x, mask in zip(inputs, masks, strict=True):
            if mask is None:
                mask = torch.ones_like(x[..., :1], dtype=torch.bool)
            elif mask.dim() < x.dim():
                mask = mask.unsqueeze(-1)
            joined.append(mask.bool())
        mask = torch.cat(joined, dim=self.axis)
        return mask.any(dim=-1) if self.anywhere else mask.all(dim=-1)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.axis}, anywhere={self.anywhere}"
