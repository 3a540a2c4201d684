"""What a layer expects of its inputs. Keras: tf.keras.layers.InputSpec."""

from __future__ import annotations

from typing import Any

from kerastorch.config import standardize_dtype
from kerastorch.registry import Configurable

__all__ = ["InputSpec", "check_inputs"]


class InputSpec(Configurable):
    """Rank, shape, dtype and single axes that an input must have.

    shape: a tuple with None where any size will do; ndim, min_ndim, max_ndim: ints; axes: {axis: size}.
    Keras: tf.keras.layers.InputSpec.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
    ) -> None:
        self.dtype = None if dtype is None else standardize_dtype(dtype)
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze, self.name = allow_last_axis_squeeze, name

    def problem(self, shape: tuple[int | None, ...]) -> str | None:
        """What is wrong with an input of this shape, in Keras's words, or None."""
        ndim = len(shape)
        if self.ndim is not None and ndim != self.ndim and self.shape is None:
            return f"expected ndim={self.ndim}, found ndim={ndim}. Full shape received: {shape}"
        if self.max_ndim is not None and ndim > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={ndim}. Full shape received: {shape}"
        if self.min_ndim is not None and ndim < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={ndim}. Full shape received: {shape}"
        for axis, size in self.axes.items():
            if size is not None and -ndim <= axis < ndim and shape[axis] not in (size, None):
                return (
                    f"expected axis {axis} of input shape to have value {size}, but received input with shape {shape}"
                )
        if self.shape is not None:
            wrong = ndim != len(self.shape) or any(
                want is not None and got is not None and want != got
                for want, got in zip(self.shape, shape, strict=False)
            )
            if wrong:
                return f"expected shape={self.shape}, found shape={shape}"
        return None


def check_inputs(layer: Any, specs: Any, shapes: list[tuple[int | None, ...]]) -> None:
    """Raises ValueError, naming the layer, where a shape does not meet its spec or their numbers differ."""
    specs = specs if isinstance(specs, (list, tuple)) else [specs]
    if len(specs) != len(shapes):
        raise ValueError(
            f'Layer "{layer.name}" expects {len(specs)} input(s), but it received {len(shapes)} input tensors '
            f"of shapes {shapes}. Call it on {'a list of ' if len(specs) > 1 else ''}{len(specs)}."
        )
    for i, (spec, shape) in enumerate(zip(specs, shapes, strict=True)):
        problem = spec.problem(shape) if spec is not None else None
        if problem:
            raise ValueError(f'Input {i} of layer "{layer.name}" is incompatible with the layer: {problem}')
