"""Layers at which a drawn model's losses and metrics end: `model.add_loss(tensor)` puts them there, and files hold them."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.layers.base import Layer

__all__ = ["AddLoss", "AddMetric"]


class AddLoss(Layer):
    """What goes in comes out, and is added to the model's `losses`.

    Shapes: any, kept; a loss is mostly a scalar. Eras: 2. Keras: tf.keras's AddLoss, which `Model.add_loss` draws.
    """

    def __init__(self, unconditional: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.unconditional = unconditional

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs."""
        self.add_loss(inputs)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class AddMetric(Layer):
    """What goes in comes out: it marks a value that tf.keras shows while it trains.

    aggregation: 'mean', or None for a value that is a mean already. metric_name: what it is shown as.
    Shapes: any, kept. Eras: 2. Keras: tf.keras's AddMetric, which `Model.add_metric` draws.
    """

    def __init__(self, aggregation: str | None = None, metric_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.aggregation, self.metric_name = aggregation, metric_name

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape
