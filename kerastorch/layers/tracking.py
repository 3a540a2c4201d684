"""What becomes part of a layer. Layers that a user keeps in lists, tuples and dicts: torch registers modules only, Keras finds
them all."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from kerastorch.config import get_device

__all__ = [
    "NO_PARTS",
    "TrackedDict",
    "TrackedList",
    "layers_in",
    "named_parts",
    "settle",
    "to_default_device",
    "tracked",
]

NO_PARTS = {
    "_modules", "_parameters", "_buffers", "_variables", "_losses", "_stack", "_endpoints", "inbound_nodes", "_constructed_with",
    "_built_for", "_graph", "_tokens", "_table", "_constants",
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks", "_handles",
}  # fmt: skip
"""Attributes of layers that hold what is no part of them, or is one by another attribute."""


def layers_in(structure: Any, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The modules in nested lists, tuples and dicts, each with its place as a key such as `0` or `block_1`; those of dicts in the
    order of their keys, as in tf.keras."""
    if isinstance(structure, nn.Module):
        yield prefix, structure
    elif isinstance(structure, (list, tuple)):
        for i, x in enumerate(structure):
            yield from layers_in(x, f"{prefix}_{i}" if prefix else str(i))
    elif isinstance(structure, dict):
        try:
            keys = sorted(structure)
        except TypeError:  # of several types
            keys = list(structure)
        for key in keys:
            yield from layers_in(structure[key], f"{prefix}_{key}" if prefix else str(key))


def tracked(items: Any) -> Any:
    """What stands for a list or dict that is set on a layer: an nn.ModuleList for a list of modules alone; a `TrackedList` for a
    list with modules in it; that or a `TrackedDict` for an empty one, which may be filled later; else what was given."""
    if isinstance(items, dict):
        return items if items else TrackedDict()
    if items and all(isinstance(x, nn.Module) for x in items):
        return nn.ModuleList(items)
    return TrackedList(items) if not items or any(True for _ in layers_in(items)) else items


def named_parts(name: str, structure: Any) -> Iterator[tuple[str, nn.Module]]:
    """The modules in a tuple, list or dict that is an attribute of that name, each with the name that it has as a child."""
    for key, part in layers_in(structure):
        yield f"{name}_{key}".replace(".", "_"), part


def settle(layer: nn.Module) -> None:
    """Puts what torch.compile knows in the place of each list and dict that was filled: an nn.ModuleList, for modules alone, or a
    plain one, its modules beside it."""
    children = list(layer._modules.items())
    if not any(isinstance(child, _Tracked) and child for _, child in children):
        return
    layer._modules.clear()
    for name, child in children:
        if not isinstance(child, _Tracked) or not child:
            layer._modules[name] = child
        elif isinstance(child, TrackedList) and all(isinstance(x, nn.Module) for x in child):
            layer._modules[name] = nn.ModuleList(child)
        else:
            layer.__dict__[name] = child._kind(child)
            layer._modules.update(named_parts(name, layer.__dict__[name]))


def to_default_device(module: nn.Module) -> None:
    """Puts a torch module that becomes part of a layer onto the GPU, if the layer's weights are made there, as Keras 3 does."""
    device = get_device()
    if device.type not in ("cpu", "meta") and any(x.is_cpu for x in (*module.parameters(), *module.buffers())):
        module._apply(lambda x: x.to(device) if x.is_cpu else x)


class _Tracked(nn.Module):
    """A list or dict that is a module too: the modules in it, also those that come into it later, are its children.

    So a layer's `state_dict` names them as it would those of an nn.ModuleList: `blocks.0.kernel`.
    """

    def __init__(self, items: Iterable[Any] = ()) -> None:
        nn.Module.__init__(self)
        self._kind.__init__(self, items)
        self._register()

    def _register(self) -> None:
        self._modules.clear()
        self._modules.update(layers_in(self._kind(self)))

    def __reduce__(self) -> Any:
        return type(self), (self._kind(self),)

    def __deepcopy__(self, memo: dict) -> Any:
        return type(self)(copy.deepcopy(self._kind(self), memo))

    __hash__ = object.__hash__  # type: ignore[assignment]

    _kind: Any


class TrackedList(list, _Tracked):
    """A list that is a module too."""

    _kind = list
    __init__, __reduce__ = _Tracked.__init__, _Tracked.__reduce__
    __hash__ = _Tracked.__hash__  # type: ignore[assignment]


class TrackedDict(dict, _Tracked):
    """A dict that is a module too, its children in the order of their keys."""

    _kind = dict
    __init__, __reduce__ = _Tracked.__init__, _Tracked.__reduce__
    __hash__ = _Tracked.__hash__  # type: ignore[assignment]


def _registering(kind: type, name: str) -> Any:
    method = getattr(kind, name)

    def changed(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        self._register()
        return result

    return changed


for _kind, _names in (
    (TrackedList, "append extend insert pop remove clear reverse sort __setitem__ __delitem__ __iadd__"),
    (TrackedDict, "pop popitem setdefault update clear __setitem__ __delitem__ __ior__"),
):
    for _name in _names.split():
        setattr(_kind, _name, _registering(_kind._kind, _name))
