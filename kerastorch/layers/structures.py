"""Nested lists, tuples and dicts of tensors and of shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx
from torch.utils import _pytree as pytree

__all__ = ["real_tensors", "shape_map", "shape_of", "tracer_in"]


def shape_of(structure: Any) -> Any:
    """The shapes of the tensors in a structure, in that structure; other values are left out of lists."""
    if isinstance(structure, (list, tuple)):
        shapes = [shape_of(x) for x in structure]
        return [shape for shape in shapes if shape is not None]
    if isinstance(structure, dict):
        return {key: shape_of(x) for key, x in structure.items()}
    return tuple(structure.shape) if hasattr(structure, "shape") else None


def shape_map(function: Callable[[tuple], Any], shapes: Any) -> Any:
    """`function(shape)` for each shape in nested lists and dicts of shapes."""
    if isinstance(shapes, dict):
        return {key: shape_map(function, value) for key, value in shapes.items()}
    if all(isinstance(n, (int, np.integer)) or n is None for n in shapes):
        return function(tuple(shapes))
    return type(shapes)(shape_map(function, shape) for shape in shapes)


def real_tensors(structure: Any) -> list[torch.Tensor]:
    """The tensors in a structure, in order."""
    if isinstance(structure, torch.Tensor):
        return [structure]
    return [x for x in pytree.tree_leaves(structure) if isinstance(x, torch.Tensor)]


def tracer_in(structure: Any) -> Any:
    """The tracer of the torch.fx proxies in a structure, or None where there are none."""
    if isinstance(structure, fx.Proxy):
        return structure.tracer
    if isinstance(structure, (list, tuple)):
        return next((t for t in map(tracer_in, structure) if t is not None), None)
    return tracer_in(list(structure.values())) if isinstance(structure, dict) else None
