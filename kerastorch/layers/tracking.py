"""Layers that a user keeps in lists, tuples and dicts: torch registers modules only, Keras finds them all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

__all__ = ["TrackedList", "layers_in"]


def layers_in(structure: Any, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The modules in nested lists, tuples and dicts, each with its place as a key such as `0` or `block.1`."""
    if isinstance(structure, nn.Module):
        yield prefix, structure
    elif isinstance(structure, (list, tuple)):
        for i, x in enumerate(structure):
            yield from layers_in(x, f"{prefix}.{i}" if prefix else str(i))
    elif isinstance(structure, dict):
        for key, x in structure.items():
            yield from layers_in(x, f"{prefix}.{key}" if prefix else str(key))


class TrackedList(list):
    """A list whose modules are registered with the layer that holds it, also those appended later.

    They appear in the layer's `state_dict` as those of an nn.ModuleList would: `blocks.0.kernel`.
    """

    def __init__(self, owner: nn.Module, name: str, items: list[Any]) -> None:
        super().__init__(items)
        self._owner, self._name = owner, name
        self._register()

    def _register(self) -> None:
        found = dict(layers_in(self))
        if not found:
            self._owner._modules.pop(self._name, None)
            return
        container = nn.Module()
        for key, module in found.items():
            container.add_module(key.replace(".", "_"), module)
        self._owner._modules[self._name] = container

    def __deepcopy__(self, memo: dict) -> TrackedList:
        import copy

        # The owner's copy gets its modules by itself, perhaps after this list.
        return _restore(copy.deepcopy(self._owner, memo), self._name, [copy.deepcopy(x, memo) for x in self])

    def __reduce__(self) -> Any:
        return (_restore, (self._owner, self._name, list(self)))


def _restore(owner: nn.Module, name: str, items: list[Any]) -> TrackedList:
    restored = TrackedList.__new__(TrackedList)
    list.__init__(restored, items)
    restored._owner, restored._name = owner, name
    return restored


def _registering(name: str) -> Any:
    method = getattr(list, name)

    def changed(self: TrackedList, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        self._register()
        return result

    return changed


for _name in ("append", "extend", "insert", "pop", "remove", "clear", "__setitem__", "__delitem__", "__iadd__"):
    setattr(TrackedList, _name, _registering(_name))
