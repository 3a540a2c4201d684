"""Layers without weights that go by the rank of what they are called on."""

from __future__ import annotations

from typing import Any

from torch import fx

from kerastorch.layers.base import Layer

__all__ = ["RankedLayer"]


class RankedLayer(Layer):
    """Its `build` notes which axes are meant; inputs of other ranks than those before are noted anew."""

    _ranks: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As any layer's call."""
        shapes = _shapes(args[0] if args else kwargs.get(self._call_parameters()[0]))
        ranks = _ranks(shapes)
        if ranks is not None and ranks != self._ranks:
            if self.built and self._ranks is not None:
                self.build(shapes)
            self._ranks = ranks
        return super().__call__(*args, **kwargs)


def _shapes(structure: Any) -> Any:
    if isinstance(structure, (list, tuple)):
        return [_shapes(x) for x in structure]
    if isinstance(structure, dict):
        return {key: _shapes(x) for key, x in structure.items()}
    if isinstance(structure, fx.Proxy):
        return structure.__dict__.get("_described", (None,))[0]
    return tuple(structure.shape) if hasattr(structure, "shape") else None


def _ranks(shapes: Any) -> Any:
    """The ranks in the shapes' structure; None where one is not known."""
    if isinstance(shapes, dict):
        found: list[Any] = [(key, _ranks(x)) for key, x in shapes.items()]
        return None if any(rank is None for _, rank in found) else tuple(found)
    if isinstance(shapes, list):
        found = [_ranks(x) for x in shapes]
        return None if any(rank is None for rank in found) else tuple(found)
    return None if shapes is None else len(shapes)
