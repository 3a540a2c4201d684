"""Convolutions with large kernels of few pixels as matrix products on the CPU.

Deep in a network a picture has few pixels and many channels, and a batch of one is all that there is. oneDNN then takes
longer to set itself up for the kernel, in every call, than the product takes; for gradients more than once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from kerastorch.lowering.stand_in import StandIn

__all__ = ["ConvolutionOfFewPixels", "has_large_kernel"]

_LARGE = 2**20
"""Elements of a kernel from which on the product is the faster one, for at most so many pixels of the output: """
_FEW = 64
_FEW_WITH_GRADIENTS = 200


def has_large_kernel(module: nn.Module) -> bool:
    """Whether this is a convolution for which `ConvolutionOfFewPixels` can stand."""
    return (
        type(module) is nn.Conv2d
        and module.weight.numel() >= _LARGE
        and module.groups == 1
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and isinstance(module.padding, tuple)
    )


class ConvolutionOfFewPixels(StandIn):
    """`module(x)` of an nn.Conv2d."""

    def __init__(self, module: Any) -> None:
        super().__init__([module])
        self.module = module

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, in, rows, columns) -> (batch, out, new rows, new columns)."""
        module = self.module
        with_gradients = torch.is_grad_enabled()
        watched = self._is_watched() or (with_gradients and any(self._backward_hooks))
        if watched or not x.is_cpu or x.dim() != 4 or x.stride(1) != 1:
            return module(x)
        (rows, columns), steps, zeros = module.kernel_size, module.stride, module.padding
        batch, _, height, width = x.shape
        height = (height + 2 * zeros[0] - rows) // steps[0] + 1
        width = (width + 2 * zeros[1] - columns) // steps[1] + 1
        weight = module._parameters.get("weight")
        few = _FEW_WITH_GRADIENTS if with_gradients else _FEW
        if not 0 < batch * height * width <= few or weight is None or weight.dtype is not torch.float32:
            return module(x)
        kernel = weight.permute(0, 2, 3, 1)
        if not kernel.is_contiguous():
            return module(x)
        x = x.permute(0, 2, 3, 1)
        if any(zeros):
            x = F.pad(x, (0, 0, zeros[1], zeros[1], zeros[0], zeros[0]))
        windows = x.unfold(1, rows, steps[0]).unfold(2, columns, steps[1]).permute(0, 1, 2, 4, 5, 3)
        y = F.linear(windows.reshape(batch, height, width, -1), kernel.flatten(1), module.bias)
        return y.permute(0, 3, 1, 2)
