"""Layers that regularise: dropouts, noise, and penalties on activities."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from kerastorch.layers.base import Layer
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.reshaping import data_format_argument
from kerastorch.nn.regularization import RandomNoise
from kerastorch.regularizers import L1L2

__all__ = [
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D",
]  # fmt: skip

_FUNCTIONS = {
    nn.Dropout: F.dropout, nn.Dropout1d: F.dropout1d, nn.Dropout2d: F.dropout2d, nn.Dropout3d: F.dropout3d,
    nn.AlphaDropout: F.alpha_dropout,
}  # fmt: skip


class _Noise(Layer):
    """The base of layers that do something random while training. `noise`: the torch module that does it, or None."""

    supports_masking = True
    noise: nn.Module | None
    _live = ("rate",)

    def build(self, input_shape: Any) -> None:
        """Makes the torch module."""
        self._renew()
        self.built = True

    def _renew(self) -> None:
        self.noise = self._make_noise()

    def _make_noise(self) -> nn.Module | None:
        raise NotImplementedError

    def _check_rate(self, rate: Any) -> float:
        if isinstance(rate, (int, float)) and not 0 <= rate <= 1:
            raise ValueError(f"{type(self).__name__} '{self.name}': rate must be between 0 and 1, got rate={rate!r}.")
        return rate

    def call(self, inputs: torch.Tensor, training: Any = None) -> torch.Tensor:
        """The inputs, with noise while training."""
        if self.noise is None:
            return inputs
        if training is None:
            return self.noise(inputs)
        if isinstance(self.noise, RandomNoise):
            return self.noise(inputs, bool(training))
        return _FUNCTIONS[type(self.noise)](inputs, self.noise.p, bool(training))  # type: ignore[index, arg-type]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class Dropout(_Noise):
    """Sets a share of the inputs to 0 while training, and scales the others so that their sum is kept on average.

    rate: the share. noise_shape: such as (None, 1, None) to drop the same features at all steps.
    seed: for noise that is the same in every run, whatever else draws random numbers.
    Shapes: any, kept. Raises ValueError for a rate outside of [0, 1].
    Keras: tf.keras.layers.Dropout; torch: nn.Dropout, with noise_shape or seed
    kerastorch.nn.regularization.RandomNoise.
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate, self.seed = self._check_rate(rate), seed
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def _make_noise(self) -> nn.Module | None:
        if not self.rate:
            return None
        if self.noise_shape is None and self.seed is None:
            return nn.Dropout(self.rate)
        return RandomNoise("dropout", self.rate, self.noise_shape, self.seed)


class _SpatialDropout(Dropout):
    """Drops whole channels: the same ones everywhere in a sample."""

    _rank: int
    _module: type[nn.Module]
    data_format = "channels_last"

    def __init__(self, rate: float, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.input_spec = InputSpec(ndim=self._rank)
        self.data_format = data_format_argument(self, data_format)

    def _make_noise(self) -> nn.Module | None:
        if not self.rate:
            return None
        if self.seed is None and self.noise_shape is None:
            return self._module(self.rate)
        ones = (1,) * (self._rank - 2)
        shape = (None, None, *ones) if self.data_format == "channels_first" else (None, *ones, None)
        return RandomNoise("dropout", self.rate, shape, self.seed)

    def call(self, inputs: torch.Tensor, training: Any = None) -> torch.Tensor:
        """The inputs, while training without some channels."""
        if self.noise is None or isinstance(self.noise, RandomNoise) or self.data_format == "channels_first":
            return super().call(inputs, training)
        last = self._rank - 1
        x = super().call(inputs.permute(0, last, *range(1, last)), training)
        return x.permute(0, *range(2, self._rank), 1)

    def get_config(self) -> dict[str, Any]:
        """rate, noise_shape and seed, as tf.keras has them; data_format, which tf.keras forgets, if channels come
        first."""
        config = {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}
        if self.data_format == "channels_last":
            config.pop("data_format", None)
        return config


class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole channels of (batch, time, channels). Raises ValueError for a rate outside of [0, 1].

    Keras: tf.keras.layers.SpatialDropout1D; torch: nn.Dropout1d.
    """

    _rank, _module = 3, nn.Dropout1d

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate, "channels_last", **kwargs)


class SpatialDropout2D(_SpatialDropout):
    """Dropout of whole channels of (batch, rows, columns, channels), or with data_format='channels_first' (batch,
    channels, rows, columns). Raises ValueError for a rate outside of [0, 1].

    Keras: tf.keras.layers.SpatialDropout2D; torch: nn.Dropout2d.
    """

    _rank, _module = 4, nn.Dropout2d

    def __init__(self, rate: float, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, data_format, **kwargs)


class SpatialDropout3D(_SpatialDropout):
    """Dropout of whole channels of (batch, depth, rows, columns, channels), or with data_format='channels_first'
    (batch, channels, depth, rows, columns). Raises ValueError for a rate outside of [0, 1].

    Keras: tf.keras.layers.SpatialDropout3D; torch: nn.Dropout3d.
    """

    _rank, _module = 5, nn.Dropout3d

    def __init__(self, rate: float, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, data_format, **kwargs)


class GaussianDropout(_Noise):
    """Multiplies the inputs while training by normal numbers of mean 1 and variance rate / (1 - rate).

    Shapes: any, kept. Raises ValueError for a rate outside of [0, 1].
    Keras: tf.keras.layers.GaussianDropout; torch: kerastorch.nn.regularization.RandomNoise.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate, self.seed = self._check_rate(rate), seed

    def _make_noise(self) -> nn.Module | None:
        return RandomNoise("gaussian_dropout", self.rate, None, self.seed) if 0 < self.rate < 1 else None


class GaussianNoise(_Noise):
    """Adds normal numbers of mean 0 to the inputs while training.

    Shapes: any, kept. Raises ValueError for a negative stddev.
    Keras: tf.keras.layers.GaussianNoise; torch: kerastorch.nn.regularization.RandomNoise.
    """

    _live = ("stddev",)

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if stddev < 0:
            raise ValueError(f"GaussianNoise '{self.name}': stddev must not be negative, got stddev={stddev!r}.")
        self.stddev, self.seed = stddev, seed

    def _make_noise(self) -> nn.Module | None:
        return RandomNoise("gaussian_noise", self.stddev, None, self.seed) if self.stddev else None


class AlphaDropout(_Noise):
    """Dropout that keeps mean and variance of SELU's outputs: dropped inputs become SELU's limit at minus infinity.

    Shapes: any, kept. Raises ValueError for a rate outside of [0, 1].
    Keras: tf.keras.layers.AlphaDropout; torch: nn.AlphaDropout, with noise_shape or seed
    kerastorch.nn.regularization.RandomNoise.
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate, self.seed = self._check_rate(rate), seed
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def _make_noise(self) -> nn.Module | None:
        if not 0 < self.rate < 1:
            return None
        if self.noise_shape is None and self.seed is None:
            return nn.AlphaDropout(self.rate)
        return RandomNoise("alpha_dropout", self.rate, self.noise_shape, self.seed)

    def get_config(self) -> dict[str, Any]:
        """rate and seed, as tf.keras has them; noise_shape, which tf.keras forgets, where it is set."""
        config = super().get_config()
        if self.noise_shape is None:
            config.pop("noise_shape", None)
        return config


class ActivityRegularization(Layer):
    """What goes in comes out, and `l1 * sum(|x|) + l2 * sum(x**2)`, by sample, is added to the loss.

    Shapes: any, kept. Raises ValueError where a factor is no finite number.
    Keras: tf.keras.layers.ActivityRegularization.
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape
