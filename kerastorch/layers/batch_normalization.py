"""BatchNormalization and SyncBatchNormalization."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from kerastorch import initializers, registry
from kerastorch.config import get_device
from kerastorch.layers.base import Layer, structure_version
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.normalization import AffineMixin, axis_argument, positive_axes, reshaped
from kerastorch.nn.normalization import BatchNorm
from kerastorch.nn.uninitialized import uninitialized
from kerastorch.variables import IDENTITY, Layout

__all__ = ["BatchNormalization", "SyncBatchNormalization"]

_FUSED_AXES = {4: (1, 3), 5: (1, 4)}
"""By rank, the axes for which tf.keras uses TensorFlow's fused kernel, whose moving variance averages unbiased ones."""

_FUSED_EPSILON = 1.001e-5
"""The fused kernel takes a smaller epsilon for this."""


class BatchNormalization(AffineMixin, Layer):
    """`gamma * (inputs - mean) / sqrt(variance + epsilon) + beta`, over all axes but `axis`.

    Training takes the batch's statistics and moves the averages; inference, and a frozen layer (`trainable=False`) in
    either phase, takes the averages. A mask (batch, time) leaves masked positions out of the batch's statistics, except
    for inputs of rank 4 and 5, as in tf.keras.

    Shapes: any, kept. gamma, beta, moving_mean, moving_variance: (channels,), or with several axes (1, c1, 1, c2).
    Raises ValueError for an axis of unknown size, and for renorm, virtual_batch_size and adjustment; TypeError where axis
    is no int or list.
    Departs: renorm, virtual_batch_size and adjustment of tf.keras are a ValueError.
    Keras: tf.keras.layers.BatchNormalization; torch: nn.BatchNorm2d and 3d (momentum is one minus Keras's), for other
    ranks, and without gamma or beta, kerastorch.nn.normalization.BatchNorm.
    """

    supports_masking = True
    casts_integers = True

    def __init__(
        self,
        axis: Any = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        unsupported = {key: kwargs.pop(key, None) for key in ("renorm", "virtual_batch_size", "adjustment")}
        fused = kwargs.pop("fused", None)
        for key in ("renorm_clipping", "renorm_momentum"):
            kwargs.pop(key, None)
        super().__init__(**kwargs)
        for key, value in unsupported.items():
            if value:
                raise ValueError(
                    f"{self._title}: {key}={value!r} is not supported. Leave it out: the layer then normalises plainly."
                )
        self.axis = axis_argument(self, axis)
        self.momentum, self.epsilon, self.synchronized = momentum, epsilon, synchronized
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
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        if fused and (synchronized or not self._may_fuse):
            raise ValueError(
                f"{self._title}: fused=True is for a single axis (1, or the last) of 16- or 32-bit floats and "
                f"synchronized=False, got axis={axis!r}, dtype={self.compute_dtype!r}, synchronized={synchronized}."
            )
        self._fused = fused

    @property
    def _may_fuse(self) -> bool:
        axes = self.axis if isinstance(self.axis, (list, tuple)) else [self.axis]
        return len(axes) == 1 and axes[0] in (-4, -3, -1, 1, 3, 4) and self.compute_dtype != "float64"

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights for inputs whose `axis` is known."""
        rank = len(input_shape)
        axes = positive_axes(self, self.axis, input_shape)
        if 0 in axes:
            raise ValueError(
                f"{self._title}: axis 0 is the batch, which cannot be normalised per sample; got axis={self.axis}."
            )
        fused = self._fused is not False and not self.synchronized and self._may_fuse
        fused = fused and axes[0] in _FUSED_AXES.get(rank, ())
        if self._fused and not fused:
            raise ValueError(
                f"{self._title}: fused=True is for axis 1 or the last of rank 4 or 5, got shape {input_shape}, "
                f"axis={axes}."
            )
        self.axis = axes
        axes = sorted(axes)
        self.input_spec = InputSpec(ndim=rank, axes={axis: input_shape[axis] for axis in axes})
        order = (0, *axes, *(i for i in range(1, rank) if i not in axes))
        self._order = order if order != tuple(range(rank)) else None
        self._back = tuple(order.index(i) for i in range(rank))
        self._channels = tuple(input_shape[axis] for axis in axes)
        layout = IDENTITY
        if len(axes) > 1:
            shape = tuple(input_shape[i] if i in axes else 1 for i in range(rank))
            layout = reshaped(shape, (-1,))
        self._make_norm(rank, fused, layout)
        self.built = True

    def _make_norm(self, rank: int, fused: bool, layout: Layout) -> None:
        size = 1
        for n in self._channels:
            size *= n
        self._is_fused = fused
        epsilon, momentum = self._epsilon_and_momentum()
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if self.synchronized and distributed and get_device().type == "cuda" and self.scale and self.center:
            self.norm: nn.Module = nn.SyncBatchNorm(size, epsilon, momentum, device="meta")
        elif fused and self.scale and self.center:
            self.norm = uninitialized(nn.BatchNorm2d if rank == 4 else nn.BatchNorm3d, size, epsilon, momentum)
        else:
            self.norm = BatchNorm(size, epsilon, momentum, self.scale, self.center, fused, device="meta")
        self.norm.num_batches_tracked = torch.zeros((), dtype=torch.long, device=get_device())
        dtype, half = self._variable_dtype, self._variable_dtype in ("float16", "bfloat16")
        if half:  # Keras keeps statistics in float32
            self._variable_dtype = "float32"
        self._add_affine(self.norm, layout)
        for name, buffer in (("moving_mean", "running_mean"), ("moving_variance", "running_var")):
            initializer = getattr(self, f"{name}_initializer")
            setattr(self, name, self.add_variable(name, self.norm, buffer, layout, initializer, trainable=False))
        self._variable_dtype = dtype
        self.train(self.training)

    def _epsilon_and_momentum(self) -> tuple[float, float]:
        """As torch has them."""
        momentum = round(1.0 - self.momentum, 12)  # 0.01, not 0.010000000000000009
        return max(self.epsilon, _FUSED_EPSILON) if self._is_fused else self.epsilon, momentum

    _live = ("momentum", "epsilon")

    def _renew(self) -> None:
        norm: Any = self.norm
        norm.eps, norm.momentum = self._epsilon_and_momentum()

    def call(self, inputs: torch.Tensor, training: Any = None, mask: Any = None) -> torch.Tensor:
        """The normalised inputs; masked positions too, by the others' statistics."""
        fixed = None if training is None else bool(training) and self.trainable
        x = self._to_channels_first(inputs)
        if not isinstance(self.norm, BatchNorm):
            y = self.norm(x) if fixed is None or isinstance(self.norm, nn.SyncBatchNorm) else self._with_phase(x, fixed)
        elif mask is None or self.norm.unbiased:
            y = self.norm(x) if fixed is None else self.norm(x, training=fixed)
        else:
            weights = self._to_channels_first(torch.ones_like(inputs) * mask.unsqueeze(-1))
            y = self.norm(x, weights) if fixed is None else self.norm(x, weights, fixed)
        if len(self._channels) > 1:
            y = y.unflatten(1, self._channels)
        return y if self._order is None else y.permute(*self._back)

    def _to_channels_first(self, x: torch.Tensor) -> torch.Tensor:
        if self._order is not None:
            x = x.permute(*self._order)
        return x if len(self._channels) == 1 else x.flatten(1, len(self._channels))

    def _with_phase(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        norm: Any = self.norm
        momentum = norm.momentum if training else 0.0
        return F.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, training, momentum, norm.eps
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `synchronized` and `fused`, which tf.keras never writes, where they are set."""
        config = super().get_config()
        if not config.get("synchronized"):
            config.pop("synchronized", None)
        if self._fused is not None:
            config["fused"] = self._fused
        return config

    # A frozen layer infers in either phase

    def train(self, mode: bool = True) -> BatchNormalization:
        """As torch's; a frozen layer's statistics stay as they are."""
        super().train(mode)
        if "norm" in self._modules:
            self.norm.train(mode and self._trainable)
        return self

    @property
    def trainable(self) -> bool:
        """Whether the weights are trained; where they are not, the layer infers in either phase."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if bool(value) != self._trainable:
            structure_version[0] += 1  # call sites with a baked `training=True`
        Layer.trainable.fset(self, value)  # type: ignore[attr-defined]
        self.train(self.training)


class SyncBatchNormalization(BatchNormalization):
    """BatchNormalization whose statistics are of all processes' batches together, where torch.distributed runs on CUDA.

    Eras: 2.
    Keras: tf.keras.layers.experimental.SyncBatchNormalization; torch: nn.SyncBatchNorm.
    """

    def __init__(
        self,
        axis: Any = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            axis, momentum, epsilon, center, scale, beta_initializer, gamma_initializer, moving_mean_initializer,
            moving_variance_initializer, beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint,
            synchronized=True, **kwargs,
        )  # fmt: skip


registry.register("layer", BatchNormalization, "BatchNormalizationV1", "BatchNormalizationV2")  # names in old files
