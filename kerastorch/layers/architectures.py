"""Layers that Keras's own architectures (keras.applications) have beside the public ones, so that their files open."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch import registry
from kerastorch.initializers import Constant
from kerastorch.layers.base import Layer
from kerastorch.nn.regularization import RandomNoise

__all__ = ["CustomScaleLayer", "LayerScale", "StochasticDepth"]


class LayerScale(Layer):
    """A trained factor for each channel, of ConvNeXt (Touvron et al., 2021).

    init_values: what the factors begin as. projection_dim: the number of channels.
    Shapes: (batch, ..., projection_dim), kept. gamma: (projection_dim,).
    Keras: LayerScale of keras.applications.convnext; torch: a parameter.
    """

    def __init__(self, init_values: float, projection_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.init_values, self.projection_dim = init_values, projection_dim

    def build(self, input_shape: Any) -> None:
        """Makes gamma."""
        initializer = Constant(self.init_values)
        self.gamma = self.add_weight(name="gamma", shape=(self.projection_dim,), initializer=initializer)
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs times gamma."""
        return inputs * self.gamma

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class StochasticDepth(Layer):
    """Drops whole samples of a residual path while training, and scales the others (Huang et al., 2016), of ConvNeXt.

    drop_path_rate: the probability that a sample is dropped. Shapes: (batch, ...), kept.
    Keras: StochasticDepth of keras.applications.convnext; torch: kerastorch.nn.regularization.RandomNoise.
    """

    def __init__(self, drop_path_rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drop_path_rate = drop_path_rate

    def build(self, input_shape: Any) -> None:
        """Makes the noise, one draw a sample."""
        noise_shape = (None, *[1] * (len(input_shape) - 1))
        self.noise = RandomNoise("dropout", self.drop_path_rate, noise_shape)
        self.built = True

    def call(self, inputs: torch.Tensor, training: bool | None = None) -> torch.Tensor:
        """The inputs, some samples zero while training."""
        return self.noise(inputs) if training is None else self.noise(inputs, bool(training))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class CustomScaleLayer(Layer):
    """`inputs[0] + inputs[1] * scale`, the residual connection of InceptionResNetV2.

    Shapes: two of (batch, ...), alike, kept. Keras: CustomScaleLayer of keras.applications.inception_resnet_v2.
    """

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        """The sum."""
        return inputs[0] + inputs[1] * self.scale

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The first input's shape."""
        return tuple(input_shape[0])


registry.register("layer", CustomScaleLayer, "Custom>CustomScaleLayer")  # as tf.keras writes it
