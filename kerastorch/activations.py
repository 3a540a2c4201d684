"""Activation functions on torch tensors, and their names.

All are plain torch operations without a branch on data or shape, so they trace under `torch.fx`, compile and export.
Where tf.keras 2 and Keras 3 differ (`hard_sigmoid`), the plain name means tf.keras 2's.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from . import registry
from .arrays import tensor_of

__all__ = [
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_sigmoid_keras3",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

Activation = Callable[..., Any]


def _activation(*names: str) -> Callable[[Activation], Activation]:
    def register(function: Activation) -> Activation:
        @functools.wraps(function)
        def on_arrays_too(x: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(x, (np.ndarray, list, float)):
                x = tensor_of(x) if isinstance(x, np.ndarray) else torch.as_tensor(x)
            return function(x, *args, **kwargs)

        registry.register("activation", on_arrays_too, *names)
        return on_arrays_too

    return register


@_activation()
def linear(x: torch.Tensor) -> torch.Tensor:
    """`x` itself. Keras: tf.keras.activations.linear."""
    return x


@_activation()
def relu(
    x: torch.Tensor,
    alpha: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
    *,
    negative_slope: float | None = None,
) -> torch.Tensor:
    """`x` where it exceeds `threshold`, capped at `max_value`; `alpha * (x - threshold)` elsewhere.

    `negative_slope` is Keras 3's name of `alpha`, and wins where both are given. Same shape as `x`.
    Raises ValueError for a negative `max_value`.
    Keras: tf.keras.activations.relu.
    """
    slope = alpha if negative_slope is None else negative_slope
    if max_value is not None and max_value < 0:
        raise ValueError(f"relu: max_value must not be negative, got {max_value!r}.")
    if threshold == 0 and max_value is None:
        return F.leaky_relu(x, slope) if slope else torch.relu(x)
    if threshold == 0 and max_value == 6 and not slope:
        return F.relu6(x)
    positive = F.threshold(x, threshold, 0) if threshold else torch.relu(x)
    if max_value is not None:
        positive = torch.clamp(positive, max=max_value)
    return positive - slope * torch.relu(threshold - x) if slope else positive


@_activation()
def relu6(x: torch.Tensor) -> torch.Tensor:
    """`min(max(x, 0), 6)`. Keras 3: keras.activations.relu6."""
    return F.relu6(x)


@_activation()
def leaky_relu(x: torch.Tensor, negative_slope: float = 0.2, *, alpha: float | None = None) -> torch.Tensor:
    """`x` where positive, `negative_slope * x` elsewhere; `alpha` is TensorFlow's name of the slope.

    Keras 3: keras.activations.leaky_relu; tf.keras: the name 'leaky_relu', which means tf.nn.leaky_relu.
    """
    return F.leaky_relu(x, negative_slope if alpha is None else alpha)


@_activation()
def elu(x: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere. Keras: tf.keras.activations.elu (Clevert et al., 2016)."""
    return F.elu(x, alpha)


@_activation()
def selu(x: torch.Tensor) -> torch.Tensor:
    """`scale * elu(x, alpha)` with the self-normalising constants.

    Keras: tf.keras.activations.selu (Klambauer et al., 2017).
    """
    return F.selu(x)


@_activation()
def celu(x: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    """`max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)`. Keras 3: keras.activations.celu (Barron, 2017)."""
    return F.celu(x, alpha)


@_activation()
def gelu(x: torch.Tensor, approximate: bool = False) -> torch.Tensor:
    """`x * P(X <= x)`, X standard normal, or its tanh approximation.

    Keras: tf.keras.activations.gelu (Hendrycks and Gimpel, 2016).
    """
    return F.gelu(x, approximate="tanh" if approximate else "none")


@_activation("silu")
def swish(x: torch.Tensor) -> torch.Tensor:
    """`x * sigmoid(x)`; written into configs as 'swish'.

    Keras: tf.keras.activations.swish (Ramachandran et al., 2017).
    """
    return F.silu(x)


silu = swish


@_activation("hard_swish")
def hard_silu(x: torch.Tensor) -> torch.Tensor:
    """`x * relu6(x + 3) / 6`. Keras 3: keras.activations.hard_silu (Howard et al., 2019)."""
    return F.hardswish(x)


hard_swish = hard_silu


@_activation()
def mish(x: torch.Tensor) -> torch.Tensor:
    """`x * tanh(softplus(x))`. Keras: tf.keras.activations.mish (Misra, 2019)."""
    return F.mish(x)


@_activation()
def sigmoid(x: torch.Tensor) -> torch.Tensor:
    """`1 / (1 + exp(-x))`. Keras: tf.keras.activations.sigmoid."""
    return torch.sigmoid(x)


@_activation()
def hard_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """`0.2 * x + 0.5` clipped to [0, 1], as Keras 1 and 2 have it. Keras: tf.keras.activations.hard_sigmoid."""
    return torch.clamp(0.2 * x + 0.5, 0, 1)


@_activation()
def hard_sigmoid_keras3(x: torch.Tensor) -> torch.Tensor:
    """`relu6(x + 3) / 6`: what Keras 3 calls hard_sigmoid. Keras 3: keras.activations.hard_sigmoid."""
    return F.hardsigmoid(x)


@_activation()
def log_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """`log(sigmoid(x))`. Keras 3: keras.activations.log_sigmoid."""
    return F.logsigmoid(x)


@_activation()
def sparse_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """`(x + 1) / 2` clipped to [0, 1]. Keras 3: keras.activations.sparse_sigmoid (Martins and Astudillo, 2016)."""
    return F.hardtanh(0.5 * x + 0.5, 0.0, 1.0)


@_activation()
def tanh(x: torch.Tensor) -> torch.Tensor:
    """The hyperbolic tangent. Keras: tf.keras.activations.tanh."""
    return torch.tanh(x)


@_activation()
def tanh_shrink(x: torch.Tensor) -> torch.Tensor:
    """`x - tanh(x)`. Keras 3: keras.activations.tanh_shrink."""
    return F.tanhshrink(x)


@_activation()
def hard_tanh(x: torch.Tensor) -> torch.Tensor:
    """`x` clipped to [-1, 1]. Keras 3: keras.activations.hard_tanh."""
    return torch.clamp(x, -1, 1)


@_activation()
def hard_shrink(x: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """`x` where `|x| > threshold`, else 0. Keras 3: keras.activations.hard_shrink."""
    return F.hardshrink(x, threshold)


@_activation()
def soft_shrink(x: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """`x` moved by `threshold` towards 0, and no further than 0. Keras 3: keras.activations.soft_shrink."""
    return F.softshrink(x, threshold)


@_activation()
def threshold(x: torch.Tensor, threshold: float, default_value: float) -> torch.Tensor:
    """`x` where it exceeds `threshold`, else `default_value`. Keras 3: keras.activations.threshold."""
    return F.threshold(x, threshold, default_value)


@_activation()
def exponential(x: torch.Tensor) -> torch.Tensor:
    """`exp(x)`. Keras: tf.keras.activations.exponential."""
    return torch.exp(x)


@_activation()
def softplus(x: torch.Tensor) -> torch.Tensor:
    """`log(exp(x) + 1)`. Keras: tf.keras.activations.softplus."""
    return F.softplus(x)


@_activation()
def softsign(x: torch.Tensor) -> torch.Tensor:
    """`x / (|x| + 1)`. Keras: tf.keras.activations.softsign."""
    return F.softsign(x)


@_activation()
def squareplus(x: torch.Tensor, b: float = 4) -> torch.Tensor:
    """`(x + sqrt(x**2 + b)) / 2`. Keras 3: keras.activations.squareplus (Barron, 2021)."""
    return (x + torch.sqrt(torch.square(x) + b)) / 2


@_activation()
def sparse_plus(x: torch.Tensor) -> torch.Tensor:
    """0 up to -1, `(x + 1)**2 / 4` up to 1, `x` above.

    Keras 3: keras.activations.sparse_plus (Martins and Astudillo, 2016).
    """
    # The clamp keeps the branch not taken finite: an infinite one would make the gradient NaN.
    return torch.where(x < 1, torch.square(torch.clamp(x + 1, 0, 2)) / 4, x)


def _log_normalizer(x: torch.Tensor, axis: int | Sequence[int] | None) -> torch.Tensor:
    if axis is None:
        return torch.logsumexp(torch.flatten(x), dim=0)
    return torch.logsumexp(x, dim=tuple(axis), keepdim=True)  # type: ignore[arg-type]


@_activation()
def softmax(x: torch.Tensor, axis: int | Sequence[int] | None = -1) -> torch.Tensor:
    """`exp(x)` scaled to sum to 1 over `axis`, which may be several axes, or None for all. Same shape as `x`.

    Keras: tf.keras.activations.softmax, which refuses a tensor with one axis; Keras 3 and this take it.
    """
    return F.softmax(x, dim=axis) if isinstance(axis, int) else torch.exp(x - _log_normalizer(x, axis))


@_activation()
def log_softmax(x: torch.Tensor, axis: int | Sequence[int] | None = -1) -> torch.Tensor:
    """The logarithm of `softmax(x, axis)`. Keras 3: keras.activations.log_softmax."""
    return F.log_softmax(x, dim=axis) if isinstance(axis, int) else x - _log_normalizer(x, axis)


@_activation()
def sparsemax(x: torch.Tensor, axis: int = -1) -> torch.Tensor:
    """What Keras 3 computes as sparsemax, over `axis`: `max(x - tau, 0)`. Same shape as `x`.

    The paper's tau is (the sum of the k largest - 1) / k, which makes the result sum to 1. Keras 3 (seen in 3.15.1)
    adds up the k cumulative sums instead, so its result does not sum to 1 wherever k > 1; a model that was trained with
    it needs the same numbers.
    Keras 3: keras.activations.sparsemax (after Martins and Astudillo, 2016).
    """
    ordered = torch.sort(x, dim=axis, descending=True)[0]
    rank = torch.cumsum(torch.ones_like(ordered), dim=axis)
    sums = torch.cumsum(ordered, dim=axis)
    support = 1 + rank * ordered > sums
    size = torch.sum(support, dim=axis, keepdim=True)
    total = torch.sum(torch.where(support, sums, 0.0), dim=axis, keepdim=True)
    return torch.relu(x - (total - 1) / size)


@_activation()
def glu(x: torch.Tensor, axis: int = -1) -> torch.Tensor:
    """`a * sigmoid(b)`, a and b the halves of `x` over `axis`, which is halved.

    Keras 3: keras.activations.glu (Dauphin et al., 2017).
    """
    return F.glu(x, dim=axis)


def serialize(activation: Activation, use_legacy_format: bool = False) -> str | dict[str, Any]:
    """The name of an activation function, or the config of a layer that serves as one.

    `use_legacy_format` is taken because tf.keras has it; there is one form.
    Raises ValueError for what a config can't hold, such as a torch module.
    Keras: tf.keras.activations.serialize.
    """
    if not callable(activation) or not (hasattr(activation, "get_config") or hasattr(activation, "__name__")):
        raise ValueError(
            f"activations.serialize: cannot write {activation!r} into a config; expected a named function, or an "
            f"object with a get_config method."
        )
    return registry.serialize(activation)


def deserialize(
    config: str | Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None, use_legacy_format: bool = False
) -> Activation:
    """The activation that a name means, or a name or config of a layer that serves as one, such as 'LeakyReLU'.

    Raises ValueError for an unknown name.
    Keras: tf.keras.activations.deserialize.
    """
    name = config.get("class_name") if isinstance(config, Mapping) else config
    is_layer = (
        isinstance(name, str)
        and registry.find("activation", name, custom_objects) is None
        and registry.find("layer", name, custom_objects) is not None
    )
    return registry.deserialize("layer" if is_layer else "activation", config, custom_objects)


def get(identifier: Any) -> Activation:
    """The activation that an identifier means: None (linear), a name, a config, or a callable, which stays itself.

    A torch module such as `torch.nn.GELU()` is a callable like any other. Raises ValueError for an unknown name and
    TypeError for what is none of these.
    Keras: tf.keras.activations.get.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    if inspect.isclass(identifier):
        return identifier()  # type: ignore[return-value]
    if callable(identifier):
        return identifier
    raise TypeError(f"Could not interpret activation {identifier!r}; give a name, a config dict, a callable, or None.")
