"""Batch normalisation at inference, of pictures with their channels last in memory, on the CPU.

torch's kernel takes `x * scale + shift` channel by channel, and is at its best with the channels first. The same numbers
come from one `addcmul`, up to a third faster where the channels lie last, as Keras has them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kerastorch.lowering.stand_in import StandIn
from kerastorch.nn.normalization import BatchNorm

__all__ = ["InferredBatchNorm", "is_batch_norm"]


def is_batch_norm(module: nn.Module) -> bool:
    """Whether this is a batch normalisation of which `InferredBatchNorm` knows what it does."""
    return type(module) in (nn.BatchNorm2d, nn.BatchNorm3d, BatchNorm)


class InferredBatchNorm(StandIn):
    """`module(x)` of a batch normalisation."""

    def __init__(self, module: Any) -> None:
        super().__init__([module])
        self.module = module
        self._epsilon = module.eps, torch.tensor(module.eps)

    def __call__(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As the module's."""
        module = self.module
        asks_for_more = args or kwargs or module.training or self._must_call_modules()
        if asks_for_more or not x.is_cpu or x.dim() < 3 or x.stride(1) != 1:
            return module(x, *args, **kwargs)
        try:
            weight, bias = module._parameters["weight"], module._parameters["bias"]
        except KeyError:  # parametrized
            return module(x)
        mean, variance = module._buffers["running_mean"], module._buffers["running_var"]
        if variance is None or x.dtype is not variance.dtype:
            return module(x)
        # Small operations, each of which takes as long as a look at an attribute or two; a number takes twice a tensor's time.
        if self._epsilon[0] != module.eps or self._epsilon[1].dtype is not x.dtype:
            self._epsilon = module.eps, torch.tensor(module.eps, dtype=x.dtype)
        scale = torch.rsqrt(variance + self._epsilon[1])
        scale = scale if weight is None else scale.mul_(weight)
        shift = mean * -scale if bias is None else torch.addcmul(bias, mean, scale, value=-1)
        if x.dim() == 4:
            return torch.addcmul(shift.view(-1, 1, 1), x, scale.view(-1, 1, 1))
        shape = (-1, *(1,) * (x.dim() - 2))
        return torch.addcmul(shift.view(shape), x, scale.view(shape))
