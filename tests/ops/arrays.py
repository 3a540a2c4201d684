"""Inputs of recorded cases: arrays described by kind and shape, the same wherever they are made."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Array", "Case", "Given", "b", "c", "f", "filled", "i", "nan", "p", "spd", "u"]


class Array:
    """An array of a kind: 'f' normal, 'p' positive, 'u' within (-0.9, 0.9), 'i' whole numbers below `high`, 'b' truth
    values, 'c' complex, 'spd' symmetric positive definite matrices, 'nan' normal with some that are no numbers."""

    def __init__(self, kind: str, shape: tuple[int, ...], high: int = 3, dtype: str | None = None) -> None:
        self.kind, self.shape, self.high, self.dtype = kind, shape, high, dtype

    def make(self, seed: int) -> np.ndarray:
        """The array."""
        rng = np.random.default_rng(seed)
        normal = rng.normal(size=self.shape)
        if self.kind == "spd":
            normal = normal @ np.swapaxes(normal, -1, -2) + 2 * np.eye(self.shape[-1])
        if self.kind == "nan":
            normal.reshape(-1)[::5] = np.nan
        made = {
            "p": lambda: rng.uniform(0.1, 2, self.shape),
            "u": lambda: rng.uniform(-0.9, 0.9, self.shape),
            "i": lambda: rng.integers(0, self.high, self.shape),
            "b": lambda: rng.uniform(size=self.shape) > 0.5,
            "c": lambda: normal + 1j * rng.normal(size=self.shape),
        }.get(self.kind, lambda: normal)()
        return np.asarray(made).astype(
            self.dtype or {"i": "int32", "b": "bool", "c": "complex64"}.get(self.kind, "float32")
        )


def f(*shape: int, dtype: str | None = None) -> Array:
    """Normal numbers."""
    return Array("f", shape, dtype=dtype)


def p(*shape: int, dtype: str | None = None) -> Array:
    """Positive numbers."""
    return Array("p", shape, dtype=dtype)


def u(*shape: int) -> Array:
    """Numbers within (-0.9, 0.9)."""
    return Array("u", shape)


def i(*shape: int, high: int = 3, dtype: str | None = None) -> Array:
    """Whole numbers."""
    return Array("i", shape, high, dtype)


def b(*shape: int) -> Array:
    """Truth values."""
    return Array("b", shape)


def c(*shape: int) -> Array:
    """Complex numbers."""
    return Array("c", shape)


def spd(*shape: int) -> Array:
    """Symmetric positive definite matrices."""
    return Array("spd", shape)


def nan(*shape: int) -> Array:
    """Numbers, some of them none."""
    return Array("nan", shape)


class Given(Array):
    """An array of these numbers."""

    def __init__(self, values: Any) -> None:
        super().__init__("given", np.shape(values))
        self.values = values

    def make(self, seed: int) -> np.ndarray:
        """The array, whatever the seed."""
        return np.asarray(self.values, "float32")


class Case:
    """A call of a named function. made_with: of a Keras 3 operation, what it is made with."""

    def __init__(self, name: str, /, *args: Any, made_with: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self.name, self.args, self.kwargs, self.made_with = name, args, kwargs, made_with or {}

    def __repr__(self) -> str:
        return self.name


def filled(structure: Any, found: list[np.ndarray], to: Any = lambda x: x) -> Any:
    """The structure with `to(array)` in the place of each Array; the arrays go into `found`."""
    if isinstance(structure, Array):
        found.append(structure.make(len(found)))
        return to(found[-1])
    if isinstance(structure, (list, tuple)):
        return type(structure)(filled(x, found, to) for x in structure)
    if isinstance(structure, dict):
        return {key: filled(x, found, to) for key, x in structure.items()}
    return structure
