"""What the lowered function calls in the stead of torch modules, where the same numbers can be had faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module

__all__ = ["StandIn"]


class StandIn:
    """Computes what modules would, where nobody watches; no module itself, as the modules stay where they are."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._hooks: list[Any] = [torch_module._global_forward_hooks, torch_module._global_forward_pre_hooks]
        self._backward_hooks: list[Any] = [torch_module._global_backward_hooks, torch_module._global_backward_pre_hooks]
        for module in modules:
            self._hooks += [module._forward_hooks, module._forward_pre_hooks]
            self._backward_hooks += [module._backward_hooks, module._backward_pre_hooks]

    def _must_call_modules(self) -> bool:
        """Where gradients are taken, something is told of each call, or torch.compile looks on."""
        return torch.is_grad_enabled() or self._is_watched()

    def _is_watched(self) -> bool:
        """Where something is told of each call, or torch.compile looks on."""
        return torch.compiler.is_compiling() or any(self._hooks)
