"""`PreprocessingLayer`: layers that learn their state from data with `adapt`; and what text layers share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import fx

from kerastorch.config import torch_dtype
from kerastorch.graph import KerasTensor
from kerastorch.layers.base import Layer
from kerastorch.nn.encoding import CategoryEncode
from kerastorch.variables import Variable

__all__ = ["PreprocessingLayer"]

OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")


class PreprocessingLayer(Layer):
    """A layer whose state is found by `adapt(data)`, not by training: write `update_state`, `finalize_state` and
    `reset_state`.

    Keras: tf.keras.layers.experimental.preprocessing.PreprocessingLayer.
    """

    is_adapted = False

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Learns the state anew from an array, tensor or list, or from an iterable of batches (at most `steps`)."""
        batches = data_batches(data, batch_size, steps)
        first = True
        for batch in batches:
            batch = self._prepare_batch(batch)
            if first:
                self._adapt_build(batch)
                self.reset_state()
                first = False
            self.update_state(batch)
        if first:
            raise ValueError(f"{type(self).__name__} '{self.name}': adapt got no data; give at least one batch.")
        self.finalize_state()
        self.is_adapted = True

    def _call_eagerly(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        if args and isinstance(args[0], (list, tuple, int, float, str)):
            args = (as_values(args[0]), *args[1:])
        return super()._call_eagerly(args, kwargs)

    def _add_growing(self, name: str, shape: tuple[int, ...], changed: Any = None) -> GrowingVariable:
        """A weight that takes values of any length along its last axis."""
        made = self.add_weight(name, shape, "float32", initializer="zeros", trainable=False)
        growing = GrowingVariable(self, made._attribute, made.name, trainable=False, initializer=made.initializer)
        growing.changed = changed
        self._variables[-1] = growing
        return growing

    def _prepare_batch(self, batch: Any) -> Any:
        return batch

    def _adapt_build(self, batch: Any) -> None:
        if self.built:
            return
        shape = (None, *batch.shape[1:])
        if self._batch_input_shape is None:
            self._batch_input_shape = (None,) * len(shape)
        self.build(shape)
        self.built = True

    def update_state(self, data: Any) -> None:
        """Takes one more batch into account."""
        raise NotImplementedError

    def reset_state(self) -> None:
        """Forgets what `adapt` has learned."""

    def finalize_state(self) -> None:
        """Computes the state from all batches."""

    def compile(self, run_eagerly: Any = None, steps_per_execution: Any = None) -> None:
        """Nothing: there is nothing to configure. Keras: PreprocessingLayer.compile."""


class GrowingVariable(Variable):
    """A buffer as a weight whose last axis takes the length of whatever is assigned; `changed()` is called after
    that.
    """

    __slots__ = ("changed",)
    changed: Any

    def fits(self, shape: Any) -> bool:
        """Whether all axes but the last agree."""
        return len(shape) == self.ndim and tuple(shape[:-1]) == self.shape[:-1]

    def _store(self, value: torch.Tensor) -> None:
        if tuple(value.shape) != self.shape:
            self._module._buffers[self._attribute] = self.tensor.new_empty(value.shape)
        super()._store(value)
        if self.changed is not None:
            self.changed()


def data_batches(data: Any, batch_size: int | None, steps: int | None) -> Iterator[Any]:
    """The batches in what `adapt` may be given."""
    if isinstance(data, (list, tuple)) and data and not hasattr(data[0], "shape"):
        data = np.asarray(data)
    if hasattr(data, "shape") or isinstance(data, (list, tuple)):
        data = data if hasattr(data, "shape") else np.stack([np.asarray(x) for x in data])
        size = batch_size or 32
        batches: Any = (data[i : i + size] for i in range(0, len(data), size))
    elif hasattr(data, "__iter__"):
        batches = (batch[0] if isinstance(batch, tuple) else batch for batch in data)
    elif hasattr(data, "__array__"):
        return data_batches(np.asarray(data), batch_size, steps)  # type: ignore[return-value]
    else:
        raise ValueError(
            f"adapt takes an array, a tensor, a list or an iterable of batches, got {type(data).__name__}."
        )
    for i, batch in enumerate(batches):
        if steps is not None and i >= steps:
            return
        yield batch


class CategoricalLayer(PreprocessingLayer):
    """What the layers share that turn values (strings, numbers) into integers or vectors of counts.

    They run as they are, outside of what is lowered, as torch has no tensors of strings.
    """

    output_mode: str
    sparse: bool

    def _set_output_mode(self, output_mode: str, sparse: bool, allowed: tuple[str, ...]) -> None:
        self.output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
        self.sparse = bool(sparse)
        if self.output_mode not in allowed:
            raise ValueError(f"{type(self).__name__}: output_mode must be one of {allowed}, got {output_mode!r}.")
        if sparse and self.output_mode == "int":
            raise ValueError(
                f"{type(self).__name__}: sparse=True goes with output_mode 'one_hot', 'multi_hot' or 'count', got "
                "'int'."
            )

    @staticmethod
    def _dtype_for(output_mode: str, dtype: Any) -> Any:
        """int64 for indices, whatever float type a config of Keras 3 names; else the type given."""
        if output_mode in ("int", None):
            name = dtype.get("config", {}).get("name") if isinstance(dtype, dict) else dtype
            return name if name is not None and "int" in str(name) else "int64"
        return None if str(dtype) in ("int64", "string") else dtype

    def _depth(self) -> int | None:
        raise NotImplementedError

    def _encode(self, indices: torch.Tensor) -> torch.Tensor:
        """Indices as the output mode wants them."""
        dtype = torch_dtype(self._compute_dtype)
        if self.output_mode == "int":
            return indices.to(dtype)
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        depth = self._depth()
        assert depth is not None
        return CategoryEncode(depth, mode, dtype, self.sparse)(indices)

    @property
    def is_traceable(self) -> bool:
        """Strings cannot be traced."""
        return False

    def _call_eagerly(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        return super()._call_eagerly((as_values(args[0]), *args[1:]) if args else args, kwargs)

    def _cast(self, structure: Any) -> Any:
        return structure

    def _prepare_batch(self, batch: Any) -> Any:
        return as_values(batch)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's for integers, else with the vector's size in the place of the last axis."""
        return encoded_shape(tuple(input_shape), self.output_mode, self._depth())

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """A tensor of the layer's dtype."""
        first = args[0] if args else next(iter(kwargs.values()))
        shape = [tuple(x.shape) for x in first] if isinstance(first, (list, tuple)) else tuple(first.shape)
        return KerasTensor(tuple(self.compute_output_shape(shape)), self.compute_dtype)


def as_array(layer: Layer, x: Any) -> np.ndarray:
    """The values as an array, for what is computed in Python.

    Raises ValueError while a graph of torch functions is drawn, in which that cannot stand.
    """
    if isinstance(x, fx.Proxy):
        raise ValueError(
            f"{type(layer).__name__} '{layer.name}' works on text, which torch has no tensors of. Leave it out of the "
            "model, and give the model what it returns."
        )
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else as_values(x)


def encoded_shape(shape: tuple, output_mode: str, depth: int | None) -> tuple:
    """The shape of integers of the given shape once they are encoded."""
    if output_mode == "int":
        return shape
    if not shape:
        return (depth,)
    return (*shape, depth) if output_mode == "one_hot" and shape[-1] != 1 else (*shape[:-1], depth)


def as_values(x: Any) -> Any:
    """Tensors, and proxies of them, as they are; anything else as a NumPy array, of Python strings where it holds text."""
    if isinstance(x, (torch.Tensor, fx.Proxy)):
        return x
    array = np.asarray(x)
    if array.dtype.kind == "S" or (array.dtype.kind == "O" and any(isinstance(v, bytes) for v in array.flat)):
        decoded = [v.decode("utf-8", "surrogateescape") if isinstance(v, bytes) else v for v in array.ravel().tolist()]
        array = np.array(decoded, dtype=object).reshape(array.shape)
    return array
