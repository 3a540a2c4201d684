"""Noise while training, with a seed of its own or torch's generator."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["RandomNoise"]


class RandomNoise(nn.Module):
    """Noise on the input while training; nothing otherwise.

    kind: 'dropout' and 'alpha_dropout' (amount: the share dropped), 'gaussian_dropout' (the same, by a normal factor of
    mean 1) or 'gaussian_noise' (amount: the standard deviation of what is added).
    noise_shape: of the noise, where it is one for several elements; None at an axis means the input's size.
    seed: with one, the n-th call draws the same noise in every run, on every device, compiled or not.
    """

    follows_input = True
    """It computes where its input is, wherever its counter of calls is."""

    def __init__(
        self, kind: str, amount: float, noise_shape: tuple[int | None, ...] | None = None, seed: int | None = None
    ) -> None:
        super().__init__()
        self.kind, self.amount, self.noise_shape, self.seed = kind, amount, noise_shape, seed
        self.register_buffer("calls", torch.zeros((), dtype=torch.long) if seed is not None else None, persistent=False)

    def forward(self, input: torch.Tensor, training: bool | None = None) -> torch.Tensor:
        """The input with noise. training: instead of the module's own phase."""
        if not (self.training if training is None else training) or not self.amount:
            return input
        if self.kind == "gaussian_noise":
            return input + self.normal(input) * self.amount
        if self.kind == "gaussian_dropout":
            return input * (1.0 + self.normal(input) * math.sqrt(self.amount / (1.0 - self.amount)))
        if self.amount >= 1:
            return torch.zeros_like(input)
        kept = self.uniform(input) >= self.amount
        if self.kind == "dropout":
            return input * (kept.to(input.dtype) / (1.0 - self.amount))
        low = -1.7580993408473766  # SELU's limit at minus infinity
        a = ((1.0 - self.amount) * (1.0 + self.amount * low**2)) ** -0.5
        return torch.where(kept, input, low) * a - a * low * self.amount

    def uniform(self, input: torch.Tensor) -> torch.Tensor:
        """Numbers from [0, 1)."""
        shape = self._shape(input)
        if self.seed is None:
            return torch.rand(shape, device=input.device)
        self.calls.add_(1)
        return self._drawn(shape, input.device)

    def normal(self, input: torch.Tensor) -> torch.Tensor:
        """Standard normal numbers."""
        shape = self._shape(input)
        if self.seed is None:
            return torch.randn(shape, device=input.device, dtype=input.dtype)
        self.calls.add_(2)
        radius = torch.sqrt(-2.0 * torch.log1p(-self._drawn(shape, input.device)))
        angle = self._drawn(shape, input.device, 1) * (2.0 * math.pi)
        return (radius * torch.cos(angle)).to(input.dtype)

    def _shape(self, input: torch.Tensor) -> list[int]:
        if self.noise_shape is None:
            return list(input.shape)
        return [n if n is not None else input.shape[i] for i, n in enumerate(self.noise_shape)]

    def _drawn(self, shape: list[int], device: torch.device, back: int = 0) -> torch.Tensor:
        # Counters, hashed: a generator's state could neither be compiled nor move between devices.
        key = self._hash(self._hash((self.calls - back) & 0xFFFFFFFF) ^ (self.seed % 2**32))
        bits = self._hash(self._hash(torch.arange(math.prod(shape), device=device) & 0xFFFFFFFF) ^ key.to(device))
        return ((bits >> 8).to(torch.float32) * 2.0**-24).reshape(shape)

    @staticmethod
    def _hash(x: torch.Tensor) -> torch.Tensor:
        x = ((x ^ (x >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
        x = ((x ^ (x >> 15)) * 0x735A2D97) & 0xFFFFFFFF
        return x ^ (x >> 15)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.kind!r}, {self.amount}, noise_shape={self.noise_shape}, seed={self.seed}"
