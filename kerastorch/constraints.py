"""Constraints: functions that project a weight, in Keras's shape, after each step of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from . import registry
from .arrays import operand
from .config import epsilon, get_device
from .variables import Variable

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "RadialConstraint",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "maxnorm",
    "min_max_norm",
    "non_neg",
    "nonneg",
    "radial_constraint",
    "serialize",
    "unit_norm",
    "unitnorm",
]

Axis = int | Sequence[int]


def _norms(w: torch.Tensor | Variable, axis: Axis) -> torch.Tensor:
    return torch.sqrt(torch.sum(torch.square(w), dim=axis, keepdim=True))


def _check_axis(owner: Constraint, axis: Any) -> Axis:
    axes = axis if isinstance(axis, (list, tuple)) else (axis,)
    if not all(isinstance(a, int) for a in axes):
        raise ValueError(f"{type(owner).__name__}: axis must be an int or several, got {axis!r}.")
    return axis


def _check_number(owner: Constraint, name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError(f"{type(owner).__name__}: {name} must be a number that is not negative, got {value!r}.")
    return value


class Constraint(registry.Configurable):
    """The base of all constraints. A subclass writes `__call__(w)`, which returns the projected weight.

    Keras: tf.keras.constraints.Constraint.
    """

    def __init__(self) -> None:  # so that Python refuses arguments
        super().__init__()

    def __call__(self, w: torch.Tensor | Variable) -> torch.Tensor:
        """The weight as it may be: a tensor of the same shape; here, `w` itself."""
        return w.value if isinstance(w, Variable) else w


class MaxNorm(Constraint):
    """Shrinks what exceeds the norm `max_value` over `axis` (an int or several) to that norm.

    Raises ValueError for a negative `max_value`. Keras: tf.keras.constraints.MaxNorm (Srivastava et al., 2014).
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = _check_number(self, "max_value", max_value)
        self.axis = _check_axis(self, axis)

    def __call__(self, w: torch.Tensor | Variable) -> torch.Tensor:
        """The weight as it may be: a tensor of the same shape."""
        w = operand(w, get_device())
        norms = _norms(w, self.axis)
        return w * (torch.clamp(norms, 0, self.max_value) / (epsilon() + norms))


class NonNeg(Constraint):
    """Sets what is negative to 0. Keras: tf.keras.constraints.NonNeg."""

    def __call__(self, w: torch.Tensor | Variable) -> torch.Tensor:
        """The weight as it may be: a tensor of the same shape."""
        return torch.relu(operand(w, get_device()))


class UnitNorm(Constraint):
    """Scales to norm 1 over `axis`, an int or several. Keras: tf.keras.constraints.UnitNorm."""

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = _check_axis(self, axis)

    def __call__(self, w: torch.Tensor | Variable) -> torch.Tensor:
        """The weight as it may be: a tensor of the same shape."""
        w = operand(w, get_device())
        return w / (epsilon() + _norms(w, self.axis))


class MinMaxNorm(Constraint):
    """Moves the norm over `axis` (an int or several) by the share `rate` of the way to [min_value, max_value].

    Raises ValueError for a negative bound, and where `min_value` exceeds `max_value`.
    Keras: tf.keras.constraints.MinMaxNorm.
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0) -> None:
        self.min_value = _check_number(self, "min_value", min_value)
        self.max_value = _check_number(self, "max_value", max_value)
        if min_value > max_value:
            raise ValueError(f"MinMaxNorm: min_value {min_value!r} exceeds max_value {max_value!r}.")
        self.rate = _check_number(self, "rate", rate)
        self.axis = _check_axis(self, axis)

    def __call__(self, w: torch.Tensor | Variable) -> torch.Tensor:
        """The weight as it may be: a tensor of the same shape."""
        w = operand(w, get_device())
        norms = _norms(w, self.axis)
        desired = self.rate * torch.clamp(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (epsilon() + norms))


class RadialConstraint(Constraint):
    """Makes a square 2D convolution kernel the same at each (square) radius, from values on its diagonal.

    A kernel (size, size, in, out) keeps, for each pair of channels, one value a ring. From the centre outwards these
    are the diagonal's elements h-1, h, h+1, ... of an odd size, h-1, h+1, h+2, ... of an even one, with h = size // 2:
    what tf.keras computes, though its documentation says otherwise.
    Raises ValueError for other than four axes and for a kernel that isn't square.
    Keras: tf.keras.constraints.RadialConstraint.
    """

    def __call__(self, w: torch.Tensor | Variable) -> torch.Tensor:
        """The weight as it may be: a tensor of the same shape."""
        w = operand(w, get_device())
        if w.ndim != 4 or w.shape[0] != w.shape[1]:
            raise ValueError(
                f"RadialConstraint: the weight must have shape (size, size, in, out), got {tuple(w.shape)}."
            )
        size = w.shape[0]
        value = w.value if isinstance(w, Variable) else w
        offset = torch.abs(2 * torch.arange(size, device=value.device) - (size - 1)) // 2
        ring = torch.maximum(offset[:, None], offset[None, :])
        index = size // 2 - 1 + ring + (ring > 0) * (1 - size % 2)
        return torch.diagonal(value, dim1=0, dim2=1)[..., index].permute(2, 3, 0, 1)


maxnorm = max_norm = MaxNorm
min_max_norm = MinMaxNorm
nonneg = non_neg = NonNeg
radial_constraint = RadialConstraint
unitnorm = unit_norm = UnitNorm

for _class, *_names in (
    (MaxNorm, "max_norm", "maxnorm"),
    (MinMaxNorm, "min_max_norm"),
    (NonNeg, "non_neg", "nonneg"),
    (RadialConstraint, "radial_constraint"),
    (UnitNorm, "unit_norm", "unitnorm"),
):
    registry.register("constraint", _class, *_names)


def serialize(constraint: Any, use_legacy_format: bool = False) -> Any:
    """`{'class_name', 'config'}` of a constraint, the name of a function, None of None.

    `use_legacy_format` is taken because tf.keras has it; there is one form. Keras: tf.keras.constraints.serialize.
    """
    return registry.serialize(constraint)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None, use_legacy_format: bool = False) -> Any:
    """The constraint that a name or config means; ValueError for an unknown one.

    Keras: tf.keras.constraints.deserialize.
    """
    return registry.deserialize("constraint", config, custom_objects)


def get(identifier: Any) -> Any:
    """The constraint that a name, config, class or callable means; None stays None.

    Raises ValueError for an unknown name, and for anything else. Keras: tf.keras.constraints.get.
    """
    return registry.identify("constraint", identifier)
