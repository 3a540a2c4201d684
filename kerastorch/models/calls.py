"""A drawn graph as a flat list of calls, for copies and pickles: its links run deeper than Python's recursion limit."""

from __future__ import annotations

from typing import Any

from torch.utils import _pytree as pytree

from kerastorch.graph import KerasTensor, Node, map_tensors, tensors_in

__all__ = ["as_calls", "from_calls"]


def as_calls(nodes: list[Node], ends: Any) -> tuple[list[tuple], Any]:
    """The calls that the nodes stand for, in order, and a structure of the graph's tensors by their numbers."""
    ids: dict[int, int] = {}
    calls = []
    for node in nodes:
        args, kwargs = map_tensors(lambda x: _Reference(ids[id(x)]), (node.args, node.kwargs))
        for x in tensors_in(node.outputs):
            ids[id(x)] = len(ids)
        calls.append((node.layer, args, kwargs, map_tensors(_Symbol, node.outputs)))
    return calls, map_tensors(lambda x: _Reference(ids[id(x)]), ends)


def from_calls(calls: list[tuple], ends: Any) -> Any:
    """Makes the calls anew; returns the structure of tensors."""
    symbols: list[KerasTensor] = []

    def resolve(structure: Any) -> Any:
        return pytree.tree_map(lambda x: symbols[x.index] if isinstance(x, _Reference) else x, structure)

    for layer, args, kwargs, outputs in calls:
        outputs = pytree.tree_map(lambda x: x.symbol() if isinstance(x, _Symbol) else x, outputs)
        Node(layer, resolve(args), resolve(kwargs), outputs)
        symbols.extend(tensors_in(outputs))
    return resolve(ends)


class _Reference:
    """Stands for a KerasTensor: its number."""

    def __init__(self, index: int) -> None:
        self.index = index


class _Symbol:
    """A KerasTensor without its links."""

    def __init__(self, x: KerasTensor) -> None:
        self.shape, self.dtype, self.name, self.numbers = x.shape, x.dtype, x.name, x.numbers

    def symbol(self) -> KerasTensor:
        """The KerasTensor, its links still to be made."""
        made = KerasTensor(self.shape, self.dtype, self.name)
        made.numbers = self.numbers
        return made
