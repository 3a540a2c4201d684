"""A product with a weight, by an einsum equation."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Einsum"]


class Einsum(nn.Module):
    """`einsum(equation, input, weight) + bias`.

    weight_shape, bias_shape: of the weight, and of the bias, if any, which broadcasts to the output.
    """

    def __init__(
        self,
        equation: str,
        weight_shape: tuple[int, ...],
        bias_shape: tuple[int, ...] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.equation, self.weight_shape = equation, tuple(weight_shape)
        self.bias_shape = None if bias_shape is None else tuple(bias_shape)
        self.weight = nn.Parameter(torch.empty(self.weight_shape, device=device, dtype=dtype))
        bias = (
            None if self.bias_shape is None else nn.Parameter(torch.empty(self.bias_shape, device=device, dtype=dtype))
        )
        self.register_parameter("bias", bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal weights of the size that keeps a product's, and a bias of zeros."""
        nn.init.normal_(self.weight, std=self.weight_shape[0] ** -0.5)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The product."""
        output = torch.einsum(self.equation, input, self.weight)
        return output if self.bias is None else output + self.bias

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.equation!r}, {self.weight_shape}, bias_shape={self.bias_shape}"
