"""Layers that only Keras 0.3 and 1 had, and that no later layer equals, under the arguments that they had there.

They let old files run; new models have no use for them.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn

from kerastorch import activations, constraints, initializers, regularizers
from kerastorch.layers.base import Layer
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.normalization import reshaped
from kerastorch.nn import keras1 as modules
from kerastorch.variables import IDENTITY, TRANSPOSED, Layout

__all__ = [
    "BatchNormalization1",
    "CosineMerge",
    "Highway",
    "MaxoutDense",
    "ParametricSoftplus",
    "SReLU",
    "TimeDistributedMerge",
]


class _Affine(Layer):
    """What MaxoutDense and Highway share: the arguments of a matrix `W` and an offset `b`."""

    def _set_arguments(
        self, init: Any, weights: tuple[Any, Any, Any, Any], bias: bool, input_spec: InputSpec | None = None
    ) -> None:
        self.init = initializers.get(init)
        self.W_regularizer, self.b_regularizer = map(regularizers.get, weights[:2])
        self.W_constraint, self.b_constraint = map(constraints.get, weights[2:])
        self.bias = bool(bias)
        self.input_spec = input_spec or InputSpec(ndim=2)

    def _size(self, input_shape: Any) -> int:
        size = input_shape[-1]
        if size is None:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': the last axis of the input must be known to make the weights, got "
                f"shape {input_shape}. Give Input a shape, e.g. Input((2,))."
            )
        self.input_spec = InputSpec(ndim=2, axes={-1: size})
        return size


class MaxoutDense(_Affine):
    """The largest of `nb_feature` linear maps: `max_k(inputs @ W[k] + b[k])`.

    Shapes: (batch, in) -> (batch, output_dim). W: (nb_feature, in, output_dim); b: (nb_feature, output_dim).
    Raises ValueError where the last axis is unknown. Keras: keras.layers.MaxoutDense (Keras 0.3 to 1.2); torch: nn.Linear.
    """

    def __init__(
        self,
        output_dim: int,
        nb_feature: int = 4,
        init: Any = "glorot_uniform",
        W_regularizer: Any = None,
        b_regularizer: Any = None,
        activity_regularizer: Any = None,
        W_constraint: Any = None,
        b_constraint: Any = None,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.output_dim, self.nb_feature = output_dim, nb_feature
        self._set_arguments(init, (W_regularizer, b_regularizer, W_constraint, b_constraint), bias)

    def build(self, input_shape: Any) -> None:
        """Makes W and b for inputs whose last axis is known."""
        size, maps = self._size(input_shape), (self.nb_feature, self.output_dim)
        self.linear = nn.Linear(size, self.nb_feature * self.output_dim, bias=self.bias, device="meta")
        layout = Layout(
            f"{self.nb_feature} maps, transposed",
            functools.partial(_maps_to_keras, self.nb_feature),
            _maps_to_torch,
        )
        self.add_variable("W", self.linear, "weight", layout, self.init, self.W_regularizer, self.W_constraint)
        if self.bias:
            flat = reshaped(maps, (-1,))
            self.add_variable("b", self.linear, "bias", flat, "zeros", self.b_regularizer, self.b_constraint)
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, in) -> (batch, output_dim)."""
        return self.linear(inputs).unflatten(-1, (self.nb_feature, self.output_dim)).amax(-2)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, output_dim)."""
        return (*input_shape[:-1], self.output_dim)


def _maps_to_keras(maps: int, weight: torch.Tensor) -> torch.Tensor:
    return weight.unflatten(0, (maps, -1)).transpose(1, 2)


def _maps_to_torch(kernel: torch.Tensor) -> torch.Tensor:
    return kernel.transpose(1, 2).flatten(0, 1)


class Highway(_Affine):
    """`t * activation(inputs @ W + b) + (1 - t) * inputs`, where `t = sigmoid(inputs @ W_carry + b_carry)`.

    Shapes: (batch, in), kept. W, W_carry: (in, in); b, b_carry: (in,).
    Raises ValueError where the last axis is unknown. Keras: keras.layers.Highway (Keras 0.3 to 1.2); torch: nn.Linear, twice.
    """

    def __init__(
        self,
        init: Any = "glorot_uniform",
        activation: Any = None,
        W_regularizer: Any = None,
        b_regularizer: Any = None,
        activity_regularizer: Any = None,
        W_constraint: Any = None,
        b_constraint: Any = None,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.activation = activations.get(activation)
        self._set_arguments(init, (W_regularizer, b_regularizer, W_constraint, b_constraint), bias)

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs whose last axis is known."""
        size = self._size(input_shape)
        self.linear = nn.Linear(size, size, bias=self.bias, device="meta")
        self.carry = nn.Linear(size, size, bias=self.bias, device="meta")
        options = self.init, self.W_regularizer, self.W_constraint
        self.add_variable("W", self.linear, "weight", TRANSPOSED, *options)
        self.add_variable("W_carry", self.carry, "weight", TRANSPOSED, self.init)
        if self.bias:
            options = "zeros", self.b_regularizer, self.b_constraint
            self.add_variable("b", self.linear, "bias", IDENTITY, *options)
            self.add_variable("b_carry", self.carry, "bias", IDENTITY, "ones")
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, in), kept."""
        gate = torch.sigmoid(self.carry(inputs))
        return gate * self.activation(self.linear(inputs)) + (1 - gate) * inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class _LearnedActivation(Layer):
    """An activation with weights of the input's shape without the batch, 1 at `shared_axes`."""

    supports_masking = True
    _module: type[nn.Module]
    _weights: tuple[tuple[str, str], ...]

    def _weight_initializers(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def _set_axes(self, shared_axes: Any) -> None:
        listed = list(shared_axes) if isinstance(shared_axes, (list, tuple)) else [shared_axes]
        self.shared_axes = None if shared_axes is None else listed

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs whose axes, other than those shared, are known."""
        shared = self.shared_axes or ()
        shape = tuple(1 if i in shared else n for i, n in enumerate(input_shape) if i)
        if None in shape:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': the axes that do not share weights must be known, got shape "
                f"{input_shape}, shared_axes={self.shared_axes}. Give Input a shape, or share the open axes."
            )
        self.activation = self._module(shape, device="meta")
        for (name, attribute), initializer in zip(self._weights, self._weight_initializers(), strict=True):
            self.add_variable(name, self.activation, attribute, IDENTITY, initializer)
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The activated inputs."""
        return self.activation(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class ParametricSoftplus(_LearnedActivation):
    """`alphas * log(1 + exp(betas * x))`, both learned.

    Shapes: any, kept. alphas, betas: the input's shape without the batch, 1 at `shared_axes`.
    Raises ValueError where an axis that is not shared is unknown.
    Keras: keras.layers.ParametricSoftplus (Keras 0.3 to 1.2); torch: kerastorch.nn.keras1.ParametricSoftplus.
    """

    _module = modules.ParametricSoftplus
    _weights = (("alphas", "alpha"), ("betas", "beta"))

    def __init__(self, alpha_init: float = 0.2, beta_init: float = 5.0, shared_axes: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha_init, self.beta_init = alpha_init, beta_init
        self._set_axes(shared_axes)

    def _weight_initializers(self) -> tuple[Any, ...]:
        return initializers.Constant(self.alpha_init), initializers.Constant(self.beta_init)


class SReLU(_LearnedActivation):
    """Three straight lines: slope `a_left` below `t_left`, 1 up to `t_left + |t_right|`, `a_right` from there on.

    Shapes: any, kept. The four weights: the input's shape without the batch, 1 at `shared_axes`.
    Raises ValueError where an axis that is not shared is unknown.
    Keras: keras.layers.SReLU (Keras 1); torch: kerastorch.nn.keras1.SReLU.
    """

    _module = modules.SReLU
    _weights = (("t_left", "left"), ("a_left", "left_slope"), ("t_right", "width"), ("a_right", "right_slope"))

    def __init__(
        self,
        t_left_init: Any = "zeros",
        a_left_init: Any = "glorot_uniform",
        t_right_init: Any = "glorot_uniform",
        a_right_init: Any = "ones",
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.t_left_init, self.a_left_init = initializers.get(t_left_init), initializers.get(a_left_init)
        self.t_right_init, self.a_right_init = initializers.get(t_right_init), initializers.get(a_right_init)
        self._set_axes(shared_axes)

    def _weight_initializers(self) -> tuple[Any, ...]:
        return self.t_left_init, self.a_left_init, self.t_right_init, self.a_right_init


class BatchNormalization1(Layer):
    """Keras 1's BatchNormalization in the modes that later versions dropped: by the statistics of the input itself, in
    training and inference.

    mode: 1, of each sample over its last axis; 2, of the batch over all axes but `axis`.
    Shapes: any, kept. gamma, beta, and (kept, not used) running_mean, running_std: (channels,).
    Raises ValueError for another mode, and for an axis of unknown size.
    Keras: keras.layers.BatchNormalization(mode=1), (mode=2) (Keras 1); torch: kerastorch.nn.keras1.BatchNorm1.
    """

    supports_masking = True

    def __init__(
        self,
        epsilon: float = 1e-3,
        mode: int = 1,
        axis: int = -1,
        momentum: float = 0.99,
        beta_init: Any = "zeros",
        gamma_init: Any = "ones",
        gamma_regularizer: Any = None,
        beta_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mode not in (1, 2):
            raise ValueError(
                f"BatchNormalization1 '{self.name}': mode must be 1 or 2, got {mode!r}. Mode 0 is BatchNormalization."
            )
        self.epsilon, self.mode, self.axis, self.momentum = epsilon, mode, axis, momentum
        self.beta_init, self.gamma_init = initializers.get(beta_init), initializers.get(gamma_init)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_regularizer = regularizers.get(beta_regularizer)

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs whose `axis` is known."""
        size = input_shape[self.axis]
        if size is None:
            raise ValueError(
                f"BatchNormalization1 '{self.name}': axis {self.axis} of the input must be known to make the weights, "
                f"got shape {input_shape}. Give Input a shape."
            )
        self.norm = modules.BatchNorm1(size, self.mode, self.axis, self.epsilon, device="meta")
        self.add_variable("gamma", self.norm, "weight", IDENTITY, self.gamma_init, self.gamma_regularizer)
        self.add_variable("beta", self.norm, "bias", IDENTITY, self.beta_init, self.beta_regularizer)
        self.add_variable("running_mean", self.norm, "running_mean", IDENTITY, "zeros", trainable=False)
        self.add_variable("running_std", self.norm, "running_var", IDENTITY, "ones", trainable=False)
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The normalised inputs."""
        return self.norm(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class CosineMerge(Layer):
    """Products of two inputs along an axis of each, divided by the root of the products of each with itself.

    dot_axes: one for both inputs, or a pair. Of vectors it is their cosine; of sequences, as Keras 1 has it, each product is
    divided by the root at its own place.
    Shapes: (batch, a), (batch, a) -> (batch, 1, 1); with more axes (batch, 1, the first's other axes, the second's).
    Raises ValueError where it is not called on two inputs.
    Keras: keras.layers.Merge(mode='cos') (Keras 1); torch: einsum.
    """

    def __init__(self, dot_axes: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dot_axes = list(dot_axes) if isinstance(dot_axes, (list, tuple)) else [dot_axes, dot_axes]

    def build(self, input_shape: Any) -> None:
        """Settles the axes."""
        if not isinstance(input_shape, list) or len(input_shape) != 2:
            raise ValueError(f"CosineMerge '{self.name}' takes a list of two inputs, got shapes {input_shape}.")
        first, second = ("bcdefgh"[: len(shape) - 1] for shape in input_shape)
        axes = [axis % len(shape) - 1 for axis, shape in zip(self.dot_axes, input_shape, strict=True)]
        second = second.upper()
        left = f"a{first[: axes[0]]}z{first[axes[0] + 1 :]}"
        right = f"a{second[: axes[1]]}z{second[axes[1] + 1 :]}"
        self._equation = f"{left},{right}->{left.replace('z', '')}{right[1:].replace('z', '')}"
        self._is_flat = len(first) == len(second) == 1
        self.built = True

    def call(self, inputs: Any) -> torch.Tensor:
        """The quotients."""
        x, y = inputs
        roots = torch.sqrt(self._product(x, x) * self._product(y, y)).clamp_min(1e-7)
        return (self._product(x, y) / roots).unsqueeze(1)

    def _product(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        product = torch.einsum(self._equation, x, y)
        return product.unsqueeze(1) if self._is_flat else product

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, 1, the first's other axes, the second's other axes)."""
        rest = [
            n
            for shape, axis in zip(input_shape, self.dot_axes, strict=True)
            for i, n in enumerate(shape)
            if i not in (0, axis % len(shape))
        ]
        return (input_shape[0][0], 1, *(rest or [1]))


class TimeDistributedMerge(Layer):
    """The sum, mean or product over time.

    mode: 'sum', 'ave' or 'mul'. Shapes: (batch, time, in) -> (batch, in). Raises ValueError for another mode.
    Keras: keras.layers.TimeDistributedMerge (Keras 0.3); torch: sum, mean, prod.
    """

    def __init__(self, mode: str = "sum", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if mode not in ("sum", "ave", "mul"):
            raise ValueError(f"TimeDistributedMerge '{self.name}': mode must be 'sum', 'ave' or 'mul', got {mode!r}.")
        self.mode = mode
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, time, in) -> (batch, in)."""
        if self.mode == "sum":
            return torch.sum(inputs, 1)
        return torch.mean(inputs, 1) if self.mode == "ave" else torch.prod(inputs, 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, in)."""
        return (input_shape[0], input_shape[2])
