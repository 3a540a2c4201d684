"""Inputs for a model, made from a seed: numbers, and, where they go into an Embedding, numbers that it knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kerastorch.graph import KerasTensor, tensors_in

__all__ = ["sample_inputs"]

_SIZES = (8, 32, 128, 1024, 16384)
"""What open axes may have to be for a model to run, tried one after the other."""


def sample_inputs(model: Any, batch: int = 2, seed: int = 0) -> list[np.ndarray]:
    """An array for each of a drawn model's inputs, in order, with which the model runs. Open axes are as short as may be.

    Raises ValueError for a model that is not drawn between Inputs, that takes strings, or that runs with none.
    """
    if not hasattr(model, "_graph"):
        raise ValueError(f"Model '{model.name}' is not drawn between Inputs, so what it takes is not known.")
    if any(x.dtype == "string" for x in model.inputs):
        raise ValueError(f"Model '{model.name}' takes strings, of which no samples are made.")
    limits = _limits(model)
    is_open = any(None in x.shape[1:] for x in model.inputs)
    error: Exception | None = None
    for size in _SIZES if is_open else _SIZES[:1]:
        rng = np.random.default_rng(seed)
        arrays = [_array(x, limits.get(i), batch, size, rng) for i, x in enumerate(model.inputs)]
        try:
            with torch.no_grad():
                model([torch.as_tensor(array, device=_device(model)) for array in arrays])
        except (RuntimeError, ValueError, IndexError) as failed:
            error = failed
            continue
        return arrays
    raise ValueError(f"Model '{model.name}' does not run with sample inputs: {error}") from error


def _device(model: Any) -> torch.device:
    return next((v.device for v in model.weights), torch.device("cpu"))


def _array(x: KerasTensor, limit: int | None, batch: int, size: int, rng: np.random.Generator) -> np.ndarray:
    shape = (x.shape[0] or batch, *(size if n is None else n for n in x.shape[1:]))
    dtype = "float32" if x.dtype == "bfloat16" else x.dtype
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if limit is not None:
        return rng.integers(1, max(limit, 2), shape).astype(dtype)
    if "int" in dtype:
        return rng.integers(0, 4, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def _limits(model: Any) -> dict[int, int]:
    """How many tokens the Embeddings know that an input goes into, by the number of the input."""
    found: dict[int, int] = {}
    numbers = {id(x): {i} for i, x in enumerate(model.inputs)}
    for node in model._graph.nodes:
        if node.is_input:
            continue
        origins = [numbers.get(id(x), set()) for x in node.inputs]
        layer = getattr(node.layer, "layer", node.layer)
        if hasattr(layer, "_graph"):
            for i, limit in _limits(layer).items():
                for number in origins[i] if i < len(origins) else ():
                    found[number] = min(found.get(number, limit), limit)
        elif type(layer).__name__ == "Embedding":
            for number in origins[0]:
                found[number] = min(found.get(number, layer.input_dim), layer.input_dim)
        elif not node.layer.weights:
            # What has no weights hands tokens on: a Reshape, a mask, a part.
            together = set().union(*origins)
            numbers.update({id(x): together for x in tensors_in(node.outputs)})
    return found
