"""What becomes part of a layer. Layers that a user keeps in lists, tuples and dicts: torch registers modules only, Keras finds
them all."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from kerastorch.config import get_device

__all__ = ["TrackedList", "layers_in", "settle", "to_default_device", "tracked"]


def layers_in(structure: Any, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The modules in nested lists, tuples and dicts, each with its place as a key such as `0` or `block_1`."""
    if isinstance(structure, nn.Module):
        yield prefix, structure
    elif isinstance(structure, (list, tuple)):
        for i, x in enumerate(structure):
            yield from layers_in(x, f"{prefix}_{i}" if prefix else str(i))
    elif isinstance(structure, dict):
        for key, x in structure.items():
            yield from layers_in(x, f"{prefix}_{key}" if prefix else str(key))


def tracked(items: list[Any]) -> Any:
    """What stands for a list that is set on a layer: an nn.ModuleList for modules alone; a `TrackedList` for a list with
    modules in it, and for an empty one, which may be filled later; else the list itself."""
    if items and all(isinstance(x, nn.Module) for x in items):
        return nn.ModuleList(items)
    return TrackedList(items) if not items or any(True for _ in layers_in(items)) else items


def settle(layer: nn.Module) -> None:
    """Puts an nn.ModuleList, which torch.compile knows, in the place of each list that was filled with modules alone."""
    for name, child in layer._modules.items():
        if isinstance(child, TrackedList) and child and all(isinstance(x, nn.Module) for x in child):
            layer._modules[name] = nn.ModuleList(child)


def to_default_device(module: nn.Module) -> None:
    """Puts a torch module that becomes part of a layer onto the GPU, if the layer's weights are made there, as Keras 3 does."""
    device = get_device()
    if device.type not in ("cpu", "meta") and any(x.is_cpu for x in (*module.parameters(), *module.buffers())):
        module._apply(lambda x: x.to(device) if x.is_cpu else x)


class TrackedList(list, nn.Module):
    """A list that is a module too: the modules in it, also those appended later, are its children.

    So a layer's `state_dict` names them as it would those of an nn.ModuleList: `blocks.0.kernel`.
    """

    def __init__(self, items: Iterable[Any] = ()) -> None:
        nn.Module.__init__(self)
        list.__init__(self, items)
        self._register()

    def _register(self) -> None:
        self._modules.clear()
        self._modules.update(layers_in(list(self)))

    def __reduce__(self) -> Any:
        return TrackedList, (list(self),)

    def __deepcopy__(self, memo: dict) -> TrackedList:
        return TrackedList(copy.deepcopy(x, memo) for x in self)

    __hash__ = object.__hash__  # type: ignore[assignment]


def _registering(name: str) -> Any:
    method = getattr(list, name)

    def changed(self: TrackedList, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        self._register()
        return result

    return changed


for _name in "append extend insert pop remove clear reverse sort __setitem__ __delitem__ __iadd__".split():
    setattr(TrackedList, _name, _registering(_name))
