"""Modules of Keras 1 that later versions dropped, and torch lacks."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["BatchNorm1", "ParametricSoftplus", "SReLU"]


class ParametricSoftplus(nn.Module):
    """`alpha * log(1 + exp(beta * x))`; the weights broadcast to the axes after the batch."""

    def __init__(
        self, shape: tuple[int, ...], device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.alpha = nn.Parameter(torch.full(self.shape, 0.2, device=device, dtype=dtype))
        self.beta = nn.Parameter(torch.full(self.shape, 5.0, device=device, dtype=dtype))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The activated input."""
        return self.alpha * F.softplus(self.beta * input)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.shape}"


class SReLU(nn.Module):
    """Three straight lines: slope `left_slope` below `left`, 1 up to `left + |width|`, `right_slope` from there on."""

    def __init__(
        self, shape: tuple[int, ...], device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        for name, value in (("left", 0.0), ("left_slope", 0.0), ("width", 0.0), ("right_slope", 1.0)):
            self.register_parameter(name, nn.Parameter(torch.full(self.shape, value, device=device, dtype=dtype)))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The activated input."""
        width = self.width.abs()
        above = input - self.left
        middle = torch.minimum(torch.relu(above), width) - self.left_slope * torch.relu(-above)
        return self.left + middle + self.right_slope * torch.relu(above - width)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.shape}"


class BatchNorm1(nn.Module):
    """Normalisation by the statistics of the input itself, in training and inference: of each sample over its last axis
    (`mode=1`), or of the batch over all axes but `dim` (`mode=2`). The running averages are kept, and not used."""

    def __init__(
        self,
        size: int,
        mode: int,
        dim: int = -1,
        eps: float = 1e-3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.size, self.mode, self.dim, self.eps = size, mode, dim, eps
        self.weight = nn.Parameter(torch.ones(size, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(size, device=device, dtype=dtype))
        self.register_buffer("running_mean", torch.zeros(size, device=device, dtype=dtype))
        self.register_buffer("running_var", torch.ones(size, device=device, dtype=dtype))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The normalised input."""
        if self.mode == 1:
            variance, mean = torch.var_mean(input, -1, correction=0, keepdim=True)
            return self.weight * ((input - mean) / (torch.sqrt(variance + self.eps) + self.eps)) + self.bias
        dim = self.dim % input.ndim
        others = [i for i in range(input.ndim) if i != dim]
        variance, mean = torch.var_mean(input, others, correction=0, keepdim=True)
        shape = [-1 if i == dim else 1 for i in range(input.ndim)]
        scale = self.weight.reshape(shape) * torch.rsqrt(variance + self.eps)
        return (input - mean) * scale + self.bias.reshape(shape)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.size}, {self.mode}, dim={self.dim}, eps={self.eps}"
