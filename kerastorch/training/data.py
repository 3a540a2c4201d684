"""Whatever a user passes as data, as batches: arrays, tensors, lists and dicts of them, generators, torch's data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

__all__ = ["array_batches", "input_batches", "length_of"]


def _leaves(structure: Any) -> list[Any]:
    if isinstance(structure, (list, tuple)) and any(
        hasattr(x, "shape") or isinstance(x, (list, tuple, dict)) for x in structure
    ):
        return [leaf for x in structure for leaf in _leaves(x)]
    if isinstance(structure, Mapping):
        return [leaf for x in structure.values() for leaf in _leaves(x)]
    return [structure]


def _map(function: Callable[[Any], Any], structure: Any) -> Any:
    if isinstance(structure, (list, tuple)):
        return type(structure)(_map(function, x) for x in structure)
    if isinstance(structure, Mapping):
        return {key: _map(function, x) for key, x in structure.items()}
    return function(structure)


def length_of(x: Any) -> int:
    """The number of samples in a structure of arrays; ValueError where the arrays disagree."""
    lengths = [len(leaf) for leaf in _leaves(x)]
    if len(set(lengths)) != 1:
        raise ValueError(
            f"Data cardinality is ambiguous: the inputs have {lengths} samples. All must have the same number."
        )
    return lengths[0]


def array_batches(x: Any, batch_size: int) -> Iterator[Any]:
    """Slices of `batch_size` samples of each array in the structure; the last may be shorter."""
    for start in range(0, length_of(x), batch_size):
        yield _map(lambda leaf, start=start: leaf[start : start + batch_size], x)


def input_batches(x: Any, batch_size: int | None, steps: int | None, inputs: int) -> tuple[Iterator[Any], int | None]:
    """Batches of model inputs, and how many there will be (None where that is not known).

    inputs: how many inputs the model has, to tell them from targets in a DataLoader's batches. A torch Dataset holds samples,
    what else is read by index (a Keras Sequence) batches.
    """
    if isinstance(x, Dataset):
        x = DataLoader(x, batch_size or 32)
    if isinstance(x, DataLoader):
        batches = (_inputs_of_loaded(batch, inputs) for batch in x)
        count = len(x) if hasattr(x.dataset, "__len__") else None
    elif hasattr(x, "__next__") or callable(x):
        generator = x() if callable(x) and not hasattr(x, "__next__") else x
        batches, count = (_inputs_of_generated(batch) for batch in generator), None
    elif (
        hasattr(x, "__getitem__")
        and hasattr(x, "__len__")
        and not isinstance(x, (list, tuple, Mapping))
        and not hasattr(x, "shape")
    ):
        batches, count = (_inputs_of_generated(x[i]) for i in range(len(x))), len(x)
    else:
        x = _map(lambda leaf: leaf if isinstance(leaf, torch.Tensor) else _array(leaf), _lists_as_arrays(x, inputs))
        size = batch_size or 32
        batches, count = array_batches(x, size), -(-length_of(x) // size)  # type: ignore[assignment]
    if steps is not None:
        return _first(batches, steps), steps if count is None else min(steps, count)
    return batches, count


def _array(leaf: Any) -> np.ndarray:
    array = np.asarray(leaf)
    if array.dtype.kind == "O" and not all(isinstance(value, (str, bytes)) for value in array.flat):
        raise ValueError(
            f"Failed to convert a {type(leaf).__name__} to a tensor: its rows differ in length or hold no numbers."
        )
    if not array.ndim:
        raise ValueError(f"Expected arrays whose first axis counts the samples, got {leaf!r:.200}.")
    return array


def _lists_as_arrays(x: Any, inputs: int) -> Any:
    """Nested lists of numbers become one array; a list of arrays stays a list of inputs."""
    if not isinstance(x, (list, tuple)) or any(hasattr(leaf, "shape") for leaf in x):
        return x
    return [np.asarray(leaf) for leaf in x] if inputs > 1 and len(x) == inputs else np.asarray(x)


def _inputs_of_loaded(batch: Any, inputs: int) -> Any:
    if not isinstance(batch, (list, tuple)):
        return batch
    if len(batch) == inputs:
        return list(batch) if inputs > 1 else batch[0]
    return batch[0]


def _inputs_of_generated(batch: Any) -> Any:
    """A tuple is (inputs, targets, weights), as Keras has it; anything else is the inputs."""
    return batch[0] if isinstance(batch, tuple) else batch


def _first(batches: Iterator[Any], steps: int) -> Iterator[Any]:
    for _, batch in zip(range(steps), batches, strict=False):
        yield batch
