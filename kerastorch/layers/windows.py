"""What layers with spatial axes share: windows, paddings, data formats, the way to torch's layout and back."""

from __future__ import annotations

import inspect
import operator
import types
from collections.abc import Callable, Sequence
from typing import Any

import torch

from kerastorch.config import image_data_format
from kerastorch.layers.base import Layer

__all__ = ["SpatialLayer", "output_length", "same_padding", "with_defaults"]

Shape = tuple[int | None, ...]
Pairs = tuple[tuple[int, int], ...]


def with_defaults(init: Callable[..., None], **defaults: Any) -> Any:
    """The same `__init__` with other defaults: a variant states only what differs, and its signature is true."""
    values = [
        defaults.pop(p.name, p.default)
        for p in inspect.signature(init).parameters.values()
        if p.kind is p.POSITIONAL_OR_KEYWORD and (p.name in defaults or p.default is not p.empty)
    ]
    if defaults:
        raise TypeError(f"{init.__qualname__} has no parameters {sorted(defaults)}.")
    made = types.FunctionType(init.__code__, init.__globals__, "__init__", tuple(values), init.__closure__)  # type: ignore[attr-defined]
    made.__kwdefaults__, made.__annotations__ = init.__kwdefaults__, init.__annotations__  # type: ignore[attr-defined]
    made.__doc__, made.__module__, made.__qualname__ = init.__doc__, init.__module__, init.__qualname__
    return made


def output_length(size: int | None, window: int, padding: str, stride: int, dilation: int = 1) -> int | None:
    """How many windows fit; None where the size is unknown."""
    if size is None:
        return None
    if padding == "valid":
        size -= dilation * (window - 1)
    return (size + stride - 1) // stride


def same_padding(size: int | None, window: int, stride: int, dilation: int = 1) -> tuple[int, int] | None:
    """The zeros before and after for ceil(size / stride) windows, as TensorFlow counts them; None where it depends on a
    size that is unknown."""
    reach = dilation * (window - 1) + 1
    if stride == 1:
        total = reach - 1
    elif size is None:
        return None if reach > 1 else (0, 0)
    else:
        total = max(((size + stride - 1) // stride - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


class SpatialLayer(Layer):
    """The base of layers on (batch, *sizes, channels), or (batch, channels, *sizes) where `channels_first`.

    rank: how many sizes. data_format: 'channels_last' or 'channels_first'.
    """

    rank: int
    data_format: str = "channels_last"

    # Arguments

    def _complain(self, name: str, value: Any, expected: str) -> ValueError:
        return ValueError(f"{type(self).__name__} '{self.name}': {name} must be {expected}, got {name}={value!r}.")

    def _ints(self, name: str, value: Any, minimum: int = 1, n: int | None = None) -> tuple[int, ...]:
        """`value` as a tuple of one int per spatial axis (or of `n`); ValueError where it is none or too small."""
        n = self.rank if n is None else n
        expected = f"an integer or {n} integers, of at least {minimum}"
        values = list(value) if hasattr(value, "__len__") and not isinstance(value, str) else [value] * n
        if len(values) != n:
            raise self._complain(name, value, expected)
        try:
            numbers = tuple(int(v) if isinstance(v, float) and v.is_integer() else operator.index(v) for v in values)
        except TypeError:
            raise self._complain(name, value, expected) from None
        if min(numbers) < minimum:
            raise self._complain(name, value, expected)
        return numbers

    def _pairs(self, name: str, value: Any) -> Pairs:
        """`value` as (before, after) for each spatial axis: from one int, an int per axis, or a pair per axis."""
        values = list(value) if hasattr(value, "__len__") and not isinstance(value, str) else [value] * self.rank
        if len(values) != self.rank:
            raise self._complain(name, value, f"an integer, {self.rank} integers, or {self.rank} pairs of integers")
        return tuple(self._ints(name, v, 0, 2) for v in values)  # type: ignore[misc]

    def _choice(self, name: str, value: Any, choices: Sequence[str]) -> str:
        if not isinstance(value, str) or value.lower() not in choices:
            raise self._complain(name, value, f"one of {', '.join(map(repr, choices))}")
        return value.lower()

    def _format(self, value: str | None) -> str:
        """A data format; None is the default one."""
        return self._choice(
            "data_format", image_data_format() if value is None else value, ("channels_last", "channels_first")
        )

    # Shapes

    @property
    def _channel_axis(self) -> int:
        """Counted from the end, so that it holds for any number of batch axes."""
        return -1 if self.data_format == "channels_last" else -1 - self.rank

    def _sizes(self, shape: Sequence[int | None]) -> Shape:
        """The spatial sizes in a shape."""
        return tuple(shape[-1 - self.rank : -1]) if self.data_format == "channels_last" else tuple(shape[-self.rank :])

    def _shape(self, shape: Sequence[int | None], sizes: Sequence[int | None], channels: int | None = None) -> Shape:
        """`shape` with other spatial sizes, and other channels if given; ValueError where a size is not positive."""
        if any(n is not None and n <= 0 for n in sizes):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': one of the dimensions in the output is <= 0: an input of shape "
                f"{tuple(shape)} would give sizes {tuple(sizes)}. Use larger inputs, or smaller windows or strides."
            )
        channels = shape[self._channel_axis] if channels is None else channels
        batch = tuple(shape[: -1 - self.rank])
        return (*batch, *sizes, channels) if self.data_format == "channels_last" else (*batch, channels, *sizes)

    def _settle(self, shape: Sequence[int | None]) -> None:
        """Hears of the shape of each call, where what the layer does depends on it."""

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """A KerasTensor of the output's shape and dtype."""
        self._settle((args[0] if args else kwargs["inputs"]).shape)
        return super().compute_output_spec(*args, **kwargs)

    def _settle_eagerly(self, inputs: Any) -> None:
        if isinstance(inputs, torch.Tensor):
            self._settle(inputs.shape)

    # Data

    def _to_torch(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, channels) -> (batch, channels, *sizes)."""
        return x.permute(0, self.rank + 1, *range(1, self.rank + 1)) if self.data_format == "channels_last" else x

    def _to_keras(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, *sizes) -> (batch, *sizes, channels)."""
        return x.permute(0, *range(2, self.rank + 2), 1) if self.data_format == "channels_last" else x
