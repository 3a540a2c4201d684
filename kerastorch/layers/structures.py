"""Nested lists, tuples and dicts of tensors and of shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx
from torch.utils import _pytree as pytree

from kerastorch.graph import KerasTensor, by_key

__all__ = ["leaves_by_key", "on_device", "parts_like", "real_tensors", "shape_map", "shape_of", "tracer_in"]


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


def on_device(structure: Any, device: torch.device) -> Any:
    """The structure with its tensors, and their masks, on the device; of the meta device nothing is moved."""
    if isinstance(structure, torch.Tensor):
        if structure.device == device or "meta" in (structure.device.type, device.type):
            return structure
        moved = structure.to(device)
        if (mask := getattr(structure, "_keras_mask", None)) is not None:
            moved._keras_mask = on_device(mask, device)  # type: ignore[attr-defined]
        return moved
    if isinstance(structure, (list, tuple)) and not hasattr(structure, "_fields"):
        return type(structure)(on_device(x, device) for x in structure)
    if isinstance(structure, dict):
        return {key: on_device(x, device) for key, x in structure.items()}
    return structure


def tracer_in(structure: Any) -> Any:
    """The tracer of the torch.fx proxies in a structure, or None where there are none."""
    if isinstance(structure, fx.Proxy):
        return structure.tracer
    if isinstance(structure, (list, tuple)):
        return next((t for t in map(tracer_in, structure) if t is not None), None)
    return tracer_in(list(structure.values())) if isinstance(structure, dict) else None


def leaves_by_key(structure: Any) -> list[Any]:
    """What stands in nested lists, tuples and dicts, in order; the values of a dict by its keys."""
    if isinstance(structure, (list, tuple)):
        return [leaf for x in structure for leaf in leaves_by_key(x)]
    if isinstance(structure, dict):
        return [leaf for key in by_key(structure) for leaf in leaves_by_key(structure[key])]
    return [structure]


def parts_like(symbols: Any, values: Any) -> list[Any]:
    """The values in the places of the symbols of a layer's output structure."""
    if isinstance(symbols, KerasTensor):
        return [values]
    if isinstance(symbols, dict):
        return [part for key in by_key(symbols) for part in parts_like(symbols[key], values[key])]
    if isinstance(symbols, (list, tuple)):
        return [part for s, v in zip(symbols, values, strict=True) for part in parts_like(s, v)]
    return []
