"""Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch

from kerastorch.config import image_data_format
from kerastorch.layers.arguments import whole
from kerastorch.layers.base import Layer
from kerastorch.layers.input_spec import InputSpec

__all__ = ["Flatten", "Permute", "RepeatVector", "Reshape"]


class Flatten(Layer):
    """All axes but the first as one.

    Shapes: (batch, ...) -> (batch, product of the others); (batch,) -> (batch, 1).
    data_format: 'channels_first' inputs are brought to channels-last order before.
    Raises ValueError for an unknown data_format. Keras: tf.keras.layers.Flatten; torch: Tensor.flatten.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format_argument(self, data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Notes the rank."""
        self._rank = len(input_shape)
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, ...) -> (batch, product of the others)."""
        if self._rank == 1:
            return inputs.unsqueeze(1)
        if self.data_format == "channels_first" and self._rank > 2:
            inputs = inputs.permute(0, *range(2, self._rank), 1)
        return inputs.flatten(1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, product of the others)."""
        return (input_shape[0], None if None in input_shape[1:] else math.prod(input_shape[1:]))


class Reshape(Layer):
    """The same values in another shape.

    target_shape: without the batch; one size may be -1 (or None), which is then what fits.
    Shapes: (batch, ...) -> (batch, *target_shape).
    Raises ValueError where the sizes do not fit, or more than one is -1. Keras: tf.keras.layers.Reshape; torch:
    Tensor.reshape.
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(-1 if n is None else n for n in _ints(self, "target_shape", target_shape))
        if sum(n < 0 for n in self.target_shape) > 1:
            raise ValueError(
                f"Reshape '{self.name}': There must be at most one unknown dimension (-1), got {self.target_shape}."
            )

    def build(self, input_shape: Any) -> None:
        """Checks that the sizes fit."""
        self.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, ...) -> (batch, *target_shape)."""
        return inputs.reshape(inputs.size(0), *(max(n, -1) for n in self.target_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, *target_shape), with -1 worked out where the input's shape is known."""
        rest = tuple(input_shape[1:])
        if None in rest:
            return (input_shape[0], *(None if n < 0 else n for n in self.target_shape))
        size, known = math.prod(rest), math.prod(n for n in self.target_shape if n >= 0)
        fits = known > 0 and size % known == 0 if min(self.target_shape, default=0) < 0 else size == known
        if not fits:
            raise ValueError(
                f"Reshape '{self.name}': total size of new array must be unchanged, input_shape = {list(rest)}, "
                f"output_shape = {list(self.target_shape)}. Choose a target_shape of {size} values, or give one "
                "size as -1."
            )
        return (input_shape[0], *(size // known if n < 0 else n for n in self.target_shape))


class Permute(Layer):
    """The axes in another order; `dims` counts from 1, the batch stays first.

    Shapes: (batch, d1, ..., dn) -> (batch, d[dims[0]], ...).
    Raises ValueError where dims is no permutation of 1, ..., n. Keras: tf.keras.layers.Permute; torch: Tensor.permute.
    """

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = _ints(self, "dims", dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"Permute '{self.name}': dims must hold each of 1, ..., {len(self.dims)} once (0, the batch, "
                f"stays first), got {dims}."
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs with their axes in the new order."""
        return inputs.permute(0, *self.dims)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The sizes in the new order."""
        return (input_shape[0], *(input_shape[n] for n in self.dims))


class RepeatVector(Layer):
    """Each vector n times, along a new time axis.

    Shapes: (batch, features) -> (batch, n, features).
    Raises TypeError where n is no int, ValueError where it is negative.
    Keras: tf.keras.layers.RepeatVector; torch: Tensor.repeat.
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, int):
            raise TypeError(f"RepeatVector '{self.name}': n must be an integer, got n={n!r} ({type(n).__name__}).")
        whole(self, "n", n, 0)
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, features) -> (batch, n, features)."""
        return inputs.unsqueeze(1).repeat(1, self.n, 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, n, features)."""
        return (input_shape[0], self.n, input_shape[1])


def _ints(layer: Any, name: str, value: Any) -> Any:
    """Several integers, or Nones: floats that are whole are taken, as Keras takes them."""
    given = value if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else None
    if given is None or not all(
        n is None or hasattr(n, "__index__") or (isinstance(n, float) and n.is_integer()) for n in given
    ):
        raise (ValueError if isinstance(value, str) and name == "dims" else TypeError)(
            f"{type(layer).__name__} '{layer.name}': {name} must be several integers, as a tuple or list, got {value!r}."
        )
    return tuple(None if n is None else int(n) for n in given)


def data_format_argument(layer: Any, data_format: Any) -> str:
    """A `data_format` argument, None replaced by the process's; ValueError for an unknown one."""
    value = image_data_format() if data_format is None else str(data_format).lower()
    if value not in ("channels_last", "channels_first"):
        raise ValueError(
            f"{type(layer).__name__} '{layer.name}': data_format must be 'channels_last' or 'channels_first', got "
            f"{data_format!r}."
        )
    return value
