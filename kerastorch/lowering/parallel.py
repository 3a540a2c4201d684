"""Linear maps of one and the same input as one matrix product, where no gradients are taken.

A MultiHeadAttention has a kernel for each of query, key and value, as Keras does; torch's own has one for all three. The
weights stay the parameters that they are, but lie behind one another in memory, as cuDNN has them of recurrent networks.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from kerastorch.lowering.stand_in import StandIn

__all__ = ["ParallelLinear", "join_parallel"]

_LARGE = 2**22
"""Elements of a weight from which on one product gains nothing over several."""
_PLACEMENTS = 16
"""How often weights are laid out anew; whoever moves them more often does not want them where they are put."""


def join_parallel(graph: fx.Graph, modules: dict[str, nn.Module]) -> dict[str, ParallelLinear]:
    """Replaces, in the graph, the nn.Linear calls on one input by a call of a `ParallelLinear`; returns these by target."""
    by_input: dict[tuple[Any, bool], list[fx.Node]] = {}
    for node in graph.nodes:
        linear = modules.get(node.target) if node.op == "call_module" else None
        if type(linear) is nn.Linear and len(node.args) == 1 and not node.kwargs and linear.weight.numel() < _LARGE:
            by_input.setdefault((node.args[0], linear.bias is not None), []).append(node)
    made: dict[str, ParallelLinear] = {}
    groups: dict[tuple[Any, ...], str] = {}
    for nodes in by_input.values():
        targets = tuple(node.target for node in nodes)
        if targets not in groups:
            elsewhere = {target for group in groups for target in group}
            if len(nodes) < 2 or len(set(targets)) < len(targets) or not elsewhere.isdisjoint(targets):
                continue  # a linear map can lie behind others in one group only
            name = f"joined_{len(groups)}"
            while name in modules:
                name += "_"
            groups[targets], made[name] = name, ParallelLinear([modules[target] for target in targets])
        with graph.inserting_before(nodes[0]):
            joined = graph.create_node("call_module", groups[targets], nodes[0].args)  # as another group left them
            for i, node in enumerate(nodes):
                node.replace_all_uses_with(graph.call_function(operator.getitem, (joined, i)))
        for node in nodes:
            graph.erase_node(node)
    return made


class ParallelLinear(StandIn):
    """`[linear(x) for linear in linears]`."""

    def __init__(self, linears: list[nn.Module]) -> None:
        super().__init__(linears)
        self.linears = linears
        self.sizes = [linear.out_features for linear in linears]
        # A part of the joined output starts where the others end: CUDA's attention takes none that lies across 16 bytes.
        self.is_aligned = all(size % 8 == 0 for size in self.sizes)
        keys = ("weight",) if linears[0].bias is None else ("weight", "bias")
        self.held = [(linear._parameters, key) for key in keys for linear in linears]
        self.placements = 0
        # Where the weights lay, and what they then were together: set at once, as threads may share a model.
        self.placed: tuple[list[int], tuple[torch.Tensor, ...] | None] = ([], None)

    def __call__(self, x: torch.Tensor) -> Any:
        """(..., in) -> the outputs, (..., out) each."""
        if self._must_call_modules() or not (self.is_aligned or x.is_cpu):
            return [linear(x) for linear in self.linears]
        places, joined = self.placed
        try:
            if [held[key].data_ptr() for held, key in self.held] != places:
                joined = self._place()
        except (KeyError, AttributeError, RuntimeError):  # parametrized, or without its bias, since; or fake
            joined = None
        if joined is None:
            return [linear(x) for linear in self.linears]
        return F.linear(x, *joined).split_with_sizes(self.sizes, -1)

    @torch.inference_mode(False)
    @torch.no_grad()
    def _place(self) -> tuple[torch.Tensor, ...] | None:
        """Puts the weights behind one another, unless they lie so, or are no plain ones, or part of something else's memory."""
        weights, count = [held[key] for held, key in self.held], len(self.linears)
        if type(torch.empty(0)) is not torch.Tensor:
            return None  # where tensors are fake, on which shapes are found, nothing may move
        joined: Any = tuple(_lying_together(weights[i : i + count]) for i in range(0, len(weights), count))
        if any(x is None for x in joined):
            joined = None
            if self.placements < _PLACEMENTS and _are_alike(weights) and self._may_move(weights):
                self.placements += 1
                joined = tuple(torch.cat(weights[i : i + count]) for i in range(0, len(weights), count))
                pieces = [piece for tensor in joined for piece in tensor.split(self.sizes)]
                for weight, piece in zip(weights, pieces, strict=True):
                    weight.data = piece
                weights = pieces
        self.placed = [weight.data_ptr() for weight in weights], joined
        return joined

    def _may_move(self, weights: list[torch.Tensor]) -> bool:
        """Whether each has its memory to itself, or lies where it was put; or has, by itself, a copy of all of that: so
        pickle writes it."""
        own = {x.untyped_storage().data_ptr() for x in self.placed[1] or ()}
        seen, count = set(), len(self.linears)
        for i, weight in enumerate(weights):
            storage = weight.untyped_storage()
            if storage.data_ptr() in own:
                continue
            together = sum(x.nbytes for x in weights[i // count * count :][:count])
            fits = storage.nbytes() in (weight.nbytes, together) and storage.data_ptr() not in seen
            if not fits or (weight.is_cpu and weight.is_shared()):
                return False
            seen.add(storage.data_ptr())
        return True


def _lying_together(weights: list[torch.Tensor]) -> torch.Tensor | None:
    """All of them as one tensor, where they lie behind one another in memory."""
    first = weights[0]
    place, storage = first.storage_offset(), first.untyped_storage().data_ptr()
    for weight in weights:
        lies = weight.untyped_storage().data_ptr(), weight.storage_offset()
        if not weight.is_contiguous() or lies != (storage, place):
            return None
        place += weight.numel()
    return first.as_strided((sum(len(weight) for weight in weights), *first.shape[1:]), first.stride())


def _are_alike(weights: list[torch.Tensor]) -> bool:
    """Whether these are different plain parameters, with the same kind of memory."""
    plain = all(type(x) is nn.Parameter and not x.is_inference() and x.device.type in ("cpu", "cuda") for x in weights)
    return plain and len({(x.device, x.dtype) for x in weights}) == 1 and len(set(map(id, weights))) == len(weights)
