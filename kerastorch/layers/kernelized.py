"""RandomFourierFeatures: kernel machines by random features."""

from __future__ import annotations

import math
from typing import Any

import torch

from kerastorch import initializers
from kerastorch.layers.base import Layer
from kerastorch.layers.input_spec import InputSpec
from kerastorch.nn.kernelized import FourierFeatures
from kerastorch.variables import IDENTITY, TRANSPOSED

__all__ = ["RandomFourierFeatures"]


class RandomFourierFeatures(Layer):
    """`cos(inputs @ unscaled_kernel / kernel_scale + bias)`: features in which a kernel machine is a linear one.

    kernel_initializer: 'gaussian' or 'laplacian', after the kernel, or an initializer. scale: of the kernel; by default
    sqrt(in / 2) for 'gaussian', else 1. trainable: whether the scale is trained; by default it is not.
    Shapes: (batch, in) -> (batch, output_dim). kernel_scale: (1,); unscaled_kernel: (in, output_dim); bias: (output_dim,).
    Raises ValueError for an output_dim or scale that is not positive, another kernel_initializer by name, and inputs that
    are no matrix of known width. Eras: 2. Keras: tf.keras.layers.experimental.RandomFourierFeatures; torch:
    kerastorch.nn.kernelized.FourierFeatures (weight is unscaled_kernel transposed).
    """

    def __init__(
        self,
        output_dim: int,
        kernel_initializer: Any = "gaussian",
        scale: float | None = None,
        trainable: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=trainable, name=name, **kwargs)
        if output_dim <= 0:
            raise ValueError(f"{self._title}: output_dim must be a positive integer, got {output_dim!r}.")
        if isinstance(kernel_initializer, str) and kernel_initializer.lower() not in ("gaussian", "laplacian"):
            raise ValueError(
                f"{self._title}: kernel_initializer must be 'gaussian', 'laplacian' or an initializer, got "
                f"{kernel_initializer!r}."
            )
        if scale is not None and scale <= 0:
            raise ValueError(f"{self._title}: scale must be a positive number or None, got {scale!r}.")
        by_name = isinstance(kernel_initializer, str)
        self.kernel_initializer = kernel_initializer if by_name else initializers.get(kernel_initializer)
        self.output_dim, self.scale = output_dim, scale

    @property
    def _title(self) -> str:
        return f"RandomFourierFeatures '{self.name}'"

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Draws the kernel and the bias, for inputs whose last axis is known."""
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                f"{self._title} takes inputs (batch, features) with a known number of features, got shape {input_shape}."
            )
        size = input_shape[-1]
        kind = self.kernel_initializer.lower() if isinstance(self.kernel_initializer, str) else None
        if self.scale is None:
            self.scale = math.sqrt(size / 2) if kind == "gaussian" else 1.0
        drawn = {"gaussian": initializers.RandomNormal(stddev=1.0), "laplacian": _cauchy}
        self.features = FourierFeatures(size, self.output_dim, device="meta")
        self.kernel_scale = self.add_variable(
            "kernel_scale", self.features, "scale", IDENTITY, initializers.Constant(self.scale), constraint="non_neg"
        )
        self.unscaled_kernel = self.add_variable(
            "unscaled_kernel",
            self.features,
            "weight",
            TRANSPOSED,
            drawn[kind] if kind is not None else self.kernel_initializer,
            trainable=False,
        )
        self.bias = self.add_variable(
            "bias", self.features, "bias", IDENTITY, initializers.RandomUniform(0.0, 2 * math.pi), trainable=False
        )
        self.input_spec = InputSpec(ndim=2, axes={1: size})
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, in) -> (batch, output_dim)."""
        return self.features(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, in) -> (batch, output_dim)."""
        return (input_shape[0], self.output_dim)


def _cauchy(shape: Any, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
    """Numbers of the Cauchy distribution, whose features are those of a Laplacian kernel."""
    uniform = initializers.RandomUniform(0.0, 1.0)(shape, dtype)
    return torch.tan(math.pi * (uniform - 0.5))
