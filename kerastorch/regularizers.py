"""Regularizers: penalties on weights and activities, which training adds to the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from . import registry
from .arrays import operand
from .config import floatx, get_device, torch_dtype
from .variables import Variable

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]


def _penalty(owner: Regularizer, name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{type(owner).__name__}: {name} must be a finite number, got {value!r}.")
    # Keras keeps the factor in the default float type and writes it so: 0.01 becomes 0.009999999776482582.
    return torch.tensor(value, dtype=torch_dtype(floatx()), device="cpu").item()


def _sole_argument(owner: Regularizer, value: Any, kwargs: dict[str, Any]) -> Any:
    """The value of the one argument, which Keras 2.2 called `l`."""
    value = kwargs.pop("l", value)
    if kwargs:
        raise TypeError(f"{type(owner).__name__}: unknown arguments {sorted(kwargs)}.")
    return 0.01 if value is None else value


class Regularizer(registry.Configurable):
    """The base of all regularizers. A subclass writes `__call__(x)`, which returns a scalar.

    Keras: tf.keras.regularizers.Regularizer.
    """

    def __call__(self, x: torch.Tensor | Variable) -> Any:
        """The penalty on a weight or activity: a scalar."""
        return 0.0


class L1(Regularizer):
    """`l1 * sum(|x|)`. Raises ValueError where `l1` is no finite number. Keras: tf.keras.regularizers.L1."""

    def __init__(self, l1: float = 0.01, **kwargs: Any) -> None:
        self.l1 = _penalty(self, "l1", _sole_argument(self, l1, kwargs))

    def __call__(self, x: torch.Tensor | Variable) -> torch.Tensor:
        """The penalty: a scalar of the dtype of `x`."""
        return self.l1 * torch.sum(torch.abs(operand(x, get_device())))


class L2(Regularizer):
    """`l2 * sum(x**2)`. Raises ValueError where `l2` is no finite number. Keras: tf.keras.regularizers.L2."""

    def __init__(self, l2: float = 0.01, **kwargs: Any) -> None:
        self.l2 = _penalty(self, "l2", _sole_argument(self, l2, kwargs))

    def __call__(self, x: torch.Tensor | Variable) -> torch.Tensor:
        """The penalty: a scalar of the dtype of `x`."""
        return self.l2 * torch.sum(torch.square(operand(x, get_device())))


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x**2)`. Raises ValueError where a factor is no finite number.

    Keras: tf.keras.regularizers.L1L2.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _penalty(self, "l1", 0.0 if l1 is None else l1)
        self.l2 = _penalty(self, "l2", 0.0 if l2 is None else l2)

    def __call__(self, x: torch.Tensor | Variable) -> torch.Tensor:
        """The penalty: a scalar of the dtype of `x`."""
        x, terms = operand(x, get_device()), []
        if self.l1:
            terms.append(self.l1 * torch.sum(torch.abs(x)))
        if self.l2:
            terms.append(self.l2 * torch.sum(torch.square(x)))
        return sum(terms[1:], terms[0]) if terms else torch.zeros_like(torch.sum(x))


class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean |cosine| of the angles between the rows (or columns) of a matrix, over all pairs.

    mode: 'rows' or 'columns'. Raises ValueError where `factor` is no finite number and for another mode.
    Keras: tf.keras.regularizers.OrthogonalRegularizer.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(f"OrthogonalRegularizer: unknown mode {mode!r}; expected 'rows' or 'columns'.")
        self.factor = _penalty(self, "factor", factor)
        self.mode = mode

    def __call__(self, inputs: torch.Tensor | Variable) -> torch.Tensor:
        """The penalty: a scalar. ValueError for other than two axes."""
        inputs = operand(inputs, get_device())
        if inputs.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer: expected a matrix, got shape {tuple(inputs.shape)}.")
        matrix = inputs.value if isinstance(inputs, Variable) else inputs
        rows = F.normalize(matrix if self.mode == "rows" else matrix.T, dim=1, eps=1e-6)
        size = rows.shape[0]
        others = 1 - torch.eye(size, dtype=rows.dtype, device=rows.device)
        return self.factor * torch.sum(torch.abs(rows @ rows.T * others)) / (size * (size - 1))


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """An `L1L2` whose factors are 0.01 unless given. Keras: tf.keras.regularizers.l1_l2."""
    return L1L2(l1=l1, l2=l2)


l1 = L1
l2 = L2
orthogonal_regularizer = OrthogonalRegularizer

for _class, *_names in ((L1, "l1"), (L2, "l2"), (L1L2,), (OrthogonalRegularizer, "orthogonal_regularizer")):
    registry.register("regularizer", _class, *_names)


def serialize(regularizer: Any, use_legacy_format: bool = False) -> Any:
    """`{'class_name', 'config'}` of a regularizer, the name of a function, None of None.

    `use_legacy_format` is taken because tf.keras has it; there is one form. Keras: tf.keras.regularizers.serialize.
    """
    return registry.serialize(regularizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None, use_legacy_format: bool = False) -> Any:
    """The regularizer that a name or config means; ValueError for an unknown one.

    Keras: tf.keras.regularizers.deserialize.
    """
    name, values = (config.get("class_name"), config.get("config")) if isinstance(config, Mapping) else (config, None)
    if name == "l1_l2" and registry.find("regularizer", "l1_l2", custom_objects) is None:
        return l1_l2(**(values or {}))
    return registry.deserialize("regularizer", config, custom_objects)


def get(identifier: Any) -> Any:
    """The regularizer that a name, config, class or callable means; None stays None.

    Raises ValueError for an unknown name, and for anything else. Keras: tf.keras.regularizers.get.
    """
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    return registry.identify("regularizer", identifier)
