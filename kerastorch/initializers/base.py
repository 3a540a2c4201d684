"""`Initializer`, and what all initializers share: shapes, dtypes, seeds."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from kerastorch import registry
from kerastorch.config import torch_dtype

__all__ = [
    "TRUNCATED_STDDEV",
    "Fill",
    "Initializer",
    "Shape",
    "as_seed",
    "as_shape",
    "default_device",
    "drawn",
    "float_dtype",
    "shapes_of",
    "truncated",
]

Shape = int | Sequence[int]
Fill = Callable[[torch.Tensor, torch.Generator | None], torch.Tensor]

# The standard deviation of a standard normal cut off at two standard deviations.
TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(registry.Configurable):
    """The base of all initializers. A subclass writes `__call__(shape, dtype=None, **kwargs)`, which returns a tensor.

    Keras: tf.keras.initializers.Initializer.
    """

    def __init__(self) -> None:  # so that Python refuses arguments
        super().__init__()

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of `shape`, of `dtype` (default: floatx), on torch's default device.

        `partition_shape` is the shape of the part to make where `shape` is that of the whole weight.
        """
        raise NotImplementedError(f"{type(self).__name__}: an initializer must implement __call__(shape, dtype=None).")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """An initializer made from what `get_config` returned; the 'dtype' that TensorFlow 1 wrote is passed over."""
        return cls(**{key: value for key, value in config.items() if key != "dtype"})


def shapes_of(owner: Initializer, shape: Shape, kwargs: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The whole weight's shape, and the shape of the tensor to make."""
    unknown = set(kwargs) - {"partition_shape", "partition_offset", "layout"}
    if unknown:
        raise TypeError(f"{type(owner).__name__}: unknown keyword arguments {sorted(unknown)}.")
    part = kwargs.get("partition_shape")
    whole = as_shape(owner, shape)
    return whole, whole if part is None else as_shape(owner, part)


def as_shape(owner: Initializer, shape: Shape) -> tuple[int, ...]:
    """A shape as a tuple of ints; ValueError, naming the owner, where it is none."""
    try:
        return tuple(operator.index(n) for n in (shape if hasattr(shape, "__iter__") else (shape,)))
    except TypeError:
        raise ValueError(f"{type(owner).__name__}: the shape must be known and made of ints, got {shape!r}.") from None


def float_dtype(owner: Initializer, dtype: Any) -> torch.dtype:
    """A floating dtype; ValueError, naming the owner, for another."""
    found = torch_dtype(dtype)
    if not found.is_floating_point:
        raise ValueError(f"{type(owner).__name__}: expected a floating point dtype, got {dtype!r}.")
    return found


def as_seed(owner: Initializer, seed: Any) -> int | None:
    """A seed as an int or None; ValueError, naming the owner, for anything else."""
    if seed is None or (isinstance(seed, (int, float)) and seed == int(seed)):
        return None if seed is None else int(seed)
    try:
        return operator.index(seed)
    except TypeError:
        raise ValueError(f"{type(owner).__name__}: the seed must be an int or None, got {seed!r}.") from None


def default_device() -> torch.device:
    """torch's default device."""
    return torch.empty(0).device


def drawn(shape: tuple[int, ...], dtype: torch.dtype, seed: int | None, fill: Fill) -> torch.Tensor:
    """What `fill` makes of an empty tensor and a generator: torch's own, or with a seed a fresh one.

    A seed gives the same values on every device, so it draws on the CPU.
    """
    device = default_device()
    if device.type == "meta":
        return torch.empty(shape, dtype=dtype, device=device)
    generator = None if seed is None else torch.Generator("cpu").manual_seed(seed % 2**64)
    values = torch.empty(
        shape,
        dtype=torch.float32 if dtype.is_floating_point and dtype != torch.float64 else torch.float64,
        device=device if generator is None else "cpu",
    )
    return fill(values, generator).to(device, dtype)


def truncated(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Draws of the standard normal distribution, cut off at two standard deviations."""
    return nn.init.trunc_normal_(values, 0.0, 1.0, -2.0, 2.0, generator=generator)
