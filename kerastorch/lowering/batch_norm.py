"""Batch normalisation at inference, of pictures with their channels last in memory, on the CPU.

torch's kernel takes `x * scale + shift` channel by channel, and is at its best with the channels first. The same numbers
come from one `addcmul`, up to a third faster where the channels lie last, as Keras has them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from kerastorch.lowering.stand_in import StandIn
from kerastorch.nn.normalization import BatchNorm

__all__ = ["InferredBatchNorm", "is_batch_norm", "on_last_axis"]


def is_batch_norm(module: Any) -> bool:
    """Whether this is a batch normalisation of which `InferredBatchNorm` knows what it does."""
    return type(module) in (nn.BatchNorm2d, nn.BatchNorm3d, BatchNorm)


def on_last_axis(graph: fx.Graph, modules: dict[str, nn.Module]) -> dict[str, InferredBatchNorm]:
    """Replaces, in the graph, a batch normalisation for which the channels are moved to the second axis and back by a call
    of an `InferredBatchNorm` that finds them on the last; returns these by target."""
    made: dict[str, InferredBatchNorm] = {}
    for node in list(graph.nodes):
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if not is_batch_norm(module) or len(node.args) != 1 or node.kwargs or len(node.users) != 1:
            continue
        before, after = node.args[0], next(iter(node.users))
        rank = len(before.args) - 1
        to_second, to_last = (0, rank - 1, *range(1, rank - 1)), (0, *range(2, rank), 1)
        moved = (
            before.target == after.target == "permute" and before.args[1:] == to_second and after.args[1:] == to_last
        )
        if not moved or len(before.users) != 1:
            continue
        name = f"{node.target}_on_last_axis"
        while name in modules:
            name += "_"
        made[name] = InferredBatchNorm(module, on_last_axis=True)
        with graph.inserting_before(node):
            after.replace_all_uses_with(graph.create_node("call_module", name, before.args[:1]))
        for unused in (after, node, before):
            graph.erase_node(unused)
    return made


class InferredBatchNorm(StandIn):
    """`module(x)` of a batch normalisation. on_last_axis: the channels are there, in x and in what it returns."""

    def __init__(self, module: Any, on_last_axis: bool = False) -> None:
        super().__init__([module])
        self.module, self._on_last_axis = module, on_last_axis
        self._epsilon = module.eps, torch.tensor(module.eps)

    def _by_module(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if self._on_last_axis:
            return self.module(x.movedim(-1, 1)).movedim(1, -1)
        return self.module(x, *args, **kwargs)

    def __call__(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As the module's."""
        module = self.module
        asks_for_more = args or kwargs or module.training or self._must_call_modules()
        if asks_for_more or not x.is_cpu or x.dim() < 3 or x.stride(-1 if self._on_last_axis else 1) != 1:
            return self._by_module(x, *args, **kwargs)
        try:
            weight, bias = module._parameters["weight"], module._parameters["bias"]
        except KeyError:  # parametrized
            return self._by_module(x)
        mean, variance = module._buffers["running_mean"], module._buffers["running_var"]
        if variance is None or x.dtype is not variance.dtype:
            return self._by_module(x)
        # Small operations, each of which takes as long as a look at an attribute or two; a number takes twice a tensor's time.
        if self._epsilon[0] != module.eps or self._epsilon[1].dtype is not x.dtype:
            self._epsilon = module.eps, torch.tensor(module.eps, dtype=x.dtype)
        scale = torch.rsqrt(variance + self._epsilon[1])
        scale = scale if weight is None else scale.mul_(weight)
        shift = mean * -scale if bias is None else torch.addcmul(bias, mean, scale, value=-1)
        if self._on_last_axis:
            return torch.addcmul(shift, x, scale)
        if x.dim() == 4:
            return torch.addcmul(shift.view(-1, 1, 1), x, scale.view(-1, 1, 1))
        shape = (-1, *(1,) * (x.dim() - 2))
        return torch.addcmul(shift.view(shape), x, scale.view(shape))
