"""Initializers that draw every value alone: constants and distributions, scaled by the weight's shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from kerastorch.arrays import tensor_of
from kerastorch.config import torch_dtype
from kerastorch.initializers.base import (
    TRUNCATED_STDDEV,
    Initializer,
    Shape,
    as_seed,
    default_device,
    drawn,
    float_dtype,
    shapes_of,
    truncated,
)

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
]


class Zeros(Initializer):
    """All zeros. Keras: tf.keras.initializers.Zeros."""

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of zeros, of any dtype; see `Initializer.__call__`."""
        return torch.zeros(shapes_of(self, shape, kwargs)[1], dtype=torch_dtype(dtype))


class Ones(Initializer):
    """All ones. Keras: tf.keras.initializers.Ones."""

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of ones, of any dtype; see `Initializer.__call__`."""
        return torch.ones(shapes_of(self, shape, kwargs)[1], dtype=torch_dtype(dtype))


class Constant(Initializer):
    """`value` everywhere; an array is reshaped where it has as many elements as the weight, else broadcast.

    Keras: tf.keras.initializers.Constant.
    """

    def __init__(self, value: Any = 0) -> None:
        self.value = value

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of the value, of any dtype; ValueError where the value doesn't fit the shape."""
        shape = shapes_of(self, shape, kwargs)[1]
        value = tensor_of(self.value, default_device()).to(torch_dtype(dtype))
        if value.numel() == math.prod(shape):
            return value.reshape(shape).clone()
        try:
            return value.expand(shape).clone()
        except RuntimeError:
            raise ValueError(
                f"Constant: a value of shape {tuple(value.shape)} does not fit a weight of shape {shape}."
            ) from None


