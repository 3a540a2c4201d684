"""Activations with parameters, as layers: ReLU, LeakyReLU, PReLU, ELU, ThresholdedReLU, Softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from kerastorch import activations, constraints, initializers, regularizers
from kerastorch.config import floatx, torch_dtype
from kerastorch.layers.arguments import whole
from kerastorch.layers.base import Layer
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.normalization import reshaped
from kerastorch.layers.ranks import RankedLayer
from kerastorch.nn.activation import PReLU as ElementwisePReLU

__all__ = ["ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU"]


class _Pointwise(Layer):
    """The base of layers that keep shape and mask."""

    supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape

    def _number(self, name: str, value: Any, least: float | None = None) -> float:
        """A number rounded to the default float type, as Keras writes it; ValueError for another, and below `least`."""
        is_number = isinstance(value, (int, float, np.number)) or (isinstance(value, np.ndarray) and value.ndim == 0)
        if not is_number or (least is not None and value < least):
            wanted = "a number" if least is None else f"a number, at least {least}"
            raise ValueError(f"{type(self).__name__} '{self.name}': {name} must be {wanted}, got {name}={value!r}.")
        return float(np.asarray(value, floatx())) if floatx() != "bfloat16" else float(value)


class ReLU(_Pointwise):
    """`x` where it exceeds `threshold`, capped at `max_value`; `negative_slope * (x - threshold)` elsewhere.

    Shapes: any, kept. Raises ValueError for a negative argument.
    Keras: tf.keras.layers.ReLU; torch: relu, relu6, leaky_relu.
    """

    def __init__(self, max_value: Any = None, negative_slope: Any = 0.0, threshold: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else self._number("max_value", max_value, 0.0)
        self.negative_slope = self._number("negative_slope", negative_slope, 0.0)
        self.threshold = self._number("threshold", threshold, 0.0)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The rectified inputs."""
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(_Pointwise):
    """`x` where positive, `alpha * x` elsewhere.

    Shapes: any, kept. negative_slope: Keras 3's name of alpha. Raises ValueError where alpha is no number.
    Keras: tf.keras.layers.LeakyReLU; torch: functional.leaky_relu.
    """

    casts_integers = True

    def __init__(self, alpha: Any = 0.3, **kwargs: Any) -> None:
        alpha = kwargs.pop("negative_slope", alpha)
        super().__init__(**kwargs)
        self.alpha = self._number("alpha", alpha)

    @property
    def negative_slope(self) -> float:
        """Keras 3's name of alpha."""
        return self.alpha

    @negative_slope.setter
    def negative_slope(self, value: float) -> None:
        self.alpha = value

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The rectified inputs."""
        return F.leaky_relu(inputs, self.alpha)


class ELU(_Pointwise):
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere.

    Shapes: any, kept. Raises ValueError where alpha is no number. Keras: tf.keras.layers.ELU; torch: functional.elu.
    """

    def __init__(self, alpha: Any = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = self._number("alpha", alpha)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs, exponential below zero."""
        return F.elu(inputs, self.alpha)


class ThresholdedReLU(_Pointwise):
    """`x` where it exceeds `theta`, 0 elsewhere.

    Shapes: any, kept. Raises ValueError for a negative theta.
    Eras: 1, 2.
    Keras: tf.keras.layers.ThresholdedReLU; torch: functional.threshold.
    """

    def __init__(self, theta: Any = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.theta = self._number("theta", theta, 0.0)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs above theta."""
        return F.threshold(inputs, self.theta, 0.0)


class PReLU(_Pointwise):
    """`x` where positive, `alpha * x` elsewhere, alpha learned.

    shared_axes: axes along which one alpha serves, such as [1, 2] for images.
    Shapes: any, kept. alpha: the input's shape without the batch, 1 at shared axes.
    Raises ValueError where an axis that is not shared is unknown.
    Keras: tf.keras.layers.PReLU; torch: nn.PReLU where one axis at most is not shared, else
    kerastorch.nn.activation.PReLU.
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = (
            None
            if shared_axes is None
            else list(shared_axes)
            if isinstance(shared_axes, (list, tuple))
            else [shared_axes]
        )
        for axis in self.shared_axes or ():
            whole(self, "shared_axes", axis, -math.inf)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes alpha."""
        rank = len(input_shape)
        # Both Kerases count the axes without the batch, a negative one from there: -1 is the last but one.
        if any(not 1 - rank <= a - 1 < rank - 1 for a in self.shared_axes or ()):
            raise ValueError(
                f"PReLU '{self.name}': shared_axes={self.shared_axes} do not fit an input of shape {tuple(input_shape)}."
            )
        shared = {(a - 1) % (rank - 1) + 1 for a in self.shared_axes or ()}
        own = [i for i in range(1, rank) if i not in shared]
        if any(input_shape[i] is None for i in own):
            raise ValueError(
                f"PReLU '{self.name}': the axes that do not share alpha must be known, got shape {input_shape}, "
                f"shared_axes={self.shared_axes}. Give Input a shape, or share the open axes."
            )
        shape = tuple(input_shape[i] if i in own else 1 for i in range(1, rank))
        self.input_spec = InputSpec(ndim=rank, axes={i: input_shape[i] for i in own} if shared else {})
        self._order = self._back = None
        if len(own) <= 1:
            size = int(input_shape[own[0]]) if own else 1  # type: ignore[arg-type]
            self.prelu: nn.Module = nn.PReLU(size, device="meta")
            if own and own[0] != 1:
                self._order = (0, own[0], *(i for i in range(1, rank) if i != own[0]))
                self._back = tuple(self._order.index(i) for i in range(rank))
            layout = reshaped(shape, (size,))
        else:
            self.prelu, layout = ElementwisePReLU(shape, device="meta"), reshaped(shape, shape)
        options = (self.alpha_initializer, self.alpha_regularizer, self.alpha_constraint)
        self.alpha = self.add_variable("alpha", self.prelu, "weight", layout, *options)
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The rectified inputs."""
        if self._order is None:
            return self.prelu(inputs)
        return self.prelu(inputs.permute(*self._order)).permute(*self._back)


class Softmax(RankedLayer, _Pointwise):
    """`exp(x) / sum(exp(x))` over an axis, or over several together.

    A mask (1 keeps, 0 masks), broadcastable to the inputs, brings masked positions to nothing: -1e9 is added to them,
    or, with robust_masking, takes their place; with keras3_masking, as in models from Keras 3, they are 0 where all are masked
    as well.
    Shapes: any, kept. Keras: tf.keras.layers.Softmax; torch: softmax.
    """

    _live = ("axis",)

    def __init__(
        self, axis: Any = -1, robust_masking: bool = False, *, keras3_masking: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis
        self.robust_masking, self.keras3_masking = robust_masking, keras3_masking

    def build(self, input_shape: Any) -> None:
        """Notes the axes."""
        rank = len(input_shape)
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        if any(not -rank <= a < rank for a in axes):
            raise ValueError(f"Softmax '{self.name}': axis={self.axis} does not fit an input of shape {input_shape}.")
        self._axes = tuple(a % rank for a in axes)
        self.built = True

    def call(self, inputs: torch.Tensor, mask: Any = None) -> torch.Tensor:
        """The inputs as shares of one."""
        if mask is not None:
            inputs = self._masked(inputs, mask)
        if len(self._axes) > 1:
            shares = torch.exp(inputs - torch.logsumexp(inputs, dim=self._axes, keepdim=True))
        else:
            shares = torch.softmax(inputs, dim=self._axes[0])
        return shares if mask is None or not self.keras3_masking else torch.where(torch.gt(mask, 0.5), shares, 0.0)

    def _masked(self, inputs: torch.Tensor, mask: Any) -> torch.Tensor:
        dtype = torch_dtype(self.compute_dtype)
        low = -1e9 if dtype != torch.float16 else torch.finfo(dtype).min / 2
        mask = mask.to(dtype)
        if self.robust_masking or self.keras3_masking:
            return torch.where(torch.gt(mask, 0.5), inputs, low)
        return inputs + (1.0 - mask) * low

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `robust_masking` and `keras3_masking` where they are set."""
        config = super().get_config()
        for key in ("robust_masking", "keras3_masking"):
            if not config.get(key):
                config.pop(key, None)
        return config
