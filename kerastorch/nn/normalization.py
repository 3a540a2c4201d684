"""Normalisations as torch modules: with scale or offset alone, masks, and Keras's kind of moving variance."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["BatchNorm", "GroupNorm", "LayerNorm", "PowerIteration"]


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation of (batch, channels, ...), of any rank from 2.

    scale, center: whether there is a weight, a bias. unbiased: whether running_var averages the unbiased variances, as
    torch's own modules do, or the biased ones.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-3,
        momentum: float = 0.01,
        scale: bool = True,
        center: bool = True,
        unbiased: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine=True, device=device, dtype=dtype)
        self.scale, self.center, self.unbiased = scale, center, unbiased
        if not scale:
            self.register_parameter("weight", None)
        if not center:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Ones and zeros."""
        self.reset_running_stats()
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def _check_input_dim(self, input: torch.Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected an input of rank 2 or more, got shape {tuple(input.shape)}")

    def forward(
        self, input: torch.Tensor, weights: torch.Tensor | None = None, training: bool | None = None
    ) -> torch.Tensor:
        """The normalised input. weights: of the positions in the batch's statistics, of the input's shape.
        training: instead of the module's own phase."""
        self._check_input_dim(input)
        training = self.training if training is None else training
        weight = self.weight
        if weight is None and self.bias is not None and input.is_cuda:
            weight = torch.ones_like(self.bias)  # without one, torch's CUDA kernel has no gradient for the bias
        if not training:
            return F.batch_norm(input, self.running_mean, self.running_var, weight, self.bias, False, 0.0, self.eps)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        if weights is not None:
            return self._weighted(input, weights)
        count = input.numel() // input.shape[1]
        if count <= 1:  # torch refuses; the variance is 0
            return self._weighted(input, torch.ones_like(input))
        # torch averages var * n / (n - 1): a copy of the running variance goes to that scale, and comes back.
        bessel = 1.0 if self.unbiased else count / (count - 1)
        variance = self.running_var * bessel
        output = F.batch_norm(input, self.running_mean, variance, weight, self.bias, True, self.momentum, self.eps)
        self.running_var.copy_(variance / bessel)
        return output

    def _weighted(self, input: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        x = input.to(self.running_mean.dtype)
        weights = weights.to(x.dtype)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        total = weights.sum(axes)
        mean = (x * weights).sum(axes) / total
        centred = x - mean.view(shape)
        variance = (centred.square() * weights).sum(axes) / total
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)
        output = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.weight is not None:
            output = output * self.weight.view(shape)
        if self.bias is not None:
            output = output + self.bias.view(shape)
        return output.to(input.dtype)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, scale={self.scale}, "
            f"center={self.center}, unbiased={self.unbiased}"
        )


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the last axes, with a weight, a bias, both or neither.

    rms_scaling: the input is divided by its standard deviation, but its mean stays.
    """

    def __init__(
        self,
        normalized_shape: tuple[int, ...],
        eps: float = 1e-3,
        scale: bool = True,
        center: bool = True,
        rms_scaling: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(normalized_shape, eps, device=device, dtype=dtype)
        self.scale, self.center, self.rms_scaling = scale, center, rms_scaling
        if not scale:
            self.register_parameter("weight", None)
        if not center:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Ones and zeros."""
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The normalised input."""
        if not self.rms_scaling:
            return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)
        axes = list(range(-len(self.normalized_shape), 0))
        variance = torch.var(input, axes, correction=0, keepdim=True)
        output = input * torch.rsqrt(variance + self.eps)
        return output if self.weight is None else output * self.weight

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"{tuple(self.normalized_shape)}, eps={self.eps}, scale={self.scale}, center={self.center}, "
            f"rms_scaling={self.rms_scaling}"
        )


class GroupNorm(nn.GroupNorm):
    """Group normalisation of (batch, channels, ...), with a weight, a bias, both or neither."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-3,
        scale: bool = True,
        center: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_groups, num_channels, eps, device=device, dtype=dtype)
        self.scale, self.center = scale, center
        if not scale:
            self.register_parameter("weight", None)
        if not center:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Ones and zeros."""
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The normalised input."""
        if self.weight is not None and not input.requires_grad:
            input = (
                input.contiguous()
            )  # torch 2.13 on CPU crashes in backward() for channels-last inputs without gradient
        if self.weight is not None or self.bias is None:
            return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
        # torch cannot differentiate a bias without a weight.
        shape = [-1] + [1] * (input.dim() - 2)
        return F.group_norm(input, self.num_groups, None, None, self.eps) + self.bias.view(shape)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, scale={self.scale}, center={self.center}"


class PowerIteration(nn.Module):
    """While training, divides a weight by its largest singular value, in place, before passing its input on.

    size: of the weight's last axis; vector_u: the left singular vector, kept up by `iterations` steps a call.
    """

    def __init__(
        self, size: int, iterations: int = 1, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.size, self.iterations = size, iterations
        self.register_buffer("vector_u", torch.zeros(1, size, device=device, dtype=dtype))

    def forward(self, input: torch.Tensor, weight: torch.Tensor, training: bool | None = None) -> torch.Tensor:
        """The input as it is; `weight` (..., size) changes while training. training: instead of the module's phase."""
        if self.training if training is None else training:
            self.normalize(weight)
        return input

    @torch.no_grad()
    def normalize(self, weight: torch.Tensor) -> None:
        """Divides the weight by the estimate of its largest singular value; one of zeros stays."""
        weight = weight.detach()
        matrix = weight.reshape(-1, self.size)
        u = v = self.vector_u
        for _ in range(self.iterations):
            v = F.normalize(u @ matrix.t(), dim=1, eps=1e-6)
            u = F.normalize(v @ matrix, dim=1, eps=1e-6)
        sigma = (v @ matrix @ u.t()).reshape(())
        zero = (weight == 0).all()
        weight.div_(torch.where(zero, torch.ones_like(sigma), sigma))
        self.vector_u.copy_(torch.where(zero, self.vector_u, u))

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.size}, iterations={self.iterations}"
