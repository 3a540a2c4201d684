"""Normalisation of single samples: layer, group, root mean square, unit length; and of weights: spectral."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from kerastorch import constraints, initializers, regularizers
from kerastorch.layers.base import Layer
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.ranks import RankedLayer
from kerastorch.layers.wrapper import Wrapper
from kerastorch.nn import normalization as modules
from kerastorch.variables import IDENTITY, Layout, Variable

__all__ = ["GroupNormalization", "LayerNormalization", "RMSNormalization", "SpectralNormalization", "UnitNormalization"]


def axis_argument(layer: Any, axis: Any) -> Any:
    """An `axis` argument as an int or a list of ints; TypeError for anything else."""
    if isinstance(axis, (list, tuple)) and all(isinstance(a, int) for a in axis):
        return list(axis)
    if isinstance(axis, int) and not isinstance(axis, bool):
        return axis
    raise TypeError(f"{type(layer).__name__} '{layer.name}': axis must be an int or a list of ints, got {axis!r}.")


def positive_axes(layer: Any, axis: Any, shape: tuple[int | None, ...], known: bool = True) -> list[int]:
    """The axes, none negative, in the given order; ValueError where one is not in the shape, stands twice, or (with
    `known`) is of unknown size."""
    who, rank = f"{type(layer).__name__} '{layer.name}'", len(shape)
    given = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    axes = [a + rank if a < 0 else a for a in given]
    if any(not 0 <= a < rank for a in axes):
        raise ValueError(
            f"{who}: axis={axis} does not fit an input of shape {shape}; give axes from {-rank} to {rank - 1}."
        )
    if len(set(axes)) != len(axes):
        raise ValueError(f"{who}: Duplicate axis: {axis} for an input of shape {shape}. Name each axis once.")
    if known and any(shape[a] is None for a in axes):
        raise ValueError(
            f"{who}: axis {axis} of the input must be known to make the weights, got shape {shape}. Give Input a shape."
        )
    return axes


def reshaped(keras_shape: tuple[int, ...], torch_shape: tuple[int, ...]) -> Layout:
    """A layout of the same values in the same order, with another shape in Keras."""
    return Layout(
        f"shape {keras_shape} in Keras",
        functools.partial(_reshape, keras_shape),
        functools.partial(_reshape, torch_shape),
    )


def _reshape(shape: tuple[int, ...], x: torch.Tensor) -> torch.Tensor:
    return x.reshape(shape)


class AffineMixin:
    """The scale `gamma` and the offset `beta` of a normalising layer, held by a torch module as weight and bias."""

    name: str
    add_variable: Any

    @property
    def _title(self) -> str:
        return f"{type(self).__name__} '{self.name}'"

    def _set_affine(
        self,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
    ) -> None:
        self.center, self.scale = center, scale
        self.beta_initializer, self.gamma_initializer = (
            initializers.get(beta_initializer),
            initializers.get(gamma_initializer),
        )
        self.beta_regularizer, self.gamma_regularizer = (
            regularizers.get(beta_regularizer),
            regularizers.get(gamma_regularizer),
        )
        self.beta_constraint, self.gamma_constraint = (
            constraints.get(beta_constraint),
            constraints.get(gamma_constraint),
        )
        self.gamma = self.beta = None

    def _add_affine(self, module: nn.Module, layout: Layout = IDENTITY) -> None:
        """Makes the variables gamma and beta on a module's weight and bias, where it has them."""
        for name, attribute in (("gamma", "weight"), ("beta", "bias")):
            if getattr(module, attribute) is not None:
                options = (getattr(self, f"{name}_{what}") for what in ("initializer", "regularizer", "constraint"))
                setattr(self, name, self.add_variable(name, module, attribute, layout, *options))