class RandomUniform(Initializer):
    """Uniform in [minval, maxval); whole numbers where the dtype is integer.

    An int seed gives the same values at every call. Keras: tf.keras.initializers.RandomUniform.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval, self.maxval = minval, maxval
        self.seed = as_seed(self, seed)

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of draws; ValueError for a bool or complex dtype. See `Initializer.__call__`."""
        found = torch_dtype(dtype)
        if found == torch.bool or found.is_complex:
            raise ValueError(f"RandomUniform: expected a float or integer dtype, got {dtype!r}.")

        def fill(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
            values = values.uniform_(generator=generator) * (self.maxval - self.minval) + self.minval
            return values if found.is_floating_point else values.floor()

        return drawn(shapes_of(self, shape, kwargs)[1], found, self.seed, fill)


class RandomNormal(Initializer):
    """Normal, of the given mean and standard deviation.

    An int seed gives the same values at every call. Keras: tf.keras.initializers.RandomNormal.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev = mean, stddev
        self.seed = as_seed(self, seed)

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of draws; ValueError where the dtype is no float. See `Initializer.__call__`."""

        def fill(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
            return values.normal_(generator=generator) * self.stddev + self.mean

        return drawn(shapes_of(self, shape, kwargs)[1], float_dtype(self, dtype), self.seed, fill)


class TruncatedNormal(Initializer):
    """Normal, without what lies more than two standard deviations from the mean; `stddev` is the uncut normal's.

    An int seed gives the same values at every call. Keras: tf.keras.initializers.TruncatedNormal.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev = mean, stddev
        self.seed = as_seed(self, seed)

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of draws; ValueError where the dtype is no float. See `Initializer.__call__`."""

        def fill(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
            return truncated(values, generator) * self.stddev + self.mean

        return drawn(shapes_of(self, shape, kwargs)[1], float_dtype(self, dtype), self.seed, fill)


class VarianceScaling(Initializer):
    """Draws whose variance is `scale / n`, n being the number of inputs, of outputs, or their mean.

    mode: 'fan_in', 'fan_out' or 'fan_avg'. distribution: 'truncated_normal' ('normal' is the same),
    'untruncated_normal' or 'uniform'. input_axes, output_axes (Keras 3): the axes of the weight that count as inputs
    and outputs; without them, the last axis of two or more is the outputs, the last but one the inputs, and the others
    a window.
    Raises ValueError for a scale that isn't positive, and an unknown mode or distribution.
    Keras: tf.keras.initializers.VarianceScaling.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        if not scale > 0:
            raise ValueError(f"{type(self).__name__}: scale must be positive, got {scale!r}.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(
                f"{type(self).__name__}: unknown mode {mode!r}; expected 'fan_in', 'fan_out' or 'fan_avg'."
            )
        known = ("normal", "truncated_normal", "untruncated_normal", "uniform")
        if str(distribution).lower() not in known:
            raise ValueError(f"{type(self).__name__}: unknown distribution {distribution!r}; expected one of {known}.")
        if (input_axes is None) != (output_axes is None):
            raise ValueError(
                f"{type(self).__name__}: give both input_axes and output_axes or neither, "
                f"got input_axes={input_axes!r}, output_axes={output_axes!r}."
            )
        self.scale, self.mode = scale, mode
        self.distribution = distribution.lower() if distribution.lower() != "normal" else "truncated_normal"
        self.seed = as_seed(self, seed)
        self.input_axes, self.output_axes = input_axes, output_axes

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of draws; ValueError where the dtype is no float. See `Initializer.__call__`."""
        whole, part = shapes_of(self, shape, kwargs)
        fan_in, fan_out = self._fans(whole)
        variance = self.scale / max(1.0, {"fan_in": fan_in, "fan_out": fan_out}.get(self.mode, (fan_in + fan_out) / 2))

        def fill(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
            if self.distribution == "uniform":
                limit = math.sqrt(3 * variance)
                return values.uniform_(-limit, limit, generator=generator)
            if self.distribution == "untruncated_normal":
                return values.normal_(0.0, math.sqrt(variance), generator=generator)
            return truncated(values, generator) * (math.sqrt(variance) / TRUNCATED_STDDEV)

        return drawn(part, float_dtype(self, dtype), self.seed, fill)

    def _fans(self, shape: tuple[int, ...]) -> tuple[int, int]:
        if self.input_axes is not None and self.output_axes is not None:
            return math.prod(shape[i] for i in self.input_axes), math.prod(shape[i] for i in self.output_axes)
        if len(shape) < 2:
            return math.prod(shape), math.prod(shape)
        window = math.prod(shape[:-2])
        return shape[-2] * window, shape[-1] * window

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the axes, which tf.keras 2 doesn't know, only where they are given."""
        config = super().get_config()
        return {k: v for k, v in config.items() if v is not None or k not in ("input_axes", "output_axes")}


class GlorotUniform(VarianceScaling):
    """Uniform in +-sqrt(6 / (fan_in + fan_out)).

    Keras: tf.keras.initializers.GlorotUniform (Glorot and Bengio, 2010).
    """

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, input_axes, output_axes)


class GlorotNormal(VarianceScaling):
    """Truncated normal of variance 2 / (fan_in + fan_out).

    Keras: tf.keras.initializers.GlorotNormal (Glorot and Bengio, 2010).
    """

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, input_axes, output_axes)


class HeUniform(VarianceScaling):
    """Uniform in +-sqrt(6 / fan_in). Keras: tf.keras.initializers.HeUniform (He et al., 2015)."""

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed, input_axes, output_axes)


class HeNormal(VarianceScaling):
    """Truncated normal of variance 2 / fan_in. Keras: tf.keras.initializers.HeNormal (He et al., 2015)."""

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


class LecunUniform(VarianceScaling):
    """Uniform in +-sqrt(3 / fan_in). Keras: tf.keras.initializers.LecunUniform (LeCun et al., 1998)."""

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed, input_axes, output_axes)


class LecunNormal(VarianceScaling):
    """Truncated normal of variance 1 / fan_in. Keras: tf.keras.initializers.LecunNormal (Klambauer et al., 2017)."""

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)