class LayerNormalization(AffineMixin, Layer):
    """`gamma * (inputs - mean) / sqrt(variance + epsilon) + beta`, mean and variance over `axis`, for each sample.

    rms_scaling (Keras 3): the mean stays, and there is no beta.
    Shapes: any, kept. gamma and beta: of the sizes of `axis`.
    Raises ValueError for an axis of unknown size; TypeError where axis is no int or list.
    Keras: tf.keras.layers.LayerNormalization; torch: nn.LayerNorm.
    """

    supports_masking = True
    casts_integers = True

    _live = ("epsilon",)

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        self.axis, self.epsilon, self.rms_scaling = axis_argument(self, axis), epsilon, bool(rms_scaling)
        self._set_affine(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes gamma and beta for inputs whose `axis` is known."""
        axes = positive_axes(self, self.axis, input_shape)
        self._order, self._back = _axes_last(axes, len(input_shape))
        sizes = tuple(int(input_shape[a]) for a in sorted(axes))  # type: ignore[arg-type]
        self.norm = self._make_norm(sizes)
        keras_sizes = tuple(input_shape[a] for a in axes)
        self._add_affine(self.norm, IDENTITY if sizes == keras_sizes else reshaped(keras_sizes, sizes))  # type: ignore[arg-type]
        self.axis = axes
        self.built = True

    def _make_norm(self, sizes: tuple[int, ...]) -> nn.Module:
        scale, center = self.scale or self.rms_scaling, self.center and not self.rms_scaling
        if self.rms_scaling or (center and not scale):
            return modules.LayerNorm(sizes, self.epsilon, scale, center, self.rms_scaling, device="meta")
        return nn.LayerNorm(sizes, self.epsilon, elementwise_affine=scale, bias=center, device="meta")

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The normalised inputs."""
        if self._order is None:
            return self.norm(inputs)
        return self.norm(inputs.permute(*self._order)).permute(*self._back)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `rms_scaling` where it is set."""
        config = super().get_config()
        return {**config, "rms_scaling": True} if self.rms_scaling else config


class RMSNormalization(Layer):
    """`scale * inputs / sqrt(mean(inputs**2) + epsilon)`, the mean over `axis`, for each sample.

    Shapes: any, kept. scale: of the sizes of `axis`. Raises ValueError for an axis of unknown size.
    Keras: keras.layers.RMSNormalization (Keras 3); torch: nn.RMSNorm.
    """

    _live = ("epsilon",)

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis, self.epsilon = axis_argument(self, axis), epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes scale for inputs whose `axis` is known."""
        axes = sorted(positive_axes(self, self.axis, input_shape))
        self._order, self._back = _axes_last(axes, len(input_shape))
        self.norm = nn.RMSNorm([int(input_shape[a]) for a in axes], self.epsilon, device="meta")  # type: ignore[arg-type]
        self.scale = self.add_variable("scale", self.norm, "weight", initializer="ones")
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The normalised inputs."""
        if self._order is None:
            return self.norm(inputs)
        return self.norm(inputs.permute(*self._order)).permute(*self._back)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class GroupNormalization(AffineMixin, Layer):
    """Normalises each sample over groups of channels and all other axes.

    groups: how many; 1 is layer normalisation over all axes, -1 (as many as channels) instance normalisation.
    A mask, of the input's shape or without its last axes, leaves positions out of mean and variance; with keras3_masking,
    as in models from Keras 3, all count.
    Shapes: any, kept. gamma and beta: (channels,).
    Raises ValueError where the channels are unknown, or no multiple of the groups.
    Keras: tf.keras.layers.GroupNormalization; torch: nn.GroupNorm (kerastorch.nn.normalization.GroupNorm, a subclass).
    """

    supports_masking = True

    _live = ("epsilon",)

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        *,
        keras3_masking: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.groups, self.axis, self.epsilon, self.keras3_masking = groups, axis, epsilon, keras3_masking
        self._set_affine(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes gamma and beta for inputs whose channels are known."""
        rank = len(input_shape)
        (axis,) = positive_axes(self, self.axis, input_shape)
        size = int(input_shape[axis])  # type: ignore[arg-type]
        self.groups = size if self.groups == -1 else self.groups
        if axis == 0 or self.groups < 1 or size % self.groups:
            raise ValueError(
                f"{self._title}: the channels must be a multiple of the groups, got groups={self.groups} and "
                f"{size} channels "
                f"(axis {self.axis} of shape {input_shape}). Choose groups that divide the channels, or -1 for "
                "one each."
            )
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: size})
        order = (0, axis, *(i for i in range(1, rank) if i != axis))
        self._order = None if axis == 1 else order
        self._back = tuple(order.index(i) for i in range(rank))
        self.norm = modules.GroupNorm(self.groups, size, self.epsilon, self.scale, self.center, device="meta")
        self._add_affine(self.norm)
        self._size, self._rank = size, rank
        self.built = True

    def call(self, inputs: torch.Tensor, mask: Any = None) -> torch.Tensor:
        """The normalised inputs, masked positions too."""
        x = inputs if self._order is None else inputs.permute(*self._order)
        plain = mask is None or self.keras3_masking
        y = self.norm(x) if plain else self._masked(x, torch.ones_like(inputs) * self._widened(mask))
        return y if self._order is None else y.permute(*self._back)

    def _widened(self, mask: Any) -> Any:
        # Proxies do not know their rank; a mask that Keras made is (batch, time).
        missing = self._rank - (mask.dim() if isinstance(mask, torch.Tensor) else min(2, self._rank))
        return mask[(..., *(None,) * missing)] if missing else mask

    def _masked(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        weights = weights if self._order is None else weights.permute(*self._order)
        groups, weights = (t.unflatten(1, (self.groups, self._size // self.groups)) for t in (x, weights))
        axes = list(range(2, self._rank + 1))
        total = torch.sum(weights, dim=axes, keepdim=True)
        centred = groups - torch.sum(groups * weights, dim=axes, keepdim=True) / total
        variance = torch.sum(torch.square(centred) * weights, dim=axes, keepdim=True) / total
        y = (centred * torch.rsqrt(variance + self.epsilon)).flatten(1, 2)
        shape = (self._size, *(1,) * (self._rank - 2))
        y = y * self.norm.weight.reshape(shape) if self.scale else y
        return y + self.norm.bias.reshape(shape) if self.center else y

    def get_config(self) -> dict[str, Any]:
        """The arguments; `keras3_masking` where it is set."""
        config = super().get_config()
        if not self.keras3_masking:
            del config["keras3_masking"]
        return config

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class UnitNormalization(RankedLayer):
    """Each sample divided by its Euclidean length over `axis` (one or several).

    Shapes: any, kept. Raises ValueError for an axis that the input does not have.
    Keras: tf.keras.layers.UnitNormalization; torch: functional.normalize.
    """

    supports_masking = True
    casts_integers = True

    _live = ("axis",)

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis_argument(self, axis)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Checks the axis."""
        self._axes = tuple(positive_axes(self, self.axis, input_shape, known=False))
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs at unit length."""
        return F.normalize(inputs, dim=self._axes, eps=1e-6)  # type: ignore[arg-type]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class SpectralNormalization(Wrapper):
    """A layer whose kernel (or embeddings) each training step first divides by its largest singular value.

    layer: the wrapped one, with a `kernel` or `embeddings`. power_iterations: steps of the estimate in each call.
    Shapes: the wrapped layer's. Weights: the wrapped layer's, and vector_u: (1, last axis of the kernel).
    Raises ValueError for a layer without kernel, and where power_iterations is not positive.
    Keras: tf.keras.layers.SpectralNormalization; torch: kerastorch.nn.normalization.PowerIteration.
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        if power_iterations <= 0:
            raise ValueError(
                f"SpectralNormalization '{self.name}': power_iterations must be greater than zero, got "
                f"{power_iterations}."
            )
        self.power_iterations = power_iterations

    def build(self, input_shape: Any) -> None:
        """Builds the layer, and vector_u."""
        self.supports_masking = self.layer.supports_masking  # tf.keras does not say so, but hands masks on
        super().build(input_shape)
        self.input_spec = InputSpec(shape=(None, *input_shape[1:]))
        self.kernel = getattr(self.layer, "kernel", getattr(self.layer, "embeddings", None))
        if not isinstance(self.kernel, Variable):
            raise ValueError(
                f"SpectralNormalization '{self.name}': {type(self.layer).__name__} object has no attribute "
                "'kernel' nor "
                "'embeddings'. Wrap a layer that has one, such as Dense, Conv2D or Embedding."
            )
        self.power = modules.PowerIteration(self.kernel.shape[-1], self.power_iterations, device="meta")
        initializer = initializers.TruncatedNormal(stddev=0.02)
        self.vector_u = self.add_variable("vector_u", self.power, "vector_u", initializer=initializer, trainable=False)
        self.built = True

    def call(self, inputs: torch.Tensor, training: Any = None) -> torch.Tensor:
        """The layer's outputs, after the step on its kernel while training."""
        kernel = self.kernel.value
        inputs = self.power(inputs, kernel) if training is None else self.power(inputs, kernel, bool(training))
        weight = self.kernel.tensor
        names = [name for name, x in self.layer.named_parameters() if x is weight] if training else []
        if not names or not torch.is_grad_enabled():
            return self.layer(inputs)
        # The next call's step changes the kernel in place, and this call's gradient is by the kernel as it is now.
        return functional_call(self.layer, {names[0]: weight.clone()}, (inputs,))

    @property
    def is_traceable(self) -> bool:
        """While training, each call has a kernel of its own."""
        return False

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The wrapped layer's."""
        return self.layer.compute_mask(inputs, mask)

    def _saved_variables(self) -> dict[str, Variable]:
        assert isinstance(self.kernel, Variable)
        return {"0": self.kernel, "1": self.vector_u}  # Keras counts the kernel among the wrapper's own

    def normalize_weights(self) -> None:
        """One step on the kernel, outside of training."""
        self.power.normalize(self.kernel.value)

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The weights that training leaves, in Keras's order."""
        found = super().non_trainable_weights
        if not self._trainable and self.built:  # Keras counts the kernel among the wrapper's own
            found.sort(key=lambda v: 0 if v is self.kernel else 1)
        return found


def _axes_last(axes: list[int], rank: int) -> tuple[tuple[int, ...] | None, tuple[int, ...]]:
    """The permutation that brings the axes to the end, None where they stand there, and its inverse."""
    order = (*(i for i in range(rank) if i not in axes), *sorted(axes))
    return (None if order == tuple(range(rank)) else order), tuple(order.index(i) for i in range(rank))
